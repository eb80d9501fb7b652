//! Reading event tables row by row.

use std::collections::HashMap;

use crabwalk_events::catalog::{ALWAYS, Events};
use crabwalk_events::{Catalog, CatalogError, EventRef};
use crabwalk_sources::collect::HOST;
use crabwalk_sources::pack::Texts;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray};
use datafusion::arrow::datatypes::DataType;

use crate::declared::{Declared, Wanted};
use crabwalk_vocabulary::number::number as parsed_number;

/// A catalog's events with their declared columns: read once, for everything that goes over the rows.
pub struct Tables<'c> {
    catalog: &'c dyn Catalog,
    read: Vec<(Wanted, Vec<Events>)>,
}

impl<'c> Tables<'c> {
    /// Reads the declared columns. Nothing is copied from an in-memory catalog.
    ///
    /// # Errors
    /// If the events of a type cannot be read.
    pub fn read(catalog: &'c dyn Catalog, declared: &Declared) -> Result<Self, CatalogError> {
        let mut read = Vec::new();
        for wanted in declared.iter() {
            let (channel, event_id, names) = *wanted;
            let mut columns = names.to_vec();
            columns.push(HOST);
            let mut events = Vec::new();
            for table in catalog.tables() {
                let own = &table.event_type;
                if own.event_id == event_id && own.channel.eq_ignore_ascii_case(channel) {
                    for batch in catalog.scan(own, &columns, &ALWAYS) {
                        events.push(batch?);
                    }
                }
            }
            if !events.is_empty() {
                read.push((*wanted, events));
            }
        }
        Ok(Self { catalog, read })
    }

    /// Where the events lie.
    pub fn catalog(&self) -> &'c dyn Catalog {
        self.catalog
    }

    /// The declared columns of a type, and its events.
    fn of_type(&self, channel: &str, event_id: u32) -> Option<&(Wanted, Vec<Events>)> {
        self.read
            .iter()
            .find(|((own, id, _), _)| *id == event_id && own.eq_ignore_ascii_case(channel))
    }
}

/// How far hosts' clocks are ahead of the common one, in microseconds, by the host's name in events.
pub type Clocks = HashMap<String, i64>;

/// The events, with corrected clocks.
#[derive(Clone, Copy)]
pub struct Log<'a> {
    /// Where the events lie.
    pub catalog: &'a dyn Catalog,
    tables: &'a Tables<'a>,
    clocks: &'a Clocks,
}

impl<'a> Log<'a> {
    /// What was read, and how far each clock is ahead; empty for times as logged.
    pub fn new(tables: &'a Tables<'a>, clocks: &'a Clocks) -> Self {
        Self {
            catalog: tables.catalog,
            tables,
            clocks,
        }
    }

    /// The time, by the common clock, of something that a host logged at `time`.
    pub fn common(&self, host: &str, time: i64) -> i64 {
        if self.clocks.is_empty() {
            time
        } else {
            time - self.clocks.get(host).copied().unwrap_or(0)
        }
    }

    /// How far each clock is ahead.
    pub(crate) fn clocks(&self) -> &'a Clocks {
        self.clocks
    }

    /// Where the event behind a reference was read.
    pub fn resolve(&self, reference: u64) -> Option<EventRef> {
        self.catalog.resolve(reference)
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
    /// Identifies the event ([`Catalog::resolve`]).
    pub reference: u64,
    /// The machine that wrote it, as the event names it.
    pub host: &'a str,
}

impl<'a> Row<'a, '_> {
    /// A field's (first) value without surrounding white space; empty if there is none.
    pub fn get(&self, name: &str) -> &'a str {
        self.nth(name, 0)
    }

    /// A field's value, unless it is empty or `-`.
    pub fn some(&self, name: &str) -> Option<&'a str> {
        Some(self.get(name)).filter(|value| !value.is_empty() && *value != "-")
    }

    /// A field's value as a number, decimal or hexadecimal with `0x`.
    pub fn number(&self, name: &str) -> Option<u64> {
        parsed_number(self.get(name))
    }

    /// `DOMAIN\user` from two fields; the name alone without a domain, `None` without a name.
    pub fn account(&self, domain: &str, user: &str) -> Option<String> {
        let user = self.some(user)?;
        Some(match self.some(domain) {
            Some(domain) => format!("{domain}\\{user}"),
            None => user.to_owned(),
        })
    }

    /// A field's value with index `n`, from 0.
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
    log.tables
        .of_type(channel, event_id)
        .map_or(0, |(_, events)| events.iter().map(Events::rows).sum())
}

/// Calls `each` for every event of a type. A row has only the columns declared for it.
pub fn for_each<'a>(
    log: Log<'a>,
    channel: &str,
    event_id: u32,
    mut each: impl FnMut(&Row<'a, '_>),
) {
    let Some(((.., names), all)) = log.tables.of_type(channel, event_id) else {
        return;
    };
    for events in all {
        let columns: Vec<(&'static str, Column<'a>)> = names
            .iter()
            .map(|name| (*name, events.column(name).map_or(Column::Absent, column)))
            .collect();
        let Some(times) = events.times() else {
            continue;
        };
        let hosts = events.column(HOST).and_then(|column| Texts::new(column));
        for row in 0..events.rows() {
            let host = hosts.and_then(|hosts| hosts.get(row)).unwrap_or_default();
            each(&Row {
                columns: &columns,
                row,
                time: log.common(host, times.value(row)),
                reference: events.reference(row),
                host,
            });
        }
    }
}
