//! `mstats`: aggregation over metrics.
//!
//! A metric event has fields `metric_name:x` with numbers, or one `metric_name` with its number in `_value`; both forms
//! are read. `avg(x)` is over the metric `x`; `avg(_value)` is over the metrics that `where metric_name=` names.

use std::collections::HashSet;
use std::fmt;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Case, Expr};

use super::bin::time_bin;
use super::tstats::{MEMORY, Tstats};
use crate::HIDDEN;
use crate::clause::search_equals;
use crate::expr::{EvalContext, Fields, Typed};
use crate::knowledge::Knowledge;
use crate::plan::needs::Needs;
use crate::plan::{
    Plan, Planner, Reads, Result, Rows, Source, TypeInfo, at, cast_to, coalesce, diagnostic,
    not_first, null_is_false, null_text, typed,
};
use crate::syntax::ast::{
    self, Aggregation, AggregationArgument, BinSpan, CompareOp, Name, SearchExpr, SearchValue, Span,
};
use crate::syntax::command::{Ledger, Part, Syntax};
use crate::syntax::parse_span;
use crate::syntax::usage::{Cursor, Usage, Whole, no_effect, obeyed, only, refused};

pub(super) static COMMAND: Whole = typed::<Mstats>(Usage {
    name: "mstats",
    also: &[],
    syntax: "mstats [<options>] <aggregation> … [where <conditions>] [by <fields>] [span=<span>]",
    meaning: "Aggregates metrics: events with `metric_name`, and fields `metric_name:…`.",
    options: &[
        obeyed("span", "Aggregates over time ranges of this length."),
        only("append", "false", "use it inside `append [ … ]`"),
        only("prestats", "false", "name the final aggregations"),
        no_effect("backfill", REAL_TIME),
        no_effect("update_period", REAL_TIME),
        no_effect("chunk_size", MEMORY),
        refused(
            "fillnull_value",
            "rows without a group's field are left out; use `fillnull` first to give it a value",
        ),
    ],
});

const REAL_TIME: &str = "it is for real-time searches";

/// Before the name of a metric in the name of its field.
const PREFIX: &str = "metric_name:";
/// The time of the group while it is aggregated.
const BUCKET: &str = hidden!("bucket");

/// `mstats`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mstats {
    /// Options, aggregations, filter and groups; it has no data model.
    pub stats: Tstats,
    /// `span=`: with it, results are by time.
    pub span: Option<BinSpan>,
}

impl Syntax for Mstats {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let (mut options, mut span) = (Vec::new(), None);
        while let Some(option) = cursor.option_name() {
            match cursor.option(usage, &option)? {
                Some(value) if option.text == "span" => span = Some(parse_span(&value)?),
                Some(value) => options.push((option, value.text)),
                None => {}
            }
        }
        let aggregations = cursor.aggregations(usage, &mut options)?;
        let mut filter = None;
        if cursor.eat_keyword("where") {
            if cursor.ended() {
                return Err(cursor.expected("conditions"));
            }
            let clause = cursor.clause(true)?;
            filter = match without_span(clause, &mut span)? {
                SearchExpr::And(all) if all.is_empty() => None,
                clause => Some(clause),
            };
        }
        let mut by = Vec::new();
        if cursor.at_keyword("by") || cursor.at_keyword("groupby") {
            by = cursor.groups(usage, &mut options)?;
            for field in &mut by {
                span = field.span.take().or(span);
            }
        } else if let Some(option) = cursor.option_name() {
            if option.text != "span" {
                return Err(diagnostic(
                    option.span,
                    format!("`mstats` has no option `{}`", option.text),
                ));
            }
            span = Some(parse_span(&cursor.value("span")?)?);
        }
        Ok(Self {
            stats: Tstats {
                options,
                aggregations,
                datamodel: None,
                filter,
                by,
            },
            span,
        })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = self.span {
            write!(f, " span={span}")?;
        }
        self.stats.print(f)
    }

    fn note(&self, _: &mut dyn Ledger) -> bool {
        false
    }

    fn parts(&self) -> Vec<Part<'_>> {
        self.stats.parts()
    }

    fn expressions_mut(&mut self) -> Vec<&mut ast::Expr> {
        self.stats.expressions_mut()
    }

    fn columns(&self, before: Option<Vec<String>>) -> Option<Vec<String>> {
        self.stats.columns(before)
    }
}

/// Takes `span=` out of a clause that it stands behind.
fn without_span(clause: SearchExpr, span: &mut Option<BinSpan>) -> Result<SearchExpr> {
    Ok(match clause {
        SearchExpr::And(all) => {
            let mut kept = Vec::new();
            for one in all {
                match one {
                    SearchExpr::Compare { .. } => match without_span(one, span)? {
                        SearchExpr::And(none) if none.is_empty() => {}
                        one => kept.push(one),
                    },
                    one => kept.push(one),
                }
            }
            if kept.len() == 1 {
                kept.swap_remove(0)
            } else {
                SearchExpr::And(kept)
            }
        }
        SearchExpr::Compare {
            field,
            op: CompareOp::Eq,
            value,
        } if field.text.eq_ignore_ascii_case("span") => {
            *span = Some(parse_span(&Name {
                text: value.text,
                span: value.span,
            })?);
            SearchExpr::And(Vec::new())
        }
        other => other,
    })
}

impl Plan for Mstats {
    fn plan(&self, _: &mut Planner<'_>, _: Rows, span: Span) -> Result<Rows> {
        Err(not_first("mstats", span))
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

impl Source for Mstats {
    fn rows(&self, planner: &mut Planner<'_>, _: &Needs, span: Span) -> Result<Rows> {
        let everything = SearchExpr::And(Vec::new());
        let filter = planner.resolve_clause(self.stats.filter.as_ref().unwrap_or(&everything))?;
        let mut wanted = Vec::new();
        let filter = without_metric(&filter, &mut wanted);
        let needs = Needs::of_names(&self.fields_read());
        let mut rows = planner.raw_search(&filter, &needs, span)?;
        let mut aggregations = Vec::new();
        for (index, aggregation) in self.stats.aggregations.iter().enumerate() {
            let Some(AggregationArgument::Field(field)) = &aggregation.argument else {
                aggregations.push(aggregation.clone());
                continue;
            };
            let metrics = if field.text == "_value" {
                wanted.clone()
            } else {
                vec![field.text.clone()]
            };
            let column = format!("{HIDDEN}metric{index}");
            let value = metric(&rows, &metrics);
            rows = at(span, rows.set(vec![(column.clone(), value)]))?;
            aggregations.push(Aggregation {
                argument: Some(AggregationArgument::Field(Name {
                    text: column,
                    span: field.span,
                })),
                ..aggregation.clone()
            });
        }
        let mut by = Vec::new();
        if let Some(width) = self.span
            && let Some(time) = rows.field("_time")
        {
            let bucket = time_bin(time, width, span)?;
            rows = at(span, rows.set(vec![(BUCKET.to_owned(), bucket)]))?;
            by.push(BUCKET.to_owned());
        }
        // Events without any of the metrics are in no group.
        let present = (0..aggregations.len())
            .filter_map(|index| rows.field(&format!("{HIDDEN}metric{index}")))
            .map(|typed| typed.expr.is_not_null())
            .reduce(Expr::or);
        if let Some(present) = present {
            rows = at(span, rows.filter(present))?;
        }
        for field in &self.stats.by {
            let name = field.field.text.clone();
            if name == "_time" {
                continue;
            }
            let value = rows.field(&name).map_or_else(null_text, |typed| typed.expr);
            rows = at(span, rows.set(vec![(name.clone(), value.clone())]))?;
            rows = at(span, rows.filter(value.is_not_null()))?;
            by.push(name);
        }
        let rows = planner.aggregate(rows, &aggregations, &by, span)?;
        at(span, rows.called(BUCKET, "_time"))
    }

    /// Only what has metrics is read; of types that nobody has told about it is not known.
    fn may_read(&self, info: &TypeInfo, _: &Knowledge, _: &EvalContext) -> bool {
        let known = info.event_type.is_windows() || info.mapping.event_data().next().is_some();
        !known || info.can_have("metric_name")
    }

    fn reads(&self, _: &Needs, info: &TypeInfo, _: &Knowledge) -> Reads {
        Reads::columns(info, &self.fields_read())
    }
}

impl Mstats {
    /// The fields of the events that are read.
    fn fields_read(&self) -> Vec<String> {
        let mut names: Vec<String> = vec!["metric_name".to_owned(), "_value".to_owned()];
        let mut metrics = Vec::new();
        if let Some(filter) = &self.stats.filter {
            let filter = without_metric(filter, &mut metrics);
            let mut needs = Needs::default();
            needs.search_clause(&filter);
            names.extend(needs.names().map(str::to_owned));
        }
        for field in self.stats.fields() {
            metrics.push(field.clone());
            names.push(field);
        }
        names.extend(
            metrics
                .into_iter()
                .map(|metric| format!("{PREFIX}{metric}")),
        );
        names.retain(|name| !name.ends_with(":_value") && !name.contains('*'));
        let mut unique = HashSet::new();
        names.retain(|name| unique.insert(name.clone()));
        names
    }
}

/// The number of one of these metrics in a row; of any if none is named.
fn metric(rows: &Rows, metrics: &[String]) -> Expr {
    let mut values = Vec::new();
    let mut patterns: Vec<SearchValue> = metrics.iter().map(SearchValue::plain).collect();
    for metric in metrics {
        if let Some(typed) = rows.field(&format!("{PREFIX}{metric}")) {
            values.push(cast_to(typed, &DataType::Float64));
        }
    }
    if patterns.is_empty() {
        patterns.push(SearchValue::plain("*"));
    }
    if let (Some(name), Some(value)) = (rows.field("metric_name"), rows.field("_value")) {
        let fits = null_is_false(search_equals(name, &patterns));
        let value = cast_to(value, &DataType::Float64);
        values.push(Expr::Case(Case::new(
            None,
            vec![(Box::new(fits), Box::new(value))],
            None,
        )));
    }
    match values.len() {
        0 => cast_to(
            Typed {
                expr: null_text(),
                data_type: DataType::Utf8,
            },
            &DataType::Float64,
        ),
        1 => values.swap_remove(0),
        _ => coalesce(values),
    }
}

/// The clause without what it says of `metric_name`, which is noted.
fn without_metric(clause: &SearchExpr, names: &mut Vec<String>) -> SearchExpr {
    let everything = SearchExpr::And(Vec::new());
    match clause {
        SearchExpr::And(all) => {
            SearchExpr::And(all.iter().map(|one| without_metric(one, names)).collect())
        }
        SearchExpr::Or(any)
            if any.iter().all(|one| {
                matches!(one, SearchExpr::Compare { field, op: CompareOp::Eq, .. } if field.text == "metric_name")
            }) =>
        {
            for one in any {
                without_metric(one, names);
            }
            everything
        }
        SearchExpr::Compare {
            field,
            op: CompareOp::Eq,
            value,
        } if field.text == "metric_name" => {
            names.push(value.text.clone());
            everything
        }
        SearchExpr::In { field, values } if field.text == "metric_name" => {
            names.extend(values.iter().map(|value| value.text.clone()));
            everything
        }
        other => other.clone(),
    }
}
