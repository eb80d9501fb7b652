//! Values of a row as what they mean.

use std::fmt::Write;

use super::catalog::Column;
use crate::time;

/// A row: the values that it has, in the order of the table's columns.
#[derive(Debug, Default)]
pub(crate) struct Row<'t> {
    values: Vec<(&'t Column, Vec<u8>)>,
}

impl<'t> Row<'t> {
    pub(super) fn push(&mut self, column: &'t Column, bytes: Vec<u8>) {
        self.values.push((column, bytes));
    }

    /// Names of columns, and their values.
    pub fn values(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.values
            .iter()
            .map(|(column, bytes)| (column.name.as_str(), bytes.as_slice()))
    }

    fn value(&self, name: &str) -> Option<(&Column, &[u8])> {
        self.values
            .iter()
            .find(|(column, _)| column.name == name)
            .map(|(column, bytes)| (*column, bytes.as_slice()))
    }

    /// The bytes of a value.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.value(name).map(|(_, bytes)| bytes)
    }

    /// A text; empty if there is none.
    pub fn text(&self, name: &str) -> String {
        let Some((column, bytes)) = self.value(name).filter(|(column, _)| column.is_text) else {
            return String::new();
        };
        let encoding = if column.is_utf16 {
            encoding_rs::UTF_16LE
        } else {
            encoding_rs::WINDOWS_1252
        };
        let (text, _) = encoding.decode_without_bom_handling(bytes);
        text.trim_end_matches('\0').to_owned()
    }

    /// A whole number without sign.
    pub fn number(&self, name: &str) -> Option<u64> {
        number(self.bytes(name)?)
    }

    /// A GUID, as Windows writes it without braces.
    pub fn guid(&self, name: &str) -> Option<String> {
        let bytes: [u8; 16] = self.bytes(name)?.try_into().ok()?;
        let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        let mut text = String::with_capacity(36);
        for (place, at) in order.into_iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            let byte = bytes.get(at).copied().unwrap_or_default();
            let _ = write!(text, "{byte:02x}");
        }
        Some(text)
    }

    /// A time that is kept as a FILETIME, in microseconds since 1970-01-01 UTC.
    pub fn filetime(&self, name: &str) -> Option<i64> {
        /// 1970-01-01, in steps of 100 ns since 1601-01-01.
        const UNIX: i64 = 116_444_736_000_000_000;
        let steps = i64::try_from(self.number(name).filter(|steps| *steps != 0)?).ok()?;
        time::possible((steps - UNIX).div_euclid(10))
    }
}

/// A whole number without sign, of up to 8 bytes.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    let mut all = [0; 8];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    (!bytes.is_empty()).then(|| u64::from_le_bytes(all))
}
