//! Names and values as many shapes have them.

use crate::record::Record;
use crate::time;

/// Names of the event id in flat records, most specific first.
pub(super) const IDS: &[&str] = &[
    "EventID",
    "EventId",
    "EventCode",
    "event_id",
    "eventid",
    "EventIdentifier",
    "eventID",
    "Id",
];

/// A whole number. Tables for people have commas between thousands (`4,624`).
pub(super) fn count(text: &str) -> Option<u64> {
    let text = text.trim();
    let mut groups = text.split(',');
    let first = groups.next()?;
    if first.len() < text.len()
        && (1..=3).contains(&first.len())
        && groups.all(|group| group.len() == 3)
    {
        return text.replace(',', "").parse().ok();
    }
    text.parse().ok()
}

/// An event id, also with qualifiers in its upper half, as in WMI.
pub(super) fn number(text: &str) -> Option<u32> {
    let number = count(text)?;
    u32::try_from(if number > 0xffff {
        number & 0xffff
    } else {
        number
    })
    .ok()
}

/// Windows shows GUIDs in braces and lower case; evtx_dump does not.
pub(super) fn braced(name: &str, value: &str) -> Option<String> {
    let is_guid = value.len() == 36
        && value.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let end = name.as_bytes().last_chunk::<4>();
    (is_guid && end.is_some_and(|end| end.eq_ignore_ascii_case(b"guid")))
        .then(|| format!("{{{}}}", value.to_ascii_lowercase()))
}

pub(super) fn put(record: &mut Record, name: &str, value: &str) {
    match braced(name, value) {
        Some(value) => record.data(name, &value),
        None => record.data(name, value),
    }
}

/// A name with a capital letter.
pub(super) fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Whether Sysmon wrote the event, which puts its time into the data too.
pub(super) fn is_sysmon(record: &Record) -> bool {
    record.channel.to_ascii_lowercase().contains("sysmon")
}

/// The time of an event for which only `seen` is known, when an intermediary received it: Sysmon records the time in
/// the event itself. (For connections and DNS queries it records it late, and sometimes hours off.)
pub(super) fn before(seen: i64, record: &Record) -> i64 {
    const LATE: i64 = 120_000_000;
    let sysmon = is_sysmon(record) && !matches!(record.event_id, 3 | 22);
    match record.get("UtcTime").and_then(time::parse) {
        Some(utc) if sysmon && seen - utc.micros > LATE => utc.micros,
        _ => seen,
    }
}
