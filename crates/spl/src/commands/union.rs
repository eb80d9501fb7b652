//! `union` (also `multisearch`): appends the rows of several searches.

use std::fmt;

use super::append::limited_search;
use crate::plan::needs::Needs;
use crate::plan::{Plan, Planner, Result, Rows, Source, diagnostic, typed};
use crate::syntax::ast::{Pipeline, Span};
use crate::syntax::command::{Ledger, Part, Syntax};
use crate::syntax::usage::{Cursor, PATIENCE, Usage, Whole, count, no_effect};

pub(super) static COMMAND: Whole = typed::<Union>(Usage {
    name: "union",
    also: &["multisearch"],
    syntax: "union [<options>] [ <subsearch> ] [ <subsearch> ] …",
    meaning: "Appends the rows of several searches.",
    options: &[
        count(
            "maxout",
            "Maximum rows of the following subsearch; 0 for all (default).",
        ),
        no_effect("maxtime", PATIENCE),
        no_effect("timeout", PATIENCE),
    ],
});

/// `union [ … ] [ … ]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Union(pub Vec<Pipeline>);

impl Syntax for Union {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let mut all = Vec::new();
        while !cursor.ended() {
            all.push(limited_search(cursor, usage)?);
        }
        if all.is_empty() {
            return Err(cursor.expected("a subsearch in brackets"));
        }
        Ok(Self(all))
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|one| write!(f, " [{one}]"))
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.makes_any();
        false
    }

    fn parts(&self) -> Vec<Part<'_>> {
        self.0.iter().map(Part::Search).collect()
    }
}

impl Plan for Union {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let more = all(planner, &self.0, span)?;
        planner.below(rows, more, span)
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

impl Source for Union {
    fn rows(&self, planner: &mut Planner<'_>, _: &Needs, span: Span) -> Result<Rows> {
        all(planner, &self.0, span)
    }
}

fn all(planner: &mut Planner<'_>, all: &[Pipeline], span: Span) -> Result<Rows> {
    let mut rows: Option<Rows> = None;
    for pipeline in all {
        let more = planner.pipeline(pipeline)?;
        rows = Some(match rows {
            None => more,
            Some(before) => planner.below(before, more, span)?,
        });
    }
    rows.ok_or_else(|| diagnostic(span, "`union` needs a subsearch in brackets"))
}
