//! `map`: a search for each row.

use std::fmt;

use datafusion::logical_expr::lit;

use crate::plan::template::{Template, Unfit, any_values};
use crate::plan::{Plan, Planner, Result, Rows, at, diagnostic, typed};
use crate::syntax::ast::{Name, Pipeline, Span};
use crate::syntax::command::{Ledger, Syntax};
use crate::syntax::print::quoted;
use crate::syntax::usage::{Cursor, Usage, Whole, count, spl, whole_number};
use crate::syntax::{Diagnostic, Macros, expand_macros, parse, parse_without_macros};

pub(super) static COMMAND: Whole = typed::<Map>(Usage {
    name: "map",
    also: &[],
    syntax: "map [maxsearches=<number>] search=\"…\" | map [ <search> ]",
    meaning: "Runs a search for each row, with `$field$` replaced by the row's values.",
    options: &[
        count("maxsearches", "Maximum rows; default 10."),
        spl("search", "The search."),
    ],
});

/// `map`.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// `maxsearches=`, default 10.
    pub max: u64,
    /// The search with `$field$` in it; its macros are expanded when it is run.
    pub search: Name,
}

impl Syntax for Map {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let (mut max, mut search) = (10, None);
        while !cursor.at_end() {
            if let Some(option) = cursor.option_name() {
                match cursor.option(usage, &option)? {
                    Some(value) if option.text == "maxsearches" => {
                        max = whole_number("maxsearches", &value)?;
                    }
                    Some(value) => search = Some(value),
                    None => {}
                }
            } else if cursor.peek() == Some(b'[') {
                let inner = cursor.place() + 1;
                let text = cursor.subsearch_text()?;
                let span = cursor.span(inner, cursor.place() - 1);
                search = Some(Name { text, span });
            } else {
                return Err(cursor.expected("`search=\"…\"`"));
            }
        }
        match search {
            Some(search) => Ok(Self { max, search }),
            None => Err(cursor.expected("`search=\"…\"`")),
        }
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let search = quoted(&self.search.text);
        write!(f, " maxsearches={} search={search}", self.max)
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        let mut rest = self.search.text.as_str();
        while let Some((_, after)) = rest.split_once('$') {
            rest = after;
            if let Some((name, behind)) = after.split_once('$')
                && !name.is_empty()
                && !name.contains(char::is_whitespace)
            {
                ledger.reads(name, self.search.span);
                rest = behind;
            }
        }
        true
    }

    fn needs_rows(&self) -> bool {
        true
    }

    fn searches(&self, macros: &dyn Macros) -> Vec<Pipeline> {
        // Whatever is put in the places of `$field$`.
        let text = any_values(&self.search.text);
        parse(&text, macros).into_iter().collect()
    }

    fn writes_lookup(&self) -> bool {
        self.search.text.contains("outputlookup")
    }
}

impl Plan for Map {
    /// The results of the searches stand below one another.
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let Some(staged) = planner.stage(rows, None, span)? else {
            return mapped(planner, &any_values(&self.search.text), self, span);
        };
        // Macros come first: a value with backticks calls none.
        let text = expand_macros(&self.search.text, &planner.knowledge.macros)
            .map_err(|errors| wrong_search(errors, self))?;
        let template = Template::of(&text);
        let most = usize::try_from(self.max).unwrap_or(usize::MAX);
        let mut all: Option<Rows> = None;
        let (mut lacking, mut loose) = (0_usize, 0_usize);
        for row in 0..staged.len().min(most) {
            let text = match template.fill(&|name| staged.values(name, row).join(" ")) {
                Ok(text) => text,
                // Nothing can be asked about a row that does not have what the search names.
                Err(Unfit::Lacking) => {
                    lacking += 1;
                    continue;
                }
                Err(Unfit::Loose) => {
                    loose += 1;
                    continue;
                }
            };
            let pipeline =
                parse_without_macros(&text).map_err(|errors| wrong_search(errors, self))?;
            let more = mapped_pipeline(planner, &pipeline, self, span)?;
            all = Some(match all {
                None => more,
                Some(before) => planner.below(before, more, span)?,
            });
        }
        if loose > 0 {
            planner.warnings.push(
                diagnostic(
                    span,
                    format!("`map` left out {loose} rows with values that cannot be single-quoted"),
                )
                .with_help("put `$field$` into double quotes, or into none"),
            );
        }
        if lacking > 0 {
            planner.warnings.push(diagnostic(
                span,
                format!("`map` left out {lacking} rows that lack a field that its search names"),
            ));
        }
        if staged.len() > most {
            planner.warnings.push(diagnostic(
                span,
                format!(
                    "`map` ran for the first {most} of {} rows; raise `maxsearches=` for more",
                    staged.len()
                ),
            ));
        }
        match all {
            Some(rows) => Ok(rows),
            None => {
                let rows = mapped(planner, &any_values(&self.search.text), self, span)?;
                at(span, rows.filter(lit(false)))
            }
        }
    }
}

fn mapped(planner: &mut Planner<'_>, text: &str, map: &Map, span: Span) -> Result<Rows> {
    let pipeline =
        parse(text, &planner.knowledge.macros).map_err(|errors| wrong_search(errors, map))?;
    mapped_pipeline(planner, &pipeline, map, span)
}

fn mapped_pipeline(
    planner: &mut Planner<'_>,
    pipeline: &Pipeline,
    map: &Map,
    span: Span,
) -> Result<Rows> {
    let warnings = planner.warnings.len();
    let rows = planner
        .pipeline(pipeline)
        .map_err(|error| diagnostic(span, format!("the search of `map`: {}", error.message)));
    // Their places are in another text.
    for warning in planner.warnings.iter_mut().skip(warnings) {
        warning.span = map.search.span;
    }
    rows
}

/// What is wrong with the search of `map`.
fn wrong_search(errors: Vec<Diagnostic>, map: &Map) -> Diagnostic {
    let why: Vec<String> = errors.into_iter().map(|error| error.message).collect();
    diagnostic(
        map.search.span,
        format!("the search of `map`: {}", why.join("; ")),
    )
}
