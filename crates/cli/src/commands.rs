//! Runs a command, and converts its result to an exit status.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::args::{Args, Command};
use crate::outcome::{Done, Failure, tell};

/// What to do for a first hunt, for those who typed `crabwalk hunt` and no more.
const FIRST_HUNT: &str = "\
`crabwalk hunt` needs logs: files, folders, archives, or a store.

  crabwalk hunt evidence/                     all logs below a folder: EVTX, exports, Zeek, archives
  crabwalk hunt evidence/ --out case          the same, and a report for the browser in case/
  zcat export.json.gz | crabwalk hunt -       logs from standard input
  crabwalk demo                               no logs at hand: made-up ones, with an intrusion

`crabwalk hunt --help` lists all options.";

/// Says how to begin. Exit status: that of wrong usage.
pub fn first_hunt() -> ExitCode {
    // If standard error does not work, nobody can be told.
    let _ = writeln!(io::stderr(), "{FIRST_HUNT}");
    ExitCode::from(2)
}

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
        Command::Doctor(args) => crate::doctor::run(&args),
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
