//! What is known of how events come to be logged: which tell what, who writes them, and how to have them written.
//!
//! It is content, `content/windows/logging.yml`; content given with `--content` adds to it and replaces entries.

use std::collections::BTreeMap;

use crabwalk_events::EventType;
use serde::Deserialize;

/// Who writes events of a type, and so what it means that a host has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Writers {
    /// Every Windows machine, once it is switched on there.
    #[serde(rename = "hosts")]
    Hosts,
    /// Domain controllers only.
    #[serde(rename = "domain controllers")]
    DomainControllers,
    /// A sensor in the network.
    #[serde(rename = "sensors")]
    Sensors,
    /// Whoever has the thing in question: that a host has none says nothing.
    #[serde(rename = "whoever has them")]
    Some,
}

/// What is known of an event type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// What its events tell, such as `logons`.
    pub tells: String,
    /// Who writes them.
    pub written_by: Writers,
    /// How to have them written.
    pub advice: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    logging: BTreeMap<String, BTreeMap<u32, Known>>,
}

/// What is known of event types, by channel in lower case and id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logging {
    known: BTreeMap<(String, u32), (String, Known)>,
}

impl Logging {
    /// Adds what a YAML document says; what is known already is replaced.
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

    /// What is known of an event type.
    pub fn of(&self, event_type: &EventType) -> Option<&Known> {
        self.known
            .get(&(event_type.channel.to_lowercase(), event_type.event_id))
            .map(|(_, known)| known)
    }

    /// The event types of which something is known.
    pub fn types(&self) -> impl Iterator<Item = EventType> {
        self.known
            .iter()
            .map(|((_, event_id), (channel, _))| EventType {
                channel: channel.clone(),
                event_id: *event_id,
            })
    }
}
