//! A simulated small Windows enterprise with one intrusion in it, written as EVTX files and Zeek connection logs.
//!
//! [`build`] makes the world deterministically from a seed and says what is in it ([`Truth`]): the hosts, the accounts,
//! the hops of the intruder with their evidence, and the acts planted for each detection. Names, addresses and events
//! are invented; the layouts of the events are those of Windows 10 / Server 2019, Sysmon 15 and Zeek.

pub mod evtx_writer;

use std::path::{Path, PathBuf};

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
