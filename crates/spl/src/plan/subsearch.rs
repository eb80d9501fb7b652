//! Subsearches in search clauses, and rows as the text of a search.
//!
//! As in Splunk, such a subsearch is run first. Its rows, at most 10,000, become an OR of ANDs of `field=value`; of
//! several values of a field one must fit. Fields whose names begin with `_` do not count, and the value of a field
//! `search` or `query` is search text itself. No rows fit nothing.

use std::borrow::Cow;

use datafusion::logical_expr::LogicalPlanBuilder;

use super::stage::Staged;
use super::{Order, Planner, Result, Rows, at, diagnostic};
use crate::syntax::ast::{
    Arguments, Command, CompareOp, Expr, ExprKind, Name, SearchExpr, SearchValue, Span,
};
use crate::syntax::walk::{change_parts, expressions, expressions_mut, visit_subsearches};
use crate::syntax::{parse_expr, parse_search};

/// The range of time that a search asks for, in seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TimeRange {
    /// Nothing before.
    pub earliest: Option<f64>,
    /// Nothing from here on.
    pub latest: Option<f64>,
}

/// Most rows of a subsearch that count.
pub(crate) const MOST_ROWS: usize = 10_000;

impl Planner<'_> {
    /// The clause with the rows of its subsearches in their places.
    pub(crate) fn resolve_clause(&mut self, expr: &SearchExpr) -> Result<SearchExpr> {
        Ok(match expr {
            SearchExpr::And(all) => SearchExpr::And(self.resolve_clauses(all)?),
            SearchExpr::Or(all) => SearchExpr::Or(self.resolve_clauses(all)?),
            SearchExpr::Not(inner) => SearchExpr::Not(Box::new(self.resolve_clause(inner)?)),
            SearchExpr::Subsearch(pipeline) => {
                let rows = self.pipeline(pipeline)?;
                match self.stage(rows, None, pipeline.span)? {
                    Some(staged) => clause(&staged, MOST_ROWS, pipeline.span)?,
                    None => expr.clone(),
                }
            }
            SearchExpr::Given {
                field,
                op,
                subsearch,
            } => {
                let rows = self.pipeline(subsearch)?;
                match self.stage(rows, None, subsearch.span)? {
                    Some(staged) => given(&staged, field, *op, subsearch.span)?,
                    None => expr.clone(),
                }
            }
            other => other.clone(),
        })
    }

    /// A command with the answers of the subsearches in its expressions in their places.
    pub(super) fn without_subsearches<'c>(
        &mut self,
        command: &'c Command,
    ) -> Result<Cow<'c, Command>> {
        let mut any = false;
        for expr in expressions(&command.kind) {
            visit_subsearches(expr, &mut |_| any = true);
        }
        if !any {
            return Ok(Cow::Borrowed(command));
        }
        let mut command = command.clone();
        for expr in expressions_mut(&mut command.kind) {
            change_parts(expr, &mut |part| self.answer(part))?;
        }
        Ok(Cow::Owned(command))
    }

    /// Puts the answer of a subsearch in its place: its rows as text, read as an expression. No rows are NULL.
    fn answer(&mut self, part: &mut Expr) -> Result<()> {
        let ExprKind::Subsearch(pipeline) = &part.kind else {
            return Ok(());
        };
        let rows = self.pipeline(pipeline)?;
        let span = part.span;
        let staged = self.stage(rows, None, span)?;
        let Some(staged) = staged.filter(|staged| staged.len() > 0) else {
            part.kind = ExprKind::Null;
            return Ok(());
        };
        let text = formatted(&staged, MOST_ROWS, &Arguments::default());
        let parsed = parse_expr(&text).map_err(|_| {
            diagnostic(
                span,
                format!("the subsearch gave `{text}`, which is not an expression"),
            )
        })?;
        *part = parsed.at(span);
        Ok(())
    }

    /// Notes the range of time that the clause of a first command asks for.
    pub(crate) fn note_range(&mut self, expr: &SearchExpr) {
        match expr {
            SearchExpr::And(all) => all.iter().for_each(|one| self.note_range(one)),
            SearchExpr::Compare {
                field,
                op: CompareOp::Eq,
                value,
            } => {
                let limit = crate::clause::time_modifier(&value.text, &self.context);
                match field.text.as_str() {
                    "earliest" | "starttime" => self.range.earliest = limit,
                    "latest" | "endtime" => self.range.latest = limit,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn resolve_clauses(&mut self, all: &[SearchExpr]) -> Result<Vec<SearchExpr>> {
        all.iter().map(|expr| self.resolve_clause(expr)).collect()
    }
}

/// The rows in the words of `format`.
pub(crate) fn formatted(staged: &Staged, most: usize, arguments: &Arguments) -> String {
    let word = |at: usize, default: &'static str| {
        arguments
            .fields
            .get(at)
            .map_or(default, |word| word.text.as_str())
    };
    let several = arguments.option("mvsep").unwrap_or("OR");
    let names: Vec<String> = staged
        .names()
        .into_iter()
        .filter(|name| !name.starts_with('_'))
        .collect();
    let parts = |row: usize| {
        let fields = names.iter().filter_map(|name| {
            let values = staged.values(name, row).into_iter().map(|value| {
                if is_text(name) {
                    return value;
                }
                let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                format!("{}=\"{value}\"", field_name(name))
            });
            let values: Vec<String> = values.collect();
            match values.as_slice() {
                [] => None,
                [one] => Some(one.clone()),
                _ => Some(format!("( {} )", values.join(&format!(" {several} ")))),
            }
        });
        fields
            .collect::<Vec<_>>()
            .join(&format!(" {} ", word(2, "AND")))
    };
    let rows: Vec<String> = (0..staged.len().min(most))
        .map(parts)
        .filter(|row| !row.is_empty())
        .map(|row| format!("{} {row} {}", word(1, "("), word(3, ")")))
        .collect();
    if rows.is_empty() {
        return arguments.option("emptystr").unwrap_or("NOT ( )").to_owned();
    }
    format!(
        "{} {} {}",
        word(0, "("),
        rows.join(&format!(" {} ", word(4, "OR"))),
        word(5, ")")
    )
}

/// A field as it is named in a search clause: in quotes only where it needs them.
fn field_name(name: &str) -> String {
    let plain = |char: char| char.is_alphanumeric() || matches!(char, '_' | '.' | '{' | '}' | '-');
    if name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\\\""))
    }
}

/// A single row.
pub(crate) fn one_row(
    columns: Vec<(String, datafusion::logical_expr::Expr)>,
    span: Span,
) -> Result<Rows> {
    let exprs = columns.into_iter().map(|(name, expr)| expr.alias(name));
    let plan = LogicalPlanBuilder::empty(true).project(exprs);
    Ok(Rows {
        plan: at(span, plan.and_then(LogicalPlanBuilder::build))?,
        order: Order::AsIs,
        empty: false,
        open: false,
    })
}

/// Rows as a clause.
fn clause(staged: &Staged, most: usize, span: Span) -> Result<SearchExpr> {
    let names: Vec<String> = staged
        .names()
        .into_iter()
        .filter(|name| !name.starts_with('_'))
        .collect();
    let field = |name: &String| Name {
        text: name.clone(),
        span,
    };
    let value = |text: String| SearchValue {
        text,
        quoted: true,
        directive: None,
        span,
    };
    let rows = staged.len().min(most);
    if let [name] = names.as_slice()
        && !is_text(name)
    {
        // One comparison with all values is quicker than many with one.
        let mut values: Vec<String> = (0..rows).flat_map(|row| staged.values(name, row)).collect();
        values.sort_unstable();
        values.dedup();
        if values.is_empty() {
            return Ok(SearchExpr::Not(Box::new(SearchExpr::And(Vec::new()))));
        }
        return Ok(SearchExpr::In {
            field: field(name),
            values: values.into_iter().map(value).collect(),
        });
    }
    let mut any = Vec::new();
    for row in 0..rows {
        let mut all = Vec::new();
        for name in &names {
            let mut values = staged.values(name, row);
            if values.is_empty() {
                continue;
            }
            if is_text(name) {
                for part in values {
                    all.push(parse_search(&part).map_err(|_| {
                        diagnostic(
                            span,
                            format!("the subsearch gave `{part}`, which is not a search"),
                        )
                    })?);
                }
            } else if values.len() == 1 {
                all.push(SearchExpr::Compare {
                    field: field(name),
                    op: CompareOp::Eq,
                    value: value(values.remove(0)),
                });
            } else {
                all.push(SearchExpr::In {
                    field: field(name),
                    values: values.into_iter().map(value).collect(),
                });
            }
        }
        if !all.is_empty() {
            any.push(SearchExpr::And(all));
        }
    }
    Ok(if any.is_empty() {
        SearchExpr::Not(Box::new(SearchExpr::And(Vec::new())))
    } else {
        SearchExpr::Or(any)
    })
}

/// `field op [ … ]`: the comparison with the value of each row, of which one must fit; of `!=`, all.
fn given(staged: &Staged, field: &Name, op: Option<CompareOp>, span: Span) -> Result<SearchExpr> {
    let names: Vec<String> = staged
        .names()
        .into_iter()
        .filter(|name| !name.starts_with('_'))
        .collect();
    if let Some(name) = names.iter().find(|name| !is_text(name)) {
        return Err(diagnostic(
            span,
            format!(
                "`{}` needs a value, but the subsearch returns the field `{name}`",
                field.text
            ),
        )
        .with_help(format!("end it with `return ${name}`")));
    }
    let mut parts = Vec::new();
    for row in 0..staged.len().min(MOST_ROWS) {
        for text in names.iter().flat_map(|name| staged.values(name, row)) {
            match op {
                None => match parse_search(&format!("x IN ({text})")) {
                    Ok(SearchExpr::In { values, .. }) => parts.push(SearchExpr::In {
                        field: field.clone(),
                        values,
                    }),
                    _ => parts.push(SearchExpr::In {
                        field: field.clone(),
                        values: vec![SearchValue::plain(text)],
                    }),
                },
                Some(op) => {
                    let value = match parse_search(&format!("x={text}")) {
                        Ok(SearchExpr::Compare { value, .. }) => value,
                        _ => SearchValue::plain(text),
                    };
                    parts.push(SearchExpr::Compare {
                        field: field.clone(),
                        op,
                        value,
                    });
                }
            }
        }
    }
    Ok(match op {
        _ if parts.is_empty() => SearchExpr::Not(Box::new(SearchExpr::And(Vec::new()))),
        Some(CompareOp::Ne) => SearchExpr::And(parts),
        _ => SearchExpr::Or(parts),
    })
}

/// Whether the value of a field of this name is search text.
pub(crate) fn is_text(name: &str) -> bool {
    matches!(name, "search" | "query")
}
