//! Databases of the Extensible Storage Engine (ESE, "JET Blue"), read only, as far as a log in one needs it: tables of current formats,
//! their columns and long values.
//!
//! Format facts: Microsoft's published sources of the engine, and Joachim Metz, "Extensible Storage Engine (ESE) Database File (EDB)
//! format specification". A database is a file of pages of one size. Pages form B+ trees: one per table, one for a table's long values.
//! The tree of the catalog, at a fixed page, says where the others are and which columns tables have.
//!
//! Files are hostile. Every page is read at most once per walk over a table, values of a page cannot be larger together than the page,
//! and a value is cut at some KiB, so the work is bounded by the size of the file. What is damaged is told and left out.

mod catalog;
mod compression;
mod damage;
mod header;
mod page;
mod record;
mod tree;
mod value;

use std::io::{Read, Seek};

use self::catalog::Catalog;
pub(crate) use self::catalog::{Column, Table};
use self::damage::MOST_BYTES;
pub(crate) use self::damage::{Damage, Damages};
pub(crate) use self::header::{Error, is_database};
use self::header::{Header, State};
use self::page::Pages;
use self::record::{Kept, Record};
use self::tree::Leaves;
pub(crate) use self::value::{Row, number};

/// An open database.
#[derive(Debug)]
pub(crate) struct Database<R> {
    header: Header,
    pages: Pages<R>,
    catalog: Catalog,
}

impl<R: Read + Seek> Database<R> {
    /// Opens a database. Damage of its catalog is put into `damage`.
    ///
    /// # Errors
    /// It is no database, or of a format that is not read, or has no readable catalog.
    pub fn open(mut input: R, damage: &mut Damages) -> Result<Self, Error> {
        let header = Header::read(&mut input)?;
        let mut pages = Pages::new(input, &header)?;
        let catalog = Catalog::read(&mut pages, damage)?;
        Ok(Self {
            header,
            pages,
            catalog,
        })
    }

    /// Whether the engine had closed the database. If not, what it had not written yet is missing.
    pub fn is_clean(&self) -> bool {
        self.header.state == State::Clean
    }

    /// The table with this name.
    pub fn table(&self, name: &str) -> Option<Table> {
        self.catalog.table(name).cloned()
    }

    /// Passes on the rows of a table, with the values of those columns that are `wanted`. Damage is put into `damage`.
    ///
    /// # Errors
    /// The file cannot be read, which is not damage of its content.
    pub fn rows(
        &mut self,
        table: &Table,
        wanted: &dyn Fn(&Column) -> bool,
        damage: &mut Damages,
        each: &mut dyn FnMut(&Row<'_>),
    ) -> std::io::Result<()> {
        let columns: Vec<&Column> = table.columns().filter(|column| wanted(column)).collect();
        let mut leaves = Leaves::of(table.root);
        while let Some(page) = leaves.next(&mut self.pages, damage)? {
            for node in page.nodes() {
                let Some(node) = node.filter(|node| !node.is_deleted()) else {
                    continue;
                };
                let format = self.pages.format();
                let Some(record) = Record::new(node.data, format) else {
                    damage.push(|| page.damage("a row is damaged and left out"));
                    continue;
                };
                let tagged = record.tagged();
                let mut row = Row::default();
                for column in &columns {
                    let kept = match column.id {
                        0..=127 => record
                            .fixed(column.id, column.offset, column.size)
                            .map(Kept::Here),
                        128..=255 => record.variable(column.id).map(Kept::Here),
                        id => tagged.get(&id).copied(),
                    };
                    let Some(kept) = kept else { continue };
                    match self.value(table, kept)? {
                        Some(bytes) => row.push(column, bytes),
                        None => damage.push(|| {
                            page.damage(&format!(
                                "a value of the column {} cannot be read and is left out",
                                column.name
                            ))
                        }),
                    }
                }
                each(&row);
            }
        }
        Ok(())
    }

    /// A value, from wherever it is kept; none if it is damaged.
    fn value(&mut self, table: &Table, kept: Kept<'_>) -> std::io::Result<Option<Vec<u8>>> {
        let cut = |bytes: &[u8]| bytes.get(..MOST_BYTES).unwrap_or(bytes).to_vec();
        Ok(match kept {
            Kept::Here(bytes) => Some(cut(bytes)),
            Kept::Compressed(bytes) => compression::unpack(bytes, MOST_BYTES),
            Kept::Apart(id) => match table.long_values {
                Some(root) => tree::long_value(&mut self.pages, root, id)?,
                None => None,
            },
        })
    }
}
