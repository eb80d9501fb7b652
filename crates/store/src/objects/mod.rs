//! Storage for the files of a store.
//!
//! A store needs little from its storage: to list files, read ranges, write a file that nobody reads yet, and publish a
//! small one under a name that nobody else has taken. A folder can do this, and so can object storage. The calls are
//! synchronous, like a catalog's.

mod bucket;
mod folder;
mod http;

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use bucket::Bucket;
pub use folder::Folder;
pub(crate) use folder::LOCK_FILE;

use crate::error::StoreError;

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// Its path inside the store, with slashes.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was written, in microseconds since 1970-01-01 UTC.
    pub written: i64,
}

/// A file that can be read in ranges.
pub trait Part: Send + Sync {
    /// Bytes of the whole.
    fn size(&self) -> u64;

    /// Fills `buffer` starting at this offset.
    ///
    /// # Errors
    /// If it cannot be read, or ends too early.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Announces what will be read, so that distant storage gets it all at once.
    ///
    /// # Errors
    /// If it cannot be read.
    fn prepare(&self, ranges: &[Range<u64>]) -> io::Result<()> {
        let _ = ranges;
        Ok(())
    }
}

/// Whether somebody else may write meanwhile.
#[derive(Debug)]
pub enum Writers {
    /// Nobody, as long as this file is locked.
    One(File),
    /// Others too, on this or other machines. The first to publish the next commit wins; the others then add theirs to it.
    Many,
}

/// Storage for a store's files. Paths are inside the store, with slashes, and created only by the store.
pub trait Objects: fmt::Debug + Send + Sync {
    /// Makes room for a new store, and returns whether there is nothing else.
    ///
    /// # Errors
    /// If it cannot be made or looked at.
    fn make(&self) -> io::Result<bool>;

    /// Begins writing.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another process is writing and only one can.
    fn begin_writing(&self) -> io::Result<Writers>;

    /// All files below a folder, by path. A missing folder contains none.
    ///
    /// # Errors
    /// If it cannot be listed.
    fn list(&self, folder: &str) -> io::Result<Vec<Object>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// If it does not exist or cannot be read.
    fn open(&self, path: &str) -> io::Result<Box<dyn Part>>;

    /// Opens a file of which the size, in bytes, and the end are known.
    ///
    /// # Errors
    /// Like [`open`](Self::open), possibly only when it is read.
    fn open_known(&self, path: &str, size: u64) -> io::Result<Box<dyn Part>> {
        let _ = size;
        self.open(path)
    }

    /// How many files should be read at the same time, because each takes its time to arrive; 1 if none has to be waited
    /// for.
    fn at_once(&self) -> usize {
        1
    }

    /// Writes a file that nobody knows about yet. It need not survive a power failure before [`sync`](Self::sync).
    ///
    /// # Errors
    /// If it cannot be written; part of it may remain.
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// When this returns, everything written before survives a power failure.
    ///
    /// # Errors
    /// If that cannot be guaranteed.
    fn sync(&self) -> io::Result<()>;

    /// Writes a file atomically and durably, without replacing another.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if that name is taken; another error if it cannot be written.
    fn publish(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file, if it exists.
    ///
    /// # Errors
    /// If it exists and cannot be removed.
    fn delete(&self, path: &str) -> io::Result<()>;

    /// All of a file.
    ///
    /// # Errors
    /// If it does not exist or cannot be read.
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let part = self.open(path)?;
        let size =
            usize::try_from(part.size()).map_err(|_| io::Error::other("larger than memory"))?;
        let mut bytes = vec![0; size];
        part.read_at(0, &mut bytes)?;
        Ok(bytes)
    }
}

/// Whether a path is a URL of object storage: `s3://BUCKET/PREFIX`.
pub fn is_remote(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|text| text.starts_with(bucket::SCHEME))
}

/// The storage at a path or URL.
pub(crate) fn at(path: &Path) -> Result<Arc<dyn Objects>, StoreError> {
    Ok(match path.to_str().filter(|_| is_remote(path)) {
        Some(url) => Arc::new(Bucket::at(url)?),
        None => Arc::new(Folder::new(path)),
    })
}
