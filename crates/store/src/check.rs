//! Verifying a store against what was written.

use std::collections::HashSet;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{TimestampMicrosecondType, UInt32Type};

use crate::error::StoreError;
use crate::manifest::{FileEntry, State};
use crate::names;
use crate::store::{Store, checksum};

/// A defect in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The file, as a path inside the store.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// Whether it loses events.
    pub loss: bool,
}

impl Store {
    /// Reads the manifest again, and verifies each file that it names, reading it completely.
    ///
    /// # Errors
    /// If the manifest cannot be read or the store's files cannot be listed.
    pub fn check(&self) -> Result<Vec<Flaw>, StoreError> {
        let state = State::load(self.objects.as_ref())?;
        let mut flaws = Vec::new();
        for entry in state.files.values() {
            if let Err(error) = self.check_file(&state, entry) {
                let what = match error {
                    StoreError::Damaged { why, .. } => why,
                    StoreError::Io { source, .. } => format!("cannot be read: {source}"),
                    StoreError::Parquet { source, .. } => source.to_string(),
                    other => other.to_string(),
                };
                flaws.push(Flaw {
                    path: entry.path.clone(),
                    what,
                    loss: true,
                });
            }
        }
        let known: HashSet<&str> = state
            .files
            .values()
            .map(|entry| entry.path.as_str())
            .chain(state.removed.iter().map(|one| one.path.as_str()))
            .collect();
        let listed = self
            .objects
            .list("events")
            .map_err(|error| StoreError::io("events", "list", error))?;
        for file in listed {
            if !known.contains(file.path.as_str()) {
                flaws.push(Flaw {
                    path: file.path,
                    what: "belongs to no commit: one is in progress or was interrupted; the next process that writes removes it".to_owned(),
                    loss: false,
                });
            }
        }
        Ok(flaws)
    }

    /// Like [`check`](Self::check), but of the files only looks whether each is there with its size.
    ///
    /// # Errors
    /// Like [`check`](Self::check).
    pub fn check_sizes(&self) -> Result<Vec<Flaw>, StoreError> {
        let state = State::load(self.objects.as_ref())?;
        let mut flaws = Vec::new();
        for entry in state.files.values() {
            let what = match self.objects.open(&entry.path).map(|part| part.size()) {
                Ok(size) if size == entry.bytes => continue,
                Ok(size) => format!("it has {size} bytes instead of {}", entry.bytes),
                Err(error) => format!("cannot be read: {error}"),
            };
            flaws.push(Flaw {
                path: entry.path.clone(),
                what,
                loss: true,
            });
        }
        Ok(flaws)
    }

    fn check_file(&self, state: &State, entry: &FileEntry) -> Result<(), StoreError> {
        let bad = |what: String| StoreError::damaged(entry.path.clone(), what);
        let bytes = self
            .objects
            .read(&entry.path)
            .map_err(|error| StoreError::io(entry.path.clone(), "read", error))?;
        if bytes.len() as u64 != entry.bytes {
            return Err(bad(format!(
                "it has {} bytes instead of {}",
                bytes.len(),
                entry.bytes
            )));
        }
        let sum = checksum(&bytes);
        if sum != entry.checksum {
            return Err(bad(format!(
                "its checksum is {sum} instead of {}: it was changed after it was written",
                entry.checksum
            )));
        }
        drop(bytes);
        let schema = state.schema(entry)?;
        let hosts = self.reader.hosts(entry)?;
        let mut rows = 0;
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for batch in self.reader.whole(entry)? {
            rows += batch.num_rows() as u64;
            for column in &schema.columns {
                if batch.column_by_name(column).is_none() {
                    return Err(bad(format!("it lacks the column `{column}`")));
                }
            }
            let times = batch
                .column_by_name(names::TIME)
                .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
                .ok_or_else(|| bad("it has no time column".to_owned()))?;
            for time in times.values() {
                first = first.min(*time);
                last = last.max(*time);
            }
            let sources = batch
                .column_by_name(names::SOURCE)
                .and_then(|column| column.as_primitive_opt::<UInt32Type>())
                .ok_or_else(|| bad("it does not name the sources of its events".to_owned()))?;
            let most = sources.values().iter().max().copied().unwrap_or_default();
            if !sources.is_empty() && most as usize >= state.sources.len() {
                return Err(bad(format!("its source {most} is not in the manifest")));
            }
        }
        if (rows, first, last) != (entry.rows, entry.first, entry.last) {
            return Err(bad(format!(
                "it has {rows} events instead of {}, or their times differ",
                entry.rows
            )));
        }
        let of_hosts: u64 = hosts.iter().map(|host| host.1).sum();
        if of_hosts != rows {
            return Err(bad(format!(
                "its list of hosts adds up to {of_hosts} events, but it has {rows}"
            )));
        }
        Ok(())
    }
}
