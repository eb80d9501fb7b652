//! Where records begin and end in bytes.

use crate::piece::Piece;
use crate::time;

/// The end of the JSON object that opens here. An object can only contain another one after a colon or in an array, and
/// a string no line break: otherwise it is broken there.
pub(crate) fn find_object_end(bytes: &[u8], _: bool) -> Piece {
    // For each open bracket, whether it belongs to an object.
    let mut objects: Vec<bool> = Vec::with_capacity(16);
    let mut at = 0;
    let mut last = b':';
    while let Some(byte) = bytes.get(at).copied() {
        match byte {
            b'"' => {
                let mut from = at + 1;
                at = loop {
                    let found = bytes
                        .get(from..)
                        .and_then(|rest| memchr::memchr3(b'"', b'\\', b'\n', rest));
                    let Some(found) = found.map(|found| from + found) else {
                        return Piece::Open;
                    };
                    match bytes.get(found) {
                        Some(b'"') => break found,
                        Some(b'\\') => from = found + 2,
                        _ => return Piece::Broken(found + 1),
                    }
                };
            }
            b'{' | b'[' => {
                if objects.last() == Some(&true) && last != b':' {
                    return Piece::Broken(at);
                }
                if objects.len() > 1000 {
                    return Piece::Broken(at);
                }
                objects.push(byte == b'{');
            }
            b'}' | b']' => {
                if objects.pop() != Some(byte == b'}') {
                    return Piece::Broken(at + 1);
                }
                if objects.is_empty() {
                    return Piece::Whole(at + 1);
                }
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            last = byte;
        }
        at += 1;
    }
    Piece::Open
}

/// Where the first array of objects opens in a JSON object, and where its first object does.
pub(crate) fn array_within(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => loop {
                at += 1 + memchr::memchr2(b'"', b'\\', bytes.get(at + 1..)?)?;
                if bytes.get(at) == Some(&b'"') {
                    break;
                }
                at += 1;
            },
            b'[' => {
                let rest = bytes.get(at + 1..)?;
                let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
                let first = at + 1 + blanks.count();
                if bytes.get(first) == Some(&b'{') {
                    return Some((at, first));
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// What stands before the record of an entry in Fluentd's forward protocol, or as Fluent Bit prints it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Bytes up to the record, or up to the array of entries.
    pub head: usize,
    /// In microseconds since 1970-01-01 UTC; `None` if entries follow that have a time each.
    pub time: Option<i64>,
    /// Whether the entry names its tag.
    pub tagged: bool,
}

/// The entry that opens here: `[time, {…}]`, `["tag", time, {…}]`, `["tag", [[time, {…}], …]]`, `[[time, {…}], {…}]` (whose first
/// object is about the record).
pub(crate) fn entry(bytes: &[u8]) -> Option<Entry> {
    /// Tags and what Fluent Bit says of a record are short.
    const MOST: usize = 1024;
    let bytes = bytes.get(..MOST).unwrap_or(bytes);
    let mut at = 0;
    let sign = |at: &mut usize, sign: u8| {
        let rest = bytes.get(*at..).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        let next = *at + blanks.count();
        let there = bytes.get(next) == Some(&sign);
        if there {
            *at = next + 1;
        }
        there
    };
    // A text in quotes, or a number.
    let word = |at: &mut usize| -> Option<&str> {
        let rest = bytes.get(*at..)?;
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        let start = *at + blanks.count();
        let rest = bytes.get(start..)?;
        let (from, length, all) = if rest.first() == Some(&b'"') {
            let length = memchr::memchr2(b'"', b'\\', rest.get(1..)?)?;
            (1, length, length + 2)
        } else {
            let number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
            let length = rest.iter().take_while(|byte| number(byte)).count();
            (0, length, length)
        };
        *at = start + all;
        std::str::from_utf8(rest.get(from..from + length)?).ok()
    };
    let time = |word: &str| time::parse(word).map(|written| written.micros);
    if !sign(&mut at, b'[') {
        return None;
    }
    let nested = sign(&mut at, b'[');
    let is_text = bytes.get(at..)?.trim_ascii_start().starts_with(b"\"");
    let first = word(&mut at).filter(|first| !first.is_empty())?;
    if !sign(&mut at, b',') {
        return None;
    }
    let tagged = is_text && !nested && time(first).is_none();
    let time = if tagged {
        if sign(&mut at, b'[') {
            return Some(Entry {
                head: at - 1,
                time: None,
                tagged,
            });
        }
        let second = time(word(&mut at)?)?;
        if !sign(&mut at, b',') {
            return None;
        }
        second
    } else {
        time(first)?
    };
    if nested {
        let rest = bytes.get(at..)?.trim_ascii_start();
        let Piece::Whole(length) = find_object_end(rest, false) else {
            return None;
        };
        at = bytes.len() - rest.len() + length;
        if !sign(&mut at, b']') || !sign(&mut at, b',') {
            return None;
        }
    }
    sign(&mut at, b'{').then_some(Entry {
        head: at - 1,
        time: Some(time),
        tagged,
    })
}
