//! `crabwalk ingest`: logs into a store.

use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use crabwalk_sources::report::SourceReport;
use crabwalk_store::{GRACE, IngestOptions, Store, ingest};

use crate::args;
use crate::input::Logs;
use crate::outcome::{Done, Failure};
use crate::progress::Bar;
use crate::search::source_notes;
use crate::term::{self, Look};

/// Commits of one ingest after which its small files are merged.
const MANY_COMMITS: u64 = 4;

/// Runs the command.
pub fn run(args: &args::Ingest) -> Result<Done, Failure> {
    let began = Instant::now();
    let logs = Logs::of(args.paths.clone());
    let options = IngestOptions {
        threads: args.threads.map_or(logs.threads, usize::from),
        memory: args.memory.bytes(),
    };
    let bar = Bar::new(args.quiet);
    let store = Store::open_or_create(&args.store)?;
    store.remove_old(GRACE)?;
    let taken = ingest(&store, &logs.inputs(), &options, &bar)?;
    if taken.commits >= MANY_COMMITS {
        bar.step("merging small files");
        store.compact()?;
    }
    bar.finish();
    source_notes(&taken.sources);
    if taken.known_files == 0 && crabwalk_sources::report::nothing_was_read(&taken.sources) {
        return Err(Failure::new(if taken.sources.is_empty() {
            "no files in any of the paths"
        } else {
            "nothing could be read"
        }));
    }
    if !args.quiet {
        let damaged = taken.sources.iter().filter(|one| one.is_lossy()).count();
        let skipped: u64 = taken.sources.iter().map(|source| source.skipped).sum();
        let mut lines = vec![(
            "taken",
            format!(
                "{} from {} ({}) in {}",
                term::count(taken.events, "event"),
                term::count(taken.files, "file"),
                term::bytes(taken.bytes),
                term::duration(began.elapsed().as_secs_f64())
            ),
        )];
        if taken.duplicates > 0 {
            lines.push((
                "left out",
                counted(taken.duplicates, "copy of events", "copies of events"),
            ));
        }
        if taken.known_files > 0 {
            let what = term::count(taken.known_files, "file");
            lines.push(("known", format!("{what} already in the store")));
        }
        if damaged > 0 {
            lines.push((
                "unreadable",
                format!(
                    "part of {}, {} known to be lost",
                    term::count(damaged as u64, "source"),
                    term::count(skipped, "record")
                ),
            ));
        }
        lines.push(("store", size(&store, &args.store)));
        print(&lines)?;
    }
    let lossy = taken.sources.iter().any(SourceReport::is_lossy);
    Ok(if lossy { Done::InPart } else { Done::Whole })
}

fn counted(number: u64, one: &str, many: &str) -> String {
    term::counted(number, one, many)
}

/// How large a store is.
pub fn size(store: &Store, path: &Path) -> String {
    let size = store.size();
    format!(
        "{}: {} in {}, {}",
        path.display(),
        term::count(size.events, "event"),
        term::count(size.files, "file"),
        term::bytes(size.bytes)
    )
}

/// Prints lines, each preceded by its subject.
pub fn print(lines: &[(&str, String)]) -> Result<(), Failure> {
    let mut out = String::new();
    let widest = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, text) in lines {
        let first = format!("{name:widest$}  ");
        term::paragraph(&mut out, &first, &term::safe(text), Look::stdout().page());
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(out.as_bytes())?;
    stdout.flush()?;
    Ok(())
}
