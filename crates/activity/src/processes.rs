//! Processes.

use crate::identity::{AccountId, HostId};

/// Which process: one that can be written down, stored, and found again beside processes of other days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessKey {
    /// When it started: numbers are used again.
    pub time: i64,
    /// Where it ran.
    pub host: HostId,
    /// Its number there.
    pub pid: u64,
    /// The event that shows it: two logs may tell of one start.
    pub reference: u64,
}

/// A started process.
#[derive(Debug, Clone)]
pub struct Process<'a> {
    /// Where it ran.
    pub host: HostId,
    /// Start time, in microseconds since 1970-01-01 UTC, by the common clock.
    pub time: i64,
    /// When its end was logged (Sysmon 5, Security 4689), by the common clock.
    pub ended: Option<i64>,
    /// Sysmon's ProcessGuid; empty if only the Security log records it.
    pub guid: &'a str,
    /// Its number, which Windows reuses after the process ends.
    pub pid: u64,
    /// Sysmon's ProcessGuid of its parent, or empty.
    pub parent_guid: &'a str,
    /// Its parent's number.
    pub parent_pid: u64,
    /// Path of the program.
    pub image: &'a str,
    /// Command line; empty if it was not logged.
    pub command: &'a str,
    /// Path of its parent's program; taken from the parent's own start if its event does not name it.
    pub parent_image: &'a str,
    /// Only from Sysmon, otherwise empty.
    pub parent_command: &'a str,
    /// The name in the file's version resource; only from Sysmon.
    pub original_name: &'a str,
    /// The account it ran as.
    pub user: Option<AccountId>,
    /// The session in which it ran.
    pub logon_id: u64,
    /// LogonId of its creator's session, if the log distinguishes it.
    pub creator_logon: u64,
    /// Whether `logon_id` is certainly its own session: older Windows records only the creator's.
    pub own_session: bool,
    /// Number of its terminal session, only from Sysmon: 0 is that of services, where nobody sits at a desktop.
    pub desktop: Option<u32>,
    /// When its session began, according to Sysmon's LogonGuid.
    pub logon_time: Option<i64>,
    /// Whether Sysmon records it; otherwise Security 4688 does.
    pub sysmon: bool,
    /// Identifies the event ([`crabwalk_events::Catalog::resolve`]).
    pub reference: u64,
}

impl Process<'_> {
    /// Which process it is.
    pub fn key(&self) -> ProcessKey {
        ProcessKey {
            time: self.time,
            host: self.host,
            pid: self.pid,
            reference: self.reference,
        }
    }
}
