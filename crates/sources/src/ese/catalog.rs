//! The catalog: which tables there are, and their columns.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::damage::Damages;
use super::header::Error;
use super::page::{Format, Pages};
use super::record::Record;
use super::tree::Leaves;

/// Pages of the roots of the catalog and of its copy.
const ROOT: u32 = 4;
const COPY: u32 = 24;

/// Types of a column (JET_COLTYP) whose values are text.
const TEXT: u32 = 10;
const LONG_TEXT: u32 = 12;
/// The code page of UTF-16, little-endian.
const UTF_16: u32 = 1200;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Up to 127 of a fixed size, up to 255 of variable size, then kept only where they have a value.
    pub id: u16,
    pub name: String,
    /// For a fixed column, where its value is in a row, and its size, in bytes.
    pub offset: usize,
    pub size: usize,
    pub is_text: bool,
    pub is_utf16: bool,
}

/// A table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub root: u32,
    /// The root of its long values.
    pub long_values: Option<u32>,
    columns: BTreeMap<u16, Column>,
}

impl Table {
    /// The columns, by id.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.values()
    }

    /// Whether it has columns of all these names.
    pub fn has(&self, names: &[&str]) -> bool {
        names
            .iter()
            .all(|name| self.columns().any(|column| column.name == *name))
    }
}

/// What the catalog says.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// By their number, with their name.
    tables: BTreeMap<u32, (String, Table)>,
}

/// A row of the catalog, whose own columns never change.
struct Entry {
    table: u32,
    kind: u16,
    id: u32,
    /// Type of a column, or root of a tree.
    type_or_root: u32,
    size: u32,
    codepage: u32,
    offset: u16,
    name: String,
}

impl Entry {
    fn new(bytes: &[u8], format: Format) -> Option<Self> {
        let record = Record::new(bytes, format)?;
        let fixed = |id, offset, size| record.fixed(id, offset, size);
        let long = |id, offset| {
            let four = fixed(id, offset, 4)?;
            Some(u32::from_le_bytes(four.try_into().ok()?))
        };
        let short = |id, offset| {
            let two = fixed(id, offset, 2)?;
            Some(u16::from_le_bytes(two.try_into().ok()?))
        };
        Some(Self {
            table: long(1, 4)?,
            kind: short(2, 8)?,
            id: long(3, 10)?,
            type_or_root: long(4, 14)?,
            size: long(5, 18).unwrap_or(0),
            codepage: long(7, 26).unwrap_or(0),
            offset: short(9, 31).unwrap_or(0),
            name: String::from_utf8_lossy(record.variable(128).unwrap_or_default()).into_owned(),
        })
    }
}

impl Catalog {
    /// Reads the catalog, or where it has no table its copy.
    pub fn read<R: Read + Seek>(pages: &mut Pages<R>, damage: &mut Damages) -> Result<Self, Error> {
        let own = Self::from(pages, ROOT, damage)?;
        if !own.tables.is_empty() {
            return Ok(own);
        }
        let copy = Self::from(pages, COPY, damage)?;
        if copy.tables.is_empty() {
            return Err(Error::NoCatalog);
        }
        Ok(copy)
    }

    fn from<R: Read + Seek>(
        pages: &mut Pages<R>,
        root: u32,
        damage: &mut Damages,
    ) -> Result<Self, Error> {
        let mut catalog = Self::default();
        let mut leaves = Leaves::of(root);
        while let Some(page) = leaves.next(pages, damage)? {
            for node in page.nodes() {
                let Some(node) = node.filter(|node| !node.is_deleted()) else {
                    continue;
                };
                match Entry::new(node.data, pages.format()) {
                    Some(entry) => catalog.add(entry),
                    None => damage.push(|| page.damage("a row of the catalog is damaged")),
                }
            }
        }
        // Rows of a table whose own row is lost.
        catalog.tables.retain(|_, (_, table)| table.root != 0);
        Ok(catalog)
    }

    fn add(&mut self, entry: Entry) {
        let (name, table) = self.tables.entry(entry.table).or_default();
        match entry.kind {
            1 => {
                *name = entry.name;
                table.root = entry.type_or_root;
            }
            // A column that was deleted has no type.
            2 if entry.type_or_root != 0 => {
                let Ok(id) = u16::try_from(entry.id) else {
                    return;
                };
                let column = Column {
                    id,
                    name: entry.name,
                    offset: usize::from(entry.offset),
                    size: entry.size as usize,
                    is_text: matches!(entry.type_or_root, TEXT | LONG_TEXT),
                    is_utf16: entry.codepage == UTF_16,
                };
                table.columns.insert(id, column);
            }
            4 => table.long_values = Some(entry.type_or_root),
            _ => {}
        }
    }

    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables
            .values()
            .find(|(own, _)| own == name)
            .map(|(_, table)| table)
    }
}
