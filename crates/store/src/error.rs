//! What can go wrong with a store.

use std::io;
use std::path::PathBuf;

use crabwalk_vocabulary::EventType;
use datafusion::arrow::error::ArrowError;
use parquet::errors::ParquetError;

/// A store operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Storage cannot be read or written.
    #[error("{path}: cannot {what}: {source}")]
    Io {
        /// The file or folder: a path inside the store, or the store's own.
        path: String,
        /// The operation: `read`, `write`, …
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// There is no store.
    #[error("{}: is not a store: it has no format.json of one; `crabwalk ingest PATH… --store {}` creates one", .0.display(), .0.display())]
    NoStore(PathBuf),
    /// A new store was requested where there is something else.
    #[error("{}: is neither empty nor a store; choose an empty or a new folder", .0.display())]
    Occupied(PathBuf),
    /// A store written by a later release.
    #[error("{}: is a store in the format `{form}`, but this release reads `{known}`; use a newer release", path.display())]
    Form {
        /// Where it is.
        path: PathBuf,
        /// What it says.
        form: String,
        /// The format that this release writes.
        known: &'static str,
    },
    /// Another process, or another part of this one, is writing to it.
    #[error("{}: another process is writing to this store; wait until it has finished, or stop it", .0.display())]
    Locked(PathBuf),
    /// Others were always faster.
    #[error("{}: others write to this store so often that a commit did not get its turn; try again, or let fewer machines write", .0.display())]
    Overtaken(PathBuf),
    /// A URL that leads to no storage.
    #[error("{}: cannot be used for a store: {why}", path.display())]
    Location {
        /// The URL.
        path: PathBuf,
        /// What is wrong with it or with the settings.
        why: String,
    },
    /// It was opened read-only.
    #[error("the store was opened read-only")]
    ReadOnly,
    /// The contents of the store are not what was written.
    #[error("{path}: is damaged: {why}; `crabwalk store check` lists all damage")]
    Damaged {
        /// Which file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file of events cannot be read or written.
    #[error("{path}: {source}")]
    Parquet {
        /// Which file.
        path: String,
        /// What is wrong.
        source: ParquetError,
    },
    /// Events are inconsistent.
    #[error("events of {event_type}: {source}")]
    Arrow {
        /// Of which type.
        event_type: EventType,
        /// What is wrong.
        source: ArrowError,
    },
    /// A scan of one store was given to another.
    #[error(
        "the search is over the store {asked}, and the one here is {here}; give all machines the same store, or copies of it"
    )]
    OtherStore {
        /// The id of the store at hand.
        here: String,
        /// The id of the store that the scan is of.
        asked: String,
    },
    /// Events lack the identities that reveal copies.
    #[error("events of {0} lack what identifies copies; collect them with the demand `Ingest`")]
    NoIdentities(EventType),
}

impl StoreError {
    pub(crate) fn io(path: impl Into<String>, what: &'static str, source: io::Error) -> Self {
        Self::Io {
            path: path.into(),
            what,
            source,
        }
    }

    pub(crate) fn damaged(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.into(),
            why: why.into(),
        }
    }
}
