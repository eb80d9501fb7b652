//! Events for Timesketch: JSON lines with `message`, `datetime` and `timestamp_desc`,
//! <https://timesketch.org/guides/user/import-from-json-csv/>.

use std::io::{self, Write};

use crabwalk_vocabulary::time;
use serde_json::{Map, Value, json};

use crate::document::{Case, Reference};
use crate::names::Names;

/// Writes every event of a hop or finding, and each clearing of a log. Events without a time are left out, because
/// Timesketch cannot represent them.
///
/// # Errors
/// What writing gives.
pub fn timesketch(case: &Case, mut out: impl Write) -> io::Result<()> {
    let names = Names::new(case);
    let mut line = |message: String,
                    time: Option<&str>,
                    description: &str,
                    tag: &str,
                    event: Option<&Reference>,
                    more: Value|
     -> io::Result<()> {
        let Some((time, micros)) = time.and_then(|time| Some((time, time::parse(time)?))) else {
            return Ok(());
        };
        let mut object = Map::new();
        object.insert("message".to_owned(), message.into());
        object.insert("datetime".to_owned(), time.into());
        object.insert("timestamp".to_owned(), micros.into());
        object.insert("timestamp_desc".to_owned(), description.into());
        object.insert("tag".to_owned(), json!([tag]));
        if let Some(event) = event {
            object.insert("computer_name".to_owned(), event.host.as_str().into());
            object.insert("source_name".to_owned(), event.channel.as_str().into());
            object.insert("event_identifier".to_owned(), event.event_id.into());
            object.insert("record_number".to_owned(), event.record.into());
            let path = case
                .source(event.source)
                .map_or("", |source| source.path.as_str());
            object.insert("filename".to_owned(), path.into());
        }
        if let Value::Object(more) = more {
            object.extend(more);
        }
        crate::json::to_json_line(&object, &mut out)
    };
    for hop in &case.hops {
        let movement = format!(
            "{} → {}",
            names.source(hop.src.as_deref()),
            names.host(&hop.dst)
        );
        for witness in &hop.witnesses {
            for event in &witness.events {
                line(
                    format!("Movement {movement}: {}", witness.what),
                    event.time.as_deref(),
                    "Witness of a movement",
                    "crabwalk-hop",
                    Some(event),
                    json!({
                        "hop": hop.id,
                        "witness": witness.kind,
                        "techniques": hop.techniques,
                        "account": hop.used.as_deref().map(|id| names.account(id)),
                        "confidence": hop.confidence,
                    }),
                )?;
            }
        }
    }
    for finding in case
        .findings
        .iter()
        .filter(|finding| finding.suppressed.is_none())
    {
        let more = json!({
            "finding": finding.id,
            "detection": finding.detection,
            "severity": finding.severity,
            "techniques": finding.techniques,
        });
        let message = format!("{}: {}", finding.detection, finding.message);
        for event in &finding.events {
            line(
                message.clone(),
                event.time.as_deref(),
                "Event of a finding",
                "crabwalk-finding",
                Some(event),
                more.clone(),
            )?;
        }
        if finding.events.is_empty() {
            line(
                message,
                finding.first.as_deref(),
                "Finding",
                "crabwalk-finding",
                None,
                more,
            )?;
        }
    }
    for covered in &case.coverage {
        for at in &covered.cleared {
            line(
                format!(
                    "The {} log of {} was cleared",
                    covered.channel, covered.host
                ),
                Some(at),
                "Log cleared",
                "crabwalk-log-cleared",
                None,
                json!({"computer_name": covered.host, "source_name": covered.channel}),
            )?;
        }
    }
    out.flush()
}
