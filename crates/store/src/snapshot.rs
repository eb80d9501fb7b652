//! The store as a catalog, at one moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crabwalk_events::catalog::{
    ALWAYS, Catalog, CatalogError, EventRef, Events, REF, Scan, Table, Window,
};
use crabwalk_events::named::{Batches, NamedTable, Streamed, TableName};
use crabwalk_sources::collect::{self, Coverage};
use crabwalk_sources::report::SourceReport;
use crabwalk_vocabulary::EventType;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::catalog::TableProvider;

use crate::ahead;
use crate::error::StoreError;
use crate::manifest::{FileEntry, State};
use crate::names;
use crate::read::{Reader, names_in_files};

/// Low bits of a reference, for the row; the bits above are for the file.
const ROW_BITS: u32 = 40;

/// A file of a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct InFile {
    pub entry: Arc<FileEntry>,
    /// Reference of its first event.
    pub first: u64,
}

/// The events of one type.
#[derive(Debug)]
pub(crate) struct Stored {
    pub event_type: EventType,
    pub reader: Arc<Reader>,
    pub files: Vec<InFile>,
    /// The fields, `_record` and so on, by name.
    pub types: HashMap<String, DataType>,
    pub window: Window,
}

impl Stored {
    /// Those of `columns` that the type has, with their types.
    fn typed(&self, columns: &[&str]) -> Vec<(String, DataType)> {
        let mut asked = BTreeSet::new();
        columns
            .iter()
            .filter(|name| asked.insert(**name))
            .filter_map(|name| Some(((*name).to_owned(), self.types.get(*name)?.clone())))
            .collect()
    }

    /// Begins to read these columns of all files within a span of time, if they come from afar.
    fn ahead(&self, columns: &[(String, DataType)], window: &Window) {
        if !self.reader.is_far() || self.files.len() < 2 {
            return;
        }
        let names = Arc::new(names_in_files(
            columns.iter().map(|(name, _)| name.as_str()),
        ));
        let window = both(&self.window, window);
        let files = self.files.iter().map(|file| &file.entry);
        let wanted = files
            .filter(|entry| touches(entry, &window))
            .map(|entry| (Arc::clone(entry), Arc::clone(&names)));
        ahead::begin(&self.reader, wanted.collect());
    }

    /// The events of one file within a span of time.
    fn events(
        &self,
        file: &InFile,
        columns: &[(String, DataType)],
        window: &Window,
    ) -> Result<Vec<Events>, StoreError> {
        let window = both(&self.window, window);
        let entry = &file.entry;
        if !touches(entry, &window) {
            return Ok(Vec::new());
        }
        let is_whole = window.contains(&entry.first) && window.contains(&entry.last);
        let mut first = file.first;
        let mut all = Vec::new();
        for batch in self.reader.events(entry, columns)? {
            let rows = batch.num_rows() as u64;
            let mut events = Events::following(first, batch);
            first += rows;
            if !is_whole {
                events = events.within(&window).map_err(|source| StoreError::Arrow {
                    event_type: entry.event_type(),
                    source,
                })?;
            }
            if events.rows() > 0 {
                all.push(events);
            }
        }
        Ok(all)
    }
}

fn both(a: &Window, b: &Window) -> Window {
    *a.start().max(b.start())..=*a.end().min(b.end())
}

fn touches(entry: &FileEntry, window: &Window) -> bool {
    entry.first <= *window.end() && entry.last >= *window.start()
}

/// What readers saw of an event type and its stored events do not show.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Names of its fields, stored or not.
    pub fields_seen: BTreeSet<String>,
    /// Machines whose events are all outside the span of time that was read.
    pub hosts_outside: BTreeSet<String>,
}

/// The contents of a store at one moment: later commits do not change it. Its files stay for an hour after a commit
/// removes them from the store.
#[derive(Debug)]
pub struct StoreCatalog {
    /// The store's id.
    id: String,
    reader: Arc<Reader>,
    tables: Vec<Arc<Table>>,
    places: HashMap<EventType, usize>,
    stored: Vec<Arc<Stored>>,
    providers: Vec<Arc<dyn TableProvider>>,
    /// By their references.
    files: Vec<Arc<FileEntry>>,
    coverage: Vec<Coverage>,
    sources: Vec<SourceReport>,
    duplicates: u64,
    version: u64,
    marks: BTreeMap<String, String>,
    /// What must last as long as the catalog, if anything.
    holds: Option<Arc<dyn std::fmt::Debug + Send + Sync>>,
}

impl StoreCatalog {
    pub(crate) fn new(
        id: &str,
        state: &State,
        reader: &Arc<Reader>,
        window: &Window,
        seen: &BTreeMap<EventType, Seen>,
    ) -> Result<Self, StoreError> {
        let mut all = Self {
            id: id.to_owned(),
            reader: Arc::clone(reader),
            tables: Vec::new(),
            places: HashMap::new(),
            stored: Vec::new(),
            providers: Vec::new(),
            files: Vec::new(),
            coverage: state.coverage.values().map(|one| one.coverage()).collect(),
            sources: state.sources.iter().map(|source| source.report()).collect(),
            duplicates: state.duplicates,
            version: state.version,
            marks: state.marks.clone(),
            holds: None,
        };
        let key = |own: &EventType| (own.channel.to_lowercase(), own.event_id);
        let mut files = state.by_type();
        let mut types: BTreeMap<(String, u32), EventType> =
            seen.keys().map(|own| (key(own), own.clone())).collect();
        for (key, files) in &files {
            if let Some(first) = files.first() {
                types
                    .entry(key.clone())
                    .or_insert_with(|| first.event_type());
            }
        }
        for (key, own) in types {
            let files = files.remove(&key).unwrap_or_default();
            let seen = seen.get(&own).cloned().unwrap_or_default();
            all.add(own, state, files, window, seen)?;
        }
        Ok(all)
    }

    fn add(
        &mut self,
        event_type: EventType,
        state: &State,
        entries: Vec<Arc<FileEntry>>,
        window: &Window,
        seen: Seen,
    ) -> Result<(), StoreError> {
        let Seen {
            mut fields_seen,
            mut hosts_outside,
        } = seen;
        // Each field, and whether it has several values in any event.
        let mut fields: BTreeMap<String, bool> = BTreeMap::new();
        let mut files = Vec::new();
        let mut rows = 0;
        for entry in entries {
            let schema = state.schema(&entry)?;
            let own = schema
                .columns
                .iter()
                .filter_map(|column| names::field(column));
            let is_whole = window.contains(&entry.first) && window.contains(&entry.last);
            if !is_whole {
                for host in self.reader.hosts(&entry)? {
                    if !window.contains(&host.2) || !window.contains(&host.3) {
                        hosts_outside.insert(host.0);
                    }
                }
            }
            if !touches(&entry, window) {
                continue;
            }
            fields_seen.extend(own.clone().map(|(field, _)| field.to_owned()));
            fields_seen.extend(schema.without_values.iter().cloned());
            for (field, several) in own {
                *fields.entry(field.to_owned()).or_default() |= several;
            }
            rows += if is_whole {
                usize::try_from(entry.rows).unwrap_or(usize::MAX)
            } else {
                self.count(&entry, window)?
            };
            files.push(InFile {
                first: (self.files.len() as u64) << ROW_BITS,
                entry: Arc::clone(&entry),
            });
            self.files.push(entry);
        }
        let list = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
        let text = |several: bool| {
            if several {
                list.clone()
            } else {
                DataType::Utf8
            }
        };
        let mut columns = vec![
            Field::new(REF, DataType::UInt64, false),
            Field::new(collect::TIME, DataType::Float64, false),
            Field::new(collect::RECORD, DataType::UInt64, false),
            Field::new(collect::HOST, DataType::Utf8, true),
        ];
        columns.extend(
            fields
                .iter()
                .map(|(name, several)| Field::new(name, text(*several), true)),
        );
        let mut types: HashMap<String, DataType> = fields
            .iter()
            .map(|(name, several)| (name.clone(), text(*several)))
            .collect();
        types.insert(collect::TIME.to_owned(), DataType::Int64);
        types.insert(collect::HOST.to_owned(), DataType::Utf8);
        types.insert(collect::SOURCE.to_owned(), DataType::UInt32);
        types.insert(collect::RECORD.to_owned(), DataType::UInt64);
        let schema: SchemaRef = Arc::new(Schema::new(columns));
        let stored = Arc::new(Stored {
            event_type: event_type.clone(),
            reader: Arc::clone(&self.reader),
            files,
            types,
            window: window.clone(),
        });
        self.providers.push(Arc::new(NamedTable::new(
            TableName::Events(event_type.clone()),
            Arc::clone(&schema),
            Streamed(vec![Arc::clone(&stored) as _]),
        )));
        self.places.insert(event_type.clone(), self.tables.len());
        self.tables.push(Arc::new(Table {
            event_type,
            fields_seen,
            hosts_outside,
            schema,
            rows,
        }));
        self.stored.push(stored);
        Ok(())
    }

    /// The number of a file's events within a span of time.
    fn count(&self, entry: &FileEntry, window: &Window) -> Result<usize, StoreError> {
        let times = self.reader.columns(entry, &[names::TIME.to_owned()])?;
        let inside = times
            .iter()
            .flatten()
            .flat_map(|column| column.iter())
            .filter_map(|times| times.as_primitive_opt::<TimestampMicrosecondType>())
            .flat_map(|times| times.values())
            .filter(|time| window.contains(time));
        Ok(inside.count())
    }

    /// Keeps something alive as long as the catalog.
    pub(crate) fn holding(mut self, holder: impl std::fmt::Debug + Send + Sync + 'static) -> Self {
        self.holds = Some(Arc::new(holder));
        self
    }

    /// What was read, and what could not be read; [`EventRef::source`] is an index into this.
    pub fn sources(&self) -> &[SourceReport] {
        &self.sources
    }

    /// The id of the store: [`Store::id`](crate::Store::id).
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    pub(crate) fn all_stored(&self) -> &[Arc<Stored>] {
        &self.stored
    }

    pub(crate) fn stored(&self, event_type: &EventType) -> Option<&Arc<Stored>> {
        self.stored.get(*self.places.get(event_type)?)
    }

    /// The commit that led to this state; 0 before the first.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The writer's marks ([`CommitInfo::marks`](crate::CommitInfo::marks)).
    pub fn mark(&self, name: &str) -> Option<&str> {
        self.marks.get(name).map(String::as_str)
    }

    /// The files of this snapshot, as paths inside the store.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|entry| entry.path.as_str())
    }
}

impl Catalog for StoreCatalog {
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
        let Some(stored) = self.stored(event_type) else {
            return Box::new(std::iter::empty());
        };
        let columns = stored.typed(columns);
        let window = window.clone();
        stored.ahead(&columns, &window);
        Box::new(stored.files.iter().flat_map(move |file| {
            let events = stored.events(file, &columns, &window);
            each(events.map_err(|error| CatalogError::new(&stored.event_type, error)))
        }))
    }

    fn provider(&self, event_type: &EventType) -> Option<Arc<dyn TableProvider>> {
        let place = self.places.get(event_type)?;
        self.providers.get(*place).cloned()
    }

    fn resolve(&self, reference: u64) -> Option<EventRef> {
        let entry = self
            .files
            .get(usize::try_from(reference >> ROW_BITS).ok()?)?;
        let event_type = entry.event_type();
        let stored = self.stored(&event_type)?;
        let columns = stored.typed(&[collect::HOST, collect::SOURCE, collect::RECORD]);
        let mut row = usize::try_from(reference & ((1 << ROW_BITS) - 1)).ok()?;
        for batch in stored.reader.events(entry, &columns).ok()? {
            if row < batch.num_rows() {
                return Events::following(0, batch).origin(&event_type, row);
            }
            row -= batch.num_rows();
        }
        None
    }
}

impl Batches for Stored {
    fn batches(self: Arc<Self>, columns: &[&str]) -> Scan<'static> {
        let columns = self.typed(columns);
        self.ahead(&columns, &ALWAYS);
        let mut file = 0;
        let next = std::iter::from_fn(move || {
            let events = self.events(self.files.get(file)?, &columns, &ALWAYS);
            file += 1;
            Some(events.map_err(|error| CatalogError::new(&self.event_type, error)))
        });
        Box::new(next.flat_map(each))
    }
}

/// Batches one by one, or the error that stopped reading.
fn each(
    events: Result<Vec<Events>, CatalogError>,
) -> impl Iterator<Item = Result<Events, CatalogError>> + Send {
    let (events, error) = match events {
        Ok(events) => (events, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    events.into_iter().map(Ok).chain(error.map(Err))
}
