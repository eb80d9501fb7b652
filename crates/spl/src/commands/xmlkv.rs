//! `xmlkv`: fields from XML elements.

use crate::ops::documents::Format;
use crate::plan::needs::Needs;
use crate::plan::{Looking, Planner, Result, Rows};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, no_effect};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "xmlkv",
        also: &[],
        syntax: "xmlkv [<field>]",
        meaning: "Makes fields from XML elements that contain text.",
        options: &[no_effect("maxinputs", "every row is read")],
    },
    form: Form::Plain {
        names: (0, 1),
        expects: "a field",
        subsearches: 0,
    },
    reads: |arguments| Reading {
        fields: vec![input(arguments).to_owned()],
        makes_any: true,
        ..Reading::default()
    },
    plan: &(plan as Looking),
};

/// The field that is read.
fn input(arguments: &Arguments) -> &str {
    arguments
        .fields
        .first()
        .map_or("_raw", |name| name.text.as_str())
}

fn plan(
    planner: &mut Planner<'_>,
    rows: Rows,
    arguments: &Arguments,
    later: &Needs,
    span: Span,
) -> Result<Rows> {
    planner.document(rows, input(arguments), &Format::Elements, "", later, span)
}
