//! Commands that change values: `makemv`, `mvcombine`, `nomv`, `replace`, `addtotals`.

use crabwalk_events::catalog::REF;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, SortExpr};
use regex::Regex;

use super::dedup::{PLACE, numbered};
use super::nodes;
use super::stats::{renamed, wildcard_parts};
use super::{ORDER, Order, Planner, Result, Rows, at, column, diagnostic, list_type};
use crate::expr::{Fields, Typed, plan_aggregate};
use crate::ops::{Answer, call};
use crate::syntax::ast::{Arguments, Name, Replace, Span};

impl Planner<'_> {
    pub(super) fn makemv(&mut self, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
        let Some((name, value)) = self.only_field(&rows, arguments) else {
            return Ok(rows);
        };
        let empty = arguments.flag("allowempty", false);
        let split: Typed = match arguments.option("tokenizer") {
            Some(pattern) => {
                let regex = Regex::new(pattern).map_err(|error| {
                    diagnostic(span, format!("`{pattern}` is no pattern: {error}"))
                })?;
                if regex.captures_len() < 2 {
                    return Err(diagnostic(
                        span,
                        "`tokenizer=` needs a group in parentheses around what is to become a value",
                    ));
                }
                call(
                    "spl_tokens",
                    pattern.to_owned(),
                    list_type(),
                    vec![value.expr],
                    move |args| {
                        let text = args.values(0).join("\n");
                        let tokens = regex
                            .captures_iter(&text)
                            .filter_map(|groups| groups.get(1));
                        Answer::List(tokens.map(|token| token.as_str().to_owned()).collect())
                    },
                )
            }
            None => {
                let delimiter = arguments.option("delim").unwrap_or(" ").to_owned();
                call(
                    "spl_split",
                    format!("{empty} {delimiter}"),
                    list_type(),
                    vec![value.expr],
                    move |args| {
                        let values = args.values(0);
                        let parts = values
                            .iter()
                            .flat_map(|value| value.split(delimiter.as_str()));
                        Answer::List(
                            parts
                                .filter(|part| empty || !part.is_empty())
                                .map(str::to_owned)
                                .collect(),
                        )
                    },
                )
            }
        };
        at(span, rows.set(vec![(name, split.expr)]))
    }

    pub(super) fn nomv(&mut self, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
        let Some((name, value)) = self.only_field(&rows, arguments) else {
            return Ok(rows);
        };
        let joined = joined(value, "\n".to_owned());
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
                let joined = joined(value, delimiter.to_owned());
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
            let pairs = replace.pairs.clone();
            let output = if super::is_list(&value.data_type) {
                list_type()
            } else {
                DataType::Utf8
            };
            let key = format!("{pairs:?}");
            let replaced = call(
                "spl_replace_values",
                key,
                output,
                vec![value.expr],
                move |args| {
                    let values = args.values(0).into_iter().map(|value| {
                        pairs
                            .iter()
                            .find_map(|(from, to)| renamed(&value, from, to))
                            .unwrap_or_else(|| value.into_owned())
                    });
                    Answer::List(values.collect())
                },
            );
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
            let count = values.len();
            let total = call(
                "spl_row_total",
                count.to_string(),
                DataType::Float64,
                values,
                move |args| Answer::Number((0..count).filter_map(|at| args.number(at)).sum()),
            );
            let total = if count == 0 {
                datafusion::logical_expr::lit(0.0)
            } else {
                total.expr
            };
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

/// The columns that names with wildcards mean.
pub(super) fn matching(rows: &Rows, names: &[Name]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        for own in rows.names() {
            let fits = own == name.text
                || name.text.contains('*') && wildcard_parts(&name.text, &own).is_some();
            if fits && !found.contains(&own) {
                found.push(own);
            }
        }
    }
    found
}

fn joined(value: Typed, delimiter: String) -> Expr {
    call(
        "spl_joined",
        delimiter.clone(),
        DataType::Utf8,
        vec![value.expr],
        move |args| {
            let values = args.values(0);
            if values.is_empty() {
                Answer::Null
            } else {
                Answer::Text(values.join(&delimiter))
            }
        },
    )
    .expr
}
