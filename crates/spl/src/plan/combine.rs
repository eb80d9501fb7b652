//! `join`, `append`, `appendpipe`: rows of two pipelines in one plan.

use crabwalk_events::catalog::REF;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, JoinType};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, SortExpr, lit};

use super::nodes;
use super::running::{PLACE, numbered, row_number};
use super::{ORDER, Order, Planner, Result, Rows, at, cast_to, coalesce, column, common_type};
use crate::expr::{Fields, Typed};
use crate::ops::apart;
use crate::ops::refs::{merge_refs, refs_type};
use crate::syntax::ast::{Join, Pipeline, Span};

impl Planner<'_> {
    /// `join`: the subsearch becomes the right side of a join in the same plan.
    ///
    /// Values of the key fields are compared as text, with regard to case; of a multivalued one the first counts. Rows
    /// without one of them have no partner. A row keeps its own `_time`.
    pub(super) fn join(&mut self, left: Rows, join: &Join, span: Span) -> Result<Rows> {
        let right = self.pipeline(&join.subsearch)?;
        let keys: Vec<String> = if join.fields.is_empty() {
            let common = |name: &String| !name.starts_with('_') && right.has(name);
            left.names().into_iter().filter(common).collect()
        } else {
            join.fields.iter().map(|name| name.text.clone()).collect()
        };
        let added: Vec<String> = right
            .names()
            .into_iter()
            .filter(|name| !(keys.contains(name) || name.starts_with('_') && left.has(name)))
            .collect();
        let unmatched = keys.is_empty() || keys.iter().any(|key| !left.has(key) || !right.has(key));
        if unmatched {
            // No row has a partner.
            let empty = added
                .iter()
                .filter(|name| !left.has(name))
                .map(|name| (name.clone(), super::null_text()))
                .collect();
            let rows = at(span, left.set(empty))?;
            return if join.outer {
                Ok(rows)
            } else {
                at(span, rows.filter(lit(false)))
            };
        }
        let own = self.fresh();
        let name = |what: &str, index: usize| format!("__{what}{own}_{index}");
        let (left_place, right_place, right_refs) =
            (name("left", 0), name("right", 0), name("refs", 0));

        let right = at(span, numbered(right))?;
        let mut columns = vec![(right_place.clone(), column(PLACE))];
        let mut present = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            if let Some(typed) = right.field(key) {
                present.push(typed.expr.clone().is_not_null());
                columns.push((name("rkey", index), cast_to(typed, &DataType::Utf8)));
            }
        }
        for (index, own) in added.iter().enumerate() {
            columns.push((name("value", index), column(own)));
        }
        let refs = right.field(REF);
        if refs.is_some() {
            columns.push((right_refs.clone(), column(REF)));
        }
        let types: Vec<DataType> = added
            .iter()
            .filter_map(|own| Some(right.field(own)?.data_type))
            .collect();
        let right = match present.into_iter().reduce(Expr::and) {
            Some(present) => at(span, right.filter(present))?,
            None => right,
        };
        let mut right = at(span, right.project(columns))?;
        let right_keys: Vec<String> = (0..keys.len()).map(|index| name("rkey", index)).collect();
        if join.max > 0 {
            let rank = name("rank", 0);
            let window = row_number(
                right_keys.iter().map(|key| column(key)).collect(),
                vec![SortExpr::new(column(&right_place), true, false)],
            );
            let plan = at(
                span,
                nodes::window(right.plan.clone(), vec![window.alias(&rank)]),
            )?;
            right = at(
                span,
                right.with(plan).filter(column(&rank).lt_eq(lit(join.max))),
            )?;
        }

        let left_names = left.all_names();
        let left = at(span, numbered(left))?;
        let mut columns: Vec<(String, Expr)> = left_names
            .iter()
            .map(|name| (name.clone(), column(name)))
            .collect();
        columns.push((left_place.clone(), column(PLACE)));
        for (index, key) in keys.iter().enumerate() {
            if let Some(typed) = left.field(key) {
                columns.push((name("lkey", index), cast_to(typed, &DataType::Utf8)));
            }
        }
        let left = at(span, left.project(columns))?;
        let left_keys: Vec<Column> = (0..keys.len())
            .map(|index| Column::from_name(name("lkey", index)))
            .collect();
        let right_keys: Vec<Column> = right_keys.into_iter().map(Column::from_name).collect();
        let kind = if join.outer {
            JoinType::Left
        } else {
            JoinType::Inner
        };
        let plan = LogicalPlanBuilder::from(left.plan.clone()).join(
            right.plan,
            kind,
            (left_keys, right_keys),
            None,
        );
        let plan = at(span, plan.and_then(LogicalPlanBuilder::build))?;

        let mut columns: Vec<(String, Expr)> = left_names
            .iter()
            .map(|name| (name.clone(), column(name)))
            .collect();
        for ((index, field), data_type) in added.iter().enumerate().zip(types) {
            let found = Typed {
                expr: column(&name("value", index)),
                data_type,
            };
            match left.field(field) {
                None => columns.push((field.clone(), found.expr)),
                Some(before) => {
                    let data_type = common_type(&found.data_type, &before.data_type);
                    let (found, before) = (cast_to(found, &data_type), cast_to(before, &data_type));
                    let values = if join.overwrite {
                        vec![found, before]
                    } else {
                        vec![before, found]
                    };
                    replace(&mut columns, field, coalesce(values));
                }
            }
        }
        if refs.is_some() {
            let mut both = vec![column(&right_refs)];
            if left.has(REF) {
                both.insert(0, column(REF));
            }
            replace(&mut columns, REF, merge_refs(both));
        }
        columns.push((left_place.clone(), column(&left_place)));
        columns.push((right_place.clone(), column(&right_place)));
        let rows = at(span, left.with(plan).project(columns))?;
        Ok(Rows {
            order: Order::Keys(vec![
                SortExpr::new(column(&left_place), true, false),
                SortExpr::new(column(&right_place), true, false),
            ]),
            ..rows
        })
    }

    /// The rows with a hidden column of their places, by which they are ordered from now on, and its name.
    pub(crate) fn placed(&mut self, rows: Rows, span: Span) -> Result<(Rows, String)> {
        let place = format!("__placed{}", self.fresh());
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

    /// `append`: the rows of a subsearch behind the others.
    pub(super) fn append(&mut self, rows: Rows, subsearch: &Pipeline, span: Span) -> Result<Rows> {
        let more = self.pipeline(subsearch)?;
        self.below(rows, more, span)
    }

    /// `appendpipe`: what a pipeline makes of the rows behind the rows.
    pub(super) fn appendpipe(
        &mut self,
        rows: Rows,
        subpipeline: &Pipeline,
        span: Span,
    ) -> Result<Rows> {
        let more = self.commands(rows.clone(), &subpipeline.commands)?;
        self.below(rows, more, span)
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
        let (part, place) = (format!("__part{own}"), format!("__place{own}"));
        let mut types: Vec<(String, DataType)> = Vec::new();
        for name in names {
            let data_type = match (first.field(&name), second.field(&name)) {
                (Some(a), Some(b)) => common_type(&a.data_type, &b.data_type),
                (Some(one), None) | (None, Some(one)) => one.data_type,
                (None, None) => continue,
            };
            types.push((name, data_type));
        }
        if first.has(ORDER) || second.has(ORDER) {
            types.push((ORDER.to_owned(), DataType::Float64));
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

/// Sets one of the columns, or adds it.
fn replace(columns: &mut Vec<(String, Expr)>, name: &str, expr: Expr) {
    match columns.iter_mut().find(|(own, _)| own == name) {
        Some(place) => place.1 = expr,
        None => columns.push((name.to_owned(), expr)),
    }
}
