//! `tstats`, `stats` and its kin.

use crate::syntax::ast::{
    Aggregation, AggregationArgument, BinSpan, ByField, CompareOp, Expr, Mstats, Name, SearchExpr,
    Span, Stats, Streamstats, Tstats,
};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::parser::{Parsed, Parser};

const TSTATS_OPTIONS: &[&str] = &[
    "allow_old_summaries",
    "append",
    "chunk_size",
    "fillnull_value",
    "include_reduced_buckets",
    "local",
    "prestats",
    "summariesonly",
];
pub(super) const STATS_OPTIONS: &[&str] = &["allnum", "dedup_splitvals", "delim", "partitions"];
const STREAMSTATS_OPTIONS: &[&str] = &[
    "allnum",
    "current",
    "global",
    "reset_after",
    "reset_before",
    "reset_on_change",
    "time_window",
    "window",
];

const MSTATS_OPTIONS: &[&str] = &[
    "append",
    "backfill",
    "chunk_size",
    "fillnull_value",
    "prestats",
    "update_period",
];

/// The condition of an option such as `reset_before=(x=1)`.
fn condition(text: &str, place: Span) -> Parsed<Expr> {
    match crate::syntax::parse_expr(text) {
        Ok(expr) => Ok(expr.at(place)),
        Err(diagnostics) => {
            let why = diagnostics
                .into_iter()
                .next()
                .map_or_else(|| "it cannot be read".to_owned(), |first| first.message);
            Err(Diagnostic::new(
                format!("`{text}` is no condition: {why}"),
                place,
            ))
        }
    }
}

impl Parser<'_> {
    pub(super) fn mstats(&mut self) -> Parsed<Mstats> {
        let (mut options, mut span) = (Vec::new(), None);
        while let Some(option) = self.option_name() {
            if option.text == "span" {
                span = Some(self.bin_span()?);
                continue;
            }
            self.known_option("mstats", &option, MSTATS_OPTIONS)?;
            let value = self.value(&option.text)?;
            let on = matches!(value.text.to_lowercase().as_str(), "t" | "true" | "1");
            if on && matches!(option.text.as_str(), "append" | "prestats") {
                return Err(self.not_run(&format!("`{}=true` of `mstats`", option.text), &option));
            }
            options.push((option, value.text));
        }
        let aggregations = self.aggregations("mstats", MSTATS_OPTIONS, &mut options)?;
        let mut filter = None;
        if self.eat_keyword("where") {
            let clause = self.search_clause(true)?;
            filter = match self.without_span(clause, &mut span)? {
                SearchExpr::And(all) if all.is_empty() => None,
                clause => Some(clause),
            };
        }
        let mut by = Vec::new();
        if self.at_by() {
            by = self.by_clause("mstats", MSTATS_OPTIONS, &mut options)?;
            for field in &mut by {
                span = field.span.take().or(span);
            }
        } else if let Some(option) = self.option_name() {
            if option.text != "span" {
                return Err(self.unknown_option("mstats", &option));
            }
            span = Some(self.bin_span()?);
        }
        Ok(Mstats {
            stats: Tstats {
                options,
                aggregations,
                datamodel: None,
                filter,
                by,
            },
            span,
        })
    }

    /// Takes `span=` out of a clause that it stands behind.
    fn without_span(
        &mut self,
        clause: SearchExpr,
        span: &mut Option<BinSpan>,
    ) -> Parsed<SearchExpr> {
        Ok(match clause {
            SearchExpr::And(all) => {
                let mut kept = Vec::new();
                for one in all {
                    match one {
                        SearchExpr::Compare { .. } => match self.without_span(one, span)? {
                            SearchExpr::And(none) if none.is_empty() => {}
                            one => kept.push(one),
                        },
                        one => kept.push(one),
                    }
                }
                if kept.len() == 1 {
                    kept.swap_remove(0)
                } else {
                    SearchExpr::And(kept)
                }
            }
            SearchExpr::Compare {
                field,
                op: CompareOp::Eq,
                value,
            } if field.text.eq_ignore_ascii_case("span") => {
                *span = Some(super::fields::parse_span(&Name {
                    text: value.text,
                    span: value.span,
                })?);
                SearchExpr::And(Vec::new())
            }
            other => other,
        })
    }

    pub(super) fn tstats(&mut self) -> Parsed<Tstats> {
        let mut options = Vec::new();
        while let Some(option) = self.option_name() {
            self.known_option("tstats", &option, TSTATS_OPTIONS)?;
            let value = self.value(&option.text)?;
            options.push((option, value.text));
        }
        let on = |name: &str| {
            options.iter().find(|(own, value): &&(Name, String)| {
                own.text == name && matches!(value.to_lowercase().as_str(), "t" | "true" | "1")
            })
        };
        if let (Some((append, _)), None) = (on("append"), on("prestats")) {
            return Err(Diagnostic::new(
                "`append=true` of `tstats` goes with `prestats=true`",
                append.span,
            ));
        }
        let aggregations = self.aggregations("tstats", TSTATS_OPTIONS, &mut options)?;
        let mut datamodel = None;
        if self.eat_keyword("from") {
            self.skip_space();
            if !self.eat_keyword("datamodel") && !self.eat_prefix("datamodel:") {
                return Err(self.expected("`datamodel=` after `from`"));
            }
            if !self.eat(b'=') {
                self.eat(b':');
            }
            datamodel = Some(self.name("the name of a data model")?);
        }
        let mut filter = None;
        if self.eat_keyword("where") {
            filter = Some(self.search_clause(true)?);
        }
        let by = self.by_clause("tstats", TSTATS_OPTIONS, &mut options)?;
        Ok(Tstats {
            options,
            aggregations,
            datamodel,
            filter,
            by,
        })
    }

    pub(super) fn eat_prefix(&mut self, prefix: &str) -> bool {
        let there = self.text.as_bytes().get(self.pos..self.pos + prefix.len());
        let there = there.is_some_and(|bytes| bytes.eq_ignore_ascii_case(prefix.as_bytes()));
        if there {
            self.pos += prefix.len();
        }
        there
    }

    pub(super) fn stats(&mut self, command: &str, known: &[&str]) -> Parsed<Stats> {
        let mut options = Vec::new();
        let aggregations = self.aggregations(command, known, &mut options)?;
        let by = self.by_clause(command, known, &mut options)?;
        for (option, value) in &options {
            let on = matches!(value.to_lowercase().as_str(), "t" | "true" | "1");
            let what = format!("`{}={value}` of `{command}`", option.text);
            match option.text.as_str() {
                "allnum" | "dedup_splitvals" if on => return Err(self.not_run(&what, option)),
                "delim" => {
                    return Err(self.not_run(&what, option).with_help(
                        "remove it, and join the values with `mvjoin` of `eval` behind the command",
                    ));
                }
                _ => {}
            }
        }
        Ok(Stats {
            options,
            aggregations,
            by,
        })
    }

    pub(super) fn streamstats(&mut self) -> Parsed<Streamstats> {
        let mut stats = self.stats("streamstats", STREAMSTATS_OPTIONS)?;
        let (mut current, mut window, mut global) = (true, 0, true);
        let (mut time_window, mut reset_on_change) = (None, false);
        let (mut reset_before, mut reset_after) = (None, None);
        let mut rest = Vec::new();
        for (name, value) in stats.options {
            let boolean = || match value.to_lowercase().as_str() {
                "t" | "true" | "1" => Ok(true),
                "f" | "false" | "0" => Ok(false),
                _ => Err(Diagnostic::new(
                    format!("`{}` is true or false, not `{value}`", name.text),
                    name.span,
                )),
            };
            match name.text.as_str() {
                "current" => current = boolean()?,
                "global" => global = boolean()?,
                "window" => {
                    window = value.parse().map_err(|_| {
                        Diagnostic::new(
                            format!("`window` is a whole number, not `{value}`"),
                            name.span,
                        )
                    })?;
                }
                "reset_on_change" => reset_on_change = boolean()?,
                "time_window" => {
                    let text = Name {
                        text: value,
                        span: name.span,
                    };
                    match super::fields::parse_span(&text)? {
                        BinSpan::Time(span) => time_window = Some(span),
                        _ => {
                            return Err(Diagnostic::new(
                                "`time_window` is a length of time such as 30s, 5m or 1h",
                                name.span,
                            ));
                        }
                    }
                }
                "reset_before" => reset_before = Some(condition(&value, name.span)?),
                "reset_after" => reset_after = Some(condition(&value, name.span)?),
                _ => rest.push((name, value)),
            }
        }
        stats.options = rest;
        Ok(Streamstats {
            stats,
            current,
            window,
            global,
            time_window,
            reset_before,
            reset_after,
            reset_on_change,
        })
    }

    /// Aggregations with commas or spaces between them; options may stand among them.
    pub(super) fn aggregations(
        &mut self,
        command: &str,
        known: &[&str],
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
                self.known_option(command, &option, known)?;
                self.skip_space();
                let value = if self.eat_prefix("\"(\"") {
                    // As the documentation writes it: reset_after="("status=="ok"")"
                    let inner = self.pos;
                    let length = self.text[inner..].find(")\"").ok_or_else(|| {
                        self.error("this condition is never closed", inner - 3, inner)
                    })?;
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

    pub(super) fn skip_parentheses(&mut self, inner: usize) -> Parsed<()> {
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
        Err(self.error("this parenthesis is never closed", inner - 1, inner))
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
            return Err(Diagnostic::new("`sparkline` is not supported", span)
                .with_help("remove it; it draws and does not change the other columns"));
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
                    return Err(self.error("this parenthesis is never closed", open, open + 1));
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
        }
        Ok(Aggregation {
            function,
            span,
            argument,
            output,
        })
    }

    /// `by a, b span=5m c`, if it is there.
    pub(super) fn by_clause(
        &mut self,
        command: &str,
        known: &[&str],
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
                let field = self.column("a field")?;
                by.push(ByField { field, span: None });
                continue;
            };
            if option.text != "span" {
                self.known_option(command, &option, known)?;
                let value = self.value(&option.text)?;
                options.push((option, value.text));
                continue;
            }
            spans.push((by.len(), self.bin_span()?, option.span));
        }
        for (place, span, written) in spans {
            // A span is of the time wherever it stands, else of the field before it.
            let time = by.iter().position(|by| by.field.text == "_time");
            match time
                .or(place.checked_sub(1))
                .and_then(|index| by.get_mut(index))
            {
                Some(target) => target.span = Some(span),
                None => return Err(Diagnostic::new("`span=` stands behind a field", written)),
            }
        }
        if by.is_empty() {
            return Err(self.expected("a field after `by`"));
        }
        Ok(by)
    }
}
