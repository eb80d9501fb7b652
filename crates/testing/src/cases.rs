//! Case files: blocks of lines, some with the expected result.
//!
//! A block ends at an empty line; lines that begin with `#` are comments. The expected result of a block follows a line
//! `----`.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A block of a file.
#[derive(Debug, Clone)]
pub struct Block {
    path: Arc<PathBuf>,
    /// Number of its first line, from 0.
    line: usize,
    /// Its lines with their numbers, without comments; never empty.
    lines: Vec<(usize, String)>,
}

/// The expected result of a case, and its position in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub(crate) path: Arc<PathBuf>,
    /// Lines of the file, from 0, including comments.
    pub(crate) place: Range<usize>,
    /// The lines without comments.
    pub lines: Vec<String>,
}

impl Block {
    /// The first line, trimmed.
    pub fn head(&self) -> &str {
        self.lines.first().map_or("", |(_, line)| line.trim())
    }

    /// The lines after the first, up to `----`.
    pub fn given(&self) -> impl Iterator<Item = &str> {
        let behind = self.lines.iter().skip(1).map(|(_, line)| line.as_str());
        behind.take_while(|line| line.trim() != CUT)
    }

    /// The lines after `----`; empty if there is no such line.
    pub fn expected(&self) -> Option<Expected> {
        let cut = self.lines.iter().position(|(_, line)| line.trim() == CUT)?;
        let behind = self.lines.get(cut + 1..).unwrap_or_default();
        let begin = self.lines.get(cut)?.0 + 1;
        let end = behind.last().map_or(begin, |(number, _)| number + 1);
        Some(Expected {
            path: Arc::clone(&self.path),
            place: begin..end,
            lines: behind.iter().map(|(_, line)| line.clone()).collect(),
        })
    }

    /// Name of the file without its ending.
    pub fn file(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    /// Its position, for people: `path:line`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.path.display(), self.line + 1)
    }
}

const CUT: &str = "----";

/// The files in a folder with this extension, by name.
///
/// # Panics
/// If the folder cannot be read, or has none.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| {
            let entry = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            entry.path()
        })
        .filter(|path| path.extension().is_some_and(|own| own == ending))
        .collect();
    files.sort();
    assert!(
        !files.is_empty(),
        "{} has no file *.{ending}",
        folder.display()
    );
    files
}

/// The blocks of a file, in their order.
///
/// # Panics
/// If the file cannot be read.
pub fn blocks(file: &Path) -> Vec<Block> {
    let text =
        std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let path = Arc::new(file.to_owned());
    let mut all = Vec::new();
    let mut block = Vec::new();
    let mut end = |block: &mut Vec<(usize, String)>| {
        if let Some((line, _)) = block.first() {
            all.push(Block {
                path: Arc::clone(&path),
                line: *line,
                lines: std::mem::take(block),
            });
        }
    };
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            end(&mut block);
        } else if !line.trim_start().starts_with('#') {
            block.push((number, line.to_owned()));
        }
    }
    end(&mut block);
    all
}
