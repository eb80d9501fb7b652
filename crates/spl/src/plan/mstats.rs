//! `mstats`: aggregation over metrics.
//!
//! A metric event has fields `metric_name:x` with numbers, or one `metric_name` with its number in `_value`; both forms
//! are read. `avg(x)` is over the metric `x`; `avg(_value)` is over the metrics that `where metric_name=` names.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Case, Expr};

use super::needs::Needs;
use super::tstats::fields;
use super::{Planner, Result, Rows, at, cast_to, coalesce};
use crate::clause::search_equals;
use crate::expr::{Fields, Typed};
use crate::syntax::ast::{
    Aggregation, AggregationArgument, CompareOp, Mstats, Name, SearchExpr, SearchValue, Span,
};

/// Before the name of a metric in the name of its field.
const PREFIX: &str = "metric_name:";
/// The time of the group while it is aggregated.
const BUCKET: &str = "__bucket";

impl Planner<'_> {
    pub(super) fn mstats(&mut self, mstats: &Mstats, span: Span) -> Result<Rows> {
        let everything = SearchExpr::And(Vec::new());
        let filter = self.resolve_clause(mstats.stats.filter.as_ref().unwrap_or(&everything))?;
        let mut wanted = Vec::new();
        let filter = without_metric(&filter, &mut wanted);
        let needs = Needs::of_names(&fields_read(mstats));
        let mut rows = self.raw_search(&filter, &needs, span)?;
        let mut aggregations = Vec::new();
        for (index, aggregation) in mstats.stats.aggregations.iter().enumerate() {
            let Some(AggregationArgument::Field(field)) = &aggregation.argument else {
                aggregations.push(aggregation.clone());
                continue;
            };
            let metrics = if field.text == "_value" {
                wanted.clone()
            } else {
                vec![field.text.clone()]
            };
            let column = format!("__metric{index}");
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
        if let Some(width) = mstats.span
            && let Some(time) = rows.field("_time")
        {
            let bucket = crate::commands::bin::time_bin(time, width, span)?;
            rows = at(span, rows.set(vec![(BUCKET.to_owned(), bucket)]))?;
            by.push(BUCKET.to_owned());
        }
        // Events without any of the metrics are in no group.
        let present = (0..aggregations.len())
            .filter_map(|index| rows.field(&format!("__metric{index}")))
            .map(|typed| typed.expr.is_not_null())
            .reduce(Expr::or);
        if let Some(present) = present {
            rows = at(span, rows.filter(present))?;
        }
        for field in &mstats.stats.by {
            let name = field.field.text.clone();
            if name == "_time" {
                continue;
            }
            let value = rows
                .field(&name)
                .map_or_else(super::null_text, |typed| typed.expr);
            rows = at(span, rows.set(vec![(name.clone(), value.clone())]))?;
            rows = at(span, rows.filter(value.is_not_null()))?;
            by.push(name);
        }
        let rows = self.aggregate(rows, &aggregations, &by, span)?;
        at(span, rows.called(BUCKET, "_time"))
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
        let fits = super::null_is_false(search_equals(name, &patterns));
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
                expr: super::null_text(),
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

/// The fields of the events that are read.
pub(crate) fn fields_read(mstats: &Mstats) -> Vec<String> {
    let mut names: Vec<String> = vec!["metric_name".to_owned(), "_value".to_owned()];
    let mut metrics = Vec::new();
    if let Some(filter) = &mstats.stats.filter {
        let filter = without_metric(filter, &mut metrics);
        let mut needs = Needs::default();
        needs.search_clause(&filter);
        names.extend(needs.names().map(str::to_owned));
    }
    for field in fields(&mstats.stats) {
        metrics.push(field.clone());
        names.push(field);
    }
    names.extend(
        metrics
            .into_iter()
            .map(|metric| format!("{PREFIX}{metric}")),
    );
    names.retain(|name| !name.ends_with(":_value") && !name.contains('*'));
    let mut unique = std::collections::HashSet::new();
    names.retain(|name| unique.insert(name.clone()));
    names
}
