//! `crabwalk hunt`.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crabwalk_case::dossier::Asked;
use crabwalk_case::{Case, Input, Report, Tool, WITHOUT_FRONT_END, WriteError};
use crabwalk_detect::store::Lookups;
use crabwalk_detect::{
    Content, DetectionType, Exception, Finding, Hunt, HuntOptions, RiskObjectKind,
};
use crabwalk_events::Catalog;
use crabwalk_movement::{Budget, Found};

use crate::args::{self, Format, Logs};
use crate::input;
use crate::outcome::{Done, Failure, note};
use crate::progress::Bar;
use crate::summary::{self, Summary};
use crate::term::{self, Look};

/// A hunt, and how it ended.
pub struct Hunted {
    pub case: Case,
    /// What was read of the logs.
    pub catalog: Arc<Catalog>,
    pub done: Done,
    /// Lookups that detections have written.
    pub lookups: Lookups,
}

/// Reads logs and runs detections over them.
pub fn hunt(
    content: Content,
    logs: &Logs,
    detections: &[String],
    stories: &[String],
    exceptions: Vec<Exception>,
    asked: &Asked,
    quiet: bool,
) -> Result<Hunted, Failure> {
    let began = Instant::now();
    let bar = Bar::new(quiet);
    let options = HuntOptions {
        detections: detections.to_vec(),
        stories: stories.to_vec(),
        exceptions,
        ..input::options(logs)
    };
    let hunt = Hunt::new(content, options)?;
    let movement = crabwalk_movement::Both(hunt.demand(), crabwalk_movement::demand());
    let demand = crabwalk_movement::Both(&movement, crabwalk_case::dossier::demand());
    let read = input::read(logs, &demand, &bar);
    bar.step("running detections");
    let outcome = hunt.run(read.collected)?;
    bar.step("following movements");
    let findings: Vec<Found<'_>> = outcome.findings.iter().map(found).collect();
    let movement = crabwalk_movement::analyse(
        &outcome.catalog,
        &findings,
        &outcome.knowledge.assets,
        Budget::default(),
    );
    let mut case = Case::new(&Input {
        tool: Tool {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
        },
        created: jiff::Timestamp::now().as_microsecond(),
        seconds: began.elapsed().as_secs_f64(),
        sources: &read.sources,
        outcome: &outcome,
        movement: &movement,
    });
    bar.step("writing dossiers");
    case.add_dossiers(&outcome.catalog, asked);
    case.stats.seconds = began.elapsed().as_secs_f64();
    bar.finish();
    if input::nothing_was_read(&read.sources) {
        return Err(Failure::new(nothing(&case, &logs.paths)));
    }
    let in_part = read
        .sources
        .iter()
        .any(crabwalk_sources::report::SourceReport::is_lossy)
        || outcome.problems.iter().any(|problem| problem.fatal);
    Ok(Hunted {
        case,
        catalog: outcome.catalog,
        done: if in_part { Done::InPart } else { Done::Whole },
        lookups: outcome.lookups,
    })
}

/// What movement asks of a finding.
fn found(finding: &Finding) -> Found<'_> {
    /// Fields of CIM and of Windows that name who, and from where to where.
    const ACCOUNTS: [&str; 4] = ["user", "src_user", "TargetUserName", "SubjectUserName"];
    const HOSTS: [&str; 7] = [
        "dest",
        "src",
        "dest_host",
        "src_host",
        "dest_ip",
        "src_ip",
        "host",
    ];
    let values = |names: &[&str]| -> Vec<&str> {
        names
            .iter()
            .flat_map(|name| finding.values(name))
            .map(String::as_str)
            .filter(|name| !name.is_empty())
            .collect()
    };
    let objects = |wanted: RiskObjectKind| {
        finding
            .risk_objects
            .iter()
            .filter(move |object| object.kind == wanted)
            .map(|object| object.value.as_str())
    };
    let mut accounts = values(&ACCOUNTS);
    accounts.extend(objects(RiskObjectKind::User));
    let mut hosts = values(&HOSTS);
    hosts.extend(objects(RiskObjectKind::System));
    Found {
        rule: &finding.detection.name,
        claims: finding.suppressed.is_none() && finding.detection.kind == DetectionType::Ttp,
        events: &finding.events,
        accounts,
        hosts,
    }
}

/// Why nothing could be read.
fn nothing(case: &Case, paths: &[PathBuf]) -> String {
    let mut reasons: Vec<String> = case
        .sources
        .iter()
        .take(5)
        .map(|source| {
            let why = source
                .problems
                .first()
                .map_or("nothing in it could be read", |problem| {
                    problem.message.as_str()
                });
            format!("{}: {why}", source.path)
        })
        .collect();
    match (reasons.len(), paths) {
        (0, [one]) => format!("{}: no file in it", one.display()),
        (0, _) => "no file in any of the paths".to_owned(),
        (1, _) => reasons.remove(0),
        _ => {
            let more = case.sources.len() - reasons.len();
            if more > 0 {
                reasons.push(format!("and {more} more"));
            }
            format!("nothing could be read:\n  {}", reasons.join("\n  "))
        }
    }
}

/// Writes the files of a case into a directory, and answers which. The logs are read a second time for the raw records of
/// what was found.
pub fn write(
    case: &mut Case,
    logs: &Logs,
    catalog: &Catalog,
    directory: &Path,
    quiet: bool,
) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: WriteError| Failure::new(error.to_string());
    if crabwalk_case::front_end().is_none() {
        note("note", WITHOUT_FRONT_END);
        return crabwalk_case::write_to(case, None, directory).map_err(failed);
    }
    let bar = Bar::new(quiet);
    bar.step("writing the case, reading raw records for the report");
    let in_report = |error: io::Error| Failure::new(format!("report.html: {error}"));
    let mut report = Report::new(case).map_err(in_report)?;
    let case = &*case;
    let (read, written) = std::thread::scope(|scope| {
        let others = scope.spawn(|| crabwalk_case::write_to(case, None, directory));
        let inputs = input::inputs(logs);
        let read = report.read_records(case, &inputs, input::threads(logs), Some(catalog));
        (read, others.join())
    });
    let mut written = written
        .map_err(|_| Failure::new(format!("{}: the case was not written", directory.display())))?
        .map_err(failed)?;
    read.map_err(in_report)?;
    let path = directory.join("report.html");
    crabwalk_case::write_file(&path, &|out| report.write(out)).map_err(failed)?;
    written.push(path);
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

/// Says on standard error what the summary for people would say on standard output.
fn notes(case: &Case) {
    const MOST: usize = 5;
    let damaged: Vec<_> = case
        .sources
        .iter()
        .filter(|source| {
            source.skipped > 0
                || source.more_problems > 0
                || source.problems.iter().any(|one| one.loss)
        })
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
    let Hunted {
        mut case,
        catalog,
        done,
        lookups,
    } = hunt(
        content,
        &args.logs,
        &args.detection,
        &args.story,
        input::exceptions(&args.exceptions)?,
        &Asked {
            hosts: args.host.iter().cloned().collect(),
            accounts: args.account.iter().cloned().collect(),
        },
        args.quiet,
    )?;
    input::keep_lookups(&args.known, &lookups, args.quiet)?;
    if args.host.is_some() || args.account.is_some() {
        crate::paths::narrow(&mut case, args.host.as_deref(), args.account.as_deref());
    }
    let written = match &args.out {
        Some(directory) => write(&mut case, &args.logs, &catalog, directory, args.quiet)?,
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
    print(&case, args.format, &options)?;
    Ok(done)
}
