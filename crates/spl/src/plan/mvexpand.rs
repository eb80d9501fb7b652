//! `mvexpand`: a row for each value of a field.

use datafusion::common::Column;
use datafusion::logical_expr::LogicalPlanBuilder;

use super::{Planner, Result, Rows, at, is_list};
use crate::expr::Fields;
use crate::syntax::ast::{Name, Span};

impl Planner<'_> {
    pub(super) fn mvexpand(
        &mut self,
        rows: Rows,
        field: &Name,
        limit: u64,
        span: Span,
    ) -> Result<Rows> {
        let Some(typed) = rows
            .field(&field.text)
            .filter(|typed| is_list(&typed.data_type))
        else {
            return Ok(rows);
        };
        let rows = if limit == 0 {
            rows
        } else {
            at(
                span,
                rows.set(vec![(
                    field.text.clone(),
                    crate::ops::extract::first_values(typed, limit).expr,
                )]),
            )?
        };
        let plan = LogicalPlanBuilder::from(rows.plan.clone())
            .unnest_column(Column::from_name(&field.text));
        let plan = at(span, plan.and_then(LogicalPlanBuilder::build))?;
        Ok(rows.with(plan))
    }
}
