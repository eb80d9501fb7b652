//! Windows events as text: the blocks of Splunk's classic `WinEventLog` input, and the rendered message of an event.
//!
//! A block begins with a line that is a date and time, has `Key=Value` lines, and ends with `Message=` and what follows.
//! Its times are local and name no zone; they are taken as UTC.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use crate::record::Record;
use crate::text::Piece;
use crate::time;

/// What a block was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    Event,
    NoEventCode,
}

fn line_of(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end])
}

/// Whether the line is a date and time and nothing else.
fn is_date(line: &[u8]) -> bool {
    if line.len() < 14 || line.len() > 40 || !line[0].is_ascii_digit() {
        return false;
    }
    let text = String::from_utf8_lossy(line);
    // WMI writes 20240304120000.000000.
    let wmi = line.len() >= 18 && line[..14].iter().all(u8::is_ascii_digit) && line[14] == b'.';
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

/// Whether a block begins here.
pub(crate) fn starts_block(bytes: &[u8]) -> bool {
    let line = line_of(bytes);
    if line.starts_with(b"LogName=") {
        return true;
    }
    if !is_date(line) {
        return false;
    }
    let next = memchr::memchr(b'\n', bytes).map_or(&[][..], |at| line_of(&bytes[at + 1..]));
    is_key(next)
}

/// The end of the block that begins here: before the next block, event of XML or JSON record that begins a line.
pub(crate) fn find_block_end(bytes: &[u8], end: bool) -> Piece {
    let dated = is_date(line_of(bytes));
    let mut at = match memchr::memchr(b'\n', bytes) {
        Some(at) => at + 1,
        None if end => return Piece::Whole(bytes.len()),
        None => return Piece::Open,
    };
    loop {
        let rest = &bytes[at..];
        // The line after a date decides, so it must be there.
        let lines = memchr::memchr_iter(b'\n', rest).nth(1);
        if lines.is_none() && !end {
            return Piece::Open;
        }
        if rest.is_empty() {
            return Piece::Whole(bytes.len());
        }
        let starts = starts_block(rest) && (!dated || !rest.starts_with(b"LogName="));
        if starts
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

/// Reads a block into `record`, which is cleared first.
pub(crate) fn read_block(text: &str, record: &mut Record) -> Block {
    record.clear();
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

/// One group of the table of labels.
#[derive(Debug, Default)]
struct Group {
    log: &'static str,
    /// Empty for all.
    ids: Vec<u32>,
    labels: HashMap<(&'static str, &'static str), &'static str>,
    /// The keys of `labels` in their order.
    order: Vec<(&'static str, &'static str)>,
    values: HashMap<(&'static str, &'static str), &'static str>,
}

impl Group {
    fn is_for(&self, channel: &str, id: u32) -> bool {
        let log = match channel.split_at_checked("Microsoft-Windows-".len()) {
            Some((head, tail)) if head.eq_ignore_ascii_case("Microsoft-Windows-") => tail,
            _ => channel,
        };
        log.eq_ignore_ascii_case(self.log) && (self.ids.is_empty() || self.ids.contains(&id))
    }
}

fn groups() -> &'static [Group] {
    static GROUPS: OnceLock<Vec<Group>> = OnceLock::new();
    GROUPS.get_or_init(|| {
        let mut groups: Vec<Group> = Vec::new();
        for line in include_str!("message_fields.txt").lines() {
            if let Some(head) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                let mut words = head.split(' ');
                groups.push(Group {
                    log: words.next().unwrap_or_default(),
                    ids: words.filter_map(|word| word.parse().ok()).collect(),
                    ..Group::default()
                });
                continue;
            }
            let cells: Vec<&'static str> = line.split('|').collect();
            let (Some(group), [first, second, third]) = (groups.last_mut(), cells.as_slice())
            else {
                continue;
            };
            match first.strip_prefix('=') {
                Some(field) => group.values.insert((field, second), third),
                None => {
                    group.order.push((first, second));
                    group.labels.insert((first, second), third)
                }
            };
        }
        groups
    })
}

/// A line of a message.
enum Line<'m> {
    Blank,
    /// `Subject:`
    Heading(&'m str),
    /// `Label:   value`, with whether it is indented.
    Label(&'m str, &'m str, bool),
    /// Anything else: the rest of a value, or prose.
    Other(&'m str, bool),
}

fn line(text: &str) -> Line<'_> {
    let indented = text.starts_with(['\t', ' ']);
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Line::Blank;
    }
    let Some(colon) = trimmed.find(':') else {
        return Line::Other(trimmed, indented);
    };
    // Some headings are written `Subject :`.
    let (label, value) = (trimmed[..colon].trim_end(), &trimmed[colon + 1..]);
    // Prose and paths have colons too: a label is short, is no sentence, and blanks follow its colon.
    let is_label = label.len() <= 48
        && !label.is_empty()
        && !label.contains(['.', '\\', '"', '='])
        && (value.is_empty() || value.starts_with([' ', '\t']));
    if !is_label || label.starts_with("- ") {
        return Line::Other(trimmed, indented);
    }
    let value = value.trim();
    if value.is_empty() && !indented {
        Line::Heading(label)
    } else {
        Line::Label(label, value, indented)
    }
}

/// Takes the fields out of the rendered message of an event, named as in its EventData where that is known, else as
/// the label with underscores for blanks. With `fill` only those are added that the data do not have.
pub(crate) fn message_fields(message: &str, record: &mut Record, fill: bool) {
    if special(message, record, fill) {
        return;
    }
    let mut found: Vec<(String, String)> = Vec::new();
    let id = record.event_id;
    let groups: Vec<&Group> = groups()
        .iter()
        .filter(|group| group.is_for(&record.channel, id))
        .collect();
    let name_of = |section: &str, label: &str| {
        groups
            .iter()
            .rev()
            .find_map(|group| {
                group
                    .labels
                    .get(&(section, label))
                    .or_else(|| group.labels.get(&("*", label)))
            })
            .copied()
    };
    let mut section = "";
    let mut past = 0;
    let mut indented_section = false;
    let mut open = false;
    // Whether what follows is a list below its heading: its lines are values, whatever they look like.
    let mut list = false;
    let mut end = 0;
    for (number, whole) in message.split_inclusive('\n').enumerate() {
        let begin = end;
        end += whole.len();
        // The first line says what happened; the lines of a document were taken already.
        if number == 0 || begin < past {
            continue;
        }
        let text = whole.trim_end_matches(['\r', '\n']);
        let kind = match line(text) {
            Line::Label(..) if list && text.starts_with(['\t', ' ']) => {
                Line::Other(text.trim(), true)
            }
            kind => kind,
        };
        match kind {
            Line::Blank => open = false,
            Line::Heading(name) => {
                // `Path:` with nothing behind it is a label without a value, or heads a list.
                section = name;
                indented_section = true;
                list = name_of(name, "").is_some();
                open = list;
                if list {
                    found.push((
                        name_of(name, "").unwrap_or_default().to_owned(),
                        String::new(),
                    ));
                }
            }
            Line::Label(label, value, indented) => {
                if !indented {
                    section = "";
                    indented_section = false;
                    list = false;
                }
                let known = name_of(if indented_section { section } else { "" }, label)
                    .or_else(|| name_of("", label).filter(|_| !indented || section.is_empty()));
                let name = known.map_or_else(|| label.replace(' ', "_"), ToOwned::to_owned);
                let document = known
                    .filter(|name| name.starts_with("TaskContent"))
                    .and_then(|_| {
                        let start = begin + whole.find(value)?;
                        Some(start..start + message[start..].find("</Task>")? + "</Task>".len())
                    });
                match document {
                    Some(range) => {
                        past = range.end;
                        found.push((name, message[range].to_owned()));
                    }
                    None => found.push((name, value.to_owned())),
                }
                open = true;
            }
            Line::Other(text, indented) => {
                if open && indented && !text.starts_with("- ") {
                    if let Some((_, value)) = found.last_mut() {
                        if !value.is_empty() {
                            value.push_str("\n\t\t\t");
                        }
                        value.push_str(text);
                    }
                } else {
                    open = false;
                }
            }
        }
    }
    for (name, value) in found {
        if value.is_empty() || (fill && record.has(&name)) {
            continue;
        }
        let meaning = |text: &str| {
            let text = text.trim();
            let of = |group: &&Group| {
                group
                    .values
                    .get(&(name.as_str(), text))
                    .or_else(|| group.values.get(&("*", text)))
                    .copied()
            };
            groups.iter().rev().find_map(of)
        };
        // A list, such as that of accesses, line by line.
        let meant = value
            .lines()
            .map(meaning)
            .collect::<Option<Vec<_>>>()
            .map(|codes| codes.join("\n\t\t\t\t"));
        let value = meant.as_deref().unwrap_or(&value);
        // EventData has LogonIds in small letters, messages in capitals.
        if value.starts_with("0x") && value.bytes().any(|byte| byte.is_ascii_uppercase()) {
            record.data(&name, &value.to_ascii_lowercase());
        } else {
            record.data(&name, value);
        }
    }
}

/// Gives an event whose data have the names that Splunk extracts from messages, such as `Logon_Type`, those of EventData
/// too. A name that stands below several headings has a value for each, in their order: `Account_Name` of a logon is
/// first the one who asked for it, then the one who logged on. Where the values are fewer than the headings, it cannot
/// be said which they are, and nothing is added.
pub(crate) fn extracted_fields(record: &mut Record) {
    let groups: Vec<&Group> = groups()
        .iter()
        .filter(|group| group.is_for(&record.channel, record.event_id))
        .collect();
    // The same as the heading that it is put for.
    const OTHER_HEADINGS: [&str; 2] = ["Creator Subject", "*"];
    let mut fields: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    let mut seen: Vec<(&str, &str)> = Vec::new();
    // Events about tickets have this heading in place of the subject.
    let without_subject = groups.iter().any(|group| {
        group
            .labels
            .keys()
            .any(|(section, _)| *section == "Account Information")
    });
    for group in &groups {
        for (section, label) in &group.order {
            if label.is_empty()
                || OTHER_HEADINGS.contains(section)
                || (without_subject && *section == "Subject")
                || seen.contains(&(section, label))
            {
                continue;
            }
            seen.push((section, label));
            let Some(field) = groups
                .iter()
                .rev()
                .find_map(|group| group.labels.get(&(*section, *label)))
            else {
                continue;
            };
            let known = fields.entry(extracted_name(label)).or_default();
            if !known.contains(field) {
                known.push(field);
            }
        }
    }
    let mut found: Vec<(&str, String)> = Vec::new();
    for (name, targets) in &fields {
        let values: Vec<&str> = record.values(name).collect();
        if values.len() != targets.len() {
            continue;
        }
        for (target, value) in targets.iter().zip(values) {
            if *target == name || record.has(target) {
                continue;
            }
            let meant = groups
                .iter()
                .rev()
                .find_map(|group| group.values.get(&(*target, value.trim())));
            found.push((target, (*meant.unwrap_or(&value)).to_owned()));
        }
    }
    for (target, value) in found {
        if !record.has(target) {
            record.data(target, &value);
        }
    }
}

/// A label as Splunk makes a field's name of it.
fn extracted_name(label: &str) -> String {
    label
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

/// Messages that are sentences or scripts.
fn special(message: &str, record: &mut Record, fill: bool) -> bool {
    let system = record.channel.eq_ignore_ascii_case("System");
    let id = record.event_id;
    let mut put = |name: &str, value: &str| {
        if !(fill && record.has(name)) {
            record.data(name, value.trim());
        }
    };
    match id {
        7036 if system => {
            let Some(rest) = message.strip_prefix("The ") else {
                return false;
            };
            let Some((service, state)) = rest.split_once(" service entered the ") else {
                return false;
            };
            put("param1", service);
            put(
                "param2",
                state
                    .trim_end()
                    .trim_end_matches('.')
                    .trim_end_matches(" state"),
            );
            true
        }
        7040 if system => {
            let Some(rest) = message.strip_prefix("The start type of the ") else {
                return false;
            };
            let Some((service, types)) = rest.split_once(" service was changed from ") else {
                return false;
            };
            let Some((from, to)) = types.split_once(" to ") else {
                return false;
            };
            put("param1", service);
            put("param2", from);
            put("param3", to.trim_end().trim_end_matches('.'));
            true
        }
        4104 => {
            let Some((head, rest)) = message.split_once('\n') else {
                return false;
            };
            if !head.starts_with("Creating Scriptblock text") {
                return false;
            }
            let Some(end) = rest.rfind("ScriptBlock ID:") else {
                return false;
            };
            let numbers = head
                .split(|c: char| !c.is_ascii_digit())
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>();
            if let [this, all] = numbers.as_slice() {
                put("MessageNumber", this);
                put("MessageTotal", all);
            }
            put(
                "ScriptBlockText",
                rest[..end].trim_end_matches(['\r', '\n']),
            );
            let tail = &rest[end + "ScriptBlock ID:".len()..];
            let (block, path) = tail.split_once("Path:").unwrap_or((tail, ""));
            put("ScriptBlockId", block);
            put("Path", path);
            true
        }
        _ => false,
    }
}
