//! `fields`: keeps or drops fields.

use std::fmt;

use datafusion::logical_expr::Expr;

use crate::plan::wildcards::wildcard_parts;
use crate::plan::{Passing, Planner, Result, Rows, at, column};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::print::names;
use crate::syntax::usage::{Cursor, Form, Reading, Usage, Whole};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "fields",
        also: &[],
        syntax: "fields [+|-] <fields>",
        meaning: "Keeps or drops fields.",
        options: &[],
    },
    form: Form::Own { parse, print },
    reads: |arguments| {
        if arguments.negated {
            return Reading::default();
        }
        Reading {
            keeps: true,
            ..Reading::named(arguments)
        }
    },
    plan: &(plan as Passing),
};

fn parse(cursor: &mut dyn Cursor, _: &Usage) -> Result<Arguments> {
    let mut arguments = Arguments {
        negated: cursor.eat(b'-'),
        ..Arguments::default()
    };
    if !arguments.negated {
        cursor.eat(b'+');
    }
    while arguments.fields.is_empty() || !cursor.ended() {
        cursor.ended();
        arguments.fields.push(cursor.column("a field")?);
    }
    Ok(arguments)
}

fn print(arguments: &Arguments, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(if arguments.negated { " -" } else { " +" })?;
    names(f, &arguments.fields)
}

fn plan(_: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let (keep, names) = (!arguments.negated, &arguments.fields);
    let named = |own: &str| {
        names.iter().any(|name| {
            if name.text.contains('*') {
                wildcard_parts(&name.text, own).is_some()
            } else {
                name.text == own
            }
        })
    };
    let mut kept: Vec<String> = Vec::new();
    if keep {
        // In the requested order; `_time` stays unless it is dropped by name.
        for name in names {
            for own in rows.names() {
                let fits = own == name.text
                    || (name.text.contains('*') && wildcard_parts(&name.text, &own).is_some());
                if fits && !kept.contains(&own) {
                    kept.push(own);
                }
            }
        }
        if rows.has("_time") && !kept.iter().any(|own| own == "_time") {
            kept.insert(0, "_time".to_owned());
        }
    } else {
        kept = rows.names().into_iter().filter(|own| !named(own)).collect();
    }
    let mut columns: Vec<(String, Expr)> = kept
        .into_iter()
        .map(|name| (name.clone(), column(&name)))
        .collect();
    columns.extend(rows.hidden());
    at(span, rows.reshape(columns))
}
