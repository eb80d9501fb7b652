//! Risk events and notables as tables, so that searches can aggregate them.

use std::collections::BTreeSet;

use crabwalk_events::{EventRef, MemoryCatalog};
use crabwalk_sources::collect::{Begun, Collected, Collector, Everything, Head};
use datafusion::arrow::error::ArrowError;

use super::Attack;
use crate::detection::RiskObjectKind;
use crate::finding::{Finding, MOST_EVENTS};
use crabwalk_vocabulary::host_key;

/// The log type of risk events.
const RISK: &str = "stash:risk";
/// The log type of notables.
const NOTABLE: &str = "stash:notable";
/// Both.
pub(crate) const EVENTS: [&str; 2] = [RISK, NOTABLE];
/// First record number of risk events.
const FIRST_RECORD: u64 = 1;

/// The risk that a finding adds to objects, and whether it is notable: from a hunt, or from an existing case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RiskEvent {
    /// Identifier of the finding.
    pub finding: String,
    /// Record number of its events, which leads back to the finding.
    pub record: u64,
    /// Time of the last event, in microseconds since 1970-01-01 UTC; 0 if there is none.
    pub time: i64,
    /// The machine concerned; empty if there is none.
    pub host: String,
    /// Name of the detection.
    pub detection: String,
    /// `TTP`, `Anomaly`, …
    pub kind: String,
    /// `low`, `high`, …
    pub severity: String,
    /// What was found, for people.
    pub message: String,
    /// Names of stories.
    pub stories: Vec<String>,
    /// ATT&CK techniques.
    pub techniques: Vec<String>,
    /// ATT&CK tactics named by the detection itself.
    pub tactics: Vec<String>,
    /// Risk objects: type, value, score, and the score adjusted by risk factors. Empty if the finding adds none.
    pub risk: Vec<(String, String, u32, u32)>,
    /// Threat objects: type and value.
    pub threats: Vec<(String, String)>,
    /// Whether somebody should look at it.
    pub notable: bool,
    /// Values of `dest`, `src` and `user`.
    pub fields: Vec<(String, Vec<String>)>,
}

/// Fields of a finding that its notable also has.
const NOTABLE_FIELDS: [&str; 3] = ["dest", "src", "user"];

impl RiskEvent {
    fn of(finding: &Finding, index: usize) -> Self {
        let detection = &finding.detection;
        let risk = |object: &crate::finding::RiskObject| {
            let kind = object.kind.name().to_owned();
            (kind, object.value.clone(), object.score, object.calculated)
        };
        Self {
            finding: finding.id.clone(),
            record: index as u64 + FIRST_RECORD,
            time: finding.last.or(finding.first).unwrap_or(0),
            host: finding.hosts().into_iter().next().unwrap_or_default(),
            detection: detection.name.clone(),
            kind: detection.kind.name().to_owned(),
            severity: finding.severity().name().to_owned(),
            message: finding.message.clone(),
            stories: detection.stories.clone(),
            techniques: detection.techniques.clone(),
            tactics: detection.tactics.clone(),
            risk: if detection.kind.adds_risk() {
                finding.risk_objects.iter().map(risk).collect()
            } else {
                Vec::new()
            },
            threats: finding
                .threat_objects
                .iter()
                .map(|one| (one.kind.clone(), one.value.clone()))
                .collect(),
            notable: detection.kind.is_notable(),
            fields: NOTABLE_FIELDS
                .iter()
                .map(|name| ((*name).to_owned(), finding.values(name).to_vec()))
                .collect(),
        }
    }
}

/// Builds the events of findings that are not silenced. The record number of an event is the finding's index, from 1.
pub(crate) fn catalog(findings: &[Finding], attack: &Attack) -> Result<MemoryCatalog, ArrowError> {
    let concluded = findings
        .iter()
        .enumerate()
        .filter(|(_, finding)| finding.suppressed.is_none())
        .map(|(index, finding)| RiskEvent::of(finding, index));
    events(concluded, attack).and_then(MemoryCatalog::new)
}

/// Builds risk events and notables.
///
/// # Errors
/// If the tables cannot be built.
pub fn events(
    concluded: impl Iterator<Item = RiskEvent>,
    attack: &Attack,
) -> Result<Collected, ArrowError> {
    let mut collector = Collector::new(&Everything);
    for one in concluded {
        for (kind, value, score, calculated) in &one.risk {
            let normal = match kind.as_str() {
                "system" => host_key(value),
                "user" => value.to_lowercase(),
                _ => value.clone(),
            };
            let own = [
                ("risk_object", value.clone()),
                ("risk_object_type", kind.clone()),
                ("normalized_risk_object", normal),
                ("risk_score", score.to_string()),
                ("calculated_risk_score", calculated.to_string()),
                ("risk_message", one.message.clone()),
                ("index", "risk".to_owned()),
            ];
            put(&mut collector, RISK, &one, attack, &own);
        }
        if one.notable {
            let own = [
                ("rule_name", one.detection.clone()),
                ("rule_title", one.detection.clone()),
                ("rule_description", one.message.clone()),
                ("index", "notable".to_owned()),
            ];
            put(&mut collector, NOTABLE, &one, attack, &own);
        }
    }
    Collector::merge(vec![collector])
}

fn put(
    collector: &mut Collector<'_>,
    channel: &str,
    concluded: &RiskEvent,
    attack: &Attack,
    own: &[(&str, String)],
) {
    let table = collector.table(channel, 0);
    let head = Head {
        time: concluded.time,
        host: &concluded.host,
        source: 0,
        record: concluded.record,
        numbered: false,
    };
    if collector.begin(table, &head) != Begun::Row {
        return;
    }
    let mut push = |name: &str, values: &[&str]| {
        if let Some(column) = collector.column(table, name) {
            for value in values.iter().filter(|value| !value.is_empty()) {
                collector.push(table, column, value);
            }
        }
    };
    for (name, value) in own {
        push(name, &[value]);
    }
    push("source", &[&concluded.detection]);
    push("search_name", &[&concluded.detection]);
    push("severity", &[&concluded.severity]);
    push("detection_type", &[&concluded.kind]);
    push("finding_id", &[&concluded.finding]);
    let texts = |list: &[String]| -> Vec<String> {
        let unique: BTreeSet<&String> = list.iter().collect();
        unique.into_iter().cloned().collect()
    };
    let mut push_all = |name: &str, values: &[String]| {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        push(name, &values);
    };
    let techniques = texts(&concluded.techniques);
    let tactics = attack.tactics_of(&concluded.tactics, &concluded.techniques);
    let ids: Vec<String> = tactics
        .iter()
        .filter_map(|tactic| attack.tactic_id(tactic))
        .map(str::to_owned)
        .collect();
    let mut every = concluded.stories.clone();
    every.extend(techniques.iter().cloned());
    push_all("analyticstories", &concluded.stories);
    push_all("annotations.mitre_attack", &techniques);
    push_all("annotations.mitre_attack.mitre_technique_id", &techniques);
    push_all("annotations.mitre_attack.mitre_tactic", &tactics);
    push_all("annotations.mitre_attack.mitre_tactic_id", &ids);
    push_all("annotations._all", &every);
    let (kinds, threats): (Vec<String>, Vec<String>) = concluded.threats.iter().cloned().unzip();
    push_all("threat_object", &threats);
    push_all("threat_object_type", &kinds);
    if channel == NOTABLE {
        for (name, values) in &concluded.fields {
            push_all(name, values);
        }
    }
}

/// Traces a correlation's finding from its risk events to the events behind them, and sets the kind of the object
/// concerned.
pub(crate) fn follow(finding: &mut Finding, findings: &[Finding]) {
    let behind: BTreeSet<usize> = finding
        .events
        .iter()
        .filter_map(|event| usize::try_from(event.record.checked_sub(FIRST_RECORD)?).ok())
        .collect();
    let behind: Vec<&Finding> = behind
        .into_iter()
        .filter_map(|index| findings.get(index))
        .collect();
    let mut events: BTreeSet<EventRef> = BTreeSet::new();
    let mut count = 0;
    for one in &behind {
        events.extend(one.events.iter().cloned());
        count += one.event_count;
    }
    let mut events: Vec<EventRef> = events.into_iter().collect();
    if events.len() > MOST_EVENTS {
        events.drain(MOST_EVENTS / 2..events.len() - MOST_EVENTS / 2);
    }
    if let Some(first) = behind.iter().filter_map(|one| one.first).min() {
        finding.first = Some(first);
    }
    if let Some(last) = behind.iter().filter_map(|one| one.last).max() {
        finding.last = Some(last);
    }
    finding.events = events;
    finding.event_count = count;
    let ids = behind.iter().map(|one| one.id.clone()).collect();
    let kind = finding.values("risk_object_type").first().cloned();
    let names: Vec<String> = finding.values("risk_object").to_vec();
    for object in &mut finding.risk_objects {
        if names.contains(&object.value) {
            object.kind = match kind.as_deref() {
                Some("user") => RiskObjectKind::User,
                Some("system") => RiskObjectKind::System,
                _ => object.kind,
            };
        }
    }
    finding
        .fields
        .push(("contributing_findings".to_owned(), ids));
}
