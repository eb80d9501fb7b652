//! `hunt`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crabwalk_case::dossier::Asked;
use crabwalk_case::{Case as Document, Input, Tool};
use crabwalk_detect::read_exceptions;
use crabwalk_hunt::{Hunt, HuntOptions};
use crabwalk_movement::Budget;
use jiff::Timestamp;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::case::{Case, Evidence};
use crate::errors::{Failure, warn, warn_of_sources};
use crate::options::{Known, Logs, keep, warn_of_lookups};
use crate::work::{Watch, run};

/// What to hunt for.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Question {
    detections: Vec<String>,
    stories: Vec<String>,
    exceptions: Vec<PathBuf>,
    hosts: Vec<String>,
    accounts: Vec<String>,
    budget: Option<f64>,
}

/// Reads logs, hunts in them, and builds the case.
#[pyfunction]
pub fn hunt(
    py: Python<'_>,
    logs: Logs,
    known: Known,
    question: Question,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Case> {
    let watch = Watch::default();
    let (since, until) = logs.range()?;
    let mut detections = logs.run_options(&watch.stop);
    let threads = detections.threads;
    detections.detections = question.detections;
    detections.stories = question.stories;
    let budget = match question.budget {
        None => Budget::default(),
        Some(paths) if paths.is_finite() && paths >= 0.0 => Budget(paths),
        Some(_) => return Err(PyValueError::new_err("budget: a number from 0 on")),
    };
    let asked = Asked {
        hosts: question.hosts,
        accounts: question.accounts,
    };
    let (content, lookups) = known.split();
    let exceptions = question.exceptions;
    let watched = watch.clone();
    let (case, sources, lost) = run(py, &watch, progress, move || {
        let began = Instant::now();
        watched.step("loading content");
        detections.exceptions = read_exceptions(&exceptions)?;
        let options = HuntOptions {
            detections,
            since,
            until,
            budget,
        };
        let of_run = |error| Failure::of_run(error, "");
        let hunt = Hunt::prepare(content.load()?, options).map_err(of_run)?;
        watched.step("reading");
        let read = logs.open(&hunt.demand(), &watched)?;
        let conclusion = hunt.run(&read.catalog, &watched).map_err(of_run)?;
        if let Some(nothing) = Failure::if_nothing(&read.sources, &logs.paths) {
            return Err(nothing);
        }
        watched.step("writing the case");
        let input = Input {
            tool: Tool {
                name: "crabwalk",
                version: env!("CARGO_PKG_VERSION"),
            },
            created: Timestamp::now().as_microsecond(),
            seconds: began.elapsed().as_secs_f64(),
            sources: &read.sources,
            conclusion: &conclusion,
            catalog: read.catalog.as_ref(),
        };
        let case = Document::new(&input, &asked);
        let mut case = case.map_err(|error| Failure::Read(error.to_string()))?;
        case.stats.seconds = began.elapsed().as_secs_f64();
        let lost = keep(&conclusion.outcome.lookups, lookups.as_ref())?;
        let evidence = Evidence {
            catalog: Arc::clone(&read.catalog),
            inputs: read.inputs,
            threads,
        };
        Ok((Case::new(case, Some(evidence)), read.sources, lost))
    })?;
    warn_of_sources(py, &sources)?;
    for problem in case.content_problems() {
        warn(py, "ContentWarning", &problem)?;
    }
    warn_of_lookups(py, lost.as_deref())?;
    Ok(case)
}
