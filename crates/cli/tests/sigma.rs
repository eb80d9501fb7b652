//! Sigma rules and exceptions, as users give them.

use std::fs;

use crabwalk_testing::{Ran, crabwalk};

const LOG: &str = r#"{"@timestamp":"2024-03-01T08:00:00Z","Hostname":"WS1","Channel":"Security","EventID":4688,"RecordNumber":1,"NewProcessName":"C:\\odd.exe","CommandLine":"odd","SubjectUserName":"ann","SubjectDomainName":"CORP"}
{"@timestamp":"2024-03-01T08:01:00Z","Hostname":"WS1","Channel":"Security","EventID":4688,"RecordNumber":2,"NewProcessName":"C:\\fine.exe","CommandLine":"fine","SubjectUserName":"ann","SubjectDomainName":"CORP"}
"#;
const RULES: &str = "title: Odd process of test
id: 22222222-aaaa-bbbb-cccc-222222222222
level: high
tags: [attack.t1059]
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: '\\odd.exe'}
  condition: selection
---
title: Of another system
level: high
logsource: {product: linux, service: clamav}
detection:
  selection: {type: EXECVE}
  condition: selection
";

#[test]
fn rules_find_and_exceptions_silence() {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let at = directory.path();
    for (name, text) in [
        ("log.json", LOG),
        ("rules.yml", RULES),
        (
            "exceptions.yml",
            "exceptions: [{detection: Odd*, fields: {user: ann}, reason: known, by: bob, until: 2999-12-31}]\n",
        ),
        (
            "bad.yml",
            "exceptions: [{detection: Odd*, reason: known, by: bob}]\n",
        ),
    ] {
        fs::write(at.join(name), text).unwrap_or_else(|error| panic!("{error}"));
    }
    let hunt = ["hunt", "log.json", "--no-builtin", "--sigma", "rules.yml"];
    let Ran { out, err, status } = crabwalk(at, &[&hunt[..], &["--format", "json"]].concat());
    assert_eq!(status, 0, "{err}");
    let case: serde_json::Value =
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}"));
    let finding = &case["findings"][0];
    assert_eq!(finding["detection"], "Odd process of test");
    assert_eq!(finding["type"], "TTP");
    assert_eq!(finding["techniques"][0], "T1059");
    assert_eq!(finding["fields"]["Image"], "C:\\odd.exe");
    assert_eq!(finding["events"][0]["record"], 1);
    assert!(finding["suppressed"].is_null());
    assert_eq!(case["stats"]["findings"], 1);
    let problems = case["content_problems"].to_string();
    assert!(problems.contains("service clamav"), "{problems}");

    let silenced = [&hunt[..], &["--exceptions", "exceptions.yml"]].concat();
    let Ran { out, status, .. } = crabwalk(at, &[&silenced[..], &["--format", "json"]].concat());
    assert_eq!(status, 0);
    let case: serde_json::Value =
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(case["findings"][0]["suppressed"]["reason"], "known");
    assert_eq!(case["stats"]["findings"], 0);
    assert_eq!(case["stats"]["suppressed"], 1);
    assert_eq!(case["stats"]["risk"], serde_json::json!([]));
    let Ran { out, .. } = crabwalk(at, &silenced);
    assert!(out.contains("1 finding not shown"), "{out}");
    assert!(!out.contains("Odd process of test"), "{out}");

    for (arguments, part) in [
        (["--exceptions", "bad.yml"], "until"),
        (["--sigma", "nowhere"], "--sigma nowhere"),
    ] {
        let Ran { err, status, .. } = crabwalk(at, &[&hunt[..], &arguments[..]].concat());
        assert_eq!(status, 1);
        assert!(err.contains(part), "{err}");
    }
    let Ran { out, .. } = crabwalk(at, &["content", "check", "--sigma", "rules.yml"]);
    assert!(out.contains("1 Sigma rule,"), "{out}");
    // All problems of a rule that is asked for by name are reported.
    fs::create_dir(at.join("other")).unwrap_or_else(|error| panic!("{error}"));
    fs::write(
        at.join("odd.yml"),
        "title: Odd\nlogsource: {product: windows}\ndetection: {s: {A|near: b}, condition: s}\n",
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let Ran { err, status, .. } =
        crabwalk(at, &["content", "check", "--sigma", "odd.yml", "other"]);
    assert_eq!(status, 1, "{err}");
    assert!(err.contains("odd.yml: Unknown modifier 'near'"), "{err}");
}

#[test]
fn rules_are_listed_and_shown() {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let at = directory.path();
    fs::write(at.join("rules.yml"), RULES).unwrap_or_else(|error| panic!("{error}"));
    let Ran { out, err, status } = crabwalk(
        at,
        &["content", "list", "--no-builtin", "--sigma", "rules.yml"],
    );
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("Odd process of test"), "{out}");
    assert!(out.contains("1 Sigma rule among them"), "{out}");
    assert!(err.contains("service clamav"), "{err}");
    let Ran { out, status, .. } = crabwalk(
        at,
        &[
            "content",
            "show",
            "odd*",
            "--no-builtin",
            "--sigma",
            "rules.yml",
        ],
    );
    assert_eq!(status, 0);
    for part in [
        "T1059",
        "windows",
        "process_creation",
        "condition: selection",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("clamav"), "{out}");
}
