//! Files become events.

use std::collections::HashMap;
use std::io::{self, Read};
use std::ops::Range;
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

/// Most files of which the descriptions are kept.
const DESCRIPTIONS: usize = 2048;

/// Reads files and caches recent columns: a hunt requests the same columns many times.
#[derive(Debug)]
pub(crate) struct Reader {
    pub objects: Arc<dyn Objects>,
    cache: Mutex<Cache>,
    /// What describes files, by their paths, if that takes a request.
    described: Mutex<HashMap<String, ArrowReaderMetadata>>,
    /// Files that are being read where that takes time: whoever needs the same waits for it.
    loading: Mutex<HashMap<u64, Arc<Mutex<()>>>>,
}

#[derive(Debug)]
struct Cache {
    /// By file and name, with their bytes and last use; `None` if the file does not have it.
    columns: HashMap<(u64, String), (Option<Column>, usize, u64)>,
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
            described: Mutex::default(),
            loading: Mutex::default(),
        }
    }

    /// Whether files come from afar.
    pub(crate) fn is_far(&self) -> bool {
        self.objects.at_once() > 1
    }

    /// Whether the cache has room for more.
    pub(crate) fn has_room(&self) -> bool {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.bytes < cache.most / 4 * 3
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
    ) -> Result<(ParquetRecordBatchReaderBuilder<Chunks>, Chunks), StoreError> {
        let known = {
            let described = self.described.lock();
            let described = described.unwrap_or_else(PoisonError::into_inner);
            described.get(&entry.path).cloned()
        };
        let part = match &known {
            Some(_) => self.objects.open_known(&entry.path, entry.bytes),
            None => self.objects.open(&entry.path),
        };
        let part = part.map_err(|error| StoreError::io(entry.path.clone(), "read", error))?;
        if part.size() != entry.bytes {
            return Err(StoreError::damaged(
                entry.path.clone(),
                format!("it has {} bytes instead of {}", part.size(), entry.bytes),
            ));
        }
        let chunks = Chunks(Arc::from(part));
        let metadata = match known {
            Some(known) => known,
            None => {
                let read = ArrowReaderMetadata::load(&chunks, Default::default())
                    .map_err(|error| of_file(error, entry))?;
                if self.is_far() {
                    let described = self.described.lock();
                    let mut described = described.unwrap_or_else(PoisonError::into_inner);
                    if described.len() >= DESCRIPTIONS {
                        described.clear();
                    }
                    described.insert(entry.path.clone(), read.clone());
                }
                read
            }
        };
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks.clone(), metadata);
        Ok((builder, chunks))
    }

    /// The hosts of a file, from the manifest or from the file itself.
    pub(crate) fn hosts(&self, entry: &FileEntry) -> Result<Vec<HostSpan>, StoreError> {
        if let Some(hosts) = &entry.hosts {
            return Ok(hosts.clone());
        }
        let (builder, _) = self.builder(entry)?;
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
        let (builder, chunks) = self.builder(entry)?;
        let all = 0..entry.bytes;
        chunks.prepare(&[all], entry)?;
        let reader = builder
            .with_batch_size(GROUP_ROWS)
            .build()
            .map_err(|error| of_file(error, entry))?;
        reader
            .collect::<Result<Vec<_>, ArrowError>>()
            .map_err(|error| of_file(error, entry))
    }

    /// Those of the columns of which the cache knows what the file has.
    fn cached<'n>(
        &self,
        entry: &FileEntry,
        names: &'n [String],
    ) -> HashMap<&'n str, Option<Column>> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let all = names.iter();
        all.filter_map(|name| Some((name.as_str(), cache.get(entry.number, name)?)))
            .collect()
    }

    /// Columns of a file by their names in it. Each is `None` if the file does not have it.
    pub(crate) fn columns(
        &self,
        entry: &FileEntry,
        names: &[String],
    ) -> Result<Vec<Option<Column>>, StoreError> {
        let mut found = self.cached(entry, names);
        // Others may be reading it now.
        let turn = (self.is_far() && found.len() < names.len()).then(|| {
            let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
            loading.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(loading.entry(entry.number).or_default())
        });
        let _turn = turn.as_ref().map(|turn| {
            let held = turn.lock().unwrap_or_else(PoisonError::into_inner);
            found = self.cached(entry, names);
            held
        });
        let missing: Vec<&String> = names
            .iter()
            .filter(|name| !found.contains_key(name.as_str()))
            .collect();
        if !missing.is_empty() {
            let (builder, chunks) = self.builder(entry)?;
            let schema = Arc::clone(builder.schema());
            let mut places: Vec<usize> = missing
                .iter()
                .filter_map(|name| schema.index_of(name).ok())
                .collect();
            places.sort_unstable();
            places.dedup();
            if !places.is_empty() {
                let mask = ProjectionMask::roots(builder.parquet_schema(), places.iter().copied());
                let groups = builder.metadata().row_groups().iter();
                let asked: Vec<Range<u64>> = groups
                    .flat_map(|group| group.columns().iter().enumerate())
                    .filter(|(leaf, _)| mask.leaf_included(*leaf))
                    .map(|(_, column)| {
                        let (start, length) = column.byte_range();
                        start..start.saturating_add(length)
                    })
                    .collect();
                chunks.prepare(&asked, entry)?;
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
                for (place, column) in places.iter().zip(columns) {
                    let name = schema.field(*place).name();
                    if let Some(name) = missing.iter().find(|one| one.as_str() == name) {
                        found.insert(name, Some(column.into()));
                    }
                }
            }
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            for name in missing {
                let column = found.entry(name).or_default();
                cache.put(entry.number, name, column.clone());
            }
        }
        Ok(names
            .iter()
            .map(|name| found.get(name.as_str()).cloned().flatten())
            .collect())
    }

    /// Whether the cache knows of all these columns what the file has.
    pub(crate) fn has_cached(&self, entry: &FileEntry, names: &[String]) -> bool {
        self.cached(entry, names).len() == names.len()
    }

    /// Events of a file: those of `columns` (by catalog name) that it has, and their times.
    pub(crate) fn events(
        &self,
        entry: &FileEntry,
        columns: &[(String, DataType)],
    ) -> Result<Vec<RecordBatch>, StoreError> {
        use datafusion::arrow::datatypes::{Field, Schema};

        let names = names_in_files(columns.iter().map(|(name, _)| name.as_str()));
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

/// The columns of files for columns of the catalog, with the times.
pub(crate) fn names_in_files<'n>(columns: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut names = vec![names::TIME.to_owned()];
    for name in columns {
        match name {
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
    names
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
    fn get(&mut self, file: u64, name: &str) -> Option<Option<Column>> {
        self.clock += 1;
        let clock = self.clock;
        let (column, _, used) = self.columns.get_mut(&(file, name.to_owned()))?;
        *used = clock;
        Some(column.clone())
    }

    fn put(&mut self, file: u64, name: &str, column: Option<Column>) {
        let bytes = 128
            + column
                .iter()
                .flat_map(|column| column.iter())
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

impl Chunks {
    fn prepare(&self, ranges: &[Range<u64>], entry: &FileEntry) -> Result<(), StoreError> {
        let prepared = self.0.prepare(ranges);
        prepared.map_err(|error| StoreError::io(entry.path.clone(), "read", error))
    }
}

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
