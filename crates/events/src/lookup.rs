//! Lookup tables: CSV files with the matching rules of Splunk's lookup definitions.

use std::collections::HashMap;

use crabwalk_sources::collect::RESERVED;
use crabwalk_vocabulary::wildcard;
use serde::Deserialize;

/// How a lookup's column is compared with an event's field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum MatchType {
    /// The values are equal.
    #[default]
    Exact,
    /// The lookup's value may contain `*`.
    Wildcard,
    /// The lookup's value is a network (`10.0.0.0/8`).
    Cidr,
}

/// What a lookup's definition specifies besides its rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LookupDefinition {
    /// The name that searches use.
    pub name: String,
    /// Columns that are not compared for equality.
    pub match_types: Vec<(String, MatchType)>,
    /// Whether comparison is case-sensitive. Splunk's default is true.
    pub case_sensitive: bool,
    /// Minimum number of results; missing ones are filled with `default_match`.
    pub min_matches: usize,
    /// Maximum number of results per event.
    pub max_matches: usize,
    /// Value of all output fields if nothing matches and `min_matches` requires a result.
    pub default_match: Option<String>,
}

impl LookupDefinition {
    /// A definition with Splunk's defaults.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            match_types: Vec::new(),
            case_sensitive: true,
            min_matches: 0,
            max_matches: 1000,
            default_match: None,
        }
    }

    /// Reads `WILDCARD(a), CIDR(b)`.
    pub fn add_match_types(&mut self, text: &str) {
        for part in text.split(',') {
            let Some((kind, rest)) = part.trim().split_once('(') else {
                continue;
            };
            let kind = match kind.trim().to_ascii_uppercase().as_str() {
                "WILDCARD" => MatchType::Wildcard,
                "CIDR" => MatchType::Cidr,
                _ => MatchType::Exact,
            };
            self.match_types
                .push((rest.trim_end_matches(')').trim().to_owned(), kind));
        }
    }

    fn match_type(&self, column: &str) -> MatchType {
        self.match_types
            .iter()
            .find(|(name, _)| name == column)
            .map_or(MatchType::Exact, |(_, kind)| *kind)
    }
}

/// The YAML of a lookup definition (ESCU keys).
#[derive(Debug, Clone, Deserialize)]
pub struct LookupYaml {
    /// Name of the lookup.
    pub name: String,
    /// CSV file beside the definition.
    #[serde(default)]
    pub filename: Option<String>,
    /// KV store collection; such a lookup is empty until a search fills it.
    #[serde(default)]
    pub collection: Option<String>,
    /// Columns of a KV store lookup, separated by commas.
    #[serde(default)]
    pub fields_list: Option<String>,
    /// The same as a list, in newer content.
    #[serde(default)]
    fields: Option<OneOrMany>,
    /// `csv`, `kvstore` or `mlmodel`, in newer content; a CSV file then has the definition's name.
    #[serde(default)]
    pub lookup_type: Option<String>,
    #[serde(default)]
    match_type: Option<OneOrMany>,
    #[serde(default)]
    case_sensitive_match: Option<Loose>,
    #[serde(default)]
    min_matches: Option<Loose>,
    #[serde(default)]
    max_matches: Option<Loose>,
    #[serde(default)]
    default_match: Option<Loose>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A value that public content writes as text, number or boolean.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Loose {
    Bool(bool),
    Number(i64),
    Text(String),
}

impl Loose {
    fn text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(value) => value.clone(),
        }
    }
}

impl LookupYaml {
    /// Reads a definition.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    /// Columns of a KV store lookup.
    pub fn columns(&self) -> Vec<String> {
        let list: Vec<&str> = match (&self.fields, &self.fields_list) {
            (Some(OneOrMany::Many(fields)), _) => fields.iter().map(String::as_str).collect(),
            (Some(OneOrMany::One(text)), _) | (None, Some(text)) => text.split(',').collect(),
            (None, None) => Vec::new(),
        };
        list.into_iter()
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// Whether it is a machine learning model.
    pub fn is_model(&self) -> bool {
        self.lookup_type.as_deref() == Some("mlmodel")
            || self
                .filename
                .as_deref()
                .is_some_and(|file| file.to_lowercase().ends_with(".mlmodel"))
    }

    /// The matching rules.
    pub fn definition(&self) -> LookupDefinition {
        let mut definition = LookupDefinition::new(&self.name);
        match &self.match_type {
            Some(OneOrMany::One(text)) => definition.add_match_types(text),
            Some(OneOrMany::Many(texts)) => texts
                .iter()
                .for_each(|text| definition.add_match_types(text)),
            None => {}
        }
        let number = |value: &Option<Loose>| {
            value
                .as_ref()
                .and_then(|value| value.text().trim().parse().ok())
        };
        definition.case_sensitive = self
            .case_sensitive_match
            .as_ref()
            .is_none_or(|value| !value.text().eq_ignore_ascii_case("false"));
        definition.min_matches = number(&self.min_matches).unwrap_or(0);
        definition.max_matches = number(&self.max_matches).unwrap_or(1000).max(1);
        definition.default_match = self.default_match.as_ref().map(Loose::text);
        definition
    }
}

/// A lookup with its rows in memory.
#[derive(Debug, Clone)]
pub struct LookupTable {
    /// The matching rules.
    pub definition: LookupDefinition,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows in file order; a cell may be empty.
    pub rows: Vec<Vec<String>>,
}

impl LookupTable {
    /// Reads the rows of a CSV text with a header line.
    ///
    /// # Errors
    /// What is wrong with the text, with its line.
    pub fn from_csv(definition: LookupDefinition, text: &[u8]) -> Result<Self, csv::Error> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
        let columns: Vec<String> = reader
            .headers()?
            .iter()
            .map(|name| {
                name.trim_start_matches(['\u{feff}', RESERVED])
                    .trim()
                    .to_owned()
            })
            .collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let mut row: Vec<String> = record?.iter().map(str::to_owned).collect();
            row.resize(columns.len(), String::new());
            rows.push(row);
        }
        Ok(Self {
            definition,
            columns,
            rows,
        })
    }

    /// The rows by their values in these columns, if all of them are compared for equality.
    pub fn exact_index(&self, keys: &[String]) -> Option<HashMap<Vec<String>, Vec<usize>>> {
        let columns = self.key_columns(keys)?;
        if columns.iter().any(|(_, kind)| *kind != MatchType::Exact) {
            return None;
        }
        let mut index = HashMap::new();
        for (row, cells) in self.rows.iter().enumerate() {
            let key: Vec<String> = columns
                .iter()
                .map(|(column, _)| self.fold(cell(cells, *column)))
                .collect();
            index.entry(key).or_insert_with(Vec::new).push(row);
        }
        Some(index)
    }

    /// Indexes of the rows with these values, in file order, at most `max_matches`.
    pub fn find_exact(
        &self,
        index: &HashMap<Vec<String>, Vec<usize>>,
        values: &[&str],
    ) -> Vec<usize> {
        let key: Vec<String> = values.iter().map(|value| self.fold(value)).collect();
        index
            .get(&key)
            .map(|rows| {
                rows.iter()
                    .copied()
                    .take(self.definition.max_matches)
                    .collect()
            })
            .unwrap_or_default()
    }

    /// Like [`find_exact`](Self::find_exact), but compares every row, so it also supports columns with patterns and
    /// networks. No row matches if the lookup has no such column.
    pub fn scan(&self, keys: &[String], values: &[&str]) -> Vec<usize> {
        let Some(columns) = self.key_columns(keys) else {
            return Vec::new();
        };
        let folded: Vec<String> = values.iter().map(|value| self.fold(value)).collect();
        let fits = |cells: &[String]| {
            columns.iter().zip(&folded).all(|((column, kind), value)| {
                let cell = self.fold(cell(cells, *column));
                match kind {
                    MatchType::Exact => cell == *value,
                    MatchType::Wildcard => wildcard::matches_exactly(&cell, value),
                    MatchType::Cidr => in_network(&cell, value),
                }
            })
        };
        let fitting = self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, cells)| fits(cells))
            .map(|(row, _)| row);
        fitting.take(self.definition.max_matches).collect()
    }

    fn key_columns(&self, keys: &[String]) -> Option<Vec<(usize, MatchType)>> {
        keys.iter()
            .map(|key| {
                let column = self.columns.iter().position(|name| name == key)?;
                Some((column, self.definition.match_type(key)))
            })
            .collect()
    }

    fn fold(&self, text: &str) -> String {
        if self.definition.case_sensitive {
            text.to_owned()
        } else {
            text.to_lowercase()
        }
    }
}

/// A cell of a row; one that ends before the column has nothing there.
fn cell(row: &[String], column: usize) -> &str {
    row.get(column).map_or("", String::as_str)
}

fn in_network(network: &str, address: &str) -> bool {
    let Ok(address) = address.parse::<std::net::IpAddr>() else {
        return false;
    };
    match network.parse::<ipnet::IpNet>() {
        Ok(network) => network.contains(&address),
        Err(_) => network
            .parse::<std::net::IpAddr>()
            .is_ok_and(|single| single == address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_the_definitions_rules() {
        let yaml = "name: x\nfilename: x.csv\nmatch_type: ['WILDCARD(process)', 'CIDR(ip)']\ncase_sensitive_match: 'false'\nmax_matches: 2\n";
        let definition = LookupYaml::parse(yaml)
            .unwrap_or_else(|error| panic!("{error}"))
            .definition();
        let csv = b"process,ip,name\n*\\cmd.exe,,shell\nC:\\*,,root\n*,,any\nx,10.0.0.0/8,inside\ny,10.1.2.3,one\n";
        let table =
            LookupTable::from_csv(definition, csv).unwrap_or_else(|error| panic!("{error}"));
        for (key, value, rows) in [
            ("process", "c:\\Windows\\CMD.exe", vec![0, 1]),
            ("process", "z", vec![2]),
            ("ip", "10.1.2.3", vec![3, 4]),
            ("ip", "11.0.0.1", vec![]),
            ("name", "SHELL", vec![0]),
        ] {
            let keys = [key.to_owned()];
            let found = match table.exact_index(&keys) {
                Some(index) => table.find_exact(&index, &[value]),
                None => table.scan(&keys, &[value]),
            };
            assert_eq!(found, rows, "{key}={value}");
        }
        assert!(table.scan(&["nothing".to_owned()], &["x"]).is_empty());
    }
}
