//! A store that is open.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use crabwalk_events::catalog::{ALWAYS, Window};
use crabwalk_sources::collect::{
    Collected, Columns, Demand, EventTable, IDENTITY, identity_at_any_time, number_identity,
    times_agree,
};
use crabwalk_sources::pack::Texts;
use crabwalk_sources::report::SourceReport;
use crabwalk_vocabulary::{EventType, wildcard};
use datafusion::arrow::array::{Array, AsArray, BooleanArray, RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{TimestampMicrosecondType, UInt64Type};
use datafusion::arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::manifest::{
    self, CHECKPOINT_EVERY, Commit, Covered, FORM, FileEntry, FileOrigin, FileSchema, MOST_HOSTS,
    Source, State,
};
use crate::names;
use crate::objects::{self, Objects, Writers};
use crate::read::Reader;
use crate::snapshot::{Seen, StoreCatalog};
use crate::write::{self, Rows, WriteError, Written};

/// A demand for everything, including identities for copies: what a store keeps.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ingest;

impl Demand for Ingest {
    fn columns(&self, _: &str, _: u32) -> Columns {
        Columns::All
    }

    fn identities(&self) -> bool {
        true
    }
}

/// The content of `format.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Format {
    format: String,
    id: String,
}

const FORMAT_FILE: &str = "format.json";
/// How often a commit is tried while others write to the same store.
const ATTEMPTS: u32 = 32;

/// A source of a commit's events.
#[derive(Debug, Clone)]
pub struct NewSource {
    /// What was read from it for this commit. Its id is the one in the events.
    pub report: SourceReport,
    /// Its location, if it is a file.
    pub origin: Option<FileOrigin>,
    /// Whether it was read from its start, in which case the results of an incomplete earlier reading are discarded.
    pub from_start: bool,
    /// Whether nothing of it is left to read. A complete file need not be read again.
    pub whole: bool,
}

/// What is committed along with events.
#[derive(Debug, Clone, Default)]
pub struct CommitInfo {
    /// Where the events were read, by the ids in the events. A source with the path and origin of a known source is
    /// that source.
    pub sources: Vec<NewSource>,
    /// Named texts of the writer that take effect with the events, such as a position in a write-ahead log. They
    /// replace earlier ones of the same name.
    pub marks: BTreeMap<String, String>,
    /// Identifies the batch, so that it is committed once; the last 65,536 such names are remembered.
    pub batch: Option<String>,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// The state of the store after the commit.
    pub version: u64,
    /// Events that are new.
    pub events: u64,
    /// Events that the store already had, or that were read twice.
    pub duplicates: u64,
    /// Number of files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether the store already had this batch, in which case nothing was done.
    pub known: bool,
}

/// How large a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Events.
    pub events: u64,
    /// Files of events.
    pub files: u64,
    /// Total bytes of event files.
    pub bytes: u64,
}

/// A folder, or a prefix of a bucket, with events. See the first page of this crate.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    id: String,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) reader: Arc<Reader>,
    state: RwLock<Arc<State>>,
    /// Held by the writer within this process; `None` if the store is read-only.
    writer: Option<Mutex<Writers>>,
    /// Tells this writer's files and commits from those of others; 0 if there are no others.
    mark: u64,
}

impl Store {
    /// Whether a path or URL is a store: it has a `format.json` that says so.
    pub fn is_store(path: &Path) -> bool {
        objects::at(path)
            .and_then(|objects| read_format(path, objects.as_ref()))
            .is_ok_and(|format| format.is_some())
    }

    /// Opens a store for reading: a folder, or `s3://BUCKET/PREFIX`. Others may write to it at the same time;
    /// [`refresh`](Self::refresh) picks up their changes.
    ///
    /// # Errors
    /// If there is no store, it has another format, or it is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        Self::open_in(path, objects::at(path)?)
    }

    /// Like [`open`](Self::open), with files read through `objects`.
    ///
    /// # Errors
    /// Like [`open`](Self::open).
    pub fn open_in(path: &Path, objects: Arc<dyn Objects>) -> Result<Self, StoreError> {
        let Some(format) = read_format(path, objects.as_ref())? else {
            return Err(StoreError::NoStore(path.to_owned()));
        };
        let state = State::load(objects.as_ref())?;
        Ok(Self {
            path: path.to_owned(),
            id: format.id,
            reader: Arc::new(Reader::new(Arc::clone(&objects))),
            objects,
            state: RwLock::new(Arc::new(state)),
            writer: None,
            mark: 0,
        })
    }

    /// Opens a store for reading and writing, and creates one if there is nothing or an empty folder. Only one process
    /// writes to a folder at a time; to a bucket any number, on any machines.
    ///
    /// # Errors
    /// Like [`open`](Self::open), and if there is something else, if another process is writing to the folder, or if it
    /// is not writable.
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        Self::open_or_create_in(path, objects::at(path)?)
    }

    /// Like [`open_or_create`](Self::open_or_create), with files read and written through `objects`.
    ///
    /// # Errors
    /// Like [`open_or_create`](Self::open_or_create).
    pub fn open_or_create_in(path: &Path, objects: Arc<dyn Objects>) -> Result<Self, StoreError> {
        let failed = |what| {
            move |error: io::Error| match error.kind() {
                io::ErrorKind::WouldBlock => StoreError::Locked(path.to_owned()),
                _ => StoreError::io(path.display().to_string(), what, error),
            }
        };
        let is_new = read_format(path, objects.as_ref())?.is_none();
        if is_new && !objects.make().map_err(failed("make"))? {
            return Err(StoreError::Occupied(path.to_owned()));
        }
        let writers = objects.begin_writing().map_err(failed("write to"))?;
        if is_new {
            let format = Format {
                format: FORM.to_owned(),
                id: format!("{:016x}{:016x}", random(), random()),
            };
            let text = serde_json::to_vec(&format).unwrap_or_default();
            match objects.publish(FORMAT_FILE, &text) {
                // Another process was faster and has finished.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::io(FORMAT_FILE, "write", error)),
                Ok(()) => {}
            }
        }
        let mut store = Self::open_in(path, objects)?;
        match writers {
            Writers::One(_) => store.sweep(i64::MAX)?,
            // Files of others' commits in progress look like orphans.
            Writers::Many => store.mark = random(),
        }
        store.writer = Some(Mutex::new(writers));
        Ok(store)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What tells it from other stores; copies of a store share it.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A commit and others' commits may become known at the same time: the later state stays.
    pub(crate) fn set_state(&self, state: State) {
        let mut own = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.version > own.version {
            *own = Arc::new(state);
        }
    }

    /// Whether others may write to it as well.
    pub fn is_shared(&self) -> bool {
        self.mark != 0
    }

    pub(crate) fn writing(&self) -> Result<MutexGuard<'_, Writers>, StoreError> {
        let writer = self.writer.as_ref().ok_or(StoreError::ReadOnly)?;
        Ok(writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Picks up other processes' commits, and returns whether there were any.
    ///
    /// # Errors
    /// If the manifest cannot be read.
    pub fn refresh(&self) -> Result<bool, StoreError> {
        let known = self.state();
        let mut state = State::clone(&known);
        if state.catch_up(self.objects.as_ref()).is_err() {
            // It may be so far behind that the following commits are gone.
            state = State::load(self.objects.as_ref())?;
        }
        let is_newer = state.version > known.version;
        if is_newer {
            self.set_state(state);
        }
        Ok(is_newer)
    }

    /// Its current contents.
    ///
    /// # Errors
    /// If the manifest is inconsistent.
    pub fn snapshot(&self) -> Result<StoreCatalog, StoreError> {
        self.snapshot_within(&ALWAYS)
    }

    /// Its current contents within a span of time, in microseconds since 1970-01-01 UTC, both ends inclusive. Files
    /// outside the span are not opened. Coverage is for all times.
    ///
    /// # Errors
    /// Like [`snapshot`](Self::snapshot), and if a file that overlaps the ends of the span cannot be read.
    pub fn snapshot_within(&self, window: &Window) -> Result<StoreCatalog, StoreError> {
        self.snapshot_with(window, &BTreeMap::new())
    }

    /// Limits the memory for events that were read and may be read again, in bytes; half a gigabyte by default. Holds for
    /// all snapshots of this store.
    pub fn limit_cache(&self, bytes: usize) {
        self.reader.limit(bytes);
    }

    /// A snapshot that also shows what readers saw and did not store.
    pub(crate) fn snapshot_with(
        &self,
        window: &Window,
        seen: &BTreeMap<EventType, Seen>,
    ) -> Result<StoreCatalog, StoreError> {
        StoreCatalog::new(&self.id, &self.state(), &self.reader, window, seen)
    }

    /// The number of the next file: files that are committed from now on have this number or higher ones.
    pub fn next_file(&self) -> u64 {
        self.state().next_file
    }

    /// The events that were committed in files from a number on, as [`next_file`](Self::next_file) gave it, up to now.
    /// Files that were merged since are left out, wherever their events come from. Coverage is of the whole store.
    ///
    /// # Errors
    /// Like [`snapshot`](Self::snapshot).
    pub fn snapshot_since(&self, file: u64) -> Result<StoreCatalog, StoreError> {
        let mut state = State::clone(&self.state());
        state
            .files
            .retain(|number, entry| *number >= file && !entry.compacted);
        StoreCatalog::new(&self.id, &state, &self.reader, &ALWAYS, &BTreeMap::new())
    }

    /// How large it is.
    pub fn size(&self) -> Size {
        let state = self.state();
        let mut size = Size::default();
        for entry in state.files.values() {
            size.files += 1;
            size.events += entry.rows;
            size.bytes += entry.bytes;
        }
        size
    }

    /// The current files with events of types that match one of the patterns (channel, or channel/id, `*` for any
    /// text); without patterns all. Paths are inside the store.
    pub fn files(&self, types: &[String]) -> Vec<String> {
        let state = self.state();
        let fits = |entry: &FileEntry| {
            let event_type = entry.event_type().to_string();
            types.iter().any(|pattern| {
                wildcard::matches(pattern, &entry.channel)
                    || wildcard::matches(pattern, &event_type)
            })
        };
        let files = state.by_type().into_values().flatten();
        files
            .filter(|entry| types.is_empty() || fits(entry))
            .map(|entry| entry.path.clone())
            .collect()
    }

    /// The latest mark of this name.
    pub fn mark(&self, name: &str) -> Option<String> {
        self.state().marks.get(name).cloned()
    }

    /// Whether a batch of this name was committed.
    pub fn has_batch(&self, name: &str) -> bool {
        self.state().batches.iter().any(|one| one == name)
    }

    /// The origins of all completely read sources.
    pub fn whole_origins(&self) -> Vec<FileOrigin> {
        let state = self.state();
        let whole = state.sources.iter().filter(|source| source.whole);
        whole.filter_map(|source| source.origin.clone()).collect()
    }

    /// Adds events to the store, all of them with their sources, or none. When this returns, they are durable, and
    /// every later snapshot has them. Events that the store already has are left out, wherever they were read.
    ///
    /// For a source without record numbers, a commit must contain what the demand [`Ingest`] produced: repetitions are
    /// counted from the source's beginning.
    ///
    /// # Errors
    /// If the store was opened read-only, events lack the identities of copies, or something cannot be written.
    /// Normally nothing has changed then; if the system cannot tell whether the last step succeeded, the commit may
    /// exist. Committing the same again does no harm.
    pub fn commit(&self, collected: Collected, info: CommitInfo) -> Result<Committed, StoreError> {
        let writing = self.writing()?;
        // Only where others write as well may the same have to be done twice.
        let is_shared = matches!(*writing, Writers::Many);
        let mut given = Some((collected, info));
        self.transact(&writing, |state, commit| {
            let own = if is_shared {
                given.clone()
            } else {
                given.take()
            };
            let Some((collected, info)) = own else {
                return Err(StoreError::Overtaken(self.path.clone()));
            };
            let is_known = info.batch.iter().any(|one| state.batches.contains(one));
            if is_known {
                return Ok(ControlFlow::Break(Committed {
                    version: state.version,
                    known: true,
                    ..Committed::default()
                }));
            }
            let filled = self.fill(state, commit, collected, info);
            filled.map(ControlFlow::Continue)
        })
    }

    /// Makes a commit of what `fill` adds to an empty one. It is asked again with a later state if others have committed
    /// meanwhile and what it did may no longer hold.
    pub(crate) fn transact(
        &self,
        writing: &Writers,
        mut fill: impl FnMut(
            &State,
            &mut Commit,
        ) -> Result<ControlFlow<Committed, Committed>, StoreError>,
    ) -> Result<Committed, StoreError> {
        let is_shared = matches!(writing, Writers::Many);
        if is_shared {
            self.refresh()?;
        }
        let mut lost = 0;
        loop {
            let mut state = self.state();
            let mut commit = self.next(&state);
            let mut committed = match fill(&state, &mut commit) {
                Ok(ControlFlow::Continue(committed)) => committed,
                Ok(ControlFlow::Break(committed)) => return Ok(committed),
                Err(error) => {
                    self.undo(&commit);
                    return Err(error);
                }
            };
            loop {
                match self.finish(&state, &mut commit, &mut committed) {
                    Ok(()) => return Ok(committed),
                    Err(Unfinished::Overtaken) if is_shared && lost < ATTEMPTS => lost += 1,
                    Err(Unfinished::Overtaken) => {
                        self.undo(&commit);
                        return Err(StoreError::Overtaken(self.path.clone()));
                    }
                    Err(Unfinished::Failed(error)) => {
                        // A request that was given up may still arrive, and then the files count.
                        if !is_shared {
                            self.undo(&commit);
                        }
                        return Err(error);
                    }
                    Err(Unfinished::Unknown(error)) => return Err(error),
                }
                thread::sleep(pause(lost));
                self.refresh()?;
                let later = self.state();
                if !later.takes(&state, &commit) {
                    break;
                }
                commit.follow(&later);
                state = later;
            }
            self.undo(&commit);
        }
    }

    /// Writes event files, and adds their metadata to the commit.
    fn fill(
        &self,
        state: &State,
        commit: &mut Commit,
        collected: Collected,
        info: CommitInfo,
    ) -> Result<Committed, StoreError> {
        commit.marks = info.marks;
        commit.batch = info.batch;
        commit.duplicates = collected.duplicates;
        let ids = sources(state, &info.sources, commit);
        // Of each log, the events that were to be kept, and those that are new.
        let mut kept: HashMap<(String, String), u64> = HashMap::new();
        let mut new: HashMap<(String, String), u64> = HashMap::new();
        for table in collected.tables {
            let event_type = EventType {
                channel: table.channel.clone(),
                event_id: table.event_id,
            };
            for batch in &table.batches {
                count_hosts(batch, &table.channel, &mut kept);
            }
            let (rows, copies) = self.new_rows(state, &event_type, &table, &ids)?;
            commit.duplicates += copies;
            for part in &rows {
                count_hosts(&part.batch, &table.channel, &mut new);
            }
            let mut seen = table.fields_seen;
            let written =
                write::files(&event_type, &rows).map_err(|error| wrong(&event_type, error))?;
            drop(rows);
            for (at, file) in written.into_iter().enumerate() {
                let seen = if at == 0 {
                    std::mem::take(&mut seen)
                } else {
                    BTreeSet::new()
                };
                self.put(commit, &event_type, file, seen, false)?;
            }
        }
        commit.coverage = collected
            .coverage
            .into_iter()
            .filter_map(|covered| {
                let key = (covered.host.clone(), covered.channel.to_lowercase());
                let of = |counts: &HashMap<_, u64>| counts.get(&key).copied().unwrap_or_default();
                // A narrower demand than `Ingest` counts events that it does not keep.
                let only_counted = covered.records.saturating_sub(of(&kept));
                let records = only_counted + of(&new);
                (records > 0).then_some(Covered {
                    host: covered.host,
                    channel: covered.channel,
                    first: covered.first,
                    last: covered.last,
                    records,
                    cleared: covered.cleared,
                })
            })
            .collect();
        Ok(Committed {
            duplicates: commit.duplicates,
            ..Committed::default()
        })
    }

    /// Removes the files of a failed commit. Those that cannot be removed now are removed later, as orphans.
    fn undo(&self, commit: &Commit) {
        for entry in &commit.add {
            let _ = self.objects.delete(&entry.path);
        }
    }

    /// The next commit.
    fn next(&self, state: &State) -> Commit {
        Commit {
            version: state.version + 1,
            at: now(),
            by: self.mark,
            next_file: state.next_file,
            ..Commit::default()
        }
    }

    /// Writes a file of a commit.
    pub(crate) fn put(
        &self,
        commit: &mut Commit,
        event_type: &EventType,
        file: Written,
        fields_seen: BTreeSet<String>,
        compacted: bool,
    ) -> Result<(), StoreError> {
        let number = commit.next_file;
        commit.next_file += 1;
        let path = names::file(
            &event_type.channel,
            event_type.event_id,
            file.first,
            file.last,
            number,
            self.mark,
        );
        let mut schema = FileSchema {
            columns: file.columns,
            without_values: fields_seen,
        };
        for column in &schema.columns {
            if let Some((field, _)) = names::field(column) {
                schema.without_values.remove(field);
            }
        }
        let key = schema.key();
        commit.add.push(FileEntry {
            number,
            path: path.clone(),
            channel: event_type.channel.clone(),
            event_id: event_type.event_id,
            bytes: file.bytes.len() as u64,
            rows: file.rows,
            first: file.first,
            last: file.last,
            schema: key.clone(),
            hosts: (file.hosts.len() <= MOST_HOSTS).then_some(file.hosts),
            checksum: checksum(&file.bytes),
            compacted,
        });
        commit.schemas.insert(key, schema);
        self.objects
            .write(&path, &file.bytes)
            .map_err(|error| StoreError::io(path, "write", error))
    }

    /// Makes a commit true. It is left as it is if another has its number.
    fn finish(
        &self,
        state: &State,
        commit: &mut Commit,
        committed: &mut Committed,
    ) -> Result<(), Unfinished> {
        commit
            .schemas
            .retain(|key, _| !state.schemas.contains_key(key));
        committed.version = commit.version;
        committed.files = commit.add.len() as u64;
        committed.bytes = commit.add.iter().map(|entry| entry.bytes).sum();
        committed.events = commit.add.iter().map(|entry| entry.rows).sum();
        let shown = || self.path.display().to_string();
        let published = self
            .objects
            .sync()
            .map_err(|error| StoreError::io(shown(), "write", error))
            .and_then(|()| manifest::publish(self.objects.as_ref(), commit));
        let mut failed = None;
        if let Err(error) = published {
            let is_taken = matches!(&error, StoreError::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists);
            match manifest::is_published(self.objects.as_ref(), commit) {
                Ok(false) if is_taken => return Err(Unfinished::Overtaken),
                Ok(false) => return Err(Unfinished::Failed(error)),
                Err(_) => return Err(Unfinished::Unknown(error)),
                // A repeated request found what the first had done.
                Ok(true) if is_taken => {}
                // Possibly only the last step failed, making its name durable: then it counts.
                Ok(true) => failed = Some(error),
            }
        }
        let mut state = State::clone(state);
        state.apply(std::mem::take(commit));
        if failed.is_none() && state.version.is_multiple_of(CHECKPOINT_EVERY) {
            // The commit exists whether this works or not; the next attempt is at the next checkpoint.
            let _ = manifest::write_checkpoint(self.objects.as_ref(), &state);
        }
        self.set_state(state);
        failed.map_or(Ok(()), |error| Err(Unfinished::Unknown(error)))
    }

    /// Removes orphans, files of failed commits, that were written before a time.
    pub(crate) fn sweep(&self, before: i64) -> Result<(), StoreError> {
        let state = self.state();
        let mut known: HashSet<&str> = state
            .files
            .values()
            .map(|entry| entry.path.as_str())
            .collect();
        known.extend(state.removed.iter().map(|one| one.path.as_str()));
        let files = self
            .objects
            .list("events")
            .map_err(|error| StoreError::io("events", "list", error))?;
        for file in files {
            if file.written <= before && !known.contains(file.path.as_str()) {
                self.objects
                    .delete(&file.path)
                    .map_err(|error| StoreError::io(file.path, "remove", error))?;
            }
        }
        Ok(())
    }

    /// The rows of a table that the store does not have, and how many it has.
    fn new_rows(
        &self,
        state: &State,
        event_type: &EventType,
        table: &EventTable,
        ids: &HashMap<u32, u32>,
    ) -> Result<(Vec<Rows>, u64), StoreError> {
        let arrow = |source: ArrowError| StoreError::Arrow {
            event_type: event_type.clone(),
            source,
        };
        let mut parts = Vec::with_capacity(table.batches.len());
        for batch in &table.batches {
            if batch.num_rows() == 0 {
                continue;
            }
            if batch.column_by_name(IDENTITY).is_none() {
                return Err(StoreError::NoIdentities(event_type.clone()));
            }
            let source = |id: u32| ids.get(&id).copied().unwrap_or(u32::MAX);
            parts.push(write::stored(batch, &source).map_err(arrow)?);
        }
        let mut first = i64::MAX;
        let mut last = i64::MIN;
        let mut hosts: HashSet<&str> = HashSet::new();
        for part in &parts {
            for (host, time) in hosts_and_times(part) {
                first = first.min(time);
                last = last.max(time);
                hosts.insert(host);
            }
        }
        // Copies may differ by less than a second.
        let second = |time: i64| time.div_euclid(1_000_000);
        let key = (event_type.channel.to_lowercase(), event_type.event_id);
        let files = state.files.values().filter(|entry| {
            entry.event_id == key.1
                && second(entry.first) <= second(last)
                && second(entry.last) >= second(first)
                && entry.channel.to_lowercase() == key.0
        });
        let mut mine: Option<HashSet<u64>> = None;
        let mut copies: HashMap<u64, Vec<Identity>> = HashMap::new();
        for entry in files {
            // Exports differ in the case of host names; identities ignore it too.
            let spans = self.reader.hosts(entry)?;
            let may_have = spans.iter().any(|span| {
                second(span.2) <= second(last)
                    && second(span.3) >= second(first)
                    && (hosts.contains(span.0.as_str())
                        || hosts.iter().any(|host| host.eq_ignore_ascii_case(&span.0)))
            });
            if !may_have {
                continue;
            }
            let mine = mine.get_or_insert_with(|| {
                parts
                    .iter()
                    .flat_map(|part| identities(event_type, part))
                    .flatten()
                    .map(|identity| identity.key)
                    .collect()
            });
            let asked = [names::HOST, names::TIME, names::RECORD, names::IDENTITY];
            let asked: Vec<String> = asked.map(str::to_owned).to_vec();
            let columns = self.reader.columns(entry, &asked)?;
            for batch in put_together(&asked, &columns).map_err(arrow)? {
                for identity in identities(event_type, &batch).into_iter().flatten() {
                    if mine.contains(&identity.key) {
                        copies.entry(identity.key).or_default().push(identity);
                    }
                }
            }
        }
        let mut rows = Vec::with_capacity(parts.len());
        let mut left_out = 0;
        for part in parts {
            if copies.is_empty() {
                rows.push(Rows { batch: part });
                continue;
            }
            let is_copy = |identity: &Identity| {
                let stored = copies.get(&identity.key);
                stored.is_some_and(|stored| stored.iter().any(|stored| stored.is_of(identity)))
            };
            let keep: BooleanArray = identities(event_type, &part)
                .iter()
                .map(|identity| Some(!identity.as_ref().is_some_and(is_copy)))
                .collect();
            let all = part.num_rows();
            let batch = write::kept(&part, &keep).map_err(arrow)?;
            left_out += (all - batch.num_rows()) as u64;
            if batch.num_rows() > 0 {
                rows.push(Rows { batch });
            }
        }
        Ok((rows, left_out))
    }
}

pub(crate) fn wrong(event_type: &EventType, error: WriteError) -> StoreError {
    match error {
        WriteError::Arrow(source) => StoreError::Arrow {
            event_type: event_type.clone(),
            source,
        },
        WriteError::Parquet(source) => StoreError::Parquet {
            path: event_type.to_string(),
            source,
        },
    }
}

/// XXH3 of bytes, in hexadecimal digits.
pub(crate) fn checksum(bytes: &[u8]) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(bytes))
}

/// Microseconds since 1970-01-01 UTC.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// A number that nobody else has.
fn random() -> u64 {
    RandomState::new().hash_one(now())
}

/// How long to wait after losing to others so often.
fn pause(lost: u32) -> Duration {
    let longest = 20 << lost.min(6);
    Duration::from_millis(longest / 2 + random() % longest)
}

/// Why a commit is not finished.
enum Unfinished {
    /// Another commit has its number.
    Overtaken,
    /// It could not be published.
    Failed(StoreError),
    /// Its files may count.
    Unknown(StoreError),
}

fn read_format(path: &Path, objects: &dyn Objects) -> Result<Option<Format>, StoreError> {
    let text = match objects.read(FORMAT_FILE) {
        Ok(text) => text,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => {
            let shown = path.join(FORMAT_FILE).display().to_string();
            return Err(StoreError::io(shown, "read", error));
        }
    };
    // A folder of logs may well contain a file of this name.
    let Ok(format) = serde_json::from_slice::<Format>(&text) else {
        return Ok(None);
    };
    if format.format == FORM {
        return Ok(Some(format));
    }
    if format.format.starts_with("crabwalk.store/") {
        return Err(StoreError::Form {
            path: path.to_owned(),
            form: format.format,
            known: FORM,
        });
    }
    Ok(None)
}

/// Names the sources of a commit in the store.
fn sources(state: &State, new: &[NewSource], commit: &mut Commit) -> HashMap<u32, u32> {
    let mut ids = HashMap::new();
    let mut next = u32::try_from(state.sources.len()).unwrap_or(u32::MAX);
    for source in new {
        let known = commit
            .sources
            .iter()
            .position(|known| is_same(known, source));
        let at = match known {
            Some(at) => at,
            None => {
                let stored = state
                    .sources
                    .iter()
                    .find(|known| is_same(known, source))
                    .map(|known| Source::clone(known));
                commit.sources.push(stored.unwrap_or_else(|| {
                    let new = Source::new(next, &source.report);
                    next += 1;
                    new
                }));
                commit.sources.len() - 1
            }
        };
        if let Some(kept) = commit.sources.get_mut(at) {
            if source.from_start {
                *kept = Source::new(kept.id, &source.report);
            }
            kept.add(&source.report);
            kept.whole |= source.whole;
            if source.origin.is_some() {
                kept.origin.clone_from(&source.origin);
            }
            ids.insert(source.report.id, kept.id);
        }
    }
    ids
}

/// Whether more of a source was read. A file that has grown is a different one, so that statements about it stay true
/// of the file that was read.
fn is_same(known: &Source, new: &NewSource) -> bool {
    let digest = |origin: &Option<FileOrigin>| origin.as_ref().map(|origin| origin.digest.clone());
    known.path == new.report.path && digest(&known.origin) == digest(&new.origin)
}

fn hosts_and_times(batch: &RecordBatch) -> impl Iterator<Item = (&str, i64)> {
    let hosts = batch
        .column_by_name(names::HOST)
        .and_then(|column| Texts::new(column));
    let times = batch
        .column_by_name(names::TIME)
        .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let rows = if hosts.is_some() { batch.num_rows() } else { 0 };
    (0..rows).filter_map(move |row| {
        let host = hosts.and_then(|hosts| hosts.get(row)).unwrap_or_default();
        Some((host, times?.value(row)))
    })
}

fn count_hosts(batch: &RecordBatch, channel: &str, counts: &mut HashMap<(String, String), u64>) {
    let hosts = batch.column_by_name(names::HOST);
    let Some(hosts) = hosts.and_then(|column| Texts::new(column)) else {
        return;
    };
    let mut of: HashMap<&str, u64> = HashMap::new();
    for row in 0..batch.num_rows() {
        *of.entry(hosts.get(row).unwrap_or_default()).or_default() += 1;
    }
    for (host, count) in of {
        let key = (host.to_owned(), channel.to_lowercase());
        *counts.entry(key).or_default() += count;
    }
}

/// What tells a row from others, wherever it was copied to.
#[derive(Debug, Clone, Copy)]
struct Identity {
    key: u64,
    /// The time of a record without a number, which copies may have with more or fewer digits.
    time: Option<i64>,
}

impl Identity {
    /// Whether a row with the same key is a copy of this one.
    fn is_of(&self, other: &Self) -> bool {
        match (self.time, other.time) {
            (Some(own), Some(other)) => times_agree(own, other),
            (own, other) => own.is_none() && other.is_none(),
        }
    }
}

/// The identity of each row, to recognise copies, if it has one.
fn identities(event_type: &EventType, batch: &RecordBatch) -> Vec<Option<Identity>> {
    let numbers = |name: &str| -> Option<&UInt64Array> {
        batch.column_by_name(name)?.as_primitive_opt::<UInt64Type>()
    };
    let (records, given) = (numbers(names::RECORD), numbers(names::IDENTITY));
    let of = |row: usize, host: &str, time: i64| match (given, records) {
        (Some(given), _) if given.is_valid(row) => {
            let identity = Some(given.value(row)).filter(|identity| *identity != 0)?;
            Some(Identity {
                key: identity_at_any_time(identity, time),
                time: Some(time),
            })
        }
        (_, Some(records)) => Some(Identity {
            key: number_identity(
                host,
                &event_type.channel,
                event_type.event_id,
                records.value(row),
                time,
            ),
            time: None,
        }),
        _ => None,
    };
    hosts_and_times(batch)
        .enumerate()
        .map(|(row, (host, time))| of(row, host, time))
        .collect()
}

/// Columns of a file as batches.
fn put_together(
    names: &[String],
    columns: &[Option<Arc<[datafusion::arrow::array::ArrayRef]>>],
) -> Result<Vec<RecordBatch>, ArrowError> {
    use datafusion::arrow::datatypes::{Field, Schema};

    let parts = columns
        .iter()
        .flatten()
        .map(|column| column.len())
        .max()
        .unwrap_or_default();
    (0..parts)
        .map(|at| {
            let own: Vec<_> = names
                .iter()
                .zip(columns)
                .filter_map(|(name, column)| Some((name, column.as_ref()?.get(at)?)))
                .collect();
            let fields: Vec<Field> = own
                .iter()
                .map(|(name, array)| Field::new(name.as_str(), array.data_type().clone(), true))
                .collect();
            let arrays = own
                .into_iter()
                .map(|(_, array)| Arc::clone(array))
                .collect();
            RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        })
        .collect()
}
