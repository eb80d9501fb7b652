//! `eventstats`: aggregates beside each row instead of in place of the rows.

use std::fmt;

use datafusion::logical_expr::{Expr, WindowFrame};

use super::stats::{OPTIONS, Stats};
use crate::expr::{Fields, plan_aggregate};
use crate::plan::aggregate::expand;
use crate::plan::{Order, Plan, Planner, Result, Rows, Windows, at, null_text, typed};
use crate::syntax::ast::{self, Span};
use crate::syntax::command::{Ledger, Part, Syntax};
use crate::syntax::usage::{Cursor, Usage, Whole};

pub(super) static COMMAND: Whole = typed::<Eventstats>(Usage {
    name: "eventstats",
    also: &[],
    syntax: "eventstats <aggregation> [as <name>] … [by <fields>]",
    meaning: "Adds aggregations over all rows, or over the row's group, to each row.",
    options: OPTIONS,
});

/// `eventstats`.
#[derive(Debug, Clone, PartialEq)]
pub struct Eventstats(pub Stats);

impl Syntax for Eventstats {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        Stats::parse(cursor, usage).map(Self)
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.print(f)
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        self.0.note_beside(ledger);
        false
    }

    fn parts(&self) -> Vec<Part<'_>> {
        self.0.parts()
    }

    fn expressions_mut(&mut self) -> Vec<&mut ast::Expr> {
        self.0.expressions_mut()
    }

    fn needs_rows(&self) -> bool {
        true
    }
}

impl Plan for Eventstats {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let Self(stats) = self;
        let by = stats.group_names();
        // Grouping moves rows; an order that no column holds has to be kept in one.
        let rows = match rows.order {
            Order::AsIs if !by.is_empty() => planner.placed(rows, span)?.0,
            _ => rows,
        };
        let (rows, when) = planner.whens(rows, &stats.aggregations, span)?;
        // A row without one of the fields belongs to no group: it stays, and gets no aggregates.
        let mut grouped = Vec::new();
        for name in &by {
            match rows.field(name) {
                Some(typed) => grouped.push(typed.expr),
                None => return without_groups(rows, stats, &by, span),
            }
        }
        let complete = grouped
            .iter()
            .map(|expr| expr.clone().is_not_null())
            .reduce(Expr::and);
        let names = rows.all_names();
        let expanded = expand(&stats.aggregations, &rows, &by);
        let arguments = expanded
            .iter()
            .map(|(_, argument, _)| planner.argument(argument.as_ref(), &rows))
            .collect::<Result<Vec<_>>>()?;
        let (rows, arguments) = planner.arguments_beside(rows, arguments, span)?;
        let all = Windows {
            command: "eventstats",
            grouped: &grouped,
            sorted: &[],
            frame: &WindowFrame::new(None),
            complete: complete.as_ref(),
        };
        let mut windows = Vec::new();
        let mut outputs = Vec::new();
        for (index, ((aggregation, _, output), argument)) in
            expanded.into_iter().zip(arguments).enumerate()
        {
            let typed = plan_aggregate(
                &aggregation.function,
                aggregation.span,
                argument,
                when.of(&aggregation.function),
            )?;
            let (window, value) = all.of(index, aggregation, typed)?;
            windows.push(window);
            outputs.push((output, value));
        }
        planner.beside(rows, windows, &names, outputs, span)
    }
}

/// The rows where they lack a field of the groups.
fn without_groups(rows: Rows, stats: &Stats, by: &[String], span: Span) -> Result<Rows> {
    let outputs = expand(&stats.aggregations, &rows, by);
    let columns = outputs
        .into_iter()
        .filter(|(_, _, name)| !rows.has(name))
        .map(|(_, _, name)| (name, null_text()))
        .collect();
    at(span, rows.set(columns))
}
