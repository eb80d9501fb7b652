//! Aggregates and other windows beside the rows.

use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{Expr, SortExpr, WindowFrame, WindowFunctionDefinition};

use super::nodes;
use super::{Planner, Result, Rows, at, column, diagnostic};
use crate::HIDDEN;
use crate::column::null_if;
use crate::expr::Typed;
use crate::syntax::ast::{Aggregation, Span};

impl Planner<'_> {
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
                        let name = format!("{HIDDEN}argument{index}");
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
}

/// The windows of a command: over which rows they are, and which rows get their values.
pub(crate) struct Windows<'w> {
    /// The command's name, for errors.
    pub command: &'w str,
    pub grouped: &'w [Expr],
    pub sorted: &'w [SortExpr],
    pub frame: &'w WindowFrame,
    /// Whether a row belongs to a group; others get no value. All do where it is missing.
    pub complete: Option<&'w Expr>,
}

impl Windows<'_> {
    /// An aggregate as the `index`th window of the command, and its value in each row.
    pub fn of(
        &self,
        index: usize,
        aggregation: &Aggregation,
        planned: Typed,
    ) -> Result<(Expr, Expr)> {
        let Some(window) = as_window(planned.expr, self.grouped, self.sorted, self.frame) else {
            return Err(diagnostic(
                aggregation.span,
                format!(
                    "`{}` cannot be used with `{}`",
                    aggregation.function, self.command
                ),
            ));
        };
        let name = format!("{HIDDEN}window{index}");
        let value = Typed {
            expr: column(&name),
            data_type: planned.data_type,
        };
        let value = match self.complete {
            Some(complete) => null_if(Expr::Not(Box::new(complete.clone())), value),
            None => value.expr,
        };
        Ok((window.alias(name), value))
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
