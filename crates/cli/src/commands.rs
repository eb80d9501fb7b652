//! Runs a command, and converts its result to an exit status.

use std::io;
use std::process::ExitCode;

use crate::args::{Args, Command};
use crate::outcome::{Done, Failure, tell};

/// Runs a command.
pub fn run(args: Args) -> ExitCode {
    let result = match args.command {
        Command::Hunt(args) => crate::hunt::run(&args),
        Command::Dossier(args) => crate::dossier::run(&args),
        Command::Search(args) => crate::search::run(&args),
        Command::Ingest(args) => crate::ingest::run(&args),
        Command::Store(args) => crate::store::run(&args),
        Command::Content(args) => crate::content::run(&args),
        Command::Explain(args) => crate::explain::run(&args),
        Command::Export(args) => crate::export::run(&args),
        Command::Ui(args) => crate::ui::run(&args),
        Command::Mcp(args) => crate::mcp::run(&args),
        Command::Baseline(args) => crate::baseline::run(&args),
        Command::Demo(args) => crate::demo::run(&args),
        Command::Lab(args) => crate::lab::run(&args),
        Command::Completions { shell } => crate::manual::completions(shell),
        Command::Man { directory } => crate::manual::pages(&directory),
        Command::Serve(args) => crate::serve::run(&args),
        #[cfg(feature = "cluster")]
        Command::Worker(args) => crate::cluster::work(&args),
    };
    match result {
        Ok(Done::Whole) => ExitCode::SUCCESS,
        Ok(Done::InPart) => ExitCode::from(3),
        Ok(Done::Wrong) => ExitCode::from(1),
        // The reader of the output has had enough (`… | head`).
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            tell(&failure);
            ExitCode::from(1)
        }
    }
}
