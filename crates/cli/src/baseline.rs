//! `crabwalk baseline`.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crabwalk_detect::baseline::{ASSET_COLUMNS, Learned, learn};
use crabwalk_detect::{Baseline, Query};
use crabwalk_sources::report::SourceReport;

use crate::args::{self, Format};
use crate::input::{self, Logs};
use crate::outcome::{Done, Failure, note};
use crate::progress::Bar;
use crate::search;
use crate::term;

/// Whether a word refers to a baseline.
fn is_meant(one: &Baseline, word: &str) -> bool {
    let word = word.to_lowercase();
    let word = word.trim_matches('*');
    [&one.name, &one.id]
        .iter()
        .any(|own| own.to_lowercase().contains(word))
        || one
            .asset_category
            .as_ref()
            .is_some_and(|own| own.to_lowercase().contains(word))
}

/// Runs the command.
pub fn run(args: &args::Baseline) -> Result<Done, Failure> {
    let content = input::content(&args.known)?;
    for problem in &content.problems {
        note("warning", &problem.to_string());
    }
    let chosen: Vec<_> = content
        .baselines
        .iter()
        .filter(|one| is_meant(one, &args.name))
        .cloned()
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = content
            .baselines
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        let names = if names.is_empty() {
            "there are no baselines".to_owned()
        } else {
            format!("available: {}", names.join("; "))
        };
        return Err(Failure::new(format!(
            "no baseline is named `{}`; {names}",
            args.name
        )));
    }
    let bar = Bar::new(false);
    let known = content.knowledge.assets.clone();
    let searches: Vec<(&str, &str)> = chosen
        .iter()
        .map(|one| (one.name.as_str(), one.search.as_str()))
        .collect();
    let query = Query::new(&searches, Arc::new(content.knowledge))?;
    let logs = Logs::from(&args.logs);
    let read = logs.read(query.demand(), &bar)?;
    bar.step("searching");
    let (answers, lookups) = query.run(&read.catalog, &logs.run_options())?;
    bar.finish();
    search::source_notes(&read.sources);
    if crabwalk_sources::report::nothing_was_read(&read.sources) {
        return Err(Failure::new("nothing could be read"));
    }
    input::keep_lookups(&args.known, &lookups, false)?;
    for (baseline, answer) in chosen.iter().zip(&answers) {
        if args.format == Format::Table {
            note("baseline", &baseline.name);
        }
        search::print(answer, args.format, args.format != Format::Table)?;
    }
    if let Some(path) = &args.write_assets {
        let pairs: Vec<(&Baseline, &crabwalk_detect::query::Answer)> =
            chosen.iter().map(AsRef::as_ref).zip(&answers).collect();
        let learned = learn(&known, &pairs);
        for odd in &learned.odd {
            note("left out", &format!("`{odd}` is not a machine name"));
        }
        write(path, &learned)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        let what = term::count(learned.rows.len() as u64, "asset");
        note(
            "written",
            &format!(
                "{} with {what}; review it, then use `--assets {}`",
                path.display(),
                path.display()
            ),
        );
    }
    let lossy = read.sources.iter().any(SourceReport::is_lossy);
    Ok(if lossy { Done::InPart } else { Done::Whole })
}

fn write(path: &Path, learned: &Learned) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(ASSET_COLUMNS)?;
    for row in &learned.rows {
        writer.write_record(Learned::cells(row))?;
    }
    let text = writer
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))?;
    fs::write(path, text)
}
