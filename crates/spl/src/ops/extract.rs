//! What `rex` takes out of text.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;

use super::{Answer, call};
use crate::expr::Typed;
use crate::functions::regex::compile_regex;
use crate::plan::list_type;

/// The matches of one named group. With `max_match` 1 the first one as text, else up to `max_match` (0: all) as a list.
pub(crate) fn rex(value: Typed, pattern: &str, group: &str, max_match: u64) -> Typed {
    let output = if max_match == 1 {
        DataType::Utf8
    } else {
        list_type()
    };
    let most = if max_match == 0 {
        usize::MAX
    } else {
        usize::try_from(max_match).unwrap_or(usize::MAX)
    };
    let regex = compile_regex(pattern).ok().map(Arc::new);
    let name = group.to_owned();
    let key = format!("{max_match} {group} {pattern}");
    call("spl_rex", key, output, vec![value.expr], move |args| {
        let Some(regex) = &regex else {
            return Answer::Null;
        };
        let mut found = Vec::new();
        for text in args.values(0) {
            regex.named_captures(&text, &name, most.saturating_sub(found.len()), &mut found);
            if found.len() >= most {
                break;
            }
        }
        match found.len() {
            0 => Answer::Null,
            _ if most == 1 => found.pop().map_or(Answer::Null, Answer::Text),
            _ => Answer::List(found),
        }
    })
}

/// Where the groups matched, as `name=first-last` with `&` between.
pub(crate) fn offsets(value: Typed, pattern: &str, max_match: u64) -> Typed {
    let most = if max_match == 0 {
        usize::MAX
    } else {
        usize::try_from(max_match).unwrap_or(usize::MAX)
    };
    let regex = compile_regex(pattern).ok().map(Arc::new);
    let groups = crate::plan::group_names(pattern);
    let key = format!("{max_match} {pattern}");
    call(
        "spl_rex_offsets",
        key,
        DataType::Utf8,
        vec![value.expr],
        move |args| {
            let (Some(regex), Some(text)) = (&regex, args.text(0)) else {
                return Answer::Null;
            };
            let places = regex.group_offsets(&text, &groups, most);
            if places.is_empty() {
                Answer::Null
            } else {
                Answer::Text(places.join("&"))
            }
        },
    )
}

/// `mode=sed`: `s/regex/replacement/flags` or `y/abc/xyz/`.
///
/// # Errors
/// What is wrong with the expression.
pub(crate) fn sed(value: Typed, expression: &str) -> Result<Typed, String> {
    let usage = || {
        format!(
            "`{expression}` is no sed expression: write `s/pattern/replacement/g` or `y/from/to/`"
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
    let key = expression.to_owned();
    match command {
        's' => {
            let regex = Arc::new(compile_regex(from)?);
            let most = match flags.as_str() {
                "" => Some((0, 1)),
                "g" => None,
                number => {
                    let nth: usize = number.parse().map_err(|_| usage())?;
                    Some((nth.saturating_sub(1), nth))
                }
            };
            let to = to.clone();
            Ok(call(
                "spl_sed",
                key,
                DataType::Utf8,
                vec![value.expr],
                move |args| match args.text(0) {
                    None => Answer::Null,
                    Some(text) => Answer::Text(regex.replace_nth(&text, &to, most)),
                },
            ))
        }
        'y' => {
            let pairs: Vec<(char, char)> = from.chars().zip(to.chars()).collect();
            if from.chars().count() != to.chars().count() {
                return Err(format!(
                    "both sides of `{expression}` must have as many characters"
                ));
            }
            Ok(call(
                "spl_sed",
                key,
                DataType::Utf8,
                vec![value.expr],
                move |args| match args.text(0) {
                    None => Answer::Null,
                    Some(text) => Answer::Text(
                        text.chars()
                            .map(|char| {
                                pairs
                                    .iter()
                                    .find(|(from, _)| *from == char)
                                    .map_or(char, |(_, to)| *to)
                            })
                            .collect(),
                    ),
                },
            ))
        }
        _ => Err(usage()),
    }
}

/// Splits at a delimiter that no backslash stands before.
fn split(text: &str, delimiter: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        let last = parts.len() - 1;
        match char {
            '\\' => match chars.next() {
                Some(next) if next == delimiter => parts[last].push(delimiter),
                Some(next) => {
                    parts[last].push('\\');
                    parts[last].push(next);
                }
                None => parts[last].push('\\'),
            },
            char if char == delimiter => parts.push(String::new()),
            char => parts[last].push(char),
        }
    }
    parts
}

/// The first values of a multivalued field.
pub(crate) fn first_values(value: Typed, limit: u64) -> Typed {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    call(
        "spl_first_values",
        limit.to_string(),
        list_type(),
        vec![value.expr],
        move |args| {
            Answer::List(
                args.values(0)
                    .into_iter()
                    .take(most)
                    .map(std::borrow::Cow::into_owned)
                    .collect(),
            )
        },
    )
}
