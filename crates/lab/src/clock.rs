//! Days and times, UTC.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::LabError;

/// Midnight at the start of a day, in µs since 1970.
pub(crate) fn micros(date: Date) -> Result<i64, LabError> {
    let midnight = date.at(0, 0, 0, 0);
    TimeZone::UTC
        .to_timestamp(midnight)
        .map(|time| time.as_microsecond())
        .map_err(|error| LabError::Options {
            option: "start",
            reason: format!("{date} cannot be used ({error}); give a date such as 2026-03-03"),
        })
}

/// Time as RFC 3339 with µs.
pub(crate) fn rfc3339(time: i64) -> String {
    jiff::Timestamp::from_microsecond(time)
        .map(|t| t.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
        .unwrap_or_default()
}

pub(crate) fn tomorrow(date: Date) -> Result<Date, LabError> {
    date.tomorrow().map_err(|error| LabError::Options {
        option: "start",
        reason: format!("no day after {date}: {error}"),
    })
}
