//! Stopping a search from outside.
//!
//! A search runs on the thread that asks for it, and looks up only when a plan lets go of it: for a plan that computes
//! much of few batches that is at its end. So functions look as well, once for each batch.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::error::DataFusionError;
use tokio::sync::Notify;

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

    pub(crate) async fn stopped(&self) {
        loop {
            // Registered before the look, so that a stop between the two is not missed.
            let notified = self.0.1.notified();
            if self.is_stopped() {
                return;
            }
            notified.await;
        }
    }

    /// Makes the functions of this thread's search fail once it is stopped, until the answer is dropped.
    pub(crate) fn obeyed(&self) -> Obeyed {
        Obeyed(STOP.replace(Some(self.clone())))
    }
}

thread_local! {
    static STOP: RefCell<Option<Stop>> = const { RefCell::new(None) };
}

/// While it lives, the functions that its thread computes obey a [`Stop`].
pub(crate) struct Obeyed(Option<Stop>);

impl Drop for Obeyed {
    fn drop(&mut self) {
        STOP.set(self.0.take());
    }
}

/// Fails if this thread's search was stopped.
pub(crate) fn go_on() -> Result<(), DataFusionError> {
    if STOP.with_borrow(|stop| stop.as_ref().is_some_and(Stop::is_stopped)) {
        return Err(DataFusionError::Execution(
            "the search was stopped".to_owned(),
        ));
    }
    Ok(())
}
