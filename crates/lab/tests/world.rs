//! A whole world: the same from the same seed, read back record for record, and with no act that was not planted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // A test may panic.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crabwalk_lab::{DETECTIONS, Options, Truth, build};
use serde_json::Value as Json;

fn small() -> Options {
    Options {
        days: 1,
        workstations: 3,
        ..Options::default()
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(files(&path))
        } else {
            out.push(path)
        }
    }
    out.sort();
    out
}

struct Record {
    host: String,
    channel: String,
    id: u64,
    event: u64,
    time: String,
    data: Json,
}

impl Record {
    fn text(&self, name: &str) -> String {
        match &self.data[name] {
            Json::String(text) => text.clone(),
            Json::Null => String::new(),
            other => other.to_string(),
        }
    }
}

fn records(directory: &Path) -> Vec<Record> {
    let mut out = Vec::new();
    for path in files(directory)
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "evtx"))
    {
        let settings = evtx::ParserSettings::new().validate_checksums(true);
        let mut parser = evtx::EvtxParser::from_path(path)
            .unwrap()
            .with_configuration(settings);
        let host = path
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let mut last: Option<u64> = None;
        for record in parser.records_json_value() {
            let record = record.unwrap();
            let event = &record.data["Event"];
            assert!(
                last.is_none_or(|last| last + 1 == record.event_record_id),
                "gap in {}",
                path.display()
            );
            last = Some(record.event_record_id);
            let system = &event["System"];
            let id = system["EventID"].get("#text").unwrap_or(&system["EventID"]);
            out.push(Record {
                host: host.clone(),
                channel: system["Channel"].as_str().unwrap().to_owned(),
                id: record.event_record_id,
                event: id.as_u64().unwrap(),
                time: system["TimeCreated"]["#attributes"]["SystemTime"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
                data: event.get("EventData").cloned().unwrap_or_default(),
            });
        }
    }
    out
}

fn world() -> (tempfile::TempDir, Truth, Vec<Record>) {
    let dir = tempfile::tempdir().unwrap();
    let truth = build(&small(), dir.path()).unwrap();
    let records = records(dir.path());
    (dir, truth, records)
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let (a, b, c) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    build(&small(), a.path()).unwrap();
    build(&small(), b.path()).unwrap();
    build(&Options { seed: 2, ..small() }, c.path()).unwrap();
    let read = |dir: &Path| -> BTreeMap<PathBuf, Vec<u8>> {
        files(dir)
            .into_iter()
            .map(|p| {
                (
                    p.strip_prefix(dir).unwrap().to_owned(),
                    fs::read(p).unwrap(),
                )
            })
            .collect()
    };
    let (a, b, c) = (read(a.path()), read(b.path()), read(c.path()));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    assert!(a == b, "two runs differ");
    assert!(a != c, "the seed has no effect");
}

/// The ten detections' logic, written down a second time over the raw fields.
#[test]
fn each_detection_finds_its_planted_acts_and_nothing_else() {
    let (dir, truth, records) = world();
    assert_eq!(records.len() as u64, truth.events);
    let category: BTreeMap<String, String> = truth
        .hosts
        .iter()
        .flat_map(|h| {
            [
                (h.ips[0].clone(), h.category.clone()),
                (h.name.clone(), h.category.clone()),
            ]
        })
        .collect();
    let of = |key: &str| category.get(key).cloned().unwrap_or_default();
    let rdp = |src: &str, dst: &str| {
        of(dst) != "common_rdp_destination" && of(src) != "common_rdp_source"
    };
    type Key = (String, String, u64);
    let mut found: BTreeMap<&str, BTreeSet<Key>> = DETECTIONS
        .iter()
        .map(|name| (*name, BTreeSet::new()))
        .collect();
    let mut groups: BTreeMap<[String; 3], Vec<(&Record, bool)>> = BTreeMap::new();
    for record in &records {
        let key = (record.host.clone(), record.channel.clone(), record.id);
        let mut hit = |which: usize| {
            found
                .get_mut(DETECTIONS[which])
                .unwrap()
                .insert(key.clone());
        };
        match (record.channel.as_str(), record.event) {
            ("Security", 4624) => {
                let process = record.text("LogonProcessName").trim().to_lowercase();
                let kind = record.text("LogonType");
                if (kind == "3" && process == "ntlmssp") || (kind == "9" && process == "seclogo") {
                    hit(0);
                    hit(1);
                }
                if process == "ntlmssp" || process == "kerberos" {
                    let day = record.time[..10].to_owned();
                    let group = [record.text("TargetUserSid"), record.host.clone(), day];
                    groups
                        .entry(group)
                        .or_default()
                        .push((record, process == "ntlmssp"));
                }
            }
            ("Security", 4769) => {
                let service = record.text("ServiceName");
                if !service.ends_with('$') && record.text("TicketEncryptionType") == "0x17" {
                    assert_eq!(record.text("TicketOptions"), "0x40810000");
                    hit(4);
                }
            }
            ("Security", 4688) | ("Microsoft-Windows-Sysmon/Operational", 1) => {
                let image = if record.event == 1 {
                    record.text("Image")
                } else {
                    record.text("NewProcessName")
                };
                let name = image.rsplit('\\').next().unwrap().to_lowercase();
                let original = record.text("OriginalFileName").to_lowercase();
                let line = record.text("CommandLine").to_lowercase();
                let plain = matches!(name.as_str(), "psexec.exe" | "psexec64.exe");
                if (plain || original == "psexec.c") && line.contains("accepteula") {
                    hit(2);
                }
                if original == "psexec.c" && !plain {
                    hit(3);
                }
                if line.ends_with("mstsc.exe") && of(&record.host) != "common_rdp_source" {
                    hit(8);
                }
                if name == "schtasks.exe" && line.contains("/create") && line.contains("/s") {
                    hit(9);
                }
            }
            ("Microsoft-Windows-Sysmon/Operational", 3)
                if record.text("DestinationPort") == "3389"
                    && rdp(&record.text("SourceIp"), &record.text("DestinationIp")) =>
            {
                hit(7);
            }
            _ => {}
        }
    }
    for logons in groups.values() {
        let ntlm: Vec<&str> = logons
            .iter()
            .filter(|(_, ntlm)| *ntlm)
            .map(|(r, _)| r.time.as_str())
            .collect();
        let (k, n) = (logons.len() - ntlm.len(), ntlm.len());
        let span = |times: &mut dyn Iterator<Item = &str>| {
            let times: Vec<i64> = times
                .map(|t| t.parse::<jiff::Timestamp>().unwrap().as_microsecond())
                .collect();
            times.iter().max().unwrap() - times.iter().min().unwrap()
        };
        if n == 0 || k <= 10 * n || k <= 50 {
            continue;
        }
        let all = span(&mut logons.iter().map(|(r, _)| r.time.as_str()));
        let short = span(&mut ntlm.iter().copied());
        assert!(all > 1_800_000_000 && all > 3 * short);
        for (record, _) in logons {
            for which in [5, 6] {
                let key = (record.host.clone(), record.channel.clone(), record.id);
                found.get_mut(DETECTIONS[which]).unwrap().insert(key);
            }
        }
    }
    for name in DETECTIONS {
        let acts = &truth.detections[name];
        assert!(!acts.is_empty(), "{name}: nothing planted");
        let planted: BTreeSet<Key> = acts
            .iter()
            .flat_map(|act| &act.evidence)
            .map(|e| (e.host.clone(), e.channel.clone(), e.record_id))
            .collect();
        assert_eq!(found[name], planted, "{name}");
    }
    // Zeek's view of remote desktop.
    let text = fs::read_to_string(dir.path().join("zeek/conn.log")).unwrap();
    let uids: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|row| row[5] == "3389" && rdp(row[2], row[4]))
        .map(|row| row[1])
        .collect();
    assert_eq!(
        uids,
        truth.detections["Remote Desktop Network Traffic"][0].zeek_uids
    );
}

#[test]
fn sessions_processes_and_connections_fit_together() {
    let (_dir, truth, records) = world();
    let sessions: BTreeSet<(&str, String)> = records
        .iter()
        .filter(|r| r.channel == "Security" && r.event == 4624)
        .map(|r| (r.host.as_str(), r.text("TargetLogonId")))
        .collect();
    let constant = ["0x3e7", "0x0"];
    let mut guids = BTreeSet::new();
    let mut flows = BTreeSet::new();
    for record in &records {
        let session = match (record.channel.as_str(), record.event) {
            ("Security", 4634 | 4647) => record.text("TargetLogonId"),
            ("Security", 4672 | 4697 | 4698 | 5140 | 5145 | 4688) => record.text("SubjectLogonId"),
            ("Microsoft-Windows-Sysmon/Operational", 1) => record.text("LogonId"),
            _ => continue,
        };
        assert!(
            constant.contains(&session.as_str())
                || sessions.contains(&(record.host.as_str(), session.clone())),
            "{} {} {}: no session {session}",
            record.host,
            record.event,
            record.id
        );
    }
    for record in records.iter().filter(|r| r.channel.contains("Sysmon")) {
        match record.event {
            1 => assert!(
                guids.insert(record.text("ProcessGuid")),
                "a process started twice"
            ),
            3 => {
                let flow = ["SourceIp", "SourcePort", "DestinationIp", "DestinationPort"]
                    .map(|name| record.text(name));
                flows.insert((record.host.clone(), flow));
            }
            _ => {}
        }
    }
    let ip: BTreeMap<&str, &str> = truth
        .hosts
        .iter()
        .map(|h| (h.ips[0].as_str(), h.name.as_str()))
        .collect();
    let sysmon: BTreeSet<&str> = truth
        .hosts
        .iter()
        .filter(|h| h.sysmon)
        .map(|h| h.name.as_str())
        .collect();
    let mut joined = 0;
    for record in records
        .iter()
        .filter(|r| r.event == 4624 && r.text("LogonType") == "3")
    {
        let (address, port) = (record.text("IpAddress"), record.text("IpPort"));
        let Some(source) = ip.get(address.as_str()) else {
            continue;
        };
        if port == "0" {
            // The logon before a remote desktop session names no port.
            continue;
        }
        for host in [*source, record.host.as_str()] {
            if sysmon.contains(host) {
                let seen = flows
                    .iter()
                    .any(|(at, flow)| at == host && flow[0] == address && flow[1] == port);
                assert!(seen, "{host} has no connection {address}:{port}");
                joined += 1;
            }
        }
    }
    assert!(joined > 100);
    let hops: BTreeSet<(&str, &str)> = truth
        .hops()
        .map(|h| (h.src.as_str(), h.dst.as_str()))
        .collect();
    assert_eq!(
        hops,
        BTreeSet::from([("PIER-WS01", "PIER-WS02"), ("PIER-WS02", "TIDE-SQL01")])
    );
    assert!(
        truth
            .hops()
            .all(|hop| hop.evidence.len() > 3 && !hop.zeek_uids.is_empty())
    );
}

#[test]
fn evtxexport_sees_the_same_records() {
    if Command::new("evtxexport").arg("-V").output().is_err() {
        assert!(
            std::env::var_os("CRABWALK_REQUIRE_TOOLS").is_none(),
            "evtxexport (Debian: libevtx-utils) is missing"
        );
        eprintln!("skipped: evtxexport (Debian: libevtx-utils) is not installed");
        return;
    }
    let (dir, truth, records) = world();
    let mut seen = 0;
    for path in files(dir.path())
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "evtx"))
    {
        let output = Command::new("evtxexport")
            .args(["-f", "xml", "-m", "all"])
            .arg(path)
            .output()
            .unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8_lossy(&output.stdout);
        let host = path
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let name = path
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .replace("%4", "/");
        let ours = records
            .iter()
            .filter(|r| r.host == host && r.channel == name);
        let theirs: Vec<&str> = text.split("<Event ").skip(1).collect();
        assert_eq!(ours.clone().count(), theirs.len(), "{}", path.display());
        for (record, xml) in ours.zip(theirs) {
            assert!(
                xml.contains(&format!("<EventRecordID>{}</EventRecordID>", record.id)),
                "{xml}"
            );
            assert!(
                xml.contains(&format!(">{}</EventID>", record.event)),
                "{xml}"
            );
            if let Json::Object(fields) = &record.data {
                for (name, value) in fields {
                    let plain = value.as_str().filter(|v| {
                        !v.is_empty()
                            && !v.starts_with(['{', '0'])
                            && !v.contains(['<', '&', '\n', '\r', '\t', ':'])
                    });
                    if let Some(value) = plain {
                        assert!(
                            xml.contains(&format!("<Data Name=\"{name}\">{value}</Data>")),
                            "{name} {value} in {xml}"
                        );
                    }
                }
            }
            seen += 1;
        }
    }
    assert_eq!(seen, truth.events);
}

#[test]
fn impossible_options_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for options in [
        Options { days: 0, ..small() },
        Options {
            workstations: 2,
            ..small()
        },
        Options {
            servers: 2,
            ..small()
        },
        Options {
            servers: 99,
            ..small()
        },
    ] {
        assert!(build(&options, dir.path()).is_err());
    }
}

#[test]
fn a_world_without_an_intrusion_has_no_acts_and_a_target_is_reached() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        intrusion: false,
        target_bytes: Some(12_000_000),
        ..small()
    };
    let truth = build(&options, dir.path()).unwrap();
    assert!(truth.hops().count() == 0 && truth.detections.values().all(Vec::is_empty));
    let size: u64 = files(dir.path())
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "evtx"))
        .map(|path| fs::metadata(path).unwrap().len())
        .sum();
    assert!(
        size >= 12_000_000 && size == truth.evtx_bytes,
        "{size} {}",
        truth.evtx_bytes
    );
}

#[test]
fn the_domain_is_called_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        dns: "quay.example".to_owned(),
        netbios: "TIDE".to_owned(),
        ..small()
    };
    let truth = build(&options, dir.path()).unwrap();
    assert_eq!(
        (truth.domain.as_str(), truth.netbios.as_str()),
        ("quay.example", "TIDE")
    );
    let usual = Options::default();
    let mut of_domain = 0;
    for record in records(dir.path()) {
        let text = record.data.to_string();
        for name in [&usual.dns, &usual.netbios] {
            let found = text.to_lowercase().contains(&name.to_lowercase());
            assert!(!found, "{} {}: {text}", record.channel, record.event);
        }
        of_domain += usize::from(text.contains("TIDE\\"));
    }
    assert!(of_domain > 100, "{of_domain}");
    let wrong = Options {
        netbios: "no name".to_owned(),
        ..small()
    };
    let other = tempfile::tempdir().unwrap();
    assert!(build(&wrong, other.path()).is_err());
}
