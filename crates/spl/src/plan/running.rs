//! Values that depend on the order of rows: row numbers, the first row, the previous row, running counts of a condition, runs
//! of equal rows.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::functions_window::lead_lag::lag_udwf;
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Case, Expr, LogicalPlanBuilder, Operator, SortExpr, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowFunctionDefinition, binary_expr, lit,
};

use super::{Order, Planner, Result, Rows, at, column, nodes};
use crate::expr::Typed;
use crate::syntax::ast::Span;

/// Column with the row's place in the order of results.
pub(crate) const PLACE: &str = hidden!("place");

impl Planner<'_> {
    /// The first rows.
    pub(crate) fn first(&mut self, rows: Rows, count: u64, span: Span) -> Result<Rows> {
        let order = rows.order.clone();
        let rows = at(span, rows.ordered())?;
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let plan = LogicalPlanBuilder::from(rows.plan.clone()).limit(0, Some(most));
        let plan = at(span, plan.and_then(LogicalPlanBuilder::build))?;
        Ok(Rows {
            order,
            ..rows.with(plan)
        })
    }
}

/// Adds the place of each row in the order of results.
pub(crate) fn numbered(rows: Rows) -> Result<Rows, DataFusionError> {
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

/// In how many of the rows up to this one a condition held; without `current`, of the rows before it.
pub(crate) fn times_so_far(condition: Expr, place: &str, current: bool) -> Expr {
    let one = Expr::Case(Case::new(
        None,
        vec![(
            Box::new(super::null_is_false(condition)),
            Box::new(lit(1_i64)),
        )],
        Some(Box::new(lit(0_i64))),
    ));
    let end = if current {
        WindowFrameBound::CurrentRow
    } else {
        WindowFrameBound::Preceding(ScalarValue::UInt64(Some(1)))
    };
    let frame = WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
        end,
    );
    window(
        WindowFunctionDefinition::AggregateUDF(sum_udaf()),
        vec![one],
        Vec::new(),
        place,
        frame,
    )
}

/// The value of so many rows before, NULL where it has none.
pub(crate) fn before(value: Expr, rows: i64, place: &str) -> Expr {
    window(
        WindowFunctionDefinition::WindowUDF(lag_udwf()),
        vec![value, lit(rows)],
        Vec::new(),
        place,
        WindowFrame::new(Some(false)),
    )
}

/// All values of a field as one text, to tell whether two rows have the same; NULL where there is none.
pub(super) fn whole(value: Typed) -> Expr {
    if value.data_type == DataType::Utf8 {
        return value.expr;
    }
    crate::ops::values::joined(value, "\n")
}

/// Adds a column that numbers the runs of rows with the same values, in the order of the places.
pub(crate) fn numbered_runs(
    rows: Rows,
    values: Vec<Typed>,
    place: &str,
    output: &str,
) -> Result<Rows, DataFusionError> {
    let values: Vec<Expr> = values.into_iter().map(whole).collect();
    let name = |index: usize| format!("{output}_before{index}");
    let lags = values
        .iter()
        .enumerate()
        .map(|(index, value)| before(value.clone(), 1, place).alias(name(index)));
    let plan = nodes::window(rows.plan.clone(), lags.collect())?;
    let changed = values
        .into_iter()
        .enumerate()
        .map(|(index, value)| binary_expr(value, Operator::IsDistinctFrom, column(&name(index))))
        .reduce(Expr::or)
        .unwrap_or_else(|| lit(false));
    let plan = nodes::window(plan, vec![times_so_far(changed, place, true).alias(output)])?;
    Ok(rows.with(plan))
}

fn window(
    fun: WindowFunctionDefinition,
    args: Vec<Expr>,
    partition_by: Vec<Expr>,
    place: &str,
    window_frame: WindowFrame,
) -> Expr {
    Expr::WindowFunction(Box::new(WindowFunction {
        fun,
        params: WindowFunctionParams {
            args,
            partition_by,
            order_by: vec![SortExpr::new(column(place), true, false)],
            window_frame,
            filter: None,
            null_treatment: None,
            distinct: false,
        },
    }))
}

/// A function over all rows, the same for each.
pub(crate) fn over_all(fun: WindowFunctionDefinition, value: Expr) -> Expr {
    Expr::WindowFunction(Box::new(WindowFunction {
        fun,
        params: WindowFunctionParams {
            args: vec![value],
            partition_by: Vec::new(),
            order_by: Vec::new(),
            window_frame: WindowFrame::new(None),
            filter: None,
            null_treatment: None,
            distinct: false,
        },
    }))
}
