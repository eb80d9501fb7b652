//! Walks over the syntax tree.

use std::sync::Arc;

use super::ast::{CommandKind, Expr, ExprKind, Pipeline, SearchExpr, Span};
use super::command::Part;
use super::parse_search;
use crate::functions::SEARCH_MATCH;

/// Calls `visit` with every field that an expression reads.
pub(crate) fn visit_fields(expr: &Expr, visit: &mut dyn FnMut(&str, Span)) {
    match &expr.kind {
        ExprKind::Field(name) => visit(name, expr.span),
        // A subsearch reads events of its own.
        ExprKind::Null
        | ExprKind::Bool(_)
        | ExprKind::Number(_)
        | ExprKind::Text(_)
        | ExprKind::Subsearch(_) => {}
        ExprKind::Negate(inner) | ExprKind::Not(inner) => visit_fields(inner, visit),
        ExprKind::Binary { left, right, .. } => {
            visit_fields(left, visit);
            visit_fields(right, visit);
        }
        ExprKind::In { value, list } => {
            visit_fields(value, visit);
            list.iter().for_each(|item| visit_fields(item, visit));
        }
        ExprKind::Call { name, args, .. } if name == SEARCH_MATCH => {
            // Its argument is a search clause in a text.
            if let [argument] = args.as_slice()
                && let ExprKind::Text(text) = &argument.kind
                && let Ok(clause) = parse_search(text)
            {
                visit_clause_fields(&clause, &mut |name| visit(name, argument.span));
            }
        }
        ExprKind::Call { args, .. } => args.iter().for_each(|arg| visit_fields(arg, visit)),
    }
}

/// Calls `visit` with every field that a search clause compares.
pub(crate) fn visit_clause_fields(clause: &SearchExpr, visit: &mut dyn FnMut(&str)) {
    match clause {
        SearchExpr::And(all) | SearchExpr::Or(all) => {
            all.iter().for_each(|one| visit_clause_fields(one, visit));
        }
        SearchExpr::Not(inner) => visit_clause_fields(inner, visit),
        SearchExpr::Compare { field, .. }
        | SearchExpr::In { field, .. }
        | SearchExpr::Given { field, .. } => visit(&field.text),
        SearchExpr::Term(_) => visit("_raw"),
        SearchExpr::Subsearch(_) => {}
    }
}

/// The expressions of a command.
pub(crate) fn expressions(kind: &CommandKind) -> impl Iterator<Item = &Expr> {
    kind.parts().into_iter().filter_map(|part| match part {
        Part::Expression(expr) => Some(expr),
        Part::Clause(_) | Part::Search(_) | Part::Pipe(_) => None,
    })
}

/// The expressions of a command, to be changed.
pub(crate) fn expressions_mut(kind: &mut CommandKind) -> Vec<&mut Expr> {
    match kind {
        CommandKind::Whole(_, arguments) => arguments.expressions.iter_mut().collect(),
        CommandKind::Typed(_, syntax) => {
            // Others may have the same arguments.
            *syntax = Arc::from(syntax.copied());
            Arc::get_mut(syntax).map_or_else(Vec::new, |own| own.expressions_mut())
        }
        CommandKind::Unsupported { .. } => Vec::new(),
    }
}

/// Calls `visit` with every subsearch in an expression.
pub(crate) fn visit_subsearches<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Pipeline)) {
    match &expr.kind {
        ExprKind::Subsearch(pipeline) => visit(pipeline),
        ExprKind::Null
        | ExprKind::Bool(_)
        | ExprKind::Number(_)
        | ExprKind::Text(_)
        | ExprKind::Field(_) => {}
        ExprKind::Negate(inner) | ExprKind::Not(inner) => visit_subsearches(inner, visit),
        ExprKind::Binary { left, right, .. } => {
            visit_subsearches(left, visit);
            visit_subsearches(right, visit);
        }
        ExprKind::In { value, list } => {
            visit_subsearches(value, visit);
            list.iter().for_each(|item| visit_subsearches(item, visit));
        }
        ExprKind::Call { args, .. } => args.iter().for_each(|arg| visit_subsearches(arg, visit)),
    }
}

/// Changes every part of an expression, the inner ones first.
///
/// # Errors
/// The first that `change` gives.
pub(crate) fn change_parts<E>(
    expr: &mut Expr,
    change: &mut dyn FnMut(&mut Expr) -> Result<(), E>,
) -> Result<(), E> {
    match &mut expr.kind {
        ExprKind::Null
        | ExprKind::Bool(_)
        | ExprKind::Number(_)
        | ExprKind::Text(_)
        | ExprKind::Field(_)
        | ExprKind::Subsearch(_) => {}
        ExprKind::Negate(inner) | ExprKind::Not(inner) => change_parts(inner, change)?,
        ExprKind::Binary { left, right, .. } => {
            change_parts(left, change)?;
            change_parts(right, change)?;
        }
        ExprKind::In { value, list } => {
            change_parts(value, change)?;
            for item in list {
                change_parts(item, change)?;
            }
        }
        ExprKind::Call { args, .. } => {
            for arg in args {
                change_parts(arg, change)?;
            }
        }
    }
    change(expr)
}
