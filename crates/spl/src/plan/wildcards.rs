//! Which columns a name means that may hold `*`, and what they are called then.

use super::{Rows, is_hidden};
use crate::expr::{Fields, Typed};
use crate::syntax::ast::{Arguments, Name};

/// The field that a command takes, and its value; none where no row has it.
pub(crate) fn only_field(rows: &Rows, arguments: &Arguments) -> Option<(String, Typed)> {
    let name = arguments.fields.first()?;
    Some((name.text.clone(), rows.field(&name.text)?))
}

/// Whether a name, with its wildcards, means a column.
pub(crate) fn matches(name: &Name, column: &str) -> bool {
    column == name.text || name.text.contains('*') && wildcard_parts(&name.text, column).is_some()
}

/// The columns that names with wildcards mean.
pub(crate) fn matching(rows: &Rows, names: &[Name]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        for own in rows.names() {
            if matches(name, &own) && !found.contains(&own) {
                found.push(own);
            }
        }
    }
    found
}

/// The new name of a field under `from as to`, `None` if it does not fit `from`.
pub(crate) fn renamed(name: &str, from: &Name, to: &Name) -> Option<String> {
    renamed_text(name, &from.text, &to.text).filter(|new| !is_hidden(new))
}

/// As [`renamed`], for texts.
pub(crate) fn renamed_text(name: &str, from: &str, to: &str) -> Option<String> {
    let parts = wildcard_parts(from, name)?;
    let mut parts = parts.into_iter();
    let mut output = String::new();
    for piece in to.split_inclusive('*') {
        match piece.strip_suffix('*') {
            Some(fixed) => {
                output.push_str(fixed);
                output.push_str(parts.next().unwrap_or(""));
            }
            None => output.push_str(piece),
        }
    }
    Some(output)
}

/// What each `*` of a pattern stands for in a name, the first ones as short as they can be.
pub(crate) fn wildcard_parts<'n>(pattern: &str, name: &'n str) -> Option<Vec<&'n str>> {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or("");
    let mut rest = name.strip_prefix(first)?;
    let mut parts = Vec::new();
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let at = if pieces.peek().is_none() {
            rest.len()
                .checked_sub(piece.len())
                .filter(|at| rest.is_char_boundary(*at) && rest.ends_with(piece))?
        } else {
            rest.find(piece)?
        };
        parts.push(&rest[..at]);
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::ast::Span;

    #[test]
    fn wildcards_rename() {
        let name = |text: &str| Name {
            text: text.to_owned(),
            span: Span::default(),
        };
        for (field, from, to, expected) in [
            ("Processes.dest", "Processes.*", "*", Some("dest")),
            (
                "process_id",
                "process*",
                "parent_process*",
                Some("parent_process_id"),
            ),
            ("a_b_c", "*_*_c", "*-*", Some("a-b")),
            ("abc", "abc", "x", Some("x")),
            ("abd", "abc", "x", None),
            ("x", "values(*)", "*", None),
            ("aXa", "a*a*", "*", Some("X")),
        ] {
            assert_eq!(
                renamed(field, &name(from), &name(to)).as_deref(),
                expected,
                "{field} {from} {to}"
            );
        }
    }
}
