//! Readers: EVTX, event XML, JSON, CSV, Zeek, classic text; archives. One bad record never loses a file.
//!
//! # Columns at once, and only those asked for
//!
//! A reader does not build records. It tells a [`Collector`](collect::Collector) which event begins and pushes values
//! into columns, and before it decodes anything it asks a [`Demand`](collect::Demand) which columns of that event type
//! are needed. A hunt needs some dozens out of hundreds: most event types are skipped at the record's header, and
//! nothing is ever converted from rows to columns. Skipped events are still counted, so coverage includes everything in
//! the logs.
//!
//! This, and damage, are the reasons for our own EVTX reader: a wrong checksum is a warning, and after a bad record
//! reading continues at the next. A record that appears in two files counts once.
//!
//! ```
//! use std::sync::Arc;
//!
//! use crabwalk_sources::collect::{Begun, Collector, Columns, Demand, Head};
//!
//! /// Who logged on, and nothing else.
//! struct Logons;
//!
//! impl Demand for Logons {
//!     fn columns(&self, channel: &str, event_id: u32) -> Columns {
//!         match (channel, event_id) {
//!             ("Security", 4624) => Columns::Named(Arc::new(["TargetUserName".to_owned()].into())),
//!             _ => Columns::None,
//!         }
//!     }
//! }
//!
//! let mut collector = Collector::new(&Logons);
//! let table = collector.table("Security", 4624);
//! let head = Head { time: 1_767_607_200_000_000, host: "WS1", source: 0, record: 1, numbered: true };
//! assert_eq!(collector.begin(table, &head), Begun::Row);
//! assert!(collector.column(table, "TargetUserName").is_some());
//! assert!(collector.column(table, "IpAddress").is_none());
//! ```

pub mod collect;
pub mod delivery;
pub mod evtx;
pub mod pack;
pub mod report;

mod archive;
mod audit;
mod carried;
mod classic;
mod cloud;
mod copies;
mod csv;
mod ese;
mod hayabusa;
mod journal;
mod json;
mod limits;
mod list;
mod logins;
mod masstin;
mod message;
mod piece;
mod place;
mod positions;
mod read;
mod recognise;
mod record;
mod remote;
mod syslog;
mod task;
mod text;
mod time;
mod ual;
mod xml;
mod zeek;

/// The time in a text, in any form that logs use, in microseconds since 1970-01-01 UTC. Text without a zone is read as
/// UTC. `None` if it is not a time.
pub fn time_of(text: &str) -> Option<i64> {
    time::parse(text.trim()).map(|written| written.micros)
}

pub use limits::{Limits, Progress, Quiet};
pub use read::{Batch, InBatch, Input, Read, are_larger, read, read_in_batches};
