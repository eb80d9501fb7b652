//! `crabwalk baseline`.

use crate::args;
use crate::commands::{Done, Failure};

/// Runs the command.
pub fn run(args: &args::Baseline) -> Result<Done, Failure> {
    let _ = args;
    Err(Failure::new("not there yet"))
}
