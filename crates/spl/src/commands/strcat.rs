//! `strcat`: concatenates texts.

use crate::syntax::Diagnostic;
use crate::syntax::print::quoted;
use crate::syntax::usage::{Cursor, Usage, Whole, field_in_expression, flag, is_on, single};

pub(super) static COMMAND: Whole = Whole::standing_for_others(
    Usage {
        name: "strcat",
        also: &[],
        syntax: "strcat [allrequired=<bool>] <field or \"text\"> … <name>",
        meaning: "Concatenates fields and texts.",
        options: &[flag(
            "allrequired",
            "Gives no result if a field has no value.",
        )],
    },
    text,
);

fn text(cursor: &mut dyn Cursor, usage: &Usage) -> Result<String, Diagnostic> {
    let mut required = false;
    if let Some(option) = cursor.option_name()
        && let Some(value) = cursor.option(usage, &option)?
    {
        required = is_on(&value.text);
    }
    let mut parts = Vec::new();
    while !cursor.ended() {
        let is_text = cursor.peek() == Some(b'"');
        let part = cursor.name("a field or a text in quotes")?;
        parts.push((is_text, if is_text { part } else { single(part)? }));
    }
    let Some((_, new)) = parts.pop().filter(|_| parts.len() >= 2) else {
        return Err(cursor.expected("fields and texts to join, and the field to make"));
    };
    let mut all = Vec::new();
    for (is_text, part) in &parts {
        all.push(if *is_text {
            quoted(&part.text)
        } else {
            let field = field_in_expression(part)?;
            if required {
                field
            } else {
                format!("coalesce({field}, \"\")")
            }
        });
    }
    Ok(format!("eval {}={}", quoted(&new.text), all.join(" . ")))
}
