//! Fields with several values (Splunk, Search Reference, "Multivalue eval functions").

use std::borrow::Cow;

use super::time::relative_time;
use super::{
    CallError, Function, MANY, Made, count, index, list, number, owned, pattern, rows, text, whole,
    with_pattern,
};
use crate::ops::Call;
use crate::value::{format_number, number_of};

/// Maximum number of values from `mvrange`: a single call must not fill the memory.
const MOST_OF_RANGE: usize = 100_000;

pub(super) const FUNCTIONS: &[Function] = &[
    rows(
        "mvappend",
        (1, MANY),
        "mvappend(<value>...)",
        "The values of all arguments.",
        "mvappend(src_ip, dest_ip)",
        |call| {
            let width = call.width();
            list(move |args| (0..width).flat_map(|at| owned(args.values(at))).collect())
        },
    ),
    rows(
        "mvcount",
        (1, 1),
        "mvcount(<field>)",
        "Number of values, or NULL if there are none.",
        "mvcount(user)",
        |_| number(|args| Some(count(args.values(0).len())).filter(|count| *count > 0.0)),
    ),
    rows(
        "mvdedup",
        (1, 1),
        "mvdedup(<field>)",
        "The distinct values.",
        "mvdedup(user)",
        |_| {
            list(|args| {
                let mut seen = std::collections::HashSet::new();
                owned(args.values(0))
                    .into_iter()
                    .filter(|value| seen.insert(value.clone()))
                    .collect()
            })
        },
    ),
    whole(
        "mvfilter",
        (1, 1),
        "mvfilter(<condition>)",
        "The values of a field for which a condition is true.",
        "mvfilter(match(user, \"\\$$\"))",
        |call| call.filter_values(),
    ),
    rows(
        "mvfind",
        (2, 2),
        "mvfind(<field>, <regex>)",
        "The index, from 0, of the first value that the regular expression matches.",
        "mvfind(user, \"^adm\")",
        |call| {
            let fixed = pattern(call, 1)?;
            number(move |args| {
                with_pattern(fixed.as_ref(), args, 1, |compiled| {
                    args.values(0)
                        .iter()
                        .position(|value| compiled.is_match(value))
                        .map(count)
                })?
            })
        },
    ),
    rows(
        "mvindex",
        (2, 3),
        "mvindex(<field>, <start>, [<end>])",
        "The value at an index, from 0, or the values from one index to another. Negative indexes count from the end.",
        "mvindex(user, -1)",
        between,
    ),
    rows(
        "mvjoin",
        (2, 2),
        "mvjoin(<field>, <delimiter>)",
        "The values joined into one text.",
        "mvjoin(user, \", \")",
        |_| {
            text(|args| {
                let values = args.values(0);
                let delimiter = args.text(1)?;
                (!values.is_empty()).then(|| values.join(&*delimiter))
            })
        },
    ),
    whole(
        "mvmap",
        (2, 2),
        "mvmap(<field>, <expression>)",
        "The result of an expression for each value of the field.",
        "mvmap(port, port + 1)",
        |call| call.map_values(),
    ),
    rows(
        "mvrange",
        (2, 3),
        "mvrange(<start>, <end>, [<step>])",
        "The numbers from the start to the end, exclusive, or times (in seconds since 1970) if the step is a \
         duration such as `1d`. At most 100,000 values; NULL if there would be more.",
        "mvrange(0, 10, 2)",
        range,
    ),
    rows(
        "mvsort",
        (1, 1),
        "mvsort(<field>)",
        "The values in lexicographic order.",
        "mvsort(user)",
        |_| {
            list(|args| {
                let mut values = owned(args.values(0));
                values.sort_unstable();
                values
            })
        },
    ),
    rows(
        "mvzip",
        (2, 3),
        "mvzip(<field>, <field>, [<delimiter>])",
        "The values of both fields, joined pairwise.",
        "mvzip(src_ip, src_port, \":\")",
        |call| {
            let comma = call.width() == 2;
            list(move |args| {
                let delimiter = if comma {
                    Cow::Borrowed(",")
                } else {
                    args.text(2).unwrap_or(Cow::Borrowed(","))
                };
                args.values(0)
                    .iter()
                    .zip(args.values(1))
                    .map(|(left, right)| format!("{left}{delimiter}{right}"))
                    .collect()
            })
        },
    ),
    rows(
        "split",
        (2, 2),
        "split(<text>, <delimiter>)",
        "The parts of a text between delimiters, or its characters if the delimiter is empty.",
        "split(groups, \";\")",
        |_| {
            list(|args| {
                let (Some(value), Some(delimiter)) = (args.text(0), args.text(1)) else {
                    return Vec::new();
                };
                if delimiter.is_empty() {
                    value.chars().map(String::from).collect()
                } else {
                    value.split(&*delimiter).map(str::to_owned).collect()
                }
            })
        },
    ),
];

fn between(call: &Call<'_>) -> Made {
    if call.width() == 2 {
        return text(|args| {
            let values = args.values(0);
            let at = place(args.number(1)?, values.len())?;
            values.into_iter().nth(at).map(Cow::into_owned)
        });
    }
    list(|args| {
        let values = args.values(0);
        let range = args.number(1).zip(args.number(2)).and_then(|(from, to)| {
            let from = place(from, values.len())?;
            let to = if to >= count(values.len()) {
                values.len().checked_sub(1)
            } else {
                place(to, values.len())
            }?;
            Some((from, to))
        });
        match range {
            Some((from, to)) if from <= to => values
                .into_iter()
                .skip(from)
                .take(to - from + 1)
                .map(Cow::into_owned)
                .collect(),
            _ => Vec::new(),
        }
    })
}

fn range(call: &Call<'_>) -> Made {
    let one = call.width() == 2;
    let constant = |at| call.literal(at).and_then(|text| number_of(&text));
    if let Some(step) = call.literal(2)
        && next(0.0, &step).is_none()
    {
        return Err(CallError::Arguments(format!(
            "`{step}` is not a step of `mvrange`: write a number above 0 or a duration such as `1d`"
        )));
    }
    if let (Some(start), Some(end)) = (constant(0), constant(1)) {
        let step = call.literal(2);
        if values_of(start, end, step.as_deref().unwrap_or("1")).is_none()
            && (one || step.is_some())
        {
            return Err(CallError::Arguments(format!(
                "`mvrange` would give more than {MOST_OF_RANGE} values: choose a larger step"
            )));
        }
    }
    list(move |args| {
        let step = if one {
            Some(Cow::Borrowed("1"))
        } else {
            args.text(2)
        };
        let (Some(start), Some(end), Some(step)) = (args.number(0), args.number(1), step) else {
            return Vec::new();
        };
        values_of(start, end, &step).unwrap_or_default()
    })
}

/// The next number or time after a step; `None` if the step makes no progress.
fn next(at: f64, step: &str) -> Option<f64> {
    let after = match number_of(step) {
        Some(step) => at + step,
        None => {
            let step = step.trim().trim_start_matches('+');
            // A duration, not a position such as `@d`.
            if !step.starts_with(|char: char| char.is_ascii_digit()) || step.contains('@') {
                return None;
            }
            relative_time(at, &format!("+{step}"))?
        }
    };
    (after > at).then_some(after)
}

/// The values of a range; `None` if there are too many.
fn values_of(start: f64, end: f64, step: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    let mut at = start;
    while at < end {
        if values.len() >= MOST_OF_RANGE {
            return None;
        }
        values.push(format_number(at));
        match next(at, step) {
            Some(after) => at = after,
            None => return Some(Vec::new()),
        }
    }
    Some(values)
}

/// An index from the front, or from the back if it is negative.
fn place(at: f64, length: usize) -> Option<usize> {
    let at = if at < 0.0 { count(length) + at } else { at };
    (at >= 0.0 && at < count(length)).then(|| index(at))
}
