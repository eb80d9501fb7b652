//! Adds log files to a store, in memory-sized parts, each file once.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use crabwalk_sources::report::SourceReport;
use crabwalk_sources::{Batch, InBatch, Input, Limits, Progress, read_in_batches};
use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::manifest::FileOrigin;
use crate::store::{CommitInfo, Ingest, NewSource, Store};

/// Bytes of memory per byte of input: for the events as read, sorted, and as a file.
const MEMORY_PER_BYTE: u64 = 8;
/// Minimum bytes of input per part: less would result in many small files.
const LEAST_BATCH: u64 = 1 << 20;

/// How much of the machine an ingest may use.
#[derive(Debug, Clone)]
pub struct IngestOptions {
    /// Threads that read.
    pub threads: usize,
    /// Approximate bytes of memory. A file other than EVTX or zip is read as a whole, and may take more.
    pub memory: u64,
}

impl Default for IngestOptions {
    /// All threads of the machine, and a quarter of its memory, at least 512 MB.
    fn default() -> Self {
        const LEAST: u64 = 512_000_000;
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory: (machine_memory() / 4).max(LEAST),
        }
    }
}

/// Memory of this machine in bytes; 0 if unknown.
fn machine_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib.saturating_mul(1024))
}

/// What an ingest took.
#[derive(Debug, Clone, Default)]
pub struct Ingested {
    /// What was read from each file and archive member, and what could not be read.
    pub sources: Vec<SourceReport>,
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Number of files that were skipped because the store had everything.
    pub known_files: u64,
    /// New events.
    pub events: u64,
    /// Events that the store already had, or that were read twice.
    pub duplicates: u64,
    /// Number of commits.
    pub commits: u64,
}

/// Reads into a store the part of the logs that it does not have yet. Skips a file if the store has all of it, by path,
/// size and modification time, or by content; within other files, skips the events that the store has.
///
/// Events are committed in parts. However an ingest ends, what was committed stays, and the next ingest takes the rest.
///
/// # Errors
/// If a commit fails. Unreadable input is not an error: [`Ingested::sources`] reports it.
pub fn ingest(
    store: &Store,
    inputs: &[Input],
    options: &IngestOptions,
    progress: &dyn Progress,
) -> Result<Ingested, StoreError> {
    let whole = store.whole_origins();
    let by_place: HashSet<(&str, u64, i64)> = whole
        .iter()
        .filter(|origin| origin.modified != 0)
        .map(|origin| (origin.location.as_str(), origin.size, origin.modified))
        .collect();
    let by_content: HashSet<&str> = whole.iter().map(|origin| origin.digest.as_str()).collect();
    let own = fs::canonicalize(store.path()).unwrap_or_else(|_| store.path().to_owned());
    let origins: Mutex<HashMap<String, FileOrigin>> = Mutex::default();
    let known_files = Mutex::new(0);
    let wanted = |path: &Path, _: u64| -> bool {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if real.starts_with(&own) {
            return false;
        }
        // If it cannot be inspected, read it, so that its report says why.
        let Ok(place) = place(&real) else { return true };
        let is_known = by_place.contains(&(place.0.as_str(), place.1, place.2));
        let digest = if is_known { None } else { digest(&real).ok() };
        if is_known
            || digest
                .as_deref()
                .is_some_and(|digest| by_content.contains(digest))
        {
            *known_files.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            return false;
        }
        if let Some(digest) = digest {
            let name = path.display().to_string();
            let (location, size, modified) = place;
            origins
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(
                    name.clone(),
                    FileOrigin {
                        name,
                        location,
                        size,
                        modified,
                        digest,
                    },
                );
        }
        true
    };
    let limits = Limits {
        threads: options.threads.max(1),
        ..Limits::default()
    };
    let bytes = (options.memory / MEMORY_PER_BYTE).max(LEAST_BATCH);
    let mut done = Ingested::default();
    let mut failed = None;
    let mut take = |batch: Batch| -> bool {
        let origins = origins.lock().unwrap_or_else(PoisonError::into_inner);
        for file in batch.files.iter().filter(|file| file.first) {
            done.files += 1;
            done.bytes += origins.get(&file.name).map_or(0, |origin| origin.size);
        }
        let sources = batch
            .read
            .sources
            .iter()
            // Report a path with nothing to read now; it does not become a source in the store.
            .filter(|report| report.path == "-" || file_of(&batch.files, &report.path).is_some())
            .map(|report| {
                let file = file_of(&batch.files, &report.path);
                NewSource {
                    report: report.clone(),
                    origin: file.and_then(|file| origins.get(&file.name)).cloned(),
                    from_start: file.is_none_or(|file| file.first),
                    whole: file.is_none_or(|file| file.last),
                }
            })
            .collect();
        drop(origins);
        let info = CommitInfo {
            sources,
            ..CommitInfo::default()
        };
        match store.commit(batch.read.collected, info) {
            Ok(committed) => {
                done.commits += 1;
                done.events += committed.events;
                done.duplicates += committed.duplicates;
                for report in batch.read.sources {
                    add(&mut done.sources, report);
                }
                true
            }
            Err(error) => {
                failed = Some(error);
                false
            }
        }
    };
    read_in_batches(
        inputs, &Ingest, &limits, progress, bytes, &wanted, &mut take,
    );
    if let Some(error) = failed {
        return Err(error);
    }
    done.known_files = *known_files.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(done)
}

/// Merges this batch's report about a source with those of earlier batches.
pub(crate) fn add(all: &mut Vec<SourceReport>, mut report: SourceReport) {
    // Parts of a file follow each other.
    match all.last_mut() {
        Some(last) if last.path == report.path => {
            last.bytes += report.bytes;
            last.records += report.records;
            last.skipped += report.skipped;
            last.more_problems += report.more_problems;
            for problem in report.problems {
                last.problem(problem);
            }
        }
        _ => {
            report.id = u32::try_from(all.len()).unwrap_or(u32::MAX);
            all.push(report);
        }
    }
}

/// The file that a source is, or that contains it.
pub(crate) fn file_of<'f>(files: &'f [InBatch], source: &str) -> Option<&'f InBatch> {
    files.iter().find(|file| {
        source
            .strip_prefix(file.name.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("!/"))
    })
}

/// The location of a file, its size, and its modification time.
fn place(real: &Path) -> io::Result<(String, u64, i64)> {
    let meta = fs::metadata(real)?;
    let modified = meta
        .modified()
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or_default();
    // A name that is not text is left empty; the content identifies the file.
    let location = real.to_str().unwrap_or_default().to_owned();
    let modified = if location.is_empty() { 0 } else { modified };
    Ok((location, meta.len(), modified))
}

fn digest(real: &Path) -> io::Result<String> {
    let mut file = File::open(real)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

impl FileOrigin {
    /// Whether the file is still in its place, under its source's name, and unchanged.
    pub fn is_there(&self) -> bool {
        fs::canonicalize(&self.name).is_ok_and(|real| {
            real.is_file()
                && place(&real).is_ok_and(|(location, size, modified)| {
                    location == self.location && size == self.size && modified == self.modified
                })
        })
    }
}
