//! One run's events, in memory.

use std::collections::HashMap;
use std::sync::Arc;

use crabwalk_sources::collect::{
    Collected, Coverage, EventTable, HOST, IDENTITY, RECORD, SOURCE, TIME,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::TableProvider;

use crabwalk_vocabulary::EventType;

use crate::catalog::{Catalog, CatalogError, EventRef, Events, REF, Scan, Table, Window};
use crate::named::{Batches, NamedTable, Streamed, TableName};

/// Low bits of a reference, for the row; the bits above are for the table.
const ROW_BITS: u32 = 40;

/// The events in their stored form: as they were read, with text columns packed in large batches.
#[derive(Debug)]
struct Stored {
    event_type: EventType,
    /// By their references.
    batches: Vec<Events>,
}

/// One run's events, as the readers collected them.
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
    /// Takes over what the readers collected.
    ///
    /// # Errors
    /// An Arrow error if the columns do not match.
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
            event_type: event_type.clone(),
            batches,
        });
        let name = TableName::Events(event_type.clone());
        self.providers.push(Arc::new(if is_packed {
            NamedTable::new(
                name,
                Arc::clone(&schema),
                Streamed(vec![Arc::clone(&stored) as _]),
            )
        } else {
            // Small: columns that are not stored are built once, not for each scan.
            let batches = stored
                .batches
                .iter()
                .map(|events| events.plain(&schema))
                .collect::<Result<Vec<_>, _>>()?;
            NamedTable::new(name, Arc::clone(&schema), batches)
        }));
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
    let made = [TIME, HOST, SOURCE, RECORD, IDENTITY];
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

impl Batches for Stored {
    fn batches(self: Arc<Self>, columns: &[&str]) -> Scan<'static> {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        let mut at = 0;
        Box::new(std::iter::from_fn(move || {
            let events = self.batches.get(at)?;
            at += 1;
            let own = events.of_columns(&columns);
            Some(own.map_err(|error| CatalogError::new(&self.event_type, error)))
        }))
    }
}
