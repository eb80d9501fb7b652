//! Running searches where nothing is async.

use futures::future::{Either, select};
use tokio::runtime::{Builder, Runtime};

use crate::engine::{Results, Running};
use crate::search::SearchError;
use crate::stop::Stop;

/// Runs an engine's searches on the thread that asks. Nothing outside this crate needs to know how searches are
/// executed; a program that has a runtime of its own awaits [`Running`] instead.
#[derive(Debug)]
pub struct Driver(Runtime);

impl Driver {
    /// A driver for one thread.
    ///
    /// # Errors
    /// If the system provides no runtime.
    pub fn new() -> std::io::Result<Self> {
        Builder::new_current_thread().build().map(Self)
    }

    /// Waits for a search's results, unless it is stopped first: then there are none.
    ///
    /// # Errors
    /// As [`crate::Engine::run`].
    pub fn run_unless(
        &self,
        search: Running<'_>,
        stop: &Stop,
    ) -> Result<Option<Results>, SearchError> {
        let stopped = std::pin::pin!(stop.stopped());
        let _obeyed = stop.obeyed();
        match self.0.block_on(select(stopped, search)) {
            Either::Left(_) => Ok(None),
            Either::Right(_) if stop.is_stopped() => Ok(None),
            Either::Right((results, _)) => results.map(Some),
        }
    }

    /// Waits for a search's results.
    ///
    /// # Errors
    /// As [`crate::Engine::run`].
    pub fn run(&self, search: Running<'_>) -> Result<Results, SearchError> {
        self.0.block_on(search)
    }
}
