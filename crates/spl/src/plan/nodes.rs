//! Nodes of a plan.
//!
//! DataFusion's builder asks for each column of each node whether some `JOIN … USING` of the whole plan below made it, so
//! that the time to plan grows with more than the square of the number of commands. Columns of these plans have
//! no qualifiers, and a name has one meaning in a schema: nothing needs to be resolved. Where a schema has qualifiers (what
//! stands directly on a table), the builder does it.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, LogicalPlan, LogicalPlanBuilder, Projection, Sort, SortExpr, Window,
};

use crate::ops::{apart, kept_apart};

fn is_plain(plan: &LogicalPlan) -> bool {
    plan.schema()
        .iter()
        .all(|(qualifier, _)| qualifier.is_none())
}

/// These columns of the rows.
pub(super) fn project(plan: LogicalPlan, columns: Vec<(String, Expr)>) -> Result<LogicalPlan> {
    let is_same_column = |name: &str, expr: &Expr| matches!(expr, Expr::Column(own) if own.relation.is_none() && own.name == name);
    let is_set = |(name, expr): &&(String, Expr)| {
        !matches!(expr, Expr::Literal(..)) && !is_same_column(name, expr)
    };
    let times = times_set(&plan, columns.iter().filter(is_set));
    let exprs: Vec<Expr> = columns
        .into_iter()
        .map(|(name, expr)| match times.get(name.as_str()) {
            _ if is_same_column(&name, &expr) => expr,
            Some(times) => apart(expr, &format!("{name} {times}")).alias(name),
            None => expr.alias(name),
        })
        .collect();
    if is_plain(&plan) {
        return Projection::try_new(exprs, Arc::new(plan)).map(LogicalPlan::Projection);
    }
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}

/// Columns that a plan sets to these expressions already, and how often.
///
/// DataFusion 55 takes a projection away that is the same as the one below it, as if `m = f(m)` twice were once. What is
/// set again must look different.
fn times_set<'c>(
    plan: &LogicalPlan,
    set: impl Iterator<Item = &'c (String, Expr)>,
) -> HashMap<String, usize> {
    let set: HashMap<&str, &Expr> = set.map(|(name, expr)| (name.as_str(), expr)).collect();
    let mut times = HashMap::new();
    let mut below = (!set.is_empty()).then_some(plan);
    while let Some(node) = below {
        if let LogicalPlan::Projection(projection) = node {
            for own in &projection.expr {
                if let Expr::Alias(own) = own
                    && let Some(expr) = set.get(own.name.as_str())
                    && (own.expr.as_ref() == *expr || kept_apart(&own.expr) == Some(*expr))
                {
                    *times.entry(own.name.clone()).or_default() += 1;
                }
            }
        }
        below = match node.inputs().as_slice() {
            [input] => Some(*input),
            _ => None,
        };
    }
    times
}

/// The rows for which a condition holds.
pub(super) fn filter(plan: LogicalPlan, condition: Expr) -> Result<LogicalPlan> {
    if is_plain(&plan) {
        return Filter::try_new(condition, Arc::new(plan)).map(LogicalPlan::Filter);
    }
    LogicalPlanBuilder::from(plan).filter(condition)?.build()
}

/// The rows in the order of these keys.
pub(super) fn sort(plan: LogicalPlan, keys: Vec<SortExpr>) -> Result<LogicalPlan> {
    if is_plain(&plan) {
        return Ok(LogicalPlan::Sort(Sort {
            expr: keys,
            input: Arc::new(plan),
            fetch: None,
        }));
    }
    LogicalPlanBuilder::from(plan).sort(keys)?.build()
}

/// The rows with windows beside them, each under an alias.
///
/// `DataFusion` 55 breaks on a node that has the same window twice: such a window is worked out once.
pub(crate) fn window(plan: LogicalPlan, windows: Vec<Expr>) -> Result<LogicalPlan> {
    // Wildcards may mean no field.
    if windows.is_empty() {
        return Ok(plan);
    }
    let mut once: Vec<Expr> = Vec::new();
    let mut again: Vec<(String, String)> = Vec::new();
    for window in windows {
        let Expr::Alias(alias) = &window else {
            once.push(window);
            continue;
        };
        let same = once.iter().find_map(|known| match known {
            Expr::Alias(known) if known.expr == alias.expr => Some(known.name.clone()),
            _ => None,
        });
        match same {
            Some(known) => again.push((alias.name.clone(), known)),
            None => once.push(window),
        }
    }
    let plan = if is_plain(&plan) {
        Window::try_new(once, Arc::new(plan)).map(LogicalPlan::Window)?
    } else {
        LogicalPlanBuilder::from(plan).window(once)?.build()?
    };
    if again.is_empty() {
        return Ok(plan);
    }
    let own = plan
        .schema()
        .fields()
        .iter()
        .map(|field| (field.name().clone(), super::column(field.name())));
    let again = again
        .into_iter()
        .map(|(name, known)| (name, super::column(&known)));
    let columns = own.chain(again).collect();
    project(plan, columns)
}

/// A row for each group.
pub(crate) fn aggregate(
    plan: LogicalPlan,
    groups: Vec<Expr>,
    calls: Vec<Expr>,
) -> Result<LogicalPlan> {
    if is_plain(&plan) {
        return Aggregate::try_new(Arc::new(plan), groups, calls).map(LogicalPlan::Aggregate);
    }
    LogicalPlanBuilder::from(plan)
        .aggregate(groups, calls)?
        .build()
}
