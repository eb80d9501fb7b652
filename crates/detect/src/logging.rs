//! How events come to be logged: what each shows, who writes it, and how to enable it.
//!
//! This is content, `content/windows/logging.yml`; content loaded with `--content` adds to it and replaces entries.

use std::collections::BTreeMap;

use crabwalk_events::EventType;
use serde::Deserialize;

/// Who writes events of a type, and so what their absence on a host means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Writers {
    /// Every Windows machine, once enabled there.
    #[serde(rename = "hosts")]
    Hosts,
    /// Domain controllers only.
    #[serde(rename = "domain controllers")]
    DomainControllers,
    /// A sensor in the network.
    #[serde(rename = "sensors")]
    Sensors,
    /// Any machine with the thing in question: the absence of events means nothing.
    #[serde(rename = "whoever has them")]
    Some,
}

/// What is known about an event type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// What its events show, such as `logons`.
    pub tells: String,
    /// Who writes them.
    pub written_by: Writers,
    /// How to enable it.
    pub advice: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    logging: BTreeMap<String, BTreeMap<u32, Known>>,
}

/// What is known about event types, by channel in lower case and id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logging {
    known: BTreeMap<(String, u32), (String, Known)>,
}

impl Logging {
    /// Adds the entries of a YAML document, replacing existing ones.
    ///
    /// # Errors
    /// What is wrong with the document.
    pub fn add_yaml(&mut self, text: &str) -> Result<(), String> {
        let document: Document = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        for (channel, events) in document.logging {
            for (id, known) in events {
                self.known
                    .insert((channel.to_lowercase(), id), (channel.clone(), known));
            }
        }
        Ok(())
    }

    /// What is known about an event type.
    pub fn of(&self, event_type: &EventType) -> Option<&Known> {
        self.known
            .get(&(event_type.channel.to_lowercase(), event_type.event_id))
            .map(|(_, known)| known)
    }

    /// The described event types.
    pub fn types(&self) -> impl Iterator<Item = EventType> {
        self.known
            .iter()
            .map(|((_, event_id), (channel, _))| EventType {
                channel: channel.clone(),
                event_id: *event_id,
            })
    }
}
