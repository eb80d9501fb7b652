//! Tables in text, as printed by programs such as `netstat` and `ps`.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, lit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::documents::{Format, pick};
use super::{Answer, Entry, Prepared, call, fixed};
use crate::column::Typed;
use crate::column::list_type;

pub(super) const FUNCTIONS: &[Entry] = &[
    Entry {
        name: "spl_table_lines",
        prepare: |call| {
            let (layout, keep): (Layout, bool) = call.fixed(1)?;
            Ok(Prepared::rows(list_type(), move |args| {
                let Some(text) = args.text(0) else {
                    return Answer::Null;
                };
                let mut found = lines(&text, &layout);
                if keep {
                    found.insert(
                        0,
                        serde_json::json!({ "_raw": text, NUMBER: 0 }).to_string(),
                    );
                }
                Answer::List(found)
            }))
        },
    },
    Entry {
        name: "spl_table_member",
        prepare: |call| {
            let name = call.fixed_text(1)?;
            Ok(Prepared::rows(DataType::Utf8, move |args| {
                let found = args
                    .text(0)
                    .map(|line| pick(&line, &Format::Members, &name))
                    .unwrap_or_default();
                Answer::text(found.into_iter().next())
            }))
        },
    },
];

/// The lines of a text's tables as returned by [`lines`]; with `keep`, preceded by the text itself as line 0.
pub(crate) fn table_lines(text: Typed, layout: &Layout, keep: bool) -> Typed {
    call(
        "spl_table_lines",
        list_type(),
        vec![text.expr, fixed(&(layout, keep))],
    )
}

/// A member of a line.
pub(crate) fn table_member(line: Expr, name: &str) -> Typed {
    call("spl_table_member", DataType::Utf8, vec![line, lit(name)])
}

/// The member with the number of a line, from 1.
pub(crate) const NUMBER: &str = hidden!("line");

/// Maximum number of lines per table.
const MOST_LINES: usize = 10_000;

/// Options for reading a table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Layout {
    /// The line of the header, from 1; by default, the first line with several words.
    pub header: Option<usize>,
    /// There is no header: columns are named `Column_1` and so on.
    pub no_header: bool,
    /// There may be several tables, each after an empty line.
    pub several: bool,
    /// Only these columns; empty for all.
    pub fields: Vec<String>,
    /// Only lines with one of these words; empty for all.
    pub filter: Vec<String>,
}

/// The lines of a text's tables, each as a JSON object with its cells, its text (`_raw`) and its number.
pub(crate) fn lines(text: &str, layout: &Layout) -> Vec<String> {
    let all: Vec<&str> = text.lines().take(MOST_LINES).map(str::trim_end).collect();
    let mut found = Vec::new();
    let mut rest = match layout.header.filter(|_| !layout.no_header) {
        Some(header) => all.get(header - 1..).unwrap_or_default(),
        None => all.as_slice(),
    };
    while !rest.is_empty() {
        let start = rest
            .iter()
            .position(|line| !line.is_empty())
            .unwrap_or(rest.len());
        (_, rest) = rest.split_at(start);
        let end = rest
            .iter()
            .position(|line| line.is_empty())
            .unwrap_or(rest.len());
        let (block, behind) = rest.split_at(end);
        rest = behind;
        // Titles before the header have one word, or are all there is.
        let start = if layout.no_header || layout.header.is_some() {
            0
        } else {
            block
                .iter()
                .position(|line| line.split_whitespace().count() > 1)
                .unwrap_or(block.len())
        };
        let before = found.len();
        table(block.split_at(start).1, layout, &mut found);
        if !layout.several && found.len() > before {
            break;
        }
    }
    found
}

fn table(block: &[&str], layout: &Layout, found: &mut Vec<String>) {
    let (header, rows) = match block {
        rows if layout.no_header => (None, rows),
        [header, rows @ ..] => (Some(*header), rows),
        [] => return,
    };
    // A line of dashes below the header is not a row.
    let rows: Vec<&str> = rows
        .iter()
        .copied()
        .filter(|row| {
            row.chars()
                .any(|char| !matches!(char, '-' | '=' | '+' | ' ' | '\t'))
        })
        .collect();
    let tabs = block.iter().any(|line| line.contains('\t'));
    let columns = if tabs {
        Vec::new()
    } else {
        columns(header, &rows)
    };
    let cells = |line: &str| -> Vec<String> {
        if tabs {
            line.split('\t')
                .map(|cell| cell.trim().to_owned())
                .collect()
        } else {
            cut(line, &columns)
        }
    };
    let names: Vec<String> = match header {
        Some(header) => cells(header).iter().map(|name| clean(name)).collect(),
        None => Vec::new(),
    };
    for row in rows {
        if !layout.filter.is_empty()
            && !layout.filter.iter().any(|word| row.contains(word.as_str()))
        {
            continue;
        }
        let mut members = Map::new();
        for (index, cell) in cells(row).into_iter().enumerate() {
            let name = match names.get(index) {
                Some(name) if !name.is_empty() => name.clone(),
                _ => format!("Column_{}", index + 1),
            };
            if !cell.is_empty() && (layout.fields.is_empty() || layout.fields.contains(&name)) {
                members.insert(name, Value::String(cell));
            }
        }
        members.insert("_raw".to_owned(), Value::String(row.to_owned()));
        members.insert(NUMBER.to_owned(), Value::from(found.len() + 1));
        found.push(Value::Object(members).to_string());
    }
}

/// The positions of columns: ranges of positions that are not blank in every line. A range without a name belongs to
/// the column before it, because aligned blanks in all rows may also be inside a cell.
fn columns(header: Option<&str>, rows: &[&str]) -> Vec<(usize, usize)> {
    let mut taken = BTreeSet::new();
    for line in header.iter().chain(rows) {
        taken.extend(
            line.chars()
                .enumerate()
                .filter(|(_, char)| *char != ' ')
                .map(|(at, _)| at),
        );
    }
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for at in taken {
        match ranges.last_mut() {
            Some((_, end)) if *end == at => *end = at + 1,
            _ => ranges.push((at, at + 1)),
        }
    }
    let Some(header) = header else {
        return ranges;
    };
    let named = |(start, end): (usize, usize)| {
        header
            .chars()
            .skip(start)
            .take(end - start)
            .any(|char| char != ' ')
    };
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some((_, end)) if !named(range) => *end = range.1,
            _ => joined.push(range),
        }
    }
    joined
}

fn cut(line: &str, columns: &[(usize, usize)]) -> Vec<String> {
    let chars: Vec<char> = line.chars().collect();
    columns
        .iter()
        .map(|(start, end)| {
            let end = (*end).min(chars.len());
            let cell: String = chars.get(*start..end).unwrap_or_default().iter().collect();
            cell.trim().to_owned()
        })
        .collect()
}

/// A header name as a field name: characters other than letters and digits become `_`.
fn clean(name: &str) -> String {
    let clean: String = name
        .trim()
        .chars()
        .map(|char| if char.is_alphanumeric() { char } else { '_' })
        .collect();
    clean.trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, layout: &Layout) -> Vec<String> {
        lines(text, layout)
            .iter()
            .map(|line| {
                let value: Value = serde_json::from_str(line).unwrap_or_default();
                let Value::Object(members) = value else {
                    return String::new();
                };
                let mut cells: Vec<String> = members
                    .iter()
                    .filter(|(name, _)| !name.starts_with('_') && *name != NUMBER)
                    .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("")))
                    .collect();
                cells.sort();
                cells.join(" ")
            })
            .collect()
    }

    #[test]
    fn columns_stand_below_their_names() {
        let text = "Active Connections\n\n  Proto  Local Address      Foreign Address   PID\n  TCP    10.0.0.1:445       10.0.0.2:50000      4\n  TCP    10.0.0.1:3389      10.0.0.3:1       1180\n";
        let layout = Layout {
            several: true,
            ..Layout::default()
        };
        assert_eq!(
            read(text, &layout),
            [
                "Foreign_Address=10.0.0.2:50000 Local_Address=10.0.0.1:445 PID=4 Proto=TCP",
                "Foreign_Address=10.0.0.3:1 Local_Address=10.0.0.1:3389 PID=1180 Proto=TCP",
            ]
        );
    }
}
