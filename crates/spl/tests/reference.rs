//! The user's reference, `docs/spl.md`, is written from the registries of the engine, so that it says what is there.
//!
//! `SPL_REFERENCE=write cargo test --workspace --test reference` rewrites it.

use std::fmt::Write as _;
use std::path::Path;

use crabwalk_spl::functions::reference;
use crabwalk_spl::syntax::commands;
use crabwalk_spl::syntax::usage::{Support, Value};

/// A text in a cell of a Markdown table: a bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn page() -> String {
    let mut page = "# SPL in Crabwalk\n\n\
        <!-- Written from the code by crates/spl/tests/reference.rs; do not edit. -->\n\n\
        ## Commands\n\n\
        Every option either works or is an error that names it. A few are accepted without effect, as noted.\n"
        .to_owned();
    for usage in commands() {
        let _ = write!(page, "\n### {}", usage.name);
        for also in usage.also {
            let _ = write!(page, ", {also}");
        }
        let _ = write!(page, "\n\n`{}`\n\n{}\n", usage.syntax, usage.meaning);
        if usage.options.is_empty() {
            continue;
        }
        page.push_str("\n| option | |\n| --- | --- |\n");
        for option in usage.options {
            let about = match option.support {
                Support::Obeyed(meaning) => meaning.to_owned(),
                Support::NoEffect(why) => format!("*No effect*: {why}."),
                Support::Only(value, why) => {
                    format!("*`{value}` only, other values are refused*: {why}.")
                }
                Support::Refused(why) => format!("*Refused*: {why}."),
            };
            let value = match option.value {
                Value::Flag => "=<bool>",
                Value::Count => "=<number>",
                Value::Field => "=<field>",
                Value::Spl => "=\"<search>\"",
                Value::Own => "=",
            };
            let _ = writeln!(page, "| `{}{value}` | {} |", option.name, cell(&about));
        }
    }
    page.push_str(
        "\n## Aggregations of `stats` and similar commands\n\n\
        | aggregation | what it gives | example |\n| --- | --- | --- |\n",
    );
    for aggregation in crabwalk_spl::aggregates::reference() {
        let _ = writeln!(
            page,
            "| `{}` | {} | `{}` |",
            cell(aggregation.syntax),
            cell(aggregation.meaning),
            cell(aggregation.example)
        );
    }
    page.push_str(
        "\n## Functions of `eval` and `where`\n\n\
        | function | what it gives | example |\n| --- | --- | --- |\n",
    );
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
        std::fs::write(&path, &page).unwrap_or_else(|error| panic!("{error}"));
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/spl.md is stale: run `SPL_REFERENCE=write cargo test -p crabwalk-spl --test reference` and commit it"
    );
}

#[test]
fn every_command_is_documented() {
    for usage in commands() {
        assert!(
            usage.syntax.contains(usage.name),
            "the syntax of {} does not name it",
            usage.name
        );
        assert!(!usage.meaning.is_empty(), "{} lacks a meaning", usage.name);
        for option in usage.options {
            let (Support::Obeyed(text)
            | Support::NoEffect(text)
            | Support::Only(_, text)
            | Support::Refused(text)) = option.support;
            assert!(
                !text.is_empty(),
                "{} of {} lacks a meaning",
                option.name,
                usage.name
            );
        }
    }
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
