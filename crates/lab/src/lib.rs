//! A simulated small Windows enterprise with one intrusion in it, written as EVTX files and Zeek connection logs.
//!
//! [`build`] makes the world deterministically from a seed and says what is in it ([`Truth`]): the hosts, the accounts,
//! the hops of the intruder with their evidence, and the acts planted for each detection. Names, addresses and events
//! are invented; the layouts of the events are those of Windows 10 / Server 2019, Sysmon 15 and Zeek.

pub mod enterprise;
pub mod evtx_writer;
mod intrusion;
mod sim;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use intrusion::DETECTIONS;

/// What world to make.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seed: the same seed and options give the same files, byte for byte.
    pub seed: u64,
    /// First day (UTC); a weekend moves it to Monday.
    pub start: Date,
    /// Number of working days, at least one. The intrusion is on the second, or on the only one.
    pub days: usize,
    /// Workstations, at least three; the last one is the administrator's.
    pub workstations: usize,
    /// Servers besides the domain controller, at least three.
    pub servers: usize,
    /// Bytes of EVTX to reach at least: working days, and with large targets workstations, are added.
    pub target_bytes: Option<u64>,
    /// Whether there is an intrusion.
    pub intrusion: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            start: Date::constant(2026, 3, 3),
            days: 3,
            workstations: 5,
            servers: 3,
            target_bytes: None,
            intrusion: true,
        }
    }
}

/// A record that proves something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Host name; its directory has the log.
    pub host: String,
    /// Channel.
    pub channel: String,
    /// Event id.
    pub event_id: u16,
    /// Record id in the log.
    pub record_id: u64,
    /// Time of the event, RFC 3339, UTC.
    pub time: String,
}

/// An act that one detection must find.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planted {
    /// Time of the first record, RFC 3339, UTC.
    pub start: String,
    /// Time of the last record.
    pub end: String,
    /// The records the detection rests on.
    pub evidence: Vec<Evidence>,
    /// Connections in Zeek's log it rests on.
    pub zeek_uids: Vec<String>,
    /// Values that its result must show.
    pub fields: BTreeMap<String, String>,
}

/// One movement of the intruder from host to host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Source host.
    pub src: String,
    /// Destination host.
    pub dst: String,
    /// Account of the session on the source that causes the hop.
    pub actor: String,
    /// Account of the logon on the destination.
    pub used: String,
    /// Account that the payload runs as.
    pub effective: String,
    /// Technique in words.
    pub technique: String,
    /// ATT&CK technique.
    pub attack_id: String,
    /// Start, RFC 3339, UTC.
    pub time: String,
    /// All records that belong to it, in the order of time.
    pub evidence: Vec<Evidence>,
    /// Connections in Zeek's log that belong to it.
    pub zeek_uids: Vec<String>,
}

/// A host of the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthHost {
    /// NetBIOS name.
    pub name: String,
    /// Fully qualified name, the `Computer` of its events.
    pub fqdn: String,
    /// IPv4 address.
    pub ip: String,
    /// What it is for.
    pub role: String,
    /// Category in `assets.csv`.
    pub category: String,
    /// Whether Sysmon runs on it.
    pub sysmon: bool,
    /// Whether Security writes 4688 and 4689 on it.
    pub process_auditing: bool,
}

/// An account of the domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthAccount {
    /// Name without the domain.
    pub name: String,
    /// SID.
    pub sid: String,
    /// Category in `identities.csv`.
    pub category: String,
    /// Whether it administers the hosts.
    pub administrator: bool,
}

/// What is in a world; also written as `truth.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// The seed.
    pub seed: u64,
    /// DNS name of the domain.
    pub domain: String,
    /// NetBIOS name of the domain.
    pub netbios: String,
    /// SID of the domain.
    pub domain_sid: String,
    /// The working days.
    pub days: Vec<String>,
    /// Records in all logs.
    pub events: u64,
    /// Size of all EVTX files in bytes.
    pub evtx_bytes: u64,
    /// The hosts.
    pub hosts: Vec<TruthHost>,
    /// The accounts.
    pub accounts: Vec<TruthAccount>,
    /// The intruder's movements, in the order of time.
    pub hops: Vec<Hop>,
    /// For each detection of the story the acts that it must find; it must find nothing else.
    pub detections: BTreeMap<String, Vec<Planted>>,
}

/// Makes a world in `directory`: a directory of EVTX files for each host, `zeek/conn*.log`, `assets.csv`,
/// `identities.csv` and `truth.json`.
///
/// # Errors
/// When the options describe no world or a file cannot be written.
pub fn build(options: &Options, directory: &Path) -> Result<Truth, LabError> {
    world::build(options, directory)
}

/// What can go wrong while a world is made.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A file or directory cannot be used.
    #[error("cannot {action} {}: {error}; check the path, its permissions and the free space", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        error: std::io::Error,
    },
    /// A value has not the form that its type demands.
    #[error("`{text}` is no {what}; give it in its usual text form")]
    BadValue {
        /// The type.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// An event does not fit into a chunk of 64 KiB.
    #[error("event {event_id} for {} does not fit into a chunk of 64 KiB; shorten its data", path.display())]
    EventTooLarge {
        /// Event id.
        event_id: u16,
        /// The log.
        path: PathBuf,
    },
    /// The log has as many chunks as its header can count.
    #[error("{} has reached the limit of the format (65535 chunks); write to another file", path.display())]
    FileFull {
        /// The log.
        path: PathBuf,
    },
    /// The options do not describe a world.
    #[error("option `{option}`: {reason}")]
    Options {
        /// Name of the option.
        option: &'static str,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl LabError {
    pub(crate) fn io(action: &'static str, path: &Path, error: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            error,
        }
    }
}
