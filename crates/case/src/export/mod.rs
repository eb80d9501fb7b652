//! A case in the formats of other tools.

use serde_json::{Value, json};

use crate::document::{Case, Reference};

mod graph;
mod id;
mod iris;
mod markdown;
mod navigator;
mod ocsf;
mod opengraph;
mod stix;
mod timesketch;

pub use graph::{dot, graphml};
pub use iris::{iris_alerts, iris_timeline};
pub use markdown::markdown;
pub use navigator::navigator;
pub use ocsf::ocsf;
pub use opengraph::opengraph;
pub use stix::stix;
pub use timesketch::timesketch;

/// Where a record is, as JSON.
fn record(case: &Case, event: &Reference) -> Value {
    json!({
        "file": case.source(event.source).map(|source| source.path.as_str()),
        "record": event.record,
        "channel": event.channel,
        "event_id": event.event_id,
        "host": event.host,
        "time": event.time,
    })
}
