//! `eval`: gives fields the values of expressions.

use std::fmt;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Case, Expr};

use crate::expr::{Fields, plan_expr};
use crate::ops::{call, fixed};
use crate::plan::{
    Plan, Planner, Result, Rows, as_value, at, cast_to, column, common_type, diagnostic, is_hidden,
    null_is_false, null_text, text, typed,
};
use crate::syntax::ast::{self, Name, Span};
use crate::syntax::command::{Ledger, Part, Syntax};
use crate::syntax::print::{list, quoted};
use crate::syntax::usage::{Cursor, Usage, Whole};
use crate::syntax::walk::visit_fields;

pub(super) static COMMAND: Whole = typed::<Eval>(Usage {
    name: "eval",
    also: &[],
    syntax: "eval <field>=<expression>, …",
    meaning: "Sets fields to the values of expressions. `{field}` in a name is replaced with that field's value.",
    options: &[],
});

/// `eval`: assignments from left to right.
#[derive(Debug, Clone, PartialEq)]
pub struct Eval(pub Vec<(Name, ast::Expr)>);

impl Syntax for Eval {
    fn parse(cursor: &mut dyn Cursor, _: &Usage) -> Result<Self> {
        let mut assignments = Vec::new();
        loop {
            let target = cursor.single_name("a field to assign to")?;
            if !cursor.eat(b'=') {
                return Err(cursor.expected(&format!("`=` after `{}`", target.text)));
            }
            assignments.push((target, cursor.expression()?));
            if !cursor.eat(b',') {
                let start = cursor.place();
                if cursor.option_name().is_some() {
                    cursor.return_to(start);
                    let diagnostic = cursor.expected("`,` or the end of the command");
                    return Err(diagnostic.with_help("separate assignments with commas"));
                }
                break;
            }
            // A comma behind the last one does no harm.
            if cursor.at_end() {
                break;
            }
        }
        Ok(Self(assignments))
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, &self.0, |f, (target, expr)| {
            write!(f, "{} = {expr}", quoted(&target.text))
        })
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        for (name, expr) in &self.0 {
            ledger.works_out(expr);
            match dynamic_parts(&name.text) {
                None => ledger.makes(&name.text),
                Some(parts) => {
                    for field in parts.iter().filter_map(|part| part.as_ref().err()) {
                        ledger.reads(field, name.span);
                    }
                    ledger.makes_any();
                }
            }
        }
        false
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let expressions = self.0.iter().map(|(_, expr)| Part::Expression(expr));
        expressions.collect()
    }

    fn assigned(&self) -> Vec<&Name> {
        self.0.iter().map(|(name, _)| name).collect()
    }

    fn expressions_mut(&mut self) -> Vec<&mut ast::Expr> {
        self.0.iter_mut().map(|(_, expr)| expr).collect()
    }

    fn columns(&self, before: Option<Vec<String>>) -> Option<Vec<String>> {
        let mut known = before?;
        known.extend(self.0.iter().map(|(name, _)| name.text.clone()));
        Some(known)
    }

    fn needs_rows(&self) -> bool {
        true
    }
}

impl Plan for Eval {
    fn plan(&self, planner: &mut Planner<'_>, mut rows: Rows, span: Span) -> Result<Rows> {
        // Assignments that do not read one another are made at once: fewer nodes to plan.
        let mut together: Vec<(String, Expr)> = Vec::new();
        for (name, expr) in &self.0 {
            if dynamic_parts(&name.text).is_some() {
                rows = at(span, rows.set(std::mem::take(&mut together)))?;
                rows = dynamic(planner, rows, name, expr, span)?;
                continue;
            }
            let mut reads = together.iter().any(|(own, _)| *own == name.text);
            visit_fields(expr, &mut |field, _| {
                reads |= together.iter().any(|(own, _)| own == field);
            });
            if reads {
                rows = at(span, rows.set(std::mem::take(&mut together)))?;
            }
            let value = as_value(plan_expr(expr, &rows, &planner.context)?);
            together.push((name.text.clone(), value.expr));
        }
        let rows = at(span, rows.set(together))?;
        if self.0.iter().any(|(name, _)| name.text == "_time") {
            return at(span, rows.timed_anew());
        }
        Ok(rows)
    }
}

/// `eval {field}=…`: the field that is set has the value of another for its name, so the rows are run first.
fn dynamic(
    planner: &mut Planner<'_>,
    rows: Rows,
    name: &Name,
    expr: &ast::Expr,
    span: Span,
) -> Result<Rows> {
    const MOST: usize = 1000;
    const TARGET: &str = hidden!("target");
    const VALUE: &str = hidden!("assigned");
    let parts = dynamic_parts(&name.text).unwrap_or_default();
    let fields: Vec<Expr> = parts
        .iter()
        .filter_map(|part| part.as_ref().err())
        .map(|field| match rows.field(field) {
            Some(typed) => cast_to(typed, &DataType::Utf8),
            None => null_text(),
        })
        .collect();
    let texts: Vec<Option<&String>> = parts.iter().map(|part| part.as_ref().ok()).collect();
    let args = [fixed(&texts)].into_iter().chain(fields);
    let target = call("spl_dynamic_name", DataType::Utf8, args.collect());
    let value = as_value(plan_expr(expr, &rows, &planner.context)?);
    let assigned = vec![
        (TARGET.to_owned(), target.expr),
        (VALUE.to_owned(), value.expr),
    ];
    let rows = at(span, rows.set(assigned))?;
    let Some(staged) = planner.stage(rows.clone(), None, span)? else {
        return Ok(rows);
    };
    let mut names: Vec<String> = Vec::new();
    for row in 0..staged.len() {
        if let Some(target) = staged.text(TARGET, row)
            && !is_hidden(&target)
            && !names.contains(&target)
        {
            names.push(target);
            if names.len() > MOST {
                return Err(diagnostic(
                    name.span,
                    format!("`{}` would make more than {MOST} fields", name.text),
                ));
            }
        }
    }
    let rows = at(span, staged.rows())?;
    let mut set = Vec::new();
    for target in names {
        let Some(value) = rows.field(VALUE) else {
            continue;
        };
        let before = rows.field(&target);
        let data_type = before.as_ref().map_or(value.data_type.clone(), |before| {
            common_type(&before.data_type, &value.data_type)
        });
        let is_target = null_is_false(column(TARGET).eq(text(target.clone())));
        let expr = Expr::Case(Case::new(
            None,
            vec![(Box::new(is_target), Box::new(cast_to(value, &data_type)))],
            before.map(|before| Box::new(cast_to(before, &data_type))),
        ));
        set.push((target, expr));
    }
    let rows = at(span, rows.set(set))?;
    let kept = rows
        .all_names()
        .into_iter()
        .filter(|name| name != TARGET && name != VALUE)
        .map(|name| (name.clone(), column(&name)))
        .collect();
    at(span, rows.reshape(kept))
}

/// The parts of a name such as `a_{n}`: fixed text, and as errors the fields whose values stand in braces. `None` where the
/// name is fixed; braces with nothing in them are part of it, as in `a{}.b`.
fn dynamic_parts(name: &str) -> Option<Vec<Result<String, String>>> {
    let mut parts = Vec::new();
    let (mut fixed, mut rest) = (String::new(), name);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((field, behind)) = after.split_once('}') else {
            break;
        };
        fixed.push_str(before);
        if field.is_empty() {
            fixed.push_str("{}");
        } else {
            if !fixed.is_empty() {
                parts.push(Ok(std::mem::take(&mut fixed)));
            }
            parts.push(Err(field.to_owned()));
        }
        rest = behind;
    }
    fixed.push_str(rest);
    if parts.is_empty() {
        return None;
    }
    if !fixed.is_empty() {
        parts.push(Ok(fixed));
    }
    Some(parts)
}
