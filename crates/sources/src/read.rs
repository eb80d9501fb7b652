//! Reading all inputs, on several threads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};

use crate::archive::{self, Budget, Entry, Order, Worker};
use crate::collect::{Collected, Collector, Demand, SOURCE};
use crate::limits::{Limits, Progress};
use crate::report::{Problem, SourceKind, SourceReport};

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// A file, an archive, or a folder with everything in it.
    Path(PathBuf),
    /// Standard input, to its end.
    Stdin,
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// Every file and archive member, in path order; the index of each is its id.
    pub sources: Vec<SourceReport>,
    /// What was read, one table for each event type.
    pub collected: Collected,
}

/// A file that was named or found.
#[derive(Debug)]
struct Item {
    path: PathBuf,
    name: String,
    length: u64,
    /// Named by the user, as opposed to found in a folder.
    explicit: bool,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    File,
    Stdin,
    /// Why it cannot be read, and whether that is a loss.
    Refused(String, bool),
}

#[derive(Debug, Clone)]
enum Part {
    Whole,
    Chunks(Range<u64>),
    Members(Range<usize>),
}

#[derive(Debug)]
struct Task<'i> {
    /// Place of the item among all.
    index: usize,
    item: &'i Item,
    weight: u64,
    part: Part,
    budget: Arc<Budget>,
}

/// EVTX files above this size in bytes are shared among threads.
const SPLIT_BYTES: u64 = 8 << 20;
/// Bytes of an EVTX chunk.
const CHUNK: u64 = 64 << 10;

/// Reads all inputs: folders recursively, archives with all their members. Unreadable parts are reported in
/// [`Read::sources`]; no input makes this fail, hang or panic.
pub fn read(
    inputs: &[Input],
    demand: &dyn Demand,
    limits: &Limits,
    progress: &dyn Progress,
) -> Read {
    let items = find(inputs);
    progress.total(items.iter().map(|item| item.length).sum());
    let mut entries: Vec<Entry> = Vec::new();
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match &item.state {
            State::Refused(message, loss) => entries.push(refused(index, item, message, *loss)),
            _ => plan(index, item, limits.threads > 1, &mut tasks),
        }
    }
    let ids = first_id(&items);
    run(tasks, entries, demand, limits, progress, &ids)
}

/// Whether the inputs have more bytes than this together, compressed ones as large as they say or usually are when they are
/// unpacked. Standard input counts as nothing.
pub fn are_larger(inputs: &[Input], than: u64) -> bool {
    /// Logs hardly ever shrink more than this.
    const MOST_PACKED: u64 = 40;
    let items = find(inputs);
    let plain: u64 = items.iter().map(|item| item.length).sum();
    // Files are opened only if it matters which of them are compressed.
    if plain.saturating_mul(MOST_PACKED) <= than {
        return false;
    }
    let unpacked = |item: &Item| -> u64 {
        let mut tasks = Vec::new();
        if item.state == State::File {
            plan(0, item, true, &mut tasks);
        }
        tasks.iter().map(|task| task.weight).sum()
    };
    plain > than || items.iter().map(unpacked).fold(0, u64::saturating_add) > than
}

/// A part of the inputs, read.
#[derive(Debug)]
pub struct Batch {
    /// What was read.
    pub read: Read,
    /// The files of which something was read.
    pub files: Vec<InBatch>,
}

/// A file that is wholly or partly in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InBatch {
    /// Its path; `None` for standard input.
    pub path: Option<PathBuf>,
    /// The name of its source; archive members are called `NAME!/member`.
    pub name: String,
    /// Whether this is the first batch with any of it.
    pub first: bool,
    /// Whether nothing of it is left to read.
    pub last: bool,
}

/// Like [`read`], in the same order, but passes on the results after each `bytes` bytes or so of input, so that inputs
/// larger than memory can be read. Large EVTX files and zip archives are split, any other file is read as a whole.
/// Files that are not `wanted` are skipped. Reading ends when `take` returns that it has enough.
pub fn read_in_batches(
    inputs: &[Input],
    demand: &dyn Demand,
    limits: &Limits,
    progress: &dyn Progress,
    bytes: u64,
    wanted: &dyn Fn(&Path, u64) -> bool,
    take: &mut dyn FnMut(Batch) -> bool,
) {
    let mut items = find(inputs);
    items.retain(|item| item.state != State::File || wanted(&item.path, item.length));
    progress.total(items.iter().map(|item| item.length).sum());
    let ids = first_id(&items);
    let mut entries: Vec<Entry> = Vec::new();
    let mut waiting: Vec<Task<'_>> = Vec::new();
    let mut begun: BTreeSet<usize> = BTreeSet::new();
    let mut weight = 0;
    let mut flush = |tasks: Vec<Task<'_>>, entries: Vec<Entry>, rest: Option<usize>| -> bool {
        let of: BTreeMap<usize, &Item> = tasks.iter().map(|task| (task.index, task.item)).collect();
        let files = of
            .into_iter()
            .map(|(index, item)| InBatch {
                path: (item.state == State::File).then(|| item.path.clone()),
                name: item.name.clone(),
                first: begun.insert(index),
                last: rest != Some(index),
            })
            .collect();
        let read = run(tasks, entries, demand, limits, progress, &ids);
        take(Batch { read, files })
    };
    for (index, item) in items.iter().enumerate() {
        let mut tasks = Vec::new();
        match &item.state {
            State::Refused(message, loss) => entries.push(refused(index, item, message, *loss)),
            _ => plan(index, item, true, &mut tasks),
        }
        for task in tasks {
            if weight > 0 && weight + task.weight > bytes {
                let rest = Some(task.index);
                if !flush(
                    std::mem::take(&mut waiting),
                    std::mem::take(&mut entries),
                    rest,
                ) {
                    return;
                }
                weight = 0;
            }
            weight += task.weight;
            waiting.push(task);
        }
    }
    if !waiting.is_empty() || !entries.is_empty() {
        flush(waiting, entries, None);
    }
}

/// Ids of archive members follow those of the files.
fn first_id(items: &[Item]) -> AtomicU32 {
    AtomicU32::new(u32::try_from(items.len()).unwrap_or(u32::MAX))
}

fn refused(index: usize, item: &Item, message: &str, loss: bool) -> Entry {
    let id = u32::try_from(index).unwrap_or(u32::MAX);
    let mut report = SourceReport::new(id, item.name.clone(), SourceKind::Unknown);
    report.problem(Problem {
        offset: None,
        record: None,
        message: message.to_owned(),
        loss,
    });
    Entry {
        order: vec![id],
        report,
        readable: None,
        strict: loss,
    }
}

/// Runs tasks on several threads.
fn run(
    tasks: Vec<Task<'_>>,
    mut entries: Vec<Entry>,
    demand: &dyn Demand,
    limits: &Limits,
    progress: &dyn Progress,
    ids: &AtomicU32,
) -> Read {
    let segments = segments(tasks, limits.threads.max(1));
    let mut collectors = Vec::new();
    let run = |tasks: &[Task<'_>]| {
        let mut worker = Worker::new(Collector::new(demand), limits, progress, ids);
        for task in tasks {
            if progress.is_stopped() {
                break;
            }
            work(&mut worker, task);
        }
        worker.finish()
    };
    let done: Vec<_> = if segments.len() == 1 {
        segments.iter().map(|tasks| Some(run(tasks))).collect()
    } else {
        std::thread::scope(|scope| {
            let threads: Vec<_> = segments
                .iter()
                .map(|tasks| scope.spawn(|| run(tasks)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().ok())
                .collect()
        })
    };
    for (part, tasks) in done.into_iter().zip(&segments) {
        match part {
            Some((collector, mut part)) => {
                collectors.push(collector);
                entries.append(&mut part);
            }
            // A reader never panics on purpose; if one does, that must not be silent.
            None => {
                for task in tasks {
                    let id = u32::try_from(task.index).unwrap_or(u32::MAX);
                    let mut report =
                        SourceReport::new(id, task.item.name.clone(), SourceKind::Unknown);
                    let message = "an error in Crabwalk ended the reading of this and neighbouring files; please report it";
                    report.problem(Problem {
                        offset: None,
                        record: None,
                        message: message.to_owned(),
                        loss: true,
                    });
                    entries.push(Entry {
                        order: vec![id],
                        report,
                        readable: None,
                        strict: true,
                    });
                }
            }
        }
    }
    assemble(entries, collectors)
}

/// Merges the threads' results, and gives the sources their final ids.
fn assemble(entries: Vec<Entry>, collectors: Vec<Collector<'_>>) -> Read {
    let mut by_order: BTreeMap<Order, Entry> = BTreeMap::new();
    for entry in entries {
        match by_order.entry(entry.order.clone()) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(entry);
            }
            std::collections::btree_map::Entry::Occupied(mut place) => join(place.get_mut(), entry),
        }
    }
    let mut finals: BTreeMap<u32, u32> = BTreeMap::new();
    let mut sources: Vec<SourceReport> = Vec::new();
    for mut entry in by_order.into_values() {
        if let Some(readable) = entry.readable {
            if readable > 0 && entry.report.problems.is_empty() {
                continue;
            }
            if readable == 0 && entry.report.problems.is_empty() {
                let message = "the archive holds nothing that Crabwalk reads".to_owned();
                entry.report.problem(Problem {
                    offset: None,
                    record: None,
                    message,
                    loss: entry.strict,
                });
            }
        }
        let id = u32::try_from(sources.len()).unwrap_or(u32::MAX);
        finals.insert(entry.report.id, id);
        entry.report.id = id;
        sources.push(entry.report);
    }
    let collected = match Collector::merge(collectors) {
        Ok(mut collected) => {
            for table in &mut collected.tables {
                for batch in &mut table.batches {
                    if let Some(renumbered) = renumber(batch, &finals) {
                        *batch = renumbered;
                    }
                }
            }
            collected
        }
        Err(error) => {
            let message =
                format!("the events that were read could not be put into tables: {error}");
            for report in &mut sources {
                report.problem(Problem {
                    offset: None,
                    record: None,
                    message: message.clone(),
                    loss: true,
                });
            }
            Collected::default()
        }
    };
    Read { sources, collected }
}

/// Adds what another thread read of the same source.
fn join(entry: &mut Entry, other: Entry) {
    let (report, more) = (&mut entry.report, other.report);
    report.bytes += more.bytes;
    report.records += more.records;
    report.skipped += more.skipped;
    report.more_problems += more.more_problems;
    if report.kind == SourceKind::Unknown {
        report.kind = more.kind;
    }
    for problem in more.problems {
        // Each part of a file with a damaged header may report the same.
        if !report.problems.contains(&problem) {
            report.problem(problem);
        }
    }
    entry.readable = match (entry.readable, other.readable) {
        (None, None) => None,
        (one, other) => Some(one.unwrap_or(0) + other.unwrap_or(0)),
    };
}

fn renumber(batch: &RecordBatch, finals: &BTreeMap<u32, u32>) -> Option<RecordBatch> {
    let (at, _) = batch.schema().column_with_name(SOURCE)?;
    let old = batch
        .column(at)
        .as_any()
        .downcast_ref::<UInt32Array>()?
        .clone();
    let new: UInt32Array = old
        .values()
        .iter()
        .map(|id| Some(finals.get(id).copied().unwrap_or(u32::MAX)))
        .collect();
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    *columns.get_mut(at)? = Arc::new(new);
    RecordBatch::try_new(batch.schema(), columns).ok()
}

/// Finds the files, sorted by path and each one once.
fn find(inputs: &[Input]) -> Vec<Item> {
    let mut finder = Finder {
        items: Vec::new(),
        folders: BTreeSet::new(),
    };
    for input in inputs {
        match input {
            Input::Path(path) => finder.visit(path, true, 0),
            Input::Stdin => finder.items.push(Item {
                path: PathBuf::from("-"),
                name: "-".to_owned(),
                length: 0,
                explicit: true,
                state: State::Stdin,
            }),
        }
    }
    let mut items = finder.items;
    items.sort_by(|a, b| a.path.cmp(&b.path).then(b.explicit.cmp(&a.explicit)));
    // The same file reached twice, by a link or by being named twice, is read once.
    let mut seen = BTreeSet::new();
    items.retain(|item| match item.state {
        State::File => {
            seen.insert(fs::canonicalize(&item.path).unwrap_or_else(|_| item.path.clone()))
        }
        _ => seen.insert(item.path.clone()),
    });
    items
}

struct Finder {
    items: Vec<Item>,
    folders: BTreeSet<PathBuf>,
}

impl Finder {
    fn refuse(&mut self, path: &Path, explicit: bool, message: String, loss: bool) {
        let state = State::Refused(message, loss);
        self.items.push(Item {
            path: path.to_owned(),
            name: path.display().to_string(),
            length: 0,
            explicit,
            state,
        });
    }

    fn visit(&mut self, path: &Path, explicit: bool, depth: u32) {
        // Follows links: a loop of them is an error here, and a repeated folder is skipped below.
        let meta = match fs::metadata(path) {
            Ok(meta) => meta,
            Err(error) => {
                let dangling = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
                let message = match error.kind() {
                    io::ErrorKind::NotFound if dangling => {
                        "is a link to something that is not there".to_owned()
                    }
                    io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
                    io::ErrorKind::PermissionDenied => {
                        "must not be read: permission denied (run as a user who may read it)"
                            .to_owned()
                    }
                    _ => format!("cannot be read: {error}"),
                };
                return self.refuse(path, explicit, message, true);
            }
        };
        if meta.is_file() {
            let name = path.display().to_string();
            self.items.push(Item {
                path: path.to_owned(),
                name,
                length: meta.len(),
                explicit,
                state: State::File,
            });
        } else if meta.is_dir() {
            let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            if depth > 200 || !self.folders.insert(real) {
                return;
            }
            match fs::read_dir(path) {
                Ok(entries) => {
                    let mut paths = Vec::new();
                    for entry in entries {
                        match entry {
                            Ok(entry) => paths.push(entry.path()),
                            Err(error) => self.refuse(
                                path,
                                explicit,
                                format!("part of the folder cannot be listed: {error}"),
                                true,
                            ),
                        }
                    }
                    paths.sort();
                    for path in paths {
                        self.visit(&path, false, depth + 1);
                    }
                }
                Err(error) => {
                    let message =
                        format!("the folder cannot be listed: {error}; nothing in it was read");
                    self.refuse(path, explicit, message, true);
                }
            }
        } else {
            let what = special_file(&meta);
            let message = format!(
                "is {what}, which could block, and is passed over; give its content through standard input with `-`"
            );
            self.refuse(path, explicit, message, explicit);
        }
    }
}

#[cfg(unix)]
fn special_file(meta: &fs::Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = meta.file_type();
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn special_file(_: &fs::Metadata) -> &'static str {
    "neither a file nor a folder"
}

/// Divides a file into tasks, several for a large one that may be `cut`.
fn plan<'i>(index: usize, item: &'i Item, cut: bool, tasks: &mut Vec<Task<'i>>) {
    let budget = Arc::new(Budget::new(item.length));
    let whole = |weight: u64| Task {
        index,
        item,
        weight: weight.max(1),
        part: Part::Whole,
        budget: Arc::clone(&budget),
    };
    if item.state == State::Stdin {
        tasks.push(whole(1));
        return;
    }
    let mut prefix = [0_u8; 8192];
    let prefix = File::open(&item.path)
        .and_then(|mut file| archive::fill(&mut file, &mut prefix))
        .unwrap_or_default();
    if cut && item.length > SPLIT_BYTES && crate::evtx::is_evtx(prefix) {
        let chunks = crate::evtx::chunk_count(item.length);
        let parts = (item.length / SPLIT_BYTES + 1).min(chunks.max(1));
        for part in 0..parts {
            let range = chunks * part / parts..chunks * (part + 1) / parts;
            if !range.is_empty() {
                let weight = (range.end - range.start) * CHUNK;
                tasks.push(Task {
                    index,
                    item,
                    weight,
                    part: Part::Chunks(range),
                    budget: Arc::clone(&budget),
                });
            }
        }
        return;
    }
    if cut && prefix.starts_with(b"PK") {
        // Several threads read the members of a zip, if it is large enough.
        let sizes = File::open(&item.path)
            .map_err(|_| ())
            .and_then(|file| archive::zip_sizes(file).map_err(|_| ()));
        if let Ok(sizes) = sizes {
            let mut start = 0;
            let mut weight = 0;
            for (at, size) in sizes.iter().enumerate() {
                weight += size;
                if weight >= SPLIT_BYTES || at + 1 == sizes.len() {
                    tasks.push(Task {
                        index,
                        item,
                        weight: weight.max(1),
                        part: Part::Members(start..at + 1),
                        budget: Arc::clone(&budget),
                    });
                    start = at + 1;
                    weight = 0;
                }
            }
            if !sizes.is_empty() {
                return;
            }
        }
    }
    // Compressed logs grow about tenfold.
    tasks.push(whole(if prefix.starts_with(b"\x1f\x8b") {
        item.length * 10
    } else {
        item.length
    }));
}

/// Divides the tasks into runs of about equal weight, in order.
fn segments(tasks: Vec<Task<'_>>, threads: usize) -> Vec<Vec<Task<'_>>> {
    let total: u128 = tasks
        .iter()
        .map(|task| u128::from(task.weight))
        .sum::<u128>()
        .max(1);
    let mut segments: BTreeMap<u128, Vec<Task<'_>>> = BTreeMap::new();
    let mut before = 0_u128;
    for task in tasks {
        let middle = before + u128::from(task.weight) / 2;
        before += u128::from(task.weight);
        let at = middle * threads as u128 / total;
        segments.entry(at).or_default().push(task);
    }
    segments.into_values().collect()
}

/// Does one task.
fn work(worker: &mut Worker<'_, '_>, task: &Task<'_>) {
    let item = task.item;
    let id = u32::try_from(task.index).unwrap_or(u32::MAX);
    let order = vec![id];
    let source = archive::Source {
        order,
        id,
        path: item.name.clone(),
        depth: 0,
        gzipped: false,
        strict: item.explicit,
    };
    if item.state == State::Stdin {
        let mut input = io::stdin().lock();
        worker.stream(source, &mut input, &task.budget);
        return;
    }
    match File::open(&item.path) {
        Ok(file) => match &task.part {
            Part::Whole => worker.file(source, file, &task.budget),
            Part::Chunks(range) => worker.chunks(source, &file, range.clone()),
            Part::Members(range) => worker.zip_members(source, file, range.clone(), &task.budget),
        },
        Err(error) => {
            let mut report = SourceReport::new(id, item.name.clone(), SourceKind::Unknown);
            let message = format!("cannot be opened: {error}");
            report.problem(Problem {
                offset: None,
                record: None,
                message,
                loss: true,
            });
            worker.entry(Entry {
                order: source.order,
                report,
                readable: None,
                strict: item.explicit,
            });
        }
    }
}
