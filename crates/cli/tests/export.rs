//! Exports and the report of a case, as other programs read them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crabwalk_testing::{crabwalk, crabwalk_reading, tool};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// The demo's world, hunted once for all tests.
fn world() -> &'static Path {
    static WORLD: OnceLock<TempDir> = OnceLock::new();
    WORLD
        .get_or_init(|| {
            let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
            crabwalk(directory.path(), &["demo", "--out", "demo"]).said(0);
            directory
        })
        .path()
}

fn export(format: &str) -> String {
    crabwalk(world(), &["export", format, "demo/case/case.json"]).said(0)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn case() -> Value {
    let path = world().join("demo/case/case.json");
    json(&fs::read_to_string(path).unwrap_or_else(|error| panic!("{error}")))
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn stix_is_valid_and_whole() {
    let bundle = export("stix");
    assert_eq!(
        bundle,
        export("stix"),
        "the same case gives the same bundle"
    );
    let parsed = json(&bundle);
    let objects = list(&parsed, "objects");
    let ids: BTreeSet<&str> = objects.iter().map(|object| text(object, "id")).collect();
    assert_eq!(ids.len(), objects.len(), "an identifier stands twice");
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for object in objects {
        *kinds.entry(text(object, "type")).or_default() += 1;
        for (name, value) in object.as_object().into_iter().flatten() {
            let named: Vec<&Value> = match value {
                Value::Array(items) if name.ends_with("_refs") => items.iter().collect(),
                Value::String(_) if name.ends_with("_ref") => vec![value],
                _ => continue,
            };
            for one in named {
                let id = one.as_str().unwrap_or_default();
                assert!(ids.contains(id), "{name} names {id}, which is not there");
            }
        }
    }
    for kind in [
        "identity",
        "incident",
        "grouping",
        "observed-data",
        "relationship",
        "sighting",
        "attack-pattern",
        "user-account",
        "ipv4-addr",
    ] {
        assert!(kinds.contains_key(kind), "no {kind} in {kinds:?}");
    }
    let hops = list(&case(), "hops").len();
    assert_eq!(kinds.get("observed-data"), Some(&hops));
    let psexec = objects
        .iter()
        .find(|object| text(object, "name") == "Service Execution");
    assert_eq!(
        psexec.map(|object| text(object, "id")),
        Some("attack-pattern--f1951e8a-500e-4a26-8803-76d95c4554b4"),
        "ATT&CK's own identifier"
    );
    if let Some(validator) = tool("stix2_validator") {
        let file = world().join("stix.json");
        fs::write(&file, &bundle).unwrap_or_else(|error| panic!("{error}"));
        // 103: it asks for identifiers of version 4, where the standard allows version 5. 302: links to ATT&CK have no hash.
        let output = Command::new(validator)
            .args(["--strict-properties", "--enforce-refs"])
            .arg(&file)
            .output()
            .unwrap_or_else(|error| panic!("{error}"));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("STIX JSON: Valid"),
            "{said}"
        );
        let complaints: Vec<&str> = said
            .lines()
            .filter(|line| {
                line.contains("Warning") && !line.contains("{103}") && !line.contains("{302}")
            })
            .collect();
        assert_eq!(complaints, [""; 0]);
    }
}

#[test]
fn the_navigator_layer_has_what_was_seen() {
    let layer = json(&export("navigator"));
    let beside = fs::read_to_string(world().join("demo/case/navigator.json"))
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(layer, json(&beside));
    assert_eq!(text(&layer, "domain"), "enterprise-attack");
    assert_eq!(
        layer.pointer("/versions/layer").and_then(Value::as_str),
        Some("4.5")
    );
    let techniques: BTreeMap<&str, u64> = list(&layer, "techniques")
        .iter()
        .map(|one| {
            let score = one.get("score").and_then(Value::as_u64).unwrap_or(1000);
            assert!(score <= 100);
            (text(one, "techniqueID"), score)
        })
        .collect();
    assert_eq!(techniques.get("T1569.002"), Some(&99));
    assert!(
        techniques.contains_key("T1558.003"),
        "a finding's technique"
    );
}

#[test]
fn timesketch_takes_every_line() {
    let lines = export("timesketch");
    let case = case();
    let witnesses: usize = list(&case, "hops")
        .iter()
        .flat_map(|hop| list(hop, "witnesses"))
        .map(|witness| list(witness, "events").len())
        .sum();
    let mut of_hops = 0;
    for line in lines.lines() {
        let event = json(line);
        for name in ["message", "datetime", "timestamp_desc"] {
            assert!(!text(&event, name).is_empty(), "{name} in {line}");
        }
        let time: jiff::Timestamp = text(&event, "datetime")
            .parse()
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            event.get("timestamp").and_then(Value::as_i64),
            Some(time.as_microsecond())
        );
        of_hops += usize::from(event.get("hop").is_some());
    }
    assert_eq!(of_hops, witnesses);
}

#[test]
fn lakes_and_forensic_tools_take_their_files() {
    // Alerts, as DFIR-IRIS asks for them: what must be there is, and is of the right type.
    let case = case();
    let alerts = export("iris-alerts");
    let told = list(&case, "paths")
        .iter()
        .filter(|path| path.get("told") == Some(&Value::Bool(true)));
    let mut references = BTreeSet::new();
    for line in alerts.lines() {
        let alert = json(line);
        for name in [
            "alert_title",
            "alert_description",
            "alert_source",
            "alert_source_ref",
            "alert_tags",
        ] {
            assert!(!text(&alert, name).is_empty(), "{name} in {line}");
        }
        for name in ["alert_severity_id", "alert_status_id", "alert_customer_id"] {
            assert!(
                alert.get(name).is_some_and(Value::is_u64),
                "{name} in {line}"
            );
        }
        let time = format!("{}Z", text(&alert, "alert_source_event_time"));
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
        for asset in list(&alert, "alert_assets") {
            assert!(!text(asset, "asset_name").is_empty(), "{line}");
            assert!(asset.get("asset_type_id").is_some_and(Value::is_u64));
        }
        assert!(!list(&alert, "alert_assets").is_empty(), "{line}");
        assert!(references.insert(text(&alert, "alert_source_ref").to_owned()));
    }
    assert!(
        references.len() > told.count(),
        "paths and findings: {references:?}"
    );
    let first = alerts.lines().next().unwrap_or_default();
    assert!(
        first.contains("Lateral movement: PIER-WS01 → PIER-WS02"),
        "{first}"
    );

    let Some(python) = tool("export-readers") else {
        return;
    };
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/exports.py"));
    command.arg(world().join("demo/case/case.json"));
    for format in ["ocsf", "opengraph", "iris-timeline"] {
        let said = export(format);
        assert_eq!(said, export(format), "the same case gives the same file");
        let file = world().join(format);
        fs::write(&file, said).unwrap_or_else(|error| panic!("{error}"));
        command.arg(file);
    }
    let output = command.output().unwrap_or_else(|error| panic!("{error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("all is well"), "{said}\n{error}");
}

#[test]
fn graphs_have_all_hops() {
    let hops = list(&case(), "hops").len();
    let graphml = export("graphml");
    let mut reader = quick_xml::Reader::from_str(&graphml);
    let (mut nodes, mut edges) = (BTreeSet::new(), Vec::new());
    loop {
        use quick_xml::events::Event;
        let event = reader
            .read_event()
            .unwrap_or_else(|error| panic!("{error}"));
        let (Event::Start(element) | Event::Empty(element)) = &event else {
            if event == Event::Eof {
                break;
            }
            continue;
        };
        let attribute = |name: &str| {
            let value = element
                .try_get_attribute(name)
                .unwrap_or_else(|error| panic!("{error}"));
            value.map_or_else(String::new, |value| value.value.into_owned())
        };
        match element.name().as_ref() {
            "node" => assert!(nodes.insert(attribute("id"))),
            "edge" => edges.push((attribute("source"), attribute("target"))),
            _ => {}
        }
    }
    assert_eq!(edges.len(), hops);
    for (from, to) in edges {
        assert!(nodes.contains(&from) && nodes.contains(&to));
    }
    let dot = export("dot");
    assert_eq!(dot.matches(" -> ").count(), hops);
    assert!(dot.starts_with("digraph movement {") && dot.trim_end().ends_with('}'));
    assert!(dot.contains("PIER-WS01"));
}

#[test]
fn the_ticket_tells_the_first_path() {
    let markdown = export("markdown");
    let first = markdown.split("\n## Path 2").next().unwrap_or_default();
    assert!(first.starts_with("# Lateral movement\n"), "{first}");
    for said in [
        "PIER-WS01 → PIER-WS02 → TIDE-SQL01",
        "HARBOR\\\\adm.reiter",
        "\n## Path 1 (score ",
        " | PIER-WS01 | PIER-WS02 | Service Execution (T1569.002) | HARBOR\\\\i.vollmer ⇒ HARBOR\\\\adm.reiter ⇒ NT AUTHORITY\\\\SYSTEM | 0.9",
        " | PIER-WS02 | TIDE-SQL01 | Scheduled Task (T1053.005) | HARBOR\\\\adm.reiter",
    ] {
        assert!(first.contains(said), "{said} is not in {first}");
    }
    assert!(markdown.contains("\n## Accounts to reset\n"), "{markdown}");
    // Each row of a table has as many cells as its head.
    for row in markdown.lines().filter(|line| line.starts_with('|')) {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 8, "{row}");
    }
}

#[test]
fn the_timeline_has_movements_and_defused_cells() {
    let csv = export("csv");
    let beside = fs::read_to_string(world().join("demo/case/timeline.csv"))
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(csv, beside);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let hop_at = reader
        .headers()
        .ok()
        .and_then(|headers| headers.iter().position(|name| name == "hop"));
    let hop_at = hop_at.unwrap_or_else(|| panic!("no column of hops"));
    let mut hops = BTreeSet::new();
    for row in reader.records() {
        let row = row.unwrap_or_else(|error| panic!("{error}"));
        hops.extend(
            row.get(hop_at)
                .filter(|id| !id.is_empty())
                .map(str::to_owned),
        );
    }
    assert_eq!(hops.len(), list(&case(), "hops").len());
}

/// The parts of a report.
fn parts(html: &str) -> BTreeMap<String, Value> {
    const HEAD: &str = "<script type=\"application/octet-stream\" data-part=\"";
    let mut all = BTreeMap::new();
    for piece in html.split(HEAD).skip(1) {
        let (name, rest) = piece.split_once("\">").unwrap_or_else(|| panic!("no name"));
        let data = rest.split('<').next().unwrap_or_default();
        let bytes = STANDARD
            .decode(data)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes.as_slice())
            .read_to_string(&mut text)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        all.insert(name.to_owned(), json(&text));
    }
    all
}

/// The report, or `None` where this program was built without the front end.
fn report(path: &str) -> Option<String> {
    match fs::read_to_string(world().join(path)) {
        Ok(html) => Some(html),
        Err(_) if std::env::var_os("CRABWALK_REQUIRE_TOOLS").is_none() => {
            eprintln!("skipped: built without the front end");
            None
        }
        Err(error) => panic!("{path}: {error}"),
    }
}

#[test]
fn the_report_holds_the_case_and_its_records() {
    let Some(html) = report("demo/case/report.html") else {
        return;
    };
    let parts = parts(&html);
    let part = |name: &str| parts.get(name).unwrap_or_else(|| panic!("no part {name}"));
    let (core, events, case) = (part("core"), part("events"), case());
    assert_eq!(list(core, "hops").len(), list(&case, "hops").len());
    let findings = part("findings").as_array().map_or(0, Vec::len);
    assert_eq!(findings, list(&case, "findings").len());
    assert_eq!(part("fields").as_array().map(Vec::len), Some(findings));
    assert_eq!(core.pointer("/records/left_out"), Some(&Value::from(0)));
    assert_eq!(core.pointer("/records/note"), Some(&Value::Null));
    let column = |name: &str| list(events, name);
    let mut records: BTreeMap<u64, &Value> = BTreeMap::new();
    for (name, chunk) in &parts {
        if name.starts_with("records-") {
            for record in chunk.as_array().into_iter().flatten() {
                let event = record.get("event").and_then(Value::as_u64);
                records.insert(event.unwrap_or(u64::MAX), record);
            }
        }
    }
    assert_eq!(records.len(), column("source").len());
    // Every event of every witness of the case is in the table, with the record it is.
    for (hop, shown) in list(&case, "hops").iter().zip(list(core, "hops")) {
        for (witness, shown) in list(hop, "witnesses").iter().zip(list(shown, "witnesses")) {
            for (event, index) in list(witness, "events").iter().zip(list(shown, "events")) {
                let at = index.as_u64().unwrap_or(u64::MAX);
                let cell = |name: &str| column(name).get(usize::try_from(at).unwrap_or(usize::MAX));
                assert_eq!(event.get("record"), cell("record"));
                assert_eq!(event.get("event_id"), cell("event_id"));
                assert_eq!(event.get("source"), cell("source"));
                let record = records.get(&at).unwrap_or_else(|| panic!("no record {at}"));
                assert!(list(record, "fields").len() >= 5, "{record}");
                assert_eq!(record.get("partial"), None, "{event}");
            }
        }
    }
}

#[test]
fn the_report_lets_nothing_in() {
    let Some(html) = report("demo/case/report.html") else {
        return;
    };
    let policy = html
        .split("Content-Security-Policy\" content=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_default();
    assert!(policy.starts_with("default-src 'none'; "));
    assert!(!policy.contains("unsafe") && !policy.contains("http"));
    for tag in ["script", "style"] {
        let content = html
            .rsplit(&format!("<{tag}>"))
            .next()
            .and_then(|rest| rest.split(&format!("</{tag}>")).next())
            .unwrap_or_default();
        assert!(content.len() > 1000);
        let hash = format!("'sha256-{}'", STANDARD.encode(Sha256::digest(content)));
        assert!(policy.contains(&hash), "{tag}: {hash} is not in {policy}");
    }
    assert!(html.len() < 3_000_000);
}

#[test]
fn a_report_can_be_made_of_a_case_later() {
    let Some(html) = report("demo/case/report.html") else {
        return;
    };
    let without = export("html");
    let note = parts(&without)
        .remove("core")
        .and_then(|core| core.pointer("/records/note").cloned());
    assert!(
        note.as_ref()
            .and_then(Value::as_str)
            .is_some_and(|note| note.contains("without the logs")),
        "{note:?}"
    );
    let arguments = [
        "export",
        "html",
        "demo/case/case.json",
        "--logs",
        "demo",
        "-o",
        "later.html",
    ];
    crabwalk(world(), &arguments).said(0);
    let later =
        fs::read_to_string(world().join("later.html")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parts(&later), parts(&html));
}

#[test]
fn what_is_no_case_is_told() {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let file = directory.path().join("x.json");
    for (content, said) in [
        ("", "is not a case file"),
        ("{}", "is not a case file"),
        ("[1, 2", "is not a case file"),
    ] {
        fs::write(&file, content).unwrap_or_else(|error| panic!("{error}"));
        let output = crabwalk(directory.path(), &["export", "stix", "x.json"]);
        assert_eq!(output.status, 1, "{content}");
        let message = output.err;
        assert!(message.contains(said), "{message}");
    }
    let mut other = case();
    if let Some(other) = other.as_object_mut() {
        other.insert("schema".to_owned(), "crabwalk.case/9".into());
    }
    fs::write(&file, other.to_string()).unwrap_or_else(|error| panic!("{error}"));
    let output = crabwalk(directory.path(), &["export", "stix", "x.json"]);
    let message = output.err;
    assert!(message.contains("crabwalk.case/9"), "{message}");
    let output = crabwalk(
        directory.path(),
        &["export", "stix", "x.json", "--logs", "."],
    );
    let message = output.err;
    assert!(message.contains("html format only"), "{message}");
    let output = crabwalk(directory.path(), &["export", "stix", "nowhere.json"]);
    assert_eq!(output.status, 1);
}

#[test]
fn standard_input_gives_the_fields_that_were_read() {
    if report("demo/case/report.html").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let line = |record: u64, host: &str, channel: &str, id: u32, fields: &str| {
        format!(
            "{{\"@timestamp\":\"2026-03-04T10:00:0{record}Z\",\"Hostname\":\"{host}\",\"Channel\":\"{channel}\",\"EventID\":{id},\"RecordNumber\":{record},{fields}}}\n"
        )
    };
    let logs = [
        line(
            1,
            "WS2",
            "Security",
            4624,
            "\"LogonType\":\"3\",\"TargetUserName\":\"ann\",\"TargetDomainName\":\"CORP\",\"TargetLogonId\":\"0x11\",\"IpAddress\":\"10.0.0.5\",\"IpPort\":\"50000\",\"AuthenticationPackageName\":\"NTLM\"",
        ),
        line(
            2,
            "WS2",
            "System",
            7045,
            "\"ServiceName\":\"PSEXESVC\",\"ImagePath\":\"%SystemRoot%\\\\PSEXESVC.exe\",\"ServiceType\":\"user mode service\",\"StartType\":\"demand start\",\"AccountName\":\"LocalSystem\"",
        ),
    ];
    let arguments = ["hunt", "-", "--out", "case", "--quiet"];
    crabwalk_reading(directory.path(), &arguments, logs.concat().as_bytes()).said(0);
    let html = fs::read_to_string(directory.path().join("case/report.html"))
        .unwrap_or_else(|error| panic!("{error}"));
    let parts = parts(&html);
    let records = parts
        .get("records-0")
        .and_then(Value::as_array)
        .unwrap_or_else(|| panic!("no records: {:?}", parts.keys()));
    assert!(!records.is_empty());
    for record in records {
        assert_eq!(record.get("partial"), Some(&Value::Bool(true)));
    }
}

#[test]
fn what_proves_a_movement_a_path_and_a_finding_is_explained_down_to_the_records() {
    let explain = |id: &str| crabwalk(world(), &["explain", id, "demo/case/case.json"]);
    let case = case();
    let path = list(&case, "paths")
        .first()
        .unwrap_or_else(|| panic!("no path"));
    let path_said = explain(text(path, "id")).said(0);
    assert!(path_said.contains(text(path, "way")), "{path_said}");
    let of_path: Vec<&str> = list(path, "hops")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let hops = list(&case, "hops").iter();
    for hop in hops.filter(|hop| of_path.contains(&text(hop, "id"))) {
        let said = explain(text(hop, "id")).said(0);
        // A path explains each of its movements.
        assert!(
            path_said.contains(said.trim()),
            "{said}\nnot in\n{path_said}"
        );
        for witness in list(hop, "witnesses") {
            assert!(
                said.contains(&text(witness, "kind").replace('-', " ")),
                "{said}"
            );
            for event in list(witness, "events").iter().take(5) {
                let record = format!("record {} in", event["record"]);
                assert!(said.contains(&record), "{record} is not in\n{said}");
            }
        }
        for technique in list(hop, "techniques").iter().filter_map(Value::as_str) {
            assert!(said.contains(technique), "{said}");
        }
    }
    for finding in list(&case, "findings").iter().take(5) {
        let said = explain(text(finding, "id")).said(0);
        assert!(said.starts_with(text(finding, "detection")), "{said}");
        for event in list(finding, "events") {
            assert!(
                said.contains(&format!("record {} in", event["record"])),
                "{said}"
            );
        }
    }
    let said = explain("hop-0");
    assert_eq!(said.status, 1);
    let said = said.err;
    assert!(
        said.contains("nothing in the case is called `hop-0`"),
        "{said}"
    );
    assert!(said.contains("hop-1 to hop-"), "{said}");
}
