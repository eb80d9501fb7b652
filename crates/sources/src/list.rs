//! Events as PowerShell's `Format-List` writes them: a block for each, a line `Name : value` for each property, the colons below
//! one another, and further lines of a value indented to where it begins.

use crate::piece::Piece;

/// Properties of which one begins a block: the first of `Get-WinEvent`, with `Format-List` or `Format-List *`, and of
/// `Get-EventLog`.
const FIRST: [&[u8]; 5] = [b"TimeCreated", b"Message", b"Index", b"EventID", b"Id"];

fn line_of(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    let line = bytes.get(..end).unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The property that a line begins, and where its colon stands.
fn property(line: &[u8]) -> Option<(&[u8], usize)> {
    let name = line
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    let blanks = line
        .get(name..)?
        .iter()
        .take_while(|byte| **byte == b' ')
        .count();
    let colon = name + blanks;
    let ends = matches!(line.get(colon + 1), None | Some(b' '));
    (name > 0 && blanks > 0 && line.get(colon) == Some(&b':') && ends)
        .then(|| Some((line.get(..name)?, colon)))
        .flatten()
}

/// The first property of the block that begins here, and where the colons of its lines stand.
fn opening(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (name, colon) = property(line_of(bytes))?;
    if !FIRST.contains(&name) {
        return None;
    }
    // Prose has colons too: the next line has it in the same place, or begins below the value.
    let next = line_of(bytes.get(memchr::memchr(b'\n', bytes)? + 1..)?);
    let fits = match property(next) {
        Some((_, other)) => other == colon,
        None => next.len() > colon && next.iter().take(colon + 2).all(|byte| *byte == b' '),
    };
    fits.then_some((name, colon))
}

/// Whether a block begins here.
pub(crate) fn starts_block(bytes: &[u8]) -> bool {
    opening(bytes).is_some()
}

/// The end of the block that begins here: before the line that begins the next one.
pub(crate) fn find_block_end(bytes: &[u8], end: bool) -> Piece {
    let Some((first, colon)) = opening(bytes) else {
        return Piece::Broken(1);
    };
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default()) {
        at += next + 1;
        let rest = bytes.get(at..).unwrap_or_default();
        let whole = end || memchr::memchr(b'\n', rest).is_some();
        if whole && property(line_of(rest)) == Some((first, colon)) {
            return Piece::Whole(at);
        }
    }
    if end {
        Piece::Whole(bytes.len())
    } else {
        Piece::Open
    }
}

/// The properties of a block, with their values.
pub(crate) fn read_block(text: &str) -> Vec<(&str, String)> {
    let Some((_, colon)) = opening(text.as_bytes()) else {
        return Vec::new();
    };
    let mut row: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        match property(line.as_bytes()).filter(|(_, own)| *own == colon) {
            Some((name, _)) => {
                let name = line.get(..name.len()).unwrap_or_default();
                let value = line.get(colon + 1..).unwrap_or_default();
                row.push((name, value.trim().to_owned()));
            }
            None => {
                if let Some((_, value)) = row.last_mut() {
                    value.push('\n');
                    value.push_str(line.get(colon + 2..).unwrap_or_default());
                }
            }
        }
    }
    // Of lists and objects it shows a few elements, or a type.
    row.retain_mut(|(_, value)| {
        let kept = value.trim_end().len();
        value.truncate(kept);
        !value.is_empty() && !value.starts_with('{')
    });
    row
}
