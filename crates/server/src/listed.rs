//! A short list in a file: changed by one program at a time, rewritten as a whole, and reloaded when another program
//! has changed it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct ListError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// A list in a file.
pub struct Listed<T> {
    path: PathBuf,
    known: RwLock<Known<T>>,
}

struct Known<T> {
    /// The state of the file when it was read, and when it was last checked.
    stamp: Option<(SystemTime, u64)>,
    looked: Option<Instant>,
    all: Arc<Vec<T>>,
}

/// How often to check the file.
const LOOK: Duration = Duration::from_millis(500);

impl<T: Serialize + DeserializeOwned> Listed<T> {
    /// The list in a file; empty if the file does not exist.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(path: &Path) -> Result<Self, ListError> {
        let list = Self {
            path: path.to_owned(),
            known: RwLock::new(Known {
                stamp: None,
                looked: None,
                all: Arc::default(),
            }),
        };
        list.refresh()?;
        Ok(list)
    }

    fn failed(&self, source: impl Into<io::Error>) -> ListError {
        ListError {
            path: self.path.clone(),
            source: source.into(),
        }
    }

    /// Reloads the file if it has changed.
    fn refresh(&self) -> Result<(), ListError> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.looked = Some(Instant::now());
        let meta = match fs::metadata(&self.path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                known.stamp = None;
                known.all = Arc::default();
                return Ok(());
            }
            Err(error) => return Err(self.failed(error)),
        };
        let stamp = meta.modified().ok().map(|time| (time, meta.len()));
        if stamp.is_none() || stamp != known.stamp {
            known.all = Arc::new(self.read()?);
            known.stamp = stamp;
        }
        Ok(())
    }

    fn read(&self) -> Result<Vec<T>, ListError> {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| self.failed(error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The contents of the list. If the file cannot be reloaded, the previous list stays in use.
    pub fn all(&self) -> Arc<Vec<T>> {
        let stale = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.looked.is_none_or(|looked| looked.elapsed() > LOOK)
        };
        if stale && let Err(error) = self.refresh() {
            tracing::warn!(%error, "a list could not be reloaded; the previous one stays in use");
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&known.all)
    }

    /// Changes the list, exclusively among all programs. The change is on disk when this returns.
    ///
    /// # Errors
    /// If `change` refuses, in which case nothing changed, or if the file cannot be written.
    pub fn change<R, E>(&self, change: impl FnOnce(&mut Vec<T>) -> Result<R, E>) -> Result<R, E>
    where
        E: From<ListError>,
    {
        let lock = private(&self.path.with_extension("lock"), false).map_err(|e| self.failed(e))?;
        lock.lock().map_err(|error| self.failed(error))?;
        let mut all = self.read()?;
        let done = change(&mut all)?;
        let part = self.path.with_extension("part");
        let write = || -> io::Result<()> {
            let mut file = private(&part, true)?;
            serde_json::to_writer_pretty(&mut file, &all)?;
            file.sync_all()?;
            fs::rename(&part, &self.path)
        };
        write().map_err(|error| self.failed(error))?;
        self.refresh()?;
        Ok(done)
    }
}

/// Opens a file for writing that only its owner may read.
fn private(path: &Path, empty: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(empty);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
