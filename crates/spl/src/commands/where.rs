//! `where`: keeps the rows for which an expression holds.

use std::fmt;

use crate::expr::plan_predicate;
use crate::plan::{Plan, Planner, Result, Rows, at, typed};
use crate::syntax::ast::{Expr, Span};
use crate::syntax::command::{Ledger, Part, Syntax};
use crate::syntax::usage::{Cursor, Usage, Whole};

pub(super) static COMMAND: Whole = typed::<Where>(Usage {
    name: "where",
    also: &[],
    syntax: "where <expression>",
    meaning: "Keeps the rows for which an expression is true.",
    options: &[],
});

/// `where`.
#[derive(Debug, Clone, PartialEq)]
pub struct Where(pub Expr);

impl Syntax for Where {
    fn parse(cursor: &mut dyn Cursor, _: &Usage) -> Result<Self> {
        cursor.expression().map(Self)
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.0)
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.works_out(&self.0);
        false
    }

    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Expression(&self.0)]
    }

    fn condition(&self) -> Option<Part<'_>> {
        Some(Part::Expression(&self.0))
    }

    fn expressions_mut(&mut self) -> Vec<&mut Expr> {
        vec![&mut self.0]
    }

    fn columns(&self, before: Option<Vec<String>>) -> Option<Vec<String>> {
        before
    }

    fn needs_rows(&self) -> bool {
        true
    }
}

impl Plan for Where {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let condition = plan_predicate(&self.0, &rows, &planner.context)?;
        at(span, rows.filter(condition))
    }
}
