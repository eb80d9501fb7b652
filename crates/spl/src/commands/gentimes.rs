//! `gentimes`: ranges of time, one after the other.

use crate::functions::time::{relative_time, strftime, time_modifier};
use crate::plan::{Made, Making, Planner, Result, Rows, at, diagnostic};
use crate::syntax::ast::{Arguments, Name, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, obeyed};

/// More ranges are not made.
const MOST: usize = 1_000_000;
const HUMAN: &str = "%a %b %e %H:%M:%S %Y";

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "gentimes",
        also: &[],
        syntax: "gentimes start=<time> [<options>]",
        meaning: "Makes a row for each range of time from a start to an end: `starttime`, `endtime` (its last second), and both as text in \
                  `starthuman` and `endhuman`.",
        options: &[
            obeyed(
                "start",
                "The start: `10/1/2020`, `10/1/2020:12:34:56`, or days from now such as `-5`.",
            ),
            obeyed(
                "end",
                "The end, which is left out itself; today at 0:00 if it is not given.",
            ),
            obeyed(
                "increment",
                "Length of a range: `1d`, `6h`, `5m`, `30s`; a day if it is not given.",
            ),
        ],
    },
    form: Form {
        names: (0, 0),
        expects: "the end of the command",
        subsearches: 0,
    },
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
                    format!("`{value}` is no time: write `10/1/2020`, `10/1/2020:12:34:56`, or days from now such as `-5`"),
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
        None => 86_400.0,
        Some((option, value)) => {
            let step = relative_time(0.0, &format!("+{}", value.trim()));
            step.filter(|step| *step >= 1.0 && !value.contains(['+', '-', '@']))
                .ok_or_else(|| {
                    diagnostic(
                        option.span,
                        format!("`{value}` is no length of time such as 1d, 6h, 5m or 30s"),
                    )
                })?
        }
    };
    let mut times = Vec::new();
    let mut time = start;
    while time < end {
        if times.len() >= MOST {
            return Err(diagnostic(
                span,
                format!("`gentimes` would make more than {MOST} ranges"),
            ));
        }
        times.push(time);
        time += step;
    }
    let human = |time: f64| strftime(time, HUMAN).into_iter().collect::<Vec<_>>();
    let mut made = Made::new(times.len());
    let last = |time: &f64| time + step - 1.0;
    made.texts(
        "endhuman",
        times.iter().map(|time| human(last(time))).collect(),
    );
    made.numbers(
        "endtime",
        times.iter().map(|time| Some(last(time))).collect(),
    );
    made.texts(
        "starthuman",
        times.iter().map(|time| human(*time)).collect(),
    );
    made.numbers("starttime", times.iter().map(|time| Some(*time)).collect());
    at(span, made.rows(planner.fresh()))
}
