//! Crabwalk: events.
