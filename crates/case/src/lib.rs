//! Crabwalk: case.
