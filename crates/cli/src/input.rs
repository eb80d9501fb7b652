//! What all commands that read logs share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crabwalk_detect::lookups::{LookupStore, Lookups};
use crabwalk_detect::{Content, Exception, RunOptions};
use crabwalk_events::{Catalog, MemoryCatalog};
use crabwalk_hunt::HuntOptions;
use crabwalk_movement::Budget;
use crabwalk_sources::collect::{Collected, Demand, Within};
use crabwalk_sources::report::SourceReport;
use crabwalk_sources::{Input, Limits};
use crabwalk_store::{FileOrigin, IngestOptions, Store, StoreError, Temporary};

use crate::args::{self, Known};
use crate::interrupt;
use crate::outcome::{Failure, note};
use crate::progress::Bar;

/// Loads content. Problems with single content files are reported in the content; a path that does not exist is an
/// error.
pub fn content(known: &Known) -> Result<Content, Failure> {
    for (option, paths) in [("--content", &known.content), ("--sigma", &known.sigma)] {
        for path in paths {
            if let Err(error) = std::fs::metadata(path) {
                return Err(Failure::new(format!(
                    "{option} {}: {error}",
                    path.display()
                )));
            }
        }
    }
    let mut content = Content::load(!known.no_builtin, &known.content);
    if !known.sigma.is_empty() {
        content.add_sigma(&known.sigma);
    }
    entities(&mut content, &known.assets, &known.identities)?;
    if let Some(path) = &known.geoip {
        content
            .set_locations(read("--geoip", path)?)
            .map_err(|error| Failure::new(format!("--geoip {}: {error}", path.display())))?;
    }
    if let Some(directory) = &known.lookups {
        LookupStore::new(directory)
            .load(&mut content)
            .map_err(|error| Failure::new(format!("--lookups {error}")))?;
    }
    Ok(content)
}

/// Adds what the organisation knows about its machines and accounts.
pub fn entities(
    content: &mut Content,
    assets: &[PathBuf],
    identities: &[PathBuf],
) -> Result<(), Failure> {
    for path in assets {
        content
            .add_assets(&read("--assets", path)?)
            .map_err(|error| Failure::new(format!("--assets {}: {error}", path.display())))?;
    }
    for path in identities {
        content
            .add_identities(&read("--identities", path)?)
            .map_err(|error| Failure::new(format!("--identities {}: {error}", path.display())))?;
    }
    Ok(())
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::new(format!("{option} {}: {error}", path.display())))
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

/// Reads files of exceptions.
pub fn exceptions(paths: &[PathBuf]) -> Result<Vec<Exception>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        let failed =
            |error: String| Failure::new(format!("--exceptions {}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let parsed = crabwalk_detect::risk::parse_exceptions(&text).map_err(failed)?;
        all.extend(parsed.into_iter().map(|mut one| {
            one.file = Some(path.display().to_string());
            one
        }));
    }
    Ok(all)
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
            now: now(),
            ..RunOptions::default()
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
        if let Some(store) = self.store()? {
            bar.step("opening the store");
            store.limit_cache(usize::try_from(self.memory / 4).unwrap_or(usize::MAX));
            let snapshot = Arc::new(store.snapshot_within(&demand.window())?);
            return Ok(Opened {
                sources: snapshot.sources().to_vec(),
                inputs: originals(&store),
                #[cfg(feature = "cluster")]
                store: Some(Arc::clone(&snapshot)),
                catalog: snapshot,
            });
        }
        bar.step("reading");
        let limits = Limits {
            threads: self.threads,
            ..Limits::default()
        };
        let inputs = self.inputs();
        if self.is_beyond_memory(&inputs) {
            let temporary = Temporary::new(&std::env::temp_dir())?;
            interrupt::removes(temporary.folder().to_owned());
            let options = IngestOptions {
                threads: self.threads,
                memory: self.memory,
            };
            let (catalog, sources) = temporary.read(&inputs, demand, &options, bar)?;
            return Ok(Opened {
                catalog: Arc::new(catalog),
                sources,
                inputs,
                #[cfg(feature = "cluster")]
                store: None,
            });
        }
        let read = crabwalk_sources::read(&inputs, demand, &limits, bar);
        Ok(Opened {
            catalog: catalog(read.collected)?,
            sources: read.sources,
            inputs,
            #[cfg(feature = "cluster")]
            store: None,
        })
    }

    /// Whether what a hunt keeps of the logs may take more memory than it may use.
    fn is_beyond_memory(&self, inputs: &[Input]) -> bool {
        // Three quarters of a byte per byte of EVTX, all of a hunt included (BENCHMARKS.md).
        self.memory < u64::MAX && crabwalk_sources::size(inputs) / 4 * 3 > self.memory
    }

    /// The given store, if any.
    fn store(&self) -> Result<Option<Store>, Failure> {
        match self.paths.as_slice() {
            [path] => open_store(path),
            paths => match paths.iter().find(|path| Store::is_store(path)) {
                None => Ok(None),
                Some(store) => Err(Failure::new(format!(
                    "{} is a store and cannot be combined with other logs; add those to it with `crabwalk ingest PATH… --store {}`",
                    store.display(),
                    store.display()
                ))),
            },
        }
    }
}

/// Logs, read or ready to be read.
pub struct Opened {
    /// What they hold.
    pub catalog: Arc<dyn Catalog>,
    /// Where it was read.
    pub sources: Vec<SourceReport>,
    /// Where raw records can be read again.
    pub inputs: Vec<Input>,
    /// The catalog, if it is one of a store.
    #[cfg(feature = "cluster")]
    pub store: Option<Arc<crabwalk_store::StoreCatalog>>,
}

/// The store at a path, if it is one.
pub fn open_store(path: &Path) -> Result<Option<Store>, Failure> {
    if Store::is_store(path) {
        return Ok(Some(Store::open(path)?));
    }
    // A store of a later release must not be mistaken for a folder of logs.
    match Store::open(path) {
        Err(error @ StoreError::Form { .. }) => Err(error.into()),
        _ => Ok(None),
    }
}

/// The original files of a store, as far as they are still in place.
pub fn originals(store: &Store) -> Vec<Input> {
    let mut names: Vec<String> = store
        .whole_origins()
        .into_iter()
        .filter(FileOrigin::is_there)
        .map(|origin| origin.name)
        .collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| Input::Path(name.into()))
        .collect()
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

/// What was read, as a catalog.
pub fn catalog(collected: Collected) -> Result<Arc<dyn Catalog>, Failure> {
    match MemoryCatalog::new(collected) {
        Ok(catalog) => Ok(Arc::new(catalog)),
        Err(error) => Err(Failure::new(format!(
            "the events read are inconsistent: {error}"
        ))),
    }
}

/// Seconds since 1970-01-01 UTC.
fn now() -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds until the year 2255 fit the 53 bits exactly"
    )]
    let seconds = jiff::Timestamp::now().as_microsecond() as f64 / 1e6;
    seconds
}

/// Whether there was nothing to read, in which case the run failed. An existing file without readable content is a
/// result: the case says what is wrong with it.
pub fn nothing_was_read(sources: &[SourceReport]) -> bool {
    sources.iter().all(|source| {
        source.is_lossy() && source.records == 0 && !Path::new(&source.path).is_file()
    })
}
