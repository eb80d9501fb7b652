//! Commands of Splunk, and of apps that public content uses, that are not run, and why.

use std::borrow::Cow;

/// Why a command is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It uses a model that Splunk's Machine Learning Toolkit learns.
    Learned,
    /// It fits a model to the rows by thresholds that Splunk does not document.
    Fitted,
    /// It is a command of an app.
    App,
    /// It asks a Splunk server about itself.
    Server,
    /// It acts on something outside the search.
    Effect,
    /// Nobody has written it yet.
    Missing,
}

/// The commands by the reason. One that is written is taken out here and put into the list of commands.
static NOT_RUN: &[(Why, &[&str])] = &[
    (Why::Learned, &["apply", "fit", "summary"]),
    (
        Why::Fitted,
        &[
            "anomalies",
            "anomalousvalue",
            "findtypes",
            "kmeans",
            "predict",
            "relevancy",
            "typelearner",
            "x11",
        ],
    ),
    (Why::App, &["dnstwist"]),
    (
        Why::Server,
        &[
            "audit",
            "dbinspect",
            "eventcount",
            "history",
            "loadjob",
            "mcatalog",
            "rest",
            "savedsearch",
            "typeahead",
            "walklex",
        ],
    ),
    (
        Why::Effect,
        &[
            "dbxquery",
            "runshellscript",
            "script",
            "sendalert",
            "sendemail",
        ],
    ),
    (
        Why::Missing,
        &[
            "abstract",
            "analyzefields",
            "arules",
            "associate",
            "cofilter",
            "collect",
            "concurrency",
            "contingency",
            "correlate",
            "ctable",
            "delete",
            "diff",
            "entitymerge",
            "erex",
            "expand",
            "flatten",
            "folderize",
            "gauge",
            "geom",
            "geomfilter",
            "geostats",
            "iconify",
            "inputcsv",
            "inputintelligence",
            "kvform",
            "localize",
            "localop",
            "mcollect",
            "metasearch",
            "meventcollect",
            "mpreview",
            "msearch",
            "mvreverse",
            "outputcsv",
            "outputtext",
            "overlap",
            "pivot",
            "redistribute",
            "reltime",
            "require",
            "rtorder",
            "scrub",
            "searchtxn",
            "selfjoin",
            "setfields",
            "sichart",
            "sirare",
            "sistats",
            "sitimechart",
            "sitop",
            "tagger",
            "tags",
            "tscollect",
            "typer",
            "xmlunescape",
            "xpath",
            "xsdetails",
        ],
    ),
];

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NOT_RUN.iter().flat_map(|(_, names)| names.iter().copied())
}

/// Whether a word, in lower case, names one of them.
pub(crate) fn is_one(word: &str) -> bool {
    names().any(|name| name == word)
}

/// Why the command is not run with these arguments, and what to do instead.
pub(crate) fn reason(name: &str, arguments: &str) -> (Cow<'static, str>, &'static str) {
    const COMPARE: &str =
        "compare with `avg` and `stdev` of `eventstats`, or with a lookup that a baseline fills";
    let why = NOT_RUN
        .iter()
        .find(|(_, names)| names.contains(&name))
        .map_or(Why::Missing, |(why, _)| *why);
    match why {
        Why::Learned => {
            let why = match learned_model(name, arguments) {
                Some(model) if name == "fit" => {
                    format!(
                        "it learns the model `{model}`, as Splunk's Machine Learning Toolkit does"
                    )
                }
                Some(model) => format!(
                    "it uses the model `{model}`, which Splunk's Machine Learning Toolkit has learned"
                ),
                None => {
                    "it uses a model that Splunk's Machine Learning Toolkit has learned".to_owned()
                }
            };
            (why.into(), COMPARE)
        }
        Why::Fitted => (
            "it fits a model to the rows, and Splunk does not document its thresholds".into(),
            COMPARE,
        ),
        Why::App => (
            "it belongs to an app, and is not a command of Splunk".into(),
            "remove it, or rewrite it with `eval`",
        ),
        Why::Server => (
            "it queries a Splunk server".into(),
            "search the events themselves",
        ),
        Why::Effect => (
            "it has effects outside the search".into(),
            "remove it; the findings are there without it",
        ),
        Why::Missing => (
            "it is not implemented in this version".into(),
            "remove it, or rewrite it with other commands",
        ),
    }
}

/// The model that a command of the Machine Learning Toolkit names: the first word, and for `fit` the one behind `into`.
fn learned_model<'a>(command: &str, arguments: &'a str) -> Option<&'a str> {
    let mut words = arguments.split_whitespace();
    let model = if command == "fit" {
        words
            .by_ref()
            .find(|word| word.eq_ignore_ascii_case("into"))?;
        words.next()
    } else {
        words.next()
    };
    model
        .map(|model| model.trim_matches('"'))
        .filter(|model| !model.contains('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_run_is_not_among_them() {
        for command in crate::commands::ALL {
            let usage = &command.usage;
            let both = names().find(|name| usage.is_called(name));
            assert_eq!(both, None, "`{}` is run: take it out", usage.name);
        }
    }
}
