//! Commands that change values: `makemv`, `mvcombine`, `nomv`, `replace`, `addtotals`.

use crabwalk_events::catalog::REF;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, SortExpr};

use super::dedup::{PLACE, numbered};
use super::nodes;
use super::stats::wildcard_parts;
use super::{ORDER, Order, Planner, Result, Rows, at, column, diagnostic, list_type};
use crate::expr::{Fields, Typed, plan_aggregate};
use crate::ops::values;
use crate::syntax::ast::{Arguments, Name, Replace, Span};

impl Planner<'_> {
    pub(super) fn makemv(&mut self, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
        let Some((name, value)) = self.only_field(&rows, arguments) else {
            return Ok(rows);
        };
        let empty = arguments.flag("allowempty", false);
        let split: Typed = match arguments.option("tokenizer") {
            Some(pattern) => {
                values::tokens(value, pattern).map_err(|message| diagnostic(span, message))?
            }
            None => values::split(value, arguments.option("delim").unwrap_or(" "), empty),
        };
        at(span, rows.set(vec![(name, split.expr)]))
    }

    pub(super) fn nomv(&mut self, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
        let Some((name, value)) = self.only_field(&rows, arguments) else {
            return Ok(rows);
        };
        let joined = values::joined(value, "\n");
        at(span, rows.set(vec![(name, joined)]))
    }

    fn only_field(&self, rows: &Rows, arguments: &Arguments) -> Option<(String, Typed)> {
        let name = arguments.fields.first()?;
        Some((name.text.clone(), rows.field(&name.text)?))
    }

    /// `mvcombine`: rows that differ only in one field become one.
    pub(super) fn mvcombine(
        &mut self,
        rows: Rows,
        arguments: &Arguments,
        span: Span,
    ) -> Result<Rows> {
        let Some((name, value)) = self.only_field(&rows, arguments) else {
            return Ok(rows);
        };
        let names = rows.names();
        let rows = at(span, numbered(rows))?;
        let others: Vec<Expr> = names
            .iter()
            .filter(|own| **own != name)
            .map(|own| column(own))
            .collect();
        // `list` gives the latest first: negative places keep the order of the rows.
        let place = Expr::Negative(Box::new(super::cast_to(
            Typed {
                expr: column(PLACE),
                data_type: DataType::UInt64,
            },
            &DataType::Float64,
        )));
        let list = plan_aggregate("list", span, Some(value), Some(place))?;
        let own = self.fresh();
        let (first, found, time) = (
            format!("__first{own}"),
            format!("__found{own}"),
            format!("__latest{own}"),
        );
        let expr_fn = datafusion::functions_aggregate::expr_fn::min;
        let mut calls = vec![
            list.expr.alias(&found),
            expr_fn(column(PLACE)).alias(&first),
        ];
        if rows.has(ORDER) {
            calls.push(datafusion::functions_aggregate::expr_fn::max(column(ORDER)).alias(&time));
        }
        let refs = rows.field(REF);
        let refs_name = format!("__refs{own}");
        if let Some(refs) = refs.clone() {
            calls.push(crate::expr::collect_refs(refs).alias(&refs_name));
        }
        let (has_time, has_refs) = (rows.has(ORDER), refs.is_some());
        let plan = at(span, nodes::aggregate(rows.plan.clone(), others, calls))?;
        let mut columns: Vec<(String, Expr)> = names
            .iter()
            .map(|own| {
                let expr = if *own == name {
                    column(&found)
                } else {
                    column(own)
                };
                (own.clone(), expr)
            })
            .collect();
        columns.push((first.clone(), column(&first)));
        if has_time {
            columns.push((ORDER.to_owned(), column(&time)));
        }
        if has_refs {
            columns.push((REF.to_owned(), column(&refs_name)));
        }
        let mut rows = at(span, rows.with(plan).project(columns))?;
        rows.order = Order::Keys(vec![SortExpr::new(column(&first), true, false)]);
        match arguments.option("delim") {
            Some(delimiter) => {
                let value = Typed {
                    expr: column(&name),
                    data_type: list_type(),
                };
                let joined = values::joined(value, delimiter);
                at(span, rows.set(vec![(name, joined)]))
            }
            None => Ok(rows),
        }
    }

    pub(super) fn replace(&mut self, rows: Rows, replace: &Replace, span: Span) -> Result<Rows> {
        let fields: Vec<String> = if replace.fields.is_empty() {
            rows.names()
                .into_iter()
                .filter(|name| !name.starts_with('_'))
                .collect()
        } else {
            matching(&rows, &replace.fields)
        };
        let mut assignments = Vec::new();
        for field in fields {
            let Some(value) = rows.field(&field) else {
                continue;
            };
            let pairs: Vec<(&str, &str)> = replace
                .pairs
                .iter()
                .map(|(from, to)| (from.text.as_str(), to.text.as_str()))
                .collect();
            let replaced = values::replace_values(value, &pairs);
            assignments.push((field, replaced.expr));
        }
        at(span, rows.set(assignments))
    }

    /// `addtotals`: the sum of a row's numbers; with `col=true` a row of the sums of the columns below.
    pub(super) fn addtotals(
        &mut self,
        rows: Rows,
        arguments: &Arguments,
        span: Span,
    ) -> Result<Rows> {
        let fields: Vec<String> = if arguments.fields.is_empty() {
            rows.names()
                .into_iter()
                .filter(|name| !name.starts_with('_'))
                .collect()
        } else {
            matching(&rows, &arguments.fields)
        };
        let mut rows = rows;
        let mut summed = fields.clone();
        if arguments.flag("row", true) {
            let name = arguments.option("fieldname").unwrap_or("Total").to_owned();
            let values: Vec<Expr> = fields
                .iter()
                .filter_map(|name| Some(rows.field(name)?.expr))
                .collect();
            let total = values::row_total(values);
            rows = at(span, rows.set(vec![(name.clone(), total)]))?;
            summed.push(name);
        }
        if arguments.flag("col", false) {
            let mut calls = Vec::new();
            let mut columns = Vec::new();
            for (index, name) in summed.iter().enumerate() {
                let Some(value) = rows.field(name) else {
                    continue;
                };
                let call = plan_aggregate("sum", span, Some(value), None)?;
                calls.push(call.expr.alias(format!("__sum{index}")));
                columns.push((name.clone(), column(&format!("__sum{index}"))));
            }
            if let (Some(field), label) = (
                arguments.option("labelfield"),
                arguments.option("label").unwrap_or("Total"),
            ) {
                columns.retain(|(name, _)| name != field);
                columns.push((field.to_owned(), super::text(label)));
            }
            let plan = at(span, nodes::aggregate(rows.plan.clone(), Vec::new(), calls))?;
            let total = Rows {
                plan,
                order: Order::AsIs,
                empty: false,
                open: false,
            };
            let total = at(span, total.project(columns))?;
            rows = self.below(rows, total, span)?;
        }
        Ok(rows)
    }
}

/// Whether a name, with its wildcards, means a column.
pub(crate) fn matches(name: &Name, column: &str) -> bool {
    column == name.text || name.text.contains('*') && wildcard_parts(&name.text, column).is_some()
}

/// The columns that names with wildcards mean.
pub(super) fn matching(rows: &Rows, names: &[Name]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        for own in rows.names() {
            if matches(name, &own) && !found.contains(&own) {
                found.push(own);
            }
        }
    }
    found
}
