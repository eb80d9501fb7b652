//! `rare`: the rarest values.

use super::top::{FORM, OPTIONS, frequent, reads};
use crate::plan::{Passing, Planner, Result, Rows};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Usage, Whole};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "rare",
        also: &[],
        syntax: "rare [<number>] [<options>] <fields> [by <fields>]",
        meaning: "The rarest values.",
        options: OPTIONS,
    },
    form: FORM,
    reads,
    plan: &(plan as Passing),
};

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    frequent(planner, rows, arguments, true, span)
}
