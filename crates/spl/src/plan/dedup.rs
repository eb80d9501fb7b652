//! `dedup`: the first rows of each group.

use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{Expr, SortExpr, WindowFrame, WindowFunctionDefinition, lit};

use super::nodes;
use super::running::numbered_runs;
use super::{Order, Planner, Result, Rows, at, column};
use crate::expr::Fields;
use crate::syntax::ast::{CommandKind, Span};

/// Column with the row's place in the order of results.
pub(crate) const PLACE: &str = "__place";
/// Column with the row's place in its group.
const RANK: &str = "__rank";
/// Column with the number of the run of equal rows that a row belongs to.
const RUN: &str = "__run";

impl Planner<'_> {
    pub(super) fn dedup(&mut self, rows: Rows, command: &CommandKind, span: Span) -> Result<Rows> {
        let CommandKind::Dedup {
            count,
            fields,
            keep_events,
            keep_empty,
            consecutive,
            sort,
        } = command
        else {
            return Ok(rows);
        };
        let rows = if sort.is_empty() {
            rows
        } else {
            self.sort(rows, 0, sort, span)?
        };
        let before = rows.clone();
        let rows = at(span, numbered(rows))?;
        let mut present = Vec::new();
        let mut groups = Vec::new();
        for field in fields {
            match rows.field(&field.text) {
                Some(typed) => {
                    present.push(typed.expr.clone().is_not_null());
                    groups.push(typed.expr);
                }
                None => present.push(lit(false)),
            }
        }
        let complete = present
            .into_iter()
            .reduce(Expr::and)
            .unwrap_or_else(|| lit(true));
        // Of equal rows in a row the first stay; rows that lack a field are gone before the others are compared.
        let (rows, groups) = if *consecutive {
            let rows = if *keep_events || *keep_empty {
                rows
            } else {
                at(span, rows.filter(complete.clone()))?
            };
            let values = fields
                .iter()
                .filter_map(|field| rows.field(&field.text))
                .collect();
            let rows = at(span, numbered_runs(rows, values, PLACE, RUN))?;
            (rows, vec![column(RUN)])
        } else {
            (rows, groups)
        };
        let rank = row_number(groups, vec![SortExpr::new(column(PLACE), true, false)]);
        let plan = at(
            span,
            nodes::window(rows.plan.clone(), vec![rank.alias(RANK)]),
        )?;
        let rows = rows.with(plan);
        let first = column(RANK).lt_eq(lit(*count));
        let kept = if *keep_events {
            // The later rows stay and lose the fields.
            let lose = complete.clone().and(Expr::Not(Box::new(first)));
            let emptied = fields
                .iter()
                .filter_map(|field| Some((field.text.clone(), rows.field(&field.text)?)))
                .map(|(name, typed)| (name, super::null_if(lose.clone(), typed)))
                .collect();
            at(span, rows.set(emptied))?
        } else if *keep_empty {
            at(span, rows.filter(Expr::Not(Box::new(complete)).or(first)))?
        } else {
            at(span, rows.filter(complete.and(first)))?
        };
        let order = Order::Keys(vec![SortExpr::new(column(PLACE), true, false)]);
        let mut kept = at(span, Rows { order, ..kept }.ordered())?;
        let columns = before
            .all_names()
            .into_iter()
            .map(|name| (name.clone(), column(&name)))
            .collect();
        kept = at(span, kept.project(columns))?;
        Ok(Rows {
            order: before.order,
            ..kept
        })
    }
}

/// Adds the place of each row in the order of results.
pub(crate) fn numbered(
    rows: Rows,
) -> std::result::Result<Rows, datafusion::error::DataFusionError> {
    let keys = match &rows.order {
        Order::Keys(keys) => keys.clone(),
        Order::Newest if rows.has(super::ORDER) => {
            let mut keys = vec![SortExpr::new(column(super::ORDER), false, false)];
            if rows.has(crabwalk_events::catalog::REF) {
                keys.push(SortExpr::new(
                    column(crabwalk_events::catalog::REF),
                    true,
                    false,
                ));
            }
            keys
        }
        Order::Newest | Order::AsIs => Vec::new(),
    };
    let plan = nodes::window(
        rows.plan.clone(),
        vec![row_number(Vec::new(), keys).alias(PLACE)],
    )?;
    Ok(rows.with(plan))
}

pub(crate) fn row_number(partition_by: Vec<Expr>, order_by: Vec<SortExpr>) -> Expr {
    let frame = WindowFrame::new(if order_by.is_empty() {
        None
    } else {
        Some(false)
    });
    Expr::WindowFunction(Box::new(WindowFunction {
        fun: WindowFunctionDefinition::WindowUDF(row_number_udwf()),
        params: WindowFunctionParams {
            args: Vec::new(),
            partition_by,
            order_by,
            window_frame: frame,
            filter: None,
            null_treatment: None,
            distinct: false,
        },
    }))
}
