//! Simulated companies with ground truth, written as real EVTX files.
//!
//! # Files, not events in memory
//!
//! A world could be handed to a hunt as rows. Then nothing would test what stands between a machine and a row: chunks,
//! templates, strings in UTF-16, copies, names that differ from log to log. So [`build`] writes what Windows and Zeek
//! would have left, through its own EVTX writer ([`evtx_writer`]), and a hunt begins with files as it does for its user.
//! The layouts of the events are those of Windows 10 / Server 2019, Sysmon 15 and Zeek; names, addresses and events are
//! invented.
//!
//! An intruder's act and the same act of an administrator are one piece of code, so they leave the same traces: nothing
//! but who does it, when and where tells them apart. All worlds are made of these acts. A small one has a single
//! intrusion and an act planted for each of ten detections; an enterprise has daily work of any size ([`Preset`]).
//!
//! The truth is returned and written beside the logs, never into them: the hosts, the intruders' hops, and who else goes
//! from host to host ([`Truth`]). The same seed and options give the same files, byte for byte, so a figure can be
//! measured again.
//!
//! ```
//! use crabwalk_lab::{Options, build};
//!
//! let folder = tempfile::tempdir()?;
//! let options = Options { days: 1, workstations: 3, ..Options::default() };
//! let truth = build(&options, folder.path())?;
//! assert_eq!(truth.intrusions.len(), 1);
//! assert!(folder.path().join("truth.json").is_file());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![expect(
    clippy::indexing_slicing,
    reason = "it makes logs from tables of its own, and reads no input"
)]

mod acts;
mod attack;
mod clock;
mod directory;
pub mod enterprise;
pub mod evtx_writer;
mod output;
mod sim;
mod small;
mod truth;

use std::path::{Path, PathBuf};

use jiff::civil::Date;

use enterprise::EnterpriseOptions;

pub use directory::{folders, may_use};
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
    /// The directory has other contents.
    #[error("{} is not empty and was not made by `crabwalk lab`; choose another directory", .0.display())]
    Occupied(PathBuf),
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
