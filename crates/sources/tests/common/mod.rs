//! What the tests of this crate share.
#![allow(dead_code)] // not every test file uses all of it

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::{Array, Int64Array, ListArray, StringArray, UInt64Array};
use crabwalk_sources::collect::{Everything, RECORD, TIME, place_in_source};
use crabwalk_sources::{Input, Limits, Quiet, Read, read};

/// One event: field → values, with `_time`, `_record` and `host` among them.
pub type Row = BTreeMap<String, Vec<String>>;

/// Reads one path with one thread.
pub fn read_path(path: &Path) -> Read {
    read_with(
        path,
        &Limits {
            threads: 1,
            ..Limits::default()
        },
    )
}

/// Reads one path.
pub fn read_with(path: &Path, limits: &Limits) -> Read {
    read(&[Input::Path(path.to_owned())], &Everything, limits, &Quiet)
}

/// Reads bytes as a file of this name.
pub fn read_bytes(name: &str, bytes: &[u8]) -> Read {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a file");
    read_path(&path)
}

/// All rows of an event type, in order.
pub fn rows(all: &Read, channel: &str, event_id: u32) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in all
        .collected
        .tables
        .iter()
        .filter(|table| table.channel == channel && table.event_id == event_id)
    {
        for batch in &table.batches {
            for row in 0..batch.num_rows() {
                let mut fields = Row::new();
                for (field, column) in table.schema.fields().iter().zip(batch.columns()) {
                    if column.is_null(row) {
                        continue;
                    }
                    let any = column.as_any();
                    let values = if let Some(texts) = any.downcast_ref::<StringArray>() {
                        vec![texts.value(row).to_owned()]
                    } else if let Some(lists) = any.downcast_ref::<ListArray>() {
                        let list = lists.value(row);
                        let texts = list
                            .as_any()
                            .downcast_ref::<StringArray>()
                            .expect("texts")
                            .clone();
                        texts.iter().flatten().map(str::to_owned).collect()
                    } else if field.name() == TIME {
                        vec![
                            any.downcast_ref::<Int64Array>()
                                .expect("times")
                                .value(row)
                                .to_string(),
                        ]
                    } else if field.name() == RECORD {
                        vec![
                            place_in_source(
                                any.downcast_ref::<UInt64Array>()
                                    .expect("numbers")
                                    .value(row),
                            )
                            .to_string(),
                        ]
                    } else {
                        continue;
                    };
                    fields.insert(field.name().clone(), values);
                }
                rows.push(fields);
            }
        }
    }
    rows
}

/// The only row of an event type.
pub fn row(all: &Read, channel: &str, event_id: u32) -> Row {
    let mut rows = rows(all, channel, event_id);
    let types: Vec<_> = all
        .collected
        .tables
        .iter()
        .map(|table| (&table.channel, table.event_id))
        .collect();
    assert_eq!(
        rows.len(),
        1,
        "of {channel} {event_id} among {types:?}; {:?}",
        all.sources
    );
    rows.remove(0)
}

/// The first value of a field, or nothing.
pub fn one<'r>(row: &'r Row, field: &str) -> &'r str {
    row.get(field)
        .and_then(|values| values.first())
        .map_or("", String::as_str)
}

/// Checks some fields of a row.
pub fn check(what: &str, row: &Row, expected: &[(&str, &str)]) {
    for (field, value) in expected {
        assert_eq!(one(row, field), *value, "{what}: {field} of {row:#?}");
    }
}
