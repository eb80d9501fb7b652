//! `sort`: sorts rows.

use std::fmt::{self, Write as _};

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::SortExpr;

use crate::expr::Fields;
use crate::ops::order;
use crate::plan::{ORDER, Order, Passing, Planner, Result, Rows, cast_to, column};
use crate::syntax::ast::{Arguments, Name, SortKey, SortOrder, Span};
use crate::syntax::print::{list, options, quoted};
use crate::syntax::usage::{Cursor, Form, Reading, Usage, Whole, count};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "sort",
        also: &[],
        syntax: "sort [<number>] [+|-]<field> … [d|desc|a|asc]",
        meaning: "Sorts rows by fields: numbers and texts that begin with one by the number, then IP addresses, then other texts, or as set by `num(…)`, `ip(…)`, \
                  `str(…)`, `auto(…)`. Keeps 10,000 rows, or the given number; 0 for all.",
        options: &[count("limit", "Maximum rows; 0 for all.")],
    },
    form: Form::Own { parse, print },
    reads: |arguments| Reading {
        fields: arguments
            .keys
            .iter()
            .map(|key| key.field.text.clone())
            .collect(),
        ..Reading::default()
    },
    plan: &(plan as Passing),
};

/// Default maximum number of rows.
const MOST: u64 = 10_000;

fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    if let Some(name) = cursor.option_name() {
        if let Some(value) = cursor.option(usage, &name)? {
            arguments.options.push((name, value.text));
        }
    } else {
        let limit = cursor.number();
        let name = Name {
            text: "limit".to_owned(),
            span: limit.as_ref().map(|limit| limit.span).unwrap_or_default(),
        };
        let limit = limit.map_or_else(|| MOST.to_string(), |limit| limit.text);
        arguments.options.push((name, limit));
    }
    arguments.keys = keys(cursor, &mut |cursor| {
        let start = cursor.place();
        let words = ["d", "desc", "a", "asc"];
        let last = words.iter().any(|word| cursor.eat_keyword(word)) && cursor.ended();
        cursor.return_to(start);
        last
    })?;
    if arguments.keys.is_empty() {
        return Err(cursor.expected("a field to sort by"));
    }
    if !cursor.ended() && cursor.word().to_ascii_lowercase().starts_with('d') {
        for key in &mut arguments.keys {
            key.descending = !key.descending;
        }
    }
    Ok(arguments)
}

/// Keys up to the end of the command, or until `stop` returns true.
pub(super) fn keys(
    cursor: &mut dyn Cursor,
    stop: &mut dyn FnMut(&mut dyn Cursor) -> bool,
) -> Result<Vec<SortKey>> {
    let mut keys = Vec::new();
    while !cursor.ended() && (keys.is_empty() || !stop(cursor)) {
        let descending = cursor.peek() == Some(b'-');
        let _ = cursor.eat(b'-') || cursor.eat(b'+');
        cursor.ended();
        let start = cursor.place();
        let order = match cursor.word().to_ascii_lowercase().as_str() {
            "auto" => Some(SortOrder::Auto),
            "num" => Some(SortOrder::Number),
            "str" => Some(SortOrder::Text),
            "ip" => Some(SortOrder::Address),
            _ => None,
        };
        let (field, order) = match order.filter(|_| cursor.peek() == Some(b'(')) {
            Some(order) => {
                cursor.eat(b'(');
                let field = cursor.single_name("a field")?;
                if !cursor.eat(b')') {
                    return Err(cursor.expected("`)`"));
                }
                (field, order)
            }
            None => {
                cursor.return_to(start);
                (cursor.field("a field")?, SortOrder::Auto)
            }
        };
        keys.push(SortKey {
            field,
            descending,
            order,
        });
    }
    Ok(keys)
}

fn print(arguments: &Arguments, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    options(f, &arguments.options)?;
    print_keys(f, &arguments.keys)
}

pub(super) fn print_keys(f: &mut fmt::Formatter<'_>, keys: &[SortKey]) -> fmt::Result {
    list(f, keys, |f, key| {
        f.write_char(if key.descending { '-' } else { '+' })?;
        let field = quoted(&key.field.text);
        match key.order {
            SortOrder::Auto => f.write_str(&field),
            SortOrder::Number => write!(f, "num({field})"),
            SortOrder::Text => write!(f, "str({field})"),
            SortOrder::Address => write!(f, "ip({field})"),
        }
    })
}

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let limit = arguments.count("limit").unwrap_or(MOST);
    sorted(planner, rows, limit, &arguments.keys, span)
}

/// The rows in the order of keys; with a nonzero limit, the first of them.
pub(super) fn sorted(
    planner: &mut Planner<'_>,
    rows: Rows,
    limit: u64,
    keys: &[SortKey],
    span: Span,
) -> Result<Rows> {
    let mut exprs = Vec::new();
    for key in keys {
        let Some(typed) = rows.field(&key.field.text) else {
            continue;
        };
        let ascending = !key.descending;
        // Rows without the field come last either way.
        let by = |expr| SortExpr::new(expr, ascending, false);
        let number = DataType::Float64;
        let text = DataType::Utf8;
        let numeric = matches!(typed.data_type, DataType::Float64 | DataType::Int64);
        match key.order {
            SortOrder::Auto | SortOrder::Number if numeric => exprs.push(by(typed.expr)),
            SortOrder::Number => exprs.push(by(cast_to(typed, &number))),
            SortOrder::Text => exprs.push(by(cast_to(typed, &text))),
            SortOrder::Address => exprs.push(by(order::address_key(typed))),
            SortOrder::Auto => exprs.push(by(order::sort_key(typed))),
        }
    }
    // Equal rows keep their order, so that results do not depend on how the plan runs.
    if let Order::Keys(before) = &rows.order {
        exprs.extend(before.iter().cloned());
    } else if matches!(rows.order, Order::Newest) && rows.has(ORDER) {
        exprs.push(SortExpr::new(column(ORDER), false, false));
    }
    let rows = Rows {
        order: Order::Keys(exprs),
        ..rows
    };
    let rows = if limit == 0 {
        rows
    } else {
        planner.first(rows, limit, span)?
    };
    // Later commands may drop or change the keys: from now on the position counts.
    Ok(planner.placed(rows, span)?.0)
}
