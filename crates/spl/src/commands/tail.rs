//! `tail`: the last rows.

use crate::plan::{Passing, Planner, Result, Rows, diagnostic};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "tail",
        also: &[],
        syntax: "tail [<number>]",
        meaning: "Keeps the last 10 rows or a given number, last one first.",
        options: &[],
    },
    form: Form::Plain {
        names: (0, 1),
        expects: "a number of rows",
        subsearches: 0,
    },
    reads: |_| Reading::default(),
    plan: &(plan as Passing),
};

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let count = match arguments.fields.first() {
        None => 10,
        Some(number) => number.text.parse().map_err(|_| {
            diagnostic(
                number.span,
                format!("`{}` is not a number of rows", number.text),
            )
        })?,
    };
    // As in Splunk, the last one comes first.
    let rows = super::reverse::reversed(planner, rows, span)?;
    planner.first(rows, count, span)
}
