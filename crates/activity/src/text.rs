//! Values as events write them.

pub use crabwalk_vocabulary::text::base_name;
pub use crabwalk_vocabulary::time::SECOND;

/// A number as read by [`crabwalk_vocabulary::number::number`]; 0, which Windows writes for "none", if there is none.
pub fn number(text: &str) -> u64 {
    crabwalk_vocabulary::number::number(text).unwrap_or(0)
}
