//! Events become files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crabwalk_sources::collect::{HOST, IDENTITY, RECORD, SOURCE, TIME};
use crabwalk_sources::pack::{Texts, unpacked};
use crabwalk_vocabulary::EventType;
use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListArray, RecordBatch, StringBuilder,
    TimestampMicrosecondArray, UInt32Array, UInt64Array,
};
use datafusion::arrow::compute::{interleave, is_not_null, nullif};
use datafusion::arrow::datatypes::{
    DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit, UInt32Type, UInt64Type,
};
use datafusion::arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::manifest::HostSpan;
use crate::names::{self, DAY};

/// Rows of a row group, and so of a batch when reading.
pub(crate) const GROUP_ROWS: usize = 1 << 17;
/// Most rows of a file.
pub(crate) const FILE_ROWS: usize = 1 << 20;
/// Maximum memory for the events of a file, in bytes.
const FILE_BYTES: usize = 512 << 20;
/// Up to this many rows, several days share a file: a file per day would be mostly footer.
pub(crate) const DAY_ROWS: usize = 1 << 16;
/// Number of rows to assemble at a time.
const CHUNK_ROWS: usize = 1 << 14;
/// Key of the list of hosts in a file's metadata.
pub(crate) const HOSTS_KEY: &str = "crabwalk.hosts";

/// Events of one type, in the store's columns, unpacked.
#[derive(Debug)]
pub(crate) struct Rows {
    pub batch: RecordBatch,
}

/// A file, ready to be written.
#[derive(Debug)]
pub(crate) struct Written {
    pub bytes: Vec<u8>,
    pub rows: u64,
    pub first: i64,
    pub last: i64,
    /// Field columns, sorted.
    pub columns: Vec<String>,
    pub hosts: Vec<HostSpan>,
}

/// Converts a batch from the readers to the store's columns. `source` maps source ids to the store's.
pub(crate) fn stored(
    batch: &RecordBatch,
    source: &dyn Fn(u32) -> u32,
) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    let mut put = |name: String, column: ArrayRef| {
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    };
    let schema = batch.schema();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        match field.name().as_str() {
            TIME => {
                let times = column
                    .as_primitive_opt::<Int64Type>()
                    .ok_or_else(|| wrong(TIME))?;
                let times =
                    TimestampMicrosecondArray::new(times.values().clone(), times.nulls().cloned());
                put(names::TIME.to_owned(), Arc::new(times.with_timezone("UTC")));
            }
            HOST => put(names::HOST.to_owned(), unpacked(column)?),
            SOURCE => {
                let sources = column
                    .as_primitive_opt::<UInt32Type>()
                    .ok_or_else(|| wrong(SOURCE))?;
                let sources: UInt32Array = sources.unary(source);
                put(names::SOURCE.to_owned(), Arc::new(sources));
            }
            RECORD => put(names::RECORD.to_owned(), Arc::clone(column)),
            IDENTITY => {
                if column.null_count() < column.len() {
                    put(names::IDENTITY.to_owned(), Arc::clone(column));
                }
            }
            name => {
                let column = unpacked(column)?;
                if column.null_count() == column.len() {
                    continue;
                }
                match column.as_list_opt::<i32>() {
                    None => put(names::column(name), column),
                    Some(list) => {
                        let (single, several) = parted(list)?;
                        if single.null_count() < single.len() {
                            put(names::column(name), single);
                        }
                        if several.null_count() < several.len() {
                            put(names::several(name), several);
                        }
                    }
                }
            }
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn wrong(column: &str) -> ArrowError {
    ArrowError::SchemaError(format!("column {column} has the wrong type"))
}

/// Splits a list column: rows with one value, as texts, and rows with any other number, as lists.
fn parted(list: &ListArray) -> Result<(ArrayRef, ArrayRef), ArrowError> {
    let values = list
        .values()
        .as_string_opt::<i32>()
        .ok_or_else(|| wrong("of several values"))?;
    let is_single = |row: usize| list.is_valid(row) && list.value_length(row) == 1;
    let mut single = StringBuilder::new();
    for (row, at) in list.value_offsets().iter().enumerate().take(list.len()) {
        let at = usize::try_from(*at).unwrap_or_default();
        if is_single(row) && values.is_valid(at) {
            single.append_value(values.value(at));
        } else {
            single.append_null();
        }
    }
    let single: ArrayRef = Arc::new(single.finish());
    let others = nullif(list, &is_not_null(&single)?)?;
    Ok((single, others))
}

/// The sort key of a row: host, time, record number, identity, then input order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    host: u32,
    time: i64,
    record: u64,
    identity: u64,
    batch: u32,
    row: u32,
}

/// Writes events of one type to files: in order of time if they are many and span several days, each file sorted by
/// host and time.
pub(crate) fn files(event_type: &EventType, parts: &[Rows]) -> Result<Vec<Written>, WriteError> {
    let mut hosts: BTreeSet<&str> = BTreeSet::new();
    let mut columns = Vec::new();
    for part in parts {
        let batch = &part.batch;
        let host = batch
            .column_by_name(names::HOST)
            .and_then(|column| Texts::new(column));
        let times = times(batch);
        let (Some(host), Some(times)) = (host, times) else {
            return Err(wrong(names::HOST).into());
        };
        let number = |name: &str| {
            batch
                .column_by_name(name)
                .and_then(|column| column.as_primitive_opt::<UInt64Type>())
        };
        for row in 0..batch.num_rows() {
            hosts.insert(host.get(row).unwrap_or_default());
        }
        columns.push((host, times, number(names::RECORD), number(names::IDENTITY)));
    }
    let ranks: BTreeMap<&str, u32> = hosts.iter().copied().zip(0..).collect();
    let mut keys = Vec::new();
    let mut bytes = 0;
    for (at, (part, own)) in parts.iter().zip(&columns).enumerate() {
        bytes += part.batch.get_array_memory_size();
        let (host, times, records, identities) = own;
        for row in 0..times.len() {
            let of = |numbers: &Option<&UInt64Array>| {
                numbers
                    .filter(|numbers| numbers.is_valid(row))
                    .map_or(0, |numbers| numbers.value(row))
            };
            keys.push(Key {
                host: ranks
                    .get(host.get(row).unwrap_or_default())
                    .copied()
                    .unwrap_or_default(),
                time: times.value(row),
                record: of(records),
                identity: of(identities),
                batch: u32::try_from(at).unwrap_or(u32::MAX),
                row: u32::try_from(row).unwrap_or(u32::MAX),
            });
        }
    }
    let per_row = bytes / keys.len().max(1) + 1;
    let most = FILE_ROWS.min(FILE_BYTES / per_row).max(1);
    keys.sort_unstable_by_key(|key| key.time);
    let names: Vec<&str> = hosts.into_iter().collect();
    by_days(&keys, most)
        .into_iter()
        .map(|keys| {
            let mut own: Vec<&Key> = keys.iter().collect();
            own.sort_unstable();
            file(event_type, parts, &own, &names)
        })
        .collect()
}

/// Splits events, sorted by time, at midnights so that each part is large enough, and elsewhere only if a part is too
/// large.
fn by_days(keys: &[Key], most: usize) -> Vec<&[Key]> {
    let day = |key: &Key| key.time.div_euclid(DAY);
    let mut parts = Vec::new();
    // What is in no part yet, and how much of it belongs to the days seen so far.
    let mut rest = keys;
    let mut held = 0;
    for own in keys.chunk_by(|a, b| day(a) == day(b)) {
        // Adding it to the preceding days would make the part too large.
        if held > 0 && held + own.len() > most {
            parts.extend(rest.split_off(..held));
            held = 0;
        }
        held += own.len();
        while held > most {
            parts.extend(rest.split_off(..most));
            held -= most;
        }
        if held >= DAY_ROWS {
            parts.extend(rest.split_off(..held));
            held = 0;
        }
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

fn times(batch: &RecordBatch) -> Option<Int64Array> {
    use datafusion::arrow::datatypes::TimestampMicrosecondType;
    let times = batch
        .column_by_name(names::TIME)?
        .as_primitive_opt::<TimestampMicrosecondType>()?;
    Some(Int64Array::new(
        times.values().clone(),
        times.nulls().cloned(),
    ))
}

fn file(
    event_type: &EventType,
    parts: &[Rows],
    keys: &[&Key],
    hosts: &[&str],
) -> Result<Written, WriteError> {
    // The union of all columns, without those that have no value in these rows.
    let mut types: BTreeMap<&str, &DataType> = BTreeMap::new();
    let mut rows_of: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for key in keys {
        rows_of.entry(key.batch).or_default().push(key.row);
    }
    let used: BTreeSet<u32> = rows_of.keys().copied().collect();
    for (part, at) in parts.iter().zip(0..) {
        let Some(rows) = rows_of.get(&at) else {
            continue;
        };
        let schema = part.batch.schema_ref();
        for (field, column) in schema.fields().iter().zip(part.batch.columns()) {
            if types.contains_key(field.name().as_str()) {
                continue;
            }
            if rows.iter().any(|row| column.is_valid(*row as usize)) {
                types.insert(field.name(), field.data_type());
            }
        }
    }
    let made = [names::TIME, names::HOST, names::SOURCE, names::RECORD];
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fields = vec![
        Field::new(names::TIME, timestamp, false),
        Field::new(names::HOST, DataType::Utf8, true),
        Field::new(names::SOURCE, DataType::UInt32, false),
        Field::new(names::RECORD, DataType::UInt64, false),
    ];
    fields.extend(
        types
            .iter()
            .filter(|(name, _)| !made.contains(name))
            .map(|(name, data_type)| Field::new(*name, (*data_type).clone(), true)),
    );
    let columns: Vec<String> = fields
        .iter()
        .map(|field| field.name().clone())
        .filter(|name| names::field(name).is_some())
        .collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let mut spans: BTreeMap<u32, HostSpan> = BTreeMap::new();
    for key in keys {
        let span = spans.entry(key.host).or_insert_with(|| {
            let name = hosts.get(key.host as usize).copied().unwrap_or_default();
            HostSpan(name.to_owned(), 0, key.time, key.time)
        });
        span.1 += 1;
        span.2 = span.2.min(key.time);
        span.3 = span.3.max(key.time);
    }
    let spans: Vec<HostSpan> = spans.into_values().collect();
    let properties = properties(event_type, &schema, &spans)?;
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties))?;
    for chunk in keys.chunks(CHUNK_ROWS) {
        let places: Vec<(usize, usize)> = chunk
            .iter()
            .map(|key| (key.batch as usize, key.row as usize))
            .collect();
        let columns = schema
            .fields()
            .iter()
            .map(|field| gather(parts, &used, field, &places))
            .collect::<Result<Vec<_>, _>>()?;
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
    }
    let bytes = writer.into_inner()?;
    Ok(Written {
        bytes,
        rows: keys.len() as u64,
        first: keys.iter().map(|key| key.time).min().unwrap_or_default(),
        last: keys.iter().map(|key| key.time).max().unwrap_or_default(),
        columns,
        hosts: spans,
    })
}

/// One column of these rows.
fn gather(
    parts: &[Rows],
    used: &BTreeSet<u32>,
    field: &Field,
    places: &[(usize, usize)],
) -> Result<ArrayRef, ArrowError> {
    let nothing = datafusion::arrow::array::new_null_array(field.data_type(), 1);
    // If a part lacks the column, its only row is none.
    let mut arrays: Vec<&dyn Array> = Vec::with_capacity(used.len());
    let mut at: Vec<Option<(usize, bool)>> = Vec::with_capacity(parts.len());
    for (part, number) in parts.iter().zip(0..) {
        at.push(used.contains(&number).then(|| {
            let column = part.batch.column_by_name(field.name());
            arrays.push(column.map_or(nothing.as_ref(), AsRef::as_ref));
            (arrays.len() - 1, column.is_some())
        }));
    }
    let places: Vec<(usize, usize)> = places
        .iter()
        .map(|(part, row)| match at.get(*part).copied().flatten() {
            Some((array, true)) => (array, *row),
            Some((array, false)) => (array, 0),
            None => (0, 0),
        })
        .collect();
    interleave(&arrays, &places)
}

fn properties(
    event_type: &EventType,
    schema: &SchemaRef,
    hosts: &[HostSpan],
) -> Result<WriterProperties, WriteError> {
    let path = |name: &str| ColumnPath::new(vec![name.to_owned()]);
    let place = |name: &str| {
        schema
            .index_of(name)
            .ok()
            .and_then(|at| i32::try_from(at).ok())
    };
    // A file's columns are leaves; before the first list they have the schema's positions.
    let sorted = [names::HOST, names::TIME]
        .into_iter()
        .filter_map(place)
        .map(|column_idx| SortingColumn {
            column_idx,
            descending: false,
            nulls_first: true,
        })
        .collect();
    let metadata = vec![
        KeyValue::new("crabwalk.channel".to_owned(), event_type.channel.clone()),
        KeyValue::new(
            "crabwalk.event_id".to_owned(),
            event_type.event_id.to_string(),
        ),
        KeyValue::new(
            HOSTS_KEY.to_owned(),
            serde_json::to_string(hosts).unwrap_or_default(),
        ),
    ];
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("crabwalk {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_data_page_row_count_limit(8192)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_statistics_truncate_length(Some(64))
        .set_column_index_truncate_length(Some(64))
        .set_key_value_metadata(Some(metadata))
        .set_sorting_columns(Some(sorted));
    for name in [names::TIME, names::HOST] {
        builder = builder.set_column_statistics_enabled(path(name), EnabledStatistics::Page);
    }
    for name in [names::TIME, names::RECORD] {
        builder = builder
            .set_column_dictionary_enabled(path(name), false)
            .set_column_encoding(path(name), Encoding::DELTA_BINARY_PACKED);
    }
    // Hashes are all different and do not compress.
    builder = builder.set_column_dictionary_enabled(path(names::IDENTITY), false);
    Ok(builder.build())
}

/// Events cannot become a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Parquet(#[from] ParquetError),
}

/// The rows of a batch that remain.
pub(crate) fn kept(batch: &RecordBatch, keep: &BooleanArray) -> Result<RecordBatch, ArrowError> {
    datafusion::arrow::compute::filter_record_batch(batch, keep)
}
