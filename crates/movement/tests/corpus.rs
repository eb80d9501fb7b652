//! Movements over the public corpus, where it is at hand, against its ground truth. `CRABWALK_CORPUS` names the folder.
//!
//! A hop is found if hosts, account, the family of the technique and the time (within two minutes) are right. Files of one
//! incident are read together. Only files whose truth was read event by event count.
#![allow(clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crabwalk_events::MemoryCatalog;
use crabwalk_events::assets::Assets;
use crabwalk_movement::{Budget, Hop, Movement, analyse, demand};
use crabwalk_score::{Stated, Told, places, told_of_movement, wrong};
use crabwalk_sources::{Input, Limits, Quiet, read};
use crabwalk_testing::corpus;
use serde_json::Value;

const MICROSECONDS: i64 = 1_000_000;
/// How far the time of a hop may be from the truth's.
const NEAR: i64 = 120 * MICROSECONDS;

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("truth");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of the truth"))
        .collect()
}

fn hunt(corpus: &Path, files: &[&Value]) -> Movement {
    let inputs: Vec<Input> = files
        .iter()
        .map(|file| Input::Path(corpus.join(text(file, "path"))))
        .collect();
    let read = read(&inputs, demand(), &Limits::default(), &Quiet);
    let catalog = MemoryCatalog::new(read.collected).expect("columns that fit");
    let (movement, _) =
        analyse(&catalog, &[], &Assets::default(), Budget::default()).expect("events in memory");
    movement
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn list<'v>(file: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    // Some notes stand where hops should.
    file[key]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| one.is_object())
}

/// What is said of the host, under its name or address.
fn stated<'v>(truth: &'v Value, keys: [&str; 2]) -> Vec<&'v str> {
    let all = keys.into_iter().map(|key| text(truth, key));
    all.filter(|name| !name.is_empty() && *name != "unknown")
        .collect()
}

/// A hop as the truth states it.
fn hop_of(truth: &Value) -> Stated<'_> {
    let known = |key: &str| match text(truth, key) {
        "unknown" => "",
        text => text,
    };
    let times = ["time", "time_true_utc"].map(|key| text(truth, key));
    Stated {
        src: places(stated(truth, ["src", "src_ip"])),
        dst: places(stated(truth, ["dst", "dst_ip"])),
        account: known("account"),
        technique: text(truth, "technique"),
        times: times
            .iter()
            .filter_map(|time| time.parse::<jiff::Timestamp>().ok())
            .map(jiff::Timestamp::as_microsecond)
            .collect(),
        tolerance: NEAR,
    }
}

fn is(told: &Told<'_, Hop>, truth: &Value) -> bool {
    wrong(&hop_of(truth), told).is_empty()
}

/// Expected hops of which each begins where an earlier one began or ended; without those that several files show.
fn in_a_row<'v>(expected: &[&'v Value]) -> Option<Vec<&'v Value>> {
    let mut all: Vec<&Value> = Vec::new();
    let mut sorted = expected.to_vec();
    sorted.sort_by_key(|hop| text(hop, "time"));
    let mut reached: BTreeSet<String> = BTreeSet::new();
    for hop in sorted {
        let same = |other: &&Value| {
            ["src", "dst", "account", "technique", "time"]
                .iter()
                .all(|key| text(hop, key) == text(other, key))
        };
        if all.iter().any(same) {
            continue;
        }
        let from = places(stated(hop, ["src", "src_ip"]));
        if from.is_empty() || !all.is_empty() && from.is_disjoint(&reached) {
            return None;
        }
        reached.extend(from);
        reached.extend(places(stated(hop, ["dst", "dst_ip"])));
        all.push(hop);
    }
    (all.len() > 1).then_some(all)
}

/// The expected consecutive hops that are missing from the first path.
fn not_in_first_path(movement: &Movement, expected: &[&Value]) -> Vec<String> {
    let hops = told_of_movement(movement);
    let first = movement.paths.first().map(|path| path.hops.as_slice());
    let in_first: Vec<&Told<'_, Hop>> = hops
        .iter()
        .filter(|one| first.is_some_and(|ids| ids.contains(&one.hop.id)))
        .collect();
    let missing = expected
        .iter()
        .filter(|hop| !in_first.iter().any(|one| is(one, hop)));
    missing.map(|hop| described(hop)).collect()
}

fn described(hop: &Value) -> String {
    let parts = ["src", "dst", "account", "technique", "time"];
    parts.map(|key| text(hop, key)).join(" ")
}

/// What came of the files of one incident.
#[derive(Default)]
struct Judged {
    expected: usize,
    missed: Vec<String>,
    asserted: usize,
    wrong: Vec<String>,
    /// Whether its hops are several in a row, and what of them is not in the first path.
    row: Option<Vec<String>>,
}

fn judged(movement: &Movement, unit: &str, files: &[&Value]) -> Judged {
    /// Roles of files in which there is real remote access beside the act.
    const SCENES: [&str; 4] = ["coercion", "relay", "cred-access", "lm"];
    let all = |key: &'static str| files.iter().flat_map(move |file| list(file, key));
    let hops = told_of_movement(movement);
    let wanted: Vec<&Value> = all("expected_hops").collect();
    let mut judged = Judged {
        expected: wanted.len(),
        ..Judged::default()
    };
    let mut right = BTreeSet::new();
    for hop in &wanted {
        let found: Vec<_> = hops.iter().filter(|one| is(one, hop)).collect();
        right.extend(found.iter().map(|one| &one.hop.id));
        if found.is_empty() {
            judged.missed.push(format!("{unit}: {}", described(hop)));
        }
    }
    let mut neutral: Vec<&Value> = all("optional_hops").chain(all("expected_hops")).collect();
    if files
        .iter()
        .any(|file| SCENES.iter().any(|own| text(file, "role").starts_with(own)))
    {
        neutral.extend(all("observed_remote_logons"));
    }
    for one in hops.iter().filter(|one| one.hop.standing().happened()) {
        judged.asserted += 1;
        if !right.contains(&one.hop.id) && !neutral.iter().any(|hop| one.has_ends(&hop_of(hop))) {
            let (src, dst, techniques) = (&one.src, &one.dst, &one.hop.techniques);
            judged
                .wrong
                .push(format!("{unit}: {src:?} {dst:?} {techniques:?}"));
        }
    }
    // Hops that are only possible are not chained.
    let claimed = |hop: &&Value| {
        hops.iter()
            .any(|one| one.hop.standing().happened() && is(one, hop))
    };
    judged.row = in_a_row(&wanted)
        .filter(|row| row.iter().any(claimed))
        .map(|row| not_in_first_path(movement, &row));
    judged
}

#[test]
fn hops_of_recorded_attacks() {
    let Some(corpus) = corpus("truth.jsonl") else {
        return;
    };
    let truth = lines(&corpus.join("truth.jsonl"));
    let mut units: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for file in &truth {
        if text(file, "review") == "curated"
            && ["evtx", "events", "zeek"].contains(&text(file, "kind"))
        {
            let path = text(file, "path");
            let unit = file["case"].as_str().unwrap_or(path);
            units.entry(unit).or_default().push(file);
        }
    }
    let units: Vec<(&str, Vec<&Value>)> = units.into_iter().collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut all = Vec::new();
        while let Some((unit, files)) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
            all.push(judged(&hunt(&corpus, files), unit, files));
        }
        all
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let all: Vec<Judged> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter();
        done.flat_map(|worker| worker.join().expect("a hunt"))
            .collect()
    });
    let expected: usize = all.iter().map(|one| one.expected).sum();
    let asserted: usize = all.iter().map(|one| one.asserted).sum();
    let missed: Vec<&String> = all.iter().flat_map(|one| &one.missed).collect();
    let wrong: Vec<&String> = all.iter().flat_map(|one| &one.wrong).collect();
    let rows: Vec<&Vec<String>> = all.iter().filter_map(|one| one.row.as_ref()).collect();
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    let share = |of: usize, all: usize| 1.0 - of as f64 / all.max(1) as f64;
    let (recall, precision) = (share(missed.len(), expected), share(wrong.len(), asserted));
    println!(
        "{} files or incidents: {expected} hops expected, recall {recall:.3}; {asserted} asserted, precision {precision:.3}; {} of several hops",
        units.len(),
        rows.len()
    );
    assert!(recall >= 0.95, "recall {recall}: missed {missed:#?}");
    assert!(precision >= 0.90, "precision {precision}: wrong {wrong:#?}");
    assert!(rows.len() > 2, "{} of several hops", rows.len());
    assert!(
        rows.iter().all(|missing| missing.is_empty()),
        "not in the first path: {rows:#?}"
    );
}

#[test]
fn a_made_chain_is_one_path() {
    let Some(corpus) = corpus("synthetic-truth.jsonl") else {
        return;
    };
    let truth = lines(&corpus.join("synthetic-truth.jsonl"));
    let file = truth
        .iter()
        .find(|file| text(file, "path").ends_with("chain_abc.jsonl"))
        .expect("the chain");
    let movement = hunt(&corpus, &[file]);
    let expected: Vec<&Value> = list(file, "expected_hops").collect();
    let found = told_of_movement(&movement);
    assert_eq!(found.len(), expected.len(), "{:#?}", movement.hops);
    for (hop, expected) in found.iter().zip(expected) {
        assert!(is(hop, expected), "{expected} is not {:#?}", hop.hop);
    }
    let ids: Vec<&String> = movement.hops.iter().map(|hop| &hop.id).collect();
    let paths: Vec<Vec<&String>> = movement
        .paths
        .iter()
        .map(|path| path.hops.iter().collect())
        .collect();
    assert_eq!(paths, [ids]);
}
