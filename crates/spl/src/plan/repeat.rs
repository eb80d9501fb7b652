//! `foreach`, `map`, `union`, `makeresults`.

use datafusion::logical_expr::lit;

use super::multivalue::matching;
use super::stats::wildcard_parts;
use super::subsearch::one_row;
use super::{Order, Planner, Result, Rows, at, diagnostic};
use crate::syntax::ast::{Arguments, Foreach, Map, Pipeline, Span};
use crate::syntax::{parse, parse_without_macros};

/// More rows than `makeresults` is asked for in earnest.
const MOST_MADE: u64 = 1_000_000;

impl Planner<'_> {
    /// `foreach`: the template with each field that fits, one after the other.
    pub(super) fn foreach(&mut self, rows: Rows, foreach: &Foreach, span: Span) -> Result<Rows> {
        let mut rows = rows;
        for pattern in &foreach.fields {
            let names = if pattern.text.contains('*') {
                matching(&rows, std::slice::from_ref(pattern))
                    .into_iter()
                    .filter(|name| !name.starts_with('_') || pattern.text.starts_with('_'))
                    .collect()
            } else {
                vec![pattern.text.clone()]
            };
            for name in names {
                let parts = wildcard_parts(&pattern.text, &name).unwrap_or_default();
                let template = expand(&foreach.template.text, &name, &parts);
                let pipeline =
                    parse_without_macros(&format!("| {}", template.trim_start_matches('|')))
                        .map_err(|errors| {
                            let why = errors.into_iter().map(|error| error.message);
                            diagnostic(
                                foreach.template.span,
                                format!(
                                    "for the field `{name}`: {}",
                                    why.collect::<Vec<_>>().join("; ")
                                ),
                            )
                        })?;
                rows = self.commands(rows, &pipeline.commands).map_err(|error| {
                    diagnostic(span, format!("for the field `{name}`: {}", error.message))
                })?;
            }
        }
        Ok(rows)
    }

    /// `map`: a search for each row, the results below one another.
    pub(super) fn map(&mut self, rows: Rows, map: &Map, span: Span) -> Result<Rows> {
        let Some(staged) = self.stage(rows, None, span)? else {
            return self.mapped(&any_values(&map.search.text), map, span);
        };
        let most = usize::try_from(map.max).unwrap_or(usize::MAX);
        let mut all: Option<Rows> = None;
        let mut lacking = 0_usize;
        for row in 0..staged.len().min(most) {
            let lacks = std::cell::Cell::new(false);
            let text = fill(&map.search.text, |name| {
                let value = staged.values(name, row).join(" ");
                lacks.set(lacks.get() || value.is_empty());
                Some(value.replace('"', "\\\""))
            });
            // Nothing can be asked about a row that does not have what the search names.
            if lacks.get() {
                lacking += 1;
                continue;
            }
            let more = self.mapped(&text, map, span)?;
            all = Some(match all {
                None => more,
                Some(before) => self.below(before, more, span)?,
            });
        }
        if lacking > 0 {
            self.warnings.push(diagnostic(
                span,
                format!("`map` left out {lacking} rows that lack a field that its search names"),
            ));
        }
        if staged.len() > most {
            self.warnings.push(diagnostic(
                span,
                format!(
                    "`map` ran for the first {most} of {} rows: `maxsearches=` says for how many",
                    staged.len()
                ),
            ));
        }
        match all {
            Some(rows) => Ok(rows),
            None => {
                let rows = self.mapped(&any_values(&map.search.text), map, span)?;
                at(span, rows.filter(lit(false)))
            }
        }
    }

    fn mapped(&mut self, text: &str, map: &Map, span: Span) -> Result<Rows> {
        let pipeline = parse(text, &self.knowledge.macros).map_err(|errors| {
            let why = errors.into_iter().map(|error| error.message);
            diagnostic(
                map.search.span,
                format!(
                    "the search of `map`: {}",
                    why.collect::<Vec<_>>().join("; ")
                ),
            )
        })?;
        let warnings = self.warnings.len();
        let rows = self
            .pipeline(&pipeline)
            .map_err(|error| diagnostic(span, format!("the search of `map`: {}", error.message)));
        // Their places are in another text.
        for warning in &mut self.warnings[warnings..] {
            warning.span = map.search.span;
        }
        rows
    }

    pub(super) fn union_all(&mut self, all: &[Pipeline], span: Span) -> Result<Rows> {
        let mut rows: Option<Rows> = None;
        for pipeline in all {
            let more = self.pipeline(pipeline)?;
            rows = Some(match rows {
                None => more,
                Some(before) => self.below(before, more, span)?,
            });
        }
        rows.ok_or_else(|| diagnostic(span, "`union` needs a subsearch in brackets"))
    }

    pub(super) fn makeresults(&mut self, arguments: &Arguments, span: Span) -> Result<Rows> {
        let count = match arguments.option("count") {
            None => 1,
            Some(count) => count
                .parse::<u64>()
                .ok()
                .filter(|count| *count <= MOST_MADE)
                .ok_or_else(|| diagnostic(span, format!("`{count}` is no number of rows")))?,
        };
        let places = (0..count).map(|place| vec![lit(place)]);
        let rows = if count == 0 {
            at(
                span,
                one_row(vec![("__made".to_owned(), lit(0_u64))], span)?.filter(lit(false)),
            )?
        } else {
            let plan = datafusion::logical_expr::LogicalPlanBuilder::values(places.collect());
            let plan = plan
                .and_then(|plan| plan.project(vec![super::column("column1").alias("__made")]))
                .and_then(datafusion::logical_expr::LogicalPlanBuilder::build);
            Rows {
                plan: at(span, plan)?,
                order: Order::AsIs,
                empty: false,
                open: false,
            }
        };
        let now = lit(self.context.now);
        let rows = at(
            span,
            rows.set(vec![
                (super::ORDER.to_owned(), now.clone()),
                ("_time".to_owned(), now),
            ]),
        )?;
        Ok(rows)
    }
}

/// The template for one field.
pub(super) fn expand(template: &str, name: &str, parts: &[&str]) -> String {
    let mut text = template
        .replace("<<FIELD>>", name)
        .replace("<<MATCHSTR>>", &parts.concat());
    for (index, part) in parts.iter().enumerate() {
        text = text.replace(&format!("<<MATCHSEG{}>>", index + 1), part);
    }
    text
}

/// The search of `map` before any values are known: any value in search clauses, some number in expressions.
pub(super) fn any_values(text: &str) -> String {
    let parts: Vec<String> = text
        .split('|')
        .map(|part| {
            let word = part.split_whitespace().next().unwrap_or("");
            let expression = ["eval", "where", "foreach"]
                .iter()
                .any(|command| word.eq_ignore_ascii_case(command));
            let value = if expression { "1" } else { "*" };
            fill(part, |_| Some(value.to_owned()))
        })
        .collect();
    parts.join("|")
}

/// Puts values in the places of `$name$`.
pub(super) fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        match after.split_once('$') {
            Some((name, behind)) if !name.is_empty() && !name.contains(char::is_whitespace) => {
                out.push_str(&value(name).unwrap_or_default());
                rest = behind;
            }
            _ => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}
