//! The conversions of `convert` without an eval equivalent.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::lit;

use super::{Answer, CallError, Entry, Prepared, call};
use crate::column::Typed;
use crate::value::number_of;

pub(super) const FUNCTIONS: &[Entry] = &[Entry {
    name: "spl_convert",
    prepare: |call| {
        let name = call.fixed_text(1)?;
        let convert = conversion(&name)
            .ok_or_else(|| CallError::Arguments(format!("there is no conversion `{name}`")))?;
        Ok(Prepared::rows(DataType::Float64, move |args| {
            Answer::number(args.text(0).and_then(|text| convert(text.trim())))
        }))
    },
}];

fn conversion(name: &str) -> Option<fn(&str) -> Option<f64>> {
    Some(match name {
        "num" => number_of,
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
}
