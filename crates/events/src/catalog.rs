//! The events of a run, one table per event type.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use crabwalk_sources::collect::{Collected, Coverage, EventTable, HOST, RECORD, SOURCE, TIME};
use crabwalk_sources::pack::{Texts, unpacked};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    UInt64Array,
};
use datafusion::arrow::datatypes::{
    DataType, Field, Int64Type, Schema, SchemaRef, UInt32Type, UInt64Type,
};
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as DataFusionResult;
use datafusion::datasource::{MemTable, TableType};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use crabwalk_vocabulary::EventType;

/// Name of the hidden column that says which event a row comes from.
pub const REF: &str = "_ref";

/// Low bits of a reference that hold the row; the bits above hold the table.
const ROW_BITS: u32 = 40;

/// The events of one type.
///
/// Columns: `_ref` (`UInt64`), `_time` (`Float64`, seconds since 1970-01-01 UTC), `_record` (`UInt64`, the number of the
/// record in its log, or else in its source), `host`, then fields as `Utf8` or
/// `List<Utf8>`.
#[derive(Debug)]
pub struct Table {
    /// Which type.
    pub event_type: EventType,
    /// Names of all fields that such events had, stored or not.
    pub fields_seen: BTreeSet<String>,
    provider: Arc<dyn TableProvider>,
    stored: Arc<Stored>,
}

/// The events as they are kept: as they were read, columns of texts packed in large batches.
#[derive(Debug)]
struct Stored {
    /// As those who read the table see it.
    schema: SchemaRef,
    /// Reference of the first event.
    first: u64,
    /// First row of each batch, and the batch.
    batches: Vec<(usize, RecordBatch)>,
    rows: usize,
}

/// Some events of one type as they are kept, for those who read columns directly.
#[derive(Debug, Clone, Copy)]
pub struct StoredBatch<'a> {
    /// Reference of the first event; those that follow have the numbers that follow.
    pub first: u64,
    batch: &'a RecordBatch,
}

impl<'a> StoredBatch<'a> {
    /// Number of events.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// When each event was written: microseconds since 1970-01-01 UTC.
    pub fn times(&self) -> Option<&'a Int64Array> {
        self.batch
            .column_by_name(TIME)?
            .as_primitive_opt::<Int64Type>()
    }

    /// A column: texts, perhaps packed ([`crabwalk_sources::pack::Texts`]), or `List<Utf8>`.
    pub fn column(&self, name: &str) -> Option<&'a ArrayRef> {
        self.batch.column_by_name(name)
    }
}

impl Stored {
    /// A column of the table for some rows of a batch.
    fn column(&self, at: usize, first: usize, batch: &RecordBatch) -> Result<ArrayRef, ArrowError> {
        let field = self.schema.field(at);
        let missing = || ArrowError::SchemaError(format!("column {} is missing", field.name()));
        match field.name().as_str() {
            REF => {
                let start = self.first + first as u64;
                Ok(Arc::new(UInt64Array::from_iter_values(
                    start..start + batch.num_rows() as u64,
                )))
            }
            TIME => {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "microseconds until the year 2255 fit the 53 bits exactly"
                )]
                let seconds = |micros: i64| micros as f64 / 1e6;
                let times = batch.column_by_name(TIME).ok_or_else(missing)?;
                let times: Float64Array = times.as_primitive::<Int64Type>().unary(seconds);
                Ok(Arc::new(times))
            }
            name => unpacked(batch.column_by_name(name).ok_or_else(missing)?),
        }
    }

    /// Some columns of the table for some rows of a batch.
    fn plain(
        &self,
        columns: &[usize],
        schema: &SchemaRef,
        first: usize,
        batch: &RecordBatch,
    ) -> Result<RecordBatch, ArrowError> {
        let arrays = columns
            .iter()
            .map(|at| self.column(*at, first, batch))
            .collect::<Result<Vec<_>, _>>()?;
        // A scan may ask for no column at all, only for how many rows there are.
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
    }
}

impl Table {
    /// Columns of the table.
    pub fn schema(&self) -> &SchemaRef {
        &self.stored.schema
    }

    /// The table for DataFusion.
    pub fn provider(&self) -> Arc<dyn TableProvider> {
        Arc::clone(&self.provider)
    }

    /// The events as they are kept, in the order of reading.
    pub fn stored(&self) -> impl Iterator<Item = StoredBatch<'_>> {
        self.stored
            .batches
            .iter()
            .map(|(first, batch)| StoredBatch {
                first: self.stored.first + *first as u64,
                batch,
            })
    }

    /// Number of batches; see [`Table::batch`].
    pub fn batch_count(&self) -> usize {
        self.stored.batches.len()
    }

    /// The events of a batch with all columns of the table.
    ///
    /// # Errors
    /// An Arrow error where a column would take more than 2 GiB, or there is no such batch.
    pub fn batch(&self, at: usize) -> Result<RecordBatch, ArrowError> {
        let (first, batch) =
            self.stored.batches.get(at).ok_or_else(|| {
                ArrowError::InvalidArgumentError(format!("there is no batch {at}"))
            })?;
        let all: Vec<usize> = (0..self.stored.schema.fields().len()).collect();
        self.stored.plain(&all, &self.stored.schema, *first, batch)
    }

    /// The events of a batch with some columns of the table, given by their places in its schema.
    ///
    /// # Errors
    /// As [`batch`](Self::batch), or if there is no such column.
    pub fn batch_of(&self, at: usize, columns: &[usize]) -> Result<RecordBatch, ArrowError> {
        let (first, batch) =
            self.stored.batches.get(at).ok_or_else(|| {
                ArrowError::InvalidArgumentError(format!("there is no batch {at}"))
            })?;
        let schema = Arc::new(self.stored.schema.project(columns)?);
        self.stored.plain(columns, &schema, *first, batch)
    }

    /// Number of events.
    pub fn rows(&self) -> usize {
        self.stored.rows
    }
}

/// A large table for DataFusion, unpacked as it is read.
#[derive(Debug)]
struct Packed(Arc<Stored>);

/// Rows that are unpacked at a time.
const UNPACKED_ROWS: usize = 1 << 14;

#[async_trait]
impl TableProvider for Packed {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let columns = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.0.schema.fields().len()).collect(),
        };
        let schema = Arc::new(self.0.schema.project(&columns)?);
        let part = Arc::new(Unpacking {
            stored: Arc::clone(&self.0),
            columns,
            schema: Arc::clone(&schema),
        });
        let orderings: Vec<LexOrdering> = Vec::new();
        Ok(Arc::new(StreamingTableExec::try_new(
            schema,
            vec![part],
            None,
            orderings,
            false,
            limit,
        )?))
    }
}

#[derive(Debug)]
struct Unpacking {
    stored: Arc<Stored>,
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl PartitionStream for Unpacking {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (stored, columns, schema) = (
            Arc::clone(&self.stored),
            self.columns.clone(),
            Arc::clone(&self.schema),
        );
        let mut next = (0, 0);
        let batches = std::iter::from_fn(move || {
            let (at, offset) = next;
            let (first, batch) = stored.batches.get(at)?;
            let count = UNPACKED_ROWS.min(batch.num_rows() - offset);
            next = if offset + count < batch.num_rows() {
                (at, offset + count)
            } else {
                (at + 1, 0)
            };
            let part = batch.slice(offset, count);
            Some(
                stored
                    .plain(&columns, &schema, first + offset, &part)
                    .map_err(DataFusionError::from),
            )
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            futures::stream::iter(batches),
        ))
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
            for (_, batch) in &table.stored.batches {
                let column = |name: &str| batch.column_by_name(name);
                let (Some(times), Some(sources), Some(records)) = (
                    column(TIME).and_then(|column| column.as_primitive_opt::<Int64Type>()),
                    column(SOURCE).and_then(|column| column.as_primitive_opt::<UInt32Type>()),
                    column(RECORD).and_then(|column| column.as_primitive_opt::<UInt64Type>()),
                ) else {
                    continue;
                };
                let hosts = column(HOST).and_then(|column| Texts::new(column));
                for row in 0..batch.num_rows() {
                    if !wanted(times.value(row), records.value(row)) {
                        continue;
                    }
                    let host = hosts.and_then(|hosts| hosts.get(row)).unwrap_or_default();
                    let event = EventRef {
                        time: times.value(row),
                        host: host.to_owned(),
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
            .stored
            .batches
            .partition_point(|(first, _)| *first <= row)
            .checked_sub(1)?;
        let (first, batch) = table.stored.batches.get(at)?;
        let row = row - first;
        if row >= batch.num_rows() {
            return None;
        }
        let host = batch
            .column_by_name(HOST)
            .and_then(|column| Texts::new(column));
        Some(EventRef {
            time: batch
                .column_by_name(TIME)?
                .as_primitive_opt::<Int64Type>()?
                .value(row),
            host: host
                .and_then(|host| host.get(row))
                .unwrap_or_default()
                .to_owned(),
            channel: table.event_type.channel.clone(),
            event_id: table.event_type.event_id,
            source: batch
                .column_by_name(SOURCE)?
                .as_primitive_opt::<UInt32Type>()?
                .value(row),
            record: batch
                .column_by_name(RECORD)?
                .as_primitive_opt::<UInt64Type>()?
                .value(row),
        })
    }
}

/// Names and values of the fields that a row has, without the columns that every table has.
fn stored_fields(batch: &RecordBatch, row: usize) -> Vec<(String, Vec<String>)> {
    let schema = batch.schema();
    let mut fields = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
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

fn build(index: u64, table: EventTable) -> Result<Table, ArrowError> {
    let origin_columns = [TIME, HOST, SOURCE, RECORD];
    let fields: Vec<Field> = [
        Field::new(REF, DataType::UInt64, false),
        Field::new(TIME, DataType::Float64, false),
        Field::new(RECORD, DataType::UInt64, false),
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
    for batch in table.batches {
        let count = batch.num_rows();
        batches.push((rows, batch));
        rows += count;
    }
    let stored = Arc::new(Stored {
        schema: Arc::clone(&schema),
        first: index << ROW_BITS,
        batches,
        rows,
    });
    let is_packed = |batch: &RecordBatch| {
        batch
            .columns()
            .iter()
            .any(|column| matches!(column.data_type(), DataType::Dictionary(_, _)))
    };
    let provider: Arc<dyn TableProvider> =
        if stored.batches.iter().any(|(_, batch)| is_packed(batch)) {
            Arc::new(Packed(Arc::clone(&stored)))
        } else {
            // Small: what is not stored is made once, not at each scan.
            let all: Vec<usize> = (0..schema.fields().len()).collect();
            let batches = stored
                .batches
                .iter()
                .map(|(first, batch)| stored.plain(&all, &schema, *first, batch))
                .collect::<Result<Vec<_>, _>>()?;
            let provider = MemTable::try_new(schema, vec![batches])
                .map_err(|error| ArrowError::SchemaError(error.to_string()))?;
            Arc::new(provider)
        };
    Ok(Table {
        event_type: EventType {
            channel: table.channel,
            event_id: table.event_id,
        },
        fields_seen: table.fields_seen,
        provider,
        stored,
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

    #[test]
    fn single_events_of_a_packed_table_are_read_back() {
        let mut collector = Collector::new(&Everything);
        let table = collector.table("Security", 4624);
        let column = collector.column(table, "TargetUserName");
        for record in 0..40_000_u64 {
            let head = Head {
                time: 1_700_000_000_000_000 + i64::try_from(record).unwrap_or(0),
                host: "WS1",
                source: 1,
                record,
                numbered: true,
            };
            assert_eq!(collector.begin(table, &head), Begun::Row);
            if let Some(column) = column
                && record % 3 != 0
            {
                collector.push(table, column, if record % 2 == 0 { "ann" } else { "bob" });
            }
        }
        let collected = Collector::merge(vec![collector]).unwrap_or_else(|error| panic!("{error}"));
        let catalog = Catalog::new(collected).unwrap_or_else(|error| panic!("{error}"));
        let mut read = Vec::new();
        catalog.for_each_event(
            &|_, record| matches!(record, 3 | 4 | 39_997),
            &mut |event, fields| read.push((event.record, event.host, fields)),
        );
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
}
