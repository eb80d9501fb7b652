//! Lookups that one run fills and a later one reads.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up is a failed test"
)]

use std::fs;

use crabwalk_testing::{Ran, crabwalk};

const CONTENT: &[(&str, &str)] = &[
    (
        "lookup.yml",
        "name: seen_services\ndescription: Services that were seen.\nlookup_type: kvstore\nfields: [_key, service, firstTimeSeen]\n",
    ),
    (
        "baseline.yml",
        "name: Seen services\nid: b\ntype: Baseline\ndescription: x\nsearch: >-\n  `wineventlog_system` EventCode=7036 param2=running\n  | stats \
         min(_time) as firstTimeSeen by service | outputlookup seen_services\n",
    ),
    (
        "detection.yml",
        "name: New service\nid: d\ntype: TTP\nstatus: production\ndescription: x\nsearch: >-\n  `wineventlog_system` EventCode=7036 \
         param2=running\n  | lookup seen_services service OUTPUT firstTimeSeen | where isnull(firstTimeSeen)\n  | table _time dest \
         service | `new_service_filter`\nrba:\n  message: $service$ is new on $dest$\n  risk_objects: [{field: dest, type: system, score: \
         40}]\n",
    ),
];

fn event(service: &str, record: u32) -> String {
    format!(
        "{{\"EventID\":7036,\"Channel\":\"System\",\"Hostname\":\"WS1\",\"EventTime\":\"2024-03-01 10:00:0{record}\",\"@timestamp\":\"2024-03-01T10:00:0{record}Z\",\"RecordNumber\":{record},\"SourceName\":\"Service Control Manager\",\"param1\":\"{service}\",\"param2\":\"running\"}}\n"
    )
}

fn messages(ran: &Ran) -> Vec<String> {
    ran.out
        .lines()
        .map(|line| {
            let finding: serde_json::Value = serde_json::from_str(line).expect("a finding a line");
            finding["message"].as_str().unwrap_or_default().to_owned()
        })
        .collect()
}

#[test]
fn a_baseline_fills_a_lookup_that_later_hunts_read() {
    let folder = tempfile::tempdir().expect("a directory");
    let folder = folder.path();
    fs::create_dir(folder.join("content")).expect("a directory");
    for (name, text) in CONTENT {
        fs::write(folder.join("content").join(name), text).expect("a file");
    }
    let logs = |services: &[&str]| -> String {
        let lines = services.iter().zip(1..);
        lines
            .map(|(service, record)| event(service, record))
            .collect()
    };
    fs::write(folder.join("old.json"), logs(&["Spooler", "Themes"])).expect("a file");
    fs::write(folder.join("new.json"), logs(&["Spooler", "Evil"])).expect("a file");
    let hunt = [
        "hunt",
        "new.json",
        "--content",
        "content",
        "--detection",
        "New service",
        "--lookups",
        "kept",
        "--format",
        "jsonl",
        "--quiet",
    ];
    let all = ["Evil is new on WS1", "Spooler is new on WS1"];
    // Nothing is known: everything is new.
    let before = crabwalk(folder, &hunt);
    let mut found = messages(&before);
    found.sort();
    assert_eq!(found, all, "{}", before.err);

    let baseline = crabwalk(
        folder,
        &[
            "baseline",
            "Seen services",
            "old.json",
            "--content",
            "content",
            "--lookups",
            "kept",
        ],
    );
    baseline.said(0);
    let kept = fs::read_to_string(folder.join("kept/seen_services.csv")).expect("it was written");
    assert!(kept.starts_with("_key,service,firstTimeSeen\n"), "{kept}");
    assert!(
        kept.contains("Spooler") && kept.contains("Themes"),
        "{kept}"
    );

    let after = crabwalk(folder, &hunt);
    assert_eq!(messages(&after), ["Evil is new on WS1"]);
}

#[test]
fn what_is_no_database_or_no_name_is_refused() {
    let folder = tempfile::tempdir().expect("a directory");
    let folder = folder.path();
    fs::write(folder.join("a.json"), event("Spooler", 1)).expect("a file");
    fs::write(folder.join("no.mmdb"), "nothing of the kind").expect("a file");
    for (arguments, part) in [
        (
            &["search", "*", "a.json", "--geoip", "no.mmdb"][..],
            "not a database in MaxMind's format",
        ),
        (
            &["search", "*", "a.json", "--geoip", "absent.mmdb"][..],
            "absent.mmdb",
        ),
        (
            &[
                "search",
                "* | outputlookup ../x",
                "a.json",
                "--lookups",
                "kept",
            ][..],
            "is not a valid lookup name",
        ),
    ] {
        let output = crabwalk(folder, arguments);
        let errors = output.err;
        assert_eq!(output.status, 1, "{errors}");
        assert!(errors.contains(part), "{errors}");
    }
    assert!(!folder.join("x.csv").exists());
}
