//! Journald's export format (`journalctl -o export`; systemd's "Journal Export Formats"): a field per line, `NAME=value`,
//! and a blank line behind each entry. A value with line breaks or other bytes follows its name's line: its length as a
//! 64-bit number, little-endian, and the bytes.

use std::io::{self, BufRead, BufReader, Read};

use crate::limits::Limits;
use crate::record::Sink;
use crate::report::SourceKind;
use crate::syslog;

/// Fields of one entry that are kept; entries have a few dozen.
const MOST_FIELDS: usize = 1024;

/// Whether data begins with an entry: its place in the journal and its time come first.
pub(crate) fn is_export(prefix: &[u8]) -> bool {
    let head = prefix.get(..4096).unwrap_or(prefix);
    let starts = |name: &[u8]| head.starts_with(name);
    let timed = memchr::memmem::find(head, b"__REALTIME_TIMESTAMP=")
        .is_some_and(|at| at == 0 || head.get(at - 1) == Some(&b'\n'));
    timed && (starts(b"__CURSOR=") || starts(b"__REALTIME_TIMESTAMP="))
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_')
}

/// One entry, as far as it was read.
#[derive(Default)]
struct Entry {
    fields: Vec<(String, String)>,
    bytes: usize,
    /// Fields left out, because there are too many or they are too long.
    left_out: u64,
}

impl Entry {
    fn add(&mut self, name: &[u8], value: &[u8], limits: &Limits) {
        self.bytes = self.bytes.saturating_add(name.len() + value.len());
        if self.fields.len() >= MOST_FIELDS || self.bytes > limits.event_bytes {
            self.left_out += 1;
            return;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.fields.push((text(name), text(value)));
    }

    fn emit(&mut self, sink: &mut Sink<'_, '_>) {
        let fields = std::mem::take(&mut self.fields);
        self.bytes = 0;
        if fields.is_empty() {
            return;
        }
        let of = |name: &str| {
            let mut named = fields.iter().filter(|(own, _)| own == name);
            named.next().map(|(_, value)| value.as_str())
        };
        syslog::journal(&mut sink.record, of);
        for (name, value) in fields.iter().filter(|(name, _)| name != "MESSAGE") {
            sink.record.data(name, value);
        }
        sink.emit();
    }
}

/// What a line of the export is.
enum Line {
    End,
    Blank,
    Field,
    /// A name whose value follows in binary.
    Binary,
    /// No field, or longer than the limit.
    Bad,
}

/// Reads a line into `line`, without its end. One beyond the limit is passed over.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>, most: usize) -> io::Result<Line> {
    line.clear();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    if input.by_ref().take(most).read_until(b'\n', line)? == 0 {
        return Ok(Line::End);
    }
    if line.last() != Some(&b'\n') {
        if (line.len() as u64) < most {
            // The file ends here.
            return Ok(split(line));
        }
        loop {
            let held = input.fill_buf()?;
            let (count, ends) = match memchr::memchr(b'\n', held) {
                Some(at) => (at + 1, true),
                None => (held.len(), held.is_empty()),
            };
            input.consume(count);
            if ends {
                return Ok(Line::Bad);
            }
        }
    }
    line.pop();
    Ok(split(line))
}

fn split(line: &[u8]) -> Line {
    match memchr::memchr(b'=', line) {
        _ if line.is_empty() => Line::Blank,
        Some(at) if is_name(line.get(..at).unwrap_or_default()) => Line::Field,
        None if is_name(line) => Line::Binary,
        _ => Line::Bad,
    }
}

/// Reads an export to its end.
pub(crate) fn read(input: impl Read, limits: &Limits, sink: &mut Sink<'_, '_>) {
    sink.report.kind = SourceKind::Syslog;
    let mut reader = Reader {
        input: BufReader::new(input),
        offset: 0,
        entry: Entry::default(),
    };
    if let Err(error) = reader.entries(limits, sink) {
        let message = format!("reading stopped here: {error}; everything before was kept");
        sink.lost(reader.offset, message);
    }
    reader.entry.emit(sink);
    if reader.entry.left_out > 0 {
        let message = format!(
            "{} fields of journald's entries are too long or too many and were left out",
            reader.entry.left_out
        );
        sink.warn(None, message);
    }
    sink.finish();
}

struct Reader<R> {
    input: BufReader<R>,
    offset: u64,
    entry: Entry,
}

impl<R: Read> Reader<R> {
    fn entries(&mut self, limits: &Limits, sink: &mut Sink<'_, '_>) -> io::Result<()> {
        let mut line = Vec::new();
        // Whether lines are passed over, up to the next entry.
        let mut lost = false;
        loop {
            let begin = self.offset;
            let found = next_line(&mut self.input, &mut line, limits.event_bytes)?;
            self.offset += line.len() as u64 + 1;
            match found {
                Line::End => return Ok(()),
                Line::Blank => {
                    self.entry.emit(sink);
                    lost = false;
                }
                Line::Bad | Line::Field | Line::Binary if lost => {}
                Line::Field => {
                    let at = memchr::memchr(b'=', &line).unwrap_or(line.len());
                    let (name, value) = line.split_at_checked(at).unwrap_or((&line, &[]));
                    let value = value.get(1..).unwrap_or_default();
                    self.entry.add(name, value, limits);
                }
                Line::Binary => {
                    if !self.binary(&line, limits)? {
                        lost = true;
                        let what =
                            "an entry of the journal is damaged; what it holds up to there is kept";
                        sink.lost(begin, what.to_owned());
                    }
                }
                Line::Bad => {
                    lost = true;
                    let what =
                        "a line is no field of the journal; reading goes on at the next entry";
                    sink.lost(begin, what.to_owned());
                }
            }
        }
    }

    /// Reads a value of a given length, and returns whether it is whole and ends its line.
    fn binary(&mut self, name: &[u8], limits: &Limits) -> io::Result<bool> {
        let mut length = [0_u8; 8];
        if !whole(self.input.read_exact(&mut length))? {
            return Ok(false);
        }
        self.offset += 8;
        let length = u64::from_le_bytes(length);
        let most = u64::try_from(limits.event_bytes).unwrap_or(u64::MAX);
        if length > most {
            // No program writes so much; this is no length.
            return Ok(false);
        }
        let mut value = Vec::new();
        let count = self.input.by_ref().take(length).read_to_end(&mut value)?;
        self.offset += count as u64;
        self.entry.add(name, &value, limits);
        let mut end = [0_u8; 1];
        if count as u64 != length || !whole(self.input.read_exact(&mut end))? {
            return Ok(false);
        }
        self.offset += 1;
        Ok(end == *b"\n")
    }
}

/// Whether as much was there as was to be read.
fn whole(read: io::Result<()>) -> io::Result<bool> {
    match read {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
