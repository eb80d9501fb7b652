//! Where content comes from, and what is wrong with it.

use std::fmt;
use std::sync::Arc;

/// Path prefix of built-in content.
pub(crate) const BUILT_IN: &str = "built-in:";

/// Where a piece of content was loaded from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContentOrigin {
    /// Path of the file; `built-in:…` for built-in content.
    pub path: String,
    /// Line on which the search begins, from 1, if there is a search.
    pub search_line: Option<usize>,
    /// The search as written in the file, from the first character after its key, with that character's position.
    pub(crate) written: Option<Arc<Written>>,
}

/// A search as written in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Written {
    pub text: String,
    pub line: usize,
    pub column: usize,
}

impl ContentOrigin {
    /// A place that has no search.
    pub fn file(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            search_line: None,
            written: None,
        }
    }

    /// Line and column in the file, from 1, of a byte of the search. YAML indents, folds and quotes its text, but keeps
    /// every other character and the order, so these are counted.
    pub fn place(&self, search: &str, offset: usize) -> Option<(usize, usize)> {
        let written = self.written.as_deref()?;
        let before = search.get(..offset)?;
        let mut left = before.chars().filter(|c| !c.is_whitespace()).count();
        let start = written.text.trim_start();
        let quote = start.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let block = start.starts_with(['|', '>']) && {
            // A block's `|` is alone on its line; a search's is not.
            let first = start.lines().next().unwrap_or_default();
            first[1..]
                .trim_end()
                .chars()
                .all(|c| matches!(c, '-' | '+') || c.is_ascii_digit())
        };
        let (mut line, mut column) = (written.line, written.column);
        let mut head = true;
        let mut characters = written.text.chars().peekable();
        while let Some(c) = characters.next() {
            let place = (line, column);
            if c == '\n' {
                line += 1;
                column = 1;
                if block {
                    head = false;
                }
            } else {
                column += 1;
            }
            if c.is_whitespace() || block && head {
                continue;
            }
            if quote.is_some() && head {
                head = false;
                continue;
            }
            let doubled = quote == Some('\'') && c == '\'' && characters.peek() == Some(&'\'');
            let escaped = quote == Some('"') && c == '\\';
            if left == 0 {
                return Some(place);
            }
            if escaped && matches!(characters.peek(), Some('n' | 't' | ' ' | '\n' | 'r')) {
                if characters.next() == Some('\n') {
                    line += 1;
                    column = 1;
                } else {
                    column += 1;
                }
                continue;
            }
            if doubled || escaped {
                characters.next();
                column += 1;
            }
            left -= 1;
        }
        None
    }

    /// Whether it is built in.
    pub fn is_builtin(&self) -> bool {
        self.path.starts_with(BUILT_IN)
    }
}

impl fmt::Display for ContentOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// A content file, or a search in it, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentProblem {
    /// Path of the file.
    pub path: String,
    /// Line, from 1, if known.
    pub line: Option<usize>,
    /// Column, from 1, if known.
    pub column: Option<usize>,
    /// The error; may have several lines, with the text in question and a caret below the place.
    pub message: String,
    /// Whether something was left out because of it. Otherwise it is a warning.
    pub fatal: bool,
    /// Id of the detection that it is about, if it is about one.
    pub detection: Option<String>,
}

impl ContentProblem {
    /// The same, as a problem of the detection with this id.
    #[must_use]
    pub(crate) fn of(self, detection: &str) -> Self {
        Self {
            detection: Some(detection.to_owned()),
            ..self
        }
    }
}

impl fmt::Display for ContentProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        write!(f, ": {}", self.message)
    }
}
