//! `fieldformat`: accepted without effect.

use crate::syntax::Diagnostic;
use crate::syntax::usage::{Cursor, Usage, Whole};

pub(super) static COMMAND: Whole = Whole::standing_for_others(
    Usage {
        name: "fieldformat",
        also: &[],
        syntax: "fieldformat <field>=<expression>",
        meaning: "Accepted without effect: it only changes how Splunk displays values.",
        options: &[],
    },
    text,
);

fn text(cursor: &mut dyn Cursor, _: &Usage) -> Result<String, Diagnostic> {
    loop {
        let field = cursor.single_name("a field to format")?;
        if !cursor.eat(b'=') {
            return Err(cursor.expected(&format!("`=` after `{}`", field.text)));
        }
        cursor.expression()?;
        if !cursor.eat(b',') {
            // Display formats do not affect rows.
            return Ok("fields *".to_owned());
        }
    }
}
