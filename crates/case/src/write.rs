//! Writing a case into a directory.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crabwalk_events::Catalog;
use crabwalk_sources::Input;

use crate::document::Case;
use crate::report::{Report, front_end};

/// Writing a file of the case failed.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written: {source}", path.display())]
pub struct WriteError {
    /// Which file or directory.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Writes `case.json`, `findings.csv`, `timeline.csv`, `navigator.json` and, if available, `report.html`; creates the
/// directory if needed. Returns the paths.
///
/// Each file is written under a temporary name and moved into place when complete, so a failing run leaves no partial
/// file.
///
/// # Errors
/// Which file could not be written, and why.
pub fn write_to(
    case: &Case,
    report: Option<&Report>,
    directory: &Path,
) -> Result<Vec<PathBuf>, WriteError> {
    fs::create_dir_all(directory).map_err(|source| WriteError {
        path: directory.to_owned(),
        source,
    })?;
    type Write<'a> = &'a (dyn Fn(&mut dyn io::Write) -> io::Result<()> + Sync);
    let html = |out: &mut dyn io::Write| report.map_or(Ok(()), |report| report.write(out));
    let files: [(&str, Write<'_>); 5] = [
        ("case.json", &|out| crate::json::to_json(case, out)),
        ("findings.csv", &|out| crate::csv::findings_csv(case, out)),
        ("timeline.csv", &|out| crate::csv::timeline_csv(case, out)),
        ("navigator.json", &|out| crate::export::navigator(case, out)),
        ("report.html", &html),
    ];
    // In parallel: the files of a large case are tens of megabytes each.
    std::thread::scope(|scope| {
        let running: Vec<_> = files
            .into_iter()
            .filter(|(name, _)| *name != "report.html" || report.is_some())
            .map(|(name, write)| {
                let path = directory.join(name);
                let failed = path.clone();
                let running = scope.spawn(move || write_file(&path, write).map(|()| path));
                (running, failed)
            })
            .collect();
        running
            .into_iter()
            .map(|(running, path)| {
                running.join().unwrap_or_else(|_| {
                    Err(WriteError {
                        path,
                        source: io::Error::other("writing was given up"),
                    })
                })
            })
            .collect()
    })
}

/// As [`write_to`], with a report without raw records if there is a front end.
///
/// # Errors
/// Which file could not be written, and why.
pub fn write_with_report(case: &mut Case, directory: &Path) -> Result<Vec<PathBuf>, WriteError> {
    let report = match front_end() {
        None => None,
        Some(_) => Some(Report::new(case).map_err(|source| WriteError {
            path: directory.join("report.html"),
            source,
        })?),
    };
    write_to(case, report.as_ref(), directory)
}

/// As [`write_to`], with a report if there is a front end. The logs are read again for the raw records that it shows;
/// `catalog` is the hunt's.
///
/// # Errors
/// Which file could not be written, and why.
pub fn write_with_records(
    case: &mut Case,
    inputs: &[Input],
    threads: usize,
    catalog: &dyn Catalog,
    directory: &Path,
) -> Result<Vec<PathBuf>, WriteError> {
    if front_end().is_none() {
        return write_to(case, None, directory);
    }
    let path = directory.join("report.html");
    let failed = |source: io::Error| WriteError {
        path: path.clone(),
        source,
    };
    let mut report = Report::new(case).map_err(failed)?;
    let case = &*case;
    let (read, written) = std::thread::scope(|scope| {
        let others = scope.spawn(|| write_to(case, None, directory));
        let read = report.read_records(case, inputs, threads, Some(catalog));
        (read, others.join())
    });
    let mut written = written.unwrap_or_else(|_| {
        Err(WriteError {
            path: directory.to_owned(),
            source: io::Error::other("writing was given up"),
        })
    })?;
    read.map_err(failed)?;
    write_file(&path, &|out| report.write(out))?;
    written.push(path);
    Ok(written)
}

/// Writes one file atomically.
///
/// # Errors
/// Why it could not be written.
pub fn write_file(
    path: &Path,
    write: &dyn Fn(&mut dyn Write) -> io::Result<()>,
) -> Result<(), WriteError> {
    let name = path
        .file_name()
        .map_or_else(|| "out".into(), |name| name.to_string_lossy());
    let part = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let whole = || -> io::Result<()> {
        let mut out = BufWriter::new(File::create(&part)?);
        write(&mut out)?;
        out.flush()?;
        out.into_inner()
            .map_err(|error| error.into_error())?
            .sync_all()?;
        fs::rename(&part, path)
    };
    whole().map_err(|source| {
        // The error that matters is the first one.
        let _ = fs::remove_file(&part);
        WriteError {
            path: path.to_owned(),
            source,
        }
    })
}
