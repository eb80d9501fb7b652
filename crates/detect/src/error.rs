//! Errors that prevent a hunt.

use crabwalk_events::CatalogError;
use crabwalk_spl::SearchError;

/// Why a hunt cannot run at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No detection has this name.
    #[error("no detection is named `{name}`; `crabwalk content list` shows the names{}", did_you_mean(.similar))]
    NoSuchDetection {
        /// What was asked for.
        name: String,
        /// A name like it.
        similar: Option<String>,
    },
    /// No story has this name.
    #[error("no detection belongs to a story named `{name}`{}", did_you_mean(.similar))]
    NoSuchStory {
        /// What was asked for.
        name: String,
        /// A name like it.
        similar: Option<String>,
    },
    /// There is no detection to run.
    #[error("no detections to run: add content with `--content DIR`, or drop `--no-builtin`")]
    NoDetections,
    /// Events cannot be read from the catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Risk events cannot be built from findings.
    #[error("the risk of the findings cannot be added up: {0}")]
    Risk(#[from] datafusion::arrow::error::ArrowError),
    /// The rows of a user's search do not make a table.
    #[error("the rows make no table: {0}")]
    Table(datafusion::arrow::error::ArrowError),
    /// The engine could not be set up, or a user's search failed.
    #[error("{0}")]
    Search(#[from] SearchError),
    /// It was stopped ([`RunOptions::stop`](crate::RunOptions::stop)).
    #[error("stopped before it was done")]
    Stopped,
    /// The system provides no thread or runtime.
    #[error("no thread could be started: {0}")]
    Thread(#[from] std::io::Error),
}

fn did_you_mean(similar: &Option<String>) -> String {
    similar
        .as_ref()
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}
