//! `head`: the first rows, or those before the first for which a condition is false.

use std::fmt;

use datafusion::logical_expr::{Expr, lit};

use crate::expr::plan_condition;
use crate::plan::running::times_so_far;
use crate::plan::{
    Passing, Planner, Result, Rows, at, coalesce, column, diagnostic, nodes, null_is_false,
};
use crate::syntax::ast::{self, Arguments, ExprKind, Name, Span};
use crate::syntax::print::options;
use crate::syntax::usage::{Cursor, Form, Reading, Usage, Whole, count, flag};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "head",
        also: &[],
        syntax: "head [<number> | <expression>] [<options>]",
        meaning: "Keeps the first 10 rows, a given number, or all up to the first for which an expression is false.",
        options: &[
            count("limit", "Maximum rows."),
            flag("null", "Treats NULL as true."),
            flag(
                "keeplast",
                "Also keeps the row for which the expression was false.",
            ),
        ],
    },
    form: Form::Own { parse, print },
    reads: |_| Reading::default(),
    plan: &(plan as Passing),
};

/// Default number of rows.
const FEW: u64 = 10;
/// Column with the number of times the condition was false so far.
const FAILED: &str = hidden!("failed");

fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    while !cursor.ended() {
        let start = cursor.place();
        if let Some(name) = cursor.option_name() {
            // Another name is a field in a condition.
            if usage.options.iter().any(|option| option.name == name.text) {
                if let Some(value) = cursor.option(usage, &name)? {
                    arguments.options.push((name, value.text));
                }
                continue;
            }
            cursor.return_to(start);
        }
        if arguments.option("limit").is_none()
            && arguments.expressions.is_empty()
            && let Some(count) = cursor.number()
        {
            // `1==1` and `5 > x` are conditions.
            let operator = |next| b"=<>!+-*/%.".contains(&next);
            if cursor.ended() || !cursor.peek().is_some_and(operator) {
                let name = Name {
                    text: "limit".to_owned(),
                    span: count.span,
                };
                arguments.options.push((name, count.text));
                continue;
            }
            cursor.return_to(start);
        }
        if !arguments.expressions.is_empty() {
            return Err(cursor.expected("the end of the command, or an option of `head`"));
        }
        let condition = cursor.expression()?;
        let number = match &condition.kind {
            ExprKind::Negate(inner) => &inner.kind,
            kind => kind,
        };
        if matches!(number, ExprKind::Number(_)) {
            return Err(diagnostic(
                condition.span,
                format!("`{condition}` is not a number of rows, nor a condition"),
            ));
        }
        arguments.expressions.push(condition);
    }
    if arguments.option("limit").is_none() && arguments.expressions.is_empty() {
        let name = Name {
            text: "limit".to_owned(),
            span: Span::default(),
        };
        arguments.options.push((name, FEW.to_string()));
    }
    Ok(arguments)
}

fn print(arguments: &Arguments, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (arguments.expressions.first(), arguments.options.as_slice()) {
        (None, [(name, count)]) if name.text == "limit" => write!(f, " {count}"),
        (condition, given) => {
            if let Some(condition) = condition {
                write!(f, " ({condition})")?;
            }
            options(f, given)
        }
    }
}

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let rows = match arguments.expressions.first() {
        Some(condition) => while_it_holds(planner, rows, condition, arguments, span)?,
        None => rows,
    };
    match arguments.count("limit") {
        Some(count) => planner.first(rows, count, span),
        None => Ok(rows),
    }
}

fn while_it_holds(
    planner: &mut Planner<'_>,
    rows: Rows,
    condition: &ast::Expr,
    arguments: &Arguments,
    span: Span,
) -> Result<Rows> {
    let names = rows.all_names();
    let (rows, place) = planner.placed(rows, span)?;
    let holds = plan_condition(condition, &rows, &planner.context)?;
    let holds = if arguments.flag("null", false) {
        Expr::IsNotFalse(Box::new(holds))
    } else {
        null_is_false(holds)
    };
    // With `keeplast`, the row that ends them counts as one of those before it.
    let failed = times_so_far(
        Expr::Not(Box::new(holds)),
        &place,
        !arguments.flag("keeplast", false),
    );
    let plan = at(
        span,
        nodes::window(rows.plan.clone(), vec![failed.alias(FAILED)]),
    )?;
    let none = coalesce(vec![column(FAILED), lit(0_i64)]).eq(lit(0_i64));
    let rows = at(span, rows.with(plan).filter(none))?;
    let kept = names
        .into_iter()
        .chain([place])
        .map(|name| (name.clone(), column(&name)))
        .collect();
    at(span, rows.project(kept))
}
