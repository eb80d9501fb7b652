//! `spath`: fields from a JSON or XML document.

use crate::expr::Fields;
use crate::ops::documents::{Format, out_of};
use crate::plan::needs::Needs;
use crate::plan::{Looking, Planner, Result, Rows, at, diagnostic, null_text};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, field, obeyed};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "spath",
        also: &[],
        syntax: "spath [<options>] [<path>]",
        meaning: "Makes fields from a JSON or XML document, or one from the value at a path.",
        options: &[
            field("input", "Field with the document; default `_raw`."),
            field(
                "output",
                "Field for the value at the path; by default named after the path.",
            ),
            obeyed("path", "The path, such as `a{}.b`."),
        ],
    },
    form: Form::Plain {
        names: (0, 1),
        expects: "a path",
        subsearches: 0,
    },
    reads: |arguments| Reading {
        fields: vec![arguments.option("input").unwrap_or("_raw").to_owned()],
        makes: path(arguments)
            .map(|path| arguments.option("output").unwrap_or(path).to_owned())
            .into_iter()
            .collect(),
        makes_any: path(arguments).is_none(),
        ..Reading::default()
    },
    plan: &(plan as Looking),
};

fn path(arguments: &Arguments) -> Option<&str> {
    let alone = || arguments.fields.first().map(|name| name.text.as_str());
    arguments.option("path").or_else(alone)
}

fn plan(
    planner: &mut Planner<'_>,
    rows: Rows,
    arguments: &Arguments,
    later: &Needs,
    span: Span,
) -> Result<Rows> {
    let input = arguments.option("input").unwrap_or("_raw");
    let Some(path) = path(arguments) else {
        if let Some((option, _)) = arguments.written("output") {
            return Err(diagnostic(option.span, "`output=` of `spath` needs a path")
                .with_help("give one with `path=`, such as `path=a.b`"));
        }
        return planner.document(rows, input, &Format::Json, "", later, span);
    };
    let output = arguments.option("output").unwrap_or(path).to_owned();
    let Some(value) = rows.field(input) else {
        return if rows.has(&output) {
            Ok(rows)
        } else {
            at(span, rows.set(vec![(output, null_text())]))
        };
    };
    let found = out_of(value, &Format::Json, path);
    at(span, rows.set(vec![(output, found.expr)]))
}
