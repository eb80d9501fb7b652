//! How events hang together, once what was read of them is let go.

use hashbrown::HashMap;

use super::Activity;
use super::sessions::find_session;
use crate::identity::{HostId, Hosts};
use crate::row::Clocks;
use crate::sessions::{OPEN, Session};

/// What an event about a process has to do with other events.
#[derive(Debug, Clone, Copy)]
struct Lineage {
    parent: Option<u64>,
    ran: Option<i64>,
}

/// Which process started which, and which session an act belongs to, by the references of their events
/// ([`crabwalk_events::Catalog::resolve`]).
///
/// This is what an [`Activity`] leaves behind for dossiers: they list events, and ask here how those hang together, so
/// that a dossier and a hop never give one process two parents. It holds no text and borrows nothing.
#[derive(Debug, Default)]
pub struct Relations {
    hosts: Hosts,
    clocks: Clocks,
    boots: HashMap<HostId, Vec<i64>>,
    sessions: Vec<Session>,
    sessions_by_id: Vec<u32>,
    by_logon: HashMap<u64, u32>,
    processes: HashMap<u64, Lineage>,
}

/// A session, as far as its logon's event and other events show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Reference of the event that shows it: its logon, or its first process if no logon was logged.
    pub reference: u64,
    /// How long it lasted, in microseconds; `None` if no logoff was logged.
    pub lasted: Option<i64>,
    /// Whether it received special privileges (Security 4672).
    pub elevated: bool,
}

impl From<&Session> for Span {
    fn from(session: &Session) -> Self {
        Self {
            reference: session.reference,
            lasted: (session.end != OPEN).then(|| session.end - session.time),
            elevated: session.elevated,
        }
    }
}

impl From<Activity<'_>> for Relations {
    fn from(activity: Activity<'_>) -> Self {
        let processes = (activity.processes.iter().enumerate())
            .map(|(at, process)| {
                let parent = activity.parent(at);
                let lineage = Lineage {
                    parent: parent.and_then(|at| Some(activity.processes.get(at)?.reference)),
                    ran: process.ended.map(|end| end - process.time),
                };
                (process.reference, lineage)
            })
            .collect();
        let by_logon = (0..)
            .zip(&activity.sessions)
            .map(|(at, session)| (session.reference, at))
            .collect();
        Self {
            clocks: activity.catalog.clocks().clone(),
            hosts: activity.hosts,
            boots: activity.boots,
            sessions: activity.sessions,
            sessions_by_id: activity.sessions_by_id,
            by_logon,
            processes,
        }
    }
}

impl Relations {
    /// The start of the process that started the process with this start, if it was logged.
    pub fn parent(&self, start: u64) -> Option<u64> {
        self.processes.get(&start)?.parent
    }

    /// How long the process with this start ran, in microseconds; `None` if its end was not logged.
    pub fn ran(&self, start: u64) -> Option<i64> {
        self.processes.get(&start)?.ran
    }

    /// The session that a logon opened. Those of Windows' own accounts, and machines' routine logons with tickets, are
    /// not kept.
    pub fn opened(&self, logon: u64) -> Option<Span> {
        let at = *self.by_logon.get(&logon)?;
        self.sessions.get(at as usize).map(Span::from)
    }

    /// The session with a LogonId in which something happened, in microseconds since 1970-01-01 UTC by the clock of the
    /// machine that logged it as `host`. A LogonId is unique between two boots.
    pub fn session(&self, host: &str, logon_id: u64, time: i64) -> Option<Span> {
        let ahead = self.clocks.get(host).copied().unwrap_or(0);
        let at = find_session(
            &self.sessions_by_id,
            &self.sessions,
            &self.boots,
            self.hosts.known(host)?,
            logon_id,
            time - ahead,
        )?;
        self.sessions.get(at).map(Span::from)
    }
}
