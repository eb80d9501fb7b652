//! `streamstats`: aggregates of the rows up to each row.

use datafusion::arrow::datatypes::DataType;
use datafusion::functions_window::nth_value::{first_value_udwf, last_value_udwf};
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Case, Expr, SortExpr, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition, lit,
};
use datafusion::scalar::ScalarValue;

use super::eventstats::as_window;
use super::running::{numbered_runs, times_so_far};
use super::stats::{When, expand};
use super::{Planner, Result, Rows, at, coalesce, column, diagnostic, is_list, nodes};
use crate::expr::{Fields, Typed, plan_aggregate, plan_condition};
use crate::ops::bins;
use crate::syntax::ast::{Span, Streamstats};
use crate::syntax::walk::visit_fields;

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
        let by: Vec<String> = stats.by.iter().map(|by| by.field.text.clone()).collect();
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
        let when = When::placed(&rows, &place);
        let (rows, resets) = self.resets(rows, streamstats, &by, &place, span)?;
        grouped.extend(resets);
        let (rows, frame, along) = self.frame(rows, streamstats, &place, span)?;
        let sliding = streamstats.window > 0 || streamstats.time_window.is_some();
        let mut windows = Vec::new();
        let mut values = Vec::new();
        let arguments = outputs
            .iter()
            .map(|(_, argument, _)| self.argument(argument.as_ref(), &rows))
            .collect::<Result<Vec<_>>>()?;
        let (rows, arguments) = self.arguments_beside(rows, arguments, span)?;
        for (index, ((aggregation, _, output), argument)) in
            outputs.into_iter().zip(arguments).enumerate()
        {
            // Only our own aggregations can forget rows that have left the window.
            let argument = argument.map(|typed| {
                if !sliding || is_list(&typed.data_type) || typed.data_type == DataType::Boolean {
                    return typed;
                }
                Typed {
                    expr: crate::convert::to_list(typed),
                    data_type: super::list_type(),
                }
            });
            let typed = plan_aggregate(
                &aggregation.function,
                aggregation.span,
                argument,
                when.of(&aggregation.function),
            )?;
            let sorted = vec![SortExpr::new(along.clone(), true, false)];
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

/// Time along the rows, growing in their order.
const ALONG: &str = "__along";

impl Planner<'_> {
    /// Columns that change where the statistics restart.
    fn resets(
        &mut self,
        mut rows: Rows,
        streamstats: &Streamstats,
        by: &[String],
        place: &str,
        span: Span,
    ) -> Result<(Rows, Vec<Expr>)> {
        let mut columns = Vec::new();
        if streamstats.reset_on_change && !by.is_empty() {
            // Only rows with all fields of the group can restart the statistics.
            let values: Vec<Typed> = by.iter().filter_map(|name| rows.field(name)).collect();
            rows = at(span, numbered_runs(rows, values, place, "__changes"))?;
            columns.push(column("__changes"));
        }
        let conditions = [
            (&streamstats.reset_before, true, "__reset_before"),
            (&streamstats.reset_after, false, "__reset_after"),
        ];
        for (condition, current, name) in conditions {
            let Some(condition) = condition else { continue };
            let outputs = &streamstats.stats.aggregations;
            let mut own = None;
            visit_fields(condition, &mut |field, span| {
                if outputs.iter().any(|one| one.output.text == field) {
                    own.get_or_insert((field.to_owned(), span));
                }
            });
            if let Some((field, span)) = own {
                return Err(diagnostic(
                    span,
                    format!(
                        "`{field}` is a result of this `streamstats`: a reset that depends on it is not run by this version of Crabwalk"
                    ),
                ));
            }
            let condition = plan_condition(condition, &rows, &self.context)?;
            let so_far = times_so_far(condition, place, current);
            let plan = nodes::window(rows.plan.clone(), vec![so_far.alias(name)]);
            rows = rows.with(at(span, plan)?);
            let so_far = coalesce(vec![column(name), lit(0_i64)]);
            rows = at(span, rows.set(vec![(name.to_owned(), so_far)]))?;
            columns.push(column(name));
        }
        Ok((rows, columns))
    }

    /// Which rows are seen from each row, and the order in which they are counted.
    fn frame(
        &mut self,
        rows: Rows,
        streamstats: &Streamstats,
        place: &str,
        span: Span,
    ) -> Result<(Rows, WindowFrame, Expr)> {
        let (window, current) = (streamstats.window, streamstats.current);
        if let Some(length) = streamstats.time_window {
            let seconds = bins::seconds(length).ok_or_else(|| {
                diagnostic(
                    span,
                    "`time_window` is in weeks at most: months differ in length",
                )
            })?;
            if window > 0 {
                return Err(diagnostic(
                    span,
                    "`streamstats` has `window=` or `time_window=`, not both",
                ));
            }
            let time = rows
                .field("_time")
                .filter(|time| time.data_type == DataType::Float64)
                .ok_or_else(|| {
                    diagnostic(
                        span,
                        "`time_window` needs `_time`, which the rows do not have",
                    )
                })?;
            return time_frame(rows, time.expr, seconds, current, place, span);
        }
        let before = match (window, current) {
            (0, _) => None,
            (window, true) => Some(window - 1),
            (window, false) => Some(window),
        };
        // Places count all rows: a range of them in a group holds those rows of the last ones that are of the group.
        let units = if window > 0 && streamstats.global && !streamstats.stats.by.is_empty() {
            WindowFrameUnits::Range
        } else {
            WindowFrameUnits::Rows
        };
        let frame = WindowFrame::new_bounds(
            units,
            WindowFrameBound::Preceding(ScalarValue::UInt64(before)),
            if current {
                WindowFrameBound::CurrentRow
            } else {
                WindowFrameBound::Preceding(ScalarValue::UInt64(Some(1)))
            },
        );
        Ok((rows, frame, column(place)))
    }
}

/// The rows of the last seconds. Rows are in the order of time, upwards or downwards; rows of the same time see one another.
fn time_frame(
    rows: Rows,
    time: Expr,
    seconds: f64,
    current: bool,
    place: &str,
    span: Span,
) -> Result<(Rows, WindowFrame, Expr)> {
    let end = |name: &'static str| {
        let (first, last) = (first_value_udwf(), last_value_udwf());
        let fun = if name == "__first_time" { first } else { last };
        Expr::WindowFunction(Box::new(WindowFunction {
            fun: WindowFunctionDefinition::WindowUDF(fun),
            params: WindowFunctionParams {
                args: vec![time.clone()],
                partition_by: Vec::new(),
                order_by: vec![SortExpr::new(column(place), true, false)],
                window_frame: WindowFrame::new_bounds(
                    WindowFrameUnits::Rows,
                    WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
                    WindowFrameBound::Following(ScalarValue::UInt64(None)),
                ),
                filter: None,
                null_treatment: None,
                distinct: false,
            },
        }))
        .alias(name)
    };
    let plan = nodes::window(
        rows.plan.clone(),
        vec![end("__first_time"), end("__last_time")],
    );
    let rows = rows.with(at(span, plan)?);
    let downwards = column("__last_time").lt(column("__first_time"));
    let along = Expr::Case(Case::new(
        None,
        vec![(
            Box::new(downwards),
            Box::new(Expr::Negative(Box::new(time.clone()))),
        )],
        Some(Box::new(time)),
    ));
    let rows = at(span, rows.set(vec![(ALONG.to_owned(), along)]))?;
    let end = if current {
        WindowFrameBound::CurrentRow
    } else {
        // The shortest time that events can be apart.
        WindowFrameBound::Preceding(ScalarValue::Float64(Some(1e-6)))
    };
    let frame = WindowFrame::new_bounds(
        WindowFrameUnits::Range,
        WindowFrameBound::Preceding(ScalarValue::Float64(Some(seconds))),
        end,
    );
    Ok((rows, frame, column(ALONG)))
}
