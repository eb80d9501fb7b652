use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use crabwalk_events::MemoryCatalog;
use crabwalk_sources::collect::{Columns, Demand};
use crabwalk_testing::{Events, corpus};

use super::*;
use crate::content::Content;
use crate::detection::{DetectionType, Status};
use crate::finding;
use crate::origin::ContentProblem;

const SYSMON: &str = "Microsoft-Windows-Sysmon/Operational";
/// 2026-01-05 10:00:00 UTC.
const AT: i64 = 1_767_607_200;

/// A test text with its rules, loaded with the shipped log sources.
fn load(rules: &str) -> (SigmaRules, Vec<ContentProblem>) {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let path: PathBuf = directory.path().join("rules.yml");
    std::fs::write(&path, rules).unwrap_or_else(|error| panic!("{error}"));
    let content = Content::load(false, &[]);
    assert_eq!(content.problems, []);
    SigmaRules::load(&[directory.path().to_owned()], &content.log_sources)
}

/// An event: channel, id, seconds after the start, fields.
type Event<'a> = (&'a str, u32, i64, &'a [(&'a str, &'a str)]);

fn events(demand: &dyn Demand, events: &[Event<'_>]) -> MemoryCatalog {
    let made = events.iter().map(|(channel, id, seconds, fields)| {
        let event = crabwalk_testing::Event::new(&format!("{channel}/{id}"))
            .host("WS1")
            .at((AT + seconds) * 1_000_000);
        let fields = fields.iter();
        fields.fold(event, |event, (name, value)| event.with(name, *value))
    });
    made.collect::<Events>().catalog_of(demand)
}

/// Detection and records of each finding, sorted.
fn found(rules: &SigmaRules, all: &[Event<'_>]) -> Vec<(String, Vec<u64>)> {
    let catalog = events(rules.demand().as_ref(), all);
    let (findings, problems) = rules
        .run(&catalog, 2)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(problems, []);
    let mut found: Vec<(String, Vec<u64>)> = findings
        .iter()
        .map(|one| {
            let records = one.events.iter().map(|event| event.record).collect();
            (one.detection.name.clone(), records)
        })
        .collect();
    found.sort();
    found
}

fn rule(title: &str, logsource: &str, detection: &str) -> String {
    format!("title: {title}\nlogsource: {{{logsource}}}\ndetection:\n{detection}\nlevel: high\n")
}

#[test]
fn rules_match_events_of_their_log_source() {
    let started = "product: windows, category: process_creation";
    let text = [
        rule(
            "image",
            started,
            "  s: {Image|endswith: '\\evil.exe'}\n  condition: s",
        ),
        rule(
            "parent, not system",
            started,
            "  s: {ParentImage|endswith: '\\cmd.exe'}\n  f: {User|contains: SYSTEM}\n  condition: s and not f",
        ),
        rule(
            "no command line",
            started,
            "  s: {CommandLine: null}\n  condition: s",
        ),
        rule(
            "service installed",
            "product: windows, service: system",
            "  s: {EventID: 7045, Provider_Name: 'Service Control Manager', ServiceName|startswith: x}\n  condition: s",
        ),
        rule(
            "word anywhere",
            "product: windows, service: system",
            "  words: ['*needle*']\n  condition: words",
        ),
        rule(
            "key deleted",
            "product: windows, category: registry_delete",
            "  s: {TargetObject|contains: Run}\n  condition: s",
        ),
        rule(
            "line of a program",
            "product: linux, service: sshd",
            "  words: ['error in libcrypto']\n  condition: words",
        ),
        rule(
            "connection",
            "product: zeek, service: conn",
            "  s: {id.resp_p: 445}\n  condition: s",
        ),
    ]
    .join("---\n");
    let (rules, problems) = load(&text);
    assert_eq!(problems, []);
    for (event, expected) in [
        (
            (
                SYSMON,
                1,
                &[("Image", r"C:\EVIL.exe"), ("CommandLine", "x")][..],
            ),
            &["image"][..],
        ),
        (
            (
                "Security",
                4688,
                &[("NewProcessName", r"C:\evil.exe"), ("CommandLine", "x")],
            ),
            &["image"],
        ),
        (
            ("Security", 4688, &[("NewProcessName", r"C:\good.exe")]),
            &["no command line"],
        ),
        ((SYSMON, 11, &[("Image", r"C:\evil.exe")]), &[]),
        (
            (
                "syslog:sshd",
                0,
                &[
                    ("process", "sshd"),
                    ("message", "fatal: Error in libcrypto"),
                ],
            ),
            &["line of a program"],
        ),
        (
            ("syslog:cron", 0, &[("message", "error in libcrypto")]),
            &[],
        ),
        (
            (
                SYSMON,
                1,
                &[
                    ("ParentImage", r"C:\cmd.exe"),
                    ("User", r"A\ann"),
                    ("CommandLine", "x"),
                ],
            ),
            &["parent, not system"],
        ),
        (
            (
                SYSMON,
                1,
                &[
                    ("ParentImage", r"C:\cmd.exe"),
                    ("User", r"NT AUTHORITY\SYSTEM"),
                    ("CommandLine", "x"),
                ],
            ),
            &[],
        ),
        (
            (
                "System",
                7045,
                &[
                    ("Provider", "Service Control Manager"),
                    ("ServiceName", "Xyz"),
                ],
            ),
            &["service installed"],
        ),
        (
            (
                "System",
                7036,
                &[
                    ("Provider", "Service Control Manager"),
                    ("param1", "a Needle b"),
                ],
            ),
            &["word anywhere"],
        ),
        (
            (
                SYSMON,
                12,
                &[
                    ("EventType", "DeleteValue"),
                    ("TargetObject", r"HKLM\Run\x"),
                ],
            ),
            &["key deleted"],
        ),
        (
            (
                SYSMON,
                12,
                &[("EventType", "CreateKey"), ("TargetObject", r"HKLM\Run\x")],
            ),
            &[],
        ),
        (
            (
                "Security",
                4657,
                &[
                    ("OperationType", "%%1906"),
                    ("ObjectName", r"\REGISTRY\MACHINE\Run"),
                    ("ObjectValueName", "x"),
                ],
            ),
            &["key deleted"],
        ),
        (("zeek:conn", 0, &[("id.resp_p", "445")]), &["connection"]),
        (("zeek:conn", 0, &[("id.resp_p", "80")]), &[]),
    ] {
        let (channel, id, fields) = event;
        let names: Vec<String> = found(&rules, &[(channel, id, 0, fields)])
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, expected, "{channel}/{id} {fields:?}");
    }
}

#[test]
fn findings_say_who_and_where() {
    let text = "title: Odd\nid: 11111111-1111-1111-1111-111111111111\nstatus: experimental\nlevel: critical\n\
        tags: [attack.lateral-movement, attack.t1021.002, attack.g0016]\nfalsepositives: [admins]\n\
        logsource: {product: windows, category: process_creation}\n\
        detection: {s: {Image|endswith: '\\odd.exe'}, condition: s}\n";
    let (rules, problems) = load(text);
    assert_eq!(problems, []);
    let odd: &[(&str, &str)] = &[("Image", r"C:\odd.exe"), ("User", r"CORP\ann")];
    let system: &[(&str, &str)] = &[("Image", r"C:\odd.exe"), ("User", r"NT AUTHORITY\SYSTEM")];
    let catalog = events(
        rules.demand().as_ref(),
        &[
            (SYSMON, 1, 0, odd),
            (SYSMON, 1, 5, odd),
            (SYSMON, 1, 9, system),
        ],
    );
    let (mut findings, _) = rules
        .run(&catalog, 1)
        .unwrap_or_else(|error| panic!("{error}"));
    finding::put_in_order(&mut findings);
    let [first, second] = findings.as_slice() else {
        panic!("{findings:?}");
    };
    assert_eq!(first.event_count, 2, "alike matches are one finding");
    assert_eq!(first.message, "Odd on WS1 by ann");
    assert_eq!(first.values("Image"), [r"C:\odd.exe"]);
    assert_eq!(
        (first.first, first.last),
        (Some(AT * 1_000_000), Some((AT + 5) * 1_000_000))
    );
    let objects: Vec<(&str, &str, u32)> = first
        .risk_objects
        .iter()
        .map(|one| (one.kind.name(), one.value.as_str(), one.score))
        .collect();
    assert_eq!(objects, [("user", "ann", 90), ("system", "WS1", 90)]);
    assert_eq!(
        second.risk_objects.len(),
        1,
        "SYSTEM is not an account to follow"
    );
    let detection = &first.detection;
    assert_eq!(detection.kind, DetectionType::Ttp);
    assert_eq!(detection.techniques, ["T1021.002"]);
    assert_eq!(detection.tactics, ["lateral-movement"]);
    assert_eq!(detection.status, Status::Experimental);
    assert_eq!(detection.known_false_positives, "admins");
}

#[test]
fn levels_are_types_and_scores() {
    for (level, kind, score) in [
        ("level: critical", DetectionType::Ttp, 90),
        ("level: high", DetectionType::Ttp, 70),
        ("level: medium", DetectionType::Anomaly, 50),
        ("level: low", DetectionType::Anomaly, 30),
        ("level: informational", DetectionType::Hunting, 10),
        ("", DetectionType::Anomaly, 30),
    ] {
        let text = format!(
            "title: A\n{level}\nlogsource: {{product: windows, service: system}}\ndetection: {{s: {{EventID: 1}}, condition: s}}\n"
        );
        let (rules, _) = load(&text);
        let found: Vec<_> = rules
            .detections()
            .map(|one| (one.kind, one.risk_score))
            .collect();
        assert_eq!(found, [(kind, score)], "{level}");
    }
}

const FAILED: &str = "title: Failed\nname: failed\nlogsource: {product: windows, service: security}\n\
    detection: {s: {EventID: 4625}, condition: s}\nlevel: low\n---\n\
    title: Succeeded\nname: succeeded\nlogsource: {product: windows, service: security}\n\
    detection: {s: {EventID: 4624}, condition: s}\nlevel: low\n---\n";

#[test]
fn correlations_join_matches() {
    let user: &[(&str, &str)] = &[("TargetUserName", "ann"), ("IpAddress", "10.0.0.1")];
    let other: &[(&str, &str)] = &[("TargetUserName", "bob"), ("IpAddress", "10.0.0.2")];
    let from: &[(&str, &str)] = &[("TargetUserName", "ann"), ("IpAddress", "10.0.0.9")];
    let failed = |seconds, fields| ("Security", 4625, seconds, fields);
    let logon = |seconds, fields| ("Security", 4624, seconds, fields);
    for (correlation, all, expected) in [
        (
            "type: event_count, rules: [failed], group-by: [TargetUserName], timespan: 5m, condition: {gte: 3}",
            vec![
                failed(0, user),
                failed(10, other),
                failed(20, user),
                failed(30, user),
            ],
            vec![("C".to_owned(), vec![1, 3, 4])],
        ),
        (
            "type: event_count, rules: [failed], group-by: [TargetUserName], timespan: 5m, condition: {gte: 3}",
            vec![failed(0, user), failed(200, user), failed(400, user)],
            vec![],
        ),
        (
            "type: value_count, rules: [failed], group-by: [TargetUserName], timespan: 5m, condition: {field: IpAddress, gte: 2}",
            vec![failed(0, user), failed(1, user), failed(2, from)],
            vec![("C".to_owned(), vec![1, 2, 3])],
        ),
        (
            "type: temporal, rules: [failed, succeeded], group-by: [TargetUserName], timespan: 5m",
            vec![failed(0, user), logon(1, other), logon(2, user)],
            vec![("C".to_owned(), vec![1, 3])],
        ),
        (
            "type: temporal_ordered, rules: [failed, succeeded], group-by: [TargetUserName], timespan: 5m",
            vec![logon(0, user), failed(1, user)],
            vec![],
        ),
        (
            "type: event_count, rules: [failed], group-by: [TargetUserName], timespan: 5m, condition: {gte: 2}, generate: true",
            vec![failed(0, user), failed(1, user)],
            vec![
                ("C".to_owned(), vec![1, 2]),
                ("Failed".to_owned(), vec![1, 2]),
            ],
        ),
    ] {
        // `generate` is beside `correlation` in rules.
        let (correlation, generate) = match correlation.strip_suffix(", generate: true") {
            Some(rest) => (rest, "generate: true\n"),
            None => (correlation, ""),
        };
        let (mut rules, problems) = load(&format!(
            "{FAILED}title: C\ncorrelation: {{{correlation}}}\n{generate}level: high\n"
        ));
        assert_eq!(problems, []);
        // Rules that no correlation names would report each of their matches.
        rules.retain(|one| one.name != "Succeeded");
        assert_eq!(found(&rules, &all), expected, "{correlation}");
    }
}

#[test]
fn correlations_of_every_kind() {
    let base = format!(
        "{FAILED}title: Process\nname: process\nlogsource: {{product: windows, category: process_creation}}\n\
         detection: {{s: {{Image|endswith: '\\x.exe'}}, condition: s}}\nlevel: low\n---\n"
    );
    let failed: &[(&str, &str)] = &[("TargetUserName", "ann"), ("IpAddress", "10.0.0.1")];
    let elsewhere: &[(&str, &str)] = &[("TargetUserName", "ann"), ("IpAddress", "10.0.0.2")];
    let bob: &[(&str, &str)] = &[("TargetUserName", "bob"), ("IpAddress", "10.0.0.1")];
    let five: &[(&str, &str)] = &[
        ("Image", r"C:\x.exe"),
        ("ProcessId", "5"),
        ("User", r"A\ann"),
    ];
    let seven: &[(&str, &str)] = &[
        ("Image", r"C:\x.exe"),
        ("ProcessId", "7"),
        ("User", r"A\ann"),
    ];
    let all: &[Event<'_>] = &[
        ("Security", 4625, 0, failed),
        ("Security", 4625, 10, elsewhere),
        ("Security", 4625, 20, bob),
        ("Security", 4624, 30, failed),
        (SYSMON, 1, 40, five),
        (SYSMON, 1, 50, seven),
        ("Security", 4625, 1000, bob),
    ];
    let span = "timespan: 5m";
    for (correlation, expected) in [
        (
            "type: event_count, rules: [failed], condition: {gt: 2, lte: 3}",
            &[&[1, 2, 3][..]][..],
        ),
        // An upper bound is decided at the end of the time span, not at the first event.
        (
            "type: event_count, rules: [failed], group-by: [TargetUserName], condition: {lt: 2}",
            &[&[3], &[7]],
        ),
        (
            "type: event_count, rules: [failed], group-by: [TargetUserName], condition: {eq: 2}",
            &[&[1, 2]],
        ),
        (
            "type: value_count, rules: [failed], group-by: [TargetUserName], condition: {field: IpAddress, gte: 2}",
            &[&[1, 2]],
        ),
        (
            "type: value_count, rules: [failed], condition: {field: [TargetUserName, IpAddress], gte: 3}",
            &[&[1, 2, 3]],
        ),
        (
            "type: value_count, rules: [failed], group-by: [TargetUserName], condition: {field: IpAddress, lt: 2}",
            &[&[3], &[7]],
        ),
        (
            "type: value_sum, rules: [process], group-by: [Image], condition: {field: ProcessId, gte: 12}",
            &[&[5, 6]],
        ),
        (
            "type: value_avg, rules: [process], group-by: [Image], condition: {field: ProcessId, gte: 6}",
            &[&[5, 6]],
        ),
        (
            "type: value_median, rules: [process], group-by: [Image], condition: {field: ProcessId, gte: 6}",
            &[&[5, 6]],
        ),
        (
            "type: value_percentile, rules: [process], group-by: [Image], condition: {field: ProcessId, percentile: 90, gte: 6}",
            &[&[5, 6]],
        ),
        (
            "type: temporal, rules: [failed, succeeded], group-by: [IpAddress]",
            &[&[1, 3, 4]],
        ),
        (
            "type: temporal_ordered, rules: [succeeded, process]",
            &[&[4, 5]],
        ),
        ("type: temporal_ordered, rules: [process, succeeded]", &[]),
        // Field names differ from rule to rule.
        (
            "type: temporal, rules: [failed, succeeded], group-by: [from], aliases: {from: {failed: IpAddress, succeeded: IpAddress}}",
            &[&[1, 3, 4]],
        ),
        (
            "type: temporal, rules: [failed, process], group-by: [x], aliases: {x: {failed: IpAddress, process: ProcessId}}",
            &[],
        ),
        // What must not have happened.
        (
            "type: temporal, rules: [failed, succeeded, process], condition: failed and succeeded and process",
            &[&[1, 2, 3, 4, 5]],
        ),
        (
            "type: temporal, rules: [failed, succeeded, process], condition: failed and succeeded and not process",
            &[],
        ),
    ] {
        let (mut rules, problems) = load(&format!(
            "{base}title: C\ncorrelation: {{{correlation}, {span}}}\nlevel: high\n"
        ));
        assert_eq!(problems, [], "{correlation}");
        rules.retain(|one| one.name == "C");
        let records: Vec<Vec<u64>> = found(&rules, all)
            .into_iter()
            .map(|(_, records)| records)
            .collect();
        assert_eq!(records, expected, "{correlation}");
    }
    // A correlation over a correlation shows the events of both, and is the only one to report.
    let chain = format!(
        "{base}title: Inner\nname: inner\ncorrelation: {{type: event_count, rules: [failed], group-by: [TargetUserName], {span}, condition: {{gte: 2}}}}\n\
         level: medium\n---\ntitle: Outer\ncorrelation: {{type: temporal_ordered, rules: [inner, succeeded], group-by: [TargetUserName], {span}}}\nlevel: high\n"
    );
    for (generate, expected) in [
        ("", &["Outer"][..]),
        // Of the rules it names, and not of those behind them.
        ("generate: true\n", &["Inner", "Outer", "Succeeded"]),
    ] {
        let (mut rules, problems) = load(&format!("{chain}{generate}"));
        assert_eq!(problems, []);
        rules.retain(|one| one.name != "Process");
        let found = found(&rules, all);
        let names: BTreeSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
        let outer = found.iter().find(|(name, _)| name == "Outer");
        assert_eq!(
            outer.map(|(_, records)| records.clone()),
            Some(vec![1, 2, 4])
        );
    }
}

#[test]
fn filters_have_conditions_and_choose_rules() {
    let ann: &[(&str, &str)] = &[("TargetUserName", "ann"), ("IpAddress", "10.0.0.1")];
    let bob: &[(&str, &str)] = &[("TargetUserName", "bob"), ("IpAddress", "10.0.0.1")];
    let all: &[Event<'_>] = &[
        ("Security", 4625, 0, ann),
        ("Security", 4625, 1, bob),
        ("Security", 4624, 2, ann),
    ];
    for (filter, expected) in [
        (
            "rules: [failed], s: {TargetUserName: ann}, condition: not s",
            &[2, 3][..],
        ),
        (
            "rules: [failed], s: {TargetUserName: ann}, condition: s",
            &[1, 3],
        ),
        (
            "rules: any, s: {TargetUserName: ann}, condition: not s",
            &[2],
        ),
        (
            "rules: [Failed], s_1: {TargetUserName: ann}, s_2: {IpAddress|cidr: 10.0.0.0/8}, condition: not 1 of s_*",
            &[3],
        ),
        (
            "rules: [failed], s_1: {TargetUserName: ann}, s_2: {IpAddress|cidr: 10.0.0.0/8}, condition: not all of s_*",
            &[2, 3],
        ),
        (
            "rules: [failed], s: {TargetUserName|re: 'n(?=n)'}, condition: not s",
            &[2, 3],
        ),
    ] {
        let (rules, problems) = load(&format!(
            "{FAILED}title: F\nlogsource: {{product: windows, service: security}}\nfilter: {{{filter}}}\n"
        ));
        assert_eq!(problems, [], "{filter}");
        let mut records: Vec<u64> = found(&rules, all)
            .into_iter()
            .flat_map(|(_, records)| records)
            .collect();
        records.sort_unstable();
        assert_eq!(records, expected, "{filter}");
    }
}

#[test]
fn filters_except_events() {
    let text = format!(
        "{FAILED}title: Scanner\nlogsource: {{product: windows, service: security}}\nfilter:\n  rules: [failed]\n  \
         s: {{TargetUserName: scanner}}\n  condition: not s\n"
    );
    let (rules, problems) = load(&text);
    assert_eq!(problems, []);
    let user: &[(&str, &str)] = &[("TargetUserName", "ann")];
    let scanner: &[(&str, &str)] = &[("TargetUserName", "scanner")];
    assert_eq!(
        found(
            &rules,
            &[
                ("Security", 4625, 0, user),
                ("Security", 4625, 1, scanner),
                ("Security", 4624, 2, scanner)
            ]
        ),
        [
            ("Failed".to_owned(), vec![1]),
            ("Succeeded".to_owned(), vec![3])
        ]
    );
}

/// The rule of one detection, and which of some values of a field it matches.
fn matched(detection: &str, field: &str, values: &[&str]) -> Vec<String> {
    let (rules, problems) = load(&rule("R", "product: windows, service: system", detection));
    assert_eq!(problems, [], "{detection}");
    let fields: Vec<Vec<(&str, &str)>> = values
        .iter()
        .map(|value| vec![("Always", "there"), (field, *value)])
        .map(|fields| {
            fields
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect()
        })
        .collect();
    let all: Vec<Event<'_>> = fields
        .iter()
        .enumerate()
        .map(|(at, fields)| ("System", 1, at as i64, fields.as_slice()))
        .collect();
    let records: BTreeSet<u64> = found(&rules, &all)
        .into_iter()
        .flat_map(|(_, records)| records)
        .collect();
    values
        .iter()
        .enumerate()
        .filter(|(at, _)| records.contains(&(*at as u64 + 1)))
        .map(|(_, value)| (*value).to_owned())
        .collect()
}

/// Facts: Sigma's specification 2.1, and its reference implementation, pySigma.
#[test]
fn values_mean_what_the_specification_says() {
    let mut wrong = Vec::new();
    for (detection, values, expected) in [
        // Wildcards match any characters, and are escaped with a backslash.
        (
            r"  s: {F: 'a*d'}",
            &["a\nb\r\nd", "ad", "xad", "adx"][..],
            &["a\nb\r\nd", "ad"][..],
        ),
        (
            r"  s: {F|contains: 'b?d'}",
            &["abcde", "ab\nde", "bd"],
            &["abcde", "ab\nde"],
        ),
        (
            r"  s: {F|startswith: 'a*c'}",
            &["abc", "xabc", "acx"],
            &["abc", "acx"],
        ),
        (
            r"  s: {F|endswith: 'a*c'}",
            &["abc", "abcx", "xac"],
            &["abc", "xac"],
        ),
        (r"  s: {F|contains: 'a\*c'}", &["a*c", "abc"], &["a*c"]),
        (
            r"  s: {F|contains|all: ['a*b', 'c?d', e]}",
            &["axb cxd e", "axb cxd", "ab ced"],
            &["axb cxd e", "ab ced"],
        ),
        (r"  s: {F|contains|cased: 'A*b'}", &["Axb", "axb"], &["Axb"]),
        // Backslashes: one is itself, two are one.
        (r"  s: {F|contains: 'a\b'}", &[r"a\b", r"a\\b"], &[r"a\b"]),
        (
            r"  s: {F|contains: 'a\\\\b'}",
            &[r"a\b", r"a\\b"],
            &[r"a\\b"],
        ),
        // A dash or slash that begins an option matches any of them.
        (
            r"  s: {F|contains|windash: ' -f'}",
            &["x -f", "x /f", "x \u{2013}f", "x f"],
            &["x -f", "x /f", "x \u{2013}f"],
        ),
        (
            r"  s: {F|contains|windash: ' /f'}",
            &["x -f", "x /f"],
            &["x -f", "x /f"],
        ),
        (
            r"  s: {F|contains|windash: ' -no-way'}",
            &["x /no-way", "x /no/way"],
            &["x /no-way"],
        ),
        (
            r"  s: {F|contains|windash: ' -f * -g'}",
            &["x /f y -g", "x /f -g", "x f -g"],
            &["x /f y -g"],
        ),
        (
            r"  s: {F|contains|all|windash: [' -a', ' -b', ' -c -d -e']}",
            &["x /a -b -c /d \u{2015}e", "x /a -b"],
            &["x /a -b -c /d \u{2015}e"],
        ),
        // Typographic dashes match, too.
        (
            "  s: {F|contains|windash: ' \u{2013}f'}",
            &["x -f", "x /f", "x \u{2013}f", "x\u{2013}f"],
            &["x -f", "x /f", "x \u{2013}f"],
        ),
        (
            "  s: {F|contains|windash: ' \u{2014}f * -g'}",
            &["x -f y /g", "x /f y -g", "x f y -g"],
            &["x -f y /g", "x /f y -g"],
        ),
        // Numbers and booleans are texts when part of a text is compared.
        (r"  s: {F|contains: 47}", &["1470", "48"], &["1470"]),
        (r"  s: {F|contains|all: [1, 2]}", &["1 2", "1"], &["1 2"]),
        (r"  s: {F|endswith: true}", &["is TRUE", "no"], &["is TRUE"]),
        // Backslashes before wildcards.
        (r"  s: {F: 'a\\*'}", &[r"a\b", "a*", "ab"], &[r"a\b"]),
        (r"  s: {F: 'a\\\*'}", &[r"a\*", r"a\b"], &[r"a\*"]),
        (r"  s: {F: 'a\?'}", &["a?", "ab"], &["a?"]),
        (r"  s: {F|endswith: '\'}", &[r"a\", "a"], &[r"a\"]),
        // Something, anything, and one character.
        (r"  s: {F: '*'}", &["", "x"], &["x"]),
        (r"  s: {F: '?'}", &["x", "xx"], &["x"]),
        (r"  s: {F|contains: ''}", &["", "x"], &["x"]),
        // Long names of what a pattern does; UTF-16 under its full name.
        (
            r"  s: {F|re|ignorecase|dotall: 'A.B'}",
            &["a\nb", "ab"],
            &["a\nb"],
        ),
        (
            r"  s: {F|re|i|m|s: '^A.B$'}",
            &["x\na\nb\ny"],
            &["x\na\nb\ny"],
        ),
        (
            r"  s: {F|utf16le|base64offset|contains: 'iex'}",
            &["x aQBlAHgAIAAx", "x aWV4"],
            &["x aQBlAHgAIAAx"],
        ),
        // Several comparisons of one field; any of a list.
        (r"  s: {F|gte: 10, F|lt: 20}", &["5", "15", "20"], &["15"]),
        (r"  s: {F|lt: [5, 10]}", &["7", "12"], &["7"]),
        (r"  s: {F|gt: -1}", &["0", "-2"], &["0"]),
        (
            r"  s: {F|contains|all|neq: [a, b]}",
            &["ab", "a", "c"],
            &["a", "c"],
        ),
        (r"  s: {F|fieldref: Nowhere}", &["x", ""], &[]),
        // Search identifiers: one text, lists of texts and maps, all of some keywords in a list.
        (r"  s: evil", &["evil x", "good"], &["evil x"]),
        (
            "  s:\n    - evil\n    - F: good",
            &["evil x", "good", "other"],
            &["evil x", "good"],
        ),
        (
            "  s:\n    - '|all': [one, two]\n    - F: x",
            &["one two", "x", "one"],
            &["one two", "x"],
        ),
        ("  s: {F: a}\n  timeframe: 5m", &["a", "b"], &["a"]),
        // Header fields under the specification's names.
        (
            r"  s: {EventRecordID|gt: 1, TimeCreated_SystemTime|startswith: '2026-01-05T10:00', F: x}",
            &["x", "x"],
            &["x"],
        ),
        // No value: nothing, or an empty text.
        (r"  s: {F: null}", &["", "x"], &[""]),
        (r"  s: {F: ''}", &["", "x"], &[""]),
        (r"  s: {F: [null, x]}", &["", "x", "y"], &["", "x"]),
        (r"  s: {F|exists: false}", &["", "x"], &[""]),
        (r"  s: {F|neq: x}", &["", "x", "X", "y"], &["", "y"]),
        (
            r"  s: {F|contains|neq: [x, y]}",
            &["ax", "ay", "az"],
            &["az"],
        ),
        (r"  s: {F|neq: 5}", &["5", "6"], &["6"]),
        // Regular expressions: case counts, anywhere in the text; what linear engines lack as well.
        (
            r"  s: {F|re: 'b{,2}c$'}",
            &["abbc", "c", "Bc", "cx"],
            &["abbc", "c", "Bc"],
        ),
        (r"  s: {F|re|i: '^AB+'}", &["abb", "xab"], &["abb"]),
        (r"  s: {F|re: 'a(?!b)'}", &["ab", "ac"], &["ac"]),
        (
            r"  s: {F|re|i: '(?<=X)b'}",
            &["xb", "XB", "ab"],
            &["xb", "XB"],
        ),
        (r"  s: {F|re: '(.)\1'}", &["abb", "abc"], &["abb"]),
        (
            r"  s: {F|re: ['(.)\1', 'x$']}",
            &["abb", "abx", "abc"],
            &["abb", "abx"],
        ),
        (r"  s: {F|re|s: 'a.b(?!c)'}", &["a\nb", "a\nbc"], &["a\nb"]),
        // Keywords match anywhere, also with wildcards, and all together.
        (r"  s: ['e*d', zz]", &["xx end xx", "xx"], &["xx end xx"]),
        (
            r"  s: {'|all': [one, 't?o']}",
            &["one two", "one"],
            &["one two"],
        ),
        (r"  s: {'|re': 'q(?=u)'}", &["qu", "qa"], &["qu"]),
        (r"  s: [4711]", &["nr 4711!", "471"], &["nr 4711!"]),
        // Digits with an `e` between them are a text.
        (
            "  s:\n    F|contains:\n      - 12e5 # of a hash\n      - 0000E00",
            &["x12e5", "a0000e00", "1200000", "0"],
            &["x12e5", "a0000e00"],
        ),
        ("  s:\n    F: 12e5", &["12e5", "1200000"], &["12e5"]),
        // Numbers, networks, encodings, other fields.
        (
            r"  s: {F: 16}",
            &["16", "16.0", "0x10", "160"],
            &["16", "16.0"],
        ),
        (r"  s: {F|gte: 5}", &["5", "40", "4", "x"], &["5", "40"]),
        (
            r"  s: {F|cidr: ['10.0.0.0/8', 'fe80::/10']}",
            &["10.1.2.3", "11.0.0.1", "fe80::1", "x"],
            &["10.1.2.3", "fe80::1"],
        ),
        (
            r"  s: {F|base64offset|contains: 'foobar'}",
            &["xxZm9vYmFyxx", "Zvb2Jh", "foobar"],
            &["xxZm9vYmFyxx"],
        ),
        // Of `foobar`, whatever surrounds it.
        (
            r"  s: {F|base64offset|contains: 'foobar'}",
            &[
                "eGZvb2Jhcg==",
                "eGZvb2Jhcng=",
                "eHhmb29iYXI=",
                "eHhmb29iYXJ4eHg=",
            ],
            &[
                "eGZvb2Jhcg==",
                "eGZvb2Jhcng=",
                "eHhmb29iYXI=",
                "eHhmb29iYXJ4eHg=",
            ],
        ),
        // Of `Start-P`, which fills no group of three bytes at any position.
        (
            r"  s: {F|base64offset|contains|cased: ['Start-P']}",
            &[
                "U3RhcnQtUHJv",
                "MVN0YXJ0LVBybw==",
                "MTJTdGFydC1Qcm8=",
                "MTJTdGFydC1Rcm8=",
            ],
            &["U3RhcnQtUHJv", "MVN0YXJ0LVBybw==", "MTJTdGFydC1Qcm8="],
        ),
        (
            r"  s: {F|wide|base64offset|contains: 'iex'}",
            &["x aQBlAHgAIAAx", "x IABpAGUAeAA=", "x aWV4"],
            &["x aQBlAHgAIAAx", "x IABpAGUAeAA="],
        ),
        (
            r"  s: {F|base64offset|contains|all: ['foobar', 'Start-P']}",
            &["Zm9vYmFy MVN0YXJ0LVBybw==", "Zm9vYmFy"],
            &["Zm9vYmFy MVN0YXJ0LVBybw=="],
        ),
        (
            r"  s: {F|base64: 'ping'}",
            &["cGluZw==", "xcGluZw==", "ping"],
            &["cGluZw=="],
        ),
        (
            r"  s: {F|windash|wide|base64offset|contains: ' -x'}",
            &["IAAtAHgA", "IAAvAHgA", "IAB4AHgA"],
            &["IAAtAHgA", "IAAvAHgA"],
        ),
        // UTF-16 without Base64: letters with zeros between them.
        (
            r"  s: {F|wide|contains: 'cmd'}",
            &["c\0m\0d\0", "cmd"],
            &["c\0m\0d\0"],
        ),
        (r"  s: {F|utf16be: 'cd'}", &["\0c\0d", "cd"], &["\0c\0d"]),
        (
            r"  s: {F|utf16|base64: 'a'}",
            &["//5hAA==", "YQA="],
            &["//5hAA=="],
        ),
        // Parts of times, in every format that logs use.
        (
            r"  s: {F|hour: 10}",
            &[
                "2026-03-01 10:59:59.123",
                "2026-03-01 10:00:00",
                "2026-03-01T10:00:00.1234567Z",
                "2026-03-01T12:00:00+02:00",
                "3/1/2026 10:00:00 AM",
                "1772359200",
                "2026-03-01 11:00:00.000",
                "10",
            ],
            &[
                "2026-03-01 10:59:59.123",
                "2026-03-01 10:00:00",
                "2026-03-01T10:00:00.1234567Z",
                "2026-03-01T12:00:00+02:00",
                "3/1/2026 10:00:00 AM",
                "1772359200",
            ],
        ),
        (
            r"  s: {F|hour: [22, '07']}",
            &[
                "2026-03-01 22:00:00.000",
                "2026-03-01 07:00:00.000",
                "2026-03-01 08:00:00.000",
            ],
            &["2026-03-01 22:00:00.000", "2026-03-01 07:00:00.000"],
        ),
        (
            r"  s: {F|hour|gte: 20}",
            &["2026-03-01 21:00:00.000", "2026-03-01 08:00:00.000", ""],
            &["2026-03-01 21:00:00.000"],
        ),
        (
            r"  s: {F|hour|neq: 8}",
            &["2026-03-01 21:00:00.000", "2026-03-01 08:00:00.000"],
            &["2026-03-01 21:00:00.000"],
        ),
        (
            r"  s: {F|minute: 7, Always|contains: her}",
            &["2026-03-01 21:07:00.000", "2026-03-01 07:08:00.000"],
            &["2026-03-01 21:07:00.000"],
        ),
        (
            r"  s: {F|day: 9}",
            &["2026-03-09 01:00:00.000", "2026-09-01 01:00:00.000"],
            &["2026-03-09 01:00:00.000"],
        ),
        (
            r"  s: {F|week: 10}",
            &["2026-03-02 01:00:00.000", "2026-03-01 01:00:00.000"],
            &["2026-03-02 01:00:00.000"],
        ),
        (
            r"  s: {F|month: 3}",
            &["2026-03-01 01:00:00.000", "2026-01-03 01:00:00.000"],
            &["2026-03-01 01:00:00.000"],
        ),
        (
            r"  s: {F|year: 2026}",
            &["2026-03-01 01:00:00.000", "2025-03-01 01:00:00.000"],
            &["2026-03-01 01:00:00.000"],
        ),
        (r"  s: {'@timestamp|hour': 10, F: x}", &["x", "y"], &["x"]),
        (r"  s: {TimeCreated|hour: 11, F: x}", &["x", "y"], &[]),
        // Networks: one address, bits after the prefix, addresses as Windows writes them.
        (
            r"  s: {F|cidr: ['192.0.2.7', '10.1.2.3/8']}",
            &[
                "192.0.2.7",
                "192.0.2.8",
                "::ffff:10.9.9.9",
                "10.9.9.9:445",
                "-",
            ],
            &["192.0.2.7", "::ffff:10.9.9.9", "10.9.9.9:445"],
        ),
        (
            r"  s: {F|cidr: ['fe80::/10', '::1']}",
            &["fe80::1%12", "::1", "::2", "127.0.0.1"],
            &["fe80::1%12", "::1"],
        ),
        (
            r"  s: {F|cidr: '0.0.0.0/0'}",
            &["192.0.2.7", "2001:db8::1", "x"],
            &["192.0.2.7"],
        ),
        (
            r"  s: {F|cidr: '::ffff:10.0.0.0/104'}",
            &["10.1.1.1", "11.1.1.1"],
            &["10.1.1.1"],
        ),
        (
            r"  s: {F|cidr|neq: '10.0.0.0/8'}",
            &["10.1.1.1", "11.1.1.1"],
            &["11.1.1.1"],
        ),
        // An end also matches before a final line break.
        (
            r"  s: {F|re: 'c$'}",
            &["abc\n", "abc", "abc\nd"],
            &["abc\n", "abc"],
        ),
        (r"  s: {F|re|m: '^b$'}", &["a\nb\nc", "ab"], &["a\nb\nc"]),
        (r"  s: {F|re: 'a\\b'}", &[r"a\b", "ab"], &[r"a\b"]),
        // No value in a list is not a value.
        (r"  s: {F: []}", &["", "x"], &[""]),
        (r"  s: {F: }", &["", "x"], &[""]),
        (
            r"  s: {F|contains: [null, x]}",
            &["", "axb", "y"],
            &["", "axb"],
        ),
        (r"  s: {F|neq: null}", &["", "x"], &["x"]),
        (r"  s: {F|exists: true}", &["", "x"], &["x"]),
        // Keywords that must all be present may be in different fields.
        (
            r"  s: {'|all': [here, one]}",
            &["a one", "a two"],
            &["a one"],
        ),
        (
            r"  s: {'|all': ['h*e', 'o?e', there]}",
            &["a one", "a two"],
            &["a one"],
        ),
        (
            r"  s: {'|re|all': ['^there$', '^o.e$']}",
            &["one", "two"],
            &["one"],
        ),
        (r"  s: {'|cased': [One]}", &["a One", "a one"], &["a One"]),
        (r"  s: [true]", &["is True", "no"], &["is True"]),
        // Case, and comparison with other fields.
        (r"  s: {F|cased: Ab}", &["Ab", "ab"], &["Ab"]),
        (r"  s: {F|startswith|cased: Ab}", &["Abc", "abc"], &["Abc"]),
        (
            r"  s: {F|fieldref|neq: Always}",
            &["THERE", "x", ""],
            &["x", ""],
        ),
        (
            r"  s: {F|fieldref|startswith: Always}",
            &["Therefore", "x there"],
            &["Therefore"],
        ),
        (
            r"  s: {F|fieldref|contains: Always}",
            &["in there.", "x"],
            &["in there."],
        ),
        (r"  s: {F|lt: 5}", &["4.5", "5", "-1", "x"], &["4.5", "-1"]),
        (r"  s: {F|gt: '5'}", &["6", "5"], &["6"]),
        (r"  s: {F|lte: 5}", &["5", "6"], &["5"]),
        (r"  s: {F|fieldref: Always}", &["THERE", "x"], &["THERE"]),
        (r"  s: {F: true}", &["true", "false"], &["true"]),
    ] {
        let text = format!("{detection}\n  condition: s");
        let matched = matched(&text, "F", values);
        if matched != expected {
            wrong.push(format!("{detection}: {matched:?} and not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Meaningless rules are refused, with a reason.
#[test]
fn values_that_mean_nothing_are_refused() {
    for (detection, said) in [
        (r"{F|cidr: '10.0.0.300/8'}", "is not a network"),
        (r"{F|hour: noon}", "must be a number"),
        (r"{F|base64: 'a*b'}", "has wildcards"),
        (r"{F|utf16: 'a'}", "is not text in this encoding"),
        (r"{F|wide: 'é'}", "is not text in this encoding"),
        (r"{F|base64|base64offset: 'a'}", "mutually"),
        (r"{F|hour|contains: 1}", "at most one operator"),
        (r"{F|expand: '%servers%'}", "not known here"),
    ] {
        let (rules, _) = load(&rule(
            "R",
            "product: windows, service: system",
            &format!("  s: {detection}\n  condition: s"),
        ));
        let problems = rules.check();
        assert!(
            problems.len() == 1 && problems[0].message.contains(said),
            "{detection}: {problems:?}"
        );
    }
}

#[test]
fn conditions_choose_search_identifiers() {
    let named = "  sel_a: {F|contains: a}\n  sel_b: {F|contains: b}\n  sel_c: {F|contains: c}\n  _d: {F|contains: d}\n  filter: {F|contains: x}\n";
    let values = ["a", "ab", "abc", "abcx", "d", "x", ""];
    for (condition, expected) in [
        ("1 of sel_*", &["a", "ab", "abc", "abcx"][..]),
        ("all of sel_*", &["abc", "abcx"]),
        ("2 of sel_*", &["ab", "abc", "abcx"]),
        ("all of sel_* and not filter", &["abc"]),
        ("1 of them", &["a", "ab", "abc", "abcx", "x"]),
        ("all of them", &["abcx"]),
        ("any of sel_* and not 1 of filter*", &["a", "ab", "abc"]),
        ("not sel_a", &["d", "x", ""]),
        ("_d or all of filter", &["abcx", "d", "x"]),
        ("1 of *_a", &["a", "ab", "abc", "abcx"]),
        ("1 of s*_b", &["ab", "abc", "abcx"]),
        ("1 of sel_a", &["a", "ab", "abc", "abcx"]),
        ("1 of _*", &["d"]),
        ("not not filter", &["abcx", "x"]),
        ("filter or sel_b and not sel_c", &["ab", "abcx", "x"]),
        ("not sel_a and not _d", &["x", ""]),
        ("[filter, _d]", &["abcx", "d", "x"]),
    ] {
        let text = format!("{named}  condition: {condition}");
        assert_eq!(matched(&text, "F", &values), expected, "{condition}");
    }
    // Parts that match nothing are ignored, and reported.
    for (condition, expected) in [
        (
            "sel_a and not 1 of nothing_*",
            &["a", "ab", "abc", "abcx"][..],
        ),
        ("all of nothing_* or filter", &["abcx", "x"]),
        ("sel_b and all of nothing_*", &["ab", "abc", "abcx"]),
    ] {
        let text = rule(
            "R",
            "product: windows, service: system",
            &format!("{named}  condition: {condition}"),
        );
        let (rules, problems) = load(&text);
        let [problem] = problems.as_slice() else {
            panic!("{condition}: {problems:?}");
        };
        assert!(
            !problem.fatal && problem.message.contains("of nothing_*"),
            "{problem:?}"
        );
        let fields: Vec<Vec<(&str, &str)>> =
            values.iter().map(|value| vec![("F", *value)]).collect();
        let all: Vec<Event<'_>> = fields
            .iter()
            .map(|fields| ("System", 1, 0, fields.as_slice()))
            .collect();
        let mut records: Vec<u64> = found(&rules, &all)
            .into_iter()
            .flat_map(|(_, records)| records)
            .collect();
        records.sort_unstable();
        let found: Vec<&str> = records
            .iter()
            .filter_map(|record| values.get(*record as usize - 1).copied())
            .collect();
        assert_eq!(found, expected, "{condition}");
    }
    let (rules, _) = load(&rule(
        "R",
        "product: windows, service: system",
        &format!("{named}  condition: all of nothing_*"),
    ));
    let problems = rules.check();
    assert!(
        problems.len() == 1 && problems[0].message.contains("names no search identifier"),
        "{problems:?}"
    );
}

#[test]
fn collections_have_a_part_for_each_log_source() {
    let text = "action: global\ntitle: G\nid: 33333333-0000-4000-8000-000000000001\nname: g\ndetection: {condition: s}\nlevel: high\n---\n\
        logsource: {product: windows, service: security}\ndetection: {s: {EventID: 4697}}\n---\n\
        logsource: {product: windows, service: system}\ndetection: {s: {EventID: 7045}}\n---\n\
        logsource: {product: windows, service: system}\ndetection: {s: {EventID: 7036}}\n";
    let all: &[Event<'_>] = &[
        ("Security", 4697, 0, &[("ServiceName", "x")]),
        ("System", 7045, 1, &[("ServiceName", "x")]),
        ("System", 7036, 2, &[("param1", "x")]),
    ];
    let records = |text: &str| {
        let (rules, problems) = load(text);
        assert_eq!(problems, []);
        let mut records: Vec<u64> = found(&rules, all)
            .into_iter()
            .flat_map(|(_, records)| records)
            .collect();
        records.sort_unstable();
        records
    };
    assert_eq!(records(text), [1, 2, 3]);
    // A filter is for all of them, a correlation counts all of them.
    let filter = "filter: {rules: [g], s: {ServiceName: x}, condition: not s}\n";
    assert_eq!(
        records(&format!(
            "{text}---\naction: reset\n---\ntitle: F\nlogsource: {{product: windows}}\n{filter}"
        )),
        [3]
    );
    assert_eq!(
        records(&format!(
            "{text}---\naction: reset\n---\ntitle: C\ncorrelation: {{type: event_count, rules: [g], timespan: 5m, condition: {{gte: 3}}}}\n"
        )),
        [1, 2, 3]
    );
}

#[test]
fn fields_are_found_under_names_written_nearly_so() {
    let text = [
        rule(
            "excluded",
            "product: windows, service: windefend",
            "  s: {EventID: 5007, NewValue|contains: Exclusions}\n  condition: s",
        ),
        rule(
            "infected",
            "category: antivirus",
            "  s: {Signature|contains: EICAR, Filename|endswith: '.com'}\n  condition: s",
        ),
        rule(
            "by a process",
            "product: windows, service: security",
            "  s: {ProcessId: 4}\n  condition: s",
        ),
        rule(
            "event 0",
            "product: windows, service: application",
            "  s: {EventID: 0, Provider_Name: Auto, Channel: Application}\n  condition: s",
        ),
        rule(
            "channel",
            "product: windows, service: application",
            "  s: [Applic]\n  condition: s",
        ),
        rule(
            "deleted",
            "product: windows, category: file_delete_detected",
            "  s: {TargetFilename|endswith: x, md5: AA}\n  condition: s",
        ),
        rule(
            "drive",
            "product: windows, service: bitlocker",
            "  s: {EventID: 775}\n  condition: s",
        ),
    ]
    .join("---\n");
    let (rules, problems) = load(&text);
    assert_eq!(problems, []);
    const DEFENDER: &str = "Microsoft-Windows-Windows Defender/Operational";
    for (event, expected) in [
        (
            (
                DEFENDER,
                5007,
                &[("New Value", r"HKLM\Exclusions\Paths")][..],
            ),
            &["excluded"][..],
        ),
        (
            (
                DEFENDER,
                1116,
                &[("Threat Name", "EICAR_Test"), ("Path", "file:_C:\\e.com")],
            ),
            &["infected"],
        ),
        (("Security", 5157, &[("ProcessID", "4")]), &["by a process"]),
        // The name itself comes first.
        (
            ("Security", 5158, &[("ProcessID", "4"), ("ProcessId", "5")]),
            &[],
        ),
        (
            ("Application", 0, &[("Provider", "Auto")]),
            &["channel", "event 0"],
        ),
        (
            (
                SYSMON,
                26,
                &[("TargetFilename", "x"), ("Hashes", "SHA1=B,MD5=AA")],
            ),
            &["deleted"],
        ),
        (
            (
                "Microsoft-Windows-BitLocker/BitLocker Management",
                775,
                &[("x", "y")],
            ),
            &["drive"],
        ),
    ] {
        let (channel, id, fields) = event;
        let names: Vec<String> = found(&rules, &[(channel, id, 0, fields)])
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, expected, "{channel}/{id} {fields:?}");
    }
}

#[test]
fn what_is_left_out_is_told() {
    let broken = "title: B\nlogsource: {product: windows, service: system}\ndetection: {condition: nothing}\n";
    for (text, part, fatal) in [
        (
            "title: L\nlogsource: {product: linux, service: clamav}\ndetection: {s: {a: b}, condition: s}\n",
            "1 Sigma rule needs events of a log that is not read (product linux, service clamav), such as `L`",
            false,
        ),
        (
            "title: C\ncorrelation: {type: event_count, rules: [gone], timespan: 5m, condition: {gte: 2}}\n",
            "`C` depends on missing rules: gone",
            false,
        ),
        (
            "title: C\ncorrelation: {type: value_count, rules: [x], timespan: 5m, condition: {gte: 2}}\n",
            "`C` cannot be used: a correlation of type value_count needs `field` in its condition",
            true,
        ),
        (
            "title: C\ncorrelation: {type: frequency, rules: [x], timespan: 5m, condition: {gte: 2}}\n",
            "Unknown correlation type: frequency",
            true,
        ),
        (
            "title: F\nlogsource: {product: windows}\nfilter: {rules: [gone], s: {a: b}, condition: not s}\n",
            "the filter `F` applies to missing rules: gone",
            false,
        ),
        (
            "title: M\nlogsource: {product: windows, service: system}\ndetection: {s: {a|near: b}, condition: s}\n",
            "near",
            true,
        ),
        (
            "title: A\nlogsource: {product: windows, service: system}\ndetection: {s: {a: b}, condition: 's | count() by c > 5'}\n",
            "write a correlation rule instead",
            true,
        ),
        (
            "title: A\nlogsource: {product: windows, service: system}\ndetection: {s: {a: b}, t: {a: c}, condition: 's |near t'}\n",
            "write a correlation rule instead",
            true,
        ),
        (
            "title: U\nlogsource: {product: windows, service: system}\ndetection: {s: {a: b}, t: {a: c}, condition: s OR t}\n",
            "the condition `s OR t` cannot be read from column 3 on: its keywords are lower case",
            true,
        ),
        (
            "title: U\nlogsource: {product: windows, service: system}\ndetection: {s: {a: b}, t: {a: c}, condition: s t}\n",
            "the condition `s t` cannot be read from column 3 on: it consists of search identifiers",
            true,
        ),
        ("title: [\ndetection: x\n", "YAML", true),
        ("name: no rule\n", "no Sigma rule here", true),
    ] {
        let (_, problems) = load(text);
        assert!(
            problems
                .iter()
                .any(|one| one.message.contains(part) && one.fatal == fatal),
            "{text}: {problems:?}"
        );
    }
    let unknown = rule(
        "E",
        "product: windows, service: system",
        "  s: {a|expand: '%servers%'}\n  condition: s",
    );
    for (text, part) in [(broken, ""), (unknown.as_str(), "`%servers%`")] {
        let (rules, mut problems) = load(text);
        problems.extend(rules.check());
        assert!(
            problems.len() == 1 && problems[0].message.contains(part),
            "{problems:?}"
        );
    }
}

#[test]
fn only_what_rules_name_is_demanded() {
    let (rules, _) = load(&rule(
        "A",
        "product: windows, category: process_creation",
        "  s: {Image|endswith: x, CommandLine|fieldref: ParentCommandLine}\n  condition: s",
    ));
    let demand = rules.demand();
    let names = |channel: &str, id| match demand.columns(channel, id) {
        Columns::Named(names) => names.iter().cloned().collect::<Vec<_>>().join(" "),
        Columns::None => "none".to_owned(),
        Columns::All => "all".to_owned(),
    };
    let sysmon = names(SYSMON, 1);
    for name in ["Image", "CommandLine", "ParentCommandLine", "User"] {
        assert!(sysmon.split(' ').any(|own| own == name), "{name}: {sysmon}");
    }
    assert!(!sysmon.contains("Hashes"), "{sysmon}");
    assert!(names("Security", 4688).contains("NewProcessName"));
    assert_eq!(names(SYSMON, 3), "none");
}

/// Runs the rules of a directory (`CRABWALK_SIGMA_RULES`, such as a checkout of SigmaHQ) over their regression logs:
/// every rule fires on its own log, as EVTX and as JSON.
#[test]
fn public_rules_fire_on_their_regression_logs() {
    let Some(directory) = std::env::var_os("CRABWALK_SIGMA_RULES").map(PathBuf::from) else {
        eprintln!("skipped: CRABWALK_SIGMA_RULES is not set");
        return;
    };
    const LOGS: &str = "files/sigma/regression_data";
    let Some(logs) = corpus(LOGS).map(|corpus| corpus.join(LOGS)) else {
        return;
    };
    let content = Content::load(false, &[]);
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![logs];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    let (all, _) = SigmaRules::load(std::slice::from_ref(&directory), &content.log_sources);
    let places: HashMap<String, PathBuf> = all
        .detections()
        .map(|one| (one.id.clone(), PathBuf::from(&one.origin.path)))
        .collect();
    let mut tried = 0;
    let mut silent = Vec::new();
    for file in files {
        let id = file.file_stem().unwrap_or_default().to_string_lossy();
        let Some(place) = places.get(id.as_ref()) else {
            continue;
        };
        let (rules, _) = SigmaRules::load(std::slice::from_ref(place), &content.log_sources);
        tried += 1;
        let read = crabwalk_sources::read(
            &[crabwalk_sources::Input::Path(file.clone())],
            rules.demand().as_ref(),
            &crabwalk_sources::Limits::default(),
            &crabwalk_sources::Quiet,
        );
        let catalog = MemoryCatalog::new(read.collected).unwrap_or_else(|error| panic!("{error}"));
        let (findings, _) = rules
            .run(&catalog, 1)
            .unwrap_or_else(|error| panic!("{error}"));
        if findings.is_empty() {
            silent.push(file);
        }
    }
    assert!(tried > 0, "no rule in {} has a log", directory.display());
    assert_eq!(silent, Vec::<PathBuf>::new(), "of {tried} logs");
}

#[test]
fn a_rule_means_the_data_where_header_and_data_have_a_name() {
    const WMI: &str = "Microsoft-Windows-WMI-Activity/Operational";
    let (rules, problems) = load(
        &[
            rule(
                "data",
                "product: windows, service: wmi",
                "  s: {EventID: 5859, Provider: 'Own Event Provider'}\n  condition: s",
            ),
            rule(
                "header",
                "product: windows, service: wmi",
                "  s: {EventID: 5859, Provider_Name: Microsoft-Windows-WMI-Activity}\n  condition: s",
            ),
            rule(
                "no data of that name",
                "product: windows, service: wmi",
                "  s: {EventID: 5859, Level: 4}\n  condition: s",
            ),
            rule(
                "channel",
                "product: windows, service: system",
                "  s: {EventID: 104, Channel: System}\n  condition: s",
            ),
        ]
        .join("---\n"),
    );
    assert_eq!(problems, []);
    let all: &[Event<'_>] = &[
        (
            WMI,
            5859,
            0,
            &[
                ("Provider", "Microsoft-Windows-WMI-Activity"),
                ("EventData.Provider", "Own Event Provider"),
                ("Level", "4"),
            ],
        ),
        (
            WMI,
            5859,
            1,
            &[
                ("Provider", "Microsoft-Windows-WMI-Activity"),
                ("EventData.Provider", "Another"),
                ("EventData.Level", "0"),
                ("Level", "4"),
            ],
        ),
        ("System", 104, 2, &[("EventData.Channel", "Application")]),
    ];
    assert_eq!(
        found(&rules, all),
        [
            ("channel".to_owned(), vec![3]),
            ("data".to_owned(), vec![1]),
            ("header".to_owned(), vec![1, 2]),
            ("no data of that name".to_owned(), vec![1]),
        ]
    );
}
