//! From when on a movement is taken for a fact.

/// Confidence from which on a hop is asserted. Below it a hop is possible: shown, but nothing is concluded from it.
pub const ASSERTED: f64 = 0.3;
