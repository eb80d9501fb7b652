//! Events from senders: one text each, in an envelope with additional information.
//!
//! A text goes through the readers for files: event XML, JSON in all its shapes, Snare, syslog, classic text, Zeek. The
//! envelope supplies what the event lacks: its time, its host, and any fields added by the sender. The sender's labels
//! (`source`, `sourcetype`, `index`) apply only to events of unknown kind; a Windows, Zeek or syslog event is what it
//! is, whatever the sender calls it.
//!
//! Nothing is lost for being unknown: a text that no reader recognises becomes an event of type `unknown`, with the
//! text as its `message`, or with the fields of its JSON.
//!
//! ```
//! use crabwalk_sources::collect::{Collector, Everything};
//! use crabwalk_sources::delivery::{Deliveries, Delivery};
//! use crabwalk_sources::report::{SourceKind, SourceReport};
//!
//! let mut collector = Collector::new(&Everything);
//! let mut report = SourceReport::new(0, "a sender".to_owned(), SourceKind::Unknown);
//! let mut deliveries = Deliveries::default();
//! for text in [
//!     r#"{"EventID": 4624, "Channel": "Security", "Hostname": "ws7.example", "TargetUserName": "ida"}"#,
//!     "the lamp on the third floor is broken",
//! ] {
//!     let delivery = Delivery { text, received: 1_767_607_200_000_000, host: "relay", ..Delivery::default() };
//!     assert_eq!(deliveries.read(&delivery, &mut collector, &mut report), 1);
//! }
//! let collected = Collector::merge(vec![collector])?;
//! let types: Vec<_> = collected.tables.iter().map(|one| (one.channel.as_str(), one.event_id)).collect();
//! assert_eq!(types, [("Security", 4624), ("unknown", 0)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::collect::Collector;
use crate::json::JsonReader;
use crate::limits::Limits;
use crate::record::{Around, Sink};
use crate::report::SourceReport;
use crate::{classic, json, text, zeek};

/// Maximum number of fields kept from a record of unknown kind, because each name costs a column.
const MOST_FIELDS: usize = 64;
/// Maximum number of such field names per reader, because senders choose them.
const MOST_NAMES: usize = 512;

/// An incoming event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delivery<'t> {
    /// The sender's text: one event, in any form that a file may have. Several in one text are read as several.
    pub text: &'t str,
    /// Event time according to the envelope, in microseconds since 1970-01-01 UTC.
    pub time: Option<i64>,
    /// When it was received, likewise. It dates events without any other time.
    pub received: i64,
    /// The machine that the event is about or came from, for events that do not name one; may be empty.
    pub host: &'t str,
    /// The sender's name for the input; may be empty.
    pub source: &'t str,
    /// The sender's name for the kind of event; may be empty.
    pub sourcetype: &'t str,
    /// The sender's index; may be empty.
    pub index: &'t str,
    /// Further fields, by name.
    pub fields: &'t [(String, String)],
}

/// Reads deliveries, one after another. It remembers what later events of the same sender need, such as the offset of a
/// sender's local clock from UTC.
#[derive(Debug, Default)]
pub struct Deliveries {
    json: JsonReader,
    limits: Limits,
    /// The labels that `kinds` was told by.
    labels: (String, String),
    /// The Zeek logs named in the labels.
    kinds: Vec<&'static str>,
    unknown: json::Leaves,
    names: std::collections::HashSet<String>,
}

impl Deliveries {
    /// Reads one delivery, and returns the number of its events. The report lists what could not be read completely.
    pub fn read(
        &mut self,
        delivery: &Delivery<'_>,
        collector: &mut Collector<'_>,
        report: &mut SourceReport,
    ) -> u64 {
        let trimmed = delivery
            .text
            .trim_matches(|c: char| c.is_whitespace() || c == '\0');
        if trimmed.is_empty() {
            return 0;
        }
        if self.labels.0 != delivery.source || self.labels.1 != delivery.sourcetype {
            self.labels = (delivery.source.to_owned(), delivery.sourcetype.to_owned());
            self.kinds = zeek::kinds_of_file(delivery.source);
            let log = ["zeek:", "bro:"]
                .iter()
                .find_map(|family| delivery.sourcetype.strip_prefix(family));
            if let Some(log) = log {
                self.kinds.extend(zeek::kinds_of_file(log));
            }
        }
        self.json.knows_zeek(&self.kinds);
        let before = report.records;
        report.bytes += delivery.text.len() as u64;
        let mut sink = Sink::new(collector, report);
        sink.around = Some(Around {
            time: delivery.time,
            received: delivery.received,
            host: delivery.host.to_owned(),
            labels: [
                ("index", delivery.index),
                ("source", delivery.source),
                ("sourcetype", delivery.sourcetype),
            ]
            .map(|(name, value)| (name, value.to_owned())),
            fields: delivery.fields.to_vec(),
        });
        if classic::starts_block(trimmed.as_bytes())
            && let Some(time) = delivery.time
        {
            // Its own time has no zone; the envelope's time reveals it.
            let seconds = format!(
                "{}.{:06}",
                time.div_euclid(1_000_000),
                time.rem_euclid(1_000_000)
            );
            let row = [("_raw", trimmed.to_owned()), ("_time", seconds)];
            self.json.read_row(&row, &mut sink);
        } else {
            let json = std::mem::take(&mut self.json);
            self.json =
                text::read_delivered(trimmed, &self.limits, json, delivery.received, &mut sink);
        }
        if sink.report.records == before {
            self.keep(trimmed, &mut sink);
        }
        report.records - before
    }

    /// Keeps what no reader recognises.
    fn keep(&mut self, text: &str, sink: &mut Sink<'_, '_>) {
        sink.record.clear();
        sink.record.channel.push_str("unknown");
        if self.unknown.parse(text) {
            for (name, value) in self.unknown.iter().take(MOST_FIELDS) {
                if self.names.contains(name) {
                } else if self.names.len() < MOST_NAMES {
                    self.names.insert(name.to_owned());
                } else {
                    continue;
                }
                sink.record.data(name, value);
            }
        }
        if !sink.record.has_data() {
            sink.record.data("message", text);
        }
        sink.emit();
    }
}
