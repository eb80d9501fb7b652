//! `uniq`: drops rows equal to the preceding one.

use datafusion::logical_expr::{SortExpr, lit};

use crate::expr::Fields;
use crate::plan::running::numbered_runs;
use crate::plan::running::row_number;
use crate::plan::{Passing, Planner, Result, Rows, at, column, nodes};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "uniq",
        also: &[],
        syntax: "uniq",
        meaning: "Drops a row that equals the preceding row in all fields.",
        options: &[],
    },
    form: Form::OPTIONS,
    reads: |_| Reading {
        all: true,
        ..Reading::default()
    },
    plan: &(plan as Passing),
};

/// Number of the run of equal rows, and the index in it.
const RUN: &str = hidden!("uniq");
const RANK: &str = hidden!("uniq_rank");

fn plan(planner: &mut Planner<'_>, rows: Rows, _: &Arguments, span: Span) -> Result<Rows> {
    let (rows, place) = planner.placed(rows, span)?;
    let names = rows.all_names();
    let values = rows
        .names()
        .iter()
        .filter_map(|name| rows.field(name))
        .collect();
    let rows = at(span, numbered_runs(rows, values, &place, RUN))?;
    let rank = row_number(
        vec![column(RUN)],
        vec![SortExpr::new(column(&place), true, false)],
    );
    let plan = at(
        span,
        nodes::window(rows.plan.clone(), vec![rank.alias(RANK)]),
    )?;
    let rows = at(span, rows.with(plan).filter(column(RANK).eq(lit(1_u64))))?;
    let kept = names
        .into_iter()
        .map(|name| (name.clone(), column(&name)))
        .collect();
    at(span, rows.reshape(kept))
}
