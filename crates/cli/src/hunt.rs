//! `crabwalk hunt`.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crabwalk_case::dossier::Asked;
use crabwalk_case::{Case, Input, Tool, WITHOUT_FRONT_END};
use crabwalk_detect::Content;
use crabwalk_detect::lookups::Lookups;
use crabwalk_events::Catalog;
use crabwalk_hunt::{Hunt, HuntOptions};
use crabwalk_sources::Input as LogInput;
use crabwalk_sources::report::{nothing_was_read, why_nothing};
use crabwalk_store::Logs as Opened;

use crate::args::{self, Format};
use crate::explain::explain;
use crate::input::{self, Logs};
use crate::outcome::{Done, Failure, note};
use crate::progress::Bar;
use crate::summary::{self, Summary};
use crate::term::{self, Look};

/// A hunt, and its result.
pub struct Hunted {
    pub case: Case,
    /// What was read from the logs.
    pub catalog: Arc<dyn Catalog>,
    pub done: Done,
    /// Where raw records can be read again.
    pub inputs: Vec<LogInput>,
    /// Lookups written by detections.
    pub lookups: Lookups,
}

/// Reads logs, hunts in them, and builds the case.
pub fn hunt(
    content: Content,
    logs: &Logs,
    options: HuntOptions,
    asked: &Asked,
    quiet: bool,
) -> Result<Hunted, Failure> {
    let began = Instant::now();
    let bar = Bar::new(quiet);
    let hunt = Hunt::prepare(content, options)?;
    let Opened {
        catalog,
        sources,
        inputs,
        ..
    } = logs.open(&hunt.demand(), &bar)?;
    let conclusion = hunt.run(&catalog, &bar)?;
    bar.step("writing the case");
    let input = Input {
        tool: Tool {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
        },
        created: jiff::Timestamp::now().as_microsecond(),
        seconds: began.elapsed().as_secs_f64(),
        sources: &sources,
        conclusion: &conclusion,
        catalog: catalog.as_ref(),
    };
    let mut case = Case::new(&input, asked).map_err(|error| Failure::new(error.to_string()))?;
    case.stats.seconds = began.elapsed().as_secs_f64();
    bar.finish();
    let outcome = conclusion.outcome;
    if nothing_was_read(&sources) {
        return Err(Failure::new(why_nothing(&sources, &logs.paths)));
    }
    let in_part = sources
        .iter()
        .any(crabwalk_sources::report::SourceReport::is_lossy)
        || outcome.problems.iter().any(|problem| problem.fatal);
    Ok(Hunted {
        case,
        catalog,
        done: if in_part { Done::InPart } else { Done::Whole },
        inputs,
        lookups: outcome.lookups,
    })
}

/// Writes the files of a case into a directory, and returns their paths. The logs are read a second time for the raw
/// records of the evidence.
pub fn write(
    case: &mut Case,
    inputs: &[LogInput],
    threads: usize,
    catalog: &dyn Catalog,
    directory: &Path,
    quiet: bool,
) -> Result<Vec<PathBuf>, Failure> {
    if crabwalk_case::front_end().is_none() {
        note("note", WITHOUT_FRONT_END);
    }
    let bar = Bar::new(quiet);
    bar.step("writing the case, reading raw records for the report");
    let written = crabwalk_case::write_with_records(case, inputs, threads, catalog, directory)
        .map_err(|error| Failure::new(error.to_string()))?;
    bar.finish();
    Ok(written)
}

/// Prints a case.
pub fn print(case: &Case, format: Format, options: &Summary<'_>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    match format {
        Format::Table => out.write_all(summary::render(case, options).as_bytes())?,
        Format::Json => crabwalk_case::to_json(case, &mut out)?,
        Format::Jsonl => {
            for finding in &case.findings {
                crabwalk_case::to_json_line(finding, &mut out)?;
            }
        }
        Format::Csv => crabwalk_case::findings_csv(case, &mut out)?,
    }
    out.flush()?;
    Ok(())
}

/// Prints to standard error what the summary for people would print to standard output.
fn notes(case: &Case) {
    const MOST: usize = 5;
    let damaged: Vec<_> = case
        .sources
        .iter()
        .filter(|source| source.is_lossy())
        .collect();
    for source in damaged.iter().take(MOST) {
        let why = source
            .problems
            .iter()
            .find(|problem| problem.loss)
            .map_or("damaged", |problem| problem.message.as_str());
        note("warning", &format!("{}: {why}", source.path));
    }
    if damaged.len() > MOST {
        note(
            "warning",
            &format!(
                "{} more with problems, see `sources` in the case",
                term::count((damaged.len() - MOST) as u64, "file")
            ),
        );
    }
    for problem in case.content_problems.iter().take(MOST) {
        note("warning", &summary::content_problem(problem));
    }
    if case.content_problems.len() > MOST {
        let more = (case.content_problems.len() - MOST) as u64;
        note(
            "warning",
            &format!(
                "{} more with content; `crabwalk content check` lists them",
                term::count(more, "problem")
            ),
        );
    }
}

/// Runs the command.
pub fn run(args: &args::Hunt) -> Result<Done, Failure> {
    let content = input::content(&args.known)?;
    let logs = Logs::from(&args.logs);
    let mut options = logs.hunt_options();
    options.detections.detections.clone_from(&args.detection);
    options.detections.stories.clone_from(&args.story);
    options.detections.exceptions = crabwalk_detect::read_exceptions(&args.exceptions)?;
    options.budget = crabwalk_movement::Budget(args.budget);
    let Hunted {
        mut case,
        catalog,
        done,
        inputs,
        lookups,
    } = hunt(
        content,
        &logs,
        options,
        &Asked {
            hosts: args.host.iter().cloned().collect(),
            accounts: args.account.iter().cloned().collect(),
        },
        args.quiet,
    )?;
    input::keep_lookups(&args.known, &lookups, args.quiet)?;
    if args.host.is_some() || args.account.is_some() {
        case.narrow(args.host.as_deref(), args.account.as_deref());
    }
    let written = match &args.out {
        Some(directory) => write(
            &mut case,
            &inputs,
            logs.threads,
            catalog.as_ref(),
            directory,
            args.quiet,
        )?,
        None => Vec::new(),
    };
    if args.format != Format::Table && !args.quiet {
        notes(&case);
    }
    let options = Summary {
        look: Look::stdout(),
        quiet: args.quiet,
        verbose: args.verbose,
        written: &written,
        assets_given: !args.known.assets.is_empty(),
    };
    match &args.explain {
        Some(id) => {
            let text = explain(&case, id, &options.look)?;
            term::show(&text)?;
        }
        None => print(&case, args.format, &options)?,
    }
    Ok(done)
}
