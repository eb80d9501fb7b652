//! The contents of a store: a log of commits, each a small JSON document, and checkpoints with their sum.
//!
//! `meta/log/<version>.json` is one commit: files added and removed, sources, coverage, marks. It covers all event
//! types at once and is published completely or not at all, so nobody ever sees half of it.
//! `meta/checkpoint/<version>.json` is the sum of all commits up to this one. A reader takes the last checkpoint and
//! the commits after it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use crabwalk_sources::collect::Coverage;
use crabwalk_sources::report::{Problem, SourceKind, SourceReport};
use crabwalk_vocabulary::EventType;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::objects::Objects;

/// Format of the store, in `format.json`.
pub(crate) const FORM: &str = "crabwalk.store/1";
const LOG: &str = "meta/log";
const CHECKPOINT: &str = "meta/checkpoint";
/// Number of commits between checkpoints.
pub(crate) const CHECKPOINT_EVERY: u64 = 64;
/// Number of batch ids to remember.
const MOST_BATCHES: usize = 1 << 16;
/// Maximum number of hosts to list for a file; with more, the file itself lists them.
pub(crate) const MOST_HOSTS: usize = 64;

/// Events of one host in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostSpan(
    /// The machine.
    pub String,
    /// Number of its events.
    pub u64,
    /// The earliest event, in microseconds since 1970-01-01 UTC.
    pub i64,
    /// The latest.
    pub i64,
);

/// A file of events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    pub number: u64,
    pub path: String,
    pub channel: String,
    pub event_id: u32,
    pub bytes: u64,
    pub rows: u64,
    /// The earliest event, microseconds since 1970-01-01 UTC.
    pub first: i64,
    pub last: i64,
    /// Key in [`State::schemas`].
    pub schema: String,
    /// Hosts in it, unless there are many.
    pub hosts: Option<Vec<HostSpan>>,
    /// XXH3 of its bytes, in hexadecimal.
    pub checksum: String,
    /// Whether it was merged from files of several commits.
    #[serde(default)]
    pub compacted: bool,
}

impl FileEntry {
    pub(crate) fn event_type(&self) -> EventType {
        EventType {
            channel: self.channel.clone(),
            event_id: self.event_id,
        }
    }
}

/// Columns of a file, and the fields that its events have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileSchema {
    /// Field columns, sorted.
    pub columns: Vec<String>,
    /// Fields without a column, because no event has a value for them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without_values: BTreeSet<String>,
}

impl FileSchema {
    /// The id that files refer to.
    pub(crate) fn key(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&text))
    }
}

/// Where a file was read from, to recognise it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOrigin {
    /// The name of its source; archive members are called `NAME!/member`.
    pub name: String,
    /// Its absolute path, with links resolved.
    pub location: String,
    /// Bytes.
    pub size: u64,
    /// Modification time in microseconds since 1970-01-01 UTC; 0 if unknown.
    pub modified: i64,
    /// SHA-256 of its content, in hexadecimal.
    pub digest: String,
}

/// A source of events, as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Source {
    pub id: u32,
    pub path: String,
    pub kind: String,
    pub bytes: u64,
    pub records: u64,
    pub skipped: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<StoredProblem>,
    #[serde(default)]
    pub more_problems: u64,
    /// The file that it is, or that contains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<FileOrigin>,
    /// Whether all of it was read.
    pub whole: bool,
}

/// [`Problem`], as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredProblem {
    pub offset: Option<u64>,
    pub record: Option<u64>,
    pub message: String,
    pub loss: bool,
}

const KINDS: [SourceKind; 10] = [
    SourceKind::Evtx,
    SourceKind::Xml,
    SourceKind::Json,
    SourceKind::Csv,
    SourceKind::Zeek,
    SourceKind::WindowsText,
    SourceKind::Syslog,
    SourceKind::Program,
    SourceKind::Archive,
    SourceKind::Unknown,
];

impl Source {
    pub(crate) fn new(id: u32, report: &SourceReport) -> Self {
        Self {
            id,
            path: report.path.clone(),
            kind: report.kind.name().to_owned(),
            bytes: 0,
            records: 0,
            skipped: 0,
            problems: Vec::new(),
            more_problems: 0,
            origin: None,
            whole: false,
        }
    }

    /// Adds the results of further reading.
    pub(crate) fn add(&mut self, report: &SourceReport) {
        self.bytes += report.bytes;
        self.records += report.records;
        self.skipped += report.skipped;
        self.more_problems += report.more_problems;
        if report.kind != SourceKind::Unknown {
            self.kind = report.kind.name().to_owned();
        }
        for problem in &report.problems {
            if self.problems.len() < SourceReport::MOST_PROBLEMS {
                self.problems.push(StoredProblem {
                    offset: problem.offset,
                    record: problem.record,
                    message: problem.message.clone(),
                    loss: problem.loss,
                });
            } else {
                self.more_problems += 1;
            }
        }
    }

    pub(crate) fn report(&self) -> SourceReport {
        SourceReport {
            id: self.id,
            path: self.path.clone(),
            kind: KINDS
                .into_iter()
                .find(|kind| kind.name() == self.kind)
                .unwrap_or(SourceKind::Unknown),
            bytes: self.bytes,
            records: self.records,
            skipped: self.skipped,
            problems: self
                .problems
                .iter()
                .map(|problem| Problem {
                    offset: problem.offset,
                    record: problem.record,
                    message: problem.message.clone(),
                    loss: problem.loss,
                })
                .collect(),
            more_problems: self.more_problems,
        }
    }
}

/// [`Coverage`], as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Covered {
    pub host: String,
    pub channel: String,
    pub first: i64,
    pub last: i64,
    pub records: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cleared: Vec<i64>,
}

impl Covered {
    pub(crate) fn key(&self) -> (String, String) {
        (self.host.clone(), self.channel.to_lowercase())
    }

    pub(crate) fn coverage(&self) -> Coverage {
        Coverage {
            host: self.host.clone(),
            channel: self.channel.clone(),
            first: self.first,
            last: self.last,
            records: self.records,
            cleared: self.cleared.clone(),
        }
    }
}

/// A file that is no longer part of the store but may still be in use.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Removed {
    pub path: String,
    /// When: microseconds since 1970-01-01 UTC.
    pub at: i64,
}

/// One commit.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Commit {
    pub version: u64,
    /// When: microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// Whose it is, if several write to the store.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub by: u64,
    /// The number of the next file.
    pub next_file: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schemas: BTreeMap<String, FileSchema>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<FileEntry>,
    /// Numbers of removed files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<u64>,
    /// Sources that are new or were read further.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Additions to the coverage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<Covered>,
    /// Replaces all coverage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage_is: Option<Vec<Covered>>,
    #[serde(default)]
    pub duplicates: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// Paths of removed files that have been deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Commit {
    /// Makes it the commit after a state that [`takes`](State::takes) it.
    pub(crate) fn follow(&mut self, state: &State) {
        self.version = state.version + 1;
        self.next_file = state.next_file;
        for entry in &mut self.add {
            entry.number = self.next_file;
            self.next_file += 1;
        }
    }
}

/// The sum of all commits.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub version: u64,
    pub next_file: u64,
    pub schemas: BTreeMap<String, Arc<FileSchema>>,
    pub files: BTreeMap<u64, Arc<FileEntry>>,
    pub sources: Vec<Arc<Source>>,
    #[serde(with = "coverage_list")]
    pub coverage: BTreeMap<(String, String), Covered>,
    pub duplicates: u64,
    pub marks: BTreeMap<String, String>,
    pub batches: VecDeque<String>,
    pub removed: Vec<Removed>,
}

/// JSON object keys cannot be pairs of texts.
mod coverage_list {
    use super::{BTreeMap, Covered, Deserialize, Serialize};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        all: &BTreeMap<(String, String), Covered>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        all.values().collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<(String, String), Covered>, D::Error> {
        let all = Vec::<Covered>::deserialize(from)?;
        Ok(all.into_iter().map(|one| (one.key(), one)).collect())
    }
}

impl State {
    pub(crate) fn apply(&mut self, commit: Commit) {
        self.version = commit.version;
        self.next_file = commit.next_file;
        for (key, schema) in commit.schemas {
            self.schemas.insert(key, Arc::new(schema));
        }
        for number in commit.remove {
            if let Some(gone) = self.files.remove(&number) {
                self.removed.push(Removed {
                    path: gone.path.clone(),
                    at: commit.at,
                });
            }
        }
        for entry in commit.add {
            self.files.insert(entry.number, Arc::new(entry));
        }
        if !commit.deleted.is_empty() {
            let deleted: BTreeSet<String> = commit.deleted.into_iter().collect();
            self.removed.retain(|one| !deleted.contains(&one.path));
        }
        for source in commit.sources {
            let at = source.id as usize;
            match self.sources.get_mut(at) {
                Some(known) => *known = Arc::new(source),
                None => self.sources.push(Arc::new(source)),
            }
        }
        if let Some(all) = commit.coverage_is {
            self.coverage = all.into_iter().map(|one| (one.key(), one)).collect();
        }
        for covered in commit.coverage {
            match self.coverage.get_mut(&covered.key()) {
                Some(all) => {
                    all.first = all.first.min(covered.first);
                    all.last = all.last.max(covered.last);
                    all.records += covered.records;
                    all.cleared.extend(covered.cleared);
                    all.cleared.sort_unstable();
                    all.cleared.dedup();
                }
                None => {
                    self.coverage.insert(covered.key(), covered);
                }
            }
        }
        self.duplicates += commit.duplicates;
        self.marks.extend(commit.marks);
        if let Some(batch) = commit.batch {
            self.batches.push_back(batch);
            while self.batches.len() > MOST_BATCHES {
                self.batches.pop_front();
            }
        }
    }

    /// Whether a commit that was made to follow `base` may follow this later state instead, with other numbers: nothing in
    /// between concerns it. Otherwise it has to be made again.
    pub(crate) fn takes(&self, base: &Self, commit: &Commit) -> bool {
        let removes = commit.remove.iter();
        let mut batch = commit.batch.iter();
        // What is known of a source is a sum, and a new source gets the next number.
        let mut sources = commit.sources.iter().map(|source| source.id as usize);
        removes.copied().all(|file| self.files.contains_key(&file))
            && batch.all(|batch| !self.batches.contains(batch))
            && sources.all(|at| match (base.sources.get(at), self.sources.get(at)) {
                (Some(then), Some(now)) => Arc::ptr_eq(then, now),
                (None, None) => true,
                _ => false,
            })
            && commit.coverage_is.is_none()
            && self
                .files
                .range(base.next_file..)
                .all(|(_, new)| !commit.add.iter().any(|own| may_share(own, new)))
    }

    /// Reads the latest state, from the last checkpoint on.
    pub(crate) fn load(objects: &dyn Objects) -> Result<Self, StoreError> {
        // Old commits may disappear between listing checkpoints and listing commits; then there is a newer checkpoint.
        let mut attempts = 0;
        loop {
            let mut state = Self::checkpoint(objects)?.unwrap_or_default();
            match state.catch_up(objects) {
                Ok(()) => return Ok(state),
                Err(error) if attempts == 3 => return Err(error),
                Err(_) => attempts += 1,
            }
        }
    }

    fn checkpoint(objects: &dyn Objects) -> Result<Option<Self>, StoreError> {
        let listed = objects
            .list(CHECKPOINT)
            .map_err(|error| StoreError::io(CHECKPOINT, "list", error))?;
        let mut versions: Vec<u64> = listed.iter().filter_map(|one| version(&one.path)).collect();
        versions.sort_unstable();
        let Some(last) = versions.pop() else {
            return Ok(None);
        };
        let path = checkpoint_path(last);
        read_json(objects, &path).map(Some)
    }

    /// Applies newer commits.
    pub(crate) fn catch_up(&mut self, objects: &dyn Objects) -> Result<(), StoreError> {
        let listed = objects
            .list(LOG)
            .map_err(|error| StoreError::io(LOG, "list", error))?;
        let mut versions: Vec<u64> = listed
            .iter()
            .filter_map(|one| version(&one.path))
            .filter(|version| *version > self.version)
            .collect();
        versions.sort_unstable();
        for next in versions {
            let path = log_path(next);
            if next != self.version + 1 {
                return Err(StoreError::damaged(
                    log_path(self.version + 1),
                    "this commit is missing, but later ones exist",
                ));
            }
            let commit: Commit = read_json(objects, &path)?;
            if commit.version != next {
                return Err(StoreError::damaged(
                    path,
                    "it has the number of another commit",
                ));
            }
            self.apply(commit);
        }
        Ok(())
    }

    /// The files of each event type, types by channel and id, files by time.
    pub(crate) fn by_type(&self) -> BTreeMap<(String, u32), Vec<Arc<FileEntry>>> {
        let mut all: BTreeMap<(String, u32), Vec<Arc<FileEntry>>> = BTreeMap::new();
        for entry in self.files.values() {
            all.entry((entry.channel.to_lowercase(), entry.event_id))
                .or_default()
                .push(Arc::clone(entry));
        }
        for files in all.values_mut() {
            files.sort_by_key(|entry| (entry.first, entry.last, entry.number));
        }
        all
    }

    pub(crate) fn schema(&self, entry: &FileEntry) -> Result<Arc<FileSchema>, StoreError> {
        self.schemas.get(&entry.schema).cloned().ok_or_else(|| {
            StoreError::damaged(entry.path.clone(), "the manifest does not list its columns")
        })
    }
}

/// Publishes a commit.
pub(crate) fn publish(objects: &dyn Objects, commit: &Commit) -> Result<(), StoreError> {
    let path = log_path(commit.version);
    let text = serde_json::to_vec(commit)
        .map_err(|error| StoreError::io(path.clone(), "write", io::Error::other(error)))?;
    objects
        .publish(&path, &text)
        .map_err(|error| StoreError::io(path, "write", error))
}

/// Whether new events may be copies of those in another file: of the same type, about the same time and host.
fn may_share(new: &FileEntry, other: &FileEntry) -> bool {
    let second = |time: i64| time.div_euclid(1_000_000);
    let meet = || match (&new.hosts, &other.hosts) {
        (Some(new), Some(other)) => new
            .iter()
            .any(|own| other.iter().any(|one| one.0.eq_ignore_ascii_case(&own.0))),
        _ => true,
    };
    // What was merged was known before.
    !new.compacted
        && new.event_id == other.event_id
        && new.channel.eq_ignore_ascii_case(&other.channel)
        && second(new.first) <= second(other.last)
        && second(new.last) >= second(other.first)
        && meet()
}

/// Whether a commit is in the log.
pub(crate) fn is_published(objects: &dyn Objects, commit: &Commit) -> Result<bool, StoreError> {
    match read_json::<Commit>(objects, &log_path(commit.version)) {
        Ok(there) => {
            Ok((there.at, there.by, there.next_file) == (commit.at, commit.by, commit.next_file))
        }
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a checkpoint, and removes obsolete commits and checkpoints: those before the last but one.
pub(crate) fn write_checkpoint(objects: &dyn Objects, state: &State) -> Result<(), StoreError> {
    let path = checkpoint_path(state.version);
    let text = serde_json::to_vec(state)
        .map_err(|error| StoreError::io(path.clone(), "write", io::Error::other(error)))?;
    match objects.publish(&path, &text) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(StoreError::io(path, "write", error));
        }
        _ => {}
    }
    let listed = objects
        .list(CHECKPOINT)
        .map_err(|error| StoreError::io(CHECKPOINT, "list", error))?;
    let mut sums: Vec<u64> = listed.iter().filter_map(|one| version(&one.path)).collect();
    sums.sort_unstable();
    let Some(before_last) = sums
        .len()
        .checked_sub(2)
        .and_then(|at| sums.get(at))
        .copied()
    else {
        return Ok(());
    };
    let commits = objects
        .list(LOG)
        .map_err(|error| StoreError::io(LOG, "list", error))?;
    let old_commits = commits
        .iter()
        .filter(|one| version(&one.path).is_some_and(|version| version <= before_last));
    let old_sums = listed
        .iter()
        .filter(|one| version(&one.path).is_some_and(|version| version < before_last));
    for old in old_commits.chain(old_sums) {
        objects
            .delete(&old.path)
            .map_err(|error| StoreError::io(old.path.clone(), "remove", error))?;
    }
    Ok(())
}

fn log_path(version: u64) -> String {
    format!("{LOG}/{version:020}.json")
}

fn checkpoint_path(version: u64) -> String {
    format!("{CHECKPOINT}/{version:020}.json")
}

/// The version in a path; `None` for drafts and other files.
fn version(path: &str) -> Option<u64> {
    let name = path.rsplit('/').next()?.strip_suffix(".json")?;
    (name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| name.parse().ok())
        .flatten()
}

fn read_json<T: for<'de> Deserialize<'de>>(
    objects: &dyn Objects,
    path: &str,
) -> Result<T, StoreError> {
    let text = objects
        .read(path)
        .map_err(|error| StoreError::io(path, "read", error))?;
    serde_json::from_slice(&text)
        .map_err(|error| StoreError::damaged(path, format!("it is not a manifest: {error}")))
}
