//! Runs a command, and turns what becomes of it into an exit status.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::args::{Args, Command};
use crate::term;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// All is well.
    Whole,
    /// Done, but part of the input could not be read.
    InPart,
    /// It was asked whether something is right, and it is not.
    Wrong,
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// To be told to the user.
    Message(String),
    /// Writing to standard output failed.
    Output(io::Error),
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<crabwalk_detect::hunt::HuntError> for Failure {
    fn from(error: crabwalk_detect::hunt::HuntError) -> Self {
        match error {
            crabwalk_detect::hunt::HuntError::Search(error) => {
                Self::Message(error.render(term::stderr_colour()))
            }
            error => Self::Message(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => f.write_str(message),
            Self::Output(error) => write!(f, "output: {error}"),
        }
    }
}

/// Runs a command.
pub fn run(args: Args) -> ExitCode {
    let result = match args.command {
        Command::Hunt(args) => crate::hunt::run(&args),
        Command::Dossier(args) => crate::dossier::run(&args),
        Command::Search(args) => crate::search::run(&args),
        Command::Content(args) => crate::content::run(&args),
        Command::Export(args) => crate::export::run(&args),
        Command::Baseline(args) => crate::baseline::run(&args),
        Command::Demo(args) => crate::demo::run(&args),
        Command::Lab(args) => crate::lab::run(&args),
    };
    match result {
        Ok(Done::Whole) => ExitCode::SUCCESS,
        Ok(Done::InPart) => ExitCode::from(3),
        Ok(Done::Wrong) => ExitCode::from(1),
        // Whoever read the output has enough of it (`… | head`).
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let text = failure.to_string();
            if text.starts_with("error") || text.starts_with('\u{1b}') {
                // An error with a place in a search, drawn by the engine; what it quotes came from the command line.
                note_raw(&text);
            } else {
                note("error", &text);
            }
            ExitCode::from(1)
        }
    }
}

/// Writes a message to standard error.
pub fn note(kind: &str, message: &str) {
    note_raw(&format!("{kind}: {}", term::safe_lines(message)));
}

fn note_raw(message: &str) {
    // Nobody can be told that standard error does not work.
    let _ = writeln!(io::stderr(), "{message}");
}
