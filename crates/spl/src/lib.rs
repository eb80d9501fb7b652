//! Crabwalk: spl.
