//! `append`: appends the rows of a subsearch.

use std::fmt;

use super::head;
use crate::plan::{Plan, Planner, Result, Rows, typed};
use crate::syntax::ast::{Arguments, Command, CommandKind, Name, Pipeline, Span};
use crate::syntax::command::{Ledger, Part, Syntax};
use crate::syntax::usage::{
    Cursor, OptionUsage, PATIENCE, Usage, Whole, count, no_effect, whole_number,
};

pub(super) static COMMAND: Whole = typed::<Append>(Usage {
    name: "append",
    also: &[],
    syntax: "append [<options>] [ <subsearch> ]",
    meaning: "Appends the rows of a subsearch.",
    options: &[MAXOUT, EXTENDTIMERANGE, MAXTIME, TIMEOUT],
});

pub(super) const MAXOUT: OptionUsage = count(
    "maxout",
    "Maximum rows of the subsearch; 0 for all (default).",
);
pub(super) const EXTENDTIMERANGE: OptionUsage = no_effect(
    "extendtimerange",
    "a subsearch reads all times unless it sets a range",
);
pub(super) const MAXTIME: OptionUsage = no_effect("maxtime", PATIENCE);
pub(super) const TIMEOUT: OptionUsage = no_effect("timeout", PATIENCE);

/// `append [ … ]`, with its maximum number of rows as a `head` at the subsearch's end.
#[derive(Debug, Clone, PartialEq)]
pub struct Append(pub Pipeline);

impl Syntax for Append {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        limited_search(cursor, usage).map(Self)
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " [{}]", self.0)
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.makes_any();
        false
    }

    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Search(&self.0)]
    }
}

/// A subsearch, preceded by options, among them `maxout=`: the maximum number of its rows, 0 for all.
pub(super) fn limited_search(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Pipeline> {
    let mut most = 0;
    while let Some(option) = cursor.option_name() {
        if let Some(value) = cursor.option(usage, &option)? {
            most = whole_number(&option.text, &value)?;
        }
    }
    // The subsearches of `union` may be separated by commas.
    cursor.ended();
    let mut pipeline = cursor.subsearch()?;
    if most > 0 {
        let head = &head::COMMAND;
        let limit = Name {
            text: "limit".to_owned(),
            span: pipeline.span,
        };
        pipeline.commands.push(Command {
            name: head.usage.name.to_owned(),
            span: pipeline.span,
            kind: CommandKind::Whole(
                head,
                Arguments {
                    options: vec![(limit, most.to_string())],
                    ..Arguments::default()
                },
            ),
        });
    }
    Ok(pipeline)
}

impl Plan for Append {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let more = planner.pipeline(&self.0)?;
        planner.below(rows, more, span)
    }
}
