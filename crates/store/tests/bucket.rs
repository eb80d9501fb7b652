//! A store in object storage: a server that is not ours, a network that breaks off, and several writers.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it cannot use")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crabwalk_events::Catalog;
use crabwalk_events::catalog::ALWAYS;
use crabwalk_sources::collect::{Begun, Collected, Collector, Head};
use crabwalk_sources::report::{SourceKind, SourceReport};
use crabwalk_store::objects::Bucket;
use crabwalk_store::{CommitInfo, Forget, Ingest, NewSource, Store, StoreError};
use crabwalk_testing::{BadNetwork, ObjectStorage};

/// 2026-01-05 10:00 UTC.
const START: i64 = 1_767_607_200_000_000;

fn bucket(url: &str, port: u16) -> Arc<Bucket> {
    Arc::new(Bucket::with(url, ObjectStorage::settings(port)).unwrap())
}

fn writer(url: &str, port: u16) -> Result<Store, StoreError> {
    Store::open_or_create_in(Path::new(url), bucket(url, port))
}

fn reader(url: &str, port: u16) -> Store {
    Store::open_in(Path::new(url), bucket(url, port)).unwrap()
}

/// Events of a host, of two types, in as many minutes.
fn events(host: &str, numbers: std::ops::Range<u64>) -> Collected {
    let mut collector = Collector::new(&Ingest);
    for (channel, id) in [("Security", 4624), ("A/b c%", 7)] {
        let table = collector.table(channel, id);
        for record in numbers.clone() {
            let head = Head {
                time: START + i64::try_from(record).unwrap() * 60_000_000,
                host,
                source: 0,
                record: record * 10 + u64::from(id % 10),
                numbered: true,
            };
            assert_eq!(collector.begin(table, &head), Begun::Row);
            let column = collector.column(table, "TargetUserName").unwrap();
            collector.push(table, column, &format!("user{record}"));
        }
    }
    Collector::merge(vec![collector]).unwrap()
}

fn from(source: &str, batch: Option<String>) -> CommitInfo {
    CommitInfo {
        sources: vec![NewSource {
            report: SourceReport::new(0, source.to_owned(), SourceKind::Evtx),
            origin: None,
            from_start: false,
            whole: true,
        }],
        batch,
        ..CommitInfo::default()
    }
}

/// Each event of a store by host, type and record, with its value and source, and how often it is there.
type All = BTreeMap<(String, u32, u64, String, String), usize>;

fn all(store: &Store) -> All {
    let catalog = store.snapshot().unwrap();
    let mut all = All::new();
    for table in catalog.tables() {
        for events in catalog.scan(&table.event_type, &["host", "TargetUserName"], &ALWAYS) {
            let events = events.unwrap();
            let text = |name| crabwalk_sources::pack::Texts::new(events.column(name).unwrap());
            for row in 0..events.rows() {
                let origin = catalog.resolve(events.reference(row)).unwrap();
                let source = catalog.sources().get(origin.source as usize).unwrap();
                let key = (
                    text("host").unwrap().get(row).unwrap().to_owned(),
                    table.event_type.event_id,
                    origin.record,
                    text("TargetUserName").unwrap().get(row).unwrap().to_owned(),
                    source.path.clone(),
                );
                *all.entry(key).or_default() += 1;
            }
        }
    }
    all
}

#[test]
fn a_bucket_holds_what_a_folder_holds() {
    let Some(server) = ObjectStorage::start() else {
        return;
    };
    let url = "s3://logs/one/store";
    let folder = tempfile::tempdir().unwrap();
    let far = writer(url, server.port()).unwrap();
    let near = Store::open_or_create(folder.path().join("store")).unwrap();
    for store in [&far, &near] {
        store.commit(events("WS1", 0..50), from("a", None)).unwrap();
        store.commit(events("WS2", 0..50), from("b", None)).unwrap();
        let again = store.commit(events("ws1", 40..60), from("c", None));
        assert_eq!(again.unwrap().duplicates, 20);
        assert_eq!(store.compact().unwrap().after, 2);
        let before = Some(START + 10 * 60_000_000);
        let forgotten = store.forget(&Forget {
            before,
            channel: Some("security".to_owned()),
        });
        assert_eq!(forgotten.unwrap().events, 20);
        assert!(store.remove_old(Duration::ZERO).unwrap() > 0);
    }
    let read = reader(url, server.port());
    assert_eq!(all(&near).len(), 200);
    assert_eq!(all(&read), all(&near));
    assert_eq!(read.check().unwrap(), []);
    // Whoever reads sees what is written later.
    far.commit(events("WS3", 0..1), from("a", None)).unwrap();
    assert!(read.refresh().unwrap());
    assert_eq!(all(&read), all(&far));

    // Something else is there, nothing is there, or nobody may.
    let occupied = writer("s3://logs/one", server.port()).unwrap_err();
    assert!(matches!(occupied, StoreError::Occupied(_)), "{occupied}");
    let nothing = Store::open_in(
        Path::new("s3://logs/no"),
        bucket("s3://logs/no", server.port()),
    );
    let nothing = nothing.unwrap_err();
    assert!(matches!(nothing, StoreError::NoStore(_)), "{nothing}");
    let missing = writer("s3://elsewhere/x", server.port()).unwrap_err();
    assert!(missing.to_string().contains("NoSuchBucket"), "{missing}");
    assert!(Bucket::with("s3://", []).is_err());
}

/// Several machines write and one merges, over a network that breaks off most connections: everything that was
/// acknowledged is there once, and nothing else.
#[test]
fn many_writers_over_a_bad_network_lose_nothing_and_double_nothing() {
    let Some(server) = ObjectStorage::start() else {
        return;
    };
    let url = "s3://logs/many/store";
    drop(writer(url, server.port()).unwrap());
    let network = BadNetwork::before(server.port(), 7, 3);
    let port = network.port();
    let patiently = |what: &dyn Fn() -> Result<(), StoreError>| {
        for _ in 0..100 {
            match what() {
                Ok(()) => return,
                Err(StoreError::Io { .. } | StoreError::Overtaken(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("never done");
    };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3_u64)
            .map(|own| {
                scope.spawn(move || {
                    let mut store = None;
                    patiently(&|| writer(url, port).map(drop));
                    for round in 0..6_u64 {
                        // One host each, one that they share, and one that all send.
                        for (host, first) in [
                            (format!("WS{own}"), round * 5),
                            ("SHARED".to_owned(), 1_000 + own * 100 + round * 5),
                            ("ALL".to_owned(), 5_000 + round * 5),
                        ] {
                            let batch = format!("{host} {first} {own}");
                            for attempt in 0.. {
                                assert!(attempt < 100, "never done");
                                let open = match store.take() {
                                    Some(open) => Ok(open),
                                    None => writer(url, port),
                                };
                                let Ok(open) = open else { continue };
                                let info = from(&format!("source {own}"), Some(batch.clone()));
                                let sent = open.commit(events(&host, first..first + 5), info);
                                match sent {
                                    Ok(_) => {
                                        store = Some(open);
                                        break;
                                    }
                                    Err(StoreError::Io { .. } | StoreError::Overtaken(_)) => {}
                                    Err(error) => panic!("{error}"),
                                }
                            }
                        }
                    }
                })
            })
            .collect();
        let done = &done;
        let compactor = scope.spawn(move || {
            let mut merged = 0;
            while !done.load(Ordering::Relaxed) {
                let store = writer(url, port);
                let compacted = store.and_then(|store| store.compact());
                merged += compacted.map_or(0, |compacted| compacted.before);
                thread::sleep(Duration::from_millis(20));
            }
            merged
        });
        for one in writers {
            one.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(compactor.join().unwrap() > 0, "nothing was merged");
    });
    assert!(network.broken() > 20, "only {} broke", network.broken());
    let store = reader(url, server.port());
    let all = all(&store);
    let twice: Vec<_> = all.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    // Two types; 3 writers × 30 of their own, as many of the shared host, 30 of the one that all send.
    assert_eq!(all.len(), 2 * (90 + 90 + 30));
    let lost: Vec<_> = store.check().unwrap();
    let lost: Vec<_> = lost.iter().filter(|flaw| flaw.loss).collect();
    assert!(lost.is_empty(), "{lost:?}");
}
