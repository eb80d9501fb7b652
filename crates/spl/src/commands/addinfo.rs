//! `addinfo`: facts about the search.

use datafusion::logical_expr::lit;

use crate::plan::{Passing, Planner, Result, Rows, at, text};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "addinfo",
        also: &[],
        syntax: "addinfo",
        meaning: "Adds `info_min_time` and `info_max_time`, the range of time that the search asks for, \
                  `info_search_time`, and `info_sid`, which is empty.",
        options: &[],
    },
    form: Form::OPTIONS,
    reads: |_| Reading {
        makes: NAMES.map(str::to_owned).to_vec(),
        ..Reading::default()
    },
    plan: &(plan as Passing),
};

const NAMES: [&str; 4] = [
    "info_min_time",
    "info_max_time",
    "info_search_time",
    "info_sid",
];

fn plan(planner: &mut Planner<'_>, rows: Rows, _: &Arguments, span: Span) -> Result<Rows> {
    let range = planner.range;
    let values = [
        lit(range.earliest.unwrap_or(0.0)),
        range.latest.map_or_else(|| text("+Infinity"), lit),
        lit(planner.context.now),
        // There is no job.
        text(""),
    ];
    let names = NAMES.map(str::to_owned);
    at(span, rows.set(names.into_iter().zip(values).collect()))
}
