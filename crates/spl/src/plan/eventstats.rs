//! `eventstats`: aggregates beside each row instead of in place of the rows.

use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{Expr, SortExpr, WindowFrame, WindowFunctionDefinition};

use super::nodes;
use super::stats::expand;
use super::{Order, Planner, Result, Rows, at, column, diagnostic};
use crate::expr::{Fields, Typed, plan_aggregate};
use crate::syntax::ast::{Span, Stats};

impl Planner<'_> {
    pub(super) fn eventstats(&mut self, rows: Rows, stats: &Stats, span: Span) -> Result<Rows> {
        let by: Vec<String> = stats.by.iter().map(|by| by.field.text.clone()).collect();
        // Grouping moves rows; an order that no column holds has to be kept in one.
        let rows = match rows.order {
            Order::AsIs if !by.is_empty() => self.placed(rows, span)?.0,
            _ => rows,
        };
        let (rows, when) = self.whens(rows, &stats.aggregations, span)?;
        // A row without one of the fields belongs to no group: it stays, and gets no aggregates.
        let mut grouped = Vec::new();
        for name in &by {
            match rows.field(name) {
                Some(typed) => grouped.push(typed.expr),
                None => return self.no_eventstats(rows, stats, &by, span),
            }
        }
        let complete = grouped
            .iter()
            .map(|expr| expr.clone().is_not_null())
            .reduce(Expr::and);
        let names = rows.all_names();
        let expanded = expand(&stats.aggregations, &rows, &by);
        let arguments = expanded
            .iter()
            .map(|(_, argument, _)| self.argument(argument.as_ref(), &rows))
            .collect::<Result<Vec<_>>>()?;
        let (rows, arguments) = self.arguments_beside(rows, arguments, span)?;
        let mut windows = Vec::new();
        let mut outputs = Vec::new();
        for (index, ((aggregation, _, output), argument)) in
            expanded.into_iter().zip(arguments).enumerate()
        {
            let typed = plan_aggregate(
                &aggregation.function,
                aggregation.span,
                argument,
                when.of(&aggregation.function),
            )?;
            let frame = WindowFrame::new(None);
            let Some(window) = as_window(typed.expr, &grouped, &[], &frame) else {
                return Err(diagnostic(
                    aggregation.span,
                    format!(
                        "`{}` cannot be used with `eventstats`",
                        aggregation.function
                    ),
                ));
            };
            let name = format!("__window{index}");
            windows.push(window.alias(name.clone()));
            let value = Typed {
                expr: column(&name),
                data_type: typed.data_type,
            };
            let value = match &complete {
                Some(complete) => super::null_if(Expr::Not(Box::new(complete.clone())), value),
                None => value.expr,
            };
            outputs.push((output, value));
        }
        self.beside(rows, windows, &names, outputs, span)
    }

    /// The rows with what windows are over in columns of its own.
    ///
    /// `DataFusion` 55 breaks on two windows over arguments that differ in writing and turn out to be the same.
    pub(crate) fn arguments_beside(
        &self,
        rows: Rows,
        arguments: Vec<Option<Typed>>,
        span: Span,
    ) -> Result<(Rows, Vec<Option<Typed>>)> {
        let mut columns = Vec::new();
        let arguments = arguments
            .into_iter()
            .enumerate()
            .map(|(index, argument)| {
                argument.map(|typed| match typed.expr {
                    Expr::Column(_) | Expr::Literal(..) => typed,
                    expr => {
                        let name = format!("__argument{index}");
                        columns.push((name.clone(), expr));
                        Typed {
                            expr: column(&name),
                            data_type: typed.data_type,
                        }
                    }
                })
            })
            .collect();
        Ok((at(span, rows.set(columns))?, arguments))
    }

    /// Adds windows to rows and shows these columns of them, with the windows' values set.
    pub(crate) fn beside(
        &self,
        rows: Rows,
        windows: Vec<Expr>,
        names: &[String],
        values: Vec<(String, Expr)>,
        span: Span,
    ) -> Result<Rows> {
        let plan = at(span, nodes::window(rows.plan.clone(), windows))?;
        let mut columns: Vec<(String, Expr)> = names
            .iter()
            .map(|name| (name.clone(), column(name)))
            .collect();
        for (name, value) in values {
            match columns.iter_mut().find(|(old, _)| *old == name) {
                Some(place) => place.1 = value,
                None => columns.push((name, value)),
            }
        }
        at(span, rows.with(plan).reshape(columns))
    }

    fn no_eventstats(&self, rows: Rows, stats: &Stats, by: &[String], span: Span) -> Result<Rows> {
        let outputs = expand(&stats.aggregations, &rows, by);
        let columns = outputs
            .into_iter()
            .filter(|(_, _, name)| !rows.has(name))
            .map(|(_, _, name)| (name, super::null_text()))
            .collect();
        at(span, rows.set(columns))
    }
}

/// An aggregate call as a window over rows of the group. The call may stand inside other expressions.
pub(crate) fn as_window(
    expr: Expr,
    partition_by: &[Expr],
    order_by: &[SortExpr],
    frame: &WindowFrame,
) -> Option<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    expr.transform(|expr| {
        Ok(match expr {
            Expr::AggregateFunction(call) => {
                Transformed::yes(Expr::WindowFunction(Box::new(WindowFunction {
                    fun: WindowFunctionDefinition::AggregateUDF(call.func),
                    params: WindowFunctionParams {
                        args: call.params.args,
                        partition_by: partition_by.to_vec(),
                        order_by: order_by.to_vec(),
                        window_frame: frame.clone(),
                        filter: call.params.filter,
                        null_treatment: call.params.null_treatment,
                        distinct: call.params.distinct,
                    },
                })))
            }
            other => Transformed::no(other),
        })
    })
    .ok()
    .map(|transformed| transformed.data)
}
