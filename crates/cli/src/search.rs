//! `crabwalk search`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use crabwalk_case::Case;
use crabwalk_case::dossier::Asked;
use crabwalk_detect::Query;
use crabwalk_detect::query::Answer;
use crabwalk_detect::risk::{self, Attack};
use crabwalk_sources::report::SourceReport;

use crate::args::{self, Format};
use crate::input::{self, Logs};
use crate::outcome::{Done, Failure, note};
use crate::progress::Bar;
use crate::term::{self, Look};

/// Runs the command.
pub fn run(args: &args::Search) -> Result<Done, Failure> {
    let content = input::content(&args.known)?;
    let bar = Bar::new(args.quiet);
    for problem in &content.problems {
        note("warning", &problem.to_string());
    }
    let attack = content.attack.clone();
    let query = Query::new(&[("search", &args.search)], Arc::new(content.knowledge))?;
    if query.is_of_findings() {
        bar.finish();
        return of_findings(args, query, &attack);
    }
    let logs = Logs::from(&args.logs);
    let read = logs.read(query.demand(), &bar)?;
    #[cfg(feature = "cluster")]
    let (query, shared) = crate::cluster::shared(&args.cluster, query, &read)?;
    bar.step("searching");
    let (answers, lookups) = query.run(&read.catalog, &logs.run_options())?;
    bar.finish();
    #[cfg(feature = "cluster")]
    if let Some(shared) = shared
        && !args.quiet
    {
        crate::cluster::tell(&shared.ran());
    }
    input::keep_lookups(&args.known, &lookups, args.quiet)?;
    if crabwalk_sources::report::nothing_was_read(&read.sources) {
        source_notes(&read.sources);
        return Err(Failure::new("nothing could be read"));
    }
    if !args.quiet {
        source_notes(&read.sources);
    }
    show(args, &answers)?;
    let lossy = read.sources.iter().any(SourceReport::is_lossy);
    Ok(if lossy { Done::InPart } else { Done::Whole })
}

fn show(args: &args::Search, answers: &[Answer]) -> Result<(), Failure> {
    for answer in answers {
        if !args.quiet {
            for warning in &answer.warnings {
                note("warning", &warning.message);
                if let Some(help) = &warning.help {
                    note("  help", help);
                }
            }
        }
        print(answer, args.format, args.quiet)?;
    }
    Ok(())
}

/// A search over findings: of an earlier hunt, or in these logs.
fn of_findings(args: &args::Search, query: Query, attack: &Attack) -> Result<Done, Failure> {
    let logs = Logs::from(&args.logs);
    let (case, done) = match args.logs.paths.as_slice() {
        [path] if let Some(case) = earlier_case(path) => (case?, Done::Whole),
        _ => {
            let content = input::content(&args.known)?;
            let hunted = crate::hunt::hunt(
                content,
                &logs,
                logs.hunt_options(),
                &Asked::default(),
                args.quiet,
            )?;
            (hunted.case, hunted.done)
        }
    };
    let events = risk::events(case.risk_events(), attack)
        .map_err(|error| Failure::new(format!("the findings cannot be searched: {error}")))?;
    let (answers, lookups) = query.run(&crabwalk_store::in_memory(events)?, &logs.run_options())?;
    input::keep_lookups(&args.known, &lookups, args.quiet)?;
    show(args, &answers)?;
    Ok(done)
}

/// The case in a file; none if it contains something else.
pub(crate) fn earlier_case(path: &Path) -> Option<Result<Case, Failure>> {
    const START: &[u8] = b"\"schema\"";
    let mut start = [0; 256];
    let read = File::open(path)
        .and_then(|mut file| file.read(&mut start))
        .ok()?;
    let start = start.get(..read)?;
    let schema = start.windows(START.len()).position(|part| part == START)?;
    let text = String::from_utf8_lossy(start.get(schema..)?).into_owned();
    if !text.contains("crabwalk.case/") {
        return None;
    }
    let case = File::open(path)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
        .and_then(|file| {
            serde_json::from_reader(BufReader::new(file)).map_err(|error| {
                Failure::new(format!(
                    "{}: not a case file this version can read ({error})",
                    path.display()
                ))
            })
        });
    Some(case)
}

/// Names damaged sources on standard error.
pub fn source_notes(sources: &[SourceReport]) {
    const MOST: usize = 10;
    let damaged: Vec<_> = sources.iter().filter(|source| source.is_lossy()).collect();
    for source in damaged.iter().take(MOST) {
        let why = source
            .problems
            .iter()
            .find(|problem| problem.loss)
            .map_or("damaged", |problem| problem.message.as_str());
        note("warning", &format!("{}: {why}", source.path));
    }
    // Report what is not a loss but changes the results, such as records without a readable time.
    for source in sources
        .iter()
        .filter(|source| !source.is_lossy() && !source.problems.is_empty())
        .take(MOST)
    {
        for problem in &source.problems {
            note("warning", &format!("{}: {}", source.path, problem.message));
        }
    }
    if damaged.len() > MOST {
        note(
            "warning",
            &format!(
                "{} more with problems",
                term::count((damaged.len() - MOST) as u64, "file")
            ),
        );
    }
}

/// Prints results.
pub fn print(answer: &Answer, format: Format, quiet: bool) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let object = |row: &[Vec<String>]| {
        let mut object = serde_json::Map::new();
        for (column, values) in answer.columns.iter().zip(row) {
            let value = match values.as_slice() {
                [] => continue,
                [one] => one.as_str().into(),
                many => many.to_vec().into(),
            };
            object.insert(column.clone(), value);
        }
        serde_json::Value::Object(object)
    };
    match format {
        Format::Table => {
            let shown = |text: &str| term::safe(text).into_owned();
            let headers: Vec<String> = answer.columns.iter().map(|column| shown(column)).collect();
            let rows: Vec<Vec<String>> = answer
                .rows
                .iter()
                .map(|row| row.iter().map(|values| shown(&values.join(", "))).collect())
                .collect();
            let look = Look::stdout();
            if !headers.is_empty() {
                term::show(&term::table(&headers, &rows, &look))?;
            }
            if !quiet {
                note("found", &term::count(rows.len() as u64, "row"));
            }
        }
        Format::Json => {
            let all: Vec<serde_json::Value> = answer.rows.iter().map(|row| object(row)).collect();
            crabwalk_case::to_json(&all, &mut out)?;
        }
        Format::Jsonl => {
            for row in &answer.rows {
                crabwalk_case::to_json_line(&object(row), &mut out)?;
            }
        }
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(&mut out);
            let mut line = |cells: &mut dyn Iterator<Item = String>| -> io::Result<()> {
                for cell in cells {
                    writer.write_field(crabwalk_case::defuse(&cell).as_bytes())?;
                }
                writer.write_record(None::<&[u8]>)?;
                Ok(())
            };
            line(&mut answer.columns.iter().cloned())?;
            for row in &answer.rows {
                line(&mut row.iter().map(|values| values.join("\n")))?;
            }
            writer.flush()?;
        }
    }
    out.flush()?;
    Ok(())
}
