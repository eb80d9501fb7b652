//! What cannot be read, and how much is.

use crate::report::SourceReport;

/// Bytes at which a value is cut. Long values may have 2 GiB, and many rows may share one.
pub(crate) const MOST_BYTES: usize = 8 << 10;

/// Something in the database that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Offset of the page in the file, in bytes.
    pub offset: u64,
    /// What is wrong, and how it was handled.
    pub message: String,
}

/// What could not be read, as far as somebody reads it: a small file can have millions of damaged rows.
#[derive(Debug, Default)]
pub(crate) struct Damages {
    /// The first ones.
    pub told: Vec<Damage>,
    /// Number of the others.
    pub more: u64,
}

impl Damages {
    /// What `one` gives, if there is room for it.
    pub fn push(&mut self, one: impl FnOnce() -> Damage) {
        if self.told.len() < SourceReport::MOST_PROBLEMS {
            self.told.push(one());
        } else {
            self.more += 1;
        }
    }
}
