//! Splitting a stream of text into records of any kind, even mixed: event XML, JSON, CSV, Zeek, classic Windows text.
//!
//! The stream is held in a window that grows to the size of one record, never to that of the file. A damaged record is
//! dropped; reading resumes at the next thing that looks like a record.

use std::borrow::Cow;
use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, Encoding};
use memchr::memmem;

use crate::audit::{self, Audit};
use crate::carried;
use crate::classic::{self, Block};
use crate::csv::{self, Dates, Table};
use crate::json::{self, JsonReader};
use crate::limits::Limits;
use crate::list;
use crate::masstin;
use crate::piece::Piece;
use crate::record::{Around, Sink};
use crate::remote::{self, Remote};
use crate::report::SourceKind;
use crate::syslog;
use crate::task;
use crate::time;
use crate::xml::{self, XmlError};
use crate::zeek::Zeek;

/// Converts text of another encoding to UTF-8.
pub(crate) struct Transcode<R> {
    inner: R,
    decoder: Decoder,
    raw: Vec<u8>,
    out: Vec<u8>,
    at: usize,
    end: bool,
}

impl<R: Read> Transcode<R> {
    pub fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder(),
            raw: vec![0; 32 << 10],
            out: Vec::new(),
            at: 0,
            end: false,
        }
    }
}

impl<R: Read> Read for Transcode<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.out.len() && !self.end {
            let count = self.inner.read(&mut self.raw)?;
            self.end = count == 0;
            let room = self
                .decoder
                .max_utf8_buffer_length(count)
                .unwrap_or(4 * count + 16);
            self.out.resize(room, 0);
            let raw = self.raw.get(..count).unwrap_or(&self.raw);
            let (result, _, written, _) = self.decoder.decode_to_utf8(raw, &mut self.out, self.end);
            debug_assert_eq!(result, CoderResult::InputEmpty);
            self.out.truncate(written);
            self.at = 0;
        }
        let mut ready = self.out.get(self.at..).unwrap_or_default();
        let count = ready.read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

/// The part of a stream under examination.
struct Window<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    /// Offset of `start` in the stream.
    offset: u64,
    end: bool,
    error: Option<io::Error>,
}

impl<R: Read> Window<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            end: false,
            error: None,
        }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// The first bytes, `count` of them where there are so many.
    fn head(&self, count: usize) -> &[u8] {
        up_to(self.bytes(), Some(count))
    }

    fn skip(&mut self, count: usize) {
        let count = count.min(self.buffer.len() - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Reads at least as much as is held already, so that looking at a long record again costs little.
    fn more(&mut self) -> bool {
        if self.end {
            return false;
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let held = self.buffer.len();
        let want = held.max(256 << 10);
        self.buffer.reserve(want);
        // The buffer has what was read before the error.
        match (&mut self.inner)
            .take(want as u64)
            .read_to_end(&mut self.buffer)
        {
            Ok(count) => self.end = count < want,
            Err(error) => {
                self.error = Some(error);
                self.end = true;
            }
        }
        self.buffer.len() > held
    }
}

/// Reads a text source to its end.
pub(crate) fn read_text(input: impl Read, limits: &Limits, sink: &mut Sink<'_, '_>) {
    Splitter::new(Window::new(input), limits, JsonReader::default()).run(sink);
    sink.finish();
}

/// Reads the records of one complete text, received at `now` (microseconds since 1970-01-01 UTC). Ignores everything
/// that is not a record, without a report. Returns the JSON reader, which has memory.
pub(crate) fn read_delivered(
    text: &str,
    limits: &Limits,
    json: JsonReader,
    now: i64,
    sink: &mut Sink<'_, '_>,
) -> JsonReader {
    let window = Window {
        inner: io::empty(),
        buffer: text.as_bytes().to_vec(),
        start: 0,
        offset: 0,
        end: true,
        error: None,
    };
    let mut splitter = Splitter::new(window, limits, json);
    splitter.now = Some(time::clamped(now));
    splitter.records(sink);
    splitter.audit.finish(sink);
    splitter.json
}

struct Splitter<'l, R> {
    window: Window<R>,
    limits: &'l Limits,
    json: JsonReader,
    zeek: Zeek,
    audit: Audit,
    remote: Remote,
    /// The head of the table, if the source is one.
    table: Option<Table>,
    dates: Dates,
    looked_for_dates: bool,
    /// Entries of Fluentd come in a list, behind which its options may stand.
    listed: bool,
    /// Records seen of XML, JSON, Zeek, classic text, syslog, CSV, files of programs.
    kinds: [u64; 7],
    /// When the source was written, which supplies the year for lines without one.
    now: Option<i64>,
    /// Lines whose year was not written.
    assumed_year: u64,
    /// Whether the first line is that of `Export-Csv`.
    typed: bool,
    junk: u64,
    first_junk: Option<(u64, String)>,
    lossy: u64,
    /// JSON arrays around the records, and XML documents, that have no end yet.
    open: [u64; 2],
    /// Whether the last record breaks off.
    torn: bool,
}

/// How far to look ahead for the order of a log's dates, in bytes.
const MOST_AHEAD: usize = 4 << 20;

const KINDS: [SourceKind; 7] = [
    SourceKind::Xml,
    SourceKind::Json,
    SourceKind::Zeek,
    SourceKind::WindowsText,
    SourceKind::Syslog,
    SourceKind::Csv,
    SourceKind::Program,
];

impl<'l, R: Read> Splitter<'l, R> {
    fn new(window: Window<R>, limits: &'l Limits, json: JsonReader) -> Self {
        Self {
            window,
            limits,
            json,
            zeek: Zeek::default(),
            audit: Audit::default(),
            remote: Remote::default(),
            table: None,
            dates: Dates::default(),
            looked_for_dates: false,
            listed: false,
            kinds: [0; 7],
            now: None,
            assumed_year: 0,
            typed: false,
            junk: 0,
            first_junk: None,
            lossy: 0,
            open: [0; 2],
            torn: false,
        }
    }

    fn run(mut self, sink: &mut Sink<'_, '_>) {
        self.records(sink);
        self.close(sink);
    }

    fn records(&mut self, sink: &mut Sink<'_, '_>) {
        loop {
            if self.table.is_some() {
                if !self.row(sink) {
                    break;
                }
                continue;
            }
            let bytes = self.window.bytes();
            let skip = bytes.iter().take_while(|byte| is_between(**byte)).count();
            let ends = up_to(bytes, Some(skip))
                .iter()
                .filter(|byte| **byte == b']');
            let [arrays, _] = &mut self.open;
            *arrays = arrays.saturating_sub(ends.count() as u64);
            self.listed &= *arrays > 0;
            self.window.skip(skip);
            let Some(first) = self.window.bytes().first().copied() else {
                if self.window.more() {
                    continue;
                }
                break;
            };
            // A few hundred bytes are enough to decide what comes first.
            if self.window.bytes().len() < 512 && self.window.more() {
                continue;
            }
            match first {
                b'<' if !syslog::looks_like(self.window.bytes()) => self.markup(sink),
                b'{' if self.listed => {
                    self.listed = false;
                    self.options(0);
                }
                b'{' => self.object(sink),
                b'[' if let Some(entry) = json::entry(self.window.bytes()) => {
                    self.entry(&entry, sink);
                }
                b'[' if opens_array(self.window.bytes()) => {
                    let [arrays, _] = &mut self.open;
                    *arrays += 1;
                    self.window.skip(1);
                }
                // A byte-order mark, at the start or where files were concatenated.
                0xef if self.window.bytes().starts_with(b"\xef\xbb\xbf") => self.window.skip(3),
                b'&' if starts_escaped_event(self.window.bytes()) => self.escaped(sink),
                _ => self.line(sink),
            }
        }
    }

    fn close(mut self, sink: &mut Sink<'_, '_>) {
        sink.report.bytes = sink.report.bytes.max(self.window.offset);
        self.audit.finish(sink);
        let most = KINDS
            .into_iter()
            .zip(self.kinds)
            .rev()
            .max_by_key(|(_, count)| *count);
        if let Some((kind, 1..)) = most {
            sink.report.kind = kind;
        } else if self.zeek.has_header() {
            // A quiet hour leaves a log without rows.
            sink.report.kind = SourceKind::Zeek;
        } else if self.table.is_some() {
            sink.report.kind = SourceKind::Csv;
        }
        self.json.finish(sink);
        if let Some(error) = self.window.error.take() {
            let offset = self.window.offset;
            sink.lost(
                offset,
                format!("reading stopped here: {error}; everything before was kept"),
            );
        }
        let ([arrays, documents], [xml, json, ..]) = (self.open, self.kinds);
        for (open, records, what) in [
            (arrays, json, "array of JSON records"),
            (documents, xml, "XML document"),
        ] {
            if open > 0 && records > 0 && !self.torn {
                let message =
                    format!("the {what} has no end: what was behind the last record is missing");
                sink.report.problem(crate::report::Problem {
                    offset: Some(self.window.offset),
                    record: None,
                    message,
                    loss: true,
                });
            }
        }
        if self.dates.undecided > 0 {
            let message = format!(
                "the dates of {} rows, such as 03/04/2024, do not show whether month or day comes first; they are read month first",
                self.dates.undecided
            );
            sink.warn(None, message);
        }
        if self.assumed_year > 0 {
            let message = format!(
                "{} lines have no year and no zone; they are dated to the latest year that matches the file's time, in UTC",
                self.assumed_year
            );
            sink.warn(None, message);
        }
        if self.lossy > 0 {
            let message = format!(
                "{} records held bytes that are not UTF-8; each such byte is shown as U+FFFD",
                self.lossy
            );
            sink.warn(None, message);
        }
        if let Some((offset, sample)) = self.first_junk.take()
            && (self.kinds.iter().any(|count| *count > 0))
        {
            let message = format!(
                "{} lines are not events and were passed over; the first begins {sample:?}",
                self.junk
            );
            sink.warn(Some(offset), message);
        }
    }

    /// The end of the record at the start of the window, according to `find`; reads on as needed.
    fn piece(&mut self, most: usize, find: impl Fn(&[u8], bool) -> Piece) -> Piece {
        loop {
            match find(self.window.bytes(), self.window.end) {
                Piece::Open => {
                    let held = self.window.bytes().len();
                    if held > most {
                        return Piece::Broken(next_line(self.window.bytes()).unwrap_or(held));
                    }
                    if !self.window.more() {
                        // The stream may have just ended, which `find` must know.
                        return match find(self.window.bytes(), true) {
                            Piece::Open => Piece::Broken(self.window.bytes().len()),
                            other => other,
                        };
                    }
                }
                other => return other,
            }
        }
    }

    /// The text of a record, repaired if it is not UTF-8.
    fn text<'b>(bytes: &'b [u8], lossy: &mut u64) -> Cow<'b, str> {
        // Many times faster than looking for what is not UTF-8.
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Cow::Borrowed(text);
        }
        *lossy += 1;
        String::from_utf8_lossy(bytes)
    }

    /// The text of a record that breaks off, without the bytes of a letter that is not whole.
    fn torn_text(&mut self, length: usize) -> String {
        self.torn = length >= self.window.bytes().len();
        let torn = whole_letters(self.window.head(length));
        Self::text(torn, &mut self.lossy).into_owned()
    }

    fn markup(&mut self, sink: &mut Sink<'_, '_>) {
        let bytes = self.window.bytes();
        let offset = self.window.offset;
        if let Some(name) = event_name(bytes).map(<[u8]>::to_vec) {
            match self.piece(self.limits.event_bytes, |bytes, _| {
                find_event_end(bytes, &name)
            }) {
                Piece::Whole(length) => {
                    let text = Self::text(self.window.head(length), &mut self.lossy).into_owned();
                    self.event(&text, offset, sink);
                    self.window.skip(length);
                }
                Piece::Broken(length) => {
                    let held = self.window.bytes().len();
                    let why = if held > self.limits.event_bytes {
                        format!("is longer than {} bytes", self.limits.event_bytes)
                    } else {
                        "has no end".to_owned()
                    };
                    // The text before the break may still be an event that only lacks its last tag.
                    let text = self.torn_text(length.min(self.limits.event_bytes));
                    self.cut_event(&text, &why, offset, sink);
                    self.window.skip(length.max(1));
                }
                Piece::Open => self.window.skip(1),
            }
            return;
        }
        if task::opens(bytes) {
            self.task(sink);
            return;
        }
        if bytes.starts_with(b"<!DOCTYPE") {
            let message = "the document type is ignored: entities are not expanded".to_owned();
            sink.warn(Some(offset), message);
        }
        let length = self.piece(64 << 10, find_tag_end);
        let bytes = self.window.bytes();
        let [_, documents] = &mut self.open;
        if opens_tag(bytes, b"<Events") {
            *documents += 1;
        } else if opens_tag(bytes, b"</Events") {
            *documents = documents.saturating_sub(1);
        }
        match length {
            Piece::Broken(length) if length >= bytes.len() && self.kinds[0] > 0 => {
                self.torn = true;
                let message = "an element of the XML breaks off; reading ends there".to_owned();
                sink.lost(offset, message);
                self.window.skip(length.max(1));
            }
            Piece::Whole(length) | Piece::Broken(length) => self.window.skip(length.max(1)),
            Piece::Open => self.window.skip(1),
        }
    }

    /// Reads a task of the task scheduler.
    fn task(&mut self, sink: &mut Sink<'_, '_>) {
        let offset = self.window.offset;
        let (length, whole) = match self.piece(self.limits.event_bytes, task::find_end) {
            Piece::Whole(length) => (length, true),
            Piece::Broken(length) => (length, false),
            Piece::Open => (1, false),
        };
        let text = match whole {
            true => Self::text(self.window.head(length), &mut self.lossy).into_owned(),
            false => self.torn_text(length.min(self.limits.event_bytes)),
        };
        let written = *self
            .now
            .get_or_insert_with(|| written_at(&sink.report.path));
        self.kinds[0] += 1;
        task::read(&text, &sink.report.path, written, &mut sink.record);
        sink.emit();
        if !whole {
            sink.report.problem(crate::report::Problem {
                offset: Some(offset),
                record: Some(sink.report.records),
                message: "a task breaks off; what it holds up to there is kept".to_owned(),
                loss: true,
            });
        }
        self.window.skip(length.max(1));
    }

    /// Reads what there is of an XML event that breaks off.
    fn cut_event(&mut self, text: &str, why: &str, offset: u64, sink: &mut Sink<'_, '_>) {
        self.kinds[0] += 1;
        if matches!(
            xml::read_event(text, &mut sink.record),
            Ok(()) | Err(XmlError::Damaged(_))
        ) && !sink.record.channel.is_empty()
            && sink.record.time.is_some()
        {
            sink.keep_xml(text);
            sink.emit();
            sink.report.problem(crate::report::Problem {
                offset: Some(offset),
                record: Some(sink.report.records),
                message: format!("an event {why}; what it holds up to there is kept"),
                loss: true,
            });
        } else {
            sink.lost(
                offset,
                format!("an event {why} and is left out; reading goes on at the next"),
            );
        }
    }

    /// Reads one XML event.
    fn event(&mut self, text: &str, offset: u64, sink: &mut Sink<'_, '_>) {
        self.kinds[0] += 1;
        match xml::read_event(text, &mut sink.record) {
            Ok(()) => {
                sink.keep_xml(text);
                sink.emit();
            }
            Err(XmlError::NoEventId) => sink.lost(offset, XmlError::NoEventId.to_string()),
            Err(error) => {
                sink.keep_xml(text);
                sink.emit();
                let record = Some(sink.report.records);
                sink.report.problem(crate::report::Problem {
                    offset: Some(offset),
                    record,
                    message: error.to_string(),
                    loss: true,
                });
            }
        }
    }

    /// An event with escaped markup, as in an HTML page or inside another document.
    fn escaped(&mut self, sink: &mut Sink<'_, '_>) {
        let offset = self.window.offset;
        const START: &[u8] = b"&lt;Event ";
        const END: &[u8] = b"&lt;/Event&gt;";
        let find = |bytes: &[u8], _| {
            let another = memmem::find_iter(bytes, START).find(|at| *at > 0);
            match memmem::find(up_to(bytes, another), END) {
                Some(at) => Piece::Whole(at + END.len()),
                None => another.map_or(Piece::Open, Piece::Broken),
            }
        };
        match self.piece(self.limits.event_bytes, find) {
            Piece::Whole(length) => {
                let text = Self::text(self.window.head(length), &mut self.lossy);
                self.event(&xml::resolve(&text), offset, sink);
                self.window.skip(length);
            }
            Piece::Broken(length) => {
                let text = xml::resolve(&self.torn_text(length.min(self.limits.event_bytes)));
                self.cut_event(&text, "has no end", offset, sink);
                self.window.skip(length.max(1));
            }
            Piece::Open => self.window.skip(1),
        }
    }

    /// An entry of Fluentd or Fluent Bit: its record, dated by the entry if it has no time of its own.
    fn entry(&mut self, entry: &json::Entry, sink: &mut Sink<'_, '_>) {
        let [arrays, _] = &mut self.open;
        *arrays += 1;
        self.window.skip(entry.head);
        let Some(time) = entry.time else {
            self.listed = true;
            return;
        };
        let outer = sink.around.take();
        sink.around = Some(Around {
            time: Some(time),
            received: time,
            ..outer.clone().unwrap_or_default()
        });
        self.object(sink);
        sink.around = outer;
        if entry.tagged {
            let bytes = self.window.bytes().iter();
            let blanks = bytes.take_while(|byte| is_between(**byte) && **byte != b']');
            self.options(blanks.count());
        }
    }

    /// Passes over options of Fluentd's protocol, if they stand so far on: they are about the message.
    fn options(&mut self, blanks: usize) {
        let rest = self.window.bytes().get(blanks..).unwrap_or_default();
        if rest.starts_with(b"{")
            && let Piece::Whole(length) = json::find_object_end(rest, true)
        {
            self.window.skip(blanks + length);
        }
    }

    fn object(&mut self, sink: &mut Sink<'_, '_>) {
        let offset = self.window.offset;
        self.json.look_ahead(self.window.bytes(), &sink.report.path);
        match self.piece(self.limits.line_bytes, json::find_object_end) {
            Piece::Whole(length) => {
                let text = Self::text(self.window.head(length), &mut self.lossy);
                match self.json.read(&text, sink) {
                    Ok(kind) => {
                        if kind == SourceKind::Zeek {
                            self.kinds[2] += 1;
                        } else {
                            self.kinds[1] += 1;
                        }
                    }
                    Err(error) => {
                        self.kinds[1] += 1;
                        sink.lost(
                            offset,
                            format!("this is not JSON ({error}) and is left out"),
                        );
                    }
                }
                self.window.skip(length);
            }
            Piece::Broken(length) => {
                let held = self.window.bytes().len();
                let is_long = held > self.limits.line_bytes && length >= self.limits.line_bytes;
                // Records in an array in an object are there without its end.
                if let Some(array) = self.array_of_records(length, &sink.report.path) {
                    self.window.skip(array);
                    return;
                }
                let text = self.torn_text(length);
                self.kinds[1] += 1;
                if is_long {
                    let message = format!(
                        "a JSON record is longer than {} bytes and is left out",
                        self.limits.line_bytes
                    );
                    sink.lost(offset, message);
                } else if self.json.read_cut(&text, sink) {
                    sink.report.problem(crate::report::Problem {
                        offset: Some(offset),
                        record: Some(sink.report.records),
                        message: "a JSON record breaks off; what it holds up to there is kept"
                            .to_owned(),
                        loss: true,
                    });
                } else {
                    sink.lost(
                        offset,
                        "a JSON record breaks off and is left out; reading goes on at the next"
                            .to_owned(),
                    );
                }
                self.window.skip(length.max(1));
            }
            Piece::Open => self.window.skip(1),
        }
    }

    /// Where the array of records opens that is in an object of this length, which is none itself.
    fn array_of_records(&mut self, length: usize, path: &str) -> Option<usize> {
        let text = |bytes| String::from_utf8_lossy(whole_letters(bytes)).into_owned();
        let object = self.window.head(length);
        let (array, first) = json::array_within(object)?;
        let (before, first) = (text(object.get(..array)?), text(object.get(first..)?));
        (!self.json.begins_record(&before, path) && self.json.begins_record(&first, path))
            .then_some(array)
    }

    /// Begins a table after its head, and looks ahead for the order of its dates.
    fn begin_table(&mut self, table: Table) {
        self.dates.next_table();
        let mut at = 0;
        loop {
            let ended = self.window.end;
            let rest = self.window.bytes().get(at..).unwrap_or_default();
            match table.find_row_end(rest, ended).filter(|end| *end > 0) {
                Some(length) => {
                    let row = String::from_utf8_lossy(rest.get(..length).unwrap_or_default());
                    // The next table has its own date order.
                    if Table::of_row(&row).is_some() || !self.dates.look_at(&table, &row) {
                        break;
                    }
                    at += length;
                }
                None if ended || self.window.bytes().len() > MOST_AHEAD => break,
                None => {
                    self.window.more();
                }
            }
        }
        self.table = Some(table);
    }

    /// A row of the table that the source is. Returns whether there was one.
    fn row(&mut self, sink: &mut Sink<'_, '_>) -> bool {
        if self.window.bytes().is_empty() && !self.window.more() {
            return false;
        }
        let offset = self.window.offset;
        let Some(table) = self.table.take() else {
            return false;
        };
        let found = self.piece(self.limits.event_bytes, |bytes, end| {
            table
                .find_row_end(bytes, end)
                .map_or(Piece::Open, Piece::Whole)
        });
        let bytes = self.window.bytes();
        let (length, whole) = match found {
            // Only the last row can end without a line break, and with it the file may.
            Piece::Whole(length) => (
                length,
                self.window.head(length).ends_with(b"\n") || !table.lacks_cells(bytes),
            ),
            // An unclosed quote costs its line, unless the file breaks off in it.
            Piece::Broken(length) if table.ends_in_row(bytes) => (length, false),
            Piece::Broken(length) => (next_line(bytes).unwrap_or(length), false),
            Piece::Open => (1, false),
        };
        let text = if whole {
            Self::text(self.window.head(length), &mut self.lossy).into_owned()
        } else {
            self.torn_text(length)
        };
        // Concatenated tables: the head of the next one, and the line that `Export-Csv` writes before it.
        if let Some(next) = Table::of_row(&text).filter(|_| whole) {
            self.window.skip(length.max(1));
            self.begin_table(next);
            return true;
        }
        if !text.trim().is_empty() && !text.trim_start_matches('\u{feff}').starts_with("#TYPE ") {
            self.kinds[5] += 1;
            if whole {
                let row = table.row(&text, &mut self.dates);
                if table.is_of_masstin() {
                    masstin::fill(&mut sink.record, &row);
                    sink.emit();
                } else {
                    self.json.read_row(&row, sink);
                }
            } else {
                let before = sink.report.records;
                let row = table.cut_row(&text, &mut self.dates);
                sink.cut = true;
                if table.is_of_masstin() {
                    masstin::fill(&mut sink.record, &row);
                    sink.emit();
                } else {
                    self.json.read_row(&row, sink);
                }
                sink.cut = false;
                if sink.report.records == before {
                    sink.lost(
                        offset,
                        "a row of a table breaks off and is left out".to_owned(),
                    );
                    self.window.skip(length.max(1));
                    self.table = Some(table);
                    return true;
                }
                let record = Some(sink.report.records);
                sink.report.problem(crate::report::Problem {
                    offset: Some(offset),
                    record,
                    message: "a row of a table breaks off; what it holds up to there is kept"
                        .to_owned(),
                    loss: true,
                });
            }
        }
        self.window.skip(length.max(1));
        self.table = Some(table);
        true
    }

    /// Looks ahead, once, through the dates of a text log for one that tells whether the day comes first: it holds for all.
    fn look_for_dates(&mut self) {
        if std::mem::replace(&mut self.looked_for_dates, true) {
            return;
        }
        let mut at = 0;
        loop {
            let rest = self.window.bytes().get(at..).unwrap_or_default();
            match next_line(rest) {
                Some(length) => {
                    let line = String::from_utf8_lossy(up_to(rest, Some(length.min(64))));
                    if !self.dates.look_at_line(&line) {
                        return;
                    }
                    at += length;
                }
                None if self.window.end || at > MOST_AHEAD => return,
                None => {
                    self.window.more();
                }
            }
        }
    }

    /// A line that begins with none of the characters above, or a block of such lines.
    fn line(&mut self, sink: &mut Sink<'_, '_>) {
        if self.audit_line(sink) || self.program_line(sink) {
            return;
        }
        if classic::starts_block(self.window.bytes()) {
            self.classic_block(sink);
            return;
        }
        if list::starts_block(self.window.bytes()) {
            self.list_block(sink);
            return;
        }
        let length = self.line_length();
        let read = self.zeek_line(length, sink)
            || self.snare_line(length, sink)
            || self.carried_line(length, sink)
            || self.syslog_line(length, sink)
            || self.table_head(length);
        if !read {
            self.other_line(length);
        }
    }

    fn classic_block(&mut self, sink: &mut Sink<'_, '_>) {
        let offset = self.window.offset;
        let length = match self.piece(self.limits.event_bytes, classic::find_block_end) {
            Piece::Whole(length) | Piece::Broken(length) => length,
            _ => self.window.bytes().len(),
        };
        self.look_for_dates();
        let mut text = Self::text(self.window.head(length), &mut self.lossy).into_owned();
        self.dates.order(&mut text);
        self.kinds[3] += 1;
        match classic::read_block(&text, &mut sink.record) {
            Block::Event => sink.emit(),
            Block::NoEventCode => {
                sink.lost(
                    offset,
                    "a block of text has no EventCode and is left out".to_owned(),
                );
            }
        }
        self.window.skip(length.max(1));
    }

    fn list_block(&mut self, sink: &mut Sink<'_, '_>) {
        let length = match self.piece(self.limits.event_bytes, list::find_block_end) {
            Piece::Whole(length) | Piece::Broken(length) => length,
            Piece::Open => self.window.bytes().len(),
        };
        self.look_for_dates();
        let text = Self::text(self.window.head(length), &mut self.lossy);
        self.kinds[3] += 1;
        let mut row = list::read_block(&text);
        for (name, value) in &mut row {
            if csv::TIMES.contains(name) {
                self.dates.order(value);
            }
        }
        self.json.read_row(&row, sink);
        self.window.skip(length.max(1));
    }

    /// The length of the line here, with its end.
    fn line_length(&mut self) -> usize {
        let find = |bytes: &[u8], end: bool| match memchr::memchr(b'\n', bytes) {
            Some(at) => Piece::Whole(at + 1),
            None if end => Piece::Whole(bytes.len()),
            None => Piece::Open,
        };
        match self.piece(self.limits.line_bytes, find) {
            Piece::Whole(length) | Piece::Broken(length) => length,
            Piece::Open => 1,
        }
    }

    /// A line of Zeek's own format. Says whether it was one, as the next ones do.
    fn zeek_line(&mut self, length: usize, sink: &mut Sink<'_, '_>) -> bool {
        let offset = self.window.offset;
        let bytes = whole_line(self.window.head(length));
        if !self.zeek.is_header(bytes) && !self.zeek.is_open() {
            return false;
        }
        let text = Self::text(bytes, &mut self.lossy);
        if self
            .zeek
            .line(text.trim_end_matches(['\n', '\r']), offset, sink)
        {
            self.kinds[2] += 1;
        }
        self.window.skip(length);
        true
    }

    fn snare_line(&mut self, length: usize, sink: &mut Sink<'_, '_>) -> bool {
        let bytes = whole_line(self.window.head(length));
        if memmem::find(bytes, b"MSWinEventLog").is_none() {
            return false;
        }
        let text = Self::text(bytes, &mut self.lossy);
        if let Some(row) = syslog::snare(&text) {
            self.kinds[4] += 1;
            self.json.read_row(&row, sink);
            self.window.skip(length);
            return true;
        }
        false
    }

    /// A record of Linux's audit log.
    fn audit_line(&mut self, sink: &mut Sink<'_, '_>) -> bool {
        if !audit::looks_like(self.window.bytes()) {
            return false;
        }
        let length = self.line_length();
        let text = Self::text(whole_line(self.window.head(length)), &mut self.lossy);
        let read = self.audit.line(&text, sink);
        if read {
            self.kinds[4] += 1;
            self.window.skip(length);
        }
        read
    }

    /// A line of the file of a program for remote administration.
    fn program_line(&mut self, sink: &mut Sink<'_, '_>) -> bool {
        if self.zeek.is_open() || !remote::looks_like(self.window.bytes()) {
            return false;
        }
        let length = self.line_length();
        let text = Self::text(whole_line(self.window.head(length)), &mut self.lossy);
        let read = self.remote.line(&text, &mut sink.record);
        if read {
            self.kinds[6] += 1;
            sink.emit();
            self.window.skip(length);
        }
        read
    }

    /// A line in which something carries an event of Windows.
    fn carried_line(&mut self, length: usize, sink: &mut Sink<'_, '_>) -> bool {
        let bytes = whole_line(self.window.head(length));
        if !carried::looks_like(bytes) {
            return false;
        }
        let text = Self::text(bytes, &mut self.lossy);
        let now = *self
            .now
            .get_or_insert_with(|| written_at(&sink.report.path));
        if let Some((mut row, assumed)) = carried::event(&text, now) {
            self.kinds[4] += 1;
            self.assumed_year += u64::from(assumed);
            let row: Vec<(&str, String)> = row
                .iter_mut()
                .map(|(name, value)| (name.as_str(), std::mem::take(value)))
                .collect();
            self.json.read_row(&row, sink);
            self.window.skip(length);
            return true;
        }
        false
    }

    fn syslog_line(&mut self, length: usize, sink: &mut Sink<'_, '_>) -> bool {
        let bytes = whole_line(self.window.head(length));
        if !syslog::looks_like(bytes) {
            return false;
        }
        let text = Self::text(bytes, &mut self.lossy);
        let now = *self
            .now
            .get_or_insert_with(|| written_at(&sink.report.path));
        if let Some(line) = syslog::line(&text, now)
                // Events carried by syslog are read as what they are.
                && (syslog::is_known(line.program) || !["<Event", "{\""].iter().any(|start| text.contains(start)))
        {
            self.kinds[4] += 1;
            self.assumed_year += u64::from(line.assumed_year);
            if let Some(row) = line.event().or_else(|| carried::evtsys(&line)) {
                self.json.read_row(&row, sink);
                self.window.skip(length);
                return true;
            }
            syslog::fill(&mut sink.record, &line);
            sink.emit();
            self.window.skip(length);
            return true;
        }
        false
    }

    /// The head of a table of events, which is recognised before anything else; `Export-Csv` writes a line of its own
    /// before it.
    fn table_head(&mut self, length: usize) -> bool {
        let first = self.kinds.iter().all(|count| *count == 0)
            && (self.junk == 0 || (self.junk == 1 && self.typed));
        if !first {
            return false;
        }
        let bytes = whole_line(self.window.head(length));
        let text = Self::text(bytes, &mut self.lossy);
        if let Some(table) = Table::of(&text) {
            self.window.skip(length);
            self.begin_table(table);
            return true;
        }
        self.typed |= text.starts_with("#TYPE ");
        if self.typed && self.junk == 0 {
            self.window.skip(length);
            return true;
        }
        false
    }

    /// A line that is no record by itself: perhaps one follows a prefix in it.
    fn other_line(&mut self, length: usize) {
        let offset = self.window.offset;
        let bytes = whole_line(self.window.head(length));
        // A record may follow a prefix, such as syslog's or the quote of a CSV cell.
        let inner = [&b"<Event"[..], b"&lt;Event", b"{\""]
            .iter()
            .filter_map(|start| {
                let at = memmem::find(bytes, start)?;
                Some((at, bytes.get(at..)?))
            })
            .filter(|(_, rest)| !rest.starts_with(b"<") || event_name(rest).is_some())
            // Doubled quotes belong to a CSV cell with JSON: a table, such as this program's own findings.csv.
            .filter(|(_, rest)| !rest.starts_with(b"{\"\""))
            .map(|(at, _)| at)
            .min();
        if let Some(at) = inner.filter(|at| *at > 0) {
            self.window.skip(at);
            return;
        }
        self.junk += 1;
        if self.first_junk.is_none() {
            let sample = String::from_utf8_lossy(up_to(bytes, Some(60)))
                .trim()
                .to_owned();
            self.first_junk = Some((offset, sample));
        }
        self.window.skip(length.max(1));
    }
}

/// A line, at whose end the file may have cut a letter.
fn whole_line(bytes: &[u8]) -> &[u8] {
    match bytes {
        line if line.ends_with(b"\n") => line,
        last => whole_letters(last),
    }
}

/// When a file was last written, in microseconds since 1970-01-01 UTC; now if unknown.
fn written_at(path: &str) -> i64 {
    // A member of an archive is as old as the archive, as far as is known here.
    let path = path.split("!/").next().unwrap_or(path);
    let time = std::fs::metadata(path)
        .and_then(|meta| meta.modified())
        .unwrap_or_else(|_| std::time::SystemTime::now());
    time.duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .map(time::clamped)
        .unwrap_or_default()
}

/// Bytes between records.
fn is_between(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, 0 | b',' | b']' | 0x1e | 0x1a)
}

/// The bytes before `end`; all of them where it is not there.
fn up_to(bytes: &[u8], end: Option<usize>) -> &[u8] {
    end.and_then(|end| bytes.get(..end)).unwrap_or(bytes)
}

fn next_line(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes).map(|at| at + 1)
}

/// The bytes up to a letter at their end of which some are missing.
fn whole_letters(bytes: &[u8]) -> &[u8] {
    for back in 1..=3 {
        let Some(at) = bytes.len().checked_sub(back) else {
            break;
        };
        let needed = match bytes.get(at) {
            Some(0x80..=0xbf) => continue,
            Some(0xc2..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf4) => 4,
            _ => 1,
        };
        return up_to(bytes, (back < needed).then_some(at));
    }
    bytes
}

/// Whether a tag begins here whose name is not longer.
fn opens_tag(bytes: &[u8], start: &[u8]) -> bool {
    bytes.strip_prefix(start).is_some_and(|rest| {
        rest.first()
            .is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'>')
    })
}

/// Whether a `[` opens an array of records, as opposed to a line such as `[INFO] …`.
fn opens_array(bytes: &[u8]) -> bool {
    let next = bytes
        .iter()
        .skip(1)
        .find(|byte| !byte.is_ascii_whitespace());
    next.is_none_or(|byte| matches!(byte, b'{' | b'[' | b']'))
}

fn starts_escaped_event(bytes: &[u8]) -> bool {
    bytes
        .strip_prefix(b"&lt;Event")
        .is_some_and(|rest| rest.starts_with(b" ") || rest.starts_with(b"&gt;"))
}

/// If an element named `Event` (with any prefix) opens here, its name with the prefix.
fn event_name(bytes: &[u8]) -> Option<&[u8]> {
    let name = bytes.strip_prefix(b"<")?;
    let end = name
        .iter()
        .take(64)
        .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))?;
    let name = name.get(..end)?;
    let local = name.rsplit(|byte| *byte == b':').next()?;
    (local == b"Event").then_some(name)
}

/// The end of the event of this name that opens here; broken if another one opens first.
fn find_event_end(bytes: &[u8], name: &[u8]) -> Piece {
    let (open, close) = ([b"<", name].concat(), [b"</", name].concat());
    // Searched only up to the next event, so that many unterminated events cost no more than their length.
    let another = memmem::find_iter(bytes, &open)
        .filter(|at| *at > 0)
        .find(|at| {
            bytes
                .get(at + open.len())
                .is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'>')
        });
    for at in memmem::find_iter(up_to(bytes, another), &close) {
        let end = at + close.len();
        let mut tail = bytes.iter().enumerate().skip(end);
        match tail.find(|(_, byte)| !byte.is_ascii_whitespace()) {
            Some((bracket, b'>')) => return Piece::Whole(bracket + 1),
            Some(_) => {}
            None => return Piece::Open,
        }
    }
    another.map_or(Piece::Open, Piece::Broken)
}

/// The end of a tag, comment, declaration or document type.
fn find_tag_end(bytes: &[u8], _: bool) -> Piece {
    let after = |end: &[u8]| match memmem::find(bytes, end) {
        Some(at) => Piece::Whole(at + end.len()),
        None => Piece::Open,
    };
    if bytes.starts_with(b"<!--") {
        return after(b"-->");
    }
    if bytes.starts_with(b"<?") {
        return after(b"?>");
    }
    if bytes.starts_with(b"<!DOCTYPE") {
        let (bracket, close) = (memchr::memchr(b'[', bytes), memchr::memchr(b'>', bytes));
        return match (bracket, close) {
            (Some(open), Some(close)) if open < close => {
                let closed = memchr::memchr(b']', bytes);
                let end = closed
                    .and_then(|closed| memchr::memchr_iter(b'>', bytes).find(|at| *at > closed));
                end.map_or(Piece::Open, |at| Piece::Whole(at + 1))
            }
            (_, Some(close)) => Piece::Whole(close + 1),
            _ => Piece::Open,
        };
    }
    // A tag ends on its line or soon after; a stray `<` must not consume an event.
    let next = memchr::memchr_iter(b'<', bytes).find(|at| *at > 0);
    match (memchr::memchr(b'>', up_to(bytes, next)), next) {
        (Some(close), _) => Piece::Whole(close + 1),
        (None, Some(next)) => Piece::Broken(next),
        (None, None) => Piece::Open,
    }
}
