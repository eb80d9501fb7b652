//! Work on a thread of its own: Python's lock is free meanwhile, progress is reported, and Ctrl-C stops it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crabwalk_detect::Stop;
use pyo3::prelude::*;

use crate::errors::Failure;

/// How often the calling thread looks for Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);
/// How often progress is reported.
const REPORT: Duration = Duration::from_millis(200);
/// Stack of the thread: Python's own threads differ too much.
const STACK: usize = 16 << 20;

/// What is being done, shared between the working thread and Python's.
#[derive(Clone, Default)]
pub struct Watch {
    /// Stops the work.
    pub stop: Stop,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Default)]
struct State {
    step: &'static str,
    /// Bytes of the input on disk, while it is read.
    done: u64,
    total: u64,
    path: String,
}

impl Watch {
    fn state(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The next step begins.
    pub fn step(&self, step: &'static str) {
        self.state(|state| {
            *state = State {
                step,
                ..State::default()
            };
        });
    }

    fn report(&self, callback: &Bound<'_, PyAny>, began: Instant) -> PyResult<()> {
        let State {
            step,
            done,
            total,
            path,
        } = self
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let seconds = began.elapsed().as_secs_f64();
        callback.call1((step, done, total, path, seconds))?;
        Ok(())
    }
}

impl crabwalk_sources::Progress for Watch {
    fn total(&self, bytes: u64) {
        self.state(|state| state.total = bytes);
    }

    fn advance(&self, bytes: u64, path: &str) {
        self.state(|state| {
            state.done = state.done.saturating_add(bytes).min(state.total);
            if state.path != path {
                path.clone_into(&mut state.path);
            }
        });
    }

    fn is_stopped(&self) -> bool {
        self.stop.is_stopped()
    }
}

impl crabwalk_hunt::Progress for Watch {
    fn step(&self, step: crabwalk_hunt::Step) {
        Self::step(
            self,
            match step {
                crabwalk_hunt::Step::Detections => "running detections",
                crabwalk_hunt::Step::Movements => "following movements",
            },
        );
    }
}

/// Does work on a thread and waits for it. `progress` is called with the step, bytes done and in all, the current path,
/// and the seconds since the beginning.
///
/// # Errors
/// Those of the work; `KeyboardInterrupt`, and what `progress` raises: then the work is stopped, and ends soon.
pub fn run<T: Send + 'static>(
    py: Python<'_>,
    watch: &Watch,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> PyResult<T> {
    let (tell, hear) = sync_channel(1);
    let worker = move || {
        let done = catch_unwind(AssertUnwindSafe(work));
        // Nobody hears it after Ctrl-C.
        let _ = tell.send(done.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))));
    };
    thread::Builder::new()
        .name("crabwalk".to_owned())
        .stack_size(STACK)
        .spawn(worker)?;
    let began = Instant::now();
    let mut reported = None::<Instant>;
    let hear = Mutex::new(hear);
    loop {
        let heard = py.detach(|| {
            let hear = hear.lock().unwrap_or_else(PoisonError::into_inner);
            hear.recv_timeout(LOOK)
        });
        match heard {
            Ok(done) => return done.map_err(|failure| failure.raise(py)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Other("the work ended early".to_owned()).raise(py));
            }
        }
        let mut looked = py.check_signals();
        if looked.is_ok()
            && let Some(progress) = progress
            && reported.is_none_or(|last| last.elapsed() >= REPORT)
        {
            reported = Some(Instant::now());
            looked = watch.report(progress, began);
        }
        if let Err(error) = looked {
            watch.stop.stop();
            return Err(error);
        }
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    Failure::Other(format!(
        "internal error, please report it: {}",
        text.unwrap_or("no message")
    ))
}
