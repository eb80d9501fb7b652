//! `join`: joins rows with those of a subsearch that have the same values.

use std::fmt;

use crabwalk_events::catalog::REF;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, DataFusionError, JoinType};
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
        if keys.is_empty() || keys.iter().any(|key| !left.has(key) || !right.has(key)) {
            return self.partnerless(left, &added, span);
        }
        let names = Names(planner.fresh());
        let right = at(span, numbered(right))?;
        let has_refs = right.has(REF);
        let types: Vec<DataType> = added
            .iter()
            .filter_map(|own| Some(right.field(own)?.data_type))
            .collect();
        let added: Vec<(String, DataType)> = added.into_iter().zip(types).collect();
        let right = self.right(right, &names, &keys, &added, span)?;
        let left_names = left.all_names();
        let left = numbered(left).and_then(|left| keyed(left, &left_names, &names, &keys));
        let left = at(span, left)?;
        let columns = |what: &str| -> Vec<Column> {
            (0..keys.len())
                .map(|index| Column::from_name(names.of(what, index)))
                .collect()
        };
        let kind = if self.outer {
            JoinType::Left
        } else {
            JoinType::Inner
        };
        let plan = LogicalPlanBuilder::from(left.plan.clone()).join(
            right.plan,
            kind,
            (columns("lkey"), columns("rkey")),
            None,
        );
        let plan = at(span, plan.and_then(LogicalPlanBuilder::build))?;
        let columns = self.merged(&left, &left_names, &names, added, has_refs);
        let rows = at(span, left.with(plan).project(columns))?;
        let order = [names.of("left", 0), names.of("right", 0)];
        Ok(Rows {
            order: Order::Keys(
                order
                    .iter()
                    .map(|place| SortExpr::new(column(place), true, false))
                    .collect(),
            ),
            ..rows
        })
    }
}

/// The hidden columns of one join, by its number.
struct Names(usize);

impl Names {
    fn of(&self, what: &str, index: usize) -> String {
        format!("{HIDDEN}{what}{}_{index}", self.0)
    }
}

impl Join {
    /// The answer if no row has a partner.
    fn partnerless(&self, left: Rows, added: &[String], span: Span) -> Result<Rows> {
        let empty = added
            .iter()
            .filter(|name| !left.has(name))
            .map(|name| (name.clone(), null_text()))
            .collect();
        let rows = at(span, left.set(empty))?;
        if self.outer {
            Ok(rows)
        } else {
            at(span, rows.filter(lit(false)))
        }
    }

    /// The right side under hidden names: rows with all keys, at most `max` of each.
    fn right(
        &self,
        right: Rows,
        names: &Names,
        keys: &[String],
        added: &[(String, DataType)],
        span: Span,
    ) -> Result<Rows> {
        let mut columns = vec![(names.of("right", 0), column(PLACE))];
        let mut present = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            if let Some(typed) = right.field(key) {
                present.push(typed.expr.clone().is_not_null());
                columns.push((names.of("rkey", index), cast_to(typed, &DataType::Utf8)));
            }
        }
        for (index, (own, _)) in added.iter().enumerate() {
            columns.push((names.of("value", index), column(own)));
        }
        if right.has(REF) {
            columns.push((names.of("refs", 0), column(REF)));
        }
        let right = match present.into_iter().reduce(Expr::and) {
            Some(present) => at(span, right.filter(present))?,
            None => right,
        };
        let right = at(span, right.project(columns))?;
        if self.max == 0 {
            return Ok(right);
        }
        let rank = names.of("rank", 0);
        let keys = (0..keys.len()).map(|index| column(&names.of("rkey", index)));
        let window = row_number(
            keys.collect(),
            vec![SortExpr::new(column(&names.of("right", 0)), true, false)],
        );
        let plan = at(
            span,
            nodes::window(right.plan.clone(), vec![window.alias(&rank)]),
        )?;
        at(
            span,
            right.with(plan).filter(column(&rank).lt_eq(lit(self.max))),
        )
    }

    /// The columns of the answer: the left side's, those that the right side adds, and the places of both.
    fn merged(
        &self,
        left: &Rows,
        left_names: &[String],
        names: &Names,
        added: Vec<(String, DataType)>,
        has_refs: bool,
    ) -> Vec<(String, Expr)> {
        let mut columns: Vec<(String, Expr)> = left_names
            .iter()
            .map(|name| (name.clone(), column(name)))
            .collect();
        for (index, (field, data_type)) in added.into_iter().enumerate() {
            let found = Typed {
                expr: column(&names.of("value", index)),
                data_type,
            };
            match left.field(&field) {
                None => columns.push((field, found.expr)),
                Some(before) => {
                    let data_type = common_type(&found.data_type, &before.data_type);
                    let (found, before) = (cast_to(found, &data_type), cast_to(before, &data_type));
                    let values = if self.overwrite {
                        vec![found, before]
                    } else {
                        vec![before, found]
                    };
                    replace(&mut columns, &field, coalesce(values));
                }
            }
        }
        if has_refs {
            let mut both = vec![column(&names.of("refs", 0))];
            if left.has(REF) {
                both.insert(0, column(REF));
            }
            replace(&mut columns, REF, merge_refs(both));
        }
        for place in [names.of("left", 0), names.of("right", 0)] {
            columns.push((place.clone(), column(&place)));
        }
        columns
    }
}

/// The left side with its place and its keys as text.
fn keyed(
    left: Rows,
    left_names: &[String],
    names: &Names,
    keys: &[String],
) -> Result<Rows, DataFusionError> {
    let mut columns: Vec<(String, Expr)> = left_names
        .iter()
        .map(|name| (name.clone(), column(name)))
        .collect();
    columns.push((names.of("left", 0), column(PLACE)));
    for (index, key) in keys.iter().enumerate() {
        if let Some(typed) = left.field(key) {
            columns.push((names.of("lkey", index), cast_to(typed, &DataType::Utf8)));
        }
    }
    left.project(columns)
}

/// Sets a column, or adds it.
fn replace(columns: &mut Vec<(String, Expr)>, name: &str, expr: Expr) {
    match columns.iter_mut().find(|(own, _)| own == name) {
        Some(place) => place.1 = expr,
        None => columns.push((name.to_owned(), expr)),
    }
}
