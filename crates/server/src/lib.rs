//! Crabwalk as a server: it receives, stores and searches events, and hunts through them continuously.
//!
//! # Acknowledged is kept
//!
//! A sender deletes what was acknowledged; whatever is lost afterwards is lost for good. So a delivery is answered only
//! when its bytes lie in a write-ahead log ([`wal`]) and the disk has confirmed them. They are logged as they came, and
//! parsed afterwards: a reader that fails on a delivery today can read it tomorrow, from the log. The log is then moved
//! into the store in one commit that also says how far it went, so an event is there exactly once wherever the process
//! is interrupted.
//!
//! # No reader of its own
//!
//! Whatever the protocol (Splunk's HTTP Event Collector, Elasticsearch's `_bulk`, syslog, JSON lines, a watched folder),
//! a delivery goes through the readers that files go through ([`crabwalk_sources::delivery`]), and searches and hunts
//! see a [`Catalog`](crabwalk_events::Catalog) as ever. The same events give the same case, by wire or by file.
//!
//! [`run`] runs a server until it is told to stop. The log can be used alone:
//!
//! ```
//! use crabwalk_server::wal::{Disk, Wal};
//!
//! let folder = tempfile::tempdir()?;
//! let open = |seen: &mut Vec<(u64, Vec<u8>)>| {
//!     // Segments of 1 MiB; everything from the first record on.
//!     Wal::open(Disk::new(folder.path())?, 1 << 20, 1, |number, payload| {
//!         seen.push((number, payload.to_vec()));
//!     })
//! };
//! let (mut log, _) = open(&mut Vec::new())?;
//! assert_eq!(log.append(&[b"one", b"two"])?, 1); // Synced: a sender may forget them now.
//! drop(log);
//!
//! let mut seen = Vec::new();
//! let (_, recovery) = open(&mut seen)?;
//! assert_eq!(seen, [(1, b"one".to_vec()), (2, b"two".to_vec())]);
//! assert_eq!((recovery.records, recovery.torn), (2, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod batch;
pub mod intake;
pub mod limits;
pub mod token;
pub mod wal;

mod account;
mod alert;
mod api;
mod appended;
mod audit;
mod body;
pub mod doctor;
mod elastic;
mod environment;
mod folder;
mod health;
mod hec;
mod http;
mod inbox;
mod jobs;
mod keep;
mod language;
mod lines;
mod listed;
mod people;
mod saved;
mod schedule;
mod search;
mod secret;
mod server;
mod shared;
mod splunk;
mod status;
mod syslog;
mod triage;
mod watch;
mod web;

pub use alert::{Encryption, Mail, MailError, MailServer, Output, Password};
pub use http::TlsError;
pub use keep::Sharing;
pub use limits::Limits;
pub use server::{Config, ServeError, Started, check, run, tokens};
pub use watch::{Hunting, Knows};
