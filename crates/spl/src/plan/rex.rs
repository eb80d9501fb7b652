//! `rex` and `regex`.

use super::{Planner, Result, Rows, at, cast_to, common_type, diagnostic};
use crate::expr::{Fields, plan_call};
use crate::functions::regex::{compile_regex, group_names};
use crate::ops::extract;
use crate::syntax::ast::{Name, Rex, RexAction, Span};

impl Planner<'_> {
    pub(super) fn rex(&mut self, rows: Rows, rex: &Rex, span: Span) -> Result<Rows> {
        let Some(value) = rows.field(&rex.field.text) else {
            if let RexAction::Extract(pattern) = &rex.action {
                check(pattern)?;
                let missing = group_names(&pattern.text)
                    .into_iter()
                    .filter(|name| !rows.has(name))
                    .map(|name| (name, super::null_text()));
                return at(span, rows.clone().set(missing.collect()));
            }
            return Ok(rows);
        };
        match &rex.action {
            RexAction::Sed(expression) => {
                let sed = extract::sed(value, &expression.text)
                    .map_err(|message| diagnostic(expression.span, message))?;
                at(span, rows.set(vec![(rex.field.text.clone(), sed.expr)]))
            }
            RexAction::Extract(pattern) => {
                check(pattern)?;
                let groups = group_names(&pattern.text);
                if groups.is_empty() {
                    return Err(diagnostic(
                        pattern.span,
                        "the pattern has no named group: write `(?<name>…)` around what is to become a field",
                    ));
                }
                let mut assignments = Vec::new();
                for group in groups {
                    let found = extract::rex(value.clone(), &pattern.text, &group, rex.max_match);
                    // A field that is there already stays where the pattern does not match.
                    let expr = match rows.field(&group) {
                        None => found.expr,
                        Some(existing) => {
                            let data_type = common_type(&existing.data_type, &found.data_type);
                            super::coalesce(vec![
                                cast_to(found, &data_type),
                                cast_to(existing, &data_type),
                            ])
                        }
                    };
                    assignments.push((group, expr));
                }
                if let Some(offsets) = &rex.offset_field {
                    assignments.push((
                        offsets.text.clone(),
                        extract::offsets(value, &pattern.text, rex.max_match).expr,
                    ));
                }
                at(span, rows.set(assignments))
            }
        }
    }

    pub(super) fn regex(
        &mut self,
        rows: Rows,
        field: &Name,
        negated: bool,
        pattern: &Name,
        span: Span,
    ) -> Result<Rows> {
        check(pattern)?;
        let Some(value) = rows.field(&field.text) else {
            // Without the field `=` holds for no row, `!=` for all.
            return if negated {
                Ok(rows)
            } else {
                at(span, rows.filter(datafusion::logical_expr::lit(false)))
            };
        };
        let literal = crate::expr::Typed {
            expr: super::text(&pattern.text),
            data_type: datafusion::arrow::datatypes::DataType::Utf8,
        };
        let matches = super::null_is_false(
            plan_call("match", vec![value, literal], pattern.span, &self.context)?.expr,
        );
        at(
            span,
            rows.filter(if negated {
                datafusion::logical_expr::not(matches)
            } else {
                matches
            }),
        )
    }
}

fn check(pattern: &Name) -> Result<()> {
    compile_regex(&pattern.text)
        .map(drop)
        .map_err(|message| diagnostic(pattern.span, message))
}
