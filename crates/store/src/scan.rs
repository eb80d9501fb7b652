//! Parts of a snapshot that other machines read.
//!
//! A machine that runs a part of a search needs no snapshot of its own: a [`FileScan`] says which files to read, and which
//! references their events have. So it reads what the search was planned over, whatever has been committed since.

use std::collections::HashMap;
use std::sync::Arc;

use crabwalk_events::catalog::{REF, Window};
use crabwalk_events::named::Batches;
use crabwalk_sources::collect;
use crabwalk_vocabulary::EventType;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::manifest::FileEntry;
use crate::names;
use crate::read::Reader;
use crate::snapshot::{InFile, StoreCatalog, Stored};
use crate::store::Store;

/// Columns of some files with events of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileScan {
    /// The store that they are in, by its id.
    store: String,
    channel: String,
    event_id: u32,
    /// The span of time outside of which events are left out.
    window: Window,
    /// Names of the columns in the catalog, and whether rows may have several values.
    columns: Vec<(String, bool)>,
    /// The files, in parts that can be read side by side.
    parts: Vec<Vec<ScannedFile>>,
}

/// What a reader needs to know of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ScannedFile {
    number: u64,
    path: String,
    bytes: u64,
    rows: u64,
    first: i64,
    last: i64,
    /// Reference of its first event in the snapshot.
    reference: u64,
}

impl FileScan {
    /// The type of the events.
    pub fn event_type(&self) -> EventType {
        EventType {
            channel: self.channel.clone(),
            event_id: self.event_id,
        }
    }

    fn all(&self) -> impl Iterator<Item = &ScannedFile> {
        self.parts.iter().flatten()
    }

    /// Number of events in the files, including those outside the span of time.
    pub fn rows(&self) -> u64 {
        self.all().map(|file| file.rows).sum()
    }

    /// Number of files.
    pub fn files(&self) -> usize {
        self.all().count()
    }

    /// Number of parts that can be read side by side.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// The columns, as the search engine sees them ([`crabwalk_events::catalog::Table::schema`]).
    pub fn schema(&self) -> SchemaRef {
        let fields: Vec<Field> = self
            .columns
            .iter()
            .map(|(name, several)| match name.as_str() {
                REF | collect::RECORD => Field::new(name, DataType::UInt64, false),
                collect::TIME => Field::new(name, DataType::Float64, false),
                name => Field::new(name, type_of(*several), true),
            })
            .collect();
        Arc::new(Schema::new(fields))
    }

    fn with(&self, parts: Vec<Vec<ScannedFile>>) -> Self {
        Self {
            store: self.store.clone(),
            channel: self.channel.clone(),
            event_id: self.event_id,
            window: self.window.clone(),
            columns: self.columns.clone(),
            parts,
        }
    }

    /// The same files in this many parts of about the same number of events; with too few files, some parts are empty.
    #[must_use]
    pub fn in_parts(&self, parts: usize) -> Self {
        let mut of: Vec<(u64, Vec<&ScannedFile>)> = vec![(0, Vec::new()); parts.max(1)];
        let mut files: Vec<&ScannedFile> = self.all().collect();
        files.sort_by_key(|file| (std::cmp::Reverse(file.rows), file.reference));
        for file in files {
            if let Some((rows, part)) = of.iter_mut().min_by_key(|(rows, _)| *rows) {
                *rows += file.rows;
                part.push(file);
            }
        }
        let parts = of.into_iter().map(|(_, mut part)| {
            part.sort_by_key(|file| file.reference);
            part.into_iter().cloned().collect()
        });
        self.with(parts.collect())
    }

    /// The same files as scans for this many machines, each with as many parts as this one.
    pub fn shared(&self, machines: usize) -> Vec<Self> {
        let (machines, parts) = (machines.max(1), self.parts().max(1));
        let small = self.in_parts(machines * parts);
        let share = |machine| {
            let own = small.parts.iter().skip(machine).step_by(machines);
            self.with(own.cloned().collect())
        };
        (0..machines).map(share).collect()
    }

    /// The events of each part, in order.
    fn read(&self, store: &str, reader: &Arc<Reader>) -> Result<Vec<Arc<dyn Batches>>, StoreError> {
        if self.store != store {
            return Err(StoreError::OtherStore {
                here: store.to_owned(),
                asked: self.store.clone(),
            });
        }
        let folder = format!("{}/", names::folder(&self.channel, self.event_id));
        let file = |file: &ScannedFile| {
            let name = file.path.strip_prefix(&folder).unwrap_or_default();
            // A path from elsewhere must not lead out of the store.
            if name.is_empty() || name.contains(['/', '\\']) {
                return Err(StoreError::damaged(
                    file.path.clone(),
                    "it is no file of this store",
                ));
            }
            let entry = FileEntry {
                number: file.number,
                path: file.path.clone(),
                channel: self.channel.clone(),
                event_id: self.event_id,
                bytes: file.bytes,
                rows: file.rows,
                first: file.first,
                last: file.last,
                schema: String::new(),
                hosts: None,
                checksum: String::new(),
                compacted: false,
            };
            Ok(InFile {
                entry: Arc::new(entry),
                first: file.reference,
            })
        };
        let types = self.columns.iter().filter_map(|(name, several)| {
            let data_type = match name.as_str() {
                REF => return None,
                collect::TIME => DataType::Int64,
                collect::RECORD => DataType::UInt64,
                _ => type_of(*several),
            };
            Some((name.clone(), data_type))
        });
        let types: HashMap<String, DataType> = types.collect();
        let part = |files: &Vec<ScannedFile>| {
            let stored = Stored {
                event_type: self.event_type(),
                reader: Arc::clone(reader),
                files: files.iter().map(file).collect::<Result<_, _>>()?,
                types: types.clone(),
                window: self.window.clone(),
            };
            Ok(Arc::new(stored) as Arc<dyn Batches>)
        };
        self.parts.iter().map(part).collect()
    }
}

/// The type of a column of texts.
fn type_of(several: bool) -> DataType {
    match several {
        true => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
        false => DataType::Utf8,
    }
}

/// Reads scans of a store.
pub trait ReadScan: std::fmt::Debug + Send + Sync {
    /// The events of each part of a scan, in order.
    ///
    /// # Errors
    /// If the scan is of another store.
    fn read_scan(&self, scan: &FileScan) -> Result<Vec<Arc<dyn Batches>>, StoreError>;
}

impl ReadScan for Store {
    fn read_scan(&self, scan: &FileScan) -> Result<Vec<Arc<dyn Batches>>, StoreError> {
        scan.read(self.id(), &self.reader)
    }
}

impl ReadScan for StoreCatalog {
    fn read_scan(&self, scan: &FileScan) -> Result<Vec<Arc<dyn Batches>>, StoreError> {
        scan.read(self.id(), self.reader())
    }
}

impl StoreCatalog {
    /// The scan of these columns of a type. `None` if the snapshot does not have the type, or one of the columns.
    pub fn scan_of(&self, event_type: &EventType, columns: &[&str]) -> Option<FileScan> {
        let stored = self.stored(event_type)?;
        let columns = columns
            .iter()
            .map(|name| match *name {
                REF => Some((REF.to_owned(), false)),
                name => {
                    let several = matches!(stored.types.get(name)?, DataType::List(_));
                    Some((name.to_owned(), several))
                }
            })
            .collect::<Option<Vec<_>>>()?;
        let files = stored.files.iter().map(|file| ScannedFile {
            number: file.entry.number,
            path: file.entry.path.clone(),
            bytes: file.entry.bytes,
            rows: file.entry.rows,
            first: file.entry.first,
            last: file.entry.last,
            reference: file.first,
        });
        Some(FileScan {
            store: self.id().to_owned(),
            channel: event_type.channel.clone(),
            event_id: event_type.event_id,
            window: stored.window.clone(),
            columns,
            parts: vec![files.collect()],
        })
    }
}
