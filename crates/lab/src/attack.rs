//! An intruder's goal and stealth.

use serde::{Deserialize, Serialize};

/// The intruder's goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Move until somebody else's credentials have been used.
    Exploration,
    /// Go everywhere that one account can go, then take the next.
    Spread,
    /// Reach a domain controller, a database or the backup.
    Targeted,
}

/// The intruder's stealth: how far he imitates normal activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stealth {
    /// Not at all.
    None,
    /// Only along edges that somebody used before.
    PriorEdges,
    /// Only with accounts that were active on the source on that day or the day before.
    ActiveCredentials,
    /// Both.
    Full,
}

impl Goal {
    /// All goals.
    pub const ALL: [Self; 3] = [Self::Exploration, Self::Spread, Self::Targeted];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exploration => "exploration",
            Self::Spread => "spread",
            Self::Targeted => "targeted",
        }
    }
}

impl Stealth {
    /// All levels.
    pub const ALL: [Self; 4] = [
        Self::None,
        Self::PriorEdges,
        Self::ActiveCredentials,
        Self::Full,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PriorEdges => "prior edges",
            Self::ActiveCredentials => "active credentials",
            Self::Full => "full",
        }
    }

    pub(crate) fn edges(self) -> bool {
        matches!(self, Self::PriorEdges | Self::Full)
    }

    pub(crate) fn credentials(self) -> bool {
        matches!(self, Self::ActiveCredentials | Self::Full)
    }
}

/// An attack of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Attack {
    /// The intruder's goal.
    pub goal: Goal,
    /// The intruder's stealth.
    pub stealth: Stealth,
}
