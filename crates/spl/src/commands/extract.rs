//! `extract`: fields of keys and values.

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
        meaning: "Makes fields of `key=value` in `_raw`.",
        options: &[
            obeyed("pairdelim", "Characters between pairs."),
            obeyed("kvdelim", "Characters between key and value."),
            count("limit", "Most pairs of an event; 50 if it is not given."),
            count(
                "maxchars",
                "How many characters of an event are looked at; 10,240 if it is not given.",
            ),
            flag(
                "mv_add",
                "Makes several values of a key that is there several times; the first counts if it is not given.",
            ),
            flag(
                "clean_keys",
                "Whether other characters than letters and digits of a key become `_`, which they do if it is not given.",
            ),
            only(
                "auto",
                "true",
                "name the delimiters with `pairdelim=` and `kvdelim=`",
            ),
            no_effect("reload", "there are no files of settings"),
            no_effect("segment", "it is about how Splunk shows events"),
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
