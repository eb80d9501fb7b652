//! What can go wrong between machines.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A cluster cannot be used, or did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClusterError {
    /// An address of a worker.
    #[error("`{0}` is no address of a worker; write HOST:PORT")]
    Address(String),
    /// An address that others can reach, without protection.
    #[error(
        "{0} is not on this machine, so it needs a token and TLS: whoever reaches a worker can read the store"
    )]
    Unprotected(String),
    /// A file with a token or a certificate.
    #[error("{}: {why}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system denies what the program needs to run.
    #[error("the system provides no {what}: {why}")]
    System {
        /// What was requested.
        what: &'static str,
        /// What the system says.
        why: String,
    },
    /// An address that cannot be listened on.
    #[error("{address} cannot be listened on: {why}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        why: String,
    },
    /// A worker of another build.
    #[error(
        "the worker {address} is the build {there}, and this is {here}; run the same build on all machines"
    )]
    Build {
        /// Which worker.
        address: String,
        /// Its build.
        there: String,
        /// The build that asks.
        here: &'static str,
    },
    /// A worker with another store.
    #[error(
        "the worker {address} has the store {there}, and the search is over {here}; give all machines the same store, or copies of it"
    )]
    Store {
        /// Which worker.
        address: String,
        /// The id of its store.
        there: String,
        /// The id of the store that is searched.
        here: String,
    },
    /// A worker that refuses the token, or lacks it.
    #[error("the worker {0} refuses the token; give all machines the same file")]
    Token(String),
    /// No worker answers.
    #[error("no worker answers: {0}")]
    NoWorkers(String),
    /// A search took too long.
    #[error("the search did not end within {} s and was stopped; narrow its time range, or allow more", .0.as_secs())]
    TimedOut(Duration),
    /// Workers were lost twice.
    #[error("{lost} stopped during the search, and so did the second attempt: {why}")]
    Lost {
        /// The workers that stopped first.
        lost: String,
        /// Why the second attempt failed.
        why: String,
    },
}
