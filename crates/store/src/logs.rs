//! Logs wherever they lie: files and folders, or a store, as one catalog.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crabwalk_events::{Catalog, MemoryCatalog};
use crabwalk_sources::collect::{Collected, Demand};
use crabwalk_sources::report::SourceReport;
use crabwalk_sources::{Input, Limits, Progress};

use crate::error::StoreError;
use crate::ingest::IngestOptions;
use crate::objects;
use crate::snapshot::StoreCatalog;
use crate::store::Store;
use crate::temporary::Temporary;

/// Logs, read or ready to be read.
pub struct Logs {
    /// What they hold.
    pub catalog: Arc<dyn Catalog>,
    /// Where it was read.
    pub sources: Vec<SourceReport>,
    /// Where raw records can be read again.
    pub inputs: Vec<Input>,
    /// The catalog, if it is one of a store.
    pub store: Option<Arc<StoreCatalog>>,
}

/// Logs cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// A store cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A store is among other logs.
    #[error("{} is a store and cannot be combined with other logs; add those to it with `crabwalk ingest PATH… --store {}`", .0.display(), .0.display())]
    Mixed(PathBuf),
    /// What was read does not fit together.
    #[error("the events read are inconsistent: {0}")]
    Inconsistent(String),
}

impl Logs {
    /// Reads what is needed of files and folders. What would take more memory than it may goes into a [`Temporary`] store;
    /// `temporary` is told its folder first. A store, which must be the only input, is only opened: it is read on demand,
    /// within the demand's span of time.
    ///
    /// What cannot be read of the files is reported in [`sources`](Self::sources).
    ///
    /// # Errors
    /// If there is a store and it is damaged, has another format, or is not alone; or if the temporary one cannot be
    /// written.
    pub fn open(
        inputs: Vec<Input>,
        demand: &dyn Demand,
        options: &IngestOptions,
        progress: &dyn Progress,
        temporary: &dyn Fn(&Path),
    ) -> Result<Self, LogsError> {
        if let Some(store) = the_store(&inputs)? {
            store.limit_cache(usize::try_from(options.memory / 4).unwrap_or(usize::MAX));
            let snapshot = Arc::new(store.snapshot_within(&demand.window())?);
            snapshot.read_ahead(demand);
            return Ok(Self {
                sources: snapshot.sources().to_vec(),
                inputs: store.originals(),
                store: Some(Arc::clone(&snapshot)),
                catalog: snapshot,
            });
        }
        if is_beyond(options.memory, &inputs) {
            let store = Temporary::new(&std::env::temp_dir())?;
            temporary(store.folder());
            let (catalog, sources) = store.read(&inputs, demand, options, progress)?;
            return Ok(Self {
                catalog: Arc::new(catalog),
                sources,
                inputs,
                store: None,
            });
        }
        let limits = Limits {
            threads: options.threads,
            ..Limits::default()
        };
        let read = crabwalk_sources::read(&inputs, demand, &limits, progress);
        Ok(Self {
            catalog: in_memory(read.collected)?,
            sources: read.sources,
            inputs,
            store: None,
        })
    }
}

/// Whether what a hunt keeps of the logs may take more memory than it may use.
fn is_beyond(memory: u64, inputs: &[Input]) -> bool {
    // Three quarters of a byte per byte of EVTX, all of a hunt included (BENCHMARKS.md).
    crabwalk_sources::are_larger(inputs, (memory / 3).saturating_mul(4))
}

/// What was read, as a catalog.
///
/// # Errors
/// If its tables do not fit together.
pub fn in_memory(collected: Collected) -> Result<Arc<dyn Catalog>, LogsError> {
    match MemoryCatalog::new(collected) {
        Ok(catalog) => Ok(Arc::new(catalog)),
        Err(error) => Err(LogsError::Inconsistent(error.to_string())),
    }
}

/// The given store, if any.
fn the_store(inputs: &[Input]) -> Result<Option<Store>, LogsError> {
    if let [Input::Path(path)] = inputs {
        return Ok(Store::find(path)?);
    }
    let mut paths = inputs.iter().filter_map(|input| match input {
        Input::Path(path) => Some(path),
        Input::Stdin => None,
    });
    match paths.find(|path| Store::is_store(path)) {
        None => Ok(None),
        Some(store) => Err(LogsError::Mixed(store.clone())),
    }
}

impl Store {
    /// The store at a path, if there is one.
    ///
    /// # Errors
    /// If it is damaged or, so that it is not mistaken for a folder of logs, of a later release.
    pub fn find(path: &Path) -> Result<Option<Self>, StoreError> {
        match Self::open(path) {
            Ok(store) => Ok(Some(store)),
            // There can be nothing else.
            Err(error) if objects::is_remote(path) => Err(error),
            Err(StoreError::NoStore(_)) => Ok(None),
            Err(error) if Self::is_store(path) => Err(error),
            Err(error @ StoreError::Form { .. }) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// The original files of the store's events, as far as they are still in place.
    pub fn originals(&self) -> Vec<Input> {
        let origins = self.whole_origins().into_iter();
        let mut names: Vec<String> = origins
            .filter(|origin| origin.is_there())
            .map(|origin| origin.name)
            .collect();
        names.sort();
        names.dedup();
        let paths = names.into_iter().map(PathBuf::from);
        paths.map(Input::Path).collect()
    }
}
