//! What an intruder wants, and how far he keeps to what the network does anyway.

use serde::{Deserialize, Serialize};

/// What the intruder wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Go about until the credentials of somebody else have been used.
    Exploration,
    /// Go everywhere that one account can go, then take the next.
    Spread,
    /// Reach a domain controller, a database or the backup.
    Targeted,
}

/// How far the intruder keeps to what the network does anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stealth {
    /// Not at all.
    None,
    /// Only from hosts to hosts that somebody went before.
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
    /// What the intruder wants.
    pub goal: Goal,
    /// How far he keeps to what the network does anyway.
    pub stealth: Stealth,
}
