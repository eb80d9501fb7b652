//! `appendpipe`: appends the result of commands over the rows.

use std::fmt;

use crate::plan::{Plan, Planner, Result, Rows, typed};
use crate::syntax::ast::{Pipeline, Span};
use crate::syntax::command::{Ledger, Part, Syntax};
use crate::syntax::usage::{Cursor, Usage, Whole, no_effect};

pub(super) static COMMAND: Whole = typed::<Appendpipe>(Usage {
    name: "appendpipe",
    also: &[],
    syntax: "appendpipe [ <commands> ]",
    meaning: "Runs commands over the rows so far and appends the result.",
    options: &[no_effect(
        "run_in_preview",
        "a search returns its results when it has finished",
    )],
});

/// `appendpipe [ … ]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Appendpipe(pub Pipeline);

impl Syntax for Appendpipe {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        while let Some(option) = cursor.option_name() {
            cursor.option(usage, &option)?;
        }
        cursor.subsearch().map(Self)
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " [{}]", self.0)
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.runs_aside(&self.0.commands);
        ledger.makes_any();
        false
    }

    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Pipe(&self.0)]
    }
}

impl Plan for Appendpipe {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let more = planner.commands(rows.clone(), &self.0.commands)?;
        planner.below(rows, more, span)
    }
}
