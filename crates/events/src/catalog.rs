//! The events of a run, one table per event type.

use std::collections::BTreeSet;
use std::sync::Arc;

use crabwalk_sources::collect::{Collected, Coverage, EventTable, HOST, RECORD, SOURCE, TIME};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{
    DataType, Field, Int64Type, Schema, SchemaRef, UInt32Type, UInt64Type,
};
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;

use crate::mapping::EventType;

/// Name of the hidden column that says which event a row comes from.
pub const REF: &str = "_ref";

/// Low bits of a reference that hold the row; the bits above hold the table.
const ROW_BITS: u32 = 40;

/// The events of one type.
///
/// Columns: `_ref` (`UInt64`), `_time` (`Float64`, seconds since 1970-01-01 UTC), `host`, then fields as `Utf8` or
/// `List<Utf8>`.
#[derive(Debug)]
pub struct Table {
    /// Which type.
    pub event_type: EventType,
    /// Names of all fields that such events had, stored or not.
    pub fields_seen: BTreeSet<String>,
    schema: SchemaRef,
    provider: Arc<MemTable>,
    batches: Vec<RecordBatch>,
    rows: usize,
    /// First row of each batch, and the columns from which references are answered.
    origins: Vec<(usize, RecordBatch)>,
}

impl Table {
    /// Columns of the table.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The table for DataFusion.
    pub fn provider(&self) -> Arc<dyn TableProvider> {
        Arc::clone(&self.provider) as Arc<dyn TableProvider>
    }

    /// The events, in the order of reading, for those who read columns directly.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// Number of events.
    pub fn rows(&self) -> usize {
        self.rows
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
    /// Event id, 0 where there is none.
    pub event_id: u32,
    /// Index of the source.
    pub source: u32,
    /// Record number in the source.
    pub record: u64,
}

/// The events of a run.
#[derive(Debug, Default)]
pub struct Catalog {
    tables: Vec<Arc<Table>>,
    coverage: Vec<Coverage>,
}

impl Catalog {
    /// Takes over what was read.
    ///
    /// # Errors
    /// An Arrow error if the columns do not fit together.
    pub fn new(collected: Collected) -> Result<Self, ArrowError> {
        let mut tables = Vec::with_capacity(collected.tables.len());
        for table in collected.tables {
            let index = tables.len() as u64;
            tables.push(Arc::new(build(index, table)?));
        }
        Ok(Self {
            tables,
            coverage: collected.coverage,
        })
    }

    /// The tables, one per event type, also of those whose events nobody needed (they have no rows then).
    pub fn tables(&self) -> &[Arc<Table>] {
        &self.tables
    }

    /// What each log of each host covers.
    pub fn coverage(&self) -> &[Coverage] {
        &self.coverage
    }

    /// Passes on the events that are wanted by time (microseconds since 1970-01-01 UTC) and record number, with the values of
    /// all fields that are stored of them, in the order of the tables.
    pub fn for_each_event(
        &self,
        wanted: &dyn Fn(i64, u64) -> bool,
        take: &mut dyn FnMut(EventRef, Vec<(String, Vec<String>)>),
    ) {
        for table in &self.tables {
            for (batch, (_, origin)) in table.batches.iter().zip(&table.origins) {
                let times = origin.column(0).as_primitive::<Int64Type>();
                let hosts = origin.column(1).as_string::<i32>();
                let sources = origin.column(2).as_primitive::<UInt32Type>();
                let records = origin.column(3).as_primitive::<UInt64Type>();
                for row in 0..origin.num_rows() {
                    if !wanted(times.value(row), records.value(row)) {
                        continue;
                    }
                    let event = EventRef {
                        time: times.value(row),
                        host: hosts.value(row).to_owned(),
                        channel: table.event_type.channel.clone(),
                        event_id: table.event_type.event_id,
                        source: sources.value(row),
                        record: records.value(row),
                    };
                    take(event, stored_fields(batch, row));
                }
            }
        }
    }

    /// Where the event behind a reference was read.
    pub fn resolve(&self, reference: u64) -> Option<EventRef> {
        let table = self
            .tables
            .get(usize::try_from(reference >> ROW_BITS).ok()?)?;
        let row = usize::try_from(reference & ((1 << ROW_BITS) - 1)).ok()?;
        let at = table
            .origins
            .partition_point(|(first, _)| *first <= row)
            .checked_sub(1)?;
        let (first, batch) = table.origins.get(at)?;
        let row = row - first;
        (row < batch.num_rows()).then(|| EventRef {
            time: batch.column(0).as_primitive::<Int64Type>().value(row),
            host: batch.column(1).as_string::<i32>().value(row).to_owned(),
            channel: table.event_type.channel.clone(),
            event_id: table.event_type.event_id,
            source: batch.column(2).as_primitive::<UInt32Type>().value(row),
            record: batch.column(3).as_primitive::<UInt64Type>().value(row),
        })
    }
}

/// Names and values of the fields that a row has, without the columns that every table has.
fn stored_fields(batch: &RecordBatch, row: usize) -> Vec<(String, Vec<String>)> {
    let schema = batch.schema();
    let mut fields = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()).skip(3) {
        if column.is_null(row) {
            continue;
        }
        let values: Vec<String> = match column.data_type() {
            DataType::List(_) => {
                let items = column.as_list::<i32>().value(row);
                let texts = items.as_string::<i32>();
                texts
                    .iter()
                    .map(|text| text.unwrap_or_default().to_owned())
                    .collect()
            }
            _ => vec![column.as_string::<i32>().value(row).to_owned()],
        };
        fields.push((field.name().clone(), values));
    }
    fields
}

fn build(index: u64, table: EventTable) -> Result<Table, ArrowError> {
    let origin_columns = [TIME, HOST, SOURCE, RECORD];
    let fields: Vec<Field> = [
        Field::new(REF, DataType::UInt64, false),
        Field::new(TIME, DataType::Float64, false),
        Field::new(HOST, DataType::Utf8, true),
    ]
    .into_iter()
    .chain(
        table
            .schema
            .fields()
            .iter()
            .filter(|field| !origin_columns.contains(&field.name().as_str()))
            .map(|field| field.as_ref().clone()),
    )
    .collect();
    let schema = Arc::new(Schema::new(fields));
    let mut rows = 0;
    let mut batches = Vec::with_capacity(table.batches.len());
    let mut origins = Vec::with_capacity(table.batches.len());
    for batch in table.batches {
        let find = |name: &str| {
            batch
                .column_by_name(name)
                .cloned()
                .ok_or_else(|| ArrowError::SchemaError(format!("column {name} is missing")))
        };
        let origin = RecordBatch::try_from_iter_with_nullable([
            (TIME, find(TIME)?, false),
            (HOST, find(HOST)?, true),
            (SOURCE, find(SOURCE)?, false),
            (RECORD, find(RECORD)?, false),
        ])?;
        let count = batch.num_rows();
        let first = rows as u64;
        let refs = UInt64Array::from_iter_values(
            (0..count as u64).map(|row| (index << ROW_BITS) | (first + row)),
        );
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds until the year 2255 fit the 53 bits exactly"
        )]
        let seconds = |micros: i64| micros as f64 / 1e6;
        let times: Float64Array = find(TIME)?.as_primitive::<Int64Type>().unary(seconds);
        let mut columns: Vec<ArrayRef> = vec![Arc::new(refs), Arc::new(times), find(HOST)?];
        for field in schema.fields().iter().skip(3) {
            columns.push(find(field.name())?);
        }
        batches.push(RecordBatch::try_new(Arc::clone(&schema), columns)?);
        origins.push((rows, origin));
        rows += count;
    }
    let provider = MemTable::try_new(Arc::clone(&schema), vec![batches.clone()])
        .map_err(|error| ArrowError::SchemaError(error.to_string()))?;
    Ok(Table {
        event_type: EventType {
            channel: table.channel,
            event_id: table.event_id,
        },
        fields_seen: table.fields_seen,
        schema,
        provider: Arc::new(provider),
        batches,
        rows,
        origins,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crabwalk_sources::collect::{Begun, Collector, Everything, Head};

    #[test]
    fn references_lead_back_to_records() {
        let mut collector = Collector::new(&Everything);
        for (channel, id, record) in [
            ("Security", 4624, 7_u64),
            ("System", 7045, 9),
            ("Security", 4624, 8),
        ] {
            let table = collector.table(channel, id);
            let head = Head {
                time: 1_700_000_000_123_456,
                host: "WS1",
                source: 3,
                record,
                numbered: true,
            };
            assert_eq!(collector.begin(table, &head), Begun::Row);
            if let Some(column) = collector.column(table, "LogonType") {
                collector.push(table, column, "3");
            }
        }
        let collected = Collector::merge(vec![collector]).unwrap_or_else(|error| panic!("{error}"));
        let catalog = Catalog::new(collected).unwrap_or_else(|error| panic!("{error}"));
        let rows: Vec<usize> = catalog.tables().iter().map(|table| table.rows()).collect();
        assert_eq!(rows, [2, 1]);
        let found = catalog.resolve(1).unwrap_or_else(|| panic!("no event"));
        assert_eq!(
            (found.record, found.event_id, found.time),
            (8, 4624, 1_700_000_000_123_456)
        );
        let found = catalog
            .resolve(1 << ROW_BITS)
            .unwrap_or_else(|| panic!("no event"));
        assert_eq!(
            (found.record, found.channel.as_str(), found.source),
            (9, "System", 3)
        );
        let mut read = Vec::new();
        catalog.for_each_event(&|_, record| record != 7, &mut |event, fields| {
            read.push((event.record, fields));
        });
        let field = |value: &str| vec![("LogonType".to_owned(), vec![value.to_owned()])];
        assert_eq!(read, [(8, field("3")), (9, field("3"))]);
        assert_eq!(catalog.resolve(2), None);
        assert_eq!(catalog.resolve(9 << ROW_BITS), None);
    }
}
