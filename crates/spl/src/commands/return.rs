//! `return`: what a subsearch gives to the search around it.

use std::fmt;

use datafusion::arrow::datatypes::DataType;

use crate::expr::{Fields, Typed};
use crate::ops::values::search_words;
use crate::plan::subsearch::is_text;
use crate::plan::{Order, Plan, Planner, Result, Rows, at, cast_to, null_text, typed};
use crate::syntax::ast::{Name, Span};
use crate::syntax::command::{Ledger, Syntax, exact};
use crate::syntax::print::{list, quoted};
use crate::syntax::usage::{Cursor, Usage, Whole};

pub(super) static COMMAND: Whole = typed::<Return>(Usage {
    name: "return",
    also: &[],
    syntax: "return [<number>] [<name>=]<field> … | return [<number>] $<field> …",
    meaning: "Sets the result of a subsearch: fields with their values from the first row or rows, or only the values with `$`. The value of `$search` or `$query` is search text.",
    options: &[],
});

/// `return`.
#[derive(Debug, Clone, PartialEq)]
pub struct Return {
    /// Rows returned at most.
    pub count: u64,
    /// (name in the result, field, whether only the value is given).
    pub fields: Vec<(Name, Name, bool)>,
}

impl Syntax for Return {
    fn parse(cursor: &mut dyn Cursor, _: &Usage) -> Result<Self> {
        cursor.at_end();
        let start = cursor.place();
        let word = cursor.word();
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        let count = match word.parse() {
            Ok(number) if digits => number,
            _ => {
                cursor.return_to(start);
                1
            }
        };
        let mut fields = Vec::new();
        while !cursor.ended() {
            let only_value = cursor.eat(b'$');
            let name = cursor.single_name("a field")?;
            let field = if cursor.eat(b'=') {
                cursor.single_name("a field")?
            } else {
                name.clone()
            };
            fields.push((name, field, only_value));
        }
        if fields.is_empty() {
            return Err(cursor.expected("a field"));
        }
        Ok(Self { count, fields })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}", self.count)?;
        list(f, &self.fields, |f, (name, field, only_value)| {
            let sign = if *only_value { "$" } else { "" };
            write!(f, "{sign}{}={}", quoted(&name.text), quoted(&field.text))
        })
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.reads_names(self.fields.iter().map(|(_, field, _)| field));
        true
    }

    fn columns(&self, _: Option<Vec<String>>) -> Option<Vec<String>> {
        let bare = self.fields.iter().any(|(_, _, only_value)| *only_value);
        if bare {
            None
        } else {
            exact(self.fields.iter().map(|(name, ..)| name))
        }
    }

    fn gives_values(&self) -> bool {
        self.fields
            .iter()
            .all(|(_, field, only_value)| *only_value && !is_text(&field.text))
    }
}

impl Plan for Return {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let rows = planner.first(rows, self.count, span)?;
        let mut columns = Vec::new();
        let mut bare = Vec::new();
        for (name, field, only_value) in &self.fields {
            let value = rows.field(&field.text).unwrap_or(Typed {
                expr: null_text(),
                data_type: DataType::Utf8,
            });
            if *only_value && is_text(&field.text) && self.fields.len() == 1 {
                columns.push(("search".to_owned(), value.expr));
            } else if *only_value {
                bare.push(cast_to(value, &DataType::Utf8));
            } else {
                columns.push((name.text.clone(), value.expr));
            }
        }
        if !bare.is_empty() {
            columns.push(("search".to_owned(), search_words(bare)));
        }
        let rows = at(span, rows.ordered().and_then(|rows| rows.project(columns)))?;
        Ok(Rows {
            order: Order::AsIs,
            open: false,
            ..rows
        })
    }
}
