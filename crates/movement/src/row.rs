//! Reading event tables row by row.

use std::collections::HashMap;
use std::ops::Deref;

use crabwalk_events::Catalog;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Float64Type, UInt64Type};

use crate::demand::wanted;

/// How far the clocks of hosts are ahead of the common one: microseconds by the host's name in events.
pub(crate) type Clocks = HashMap<String, i64>;

/// The events, with clocks set right.
#[derive(Clone, Copy)]
pub(crate) struct Log<'a> {
    pub catalog: &'a Catalog,
    pub clocks: &'a Clocks,
}

impl Log<'_> {
    /// When something happened by the common clock that a host logged at `time`.
    pub fn common(&self, host: &str, time: i64) -> i64 {
        if self.clocks.is_empty() {
            time
        } else {
            time - self.clocks.get(host).copied().unwrap_or(0)
        }
    }
}

impl Deref for Log<'_> {
    type Target = Catalog;

    fn deref(&self) -> &Catalog {
        self.catalog
    }
}

#[derive(Clone, Copy)]
enum Column<'a> {
    Text(&'a StringArray),
    List(&'a ListArray),
    Absent,
}

fn column(array: &ArrayRef) -> Column<'_> {
    match array.data_type() {
        DataType::Utf8 => Column::Text(array.as_string::<i32>()),
        DataType::List(_) => Column::List(array.as_list::<i32>()),
        _ => Column::Absent,
    }
}

/// One event.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a, 'c> {
    columns: &'c [(&'static str, Column<'a>)],
    row: usize,
    /// Microseconds since 1970-01-01 UTC, by the common clock.
    pub time: i64,
    /// Leads to the event ([`Catalog::resolve`]).
    pub reference: u64,
    /// The machine that wrote it, as the event names it.
    pub host: &'a str,
}

impl<'a> Row<'a, '_> {
    /// A field's (first) value without white space around it; empty where there is none.
    pub fn get(&self, name: &str) -> &'a str {
        self.nth(name, 0)
    }

    /// A field's value number `n`, from 0.
    pub fn nth(&self, name: &str, n: usize) -> &'a str {
        let Some((_, column)) = self.columns.iter().find(|(own, _)| *own == name) else {
            return "";
        };
        match column {
            Column::Text(array) if n == 0 && array.is_valid(self.row) => {
                array.value(self.row).trim()
            }
            Column::List(array) if array.is_valid(self.row) => {
                let offsets = array.value_offsets();
                let (Some(start), Some(end)) = (offsets.get(self.row), offsets.get(self.row + 1))
                else {
                    return "";
                };
                let at = usize::try_from(*start)
                    .unwrap_or(usize::MAX)
                    .saturating_add(n);
                if at >= usize::try_from(*end).unwrap_or(0) {
                    return "";
                }
                array
                    .values()
                    .as_string_opt::<i32>()
                    .map_or("", |values| values.value(at).trim())
            }
            _ => "",
        }
    }
}

/// Calls `each` for every event of a type.
pub(crate) fn for_each<'a>(
    log: Log<'a>,
    channel: &str,
    event_id: u32,
    mut each: impl FnMut(&Row<'a, '_>),
) {
    let Some(names) = wanted(channel, event_id) else {
        return;
    };
    for table in log.catalog.tables() {
        let event_type = &table.event_type;
        if event_type.event_id != event_id || !event_type.channel.eq_ignore_ascii_case(channel) {
            continue;
        }
        for batch in table.batches() {
            let columns: Vec<(&'static str, Column<'a>)> = names
                .iter()
                .map(|name| {
                    (
                        *name,
                        batch.column_by_name(name).map_or(Column::Absent, column),
                    )
                })
                .collect();
            let (Some(refs), Some(times), Some(hosts)) = (
                batch.column(0).as_primitive_opt::<UInt64Type>(),
                batch.column(1).as_primitive_opt::<Float64Type>(),
                batch.column(2).as_string_opt::<i32>(),
            ) else {
                continue;
            };
            for row in 0..batch.num_rows() {
                #[expect(clippy::cast_possible_truncation, reason = "times fit by construction")]
                let time = (times.value(row) * 1e6).round() as i64;
                let host = if hosts.is_valid(row) {
                    hosts.value(row)
                } else {
                    ""
                };
                each(&Row {
                    columns: &columns,
                    row,
                    time: log.common(host, time),
                    reference: refs.value(row),
                    host,
                });
            }
        }
    }
}
