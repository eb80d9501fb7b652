//! `_raw`: the event as text, made from its columns when a search asks for it.

use std::fmt::Write as _;

use crabwalk_events::EventType;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;

use crate::column::Typed;
use crate::ops::{Answer, Args, Entry, Prepared, call, fixed};

pub(crate) const FUNCTIONS: &[Entry] = &[Entry {
    name: "spl_raw",
    prepare: |call| {
        let (channel, event_id, names): (String, u32, Vec<String>) = call.fixed(0)?;
        let event_type = EventType { channel, event_id };
        Ok(Prepared::rows(DataType::Utf8, move |args| {
            Answer::Text(written(&event_type, &names, args))
        }))
    },
}];

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

/// The event as text: XML in the form of Windows for its events, `name="value"` pairs for others.
pub(crate) fn raw(event_type: &EventType, columns: Vec<(String, Expr)>) -> Typed {
    let (names, exprs): (Vec<String>, Vec<Expr>) = columns.into_iter().unzip();
    let mut args = vec![fixed(&(&event_type.channel, event_type.event_id, names))];
    args.extend(exprs);
    call("spl_raw", DataType::Utf8, args)
}

fn written(event_type: &EventType, names: &[String], args: &Args<'_>) -> String {
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
                    "UserID" => write!(system, "<Security UserID='{value}'/>"),
                    name if SYSTEM_FIELDS.contains(&name) => {
                        write!(system, "<{name}>{value}</{name}>")
                    }
                    name => write!(data, "<Data Name='{}'>{value}</Data>", escape(name)),
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
                let _ = write!(text, "{space}{name}=\"{}\"", value.replace('"', "\\\""));
            }
        }
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&apos;")
}
