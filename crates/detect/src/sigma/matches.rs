//! Matches of rules, before they are findings.

use std::collections::{BTreeMap, HashMap};

use super::row::{Fields, Value};

/// What is known about the machine and account in an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct About {
    pub(super) dest: Option<String>,
    pub(super) user: Option<String>,
    pub(super) src: Option<String>,
}

/// The parts of a finding, besides its events.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) rule: usize,
    pub(super) about: About,
    pub(super) fields: Vec<(String, Vec<String>)>,
}

/// A match that a correlation needs.
pub(super) struct Wanted {
    pub(super) seconds: i64,
    pub(super) reference: u64,
    pub(super) rule: usize,
    pub(super) about: About,
    pub(super) fields: BTreeMap<String, Vec<String>>,
}

#[derive(Default)]
pub(super) struct Found {
    pub(super) by_key: HashMap<Key, Vec<u64>>,
    pub(super) wanted: Vec<Wanted>,
}

/// A match as correlations see it.
impl Fields for Wanted {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        match self.fields.get(name)?.as_slice() {
            [] => None,
            [one] => Some(Value::One(one.into())),
            many => Some(Value::Many(many.iter().map(String::as_str).collect())),
        }
    }

    fn any_text(&self, visit: &mut dyn FnMut(&str) -> bool) -> bool {
        self.fields.values().flatten().any(|text| visit(text))
    }

    fn reference(&self) -> u64 {
        self.reference
    }
}
