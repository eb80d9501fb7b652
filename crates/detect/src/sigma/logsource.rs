//! The event types behind a Sigma log source, and the names of its fields there.
//!
//! This is content (`sigma/*.yml`), a document with the key `sigma_logsources`:
//!
//! ```yaml
//! sigma_logsources:
//!   - logsource: {product: windows, category: process_creation}
//!     events:
//!       - types: ["Microsoft-Windows-Sysmon/Operational/1"]
//!       - types: ["Security/4688"]
//!         fields: {Image: NewProcessName}
//! ```

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crabwalk_events::mapping::TypePattern;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDocument {
    sigma_logsources: Vec<RawEntry>,
    #[serde(default)]
    fields: BTreeMap<String, RawField>,
    #[serde(default)]
    entities: Vec<RawEntity>,
    #[serde(default)]
    not_accounts: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    logsource: RawKey,
    events: Vec<RawEvents>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawKey {
    product: Option<String>,
    category: Option<String>,
    service: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvents {
    types: Vec<String>,
    #[serde(default)]
    fields: BTreeMap<String, RawField>,
    #[serde(default, rename = "where")]
    filter: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawField {
    Text(String),
    Values {
        field: String,
        values: BTreeMap<String, String>,
    },
    Part {
        field: String,
        after: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntity {
    types: Vec<String>,
    #[serde(default)]
    user: Vec<String>,
    #[serde(default)]
    src: Vec<String>,
    #[serde(default)]
    dest: Vec<String>,
}

/// The log source of a rule, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogSourceKey {
    /// Such as `windows` or `zeek`.
    pub product: Option<String>,
    /// Such as `process_creation`.
    pub category: Option<String>,
    /// Such as `security`.
    pub service: Option<String>,
}

impl LogSourceKey {
    /// The key of an entry.
    pub fn new(product: Option<&str>, category: Option<&str>, service: Option<&str>) -> Self {
        let lower = |text: Option<&str>| {
            text.map(|text| text.trim().to_lowercase())
                .filter(|text| !text.is_empty())
        };
        Self {
            product: lower(product),
            category: lower(category),
            service: lower(service),
        }
    }

    /// How many of this entry's parts a rule's log source has, or `None` if the entry does not match the rule.
    fn fits(&self, rule: &Self) -> Option<usize> {
        let mut parts = 0;
        for (own, theirs) in [
            (&self.product, &rule.product),
            (&self.category, &rule.category),
            (&self.service, &rule.service),
        ] {
            match (own, theirs) {
                (Some(own), Some(theirs)) if own == theirs => parts += 1,
                (Some(_), Some(_)) => return None,
                _ => {}
            }
        }
        // The entry must be about the rule's most specific part.
        let narrow = |key: &Self| (key.category.is_some(), key.service.is_some());
        let agreed = match narrow(rule) {
            (true, _) if self.category.is_some() => true,
            (_, true) => self.service.is_some(),
            (false, false) => narrow(self) == (false, false),
            (true, false) => false,
        };
        // `product` alone is not enough if the entry requires more than the rule has.
        let more = self.service.is_some() && rule.service.is_none()
            || self.category.is_some() && rule.category.is_none();
        (agreed && !more && parts > 0).then_some(parts)
    }
}

impl fmt::Display for LogSourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = [
            ("product", &self.product),
            ("category", &self.category),
            ("service", &self.service),
        ]
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {value}")))
        .collect();
        if parts.is_empty() {
            f.write_str("no log source")
        } else {
            f.write_str(&parts.join(", "))
        }
    }
}

/// How the value of a rule's field is built from an event's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldRule {
    /// It is another column.
    Column(String),
    /// Texts and columns concatenated; there is no value if a column is missing.
    Template(Vec<Piece>),
    /// Another column, with some values renamed.
    Values(String, BTreeMap<String, String>),
    /// The part of a column after a text, up to the next comma (`Hashes`).
    Part(String, String),
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// The value of a column.
    Column(String),
}

impl FieldRule {
    fn parse(raw: RawField) -> Result<Self, String> {
        Ok(match raw {
            RawField::Values { field, values } => Self::Values(field, values),
            RawField::Part { field, after } => Self::Part(field, after),
            RawField::Text(text) if !text.contains('{') => Self::Column(text),
            RawField::Text(text) => {
                let mut pieces = Vec::new();
                let mut rest = text.as_str();
                while let Some((before, after)) = rest.split_once('{') {
                    let (column, after) = after
                        .split_once('}')
                        .ok_or_else(|| format!("`{text}` has a `{{` without its `}}`"))?;
                    if !before.is_empty() {
                        pieces.push(Piece::Text(before.to_owned()));
                    }
                    pieces.push(Piece::Column(column.to_owned()));
                    rest = after;
                }
                if !rest.is_empty() {
                    pieces.push(Piece::Text(rest.to_owned()));
                }
                Self::Template(pieces)
            }
        })
    }

    /// The required columns.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Column(column) | Self::Values(column, _) | Self::Part(column, _) => vec![column],
            Self::Template(pieces) => pieces
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Column(column) => Some(column.as_str()),
                    Piece::Text(_) => None,
                })
                .collect(),
        }
    }

    /// The value, given a function that returns the first value of a column.
    pub fn value<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> Option<Cow<'a, str>> {
        match self {
            Self::Column(column) => get(column).map(Cow::Borrowed),
            Self::Values(column, values) => {
                let value = get(column)?;
                Some(match values.get(value) {
                    Some(other) => Cow::Owned(other.clone()),
                    None => Cow::Borrowed(value),
                })
            }
            Self::Part(column, after) => {
                let value = get(column)?;
                let part = value
                    .split(',')
                    .find_map(|part| part.trim().strip_prefix(after.as_str()))?;
                Some(Cow::Borrowed(part))
            }
            Self::Template(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(part) => text.push_str(part),
                        Piece::Column(column) => text.push_str(get(column)?),
                    }
                }
                Some(Cow::Owned(text))
            }
        }
    }
}

/// The event types of a log source, with their field names.
#[derive(Debug, Clone)]
pub struct View {
    types: Vec<TypePattern>,
    /// Rule field → how it is built. A name not listed here is a column.
    pub fields: BTreeMap<String, FieldRule>,
    /// Only events whose column has one of these values (ignoring case) belong to the log source.
    pub filter: Vec<(String, Vec<String>)>,
}

impl View {
    /// Whether events of a type belong here, if they match the filter.
    pub fn matches(&self, channel: &str, event_id: u32) -> bool {
        self.types.iter().any(|one| one.matches(channel, event_id))
    }
}

/// The fields of an event type that name an account and machines, best first.
#[derive(Debug, Clone, Default)]
pub struct Entities {
    types: Vec<TypePattern>,
    /// Accounts.
    pub user: Vec<String>,
    /// Where it came from.
    pub src: Vec<String>,
    /// The machine concerned; the machine that wrote the event if there is none.
    pub dest: Vec<String>,
}

/// All known log sources.
#[derive(Debug, Clone, Default)]
pub struct LogSources {
    entries: Vec<(LogSourceKey, Vec<Arc<View>>)>,
    fields: BTreeMap<String, FieldRule>,
    entities: Vec<Arc<Entities>>,
    not_accounts: BTreeSet<String>,
}

fn patterns(types: &[String]) -> Result<Vec<TypePattern>, String> {
    types.iter().map(|text| TypePattern::parse(text)).collect()
}

fn rules(raw: BTreeMap<String, RawField>) -> Result<BTreeMap<String, FieldRule>, String> {
    raw.into_iter()
        .map(|(name, raw)| Ok((name, FieldRule::parse(raw)?)))
        .collect()
}

impl LogSources {
    /// Adds the log sources of one YAML text; later ones replace earlier ones with the same key.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn add_yaml(&mut self, text: &str) -> Result<(), String> {
        let raw: RawDocument = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        for entry in raw.sigma_logsources {
            let key = LogSourceKey::new(
                entry.logsource.product.as_deref(),
                entry.logsource.category.as_deref(),
                entry.logsource.service.as_deref(),
            );
            let views = entry
                .events
                .into_iter()
                .map(|events| {
                    Ok(Arc::new(View {
                        types: patterns(&events.types)?,
                        fields: rules(events.fields)?,
                        filter: events.filter.into_iter().collect(),
                    }))
                })
                .collect::<Result<Vec<_>, String>>()?;
            self.entries.retain(|(own, _)| *own != key);
            self.entries.push((key, views));
        }
        self.fields.extend(rules(raw.fields)?);
        for (at, entity) in raw.entities.into_iter().enumerate() {
            let entity = Entities {
                types: patterns(&entity.types)?,
                user: entity.user,
                src: entity.src,
                dest: entity.dest,
            };
            // Those of a later file precede those of an earlier one, in their own order.
            self.entities.insert(at, Arc::new(entity));
        }
        self.not_accounts
            .extend(raw.not_accounts.iter().map(|name| name.to_lowercase()));
        Ok(())
    }

    /// The views for a rule's log source; none if no readable log has such events.
    pub fn views(&self, key: &LogSourceKey) -> Vec<Arc<View>> {
        let fitting: Vec<(usize, &Vec<Arc<View>>)> = self
            .entries
            .iter()
            .filter_map(|(own, views)| Some((own.fits(key)?, views)))
            .collect();
        let best = fitting.iter().map(|(parts, _)| *parts).max().unwrap_or(0);
        fitting
            .into_iter()
            .filter(|(parts, _)| *parts == best)
            .flat_map(|(_, views)| views.iter().cloned())
            .collect()
    }

    /// How a field with its own Sigma name is built, whatever the log source.
    pub fn field(&self, name: &str) -> Option<&FieldRule> {
        self.fields.get(name)
    }

    /// The fields that name accounts and machines in an event type.
    pub fn entities(&self, channel: &str, event_id: u32) -> Arc<Entities> {
        self.entities
            .iter()
            .find(|one| one.types.iter().any(|one| one.matches(channel, event_id)))
            .cloned()
            .unwrap_or_default()
    }

    /// Whether a name is that of an account: those that every machine has are not.
    pub fn is_account(&self, name: &str) -> bool {
        !self.not_accounts.contains(&name.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r"
sigma_logsources:
  - logsource: {product: windows, category: process_creation}
    events:
      - types: ['Microsoft-Windows-Sysmon/Operational/1']
      - types: ['Security/4688']
        fields:
          Image: NewProcessName
          TargetObject: '{ObjectName}\{ObjectValueName}'
          Initiated: {field: Direction, values: {'%%14593': 'true'}}
          Imphash: {field: Hashes, after: 'IMPHASH='}
  - logsource: {product: windows, service: security}
    events: [{types: ['Security/*']}]
  - logsource: {product: windows, category: ps_script}
    events: [{types: ['Microsoft-Windows-PowerShell/Operational/4104']}]
  - logsource: {product: windows}
    events: [{types: ['*/*']}]
";

    fn sources() -> LogSources {
        let mut sources = LogSources::default();
        sources
            .add_yaml(TEXT)
            .unwrap_or_else(|error| panic!("{error}"));
        sources
    }

    #[test]
    fn log_sources_lead_to_event_types() {
        let sources = sources();
        for (product, category, service, event_type, found) in [
            (
                "windows",
                "process_creation",
                "",
                ("Security", 4688_u32),
                true,
            ),
            ("Windows", "Process_Creation", "", ("Security", 4688), true),
            ("", "process_creation", "", ("Security", 4688), true),
            ("linux", "process_creation", "", ("Security", 4688), false),
            ("windows", "", "security", ("Security", 1102), true),
            ("windows", "", "security", ("System", 104), false),
            ("windows", "", "unheard-of", ("Security", 1102), false),
            ("windows", "unheard-of", "", ("Security", 1102), false),
            ("windows", "", "", ("System", 104), true),
            (
                "windows",
                "ps_script",
                "powershell",
                ("Microsoft-Windows-PowerShell/Operational", 4104),
                true,
            ),
            ("", "", "", ("Security", 1102), false),
        ] {
            let key = LogSourceKey::new(Some(product), Some(category), Some(service));
            let views = sources.views(&key);
            assert_eq!(
                views
                    .iter()
                    .any(|view| view.matches(event_type.0, event_type.1)),
                found,
                "{key}"
            );
        }
    }

    #[test]
    fn fields_are_made_of_columns() {
        let sources = sources();
        let key = LogSourceKey::new(Some("windows"), Some("process_creation"), None);
        let views = sources.views(&key);
        let view = &views[1];
        let columns: BTreeMap<&str, &str> = [
            ("NewProcessName", r"C:\a.exe"),
            ("ObjectName", r"\REGISTRY\MACHINE\X"),
            ("ObjectValueName", "Run"),
            ("Direction", "%%14593"),
            ("Hashes", "MD5=AA,IMPHASH=BB"),
        ]
        .into();
        for (field, value) in [
            ("Image", Some(r"C:\a.exe")),
            ("TargetObject", Some(r"\REGISTRY\MACHINE\X\Run")),
            ("Initiated", Some("true")),
            ("Imphash", Some("BB")),
        ] {
            let made = view.fields[field].value(|column| columns.get(column).copied());
            assert_eq!(made.as_deref(), value, "{field}");
            assert_eq!(view.fields[field].value(|_| None), None, "{field}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for text in [
            "sigma_logsources: [{logsource: {}, events: [{types: ['Security']}]}]",
            "sigma_logsources: [{logsource: {produkt: x}, events: []}]", // spelling:ignore
            "sigma_logsources: []\nfields: {a: '{b'}",
        ] {
            assert!(LogSources::default().add_yaml(text).is_err(), "{text}");
        }
    }
}
