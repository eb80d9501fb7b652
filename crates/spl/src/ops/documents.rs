//! Fields in JSON, in XML elements and in key-value pairs.

use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Answer, Entry, Prepared, call, fixed, xml};
use crate::column::Typed;
use crate::column::list_type;

pub(super) const FUNCTIONS: &[Entry] = &[Entry {
    name: "spl_document",
    prepare: |call| {
        let (format, path): (Format, String) = call.fixed(1)?;
        Ok(Prepared::rows(list_type(), move |args| {
            let mut found = Vec::new();
            for text in args.values(0) {
                found.extend(pick(&text, &format, &path));
            }
            Answer::List(found)
        }))
    },
}];

/// The content of a document at a path.
pub(crate) fn out_of(value: Typed, format: &Format, path: &str) -> Typed {
    call(
        "spl_document",
        list_type(),
        vec![value.expr, fixed(&(format, path))],
    )
}

/// The representation of fields in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Format {
    /// A JSON document, with paths such as `a{}.b` as names; or XML, with paths such as `a.b{@c}`.
    Json,
    /// The members of a JSON object.
    Members,
    /// `<key>value</key>`.
    Elements,
    /// `key=value`.
    Pairs {
        /// Characters that separate pairs; empty for the usual ones.
        pair: Option<String>,
        /// Characters that separate key and value; empty for the usual ones.
        key: Option<String>,
        /// Most pairs.
        most: usize,
        /// How many characters of the text to scan.
        characters: usize,
        /// Whether a repeated key has several values; otherwise the first counts.
        several: bool,
        /// Whether to replace characters other than letters and digits in keys with `_`.
        clean: bool,
    },
}

/// Names of the fields in a text, without repetition.
pub(crate) fn found_names(text: &str, format: &Format) -> Vec<String> {
    let mut names = Vec::new();
    match format {
        Format::Json if xml::is_xml(text) => xml::paths(text, &mut names),
        Format::Json => {
            if let Ok(value) = serde_json::from_str::<Value>(text) {
                paths(&value, "", &mut names);
            }
        }
        Format::Members => {
            if let Ok(Value::Object(members)) = serde_json::from_str::<Value>(text) {
                names.extend(members.keys().cloned());
            }
        }
        Format::Elements | Format::Pairs { .. } => {
            names.extend(pairs_of(text, format).into_iter().map(|(name, _)| name));
        }
    }
    let mut unique = std::collections::HashSet::new();
    names.retain(|name| unique.insert(name.clone()));
    names
}

/// The values of one field of a text.
pub(crate) fn pick(text: &str, format: &Format, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    match format {
        Format::Json if xml::is_xml(text) => found = xml::pick(text, name),
        Format::Json => {
            if let Ok(value) = serde_json::from_str::<Value>(text) {
                walk(&value, name, &mut found);
            }
        }
        Format::Members => {
            if let Ok(Value::Object(members)) = serde_json::from_str::<Value>(text) {
                match members.get(name) {
                    Some(Value::Array(items)) => found.extend(items.iter().map(shown)),
                    Some(value) => found.push(shown(value)),
                    None => {}
                }
            }
        }
        Format::Elements | Format::Pairs { .. } => {
            let pairs = pairs_of(text, format).into_iter();
            found.extend(pairs.filter(|(own, _)| own == name).map(|(_, value)| value));
            if matches!(format, Format::Pairs { several: false, .. }) {
                found.truncate(1);
            }
        }
    }
    found
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The paths of all values that contain no others.
fn paths(value: &Value, path: &str, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, inner) in members {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                paths(inner, &path, names);
            }
        }
        Value::Array(items) => {
            let path = format!("{path}{{}}");
            items.iter().for_each(|inner| paths(inner, &path, names));
        }
        _ if path.is_empty() => {}
        _ => names.push(path.to_owned()),
    }
}

/// The values at a path. Names may contain dots themselves, so every member that matches the path's start is followed.
fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
    if path.is_empty() {
        found.push(shown(value));
        return;
    }
    match value {
        Value::Object(members) => {
            for (key, inner) in members {
                let Some(rest) = path.strip_prefix(key.as_str()) else {
                    continue;
                };
                match rest.chars().next() {
                    None | Some('{') => walk(inner, rest, found),
                    Some('.') if rest.len() > 1 => walk(inner, &rest[1..], found),
                    _ => {}
                }
            }
        }
        Value::Array(items) => {
            let Some((index, rest)) = path
                .strip_prefix('{')
                .and_then(|inside| inside.split_once('}'))
            else {
                return;
            };
            let rest = rest.strip_prefix('.').unwrap_or(rest);
            if index.is_empty() {
                items.iter().for_each(|inner| walk(inner, rest, found));
            } else if let Some(inner) = index.parse::<usize>().ok().and_then(|at| items.get(at)) {
                walk(inner, rest, found);
            }
        }
        _ => {}
    }
}

#[expect(clippy::unwrap_used, reason = "the patterns are constants")]
static ELEMENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"<([A-Za-z_][\w.:-]*)(?:\s[^<>]*)?>([^<>]+)</([^<>\s]+)\s*>").unwrap()
});
#[expect(clippy::unwrap_used, reason = "the patterns are constants")]
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"([A-Za-z_][\w.:-]*)\s*=\s*(?:"([^"]*)"|([^\s,;|&"]+))"#).unwrap()
});

fn pairs_of(text: &str, format: &Format) -> Vec<(String, String)> {
    match format {
        Format::Elements => {
            // A document inside an event is often escaped.
            let text = if text.contains("&lt;") {
                unescaped(text)
            } else {
                text.to_owned()
            };
            ELEMENT
                .captures_iter(&text)
                .filter(|groups| {
                    groups.get(1).map(|one| one.as_str()) == groups.get(3).map(|one| one.as_str())
                })
                .map(|groups| (groups[1].to_owned(), unescaped(groups[2].trim())))
                .filter(|(_, value)| !value.is_empty())
                .collect()
        }
        Format::Pairs {
            pair,
            key,
            most,
            characters,
            clean,
            ..
        } => {
            let end = text.char_indices().nth(*characters);
            let text = end.map_or(text, |(end, _)| &text[..end]);
            let name = |name: &str| {
                if *clean {
                    cleaned(name)
                } else {
                    name.trim().trim_matches('"').to_owned()
                }
            };
            match (pair, key) {
                (None, None) => PAIR
                    .captures_iter(text)
                    .take(*most)
                    .map(|groups| {
                        let value = groups.get(2).or_else(|| groups.get(3));
                        (
                            name(&groups[1]),
                            value.map_or("", |value| value.as_str()).to_owned(),
                        )
                    })
                    .collect(),
                (pair, key) => {
                    let pair = pair.as_deref().unwrap_or(" \t\n\r,;|");
                    let key = key.as_deref().unwrap_or("=");
                    text.split(|char| pair.contains(char))
                        .filter_map(|part| part.split_once(|char| key.contains(char)))
                        .map(|(own, value)| (name(own), value.trim().trim_matches('"').to_owned()))
                        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
                        .take(*most)
                        .collect()
                }
            }
        }
        Format::Json | Format::Members => Vec::new(),
    }
}

/// A key as a field name: characters other than letters and digits become `_`.
fn cleaned(name: &str) -> String {
    name.trim()
        .trim_matches('"')
        .chars()
        .map(|char| {
            if char.is_alphanumeric() || matches!(char, '.' | ':' | '_') {
                char
            } else {
                '_'
            }
        })
        .collect()
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}
