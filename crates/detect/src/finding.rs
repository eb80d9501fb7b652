//! Findings: one result row of one detection each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crabwalk_events::{Catalog, EventRef};
use crabwalk_spl::{Results, Row};

use crate::detection::{Detection, RiskObjectKind};
use crate::message;
use crabwalk_vocabulary::Severity;

/// Maximum number of events that a finding lists: half of them the earliest, half the latest. [`Finding::event_count`]
/// has the total.
pub const MOST_EVENTS: usize = 50;
/// Number of findings of one detection that list so many events; later ones list [`FEW_EVENTS`].
const IN_FULL: usize = 1_000;
/// See [`IN_FULL`].
const FEW_EVENTS: usize = 10;
/// Maximum number of findings kept per detection. Nobody reads more, and they must not fill the memory.
pub const MOST_FINDINGS: usize = 5_000;

/// Something that carries risk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RiskObject {
    /// What it is.
    pub kind: RiskObjectKind,
    /// Its name, as the events give it.
    pub value: String,
    /// Risk that the finding adds to it, as defined by the detection. 0 if findings of this type add none.
    pub score: u32,
    /// The same with what is known of the object taken into account, see [`RiskFactors`](crate::risk::RiskFactors).
    pub calculated: u32,
}

/// Who decided that a finding is not shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SuppressedBy {
    /// It repeats another.
    Throttling,
    /// It is raised about the same on other days.
    Habit,
    /// The author of an exception, whatever they are called.
    Author(String),
}

impl fmt::Display for SuppressedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throttling => "throttling",
            Self::Habit => "habit",
            Self::Author(name) => name,
        })
    }
}

/// Why a finding is not shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suppressed {
    /// Who decided it.
    pub by: SuppressedBy,
    /// The reason, in its author's words.
    pub reason: String,
    /// Until when, as written in the exception.
    pub until: Option<String>,
    /// File and line of the exception; `None` if it was not an exception.
    pub exception: Option<String>,
}

/// A threat object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ThreatObject {
    /// Its type, such as `process_name` or `ip_address`.
    pub kind: String,
    /// Its name, as the events give it.
    pub value: String,
}

/// One result row of one detection.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Stable across runs: derived from the detection, the objects concerned and the first event.
    pub id: String,
    /// The detection that fired.
    pub detection: Arc<Detection>,
    /// Time of the first event, in microseconds since 1970-01-01 UTC.
    pub first: Option<i64>,
    /// Time of the last event, in microseconds since 1970-01-01 UTC.
    pub last: Option<i64>,
    /// The detection's message with its fields filled in.
    pub message: String,
    /// What carries risk.
    pub risk_objects: Vec<RiskObject>,
    /// Its threat objects: files, processes, addresses, as named by the detection.
    pub threat_objects: Vec<ThreatObject>,
    /// All visible columns of the row with their values, in the order of the search.
    pub fields: Vec<(String, Vec<String>)>,
    /// The events behind the row, in chronological order; at most [`MOST_EVENTS`].
    pub events: Vec<EventRef>,
    /// Number of all events behind the row.
    pub event_count: u64,
    /// Number of similar findings it represents: where the logs show daily work, one per day is reported.
    pub count: u64,
    /// Why it does not deserve attention by itself, if so: the logs' other days show the same.
    pub everyday: Option<String>,
    /// Why it is not shown and adds no risk, if so.
    pub suppressed: Option<Suppressed>,
}

impl Finding {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.detection.severity()
    }

    /// Whether it deserves attention by itself.
    pub fn is_notable(&self) -> bool {
        self.detection.kind.is_notable() && self.suppressed.is_none() && self.everyday.is_none()
    }

    /// Whether the logs' other days show the same, as a habit or every day.
    pub fn is_daily_work(&self) -> bool {
        let by_habit = |one: &Suppressed| one.by == SuppressedBy::Habit;
        self.everyday.is_some() || self.suppressed.as_ref().is_some_and(by_habit)
    }

    /// Values of a column of the row.
    pub fn values(&self, field: &str) -> &[String] {
        self.fields
            .iter()
            .find(|(name, _)| name == field)
            .map_or(&[], |(_, values)| values)
    }

    /// What similar findings of the detection agree in: the values of these fields, in lower case.
    pub fn agreement(&self, fields: &[String]) -> Vec<Vec<String>> {
        let values = |field: &String| {
            let values = self.values(field).iter();
            values.map(|value| value.to_lowercase()).collect()
        };
        fields.iter().map(values).collect()
    }

    /// The machines concerned: risk objects that are systems, or else `dest`, or else the hosts that wrote the events.
    pub fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = self
            .risk_objects
            .iter()
            .filter(|object| object.kind == RiskObjectKind::System)
            .map(|object| object.value.clone())
            .collect();
        if hosts.is_empty() {
            hosts = present(self.values("dest"));
        }
        if hosts.is_empty() {
            hosts = self.events.iter().map(|event| event.host.clone()).collect();
        }
        let mut seen = BTreeSet::new();
        hosts.retain(|host| !host.is_empty() && seen.insert(host.to_lowercase()));
        hosts
    }
}

/// Meaningful values: CIM and `tstats` write `unknown` and `null` for missing ones.
fn present(values: &[String]) -> Vec<String> {
    values
        .iter()
        .filter(|value| !matches!(value.as_str(), "" | "-" | "null" | "unknown"))
        .cloned()
        .collect()
}

/// Builds the findings from a detection's results, in row order; at most [`MOST_FINDINGS`].
pub(crate) fn findings(
    detection: &Arc<Detection>,
    results: &Results,
    catalog: &dyn Catalog,
) -> Vec<Finding> {
    results
        .rows()
        .take(MOST_FINDINGS)
        .enumerate()
        .map(|(at, row)| {
            let most = if at < IN_FULL {
                MOST_EVENTS
            } else {
                FEW_EVENTS
            };
            finding(detection, &results.columns, &row, most, catalog)
        })
        .collect()
}

fn finding(
    detection: &Arc<Detection>,
    columns: &[String],
    row: &Row<'_>,
    most: usize,
    catalog: &dyn Catalog,
) -> Finding {
    let fields: Vec<(String, Vec<String>)> = columns
        .iter()
        .filter(|name| !name.starts_with('_') || matches!(name.as_str(), "_time" | "_raw"))
        .map(|name| (name.clone(), row.values(name)))
        .collect();
    let values = |name: &str| {
        fields
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, values)| values.clone())
            .unwrap_or_default()
    };
    let (events, event_count) = events(row.refs(), most, catalog);
    let (first, last) = times(&values, &events);
    let mut risk_objects = Vec::new();
    for field in &detection.risk_fields {
        for value in present(&values(&field.field)) {
            let object = RiskObject {
                kind: field.kind,
                value,
                score: if detection.kind.adds_risk() {
                    field.score
                } else {
                    0
                },
                calculated: if detection.kind.adds_risk() {
                    field.score
                } else {
                    0
                },
            };
            if !risk_objects.contains(&object) {
                risk_objects.push(object);
            }
        }
    }
    let mut threat_objects = Vec::new();
    for field in &detection.threat_fields {
        for value in present(&values(&field.field)) {
            let object = ThreatObject {
                kind: field.kind.clone(),
                value,
            };
            if !threat_objects.contains(&object) {
                threat_objects.push(object);
            }
        }
    }
    let message = if detection.message.is_empty() {
        detection.name.clone()
    } else {
        message::fill(&detection.message, values)
    };
    let mut finding = Finding {
        id: String::new(),
        detection: Arc::clone(detection),
        first,
        last,
        message,
        risk_objects,
        threat_objects,
        fields,
        events,
        event_count,
        count: 1,
        everyday: None,
        suppressed: None,
    };
    finding.id = id(&finding);
    finding
}

/// The events behind a row: those to list, and the total.
fn events(refs: Vec<u64>, most: usize, catalog: &dyn Catalog) -> (Vec<EventRef>, u64) {
    let count = refs.len() as u64;
    let mut events: Vec<EventRef> = if refs.len() <= most {
        refs.into_iter()
            .filter_map(|one| catalog.resolve(one))
            .collect()
    } else {
        let mut by_time: Vec<(i64, u64)> = refs
            .into_iter()
            .filter_map(|one| Some((catalog.resolve(one)?.time, one)))
            .collect();
        by_time.sort_unstable();
        let half = most / 2;
        let late = by_time.len().saturating_sub(half).max(half);
        by_time
            .iter()
            .take(half)
            .chain(by_time.iter().skip(late))
            .filter_map(|(_, one)| catalog.resolve(*one))
            .collect()
    };
    events.sort();
    events.dedup();
    (events, count)
}

/// First and last time of a row: from the search, or else from the events. Searches convert times to text in whole
/// seconds; the events' own times are used if they agree.
fn times(values: &impl Fn(&str) -> Vec<String>, events: &[EventRef]) -> (Option<i64>, Option<i64>) {
    let said = |names: [&str; 2]| {
        names.iter().find_map(|name| {
            let values = values(name);
            values.first().and_then(|value| parse_time(value))
        })
    };
    let choose = |said: Option<i64>, event: Option<i64>| match (said, event) {
        (Some(said), Some(event)) if (event - said).unsigned_abs() < 1_000_000 => Some(event),
        (Some(said), _) => Some(said),
        (None, event) => event,
    };
    let first = choose(
        said(["firstTime", "_time"]),
        events.first().map(|event| event.time),
    );
    let last = choose(
        said(["lastTime", "_time"]),
        events.iter().map(|event| event.time).max(),
    );
    (first.or(last), last.or(first))
}

/// Parses a time from a search: seconds since 1970, RFC 3339, or a date and time without zone, which is UTC.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        let micros = (seconds * 1e6).round();
        // Years 1970 to 9999; anything else is not a time.
        #[expect(clippy::cast_possible_truncation, reason = "the range was tested")]
        return (0.0..=2.534e17).contains(&micros).then_some(micros as i64);
    }
    crabwalk_vocabulary::time::parse(text)
}

/// The id of a finding, derived from its content.
pub(crate) fn id(finding: &Finding) -> String {
    let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
    let mut part = |text: &str| {
        hasher.update(text.as_bytes());
        hasher.update(&[0]);
    };
    part(&finding.detection.id);
    for object in &finding.risk_objects {
        part(object.kind.name());
        part(&object.value.to_lowercase());
    }
    for object in &finding.threat_objects {
        part(&object.kind);
        part(&object.value);
    }
    for name in ["dest", "src", "user"] {
        for value in finding.values(name) {
            part(&value.to_lowercase());
        }
    }
    match finding.events.first() {
        Some(event) => {
            part(&event.host.to_lowercase());
            part(&event.channel.to_lowercase());
            part(&event.event_id.to_string());
            part(&event.record.to_string());
            part(&event.time.to_string());
        }
        None => {
            for (name, values) in &finding.fields {
                part(name);
                values.iter().for_each(|value| part(value));
            }
        }
    }
    format!("f-{:016x}", hasher.digest())
}

/// Sorts by time, detection and content, and makes equal ids distinct.
pub(crate) fn put_in_order(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        (a.first, &a.detection.name, &a.id, &a.fields).cmp(&(
            b.first,
            &b.detection.name,
            &b.id,
            &b.fields,
        ))
    });
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for finding in findings {
        let times = seen.entry(finding.id.clone()).or_default();
        *times += 1;
        if *times > 1 {
            finding.id = format!("{}-{times}", finding.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_forms_that_searches_give() {
        let at = 1_700_000_000_000_000;
        for (text, time) in [
            ("1700000000", Some(at)),
            ("1700000000.5", Some(at + 500_000)),
            ("2023-11-14T22:13:20", Some(at)),
            ("2023-11-14 22:13:20", Some(at)),
            ("2023-11-14T22:13:20Z", Some(at)),
            ("2023-11-14T23:13:20.25+01:00", Some(at + 250_000)),
            ("-5", None),
            ("1e300", None),
            ("NaN", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse_time(text), time, "{text}");
        }
    }

    #[test]
    fn times_of_events_refine_whole_seconds() {
        let event = |time| EventRef {
            time,
            host: "A".to_owned(),
            channel: "Security".to_owned(),
            event_id: 1,
            source: 0,
            record: 1,
        };
        let events = [event(1_700_000_000_900_000), event(1_700_000_100_100_000)];
        let say = |first: &'static str, last: &'static str| {
            move |name: &str| match name {
                "firstTime" => vec![first.to_owned()],
                "lastTime" => vec![last.to_owned()],
                _ => Vec::new(),
            }
        };
        let both = (Some(events[0].time), Some(events[1].time));
        assert_eq!(
            times(&say("1700000000", "2023-11-14T22:15:00"), &events),
            both
        );
        assert_eq!(times(&say("", "x"), &events), both);
        assert_eq!(
            times(&say("1600000000", "1800000000"), &events),
            (Some(1_600_000_000_000_000), Some(1_800_000_000_000_000))
        );
        assert_eq!(times(&say("", ""), &[]), (None, None));
    }
}
