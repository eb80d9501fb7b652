//! Writes databases of the Extensible Storage Engine: what tests of its reader read. Only what a reader looks at is true; there are no
//! checksums, indexes and lists of free pages.

#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test may stop where it fails"
)]

use std::collections::BTreeMap;

/// How a value of a column is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// In the row.
    Plain(Vec<u8>),
    /// In the row, characters of 7 bits, from one byte each.
    Ascii(String),
    /// Likewise, from UTF-16.
    Wide(String),
    /// In the row, compressed by XPRESS.
    Xpress(Vec<u8>),
    /// Apart, as a long value.
    Long(Vec<u8>),
    /// Likewise, its parts compressed by XPRESS.
    LongXpress(Vec<u8>),
}

/// Text as UTF-16, little-endian.
pub fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A column: id, name, type (JET_COLTYP) and, of a fixed one, size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'n> {
    /// Up to 127 fixed, up to 255 variable, beyond that tagged.
    pub id: u16,
    /// Its name.
    pub name: &'n str,
    /// Type: 4 a number, 8 a time, 9 bytes, 12 text, 16 a GUID and so on.
    pub kind: u32,
    /// Bytes of a fixed one.
    pub size: usize,
}

/// A table: its name, columns, and rows: values by column id.
#[derive(Debug, Clone, Default)]
pub struct Table<'n> {
    /// Its name.
    pub name: &'n str,
    /// Its columns, by id.
    pub columns: Vec<Column<'n>>,
    /// Its rows, in the order of their keys.
    pub rows: Vec<BTreeMap<u16, Value>>,
}

/// A database.
#[derive(Debug, Clone)]
pub struct Database<'n> {
    /// Bytes of a page: 2048 to 32768, a power of two.
    pub page_size: usize,
    /// Whether it says that it was closed.
    pub clean: bool,
    /// Its tables.
    pub tables: Vec<Table<'n>>,
}

/// A key and what it leads to.
type Entry = (Vec<u8>, Vec<u8>);

struct Writer {
    page_size: usize,
    /// By number.
    pages: BTreeMap<u32, Vec<u8>>,
    next: u32,
}

const ROOT: u32 = 1;
const LEAF: u32 = 2;
const ABOVE_LEAF: u32 = 4;
const LONG_VALUES: u32 = 0x80;
const NEW_RECORDS: u32 = 0x800;

impl Writer {
    fn is_large(&self) -> bool {
        self.page_size > 8192
    }

    fn header(&self) -> usize {
        if self.is_large() { 80 } else { 40 }
    }

    /// Bytes of a node's key as it is stored, behind what it shares with the page's.
    fn node(&self, prefix: &[u8], key: &[u8], data: &[u8]) -> (u8, Vec<u8>) {
        let shared = prefix.iter().zip(key).take_while(|(a, b)| a == b).count();
        let length = |length: usize| u16::try_from(length).unwrap_or(0).to_le_bytes();
        let mut bytes = Vec::new();
        // Two bytes are not worth it.
        let flags = if shared > 2 {
            bytes.extend(length(shared));
            bytes.extend(length(key.len() - shared));
            bytes.extend(key.iter().skip(shared));
            4
        } else {
            bytes.extend(length(key.len()));
            bytes.extend(key);
            0
        };
        bytes.extend(data);
        if self.is_large() {
            bytes[1] |= flags << 5;
            (0, bytes)
        } else {
            (flags, bytes)
        }
    }

    /// Writes a page. `links`: the pages in front of it and behind it.
    fn page(&mut self, number: u32, object: u32, flags: u32, links: (u32, u32), nodes: &[Entry]) {
        let (header, size) = (self.header(), self.page_size);
        let prefix = match nodes.first() {
            Some((key, _)) if flags & ROOT == 0 => key.clone(),
            _ => Vec::new(),
        };
        // A root has something else where others have what their keys share.
        let first = if flags & ROOT == 0 {
            prefix.clone()
        } else {
            vec![0; 16]
        };
        let mut values = vec![(0, first)];
        let shared: &[u8] = if flags & ROOT == 0 { &prefix } else { &[] };
        values.extend(nodes.iter().map(|(key, data)| self.node(shared, key, data)));
        let mut bytes = vec![0; size];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(16, &links.0.to_le_bytes());
        put(20, &links.1.to_le_bytes());
        put(24, &object.to_le_bytes());
        let count = u16::try_from(values.len()).expect("few values");
        put(34, &count.to_le_bytes());
        put(36, &(flags | NEW_RECORDS).to_le_bytes());
        let mut end = 0;
        for (at, (flags, value)) in values.iter().enumerate() {
            put(header + end, value);
            let length = u16::try_from(value.len()).expect("a value of a page");
            let place = u16::try_from(end).expect("a place in a page") | u16::from(*flags) << 13;
            let tag = size - (at + 1) * 4;
            put(tag, &length.to_le_bytes());
            put(tag + 2, &place.to_le_bytes());
            end += value.len();
            assert!(header + end <= tag, "the values fit the page");
        }
        self.pages.insert(number, bytes);
    }

    /// Cuts entries into what fits pages.
    fn cut(&self, entries: &[Entry]) -> Vec<Vec<Entry>> {
        let room = self.page_size - self.header() - 300;
        let mut all: Vec<Vec<Entry>> = vec![Vec::new()];
        let mut used = 0;
        for (key, data) in entries {
            let size = key.len() + data.len() + 8;
            if used + size > room && used > 0 {
                all.push(Vec::new());
                used = 0;
            }
            used += size;
            if let Some(last) = all.last_mut() {
                last.push((key.clone(), data.clone()));
            }
        }
        all
    }

    /// Writes a tree with its root at `root`.
    fn tree(&mut self, root: u32, object: u32, kind: u32, entries: &[Entry]) {
        let mut level = self.cut(entries);
        let mut flags = LEAF;
        while level.len() > 1 {
            let numbers: Vec<u32> = (0..level.len())
                .map(|_| {
                    self.next += 1;
                    self.next
                })
                .collect();
            let mut above: Vec<Entry> = Vec::new();
            for (at, nodes) in level.iter().enumerate() {
                let before = at.checked_sub(1).map_or(0, |at| numbers[at]);
                let behind = numbers.get(at + 1).copied().unwrap_or(0);
                self.page(numbers[at], object, flags | kind, (before, behind), nodes);
                // The key of a page is above all in it, and not above the next one's first; the last has none.
                let key = level
                    .get(at + 1)
                    .map_or(Vec::new(), |next| next[0].0.clone());
                above.push((key, numbers[at].to_le_bytes().to_vec()));
            }
            flags = if flags == LEAF { ABOVE_LEAF } else { 0 };
            level = self.cut(&above);
        }
        self.page(root, object, flags | kind | ROOT, (0, 0), &level[0]);
    }

    /// A row. Long values go into `apart`.
    fn record(
        &self,
        table: &Table<'_>,
        row: &BTreeMap<u16, Value>,
        apart: &mut Vec<Entry>,
    ) -> Vec<u8> {
        let ids = |from: u16, to: u16| {
            row.keys()
                .copied()
                .filter(move |id| (from..=to).contains(id))
        };
        let last_fixed = ids(1, 127).max().unwrap_or(0);
        let last_variable = ids(128, 255).max().unwrap_or(127);
        let mut bytes = vec![last_fixed as u8, last_variable as u8, 0, 0];
        let mut nulls = vec![0_u8; usize::from(last_fixed).div_ceil(8)];
        for column in table
            .columns
            .iter()
            .filter(|column| column.id <= last_fixed)
        {
            match row.get(&column.id) {
                Some(Value::Plain(value)) => {
                    assert_eq!(value.len(), column.size, "{}", column.name);
                    bytes.extend(value);
                }
                _ => {
                    let place = usize::from(column.id - 1);
                    nulls[place / 8] |= 1 << (place % 8);
                    bytes.extend(vec![0xee; column.size]);
                }
            }
        }
        bytes.extend(&nulls);
        let ends = u16::try_from(bytes.len()).expect("a short row");
        bytes[2..4].copy_from_slice(&ends.to_le_bytes());
        let mut values: Vec<u8> = Vec::new();
        for id in 128..=last_variable {
            let absent = match row.get(&id) {
                Some(Value::Plain(value)) => {
                    values.extend(value);
                    0
                }
                _ => 0x8000,
            };
            let end = u16::try_from(values.len()).expect("short values") | absent;
            bytes.extend(end.to_le_bytes());
        }
        bytes.extend(values);
        let tagged: Vec<(u16, &Value)> = row
            .iter()
            .filter(|(id, _)| **id > 255)
            .map(|(id, value)| (*id, value))
            .collect();
        let mut values: Vec<u8> = Vec::new();
        for (id, value) in &tagged {
            let (flags, value) = self.kept(value, apart);
            // Small pages say in the offset whether flags stand in front of the value.
            let with_flags = self.is_large() || flags != 0;
            let bit = if with_flags && !self.is_large() {
                0x4000
            } else {
                0
            };
            let start = u16::try_from(tagged.len() * 4 + values.len()).expect("a short row");
            bytes.extend(id.to_le_bytes());
            bytes.extend((start | bit).to_le_bytes());
            if with_flags {
                values.push(flags);
            }
            values.extend(value);
        }
        bytes.extend(values);
        bytes
    }

    /// A tagged value as it stands in its row, and its flags.
    fn kept(&self, value: &Value, apart: &mut Vec<Entry>) -> (u8, Vec<u8>) {
        match value {
            Value::Plain(value) => (0, value.clone()),
            Value::Ascii(text) => (3, seven_bits(1, text)),
            Value::Wide(text) => (3, seven_bits(2, text)),
            Value::Xpress(value) => (3, xpress(value)),
            Value::Long(value) => (5, self.long(value, false, apart)),
            Value::LongXpress(value) => (5, self.long(value, true, apart)),
        }
    }

    /// Puts a value apart, and returns its number.
    fn long(&self, value: &[u8], compressed: bool, apart: &mut Vec<Entry>) -> Vec<u8> {
        let number = u32::try_from(apart.len() + 1).expect("few values");
        let key = number.to_be_bytes().to_vec();
        let size = u32::try_from(value.len()).expect("a short value");
        let mut root = 1_u32.to_le_bytes().to_vec();
        root.extend(size.to_le_bytes());
        apart.push((key.clone(), root));
        let part = self.page_size / 4;
        for (at, bytes) in value.chunks(part).enumerate() {
            let offset = u32::try_from(at * part).expect("a short value");
            let mut own = key.clone();
            own.extend(offset.to_be_bytes());
            let packed = xpress(bytes);
            let is_shorter = compressed && packed.len() < bytes.len();
            apart.push((own, if is_shorter { packed } else { bytes.to_vec() }));
        }
        number.to_le_bytes().to_vec()
    }
}

fn seven_bits(kind: u8, text: &str) -> Vec<u8> {
    let bits = text.len() * 7;
    let mut bytes = vec![0; bits.div_ceil(8)];
    for (at, letter) in text.bytes().enumerate() {
        for bit in 0..7 {
            let place = at * 7 + bit;
            bytes[place / 8] |= (letter >> bit & 1) << (place % 8);
        }
    }
    let used = u8::try_from((bits + 7) % 8).unwrap_or(0);
    let mut all = vec![kind << 3 | used];
    all.extend(bytes);
    all
}

/// [MS-XCA] 2.3, plain LZ77: finds the longest repetition at each place.
fn xpress(value: &[u8]) -> Vec<u8> {
    let size = u16::try_from(value.len()).expect("at most 64 KiB");
    let mut out = vec![0x18];
    out.extend(size.to_le_bytes());
    let (mut flags_at, mut flags, mut count) = (out.len(), 0_u32, 0);
    out.extend([0; 4]);
    let mut half: Option<usize> = None;
    let mut at = 0;
    while at < value.len() {
        if count == 32 {
            out[flags_at..flags_at + 4].copy_from_slice(&flags.to_le_bytes());
            (flags_at, flags, count) = (out.len(), 0, 0);
            out.extend([0; 4]);
        }
        count += 1;
        let same = |from: usize| {
            (0..value.len() - at)
                .take_while(|n| value[from + n] == value[at + n])
                .count()
        };
        let best = (at.saturating_sub(8192)..at)
            .map(|from| (same(from), from))
            .max();
        let Some((length, from)) = best.filter(|(length, _)| *length >= 3) else {
            flags <<= 1;
            out.push(value[at]);
            at += 1;
            continue;
        };
        flags = flags << 1 | 1;
        let mut rest = length - 3;
        let token = u16::try_from((at - from - 1) << 3 | rest.min(7)).expect("16 bits");
        out.extend(token.to_le_bytes());
        if rest >= 7 {
            rest -= 7;
            let low = u8::try_from(rest.min(15)).unwrap_or(15);
            match half.take() {
                Some(place) => out[place] |= low << 4,
                None => {
                    half = Some(out.len());
                    out.push(low);
                }
            }
            if rest >= 15 {
                rest -= 15;
                if rest < 255 {
                    out.push(u8::try_from(rest).unwrap_or(0));
                } else {
                    out.push(255);
                    out.extend(u16::try_from(length - 3).expect("16 bits").to_le_bytes());
                }
            }
        }
        at += length;
    }
    flags = if count == 32 {
        flags
    } else {
        flags << (32 - count)
    };
    out[flags_at..flags_at + 4].copy_from_slice(&flags.to_le_bytes());
    out
}

/// Keys that are in the order of these numbers, and share their beginning.
fn key(number: usize) -> Vec<u8> {
    let mut key = b"\x7fkey".to_vec();
    key.extend(u32::try_from(number).unwrap_or(0).to_be_bytes());
    key
}

/// Columns of the catalog, as far as they are written.
const CATALOG: [Column<'_>; 10] = {
    const fn column(id: u16, kind: u32, size: usize) -> Column<'static> {
        Column {
            id,
            name: "",
            kind,
            size,
        }
    }
    [
        column(1, 4, 4),
        column(2, 3, 2),
        column(3, 4, 4),
        column(4, 4, 4),
        column(5, 4, 4),
        column(6, 4, 4),
        column(7, 4, 4),
        column(8, 1, 1),
        column(9, 3, 2),
        column(128, 10, 0),
    ]
};

impl Database<'_> {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut writer = Writer {
            page_size: self.page_size,
            pages: BTreeMap::new(),
            next: 30,
        };
        let mut catalog = Table {
            name: "",
            columns: CATALOG.to_vec(),
            rows: Vec::new(),
        };
        let four = |number: u32| Value::Plain(number.to_le_bytes().to_vec());
        let two = |number: u16| Value::Plain(number.to_le_bytes().to_vec());
        for (at, table) in self.tables.iter().enumerate() {
            let object = u32::try_from(at * 10 + 100).expect("few tables");
            writer.next += 2;
            let (root, long) = (writer.next - 1, writer.next);
            let mut apart = Vec::new();
            let entries: Vec<Entry> = table
                .rows
                .iter()
                .enumerate()
                .map(|(at, row)| (key(at), writer.record(table, row, &mut apart)))
                .collect();
            writer.tree(root, object, 0, &entries);
            writer.tree(long, object + 1, LONG_VALUES, &apart);
            let mut offset = 4;
            let row = |kind: u16, id: u32, what: u32, name: &str| {
                BTreeMap::from([
                    (1, four(object)),
                    (2, two(kind)),
                    (3, four(id)),
                    (4, four(what)),
                    (128, Value::Plain(name.as_bytes().to_vec())),
                ])
            };
            catalog.rows.push(row(1, object, root, table.name));
            for column in &table.columns {
                let mut row = row(2, column.id.into(), column.kind, column.name);
                row.insert(5, four(u32::try_from(column.size).unwrap_or(0)));
                row.insert(7, four(1200));
                if column.id < 128 {
                    row.insert(9, two(u16::try_from(offset).unwrap_or(0)));
                    offset += column.size;
                }
                catalog.rows.push(row);
            }
            catalog.rows.push(row(4, object + 1, long, "LV"));
        }
        let entries: Vec<Entry> = catalog
            .rows
            .iter()
            .enumerate()
            .map(|(at, row)| (key(at), writer.record(&catalog, row, &mut Vec::new())))
            .collect();
        for root in [4, 24] {
            writer.tree(root, 2, 0, &entries);
        }
        let last = writer.next;
        let mut bytes = vec![0; self.page_size * (last as usize + 2)];
        for header in [0, self.page_size] {
            let mut put = |at: usize, number: u32| {
                let at = header + at;
                bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
            };
            put(4, 0x89ab_cdef);
            put(8, 0x620);
            put(52, if self.clean { 3 } else { 2 });
            put(232, 0x14);
            put(236, u32::try_from(self.page_size).unwrap_or(0));
        }
        for (number, page) in &writer.pages {
            let at = (*number as usize + 1) * self.page_size;
            bytes[at..at + page.len()].copy_from_slice(page);
        }
        bytes
    }
}
