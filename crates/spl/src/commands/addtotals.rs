//! `addtotals`: the sum of each row's numbers; with `col=true` a row with the sums of the columns.

use datafusion::logical_expr::Expr;

use crate::HIDDEN;
use crate::expr::{Fields, plan_aggregate};
use crate::ops::values;
use crate::plan::wildcards::matching;
use crate::plan::{Order, Passing, Planner, Result, Rows, at, column, nodes};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, field, flag, obeyed};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "addtotals",
        also: &[],
        syntax: "addtotals [<options>] [<fields>]",
        meaning: "Adds the sum of each row's numbers, or a row with the sums of the columns.",
        options: &[
            flag("row", "Whether to add sums to rows; default true."),
            flag("col", "Adds a row with the sums of the columns."),
            field(
                "fieldname",
                "Name of the field with the sums of rows; default `Total`.",
            ),
            field("labelfield", "Field for the label of the row of sums."),
            obeyed("label", "That label; default `Total`."),
        ],
    },
    form: Form::Plain {
        names: (0, usize::MAX),
        expects: "a field",
        subsearches: 0,
    },
    reads: |arguments| Reading {
        all: arguments.fields.is_empty(),
        makes: vec![arguments.option("fieldname").unwrap_or("Total").to_owned()],
        adds_rows: true,
        ..Reading::named(arguments)
    },
    plan: &(plan as Passing),
};

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let fields: Vec<String> = if arguments.fields.is_empty() {
        rows.names()
            .into_iter()
            .filter(|name| !name.starts_with('_'))
            .collect()
    } else {
        matching(&rows, &arguments.fields)
    };
    let mut rows = rows;
    let mut summed = fields.clone();
    if arguments.flag("row", true) {
        let name = arguments.option("fieldname").unwrap_or("Total").to_owned();
        let values: Vec<Expr> = fields
            .iter()
            .filter_map(|name| Some(rows.field(name)?.expr))
            .collect();
        let total = values::row_total(values);
        rows = at(span, rows.set(vec![(name.clone(), total)]))?;
        summed.push(name);
    }
    if arguments.flag("col", false) {
        let mut calls = Vec::new();
        let mut columns = Vec::new();
        for (index, name) in summed.iter().enumerate() {
            let Some(value) = rows.field(name) else {
                continue;
            };
            let call = plan_aggregate("sum", span, Some(value), None)?;
            calls.push(call.expr.alias(format!("{HIDDEN}sum{index}")));
            columns.push((name.clone(), column(&format!("{HIDDEN}sum{index}"))));
        }
        if let (Some(field), label) = (
            arguments.option("labelfield"),
            arguments.option("label").unwrap_or("Total"),
        ) {
            columns.retain(|(name, _)| name != field);
            columns.push((field.to_owned(), crate::plan::text(label)));
        }
        let plan = at(span, nodes::aggregate(rows.plan.clone(), Vec::new(), calls))?;
        let total = Rows {
            plan,
            order: Order::AsIs,
            empty: false,
            open: false,
        };
        let total = at(span, total.project(columns))?;
        rows = planner.below(rows, total, span)?;
    }
    Ok(rows)
}
