//! One source after another: recognising it, unpacking archives within limits, and passing it to its reader.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use crate::collect::Collector;
use crate::evtx::EvtxReader;
use crate::journal;
use crate::limits::{Limits, Progress};
use crate::logins;
use crate::recognise::{self, Format};
use crate::record::Sink;
use crate::report::{Problem, SourceKind, SourceReport};
use crate::text::{self, Transcode};
use crate::ual::{self, Identity};

/// Position of a source: the index of the file, then of the archive's member, and so on.
pub(crate) type Order = Vec<u32>;

/// A source that was read, or part of one.
#[derive(Debug)]
pub(crate) struct Entry {
    pub order: Order,
    pub report: SourceReport,
    /// For an archive: how many members were logs.
    pub readable: Option<u64>,
    /// Whether it is a loss if it is not a log.
    pub strict: bool,
}

/// How much a file has unpacked to so far, over all its levels.
#[derive(Debug)]
pub(crate) struct Budget {
    packed: u64,
    unpacked: AtomicU64,
    members: AtomicU64,
}

impl Budget {
    pub fn new(packed: u64) -> Self {
        Self {
            packed,
            unpacked: AtomicU64::new(0),
            members: AtomicU64::new(0),
        }
    }
}

/// A source about to be read.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub order: Order,
    pub id: u32,
    pub path: String,
    /// Archives around it.
    pub depth: u32,
    /// Whether the innermost is a gzip, which together with a tar inside is one archive.
    pub gzipped: bool,
    /// Whether it is a loss if it is not a log.
    pub strict: bool,
}

/// Fills the buffer as far as the stream goes. Returns the filled part.
pub(crate) fn fill<'b>(
    input: &mut (impl Read + ?Sized),
    buffer: &'b mut [u8],
) -> io::Result<&'b [u8]> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match input.read(room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if filled > 0 => break,
            Err(error) => return Err(error),
        }
    }
    let buffer: &[u8] = buffer;
    Ok(buffer.get(..filled).unwrap_or(buffer))
}

/// Records that the stream of a source failed: the disk, a truncated archive, or a limit.
fn stopped(report: &mut SourceReport, error: &io::Error) {
    let message = format!("reading stopped here: {error}; everything before was kept");
    let offset = Some(report.bytes);
    report.problem(Problem {
        offset,
        record: None,
        message,
        loss: true,
    });
}

/// Unpacked sizes of a zip's members.
pub(crate) fn zip_sizes(file: File) -> zip::result::ZipResult<Vec<u64>> {
    let mut archive = ZipArchive::new(io::BufReader::new(file))?;
    Ok((0..archive.len())
        .map(|at| archive.by_index_raw(at).map_or(1, |member| member.size()))
        .collect())
}

/// The name of a deflated member of a zip whose sizes stand behind it, as programs write it that cannot go back, and where
/// its data begin, to which the input is moved. `None` if there is no such member at `start`.
fn streamed_member(input: &mut (impl Read + Seek), start: u64) -> Option<(String, u64)> {
    /// "A general purpose bit flag", bits 0 and 3, and method 8 (APPNOTE.TXT, 4.4.4 and 4.4.5).
    const ENCRYPTED: u16 = 1;
    const SIZES_BEHIND: u16 = 8;
    const DEFLATED: u16 = 8;
    let mut head = [0_u8; 30];
    input.seek(SeekFrom::Start(start)).ok()?;
    input.read_exact(&mut head).ok()?;
    let number = |at: usize| {
        let bytes = head.get(at..at + 2)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    };
    let (flags, method) = (number(6)?, number(8)?);
    let fits = head.starts_with(b"PK\x03\x04")
        && flags & SIZES_BEHIND != 0
        && flags & ENCRYPTED == 0
        && method == DEFLATED;
    let (name_length, extra) = (number(26)?, number(28)?);
    let mut name = vec![0_u8; usize::from(name_length)];
    input.read_exact(&mut name).ok()?;
    let data = start + 30 + u64::from(name_length) + u64::from(extra);
    input.seek(SeekFrom::Start(data)).ok()?;
    fits.then(|| (String::from_utf8_lossy(&name).into_owned(), data))
}

/// Moves the input from the end of a member's data over the sizes behind it to the next member, if there is one.
fn next_member(input: &mut (impl Read + Seek), end: u64) -> bool {
    // With its signature and sizes of 8 bytes, a data descriptor has 24 bytes.
    let mut behind = [0_u8; 24 + 4];
    if input.seek(SeekFrom::Start(end)).is_err() {
        return false;
    }
    let behind = fill(input, &mut behind).unwrap_or_default();
    match memchr::memmem::find(behind, b"PK\x03\x04") {
        Some(at) => input.seek(SeekFrom::Start(end + at as u64)).is_ok(),
        None => false,
    }
}

/// Bytes of a block of a tar.
const TAR_BLOCK: u64 = 512;

/// Counts the zeros at the end of what was read.
struct Zeros<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Zeros<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let read = buffer.get(..count).unwrap_or_default();
        match read.iter().rposition(|byte| *byte != 0) {
            None => self.count += count as u64,
            Some(last) => self.count = (count - last - 1) as u64,
        }
        Ok(count)
    }
}

/// The folder of a path in an archive or on the disk, with what separates it from the rest.
fn folder(path: &str) -> &str {
    let end = path.rfind(['/', '\\']).map_or(0, |at| at + 1);
    path.get(..end).unwrap_or_default()
}

/// Whether this is the path of the file that names the machine whose accesses are in the files beside it.
fn is_identity(path: &str) -> bool {
    path.strip_prefix(folder(path))
        .is_some_and(|name| name.eq_ignore_ascii_case(ual::IDENTITY_FILE))
}

/// Counts bytes read, and reports progress.
struct Counted<'p, R> {
    inner: R,
    count: u64,
    told: u64,
    path: &'p str,
    progress: Option<&'p dyn Progress>,
}

impl<'p, R> Counted<'p, R> {
    fn new(inner: R, path: &'p str, progress: Option<&'p dyn Progress>) -> Self {
        Self {
            inner,
            count: 0,
            told: 0,
            path,
            progress,
        }
    }

    fn tell(&mut self) {
        if let Some(progress) = self.progress {
            progress.advance(self.count - self.told, self.path);
            self.told = self.count;
        }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        if self.count - self.told >= 1 << 20 {
            if self.progress.is_some_and(Progress::is_stopped) {
                return Err(io::Error::other("reading was stopped"));
            }
            self.tell();
        }
        Ok(count)
    }
}

/// Stops unpacking that goes beyond the limits.
struct Metered<'m, R> {
    inner: R,
    budget: &'m Budget,
    limits: &'m Limits,
    /// Packed size of this member in bytes, if known.
    packed: Option<u64>,
    unpacked: u64,
    tripped: Option<String>,
}

impl<'m, R> Metered<'m, R> {
    fn new(inner: R, budget: &'m Budget, limits: &'m Limits, packed: Option<u64>) -> Self {
        Self {
            inner,
            budget,
            limits,
            packed,
            unpacked: 0,
            tripped: None,
        }
    }

    fn check(&self, all: u64) -> Option<String> {
        let limits = self.limits;
        if all > limits.archive_bytes {
            return Some(format!(
                "the archive unpacks to more than {} bytes",
                limits.archive_bytes
            ));
        }
        let allowed = |packed: u64| {
            limits
                .archive_free_bytes
                .saturating_add(packed.saturating_mul(limits.archive_ratio))
        };
        if self
            .packed
            .is_some_and(|packed| self.unpacked > allowed(packed))
        {
            let ratio = limits.archive_ratio;
            return Some(format!(
                "it unpacks to more than {ratio} times its packed size, as archive bombs do"
            ));
        }
        // All levels together may unpack to twice that: an inner archive counts, and so does its content.
        if self.budget.packed > 0 && all / 2 > allowed(self.budget.packed) {
            let ratio = limits.archive_ratio;
            return Some(format!(
                "the archive unpacks to more than {ratio} times its size, as archive bombs do"
            ));
        }
        None
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(message) = &self.tripped {
            return Err(io::Error::other(message.clone()));
        }
        let count = self.inner.read(buffer)?;
        self.unpacked += count as u64;
        let all = self
            .budget
            .unpacked
            .fetch_add(count as u64, Ordering::Relaxed)
            + count as u64;
        if let Some(message) = self.check(all) {
            self.tripped = Some(message.clone());
            return Err(io::Error::other(message));
        }
        Ok(count)
    }
}

/// Reads sources, one after another, into one collector.
pub(crate) struct Worker<'w, 'd> {
    collector: Collector<'d>,
    evtx: EvtxReader,
    entries: Vec<Entry>,
    limits: &'w Limits,
    progress: &'w dyn Progress,
    ids: &'w AtomicU32,
    /// Machines and their roles, by the folder that has the file about them.
    identities: HashMap<String, Option<Identity>>,
}

impl<'w, 'd> Worker<'w, 'd> {
    pub fn new(
        collector: Collector<'d>,
        limits: &'w Limits,
        progress: &'w dyn Progress,
        ids: &'w AtomicU32,
    ) -> Self {
        Self {
            collector,
            evtx: EvtxReader::new(),
            entries: Vec::new(),
            limits,
            progress,
            ids,
            identities: HashMap::new(),
        }
    }

    pub fn finish(self) -> (Collector<'d>, Vec<Entry>) {
        (self.collector, self.entries)
    }

    pub fn entry(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Reads a file from its beginning.
    pub fn file(&mut self, source: Source, mut file: File, budget: &Budget) {
        let mut magic = [0_u8; 4];
        let magic = fill(&mut file, &mut magic).unwrap_or_default();
        let _ = file.seek(SeekFrom::Start(0));
        if recognise::recognise(magic) == Format::Zip {
            let length = file.metadata().map_or(0, |meta| meta.len());
            let path = source.path.clone();
            self.zip(source, io::BufReader::new(file), None, budget);
            self.progress.advance(length, &path);
            return;
        }
        let path = source.path.clone();
        let progress = self.progress;
        let mut counted = Counted::new(file, &path, Some(progress));
        self.stream(source, &mut counted, budget);
        counted.tell();
    }

    /// Reads some chunks of an EVTX file.
    pub fn chunks(&mut self, source: Source, file: &File, range: Range<u64>) {
        let mut report = SourceReport::new(source.id, source.path.clone(), SourceKind::Evtx);
        let bytes = (range.end - range.start) * (64 << 10);
        if let Err(error) =
            self.evtx
                .read_file_range(file, range, source.id, &mut self.collector, &mut report)
        {
            stopped(&mut report, &error);
        }
        self.progress.advance(bytes, &source.path);
        self.entry(Entry {
            order: source.order,
            report,
            readable: None,
            strict: source.strict,
        });
    }

    /// Reads some members of a zip file.
    pub fn zip_members(
        &mut self,
        source: Source,
        file: File,
        range: Range<usize>,
        budget: &Budget,
    ) {
        self.zip(source, io::BufReader::new(file), Some(range), budget);
    }

    /// Reads a source from a stream. Returns whether it was a log, or an archive containing one.
    pub fn stream(&mut self, source: Source, input: &mut dyn Read, budget: &Budget) -> bool {
        let mut prefix = vec![0; recognise::PREFIX];
        let mut report = SourceReport::new(source.id, source.path.clone(), SourceKind::Unknown);
        match fill(input, &mut prefix).map(<[u8]>::len) {
            Ok(count) => prefix.truncate(count),
            Err(error) => {
                report.problem(Problem {
                    offset: Some(0),
                    record: None,
                    message: format!("cannot be read: {error}"),
                    loss: true,
                });
                self.entry(Entry {
                    order: source.order,
                    report,
                    readable: None,
                    strict: source.strict,
                });
                return false;
            }
        }
        let mut found = recognise::recognise(&prefix);
        let evtx_name = source.path.to_ascii_lowercase().ends_with(".evtx");
        let strict = source.strict || evtx_name;
        if evtx_name && found == Format::Binary {
            // Its reader looks for chunks after a damaged header.
            found = Format::Evtx;
        }
        let no_log = |report: &mut SourceReport, what: String| {
            report.problem(Problem {
                offset: None,
                record: None,
                message: what,
                loss: strict,
            });
        };
        match found {
            Format::Zip => {
                let input = io::Cursor::new(prefix).chain(input);
                return self.zip_in_stream(Source { strict, ..source }, input, budget);
            }
            Format::Gzip => {
                if source.depth >= self.limits.archive_depth {
                    return self.too_deep(source);
                }
                let path = source.path.clone();
                let limits = self.limits;
                let decoder = MultiGzDecoder::new(io::Cursor::new(prefix).chain(input));
                let mut metered = Metered::new(
                    decoder,
                    budget,
                    limits,
                    (budget.packed > 0).then_some(budget.packed),
                );
                let inner = Source {
                    depth: source.depth + 1,
                    gzipped: true,
                    path,
                    ..source
                };
                return self.stream(inner, &mut metered, budget);
            }
            Format::Tar => {
                let source = Source {
                    depth: source.depth - u32::from(source.gzipped),
                    gzipped: false,
                    ..source
                };
                if source.depth >= self.limits.archive_depth {
                    return self.too_deep(source);
                }
                return self.tar(source, io::Cursor::new(prefix).chain(input), budget);
            }
            Format::Evtx => {
                let input = io::Cursor::new(prefix).chain(input);
                self.evtx(source.id, input, &mut report);
            }
            Format::Journal | Format::Logins => {
                let input = io::Cursor::new(prefix).chain(input);
                let mut counted = Counted::new(input, "", None);
                let mut sink = Sink::new(&mut self.collector, &mut report);
                sink.strict = strict;
                match found {
                    Format::Journal => journal::read(&mut counted, self.limits, &mut sink),
                    _ => logins::read(&mut counted, &mut sink),
                }
                report.bytes = counted.count;
            }
            Format::Database => {
                let input = io::Cursor::new(prefix).chain(input);
                if !self.database(&source, strict, input, &mut report) {
                    no_log(&mut report, "is an ESE database, but not of User Access Logging, the only one that Crabwalk reads".to_owned());
                }
            }
            Format::Text(encoding) => {
                let input = io::Cursor::new(prefix).chain(input);
                self.text(encoding, strict, input, &mut report);
                if report.kind == SourceKind::Unknown && report.problems.is_empty() {
                    no_log(&mut report, "is text, but not a log that Crabwalk reads (event XML, JSON, CSV, Zeek, syslog, auditd, AnyDesk, TeamViewer, classic Windows text)".to_owned());
                }
            }
            Format::Empty => no_log(&mut report, "is empty".to_owned()),
            Format::Other(what) => no_log(
                &mut report,
                format!("is {what}, not a log that Crabwalk reads"),
            ),
            Format::Binary => no_log(
                &mut report,
                "is binary data, not a log that Crabwalk reads".to_owned(),
            ),
        }
        let readable = report.kind != SourceKind::Unknown;
        self.entry(Entry {
            order: source.order,
            report,
            readable: None,
            strict,
        });
        readable
    }

    fn evtx(&mut self, id: u32, input: impl Read, report: &mut SourceReport) {
        report.kind = SourceKind::Evtx;
        let mut counted = Counted::new(input, "", None);
        let read = self
            .evtx
            .read(&mut counted, id, &mut self.collector, report);
        if let Err(error) = read {
            stopped(report, &error);
        }
        report.bytes = report.bytes.max(counted.count);
    }

    /// Reads a database, which is copied if it may be one that is read. Returns whether it is.
    fn database(
        &mut self,
        source: &Source,
        strict: bool,
        input: impl Read,
        report: &mut SourceReport,
    ) -> bool {
        let mut counted = Counted::new(input, "", None);
        let mut spool = tempfile::SpooledTempFile::new(32 << 20);
        let mut head = Vec::new();
        let begun = (&mut counted).take(ual::HEAD).read_to_end(&mut head);
        if !ual::may_be(&head) {
            return false;
        }
        let copied = begun
            .and_then(|_| spool.write_all(&head))
            .and_then(|()| io::copy(&mut counted, &mut spool));
        if let Err(error) = copied {
            report.bytes = counted.count;
            stopped(report, &error);
        }
        let beside = self.beside(&source.path);
        let mut sink = Sink::new(&mut self.collector, report);
        sink.strict = strict;
        let known = ual::read(spool, beside.as_ref(), &mut sink);
        report.bytes = counted.count;
        known
    }

    /// What the file about the machine says that is in the same folder as the file with this path.
    fn beside(&mut self, path: &str) -> Option<Identity> {
        /// Files of a folder that are looked at; there are five.
        const MOST: usize = 1000;
        let own = folder(path);
        // Those in archives are found when the archive is opened.
        if !self.identities.contains_key(own) && !own.contains("!/") && path != "-" {
            let on_disk = Path::new(if own.is_empty() { "." } else { own });
            let mut files = fs::read_dir(on_disk).into_iter().flatten().flatten();
            let found = files
                .by_ref()
                .take(MOST)
                .find_map(|file| is_identity(file.file_name().to_str()?).then(|| file.path()));
            let identity = found
                .filter(|path| path.is_file())
                .and_then(|path| File::open(path).ok())
                .and_then(|file| ual::identity(io::BufReader::new(file)));
            self.identities.insert(own.to_owned(), identity);
        }
        self.identities.get(own).cloned().flatten()
    }

    /// Reads the members of a zip that say which machine the files beside them are of.
    fn identities<R: Read + Seek>(
        &mut self,
        source: &Source,
        archive: &mut ZipArchive<R>,
        budget: &Budget,
    ) {
        /// Machines in one archive; and bytes of such a file, which has one or two MiB.
        const MOST: usize = 10_000;
        const LARGEST: u64 = 64 << 20;
        let names: Vec<String> = archive
            .file_names()
            .filter_map(|name| Some(name.ok()?.into_owned()))
            .filter(|name| is_identity(name))
            .take(MOST)
            .collect();
        for name in names {
            let Ok(member) = archive.by_name(&name) else {
                continue;
            };
            let packed = member.compressed_size();
            let packed = match budget.packed {
                0 => packed,
                most => packed.min(most),
            };
            let metered = Metered::new(member, budget, self.limits, Some(packed));
            let mut spool = tempfile::SpooledTempFile::new(32 << 20);
            if io::copy(&mut metered.take(LARGEST), &mut spool).is_ok() {
                let own = format!("{}!/{}", source.path, folder(&name));
                self.identities.insert(own, ual::identity(spool));
            }
        }
    }

    fn text(
        &mut self,
        encoding: &'static encoding_rs::Encoding,
        strict: bool,
        input: impl Read,
        report: &mut SourceReport,
    ) {
        let mut counted = Counted::new(input, "", None);
        let mut sink = Sink::new(&mut self.collector, report);
        sink.strict = strict;
        if encoding == encoding_rs::UTF_8 {
            text::read_text(&mut counted, self.limits, &mut sink);
        } else {
            let input = Transcode::new(&mut counted, encoding);
            text::read_text(input, self.limits, &mut sink);
        }
        report.bytes = counted.count;
    }

    /// Reads a zip from a stream, which is copied: its directory is at its end. If the stream breaks off, the members before
    /// that are read.
    fn zip_in_stream(&mut self, source: Source, mut input: impl Read, budget: &Budget) -> bool {
        let mut spool = tempfile::SpooledTempFile::new(32 << 20);
        let copied = io::copy(&mut input, &mut spool);
        let rewound = spool.rewind();
        if let Err(error) = copied.map(|_| ()).and(rewound) {
            let mut report = SourceReport::new(source.id, source.path.clone(), SourceKind::Archive);
            report.problem(Problem {
                offset: None,
                record: None,
                message: format!("the archive cannot be unpacked to its end: {error}"),
                loss: true,
            });
            self.entry(Entry {
                order: source.order.clone(),
                report,
                readable: Some(0),
                strict: source.strict,
            });
        }
        self.zip(source, spool, None, budget)
    }

    fn too_deep(&mut self, source: Source) -> bool {
        let mut report = SourceReport::new(source.id, source.path, SourceKind::Archive);
        let message = format!(
            "is an archive inside {} others, which is the limit; it was not unpacked",
            source.depth
        );
        report.problem(Problem {
            offset: None,
            record: None,
            message,
            loss: true,
        });
        self.entry(Entry {
            order: source.order,
            report,
            readable: None,
            strict: source.strict,
        });
        false
    }

    /// The source of an archive's member.
    fn member(&self, archive: &Source, at: usize, name: &str) -> Source {
        let mut order = archive.order.clone();
        order.push(u32::try_from(at).unwrap_or(u32::MAX));
        Source {
            order,
            id: self.ids.fetch_add(1, Ordering::Relaxed),
            path: format!("{}!/{name}", archive.path),
            depth: archive.depth + 1,
            gzipped: false,
            strict: false,
        }
    }

    /// Reads members of a zip, all or a range.
    fn zip(
        &mut self,
        source: Source,
        mut input: impl Read + Seek,
        range: Option<Range<usize>>,
        budget: &Budget,
    ) -> bool {
        if source.depth >= self.limits.archive_depth {
            return self.too_deep(source);
        }
        let mut report = SourceReport::new(source.id, source.path.clone(), SourceKind::Archive);
        let mut readable = 0;
        let limits = self.limits;
        let loss = |message: String| Problem {
            offset: None,
            record: None,
            message,
            loss: true,
        };
        let tell = range.is_some();
        let archive = ZipArchive::new(&mut input);
        match archive {
            Err(error) => {
                let (found, logs) = self.zip_without_directory(&source, &mut input, budget);
                readable += logs;
                report.problem(loss(match found {
                    0 => format!("the zip archive cannot be read: {error}"),
                    _ => format!(
                        "the zip archive is truncated or damaged ({error}); {found} member(s) were read from its start, and the rest is lost"
                    ),
                }));
            }
            Ok(mut archive) => {
                self.identities(&source, &mut archive, budget);
                for at in range.unwrap_or(0..archive.len()) {
                    if budget.members.fetch_add(1, Ordering::Relaxed) >= limits.archive_members {
                        report.problem(loss(format!(
                            "it has more than {} members; the rest was not read",
                            limits.archive_members
                        )));
                        break;
                    }
                    let (name, packed, size, encrypted, folder) = match archive.by_index_raw(at) {
                        Ok(member) => {
                            let name = member
                                .name()
                                .map_or_else(|_| format!("#{at}"), std::borrow::Cow::into_owned);
                            (
                                name,
                                member.compressed_size(),
                                member.size(),
                                member.encrypted(),
                                member.is_dir(),
                            )
                        }
                        Err(error) => {
                            report.problem(loss(format!("member {at} cannot be read: {error}")));
                            continue;
                        }
                    };
                    if folder {
                        continue;
                    }
                    if encrypted {
                        report.problem(loss(format!(
                            "member {name:?} is encrypted; unpack it with its password first"
                        )));
                        continue;
                    }
                    // The directory cannot claim more than the file contains.
                    let packed = if budget.packed > 0 {
                        packed.min(budget.packed)
                    } else {
                        packed
                    };
                    if size > limits.archive_free_bytes
                        && size / limits.archive_ratio.max(1) > packed
                    {
                        report.problem(loss(format!(
                            "member {name:?} unpacks from {packed} to {size} bytes, more than {} times, as archive bombs do; it was not unpacked",
                            limits.archive_ratio
                        )));
                        continue;
                    }
                    let inner = self.member(&source, at, &name);
                    let path = inner.path.clone();
                    match archive.by_index(at) {
                        Ok(member) => {
                            let mut metered = Metered::new(member, budget, limits, Some(packed));
                            readable += u64::from(self.stream(inner, &mut metered, budget));
                            if let Some(message) = metered.tripped {
                                report.problem(loss(format!(
                                    "member {name:?}: {message}; the rest of it was not read"
                                )));
                            }
                        }
                        Err(error) => report
                            .problem(loss(format!("member {name:?} cannot be unpacked: {error}"))),
                    }
                    if tell {
                        self.progress.advance(packed, &path);
                    }
                }
            }
        }
        self.entry(Entry {
            order: source.order,
            report,
            readable: Some(readable),
            strict: source.strict,
        });
        readable > 0
    }

    /// Reads the members at the start of a zip whose directory, at its end, is lost. Returns their number, and how many
    /// of them are logs.
    fn zip_without_directory(
        &mut self,
        source: &Source,
        input: &mut (impl Read + Seek),
        budget: &Budget,
    ) -> (usize, u64) {
        let (mut found, mut logs) = (0, 0);
        if input.rewind().is_err() {
            return (found, logs);
        }
        while budget.members.fetch_add(1, Ordering::Relaxed) < self.limits.archive_members {
            let at = found;
            let Ok(start) = input.stream_position() else {
                break;
            };
            if let Some((name, data)) = streamed_member(input, start) {
                found += 1;
                let inner = self.member(source, at, &name);
                let decoder = flate2::read::DeflateDecoder::new(&mut *input);
                let packed = (budget.packed > 0).then_some(budget.packed);
                let mut metered = Metered::new(decoder, budget, self.limits, packed);
                logs += u64::from(self.stream(inner, &mut metered, budget));
                let ended = io::copy(&mut metered, &mut io::sink()).is_ok();
                let end = data + metered.inner.total_in();
                if ended && next_member(input, end) {
                    continue;
                }
                break;
            }
            if input.seek(SeekFrom::Start(start)).is_err() {
                break;
            }
            let Ok(Some(member)) = zip::read::read_zipfile_from_stream(&mut *input) else {
                break;
            };
            found += 1;
            if member.is_dir() {
                continue;
            }
            let name = member
                .name()
                .map_or_else(|_| format!("#{at}"), std::borrow::Cow::into_owned);
            let packed = match budget.packed {
                0 => member.compressed_size(),
                most => member.compressed_size().min(most),
            };
            let inner = self.member(source, at, &name);
            let mut metered = Metered::new(member, budget, self.limits, Some(packed));
            logs += u64::from(self.stream(inner, &mut metered, budget));
            if metered.tripped.is_some() {
                break;
            }
        }
        (found, logs)
    }

    /// Reads the members of a tar.
    fn tar(&mut self, source: Source, input: impl Read, budget: &Budget) -> bool {
        let mut report = SourceReport::new(source.id, source.path.clone(), SourceKind::Archive);
        let mut readable = 0;
        let mut complete = false;
        let limits = self.limits;
        let loss = |message: String| Problem {
            offset: None,
            record: None,
            message,
            loss: true,
        };
        let mut input = Zeros {
            inner: input,
            count: 0,
        };
        let mut archive = tar::Archive::new(&mut input);
        match archive.entries() {
            Err(error) => report.problem(loss(format!("the tar archive cannot be read: {error}"))),
            Ok(entries) => {
                complete = true;
                for (at, entry) in entries.enumerate() {
                    if budget.members.fetch_add(1, Ordering::Relaxed) >= limits.archive_members {
                        report.problem(loss(format!(
                            "it has more than {} members; the rest was not read",
                            limits.archive_members
                        )));
                        break;
                    }
                    let mut entry = match entry {
                        Ok(entry) => entry,
                        Err(error) => {
                            // If a header is unreadable, the next one cannot be found.
                            report.problem(loss(format!(
                                "the archive is truncated after {at} members: {error}"
                            )));
                            complete = false;
                            break;
                        }
                    };
                    if !entry.header().entry_type().is_file() {
                        continue;
                    }
                    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                    let inner = self.member(&source, at, &name);
                    readable += u64::from(self.stream(inner, &mut entry, budget));
                }
            }
        }
        // The archive ends with blocks of zeros, and what packed it has an end of its own behind them.
        let behind = complete.then(|| io::copy(&mut input, &mut io::sink()));
        let damage = match behind {
            Some(Err(error)) => Some(format!(
                "behind its members the archive is damaged: {error}"
            )),
            Some(Ok(_)) if input.count < TAR_BLOCK => Some(
                "the archive has no mark at its end: members may be missing behind the last one"
                    .to_owned(),
            ),
            _ => None,
        };
        if let Some(message) = damage {
            report.problem(Problem {
                offset: None,
                record: None,
                message,
                loss: false,
            });
        }
        self.entry(Entry {
            order: source.order,
            report,
            readable: Some(readable),
            strict: source.strict,
        });
        readable > 0
    }
}
