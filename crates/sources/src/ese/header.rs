//! The header of a database: its first page.

use std::io::{self, Read, Seek, SeekFrom};

use thiserror::Error;

/// Number at offset 4 of every file of the engine.
const SIGNATURE: [u8; 4] = 0x89ab_cdef_u32.to_le_bytes();
/// The format since 1997.
const VERSION: u32 = 0x620;
/// The oldest revision that is read: that of Windows Vista. Records have been stored in this way since then.
const OLDEST: u32 = 0x0c;
/// The revision from which pages above 8 KiB have a larger header.
const LARGE_PAGES: u32 = 0x11;

/// Why a database cannot be read.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// The disk failed.
    #[error("the database cannot be read: {0}")]
    Io(#[from] io::Error),
    /// No header.
    #[error("the header of the database is truncated or damaged")]
    NoHeader,
    /// Another format.
    #[error(
        "the database has format {version:#x}, revision {revision:#x}, which Crabwalk does not read"
    )]
    Format { version: u32, revision: u32 },
    /// A page size that the engine does not have.
    #[error("the header of the database gives a page size of {0} bytes, which no database has")]
    PageSize(u32),
    /// No catalog.
    #[error("the database has no readable catalog, which says where its tables are")]
    NoCatalog,
}

/// Whether the engine closed the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Everything is in the file.
    Clean,
    /// It was in use, or its machine stopped: the last changes are only in its logs.
    Dirty,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub state: State,
    /// Bytes of a page.
    pub page_size: usize,
    /// Whether pages have the larger header, and flags elsewhere.
    pub large: bool,
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// Whether data begins as a database does.
pub(crate) fn is_database(prefix: &[u8]) -> bool {
    prefix.get(4..8) == Some(&SIGNATURE) && number(prefix, 8) == Some(VERSION)
}

impl Header {
    pub fn read(input: &mut (impl Read + Seek)) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        input.seek(SeekFrom::Start(0))?;
        input.take(256).read_to_end(&mut bytes)?;
        let bytes = bytes.as_slice();
        if bytes.get(4..8) != Some(&SIGNATURE) {
            return Err(Error::NoHeader);
        }
        let field = |at: usize| number(bytes, at).ok_or(Error::NoHeader);
        let (version, revision) = (field(8)?, field(232)?);
        if version != VERSION || revision < OLDEST {
            return Err(Error::Format { version, revision });
        }
        let page_size = match field(236)? {
            // The engine once knew only one.
            0 => 4096,
            size @ (2048 | 4096 | 8192 | 16384 | 32768) => size as usize,
            size => return Err(Error::PageSize(size)),
        };
        /// JET_dbstateCleanShutdown.
        const CLEAN: u32 = 3;
        Ok(Self {
            state: if field(52)? == CLEAN {
                State::Clean
            } else {
                State::Dirty
            },
            page_size,
            large: page_size > 8192 && revision >= LARGE_PAGES,
        })
    }
}
