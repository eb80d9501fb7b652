//! `regex`: keeps the rows that match a regular expression.

use std::fmt;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{lit, not};

use super::rex::{check, pattern};
use crate::expr::{Fields, Typed, plan_call};
use crate::plan::{Plan, Planner, Result, Rows, at, null_is_false, text, typed};
use crate::syntax::ast::{Name, Span};
use crate::syntax::command::{Ledger, Syntax};
use crate::syntax::is_delimiter;
use crate::syntax::print::quoted;
use crate::syntax::usage::{Cursor, Usage, Whole, single};

pub(super) static COMMAND: Whole = typed::<Regex>(Usage {
    name: "regex",
    also: &[],
    syntax: "regex [<field>=|<field>!=]<pattern>",
    meaning: "Keeps the rows in which a field (default `_raw`) matches a regular expression, or does not.",
    options: &[],
});

/// `regex [field] (=|!=) "pattern"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Regex {
    /// Default `_raw`.
    pub field: Name,
    /// `!=`.
    pub negated: bool,
    /// The pattern, unescaped.
    pub pattern: Name,
}

impl Syntax for Regex {
    fn parse(cursor: &mut dyn Cursor, _: &Usage) -> Result<Self> {
        cursor.at_end();
        let start = cursor.place();
        let first = if cursor.peek() == Some(b'"') {
            cursor.string()?
        } else {
            let ahead = cursor.ahead();
            let bytes = ahead.as_bytes();
            let ends = |at: &usize| {
                bytes.get(*at).is_none_or(|byte| {
                    is_delimiter(*byte) || *byte == b'!' && bytes.get(at + 1) == Some(&b'=')
                })
            };
            let end = (0..=bytes.len()).find(ends).unwrap_or(bytes.len());
            let first = ahead[..end].to_owned();
            cursor.skip(end);
            first
        };
        let field = cursor.since(start, first);
        cursor.at_end();
        let negated = cursor.ahead().starts_with("!=");
        if negated || cursor.peek() == Some(b'=') {
            if field.text.is_empty() {
                return Err(cursor.expected("a field"));
            }
            cursor.skip(if negated { 2 } else { 1 });
            return Ok(Self {
                field: single(field)?,
                negated,
                pattern: pattern(cursor)?,
            });
        }
        cursor.return_to(start);
        let pattern = pattern(cursor)?;
        Ok(Self {
            field: Name {
                text: "_raw".to_owned(),
                span: pattern.span,
            },
            negated: false,
            pattern,
        })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = if self.negated { "!=" } else { "=" };
        let (field, pattern) = (quoted(&self.field.text), quoted(&self.pattern.text));
        write!(f, " {field}{op}{pattern}")
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.reads_names([&self.field]);
        false
    }

    fn columns(&self, before: Option<Vec<String>>) -> Option<Vec<String>> {
        before
    }

    fn needs_rows(&self) -> bool {
        true
    }
}

impl Plan for Regex {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        check(&self.pattern)?;
        let Some(value) = rows.field(&self.field.text) else {
            // Without the field, `=` is true for no row, `!=` for all.
            return if self.negated {
                Ok(rows)
            } else {
                at(span, rows.filter(lit(false)))
            };
        };
        let literal = Typed {
            expr: text(&self.pattern.text),
            data_type: DataType::Utf8,
        };
        let arguments = vec![value, literal];
        let call = plan_call("match", arguments, self.pattern.span, &planner.context)?;
        let matches = null_is_false(call.expr);
        let matches = if self.negated { not(matches) } else { matches };
        at(span, rows.filter(matches))
    }
}
