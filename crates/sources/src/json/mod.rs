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
//! - The same names written otherwise (`event_time`, `TimeCreatedUtc`, `System.TimeCreated.SystemTime`) tell it too, and where there is
//!   none of them, `created`, `ts` and the like. A record that has no time has that of what is wrapped around it.
//! - Zeek: `ts`. Splunk: the time in the raw event, else `_time`. Plaso: `timestamp`, microseconds.

mod cut;
mod extent;
mod flat;
mod level;
mod products;
mod shape;
mod values;

use std::collections::{BTreeMap, HashMap};

use memchr::memmem;

use self::cut::{completed, is_of_header};
pub(crate) use self::extent::{Entry, array_within, entry, find_object_end};
use self::flat::Flat;
use self::level::{flat_event_id, flat_record};
use self::products::{cim, event_tree, evtxecmd, plaso, wazuh, winlogbeat, zeek_record};
use self::shape::{Shape, raw_text, shape_of, wrapped};
use self::values::{count, number};
use crate::classic;
use crate::csv;
use crate::hayabusa;
use crate::message;
use crate::piece::Piece;
use crate::record::{Record, Sink};
use crate::report::{Problem, SourceKind};
use crate::syslog;
use crate::time;
use crate::xml::{self, XmlError};
use crate::zeek;

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
            self.flat.forget_last();
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
                let message = flat.bytes_below(prefix, "MESSAGE");
                syslog::journal(&mut sink.record, |name| match name {
                    "MESSAGE" => message.as_deref().or_else(|| flat.below(prefix, name)),
                    _ => flat.below(prefix, name),
                });
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
            Shape::Cloud => {
                if let Some(data) = self.flat.below("", "AuditData").map(str::to_owned)
                    && serde_json::from_str::<serde::de::IgnoredAny>(&data).is_ok()
                {
                    self.flat.parse(&data)?;
                }
                let leaves = self.flat.iter().map(|(path, value, _)| (path, value));
                crate::cloud::fill(&mut sink.record, leaves);
                sink.emit();
                return Ok(SourceKind::Json);
            }
            Shape::Cim(prefix) => cim(&self.flat, prefix, &mut sink.record),
            Shape::Unknown => {
                self.unknown(text, sink, depth);
                return Ok(SourceKind::Json);
            }
        }
        if let Shape::Flat(prefix)
        | Shape::Winlogbeat(prefix)
        | Shape::EventTree(prefix)
        | Shape::Wazuh(prefix) = shape
            && !matches!(prefix, "" | "Event.")
        {
            self.dated_by_wrapper(&mut sink.record);
        }
        fill_from_message(&mut sink.record);
        sink.emit();
        Ok(SourceKind::Json)
    }

    /// Takes what a record itself does not say, its time and its machine, from what is wrapped around it.
    fn dated_by_wrapper(&self, record: &mut Record) {
        let of = |names: &[&str]| names.iter().find_map(|name| self.flat.below("", name));
        if record.time.is_none() {
            record.time = of(&["time", "_time", "@timestamp", "timestamp", "ts", "date"])
                .and_then(time::parse)
                .map(|written| written.micros);
        }
        if record.host.is_empty() {
            record.host = of(&["host", "host.name", "hostname"])
                .unwrap_or_default()
                .to_owned();
        }
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
