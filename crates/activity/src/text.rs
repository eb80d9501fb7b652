//! Values as events write them.

pub use crabwalk_vocabulary::text::base_name;
pub use crabwalk_vocabulary::time::SECOND;

/// Decimal or `0x…`; what is no number is 0.
pub fn number(text: &str) -> u64 {
    crabwalk_vocabulary::number::number(text).unwrap_or(0)
}
