//! Expectations of a scene: comparing them with the result, and rewriting them to fit it.

use std::fmt::Write as _;

use crabwalk_case::Case;
use crabwalk_movement::{Hop, LinkKind, Movement};
use crabwalk_testing::scene::words;

fn text(id: &Option<String>) -> &str {
    id.as_deref().unwrap_or("?")
}

/// `source>destination account technique`, with `!` if it was only attempted.
pub fn line(hop: &Hop) -> String {
    format!(
        "{}>{} {} {}{}",
        text(&hop.src),
        hop.dst,
        text(&hop.used),
        hop.techniques.first().map_or("-", String::as_str),
        if hop.attempted { "!" } else { "" }
    )
}

/// Everything that a scene can mention, for the message of a failure.
pub fn shown(movement: &Movement) -> String {
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

/// Whether a path is as expected; a certainty that is not given fits any.
fn is_path(found: &str, named: &str) -> bool {
    found.split(' ').count() == named.split(' ').count()
        && found
            .split(' ')
            .zip(named.split(' '))
            .all(|(found, named)| found == named || found.split(':').next() == Some(named))
}

fn clocks(movement: &Movement) -> Vec<String> {
    let all = movement.skew.iter();
    all.map(|one| format!("skew {} {} {}", one.src, one.dst, one.median / 1_000_000))
        .collect()
}

/// The programs that a hop ran, by time.
fn ran(hop: &Hop) -> String {
    let images = hop.processes.iter();
    let names: Vec<&str> = images
        .filter_map(|one| one.image.rsplit('\\').next())
        .collect();
    names.join(",")
}

/// Whether a hop is as expected.
fn holds(hop: &Hop, said: &str) -> bool {
    let (name, value) = said.split_once('=').unwrap_or((said, ""));
    let says = || {
        hop.witnesses
            .iter()
            .any(|one| one.what.to_string().contains(value))
    };
    let has = || hop.techniques.iter().any(|id| id == value);
    let number = || value.parse::<f64>().unwrap_or(f64::NAN);
    match name {
        "actor" => text(&hop.actor) == value,
        "effective" => text(&hop.effective) == value,
        "also" => has(),
        "not" => !has(),
        "says" => says(),
        "silent" => !says(),
        "lacks" => hop
            .missing
            .iter()
            .any(|one| one.why.to_string().contains(value)),
        "above" => hop.confidence > number(),
        "below" => hop.confidence < number(),
        "usual" => hop.usual,
        "unusual" => !hop.usual,
        "ran" => ran(hop) == value,
        _ => panic!("nothing is called {said}"),
    }
}

/// The differences.
fn wrong_movement(movement: &Movement, expected: &[Vec<String>]) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_known = |word: &str| {
        word.contains('>')
            || [
                "(none)", "path", "paths", "skew", "account", "dossier", "blind", "collect",
                "reset",
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
    let mut both = found.iter().zip(&named);
    let all_same = found.len() == named.len() && both.all(|(found, named)| is_path(found, named));
    if !named.is_empty() && !all_same {
        wrong.push(format!("expected {named:#?}"));
    }
    for said in all("paths") {
        if said != format!("paths {}", movement.paths.len()) {
            wrong.push(said);
        }
    }
    let found = clocks(movement);
    if all("skew") != found {
        wrong.push(format!("clocks: {found:?}"));
    }
    for said in all("account") {
        if !movement
            .accounts
            .iter()
            .any(|one| said == format!("account {} {}", one.id, one.role.name()))
        {
            wrong.push(said);
        }
    }
    wrong
}

/// Whether some lines are about the case, not only about movement.
pub fn are_about_the_case(lines: &[String]) -> bool {
    let word = |line: &String| line.split_whitespace().next().map(str::to_owned);
    let about = ["dossier", "blind", "collect", "reset"];
    let mut words = lines.iter().filter_map(word);
    words.any(|word| about.contains(&word.as_str()))
}

/// Lists of the case that a scene gives in full.
fn lists(case: &Case) -> [(&'static str, Vec<String>); 3] {
    let blind = case.scope.blind.iter().map(|one| one.host.clone());
    let collect = case.scope.collect.iter();
    let collect = collect.map(|one| format!("{} {}", one.host, one.channel));
    let reset = case.scope.accounts.iter().map(|one| one.account.clone());
    [
        ("blind", blind.collect()),
        ("collect", collect.collect()),
        ("reset", reset.collect()),
    ]
}

/// Where the case differs.
fn wrong_case(case: &Case, expected: &[Vec<String>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (word, found) in lists(case) {
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

/// Where a scene differs; also its case, if lines are about it.
pub fn wrong(movement: &Movement, case: Option<&Case>, lines: &[String]) -> Vec<String> {
    let expected: Vec<Vec<String>> = lines.iter().map(|line| words(line)).collect();
    let mut wrong = wrong_movement(movement, &expected);
    if let Some(case) = case {
        wrong.extend(wrong_case(case, &expected));
    }
    wrong
}

/// The lines as they would have to be; none where no line can say what came.
pub fn restated(movement: &Movement, case: Option<&Case>, lines: &[String]) -> Option<Vec<String>> {
    let word = |line: &str| words(line).into_iter().next().unwrap_or_default();
    let (mut hops, others): (Vec<&String>, Vec<&String>) =
        lines.iter().partition(|line| word(line).contains('>'));
    let mut new = Vec::new();
    for hop in &movement.hops {
        let own = line(hop);
        let same = |old: &&String| words(old).iter().take(3).eq(words(&own).iter());
        let old = hops.iter().position(same).map(|at| hops.remove(at));
        new.push(old.map_or(own, |old| restated_hop(hop, old)));
    }
    if new.is_empty() {
        new.push("(none)".to_owned());
    }
    let (mut groups, mut told): (Vec<(&str, Vec<String>)>, Vec<String>) = (
        vec![
            ("path", paths(movement)),
            ("skew", clocks(movement)),
            ("paths", vec![format!("paths {}", movement.paths.len())]),
        ],
        Vec::new(),
    );
    for (name, entries) in case.into_iter().flat_map(lists) {
        let mut all: Vec<String> = entries.iter().map(|one| format!("{name} {one}")).collect();
        if all.is_empty() {
            all.push(format!("{name} (none)"));
        }
        groups.push((name, all));
    }
    for old in others {
        let name = word(old);
        if let Some((_, all)) = groups.iter().find(|(own, _)| *own == name) {
            // All lines of a kind go where the first one was.
            if !told.contains(&name) {
                new.extend(all.iter().map(|line| {
                    let as_said = lines.iter().find(|old| is_path(line, old));
                    as_said.unwrap_or(line).clone()
                }));
                told.push(name);
            }
        } else if name == "account" {
            let id = words(old).into_iter().nth(1).unwrap_or_default();
            let found = movement.accounts.iter().find(|one| one.id == id);
            new.extend(found.map(|one| format!("account {id} {}", one.role.name())));
        } else if name != "(none)" {
            new.push(old.clone());
        }
    }
    if !told.iter().any(|name| name == "skew") {
        new.extend(clocks(movement));
    }
    wrong(movement, case, &new).is_empty().then_some(new)
}

/// A hop's claims, with each that does not hold negated or removed.
fn restated_hop(hop: &Hop, old: &str) -> String {
    let said = words(old);
    if said.iter().skip(3).all(|said| holds(hop, said)) {
        return old.to_owned();
    }
    let opposite = |said: &str| {
        let (name, value) = said.split_once('=').unwrap_or((said, ""));
        let new = match name {
            "actor" => format!("actor={}", text(&hop.actor)),
            "effective" => format!("effective={}", text(&hop.effective)),
            "ran" => format!("ran={}", ran(hop)),
            "also" => format!("not={value}"),
            "not" => format!("also={value}"),
            "says" => format!("silent={value}"),
            "silent" => format!("says={value}"),
            "above" => format!("below={value}"),
            "below" => format!("above={value}"),
            "usual" => "unusual".to_owned(),
            "unusual" => "usual".to_owned(),
            _ => return None,
        };
        holds(hop, &new).then_some(new)
    };
    let mut new: Vec<String> = said.iter().take(3).cloned().collect();
    for claim in said.into_iter().skip(3) {
        let claim = if holds(hop, &claim) {
            Some(claim)
        } else {
            opposite(&claim)
        };
        new.extend(claim.map(|claim| quoted(&claim)));
    }
    new.join(" ")
}

/// A claim as `words` reads it.
fn quoted(claim: &str) -> String {
    let quote = if claim.contains('\'') { '"' } else { '\'' };
    match claim.split_once('=') {
        Some((name, value)) if value.contains([' ', '\'', '"']) => {
            format!("{name}={quote}{value}{quote}")
        }
        _ => claim.to_owned(),
    }
}
