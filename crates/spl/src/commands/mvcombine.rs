//! `mvcombine`: combines rows that differ in only one field.

use crabwalk_events::catalog::REF;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, SortExpr};

use crate::HIDDEN;
use crate::expr::{Fields, Typed, plan_aggregate};
use crate::ops::values;
use crate::plan::running::{PLACE, numbered};
use crate::plan::wildcards::only_field;
use crate::plan::{ORDER, Order, Passing, Planner, Result, Rows, at, column, list_type, nodes};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, obeyed};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "mvcombine",
        also: &[],
        syntax: "mvcombine [delim=<text>] <field>",
        meaning: "Combines rows that differ in only one field.",
        options: &[obeyed("delim", "Joins the values with this text.")],
    },
    form: Form::FIELD,
    reads: |arguments| Reading {
        // Rows are compared by all their fields.
        all: true,
        ..Reading::named(arguments)
    },
    plan: &(plan as Passing),
};

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let Some((name, value)) = only_field(&rows, arguments) else {
        return Ok(rows);
    };
    let names = rows.names();
    let rows = at(span, numbered(rows))?;
    let others: Vec<Expr> = names
        .iter()
        .filter(|own| **own != name)
        .map(|own| column(own))
        .collect();
    // `list` returns the latest first: negative indexes keep the order of the rows.
    let place = Expr::Negative(Box::new(crate::plan::cast_to(
        Typed {
            expr: column(PLACE),
            data_type: DataType::UInt64,
        },
        &DataType::Float64,
    )));
    let list = plan_aggregate("list", span, Some(value), Some(place))?;
    let own = planner.fresh();
    let (first, found, time) = (
        format!("{HIDDEN}first{own}"),
        format!("{HIDDEN}found{own}"),
        format!("{HIDDEN}latest{own}"),
    );
    let expr_fn = datafusion::functions_aggregate::expr_fn::min;
    let mut calls = vec![
        list.expr.alias(&found),
        expr_fn(column(PLACE)).alias(&first),
    ];
    if rows.has(ORDER) {
        calls.push(datafusion::functions_aggregate::expr_fn::max(column(ORDER)).alias(&time));
    }
    let refs = rows.field(REF);
    let refs_name = format!("{HIDDEN}refs{own}");
    if let Some(refs) = refs.clone() {
        calls.push(crate::expr::collect_refs(refs).alias(&refs_name));
    }
    let (has_time, has_refs) = (rows.has(ORDER), refs.is_some());
    let plan = at(span, nodes::aggregate(rows.plan.clone(), others, calls))?;
    let mut columns: Vec<(String, Expr)> = names
        .iter()
        .map(|own| {
            let expr = if *own == name {
                column(&found)
            } else {
                column(own)
            };
            (own.clone(), expr)
        })
        .collect();
    columns.push((first.clone(), column(&first)));
    if has_time {
        columns.push((ORDER.to_owned(), column(&time)));
    }
    if has_refs {
        columns.push((REF.to_owned(), column(&refs_name)));
    }
    let mut rows = at(span, rows.with(plan).project(columns))?;
    rows.order = Order::Keys(vec![SortExpr::new(column(&first), true, false)]);
    match arguments.option("delim") {
        Some(delimiter) => {
            let value = Typed {
                expr: column(&name),
                data_type: list_type(),
            };
            let joined = values::joined(value, delimiter);
            at(span, rows.set(vec![(name, joined)]))
        }
        None => Ok(rows),
    }
}
