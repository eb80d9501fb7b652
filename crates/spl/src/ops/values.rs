//! Functions over a row's values for commands: converting, splitting, joining, summing.

use std::borrow::Cow;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, lit};
use regex::Regex;

use super::{Answer, CallError, Entry, Prepared, call, fixed};
use crate::column::Typed;
use crate::column::list_type;
use crate::value::number_of;

pub(super) const FUNCTIONS: &[Entry] = &[
    Entry {
        name: "spl_to_text",
        prepare: |_| {
            Ok(Prepared::rows(DataType::Utf8, |args| {
                Answer::text(args.text(0).map(Cow::into_owned))
            }))
        },
    },
    Entry {
        name: "spl_to_list",
        prepare: |_| {
            Ok(Prepared::rows(list_type(), |args| {
                Answer::List(args.values(0).into_iter().map(Cow::into_owned).collect())
            }))
        },
    },
    Entry {
        name: "spl_to_number",
        prepare: |_| {
            Ok(Prepared::rows(DataType::Float64, |args| {
                Answer::number(args.number(0))
            }))
        },
    },
    Entry {
        name: "spl_joined",
        prepare: |call| {
            let delimiter = call.fixed_text(1)?;
            Ok(Prepared::rows(DataType::Utf8, move |args| {
                let values = args.values(0);
                Answer::text((!values.is_empty()).then(|| values.join(&delimiter)))
            }))
        },
    },
    Entry {
        name: "spl_tokens",
        prepare: |call| {
            let regex = tokenizer(&call.fixed_text(1)?).map_err(CallError::Arguments)?;
            Ok(Prepared::rows(list_type(), move |args| {
                let text = args.values(0).join("\n");
                let tokens = regex
                    .captures_iter(&text)
                    .filter_map(|groups| groups.get(1));
                Answer::List(tokens.map(|token| token.as_str().to_owned()).collect())
            }))
        },
    },
    Entry {
        name: "spl_split",
        prepare: |call| {
            let (delimiter, empty): (String, bool) = call.fixed(1)?;
            Ok(Prepared::rows(list_type(), move |args| {
                let values = args.values(0);
                let parts = values
                    .iter()
                    .flat_map(|value| value.split(delimiter.as_str()));
                Answer::List(
                    parts
                        .filter(|part| empty || !part.is_empty())
                        .map(str::to_owned)
                        .collect(),
                )
            }))
        },
    },
    Entry {
        name: "spl_replace_values",
        prepare: |call| {
            let pairs: Vec<(String, String)> = call.fixed(1)?;
            let output = if call.is_list(0) {
                list_type()
            } else {
                DataType::Utf8
            };
            Ok(Prepared::rows(output, move |args| {
                let values = args.values(0).into_iter().map(|value| {
                    pairs
                        .iter()
                        .find_map(|(from, to)| crate::plan::renamed_text(&value, from, to))
                        .unwrap_or_else(|| value.into_owned())
                });
                Answer::List(values.collect())
            }))
        },
    },
    Entry {
        name: "spl_row_total",
        prepare: |call| {
            let width = call.width();
            Ok(Prepared::rows(DataType::Float64, move |args| {
                Answer::Number((0..width).filter_map(|at| args.number(at)).sum())
            }))
        },
    },
    Entry {
        name: "spl_search_words",
        prepare: |call| {
            let width = call.width();
            Ok(Prepared::rows(DataType::Utf8, move |args| {
                let words: Vec<String> = (0..width)
                    .filter_map(|at| args.text(at))
                    .map(|word| {
                        if number_of(&word).is_some() {
                            word.into_owned()
                        } else {
                            format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
                        }
                    })
                    .collect();
                Answer::text((!words.is_empty()).then(|| words.join(" ")))
            }))
        },
    },
    Entry {
        name: "spl_percent",
        prepare: |_| {
            Ok(Prepared::rows(DataType::Utf8, |args| {
                match (args.number(0), args.number(1)) {
                    (Some(part), Some(all)) if all > 0.0 => {
                        Answer::Text(format!("{:.6}", part / all * 100.0))
                    }
                    _ => Answer::Null,
                }
            }))
        },
    },
    Entry {
        name: "spl_entropy",
        prepare: |_| {
            Ok(Prepared::rows(DataType::Float64, |args| {
                Answer::number(args.text(0).map(|text| entropy_of(&text)))
            }))
        },
    },
];

/// A field's values as one text.
pub(crate) fn joined(value: Typed, delimiter: &str) -> Expr {
    call(
        "spl_joined",
        DataType::Utf8,
        vec![value.expr, lit(delimiter)],
    )
    .expr
}

fn tokenizer(pattern: &str) -> Result<Regex, String> {
    let regex =
        Regex::new(pattern).map_err(|error| format!("`{pattern}` is not a pattern: {error}"))?;
    if regex.captures_len() < 2 {
        return Err(
            "`tokenizer=` needs a group in parentheses around the text to extract".to_owned(),
        );
    }
    Ok(regex)
}

/// Every match of a pattern's first group.
///
/// # Errors
/// What is wrong with the pattern.
pub(crate) fn tokens(value: Typed, pattern: &str) -> Result<Typed, String> {
    tokenizer(pattern)?;
    Ok(call(
        "spl_tokens",
        list_type(),
        vec![value.expr, lit(pattern)],
    ))
}

/// The parts of a text between delimiters; empty ones are kept if `empty`.
pub(crate) fn split(value: Typed, delimiter: &str, empty: bool) -> Typed {
    let args = vec![value.expr, fixed(&(delimiter, empty))];
    call("spl_split", list_type(), args)
}

/// Replaces each value according to the first pair whose pattern (with `*`) matches.
pub(crate) fn replace_values(value: Typed, pairs: &[(&str, &str)]) -> Typed {
    let output = if crate::column::is_list(&value.data_type) {
        list_type()
    } else {
        DataType::Utf8
    };
    call(
        "spl_replace_values",
        output,
        vec![value.expr, fixed(&pairs)],
    )
}

/// The sum of a row's values that are numbers.
pub(crate) fn row_total(values: Vec<Expr>) -> Expr {
    if values.is_empty() {
        return lit(0.0);
    }
    call("spl_row_total", DataType::Float64, values).expr
}

/// Texts as words of a search, each in quotes.
pub(crate) fn search_words(values: Vec<Expr>) -> Expr {
    call("spl_search_words", DataType::Utf8, values).expr
}

/// A part of a whole in percent, with six decimals.
pub(crate) fn percent(part: Expr, whole: Expr) -> Expr {
    call("spl_percent", DataType::Utf8, vec![part, whole]).expr
}

/// Shannon's entropy of the characters of a text, in bits.
pub(crate) fn entropy(value: Typed) -> Expr {
    call("spl_entropy", DataType::Float64, vec![value.expr]).expr
}

fn entropy_of(text: &str) -> f64 {
    let mut counts = std::collections::BTreeMap::new();
    for char in text.chars() {
        *counts.entry(char).or_insert(0_u32) += 1;
    }
    let all = f64::from(counts.values().sum::<u32>().max(1));
    counts
        .values()
        .map(|count| {
            let share = f64::from(*count) / all;
            -share * share.log2()
        })
        .sum::<f64>()
        .max(0.0)
}
