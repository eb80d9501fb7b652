//! Servers that share a store in object storage.

use std::collections::BTreeSet;
use std::path::Path;

use crabwalk_testing::ObjectStorage;
use jiff::Timestamp;
use serde_json::json;

use crate::schedules::{detection, event, findings, until};
use crate::served::{Served, folder};

const STORE: &str = "s3://logs/soc";

fn start(folder: &Path, storage: &ObjectStorage, data: &str, more: &[&str]) -> Served {
    let settings = ObjectStorage::settings(storage.port());
    let environment: Vec<_> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.into()))
        .collect();
    let mut arguments = vec![
        "serve",
        "--data",
        data,
        "--store",
        STORE,
        "--listen",
        "127.0.0.1:0",
    ];
    arguments.extend(["--no-builtin", "--content", "rules"]);
    arguments.extend(more);
    Served::start_with(folder, &arguments, &environment)
}

/// The values of `n` in the store, as a server sees them, and whether one is there twice.
fn numbers(served: &Served) -> (BTreeSet<u64>, bool) {
    let rows = served
        .search("search message=\"n=*\" | rex field=message \"n=(?<n>[0-9]+)\" | stats count by n");
    let number = |value: &serde_json::Value| value.as_str().and_then(|text| text.parse().ok());
    let doubled = rows.iter().any(|row| number(&row[1]) != Some(1));
    (
        rows.iter().filter_map(|row| number(&row[0])).collect(),
        doubled,
    )
}

/// One hunts and detects, the other only takes events, and is killed again and again: nothing that was acknowledged is
/// lost or twice, both show everything, and what the second took is detected by the first.
#[test]
fn servers_share_a_store_and_one_detects_what_both_take() {
    let Some(storage) = ObjectStorage::start() else {
        return;
    };
    let folder = folder();
    detection(
        folder.path(),
        "created",
        "TTP",
        "EventCode=4720 | table _time dest",
        "",
    );
    let storage = &storage;
    let first = start(folder.path(), storage, "one", &["--every", "1s"]);
    first.first_account();
    let only_takes = ["--no-hunt", "--no-schedules"];
    let mut second = start(folder.path(), storage, "two", &only_takes);
    second.first_account();
    let token = second.token.clone();

    let mut sent = BTreeSet::new();
    for round in 0..30_u64 {
        for (own, served) in [&first, &second].into_iter().enumerate() {
            let ours = round * 100 + own as u64 * 10..round * 100 + own as u64 * 10 + 5;
            let body: String = ours
                .clone()
                .map(|n| {
                    json!({"sourcetype": "load", "event": format!("n={n} of many")}).to_string()
                })
                .collect();
            assert_eq!(served.hec("/services/collector/event", &body).status, 200);
            sent.extend(ours);
        }
        if round % 10 == 9 {
            second.child.kill().unwrap();
            second.child.wait().unwrap();
            second = start(folder.path(), storage, "two", &only_takes);
            second.token.clone_from(&token);
        }
    }
    for (name, served) in [("first", &first), ("second", &second)] {
        until(&format!("the {name} shows everything"), || {
            numbers(served).0 == sent
        });
        assert!(!numbers(served).1, "something is there twice");
    }

    let made = event(
        Timestamp::now(),
        4720,
        1,
        "SRV9",
        &[("TargetUserName", "eve")],
    );
    assert_eq!(second.hec("/services/collector/event", &made).status, 200);
    until("the first detects what the second took", || {
        findings(&first, "")
            .iter()
            .any(|one| one.to_string().contains("SRV9"))
    });
    second.signal("-TERM");
    assert_eq!(second.ended(), Some(0));
}
