//! Commands of options and fields, and those with forms of their own that came later.

use crate::syntax::ast::{
    Arguments, Chart, CommandKind, Foreach, Map, Mark, Name, Replace, Return, Simple, Transaction,
};
use crate::syntax::parser::{Parsed, Parser};

/// The commands that consist of options and fields, with the options that each knows.
pub(super) const SIMPLE: &[(&str, Simple, &[&str])] = &[
    (
        "addtotals",
        Simple::Addtotals,
        &["row", "col", "fieldname", "labelfield", "label"],
    ),
    (
        "extract",
        Simple::Extract,
        &[
            "pairdelim",
            "kvdelim",
            "limit",
            "maxchars",
            "mv_add",
            "clean_keys",
            "reload",
            "segment",
            "auto",
        ],
    ),
    (
        "kv",
        Simple::Extract,
        &[
            "pairdelim",
            "kvdelim",
            "limit",
            "maxchars",
            "mv_add",
            "clean_keys",
            "reload",
            "segment",
            "auto",
        ],
    ),
    (
        "format",
        Simple::Format,
        &["maxresults", "mvsep", "emptystr"],
    ),
    ("fromjson", Simple::Fromjson, &["prefix"]),
    (
        "iplocation",
        Simple::Iplocation,
        &["prefix", "allfields", "lang"],
    ),
    (
        "makemv",
        Simple::Makemv,
        &["delim", "tokenizer", "allowempty", "setsv"],
    ),
    (
        "makeresults",
        Simple::Makeresults,
        &["count", "annotate", "splunk_server", "splunk_server_group"],
    ),
    (
        "multikv",
        Simple::Multikv,
        &[
            "forceheader",
            "multitable",
            "noheader",
            "rmorig",
            "copyattrs",
            "conf",
        ],
    ),
    ("mvcombine", Simple::Mvcombine, &["delim"]),
    ("nomv", Simple::Nomv, &[]),
    ("rare", Simple::Rare, TOP_OPTIONS),
    ("spath", Simple::Spath, &["input", "output", "path"]),
    ("top", Simple::Top, TOP_OPTIONS),
    ("xmlkv", Simple::Xmlkv, &["maxinputs"]),
    ("xyseries", Simple::Xyseries, &["grouped", "sep", "format"]),
];

const TOP_OPTIONS: &[&str] = &[
    "limit",
    "showperc",
    "showcount",
    "countfield",
    "percentfield",
    "useother",
    "otherstr",
];

const CHART_OPTIONS: &[&str] = &[
    "limit",
    "useother",
    "otherstr",
    "usenull",
    "nullstr",
    "cont",
    "span",
    "bins",
    "agg",
    "partial",
    "fixedrange",
    "sep",
    "format",
];

impl Parser<'_> {
    pub(super) fn simple(
        &mut self,
        command: &str,
        simple: Simple,
        known: &[&str],
    ) -> Parsed<CommandKind> {
        let mut arguments = Arguments::default();
        let mut by = false;
        // `multikv` names its fields behind `fields`, and words of the lines to keep behind `filter`.
        let (mut named, mut filtered) = (false, false);
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            if let Some(option) = self.option_name() {
                self.known_option(command, &option, known)?;
                let value = self.value(&option.text)?;
                arguments.options.push((option, value.text));
            } else if !by && matches!(simple, Simple::Top | Simple::Rare) && self.eat_keyword("by")
            {
                by = true;
            } else if simple == Simple::Multikv {
                if !filtered && self.eat_keyword("filter") {
                    filtered = true;
                } else if !named && self.eat_keyword("fields") {
                    named = true;
                } else if filtered {
                    arguments.by.push(self.value("filter")?);
                } else if named {
                    arguments.fields.push(self.column("a field")?);
                } else {
                    return Err(self.expected("`fields`, `filter` or an option of `multikv`"));
                }
            } else if simple == Simple::Format {
                // The words that it puts around and between.
                arguments.fields.push(self.value("format")?);
            } else if let (Simple::Top | Simple::Rare, true, Some(limit)) =
                (simple, arguments.fields.is_empty(), self.number_alone())
            {
                arguments.options.push(limit);
            } else if by {
                arguments.by.push(self.column("a field")?);
            } else {
                arguments.fields.push(self.column("a field")?);
            }
        }
        let single = matches!(
            simple,
            Simple::Fromjson
                | Simple::Iplocation
                | Simple::Makemv
                | Simple::Mvcombine
                | Simple::Nomv
        );
        let some = single || matches!(simple, Simple::Top | Simple::Rare);
        if some && arguments.fields.is_empty() || by && arguments.by.is_empty() {
            return Err(self.expected("a field"));
        }
        if single && arguments.fields.len() > 1 {
            return Err(self.expected(&format!(
                "the end of the command, as `{command}` takes one field"
            )));
        }
        if simple == Simple::Xyseries && arguments.fields.len() < 3 {
            return Err(self.expected(
                "three fields or more: that of the rows, that of the columns, and those of the cells",
            ));
        }
        if simple == Simple::Format && !matches!(arguments.fields.len(), 0 | 6) {
            return Err(self.expected(
                "six words: before all, before a row, between fields, behind a row, between rows, behind all",
            ));
        }
        Ok(CommandKind::Simple(simple, arguments))
    }

    /// The number of `top 5 user`, as the option `limit`.
    fn number_alone(&mut self) -> Option<(Name, String)> {
        self.skip_space();
        let start = self.pos;
        let word = self.word();
        if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
            let name = Name {
                text: "limit".to_owned(),
                span: self.span_from(start),
            };
            return Some((name, word.to_owned()));
        }
        self.pos = start;
        None
    }

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
        let mut fields = Vec::new();
        loop {
            self.skip_separators();
            if self.at_end() || self.peek() == Some(b'[') {
                break;
            }
            let start = self.pos;
            if let Some(option) = self.option_name() {
                let value = self.value(&option.text)?;
                let known = matches!(
                    option.text.as_str(),
                    "fieldstr" | "matchstr" | "matchseg1" | "matchseg2" | "matchseg3"
                );
                if !(known || option.text == "mode" && value.text == "multifield") {
                    self.pos = start;
                    return Err(self.not_run(
                        &format!("`{}={}` of `foreach`", option.text, value.text),
                        &option,
                    ));
                }
                continue;
            }
            if fields.is_empty() && self.eat_keyword("mode") {
                return Err(self.expected("`mode=`"));
            }
            fields.push(self.column("a field, or a template in brackets")?);
        }
        if fields.is_empty() {
            return Err(self.expected("a field"));
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
            fields,
            template: Name {
                text: template,
                span,
            },
        }))
    }

    /// `replace a with b, c with d in x, y`.
    pub(super) fn replace_values(&mut self) -> Parsed<CommandKind> {
        let (mut pairs, mut fields) = (Vec::new(), Vec::new());
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            let start = self.pos;
            if !pairs.is_empty() && self.eat_keyword("in") {
                if !self.at_keyword("with") {
                    fields = self.some_names("a field", |_| false)?;
                    break;
                }
                self.pos = start;
            }
            let from = self.value("replace")?;
            if !self.eat_keyword("with") {
                return Err(self.expected("`with`"));
            }
            pairs.push((from, self.value("with")?));
        }
        if pairs.is_empty() {
            return Err(self.expected("a value to replace"));
        }
        Ok(CommandKind::Replace(Replace { pairs, fields }))
    }

    pub(super) fn map(&mut self) -> Parsed<CommandKind> {
        let (mut max, mut search) = (10, None);
        while !self.at_end() {
            match self.option_name() {
                Some(option) if option.text == "maxsearches" => {
                    max = self.count_value("maxsearches")?
                }
                Some(option) if option.text == "search" => search = Some(self.value("search")?),
                Some(option) => return Err(self.unknown_option("map", &option)),
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
            match option.text.as_str() {
                "startswith" => transaction.starts = Some(self.transaction_filter()?),
                "endswith" => transaction.ends = Some(self.transaction_filter()?),
                "maxspan" => transaction.max_span = self.seconds()?,
                "maxpause" => transaction.max_pause = self.seconds()?,
                "maxevents" => transaction.max_events = Some(self.count_value("maxevents")?),
                "connected" => transaction.connected = self.bool_value("connected")?,
                "keepevicted" => transaction.keep_evicted = self.bool_value("keepevicted")?,
                "mvlist" => {
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
                // What bounds memory, and the name of a stanza that nobody has here.
                "maxopentxn" | "maxopenevents" => {
                    self.value(&option.text)?;
                }
                "unifyends" | "keeporphans" | "mvraw" => {
                    if self.bool_value(&option.text)? {
                        let what = format!("`{}=true` of `transaction`", option.text);
                        return Err(self.not_run(&what, &option));
                    }
                }
                "delim" | "nullstr" | "name" => {
                    let what = format!("`{}=` of `transaction`", option.text);
                    return Err(self.not_run(&what, &option));
                }
                _ => return Err(self.unknown_option("transaction", &option)),
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
        let mut aggregations = Vec::new();
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
                self.known_option(command, &option, CHART_OPTIONS)?;
                let value = self.value(&option.text)?;
                options.push((option, value.text));
                continue;
            }
            if !aggregations.is_empty()
                && (self.eat_keyword("by") || !time && self.eat_keyword("over"))
            {
                split = true;
                continue;
            }
            if split {
                by.push(self.column("a field")?);
            } else {
                self.pos = start;
                aggregations.push(self.aggregation()?);
            }
        }
        if aggregations.is_empty() {
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
            by,
        }))
    }

    /// `union [ … ] [ … ]`, `multisearch [ … ] [ … ]`.
    pub(super) fn pipelines(&mut self) -> Parsed<CommandKind> {
        let mut all = Vec::new();
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            if self.peek() != Some(b'[') {
                self.ignore_options(&["maxtime", "maxout", "timeout"])?;
            }
            self.skip_separators();
            all.push(self.bracketed()?);
        }
        if all.is_empty() {
            return Err(self.expected("a subsearch in brackets"));
        }
        Ok(CommandKind::Union(all))
    }
}
