//! The result of looking for the end of a record.

/// What was found at the start of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// It is this long.
    Whole(usize),
    /// It extends beyond the window.
    Open,
    /// It is broken: the next thing begins this many bytes further on.
    Broken(usize),
}
