//! Field mappings: the names of an event type's fields in Splunk's and CIM's vocabularies.
//!
//! Mappings are content (`fields/*.yml`), a list of entries per file:
//!
//! ```yaml
//! - event_types: ["Security/4624"]
//!   event_data: [TargetUserName, LogonType]
//!   aliases:
//!     user: TargetUserName
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crabwalk_vocabulary::{EventType, is_windows};
use serde::Deserialize;

/// Weight of a pattern without wildcards.
const EXACT_WEIGHT: u8 = 3;

/// A pattern of event types: `Security/4624`, `Security/*`, `zeek:conn/0`, `*/*` (every Windows event).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypePattern {
    /// Lower case; `None` for every Windows channel.
    channel: Option<String>,
    event_id: Option<u32>,
}

impl TypePattern {
    /// The channel, lower case; `None` for every Windows channel.
    pub fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that describes the error.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (channel, id) = text.rsplit_once('/').ok_or_else(|| {
            format!(
                "`{text}` is not an event type: write `channel/event id`, such as `Security/4624`"
            )
        })?;
        let event_id = if id == "*" {
            None
        } else {
            Some(id.parse().map_err(|_| {
                format!("`{id}` in `{text}` is not an event id: write a number or `*`")
            })?)
        };
        Ok(Self {
            channel: (channel != "*").then(|| channel.to_lowercase()),
            event_id,
        })
    }

    /// Whether an event type matches.
    pub fn matches(&self, channel: &str, event_id: u32) -> bool {
        if self.event_id.is_some_and(|own| own != event_id) {
            return false;
        }
        match &self.channel {
            Some(own) => {
                own.eq_ignore_ascii_case(channel)
                    || (!channel.is_ascii() && *own == channel.to_lowercase())
            }
            None => is_windows(channel, event_id),
        }
    }

    /// How narrow the pattern is: of two that match, the higher value wins.
    fn weight(&self) -> u8 {
        2 * u8::from(self.channel.is_some()) + u8::from(self.event_id.is_some())
    }

    /// The channel and id of a pattern without wildcards.
    pub fn exact(&self) -> Option<(&str, u32)> {
        Some((self.channel.as_deref()?, self.event_id?))
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    event_types: Vec<String>,
    #[serde(default)]
    event_data: Vec<String>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
struct Entry {
    patterns: Vec<TypePattern>,
    event_data: BTreeSet<String>,
    aliases: BTreeMap<String, String>,
}

/// All field mappings of a run.
#[derive(Debug, Clone, Default)]
pub struct FieldMappings {
    entries: Vec<Arc<Entry>>,
    /// The entries that name an event type without wildcards, by channel in lower case and id.
    exact: HashMap<(String, u32), Vec<usize>>,
    /// The entries that have a pattern with a wildcard.
    wild: Vec<usize>,
}

/// The mappings for one event type.
#[derive(Debug, Clone, Default)]
pub struct TypeMapping {
    /// The matching entries, narrowest first; among equally narrow ones, latest first.
    entries: Vec<Arc<Entry>>,
}

impl TypeMapping {
    /// The SPL eval expression of an alias.
    pub fn alias(&self, name: &str) -> Option<&str> {
        self.entries
            .iter()
            .find_map(|entry| entry.aliases.get(name))
            .map(String::as_str)
    }

    /// Names of all aliases; a name may come more than once.
    pub fn alias_names(&self) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .flat_map(|entry| entry.aliases.keys())
            .map(String::as_str)
    }

    /// Whether the content knows the field for such events.
    pub fn has_event_data(&self, name: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.event_data.contains(name))
    }

    /// Names of the fields that such events can have, if the content lists them.
    pub fn event_data(&self) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .flat_map(|entry| &entry.event_data)
            .map(String::as_str)
    }
}

impl FieldMappings {
    /// Adds the entries of one YAML text. Later entries override earlier ones that are equally narrow.
    ///
    /// # Errors
    /// What is wrong with the text, with line and column for YAML syntax errors.
    pub fn add_yaml(&mut self, text: &str) -> Result<(), String> {
        let raw: Vec<RawEntry> = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        for entry in raw {
            let patterns: Vec<TypePattern> = entry
                .event_types
                .iter()
                .map(|text| TypePattern::parse(text))
                .collect::<Result<_, _>>()?;
            let index = self.entries.len();
            for pattern in &patterns {
                match pattern.exact() {
                    Some((channel, event_id)) => {
                        let place = (channel.to_owned(), event_id);
                        self.exact.entry(place).or_default().push(index);
                    }
                    None if self.wild.last() != Some(&index) => self.wild.push(index),
                    None => {}
                }
            }
            self.entries.push(Arc::new(Entry {
                patterns,
                event_data: entry.event_data.into_iter().collect(),
                aliases: entry.aliases,
            }));
        }
        Ok(())
    }

    /// What is known about an event type.
    pub fn of(&self, channel: &str, event_id: u32) -> TypeMapping {
        let exact = self.exact.get(&(channel.to_lowercase(), event_id));
        let mut fitting: Vec<(u8, usize)> = exact
            .into_iter()
            .flatten()
            .map(|index| (EXACT_WEIGHT, *index))
            .collect();
        for index in &self.wild {
            let weight = self.entries.get(*index).and_then(|entry| {
                let patterns = entry.patterns.iter();
                patterns
                    .filter(|pattern| pattern.matches(channel, event_id))
                    .map(TypePattern::weight)
                    .max()
            });
            fitting.extend(weight.map(|weight| (weight, *index)));
        }
        fitting.sort_unstable_by(|a, b| b.cmp(a));
        fitting.dedup_by_key(|(_, index)| *index);
        TypeMapping {
            entries: fitting
                .into_iter()
                .filter_map(|(_, index)| self.entries.get(index).cloned())
                .collect(),
        }
    }

    /// The event types that entries name without wildcards, channels in lower case.
    pub fn known_types(&self) -> BTreeSet<EventType> {
        self.entries
            .iter()
            .flat_map(|entry| &entry.patterns)
            .filter_map(TypePattern::exact)
            .map(|(channel, event_id)| EventType {
                channel: channel.to_owned(),
                event_id,
            })
            .collect()
    }

    /// Every alias with the expressions that event types give it.
    pub fn expressions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().flat_map(|entry| {
            entry
                .aliases
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrower_entries_win() {
        let mut mappings = FieldMappings::default();
        mappings
            .add_yaml(
                "- event_types: ['Security/4624']\n  aliases: {user: TargetUserName}\n  event_data: [TargetUserName]\n\
                 - event_types: ['*/*']\n  aliases: {user: UserID, dest: host}\n\
                 - event_types: ['security/*']\n  aliases: {user: SubjectUserName}\n",
            )
            .unwrap_or_else(|error| panic!("{error}"));
        for (channel, id, user) in [
            ("Security", 4624, Some("TargetUserName")),
            ("SECURITY", 4625, Some("SubjectUserName")),
            ("System", 7045, Some("UserID")),
            ("Application", 0, Some("UserID")),
            ("zeek:conn", 0, None),
        ] {
            let mapping = mappings.of(channel, id);
            assert_eq!(mapping.alias("user"), user, "{channel}/{id}");
        }
        assert!(
            mappings
                .of("Security", 4624)
                .has_event_data("TargetUserName")
        );
    }

    #[test]
    fn patterns_say_what_is_wrong() {
        for text in ["Security", "Security/x"] {
            assert!(TypePattern::parse(text).is_err_and(|message| message.contains(text)));
        }
        assert_eq!(
            TypePattern::parse("Microsoft-Windows-Sysmon/Operational/1")
                .ok()
                .and_then(|p| p.exact().map(|(c, i)| (c.to_owned(), i))),
            Some(("microsoft-windows-sysmon/operational".to_owned(), 1))
        );
    }
}
