//! Values as events write them.

pub use crabwalk_vocabulary::text::base_name;
pub use crabwalk_vocabulary::time::SECOND;

/// A number as [`crabwalk_vocabulary::number::number`] reads it, with 0, which Windows writes for "none", where there is
/// none.
pub fn number(text: &str) -> u64 {
    crabwalk_vocabulary::number::number(text).unwrap_or(0)
}
