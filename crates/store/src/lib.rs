//! Events on disk: a [`Catalog`](crabwalk_events::Catalog) over Parquet files, with atomic commits.
//!
//! # Write once, read as it was
//!
//! A store is a folder. It keeps events in Parquet files of one event type each, with all fields, sorted by host and
//! time; a manifest lists the files that count. A commit first writes new files, which nobody reads yet, and then one
//! small document that names them. It covers all event types at once, so nobody ever sees a logon without the process
//! it started, and wherever the process is interrupted, it is either before or after the commit.
//!
//! A reader takes a [snapshot](Store::snapshot), which behaves like an in-memory catalog and is unaffected by later
//! commits. One process writes while any number read. A commit leaves out events that the store already has, wherever
//! they were read: an event is identified by host, log, number and time or, without a number, by its full content.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use crabwalk_events::Catalog;
//! use crabwalk_events::catalog::ALWAYS;
//! use crabwalk_sources::collect::{Begun, Collector, Head};
//! use crabwalk_sources::report::{SourceKind, SourceReport};
//! use crabwalk_store::{CommitInfo, Ingest, NewSource, Store};
//!
//! let folder = tempfile::tempdir()?;
//! // There is one writer at a time; it holds the store's lock until it is dropped.
//! let store = Store::open_or_create(folder.path().join("store"))?;
//!
//! // All fields of all events are collected, and what tells copies of them.
//! let collect = |record: u64| -> Result<_, Box<dyn std::error::Error>> {
//!     let mut collector = Collector::new(&Ingest);
//!     let table = collector.table("Security", 4624);
//!     let head = Head { time: 1_767_607_200_000_000, host: "WS1", source: 0, record, numbered: true };
//!     assert_eq!(collector.begin(table, &head), Begun::Row);
//!     if let Some(column) = collector.column(table, "LogonType") {
//!         collector.push(table, column, "3");
//!     }
//!     Ok(Collector::merge(vec![collector])?)
//! };
//! // What was read of which source, and a mark of one's own: it becomes true with the events.
//! let info = || CommitInfo {
//!     sources: vec![NewSource {
//!         report: SourceReport::new(0, "hec:workstations".to_owned(), SourceKind::Json),
//!         origin: None,
//!         from_start: false,
//!         whole: false,
//!     }],
//!     marks: BTreeMap::from([("wal".to_owned(), "segment 7".to_owned())]),
//!     batch: None,
//! };
//! let committed = store.commit(collect(17)?, info())?;
//! assert_eq!((committed.version, committed.events), (1, 1));
//!
//! // A snapshot is a catalog, and stays what it is.
//! let before = store.snapshot()?;
//! store.commit(collect(18)?, info())?;
//! let again = store.commit(collect(17)?, info())?;
//! assert_eq!((again.events, again.duplicates), (0, 1));
//! let after = store.snapshot()?;
//! let logons = |catalog: &dyn Catalog| catalog.tables().iter().map(|table| table.rows).sum::<usize>();
//! assert_eq!((logons(&before), logons(&after)), (1, 2));
//! assert_eq!(after.mark("wal"), Some("segment 7"));
//!
//! // Of a span of time only the files of its days are opened.
//! let later = store.snapshot_within(&(1_800_000_000_000_000..=i64::MAX))?;
//! assert_eq!(later.files().count(), 0);
//!
//! // Every event leads back to its record and source.
//! let table = &after.tables()[0];
//! for events in after.scan(&table.event_type, &["LogonType"], &ALWAYS) {
//!     let origin = after.resolve(events?.reference(0)).ok_or("no such event")?;
//!     assert!([17, 18].contains(&origin.record));
//!     assert_eq!(after.sources()[origin.source as usize].path, "hec:workstations");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `docs/store.md` documents the files for other programs.

mod ahead;
mod check;
mod error;
mod ingest;
mod logs;
mod manifest;
mod names;
pub mod objects;
mod read;
mod scan;
mod snapshot;
mod store;
mod temporary;
mod tidy;
mod write;

pub use check::Flaw;
pub use error::StoreError;
pub use ingest::{IngestOptions, Ingested, ingest};
pub use logs::{Logs, LogsError, in_memory};
pub use manifest::FileOrigin;
pub use scan::{FileScan, ReadScan};
pub use snapshot::StoreCatalog;
pub use store::{CommitInfo, Committed, Ingest, NewSource, Size, Store};
pub use temporary::Temporary;
pub use tidy::{Compacted, Forget, Forgotten, GRACE};
