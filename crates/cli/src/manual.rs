//! `crabwalk completions` and `crabwalk man`: both are made from the definition of the command line, so they never lag
//! behind it.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::args::Args;
use crate::outcome::{Done, Failure};

/// Prints the completions for a shell.
pub fn completions(shell: Shell) -> Result<Done, Failure> {
    // The generator has no way to report a closed pipe.
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "crabwalk", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Done::Whole)
}

/// Writes `crabwalk.1`, and `crabwalk-<command>.1` for each command and its commands.
pub fn pages(directory: &Path) -> Result<Done, Failure> {
    let program = Args::command().disable_help_subcommand(true);
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(program, directory))
        .map_err(|error| Failure::new(format!("{}: {error}", directory.display())))?;
    Ok(Done::Whole)
}
