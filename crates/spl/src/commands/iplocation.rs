//! `iplocation`: the location of an address, from the user's MaxMind database.

use crate::expr::Fields;
use crate::plan::{Passing, Planner, Result, Rows, at, diagnostic, null_text};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, flag, no_effect, obeyed};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "iplocation",
        also: &[],
        syntax: "iplocation [<options>] <field>",
        meaning: "Adds an address's location from a database: `City`, `Country`, `Region`, `lat`, `lon`.",
        options: &[
            obeyed("prefix", "Prefix for field names."),
            flag("allfields", "Adds `Continent`, `MetroCode` and `Timezone`."),
            no_effect("lang", "names are those in the database"),
        ],
    },
    form: Form::FIELD,
    reads: |arguments| {
        let prefix = arguments.option("prefix").unwrap_or("");
        let made = made(arguments).map(|name| format!("{prefix}{name}"));
        Reading {
            makes: made.collect(),
            ..Reading::named(arguments)
        }
    },
    plan: &(plan as Passing),
};

const FIELDS: [&str; 5] = ["City", "Country", "Region", "lat", "lon"];
/// Fields added by `allfields=true`.
const MORE_FIELDS: [&str; 3] = ["Continent", "MetroCode", "Timezone"];

/// Its fields, without the prefix.
fn made(arguments: &Arguments) -> impl Iterator<Item = &'static str> {
    let more = if arguments.flag("allfields", false) {
        &MORE_FIELDS[..]
    } else {
        &[]
    };
    FIELDS.iter().chain(more).copied()
}

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let prefix = arguments.option("prefix").unwrap_or("");
    let mut fields = FIELDS.to_vec();
    if arguments.flag("allfields", false) {
        fields.extend(MORE_FIELDS);
    }
    let locations = planner.knowledge.locations.clone();
    if locations.is_none() {
        let mut warning = diagnostic(
            span,
            "`iplocation` has no location database, so its fields are empty",
        );
        warning.help = Some("give a file in MaxMind's format (.mmdb)".to_owned());
        planner.warnings.push(warning);
    }
    let value = arguments
        .fields
        .first()
        .and_then(|name| rows.field(&name.text));
    let assignments = fields
        .into_iter()
        .map(|field| {
            let expr = match (&locations, &value) {
                (Some(locations), Some(value)) => crate::enrich::location(
                    planner.resources,
                    locations.as_ref(),
                    value.expr.clone(),
                    field,
                ),
                _ => null_text(),
            };
            (format!("{prefix}{field}"), expr)
        })
        .collect();
    at(span, rows.set(assignments))
}
