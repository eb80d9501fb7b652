//! `top`: the most frequent values.

use std::fmt;

use crabwalk_events::catalog::REF;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, SortExpr, WindowFrame, lit};

use crate::HIDDEN;
use crate::expr::{Fields, Typed, plan_aggregate};
use crate::ops::values;
use crate::plan::running::row_number;
use crate::plan::{
    Order, Passing, Planner, Result, Rows, as_window, at, cast_to, column, diagnostic, nodes,
    null_text, text,
};
use crate::syntax::ast::{Aggregation, AggregationArgument, Arguments, Name, Span};
use crate::syntax::print::{names, options};
use crate::syntax::usage::{
    Cursor, Form, OptionUsage, Reading, Usage, Whole, count, field, flag, obeyed,
};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "top",
        also: &[],
        syntax: "top [<number>] [<options>] <fields> [by <fields>]",
        meaning: "The most frequent values.",
        options: OPTIONS,
    },
    form: FORM,
    reads,
    plan: &(plan as Passing),
};

pub(super) const OPTIONS: &[OptionUsage] = &[
    count("limit", "Maximum values; default 10, 0 for all."),
    flag("showcount", "Whether to show counts; default true."),
    flag("showperc", "Whether to show percentages; default true."),
    field("countfield", "Name of the count field; default `count`."),
    field(
        "percentfield",
        "Name of the percentage field; default `percent`.",
    ),
    flag("useother", "Adds a row for everything beyond the limit."),
    obeyed("otherstr", "Name of that row; default `OTHER`."),
];

/// That of `rare`, too.
pub(super) const FORM: Form = Form::Own { parse, print };

fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    let mut by = false;
    while !cursor.ended() {
        if let Some(name) = cursor.option_name() {
            if let Some(value) = cursor.option(usage, &name)? {
                arguments.options.push((name, value.text));
            }
        } else if !by && cursor.eat_keyword("by") {
            by = true;
        } else if arguments.fields.is_empty()
            && let Some(limit) = cursor.number()
        {
            let name = Name {
                text: "limit".to_owned(),
                span: limit.span,
            };
            arguments.options.push((name, limit.text));
        } else if by {
            arguments.by.push(cursor.field("a field")?);
        } else {
            arguments.fields.push(cursor.field("a field")?);
        }
    }
    if arguments.fields.is_empty() || by && arguments.by.is_empty() {
        return Err(cursor.expected("a field"));
    }
    Ok(arguments)
}

fn print(arguments: &Arguments, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    options(f, &arguments.options)?;
    names(f, &arguments.fields)?;
    if !arguments.by.is_empty() {
        f.write_str(" by")?;
        names(f, &arguments.by)?;
    }
    Ok(())
}

pub(super) fn reads(arguments: &Arguments) -> Reading {
    let fields = arguments.fields.iter().chain(&arguments.by);
    Reading {
        fields: fields.map(|name| name.text.clone()).collect(),
        ends: true,
        ..Reading::default()
    }
}

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    frequent(planner, rows, arguments, false, span)
}

/// The most frequent values, or the least frequent with `rare`.
pub(super) fn frequent(
    planner: &mut Planner<'_>,
    rows: Rows,
    arguments: &Arguments,
    rare: bool,
    span: Span,
) -> Result<Rows> {
    let names = |names: &[Name]| {
        names
            .iter()
            .map(|name| name.text.clone())
            .collect::<Vec<_>>()
    };
    let (fields, by) = (names(&arguments.fields), names(&arguments.by));
    let all: Vec<String> = by.iter().chain(&fields).cloned().collect();
    let mut rows = rows;
    for name in &all {
        match rows.field(name) {
            Some(typed) => rows = at(span, rows.filter(typed.expr.is_not_null()))?,
            None => {
                rows = at(span, rows.set(vec![(name.clone(), null_text())]))?;
                rows = at(span, rows.filter(lit(false)))?;
            }
        }
    }
    let count = Aggregation {
        function: "count".to_owned(),
        span,
        argument: None,
        output: Name {
            text: hidden!("count").to_owned(),
            span,
        },
    };
    let rows = planner.aggregate(rows, &[count], &all, span)?;
    let groups: Vec<Expr> = by.iter().map(|name| column(name)).collect();
    let number = Typed {
        expr: column(hidden!("count")),
        data_type: DataType::Int64,
    };
    let total = plan_aggregate("sum", span, Some(number), None)?;
    let total = as_window(total.expr, &groups, &[], &WindowFrame::new(None))
        .ok_or_else(|| diagnostic(span, "the counts cannot be summed"))?;
    let mut keys = vec![SortExpr::new(column(hidden!("count")), rare, false)];
    keys.extend(
        fields
            .iter()
            .map(|name| SortExpr::new(column(name), true, false)),
    );
    let rank = row_number(groups, keys.clone());
    let plan = nodes::window(rows.plan.clone(), vec![total.alias(hidden!("total"))])
        .and_then(|plan| nodes::window(plan, vec![rank.alias(hidden!("rank"))]));
    let mut rows = rows.with(at(span, plan)?);
    let limit = arguments.count("limit").unwrap_or(10);
    if limit > 0 && arguments.flag("useother", false) {
        let other = arguments.option("otherstr").unwrap_or("OTHER");
        rows = with_other(planner, rows, (&fields, &by), limit, other, span)?;
    } else if limit > 0 {
        rows = at(span, rows.filter(column(hidden!("rank")).lt_eq(lit(limit))))?;
    }
    let own = planner.fresh();
    let place = format!("{HIDDEN}top{own}");
    let mut columns: Vec<(String, Expr)> = all
        .iter()
        .map(|name| (name.clone(), column(name)))
        .collect();
    if arguments.flag("showcount", true) {
        let name = arguments.option("countfield").unwrap_or("count");
        columns.push((name.to_owned(), column(hidden!("count"))));
    }
    if arguments.flag("showperc", true) {
        let name = arguments.option("percentfield").unwrap_or("percent");
        let percent = values::percent(column(hidden!("count")), column(hidden!("total")));
        columns.push((name.to_owned(), percent));
    }
    let mut named = std::collections::HashSet::new();
    if let Some((twice, _)) = columns.iter().find(|(name, _)| !named.insert(name.clone())) {
        return Err(
            diagnostic(span, format!("two columns would be called `{twice}`"))
                .with_help("give the counts another name with `countfield=` or `percentfield=`"),
        );
    }
    columns.extend(rows.hidden().into_iter().filter(|(name, _)| name == REF));
    columns.push((place.clone(), column(hidden!("rank"))));
    let mut order: Vec<SortExpr> = by
        .iter()
        .map(|name| SortExpr::new(column(name), true, false))
        .collect();
    order.push(SortExpr::new(column(&place), true, false));
    let rows = at(span, rows.project(columns))?;
    Ok(Rows {
        order: Order::Keys(order),
        open: false,
        ..rows
    })
}

/// `useother=true` of `top` and `rare`: everything beyond the limit becomes one row per group.
fn with_other(
    planner: &mut Planner<'_>,
    rows: Rows,
    (fields, by): (&[String], &[String]),
    limit: u64,
    other: &str,
    span: Span,
) -> Result<Rows> {
    let beyond = column(hidden!("rank")).gt(lit(limit));
    let either = |beyond: Expr, then: Expr, own: Expr| {
        Expr::Case(datafusion::logical_expr::Case::new(
            None,
            vec![(Box::new(beyond), Box::new(then))],
            Some(Box::new(own)),
        ))
    };
    let mut set = vec![(
        hidden!("rank").to_owned(),
        either(beyond.clone(), lit(limit + 1), column(hidden!("rank"))),
    )];
    for name in fields {
        if let Some(own) = rows.field(name) {
            let own = cast_to(own, &DataType::Utf8);
            set.push((name.clone(), either(beyond.clone(), text(other), own)));
        }
    }
    let rows = at(span, rows.set(set))?;
    let aggregation = |function: &str, field: &str| Aggregation {
        function: function.to_owned(),
        span,
        argument: Some(AggregationArgument::Field(Name {
            text: field.to_owned(),
            span,
        })),
        output: Name {
            text: field.to_owned(),
            span,
        },
    };
    let sums = [
        aggregation("sum", hidden!("count")),
        aggregation("max", hidden!("total")),
    ];
    let mut groups: Vec<String> = by.iter().chain(fields).cloned().collect();
    groups.push(hidden!("rank").to_owned());
    planner.aggregate(rows, &sums, &groups, span)
}
