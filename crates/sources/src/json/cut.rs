//! Records that were truncated.

use super::values::IDS;
use crate::csv;

/// A truncated JSON object, completed after its last complete value, or with the available part of a text. Says whether the
/// last value is such a part.
pub(super) fn completed(text: &str) -> Option<(String, bool)> {
    let bytes = text.as_bytes();
    let mut open: Vec<u8> = Vec::new();
    // The length of the text after each complete value, and what is open there.
    let mut kept = (0, 0);
    let mut is_key = false;
    let mut at = 0;
    let mut cut = None;
    while let Some(byte) = bytes.get(at).copied() {
        match byte {
            b'"' => {
                let mut end = at + 1;
                loop {
                    match bytes.get(end) {
                        Some(b'"') => break,
                        // An escape is kept completely or dropped.
                        Some(b'\\') => {
                            let length = if bytes.get(end + 1) == Some(&b'u') {
                                6
                            } else {
                                2
                            };
                            if end + length > bytes.len() {
                                cut = Some(end);
                                break;
                            }
                            end += length;
                        }
                        Some(b'\n' | b'\r') | None => {
                            cut = Some(end);
                            break;
                        }
                        Some(_) => end += 1,
                    }
                }
                if cut.is_some() {
                    break;
                }
                at = end;
                if !is_key {
                    kept = (at + 1, open.len());
                }
            }
            b'{' | b'[' => {
                open.push(if byte == b'{' { b'}' } else { b']' });
                is_key = byte == b'{';
                kept = (at + 1, open.len());
            }
            b'}' | b']' => {
                if open.last() != Some(&byte) {
                    break;
                }
                open.pop();
                kept = (at + 1, open.len());
                if open.is_empty() {
                    break;
                }
            }
            b':' => is_key = false,
            b',' => {
                // The preceding token is complete if it is a number or a word.
                kept = (at, open.len());
                is_key = open.last() == Some(&b'}');
            }
            _ => {}
        }
        at += 1;
    }
    let (length, depth) = kept;
    let (mut whole, is_part) = match cut {
        Some(end) if !is_key => (format!("{}\"", text.get(..end)?), true),
        _ => {
            open.truncate(depth);
            (text.get(..length)?.to_owned(), false)
        }
    };
    whole.extend(open.iter().rev().map(|byte| char::from(*byte)));
    Some((whole, is_part))
}

/// Whether a value is of the event's header, so that a part of it says something else: another time, host or log.
pub(super) fn is_of_header(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    let lower = last.to_ascii_lowercase();
    csv::header_name(last).is_some()
        || IDS.contains(&last)
        || path
            .split('.')
            .any(|name| name.eq_ignore_ascii_case("system"))
        || path.to_ascii_lowercase().ends_with("provider.name")
        || ["time", "date", "stamp", "created"]
            .iter()
            .any(|part| lower.contains(part))
        || matches!(
            lower.as_str(),
            "ts" | "id" | "host" | "provider" | "source" | "sourcetype"
        )
}
