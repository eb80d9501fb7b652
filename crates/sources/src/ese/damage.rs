//! What cannot be read, and how much is.

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
