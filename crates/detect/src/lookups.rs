//! Lookups that searches fill, kept in a directory from one run to the next.
//!
//! Public content has baselines that write what they have seen into a lookup (`outputlookup`), which detections read
//! later. Each lookup is a CSV file of its name.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crabwalk_events::lookup::{LookupDefinition, LookupTable};

use crate::content::Content;

/// Written lookups, by name without `.csv`.
pub type Lookups = BTreeMap<String, Arc<LookupTable>>;

/// A directory of lookups.
#[derive(Debug, Clone)]
pub struct LookupStore {
    directory: PathBuf,
}

/// Why lookups cannot be read or saved.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct LookupStoreError {
    path: String,
    why: String,
}

impl LookupStoreError {
    fn new(path: &Path, why: &dyn std::fmt::Display) -> Self {
        Self {
            path: path.display().to_string(),
            why: why.to_string(),
        }
    }
}

impl LookupStore {
    /// Lookups in this directory, which need not exist until something is saved.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Loads saved rows into lookups. Content still defines how rows are matched.
    ///
    /// # Errors
    /// If a file cannot be read, or is not CSV.
    pub fn load(&self, content: &mut Content) -> Result<(), LookupStoreError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(LookupStoreError::new(&self.directory, &error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| LookupStoreError::new(&self.directory, &error))?;
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "csv") {
                files.push(path);
            }
        }
        files.sort();
        for path in files {
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else {
                continue;
            };
            let text = fs::read(&path).map_err(|error| LookupStoreError::new(&path, &error))?;
            let lookups = &mut content.knowledge.lookups;
            let file = format!("{name}.csv");
            let names = [name, file.as_str()];
            let definition = names
                .iter()
                .find_map(|name| lookups.get(*name))
                .map_or_else(
                    || LookupDefinition::new(name),
                    |table| table.definition.clone(),
                );
            let table = LookupTable::from_csv(definition, &text)
                .map_err(|error| LookupStoreError::new(&path, &error))?;
            // A lookup is found by its name and by its file's name.
            if lookups.contains_key(&file) {
                let mut named = table.clone();
                named.definition.name = file.clone();
                lookups.insert(file, Arc::new(named));
            }
            lookups.insert(name.to_owned(), Arc::new(table));
        }
        Ok(())
    }

    /// Writes lookups, each to a file that replaces the old one atomically.
    ///
    /// # Errors
    /// If a name is not suitable for a file, or a file cannot be written.
    pub fn save(&self, lookups: &Lookups) -> Result<Vec<PathBuf>, LookupStoreError> {
        if lookups.is_empty() {
            return Ok(Vec::new());
        }
        fs::create_dir_all(&self.directory)
            .map_err(|error| LookupStoreError::new(&self.directory, &error))?;
        let mut written = Vec::new();
        for (name, table) in lookups {
            if !is_file_name(name) {
                return Err(LookupStoreError::new(
                    &self.directory,
                    &format!(
                        "`{name}` is not a valid lookup name: use letters, digits, `_`, `-` and `.`"
                    ),
                ));
            }
            let path = self.directory.join(format!("{name}.csv"));
            let text = csv_of(table).map_err(|error| LookupStoreError::new(&path, &error))?;
            let new = self.directory.join(format!(".{name}.csv.new"));
            fs::write(&new, text)
                .and_then(|()| fs::rename(&new, &path))
                .map_err(|error| LookupStoreError::new(&path, &error))?;
            written.push(path);
        }
        Ok(written)
    }
}

/// Names come from searches, which may come from anywhere: they must not point outside the directory.
fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with('.')
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.'))
}

fn csv_of(table: &LookupTable) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .from_writer(Vec::new());
    writer.write_record(&table.columns)?;
    for row in &table.rows {
        writer.write_record(row)?;
    }
    writer
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_lead_out_of_the_directory() {
        for (name, fine) in [
            ("previously_seen_services", true),
            ("a.b-c", true),
            ("", false),
            ("..", false),
            (".hidden", false),
            ("../x", false),
            ("a/b", false),
            ("a\\b", false),
            ("C:x", false),
        ] {
            assert_eq!(is_file_name(name), fine, "{name}");
        }
    }
}
