//! `appendcols`: adds the columns of a subsearch.

use super::append::{EXTENDTIMERANGE, MAXOUT, MAXTIME, TIMEOUT};
use crate::syntax::Diagnostic;
use crate::syntax::usage::{Cursor, Usage, Whole, flag, is_on};

pub(super) static COMMAND: Whole = Whole::standing_for_others(
    Usage {
        name: "appendcols",
        also: &[],
        syntax: "appendcols [<options>] [ <subsearch> ]",
        meaning: "Adds the columns of a subsearch, row by row.",
        options: &[
            flag("override", "The subsearch's values take precedence."),
            MAXOUT,
            EXTENDTIMERANGE,
            MAXTIME,
            TIMEOUT,
        ],
    },
    text,
);

fn text(cursor: &mut dyn Cursor, usage: &Usage) -> Result<String, Diagnostic> {
    let (mut overwrite, mut most) = (false, String::from("0"));
    while let Some(option) = cursor.option_name() {
        if let Some(value) = cursor.option(usage, &option)? {
            match option.text.as_str() {
                "override" => overwrite = is_on(&value.text),
                _ => most = value.text,
            }
        }
    }
    let inner = cursor.subsearch_text()?;
    let most = if most == "0" {
        String::new()
    } else {
        format!("| head {most} ")
    };
    // Rows are combined by their number.
    Ok(format!(
        "streamstats count as \"cols:row\" | join type=left overwrite={overwrite} \"cols:row\" \
         [ {inner} {most}| streamstats count as \"cols:row\" | fields - _time _raw ] | fields - \"cols:row\""
    ))
}
