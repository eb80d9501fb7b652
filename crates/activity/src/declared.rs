//! Event types and the columns read from them: declared once, for the readers that decode them and for the code that
//! reads the rows.

use std::sync::Arc;

use crabwalk_sources::collect::{Columns, Demand};

/// A channel (compared case-insensitively), an event id, and the columns read from such events.
pub type Wanted = (&'static str, u32, &'static [&'static str]);

/// The subject of an action, in the Security log.
macro_rules! subject {
    ($($more:literal),*) => {
        &["SubjectUserSid", "SubjectUserName", "SubjectDomainName", "SubjectLogonId" $(, $more)*]
    };
}
pub(crate) use subject;

/// Everything that is read.
#[derive(Debug)]
pub struct Declared(Vec<Wanted>);

impl Declared {
    /// These event types, without repetition.
    pub(crate) fn of(all: impl IntoIterator<Item = Wanted>) -> Self {
        Self(all.into_iter().collect())
    }

    /// The event types and their columns.
    pub fn iter(&self) -> impl Iterator<Item = &Wanted> {
        self.0.iter()
    }

    /// The columns read from an event type; none if it is not read.
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

    fn columns(declared: &Declared) -> BTreeSet<&'static str> {
        let all = declared.iter().flat_map(|(.., columns)| columns.iter());
        all.copied().collect()
    }

    /// Declared columns that code does not name.
    fn unread(declared: &Declared, code: &str) -> Vec<&'static str> {
        columns(declared)
            .into_iter()
            .filter(|name| !code.contains(&format!("\"{name}\"")))
            .collect()
    }

    /// Columns that code reads from a row and that are not among the known ones.
    fn undeclared<'c>(known: &BTreeSet<&str>, code: &'c str) -> Vec<&'c str> {
        let calls = ["get", "nth", "some", "number", "account"];
        let calls = calls.into_iter().flat_map(|call| {
            let call = format!("row.{call}(");
            let parts: Vec<&str> = code.split(&call).skip(1).collect();
            parts
        });
        // Text arguments only; other arguments were read elsewhere, or are numbers.
        calls
            .filter_map(|rest| rest.split(')').next())
            .flat_map(|arguments| arguments.split('"').skip(1).step_by(2))
            .filter(|name| !known.contains(name))
            .collect()
    }

    /// Checks that code in these folders reads every column, and that what it reads is declared here or for movement.
    pub fn assert_read(declared: &Declared, folders: &[&str]) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut code = String::new();
        for folder in folders {
            sources(&here.join(folder), &mut code);
        }
        let unread = unread(declared, &code);
        assert!(unread.is_empty(), "declared and unread: {unread:?}");
        let known = &columns(declared) | &columns(&crate::demand::DECLARED);
        let undeclared = undeclared(&known, &code);
        assert!(undeclared.is_empty(), "read and undeclared: {undeclared:?}");
    }

    #[test]
    fn a_column_that_is_declared_and_unread_or_read_and_undeclared_is_found() {
        let declared = Declared::of([("Security", 4624, &["IpAddress", "IpPort"][..])]);
        let known = columns(&declared);
        for (code, wanted) in [
            (r#"row.get("IpAddress"); row.number("IpPort");"#, (0, 0)),
            (r#"row.get("IpAddress");"#, (1, 0)),
            (
                r#"row.get("IpAddress"); row.some("IpPort"); row.nth("Data", 2);"#,
                (0, 1),
            ),
            (
                r#"row.account("TargetDomainName", "TargetUserName"); read("IpPort", "IpAddress");"#,
                (0, 2),
            ),
        ] {
            let found = (
                unread(&declared, code).len(),
                undeclared(&known, code).len(),
            );
            assert_eq!(found, wanted, "{code}");
        }
    }
}
