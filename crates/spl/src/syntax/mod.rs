//! SPL as text: lexing, macros, parsing, printing and errors that point into the search.
//!
//! Parsing takes two steps. First macros and comments are resolved on the text, as Splunk does it, with a map from the
//! resulting text back to what the user wrote. Then a recursive-descent parser reads the result; what a word means depends
//! on the command it stands in (`-` is part of a value in a search clause and an operator in `eval`), so there is no
//! token stream that all commands share.

mod aggregations;
pub mod ast;
pub mod command;
mod commands;
mod diagnostic;
pub mod effect;
mod expr;
mod macros;
mod parser;
pub(crate) mod print;
mod search;
mod span;
pub mod usage;
pub(crate) mod walk;
mod width;

pub(crate) use commands::{is_keyword, usages};
pub(crate) use parser::is_delimiter;
pub(crate) use width::parse_span;

pub use diagnostic::{Diagnostic, Position, position, render, render_coloured};
pub use macros::{MacroDefinition, MacroTable, Macros};

pub use span::Span;

use ast::{Expr, Pipeline, SearchExpr};

/// Parses a whole search, with its macros expanded.
///
/// # Errors
///
/// All that is wrong with the search, in the order of the text. Spans point into `text`, also for what macros brought in.
pub fn parse(text: &str, macros: &dyn Macros) -> Result<Pipeline, Vec<Diagnostic>> {
    parser::with_parser(text, macros, |parser| Ok(parser.whole_pipeline()))
}

/// Parses a search that calls no macros, except for undefined `…_filter` macros, which let everything pass.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_without_macros(text: &str) -> Result<Pipeline, Vec<Diagnostic>> {
    parse(text, &MacroTable::default())
}

/// A search with its macros expanded.
///
/// # Errors
///
/// What is wrong with its macros and comments.
pub(crate) fn expand_macros(text: &str, macros: &dyn Macros) -> Result<String, Vec<Diagnostic>> {
    let (expanded, diagnostics) = macros::expand(text, macros);
    if diagnostics.is_empty() {
        Ok(expanded.text)
    } else {
        Err(diagnostics)
    }
}

/// Parses one eval expression, such as `lower(user) . "@" . domain`.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_expr(text: &str) -> Result<Expr, Vec<Diagnostic>> {
    parser::with_parser(text, &MacroTable::default(), |parser| parser.whole_expr())
}

/// The commands that are run, by name.
pub fn commands() -> Vec<&'static usage::Usage> {
    let mut all: Vec<_> = usages().collect();
    all.sort_by_key(|usage| usage.name);
    all
}

/// Parses one search clause, such as `EventCode=4624 Logon_Type IN (3, 10)`.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_search(text: &str) -> Result<SearchExpr, Vec<Diagnostic>> {
    parse_search_with_macros(text, &MacroTable::default())
}

/// Parses one search clause that may call macros.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_search_with_macros(
    text: &str,
    macros: &dyn Macros,
) -> Result<SearchExpr, Vec<Diagnostic>> {
    parser::with_parser(text, macros, |parser| parser.whole_search())
}
