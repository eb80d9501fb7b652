//! The case document made of what a hunt found.

use std::sync::Arc;

use crabwalk_case::dossier::Asked;
use crabwalk_case::{
    Case, Input, Standing, Tool, findings_csv, markdown, timeline_csv, to_json, write_to,
};
use crabwalk_detect::detection::{RiskField, ThreatField};
use crabwalk_detect::{
    ContentOrigin, Detection, DetectionType, Finding, Outcome, RiskObject, RiskObjectKind, Status,
    ThreatObject,
};
use crabwalk_events::{EventRef, MemoryCatalog};
use crabwalk_hunt::Conclusion;
use crabwalk_movement::{
    Hop, HostInfo, Kind, Missing, Movement, Path, Request, Scope, Sentence, Showing, Suspect,
    Touched, Verdict, Witness, Word,
};
use crabwalk_sources::collect::Coverage;
use crabwalk_sources::report::{Problem, SourceKind, SourceReport};
use crabwalk_spl::Knowledge;

const AT: i64 = 1_709_280_000_000_000;

fn detection(name: &str, kind: DetectionType, risk_score: u32) -> Arc<Detection> {
    Arc::new(Detection {
        id: format!("id of {name}"),
        name: name.to_owned(),
        version: "1".to_owned(),
        kind,
        status: Status::Production,
        description: "what it looks for".to_owned(),
        language: crabwalk_detect::detection::Language::Spl,
        search: String::new(),
        stories: vec!["Lateral Movement".to_owned()],
        techniques: vec!["T1021.002".to_owned()],
        tactics: Vec::new(),
        throttling: None,
        schedule: None,
        message: String::new(),
        risk_fields: Vec::<RiskField>::new(),
        threat_fields: Vec::<ThreatField>::new(),
        risk_score,
        data_sources: Vec::new(),
        references: vec!["https://example.org/".to_owned()],
        how_to_implement: String::new(),
        known_false_positives: String::new(),
        recorded_attacks: Vec::new(),
        origin: ContentOrigin::file("x.yml"),
    })
}

fn finding(
    detection: &Arc<Detection>,
    id: &str,
    objects: &[(RiskObjectKind, &str, u32)],
) -> Finding {
    Finding {
        id: id.to_owned(),
        detection: Arc::clone(detection),
        first: Some(AT),
        last: Some(AT + 1_500_000),
        message: "=message\u{1b}[31m".to_owned(),
        risk_objects: objects
            .iter()
            .map(|(kind, value, score)| RiskObject {
                kind: *kind,
                value: (*value).to_owned(),
                score: *score,
                calculated: *score,
            })
            .collect(),
        threat_objects: vec![ThreatObject {
            kind: "process".to_owned(),
            value: "@x".to_owned(),
        }],
        fields: vec![
            ("dest".to_owned(), vec!["WS1".to_owned()]),
            ("src".to_owned(), vec!["10.0.0.7".to_owned()]),
            ("many".to_owned(), vec!["a".to_owned(), "b".to_owned()]),
            ("none".to_owned(), Vec::new()),
        ],
        events: vec![EventRef {
            time: AT,
            host: "WS1.example.org".to_owned(),
            channel: "Security".to_owned(),
            event_id: 4624,
            source: 0,
            record: 9,
        }],
        event_count: 1,
        count: 1,
        everyday: None,
        suppressed: None,
    }
}

fn outcome() -> Outcome {
    use RiskObjectKind::{System, User};
    let (ttp, anomaly, hunting) = (
        detection("A", DetectionType::Ttp, 72),
        detection("B", DetectionType::Anomaly, 25),
        detection("C", DetectionType::Hunting, 90),
    );
    let mut knowledge = Knowledge::default();
    knowledge
        .assets
        .add_assets(b"ip,nt_host,dns,priority,category\n10.0.0.7,ADMIN,admin.example.org,high,jump|admin\n10.9.0.0/16,,,low,branch\n")
        .unwrap_or_else(|error| panic!("{error}"));
    Outcome {
        findings: vec![
            finding(
                &ttp,
                "f-1",
                &[(System, "WS1", 72), (User, "EXAMPLE\\ann", 72)],
            ),
            finding(
                &anomaly,
                "f-2",
                &[(System, "ws1.example.org", 25), (User, "WS1$", 25)],
            ),
            finding(&hunting, "f-3", &[(System, "WS1", 0)]),
        ],
        coverage: vec![
            Coverage {
                host: "WS1.example.org".to_owned(),
                channel: "Security".to_owned(),
                first: AT,
                last: AT + 5_000_000,
                records: 10,
                cleared: vec![AT + 4_000_000],
            },
            Coverage {
                host: "sensor".to_owned(),
                channel: "zeek:conn".to_owned(),
                first: AT - 1,
                last: AT,
                records: 3,
                cleared: Vec::new(),
            },
        ],
        hosts_by_type: [("Security/4769".to_owned(), vec!["DC1".to_owned()])].into(),
        detections: 3,
        events: 13,
        duplicates: 2,
        knowledge: Arc::new(knowledge),
        ..Outcome::default()
    }
}

fn case() -> Case {
    let mut source = SourceReport::new(0, "dir/a.evtx".to_owned(), SourceKind::Evtx);
    source.bytes = 1000;
    source.records = 13;
    source.skipped = 1;
    source.problem(Problem {
        offset: Some(512),
        record: None,
        message: "bad".to_owned(),
        loss: true,
    });
    written(&[source], Movement::default())
}

fn written(sources: &[SourceReport], movement: Movement) -> Case {
    let input = Input {
        tool: Tool {
            name: "crabwalk",
            version: "0",
        },
        created: AT,
        seconds: 0.25,
        sources,
        conclusion: &Conclusion {
            outcome: outcome(),
            movement,
            ..Conclusion::default()
        },
        catalog: &MemoryCatalog::default(),
    };
    Case::new(&input, &Asked::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn hosts_and_accounts_are_named_once() {
    let case = case();
    let hosts: Vec<String> = case
        .hosts
        .iter()
        .map(|host| {
            format!(
                "{} {:?} {:?} {:?} {:?} {:?} {}",
                host.id, host.names, host.ips, host.category, host.priority, host.role, host.risk
            )
        })
        .collect();
    assert_eq!(
        hosts,
        [
            r#"admin ["ADMIN", "admin.example.org"] ["10.0.0.7"] ["jump", "admin"] Some("high") None 0"#,
            r#"dc1 ["DC1"] [] [] None Some("domain-controller") 0"#,
            r#"ws1 ["WS1", "WS1.example.org"] [] [] None None 97"#,
        ]
    );
    let accounts: Vec<_> = case
        .accounts
        .iter()
        .map(|account| (account.id.as_str(), account.kind.name(), account.risk))
        .collect();
    assert_eq!(
        accounts,
        [("example\\ann", "user", 72), ("ws1$", "machine", 25)]
    );
    assert!(case.findings.iter().all(|finding| finding.hosts == ["ws1"]));
}

#[test]
fn only_types_that_add_risk_add_risk() {
    let case = case();
    let risk: Vec<_> = case
        .stats
        .risk
        .iter()
        .map(|risk| {
            (
                risk.kind.name(),
                risk.value.as_str(),
                risk.score,
                risk.findings,
                risk.detections,
            )
        })
        .collect();
    assert_eq!(
        risk,
        [
            ("system", "WS1", 97, 2, 2),
            ("user", "EXAMPLE\\ann", 72, 1, 1),
            ("user", "WS1$", 25, 1, 1)
        ]
    );
    let notable: Vec<_> = case
        .findings
        .iter()
        .map(|finding| (finding.notable, finding.severity.name()))
        .collect();
    assert_eq!(
        notable,
        [(true, "high"), (false, "low"), (false, "critical")]
    );
    assert_eq!(
        (case.stats.notables, case.stats.findings_by_severity["low"]),
        (1, 1)
    );
    assert_eq!(
        (case.stats.first.as_deref(), case.stats.sources_damaged),
        (Some("2024-03-01T07:59:59.999999Z"), 1)
    );
}

#[test]
fn the_document_reads_back() {
    let case = case();
    let mut text = Vec::new();
    to_json(&case, &mut text).unwrap_or_else(|error| panic!("{error}"));
    let back: Case = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(back, case);
    let value: serde_json::Value =
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{error}"));
    for (pointer, expected) in [
        ("/findings/0/fields/dest", serde_json::json!("WS1")),
        ("/findings/0/fields/many", serde_json::json!(["a", "b"])),
        ("/findings/0/fields/none", serde_json::Value::Null),
        (
            "/findings/0/last",
            serde_json::json!("2024-03-01T08:00:01.5Z"),
        ),
        (
            "/findings/0/risk_objects/0/type",
            serde_json::json!("system"),
        ),
        ("/sources/0/problems/0/offset", serde_json::json!(512)),
        (
            "/coverage/0/cleared/0",
            serde_json::json!("2024-03-01T08:00:04Z"),
        ),
        ("/hops", serde_json::json!([])),
        ("/paths", serde_json::json!([])),
    ] {
        assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}");
    }
}

#[test]
fn tables_have_a_line_for_each_thing() {
    let case = case();
    let (mut findings, mut timeline) = (Vec::new(), Vec::new());
    findings_csv(&case, &mut findings).unwrap_or_else(|error| panic!("{error}"));
    timeline_csv(&case, &mut timeline).unwrap_or_else(|error| panic!("{error}"));
    let rows = |text: &[u8]| -> Vec<csv::StringRecord> {
        csv::Reader::from_reader(text)
            .records()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let (findings, timeline) = (rows(&findings), rows(&timeline));
    assert_eq!((findings.len(), timeline.len()), (3, 4));
    assert_eq!(findings[0].get(8), Some("'=message\u{fffd}[31m"));
    assert_eq!(
        findings[0].get(14),
        Some("Security/4624 record 9 of dir/a.evtx")
    );
    assert_eq!(timeline[3].get(2), Some("log cleared"));
}

#[test]
fn errors_of_writing_name_the_file() {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let taken = directory.path().join("file");
    std::fs::write(&taken, "x").unwrap_or_else(|error| panic!("{error}"));
    let error = write_to(&case(), None, &taken)
        .map(|_| ())
        .map_err(|error| error.to_string());
    assert!(
        error
            .as_ref()
            .is_err_and(|text| text.contains("file cannot be written")),
        "{error:?}"
    );
    let paths = write_to(&case(), None, &directory.path().join("a/b"))
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(paths.len(), 4, "all but the report");
    assert!(paths.iter().all(|path| path.is_file()));
}

/// A movement between two hosts that events call by short and by long names.
fn moved() -> Movement {
    let host = |id: &str, names: &[&str]| HostInfo {
        id: id.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        ips: Vec::new(),
        domain_controller: false,
    };
    let hop = |id: &str, confidence: f64, attempted: bool, usual: bool| Hop {
        id: id.to_owned(),
        src: Some("desk7".to_owned()),
        dst: "vault2".to_owned(),
        used: Some("example\\ann".to_owned()),
        techniques: vec!["T1021.002".to_owned()],
        first: AT,
        last: AT + 1_000_000,
        confidence,
        attempted,
        usual,
        missing: vec![Missing {
            kind: Kind::Source,
            why: Sentence::Named(vec![
                Word::Text("no log of ".to_owned()),
                Word::Host("desk7".to_owned()),
                Word::Text(" was read".to_owned()),
            ]),
        }],
        findings: vec![0],
        ..Hop::default()
    };
    let touched = |id: &str| Touched {
        host: id.to_owned(),
        confidence: 0.9,
        span: (AT, AT + 1_000_000),
        hops: vec!["hop-1".to_owned()],
        place: 0,
    };
    Movement {
        hosts: vec![
            host("desk7", &["DESK7.example.org"]),
            host("vault2", &["VAULT2", "VAULT2.example.org"]),
        ],
        hops: vec![
            hop("hop-1", 0.9, false, false),
            hop("hop-2", 0.2, false, false),
            hop("hop-3", 0.9, true, false),
            hop("hop-4", 0.9, false, true),
        ],
        paths: vec![Path {
            id: "path-1".to_owned(),
            score: 50.0,
            why: vec!["one hop".to_owned()],
            hops: vec!["hop-1".to_owned()],
            links: Vec::new(),
            rank: Vec::new(),
        }],
        verdict: Verdict {
            told: vec!["path-1".to_owned()],
            hops: ["hop-1".to_owned()]
                .into_iter()
                .map(|id| {
                    let suspect = Suspect {
                        share: 1.0,
                        place: 0,
                    };
                    (id, suspect)
                })
                .collect(),
            scope: Scope {
                hops: vec!["hop-1".to_owned()],
                first: vec!["hop-1".to_owned()],
                hosts: vec![touched("desk7"), touched("vault2")],
                collect: ["desk7", "vault2"]
                    .map(|host| Request {
                        host: host.to_owned(),
                        showing: Showing::Logons,
                    })
                    .into(),
                ..Scope::default()
            },
            ..Verdict::default()
        },
        ..Movement::default()
    }
}

#[test]
fn a_host_has_one_name_in_all_of_a_markdown_export() {
    let case = written(&[], moved());
    let mut out = Vec::new();
    markdown(&case, &mut out).unwrap_or_else(|error| panic!("{error}"));
    let text = String::from_utf8(out).unwrap_or_else(|error| panic!("{error}"));
    for (short, long) in [
        ("DESK7", "DESK7.example.org"),
        ("VAULT2", "VAULT2.example.org"),
    ] {
        // In the sentences, in the table of the path, and among the logs to collect.
        assert!(text.matches(short).count() >= 3, "{short}: {text}");
        assert!(!text.contains(long), "{long}: {text}");
    }
    let names: Vec<&str> = case.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["ADMIN", "DC1", "DESK7", "VAULT2", "WS1"]);
}

#[test]
fn what_is_missing_names_hosts_as_the_rest_does() {
    let case = written(&[], moved());
    let missing = case.hops.iter().flat_map(|hop| &hop.missing);
    for one in missing {
        assert_eq!(one.why, "no log of DESK7 was read");
    }
    assert_eq!(case.scope.isolate, ["desk7", "vault2"]);
}

#[test]
fn a_routine_hop_lists_one_witness_of_a_kind_unless_a_reported_path_holds_it() {
    let witness = |kind: Kind, events: &[u64]| Witness {
        kind,
        what: Sentence::from("a logon"),
        time: AT,
        events: events.to_vec(),
    };
    let witnesses = vec![
        witness(Kind::Source, &[1]),
        witness(Kind::DestinationLogon, &[2, 3]),
        // One record may say two things.
        witness(Kind::DestinationLogon, &[3, 4]),
    ];
    let mut movement = moved();
    movement.verdict.baseline = Some(14);
    for hop in &mut movement.hops {
        hop.witnesses.clone_from(&witnesses);
    }
    let shown = |movement: Movement| -> Vec<(usize, Option<u64>)> {
        let case = written(&[], movement);
        let routine = case.hops.iter();
        let mut routine = routine.filter(|hop| hop.standing == Standing::Routine);
        let hop = routine.next().unwrap_or_else(|| panic!("no routine hop"));
        let all = hop.witnesses.iter().enumerate();
        all.map(|(at, one)| (at, one.more)).collect()
    };
    // Three events of the destination, of which the first is listed.
    assert_eq!(shown(movement.clone()), [(0, None), (1, Some(2))]);
    let whole = [(0, None), (1, None), (2, None)];
    // Few days do not show what routine is.
    let mut few = movement.clone();
    few.verdict.baseline = None;
    assert_eq!(shown(few), whole);
    movement.paths[0].hops.push("hop-4".to_owned());
    assert_eq!(shown(movement), whole);
}

#[test]
fn each_hop_says_what_it_is_taken_for() {
    let case = written(&[], moved());
    let standings: Vec<Standing> = case.hops.iter().map(|hop| hop.standing).collect();
    assert_eq!(
        standings,
        [
            Standing::Proven,
            Standing::Possible,
            Standing::Attempted,
            Standing::Routine
        ]
    );
    let mut out = Vec::new();
    to_json(&case, &mut out).unwrap_or_else(|error| panic!("{error}"));
    let text = String::from_utf8(out).unwrap_or_else(|error| panic!("{error}"));
    for standing in ["proven", "possible", "attempted", "routine"] {
        assert!(text.contains(&format!("\"standing\":\"{standing}\"")));
    }
}
