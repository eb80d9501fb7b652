//! `crabwalk lab`: worlds are made, hunted and compared with what was planted.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may panic.

use crabwalk_testing::crabwalk;
use serde_json::Value;

/// Two days show no habits, but what forty accounts do shows what is ordinary.
#[test]
fn a_few_days_of_many_accounts_tell_an_intruder_from_daily_work() {
    let mut arguments = vec!["lab", "evaluate", "--profile", "hard", "--hosts", "40"];
    arguments.extend(["--days", "2", "--intrusions", "0,1", "--seed", "41"]);
    arguments.extend(["--format", "json"]);
    let scores: Value = serde_json::from_str(&crabwalk(".", &arguments).said(0)).unwrap();
    let [quiet, one] = scores.as_array().unwrap().as_slice() else {
        panic!("two enterprises: {scores}");
    };
    let number = |of: &Value, path: &str| of.pointer(path).unwrap().as_f64().unwrap();
    assert_eq!(number(quiet, "/verdict/paths"), 0.0);
    assert!(number(quiet, "/verdict/notables_per_day") <= 5.0);
    assert_eq!(number(one, "/verdict/paths"), 1.0);
    assert_eq!(number(one, "/verdict/false"), 0.0);
    assert_eq!(number(one, "/paths/on_top"), 1.0);
}

#[test]
fn a_small_enterprise_is_evaluated() {
    let directory = tempfile::tempdir().unwrap();
    let keep = directory.path().to_str().unwrap();
    let output = crabwalk(
        ".",
        &[
            "lab",
            "evaluate",
            "--hosts",
            "20",
            "--days",
            "2",
            "--intrusions",
            "0,2",
            "--volume",
            "0.5",
            "--keep",
            keep,
            "--format",
            "json",
        ],
    );
    let scores: Value = serde_json::from_str(&output.said(0)).unwrap();
    let [quiet, two] = scores.as_array().unwrap().as_slice() else {
        panic!("two enterprises: {scores}");
    };
    assert_eq!(quiet["hops"]["planted"], 0);
    assert_eq!(two["intrusions"], 2);
    let number = |path: &str| two.pointer(path).unwrap().as_f64().unwrap();
    assert!(number("/hops/planted") >= 4.0, "{two}");
    assert!(number("/recall") >= 0.75, "{two}");
    // What is asserted may be daily work, but it happened.
    assert!(number("/movement_precision") > 0.95, "{two}");
    assert!(number("/actor/found") <= number("/actor/planted"), "{two}");
    assert!(number("/logons") > 100.0 && number("/logons") < number("/events"));
    assert!(number("/verdict/paths") <= number("/paths/all"), "{two}");
    assert_eq!(two["found_intrusions"].as_array().unwrap().len(), 2);
    assert!(number("/events") > 1000.0 && number("/seconds") > 0.0);

    // The same from the files that were kept.
    let world = directory.path().join("2-intrusions");
    let world = world.to_str().unwrap();
    let case = directory.path().join("case");
    let hunted = crabwalk(
        ".",
        &["hunt", world, "--quiet", "--out", case.to_str().unwrap()],
    );
    hunted.said(0);
    let case = case.join("case.json");
    let case = case.to_str().unwrap();
    let again: Value = serde_json::from_str(
        &crabwalk(".", &["lab", "score", world, case, "--format", "json"]).said(0),
    )
    .unwrap();
    for field in [
        "hops",
        "paths",
        "verdict",
        "actor",
        "recall",
        "precision",
        "missed",
    ] {
        assert_eq!(again[0][field], two[field], "{field}");
    }
    let table = crabwalk(".", &["lab", "score", world, case, "--verbose"]).said(0);
    assert!(table.starts_with("intrusions"), "{table}");
    assert!(table.contains("intrusion-2: "), "{table}");
}

#[test]
fn a_small_world_is_scored_as_an_enterprise_is() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    crabwalk(folder, &["lab", "build", "world"]).said(0);
    crabwalk(folder, &["hunt", "world", "--quiet", "--out", "case"]).said(0);
    let arguments = [
        "lab",
        "score",
        "world",
        "case/case.json",
        "--format",
        "json",
    ];
    let scores: Value = serde_json::from_str(&crabwalk(folder, &arguments).said(0)).unwrap();
    let score = &scores[0];
    assert_eq!(
        (&score["intrusions"], &score["recall"]),
        (&1.into(), &1.0.into()),
        "{score}"
    );
    assert_eq!(score["hops"]["planted"], score["hops"]["found"], "{score}");
    assert!(score["hops"]["planted"].as_u64() > Some(2), "{score}");
    assert_eq!(score["paths"]["on_top"], 1, "{score}");
    // Another version's truth is refused, and it says which.
    let path = folder.join("world/truth.json");
    let truth = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        truth.replace("crabwalk.truth/1", "crabwalk.truth/99"),
    )
    .unwrap();
    let refused = crabwalk(folder, &arguments);
    assert_eq!(refused.status, 1);
    assert!(refused.err.contains("crabwalk.truth/99"), "{}", refused.err);
}

#[test]
fn a_case_that_knows_nothing_scores_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let world = directory.path().join("world");
    let world = world.to_str().unwrap();
    crabwalk(
        ".",
        &[
            "lab",
            "build",
            world,
            "--hosts",
            "20",
            "--days",
            "2",
            "--intrusions",
            "2",
            "--volume",
            "0",
        ],
    )
    .said(0);
    // Nothing is known about a host that takes part in nothing.
    let output = crabwalk(
        ".",
        &[
            "hunt",
            &format!(
                "{world}/KEL-ADM01/Microsoft-Windows-TerminalServices-LocalSessionManager%4Operational.evtx"
            ),
            "--format",
            "json",
        ],
    );
    let case = directory.path().join("case.json");
    std::fs::write(&case, output.said(0)).unwrap();
    let score: Value = serde_json::from_str(
        &crabwalk(
            ".",
            &[
                "lab",
                "score",
                world,
                case.to_str().unwrap(),
                "--format",
                "json",
            ],
        )
        .said(0),
    )
    .unwrap();
    assert_eq!(score[0]["hops"]["found"], 0);
    assert_eq!(score[0]["recall"], 0.0);
    assert_eq!(score[0]["paths"]["whole"], 0);
}

#[test]
fn what_makes_no_world_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    for args in [
        vec!["lab", "build", path, "--logons", "many"],
        vec!["lab", "build", path, "--hosts", "20", "--bytes", "1GB"],
        vec!["lab", "build", path, "--intrusions", "2"],
        vec!["lab", "build", path, "--profile", "hard"],
        vec!["lab", "build", path, "--work", "polling"],
        vec!["lab", "build", path, "--telemetry", "full"],
        vec![
            "lab",
            "build",
            path,
            "--logons",
            "1K",
            "--hosts",
            "20",
            "--profile",
            "hard",
        ],
        vec![
            "lab", "build", path, "--logons", "1K", "--hosts", "20", "--volume", "2",
        ],
        vec!["lab", "evaluate", "--hosts", "3"],
        vec![
            "lab",
            "evaluate",
            "--protocol",
            "hopper",
            "--hosts",
            "12",
            "--days",
            "2",
            "--attacks",
            "1",
            "--seed",
            "1,50",
        ],
        vec!["lab", "score", path, path],
    ] {
        let output = crabwalk(".", &args);
        assert_ne!(output.status, 0, "{args:?}");
        assert!(!output.err.is_empty(), "{args:?}");
        // Nothing is made of them.
        let made = std::fs::read_dir(path).unwrap().count();
        assert_eq!(made, 0, "{args:?}");
    }
}

#[test]
fn attacks_of_the_protocol_are_counted_by_goal_and_stealth() {
    let output = crabwalk(
        ".",
        &[
            "lab",
            "evaluate",
            "--protocol",
            "hopper",
            "--hosts",
            "24",
            "--days",
            "4",
            "--volume",
            "0.5",
            "--work",
            "second-accounts,help-desk",
            "--seed",
            "7",
            "--attacks",
            "6",
            "--per-world",
            "3",
            "--jobs",
            "2",
            "--format",
            "json",
        ],
    );
    let outcome: Value = serde_json::from_str(&output.said(0)).unwrap();
    assert_eq!(outcome["worlds"], 2);
    let cells = outcome["cells"].as_array().unwrap();
    let attacks: u64 = cells
        .iter()
        .map(|cell| cell["attacks"].as_u64().unwrap())
        .sum();
    assert!((1..=6).contains(&attacks), "{outcome}");
    assert_eq!(outcome["attacks"], attacks);
    for cell in cells {
        let share = |name: &str| cell["detected"][name].as_f64().unwrap();
        assert!(share("low") <= share("share") && share("share") <= share("high"));
    }
    // The more may be told, the more is detected.
    let found: Vec<u64> = outcome["curve"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| place["detected"]["count"].as_u64().unwrap())
        .collect();
    assert!(found.is_sorted() && found.len() > 4, "{found:?}");
    let refused = crabwalk(".", &["lab", "evaluate", "--work", "wizardry"]);
    assert_ne!(refused.status, 0);
    assert!(refused.err.contains("second-accounts"));
}
