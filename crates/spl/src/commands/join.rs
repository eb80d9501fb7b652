//! `join`: joins rows with those of a subsearch that have the same values.

use std::fmt;

use crabwalk_events::catalog::REF;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, JoinType};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, SortExpr, lit};

use crate::HIDDEN;
use crate::expr::{Fields, Typed};
use crate::ops::refs::merge_refs;
use crate::plan::running::{PLACE, numbered, row_number};
use crate::plan::{
    Order, Plan, Planner, Result, Rows, at, cast_to, coalesce, column, common_type, diagnostic,
    nodes, null_text, typed,
};
use crate::syntax::ast::{Name, Pipeline, Span};
use crate::syntax::command::{Ledger, Part, Syntax};
use crate::syntax::print::names;
use crate::syntax::usage::{
    Cursor, Usage, Whole, count, flag, is_on, no_effect, obeyed, only, refused, whole_number,
};

pub(super) static COMMAND: Whole = typed::<Join>(Usage {
    name: "join",
    also: &[],
    syntax: "join [<options>] [<fields>] [ <subsearch> ]",
    meaning: "Joins rows with those of a subsearch that have the same values in the given fields, or in all common fields.",
    options: &[
        obeyed(
            "type",
            "`inner`, or `left` (same as `outer`), which keeps rows without a match.",
        ),
        count("max", "Maximum matches per row; default 1, 0 for all."),
        flag(
            "overwrite",
            "Whether the subsearch's values take precedence; default true.",
        ),
        only(
            "usetime",
            "false",
            "compare `_time` with `where` after a join with `max=0`",
        ),
        no_effect(
            "earlier",
            "it applies only to `usetime=true`, which is refused",
        ),
        refused(
            "left",
            "rename the fields first, and join on their common names",
        ),
        refused(
            "right",
            "rename the fields first, and join on their common names",
        ),
    ],
});

/// `join`.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// `left`/`outer` keeps rows without a match.
    pub outer: bool,
    /// Maximum matches per row: default 1, 0 for no limit.
    pub max: u64,
    /// `overwrite=`, default true: fields of the subsearch take precedence.
    pub overwrite: bool,
    /// The key fields; empty for all common fields.
    pub fields: Vec<Name>,
    /// The other side.
    pub subsearch: Pipeline,
}

impl Syntax for Join {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let (mut outer, mut max, mut overwrite) = (false, 1, true);
        let mut fields = Vec::new();
        while !cursor.ended() && cursor.peek() != Some(b'[') {
            let Some(option) = cursor.option_name() else {
                fields.push(cursor.field("a field to join by, or a subsearch in brackets")?);
                continue;
            };
            let Some(value) = cursor.option(usage, &option)? else {
                continue;
            };
            match option.text.as_str() {
                "type" => {
                    outer = match value.text.to_lowercase().as_str() {
                        "inner" => false,
                        "left" | "outer" => true,
                        _ => {
                            return Err(diagnostic(
                                value.span,
                                format!("`{}` is not a type of join", value.text),
                            )
                            .with_help("there are inner, left and outer (the same as left)"));
                        }
                    };
                }
                "max" => max = whole_number("max", &value)?,
                _ => overwrite = is_on(&value.text),
            }
        }
        Ok(Self {
            outer,
            max,
            overwrite,
            fields,
            subsearch: cursor.subsearch()?,
        })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.outer { "outer" } else { "inner" };
        write!(
            f,
            " type={kind} max={} overwrite={}",
            self.max, self.overwrite
        )?;
        names(f, &self.fields)?;
        write!(f, " [{}]", self.subsearch)
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        if self.fields.is_empty() {
            // Any field may be common to both sides.
            ledger.reads_all();
        }
        ledger.reads_names(&self.fields);
        ledger.makes_any();
        false
    }

    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Search(&self.subsearch)]
    }

    fn needs_rows(&self) -> bool {
        true
    }
}

impl Plan for Join {
    /// The subsearch becomes the right side of a join in the same plan.
    ///
    /// Key values are compared as text, case-sensitively; for a multivalued field the first counts. Rows without one of
    /// them have no match. A row keeps its own `_time`.
    fn plan(&self, planner: &mut Planner<'_>, left: Rows, span: Span) -> Result<Rows> {
        let right = planner.pipeline(&self.subsearch)?;
        let keys: Vec<String> = if self.fields.is_empty() {
            let common = |name: &String| !name.starts_with('_') && right.has(name);
            left.names().into_iter().filter(common).collect()
        } else {
            self.fields.iter().map(|name| name.text.clone()).collect()
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
                .map(|name| (name.clone(), null_text()))
                .collect();
            let rows = at(span, left.set(empty))?;
            return if self.outer {
                Ok(rows)
            } else {
                at(span, rows.filter(lit(false)))
            };
        }
        let own = planner.fresh();
        let name = |what: &str, index: usize| format!("{HIDDEN}{what}{own}_{index}");
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
        if self.max > 0 {
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
                right.with(plan).filter(column(&rank).lt_eq(lit(self.max))),
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
        let kind = if self.outer {
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
                    let values = if self.overwrite {
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
}

/// Sets a column, or adds it.
fn replace(columns: &mut Vec<(String, Expr)>, name: &str, expr: Expr) {
    match columns.iter_mut().find(|(own, _)| own == name) {
        Some(place) => place.1 = expr,
        None => columns.push((name.to_owned(), expr)),
    }
}
