//! Where events are kept: the one interface for everything that reads events.
//!
//! # Columns, not rows, and not where they come from
//!
//! Searches, rules, movements and dossiers look for different things but need the same: some columns of the events of
//! one type within a span of time. So there is one method, [`Catalog::scan`], and its callers cannot tell whether the
//! answer comes from memory, from the files of a store, or from another machine. A catalog returns batches as it holds
//! them, with packed columns packed ([`crabwalk_sources::pack::Texts`] reads both), so scanning memory copies nothing;
//! and it may omit what was not requested, so scanning a disk reads little. What planning needs to know about a table,
//! such as which fields its events have, is in [`Table`] and needs no scan.
//!
//! The search engine needs plain columns and its own provider ([`Catalog::provider`]): the same batches, unpacked by
//! [`Events::plain`].
//!
//! ```
//! use crabwalk_events::catalog::{ALWAYS, Catalog};
//! use crabwalk_events::MemoryCatalog;
//! use crabwalk_sources::collect::{Begun, Collector, Everything, Head};
//! use crabwalk_sources::pack::Texts;
//!
//! let mut collector = Collector::new(&Everything);
//! let table = collector.table("Security", 4624);
//! let head = Head { time: 1_767_607_200_000_000, host: "WS1", source: 0, record: 17, numbered: true };
//! assert_eq!(collector.begin(table, &head), Begun::Row);
//! if let Some(column) = collector.column(table, "LogonType") {
//!     collector.push(table, column, "3");
//! }
//! let memory = MemoryCatalog::new(Collector::merge(vec![collector])?)?;
//!
//! // From here on nobody knows that it is memory.
//! let catalog: &dyn Catalog = &memory;
//! for table in catalog.tables() {
//!     for events in catalog.scan(&table.event_type, &["LogonType", "NoSuchField"], &ALWAYS) {
//!         let events = events?;
//!         let kinds = events.column("LogonType").and_then(|column| Texts::new(column));
//!         assert_eq!(kinds.and_then(|kinds| kinds.get(0)), Some("3"));
//!         assert!(events.column("NoSuchField").is_none());
//!         // Every event leads back to its record.
//!         let origin = catalog.resolve(events.reference(0));
//!         assert_eq!(origin.map(|origin| origin.record), Some(17));
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crabwalk_sources::collect::{Coverage, HOST, RECORD, SOURCE, TIME, place_in_source};
use crabwalk_sources::pack::{Texts, unpacked};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    UInt32Array, UInt64Array,
};
use datafusion::arrow::compute::{filter_record_batch, take_record_batch};
use datafusion::arrow::datatypes::{Field, Int64Type, Schema, SchemaRef, UInt32Type, UInt64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::TableProvider;

use crabwalk_vocabulary::EventType;

/// Name of the column that identifies the event behind a row. It begins with [`RESERVED`](crabwalk_sources::collect::RESERVED), as no field does.
pub const REF: &str = "\u{1}ref";

/// A span of time in microseconds since 1970-01-01 UTC, both ends inclusive.
pub type Window = RangeInclusive<i64>;

/// The window that excludes no event.
pub const ALWAYS: Window = i64::MIN..=i64::MAX;

/// The result of a scan: the events in batches, always in the same order.
pub type Scan<'c> = Box<dyn Iterator<Item = Result<Events, CatalogError>> + Send + 'c>;

/// Events of one type cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the events of {event_type} cannot be read: {source}")]
pub struct CatalogError {
    /// The type whose events the table holds.
    pub event_type: EventType,
    /// The cause.
    pub source: Box<dyn Error + Send + Sync>,
}

impl CatalogError {
    /// Reading the events of a type failed.
    pub fn new(event_type: &EventType, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            event_type: event_type.clone(),
            source: source.into(),
        }
    }
}

/// Events, wherever they are kept. The contents do not change while somebody holds the catalog.
pub trait Catalog: Send + Sync {
    /// One table per event type, including types whose events nobody needed (these have no rows).
    fn tables(&self) -> &[Arc<Table>];

    /// What each log of each host covers.
    fn coverage(&self) -> &[Coverage];

    /// Copies of events that were dropped.
    fn duplicates(&self) -> u64;

    /// The events of a type within a span of time, with those of `columns` that the type has. Their times always come
    /// with them. An unknown type has no events.
    ///
    /// Columns are fields under the names in [`Table::schema`], [`HOST`], [`RECORD`], and [`SOURCE`].
    fn scan<'c>(&'c self, event_type: &EventType, columns: &[&str], window: &Window) -> Scan<'c>;

    /// The events of a type for the search engine: plain columns as in [`Table::schema`]. `None` for an unknown type.
    fn provider(&self, event_type: &EventType) -> Option<Arc<dyn TableProvider>>;

    /// Where an event was read. `None` for a reference from another catalog.
    fn resolve(&self, reference: u64) -> Option<EventRef>;
}

/// What a catalog knows about the events of one type without reading them.
#[derive(Debug, Clone)]
pub struct Table {
    /// The type whose events the table holds.
    pub event_type: EventType,
    /// Names of all fields of such events, stored or not.
    pub fields_seen: BTreeSet<String>,
    /// Machines whose events of this type are all outside the requested time range, and so not in the table.
    pub hosts_outside: BTreeSet<String>,
    /// Columns as the search engine sees them: [`REF`] (`UInt64`), `_time` (`Float64`, seconds since 1970-01-01 UTC),
    /// `_record` (`UInt64`, the number of the record in its log, or else in its source), `host`, then fields as `Utf8` or
    /// `List<Utf8>`.
    pub schema: SchemaRef,
    /// Number of events.
    pub rows: usize,
}

impl Table {
    /// Names of the columns that a [scan](Catalog::scan) can request.
    pub fn columns(&self) -> Vec<&str> {
        let made = [REF, TIME];
        self.schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .filter(|name| !made.contains(name))
            .collect()
    }
}

/// Some events of one type, in columns.
#[derive(Debug, Clone)]
pub struct Events {
    batch: RecordBatch,
    references: References,
}

#[derive(Debug, Clone)]
enum References {
    /// Reference of the first event; the others follow consecutively.
    From(u64),
    Each(UInt64Array),
}

impl Events {
    /// Events with consecutive references. `batch` has [`TIME`] in microseconds; its text columns may be packed.
    pub fn following(first: u64, batch: RecordBatch) -> Self {
        Self {
            batch,
            references: References::From(first),
        }
    }

    /// The same events with those of `columns` that they have, and their times.
    ///
    /// # Errors
    /// An Arrow error if they have no times.
    pub fn of_columns(&self, columns: &[String]) -> Result<Self, ArrowError> {
        let schema = self.batch.schema_ref();
        let mut places = vec![schema.index_of(TIME)?];
        let asked = columns.iter().filter(|name| *name != TIME);
        places.extend(asked.filter_map(|name| schema.index_of(name).ok()));
        Ok(Self {
            batch: self.batch.project(&places)?,
            references: self.references.clone(),
        })
    }

    /// The events within a span of time.
    ///
    /// # Errors
    /// An Arrow error if a column would grow too large.
    pub fn within(self, window: &Window) -> Result<Self, ArrowError> {
        if *window == ALWAYS {
            return Ok(self);
        }
        let Some(times) = self.times() else {
            return Ok(self);
        };
        let inside: Vec<bool> = times
            .values()
            .iter()
            .map(|at| window.contains(at))
            .collect();
        if inside.iter().all(|inside| *inside) {
            return Ok(self);
        }
        let references = (0..self.rows())
            .zip(&inside)
            .filter(|(_, inside)| **inside)
            .map(|(row, _)| self.reference(row));
        let references = UInt64Array::from_iter_values(references);
        let batch = filter_record_batch(&self.batch, &inside.into())?;
        Ok(Self {
            batch,
            references: References::Each(references),
        })
    }

    /// The events with one of these references, which must be ascending.
    ///
    /// # Errors
    /// An Arrow error if a column would grow too large.
    pub fn of_references(&self, references: &[u64]) -> Result<Self, ArrowError> {
        let place = |reference: &u64| -> Option<u32> {
            let row = match &self.references {
                References::From(first) => usize::try_from(reference.checked_sub(*first)?).ok()?,
                References::Each(all) => all.values().binary_search(reference).ok()?,
            };
            (row < self.rows()).then(|| u32::try_from(row).ok())?
        };
        let places: UInt32Array = references.iter().filter_map(place).collect();
        let kept = places
            .values()
            .iter()
            .map(|row| self.reference(*row as usize));
        Ok(Self {
            references: References::Each(UInt64Array::from_iter_values(kept)),
            batch: take_record_batch(&self.batch, &places)?,
        })
    }

    /// Number of events.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// When each event was written: microseconds since 1970-01-01 UTC.
    pub fn times(&self) -> Option<&Int64Array> {
        self.batch
            .column_by_name(TIME)?
            .as_primitive_opt::<Int64Type>()
    }

    /// A column: texts, possibly packed ([`Texts`]), or `List<Utf8>`. `None` if it was not requested or the type does
    /// not have it.
    pub fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.batch.column_by_name(name)
    }

    /// The reference of the event in a row ([`Catalog::resolve`]); references ascend within a batch.
    pub fn reference(&self, row: usize) -> u64 {
        match &self.references {
            References::From(first) => first + row as u64,
            References::Each(all) => all.values().get(row).copied().unwrap_or(u64::MAX),
        }
    }

    /// A slice of these events, starting at row `from`.
    #[must_use]
    pub fn slice(&self, from: usize, count: usize) -> Self {
        Self {
            batch: self.batch.slice(from, count),
            references: match &self.references {
                References::From(first) => References::From(first + from as u64),
                References::Each(all) => References::Each(all.slice(from, count)),
            },
        }
    }

    /// The events with the columns of `schema`, a projection of [`Table::schema`], in the form the search engine needs.
    ///
    /// # Errors
    /// An Arrow error if a column would take more than 2 GiB, or was not scanned.
    pub fn plain(&self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let arrays = schema
            .fields()
            .iter()
            .map(|field| self.plain_column(field.name()))
            .collect::<Result<Vec<_>, _>>()?;
        // A scan may request no column at all, only the number of rows.
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows()));
        RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
    }

    /// Like [`plain`](Self::plain), with columns selected by name.
    ///
    /// # Errors
    /// Like [`plain`](Self::plain).
    pub fn plain_of(&self, names: &[&str]) -> Result<RecordBatch, ArrowError> {
        let arrays = names
            .iter()
            .map(|name| self.plain_column(name))
            .collect::<Result<Vec<_>, _>>()?;
        let fields: Vec<Field> = names
            .iter()
            .zip(&arrays)
            .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
    }

    fn plain_column(&self, name: &str) -> Result<ArrayRef, ArrowError> {
        let missing = || ArrowError::SchemaError(format!("column {name} is missing"));
        match name {
            REF => Ok(match &self.references {
                References::From(first) => Arc::new(UInt64Array::from_iter_values(
                    *first..*first + self.rows() as u64,
                )),
                References::Each(all) => Arc::new(all.clone()),
            }),
            TIME => {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "microseconds until the year 2255 fit the 53 bits exactly"
                )]
                let seconds = |micros: i64| micros as f64 / 1e6;
                let times: Float64Array = self.times().ok_or_else(missing)?.unary(seconds);
                Ok(Arc::new(times))
            }
            name => unpacked(self.column(name).ok_or_else(missing)?),
        }
    }

    /// Where the event in a row was read, for batches with [`HOST`], [`SOURCE`] and [`RECORD`].
    pub fn origin(&self, event_type: &EventType, row: usize) -> Option<EventRef> {
        if row >= self.rows() {
            return None;
        }
        let host = self.column(HOST).and_then(|column| Texts::new(column));
        Some(EventRef {
            time: self.times()?.value(row),
            host: host
                .and_then(|host| host.get(row))
                .unwrap_or_default()
                .to_owned(),
            channel: event_type.channel.clone(),
            event_id: event_type.event_id,
            source: self
                .column(SOURCE)?
                .as_primitive_opt::<UInt32Type>()?
                .value(row),
            record: place_in_source(
                self.column(RECORD)?
                    .as_primitive_opt::<UInt64Type>()?
                    .value(row),
            ),
        })
    }

    /// Names and values of the fields of the event in a row, without the columns that every table has.
    fn fields(&self, row: usize) -> Vec<(String, Vec<String>)> {
        let schema = self.batch.schema();
        let mut fields = Vec::new();
        for (field, column) in schema.fields().iter().zip(self.batch.columns()) {
            if [TIME, HOST, SOURCE, RECORD].contains(&field.name().as_str()) {
                continue;
            }
            let values: Vec<String> = match column.as_list_opt::<i32>() {
                Some(list) if list.is_null(row) => continue,
                Some(list) => {
                    let items = list.value(row);
                    let texts = items.as_string_opt::<i32>();
                    texts
                        .into_iter()
                        .flatten()
                        .map(|text| text.unwrap_or_default().to_owned())
                        .collect()
                }
                None => match Texts::new(column).and_then(|texts| texts.get(row)) {
                    Some(text) => vec![text.to_owned()],
                    None => continue,
                },
            };
            fields.push((field.name().clone(), values));
        }
        fields
    }
}

/// Where an event was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventRef {
    /// Microseconds since 1970-01-01 UTC.
    pub time: i64,
    /// Machine that wrote it, as the event names it.
    pub host: String,
    /// Channel or kind of log.
    pub channel: String,
    /// Event id, or 0.
    pub event_id: u32,
    /// Index of the source.
    pub source: u32,
    /// Record number in the source; of a record without one its place among those read.
    pub record: u64,
}

/// Passes on the events selected by time (microseconds since 1970-01-01 UTC) and record number, with the values of all
/// fields that the catalog holds for them, in table order.
///
/// # Errors
/// If the events of a type cannot be read.
pub fn for_each_event(
    catalog: &dyn Catalog,
    wanted: &dyn Fn(i64, u64) -> bool,
    take: &mut dyn FnMut(EventRef, Vec<(String, Vec<String>)>),
) -> Result<(), CatalogError> {
    for table in catalog.tables() {
        let mut columns = table.columns();
        columns.push(SOURCE);
        for events in catalog.scan(&table.event_type, &columns, &ALWAYS) {
            let events = events?;
            let (Some(times), Some(records)) = (
                events.times(),
                events
                    .column(RECORD)
                    .and_then(|column| column.as_primitive_opt::<UInt64Type>()),
            ) else {
                continue;
            };
            for row in 0..events.rows() {
                if wanted(times.value(row), place_in_source(records.value(row)))
                    && let Some(event) = events.origin(&table.event_type, row)
                {
                    take(event, events.fields(row));
                }
            }
        }
    }
    Ok(())
}
