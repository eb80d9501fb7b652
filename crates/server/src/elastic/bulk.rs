//! The body of `_bulk`: a line with an action, and for most actions a line with the document.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::batch::Event;

/// The action for a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Adds it, or replaces another.
    Index,
    /// Adds it, if no document has its id.
    Create,
    /// Updates one; its content is an event all the same.
    Update,
    /// Deletes one. Events are kept.
    Delete,
}

impl Verb {
    /// Its name in requests and responses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One action of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Action {
    /// What to do.
    pub verb: Verb,
    /// Its index; empty if only the URL names one.
    pub index: String,
    /// Its id; empty if it has none.
    pub id: String,
    /// The event, or the reason why there is none.
    pub event: Result<Option<Event>, String>,
}

/// The request is invalid: the line number, from 1, and the error.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub usize, pub String);

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(rename = "_index", borrow, default)]
    index: Option<Cow<'a, str>>,
    #[serde(rename = "_id", borrow, default)]
    id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Act<'a> {
    #[serde(borrow, default)]
    index: Option<Meta<'a>>,
    #[serde(borrow, default)]
    create: Option<Meta<'a>>,
    #[serde(borrow, default)]
    update: Option<Meta<'a>>,
    #[serde(borrow, default)]
    delete: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(rename = "@timestamp", borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    host: Option<&'a RawValue>,
    #[serde(borrow, default)]
    doc: Option<&'a RawValue>,
}

/// Reads a request. `peer` is the host of documents that do not name one.
///
/// # Errors
/// If actions and documents cannot be told apart; then nothing of the request is taken.
pub fn parse(body: &str, peer: &str) -> Result<Vec<Action>, Malformed> {
    let mut actions = Vec::new();
    let mut lines = (1..)
        .zip(body.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    while let Some((at, line)) = lines.next() {
        let act: Act<'_> = serde_json::from_str(line).map_err(|_| {
            let found = if line.trim_start().starts_with('{') { "START_OBJECT" } else { "VALUE_STRING" };
            Malformed(
                at,
                format!("Malformed action/metadata line [{at}], expected START_OBJECT but found [{found}]"),
            )
        })?;
        let (verb, meta) = match act {
            Act {
                create: Some(meta), ..
            } => (Verb::Create, meta),
            Act {
                index: Some(meta), ..
            } => (Verb::Index, meta),
            Act {
                update: Some(meta), ..
            } => (Verb::Update, meta),
            Act {
                delete: Some(meta), ..
            } => (Verb::Delete, meta),
            _ => {
                let why = format!(
                    "Malformed action/metadata line [{at}], expected field [create], [delete], [index] or [update]"
                );
                return Err(Malformed(at, why));
            }
        };
        let event = match verb {
            Verb::Delete => Ok(None),
            _ => {
                let Some((_, source)) = lines.next() else {
                    let why = "The bulk request must be terminated by a newline [\\n]".to_owned();
                    return Err(Malformed(at, why));
                };
                document(source, verb, peer)
                    .map(Some)
                    .map_err(|error| format!("failed to parse: {error}"))
            }
        };
        actions.push(Action {
            verb,
            index: meta.index.unwrap_or_default().into_owned(),
            id: meta.id.map(text_of).unwrap_or_default(),
            event,
        });
    }
    Ok(actions)
}

/// The text of a value: a string without its quotes, others unchanged, `null` as empty.
fn text_of(raw: &RawValue) -> String {
    match raw.get() {
        "null" => String::new(),
        text => serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned()),
    }
}

/// A document as an event.
///
/// # Errors
/// If it is not JSON.
pub fn document(text: &str, verb: Verb, peer: &str) -> Result<Event, serde_json::Error> {
    let mut text = text.trim();
    let mut own: Document<'_> = serde_json::from_str(text)?;
    if let (Verb::Update, Some(doc)) = (verb, own.doc) {
        text = doc.get();
        own = serde_json::from_str(text)?;
    }
    #[derive(Deserialize)]
    struct Host<'a> {
        #[serde(borrow, default)]
        name: Option<Cow<'a, str>>,
    }
    let host = own.host.and_then(|raw| match raw.get().starts_with('{') {
        true => serde_json::from_str::<Host<'_>>(raw.get())
            .ok()?
            .name
            .map(Cow::into_owned),
        false => Some(text_of(raw)),
    });
    let time = own.timestamp.and_then(|raw| {
        let written = text_of(raw);
        crate::hec::time_of(&written).or_else(|| crabwalk_sources::time_of(&written))
    });
    Ok(Event {
        time,
        host: host
            .filter(|host| !host.is_empty())
            .unwrap_or_else(|| peer.to_owned()),
        text: text.to_owned(),
        ..Event::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_and_documents() {
        let body = concat!(
            "{\"create\":{\"_index\":\"logs-a\",\"_id\":\"7\",\"routing\":\"x\"}}\n",
            "{\"@timestamp\":\"2026-03-04T05:06:07Z\",\"host\":{\"name\":\"ws1\"},\"n\":1}\n",
            "{\"index\": {\"_index\": \"win\"}}\n",
            "{\"n\":\n",
            "\n",
            "{\"delete\":{\"_id\":3}}\n",
            "{\"update\":{\"_id\":\"9\"}}\n",
            "{\"doc\":{\"n\":2}}",
        );
        let actions = parse(body, "192.0.2.1").unwrap_or_default();
        let shown: Vec<(&str, &str, &str)> = actions
            .iter()
            .map(|one| (one.verb.name(), one.index.as_str(), one.id.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ("create", "logs-a", "7"),
                ("index", "win", ""),
                ("delete", "", "3"),
                ("update", "", "9")
            ]
        );
        let event = |at: usize| {
            actions
                .get(at)
                .and_then(|one| one.event.as_ref().ok()?.as_ref())
        };
        assert_eq!(
            event(0).and_then(|event| event.time),
            Some(1_772_600_767_000_000)
        );
        assert_eq!(event(0).map(|event| event.host.as_str()), Some("ws1"));
        assert!(actions.get(1).is_some_and(|one| one.event.is_err()));
        assert_eq!(event(3).map(|event| event.text.as_str()), Some("{\"n\":2}"));
        assert_eq!(event(3).map(|event| event.host.as_str()), Some("192.0.2.1"));
    }

    #[test]
    fn what_is_no_bulk_request() {
        for body in [
            "\"x\"\n{}\n",
            "{\"other\":{}}\n{}\n",
            "{\"index\":{}}\n",
            "{\n",
        ] {
            assert!(parse(body, "").is_err(), "{body}");
        }
    }
}
