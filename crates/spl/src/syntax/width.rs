//! Lengths of time and widths of ranges.

use super::ast::{BinSpan, Name, TimeSpan, TimeUnit};
use super::diagnostic::Diagnostic;

/// A width such as `5m`, `100` or `2log10`.
///
/// # Errors
/// If it is invalid.
pub(crate) fn parse_span(value: &Name) -> Result<BinSpan, Diagnostic> {
    let bad = |what: &str| Diagnostic::new(format!("`{}` {what}", value.text), value.span);
    let help = "write a number, or a number and a unit such as 30s, 5m, 1h, 1d, 1w, 1mon";
    // `1d@d` is aligned as `1d` is anyway.
    let (length, snap) = match value.text.split_once('@') {
        Some((length, snap)) => (length, Some(snap)),
        None => (value.text.as_str(), None),
    };
    let digits = length
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(length.len());
    let (amount, unit) = length.split_at(digits);
    if unit.is_empty() {
        return match amount.parse::<f64>() {
            Ok(number) if number.is_finite() && number > 0.0 && snap.is_none() => {
                Ok(BinSpan::Number(number))
            }
            _ => Err(bad("is not a span").with_help(help)),
        };
    }
    let Some(unit) = time_unit(unit) else {
        let Some(base) = unit.to_lowercase().strip_prefix("log").map(str::to_owned) else {
            return Err(bad("is not a span").with_help(help));
        };
        let number = |text: &str, default: f64| {
            if text.is_empty() {
                Some(default)
            } else {
                text.parse::<f64>().ok()
            }
        };
        return match (number(amount, 1.0), number(&base, 10.0)) {
            (Some(coefficient), Some(base))
                if base > 1.0 && coefficient >= 1.0 && coefficient < base && snap.is_none() =>
            {
                Ok(BinSpan::Log { coefficient, base })
            }
            _ => Err(bad("is not a logarithmic span").with_help(
                "write `log10`, or `2log10`: a factor from 1 up to the base, and a base above 1",
            )),
        };
    };
    if snap.is_some_and(|snap| time_unit(snap) != Some(unit)) {
        return Err(bad("snaps to a different unit, which is not supported"));
    }
    let amount = if amount.is_empty() {
        Ok(1)
    } else {
        amount.parse::<u64>()
    };
    match amount {
        Ok(amount) if amount > 0 => Ok(BinSpan::Time(TimeSpan { amount, unit })),
        _ => Err(bad("is not a span").with_help(help)),
    }
}

/// The unit of time that a word of SPL names.
fn time_unit(word: &str) -> Option<TimeUnit> {
    Some(match word.to_lowercase().as_str() {
        "us" => TimeUnit::Microsecond,
        "ms" => TimeUnit::Millisecond,
        "cs" => TimeUnit::Centisecond,
        "ds" => TimeUnit::Decisecond,
        "s" | "sec" | "secs" | "second" | "seconds" => TimeUnit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => TimeUnit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => TimeUnit::Hour,
        "d" | "day" | "days" => TimeUnit::Day,
        "w" | "week" | "weeks" => TimeUnit::Week,
        "mon" | "month" | "months" => TimeUnit::Month,
        "q" | "qtr" | "qtrs" | "quarter" | "quarters" => TimeUnit::Quarter,
        "y" | "yr" | "yrs" | "year" | "years" => TimeUnit::Year,
        _ => return None,
    })
}
