//! `streamstats`: aggregates of the rows up to each row.

use std::fmt;

use datafusion::arrow::datatypes::DataType;
use datafusion::functions_window::nth_value::{first_value_udwf, last_value_udwf};
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Case, Expr, SortExpr, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition, lit,
};
use datafusion::scalar::ScalarValue;

use super::stats::Stats;
use crate::convert::to_list;
use crate::expr::{Fields, Typed, plan_aggregate, plan_condition};
use crate::ops::bins;
use crate::plan::aggregate::{When, expand};
use crate::plan::running::{numbered_runs, times_so_far};
use crate::plan::{
    Plan, Planner, Result, Rows, Windows, at, coalesce, column, diagnostic, is_list, list_type,
    nodes, null_text, typed,
};
use crate::syntax::ast::{self, BinSpan, Name, Span, TimeSpan};
use crate::syntax::command::{Ledger, Part, Syntax};
use crate::syntax::usage::{Cursor, Usage, Whole, count, flag, obeyed, only};
use crate::syntax::walk::visit_fields;
use crate::syntax::{parse_expr, parse_span};

pub(super) static COMMAND: Whole = typed::<Streamstats>(Usage {
    name: "streamstats",
    also: &[],
    syntax: "streamstats [<options>] <aggregation> [as <name>] … [by <fields>]",
    meaning: "Adds to each row aggregations over the rows up to it.",
    options: &[
        flag("current", "Whether the row itself counts; default true."),
        count("window", "How many rows count; 0 for all."),
        flag(
            "global",
            "`false` makes windows over the rows of the group instead of over all rows.",
        ),
        obeyed("time_window", "Length of a time window."),
        obeyed(
            "reset_before",
            "The statistics restart at a row for which this expression is true.",
        ),
        obeyed(
            "reset_after",
            "They restart after a row for which it is true.",
        ),
        flag(
            "reset_on_change",
            "They restart when the group differs from the preceding row's.",
        ),
        only(
            "allnum",
            "false",
            "aggregations use numbers and ignore other values of the field",
        ),
    ],
});

/// `streamstats`.
#[derive(Debug, Clone, PartialEq)]
pub struct Streamstats {
    /// Aggregations and groups.
    pub stats: Stats,
    /// `current=`, default true.
    pub current: bool,
    /// `window=`, 0 for all before.
    pub window: u64,
    /// `global=`, default true: the window is over all rows, not over those of each group.
    pub global: bool,
    /// `time_window=`: the window is as long as this instead of so many rows.
    pub time_window: Option<TimeSpan>,
    /// `reset_before=`: the statistics restart at a row for which it holds.
    pub reset_before: Option<ast::Expr>,
    /// `reset_after=`: they restart after such a row.
    pub reset_after: Option<ast::Expr>,
    /// `reset_on_change=`: they restart where the group differs from that of the row before.
    pub reset_on_change: bool,
}

/// Time along the rows, growing in their order.
const ALONG: &str = hidden!("along");

impl Syntax for Streamstats {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let mut stats = Stats::parse(cursor, usage)?;
        let mut streamstats = Self {
            current: true,
            window: 0,
            global: true,
            time_window: None,
            reset_before: None,
            reset_after: None,
            reset_on_change: false,
            stats: Stats {
                options: Vec::new(),
                aggregations: Vec::new(),
                by: Vec::new(),
            },
        };
        let mut rest = Vec::new();
        for (name, value) in stats.options {
            let boolean = || match value.to_lowercase().as_str() {
                "t" | "true" | "1" => Ok(true),
                "f" | "false" | "0" => Ok(false),
                _ => Err(diagnostic(
                    name.span,
                    format!("`{}` must be true or false, not `{value}`", name.text),
                )),
            };
            match name.text.as_str() {
                "current" => streamstats.current = boolean()?,
                "global" => streamstats.global = boolean()?,
                "window" => {
                    streamstats.window = value.parse().map_err(|_| {
                        diagnostic(
                            name.span,
                            format!("`window` is a whole number, not `{value}`"),
                        )
                    })?;
                }
                "reset_on_change" => streamstats.reset_on_change = boolean()?,
                "time_window" => {
                    let text = Name {
                        text: value,
                        span: name.span,
                    };
                    let BinSpan::Time(span) = parse_span(&text)? else {
                        return Err(diagnostic(
                            name.span,
                            "`time_window` is a duration such as 30s, 5m or 1h",
                        ));
                    };
                    streamstats.time_window = Some(span);
                }
                "reset_before" => streamstats.reset_before = Some(condition(&value, name.span)?),
                "reset_after" => streamstats.reset_after = Some(condition(&value, name.span)?),
                _ => rest.push((name, value)),
            }
        }
        stats.options = rest;
        streamstats.stats = stats;
        Ok(streamstats)
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            " current={} window={} global={}",
            self.current, self.window, self.global
        )?;
        if let Some(span) = self.time_window {
            write!(f, " time_window={span}")?;
        }
        for (name, condition) in [
            ("reset_before", &self.reset_before),
            ("reset_after", &self.reset_after),
        ] {
            if let Some(condition) = condition {
                write!(f, " {name}=({condition})")?;
            }
        }
        if self.reset_on_change {
            f.write_str(" reset_on_change=true")?;
        }
        self.stats.print(f)
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        for condition in self.resets() {
            ledger.works_out(condition);
        }
        self.stats.note_beside(ledger);
        false
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = self.stats.parts();
        parts.extend(self.resets().map(Part::Expression));
        parts
    }

    fn expressions_mut(&mut self) -> Vec<&mut ast::Expr> {
        let mut all = self.stats.expressions_mut();
        all.extend(&mut self.reset_before);
        all.extend(&mut self.reset_after);
        all
    }

    fn needs_rows(&self) -> bool {
        true
    }
}

impl Streamstats {
    fn resets(&self) -> impl Iterator<Item = &ast::Expr> {
        self.reset_before.iter().chain(&self.reset_after)
    }
}

/// The condition of an option such as `reset_before=(x=1)`.
fn condition(text: &str, place: Span) -> Result<ast::Expr> {
    match parse_expr(text) {
        Ok(expr) => Ok(expr.at(place)),
        Err(diagnostics) => {
            let why = diagnostics
                .into_iter()
                .next()
                .map_or_else(|| "it cannot be read".to_owned(), |first| first.message);
            Err(diagnostic(
                place,
                format!("`{text}` is not a condition: {why}"),
            ))
        }
    }
}

impl Plan for Streamstats {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let stats = &self.stats;
        for (name, value) in &stats.options {
            let off = matches!(value.as_str(), "0" | "f" | "false");
            if name.text != "allnum" && !off {
                return Err(diagnostic(
                    name.span,
                    format!("`{}=` of `streamstats` is not supported", name.text),
                ));
            }
        }
        let by = stats.group_names();
        let outputs = expand(&stats.aggregations, &rows, &by);
        let mut grouped = Vec::new();
        for name in &by {
            match rows.field(name) {
                Some(typed) => grouped.push(typed.expr),
                None => {
                    let columns = outputs
                        .into_iter()
                        .filter(|(_, _, name)| !rows.has(name))
                        .map(|(_, _, name)| (name, null_text()))
                        .collect();
                    return at(span, rows.set(columns));
                }
            }
        }
        let complete = grouped
            .iter()
            .map(|expr| expr.clone().is_not_null())
            .reduce(Expr::and);
        let (rows, place) = planner.placed(rows, span)?;
        let names = rows.all_names();
        let when = When::placed(&rows, &place);
        let (rows, resets) = resets(planner, rows, self, &by, &place, span)?;
        grouped.extend(resets);
        let (rows, frame, along) = frame(rows, self, &place, span)?;
        let sliding = self.window > 0 || self.time_window.is_some();
        let all = Windows {
            command: "streamstats",
            grouped: &grouped,
            sorted: &[SortExpr::new(along, true, false)],
            frame: &frame,
            complete: complete.as_ref(),
        };
        let mut windows = Vec::new();
        let mut values = Vec::new();
        let arguments = outputs
            .iter()
            .map(|(_, argument, _)| planner.argument(argument.as_ref(), &rows))
            .collect::<Result<Vec<_>>>()?;
        let (rows, arguments) = planner.arguments_beside(rows, arguments, span)?;
        for (index, ((aggregation, _, output), argument)) in
            outputs.into_iter().zip(arguments).enumerate()
        {
            // Only our own aggregations can forget rows that have left the window.
            let argument = argument.map(|typed| {
                if !sliding || is_list(&typed.data_type) || typed.data_type == DataType::Boolean {
                    return typed;
                }
                Typed {
                    expr: to_list(typed),
                    data_type: list_type(),
                }
            });
            let typed = plan_aggregate(
                &aggregation.function,
                aggregation.span,
                argument,
                when.of(&aggregation.function),
            )?;
            let (window, value) = all.of(index, aggregation, typed)?;
            windows.push(window);
            values.push((output, value));
        }
        planner.beside(rows, windows, &names, values, span)
    }
}

/// Columns that change where the statistics restart.
fn resets(
    planner: &mut Planner<'_>,
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
        rows = at(span, numbered_runs(rows, values, place, hidden!("changes")))?;
        columns.push(column(hidden!("changes")));
    }
    let conditions = [
        (&streamstats.reset_before, true, hidden!("reset_before")),
        (&streamstats.reset_after, false, hidden!("reset_after")),
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
                    "`{field}` is a result of this `streamstats`; resets cannot use the command's own results"
                ),
            ));
        }
        let condition = plan_condition(condition, &rows, &planner.context)?;
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
        let fun = if name == hidden!("first_time") {
            first
        } else {
            last
        };
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
        vec![end(hidden!("first_time")), end(hidden!("last_time"))],
    );
    let rows = rows.with(at(span, plan)?);
    let downwards = column(hidden!("last_time")).lt(column(hidden!("first_time")));
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
