//! Running searches where nothing is async.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::{Either, select};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use crate::engine::{Results, Running};
use crate::search::SearchError;

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
        match self.0.block_on(select(stopped, search)) {
            Either::Left(_) => Ok(None),
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

/// Stops searches from another thread. Copies stop the same searches.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<(AtomicBool, Notify)>);

impl Stop {
    /// Stops what runs with it now and later.
    pub fn stop(&self) {
        self.0.0.store(true, Ordering::Release);
        self.0.1.notify_waiters();
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.0.0.load(Ordering::Acquire)
    }

    async fn stopped(&self) {
        loop {
            // Registered before the look, so that a stop between the two is not missed.
            let notified = self.0.1.notified();
            if self.is_stopped() {
                return;
            }
            notified.await;
        }
    }
}
