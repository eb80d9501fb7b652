//! Walks over the syntax tree.

use std::sync::Arc;

use super::ast::{
    Aggregation, AggregationArgument, CommandKind, Expr, ExprKind, Mark, Pipeline, SearchExpr, Span,
};
use super::command::{Part, Syntax};
use super::parse_search;

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
        SearchExpr::Compare { field, .. }
        | SearchExpr::In { field, .. }
        | SearchExpr::Given { field, .. } => visit(&field.text),
        SearchExpr::Term(_) => visit("_raw"),
        SearchExpr::Subsearch(_) => {}
    }
}

/// Once for looking at expressions, once for changing them.
macro_rules! expressions {
    ($name:ident, $typed:ident, $iter:ident, $as_option:ident, {$($reference:tt)+}, {$($of:tt)+}) => {
        /// The expressions of a command.
        pub(crate) fn $name<'e>(kind: $($of)+ CommandKind) -> Vec<$($of)+ Expr> {
            fn evals<'e>(all: $($of)+ [Aggregation]) -> Vec<$($of)+ Expr> {
                let arguments = all.$iter().filter_map(|one| one.argument.$as_option());
                arguments
                    .filter_map(|argument| match argument {
                        AggregationArgument::Eval(expr) => Some(expr),
                        AggregationArgument::Field(_) => None,
                    })
                    .collect()
            }
            match kind {
                CommandKind::Where(expr) => vec![expr],
                CommandKind::Eval(all) => all.$iter().map(|(_, expr)| expr).collect(),
                CommandKind::Stats(stats) | CommandKind::Eventstats(stats) => {
                    evals($($reference)+ stats.aggregations)
                }
                CommandKind::Tstats(stats) => evals($($reference)+ stats.aggregations),
                CommandKind::Mstats(mstats) => evals($($reference)+ mstats.stats.aggregations),
                CommandKind::Chart(chart) => {
                    let mut all = evals($($reference)+ chart.aggregations);
                    all.extend(chart.computed.$iter().map(|one| $($reference)+ one.expr));
                    all
                }
                CommandKind::Streamstats(streamstats) => {
                    let mut all = evals($($reference)+ streamstats.stats.aggregations);
                    all.extend(streamstats.reset_before.$as_option());
                    all.extend(streamstats.reset_after.$as_option());
                    all
                }
                CommandKind::Whole(_, arguments) => arguments.expressions.$iter().collect(),
                CommandKind::Transaction(transaction) => {
                    let starts = transaction.starts.$as_option().into_iter();
                    starts
                        .chain(transaction.ends.$as_option())
                        .filter_map(|mark| match mark {
                            Mark::Eval(expr) => Some(expr),
                            Mark::Search(_) => None,
                        })
                        .collect()
                }
                CommandKind::Typed(_, syntax) => $typed(syntax),
                _ => Vec::new(),
            }
        }
    };
}

fn typed_expressions(syntax: &Arc<dyn Syntax>) -> Vec<&Expr> {
    let parts = syntax.parts().into_iter();
    parts
        .filter_map(|part| match part {
            Part::Expression(expr) => Some(expr),
            Part::Clause(_) | Part::Search(_) | Part::Pipe(_) => None,
        })
        .collect()
}

fn typed_expressions_mut(syntax: &mut Arc<dyn Syntax>) -> Vec<&mut Expr> {
    *syntax = Arc::from(syntax.copied());
    match Arc::get_mut(syntax) {
        Some(own) => own.expressions_mut(),
        None => Vec::new(),
    }
}

expressions!(expressions, typed_expressions, iter, as_ref, {&}, {&'e});
expressions!(expressions_mut, typed_expressions_mut, iter_mut, as_mut, {&mut}, {&'e mut});

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
