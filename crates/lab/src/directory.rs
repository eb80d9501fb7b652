//! Directories of generated worlds.

use std::path::{Path, PathBuf};

use crate::LabError;

/// Refuses a directory with other contents than an earlier world.
///
/// # Errors
/// If it is neither empty nor of a world.
pub fn may_use(directory: &Path) -> Result<(), LabError> {
    let used = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if used && !directory.join("truth.json").exists() {
        return Err(LabError::Occupied(directory.to_owned()));
    }
    Ok(())
}

/// The folders with logs: one per host, and the network's; not `case`, where `crabwalk demo` puts its result.
///
/// # Errors
/// If the directory cannot be read.
pub fn folders(directory: &Path) -> Result<Vec<PathBuf>, LabError> {
    let entries =
        std::fs::read_dir(directory).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let entries = entries.map_err(|error| LabError::Io {
        action: "read",
        path: directory.to_owned(),
        error,
    })?;
    let mut folders: Vec<PathBuf> = entries
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && path.file_name().is_some_and(|name| name != "case"))
        .collect();
    folders.sort();
    Ok(folders)
}
