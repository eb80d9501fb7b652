//! Risk events and notables as tables, so that searches can add them up.

use std::collections::BTreeSet;

use crabwalk_events::{Catalog, EventRef};
use crabwalk_sources::collect::{Begun, Collected, Collector, Everything, Head};
use datafusion::arrow::error::ArrowError;

use super::Attack;
use crate::detection::RiskObjectKind;
use crate::finding::{Finding, MOST_EVENTS};
use crate::gap::host_key;

/// Kind of log of risk events.
const RISK: &str = "stash:risk";
/// Kind of log of notables.
const NOTABLE: &str = "stash:notable";
/// Both.
pub(crate) const EVENTS: [&str; 2] = [RISK, NOTABLE];
/// Records of risk events are numbered from this.
const FIRST_RECORD: u64 = 1;

/// Makes the events of findings that are not silenced. The record number of an event is the finding's index,
/// from 1.
pub(crate) fn catalog(findings: &[Finding], attack: &Attack) -> Result<Catalog, ArrowError> {
    let mut collector = Collector::new(&Everything);
    for (index, finding) in findings.iter().enumerate() {
        if finding.suppressed.is_some() {
            continue;
        }
        let record = index as u64 + FIRST_RECORD;
        if finding.detection.kind.adds_risk() {
            for object in &finding.risk_objects {
                let normal = match object.kind {
                    RiskObjectKind::System => host_key(&object.value),
                    RiskObjectKind::User => object.value.to_lowercase(),
                    RiskObjectKind::Other => object.value.clone(),
                };
                let own = [
                    ("risk_object", object.value.clone()),
                    ("risk_object_type", object.kind.name().to_owned()),
                    ("normalized_risk_object", normal),
                    ("risk_score", object.score.to_string()),
                    ("calculated_risk_score", object.calculated.to_string()),
                    ("risk_message", finding.message.clone()),
                    ("index", "risk".to_owned()),
                ];
                put(&mut collector, RISK, record, finding, attack, &own);
            }
        }
        if finding.detection.kind.is_notable() {
            let own = [
                ("rule_name", finding.detection.name.clone()),
                ("rule_title", finding.detection.name.clone()),
                ("rule_description", finding.message.clone()),
                ("index", "notable".to_owned()),
            ];
            put(&mut collector, NOTABLE, record, finding, attack, &own);
        }
    }
    let collected: Collected = Collector::merge(vec![collector])?;
    Catalog::new(collected)
}

fn put(
    collector: &mut Collector<'_>,
    channel: &str,
    record: u64,
    finding: &Finding,
    attack: &Attack,
    own: &[(&str, String)],
) {
    let detection = &finding.detection;
    let table = collector.table(channel, 0);
    let host = finding.hosts().into_iter().next().unwrap_or_default();
    let head = Head {
        time: finding.last.or(finding.first).unwrap_or(0),
        host: &host,
        source: 0,
        record,
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
    push("source", &[&detection.name]);
    push("search_name", &[&detection.name]);
    push("severity", &[finding.severity().name()]);
    push("detection_type", &[detection.kind.name()]);
    push("finding_id", &[&finding.id]);
    let texts = |list: &[String]| -> Vec<String> {
        let unique: BTreeSet<&String> = list.iter().collect();
        unique.into_iter().cloned().collect()
    };
    let mut push_all = |name: &str, values: &[String]| {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        push(name, &values);
    };
    let techniques = texts(&detection.techniques);
    let tactics = attack.tactics(detection);
    let ids: Vec<String> = tactics
        .iter()
        .filter_map(|tactic| attack.tactic_id(tactic))
        .map(str::to_owned)
        .collect();
    let mut every = detection.stories.clone();
    every.extend(techniques.iter().cloned());
    push_all("analyticstories", &detection.stories);
    push_all("annotations.mitre_attack", &techniques);
    push_all("annotations.mitre_attack.mitre_technique_id", &techniques);
    push_all("annotations.mitre_attack.mitre_tactic", &tactics);
    push_all("annotations.mitre_attack.mitre_tactic_id", &ids);
    push_all("annotations._all", &every);
    let threats: Vec<String> = finding
        .threat_objects
        .iter()
        .map(|one| one.value.clone())
        .collect();
    let kinds: Vec<String> = finding
        .threat_objects
        .iter()
        .map(|one| one.kind.clone())
        .collect();
    push_all("threat_object", &threats);
    push_all("threat_object_type", &kinds);
    if channel == NOTABLE {
        for name in ["dest", "src", "user"] {
            push_all(name, finding.values(name));
        }
    }
}

/// Leads a correlation's finding from the risk events it was made of to the events behind them, and says of what kind the
/// thing is that it is about.
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
