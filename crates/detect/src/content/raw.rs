//! Content as YAML, in the form of its files.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::detection::{
    self, DetectionType, RecordedAttack, RiskField, RiskObjectKind, Status, ThreatField,
};
use crate::origin::{ContentOrigin, ContentProblem, Written};
use crate::schedule::Schedule;
use crate::throttling::Throttling;

/// Folders of public content that contain nothing for Crabwalk.
pub(super) const IGNORED_FOLDERS: [&str; 13] = [
    "data_sources",
    "investigations",
    "playbooks",
    "dashboards",
    "workbooks",
    "response_templates",
    "app_template",
    "docs",
    "dist",
    "tests",
    "bin",
    "notebooks",
    "removed",
];

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Detection,
    Story,
    Baseline,
    Macro,
    /// Several macros in a list.
    Macros,
    Lookup,
    Fields,
    Model,
    /// The meaning of Sigma's log sources.
    LogSources,
    /// What changes risk.
    RiskFactors,
    /// Techniques and tactics in addition to ATT&CK's.
    Attack,
    /// Who logs which events, and how to enable them.
    Logging,
    /// Tests of a detection, see [`crate::cases`].
    Cases,
    /// When detections of a type run.
    Deployment,
    /// Recognised, but nothing to load: data sources, investigations, configuration.
    Ignored,
    Unknown,
}

/// Whether a file in a directory may contain content.
pub(super) fn is_content_name(name: &str) -> bool {
    crate::files::is_yaml_name(name) || name.to_lowercase().ends_with(".csv")
}

/// Determines the kind of a file from its keys at the left margin, without parsing it.
pub(super) fn kind(path: &str, text: &str) -> Kind {
    let mut keys = Vec::new();
    let mut list = false;
    for line in text.lines() {
        // A key's list may also start at the margin.
        if line.starts_with("- ") || line.trim_end() == "-" {
            if keys.is_empty() {
                list = true;
                break;
            }
            continue;
        }
        if line.starts_with([' ', '\t', '#', '\r']) || line.is_empty() {
            continue;
        }
        if let Some((key, _)) = line.split_once(':') {
            keys.push(key.trim().trim_matches(['"', '\'']));
        }
    }
    let has = |key: &str| keys.contains(&key);
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
            .map(|value| value.trim().trim_matches(['"', '\'']))
            .unwrap_or_default()
    };
    if list && keys.is_empty() {
        return if text.contains("event_types") {
            Kind::Fields
        } else {
            Kind::Unknown
        };
    }
    if has("search") {
        return match value("type").to_lowercase().as_str() {
            "baseline" => Kind::Baseline,
            "investigation" => Kind::Ignored,
            _ if path.split(['/', '\\']).any(|part| part == "baselines") => Kind::Baseline,
            _ => Kind::Detection,
        };
    }
    if has("detection") && (has("fires") || has("quiet")) {
        Kind::Cases
    } else if has("sigma_logsources") {
        Kind::LogSources
    } else if has("risk_factors") {
        Kind::RiskFactors
    } else if has("attack_techniques") || has("attack_tactics") {
        Kind::Attack
    } else if has("logging") {
        Kind::Logging
    } else if has("model") && has("nodes") {
        Kind::Model
    } else if has("definition") && has("name") {
        Kind::Macro
    } else if has("macros") {
        Kind::Macros
    } else if has("narrative") {
        Kind::Story
    } else if has("filename") || has("collection") || has("fields_list") || has("lookup_type") {
        Kind::Lookup
    } else if has("scheduling") {
        Kind::Deployment
    } else if has("source") && has("sourcetype")
        || has("playbook")
        || has("app")
        || has("automation_data_source")
        || keys.is_empty()
            && text
                .lines()
                .all(|line| line.trim().is_empty() || line.starts_with('#'))
    {
        Kind::Ignored
    } else {
        Kind::Unknown
    }
}

/// Parses one document.
pub(crate) fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T, ContentProblem> {
    serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().map(|place| {
            let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
            (number(place.line()), number(place.column()))
        });
        ContentProblem {
            path: path.to_owned(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            message: error.to_string(),
            fatal: true,
            detection: None,
        }
    })
}

/// Text that public content may also write as number, boolean or nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Loose {
    Text(String),
    Number(f64),
    Bool(bool),
    Nothing(()),
}

impl Loose {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Nothing(()) => String::new(),
        }
    }

    fn number(self) -> Option<u32> {
        let number: f64 = self.text().trim().parse().ok()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped just before"
        )]
        let whole = number.round().clamp(0.0, 100.0) as u32;
        Some(whole)
    }
}

/// A list that public content may also write as one value or nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum List {
    Many(Vec<Loose>),
    One(Loose),
}

impl List {
    fn texts(self) -> Vec<String> {
        let all = match self {
            Self::Many(all) => all,
            Self::One(one) => vec![one],
        };
        all.into_iter()
            .map(Loose::text)
            .filter(|text| !text.trim().is_empty())
            .collect()
    }
}

fn texts(list: Option<List>) -> Vec<String> {
    list.map(List::texts).unwrap_or_default()
}

/// The first non-empty list of two.
fn either(first: Option<List>, second: Option<List>) -> Vec<String> {
    let first = texts(first);
    if first.is_empty() {
        texts(second)
    } else {
        first
    }
}

fn text(loose: Option<Loose>) -> String {
    loose
        .map(|loose| loose.text().trim().to_owned())
        .unwrap_or_default()
}

#[derive(Debug, Deserialize)]
pub(super) struct Macro {
    pub(super) name: String,
    pub(super) definition: String,
    #[serde(default)]
    pub(super) arguments: Vec<String>,
}

/// A file of several macros.
#[derive(Debug, Deserialize)]
pub(super) struct Macros {
    pub(super) macros: Vec<Macro>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Story {
    name: String,
    #[serde(default)]
    id: Option<Loose>,
    #[serde(default)]
    description: Option<Loose>,
    #[serde(default)]
    narrative: Option<Loose>,
    #[serde(default)]
    references: Option<List>,
}

impl Story {
    pub(super) fn story(self, path: &str) -> detection::Story {
        let name = self.name.trim().to_owned();
        detection::Story {
            id: or_name(text(self.id), &name),
            name,
            description: text(self.description),
            narrative: text(self.narrative),
            references: texts(self.references),
            origin: ContentOrigin::file(path),
        }
    }
}

/// A detection or a baseline.
#[derive(Debug, Deserialize)]
pub(super) struct Search {
    name: String,
    #[serde(default)]
    id: Option<Loose>,
    #[serde(default)]
    version: Option<Loose>,
    #[serde(default, rename = "type")]
    kind: Option<Loose>,
    #[serde(default)]
    status: Option<Loose>,
    #[serde(default)]
    description: Option<Loose>,
    search: String,
    #[serde(default)]
    data_source: Option<List>,
    #[serde(default)]
    references: Option<List>,
    #[serde(default)]
    how_to_implement: Option<Loose>,
    #[serde(default)]
    known_false_positives: Option<Loose>,
    #[serde(default)]
    rba: Option<Rba>,
    #[serde(default)]
    finding: Option<FindingForm>,
    #[serde(default)]
    intermediate_findings: Option<FindingForm>,
    #[serde(default)]
    threat_objects: Option<Vec<RbaThreat>>,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    tests: Option<Vec<Test>>,
    // The newest public content has these beside `tags` instead of in it.
    #[serde(default)]
    analytic_story: Option<List>,
    #[serde(default)]
    mitre_attack_id: Option<List>,
    #[serde(default)]
    throttling: Option<RawThrottling>,
    #[serde(default)]
    deployment: Option<Deployment>,
}

/// What a row adds to accounts and machines, in the newest form of public content: `intermediate_findings` add risk, a
/// `finding` is for somebody to look at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FindingForm {
    title: Option<Loose>,
    message: Option<Loose>,
    entity: Option<Entities>,
    entities: Option<Entities>,
    threat_objects: Option<Vec<RbaThreat>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Entities {
    Many(Vec<Entity>),
    One(Entity),
}

#[derive(Debug, Deserialize)]
struct Entity {
    field: String,
    #[serde(default, rename = "type")]
    kind: Option<Loose>,
    #[serde(default)]
    score: Option<Loose>,
    #[serde(default)]
    message: Option<Loose>,
}

impl FindingForm {
    /// The entities, and the message: its own, or else that of the first entity.
    fn split(self) -> (Vec<RbaRisk>, String, Vec<RbaThreat>) {
        let all = [self.entity, self.entities].into_iter().flatten();
        let entities = all.flat_map(|entities| match entities {
            Entities::Many(all) => all,
            Entities::One(one) => vec![one],
        });
        let mut message = text(self.message);
        if message.is_empty() {
            message = text(self.title);
        }
        let mut risks = Vec::new();
        for entity in entities {
            let own = text(entity.message);
            if message.is_empty() {
                message = own;
            }
            risks.push(RbaRisk {
                field: entity.field,
                kind: text(entity.kind),
                score: entity.score,
            });
        }
        (risks, message, self.threat_objects.unwrap_or_default())
    }
}

/// The risk objects of both forms combined, in the older `rba:` form.
fn joined(findings: [Option<FindingForm>; 2], threats: Option<Vec<RbaThreat>>) -> Option<Rba> {
    if findings.iter().all(Option::is_none) && threats.is_none() {
        return None;
    }
    let mut risks: Vec<RbaRisk> = Vec::new();
    let mut message = String::new();
    let mut all_threats = threats.unwrap_or_default();
    for (own, own_message, own_threats) in findings.into_iter().flatten().map(FindingForm::split) {
        if message.is_empty() {
            message = own_message;
        }
        all_threats.extend(own_threats);
        for risk in own {
            match risks.iter_mut().find(|known| known.field == risk.field) {
                Some(known) if known.score.is_none() => known.score = risk.score,
                Some(_) => {}
                None => risks.push(risk),
            }
        }
    }
    Some(Rba {
        message: Some(Loose::Text(message)),
        risk_objects: Some(risks),
        threat_objects: Some(all_threats),
    })
}

/// A test in public content's form.
#[derive(Debug, Deserialize)]
struct Test {
    #[serde(default)]
    name: Option<Loose>,
    #[serde(default)]
    attack_data: Option<Vec<AttackData>>,
}

#[derive(Debug, Deserialize)]
struct AttackData {
    #[serde(default)]
    data: Option<Loose>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tags {
    analytic_story: Option<List>,
    detections: Option<List>,
    mitre_attack_id: Option<List>,
    confidence: Option<Loose>,
    impact: Option<Loose>,
    risk_score: Option<Loose>,
    message: Option<Loose>,
    observable: Option<Vec<Observable>>,
    asset_category: Option<Loose>,
    asset_field: Option<Loose>,
    manual_test: Option<Loose>,
    throttling: Option<RawThrottling>,
}

/// When detections run: `deployment:` of one of them, or a file for all of a type.
#[derive(Debug, Deserialize)]
pub(super) struct Deployment {
    #[serde(default)]
    scheduling: Option<Scheduling>,
    #[serde(default, rename = "type")]
    kind: Option<Loose>,
    #[serde(default)]
    tags: DeploymentTags,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DeploymentTags {
    #[serde(rename = "type")]
    kind: Option<Loose>,
}

#[derive(Debug, Deserialize)]
struct Scheduling {
    cron_schedule: Loose,
    earliest_time: Loose,
    latest_time: Loose,
}

impl Deployment {
    /// The schedule, if it names one.
    pub(super) fn schedule(self) -> Result<Option<Schedule>, String> {
        let Some(times) = self.scheduling else {
            return Ok(None);
        };
        let [cron, earliest, latest] =
            [times.cron_schedule, times.earliest_time, times.latest_time].map(Loose::text);
        Schedule::new(&cron, &earliest, &latest).map(Some)
    }

    /// The type of detections that it is for; none if it is for others, such as baselines.
    pub(super) fn of(&self) -> Option<DetectionType> {
        let kind = self.tags.kind.clone().or_else(|| self.kind.clone());
        DetectionType::parse(&text(kind))
    }
}

#[derive(Debug, Deserialize)]
struct RawThrottling {
    #[serde(default)]
    fields: Option<List>,
    #[serde(default)]
    period: Option<Loose>,
}

#[derive(Debug, Deserialize)]
struct Observable {
    name: String,
    #[serde(default, rename = "type")]
    kind: Option<Loose>,
    #[serde(default)]
    role: Option<List>,
}

#[derive(Debug, Deserialize)]
struct Rba {
    #[serde(default)]
    message: Option<Loose>,
    #[serde(default)]
    risk_objects: Option<Vec<RbaRisk>>,
    #[serde(default)]
    threat_objects: Option<Vec<RbaThreat>>,
}

#[derive(Debug, Deserialize)]
struct RbaRisk {
    field: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    score: Option<Loose>,
}

#[derive(Debug, Deserialize)]
struct RbaThreat {
    field: String,
    #[serde(rename = "type")]
    kind: String,
}

fn or_name(id: String, name: &str) -> String {
    if id.is_empty() { name.to_owned() } else { id }
}

/// The line on which the search of a file begins.
fn search_line(text: &str) -> Option<usize> {
    let at = text.lines().position(|line| line.starts_with("search:"))?;
    let rest = text.lines().nth(at)?.strip_prefix("search:")?.trim();
    // A block (`search: |`) begins on the next line.
    let block = rest.is_empty() || rest.starts_with(['|', '>']) && rest.len() <= 3;
    Some(at + 1 + usize::from(block))
}

/// The search as written in the file, up to the next key.
fn written(text: &str) -> Option<Written> {
    let mut at = 0;
    for (line, one) in (1..).zip(text.split_inclusive('\n')) {
        if let Some(rest) = one.strip_prefix("search:") {
            let start = at + one.len() - rest.len();
            let behind = &text[start..];
            let mut end = rest.len();
            for next in behind[rest.len()..].split_inclusive('\n') {
                // Text at the left margin belongs to the next key.
                if !next.starts_with([' ', '\t', '\n', '\r']) {
                    break;
                }
                end += next.len();
            }
            return Some(Written {
                text: behind[..end].to_owned(),
                line,
                column: "search:".len() + 1,
            });
        }
        at += one.len();
    }
    None
}

fn origin(path: &str, whole: &str) -> ContentOrigin {
    ContentOrigin {
        path: path.to_owned(),
        search_line: search_line(whole),
        written: written(whole).map(Arc::new),
    }
}

impl Search {
    pub(super) fn baseline(self, path: &str, whole: &str) -> detection::Baseline {
        let name = self.name.trim().to_owned();
        let optional = |value: Option<Loose>| Some(text(value)).filter(|value| !value.is_empty());
        detection::Baseline {
            id: or_name(text(self.id), &name),
            name,
            description: text(self.description),
            search: self.search,
            stories: either(self.tags.analytic_story, self.analytic_story),
            detections: texts(self.tags.detections),
            asset_category: optional(self.tags.asset_category),
            asset_field: optional(self.tags.asset_field),
            origin: origin(path, whole),
        }
    }

    pub(super) fn detection(self, path: &str, whole: &str) -> Result<detection::Detection, String> {
        let name = self.name.trim().to_owned();
        let kind = text(self.kind);
        let kind = DetectionType::parse(&kind).ok_or_else(|| {
            format!("`type: {kind}` is not one of TTP, Anomaly, Hunting, Correlation, Baseline")
        })?;
        let status = status(&text(self.status), path)?;
        let product = match (self.tags.confidence, self.tags.impact) {
            (Some(confidence), Some(impact)) => confidence
                .number()
                .zip(impact.number())
                .map(|(confidence, impact)| (confidence * impact + 50) / 100),
            _ => None,
        };
        let given = self.tags.risk_score.and_then(Loose::number).or(product);
        // A finding's own message precedes that of its contributors.
        let rba = self.rba.or_else(|| {
            joined(
                [self.finding, self.intermediate_findings],
                self.threat_objects,
            )
        });
        let message = text(self.tags.message);
        let about = match rba {
            Some(rba) => About::of_rba(rba, message, given),
            None => About {
                message,
                ..About::of_observables(self.tags.observable.unwrap_or_default(), given)
            },
        };
        let throttling = self
            .tags
            .throttling
            .or(self.throttling)
            .map(|one| Throttling::new(texts(one.fields), &text(one.period)))
            .transpose()?;
        let schedule = match self.deployment {
            Some(deployment) => deployment.schedule()?,
            None => None,
        };
        let manual = Some(text(self.tags.manual_test)).filter(|why| !why.is_empty());
        let tests = self.tests.unwrap_or_default();
        let recorded_attacks = tests.into_iter().map(|test| test.recorded(manual.as_ref()));
        let highest = about.risk.iter().map(|field| field.score).max();
        Ok(detection::Detection {
            id: or_name(text(self.id), &name),
            version: text(self.version),
            kind,
            status,
            description: text(self.description),
            language: detection::Language::Spl,
            search: self.search,
            stories: either(self.tags.analytic_story, self.analytic_story),
            techniques: either(self.tags.mitre_attack_id, self.mitre_attack_id),
            tactics: Vec::new(),
            throttling,
            schedule,
            message: about.message,
            risk_score: given.or(highest).unwrap_or(0),
            risk_fields: about.risk,
            threat_fields: about.threats,
            recorded_attacks: recorded_attacks.collect(),
            data_sources: texts(self.data_source),
            references: texts(self.references),
            how_to_implement: text(self.how_to_implement),
            known_false_positives: text(self.known_false_positives),
            origin: origin(path, whole),
            name,
        })
    }
}

/// The status of a detection. Older content expresses it only through the folder.
fn status(given: &str, path: &str) -> Result<Status, String> {
    if given.is_empty() {
        let folder = |name: &str| path.split(['/', '\\']).any(|part| part == name);
        return Ok(match (folder("deprecated"), folder("experimental")) {
            (true, _) => Status::Deprecated,
            (_, true) => Status::Experimental,
            _ => Status::Production,
        });
    }
    Status::parse(given).ok_or_else(|| {
        format!("`status: {given}` is not one of production, experimental, deprecated, validation, removed")
    })
}

impl Test {
    fn recorded(self, manual: Option<&String>) -> RecordedAttack {
        let data = self.attack_data.unwrap_or_default().into_iter();
        RecordedAttack {
            name: text(self.name),
            data: data
                .map(|one| text(one.data))
                .filter(|data| !data.is_empty())
                .collect(),
            manual: manual.cloned(),
        }
    }
}

/// What a finding says, and about whom.
#[derive(Default)]
struct About {
    message: String,
    risk: Vec<RiskField>,
    threats: Vec<ThreatField>,
}

impl About {
    /// From the form of today. Its message goes before that of the tags; `given` is the score of a risk object without one.
    fn of_rba(rba: Rba, message: String, given: Option<u32>) -> Self {
        let own = text(rba.message);
        let risk = rba.risk_objects.unwrap_or_default().into_iter();
        let threats = rba.threat_objects.unwrap_or_default().into_iter();
        Self {
            message: if own.is_empty() { message } else { own },
            risk: risk
                .map(|one| RiskField {
                    kind: match one.kind.trim().to_lowercase().as_str() {
                        "user" => RiskObjectKind::User,
                        "system" => RiskObjectKind::System,
                        _ => RiskObjectKind::Other,
                    },
                    field: one.field,
                    score: one.score.and_then(Loose::number).or(given).unwrap_or(0),
                })
                .collect(),
            threats: threats
                .map(|one| ThreatField {
                    field: one.field,
                    kind: one.kind,
                })
                .collect(),
        }
    }

    /// From the form before, where victims are risk objects and attackers threat objects.
    fn of_observables(all: Vec<Observable>, given: Option<u32>) -> Self {
        let mut about = Self::default();
        for one in all {
            let kind = text(one.kind).to_lowercase();
            let roles = texts(one.role);
            let is = |role: &str| roles.iter().any(|own| own.eq_ignore_ascii_case(role));
            if is("victim") {
                let kind = match kind.as_str() {
                    "user" | "username" | "user name" | "email address" => RiskObjectKind::User,
                    "device" | "endpoint" | "hostname" | "ip address" => RiskObjectKind::System,
                    _ => RiskObjectKind::Other,
                };
                about.risk.push(RiskField {
                    field: one.name,
                    kind,
                    score: given.unwrap_or(0),
                });
            } else if is("attacker") {
                let kind = match kind.as_str() {
                    "process" | "process name" => "process".to_owned(),
                    "ip address" => "ip_address".to_owned(),
                    "url" | "url string" => "url".to_owned(),
                    file if file.starts_with("file") => "file_name".to_owned(),
                    _ => kind,
                };
                about.threats.push(ThreatField {
                    field: one.name,
                    kind,
                });
            }
        }
        about
    }
}
