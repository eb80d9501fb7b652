//! `dedup`: the first rows of each group.

use std::fmt;

use datafusion::logical_expr::{Expr, SortExpr, lit};

use crate::expr::Fields;
use crate::plan::running::{PLACE, numbered, numbered_runs, row_number};
use crate::plan::{Order, Passing, Planner, Result, Rows, at, column, nodes, null_if};
use crate::syntax::Diagnostic;
use crate::syntax::ast::{Arguments, Name, Span};
use crate::syntax::print::{names, options};
use crate::syntax::usage::{Cursor, Form, Reading, Usage, Whole, flag};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "dedup",
        also: &[],
        syntax: "dedup [<number>] <fields> [<options>] [sortby <keys>]",
        meaning: "Keeps the first rows of each group with the same values.",
        options: &[
            flag("keepevents", "Keeps the other rows but removes the values."),
            flag("keepempty", "Keeps rows without one of the fields."),
            flag(
                "consecutive",
                "Compares each row only with the preceding one.",
            ),
        ],
    },
    form: Form::Own { parse, print },
    reads: |arguments| {
        let keys = arguments.keys.iter().map(|key| &key.field);
        let fields = arguments.fields.iter().chain(keys);
        Reading {
            fields: fields.map(|name| name.text.clone()).collect(),
            ..Reading::default()
        }
    },
    plan: &(plan as Passing),
};

/// The number before the fields, stored as the first option, under a name that no option has.
const COUNT: &str = "";
/// Column with the row's index in its group.
const RANK: &str = hidden!("rank");
/// Column with the number of the run of equal rows that a row belongs to.
const RUN: &str = hidden!("run");

fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    let count = cursor.number().unwrap_or(Name {
        text: "1".to_owned(),
        span: Span::default(),
    });
    if count.text.bytes().all(|digit| digit == b'0') {
        return Err(Diagnostic::new(
            "`dedup` keeps at least one row of each group",
            count.span,
        ));
    }
    let name = Name {
        text: COUNT.to_owned(),
        span: count.span,
    };
    arguments.options.push((name, count.text));
    while !cursor.ended() {
        if let Some(name) = cursor.option_name() {
            if let Some(value) = cursor.option(usage, &name)? {
                arguments.options.push((name, value.text));
            }
        } else if !arguments.fields.is_empty() && cursor.eat_keyword("sortby") {
            arguments.keys = super::sort::keys(cursor, &mut |_| false)?;
            if arguments.keys.is_empty() {
                return Err(cursor.expected("a field to sort by"));
            }
        } else {
            arguments.fields.push(cursor.field("a field")?);
        }
    }
    if arguments.fields.is_empty() {
        return Err(cursor.expected("a field"));
    }
    Ok(arguments)
}

fn print(arguments: &Arguments, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, " {}", arguments.option(COUNT).unwrap_or("1"))?;
    names(f, &arguments.fields)?;
    options(f, arguments.options.get(1..).unwrap_or_default())?;
    if !arguments.keys.is_empty() {
        f.write_str(" sortby")?;
        super::sort::print_keys(f, &arguments.keys)?;
    }
    Ok(())
}

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let fields = &arguments.fields;
    let count = arguments.count(COUNT).unwrap_or(1);
    let consecutive = arguments.flag("consecutive", false);
    let keep_events = arguments.flag("keepevents", false);
    let keep_empty = arguments.flag("keepempty", false);
    let rows = if arguments.keys.is_empty() {
        rows
    } else {
        super::sort::sorted(planner, rows, 0, &arguments.keys, span)?
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
    // The first of consecutive equal rows stay; rows without one of the fields are removed before the others are
    // compared.
    let (rows, groups) = if consecutive {
        let rows = if keep_events || keep_empty {
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
    let first = column(RANK).lt_eq(lit(count));
    let kept = if keep_events {
        // The later rows stay but lose the fields.
        let lose = complete.clone().and(Expr::Not(Box::new(first)));
        let emptied = fields
            .iter()
            .filter_map(|field| Some((field.text.clone(), rows.field(&field.text)?)))
            .map(|(name, typed)| (name, null_if(lose.clone(), typed)))
            .collect();
        at(span, rows.set(emptied))?
    } else if keep_empty {
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
