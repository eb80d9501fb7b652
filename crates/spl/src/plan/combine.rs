//! Rows of two pipelines in one plan.

use crabwalk_events::catalog::REF;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, SortExpr, lit};

use super::running::{PLACE, numbered};
use super::{CLOCK, ORDER, Order, Planner, Result, Rows, at, cast_to, column, common_type};
use crate::HIDDEN;
use crate::expr::Fields;
use crate::ops::apart;
use crate::ops::refs::{merge_refs, refs_type};
use crate::syntax::ast::Span;

impl Planner<'_> {
    /// The rows with a hidden column of their places, by which they are ordered from now on, and its name.
    pub(crate) fn placed(&mut self, rows: Rows, span: Span) -> Result<(Rows, String)> {
        let place = format!("{HIDDEN}placed{}", self.fresh());
        let mut columns: Vec<(String, Expr)> = rows
            .all_names()
            .into_iter()
            .map(|name| (name.clone(), column(&name)))
            .collect();
        columns.push((place.clone(), column(PLACE)));
        let rows = at(span, numbered(rows).and_then(|rows| rows.project(columns)))?;
        let order = Order::Keys(vec![SortExpr::new(column(&place), true, false)]);
        Ok((Rows { order, ..rows }, place))
    }

    /// Rows, and more rows below them. A field that one side does not have is NULL there.
    pub(crate) fn below(&mut self, first: Rows, second: Rows, span: Span) -> Result<Rows> {
        let mut names = first.names();
        for name in second.names() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let own = self.fresh();
        let (part, place) = (format!("{HIDDEN}part{own}"), format!("{HIDDEN}place{own}"));
        let mut types: Vec<(String, DataType)> = Vec::new();
        for name in names {
            let data_type = match (first.field(&name), second.field(&name)) {
                (Some(a), Some(b)) => common_type(&a.data_type, &b.data_type),
                (Some(one), None) | (None, Some(one)) => one.data_type,
                (None, None) => continue,
            };
            types.push((name, data_type));
        }
        for time in [ORDER, CLOCK] {
            if first.has(time) || second.has(time) {
                types.push((time.to_owned(), DataType::Float64));
            }
        }
        if first.has(REF) || second.has(REF) {
            let single = |rows: &Rows| {
                rows.field(REF)
                    .is_some_and(|typed| typed.data_type == DataType::UInt64)
            };
            let data_type = if single(&first) && single(&second) {
                DataType::UInt64
            } else {
                refs_type()
            };
            types.push((REF.to_owned(), data_type));
        }
        let open = first.open || second.open;
        let empty = first.empty && second.empty;
        let mut plans = Vec::new();
        for (index, rows) in [first, second].into_iter().enumerate() {
            let rows = at(span, numbered(rows))?;
            let mut columns = Vec::new();
            for (name, data_type) in &types {
                let value = match rows.field(name) {
                    Some(typed) if name == REF && typed.data_type != *data_type => {
                        merge_refs(vec![typed.expr])
                    }
                    Some(typed) if name == REF => typed.expr,
                    Some(typed) => cast_to(typed, data_type),
                    None => lit(at(
                        span,
                        datafusion::scalar::ScalarValue::try_from(data_type),
                    )?),
                };
                // What is known of the columns of one part does not hold for the rows of both.
                columns.push((name.clone(), apart(value, name)));
            }
            columns.push((part.clone(), lit(i64::try_from(index).unwrap_or(1))));
            columns.push((place.clone(), column(PLACE)));
            plans.push(std::sync::Arc::new(at(span, rows.project(columns))?.plan));
        }
        let union = datafusion::logical_expr::Union::try_new(plans);
        let plan = datafusion::logical_expr::LogicalPlan::Union(at(span, union)?);
        Ok(Rows {
            plan,
            order: Order::Keys(vec![
                SortExpr::new(column(&part), true, false),
                SortExpr::new(column(&place), true, false),
            ]),
            empty,
            open,
        })
    }
}
