//! An event on its way from a text reader to the collector.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crabwalk_vocabulary::Origin;

use crate::collect::{Begun, Collector, Head, TableId, UNNUMBERED, data_column};
use crate::place;
use crate::report::{Problem, SourceReport};
use crate::time;

/// Up to this many fields, a linear search for a name is fastest.
const FEW_FIELDS: usize = 128;

#[derive(Debug, Clone)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
    envelope: bool,
}

/// The parts of an event. Reused, so that reading does not allocate for each event.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub channel: String,
    pub event_id: u32,
    pub host: String,
    pub provider: String,
    pub time: Option<i64>,
    pub number: Option<u64>,
    /// Whether it quotes part of the event, as results of other programs do.
    pub quoted: bool,
    /// The event as XML, if it is kept.
    xml: String,
    text: String,
    fields: Vec<Field>,
    /// Whether the envelope has `source` and `sourcetype`.
    labelled: [bool; 2],
}

impl Record {
    pub fn clear(&mut self) {
        self.channel.clear();
        self.event_id = 0;
        self.host.clear();
        self.provider.clear();
        self.time = None;
        self.number = None;
        self.quoted = false;
        self.xml.clear();
        self.text.clear();
        self.fields.clear();
        self.labelled = [false; 2];
    }

    fn add(&mut self, name: &str, value: &str, envelope: bool) {
        if value.is_empty() || name.is_empty() {
            return;
        }
        let start = self.text.len();
        self.text.push_str(name);
        let middle = self.text.len();
        self.text.push_str(value);
        self.fields.push(Field {
            name: start..middle,
            value: middle..self.text.len(),
            envelope,
        });
    }

    /// A field of the event's data.
    pub fn data(&mut self, name: &str, value: &str) {
        self.add(name, value, false);
    }

    /// A field of the envelope: the event's header, and what was added around the event.
    pub fn envelope(&mut self, name: &str, value: &str) {
        // A wrapper repeats the record's own `source` and `sourcetype`.
        let label = match name {
            "source" => Some(0),
            "sourcetype" => Some(1),
            _ => None,
        };
        if let Some(known) = label.and_then(|label| self.labelled.get_mut(label)) {
            if *known {
                return;
            }
            *known = !value.is_empty();
        }
        self.add(name, value, true);
    }

    fn name(&self, field: &Field) -> &str {
        &self.text[field.name.clone()]
    }

    fn value(&self, field: &Field) -> &str {
        &self.text[field.value.clone()]
    }

    /// The first value of a field; the data's if both have it.
    pub fn get(&self, name: &str) -> Option<&str> {
        let of = |envelope| {
            self.fields
                .iter()
                .find(|field| field.envelope == envelope && self.name(field) == name)
        };
        of(false)
            .or_else(|| of(true))
            .map(|field| self.value(field))
    }

    /// The values of a field of the event's own data.
    pub fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r str> {
        self.fields
            .iter()
            .filter(move |field| !field.envelope && self.name(field) == name)
            .map(|field| self.value(field))
    }

    /// The event's own data: names and values.
    pub fn own(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .filter(|field| !field.envelope)
            .map(|field| (self.name(field), self.value(field)))
    }

    /// A hash of the record's content, independent of its order. For a Windows event only its own data counts, since
    /// exporters add different envelopes.
    fn content(&self) -> u64 {
        use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};
        let origin = Origin::of(&self.channel);
        let own_alone = origin == Origin::Windows && self.has_data();
        self.fields
            .iter()
            // Every log format writes the time differently; it is compared separately.
            .filter(|field| self.name(field) != "ts" && !(own_alone && field.envelope))
            .fold(0_u64, |sum, field| {
                let name = xxh3_64(self.name(field).as_bytes());
                let value = match origin {
                    Origin::Network => plain(self.value(field)),
                    _ => self.value(field),
                };
                sum.wrapping_add(xxh3_64_with_seed(value.as_bytes(), name))
            })
    }

    /// Whether the event has any data of its own.
    pub fn has_data(&self) -> bool {
        self.fields.iter().any(|field| !field.envelope)
    }

    /// Whether the event's data have this field.
    pub fn has(&self, name: &str) -> bool {
        self.fields
            .iter()
            .any(|field| !field.envelope && self.name(field) == name)
    }

    /// The names of the event's data if there are so many that repeated [`has`](Self::has) would be slow: a record's
    /// author can put any number into it.
    pub fn names_of_many(&self) -> Option<HashSet<&str>> {
        (self.fields.len() > FEW_FIELDS).then(|| self.own().map(|(name, _)| name).collect())
    }
}

/// A value of a log of Zeek, the same for its tables and its JSON: truth values are `T` and `F` there, and numbers have zeros
/// behind their last digit.
fn plain(value: &str) -> &str {
    match value {
        "T" => "true",
        "F" => "false",
        _ if value.contains('.')
            && value
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
            && value.matches('.').count() == 1 =>
        {
            value.trim_end_matches('0').trim_end_matches('.')
        }
        _ => value,
    }
}

/// What a sender added around an event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Around {
    /// When the event happened, in microseconds since 1970-01-01 UTC.
    pub time: Option<i64>,
    /// When it was received, likewise.
    pub received: i64,
    pub host: String,
    /// The sender's name for it, for events of unknown kind.
    pub labels: [(&'static str, String); 3],
    pub fields: Vec<(String, String)>,
}

impl Around {
    /// Fills in what the record itself lacks.
    fn complete(&self, record: &mut Record) {
        if record.time.and_then(time::possible).is_none() {
            record.time = Some(self.time.unwrap_or(self.received));
        }
        if record.host.is_empty() {
            record.host.push_str(&self.host);
        }
        // A column of that name would hide a field that every event of a known log has.
        if Origin::of(&record.channel) == Origin::Unknown {
            for (name, value) in &self.labels {
                record.envelope(name, value);
            }
        }
        for (name, value) in &self.fields {
            record.envelope(name, value);
        }
    }
}

/// Writes records of one source into a collector.
pub(crate) struct Sink<'c, 'd> {
    pub collector: &'c mut Collector<'d>,
    pub report: &'c mut SourceReport,
    pub record: Record,
    tables: HashMap<u32, Vec<(String, TableId)>>,
    undated: u64,
    /// Whether it is a loss if the source contains no events.
    pub strict: bool,
    /// Whether the records are truncated: those without a time or a log are not stored.
    pub cut: bool,
    /// Completes records that came in an envelope.
    pub around: Option<Around>,
    /// The machine that the source's path tells, once a record named none.
    place: Option<Option<String>>,
}

impl<'c, 'd> Sink<'c, 'd> {
    pub fn new(collector: &'c mut Collector<'d>, report: &'c mut SourceReport) -> Self {
        Self {
            collector,
            report,
            record: Record::default(),
            tables: HashMap::new(),
            undated: 0,
            strict: true,
            cut: false,
            around: None,
            place: None,
        }
    }

    /// Gives a record that names no machine the one that its file belongs to by its path.
    fn place(&mut self) {
        if !self.record.host.is_empty() {
            return;
        }
        let origin = Origin::of(&self.record.channel);
        if !origin.is_of_host() || origin == Origin::Unknown {
            return;
        }
        let path = &self.report.path;
        let place = self.place.get_or_insert_with(|| place::host_of(path));
        if let Some(host) = place {
            self.record.host.push_str(host);
            self.record.envelope("host_from", "path");
        }
    }

    /// Keeps the text of the last record, which is XML, if the run needs it.
    pub fn keep_xml(&mut self, text: &str) {
        if self.collector.wants_xml() {
            self.record.xml.push_str(text);
        }
    }

    /// Stores the record, and counts it.
    pub fn emit(&mut self) {
        if let Some(around) = &self.around {
            around.complete(&mut self.record);
        }
        self.place();
        let record = &self.record;
        if self.cut && (record.time.is_none() || record.channel.is_empty()) {
            return;
        }
        self.report.records += 1;
        let id = record.event_id;
        let known = self.tables.entry(id).or_default();
        let table = match known.iter().find(|(channel, _)| *channel == record.channel) {
            Some((_, table)) => *table,
            None => {
                let table = self.collector.table(&record.channel, id);
                known.push((record.channel.clone(), table));
                table
            }
        };
        // A time shifted by a zone may be outside the range of valid years.
        let known_time = record.time.and_then(time::possible);
        let time = known_time.unwrap_or_else(|| {
            self.undated += 1;
            0
        });
        // Windows counts from 1: a shipper writes 0 for an unknown number.
        let number = record.number.filter(|number| *number != 0);
        let head = Head {
            time,
            host: &record.host,
            source: self.report.id,
            record: number.unwrap_or(self.report.records | UNNUMBERED),
            // Without a time, the number alone would make distinct records look like copies.
            numbered: number.is_some() && known_time.is_some(),
        };
        let begun = if head.numbered && record.quoted {
            self.collector.begin_quoted(table, &head)
        } else if head.numbered {
            self.collector.begin(table, &head)
        } else {
            self.collector
                .begin_unnumbered(table, &head, record.content())
        };
        if begun != Begun::Row {
            return;
        }
        if !record.xml.is_empty() {
            self.collector.push_xml(table, &record.xml);
        }
        let own = record.names_of_many();
        let has = |name: &str| match &own {
            Some(names) => names.contains(name),
            None => record.has(name),
        };
        for field in &record.fields {
            let name = record.name(field);
            let column = if field.envelope {
                // Data takes precedence over other fields (a message, a label) of the same name, except for header
                // fields.
                if has(name) && data_column(&record.channel, id, name) == name {
                    continue;
                }
                self.collector.column(table, name)
            } else {
                self.collector.own_column(table, name)
            };
            if let Some(column) = column {
                self.collector.push(table, column, record.value(field));
            }
        }
    }

    /// Notes that a record could not be read.
    pub fn lost(&mut self, offset: u64, message: String) {
        self.report.skipped += 1;
        let record = Some(self.report.records + self.report.skipped);
        self.report.problem(Problem {
            offset: Some(offset),
            record,
            message,
            loss: true,
        });
    }

    /// Notes something that is not a loss.
    pub fn warn(&mut self, offset: Option<u64>, message: String) {
        self.report.problem(Problem {
            offset,
            record: None,
            message,
            loss: false,
        });
    }

    /// Reports at the end what applied to many records.
    pub fn finish(&mut self) {
        if self.undated > 0 {
            let message = format!(
                "{} of {} records have no time that could be read; they are dated 1970-01-01",
                self.undated, self.report.records
            );
            self.warn(None, message);
        }
    }
}
