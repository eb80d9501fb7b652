//! `rangemap`: the names of the ranges that contain a number.

use crate::syntax::Diagnostic;
use crate::syntax::print::quoted;
use crate::syntax::usage::{Cursor, Usage, Whole, field, field_in_expression, obeyed};

pub(super) static COMMAND: Whole = Whole::standing_for_others(
    Usage {
        name: "rangemap",
        also: &[],
        syntax: "rangemap field=<field> <name>=<number>-<number> … [default=<name>]",
        meaning: "Adds `range`, the names of the ranges that contain a number.",
        options: &[
            field("field", "The field with the number."),
            obeyed(
                "default",
                "Name for a number outside all ranges; default `None`.",
            ),
        ],
    },
    text,
);

fn text(cursor: &mut dyn Cursor, _: &Usage) -> Result<String, Diagnostic> {
    let (mut field, mut default, mut ranges) = (None, "None".to_owned(), Vec::new());
    while let Some(option) = cursor.option_name() {
        let value = cursor.value(&option.text)?;
        match option.text.as_str() {
            "field" => field = Some(value),
            "default" => default = value.text,
            _ => {
                // A minus before a number belongs to it: `-5--1`.
                let cut = value
                    .text
                    .char_indices()
                    .skip(1)
                    .find(|(_, c)| *c == '-')
                    .map(|(at, _)| at);
                let ends = cut.and_then(|at| {
                    let (low, high) = value.text.split_at(at);
                    Some((
                        low.trim().parse::<f64>().ok()?,
                        high.get(1..)?.trim().parse::<f64>().ok()?,
                    ))
                });
                let Some(ends) = ends else {
                    return Err(Diagnostic::new(
                        format!("`{}` is a range of numbers, such as 1-10", option.text),
                        value.span,
                    ));
                };
                ranges.push((option.text, ends));
            }
        }
    }
    let Some(field) = field else {
        return Err(cursor.expected("`field=` and ranges such as `low=0-10`"));
    };
    if ranges.is_empty() {
        return Err(cursor.expected("ranges such as `low=0-10`"));
    }
    let value = field_in_expression(&field)?;
    let all: Vec<String> = ranges
        .iter()
        .map(|(name, (low, high))| {
            format!(
                "if(tonumber({value})>={low} AND tonumber({value})<={high}, {}, null())",
                quoted(name)
            )
        })
        .collect();
    Ok(format!(
        "eval range=mvappend({}) | eval range=coalesce(range, {})",
        all.join(", "),
        quoted(&default)
    ))
}
