//! Records whose keys are those of one product.

use std::borrow::Cow;
use std::collections::HashMap;

use super::flat::Flat;
use super::values::{before, braced, capital, count, is_sysmon, number, put};
use crate::positions::name_values;
use crate::record::Record;
use crate::time;
use crate::xml;
use crate::zeek;

/// The event XML as a tree: evtx_dump, xmltodict and the like.
pub(super) fn event_tree(flat: &Flat, prefix: &str, record: &mut Record) {
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
pub(super) fn winlogbeat(flat: &Flat, prefix: &str, record: &mut Record) {
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
            "log.level" | "level" => record.envelope("Level", level_number(value)),
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
        .or_else(|| seen.map(|seen| before(seen, record)))
        .or_else(|| {
            let utc = record.get("UtcTime").filter(|_| is_sysmon(record));
            utc.and_then(time::parse).map(|written| written.micros)
        });
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

/// The level of an event by the word that Windows shows for it.
fn level_number(word: &str) -> &str {
    const LEVELS: [(&str, &str); 5] = [
        ("critical", "1"),
        ("error", "2"),
        ("warning", "3"),
        ("information", "4"),
        ("verbose", "5"),
    ];
    LEVELS
        .iter()
        .find(|(known, _)| word.eq_ignore_ascii_case(known))
        .map_or(word, |(_, number)| number)
}

/// EvtxECmd's fields around the event's data; the data is JSON in the returned text. The fields of its maps
/// (`PayloadData1`, `UserName`, `RemoteHost` …) are ignored.
pub(super) fn evtxecmd<'f>(flat: &'f Flat, prefix: &str, record: &mut Record) -> &'f str {
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
pub(super) fn wazuh(flat: &Flat, prefix: &str, record: &mut Record) {
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

/// Plaso's record of a log event, without its XML.
pub(super) fn plaso(flat: &Flat, record: &mut Record) {
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

/// A row of a Zeek log as JSON; `names` and `around` are the hints from the file name and the first rows.
pub(super) fn zeek_record(
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
pub(super) fn cim(flat: &Flat, prefix: &str, record: &mut Record) {
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
