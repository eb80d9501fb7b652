//! The items of content: detections, stories, baselines.

use std::fmt;

use crate::origin::ContentOrigin;
use crate::schedule::Schedule;
use crate::throttling::Throttling;
use crabwalk_vocabulary::Severity;
use serde::{Deserialize, Serialize};

/// The meaning of a detection's results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DetectionType {
    /// Tactics, techniques, procedures: a result is a notable and adds risk.
    #[serde(rename = "TTP")]
    Ttp,
    /// Unusual, not proof: a result adds risk.
    Anomaly,
    /// A starting point for people: neither notable nor risk.
    Hunting,
    /// Reads risk and produces a notable.
    Correlation,
}

impl DetectionType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ttp, Self::Anomaly, Self::Hunting, Self::Correlation];

    /// Its name in content.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ttp => "TTP",
            Self::Anomaly => "Anomaly",
            Self::Hunting => "Hunting",
            Self::Correlation => "Correlation",
        }
    }

    /// Parses its name in content, ignoring case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(text.trim()))
    }

    /// Whether a finding of this type is a notable.
    pub fn is_notable(self) -> bool {
        matches!(self, Self::Ttp | Self::Correlation)
    }

    /// Whether a finding of this type adds to the risk of its risk objects.
    pub fn adds_risk(self) -> bool {
        matches!(self, Self::Ttp | Self::Anomaly)
    }
}

impl fmt::Display for DetectionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The language of a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// A search in SPL.
    #[default]
    Spl,
    /// A Sigma rule or correlation.
    Sigma,
}

/// How far its authors trust a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Status {
    /// Ready for use.
    #[default]
    Production,
    /// Still being tested.
    Experimental,
    /// Kept for those who rely on it; there is a better replacement.
    Deprecated,
    /// Waits to be validated.
    Validation,
    /// No longer to be used.
    Removed,
}

impl Status {
    /// Its name in content.
    pub fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Experimental => "experimental",
            Self::Deprecated => "deprecated",
            Self::Validation => "validation",
            Self::Removed => "removed",
        }
    }

    /// Parses its name in content, ignoring case.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Production,
            Self::Experimental,
            Self::Deprecated,
            Self::Validation,
            Self::Removed,
        ]
        .into_iter()
        .find(|status| status.name().eq_ignore_ascii_case(text.trim()))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The kind of a risk object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RiskObjectKind {
    /// An account, of a person or a service.
    User,
    /// A machine.
    System,
    /// Anything else.
    Other,
}

impl RiskObjectKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::User, Self::System, Self::Other];

    /// The name used in content and in the case document.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for RiskObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A field of the results whose values carry risk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskField {
    /// Name of the field.
    pub field: String,
    /// What its values are.
    pub kind: RiskObjectKind,
    /// Risk that one result adds to each value, 0 to 100.
    pub score: u32,
}

/// A field of the results whose values are threat objects: a process, a file, an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreatField {
    /// Name of the field.
    pub field: String,
    /// The type of its values, such as `process_name` or `ip_address`.
    pub kind: String,
}

/// A recorded attack on which a detection must fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedAttack {
    /// Name of the test.
    pub name: String,
    /// URLs or paths of its logs.
    pub data: Vec<String>,
    /// Why it can only be tested by hand, if content says so.
    pub manual: Option<String>,
}

/// A search with metadata, as in ESCU's YAML.
#[derive(Debug, Clone)]
pub struct Detection {
    /// UUID, or the name if content has none.
    pub id: String,
    /// Name.
    pub name: String,
    /// Version according to the file.
    pub version: String,
    /// The meaning of its results.
    pub kind: DetectionType,
    /// How far it is trusted.
    pub status: Status,
    /// What it looks for.
    pub description: String,
    /// Its language.
    pub language: Language,
    /// The search, in SPL; a Sigma rule's YAML document.
    pub search: String,
    /// Names of the stories it belongs to.
    pub stories: Vec<String>,
    /// ATT&CK technique ids.
    pub techniques: Vec<String>,
    /// ATT&CK tactics named in content, such as `lateral-movement`; techniques have their own in addition.
    pub tactics: Vec<String>,
    /// How long similar findings are silenced after the first; never, if content does not say.
    pub throttling: Option<Throttling>,
    /// When it runs by itself, if its content says so.
    pub schedule: Option<Schedule>,
    /// Message of a finding; `$field$` is replaced with the field's value. Empty if content has none.
    pub message: String,
    /// Fields whose values carry risk.
    pub risk_fields: Vec<RiskField>,
    /// Fields whose values are threat objects.
    pub threat_fields: Vec<ThreatField>,
    /// Risk score of a finding, 0 to 100: the content's, or else the highest of its risk objects.
    pub risk_score: u32,
    /// Names of data sources it reads.
    pub data_sources: Vec<String>,
    /// Links to read.
    pub references: Vec<String>,
    /// How to get the data it needs.
    pub how_to_implement: String,
    /// What else may look like it.
    pub known_false_positives: String,
    /// Recorded attacks that content lists as its tests.
    pub recorded_attacks: Vec<RecordedAttack>,
    /// Where it was loaded from.
    pub origin: ContentOrigin,
}

impl Detection {
    /// Severity of its findings.
    pub fn severity(&self) -> Severity {
        Severity::of(self.risk_score)
    }

    /// Whether it runs unless requested by name: true unless it was removed.
    pub fn is_enabled(&self) -> bool {
        self.status != Status::Removed
    }
}

/// A named set of detections.
#[derive(Debug, Clone)]
pub struct Story {
    /// UUID, or the name if content has none.
    pub id: String,
    /// Name, which detections refer to.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// The longer text.
    pub narrative: String,
    /// Links to read.
    pub references: Vec<String>,
    /// Where it was loaded from.
    pub origin: ContentOrigin,
}

/// A search that learns what is normal.
#[derive(Debug, Clone)]
pub struct Baseline {
    /// UUID, or the name if content has none.
    pub id: String,
    /// Name.
    pub name: String,
    /// What it lists.
    pub description: String,
    /// The search, in SPL.
    pub search: String,
    /// Names of the stories it belongs to.
    pub stories: Vec<String>,
    /// Names of the detections that it helps.
    pub detections: Vec<String>,
    /// The asset category of its results, if content specifies it (`tags.asset_category`).
    pub asset_category: Option<String>,
    /// The field of its results that names the asset (`tags.asset_field`), otherwise found by name.
    pub asset_field: Option<String>,
    /// Where it was loaded from.
    pub origin: ContentOrigin,
}
