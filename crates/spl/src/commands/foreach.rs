//! `foreach`: commands for each field that fits, or an `eval` for each value of a field.

use std::fmt;

use datafusion::logical_expr::{Case, Expr};

use super::eval::Eval;
use crate::expr::{Fields, plan_expr};
use crate::plan::wildcards::{matching, wildcard_parts};
use crate::plan::{
    Plan, Planner, Result, Rows, as_value, at, cast_to, column, common_type, diagnostic, typed,
};
use crate::syntax::ast::{self, Command, ExprKind, Name, Span};
use crate::syntax::command::{Ledger, Syntax};
use crate::syntax::print::{names, options};
use crate::syntax::usage::{Cursor, Usage, Whole, obeyed};
use crate::syntax::walk::change_parts;
use crate::syntax::{Diagnostic, parse_expr, parse_without_macros};

pub(super) static COMMAND: Whole = typed::<Foreach>(Usage {
    name: "foreach",
    also: &[],
    syntax: "foreach [mode=multifield] [<options>] <fields> [ <commands> ] | foreach mode=<mode> [<options>] <field> [ eval <field>=<expression> ]",
    meaning: "Runs commands for each matching field (`multifield`), or an `eval` for each value of a field (`multivalue`), each item of a JSON array (`json_array`), or either of these (`auto_collections`).",
    options: &[
        obeyed("mode", "What to iterate over."),
        obeyed(
            "fieldstr",
            "Placeholder for the field's name; default `<<FIELD>>`.",
        ),
        obeyed(
            "matchstr",
            "Placeholder for the text that `*` matches; default `<<MATCHSTR>>`.",
        ),
        obeyed(
            "matchseg1",
            "Placeholder for the text that the first `*` matches; default `<<MATCHSEG1>>`.",
        ),
        obeyed("matchseg2", "The same for the second."),
        obeyed("matchseg3", "The same for the third."),
        obeyed(
            "itemstr",
            "Placeholder for a value or item; default `<<ITEM>>`.",
        ),
        obeyed(
            "iterstr",
            "Placeholder for its index, from 0; default `<<ITER>>`.",
        ),
    ],
});

/// `foreach`.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreach {
    /// Over what it goes.
    pub mode: ForeachMode,
    /// What stands in the template for the parts of a field's name, or for an item and its number, where that is not the
    /// default such as `<<FIELD>>`: (option, text).
    pub tokens: Vec<(Name, String)>,
    /// Names may contain `*`; just one name if it iterates over the values of a field.
    pub fields: Vec<Name>,
    /// The text in the brackets.
    pub template: Name,
}

/// Over what `foreach` goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForeachMode {
    /// The fields that fit the names.
    Fields,
    /// The values of a field.
    Values,
    /// The items of a JSON array in a field.
    Items,
    /// The values of a field, or the items of a JSON array where it is one.
    Either,
}

impl Foreach {
    /// What stands in the template: the text of an option such as `itemstr`.
    pub fn token<'t>(&'t self, option: &str, default: &'t str) -> &'t str {
        self.tokens
            .iter()
            .rev()
            .find(|(name, _)| name.text == option)
            .map_or(default, |(_, text)| text)
    }
}

impl ForeachMode {
    /// Each mode and how `mode=` names it.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Fields, "multifield"),
        (Self::Values, "multivalue"),
        (Self::Items, "json_array"),
        (Self::Either, "auto_collections"),
    ];

    /// The mode that `mode=` names.
    fn named(value: &Name) -> Result<Self> {
        let all = Self::ALL.iter();
        match all.copied().find(|(_, name)| *name == value.text) {
            Some((mode, _)) => Ok(mode),
            None => Err(diagnostic(
                value.span,
                format!("`foreach` has no mode `{}`", value.text),
            )
            .with_help(format!(
                "there are {}",
                Self::ALL.map(|(_, name)| name).join(", ")
            ))),
        }
    }
}

/// What stands in a template for a value or item, and for its number.
const ITEM: &str = "<<ITEM>>";
const ITER: &str = "<<ITER>>";
/// Maximum number of values of a field that `foreach` iterates over.
const MOST_ITEMS: usize = 1_000;
/// After so many values the rows are worked out before the next: a plan grows with each.
const AT_ONCE: usize = 20;
/// Columns with the values, the one whose turn it is, and its number.
const ITEMS: &str = hidden!("items");
const CURRENT: &str = hidden!("item");
const NUMBER: &str = hidden!("iter");

impl Syntax for Foreach {
    /// The template stays text, as it is commands only with names put in.
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let (mut fields, mut tokens, mut mode) = (Vec::new(), Vec::new(), ForeachMode::Fields);
        while !cursor.ended() && cursor.peek() != Some(b'[') {
            let Some(option) = cursor.option_name() else {
                fields.push(cursor.column("a field, or a template in brackets")?);
                continue;
            };
            let Some(value) = cursor.option(usage, &option)? else {
                continue;
            };
            if option.text == "mode" {
                mode = ForeachMode::named(&value)?;
            } else {
                tokens.push((option, value.text));
            }
        }
        if fields.is_empty() {
            return Err(cursor.expected("a field"));
        }
        if let (true, [_, second, ..]) = (mode != ForeachMode::Fields, fields.as_slice()) {
            return Err(diagnostic(
                second.span,
                "in this mode `foreach` iterates over the values of one field",
            ));
        }
        if cursor.peek() != Some(b'[') {
            return Err(cursor.expected("a template in brackets"));
        }
        let inner = cursor.place() + 1;
        let text = cursor.subsearch_text()?;
        let span = cursor.span(inner, cursor.place() - 1);
        Ok(Self {
            mode,
            tokens,
            fields,
            template: Name { text, span },
        })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (mode, name) in ForeachMode::ALL {
            if mode == self.mode && mode != ForeachMode::Fields {
                write!(f, " mode={name}")?;
            }
        }
        options(f, &self.tokens)?;
        names(f, &self.fields)?;
        write!(f, " [{}]", self.template.text)
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.reads_names(&self.fields);
        ledger.makes_any();
        // The template with the first name, to see what else it reads and makes.
        let name = self.fields.first().map_or("", |name| &name.text);
        let template = self.expand(&name.replace('*', "_"), &[]);
        let template = template
            .replace(self.token("itemstr", ITEM), "0")
            .replace(self.token("iterstr", ITER), "0");
        let template = format!("| {}", template.trim_start_matches('|'));
        if let Ok(pipeline) = parse_without_macros(&template) {
            for command in &pipeline.commands {
                ledger.runs(command);
            }
        }
        false
    }

    fn needs_rows(&self) -> bool {
        true
    }
}

impl Foreach {
    /// The template for one field.
    fn expand(&self, name: &str, parts: &[&str]) -> String {
        let mut text = self
            .template
            .text
            .replace(self.token("fieldstr", "<<FIELD>>"), name)
            .replace(self.token("matchstr", "<<MATCHSTR>>"), &parts.concat());
        for (index, part) in parts.iter().enumerate() {
            let (option, default) = (
                format!("matchseg{}", index + 1),
                format!("<<MATCHSEG{}>>", index + 1),
            );
            text = text.replace(self.token(&option, &default), part);
        }
        text
    }
}

impl Plan for Foreach {
    /// The template with each field that fits, one after the other.
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        if self.mode != ForeachMode::Fields {
            return each_item(planner, rows, self, span);
        }
        let mut rows = rows;
        for pattern in &self.fields {
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
                let commands = template(self, &self.expand(&name, &parts)).map_err(|why| {
                    diagnostic(self.template.span, format!("for the field `{name}`: {why}"))
                })?;
                rows = planner.commands(rows, &commands).map_err(|error| {
                    diagnostic(span, format!("for the field `{name}`: {}", error.message))
                })?;
            }
        }
        Ok(rows)
    }
}

/// `foreach` over the values of a field: an `eval` for the first value of each row, then for the second, and so on.
fn each_item(planner: &mut Planner<'_>, rows: Rows, foreach: &Foreach, span: Span) -> Result<Rows> {
    let wrong = |why: String| diagnostic(foreach.template.span, why);
    let (item, number) = (
        foreach.token("itemstr", ITEM),
        foreach.token("iterstr", ITER),
    );
    let text = bare_tokens(&foreach.template.text, &[(item, CURRENT), (number, NUMBER)]);
    let commands = template(foreach, &text).map_err(wrong)?;
    let only = match commands.as_slice() {
        [only] => only.kind.of(),
        _ => None,
    };
    let Some(Eval(assignments)) = only else {
        return Err(wrong(
            "in this mode of `foreach` the brackets must contain one `eval`".to_owned(),
        ));
    };
    let mut assignments = assignments.clone();
    for (_, expr) in &mut assignments {
        change_parts(expr, &mut |part| {
            quoted_tokens(part, &[(item, CURRENT), (number, NUMBER)]);
            Ok::<_, Diagnostic>(())
        })?;
    }
    let [field] = foreach.fields.as_slice() else {
        return Err(diagnostic(
            span,
            "`foreach` iterates over the values of one field",
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
    let mut rows = evaluated(planner, rows, vec![(ITEMS.to_owned(), items)], span)?;
    let most = match planner.stage(rows.clone(), None, span)? {
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
                "`{}` has {most} values in a row; the limit of `foreach` is {MOST_ITEMS}",
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
        rows = evaluated(planner, rows, set, span)?;
        for (name, expr) in &assignments {
            let value = as_value(plan_expr(expr, &rows, &planner.context)?);
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
            && let Some(staged) = planner.stage(rows.clone(), None, span)?
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
fn evaluated(
    planner: &mut Planner<'_>,
    rows: Rows,
    set: Vec<(String, String)>,
    span: Span,
) -> Result<Rows> {
    let mut columns = Vec::new();
    for (name, text) in set {
        let expr = parse_expr(&text)
            .map_err(|_| diagnostic(span, format!("`{text}` is not an expression")))?;
        let value = as_value(plan_expr(&expr.at(span), &rows, &planner.context)?);
        columns.push((name, value.expr));
    }
    at(span, rows.set(columns))
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
