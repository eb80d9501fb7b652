//! Reading event tables row by row.

use std::marker::PhantomData;

use crabwalk_events::catalog::{ALWAYS, Events};
use crabwalk_events::{Catalog, CatalogError, EventRef};
use crabwalk_sources::collect::HOST;
use crabwalk_sources::pack::Texts;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray};
use datafusion::arrow::datatypes::DataType;
use hashbrown::HashMap;

use crate::declared::{Wanted, declared};
use crate::facts::{EventType, Fact};
use crate::text::number;

/// A catalog's events with the columns of all facts: read once, for everything that goes over the rows.
pub struct Tables<'c> {
    catalog: &'c dyn Catalog,
    read: Vec<(Wanted, Vec<Events>)>,
}

impl<'c> Tables<'c> {
    /// Reads the columns. Nothing is copied from an in-memory catalog.
    ///
    /// # Errors
    /// If the events of a type cannot be read.
    pub fn read(catalog: &'c dyn Catalog) -> Result<Self, CatalogError> {
        let mut read = Vec::new();
        for wanted in declared().all() {
            let (channel, event_id) = wanted.event_type;
            let mut columns = wanted.columns.clone();
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
                read.push((wanted.clone(), events));
            }
        }
        Ok(Self { catalog, read })
    }

    /// Where the events lie.
    pub fn catalog(&self) -> &'c dyn Catalog {
        self.catalog
    }

    fn of_type(&self, event_type: EventType) -> &[Events] {
        let all = self.read.iter();
        let mut own = all.filter(|(wanted, _)| wanted.event_type == event_type);
        own.next().map_or(&[], |(_, events)| events)
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

/// One event, read as a fact. Its columns are the methods of that fact ([`crate::facts`]).
#[derive(Clone, Copy)]
pub struct Row<'a, 'c, F> {
    columns: &'c [Column<'a>],
    row: usize,
    fact: PhantomData<F>,
    /// Microseconds since 1970-01-01 UTC, by the common clock.
    pub time: i64,
    /// Identifies the event ([`Catalog::resolve`]).
    pub reference: u64,
    /// The machine that wrote it, as the event names it.
    pub host: &'a str,
    /// Its id; 0 for logs whose events have none.
    pub event_id: u32,
}

impl<'a, F> Row<'a, '_, F> {
    /// The (first) value of the fact's column with an index, without surrounding white space; empty if there is none.
    pub(crate) fn text(&self, at: usize) -> &'a str {
        self.nth(at, 0)
    }

    /// The value as a number, decimal or hexadecimal with `0x`; 0 if it is none.
    pub(crate) fn int(&self, at: usize) -> u64 {
        number(self.text(at))
    }

    /// The value as a port; 0 if it is none.
    pub(crate) fn port(&self, at: usize) -> u16 {
        self.text(at).parse().unwrap_or(0)
    }

    /// The value with index `n`, from 0.
    pub(crate) fn nth(&self, at: usize, n: usize) -> &'a str {
        match self.columns.get(at) {
            Some(Column::Text(texts)) if n == 0 => texts.get(self.row).unwrap_or_default().trim(),
            Some(Column::List(array)) if array.is_valid(self.row) => {
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

/// Number of events of a fact.
pub fn count<F: Fact>(log: Log<'_>, _: F) -> usize {
    let events = F::OF.iter().flat_map(|own| log.tables.of_type(*own));
    events.map(Events::rows).sum()
}

/// Calls `each` for every event of a fact.
pub fn for_each<'a, F: Fact>(log: Log<'a>, _: F, mut each: impl FnMut(&Row<'a, '_, F>)) {
    for event_type in F::OF {
        for events in log.tables.of_type(*event_type) {
            let columns: Vec<Column<'a>> = F::OWN
                .iter()
                .chain(F::SHARED)
                .map(|name| events.column(name).map_or(Column::Absent, column))
                .collect();
            let Some(times) = events.times() else {
                continue;
            };
            let hosts = events.column(HOST).and_then(|column| Texts::new(column));
            // Events of one host come together.
            let mut clock = ("", log.common("", 0));
            for row in 0..events.rows() {
                let host = hosts.and_then(|hosts| hosts.get(row)).unwrap_or_default();
                if host != clock.0 {
                    clock = (host, log.common(host, 0));
                }
                each(&Row {
                    columns: &columns,
                    row,
                    fact: PhantomData,
                    time: times.value(row) + clock.1,
                    reference: events.reference(row),
                    host,
                    event_id: event_type.1,
                });
            }
        }
    }
}
