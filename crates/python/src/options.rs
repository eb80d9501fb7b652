//! Arguments that hunts and searches share.

use std::path::PathBuf;

use crabwalk_detect::lookups::{LookupStore, Lookups};
use crabwalk_detect::{ContentPaths, RunOptions, Stop};
use crabwalk_sources::Input;
use crabwalk_sources::collect::Demand;
use crabwalk_store::{IngestOptions, Logs as Opened};
use crabwalk_vocabulary::time;
use jiff::Timestamp;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::errors::{Failure, warn};
use crate::work::Watch;

/// What is known besides the logs.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Known {
    builtin: bool,
    content: Vec<PathBuf>,
    sigma: Vec<PathBuf>,
    assets: Vec<PathBuf>,
    identities: Vec<PathBuf>,
    lookups: Option<PathBuf>,
    geoip: Option<PathBuf>,
}

impl Known {
    /// As content to load, and the directory where lookups are kept.
    pub fn split(self) -> (ContentPaths, Option<PathBuf>) {
        let lookups = self.lookups.clone();
        let paths = ContentPaths {
            no_builtin: !self.builtin,
            content: self.content,
            sigma: self.sigma,
            assets: self.assets,
            identities: self.identities,
            lookups: self.lookups,
            geoip: self.geoip,
        };
        (paths, lookups)
    }
}

/// Saves lookups that searches wrote, or returns that they were not.
///
/// # Errors
/// If they cannot be written.
pub fn keep(lookups: &Lookups, directory: Option<&PathBuf>) -> Result<Option<String>, Failure> {
    if lookups.is_empty() {
        return Ok(None);
    }
    let Some(directory) = directory else {
        let names: Vec<&str> = lookups.keys().map(String::as_str).collect();
        return Ok(Some(format!(
            "lookups written and not kept: {}; name a directory for them with lookups=",
            names.join(", ")
        )));
    };
    LookupStore::new(directory)
        .save(lookups)
        .map_err(|error| Failure::Write(error.to_string()))?;
    Ok(None)
}

/// Warns of lookups that were not kept.
///
/// # Errors
/// As [`warn`].
pub fn warn_of_lookups(py: Python<'_>, lost: Option<&str>) -> PyResult<()> {
    lost.map_or(Ok(()), |lost| warn(py, "SearchWarning", lost))
}

/// The logs to read, and how much of the machine to use.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Logs {
    /// Files and folders, or a store.
    pub paths: Vec<PathBuf>,
    since: Option<String>,
    until: Option<String>,
    threads: Option<usize>,
    /// Bytes above which logs go into a temporary store.
    memory: Option<u64>,
    /// MiB for grouping, sorting and joining.
    search_memory: Option<usize>,
}

impl Logs {
    /// The range of time, in microseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// `ValueError` if one of its ends is no time.
    pub fn range(&self) -> PyResult<(Option<i64>, Option<i64>)> {
        let now = Timestamp::now().as_microsecond();
        let moment = |name: &str, text: &Option<String>| {
            let time = text.as_deref().map(|text| time::moment(text, now));
            let wrong = |error: String| PyValueError::new_err(format!("{name}: {error}"));
            time.transpose().map_err(wrong)
        };
        Ok((moment("since", &self.since)?, moment("until", &self.until)?))
    }

    /// How searches run.
    pub fn run_options(&self, stop: &Stop) -> RunOptions {
        let mut options = RunOptions {
            threads: self.read_options().threads,
            stop: stop.clone(),
            ..RunOptions::at(Timestamp::now().as_microsecond())
        };
        if let Some(memory) = self.search_memory {
            options.memory = memory.saturating_mul(1 << 20);
        }
        options
    }

    /// Reads what is needed of them, without a range of time.
    ///
    /// # Errors
    /// If there is a store that cannot be opened.
    pub fn open(&self, demand: &dyn Demand, watch: &Watch) -> Result<Opened, Failure> {
        let inputs = self.paths.iter().cloned().map(Input::Path).collect();
        // The temporary store goes with the catalog, also after Ctrl-C.
        Ok(Opened::open(
            inputs,
            demand,
            &self.read_options(),
            watch,
            &|_| {},
        )?)
    }

    fn read_options(&self) -> IngestOptions {
        let usual = IngestOptions::default();
        IngestOptions {
            threads: self.threads.unwrap_or(usual.threads).max(1),
            memory: self.memory.unwrap_or(usual.memory),
        }
    }
}
