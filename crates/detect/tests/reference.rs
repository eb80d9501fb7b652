//! The pages `docs/detections.md`, `docs/fields.md` and `docs/models.md` are written from the shipped content, so that they
//! say what is there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crabwalk_detect::Content;
use crabwalk_testing::assert_fresh;
use serde::Deserialize;
use serde::de::DeserializeOwned;

const BY: &str = "<!-- Written from content/ by crates/detect/tests/reference.rs; do not edit. -->";

/// A text in a cell of a Markdown table: a bar would end the cell, a line break the table. Outside code, brackets would be tags.
fn cell(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .join(" ")
        .replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('*', "\\*")
        .replace('$', "\\$")
}

/// Code in a cell of a Markdown table.
fn code(text: &str) -> String {
    let text = text.replace('|', "\\|");
    if text.contains('`') {
        format!("`` {text} ``")
    } else {
        format!("`{text}`")
    }
}

fn codes<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let all: Vec<String> = texts.into_iter().map(|text| code(text)).collect();
    all.join(", ")
}

#[test]
fn the_reference_lists_the_shipped_detections() {
    let content = Content::load(true, &[]);
    let mut page = format!(
        "# Shipped detections\n\n{BY}\n\n\
        {} detections in {} stories. `crabwalk content list` prints them, `crabwalk content show NAME` prints one in full with its \
        search. A detection costs next to nothing if the logs have none of its events. The macro `many_systems` (10) defines how \
        many machines are *many*. [Reading the result](result.md#findings) says what the types mean.\n",
        content.detections.len(),
        content.stories.len()
    );
    for story in &content.stories {
        let _ = write!(
            page,
            "\n## {}\n\n{}\n",
            story.name,
            story.description.trim()
        );
        page.push_str(
            "\n| detection | type | risk | ATT&CK | reads |\n| --- | --- | --- | --- | --- |\n",
        );
        let mut detections: Vec<_> = content
            .detections
            .iter()
            .filter(|detection| detection.stories.contains(&story.name))
            .collect();
        detections.sort_by_key(|detection| &detection.name);
        for detection in detections {
            let _ = writeln!(
                page,
                "| **{}**: {} | {} | {} | {} | {} |",
                cell(&detection.name),
                cell(&detection.description),
                detection.kind,
                detection.risk_score,
                detection.techniques.join(", "),
                cell(&detection.data_sources.join(", "))
            );
        }
    }
    page.push_str(
        "\n## Baselines\n\n`crabwalk baseline NAME logs/` learns from logs of an intrusion-free period what is normal.\n\n\
        | baseline | what it learns |\n| --- | --- |\n",
    );
    for baseline in &content.baselines {
        let _ = writeln!(
            page,
            "| **{}** | {} |",
            cell(&baseline.name),
            cell(&baseline.description)
        );
    }
    assert_fresh("docs/detections.md", &page);
}

/// The YAML documents of a folder of the content, by the names of their files.
fn documents<T: DeserializeOwned>(folder: &str) -> Vec<(String, T)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../content")
        .join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{error}"))
        .map(|file| file.unwrap_or_else(|error| panic!("{error}")).path())
        .collect();
    files.sort();
    assert!(files.len() > 5, "{files:?}");
    let read = |file: &PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{error}"));
        let document =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name.into_owned(), document)
    };
    files.iter().map(read).collect()
}

#[derive(Deserialize)]
struct Entry {
    event_types: Vec<String>,
    #[serde(default)]
    event_data: Vec<String>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
}

#[test]
fn the_reference_lists_the_field_mappings() {
    let mut page = format!(
        "# Fields\n\n{BY}\n\n\
        The names that an event's fields have in searches and detections, beside those of the event itself. An alias is an \
        expression over the event's fields and other aliases. Where several entries fit an event, the narrowest counts, and of \
        equally narrow ones the last. [Content](content.md#field-mappings) says how to add your own.\n"
    );
    for (name, entries) in documents::<Vec<Entry>>("fields") {
        let _ = write!(page, "\n## {}\n", name.replace('_', " "));
        for entry in entries {
            let _ = write!(page, "\n**Events** {}\n", codes(&entry.event_types));
            if !entry.event_data.is_empty() {
                let _ = write!(page, "\nTheir fields: {}\n", codes(&entry.event_data));
            }
            if entry.aliases.is_empty() {
                continue;
            }
            page.push_str("\n| alias | expression |\n| --- | --- |\n");
            for (alias, expression) in &entry.aliases {
                let _ = writeln!(page, "| {} | {} |", code(alias), code(expression.trim()));
            }
        }
    }
    assert_fresh("docs/fields.md", &page);
}

#[derive(Deserialize)]
struct Model {
    model: String,
    nodes: BTreeMap<String, Node>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    description: String,
    events: Vec<Member>,
    #[serde(default)]
    cim_requires: Vec<Vec<String>>,
    fields: Vec<String>,
    #[serde(default)]
    unknown: Vec<String>,
    #[serde(default)]
    children: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Member {
    types: Vec<String>,
    #[serde(rename = "where")]
    filter: Option<String>,
}

#[test]
fn the_reference_lists_the_data_models() {
    let mut page = format!(
        "# Data models\n\n{BY}\n\n\
        Nodes of the Common Information Model, as `| tstats … from datamodel=MODEL.NODE` and `| datamodel MODEL NODE` read them. \
        An event belongs to a node if its type is listed; a record that already has CIM names, such as one exported from Splunk, \
        if it has all fields of one of the lists. [Content](content.md#data-models) says how to add your own.\n"
    );
    for (_, Model { model, nodes }) in documents("models") {
        let _ = write!(page, "\n## {model}\n");
        for (name, node) in nodes {
            let _ = write!(page, "\n### {model}.{name}\n\n");
            if !node.description.is_empty() {
                let _ = write!(page, "{}\n\n", node.description);
            }
            let events = node.events.iter().map(|member| match &member.filter {
                Some(filter) => format!("{} where {}", codes(&member.types), code(filter)),
                None => codes(&member.types),
            });
            let lists = node
                .cim_requires
                .iter()
                .map(|list| format!("({})", codes(list)));
            for (what, text) in [
                ("Events", events.collect::<Vec<_>>().join("; ")),
                ("Records with", lists.collect::<Vec<_>>().join(" or ")),
                ("Fields", codes(&node.fields)),
                ("`unknown` where the event has none", codes(&node.unknown)),
            ] {
                if !text.is_empty() {
                    let _ = writeln!(page, "- {what}: {text}");
                }
            }
            for (child, condition) in &node.children {
                let child = format!("{model}.{child}");
                let _ = writeln!(
                    page,
                    "- Narrower: {} where {}",
                    code(&child),
                    code(condition)
                );
            }
        }
    }
    assert_fresh("docs/models.md", &page);
}
