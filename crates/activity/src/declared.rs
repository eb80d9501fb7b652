//! Event types with the columns that are read of them: declared once, for the readers that decode them and for those that
//! read the rows.

use std::sync::Arc;

use crabwalk_sources::collect::{Columns, Demand};

/// A channel (compared without regard to case), an event id, and the columns that are read of such events.
pub type Wanted = (&'static str, u32, &'static [&'static str]);

/// Who did it, in the Security log.
macro_rules! subject {
    ($($more:literal),*) => {
        &["SubjectUserSid", "SubjectUserName", "SubjectDomainName", "SubjectLogonId" $(, $more)*]
    };
}
pub(crate) use subject;

/// Everything that somebody reads.
#[derive(Debug)]
pub struct Declared(Vec<Wanted>);

impl Declared {
    /// These event types, each once.
    pub(crate) fn of(all: impl IntoIterator<Item = Wanted>) -> Self {
        Self(all.into_iter().collect())
    }

    /// The event types and their columns.
    pub fn iter(&self) -> impl Iterator<Item = &Wanted> {
        self.0.iter()
    }

    /// The columns that are read of an event type; none where nothing of it is read.
    pub fn of_type(&self, channel: &str, event_id: u32) -> Option<&'static [&'static str]> {
        self.iter()
            .find(|(own, id, _)| *id == event_id && own.eq_ignore_ascii_case(channel))
            .map(|(.., columns)| *columns)
    }
}

impl Demand for Declared {
    fn columns(&self, channel: &str, event_id: u32) -> Columns {
        self.of_type(channel, event_id)
            .map_or(Columns::None, |columns| {
                Columns::Named(Arc::new(
                    columns.iter().map(|name| (*name).to_owned()).collect(),
                ))
            })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Code that reads rows.
    fn sources(folder: &Path, all: &mut String) {
        let entries = std::fs::read_dir(folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let declares = |name: &std::ffi::OsStr| name == "demand.rs" || name == "dossier.rs";
            if path.is_dir() {
                sources(&path, all);
            } else if !path.file_name().is_some_and(declares) {
                let text = std::fs::read_to_string(&path)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                all.push_str(text.split("mod tests {").next().unwrap_or_default());
            }
        }
    }

    /// Every column is read by code in these folders, and what that code reads is declared here or for movement.
    pub fn assert_read(declared: &Declared, folders: &[&str]) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut code = String::new();
        for folder in folders {
            sources(&here.join(folder), &mut code);
        }
        let columns = |declared: &Declared| -> BTreeSet<&'static str> {
            let all = declared.iter().flat_map(|(.., columns)| columns.iter());
            all.copied().collect()
        };
        let unread: Vec<&str> = columns(declared)
            .into_iter()
            .filter(|name| !code.contains(&format!("\"{name}\"")))
            .collect();
        assert!(unread.is_empty(), "declared and unread: {unread:?}");
        let known = &columns(declared) | &columns(&crate::demand::DECLARED);
        let undeclared: Vec<&str> = ["get", "nth", "some", "number"]
            .into_iter()
            .flat_map(|call| {
                let parts: Vec<&str> = code.split(&format!("row.{call}(\"")).skip(1).collect();
                parts
            })
            .filter_map(|rest| rest.split('"').next())
            .filter(|name| !known.contains(name))
            .collect();
        assert!(undeclared.is_empty(), "read and undeclared: {undeclared:?}");
    }
}
