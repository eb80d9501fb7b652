//! `reverse`: reverses the order of the rows.

use datafusion::logical_expr::SortExpr;

use crate::plan::{Order, Passing, Planner, Result, Rows, column};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "reverse",
        also: &[],
        syntax: "reverse",
        meaning: "Reverses the order of the rows.",
        options: &[],
    },
    form: Form::OPTIONS,
    reads: |_| Reading::default(),
    plan: &(plan as Passing),
};

fn plan(planner: &mut Planner<'_>, rows: Rows, _: &Arguments, span: Span) -> Result<Rows> {
    reversed(planner, rows, span)
}

/// The rows from last to first.
pub(super) fn reversed(planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
    let (rows, place) = planner.placed(rows, span)?;
    let order = Order::Keys(vec![SortExpr::new(column(&place), false, false)]);
    Ok(Rows { order, ..rows })
}
