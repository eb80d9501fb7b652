//! Ranges of numbers and times.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, lit};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

use super::{Answer, CallError, Entry, Prepared, call};
use crate::column::Typed;
use crate::syntax::ast::{TimeSpan, TimeUnit};
use crate::value::format_number;

pub(super) const FUNCTIONS: &[Entry] = &[
    Entry {
        name: "spl_floor_bin",
        prepare: |call| {
            let width = call.fixed_number(1)?;
            Ok(Prepared::rows(DataType::Float64, move |args| {
                Answer::number(args.number(0).map(|number| range_start(number, width)))
            }))
        },
    },
    Entry {
        name: "spl_calendar_bin",
        prepare: |call| {
            let width: TimeSpan = call.fixed(1)?;
            Ok(Prepared::rows(DataType::Float64, move |args| {
                Answer::number(args.number(0).and_then(|time| calendar_start(time, width)))
            }))
        },
    },
    Entry {
        name: "spl_number_bin",
        prepare: |call| {
            let width = call.fixed_number(1)?;
            ranges(move |args| {
                let start = range_start(args.number(0)?, width);
                Some(range(start, start + width))
            })
        },
    },
    Entry {
        name: "spl_log_bin",
        prepare: |call| {
            let (coefficient, base) = (call.fixed_number(1)?, call.fixed_number(2)?);
            ranges(move |args| {
                let number = args.number(0).filter(|number| *number > 0.0)?;
                let mut power = (number / coefficient).log(base).floor();
                // The logarithm of a power of the base may be slightly too small.
                if coefficient * base.powf(power + 1.0) <= number {
                    power += 1.0;
                }
                let start = coefficient * base.powf(power);
                Some(range(start, start * base))
            })
        },
    },
    Entry {
        name: "spl_number_bins",
        prepare: |call| {
            let (bins, least_width): (u64, f64) = (call.fixed(3)?, call.fixed_number(4)?);
            ranges(move |args| {
                let (number, least, most) = (args.number(0)?, args.number(1)?, args.number(2)?);
                let width = number_width(least, most, bins).max(least_width);
                let start = range_start(number, width);
                Some(range(start, start + width))
            })
        },
    },
    Entry {
        name: "spl_time_bins",
        prepare: |call| {
            let (bins, width): (u64, f64) = (call.fixed(3)?, call.fixed_number(4)?);
            Ok(Prepared::rows(DataType::Float64, move |args| {
                let (Some(time), Some(least), Some(most)) =
                    (args.number(0), args.number(1), args.number(2))
                else {
                    return Answer::Null;
                };
                let span = time_width(most - least, bins, width);
                Answer::number(match seconds(span) {
                    Some(width) => Some(range_start(time, width)),
                    None => calendar_start(time, span),
                })
            }))
        },
    },
    Entry {
        name: "spl_aligned_bin",
        prepare: |call| {
            let width = call.fixed_number(2)?;
            Ok(Prepared::rows(DataType::Float64, move |args| {
                match (args.number(0), args.number(1)) {
                    (Some(time), Some(origin)) => {
                        Answer::Number(range_start(time - origin, width) + origin)
                    }
                    _ => Answer::Null,
                }
            }))
        },
    },
];

/// A range as text; a value outside all ranges stays unchanged.
#[expect(clippy::unnecessary_wraps, reason = "the end of a preparation")]
fn ranges(
    of: impl Fn(&super::Args<'_>) -> Option<String> + Send + Sync + 'static,
) -> Result<Prepared, CallError> {
    Ok(Prepared::rows(DataType::Utf8, move |args| {
        let range = of(args);
        Answer::text(range.or_else(|| args.text(0).map(std::borrow::Cow::into_owned)))
    }))
}

/// Start of the fixed-width range that contains a number; ranges begin at 0.
pub(crate) fn floor_bin(value: Typed, width: f64) -> Expr {
    call(
        "spl_floor_bin",
        DataType::Float64,
        vec![value.expr, lit(width)],
    )
    .expr
}

/// Start of the range that contains a time. Ranges of months, quarters and years follow the calendar, in UTC; weeks
/// begin on Thursdays like the epoch, as in Splunk.
pub(crate) fn time_bin(value: Typed, width: TimeSpan) -> Expr {
    match seconds(width) {
        Some(seconds) => floor_bin(value, seconds),
        None => {
            call(
                "spl_calendar_bin",
                DataType::Float64,
                vec![value.expr, super::fixed(&width)],
            )
            .expr
        }
    }
}

/// The range that contains a number, as text: `10-20`. A value that is not a number stays unchanged.
pub(crate) fn number_bin(value: Typed, width: f64) -> Expr {
    call(
        "spl_number_bin",
        DataType::Utf8,
        vec![value.expr, lit(width)],
    )
    .expr
}

/// The range of a growing width that contains a number, such as `20-200` for the span `2log10`. Values that are not
/// numbers stay unchanged, as do numbers that are not positive and have no logarithm.
pub(crate) fn log_bin(value: Typed, coefficient: f64, base: f64) -> Expr {
    call(
        "spl_log_bin",
        DataType::Utf8,
        vec![value.expr, lit(coefficient), lit(base)],
    )
    .expr
}

/// The range that contains a number, with a width that divides all numbers between the second and the third argument
/// into at most so many ranges: 1, 2 or 5 times a power of ten.
pub(crate) fn number_bins(value: Typed, least: Expr, most: Expr, bins: u64, width: f64) -> Expr {
    call(
        "spl_number_bins",
        DataType::Utf8,
        vec![value.expr, least, most, super::fixed(&bins), lit(width)],
    )
    .expr
}

/// The start of the range that contains a time, with a length that divides the time between the second and the third
/// argument into at most so many ranges.
pub(crate) fn time_bins(value: Typed, least: Expr, most: Expr, bins: u64, width: f64) -> Expr {
    call(
        "spl_time_bins",
        DataType::Float64,
        vec![value.expr, least, most, super::fixed(&bins), lit(width)],
    )
    .expr
}

/// The start of the fixed-length range that contains a time, where ranges begin at the second argument.
pub(crate) fn aligned_bin(value: Typed, origin: Expr, width: f64) -> Expr {
    call(
        "spl_aligned_bin",
        DataType::Float64,
        vec![value.expr, origin, lit(width)],
    )
    .expr
}

/// Number of the range that contains a number. The quotient of a number at the start of a range may be slightly too
/// small, such as that of 0.3 and 0.1.
pub(crate) fn range_number(number: f64, width: f64) -> f64 {
    let quotient = number / width;
    let whole = quotient.round();
    // Both numbers and the quotient are rounded; whole widths are not.
    let error = 1.5 * f64::EPSILON * quotient.abs();
    if width.fract() != 0.0 && (quotient - whole).abs() <= error {
        whole
    } else {
        quotient.floor()
    }
}

/// The start of the range with that number.
pub(crate) fn numbered_start(range: f64, width: f64) -> f64 {
    // A tenth is not exact in binary, ten is.
    let parts = (1.0 / width).round();
    if parts > 1.0 && (parts * width - 1.0).abs() < 1e-12 {
        range / parts
    } else {
        range * width
    }
}

/// The start of the range that contains a number.
fn range_start(number: f64, width: f64) -> f64 {
    numbered_start(range_number(number, width), width)
}

fn range(start: f64, end: f64) -> String {
    // Sums of widths such as 0.1 are slightly off.
    let tidy = |number: f64| format_number((number * 1e9).round() / 1e9);
    format!("{}-{}", tidy(start), tidy(end))
}

pub(crate) fn number_width(least: f64, most: f64, bins: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a number of ranges")]
    let bins = bins.max(1) as f64;
    let length = most - least;
    if !(length > 0.0 && length.is_finite()) {
        return 1.0;
    }
    let ranges = |width: f64| range_number(most, width) - range_number(least, width) + 1.0;
    let mut power = 10_f64.powf((length / bins).log10().floor());
    // Two steps suffice: a width of ten times the length needs at most two ranges, and a single range may be
    // impossible.
    for _ in 0..3 {
        for factor in [1.0, 2.0, 5.0] {
            if ranges(factor * power) <= bins {
                return factor * power;
            }
        }
        power *= 10.0;
    }
    power
}

/// The time span that divides a duration (in seconds) into at most so many ranges and is at least `least` (in seconds).
/// The steps are those of Splunk's time charts.
pub(crate) fn time_width(length: f64, bins: u64, least: f64) -> TimeSpan {
    const STEPS: [(u64, TimeUnit, f64); 11] = [
        (1, TimeUnit::Second, 1.0),
        (5, TimeUnit::Second, 5.0),
        (10, TimeUnit::Second, 10.0),
        (30, TimeUnit::Second, 30.0),
        (1, TimeUnit::Minute, 60.0),
        (5, TimeUnit::Minute, 300.0),
        (10, TimeUnit::Minute, 600.0),
        (30, TimeUnit::Minute, 1800.0),
        (1, TimeUnit::Hour, 3600.0),
        (1, TimeUnit::Day, 86_400.0),
        (1, TimeUnit::Month, 2_678_400.0),
    ];
    #[expect(clippy::cast_precision_loss, reason = "a number of ranges")]
    let bins = bins.max(1) as f64;
    let (amount, unit) = STEPS
        .into_iter()
        .find(|(_, _, seconds)| length / seconds < bins && *seconds >= least)
        .map_or((1, TimeUnit::Year), |(amount, unit, _)| (amount, unit));
    TimeSpan { amount, unit }
}

/// Length in seconds; `None` for calendar spans.
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

/// Number of months in a calendar span.
pub(crate) fn months(span: TimeSpan) -> Option<i64> {
    let months = match span.unit {
        TimeUnit::Quarter => 3,
        TimeUnit::Year => 12,
        _ => 1,
    };
    i64::try_from(span.amount).ok()?.checked_mul(months)
}

/// Number of the range of so many months that contains a time, counted from the year 0.
pub(crate) fn month_number(time: f64, months: i64) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole seconds of a time that a log can have"
    )]
    let date = Offset::UTC
        .to_datetime(Timestamp::from_second(time.floor() as i64).ok()?)
        .date();
    let since_zero = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
    since_zero.checked_div_euclid(months)
}

/// The start of the range with that number.
pub(crate) fn month_start(range: i64, months: i64) -> Option<f64> {
    let start = range.checked_mul(months)?;
    let (year, month) = (start.div_euclid(12), start.rem_euclid(12) + 1);
    let start = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()?;
    let start = Offset::UTC
        .to_timestamp(DateTime::from(start))
        .ok()?
        .as_second();
    #[expect(clippy::cast_precision_loss, reason = "seconds of a date")]
    Some(start as f64)
}

fn calendar_start(time: f64, span: TimeSpan) -> Option<f64> {
    let months = months(span)?;
    month_start(month_number(time, months)?, months)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_of_ranges_follows_the_data() {
        for (least, most, bins, width) in [
            (1.0, 100.0, 100, 1.0),
            (0.0, 100.0, 100, 2.0),
            (0.0, 95.0, 10, 10.0),
            (0.0, 0.95, 10, 0.1),
            (-3.0, 3.0, 2, 5.0),
            (7.0, 7.0, 10, 1.0),
            (0.0, 1e6, 1, 2e6),
        ] {
            let found = number_width(least, most, bins);
            assert!(
                (found - width).abs() < 1e-9,
                "{least} to {most} in {bins}: {found}"
            );
        }
        for (length, bins, amount, unit) in [
            (900.0, 100, 10, TimeUnit::Second),
            (3600.0, 100, 1, TimeUnit::Minute),
            (86_400.0, 100, 30, TimeUnit::Minute),
            (604_800.0, 100, 1, TimeUnit::Day),
            (3600.0, 4, 30, TimeUnit::Minute),
            (40_000_000.0, 3, 1, TimeUnit::Year),
        ] {
            assert_eq!(
                time_width(length, bins, 0.0),
                TimeSpan { amount, unit },
                "{length} in {bins}"
            );
        }
    }

    #[test]
    fn a_number_at_which_a_range_begins_lies_in_it() {
        for (number, width, start) in [
            (0.3, 0.1, 0.3),
            (0.7, 0.1, 0.7),
            (0.29, 0.1, 0.2),
            (0.299_999_9, 0.1, 0.2),
            (-0.3, 0.1, -0.3),
            (-0.31, 0.1, -0.4),
            (1.15, 0.05, 1.15),
            (25.0, 10.0, 20.0),
            (1_700_000_000.3, 0.1, 1_700_000_000.3),
            (1_700_000_000.999_999, 1.0, 1_700_000_000.0),
        ] {
            let found = range_start(number, width);
            assert!((found - start).abs() < 1e-9, "{number} by {width}: {found}");
        }
    }

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
