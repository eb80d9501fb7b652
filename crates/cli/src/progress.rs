//! Progress on standard error, only on a terminal.

use std::time::Duration;

use crabwalk_hunt::Step;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::term;

/// Shows the current step.
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar, or nothing if it is not wanted or standard error is not a terminal.
    pub fn new(quiet: bool) -> Self {
        let bar = if quiet {
            ProgressBar::hidden()
        } else {
            // This target draws nothing if standard error is not a terminal.
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8))
        };
        Self { bar }
    }

    /// Sets the current step.
    pub fn step(&self, what: &'static str) {
        if self.bar.is_hidden() {
            return;
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            self.bar.set_style(style);
        }
        self.bar.set_message(what);
        self.bar.enable_steady_tick(Duration::from_millis(250));
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl crabwalk_hunt::Progress for Bar {
    fn step(&self, step: Step) {
        Self::step(
            self,
            match step {
                Step::Detections => "running detections",
                Step::Movements => "following movements",
            },
        );
    }
}

impl crabwalk_sources::Progress for Bar {
    fn total(&self, bytes: u64) {
        if self.bar.is_hidden() || bytes == 0 {
            return;
        }
        let template = "{spinner} reading {bar:24} {bytes}/{total_bytes} {eta} {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_message("");
        self.bar.set_length(bytes);
    }

    fn advance(&self, bytes: u64, path: &str) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.inc(bytes);
        let name = path.rsplit('/').next().unwrap_or(path);
        self.bar.set_message(term::safe(name).into_owned());
    }
}
