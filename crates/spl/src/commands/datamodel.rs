//! `datamodel`: the events of a data model.

use std::fmt::Write as _;

use crate::syntax::Diagnostic;
use crate::syntax::print::quoted;
use crate::syntax::usage::{Cursor, Usage, Whole, no_effect, only};

pub(super) static COMMAND: Whole = Whole::standing_for_others(
    Usage {
        name: "datamodel",
        also: &[],
        syntax: "datamodel <model> <node> search|flat [<options>]",
        meaning: "The events of a data model, with field names such as `Node.field`, or without the node with `flat`.",
        options: &[
            no_effect(
                "summariesonly",
                "all events, old and new, count as summarised",
            ),
            no_effect(
                "allow_old_summaries",
                "all events, old and new, count as summarised",
            ),
            only(
                "strict_fields",
                "true",
                "search the events themselves for fields outside the model",
            ),
        ],
    },
    text,
);

fn text(cursor: &mut dyn Cursor, usage: &Usage) -> Result<String, Diagnostic> {
    let model = cursor.name("a data model")?;
    if cursor.ended() {
        return Err(cursor.expected("a dataset of the data model"));
    }
    let dataset = cursor.name("a dataset of the data model")?;
    let flat = if cursor.eat_keyword("search") {
        false
    } else if cursor.eat_keyword("flat") {
        true
    } else {
        return Err(cursor.expected("`search` or `flat`"));
    };
    while let Some(option) = cursor.option_name() {
        cursor.option(usage, &option)?;
    }
    let mut text = format!("from datamodel:\"{}.{}\"", model.text, dataset.text);
    if !flat {
        let _ = write!(
            text,
            " | rename * as {}",
            quoted(&format!("{}.*", dataset.text))
        );
    }
    Ok(text)
}
