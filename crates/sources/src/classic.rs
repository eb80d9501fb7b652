//! Windows events as text: the blocks of Splunk's classic `WinEventLog` input, and those of `wevtutil qe /f:text`.
//!
//! A Splunk block begins with a line that is a date and time, has `Key=Value` lines, and ends with `Message=` and the
//! text that follows. Its times are local without a zone, and are read as UTC. A wevtutil block begins with
//! `Event[0]:`, has indented `Key: value` lines, and ends with `Description:` and the text that follows.

use crate::message::message_fields;
use crate::piece::Piece;
use crate::record::Record;
use crate::time;

/// The kind of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    Event,
    NoEventCode,
}

fn line_of(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\n', bytes);
    let line = end.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// What follows on the first line.
fn after_line(bytes: &[u8]) -> &[u8] {
    memchr::memchr(b'\n', bytes)
        .and_then(|end| bytes.get(end + 1..))
        .unwrap_or_default()
}

/// Whether the line consists of a date and time.
fn is_date(line: &[u8]) -> bool {
    if !(14..=40).contains(&line.len()) || !line.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let text = String::from_utf8_lossy(line);
    // WMI writes 20240304120000.000000.
    let wmi = line.split_first_chunk::<14>().is_some_and(|(time, rest)| {
        time.iter().all(u8::is_ascii_digit) && matches!(rest, [b'.', _, _, _, ..])
    });
    wmi || (text.contains(':')
        && (text.contains('/') || text.contains('-'))
        && time::parse(&text).is_some())
}

/// Whether the line is `Key=…` with a key of one word.
fn is_key(line: &[u8]) -> bool {
    let key = line
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    key > 0 && line.get(key) == Some(&b'=')
}

/// Whether the line is the number at the start of a `wevtutil` event.
fn is_number(line: &[u8]) -> bool {
    let line = line.strip_suffix(b":").unwrap_or(line);
    line.strip_prefix(b"Event[")
        .and_then(|line| line.strip_suffix(b"]"))
        .is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

/// Whether a block begins here.
pub(crate) fn starts_block(bytes: &[u8]) -> bool {
    let line = line_of(bytes);
    if line.starts_with(b"LogName=") {
        return true;
    }
    let next = || line_of(after_line(bytes));
    if is_number(line) {
        return next().trim_ascii_start().starts_with(b"Log Name:");
    }
    is_date(line) && is_key(next())
}

/// The end of the block that begins here: before the next block, XML event or JSON record at the start of a line.
pub(crate) fn find_block_end(bytes: &[u8], end: bool) -> Piece {
    let dated = is_date(line_of(bytes));
    let numbered = is_number(line_of(bytes));
    let mut at = match memchr::memchr(b'\n', bytes) {
        Some(at) => at + 1,
        None if end => return Piece::Whole(bytes.len()),
        None => return Piece::Open,
    };
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        // The line after a date decides, so it must be available.
        let lines = memchr::memchr_iter(b'\n', rest).nth(1);
        if lines.is_none() && !end {
            return Piece::Open;
        }
        if rest.is_empty() {
            return Piece::Whole(bytes.len());
        }
        let starts = starts_block(rest) && (!dated || !rest.starts_with(b"LogName="));
        if numbered {
            // A description may have lines of any kind.
            if starts && is_number(line_of(rest)) {
                return Piece::Whole(at);
            }
        } else if starts
            || rest.starts_with(b"<Event ")
            || rest.starts_with(b"<Event>")
            || rest.starts_with(b"{\"")
        {
            return Piece::Whole(at);
        }
        match memchr::memchr(b'\n', rest) {
            Some(next) => at += next + 1,
            None => return Piece::Whole(bytes.len()),
        }
    }
}

/// Parses a block into `record`, which is cleared first.
pub(crate) fn read_block(text: &str, record: &mut Record) -> Block {
    record.clear();
    if is_number(line_of(text.as_bytes())) {
        return read_numbered(text, record);
    }
    let mut id = None;
    let mut rest = text;
    let mut message = None;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.trim_end_matches('\r');
        if let Some(first) = line.strip_prefix("Message=") {
            message = Some(if after.is_empty() {
                first.to_owned()
            } else {
                format!("{first}\n{after}")
            });
            break;
        }
        match line.split_once('=').filter(|_| is_key(line.as_bytes())) {
            Some((key, value)) => {
                let value = value.trim();
                match key {
                    "LogName" | "Logfile" => record.channel = value.to_owned(),
                    "EventCode" => id = value.parse().ok(),
                    "ComputerName" => record.host = value.to_owned(),
                    "RecordNumber" => record.number = value.parse().ok(),
                    "SourceName" => {
                        record.provider = value.to_owned();
                        record.envelope("Provider", value);
                    }
                    "Sid" => record.envelope("UserID", value),
                    "OpCode" => record.envelope("Opcode", value),
                    "TimeGenerated" => {
                        record.time = record
                            .time
                            .or_else(|| time::parse(value).map(|written| written.micros));
                    }
                    _ => record.envelope(key, value),
                }
            }
            None if record.time.is_none() => {
                record.time = time::parse(line).map(|written| written.micros);
            }
            None => {}
        }
        rest = after;
    }
    let Some(id) = id else {
        return Block::NoEventCode;
    };
    record.event_id = id;
    if record.channel.is_empty() {
        record.channel = crate::xml::channel_of_provider(&record.provider).to_owned();
    }
    if let Some(message) = message {
        let message = message.trim();
        message_fields(message, record, false);
        record.envelope("Message", message);
    }
    Block::Event
}

/// Parses a `wevtutil` block.
fn read_numbered(text: &str, record: &mut Record) -> Block {
    let mut id = None;
    let mut message = None;
    let mut rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = after;
        let Some((key, value)) = line.trim().split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key {
            "Description" if value.is_empty() => message = Some(after.trim().to_owned()),
            "Description" => message = Some(format!("{value}\n{after}").trim().to_owned()),
            "Log Name" => record.channel = value.to_owned(),
            "Source" => {
                record.provider = value.to_owned();
                record.envelope("Provider", value);
            }
            "Date" => record.time = time::parse(value).map(|written| written.micros),
            "Event ID" => id = value.parse().ok(),
            "Computer" => record.host = value.to_owned(),
            "User" if value != "N/A" => record.envelope("UserID", value),
            "Task" | "Level" | "Opcode" => record.envelope(key, value),
            "Keyword" => record.envelope("Keywords", value),
            _ => {}
        }
        if message.is_some() {
            break;
        }
    }
    let Some(id) = id else {
        return Block::NoEventCode;
    };
    record.event_id = id;
    if let Some(message) = message {
        message_fields(&message, record, false);
        record.envelope("Message", &message);
    }
    Block::Event
}
