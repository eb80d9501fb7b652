//! `foreach`, `map`.

use datafusion::logical_expr::{Case, Expr, lit};

use super::template::{ITEM, ITER, Template, Unfit, any_values, expand};
use super::wildcards::{matching, wildcard_parts};
use super::{Planner, Result, Rows, as_value, at, cast_to, column, common_type, diagnostic};
use crate::expr::{Fields, plan_expr};
use crate::syntax::ast::{
    self, Command, CommandKind, ExprKind, Foreach, ForeachMode, Map, Pipeline, Span,
};
use crate::syntax::walk::change_parts;
use crate::syntax::{expand_macros, parse, parse_expr, parse_without_macros};

/// Most values of a field that `foreach` goes over.
const MOST_ITEMS: usize = 1_000;
/// After so many values the rows are worked out before the next: a plan grows with each.
const AT_ONCE: usize = 20;
/// Columns with the values, the one whose turn it is, and its number.
const ITEMS: &str = "__items";
const CURRENT: &str = "__item";
const NUMBER: &str = "__iter";

impl Planner<'_> {
    /// `foreach`: the template with each field that fits, one after the other.
    pub(super) fn foreach(&mut self, rows: Rows, foreach: &Foreach, span: Span) -> Result<Rows> {
        if foreach.mode != ForeachMode::Fields {
            return self.foreach_item(rows, foreach, span);
        }
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
                let commands =
                    template(foreach, &expand(foreach, &name, &parts)).map_err(|why| {
                        diagnostic(
                            foreach.template.span,
                            format!("for the field `{name}`: {why}"),
                        )
                    })?;
                rows = self.commands(rows, &commands).map_err(|error| {
                    diagnostic(span, format!("for the field `{name}`: {}", error.message))
                })?;
            }
        }
        Ok(rows)
    }

    /// `foreach` over the values of a field: an `eval` for the first value of each row, then for the second, and so on.
    fn foreach_item(&mut self, rows: Rows, foreach: &Foreach, span: Span) -> Result<Rows> {
        let wrong = |why: String| diagnostic(foreach.template.span, why);
        let (item, number) = (
            foreach.token("itemstr", ITEM),
            foreach.token("iterstr", ITER),
        );
        let text = bare_tokens(&foreach.template.text, &[(item, CURRENT), (number, NUMBER)]);
        let commands = template(foreach, &text).map_err(wrong)?;
        let [
            Command {
                kind: CommandKind::Eval(assignments),
                ..
            },
        ] = commands.as_slice()
        else {
            return Err(wrong(
                "in this mode of `foreach` one `eval` stands in the brackets".to_owned(),
            ));
        };
        let mut assignments = assignments.clone();
        for (_, expr) in &mut assignments {
            change_parts(expr, &mut |part| {
                quoted_tokens(part, &[(item, CURRENT), (number, NUMBER)]);
                Ok::<_, super::Diagnostic>(())
            })?;
        }
        let [field] = foreach.fields.as_slice() else {
            return Err(diagnostic(
                span,
                "`foreach` goes over the values of one field",
            ));
        };
        let own = field.text.replace('\'', "");
        if rows.field(&field.text).is_none() {
            return Ok(rows);
        }
        let items = match foreach.mode {
            ForeachMode::Items => format!("json_array_to_mv('{own}')"),
            ForeachMode::Either => format!(
                "if(mvcount('{own}')=1 AND match('{own}', \"^\\s*\\[\"), json_array_to_mv('{own}'), '{own}')"
            ),
            ForeachMode::Fields | ForeachMode::Values => format!("'{own}'"),
        };
        let mut rows = self.evaluated(rows, vec![(ITEMS.to_owned(), items)], span)?;
        let most = match self.stage(rows.clone(), None, span)? {
            None => 1,
            Some(staged) => {
                rows = at(span, staged.rows())?;
                let counts = (0..staged.len()).map(|row| staged.values(ITEMS, row).len());
                counts.max().unwrap_or(0)
            }
        };
        if most > MOST_ITEMS {
            return Err(diagnostic(
                field.span,
                format!(
                    "`{}` has {most} values in a row; `foreach` goes over {MOST_ITEMS} at most",
                    field.text
                ),
            )
            .with_help("make a row of each with `mvexpand`"));
        }
        for at_item in 0..most {
            let current = format!("mvindex('{ITEMS}', {at_item})");
            let set = vec![
                (CURRENT.to_owned(), current),
                (NUMBER.to_owned(), at_item.to_string()),
            ];
            rows = self.evaluated(rows, set, span)?;
            for (name, expr) in &assignments {
                let value = as_value(plan_expr(expr, &rows, &self.context)?);
                let before = rows.field(&name.text);
                let data_type = before.as_ref().map_or(value.data_type.clone(), |before| {
                    common_type(&before.data_type, &value.data_type)
                });
                // Rows that have no value in this place keep what they have.
                let kept = Expr::Case(Case::new(
                    None,
                    vec![(
                        Box::new(column(CURRENT).is_not_null()),
                        Box::new(cast_to(value, &data_type)),
                    )],
                    before.map(|before| Box::new(cast_to(before, &data_type))),
                ));
                rows = at(span, rows.set(vec![(name.text.clone(), kept)]))?;
            }
            if at_item % AT_ONCE == AT_ONCE - 1
                && let Some(staged) = self.stage(rows.clone(), None, span)?
            {
                rows = at(span, staged.rows())?;
            }
        }
        let kept = rows
            .all_names()
            .into_iter()
            .filter(|name| ![ITEMS, CURRENT, NUMBER].contains(&name.as_str()))
            .map(|name| (name.clone(), column(&name)))
            .collect();
        at(span, rows.reshape(kept))
    }

    /// Sets columns to expressions of eval.
    fn evaluated(&mut self, rows: Rows, set: Vec<(String, String)>, span: Span) -> Result<Rows> {
        let mut columns = Vec::new();
        for (name, text) in set {
            let expr = parse_expr(&text)
                .map_err(|_| diagnostic(span, format!("`{text}` is not an expression")))?;
            let value = as_value(plan_expr(&expr.at(span), &rows, &self.context)?);
            columns.push((name, value.expr));
        }
        at(span, rows.set(columns))
    }

    /// `map`: a search for each row, the results below one another.
    pub(super) fn map(&mut self, rows: Rows, map: &Map, span: Span) -> Result<Rows> {
        let Some(staged) = self.stage(rows, None, span)? else {
            return self.mapped(&any_values(&map.search.text), map, span);
        };
        // Macros come first: a value with backticks calls none.
        let text = expand_macros(&map.search.text, &self.knowledge.macros)
            .map_err(|errors| wrong_search(errors, map))?;
        let template = Template::of(&text);
        let most = usize::try_from(map.max).unwrap_or(usize::MAX);
        let mut all: Option<Rows> = None;
        let (mut lacking, mut loose) = (0_usize, 0_usize);
        for row in 0..staged.len().min(most) {
            let text = match template.fill(&|name| staged.values(name, row).join(" ")) {
                Ok(text) => text,
                // Nothing can be asked about a row that does not have what the search names.
                Err(Unfit::Lacking) => {
                    lacking += 1;
                    continue;
                }
                Err(Unfit::Loose) => {
                    loose += 1;
                    continue;
                }
            };
            let pipeline =
                parse_without_macros(&text).map_err(|errors| wrong_search(errors, map))?;
            let more = self.mapped_pipeline(&pipeline, map, span)?;
            all = Some(match all {
                None => more,
                Some(before) => self.below(before, more, span)?,
            });
        }
        if loose > 0 {
            self.warnings.push(
                diagnostic(
                    span,
                    format!(
                        "`map` left out {loose} rows with values that cannot stand in single quotes"
                    ),
                )
                .with_help("put `$field$` into double quotes, or into none"),
            );
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
        let pipeline =
            parse(text, &self.knowledge.macros).map_err(|errors| wrong_search(errors, map))?;
        self.mapped_pipeline(&pipeline, map, span)
    }

    fn mapped_pipeline(&mut self, pipeline: &Pipeline, map: &Map, span: Span) -> Result<Rows> {
        let warnings = self.warnings.len();
        let rows = self
            .pipeline(pipeline)
            .map_err(|error| diagnostic(span, format!("the search of `map`: {}", error.message)));
        // Their places are in another text.
        for warning in &mut self.warnings[warnings..] {
            warning.span = map.search.span;
        }
        rows
    }
}

/// What is wrong with the search of `map`.
fn wrong_search(errors: Vec<super::Diagnostic>, map: &Map) -> super::Diagnostic {
    let why: Vec<String> = errors.into_iter().map(|error| error.message).collect();
    diagnostic(
        map.search.span,
        format!("the search of `map`: {}", why.join("; ")),
    )
}

/// The commands of a template in which the names stand.
fn template(foreach: &Foreach, text: &str) -> std::result::Result<Vec<Command>, String> {
    let text = format!("| {}", text.trim_start_matches('|'));
    match parse_without_macros(&text) {
        Ok(pipeline) => Ok(pipeline
            .commands
            .into_iter()
            .map(|one| Command {
                span: foreach.template.span,
                ..one
            })
            .collect()),
        Err(errors) => {
            let why = errors.into_iter().map(|error| error.message);
            Err(why.collect::<Vec<_>>().join("; "))
        }
    }
}

/// A template with fields in the places of tokens that stand in no quotes.
fn bare_tokens(template: &str, tokens: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    let mut quote = None;
    while let Some(char) = rest.chars().next() {
        let token = tokens
            .iter()
            .find(|(token, _)| quote.is_none() && !token.is_empty() && rest.starts_with(token));
        if let Some((token, field)) = token {
            out.push_str(&format!("'{field}'"));
            rest = &rest[token.len()..];
            continue;
        }
        let mut length = char.len_utf8();
        match (char, quote) {
            ('\\', Some(_)) => {
                length += rest[length..].chars().next().map_or(0, char::len_utf8);
            }
            ('"' | '\'', None) => quote = Some(char),
            (char, Some(open)) if char == open => quote = None,
            _ => {}
        }
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// Puts fields in the places of tokens in a text, which is joined of its parts, and of a token that is a field's name.
fn quoted_tokens(part: &mut ast::Expr, tokens: &[(&str, &str)]) {
    let span = part.span;
    let expr = |kind| ast::Expr { kind, span };
    match &part.kind {
        ExprKind::Field(name) => {
            if let Some((_, field)) = tokens.iter().find(|(token, _)| token == name) {
                part.kind = ExprKind::Field((*field).to_owned());
            }
        }
        ExprKind::Text(text) => {
            let mut parts: Vec<ast::Expr> = Vec::new();
            let mut rest = text.as_str();
            while let Some((at, token, field)) = tokens
                .iter()
                .filter(|(token, _)| !token.is_empty())
                .filter_map(|(token, field)| Some((rest.find(token)?, *token, *field)))
                .min_by_key(|(at, ..)| *at)
            {
                if at > 0 {
                    parts.push(expr(ExprKind::Text(rest[..at].to_owned())));
                }
                parts.push(expr(ExprKind::Field(field.to_owned())));
                rest = &rest[at + token.len()..];
            }
            if parts.is_empty() {
                return;
            }
            if !rest.is_empty() {
                parts.push(expr(ExprKind::Text(rest.to_owned())));
            }
            let joined = parts.into_iter().reduce(|left, right| {
                expr(ExprKind::Binary {
                    op: ast::BinaryOp::Concat,
                    left: Box::new(left),
                    right: Box::new(right),
                })
            });
            if let Some(joined) = joined {
                *part = joined;
            }
        }
        _ => {}
    }
}
