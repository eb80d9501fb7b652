//! Grouping and aggregating rows.

use crabwalk_events::catalog::REF;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, SortExpr, WindowFrame};

use super::beside::as_window;
use super::wildcards::renamed;
use super::{
    ORDER, Order, Planner, Result, Rows, at, cast_to, column, diagnostic, is_hidden, is_list, nodes,
};
use crate::HIDDEN;
use crate::aggregates::{Kind, aggregate};
use crate::expr::{Fields, Typed, plan_aggregate, plan_expr};
use crate::syntax::ast::{Aggregation, AggregationArgument, Span};

impl Rows {
    /// A row for each value of a field; one without a value stays.
    pub(crate) fn one_for_each(self, name: &str) -> Result<Self, DataFusionError> {
        let plan = LogicalPlanBuilder::from(self.plan.clone())
            .unnest_column(Column::from_name(name))?
            .build()?;
        Ok(self.with(plan))
    }
}

impl Planner<'_> {
    /// The argument of an aggregation; a field that no row has is NULL.
    pub(crate) fn argument(
        &self,
        argument: Option<&Argument<'_>>,
        rows: &Rows,
    ) -> Result<Option<Typed>> {
        Ok(match argument {
            None => None,
            Some(Argument::Field(name)) => Some(rows.field(name).unwrap_or(Typed {
                expr: super::null_text(),
                data_type: DataType::Utf8,
            })),
            Some(Argument::Eval(expr)) => Some(plan_expr(expr, rows, &self.context)?),
        })
    }

    /// Groups rows by fields that all of them have, and aggregates.
    pub(crate) fn aggregate(
        &mut self,
        rows: Rows,
        aggregations: &[Aggregation],
        by: &[String],
        span: Span,
    ) -> Result<Rows> {
        let mut rows = rows;
        if let Some(twice) = by.iter().enumerate().find_map(|(at, name)| {
            let before = by.get(..at).unwrap_or_default();
            before.contains(name).then_some(name)
        }) {
            return Err(diagnostic(
                span,
                format!("`{twice}` stands twice among the fields of the groups"),
            ));
        }
        // A row with several values of a field belongs to several groups.
        for name in by {
            if rows
                .field(name)
                .is_some_and(|typed| is_list(&typed.data_type))
            {
                rows = at(span, rows.one_for_each(name))?;
                rows = at(span, rows.filter(column(name).is_not_null()))?;
            }
        }
        let (rows, when) = self.whens(rows, aggregations, span)?;
        let (rows, sparks) = self.sparks(rows, aggregations, span)?;
        let expanded = expand(aggregations, &rows, by);
        let mut outputs: Vec<(String, Expr)> = Vec::new();
        for (aggregation, argument, output) in &expanded {
            let typed = match &sparks {
                Some(sparks) if aggregation.function == SPARKLINE => sparks.clone(),
                _ => plan_aggregate(
                    &aggregation.function,
                    aggregation.span,
                    self.argument(argument.as_ref(), &rows)?,
                    when.of(&aggregation.function),
                )?,
            };
            if outputs.iter().any(|(name, _)| name == output) || by.contains(output) {
                return Err(diagnostic(
                    aggregation.output.span,
                    format!(
                        "the result `{output}` is there twice: give one of them another name with `as`"
                    ),
                ));
            }
            outputs.push((output.clone(), typed.expr));
        }
        let refs = rows.field(REF);
        if let Some(refs) = refs {
            outputs.push((REF.to_owned(), crate::expr::collect_refs(refs)));
        }
        let groups: Vec<Expr> = by.iter().map(|name| column(name)).collect();
        // Aliases keep the result's names apart from DataFusion's own.
        let calls = outputs
            .iter()
            .enumerate()
            .map(|(index, (_, expr))| expr.clone().alias(format!("{HIDDEN}{index}")));
        let plan = at(span, nodes::aggregate(rows.plan, groups, calls.collect()))?;
        let mut columns: Vec<(String, Expr)> =
            by.iter().map(|name| (name.clone(), column(name))).collect();
        for (index, (name, _)) in outputs.iter().enumerate() {
            columns.push((name.clone(), column(&format!("{HIDDEN}{index}"))));
        }
        let keys = by
            .iter()
            .map(|name| SortExpr::new(column(name), true, true))
            .collect();
        let order = if by.is_empty() {
            Order::AsIs
        } else {
            Order::Keys(keys)
        };
        let empty = rows.empty && !by.is_empty();
        let rows = Rows {
            plan,
            order,
            empty,
            open: false,
        };
        at(span, rows.project(columns))
    }
}

/// The aggregation whose numbers go over the time of all rows.
const SPARKLINE: &str = "sparkline";

impl Planner<'_> {
    /// The sparkline, if one is asked for, and the rows with the columns that it is made from.
    fn sparks(
        &self,
        rows: Rows,
        aggregations: &[Aggregation],
        span: Span,
    ) -> Result<(Rows, Option<Typed>)> {
        const TIME: &str = hidden!("spark");
        const FIRST: &str = hidden!("spark_first");
        const LAST: &str = hidden!("spark_last");
        let wanted = aggregations
            .iter()
            .any(|aggregation| aggregation.function == SPARKLINE);
        if !wanted {
            return Ok((rows, None));
        }
        let Some(time) = rows.field("_time") else {
            return Err(diagnostic(
                span,
                "`sparkline` needs `_time`, which the rows do not have",
            ));
        };
        let time = cast_to(time, &DataType::Float64);
        let rows = at(span, rows.set(vec![(TIME.to_owned(), time)]))?;
        let mut ends = Vec::new();
        for (function, name) in [("min", FIRST), ("max", LAST)] {
            let time = Typed {
                expr: column(TIME),
                data_type: DataType::Float64,
            };
            let end = plan_aggregate(function, span, Some(time), None)?;
            let end = as_window(end.expr, &[], &[], &WindowFrame::new(None))
                .ok_or_else(|| diagnostic(span, "the times cannot be compared"))?;
            ends.push(end.alias(name));
        }
        let plan = at(span, nodes::window(rows.plan.clone(), ends))?;
        let times = vec![column(TIME), column(FIRST), column(LAST)];
        let (expr, data_type) = aggregate(Kind::Sparkline, true, times);
        Ok((rows.with(plan), Some(Typed { expr, data_type })))
    }
}

/// What aggregations go by that ask which value comes before which.
pub(crate) struct When {
    /// The events' time.
    time: Option<Expr>,
    /// The order of the rows, growing as time does where events stand with the newest first.
    order: Option<Expr>,
}

impl When {
    /// What an aggregation goes by: `list`, `first` and `last` by the order of the rows, others by time.
    pub fn of(&self, function: &str) -> Option<Expr> {
        let by_order = follows_rows(function);
        if by_order { &self.order } else { &self.time }.clone()
    }
}

fn follows_rows(function: &str) -> bool {
    matches!(function, "list" | "first" | "last")
}

impl Planner<'_> {
    /// What aggregations are grouped by, and the rows with a column for it if one is needed.
    pub(crate) fn whens(
        &mut self,
        rows: Rows,
        aggregations: &[Aggregation],
        span: Span,
    ) -> Result<(Rows, When)> {
        let time = rows.clock();
        let order = [ORDER, "_time"]
            .into_iter()
            .find(|name| rows.has(name))
            .map(column);
        let follows = aggregations
            .iter()
            .any(|aggregation| follows_rows(&aggregation.function));
        if !follows || matches!(rows.order, Order::Newest) && order.is_some() {
            return Ok((rows, When { time, order }));
        }
        let (rows, place) = self.placed(rows, span)?;
        let order = When::from_place(&place);
        Ok((rows, When { time, order }))
    }
}

impl When {
    fn from_place(place: &str) -> Option<Expr> {
        let place = datafusion::logical_expr::cast(column(place), DataType::Float64);
        Some(Expr::Negative(Box::new(place)))
    }

    /// For rows that have a column of their places.
    pub fn placed(rows: &Rows, place: &str) -> Self {
        Self {
            time: rows.clock(),
            order: Self::from_place(place),
        }
    }
}

pub(crate) enum Argument<'a> {
    Field(String),
    Eval(&'a crate::syntax::ast::Expr),
}

/// Writes out wildcards: `values(*) as *` is one aggregation for each field. A result that is asked for by its own name is
/// not given a second time by a wildcard.
pub(crate) fn expand<'a>(
    aggregations: &'a [Aggregation],
    rows: &Rows,
    by: &[String],
) -> Vec<(&'a Aggregation, Option<Argument<'a>>, String)> {
    let by_name: Vec<&str> = aggregations
        .iter()
        .filter(|one| !one.output.text.contains('*'))
        .map(|one| one.output.text.as_str())
        .collect();
    let mut expanded = Vec::new();
    for aggregation in aggregations {
        match &aggregation.argument {
            None => expanded.push((aggregation, None, aggregation.output.text.clone())),
            Some(AggregationArgument::Eval(expr)) => {
                expanded.push((
                    aggregation,
                    Some(Argument::Eval(expr)),
                    aggregation.output.text.clone(),
                ));
            }
            Some(AggregationArgument::Field(field)) if field.text.contains('*') => {
                for name in rows.names() {
                    if by.contains(&name) || name.starts_with('_') || is_hidden(&name) {
                        continue;
                    }
                    let output = renamed(&name, field, &aggregation.output)
                        .filter(|output| !by_name.contains(&output.as_str()));
                    if let Some(output) = output {
                        expanded.push((aggregation, Some(Argument::Field(name)), output));
                    }
                }
            }
            Some(AggregationArgument::Field(field)) => {
                expanded.push((
                    aggregation,
                    Some(Argument::Field(field.text.clone())),
                    aggregation.output.text.clone(),
                ));
            }
        }
    }
    expanded
}
