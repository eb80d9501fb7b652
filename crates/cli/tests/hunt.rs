//! Runs the program as users do.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crabwalk_testing::{Ran, crabwalk, program};
use tempfile::TempDir;

fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    for (name, bytes) in files {
        let path = directory.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).unwrap_or_else(|error| panic!("{error}"));
        }
        fs::write(path, bytes).unwrap_or_else(|error| panic!("{error}"));
    }
    directory
}

const LOGONS: &str = r#"{"@timestamp":"2024-03-01T08:00:00Z","Hostname":"WS1","Channel":"Security","EventID":4624,"RecordNumber":1,"LogonType":"3","TargetUserName":"ann","Note":"=cmd|' /C calc'!A0"}
{"@timestamp":"2024-03-01T09:00:00.123Z","Hostname":"WS1","Channel":"Security","EventID":4624,"RecordNumber":2,"LogonType":"9","TargetUserName":"b\u001b[31m\u202eob","Note":"\u0007\u009b2J\r\nnext"}
{"@timestamp":"2024-03-01T08:00:00Z","Hostname":"WS2","Channel":"System","EventID":7036,"RecordNumber":1,"param1":"x"}
"#;

const DETECTION: &str = "name: Logons of test
id: 11111111-aaaa-bbbb-cccc-111111111111
version: 1
type: TTP
status: production
description: Finds logons
search: EventCode=4624 | table _time host TargetUserName Note
rba:
  message: $TargetUserName$ logged on to $host$, note $Note$, $nothing$
  risk_objects:
    - {field: host, type: system, score: 64}
    - {field: TargetUserName, type: user, score: 32}
tags:
  analytic_story: [Test]
  mitre_attack_id: [T1550.002]
";

fn logons() -> TempDir {
    directory(&[
        ("logs/a.jsonl", LOGONS.as_bytes()),
        ("content/d.yml", DETECTION.as_bytes()),
    ])
}

const OWN: [&str; 3] = ["--no-builtin", "--content", "content"];

fn hunt(at: &Path, more: &[&str]) -> Ran {
    crabwalk(at, &[&["hunt"], more, &OWN].concat())
}

#[test]
fn summary_for_people() {
    let at = logons();
    let out = hunt(at.path(), &["logs/a.jsonl"]).said(0);
    insta::with_settings!({filters => vec![(r"\d+(\.\d+)? m?s\)", "[time])"), (r"\(\d+ bytes", "([bytes]")]}, {
        insta::assert_snapshot!(out);
    });
    assert!(
        !out.chars()
            .any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')),
        "{out:?}"
    );
}

#[test]
fn case_document_has_all_keys_and_is_deterministic() {
    let at = logons();
    let run = || -> serde_json::Value {
        let out = hunt(at.path(), &["logs/a.jsonl", "--format", "json"]).said(0);
        assert!(!out.contains('\u{9b}') && !out.contains('\u{202e}') && !out.contains('\u{1b}'));
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    };
    let mut case = run();
    for key in [
        "schema", "created", "tool", "sources", "coverage", "hosts", "accounts", "findings",
        "hops", "paths", "stats",
    ] {
        assert!(case.get(key).is_some(), "{key}");
    }
    assert_eq!(case["schema"], "crabwalk.case/1");
    let finding = &case["findings"][1];
    for (pointer, value) in [
        ("/detection", "Logons of test"),
        ("/detection_id", "11111111-aaaa-bbbb-cccc-111111111111"),
        ("/type", "TTP"),
        ("/severity", "high"),
        ("/first", "2024-03-01T09:00:00.123Z"),
        (
            "/message",
            "b\u{1b}[31m\u{202e}ob logged on to WS1, note \u{7}\u{9b}2J\r\nnext, unknown",
        ),
        ("/risk_objects/0/value", "WS1"),
        ("/risk_objects/1/type", "user"),
        ("/fields/TargetUserName", "b\u{1b}[31m\u{202e}ob"),
        ("/events/0/channel", "Security"),
        ("/events/0/host", "WS1"),
        ("/techniques/0", "T1550.002"),
        ("/story/0", "Test"),
    ] {
        assert_eq!(
            finding.pointer(pointer).and_then(serde_json::Value::as_str),
            Some(value),
            "{pointer}"
        );
    }
    assert_eq!(
        (
            &finding["events"][0]["record"],
            &finding["events"][0]["event_id"]
        ),
        (&2.into(), &4624.into())
    );
    assert_eq!(case["stats"]["risk"][0]["score"], 128);
    let mut again = run();
    for case in [&mut case, &mut again] {
        case["created"] = "".into();
        case["stats"]["seconds"] = 0.into();
    }
    assert_eq!(case, again);
}

/// With one thread movements wait for the detections; with more they run beside them.
#[test]
fn threads_change_nothing() {
    let at = directory(&[]);
    crabwalk(at.path(), &["lab", "build", "world"]).said(0);
    let run = |threads| -> serde_json::Value {
        let hunt = ["hunt", "world", "--format", "json", "--threads", threads];
        let out = crabwalk(at.path(), &hunt).said(0);
        let mut case: serde_json::Value =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
        case["created"] = "".into();
        case["stats"]["seconds"] = 0.into();
        case
    };
    let one = run("1");
    for found in ["hops", "paths", "findings"] {
        let found = one[found].as_array();
        assert!(found.is_some_and(|found| !found.is_empty()));
    }
    assert!(one == run("3"), "the case depends on the number of threads");
}

#[test]
fn lines_and_cells() {
    let at = logons();
    let out = hunt(at.path(), &["logs/a.jsonl", "--format", "jsonl"]).said(0);
    assert_eq!(out.lines().count(), 2);
    assert!(
        out.lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
    );
    hunt(
        at.path(),
        &["logs/a.jsonl", "--out", "case/of/today", "--quiet"],
    )
    .said(0);
    for name in ["findings.csv", "timeline.csv"] {
        let path = at.path().join("case/of/today").join(name);
        let mut reader = csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{error}"));
        let rows: Vec<csv::StringRecord> = reader
            .records()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(rows.len(), 2, "{name}");
        for cell in rows.iter().flatten() {
            assert!(!cell.starts_with(['=', '+', '@', '\t']), "{name}: {cell}");
            assert!(
                !cell
                    .chars()
                    .any(|c| c.is_control() && c != '\n' && c != '\r'),
                "{name}: {cell:?}"
            );
        }
    }
    let case = fs::read_to_string(at.path().join("case/of/today/case.json"))
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(serde_json::from_str::<serde_json::Value>(&case).is_ok());
    let mut names: Vec<String> = fs::read_dir(at.path().join("case/of/today"))
        .unwrap_or_else(|error| panic!("{error}"))
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        // It is not written by a program that was built without the front end.
        .filter(|name| name != "report.html")
        .collect();
    names.sort();
    let expected = [
        "case.json",
        "findings.csv",
        "navigator.json",
        "timeline.csv",
    ];
    assert_eq!(names, expected, "no other file may be left");
}

#[test]
fn results_of_searches_are_defused_in_csv() {
    let at = logons();
    let search = "EventCode=4624 | table TargetUserName Note";
    let out = crabwalk(
        at.path(),
        &["search", search, "logs/a.jsonl", "--format", "csv"],
    )
    .said(0);
    assert!(out.contains("'=cmd|"), "{out}");
    let out = crabwalk(
        at.path(),
        &["search", search, "logs/a.jsonl", "--format", "jsonl"],
    )
    .said(0);
    assert!(out.lines().any(|line| line.contains("\"=cmd|")), "{out}");
    let out = crabwalk(at.path(), &["search", search, "logs/a.jsonl"]).said(0);
    assert!(
        out.contains("\\x1b[31m\\u{202e}ob") && !out.contains('\u{1b}'),
        "{out}"
    );
}

#[test]
fn times_choose_events() {
    let at = logons();
    for (options, findings) in [
        (vec!["--since", "2024-03-01T08:30:00Z"], 1),
        (vec!["--until", "2024-03-01T08:30:00Z"], 1),
        (vec!["--since", "2024-03-01"], 2),
        (vec!["--since", "-7d"], 0),
        (vec!["--until", "2024-02-01"], 0),
    ] {
        let out = hunt(
            at.path(),
            &[&["logs/a.jsonl", "--format", "jsonl"], options.as_slice()].concat(),
        )
        .said(0);
        assert_eq!(out.lines().count(), findings, "{options:?}");
    }
}

#[test]
fn exit_status() {
    let at = logons();
    fs::write(
        at.path().join("logs/damaged.jsonl"),
        format!("{LOGONS}{{\"EventID\":\n"),
    )
    .unwrap_or_else(|error| panic!("{error}"));
    for (arguments, status, words) in [
        (vec!["hunt", "logs/a.jsonl"], 0, ""),
        (vec!["hunt", "logs/damaged.jsonl"], 3, ""),
        (vec!["hunt", "logs/a.jsonl", "nowhere"], 3, ""),
        (vec!["hunt", "nowhere"], 1, "nowhere"),
        (
            vec!["hunt", "logs/a.jsonl", "--assets", "nowhere.csv"],
            1,
            "nowhere.csv",
        ),
        (
            vec!["hunt", "logs/a.jsonl", "--content", "nowhere"],
            1,
            "nowhere",
        ),
        (
            vec!["hunt", "logs/a.jsonl", "--detection", "Logon of test"],
            1,
            "did you mean `Logons of test`?",
        ),
        (
            vec!["hunt", "logs/a.jsonl", "--since", "yesterday"],
            2,
            "yesterday",
        ),
        (vec!["hunt"], 2, "crabwalk hunt evidence/"),
        (vec!["hunt", "--quiet"], 2, "PATH"),
        (vec!["nonsense"], 2, "nonsense"),
        (vec!["search", "| nonsense", "logs/a.jsonl"], 1, "nonsense"),
        (vec!["content", "show", "Logon"], 1, "Logon"),
        (vec!["content", "check"], 0, ""),
    ] {
        let known = !["nonsense"].contains(&arguments[0]) && arguments.len() > 1;
        let arguments = if known {
            [arguments.as_slice(), &OWN].concat()
        } else {
            arguments
        };
        let output = crabwalk(at.path(), &arguments);
        let err = output.err;
        assert_eq!(output.status, status, "{arguments:?}: {err}");
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
}

#[test]
fn broken_content_is_named_and_the_rest_runs() {
    let at = logons();
    fs::write(at.path().join("content/broken.yml"), "name: x\nsearch: [\n")
        .unwrap_or_else(|error| panic!("{error}"));
    let search = DETECTION
        .replace("11111111", "22222222")
        .replace("Logons of test", "Broken")
        .replace("EventCode=4624 |", "| nonsense |");
    fs::write(at.path().join("content/search.yml"), search)
        .unwrap_or_else(|error| panic!("{error}"));
    let output = hunt(at.path(), &["logs/a.jsonl"]);
    let out = output.said(3);
    for words in [
        "content/broken.yml:2",
        "content/search.yml:7",
        "nonsense",
        "FINDINGS  2",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let output = crabwalk(
        at.path(),
        &["content", "check", "--no-builtin", "--content", "content"],
    );
    output.said(1);
}

#[test]
fn readers_that_stop_early_are_no_error() {
    let at = logons();
    let mut child = program(at.path())
        .args(["hunt", "-", "--format", "json"])
        .args(OWN)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}"));
    drop(child.stdout.take());
    if let Some(mut input) = child.stdin.take() {
        input
            .write_all(LOGONS.as_bytes())
            .unwrap_or_else(|error| panic!("{error}"));
    }
    let output = child
        .wait_with_output()
        .unwrap_or_else(|error| panic!("{error}"));
    let ran = Ran::from(output);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
}

#[test]
fn colours_are_only_for_terminals() {
    let at = logons();
    let out = hunt(at.path(), &["logs/a.jsonl"]).said(0);
    assert!(!out.contains('\u{1b}'));
}

#[test]
fn bad_input_is_named_and_the_rest_is_read() {
    let at = logons();
    let logs = at.path().join("logs");
    let write = |name: &str, bytes: &[u8]| {
        fs::write(logs.join(name), bytes).unwrap_or_else(|error| panic!("{error}"))
    };
    write("picture.evtx", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    write("empty.evtx", b"");
    write("notes.txt", b"nothing of interest");
    write("torn.jsonl", b"{\"@timestamp\":\"2024-03-01T08:00:00Z\",\"Hostname\":\"WS1\",\"Channel\":\"Security\",\"EventID\":1,\"x\":\"\xff\xfe\"}\n{\"Event");
    write("broken.zip", b"PK\x03\x04 not really");
    // All at once: what can be read is read, and what cannot is named.
    let output = hunt(at.path(), &["logs", "--verbose"]);
    let out = output.said(3);
    for words in ["FINDINGS  2", "broken.zip", "torn.jsonl", "notes.txt"] {
        assert!(out.contains(words), "{words}: {out}");
    }
    // Alone, and named by the user: the case says what is wrong.
    for name in ["picture.evtx", "empty.evtx", "broken.zip", "notes.txt"] {
        let output = hunt(at.path(), &[&format!("logs/{name}")]);
        assert!(output.said(3).contains(name), "{name}: {output:?}");
    }
    #[cfg(unix)]
    {
        let made = Command::new("mkfifo").arg(logs.join("fifo")).status();
        if made.is_ok_and(|status| status.success()) {
            let out = hunt(at.path(), &["logs/a.jsonl", "logs/fifo"]).said(3);
            assert!(out.contains("FIFO"), "{out}");
        }
    }
}

#[test]
fn an_empty_folder_is_an_error() {
    let at = logons();
    fs::create_dir(at.path().join("void")).unwrap_or_else(|error| panic!("{error}"));
    let output = hunt(at.path(), &["void"]);
    assert_eq!(output.status, 1);
    assert!(output.err.contains("void: contains no files"), "{output:?}");
}

#[test]
fn a_story_can_be_chosen() {
    let at = logons();
    let out = hunt(
        at.path(),
        &["logs/a.jsonl", "--story", "test", "--format", "jsonl"],
    )
    .said(0);
    assert_eq!(out.lines().count(), 2);
    let output = hunt(at.path(), &["logs/a.jsonl", "--story", "other"]);
    assert_eq!(output.status, 1);
}

#[test]
fn content_can_be_listed_and_shown() {
    let at = logons();
    let out = crabwalk(at.path(), &[&["content", "list"], OWN.as_slice()].concat()).said(0);
    assert!(
        out.contains("Logons of test  TTP") && out.contains("1 detection, 0 stories"),
        "{out}"
    );
    let out = crabwalk(
        at.path(),
        &[&["content", "list", "--format", "json"], OWN.as_slice()].concat(),
    )
    .said(0);
    assert!(
        serde_json::from_str::<serde_json::Value>(&out).is_ok_and(|all| all[0]["risk"] == "64"),
        "{out}"
    );
    let out = crabwalk(
        at.path(),
        &[&["content", "show", "logons*"], OWN.as_slice()].concat(),
    )
    .said(0);
    assert!(
        out.contains("EventCode=4624 | table") && out.contains("64 (high)"),
        "{out}"
    );
}

#[test]
fn baselines_become_assets() {
    let at = logons();
    let baseline = "name: Test makers\nid: b\ntype: Baseline\nsearch: EventCode=4624 | table host TargetUserName\n\
                    tags:\n  asset_category: common_test\n  asset_field: host\n";
    fs::write(at.path().join("content/b.yml"), baseline).unwrap_or_else(|error| panic!("{error}"));
    let run = |more: &[&str]| crabwalk(at.path(), &[&["baseline"], more, OWN.as_slice()].concat());
    let out = run(&["test", "logs/a.jsonl", "--write-assets", "assets.csv"]).said(0);
    assert!(out.contains("WS1"), "{out}");
    let csv =
        fs::read_to_string(at.path().join("assets.csv")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(csv.lines().nth(1), Some(",,WS1,,,,,,,,,common_test,,,,,"));
    // What was written can be used.
    let out = hunt(
        at.path(),
        &["logs/a.jsonl", "--assets", "assets.csv", "--format", "json"],
    )
    .said(0);
    let case: serde_json::Value =
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(case["hosts"][0]["category"][0], "common_test");
    assert_eq!(run(&["nonsense", "logs/a.jsonl"]).status, 1);
}

#[test]
fn the_demo_finds_what_was_planted_and_nothing_else() {
    let at = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let out = crabwalk(at.path(), &["demo", "--seed", "7"]).said(0);
    assert!(
        out.contains("All planted findings were found, and no others for these detections."),
        "{out}"
    );
    for name in [
        "truth.json",
        "assets.csv",
        "identities.csv",
        "case/case.json",
        "case/timeline.csv",
    ] {
        assert!(
            at.path().join("crabwalk-demo").join(name).is_file(),
            "{name}"
        );
    }
    // A folder that is not a generated world is left alone.
    fs::create_dir(at.path().join("mine")).unwrap_or_else(|error| panic!("{error}"));
    fs::write(at.path().join("mine/file"), "x").unwrap_or_else(|error| panic!("{error}"));
    let output = crabwalk(at.path(), &["demo", "--out", "mine"]);
    assert_eq!(output.status, 1);
    assert!(output.err.contains("mine is not empty"), "{output:?}");
}

/// The excerpt in the README leaves lines out, marked by `…` or blank lines, and changes none.
#[test]
fn the_readme_shows_what_the_demo_prints() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(&readme).unwrap_or_else(|error| panic!("{error}"));
    let (_, excerpt) = readme
        .split_once("<!-- demo output -->")
        .unwrap_or_else(|| panic!("no excerpt"));
    let excerpt = excerpt.split("```").nth(1).unwrap_or_default();
    let at = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let out = crabwalk(at.path(), &["demo"]).said(0);
    let mut printed = out.lines();
    let shown = excerpt.lines().skip(1);
    let shown: Vec<&str> = shown
        .filter(|line| !matches!(line.trim(), "" | "…"))
        .collect();
    assert!(shown.len() > 20, "{excerpt}");
    for line in shown {
        assert!(
            printed.any(|own| own == line),
            "the demo does not print this line of the README, or not in this place:\n{line}\n\n{out}"
        );
    }
}

#[test]
fn fields_have_the_names_that_searches_use() {
    let event = |channel: &str, id: u32, record: u32, data: &str| {
        format!(
            r##"{{"Event":{{"System":{{"Provider":{{"#attributes":{{"Name":"Maker"}}}},"EventID":{id},"TimeCreated":{{"#attributes":{{"SystemTime":"2024-03-04T12:00:00Z"}}}},"EventRecordID":{record},"Channel":"{channel}","Computer":"SRV1.example.test"}},"EventData":{{{data}}}}}}}"##
        )
    };
    const SYSMON: &str = "Microsoft-Windows-Sysmon/Operational";
    let log = [
        event(SYSMON, 1, 1, r#""Image":"C:\\a.exe","Hashes":"SHA1=A1,MD5=A5,SHA256=A256,IMPHASH=A0""#),
        event(SYSMON, 15, 2, r#""Image":"C:\\a.exe","Hash":"MD5=B5, SHA256=B256""#),
        event(SYSMON, 16, 3, r#""ConfigurationFileHash":"SHA256=00""#),
        event("Security", 4624, 4, r#""TargetUserName":"ann","LogonType":"3","IpAddress":"-","WorkstationName":"\\\\WS2""#),
        event("Security", 4776, 5, r#""TargetUserName":"PIER\\ann","Workstation":"\\\\WS2","Status":"0x0""#),
        event("Security", 4625, 6, r#""TargetUserName":"ann@pier.example","LogonType":"3","IpAddress":"10.0.0.7","IpPort":"50000""#),
        event("Security", 4648, 7, r#""TargetUserName":"ann@pier.example","TargetServerName":"\\\\SRV9","IpAddress":"10.0.0.7","IpPort":"50000""#),
        event("Security", 4769, 8, r#""TargetUserName":"ann@PIER.EXAMPLE","IpAddress":"::ffff:10.0.0.7","IpPort":"50000""#),
        event("Security", 4688, 9, r#""NewProcessName":"C:\\a.exe","TokenElevationType":"%%1937""#),
        event("Security", 4778, 10, r#""AccountName":"ann","ClientName":"\\\\WS2","ClientAddress":"LOCAL""#),
        event("Application", 0, 11, r#""Data":"started""#),
        event("Security", 4740, 12, r#""TargetUserName":"eva","TargetDomainName":"\\\\WS4""#),
        event("Security", 4624, 13, r#""TargetUserName":"eva@pier.example","LogonType":"2""#),
    ]
    .join("\n");
    let http = "#separator \\x09\n#path\thttp\n#fields\tts\tuid\tid.orig_h\tid.resp_h\tmethod\thost\turi\n#types\ttime\tstring\taddr\taddr\tstring\tstring\tstring\n1709553600.5\tC1\t10.0.0.7\t203.0.113.9\tGET\tshop.example\t/a?b=1\n";
    let at = directory(&[("a.jsonl", log.as_bytes()), ("http.log", http.as_bytes())]);
    for (search, expected) in [
        (
            "EventCode=1 | table MD5 SHA1 SHA256 IMPHASH",
            r#"{"MD5":"A5","SHA1":"A1","SHA256":"A256","IMPHASH":"A0"}"#,
        ),
        (
            "EventCode=15 | table MD5 SHA1 SHA256",
            r#"{"MD5":"B5","SHA256":"B256"}"#,
        ),
        ("SHA256=B256 | stats count", r#"{"count":"1"}"#),
        (
            "EventCode IN (4624, 4776) | stats count by src",
            r#"{"src":"WS2","count":"2"}"#,
        ),
        ("EventCode=4740 | table src", r#"{"src":"WS4"}"#),
        ("user=eva | stats count", r#"{"count":"2"}"#),
        (
            "EventCode IN (4776, 4625, 4648, 4769) | stats count by user",
            r#"{"user":"ann","count":"4"}"#,
        ),
        (
            "EventCode=4648 | table dest Source_Port",
            r#"{"dest":"SRV9","Source_Port":"50000"}"#,
        ),
        (
            "EventCode=4769 | table src_nt_host Source_Port",
            r#"{"src_nt_host":"10.0.0.7","Source_Port":"50000"}"#,
        ),
        (
            "EventCode=4688 | table Token_Elevation_Type_id",
            r#"{"Token_Elevation_Type_id":"1937"}"#,
        ),
        (
            "EventCode=4778 | table src_nt_host",
            r#"{"src_nt_host":"WS2"}"#,
        ),
        (
            "Channel=Application EventCode=0 | table source",
            r#"{"source":"XmlWinEventLog:Application"}"#,
        ),
        (
            "| tstats count from datamodel=Web by Web.url Web.site",
            r#"{"Web.url":"http://shop.example/a?b=1","Web.site":"shop.example","count":"1"}"#,
        ),
    ] {
        let output = crabwalk(
            at.path(),
            &[
                "search", "-q", search, "a.jsonl", "http.log", "--format", "jsonl",
            ],
        );
        assert_eq!(output.said(0).trim(), expected, "{search}");
    }
}

#[test]
fn a_search_says_which_times_it_could_not_read() {
    let event = |time: &str| {
        format!(
            r#"{{"EventID":4624,"Channel":"Security","Computer":"S","TimeCreated":{time},"TargetUserName":"ann"}}"#
        )
    };
    let files = directory(&[
        ("null.jsonl", event("null").as_bytes()),
        ("words.jsonl", event(r#""the day before""#).as_bytes()),
        // As Kibana writes it.
        (
            "kibana.jsonl",
            event(r#""Mar 1, 2026 @ 10:00:00.000""#).as_bytes(),
        ),
    ]);
    for (file, time, is_told) in [
        ("null.jsonl", 0, true),
        ("words.jsonl", 0, true),
        ("kibana.jsonl", 1_772_359_200, false),
    ] {
        let search = "* | table _time";
        let ran = crabwalk(&files, &["search", search, file, "--format", "csv"]);
        assert_eq!(ran.out, format!("_time\n{time}\n"), "{file}");
        assert_eq!(
            ran.err.contains("1 of 1 records have no time"),
            is_told,
            "{file}: {}",
            ran.err
        );
    }
}

#[test]
fn marks_in_names_are_underscores_and_times_keep_their_digits() {
    let event = r#"<Event><System><Provider Name="Maker"/><EventID>7</EventID><Opcode>3</Opcode><TimeCreated SystemTime="2026-03-01T10:00:00.123456Z"/><EventRecordID>5</EventRecordID><Channel>Application</Channel><Computer>A</Computer></System><EventData><Data Name="Port-Type (x)">v</Data></EventData></Event>"#;
    let row = r#"{"ts":1772359200.123456,"uid":"C1","id.orig_h":"10.0.0.7","conn_state":"SF"}"#;
    let files = directory(&[("a.xml", event.as_bytes()), ("conn.log", row.as_bytes())]);
    for (search, file, expected) in [
        (
            "Port_Type__x_=v | table Port_Type__x_ OpCode SystemTime _time",
            "a.xml",
            "Port_Type__x_,OpCode,SystemTime,_time\nv,3,2026-03-01T10:00:00.123456Z,1772359200.123456\n",
        ),
        (
            "id_orig_h=10.0.0.7 | stats count by id_orig_h",
            "conn.log",
            "id_orig_h,count\n10.0.0.7,1\n",
        ),
    ] {
        let ran = crabwalk(
            &files,
            &["search", search, file, "--quiet", "--format", "csv"],
        );
        assert_eq!(ran.said(0), expected, "{search}");
    }
}

#[test]
fn completions_are_scripts_that_shells_read() {
    let folder = directory(&[]);
    for (shell, checks) in [
        ("bash", &["-n"][..]),
        ("zsh", &["-n"]),
        ("fish", &["--no-execute"]),
    ] {
        let script = crabwalk(folder.path(), &["completions", shell]).said(0);
        for word in ["hunt", "explain", "since"] {
            assert!(script.contains(word), "{shell}: {script}");
        }
        let file = folder.path().join(shell);
        fs::write(&file, script).unwrap_or_else(|error| panic!("{error}"));
        if let Ok(ran) = Command::new(shell).args(checks).arg(&file).output() {
            assert!(
                ran.status.success(),
                "{shell}: {}",
                String::from_utf8_lossy(&ran.stderr)
            );
        } else {
            eprintln!("{shell} is not installed: its script is not checked");
        }
    }
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let folder = directory(&[]);
    crabwalk(folder.path(), &["man", "share/man1"]).said(0);
    let help = crabwalk(folder.path(), &["--help"]).said(0);
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(
        commands.contains(&"hunt") && commands.contains(&"serve"),
        "{help}"
    );
    for name in commands {
        let path = folder.path().join(format!("share/man1/crabwalk-{name}.1"));
        let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"),
            "{page}"
        );
    }
    assert!(folder.path().join("share/man1/crabwalk.1").is_file());
    assert!(!folder.path().join("share/man1/crabwalk-help.1").exists());
}

#[test]
fn a_command_without_arguments_shows_what_it_takes() {
    let folder = directory(&[]);
    for command in ["search", "dossier", "ingest", "export", "explain"] {
        let ran = crabwalk(folder.path(), &[command]);
        assert_eq!(ran.status, 2, "{command}");
        assert!(
            ran.err.contains("Usage: ") && ran.err.contains("Examples:"),
            "{command}: {}",
            ran.err
        );
    }
}
