//! The commands and their arguments.

use super::ast::{CommandKind, Name};
use super::diagnostic::Diagnostic;
use super::parser::{Parsed, Parser};

mod derived;
mod fields;
mod lookups;
mod patterns;
mod rows;
mod simple;
mod statistics;

/// The commands that have a form of their own in the syntax tree.
const COMMANDS: &[&str] = &[
    "addtotals",
    "append",
    "appendpipe",
    "bin",
    "bucket",
    "chart",
    "convert",
    "dedup",
    "eval",
    "eventstats",
    "extract",
    "fields",
    "fillnull",
    "foreach",
    "format",
    "from",
    "fromjson",
    "head",
    "inputlookup",
    "iplocation",
    "join",
    "kv",
    "lookup",
    "makemv",
    "makeresults",
    "map",
    "multikv",
    "mstats",
    "multisearch",
    "mvcombine",
    "mvexpand",
    "nomv",
    "outputlookup",
    "rare",
    "regex",
    "rename",
    "replace",
    "return",
    "reverse",
    "rex",
    "search",
    "sort",
    "spath",
    "stats",
    "streamstats",
    "table",
    "tail",
    "timechart",
    "top",
    "transaction",
    "tstats",
    "union",
    "where",
    "xmlkv",
    "xyseries",
];

/// Other commands of Splunk and of apps that public content uses.
const OTHER_COMMANDS: &[&str] = &[
    "abstract",
    "analyzefields",
    "anomalies",
    "anomalousvalue",
    "anomalydetection",
    "apply",
    "arules",
    "associate",
    "audit",
    "cluster",
    "cofilter",
    "collect",
    "concurrency",
    "contingency",
    "correlate",
    "ctable",
    "cyberchef",
    "dbinspect",
    "dbxquery",
    "delete",
    "diff",
    "dnstwist",
    "entitymerge",
    "erex",
    "eventcount",
    "expand",
    "fieldsummary",
    "findtypes",
    "fit",
    "flatten",
    "folderize",
    "gauge",
    "gentimes",
    "geom",
    "geomfilter",
    "geostats",
    "history",
    "iconify",
    "inputcsv",
    "inputintelligence",
    "kmeans",
    "kvform",
    "loadjob",
    "localize",
    "localop",
    "makecontinuous",
    "mcatalog",
    "mcollect",
    "metasearch",
    "meventcollect",
    "mpreview",
    "msearch",
    "mvreverse",
    "outlier",
    "outputcsv",
    "outputtext",
    "overlap",
    "pivot",
    "predict",
    "redistribute",
    "relevancy",
    "reltime",
    "require",
    "rest",
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
    "summary",
    "tagger",
    "tags",
    "timewrap",
    "tojson",
    "transpose",
    "tscollect",
    "typeahead",
    "typelearner",
    "typer",
    "uniq",
    "untable",
    "walklex",
    "x11",
    "xmlunescape",
    "xpath",
    "xsdetails",
];

/// Whether a word names a command.
pub(super) fn is_known(word: &str) -> bool {
    COMMANDS.contains(&word) || derived::DERIVED.contains(&word) || OTHER_COMMANDS.contains(&word)
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
            "mstats" => CommandKind::Mstats(self.mstats()?),
            "stats" => CommandKind::Stats(self.stats(name, statistics::STATS_OPTIONS)?),
            "eventstats" => CommandKind::Eventstats(self.stats(name, statistics::STATS_OPTIONS)?),
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
            "outputlookup" => CommandKind::Outputlookup(self.outputlookup()?),
            "rex" => CommandKind::Rex(self.rex()?),
            "regex" => self.regex()?,
            "sort" => self.sort()?,
            "dedup" => self.dedup()?,
            "head" => self.head()?,
            "tail" => self.tail()?,
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
            "return" => self.return_fields()?,
            "foreach" => self.foreach()?,
            "replace" => self.replace_values()?,
            "map" => self.map()?,
            "transaction" => self.transaction()?,
            "timechart" | "chart" => self.chart(name)?,
            "union" | "multisearch" => self.pipelines()?,
            _ if let Some((_, simple, known)) =
                simple::SIMPLE.iter().find(|(own, ..)| *own == name) =>
            {
                self.simple(name, *simple, known)?
            }
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
                    match self.closest(
                        name,
                        COMMANDS
                            .iter()
                            .chain(derived::DERIVED)
                            .chain(OTHER_COMMANDS)
                            .copied(),
                    ) {
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
        Err(match self.closest(&option.text, known.iter().copied()) {
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
}
