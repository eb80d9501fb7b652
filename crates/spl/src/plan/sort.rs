//! `sort`.

use datafusion::logical_expr::SortExpr;

use super::{Order, Planner, Result, Rows, cast_to};
use crate::expr::Fields;
use crate::ops::order;
use crate::syntax::ast::{SortKey, SortOrder, Span};

impl Planner<'_> {
    pub(super) fn sort(
        &mut self,
        rows: Rows,
        limit: u64,
        keys: &[SortKey],
        span: Span,
    ) -> Result<Rows> {
        let mut exprs = Vec::new();
        for key in keys {
            let Some(typed) = rows.field(&key.field.text) else {
                continue;
            };
            let ascending = !key.descending;
            // Rows without the field come last either way.
            let by = |expr| SortExpr::new(expr, ascending, false);
            let number = datafusion::arrow::datatypes::DataType::Float64;
            let text = datafusion::arrow::datatypes::DataType::Utf8;
            let numeric = matches!(
                typed.data_type,
                datafusion::arrow::datatypes::DataType::Float64
                    | datafusion::arrow::datatypes::DataType::Int64
            );
            match key.order {
                _ if numeric => exprs.push(by(typed.expr)),
                SortOrder::Number => exprs.push(by(cast_to(typed, &number))),
                SortOrder::Text => exprs.push(by(cast_to(typed, &text))),
                SortOrder::Address => exprs.push(by(order::address_key(typed))),
                SortOrder::Auto => exprs.push(by(order::sort_key(typed))),
            }
        }
        // Equal rows keep the order they had, so that results do not depend on how the plan is run.
        if let Order::Keys(before) = &rows.order {
            exprs.extend(before.iter().cloned());
        } else if matches!(rows.order, Order::Newest) && rows.has(super::ORDER) {
            exprs.push(SortExpr::new(super::column(super::ORDER), false, false));
        }
        let rows = Rows {
            order: Order::Keys(exprs),
            ..rows
        };
        let rows = if limit == 0 {
            rows
        } else {
            self.first(rows, limit, span)?
        };
        // The keys may be dropped or changed further down: from now on the place counts.
        Ok(self.placed(rows, span)?.0)
    }
}
