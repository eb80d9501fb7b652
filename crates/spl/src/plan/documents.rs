//! Commands that take fields out of text: `spath`, `fromjson`, `xmlkv`, `extract`.
//!
//! Which fields come out is not known before the text is read, and a plan has fixed columns. So these come out: the
//! fields that later commands name; and where the search shows all fields in the end, those that the texts have, for
//! which the rows before are run first. A field that is there already keeps its value where the text has none.

use std::collections::HashSet;

use datafusion::arrow::datatypes::DataType;

use super::needs::Needs;
use super::{Planner, Result, Rows, at, cast_to, coalesce, common_type, diagnostic, is_hidden};
use crate::expr::Fields;
use crate::ops::documents::{Format, found_names, out_of};
use crate::syntax::ast::Span;

/// Whether a field is Splunk's own (`_time`, `_raw`) and there already, so that no text replaces it.
fn keeps(rows: &Rows, name: &str) -> bool {
    name.starts_with('_') && rows.has(name)
}

/// More fields than these do not come out of texts at once.
const MOST_FIELDS: usize = 1_000;

impl Planner<'_> {
    /// The fields of a document: those that `later` commands need.
    pub(crate) fn document(
        &mut self,
        rows: Rows,
        input: &str,
        format: &Format,
        prefix: &str,
        later: &Needs,
        span: Span,
    ) -> Result<Rows> {
        let Some(value) = rows.field(input) else {
            return Ok(rows);
        };
        let mut names: Vec<String> = later
            .names()
            .filter(|name| !(keeps(&rows, name) || *name == input || name.contains('*')))
            .map(str::to_owned)
            .collect();
        if later.all_columns || later.all_names {
            let texts = at(
                span,
                rows.clone().project(vec![(
                    "text".to_owned(),
                    cast_to(value.clone(), &DataType::Utf8),
                )]),
            )?;
            let texts = Rows {
                order: super::Order::AsIs,
                ..texts
            };
            if let Some(staged) = self.stage(texts, None, span)? {
                let mut known: HashSet<String> = names.iter().cloned().collect();
                let mut left = 0_usize;
                for row in 0..staged.len() {
                    let Some(text) = staged.text("text", row) else {
                        continue;
                    };
                    for name in found_names(&text, format) {
                        let name = format!("{prefix}{name}");
                        // A text does not reach the columns of the engine, nor what the event is.
                        if is_hidden(&name) || keeps(&rows, &name) || known.contains(&name) {
                            continue;
                        }
                        if names.len() < MOST_FIELDS {
                            known.insert(name.clone());
                            names.push(name);
                        } else {
                            left += 1;
                        }
                    }
                }
                if left > 0 {
                    self.warnings.push(
                        diagnostic(
                            span,
                            format!("the texts have more than {MOST_FIELDS} fields; only the first {MOST_FIELDS} are kept"),
                        )
                        .with_help("list the fields you need in a later command, such as `table`"),
                    );
                }
            }
        }
        let mut assignments = Vec::new();
        for name in names {
            let Some(inner) = name.strip_prefix(prefix).filter(|inner| !inner.is_empty()) else {
                continue;
            };
            let found = out_of(value.clone(), format, inner);
            let expr = match rows.field(&name) {
                None => found.expr,
                Some(before) => {
                    let data_type = common_type(&found.data_type, &before.data_type);
                    coalesce(vec![
                        cast_to(found, &data_type),
                        cast_to(before, &data_type),
                    ])
                }
            };
            assignments.push((name, expr));
        }
        at(span, rows.set(assignments))
    }
}
