//! `timewrap`: compares the periods of a time chart.

use std::collections::{BTreeMap, BTreeSet};

use crate::functions::time::{relative_time, strftime};
use crate::plan::{Made, Names, Passing, Planner, Result, Rows, at, diagnostic};
use crate::syntax::ast::{Arguments, BinSpan, Name, Span, TimeSpan, TimeUnit};
use crate::syntax::parse_span;
use crate::syntax::usage::{Form, Reading, Usage, Whole, obeyed};
use crate::value::number_of;

/// Maximum number of periods.
const MOST_PERIODS: usize = 1_000;

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "timewrap",
        also: &[],
        syntax: "timewrap <span> [<options>]",
        meaning: "Splits a time chart into one series per period, such as `count_latest_day`, \
                  `count_1day_before`, `count_2days_before`, over the times of the latest period.",
        options: &[
            obeyed(
                "align",
                "Where the latest period ends: at the `end` of the search's range (or of the chart, without a \
                 range), or `now`.",
            ),
            obeyed(
                "series",
                "How to name series: `relative`, `short` (`count_s0`, `count_s1` …), or `exact`, using `time_format`.",
            ),
            obeyed(
                "time_format",
                "Format of a period's start for `exact`; default `%Y-%m-%d %H:%M:%S`.",
            ),
        ],
    },
    form: Form::Plain {
        names: (1, 1),
        expects: "the length of a period such as `1d` or `week`",
        subsearches: 0,
    },
    reads: |_| Reading {
        all: true,
        ends: true,
        ..Reading::default()
    },
    plan: &(plan as Passing),
};

/// How to name series.
enum Series {
    Relative,
    Short,
    Exact(String),
}

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let period = period(arguments, span)?;
    let series = match arguments.written("series") {
        None | Some((_, "relative")) => Series::Relative,
        Some((_, "short")) => Series::Short,
        Some((_, "exact")) => {
            let format = arguments.option("time_format");
            Series::Exact(format.unwrap_or("%Y-%m-%d %H:%M:%S").to_owned())
        }
        Some((option, other)) => {
            return Err(diagnostic(
                option.span,
                format!("`series` is relative, short or exact, not `{other}`"),
            ));
        }
    };
    let to_now = match arguments.written("align") {
        None | Some((_, "end")) => false,
        Some((_, "now")) => true,
        Some((option, other)) => {
            return Err(diagnostic(
                option.span,
                format!("`align` is end or now, not `{other}`"),
            ));
        }
    };
    let Some(staged) = planner.stage(rows.clone(), None, span)? else {
        return Ok(rows);
    };
    let mut times: Vec<(f64, usize)> = (0..staged.len())
        .filter_map(|row| Some((number_of(&staged.text("_time", row)?)?, row)))
        .collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some((last, _)) = times.last().copied() else {
        return at(span, staged.rows());
    };
    // The last range of the chart is as long as the shortest step.
    let step = times
        .windows(2)
        .filter_map(|pair| Some(pair.get(1)?.0 - pair.first()?.0))
        .filter(|step| *step > 0.0)
        .reduce(f64::min);
    let end = match (to_now, planner.range.latest) {
        (true, _) => planner.context.now,
        (false, Some(latest)) => latest,
        (false, None) => last + step.unwrap_or(1.0),
    };
    let ends =
        ends(end, times.first().map_or(end, |(time, _)| *time), period).ok_or_else(|| {
            diagnostic(
                span,
                format!(
                    "`timewrap` would make more than {MOST_PERIODS} periods; use a longer span"
                ),
            )
        })?;
    let columns: Vec<String> = staged
        .names()
        .into_iter()
        .filter(|name| !name.starts_with('_'))
        .collect();
    // By the time in the latest period: the rows of each period.
    let mut cells: BTreeMap<i64, BTreeMap<usize, usize>> = BTreeMap::new();
    let mut periods = BTreeSet::new();
    for (time, row) in times {
        let Some(back) = ends.windows(2).position(|pair| match pair {
            [end, start] => *start <= time && time < *end,
            _ => false,
        }) else {
            continue;
        };
        // Months differ in length: what extends beyond a short one follows it, and nothing is merged.
        let (Some(start), Some(latest)) = (ends.get(back + 1), ends.get(1)) else {
            continue;
        };
        let moved = time - start + latest;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "microseconds of a time that a log can have"
        )]
        let key = (moved * 1e6).round() as i64;
        cells.entry(key).or_default().insert(back, row);
        periods.insert(back);
    }
    let mut made = Made::new(cells.len());
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a time")]
    let times = cells.keys().map(|time| Some(*time as f64 / 1e6));
    made.numbers("_time", times.collect());
    let mut names = Names::default();
    names.of("_time");
    for column in &columns {
        for back in periods.iter().rev() {
            let start = ends.get(back + 1).copied().unwrap_or(end);
            // A format may render two periods alike.
            let name = names.of(&format!(
                "{column}_{}",
                name_of(&series, period, *back, start)
            ));
            let from: Vec<Option<usize>> =
                cells.values().map(|rows| rows.get(back).copied()).collect();
            if let Some(values) = at(span, staged.taken(column, &from))? {
                made.column(&name, values);
            }
        }
    }
    at(span, made.rows(planner.fresh()))
}

fn period(arguments: &Arguments, span: Span) -> Result<TimeSpan> {
    let written = arguments.fields.first();
    let parsed = written
        .map(|name| parse_span(&Name::clone(name)))
        .transpose()?;
    match parsed {
        Some(BinSpan::Time(period)) => Ok(period),
        _ => Err(diagnostic(
            written.map_or(span, |name| name.span),
            "`timewrap` takes the length of a period, such as 1d, 2w or month",
        )),
    }
}

fn word(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Microsecond => "microsecond",
        TimeUnit::Millisecond => "millisecond",
        TimeUnit::Centisecond => "centisecond",
        TimeUnit::Decisecond => "decisecond",
        TimeUnit::Second => "second",
        TimeUnit::Minute => "minute",
        TimeUnit::Hour => "hour",
        TimeUnit::Day => "day",
        TimeUnit::Week => "week",
        TimeUnit::Month => "month",
        TimeUnit::Quarter => "quarter",
        TimeUnit::Year => "year",
    }
}

/// A time this many periods later, or earlier if negative.
fn shifted(time: f64, period: TimeSpan, periods: i64) -> Option<f64> {
    let amount = i64::try_from(period.amount).ok()?.checked_mul(periods)?;
    let sign = if amount < 0 { "" } else { "+" };
    relative_time(
        time,
        &format!("{sign}{amount}{}", word_of_span(period.unit)),
    )
}

fn word_of_span(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Microsecond => "us",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Centisecond => "cs",
        TimeUnit::Decisecond => "ds",
        other => word(other),
    }
}

/// Ends of the periods from the latest backwards until one begins before `first`.
fn ends(end: f64, first: f64, period: TimeSpan) -> Option<Vec<f64>> {
    let mut ends = vec![end];
    while ends.last().is_some_and(|last| *last > first) {
        let back = i64::try_from(ends.len()).ok()?;
        if ends.len() > MOST_PERIODS {
            return None;
        }
        ends.push(shifted(end, period, -back)?);
    }
    Some(ends)
}

fn name_of(series: &Series, period: TimeSpan, back: usize, start: f64) -> String {
    let unit = word(period.unit);
    let many = |number: u64| {
        if number == 1 {
            unit.to_owned()
        } else {
            format!("{unit}s")
        }
    };
    match series {
        Series::Short => format!("s{back}"),
        Series::Exact(format) => strftime(start, format).unwrap_or_else(|| format!("s{back}")),
        Series::Relative if back == 0 && period.amount == 1 => format!("latest_{unit}"),
        Series::Relative if back == 0 => {
            format!("latest_{}{}", period.amount, many(period.amount))
        }
        Series::Relative => {
            let number = period.amount.saturating_mul(back as u64);
            format!("{number}{}_before", many(number))
        }
    }
}
