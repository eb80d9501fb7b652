//! `untable`: one row per cell of a table.

use crate::plan::{Made, Passing, Planner, Result, Rows, at};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "untable",
        also: &[],
        syntax: "untable <field of the rows> <name of the columns> <name of the cells>",
        meaning: "Makes one row per cell of a table, with the row's field, the column's name, and the value. The \
                  inverse of `xyseries`.",
        options: &[],
    },
    form: Form::Plain {
        names: (3, 3),
        expects: "three names: the row field, the column-name field, the value field",
        subsearches: 0,
    },
    reads: |arguments| Reading {
        fields: arguments
            .fields
            .iter()
            .take(1)
            .map(|name| name.text.clone())
            .collect(),
        all: true,
        makes: arguments
            .fields
            .iter()
            .skip(1)
            .map(|name| name.text.clone())
            .collect(),
        ends: true,
        ..Reading::default()
    },
    plan: &(plan as Passing),
};

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let [row_field, column_name, cell_name] = arguments.fields.as_slice() else {
        return Ok(rows);
    };
    let Some(staged) = planner.stage(rows.clone(), None, span)? else {
        return Ok(rows);
    };
    let cells: Vec<String> = staged
        .names()
        .into_iter()
        .filter(|name| *name != row_field.text && !name.starts_with('_'))
        .collect();
    let (mut from, mut names, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..staged.len() {
        for name in &cells {
            let own = staged.values(name, row);
            if !own.is_empty() {
                from.push(Some(row));
                names.push(vec![name.clone()]);
                values.push(own);
            }
        }
    }
    let mut made = Made::new(from.len());
    at(span, made.taken(&staged, &[&row_field.text], &from))?;
    made.texts(&column_name.text, names);
    made.texts(&cell_name.text, values);
    at(span, made.taken(&staged, &staged.origins(), &from))?;
    at(span, made.rows(planner.fresh()))
}
