//! Cron expressions: minute, hour, day of the month, month and day of the week, in UTC.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

/// A cron expression of five fields.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    /// Each field as a set of bits.
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// If both name days, a day of either will do; if one is `*`, the other decides.
    either: bool,
}

/// Names of the fields, and their values. Sunday is 0 and 7.
const FIELDS: [(&str, RangeInclusive<u32>); 5] = [
    ("minute", 0..=59),
    ("hour", 0..=23),
    ("day of the month", 1..=31),
    ("month", 1..=12),
    ("day of the week", 0..=7),
];

/// Days within which every expression is due that ever is: 29 February may be eight years away.
const MOST_DAYS: usize = 8 * 366 + 1;

impl Cron {
    /// Parses an expression: `*`, numbers, ranges (`1-5`), steps (`*/5`, `0-30/10`) and lists of these.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let &[minute, hour, day, month, weekday] = words.as_slice() else {
            return Err(format!(
                "`{text}` is not a cron expression: write minute, hour, day of the month, month and day of the week, \
                 such as `0 * * * *`"
            ));
        };
        let mut sets = [0; 5];
        let fields = [minute, hour, day, month, weekday];
        for ((set, word), (name, values)) in sets.iter_mut().zip(fields).zip(FIELDS) {
            *set = parse(word, &values).ok_or_else(|| {
                format!(
                    "`{word}` is not a {name} in the cron expression `{text}`: write `*`, numbers from {} to {}, ranges, \
                     steps such as `*/5`, or a list of these",
                    values.start(),
                    values.end()
                )
            })?;
        }
        let [minutes, hours, days, months, weekdays] = sets;
        let cron = Self {
            minutes,
            hours,
            days,
            months,
            weekdays: weekdays | weekdays >> 7,
            either: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        match cron.next(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(cron),
            None => Err(format!("the cron expression `{text}` is never due")),
        }
    }

    /// The first time after another at which it is due.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let start = Offset::UTC.to_datetime(after);
        let from = u32::try_from(i32::from(start.hour()) * 60 + i32::from(start.minute())).ok()?;
        let mut date = start.date();
        for number in 0..MOST_DAYS {
            if self.is_day(date) {
                // Not the minute that has begun.
                let first = if number == 0 { from + 1 } else { 0 };
                let due = |time: &u32| has(self.hours, time / 60) && has(self.minutes, time % 60);
                if let Some(time) = (first..24 * 60).find(due) {
                    let hour = i8::try_from(time / 60).ok()?;
                    let minute = i8::try_from(time % 60).ok()?;
                    return Offset::UTC.to_timestamp(date.at(hour, minute, 0, 0)).ok();
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn is_day(&self, date: Date) -> bool {
        let number = |value: i8| u32::try_from(value).unwrap_or(u32::MAX);
        let day = has(self.days, number(date.day()));
        let weekday = number(date.weekday().to_sunday_zero_offset());
        let weekday = has(self.weekdays, weekday);
        has(self.months, number(date.month()))
            && if self.either {
                day || weekday
            } else {
                day && weekday
            }
    }
}

fn has(set: u64, value: u32) -> bool {
    1_u64.checked_shl(value).is_some_and(|bit| set & bit != 0)
}

/// A field as a set.
fn parse(word: &str, values: &RangeInclusive<u32>) -> Option<u64> {
    let number = |text: &str| -> Option<u32> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let value = text.parse().ok().filter(|_| digits)?;
        values.contains(&value).then_some(value)
    };
    let mut set = 0;
    for part in word.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (start, end) = if range == "*" {
            (*values.start(), *values.end())
        } else if let Some((start, end)) = range.split_once('-') {
            (number(start)?, number(end)?)
        } else {
            // `5/10` runs to the end, as in most crons.
            let start = number(range)?;
            (start, if step.is_some() { *values.end() } else { start })
        };
        let step: usize =
            step.map_or(Some(1), |step| step.parse().ok().filter(|step| *step > 0))?;
        if start > end {
            return None;
        }
        for value in (start..=end).step_by(step) {
            set |= 1_u64.checked_shl(value)?;
        }
    }
    Some(set)
}
