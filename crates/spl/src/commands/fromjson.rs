//! `fromjson`: fields from the members of a JSON object.

use crate::ops::documents::Format;
use crate::plan::needs::Needs;
use crate::plan::{Looking, Planner, Result, Rows};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, obeyed};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "fromjson",
        also: &[],
        syntax: "fromjson <field> [prefix=<text>]",
        meaning: "Makes fields from the members of a JSON object.",
        options: &[obeyed("prefix", "Prefix for their names.")],
    },
    form: Form::FIELD,
    reads: |arguments| Reading {
        makes_any: true,
        ..Reading::named(arguments)
    },
    plan: &(plan as Looking),
};

fn plan(
    planner: &mut Planner<'_>,
    rows: Rows,
    arguments: &Arguments,
    later: &Needs,
    span: Span,
) -> Result<Rows> {
    let Some(input) = arguments.fields.first() else {
        return Ok(rows);
    };
    let prefix = arguments.option("prefix").unwrap_or("");
    planner.document(rows, &input.text, &Format::Members, prefix, later, span)
}
