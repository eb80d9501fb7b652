//! `gentimes`: consecutive time ranges.

use crate::functions::time::{relative_time, strftime, time_modifier};
use crate::plan::{Made, Making, Planner, Result, Rows, at, diagnostic};
use crate::syntax::ast::{Arguments, Name, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, obeyed};

/// Maximum number of ranges.
const MOST: usize = 1_000_000;
const HUMAN: &str = "%a %b %e %H:%M:%S %Y";

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "gentimes",
        also: &[],
        syntax: "gentimes start=<time> [<options>]",
        meaning: "Makes one row per time range from a start to an end, with `starttime`, `endtime` (its last \
                  second), and both as text in `starthuman` and `endhuman`.",
        options: &[
            obeyed(
                "start",
                "The start: `10/1/2020`, `10/1/2020:12:34:56`, or days from now such as `-5`.",
            ),
            obeyed("end", "The end, exclusive; default today at 0:00."),
            obeyed(
                "increment",
                "Length of a range: `1d`, `6h`, `5m`, `30s`, or calendar units `1mon` and `1y`; default one day.",
            ),
        ],
    },
    form: Form::OPTIONS,
    reads: |_| Reading {
        adds_rows: true,
        ..Reading::default()
    },
    plan: &(plan as Making),
};

fn plan(planner: &mut Planner<'_>, arguments: &Arguments, span: Span) -> Result<Rows> {
    let now = planner.context.now;
    let midnight = |time: f64| relative_time(time, "@d").unwrap_or(time);
    let time = |(option, value): (&Name, &str)| match value.trim().parse::<i32>() {
        Ok(days) => Ok(midnight(now) + f64::from(days) * 86_400.0),
        Err(_) => {
            let with_clock = if value.contains(':') {
                value.trim().to_owned()
            } else {
                format!("{}:00:00:00", value.trim())
            };
            time_modifier(&with_clock, now).ok_or_else(|| {
                diagnostic(
                    option.span,
                    format!("`{value}` is not a time: write `10/1/2020`, `10/1/2020:12:34:56`, or days from now such as `-5`"),
                )
            })
        }
    };
    let Some(start) = arguments.written("start") else {
        return Err(diagnostic(span, "`gentimes` needs `start=`"));
    };
    let start = time(start)?;
    let end = match arguments.written("end") {
        Some(end) => time(end)?,
        None => midnight(now),
    };
    let step = match arguments.written("increment") {
        None => (1, "d"),
        Some((option, value)) => {
            let value = value.trim();
            let digits = value.bytes().take_while(u8::is_ascii_digit).count();
            let (amount, unit) = value.split_at(digits);
            let amount = if digits == 0 { Ok(1) } else { amount.parse() };
            amount
                .ok()
                .map(|amount| (amount, unit))
                .filter(|step| !unit.contains(['+', '-', '@']) && later(0.0, *step, 1) >= Some(1.0))
                .ok_or_else(|| {
                    diagnostic(
                        option.span,
                        format!("`{value}` is not a duration such as 1d, 6h, 5m or 30s"),
                    )
                })?
        }
    };
    let mut times = Vec::new();
    let (mut time, mut ends) = (start, Vec::new());
    while time < end {
        if times.len() >= MOST {
            return Err(diagnostic(
                span,
                format!("`gentimes` would make more than {MOST} ranges"),
            ));
        }
        times.push(time);
        // Computed from the start, so that a short month does not shift later ranges.
        time = later(start, step, times.len() as u64)
            .ok_or_else(|| diagnostic(span, "`gentimes`: time out of range"))?;
        ends.push(time - 1.0);
    }
    let human = |time: f64| strftime(time, HUMAN).into_iter().collect::<Vec<_>>();
    let mut made = Made::new(times.len());
    made.texts("endhuman", ends.iter().map(|time| human(*time)).collect());
    made.numbers("endtime", ends.iter().map(|time| Some(*time)).collect());
    made.texts(
        "starthuman",
        times.iter().map(|time| human(*time)).collect(),
    );
    made.numbers("starttime", times.iter().map(|time| Some(*time)).collect());
    at(span, made.rows(planner.fresh()))
}

/// A time this many calendar steps later.
fn later(time: f64, (amount, unit): (u64, &str), steps: u64) -> Option<f64> {
    relative_time(time, &format!("+{}{unit}", amount.checked_mul(steps)?))
}
