//! How a run ends, and its messages on standard error.

use std::fmt;
use std::io::{self, Write};

use crate::term;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// All is well.
    Whole,
    /// Done, but part of the input could not be read.
    InPart,
    /// A check ran, and its answer is no.
    Wrong,
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// A message for the user.
    Message(String),
    /// An error with a position in a search, rendered by the engine; what it quotes came from the command line or from
    /// content.
    Drawn(String),
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

impl From<crabwalk_store::StoreError> for Failure {
    fn from(error: crabwalk_store::StoreError) -> Self {
        Self::Message(error.to_string())
    }
}

impl From<crabwalk_lab::LabError> for Failure {
    fn from(error: crabwalk_lab::LabError) -> Self {
        Self::Message(error.to_string())
    }
}

impl From<crabwalk_store::LogsError> for Failure {
    fn from(error: crabwalk_store::LogsError) -> Self {
        Self::Message(error.to_string())
    }
}

impl From<crabwalk_detect::ContentPathError> for Failure {
    fn from(error: crabwalk_detect::ContentPathError) -> Self {
        Self::Message(format!("--{} {error}", error.option))
    }
}

impl From<crabwalk_detect::RunError> for Failure {
    fn from(error: crabwalk_detect::RunError) -> Self {
        match error {
            crabwalk_detect::RunError::Search(error) => {
                Self::Drawn(error.render(term::stderr_colour()))
            }
            error => Self::Message(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) | Self::Drawn(message) => f.write_str(message),
            Self::Output(error) => write!(f, "output: {error}"),
        }
    }
}

/// Writes a message to standard error.
pub fn note(kind: &str, message: &str) {
    note_raw(&format!("{kind}: {}", term::safe_lines(message)));
}

/// Reports on standard error why a command failed.
pub fn tell(failure: &Failure) {
    match failure {
        Failure::Drawn(text) => note_raw(text),
        failure => note("error", &failure.to_string()),
    }
}

fn note_raw(message: &str) {
    // If standard error does not work, nobody can be told.
    let _ = writeln!(io::stderr(), "{message}");
}
