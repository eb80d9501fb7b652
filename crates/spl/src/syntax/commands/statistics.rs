//! `tstats`, `stats` and its kin.

use crate::syntax::ast::{
    Aggregation, AggregationArgument, BinSpan, ByField, CompareOp, Expr, Mstats, Name, SearchExpr,
    Span, Stats, Streamstats, Tstats,
};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::parser::{Parsed, Parser};
use crate::syntax::usage::{
    OptionUsage, Usage, count, flag, is_on, no_effect, obeyed, only, refused,
};

const STATS_OPTIONS: &[OptionUsage] = &[
    only(
        "allnum",
        "false",
        "numbers are reckoned with, and other values of the field are left out",
    ),
    only(
        "dedup_splitvals",
        "false",
        "take values of the field once with `mvdedup` before",
    ),
    refused(
        "delim",
        "join the values with `mvjoin` of `eval` behind the command",
    ),
    no_effect("partitions", "it says on how many threads Splunk works"),
];

const SUMMARIES: &str = "all events count as summarised, old and new";
const REAL_TIME: &str = "it is for searches in real time";
const MEMORY: &str = "it bounds the memory that Splunk takes at once";

/// What the reference says of them, by name.
pub(super) const USAGES: &[Usage] = &[
    Usage {
        name: "eventstats",
        also: &[],
        syntax: "eventstats <aggregation> [as <name>] … [by <fields>]",
        meaning: "Adds aggregations over all rows, or over those of the row's group, to each row.",
        options: STATS_OPTIONS,
    },
    Usage {
        name: "mstats",
        also: &[],
        syntax: "mstats [<options>] <aggregation> … [where <conditions>] [by <fields>] [span=<span>]",
        meaning: "Aggregates metrics: events with `metric_name`, and fields `metric_name:…`.",
        options: &[
            obeyed("span", "Aggregates over each so long range of time."),
            only("append", "false", "put it into `append [ … ]`"),
            only(
                "prestats",
                "false",
                "name the aggregations that are wanted in the end",
            ),
            no_effect("backfill", REAL_TIME),
            no_effect("update_period", REAL_TIME),
            no_effect("chunk_size", MEMORY),
            refused(
                "fillnull_value",
                "rows without a group's field are left out; `fillnull` before gives it a value",
            ),
        ],
    },
    Usage {
        name: "stats",
        also: &[],
        syntax: "stats <aggregation> [as <name>] … [by <fields>]",
        meaning: "Aggregates all rows, or those of each group. An aggregation is over a field, `*`, or `eval(<expression>)`.",
        options: STATS_OPTIONS,
    },
    Usage {
        name: "streamstats",
        also: &[],
        syntax: "streamstats [<options>] <aggregation> [as <name>] … [by <fields>]",
        meaning: "Adds aggregations over the rows up to this one to each row.",
        options: &[
            flag(
                "current",
                "Whether the row itself counts, which it does if it is not given.",
            ),
            count("window", "How many rows count; 0 for all."),
            flag(
                "global",
                "`false`: a window is over the rows of the group and not over all.",
            ),
            obeyed("time_window", "How long a time counts."),
            obeyed(
                "reset_before",
                "The statistics restart at a row for which this expression holds.",
            ),
            obeyed(
                "reset_after",
                "They restart after a row for which it holds.",
            ),
            flag(
                "reset_on_change",
                "They restart where the group differs from that of the row before.",
            ),
            only(
                "allnum",
                "false",
                "numbers are reckoned with, and other values of the field are left out",
            ),
        ],
    },
    Usage {
        name: "tstats",
        also: &[],
        syntax: "tstats [<options>] <aggregation> … [from datamodel=<Model.Node>] [where <conditions>] [by <fields> [span=<span>]]",
        meaning: "Aggregates the events of a data model, or all events.",
        options: &[
            flag(
                "prestats",
                "Gives the events to the command behind, which aggregates them.",
            ),
            flag(
                "append",
                "With `prestats=true`, puts them below the rows before.",
            ),
            obeyed(
                "fillnull_value",
                "What rows get that lack a group's field; they are left out if it is not given.",
            ),
            no_effect("allow_old_summaries", SUMMARIES),
            no_effect("summariesonly", SUMMARIES),
            no_effect("include_reduced_buckets", SUMMARIES),
            no_effect("chunk_size", MEMORY),
            no_effect("local", "there is one machine"),
        ],
    },
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
                format!("`{text}` is not a condition: {why}"),
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
            if self.takes("mstats", &option)? {
                let value = self.value_of("mstats", &option)?;
                options.push((option, value.text));
            }
        }
        let aggregations = self.aggregations("mstats", &mut options)?;
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
            by = self.by_clause("mstats", &mut options)?;
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
            if self.takes("tstats", &option)? {
                let value = self.value_of("tstats", &option)?;
                options.push((option, value.text));
            }
        }
        let on = |name: &str| {
            let is_on = |(own, value): &&(Name, String)| own.text == name && is_on(value);
            options.iter().find(is_on)
        };
        if let (Some((append, _)), None) = (on("append"), on("prestats")) {
            return Err(Diagnostic::new(
                "`append=true` of `tstats` goes with `prestats=true`",
                append.span,
            ));
        }
        let aggregations = self.aggregations("tstats", &mut options)?;
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
        let by = self.by_clause("tstats", &mut options)?;
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

    pub(super) fn stats(&mut self, command: &str) -> Parsed<Stats> {
        let mut options = Vec::new();
        let aggregations = self.aggregations(command, &mut options)?;
        let by = self.by_clause(command, &mut options)?;
        Ok(Stats {
            options,
            aggregations,
            by,
        })
    }

    pub(super) fn streamstats(&mut self) -> Parsed<Streamstats> {
        let mut stats = self.stats("streamstats")?;
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
                if !self.takes(command, &option)? {
                    continue;
                }
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
                    "`sparkline(count)` is drawn, in 25 stretches of equal length; for other statistics and spans use `timechart`",
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
        command: &str,
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
                if self.takes(command, &option)? {
                    let value = self.value(&option.text)?;
                    options.push((option, value.text));
                }
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
