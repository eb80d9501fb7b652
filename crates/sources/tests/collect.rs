//! The collector: what is kept, counted and dropped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{Array, ListArray, StringArray};
use crabwalk_sources::collect::{
    Begun, Collector, Columns, Demand, Everything, Head, Within, alike,
};

fn head(record: u64, time: i64, numbered: bool) -> Head<'static> {
    Head {
        time,
        host: "HOST",
        source: 0,
        record,
        numbered,
    }
}

#[test]
fn an_aborted_row_leaves_no_trace() {
    for numbered in [true, false] {
        let mut collector = Collector::new(&Everything);
        let table = collector.table("Security", 4624);
        let column = collector.column(table, "A").unwrap();
        assert_eq!(collector.begin(table, &head(1, 10, numbered)), Begun::Row);
        collector.push(table, column, "first");
        assert_eq!(collector.begin(table, &head(2, 20, numbered)), Begun::Row);
        collector.push(table, column, "lost");
        collector.push(table, column, "lost too");
        collector.abort(table);
        collector.abort(table);
        assert_eq!(collector.begin(table, &head(2, 20, numbered)), Begun::Row);
        collector.push(table, column, "second");
        let collected = Collector::merge(vec![collector]).unwrap();
        assert_eq!(collected.coverage[0].records, 2);
        let batch = &collected.tables[0].batches[0];
        let texts = batch
            .column_by_name("A")
            .unwrap()
            .as_any()
            .downcast_ref::<StringArray>()
            .unwrap();
        assert_eq!(
            texts.iter().flatten().collect::<Vec<_>>(),
            ["first", "second"]
        );
    }
}

/// A record that proves unreadable takes no place, not even that of one that quotes it.
#[test]
fn a_quote_stays_if_the_record_itself_is_unreadable() {
    let mut collector = Collector::new(&Everything);
    let table = collector.table("Security", 4624);
    let column = collector.column(table, "A").unwrap();
    let one = head(1, 10, true);
    assert_eq!(collector.begin_quoted(table, &one), Begun::Row);
    collector.push(table, column, "quote");
    assert_eq!(collector.begin_quoted(table, &one), Begun::Duplicate);
    assert_eq!(collector.begin(table, &one), Begun::Row);
    collector.push(table, column, "lost");
    collector.abort(table);
    let collected = Collector::merge(vec![collector]).unwrap();
    let (rows, covered) = (
        collected.tables[0].batches[0].num_rows(),
        collected.coverage[0].records,
    );
    assert_eq!((rows, covered, collected.duplicates), (1, 1, 1));
}

struct Nothing;
impl Demand for Nothing {
    fn columns(&self, _: &str, _: u32) -> Columns {
        Columns::None
    }
}

#[test]
fn an_aborted_count_is_taken_back() {
    let mut collector = Collector::new(&Nothing);
    let table = collector.table("Security", 1);
    assert_eq!(collector.begin(table, &head(1, 1, true)), Begun::Counted);
    collector.abort(table);
    assert_eq!(collector.begin(table, &head(1, 1, true)), Begun::Counted);
    assert_eq!(collector.begin(table, &head(1, 1, true)), Begun::Duplicate);
    let collected = Collector::merge(vec![collector]).unwrap();
    assert_eq!(
        (collected.coverage[0].records, collected.duplicates),
        (1, 1)
    );
}

struct Only(u64);
impl Demand for Only {
    fn columns(&self, _: &str, _: u32) -> Columns {
        Columns::All
    }
    fn keeps(&self, head: &Head<'_>) -> bool {
        head.record == self.0
    }
}

#[test]
fn events_that_are_not_wanted_are_counted_only() {
    let mut collector = Collector::new(&Only(2));
    let table = collector.table("Security", 4624);
    let column = collector.column(table, "A").unwrap();
    assert_eq!(collector.begin(table, &head(1, 10, true)), Begun::Counted);
    assert_eq!(collector.begin(table, &head(2, 20, true)), Begun::Row);
    collector.push(table, column, "kept");
    assert_eq!(collector.begin(table, &head(3, 30, true)), Begun::Counted);
    // It has no row: the one before it stays.
    collector.abort(table);
    let collected = Collector::merge(vec![collector]).unwrap();
    assert_eq!(collected.coverage[0].records, 2);
    let rows: usize = collected.tables[0]
        .batches
        .iter()
        .map(|batch| batch.num_rows())
        .sum();
    assert_eq!(rows, 1);
}

#[test]
fn events_outside_of_the_window_are_counted_only() {
    let demand = Within::new(&Everything, Some(20), Some(30));
    let mut collector = Collector::new(&demand);
    let table = collector.table("Security", 4624);
    let begun: Vec<Begun> = [(1, 19), (2, 20), (3, 30), (4, 31)]
        .into_iter()
        .map(|(record, time)| collector.begin(table, &head(record, time, true)))
        .collect();
    assert_eq!(
        begun,
        [Begun::Counted, Begun::Row, Begun::Row, Begun::Counted],
        "both ends belong to it"
    );
    let collected = Collector::merge(vec![collector]).unwrap();
    let covered = &collected.coverage[0];
    assert_eq!((covered.records, covered.first, covered.last), (4, 19, 31));
    assert_eq!(
        collected.tables[0].hosts_outside,
        BTreeSet::from([covered.host.clone()])
    );
}

struct Named;
impl Demand for Named {
    fn columns(&self, _: &str, _: u32) -> Columns {
        Columns::Named(Arc::new(BTreeSet::from(["A".to_owned()])))
    }
}

#[test]
fn threads_join_with_copies_dropped_and_columns_widened() {
    let part = |records: &[(u64, &[&str])]| {
        let mut collector = Collector::new(&Named);
        let table = collector.table("Security", 4624);
        let column = collector.column(table, "A").unwrap();
        assert_eq!(collector.column(table, "B"), None);
        for (record, values) in records {
            collector.begin(table, &head(*record, i64::try_from(*record).unwrap(), true));
            for value in *values {
                collector.push(table, column, value);
            }
        }
        collector
    };
    let parts = vec![
        part(&[(1, &["one"]), (2, &[])]),
        part(&[(2, &["copy"]), (3, &["x", "", "y"])]),
    ];
    let collected = Collector::merge(parts).unwrap();
    assert_eq!(collected.duplicates, 1);
    assert_eq!(collected.coverage[0].records, 3);
    let table = &collected.tables[0];
    assert_eq!(
        table.fields_seen,
        BTreeSet::from(["A".to_owned(), "B".to_owned()])
    );
    let mut values: Vec<Option<Vec<String>>> = Vec::new();
    for batch in &table.batches {
        let list = batch
            .column_by_name("A")
            .unwrap()
            .as_any()
            .downcast_ref::<ListArray>()
            .unwrap();
        for row in 0..list.len() {
            values.push(list.is_valid(row).then(|| {
                let texts = list.value(row);
                let texts = texts.as_any().downcast_ref::<StringArray>().unwrap();
                texts.iter().flatten().map(str::to_owned).collect()
            }));
        }
    }
    let texts = |texts: &[&str]| {
        Some(
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(values, [texts(&["one"]), None, texts(&["x", "", "y"])]);
}

#[test]
fn names_that_searches_write_otherwise_are_alike() {
    for (name, other) in [
        ("NewValue", "New Value"),
        ("id_orig_h", "id.orig_h"),
        ("Port_Type__x_", "Port-Type (x)"),
    ] {
        assert_eq!(alike(name), alike(other));
    }
    assert_ne!(alike("id_orig_h"), alike("id_orig_p"));
}

#[test]
fn no_field_has_a_name_that_is_kept_for_the_run() {
    let mut collector = Collector::new(&Everything);
    let table = collector.table("syslog:app", 0);
    assert_eq!(
        collector.column(table, "\u{1}ref"),
        collector.column(table, "_ref")
    );
    let collected = Collector::merge(vec![collector]).unwrap();
    let fields = &collected.tables[0].fields_seen;
    assert_eq!(fields.iter().collect::<Vec<_>>(), ["_ref"]);
}
