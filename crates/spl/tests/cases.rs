//! Runs the cases of `tests/cases/*.txt`: events in, search, rows out.
//!
//! The files are for people who know SPL. They hold, in any order and number:
//!
//! ```text
//! # a comment
//! events
//! type=Security/4624 _time=1700000000 host=WS1 LogonType=3 TargetUserName="Ann Lee" Data=[a,b]
//!
//! lookup people.csv WILDCARD(name) case_sensitive_match=false
//! name,category
//! a*,x
//!
//! macro mine(1) field
//! $field$=1
//!
//! mapping
//! - event_types: ["Security/4624"]
//!   aliases: {user: TargetUserName}
//!
//! case the name of the case
//! search EventCode=4624 | stats count by LogonType
//! ----
//! LogonType=3 count=1
//! ```
//!
//! A block ends at the next empty line. `events`, `lookup`, `macro`, `mapping` and `model` hold for the cases behind them in
//! the file. Rows are written as `column=value`, a field without a value is left out, several values stand in brackets. Behind `----` may stand
//! `error: …` or `warning: …` with a part of the message, and `(none)` for no rows.
#![expect(
    clippy::expect_used,
    reason = "a case that cannot be set up is a failed test"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use crabwalk_events::{Catalog, LookupDefinition, LookupTable, MemoryCatalog};
use crabwalk_sources::collect::{Collector, Everything, Head};
use crabwalk_spl::{Engine, EngineOptions, Knowledge, Results, Search};

/// What `now()` answers in cases: 2023-11-15T00:00:00Z.
const NOW: f64 = 1_700_006_400.0;

#[derive(Default, Clone)]
struct World {
    events: Vec<Vec<(String, Vec<String>)>>,
    knowledge: Knowledge,
}

#[test]
fn all_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("entry").path())
        .collect();
    files.sort();
    let mut ran = 0;
    let mut failures = String::new();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|ending| ending == "txt"))
    {
        let text = std::fs::read_to_string(file).expect("a file of cases");
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        run_file(&name, &text, &mut ran, &mut failures);
    }
    println!("{ran} cases");
    assert!(ran > 0, "no cases were found");
    assert!(failures.is_empty(), "{failures}");
}

fn run_file(file: &str, text: &str, ran: &mut usize, failures: &mut String) {
    let mut world = World::default();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut block = Vec::new();
        while let Some((_, next)) = lines.peek() {
            if next.trim().is_empty() {
                break;
            }
            if !next.starts_with('#') {
                block.push((*next).to_owned());
            }
            lines.next();
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "events" => {
                if !rest.contains("more") {
                    world.events.clear();
                }
                world.events.extend(block.iter().map(|line| fields(line)));
            }
            "lookup" => add_lookup(&mut world, rest, &block),
            "macro" => {
                let mut words = rest.split_whitespace();
                let name = words.next().unwrap_or_default();
                let name = name.split('(').next().unwrap_or_default();
                let arguments: Vec<&str> = words.collect();
                world
                    .knowledge
                    .macros
                    .insert(name, &arguments, &block.join("\n"));
            }
            "mapping" => world
                .knowledge
                .mappings
                .add_yaml(&block.join("\n"))
                .unwrap_or_else(|error| panic!("{file}:{number}: {error}")),
            "model" => world
                .knowledge
                .models
                .add_yaml(&block.join("\n"))
                .unwrap_or_else(|error| panic!("{file}:{number}: {error}")),
            "assets" => world
                .knowledge
                .assets
                .add_assets(block.join("\n").as_bytes())
                .unwrap_or_else(|error| panic!("{file}:{number}: {error}")),
            "identities" => world
                .knowledge
                .assets
                .add_identities(block.join("\n").as_bytes())
                .unwrap_or_else(|error| panic!("{file}:{number}: {error}")),
            "case" if !wanted(file, rest) => {}
            "case" => {
                *ran += 1;
                let split = block
                    .iter()
                    .position(|line| line == "----")
                    .unwrap_or(block.len());
                let search = block[..split].join("\n");
                let expected = block.get(split + 1..).unwrap_or_default().join("\n");
                let got = run(&world, rest, &search);
                let fine = match expected
                    .strip_prefix("error: ")
                    .or_else(|| expected.strip_prefix("warning: "))
                {
                    Some(part) => got.lines().next().is_some_and(|line| {
                        line.contains(part)
                            && (line.starts_with("error") || line.starts_with("warning"))
                    }),
                    None => got == expected,
                };
                if !fine {
                    let _ = write!(
                        failures,
                        "\n{file}:{}: {rest}\n{search}\n  expected:\n{}\n  got:\n{}\n",
                        number + 1,
                        indent(&expected),
                        indent(&got)
                    );
                }
            }
            other => panic!("{file}:{}: `{other}` is no block", number + 1),
        }
    }
}

/// Whether the file or the name of a case has the text that `CASES` gives; all are wanted where it gives none.
fn wanted(file: &str, name: &str) -> bool {
    std::env::var("CASES").map_or(true, |part| file.contains(&part) || name.contains(&part))
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn add_lookup(world: &mut World, rest: &str, block: &[String]) {
    let mut words = rest.split_whitespace();
    let name = words
        .next()
        .unwrap_or_default()
        .trim_end_matches(".csv")
        .to_owned();
    let mut definition = LookupDefinition::new(&name);
    for word in words {
        match word.split_once('=') {
            Some(("case_sensitive_match", value)) => definition.case_sensitive = value != "false",
            Some(("min_matches", value)) => {
                definition.min_matches = value.parse().expect("a number")
            }
            Some(("max_matches", value)) => {
                definition.max_matches = value.parse().expect("a number")
            }
            Some(("default_match", value)) => definition.default_match = Some(value.to_owned()),
            _ => definition.add_match_types(word),
        }
    }
    let table = LookupTable::from_csv(definition, block.join("\n").as_bytes()).expect("a CSV text");
    world.knowledge.lookups.insert(name, Arc::new(table));
}

/// `a=1 b="x y" c=[1,2]`
fn fields(line: &str) -> Vec<(String, Vec<String>)> {
    let mut fields = Vec::new();
    let mut rest = line.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let (values, after) = value(after);
        fields.push((name.trim_matches('"').to_owned(), values));
        rest = after.trim_start();
    }
    fields
}

fn value(text: &str) -> (Vec<String>, &str) {
    if let Some(mut rest) = text.strip_prefix('[') {
        let mut values = Vec::new();
        loop {
            let (one, after) = single(rest, &[',', ']']);
            values.push(one);
            if let Some(after) = after.strip_prefix(']') {
                return (values, after);
            }
            rest = after.strip_prefix(',').expect("`,` or `]`").trim_start();
        }
    }
    let (one, rest) = single(text, &[' ']);
    (vec![one], rest)
}

/// A bare or quoted value; in quotes, `\"`, `\\`, `\n` and `\t` are escapes.
fn single<'t>(text: &'t str, ends: &[char]) -> (String, &'t str) {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut out = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => return (out, &quoted[at + 1..]),
                '\\' => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, other)) => out.push(other),
                    None => break,
                },
                other => out.push(other),
            }
        }
        panic!("no closing quote in {text}");
    }
    let end = text.find(ends).unwrap_or(text.len());
    (text[..end].to_owned(), &text[end..])
}

fn run(world: &World, name: &str, text: &str) -> String {
    let mut collector = Collector::new(&Everything);
    for (index, event) in world.events.iter().enumerate() {
        let one = |name: &str| {
            event
                .iter()
                .find(|(own, _)| own == name)
                .and_then(|(_, values)| values.first())
                .cloned()
        };
        let event_type = one("type").unwrap_or_else(|| "Test/1".to_owned());
        let (channel, id) = event_type.rsplit_once('/').expect("channel/id");
        let time: f64 = one("_time").map_or(1_700_000_000.0, |time| time.parse().expect("seconds"));
        #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
        let head = Head {
            time: (time * 1e6) as i64,
            host: &one("host").unwrap_or_else(|| "HOST".to_owned()),
            source: 0,
            record: index as u64 + 1,
            numbered: false,
        };
        let table = collector.table(channel, id.parse().expect("a number"));
        collector.begin(table, &head);
        for (name, values) in event
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "type" | "_time" | "host"))
        {
            if let Some(column) = collector.column(table, name) {
                values
                    .iter()
                    .for_each(|value| collector.push(table, column, value));
            }
        }
    }
    let collected = Collector::merge(vec![collector]).expect("tables");
    let catalog: Arc<dyn Catalog> = Arc::new(MemoryCatalog::new(collected).expect("a catalog"));
    let knowledge = Arc::new(world.knowledge.clone());
    let search = match Search::parse(name, text, &knowledge) {
        Ok(search) => search,
        Err(error) => return failure(&error),
    };
    // With one thread the engine works as it does where many searches run side by side: the result is the same.
    let alone = run_with(3, &catalog, &knowledge, &search);
    let among = run_with(1, &catalog, &knowledge, &search);
    if alone == among {
        alone
    } else {
        format!("error: alone:\n{alone}\namong others:\n{among}")
    }
}

fn run_with(
    threads: usize,
    catalog: &Arc<dyn Catalog>,
    knowledge: &Arc<Knowledge>,
    search: &Search,
) -> String {
    let engine = || {
        Engine::new(
            Arc::clone(catalog),
            Arc::clone(knowledge),
            EngineOptions {
                now: NOW,
                threads,
                memory: crabwalk_spl::DEFAULT_MEMORY,
            },
        )
    };
    // One that searches by names only, since a search may write lookups.
    let (engine, by_names) = (engine(), engine());
    // A plan gives names and literals: with the session's functions of these names it gives the same rows.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    match runtime.block_on(engine.run(search)) {
        // What runs must also pass a check in which nothing is run.
        Ok(results) => match engine.check(search) {
            Ok(_) => match runtime.block_on(by_names.run_by_names(search)) {
                Ok(named) if shown(&named) == shown(&results) => shown(&results),
                Ok(named) => format!("error: by names:\n{}", shown(&named)),
                Err(error) => format!("error: by names: {}", failure(&error)),
            },
            Err(error) => format!("error: when only checked: {}", failure(&error)),
        },
        Err(error) => failure(&error),
    }
}

fn failure(error: &crabwalk_spl::SearchError) -> String {
    let messages: Vec<String> = error
        .diagnostics()
        .iter()
        .map(|diagnostic| {
            format!(
                "{} {}",
                diagnostic.message,
                diagnostic.help.as_deref().unwrap_or_default()
            )
        })
        .collect();
    format!("error: {}", messages.join("; "))
}

fn shown(results: &Results) -> String {
    let mut out: Vec<String> = results
        .warnings
        .iter()
        .map(|warning| {
            format!(
                "warning: {} {}",
                warning.message,
                warning.help.as_deref().unwrap_or_default()
            )
            .trim_end()
            .to_owned()
        })
        .collect();
    for row in results.rows() {
        let mut cells = Vec::new();
        for column in &results.columns {
            let values: Vec<String> = row
                .values(column)
                .iter()
                .map(|value| quoted(value))
                .collect();
            let column = quoted(column);
            match values.as_slice() {
                [] => {}
                [one] => cells.push(format!("{column}={one}")),
                many => cells.push(format!("{column}=[{}]", many.join(","))),
            }
        }
        out.push(if cells.is_empty() {
            "(empty row)".to_owned()
        } else {
            cells.join(" ")
        });
    }
    if results.is_empty() {
        out.push("(none)".to_owned());
    }
    out.join("\n")
}

fn quoted(value: &str) -> String {
    let plain = !value.is_empty() && !value.contains([' ', ',', '"', '[', ']', '=', '\n', '\t']);
    if plain {
        value.to_owned()
    } else {
        format!(
            "\"{}\"",
            value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n")
                .replace('\t', "\\t")
        )
    }
}
