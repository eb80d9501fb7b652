//! The plan of the house, kept by a test: which crate may use which, and that the files of a crate can be read in some
//! order, because they do not import each other in circles.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test may stop at what it cannot read"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each crate, and those it may use. `[dev-dependencies]` are unrestricted.
const ROOMS: &[(&str, &[&str])] = &[
    ("vocabulary", &[]),
    ("sources", &["vocabulary"]),
    ("events", &["vocabulary", "sources"]),
    ("store", &["vocabulary", "sources", "events"]),
    ("spl", &["vocabulary", "sources", "events"]),
    ("detect", &["vocabulary", "sources", "events", "spl"]),
    ("activity", &["vocabulary", "sources", "events"]),
    ("movement", &["vocabulary", "sources", "events", "activity"]),
    (
        "hunt",
        &[
            "vocabulary",
            "sources",
            "events",
            "spl",
            "detect",
            "activity",
            "movement",
        ],
    ),
    (
        "case",
        &[
            "vocabulary",
            "sources",
            "events",
            "spl",
            "detect",
            "activity",
            "movement",
            "hunt",
        ],
    ),
    (
        "cluster",
        &["vocabulary", "sources", "events", "store", "spl"],
    ),
    ("lab", &["vocabulary"]),
    ("score", &["vocabulary", "movement", "hunt", "case", "lab"]),
    (
        // It stands as low as events do: what it used, its tests could not use without circles.
        "testing",
        &["vocabulary", "sources", "events"],
    ),
    (
        "server",
        &[
            "vocabulary",
            "sources",
            "events",
            "store",
            "spl",
            "detect",
            "activity",
            "movement",
            "hunt",
            "case",
            "cluster",
        ],
    ),
    (
        "python",
        &[
            "vocabulary",
            "sources",
            "events",
            "store",
            "spl",
            "detect",
            "activity",
            "movement",
            "hunt",
            "case",
            "lab",
        ],
    ),
    (
        "cli",
        &[
            "vocabulary",
            "sources",
            "events",
            "store",
            "spl",
            "detect",
            "activity",
            "movement",
            "hunt",
            "case",
            "cluster",
            "server",
            "lab",
            "score",
        ],
    ),
];

/// The most files that may import each other in a circle.
const CIRCLE: usize = 3;

fn crates() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all: Vec<(String, PathBuf)> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("Cargo.toml").is_file())
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                path,
            )
        })
        .collect();
    all.sort();
    assert!(all.len() > 5, "no crates beside {}", root.display());
    all
}

/// The crates of this project that a manifest names under `[dependencies]`.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut all = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        let named = match section {
            "[dependencies]" => line,
            section => section.strip_prefix("[dependencies.").unwrap_or_default(),
        };
        if let Some(name) = named.strip_prefix("crabwalk-") {
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '-' && c != '_');
            all.insert(name[..end.unwrap_or(name.len())].to_owned());
        }
    }
    all
}

#[test]
fn crates_use_only_what_stands_left_of_them() {
    let mut wrong = Vec::new();
    for (name, path) in crates() {
        let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == name) else {
            wrong.push(format!(
                "crates/{name} is not in the plan: give it a line in ROOMS"
            ));
            continue;
        };
        let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap();
        for used in dependencies(&manifest) {
            if !allowed.contains(&used.as_str()) {
                wrong.push(format!("crates/{name} must not use crates/{used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_do_not_import_each_other_in_circles() {
    let mut wrong = Vec::new();
    for (name, path) in crates() {
        let modules = Modules::read(&path.join("src"));
        let largest = modules
            .circles()
            .into_iter()
            .max_by_key(Vec::len)
            .unwrap_or_default();
        if largest.len() > CIRCLE {
            wrong.push(format!(
                "crates/{name}: {} files import each other in a circle, {CIRCLE} may:\n  {}",
                largest.len(),
                largest.join("\n  ")
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Crates that read events and do not know where these lie.
const READ_EVENTS: [&str; 4] = ["spl", "activity", "movement", "hunt"];

#[test]
fn who_reads_events_asks_a_catalog_wherever_it_lies() {
    for (name, path) in crates() {
        if !READ_EVENTS.contains(&name.as_str()) {
            continue;
        }
        for file in Modules::read(&path.join("src")).files.values() {
            assert!(
                !file.brought.contains_key("MemoryCatalog"),
                "crates/{name}/src/{}: take a `&dyn Catalog`",
                file.shown
            );
        }
    }
}

/// A path of modules or of what is in them, from the root of the crate.
type Names = Vec<String>;

/// The files of a crate and what they name.
#[derive(Default)]
struct Modules {
    files: BTreeMap<Names, File>,
}

#[derive(Default)]
struct File {
    shown: String,
    /// Names brought in by `use`, and what they stand for.
    brought: BTreeMap<String, Names>,
    /// Paths that begin with `crate`, `super` or `self`, from the root.
    named: BTreeSet<Names>,
}

impl Modules {
    fn read(source: &Path) -> Self {
        let mut all = Self::default();
        let mut tests = BTreeSet::new();
        all.folder(source, source, &mut tests);
        all.files
            .retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        all
    }

    fn folder(&mut self, source: &Path, folder: &Path, tests: &mut BTreeSet<Names>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.folder(source, &path, tests);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let shown = path
                    .strip_prefix(source)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                let mut module: Names = shown
                    .trim_end_matches(".rs")
                    .split('/')
                    .map(str::to_owned)
                    .collect();
                if module.last().is_some_and(|last| last == "mod")
                    || module == ["lib"]
                    || module == ["main"]
                {
                    module.pop();
                }
                let tokens =
                    without_tests(&tokens(&fs::read_to_string(&path).unwrap()), &module, tests);
                let mut file = File {
                    shown,
                    ..File::default()
                };
                file.collect(&tokens, &module);
                self.files.insert(module, file);
            }
        }
    }

    /// The file that holds what a path names; re-exports are followed.
    fn file_of(&self, path: &[String], hops: usize) -> Option<&Names> {
        let held = (0..=path.len())
            .rev()
            .find(|end| self.files.contains_key(&path[..*end]))?;
        let (module, file) = self.files.get_key_value(&path[..held])?;
        if let (Some(name), true) = (path.get(held), hops > 0)
            && let Some(meant) = file.brought.get(name)
        {
            let mut meant = meant.clone();
            meant.extend_from_slice(&path[held + 1..]);
            return self.file_of(&meant, hops - 1);
        }
        Some(module)
    }

    /// Sets of files of which each leads to each other, by Tarjan's algorithm.
    fn circles(&self) -> Vec<Vec<String>> {
        let modules: Vec<&Names> = self.files.keys().collect();
        let at: BTreeMap<&Names, usize> = modules
            .iter()
            .enumerate()
            .map(|(at, one)| (*one, at))
            .collect();
        let edges: Vec<Vec<usize>> = self
            .files
            .iter()
            .map(|(module, file)| {
                let to = file.named.iter().filter_map(|path| self.file_of(path, 8));
                to.filter(|to| *to != module).map(|to| at[to]).collect()
            })
            .collect();
        let mut tarjan = Tarjan {
            order: vec![None; modules.len()],
            low: vec![0; modules.len()],
            ..Tarjan::default()
        };
        for node in 0..modules.len() {
            if tarjan.order[node].is_none() {
                tarjan.visit(node, &edges);
            }
        }
        let shown = |node: usize| self.files[modules[node]].shown.clone();
        tarjan
            .found
            .into_iter()
            .filter(|circle| circle.len() > 1)
            .map(|circle| {
                let mut names: Vec<String> = circle.into_iter().map(shown).collect();
                names.sort();
                names
            })
            .collect()
    }
}

#[derive(Default)]
struct Tarjan {
    next: usize,
    order: Vec<Option<usize>>,
    low: Vec<usize>,
    open: Vec<usize>,
    found: Vec<Vec<usize>>,
}

impl Tarjan {
    fn visit(&mut self, node: usize, edges: &[Vec<usize>]) {
        let own = self.next;
        self.next += 1;
        self.order[node] = Some(own);
        self.low[node] = own;
        self.open.push(node);
        for &to in &edges[node] {
            match self.order[to] {
                None => {
                    self.visit(to, edges);
                    self.low[node] = self.low[node].min(self.low[to]);
                }
                Some(order) if self.open.contains(&to) => {
                    self.low[node] = self.low[node].min(order)
                }
                Some(_) => {}
            }
        }
        if self.low[node] == own {
            let from = self.open.iter().position(|open| *open == node).unwrap();
            self.found.push(self.open.split_off(from));
        }
    }
}

impl File {
    fn collect(&mut self, tokens: &[String], module: &Names) {
        let mut at = 0;
        while at < tokens.len() {
            let bringing = tokens[at] == "use";
            let start = at + usize::from(bringing);
            let path = start > 0 && tokens[start - 1] == "::";
            let rooted = !path
                && tokens
                    .get(start)
                    .is_some_and(|word| matches!(word.as_str(), "crate" | "super" | "self"))
                && tokens.get(start + 1).is_some_and(|next| next == "::");
            if bringing || rooted {
                let mut leaves = Vec::new();
                at = tree(tokens, start, &mut Vec::new(), &mut leaves).max(at + 1);
                for (path, name) in leaves {
                    self.leaf(path, name, module, bringing, rooted);
                }
            } else {
                at += 1;
            }
        }
    }

    fn leaf(
        &mut self,
        path: Names,
        name: Option<String>,
        module: &Names,
        bringing: bool,
        rooted: bool,
    ) {
        let mut from = path.as_slice();
        let mut whole = module.clone();
        match from.first().map(String::as_str) {
            Some("crate") => {
                whole.clear();
                from = &from[1..];
            }
            Some("self") => from = &from[1..],
            _ => {}
        }
        while from.first().is_some_and(|word| word == "super") {
            whole.pop();
            from = &from[1..];
        }
        whole.extend_from_slice(from);
        if bringing && let Some(name) = name {
            self.brought.insert(name, whole.clone());
        }
        if rooted {
            self.named.insert(whole);
        }
    }
}

/// Reads `a::b::{c, d as e, f::*}` from `at`: each whole path with the name that it brings in. Where it ends.
fn tree(
    tokens: &[String],
    mut at: usize,
    path: &mut Names,
    leaves: &mut Vec<(Names, Option<String>)>,
) -> usize {
    let depth = path.len();
    while let Some(word) = tokens.get(at) {
        match word.as_str() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|word| word != "}") {
                    let next = tree(tokens, at, path, leaves);
                    at = if tokens.get(next).is_some_and(|word| word == ",") {
                        next + 1
                    } else {
                        next
                    };
                    if next == at && tokens.get(at).is_some_and(|word| word != "}") {
                        break;
                    }
                }
                path.truncate(depth);
                return at + 1;
            }
            "*" => {
                leaves.push((path.clone(), None));
                path.truncate(depth);
                return at + 1;
            }
            word if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                // `a::{self}` is `a`.
                if word != "self" || path.is_empty() {
                    path.push(word.to_owned());
                }
                at += 1;
                if tokens.get(at).is_some_and(|next| next == "::")
                    && tokens.get(at + 1).is_some_and(|next| {
                        next == "{"
                            || next == "*"
                            || next.starts_with(|c: char| c.is_alphabetic() || c == '_')
                    })
                {
                    at += 1;
                    continue;
                }
                let mut name = path.last().cloned();
                if tokens.get(at).is_some_and(|next| next == "as") {
                    name = tokens.get(at + 1).cloned();
                    at += 2;
                }
                leaves.push((path.clone(), name));
                path.truncate(depth);
                return at;
            }
            _ => break,
        }
    }
    path.truncate(depth);
    at
}

/// Takes out what stands under `#[cfg(test)]`; test modules in files of their own are added to `tests`.
fn without_tests(tokens: &[String], module: &Names, tests: &mut BTreeSet<Names>) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !(tokens.len() >= at + MARK.len()
            && (0..MARK.len()).all(|on| tokens[at + on] == MARK[on]))
        {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += MARK.len();
        if let (Some("mod"), Some(name), Some(";")) = (
            tokens.get(at).map(String::as_str),
            tokens.get(at + 1),
            tokens.get(at + 2).map(String::as_str),
        ) {
            let mut own = module.clone();
            own.push(name.clone());
            tests.insert(own);
        }
        let mut depth = 0_usize;
        while let Some(word) = tokens.get(at) {
            at += 1;
            match word.as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth = depth.saturating_sub(1),
                ";" if depth == 0 => break,
                _ => {}
            }
            if word == "}" && depth == 0 {
                break;
            }
        }
    }
    kept
}

/// Words, `::` and single signs of a Rust source, without comments, texts and characters.
fn tokens(source: &str) -> Vec<String> {
    let text: Vec<char> = source.chars().collect();
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        let next = text.get(at + 1).copied();
        if c == '/' && next == Some('/') {
            at += text[at..].iter().take_while(|c| **c != '\n').count();
        } else if c == '/' && next == Some('*') {
            let mut depth = 0;
            while at < text.len() {
                match (text[at], text.get(at + 1)) {
                    ('/', Some('*')) => (depth, at) = (depth + 1, at + 1),
                    ('*', Some('/')) => (depth, at) = (depth - 1, at + 1),
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
        } else if c == '"' {
            at = quoted(&text, at);
        } else if c == '\'' {
            // A character, or the `'` of a lifetime.
            if next == Some('\\') {
                at += 3;
                at += text[at.min(text.len())..]
                    .iter()
                    .take_while(|c| **c != '\'')
                    .count()
                    + 1;
            } else {
                at += if text.get(at + 2) == Some(&'\'') {
                    3
                } else {
                    1
                };
            }
        } else if c.is_alphanumeric() || c == '_' {
            let length = text[at..]
                .iter()
                .take_while(|c| c.is_alphanumeric() || **c == '_')
                .count();
            let word: String = text[at..at + length].iter().collect();
            at += length;
            let hashes = text[at..].iter().take_while(|c| **c == '#').count();
            if matches!(word.as_str(), "r" | "br" | "cr") && text.get(at + hashes) == Some(&'"') {
                at += hashes + 1;
                while at < text.len()
                    && !(text[at] == '"'
                        && text[at + 1..]
                            .iter()
                            .take(hashes)
                            .filter(|c| **c == '#')
                            .count()
                            == hashes)
                {
                    at += 1;
                }
                at += hashes + 1;
            } else {
                all.push(word);
            }
        } else if c == ':' && next == Some(':') {
            all.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                all.push(c.to_string());
            }
            at += 1;
        }
    }
    all
}

fn quoted(text: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

#[test]
fn imports_are_read() {
    let source = r##"
        use std::fmt;
        use crate::a::{self, b::C, d::{E as F, *}};
        // use crate::no;
        const TEXT: &str = "crate::no"; const RAW: &str = r#"crate::"no""#; const MARK: char = '"';
        fn one<'x>() { crate::g::h(super::i::J::<u8>::new()) }
        pub(crate) fn two() {}
        #[cfg(test)]
        mod tests { use super::no; }
        #[cfg(test)]
        mod more;
    "##;
    let mut tests = BTreeSet::new();
    let module = vec!["x".to_owned(), "y".to_owned()];
    let tokens = without_tests(&tokens(source), &module, &mut tests);
    let mut file = File::default();
    file.collect(&tokens, &module);
    let named: Vec<String> = file.named.iter().map(|path| path.join("::")).collect();
    assert_eq!(
        named,
        ["a", "a::b::C", "a::d", "a::d::E", "g::h", "x::i::J"]
    );
    assert_eq!(file.brought["F"], ["a", "d", "E"]);
    assert!(tests.contains(&vec!["x".to_owned(), "y".to_owned(), "more".to_owned()]));
}
