//! Searches over what detections found, as Splunk Enterprise Security has it: risk events and notables.
#![expect(
    clippy::expect_used,
    reason = "a test that cannot be set up is a failed test"
)]

use std::fs;
use std::path::Path;

use crabwalk_testing::crabwalk;

const LOG: &str = r#"{"@timestamp":"2024-03-01T08:00:00Z","Hostname":"WS1","Channel":"Security","EventID":4688,"RecordNumber":1,"NewProcessName":"C:\\odd.exe","CommandLine":"odd","SubjectUserName":"ann","SubjectDomainName":"CORP"}
{"@timestamp":"2024-03-01T08:01:00Z","Hostname":"WS2","Channel":"Security","EventID":4688,"RecordNumber":2,"NewProcessName":"C:\\odd.exe","CommandLine":"odd","SubjectUserName":"ann","SubjectDomainName":"CORP"}
"#;
const DETECTION: &str = "name: Odd process\nid: odd\ntype: TTP\nstatus: production\ndescription: x\nsearch: >-\n  | tstats count from \
     datamodel=Endpoint.Processes where Processes.process_name=odd.exe by Processes.dest Processes.user | \
     `drop_dm_object_name(Processes)` | `odd_process_filter`\nfinding:\n  title: odd.exe ran on $dest$\nintermediate_findings:\n  \
     entities:\n    - {field: dest, type: system, score: 40, message: odd.exe on $dest$}\n    - {field: user, type: user, score: \
     20}\nanalytic_story: [Odd things]\nmitre_attack_id: [T1059]\n";

fn run(folder: &Path, arguments: &[&str]) -> String {
    crabwalk(folder, arguments).said(0)
}

#[test]
fn findings_are_searched_as_risk_and_notables() {
    let folder = tempfile::tempdir().expect("a directory");
    let folder = folder.path();
    fs::write(folder.join("log.json"), LOG).expect("a file");
    fs::write(folder.join("odd.yml"), DETECTION).expect("a file");
    run(
        folder,
        &[
            "hunt",
            "log.json",
            "--content",
            "odd.yml",
            "--out",
            "case",
            "--quiet",
        ],
    );
    let risk = "| tstats sum(All_Risk.calculated_risk_score) as risk from datamodel=Risk.All_Risk \
                where All_Risk.analyticstories=\"Odd things\" by All_Risk.risk_object | sort All_Risk.risk_object";
    let notable = "`notable` search_name=\"Odd process\" | sort dest | table rule_name dest rule_description severity";
    // In the findings of the logs, and in those of a case that was written.
    for path in ["log.json", "case/case.json"] {
        let ask = |search: &str| {
            run(
                folder,
                &[
                    "search",
                    search,
                    path,
                    "--content",
                    "odd.yml",
                    "--format",
                    "csv",
                    "--quiet",
                ],
            )
        };
        assert_eq!(
            ask(risk),
            "All_Risk.risk_object,risk\nWS1,40\nWS2,40\nann,40\n",
            "{path}"
        );
        assert_eq!(
            ask(notable),
            "rule_name,dest,rule_description,severity\n\
             Odd process,WS1,odd.exe ran on WS1,low\n\
             Odd process,WS2,odd.exe ran on WS2,low\n",
            "{path}"
        );
    }
    // Events from logs are not in this index, and findings are not among the logs.
    let all = run(
        folder,
        &[
            "search",
            "index=* EventCode=4688 | stats count",
            "log.json",
            "--quiet",
            "--format",
            "csv",
        ],
    );
    assert_eq!(all, "count\n2\n");
    // A log may have any name: only an index says that findings are meant.
    fs::write(
        folder.join("other.json"),
        LOG.replace("\"Security\"", "\"Microsoft-Windows-Sysmon/Operational\"")
            .replace("4688", "10"),
    )
    .expect("a file");
    let by_source = run(
        folder,
        &[
            "search",
            "`sysmon` EventCode=10 | stats count",
            "other.json",
            "--quiet",
            "--format",
            "csv",
        ],
    );
    assert_eq!(by_source, "count\n2\n");
    // Records that come with the names of CIM belong to data models, and findings have such names: they are not meant.
    for search in [
        "| tstats count from datamodel=Endpoint.Processes",
        "| from datamodel:Endpoint.Processes | stats count",
        "| datamodel Endpoint Processes search | stats count(Processes.process) as count",
        "index=risk | append [| tstats count from datamodel=Endpoint.Processes]",
        "| inputlookup logon_types | head 0 | append [search EventCode=4688 | stats count] | fields count",
    ] {
        let out = run(
            folder,
            &["search", search, "log.json", "--quiet", "--format", "csv"],
        );
        assert_eq!(out.lines().last(), Some("2"), "{search}: {out}");
    }
}
