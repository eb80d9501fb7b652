//! Writing a case into a directory.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::document::Case;

/// A file of the case could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written: {source}", path.display())]
pub struct WriteError {
    /// Which file or directory.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Writes `case.json`, `findings.csv` and `timeline.csv`; makes the directory if needed. Returns the paths.
///
/// Each file is written beside its place and moved there when it is whole, so that a run that fails leaves no half file.
///
/// # Errors
/// Which file could not be written, and why.
pub fn write_to(case: &Case, directory: &Path) -> Result<Vec<PathBuf>, WriteError> {
    fs::create_dir_all(directory).map_err(|source| WriteError {
        path: directory.to_owned(),
        source,
    })?;
    type Write<'a> = &'a dyn Fn(&Case, &mut dyn io::Write) -> io::Result<()>;
    let files: [(&str, Write<'_>); 3] = [
        ("case.json", &|case, out| crate::json::to_json(case, out)),
        ("findings.csv", &|case, out| {
            crate::csv::findings_csv(case, out)
        }),
        ("timeline.csv", &|case, out| {
            crate::csv::timeline_csv(case, out)
        }),
    ];
    let mut written = Vec::new();
    for (name, write) in files {
        let path = directory.join(name);
        let part = directory.join(format!(".{name}.{}.part", std::process::id()));
        let whole = || -> io::Result<()> {
            let mut out = BufWriter::new(File::create(&part)?);
            write(case, &mut out)?;
            out.flush()?;
            out.into_inner()
                .map_err(|error| error.into_error())?
                .sync_all()?;
            fs::rename(&part, &path)
        };
        if let Err(source) = whole() {
            // The error that matters is the first one.
            let _ = fs::remove_file(&part);
            return Err(WriteError { path, source });
        }
        written.push(path);
    }
    Ok(written)
}
