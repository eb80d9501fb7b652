//! `format`: the rows as one text, in the form of a subsearch's result.

use std::fmt;

use crate::plan::subsearch::{MOST_ROWS, formatted, one_row};
use crate::plan::{Passing, Planner, Result, Rows, diagnostic, text};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::print::{names, options};
use crate::syntax::usage::{Cursor, Form, Reading, Usage, Whole, count, obeyed};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "format",
        also: &[],
        syntax: "format [<options>] [<six strings>]",
        meaning: "Combines the rows into one row whose `search` is a search clause that matches them.",
        options: &[
            obeyed(
                "mvsep",
                "Operator between the values of a field; default `OR`.",
            ),
            count("maxresults", "Maximum rows; 0 for all."),
            obeyed("emptystr", "Result without any rows; default `NOT ( )`."),
        ],
    },
    form: Form::Own { parse, print },
    reads: |_| Reading {
        columns: true,
        // Its text needs the fields of the rows, whatever they are.
        makes_any: true,
        adds_rows: true,
        ..Reading::default()
    },
    plan: &(plan as Passing),
};

/// Options, and the words before, between and after.
fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    while !cursor.ended() {
        if let Some(name) = cursor.option_name() {
            if let Some(value) = cursor.option(usage, &name)? {
                arguments.options.push((name, value.text));
            }
        } else {
            arguments.fields.push(cursor.value("format")?);
        }
    }
    if !matches!(arguments.fields.len(), 0 | 6) {
        return Err(cursor.expected(
            "six strings: prefix, row prefix, field separator, row suffix, row separator, suffix",
        ));
    }
    Ok(arguments)
}

fn print(arguments: &Arguments, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    options(f, &arguments.options)?;
    names(f, &arguments.fields)
}

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let most = match arguments.option("maxresults") {
        None | Some("0") => MOST_ROWS,
        Some(most) => most
            .parse()
            .map_err(|_| diagnostic(span, format!("`maxresults={most}` is not a number")))?,
    };
    let search = match planner.stage(rows, None, span)? {
        Some(staged) => formatted(&staged, most, arguments),
        None => String::new(),
    };
    one_row(vec![("search".to_owned(), text(search))], span)
}
