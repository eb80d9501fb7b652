//! Whether detections can run: errors in their searches, fields that no event has, and likely mistakes.

use std::sync::Arc;

use crabwalk_events::{Assets, EventType, MemoryCatalog};
use crabwalk_spl::commands::Tstats;
use crabwalk_spl::syntax::ast::{AggregationArgument, SearchExpr, Span};
use crabwalk_spl::{Diagnostic, Engine, EngineOptions, Knowledge, Readers, Search};
use crabwalk_vocabulary::Family;

use crate::content::Content;
use crate::detection::Detection;
use crate::error::RunError;
use crate::lint;
use crate::workers::apart;

/// The result for a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckResult {
    /// It can be planned, and would run.
    Runs,
    /// It runs, but names a field that no known event type has, or no known event type matches it.
    RunsWithMissingFields,
    /// It cannot run.
    CannotRun,
}

impl CheckResult {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::RunsWithMissingFields => "runs-with-missing-fields",
            Self::CannotRun => "cannot-run",
        }
    }
}

/// One remark about a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What is wrong, and how to fix it.
    pub message: String,
    /// Line in the file, from 1, if known.
    pub line: Option<usize>,
    /// Column in the file, in characters from 1, if known.
    pub column: Option<usize>,
    /// The same for people: the search text with a caret below the place.
    pub shown: String,
}

/// A detection and the remarks about it.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The detection that was checked.
    pub detection: Arc<Detection>,
    /// Whether it runs.
    pub result: CheckResult,
    /// Why it does not run, or which fields it names that no event has.
    pub reasons: Vec<Reason>,
    /// Likely mistakes.
    pub lints: Vec<Reason>,
}

/// Checks the detections for which `wanted` returns true, in order of their names.
///
/// # Errors
/// If the system cannot start a thread.
pub fn check(
    content: &Content,
    wanted: &dyn Fn(&Detection) -> bool,
) -> Result<Vec<Checked>, RunError> {
    let knowledge = Arc::new(content.knowledge.clone());
    let chosen: Vec<Arc<Detection>> = content
        .detections
        .iter()
        .filter(|one| wanted(one))
        .cloned()
        .collect();
    Ok(apart(|| check_all(&chosen, &knowledge))?)
}

fn check_all(detections: &[Arc<Detection>], knowledge: &Arc<Knowledge>) -> Vec<Checked> {
    let engine = Engine::new(
        Arc::new(MemoryCatalog::default()),
        Arc::clone(knowledge),
        EngineOptions {
            now: 0.0,
            threads: 1,
            memory: crabwalk_spl::DEFAULT_MEMORY,
        },
    );
    let readers = Readers::new(knowledge);
    let known: Vec<EventType> = knowledge.mappings.known_types().into_iter().collect();
    detections
        .iter()
        .map(|detection| check_one(detection, &engine, &readers, &known, knowledge))
        .collect()
}

fn check_one(
    detection: &Arc<Detection>,
    engine: &Engine,
    readers: &Readers,
    known: &[EventType],
    knowledge: &Knowledge,
) -> Checked {
    let reason = |one: &Diagnostic| reason(detection, one);
    let planned = Search::parse(&detection.name, &detection.search, knowledge)
        .and_then(|search| engine.check(&search).map(|warnings| (search, warnings)));
    let (search, warnings) = match planned {
        Ok(planned) => planned,
        Err(error) => {
            let reasons = error.diagnostics().iter().map(reason).collect();
            return Checked {
                detection: Arc::clone(detection),
                result: CheckResult::CannotRun,
                reasons,
                lints: Vec::new(),
            };
        }
    };
    let (mut missing, mut lints): (Vec<Diagnostic>, Vec<Diagnostic>) =
        warnings.into_iter().partition(names_missing_field);
    let reader = readers.of(&search);
    let read: Vec<&EventType> = known.iter().filter(|one| reader.reads(one)).collect();
    if read.is_empty() && reader.needs_events() {
        let pipeline = search.pipeline();
        let first = pipeline.commands.first();
        let span = first.map_or(pipeline.span, |command| command.span);
        let message = "no known event type matches this search";
        // The planner may already have said so, in more detail.
        lints.retain(|one| !one.message.starts_with(message));
        missing.insert(0, Diagnostic::new(message, span));
    }
    for pipeline in lint::pipelines(search.pipeline()) {
        for command in &pipeline.commands {
            if let Some(tstats) = command.kind.of::<Tstats>() {
                missing.extend(fields_in_vain(tstats, known, knowledge));
            }
        }
    }
    missing.sort_by_key(|one| (one.span.start, one.message.clone()));
    missing.dedup_by(|a, b| a.message == b.message);
    // Text that matches Windows events is meant for these. Little is known in advance about other kinds of logs, so
    // most text seems to match them; and only correlations see the results of findings.
    let windows = read.iter().any(|one| one.is_windows());
    let of_logs: Vec<&EventType> = read
        .into_iter()
        .filter(|one| !matches!(one.family(), Family::Stash(_)) && (one.is_windows() || !windows))
        .collect();
    // A clause that matches nearly everything does not reveal where its events come from.
    let first: Vec<&EventType> = of_logs
        .into_iter()
        .filter(|one| reader.reads_first(one))
        .collect();
    let anything = first.len() * 2 > known.len();
    let told = if anything { &[] } else { first.as_slice() };
    lints.extend(lint::lint(&search, told, knowledge));
    lints.sort_by_key(|one| one.span.start);
    Checked {
        result: if missing.is_empty() {
            CheckResult::Runs
        } else {
            CheckResult::RunsWithMissingFields
        },
        reasons: missing.iter().map(reason).collect(),
        lints: lints.iter().map(reason).collect(),
        detection: Arc::clone(detection),
    }
}

/// Whether a warning of the planner is about a field that no event has.
fn names_missing_field(warning: &Diagnostic) -> bool {
    warning.message.contains("has a field `") || warning.message.contains("has no field `")
}

fn reason(detection: &Detection, one: &Diagnostic) -> Reason {
    let place = detection
        .origin
        .place(&detection.search, one.span.start as usize);
    Reason {
        message: match &one.help {
            Some(help) => format!("{}; {help}", one.message),
            None => one.message.clone(),
        },
        line: place.map(|(line, _)| line).or(detection.origin.search_line),
        column: place.map(|(_, column)| column),
        shown: crabwalk_spl::syntax::render(
            std::slice::from_ref(one),
            &detection.search,
            &detection.origin.path,
        ),
    }
}

/// The fields of a node that a search names but no event type of the node has.
fn fields_in_vain(tstats: &Tstats, known: &[EventType], knowledge: &Knowledge) -> Vec<Diagnostic> {
    let Some(node) = tstats
        .datamodel
        .as_ref()
        .and_then(|name| knowledge.models.node(&name.text))
    else {
        return Vec::new();
    };
    let members: Vec<_> = known
        .iter()
        .filter(|one| {
            node.members
                .iter()
                .flat_map(|member| &member.types)
                .any(|pattern| pattern.matches(&one.channel, one.event_id))
        })
        .map(|one| knowledge.mappings.of(&one.channel, one.event_id))
        .collect();
    if members.is_empty() {
        return Vec::new();
    }
    let own = |name: &str| -> String {
        match name.split_once('.') {
            Some((first, rest)) if first == node.name || node.children.contains_key(first) => {
                rest.to_owned()
            }
            _ => name.to_owned(),
        }
    };
    let gives = |field: &str| {
        members
            .iter()
            .any(|mapping| mapping.alias(field).is_some() || mapping.has_event_data(field))
    };
    let mut named: Vec<(String, Span)> = Vec::new();
    if let Some(filter) = &tstats.filter {
        filter_fields(filter, &mut named);
    }
    for field in &tstats.by {
        named.push((field.field.text.clone(), field.field.span));
    }
    for aggregation in &tstats.aggregations {
        if let Some(AggregationArgument::Field(name)) = &aggregation.argument {
            named.push((name.text.clone(), name.span));
        }
    }
    named
        .into_iter()
        .map(|(name, span)| (own(&name), span))
        .filter(|(field, _)| {
            const ALWAYS: [&str; 7] = [
                "_time",
                "host",
                "source",
                "sourcetype",
                "nodename",
                "index",
                "tag",
            ];
            !field.contains('*')
                && !ALWAYS.contains(&field.as_str())
                && node.fields.contains(field)
                && Assets::split_field(field).is_none()
                && !gives(field)
        })
        .map(|(field, span)| {
            Diagnostic::new(
                format!(
                    "no known event type of {}.{} has the field `{field}`",
                    node.model, node.name
                ),
                span,
            )
        })
        .collect()
}

fn filter_fields(expr: &SearchExpr, named: &mut Vec<(String, Span)>) {
    match expr {
        SearchExpr::And(all) | SearchExpr::Or(all) => {
            all.iter().for_each(|one| filter_fields(one, named));
        }
        SearchExpr::Not(one) => filter_fields(one, named),
        SearchExpr::Compare { field, .. }
        | SearchExpr::In { field, .. }
        | SearchExpr::Given { field, .. } => {
            named.push((field.text.clone(), field.span));
        }
        SearchExpr::Term(_) | SearchExpr::Subsearch(_) => {}
    }
}
