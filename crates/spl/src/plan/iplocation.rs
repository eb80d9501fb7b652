//! `iplocation`: where an address is, by a database in MaxMind's format that the user gives.

use super::{Planner, Result, Rows, at, diagnostic, null_text};
use crate::expr::Fields;
use crate::syntax::ast::{Arguments, Span};

/// The fields that `iplocation` gives.
pub(crate) const FIELDS: [&str; 5] = ["City", "Country", "Region", "lat", "lon"];
/// Those that `allfields=true` adds.
pub(crate) const MORE_FIELDS: [&str; 3] = ["Continent", "MetroCode", "Timezone"];

impl Planner<'_> {
    pub(super) fn iplocation(
        &mut self,
        rows: Rows,
        arguments: &Arguments,
        span: Span,
    ) -> Result<Rows> {
        let prefix = arguments.option("prefix").unwrap_or("");
        let mut fields = FIELDS.to_vec();
        if arguments.flag("allfields", false) {
            fields.extend(MORE_FIELDS);
        }
        let locations = self.knowledge.locations.clone();
        if locations.is_none() {
            let mut warning = diagnostic(
                span,
                "`iplocation` has no database: the fields that it gives are empty",
            );
            warning.help = Some("give a file in MaxMind's format (.mmdb)".to_owned());
            self.warnings.push(warning);
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
                        self.session,
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
}
