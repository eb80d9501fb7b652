//! Windows event log files (`.evtx`), read from their binary XML straight into columns.
//!
//! A file is a header of 4 KiB and chunks of 64 KiB that can be read independently (MS-EVEN6 describes the BinXML,
//! libevtx' documentation the file). A record names a template and lists the values of its slots. Each template is
//! compiled once to a list of fields; after that, reading a record means walking its value sizes, and only the needed
//! columns are turned into text.
//!
//! Damage loses as little as possible: wrong checksums are noted and the data read anyway, a damaged record is skipped
//! up to the next one, and records can be found without the file's or a chunk's header.

mod layout;
mod template;
mod value;
mod xml;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::collect::{Begun, Collector, ColumnId, Head, TableId};
use crate::report::{Problem, SourceReport};
use layout::{Broken, Field, Layout, MOST_NESTING, Piece, Place, u32_at, u64_at};
use template::{Fast, Slot, Templates, after_header, instance, left_out, text_of};
use value::code;

/// Size of the file's header, bytes.
const FILE_HEADER: usize = 4096;
/// Size of a chunk, bytes.
const CHUNK: usize = 65536;
/// Size of a chunk's header, bytes.
const CHUNK_HEADER: usize = 512;
/// Size of a record's header and of the copy of its size at the end, bytes.
const RECORD_FRAME: usize = 28;
const FILE_MAGIC: &[u8] = b"ElfFile\0";
const CHUNK_MAGIC: &[u8] = b"ElfChnk\0";
const RECORD_MAGIC: &[u8] = &[0x2a, 0x2a, 0, 0];
/// Maximum bytes of values stored per record, which itself is less than 64 KiB.
const MOST_VALUES: usize = 1 << 20;
/// Number of compiled templates after which the caches are emptied.
const MOST_LAYOUTS: usize = 1 << 16;

/// Whether a file that begins with `prefix` is an event log; with 4.6 KiB of prefix, even one with a damaged header.
pub fn is_evtx(prefix: &[u8]) -> bool {
    let at = |offset: usize| prefix.get(offset..).unwrap_or_default();
    prefix.starts_with(FILE_MAGIC)
        || prefix.starts_with(CHUNK_MAGIC)
        || at(FILE_HEADER).starts_with(CHUNK_MAGIC)
        || (at(FILE_HEADER + CHUNK_HEADER).starts_with(RECORD_MAGIC)
            && prefix
                .get(..8)
                .is_some_and(|magic| magic.iter().all(|byte| *byte == 0)))
}

/// Number of chunks, including a truncated last one, of a file of `len` bytes.
pub fn chunk_count(len: u64) -> u64 {
    len.saturating_sub(FILE_HEADER as u64)
        .div_ceil(CHUNK as u64)
}

/// The text decoded last, so that repeated values are decoded once.
#[derive(Debug, Default)]
struct LastText {
    raw: Vec<u8>,
    kind: u8,
    text: String,
}

impl LastText {
    /// Decodes a value; returns whether it differs from the last one.
    fn set(&mut self, kind: u8, bytes: &[u8]) -> bool {
        if self.kind == kind && self.raw == bytes {
            return false;
        }
        self.kind = kind;
        self.raw.clear();
        self.raw.extend_from_slice(bytes);
        self.text.clear();
        value::render(kind, bytes, &mut self.text);
        true
    }

    fn set_text(&mut self, text: &str) -> bool {
        const LITERAL: u8 = 0xff;
        if self.kind == LITERAL && self.text == text {
            return false;
        }
        self.kind = LITERAL;
        self.raw.clear();
        self.text.clear();
        self.text.push_str(text);
        true
    }
}

#[derive(Debug, Clone, Copy)]
enum LayoutRef {
    /// In the cache of templates.
    Shared(u32),
    /// In `Reader::own`: elements in the record itself.
    Own(u32),
}

#[derive(Debug, Clone, Copy)]
struct Instance {
    layout: LayoutRef,
    /// Its values in `slots`.
    first: usize,
    count: usize,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    instance: u32,
    field: u32,
    /// `None`: the field's name is also in the record.
    column: Option<ColumnId>,
}

#[derive(Debug, Clone, Copy)]
struct Type {
    table: TableId,
    wanted: bool,
}

/// Reads event log files into one [`Collector`]. Compiled templates are kept from file to file, so use one reader per
/// collector, and never with two collectors.
#[derive(Debug, Default)]
pub struct EvtxReader {
    templates: Templates,
    channel: LastText,
    host: LastText,
    channels: HashMap<String, u32>,
    current_channel: u32,
    types: Fast<u64, Type>,
    plans: HashMap<Box<[u32]>, Vec<Step>>,
    plan_key: Vec<u32>,
    slots: Vec<Slot>,
    instances: Vec<Instance>,
    own: Vec<Layout>,
    text: String,
    buffer: Vec<u8>,
}

/// A chunk and its position.
struct Chunk<'a> {
    data: &'a [u8],
    /// Offset in the file.
    offset: u64,
    number: u64,
    source: u32,
}

impl Chunk<'_> {
    fn problem(
        &self,
        report: &mut SourceReport,
        at: usize,
        record: Option<u64>,
        what: &str,
        loss: bool,
    ) {
        let message = format!("chunk {}, offset {at:#x}: {what}", self.number);
        report.problem(Problem {
            offset: Some(self.offset + at as u64),
            record,
            message,
            loss,
        });
    }
}

/// Whether the checksum of a chunk's header fits it.
fn header_fits(data: &[u8]) -> bool {
    let (Some(first), Some(second)) = (data.get(..120), data.get(128..CHUNK_HEADER)) else {
        return false;
    };
    let mut crc = crc32fast::Hasher::new();
    crc.update(first);
    crc.update(second);
    data.starts_with(CHUNK_MAGIC) && crc.finalize() == u32_at(data, 124).unwrap_or(0)
}

/// A record's position in its chunk.
#[derive(Debug, Clone, Copy)]
struct Frame {
    at: usize,
    size: usize,
    id: u64,
}

impl EvtxReader {
    /// A reader without any templates yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a whole file from a stream, one chunk at a time.
    ///
    /// Unreadable parts are noted in `report`, and so are the numbers of bytes and records.
    ///
    /// # Errors
    /// Only if the input itself cannot be read; what was read before stays collected.
    pub fn read(
        &mut self,
        mut input: impl Read,
        source_id: u32,
        collector: &mut Collector<'_>,
        report: &mut SourceReport,
    ) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(CHUNK, 0);
        let result = self.read_stream(&mut input, source_id, collector, report, &mut buffer);
        self.buffer = buffer;
        result
    }

    fn read_stream(
        &mut self,
        input: &mut impl Read,
        source: u32,
        collector: &mut Collector<'_>,
        report: &mut SourceReport,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let mut start = [0; FILE_HEADER];
        let start = fill(input, &mut start)?;
        report.bytes += start.len() as u64;
        let headless = start.starts_with(CHUNK_MAGIC);
        let mut offset = 0;
        if !headless {
            file_header(start, report);
            offset = start.len() as u64;
        } else {
            no_header(report);
        }
        let header = FileHeader::read(start);
        let whole_header = !headless && start.len() == FILE_HEADER;
        let mut zeroed = Zeroed::new(header.as_ref());
        let mut extent = Extent::default();
        // Without a header the first chunk begins at once.
        let mut begun = if headless { start } else { &[] };
        let mut number = 0;
        loop {
            let counted = begun.len() as u64;
            let data = fill(&mut Read::chain(&mut begun, &mut *input), buffer)?;
            report.bytes += data.len() as u64 - counted;
            if data.is_empty() {
                if whole_header && !collector.is_selective() {
                    extent.check(header.as_ref(), number, report);
                }
                return Ok(());
            }
            let chunk = Chunk {
                data,
                offset,
                number,
                source,
            };
            if !zeroed.note(&chunk, report) {
                let last = self.chunk(&chunk, collector, report);
                extent.note(&chunk, last);
            }
            offset += data.len() as u64;
            number += 1;
        }
    }

    /// Reads the chunks with these numbers (from 0, see [`chunk_count`]), so that threads can share a large file. The
    /// range that begins at 0 also checks the file's header.
    ///
    /// # Errors
    /// If the file cannot be read; what was read before stays collected.
    pub fn read_file_range(
        &mut self,
        mut file: &File,
        chunks: Range<u64>,
        source_id: u32,
        collector: &mut Collector<'_>,
        report: &mut SourceReport,
    ) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(CHUNK, 0);
        let mut read = || {
            file.seek(SeekFrom::Start(0))?;
            let mut start = [0; FILE_HEADER];
            let start = fill(&mut file, &mut start)?;
            let headless = start.starts_with(CHUNK_MAGIC);
            if chunks.start == 0 {
                if headless {
                    no_header(report);
                } else {
                    report.bytes += start.len() as u64;
                    file_header(start, report);
                }
            }
            let header = FileHeader::read(start);
            let whole_header = !headless && start.len() == FILE_HEADER;
            let mut zeroed = Zeroed::new(header.as_ref());
            let mut extent = Extent {
                partial: chunks.start > 0,
                ..Extent::default()
            };
            if extent.partial {
                extent.first = u64_at(fill(&mut file, &mut [0; 32])?, 24).ok();
            }
            let base = if headless { 0 } else { FILE_HEADER as u64 };
            let mut offset = base + chunks.start.saturating_mul(CHUNK as u64);
            // Consecutive zeroed chunks are reported by the reader of the first one.
            if chunks.start > zeroed.used {
                file.seek(SeekFrom::Start(offset.saturating_sub(CHUNK as u64)))?;
                let before = fill(&mut file, &mut buffer)?;
                zeroed.begun_before = !before.is_empty() && is_zeroed(before);
            }
            file.seek(SeekFrom::Start(offset))?;
            collector.reads(&report.path);
            for number in chunks.clone() {
                let data = fill(&mut file, &mut buffer)?;
                report.bytes += data.len() as u64;
                if data.is_empty() {
                    break;
                }
                let chunk = Chunk {
                    data,
                    offset,
                    number,
                    source: source_id,
                };
                if !zeroed.note(&chunk, report) {
                    let last = self.chunk(&chunk, collector, report);
                    extent.note(&chunk, last);
                }
                offset += data.len() as u64;
            }
            // Only data beyond the range shows whether chunks follow zeroed ones.
            let mut number = chunks.end;
            while zeroed.run.is_some() {
                let data = fill(&mut file, &mut buffer)?;
                let chunk = Chunk {
                    data,
                    offset,
                    number,
                    source: source_id,
                };
                if data.is_empty() || !zeroed.note(&chunk, report) {
                    break;
                }
                offset += data.len() as u64;
                number += 1;
            }
            let length = file.metadata()?.len();
            if whole_header && chunks.end >= chunk_count(length) && !collector.is_selective() {
                extent.check(header.as_ref(), chunk_count(length), report);
            }
            Ok(())
        };
        let result = read();
        self.buffer = buffer;
        result
    }

    /// Reads a chunk. Returns the id of its last record, read or lost.
    fn chunk(
        &mut self,
        chunk: &Chunk<'_>,
        collector: &mut Collector<'_>,
        report: &mut SourceReport,
    ) -> Option<u64> {
        let data = chunk.data;
        let magic = data.starts_with(CHUNK_MAGIC);
        if self.templates.layouts.len() > MOST_LAYOUTS {
            *self = Self {
                buffer: std::mem::take(&mut self.buffer),
                ..Self::default()
            };
        }
        collector.reads(&report.path);
        self.templates.next_chunk();
        let cut = data.len() < CHUNK;
        let free = u32_at(data, 48).unwrap_or(0) as usize;
        let last_id = u64_at(data, 32).unwrap_or(0);
        let whole_header = data.len() >= CHUNK_HEADER;
        let crc_fits = header_fits(data);
        let trusted = magic && crc_fits && (CHUNK_HEADER..=CHUNK).contains(&free);
        let bound = if trusted {
            free.min(data.len())
        } else {
            data.len()
        };
        if magic && !whole_header {
            chunk.problem(
                report,
                0,
                None,
                "the file ends inside the chunk's header",
                true,
            );
            return None;
        }
        if magic && !crc_fits {
            chunk.problem(report, 0, None, "the checksum of the chunk's header is wrong; records are searched for by their signatures", false);
        } else if trusted
            && !cut
            && !collector.is_selective()
            && data.get(CHUNK_HEADER..bound).map(crc32fast::hash) != u32_at(data, 52).ok()
        {
            chunk.problem(
                report,
                CHUNK_HEADER,
                None,
                "the checksum of the chunk's records is wrong; they were read anyway",
                false,
            );
        } else if magic && !trusted {
            chunk.problem(
                report,
                0,
                None,
                "the chunk's header is damaged; records are searched for by their signatures",
                false,
            );
        }
        if trusted && !cut && self.nothing_wanted(chunk, collector) {
            return Some(last_id);
        }
        let before = report.records;
        let lost = report.skipped;
        let last = self.records(chunk, bound, trusted.then_some(last_id), collector, report);
        if trusted && free > data.len() {
            let missing = last
                .map_or(0, |last| last_id.saturating_sub(last))
                .min(most_records(free - CHUNK_HEADER));
            report.skipped += missing;
            let message = format!("the file ends inside the chunk; {missing} records are missing");
            chunk.problem(report, data.len(), None, &message, true);
        } else if trusted && cut {
            chunk.problem(
                report,
                data.len(),
                None,
                "the file ends inside the chunk, after its last record",
                false,
            );
        } else if !magic {
            let found = report.records - before;
            let message = match found {
                0 => "no chunk begins here, and no record was found".to_owned(),
                _ => format!(
                    "the chunk's signature is missing; {found} records were found by their own signatures"
                ),
            };
            chunk.problem(
                report,
                0,
                None,
                &message,
                !cut || found > 0 || report.skipped > lost,
            );
        }
        if trusted && last.is_some() {
            Some(last_id)
        } else {
            last
        }
    }

    /// Reads the records up to `bound`. `last_id` is the id of the chunk's last record, if its header is reliable.
    /// Returns the id of the last record found.
    fn records(
        &mut self,
        chunk: &Chunk<'_>,
        bound: usize,
        last_id: Option<u64>,
        collector: &mut Collector<'_>,
        report: &mut SourceReport,
    ) -> Option<u64> {
        let data = chunk.data;
        let trusted = last_id.is_some();
        let mut at = CHUNK_HEADER;
        let mut last: Option<(u64, usize)> = None;
        while at + RECORD_FRAME <= bound {
            // Old records may follow the live ones: if the end is unknown, ids must continue.
            let goes_on = |frame: &Frame| match last {
                _ if trusted => true,
                None => true,
                Some((id, end)) => {
                    frame.id > id && frame.id - id <= 1 + most_records(frame.at - end)
                }
            };
            let frame = frame_at(data, at, bound);
            if let Ok(frame) = frame {
                if !goes_on(&frame) {
                    break;
                }
                let next = at + frame.size;
                let copy_fits =
                    u32_at(data, next - 4).is_ok_and(|copy| copy as usize == frame.size);
                let chained = next == bound
                    || data
                        .get(next..)
                        .is_some_and(|rest| rest.starts_with(RECORD_MAGIC));
                if copy_fits || chained {
                    if !copy_fits {
                        chunk.problem(
                            report,
                            next - 4,
                            Some(frame.id),
                            "the copy of the record's size differs; the record was read",
                            false,
                        );
                    }
                    self.deliver(chunk, frame, collector, report);
                    last = Some((frame.id, next));
                    at = next;
                    continue;
                }
            }
            // Go on at the next record.
            let found = next_frame(data, at, bound).filter(|frame| goes_on(frame));
            let end = found.map_or(bound, |frame| frame.at);
            if !trusted && found.is_none() && last.is_some() {
                let rest = data.get(at..bound).unwrap_or_default();
                if rest.iter().all(|byte| *byte == 0) || !rest.starts_with(RECORD_MAGIC) {
                    break;
                }
            }
            if let Some(frame) = repaired(
                data,
                at,
                end,
                last.map(|last| last.0),
                found.map(|frame| frame.id),
            ) {
                chunk.problem(
                    report,
                    at,
                    Some(frame.id),
                    "the record's signature or size is damaged; the record was read",
                    false,
                );
                self.deliver(chunk, frame, collector, report);
                last = Some((frame.id, end));
                at = end;
                continue;
            }
            if !trusted && found.is_none() && last.is_none() {
                // Nothing that looks like a record.
                break;
            }
            // Only the end of the record seems overwritten: its values may still be intact.
            if let Ok(frame) = frame {
                let size = frame.size.min(end - at);
                if size >= RECORD_FRAME
                    && self
                        .record(chunk, Frame { size, ..frame }, collector)
                        .is_ok()
                {
                    report.records += 1;
                    let what = "the record's end is damaged; its readable part was read";
                    chunk.problem(report, at, Some(frame.id), what, true);
                    last = Some((frame.id, end));
                    at = end;
                    continue;
                }
            }
            let what = match frame {
                Err(what) => what,
                Ok(_) => "the record's size matches neither its copy nor the next record",
            };
            let most = most_records(end - at).max(1);
            let lost = match (last, found, last_id) {
                (Some((id, _)), Some(next), _) => next.id.saturating_sub(id).saturating_sub(1),
                (Some((id, _)), None, Some(last_id))
                    if end == bound && bound == data_end(chunk) =>
                {
                    last_id.saturating_sub(id)
                }
                (None, Some(next), _) => {
                    next.id.saturating_sub(u64_at(data, 24).unwrap_or(next.id))
                }
                _ => 1,
            };
            let lost = lost.clamp(1, most);
            let cut_here = found.is_none() && trusted && bound == data.len() && data.len() < CHUNK;
            if cut_here {
                // The end of a truncated file: counted with what is missing.
                break;
            }
            report.skipped += lost;
            let message = format!("{what}; {lost} record(s) lost in {} bytes", end - at);
            chunk.problem(
                report,
                at,
                last.map(|last| last.0.saturating_add(1)),
                &message,
                true,
            );
            if found.is_none()
                && let Some((id, _)) = last
            {
                // An id is whatever the file claims.
                last = Some((id.saturating_add(lost), end));
            }
            at = end;
        }
        last.map(|last| last.0)
    }

    fn deliver(
        &mut self,
        chunk: &Chunk<'_>,
        frame: Frame,
        collector: &mut Collector<'_>,
        report: &mut SourceReport,
    ) {
        match self.record(chunk, frame, collector) {
            Ok(()) => report.records += 1,
            Err(broken) => {
                report.skipped += 1;
                chunk.problem(
                    report,
                    broken.offset,
                    Some(frame.id),
                    &format!("record lost: {}", broken.what),
                    true,
                );
            }
        }
    }

    /// Whether a run that needs only some records, by EventRecordID, needs none from this chunk, whose header is
    /// reliable. The header only has the numbers of the records' frames, and an export renumbers those: if both numbers
    /// agree for the first and the last record, they agree for all in between, because both ascend.
    fn nothing_wanted(&mut self, chunk: &Chunk<'_>, collector: &Collector<'_>) -> bool {
        if !collector.is_selective() {
            return false;
        }
        let data = chunk.data;
        let (Ok(first), Ok(last), Ok(at)) = (u64_at(data, 24), u64_at(data, 32), u32_at(data, 44))
        else {
            return false;
        };
        let is_own = |reader: &mut Self, at: usize, id: u64| {
            frame_at(data, at, data.len()).is_ok_and(|frame| {
                frame.id == id
                    && reader
                        .open(data, frame)
                        .is_ok_and(|root| reader.number(data, root, frame) == Some(id))
            })
        };
        !collector.wants_any(first, last)
            && is_own(self, CHUNK_HEADER, first)
            && is_own(self, at as usize, last)
    }

    /// Finds the values of a record and the template that describes them.
    fn open(&mut self, data: &[u8], frame: Frame) -> Result<LayoutRef, Broken> {
        let end = frame.at + frame.size - 4;
        let start = after_header(data, frame.at + 24);
        self.slots.clear();
        self.instances.clear();
        self.own.clear();
        let root = match data.get(start) {
            Some(0x0c) => {
                let (definition, _) = instance(data, start, end, &mut self.slots)?;
                let id = self
                    .templates
                    .layout(data, definition, Place::Document, 0)?;
                LayoutRef::Shared(id)
            }
            Some(0x01 | 0x41) => {
                let mut layout = Layout::default();
                self.templates
                    .inline(data, start, end, Place::Document, &mut layout, 0)?;
                self.own.push(layout.finish());
                LayoutRef::Own(0)
            }
            _ => {
                return Err(Broken {
                    offset: start,
                    what: "the record contains no BinXML",
                });
            }
        };
        self.instances.push(Instance {
            layout: root,
            first: 0,
            count: self.slots.len(),
        });
        Ok(root)
    }

    /// The EventRecordID of the record that was opened last.
    ///
    /// An export renumbers the records' frames; EventRecordID stays the same, and is the number shown by Event Viewer.
    fn number(&self, data: &[u8], root: LayoutRef, frame: Frame) -> Option<u64> {
        let layout = layout_of(&self.templates, &self.own, root).ok()?;
        let pieces = layout
            .record_id
            .and_then(|field| layout.fields.get(field))
            .map(|field| field.pieces.as_slice());
        let number = match pieces {
            Some([Piece::Slot { index, .. }]) => self
                .slots
                .get(usize::from(*index))
                .and_then(|slot| value::number(slot.kind, slot.bytes(data))),
            Some([Piece::Text(text)]) => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| *number != 0).or(Some(frame.id))
    }

    fn record(
        &mut self,
        chunk: &Chunk<'_>,
        frame: Frame,
        collector: &mut Collector<'_>,
    ) -> Result<(), Broken> {
        let data = chunk.data;
        let end = frame.at + frame.size - 4;
        let start = after_header(data, frame.at + 24);
        let root = self.open(data, frame)?;
        let number = self.number(data, root, frame).unwrap_or(frame.id);
        let layout = layout_of(&self.templates, &self.own, root)?;

        // The System header.
        let slots = &self.slots;
        let single = |field: Option<usize>| {
            let pieces = field
                .and_then(|field| layout.fields.get(field))
                .map(|field| field.pieces.as_slice());
            match pieces {
                Some([Piece::Slot { index, .. }]) => slots
                    .get(usize::from(*index))
                    .map(|slot| (slot.kind, slot.bytes(data), "")),
                Some([Piece::Text(text)]) => Some((code::NULL, &[][..], text.as_str())),
                _ => None,
            }
        };
        let event_id = match single(layout.event_id) {
            Some((code::NULL, _, text)) => text.trim().parse().ok(),
            Some((kind, bytes, _)) => value::number(kind, bytes),
            None => None,
        };
        let event_id = u32::try_from(event_id.unwrap_or(0)).unwrap_or(0);
        if collector.passes_over(number) {
            return Ok(());
        }
        let changed = match single(layout.channel) {
            Some((code::NULL, _, text)) => self.channel.set_text(text),
            Some((kind, bytes, _)) => self.channel.set(kind, bytes),
            None => self.channel.set_text(""),
        };
        match single(layout.computer) {
            Some((code::NULL, _, text)) => self.host.set_text(text),
            Some((kind, bytes, _)) => self.host.set(kind, bytes),
            None => self.host.set_text(""),
        };
        let written = u64_at(data, frame.at + 16)?;
        let time = match single(layout.time) {
            Some((code::FILETIME, bytes, _)) => {
                u64_at(bytes, 0).ok().and_then(value::filetime_micros)
            }
            Some((kind, bytes, text)) => {
                self.text.clear();
                value::render(kind, bytes, &mut self.text);
                self.text.push_str(text);
                self.text
                    .trim()
                    .parse::<jiff::Timestamp>()
                    .ok()
                    .map(jiff::Timestamp::as_microsecond)
                    .and_then(crate::time::possible)
            }
            None => None,
        };
        let time = time.unwrap_or_else(|| value::clamped_micros(written));
        if changed || self.channels.is_empty() {
            let next = u32::try_from(self.channels.len()).unwrap_or(u32::MAX);
            self.current_channel = match self.channels.get(self.channel.text.as_str()) {
                Some(channel) => *channel,
                None => {
                    self.channels.insert(self.channel.text.clone(), next);
                    next
                }
            };
        }
        let type_key = u64::from(self.current_channel) << 32 | u64::from(event_id);
        let kind = *self.types.entry(type_key).or_insert_with(|| {
            let table = collector.table(&self.channel.text, event_id);
            Type {
                table,
                wanted: collector.wants(table),
            }
        });
        let head = Head {
            time,
            host: &self.host.text,
            source: chunk.source,
            record: number,
            numbered: true,
        };
        if !kind.wanted || !collector.keeps(&head) {
            collector.begin(kind.table, &head);
            return Ok(());
        }

        // The rest, before the row begins, so that nothing can fail after that.
        let mut next = 0;
        while let Some(parent) = self.instances.get(next).copied() {
            self.nested(data, parent, next)?;
            next += 1;
        }
        let head = Head {
            time,
            host: &self.host.text,
            source: chunk.source,
            record: number,
            numbered: true,
        };
        if collector.begin(kind.table, &head) == Begun::Row {
            if collector.wants_xml() {
                self.text.clear();
                // If it cannot be written, the fields remain.
                if xml::write(data, start, end, &mut self.text).is_ok() && !self.text.is_empty() {
                    collector.push_xml(kind.table, &self.text);
                }
            }
            self.push(data, kind.table, type_key, collector);
        }
        Ok(())
    }

    /// Finds the BinXML in the slots of an instance.
    fn nested(&mut self, data: &[u8], parent: Instance, depth: usize) -> Result<(), Broken> {
        for index in 0..parent.count {
            let Some(slot) = self.slots.get(parent.first + index).copied() else {
                break;
            };
            if slot.kind != code::BINXML || slot.len == 0 {
                continue;
            }
            let layout = layout_of(&self.templates, &self.own, parent.layout)?;
            let Some(Some(place)) = layout.places.get(index).copied() else {
                continue;
            };
            let start = slot.offset as usize;
            let end = start + usize::from(slot.len);
            if depth >= MOST_NESTING {
                return Err(Broken {
                    offset: start,
                    what: "BinXML is nested too deep",
                });
            }
            let first = after_header(data, start);
            match data.get(first) {
                Some(0x0c) if first < end => {
                    let at = self.slots.len();
                    let (definition, _) = instance(data, first, end, &mut self.slots)?;
                    let id = self.templates.layout(data, definition, place, 0)?;
                    self.instances.push(Instance {
                        layout: LayoutRef::Shared(id),
                        first: at,
                        count: self.slots.len() - at,
                    });
                }
                Some(0x01 | 0x41) if first < end => {
                    let mut layout = Layout::default();
                    self.templates
                        .inline(data, first, end, place, &mut layout, 0)?;
                    let own = LayoutRef::Own(u32::try_from(self.own.len()).unwrap_or(u32::MAX));
                    self.own.push(layout);
                    self.instances.push(Instance {
                        layout: own,
                        first: 0,
                        count: 0,
                    });
                }
                Some(0x00) | None => {}
                Some(_) if first >= end => {}
                Some(_) => {
                    return Err(Broken {
                        offset: first,
                        what: "unknown BinXML token",
                    });
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, data: &[u8], table: TableId, type_key: u64, collector: &mut Collector<'_>) {
        let shared = self.own.is_empty();
        let mut known = None;
        if shared {
            self.plan_key.clear();
            self.plan_key
                .extend([(type_key >> 32) as u32, type_key as u32]);
            for instance in &self.instances {
                if let LayoutRef::Shared(id) = instance.layout {
                    self.plan_key.push(id);
                }
            }
            known = self.plans.get(self.plan_key.as_slice());
        }
        let own_steps;
        let steps = match known {
            Some(steps) => steps,
            None => {
                let steps = plan_of(
                    &self.templates,
                    &self.own,
                    &self.instances,
                    table,
                    collector,
                );
                if shared {
                    let key = self.plan_key.as_slice().into();
                    &*self.plans.entry(key).or_insert(steps)
                } else {
                    own_steps = steps;
                    &own_steps
                }
            }
        };
        let mut room = MOST_VALUES;
        for step in steps {
            let Some(instance) = self.instances.get(step.instance as usize) else {
                continue;
            };
            let Ok(layout) = layout_of(&self.templates, &self.own, instance.layout) else {
                continue;
            };
            let slots = instance.first..instance.first + instance.count;
            let (Some(field), Some(slots)) = (
                layout.fields.get(step.field as usize),
                self.slots.get(slots),
            ) else {
                continue;
            };
            if left_out(field, slots) {
                continue;
            }
            // A template may use a slot many times: an intact record never comes near the limit.
            for piece in &field.pieces {
                if let Piece::Slot { index, .. } = piece {
                    let len = slots.get(usize::from(*index)).map_or(0, |slot| slot.len);
                    room = room.saturating_sub(usize::from(len));
                }
            }
            if room == 0 {
                break;
            }
            let column = step.column.or_else(|| {
                self.text.clear();
                text_of(&field.name_pieces, slots, data, &mut self.text);
                let name = if self.text.is_empty() {
                    &field.name
                } else {
                    &self.text
                };
                collector.own_column(table, name)
            });
            let Some(column) = column else { continue };
            push_field(field, slots, data, table, column, collector, &mut self.text);
        }
    }
}

fn push_field(
    field: &Field,
    slots: &[Slot],
    data: &[u8],
    table: TableId,
    column: ColumnId,
    collector: &mut Collector<'_>,
    text: &mut String,
) {
    match field.pieces.as_slice() {
        [Piece::Text(literal)] => {
            if field.positional || !literal.is_empty() {
                collector.push(table, column, literal);
            }
        }
        [Piece::Slot { index, array }] => {
            let slot = slots.get(usize::from(*index)).copied().unwrap_or(Slot {
                offset: 0,
                len: 0,
                kind: code::NULL,
            });
            if slot.kind == code::BINXML && slot.len > 0 {
                return;
            }
            let bytes = slot.bytes(data);
            if slot.kind & code::ARRAY != 0 {
                if bytes.iter().any(|byte| *byte != 0)
                    || field.positional
                    || slot.kind != code::ARRAY | code::STRING
                {
                    value::items(slot.kind, bytes, |kind, bytes| {
                        text.clear();
                        value::render(kind, bytes, text);
                        collector.push(table, column, text);
                    });
                }
                return;
            }
            text.clear();
            value::render(slot.kind, bytes, text);
            if !text.is_empty() || (field.positional && !array) {
                collector.push(table, column, text);
            }
        }
        pieces => {
            text.clear();
            text_of(pieces, slots, data, text);
            if field.positional || !text.is_empty() {
                collector.push(table, column, text);
            }
        }
    }
}

fn layout_of<'a>(
    templates: &'a Templates,
    own: &'a [Layout],
    layout: LayoutRef,
) -> Result<&'a Layout, Broken> {
    let found = match layout {
        LayoutRef::Shared(id) => templates.layouts.get(id as usize),
        LayoutRef::Own(id) => own.get(id as usize),
    };
    found.ok_or(Broken {
        offset: 0,
        what: "the template definition is damaged",
    })
}

/// Maps the fields of these instances to the columns of the table, in document order.
fn plan_of(
    templates: &Templates,
    own: &[Layout],
    instances: &[Instance],
    table: TableId,
    collector: &mut Collector<'_>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let fields = || {
        instances.iter().zip(0..).flat_map(|(instance, number)| {
            let fields =
                layout_of(templates, own, instance.layout).map_or(&[][..], |layout| &layout.fields);
            fields
                .iter()
                .zip(0..)
                .map(move |(field, at)| (number, at, field))
        })
    };
    // A provider may have data called `Message`, which stands for the rendered text of the event.
    let has_message =
        fields().any(|(_, _, field)| field.role == layout::Role::Data && field.name == "Message");
    for (instance, at, field) in fields() {
        let column = match field.role {
            layout::Role::Data if !field.name_pieces.is_empty() => None,
            layout::Role::Data => match collector.own_column(table, &field.name) {
                Some(column) => Some(column),
                None => continue,
            },
            layout::Role::System if has_message && field.name == "Message" => continue,
            layout::Role::System => match collector.column(table, &field.name) {
                Some(column) => Some(column),
                None => continue,
            },
            _ => continue,
        };
        steps.push(Step {
            instance,
            field: at,
            column,
        });
    }
    steps
}

/// Chunks with only zero bytes: at the end of a file, space that was allocated and never used; elsewhere, chunks that
/// were wiped.
struct Zeroed {
    /// Number of chunks according to the file's header, 0 if it is unreliable.
    used: u64,
    /// Consecutive zeroed chunks before the next one: the first one's number and offset, and their number.
    run: Option<(u64, u64, u64)>,
    /// Whether the range begins in the middle of such a run, which another reader reports.
    begun_before: bool,
}

fn is_zeroed(data: &[u8]) -> bool {
    data.iter().all(|byte| *byte == 0)
}

impl Zeroed {
    fn new(header: Option<&FileHeader>) -> Self {
        Self {
            used: header.map_or(0, |header| header.used),
            run: None,
            begun_before: false,
        }
    }

    /// Whether the chunk is zeroed; reports those that should not be, once it is known.
    fn note(&mut self, chunk: &Chunk<'_>, report: &mut SourceReport) -> bool {
        let zeroed = is_zeroed(chunk.data);
        if zeroed && chunk.number >= self.used {
            if self.begun_before {
                return true;
            }
            let (_, _, count) = self.run.get_or_insert((chunk.number, chunk.offset, 0));
            *count += 1;
            return true;
        }
        self.begun_before = false;
        if let Some((number, offset, count)) = self.run.take() {
            let which = match count {
                1 => format!("chunk {number} holds"),
                _ => format!("chunks {number} to {} hold", number + count - 1),
            };
            report.problem(Problem {
                offset: Some(offset),
                record: None,
                message: format!(
                    "{which} nothing but zero bytes, although more chunks follow; their records are lost"
                ),
                loss: true,
            });
        }
        if zeroed {
            chunk.problem(
                report,
                0,
                None,
                "the chunk holds nothing but zero bytes, although the file's header counts it as used; its records are lost",
                true,
            );
        }
        zeroed
    }
}

/// The statements of a file's header.
struct FileHeader {
    /// Number of chunks. Windows updates it only now and then, so a log in use may have more.
    used: u64,
    /// Numbers of the chunks with the oldest and the newest records: a full log starts again at its first chunk.
    oldest: u64,
    newest: u64,
    /// The number that the next record will get.
    next_record: u64,
    /// Whether the file was not closed, so that all of this may be stale.
    dirty: bool,
}

impl FileHeader {
    /// Reads a header (libevtx' documentation of the format, section 2); `None` if it is unreliable.
    fn read(header: &[u8]) -> Option<Self> {
        const DIRTY: u32 = 1;
        const NO_CHECKSUMS: u32 = 4;
        let flags = u32_at(header, 120).ok()?;
        let sum = crc32fast::hash(header.get(..120)?);
        let trusted = header.len() >= FILE_HEADER
            && header.starts_with(FILE_MAGIC)
            && (sum == u32_at(header, 124).ok()? || flags & NO_CHECKSUMS != 0);
        let (Some(&[low, high]), true) = (header.get(42..44), trusted) else {
            return None;
        };
        Some(Self {
            used: u64::from(u16::from_le_bytes([low, high])),
            oldest: u64_at(header, 8).ok()?,
            newest: u64_at(header, 16).ok()?,
            next_record: u64_at(header, 24).ok()?,
            dirty: flags & DIRTY != 0,
        })
    }
}

/// The records in the chunks of a file, for comparison with its header.
#[derive(Debug, Default)]
struct Extent {
    /// Whether other readers read chunks before these.
    partial: bool,
    /// Id of the first record of the file's first chunk.
    first: Option<u64>,
    /// Id of the last record of the chunk that was read last.
    last: Option<u64>,
    /// The highest id of all.
    highest: Option<u64>,
}

impl Extent {
    fn note(&mut self, chunk: &Chunk<'_>, last: Option<u64>) {
        if chunk.number == 0 && last.is_some() {
            self.first = u64_at(chunk.data, 24).ok();
        }
        self.last = last;
        self.highest = self.highest.max(last);
    }

    /// Reports, at the end of a file with `present` chunks, what its header counts but the file lacks.
    fn check(&self, header: Option<&FileHeader>, present: u64, report: &mut SourceReport) {
        let told = report.is_lossy();
        let mut tell = |missing: u64, message: String| {
            report.skipped += missing;
            let offset = Some(report.bytes);
            report.problem(Problem {
                offset,
                record: None,
                message,
                loss: true,
            });
        };
        let most = |chunks: u64| chunks.saturating_mul(most_records(CHUNK));
        match header {
            Some(header) if present < header.used => {
                let chunks = header.used - present;
                // After the newest records, or between the newest and the oldest, the numbers show how many there were.
                let until = if header.newest >= present {
                    Some(header.next_record)
                } else if header.oldest < present {
                    self.first
                } else {
                    None
                };
                let missing = self
                    .last
                    .zip(until)
                    .and_then(|(last, until)| until.checked_sub(last)?.checked_sub(1))
                    .filter(|missing| *missing <= most(chunks));
                let records = match missing {
                    Some(missing) => format!("with {missing} records"),
                    None => "with records of unknown number".to_owned(),
                };
                let message = format!(
                    "the file is truncated: {present} of the {} chunks in its header are present; {chunks} chunks are missing, {records}",
                    header.used
                );
                tell(missing.unwrap_or(0), message);
            }
            _ if present == 0 => tell(
                0,
                "the file ends after its header; the chunks with its records are missing"
                    .to_owned(),
            ),
            Some(header) if !header.dirty && !self.partial && !told => {
                let missing = self
                    .highest
                    .and_then(|highest| header.next_record.checked_sub(highest)?.checked_sub(1))
                    .filter(|missing| (1..=most(present)).contains(missing));
                if let (Some(missing), Some(highest)) = (missing, self.highest) {
                    let message = format!(
                        "the file's header gives the next record the number {}, and the last one here is {highest}: {missing} records are missing",
                        header.next_record
                    );
                    tell(missing, message);
                }
            }
            _ => {}
        }
    }
}

/// Fills the buffer as far as the input goes. Returns the filled part.
fn fill<'b>(input: &mut impl Read, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match input.read(room) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let buffer: &[u8] = buffer;
    Ok(buffer.get(..filled).unwrap_or(buffer))
}

fn no_header(report: &mut SourceReport) {
    let message = "the file's header is missing; chunks were read from the start".to_owned();
    report.problem(Problem {
        offset: Some(0),
        record: None,
        message,
        loss: false,
    });
}

fn file_header(header: &[u8], report: &mut SourceReport) {
    let mut note = |message: &str, loss| {
        report.problem(Problem {
            offset: Some(0),
            record: None,
            message: message.to_owned(),
            loss,
        });
    };
    if header.is_empty() {
        note("the file is empty", true);
    } else if header.len() < FILE_HEADER {
        note("the file ends inside its header", true);
    } else if !header.starts_with(FILE_MAGIC) {
        note(
            "the file's header is damaged; chunks were read without it",
            false,
        );
    } else if header.get(..120).map(crc32fast::hash) != u32_at(header, 124).ok() {
        note(
            "the checksum of the file's header is wrong; chunks were read anyway",
            false,
        );
    }
}

/// Maximum number of records that fit into this many bytes.
fn most_records(bytes: usize) -> u64 {
    (bytes / RECORD_FRAME) as u64
}

fn data_end(chunk: &Chunk<'_>) -> usize {
    u32_at(chunk.data, 48).unwrap_or(0) as usize
}

/// The frame of a record with a plausible signature and size.
fn frame_at(data: &[u8], at: usize, bound: usize) -> Result<Frame, &'static str> {
    if !data
        .get(at..)
        .is_some_and(|rest| rest.starts_with(RECORD_MAGIC))
    {
        return Err("the record's signature is missing");
    }
    let size = u32_at(data, at + 4).unwrap_or(0) as usize;
    if size < RECORD_FRAME {
        return Err("the record's size is too small");
    }
    if size > bound.saturating_sub(at) {
        return Err("the record's size reaches beyond the chunk's records");
    }
    Ok(Frame {
        at,
        size,
        id: u64_at(data, at + 8).unwrap_or(0),
    })
}

/// The next record after `at` whose size and the size's copy agree.
fn next_frame(data: &[u8], at: usize, bound: usize) -> Option<Frame> {
    let from = (at + 8).next_multiple_of(8);
    let rest = data.get(from..bound)?;
    memchr::memmem::find_iter(rest, RECORD_MAGIC)
        .map(|found| from + found)
        .filter(|at| at % 8 == 0)
        .find_map(|at| {
            let frame = frame_at(data, at, bound).ok()?;
            let copy = u32_at(data, at + frame.size - 4).ok()?;
            (copy as usize == frame.size).then_some(frame)
        })
}

/// The record at `at` with a damaged signature or size, if the rest of its frame shows that it ends at `end`.
fn repaired(
    data: &[u8],
    at: usize,
    end: usize,
    before: Option<u64>,
    after: Option<u64>,
) -> Option<Frame> {
    let size = end.checked_sub(at).filter(|size| *size >= RECORD_FRAME)?;
    let id = u64_at(data, at + 8).ok()?;
    let copy = u32_at(data, end - 4).ok()? as usize;
    let fits_before = before.is_some_and(|before| before.checked_add(1) == Some(id));
    let fits_after = after.is_some_and(|after| id.checked_add(1) == Some(after));
    (copy == size && (fits_before || fits_after)).then_some(Frame { at, size, id })
}
