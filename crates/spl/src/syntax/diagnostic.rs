//! Errors that point into the text of a search.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::span::Span;

/// Something wrong with a search.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// Where, in the text that the user wrote.
    pub span: Span,
    /// What else is worth knowing.
    pub note: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic without note and help.
    #[must_use]
    pub fn new(message: impl Into<String>, span: Span) -> Self {
        Self {
            message: message.into(),
            span,
            note: None,
            help: None,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what else is worth knowing.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// Line and column in a text, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// Where a span starts, as line and column.
#[must_use]
pub fn position(text: &str, span: Span) -> Position {
    let before = &text[..floor(text, span.start as usize)];
    let line_start = before.rfind('\n').map_or(0, |index| index + 1);
    Position {
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// Shows diagnostics below the lines that they are about, without colours. `name` says where the text is from.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], text: &str, name: &str) -> String {
    render_with(&Renderer::plain(), diagnostics, text, name)
}

/// As [`render`], with ANSI colours for a terminal.
#[must_use]
pub fn render_coloured(diagnostics: &[Diagnostic], text: &str, name: &str) -> String {
    render_with(&Renderer::styled(), diagnostics, text, name)
}

fn render_with(renderer: &Renderer, diagnostics: &[Diagnostic], text: &str, name: &str) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let start = floor(text, diagnostic.span.start as usize);
        let mut end = floor(text, diagnostic.span.end as usize).max(start);
        if end == start {
            // A caret needs something to stand below.
            end = text[start..]
                .chars()
                .next()
                .map_or(start, |next| start + next.len_utf8());
        }
        let snippet = Snippet::source(text)
            .path(name)
            .annotation(AnnotationKind::Primary.span(start..end));
        let mut group = Group::with_title(Level::ERROR.primary_title(diagnostic.message.as_str()))
            .element(snippet);
        if let Some(note) = &diagnostic.note {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        if !out.is_empty() {
            out.push_str("\n\n");
        }
        out.push_str(&renderer.render(&[group]));
    }
    out
}

/// The character boundary at or before `offset`.
fn floor(text: &str, offset: usize) -> usize {
    text.floor_char_boundary(offset.min(text.len()))
}
