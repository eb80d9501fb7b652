//! Parsing the many ways in which logs write a time.

use std::ops::RangeInclusive;

use jiff::civil::DateTime;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The first and the last microsecond of the years 1000 to 9999, since 1970-01-01 UTC. No log has a time outside of
/// them, and sums and differences of times within them are far below the limits of 64 bits.
const TIMES: RangeInclusive<i64> = -30_610_224_000_000_000..=253_402_300_799_999_999;

/// The time, if it is within the range of logs.
pub(crate) fn possible(micros: i64) -> Option<i64> {
    TIMES.contains(&micros).then_some(micros)
}

/// The nearest time within the range of logs.
pub(crate) fn clamped(micros: i64) -> i64 {
    micros.clamp(*TIMES.start(), *TIMES.end())
}

/// Microseconds since 1970-01-01 of a civil date and time taken as UTC.
pub(crate) fn civil(
    year: i64,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    micros: i64,
) -> Option<i64> {
    if !(1000..=9999).contains(&year) {
        return None;
    }
    // A leap second is the first of the next minute.
    let (second, leap) = if second == 60 { (59, 1) } else { (second, 0) };
    let small = |part: u32| i8::try_from(part).ok();
    let time = DateTime::new(
        i16::try_from(year).ok()?,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        0,
    );
    let seconds = time.ok()?.duration_since(EPOCH).as_secs() + leap;
    Some(seconds * 1_000_000 + micros)
}

/// A time as written: microseconds since 1970-01-01 of its digits, and whether they are UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    /// Microseconds since 1970-01-01, moved to UTC if the text names an offset.
    pub micros: i64,
    /// Whether the text names a zone.
    pub zoned: bool,
}

fn number(text: &[u8], at: &mut usize, most: usize) -> Option<u32> {
    let start = *at;
    let mut value = 0_u32;
    let digits = text.get(start..)?.iter().take(most);
    for digit in digits.take_while(|byte| byte.is_ascii_digit()) {
        value = value * 10 + u32::from(digit - b'0');
        *at += 1;
    }
    (*at > start).then_some(value)
}

fn expect(text: &[u8], at: &mut usize, set: &[u8]) -> Option<u8> {
    let byte = *text.get(*at)?;
    set.contains(&byte).then(|| {
        *at += 1;
        byte
    })
}

fn spaces(text: &[u8], at: &mut usize) {
    while text.get(*at).is_some_and(u8::is_ascii_whitespace) {
        *at += 1;
    }
}

/// Parses ISO 8601 (`2024-03-04T06:00:00.123Z`, with a space for the `T`, an offset or none), US dates
/// (`03/04/2024 06:00:00.123 PM -0500`), German ones (`04.03.2024 06:00:00`), months by name (`Mon, 04 Mar 2024 06:00:00
/// +0000`, `Mar 4, 2024 @ 06:00:00.123`, `04/Mar/2024:06:00:00 +0000`), WMI (`20240304060000.000000-300`), .NET
/// (`/Date(1709532000000)/`), Unix seconds, milliseconds, microseconds or nanoseconds, and FILETIME. Zones may have one of the
/// names in [`ZONES`]. A year of two digits is one of this century, if a clock follows. Surrounding quotes are ignored, and
/// so are the marks that Windows writes for the direction of text. Values outside the years 1000 to 9999 are not times.
pub(crate) fn parse(text: &str) -> Option<Written> {
    let marks = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    let written = match text.contains(marks) {
        true => read(&text.replace(marks, "")),
        false => read(text),
    };
    written.filter(|written| possible(written.micros).is_some())
}

/// Names of zones, and how many minutes they are ahead of UTC: those of RFC 822, and others that mean one zone only.
const ZONES: [(&str, i64); 31] = [
    ("UTC", 0),
    ("GMT", 0),
    ("WET", 0),
    ("WEST", 60),
    ("BST", 60),
    ("CET", 60),
    ("MET", 60),
    ("CEST", 120),
    ("MEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("MSK", 180),
    ("PKT", 300),
    ("SGT", 480),
    ("HKT", 480),
    ("AWST", 480),
    ("JST", 540),
    ("KST", 540),
    ("AEST", 600),
    ("AEDT", 660),
    ("NZST", 720),
    ("NZDT", 780),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
    ("HST", -600),
];

/// The zone that a word names, in minutes ahead of UTC.
fn zone_of(word: &str) -> Option<i64> {
    ZONES
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name))
        .map(|(_, minutes)| *minutes)
}

fn read(text: &str) -> Option<Written> {
    let text = text.trim();
    let bytes = text.as_bytes();
    if let Some(written) = compact(text) {
        return Some(written);
    }
    if bytes.iter().take(16).any(u8::is_ascii_alphabetic)
        && let Some(written) = with_month_name(text)
    {
        return Some(written);
    }
    if let Some(rest) = text.strip_prefix("/Date(") {
        let digits: String = rest
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '-')
            .collect();
        return Some(Written {
            micros: digits.parse::<i64>().ok()?.checked_mul(1000)?,
            zoned: true,
        });
    }
    let mut at = 0;
    let first = number(bytes, &mut at, 4)?;
    let separator = match bytes.get(at) {
        Some(b'-') if at == 4 => b'-',
        Some(b'/') => b'/',
        Some(b'.') if matches!(at, 1 | 2 | 4) && bytes.get(at + 3) == Some(&b'.') => b'.',
        _ => return epoch(text),
    };
    at += 1;
    let second = number(bytes, &mut at, 2)?;
    expect(bytes, &mut at, &[separator])?;
    let year_first = at > 0 && first > 31;
    let (year, month, day) = if year_first {
        (first, second, number(bytes, &mut at, 2)?)
    } else {
        let start = at;
        let mut year = number(bytes, &mut at, 4)?;
        if at - start == 2 && bytes.get(at) == Some(&b' ') {
            year += 2000;
        }
        // Day first if written with dots, otherwise only if the other reading is impossible.
        if first > 12 || separator == b'.' {
            (year, second, first)
        } else {
            (year, first, second)
        }
    };
    // `3/4/2024, 6:00:00.000 AM`, as browsers write it.
    if bytes.get(at..at + 2) == Some(b", ") {
        at += 1;
    }
    let clock = expect(bytes, &mut at, b"Tt ").is_some();
    of_day(text, at, clock, (i64::from(year), month, day))
}

/// The rest of a time from the clock on, which may be missing.
fn of_day(
    text: &str,
    mut at: usize,
    clock: bool,
    (year, month, day): (i64, u32, u32),
) -> Option<Written> {
    let bytes = text.as_bytes();
    let (mut hour, mut minute, mut sec, mut micros) = (0, 0, 0, 0_i64);
    if clock {
        spaces(bytes, &mut at);
        hour = number(bytes, &mut at, 2)?;
        expect(bytes, &mut at, b":")?;
        minute = number(bytes, &mut at, 2)?;
        if expect(bytes, &mut at, b":").is_some() {
            sec = number(bytes, &mut at, 2)?;
            if expect(bytes, &mut at, b".,").is_some() {
                micros = fraction(bytes, &mut at);
            }
        }
    }
    spaces(bytes, &mut at);
    match bytes.get(at..at + 2) {
        Some([b'P' | b'p', b'M' | b'm']) => {
            hour = if hour < 12 { hour + 12 } else { hour };
            at += 2;
        }
        Some([b'A' | b'a', b'M' | b'm']) => {
            hour = if hour == 12 { 0 } else { hour };
            at += 2;
        }
        _ => {}
    }
    spaces(bytes, &mut at);
    let mut zoned = false;
    let mut minutes_ahead = 0_i64;
    let letters = bytes.get(at..).map_or(0, |rest| {
        rest.iter()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count()
    });
    let word = text.get(at..at + letters).unwrap_or_default();
    if let Some(minutes) = zone_of(word) {
        minutes_ahead = minutes;
        zoned = true;
        at += letters;
    }
    match bytes.get(at) {
        Some(b'Z' | b'z') if letters == 1 => zoned = true,
        // Also behind a name: `GMT+0200`.
        Some(sign @ (b'+' | b'-')) => {
            at += 1;
            let hours = number(bytes, &mut at, 2)?;
            let _ = expect(bytes, &mut at, b":");
            let minutes = i64::from(hours * 60 + number(bytes, &mut at, 2).unwrap_or(0));
            minutes_ahead += if *sign == b'-' { -minutes } else { minutes };
            zoned = true;
        }
        _ => {}
    }
    let micros = civil(year, month, day, hour, minute, sec, micros)?;
    Some(Written {
        micros: micros - minutes_ahead * 60_000_000,
        zoned,
    })
}

/// Decimals of seconds, as microseconds.
fn fraction(text: &[u8], at: &mut usize) -> i64 {
    let (mut micros, mut scale) = (0, 100_000);
    while let Some(digit) = text.get(*at).filter(|byte| byte.is_ascii_digit()) {
        micros += i64::from(digit - b'0') * scale;
        scale /= 10;
        *at += 1;
    }
    micros
}

/// A time without separators: WMI's `20240304060000.123456-300`, with the offset in minutes and stars for unknown
/// parts, and `20240304T060000Z`, `20240304060000Z`.
fn compact(text: &str) -> Option<Written> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut part = |most: usize| {
        let start = at;
        let value = number(bytes, &mut at, most)?;
        (at - start == most).then_some(value)
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    if bytes.get(at) == Some(&b'T') {
        at += 1;
    }
    let mut part = |most: usize| {
        let start = at;
        let value = number(bytes, &mut at, most)?;
        (at - start == most).then_some(value)
    };
    let (hour, minute, second) = (part(2)?, part(2)?, part(2)?);
    let micros = match bytes.get(at) {
        Some(b'.') => {
            at += 1;
            fraction(bytes, &mut at)
        }
        _ => 0,
    };
    while bytes.get(at) == Some(&b'*') {
        at += 1;
    }
    let minutes = match bytes.get(at..)? {
        [] => None,
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), rest @ ..] if rest.len() == 3 => {
            let minutes: Option<i64> = text.get(at + 1..)?.parse().ok();
            minutes.map(|minutes| if *sign == b'-' { -minutes } else { minutes })
        }
        _ => return None,
    };
    let micros = civil(i64::from(year), month, day, hour, minute, second, micros)?;
    Some(Written {
        micros: micros - minutes.unwrap_or(0) * 60_000_000,
        zoned: minutes.is_some(),
    })
}

/// A date whose month is an English word: day, month and year in any common order, with or without a weekday.
fn with_month_name(text: &str) -> Option<Written> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let bytes = text.as_bytes();
    let (mut year, mut month, mut day) = (None, None, None);
    let mut at = 0;
    // A clock before the year (`Mon Mar  4 06:00:00 2024`).
    let mut clock = None;
    while year.is_none() || month.is_none() || day.is_none() {
        while bytes
            .get(at)
            .is_some_and(|byte| matches!(byte, b' ' | b',' | b'/' | b'-' | b'.'))
        {
            at += 1;
        }
        let start = at;
        if bytes.get(at)?.is_ascii_digit() {
            let value = number(bytes, &mut at, 4)?;
            if bytes.get(at) == Some(&b':') && at - start <= 2 && clock.is_none() {
                clock = Some(start);
                while bytes
                    .get(at)
                    .is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'))
                {
                    at += 1;
                }
            } else if at - start == 4 && year.is_none() {
                year = Some(value);
            } else if at - start <= 2 && day.is_none() {
                day = Some(value);
            } else {
                return None;
            }
        } else {
            while bytes.get(at).is_some_and(u8::is_ascii_alphabetic) {
                at += 1;
            }
            let word = text.get(start..at)?.to_ascii_lowercase();
            let of = |names: &[&str]| names.iter().position(|name| word.starts_with(name));
            match (of(&MONTHS), of(&DAYS)) {
                (Some(found), _) if month.is_none() => month = u32::try_from(found + 1).ok(),
                (_, Some(_)) => {}
                // `Mon Mar  4 06:00:00 UTC 2024`: the clock is read with what follows it.
                _ if clock.is_some() && zone_of(&word).is_some() => {}
                _ => return None,
            }
        }
    }
    let date = (i64::from(year?), month?, day?);
    if let Some(clock) = clock {
        return of_day(text, clock, true, date);
    }
    while bytes
        .get(at)
        .is_some_and(|byte| matches!(byte, b' ' | b',' | b':' | b'@' | b'T'))
    {
        at += 1;
    }
    let clock = bytes.get(at).is_some_and(u8::is_ascii_digit);
    of_day(text, at, clock, date)
}

/// Unix time as a decimal number, or a Windows FILETIME; the size reveals the unit.
fn epoch(text: &str) -> Option<Written> {
    /// 1970 as a FILETIME.
    const UNIX_AS_FILETIME: u64 = 116_444_736_000_000_000;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i64 = whole.parse().ok()?;
    let micros = match value.unsigned_abs() {
        0..100_000_000_000 => {
            let mut micros = 0;
            let mut scale = 100_000;
            for digit in fraction.bytes().take(6) {
                if !digit.is_ascii_digit() {
                    return None;
                }
                micros += i64::from(digit - b'0') * scale;
                scale /= 10;
            }
            value * 1_000_000 + micros
        }
        100_000_000_000..100_000_000_000_000 => value * 1000,
        100_000_000_000_000..100_000_000_000_000_000 => value,
        // Tenths of microseconds since 1601: those of 1970 to 2100, which as nanoseconds would be before 2001.
        UNIX_AS_FILETIME..160_000_000_000_000_000 if value > 0 => {
            (value - UNIX_AS_FILETIME.cast_signed()) / 10
        }
        _ => value / 1000,
    };
    Some(Written {
        micros,
        zoned: true,
    })
}

/// Microseconds to add to `local` to match `utc`, as a multiple of a quarter of an hour: the zone of a clock that
/// writes local time, derived from a UTC time of (nearly) the same moment.
pub(crate) fn zone(local: i64, utc: i64) -> i64 {
    const QUARTER: i64 = 15 * 60 * 1_000_000;
    (utc - local + QUARTER / 2).div_euclid(QUARTER) * QUARTER
}

/// The same for a UTC time that may be much later, as of a receipt: what is further off than any zone says nothing, and the
/// clock counts as UTC.
pub(crate) fn zone_at_receipt(local: i64, received: i64) -> i64 {
    const FARTHEST: i64 = 14 * 60 * 60 * 1_000_000;
    Some(zone(local, received))
        .filter(|zone| zone.abs() <= FARTHEST)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{TIMES, parse, zone, zone_at_receipt};

    #[test]
    fn reads_the_ways_logs_write_a_time() {
        let noon = 1_709_553_600_000_000; // 2024-03-04T12:00:00Z
        for (text, micros, zoned) in [
            ("2024-03-04T12:00:00Z", noon, true),
            ("2024-03-04T12:00:00.1234567Z", noon + 123_456, true),
            ("2024-03-04 12:00:00.5", noon + 500_000, false),
            ("2024-03-04T07:00:00-05:00", noon, true),
            ("2024-03-04T17:30:00+0530", noon, true),
            ("03/04/2024 12:00:00 PM", noon, false),
            ("03/04/2024 12:00:00 AM", noon - 43_200_000_000, false),
            ("3/4/2024 01:00:00.250 PM", noon + 3_600_250_000, false),
            ("03/04/2024 07:00:00 AM -0500", noon, true),
            ("/Date(1709553600000)/", noon, true),
            ("1709553600", noon, true),
            ("1709553600.824370", noon + 824_370, true),
            ("1709553600000", noon, true),
            ("1709553600000000", noon, true),
            ("1709553600000000000", noon, true),
            ("2024-03-04", noon - 43_200_000_000, false),
            ("20240304120000.000000+000", noon, true),
            ("20240304120000.123456-000", noon + 123_456, true),
            ("20240304070000.000000-300", noon, true),
            ("20240304130000.000000+060", noon, true),
            ("20240304120000.******+***", noon, false),
            ("20240304120000.000000", noon, false),
            ("20240304120000", noon, false),
            ("20240304T120000Z", noon, true),
            ("04.03.2024 12:00:00", noon, false),
            ("Mon, 04 Mar 2024 12:00:00 +0000", noon, true),
            ("Mon Mar  4 12:00:00 2024", noon, false),
            ("Mar 4, 2024 @ 12:00:00.500", noon + 500_000, false),
            ("Monday, March 4, 2024 12:00:00 PM", noon, false),
            ("04/Mar/2024:07:00:00 -0500", noon, true),
            ("4-Mar-2024 12:00:00", noon, false),
            ("3/4/2024, 12:00:00.000 PM", noon, false),
            ("133540272005000000", noon + 500_000, true),
            ("\"2024-03-04T12:00:00Z\"", noon, true),
            ("2024.03.04 12:00:00", noon, false),
            ("2024-03-04 07:00:00.000 EST", noon, true),
            ("2024-03-04 13:00:00 CET", noon, true),
            ("2024-03-04 14:00:00 UTC+02:00", noon, true),
            ("2024-03-04 06:00:00 GMT-6", noon, true),
            ("3/4/24 12:00:00 PM", noon, false),
            ("04.03.24 12:00:00", noon, false),
            (
                "\u{200e}3\u{200e}/\u{200e}4\u{200e}/\u{200e}2024 12:00:00 PM",
                noon,
                false,
            ),
            ("Mon Mar  4 12:00:00 UTC 2024", noon, true),
            (
                "Mon Mar 04 2024 13:00:00 GMT+0100 (Central European Standard Time)",
                noon,
                true,
            ),
            // What is not known to be a zone says nothing.
            ("2024-03-04 12:00:00 Zulu", noon, false),
            ("9999-12-31T23:59:59.999999Z", *TIMES.end(), true),
            ("1000-01-01T00:00:00Z", *TIMES.start(), true),
        ] {
            let read = parse(text).map(|read| (read.micros, read.zoned));
            assert_eq!(read, Some((micros, zoned)), "{text}");
        }
        for text in [
            "",
            "-",
            "yesterday",
            "2024-13-01T00:00:00Z",
            "2024-03-04T25:00:00Z",
            "99:99",
            "20241304120000.000000-000",
            "12.5.6",
            "1.2.24",
            "March",
            "Mar 4",
            // Beyond the years that a time can be of.
            "/Date(9223372036854775)/",
            "/Date(-9223372036854775)/",
            "/Date(-62135596800000)/",
            "/Date(253402300800000)/",
            "-30610224001",
            "-62135596800",
            "9999-12-31T23:59:59-01:00",
            "1000-01-01T00:00:00+01:00",
            "web 2024 server 1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn tells_the_zone_from_a_late_receipt() {
        let hour = 3_600_000_000;
        assert_eq!(zone(0, 4 * hour + 5_000_000), 4 * hour);
        assert_eq!(zone(10 * hour, 3 * hour + 2_000_000), -7 * hour);
        assert_eq!(zone_at_receipt(0, 4 * hour + 5_000_000), 4 * hour);
        assert_eq!(zone_at_receipt(0, 30 * hour), 0);
    }
}
