//! `multikv`: one row per line of a table in the text of an event.

use std::fmt;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, SortExpr};

use crate::HIDDEN;
use crate::expr::Fields;
use crate::ops::documents::Format;
use crate::ops::tables::{Layout, NUMBER, table_lines, table_member};
use crate::plan::needs::Needs;
use crate::plan::{
    Looking, Order, Planner, Result, Rows, at, cast_to, column, diagnostic, is_hidden,
};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::print::{names, options};
use crate::syntax::usage::{Cursor, Form, Reading, Usage, Whole, count, flag, refused};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "multikv",
        also: &[],
        syntax: "multikv [<options>] [fields <names>] [filter <words>]",
        meaning: "Makes one row per line of a table in `_raw`.",
        options: &[
            count("forceheader", "Line number of the header."),
            flag(
                "multitable",
                "Whether an event may have several tables; default true.",
            ),
            flag(
                "noheader",
                "The table has no header: columns are named `Column_1` and so on.",
            ),
            flag(
                "rmorig",
                "`false` keeps the event, before the rows of its table.",
            ),
            flag(
                "copyattrs",
                "Whether rows get the event's fields; default true.",
            ),
            refused(
                "conf",
                "it names a stanza of Splunk's configuration; use `forceheader=`, `fields` and `filter`",
            ),
        ],
    },
    form: Form::Own { parse, print },
    reads: |_| Reading {
        fields: vec!["_raw".to_owned()],
        makes_any: true,
        ..Reading::default()
    },
    plan: &(plan as Looking),
};

/// Column with the lines of the table, each a JSON object with its cells and its text.
const LINE: &str = hidden!("table_line");

/// Fields follow `fields`, and words of the lines to keep follow `filter`.
fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    let (mut named, mut filtered) = (false, false);
    while !cursor.ended() {
        if let Some(name) = cursor.option_name() {
            if let Some(value) = cursor.option(usage, &name)? {
                arguments.options.push((name, value.text));
            }
        } else if !filtered && cursor.eat_keyword("filter") {
            filtered = true;
        } else if !named && cursor.eat_keyword("fields") {
            named = true;
        } else if filtered {
            arguments.by.push(cursor.value("filter")?);
        } else if named {
            arguments.fields.push(cursor.column("a field")?);
        } else {
            return Err(cursor.expected("`fields`, `filter` or an option of `multikv`"));
        }
    }
    Ok(arguments)
}

fn print(arguments: &Arguments, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    options(f, &arguments.options)?;
    for (word, list) in [("fields", &arguments.fields), ("filter", &arguments.by)] {
        if !list.is_empty() {
            write!(f, " {word}")?;
            names(f, list)?;
        }
    }
    Ok(())
}

fn plan(
    planner: &mut Planner<'_>,
    rows: Rows,
    arguments: &Arguments,
    later: &Needs,
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
                        diagnostic(
                            span,
                            format!("`forceheader={line}` is not the number of a line"),
                        )
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
    // With `rmorig=false` the event itself precedes the rows of its table.
    let keep = !arguments.flag("rmorig", true);
    let copy = arguments.flag("copyattrs", true);
    let table = table_lines(raw, &layout, keep);
    // Rows of one event keep the order of its lines.
    let (rows, place) = planner.placed(rows, span)?;
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
    let plan = LogicalPlanBuilder::from(rows.plan.clone()).unnest_column(Column::from_name(LINE));
    let plan = at(span, plan.and_then(LogicalPlanBuilder::build))?;
    let rows = at(span, rows.with(plan).filter(column(LINE).is_not_null()))?;
    let rows = planner.document(rows, LINE, &Format::Members, "", later, span)?;
    let number = format!("{HIDDEN}line{}", planner.fresh());
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
