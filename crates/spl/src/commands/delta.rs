//! `delta`: the difference from a preceding row.

use super::autoregress::{Back, back};
use crate::expr::plan_expr;
use crate::plan::{Passing, Planner, Result, Rows, null_text};
use crate::syntax::ast::{Arguments, BinaryOp, Expr, ExprKind, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, obeyed};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "delta",
        also: &[],
        syntax: "delta <field> [as <name>] [p=<number>]",
        meaning: "The difference between a field's value and that of the preceding row; none if either is not a number.",
        options: &[obeyed("p", "How many rows back; default 1.")],
    },
    form: Form::Plain {
        names: (1, 3),
        expects: "a field",
        subsearches: 0,
    },
    reads: |arguments| {
        let back = back(arguments, Span::default()).ok();
        Reading {
            fields: Vec::from_iter(back.as_ref().map(|back| back.field.text.clone())),
            makes: Vec::from_iter(back.map(|back| name(&back))),
            ..Reading::default()
        }
    },
    plan: &(plan as Passing),
};

fn name(back: &Back<'_>) -> String {
    match back.new {
        Some(new) => new.text.clone(),
        None => format!("delta({})", back.field.text),
    }
}

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let back = back(arguments, span)?;
    let field = |text: &str| {
        Box::new(Expr {
            kind: ExprKind::Field(text.to_owned()),
            span,
        })
    };
    let name = name(&back);
    back.beside(planner, rows, span, &mut |planner, rows, _, before| {
        let difference = Expr {
            kind: ExprKind::Binary {
                op: BinaryOp::Subtract,
                left: field(&back.field.text),
                right: field(before),
            },
            span,
        };
        let value = if rows.has(&back.field.text) {
            plan_expr(&difference, rows, &planner.context)?.expr
        } else {
            null_text()
        };
        Ok((name.clone(), value))
    })
}
