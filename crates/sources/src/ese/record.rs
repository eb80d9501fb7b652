//! Rows as they are stored: values of fixed columns, of variable ones, and of those ("tagged") that are there only if they have a value.

use std::collections::HashMap;

use super::page::Format;

/// How a value is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept<'r> {
    /// In the row. Of several values of a column the first.
    Here(&'r [u8]),
    /// Likewise, compressed.
    Compressed(&'r [u8]),
    /// Among the table's long values, under this number.
    Apart(&'r [u8]),
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'r> {
    bytes: &'r [u8],
    large: bool,
    /// Ids of the last fixed and of the last variable column that it has.
    last_fixed: u16,
    last_variable: u16,
    /// Where the ends of variable values begin.
    ends: usize,
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*two))
}

/// Upper bit of an offset: the value is not here.
const ABSENT: u16 = 0x8000;
/// First id of a variable column.
const FIRST_VARIABLE: u16 = 128;

impl<'r> Record<'r> {
    pub fn new(bytes: &'r [u8], format: Format) -> Option<Self> {
        let (last_fixed, last_variable) = (*bytes.first()?, *bytes.get(1)?);
        let record = Self {
            bytes,
            large: format.large,
            last_fixed: u16::from(last_fixed),
            last_variable: u16::from(last_variable),
            ends: usize::from(short(bytes, 2)?),
        };
        let fits = record.nulls()? >= 4 && record.variable_start() <= bytes.len();
        (record.last_fixed < FIRST_VARIABLE && fits).then_some(record)
    }

    /// Where the bits begin that say which fixed columns have no value: behind the values.
    fn nulls(&self) -> Option<usize> {
        self.ends
            .checked_sub(usize::from(self.last_fixed).div_ceil(8))
    }

    /// The value of the fixed column `id`, of `size` bytes at `offset`.
    pub fn fixed(&self, id: u16, offset: usize, size: usize) -> Option<&'r [u8]> {
        let place = usize::from(id.checked_sub(1)?);
        if id > self.last_fixed || offset < 4 {
            return None;
        }
        let nulls = self.nulls()?;
        let byte = self.bytes.get(nulls + place / 8)?;
        let end = offset.checked_add(size)?;
        (byte >> (place % 8) & 1 == 0 && end <= nulls)
            .then(|| self.bytes.get(offset..end))
            .flatten()
    }

    fn variables(&self) -> usize {
        usize::from((self.last_variable + 1).saturating_sub(FIRST_VARIABLE))
    }

    /// Where the values of variable columns begin.
    fn variable_start(&self) -> usize {
        self.ends + self.variables() * 2
    }

    /// The end of a variable value, from where they begin.
    fn end(&self, place: usize) -> Option<u16> {
        short(self.bytes, self.ends + place * 2)
    }

    pub fn variable(&self, id: u16) -> Option<&'r [u8]> {
        let place = usize::from(id.checked_sub(FIRST_VARIABLE)?);
        if place >= self.variables() {
            return None;
        }
        let start = match place.checked_sub(1) {
            Some(before) => usize::from(self.end(before)? & !ABSENT),
            None => 0,
        };
        let end = self.end(place)?;
        let from = self.variable_start();
        (end & ABSENT == 0)
            .then(|| self.bytes.get(from + start..from + usize::from(end)))
            .flatten()
    }

    /// The values of tagged columns, by id. Those that a template table brings along are left out.
    pub fn tagged(&self) -> HashMap<u16, Kept<'r>> {
        self.tags().unwrap_or_default()
    }

    fn tags(&self) -> Option<HashMap<u16, Kept<'r>>> {
        const DERIVED: u16 = 0x8000;
        const NULL: u16 = 0x2000;
        const HAS_FLAGS: u16 = 0x4000;
        let last = match self.variables().checked_sub(1) {
            Some(last) => usize::from(self.end(last)? & !ABSENT),
            None => 0,
        };
        let area = self.bytes.get(self.variable_start() + last..)?;
        let mask = if self.large { 0x7fff } else { 0x1fff };
        let entry = |at: usize| Some((short(area, at * 4)?, short(area, at * 4 + 2)?));
        let (_, first) = entry(0)?;
        // The values begin behind the entries.
        let count = usize::from(first & mask) / 4;
        let mut values = HashMap::with_capacity(count.min(area.len() / 4));
        for at in 0..count.min(area.len() / 4) {
            let Some((id, offset)) = entry(at) else { break };
            let start = usize::from(offset & mask);
            let end = match entry(at + 1).filter(|_| at + 1 < count) {
                Some((_, next)) => usize::from(next & mask),
                None => area.len(),
            };
            let Some(bytes) = area.get(start..end) else {
                continue;
            };
            if offset & DERIVED != 0 || (!self.large && offset & NULL != 0) {
                continue;
            }
            let kept = if self.large || offset & HAS_FLAGS != 0 {
                bytes
                    .split_first()
                    .and_then(|(flags, rest)| kept(*flags, rest))
            } else {
                Some(Kept::Here(bytes))
            };
            if let Some(kept) = kept {
                values.insert(id, kept);
            }
        }
        Some(values)
    }
}

/// A value behind its flags.
fn kept(flags: u8, bytes: &[u8]) -> Option<Kept<'_>> {
    const COMPRESSED: u8 = 2;
    const APART: u8 = 4;
    const SEVERAL: u8 = 8;
    const TWO: u8 = 16;
    const NULL: u8 = 32;
    const ENCRYPTED: u8 = 64;
    if flags & (NULL | ENCRYPTED) != 0 {
        return None;
    }
    let (mut first, mut apart) = (bytes, flags & APART != 0);
    if flags & TWO != 0 {
        let (size, rest) = bytes.split_first()?;
        first = rest.get(..usize::from(*size))?;
    } else if flags & SEVERAL != 0 {
        let (start, next) = (short(bytes, 0)?, short(bytes, 2));
        let count = usize::from(start & !ABSENT) / 2;
        let end = match next.filter(|_| count > 1) {
            Some(next) => usize::from(next & !ABSENT),
            None => bytes.len(),
        };
        first = bytes.get(usize::from(start & !ABSENT)..end)?;
        apart = start & ABSENT != 0;
    }
    Some(if apart {
        Kept::Apart(first)
    } else if flags & COMPRESSED != 0 {
        Kept::Compressed(first)
    } else {
        Kept::Here(first)
    })
}
