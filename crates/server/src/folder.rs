//! A folder into which logs are dropped: EVTX files, archives, Zeek logs, any file that a hunt can read.
//!
//! A file is read once it has not changed for a while, in the way of `crabwalk ingest`: the commit with its last events
//! records that it was read. A file that changes later is read again, and events that the store already has do not
//! count twice. So a rotated log (`conn.log`, then `conn.2026-03-01.log.gz`) is read under both names and counted once.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use crabwalk_sources::{Input, Quiet};
use crabwalk_store::{IngestOptions, ingest};

use crate::keep::Kept;

/// How often to look at the folder, and how long a file must have been unchanged.
const EVERY: Duration = Duration::from_secs(2);
const STILL: Duration = Duration::from_secs(5);
/// Maximum depth of folders, and number of files to look at.
const DEPTH: usize = 8;
const MOST_FILES: usize = 100_000;

/// A file as it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Seen {
    location: String,
    size: u64,
    modified: i64,
}

/// Reads files dropped into folders, until it is stopped.
pub struct Folders {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Folders {
    /// Starts watching folders.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn watch(folders: Vec<PathBuf>, kept: Arc<Kept>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("folders".to_owned())
            .spawn(move || {
                let mut known: HashSet<Seen> = kept
                    .store()
                    .whole_origins()
                    .into_iter()
                    .map(|origin| Seen {
                        location: origin.location,
                        size: origin.size,
                        modified: origin.modified,
                    })
                    .collect();
                let mut before: HashMap<String, Seen> = HashMap::new();
                while !stopped.load(Ordering::Acquire) {
                    let mut now = HashMap::new();
                    for folder in &folders {
                        look(folder, 0, &mut now);
                    }
                    for (location, seen) in &now {
                        if stopped.load(Ordering::Acquire) {
                            return;
                        }
                        let is_still = before.get(location) == Some(seen);
                        if is_still && !known.contains(seen) && take(seen, &kept) {
                            known.insert(seen.clone());
                        }
                    }
                    before = now;
                    std::thread::sleep(EVERY);
                }
            })?;
        Ok(Self { stop, thread })
    }

    /// Stops, after finishing the current file.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.join().is_err() {
            tracing::error!("the thread that reads folders ended early");
        }
    }
}

/// Finds the files that have not changed for a while. Links are not followed: they may lead anywhere.
fn look(folder: &Path, depth: usize, found: &mut HashMap<String, Seen>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            if depth == 0 {
                tracing::warn!(folder = %folder.display(), %error, "a watched folder cannot be listed");
            }
            return;
        }
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_part = [".part", ".tmp", ".partial", ".crdownload"]
            .iter()
            .any(|end| name.ends_with(end));
        let Ok(meta) = entry.metadata() else { continue };
        if name.starts_with('.') || is_part || found.len() >= MOST_FILES {
            continue;
        }
        if meta.is_dir() && depth < DEPTH {
            look(&entry.path(), depth + 1, found);
            continue;
        }
        let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let age = SystemTime::now().duration_since(modified);
        if !meta.is_file() || meta.len() == 0 || age.is_ok_and(|age| age < STILL) {
            continue;
        }
        let Ok(path) = fs::canonicalize(entry.path()) else {
            continue;
        };
        let since = modified.duration_since(SystemTime::UNIX_EPOCH);
        let location = path.display().to_string();
        let seen = Seen {
            location: location.clone(),
            size: meta.len(),
            modified: since
                .ok()
                .and_then(|since| i64::try_from(since.as_micros()).ok())
                .unwrap_or_default(),
        };
        found.insert(location, seen);
    }
}

/// Approximate memory for reading a dropped file, in bytes.
const MEMORY: u64 = 256 << 20;

/// Takes the events of a file that the store does not have. Returns whether the file is done.
fn take(seen: &Seen, kept: &Kept) -> bool {
    let options = IngestOptions {
        threads: 1,
        memory: MEMORY,
    };
    let input = Input::Path(PathBuf::from(&seen.location));
    let taken = match ingest(kept.store(), &[input], &options, &Quiet) {
        Ok(taken) => taken,
        Err(error) => {
            tracing::error!(file = seen.location, %error, "a dropped file could not be stored; it will be tried again");
            return false;
        }
    };
    for source in taken.sources.iter().filter(|source| source.is_lossy()) {
        let why = source.problems.first().map(|problem| &problem.message);
        tracing::warn!(
            file = source.path,
            why,
            "not all of a dropped file could be read"
        );
    }
    tracing::info!(
        file = seen.location,
        new = taken.events,
        copies = taken.duplicates,
        "a dropped file was read"
    );
    true
}
