//! Times on the command line.

use crabwalk_vocabulary::time;
use jiff::Timestamp;

/// Parses a time; microseconds since 1970-01-01 UTC.
pub fn parse_now(text: &str) -> Result<i64, String> {
    parse(text, Timestamp::now())
}

fn parse(text: &str, now: Timestamp) -> Result<i64, String> {
    let text = text.trim();
    if text == "now" {
        return Ok(now.as_microsecond());
    }
    if let Some(back) = text.strip_prefix('-') {
        return time::duration(back)
            .and_then(|back| now.as_microsecond().checked_sub(back))
            .ok_or_else(|| {
                format!("`{text}` is not a time: write for example -30m, -24h, -7d or -2w")
            });
    }
    time::parse(text).ok_or_else(|| {
        format!("`{text}` is not a time: write RFC 3339 (2024-03-01T08:00:00Z), a date (2024-03-01), or for example -7d")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let now = Timestamp::from_second(1_700_000_000).unwrap_or_default();
        let at = 1_700_000_000_000_000;
        for (text, time) in [
            ("now", Some(at)),
            ("-10s", Some(at - 10_000_000)),
            ("-7d", Some(at - 7 * 86_400_000_000)),
            ("-2w", Some(at - 14 * 86_400_000_000)),
            ("2023-11-14T22:13:20Z", Some(at)),
            ("2023-11-14T23:13:20+01:00", Some(at)),
            ("2023-11-14T22:13:20", Some(at)),
            ("2023-11-14 22:13:20", Some(at)),
            (
                "2023-11-14",
                Some(at - (22 * 3600 + 13 * 60 + 20) * 1_000_000),
            ),
            ("-7", None),
            ("-d", None),
            ("-99999999999999999d", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse(text, now).ok(), time, "{text}");
        }
    }
}
