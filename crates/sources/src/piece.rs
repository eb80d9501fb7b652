//! What looking for the end of a record answers.

/// What was found at the start of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// It is this long.
    Whole(usize),
    /// It goes on beyond the window.
    Open,
    /// It breaks off: the next thing begins so many bytes on.
    Broken(usize),
}
