//! `transpose`: turns rows into columns.

use crate::plan::{MOST_COLUMNS, Made, Names, Passing, Planner, Result, Rows, at, diagnostic};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, field, flag};

/// Default number of rows that become columns.
const DEFAULT_ROWS: usize = 5;

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "transpose",
        also: &[],
        syntax: "transpose [<number>] [<options>]",
        meaning: "Turns the first 5 rows, or a given number (0 for all), into columns, and each column into a row.",
        options: &[
            field(
                "column_name",
                "Name of the column for the old column names; default `column`.",
            ),
            field(
                "header_field",
                "Field whose values name the new columns; by default they are `row 1`, `row 2` ….",
            ),
            flag(
                "include_empty",
                "Whether columns without values become rows; default true.",
            ),
        ],
    },
    form: Form::Plain {
        names: (0, 1),
        expects: "a number of rows",
        subsearches: 0,
    },
    reads: |_| Reading {
        all: true,
        ends: true,
        adds_rows: true,
        ..Reading::default()
    },
    plan: &(plan as Passing),
};

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let most = match arguments.fields.first() {
        None => DEFAULT_ROWS,
        Some(number) => match number.text.parse() {
            Ok(0) => usize::MAX,
            Ok(most) => most,
            Err(_) => {
                return Err(diagnostic(
                    number.span,
                    format!("`{}` is not a number of rows", number.text),
                ));
            }
        },
    };
    let Some(staged) = planner.stage(rows.clone(), None, span)? else {
        return Ok(rows);
    };
    let turned = staged.len().min(most);
    if turned > MOST_COLUMNS {
        return Err(diagnostic(
            span,
            format!("`transpose` would make {turned} columns; the limit is {MOST_COLUMNS}"),
        )
        .with_help("say how many rows become columns: `transpose 100`"));
    }
    let header = arguments.option("header_field");
    let old: Vec<String> = staged
        .names()
        .into_iter()
        .filter(|name| header != Some(name.as_str()))
        .collect();
    let with_empty = arguments.flag("include_empty", true);
    let kept: Vec<String> = old
        .into_iter()
        .filter(|name| with_empty || (0..turned).any(|row| !staged.values(name, row).is_empty()))
        .collect();
    let mut made = Made::new(kept.len());
    let first = arguments.option("column_name").unwrap_or("column");
    made.texts(first, kept.iter().map(|name| vec![name.clone()]).collect());
    let mut given = Names::default();
    given.of(first);
    for row in 0..turned {
        let numbered = format!("row {}", row + 1);
        let own = match header {
            None => numbered,
            Some(field) => staged.text(field, row).unwrap_or(numbered),
        };
        let cells = kept.iter().map(|name| staged.values(name, row));
        // Two rows may have the same value in the header field.
        made.texts(&given.of(&own), cells.collect());
    }
    at(span, made.rows(planner.fresh()))
}
