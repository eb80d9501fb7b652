//! `metadata`: when hosts, sources and source types were seen.

use crate::syntax::Diagnostic;
use crate::syntax::usage::{Cursor, Usage, Whole, no_effect, obeyed, only, refused};

pub(super) static COMMAND: Whole = Whole::standing_for_others(
    Usage {
        name: "metadata",
        also: &[],
        syntax: "metadata type=hosts|sources|sourcetypes",
        meaning: "First and last time and number of events of each host, source or source type.",
        options: &[
            obeyed("type", "`hosts`, `sources` or `sourcetypes`."),
            only(
                "index",
                "*",
                "name the index in a search, and use `stats min(_time) max(_time) count by …`",
            ),
            no_effect("splunk_server", "everything runs on one machine"),
            no_effect("splunk_server_group", "everything runs on one machine"),
            refused("datatype", "search the metrics with `mstats`"),
        ],
    },
    text,
);

fn text(cursor: &mut dyn Cursor, usage: &Usage) -> Result<String, Diagnostic> {
    let mut kind = None;
    while let Some(option) = cursor.option_name() {
        if let Some(value) = cursor.option(usage, &option)? {
            kind = Some(value);
        }
    }
    let Some(kind) = kind else {
        return Err(cursor.expected("`type=hosts`, `type=sources` or `type=sourcetypes`"));
    };
    let field = match kind.text.as_str() {
        "hosts" => "host",
        "sources" => "source",
        "sourcetypes" => "sourcetype",
        _ => {
            return Err(Diagnostic::new(
                "`type` is hosts, sources or sourcetypes",
                kind.span,
            ));
        }
    };
    Ok(format!(
        "search * | stats min(_time) as firstTime max(_time) as lastTime count as totalCount by {field} \
         | eval recentTime=lastTime, type=\"{}\"",
        kind.text
    ))
}
