//! Dossiers, scope and summary of a made world, through the program.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may panic.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use crabwalk_testing::crabwalk;
use serde_json::Value;
use tempfile::TempDir;

/// A small company with an intrusion: PIER-WS01 → PIER-WS02 → TIDE-SQL01.
fn world() -> &'static Path {
    static WORLD: OnceLock<TempDir> = OnceLock::new();
    WORLD
        .get_or_init(|| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().to_str().unwrap();
            crabwalk(".", &["lab", "build", path]).said(0);
            directory
        })
        .path()
}

fn case() -> &'static Value {
    static CASE: OnceLock<Value> = OnceLock::new();
    CASE.get_or_init(|| {
        let output = crabwalk(
            ".",
            &["hunt", world().to_str().unwrap(), "--format", "json"],
        );
        serde_json::from_str(&output.said(0)).unwrap()
    })
}

fn dossier(name: &str) -> Value {
    let output = crabwalk(
        ".",
        &[
            "dossier",
            name,
            world().to_str().unwrap(),
            "--format",
            "json",
        ],
    );
    serde_json::from_str(&output.said(0)).unwrap()
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .unwrap_or_else(|| panic!("{pointer}"))
}

#[test]
fn the_scope_is_what_the_intruder_touched() {
    let case = case();
    // Not the hosts that the administrator logs on to every day, in a path nearly as long.
    let hosts: Vec<(&str, &str)> = list(case, "/scope/hosts")
        .iter()
        .map(|one| {
            (
                one["host"].as_str().unwrap(),
                one["certainty"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        hosts,
        [
            ("pier-ws01", "certain"),
            ("pier-ws02", "certain"),
            ("tide-sql01", "certain")
        ]
    );
    assert!(list(case, "/paths").len() > 1);
    assert_eq!(case["scope"]["entry"]["host"], "pier-ws01");
    let how = case["scope"]["entry"]["how"].to_string();
    assert!(how.contains("writer.exe"), "{how}");
    let accounts = case["scope"]["accounts"].to_string();
    for account in ["adm.reiter", "i.vollmer"] {
        assert!(accounts.contains(account), "{accounts}");
    }
    assert!(!accounts.contains("localsystem"), "{accounts}");
    // An account with a session on a host where the intruder had all rights is to be reset too.
    let exposed = list(case, "/dossiers/accounts")
        .iter()
        .find(|one| one["account"].as_str().unwrap().ends_with("t.arden"))
        .unwrap();
    assert_eq!(exposed["reset"], true);
    assert_eq!(exposed["exposed"][0]["host"], "pier-ws02");
    let summary = case["summary"].to_string();
    assert!(
        summary.contains("PIER-WS01 → PIER-WS02 → TIDE-SQL01"),
        "{summary}"
    );
    assert_eq!(case["silenced"], Value::Array(Vec::new()));
}

#[test]
fn the_end_of_a_hunt_says_the_same() {
    let shown = crabwalk(".", &["hunt", world().to_str().unwrap()]).said(0);
    let (_, end) = shown.split_once("IN SHORT").unwrap();
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in list(case(), "/summary") {
        let sentence = flat(sentence.as_str().unwrap());
        assert!(flat(end).contains(&sentence), "{sentence}\n{end}");
    }
    assert!(end.contains("isolate or watch"), "{end}");
    assert!(end.contains("crabwalk dossier PIER-WS01"), "{end}");
}

#[test]
fn a_host_tells_what_the_movement_did_there() {
    let found = dossier("pier-ws02");
    let host = &found["hosts"][0];
    assert_eq!(host["host"], "pier-ws02");
    let hops: BTreeMap<&str, &Value> = list(case(), "/hops")
        .iter()
        .map(|hop| (hop["id"].as_str().unwrap(), hop))
        .collect();

    let service = list(host, "/services")
        .iter()
        .find(|one| one["name"] == "PSEXESVC")
        .unwrap();
    let hop = hops[service["hop"].as_str().unwrap()];
    assert_eq!(hop["src"], "pier-ws01");
    assert!(service["by"].as_str().unwrap().ends_with("adm.reiter"));
    // 7045 and 4697 record the same installation.
    assert_eq!(list(service, "/events").len(), 2);

    let processes = list(host, "/processes");
    let by_id: BTreeMap<u64, &Value> = processes
        .iter()
        .map(|one| (one["id"].as_u64().unwrap(), one))
        .collect();
    let renamed = processes
        .iter()
        .find(|one| one["image"].as_str().unwrap().ends_with("tidemon.exe"))
        .unwrap();
    let marks = renamed["marks"].to_string();
    assert!(marks.contains("renamed") && marks.contains("user-writable"));
    assert_eq!(renamed["seen"], "first-anywhere");
    assert_eq!(renamed["original_name"], "psexec.c");
    assert!(renamed["hashes"]["SHA256"].is_string());
    // It descends from the remote desktop's shell, and so from the hop that opened it.
    let mut chain = vec![renamed];
    while let Some(parent) = chain.last().unwrap()["parent"].as_u64() {
        chain.push(by_id[&parent]);
        assert!(chain.len() < 20);
    }
    let images: Vec<&str> = chain
        .iter()
        .map(|one| one["image"].as_str().unwrap().rsplit('\\').next().unwrap())
        .collect();
    assert!(
        images.starts_with(&["tidemon.exe", "cmd.exe", "explorer.exe", "userinit.exe"]),
        "{images:?}"
    );
    let hop = hops[renamed["hop"].as_str().unwrap()];
    assert_eq!(hop["dst"], "pier-ws02");

    let desktop = list(host, "/authentication")
        .iter()
        .find(|one| one["logon_type"] == 10)
        .unwrap();
    assert_eq!(desktop["direction"], "in");
    assert_eq!(desktop["peer"]["host"], "pier-ws01");
    assert_eq!(desktop["privileged"], true);
    assert!(desktop["seconds"].as_f64().unwrap() > 4_000.0);
    assert!(desktop["did"].to_string().contains("tidemon.exe"));
    assert_eq!(renamed["session"], desktop["session"]);

    let file = list(host, "/files")
        .iter()
        .find(|one| one["share"].is_string())
        .unwrap();
    assert_eq!(file["from"], "pier-ws01");
    assert!(
        file["path"]
            .as_str()
            .unwrap()
            .eq_ignore_ascii_case("PSEXESVC.exe")
    );
    // Every entry refers to records, and entries are in chronological order.
    for name in [
        "authentication",
        "processes",
        "services",
        "tasks",
        "files",
        "connections",
    ] {
        let all = list(host, &format!("/{name}"));
        let times: Vec<&str> = all
            .iter()
            .map(|one| one["time"].as_str().unwrap())
            .collect();
        let times: Vec<jiff::Timestamp> = times.iter().map(|at| at.parse().unwrap()).collect();
        assert!(times.is_sorted(), "{name}");
        for one in all {
            assert!(!list(one, "/events").is_empty(), "{name}: {one}");
        }
    }
}

#[test]
fn a_host_without_sysmon_is_told_of_by_the_security_log() {
    let found = dossier("TIDE-FS01.harbor.example");
    let host = &found["hosts"][0];
    assert_eq!(host["host"], "tide-fs01");
    let processes = list(host, "/processes");
    assert!(processes.len() > 100);
    let ended = processes
        .iter()
        .filter(|one| one["ended"].is_string())
        .count();
    assert!(ended * 10 > processes.len() * 9, "{ended}");
    assert!(
        processes
            .iter()
            .all(|one| one["hashes"] == serde_json::json!({}))
    );
    let shell = processes
        .iter()
        .find(|one| one["image"].as_str().unwrap().ends_with("\\cmd.exe"))
        .unwrap();
    assert!(shell["parent"].is_u64(), "{shell}");
}

#[test]
fn an_account_tells_where_it_was_and_what_is_new() {
    for name in ["adm.reiter", "HARBOR\\adm.reiter"] {
        let found = dossier(name);
        let account = &found["accounts"][0];
        assert!(account["account"].as_str().unwrap().ends_with("adm.reiter"));
        assert_eq!(account["reset"], true);
        let logons = list(account, "/logons");
        let to = |host: &str, from: &str| {
            logons
                .iter()
                .find(|one| one["host"] == host && one["from"] == from)
                .unwrap_or_else(|| panic!("{from} → {host}"))
        };
        let stolen = to("pier-ws02", "pier-ws01");
        assert_eq!(stolen["new"], true);
        assert_eq!(stolen["types"], serde_json::json!([3, 10]));
        let usual = to("tide-fs01", "pier-ws05");
        assert_eq!(usual["new"], false);
        assert!(usual["count"].as_u64().unwrap() > 3);
        let new = account["new"].to_string();
        assert!(
            new.contains("first logon to pier-ws02 from pier-ws01"),
            "{new}"
        );
    }
}

#[test]
fn for_people_it_is_text_and_what_nobody_knows_is_an_error() {
    let path = world().to_str().unwrap();
    let shown = crabwalk(".", &["dossier", "PIER-WS02", path]).said(0);
    for part in [
        "PIER-WS02  ",
        "LOGONS  ",
        "PROCESSES  ",
        "SERVICES INSTALLED  ",
        "PSEXESVC",
        "(user-writable, renamed)",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(!shown.contains('\u{1b}'));
    let output = crabwalk(".", &["dossier", "no-such-name", path]);
    assert_eq!(output.status, 1);
    let error = output.err;
    assert!(
        error.contains("no-such-name") && error.contains("9 hosts"),
        "{error}"
    );
}

#[test]
fn what_is_silenced_says_by_which_exception() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("known.yml");
    std::fs::write(
        &file,
        "# what we know\nexceptions:\n  - detection: Detect PsExec*\n    reason: a test\n    by: Ann\n    until: 2099-01-01\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let output = crabwalk(
        ".",
        &[
            "hunt",
            world().to_str().unwrap(),
            "--exceptions",
            file,
            "--format",
            "json",
        ],
    );
    let case: Value = serde_json::from_str(&output.said(0)).unwrap();
    let one = list(&case, "/silenced")
        .iter()
        .find(|one| one["who"] == "Ann")
        .unwrap();
    assert_eq!(one["exception"], format!("{file}:3"));
    assert_eq!(one["why"], "a test");
    assert_eq!(one["until"], "2099-01-01");
    assert!(!list(one, "/findings").is_empty());
}

#[test]
fn logs_that_are_not_there_are_asked_for() {
    // Only the host in the middle was collected.
    let path = world().join("PIER-WS02");
    let output = crabwalk(".", &["hunt", path.to_str().unwrap(), "--format", "json"]);
    let case: Value = serde_json::from_str(&output.said(0)).unwrap();
    let blind = case["scope"]["blind"].to_string();
    assert!(blind.contains("none of its logs was read"), "{blind}");
    let collect = list(&case, "/scope/collect");
    assert!(!collect.is_empty());
    let security = collect
        .iter()
        .find(|one| one["channel"] == "Security")
        .unwrap();
    let tools: Vec<&str> = list(security, "/commands")
        .iter()
        .map(|one| one["tool"].as_str().unwrap())
        .collect();
    assert_eq!(tools, ["wevtutil", "KAPE", "Velociraptor"]);
    for one in list(security, "/commands") {
        let host = security["host"].as_str().unwrap();
        assert!(one["command"].as_str().unwrap().contains(host));
    }
}

/// Persistence on a host, from every log that records it.
#[test]
fn what_stays_on_a_host_is_listed() {
    const SYSMON: &str = "Microsoft-Windows-Sysmon/Operational";
    const TASKS: &str = "Microsoft-Windows-TaskScheduler/Operational";
    const WMI: &str = "Microsoft-Windows-WMI-Activity/Operational";
    const TASK: &str = "<Task><Actions><Exec><Command>C:\\\\q\\\\sync.exe</Command><Arguments>-n</Arguments></Exec></Actions></Task>";
    const BY: &str =
        r#""SubjectUserName":"ann","SubjectDomainName":"QUAY","SubjectLogonId":"0x77""#;
    let run = r#"HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run\\Sync"#;
    let program = |guid: &str, image: &str| {
        format!(
            r#""ProcessGuid":"{{{guid}}}","ProcessId":"{}","Image":"{image}","CommandLine":"{image}","User":"QUAY\\ann","LogonId":"0x77""#,
            100 + guid.len()
        )
    };
    let loaded = |guid: &str, image: &str, signed: &str, who: &str, status: &str| {
        format!(
            r#""ProcessGuid":"{{{guid}}}","Image":"{image}","ImageLoaded":"{image}","Signed":"{signed}","Signature":"{who}","SignatureStatus":"{status}""#
        )
    };
    let events: Vec<(&str, u32, String)> = vec![
        (SYSMON, 1, program("a", "C:\\\\q\\\\sync.exe")),
        (SYSMON, 7, loaded("a", "C:\\\\q\\\\sync.exe", "false", "-", "Unavailable")),
        (SYSMON, 1, program("bb", "C:\\\\q\\\\good.exe")),
        (SYSMON, 7, loaded("bb", "C:\\\\q\\\\good.exe", "true", "Quay Works", "Valid")),
        (SYSMON, 1, program("ccc", "C:\\\\q\\\\old.exe")),
        (SYSMON, 7, loaded("ccc", "C:\\\\q\\\\old.exe", "true", "Quay Works", "Expired")),
        (SYSMON, 13, format!(r#""Image":"C:\\q\\sync.exe","TargetObject":"{run}","Details":"C:\\q\\sync.exe""#)),
        (SYSMON, 13, r#""Image":"C:\\q\\sync.exe","TargetObject":"HKLM\\SOFTWARE\\Quay\\Colour","Details":"blue""#.into()),
        (SYSMON, 14, format!(r#""Image":"C:\\q\\sync.exe","TargetObject":"HKLM\\SOFTWARE\\Quay\\x","NewName":"{run}2""#)),
        ("Security", 4657, format!(r#"{BY},"ObjectName":"\\REGISTRY\\MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\RunOnce","ObjectValueName":"Once","NewValue":"C:\\q\\once.exe""#)),
        (SYSMON, 19, r#""Operation":"Created","User":"QUAY\\ann","Name":" \"Tide\"","Query":" \"SELECT * FROM x\"""#.into()),
        (SYSMON, 20, r#""Operation":"Created","User":"QUAY\\ann","Name":" \"Tide\"","Type":"Command Line","Destination":" \"C:\\\\q\\\\sync.exe\"""#.into()),
        (SYSMON, 21, r#""Operation":"Created","User":"QUAY\\ann","Consumer":" \"CommandLineEventConsumer.Name=\\\"Tide\\\"\"","Filter":" \"__EventFilter.Name=\\\"Tide\\\"\"""#.into()),
        (WMI, 5861, r#""Namespace":"//./root/subscription","ESS":"Tide","CONSUMER":"CommandLineEventConsumer=\"Tide\"","PossibleCause":"Binding EventFilter""#.into()),
        (WMI, 5861, r#""Message":"Namespace = //./root/subscription; Eventfilter = Ebb (refer to its activate eventid:5859); Consumer = ActiveScriptEventConsumer=\"Ebb\"; PossibleCause = Binding""#.into()),
        ("Security", 4698, format!(r#"{BY},"TaskName":"\\Tide","TaskContent":"{TASK}""#)),
        (TASKS, 106, r#""TaskName":"\\Tide","UserContext":"QUAY\\ann""#.into()),
        ("Security", 4699, format!(r#"{BY},"TaskName":"\\Tide""#)),
        (TASKS, 141, r#""TaskName":"\\Tide","UserName":"QUAY\\ann""#.into()),
        ("System", 7045, r#""ServiceName":"tide","ImagePath":"C:\\q\\sync.exe -s","AccountName":"LocalSystem""#.into()),
        ("Security", 4697, format!(r#"{BY},"ServiceName":"tide","ServiceFileName":"C:\\q\\sync.exe -s","ServiceAccount":"LocalSystem""#)),
        ("Security", 4720, format!(r#"{BY},"TargetUserName":"helper","TargetDomainName":"QUAY""#)),
        ("Security", 4724, format!(r#"{BY},"TargetUserName":"helper","TargetDomainName":"QUAY""#)),
        ("Security", 4732, format!(r#"{BY},"TargetUserName":"Administrators","TargetDomainName":"Builtin","MemberSid":"S-1-5-21-1-2-3-1105""#)),
    ];
    let mut log = String::new();
    for (at, (channel, id, fields)) in events.iter().enumerate() {
        log.push_str(&format!(
            "{{\"@timestamp\":\"2026-03-04T10:00:{:02}.{:02}Z\",\"Hostname\":\"QUAY-SRV1\",\"Channel\":\"{channel}\",\"EventID\":{id},\"RecordNumber\":{},{fields}}}\n",
            at / 10, at % 10, at + 1
        ));
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.json");
    std::fs::write(&path, log).unwrap();
    let shown = crabwalk(
        ".",
        &[
            "dossier",
            "QUAY-SRV1",
            path.to_str().unwrap(),
            "--format",
            "json",
        ],
    )
    .said(0);
    let all: Value = serde_json::from_str(&shown).unwrap();
    let host = &all["hosts"][0];
    let rows = |key: &str, columns: &[&str]| -> Vec<String> {
        list(host, &format!("/{key}"))
            .iter()
            .map(|row| {
                let text: Vec<&str> = columns
                    .iter()
                    .map(|column| row[*column].as_str().unwrap_or("-"))
                    .collect();
                text.join(" | ")
            })
            .collect()
    };
    assert_eq!(
        rows("run_keys", &["key", "value"]),
        [
            r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run\Sync | C:\q\sync.exe",
            r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run\Sync2 | renamed from HKLM\SOFTWARE\Quay\x",
            r"\REGISTRY\MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\RunOnce\Once | C:\q\once.exe",
        ]
    );
    assert_eq!(
        rows("wmi_subscriptions", &["name", "what"]),
        [
            "Tide | filter created: SELECT * FROM x",
            r"Tide | consumer created: C:\q\sync.exe",
            r#"CommandLineEventConsumer.Name="Tide" | binding created: __EventFilter.Name="Tide""#,
            r#"CommandLineEventConsumer="Tide" | binding created: Tide: Binding EventFilter"#,
            r#"ActiveScriptEventConsumer="Ebb" | binding created: Ebb: Binding"#,
        ]
    );
    // One act in two logs is one entry; its end is another.
    assert_eq!(
        rows("tasks", &["what", "name", "command"]),
        [
            r"registered | \Tide | C:\q\sync.exe -n",
            r"deleted | \Tide | -"
        ]
    );
    assert_eq!(
        rows("services", &["name", "image", "account"]),
        [r"tide | C:\q\sync.exe -s | LocalSystem"]
    );
    assert_eq!(
        rows("account_changes", &["what", "account", "by"]),
        [
            r"account created | QUAY\helper | QUAY\ann",
            r"password reset | QUAY\helper | QUAY\ann",
            r"member added to a local group: Builtin\Administrators | S-1-5-21-1-2-3-1105 | QUAY\ann",
        ]
    );
    assert_eq!(
        rows("processes", &["image", "signature"]),
        [
            r"C:\q\sync.exe | -",
            r"C:\q\good.exe | Quay Works",
            r"C:\q\old.exe | Quay Works (Expired)"
        ]
    );
    let marks = |at: usize| host["processes"][at]["marks"].to_string();
    assert!(marks(0).contains("unsigned"), "{}", marks(0));
    assert!(!marks(1).contains("unsigned") && !marks(2).contains("unsigned"));
    let why = host["processes"][0]["reasons"].to_string();
    assert!(why.contains("no verifiable signature"), "{why}");
}
