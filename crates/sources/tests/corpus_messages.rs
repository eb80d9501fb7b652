//! The fields that are taken from an event's rendered text against the event's own data, over public logs that have both.

#![allow(clippy::expect_used)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use common::{one, read_bytes, read_path, rows};
use crabwalk_testing::corpus;

const LOGS: &str = "files/Security-Datasets/datasets/atomic/windows/lateral_movement/host";

fn datasets() -> Option<PathBuf> {
    corpus(LOGS).map(|corpus| corpus.join(LOGS))
}

#[test]
fn rendered_text_gives_what_event_data_gives() {
    let Some(folder) = datasets() else { return };
    let ids = [
        4624, 4625, 4634, 4647, 4648, 4672, 4688, 4697, 4698, 4702, 4720, 4722, 4724, 4728, 4732,
        4738, 4768, 4769, 4771, 4776, 4778, 4779, 5140, 5145, 5156, 5157, 5158, 4656, 4657, 4658,
        4663, 4662, 4690, 4703, 7045, 7036, 7040, 4104,
    ];
    let mut wrong: BTreeMap<(u32, String), (u64, String)> = BTreeMap::new();
    let mut compared = 0_u64;
    let filter =
        std::env::var("CRABWALK_CORPUS_FILE").unwrap_or_else(|_| "covenant_sharp".to_owned());
    for file in std::fs::read_dir(&folder).expect("a folder").flatten() {
        if !file.file_name().to_string_lossy().contains(&filter) {
            continue;
        }
        let all = read_path(&file.path());
        for table in &all.collected.tables {
            let sysmon = table.channel.contains("Sysmon");
            if !(ids.contains(&table.event_id) || sysmon) {
                continue;
            }
            let events = rows(&all, &table.channel, table.event_id);
            let mut text = String::new();
            let mut originals = Vec::new();
            for event in events
                .into_iter()
                .filter(|event| event.contains_key("Message"))
                .take(300)
            {
                let number = originals.len() + 1;
                let _ = write!(
                    text,
                    "03/04/2024 12:00:00 PM\nLogName={}\nEventCode={}\nComputerName=A\nRecordNumber={number}\nMessage={}\n",
                    table.channel,
                    table.event_id,
                    one(&event, "Message").replace("\r\n", "\n"),
                );
                originals.push(event);
            }
            let again = read_bytes("blocks.txt", text.as_bytes());
            let parsed = rows(&again, &table.channel, table.event_id);
            assert_eq!(
                parsed.len(),
                originals.len(),
                "{} {}",
                table.channel,
                table.event_id
            );
            for (original, parsed) in originals.iter().zip(&parsed) {
                for (name, values) in original {
                    let envelope = [
                        "Message",
                        "Provider",
                        "ProviderGuid",
                        "Severity",
                        "SeverityValue",
                        "Category",
                        "EventType",
                        "OpcodeValue",
                        "Opcode",
                        "Task",
                        "Version",
                        "Level",
                        "Keywords",
                        "UserID",
                        "ExecutionProcessID",
                        "ExecutionThreadID",
                        "AccountType",
                        "Domain",
                        "ActivityID",
                        "RelatedActivityID",
                        "AccountName",
                    ];
                    if name.starts_with('_')
                        || name == "host"
                        || envelope.contains(&name.as_str())
                        || values[0] == "-"
                    {
                        continue;
                    }
                    compared += 1;
                    let ours = one(parsed, name);
                    let flat = |text: &str| {
                        text.split_whitespace()
                            .collect::<Vec<_>>()
                            .join(" ")
                            .to_lowercase()
                    };
                    if flat(ours) != flat(&values[0]) {
                        let place = wrong.entry((table.event_id, name.clone())).or_default();
                        place.0 += 1;
                        place.1 = format!("{:?} for {:?}", ours, values[0]);
                    }
                }
            }
        }
    }
    // What the rendered text does not say, or says in words that have no single code; and what is not in the event but
    // in the envelope of the shipper of these logs.
    let known = |id: u32, name: &str| {
        matches!(
            (id, name),
            (8 | 10 | 4690, "ProcessId")
                | (13, "Details")
                | (5156 | 5157, "RemoteMachineID" | "RemoteUserID")
                | (7040, "param4")
                // Newer versions of the event have more data than its text shows, in another order.
                | (4698, "ClientProcessStartKey" | "FQDN" | "RpcCallClientLocality")
        ) || matches!(name, "AccessReason" | "AccessList")
    };
    let wrong: Vec<String> = wrong
        .iter()
        .filter(|((id, name), _)| !known(*id, name))
        .map(|(key, (count, sample))| {
            format!(
                "{key:?} {count}: {}",
                sample.chars().take(300).collect::<String>()
            )
        })
        .collect();
    assert!(compared > 10_000, "{compared}");
    assert!(
        wrong.is_empty(),
        "of {compared} values:\n{}",
        wrong.join("\n")
    );
}
