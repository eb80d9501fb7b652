//! The catalog in memory: what went in comes out, by reference, by column and by time.

use std::sync::Arc;

use crabwalk_events::catalog::{ALWAYS, Events as Batch, Window, for_each_event};
use crabwalk_events::{Catalog, EventType, MemoryCatalog};
use crabwalk_sources::collect::{Everything, HOST};
use crabwalk_sources::pack::Texts;
use crabwalk_testing::{Event, Events};

/// Reference of the first row of the second table.
const SECOND_TABLE: u64 = 1 << 40;

#[test]
fn references_lead_back_to_records() {
    let events: Events = [
        ("Security/4624", 7),
        ("System/7045", 9),
        ("Security/4624", 8),
    ]
    .map(|(event_type, record)| Event {
        record,
        ..Event::new(event_type)
            .at(1_700_000_000_123_456)
            .with("LogonType", "3")
    })
    .into_iter()
    .collect();
    // The fourth source; the others are empty.
    let parts = [vec![], vec![], vec![], vec![0, 1, 2]];
    let catalog = MemoryCatalog::new(events.collect_parts(&parts, &Everything))
        .unwrap_or_else(|error| panic!("{error}"));
    let rows: Vec<usize> = catalog.tables().iter().map(|table| table.rows).collect();
    assert_eq!(rows, [2, 1]);
    let found = catalog.resolve(1).unwrap_or_else(|| panic!("no event"));
    assert_eq!(
        (found.record, found.event_id, found.time),
        (8, 4624, 1_700_000_000_123_456)
    );
    let found = catalog
        .resolve(SECOND_TABLE)
        .unwrap_or_else(|| panic!("no event"));
    assert_eq!(
        (found.record, found.channel.as_str(), found.source),
        (9, "System", 3)
    );
    let mut read = Vec::new();
    for_each_event(&catalog, &|_, record| record != 7, &mut |event, fields| {
        read.push((event.record, fields));
    })
    .unwrap_or_else(|error| panic!("{error}"));
    let field = |value: &str| vec![("LogonType".to_owned(), vec![value.to_owned()])];
    assert_eq!(read, [(8, field("3")), (9, field("3"))]);
    assert_eq!(catalog.resolve(2), None);
    assert_eq!(catalog.resolve(9 * SECOND_TABLE), None);
}

#[test]
fn single_events_of_a_packed_table_are_read_back() {
    let events: Events = (1..=40_000_i64)
        .map(|record| {
            let event = Event::new("Security/4624")
                .host("WS1")
                .at(1_700_000_000_000_000 + record);
            match record % 6 {
                0 | 3 => event,
                2 | 4 => event.with("TargetUserName", "ann"),
                _ => event.with("TargetUserName", "bob"),
            }
        })
        .collect();
    let catalog = events.catalog();
    let mut read = Vec::new();
    for_each_event(
        &catalog,
        &|_, record| matches!(record, 3 | 4 | 39_997),
        &mut |event, fields| read.push((event.record, event.host, fields)),
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let field = |value: &str| vec![("TargetUserName".to_owned(), vec![value.to_owned()])];
    let host = || "WS1".to_owned();
    assert_eq!(
        read,
        [
            (3, host(), Vec::new()),
            (4, host(), field("ann")),
            (39_997, host(), field("bob")),
        ]
    );
}

#[test]
fn a_scan_gives_the_columns_and_the_time_that_were_asked_for() {
    let events: Events = (0..40_000)
        .map(|number| {
            Event::new("Security/4624")
                .at(number)
                .with("TargetUserName", "ann")
                .with("IpAddress", format!("10.0.{number}"))
        })
        .collect();
    let catalog = events.catalog();
    let logon = EventType {
        channel: "Security".to_owned(),
        event_id: 4624,
    };
    let scan = |columns: &[&str], window: Window| -> Vec<Batch> {
        catalog
            .scan(&logon, columns, &window)
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let all = scan(&["IpAddress"], ALWAYS);
    assert_eq!(all.iter().map(Batch::rows).sum::<usize>(), 40_000);
    assert!(
        all.iter()
            .all(|events| events.column("TargetUserName").is_none())
    );
    // Tables in memory are returned unchanged.
    let again = scan(&["IpAddress"], ALWAYS);
    let same = |(a, b): (&Batch, &Batch)| match (a.column("IpAddress"), b.column("IpAddress")) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    };
    assert!(all.iter().zip(&again).all(same));
    let some = scan(&["TargetUserName", "IpAddress"], 30_000..=30_001);
    let seen: Vec<(u64, String)> = some
        .iter()
        .flat_map(|events| (0..events.rows()).map(move |row| (events, row)))
        .map(|(events, row)| {
            let addresses = events
                .column("IpAddress")
                .and_then(|column| Texts::new(column));
            let address = addresses.and_then(|texts| texts.get(row));
            (
                events.reference(row),
                address.unwrap_or_default().to_owned(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (30_000, "10.0.30000".to_owned()),
            (30_001, "10.0.30001".to_owned())
        ]
    );
    let origins: Vec<Option<u64>> = seen
        .iter()
        .map(|(reference, _)| catalog.resolve(*reference).map(|origin| origin.record))
        .collect();
    assert_eq!(origins, [Some(30_001), Some(30_002)]);
    let plain = some
        .first()
        .map(|events| events.plain(&catalog.tables()[0].schema.project(&[0, 1]).map(Arc::new)?));
    assert!(plain.is_some_and(|plain| plain.is_ok_and(|batch| batch.num_rows() == 2)));
    let other = EventType {
        event_id: 4625,
        ..logon.clone()
    };
    assert_eq!(catalog.scan(&other, &[HOST], &ALWAYS).count(), 0);
}
