//! Which shape a record has.

use super::flat::Flat;
use super::level::{flat_channel, flat_event_id};
use super::values::{IDS, number};
use crate::cloud;
use crate::csv;
use crate::hayabusa;
use crate::zeek;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
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
    /// Entra ID and Microsoft 365.
    Cloud,
    Unknown,
}

/// Wrappers around the actual record: Splunk export, Elasticsearch export, and shippers.
///
/// Splunk wraps records in `result`, Elasticsearch in `_source` or `fields`, its HTTP collector in `event`, Chainsaw in `document`,
/// or `data` in a list, shippers in `message`, `log` or `record`. With each stands where a tree of the event would be.
pub(super) const PREFIXES: &[(&str, &str)] = &[
    ("", "Event."),
    ("result.", "result.Event."),
    ("_source.", "_source.Event."),
    ("fields.", "fields.Event."),
    ("event.", "event.Event."),
    ("document.data.", "document.data.Event."),
    ("data.", "data.Event."),
    ("message.", "message.Event."),
    ("log.", "log.Event."),
    ("record.", "record.Event."),
];

/// `zeek_names`: the Zeek log types in the file name.
pub(super) fn shape_of(flat: &Flat, zeek_names: &[&str]) -> Shape {
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
    for (prefix, tree) in PREFIXES {
        let has = |name: &str| flat.has_below(prefix, name);
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
            return Shape::EventTree(tree);
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
    if cloud::is_record(|name| flat.has(name)) {
        return Shape::Cloud;
    }
    let cim = PREFIXES
        .iter()
        .map(|(prefix, _)| prefix)
        .find(|prefix| flat.below(prefix, "sourcetype").is_some());
    if let Some(prefix) = cim {
        return Shape::Cim(prefix);
    }
    let named = |prefix: &&str| {
        IDS.iter()
            .any(|id| *id != "Id" && flat.below(prefix, id).and_then(number).is_some())
    };
    PREFIXES
        .iter()
        .map(|(prefix, _)| *prefix)
        .find(named)
        .map_or(Shape::Unknown, Shape::Flat)
}

/// The event as text, in a Splunk export (`_raw`), in data for its HTTP collector (`event`), or in a line wrapped by a
/// shipper (`message`).
pub(super) fn raw_text<'f>(flat: &'f Flat, prefix: &str) -> Option<&'f str> {
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

/// The first array of objects in a value that is not itself a record.
pub(super) fn wrapped(value: &serde_json::Value, depth: u32) -> Option<&Vec<serde_json::Value>> {
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
