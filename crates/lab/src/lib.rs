//! Crabwalk: lab.
