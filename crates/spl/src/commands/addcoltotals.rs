//! `addcoltotals`: a row with the sums of the columns.

use crate::syntax::Diagnostic;
use crate::syntax::usage::{Cursor, Usage, Whole, field, obeyed};

pub(super) static COMMAND: Whole = Whole::standing_for_others(
    Usage {
        name: "addcoltotals",
        also: &[],
        syntax: "addcoltotals [labelfield=<field>] [label=<text>] [<fields>]",
        meaning: "Adds a row with the sums of the columns.",
        options: &[
            field("labelfield", "Field for that row's label."),
            obeyed("label", "That label; default `Total`."),
        ],
    },
    text,
);

fn text(cursor: &mut dyn Cursor, _: &Usage) -> Result<String, Diagnostic> {
    Ok(format!("addtotals row=f col=t {}", cursor.rest()))
}
