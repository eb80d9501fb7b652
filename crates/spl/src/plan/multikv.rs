//! `multikv`: a row for each line of a table in the text of an event.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, SortExpr};

use super::{Order, Planner, Result, Rows, at, cast_to, column, diagnostic, is_hidden};
use crate::expr::Fields;
use crate::ops::documents::Format;
use crate::ops::tables::{Layout, NUMBER, table_lines, table_member};
use crate::syntax::ast::{Arguments, Span};

/// Column with the lines of the table, each a JSON object of its cells and its text.
const LINE: &str = "__table_line";

impl Planner<'_> {
    pub(super) fn multikv(
        &mut self,
        rows: Rows,
        arguments: &Arguments,
        span: Span,
    ) -> Result<Rows> {
        let Some(raw) = rows.field("_raw") else {
            return Ok(rows);
        };
        let layout = Layout {
            header: match arguments.option("forceheader") {
                None => None,
                Some(line) => Some(
                    line.parse::<usize>()
                        .ok()
                        .filter(|line| *line > 0)
                        .ok_or_else(|| {
                            diagnostic(span, format!("`forceheader={line}` is no number of a line"))
                        })?,
                ),
            },
            no_header: arguments.flag("noheader", false),
            several: arguments.flag("multitable", true),
            fields: arguments
                .fields
                .iter()
                .map(|name| name.text.clone())
                .collect(),
            filter: arguments.by.iter().map(|name| name.text.clone()).collect(),
        };
        // With `rmorig=false` the event itself stays before the rows of its table.
        let keep = !arguments.flag("rmorig", true);
        let copy = arguments.flag("copyattrs", true);
        let table = table_lines(raw, &layout, keep);
        // Rows of one event stay in the order of its lines.
        let (rows, place) = self.placed(rows, span)?;
        let rows = if copy {
            rows
        } else {
            let kept = rows
                .all_names()
                .into_iter()
                .filter(|name| is_hidden(name) || name == "_raw")
                .map(|name| (name.clone(), column(&name)))
                .collect();
            at(span, rows.project(kept))?
        };
        let rows = at(span, rows.set(vec![(LINE.to_owned(), table.expr)]))?;
        let plan =
            LogicalPlanBuilder::from(rows.plan.clone()).unnest_column(Column::from_name(LINE));
        let plan = at(span, plan.and_then(LogicalPlanBuilder::build))?;
        let rows = at(span, rows.with(plan).filter(column(LINE).is_not_null()))?;
        let rows = self.document(rows, LINE, &Format::Members, "", span)?;
        let number = format!("__line{}", self.fresh());
        let member = |name: &str| table_member(column(LINE), name);
        let mut columns: Vec<(String, Expr)> = rows
            .all_names()
            .into_iter()
            .filter(|name| name != LINE)
            .map(|name| {
                let expr = if name == "_raw" {
                    member("_raw").expr
                } else {
                    column(&name)
                };
                (name, expr)
            })
            .collect();
        columns.push((number.clone(), cast_to(member(NUMBER), &DataType::Float64)));
        let rows = at(span, rows.project(columns))?;
        let order = [place, number]
            .iter()
            .map(|name| SortExpr::new(column(name), true, false))
            .collect();
        Ok(Rows {
            order: Order::Keys(order),
            ..rows
        })
    }
}
