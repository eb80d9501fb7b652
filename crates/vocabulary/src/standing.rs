//! How a movement is classified: the only place that decides it.

use serde::{Deserialize, Serialize};

/// Minimum confidence for asserting a movement.
const ASSERTED: f64 = 0.3;

/// Whether evidence of this confidence, from 0 to 1, asserts a movement.
pub fn is_asserted(confidence: f64) -> bool {
    confidence >= ASSERTED
}

/// The classification of a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The logs prove it, and its account does not do it on other days.
    Proven,
    /// The evidence is too weak to assert it.
    Possible,
    /// It was attempted and refused, however certain that is.
    Attempted,
    /// The logs prove it, and its account does it on other days too: daily work.
    Routine,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Proven, Self::Possible, Self::Attempted, Self::Routine];

    /// Classifies by confidence (0 to 1), whether the movement was refused, and whether its account does it on other
    /// days too.
    pub fn of(confidence: f64, attempted: bool, usual: bool) -> Self {
        if attempted {
            Self::Attempted
        } else if !is_asserted(confidence) {
            Self::Possible
        } else if usual {
            Self::Routine
        } else {
            Self::Proven
        }
    }

    /// Whether somebody did move according to these logs: proven or routine.
    pub fn happened(self) -> bool {
        matches!(self, Self::Proven | Self::Routine)
    }

    /// Name in the case document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Possible => "possible",
            Self::Attempted => "attempted",
            Self::Routine => "routine",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_belongs_to_what_is_asserted() {
        for (confidence, attempted, usual, standing) in [
            (0.3, false, false, Standing::Proven),
            (1.0, false, false, Standing::Proven),
            (0.299, false, false, Standing::Possible),
            (0.299, false, true, Standing::Possible),
            (0.3, false, true, Standing::Routine),
            (0.9, true, false, Standing::Attempted),
            (0.2, true, true, Standing::Attempted),
            (f64::NAN, false, false, Standing::Possible),
        ] {
            assert_eq!(
                Standing::of(confidence, attempted, usual),
                standing,
                "{confidence} {attempted} {usual}"
            );
        }
        let happened: Vec<&str> = [
            Standing::Proven,
            Standing::Possible,
            Standing::Attempted,
            Standing::Routine,
        ]
        .into_iter()
        .filter(|standing| standing.happened())
        .map(Standing::name)
        .collect();
        assert_eq!(happened, ["proven", "routine"]);
    }
}
