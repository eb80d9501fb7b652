//! The case as the front end sees it: `ui/src/data/case.ts` is generated from the document's types, and `eventnames.ts`
//! from the content table, so that both sides always agree. `docs/case.md` has the same for people.
//!
//! `REFERENCE=write cargo test --workspace --lib reference` writes them.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crabwalk_detect::{DetectionType, RiskObjectKind};
use crabwalk_movement::{AccountRole, Certainty, Kind, LinkKind, Standing, SwitchedAt};
use crabwalk_testing::assert_fresh;
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

/// The types of the document that are structures, by name.
fn declared() -> BTreeMap<String, String> {
    let mut declared = Declared {
        config: Config::new().with_large_int("number"),
        seen: BTreeSet::new(),
        all: BTreeMap::new(),
    };
    declared.visit::<Case>();
    declared.all
}

/// The types of the document that are one of a few texts: what it means, its name, its values.
fn choices() -> [(&'static str, &'static str, Vec<String>); 9] {
    [
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
    ]
}

fn page() -> String {
    let mut page =
        "// The case document. Written from the types of crates/case by its tests; do not edit.\n\
        // Where case.json has an event, a report has the event's number in its table.\n\n"
            .to_owned();
    for (docs, name, values) in choices() {
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
    for text in declared().values() {
        page.push('\n');
        page.push_str(&laid_out(text));
    }
    page
}

/// The same for people: a section for each type, with a table of its keys.
fn for_people() -> String {
    let mut page = "# The case document\n\n\
        <!-- Written from the types of crates/case by its tests; do not edit. -->\n\n\
        `case.json` is one JSON object of the type [Case](#case), schema `crabwalk.case/1`, with one hop or finding per line. Times \
        are RFC 3339 in UTC. Lists may be empty; keys are always there.\n"
        .to_owned();
    let mut types: BTreeMap<String, String> = BTreeMap::new();
    let choices = choices();
    let names: BTreeSet<String> = declared()
        .into_keys()
        .chain(choices.iter().map(|(_, name, _)| (*name).to_owned()))
        .collect();
    for (docs, name, values) in &choices {
        let text = format!("{docs} One of `{}`.\n", values.join("`, `"));
        types.insert((*name).to_owned(), text);
    }
    for (name, text) in declared() {
        let text = laid_out(&text);
        let comment = |line: &str| {
            let line = line.trim().strip_prefix("/**")?.strip_suffix("*/")?;
            Some(line.trim().replace('|', "\\|").replace('<', "&lt;"))
        };
        let mut lines = text.lines();
        let mut section = lines.next().and_then(comment).unwrap_or_default();
        section.push_str("\n\n| key | type | meaning |\n| --- | --- | --- |\n");
        let mut docs = String::new();
        for line in lines {
            if let Some(own) = comment(line) {
                docs = own;
            } else if let Some((key, kind)) = line
                .trim()
                .strip_suffix(';')
                .and_then(|line| line.split_once(": "))
            {
                let kind = linked(kind, &names);
                let _ = writeln!(section, "| `{}` | {kind} | {docs} |", key.trim_matches('"'));
                docs.clear();
            }
        }
        types.insert(name, section);
    }
    // The whole first, then its parts.
    let whole = types.remove_entry("Case");
    for (name, section) in whole.into_iter().chain(types) {
        let _ = write!(page, "\n## {name}\n\n{section}");
    }
    page
}

/// A type of TypeScript in words of JSON, with links to the document's own types.
fn linked(kind: &str, names: &BTreeSet<String>) -> String {
    if let Some(kind) = kind.strip_suffix(" | null") {
        return format!("{} or null", linked(kind, names));
    }
    let inner = |before: &str| kind.strip_prefix(before)?.strip_suffix('>');
    if let Some(kind) = inner("Array<") {
        return format!("list of {}", linked(kind, names));
    }
    if names.contains(kind) {
        return format!("[{kind}](#{})", kind.to_lowercase());
    }
    kind.replace('|', "\\|").replace('<', "&lt;")
}

#[test]
fn the_reference_has_the_types_of_the_case() {
    assert_fresh("docs/case.md", &for_people());
}

#[test]
fn the_front_end_has_the_types_of_the_case_in_its_reference() {
    assert_fresh("ui/src/data/case.ts", &page());
}

#[test]
fn the_front_end_has_the_names_of_events_and_logon_types_in_its_reference() {
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
    assert_fresh("ui/src/data/eventnames.ts", &page);
}
