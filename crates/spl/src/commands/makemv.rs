//! `makemv`: splits a text into multiple values.

use crate::expr::Typed;
use crate::ops::values;
use crate::plan::wildcards::only_field;
use crate::plan::{Passing, Planner, Result, Rows, at, diagnostic};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, flag, obeyed, only};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "makemv",
        also: &[],
        syntax: "makemv [<options>] <field>",
        meaning: "Splits a field's text into multiple values.",
        options: &[
            obeyed("delim", "Delimiter; default a space."),
            obeyed(
                "tokenizer",
                "A regular expression whose first group matches a value.",
            ),
            flag("allowempty", "Keeps empty values."),
            only("setsv", "false", "join the values with `mvjoin` in `eval`"),
        ],
    },
    form: Form::FIELD,
    reads: Reading::named,
    plan: &(plan as Passing),
};

fn plan(_: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let Some((name, value)) = only_field(&rows, arguments) else {
        return Ok(rows);
    };
    if let (Some((option, _)), Some(_)) =
        (arguments.written("delim"), arguments.option("tokenizer"))
    {
        return Err(diagnostic(
            option.span,
            "`makemv` has `delim=` or `tokenizer=`, not both",
        ));
    }
    let empty = arguments.flag("allowempty", false);
    let split: Typed = match arguments.option("tokenizer") {
        Some(pattern) => {
            values::tokens(value, pattern).map_err(|message| diagnostic(span, message))?
        }
        None => values::split(value, arguments.option("delim").unwrap_or(" "), empty),
    };
    at(span, rows.set(vec![(name, split.expr)]))
}
