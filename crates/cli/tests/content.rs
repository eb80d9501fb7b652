//! `crabwalk content check` and `crabwalk content test`, as users run them.

use std::fs;

use crabwalk_testing::{Ran, crabwalk};
use tempfile::TempDir;

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    for (name, text) in files {
        let path = directory.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).unwrap_or_else(|error| panic!("{error}"));
        }
        fs::write(path, text).unwrap_or_else(|error| panic!("{error}"));
    }
    directory
}

fn detection(name: &str, id: u32, search: &str, more: &str) -> String {
    format!(
        "name: {name}\nid: 11111111-1111-1111-1111-{id:012}\nversion: 1\ntype: TTP\nstatus: production\n\
         description: x\n{search}\nrba:\n  message: $user$ on $dest$\n  risk_objects:\n    - {{field: dest, type: system, score: 50}}\n\
         tags:\n  analytic_story: [Test]\n  mitre_attack_id: [T1021]\n{more}"
    )
}

/// Searches in the ways in which YAML writes them, each with what is to be said and where.
fn checked() -> TempDir {
    directory(&[
        (
            "rules/block.yml",
            &detection(
                "Block",
                1,
                "search: |\n  `wineventlog_security` EventCode=4624\n  | nonsense x",
                "",
            ),
        ),
        (
            "rules/quoted.yml",
            &detection(
                "Quoted",
                2,
                "search: '`wineventlog_security` EventCode=4624 user=\"it''s\"\n  NoSuchField=1 | stats count by\n  user'",
                "",
            ),
        ),
        (
            "rules/double.yml",
            &detection(
                "Double",
                3,
                "search: \"`wineventlog_security` EventCode=4624 user=\\\"a\\\\\\\\b\\\" \\\n  Missing=1 | table user\"",
                "",
            ),
        ),
        (
            "rules/model.yml",
            &detection(
                "Model",
                4,
                "search: |\n  | tstats count from datamodel=Endpoint.Processes\n      where Processes.process_name=cmd.exe by Processes.dest Processes.mem_used",
                "",
            ),
        ),
        (
            "rules/elsewhere.yml",
            &detection(
                "Elsewhere",
                5,
                "search: sourcetype=\"aws:cloudtrail\" eventName=Login | stats count by user",
                "",
            ),
        ),
        (
            "rules/fine.yml",
            &detection(
                "Fine",
                6,
                "search: |\n  `wineventlog_security` EventCode=4624\n  | stats count by dest, src\n  | where src=\"Ann\"",
                "",
            ),
        ),
    ])
}

#[test]
fn check_says_of_each_detection_whether_it_runs() {
    let at = checked();
    let Ran { status, out, .. } = crabwalk(
        at.path(),
        &["content", "check", "rules", "--format", "json"],
    );
    assert_eq!(status, 1);
    let report: serde_json::Value =
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value
            .as_object()
            .map(|map| map.keys().cloned().collect())
            .unwrap_or_default()
    };
    assert_eq!(keys(&report), ["detections", "summary"]);
    let mut found = Vec::new();
    for one in report["detections"].as_array().into_iter().flatten() {
        assert_eq!(
            keys(one),
            [
                "name",
                "id",
                "path",
                "status_in_content",
                "result",
                "reasons"
            ]
        );
        assert_eq!(one["status_in_content"], "production");
        let reasons: Vec<String> = one["reasons"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|reason| {
                assert_eq!(keys(reason), ["message", "line", "column"]);
                let message = reason["message"].as_str().unwrap_or_default();
                format!("{}:{} {message}", reason["line"], reason["column"])
            })
            .collect();
        found.push(format!(
            "{} {}",
            one["name"].as_str().unwrap_or_default(),
            one["result"].as_str().unwrap_or_default()
        ));
        found.extend(reasons);
    }
    insta::assert_snapshot!(found.join("\n"));
    let summary = &report["summary"];
    assert_eq!(
        (
            &summary["detections"],
            &summary["runs"],
            &summary["runs-with-missing-fields"],
            &summary["cannot-run"]
        ),
        (&6.into(), &1.into(), &4.into(), &1.into())
    );
    let lints: Vec<&str> = summary["lints"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| one["detection"] == "Fine")
        .filter_map(|one| one["message"].as_str())
        .collect();
    assert_eq!(lints.len(), 2, "{lints:?}");

    let Ran { status, out, err } = crabwalk(at.path(), &["content", "check", "rules"]);
    assert_eq!(status, 1);
    for words in ["6 detections", "1  cannot run", "4  run, but"] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert!(
        err.contains("rules/block.yml:9:5: Block: error: `nonsense` is not an SPL command"),
        "{err}"
    );
    // Content that is only used by others is not reported.
    let Ran { status, out, .. } = crabwalk(
        at.path(),
        &["content", "check", "rules/fine.yml", "--content", "rules"],
    );
    assert_eq!(status, 0);
    assert!(out.contains("1 detection,"), "{out}");
}

const CASES: &str = "detection: Fine
event: {event: Security/4624, host: KELP-01, LogonType: 3}
fires:
  - case: somebody from elsewhere
    events:
      - {TargetUserName: ann, IpAddress: 10.0.0.7}
    rows: 1
    has: {user: ann, src: 10.0.0.7}
  - case: many
    events:
      - {repeat: 3, every: 2m, host: 'KELP-{n}', TargetUserName: ann, IpAddress: '10.0.0.{n}'}
    rows: 3
quiet:
  - case: another event
    events:
      - {event: Security/4634, TargetUserName: ann}
";
const SEARCH: &str = "search: |\n  `wineventlog_security` EventCode=4624 src=*\n  | stats count min(_time) as firstTime by dest, user, src";
const LOGON: &str = r#"{"@timestamp":"2024-03-01T08:00:00Z","Hostname":"WS1","Channel":"Security","EventID":4624,"RecordNumber":1,"LogonType":"3","TargetUserName":"ann","IpAddress":"10.1.1.1"}
"#;

#[test]
fn tests_run_over_made_events_and_recorded_attacks() {
    let recorded = "tests:
  - name: Beside
    attack_data:
      - {data: data/logon.jsonl, source: XmlWinEventLog:Security, sourcetype: XmlWinEventLog}
  - name: By URL
    attack_data:
      - {data: 'https://media.example.org/attack_data/T1021/logon.jsonl', source: x, sourcetype: y}
  - name: Absent
    attack_data:
      - {data: 'https://elsewhere.example.org/x.log', source: x, sourcetype: y}
  - name: Leads out
    attack_data:
      - {data: 'https://media.example.org/../../etc/passwd', source: x, sourcetype: y}
";
    let at = directory(&[
        ("rules/fine.yml", &detection("Fine", 1, SEARCH, recorded)),
        ("rules/tests/fine.yml", CASES),
        ("data/logon.jsonl", LOGON),
        ("copies/T1021/logon.jsonl", LOGON),
        (
            "map.yml",
            "'https://media.example.org/attack_data/': copies\n'https://media.example.org/': copies\n",
        ),
    ]);
    let run = |more: &[&str]| {
        crabwalk(
            at.path(),
            &[&["content", "test", "rules", "--data-map", "map.yml"], more].concat(),
        )
    };
    let Ran { status, out, err } = run(&["--verbose", "--junit", "out.xml"]);
    assert_eq!(status, 0, "{out}{err}");
    insta::assert_snapshot!(out);
    let junit = fs::read_to_string(at.path().join("out.xml")).unwrap_or_default();
    for words in [
        "<testsuites name=\"crabwalk content test\" tests=\"7\" skipped=\"2\" failures=\"0\" errors=\"0\"",
        "<testcase name=\"fires: many\" classname=\"Fine\"",
        "<skipped message=\"no local copy of https://elsewhere.example.org/x.log",
    ] {
        assert!(junit.contains(words), "{words}: {junit}");
    }

    // What does not hold fails, and says why.
    let cases = CASES
        .replace("user: ann,", "user: bob,")
        .replace(
            "Security/4634, TargetUserName: ann",
            "Security/4624, TargetUserName: eve, IpAddress: 10.9.9.9",
        )
        .replace("rows: 3", "rows: 4");
    fs::write(at.path().join("rules/tests/fine.yml"), cases)
        .unwrap_or_else(|error| panic!("{error}"));
    let Ran { status, out, .. } = run(&["--junit", "out.xml"]);
    assert_eq!(status, 1);
    for words in [
        "FAILED  Fine | fires: somebody from elsewhere",
        "no finding has src=10.0.0.7 user=bob",
        "4 findings expected, 3 found",
        "FAILED  Fine | quiet: another event",
        "it fires although it must stay quiet: dest=KELP-01 user=eve src=10.9.9.9",
        "7 tests: 2 passed, 3 failed, 2 skipped",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let junit = fs::read_to_string(at.path().join("out.xml")).unwrap_or_default();
    assert!(junit.contains("failures=\"3\""), "{junit}");
}

#[test]
fn recorded_attacks_need_the_objects_that_carry_risk() {
    let at = directory(&[
        (
            "rules/fine.yml",
            &detection(
                "Fine",
                1,
                "search: |\n  `wineventlog_security` EventCode=4624\n  | eval dest=\"null\"\n  | stats count by dest, user",
                "tests:\n  - name: x\n    attack_data:\n      - {data: logon.jsonl}\n",
            ),
        ),
        ("rules/logon.jsonl", LOGON),
    ]);
    let Ran { status, out, .. } = crabwalk(at.path(), &["content", "test", "rules"]);
    assert_eq!(status, 1);
    assert!(
        out.contains("1 of 1 rows have no `dest`, a risk object"),
        "{out}"
    );
}

#[test]
fn what_is_wrong_with_tests_is_said() {
    for (cases, status, words) in [
        (
            CASES.replace("detection: Fine", "detection: Other"),
            1,
            "no detection is named `Other`",
        ),
        (
            CASES.replace("rows: 1", "rows: some"),
            1,
            "rules/tests/fine.yml:",
        ),
        (
            CASES.replace("event: Security/4634", "event: Security"),
            1,
            "event 1: `Security` is not an event type",
        ),
        (
            CASES.replace("every: 2m", "every: soon"),
            1,
            "event 1: `every: soon` is not a time",
        ),
        (
            CASES.replace("repeat: 3", "repeat: 100001"),
            1,
            "event 1: `repeat: 100001` is not a number up to 100000",
        ),
        (CASES.replace("    rows: 1\n", "    rowz: 1\n"), 1, "rowz"),
        (CASES.to_owned(), 0, "3 passed, 0 failed"),
    ] {
        let at = directory(&[
            ("rules/fine.yml", &detection("Fine", 1, SEARCH, "")),
            ("rules/tests/fine.yml", &cases),
        ]);
        let Ran {
            status: found,
            out,
            err,
        } = crabwalk(at.path(), &["content", "test", "rules"]);
        assert_eq!(found, status, "{words}: {out}{err}");
        assert!(format!("{out}{err}").contains(words), "{words}: {out}{err}");
    }
    let at = directory(&[("rules/fine.yml", &detection("Fine", 1, SEARCH, ""))]);
    let Ran { status, err, .. } = crabwalk(
        at.path(),
        &["content", "test", "rules", "--detection", "Fone"],
    );
    assert_eq!(status, 1);
    assert!(err.contains("no detection is named `Fone`"), "{err}");
    let Ran { status, out, err } = crabwalk(at.path(), &["content", "test", "rules"]);
    assert_eq!(
        (status, out.as_str()),
        (0, "0 tests: 0 passed, 0 failed, 0 skipped\n")
    );
    assert!(err.contains("no tests here"), "{err}");
}
