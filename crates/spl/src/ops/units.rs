//! The conversions of `convert` without an eval equivalent.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::lit;

use super::{Answer, CallError, Entry, Prepared, call};
use crate::column::Typed;
use crate::value::{format_number, number_of};

pub(super) const FUNCTIONS: &[Entry] = &[
    Entry {
        name: "spl_convert",
        prepare: |call| {
            let name = call.fixed_text(1)?;
            let convert = conversion(&name)
                .ok_or_else(|| CallError::Arguments(format!("there is no conversion `{name}`")))?;
            Ok(Prepared::rows(DataType::Float64, move |args| {
                Answer::number(args.text(0).and_then(|text| convert(text.trim())))
            }))
        },
    },
    Entry {
        name: "spl_number_text",
        prepare: |_| {
            Ok(Prepared::rows(DataType::Utf8, |args| {
                Answer::text(args.text(0).and_then(|text| match number_of(&text) {
                    // As it is written, with all its digits.
                    Some(_) => Some(text.into_owned()),
                    None => best(text.trim()).map(format_number),
                }))
            }))
        },
    },
];

fn conversion(name: &str) -> Option<fn(&str) -> Option<f64>> {
    Some(match name {
        "num" => best,
        "rmunit" => leading_number,
        "memk" => kilobytes,
        "dur2sec" => duration,
        "mstime" => minutes,
        _ => return None,
    })
}

/// A conversion of `convert`, or `None` if the name is unknown.
pub(crate) fn convert(function: &str, value: Typed) -> Option<Typed> {
    conversion(function)?;
    Some(call(
        "spl_convert",
        DataType::Float64,
        vec![value.expr, lit(function)],
    ))
}

/// Text as the number that it can be read as, in text; NULL where there is none.
pub(crate) fn number_text(value: Typed) -> Typed {
    call("spl_number_text", DataType::Utf8, vec![value.expr])
}

/// A number, with or without commas between thousands, or a duration.
///
/// What a suffix means (`10m`) depends on the field: `memk` and `rmunit` must be asked for.
fn best(text: &str) -> Option<f64> {
    number_of(text)
        .or_else(|| thousands(text))
        .or_else(|| clock(text))
}

/// `1,234,567.8`
fn thousands(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = unsigned.split('.').next().unwrap_or_default();
    let mut groups = whole.split(',');
    let is_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let leads = groups
        .next()
        .is_some_and(|group| matches!(group.len(), 1..=3) && is_digits(group));
    let grouped = groups.all(|group| group.len() == 3 && is_digits(group));
    (leads && grouped)
        .then(|| number_of(&text.replace(',', "")))
        .flatten()
}

/// `[D+]HH:MM:SS` or `MM:SS[.SSS]` in seconds.
fn clock(text: &str) -> Option<f64> {
    let (days, time) = text
        .split_once('+')
        .map_or((None, text), |(days, time)| (Some(days), time));
    let parts: Vec<&str> = time.split(':').collect();
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let fits = match parts.as_slice() {
        [hours, minutes, seconds] => [hours, minutes, seconds]
            .into_iter()
            .all(|part| is_digits(part)),
        [minutes, seconds] => {
            let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
            days.is_none() && [minutes, seconds, fraction].into_iter().all(is_digits)
        }
        _ => false,
    };
    (fits && days.is_none_or(is_digits))
        .then(|| duration(text))
        .flatten()
}

fn leading_number(text: &str) -> Option<f64> {
    let end = text
        .find(|char: char| !(char.is_ascii_digit() || matches!(char, '.' | '-' | '+')))
        .unwrap_or(text.len());
    number_of(&text[..end])
}

/// `10m` → kilobytes; the unit is `k`, `m` or `g`, by default kilobytes.
fn kilobytes(text: &str) -> Option<f64> {
    let factor = match text.chars().last()?.to_ascii_lowercase() {
        'm' => 1024.0,
        'g' => 1024.0 * 1024.0,
        _ => 1.0,
    };
    Some(leading_number(text)? * factor)
}

/// `[D+]HH:MM:SS` → seconds.
fn duration(text: &str) -> Option<f64> {
    let (days, clock) = text.split_once('+').unwrap_or(("0", text));
    let clock = clock
        .split(':')
        .try_fold(0.0, |sum, part| Some(sum * 60.0 + number_of(part)?))?;
    Some(number_of(days)? * 86_400.0 + clock)
}

/// `[MM:]SS.SSS` → seconds.
fn minutes(text: &str) -> Option<f64> {
    text.split(':')
        .try_fold(0.0, |sum, part| Some(sum * 60.0 + number_of(part)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_numbers() {
        assert_eq!(kilobytes("2m"), Some(2048.0));
        assert_eq!(kilobytes("7"), Some(7.0));
        assert_eq!(duration("1+01:00:02"), Some(90_002.0));
        assert_eq!(minutes("02:03.5"), Some(123.5));
        assert_eq!(leading_number("12.5 MB"), Some(12.5));
        assert_eq!(duration("soon"), None);
    }

    #[test]
    fn what_reads_as_a_number() {
        for (text, number) in [
            ("-1,234.5", Some(-1234.5)),
            ("1,234,567", Some(1_234_567.0)),
            ("1+02:03:04", Some(93_784.0)),
            ("02:03.5", Some(123.5)),
            ("1,2", None),
            ("1,2345", None),
            (",123", None),
            ("10.0.0.1", None),
            ("2001:db8::1", None),
            ("00:11:22:33:44:55", None),
            ("10m", None),
            ("+", None),
            ("", None),
        ] {
            assert_eq!(best(text), number, "{text}");
        }
    }
}
