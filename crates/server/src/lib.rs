//! Crabwalk as a server: it receives, stores and searches events, and hunts through them continuously.
//!
//! Senders configured for Splunk's HTTP Event Collector work unchanged. Events are acknowledged once they are synced to
//! a write-ahead log ([`wal`]); they pass through the same readers as files ([`crabwalk_sources::delivery`]), and are
//! read like any catalog.
//!
//! [`run`] runs a server from start to end.

pub mod batch;
pub mod intake;
pub mod limits;
pub mod token;
pub mod wal;

mod account;
mod alert;
mod audit;
mod body;
mod elastic;
mod folder;
mod hec;
mod http;
mod jobs;
mod keep;
mod lines;
mod listed;
mod saved;
mod schedule;
mod search;
mod secret;
mod server;
mod shared;
mod splunk;
mod status;
mod syslog;
mod watch;
mod web;

pub use alert::Output;
pub use http::TlsError;
pub use limits::Limits;
pub use server::{Config, ServeError, Started, check, run, tokens};
pub use watch::{Hunting, Knows};
