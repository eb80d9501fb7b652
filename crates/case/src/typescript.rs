//! The case as the front end sees it: `ui/src/data/case.ts` is generated from the document's types, and `eventnames.ts`
//! from the content table, so that both sides always agree.
//!
//! `CASE_TYPES=write cargo test --workspace --lib typescript` writes them.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use crabwalk_detect::{DetectionType, RiskObjectKind};
use crabwalk_movement::{AccountRole, Certainty, Kind, LinkKind, Standing, SwitchedAt};
use crabwalk_vocabulary::Severity;
use serde::Serialize;
use ts_rs::{Config, TS, TypeVisitor};

use crate::document::Case;
use crate::event_names::{LOGON_TYPES, NAMES};

/// Types and all their dependencies, by name.
struct Declared {
    config: Config,
    seen: BTreeSet<TypeId>,
    all: BTreeMap<String, String>,
}

impl TypeVisitor for Declared {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
        // The standard library's types are not declared.
        if T::output_path().is_some() {
            let docs = T::docs().unwrap_or_default();
            let text = format!("{docs}export {}\n", T::decl(&self.config));
            self.all.insert(T::ident(&self.config), text);
        }
    }
}

/// A declaration in the style of the front end's other files.
fn laid_out(text: &str) -> String {
    let mut out = String::new();
    let mut indent = "";
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line == "/**" {
            let docs: Vec<&str> = lines
                .by_ref()
                .take_while(|line| *line != "*/")
                .map(|line| line.trim_start_matches('*').trim())
                .collect();
            let _ = writeln!(out, "{indent}/** {} */", docs.join(" ").trim());
        } else if let Some(last) = line.strip_suffix("};") {
            let _ = writeln!(out, "  {};\n}};", last.trim_end().trim_end_matches(','));
            indent = "";
        } else if let Some(field) = line.strip_suffix(',') {
            let _ = writeln!(out, "  {field};");
        } else {
            let _ = writeln!(out, "{line}");
            indent = if line.ends_with('{') { "  " } else { indent };
        }
    }
    out
}

/// The possible values of a text in the document.
fn values<T: Serialize>(all: &[T]) -> Vec<String> {
    all.iter()
        .map(|one| serde_json::to_string(one).unwrap_or_else(|error| panic!("{error}")))
        .collect()
}

fn page() -> String {
    let mut declared = Declared {
        config: Config::new().with_large_int("number"),
        seen: BTreeSet::new(),
        all: BTreeMap::new(),
    };
    declared.visit::<Case>();
    let mut page =
        "// The case document. Written from the types of crates/case by its tests; do not edit.\n\
        // Where case.json has an event, a report has the event's number in its table.\n\n"
            .to_owned();
    for (docs, name, values) in [
        (
            "The part that an account plays.",
            "AccountRole",
            values(&AccountRole::ALL),
        ),
        (
            "How certain it is that the intruder was on a host.",
            "Certainty",
            values(&Certainty::ALL),
        ),
        (
            "What a detection's results mean.",
            "DetectionType",
            values(&DetectionType::ALL),
        ),
        ("Who witnessed a movement.", "Kind", values(&Kind::ALL)),
        (
            "Why one hop follows from another.",
            "LinkKind",
            values(&LinkKind::ALL),
        ),
        (
            "What carries risk.",
            "RiskObjectKind",
            values(&RiskObjectKind::ALL),
        ),
        ("How bad a finding is.", "Severity", values(&Severity::ALL)),
        (
            "The classification of a hop.",
            "Standing",
            values(&Standing::ALL),
        ),
        (
            "Where the account of a hop changes.",
            "SwitchedAt",
            values(&SwitchedAt::ALL),
        ),
    ] {
        let _ = writeln!(
            page,
            "/** {docs} */\nexport type {name} = {};\n",
            values.join(" | ")
        );
    }
    let _ = writeln!(
        page,
        "/** The kinds of witnesses, in display order. */\nexport const WITNESS_KINDS = [{}] as const;",
        values(&Kind::ALL).join(", ")
    );
    for text in declared.all.values() {
        page.push('\n');
        page.push_str(&laid_out(text));
    }
    page
}

/// Checks that a file of the front end is up to date; with `CASE_TYPES=write` writes it.
fn assert_fresh(file: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../ui/src/data")
        .join(file);
    if std::env::var_os("CASE_TYPES").is_some_and(|value| value == "write") {
        std::fs::write(&path, page).unwrap_or_else(|error| panic!("{error}"));
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "ui/src/data/{file} is stale: run `CASE_TYPES=write cargo test --workspace --lib typescript` and commit it"
    );
}

#[test]
fn the_front_end_has_the_types_of_the_case() {
    assert_fresh("case.ts", &page());
}

#[test]
fn the_front_end_has_the_names_of_events_and_logon_types() {
    let mut page = "// Windows events in a few words, by channel and id. Written from content/windows/events.tsv by the tests of crates/case; do not edit.\n\
        export const EVENT_NAMES: Record<string, Record<number, string>> = {\n"
        .to_owned();
    let mut open = "";
    for ((channel, id), words) in NAMES.iter() {
        if *channel != open {
            page.push_str(if open.is_empty() { "" } else { "  },\n" });
            let _ = writeln!(page, "  {channel:?}: {{");
            open = channel;
        }
        let _ = writeln!(page, "    {id}: {words:?},");
    }
    page.push_str(
        "  },\n};\n\n\
         // What logon types mean. Written from content/windows/logon_types.tsv.\n\
         export const LOGON_TYPES: Record<number, string> = {\n",
    );
    for (number, words) in LOGON_TYPES.iter() {
        let _ = writeln!(page, "  {number}: {words:?},");
    }
    page.push_str("};\n");
    assert_fresh("eventnames.ts", &page);
}
