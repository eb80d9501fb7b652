//! Searches over one store on many machines.
//!
//! The machine that is asked plans a search as it does without a cluster, over a snapshot of its store. A `Coordinator`
//! takes the plan in place of the engine (`crabwalk_spl::Place`): it cuts the plan where rows change hands, and sends
//! the pieces to workers, which are processes of this program (`worker::run`) with the same store and content. Only
//! physical plans travel: functions go by name with their literal arguments, lookups by name and hash, and the events to
//! read as a list of files (`crabwalk_store::FileScan`).
//!
//! # The same rows, or an error
//!
//! A worker of another build or over another store is refused, and one that lacks a lookup says so. If a worker stops
//! answering, the search runs once more on the others. Every search ends by a deadline. A search that is too small to be
//! shared, or cannot be, runs where it was asked.
//!
//! Without the feature `distributed` this crate is empty.

#[cfg(feature = "distributed")]
mod cluster;
#[cfg(feature = "distributed")]
mod coordinator;
#[cfg(feature = "distributed")]
mod distributed;
#[cfg(feature = "distributed")]
mod error;
#[cfg(feature = "distributed")]
mod link;
#[cfg(feature = "distributed")]
mod scan;
#[cfg(feature = "distributed")]
pub mod worker;

#[cfg(feature = "distributed")]
pub use cluster::{Answers, Cluster, Node, Shared};
#[cfg(feature = "distributed")]
pub use coordinator::{Coordinator, Machines, Options, Ran};
#[cfg(feature = "distributed")]
pub use error::ClusterError;
#[cfg(feature = "distributed")]
pub use link::{Address, BUILD, Trust};
