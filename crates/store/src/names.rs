//! Names of files and columns in a store.
//!
//! Logs, and so attackers, choose the names of channels and fields. A channel becomes part of a path only with
//! everything but letters, digits and a few signs percent-encoded, and no longer than file systems allow; the manifest
//! has its real name.

use std::fmt::Write as _;

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// The column with the time: `Timestamp(µs, UTC)`.
pub(crate) const TIME: &str = "__time";
/// The column with the machine.
pub(crate) const HOST: &str = "host";
/// The column with the number of the source in the manifest.
pub(crate) const SOURCE: &str = "__source";
/// The column with the record number.
pub(crate) const RECORD: &str = "__record";
/// The column that identifies copies of records without a record number.
pub(crate) const IDENTITY: &str = "__identity";

/// Suffix of the column for rows in which a field has several values.
const SEVERAL: &str = "[]";
/// Surrounds a field name that would otherwise be misread.
const ESCAPE: char = '\\';

/// Maximum length of a channel in a path; file systems allow 255 bytes.
const LONGEST: usize = 120;

/// The column for a field's single values.
pub(crate) fn column(field: &str) -> String {
    let other = field == HOST
        || field.starts_with("__")
        || field.starts_with(ESCAPE)
        || field.ends_with(SEVERAL);
    if other {
        format!("{ESCAPE}{field}{ESCAPE}")
    } else {
        field.to_owned()
    }
}

/// The column for a field's rows with several values.
pub(crate) fn several(field: &str) -> String {
    format!("{}{SEVERAL}", column(field))
}

/// The field of a column, and whether the column has the rows with several values. `None` if it is not a field.
pub(crate) fn field(column: &str) -> Option<(&str, bool)> {
    if let Some(escaped) = column.strip_prefix(ESCAPE) {
        let (escaped, several) = match escaped.strip_suffix(SEVERAL) {
            Some(escaped) => (escaped, true),
            None => (escaped, false),
        };
        return Some((escaped.strip_suffix(ESCAPE)?, several));
    }
    if column == HOST || column.starts_with("__") {
        return None;
    }
    Some(match column.strip_suffix(SEVERAL) {
        Some(name) => (name, true),
        None => (column, false),
    })
}

/// The folder of an event type.
pub(crate) fn folder(channel: &str, event_id: u32) -> String {
    format!("events/channel={}/event_id={event_id}", part(channel))
}

/// An event file's name: its days, a number and, if several write to the store, the mark of its writer: others may
/// choose the same number at the same time.
pub(crate) fn file(
    channel: &str,
    event_id: u32,
    first: i64,
    last: i64,
    number: u64,
    mark: u64,
) -> String {
    let folder = folder(channel, event_id);
    let mark = match mark {
        0 => String::new(),
        mark => format!("-{mark:016x}"),
    };
    format!(
        "{folder}/{}_{}_{number:012}{mark}.parquet",
        day(first),
        day(last)
    )
}

/// Log text as part of a path.
fn part(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => encoded.push(byte as char),
            // `.` alone, `..`, and a trailing dot mean something to some systems.
            b'.' if !encoded.is_empty() && !encoded.ends_with('.') => encoded.push('.'),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    if encoded.ends_with('.') {
        encoded.pop();
        encoded.push_str("%2E");
    }
    if encoded.len() <= LONGEST {
        return encoded;
    }
    let mut cut = LONGEST - 20;
    // Not within a `%2F`.
    while encoded
        .get(cut - 2..cut)
        .is_some_and(|end| end.contains('%'))
    {
        cut -= 1;
    }
    encoded.truncate(cut);
    let hash = xxhash_rust::xxh3::xxh3_64(text.to_lowercase().as_bytes());
    format!("{encoded}~{hash:016x}")
}

/// Number of microseconds in a day.
pub(crate) const DAY: i64 = 86_400_000_000;

/// The day of a time, UTC, as `2026-11-28`.
pub(crate) fn day(micros: i64) -> String {
    let seconds = SignedDuration::from_secs(micros.div_euclid(1_000_000));
    let at = Timestamp::from_duration(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    Offset::UTC.to_datetime(at).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_off_its_columns() {
        for name in [
            "a", "host", "__time", "\\", "\\a", "a[]", "[]", "__a[]", "", "a[][]", "\\a[]",
            "host[]", "a\\", "\\[]\\",
        ] {
            assert_eq!(field(&column(name)), Some((name, false)), "{name}");
            assert_eq!(field(&several(name)), Some((name, true)), "{name}");
        }
        for made in [TIME, HOST, SOURCE, RECORD, IDENTITY] {
            assert_eq!(field(made), None);
        }
    }

    #[test]
    fn no_channel_leads_out_of_its_folder() {
        let long = "x/".repeat(5_000);
        for channel in [
            "..",
            "../../etc",
            "a/b",
            "a\\b",
            ".",
            "",
            "C:",
            "con.",
            "a\0b",
            "ä",
            &long,
        ] {
            let path = folder(channel, 1);
            assert_eq!(path.matches('/').count(), 2, "{path}");
            let part = path.split('/').nth(1).unwrap_or_default();
            assert!(part.len() < 150, "{path}");
            assert!(part.is_ascii() && !part.ends_with('.'), "{path}");
            assert!(!part.contains(['\\', ':', '\0', ' ']), "{path}");
        }
        assert_eq!(
            folder("Microsoft-Windows-Sysmon/Operational", 1),
            "events/channel=Microsoft-Windows-Sysmon%2FOperational/event_id=1"
        );
        assert_ne!(folder(&long, 1), folder(&format!("{long}y"), 1));
    }
}
