//! Assets and identities as tables: what may be in them, and how they are read from and written to CSV files.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crabwalk_vocabulary::text::{count, list};
use serde::{Deserialize, Serialize};

const MOST_ROWS: usize = 50_000;
const MOST_COLUMNS: usize = 60;
const MOST_CELL: usize = 1_000;
/// Problems that are told at once.
const MOST_PROBLEMS: usize = 100;
/// Rows that an entry of the audit log names.
const NAMED: usize = 20;
/// What `priority` may be, besides nothing.
const PRIORITIES: [&str; 6] = [
    "low",
    "medium",
    "high",
    "critical",
    "informational",
    "unknown",
];

/// What a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Machines.
    Assets,
    /// Accounts and people.
    Identities,
}

impl Kind {
    /// By its name in paths.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Assets, Self::Identities]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// Its name in paths, and of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Assets => "assets",
            Self::Identities => "identities",
        }
    }

    /// Columns that say which machine or account a row is about.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Assets => &["nt_host", "dns", "ip", "mac"],
            Self::Identities => &["identity"],
        }
    }

    /// Columns of a table that nobody has filled yet.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Assets => &["nt_host", "dns", "ip", "owner", "priority", "category"],
            Self::Identities => &["identity", "first", "last", "priority", "category"],
        }
    }
}

/// A place that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The row, from 0.
    pub row: usize,
    /// The column or field; empty if it is about the whole row.
    pub column: String,
    /// What is wrong.
    pub message: String,
}

/// Machines or accounts. A cell with several values separates them with `|`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Names of the columns: those of Splunk Enterprise Security, or others.
    pub columns: Vec<String>,
    /// A cell for each column.
    pub rows: Vec<Vec<String>>,
    /// Rises with each change.
    #[serde(default)]
    pub version: u64,
    /// Who changed it last.
    #[serde(default)]
    pub by: String,
    /// When, in microseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub at: i64,
}

impl Table {
    /// A table without rows.
    pub fn empty(kind: Kind) -> Self {
        Self {
            columns: kind.columns().iter().map(|&name| name.to_owned()).collect(),
            ..Self::default()
        }
    }

    /// Reads a CSV file. Rows are as long as the header afterwards.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
        let plain = |cell: &str| -> String {
            // A spreadsheet gets an apostrophe before what it would take for a formula.
            match cell.strip_prefix('\'') {
                Some(rest) if crabwalk_case::defuse(rest) == cell => rest.to_owned(),
                _ => cell.to_owned(),
            }
        };
        let headers = reader.headers().map_err(|error| error.to_string())?;
        let columns: Vec<String> = headers
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').trim().to_owned())
            .collect();
        let mut rows = Vec::new();
        for (at, record) in reader.records().enumerate() {
            let record = record.map_err(|error| error.to_string())?;
            if record.len() > columns.len() {
                return Err(format!(
                    "row {}: it has {} cells, and there are {}",
                    at + 1,
                    record.len(),
                    count(columns.len(), "column")
                ));
            }
            if rows.len() == MOST_ROWS {
                return Err(format!("it has more than {MOST_ROWS} rows"));
            }
            let mut row: Vec<String> = record.iter().map(plain).collect();
            row.resize(columns.len(), String::new());
            rows.push(row);
        }
        Ok(Self {
            columns,
            rows,
            ..Self::default()
        })
    }

    /// As a CSV file. `for_spreadsheets`: what one would take for a formula gets an apostrophe.
    pub fn csv(&self, for_spreadsheets: bool) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            let cells = row.iter().map(|cell| match for_spreadsheets {
                true => crabwalk_case::defuse(cell).into_owned(),
                false => cell.clone(),
            });
            // Into memory; all rows have the same length.
            let _ = writer.write_record(cells);
        }
        let bytes = writer.into_inner().unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// Takes spaces and empty rows away.
    pub fn tidy(&mut self) {
        for cell in self
            .columns
            .iter_mut()
            .chain(self.rows.iter_mut().flatten())
        {
            let trimmed = cell.trim();
            if trimmed.len() != cell.len() {
                *cell = trimmed.to_owned();
            }
        }
        self.rows
            .retain(|row| row.iter().any(|cell| !cell.is_empty()));
    }

    /// What is wrong with it.
    pub fn problems(&self, kind: Kind) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |row: usize, column: &str, message: String| {
            if problems.len() < MOST_PROBLEMS {
                problems.push(Problem {
                    row,
                    column: column.to_owned(),
                    message,
                });
            }
        };
        if self.rows.len() > MOST_ROWS || self.columns.len() > MOST_COLUMNS {
            wrong(
                0,
                "",
                format!("at most {MOST_ROWS} rows and {MOST_COLUMNS} columns"),
            );
            return problems;
        }
        let mut names = BTreeSet::new();
        for name in &self.columns {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
            if name.is_empty() || name.len() > 64 || !name.chars().all(is_name) {
                wrong(
                    0,
                    name,
                    format!("`{name}` is not a column name: use letters, digits and _"),
                );
            } else if !names.insert(name) {
                wrong(0, name, format!("there are two columns `{name}`"));
            }
        }
        if !kind
            .keys()
            .iter()
            .any(|key| names.iter().any(|name| name.as_str() == *key))
        {
            let keys = list(kind.keys(), "or", 9);
            wrong(0, "", format!("it needs a column {keys}"));
        }
        // Which row has a name or address.
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for (at, row) in self.rows.iter().enumerate() {
            if row.len() != self.columns.len() {
                wrong(
                    at,
                    "",
                    format!(
                        "it has {}, and there are {}",
                        count(row.len(), "cell"),
                        count(self.columns.len(), "column")
                    ),
                );
                continue;
            }
            let mut is_named = false;
            for (name, cell) in self.columns.iter().zip(row) {
                if cell.chars().count() > MOST_CELL || cell.chars().any(char::is_control) {
                    wrong(
                        at,
                        name,
                        format!("`{name}` is too long, or has control characters"),
                    );
                    continue;
                }
                let values = cell
                    .split('|')
                    .map(str::trim)
                    .filter(|value| !value.is_empty());
                for value in values {
                    if name == "ip" && !is_address(value) {
                        wrong(
                            at,
                            name,
                            format!("`{value}` is neither an address nor a network (10.0.7.0/24)"),
                        );
                    }
                    if name == "priority" && !PRIORITIES.contains(&value.to_lowercase().as_str()) {
                        wrong(
                            at,
                            name,
                            format!(
                                "`{value}` is not a priority: use {}",
                                list(&PRIORITIES, "or", 9)
                            ),
                        );
                    }
                    if kind.keys().contains(&name.as_str()) {
                        is_named = true;
                        match seen.insert(value.to_lowercase(), at) {
                            Some(other) if other != at => {
                                wrong(at, name, format!("`{value}` is in row {} too", other + 1));
                            }
                            _ => {}
                        }
                    }
                }
            }
            if !is_named {
                let keys = list(kind.keys(), "or", 9);
                wrong(at, "", format!("it names nobody: fill in {keys}"));
            }
        }
        problems
    }

    /// What a row is about: the first of its names.
    fn key(&self, kind: Kind, row: &[String]) -> String {
        (kind.keys().iter())
            .filter_map(|key| {
                let at = self.columns.iter().position(|name| name == key)?;
                row.get(at).filter(|cell| !cell.is_empty()).cloned()
            })
            .next()
            .unwrap_or_default()
    }

    /// What changed since another, in words.
    pub fn changes(&self, kind: Kind, before: &Self) -> String {
        type Row<'a> = BTreeMap<&'a str, &'a str>;
        fn rows(table: &Table, kind: Kind) -> BTreeMap<String, Row<'_>> {
            let cells = |row| -> Row<'_> {
                let cells = table.columns.iter().zip::<&Vec<String>>(row);
                cells
                    .map(|(name, cell)| (name.as_str(), cell.as_str()))
                    .filter(|(_, cell)| !cell.is_empty())
                    .collect()
            };
            let rows = table.rows.iter();
            rows.map(|row| (table.key(kind, row), cells(row))).collect()
        }
        let (old, new) = (rows(before, kind), rows(self, kind));
        let mut added = Vec::new();
        let mut changed = Vec::new();
        for (key, row) in &new {
            match old.get(key) {
                None => added.push(key.clone()),
                Some(own) if own != row => {
                    let names: BTreeSet<&&str> = own.keys().chain(row.keys()).collect();
                    let names = names
                        .into_iter()
                        .filter(|name| own.get(*name) != row.get(*name));
                    let cells: Vec<String> = names
                        .map(|name| {
                            let of =
                                |row: &Row<'_>| row.get(name).copied().unwrap_or("").to_owned();
                            format!("{name} `{}` to `{}`", of(own), of(row))
                        })
                        .collect();
                    changed.push(format!("{key} ({})", cells.join(", ")));
                }
                Some(_) => {}
            }
        }
        let removed: Vec<String> = old
            .keys()
            .filter(|key| !new.contains_key(*key))
            .cloned()
            .collect();
        let parts = [("added", added), ("changed", changed), ("removed", removed)];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(_, all)| !all.is_empty())
            .map(|(what, all)| format!("{what} {}: {}", all.len(), list(all, "and", NAMED)))
            .collect();
        match parts.is_empty() {
            true => "nothing changed".to_owned(),
            false => parts.join("; "),
        }
    }
}

fn is_address(text: &str) -> bool {
    match text.split_once('/') {
        None => text.parse::<IpAddr>().is_ok(),
        Some((address, bits)) => {
            let most = match address.parse::<IpAddr>() {
                Ok(IpAddr::V4(_)) => 32,
                Ok(IpAddr::V6(_)) => 128,
                Err(_) => return false,
            };
            bits.parse::<u8>().is_ok_and(|bits| bits <= most)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

    use super::*;

    #[test]
    fn a_table_reads_as_it_was_written() {
        let text = "ip,nt_host,owner\n10.0.0.1|10.0.0.2,WS1,\"Lee, Ann\"\n10.7.0.0/16,,\"=cmd|' /C calc'!A0\"\n,WS3,\n";
        let table = Table::read(text.as_bytes()).unwrap();
        assert_eq!(table.problems(Kind::Assets), []);
        let sheet = table.csv(true);
        assert!(
            !sheet.contains(",=cmd") && !sheet.contains("\"=cmd"),
            "{sheet}"
        );
        for text in [table.csv(false), sheet] {
            assert_eq!(Table::read(text.as_bytes()).unwrap(), table, "{text}");
        }
    }

    #[test]
    fn problems_are_told_at_their_place() {
        for (kind, text, row, column, part) in [
            (
                Kind::Assets,
                "owner\nann\n",
                0,
                "",
                "it needs a column nt_host",
            ),
            (
                Kind::Identities,
                "name\nann\n",
                0,
                "",
                "it needs a column identity",
            ),
            (Kind::Assets, "ip,ip\n10.0.0.1,\n", 0, "ip", "two columns"),
            (
                Kind::Assets,
                "ip,a$b\n10.0.0.1,\n",
                0,
                "a$b",
                "not a column name",
            ),
            (
                Kind::Assets,
                "ip\n10.0.0.1\n10.0.0.256\n",
                1,
                "ip",
                "neither an address",
            ),
            (
                Kind::Assets,
                "ip\n10.0.0.0/33\n",
                0,
                "ip",
                "neither an address",
            ),
            (
                Kind::Assets,
                "ip,priority\n10.0.0.1,urgent\n",
                0,
                "priority",
                "not a priority",
            ),
            (
                Kind::Assets,
                "nt_host,dns\nWS1,\nWS2,ws1\n",
                1,
                "dns",
                "is in row 1 too",
            ),
            (Kind::Assets, "nt_host,owner\nWS1,a\n,b\n", 1, "", "fill in"),
            (
                Kind::Identities,
                "identity\nann|eve\neve\n",
                1,
                "identity",
                "is in row 1 too",
            ),
        ] {
            let problems = Table::read(text.as_bytes()).unwrap().problems(kind);
            let told = problems.iter().any(|one| {
                (one.row, one.column.as_str()) == (row, column) && one.message.contains(part)
            });
            assert!(told, "{text}: {problems:?}");
        }
        assert!(
            Table::read(b"ip\n1.2.3.4,5\n")
                .unwrap_err()
                .contains("row 1")
        );
    }

    #[test]
    fn changes_are_said_in_words() {
        let table = |text: &str| Table::read(text.as_bytes()).unwrap();
        let before = table("nt_host,owner\nWS1,ann\nWS2,bob\nWS3,eve\n");
        // Other columns in another order are the same if they say the same.
        let after = table("owner,nt_host,category\nann,WS1,\nida,WS2,server\n,WS4,\n");
        assert_eq!(
            after.changes(Kind::Assets, &before),
            "added 1: WS4; changed 1: WS2 (category `` to `server`, owner `bob` to `ida`); removed 1: WS3"
        );
        assert_eq!(before.changes(Kind::Assets, &before), "nothing changed");
    }
}
