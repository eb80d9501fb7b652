//! One event as XML, in the schema of Windows (`http://schemas.microsoft.com/win/2004/08/events/event`).
//!
//! Only the five predefined entities and character references are resolved; any other reference stays unchanged.
//! Prefixes of names are ignored.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::record::Record;
use crate::time;

/// Why an event could not be read completely.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("the event has no numeric EventID and is left out")]
    NoEventId,
    #[error("the event's XML is damaged ({0}); the part before the damage is kept")]
    Damaged(String),
}

/// Where in the event the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    None,
    System,
    EventData,
    UserData,
    Rendering,
}

/// The value of an attribute, or nothing if it is missing or damaged.
fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    tag.attributes()
        .with_checks(false)
        .flatten()
        .find(|attribute| attribute.key.local_name().as_ref() == name)
        .map(|attribute| resolve(attribute.value.as_ref()))
}

/// Resolves predefined entities and character references, nothing else.
pub(crate) fn resolve(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        match end.and_then(|end| entity(&rest[1..end]).map(|c| (end, c))) {
            Some((end, c)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

/// Reads the event in `text` into `record`, which is cleared first.
pub(crate) fn read_event(text: &str, record: &mut Record) -> Result<(), XmlError> {
    record.clear();
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut depth = 0_usize;
    let mut section = Section::None;
    let mut value = String::new();
    let mut names: Vec<String> = Vec::new();
    // Whether the element that ends next had no element inside.
    let mut leaf = false;
    let mut data_name: Option<String> = None;
    let mut id = None;
    let mut message = None;
    let damage = loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => break Some(error.to_string()),
        };
        match event {
            Event::Start(tag) => {
                let name = tag.local_name().as_ref().to_owned();
                depth += 1;
                open(&tag, &name, depth, &mut section, record, &mut data_name);
                names.push(name);
                value.clear();
                leaf = true;
            }
            Event::Empty(tag) => {
                let name = tag.local_name().as_ref().to_owned();
                open(&tag, &name, depth + 1, &mut section, record, &mut data_name);
                if depth < 2 {
                    section = Section::None;
                }
                data_name = None;
                leaf = false;
            }
            Event::Text(text) => value.push_str(&text.xml10_content()),
            Event::CData(text) => value.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let name = reference.into_inner();
                match entity(&name) {
                    Some(c) => value.push(c),
                    None => {
                        value.push('&');
                        value.push_str(&name);
                        value.push(';');
                    }
                }
            }
            Event::End(_) => {
                let Some(name) = names.pop() else { break None };
                if leaf {
                    let inside = depth > 2;
                    match section {
                        Section::System if depth == 3 => system(&name, &value, record, &mut id),
                        Section::EventData if inside => {
                            let text = trimmed(&value);
                            match (&data_name, name.as_str()) {
                                (Some(known), _) => record.data(known, text),
                                (None, "Data") => record.data("Data", text),
                                (None, other) => record.data(other, text),
                            }
                        }
                        Section::UserData if inside => {
                            record.data(data_name.as_deref().unwrap_or(&name), trimmed(&value));
                        }
                        Section::Rendering if name == "Message" => {
                            message = Some(value.trim().to_owned())
                        }
                        _ => {}
                    }
                }
                data_name = None;
                leaf = false;
                depth = depth.saturating_sub(1);
                if depth < 2 {
                    section = Section::None;
                }
                if depth == 0 {
                    break None;
                }
            }
            Event::Eof => break (depth > 0).then(|| "it ends too early".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    };
    // A value that breaks off is kept as far as it goes, but for part of an entity.
    if damage.is_some() && leaf && !value.is_empty() {
        let entity = value.rfind('&').filter(|at| {
            let name = value.get(at + 1..).unwrap_or_default();
            name.len() < 12
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'#')
        });
        value.truncate(entity.unwrap_or(value.len()));
        match (section, names.last()) {
            (Section::EventData | Section::UserData, Some(name)) if depth > 2 => {
                record.data(data_name.as_deref().unwrap_or(name), trimmed(&value));
            }
            (Section::Rendering, Some(name)) if name == "Message" => {
                message = Some(value.trim().to_owned());
            }
            _ => {}
        }
    }
    record.event_id = id.ok_or(XmlError::NoEventId)?;
    if record.channel.is_empty() {
        record.channel = channel_of_provider(&record.provider).to_owned();
    }
    if let Some(message) = message {
        if !record.has_data() {
            crate::message::message_fields(&message, record, true);
        }
        record.envelope("Message", &message);
    }
    match damage {
        None => Ok(()),
        Some(what) => Err(XmlError::Damaged(what)),
    }
}

/// What an opening tag itself says.
fn open(
    tag: &BytesStart<'_>,
    name: &str,
    depth: usize,
    section: &mut Section,
    record: &mut Record,
    data_name: &mut Option<String>,
) {
    if depth == 2 {
        *section = match name {
            "System" => Section::System,
            "EventData" | "ProcessingErrorData" | "DebugData" | "BinaryEventData" => {
                Section::EventData
            }
            "UserData" => Section::UserData,
            "RenderingInfo" => Section::Rendering,
            _ => Section::None,
        };
        return;
    }
    *data_name = None;
    match section {
        Section::System if depth == 3 => {
            let mut take = |attribute_name: &str, column: &str| {
                if let Some(value) = attribute(tag, attribute_name) {
                    record.envelope(column, &value);
                }
            };
            match name {
                "Provider" => {
                    take("Guid", "ProviderGuid");
                    let provider =
                        attribute(tag, "Name").or_else(|| attribute(tag, "EventSourceName"));
                    record.provider = provider.unwrap_or_default();
                    let provider = record.provider.clone();
                    record.envelope("Provider", &provider);
                }
                "EventID" => take("Qualifiers", "Qualifiers"),
                "TimeCreated" => {
                    let written = attribute(tag, "SystemTime").and_then(|text| time::parse(&text));
                    record.time = written.map(|written| written.micros);
                }
                "Correlation" => {
                    take("ActivityID", "ActivityID");
                    take("RelatedActivityID", "RelatedActivityID");
                }
                "Execution" => {
                    take("ProcessID", "ExecutionProcessID");
                    take("ThreadID", "ExecutionThreadID");
                }
                "Security" => take("UserID", "UserID"),
                _ => {}
            }
        }
        Section::EventData | Section::UserData => {
            *data_name = attribute(tag, "Name").filter(|name| !name.is_empty())
        }
        _ => {}
    }
}

/// An element of `System` that holds its value as text.
fn system(name: &str, value: &str, record: &mut Record, id: &mut Option<u32>) {
    let value = value.trim();
    match name {
        "EventID" => *id = value.parse().ok(),
        "Channel" => record.channel = value.to_owned(),
        "Computer" => record.host = value.to_owned(),
        "EventRecordID" => record.number = value.parse().ok(),
        "Version" | "Level" | "Task" | "Opcode" | "Keywords" => record.envelope(name, value),
        _ => {}
    }
}

/// Pretty-printers put values of several lines on lines of their own; a value of one line keeps its blanks.
fn trimmed(value: &str) -> &str {
    if value.starts_with(['\n', '\r']) || value.ends_with(['\n', '\r']) {
        value.trim()
    } else {
        value
    }
}

/// The log that a provider writes to, for shapes that name only the provider; else the provider itself.
pub(crate) fn channel_of_provider(provider: &str) -> &str {
    match provider {
        "Microsoft-Windows-Security-Auditing" | "Microsoft-Windows-Eventlog" => "Security",
        "Service Control Manager" => "System",
        "Microsoft-Windows-Sysmon" => "Microsoft-Windows-Sysmon/Operational",
        "Microsoft-Windows-PowerShell" => "Microsoft-Windows-PowerShell/Operational",
        "PowerShell" => "Windows PowerShell",
        "Microsoft-Windows-TaskScheduler" => "Microsoft-Windows-TaskScheduler/Operational",
        "Microsoft-Windows-WinRM" => "Microsoft-Windows-WinRM/Operational",
        "Microsoft-Windows-WMI-Activity" => "Microsoft-Windows-WMI-Activity/Operational",
        "Microsoft-Windows-TerminalServices-RemoteConnectionManager" => {
            "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational"
        }
        "Microsoft-Windows-TerminalServices-LocalSessionManager" => {
            "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational"
        }
        other => other,
    }
}
