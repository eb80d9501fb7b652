//! `nomv`: joins multiple values.

use crate::ops::values;
use crate::plan::wildcards::only_field;
use crate::plan::{Passing, Planner, Result, Rows, at};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "nomv",
        also: &[],
        syntax: "nomv <field>",
        meaning: "Joins the values of a field with line breaks.",
        options: &[],
    },
    form: Form::FIELD,
    reads: Reading::named,
    plan: &(plan as Passing),
};

fn plan(_: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let Some((name, value)) = only_field(&rows, arguments) else {
        return Ok(rows);
    };
    let joined = values::joined(value, "\n");
    at(span, rows.set(vec![(name, joined)]))
}
