//! What all commands that read logs have in common.

use std::path::{Path, PathBuf};

use crabwalk_detect::store::{LookupStore, Lookups};
use crabwalk_detect::{Content, Exception, HuntOptions};
use crabwalk_sources::collect::{Demand, Within};
use crabwalk_sources::report::SourceReport;
use crabwalk_sources::{Input, Limits, Read};

use crate::args::{Known, Logs};
use crate::outcome::{Failure, note};
use crate::progress::Bar;

/// Loads what is known. Problems with single files of content are in the content; a path that does not exist is an error.
pub fn content(known: &Known) -> Result<Content, Failure> {
    for (option, paths) in [("--content", &known.content), ("--sigma", &known.sigma)] {
        for path in paths {
            if let Err(error) = std::fs::metadata(path) {
                return Err(Failure::new(format!(
                    "{option} {}: {error}",
                    path.display()
                )));
            }
        }
    }
    let mut content = Content::load(!known.no_builtin, &known.content);
    if !known.sigma.is_empty() {
        content.add_sigma(&known.sigma);
    }
    let read = |option: &str, path: &Path| {
        std::fs::read(path)
            .map_err(|error| Failure::new(format!("{option} {}: {error}", path.display())))
    };
    for path in &known.assets {
        content
            .add_assets(&read("--assets", path)?)
            .map_err(|error| Failure::new(format!("--assets {}: {error}", path.display())))?;
    }
    for path in &known.identities {
        content
            .add_identities(&read("--identities", path)?)
            .map_err(|error| Failure::new(format!("--identities {}: {error}", path.display())))?;
    }
    if let Some(path) = &known.geoip {
        content
            .set_locations(read("--geoip", path)?)
            .map_err(|error| Failure::new(format!("--geoip {}: {error}", path.display())))?;
    }
    if let Some(directory) = &known.lookups {
        LookupStore::new(directory)
            .load(&mut content)
            .map_err(|error| Failure::new(format!("--lookups {error}")))?;
    }
    Ok(content)
}

/// Whether a file is in one of the directories; of none, all are.
pub fn is_below(path: &str, paths: &[PathBuf]) -> bool {
    paths.is_empty() || paths.iter().any(|one| Path::new(path).starts_with(one))
}

/// Keeps the lookups that searches have written, if a directory for them was given, and says so.
pub fn keep_lookups(known: &Known, lookups: &Lookups, quiet: bool) -> Result<(), Failure> {
    let Some(directory) = &known.lookups else {
        if !lookups.is_empty() && !quiet {
            let names: Vec<&str> = lookups.keys().map(String::as_str).collect();
            note(
                "not kept",
                &format!(
                    "lookups that were written: {}; keep them with `--lookups DIR`",
                    names.join(", ")
                ),
            );
        }
        return Ok(());
    };
    let written = LookupStore::new(directory)
        .save(lookups)
        .map_err(|error| Failure::new(format!("--lookups {error}")))?;
    if !quiet {
        for path in written {
            note("written", &path.display().to_string());
        }
    }
    Ok(())
}

/// Reads files of exceptions.
pub fn exceptions(paths: &[PathBuf]) -> Result<Vec<Exception>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        let failed =
            |error: String| Failure::new(format!("--exceptions {}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let parsed = crabwalk_detect::risk::parse_exceptions(&text).map_err(failed)?;
        all.extend(parsed.into_iter().map(|mut one| {
            one.file = Some(path.display().to_string());
            one
        }));
    }
    Ok(all)
}

/// The threads to use.
pub fn threads(logs: &Logs) -> usize {
    logs.threads
        .map(usize::from)
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1)
}

/// How searches over these logs are run: all detections, as far as nothing else is said.
pub fn options(logs: &Logs) -> HuntOptions {
    HuntOptions {
        threads: threads(logs),
        memory: search_memory(logs),
        now: now(),
        ..HuntOptions::default()
    }
}

/// Bytes that what searches group, sort and join may take in memory.
fn search_memory(logs: &Logs) -> usize {
    usize::try_from(logs.search_memory)
        .unwrap_or(usize::MAX)
        .saturating_mul(1 << 20)
}

/// Seconds since 1970-01-01 UTC.
fn now() -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds until the year 2255 fit the 53 bits exactly"
    )]
    let seconds = jiff::Timestamp::now().as_microsecond() as f64 / 1e6;
    seconds
}

/// What was named on the command line.
pub fn inputs(logs: &Logs) -> Vec<Input> {
    logs.paths
        .iter()
        .map(|path| {
            if path.as_os_str() == "-" {
                Input::Stdin
            } else {
                Input::Path(path.clone())
            }
        })
        .collect()
}

/// Reads what is needed of the logs, between the times that were named.
pub fn read(logs: &Logs, demand: &dyn Demand, bar: &Bar) -> Read {
    let inputs = inputs(logs);
    bar.step("reading");
    let limits = Limits {
        threads: threads(logs),
        ..Limits::default()
    };
    let demand = Within::new(demand, logs.since, logs.until);
    crabwalk_sources::read(&inputs, &demand, &limits, bar)
}

/// Whether there was nothing to read: then the run failed. A file that is there and holds nothing readable is a result:
/// the case says what is wrong with it.
pub fn nothing_was_read(sources: &[SourceReport]) -> bool {
    sources.iter().all(|source| {
        source.is_lossy() && source.records == 0 && !Path::new(&source.path).is_file()
    })
}
