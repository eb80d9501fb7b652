//! Created documents, by id.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Ids of created documents, so that one that is created twice is stored once.
const MOST_IDS: usize = 500_000;

/// Ids of created documents.
#[derive(Debug, Default)]
pub struct Ids(Mutex<(HashSet<u128>, VecDeque<u128>)>);

impl Ids {
    /// A key for an id in an index.
    pub fn key(index: &str, id: &str) -> u128 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        hash.update(index.as_bytes());
        hash.update(&[0]);
        hash.update(id.as_bytes());
        hash.digest128()
    }

    /// Whether it was created.
    pub fn has(&self, key: u128) -> bool {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.0.contains(&key)
    }

    /// Remembers these as created.
    pub fn add(&self, keys: impl IntoIterator<Item = u128>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if inner.0.insert(key) {
                inner.1.push_back(key);
            }
        }
        while inner.1.len() > MOST_IDS {
            if let Some(key) = inner.1.pop_front() {
                inner.0.remove(&key);
            }
        }
    }
}
