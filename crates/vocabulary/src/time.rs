//! Times, in microseconds since 1970-01-01 UTC.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// A second in microseconds.
pub const SECOND: i64 = 1_000_000;
/// A minute in microseconds.
pub const MINUTE: i64 = 60 * SECOND;
/// An hour in microseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// A day in microseconds.
pub const DAY: i64 = 24 * HOUR;

/// A time with or without a zone: RFC 3339, a date and time, or a date. Without a zone it is UTC, like all printed
/// times.
pub fn parse(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_microsecond());
    }
    let civil = text
        .parse::<DateTime>()
        .or_else(|_| text.parse::<Date>().map(|date| date.at(0, 0, 0, 0)))
        .ok()?;
    let time = TimeZone::UTC.to_timestamp(civil).ok()?;
    Some(time.as_microsecond())
}

/// A time as users write it: `now`, a duration before `now` (`-7d`), or what [`parse`] reads. `now` is in microseconds
/// since 1970-01-01 UTC.
///
/// # Errors
/// That it is none of these, for people.
pub fn moment(text: &str, now: i64) -> Result<i64, String> {
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    if let Some(back) = text.strip_prefix('-') {
        return duration(back)
            .and_then(|back| now.checked_sub(back))
            .ok_or_else(|| {
                format!("`{text}` is not a time: write for example -30m, -24h, -7d or -2w")
            });
    }
    parse(text).ok_or_else(|| {
        format!("`{text}` is not a time: write RFC 3339 (2024-03-01T08:00:00Z), a date (2024-03-01), or for example -7d")
    })
}

/// RFC 3339 in UTC with as many decimals as needed. None for years that it cannot write.
///
/// ```
/// use crabwalk_vocabulary::time;
///
/// let text = time::text(1_700_000_000_500_000).unwrap_or_default();
/// assert_eq!(text, "2023-11-14T22:13:20.5Z");
/// assert_eq!(time::parse(&text), Some(1_700_000_000_500_000));
/// ```
pub fn text(time: i64) -> Option<String> {
    Timestamp::from_microsecond(time)
        .ok()
        .map(|time| time.to_string())
}

/// A time for people, in whole seconds and UTC: `2023-11-14 22:13:20`.
pub fn shown(time: i64) -> String {
    Timestamp::from_microsecond(time).map_or_else(
        |_| "an unknown time".to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// A duration in microseconds: a number and one of `s`, `m` or `min`, `h`, `d`, `w`.
pub fn duration(text: &str) -> Option<i64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "s" => SECOND,
        "m" | "min" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        "w" => 7 * DAY,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)
}

/// Number of days from 1970-01-01 UTC to the day of a time.
pub fn day(time: i64) -> i64 {
    time.div_euclid(DAY)
}

/// Whether days, each once and in any order, form a stretch of daily work: at least so many, and most of those from the
/// first to the last. Extracts of single days far apart show no habits.
pub fn is_daily(days: impl IntoIterator<Item = i64>, least: usize) -> bool {
    let (mut count, mut first, mut last) = (0_usize, i64::MAX, i64::MIN);
    for day in days {
        count += 1;
        first = first.min(day);
        last = last.max(day);
    }
    let span = last
        .checked_sub(first)
        .and_then(|span| usize::try_from(span).ok());
    count >= least && span.is_some_and(|span| span < count.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now = 1_700_000_000 * SECOND;
        for (text, time) in [
            ("now", Some(now)),
            ("-10s", Some(now - 10 * SECOND)),
            ("-7d", Some(now - 7 * DAY)),
            ("-2w", Some(now - 14 * DAY)),
            (" 2023-11-14T22:13:20Z", Some(now)),
            ("-7", None),
            ("-d", None),
            ("-99999999999999999d", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(moment(text, now).ok(), time, "{text}");
        }
    }

    #[test]
    fn times() {
        let at = 1_700_000_000 * SECOND;
        for (text, time) in [
            ("2023-11-14T22:13:20Z", Some(at)),
            ("2023-11-14T23:13:20+01:00", Some(at)),
            ("2023-11-14T22:13:20", Some(at)),
            ("2023-11-14 22:13:20", Some(at)),
            (
                "2023-11-14",
                Some(at - 22 * HOUR - 13 * MINUTE - 20 * SECOND),
            ),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse(text), time, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, time) in [
            ("30m", Some(30 * MINUTE)),
            ("24h", Some(DAY)),
            ("2w", Some(14 * DAY)),
            ("7", None),
            ("d", None),
            ("-1d", None),
            ("99999999999999999d", None),
        ] {
            assert_eq!(duration(text), time, "{text}");
        }
    }

    #[test]
    fn most_days_of_a_stretch_are_daily_work() {
        for (days, daily) in [
            (&[1, 2, 3, 4, 5][..], true),
            (&[9, 1, 5, 3, 7], true),
            (&[1, 2, 3, 4], false),
            (&[1, 2, 3, 4, 11], false),
            (&[], false),
            (&[i64::MIN, i64::MAX, 0, 1, 2], false),
        ] {
            assert_eq!(is_daily(days.iter().copied(), 5), daily, "{days:?}");
        }
    }
}
