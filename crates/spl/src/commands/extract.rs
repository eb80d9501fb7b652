//! `extract`: fields from keys and values.

use crate::ops::documents::Format;
use crate::plan::needs::Needs;
use crate::plan::{Looking, Planner, Result, Rows, diagnostic};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, count, flag, no_effect, obeyed, only};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "extract",
        also: &["kv"],
        syntax: "extract [<options>]",
        meaning: "Extracts fields from `key=value` pairs in `_raw`.",
        options: &[
            obeyed("pairdelim", "Characters that separate pairs."),
            obeyed("kvdelim", "Characters that separate key and value."),
            count("limit", "Maximum pairs per event; default 50."),
            count(
                "maxchars",
                "How many characters of an event to scan; default 10,240.",
            ),
            flag(
                "mv_add",
                "Keeps all values of a repeated key; by default only the first.",
            ),
            flag(
                "clean_keys",
                "Whether to replace characters other than letters and digits in keys with `_`; default true.",
            ),
            only(
                "auto",
                "true",
                "set the delimiters with `pairdelim=` and `kvdelim=`",
            ),
            no_effect("reload", "there are no configuration files"),
            no_effect("segment", "it affects how Splunk displays events"),
        ],
    },
    form: Form::OPTIONS,
    reads: |_| Reading {
        fields: vec!["_raw".to_owned()],
        makes_any: true,
        ..Reading::default()
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
    let number = |name: &str, default: usize| match arguments.written(name) {
        None => Ok(default),
        Some((option, value)) => value.parse::<usize>().map_err(|_| {
            diagnostic(
                option.span,
                format!("`{name}` is a whole number, not `{value}`"),
            )
        }),
    };
    let form = Format::Pairs {
        pair: arguments.option("pairdelim").map(str::to_owned),
        key: arguments.option("kvdelim").map(str::to_owned),
        most: number("limit", 50)?,
        characters: number("maxchars", 10_240)?,
        several: arguments.flag("mv_add", false),
        clean: arguments.flag("clean_keys", true),
    };
    planner.document(rows, "_raw", &form, "", later, span)
}
