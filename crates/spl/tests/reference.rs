//! The user's reference, `docs/spl.md`, is written from the registries of the engine, so that it says what is there.
//!
//! `SPL_REFERENCE=write cargo test -p crabwalk-spl --test reference` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use crabwalk_spl::functions::reference;

/// A text in a cell of a Markdown table: a bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn page() -> String {
    let mut page = "# SPL in Crabwalk\n\n\
        <!-- Written from the code by crates/spl/tests/reference.rs; do not edit. -->\n\n\
        ## Functions of `eval` and `where`\n\n\
        | function | what it gives | example |\n| --- | --- | --- |\n"
        .to_owned();
    for function in reference() {
        let _ = writeln!(
            page,
            "| `{}` | {} | `{}` |",
            cell(function.syntax),
            cell(function.meaning),
            cell(function.example)
        );
    }
    page
}

#[test]
fn the_reference_says_what_the_engine_has() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spl.md");
    let page = page();
    if std::env::var_os("SPL_REFERENCE").is_some_and(|value| value == "write") {
        std::fs::write(&path, &page).expect("docs/ can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/spl.md is stale: run `SPL_REFERENCE=write cargo test -p crabwalk-spl --test reference` and commit it"
    );
}

#[test]
fn every_function_is_documented() {
    for function in reference() {
        for text in [function.syntax, function.meaning, function.example] {
            assert!(
                !text.trim().is_empty(),
                "{} lacks documentation",
                function.name
            );
        }
        assert!(
            function.example.contains(&format!("{}(", function.name)),
            "the example of {} does not use it: {}",
            function.name,
            function.example
        );
    }
}
