//! Cases.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crabwalk_case::{Case as Document, List, WITHOUT_FRONT_END, front_end, table};
use crabwalk_events::Catalog;
use crabwalk_sources::Input;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::{Map, Value};

use crate::errors::{Failure, arrow, warn};
use crate::table::{Table, html, visible};
use crate::work::{Watch, run};

/// What the report of a case is made of besides the case.
pub struct Evidence {
    /// What was read from the logs.
    pub catalog: Arc<dyn Catalog>,
    /// Where raw records can be read again.
    pub inputs: Vec<Input>,
    /// Threads that read.
    pub threads: usize,
}

/// Everything that one hunt concluded. Its lists are tables; hosts and accounts appear by name.
#[pyclass(frozen, module = "crabwalk")]
pub struct Case {
    document: Arc<Mutex<Document>>,
    /// None if the case was read from a file.
    evidence: Option<Arc<Evidence>>,
}

/// The document, which is always whole.
pub fn locked(document: &Mutex<Document>) -> MutexGuard<'_, Document> {
    document.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Case {
    pub fn new(document: Document, evidence: Option<Evidence>) -> Self {
        Self {
            document: Arc::new(Mutex::new(document)),
            evidence: evidence.map(Arc::new),
        }
    }

    pub fn document(&self) -> Arc<Mutex<Document>> {
        Arc::clone(&self.document)
    }

    /// Errors in content, for people.
    pub fn content_problems(&self) -> Vec<String> {
        let case = locked(&self.document);
        let problems = case.content_problems.iter();
        let line = |line: Option<usize>| line.map_or_else(String::new, |line| format!(":{line}"));
        problems
            .map(|one| format!("{}{}: {}", one.path, line(one.line), one.message))
            .collect()
    }

    fn table(&self, list: List) -> PyResult<Table> {
        let batch = table(&locked(&self.document), list).map_err(|error| arrow(&error))?;
        Ok(Table::new(batch.schema(), vec![batch]))
    }
}

#[pymethods]
impl Case {
    /// The movements from host to host, by time.
    ///
    /// `standing` is `proven`, `possible`, `attempted` or `routine`; `confidence` (0 to 1) says how sure it is that it
    /// happened. Who acted on the source is the `actor`, whose logon it was `used`, and as whom it ran there `effective`;
    /// `account` is the one of them by which it is known. `witnesses` lists who saw it, `missing` what nobody saw and why.
    /// `path` is the path that it is on, and `told` whether that is reported.
    #[getter]
    fn hops(&self) -> PyResult<Table> {
        self.table(List::Hops)
    }

    /// The movements chained into paths, the highest ranked first.
    ///
    /// `told` says whether the verdict reports it, `why` what makes its `score`, and `rank` how often daily work does the
    /// same, rarest first, where the logs have enough days to compare.
    #[getter]
    fn paths(&self) -> PyResult<Table> {
        self.table(List::Paths)
    }

    /// The result rows of detections, by time.
    ///
    /// `risk_score` is 0 to 100. `everyday` says why a finding is not `notable` if other days show the same, `suppressed`
    /// why it is hidden. `events` is how many events it has, `count` how many similar findings it stands for, and `fields`
    /// its row as JSON.
    #[getter]
    fn findings(&self) -> PyResult<Table> {
        self.table(List::Findings)
    }

    /// The machines.
    ///
    /// `touched` says how certain it is that the intruder was there (`certain`, `likely`, `possible`), and `isolate` whether
    /// to isolate it.
    #[getter]
    fn hosts(&self) -> PyResult<Table> {
        self.table(List::Hosts)
    }

    /// The accounts. `reset` says whether the password has to be changed.
    #[getter]
    fn accounts(&self) -> PyResult<Table> {
        self.table(List::Accounts)
    }

    /// What happened, by time: the events of movements and findings, and cleared logs; each with its file (`source`) and
    /// the number of its record there (`record`).
    #[getter]
    fn timeline(&self) -> PyResult<Table> {
        self.table(List::Timeline)
    }

    /// What was read: each file and archive member, its unpacked `bytes`, its `records`, those `skipped`, and its `problems`.
    /// `lossy` says whether part of it could not be read.
    #[getter]
    fn sources(&self) -> PyResult<Table> {
        self.table(List::Sources)
    }

    /// What these logs cannot show, for which detections and hosts, and how to close the gap.
    #[getter]
    fn gaps(&self) -> PyResult<Table> {
        self.table(List::Gaps)
    }

    /// From when to when each log of each host reaches, and when it was cleared.
    #[getter]
    fn coverage(&self) -> PyResult<Table> {
        self.table(List::Coverage)
    }

    /// The case in a few sentences.
    #[getter]
    fn summary(&self) -> Vec<String> {
        locked(&self.document).summary.clone()
    }

    /// What follows from it, as in `case.json`: ids of the reported `paths`; `hosts` that the intruder touched and why; ids
    /// of hosts to `isolate`; `accounts` to reset and why; `blind` hosts, whose logs are too sparse to judge; the `entry`,
    /// where it began; logs to `collect`.
    #[getter]
    fn verdict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let verdict = {
            let case = locked(&self.document);
            let told = case.paths.iter().filter(|path| path.told);
            let told: Vec<Value> = told.map(|path| path.id.as_str().into()).collect();
            let mut all = Map::from_iter([("paths".to_owned(), Value::Array(told))]);
            if let Ok(Value::Object(scope)) = serde_json::to_value(&case.scope) {
                all.extend(scope);
            }
            Value::Object(all).to_string()
        };
        py.import("json")?.call_method1("loads", (verdict,))
    }

    /// The whole case: the text of `case.json`.
    fn to_json(&self) -> PyResult<String> {
        let mut out = Vec::new();
        crabwalk_case::to_json(&*locked(&self.document), &mut out)?;
        String::from_utf8(out).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Writes `case.json`, `findings.csv`, `timeline.csv`, `navigator.json` and `report.html` into a directory, which is
    /// created if it is missing, and returns their paths. The logs are read again for the raw records in the report.
    #[pyo3(signature = (directory, progress = None))]
    fn write(
        &self,
        py: Python<'_>,
        directory: PathBuf,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<PathBuf>> {
        let watch = Watch::default();
        watch.step("writing the case");
        let document = self.document();
        let evidence = self.evidence.clone();
        let written = run(py, &watch, progress, move || {
            let mut case = locked(&document);
            let written = match evidence {
                Some(evidence) => crabwalk_case::write_with_records(
                    &mut case,
                    &evidence.inputs,
                    evidence.threads,
                    evidence.catalog.as_ref(),
                    &directory,
                ),
                None => crabwalk_case::write_with_report(&mut case, &directory),
            };
            written.map_err(|error| Failure::Write(error.to_string()))
        })?;
        if front_end().is_none() {
            warn(py, "CrabwalkWarning", WITHOUT_FRONT_END)?;
        }
        Ok(written)
    }

    fn __str__(&self) -> String {
        let lines: Vec<String> = self.summary().iter().map(|line| visible(line)).collect();
        lines.join("\n")
    }

    fn __repr__(&self) -> String {
        let case = locked(&self.document);
        let told = case.paths.iter().filter(|path| path.told).count();
        format!(
            "<crabwalk.Case: {told} of {} paths told, {} hops, {} findings, {} hosts>",
            case.paths.len(),
            case.hops.len(),
            case.findings.len(),
            case.hosts.len()
        )
    }

    /// The summary, for a notebook.
    fn _repr_html_(&self) -> String {
        let lines: String = self
            .summary()
            .iter()
            .map(|line| format!("<li>{}</li>", html(line)))
            .collect();
        format!("<ul>{lines}</ul><p>{}</p>", html(&self.__repr__()))
    }
}

/// Reads a `case.json`.
#[pyfunction]
pub fn read_case(py: Python<'_>, path: PathBuf) -> PyResult<Case> {
    let read = py.detach(|| {
        let failed = |what: String| Failure::Read(format!("{}: {what}", path.display()));
        let file = File::open(&path).map_err(|error| failed(error.to_string()))?;
        crabwalk_case::from_json(file).map_err(|error| failed(error.to_string()))
    });
    let document = read.map_err(|failure| failure.raise(py))?;
    Ok(Case::new(document, None))
}
