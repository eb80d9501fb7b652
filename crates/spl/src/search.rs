//! A parsed search, and its errors.

use std::collections::BTreeSet;
use std::fmt;

use crate::HIDDEN;
use crate::clause::MADE_INDEXES;
use crate::commands::{self, FromDataset, Mstats, Tstats};
use crate::knowledge::Knowledge;
use crate::plan::needs::sources;
use crate::plan::wildcards::renamed;
use crate::syntax::ast::{
    Aggregation, Command, CommandKind, CompareOp, Name, Pipeline, SearchExpr, Span,
};
use crate::syntax::command::Part;
use crate::syntax::{self, Diagnostic, walk};

/// A parsed search.
#[derive(Debug, Clone)]
pub struct Search {
    name: String,
    text: String,
    pipeline: Pipeline,
}

impl Search {
    /// Parses a search. `name` is shown in errors: that of the detection, or where the text comes from.
    ///
    /// # Errors
    /// All errors in the text.
    pub fn parse(name: &str, text: &str, knowledge: &Knowledge) -> Result<Self, SearchError> {
        if let Some(start) = text.find(HIDDEN) {
            let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            let span = Span {
                start: place(start),
                end: place(start + HIDDEN.len_utf8()),
            };
            let why = "the control character U+0001 is kept for the engine";
            let diagnostic = Diagnostic::new(why, span)
                .with_help("remove it; a regular expression can have it as `\\x01`");
            return Err(SearchError::new(name, text, vec![diagnostic]));
        }
        match syntax::parse(text, &knowledge.macros) {
            Ok(pipeline) => Ok(Self {
                name: name.to_owned(),
                text: text.to_owned(),
                pipeline,
            }),
            Err(diagnostics) => Err(SearchError::new(name, text, diagnostics)),
        }
    }

    /// The name given to [`parse`](Self::parse).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text as the user wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The syntax tree.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Whether it writes a lookup (`outputlookup`).
    pub fn writes_lookups(&self) -> bool {
        writes_lookups(&self.pipeline)
    }

    /// Whether it searches only events made from findings: whether each of its searches of raw events names such an
    /// index (`index=risk`, `index=notable`), each of its data models only has events of `channels`, and there is at
    /// least one of either.
    pub fn is_of_made_events(&self, knowledge: &Knowledge, channels: &[&str]) -> bool {
        let is_made = |dataset: &str| {
            let model = dataset.split('.').next().unwrap_or(dataset);
            let mut nodes = knowledge
                .models
                .nodes()
                .iter()
                .filter(|node| node.model.eq_ignore_ascii_case(model))
                .peekable();
            nodes.peek().is_some()
                && nodes.all(|node| {
                    node.cim_requires.is_empty()
                        && node
                            .members
                            .iter()
                            .flat_map(|member| &member.types)
                            .all(|types| {
                                types
                                    .channel()
                                    .is_some_and(|channel| channels.contains(&channel))
                            })
                })
        };
        let answers: Vec<bool> = sources(&self.pipeline, knowledge)
            .iter()
            .filter_map(|(pipeline, _)| {
                let first = &pipeline.commands.first()?.kind;
                if let Some(commands::Search(clause)) = first.of() {
                    Some(names_made_index(clause))
                } else if let Some(tstats) = first.of::<Tstats>() {
                    Some(match (&tstats.datamodel, &tstats.filter) {
                        (Some(dataset), _) => is_made(&dataset.text),
                        (None, Some(filter)) => names_made_index(filter),
                        (None, None) => false,
                    })
                } else if let Some(from) = first.of::<FromDataset>() {
                    from.datamodel().map(|name| is_made(&name.text))
                } else {
                    // Others are over lookups, and rows that are made.
                    first.of::<Mstats>().map(|_| false)
                }
            })
            .collect();
        !answers.is_empty() && answers.into_iter().all(|made| made)
    }

    /// The start of the range of time that its first command asks for, as written (`earliest=-7d`); none if it asks for
    /// no start.
    pub fn earliest(&self) -> Option<&str> {
        let first = &self.pipeline.commands.first()?.kind;
        let clause = match (first.of::<commands::Search>(), first.of::<Tstats>()) {
            (Some(commands::Search(clause)), _) => Some(clause),
            (None, Some(tstats)) => tstats.filter.as_ref(),
            (None, None) => None,
        };
        earliest(clause?)
    }

    /// The beginning of the text whose rows are still events: up to the command that makes other rows of them or chooses
    /// their columns, such as `stats` or `table`. `None` if the search does not begin with events.
    pub fn events(&self) -> Option<&str> {
        let commands = &self.pipeline.commands;
        let first = commands.first()?;
        first.kind.of::<commands::Search>()?;
        let end = commands.iter().skip(1).find(|one| !one.kind.passes_rows());
        let end = end.map_or(self.text.len(), |one| one.span.start as usize);
        let text = self.text.get(..end)?.trim_end();
        let text = text.strip_suffix('|').unwrap_or(text).trim_end();
        (!text.is_empty()).then_some(text)
    }

    /// Whether each of its rows follows from one event, or from events that agree in the fields of the row, whatever
    /// else was logged and however much: then a search over part of the events gives the rows of that part, and a rule
    /// need not wait for a window of time to end.
    ///
    /// Commands that compare rows with each other, count them or join them are not of this kind, and neither are
    /// conditions on what an aggregation gives, such as `where count > 5`.
    pub fn judges_single_events(&self) -> bool {
        let mut commands = self.pipeline.commands.iter();
        let Some(first) = commands.next() else {
            return false;
        };
        // What depends on how many events there are.
        let mut counted: BTreeSet<String> = BTreeSet::new();
        let mut grouped = false;
        let reads = if let Some(tstats) = first.kind.of::<Tstats>() {
            grouped = true;
            counted.extend(outputs(&tstats.aggregations));
            !tstats.by.is_empty() && !tstats.flag("prestats") && tstats.datamodel.is_some()
        } else if let Some(from) = first.kind.of::<FromDataset>() {
            from.datamodel().is_some()
        } else {
            first.kind.of::<commands::Search>().is_some() || first.name == "datamodel"
        };
        let reads_others = |command: &Command| {
            let mut any = command.kind.parts().iter().any(|part| match part {
                Part::Search(_) | Part::Pipe(_) => true,
                Part::Clause(clause) => has_subsearch(clause),
                Part::Expression(_) => false,
            });
            for expr in walk::expressions(&command.kind) {
                walk::visit_subsearches(expr, &mut |_| any = true);
            }
            any
        };
        if !reads || reads_others(first) {
            return false;
        }
        let mut follows = |command: &Command| {
            let kind = &command.kind;
            if let Some(commands::Search(clause)) = kind.of() {
                let mut free = true;
                walk::visit_clause_fields(clause, &mut |name| free &= !counted.contains(name));
                return free;
            }
            if let Some(commands::Where(condition)) = kind.of() {
                let mut free = true;
                walk::visit_fields(condition, &mut |name, _| free &= !counted.contains(name));
                return free;
            }
            if let Some(commands::Eval(assignments)) = kind.of() {
                for (target, value) in assignments {
                    let mut free = true;
                    walk::visit_fields(value, &mut |name, _| free &= !counted.contains(name));
                    match free {
                        true => counted.remove(&target.text),
                        false => counted.insert(target.text.clone()),
                    };
                }
                return true;
            }
            if let Some(stats) = kind.of::<commands::Stats>() {
                counted.extend(outputs(&stats.aggregations));
                return !std::mem::replace(&mut grouped, true) && !stats.by.is_empty();
            }
            for (from, to) in renames(kind) {
                let new: Vec<String> = counted
                    .iter()
                    .filter_map(|name| renamed(name, from, to))
                    .collect();
                counted.extend(new);
            }
            ROW_BY_ROW.contains(&command.name.as_str())
                || (!grouped && MAKES_FIELDS.contains(&command.name.as_str()))
        };
        commands.all(|command| !reads_others(command) && follows(command))
    }

    /// Errors of this search.
    pub(crate) fn error(&self, diagnostics: Vec<Diagnostic>) -> SearchError {
        SearchError::new(&self.name, &self.text, diagnostics)
    }

    /// An error without a position in the text.
    pub(crate) fn failure(&self, message: String) -> SearchError {
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.error(vec![Diagnostic::new(message, Span { start: 0, end })])
    }
}

/// What becomes of the names of fields, by commands that also say it so.
fn renames(kind: &CommandKind) -> Vec<(&Name, &Name)> {
    if let Some(convert) = kind.of::<commands::Convert>() {
        let all = convert.conversions.iter();
        return all
            .filter_map(|one| Some((&one.field, one.output.as_ref()?)))
            .collect();
    }
    match kind {
        CommandKind::Whole(_, arguments) => arguments
            .pairs
            .iter()
            .map(|(from, to)| (from, to))
            .collect(),
        CommandKind::Typed(..) | CommandKind::Unsupported { .. } => Vec::new(),
    }
}

/// Commands that look at each row alone and keep all rows: content has them behind an aggregation, to make its rows
/// readable.
const ROW_BY_ROW: [&str; 8] = [
    "rename",
    "fields",
    "table",
    "fillnull",
    "convert",
    "fieldformat",
    "lookup",
    "highlight",
];

/// Commands that make fields of fields, row by row.
const MAKES_FIELDS: [&str; 15] = [
    "rex",
    "regex",
    "makemv",
    "mvexpand",
    "nomv",
    "spath",
    "extract",
    "kv",
    "iplocation",
    "strcat",
    "replace",
    "rangemap",
    "xmlkv",
    "fromjson",
    "tojson",
];

fn outputs(aggregations: &[Aggregation]) -> impl Iterator<Item = String> {
    aggregations.iter().map(|one| one.output.text.clone())
}

fn has_subsearch(clause: &SearchExpr) -> bool {
    match clause {
        SearchExpr::And(all) | SearchExpr::Or(all) => all.iter().any(has_subsearch),
        SearchExpr::Not(inner) => has_subsearch(inner),
        SearchExpr::Subsearch(_) | SearchExpr::Given { .. } => true,
        SearchExpr::Compare { .. } | SearchExpr::In { .. } | SearchExpr::Term(_) => false,
    }
}

fn earliest(clause: &SearchExpr) -> Option<&str> {
    match clause {
        SearchExpr::And(all) => all.iter().find_map(earliest),
        SearchExpr::Compare {
            field,
            op: CompareOp::Eq,
            value,
        } if matches!(field.text.as_str(), "earliest" | "starttime") => Some(&value.text),
        _ => None,
    }
}

fn writes_lookups(pipeline: &Pipeline) -> bool {
    pipeline.commands.iter().any(|command| {
        let own = match &command.kind {
            CommandKind::Typed(_, syntax) => syntax.writes_lookup(),
            CommandKind::Whole(..) | CommandKind::Unsupported { .. } => false,
        };
        own || command.kind.parts().iter().any(|part| match part {
            Part::Search(inner) | Part::Pipe(inner) => writes_lookups(inner),
            Part::Expression(_) | Part::Clause(_) => false,
        })
    })
}

fn names_made_index(clause: &SearchExpr) -> bool {
    let made = |text: &str| {
        MADE_INDEXES
            .iter()
            .any(|name| text.eq_ignore_ascii_case(name))
    };
    match clause {
        SearchExpr::And(all) => all.iter().any(names_made_index),
        SearchExpr::Or(any) => !any.is_empty() && any.iter().all(names_made_index),
        SearchExpr::Compare {
            field,
            op: CompareOp::Eq,
            value,
        } => field.text == "index" && made(&value.text),
        SearchExpr::In { field, values } => {
            field.text == "index" && values.iter().all(|value| made(&value.text))
        }
        _ => false,
    }
}

/// Why a search cannot be parsed, planned or run. Its `Display` shows the text with carets.
#[derive(Debug, Clone)]
pub struct SearchError {
    name: String,
    text: String,
    diagnostics: Vec<Diagnostic>,
}

impl SearchError {
    pub(crate) fn new(name: &str, text: &str, diagnostics: Vec<Diagnostic>) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            diagnostics,
        }
    }

    /// The errors, with positions in the text.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Name of the search.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For people, with the text and carets.
    pub fn render(&self, color: bool) -> String {
        if color {
            syntax::render_coloured(&self.diagnostics, &self.text, &self.name)
        } else {
            syntax::render(&self.diagnostics, &self.text, &self.name)
        }
    }
}

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for SearchError {}
