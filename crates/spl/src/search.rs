//! A parsed search, and its errors.

use std::fmt;

use crate::HIDDEN;
use crate::clause::MADE_INDEXES;
use crate::commands::{self, FromDataset, Mstats, Tstats};
use crate::knowledge::Knowledge;
use crate::plan::needs::sources;
use crate::syntax::ast::{CommandKind, CompareOp, Pipeline, SearchExpr, Span};
use crate::syntax::command::Part;
use crate::syntax::{self, Diagnostic};

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
