//! How bad a finding is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad a finding is, from its risk score. The bands are those used by public content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Risk score up to 20.
    Informational,
    /// Up to 40.
    Low,
    /// Up to 60.
    Medium,
    /// Up to 80.
    High,
    /// Above 80.
    Critical,
}

impl Severity {
    /// All, the worst first.
    pub const ALL: [Self; 5] = [
        Self::Critical,
        Self::High,
        Self::Medium,
        Self::Low,
        Self::Informational,
    ];

    /// The severity of a risk score.
    pub fn of(risk_score: u32) -> Self {
        match risk_score {
            0..=20 => Self::Informational,
            21..=40 => Self::Low,
            41..=60 => Self::Medium,
            61..=80 => Self::High,
            _ => Self::Critical,
        }
    }

    /// The name used in the case document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands() {
        for (score, severity) in [
            (0, "informational"),
            (20, "informational"),
            (21, "low"),
            (40, "low"),
            (41, "medium"),
            (60, "medium"),
            (61, "high"),
            (80, "high"),
            (81, "critical"),
            (100, "critical"),
        ] {
            assert_eq!(Severity::of(score).name(), severity, "{score}");
        }
    }
}
