//! The rendered message of an event, whose labels are data fields under other names.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

use crate::record::Record;

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
    /// Anything else: the continuation of a value, or prose.
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
    // Prose and paths also contain colons: a label is short, is not a sentence, and is followed by spaces after its
    // colon.
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

/// Restores the line breaks of a message that was folded into one line, as syslog requires (`… logged on.    Subject:
/// Security ID:  S-1-0-0 …`): one per heading and label that the event is known to have. Each is used once, so that
/// text inside a value, such as a command line near the end, does not precede the message's own.
fn unfolded(message: &str, groups: &[&Group]) -> Option<String> {
    if message.contains('\n') || !message.contains(": ") {
        return None;
    }
    let mut names: Vec<(&str, bool)> = groups
        .iter()
        .flat_map(|group| &group.order)
        .flat_map(|(section, label)| {
            let heading = !section.is_empty() && *section != "*";
            [(*section, false), (*label, heading)]
        })
        .filter(|(name, _)| !name.is_empty() && *name != "*")
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut out = String::new();
    let (mut at, mut heading, mut lines) = (0, "", 0);
    let mut seen: HashSet<(&str, &str)> = HashSet::new();
    for (colon, _) in message.match_indices(':') {
        let before = message.get(at..colon).unwrap_or_default().trim_end();
        let is_whole = |name: &str| {
            before
                .strip_suffix(name)
                .is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']))
        };
        // Of `Network Account Name` and `Account Name`, the longer one.
        let Some((name, is_label)) = names
            .iter()
            .filter(|(name, _)| is_whole(name))
            .max_by_key(|(name, is_label)| (name.len(), !is_label))
        else {
            continue;
        };
        // A name that is both is a heading if one of its own labels follows.
        if !seen.insert((if *is_label { heading } else { "" }, name)) {
            continue;
        }
        if !is_label {
            heading = name;
        }
        let text = before.get(..before.len() - name.len()).unwrap_or_default();
        out.push_str(first_words(text, lines > 0));
        out.push_str(if *is_label { "\n\t" } else { "\n" });
        out.push_str(name);
        out.push_str(": ");
        at = colon + 1;
        lines += 1;
    }
    if lines == 0 {
        return None;
    }
    out.push_str(first_words(message.get(at..).unwrap_or_default(), true));
    Some(out)
}

/// A value, up to the spaces that replace the following line breaks.
fn first_words(text: &str, is_value: bool) -> &str {
    let text = text.trim();
    match text.find("    ").filter(|_| is_value) {
        Some(end) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// Extracts the fields from the rendered message of an event, named as in its EventData if known, otherwise after the
/// label with underscores for spaces. With `fill`, adds only fields that the data lacks.
pub(crate) fn message_fields(message: &str, record: &mut Record, fill: bool) {
    if special(message, record, fill) {
        return;
    }
    let id = record.event_id;
    let groups: Vec<&Group> = groups()
        .iter()
        .filter(|group| group.is_for(&record.channel, id))
        .collect();
    let lines = unfolded(message, &groups);
    let found = labelled(lines.as_deref().unwrap_or(message), &groups);
    // A message may have any number of labels: those of a long one are not searched for among all fields.
    let mut taken: Option<HashSet<String>> = (fill && found.len() > 128)
        .then(|| record.own().map(|(name, _)| name.to_owned()).collect());
    for (name, value) in found {
        if value.is_empty() {
            continue;
        }
        let is_known = match &mut taken {
            Some(taken) => !taken.insert(name.clone()),
            None => fill && record.has(&name),
        };
        if is_known {
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
        put(record, &name, value);
    }
}

/// The event's own name for a label in a section.
fn name_of(groups: &[&Group], section: &str, label: &str) -> Option<&'static str> {
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
}

/// The labels of a message with their values, as they are written.
fn labelled(message: &str, groups: &[&Group]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut section = "";
    let mut past = 0;
    let mut indented_section = false;
    let mut open = false;
    // Whether a list follows its heading: its lines are values, whatever they look like.
    let mut list = false;
    let mut end = 0;
    // Searched only once, so that many unterminated documents cost no more than their length.
    let mut last_document = None;
    for (number, whole) in message.split_inclusive('\n').enumerate() {
        let begin = end;
        end += whole.len();
        // The first line says what happened; the lines of a document were processed already.
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
                // `Path:` without a value is a label, or heads a list.
                section = name;
                indented_section = true;
                list = name_of(groups, name, "").is_some();
                open = list;
                if list {
                    found.push((
                        name_of(groups, name, "").unwrap_or_default().to_owned(),
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
                let known = name_of(groups, if indented_section { section } else { "" }, label)
                    .or_else(|| {
                        name_of(groups, "", label).filter(|_| !indented || section.is_empty())
                    });
                let name = known.map_or_else(|| label.replace(' ', "_"), ToOwned::to_owned);
                let document = known
                    .filter(|name| name.starts_with("TaskContent"))
                    .and_then(|_| {
                        let start = begin + whole.find(value)?;
                        let last = *last_document.get_or_insert_with(|| message.rfind("</Task>"));
                        if last? < start {
                            return None;
                        }
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
    found
}

/// Adds a value from a message to the event's data, which has LogonIds in lower case, unlike messages.
fn put(record: &mut Record, name: &str, value: &str) {
    if value.starts_with("0x") && value.bytes().any(|byte| byte.is_ascii_uppercase()) {
        record.data(name, &value.to_ascii_lowercase());
    } else {
        record.data(name, value);
    }
}

/// Adds EventData's names to an event whose data has the names that Splunk extracts from messages, such as
/// `Logon_Type`. A name under several headings has one value per heading, in order: a logon's `Account_Name` is first
/// the requesting account, then the account that logged on. With fewer values than headings it is unclear which they
/// are, and nothing is added.
pub(crate) fn extracted_fields(record: &mut Record) {
    let groups: Vec<&Group> = groups()
        .iter()
        .filter(|group| group.is_for(&record.channel, record.event_id))
        .collect();
    // Synonym of the heading it is listed for.
    const OTHER_HEADINGS: [&str; 2] = ["Creator Subject", "*"];
    let mut fields: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    let mut seen: Vec<(&str, &str)> = Vec::new();
    // Ticket events have this heading in place of the subject.
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
            put(record, target, &value);
        }
    }
}

/// A label as the field name that Splunk derives from it.
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
