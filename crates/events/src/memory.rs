//! Events of one run, in memory.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use crabwalk_sources::collect::{Collected, Coverage, EventTable, HOST, RECORD, SOURCE, TIME};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
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

use crate::catalog::{Catalog, CatalogError, EventRef, Events, REF, Scan, Table, Window};

/// Low bits of a reference that hold the row; the bits above hold the table.
const ROW_BITS: u32 = 40;

/// The events as they are kept: as they were read, columns of texts packed in large batches.
#[derive(Debug)]
struct Stored {
    /// As the search engine sees them.
    schema: SchemaRef,
    /// By their references.
    batches: Vec<Events>,
}

/// The events of one run, as readers collected them.
#[derive(Debug, Default)]
pub struct MemoryCatalog {
    tables: Vec<Arc<Table>>,
    places: HashMap<EventType, usize>,
    stored: Vec<Arc<Stored>>,
    providers: Vec<Arc<dyn TableProvider>>,
    coverage: Vec<Coverage>,
    duplicates: u64,
}

impl MemoryCatalog {
    /// Takes over what was read.
    ///
    /// # Errors
    /// An Arrow error if the columns do not fit together.
    pub fn new(collected: Collected) -> Result<Self, ArrowError> {
        let mut all = Self {
            coverage: collected.coverage,
            duplicates: collected.duplicates,
            ..Self::default()
        };
        for table in collected.tables {
            all.add(table)?;
        }
        Ok(all)
    }

    fn add(&mut self, table: EventTable) -> Result<(), ArrowError> {
        let place = self.tables.len();
        let schema = schema(&table);
        let event_type = EventType {
            channel: table.channel,
            event_id: table.event_id,
        };
        let is_packed = table.batches.iter().any(|batch| {
            batch
                .columns()
                .iter()
                .any(|column| matches!(column.data_type(), DataType::Dictionary(_, _)))
        });
        let mut rows = 0;
        let mut batches = Vec::with_capacity(table.batches.len());
        for batch in table.batches {
            let count = batch.num_rows();
            let first = ((place as u64) << ROW_BITS) + rows as u64;
            batches.push(Events::following(first, batch));
            rows += count;
        }
        let stored = Arc::new(Stored {
            schema: Arc::clone(&schema),
            batches,
        });
        self.providers.push(if is_packed {
            Arc::new(Packed(Arc::clone(&stored)))
        } else {
            // Small: what is not stored is made once, not at each scan.
            let batches = stored
                .batches
                .iter()
                .map(|events| events.plain(&schema))
                .collect::<Result<Vec<_>, _>>()?;
            let provider = MemTable::try_new(Arc::clone(&schema), vec![batches])
                .map_err(|error| ArrowError::SchemaError(error.to_string()))?;
            Arc::new(provider)
        });
        self.places.insert(event_type.clone(), place);
        self.tables.push(Arc::new(Table {
            event_type,
            fields_seen: table.fields_seen,
            hosts_outside: table.hosts_outside,
            schema,
            rows,
        }));
        self.stored.push(stored);
        Ok(())
    }
}

impl Catalog for MemoryCatalog {
    fn tables(&self) -> &[Arc<Table>] {
        &self.tables
    }

    fn coverage(&self) -> &[Coverage] {
        &self.coverage
    }

    fn duplicates(&self) -> u64 {
        self.duplicates
    }

    fn scan<'c>(&'c self, event_type: &EventType, columns: &[&str], window: &Window) -> Scan<'c> {
        let stored = self
            .places
            .get(event_type)
            .and_then(|place| self.stored.get(*place));
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        let (event_type, window) = (event_type.clone(), window.clone());
        let batches = stored.map_or(&[][..], |stored| &stored.batches);
        Box::new(batches.iter().map(move |events| {
            events
                .of_columns(&columns)
                .and_then(|events| events.within(&window))
                .map_err(|error| CatalogError::new(&event_type, error))
        }))
    }

    fn provider(&self, event_type: &EventType) -> Option<Arc<dyn TableProvider>> {
        let place = self.places.get(event_type)?;
        self.providers.get(*place).cloned()
    }

    fn resolve(&self, reference: u64) -> Option<EventRef> {
        let place = usize::try_from(reference >> ROW_BITS).ok()?;
        let (table, stored) = (self.tables.get(place)?, self.stored.get(place)?);
        let at = stored
            .batches
            .partition_point(|events| events.reference(0) <= reference)
            .checked_sub(1)?;
        let events = stored.batches.get(at)?;
        let row = usize::try_from(reference - events.reference(0)).ok()?;
        events.origin(&table.event_type, row)
    }
}

/// The columns of a table as the search engine sees them.
fn schema(table: &EventTable) -> SchemaRef {
    let made = [TIME, HOST, SOURCE, RECORD];
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
            .filter(|field| !made.contains(&field.name().as_str()))
            .map(|field| field.as_ref().clone()),
    )
    .collect();
    Arc::new(Schema::new(fields))
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
        let schema = match projection {
            Some(columns) => Arc::new(self.0.schema.project(columns)?),
            None => Arc::clone(&self.0.schema),
        };
        let part = Arc::new(Unpacking {
            stored: Arc::clone(&self.0),
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
    /// The columns that are asked for.
    schema: SchemaRef,
}

impl PartitionStream for Unpacking {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (stored, schema) = (Arc::clone(&self.stored), Arc::clone(&self.schema));
        let mut next = (0, 0);
        let batches = std::iter::from_fn(move || {
            let (at, offset) = next;
            let events = stored.batches.get(at)?;
            let count = UNPACKED_ROWS.min(events.rows() - offset);
            next = if offset + count < events.rows() {
                (at, offset + count)
            } else {
                (at + 1, 0)
            };
            let part = events.slice(offset, count);
            Some(part.plain(&schema).map_err(DataFusionError::from))
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            futures::stream::iter(batches),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{ALWAYS, for_each_event};
    use crabwalk_sources::collect::{Begun, Collector, Everything, Head};
    use crabwalk_sources::pack::Texts;

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
        let catalog = MemoryCatalog::new(collected).unwrap_or_else(|error| panic!("{error}"));
        let rows: Vec<usize> = catalog.tables().iter().map(|table| table.rows).collect();
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
        for_each_event(&catalog, &|_, record| record != 7, &mut |event, fields| {
            read.push((event.record, fields));
        })
        .unwrap_or_else(|error| panic!("{error}"));
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
        let catalog = MemoryCatalog::new(collected).unwrap_or_else(|error| panic!("{error}"));
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
        let mut collector = Collector::new(&Everything);
        let table = collector.table("Security", 4624);
        let (user, address) = (
            collector.column(table, "TargetUserName"),
            collector.column(table, "IpAddress"),
        );
        for record in 0..40_000_u64 {
            let head = Head {
                time: i64::try_from(record).unwrap_or(0),
                host: "WS1",
                source: 1,
                record,
                numbered: true,
            };
            assert_eq!(collector.begin(table, &head), Begun::Row);
            for (column, value) in [
                (user, "ann".to_owned()),
                (address, format!("10.0.{record}")),
            ] {
                if let Some(column) = column {
                    collector.push(table, column, &value);
                }
            }
        }
        let collected = Collector::merge(vec![collector]).unwrap_or_else(|error| panic!("{error}"));
        let catalog = MemoryCatalog::new(collected).unwrap_or_else(|error| panic!("{error}"));
        let logon = EventType {
            channel: "Security".to_owned(),
            event_id: 4624,
        };
        let scan = |columns: &[&str], window: Window| -> Vec<Events> {
            catalog
                .scan(&logon, columns, &window)
                .collect::<Result<_, _>>()
                .unwrap_or_else(|error| panic!("{error}"))
        };
        let all = scan(&["IpAddress"], ALWAYS);
        assert_eq!(all.iter().map(Events::rows).sum::<usize>(), 40_000);
        assert!(
            all.iter()
                .all(|events| events.column("TargetUserName").is_none())
        );
        // What memory holds is handed out as it is.
        let again = scan(&["IpAddress"], ALWAYS);
        let same = |(a, b): (&Events, &Events)| match (a.column("IpAddress"), b.column("IpAddress"))
        {
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
        assert_eq!(origins, [Some(30_000), Some(30_001)]);
        let plain = some.first().map(|events| {
            events.plain(&catalog.tables()[0].schema.project(&[0, 1]).map(Arc::new)?)
        });
        assert!(plain.is_some_and(|plain| plain.is_ok_and(|batch| batch.num_rows() == 2)));
        let other = EventType {
            event_id: 4625,
            ..logon.clone()
        };
        assert_eq!(catalog.scan(&other, &[HOST], &ALWAYS).count(), 0);
    }
}
