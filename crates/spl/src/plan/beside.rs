//! Aggregates and other windows beside the rows.

use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{Expr, SortExpr, WindowFrame, WindowFunctionDefinition};

use super::nodes;
use super::{Planner, Result, Rows, at, column};
use crate::expr::Typed;
use crate::syntax::ast::Span;

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
