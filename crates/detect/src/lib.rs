//! Crabwalk: detect.
