//! `accum`: running sums.

use crate::syntax::Diagnostic;
use crate::syntax::print::quoted;
use crate::syntax::usage::{Cursor, Usage, Whole, single};

pub(super) static COMMAND: Whole = Whole::standing_for_others(
    Usage {
        name: "accum",
        also: &[],
        syntax: "accum <field> [as <name>]",
        meaning: "The running sum of a field.",
        options: &[],
    },
    text,
);

fn text(cursor: &mut dyn Cursor, _: &Usage) -> Result<String, Diagnostic> {
    let field = single(cursor.name("a field")?)?;
    let new = cursor.new_name()?;
    Ok(format!(
        "streamstats sum({}) as {}",
        quoted(&field.text),
        quoted(&new.as_ref().unwrap_or(&field).text)
    ))
}
