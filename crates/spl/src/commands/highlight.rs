//! `highlight`: accepted without effect.

use crate::syntax::Diagnostic;
use crate::syntax::usage::{Cursor, Usage, Whole};

pub(super) static COMMAND: Whole = Whole::standing_for_others(
    Usage {
        name: "highlight",
        also: &[],
        syntax: "highlight <words>",
        meaning: "Accepted without effect: it only changes how Splunk displays values.",
        options: &[],
    },
    text,
);

fn text(cursor: &mut dyn Cursor, _: &Usage) -> Result<String, Diagnostic> {
    cursor.rest();
    // Display formats do not affect rows.
    Ok("fields *".to_owned())
}
