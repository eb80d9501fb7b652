//! Pages, and the values ("nodes") that they hold.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use super::damage::Damage;
use super::header::{Error, Header};

/// Pages that are kept, for long values that many rows share.
const KEPT: usize = 32;
/// How often each page may be read on average, and how many pages at least: rows of a made-up file may all refer to long
/// values far away, and cost a walk down a tree each.
const READS: u64 = 32;
const LEAST_READS: u64 = 10_000;
/// Bytes of the page's header, and of the larger one.
const SMALL_HEADER: usize = 40;
const LARGE_HEADER: usize = 80;

/// How pages are laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    /// Whether flags are in the values instead of their tags, and sizes have 15 bits.
    pub large: bool,
}

/// The pages of a file.
#[derive(Debug)]
pub(crate) struct Pages<R> {
    input: R,
    size: usize,
    format: Format,
    /// How many there are.
    count: u32,
    kept: HashMap<u32, Rc<Page>>,
    /// How many may still be read from the file.
    left: u64,
}

impl<R: Read + Seek> Pages<R> {
    pub fn new(mut input: R, header: &Header) -> Result<Self, Error> {
        let length = input.seek(SeekFrom::End(0))?;
        // The first two are the header and its copy, and have no number.
        let all = length / header.page_size as u64;
        Ok(Self {
            input,
            size: header.page_size,
            format: Format {
                large: header.large,
            },
            count: u32::try_from(all.saturating_sub(1)).unwrap_or(u32::MAX),
            kept: HashMap::new(),
            left: all.saturating_mul(READS).saturating_add(LEAST_READS),
        })
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// The page with this number, from 1; none if it is beyond the end of the file, its header makes no sense, or too much
    /// has been read.
    pub fn read(&mut self, number: u32) -> io::Result<Option<Rc<Page>>> {
        if let Some(page) = self.kept.get(&number) {
            return Ok(Some(Rc::clone(page)));
        }
        if number == 0 || number >= self.count || self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut bytes = Vec::with_capacity(self.size);
        self.input.seek(SeekFrom::Start(self.offset(number)))?;
        let mut page = (&mut self.input).take(self.size as u64);
        if page.read_to_end(&mut bytes)? < self.size {
            return Ok(None);
        }
        let page = Page::new(bytes, self.offset(number), self.format).map(Rc::new);
        if let Some(page) = &page {
            if self.kept.len() >= KEPT {
                self.kept.clear();
            }
            self.kept.insert(number, Rc::clone(page));
        }
        Ok(page)
    }

    /// Where a page is in the file, in bytes.
    pub fn offset(&self, number: u32) -> u64 {
        (u64::from(number) + 1) * self.size as u64
    }
}

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    bytes: Vec<u8>,
    offset: u64,
    format: Format,
    flags: u32,
    /// The tree that it belongs to.
    pub object: u32,
    /// The page behind it on the same level; 0 if it is the last.
    pub next: u32,
    /// Number of tags, and how many of the first are not nodes.
    tags: usize,
    reserved: usize,
}

/// A value of a page, with its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'p> {
    flags: u8,
    /// What its key has in common with the page's, and the rest.
    prefix: &'p [u8],
    suffix: &'p [u8],
    pub data: &'p [u8],
}

impl Node<'_> {
    pub fn is_deleted(&self) -> bool {
        const DELETED: u8 = 2;
        self.flags & DELETED != 0
    }

    fn key(&self) -> impl Iterator<Item = &u8> {
        self.prefix.iter().chain(self.suffix)
    }

    pub fn compare(&self, key: &[u8]) -> Ordering {
        self.key().cmp(key)
    }

    pub fn has_no_key(&self) -> bool {
        self.prefix.is_empty() && self.suffix.is_empty()
    }

    /// What follows `start` in its key, if it begins so.
    pub fn key_behind(&self, start: &[u8]) -> Option<Vec<u8>> {
        let key: Vec<u8> = self.key().copied().collect();
        key.strip_prefix(start).map(<[u8]>::to_vec)
    }

    /// The page that it leads to, in a page that is no leaf.
    pub fn child(&self) -> Option<u32> {
        self.data.first_chunk().copied().map(u32::from_le_bytes)
    }
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*two))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*four))
}

impl Page {
    fn new(bytes: Vec<u8>, offset: u64, format: Format) -> Option<Self> {
        let state = short(&bytes, 34)?;
        let tags = usize::from(state & 0x0fff);
        // Later formats say how many tags are no nodes; before there was one, always.
        let reserved = usize::from(state >> 12).max(1);
        let header = if format.large {
            LARGE_HEADER
        } else {
            SMALL_HEADER
        };
        let page = Self {
            offset,
            format,
            flags: long(&bytes, 36)?,
            object: long(&bytes, 24)?,
            next: long(&bytes, 20)?,
            tags,
            reserved,
            bytes,
        };
        let room = page.bytes.len().checked_sub(header)?;
        let sizes = (0..tags).map(|at| page.tag(at).map_or(0, |(_, size, _)| size));
        // Values do not overlap. Made-up ones could make a small file as long as one likes.
        let fits = tags * 4 + sizes.sum::<usize>() <= room;
        (tags > 0 && fits).then_some(page)
    }

    pub fn is_leaf(&self) -> bool {
        self.flags & 2 != 0
    }

    pub fn is_root(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Whether it holds nothing that a table has: it is empty, or of a tree that keeps account of free space.
    pub fn is_unused(&self) -> bool {
        self.flags & (8 | 0x20) != 0
    }

    pub fn damage(&self, what: &str) -> Damage {
        Damage {
            offset: self.offset,
            message: what.to_owned(),
        }
    }

    /// Place in the page, size, and flags of a value.
    fn tag(&self, at: usize) -> Option<(usize, usize, u8)> {
        let place = self.bytes.len().checked_sub((at + 1) * 4)?;
        let (size, start) = (short(&self.bytes, place)?, short(&self.bytes, place + 2)?);
        Some(if self.format.large {
            let (size, start) = (usize::from(size & 0x7fff), usize::from(start & 0x7fff));
            (LARGE_HEADER + start, size, 0)
        } else {
            let flags = u8::try_from(start >> 13).unwrap_or_default();
            let (size, start) = (usize::from(size & 0x1fff), usize::from(start & 0x1fff));
            (SMALL_HEADER + start, size, flags)
        })
    }

    /// A value and its flags.
    fn value(&self, at: usize) -> Option<(&[u8], u8)> {
        let (start, size, flags) = self.tag(at)?;
        let bytes = self.bytes.get(start..start.checked_add(size)?)?;
        let flags = match bytes.get(1) {
            // In the upper bits of the first number, which is a size.
            Some(byte) if self.format.large => byte >> 5,
            _ => flags,
        };
        Some((bytes, flags))
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.tags.saturating_sub(self.reserved)
    }

    /// A node; none if it is damaged.
    pub fn node(&self, at: usize) -> Option<Node<'_>> {
        const SIZE: u16 = 0x1fff;
        const HAS_PREFIX: u8 = 4;
        let (mut rest, flags) = self.value(at + self.reserved)?;
        let mut prefix: &[u8] = &[];
        if flags & HAS_PREFIX != 0 {
            let length = usize::from(short(rest, 0)? & SIZE);
            rest = rest.get(2..)?;
            // In a root there are other things in its place.
            let common = if self.is_root() {
                None
            } else {
                self.value(0).map(|(bytes, _)| bytes)
            };
            prefix = common?.get(..length)?;
        }
        let length = usize::from(short(rest, 0)? & SIZE);
        rest = rest.get(2..)?;
        let (suffix, data) = rest.split_at_checked(length)?;
        Some(Node {
            flags,
            prefix,
            suffix,
            data,
        })
    }

    /// The nodes; none for each that is damaged.
    pub fn nodes(&self) -> impl Iterator<Item = Option<Node<'_>>> {
        (0..self.len()).map(|at| self.node(at))
    }

    /// The place of the first node for which `is_before` does not hold; it must hold for those in front.
    pub fn first_not(&self, is_before: impl Fn(&Node<'_>) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.node(middle).is_some_and(|node| is_before(&node)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}
