//! `replace`: replaces values.

use std::fmt;

use crate::expr::Fields;
use crate::ops::values;
use crate::plan::wildcards::matching;
use crate::plan::{Passing, Planner, Result, Rows, at};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::print::{list, names, quoted};
use crate::syntax::usage::{Cursor, Form, Reading, Usage, Whole};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "replace",
        also: &[],
        syntax: "replace <value> with <value>, … [in <fields>]",
        meaning: "Replaces values; `*` matches the same text on both sides.",
        options: &[],
    },
    form: Form::Own { parse, print },
    reads: Reading::named,
    plan: &(plan as Passing),
};

fn parse(cursor: &mut dyn Cursor, _: &Usage) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    while !cursor.ended() {
        let start = cursor.place();
        if !arguments.pairs.is_empty() && cursor.eat_keyword("in") {
            let behind = cursor.place();
            if !cursor.eat_keyword("with") {
                while arguments.fields.is_empty() || !cursor.ended() {
                    cursor.ended();
                    arguments.fields.push(cursor.column("a field")?);
                }
                break;
            }
            // A value that is the word `in`.
            cursor.return_to(behind.min(start));
        }
        let from = cursor.value("replace")?;
        if !cursor.eat_keyword("with") {
            return Err(cursor.expected("`with`"));
        }
        arguments.pairs.push((from, cursor.value("with")?));
    }
    if arguments.pairs.is_empty() {
        return Err(cursor.expected("a value to replace"));
    }
    Ok(arguments)
}

fn print(arguments: &Arguments, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    list(f, &arguments.pairs, |f, (from, to)| {
        write!(f, "{} with {}", quoted(&from.text), quoted(&to.text))
    })?;
    if !arguments.fields.is_empty() {
        f.write_str(" in")?;
        names(f, &arguments.fields)?;
    }
    Ok(())
}

fn plan(_: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let fields: Vec<String> = if arguments.fields.is_empty() {
        rows.names()
            .into_iter()
            .filter(|name| !name.starts_with('_'))
            .collect()
    } else {
        matching(&rows, &arguments.fields)
    };
    let mut assignments = Vec::new();
    for field in fields {
        let Some(value) = rows.field(&field) else {
            continue;
        };
        let pairs: Vec<(&str, &str)> = arguments
            .pairs
            .iter()
            .map(|(from, to)| (from.text.as_str(), to.text.as_str()))
            .collect();
        let replaced = values::replace_values(value, &pairs);
        assignments.push((field, replaced.expr));
    }
    at(span, rows.set(assignments))
}
