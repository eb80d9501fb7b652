//! `tstats`: aggregation over a data model, or over all events.

use std::collections::BTreeSet;
use std::fmt::{self, Display};

use crabwalk_events::Node;
use datafusion::arrow::datatypes::DataType;

use super::bin::time_bin;
use crate::expr::{EvalContext, Fields, Typed};
use crate::knowledge::Knowledge;
use crate::plan::model::{condition_fields, field_of, find_node, may_be_in, without_nodename};
use crate::plan::needs::{Needs, outputs};
use crate::plan::{
    Plan, Planner, Reads, Result, Rows, Source, TypeInfo, at, cast_to, coalesce, column,
    common_type, diagnostic, not_first, null_text, text, typed,
};
use crate::syntax::ast::{
    self, Aggregation, AggregationArgument, BinSpan, ByField, Name, SearchExpr, Span, TimeSpan,
    TimeUnit,
};
use crate::syntax::command::{
    Ledger, Part, Syntax, columns_of, expressions_of, expressions_of_mut,
};
use crate::syntax::print::{by_clause, list, options, quoted};
use crate::syntax::usage::{Cursor, Usage, Whole, flag, is_on, no_effect, obeyed};
use crate::syntax::walk::visit_fields;

pub(super) static COMMAND: Whole = typed::<Tstats>(Usage {
    name: "tstats",
    also: &[],
    syntax: "tstats [<options>] <aggregation> … [from datamodel=<Model.Node>] [where <conditions>] [by <fields> [span=<span>]]",
    meaning: "Aggregates the events of a data model, or all events.",
    options: &[
        flag(
            "prestats",
            "Passes the events to the next command, which aggregates them.",
        ),
        flag(
            "append",
            "With `prestats=true`, appends them to the rows so far.",
        ),
        obeyed(
            "fillnull_value",
            "Value for rows without a group's field; by default they are left out.",
        ),
        no_effect("allow_old_summaries", SUMMARIES),
        no_effect("summariesonly", SUMMARIES),
        no_effect("include_reduced_buckets", SUMMARIES),
        no_effect("chunk_size", MEMORY),
        no_effect("local", "everything runs on one machine"),
    ],
});

const SUMMARIES: &str = "all events, old and new, count as summarised";
pub(super) const MEMORY: &str = "it limits Splunk's memory use";

/// Splunk chooses the span of a bare `by _time` from the time range of the search. Here it is always this one, so that
/// the same events give the same rows.
const DEFAULT_SPAN: BinSpan = BinSpan::Time(TimeSpan {
    amount: 1,
    unit: TimeUnit::Second,
});

/// The group's time, until the aggregation is done.
const GROUP_TIME: &str = hidden!("group_time");

/// `tstats`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tstats {
    /// `prestats=`, `summariesonly=`, … as written, names lower case.
    pub options: Vec<(Name, String)>,
    /// The aggregations.
    pub aggregations: Vec<Aggregation>,
    /// The data model and node (`Endpoint.Processes`), `None` when over indexed fields.
    pub datamodel: Option<Name>,
    /// `nodename=` is part of `filter`.
    pub filter: Option<SearchExpr>,
    /// The groups.
    pub by: Vec<ByField>,
}

impl Tstats {
    /// Whether an option is on; all are off by default.
    pub fn flag(&self, name: &str) -> bool {
        let mut options = self.options.iter();
        options.any(|(own, value)| own.text == name && is_on(value))
    }

    /// `fillnull_value=`, if given.
    pub fn fillnull_value(&self) -> Option<&str> {
        self.options
            .iter()
            .find(|(name, _)| name.text == "fillnull_value")
            .map(|(_, value)| value.as_str())
    }
}

impl Syntax for Tstats {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let mut options = Vec::new();
        while let Some(option) = cursor.option_name() {
            if let Some(value) = cursor.option(usage, &option)? {
                options.push((option, value.text));
            }
        }
        let on = |name: &str| {
            let is_on = |(own, value): &&(Name, String)| own.text == name && is_on(value);
            options.iter().find(is_on)
        };
        if let (Some((append, _)), None) = (on("append"), on("prestats")) {
            return Err(diagnostic(
                append.span,
                "`append=true` of `tstats` requires `prestats=true`",
            ));
        }
        let aggregations = cursor.aggregations(usage, &mut options)?;
        let mut datamodel = None;
        if cursor.eat_keyword("from") {
            cursor.at_end();
            if !cursor.eat_text("datamodel") {
                return Err(cursor.expected("`datamodel=` after `from`"));
            }
            if !cursor.eat(b'=') {
                cursor.eat(b':');
            }
            datamodel = Some(cursor.name("the name of a data model")?);
        }
        let filter = if cursor.eat_keyword("where") {
            if cursor.ended() {
                return Err(cursor.expected("conditions"));
            }
            Some(cursor.clause(true)?)
        } else {
            None
        };
        let by = cursor.groups(usage, &mut options)?;
        let prefix = |name: &&Name| {
            let start = name.text.get(.."PREFIX(".len());
            start.is_some_and(|start| start.eq_ignore_ascii_case("PREFIX("))
        };
        if let Some(prefix) = by.iter().map(|group| &group.field).find(prefix) {
            return Err(
                diagnostic(prefix.span, "`PREFIX()` of `tstats` is not supported")
                    .with_help("events have fields: group by the field itself"),
            );
        }
        Ok(Self {
            options,
            aggregations,
            datamodel,
            filter,
            by,
        })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        options(f, &self.options)?;
        list(f, &self.aggregations, |f, aggregation| aggregation.fmt(f))?;
        if let Some(datamodel) = &self.datamodel {
            write!(f, " from datamodel={}", quoted(&datamodel.text))?;
        }
        if let Some(filter) = &self.filter {
            write!(f, " where {filter}")?;
        }
        by_clause(f, &self.by)
    }

    fn note(&self, _: &mut dyn Ledger) -> bool {
        false
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let clause = self.filter.iter().map(Part::Clause);
        expressions_of(&self.aggregations).chain(clause).collect()
    }

    fn expressions_mut(&mut self) -> Vec<&mut ast::Expr> {
        expressions_of_mut(&mut self.aggregations).collect()
    }

    fn columns(&self, _: Option<Vec<String>>) -> Option<Vec<String>> {
        columns_of(&self.aggregations, &self.by)
    }

    fn needs_events(&self) -> bool {
        !self.by.is_empty()
    }

    fn reads_events(&self) -> bool {
        self.flag("append")
    }
}

impl Plan for Tstats {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        if !self.flag("append") {
            return Err(not_first("tstats", span));
        }
        let more = self.read(planner, span)?;
        planner.below(rows, more, span)
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

impl Source for Tstats {
    fn rows(&self, planner: &mut Planner<'_>, _: &Needs, span: Span) -> Result<Rows> {
        if let Some(filter) = &self.filter {
            planner.note_range(filter);
        }
        self.read(planner, span)
    }

    fn may_read(&self, info: &TypeInfo, knowledge: &Knowledge, context: &EvalContext) -> bool {
        let name = self.datamodel.as_ref();
        name.is_none_or(|name| may_be_in(&name.text, info, knowledge, context))
    }

    fn reads(&self, _: &Needs, info: &TypeInfo, knowledge: &Knowledge) -> Reads {
        let name = self.datamodel.as_ref();
        let node = name.and_then(|name| knowledge.models.node(&name.text));
        let mut names = self.fields_read(node);
        names.extend(node.into_iter().flat_map(condition_fields));
        Reads::columns(info, &names)
    }
}

impl Tstats {
    fn read(&self, planner: &mut Planner<'_>, span: Span) -> Result<Rows> {
        let everything = SearchExpr::And(Vec::new());
        let filter = &planner.resolve_clause(self.filter.as_ref().unwrap_or(&everything))?;
        let fields = self.fields();
        let mut rows = match &self.datamodel {
            Some(name) => {
                let node = find_node(planner.knowledge, name)?.clone();
                let filter = SearchExpr::And(vec![
                    planner.child_filter(name)?,
                    without_nodename(filter, &node)?,
                ]);
                for (field, place) in self.named() {
                    planner.warn_of_unknown_node_field(&node, &field, place);
                }
                planner.node_rows(&node, &filter, &fields, span)?
            }
            None => {
                let needs = Needs::of_names(&fields);
                planner.raw_search(filter, &needs, span)?
            }
        };
        let mut by = Vec::new();
        for field in &self.by {
            let name = &field.field.text;
            if name == "_time" {
                let width = field.span.unwrap_or(DEFAULT_SPAN);
                let time = rows
                    .field("_time")
                    .ok_or_else(|| diagnostic(field.field.span, "the events have no time"))?;
                let binned = time_bin(time, width, field.field.span)?;
                // The aggregations still see the events' own times.
                rows = at(span, rows.set(vec![(GROUP_TIME.to_owned(), binned)]))?;
                by.push(GROUP_TIME.to_owned());
                continue;
            } else if field.span.is_some() {
                return Err(diagnostic(field.field.span, "`span=` requires `_time`"));
            } else {
                let typed = rows.field(name).unwrap_or(Typed {
                    expr: null_text(),
                    data_type: DataType::Utf8,
                });
                let filled = match self.fillnull_value() {
                    Some(value) => {
                        let data_type = common_type(&typed.data_type, &DataType::Utf8);
                        let fill = cast_to(
                            Typed {
                                expr: text(value),
                                data_type: DataType::Utf8,
                            },
                            &data_type,
                        );
                        coalesce(vec![cast_to(typed, &data_type), fill])
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
        if self.flag("prestats") {
            // The command behind it aggregates: it gets the events, as the groups of `_time` and with the fields in use.
            let mut columns = vec![];
            if rows.has(GROUP_TIME) {
                columns.push(("_time".to_owned(), column(GROUP_TIME)));
            } else if rows.has("_time") {
                columns.push(("_time".to_owned(), column("_time")));
            }
            columns.extend(
                rows.all_names()
                    .into_iter()
                    .filter(|name| name != GROUP_TIME && name != "_time")
                    .map(|name| (name.clone(), column(&name))),
            );
            return at(span, rows.reshape(columns));
        }
        let rows = planner.aggregate(rows, &self.aggregations, &by, span)?;
        at(span, rows.called(GROUP_TIME, "_time"))
    }

    /// The fields that it names, with their places.
    fn named(&self) -> Vec<(String, Span)> {
        let mut named = self.values_named();
        if let Some(filter) = &self.filter {
            filter_fields(filter, &mut named);
        }
        named.extend(self.groups_named());
        named
    }

    /// Those in its aggregations.
    fn values_named(&self) -> Vec<(String, Span)> {
        let mut named: Vec<(String, Span)> = Vec::new();
        for aggregation in &self.aggregations {
            match &aggregation.argument {
                None => {}
                Some(AggregationArgument::Field(name)) => {
                    named.push((name.text.clone(), name.span));
                }
                Some(AggregationArgument::Eval(expr)) => {
                    visit_fields(expr, &mut |name, span| named.push((name.to_owned(), span)));
                }
            }
        }
        named
    }

    /// Those of its groups.
    fn groups_named(&self) -> impl Iterator<Item = (String, Span)> {
        let by = self.by.iter();
        by.map(|by| (by.field.text.clone(), by.field.span))
    }

    /// The fields whose values it passes on: those of its groups and aggregations.
    pub(super) fn fields(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let named = self.values_named().into_iter().chain(self.groups_named());
        named
            .map(|(name, _)| name)
            .filter(|name| seen.insert(name.clone()))
            .collect()
    }

    /// Every field of the node that it reads, without the node's name.
    fn fields_read(&self, node: Option<&Node>) -> Vec<String> {
        let own = |name: String| match node {
            Some(node) => field_of(node, &name).to_owned(),
            None => name,
        };
        self.named()
            .into_iter()
            .map(|(name, _)| own(name))
            .collect()
    }
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
            let names = outputs(pipeline).unwrap_or_default();
            named.extend(names.into_iter().map(|name| (name, pipeline.span)));
        }
        SearchExpr::Term(_) => {}
    }
}
