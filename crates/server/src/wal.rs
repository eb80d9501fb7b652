//! The write-ahead log: events are synced to it before they are acknowledged.
//!
//! # Format
//! A folder of segments, each named after the number of its first record (`00000000000000000042.log`). A segment begins
//! with 24 bytes: the magic `CWWAL001`, that number, the CRC-32 of both and four zero bytes. A record is its length (4
//! bytes), a CRC-32 (4) of length, number and payload, its number (8), and the payload; numbers are little-endian and
//! increase by one. Numbers begin at 1.
//!
//! # What a crash leaves
//! Records are appended and synced in groups; the caller gets its answer after the sync. A record that was being
//! written when the machine stopped is torn: its checksum is wrong and nothing follows it. It was never acknowledged
//! and is cut off. A wrong checksum followed by intact records is a different kind of damage: the record is reported as
//! lost, and those after it are kept.
//!
//! # What a failing disk leaves
//! A failed write (a full disk) is rolled back to the last intact record, and the log can be tried again later. A
//! failed *sync* is final: the system may have dropped the pages that it could not write, and a second sync would prove
//! nothing. The log then refuses everything ([`WalError::Broken`]) until the program is restarted and reads what is
//! really on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"CWWAL001";
const HEADER: usize = 24;
/// Length, checksum and number.
const HEAD: usize = 16;
/// Bytes after which a segment is closed and a new one begun.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// Bytes of the largest record; a larger claimed length means damage.
pub const RECORD_BYTES: usize = 512 << 20;

/// The log cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The folder or a file in it.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An earlier sync failed, or a failed write could not be rolled back: the state of the disk is unknown.
    #[error("the log failed earlier ({0}); repair the disk and restart the server")]
    Broken(String),
    /// A record larger than [`RECORD_BYTES`].
    #[error("a record of {0} bytes is too large for the log")]
    TooLarge(usize),
}

/// Storage for the log's files. A disk, or in tests one that fails and forgets.
pub trait Medium {
    /// A file that is appended to.
    type File;
    /// Names in the folder.
    fn list(&mut self) -> io::Result<Vec<String>>;
    /// The whole content of a file.
    fn read(&mut self, name: &str) -> io::Result<Vec<u8>>;
    /// Creates a file, which must not exist yet.
    fn create(&mut self, name: &str) -> io::Result<Self::File>;
    /// Opens a file and truncates it to a length.
    fn cut(&mut self, name: &str, length: u64) -> io::Result<Self::File>;
    /// Writes at the end.
    fn append(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    /// Makes written data durable.
    fn sync(&mut self, file: &mut Self::File) -> io::Result<()>;
    /// Makes the names of files durable.
    fn sync_folder(&mut self) -> io::Result<()>;
    /// Takes a file away.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// The folder, for messages.
    fn folder(&self) -> PathBuf;
}

/// A folder on a disk.
#[derive(Debug)]
pub struct Disk(PathBuf);

impl Disk {
    /// The folder, which is created if missing.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(folder: &Path) -> Result<Self, WalError> {
        fs::create_dir_all(folder).map_err(|source| WalError::File {
            path: folder.to_owned(),
            source,
        })?;
        Ok(Self(folder.to_owned()))
    }
}

impl Medium for Disk {
    type File = File;

    fn list(&mut self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.0)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.0.join(name))?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&mut self, name: &str) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.0.join(name))
    }

    fn cut(&mut self, name: &str, length: u64) -> io::Result<File> {
        let mut file = OpenOptions::new().write(true).open(self.0.join(name))?;
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        Ok(file)
    }

    fn append(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&mut self, file: &mut File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_folder(&mut self) -> io::Result<()> {
        // Elsewhere a folder cannot be opened, and the file system makes names durable by itself.
        if cfg!(unix) {
            File::open(&self.0)?.sync_all()?;
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn folder(&self) -> PathBuf {
        self.0.clone()
    }
}

/// The state of a log when it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Intact records read.
    pub records: u64,
    /// Bytes of a record that was being written when the machine stopped, and were cut off. It was never acknowledged.
    pub torn: u64,
    /// Stretches of damage between intact records: segment and offset.
    pub damaged: Vec<(String, u64)>,
}

#[derive(Debug)]
struct Segment {
    name: String,
    /// Number of its first record.
    first: u64,
}

struct Open<F> {
    file: F,
    /// Bytes up to the last intact record.
    length: u64,
}

/// A log, open for writing.
pub struct Wal<M: Medium> {
    medium: M,
    segments: Vec<Segment>,
    open: Option<Open<M::File>>,
    next: u64,
    segment_bytes: u64,
    broken: Option<String>,
}

fn name_of(first: u64) -> String {
    format!("{first:020}.log")
}

fn header(first: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&first.to_le_bytes());
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes.resize(HEADER, 0);
    bytes
}

/// The checksum of a record: of all of it but the checksum itself.
fn checksum(length: [u8; 4], seq: [u8; 8], payload: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&length);
    sum.update(&seq);
    sum.update(payload);
    sum.finalize()
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// The record that begins here, if it is intact: its number, its payload and its end.
fn record(bytes: &[u8], at: usize) -> Option<(u64, &[u8], usize)> {
    let length: [u8; 4] = number(bytes, at)?;
    let size = u32::from_le_bytes(length) as usize;
    if size > RECORD_BYTES {
        return None;
    }
    let sum = u32::from_le_bytes(number(bytes, at + 4)?);
    let end = at.checked_add(HEAD)?.checked_add(size)?;
    let (seq, payload) = bytes.get(at + 8..end)?.split_first_chunk()?;
    let is_whole = checksum(length, *seq, payload) == sum;
    let seq = u64::from_le_bytes(*seq);
    // A stretch of zeros must not pass for a record.
    (seq != 0 && is_whole).then_some((seq, payload, end))
}

impl<M: Medium> Wal<M> {
    /// Opens the log. Passes every intact record from number `from` on to `each`, in order, along with earlier ones
    /// still in its segment; cuts off a torn record.
    ///
    /// # Errors
    /// If a file cannot be read or repaired.
    pub fn open(
        mut medium: M,
        segment_bytes: u64,
        from: u64,
        mut each: impl FnMut(u64, &[u8]),
    ) -> Result<(Self, Recovery), WalError> {
        let failed = |medium: &M, name: &str, source| WalError::File {
            path: medium.folder().join(name),
            source,
        };
        let names = medium.list().map_err(|error| failed(&medium, "", error))?;
        let mut segments: Vec<Segment> = names
            .into_iter()
            .filter_map(|name| {
                let first = name.strip_suffix(".log")?.parse().ok()?;
                Some(Segment { name, first })
            })
            .collect();
        segments.sort_by_key(|segment| segment.first);
        let mut recovery = Recovery::default();
        let mut next = from.max(1);
        let mut open = None;
        let mut at = 0;
        while let Some(segment) = segments.get(at) {
            let (name, first) = (segment.name.clone(), segment.first);
            let following = segments.get(at + 1).map(|segment| segment.first);
            let is_last = following.is_none();
            if following.is_some_and(|following| following <= from) {
                at += 1;
                continue;
            }
            let bytes = medium
                .read(&name)
                .map_err(|error| failed(&medium, &name, error))?;
            if bytes.get(..HEADER) != Some(header(first).as_slice()) {
                if !is_last || record_after(&bytes, 0, first).is_some() {
                    recovery.damaged.push((name.clone(), 0));
                } else {
                    // The machine stopped while it was being created.
                    recovery.torn += bytes.len() as u64;
                    medium
                        .remove(&name)
                        .map_err(|error| failed(&medium, &name, error))?;
                    segments.remove(at);
                    continue;
                }
            }
            let mut place = HEADER;
            let mut last = first.saturating_sub(1);
            loop {
                match record(&bytes, place).filter(|(seq, ..)| *seq > last) {
                    Some((seq, payload, end)) => {
                        last = seq;
                        place = end;
                        recovery.records += 1;
                        each(seq, payload);
                    }
                    None if place >= bytes.len() => break,
                    None => match record_after(&bytes, place, last + 1) {
                        Some(found) => {
                            recovery.damaged.push((name.clone(), place as u64));
                            place = found;
                        }
                        None => break,
                    },
                }
            }
            next = next.max(last + 1);
            if is_last {
                if place < bytes.len() {
                    recovery.torn += (bytes.len() - place) as u64;
                }
                let mut file = medium
                    .cut(&name, place as u64)
                    .map_err(|error| failed(&medium, &name, error))?;
                // The data just read may never have been synced; sync it now.
                medium
                    .sync(&mut file)
                    .map_err(|error| failed(&medium, &name, error))?;
                open = Some(Open {
                    file,
                    length: place as u64,
                });
            } else if place < bytes.len() {
                recovery.damaged.push((name, place as u64));
            }
            at += 1;
        }
        medium
            .sync_folder()
            .map_err(|error| failed(&medium, "", error))?;
        Ok((
            Self {
                medium,
                segments,
                open,
                next,
                segment_bytes,
                broken: None,
            },
            recovery,
        ))
    }

    /// Number of the next record.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Why nothing is accepted any more, if so.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Writes records and syncs them. The first gets the returned number, the others follow consecutively.
    ///
    /// # Errors
    /// In that case none of them counts. After a failed write the log can be tried again; after a failed sync it is
    /// broken.
    pub fn append(&mut self, payloads: &[&[u8]]) -> Result<u64, WalError> {
        if let Some(why) = &self.broken {
            return Err(WalError::Broken(why.clone()));
        }
        let first = self.next;
        let mut bytes = Vec::with_capacity(payloads.iter().map(|one| one.len() + HEAD).sum());
        for (seq, payload) in (first..).zip(payloads) {
            let size = u32::try_from(payload.len())
                .ok()
                .filter(|_| payload.len() <= RECORD_BYTES)
                .ok_or(WalError::TooLarge(payload.len()))?;
            let (length, seq) = (size.to_le_bytes(), seq.to_le_bytes());
            bytes.extend_from_slice(&length);
            bytes.extend_from_slice(&checksum(length, seq, payload).to_le_bytes());
            bytes.extend_from_slice(&seq);
            bytes.extend_from_slice(payload);
        }
        if self
            .open
            .as_ref()
            .is_none_or(|open| open.length >= self.segment_bytes)
        {
            self.begin_segment()?;
        }
        let name = self.segments.last().map_or("", |one| &one.name).to_owned();
        let path = self.medium.folder().join(&name);
        let Some(open) = &mut self.open else {
            return Err(WalError::Broken("no segment is open".to_owned()));
        };
        if let Err(source) = self.medium.append(&mut open.file, &bytes) {
            // Part of it may be on disk; after the next record it would be damage.
            match self.medium.cut(&name, open.length) {
                Ok(file) => open.file = file,
                Err(error) => self.broken = Some(format!("{source}, then {error}")),
            }
            return Err(WalError::File { path, source });
        }
        if let Err(source) = self.medium.sync(&mut open.file) {
            self.broken = Some(format!("syncing failed: {source}"));
            return Err(WalError::File { path, source });
        }
        open.length += bytes.len() as u64;
        self.next += payloads.len() as u64;
        Ok(first)
    }

    fn begin_segment(&mut self) -> Result<(), WalError> {
        let name = name_of(self.next);
        let path = self.medium.folder().join(&name);
        // A segment left by a failed attempt is in the way, and contains nothing that counts.
        let _ = self.medium.remove(&name);
        let failed = |source| WalError::File { path, source };
        let made = self.medium.create(&name).and_then(|mut file| {
            self.medium.append(&mut file, &header(self.next))?;
            self.medium.sync(&mut file)?;
            self.medium.sync_folder()?;
            Ok(file)
        });
        let file = match made {
            Ok(file) => file,
            Err(error) => {
                let _ = self.medium.remove(&name);
                return Err(failed(error));
            }
        };
        self.segments.push(Segment {
            name,
            first: self.next,
        });
        self.open = Some(Open {
            file,
            length: HEADER as u64,
        });
        Ok(())
    }

    /// Deletes the segments whose records all have numbers below `low`, because the store has them. The open one stays.
    ///
    /// # Errors
    /// If a file cannot be deleted; the next call tries again.
    pub fn release(&mut self, low: u64) -> Result<(), WalError> {
        while let [one, next, ..] = self.segments.as_slice()
            && next.first <= low
        {
            let name = one.name.clone();
            self.medium.remove(&name).map_err(|source| WalError::File {
                path: self.medium.folder().join(&name),
                source,
            })?;
            self.segments.remove(0);
        }
        Ok(())
    }
}

/// The start of the next intact record after `from`, with a number of at least `least`.
fn record_after(bytes: &[u8], from: usize, least: u64) -> Option<usize> {
    /// Numbers increase by one, so the next number is close; this keeps random text from passing for a record.
    const REACH: u64 = 1 << 24;
    (from + 1..bytes.len().saturating_sub(HEAD - 1)).find(|at| {
        number(bytes, at + 8)
            .map(u64::from_le_bytes)
            .is_some_and(|seq| (least..least + REACH).contains(&seq))
            && record(bytes, *at).is_some()
    })
}

#[cfg(test)]
mod tests;
