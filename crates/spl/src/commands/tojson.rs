//! `tojson`: the fields of a row as a JSON object.

use crate::expr::Fields;
use crate::ops::json::{JsonType, object};
use crate::plan::wildcards::matches;
use crate::plan::{Passing, Planner, Result, Rows, at, diagnostic};
use crate::syntax::ast::{Arguments, Name, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, field, flag, obeyed};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "tojson",
        also: &[],
        syntax: "tojson [<options>] [<field> | <type>(<field>)] …",
        meaning: "Writes the given fields, or all, as a JSON object. A type sets how values are written: `str`, \
                  `num`, `bool`, `json`, `auto` (whichever of these the value looks like), or `none` (numbers as \
                  numbers, the rest as text). Multiple values become an array.",
        options: &[
            obeyed(
                "default_type",
                "The type for fields without one; default `none`.",
            ),
            flag(
                "fill_null",
                "Writes `null` for a value that does not match its type; by default such values are left out.",
            ),
            flag(
                "include_internal",
                "Includes fields whose names begin with `_`.",
            ),
            field("output_field", "Field for the object; default `_raw`."),
        ],
    },
    form: Form::Plain {
        names: (0, usize::MAX),
        expects: "a field, or a type and a field such as `num(count)`",
        subsearches: 0,
    },
    reads: |arguments| Reading {
        fields: arguments
            .fields
            .iter()
            .map(|name| typed(name, JsonType::None).0.text)
            .collect(),
        all: arguments.fields.is_empty(),
        makes: vec![output(arguments).to_owned()],
        ..Reading::default()
    },
    plan: &(plan as Passing),
};

fn output(arguments: &Arguments) -> &str {
    arguments.option("output_field").unwrap_or("_raw")
}

/// A field and its type, which may be wrapped around it.
fn typed(name: &Name, default: JsonType) -> (Name, JsonType) {
    let inner = name.text.split_once('(').and_then(|(word, rest)| {
        let kind = JsonType::named(word)?;
        Some((kind, rest.strip_suffix(')')?.trim().trim_matches('"')))
    });
    match inner {
        Some((kind, field)) => (
            Name {
                text: field.to_owned(),
                span: name.span,
            },
            kind,
        ),
        None => (name.clone(), default),
    }
}

fn plan(_: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let default = match arguments.written("default_type") {
        None => JsonType::None,
        Some((option, value)) => JsonType::named(value).ok_or_else(|| {
            diagnostic(
                option.span,
                format!("`default_type` is str, num, bool, json, auto or none, not `{value}`"),
            )
        })?,
    };
    let internal = arguments.flag("include_internal", false);
    let asked: Vec<(Name, JsonType)> = arguments
        .fields
        .iter()
        .map(|name| typed(name, default))
        .collect();
    let mut members = Vec::new();
    for name in rows.names() {
        let kind = if asked.is_empty() {
            Some(default)
        } else {
            asked
                .iter()
                .find(|(own, _)| matches(own, &name))
                .map(|(_, kind)| *kind)
        };
        let named = asked.iter().any(|(own, _)| own.text == name);
        if let (Some(kind), Some(value)) = (kind, rows.field(&name))
            && (internal || named || !name.starts_with('_'))
        {
            members.push((name, kind, value));
        }
    }
    let json = object(members, arguments.flag("fill_null", false));
    at(span, rows.set(vec![(output(arguments).to_owned(), json)]))
}
