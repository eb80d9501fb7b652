//! `table`: these fields, in this order.

use datafusion::logical_expr::Expr;

use crate::plan::wildcards::wildcard_parts;
use crate::plan::{Passing, Planner, Result, Rows, WORDS, at, column, null_text};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "table",
        also: &[],
        syntax: "table <fields>",
        meaning: "Keeps only these fields, in this order.",
        options: &[],
    },
    form: Form::Plain {
        names: (1, usize::MAX),
        expects: "a field",
        subsearches: 0,
    },
    reads: |arguments| Reading {
        keeps: true,
        ..Reading::named(arguments)
    },
    plan: &(plan as Passing),
};

fn plan(_: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let mut columns: Vec<(String, Expr)> = Vec::new();
    for name in &arguments.fields {
        if name.text.contains('*') {
            for own in rows
                .names()
                .into_iter()
                .filter(|own| wildcard_parts(&name.text, own).is_some())
            {
                if !columns.iter().any(|(known, _)| *known == own) {
                    columns.push((own.clone(), column(&own)));
                }
            }
        } else if !columns.iter().any(|(known, _)| *known == name.text) {
            // `table` shows a column even for a field that no row has.
            columns.push((
                name.text.clone(),
                if rows.has(&name.text) {
                    column(&name.text)
                } else {
                    null_text()
                },
            ));
        }
    }
    // The text of the event is gone, so words are searched for in what is shown.
    columns.extend(rows.hidden().into_iter().filter(|(name, _)| name != WORDS));
    let rows = at(span, rows.reshape(columns))?;
    Ok(Rows {
        open: false,
        ..rows
    })
}
