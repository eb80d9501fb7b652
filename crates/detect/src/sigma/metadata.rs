//! What a rule says of itself, as a [`Detection`].

use rsigma_parser::Level;

use crate::detection::{Detection, DetectionType, Language, RiskField, RiskObjectKind, Status};
use crate::origin::ContentOrigin;

/// The common metadata of rules and correlations.
#[derive(Clone, Copy)]
pub(super) struct Metadata<'a> {
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) level: Option<Level>,
    pub(super) status: Option<rsigma_parser::Status>,
    pub(super) description: Option<&'a str>,
    pub(super) tags: &'a [String],
    pub(super) references: &'a [String],
    pub(super) falsepositives: &'a [String],
    pub(super) date: Option<&'a str>,
    /// The YAML document.
    pub(super) text: &'a str,
}

pub(super) fn describe(about: Metadata<'_>, path: &str, data_sources: Vec<String>) -> Detection {
    let (kind, risk_score) = match about.level {
        Some(Level::Critical) => (DetectionType::Ttp, 90),
        Some(Level::High) => (DetectionType::Ttp, 70),
        Some(Level::Medium) => (DetectionType::Anomaly, 50),
        Some(Level::Low) | None => (DetectionType::Anomaly, 30),
        Some(Level::Informational) => (DetectionType::Hunting, 10),
    };
    let status = match about.status {
        Some(rsigma_parser::Status::Experimental) => Status::Experimental,
        Some(rsigma_parser::Status::Deprecated | rsigma_parser::Status::Unsupported) => {
            Status::Deprecated
        }
        _ => Status::Production,
    };
    let score = if kind.adds_risk() { risk_score } else { 0 };
    let risk_field = |field: &str, kind| RiskField {
        field: field.to_owned(),
        kind,
        score,
    };
    Detection {
        id: about.id.to_owned(),
        name: about.title.trim().to_owned(),
        version: about.date.unwrap_or_default().to_owned(),
        kind,
        status,
        description: about.description.unwrap_or_default().trim().to_owned(),
        language: Language::Sigma,
        search: about.text.to_owned(),
        stories: Vec::new(),
        techniques: techniques(about.tags),
        tactics: tactics(about.tags),
        throttling: None,
        schedule: None,
        message: String::new(),
        risk_fields: vec![
            risk_field("user", RiskObjectKind::User),
            risk_field("dest", RiskObjectKind::System),
        ],
        threat_fields: Vec::new(),
        risk_score,
        data_sources,
        references: about.references.to_vec(),
        how_to_implement: String::new(),
        known_false_positives: about.falsepositives.join("; "),
        recorded_attacks: Vec::new(),
        origin: ContentOrigin::file(path),
    }
}

/// ATT&CK techniques of tags such as `attack.t1021.002`.
fn techniques(tags: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for tag in tags {
        let Some(id) = tag
            .to_lowercase()
            .strip_prefix("attack.t")
            .map(|id| format!("T{id}"))
        else {
            continue;
        };
        let digits = id.trim_start_matches('T');
        let is_id = digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
        if is_id && !all.contains(&id) {
            all.push(id);
        }
    }
    all
}

/// Tactics of tags such as `attack.lateral-movement` or `attack.lateral_movement`.
fn tactics(tags: &[String]) -> Vec<String> {
    tags.iter()
        .filter_map(|tag| {
            Some(
                tag.to_lowercase()
                    .strip_prefix("attack.")?
                    .replace('_', "-"),
            )
        })
        // `t1021.002`, `g0016`, `s0002` are techniques, groups and software.
        .filter(|name| !name.chars().any(|c| c.is_ascii_digit()))
        .collect()
}
