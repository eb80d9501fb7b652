//! `mvexpand`: one row per value of a field.

use datafusion::common::Column;
use datafusion::logical_expr::LogicalPlanBuilder;

use crate::expr::Fields;
use crate::plan::{Passing, Planner, Result, Rows, at, diagnostic, is_list};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, count};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "mvexpand",
        also: &[],
        syntax: "mvexpand <field> [limit=<number>]",
        meaning: "Makes one row per value of a field.",
        options: &[count("limit", "Maximum values per row; 0 for all.")],
    },
    form: Form::FIELD,
    reads: Reading::named,
    plan: &(plan as Passing),
};

fn plan(_: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let Some(name) = arguments.fields.first().map(|name| name.text.as_str()) else {
        return Ok(rows);
    };
    let limit: u64 = match arguments.written("limit") {
        None => 0,
        Some((option, limit)) => limit.parse().map_err(|_| {
            diagnostic(
                option.span,
                format!("`limit` is a whole number, not `{limit}`"),
            )
        })?,
    };
    let Some(typed) = rows.field(name).filter(|typed| is_list(&typed.data_type)) else {
        return Ok(rows);
    };
    let rows = if limit == 0 {
        rows
    } else {
        at(
            span,
            rows.set(vec![(
                name.to_owned(),
                crate::ops::extract::first_values(typed, limit).expr,
            )]),
        )?
    };
    let plan = LogicalPlanBuilder::from(rows.plan.clone()).unnest_column(Column::from_name(name));
    let plan = at(span, plan.and_then(LogicalPlanBuilder::build))?;
    Ok(rows.with(plan))
}
