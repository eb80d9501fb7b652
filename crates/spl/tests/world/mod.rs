//! What cases hold besides searches: events, lookups, macros; and how results are written.

use std::sync::Arc;

use crabwalk_events::{LookupDefinition, LookupTable};
use crabwalk_spl::{Knowledge, Results};
use crabwalk_testing::{Block, Event, Events};

/// What `now()` answers in cases: 2023-11-15T00:00:00Z.
pub const NOW: f64 = 1_700_006_400.0;

/// What holds for the cases behind it in a file.
#[derive(Default, Clone)]
pub struct World {
    /// What the logs hold.
    pub events: Events,
    /// What content brings.
    pub knowledge: Knowledge,
}

/// Adds what a block that is no case says.
pub fn set_up(world: &mut World, block: &Block) -> Result<(), String> {
    let (word, rest) = block.head().split_once(' ').unwrap_or((block.head(), ""));
    let lines: Vec<&str> = block.given().collect();
    let text = lines.join("\n");
    let World { events, knowledge } = world;
    match word {
        "events" => {
            if !rest.contains("more") {
                events.0.clear();
            }
            lines
                .iter()
                .for_each(|line| events.push(Event::parse(line)));
        }
        "lookup" => add_lookup(knowledge, rest, &text),
        "macro" => {
            let mut words = rest.split_whitespace();
            let name = words.next().unwrap_or_default();
            let name = name.split('(').next().unwrap_or_default();
            let arguments: Vec<&str> = words.collect();
            knowledge.macros.insert(name, &arguments, &text);
        }
        "mapping" => knowledge
            .mappings
            .add_yaml(&text)
            .map_err(|error| error.to_string())?,
        "model" => knowledge
            .models
            .add_yaml(&text)
            .map_err(|error| error.to_string())?,
        "assets" => knowledge.assets.add_assets(text.as_bytes())?,
        "identities" => knowledge.assets.add_identities(text.as_bytes())?,
        other => return Err(format!("`{other}` is not a block")),
    }
    Ok(())
}

fn add_lookup(knowledge: &mut Knowledge, rest: &str, csv: &str) {
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
    let table = LookupTable::from_csv(definition, csv.as_bytes()).expect("a CSV text");
    knowledge.lookups.insert(name, Arc::new(table));
}

/// An error as cases write it.
pub fn failure(error: &crabwalk_spl::SearchError) -> String {
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

/// Rows as cases write them.
pub fn shown(results: &Results) -> String {
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
