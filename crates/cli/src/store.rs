//! `crabwalk store`: the files of a store.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crabwalk_store::{Forget, GRACE, Store, StoreError};

use crate::args::{self, StoreCommand};
use crate::ingest::{print, size};
use crate::outcome::{Done, Failure};
use crate::term;

/// Runs the command.
pub fn run(args: &args::Store) -> Result<Done, Failure> {
    match &args.command {
        StoreCommand::Files { store, types } => files(store, types),
        StoreCommand::Check { store } => check(store),
        StoreCommand::Compact { store, now } => compact(store, *now),
        StoreCommand::Forget {
            store,
            before,
            channel,
            now,
        } => {
            let what = Forget {
                before: *before,
                channel: channel.clone(),
            };
            forget(store, &what, *now)
        }
    }
}

/// Opens an existing store for writing.
fn writing(path: &Path) -> Result<Store, Failure> {
    if !Store::is_store(path) {
        // It says what is wrong.
        Store::open(path)?;
        return Err(StoreError::NoStore(path.to_owned()).into());
    }
    Ok(Store::open_or_create(path)?)
}

fn files(path: &Path, types: &[String]) -> Result<Done, Failure> {
    let store = Store::open(path)?;
    let mut out = io::stdout().lock();
    for file in store.files(types) {
        writeln!(out, "{}", path.join(file).display())?;
    }
    out.flush()?;
    Ok(Done::Whole)
}

fn check(path: &Path) -> Result<Done, Failure> {
    let store = Store::open(path)?;
    let flaws = store.check()?;
    let mut lines: Vec<(&str, String)> = flaws
        .iter()
        .map(|flaw| {
            let kind = if flaw.loss { "lost" } else { "left" };
            (kind, format!("{}: {}", flaw.path, flaw.what))
        })
        .collect();
    let lost = flaws.iter().filter(|flaw| flaw.loss).count();
    lines.push(("store", size(&store, path)));
    lines.push(match lost {
        0 => ("intact", "every file is as it was written".to_owned()),
        lost => (
            "wrong",
            format!(
                "{} damaged; restore them from a backup of the store, or ingest the logs again",
                term::count(lost as u64, "file")
            ),
        ),
    });
    print(&lines)?;
    Ok(if lost > 0 { Done::Wrong } else { Done::Whole })
}

fn compact(path: &Path, at_once: bool) -> Result<Done, Failure> {
    let store = writing(path)?;
    let done = store.compact()?;
    let mut lines = vec![(
        "compacted",
        format!(
            "{} ({}) became {} ({})",
            term::count(done.before, "file"),
            term::bytes(done.bytes_before),
            term::count(done.after, "file"),
            term::bytes(done.bytes_after)
        ),
    )];
    lines.extend(deleted(&store, at_once)?);
    lines.push(("store", size(&store, path)));
    print(&lines)?;
    Ok(Done::Whole)
}

fn forget(path: &Path, what: &Forget, at_once: bool) -> Result<Done, Failure> {
    let store = writing(path)?;
    let done = store.forget(what)?;
    let mut lines = vec![(
        "forgotten",
        format!(
            "{} of {}",
            term::count(done.events, "event"),
            term::count(done.files, "file")
        ),
    )];
    lines.extend(deleted(&store, at_once)?);
    lines.push(("store", size(&store, path)));
    print(&lines)?;
    Ok(Done::Whole)
}

/// Deletes files that are no longer part of the store.
fn deleted(store: &Store, at_once: bool) -> Result<Option<(&'static str, String)>, Failure> {
    let grace = if at_once { Duration::ZERO } else { GRACE };
    let deleted = store.remove_old(grace)?;
    Ok((deleted > 0).then(|| ("deleted", term::count(deleted, "old file"))))
}
