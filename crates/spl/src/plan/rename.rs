//! `rename`.

use datafusion::logical_expr::Expr;

use super::stats::renamed;
use super::{Planner, Result, Rows, at, column, is_hidden, null_text};
use crate::syntax::ast::{Name, Span};

impl Planner<'_> {
    pub(super) fn rename(
        &mut self,
        rows: Rows,
        pairs: &[(Name, Name)],
        span: Span,
    ) -> Result<Rows> {
        // (name now, name before), in order; a later pair sees what an earlier one made.
        let mut names: Vec<(String, Option<String>)> = rows
            .all_names()
            .into_iter()
            .map(|name| (name.clone(), Some(name)))
            .collect();
        for (from, to) in pairs {
            if from.text.contains('*') {
                for at in 0..names.len() {
                    let now = names[at].0.clone();
                    if is_hidden(&now) {
                        continue;
                    }
                    if let Some(new) = renamed(&now, from, to) {
                        replace(&mut names, at, new);
                    }
                }
            } else if let Some(at) = names.iter().position(|(now, _)| *now == from.text) {
                replace(&mut names, at, to.text.clone());
            } else if let Some(at) = names.iter().position(|(now, _)| *now == to.text) {
                // Renaming a field that is not there to one that is empties it.
                names[at].1 = None;
            }
        }
        names.retain(|(now, _)| !now.is_empty());
        let columns: Vec<(String, Expr)> = names
            .into_iter()
            .map(|(now, before)| (now, before.map_or_else(null_text, |before| column(&before))))
            .collect();
        at(span, rows.reshape(columns))
    }
}

/// Gives the column at a place a new name; another column of that name goes.
fn replace(names: &mut [(String, Option<String>)], at: usize, new: String) {
    for (other, entry) in names.iter_mut().enumerate() {
        if other != at && entry.0 == new {
            entry.0.clear();
        }
    }
    names[at].0 = new;
}
