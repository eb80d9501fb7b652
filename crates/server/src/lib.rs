//! Crabwalk as a server: what senders send is kept, searched and hunted in all day.
//!
//! Senders that speak to Splunk's HTTP Event Collector are pointed at it and work unchanged. What it acknowledges is in a
//! write-ahead log that was synced first ([`wal`]); what it holds goes through the readers that files go through
//! ([`crabwalk_sources::delivery`]), and is asked as any catalog.
//!
//! [`run`] is a server from its start to its end.

pub mod batch;
pub mod intake;
pub mod limits;
pub mod token;
pub mod wal;

mod account;
mod alert;
mod ask;
mod body;
mod elastic;
mod folder;
mod hec;
mod http;
mod keep;
mod lines;
mod listed;
mod secret;
mod server;
mod shared;
mod status;
mod syslog;
mod watch;
mod web;

pub use alert::Output;
pub use http::TlsError;
pub use limits::Limits;
pub use server::{Config, ServeError, Started, run, tokens};
pub use watch::{Hunting, Knows};
