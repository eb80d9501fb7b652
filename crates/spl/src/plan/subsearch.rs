//! Subsearches in search clauses, `return` and `format`.
//!
//! As in Splunk, such a subsearch is run first. Its rows, at most 10,000, become an OR of ANDs of `field=value`; of
//! several values of a field one must fit. Fields whose names begin with `_` do not count, and the value of a field
//! `search` or `query` is search text itself. No rows fit nothing.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::LogicalPlanBuilder;

use super::stage::Staged;
use super::{Order, Planner, Result, Rows, at, cast_to, diagnostic, null_text, text};
use crate::expr::Fields;
use crate::ops::values::search_words;
use crate::syntax::ast::{CompareOp, Name, Return, SearchExpr, SearchValue, Span};
use crate::syntax::parse_search;

/// Most rows of a subsearch that count.
const MOST_ROWS: usize = 10_000;

impl Planner<'_> {
    /// The clause with the rows of its subsearches in their places.
    pub(super) fn resolve_clause(&mut self, expr: &SearchExpr) -> Result<SearchExpr> {
        Ok(match expr {
            SearchExpr::And(all) => SearchExpr::And(self.resolve_clauses(all)?),
            SearchExpr::Or(all) => SearchExpr::Or(self.resolve_clauses(all)?),
            SearchExpr::Not(inner) => SearchExpr::Not(Box::new(self.resolve_clause(inner)?)),
            SearchExpr::Subsearch(pipeline) => {
                let rows = self.pipeline(pipeline)?;
                match self.stage(rows, None, pipeline.span)? {
                    Some(staged) => clause(&staged, MOST_ROWS, pipeline.span)?,
                    None => expr.clone(),
                }
            }
            other => other.clone(),
        })
    }

    fn resolve_clauses(&mut self, all: &[SearchExpr]) -> Result<Vec<SearchExpr>> {
        all.iter().map(|expr| self.resolve_clause(expr)).collect()
    }

    /// `return [n] a alias=b $c`.
    pub(super) fn return_rows(&mut self, rows: Rows, given: &Return, span: Span) -> Result<Rows> {
        let rows = self.first(rows, given.count, span)?;
        let mut columns = Vec::new();
        let mut bare = Vec::new();
        for (name, field, only_value) in &given.fields {
            let value = match rows.field(&field.text) {
                Some(typed) => typed,
                None => crate::expr::Typed {
                    expr: null_text(),
                    data_type: DataType::Utf8,
                },
            };
            if *only_value {
                bare.push(cast_to(value, &DataType::Utf8));
            } else {
                columns.push((name.text.clone(), value.expr));
            }
        }
        if !bare.is_empty() {
            columns.push(("search".to_owned(), search_words(bare)));
        }
        let Rows { order, .. } = rows.clone();
        let rows = at(span, rows.ordered().and_then(|rows| rows.project(columns)))?;
        let _ = order;
        Ok(Rows {
            order: Order::AsIs,
            open: false,
            ..rows
        })
    }

    /// `format`: the rows as one text, as a subsearch would use them.
    pub(super) fn format(&mut self, rows: Rows, span: Span) -> Result<Rows> {
        let search = match self.stage(rows, None, span)? {
            Some(staged) => clause(&staged, MOST_ROWS, span)?.to_string(),
            None => String::new(),
        };
        one_row(vec![("search".to_owned(), text(search))], span)
    }
}

/// A single row.
pub(super) fn one_row(
    columns: Vec<(String, datafusion::logical_expr::Expr)>,
    span: Span,
) -> Result<Rows> {
    let exprs = columns.into_iter().map(|(name, expr)| expr.alias(name));
    let plan = LogicalPlanBuilder::empty(true).project(exprs);
    Ok(Rows {
        plan: at(span, plan.and_then(LogicalPlanBuilder::build))?,
        order: Order::AsIs,
        empty: false,
        open: false,
    })
}

/// Rows as a clause.
fn clause(staged: &Staged, most: usize, span: Span) -> Result<SearchExpr> {
    let names: Vec<String> = staged
        .names()
        .into_iter()
        .filter(|name| !name.starts_with('_'))
        .collect();
    let field = |name: &String| Name {
        text: name.clone(),
        span,
    };
    let value = |text: String| SearchValue {
        text,
        quoted: true,
        span,
    };
    let rows = staged.len().min(most);
    if let [name] = names.as_slice()
        && !is_text(name)
    {
        // One comparison with all values is quicker than many with one.
        let mut values: Vec<String> = (0..rows).flat_map(|row| staged.values(name, row)).collect();
        values.sort_unstable();
        values.dedup();
        if values.is_empty() {
            return Ok(SearchExpr::Not(Box::new(SearchExpr::And(Vec::new()))));
        }
        return Ok(SearchExpr::In {
            field: field(name),
            values: values.into_iter().map(value).collect(),
        });
    }
    let mut any = Vec::new();
    for row in 0..rows {
        let mut all = Vec::new();
        for name in &names {
            let mut values = staged.values(name, row);
            if values.is_empty() {
                continue;
            }
            if is_text(name) {
                for part in values {
                    all.push(parse_search(&part).map_err(|_| {
                        diagnostic(
                            span,
                            format!("the subsearch gave `{part}`, which is no search"),
                        )
                    })?);
                }
            } else if values.len() == 1 {
                all.push(SearchExpr::Compare {
                    field: field(name),
                    op: CompareOp::Eq,
                    value: value(values.remove(0)),
                });
            } else {
                all.push(SearchExpr::In {
                    field: field(name),
                    values: values.into_iter().map(value).collect(),
                });
            }
        }
        if !all.is_empty() {
            any.push(SearchExpr::And(all));
        }
    }
    Ok(if any.is_empty() {
        SearchExpr::Not(Box::new(SearchExpr::And(Vec::new())))
    } else {
        SearchExpr::Or(any)
    })
}

fn is_text(name: &str) -> bool {
    matches!(name, "search" | "query")
}
