//! The commands and their arguments.

use super::ast::{
    Aggregation, AggregationArgument, Bin, BinSpan, ByField, CommandKind, Conversion, Convert,
    Join, Lookup, LookupOutput, Name, Rex, RexAction, SortKey, SortOrder, Stats, Streamstats,
    TimeSpan, TimeUnit, Tstats,
};
use super::diagnostic::Diagnostic;
use super::macros::closest;
use super::parser::{Parsed, Parser, is_delimiter};

/// The commands that have a form of their own in the syntax tree.
const COMMANDS: &[&str] = &[
    "append",
    "appendpipe",
    "bin",
    "bucket",
    "convert",
    "dedup",
    "eval",
    "eventstats",
    "fields",
    "fillnull",
    "from",
    "head",
    "inputlookup",
    "join",
    "lookup",
    "mvexpand",
    "regex",
    "rename",
    "reverse",
    "rex",
    "search",
    "sort",
    "stats",
    "streamstats",
    "table",
    "tail",
    "tstats",
    "where",
];

/// Other commands of Splunk and of apps that public content uses.
const OTHER_COMMANDS: &[&str] = &[
    "abstract",
    "accum",
    "addcoltotals",
    "addinfo",
    "addtotals",
    "analyzefields",
    "anomalies",
    "anomalousvalue",
    "anomalydetection",
    "apply",
    "appendcols",
    "arules",
    "associate",
    "audit",
    "autoregress",
    "chart",
    "cluster",
    "cofilter",
    "collect",
    "concurrency",
    "contingency",
    "correlate",
    "ctable",
    "cyberchef",
    "datamodel",
    "dbinspect",
    "dbxquery",
    "delete",
    "delta",
    "diff",
    "dnstwist",
    "entitymerge",
    "erex",
    "eventcount",
    "expand",
    "extract",
    "fieldformat",
    "fieldsummary",
    "filldown",
    "findtypes",
    "fit",
    "flatten",
    "folderize",
    "foreach",
    "format",
    "fromjson",
    "gauge",
    "gentimes",
    "geom",
    "geomfilter",
    "geostats",
    "highlight",
    "history",
    "iconify",
    "inputcsv",
    "inputintelligence",
    "iplocation",
    "kmeans",
    "kv",
    "kvform",
    "loadjob",
    "localize",
    "localop",
    "makecontinuous",
    "makemv",
    "makeresults",
    "map",
    "mcatalog",
    "mcollect",
    "metadata",
    "metasearch",
    "meventcollect",
    "mpreview",
    "msearch",
    "mstats",
    "multikv",
    "multisearch",
    "mvcombine",
    "mvreverse",
    "nomv",
    "outlier",
    "outputcsv",
    "outputlookup",
    "outputtext",
    "overlap",
    "pivot",
    "predict",
    "rangemap",
    "rare",
    "redistribute",
    "relevancy",
    "reltime",
    "replace",
    "require",
    "rest",
    "return",
    "rtorder",
    "savedsearch",
    "script",
    "runshellscript",
    "scrub",
    "searchtxn",
    "selfjoin",
    "sendalert",
    "sendemail",
    "set",
    "setfields",
    "sichart",
    "sirare",
    "sistats",
    "sitimechart",
    "sitop",
    "spath",
    "strcat",
    "summary",
    "tagger",
    "tags",
    "timechart",
    "timewrap",
    "tojson",
    "top",
    "transaction",
    "transpose",
    "trendline",
    "tscollect",
    "typeahead",
    "typelearner",
    "typer",
    "union",
    "uniq",
    "untable",
    "walklex",
    "x11",
    "xmlkv",
    "xmlunescape",
    "xpath",
    "xsdetails",
    "xyseries",
];

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
const STATS_OPTIONS: &[&str] = &["allnum", "dedup_splitvals", "delim", "partitions"];
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

const CONVERSIONS: &[&str] = &[
    "auto", "ctime", "dur2sec", "memk", "mktime", "mstime", "none", "num", "rmcomma", "rmunit",
];

/// Whether a word names a command.
pub(super) fn is_known(word: &str) -> bool {
    COMMANDS.contains(&word) || OTHER_COMMANDS.contains(&word)
}

impl Parser<'_> {
    /// The arguments of the command that stands at `start`.
    pub(super) fn arguments(
        &mut self,
        name: &str,
        start: usize,
        name_end: usize,
    ) -> Parsed<CommandKind> {
        Ok(match name {
            "search" => CommandKind::Search(self.search_clause(false)?),
            "tstats" => CommandKind::Tstats(self.tstats()?),
            "stats" => CommandKind::Stats(self.stats(name, STATS_OPTIONS)?),
            "eventstats" => CommandKind::Eventstats(self.stats(name, STATS_OPTIONS)?),
            "streamstats" => CommandKind::Streamstats(self.streamstats()?),
            "where" => CommandKind::Where(self.expr()?),
            "eval" => self.eval()?,
            "rename" => self.rename()?,
            "convert" => CommandKind::Convert(self.convert()?),
            "table" => CommandKind::Table(self.some_names("a field", |_| false)?),
            "fields" => self.fields()?,
            "bin" | "bucket" => CommandKind::Bin(self.bin()?),
            "fillnull" => self.fillnull()?,
            "lookup" => CommandKind::Lookup(self.lookup()?),
            "inputlookup" => self.inputlookup()?,
            "rex" => CommandKind::Rex(self.rex()?),
            "regex" => self.regex()?,
            "sort" => self.sort()?,
            "dedup" => self.dedup()?,
            "head" => CommandKind::Head(self.row_count("head")?),
            "tail" => CommandKind::Tail(self.row_count("tail")?),
            "reverse" => CommandKind::Reverse,
            "from" => self.from()?,
            "join" => CommandKind::Join(self.join()?),
            "append" => {
                self.ignore_options(&["extendtimerange", "maxtime", "maxout", "timeout"])?;
                CommandKind::Append(self.bracketed()?)
            }
            "appendpipe" => {
                self.ignore_options(&["run_in_preview"])?;
                CommandKind::Appendpipe(self.bracketed()?)
            }
            "mvexpand" => self.mvexpand()?,
            _ if OTHER_COMMANDS.contains(&name) => {
                let arguments = self.pos;
                self.skip_arguments();
                let arguments = self.text[arguments..self.pos].trim().to_owned();
                CommandKind::Unsupported { arguments }
            }
            _ => {
                let diagnostic =
                    self.error(format!("`{name}` is not a command of SPL"), start, name_end);
                return Err(
                    match closest(name, COMMANDS.iter().chain(OTHER_COMMANDS).copied()) {
                        Some(other) => diagnostic.with_help(format!("did you mean `{other}`?")),
                        None => diagnostic,
                    },
                );
            }
        })
    }

    fn some_names(&mut self, what: &str, stop: impl FnMut(&mut Self) -> bool) -> Parsed<Vec<Name>> {
        let names = self.names(what, stop)?;
        if names.is_empty() {
            Err(self.expected(what))
        } else {
            Ok(names)
        }
    }

    fn known_option(&self, command: &str, option: &Name, known: &[&str]) -> Parsed<()> {
        if known.contains(&option.text.as_str()) {
            return Ok(());
        }
        let diagnostic = self.unknown_option(command, option);
        Err(match closest(&option.text, known.iter().copied()) {
            Some(other) => diagnostic.with_help(format!("did you mean `{other}`?")),
            None => diagnostic,
        })
    }

    fn unknown_option(&self, command: &str, option: &Name) -> Diagnostic {
        Diagnostic::new(
            format!("`{command}` has no option `{}`", option.text),
            option.span,
        )
    }

    fn not_run(&self, what: &str, name: &Name) -> Diagnostic {
        Diagnostic::new(format!("{what} is not supported"), name.span)
    }

    /// Skips options that bound time or memory.
    fn ignore_options(&mut self, known: &[&str]) -> Parsed<()> {
        while let Some(option) = self.option_name() {
            self.value(&option.text)?;
            if !known.contains(&option.text.as_str()) {
                return Err(Diagnostic::new(
                    format!("there is no option `{}` here", option.text),
                    option.span,
                ));
            }
        }
        Ok(())
    }

    // Aggregations.

    fn tstats(&mut self) -> Parsed<Tstats> {
        let mut options = Vec::new();
        while let Some(option) = self.option_name() {
            self.known_option("tstats", &option, TSTATS_OPTIONS)?;
            let value = self.value(&option.text)?;
            options.push((option, value.text));
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

    fn eat_prefix(&mut self, prefix: &str) -> bool {
        let there = self.text.as_bytes().get(self.pos..self.pos + prefix.len());
        let there = there.is_some_and(|bytes| bytes.eq_ignore_ascii_case(prefix.as_bytes()));
        if there {
            self.pos += prefix.len();
        }
        there
    }

    fn stats(&mut self, command: &str, known: &[&str]) -> Parsed<Stats> {
        let mut options = Vec::new();
        let aggregations = self.aggregations(command, known, &mut options)?;
        let by = self.by_clause(command, known, &mut options)?;
        Ok(Stats {
            options,
            aggregations,
            by,
        })
    }

    fn streamstats(&mut self) -> Parsed<Streamstats> {
        let mut stats = self.stats("streamstats", STREAMSTATS_OPTIONS)?;
        let (mut current, mut window, mut global) = (true, 0, true);
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
                _ => rest.push((name, value)),
            }
        }
        stats.options = rest;
        Ok(Streamstats {
            stats,
            current,
            window,
            global,
        })
    }

    /// Aggregations with commas or spaces between them; options may stand among them.
    fn aggregations(
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
                let value = if self.eat(b'(') {
                    let inner = self.pos;
                    self.skip_parentheses(inner)?;
                    self.text[inner..self.pos - 1]
                        .trim()
                        .trim_matches('"')
                        .to_owned()
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
        Err(self.error("this parenthesis is never closed", inner - 1, inner))
    }

    fn aggregation(&mut self) -> Parsed<Aggregation> {
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
            output = self.name("a name after `as`")?;
        }
        Ok(Aggregation {
            function,
            span,
            argument,
            output,
        })
    }

    /// `by a, b span=5m c`, if it is there.
    fn by_clause(
        &mut self,
        command: &str,
        known: &[&str],
        options: &mut Vec<(Name, String)>,
    ) -> Parsed<Vec<ByField>> {
        let mut by: Vec<ByField> = Vec::new();
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
            let span = self.bin_span()?;
            // A span is of the time wherever it stands.
            let last = by.len().checked_sub(1);
            let target = by.iter().position(|by| by.field.text == "_time").or(last);
            match target.and_then(|index| by.get_mut(index)) {
                Some(target) => target.span = Some(span),
                None => {
                    return Err(Diagnostic::new(
                        "`span=` stands behind a field",
                        option.span,
                    ));
                }
            }
        }
        if by.is_empty() {
            return Err(self.expected("a field after `by`"));
        }
        Ok(by)
    }

    // Fields.

    fn eval(&mut self) -> Parsed<CommandKind> {
        let mut assignments = Vec::new();
        loop {
            let target = self.name("a field to assign to")?;
            if !self.eat(b'=') {
                return Err(self.expected(&format!("`=` after `{}`", target.text)));
            }
            assignments.push((target, self.expr()?));
            if !self.eat(b',') {
                break;
            }
            // A comma behind the last one does no harm.
            if self.at_end() {
                break;
            }
        }
        Ok(CommandKind::Eval(assignments))
    }

    fn rename(&mut self) -> Parsed<CommandKind> {
        let mut renames = Vec::new();
        self.skip_separators();
        while !self.at_end() {
            let from = self.column("a field")?;
            if !self.eat_keyword("as") {
                return Err(self.expected(&format!("`as` after `{}`", from.text)));
            }
            renames.push((from, self.column("a new name after `as`")?));
            self.skip_separators();
        }
        if renames.is_empty() {
            return Err(self.expected("a field"));
        }
        Ok(CommandKind::Rename(renames))
    }

    fn convert(&mut self) -> Parsed<Convert> {
        let mut time_format = None;
        let mut conversions = Vec::new();
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            if let Some(option) = self.option_name() {
                if option.text != "timeformat" {
                    return Err(self.unknown_option("convert", &option));
                }
                time_format = Some(self.value("timeformat")?.text);
                continue;
            }
            let start = self.pos;
            let word = self.word().to_lowercase();
            let function = Name {
                text: word,
                span: self.span_from(start),
            };
            if !CONVERSIONS.contains(&function.text.as_str()) {
                if function.text.is_empty() {
                    return Err(self.expected("a conversion such as `ctime(_time)`"));
                }
                let diagnostic = Diagnostic::new(
                    format!("`{}` is not a conversion", function.text),
                    function.span,
                );
                return Err(match closest(&function.text, CONVERSIONS.iter().copied()) {
                    Some(other) => diagnostic.with_help(format!("did you mean `{other}`?")),
                    None => diagnostic.with_help(format!("there are {}", CONVERSIONS.join(", "))),
                });
            }
            if !self.eat(b'(') {
                return Err(self.expected("`(`"));
            }
            let field = self.name("a field")?;
            if !self.eat(b')') {
                return Err(self.expected("`)`"));
            }
            let output = if self.eat_keyword("as") {
                Some(self.name("a name after `as`")?)
            } else {
                None
            };
            conversions.push(Conversion {
                function,
                field,
                output,
            });
        }
        if conversions.is_empty() {
            return Err(self.expected("a conversion such as `ctime(_time)`"));
        }
        Ok(Convert {
            time_format,
            conversions,
        })
    }

    fn fields(&mut self) -> Parsed<CommandKind> {
        self.skip_space();
        let keep = self.peek() != Some(b'-');
        if matches!(self.peek(), Some(b'-' | b'+')) {
            self.pos += 1;
        }
        Ok(CommandKind::Fields {
            keep,
            fields: self.some_names("a field", |_| false)?,
        })
    }

    fn fillnull(&mut self) -> Parsed<CommandKind> {
        let mut value = None;
        let mut fields = Vec::new();
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            match self.option_name() {
                Some(option) if option.text == "value" => value = Some(self.value("value")?.text),
                Some(option) => return Err(self.unknown_option("fillnull", &option)),
                None => fields.push(self.column("a field")?),
            }
        }
        Ok(CommandKind::Fillnull {
            value: value.unwrap_or_else(|| "0".to_owned()),
            fields,
        })
    }

    fn mvexpand(&mut self) -> Parsed<CommandKind> {
        let field = self.name("a field")?;
        let mut limit = 0;
        while let Some(option) = self.option_name() {
            if option.text != "limit" {
                return Err(self.unknown_option("mvexpand", &option));
            }
            limit = self.count_value("limit")?;
        }
        Ok(CommandKind::Mvexpand { field, limit })
    }

    fn bin(&mut self) -> Parsed<Bin> {
        let (mut field, mut span, mut bins, mut output) = (None, None, None, None);
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            if let Some(option) = self.option_name() {
                match option.text.as_str() {
                    "span" => span = Some(self.bin_span()?),
                    "bins" => bins = Some(self.count_value("bins")?),
                    "minspan" | "start" | "end" | "aligntime" => {
                        return Err(self.not_run(&format!("`{}=` of `bin`", option.text), &option));
                    }
                    _ => return Err(self.unknown_option("bin", &option)),
                }
            } else if field.is_some() && output.is_none() && self.eat_keyword("as") {
                output = Some(self.name("a name after `as`")?);
            } else if field.is_none() {
                field = Some(self.name("a field")?);
            } else {
                return Err(self.expected("the end of the command, as `bin` takes one field"));
            }
        }
        match field {
            Some(field) => Ok(Bin {
                field,
                span,
                bins,
                output,
            }),
            None => Err(self.expected("a field")),
        }
    }

    fn bin_span(&mut self) -> Parsed<BinSpan> {
        let value = self.value("span")?;
        let bad = |what: &str| Diagnostic::new(format!("`{}` {what}", value.text), value.span);
        let help = "write a number, or a number and a unit such as 30s, 5m, 1h, 1d, 1w, 1mon";
        // `1d@d` is aligned as `1d` is anyway.
        let (length, snap) = match value.text.split_once('@') {
            Some((length, snap)) => (length, Some(snap)),
            None => (value.text.as_str(), None),
        };
        let digits = length
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(length.len());
        let (amount, unit) = length.split_at(digits);
        if unit.is_empty() {
            return match amount.parse::<f64>() {
                Ok(number) if number.is_finite() && number > 0.0 && snap.is_none() => {
                    Ok(BinSpan::Number(number))
                }
                _ => Err(bad("is not a span").with_help(help)),
            };
        }
        let Some(unit) = time_unit(unit) else {
            if unit.to_lowercase().starts_with("log") {
                return Err(bad("is a logarithmic span, which is not supported"));
            }
            return Err(bad("is not a span").with_help(help));
        };
        if snap.is_some_and(|snap| time_unit(snap) != Some(unit)) {
            return Err(bad(
                "is aligned to another unit than its own, which is not supported",
            ));
        }
        let amount = if amount.is_empty() {
            Ok(1)
        } else {
            amount.parse::<u64>()
        };
        match amount {
            Ok(amount) if amount > 0 => Ok(BinSpan::Time(TimeSpan { amount, unit })),
            _ => Err(bad("is not a span").with_help(help)),
        }
    }

    // Lookups.

    fn lookup(&mut self) -> Parsed<Lookup> {
        while let Some(option) = self.option_name() {
            match option.text.as_str() {
                // Where and how fresh Splunk reads the table; here there is one.
                "local" | "update" => {
                    self.bool_value(&option.text)?;
                }
                _ => return Err(self.unknown_option("lookup", &option)),
            }
        }
        let table = self.name("the name of a lookup")?;
        let keys =
            self.pairs(|parser| parser.at_keyword("output") || parser.at_keyword("outputnew"))?;
        if keys.is_empty() {
            return Err(self.expected("a field to look up"));
        }
        let new = self.at_keyword("outputnew");
        if !new && !self.at_keyword("output") {
            return Ok(Lookup {
                table,
                keys,
                output: LookupOutput::All,
            });
        }
        self.word();
        let output = self.pairs(|_| false)?;
        if output.is_empty() {
            return Err(self.expected("a column of the lookup"));
        }
        let output = if new {
            LookupOutput::KeepExisting(output)
        } else {
            LookupOutput::Overwrite(output)
        };
        Ok(Lookup {
            table,
            keys,
            output,
        })
    }

    /// `a as b, c`: (a, b), (c, c).
    fn pairs(&mut self, mut stop: impl FnMut(&mut Self) -> bool) -> Parsed<Vec<(Name, Name)>> {
        let mut pairs = Vec::new();
        loop {
            self.skip_separators();
            if self.at_end() || stop(self) {
                return Ok(pairs);
            }
            let column = self.name("a field")?;
            let field = if self.eat_keyword("as") {
                self.name("a name after `as`")?
            } else {
                column.clone()
            };
            pairs.push((column, field));
        }
    }

    fn inputlookup(&mut self) -> Parsed<CommandKind> {
        let (mut append, mut max, mut lookup, mut filter) = (false, None, None, None);
        while !self.at_end() {
            if let Some(option) = self.option_name() {
                match option.text.as_str() {
                    "append" => append = self.bool_value("append")?,
                    "max" => max = Some(self.count_value("max")?),
                    "strict" => {
                        self.bool_value("strict")?;
                    }
                    "start" => {
                        if self.count_value("start")? > 0 {
                            return Err(self.not_run("`start=` of `inputlookup`", &option));
                        }
                    }
                    _ => return Err(self.unknown_option("inputlookup", &option)),
                }
            } else if lookup.is_none() {
                lookup = Some(self.name("the name of a lookup")?);
            } else if filter.is_none() && self.eat_keyword("where") {
                filter = Some(self.search_clause(false)?);
            } else {
                return Err(self.expected("`where` or the end of the command"));
            }
        }
        match lookup {
            Some(lookup) => Ok(CommandKind::Inputlookup {
                append,
                lookup,
                filter,
                max,
            }),
            None => Err(self.expected("the name of a lookup")),
        }
    }

    // Patterns.

    fn rex(&mut self) -> Parsed<Rex> {
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
                    _ => return Err(self.unknown_option("rex", &option)),
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
    fn pattern(&mut self) -> Parsed<Name> {
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

    fn regex(&mut self) -> Parsed<CommandKind> {
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
                !is_delimiter(byte) && !(byte == b'!' && self.peek_at(1) == Some(b'='))
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

    // Order and number of rows.

    fn sort(&mut self) -> Parsed<CommandKind> {
        let mut limit = 10_000;
        self.skip_space();
        let start = self.pos;
        match self.option_name() {
            Some(option) if option.text == "limit" => limit = self.count_value("limit")?,
            Some(option) => return Err(self.unknown_option("sort", &option)),
            None => {
                let word = self.word();
                match word.parse() {
                    Ok(number) if word.bytes().all(|byte| byte.is_ascii_digit()) => limit = number,
                    _ => self.pos = start,
                }
            }
        }
        let mut keys = self.sort_keys(|parser| {
            let start = parser.pos;
            let last = (parser.eat_keyword("d") || parser.eat_keyword("desc")) && parser.at_end();
            parser.pos = start;
            last
        })?;
        if keys.is_empty() {
            return Err(self.expected("a field to sort by"));
        }
        if !self.at_end() {
            self.word();
            for key in &mut keys {
                key.descending = !key.descending;
            }
        }
        Ok(CommandKind::Sort { limit, keys })
    }

    fn sort_keys(&mut self, mut stop: impl FnMut(&mut Self) -> bool) -> Parsed<Vec<SortKey>> {
        let mut keys = Vec::new();
        loop {
            self.skip_separators();
            if self.at_end() || !keys.is_empty() && stop(self) {
                return Ok(keys);
            }
            let descending = self.peek() == Some(b'-');
            if matches!(self.peek(), Some(b'-' | b'+')) {
                self.pos += 1;
                self.skip_space();
            }
            let start = self.pos;
            let word = self.word().to_ascii_lowercase();
            let order = match word.as_str() {
                "auto" => Some(SortOrder::Auto),
                "num" => Some(SortOrder::Number),
                "str" => Some(SortOrder::Text),
                "ip" => Some(SortOrder::Address),
                _ => None,
            };
            match order.filter(|_| self.peek() == Some(b'(')) {
                Some(order) => {
                    self.pos += 1;
                    let field = self.name("a field")?;
                    if !self.eat(b')') {
                        return Err(self.expected("`)`"));
                    }
                    keys.push(SortKey {
                        field,
                        descending,
                        order,
                    });
                }
                None => {
                    self.pos = start;
                    keys.push(SortKey {
                        field: self.column("a field")?,
                        descending,
                        order: SortOrder::Auto,
                    });
                }
            }
        }
    }

    fn dedup(&mut self) -> Parsed<CommandKind> {
        let mut count = 1;
        self.skip_space();
        let start = self.pos;
        let word = self.word();
        match word.parse() {
            Ok(number) if word.bytes().all(|byte| byte.is_ascii_digit()) => count = number,
            _ => self.pos = start,
        }
        let (mut keep_events, mut keep_empty, mut consecutive) = (false, false, false);
        let (mut fields, mut sort) = (Vec::new(), Vec::new());
        loop {
            self.skip_separators();
            if self.at_end() {
                break;
            }
            if let Some(option) = self.option_name() {
                let value = self.bool_value(&option.text)?;
                match option.text.as_str() {
                    "keepevents" => keep_events = value,
                    "keepempty" => keep_empty = value,
                    "consecutive" => consecutive = value,
                    _ => return Err(self.unknown_option("dedup", &option)),
                }
            } else if !fields.is_empty() && self.eat_keyword("sortby") {
                sort = self.sort_keys(|_| false)?;
                if sort.is_empty() {
                    return Err(self.expected("a field to sort by"));
                }
            } else {
                fields.push(self.column("a field")?);
            }
        }
        if fields.is_empty() {
            return Err(self.expected("a field"));
        }
        if count == 0 {
            return Err(self.error(
                "`dedup` keeps at least one row of each group",
                start,
                start + 1,
            ));
        }
        Ok(CommandKind::Dedup {
            count,
            fields,
            keep_events,
            keep_empty,
            consecutive,
            sort,
        })
    }

    fn row_count(&mut self, command: &str) -> Parsed<u64> {
        if self.at_end() {
            return Ok(10);
        }
        let start = self.pos;
        match self.option_name() {
            Some(option) if option.text == "limit" && command == "head" => {
                return self.count_value("limit");
            }
            Some(_) => {}
            None => {
                let word = self.word();
                if let Ok(number) = word.parse()
                    && word.bytes().all(|byte| byte.is_ascii_digit())
                {
                    return Ok(number);
                }
            }
        }
        self.pos = start;
        Err(self
            .expected("a number of rows")
            .with_note(format!("conditions in `{command}` are not supported")))
    }

    // Other sources.

    fn from(&mut self) -> Parsed<CommandKind> {
        self.skip_space();
        let start = self.pos;
        let mut name = self.name("`datamodel:` and a name")?;
        let (kind, rest) = match name.text.split_once(':') {
            Some((kind, rest)) => (kind.trim().to_lowercase(), rest.trim().to_owned()),
            None => (name.text.to_lowercase(), String::new()),
        };
        if !matches!(
            kind.as_str(),
            "datamodel" | "lookup" | "inputlookup" | "savedsearch"
        ) {
            return Err(self
                .error(
                    format!("`from` does not know a source of kind `{kind}`"),
                    start,
                    self.pos,
                )
                .with_help("write `from datamodel:Model.Node` or `from lookup:name`"));
        }
        if rest.is_empty() {
            self.eat(b':');
            name = self.name(&format!("the name of a {kind}"))?;
        } else {
            name.text = rest;
        }
        // "Model"."Node"
        while self.peek() == Some(b'.') && self.peek_at(1) == Some(b'"') {
            self.pos += 1;
            let node = self.name("the name of a node")?;
            name = Name {
                text: format!("{}.{}", name.text, node.text),
                span: name.span.to(node.span),
            };
        }
        Ok(CommandKind::From { kind, name })
    }

    fn join(&mut self) -> Parsed<Join> {
        let (mut outer, mut max, mut overwrite) = (false, 1, true);
        let mut fields = Vec::new();
        loop {
            self.skip_separators();
            if self.at_end() || self.peek() == Some(b'[') {
                break;
            }
            let Some(option) = self.option_name() else {
                fields.push(self.column("a field to join by, or a subsearch in brackets")?);
                continue;
            };
            match option.text.as_str() {
                "type" => {
                    let kind = self.value("type")?;
                    outer = match kind.text.to_lowercase().as_str() {
                        "inner" => false,
                        "left" | "outer" => true,
                        _ => {
                            return Err(Diagnostic::new(
                                format!("`{}` is not a type of join", kind.text),
                                kind.span,
                            )
                            .with_help("there are inner, left and outer (the same as left)"));
                        }
                    };
                }
                "max" => max = self.count_value("max")?,
                "overwrite" => overwrite = self.bool_value("overwrite")?,
                "usetime" | "earlier" => {
                    if self.bool_value(&option.text)? && option.text == "usetime" {
                        return Err(self.not_run("`usetime=` of `join`", &option));
                    }
                }
                "left" | "right" => {
                    return Err(self.not_run("`join` with aliases for its sides", &option));
                }
                _ => return Err(self.unknown_option("join", &option)),
            }
        }
        Ok(Join {
            outer,
            max,
            overwrite,
            fields,
            subsearch: self.bracketed()?,
        })
    }
}

fn action_span(action: &RexAction) -> super::ast::Span {
    match action {
        RexAction::Extract(pattern) | RexAction::Sed(pattern) => pattern.span,
    }
}

/// The unit of time that a word of SPL names.
fn time_unit(word: &str) -> Option<TimeUnit> {
    Some(match word.to_lowercase().as_str() {
        "us" => TimeUnit::Microsecond,
        "ms" => TimeUnit::Millisecond,
        "cs" => TimeUnit::Centisecond,
        "ds" => TimeUnit::Decisecond,
        "s" | "sec" | "secs" | "second" | "seconds" => TimeUnit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => TimeUnit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => TimeUnit::Hour,
        "d" | "day" | "days" => TimeUnit::Day,
        "w" | "week" | "weeks" => TimeUnit::Week,
        "mon" | "month" | "months" => TimeUnit::Month,
        "q" | "qtr" | "qtrs" | "quarter" | "quarters" => TimeUnit::Quarter,
        "y" | "yr" | "yrs" | "year" | "years" => TimeUnit::Year,
        _ => return None,
    })
}
