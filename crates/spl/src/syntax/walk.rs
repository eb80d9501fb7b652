//! Walks over the syntax tree.

use super::ast::{Expr, ExprKind, SearchExpr, Span};
use super::parse_search;

/// Calls `visit` with every field that an expression reads.
pub(crate) fn visit_fields(expr: &Expr, visit: &mut dyn FnMut(&str, Span)) {
    match &expr.kind {
        ExprKind::Field(name) => visit(name, expr.span),
        ExprKind::Null | ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::Text(_) => {}
        ExprKind::Negate(inner) | ExprKind::Not(inner) => visit_fields(inner, visit),
        ExprKind::Binary { left, right, .. } => {
            visit_fields(left, visit);
            visit_fields(right, visit);
        }
        ExprKind::In { value, list } => {
            visit_fields(value, visit);
            list.iter().for_each(|item| visit_fields(item, visit));
        }
        ExprKind::Call { name, args, .. } if name == "searchmatch" => {
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
fn visit_clause_fields(clause: &SearchExpr, visit: &mut dyn FnMut(&str)) {
    match clause {
        SearchExpr::And(all) | SearchExpr::Or(all) => {
            all.iter().for_each(|one| visit_clause_fields(one, visit));
        }
        SearchExpr::Not(inner) => visit_clause_fields(inner, visit),
        SearchExpr::Compare { field, .. } | SearchExpr::In { field, .. } => visit(&field.text),
        SearchExpr::Term(_) => visit("_raw"),
        SearchExpr::Subsearch(_) => {}
    }
}
