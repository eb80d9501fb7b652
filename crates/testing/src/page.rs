//! Pages that are written from code.

use std::path::Path;

/// Checks that a page written from code is what lies at `path`, below the root of the repository. With `REFERENCE=write` it
/// is written there first.
///
/// # Panics
/// If the page is stale, or cannot be written.
#[track_caller]
pub fn assert_fresh(path: &str, page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    if std::env::var_os("REFERENCE").is_some_and(|value| value == "write") {
        std::fs::write(&file, page).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == page,
        "{path} is stale: run `REFERENCE=write cargo test --workspace reference` and commit it"
    );
}
