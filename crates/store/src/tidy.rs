//! Merging small files, and removing old events.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crabwalk_vocabulary::wildcard;
use datafusion::arrow::array::{AsArray, BooleanArray};
use datafusion::arrow::datatypes::TimestampMicrosecondType;

use crate::error::StoreError;
use crate::manifest::{Commit, Covered, FileEntry, State};
use crate::names::{self, DAY};
use crate::objects::Writers;
use crate::store::{Committed, Store, now, wrong};
use crate::write::{self, DAY_ROWS, FILE_ROWS, Rows};

/// How long a file stays after a commit removes it from the store: a snapshot may still be reading it.
pub const GRACE: Duration = Duration::from_secs(3600);

/// How old a file is that belongs to no commit and will belong to none, in microseconds, where others write too.
const ORPHANED: i64 = DAY;
/// Maximum rows of a file that is merged with others.
const SMALL_ROWS: u64 = FILE_ROWS as u64 / 2;
/// Bytes of files to merge per commit.
const COMMIT_BYTES: u64 = 64 << 20;

/// The result of a compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// Files that were replaced.
    pub before: u64,
    /// Their bytes.
    pub bytes_before: u64,
    /// Files that replaced them.
    pub after: u64,
    /// Their bytes.
    pub bytes_after: u64,
}

/// What to remove from a store.
#[derive(Debug, Clone, Default)]
pub struct Forget {
    /// Only events before this time, in microseconds since 1970-01-01 UTC.
    pub before: Option<i64>,
    /// Only events of channels that match this, where `*` matches any text.
    pub channel: Option<String>,
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Events.
    pub events: u64,
    /// Files removed, or rewritten without the events.
    pub files: u64,
}

impl Store {
    /// Merges small files of one event type, and splits them at midnight where a day has enough events. Events do not
    /// change. The replaced files stay for a while: [`remove_old`](Self::remove_old).
    ///
    /// # Errors
    /// If a file cannot be read or written. What was merged before stays merged.
    pub fn compact(&self) -> Result<Compacted, StoreError> {
        self.compact_before(u64::MAX)
    }

    /// Like [`compact`](Self::compact), but leaves files alone from a number on ([`next_file`](Self::next_file)), for
    /// somebody who has still to read them by [`snapshot_since`](Self::snapshot_since).
    ///
    /// # Errors
    /// Like [`compact`](Self::compact).
    pub fn compact_before(&self, file: u64) -> Result<Compacted, StoreError> {
        let writing = self.writing()?;
        let mut done = Compacted::default();
        let groups: Vec<Vec<Arc<FileEntry>>> = self
            .state()
            .by_type()
            .into_values()
            .map(|mut files| {
                files.retain(|entry| entry.number < file || entry.compacted);
                files
            })
            .flat_map(groups)
            .collect();
        let mut left = groups.as_slice();
        while !left.is_empty() {
            let mut bytes = 0;
            let enough = left.iter().position(|group| {
                let before = bytes;
                bytes += group.iter().map(|entry| entry.bytes).sum::<u64>();
                before >= COMMIT_BYTES
            });
            let own = left
                .split_off(..enough.unwrap_or(left.len()))
                .unwrap_or_default();
            let mut merged = Compacted::default();
            let committed = self.transact(&writing, |state, commit| {
                merged = Compacted::default();
                for group in own {
                    // Others may have removed some of them.
                    if !group
                        .iter()
                        .all(|one| state.files.contains_key(&one.number))
                    {
                        continue;
                    }
                    self.rewrite(state, commit, group, None)?;
                    merged.before += group.len() as u64;
                    merged.bytes_before += group.iter().map(|entry| entry.bytes).sum::<u64>();
                }
                Ok(if merged.before > 0 {
                    ControlFlow::Continue(Committed::default())
                } else {
                    ControlFlow::Break(Committed::default())
                })
            })?;
            done.before += merged.before;
            done.bytes_before += merged.bytes_before;
            done.after += committed.files;
            done.bytes_after += committed.bytes;
        }
        Ok(done)
    }

    /// Removes events from the store. Their files stay for a while: [`remove_old`](Self::remove_old).
    ///
    /// # Errors
    /// If a file cannot be read or written. Then nothing has changed.
    pub fn forget(&self, what: &Forget) -> Result<Forgotten, StoreError> {
        let writing = self.writing()?;
        let before = what.before.unwrap_or(i64::MAX);
        let mut forgotten = Forgotten::default();
        self.transact(&writing, |state, commit| {
            forgotten = Forgotten::default();
            let mut channels: BTreeSet<String> = BTreeSet::new();
            for entry in state.files.values() {
                let is_meant = what
                    .channel
                    .as_ref()
                    .is_none_or(|pattern| wildcard::matches(pattern, &entry.channel));
                if !is_meant || entry.first >= before {
                    continue;
                }
                forgotten.files += 1;
                channels.insert(entry.channel.to_lowercase());
                if entry.last < before {
                    forgotten.events += entry.rows;
                    commit.remove.push(entry.number);
                    continue;
                }
                let rows =
                    self.rewrite(state, commit, std::slice::from_ref(entry), Some(before))?;
                forgotten.events += entry.rows - rows;
            }
            if forgotten.files == 0 {
                return Ok(ControlFlow::Break(Committed::default()));
            }
            commit.coverage_is = Some(self.coverage_after(state, commit, &channels)?);
            Ok(ControlFlow::Continue(Committed::default()))
        })?;
        Ok(forgotten)
    }

    /// Deletes the files that were removed from the store longer ago than this, and returns their number. Older
    /// snapshots become unreadable.
    ///
    /// # Errors
    /// If one cannot be deleted.
    pub fn remove_old(&self, grace: Duration) -> Result<u64, StoreError> {
        let writing = self.writing()?;
        let grace = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
        let last = now().saturating_sub(grace);
        let mut removed = 0;
        self.transact(&writing, |state, commit| {
            for old in state.removed.iter().filter(|old| old.at <= last) {
                self.objects
                    .delete(&old.path)
                    .map_err(|error| StoreError::io(old.path.clone(), "remove", error))?;
                commit.deleted.push(old.path.clone());
            }
            removed = commit.deleted.len() as u64;
            Ok(if removed > 0 {
                ControlFlow::Continue(Committed::default())
            } else {
                ControlFlow::Break(Committed::default())
            })
        })?;
        if matches!(*writing, Writers::Many) {
            self.sweep(now().saturating_sub(ORPHANED))?;
        }
        Ok(removed)
    }

    /// Rewrites files of one type without the events before a time, and returns how many events there were.
    fn rewrite(
        &self,
        state: &State,
        commit: &mut Commit,
        entries: &[Arc<FileEntry>],
        from: Option<i64>,
    ) -> Result<u64, StoreError> {
        let Some(event_type) = entries.first().map(|entry| entry.event_type()) else {
            return Ok(0);
        };
        let mut seen = BTreeSet::new();
        let mut rows = Vec::new();
        for entry in entries {
            seen.extend(state.schema(entry)?.without_values.iter().cloned());
            for batch in self.reader.whole(entry)? {
                let batch = match from {
                    None => batch,
                    Some(from) => {
                        let keep: BooleanArray = batch
                            .column_by_name(names::TIME)
                            .and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>())
                            .ok_or_else(|| {
                                StoreError::damaged(entry.path.clone(), "it has no time column")
                            })?
                            .values()
                            .iter()
                            .map(|time| Some(*time >= from))
                            .collect();
                        write::kept(&batch, &keep).map_err(|source| StoreError::Arrow {
                            event_type: event_type.clone(),
                            source,
                        })?
                    }
                };
                if batch.num_rows() > 0 {
                    rows.push(Rows { batch });
                }
            }
            commit.remove.push(entry.number);
        }
        let mut count = 0;
        let written =
            write::files(&event_type, &rows).map_err(|error| wrong(&event_type, error))?;
        for file in written {
            count += file.rows;
            self.put(commit, &event_type, file, std::mem::take(&mut seen), true)?;
        }
        Ok(count)
    }

    /// The coverage after a commit that removes events of channels.
    fn coverage_after(
        &self,
        state: &State,
        commit: &Commit,
        channels: &BTreeSet<String>,
    ) -> Result<Vec<Covered>, StoreError> {
        let gone: BTreeSet<u64> = commit.remove.iter().copied().collect();
        let stay = state
            .files
            .values()
            .map(AsRef::as_ref)
            .filter(|entry| !gone.contains(&entry.number))
            .chain(&commit.add)
            .filter(|entry| channels.contains(&entry.channel.to_lowercase()));
        let mut spans: BTreeMap<(String, String), (u64, i64, i64)> = BTreeMap::new();
        for entry in stay {
            for host in self.reader.hosts(entry)? {
                let key = (host.0, entry.channel.to_lowercase());
                let span = spans.entry(key).or_insert((0, host.2, host.3));
                span.0 += host.1;
                span.1 = span.1.min(host.2);
                span.2 = span.2.max(host.3);
            }
        }
        let all = state.coverage.values().filter_map(|covered| {
            let mut covered = covered.clone();
            if channels.contains(&covered.channel.to_lowercase()) {
                let (records, first, last) = spans.get(&covered.key()).copied()?;
                covered.records = records;
                covered.first = first;
                covered.last = last;
                covered.cleared.retain(|at| *at >= first);
            }
            Some(covered)
        });
        Ok(all.collect())
    }
}

/// Selects the files of one type, in order of time, that should be merged.
fn groups(files: Vec<Arc<FileEntry>>) -> Vec<Vec<Arc<FileEntry>>> {
    let mut groups = Vec::new();
    let mut group: Vec<Arc<FileEntry>> = Vec::new();
    let mut rows = 0;
    // Files that were merged before and are large enough for their days stay.
    let small = files.into_iter().filter(|entry| {
        entry.rows <= SMALL_ROWS && (!entry.compacted || entry.rows < DAY_ROWS as u64)
    });
    for entry in small {
        if rows + entry.rows > FILE_ROWS as u64 {
            groups.push(std::mem::take(&mut group));
            rows = 0;
        }
        rows += entry.rows;
        group.push(entry);
    }
    groups.push(group);
    groups.retain(|group| group.len() > 1);
    groups
}
