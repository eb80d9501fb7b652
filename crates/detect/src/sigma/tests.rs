use std::path::PathBuf;

use crabwalk_sources::collect::{Begun, Collected, Collector, Head};

use super::*;
use crate::content::Content;

const SYSMON: &str = "Microsoft-Windows-Sysmon/Operational";
/// 2026-01-05 10:00:00 UTC.
const AT: i64 = 1_767_607_200;

/// A text of the test with its rules, loaded with the log sources that are shipped.
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

fn events(demand: &dyn Demand, events: &[Event<'_>]) -> Catalog {
    let mut collector = Collector::new(demand);
    for (number, (channel, id, seconds, fields)) in events.iter().enumerate() {
        let table = collector.table(channel, *id);
        let head = Head {
            time: (AT + seconds) * 1_000_000,
            host: "WS1",
            source: 0,
            record: number as u64 + 1,
            numbered: true,
        };
        if collector.begin(table, &head) != Begun::Row {
            continue;
        }
        for (name, value) in *fields {
            if let Some(column) = collector.column(table, name) {
                collector.push(table, column, value);
            }
        }
    }
    let collected: Collected =
        Collector::merge(vec![collector]).unwrap_or_else(|error| panic!("{error}"));
    Catalog::new(collected).unwrap_or_else(|error| panic!("{error}"))
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
        "SYSTEM is no account to follow"
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
        // `generate` stands beside `correlation` in rules.
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

#[test]
fn what_is_left_out_is_told() {
    let broken = "title: B\nlogsource: {product: windows, service: system}\ndetection: {condition: nothing}\n";
    for (text, part, fatal) in [
        (
            "title: L\nlogsource: {product: linux, service: auditd}\ndetection: {s: {a: b}, condition: s}\n",
            "1 Sigma rule needs events that are read from no log (product linux, service auditd), such as `L`",
            false,
        ),
        (
            "title: C\ncorrelation: {type: event_count, rules: [gone], timespan: 5m, condition: {gte: 2}}\n",
            "`C` rests on rules that are not there: gone",
            false,
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
    let (rules, mut problems) = load(broken);
    problems.extend(rules.check());
    assert_eq!(problems.len(), 1, "{problems:?}");
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
    let corpus = std::env::var_os("CRABWALK_CORPUS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/corpus"
            ))
        },
        PathBuf::from,
    );
    let logs = corpus.join("files/sigma/regression_data");
    if !logs.is_dir() {
        eprintln!("skipped: {} is not there", logs.display());
        return;
    }
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
        let catalog = Catalog::new(read.collected).unwrap_or_else(|error| panic!("{error}"));
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
