//! What functions in plans read besides their arguments: lookups, assets, locations.
//!
//! A plan refers to them by name and content hash, and [`Resources`] finds them. Where there is different content under a
//! name, the plan is rejected instead of answered from it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crabwalk_events::LookupTable;
use xxhash_rust::xxh3::Xxh3;

use crate::knowledge::{Knowledge, Locations};
use crate::tables::known_entities;

/// Lookups written by a run's searches, by name without `.csv`.
pub(crate) type StoredLookups = Mutex<BTreeMap<String, Arc<LookupTable>>>;

/// A lookup's name as searches may write it, without its file extension.
pub(crate) fn lookup_name(name: &str) -> &str {
    name.strip_suffix(".csv").unwrap_or(name)
}

/// The content of an engine with its searches' additions.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    /// What content brings.
    pub knowledge: Arc<Knowledge>,
    /// Lookups written with `outputlookup`.
    pub stored: StoredLookups,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    /// The tables that plans name.
    by_content: HashMap<u64, Arc<LookupTable>>,
    /// Hashes by the address of a table. As long as there is a weak reference, no other table gets the address.
    hashes: HashMap<usize, (Weak<LookupTable>, u64)>,
    indexes: HashMap<(u64, Vec<String>), Arc<LookupIndex>>,
}

impl Resources {
    /// The resources of this knowledge.
    pub fn new(knowledge: Arc<Knowledge>) -> Self {
        Self {
            knowledge,
            ..Self::default()
        }
    }

    fn tables(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a table for plans, and returns the hash by which they refer to it.
    pub fn add_table(&self, table: &Arc<LookupTable>) -> u64 {
        let address = Arc::as_ptr(table) as usize;
        let known = self.tables().hashes.get(&address).map(|(_, hash)| *hash);
        let hash = known.unwrap_or_else(|| content_hash(table));
        let mut tables = self.tables();
        tables.hashes.insert(address, (Arc::downgrade(table), hash));
        tables
            .by_content
            .entry(hash)
            .or_insert_with(|| Arc::clone(table));
        hash
    }

    /// The table with a name and this content.
    ///
    /// # Errors
    /// If there is none, or a different one of that name.
    pub fn table(&self, name: &str, hash: u64) -> Result<Arc<LookupTable>, String> {
        if let Some(table) = self.tables().by_content.get(&hash) {
            return Ok(Arc::clone(table));
        }
        let here = self.named(name);
        if here.is_empty() {
            return Err(format!(
                "the lookup `{name}` is not on this machine: give it the content that the search was planned with"
            ));
        }
        for table in here {
            if self.add_table(&table) == hash {
                return Ok(table);
            }
        }
        Err(format!(
            "the lookup `{name}` on this machine has other rows than where the search was planned: give both the same file"
        ))
    }

    /// The tables of a name: those written by searches, those from content, and the assets and identities.
    fn named(&self, name: &str) -> Vec<Arc<LookupTable>> {
        let stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let lookups = &self.knowledge.lookups;
        // A lookup may also go by the name of its file.
        let brought = lookups
            .values()
            .filter(|table| table.definition.name == name);
        let mut found: Vec<_> = stored
            .get(lookup_name(name))
            .into_iter()
            .chain(lookups.get(name))
            .chain(brought)
            .cloned()
            .collect();
        found.extend(known_entities(&self.knowledge.assets, name).map(Arc::new));
        found
    }

    /// The rows of a table by these columns, computed once.
    pub fn index(&self, table: &Arc<LookupTable>, hash: u64, keys: &[String]) -> Arc<LookupIndex> {
        let key = (hash, keys.to_vec());
        if let Some(index) = self.tables().indexes.get(&key) {
            return Arc::clone(index);
        }
        let index = Arc::new(LookupIndex::new(Arc::clone(table), keys.to_vec()));
        self.tables().indexes.insert(key, Arc::clone(&index));
        index
    }

    /// The locations with this content.
    ///
    /// # Errors
    /// If there are none, or others.
    pub fn locations(&self, hash: u64) -> Result<Arc<dyn Locations>, String> {
        match &self.knowledge.locations {
            Some(locations) if locations.content_hash() == hash => Ok(Arc::clone(locations)),
            Some(_) => Err(
                "the database of locations on this machine is another one than where the search was planned: give both the same file"
                    .to_owned(),
            ),
            None => Err(
                "this machine has no location database; pass it the one the search was planned with"
                    .to_owned(),
            ),
        }
    }
}

/// A hash of a table's rules and rows.
fn content_hash(table: &LookupTable) -> u64 {
    let mut hash = Xxh3::new();
    let mut part = |text: &str| {
        hash.update(&text.len().to_le_bytes());
        hash.update(text.as_bytes());
    };
    part(&format!("{:?}", table.definition));
    part(&table.columns.len().to_string());
    table.columns.iter().for_each(|name| part(name));
    table
        .rows
        .iter()
        .for_each(|row| row.iter().for_each(|cell| part(cell)));
    hash.digest()
}

/// A lookup's rows by exact keys, or one by one if a key is a pattern.
#[derive(Debug)]
pub(crate) struct LookupIndex {
    table: Arc<LookupTable>,
    keys: Vec<String>,
    exact: Option<HashMap<Vec<String>, Vec<usize>>>,
}

impl LookupIndex {
    fn new(table: Arc<LookupTable>, keys: Vec<String>) -> Self {
        let exact = table.exact_index(&keys);
        Self { table, keys, exact }
    }

    /// The lookup.
    pub fn table(&self) -> &LookupTable {
        &self.table
    }

    /// Indexes of the rows that match these key values.
    pub fn find(&self, values: &[&str]) -> Vec<usize> {
        match &self.exact {
            Some(exact) => self.table.find_exact(exact, values),
            None => self.table.scan(&self.keys, values),
        }
    }
}
