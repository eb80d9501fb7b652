//! A folder on this machine.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use super::{Object, Objects, Part, Writers};

/// Locked while somebody writes.
pub(crate) const LOCK_FILE: &str = "lock";

/// A folder on this machine.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    /// Whether files survive a power failure.
    durable: bool,
    /// Files, and folders with new entries, that a power failure may still lose.
    pending: Mutex<(Vec<PathBuf>, BTreeSet<PathBuf>)>,
}

impl Folder {
    /// The folder with this path.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            durable: true,
            pending: Mutex::default(),
        }
    }

    /// A folder for one run: nothing waits for the disk, and nothing needs to survive a power failure.
    pub(crate) fn temporary(root: &Path) -> Self {
        Self {
            durable: false,
            ..Self::new(root)
        }
    }

    fn full(&self, path: &str) -> PathBuf {
        path.split('/')
            .fold(self.root.clone(), |full, part| full.join(part))
    }

    /// Creates the folder for a file, and returns the folders with new entries.
    fn make_folder(&self, file: &Path) -> io::Result<Vec<PathBuf>> {
        let Some(folder) = file.parent() else {
            return Ok(Vec::new());
        };
        let mut changed = vec![folder.to_owned()];
        let mut at = folder;
        while !at.is_dir() && at.starts_with(&self.root) {
            let Some(above) = at.parent() else { break };
            changed.push(above.to_owned());
            at = above;
        }
        if changed.len() > 1 {
            fs::create_dir_all(folder)?;
        }
        Ok(changed)
    }

    fn walk(&self, folder: &Path, path: &str, all: &mut Vec<Object>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            // The store writes no other names.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let below = format!("{path}/{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.walk(&entry.path(), &below, all)?;
            } else if kind.is_file() {
                match entry.metadata() {
                    Ok(meta) => all.push(Object {
                        path: below,
                        size: meta.len(),
                        written: meta.modified().map_or(i64::MAX, |at| {
                            let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
                            i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
                        }),
                    }),
                    // Removed meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// Makes new entries of a folder durable.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Windows makes folder entries durable by itself, and cannot open a folder as a file.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

impl Objects for Folder {
    fn make(&self) -> io::Result<bool> {
        fs::create_dir_all(&self.root)?;
        for entry in fs::read_dir(&self.root)? {
            // Left by an interrupted attempt to create a store.
            let name = entry?.file_name();
            if name != LOCK_FILE && name != ".format.json.draft" {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn begin_writing(&self) -> io::Result<Writers> {
        let lock = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(self.root.join(LOCK_FILE))?;
        match lock.try_lock() {
            Ok(()) => Ok(Writers::One(lock)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Object>> {
        let mut all = Vec::new();
        self.walk(&self.full(folder), folder, &mut all)?;
        all.sort();
        Ok(all)
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Part>> {
        let file = File::open(self.full(path))?;
        let size = file.metadata()?.len();
        Ok(Box::new(Opened { file, size }))
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let target = self.full(path);
        let folders = self.make_folder(&target)?;
        fs::write(&target, bytes)?;
        if !self.durable {
            return Ok(());
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.0.push(target);
        pending.1.extend(folders);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let (files, folders) =
            std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        for file in files {
            match File::options().write(true).open(&file) {
                Ok(file) => file.sync_all()?,
                // Removed again by a failed commit.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        for folder in folders {
            sync_folder(&folder)?;
        }
        Ok(())
    }

    fn publish(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let target = self.full(path);
        let folders = self.make_folder(&target)?;
        // Only one process publishes at a time, so such a file is a leftover.
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let draft = target.with_file_name(format!(".{name}.draft"));
        let publish = || -> io::Result<()> {
            let mut file = File::create(&draft)?;
            file.write_all(bytes)?;
            if self.durable {
                file.sync_all()?;
            }
            drop(file);
            match fs::hard_link(&draft, &target) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
                // Some file systems have no links. Nobody else publishes here in the meantime.
                Err(_) if target.exists() => return Err(io::ErrorKind::AlreadyExists.into()),
                Err(_) => fs::rename(&draft, &target)?,
            }
            let mut changed = folders.iter().filter(|_| self.durable);
            changed.try_for_each(|folder| sync_folder(folder))
        };
        let published = publish();
        // Left behind, it does no harm.
        let _ = fs::remove_file(&draft);
        published
    }

    fn delete(&self, path: &str) -> io::Result<()> {
        match fs::remove_file(self.full(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

struct Opened {
    file: File,
    size: u64,
}

impl Part for Opened {
    fn size(&self) -> u64 {
        self.size
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    buffer = &mut buffer[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
