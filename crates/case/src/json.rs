//! JSON that is safe to view: characters that a terminal or an editor would act on are written as escapes, which stand
//! for the same text.

use std::io::{self, BufReader, Read, Write};

use crabwalk_vocabulary::text::is_acted_on;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use crate::document::{Case, SCHEMA};

/// A case cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not JSON of a case.
    #[error(
        "is not a case file this version can read ({0}); regenerate it with `crabwalk hunt --out`"
    )]
    NoCase(#[from] serde_json::Error),
    /// It has another schema.
    #[error("has schema `{0}`; this version reads `{SCHEMA}`")]
    Schema(String),
}

/// Reads a case that [`to_json`] wrote.
///
/// # Errors
/// If it is no case, or of another schema.
pub fn from_json(input: impl Read) -> Result<Case, ReadError> {
    let case: Case = serde_json::from_reader(BufReader::new(input))?;
    if case.schema == SCHEMA {
        Ok(case)
    } else {
        Err(ReadError::Schema(case.schema))
    }
}

/// Writes a value, indented two levels deep, so each hop or finding of a case has its own line.
///
/// # Errors
/// What writing gives.
pub fn to_json(value: &impl Serialize, out: impl Write) -> io::Result<()> {
    let mut out = out;
    let mut serializer = Serializer::with_formatter(&mut out, Safe(Lines::default()));
    value.serialize(&mut serializer).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// Writes a value on one line.
///
/// # Errors
/// What writing gives.
pub fn to_json_line(value: &impl Serialize, out: impl Write) -> io::Result<()> {
    let mut out = out;
    let mut serializer = Serializer::with_formatter(&mut out, Safe(CompactFormatter));
    value.serialize(&mut serializer).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// Deeper values stay on the line of their parent: fully indenting a large case would make half of it white space.
const DEEPEST: usize = 2;

/// One element per line, down to [`DEEPEST`].
#[derive(Default)]
struct Lines {
    depth: usize,
    /// Whether the innermost array or object has elements.
    filled: bool,
}

impl Lines {
    fn begin<W: ?Sized + Write>(&mut self, out: &mut W, with: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        out.write_all(with)
    }

    fn element<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        self.line(out)
    }

    fn line<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        if self.depth > DEEPEST {
            return Ok(());
        }
        out.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| out.write_all(b"  "))
    }

    fn end<W: ?Sized + Write>(&mut self, out: &mut W, with: &[u8]) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if self.filled && self.depth < DEEPEST {
            self.line(out)?;
        }
        self.filled = true;
        out.write_all(with)
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.element(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.element(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(if self.depth > DEEPEST { b":" } else { b": " })
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
}

struct Safe<F>(F);

macro_rules! forward {
    ($($name:ident($($argument:ident: $kind:ty),*);)*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, out: &mut W $(, $argument: $kind)*) -> io::Result<()> {
            self.0.$name(out $(, $argument)*)
        })*
    };
}

impl<F: Formatter> Formatter for Safe<F> {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for part in fragment.split_inclusive(is_acted_on) {
            let mut before = part.chars();
            let Some(c) = before.next_back().filter(|last| is_acted_on(*last)) else {
                out.write_all(part.as_bytes())?;
                continue;
            };
            out.write_all(before.as_str().as_bytes())?;
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }

    forward! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_a_line() {
        let value = serde_json::json!({
            "none": [], "some": [{"a": [1, {"b": {}}], "c": {}}, []], "text": "t", "under": {"x": [1, 2]}
        });
        let mut out = Vec::new();
        to_json(&value, &mut out).unwrap_or_else(|error| panic!("{error}"));
        let text = String::from_utf8(out).unwrap_or_else(|error| panic!("{error}"));
        let expected = r#"{
  "none": [],
  "some": [
    {"a":[1,{"b":{}}],"c":{}},
    []
  ],
  "text": "t",
  "under": {
    "x": [1,2]
  }
}
"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn hostile_text_is_escaped_and_stays_the_same() {
        let hostile =
            "\u{1b}[31m \u{9b}2J \u{202e}exe.txt \u{2066}\u{200b} tab\t nul\0 \u{e0041} ok é 日本";
        for text in [
            {
                let mut out = Vec::new();
                to_json_line(&hostile, &mut out).unwrap_or_else(|error| panic!("{error}"));
                out
            },
            {
                let mut out = Vec::new();
                to_json(&vec![hostile], &mut out).unwrap_or_else(|error| panic!("{error}"));
                out
            },
        ] {
            let text = String::from_utf8(text).unwrap_or_else(|error| panic!("{error}"));
            assert!(
                !text.trim_end().chars().any(|c| c != '\n' && is_acted_on(c)),
                "{text:?}"
            );
            assert!(text.contains("日本"));
            let back: serde_json::Value =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
            let back = back.get(0).unwrap_or(&back);
            assert_eq!(back.as_str(), Some(hostile));
        }
    }
}
