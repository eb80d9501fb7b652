use std::fs;

use super::*;
use crate::detection::{DetectionType, RiskObjectKind, Status};

fn load(files: &[(&str, &str)]) -> Content {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    for (name, text) in files {
        let path = directory.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).unwrap_or_else(|error| panic!("{error}"));
        }
        fs::write(path, text).unwrap_or_else(|error| panic!("{error}"));
    }
    Content::load(false, &[directory.path().to_owned()])
}

const NEW: &str = "name: New form
id: 11111111-1111-1111-1111-111111111111
version: 3
date: '2024-01-01'
author: somebody
status: production
type: TTP
description: What it looks for
data_source:
  - Sysmon EventID 1
search: '| tstats count from datamodel=Endpoint.Processes by Processes.dest'
how_to_implement: Collect
known_false_positives: None
references: []
rba:
  message: Seen on $dest$
  risk_objects:
    - field: dest
      type: system
      score: 49
    - field: user
      type: user
      score: 25
  threat_objects:
    - field: process
      type: process
tags:
  analytic_story:
    - Lateral Movement
  mitre_attack_id:
    - T1021.002
";

const OLD: &str = "name: Old form
id: 22222222-2222-2222-2222-222222222222
version: 2
type: Anomaly
search: |-
  `sysmon` EventID=1
  | stats count by dest
tags:
  analytic_story: Lateral Movement
  confidence: 90
  impact: 80
  message: Seen on $dest$
  mitre_attack_id: [T1021, T1047]
  observable:
    - {name: dest, type: Hostname, role: [Victim]}
    - {name: user, type: User, role: [Victim]}
    - {name: thing, type: Other, role: [Victim]}
    - {name: process_name, type: Process Name, role: [Attacker]}
    - {name: file_name, type: File Name, role: [Attacker]}
    - {name: src_ip, type: IP Address, role: [Attacker]}
";

#[test]
fn both_forms_of_detections_are_read() {
    let content = load(&[
        ("detections/endpoint/new.yml", NEW),
        ("detections/deprecated/old.yml", OLD),
    ]);
    assert_eq!(content.problems, []);
    let [new, old] = content.detections.as_slice() else {
        panic!("two detections expected");
    };
    assert_eq!(
        (new.name.as_str(), new.kind, new.status),
        ("New form", DetectionType::Ttp, Status::Production)
    );
    assert_eq!(
        (new.version.as_str(), new.risk_score, new.severity().name()),
        ("3", 49, "medium")
    );
    let fields: Vec<_> = new
        .risk_fields
        .iter()
        .map(|one| (one.field.as_str(), one.kind, one.score))
        .collect();
    assert_eq!(
        fields,
        [
            ("dest", RiskObjectKind::System, 49),
            ("user", RiskObjectKind::User, 25)
        ]
    );
    assert_eq!(
        (new.message.as_str(), new.origin.search_line),
        ("Seen on $dest$", Some(11))
    );

    assert_eq!(
        (old.name.as_str(), old.kind, old.status),
        ("Old form", DetectionType::Anomaly, Status::Deprecated)
    );
    assert_eq!(
        (
            old.risk_score,
            old.severity().name(),
            old.origin.search_line
        ),
        (72, "high", Some(6))
    );
    let fields: Vec<_> = old
        .risk_fields
        .iter()
        .map(|one| (one.field.as_str(), one.kind, one.score))
        .collect();
    assert_eq!(
        fields,
        [
            ("dest", RiskObjectKind::System, 72),
            ("user", RiskObjectKind::User, 72),
            ("thing", RiskObjectKind::Other, 72)
        ]
    );
    let threats: Vec<_> = old
        .threat_fields
        .iter()
        .map(|one| (one.field.as_str(), one.kind.as_str()))
        .collect();
    assert_eq!(
        threats,
        [
            ("process_name", "process"),
            ("file_name", "file_name"),
            ("src_ip", "ip_address")
        ]
    );
    assert_eq!(
        (old.techniques.len(), old.stories.as_slice()),
        (2, ["Lateral Movement".to_owned()].as_slice())
    );
}

#[test]
fn files_are_recognised_by_their_keys_wherever_they_are() {
    let content = load(&[
        ("flat.yml", NEW),
        (
            "story.yml",
            "name: S\nid: s\nnarrative: long\ndescription: short\nreferences: []\n",
        ),
        (
            "macro.yml",
            "name: add(2)\ndefinition: $a$ + $b$\narguments: [a, b]\ndescription: adds\n",
        ),
        (
            "lookup.yml",
            "name: known\nfilename: known.csv\ndescription: x\n",
        ),
        ("rows/known.csv", "a,b\n1,2\n"),
        (
            "kv.yml",
            "name: kv\ncollection: kv\nfields_list: _key, a, b\n",
        ),
        (
            "base.yml",
            "name: B\nid: b\ntype: Baseline\nsearch: EventCode=1\ntags:\n  detections: [D]\n  asset_category: c\n",
        ),
        (
            "investigation.yml",
            "name: I\ntype: Investigation\nsearch: x\n",
        ),
        (
            "data.yml",
            "name: Sysmon 1\nsource: a\nsourcetype: b\nfields: [x]\n",
        ),
        ("data_sources/other.yml", "nonsense"),
        (
            "fields.yml",
            "# comment\n- event_types: ['Security/4624']\n  aliases: {user: TargetUserName}\n",
        ),
        (
            "model.yml",
            "model: M\nnodes:\n  N: {events: [], fields: []}\n",
        ),
        ("comment.yml", "# nothing\n"),
        ("README.md", "no content"),
        (".hidden.yml", "nonsense"),
    ]);
    assert_eq!(content.problems, []);
    assert_eq!(
        (
            content.detections.len(),
            content.stories.len(),
            content.baselines.len(),
            content.macros.get("add")
        ),
        (1, 1, 1, Some(&2))
    );
    assert_eq!(content.baselines[0].asset_category.as_deref(), Some("c"));
    let lookups: Vec<_> = content
        .knowledge
        .lookups
        .iter()
        .map(|(name, table)| (name.as_str(), table.rows.len()))
        // The others are built in.
        .filter(|(name, _)| name.starts_with("known") || *name == "kv")
        .collect();
    assert_eq!(lookups, [("known", 1), ("known.csv", 1), ("kv", 0)]);
    assert!(content.knowledge.models.node("M.N").is_some());
    assert!(
        content
            .knowledge
            .mappings
            .of("Security", 4624)
            .alias("user")
            .is_some()
    );
}

#[test]
fn lists_of_keys_may_stand_at_the_margin() {
    let margin = NEW.replace("data_source:\n  - ", "data_source:\n- ");
    assert_ne!(margin, NEW);
    let content = load(&[("detections/endpoint/new_form.yml", &margin)]);
    assert!(content.problems.is_empty(), "{:?}", content.problems);
    let found = content
        .detections
        .iter()
        .map(|one| (one.name.as_str(), one.data_sources.len()))
        .collect::<Vec<_>>();
    assert_eq!(found, [("New form", 1)]);
}

#[test]
fn what_detections_use_is_there_without_those_that_are_built_in() {
    let content = Content::load(false, &[]);
    assert!(content.detections.is_empty() && content.stories.is_empty());
    assert!(content.macros.contains_key("drop_dm_object_name"));
    assert!(
        content
            .knowledge
            .models
            .node("Endpoint.Processes")
            .is_some()
    );
}

#[test]
fn broken_files_are_named_and_the_rest_is_loaded() {
    let content = load(&[
        ("a.yml", "name: x\nsearch: [\n"),
        ("b.yml", "name: x\nsearch: y\ntype: Nonsense\n"),
        ("c.yml", "foo: bar\n"),
        ("d.yml", "name: l\nfilename: missing.csv\n"),
        ("e.yml", "- event_types: ['Security']\n"),
        ("f.yml", NEW),
        ("g.yml", "name: x\nid: [\n  y: {\n"),
    ]);
    let problems: Vec<(String, Option<usize>, String)> = content
        .problems
        .iter()
        .map(|problem| {
            (
                problem
                    .path
                    .rsplit('/')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
                problem.line,
                problem.message.clone(),
            )
        })
        .collect();
    for (file, line, words) in [
        ("a.yml", Some(2), "expected"),
        ("b.yml", None, "`type: Nonsense`"),
        ("c.yml", None, "not content that Crabwalk recognises"),
        ("d.yml", None, "missing.csv"),
        ("e.yml", None, "Security/4624"),
        ("g.yml", Some(3), "unclosed bracket"),
    ] {
        assert!(
            problems
                .iter()
                .any(|problem| problem.0 == file && problem.1 == line && problem.2.contains(words)),
            "{file}: {problems:#?}"
        );
    }
    assert_eq!((problems.len(), content.detections.len()), (6, 1));
}

#[test]
fn binary_files_and_missing_directories_are_named() {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    fs::write(directory.path().join("x.yml"), b"name: a\n\xff\xfe")
        .unwrap_or_else(|error| panic!("{error}"));
    let content = Content::load(
        false,
        &[directory.path().to_owned(), directory.path().join("none")],
    );
    let lines: Vec<_> = content
        .problems
        .iter()
        .map(|problem| (problem.line, problem.message.as_str()))
        .collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0], (Some(2), "not UTF-8 text"));
    assert!(lines[1].1.contains("cannot be read"), "{lines:?}");
}

#[test]
fn later_directories_replace_by_name_or_id() {
    let first = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let second = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let write = |directory: &tempfile::TempDir, name: &str, text: &str| {
        fs::write(directory.path().join(name), text).unwrap_or_else(|error| panic!("{error}"));
    };
    write(&first, "a.yml", NEW);
    write(&first, "b.yml", OLD);
    write(&second, "a.yml", &NEW.replace("New form", "Renamed"));
    write(
        &second,
        "b.yml",
        &OLD.replace("22222222", "33333333")
            .replace("version: 2", "version: 9"),
    );
    let content = Content::load(false, &[first.path().to_owned(), second.path().to_owned()]);
    let all: Vec<_> = content
        .detections
        .iter()
        .map(|one| (one.name.as_str(), one.version.as_str()))
        .collect();
    assert_eq!(all, [("Old form", "9"), ("Renamed", "3")]);
}

#[test]
fn a_file_may_hold_several_macros_and_more_techniques() {
    let macros = "macros:\n  - name: one\n    definition: index=a\n  - name: two(2)\n    arguments: [x, y]\n    definition: eval $x$=$y$\n";
    let attack = "attack_techniques:\n  T9001: [lateral-movement]\n";
    let content = load(&[("macros/all.yml", macros), ("attack/own.yml", attack)]);
    assert_eq!(content.problems, []);
    assert_eq!(
        [content.macros.get("one"), content.macros.get("two")],
        [Some(&0), Some(&2)]
    );
    let tactics = |id: &str| content.attack.tactics_of(&[], &[id.to_owned()]);
    assert_eq!(tactics("T9001.002"), ["lateral-movement"]);
    assert_eq!(tactics("T1047"), ["execution"]);
    assert_eq!(tactics("T8999"), [""; 0]);
    assert_eq!(content.attack.tactic_id("execution"), Some("TA0002"));
}

#[test]
fn a_match_type_of_a_column_that_is_not_there_is_told() {
    let of = |match_type: &str| {
        let yaml = format!(
            "name: tools\nfilename: tools.csv\nmatch_type: ['WILDCARD(path)', '{match_type}']\n"
        );
        load(&[
            ("lookups/tools.yml", &yaml),
            ("lookups/tools.csv", "path,net\nC:\\*,10.0.0.0/8\n"),
        ])
    };
    assert_eq!(of("CIDR(net)").problems, []);
    let content = of("CIDR(nets)");
    let [problem] = content.problems.as_slice() else {
        panic!("{:?}", content.problems);
    };
    assert!(!problem.fatal && problem.path.ends_with("tools.yml"));
    assert!(
        problem.message.contains("`nets`") && problem.message.contains("path, net"),
        "{problem}"
    );
    assert!(content.knowledge.lookups.contains_key("tools"));
    // The columns of a collection may be unknown.
    let collection = load(&[(
        "c.yml",
        "name: kept\ncollection: kept\nmatch_type: WILDCARD(any)\n",
    )]);
    assert_eq!(collection.problems, []);
}

#[test]
#[expect(clippy::unwrap_used, reason = "a test may stop where it fails")]
fn what_makes_a_detection_run_is_said_by_it_or_by_its_type() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let detection = |name: &str, kind: &str, search: &str, more: &str| {
        let text = format!("name: {name}\ntype: {kind}\nsearch: {search}\n{more}");
        write(&format!("detections/{name}.yml"), &text);
    };
    let own = "deployment:\n  scheduling:\n    cron_schedule: '*/5 * * * *'\n    earliest_time: -10m@m\n    latest_time: -5m@m\n";
    detection("alone", "TTP", "EventCode=7045 | table dest", "");
    detection(
        "counts",
        "TTP",
        "EventCode=4625 | stats count by dest | where count > 9",
        "",
    );
    detection(
        "week",
        "TTP",
        "EventCode=4625 earliest=-7d | stats count by dest | where count > 9",
        "",
    );
    detection("odd", "Anomaly", "EventCode=7045 | table dest", "");
    detection("own", "TTP", "EventCode=7045 | table dest", own);
    detection("start", "Hunting", "EventCode=7045 | table dest", "");
    detection(
        "broken",
        "TTP",
        "EventCode=7045 | table dest",
        &own.replace("-10m@m", "soon"),
    );
    write(
        "deployments/anomaly.yml",
        "name: rarely\nscheduling:\n  cron_schedule: 0 4 * * *\n  earliest_time: -1d@d\n  latest_time: '@d'\ntags:\n  type: Anomaly\n",
    );
    write(
        "deployments/baseline.yml",
        "name: b\nscheduling:\n  cron_schedule: x\n  earliest_time: x\n  latest_time: x\ntags:\n  type: Baseline\n",
    );
    let content = Content::load(false, &[folder.path().to_owned()]);
    let problems: Vec<&str> = content
        .problems
        .iter()
        .map(|one| one.message.as_str())
        .collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("`soon`"), "{problems:?}");
    let all: Vec<String> = content
        .timings()
        .into_iter()
        .map(|(one, timing)| match timing {
            Timing::Arrival => format!("{}: arrival", one.name),
            Timing::Hunts => format!("{}: hunts", one.name),
            Timing::Scheduled { schedule, .. } => format!("{}: {schedule:?}", one.name),
        })
        .collect();
    assert_eq!(
        all,
        [
            "alone: arrival",
            "counts: 0 * * * * over -70m@m to -10m@m",
            "odd: 0 4 * * * over -1d@d to @d",
            "own: */5 * * * * over -10m@m to -5m@m",
            "start: hunts",
            "week: 0 * * * * over -7d to -10m@m",
        ]
    );
}

#[test]
fn a_problem_of_a_search_names_its_detection() {
    use crate::{Detections, RunOptions};

    // Names that hold one another: which of them is meant cannot be read off
    // the text of the problem.
    let content = load(&[
        (
            "ebb.yml",
            "name: Ebb\nid: one\ntype: TTP\nsearch: EventCode=1 | table dest\n",
        ),
        (
            "flow.yml",
            "name: Ebb And Flow\nid: two\ntype: TTP\nsearch: EventCode=1 | nosuchcommand\n",
        ),
    ]);
    assert_eq!(content.detections.len(), 2, "{:?}", content.problems);
    let detections = Detections::new(content, RunOptions::default());
    let detections = detections.unwrap_or_else(|error| panic!("{error}"));
    let problems = detections.problems().iter();
    let named: Vec<Option<&str>> = problems.map(|one| one.detection.as_deref()).collect();
    assert_eq!(named, [Some("two")]);
}
