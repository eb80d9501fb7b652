//! JSON records in the shapes that exist in practice.
//!
//! A record is flattened into (path, value) pairs while it is parsed; nested and dotted keys then look alike
//! (`winlog.event_data.Image`). The paths reveal the shape.
//!
//! # Which time counts
//! - evtx_dump, event XML turned into JSON, Get-WinEvent: `TimeCreated`. Winlogbeat: `winlog.time_created`; without it the
//!   earlier of `@timestamp` and `event.created`, since neither an agent nor who receives from it sees an event before it
//!   happens.
//! - NXLog: `EventTime` is local time without a zone, `@timestamp` is the time of receipt. The zone is what lies, in
//!   quarters of an hour, between `EventReceivedTime` (local) and `@timestamp` (UTC); `EventTime` is moved by it.
//!   Where Sysmon's `UtcTime` lies within two minutes of that it is used, being finer; the `UtcTime` of network events can be hours off.
//! - Flat records with only a `TimeCreated` write local time as if it were UTC, often on a 12-hour clock. There Sysmon's
//!   `UtcTime` counts (but for network events), and the other records are moved by what the last such pair of the same host shows.
//! - `TimeGenerated` (Azure, WMI, Fluent Bit) and the like say when the event was written; where they name no zone, it is
//!   told by the time of receipt, as above. Of names that say nothing of that (`timestamp`, `time`) the earliest counts.
//! - Where there is none of these names, the same written otherwise (`event_time`, `TimeCreatedUtc`, `created`) tells it.
//! - Zeek: `ts`. Splunk: the time in the raw event, else `_time`. Plaso: `timestamp`, microseconds.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use memchr::memmem;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::classic;
use crate::csv;
use crate::hayabusa;
use crate::message;
use crate::piece::Piece;
use crate::positions::name_values;
use crate::record::{Record, Sink};
use crate::report::{Problem, SourceKind};
use crate::syslog;
use crate::time;
use crate::xml::{self, XmlError};
use crate::zeek;

/// The end of the JSON object that opens here. An object can only contain another one after a colon or in an array, and
/// a string no line break: otherwise it is broken there.
pub(crate) fn find_object_end(bytes: &[u8], _: bool) -> Piece {
    // For each open bracket, whether it belongs to an object.
    let mut objects: Vec<bool> = Vec::with_capacity(16);
    let mut at = 0;
    let mut last = b':';
    while let Some(byte) = bytes.get(at).copied() {
        match byte {
            b'"' => {
                let mut from = at + 1;
                at = loop {
                    let found = bytes
                        .get(from..)
                        .and_then(|rest| memchr::memchr3(b'"', b'\\', b'\n', rest));
                    let Some(found) = found.map(|found| from + found) else {
                        return Piece::Open;
                    };
                    match bytes.get(found) {
                        Some(b'"') => break found,
                        Some(b'\\') => from = found + 2,
                        _ => return Piece::Broken(found + 1),
                    }
                };
            }
            b'{' | b'[' => {
                if objects.last() == Some(&true) && last != b':' {
                    return Piece::Broken(at);
                }
                if objects.len() > 1000 {
                    return Piece::Broken(at);
                }
                objects.push(byte == b'{');
            }
            b'}' | b']' => {
                if objects.pop() != Some(byte == b'}') {
                    return Piece::Broken(at + 1);
                }
                if objects.is_empty() {
                    return Piece::Whole(at + 1);
                }
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            last = byte;
        }
        at += 1;
    }
    Piece::Open
}

/// One leaf of a record.
#[derive(Debug)]
struct Leaf {
    path: (usize, usize),
    value: (usize, usize),
    /// Which object in an array it belongs to; 0 for none.
    element: u32,
}

/// A record as leaves.
#[derive(Debug, Default)]
struct Flat {
    text: String,
    leaves: Vec<Leaf>,
    path: String,
    element: u32,
    elements: u32,
}

impl Flat {
    fn parse(&mut self, text: &str) -> Result<(), serde_json::Error> {
        self.text.clear();
        self.leaves.clear();
        self.path.clear();
        self.element = 0;
        self.elements = 0;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        deserializer.deserialize_any(Flatten(self))?;
        deserializer.end()
    }

    /// Takes the columns of a row for the keys of a record.
    fn take_row(&mut self, row: &[(&str, String)]) {
        self.text.clear();
        self.leaves.clear();
        self.element = 0;
        for (name, value) in row {
            self.path.clear();
            self.path.push_str(name);
            self.leaf(value);
        }
        self.path.clear();
    }

    fn leaf(&mut self, value: &str) {
        let start = self.text.len();
        self.text.push_str(&self.path);
        let middle = self.text.len();
        self.text.push_str(value);
        let element = self.element;
        self.leaves.push(Leaf {
            path: (start, middle),
            value: (middle, self.text.len()),
            element,
        });
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        self.leaves.iter().map(|leaf| {
            (
                &self.text[leaf.path.0..leaf.path.1],
                &self.text[leaf.value.0..leaf.value.1],
                leaf.element,
            )
        })
    }

    /// GELF prefixes additional fields with `_`.
    fn unmark_gelf(&mut self) {
        let is = |name: &str| self.iter().any(|(path, ..)| path == name);
        if is("short_message") && IDS.iter().any(|id| is(&format!("_{id}"))) {
            for leaf in &mut self.leaves {
                if self
                    .text
                    .get(leaf.path.0..)
                    .is_some_and(|path| path.starts_with('_'))
                {
                    leaf.path.0 += 1;
                }
            }
        }
    }

    /// Gives keys at the top that are those of an event's header but for their spelling the spelling that is known. Says
    /// whether there were any.
    fn respell(&mut self) -> bool {
        let mut any = false;
        for at in 0..self.leaves.len() {
            let Some(leaf) = self.leaves.get(at) else {
                continue;
            };
            let path = &self.text[leaf.path.0..leaf.path.1];
            let Some(known) = csv::header_name(path).filter(|known| *known != path) else {
                continue;
            };
            let start = self.text.len();
            self.text.push_str(known);
            let end = self.text.len();
            if let Some(leaf) = self.leaves.get_mut(at) {
                leaf.path = (start, end);
            }
            any = true;
        }
        any
    }

    /// The first value of the key below the prefix.
    fn below(&self, prefix: &str, key: &str) -> Option<&str> {
        self.iter()
            .find(|(name, value, _)| !value.is_empty() && name.strip_prefix(prefix) == Some(key))
            .map(|(_, value, _)| value)
    }
}

/// A truncated JSON object, completed after its last complete value, or with the available part of a text. Says whether the
/// last value is such a part.
fn completed(text: &str) -> Option<(String, bool)> {
    let bytes = text.as_bytes();
    let mut open: Vec<u8> = Vec::new();
    // The length of the text after each complete value, and what is open there.
    let mut kept = (0, 0);
    let mut is_key = false;
    let mut at = 0;
    let mut cut = None;
    while let Some(byte) = bytes.get(at).copied() {
        match byte {
            b'"' => {
                let mut end = at + 1;
                loop {
                    match bytes.get(end) {
                        Some(b'"') => break,
                        // An escape is kept completely or dropped.
                        Some(b'\\') => {
                            let length = if bytes.get(end + 1) == Some(&b'u') {
                                6
                            } else {
                                2
                            };
                            if end + length > bytes.len() {
                                cut = Some(end);
                                break;
                            }
                            end += length;
                        }
                        Some(b'\n' | b'\r') | None => {
                            cut = Some(end);
                            break;
                        }
                        Some(_) => end += 1,
                    }
                }
                if cut.is_some() {
                    break;
                }
                at = end;
                if !is_key {
                    kept = (at + 1, open.len());
                }
            }
            b'{' | b'[' => {
                open.push(if byte == b'{' { b'}' } else { b']' });
                is_key = byte == b'{';
                kept = (at + 1, open.len());
            }
            b'}' | b']' => {
                if open.last() != Some(&byte) {
                    break;
                }
                open.pop();
                kept = (at + 1, open.len());
                if open.is_empty() {
                    break;
                }
            }
            b':' => is_key = false,
            b',' => {
                // The preceding token is complete if it is a number or a word.
                kept = (at, open.len());
                is_key = open.last() == Some(&b'}');
            }
            _ => {}
        }
        at += 1;
    }
    let (length, depth) = kept;
    let (mut whole, is_part) = match cut {
        Some(end) if !is_key => (format!("{}\"", text.get(..end)?), true),
        _ => {
            open.truncate(depth);
            (text.get(..length)?.to_owned(), false)
        }
    };
    whole.extend(open.iter().rev().map(|byte| char::from(*byte)));
    Some((whole, is_part))
}

/// Whether a value is of the event's header, so that a part of it says something else: another time, host or log.
fn is_of_header(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    let lower = last.to_ascii_lowercase();
    csv::header_name(last).is_some()
        || IDS.contains(&last)
        || path
            .split('.')
            .any(|name| name.eq_ignore_ascii_case("system"))
        || path.to_ascii_lowercase().ends_with("provider.name")
        || ["time", "date", "stamp", "created"]
            .iter()
            .any(|part| lower.contains(part))
        || matches!(
            lower.as_str(),
            "ts" | "id" | "host" | "provider" | "source" | "sourcetype"
        )
}

/// What stands before the record of an entry in Fluentd's forward protocol, or as Fluent Bit prints it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Bytes up to the record, or up to the array of entries.
    pub head: usize,
    /// In microseconds since 1970-01-01 UTC; `None` if entries follow that have a time each.
    pub time: Option<i64>,
    /// Whether the entry names its tag.
    pub tagged: bool,
}

/// The entry that opens here: `[time, {…}]`, `["tag", time, {…}]`, `["tag", [[time, {…}], …]]`, `[[time, {…}], {…}]` (whose first
/// object is about the record).
pub(crate) fn entry(bytes: &[u8]) -> Option<Entry> {
    /// Tags and what Fluent Bit says of a record are short.
    const MOST: usize = 1024;
    let bytes = bytes.get(..MOST).unwrap_or(bytes);
    let mut at = 0;
    let sign = |at: &mut usize, sign: u8| {
        let rest = bytes.get(*at..).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        let next = *at + blanks.count();
        let there = bytes.get(next) == Some(&sign);
        if there {
            *at = next + 1;
        }
        there
    };
    // A text in quotes, or a number.
    let word = |at: &mut usize| -> Option<&str> {
        let rest = bytes.get(*at..)?;
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        let start = *at + blanks.count();
        let rest = bytes.get(start..)?;
        let (from, length, all) = if rest.first() == Some(&b'"') {
            let length = memchr::memchr2(b'"', b'\\', rest.get(1..)?)?;
            (1, length, length + 2)
        } else {
            let number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
            let length = rest.iter().take_while(|byte| number(byte)).count();
            (0, length, length)
        };
        *at = start + all;
        std::str::from_utf8(rest.get(from..from + length)?).ok()
    };
    let time = |word: &str| time::parse(word).map(|written| written.micros);
    if !sign(&mut at, b'[') {
        return None;
    }
    let nested = sign(&mut at, b'[');
    let is_text = bytes.get(at..)?.trim_ascii_start().starts_with(b"\"");
    let first = word(&mut at).filter(|first| !first.is_empty())?;
    if !sign(&mut at, b',') {
        return None;
    }
    let tagged = is_text && !nested && time(first).is_none();
    let time = if tagged {
        if sign(&mut at, b'[') {
            return Some(Entry {
                head: at - 1,
                time: None,
                tagged,
            });
        }
        let second = time(word(&mut at)?)?;
        if !sign(&mut at, b',') {
            return None;
        }
        second
    } else {
        time(first)?
    };
    if nested {
        let rest = bytes.get(at..)?.trim_ascii_start();
        let Piece::Whole(length) = find_object_end(rest, false) else {
            return None;
        };
        at = bytes.len() - rest.len() + length;
        if !sign(&mut at, b']') || !sign(&mut at, b',') {
            return None;
        }
    }
    sign(&mut at, b'{').then_some(Entry {
        head: at - 1,
        time: Some(time),
        tagged,
    })
}

/// Where the first array of objects opens in a JSON object, and where its first object does.
pub(crate) fn array_within(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => loop {
                at += 1 + memchr::memchr2(b'"', b'\\', bytes.get(at + 1..)?)?;
                if bytes.get(at) == Some(&b'"') {
                    break;
                }
                at += 1;
            },
            b'[' => {
                let rest = bytes.get(at + 1..)?;
                let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
                let first = at + 1 + blanks.count();
                if bytes.get(first) == Some(&b'{') {
                    return Some((at, first));
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

struct Flatten<'f>(&'f mut Flat);

impl<'de> DeserializeSeed<'de> for Flatten<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// A key, appended to the path.
struct Key<'f>(&'f mut String);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        if !self.0.is_empty() {
            self.0.push('.');
        }
        self.0.push_str(key);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Flatten<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.leaf(if value { "true" } else { "false" });
        Ok(())
    }
    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.leaf(&value.to_string());
        Ok(())
    }
    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.leaf(&value.to_string());
        Ok(())
    }
    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.leaf(&value.to_string());
        Ok(())
    }
    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.0.leaf(value);
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.leaf("");
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let outer = self.0.element;
        loop {
            self.0.elements += 1;
            self.0.element = self.0.elements;
            if items.next_element_seed(Flatten(&mut *self.0))?.is_none() {
                break;
            }
        }
        self.0.element = outer;
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let length = self.0.path.len();
        while items.next_key_seed(Key(&mut self.0.path))?.is_some() {
            // The keys of a deep record repeat in every path below them; a hostile one must not square its size.
            if self.0.path.len() > 4096 || self.0.text.len() > 1 << 30 {
                return Err(A::Error::custom("its keys are too long"));
            }
            items.next_value_seed(Flatten(&mut *self.0))?;
            self.0.path.truncate(length);
        }
        Ok(())
    }
}

/// Reads JSON records; one reader per source, because some shapes need memory.
#[derive(Debug, Default)]
pub(crate) struct JsonReader {
    flat: Flat,
    records: u64,
    unknown: u64,
    keys: BTreeMap<String, u64>,
    /// For each host, how far Sysmon's `UtcTime` is ahead of a `TimeCreated` that falsely claims to be UTC.
    zones: HashMap<String, i64>,
    hinted: bool,
    /// The Zeek log types in the file name, once it was examined.
    zeek_file: Option<Vec<&'static str>>,
    /// The single type that matches the keys of the file's first rows.
    zeek_rows: Option<&'static str>,
    /// Plaso records about something other than event logs.
    foreign: u64,
}

/// The known shapes, for the message about an unknown one.
const SHAPES: &str = "evtx_dump (Event.System.EventID), NXLog and other flat records (EventID, Channel), Winlogbeat (winlog.event_id), \
     EvtxECmd (EventId, Payload), Velociraptor (System.EventID.Value), Wazuh (data.win.system.eventID), Splunk export (result._raw), Get-WinEvent (Id, LogName), \
     Fluent Bit (EventID, StringInserts), Hayabusa (RuleTitle, Details), plaso (data_type, event_identifier), Zeek (ts, and its columns or a file named as the log), and CIM records (sourcetype)";

/// Number of rows of a Zeek log to examine before reading the first.
const ROWS_AHEAD: usize = 200;

/// The leaves of a JSON record of unknown shape, for callers who keep it unchanged.
#[derive(Debug, Default)]
pub(crate) struct Leaves(Flat);

impl Leaves {
    /// Parses a text, and returns whether it is JSON: an object or an array.
    pub fn parse(&mut self, text: &str) -> bool {
        text.starts_with(['{', '[']) && self.0.parse(text).is_ok()
    }

    /// Paths and values; an element of an array under the array's path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(path, value, _)| (if path.is_empty() { "message" } else { path }, value))
    }
}

impl JsonReader {
    /// Sets the Zeek log types for the next records, in place of a file name. The file is then no longer searched for
    /// hints ahead of its records.
    pub fn knows_zeek(&mut self, kinds: &[&'static str]) {
        self.hinted = true;
        if self.zeek_file.as_deref() != Some(kinds) {
            self.zeek_file = Some(kinds.to_vec());
        }
    }

    /// Looks ahead, once, for the first Sysmon event among records that write local time as if it were UTC, so that the
    /// records before it are dated correctly too.
    pub fn look_ahead(&mut self, window: &[u8], path: &str) {
        if std::mem::replace(&mut self.hinted, true) {
            return;
        }
        self.look_for_zeek(window, path);
        let value = |line: &[u8], key: &[u8]| -> Option<i64> {
            let rest = line.get(memmem::find(line, key)? + key.len()..)?;
            let text = rest.get(..memchr::memchr(b'"', rest)?)?;
            time::parse(std::str::from_utf8(text).ok()?).map(|written| written.micros)
        };
        for line in window.split(|byte| *byte == b'\n') {
            let network = [
                &b"\"EventID\":3,"[..],
                b"\"EventID\":22,",
                b"\"EventID\":3}",
                b"\"EventID\":22}",
            ];
            if memmem::find(line, b"\"EventTime\"").is_some()
                || network.iter().any(|id| memmem::find(line, id).is_some())
            {
                continue;
            }
            if let (Some(created), Some(utc)) = (
                value(line, b"\"TimeCreated\":\""),
                value(line, b"\"UtcTime\":\""),
            ) {
                self.zones.insert(String::new(), time::zone(created, utc));
                return;
            }
        }
    }

    /// Determines the type of the rows of a Zeek log, some of which have few of its columns. If a file mixes several
    /// types, each row names its own.
    fn look_for_zeek(&mut self, window: &[u8], path: &str) {
        if memmem::find(window, b"\"ts\"").is_none() {
            return;
        }
        let names = zeek::kinds_of_file(path);
        let mut flat = Flat::default();
        let mut kinds: Vec<&'static str> = Vec::new();
        for line in window.split(|byte| *byte == b'\n').take(ROWS_AHEAD) {
            let Ok(line) = std::str::from_utf8(line) else {
                continue;
            };
            if flat.parse(line.trim()).is_err() || flat.below("", "ts").is_none() {
                continue;
            }
            let has = |name: &str| flat.iter().any(|(path, _, _)| path == name);
            if let Some(kind) = zeek::proven(has, &names)
                && !kinds.contains(&kind)
            {
                kinds.push(kind);
            }
        }
        if let [kind] = kinds.as_slice() {
            self.zeek_rows = Some(*kind);
        }
    }

    /// Reads the record in `text` into the sink. Returns whether it was Zeek or other JSON.
    pub fn read(
        &mut self,
        text: &str,
        sink: &mut Sink<'_, '_>,
    ) -> Result<SourceKind, serde_json::Error> {
        self.read_at(text, sink, 0)
    }

    /// Reads a row of a table of events into the sink.
    pub fn read_row(&mut self, row: &[(&str, String)], sink: &mut Sink<'_, '_>) {
        self.flat.take_row(row);
        // Cannot fail: cell content that is not JSON is kept as text, or reported.
        let _ = self.read_flat("", sink, 0);
    }

    fn read_at(
        &mut self,
        text: &str,
        sink: &mut Sink<'_, '_>,
        depth: u32,
    ) -> Result<SourceKind, serde_json::Error> {
        self.flat.parse(text)?;
        self.flat.unmark_gelf();
        self.read_flat(text, sink, depth)
    }

    /// Reads the available part of a truncated record. Returns whether it is an event with a time, which is kept.
    pub fn read_cut(&mut self, text: &str, sink: &mut Sink<'_, '_>) -> bool {
        /// Shorter ones cannot contain an id, a log and a time.
        const LEAST: usize = 48;
        let Some(whole) = Some(text)
            .filter(|text| text.len() >= LEAST)
            .and_then(|text| self.take_cut(text, &sink.report.path))
        else {
            return false;
        };
        let before = sink.report.records;
        sink.cut = true;
        let read = self.read_flat(&whole, sink, 0);
        sink.cut = false;
        read.is_ok() && sink.report.records > before
    }

    /// Parses the available part of a truncated record. Returns its text, completed, if it has a known shape.
    fn take_cut(&mut self, text: &str, path: &str) -> Option<String> {
        let (whole, is_part) = completed(text)?;
        self.flat.parse(&whole).ok()?;
        if is_part
            && self
                .flat
                .iter()
                .last()
                .is_some_and(|(path, ..)| is_of_header(path))
        {
            self.flat.leaves.pop();
        }
        self.flat.unmark_gelf();
        let names = self
            .zeek_file
            .get_or_insert_with(|| zeek::kinds_of_file(path));
        let shape = shape_of(&self.flat, names);
        (!matches!(shape, Shape::Unknown | Shape::Cim(_))).then_some(whole)
    }

    /// Whether a text, which may be truncated, begins with a record.
    pub fn begins_record(&mut self, text: &str, path: &str) -> bool {
        let length = match find_object_end(text.as_bytes(), true) {
            Piece::Whole(length) => length,
            _ => text.len(),
        };
        text.get(..length)
            .is_some_and(|record| self.take_cut(record, path).is_some())
    }

    /// Reads the last parsed record, whose text is `text` if it was JSON.
    fn read_flat(
        &mut self,
        text: &str,
        sink: &mut Sink<'_, '_>,
        depth: u32,
    ) -> Result<SourceKind, serde_json::Error> {
        self.records += 1;
        let names = &*self
            .zeek_file
            .get_or_insert_with(|| zeek::kinds_of_file(&sink.report.path));
        let mut shape = shape_of(&self.flat, names);
        if shape == Shape::Unknown && self.flat.respell() {
            shape = shape_of(&self.flat, names);
        }
        sink.record.clear();
        match shape {
            Shape::EventTree(prefix) => event_tree(&self.flat, prefix, &mut sink.record),
            Shape::Winlogbeat(prefix) => winlogbeat(&self.flat, prefix, &mut sink.record),
            Shape::EvtxECmd(prefix) => {
                let payload = evtxecmd(&self.flat, prefix, &mut sink.record).to_owned();
                let part = sink.cut.then(|| completed(&payload)).flatten();
                let payload = part.map_or(payload, |(whole, _)| whole);
                if self.flat.parse(&payload).is_ok() {
                    event_tree(&self.flat, "", &mut sink.record);
                } else {
                    sink.record.data("Payload", &payload);
                }
            }
            Shape::Wazuh(prefix) => wazuh(&self.flat, prefix, &mut sink.record),
            Shape::Flat(prefix) => {
                flat_record(&self.flat, prefix, &mut sink.record, &mut self.zones);
                if self.flat.below(prefix, "sourcetype").is_some() {
                    message::extracted_fields(&mut sink.record);
                }
            }
            Shape::Hayabusa => {
                let of = |names: &[&str]| names.iter().find_map(|name| self.flat.below("", name));
                let record = &mut sink.record;
                record.event_id = of(&["EventID"]).and_then(number).unwrap_or(0);
                record.channel = of(&["Channel"]).unwrap_or_default().to_owned();
                record.host = of(&["Computer"]).unwrap_or_default().to_owned();
                record.number = of(&["RecordID", "EventRecordID"]).and_then(count);
                record.time = of(&["Timestamp"])
                    .and_then(time::parse)
                    .map(|written| written.micros);
                record.envelope("Provider", of(&["Provider"]).unwrap_or_default());
                hayabusa::fill(
                    record,
                    self.flat.iter().map(|(path, value, _)| (path, value)),
                );
            }
            Shape::Zeek(prefix) => {
                zeek_record(&self.flat, prefix, names, self.zeek_rows, &mut sink.record);
                sink.emit();
                return Ok(SourceKind::Zeek);
            }
            Shape::Journal(prefix) => {
                let flat = &self.flat;
                syslog::journal(&mut sink.record, |name| flat.below(prefix, name));
                for (path, value, element) in flat.iter() {
                    // A value that is not text is an array of bytes.
                    let is_text = element == 0 || value.parse::<u8>().is_err();
                    let name = path.strip_prefix(prefix).filter(|name| *name != "MESSAGE");
                    if let Some(name) = name.filter(|_| is_text && !value.is_empty()) {
                        sink.record.data(name, value);
                    }
                }
                sink.emit();
                return Ok(SourceKind::Json);
            }
            Shape::Raw(prefix) => return self.raw(prefix, sink, depth),
            Shape::Plaso => plaso(&self.flat, &mut sink.record),
            Shape::PlasoMessage => {
                // The message holds what plaso's other outputs have in fields.
                let of = |name: &str| self.flat.below("", name).unwrap_or_default().to_owned();
                let mut event = vec![("timestamp", of("timestamp")), ("datetime", of("datetime"))];
                event.extend(csv::event_of_message(&of("message")).unwrap_or_default());
                self.flat.take_row(&event);
                plaso(&self.flat, &mut sink.record);
            }
            Shape::Cim(prefix) => cim(&self.flat, prefix, &mut sink.record),
            Shape::Unknown => {
                self.unknown(text, sink, depth);
                return Ok(SourceKind::Json);
            }
        }
        fill_from_message(&mut sink.record);
        sink.emit();
        Ok(SourceKind::Json)
    }

    /// An event as text inside a JSON record.
    fn raw(
        &mut self,
        prefix: &'static str,
        sink: &mut Sink<'_, '_>,
        depth: u32,
    ) -> Result<SourceKind, serde_json::Error> {
        let raw = raw_text(&self.flat, prefix).unwrap_or_default().to_owned();
        let start = raw.trim_start();
        let time = self
            .flat
            .below(prefix, "_time")
            .or_else(|| self.flat.below(prefix, "time"))
            .or_else(|| self.flat.below(prefix, "timestamp"))
            .and_then(time::parse)
            .map(|written| written.micros);
        let host = self
            .flat
            .below(prefix, "host")
            .or_else(|| self.flat.below(prefix, "computer_name"))
            .unwrap_or_default()
            .to_owned();
        let number = self
            .flat
            .below(prefix, "record_number")
            .and_then(|text| text.parse().ok());
        let labels: Vec<(&str, String)> = ["source", "sourcetype"]
            .iter()
            .filter_map(|name| Some((*name, self.flat.below(prefix, name)?.to_owned())))
            .collect();
        let read = if start.starts_with('<') && start.contains("Event") {
            let inner = start.find("<Event").map_or(start, |at| &start[at..]);
            let read = xml::read_event(inner, &mut sink.record);
            sink.keep_xml(inner);
            match read {
                Ok(()) => true,
                Err(XmlError::NoEventId) => false,
                Err(error) => {
                    // Splunk truncates long events: warn, and use what is available.
                    let record = Some(sink.report.records + 1);
                    sink.report.problem(Problem {
                        offset: None,
                        record,
                        message: error.to_string(),
                        loss: true,
                    });
                    true
                }
            }
        } else if classic::starts_block(start.as_bytes()) {
            classic::read_block(start, &mut sink.record) == classic::Block::Event
        } else if start.starts_with('{') && depth < 3 {
            // The raw event counts, not what Splunk extracted from it.
            self.records -= 1;
            return self.read_at(start, sink, depth + 1);
        } else {
            false
        };
        if !read {
            // The raw event is unreadable; the extracted fields may still have it.
            if flat_event_id(&self.flat, prefix).is_some() {
                sink.record.clear();
                flat_record(&self.flat, prefix, &mut sink.record, &mut self.zones);
                message::extracted_fields(&mut sink.record);
            } else if self.flat.below(prefix, "sourcetype").is_some() {
                sink.record.clear();
                cim(&self.flat, prefix, &mut sink.record);
            } else {
                self.note_unknown();
                return Ok(SourceKind::Json);
            }
        }
        // Classic text has no zone: `_time` reveals it, if it differs by a whole zone offset.
        match (sink.record.time, time) {
            (Some(written), Some(known)) if !start.starts_with('<') => {
                let moved = written + time::zone(written, known);
                sink.record.time = Some(if (moved - known).abs() < 2_000_000 {
                    known
                } else {
                    moved
                });
            }
            (None, Some(known)) => sink.record.time = Some(known),
            _ => {}
        }
        if sink.record.host.is_empty() {
            sink.record.host = host;
        }
        sink.record.number = sink.record.number.or(number);
        for (name, value) in labels {
            sink.record.envelope(name, &value);
        }
        sink.emit();
        Ok(SourceKind::Json)
    }

    /// A record of unknown shape: perhaps a wrapper around an array of records.
    fn unknown(&mut self, text: &str, sink: &mut Sink<'_, '_>, depth: u32) {
        if depth < 3
            && let Ok(value) = serde_json::from_str::<serde_json::Value>(text)
            && let Some(inner) = wrapped(&value, 0)
        {
            self.records -= 1;
            for item in inner {
                // The value is itself JSON.
                if self.read_at(&item.to_string(), sink, depth + 1).is_err() {
                    sink.lost(0, "a record inside an array could not be read".to_owned());
                }
            }
            return;
        }
        // A plaso timeline has everything on a disk; entries that are not log events are ignored here.
        if self.flat.below("", "data_type").is_some()
            && self.flat.below("", "__container_type__").is_some()
        {
            self.foreign += 1;
            self.records -= 1;
            return;
        }
        self.note_unknown();
    }

    fn note_unknown(&mut self) {
        self.unknown += 1;
        for (path, _, _) in self.flat.iter().take(200) {
            if self.keys.contains_key(path) || self.keys.len() < 64 {
                *self
                    .keys
                    .entry(path.chars().take(60).collect())
                    .or_default() += 1;
            }
        }
    }

    /// Reports at the end of the source which records had no known shape.
    pub fn finish(&self, sink: &mut Sink<'_, '_>) {
        if self.foreign > 0 {
            let message = format!(
                "{} records of plaso are about other things than events of logs and were passed over",
                grouped(self.foreign)
            );
            sink.warn(None, message);
        }
        if self.unknown == 0 {
            return;
        }
        let mut keys: Vec<(&String, &u64)> = self.keys.iter().collect();
        keys.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
        let keys: Vec<&str> = keys
            .iter()
            .take(20)
            .map(|(name, _)| name.as_str())
            .collect();
        let message = format!(
            "{} of {} records have a shape that is understood; keys seen in the others: {}; the shapes understood are {SHAPES}",
            grouped(self.records - self.unknown),
            grouped(self.records),
            if keys.is_empty() {
                "none".to_owned()
            } else {
                keys.join(", ")
            },
        );
        // An unrelated JSON file in the folder is not a loss; a file in which only some records are recognised is.
        let loss = sink.strict || self.unknown < self.records;
        if loss {
            sink.report.skipped += self.unknown;
        }
        sink.report.problem(Problem {
            offset: None,
            record: None,
            message,
            loss,
        });
    }
}

/// A number with spaces between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The first array of objects in a value that is not itself a record.
fn wrapped(value: &serde_json::Value, depth: u32) -> Option<&Vec<serde_json::Value>> {
    if depth > 3 {
        return None;
    }
    match value {
        serde_json::Value::Array(items) if items.iter().any(serde_json::Value::is_object) => {
            Some(items)
        }
        serde_json::Value::Object(map) => map.values().find_map(|inner| wrapped(inner, depth + 1)),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `Event.System…`, or `System…` alone.
    EventTree(&'static str),
    Winlogbeat(&'static str),
    /// The event's data is JSON inside a text.
    EvtxECmd(&'static str),
    /// Names begin with small letters.
    Wazuh(&'static str),
    Flat(&'static str),
    /// A finding that holds some of the event's fields, under names of its own.
    Hayabusa,
    Zeek(&'static str),
    /// An entry of journald.
    Journal(&'static str),
    /// The event is text in `_raw`.
    Raw(&'static str),
    /// What plaso keeps of an event without its XML.
    Plaso,
    /// The same, with nothing but a message.
    PlasoMessage,
    Cim(&'static str),
    Unknown,
}

/// Wrappers around the actual record: Splunk export, Elasticsearch export, and shippers.
///
/// Splunk wraps records in `result`, Elasticsearch in `_source` or `fields`, its HTTP collector in `event`, Chainsaw in `document`.
const PREFIXES: &[&str] = &[
    "",
    "result.",
    "_source.",
    "fields.",
    "event.",
    "document.data.",
];

/// Names of the event id in flat records, most specific first.
const IDS: &[&str] = &[
    "EventID",
    "EventId",
    "EventCode",
    "event_id",
    "eventid",
    "EventIdentifier",
    "eventID",
    "Id",
];

/// `zeek_names`: the Zeek log types in the file name.
fn shape_of(flat: &Flat, zeek_names: &[&str]) -> Shape {
    // The most common shape by far is recognised in one pass.
    let (mut id, mut channel, mut raw, mut ruled) = (false, false, false, false);
    for (path, value, _) in flat.iter() {
        match path {
            "EventID" => id = number(value).is_some(),
            "Channel" => channel = !value.is_empty(),
            "_raw" => raw = true,
            "RuleTitle" => ruled = true,
            _ => {}
        }
    }
    if id && channel && ruled && hayabusa::is_row(flat.iter().map(|(path, ..)| path)) {
        return Shape::Hayabusa;
    }
    if id && channel && !raw {
        return Shape::Flat("");
    }
    for prefix in PREFIXES {
        let has = |name: &str| {
            flat.iter()
                .any(|(path, _, _)| path.strip_prefix(prefix) == Some(name))
        };
        let under = |name: &str| {
            flat.iter().any(|(path, _, _)| {
                path.strip_prefix(prefix)
                    .is_some_and(|path| path.starts_with(name))
            })
        };
        if !prefix.is_empty() && !under("") {
            continue;
        }
        if under("Event.System.EventID") {
            return Shape::EventTree(match *prefix {
                "" => "Event.",
                "result." => "result.Event.",
                "_source." => "_source.Event.",
                "fields." => "fields.Event.",
                "document.data." => "document.data.Event.",
                _ => "event.Event.",
            });
        }
        if under("System.EventID") {
            return Shape::EventTree(prefix);
        }
        if under("winlog.") && (has("winlog.event_id") || has("event.code")) {
            return Shape::Winlogbeat(prefix);
        }
        if has("event_id") && (has("log_name") || under("event_data.")) {
            return Shape::Winlogbeat(prefix);
        }
        if has("data.win.system.eventID") {
            return Shape::Wazuh(prefix);
        }
        if has("Payload") && has("EventId") && (has("ChunkNumber") || has("MapDescription")) {
            return Shape::EvtxECmd(prefix);
        }
        if raw_text(flat, prefix).is_some() {
            return Shape::Raw(prefix);
        }
        if has("data_type") && has("event_identifier") && has("source_name") {
            return Shape::Plaso;
        }
        if (has("timestamp_desc") || has("data_type"))
            && let Some(message) = flat.below(prefix, "message")
            && csv::event_of_message(message).is_some()
        {
            return Shape::PlasoMessage;
        }
        if flat_event_id(flat, prefix).is_some() && !flat_channel(flat, prefix).is_empty() {
            return Shape::Flat(prefix);
        }
        if has("MESSAGE") && (has("__REALTIME_TIMESTAMP") || has("_SOURCE_REALTIME_TIMESTAMP")) {
            return Shape::Journal(prefix);
        }
        if has("@timestamp") && has("uid") && (has("id.orig_h") || has("id_orig_h")) {
            return Shape::Zeek(prefix);
        }
        if has("ts")
            && (has("uid")
                || has("_path")
                || has("@stream")
                || has("id.orig_h")
                || has("id_orig_h")
                || has("fuid")
                || zeek_names.iter().any(|kind| {
                    let columns = flat.iter().filter_map(|(path, ..)| path.strip_prefix(prefix));
                    zeek::is_row_of(kind, columns)
                })
                // A time and a `host` alone are in many logs.
                || zeek::log_kind(has).is_some_and(|kind| kind != "known_hosts"))
        {
            return Shape::Zeek(prefix);
        }
    }
    let cim = PREFIXES
        .iter()
        .find(|prefix| flat.below(prefix, "sourcetype").is_some());
    if let Some(prefix) = cim {
        return Shape::Cim(prefix);
    }
    let named = |prefix: &&&str| {
        IDS.iter()
            .any(|id| *id != "Id" && flat.below(prefix, id).and_then(number).is_some())
    };
    PREFIXES
        .iter()
        .find(named)
        .map_or(Shape::Unknown, |prefix| Shape::Flat(prefix))
}

/// The event as text, in a Splunk export (`_raw`), in data for its HTTP collector (`event`), or in a line wrapped by a
/// shipper (`message`).
fn raw_text<'f>(flat: &'f Flat, prefix: &str) -> Option<&'f str> {
    flat.below(prefix, "_raw")
        .or_else(|| {
            flat.below(prefix, "event")
                .filter(|_| flat.below(prefix, "sourcetype").is_some())
        })
        .or_else(|| {
            flat.below(prefix, "message")
                .filter(|text| text.trim_start().starts_with("<Event"))
        })
        .or_else(|| {
            // Whatever the field is called (plaso: `xml_string`).
            flat.iter()
                .filter(|(path, ..)| path.starts_with(prefix))
                .map(|(_, value, _)| value)
                .find(|value| {
                    ["<Event ", "<Event>"]
                        .iter()
                        .any(|start| value.trim_start().starts_with(start))
                })
        })
}

/// The log of a flat record: its own statement, or from its provider, Splunk source or id.
fn flat_channel<'f>(flat: &'f Flat, prefix: &str) -> &'f str {
    let first = |names: &[&str]| names.iter().find_map(|name| flat.below(prefix, name));
    if let Some(channel) = first(&[
        "Channel", "LogName", "log_name", "channel", "EventLog", "Logfile",
    ]) {
        return channel;
    }
    if let Some(provider) = first(&[
        "SourceName",
        "ProviderName",
        "EventSourceName",
        "Provider",
        "provider",
        "source_name",
    ]) {
        return xml::channel_of_provider(provider);
    }
    // Event Viewer and Get-EventLog use this name for the provider, and others for other things.
    if let Some(source) = flat.below(prefix, "Source")
        && xml::channel_of_provider(source) != source
    {
        return xml::channel_of_provider(source);
    }
    for label in ["source", "sourcetype"] {
        let log = flat
            .below(prefix, label)
            .and_then(|label| label.split_once("WinEventLog:"));
        if let Some((_, log)) = log {
            return log;
        }
    }
    match flat_event_id(flat, prefix) {
        Some(4608..=6424 | 1102) => "Security",
        Some(7034..=7036 | 7040 | 7045) => "System",
        Some(1..=29) if flat.below(prefix, "UtcTime").is_some() => {
            "Microsoft-Windows-Sysmon/Operational"
        }
        _ => "",
    }
}

fn flat_event_id(flat: &Flat, prefix: &str) -> Option<u32> {
    IDS.iter().find_map(|id| number(flat.below(prefix, id)?))
}

/// A whole number. Tables for people have commas between thousands (`4,624`).
fn count(text: &str) -> Option<u64> {
    let text = text.trim();
    let mut groups = text.split(',');
    let first = groups.next()?;
    if first.len() < text.len()
        && (1..=3).contains(&first.len())
        && groups.all(|group| group.len() == 3)
    {
        return text.replace(',', "").parse().ok();
    }
    text.parse().ok()
}

/// An event id, also with qualifiers in its upper half, as in WMI.
fn number(text: &str) -> Option<u32> {
    let number = count(text)?;
    u32::try_from(if number > 0xffff {
        number & 0xffff
    } else {
        number
    })
    .ok()
}

/// Windows shows GUIDs in braces and lower case; evtx_dump does not.
fn braced(name: &str, value: &str) -> Option<String> {
    let is_guid = value.len() == 36
        && value.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let end = name.as_bytes().last_chunk::<4>();
    (is_guid && end.is_some_and(|end| end.eq_ignore_ascii_case(b"guid")))
        .then(|| format!("{{{}}}", value.to_ascii_lowercase()))
}

fn put(record: &mut Record, name: &str, value: &str) {
    match braced(name, value) {
        Some(value) => record.data(name, &value),
        None => record.data(name, value),
    }
}

/// The event XML as a tree: evtx_dump, xmltodict and the like.
fn event_tree(flat: &Flat, prefix: &str, record: &mut Record) {
    let mut element_names: HashMap<u32, String> = HashMap::new();
    let mut message = String::new();
    for (path, value, element) in flat.iter() {
        let Some(path) = path.strip_prefix(prefix) else {
            continue;
        };
        // Attributes: `X.#attributes.Y`, `X_attributes.Y`, `X.@Y` all become `X.Y`.
        let is_attribute =
            path.contains("#attributes") || path.contains("_attributes.") || path.contains("@");
        let path = path
            .replace(".#attributes", "")
            .replace("_attributes.", ".")
            .replace('@', "");
        let path = path
            .strip_suffix(".#text")
            .or_else(|| path.strip_suffix("._text"))
            .unwrap_or(&path);
        if let Some(name) = path.strip_prefix("System.") {
            match name {
                "EventID" | "EventID.Value" => record.event_id = number(value).unwrap_or(0),
                "Channel" => record.channel = value.to_owned(),
                "Computer" => record.host = value.to_owned(),
                "EventRecordID" => record.number = value.trim().parse().ok(),
                "TimeCreated.SystemTime" | "TimeCreated" => {
                    record.time = time::parse(value).map(|written| written.micros)
                }
                "Provider.Name" => {
                    record.provider = value.to_owned();
                    record.envelope("Provider", value);
                }
                "Provider.Guid" => record.envelope(
                    "ProviderGuid",
                    &braced("guid", value).unwrap_or_else(|| value.to_owned()),
                ),
                "EventID.Qualifiers" => record.envelope("Qualifiers", value),
                "Correlation.ActivityID" => record.envelope(
                    "ActivityID",
                    &braced("guid", value).unwrap_or_else(|| value.to_owned()),
                ),
                "Correlation.RelatedActivityID" => record.envelope(
                    "RelatedActivityID",
                    &braced("guid", value).unwrap_or_else(|| value.to_owned()),
                ),
                "Execution.ProcessID" => record.envelope("ExecutionProcessID", value),
                "Execution.ThreadID" => record.envelope("ExecutionThreadID", value),
                "Security.UserID" => record.envelope("UserID", value),
                "Version" | "Level" | "Task" | "Opcode" | "Keywords" => {
                    record.envelope(name, value)
                }
                _ => {}
            }
        } else if let Some(name) = path.strip_prefix("EventData.") {
            match name {
                "Data.Name" => {
                    element_names.insert(element, value.to_owned());
                }
                "Data" => match element_names.get(&element) {
                    Some(name) => put(record, name, value),
                    None => record.data("Data", value),
                },
                "xmlns" | "Name" if is_attribute => {}
                _ => put(record, name.rsplit('.').next().unwrap_or(name), value),
            }
        } else if path.starts_with("UserData.") && !is_attribute {
            let leaf = path.rsplit('.').next().unwrap_or(path);
            put(record, leaf, value);
        } else if matches!(path, "RenderingInfo.Message" | "Message") {
            message = value.to_owned();
        }
    }
    if record.channel.is_empty() {
        record.channel = xml::channel_of_provider(&record.provider).to_owned();
    }
    record.envelope("Message", &message);
}

/// Winlogbeat 7 and later (`winlog.…`) and older (`event_data.…` at the top).
fn winlogbeat(flat: &Flat, prefix: &str, record: &mut Record) {
    let mut id = None;
    let mut code = None;
    let mut other_host = "";
    let mut time_created = None;
    // Times of intermediaries.
    let mut seen: Option<i64> = None;
    for (path, value, _) in flat.iter() {
        let Some(path) = path.strip_prefix(prefix) else {
            continue;
        };
        let inner = path.strip_prefix("winlog.");
        match inner.unwrap_or(path) {
            "event_id" => id = number(value).or(id),
            "channel" | "log_name" => record.channel = value.to_owned(),
            "computer_name" => record.host = value.to_owned(),
            "record_id" | "record_number" => record.number = count(value),
            "provider_name" | "source_name" => record.provider = value.to_owned(),
            "event.provider" if record.provider.is_empty() => record.provider = value.to_owned(),
            "computer" if record.host.is_empty() => record.host = value.to_owned(),
            "provider_guid" => record.envelope("ProviderGuid", value),
            "version" => record.envelope("Version", value),
            "task" => record.envelope("Task", value),
            "opcode" => record.envelope("Opcode", value),
            "keywords" => record.envelope("Keywords", value),
            "activity_id" => record.envelope("ActivityID", value),
            "related_activity_id" => record.envelope("RelatedActivityID", value),
            "process.pid" | "process_id" if inner.is_some() || path == "process_id" => {
                record.envelope("ExecutionProcessID", value)
            }
            "process.thread.id" | "thread_id" if inner.is_some() || path == "thread_id" => {
                record.envelope("ExecutionThreadID", value);
            }
            "user.identifier" => record.envelope("UserID", value),
            "time_created" => time_created = time::parse(value),
            "event.code" => code = number(value),
            "@timestamp" | "event.created" | "timestamp" => {
                let time = time::parse(value).map(|written| written.micros);
                seen = seen.into_iter().chain(time).min();
            }
            "message" => record.envelope("Message", value),
            "host.name" | "host.hostname" | "host" if other_host.is_empty() => other_host = value,
            name => {
                if let Some(name) = name.strip_prefix("event_data.") {
                    put(record, name, value);
                } else if let Some(name) = name.strip_prefix("user_data.") {
                    let leaf = name.rsplit('.').next().unwrap_or(name);
                    if !matches!(leaf, "xml_name" | "xmlns") {
                        put(record, leaf, value);
                    }
                }
            }
        }
    }
    record.event_id = id.or(code).unwrap_or(0);
    record.time = time_created
        .map(|written| written.micros)
        .or_else(|| seen.map(|seen| before(seen, record)));
    if record.host.is_empty() {
        record.host = other_host.to_owned();
    }
    if record.channel.is_empty() {
        record.channel = xml::channel_of_provider(&record.provider).to_owned();
    }
    let provider = std::mem::take(&mut record.provider);
    record.envelope("Provider", &provider);
    record.provider = provider;
}

/// EvtxECmd's fields around the event's data; the data is JSON in the returned text. The fields of its maps
/// (`PayloadData1`, `UserName`, `RemoteHost` …) are ignored.
fn evtxecmd<'f>(flat: &'f Flat, prefix: &str, record: &mut Record) -> &'f str {
    let of = |name: &str| flat.below(prefix, name);
    record.event_id = of("EventId").and_then(number).unwrap_or(0);
    record.channel = of("Channel").unwrap_or_default().to_owned();
    record.host = of("Computer").unwrap_or_default().to_owned();
    record.number = of("EventRecordId").and_then(|text| text.trim().parse().ok());
    record.time = of("TimeCreated")
        .and_then(time::parse)
        .map(|written| written.micros);
    record.provider = of("Provider").unwrap_or_default().to_owned();
    for (name, own) in [
        ("Provider", "Provider"),
        ("UserId", "UserID"),
        ("ProcessId", "ExecutionProcessID"),
        ("ThreadId", "ExecutionThreadID"),
    ] {
        record.envelope(own, of(name).unwrap_or_default());
    }
    of("Payload").unwrap_or_default()
}

/// Wazuh's Windows events: names begin with small letters, and backslashes are doubled.
fn wazuh(flat: &Flat, prefix: &str, record: &mut Record) {
    let inner = |path| {
        let path: &str = path;
        path.strip_prefix(prefix)?.strip_prefix("data.win.")
    };
    let doubled = flat
        .iter()
        .filter(|(path, _, _)| inner(path).is_some_and(|path| path.starts_with("eventdata.")))
        .all(|(_, value, _)| {
            value
                .split(|letter| letter != '\\')
                .all(|run| run.len().is_multiple_of(2))
        });
    for (path, value, _) in flat.iter() {
        let Some(path) = inner(path) else {
            continue;
        };
        if let Some(name) = path.strip_prefix("system.") {
            match name {
                "eventID" => record.event_id = number(value).unwrap_or(0),
                "channel" => record.channel = value.to_owned(),
                "computer" => record.host = value.to_owned(),
                "eventRecordID" => record.number = value.trim().parse().ok(),
                "systemTime" => record.time = time::parse(value).map(|written| written.micros),
                "providerName" => {
                    record.provider = value.to_owned();
                    record.envelope("Provider", value);
                }
                "processID" => record.envelope("ExecutionProcessID", value),
                "threadID" => record.envelope("ExecutionThreadID", value),
                "version" | "level" | "task" | "opcode" | "keywords" | "message" => {
                    record.envelope(&capital(name), value);
                }
                _ => {}
            }
        } else if let Some(name) = path.strip_prefix("eventdata.") {
            let value = if doubled {
                Cow::Owned(value.replace("\\\\", "\\"))
            } else {
                Cow::Borrowed(value)
            };
            match name {
                "data" => record.data("Data", &value),
                _ if name.starts_with("param") => record.data(name, &value),
                _ => put(record, &capital(name), &value),
            }
        }
    }
}

/// The time of an event for which only `seen` is known, when an intermediary received it: Sysmon records the time in
/// the event itself. (For connections and DNS queries it records it late, and sometimes hours off.)
fn before(seen: i64, record: &Record) -> i64 {
    const LATE: i64 = 120_000_000;
    let sysmon = record.channel.to_ascii_lowercase().contains("sysmon")
        && !matches!(record.event_id, 3 | 22);
    match record.get("UtcTime").and_then(time::parse) {
        Some(utc) if sysmon && seen - utc.micros > LATE => utc.micros,
        _ => seen,
    }
}

/// Plaso's record of a log event, without its XML.
fn plaso(flat: &Flat, record: &mut Record) {
    let of = |name: &str| flat.below("", name).unwrap_or_default();
    record.event_id = number(of("event_identifier")).unwrap_or(0);
    record.host = of("computer_name").to_owned();
    record.number = of("record_number").parse().ok();
    record.time = time::parse(of("timestamp"))
        .or_else(|| time::parse(of("datetime")))
        .map(|written| written.micros);
    record.provider = of("source_name").to_owned();
    record.channel = xml::channel_of_provider(&record.provider).to_owned();
    for (name, own) in [
        ("source_name", "Provider"),
        ("provider_identifier", "ProviderGuid"),
        ("event_version", "Version"),
        ("event_level", "Level"),
        ("user_sid", "UserID"),
    ] {
        record.envelope(own, of(name));
    }
    let strings: Vec<&str> = flat
        .iter()
        .filter(|(path, ..)| *path == "strings")
        .map(|(_, value, _)| value)
        .collect();
    name_values(record, &strings);
}

/// A name with a capital letter.
fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Fields that shippers add to a flat record.
const SHIPPER: &[&str] = &[
    "@version",
    "tags",
    "host",
    "port",
    "type",
    "SourceModuleName",
    "SourceModuleType",
    "EventTypeOrignal",
    "EventReceivedTime",
    "_time",
    "_raw",
    "_indextime",
    "_cd",
    "_bkt",
    "_si",
    "_serial",
    "_sourcetype",
    "punct",
    "linecount",
    "splunk_server",
    "index",
    "timestartpos",
    "timeendpos",
    "_index",
    "_type",
    "_id",
    "_score",
    "preview",
    "offset",
    "lastrow",
    "eventtype",
    "tag",
    "tag::eventtype",
];

/// NXLog, Mordor, Get-WinEvent, Hayabusa, Splunk's extracted fields: one level of keys.
fn flat_record(flat: &Flat, prefix: &str, record: &mut Record, zones: &mut HashMap<String, i64>) {
    record.event_id = flat_event_id(flat, prefix).unwrap_or(0);
    let names = |names: &[&str]| names.iter().find_map(|name| flat.below(prefix, name));
    record.channel = flat_channel(flat, prefix).to_owned();
    if record.channel.is_empty() {
        record.channel.push_str("unknown");
    }
    record.host = names(&[
        "Hostname",
        "Computer",
        "ComputerName",
        "MachineName",
        "computer_name",
        "computer",
        "host",
        "dest",
        "host.name",
    ])
    .unwrap_or_default()
    .to_owned();
    record.provider = names(&[
        "SourceName",
        "ProviderName",
        "EventSourceName",
        "Provider",
        "provider",
        "Source",
    ])
    .unwrap_or_default()
    .to_owned();
    let nxlog = names(&["SourceModuleType", "EventReceivedTime"]).is_some();
    // Get-EventLog's record number is `Index`; WMI's Win32_NTLogEvent has much the same properties.
    let event_log = names(&["ReplacementStrings", "InsertionStrings"]).is_some();
    // Fluent Bit uses `ProcessID` for the writer of the event, like the header.
    let headed = nxlog || event_log || names(&["StringInserts"]).is_some();
    // Get-WinEvent, whose objects have their own names for the header.
    let winevent = names(&["Id"]).is_some() && names(&["MachineName", "ProviderName"]).is_some();
    record.number = names(&[
        "RecordNumber",
        "EventRecordID",
        "EventRecordId",
        "RecordID",
        "RecordId",
        "record_id",
        "record_number",
    ])
    .or_else(|| names(&["Index"]).filter(|_| event_log))
    .and_then(|text| text.trim().parse().ok());
    let provider = std::mem::take(&mut record.provider);
    record.envelope("Provider", &provider);
    record.provider = provider;
    // Azure's tables keep the data as XML; the other columns are not the event's.
    let in_xml = names(&["EventData"]).filter(|text| text.contains("<EventData"));
    if let Some(text) = in_xml {
        let start = text.find("<EventData").unwrap_or(0);
        let end = text.rfind("</EventData>").map_or(text.len(), |at| at + 12);
        let data = text.get(start..end).unwrap_or_default();
        let mut event = Record::default();
        let event_xml = format!("<Event><System><EventID>0</EventID></System>{data}</Event>");
        // Damage costs only what follows it.
        let _ = xml::read_event(&event_xml, &mut event);
        for (name, value) in event.own() {
            put(record, name, value);
        }
    }
    // The values of the event's data without their names.
    let mut inserts: Vec<&str> = Vec::new();
    for (path, value, _) in flat.iter() {
        let Some(path) = path.strip_prefix(prefix) else {
            continue;
        };
        match path {
            "EventData" if in_xml.is_some() => {}
            "RenderedDescription" => record.envelope("Message", value),
            "EventID" | "EventId" | "EventCode" | "event_id" | "eventid" | "EventIdentifier"
            | "eventID" | "Channel" | "LogName" | "log_name" | "channel" | "EventLog"
            | "Logfile" | "Hostname" | "Computer" | "ComputerName" | "MachineName"
            | "computer_name" | "SourceName" | "ProviderName" | "provider" | "RecordNumber"
            | "EventRecordID" | "EventRecordId" | "record_number" | "RecordID" | "RecordId"
            | "record_id" | "@timestamp" | "Timestamp" => {}
            "TimeCreated.DisplayHint" | "TimeGenerated.DisplayHint" => {}
            _ if path.contains(".$date") => {}
            _ if CREATED.contains(&path) || GENERATED.contains(&path) => {}
            // Beside the provider that wrote the event, it is a data field.
            "Provider" if value != record.provider => record.data("Provider", value),
            "Provider" => {}
            "Source" | "EventSourceName" if value == record.provider => {}
            "TaskCategory" => record.envelope(path, value),
            "StringInserts" | "ReplacementStrings" | "InsertionStrings" => inserts.push(value),
            "Properties.Value" if winevent => inserts.push(value),
            "ProcessId" if winevent => record.envelope("ExecutionProcessID", value),
            "ThreadId" if winevent => record.envelope("ExecutionThreadID", value),
            "UserId" | "UserId.Value" if winevent => record.envelope("UserID", value),
            "ProviderId" if winevent => record.envelope("ProviderGuid", value),
            "ActivityId" if winevent => record.envelope("ActivityID", value),
            "RelatedActivityId" if winevent => record.envelope("RelatedActivityID", value),
            _ if winevent
                && (WINEVENT.contains(&path)
                    || path.starts_with("UserId.")
                    || path.starts_with("Properties.")
                    || path.starts_with("Bookmark.")) => {}
            // Properties of WMI's own.
            _ if event_log && path.starts_with("__") => {}
            "Index" | "InstanceId" | "EntryType" | "CategoryNumber" | "Source" | "UserName"
            | "Site" | "Container" | "PSComputerName" | "User" | "CategoryString" | "Type"
                if event_log => {}
            "Data" if headed && !nxlog => {}
            "Sid" if headed && !nxlog => record.envelope("UserID", value),
            "EventCategory" if headed => record.envelope("Task", value),
            "Version" | "Level" | "Task" | "Opcode" | "UserID" | "ActivityID"
            | "RelatedActivityID" | "ExecutionProcessID" | "ExecutionThreadID" | "Qualifiers"
            | "ProviderGuid" | "Severity" | "SeverityValue" | "Category" | "EventType"
            | "OpcodeValue" | "AccountType" | "source" | "sourcetype" | "Message" => {
                record.envelope(path, value)
            }
            "message" | "full_message" => record.envelope("Message", value),
            "short_message" if names(&["full_message"]).is_some() => {}
            "short_message" => record.envelope("Message", value),
            "ThreadID" if headed => record.envelope("ExecutionThreadID", value),
            "ProcessID" if headed => record.envelope("ExecutionProcessID", value),
            // NXLog puts the account that wrote the event there.
            "AccountName" | "Domain" if nxlog => record.envelope(path, value),
            "Keywords" => match value.parse::<i64>() {
                Ok(bits) => record.envelope(path, &format!("{bits:#x}")),
                Err(_) => record.envelope(path, value),
            },
            _ if SHIPPER.contains(&path) || path.starts_with("date_") => {}
            _ if in_xml.is_some() => record.envelope(path, value),
            _ => {
                let name = path
                    .strip_prefix("EventData.")
                    .or_else(|| path.strip_prefix("Details."))
                    .or_else(|| path.strip_prefix("event_data."));
                let name = name.unwrap_or(path);
                let name = name.rsplit('.').next().unwrap_or(name);
                // NXLog renames EventData's `ProcessID`, because it has its own field of that name.
                let name = if name == "ProcessId" && nxlog && matches!(record.event_id, 5156 | 5157)
                {
                    "ProcessID"
                } else {
                    name
                };
                if nxlog && value.contains('&') {
                    // NXLog passes the values on with their XML escapes.
                    put(record, name, &xml::resolve(value));
                } else {
                    put(record, name, value);
                }
            }
        }
    }
    if !inserts.is_empty() {
        // The record's other fields are its exporter's.
        let before = record.own().count();
        if let Some(message) = record.get("Message").map(ToOwned::to_owned) {
            message::message_fields(&message, record, true);
        }
        if record.own().count() == before {
            name_values(record, &inserts);
        }
    }
    record.time = flat_time(flat, prefix, record, zones);
}

/// Get-WinEvent's properties around the event.
const WINEVENT: [&str; 9] = [
    "Id",
    "ContainerLog",
    "MatchedQueryIds",
    "Bookmark",
    "LevelDisplayName",
    "OpcodeDisplayName",
    "TaskDisplayName",
    "KeywordsDisplayNames",
    "Properties",
];

/// Names in flat records for the time at which Windows wrote the event.
const CREATED: [&str; 8] = [
    "TimeCreated",
    "TimeCreated.SystemTime",
    "TimeCreated.value",
    "TimeCreated.DateTime",
    "SystemTime",
    "time_created",
    "timeCreated",
    "EventTime",
];

/// The same, from programs known not to write local time as if it were UTC.
const GENERATED: [&str; 5] = [
    "TimeGenerated",
    "TimeGenerated.value",
    "time_generated",
    "timeGenerated",
    "TimeWritten",
];

/// Names of times of unknown origin.
const OTHER_TIMES: [&str; 10] = [
    "@timestamp",
    "Timestamp",
    "timestamp",
    "event.created",
    "datetime",
    "DateTime",
    "date",
    "Date",
    "time",
    "_time",
];

/// See the module's documentation.
fn flat_time(
    flat: &Flat,
    prefix: &str,
    record: &Record,
    zones: &mut HashMap<String, i64>,
) -> Option<i64> {
    const MINUTE: i64 = 60_000_000;
    let of = |name: &str| flat.below(prefix, name).and_then(time::parse);
    let first = |names: &[&str]| names.iter().find_map(|name| of(name));
    let stamp = of("@timestamp");
    let received = of("EventReceivedTime");
    let event_time = of("EventTime");
    let is_network = matches!(record.event_id, 3 | 22);
    let utc = record
        .channel
        .to_ascii_lowercase()
        .contains("sysmon")
        .then(|| record.get("UtcTime").and_then(time::parse))
        .flatten()
        .map(|written| written.micros);
    if let Some(event_time) = event_time {
        let local = match (event_time.zoned, stamp, received) {
            (true, _, _) => event_time.micros,
            // The same receipt time in local time and in UTC reveals the zone.
            (false, Some(stamp), Some(received)) => {
                event_time.micros + time::zone(received.micros, stamp.micros)
            }
            (false, Some(stamp), None) => {
                event_time.micros + time::zone(event_time.micros, stamp.micros)
            }
            // The one names its zone, the other is next to it.
            (false, None, Some(received)) if received.zoned => {
                event_time.micros + time::zone(event_time.micros, received.micros)
            }
            (false, None, _) => event_time.micros,
        };
        return Some(match utc {
            Some(utc) if (utc - local).abs() <= 2 * MINUTE => utc,
            _ => local,
        });
    }
    if let Some(created) = first(&CREATED) {
        // It can be disguised local time only if it also stands in for `@timestamp`, or is alone; never if it counts
        // from 1970 or has an offset.
        let text = CREATED.iter().find_map(|name| flat.below(prefix, name));
        let honest = text.is_some_and(|text| {
            text.starts_with("/Date(")
                || text
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'.')
                || text
                    .get(10..)
                    .is_some_and(|clock| clock.contains(['+', '-']))
        });
        let disguised = !honest && stamp.is_none_or(|stamp| stamp.micros == created.micros);
        if !disguised {
            return Some(created.micros);
        }
        if let Some(utc) = utc
            && !is_network
        {
            let zone = time::zone(created.micros, utc);
            zones.insert(record.host.clone(), zone);
            return Some(utc);
        }
        return Some(
            created.micros
                + zones
                    .get(&record.host)
                    .or_else(|| zones.get(""))
                    .copied()
                    .unwrap_or(0),
        );
    }
    if let Some(generated) = first(&GENERATED) {
        return Some(match (generated.zoned, stamp) {
            (false, Some(stamp)) => generated.micros + time::zone(generated.micros, stamp.micros),
            _ => generated.micros,
        });
    }
    // Date and clock in fields of their own.
    for [date, clock] in [["Date", "Time"], ["date", "time"]] {
        if let (Some(date), Some(clock)) = (flat.below(prefix, date), flat.below(prefix, clock))
            && clock.contains(':')
            && let Some(written) = time::parse(&format!("{date} {clock}"))
        {
            return Some(written.micros);
        }
    }
    let others = || OTHER_TIMES.iter().filter_map(|name| of(name));
    others()
        .filter(|written| written.zoned)
        .map(|written| written.micros)
        .min()
        .or_else(|| others().map(|written| written.micros).next())
        .map(|seen| before(seen, record))
        .or(utc)
        .or_else(|| time_of_any_spelling(flat, prefix))
}

/// The time under a name that is one of the known ones but for how it is spelled, or for what a database wraps around it
/// (`{"$date": …}`); the most telling name counts.
fn time_of_any_spelling(flat: &Flat, prefix: &str) -> Option<i64> {
    /// Without marks and in small letters; the most telling first.
    const NAMES: [&str; 22] = [
        "timecreated",
        "timecreatedutc",
        "utctimecreated",
        "systemtime",
        "eventtime",
        "eventtimeutc",
        "eventtimestamp",
        "timegenerated",
        "generatedtime",
        "timewritten",
        "eventcreated",
        "eventdate",
        "utctime",
        "timestamp",
        "datetime",
        "time",
        "logtime",
        "created",
        "createdtime",
        "creationtime",
        "creationdate",
        "date",
    ];
    flat.iter()
        .filter_map(|(path, value, _)| {
            let path = path.strip_prefix(prefix)?;
            let path = path.strip_suffix(".$numberLong").unwrap_or(path);
            let path = path.strip_suffix(".$date").unwrap_or(path);
            let name: String = path
                .chars()
                .filter(|c| c.is_alphanumeric())
                .flat_map(char::to_lowercase)
                .collect();
            let rank = NAMES.iter().position(|known| *known == name)?;
            Some((rank, time::parse(value)?.micros))
        })
        .min()
        .map(|(_, micros)| micros)
}

/// A row of a Zeek log as JSON; `names` and `around` are the hints from the file name and the first rows.
fn zeek_record(
    flat: &Flat,
    prefix: &str,
    names: &[&'static str],
    around: Option<&'static str>,
    record: &mut Record,
) {
    let of = |name: &str| flat.below(prefix, name);
    let has = |name: &str| {
        flat.iter()
            .any(|(path, _, _)| path.strip_prefix(prefix) == Some(name))
    };
    let kind = of("_path")
        .or_else(|| of("@stream"))
        .unwrap_or_else(|| zeek::kind_of(has, names, around));
    record.channel.push_str("zeek:");
    record.channel.push_str(kind);
    record.host = of("_system_name")
        .or_else(|| of("@system"))
        .unwrap_or_default()
        .to_owned();
    for (path, value, _) in flat.iter() {
        let Some(path) = path.strip_prefix(prefix) else {
            continue;
        };
        let name = match path {
            "ts" => {
                record.time = time::parse(value).map(|written| written.micros);
                "ts"
            }
            // A shipper called the time as it calls all times.
            "@timestamp" => {
                let time = time::parse(value).map(|written| written.micros);
                record.time = record.time.or(time);
                continue;
            }
            // When the sensor wrote the row.
            "_write_ts" | "@version" => continue,
            "_path" | "@stream" | "@system" | "@proc" | "_system_name" => continue,
            // Where dots were not allowed.
            "id_orig_h" => "id.orig_h",
            "id_orig_p" => "id.orig_p",
            "id_resp_h" => "id.resp_h",
            "id_resp_p" => "id.resp_p",
            other => other,
        };
        record.data(name, value);
    }
}

/// A record with names of the Common Information Model.
fn cim(flat: &Flat, prefix: &str, record: &mut Record) {
    let of = |name: &str| flat.below(prefix, name);
    // Windows channels contain no colon, which distinguishes these from them.
    let sourcetype = of("sourcetype").unwrap_or_default();
    record.channel = match sourcetype.contains(':') {
        true => sourcetype.to_owned(),
        false => format!("cim:{sourcetype}"),
    };
    record.host = of("host")
        .or_else(|| of("dvc"))
        .or_else(|| of("dest"))
        .unwrap_or_default()
        .to_owned();
    let written = of("_time")
        .or_else(|| of("time"))
        .or_else(|| of("timestamp"))
        .or_else(|| of("@timestamp"))
        .and_then(time::parse);
    record.time = written.map(|written| written.micros);
    for (path, value, _) in flat.iter() {
        let Some(path) = path.strip_prefix(prefix) else {
            continue;
        };
        match path {
            "_time" | "host" | "time" => {}
            "source" | "sourcetype" => record.envelope(path, value),
            _ if path.starts_with('_') => {}
            _ => record.data(
                path.strip_prefix("fields.")
                    .or_else(|| path.strip_prefix("event."))
                    .unwrap_or(path),
                value,
            ),
        }
    }
}

/// Extracts the event's data from its rendered text, if the shipper kept only that.
fn fill_from_message(record: &mut Record) {
    let sysmon = record
        .channel
        .eq_ignore_ascii_case("Microsoft-Windows-Sysmon/Operational");
    let wanted = !record.has_data()
        || (sysmon && !record.has("UtcTime"))
        // NXLog overwrites the service's account with the one that wrote the event.
        || (record.event_id == 7045 && !record.has("AccountName"));
    if !wanted {
        return;
    }
    if let Some(message) = record.get("Message").map(ToOwned::to_owned) {
        message::message_fields(&message, record, true);
    }
}
