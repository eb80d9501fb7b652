//! A record as leaves: paths and values.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::fmt;

use super::values::IDS;
use crate::csv;

/// One leaf of a record.
#[derive(Debug)]
struct Leaf {
    path: (usize, usize),
    value: (usize, usize),
    /// Which object in an array it belongs to; 0 for none.
    element: u32,
}

/// A record as leaves.
#[derive(Debug, Default)]
pub(super) struct Flat {
    text: String,
    leaves: Vec<Leaf>,
    path: String,
    element: u32,
    elements: u32,
}

impl Flat {
    pub fn parse(&mut self, text: &str) -> Result<(), serde_json::Error> {
        self.text.clear();
        self.leaves.clear();
        self.path.clear();
        self.element = 0;
        self.elements = 0;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        deserializer.deserialize_any(Flatten(self))?;
        deserializer.end()
    }

    /// Takes the columns of a row for the keys of a record.
    pub fn take_row(&mut self, row: &[(&str, String)]) {
        self.text.clear();
        self.leaves.clear();
        self.element = 0;
        for (name, value) in row {
            self.path.clear();
            self.path.push_str(name);
            self.leaf(value);
        }
        self.path.clear();
    }

    fn leaf(&mut self, value: &str) {
        let start = self.text.len();
        self.text.push_str(&self.path);
        let middle = self.text.len();
        self.text.push_str(value);
        let element = self.element;
        self.leaves.push(Leaf {
            path: (start, middle),
            value: (middle, self.text.len()),
            element,
        });
    }

    /// Drops the last value.
    pub fn forget_last(&mut self) {
        self.leaves.pop();
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        self.leaves.iter().map(|leaf| {
            (
                &self.text[leaf.path.0..leaf.path.1],
                &self.text[leaf.value.0..leaf.value.1],
                leaf.element,
            )
        })
    }

    /// GELF prefixes additional fields with `_`.
    pub fn unmark_gelf(&mut self) {
        let is = |name: &str| self.iter().any(|(path, ..)| path == name);
        if is("short_message") && IDS.iter().any(|id| is(&format!("_{id}"))) {
            for leaf in &mut self.leaves {
                if self
                    .text
                    .get(leaf.path.0..)
                    .is_some_and(|path| path.starts_with('_'))
                {
                    leaf.path.0 += 1;
                }
            }
        }
    }

    /// Gives keys at the top that are those of an event's header but for their spelling the spelling that is known. Says
    /// whether there were any.
    pub fn respell(&mut self) -> bool {
        let mut any = false;
        for at in 0..self.leaves.len() {
            let Some(leaf) = self.leaves.get(at) else {
                continue;
            };
            let path = &self.text[leaf.path.0..leaf.path.1];
            let Some(known) = csv::header_name(path).filter(|known| *known != path) else {
                continue;
            };
            let start = self.text.len();
            self.text.push_str(known);
            let end = self.text.len();
            if let Some(leaf) = self.leaves.get_mut(at) {
                leaf.path = (start, end);
            }
            any = true;
        }
        any
    }

    /// The first value of the key below the prefix.
    pub fn below(&self, prefix: &str, key: &str) -> Option<&str> {
        self.iter()
            .find(|(name, value, _)| !value.is_empty() && name.strip_prefix(prefix) == Some(key))
            .map(|(_, value, _)| value)
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
            if self.0.path.len() > 4096 || self.0.text.len() > 1 << 30 {
                return Err(A::Error::custom("its keys are too long"));
            }
            items.next_value_seed(Flatten(&mut *self.0))?;
            self.0.path.truncate(length);
        }
        Ok(())
    }
}
