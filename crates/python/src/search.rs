//! `search`.

use std::sync::Arc;

use crabwalk_detect::{Query, risk};
use crabwalk_sources::collect::Within;
use crabwalk_store::in_memory;
use pyo3::prelude::*;

use crate::case::Case;
use crate::errors::{Failure, warn, warn_of_sources};
use crate::options::{Known, Logs, keep, warn_of_lookups};
use crate::table::Table;
use crate::work::{Watch, run};

/// Runs one search over logs or, if it is about findings, over those of a case.
#[pyfunction]
pub fn search(
    py: Python<'_>,
    text: String,
    logs: Logs,
    case: Option<PyRef<'_, Case>>,
    known: Known,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Table> {
    let watch = Watch::default();
    let range = logs.range()?;
    let options = logs.run_options(&watch.stop);
    let case = case.map(|case| case.document());
    let (content, lookups) = known.split();
    let watched = watch.clone();
    let (rows, sources, problems, lost) = run(py, &watch, progress, move || {
        watched.step("loading content");
        let mut content = content.load()?;
        let problems: Vec<String> = content.problems.iter().map(ToString::to_string).collect();
        let knowledge = Arc::new(std::mem::take(&mut content.knowledge));
        let of_run = |error| Failure::of_run(error, &text);
        let query = Query::new(&[("search", &text)], knowledge).map_err(of_run)?;
        let (rows, sources) = match &case {
            Some(case) => {
                if !query.is_of_findings() {
                    return Err(Failure::Read(
                        "a case has no events, only findings (index=risk, `notable`): search the logs instead".to_owned(),
                    ));
                }
                let events = {
                    let case = crate::case::locked(case);
                    risk::events(case.risk_events(), &content.attack)
                };
                let events = events.map_err(|error| Failure::Other(error.to_string()))?;
                (
                    query.rows(&in_memory(events)?, &options).map_err(of_run)?,
                    Vec::new(),
                )
            }
            None if query.is_of_findings() => {
                return Err(Failure::Read(
                    "this search is over findings, which a hunt makes: search(…, hunt(paths))"
                        .to_owned(),
                ));
            }
            None => {
                watched.step("reading");
                let demand = Within::new(query.demand(), range.0, range.1);
                let read = logs.open(&demand, &watched)?;
                if watched.stop.is_stopped() {
                    return Err(Failure::Stopped);
                }
                if let Some(nothing) = Failure::if_nothing(&read.sources, &logs.paths) {
                    return Err(nothing);
                }
                watched.step("searching");
                (
                    query.rows(&read.catalog, &options).map_err(of_run)?,
                    read.sources,
                )
            }
        };
        let lost = keep(&rows.lookups, lookups.as_ref())?;
        Ok((rows, sources, problems, lost))
    })?;
    warn_of_sources(py, &sources)?;
    for problem in problems {
        warn(py, "ContentWarning", &problem)?;
    }
    for warning in &rows.warnings {
        let help = warning.help.as_ref();
        let help = help.map_or_else(String::new, |help| format!("; {help}"));
        warn(py, "SearchWarning", &format!("{}{help}", warning.message))?;
    }
    warn_of_lookups(py, lost.as_deref())?;
    Ok(Table::new(rows.schema, rows.batches))
}
