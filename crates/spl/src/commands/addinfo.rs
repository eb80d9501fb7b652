//! `addinfo`: facts about the search.

use crate::syntax::Diagnostic;
use crate::syntax::usage::{Cursor, Usage, Whole};

pub(super) static COMMAND: Whole = Whole::standing_for_others(
    Usage {
        name: "addinfo",
        also: &[],
        syntax: "addinfo",
        meaning: "Adds `info_min_time`, `info_max_time`, `info_search_time` and `info_sid`.",
        options: &[],
    },
    text,
);

fn text(_: &mut dyn Cursor, _: &Usage) -> Result<String, Diagnostic> {
    // All data is searched, and there is no job.
    Ok(
        "eval info_min_time=0, info_max_time=\"+Infinity\", info_search_time=now(), info_sid=\"\""
            .to_owned(),
    )
}
