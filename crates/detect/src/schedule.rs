//! When a detection runs by itself: at which times, and over which events.
//!
//! Every run has a *tick*, the nominal time at which it is due, and its window follows from the tick, not from the moment
//! at which the run happens to begin. So windows neither overlap nor leave out events when a run is late.

use std::fmt;

use crabwalk_spl::functions::time::time_modifier;
use jiff::Timestamp;

use crate::cron::Cron;

/// Times of runs, and the window of each. All in UTC.
#[derive(Clone, PartialEq)]
pub struct Schedule {
    cron: Cron,
    text: String,
    earliest: String,
    latest: String,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {} to {}", self.text, self.earliest, self.latest)
    }
}

/// That of public content: once an hour, over an hour that ended ten minutes ago, which leaves late events that time.
const HOURLY: [&str; 3] = ["0 * * * *", "-70m@m", "-10m@m"];

impl Schedule {
    /// Parses a schedule: a cron expression of five fields (`0 * * * *`), and the window as time modifiers relative to
    /// the tick (`-70m@m`, `-10m@m`, `now`).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(cron: &str, earliest: &str, latest: &str) -> Result<Self, String> {
        let schedule = Self {
            cron: Cron::new(cron)?,
            text: cron.trim().to_owned(),
            earliest: earliest.trim().to_owned(),
            latest: latest.trim().to_owned(),
        };
        // Any time does: whether a modifier is one does not depend on it.
        let now = 1_700_000_000.0;
        for text in [&schedule.earliest, &schedule.latest] {
            if time_modifier(text, now).is_none() {
                return Err(format!(
                    "`{text}` is not a time: write an offset such as `-70m@m`, or `now`"
                ));
            }
        }
        let (start, end) = schedule.window(1_700_000_000_000_000);
        if start >= end {
            return Err(format!(
                "the window is empty: `{}` is not before `{}`",
                schedule.earliest, schedule.latest
            ));
        }
        Ok(schedule)
    }

    /// The same with another start of the window, as a search's own `earliest=` sets it. If that is no start, it stays
    /// as it is.
    #[must_use]
    pub fn starting(self, earliest: &str) -> Self {
        Self::new(&self.text, earliest, &self.latest).unwrap_or(self)
    }

    /// The cron expression.
    pub fn cron(&self) -> &str {
        &self.text
    }

    /// Where the window starts.
    pub fn earliest(&self) -> &str {
        &self.earliest
    }

    /// Where it ends.
    pub fn latest(&self) -> &str {
        &self.latest
    }

    /// The first tick after a time. Times are in microseconds since 1970-01-01 UTC.
    pub fn next(&self, after: i64) -> Option<i64> {
        let after = Timestamp::from_microsecond(after).ok()?;
        self.cron.next(after).map(Timestamp::as_microsecond)
    }

    /// The window of a tick: its start, inclusive, and its end, exclusive, in microseconds since 1970-01-01 UTC.
    pub fn window(&self, tick: i64) -> (i64, i64) {
        let at = |text: &str| time_modifier(text, tick as f64 / 1e6).map_or(tick, micros);
        (at(&self.earliest), at(&self.latest))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "casts saturate")]
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

impl Default for Schedule {
    fn default() -> Self {
        let [cron, earliest, latest] = HOURLY;
        // The values are checked by the tests.
        Self::new(cron, earliest, latest).unwrap_or_else(|error| unreachable!("{error}"))
    }
}

/// What makes a detection run.
#[derive(Debug, Clone, PartialEq)]
pub enum Timing {
    /// It judges single events, so it runs over new events as they arrive.
    Arrival,
    /// It runs at times, over windows.
    Scheduled {
        /// The times and windows.
        schedule: Schedule,
        /// How much earlier than its window it looks, in microseconds: what a Sigma correlation counts within.
        lookback: i64,
    },
    /// It is a starting point for people, and runs in hunts alone.
    Hunts,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn hourly_windows_follow_one_another() {
        let schedule = Schedule::default();
        let mut tick = at("2026-11-29T01:22:57Z");
        let mut end = at("2026-11-29T00:50:00Z");
        for _ in 0..50 {
            tick = schedule.next(tick).unwrap();
            let window = schedule.window(tick);
            assert_eq!(window.0, end);
            end = window.1;
        }
        assert_eq!(tick, at("2026-12-01T03:00:00Z"));
    }

    #[test]
    fn ticks_are_those_of_cron() {
        let start = at("2026-11-29T01:22:57Z");
        for (cron, next) in [
            ("*/5 * * * *", "2026-11-29T01:25:00Z"),
            ("10 0 * * *", "2026-11-30T00:10:00Z"),
            ("0 2 * * 0", "2026-11-29T02:00:00Z"),
            ("0 2 * * 7", "2026-11-29T02:00:00Z"),
            ("55 * * * *", "2026-11-29T01:55:00Z"),
            ("0 0 1 * *", "2026-12-01T00:00:00Z"),
            ("0 0 */30 * *", "2026-12-01T00:00:00Z"),
            ("30 4 29 2 *", "2028-02-29T04:30:00Z"),
            // Both days are named: either will do.
            ("0 0 13 * 5", "2026-12-04T00:00:00Z"),
            ("0 0 2 * 5", "2026-12-02T00:00:00Z"),
            ("5/20 * * * *", "2026-11-29T01:25:00Z"),
            ("15,45 8-17 * * 1-5", "2026-11-30T08:15:00Z"),
        ] {
            let schedule = Schedule::new(cron, "-1h", "now").unwrap();
            assert_eq!(schedule.next(start), Some(at(next)), "{cron}");
        }
        // A tick is not due again at its own time.
        let due = at("2026-11-29T02:00:00Z");
        let schedule = Schedule::new("0 * * * *", "-1h", "now").unwrap();
        assert_eq!(schedule.next(due), Some(at("2026-11-29T03:00:00Z")));
    }

    #[test]
    fn mistakes_are_named() {
        for (cron, earliest, latest, part) in [
            ("* * * *", "-1h", "now", "minute, hour"),
            ("0 0 * * * *", "-1h", "now", "minute, hour"),
            ("61 * * * *", "-1h", "now", "`61` is not a minute"),
            ("0 5-3 * * *", "-1h", "now", "`5-3`"),
            ("*/0 * * * *", "-1h", "now", "`*/0`"),
            ("0 * * * sunday", "-1h", "now", "`sunday`"),
            ("0 0 30 2 *", "-1h", "now", "never due"),
            ("0 * * * *", "yesterday", "now", "`yesterday`"),
            ("0 * * * *", "-10m", "-70m", "empty"),
        ] {
            let error = Schedule::new(cron, earliest, latest).unwrap_err();
            assert!(error.contains(part), "{cron} {earliest} {latest}: {error}");
        }
    }
}
