//! `search`: the events, or rows, that fit a clause.

use std::fmt;

use crate::expr::EvalContext;
use crate::knowledge::Knowledge;
use crate::plan::model::condition_fields;
use crate::plan::needs::Needs;
use crate::plan::{Plan, Planner, Reads, Result, Rows, Source, TypeInfo, at, may_fit, typed};
use crate::syntax::ast::{SearchExpr, Span};
use crate::syntax::command::{Ledger, Part, Syntax};
use crate::syntax::usage::{Cursor, Usage, Whole};

pub(super) static COMMAND: Whole = typed::<Search>(Usage {
    name: "search",
    also: &[],
    syntax: "search <conditions>",
    meaning: "Keeps matching events or rows: words and phrases, `field=value` with `*` in the value, `field IN (…)`, \
              `field=[ <subsearch> ]`, `CASE(…)`, `TERM(…)`. `NOT` binds tighter than `OR`, and `OR` tighter than `AND`.",
    options: &[],
});

/// `search`, written or implied.
#[derive(Debug, Clone, PartialEq)]
pub struct Search(pub SearchExpr);

impl Syntax for Search {
    fn parse(cursor: &mut dyn Cursor, _: &Usage) -> Result<Self> {
        cursor.clause(false).map(Self)
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.0)
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.looks_for(&self.0);
        false
    }

    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Clause(&self.0)]
    }

    fn condition(&self) -> Option<Part<'_>> {
        Some(Part::Clause(&self.0))
    }

    fn columns(&self, before: Option<Vec<String>>) -> Option<Vec<String>> {
        before
    }

    fn needs_rows(&self) -> bool {
        true
    }

    fn needs_events(&self) -> bool {
        true
    }
}

impl Plan for Search {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        match planner.search_condition(&self.0, &rows)? {
            None => Ok(rows),
            Some(condition) => at(span, rows.filter(condition)),
        }
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

impl Source for Search {
    fn rows(&self, planner: &mut Planner<'_>, needs: &Needs, span: Span) -> Result<Rows> {
        planner.note_range(&self.0);
        planner.raw_search(&self.0, needs, span)
    }

    fn may_read(&self, info: &TypeInfo, _: &Knowledge, context: &EvalContext) -> bool {
        may_fit(&self.0, info, context)
    }

    fn reads(&self, needs: &Needs, info: &TypeInfo, knowledge: &Knowledge) -> Reads {
        if needs.all_columns {
            return Reads::Everything;
        }
        let mut names: Vec<String> = needs.names().map(str::to_owned).collect();
        if names.iter().any(|name| name == "tag") {
            // It tells to which nodes an event belongs.
            names.extend(knowledge.models.nodes().iter().flat_map(condition_fields));
        }
        Reads::columns(info, &names)
    }
}
