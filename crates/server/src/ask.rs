//! Searches over the stored events.

use std::sync::Arc;

use crabwalk_detect::{Query, RunError, RunOptions};
use crabwalk_events::Catalog;
use crabwalk_store::StoreError;
use serde_json::{Value, json};

use crate::shared::Server;

/// Maximum number of rows in an answer.
const MOST_ROWS: usize = 50_000;

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// An error in the search or its run.
    #[error("{0}")]
    Search(String),
    /// The events.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many run.
    #[error("too many searches are running; try again when one has finished")]
    Busy,
}

impl From<RunError> for AskError {
    fn from(error: RunError) -> Self {
        Self::Search(match error {
            RunError::Search(error) => error.render(false),
            error => error.to_string(),
        })
    }
}

/// Runs a search over all events received so far.
///
/// # Errors
/// Why it has no answer.
pub async fn ask(server: &Arc<Server>, search: String) -> Result<Value, AskError> {
    let Ok(permit) = Arc::clone(&server.searches).try_acquire_owned() else {
        return Err(AskError::Busy);
    };
    let kept = Arc::clone(&server.kept);
    let content = Arc::clone(&server.content);
    let work = move || {
        let _permit = permit;
        let query = Query::new(&[("search", &search)], content().map_err(AskError::Search)?)?;
        let catalog: Arc<dyn Catalog> = Arc::new(kept.snapshot()?);
        let options = RunOptions {
            threads: 1,
            now: jiff::Timestamp::now().as_microsecond() as f64 / 1e6,
            ..RunOptions::default()
        };
        let (answers, _) = query.run(&catalog, &options)?;
        let answer = answers.into_iter().next().unwrap_or_default();
        let total = answer.rows.len();
        let rows: Vec<Vec<Value>> = answer
            .rows
            .into_iter()
            .take(MOST_ROWS)
            .map(|row| {
                row.into_iter()
                    .map(|mut values| match values.len() {
                        0 => Value::Null,
                        1 => values.remove(0).into(),
                        _ => values.into(),
                    })
                    .collect()
            })
            .collect();
        let warnings: Vec<&str> = answer
            .warnings
            .iter()
            .map(|one| one.message.as_str())
            .collect();
        Ok(json!({"columns": answer.columns, "rows": rows, "total": total, "warnings": warnings}))
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| AskError::Search("the search ended early".to_owned()))?
}
