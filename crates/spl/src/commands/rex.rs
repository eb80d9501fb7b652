//! `rex`: extracts fields from text with a regular expression, or replaces text.

use std::fmt;

use crate::expr::Fields;
use crate::functions::regex::{compile_regex, group_names};
use crate::ops::extract;
use crate::plan::{
    Plan, Planner, Result, Rows, at, cast_to, coalesce, common_type, diagnostic, null_text, typed,
};
use crate::syntax::ast::{Name, Span};
use crate::syntax::command::{Ledger, Syntax};
use crate::syntax::print::quoted;
use crate::syntax::usage::{Cursor, Usage, Whole, count, field, obeyed, whole_number};

pub(super) static COMMAND: Whole = typed::<Rex>(Usage {
    name: "rex",
    also: &[],
    syntax: "rex [<options>] <pattern>",
    meaning: "Extracts fields from the named groups of a regular expression, or replaces text.",
    options: &[
        field("field", "The field to read; default `_raw`."),
        count("max_match", "Maximum matches; default 1, 0 for all."),
        field("offset_field", "Field for the positions of the groups."),
        obeyed("mode", "`sed`: the pattern is a `s/…/…/` or `y/…/…/`."),
    ],
});

/// `rex`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rex {
    /// Default `_raw`.
    pub field: Name,
    /// `max_match=`, default 1; 0 for no limit.
    pub max_match: u64,
    /// `offset_field=`.
    pub offset_field: Option<Name>,
    /// What to do.
    pub action: RexAction,
}

/// Extraction or replacement.
#[derive(Debug, Clone, PartialEq)]
pub enum RexAction {
    /// Named groups become fields. The pattern is unescaped.
    Extract(Name),
    /// `mode=sed`: the sed expression, unescaped.
    Sed(Name),
}

impl Syntax for Rex {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let (mut field, mut max_match, mut offset_field, mut sed) = (None, 1, None, false);
        let mut found = None;
        while !cursor.at_end() {
            let start = cursor.place();
            if let Some(option) = cursor.option_name() {
                let name = option.text.as_str();
                let known = usage.options.iter().any(|known| known.name == name);
                let like_an_option = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
                if !known && found.is_none() && !name.bytes().all(like_an_option) {
                    cursor.return_to(start);
                    found = Some(pattern(cursor)?);
                    continue;
                }
                let Some(value) = cursor.option(usage, &option)? else {
                    continue;
                };
                match name {
                    "field" => field = Some(value),
                    "max_match" => max_match = whole_number("max_match", &value)?,
                    "offset_field" => offset_field = Some(value),
                    _ if value.text.eq_ignore_ascii_case("sed") => sed = true,
                    _ => {
                        return Err(diagnostic(
                            value.span,
                            format!("`{}` is not a mode of `rex`", value.text),
                        )
                        .with_help("the only mode is `mode=sed`"));
                    }
                }
            } else if found.is_none() {
                found = Some(pattern(cursor)?);
            } else {
                return Err(cursor.expected("the end of the command (a pattern was already given)"));
            }
        }
        let Some(pattern) = found else {
            return Err(cursor.expected("a pattern in quotes"));
        };
        let passed_over = match &offset_field {
            Some(_) => Some("offset_field"),
            None => (max_match != 1).then_some("max_match"),
        };
        if let Some(option) = passed_over.filter(|_| sed) {
            let why = format!("`{option}=` of `rex` does not go with `mode=sed`");
            return Err(diagnostic(pattern.span, why)
                .with_help("`s/…/…/g` replaces every match, `s/…/…/2` the second"));
        }
        let field = field.unwrap_or_else(|| Name {
            text: "_raw".to_owned(),
            span: pattern.span,
        });
        Ok(Self {
            field,
            max_match,
            offset_field,
            action: if sed {
                RexAction::Sed(pattern)
            } else {
                RexAction::Extract(pattern)
            },
        })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            " field={} max_match={}",
            quoted(&self.field.text),
            self.max_match
        )?;
        if let Some(field) = &self.offset_field {
            write!(f, " offset_field={}", quoted(&field.text))?;
        }
        match &self.action {
            RexAction::Extract(pattern) => write!(f, " {}", quoted(&pattern.text)),
            RexAction::Sed(pattern) => write!(f, " mode=sed {}", quoted(&pattern.text)),
        }
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.reads_names([&self.field]);
        if let RexAction::Extract(pattern) = &self.action {
            for group in group_names(&pattern.text) {
                ledger.fills(&group);
            }
        }
        if let Some(offsets) = &self.offset_field {
            ledger.makes(&offsets.text);
        }
        false
    }

    fn needs_rows(&self) -> bool {
        true
    }
}

/// A regular expression: in quotes, or bare up to a space.
pub(super) fn pattern(cursor: &mut dyn Cursor) -> Result<Name> {
    cursor.at_end();
    let start = cursor.place();
    let text = if cursor.peek() == Some(b'"') {
        cursor.string()?
    } else {
        let ahead = cursor.ahead();
        let end = ahead.find(|char: char| char.is_ascii_whitespace() || char == '|');
        let bare = ahead[..end.unwrap_or(ahead.len())].to_owned();
        cursor.skip(bare.len());
        bare
    };
    if text.is_empty() {
        cursor.return_to(start);
        return Err(cursor.expected("a pattern in quotes"));
    }
    Ok(cursor.since(start, text))
}

/// What is wrong with a pattern.
pub(super) fn check(pattern: &Name) -> Result<()> {
    compile_regex(&pattern.text)
        .map(drop)
        .map_err(|message| diagnostic(pattern.span, message))
}

impl Plan for Rex {
    fn plan(&self, _: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let Some(value) = rows.field(&self.field.text) else {
            if let RexAction::Extract(pattern) = &self.action {
                check(pattern)?;
                let missing = group_names(&pattern.text)
                    .into_iter()
                    .filter(|name| !rows.has(name))
                    .map(|name| (name, null_text()));
                return at(span, rows.clone().set(missing.collect()));
            }
            return Ok(rows);
        };
        match &self.action {
            RexAction::Sed(expression) => {
                let sed = extract::sed(value, &expression.text)
                    .map_err(|message| diagnostic(expression.span, message))?;
                at(span, rows.set(vec![(self.field.text.clone(), sed.expr)]))
            }
            RexAction::Extract(pattern) => {
                check(pattern)?;
                let groups = group_names(&pattern.text);
                if groups.is_empty() {
                    return Err(diagnostic(
                        pattern.span,
                        "the pattern has no named group: write `(?<name>…)` around the text to extract",
                    ));
                }
                let mut assignments = Vec::new();
                for group in groups {
                    let found = extract::rex(value.clone(), &pattern.text, &group, self.max_match);
                    // An existing field stays unchanged if the pattern does not match.
                    let expr = match rows.field(&group) {
                        None => found.expr,
                        Some(existing) => {
                            let data_type = common_type(&existing.data_type, &found.data_type);
                            coalesce(vec![
                                cast_to(found, &data_type),
                                cast_to(existing, &data_type),
                            ])
                        }
                    };
                    assignments.push((group, expr));
                }
                if let Some(offsets) = &self.offset_field {
                    assignments.push((
                        offsets.text.clone(),
                        extract::offsets(value, &pattern.text, self.max_match).expr,
                    ));
                }
                at(span, rows.set(assignments))
            }
        }
    }
}
