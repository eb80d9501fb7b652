//! Commands with forms of their own.

use crate::syntax::ast::{
    Chart, CommandKind, Computed, Expr, Foreach, ForeachMode, Map, Mark, Name, Return, Transaction,
};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::parser::{Parsed, Parser};
use crate::syntax::usage::{OptionUsage, Usage, count, flag, no_effect, obeyed, only, refused};

const CHART_OPTIONS: &[OptionUsage] = &[
    obeyed(
        "span",
        "Width of the ranges of time, or of the first field.",
    ),
    count(
        "bins",
        "Most ranges where there is no span; 100 if it is not given.",
    ),
    obeyed(
        "limit",
        "Most series: `5`, `top5`, `bottom5`; 10 if it is not given, 0 for all.",
    ),
    flag(
        "useother",
        "Whether the other series are added up as one, which they are if it is not given.",
    ),
    obeyed(
        "otherstr",
        "What that series is called; `OTHER` if it is not given.",
    ),
    flag(
        "usenull",
        "Whether rows without the field of the series are one, which they are if it is not given.",
    ),
    obeyed(
        "nullstr",
        "What that series is called; `NULL` if it is not given.",
    ),
    flag(
        "cont",
        "Whether empty ranges of time are shown, which they are if it is not given.",
    ),
    flag(
        "fixedrange",
        "Whether ranges reach to the ends of the search's range of time, which they do if it is not given.",
    ),
    obeyed(
        "sep",
        "What stands between aggregation and series in the names of columns; `: ` if it is not given.",
    ),
    obeyed(
        "format",
        "How the names of columns are made, of `$AGG$` and `$VAL$`.",
    ),
    refused("agg", "write the aggregation before `by`"),
    only(
        "partial",
        "true",
        "leave ranges out at the ends with `earliest=` and `latest=`",
    ),
    only(
        "dedup_splitvals",
        "false",
        "take values of the field once with `mvdedup` before",
    ),
    obeyed(
        "minspan",
        "The span that the data gives is at least as wide.",
    ),
    refused("start", "keep the rows that are wanted with `where` before"),
    refused("end", "keep the rows that are wanted with `where` before"),
    refused(
        "aligntime",
        "use `bin _time span=… aligntime=…` before, and `chart … by _time`",
    ),
];

/// What the reference says of them, by name.
pub(super) const USAGES: &[Usage] = &[
    Usage {
        name: "chart",
        also: &[],
        syntax: "chart [<options>] <aggregation> | eval(<expression of aggregations>) [as <name>] … [over <field>] [by <field> [<field>]]",
        meaning: "Aggregates by one field, or by two, of which the values of the second become columns.",
        options: CHART_OPTIONS,
    },
    Usage {
        name: "foreach",
        also: &[],
        syntax: "foreach [mode=multifield] [<options>] <fields> [ <commands> ] | foreach mode=<mode> [<options>] <field> [ eval … ]",
        meaning: "Runs commands for each field that fits (`multifield`), or an `eval` for each value of a field (`multivalue`), each item of \
                  a JSON array (`json_array`), or whichever of both it is (`auto_collections`).",
        options: &[
            obeyed("mode", "What it goes over."),
            obeyed(
                "fieldstr",
                "What stands for the name of the field; `<<FIELD>>` if it is not given.",
            ),
            obeyed(
                "matchstr",
                "What stands for that which `*` stands for; `<<MATCHSTR>>` if it is not given.",
            ),
            obeyed(
                "matchseg1",
                "What stands for that which the first `*` stands for; `<<MATCHSEG1>>` if it is not given.",
            ),
            obeyed("matchseg2", "The same of the second."),
            obeyed("matchseg3", "The same of the third."),
            obeyed(
                "itemstr",
                "What stands for a value or item; `<<ITEM>>` if it is not given.",
            ),
            obeyed(
                "iterstr",
                "What stands for its number, from 0; `<<ITER>>` if it is not given.",
            ),
        ],
    },
    Usage {
        name: "map",
        also: &[],
        syntax: "map [maxsearches=<number>] search=\"…\" | map [ <search> ]",
        meaning: "Runs a search for each row, with the row's values in the places of `$field$`.",
        options: &[
            count("maxsearches", "Most rows; 10 if it is not given."),
            obeyed("search", "The search."),
        ],
    },
    Usage {
        name: "return",
        also: &[],
        syntax: "return [<number>] [<name>=]<field> … | return [<number>] $<field> …",
        meaning: "What a subsearch gives: fields with their values of the first row or rows, or with `$` the values alone. The value of \
                  `$search` or `$query` is search text.",
        options: &[],
    },
    Usage {
        name: "timechart",
        also: &[],
        syntax: "timechart [<options>] <aggregation> | eval(<expression of aggregations>) [as <name>] … [by <field>]",
        meaning: "Aggregates by ranges of time, and by a field whose values become columns. `per_second`, `per_minute`, `per_hour` and \
                  `per_day` are sums for so long a time.",
        options: CHART_OPTIONS,
    },
    Usage {
        name: "transaction",
        also: &[],
        syntax: "transaction [<fields>] [<options>]",
        meaning: "Makes one row of the events that belong together, with `duration` and `eventcount`.",
        options: &[
            obeyed(
                "startswith",
                "What the first event fits: a clause in parentheses, a phrase, or `eval(…)`.",
            ),
            obeyed("endswith", "What the last event fits."),
            obeyed("maxspan", "Most time from the first to the last event."),
            obeyed("maxpause", "Most time between events."),
            count("maxevents", "Most events; 1,000 if it is not given."),
            flag(
                "connected",
                "Whether an event must share a field with the others.",
            ),
            flag(
                "keepevicted",
                "Keeps transactions that lack their start or end.",
            ),
            obeyed(
                "mvlist",
                "Keeps all values in the order of the events, of all fields or of these.",
            ),
            no_effect("maxopentxn", "all transactions may be open at once"),
            no_effect("maxopenevents", "all transactions may be open at once"),
            only(
                "unifyends",
                "false",
                "name the fields that start and end share",
            ),
            only(
                "keeporphans",
                "false",
                "search the events without `transaction`",
            ),
            only("mvraw", "false", "`_raw` is one text"),
            refused(
                "delim",
                "join the values with `mvjoin` of `eval` behind the command",
            ),
            refused(
                "nullstr",
                "give fields values with `fillnull` before the command",
            ),
            refused(
                "name",
                "it names a stanza of a Splunk server: write its options here",
            ),
        ],
    },
];

impl Parser<'_> {
    pub(super) fn return_fields(&mut self) -> Parsed<CommandKind> {
        let mut count = 1;
        self.skip_space();
        let start = self.pos;
        let word = self.word();
        match word.parse() {
            Ok(number) if word.bytes().all(|byte| byte.is_ascii_digit()) => count = number,
            _ => self.pos = start,
        }
        let mut fields = Vec::new();
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            let only_value = self.peek() == Some(b'$');
            if only_value {
                self.pos += 1;
            }
            let name = self.name("a field")?;
            let field = if self.eat(b'=') {
                self.name("a field")?
            } else {
                name.clone()
            };
            fields.push((name, field, only_value));
        }
        if fields.is_empty() {
            return Err(self.expected("a field"));
        }
        Ok(CommandKind::Return(Return { count, fields }))
    }

    /// `foreach a* b [eval …<<FIELD>>…]`: the template stays text, as it is a command only with names put in.
    pub(super) fn foreach(&mut self) -> Parsed<CommandKind> {
        let (mut fields, mut tokens, mut mode) = (Vec::new(), Vec::new(), ForeachMode::Fields);
        loop {
            self.skip_separators();
            if self.at_end() || self.peek() == Some(b'[') {
                break;
            }
            if let Some(option) = self.option_name() {
                if !self.takes("foreach", &option)? {
                    continue;
                }
                let value = self.value(&option.text)?;
                if option.text != "mode" {
                    tokens.push((option, value.text));
                    continue;
                }
                let named = ForeachMode::ALL
                    .iter()
                    .find(|(_, name)| *name == value.text);
                mode = match named {
                    Some((mode, _)) => *mode,
                    None => {
                        let names = ForeachMode::ALL.map(|(_, name)| name);
                        return Err(Diagnostic::new(
                            format!("`foreach` has no mode `{}`", value.text),
                            value.span,
                        )
                        .with_help(format!("there are {}", names.join(", "))));
                    }
                };
                continue;
            }
            fields.push(self.column("a field, or a template in brackets")?);
        }
        if fields.is_empty() {
            return Err(self.expected("a field"));
        }
        if let (true, [_, second, ..]) = (mode != ForeachMode::Fields, fields.as_slice()) {
            return Err(Diagnostic::new(
                "in this mode `foreach` goes over the values of one field",
                second.span,
            ));
        }
        let open = self.pos;
        if !self.eat(b'[') {
            return Err(self.expected("a template in brackets"));
        }
        let inner = self.pos;
        let outside = self.enter_brackets();
        self.skip_pipeline();
        self.leave_brackets(outside);
        let template = self.text[inner..self.pos].trim().to_owned();
        if !self.eat(b']') {
            return Err(self.error("this bracket is never closed", open, open + 1));
        }
        let span = self.span(inner, self.pos - 1);
        Ok(CommandKind::Foreach(Foreach {
            mode,
            tokens,
            fields,
            template: Name {
                text: template,
                span,
            },
        }))
    }

    /// `replace a with b, c with d in x, y`.
    pub(super) fn map(&mut self) -> Parsed<CommandKind> {
        let (mut max, mut search) = (10, None);
        while !self.at_end() {
            match self.option_name() {
                Some(option) if !self.takes("map", &option)? => {}
                Some(option) if option.text == "maxsearches" => {
                    max = self.count_value("maxsearches")?
                }
                Some(_) => search = Some(self.value("search")?),
                None if self.peek() == Some(b'[') => {
                    self.pos += 1;
                    let inner = self.pos;
                    let outside = self.enter_brackets();
                    self.skip_pipeline();
                    self.leave_brackets(outside);
                    let span = self.span_from(inner);
                    let text = self.text[inner..self.pos].trim().to_owned();
                    if !self.eat(b']') {
                        return Err(self.error("this bracket is never closed", inner - 1, inner));
                    }
                    search = Some(Name { text, span });
                }
                None => return Err(self.expected("`search=\"…\"`")),
            }
        }
        match search {
            Some(search) => Ok(CommandKind::Map(Map { max, search })),
            None => Err(self.expected("`search=\"…\"`")),
        }
    }

    /// `transaction a b startswith=(…) maxspan=5m`.
    pub(super) fn transaction(&mut self) -> Parsed<CommandKind> {
        let mut transaction = Transaction {
            connected: true,
            ..Transaction::default()
        };
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            let Some(option) = self.option_name() else {
                transaction.fields.push(self.column("a field")?);
                continue;
            };
            if !self.takes("transaction", &option)? {
                continue;
            }
            match option.text.as_str() {
                "startswith" => transaction.starts = Some(self.transaction_filter()?),
                "endswith" => transaction.ends = Some(self.transaction_filter()?),
                "maxspan" => transaction.max_span = self.seconds()?,
                "maxpause" => transaction.max_pause = self.seconds()?,
                "maxevents" => transaction.max_events = Some(self.count_value("maxevents")?),
                "connected" => transaction.connected = self.bool_value("connected")?,
                "keepevicted" => transaction.keep_evicted = self.bool_value("keepevicted")?,
                _ => {
                    let value = self.value("mvlist")?;
                    transaction.lists = match value.text.to_lowercase().as_str() {
                        "t" | "true" | "1" => Some(Vec::new()),
                        "f" | "false" | "0" => None,
                        _ => Some(
                            value
                                .text
                                .split(',')
                                .map(|name| name.trim().to_owned())
                                .collect(),
                        ),
                    };
                }
            }
        }
        Ok(CommandKind::Transaction(transaction))
    }

    fn transaction_filter(&mut self) -> Parsed<Mark> {
        use crate::syntax::ast::{SearchExpr, SearchValue};
        self.skip_space();
        if self.peek() == Some(b'(') {
            let open = self.pos;
            self.pos += 1;
            let clause = self.search_clause(false)?;
            if !self.eat(b')') {
                return Err(self.error("this parenthesis is never closed", open, open + 1));
            }
            return Ok(Mark::Search(clause));
        }
        let start = self.pos;
        if self.eat_keyword("eval") {
            let open = self.pos;
            if self.eat(b'(') {
                let condition = self.expr()?;
                if !self.eat(b')') {
                    return Err(self.error("this parenthesis is never closed", open, open + 1));
                }
                return Ok(Mark::Eval(condition));
            }
            self.pos = start;
        }
        let value = self.value("startswith")?;
        // A phrase in quotes may be a clause, as in "event=start".
        if let Ok(clause) = crate::syntax::parse_search(&value.text)
            && value.text.contains('=')
        {
            return Ok(Mark::Search(clause));
        }
        Ok(Mark::Search(SearchExpr::Term(SearchValue {
            text: value.text,
            quoted: true,
            directive: None,
            span: value.span,
        })))
    }

    /// A length of time in seconds; `-1` is none.
    fn seconds(&mut self) -> Parsed<Option<f64>> {
        self.skip_space();
        if self.text[self.pos..].starts_with("-1") {
            self.word();
            return Ok(None);
        }
        Ok(match self.bin_span()? {
            crate::syntax::ast::BinSpan::Number(seconds) => Some(seconds),
            crate::syntax::ast::BinSpan::Time(span) => crate::ops::bins::seconds(span),
            crate::syntax::ast::BinSpan::Log { .. } => {
                return Err(self.expected("a length of time"));
            }
        })
    }

    /// `timechart` and `chart`.
    pub(super) fn chart(&mut self, command: &str) -> Parsed<CommandKind> {
        let (mut options, mut span) = (Vec::new(), None);
        let (mut aggregations, mut computed) = (Vec::new(), Vec::new());
        let mut by = Vec::new();
        let time = command == "timechart";
        let mut split = false;
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            let start = self.pos;
            if let Some(option) = self.option_name() {
                if option.text == "span" {
                    span = Some(self.bin_span()?);
                    continue;
                }
                if self.takes(command, &option)? {
                    let value = self.value_of(command, &option)?;
                    options.push((option, value.text));
                }
                continue;
            }
            let some = !aggregations.is_empty() || !computed.is_empty();
            if some && self.at_keyword("where") {
                let what = format!("`where` of `{command}`");
                self.word();
                let place = Name {
                    text: String::new(),
                    span: self.span_from(start),
                };
                return Err(self
                    .not_run(&what, &place)
                    .with_help("choose the series with `limit=`, such as `limit=top5`"));
            }
            if some && (self.eat_keyword("by") || !time && self.eat_keyword("over")) {
                split = true;
                continue;
            }
            if split {
                by.push(self.column("a field")?);
            } else if let Some((output, expr)) = self.computed()? {
                computed.push(Computed {
                    place: aggregations.len(),
                    expr,
                    output,
                });
            } else {
                self.pos = start;
                aggregations.push(self.aggregation()?);
            }
        }
        if aggregations.is_empty() && computed.is_empty() {
            return Err(self.expected("an aggregation such as `count`"));
        }
        if by.len() > if time { 1 } else { 2 } {
            return Err(self.expected("fewer fields"));
        }
        Ok(CommandKind::Chart(Chart {
            time,
            options,
            span,
            aggregations,
            computed,
            by,
        }))
    }

    /// `eval(avg(a)/max(b)) [as x]`.
    fn computed(&mut self) -> Parsed<Option<(Name, Expr)>> {
        let start = self.pos;
        let open = start + "eval".len();
        if !self.eat_keyword("eval") || !self.eat(b'(') {
            self.pos = start;
            return Ok(None);
        }
        let expr = self.expr()?;
        if !self.eat(b')') {
            return Err(self.error("this parenthesis is never closed", open, open + 1));
        }
        let written = Name {
            text: self.text[start..self.pos].to_owned(),
            span: self.span_from(start),
        };
        let output = if self.eat_keyword("as") {
            self.column("a name after `as`")?
        } else {
            written
        };
        Ok(Some((output, expr)))
    }
}
