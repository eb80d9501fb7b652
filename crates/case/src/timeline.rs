//! What happened, in chronological order.

use crabwalk_vocabulary::time;

use crate::document::{Case, Reference};
use crate::names::Names;

/// One event of a movement or finding, or a cleared log. A text is empty if there is none.
pub(crate) struct Line<'l> {
    /// RFC 3339 in UTC.
    pub time: &'l str,
    /// The machine, as the event names it.
    pub host: &'l str,
    /// `movement`, the name of the detection, or `log cleared`.
    pub what: &'l str,
    /// Severity of the finding.
    pub severity: &'l str,
    /// For people.
    pub message: String,
    /// The event's log.
    pub channel: &'l str,
    /// The event's id.
    pub event_id: Option<u32>,
    /// The event's number in its log.
    pub record: Option<u64>,
    /// Path of the file.
    pub source: &'l str,
    /// Id of the finding.
    pub finding: &'l str,
    /// Id of the movement.
    pub hop: &'l str,
}

/// The events of movements and findings, and cleared logs.
pub(crate) fn timeline<'a>(case: &'a Case) -> Vec<Line<'a>> {
    // The line of an event, before it is known what it is there for.
    let of = |event: &'a Reference| Line {
        time: event.time.as_deref().unwrap_or_default(),
        host: &event.host,
        what: "",
        severity: "",
        message: String::new(),
        channel: &event.channel,
        event_id: Some(event.event_id),
        record: Some(event.record),
        source: case
            .source(event.source)
            .map_or("", |source| source.path.as_str()),
        finding: "",
        hop: "",
    };
    let mut lines = Vec::new();
    let names = Names::new(case);
    for hop in &case.hops {
        let seen = hop
            .witnesses
            .iter()
            .flat_map(|witness| witness.events.iter().map(move |event| (witness, event)));
        // Routine hops would bury the rest: one line each. `case.json` has all their events.
        let most = if hop.usual { 1 } else { usize::MAX };
        for (witness, event) in seen.take(most) {
            lines.push(Line {
                what: "movement",
                message: format!(
                    "{} → {}: {}",
                    names.source(hop.src.as_deref()),
                    names.host(&hop.dst),
                    witness.what
                ),
                hop: &hop.id,
                ..of(event)
            });
        }
    }
    // Everyday findings would bury the rest; `findings.csv` has them, with their counts.
    for finding in case.findings.iter().filter(|one| !one.is_daily_work()) {
        for event in &finding.events {
            lines.push(Line {
                what: &finding.detection,
                severity: finding.severity.name(),
                message: finding.message.clone(),
                finding: &finding.id,
                ..of(event)
            });
        }
        if finding.events.is_empty() {
            lines.push(Line {
                time: finding.first.as_deref().unwrap_or_default(),
                host: finding.hosts.first().map_or("", String::as_str),
                what: &finding.detection,
                severity: finding.severity.name(),
                message: finding.message.clone(),
                channel: "",
                event_id: None,
                record: None,
                source: "",
                finding: &finding.id,
                hop: "",
            });
        }
    }
    for covered in &case.coverage {
        for at in &covered.cleared {
            lines.push(Line {
                time: at,
                host: &covered.host,
                what: "log cleared",
                severity: "",
                message: format!(
                    "the {} log of {} was cleared",
                    covered.channel, covered.host
                ),
                channel: &covered.channel,
                event_id: None,
                record: None,
                source: "",
                finding: "",
                hop: "",
            });
        }
    }
    // Times differ in their number of decimals, so compare them as times.
    let key = |line: &Line<'_>| time::parse(line.time);
    lines.sort_by(|a, b| {
        (key(a), a.host, a.what, a.finding, a.hop, a.record).cmp(&(
            key(b),
            b.host,
            b.what,
            b.finding,
            b.hop,
            b.record,
        ))
    });
    lines
}
