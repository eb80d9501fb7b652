//! Files become events.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use crabwalk_sources::collect::{self, as_list};
use crabwalk_sources::pack;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array, UInt64Array,
};
use datafusion::arrow::compute::is_not_null;
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType, UInt32Type, UInt64Type};
use datafusion::arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};

use crate::error::StoreError;
use crate::manifest::{FileEntry, HostSpan};
use crate::names;
use crate::objects::{Objects, Part};
use crate::write::{GROUP_ROWS, HOSTS_KEY};

/// Default size of the cache for decoded columns, in bytes.
const CACHE_BYTES: usize = 512 << 20;

/// A column of a file, in batches of [`GROUP_ROWS`] rows.
type Column = Arc<[ArrayRef]>;

/// Reads files and caches recent columns: a hunt requests the same columns many times.
#[derive(Debug)]
pub(crate) struct Reader {
    pub objects: Arc<dyn Objects>,
    cache: Mutex<Cache>,
}

#[derive(Debug)]
struct Cache {
    columns: HashMap<(u64, String), (Column, usize, u64)>,
    bytes: usize,
    /// How many bytes it may take.
    most: usize,
    clock: u64,
}

/// The column of a file from the readers' point of view.
fn of_file(error: impl Into<ParquetError>, entry: &FileEntry) -> StoreError {
    StoreError::Parquet {
        path: entry.path.clone(),
        source: error.into(),
    }
}

impl Reader {
    pub(crate) fn new(objects: Arc<dyn Objects>) -> Self {
        Self {
            objects,
            cache: Mutex::new(Cache {
                columns: HashMap::new(),
                bytes: 0,
                most: CACHE_BYTES,
                clock: 0,
            }),
        }
    }

    /// Limits the cache for decoded columns to so many bytes.
    pub(crate) fn limit(&self, bytes: usize) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.most = bytes;
        cache.shrink();
    }

    fn builder(
        &self,
        entry: &FileEntry,
    ) -> Result<ParquetRecordBatchReaderBuilder<Chunks>, StoreError> {
        let part = self
            .objects
            .open(&entry.path)
            .map_err(|error| StoreError::io(entry.path.clone(), "read", error))?;
        if part.size() != entry.bytes {
            return Err(StoreError::damaged(
                entry.path.clone(),
                format!("it has {} bytes instead of {}", part.size(), entry.bytes),
            ));
        }
        let chunks = Chunks(Arc::from(part));
        let metadata = ArrowReaderMetadata::load(&chunks, Default::default())
            .map_err(|error| of_file(error, entry))?;
        Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(
            chunks, metadata,
        ))
    }

    /// The hosts of a file, from the manifest or from the file itself.
    pub(crate) fn hosts(&self, entry: &FileEntry) -> Result<Vec<HostSpan>, StoreError> {
        if let Some(hosts) = &entry.hosts {
            return Ok(hosts.clone());
        }
        let builder = self.builder(entry)?;
        let all = builder.metadata().file_metadata().key_value_metadata();
        all.into_iter()
            .flatten()
            .find(|one| one.key == HOSTS_KEY)
            .and_then(|one| serde_json::from_str(one.value.as_ref()?).ok())
            .ok_or_else(|| {
                StoreError::damaged(
                    entry.path.clone(),
                    "it does not list the hosts of its events",
                )
            })
    }

    /// The whole file as written, without caching it.
    pub(crate) fn whole(&self, entry: &FileEntry) -> Result<Vec<RecordBatch>, StoreError> {
        let reader = self
            .builder(entry)?
            .with_batch_size(GROUP_ROWS)
            .build()
            .map_err(|error| of_file(error, entry))?;
        reader
            .collect::<Result<Vec<_>, ArrowError>>()
            .map_err(|error| of_file(error, entry))
    }

    /// Columns of a file by their names in it. Each is `None` if the file does not have it.
    pub(crate) fn columns(
        &self,
        entry: &FileEntry,
        names: &[String],
    ) -> Result<Vec<Option<Column>>, StoreError> {
        let mut found: HashMap<&str, Column> = HashMap::new();
        {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            for name in names {
                if let Some(column) = cache.get(entry.number, name) {
                    found.insert(name, column);
                }
            }
        }
        let missing: Vec<&String> = names
            .iter()
            .filter(|name| !found.contains_key(name.as_str()))
            .collect();
        if !missing.is_empty() {
            let builder = self.builder(entry)?;
            let schema = Arc::clone(builder.schema());
            let mut places: Vec<usize> = missing
                .iter()
                .filter_map(|name| schema.index_of(name).ok())
                .collect();
            places.sort_unstable();
            places.dedup();
            if !places.is_empty() {
                let mask = ProjectionMask::roots(builder.parquet_schema(), places.iter().copied());
                let reader = builder
                    .with_projection(mask)
                    .with_batch_size(GROUP_ROWS)
                    .build()
                    .map_err(|error| of_file(error, entry))?;
                let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::new(); places.len()];
                let mut rows = 0;
                for batch in reader {
                    let batch = batch.map_err(|error| of_file(error, entry))?;
                    rows += batch.num_rows() as u64;
                    for (all, column) in columns.iter_mut().zip(batch.columns()) {
                        all.push(pack::packed(column));
                    }
                }
                if rows != entry.rows {
                    return Err(StoreError::damaged(
                        entry.path.clone(),
                        format!("it has {rows} events instead of {}", entry.rows),
                    ));
                }
                let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
                for (place, column) in places.iter().zip(columns) {
                    let Some(name) = missing
                        .iter()
                        .find(|name| name.as_str() == schema.field(*place).name())
                    else {
                        continue;
                    };
                    let column: Column = column.into();
                    cache.put(entry.number, name, Arc::clone(&column));
                    found.insert(name, column);
                }
            }
        }
        Ok(names
            .iter()
            .map(|name| found.get(name.as_str()).cloned())
            .collect())
    }

    /// Events of a file: those of `columns` (by catalog name) that it has, and their times.
    pub(crate) fn events(
        &self,
        entry: &FileEntry,
        columns: &[(String, DataType)],
    ) -> Result<Vec<RecordBatch>, StoreError> {
        use datafusion::arrow::datatypes::{Field, Schema};

        let mut names = vec![names::TIME.to_owned()];
        for (name, _) in columns {
            match name.as_str() {
                collect::TIME => {}
                collect::HOST => names.push(names::HOST.to_owned()),
                collect::SOURCE => names.push(names::SOURCE.to_owned()),
                collect::RECORD => names.push(names::RECORD.to_owned()),
                field => {
                    names.push(names::column(field));
                    names.push(names::several(field));
                }
            }
        }
        let read = self.columns(entry, &names)?;
        let of: HashMap<&str, &Column> = names
            .iter()
            .zip(&read)
            .filter_map(|(name, column)| Some((name.as_str(), column.as_ref()?)))
            .collect();
        let times = of
            .get(names::TIME)
            .ok_or_else(|| StoreError::damaged(entry.path.clone(), "it has no time column"))?;
        let bad = |name: &str| {
            StoreError::damaged(
                entry.path.clone(),
                format!("its column `{name}` has the wrong type"),
            )
        };
        let mut batches = Vec::with_capacity(times.len());
        for (at, own) in times.iter().enumerate() {
            let own = own
                .as_primitive_opt::<TimestampMicrosecondType>()
                .ok_or_else(|| bad(names::TIME))?;
            let rows = own.len();
            let part = |name: &str| of.get(name).and_then(|column| column.get(at));
            let mut fields = vec![Field::new(collect::TIME, DataType::Int64, false)];
            let mut arrays: Vec<ArrayRef> =
                vec![Arc::new(Int64Array::new(own.values().clone(), None))];
            for (name, data_type) in columns {
                let array: ArrayRef = match name.as_str() {
                    collect::TIME => continue,
                    collect::HOST => Arc::clone(part(names::HOST).ok_or_else(|| bad(name))?),
                    collect::SOURCE => {
                        let numbers = part(names::SOURCE)
                            .and_then(|column| column.as_primitive_opt::<UInt32Type>())
                            .ok_or_else(|| bad(name))?;
                        Arc::new(UInt32Array::new(numbers.values().clone(), None))
                    }
                    collect::RECORD => {
                        let numbers = part(names::RECORD)
                            .and_then(|column| column.as_primitive_opt::<UInt64Type>())
                            .ok_or_else(|| bad(name))?;
                        Arc::new(UInt64Array::new(numbers.values().clone(), None))
                    }
                    field => joined(
                        part(&names::column(field)),
                        part(&names::several(field)),
                        data_type,
                        rows,
                    )
                    .map_err(|error| of_file(error, entry))?,
                };
                fields.push(Field::new(name, array.data_type().clone(), true));
                arrays.push(array);
            }
            let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
                .map_err(|error| of_file(error, entry))?;
            batches.push(batch);
        }
        Ok(batches)
    }
}

/// A field with separate columns for single and multiple values.
fn joined(
    single: Option<&ArrayRef>,
    several: Option<&ArrayRef>,
    data_type: &DataType,
    rows: usize,
) -> Result<ArrayRef, ArrowError> {
    let DataType::List(_) = data_type else {
        return Ok(match single {
            Some(single) => Arc::clone(single),
            None => pack::nothing(rows, data_type),
        });
    };
    let single = match single {
        Some(single) => Some(as_list(&pack::unpacked(single)?)?),
        None => None,
    };
    match (single, several) {
        (None, None) => Ok(pack::nothing(rows, data_type)),
        (Some(single), None) => Ok(single),
        (None, Some(several)) => Ok(Arc::clone(several)),
        (Some(single), Some(several)) => zip(&is_not_null(several)?, several, &single),
    }
}

impl Cache {
    fn get(&mut self, file: u64, name: &str) -> Option<Column> {
        self.clock += 1;
        let clock = self.clock;
        let (column, _, used) = self.columns.get_mut(&(file, name.to_owned()))?;
        *used = clock;
        Some(Arc::clone(column))
    }

    fn put(&mut self, file: u64, name: &str, column: Column) {
        let bytes = 128
            + column
                .iter()
                .map(|array| array.get_array_memory_size())
                .sum::<usize>();
        if bytes > self.most / 4 {
            return;
        }
        self.clock += 1;
        let value = (column, bytes, self.clock);
        if let Some((_, old, _)) = self.columns.insert((file, name.to_owned()), value) {
            self.bytes -= old;
        }
        self.bytes += bytes;
        self.shrink();
    }

    fn shrink(&mut self) {
        if self.bytes > self.most {
            // Evict the least recently used half at once, so that this happens rarely.
            let mut uses: Vec<u64> = self.columns.values().map(|(_, _, used)| *used).collect();
            uses.sort_unstable();
            let middle = uses.get(uses.len() / 2).copied().unwrap_or_default();
            self.columns.retain(|_, (_, _, used)| *used > middle);
            self.bytes = self.columns.values().map(|(_, bytes, _)| *bytes).sum();
        }
    }
}

/// A file of the store, for Parquet's reader.
#[derive(Clone)]
struct Chunks(Arc<dyn Part>);

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.size()
    }
}

impl ChunkReader for Chunks {
    type T = io::BufReader<From>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(io::BufReader::new(From {
            part: Arc::clone(&self.0),
            at: start,
        }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let inside = start
            .checked_add(length as u64)
            .is_some_and(|end| end <= self.0.size());
        if !inside {
            return Err(ParquetError::EOF(
                "a range beyond the end of the file".to_owned(),
            ));
        }
        let mut buffer = vec![0; length];
        self.0.read_at(start, &mut buffer)?;
        Ok(buffer.into())
    }
}

/// Reads a range starting at an offset.
struct From {
    part: Arc<dyn Part>,
    at: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.part.size().saturating_sub(self.at);
        let count = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let buffer = buffer.get_mut(..count).unwrap_or_default();
        self.part.read_at(self.at, buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}
