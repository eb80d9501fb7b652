//! Aggregations and groups, as `stats` and its kin have them.

use super::ast::{Aggregation, AggregationArgument, BinSpan, ByField, Name, Span};
use super::diagnostic::Diagnostic;
use super::parser::{Parsed, Parser};
use super::usage::{Usage, correspond, single};
use super::width::parse_span;

impl Parser<'_> {
    fn eat_prefix(&mut self, prefix: &str) -> bool {
        let there = self.text.as_bytes().get(self.pos..self.pos + prefix.len());
        let there = there.is_some_and(|bytes| bytes.eq_ignore_ascii_case(prefix.as_bytes()));
        if there {
            self.pos += prefix.len();
        }
        there
    }

    /// Aggregations with commas or spaces between them; options may stand among them.
    pub(super) fn aggregations(
        &mut self,
        usage: &Usage,
        options: &mut Vec<(Name, String)>,
    ) -> Parsed<Vec<Aggregation>> {
        let mut aggregations = Vec::new();
        loop {
            self.skip_separators();
            if self.at_end() || self.at_by() || self.at_keyword("from") || self.at_keyword("where")
            {
                break;
            }
            if let Some(option) = self.option_name() {
                if !self.takes(usage, &option)? {
                    continue;
                }
                self.skip_space();
                let value = if self.eat_prefix("\"(\"") {
                    // As the documentation writes it: reset_after="("status=="ok"")"
                    let inner = self.pos;
                    let length = self.text[inner..]
                        .find(")\"")
                        .ok_or_else(|| self.error("unclosed condition", inner - 3, inner))?;
                    self.pos = inner + length + 2;
                    let written = self.text[inner..inner + length].trim();
                    let quotes = written.bytes().filter(|byte| *byte == b'"').count();
                    let written = if quotes % 2 == 1 {
                        written.strip_suffix('"').unwrap_or(written)
                    } else {
                        written
                    };
                    written.to_owned()
                } else if self.eat(b'(') {
                    let inner = self.pos;
                    self.skip_parentheses(inner)?;
                    self.text[inner..self.pos - 1].trim().to_owned()
                } else {
                    self.value(&option.text)?.text
                };
                options.push((option, value));
                continue;
            }
            aggregations.push(self.aggregation()?);
        }
        if aggregations.is_empty() {
            return Err(self.expected("an aggregation such as `count`"));
        }
        Ok(aggregations)
    }

    fn skip_parentheses(&mut self, inner: usize) -> Parsed<()> {
        let mut depth = 1_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string(b'"')?;
                    continue;
                }
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            self.pos += 1;
            if depth == 0 {
                return Ok(());
            }
        }
        Err(self.error("unclosed parenthesis", inner - 1, inner))
    }

    pub(super) fn aggregation(&mut self) -> Parsed<Aggregation> {
        self.skip_space();
        let start = self.pos;
        let word = self.word();
        let mut chars = word.chars();
        let valid = chars.next().is_some_and(char::is_alphabetic)
            && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        if !valid {
            self.pos = start;
            return Err(self.expected("an aggregation such as `count` or `values(user)`"));
        }
        let span = self.span_from(start);
        let function = word.to_lowercase();
        if function == "sparkline" {
            return self.sparkline(start, span);
        }
        let mut end = self.pos;
        let mut argument = None;
        let mut output = function.clone();
        if self.eat(b'(') {
            let open = self.pos - 1;
            self.skip_space();
            let inner = self.pos;
            if self.at_keyword("eval") && {
                self.pos += 4;
                self.eat(b'(')
            } {
                let expr = self.expr()?;
                if !self.eat(b')') {
                    return Err(self.expected("`)` or an operator"));
                }
                output = format!("{function}({})", &self.text[inner..self.pos]);
                argument = Some(AggregationArgument::Eval(expr));
            } else {
                self.pos = inner;
                if self.peek() != Some(b')') {
                    let field = self.name("a field")?;
                    output = format!("{function}({})", field.text);
                    argument = Some(AggregationArgument::Field(field));
                }
            }
            if !self.eat(b')') {
                if self.at_end() {
                    return Err(self.error("unclosed parenthesis", open, open + 1));
                }
                return Err(self.expected("`)`").with_help(format!(
                    "to aggregate an expression, write {function}(eval(…))"
                )));
            }
            end = self.pos;
        }
        let mut output = Name {
            text: output,
            span: self.span(start, end),
        };
        if self.eat_keyword("as") {
            // Splunk takes `as flags(inheritance)` for a name too.
            output = self.column("a name after `as`")?;
            if let Some(AggregationArgument::Field(field)) = &argument
                && field.text.contains('*')
            {
                correspond(field, &output)?;
            }
        }
        Ok(Aggregation {
            function,
            span,
            argument,
            output,
        })
    }

    /// `sparkline` or `sparkline(count)`, behind the word.
    fn sparkline(&mut self, start: usize, span: Span) -> Parsed<Aggregation> {
        let mut end = self.pos;
        if self.eat(b'(') {
            self.skip_space();
            let counts = self.at_keyword("count") || self.at_keyword("c");
            if counts {
                self.word();
                self.skip_space();
            }
            if !self.eat(b')') {
                return Err(self.expected("`)`").with_help(
                    "only `sparkline(count)` is supported, in 25 equal intervals; for other statistics and spans use `timechart`",
                ));
            }
            end = self.pos;
        }
        let mut output = Name {
            text: self.text[start..end].to_lowercase(),
            span: self.span(start, end),
        };
        if self.eat_keyword("as") {
            output = self.column("a name after `as`")?;
        }
        Ok(Aggregation {
            function: "sparkline".to_owned(),
            span,
            argument: None,
            output,
        })
    }

    /// `by a, b span=5m c`, if it is there.
    pub(super) fn by_clause(
        &mut self,
        usage: &Usage,
        options: &mut Vec<(Name, String)>,
    ) -> Parsed<Vec<ByField>> {
        let mut by: Vec<ByField> = Vec::new();
        let mut spans: Vec<(usize, BinSpan, Span)> = Vec::new();
        if !self.eat_keyword("by") && !self.eat_keyword("groupby") {
            return Ok(by);
        }
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            let Some(option) = self.option_name() else {
                let field = single(self.column("a field")?)?;
                by.push(ByField { field, span: None });
                continue;
            };
            if option.text != "span" {
                if self.takes(usage, &option)? {
                    let value = self.value(&option.text)?;
                    options.push((option, value.text));
                }
                continue;
            }
            spans.push((by.len(), parse_span(&self.value("span")?)?, option.span));
        }
        for (place, span, written) in spans {
            // A span is of the time wherever it stands, else of the field before it.
            let time = by.iter().position(|by| by.field.text == "_time");
            match time
                .or(place.checked_sub(1))
                .and_then(|index| by.get_mut(index))
            {
                Some(target) => target.span = Some(span),
                None => return Err(Diagnostic::new("put `span=` after a field", written)),
            }
        }
        if by.is_empty() {
            return Err(self.expected("a field after `by`"));
        }
        Ok(by)
    }
}
