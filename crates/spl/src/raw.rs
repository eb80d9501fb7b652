//! `_raw`: the event as text, built from its columns when a search needs it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crabwalk_events::EventType;
use crabwalk_sources::collect::{OWN_DATA, number_in_log};
use crabwalk_vocabulary::Family;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;

use crate::column::Typed;
use crate::ops::{Answer, Args, Entry, Prepared, call, fixed};

pub(crate) const FUNCTIONS: &[Entry] = &[
    Entry {
        name: "spl_raw",
        prepare: |call| {
            let (channel, event_id, names): (String, u32, Vec<String>) = call.fixed(0)?;
            let event_type = EventType { channel, event_id };
            Ok(Prepared::rows(DataType::Utf8, move |args| {
                Answer::Text(written(&event_type, &names, args))
            }))
        },
    },
    Entry {
        name: "spl_record_number",
        prepare: |_| {
            Ok(Prepared::rows(DataType::Utf8, |args| {
                Answer::text(
                    args.text(0)
                        .filter(|text| is_numbered(text))
                        .map(Into::into),
                )
            }))
        },
    },
    Entry {
        name: "spl_time_text",
        prepare: |_| {
            Ok(Prepared::rows(DataType::Utf8, |args| {
                Answer::text(args.text(0).map(|time| crate::functions::time::iso(&time)))
            }))
        },
    },
    Entry {
        name: "spl_syslog_time",
        prepare: |_| {
            Ok(Prepared::rows(DataType::Utf8, |args| {
                Answer::text(args.number(0).and_then(syslog_time))
            }))
        },
    },
    Entry {
        name: "spl_line_count",
        prepare: |_| {
            Ok(Prepared::rows(DataType::Utf8, |args| {
                let lines = args.text(0).map(|text| text.lines().count().max(1));
                Answer::text(lines.map(|lines| lines.to_string()))
            }))
        },
    },
    Entry {
        name: "spl_punct",
        prepare: |_| {
            Ok(Prepared::rows(DataType::Utf8, |args| {
                Answer::text(args.text(0).map(|text| marks(&text)))
            }))
        },
    },
    Entry {
        name: "spl_date_part",
        prepare: |call| {
            let format = call.fixed_text(1)?;
            Ok(Prepared::rows(DataType::Utf8, move |args| {
                let text = args
                    .number(0)
                    .and_then(|time| crate::functions::time::strftime(time, &format));
                Answer::text(text.map(|text| match text.parse::<u32>() {
                    Ok(number) => number.to_string(),
                    Err(_) => text.to_lowercase(),
                }))
            }))
        },
    },
    Entry {
        name: "spl_tags",
        prepare: |call| {
            // The tags of every event, and those for each of the conditions.
            let (always, sometimes): (Vec<String>, Vec<Vec<String>>) = call.fixed(0)?;
            Ok(Prepared::rows(crate::plan::list_type(), move |args| {
                let mut all: BTreeSet<&String> = always.iter().collect();
                for (at, own) in sometimes.iter().enumerate() {
                    if args.text(at + 1).is_some_and(|holds| holds == "true") {
                        all.extend(own);
                    }
                }
                Answer::List(all.into_iter().cloned().collect())
            }))
        },
    },
];

/// Whether what the column of record numbers holds is a number that the record has.
fn is_numbered(record: &str) -> bool {
    record
        .parse()
        .is_ok_and(|record| number_in_log(record).is_some())
}

/// The number that an event has in its log, as text; NULL if it has none.
pub(crate) fn record_number(record: Typed) -> Typed {
    call("spl_record_number", DataType::Utf8, vec![record.expr])
}

/// Fields of the event's header.
pub(crate) const SYSTEM_FIELDS: [&str; 14] = [
    "Provider",
    "ProviderGuid",
    "EventSourceName",
    "Version",
    "Level",
    "Task",
    "Opcode",
    "Keywords",
    "UserID",
    "ActivityID",
    "RelatedActivityID",
    "ExecutionProcessID",
    "ExecutionThreadID",
    "Qualifiers",
];

/// What the reader of syslog takes out of a line's message.
const TAKEN_FROM_MESSAGE: [&str; 8] = [
    "action",
    "auth_method",
    "user",
    "src_ip",
    "src_port",
    "fingerprint",
    "src_user",
    "command",
];

/// How a field stands in the text of a line of syslog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InLine {
    /// As itself, in the head or as the message.
    Plain,
    /// Not at all: the message has it.
    InMessage,
    /// Behind the message, with its name: what journald knows beside it.
    Named,
}

/// How a field stands in the text of a line of syslog.
pub(crate) fn in_line(name: &str) -> InLine {
    match name {
        "_time" | "host" | "process" | "pid" | "message" => InLine::Plain,
        _ if TAKEN_FROM_MESSAGE.contains(&name) => InLine::InMessage,
        _ => InLine::Named,
    }
}

fn syslog_time(time: f64) -> Option<String> {
    crate::functions::time::strftime(time, "%b %e %H:%M:%S")
}

/// A time in the format of lines of syslog.
pub(crate) fn syslog_time_text(time: Expr) -> Typed {
    call("spl_syslog_time", DataType::Utf8, vec![time])
}

/// A line of syslog: `Mar  4 10:00:00 host sshd[7]: message`.
fn line(names: &[String], args: &Args<'_>) -> String {
    let of = |wanted: &str| {
        let at = names.iter().position(|name| name == wanted);
        at.and_then(|at| args.text(at + 1)).unwrap_or_default()
    };
    let time = names.iter().position(|name| name == "_time");
    let time = time
        .and_then(|at| args.number(at + 1))
        .and_then(syslog_time);
    let (process, pid) = (of("process"), of("pid"));
    let tag = match (process.as_ref(), pid.as_ref()) {
        ("", _) => String::new(),
        (process, "") => format!("{process}:"),
        (process, pid) => format!("{process}[{pid}]:"),
    };
    let (host, message) = (of("host"), of("message"));
    let time = time.unwrap_or_default();
    let mut parts = vec![time.as_str(), host.as_ref(), tag.as_str(), message.as_ref()];
    parts.retain(|part| !part.is_empty());
    let mut text = parts.join(" ");
    for (at, name) in names.iter().enumerate() {
        if in_line(name) == InLine::Named {
            for value in args.values(at + 1) {
                let name = name.strip_prefix(OWN_DATA).unwrap_or(name);
                let _ = write!(text, " {name}=\"{}\"", value.replace('"', "\\\""));
            }
        }
    }
    text
}

/// The event as text: Windows' XML for Windows events, lines of syslog, `name="value"` pairs for others.
pub(crate) fn raw(event_type: &EventType, columns: Vec<(String, Expr)>) -> Typed {
    let (names, exprs): (Vec<String>, Vec<Expr>) = columns.into_iter().unzip();
    let mut args = vec![fixed(&(&event_type.channel, event_type.event_id, names))];
    args.extend(exprs);
    call("spl_raw", DataType::Utf8, args)
}

fn written(event_type: &EventType, names: &[String], args: &Args<'_>) -> String {
    if matches!(event_type.family(), Family::Syslog(_)) {
        return line(names, args);
    }
    let fields = names
        .iter()
        .enumerate()
        .map(|(at, name)| (name.as_str(), args.values(at + 1)));
    let mut text = String::new();
    if event_type.is_windows() {
        let mut system = String::new();
        let mut data = String::new();
        for (name, values) in fields {
            for value in &values {
                let value = escape(value);
                let _ = match name {
                    "_time" => write!(
                        system,
                        "<TimeCreated SystemTime='{}'/>",
                        crate::functions::time::iso(&value)
                    ),
                    "host" => write!(system, "<Computer>{value}</Computer>"),
                    "Provider" => write!(system, "<Provider Name='{value}'/>"),
                    "_record" if !is_numbered(&value) => Ok(()),
                    "_record" => write!(system, "<EventRecordID>{value}</EventRecordID>"),
                    "ExecutionProcessID" => write!(system, "<Execution ProcessID='{value}'/>"),
                    "ExecutionThreadID" => write!(system, "<Execution ThreadID='{value}'/>"),
                    "ActivityID" | "RelatedActivityID" => {
                        write!(system, "<Correlation {name}='{value}'/>")
                    }
                    "UserID" => write!(system, "<Security UserID='{value}'/>"),
                    name if SYSTEM_FIELDS.contains(&name) => {
                        write!(system, "<{name}>{value}</{name}>")
                    }
                    name => {
                        let name = name.strip_prefix(OWN_DATA).unwrap_or(name);
                        write!(data, "<Data Name='{}'>{value}</Data>", escape(name))
                    }
                };
            }
        }
        let _ = write!(
            text,
            "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><EventID>{}</EventID><Channel>{}</Channel>{system}</System><EventData>{data}</EventData></Event>",
            event_type.event_id,
            escape(&event_type.channel),
        );
    } else {
        for (name, values) in fields {
            for value in values {
                let space = if text.is_empty() { "" } else { " " };
                let name = name.strip_prefix(OWN_DATA).unwrap_or(name);
                let _ = write!(text, "{space}{name}=\"{}\"", value.replace('"', "\\\""));
            }
        }
    }
    text
}

/// The text that all events of a Windows event type share.
pub(crate) fn frame(event_type: &EventType) -> Vec<String> {
    vec![
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>".to_owned(),
        format!("<EventID>{}</EventID>", event_type.event_id),
        format!("<Channel>{}</Channel>", event_type.channel),
        "</System><EventData>".to_owned(),
    ]
}

/// A time in the format of event text.
pub(crate) fn time_text(time: Expr) -> Typed {
    call("spl_time_text", DataType::Utf8, vec![time])
}

/// `linecount`: the lines of an event's text.
pub(crate) fn line_count(raw: Typed) -> Typed {
    call("spl_line_count", DataType::Utf8, vec![raw.expr])
}

/// `punct`: the first punctuation marks of an event's first line, with `_` for a space and `t` for a tab.
pub(crate) fn punctuation(raw: Typed) -> Typed {
    call("spl_punct", DataType::Utf8, vec![raw.expr])
}

fn marks(text: &str) -> String {
    const MOST: usize = 30;
    let line = text.lines().next().unwrap_or("");
    line.chars()
        .filter_map(|char| match char {
            ' ' => Some('_'),
            '\t' => Some('t'),
            char if char.is_alphanumeric() || char.is_control() => None,
            char => Some(char),
        })
        .take(MOST)
        .collect()
}

/// The fields that Splunk derives from an event's time, with their formats.
const DATE_PARTS: [(&str, &str); 7] = [
    ("date_hour", "%H"),
    ("date_mday", "%d"),
    ("date_minute", "%M"),
    ("date_month", "%B"),
    ("date_second", "%S"),
    ("date_wday", "%A"),
    ("date_year", "%Y"),
];

/// Whether a field is one that Splunk derives from an event's time.
pub(crate) fn is_date_part(name: &str) -> bool {
    name == "date_zone" || DATE_PARTS.iter().any(|(own, _)| *own == name)
}

/// `date_hour` and the like, in UTC: numbers without a leading zero, names in lower case.
pub(crate) fn date_part(name: &str, time: Expr) -> Option<Typed> {
    if name == "date_zone" {
        return Some(Typed {
            expr: crate::plan::text("0"),
            data_type: DataType::Utf8,
        });
    }
    let (_, format) = DATE_PARTS.iter().find(|(own, _)| *own == name)?;
    let format = crate::plan::text(*format);
    Some(call("spl_date_part", DataType::Utf8, vec![time, format]))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&apos;")
}
