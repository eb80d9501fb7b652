//! Converting times to text and back, and relative time modifiers. All in UTC.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::Offset;
use jiff::{Span, ToSpan};

use super::{Function, entry, number, rows, text, whole};
use crate::ops::{Call, CallError};
use crate::value::number_of;

pub(super) const FUNCTIONS: &[Function] = &[
    whole(
        "now",
        (0, 0),
        "now()",
        "The time when the search started, in seconds since 1970.",
        "now()",
        |call| call.now(),
    ),
    whole(
        "time",
        (0, 0),
        "time()",
        "Like `now`: a search has a single time.",
        "time()",
        |call| call.now(),
    ),
    rows(
        "strftime",
        (2, 2),
        "strftime(<time>, <format>)",
        "A time in seconds since 1970 as text, in UTC and a format such as `%Y-%m-%d %H:%M:%S`.",
        "strftime(_time, \"%F %T\")",
        |call| {
            known_codes(call)?;
            text(|args| strftime(args.number(0)?, &args.text(1)?))
        },
    ),
    entry(
        "strptime",
        (2, 2),
        "strptime(<text>, <format>)",
        "A time parsed from text in the given format, in seconds since 1970. Without a zone it is in UTC; without \
         a date it is on the day of the search.",
        "strptime(date, \"%Y-%m-%d\")",
        super::Implementation::RowsAndNow(|call| {
            known_codes(call)?;
            let now = call.fixed_number(2)?;
            number(move |args| strptime(&args.text(0)?, &args.text(1)?, now))
        }),
    ),
    rows(
        "relative_time",
        (2, 2),
        "relative_time(<time>, <modifier>)",
        "A time shifted by a modifier such as `-1d@d`, `+1mon` or `@w1`.",
        "relative_time(now(), \"-1d@d\")",
        |call| {
            if let Some(modifier) = call.literal(1)
                && relative_time(0.0, &modifier).is_none()
            {
                return Err(CallError::Arguments(format!(
                    "`{modifier}` does not move a time: write a sign, a number and a unit, or `@` and a unit, such as \
                     `-1d@d`, `+2h` or `@w1`"
                )));
            }
            number(|args| relative_time(args.number(0)?, &args.text(1)?))
        },
    ),
];

/// The letters of a format's codes, besides `%%`. `%+` is the date as `date(1)` writes it.
const CODES: &str = "aAbBcCdDeFfgGhHIjklmMnNpPQrRsStTuUVwWxXyYzZ+";

/// Checks a constant format: a code that means nothing would be read as never there.
fn known_codes(call: &Call<'_>) -> Result<(), CallError> {
    let Some(unknown) = call.literal(1).and_then(|format| unknown_code(&format)) else {
        return Ok(());
    };
    Err(CallError::Arguments(format!(
        "`{unknown}` is not a code of time formats: there are `%Y`, `%m`, `%d`, `%H`, `%M`, `%S`, `%3N` and others of \
         `strftime`, and `%%` for a percent sign"
    )))
}

/// The first code of a format that means nothing.
fn unknown_code(format: &str) -> Option<String> {
    let mut rest = format;
    while let Some((_, code)) = rest.split_once('%') {
        let mut chars = code.chars();
        let mut char = chars.next();
        while char.is_some_and(|char| matches!(char, '-' | '_' | '^' | ':')) {
            char = chars.next();
        }
        let digit = char.is_some_and(|char| char.is_ascii_digit());
        if digit {
            char = chars.next();
        }
        if char.is_some_and(|char| matches!(char, 'E' | 'O')) {
            char = chars.next();
        }
        let written = || format!("%{}", &code[..code.len() - chars.as_str().len()]);
        match char {
            Some('%') if !digit => {}
            Some('N' | 'Q' | 'f' | 'z') => {}
            Some(char) if !digit && CODES.contains(char) => {}
            _ => return Some(written()),
        }
        rest = chars.as_str();
    }
    None
}

/// An epoch in seconds as a timestamp, to the microsecond.
fn timestamp(seconds: f64) -> Option<Timestamp> {
    if !seconds.is_finite() || seconds.abs() > 2.5e11 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds fit 53 bits until the year 2255"
)]
fn seconds(timestamp: Timestamp) -> f64 {
    timestamp.as_microsecond() as f64 / 1e6
}

/// A time in seconds since 1970 as RFC 3339 text; other text stays unchanged.
pub fn iso(text: &str) -> String {
    number_of(text)
        .and_then(timestamp)
        .map_or_else(|| text.to_owned(), |time| time.to_string())
}

/// `strftime`: Splunk's codes. `None` if the time is out of range.
pub fn strftime(time: f64, format: &str) -> Option<String> {
    let stamp = timestamp(time)?;
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(char) = chars.next() {
        if char != '%' {
            out.push(char);
            continue;
        }
        let directive = Directive::read(&mut chars)?;
        let from = out.len();
        directive.write(stamp, &mut out).ok()?;
        if let Some(flag) = directive.flag {
            let written = out.split_off(from);
            out.push_str(&flagged(&written, flag));
        }
    }
    Some(out)
}

/// One code of a format for output, with what stands between it and its `%`.
struct Directive {
    code: char,
    /// GNU's flags: `-` for no padding, `_` for spaces, `0` for zeros, `^` for capitals.
    flag: Option<char>,
    /// Of `%:z`.
    colons: usize,
    /// Of `%3N`; 0 without a number.
    digits: usize,
    /// Splunk's `%Ez`: the offset in minutes.
    of_minutes: bool,
}

impl Directive {
    /// Reads it from what follows the `%`.
    fn read(chars: &mut std::str::Chars<'_>) -> Option<Self> {
        let mut code = chars.next()?;
        let mut digits = 0;
        let mut flag = None;
        if matches!(code, '-' | '_' | '^') {
            flag = Some(code);
            code = chars.next()?;
        }
        let mut colons = 0;
        while code == ':' {
            colons += 1;
            code = chars.next()?;
        }
        if code.is_ascii_digit() {
            digits = code as usize - '0' as usize;
            code = chars.next()?;
        }
        let mut of_minutes = false;
        if matches!(code, 'E' | 'O') {
            of_minutes = code == 'E';
            code = chars.next()?;
        }
        Some(Self {
            code,
            flag,
            colons,
            digits,
            of_minutes,
        })
    }

    fn write(&self, stamp: Timestamp, out: &mut String) -> std::fmt::Result {
        let Self {
            code,
            colons,
            digits,
            of_minutes,
            ..
        } = *self;
        let date_time = Offset::UTC.to_datetime(stamp);
        let (date, clock) = (date_time.date(), date_time.time());
        let hour12 = if clock.hour() % 12 == 0 {
            12
        } else {
            clock.hour() % 12
        };
        let weekday = date.weekday();
        match code {
            '%' => write!(out, "%"),
            'Y' => write!(out, "{:04}", date.year()),
            'y' => write!(out, "{:02}", date.year().rem_euclid(100)),
            'C' => write!(out, "{:02}", date.year().div_euclid(100)),
            'm' => write!(out, "{:02}", date.month()),
            'd' => write!(out, "{:02}", date.day()),
            'e' => write!(out, "{:2}", date.day()),
            'H' => write!(out, "{:02}", clock.hour()),
            'k' => write!(out, "{:2}", clock.hour()),
            'I' => write!(out, "{hour12:02}"),
            'l' => write!(out, "{hour12:2}"),
            'M' => write!(out, "{:02}", clock.minute()),
            'S' => write!(out, "{:02}", clock.second()),
            'p' => write!(out, "{}", if clock.hour() < 12 { "AM" } else { "PM" }),
            'P' => write!(out, "{}", if clock.hour() < 12 { "am" } else { "pm" }),
            'r' => write!(
                out,
                "{hour12:02}:{:02}:{:02} {}",
                clock.minute(),
                clock.second(),
                if clock.hour() < 12 { "AM" } else { "PM" }
            ),
            'N' | 'Q' | 'f' => {
                let width = match (digits, code) {
                    (0, 'N') => 9,
                    (0, 'f') => 6,
                    (0, _) => 3,
                    (digits, _) => digits.min(9),
                };
                write!(
                    out,
                    "{}",
                    &format!("{:09}", clock.subsec_nanosecond())[..width]
                )
            }
            's' => write!(out, "{}", stamp.as_second()),
            'F' => write!(
                out,
                "{:04}-{:02}-{:02}",
                date.year(),
                date.month(),
                date.day()
            ),
            'D' | 'x' => write!(
                out,
                "{:02}/{:02}/{:02}",
                date.month(),
                date.day(),
                date.year().rem_euclid(100)
            ),
            'T' | 'X' => write!(
                out,
                "{:02}:{:02}:{:02}",
                clock.hour(),
                clock.minute(),
                clock.second()
            ),
            'R' => write!(out, "{:02}:{:02}", clock.hour(), clock.minute()),
            'c' => write!(
                out,
                "{} {} {:2} {:02}:{:02}:{:02} {:04}",
                &day_name(weekday)[..3],
                &month_name(date.month())[..3],
                date.day(),
                clock.hour(),
                clock.minute(),
                clock.second(),
                date.year()
            ),
            '+' => write!(
                out,
                "{} {} {:2} {:02}:{:02}:{:02} UTC {:04}",
                &day_name(weekday)[..3],
                &month_name(date.month())[..3],
                date.day(),
                clock.hour(),
                clock.minute(),
                clock.second(),
                date.year()
            ),
            'a' => write!(out, "{}", &day_name(weekday)[..3]),
            'A' => write!(out, "{}", day_name(weekday)),
            'b' | 'h' => write!(out, "{}", &month_name(date.month())[..3]),
            'B' => write!(out, "{}", month_name(date.month())),
            'w' => write!(out, "{}", weekday.to_sunday_zero_offset()),
            'u' => write!(out, "{}", weekday.to_monday_one_offset()),
            'j' => write!(out, "{:03}", date.day_of_year()),
            'U' => write!(
                out,
                "{:02}",
                (date.day_of_year() + 6 - i16::from(weekday.to_sunday_zero_offset())) / 7
            ),
            'W' => write!(
                out,
                "{:02}",
                (date.day_of_year() + 6 - i16::from(weekday.to_monday_zero_offset())) / 7
            ),
            'V' => write!(out, "{:02}", date.iso_week_date().week()),
            'G' => write!(out, "{:04}", date.iso_week_date().year()),
            'g' => write!(out, "{:02}", date.iso_week_date().year().rem_euclid(100)),
            'z' if of_minutes => write!(out, "+0"),
            'z' if colons == 2 => write!(out, "+00:00:00"),
            'z' if colons == 3 => write!(out, "+00"),
            'z' if colons == 1 || digits == 1 || digits == 2 => write!(out, "+00:00"),
            'z' => write!(out, "+0000"),
            'Z' => write!(out, "UTC"),
            'n' => writeln!(out),
            't' => write!(out, "\t"),
            other => write!(out, "%{other}"),
        }
    }
}

/// The output of a directive, adjusted by a flag.
fn flagged(written: &str, flag: char) -> String {
    if flag == '^' {
        return written.to_uppercase();
    }
    if !written
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b' ')
    {
        return written.to_owned();
    }
    let number = written.trim_start().trim_start_matches('0');
    let number = if number.is_empty() { "0" } else { number };
    match flag {
        '_' => format!("{number:>width$}", width = written.len()),
        _ => number.to_owned(),
    }
}

fn day_name(day: Weekday) -> &'static str {
    const NAMES: [&str; 7] = [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ];
    usize::try_from(day.to_monday_zero_offset())
        .ok()
        .and_then(|at| NAMES.get(at))
        .copied()
        .unwrap_or("Monday")
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn month_name(month: i8) -> &'static str {
    usize::try_from(month - 1)
        .ok()
        .and_then(|at| MONTHS.get(at))
        .copied()
        .unwrap_or("January")
}

/// Parses text in a format of Splunk's codes; `None` if it does not match.
struct TextReader<'t> {
    rest: &'t str,
}

impl TextReader<'_> {
    fn number(&mut self, most: usize) -> Option<i64> {
        let trimmed = self.rest.trim_start();
        let length = trimmed
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        let (digits, rest) = trimmed.split_at(length);
        self.rest = rest;
        digits.parse().ok()
    }

    fn word<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> Option<usize> {
        for (at, name) in names.enumerate() {
            for length in [name.len(), 3] {
                if let Some(start) = self.rest.get(..length)
                    && name
                        .get(..length)
                        .is_some_and(|name| name.eq_ignore_ascii_case(start))
                {
                    self.rest = self.rest.get(length..)?;
                    return Some(at);
                }
            }
        }
        None
    }
}

/// `strptime`: seconds since 1970 from a text in a format. Text without a zone is UTC; without a date it is on the day
/// of `now`.
pub fn strptime(text: &str, format: &str, now: f64) -> Option<f64> {
    let mut reader = TextReader {
        rest: text.trim_start(),
    };
    let today = Offset::UTC.to_datetime(timestamp(now)?).date();
    let mut parts = Parts::default();
    let mut chars = expanded(format).into_iter();
    while let Some(char) = chars.next() {
        if char.is_whitespace() {
            reader.rest = reader.rest.trim_start();
            continue;
        }
        if char != '%' {
            reader.rest = reader.rest.strip_prefix(char)?;
            continue;
        }
        let mut code = chars.next()?;
        let (mut of_minutes, mut most) = (false, 9);
        while code.is_ascii_digit() || matches!(code, 'E' | 'O' | '-' | '_' | '^' | ':') {
            of_minutes = code == 'E';
            most = code.to_digit(10).map_or(most, |digit| digit as usize);
            code = chars.next()?;
        }
        match code {
            // `%s%3N`: the last digits belong to what follows.
            's' => parts.read_epoch(&mut reader, fraction(chars.clone()))?,
            'N' | 'Q' | 'f' => parts.read_fraction(&mut reader, most)?,
            'z' if of_minutes => parts.read_minutes_of_zone(&mut reader)?,
            _ => parts.read(code, &mut reader)?,
        }
    }
    parts.time(today)
}

/// A format with its composite codes written out.
fn expanded(format: &str) -> Vec<char> {
    let mut format: Vec<char> = format.chars().collect();
    let mut at = 0;
    while let Some(&[percent, code, ..]) = format.get(at..) {
        let replacement = match (percent, code) {
            ('%', 'T' | 'X') => "%H:%M:%S",
            ('%', 'F') => "%Y-%m-%d",
            ('%', 'D' | 'x') => "%m/%d/%y",
            ('%', 'R') => "%H:%M",
            ('%', 'r') => "%I:%M:%S %p",
            ('%', 'c') => "%a %b %d %H:%M:%S %Y",
            ('%', '+') => "%a %b %d %H:%M:%S %Z %Y",
            ('%', _) => {
                at += 2;
                continue;
            }
            _ => {
                at += 1;
                continue;
            }
        };
        format.splice(at..at + 2, replacement.chars());
    }
    format
}

/// What a text says of a time.
#[derive(Default)]
struct Parts {
    /// Seconds since 1970, which say all.
    epoch: Option<f64>,
    century: Option<i64>,
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    week_year: Option<i64>,
    /// By the code's way of counting.
    week: Option<(char, i64)>,
    /// Days from Monday.
    weekday: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    afternoon: Option<bool>,
    /// Seconds ahead of UTC.
    offset: i64,
}

/// A year of two digits, as POSIX places it.
fn full_year(short: i64) -> i64 {
    if short < 69 {
        2000 + short
    } else {
        1900 + short
    }
}

impl Parts {
    /// Reads what a code stands for.
    fn read(&mut self, code: char, reader: &mut TextReader<'_>) -> Option<()> {
        match code {
            '%' => reader.rest = reader.rest.strip_prefix('%')?,
            'Y' => self.year = Some(reader.number(4)?),
            'y' => self.year = Some(full_year(reader.number(2)?)),
            'm' => self.month = Some(reader.number(2)?),
            'd' | 'e' => self.day = Some(reader.number(2)?),
            'j' => self.day_of_year = Some(reader.number(3)?),
            'H' | 'k' | 'I' | 'l' => self.hour = reader.number(2)?,
            'M' => self.minute = reader.number(2)?,
            'S' => self.second = reader.number(2)?,
            'p' | 'P' => {
                self.afternoon = Some(reader.word(["am", "pm"].into_iter()).map(|at| at == 1)?)
            }
            'b' | 'B' | 'h' => {
                self.month = Some(i64::try_from(reader.word(MONTHS.into_iter())?).ok()? + 1)
            }
            'a' | 'A' => {
                let days = [
                    "Monday",
                    "Tuesday",
                    "Wednesday",
                    "Thursday",
                    "Friday",
                    "Saturday",
                    "Sunday",
                ];
                self.weekday = Some(i64::try_from(reader.word(days.into_iter())?).ok()?);
            }
            // Days from Monday.
            'w' | 'u' => self.weekday = Some((reader.number(1)? + 6) % 7),
            'C' => self.century = Some(reader.number(2)?),
            'V' | 'U' | 'W' => self.week = Some((code, reader.number(2)?)),
            'g' => self.week_year = Some(full_year(reader.number(2)?)),
            'G' => self.week_year = Some(reader.number(4)?),
            'z' | 'Z' => self.offset = zone(reader)?,
            'n' | 't' => reader.rest = reader.rest.trim_start(),
            _ => return None,
        }
        Some(())
    }

    /// Seconds since 1970, without the last `next_digits`.
    fn read_epoch(&mut self, reader: &mut TextReader<'_>, next_digits: usize) -> Option<()> {
        let negative = reader.rest.starts_with('-');
        reader.rest = reader.rest.trim_start_matches('-');
        let digits = reader.rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = reader.number(digits.checked_sub(next_digits)?.min(18))?;
        #[expect(clippy::cast_precision_loss, reason = "seconds")]
        let number = number as f64;
        self.epoch = Some(if negative { -number } else { number });
        Some(())
    }

    /// A part of a second in at most so many digits.
    fn read_fraction(&mut self, reader: &mut TextReader<'_>, most: usize) -> Option<()> {
        let before = reader.rest.len();
        let number = reader.number(most.clamp(1, 9))?;
        let digits = u32::try_from(before - reader.rest.len()).ok()?;
        self.nanosecond = number.checked_mul(10_i64.checked_pow(9_u32.checked_sub(digits)?)?)?;
        Some(())
    }

    /// Splunk's `%Ez`.
    fn read_minutes_of_zone(&mut self, reader: &mut TextReader<'_>) -> Option<()> {
        let sign = if reader.rest.starts_with('-') { -1 } else { 1 };
        reader.rest = reader.rest.trim_start_matches(['+', '-']);
        self.offset = sign * 60 * reader.number(4)?;
        Some(())
    }

    /// The time, where what is not said is taken from `today`.
    fn time(mut self, today: Date) -> Option<f64> {
        if let Some(epoch) = self.epoch {
            #[expect(clippy::cast_precision_loss, reason = "less than a second")]
            return Some(epoch + self.nanosecond as f64 / 1e9);
        }
        if let (Some(century), Some(own)) = (self.century, self.year) {
            self.year = Some(century * 100 + own % 100);
        }
        let hour = match self.afternoon {
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let date = self.date(today)?;
        let leap = self.second == 60;
        let time = Time::new(
            i8::try_from(hour).ok()?,
            i8::try_from(self.minute).ok()?,
            i8::try_from(if leap { 59 } else { self.second }).ok()?,
            i32::try_from(self.nanosecond).ok()?,
        )
        .ok()?;
        let stamp = Offset::UTC
            .to_timestamp(DateTime::from_parts(date, time))
            .ok()?;
        #[expect(clippy::cast_precision_loss, reason = "an offset of hours")]
        Some(seconds(stamp) - self.offset as f64 + if leap { 1.0 } else { 0.0 })
    }

    fn date(&self, today: Date) -> Option<Date> {
        let this_year = i64::from(today.year());
        let (mut year, mut month, mut day) = (self.year, self.month, self.day);
        // A week with a weekday determines the date if nothing else does.
        if month.is_none()
            && day.is_none()
            && self.day_of_year.is_none()
            && let Some((kind, number)) = self.week
        {
            let of_year = self.week_year.or(year).unwrap_or(this_year);
            let date = date_of_week(kind, of_year, number, self.weekday.unwrap_or(0))?;
            year = Some(i64::from(date.year()));
            month = Some(i64::from(date.month()));
            day = Some(i64::from(date.day()));
        }
        let any = year.is_some() || month.is_some() || day.is_some();
        let year = i16::try_from(year.unwrap_or(this_year)).ok()?;
        let default =
            |own: Option<i64>, today: i8| own.unwrap_or(if any { 1 } else { i64::from(today) });
        let month = i8::try_from(default(month, today.month())).ok()?;
        let day = i8::try_from(default(day, today.day())).ok()?;
        let date = Date::new(year, month, day).ok()?;
        match self.day_of_year {
            Some(number) => Date::new(year, 1, 1)
                .ok()?
                .checked_add((number - 1).days())
                .ok(),
            None => Some(date),
        }
    }
}

/// How many digits a format reads next as a part of a second; none where it reads something else.
fn fraction(mut format: impl Iterator<Item = char>) -> usize {
    if format.next() != Some('%') {
        return 0;
    }
    let (digits, code) = match format.next() {
        Some(digit) if digit.is_ascii_digit() => (digit.to_digit(10), format.next()),
        code => (None, code),
    };
    let most = match code {
        Some('N') => 9,
        Some('f') => 6,
        Some('Q') => 3,
        _ => return 0,
    };
    digits.map_or(most, |digits| digits as usize)
}

/// The date of a weekday (from Monday) in a week: by ISO 8601 (`V`), or counted from the first Sunday (`U`) or Monday
/// (`W`).
fn date_of_week(kind: char, year: i64, week: i64, day: i64) -> Option<Date> {
    let year = i16::try_from(year).ok()?;
    let (first, back, day) = match kind {
        // The week of 4 January is the first.
        'V' => {
            let fourth = Date::new(year, 1, 4).ok()?;
            (
                fourth,
                i64::from(fourth.weekday().to_monday_zero_offset()),
                day,
            )
        }
        'U' => {
            let last = Date::new(year, 1, 7).ok()?;
            (
                last,
                i64::from(last.weekday().to_sunday_zero_offset()),
                (day + 1) % 7,
            )
        }
        _ => {
            let last = Date::new(year, 1, 7).ok()?;
            (last, i64::from(last.weekday().to_monday_zero_offset()), day)
        }
    };
    first.checked_add(((week - 1) * 7 + day - back).days()).ok()
}

/// Zone names with a single meaning, and their offset in hours: those of RFC 822, and the European ones.
const ZONES: [(&str, i64); 17] = [
    ("UTC", 0),
    ("GMT", 0),
    ("UT", 0),
    ("Z", 0),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
    ("WET", 0),
    ("CET", 1),
    ("CEST", 2),
    ("EET", 2),
    ("EEST", 3),
];

/// A name of [`ZONES`], `+0200`, `+02:00`: seconds east of UTC.
fn zone(reader: &mut TextReader<'_>) -> Option<i64> {
    for (name, hours) in ZONES {
        if let Some(rest) = reader.rest.strip_prefix(name)
            && !rest.starts_with(|char: char| char.is_ascii_alphabetic())
        {
            reader.rest = rest;
            return Some(hours * 3600);
        }
    }
    let sign = match reader.rest.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    reader.rest = reader.rest.get(1..)?;
    let hours = reader.number(2)?;
    reader.rest = reader.rest.strip_prefix(':').unwrap_or(reader.rest);
    let minutes = reader.number(2).unwrap_or(0);
    Some(sign * (hours * 3600 + minutes * 60))
}

/// A time in a search's time range: `now`, seconds since 1970, `-24h@h`, or `%m/%d/%Y:%H:%M:%S`.
pub fn time_modifier(text: &str, now: f64) -> Option<f64> {
    let text = text.trim();
    if matches!(text, "now" | "now()") {
        return Some(now);
    }
    // `0`, and any number too large for a day, is an epoch.
    if let Some(number) = number_of(text)
        && !text.starts_with(['-', '+'])
    {
        return Some(number);
    }
    relative_time(now, text)
        .or_else(|| strptime(text, "%m/%d/%Y:%H:%M:%S", now))
        .or_else(|| text.parse::<Timestamp>().ok().map(seconds))
}

/// `relative_time`: a time shifted by a modifier such as `-1d@d`, `@w1`, `+1mon`, `-1h@h+5m`.
pub fn relative_time(time: f64, modifier: &str) -> Option<f64> {
    let stamp = timestamp(time)?;
    let mut moved = Offset::UTC.to_datetime(stamp);
    let mut rest = modifier.trim();
    rest = rest.strip_prefix("now").unwrap_or(rest);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let sign = rest.chars().next()?;
        rest = rest.get(sign.len_utf8()..)?;
        if sign == '@' {
            let end = rest.find(['+', '-', '@']).unwrap_or(rest.len());
            let (unit, after) = rest.split_at(end);
            moved = snap(moved, unit)?;
            rest = after;
            continue;
        }
        if !matches!(sign, '+' | '-') {
            return None;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let amount: i64 = if digits == 0 {
            1
        } else {
            rest.get(..digits)?.parse().ok()?
        };
        rest = rest.get(digits..)?;
        let end = rest.find(['+', '-', '@']).unwrap_or(rest.len());
        let (unit, after) = rest.split_at(end);
        rest = after;
        let amount = if sign == '-' {
            amount.checked_neg()?
        } else {
            amount
        };
        moved = moved.checked_add(span(unit, amount)?).ok()?;
    }
    Some(seconds(Offset::UTC.to_timestamp(moved).ok()?))
}

fn span(unit: &str, amount: i64) -> Option<Span> {
    let new = Span::new();
    match unit {
        "us" => new.try_microseconds(amount),
        "ms" => new.try_milliseconds(amount),
        "cs" => new.try_milliseconds(amount.checked_mul(10)?),
        "ds" => new.try_milliseconds(amount.checked_mul(100)?),
        "" | "s" | "sec" | "secs" | "second" | "seconds" => new.try_seconds(amount),
        "m" | "min" | "mins" | "minute" | "minutes" => new.try_minutes(amount),
        "h" | "hr" | "hrs" | "hour" | "hours" => new.try_hours(amount),
        "d" | "day" | "days" => new.try_days(amount),
        "w" | "wk" | "wks" | "week" | "weeks" => new.try_weeks(amount),
        "mon" | "month" | "months" => new.try_months(amount),
        "q" | "qtr" | "qtrs" | "quarter" | "quarters" => new.try_months(amount.checked_mul(3)?),
        "y" | "yr" | "yrs" | "year" | "years" => new.try_years(amount),
        _ => return None,
    }
    .ok()
}

fn snap(time: DateTime, unit: &str) -> Option<DateTime> {
    let date = time.date();
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let at = |hour, minute, second| {
        Time::new(hour, minute, second, 0)
            .ok()
            .map(|clock| DateTime::from_parts(date, clock))
    };
    let day = |date: Date| DateTime::from_parts(date, Time::midnight());
    Some(match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => at(hour, minute, second)?,
        "m" | "min" | "mins" | "minute" | "minutes" => at(hour, minute, 0)?,
        "h" | "hr" | "hrs" | "hour" | "hours" => at(hour, 0, 0)?,
        "d" | "day" | "days" => day(date),
        "mon" | "month" | "months" => day(Date::new(date.year(), date.month(), 1).ok()?),
        "q" | "qtr" | "qtrs" | "quarter" | "quarters" => {
            day(Date::new(date.year(), (date.month() - 1) / 3 * 3 + 1, 1).ok()?)
        }
        "y" | "yr" | "yrs" | "year" | "years" => day(Date::new(date.year(), 1, 1).ok()?),
        week => {
            // `w` and `w0` and `w7` are Sunday, `w1` Monday.
            let number = match week
                .strip_prefix("weeks")
                .or_else(|| week.strip_prefix("week"))
                .or_else(|| week.strip_prefix('w'))?
            {
                "" => 0,
                digit => {
                    digit
                        .parse::<i8>()
                        .ok()
                        .filter(|number| (0..=7).contains(number))?
                        % 7
                }
            };
            let back = (date.weekday().to_sunday_zero_offset() - number).rem_euclid(7);
            day(date.checked_sub(i64::from(back).days()).ok()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-14T22:13:20.123456Z, a Tuesday.
    const TIME: f64 = 1_700_000_000.123_456;

    #[test]
    fn times_are_written() {
        for (format, text) in [
            ("%Y-%m-%dT%H:%M:%S", "2023-11-14T22:13:20"),
            ("%m/%d/%y %I:%M:%S %p", "11/14/23 10:13:20 PM"),
            ("%A %w %j %U %V", "Tuesday 2 318 46 46"),
            ("%H.%3N %6N %Q %s %%", "22.123 123456 123 1700000000 %"),
            ("%c", "Tue Nov 14 22:13:20 2023"),
            ("%F %T %z", "2023-11-14 22:13:20 +0000"),
            ("%:z %::z %:::z %Ez", "+00:00 +00:00:00 +00 +0"),
            ("%r %P %g %^a %-m/%_H", "10:13:20 PM pm 23 TUE 11/22"),
        ] {
            assert_eq!(strftime(TIME, format).as_deref(), Some(text), "{format}");
        }
        assert_eq!(strftime(1e300, "%Y"), None);
    }

    #[test]
    fn times_are_read() {
        for (text, format, time) in [
            (
                "2023-11-14T22:13:20",
                "%Y-%m-%dT%H:%M:%S",
                Some(1_700_000_000.0),
            ),
            (
                "11/14/23 10:13:20 PM",
                "%m/%d/%y %I:%M:%S %p",
                Some(1_700_000_000.0),
            ),
            (
                "2023-11-14 23:13:20 +0100",
                "%F %T %z",
                Some(1_700_000_000.0),
            ),
            (
                "14 Nov 2023 22:13:20.5",
                "%d %b %Y %H:%M:%S.%N",
                Some(1_700_000_000.5),
            ),
            ("1700000000", "%s", Some(1_700_000_000.0)),
            (
                "2023-11-14 23:13:20+01:00",
                "%F %T%:z",
                Some(1_700_000_000.0),
            ),
            ("2023-11-14 17:13:20 EST", "%F %T %Z", Some(1_700_000_000.0)),
            ("2023-11-14 10:13:20 PM", "%F %r", Some(1_700_000_000.0)),
            ("2023-W46-2 22:13:20", "%G-W%V-%u %T", Some(1_700_000_000.0)),
            ("2023 46 2 22:13:20", "%Y %U %w %T", Some(1_700_000_000.0)),
            ("Tue 46 2023 22:13:20", "%a %W %Y %T", Some(1_700_000_000.0)),
            (
                "20 23 11 14 22:13:20",
                "%C %y %m %d %T",
                Some(1_700_000_000.0),
            ),
            ("1700000000.25", "%s.%2N", Some(1_700_000_000.25)),
            (
                "2023-11-14 22:13:20.1239",
                "%F %T.%3N9",
                Some(1_700_000_000.123),
            ),
            ("1700000000250", "%s%3N", Some(1_700_000_000.25)),
            ("1700000000250", "%s%Q", Some(1_700_000_000.25)),
            ("1700000000250000", "%s%6N", Some(1_700_000_000.25)),
            ("25", "%s%3N", None),
            ("yesterday", "%F", None),
            ("2023-13-01", "%F", None),
        ] {
            assert_eq!(strptime(text, format, TIME), time, "{text}");
        }
    }

    #[test]
    fn codes_that_mean_nothing_are_found() {
        for format in ["%F %T.%3N %:z %Ez %-d %^a %% %+", "%s%6Q", "", "100%%"] {
            assert_eq!(unknown_code(format), None, "{format}");
        }
        for (format, code) in [
            ("%Y-%J", "%J"),
            ("%10N", "%10"),
            ("%H:%i", "%i"),
            ("50%", "%"),
            ("%E", "%E"),
            ("%2d", "%2d"),
        ] {
            assert_eq!(unknown_code(format).as_deref(), Some(code), "{format}");
        }
    }

    #[test]
    fn modifiers_move_times() {
        for (modifier, time) in [
            ("-1d@d", Some(1_699_833_600.0)),
            ("@d", Some(1_699_920_000.0)),
            ("-24h@h", Some(1_699_912_800.0)),
            ("@w1", Some(1_699_833_600.0)),
            ("@w0", Some(1_699_747_200.0)),
            ("+1mon@mon", Some(1_701_388_800.0)),
            ("-1h@h+5m", Some(1_699_995_900.0)),
            ("-70m@m", Some(1_699_995_780.0)),
            ("@s-500ms", Some(1_699_999_999.5)),
            ("-1wk@d", Some(1_699_315_200.0)),
            ("-1d@w1", Some(1_699_833_600.0)),
            ("@weeks", Some(1_699_747_200.0)),
            ("@q", Some(1_696_118_400.0)),
            ("+2mon@mon-1d", Some(1_703_980_800.0)),
            ("-d@d", Some(1_699_833_600.0)),
            ("+1q@q", Some(1_704_067_200.0)),
            ("@y+1y-1s", Some(1_704_067_199.0)),
            ("x", None),
            ("-9999999999999999y", None),
        ] {
            assert_eq!(relative_time(TIME, modifier), time, "{modifier}");
        }
        assert_eq!(
            time_modifier("11/14/2023:22:13:20", TIME),
            Some(1_700_000_000.0)
        );
        assert_eq!(time_modifier("0", TIME), Some(0.0));
    }
}
