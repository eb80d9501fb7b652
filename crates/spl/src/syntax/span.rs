//! Places in the text of a search, and names with theirs.

/// Where something stands in the text of a search: byte offsets, end exclusive.
///
/// Text that a macro brought in has the span of the macro's call in the text that the user wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Byte behind the last.
    pub end: u32,
}

impl Span {
    /// The smallest span that holds both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// A name with its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// The name without its quotes. In lists of fields it may hold `*`.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}
