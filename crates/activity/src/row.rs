//! Reading event tables row by row.

use std::ops::Deref;

use crabwalk_events::Catalog;
use crabwalk_sources::collect::HOST;
use crabwalk_sources::pack::Texts;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray};
use datafusion::arrow::datatypes::DataType;

use crate::clocks::Clocks;
use crate::demand::wanted;
use crabwalk_vocabulary::number::number as parsed_number;

/// The events, with clocks set right.
#[derive(Clone, Copy)]
pub struct Log<'a> {
    /// What was read.
    pub catalog: &'a Catalog,
    /// How far each clock is ahead; empty for times as logged.
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
    Text(Texts<'a>),
    List(&'a ListArray),
    Absent,
}

fn column(array: &ArrayRef) -> Column<'_> {
    match array.data_type() {
        DataType::List(_) => Column::List(array.as_list::<i32>()),
        _ => Texts::new(array).map_or(Column::Absent, Column::Text),
    }
}

/// One event.
#[derive(Clone, Copy)]
pub struct Row<'a, 'c> {
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

    /// A field's value, where it says something: `-` says nothing.
    pub fn some(&self, name: &str) -> Option<&'a str> {
        Some(self.get(name)).filter(|value| !value.is_empty() && *value != "-")
    }

    /// A field's value as a number, decimal or hexadecimal with `0x`.
    pub fn number(&self, name: &str) -> Option<u64> {
        parsed_number(self.get(name))
    }

    /// `DOMAIN\user` of two fields, the name alone where no domain is given, `None` where no name is.
    pub fn account(&self, domain: &str, user: &str) -> Option<String> {
        let user = self.some(user)?;
        Some(match self.some(domain) {
            Some(domain) => format!("{domain}\\{user}"),
            None => user.to_owned(),
        })
    }

    /// A field's value number `n`, from 0.
    pub fn nth(&self, name: &str, n: usize) -> &'a str {
        let Some((_, column)) = self.columns.iter().find(|(own, _)| *own == name) else {
            return "";
        };
        match column {
            Column::Text(texts) if n == 0 => texts.get(self.row).unwrap_or_default().trim(),
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

/// Number of events of a type.
pub fn count(log: Log<'_>, channel: &str, event_id: u32) -> usize {
    log.catalog
        .tables()
        .iter()
        .filter(|table| {
            table.event_type.event_id == event_id
                && table.event_type.channel.eq_ignore_ascii_case(channel)
        })
        .map(|table| table.rows())
        .sum()
}

/// Calls `each` for every event of a type.
pub fn for_each<'a>(log: Log<'a>, channel: &str, event_id: u32, each: impl FnMut(&Row<'a, '_>)) {
    if let Some(names) = wanted(channel, event_id) {
        for_each_of(log, channel, event_id, names, each);
    }
}

/// As [`for_each`], of columns that somebody else's [`Demand`](crabwalk_sources::collect::Demand) names. A row knows no
/// others.
pub fn for_each_of<'a>(
    log: Log<'a>,
    channel: &str,
    event_id: u32,
    names: &[&'static str],
    mut each: impl FnMut(&Row<'a, '_>),
) {
    for table in log.catalog.tables() {
        let event_type = &table.event_type;
        if event_type.event_id != event_id || !event_type.channel.eq_ignore_ascii_case(channel) {
            continue;
        }
        for batch in table.stored() {
            let columns: Vec<(&'static str, Column<'a>)> = names
                .iter()
                .map(|name| (*name, batch.column(name).map_or(Column::Absent, column)))
                .collect();
            let Some(times) = batch.times() else {
                continue;
            };
            let hosts = batch.column(HOST).and_then(|column| Texts::new(column));
            for row in 0..batch.rows() {
                let host = hosts.and_then(|hosts| hosts.get(row)).unwrap_or_default();
                each(&Row {
                    columns: &columns,
                    row,
                    time: log.common(host, times.value(row)),
                    reference: batch.first + row as u64,
                    host,
                });
            }
        }
    }
}
