//! `xyseries`: a table from rows that name their row and column.

use super::chart::Chart;
use crate::plan::{Passing, Plan, Planner, Result, Rows, diagnostic};
use crate::syntax::ast::{Aggregation, AggregationArgument, Arguments, Name, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, no_effect, obeyed, single};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "xyseries",
        also: &[],
        syntax: "xyseries [<options>] <field of the rows> <field of the columns> <fields of the cells>",
        meaning: "Makes a table from rows that name their row and column.",
        options: &[
            obeyed(
                "sep",
                "Separator between a cell's field and its column in names, if there are several fields; default `: `.",
            ),
            obeyed(
                "format",
                "Pattern for those names, from `$AGG$` and `$VAL$`.",
            ),
            no_effect("grouped", "rows are combined wherever they are"),
        ],
    },
    form: Form::Plain {
        names: (3, usize::MAX),
        expects: "three fields or more: that of the rows, that of the columns, and those of the cells",
        subsearches: 0,
    },
    reads: |arguments| Reading {
        ends: true,
        adds_rows: true,
        ..Reading::named(arguments)
    },
    plan: &(plan as Passing),
};

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let [row, column, data @ ..] = arguments.fields.as_slice() else {
        return Err(diagnostic(span, "`xyseries` takes three fields or more"));
    };
    let all = Name {
        text: "limit".to_owned(),
        span,
    };
    let heads = ["sep", "format"];
    let named = arguments
        .options
        .iter()
        .filter(|(name, _)| heads.contains(&name.text.as_str()));
    let chart = Chart {
        time: false,
        options: named.cloned().chain([(all, "0".to_owned())]).collect(),
        span: None,
        aggregations: data
            .iter()
            .map(|data| Aggregation {
                function: "first".to_owned(),
                span,
                argument: Some(AggregationArgument::Field(data.clone())),
                output: data.clone(),
            })
            .collect(),
        computed: Vec::new(),
        series: None,
        by: vec![single(row.clone())?, single(column.clone())?],
    };
    chart.plan(planner, rows, span)
}
