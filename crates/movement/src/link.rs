//! What joins one hop to another.

use crabwalk_activity::SECOND;
use serde::{Deserialize, Serialize};

/// How long a hop can lead to another if only time links them.
pub(crate) const DAY: i64 = 24 * 3600 * SECOND;

/// Why one hop follows from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// A session that the first hop opened may still have been open.
    TimePossible,
    /// The second hop happened in a session that the first opened, or with the account that arrived by it.
    SessionCausal,
    /// The second hop's program descends from what the first hop ran.
    ProcessCausal,
}

impl LinkKind {
    /// All of them, the weakest first.
    pub const ALL: [Self; 3] = [Self::TimePossible, Self::SessionCausal, Self::ProcessCausal];

    /// Name in the case document.
    pub fn name(self) -> &'static str {
        match self {
            Self::ProcessCausal => "process-causal",
            Self::SessionCausal => "session-causal",
            Self::TimePossible => "time-possible",
        }
    }
}

/// A link between two hops, by index.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Link {
    pub from: usize,
    pub to: usize,
    pub kind: LinkKind,
    pub certainty: f64,
}
