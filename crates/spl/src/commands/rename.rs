//! `rename`: renames fields.

use std::fmt;

use datafusion::logical_expr::Expr;

use crate::plan::wildcards::renamed;
use crate::plan::{Passing, Planner, Result, Rows, at, column, is_hidden, null_text};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::print::{list, quoted};
use crate::syntax::usage::{Cursor, Form, Reading, Usage, Whole, correspond};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "rename",
        also: &[],
        syntax: "rename <field> as <name>, …",
        meaning: "Renames fields; `*` matches the same text on both sides.",
        options: &[],
    },
    form: Form::Own { parse, print },
    reads: |arguments| Reading {
        renamed: arguments.pairs.clone(),
        ..Reading::default()
    },
    plan: &(plan as Passing),
};

fn parse(cursor: &mut dyn Cursor, _: &Usage) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    while !cursor.ended() {
        let from = cursor.column("a field")?;
        if !cursor.eat_keyword("as") {
            return Err(cursor.expected(&format!("`as` after `{}`", from.text)));
        }
        let to = cursor.column("a new name after `as`")?;
        correspond(&from, &to)?;
        arguments.pairs.push((from, to));
    }
    if arguments.pairs.is_empty() {
        return Err(cursor.expected("a field"));
    }
    Ok(arguments)
}

fn print(arguments: &Arguments, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    list(f, &arguments.pairs, |f, (from, to)| {
        write!(f, "{} AS {}", quoted(&from.text), quoted(&to.text))
    })
}

fn plan(_: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    // (new name, old name), in order; a later pair sees the results of earlier ones.
    let mut names: Vec<(String, Option<String>)> = rows
        .all_names()
        .into_iter()
        .map(|name| (name.clone(), Some(name)))
        .collect();
    for (from, to) in &arguments.pairs {
        if from.text.contains('*') {
            for at in 0..names.len() {
                let new = names
                    .get(at)
                    .filter(|(now, _)| !is_hidden(now))
                    .and_then(|(now, _)| renamed(now, from, to));
                if let Some(new) = new {
                    replace(&mut names, at, &new);
                }
            }
        } else if let Some(at) = names.iter().position(|(now, _)| *now == from.text) {
            replace(&mut names, at, &to.text);
        } else if let Some((_, before)) = names.iter_mut().find(|(now, _)| *now == to.text) {
            // Renaming a missing field to an existing one empties the latter.
            *before = None;
        }
    }
    names.retain(|(now, _)| !now.is_empty());
    let columns: Vec<(String, Expr)> = names
        .into_iter()
        .map(|(now, before)| (now, before.map_or_else(null_text, |before| column(&before))))
        .collect();
    let rows = at(span, rows.reshape(columns))?;
    if arguments.pairs.iter().any(|(_, to)| to.text == "_time") {
        return at(span, rows.timed_anew());
    }
    Ok(rows)
}

/// Renames the column at an index; another column of that name is removed.
fn replace(names: &mut [(String, Option<String>)], at: usize, new: &str) {
    for (other, (now, _)) in names.iter_mut().enumerate() {
        if other == at {
            new.clone_into(now);
        } else if now == new {
            now.clear();
        }
    }
}
