//! Processes.

use crate::identity::{AccountId, HostId};

/// A process that was started.
#[derive(Debug, Clone)]
pub struct Process<'a> {
    /// Where it ran.
    pub host: HostId,
    /// When it was started: microseconds since 1970-01-01 UTC, by the common clock.
    pub time: i64,
    /// Sysmon's ProcessGuid; empty where the Security log tells of it.
    pub guid: &'a str,
    /// Its number, which Windows gives again after its end.
    pub pid: u64,
    /// Sysmon's ProcessGuid of its parent, or empty.
    pub parent_guid: &'a str,
    /// Its parent's number.
    pub parent_pid: u64,
    /// Path of the program.
    pub image: &'a str,
    /// Command line, empty where it was not logged.
    pub command: &'a str,
    /// Path of its parent's program; from its parent's own start where its event does not name it.
    pub parent_image: &'a str,
    /// From Sysmon alone, otherwise empty.
    pub parent_command: &'a str,
    /// The name in the file's version resource, from Sysmon alone.
    pub original_name: &'a str,
    /// The account it ran as.
    pub user: Option<AccountId>,
    /// The session in which it ran.
    pub logon_id: u64,
    /// LogonId of the session of its creator, where the log tells it apart.
    pub creator_logon: u64,
    /// Whether `logon_id` is surely its own session: older Windows names only the creator's.
    pub own_session: bool,
    /// Number of its terminal session, from Sysmon alone: 0 is that of services, where nobody sits at a desktop.
    pub desktop: Option<u32>,
    /// When its session began, from Sysmon's LogonGuid.
    pub logon_time: Option<i64>,
    /// Whether Sysmon tells of it; otherwise Security 4688 does.
    pub sysmon: bool,
    /// Leads to the event ([`crabwalk_events::Catalog::resolve`]).
    pub reference: u64,
}
