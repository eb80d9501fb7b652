//! Recorded attacks, if available.

use std::path::{Path, PathBuf};

/// The folder of public samples, if it has this file or folder: the one in `CRABWALK_CORPUS`, or else
/// `../shared/corpus` beside the repository. Without one, prints a note to standard error, and the requesting test has
/// nothing to do.
///
/// # Panics
/// If `CRABWALK_CORPUS` names no folder: whoever sets it means it.
pub fn corpus(needs: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("CRABWALK_CORPUS").map(PathBuf::from) {
        Some(named) => {
            let is_there = named.is_dir();
            assert!(is_there, "CRABWALK_CORPUS: no folder {}", named.display());
            named
        }
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
    };
    if folder.join(needs).exists() {
        return Some(folder);
    }
    eprintln!(
        "skipped: no {} (CRABWALK_CORPUS names a folder of public samples)",
        folder.join(needs).display()
    );
    None
}
