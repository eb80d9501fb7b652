//! Logs that are larger than memory, for one run.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use crabwalk_sources::collect::{Columns, Demand, Head};
use crabwalk_sources::report::SourceReport;
use crabwalk_sources::{Batch, Input, Limits, Progress, read_in_batches};
use crabwalk_vocabulary::EventType;

use crate::error::StoreError;
use crate::ingest::{IngestOptions, add, file_of};
use crate::objects::{Folder, LOCK_FILE};
use crate::snapshot::{Seen, StoreCatalog};
use crate::store::{CommitInfo, NewSource, Store};

/// Bytes of memory per byte of input while it is read, sorted and written.
const MEMORY_PER_BYTE: u64 = 3;
/// Minimum bytes of input per part.
const LEAST_BATCH: u64 = 1 << 20;
/// Number of parts from which their files are merged before they are searched.
const MANY_COMMITS: u64 = 4;
/// Beginning of the names of such folders.
const PREFIX: &str = "crabwalk-events-";

/// A store for one run: it has what the run needs of logs that do not fit into memory, and is removed with the last
/// catalog over it.
///
/// Whoever ends the process without dropping it removes its [`folder`](Self::folder). What a killed process left is
/// removed by the next one that makes such a store beside it.
#[derive(Debug)]
pub struct Temporary(tempfile::TempDir);

/// The store first, so that its lock is free before the folder goes.
#[derive(Debug)]
struct Holder {
    _store: Store,
    _folder: tempfile::TempDir,
}

/// What one run needs, with what a store needs: a row for every event, and what tells copies.
struct Kept<'d>(&'d dyn Demand);

impl Demand for Kept<'_> {
    fn columns(&self, channel: &str, event_id: u32) -> Columns {
        match self.0.columns(channel, event_id) {
            // Copies of events that are only counted have to be recognised too.
            Columns::None => Columns::Named(Arc::default()),
            needed => needed,
        }
    }

    fn keeps(&self, head: &Head<'_>) -> bool {
        self.0.keeps(head)
    }

    fn record_numbers(&self, path: &str) -> Option<&[u64]> {
        self.0.record_numbers(path)
    }

    fn window(&self) -> RangeInclusive<i64> {
        self.0.window()
    }

    fn identities(&self) -> bool {
        true
    }
}

impl Temporary {
    /// An empty one below a folder. Those that killed processes left there are removed.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub fn new(below: &Path) -> Result<Self, StoreError> {
        remove_left(below);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(below);
        match folder {
            Ok(folder) => Ok(Self(folder)),
            Err(error) => {
                let shown = below.display().to_string();
                Err(StoreError::io(shown, "write", error))
            }
        }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Reads what a run needs of the logs, in parts that fit into [`IngestOptions::memory`], and returns it as a catalog
    /// with the sources in the order in which they were read. Later reads from the catalog keep at most a quarter of that
    /// memory.
    ///
    /// Copies of events outside the demand's window count each time if different parts of the logs have them.
    ///
    /// # Errors
    /// If what was read cannot be written or read again. Unreadable input is no error: the sources report it.
    pub fn read(
        self,
        inputs: &[Input],
        demand: &dyn Demand,
        options: &IngestOptions,
        progress: &dyn Progress,
    ) -> Result<(StoreCatalog, Vec<SourceReport>), StoreError> {
        let path = self.0.path();
        let store = Store::open_or_create_in(path, Arc::new(Folder::temporary(path)))?;
        store.limit_cache(usize::try_from(options.memory / 4).unwrap_or(usize::MAX));
        let own = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let wanted =
            |path: &Path, _: u64| !fs::canonicalize(path).is_ok_and(|real| real.starts_with(&own));
        let limits = Limits {
            threads: options.threads.max(1),
            ..Limits::default()
        };
        let mut seen: BTreeMap<(String, u32), (EventType, Seen)> = BTreeMap::new();
        let mut unread: Vec<SourceReport> = Vec::new();
        let mut commits = 0;
        let mut failed = None;
        let mut take = |batch: Batch| -> bool {
            for table in &batch.read.collected.tables {
                let key = (table.channel.to_lowercase(), table.event_id);
                let (_, seen) = seen.entry(key).or_insert_with(|| {
                    let event_type = EventType {
                        channel: table.channel.clone(),
                        event_id: table.event_id,
                    };
                    (event_type, Seen::default())
                });
                seen.fields_seen.extend(table.fields_seen.iter().cloned());
                seen.hosts_outside
                    .extend(table.hosts_outside.iter().cloned());
            }
            let mut sources = Vec::new();
            for report in &batch.read.sources {
                match file_of(&batch.files, &report.path) {
                    Some(file) => sources.push(NewSource {
                        report: report.clone(),
                        origin: None,
                        from_start: file.first,
                        whole: file.last,
                    }),
                    None => add(&mut unread, report.clone()),
                }
            }
            let info = CommitInfo {
                sources,
                ..CommitInfo::default()
            };
            match store.commit(batch.read.collected, info) {
                Ok(_) => commits += 1,
                Err(error) => failed = Some(error),
            }
            failed.is_none()
        };
        let bytes = (options.memory / MEMORY_PER_BYTE).max(LEAST_BATCH);
        let needed = Kept(demand);
        read_in_batches(
            inputs, &needed, &limits, progress, bytes, &wanted, &mut take,
        );
        if let Some(error) = failed {
            return Err(error);
        }
        if commits >= MANY_COMMITS {
            store.compact()?;
            store.remove_old(std::time::Duration::ZERO)?;
        }
        let seen = seen.into_values().collect();
        let catalog = store.snapshot_with(&demand.window(), &seen)?;
        let mut sources = catalog.sources().to_vec();
        for mut report in unread {
            report.id = u32::try_from(sources.len()).unwrap_or(u32::MAX);
            sources.push(report);
        }
        let holder = Holder {
            _store: store,
            _folder: self.0,
        };
        Ok((catalog.holding(holder), sources))
    }
}

/// Removes what killed processes left: folders whose lock nobody holds. One that cannot be removed is none of ours.
fn remove_left(below: &Path) {
    let Ok(entries) = fs::read_dir(below) else {
        return;
    };
    for entry in entries.flatten() {
        let is_ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        // A link is followed by nothing here.
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let lock = File::options()
            .write(true)
            .open(entry.path().join(LOCK_FILE));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
