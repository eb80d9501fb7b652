//! Progress on standard error, only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows what is being done.
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar, or nothing where it is not wanted or standard error is no terminal.
    pub fn new(quiet: bool) -> Self {
        let bar = if quiet {
            ProgressBar::hidden()
        } else {
            // `ProgressDrawTarget::stderr` draws nothing where standard error is no terminal.
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8))
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {bytes} {elapsed}") {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// Says what is being done from now on.
    pub fn step(&self, what: &'static str) {
        self.bar.set_message(what);
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl crabwalk_sources::Progress for Bar {}
