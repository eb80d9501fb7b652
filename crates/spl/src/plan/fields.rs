//! Commands that choose columns and rows: `table`, `fields`, `fillnull`, `head`.

use crabwalk_events::catalog::REF;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};

use super::nodes;
use super::running::times_so_far;
use super::stats::wildcard_parts;
use super::{
    Planner, Result, Rows, at, cast_to, coalesce, column, common_type, is_hidden, null_text, text,
};
use crate::expr::{Fields, Typed, plan_condition};
use crate::syntax::ast::{self, Head, Name, Span};

impl Planner<'_> {
    pub(super) fn table(&mut self, rows: Rows, names: &[Name], span: Span) -> Result<Rows> {
        let mut columns: Vec<(String, Expr)> = Vec::new();
        for name in names {
            if name.text.contains('*') {
                for own in rows
                    .names()
                    .into_iter()
                    .filter(|own| wildcard_parts(&name.text, own).is_some())
                {
                    if !columns.iter().any(|(known, _)| *known == own) {
                        columns.push((own.clone(), column(&own)));
                    }
                }
            } else if !columns.iter().any(|(known, _)| *known == name.text) {
                // `table` shows a column for a field that no row has.
                columns.push((
                    name.text.clone(),
                    if rows.has(&name.text) {
                        column(&name.text)
                    } else {
                        null_text()
                    },
                ));
            }
        }
        // The text of the event is gone, so that words are looked for in what is shown.
        columns.extend(
            hidden(&rows)
                .into_iter()
                .filter(|(name, _)| name != super::events::WORDS),
        );
        let rows = at(span, rows.reshape(columns))?;
        Ok(Rows {
            open: false,
            ..rows
        })
    }

    pub(super) fn fields(
        &mut self,
        rows: Rows,
        keep: bool,
        names: &[Name],
        span: Span,
    ) -> Result<Rows> {
        let named = |own: &str| {
            names.iter().any(|name| {
                if name.text.contains('*') {
                    wildcard_parts(&name.text, own).is_some()
                } else {
                    name.text == own
                }
            })
        };
        let mut kept: Vec<String> = Vec::new();
        if keep {
            // In the order in which they are asked for; `_time` stays unless it is dropped by name.
            for name in names {
                for own in rows.names() {
                    let fits = own == name.text
                        || (name.text.contains('*') && wildcard_parts(&name.text, &own).is_some());
                    if fits && !kept.contains(&own) {
                        kept.push(own);
                    }
                }
            }
            if rows.has("_time") && !kept.iter().any(|own| own == "_time") {
                kept.insert(0, "_time".to_owned());
            }
        } else {
            kept = rows.names().into_iter().filter(|own| !named(own)).collect();
        }
        let mut columns: Vec<(String, Expr)> = kept
            .into_iter()
            .map(|name| (name.clone(), column(&name)))
            .collect();
        columns.extend(hidden(&rows));
        at(span, rows.reshape(columns))
    }

    pub(super) fn fillnull(
        &mut self,
        rows: Rows,
        value: &str,
        names: &[Name],
        span: Span,
    ) -> Result<Rows> {
        let targets: Vec<String> = if names.is_empty() {
            rows.names()
        } else {
            names
                .iter()
                .flat_map(|name| {
                    if name.text.contains('*') {
                        rows.names()
                            .into_iter()
                            .filter(|own| wildcard_parts(&name.text, own).is_some())
                            .collect()
                    } else {
                        vec![name.text.clone()]
                    }
                })
                .collect()
        };
        let fill = Typed {
            expr: text(value),
            data_type: DataType::Utf8,
        };
        let filled = targets
            .into_iter()
            .map(|name| {
                let expr = match rows.field(&name) {
                    None => fill.expr.clone(),
                    Some(typed) => {
                        // A number stays a number if the filling is one.
                        let number = value.trim().parse::<f64>().ok();
                        match (&typed.data_type, number) {
                            (DataType::Float64, Some(number)) => {
                                coalesce(vec![typed.expr, lit(number)])
                            }
                            (DataType::Int64, Some(number)) => {
                                coalesce(vec![cast_to(typed, &DataType::Float64), lit(number)])
                            }
                            _ => {
                                let data_type = common_type(&typed.data_type, &DataType::Utf8);
                                coalesce(vec![
                                    cast_to(typed, &data_type),
                                    cast_to(fill.clone(), &data_type),
                                ])
                            }
                        }
                    }
                };
                (name, expr)
            })
            .collect();
        at(span, rows.set(filled))
    }

    /// `head`: the first rows, or those before the first for which a condition does not hold.
    pub(super) fn head(&mut self, rows: Rows, head: &Head, span: Span) -> Result<Rows> {
        let rows = match &head.condition {
            Some(condition) => self.head_while(rows, condition, head, span)?,
            None => rows,
        };
        match head.count {
            Some(count) => self.first(rows, count, span),
            None => Ok(rows),
        }
    }

    fn head_while(
        &mut self,
        rows: Rows,
        condition: &ast::Expr,
        head: &Head,
        span: Span,
    ) -> Result<Rows> {
        const FAILED: &str = "__failed";
        let names = rows.all_names();
        let (rows, place) = self.placed(rows, span)?;
        let holds = plan_condition(condition, &rows, &self.context)?;
        let holds = if head.null {
            Expr::IsNotFalse(Box::new(holds))
        } else {
            super::null_is_false(holds)
        };
        // With `keeplast`, the row that ends them is one of those before which it always held.
        let failed = times_so_far(Expr::Not(Box::new(holds)), &place, !head.keep_last);
        let plan = at(
            span,
            nodes::window(rows.plan.clone(), vec![failed.alias(FAILED)]),
        )?;
        let none = coalesce(vec![column(FAILED), lit(0_i64)]).eq(lit(0_i64));
        let rows = at(span, rows.with(plan).filter(none))?;
        let kept = names
            .into_iter()
            .chain([place])
            .map(|name| (name.clone(), column(&name)))
            .collect();
        at(span, rows.project(kept))
    }

    /// The first rows.
    pub(crate) fn first(&mut self, rows: Rows, count: u64, span: Span) -> Result<Rows> {
        let order = rows.order.clone();
        let rows = at(span, rows.ordered())?;
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let plan = LogicalPlanBuilder::from(rows.plan.clone()).limit(0, Some(most));
        let plan = at(span, plan.and_then(LogicalPlanBuilder::build))?;
        Ok(Rows {
            order,
            ..rows.with(plan)
        })
    }
}

/// The hidden columns, to be carried along.
pub(super) fn hidden(rows: &Rows) -> Vec<(String, Expr)> {
    rows.all_names()
        .into_iter()
        .filter(|name| is_hidden(name) || name == REF)
        .map(|name| (name.clone(), column(&name)))
        .collect()
}
