//! `stats`: aggregates of all rows, or of those of each group.

use std::fmt::{self, Display};

use datafusion::logical_expr::{Expr, lit};

use crate::expr::Fields;
use crate::plan::{Plan, Planner, Result, Rows, at, diagnostic, null_text, typed};
use crate::syntax::ast::{self, Aggregation, ByField, Name, Span};
use crate::syntax::command::{
    Ledger, Part, Syntax, columns_of, expressions_of, expressions_of_mut,
};
use crate::syntax::print::{by_clause, list, options};
use crate::syntax::usage::{Cursor, OptionUsage, Usage, Whole, no_effect, only, refused};

pub(super) static COMMAND: Whole = typed::<Stats>(Usage {
    name: "stats",
    also: &[],
    syntax: "stats <aggregation> [as <name>] … [by <fields>]",
    meaning: "Aggregates all rows, or those of each group. An aggregation is over a field, `*`, or `eval(<expression>)`.",
    options: OPTIONS,
});

pub(super) const OPTIONS: &[OptionUsage] = &[
    only(
        "allnum",
        "false",
        "aggregations use numbers and ignore other values of the field",
    ),
    only(
        "dedup_splitvals",
        "false",
        "use `mvdedup` on the field first",
    ),
    refused(
        "delim",
        "join the values with `mvjoin` in an `eval` after the command",
    ),
    no_effect("partitions", "it sets the number of Splunk's threads"),
];

/// `stats`, and what `eventstats` and `streamstats` have of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// `allnum=`, `delim=` … as written, names lower case.
    pub options: Vec<(Name, String)>,
    /// The aggregations.
    pub aggregations: Vec<Aggregation>,
    /// The groups.
    pub by: Vec<ByField>,
}

impl Syntax for Stats {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let mut options = Vec::new();
        let aggregations = cursor.aggregations(usage, &mut options)?;
        let by = cursor.groups(usage, &mut options)?;
        Ok(Self {
            options,
            aggregations,
            by,
        })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        options(f, &self.options)?;
        list(f, &self.aggregations, |f, aggregation| aggregation.fmt(f))?;
        by_clause(f, &self.by)
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.aggregates(&self.aggregations, &self.by);
        true
    }

    fn parts(&self) -> Vec<Part<'_>> {
        expressions_of(&self.aggregations).collect()
    }

    fn expressions_mut(&mut self) -> Vec<&mut ast::Expr> {
        expressions_of_mut(&mut self.aggregations).collect()
    }

    fn groups(&self) -> &[ByField] {
        &self.by
    }

    fn columns(&self, _: Option<Vec<String>>) -> Option<Vec<String>> {
        columns_of(&self.aggregations, &self.by)
    }

    fn needs_rows(&self) -> bool {
        !self.by.is_empty()
    }
}

impl Stats {
    /// Names of the fields of the groups.
    pub(super) fn group_names(&self) -> Vec<String> {
        self.by.iter().map(|by| by.field.text.clone()).collect()
    }

    /// Notes what is read, and that the aggregates are beside what is there.
    pub(super) fn note_beside(&self, ledger: &mut dyn Ledger) {
        ledger.aggregates(&self.aggregations, &self.by);
        for aggregation in &self.aggregations {
            ledger.makes(&aggregation.output.text);
        }
    }
}

impl Plan for Stats {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let by = self.group_names();
        let mut rows = rows;
        for field in &self.by {
            if field.span.is_some() {
                return Err(diagnostic(
                    field.field.span,
                    "use `span=` with `bin`, not with `stats … by`",
                ));
            }
        }
        // A group needs a value of each field.
        for name in &by {
            let Some(typed) = rows.field(name) else {
                return no_groups(planner, rows, &self.aggregations, &by, span);
            };
            rows = at(span, rows.filter(typed.expr.is_not_null()))?;
        }
        planner.aggregate(rows, &self.aggregations, &by, span)
    }
}

/// The result of grouping by a field that no row has.
fn no_groups(
    planner: &mut Planner<'_>,
    rows: Rows,
    aggregations: &[Aggregation],
    by: &[String],
    span: Span,
) -> Result<Rows> {
    let missing: Vec<(String, Expr)> = by
        .iter()
        .filter(|name| !rows.has(name))
        .map(|name| (name.clone(), null_text()))
        .collect();
    let rows = at(span, rows.set(missing))?;
    let mut rows = at(span, rows.filter(lit(false)))?;
    rows.empty = true;
    planner.aggregate(rows, aggregations, by, span)
}
