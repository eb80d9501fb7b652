//! `filldown`: fills empty fields from the preceding row.

use std::fmt::Write as _;

use crate::syntax::Diagnostic;
use crate::syntax::print::quoted;
use crate::syntax::usage::{Cursor, Usage, Whole};

pub(super) static COMMAND: Whole = Whole::standing_for_others(
    Usage {
        name: "filldown",
        also: &[],
        syntax: "filldown <fields>",
        meaning: "Fills empty fields with the value of the preceding row.",
        options: &[],
    },
    text,
);

fn text(cursor: &mut dyn Cursor, _: &Usage) -> Result<String, Diagnostic> {
    let fields = cursor.names("a field")?;
    if fields.is_empty() {
        return Err(cursor
            .expected("the fields to fill")
            .with_help("name them: `filldown user dest`"));
    }
    let mut text = "streamstats".to_owned();
    for field in fields {
        if field.text.contains('*') {
            return Err(
                Diagnostic::new("`filldown` takes no wildcards here", field.span)
                    .with_help("name the fields"),
            );
        }
        let name = quoted(&field.text);
        let _ = write!(text, " last({name}) as {name}");
    }
    Ok(text)
}
