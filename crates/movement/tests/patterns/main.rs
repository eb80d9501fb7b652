//! Scenes: the events that each way of moving leaves, made by hand, beside harmless ones that are like them; and what must
//! come of them.
//!
//! `scenes/*.txt` hold them, or another folder that the variable `SCENES` names. A scene ends at an empty line; `#`
//! begins a comment.
//!
//! ```text
//! scene a service over TCP
//! 0     WS6  logon     anna 3 Kerberos 0x500 10.1.0.5:50100
//! 0.060 WS6  Security/4697 by=anna:0x500 ServiceName=Updater ServiceFileName=C:\u.exe
//! ----
//! 10.1.0.5>ws6 corp\anna T1569.002 above=0.3
//! ```
//!
//! Each line of events has a time (`1d2h3m4.5s`, or seconds), the host (`-` for a network sensor) and one of
//!
//! - `logon ACCOUNT TYPE PACKAGE LOGONID IP:PORT`: Security 4624
//! - `connects IMAGE ACCOUNT IP:PORT>IP:PORT`, `accepts …`: Sysmon 3 of the one end or the other
//! - `process GUID<PARENTGUID PARENT>IMAGE ACCOUNT:LOGONID COMMANDLINE`: Sysmon 1
//! - `CHANNEL/ID`, or the kind of another log (`zeek:conn`)
//!
//! and then fields, `name=value`. `by=ACCOUNT:LOGONID` stands for the four fields of the subject, `from=IP:PORT` for
//! `IpAddress` and `IpPort`, a value `@ACCOUNT` for its SID. Accounts are of the domain CORP if they name none.
//!
//! Behind `----` stand all hops in their order, `source>destination account technique`, with `!` where it was only
//! tried, `?` for what is not known, and `(none)` where there are none. A hop may go on with
//!
//! - `actor=…`, `effective=…`; `also=…`, `not=…`: techniques that it has too, or has not
//! - `says=…`, `silent=…`: what a witness says, or none does
//! - `lacks=…`: why there is no witness of some kind
//! - `above=…`, `below=…`: its confidence; `usual`, `unusual`
//! - `ran=a.exe,b.exe`: the programs that it ran, by time
//!
//! and lines may follow of
//!
//! - `path HOP HOP … LINK …`: a path's hops by number and the kinds of its links, also with a certainty as in
//!   `time-possible:0.5`; all paths in order, where there is one such line. `paths COUNT`
//! - `skew HOST HOST SECONDS`: clocks that are off, all of them
//! - `account NAME KIND`
//! - `dossier HOST LIST NAME=VALUE …`: an entry of a list in the host's dossier that has these fields, named as in the
//!   case document; `dossier HOST LIST none` where the list is empty
//! - `blind HOST`, `collect HOST CHANNEL`: hosts whose logs are too few, and logs to collect; `blind (none)`. All of
//!   them, where there is one such line

mod details;
mod logs;
mod whole;

use std::fmt::Write as _;
use std::path::Path;

use crabwalk_case::Case;
use crabwalk_movement::{Hop, LinkKind, Movement};
use logs::{Logs, words};

struct Scene {
    name: String,
    logs: Logs,
    expected: Vec<Vec<String>>,
}

/// All scenes, in the order of their files' names.
fn scenes() -> Vec<Scene> {
    let folder = std::env::var_os("SCENES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/patterns/scenes"),
        Into::into,
    );
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for block in text.split("\n\n") {
            let mut lines = block
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            let Some(first) = lines.next() else { continue };
            let name = first
                .strip_prefix("scene ")
                .unwrap_or_else(|| panic!("{}: no scene: {first}", file.display()));
            let lines: Vec<&str> = lines.collect();
            let cut = lines
                .iter()
                .position(|line| *line == "----")
                .unwrap_or_else(|| panic!("{name}: says not what must come of it"));
            let (events, expected) = lines.split_at(cut);
            all.push(Scene {
                name: name.to_owned(),
                logs: Logs::parse(events.iter().copied()),
                expected: expected.iter().skip(1).map(|line| words(line)).collect(),
            });
        }
    }
    assert!(all.len() > 80, "only {} scenes were found", all.len());
    all
}

fn text(id: &Option<String>) -> &str {
    id.as_deref().unwrap_or("?")
}

/// `source>destination account technique`, with `!` where it was only tried.
fn line(hop: &Hop) -> String {
    format!(
        "{}>{} {} {}{}",
        text(&hop.src),
        hop.dst,
        text(&hop.used),
        hop.techniques.first().map_or("-", String::as_str),
        if hop.attempted { "!" } else { "" }
    )
}

/// Everything that a scene can speak of, to read where one fails.
fn shown(movement: &Movement) -> String {
    let mut out = String::new();
    for hop in &movement.hops {
        let _ = writeln!(
            out,
            "  {}  confidence={} usual={} actor={} effective={} {:?}",
            line(hop),
            hop.confidence,
            hop.usual,
            text(&hop.actor),
            text(&hop.effective),
            hop.techniques
        );
        for witness in &hop.witnesses {
            let _ = writeln!(out, "      {}: {}", witness.kind.name(), witness.what);
        }
        for ran in &hop.processes {
            let _ = writeln!(out, "      ran {}", ran.image);
        }
    }
    for path in paths(movement) {
        let _ = writeln!(out, "  {path}");
    }
    let _ = writeln!(out, "  {:?}\n  {:?}", movement.skew, movement.accounts);
    out
}

fn paths(movement: &Movement) -> Vec<String> {
    movement
        .paths
        .iter()
        .map(|path| {
            let hops = path.hops.iter().map(|id| id.trim_start_matches("hop-"));
            let links = path.links.iter().map(|link| match link.kind {
                LinkKind::TimePossible => format!("time-possible:{}", link.certainty),
                kind => kind.name().to_owned(),
            });
            std::iter::once("path".to_owned())
                .chain(hops.map(str::to_owned))
                .chain(links)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

/// Whether a hop is as said.
fn holds(hop: &Hop, said: &str) -> bool {
    let (name, value) = said.split_once('=').unwrap_or((said, ""));
    let says = || hop.witnesses.iter().any(|one| one.what.contains(value));
    let has = || hop.techniques.iter().any(|id| id == value);
    let number = || value.parse::<f64>().unwrap_or(f64::NAN);
    match name {
        "actor" => text(&hop.actor) == value,
        "effective" => text(&hop.effective) == value,
        "also" => has(),
        "not" => !has(),
        "says" => says(),
        "silent" => !says(),
        "lacks" => hop.missing.iter().any(|one| one.why.contains(value)),
        "above" => hop.confidence > number(),
        "below" => hop.confidence < number(),
        "usual" => hop.usual,
        "unusual" => !hop.usual,
        "ran" => {
            let ran: Vec<&str> = hop
                .processes
                .iter()
                .filter_map(|one| one.image.rsplit('\\').next())
                .collect();
            ran.join(",") == value
        }
        _ => panic!("nothing is called {said}"),
    }
}

/// What is not as expected.
fn wrong(movement: &Movement, expected: &[Vec<String>]) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_known = |word: &str| {
        word.contains('>')
            || [
                "(none)", "path", "paths", "skew", "account", "dossier", "blind", "collect",
            ]
            .contains(&word)
    };
    for line in expected {
        if !line.first().is_some_and(|word| is_known(word)) {
            wrong.push(format!("nothing is called {}", line.join(" ")));
        }
    }
    let all = |word: &str| -> Vec<String> {
        expected
            .iter()
            .filter(|line| line.first().is_some_and(|own| own == word))
            .map(|line| line.join(" "))
            .collect()
    };
    let hops: Vec<&Vec<String>> = expected
        .iter()
        .filter(|line| line.first().is_some_and(|word| word.contains('>')))
        .collect();
    let lines: Vec<String> = hops
        .iter()
        .map(|words| words.iter().take(3).cloned().collect::<Vec<_>>().join(" "))
        .collect();
    if movement.hops.iter().map(line).collect::<Vec<_>>() != lines {
        wrong.push(format!("hops: expected {lines:#?}"));
    }
    for (hop, words) in movement.hops.iter().zip(hops) {
        for said in words.iter().skip(3).filter(|said| !holds(hop, said)) {
            wrong.push(format!("{}: not {said}", line(hop)));
        }
    }
    let named = all("path");
    let found = paths(movement);
    // A certainty that is not said may be any.
    let same = |(found, named): (&String, &String)| {
        found.split(' ').count() == named.split(' ').count()
            && found
                .split(' ')
                .zip(named.split(' '))
                .all(|(found, named)| found == named || found.split(':').next() == Some(named))
    };
    let all_same = found.len() == named.len() && found.iter().zip(&named).all(same);
    if !named.is_empty() && !all_same {
        wrong.push(format!("expected {named:#?}"));
    }
    for said in all("paths") {
        if said != format!("paths {}", movement.paths.len()) {
            wrong.push(said);
        }
    }
    let found: Vec<String> = movement
        .skew
        .iter()
        .map(|one| format!("skew {} {} {}", one.src, one.dst, one.median / 1_000_000))
        .collect();
    if all("skew") != found {
        wrong.push(format!("clocks: {found:?}"));
    }
    for said in all("account") {
        if !movement
            .accounts
            .iter()
            .any(|one| said == format!("account {} {}", one.id, one.kind))
        {
            wrong.push(said);
        }
    }
    wrong
}

/// Whether some lines are about the case, not only about movement.
fn is_about_the_case(line: &[String]) -> bool {
    line.first()
        .is_some_and(|word| ["dossier", "blind", "collect"].contains(&word.as_str()))
}

/// What of the case is not as expected.
fn wrong_case(case: &Case, expected: &[Vec<String>]) -> Vec<String> {
    let mut wrong = Vec::new();
    let scope = &case.scope;
    let lists: [(&str, Vec<String>); 2] = [
        (
            "blind",
            scope.blind.iter().map(|one| one.host.clone()).collect(),
        ),
        (
            "collect",
            scope
                .collect
                .iter()
                .map(|one| format!("{} {}", one.host, one.channel))
                .collect(),
        ),
    ];
    for (word, found) in lists {
        let said: Vec<String> = expected
            .iter()
            .filter(|line| line.first().is_some_and(|own| own == word))
            .filter_map(|line| Some(line.get(1..)?.join(" ")))
            .collect();
        let none = said == ["(none)"] && found.is_empty();
        if !said.is_empty() && !none && said != found {
            wrong.push(format!("{word}: {found:?}"));
        }
    }
    for line in expected {
        let [word, host, list, said @ ..] = line.as_slice() else {
            continue;
        };
        if word != "dossier" {
            continue;
        }
        let dossier = case
            .dossiers
            .hosts
            .iter()
            .find(|dossier| dossier.host == *host)
            .and_then(|dossier| serde_json::to_value(dossier).ok())
            .unwrap_or_default();
        let Some(entries) = dossier.get(list).and_then(|list| list.as_array()) else {
            wrong.push(format!("{host} has no {list}"));
            continue;
        };
        let has = |entry: &serde_json::Value, said: &String| {
            let (name, value) = said.split_once('=').unwrap_or((said, ""));
            entry.get(name).is_some_and(|own| match own.as_str() {
                Some(text) => text == value,
                None => serde_json::from_str::<serde_json::Value>(value)
                    .is_ok_and(|value| value == *own),
            })
        };
        let holds = if said == ["none"] {
            entries.is_empty()
        } else {
            entries
                .iter()
                .any(|entry| said.iter().all(|said| has(entry, said)))
        };
        if !holds {
            wrong.push(format!("not {}: {entries:#?}", line.join(" ")));
        }
    }
    wrong
}

#[test]
fn scenes_become_hops() {
    let mut failures = String::new();
    for scene in scenes() {
        let movement = scene.logs.movement();
        let mut wrong = wrong(&movement, &scene.expected);
        if scene.expected.iter().any(|line| is_about_the_case(line)) {
            wrong.extend(wrong_case(&scene.logs.case(), &scene.expected));
        }
        if !wrong.is_empty() {
            let _ = writeln!(
                failures,
                "\n{}:\n  {}\n  found\n{}",
                scene.name,
                wrong.join("\n  "),
                shown(&movement)
            );
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
