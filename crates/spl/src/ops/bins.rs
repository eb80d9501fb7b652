//! Ranges of numbers and times.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

use super::{Answer, call};
use crate::expr::Typed;
use crate::syntax::ast::{TimeSpan, TimeUnit};
use crate::value::format_number;

/// Start of the range of a fixed width in which a number lies; ranges begin at 0.
pub(crate) fn floor_bin(value: Typed, width: f64) -> Expr {
    call(
        "spl_floor_bin",
        format_number(width),
        DataType::Float64,
        vec![value.expr],
        move |args| match args.number(0) {
            Some(number) => Answer::Number((number / width).floor() * width),
            None => Answer::Null,
        },
    )
    .expr
}

/// Start of the time range in which a time lies. Ranges of months, quarters and years follow the calendar, in UTC;
/// weeks begin on Thursdays as the epoch did, as Splunk's do.
pub(crate) fn time_bin(value: Typed, width: TimeSpan) -> Expr {
    match seconds(width) {
        Some(seconds) => floor_bin(value, seconds),
        None => {
            let key = format!("{width:?}");
            call(
                "spl_calendar_bin",
                key,
                DataType::Float64,
                vec![value.expr],
                move |args| match args.number(0).and_then(|time| calendar_start(time, width)) {
                    Some(start) => Answer::Number(start),
                    None => Answer::Null,
                },
            )
            .expr
        }
    }
}

/// The range in which a number lies, as text: `10-20`. What is no number stays as it is.
pub(crate) fn number_bin(value: Typed, width: f64) -> Expr {
    call(
        "spl_number_bin",
        format_number(width),
        DataType::Utf8,
        vec![value.expr],
        move |args| {
            let Some(text) = args.text(0) else {
                return Answer::Null;
            };
            match args.number(0) {
                Some(number) => {
                    let start = (number / width).floor() * width;
                    Answer::Text(format!(
                        "{}-{}",
                        format_number(start),
                        format_number(start + width)
                    ))
                }
                None => Answer::Text(text.into_owned()),
            }
        },
    )
    .expr
}

/// Length in seconds; `None` for spans of the calendar.
pub(crate) fn seconds(span: TimeSpan) -> Option<f64> {
    let unit = match span.unit {
        TimeUnit::Microsecond => 1e-6,
        TimeUnit::Millisecond => 1e-3,
        TimeUnit::Centisecond => 1e-2,
        TimeUnit::Decisecond => 1e-1,
        TimeUnit::Second => 1.0,
        TimeUnit::Minute => 60.0,
        TimeUnit::Hour => 3600.0,
        TimeUnit::Day => 86_400.0,
        TimeUnit::Week => 604_800.0,
        TimeUnit::Month | TimeUnit::Quarter | TimeUnit::Year => return None,
    };
    #[expect(clippy::cast_precision_loss, reason = "spans are small")]
    Some(unit * span.amount as f64)
}

fn calendar_start(time: f64, span: TimeSpan) -> Option<f64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole seconds of a time that a log can have"
    )]
    let date = Offset::UTC
        .to_datetime(Timestamp::from_second(time.floor() as i64).ok()?)
        .date();
    let months = i64::try_from(span.amount)
        .ok()?
        .checked_mul(match span.unit {
            TimeUnit::Quarter => 3,
            TimeUnit::Year => 12,
            _ => 1,
        })?;
    let since_zero = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
    let start = since_zero.div_euclid(months) * months;
    let (year, month) = (start.div_euclid(12), start.rem_euclid(12) + 1);
    let start = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()?;
    let start = Offset::UTC
        .to_timestamp(DateTime::from(start))
        .ok()?
        .as_second();
    #[expect(clippy::cast_precision_loss, reason = "seconds of a date")]
    Some(start as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_ranges_start_where_the_calendar_says() {
        for (time, amount, unit, start) in [
            (1_700_000_000.0, 1, TimeUnit::Month, 1_698_796_800.0), // 2023-11-01
            (1_700_000_000.0, 1, TimeUnit::Quarter, 1_696_118_400.0), // 2023-10-01
            (1_700_000_000.0, 1, TimeUnit::Year, 1_672_531_200.0),  // 2023-01-01
            (1_700_000_000.0, 3, TimeUnit::Month, 1_696_118_400.0),
        ] {
            assert_eq!(
                calendar_start(time, TimeSpan { amount, unit }),
                Some(start),
                "{amount} {unit:?}"
            );
        }
    }
}
