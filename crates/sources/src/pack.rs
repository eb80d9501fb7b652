//! Repetitive columns, dictionary-encoded: accounts, hosts, logon types and the like make up most of a large log but
//! have few distinct values.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowDictionaryKeyType, UInt8Type, UInt16Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, PrimitiveArray, RecordBatch, StringArray, UInt8Array,
    UInt16Array,
};
use arrow_schema::{ArrowError, DataType, Schema};

use crate::collect::Through;

/// Smaller columns stay unpacked: they cost little, and readers need not unpack them.
pub(crate) const LEAST_ROWS: usize = 1 << 15;
/// Maximum number of distinct values in a packed column; one code is reserved for "no value".
const MOST_VALUES: usize = u16::MAX as usize - 1;

/// A text column, packed if that makes it smaller, otherwise `None`.
pub(crate) fn pack(column: &ArrayRef) -> Option<ArrayRef> {
    let texts = column.as_string_opt::<i32>()?;
    let most = (texts.len() / 8).min(MOST_VALUES);
    let mut numbers: HashMap<&str, u16, BuildHasherDefault<Through>> = HashMap::default();
    let mut keys: Vec<Option<u16>> = Vec::with_capacity(texts.len());
    for text in texts {
        let Some(text) = text else {
            keys.push(None);
            continue;
        };
        let next = u16::try_from(numbers.len()).ok()?;
        let number = *numbers.entry(text).or_insert(next);
        if numbers.len() > most {
            return None;
        }
        keys.push(Some(number));
    }
    let mut values: Vec<(&str, u16)> = numbers.into_iter().collect();
    values.sort_unstable_by_key(|(_, number)| *number);
    let values: ArrayRef = Arc::new(StringArray::from_iter_values(
        values.into_iter().map(|(text, _)| text),
    ));
    if values.len() <= u8::MAX as usize {
        let keys: UInt8Array = keys
            .into_iter()
            .map(|key| key.and_then(|key| u8::try_from(key).ok()))
            .collect();
        Some(Arc::new(
            DictionaryArray::<UInt8Type>::try_new(keys, values).ok()?,
        ))
    } else {
        let keys: UInt16Array = keys.into_iter().collect();
        Some(Arc::new(
            DictionaryArray::<UInt16Type>::try_new(keys, values).ok()?,
        ))
    }
}

/// A long text column, packed if that makes it smaller; any other unchanged.
pub fn packed(column: &ArrayRef) -> ArrayRef {
    let packed = (column.len() >= LEAST_ROWS).then(|| pack(column)).flatten();
    packed.unwrap_or_else(|| Arc::clone(column))
}

/// A column without any value.
pub fn nothing(rows: usize, data_type: &DataType) -> ArrayRef {
    if *data_type == DataType::Utf8 && rows >= LEAST_ROWS {
        let keys = UInt8Array::new_null(rows);
        let values: ArrayRef = Arc::new(StringArray::from(Vec::<&str>::new()));
        if let Ok(array) = DictionaryArray::<UInt8Type>::try_new(keys, values) {
            return Arc::new(array);
        }
    }
    arrow_array::new_null_array(data_type, rows)
}

/// The type of a column for its readers.
pub(crate) fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, _) => DataType::Utf8,
        other => other.clone(),
    }
}

/// A text column, unpacked; any other unchanged.
///
/// # Errors
/// An Arrow error if the texts would take more than 2 GiB.
pub fn unpacked(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    fn take<K: ArrowDictionaryKeyType>(column: &dyn Array) -> Result<ArrayRef, ArrowError> {
        let dictionary = column.as_dictionary::<K>();
        arrow_select::take::take(dictionary.values(), dictionary.keys(), None)
    }
    match column.data_type() {
        DataType::Dictionary(key, _) if **key == DataType::UInt8 => take::<UInt8Type>(column),
        DataType::Dictionary(key, _) if **key == DataType::UInt16 => take::<UInt16Type>(column),
        _ => Ok(Arc::clone(column)),
    }
}

/// A batch with all its columns unpacked.
///
/// # Errors
/// As [`unpacked`].
pub fn unpacked_batch(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = batch
        .columns()
        .iter()
        .map(unpacked)
        .collect::<Result<Vec<_>, _>>()?;
    let fields: Vec<_> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| {
            field
                .as_ref()
                .clone()
                .with_data_type(plain_type(field.data_type()))
        })
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// A column of texts, packed or not, read value by value.
#[derive(Debug, Clone, Copy)]
pub enum Texts<'a> {
    /// As they are.
    Plain(&'a StringArray),
    /// Codes for up to 255 values.
    Byte(&'a PrimitiveArray<UInt8Type>, &'a StringArray),
    /// Codes for up to 65,535 values.
    Word(&'a PrimitiveArray<UInt16Type>, &'a StringArray),
}

impl<'a> Texts<'a> {
    /// The texts of a column; `None` if it has another type.
    pub fn new(column: &'a dyn Array) -> Option<Self> {
        match column.data_type() {
            DataType::Utf8 => column.as_string_opt::<i32>().map(Self::Plain),
            DataType::Dictionary(key, _) if **key == DataType::UInt8 => {
                let dictionary = column.as_dictionary_opt::<UInt8Type>()?;
                let values = dictionary.values().as_string_opt::<i32>()?;
                Some(Self::Byte(dictionary.keys(), values))
            }
            DataType::Dictionary(key, _) if **key == DataType::UInt16 => {
                let dictionary = column.as_dictionary_opt::<UInt16Type>()?;
                let values = dictionary.values().as_string_opt::<i32>()?;
                Some(Self::Word(dictionary.keys(), values))
            }
            _ => None,
        }
    }

    /// The text in a row, if there is one.
    pub fn get(&self, row: usize) -> Option<&'a str> {
        let (values, at) = match self {
            Self::Plain(values) => (*values, row),
            Self::Byte(keys, values) => {
                if row >= keys.len() || keys.is_null(row) {
                    return None;
                }
                (*values, keys.value(row) as usize)
            }
            Self::Word(keys, values) => {
                if row >= keys.len() || keys.is_null(row) {
                    return None;
                }
                (*values, keys.value(row) as usize)
            }
        };
        (at < values.len() && values.is_valid(at)).then(|| values.value(at))
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    /// Otherwise a lookup compares with all others.
    #[test]
    fn texts_differ_in_their_hashes() {
        let build = BuildHasherDefault::<Through>::default();
        let hashes: std::collections::HashSet<u64> = (0..10_000)
            .map(|number| build.hash_one(format!("value {number}").as_str()))
            .collect();
        assert_eq!(hashes.len(), 10_000);
    }

    #[test]
    fn packing_changes_no_value() {
        for (distinct, packed) in [(3, true), (300, true), (30_000, false)] {
            let texts: StringArray = (0..40_000)
                .map(|row| (row % 7 != 0).then(|| format!("value {}", row % distinct)))
                .collect();
            let plain: ArrayRef = Arc::new(texts.clone());
            let Some(small) = pack(&plain) else {
                assert!(!packed, "{distinct}");
                continue;
            };
            assert!(packed, "{distinct}");
            let again = unpacked(&small).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(again.as_string::<i32>(), &texts);
            let read = Texts::new(&small).unwrap_or_else(|| panic!("no texts"));
            for row in [0, 1, 7, 39_999] {
                assert_eq!(read.get(row), texts.is_valid(row).then(|| texts.value(row)));
            }
            assert_eq!(read.get(40_000), None);
        }
    }
}
