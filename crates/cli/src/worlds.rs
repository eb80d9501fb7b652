//! Directories for generated worlds.

use std::path::Path;

use crate::outcome::Failure;

/// Refuses a directory with other contents.
pub fn may_use(directory: &Path) -> Result<(), Failure> {
    let used = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if used && !directory.join("truth.json").exists() {
        return Err(Failure::new(format!(
            "{} is not empty and was not made by `crabwalk lab`; choose another directory",
            directory.display()
        )));
    }
    Ok(())
}
