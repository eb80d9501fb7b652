//! What all commands that read logs share.

use std::path::{Path, PathBuf};

use crabwalk_detect::lookups::{LookupStore, Lookups};
use crabwalk_detect::{Content, ContentPaths, RunOptions};
use crabwalk_hunt::HuntOptions;
use crabwalk_movement::Budget;
use crabwalk_sources::Input;
use crabwalk_sources::collect::{Demand, Within};
use crabwalk_store::{IngestOptions, Logs as Opened};

use crate::args::{self, Known};
use crate::interrupt;
use crate::outcome::{Failure, note};
use crate::progress::Bar;

/// Loads content. Problems with single content files are reported in the content; a path that does not exist is an
/// error.
pub fn content(known: &Known) -> Result<Content, Failure> {
    let paths = ContentPaths {
        no_builtin: known.no_builtin,
        content: known.content.clone(),
        sigma: known.sigma.clone(),
        assets: known.assets.clone(),
        identities: known.identities.clone(),
        lookups: known.lookups.clone(),
        geoip: known.geoip.clone(),
    };
    Ok(paths.load()?)
}

/// Whether a file is in one of the directories; without directories, always true.
pub fn is_below(path: &str, paths: &[PathBuf]) -> bool {
    paths.is_empty() || paths.iter().any(|one| Path::new(path).starts_with(one))
}

/// Saves the lookups that searches have written, if a directory for them was given, or reports that they were not.
pub fn keep_lookups(known: &Known, lookups: &Lookups, quiet: bool) -> Result<(), Failure> {
    let Some(directory) = &known.lookups else {
        if !lookups.is_empty() && !quiet {
            let names: Vec<&str> = lookups.keys().map(String::as_str).collect();
            note(
                "not kept",
                &format!(
                    "lookups written: {}; keep them with `--lookups DIR`",
                    names.join(", ")
                ),
            );
        }
        return Ok(());
    };
    let written = LookupStore::new(directory)
        .save(lookups)
        .map_err(|error| Failure::new(format!("--lookups {error}")))?;
    if !quiet {
        for path in written {
            note("written", &path.display().to_string());
        }
    }
    Ok(())
}

/// The logs to read, and how much of the machine to use.
#[derive(Debug, Clone)]
pub struct Logs {
    /// Files and folders; `-` is standard input.
    pub paths: Vec<PathBuf>,
    /// Ignore events before this, in microseconds since 1970-01-01 UTC.
    since: Option<i64>,
    /// Ignore events after this, in microseconds since 1970-01-01 UTC.
    until: Option<i64>,
    /// Threads that read and search.
    pub threads: usize,
    /// Memory in bytes above which logs are put into a temporary store.
    memory: u64,
    /// Memory limit in bytes for grouping, sorting and joining in searches.
    search_memory: usize,
}

impl Logs {
    /// All events of files and folders, using the whole machine.
    pub fn of(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            since: None,
            until: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory: u64::MAX,
            search_memory: crabwalk_detect::DEFAULT_MEMORY,
        }
    }

    /// The same logs within a time range; an end that is not given stays as it is.
    pub fn within(&self, since: Option<i64>, until: Option<i64>) -> Self {
        Self {
            since: since.or(self.since),
            until: until.or(self.until),
            ..self.clone()
        }
    }

    /// From the command line.
    pub fn inputs(&self) -> Vec<Input> {
        self.paths
            .iter()
            .map(|path| {
                if path.as_os_str() == "-" {
                    Input::Stdin
                } else {
                    Input::Path(path.clone())
                }
            })
            .collect()
    }

    /// How searches over these logs run: all detections, by default.
    pub fn run_options(&self) -> RunOptions {
        RunOptions {
            threads: self.threads,
            memory: self.search_memory,
            ..RunOptions::at(jiff::Timestamp::now().as_microsecond())
        }
    }

    /// How these logs are hunted, by default.
    pub fn hunt_options(&self) -> HuntOptions {
        HuntOptions {
            detections: self.run_options(),
            since: self.since,
            until: self.until,
            budget: Budget::default(),
        }
    }

    /// Reads what a search needs, within the given time range.
    pub fn read(&self, demand: &dyn Demand, bar: &Bar) -> Result<Opened, Failure> {
        self.open(&Within::new(demand, self.since, self.until), bar)
    }

    /// Reads what is needed, without a time range: a hunt has it in its [options](Self::hunt_options). A store is only
    /// opened; it is read on demand.
    pub fn open(&self, demand: &dyn Demand, bar: &Bar) -> Result<Opened, Failure> {
        bar.step("reading");
        let options = IngestOptions {
            threads: self.threads,
            memory: self.memory,
        };
        let removes = |folder: &Path| interrupt::removes(folder.to_owned());
        Ok(Opened::open(
            self.inputs(),
            demand,
            &options,
            bar,
            &removes,
        )?)
    }
}

impl From<&args::Logs> for Logs {
    fn from(args: &args::Logs) -> Self {
        let mut logs = Self::of(args.paths.clone());
        logs.since = args.since;
        logs.until = args.until;
        if let Some(threads) = args.threads {
            logs.threads = threads.into();
        }
        logs.memory = args.memory.bytes();
        logs.search_memory = usize::try_from(args.search.search_memory)
            .unwrap_or(usize::MAX)
            .saturating_mul(1 << 20);
        logs
    }
}
