//! A file of JSON lines that is appended to and synced: what happened, in order.
//!
//! A line is on disk as a whole or not at all: one that a crash cut off was never acknowledged, and is dropped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The file.
pub struct Appended {
    path: PathBuf,
    file: File,
    bytes: u64,
}

fn open(path: &Path, empty: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(empty);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

impl Appended {
    /// Reads the lines of a file; a new one is empty. A last line that a crash cut off is dropped.
    ///
    /// # Errors
    /// If it cannot be read, or a line before the last one is damaged.
    pub fn open<T: DeserializeOwned>(path: &Path, mut each: impl FnMut(T)) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut good = 0;
        for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
            if !line.ends_with(b"\n") {
                break;
            }
            match serde_json::from_slice(line) {
                Ok(line) => each(line),
                Err(error) => {
                    let why = format!("line {number}: {error}; move the file away to begin anew");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            }
            good += line.len() as u64;
        }
        let file = open(path, false)?;
        file.set_len(good)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes: good,
        })
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a line. It is on disk when this returns.
    ///
    /// # Errors
    /// If it cannot be written. Then it counts as not written.
    pub fn append(&mut self, line: &impl Serialize) -> io::Result<()> {
        let line = written(line)?;
        // What an earlier failure left there is not part of the file.
        self.file.set_len(self.bytes)?;
        self.file.seek(io::SeekFrom::Start(self.bytes))?;
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Replaces all lines by one that says the same. If that fails, they stay.
    pub fn replace(&mut self, line: &impl Serialize) {
        if let Err(error) = self.replaced(line) {
            tracing::warn!(path = %self.path.display(), %error, "the file could not be rewritten; it grows");
        }
    }

    fn replaced(&mut self, line: &impl Serialize) -> io::Result<()> {
        let part = self.path.with_extension("part");
        let line = written(line)?;
        let mut file = open(&part, true)?;
        file.write_all(&line)?;
        file.sync_all()?;
        fs::rename(&part, &self.path)?;
        if let Some(folder) = self.path.parent() {
            #[cfg(unix)]
            File::open(folder)?.sync_all()?;
            #[cfg(not(unix))]
            let _ = folder;
        }
        self.file = file;
        self.bytes = line.len() as u64;
        Ok(())
    }
}

fn written(line: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(line)?;
    line.push(b'\n');
    Ok(line)
}
