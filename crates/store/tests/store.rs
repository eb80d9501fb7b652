//! What a store keeps, leaves out and refuses, through what it offers to others.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it cannot use")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crabwalk_events::catalog::{ALWAYS, Catalog};
use crabwalk_events::named::Batches;
use crabwalk_events::{EventType, MemoryCatalog};
use crabwalk_sources::collect::{
    Begun, Collected, Collector, Demand, Everything, HOST, Head, RECORD, SOURCE,
};
use crabwalk_sources::pack::Texts;
use crabwalk_sources::report::{SourceKind, SourceReport};
use crabwalk_store::{CommitInfo, FileScan, Ingest, NewSource, ReadScan as _, Store, StoreError};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::UInt64Type;

const DAY: i64 = 86_400_000_000;
/// 2026-01-05T10:00:00Z.
const MONDAY: i64 = 1_767_607_200_000_000;

/// An event to be read.
#[derive(Debug, Clone)]
struct Event {
    channel: &'static str,
    id: u32,
    time: i64,
    host: &'static str,
    /// Its number; of others, what the whole of it says.
    number: Result<u64, u64>,
    fields: Vec<(&'static str, &'static str)>,
}

fn logon(number: u64) -> Event {
    Event {
        channel: "Security",
        id: 4624,
        time: MONDAY + i64::try_from(number).unwrap() * 1_000_000,
        host: "WS1",
        number: Ok(number),
        fields: vec![("LogonType", "3"), ("TargetUserName", "ann")],
    }
}

fn connection(content: u64) -> Event {
    Event {
        channel: "zeek:conn",
        id: 0,
        time: MONDAY,
        host: "sensor",
        number: Err(content),
        fields: vec![("id.orig_h", "10.0.0.1")],
    }
}

fn collect_for(demand: &dyn Demand, source: u32, events: &[Event]) -> Collected {
    let mut collector = Collector::new(demand);
    for (at, event) in events.iter().enumerate() {
        let table = collector.table(event.channel, event.id);
        let head = Head {
            time: event.time,
            host: event.host,
            source,
            record: event.number.unwrap_or(at as u64 + 1),
            numbered: event.number.is_ok(),
        };
        let begun = match event.number {
            Ok(_) => collector.begin(table, &head),
            Err(content) => collector.begin_unnumbered(table, &head, content),
        };
        if begun != Begun::Row {
            continue;
        }
        for (name, value) in &event.fields {
            if let Some(column) = collector.column(table, name) {
                collector.push(table, column, value);
            }
        }
    }
    Collector::merge(vec![collector]).unwrap()
}

fn collect(events: &[Event]) -> Collected {
    collect_for(&Ingest, 0, events)
}

fn from(path: &str) -> CommitInfo {
    CommitInfo {
        sources: vec![NewSource {
            report: SourceReport::new(0, path.to_owned(), SourceKind::Json),
            origin: None,
            from_start: false,
            whole: true,
        }],
        ..CommitInfo::default()
    }
}

/// Every event with all that it says, sorted.
fn rows(catalog: &dyn Catalog) -> Vec<String> {
    let mut all = Vec::new();
    for table in catalog.tables() {
        let mut columns = table.columns();
        columns.push(SOURCE);
        for events in catalog.scan(&table.event_type, &columns, &ALWAYS) {
            let events = events.unwrap();
            for row in 0..events.rows() {
                let mut said = vec![format!(
                    "{} {}",
                    table.event_type,
                    events.times().unwrap().value(row)
                )];
                for name in table.columns() {
                    let Some(column) = events.column(name) else {
                        continue;
                    };
                    if name == RECORD {
                        let numbers = column.as_primitive::<UInt64Type>();
                        said.push(format!("{name}={}", numbers.value(row)));
                    } else if let Some(texts) = Texts::new(column) {
                        said.extend(texts.get(row).map(|text| format!("{name}={text}")));
                    } else if column.is_valid(row) {
                        let items = column.as_list::<i32>().value(row);
                        let items: Vec<_> = items.as_string::<i32>().iter().flatten().collect();
                        said.push(format!("{name}={}", items.join("|")));
                    }
                }
                let origin = catalog.resolve(events.reference(row)).unwrap();
                assert_eq!(origin.time, events.times().unwrap().value(row));
                said.sort();
                all.push(said.join(" "));
            }
        }
    }
    all.sort();
    all
}

fn open(folder: &Path) -> Store {
    Store::open_or_create(folder).unwrap()
}

#[test]
fn a_store_answers_as_a_catalog_in_memory_does() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut events: Vec<Event> = (1..50).map(logon).collect();
    events.extend((1..20).map(connection));
    for (at, event) in events.iter_mut().enumerate() {
        if at % 5 == 0 {
            // Several values, and names that a file uses for itself.
            event.fields.extend([
                ("PrivilegeList", "SeDebugPrivilege"),
                ("PrivilegeList", "SeTcbPrivilege"),
                ("__time", "later"),
                ("host[]", "x"),
                ("odd.name", "dots"),
            ]);
        } else if at % 5 == 1 {
            event.fields.push(("PrivilegeList", "SeDebugPrivilege"));
        }
        event.time += i64::try_from(at % 3).unwrap() * DAY;
    }
    let memory = MemoryCatalog::new(collect_for(&Everything, 0, &events)).unwrap();
    store.commit(collect(&events), from("a.json")).unwrap();
    for store in [&store, &Store::open(folder.path()).unwrap()] {
        let stored = store.snapshot().unwrap();
        assert_eq!(rows(&stored), rows(&memory));
        assert_eq!(stored.coverage(), memory.coverage());
        for (ours, theirs) in stored.tables().iter().zip(memory.tables()) {
            assert_eq!(ours.event_type, theirs.event_type);
            assert_eq!(ours.fields_seen, theirs.fields_seen);
            assert_eq!(ours.rows, theirs.rows);
            let types = |table: &crabwalk_events::Table| -> BTreeMap<String, String> {
                let fields = table.schema.fields().iter();
                fields
                    .map(|field| (field.name().clone(), field.data_type().to_string()))
                    .collect()
            };
            assert_eq!(types(ours), types(theirs));
        }
    }
}

#[test]
fn a_span_of_time_is_what_a_demand_for_it_reads() {
    struct In(std::ops::RangeInclusive<i64>);
    impl Demand for In {
        fn columns(&self, _: &str, _: u32) -> crabwalk_sources::collect::Columns {
            crabwalk_sources::collect::Columns::All
        }
        fn window(&self) -> std::ops::RangeInclusive<i64> {
            self.0.clone()
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let events: Vec<Event> = (0..40)
        .map(|at| Event {
            time: MONDAY + i64::try_from(at).unwrap() * DAY / 8,
            host: if at < 10 { "WS1" } else { "WS2" },
            ..logon(at)
        })
        .collect();
    store.commit(collect(&events), from("a.json")).unwrap();
    for window in [
        MONDAY + DAY..=MONDAY + 2 * DAY,
        MONDAY..=MONDAY,
        MONDAY - DAY..=MONDAY - 1,
        MONDAY + 9 * DAY..=i64::MAX,
        i64::MIN..=MONDAY + DAY,
    ] {
        let memory = collect_for(&In(window.clone()), 0, &events);
        let memory = MemoryCatalog::new(memory).unwrap();
        let stored = store.snapshot_within(&window).unwrap();
        assert_eq!(rows(&stored), rows(&memory), "{window:?}");
        assert_eq!(stored.coverage(), memory.coverage());
        let (ours, theirs) = (&stored.tables()[0], &memory.tables()[0]);
        assert_eq!(ours.rows, theirs.rows);
        assert_eq!(ours.hosts_outside, theirs.hosts_outside);
        assert_eq!(ours.fields_seen, theirs.fields_seen);
    }
}

#[test]
fn a_record_counts_once_wherever_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let first = store
        .commit(collect(&[logon(1), logon(2)]), from("a"))
        .unwrap();
    assert_eq!((first.events, first.duplicates), (2, 0));
    // The time of an export that leaves out fractions, and a host in other letters.
    let copy = Event {
        host: "ws1",
        ..logon(2)
    };
    let second = store.commit(collect(&[copy, logon(3)]), from("b")).unwrap();
    assert_eq!((second.events, second.duplicates), (1, 1));
    // The same number of another log, host or time is another record.
    let others = [
        Event {
            channel: "System",
            ..logon(1)
        },
        Event {
            host: "WS2",
            ..logon(1)
        },
        Event {
            time: MONDAY + DAY,
            ..logon(1)
        },
    ];
    let third = store.commit(collect(&others), from("c")).unwrap();
    assert_eq!((third.events, third.duplicates), (3, 0));
    assert_eq!(store.size().events, 6);
    let covered: Vec<u64> = store
        .snapshot()
        .unwrap()
        .coverage()
        .iter()
        .map(|covered| covered.records)
        .collect();
    assert_eq!(covered.iter().sum::<u64>(), 6);
}

#[test]
fn what_happened_twice_counts_twice() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    // One log says it once, one three times, one twice.
    for (times, new) in [(1, 1), (3, 2), (2, 0)] {
        let events: Vec<Event> = (0..times).map(|_| connection(7)).collect();
        let committed = store.commit(collect(&events), from("a")).unwrap();
        assert_eq!(committed.events, new);
    }
    assert_eq!(store.size().events, 3);
}

#[test]
fn a_record_without_a_number_is_known_however_its_time_is_written() {
    const SECOND: i64 = 1_000_000;
    let at = |fraction: i64| Event {
        time: MONDAY.div_euclid(SECOND) * SECOND + fraction,
        ..connection(7)
    };
    // Written in microseconds, milliseconds and seconds, whichever comes first.
    let (fine, middle, coarse, other) = (at(123_456), at(123_000), at(0), at(900_000));
    let orders = [
        [fine.clone(), middle.clone(), coarse.clone()],
        [coarse.clone(), middle.clone(), fine.clone()],
        [middle.clone(), fine.clone(), coarse.clone()],
    ];
    for order in orders {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        for event in order {
            store.commit(collect(&[event]), from("a")).unwrap();
        }
        assert_eq!(store.size().events, 1);
    }
    // Another time of the same second is another record, and so is one that says something else.
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for event in [fine, other, connection(8)] {
        store.commit(collect(&[event]), from("a")).unwrap();
    }
    assert_eq!(store.size().events, 3);
}

#[test]
fn a_commit_is_known_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let info = || CommitInfo {
        batch: Some("batch 1".to_owned()),
        marks: BTreeMap::from([("wal".to_owned(), "3".to_owned())]),
        ..from("a")
    };
    assert!(!store.commit(collect(&[logon(1)]), info()).unwrap().known);
    let again = store.commit(collect(&[logon(2)]), info()).unwrap();
    assert!(again.known);
    assert_eq!((again.version, again.events), (1, 0));
    drop(store);
    let store = open(folder.path());
    assert!(store.has_batch("batch 1"));
    assert_eq!(store.mark("wal").as_deref(), Some("3"));
    assert_eq!(store.size().events, 1);
}

#[test]
fn one_writes_and_many_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert!(matches!(
        Store::open_or_create(folder.path()),
        Err(StoreError::Locked(_))
    ));
    let reader = Store::open(folder.path()).unwrap();
    assert!(matches!(
        reader.commit(collect(&[logon(1)]), from("a")),
        Err(StoreError::ReadOnly)
    ));
    let before = reader.snapshot().unwrap();
    for number in 0..200 {
        store.commit(collect(&[logon(number)]), from("a")).unwrap();
    }
    assert_eq!(before.version(), 0);
    assert!(before.tables().is_empty());
    // It was left far behind: the commits that it would read next are gone.
    assert!(reader.refresh().unwrap());
    assert!(!reader.refresh().unwrap());
    assert_eq!(
        rows(&reader.snapshot().unwrap()),
        rows(&store.snapshot().unwrap())
    );
    assert_eq!(reader.size().events, 200);
    assert!(
        fs::read_dir(folder.path().join("meta/log"))
            .unwrap()
            .count()
            < 140
    );
    // Every commit went on with the same source.
    assert_eq!(reader.snapshot().unwrap().sources().len(), 1);
}

#[test]
fn what_is_no_store_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        Store::open(folder.path()),
        Err(StoreError::NoStore(_))
    ));
    fs::write(folder.path().join("format.json"), "{\"format\": \"png\"}").unwrap();
    assert!(!Store::is_store(folder.path()));
    assert!(matches!(
        Store::open_or_create(folder.path()),
        Err(StoreError::Occupied(_))
    ));
    fs::write(
        folder.path().join("format.json"),
        "{\"format\": \"crabwalk.store/99\", \"id\": \"x\"}",
    )
    .unwrap();
    assert!(matches!(
        Store::open(folder.path()),
        Err(StoreError::Form { .. })
    ));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn events_without_identities_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let collected = collect_for(&Everything, 0, &[logon(1)]);
    assert!(matches!(
        store.commit(collected, from("a")),
        Err(StoreError::NoIdentities(_))
    ));
    assert_eq!(store.size().files, 0);
}

#[test]
fn files_of_commits_that_did_not_come_to_be_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.commit(collect(&[logon(1)]), from("a")).unwrap();
    let file = store.snapshot().unwrap().files().next().unwrap().to_owned();
    drop(store);
    let left = folder.path().join(&file).with_file_name("left.parquet");
    fs::write(&left, "half").unwrap();
    let draft = folder
        .path()
        .join("meta/log/.00000000000000000002.json.draft");
    fs::write(&draft, "{\"vers").unwrap();
    let store = open(folder.path());
    assert!(!left.exists());
    assert!(folder.path().join(&file).exists());
    store.commit(collect(&[logon(2)]), from("a")).unwrap();
    assert_eq!(store.size().events, 2);
    assert!(!draft.exists());
}

#[test]
fn a_large_table_is_cut_at_midnight() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let events: Vec<Event> = (0..150_000_u64)
        .map(|at| Event {
            time: MONDAY + i64::try_from(at).unwrap() * DAY / 75_000,
            host: ["WS3", "WS1", "WS2"][usize::try_from(at % 3).unwrap()],
            ..logon(at)
        })
        .collect();
    store.commit(collect(&events), from("a")).unwrap();
    let snapshot = store.snapshot().unwrap();
    let names: Vec<&str> = snapshot
        .files()
        .map(|path| path.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "2026-01-05_2026-01-06_000000000000.parquet",
            "2026-01-07_2026-01-07_000000000001.parquet"
        ]
    );
    let of = EventType {
        channel: "Security".to_owned(),
        event_id: 4624,
    };
    let mut count = 0;
    let mut references = Vec::new();
    for events in snapshot.scan(&of, &[HOST], &ALWAYS) {
        let events = events.unwrap();
        count += events.rows();
        references.push(events.reference(0));
        let hosts = Texts::new(events.column(HOST).unwrap()).unwrap();
        let hosts: Vec<_> = (0..events.rows()).map(|row| hosts.get(row)).collect();
        assert!(hosts.is_sorted());
    }
    assert_eq!(count, 150_000);
    assert!(references.is_sorted());
}

/// The references and times of a part of a scan.
fn read(batches: &Arc<dyn Batches>) -> Vec<(u64, i64)> {
    let mut all = Vec::new();
    for events in Arc::clone(batches).batches(&["TargetUserName"]) {
        let events = events.unwrap();
        let times = events.times().unwrap();
        all.extend((0..events.rows()).map(|row| (events.reference(row), times.value(row))));
    }
    all
}

#[test]
fn machines_that_share_a_scan_read_each_event_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_or_create(folder.path().join("store")).unwrap();
    for file in 0..5 {
        let events: Vec<Event> = (0..=file).map(|at| logon(1 + 10 * file + at)).collect();
        store.commit(collect(&events), from("a")).unwrap();
    }
    let logons = EventType {
        channel: "Security".to_owned(),
        event_id: 4624,
    };
    // Without the first second of the span, and a commit later on, which a scan knows nothing of.
    let window = MONDAY + 2_000_000..=i64::MAX;
    let snapshot = store.snapshot_within(&window).unwrap();
    let expected: Vec<(u64, i64)> = snapshot
        .scan(&logons, &[], &ALWAYS)
        .flat_map(|events| {
            let events = events.unwrap();
            let times = events.times().unwrap().values().to_vec();
            let rows = times.into_iter().enumerate();
            rows.map(|(row, time)| (events.reference(row), time))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(expected.len(), 14);
    let scan = snapshot
        .scan_of(&logons, &["_time", "TargetUserName"])
        .unwrap();
    assert!(snapshot.scan_of(&logons, &["Nobody"]).is_none());
    store.commit(collect(&[logon(99)]), from("a")).unwrap();
    // Another process, which never saw that snapshot.
    let other = Store::open(folder.path().join("store")).unwrap();
    assert_eq!(read(&other.read_scan(&scan).unwrap()[0]), expected);
    for machines in 1..8 {
        for parts in 1..4 {
            let shares = scan.in_parts(parts).shared(machines);
            assert_eq!(shares.len(), machines);
            let mut all = Vec::new();
            for share in &shares {
                assert_eq!(share.parts(), parts);
                let text = serde_json::to_string(share).unwrap();
                let share: FileScan = serde_json::from_str(&text).unwrap();
                for part in other.read_scan(&share).unwrap() {
                    all.extend(read(&part));
                }
            }
            all.sort_unstable();
            let mut expected = expected.clone();
            expected.sort_unstable();
            assert_eq!(all, expected, "{machines} machines, {parts} parts");
        }
    }
}

#[test]
fn a_scan_reads_only_its_own_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_or_create(folder.path().join("store")).unwrap();
    store.commit(collect(&[logon(1)]), from("a")).unwrap();
    let logons = EventType {
        channel: "Security".to_owned(),
        event_id: 4624,
    };
    let scan = store
        .snapshot()
        .unwrap()
        .scan_of(&logons, &["_time"])
        .unwrap();
    let other = Store::open_or_create(folder.path().join("other")).unwrap();
    assert!(matches!(
        other.read_scan(&scan),
        Err(StoreError::OtherStore { .. })
    ));
    // A copy of a store is that store.
    assert!(store.read_scan(&scan).is_ok());
    // Whoever wrote the scan leads nobody out of the store.
    let text = serde_json::to_string(&scan).unwrap();
    let path = store.files(&[])[0].clone();
    let folder = path.rsplit_once('/').unwrap().0;
    for outside in ["/etc/passwd", "../x", &format!("{folder}/../x"), folder, ""] {
        let text = text.replace(&path, outside);
        let scan: FileScan = serde_json::from_str(&text).unwrap();
        assert!(store.read_scan(&scan).is_err(), "{outside}");
    }
}
