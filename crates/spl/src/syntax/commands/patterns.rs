//! `rex` and `regex`.

use crate::syntax::ast::{CommandKind, Name, Rex, RexAction, Span};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::parser::{Parsed, Parser, is_delimiter};
use crate::syntax::usage::{Usage, count, obeyed};

/// What the reference says of them, by name.
pub(super) const USAGES: &[Usage] = &[
    Usage {
        name: "regex",
        also: &[],
        syntax: "regex [<field>=|<field>!=]<pattern>",
        meaning: "Keeps the rows in which a field, `_raw` if none is named, matches a regular expression, or does not.",
        options: &[],
    },
    Usage {
        name: "rex",
        also: &[],
        syntax: "rex [<options>] <pattern>",
        meaning: "Makes fields of the named groups of a regular expression, or replaces text.",
        options: &[
            obeyed(
                "field",
                "The field that is read; `_raw` if it is not given.",
            ),
            count(
                "max_match",
                "Most matches; 1 if it is not given, 0 for all.",
            ),
            obeyed(
                "offset_field",
                "Field that says where the groups were found.",
            ),
            obeyed("mode", "`sed`: the pattern is a `s/…/…/` or `y/…/…/`."),
        ],
    },
];

impl Parser<'_> {
    pub(super) fn rex(&mut self) -> Parsed<Rex> {
        let (mut field, mut max_match, mut offset_field, mut sed, mut pattern) =
            (None, 1, None, false, None);
        while !self.at_end() {
            let start = self.pos;
            if let Some(option) = self.option_name() {
                match option.text.as_str() {
                    "field" => field = Some(self.value("field")?),
                    "max_match" => max_match = self.count_value("max_match")?,
                    "offset_field" => offset_field = Some(self.value("offset_field")?),
                    "mode" => {
                        let mode = self.value("mode")?;
                        if !mode.text.eq_ignore_ascii_case("sed") {
                            return Err(Diagnostic::new(
                                format!("`{}` is not a mode of `rex`", mode.text),
                                mode.span,
                            )
                            .with_help("there is only mode=sed"));
                        }
                        sed = true;
                    }
                    _ if pattern.is_none()
                        && !option
                            .text
                            .bytes()
                            .all(|byte| byte.is_ascii_lowercase() || byte == b'_') =>
                    {
                        self.pos = start;
                        pattern = Some(self.pattern()?);
                    }
                    _ => {
                        self.takes("rex", &option)?;
                    }
                }
            } else if pattern.is_none() {
                pattern = Some(self.pattern()?);
            } else {
                return Err(self.expected("the end of the command, as there is a pattern already"));
            }
        }
        let Some(pattern) = pattern else {
            return Err(self.expected("a pattern in quotes"));
        };
        let action = if sed {
            RexAction::Sed(pattern)
        } else {
            RexAction::Extract(pattern)
        };
        let field = field.unwrap_or_else(|| Name {
            text: "_raw".to_owned(),
            span: action_span(&action),
        });
        Ok(Rex {
            field,
            max_match,
            offset_field,
            action,
        })
    }

    /// A regex: in quotes, or bare up to a space.
    pub(super) fn pattern(&mut self) -> Parsed<Name> {
        self.skip_space();
        let start = self.pos;
        let text = if self.peek() == Some(b'"') {
            self.string(b'"')?
        } else {
            while self
                .peek()
                .is_some_and(|byte| !byte.is_ascii_whitespace() && byte != b'|')
            {
                self.pos += 1;
            }
            self.text[start..self.pos].to_owned()
        };
        if text.is_empty() {
            self.pos = start;
            return Err(self.expected("a pattern in quotes"));
        }
        Ok(Name {
            text,
            span: self.span_from(start),
        })
    }

    pub(super) fn regex(&mut self) -> Parsed<CommandKind> {
        self.skip_space();
        let start = self.pos;
        let first = if self.peek() == Some(b'"') {
            let text = self.string(b'"')?;
            Name {
                text,
                span: self.span_from(start),
            }
        } else {
            while self.peek().is_some_and(|byte| {
                !(is_delimiter(byte) || byte == b'!' && self.peek_at(1) == Some(b'='))
            }) {
                self.pos += 1;
            }
            Name {
                text: self.text[start..self.pos].to_owned(),
                span: self.span_from(start),
            }
        };
        self.skip_space();
        let negated = self.peek() == Some(b'!') && self.peek_at(1) == Some(b'=');
        if negated || self.peek() == Some(b'=') {
            if first.text.is_empty() {
                return Err(self.expected("a field"));
            }
            self.pos += if negated { 2 } else { 1 };
            return Ok(CommandKind::Regex {
                field: first,
                negated,
                pattern: self.pattern()?,
            });
        }
        self.pos = start;
        let pattern = self.pattern()?;
        Ok(CommandKind::Regex {
            field: Name {
                text: "_raw".to_owned(),
                span: pattern.span,
            },
            negated: false,
            pattern,
        })
    }
}

fn action_span(action: &RexAction) -> Span {
    match action {
        RexAction::Extract(pattern) | RexAction::Sed(pattern) => pattern.span,
    }
}
