//! A record of a log in another tool's document.

use serde_json::{Value, json};

use crate::document::{Case, Reference};

/// Where a record is, as JSON.
pub(super) fn record(case: &Case, event: &Reference) -> Value {
    json!({
        "file": case.source(event.source).map(|source| source.path.as_str()),
        "record": event.record,
        "channel": event.channel,
        "event_id": event.event_id,
        "host": event.host,
        "time": event.time,
    })
}
