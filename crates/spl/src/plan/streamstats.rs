//! `streamstats`: aggregates of the rows up to each row.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, SortExpr, WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::scalar::ScalarValue;

use super::eventstats::as_window;
use super::stats::expand;
use super::{ORDER, Planner, Result, Rows, at, column, diagnostic, is_list};
use crate::expr::{Fields, Typed, plan_aggregate};
use crate::syntax::ast::{Span, Streamstats};

impl Planner<'_> {
    pub(super) fn streamstats(
        &mut self,
        rows: Rows,
        streamstats: &Streamstats,
        span: Span,
    ) -> Result<Rows> {
        let stats = &streamstats.stats;
        for (name, value) in &stats.options {
            let off = matches!(value.as_str(), "0" | "f" | "false");
            if name.text != "allnum" && !off {
                return Err(diagnostic(
                    name.span,
                    format!("`{}=` of `streamstats` is not supported", name.text),
                ));
            }
        }
        if streamstats.window > 0 && streamstats.global && !stats.by.is_empty() {
            return Err(diagnostic(
                span,
                "`streamstats` with `window=` and `by` runs only with `global=false`: a window of its own for each group",
            ));
        }
        let by: Vec<String> = stats.by.iter().map(|by| by.field.text.clone()).collect();
        let time = [ORDER, "_time"]
            .into_iter()
            .find(|name| rows.has(name))
            .map(column);
        let outputs = expand(&stats.aggregations, &rows, &by);
        let mut grouped = Vec::new();
        for name in &by {
            match rows.field(name) {
                Some(typed) => grouped.push(typed.expr),
                None => {
                    let columns = outputs
                        .into_iter()
                        .filter(|(_, _, name)| !rows.has(name))
                        .map(|(_, _, name)| (name, super::null_text()))
                        .collect();
                    return at(span, rows.set(columns));
                }
            }
        }
        let complete = grouped
            .iter()
            .map(|expr| expr.clone().is_not_null())
            .reduce(Expr::and);
        let (rows, place) = self.placed(rows, span)?;
        let names = rows.all_names();
        let frame = frame(streamstats.window, streamstats.current);
        let sliding = streamstats.window > 0;
        let mut windows = Vec::new();
        let mut values = Vec::new();
        for (index, (aggregation, argument, output)) in outputs.into_iter().enumerate() {
            let argument = self.argument(argument.as_ref(), &rows)?;
            // Only our own aggregations can forget rows that have left the window.
            let argument = argument.map(|typed| {
                if !sliding || is_list(&typed.data_type) || typed.data_type == DataType::Boolean {
                    return typed;
                }
                Typed {
                    expr: crate::value::to_list(typed),
                    data_type: super::list_type(),
                }
            });
            let typed = plan_aggregate(
                &aggregation.function,
                aggregation.span,
                argument,
                time.clone(),
            )?;
            let sorted = vec![SortExpr::new(column(&place), true, false)];
            let Some(window) = as_window(typed.expr, &grouped, &sorted, &frame) else {
                return Err(diagnostic(
                    aggregation.span,
                    format!(
                        "`{}` cannot be used with `streamstats`",
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
            values.push((output, value));
        }
        self.beside(rows, windows, &names, values, span)
    }
}

fn frame(window: u64, current: bool) -> WindowFrame {
    let before = match (window, current) {
        (0, _) => None,
        (window, true) => Some(window - 1),
        (window, false) => Some(window),
    };
    let end = if current {
        WindowFrameBound::CurrentRow
    } else {
        WindowFrameBound::Preceding(ScalarValue::UInt64(Some(1)))
    };
    WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(ScalarValue::UInt64(before)),
        end,
    )
}
