//! What `rex` extracts from text.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::lit;

use super::{Answer, CallError, Entry, Prepared, call, fixed};
use crate::column::Typed;
use crate::column::list_type;
use crate::functions::regex::{Compiled, compile_regex};

pub(super) const FUNCTIONS: &[Entry] = &[
    Entry {
        name: "spl_rex",
        prepare: |call| {
            let (pattern, group, most): (String, String, u64) = call.fixed(1)?;
            let regex = compile_regex(&pattern).map_err(CallError::Arguments)?;
            let (output, most) = (rex_type(most), all_if_zero(most));
            Ok(Prepared::rows(output, move |args| {
                let mut found = Vec::new();
                for text in args.values(0) {
                    let left = most.saturating_sub(found.len());
                    regex.named_captures(&text, &group, left, &mut found);
                    if found.len() >= most {
                        break;
                    }
                }
                match found.len() {
                    0 => Answer::Null,
                    _ if most == 1 => Answer::text(found.pop()),
                    _ => Answer::List(found),
                }
            }))
        },
    },
    Entry {
        name: "spl_rex_offsets",
        prepare: |call| {
            let (pattern, most): (String, u64) = call.fixed(1)?;
            let regex = compile_regex(&pattern).map_err(CallError::Arguments)?;
            let groups = crate::functions::regex::group_names(&pattern);
            let most = all_if_zero(most);
            Ok(Prepared::rows(DataType::Utf8, move |args| {
                let places = args
                    .text(0)
                    .map(|text| regex.group_offsets(&text, &groups, most))
                    .unwrap_or_default();
                Answer::text((!places.is_empty()).then(|| places.join("&")))
            }))
        },
    },
    Entry {
        name: "spl_sed",
        prepare: |call| {
            let sed = Sed::read(&call.fixed_text(1)?).map_err(CallError::Arguments)?;
            Ok(Prepared::rows(DataType::Utf8, move |args| {
                Answer::text(args.text(0).map(|text| sed.apply(&text)))
            }))
        },
    },
    Entry {
        name: "spl_first_values",
        prepare: |call| {
            let most = usize::try_from(call.fixed::<u64>(1)?).unwrap_or(usize::MAX);
            Ok(Prepared::rows(list_type(), move |args| {
                Answer::List(
                    args.values(0)
                        .into_iter()
                        .take(most)
                        .map(std::borrow::Cow::into_owned)
                        .collect(),
                )
            }))
        },
    },
];

fn all_if_zero(most: u64) -> usize {
    match most {
        0 => usize::MAX,
        most => usize::try_from(most).unwrap_or(usize::MAX),
    }
}

fn rex_type(most: u64) -> DataType {
    if most == 1 {
        DataType::Utf8
    } else {
        list_type()
    }
}

/// The matches of one named group. With `max_match` 1 the first one as text, otherwise up to `max_match` (0: all) as a
/// list.
pub(crate) fn rex(value: Typed, pattern: &str, group: &str, max_match: u64) -> Typed {
    call(
        "spl_rex",
        rex_type(max_match),
        vec![value.expr, fixed(&(pattern, group, max_match))],
    )
}

/// Where the groups matched, as `name=first-last` joined by `&`.
pub(crate) fn offsets(value: Typed, pattern: &str, max_match: u64) -> Typed {
    call(
        "spl_rex_offsets",
        DataType::Utf8,
        vec![value.expr, fixed(&(pattern, max_match))],
    )
}

/// `mode=sed`: `s/regex/replacement/flags` or `y/abc/xyz/`.
///
/// # Errors
/// What is wrong with the expression.
pub(crate) fn sed(value: Typed, expression: &str) -> Result<Typed, String> {
    Sed::read(expression)?;
    Ok(call(
        "spl_sed",
        DataType::Utf8,
        vec![value.expr, lit(expression)],
    ))
}

/// A parsed sed expression.
enum Sed {
    /// Replaces matches with the text; only those from the first number (from 0) up to, but not including, the second,
    /// if given.
    Replace(Compiled, String, Option<(usize, usize)>),
    /// Replaces characters with others.
    Exchange(Vec<(char, char)>),
}

impl Sed {
    fn read(expression: &str) -> Result<Self, String> {
        let usage = || {
            format!(
                "`{expression}` is not a sed expression: write `s/pattern/replacement/g` or `y/from/to/`"
            )
        };
        let mut chars = expression.chars();
        let command = chars.next().ok_or_else(usage)?;
        let delimiter = chars
            .next()
            .filter(|char| !char.is_alphanumeric())
            .ok_or_else(usage)?;
        let parts = split(chars.as_str(), delimiter);
        let [from, to, flags] = parts.as_slice() else {
            return Err(usage());
        };
        match command {
            's' => {
                let most = match flags.as_str() {
                    "" => Some((0, 1)),
                    "g" => None,
                    number => {
                        let nth: usize = number.parse().map_err(|_| usage())?;
                        Some((nth.saturating_sub(1), nth))
                    }
                };
                Ok(Self::Replace(compile_regex(from)?, to.clone(), most))
            }
            'y' if from.chars().count() != to.chars().count() => Err(format!(
                "both sides of `{expression}` must have as many characters"
            )),
            'y' => Ok(Self::Exchange(from.chars().zip(to.chars()).collect())),
            _ => Err(usage()),
        }
    }

    fn apply(&self, text: &str) -> String {
        match self {
            Self::Replace(regex, to, most) => regex.replace_nth(text, to, *most),
            Self::Exchange(pairs) => text
                .chars()
                .map(|char| {
                    pairs
                        .iter()
                        .find(|(from, _)| *from == char)
                        .map_or(char, |(_, to)| *to)
                })
                .collect(),
        }
    }
}

/// Splits at delimiters not preceded by a backslash.
fn split(text: &str, delimiter: char) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some(next) if next == delimiter => part.push(delimiter),
                next => {
                    part.push('\\');
                    part.extend(next);
                }
            },
            char if char == delimiter => parts.push(std::mem::take(&mut part)),
            char => part.push(char),
        }
    }
    parts.push(part);
    parts
}

/// The first values of a multivalued field.
pub(crate) fn first_values(value: Typed, limit: u64) -> Typed {
    call(
        "spl_first_values",
        list_type(),
        vec![value.expr, fixed(&limit)],
    )
}
