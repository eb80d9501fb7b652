//! `timechart`: aggregates by ranges of time. It is a `chart` over `_time`.

use super::chart::{Chart, OPTIONS};
use crate::plan::typed;
use crate::syntax::usage::{Usage, Whole};

pub(super) static COMMAND: Whole = typed::<Chart>(Usage {
    name: "timechart",
    also: &[],
    syntax: "timechart [<options>] <aggregation> | eval(<expression of aggregations>) [as <name>] … [by <field>] [where <series>]",
    meaning: "Aggregates by time ranges, and by a field whose values become columns. `per_second`, `per_minute`, `per_hour` and `per_day` are sums per unit of time. `where` chooses among the columns as in `chart`.",
    options: OPTIONS,
});
