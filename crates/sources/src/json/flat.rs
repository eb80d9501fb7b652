//! A record as leaves: paths and values.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::values::IDS;
use crate::collect::Through;
use crate::csv;

/// One leaf of a record.
#[derive(Debug)]
struct Leaf {
    /// Where its path lies in [`Flat::paths`].
    path: (usize, usize),
    /// Where its value lies in [`Flat::text`].
    value: (usize, usize),
    /// Which object in an array it belongs to; 0 for none.
    element: u32,
}

/// A record as leaves.
///
/// Readers ask for dozens of names, most of which a record does not have. The records of one program have few different
/// sequences of paths, so for each such sequence an index is made once and kept.
#[derive(Debug, Default)]
pub(super) struct Flat {
    text: String,
    paths: String,
    leaves: Vec<Leaf>,
    path: String,
    element: u32,
    elements: u32,
    /// Which paths the leaves have; none if the index is not made of them.
    index: Option<Arc<Index>>,
    known: HashMap<u64, Arc<Index>, BuildHasherDefault<Through>>,
    /// Bytes that they take.
    remembered: usize,
}

/// Bytes of sequences of paths that are remembered; a file with more of them is not worth remembering.
const MOST_KNOWN: usize = 4 << 20;
/// Bytes of paths beyond which a sequence is not remembered.
const MOST_REMEMBERED: usize = 1 << 14;

/// The leaves of a sequence of paths, by path.
#[derive(Debug, Default)]
struct Index {
    /// The sequence: the paths in one text, and their lengths.
    paths: String,
    lengths: Vec<u32>,
    /// Hashes of the paths in ascending order, each with its leaves in theirs.
    places: Vec<(u64, u32)>,
}

impl Flat {
    pub fn parse(&mut self, text: &str) -> Result<(), serde_json::Error> {
        self.clear();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        deserializer.deserialize_any(Flatten(self))?;
        deserializer.end()?;
        self.settle();
        Ok(())
    }

    fn clear(&mut self) {
        self.text.clear();
        self.paths.clear();
        self.leaves.clear();
        self.path.clear();
        self.element = 0;
        self.elements = 0;
        self.index = None;
    }

    /// Takes the columns of a row for the keys of a record.
    pub fn take_row(&mut self, row: &[(&str, String)]) {
        self.clear();
        for (name, value) in row {
            self.path.clear();
            self.path.push_str(name);
            self.leaf(value);
        }
        self.path.clear();
        self.settle();
    }

    /// Finds or makes the index of the leaves.
    fn settle(&mut self) {
        self.index = None;
        if self.paths.len() > MOST_REMEMBERED {
            return;
        }
        let hash = xxh3_64(self.paths.as_bytes());
        if let Some(known) = self.known.get(&hash) {
            let lengths = self.leaves.iter().map(Leaf::length);
            if known.paths == self.paths && lengths.eq(known.lengths.iter().copied()) {
                self.index = Some(Arc::clone(known));
                return;
            }
        }
        let mut places: Vec<(u64, u32)> = self
            .leaves
            .iter()
            .zip(0..)
            .map(|(leaf, at)| (xxh3_64(self.path_of(leaf).as_bytes()), at))
            .collect();
        places.sort_unstable();
        let index = Arc::new(Index {
            paths: self.paths.clone(),
            lengths: self.leaves.iter().map(Leaf::length).collect(),
            places,
        });
        let size = index.size();
        if self.remembered + size > MOST_KNOWN {
            self.known.clear();
            self.remembered = 0;
        }
        self.remembered += size;
        self.known.insert(hash, Arc::clone(&index));
        self.index = Some(index);
    }

    fn path_of(&self, leaf: &Leaf) -> &str {
        self.paths.get(leaf.path.0..leaf.path.1).unwrap_or_default()
    }

    fn value_of(&self, leaf: &Leaf) -> &str {
        self.text
            .get(leaf.value.0..leaf.value.1)
            .unwrap_or_default()
    }

    fn leaf(&mut self, value: &str) {
        let path = self.paths.len();
        self.paths.push_str(&self.path);
        let start = self.text.len();
        self.text.push_str(value);
        self.leaves.push(Leaf {
            path: (path, self.paths.len()),
            value: (start, self.text.len()),
            element: self.element,
        });
    }

    /// Drops the last value.
    pub fn forget_last(&mut self) {
        if let Some(last) = self.leaves.pop() {
            self.paths.truncate(last.path.0);
            self.settle();
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        self.leaves
            .iter()
            .map(|leaf| (self.path_of(leaf), self.value_of(leaf), leaf.element))
    }

    /// The leaves with a path, in order.
    fn with_path<'s>(&'s self, path: &'s str) -> impl Iterator<Item = &'s Leaf> {
        let (places, all) = match &self.index {
            Some(index) => (index.places_of(path), &[][..]),
            None => (&[][..], self.leaves.as_slice()),
        };
        places
            .iter()
            .filter_map(|(_, at)| self.leaves.get(*at as usize))
            .chain(all)
            .filter(move |leaf| self.path_of(leaf) == path)
    }

    /// Whether there is a leaf of this path.
    pub fn has(&self, path: &str) -> bool {
        self.with_path(path).next().is_some()
    }

    /// GELF prefixes additional fields with `_`.
    pub fn unmark_gelf(&mut self) {
        if self.has("short_message") && IDS.iter().any(|id| self.has(&format!("_{id}"))) {
            self.rename(|path| path.strip_prefix('_'));
        }
    }

    /// Gives keys at the top that are those of an event's header but for their spelling the spelling that is known. Says
    /// whether there were any.
    pub fn respell(&mut self) -> bool {
        self.rename(|path| csv::header_name(path).filter(|known| *known != path))
    }

    /// Gives leaves other paths. Says whether there were any.
    fn rename(&mut self, new: impl for<'p> Fn(&'p str) -> Option<&'p str>) -> bool {
        let before = std::mem::take(&mut self.paths);
        let mut any = false;
        for leaf in &mut self.leaves {
            let path = before.get(leaf.path.0..leaf.path.1).unwrap_or_default();
            let renamed = new(path);
            any |= renamed.is_some();
            let start = self.paths.len();
            self.paths.push_str(renamed.unwrap_or(path));
            leaf.path = (start, self.paths.len());
        }
        if any {
            self.settle();
        }
        any
    }

    /// Whether there is a leaf of the key below the prefix.
    pub fn has_below(&self, prefix: &str, key: &str) -> bool {
        self.has(&joined(prefix, key))
    }

    /// The first value of the key below the prefix.
    pub fn below(&self, prefix: &str, key: &str) -> Option<&str> {
        self.first_value(&joined(prefix, key))
    }

    /// A text written as an array of its bytes, as journald does where it holds a control character.
    pub fn bytes_below(&self, prefix: &str, key: &str) -> Option<String> {
        let path = joined(prefix, key);
        let bytes = self
            .with_path(&path)
            .filter(|leaf| leaf.element > 0)
            .map(|leaf| self.value_of(leaf).parse().ok())
            .collect::<Option<Vec<u8>>>()?;
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn first_value(&self, path: &str) -> Option<&str> {
        let leaf = self
            .with_path(path)
            .find(|leaf| leaf.value.0 < leaf.value.1);
        leaf.map(|leaf| self.value_of(leaf))
    }
}

impl Index {
    fn size(&self) -> usize {
        size_of::<Self>() + self.paths.len() + self.lengths.len() * 4 + self.places.len() * 16
    }

    /// The leaves that may have a path: those whose hash is the same.
    fn places_of(&self, path: &str) -> &[(u64, u32)] {
        let hash = xxh3_64(path.as_bytes());
        let start = self.places.partition_point(|(own, _)| *own < hash);
        let behind = self.places.get(start..).unwrap_or_default();
        let count = behind.partition_point(|(own, _)| *own == hash);
        behind.get(..count).unwrap_or_default()
    }
}

fn joined<'k>(prefix: &str, key: &'k str) -> Cow<'k, str> {
    match prefix {
        "" => Cow::Borrowed(key),
        _ => Cow::Owned([prefix, key].concat()),
    }
}

impl Leaf {
    fn length(&self) -> u32 {
        u32::try_from(self.path.1 - self.path.0).unwrap_or(u32::MAX)
    }
}

struct Flatten<'f>(&'f mut Flat);

impl<'de> DeserializeSeed<'de> for Flatten<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// A key, appended to the path.
struct Key<'f>(&'f mut String);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        if !self.0.is_empty() {
            self.0.push('.');
        }
        self.0.push_str(key);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Flatten<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.leaf(if value { "true" } else { "false" });
        Ok(())
    }
    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.leaf(&value.to_string());
        Ok(())
    }
    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.leaf(&value.to_string());
        Ok(())
    }
    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.leaf(&value.to_string());
        Ok(())
    }
    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.0.leaf(value);
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.leaf("");
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let outer = self.0.element;
        loop {
            self.0.elements += 1;
            self.0.element = self.0.elements;
            if items.next_element_seed(Flatten(&mut *self.0))?.is_none() {
                break;
            }
        }
        self.0.element = outer;
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let length = self.0.path.len();
        while items.next_key_seed(Key(&mut self.0.path))?.is_some() {
            // The keys of a deep record repeat in every path below them; a hostile one must not square its size.
            if self.0.path.len() > 4096 || self.0.paths.len() > 1 << 30 {
                return Err(A::Error::custom("its keys are too long"));
            }
            items.next_value_seed(Flatten(&mut *self.0))?;
            self.0.path.truncate(length);
        }
        Ok(())
    }
}
