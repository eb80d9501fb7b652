//! A case as risk events and notables, for searches over it.

use crabwalk_detect::RiskObjectKind;
use crabwalk_detect::risk::RiskEvent;
use crabwalk_vocabulary::time;
use serde_json::Value;

use crate::document::{Case, FindingInfo};

impl Case {
    /// The risk that findings add to objects, and the notables. Silenced findings are left out.
    pub fn risk_events(&self) -> impl Iterator<Item = RiskEvent> {
        self.findings
            .iter()
            .zip(1..)
            .filter(|(finding, _)| finding.suppressed.is_none())
            .map(|(finding, record)| risk_event(finding, record))
    }
}

fn risk_event(finding: &FindingInfo, record: u64) -> RiskEvent {
    let time = [&finding.last, &finding.first]
        .into_iter()
        .flatten()
        .find_map(|text| time::parse(text))
        .unwrap_or(0);
    let values = |name: &str| -> Vec<String> {
        match finding.fields.get(name) {
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(all)) => all
                .iter()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        }
    };
    let adds_risk = finding.kind.adds_risk();
    let system = finding
        .risk_objects
        .iter()
        .find(|one| one.kind == RiskObjectKind::System);
    RiskEvent {
        finding: finding.id.clone(),
        record,
        time,
        host: system
            .map(|one| one.value.clone())
            .or_else(|| values("dest").into_iter().next())
            .unwrap_or_default(),
        detection: finding.detection.clone(),
        kind: finding.kind.name().to_owned(),
        severity: finding.severity.name().to_owned(),
        message: finding.message.clone(),
        stories: finding.story.clone(),
        techniques: finding.techniques.clone(),
        tactics: Vec::new(),
        risk: finding
            .risk_objects
            .iter()
            .filter(|_| adds_risk)
            .map(|one| {
                (
                    one.kind.name().to_owned(),
                    one.value.clone(),
                    one.score,
                    one.calculated_score,
                )
            })
            .collect(),
        threats: finding
            .threat_objects
            .iter()
            .map(|one| (one.kind.clone(), one.value.clone()))
            .collect(),
        notable: finding.notable,
        fields: ["dest", "src", "user"]
            .into_iter()
            .map(|name| (name.to_owned(), values(name)))
            .collect(),
    }
}
