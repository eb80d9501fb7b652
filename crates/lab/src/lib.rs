//! Simulated companies with ground truth, written as real EVTX files.
//!
//! [`build`] generates a world deterministically from a seed, a small one or an enterprise ([`Preset`]), and returns
//! its truth ([`Truth`]): the hosts, the intruders' hops, who else goes from host to host, and in a small world the
//! acts planted for each detection. All worlds use the same acts. Names, addresses and events are invented; the layouts
//! of the events are those of Windows 10 / Server 2019, Sysmon 15 and Zeek.

#![expect(
    clippy::indexing_slicing,
    reason = "it makes logs from tables of its own, and reads no input"
)]

mod acts;
mod attack;
mod clock;
pub mod enterprise;
pub mod evtx_writer;
mod output;
mod sim;
mod small;
mod truth;

use std::path::{Path, PathBuf};

use jiff::civil::Date;

use enterprise::EnterpriseOptions;

pub use small::DETECTIONS;
pub use truth::{
    DailyAccess, Intrusion, Planted, PlantedHop, PlantedRecord, SCHEMA, Truth, TruthAccount,
    TruthHost, WorldKind,
};

/// What world to make.
#[derive(Debug, Clone)]
pub enum Preset {
    /// A small company with Zeek's connection logs and one intrusion, with a planted act for each of ten detections.
    Small(Options),
    /// A company of any size with daily work, and any number of intrusions.
    Enterprise(EnterpriseOptions),
}

impl From<&Options> for Preset {
    fn from(options: &Options) -> Self {
        Self::Small(options.clone())
    }
}

impl From<&EnterpriseOptions> for Preset {
    fn from(options: &EnterpriseOptions) -> Self {
        Self::Enterprise(options.clone())
    }
}

/// The small world to generate.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seed: the same seed and options give the same files, byte for byte.
    pub seed: u64,
    /// First day (UTC); a weekend is moved to Monday.
    pub start: Date,
    /// Number of working days, at least one. The intrusion is on the second, or on the only one.
    pub days: usize,
    /// Workstations, at least three; the last one is the administrator's.
    pub workstations: usize,
    /// Servers besides the domain controller, at least three.
    pub servers: usize,
    /// Minimum total size of EVTX in bytes: adds working days and, for large targets, workstations.
    pub target_bytes: Option<u64>,
    /// Whether there is an intrusion.
    pub intrusion: bool,
    /// DNS name of the domain.
    pub dns: String,
    /// NetBIOS name of the domain.
    pub netbios: String,
}

impl Default for Options {
    fn default() -> Self {
        let domain = sim::Domain::default();
        Self {
            seed: 1,
            dns: domain.dns,
            netbios: domain.netbios,
            start: Date::constant(2026, 3, 3),
            days: 3,
            workstations: 5,
            servers: 3,
            target_bytes: None,
            intrusion: true,
        }
    }
}

/// Generates a world in `directory`: a directory of EVTX files for each host, and `truth.json`; for a small world also
/// `zeek/conn*.log`, `assets.csv` and `identities.csv`.
///
/// # Errors
/// If the options describe no world or a file cannot be written.
pub fn build(preset: impl Into<Preset>, directory: &Path) -> Result<Truth, LabError> {
    match preset.into() {
        Preset::Small(options) => small::build(&options, directory),
        Preset::Enterprise(options) => enterprise::build(&options, directory),
    }
}

/// Errors in generating a world.
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
    /// A value does not have the form of its type.
    #[error("`{text}` is not a valid {what}; give it in its usual text form")]
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
