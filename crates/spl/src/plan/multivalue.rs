//! `replace`, and what commands share that change values.

use super::stats::wildcard_parts;
use super::{Planner, Result, Rows, at};
use crate::expr::{Fields, Typed};
use crate::ops::values;
use crate::syntax::ast::{Arguments, Name, Replace, Span};

impl Planner<'_> {
    pub(super) fn replace(&mut self, rows: Rows, replace: &Replace, span: Span) -> Result<Rows> {
        let fields: Vec<String> = if replace.fields.is_empty() {
            rows.names()
                .into_iter()
                .filter(|name| !name.starts_with('_'))
                .collect()
        } else {
            matching(&rows, &replace.fields)
        };
        let mut assignments = Vec::new();
        for field in fields {
            let Some(value) = rows.field(&field) else {
                continue;
            };
            let pairs: Vec<(&str, &str)> = replace
                .pairs
                .iter()
                .map(|(from, to)| (from.text.as_str(), to.text.as_str()))
                .collect();
            let replaced = values::replace_values(value, &pairs);
            assignments.push((field, replaced.expr));
        }
        at(span, rows.set(assignments))
    }
}

/// The field that a command takes, and its value; none where no row has it.
pub(crate) fn only_field(rows: &Rows, arguments: &Arguments) -> Option<(String, Typed)> {
    let name = arguments.fields.first()?;
    Some((name.text.clone(), rows.field(&name.text)?))
}

/// Whether a name, with its wildcards, means a column.
pub(crate) fn matches(name: &Name, column: &str) -> bool {
    column == name.text || name.text.contains('*') && wildcard_parts(&name.text, column).is_some()
}

/// The columns that names with wildcards mean.
pub(crate) fn matching(rows: &Rows, names: &[Name]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        for own in rows.names() {
            if matches(name, &own) && !found.contains(&own) {
                found.push(own);
            }
        }
    }
    found
}
