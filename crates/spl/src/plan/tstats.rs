//! `tstats`: aggregation over a data model, or over all events.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;

use super::model::{field_of, find_node, without_nodename};
use super::needs::Needs;
use super::{Planner, Result, Rows, at, cast_to, diagnostic, text};
use crate::expr::{Fields, Typed};
use crate::syntax::ast::{
    AggregationArgument, BinSpan, SearchExpr, Span, TimeSpan, TimeUnit, Tstats,
};
use crate::syntax::walk::visit_fields;

/// Splunk chooses the span of a bare `by _time` from the time range of the search. Here it is always this one, so that
/// the same events give the same rows.
const DEFAULT_SPAN: BinSpan = BinSpan::Time(TimeSpan {
    amount: 1,
    unit: TimeUnit::Second,
});

/// The group's time, until the aggregation is done.
const GROUP_TIME: &str = "__group_time";

impl Planner<'_> {
    pub(super) fn tstats(&mut self, tstats: &Tstats, span: Span) -> Result<Rows> {
        let everything = SearchExpr::And(Vec::new());
        let filter = &self.resolve_clause(tstats.filter.as_ref().unwrap_or(&everything))?;
        let fields = fields(tstats);
        let mut rows = match &tstats.datamodel {
            Some(name) => {
                let node = find_node(self.knowledge, name)?.clone();
                let filter = SearchExpr::And(vec![
                    self.child_filter(name)?,
                    without_nodename(filter, &node)?,
                ]);
                for (field, place) in named(tstats) {
                    self.warn_of_unknown_node_field(&node, &field, place);
                }
                self.node_rows(&node, &filter, &fields, span)?
            }
            None => {
                let needs = Needs::of_names(&fields);
                self.raw_search(filter, &needs, span)?
            }
        };
        let mut by = Vec::new();
        for field in &tstats.by {
            let name = &field.field.text;
            if name == "_time" {
                let width = field.span.unwrap_or(DEFAULT_SPAN);
                let time = rows
                    .field("_time")
                    .ok_or_else(|| diagnostic(field.field.span, "the events have no time"))?;
                let binned = crate::commands::bin::time_bin(time, width, field.field.span)?;
                // The aggregations still see the events' own times.
                rows = at(span, rows.set(vec![(GROUP_TIME.to_owned(), binned)]))?;
                by.push(GROUP_TIME.to_owned());
                continue;
            } else if field.span.is_some() {
                return Err(diagnostic(field.field.span, "`span=` goes with `_time`"));
            } else {
                let typed = rows.field(name).unwrap_or(Typed {
                    expr: super::null_text(),
                    data_type: DataType::Utf8,
                });
                let filled = match tstats.fillnull_value() {
                    Some(value) => {
                        let data_type = super::common_type(&typed.data_type, &DataType::Utf8);
                        let fill = cast_to(
                            Typed {
                                expr: text(value),
                                data_type: DataType::Utf8,
                            },
                            &data_type,
                        );
                        super::coalesce(vec![cast_to(typed, &data_type), fill])
                    }
                    None => {
                        rows = at(span, rows.filter(typed.expr.clone().is_not_null()))?;
                        typed.expr
                    }
                };
                rows = at(span, rows.set(vec![(name.clone(), filled)]))?;
            }
            by.push(name.clone());
        }
        if tstats.flag("prestats") {
            // The command behind it aggregates: it gets the events, as the groups of `_time` and with the fields in use.
            let mut columns = vec![];
            if rows.has(GROUP_TIME) {
                columns.push(("_time".to_owned(), super::column(GROUP_TIME)));
            } else if rows.has("_time") {
                columns.push(("_time".to_owned(), super::column("_time")));
            }
            columns.extend(
                rows.all_names()
                    .into_iter()
                    .filter(|name| name != GROUP_TIME && name != "_time")
                    .map(|name| (name.clone(), super::column(&name))),
            );
            return at(span, rows.reshape(columns));
        }
        let rows = self.aggregate(rows, &tstats.aggregations, &by, span)?;
        at(span, rows.called(GROUP_TIME, "_time"))
    }
}

/// The fields of a `tstats` with their places.
fn named(tstats: &Tstats) -> Vec<(String, Span)> {
    let mut named: Vec<(String, Span)> = Vec::new();
    for aggregation in &tstats.aggregations {
        match &aggregation.argument {
            None => {}
            Some(AggregationArgument::Field(name)) => named.push((name.text.clone(), name.span)),
            Some(AggregationArgument::Eval(expr)) => {
                visit_fields(expr, &mut |name, span| named.push((name.to_owned(), span)));
            }
        }
    }
    if let Some(filter) = &tstats.filter {
        filter_fields(filter, &mut named);
    }
    named.extend(
        tstats
            .by
            .iter()
            .map(|by| (by.field.text.clone(), by.field.span)),
    );
    named
}

fn filter_fields(expr: &SearchExpr, named: &mut Vec<(String, Span)>) {
    match expr {
        SearchExpr::And(parts) | SearchExpr::Or(parts) => {
            parts.iter().for_each(|part| filter_fields(part, named))
        }
        SearchExpr::Not(inner) => filter_fields(inner, named),
        SearchExpr::Compare { field, .. }
        | SearchExpr::In { field, .. }
        | SearchExpr::Given { field, .. } => {
            if !matches!(
                field.text.as_str(),
                "earliest" | "latest" | "nodename" | "index"
            ) {
                named.push((field.text.clone(), field.span));
            }
        }
        SearchExpr::Subsearch(pipeline) => {
            let names = super::needs::outputs(pipeline).unwrap_or_default();
            named.extend(names.into_iter().map(|name| (name, pipeline.span)));
        }
        SearchExpr::Term(_) => {}
    }
}

/// The fields whose values a `tstats` passes on: those of its groups and aggregations.
pub(crate) fn fields(tstats: &Tstats) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let unfiltered = Tstats {
        filter: None,
        ..tstats.clone()
    };
    named(&unfiltered)
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| seen.insert(name.clone()))
        .collect()
}

/// Every field of the node that a `tstats` reads, without the node's name.
pub(crate) fn fields_read(tstats: &Tstats, node: Option<&crabwalk_events::Node>) -> Vec<String> {
    named(tstats)
        .into_iter()
        .map(|(name, _)| node.map_or_else(|| name.clone(), |node| field_of(node, &name).to_owned()))
        .collect()
}
