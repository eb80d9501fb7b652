//! Errors and warnings as Python's.

use std::path::PathBuf;

use crabwalk_detect::{ContentPathError, RunError};
use crabwalk_sources::report::{SourceReport, nothing_was_read, why_nothing};
use crabwalk_spl::syntax::{Diagnostic, position};
use crabwalk_store::LogsError;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::table::visible;

/// Why something failed. Made on any thread; becomes an exception on Python's.
#[derive(Debug)]
pub enum Failure {
    /// A search is wrong, or failed.
    Search(Box<Mistake>),
    /// Logs, a store or a case cannot be read.
    Read(String),
    /// Content cannot be used.
    Content(String),
    /// Files cannot be written.
    Write(String),
    /// It was stopped.
    Stopped,
    /// Anything else.
    Other(String),
}

/// What is wrong with a search.
#[derive(Debug)]
pub struct Mistake {
    /// The text with the places marked.
    rendered: String,
    /// The search.
    text: String,
    /// What is wrong, and where.
    first: Option<Diagnostic>,
}

impl Failure {
    /// Of a run with this search; without one, it was a hunt.
    pub fn of_run(error: RunError, search: &str) -> Self {
        match error {
            RunError::Search(error) => Self::Search(Box::new(Mistake {
                rendered: error.to_string(),
                text: search.to_owned(),
                first: error.diagnostics().first().cloned(),
            })),
            RunError::Stopped => Self::Stopped,
            RunError::NoSuchDetection { .. }
            | RunError::NoSuchStory { .. }
            | RunError::NoDetections => Self::Content(error.to_string()),
            RunError::Catalog(error) => Self::Read(error.to_string()),
            error => Self::Other(error.to_string()),
        }
    }

    /// If nothing was read of these paths: why.
    pub fn if_nothing(sources: &[SourceReport], paths: &[PathBuf]) -> Option<Self> {
        nothing_was_read(sources).then(|| Self::Read(why_nothing(sources, paths)))
    }

    /// As an exception.
    pub fn raise(self, py: Python<'_>) -> PyErr {
        let made = match self {
            Self::Search(mistake) => {
                let Mistake {
                    rendered,
                    text,
                    first,
                } = *mistake;
                place(py, &text, first.as_ref())
                    .and_then(|place| make(py, "SearchError", (rendered, text, place)))
            }
            Self::Read(what) => make(py, "ReadError", (what,)),
            Self::Content(what) => make(py, "ContentError", (what,)),
            Self::Write(what) => make(py, "WriteError", (what,)),
            Self::Stopped => make(py, "Error", ("stopped before it was done",)),
            Self::Other(what) => make(py, "Error", (what,)),
        };
        match made {
            Ok(error) => PyErr::from_value(error),
            Err(error) => error,
        }
    }
}

impl From<LogsError> for Failure {
    fn from(error: LogsError) -> Self {
        Self::Read(error.to_string())
    }
}

impl From<ContentPathError> for Failure {
    fn from(error: ContentPathError) -> Self {
        Self::Content(format!("{}: {error}", error.option))
    }
}

/// What is wrong, note and help, and where: offset and end in characters from 0, line and column from 1.
fn place<'py>(
    py: Python<'py>,
    text: &str,
    diagnostic: Option<&Diagnostic>,
) -> PyResult<Bound<'py, PyAny>> {
    let Some(diagnostic) = diagnostic else {
        return Ok(py.None().into_bound(py));
    };
    let characters = |bytes: u32| {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        text.char_indices()
            .take_while(|(at, _)| *at < bytes)
            .count()
    };
    let at = position(text, diagnostic.span);
    let place = (
        &diagnostic.message,
        diagnostic.note.as_deref(),
        diagnostic.help.as_deref(),
        characters(diagnostic.span.start),
        characters(diagnostic.span.end),
        at.line,
        at.column,
    );
    Ok(place.into_pyobject(py)?.into_any())
}

fn make<'py>(
    py: Python<'py>,
    class: &str,
    arguments: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
) -> PyResult<Bound<'py, PyAny>> {
    let arguments = arguments.into_pyobject(py)?;
    py.import("crabwalk._errors")?
        .getattr(class)?
        .call1(arguments)
}

/// Issues a warning of one of the package's classes, at the caller of the package's function.
///
/// # Errors
/// If Python was told to treat warnings as errors.
pub fn warn(py: Python<'_>, class: &str, message: &str) -> PyResult<()> {
    let errors = py.import("crabwalk._errors")?;
    errors
        .getattr("warn")?
        .call1((message, errors.getattr(class)?))?;
    Ok(())
}

/// Warns once of the sources of which part could not be read.
///
/// # Errors
/// As [`warn`].
pub fn warn_of_sources(py: Python<'_>, sources: &[SourceReport]) -> PyResult<()> {
    const MOST: usize = 5;
    let lossy: Vec<&SourceReport> = sources.iter().filter(|one| one.is_lossy()).collect();
    let mut lines: Vec<String> = lossy
        .iter()
        .take(MOST)
        .map(|source| {
            let loss = source.problems.iter().find(|problem| problem.loss);
            let why = loss.map_or("damaged", |problem| problem.message.as_str());
            visible(&format!("{}: {why}", source.path))
        })
        .collect();
    if lossy.len() > MOST {
        lines.push(format!("and {} more", lossy.len() - MOST));
    }
    match lines.as_slice() {
        [] => Ok(()),
        [one] if lossy.len() == 1 => warn(py, "ReadWarning", one),
        lines => {
            let text = format!(
                "part of the logs could not be read:\n  {}",
                lines.join("\n  ")
            );
            warn(py, "ReadWarning", &text)
        }
    }
}

/// An error of Arrow's, which only columns that do not fit together cause.
pub fn arrow(error: &arrow_schema::ArrowError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}
