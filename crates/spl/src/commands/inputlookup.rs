//! `inputlookup`: the rows of a lookup.

use std::fmt;
use std::sync::Arc;

use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{LogicalPlanBuilder, lit};

use super::lookup::table_named;
use crate::clause::{Folded, fold};
use crate::plan::needs::Needs;
use crate::plan::{
    MOST_ROWS, Order, Plan, Planner, Result, Rows, Source, at, column, diagnostic, typed,
};
use crate::syntax::ast::{Name, SearchExpr, Span};
use crate::syntax::command::{Ledger, Part, Syntax};
use crate::syntax::print::quoted;
use crate::syntax::usage::{
    Cursor, Usage, Whole, count, flag, is_on, no_effect, obeyed, whole_number,
};

pub(super) static COMMAND: Whole = typed::<Inputlookup>(Usage {
    name: "inputlookup",
    also: &[],
    syntax: "inputlookup [<options>] <name> [where <conditions>]",
    meaning: "The rows of a lookup.",
    options: &[
        flag("append", "Appends them to the rows so far."),
        obeyed("start", "Number of rows to skip."),
        count("max", "Maximum rows."),
        no_effect("strict", "a missing lookup is an error either way"),
    ],
});

/// `inputlookup`.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputlookup {
    /// Append to the previous results instead of replacing them.
    pub append: bool,
    /// Name of the lookup or CSV file.
    pub lookup: Name,
    /// `where` clause.
    pub filter: Option<SearchExpr>,
    /// `start=`: number of rows to skip.
    pub start: u64,
    /// `max=`, if given.
    pub max: Option<u64>,
}

impl Syntax for Inputlookup {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let (mut append, mut start, mut max) = (false, 0, None);
        let (mut lookup, mut filter) = (None, None);
        while !cursor.at_end() {
            if let Some(option) = cursor.option_name() {
                let Some(value) = cursor.option(usage, &option)? else {
                    continue;
                };
                match option.text.as_str() {
                    "append" => append = is_on(&value.text),
                    "start" => start = whole_number("start", &value)?,
                    _ => max = Some(whole_number("max", &value)?),
                }
            } else if lookup.is_none() {
                lookup = Some(cursor.name("the name of a lookup")?);
            } else if filter.is_none() && cursor.eat_keyword("where") {
                if cursor.ended() {
                    return Err(cursor.expected("conditions"));
                }
                filter = Some(cursor.clause(false)?);
            } else {
                return Err(cursor.expected("`where` or the end of the command"));
            }
        }
        match lookup {
            Some(lookup) => Ok(Self {
                append,
                lookup,
                filter,
                start,
                max,
            }),
            None => Err(cursor.expected("the name of a lookup")),
        }
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " append={}", self.append)?;
        if self.start > 0 {
            write!(f, " start={}", self.start)?;
        }
        if let Some(max) = self.max {
            write!(f, " max={max}")?;
        }
        write!(f, " {}", quoted(&self.lookup.text))?;
        match &self.filter {
            Some(filter) => write!(f, " where {filter}"),
            None => Ok(()),
        }
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.makes_any();
        false
    }

    fn parts(&self) -> Vec<Part<'_>> {
        self.filter.iter().map(Part::Clause).collect()
    }
}

impl Plan for Inputlookup {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        if !self.append {
            return Err(diagnostic(
                span,
                "`inputlookup` generates its own results, so it must come first in a search or have `append=true`",
            ));
        }
        let more = self.read(planner, span)?;
        planner.below(rows, more, span)
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

impl Source for Inputlookup {
    fn rows(&self, planner: &mut Planner<'_>, _: &Needs, span: Span) -> Result<Rows> {
        self.read(planner, span)
    }
}

impl Inputlookup {
    fn read(&self, planner: &mut Planner<'_>, span: Span) -> Result<Rows> {
        let mut rows = rows_of(planner, &self.lookup, span)?;
        if let Some(filter) = &self.filter {
            let filter = &planner.resolve_clause(filter)?;
            match fold(filter, &rows, &planner.context)? {
                Folded::Known(true) => {}
                Folded::Known(false) => rows = at(span, rows.filter(lit(false)))?,
                Folded::Open(condition) => rows = at(span, rows.filter(condition))?,
            }
        }
        if self.start == 0 && self.max.is_none() {
            return Ok(rows);
        }
        let limit = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let plan = LogicalPlanBuilder::from(rows.plan.clone())
            .limit(limit(self.start), self.max.map(limit));
        let plan = at(span, plan.and_then(LogicalPlanBuilder::build))?;
        Ok(rows.with(plan))
    }
}

/// All rows of a lookup.
pub(super) fn rows_of(planner: &mut Planner<'_>, name: &Name, span: Span) -> Result<Rows> {
    let table = table_named(planner, name)?;
    planner.bounded &= table.rows.len() <= MOST_ROWS;
    let hash = planner.resources.add_table(&table);
    let provider = at(span, crate::tables::rows(&table, hash))?;
    let plan = at(
        span,
        LogicalPlanBuilder::scan(
            provider.name().reference(),
            provider_as_source(Arc::new(provider)),
            None,
        ),
    )?;
    let names: Vec<_> = table
        .columns
        .iter()
        .map(|name| column(name).alias(name))
        .collect();
    let plan = at(
        span,
        plan.project(names).and_then(LogicalPlanBuilder::build),
    )?;
    Ok(Rows {
        plan,
        order: Order::AsIs,
        empty: table.rows.is_empty(),
        open: false,
    })
}
