//! SPL's eval functions as functions of DataFusion.
//!
//! A function sees the values of one row (`Args`) and answers one. NULL in gives NULL out unless a function says
//! otherwise. Constant patterns and formats are prepared once, when the search is planned.

mod json;
pub(crate) mod matcher;
mod numbers;
pub mod regex;
pub mod time;

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;
use ipnet::IpNet;

use crate::expr::{EvalContext, Typed};
use crate::ops::{Answer, Args, call};
use crate::plan::list_type;
use crate::value::{format_number, number_of};
use regex::{Compiled, compile_regex};

/// What is wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// There is no such function.
    Unknown,
    /// It takes other arguments: a sentence.
    Arguments(String),
}

type Body = Arc<dyn Fn(&Args<'_>) -> Answer + Send + Sync>;

/// A function that was looked up.
struct Function {
    output: DataType,
    body: Body,
}

/// Names of all functions, for suggestions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let tables = json::ARITIES.iter().chain(numbers::ARITIES);
    NAMES.iter().copied().chain(tables.map(|(name, _)| *name))
}

/// Functions of this file and of [`crate::expr`].
const NAMES: &[&str] = &[
    "abs",
    "acos",
    "asin",
    "atan",
    "basename",
    "case",
    "ceil",
    "ceiling",
    "cidrmatch",
    "coalesce",
    "commands",
    "cos",
    "dash_to_null",
    "dirname",
    "exact",
    "exp",
    "false",
    "floor",
    "hex_to_number",
    "if",
    "in",
    "ip_normalise",
    "isbool",
    "isint",
    "isnotnull",
    "isnull",
    "isnum",
    "isstr",
    "len",
    "like",
    "ln",
    "log",
    "lower",
    "ltrim",
    "match",
    "max",
    "md5",
    "min",
    "mvappend",
    "mvcount",
    "mvdedup",
    "mvfilter",
    "mvfind",
    "mvindex",
    "mvjoin",
    "mvmap",
    "mvrange",
    "mvsort",
    "mvzip",
    "now",
    "null",
    "nullif",
    "pi",
    "pow",
    "printf",
    "relative_time",
    "replace",
    "round",
    "rtrim",
    "sha1",
    "sha256",
    "sha512",
    "sin",
    "split",
    "sqrt",
    "strftime",
    "strptime",
    "substr",
    "tan",
    "time",
    "tonumber",
    "tostring",
    "trim",
    "true",
    "typeof",
    "upper",
    "urldecode",
    "validate",
];

fn number(body: impl Fn(&Args<'_>) -> Option<f64> + Send + Sync + 'static) -> Function {
    Function {
        output: DataType::Float64,
        body: Arc::new(move |args| Answer::number(body(args))),
    }
}

fn text(body: impl Fn(&Args<'_>) -> Option<String> + Send + Sync + 'static) -> Function {
    Function {
        output: DataType::Utf8,
        body: Arc::new(move |args| Answer::text(body(args))),
    }
}

fn condition(body: impl Fn(&Args<'_>) -> Option<bool> + Send + Sync + 'static) -> Function {
    Function {
        output: DataType::Boolean,
        body: Arc::new(move |args| Answer::bool(body(args))),
    }
}

fn list(body: impl Fn(&Args<'_>) -> Vec<String> + Send + Sync + 'static) -> Function {
    Function {
        output: list_type(),
        body: Arc::new(move |args| Answer::List(body(args))),
    }
}

/// A text function that maps each value of a multivalued field.
fn each(multivalued: bool, body: impl Fn(&str) -> String + Send + Sync + 'static) -> Function {
    if multivalued {
        list(move |args| args.values(0).iter().map(|value| body(value)).collect())
    } else {
        text(move |args| args.text(0).map(|value| body(&value)))
    }
}

fn owned(values: Vec<Cow<'_, str>>) -> Vec<String> {
    values.into_iter().map(Cow::into_owned).collect()
}

/// The text of a constant argument.
pub(crate) fn constant(typed: &Typed) -> Option<String> {
    match &typed.expr {
        Expr::Literal(value, _) => match value {
            datafusion::scalar::ScalarValue::Utf8(text) => text.clone(),
            datafusion::scalar::ScalarValue::Float64(Some(number)) => Some(format_number(*number)),
            datafusion::scalar::ScalarValue::Int64(Some(number)) => Some(number.to_string()),
            _ => None,
        },
        Expr::Alias(alias) => constant(&Typed {
            expr: *alias.expr.clone(),
            data_type: typed.data_type.clone(),
        }),
        Expr::Cast(cast) => constant(&Typed {
            expr: *cast.expr.clone(),
            data_type: typed.data_type.clone(),
        }),
        _ => None,
    }
}

/// A pattern: compiled now if it is constant, else for each row.
fn pattern(typed: Option<&Typed>) -> Result<Option<Compiled>, CallError> {
    typed
        .and_then(constant)
        .map(|text| compile_regex(&text).map_err(CallError::Arguments))
        .transpose()
}

fn with_pattern<T>(
    fixed: Option<&Compiled>,
    args: &Args<'_>,
    at: usize,
    run: impl FnOnce(&Compiled) -> T,
) -> Option<T> {
    match fixed {
        Some(compiled) => Some(run(compiled)),
        None => compile_regex(&args.text(at)?)
            .ok()
            .map(|compiled| run(&compiled)),
    }
}

/// Calls a function by its name, which is lower case. Functions whose arguments are not all evaluated (`if`, `case`,
/// `coalesce`, `mvmap`, …) are planned by [`crate::expr`].
pub(crate) fn call_function(
    name: &str,
    args: Vec<Typed>,
    context: &EvalContext,
) -> Result<Typed, CallError> {
    let counts: (usize, usize) = match name {
        "now" | "time" | "pi" => (0, 0),
        "abs" | "ceil" | "ceiling" | "floor" | "exp" | "ln" | "sqrt" | "sin" | "cos" | "tan"
        | "asin" | "acos" | "atan" | "exact" | "len" | "lower" | "upper" | "md5" | "sha1"
        | "sha256" | "sha512" | "mvcount" | "mvdedup" | "mvsort" | "typeof" | "urldecode"
        | "isbool" | "isint" | "isnum" | "isstr" | "basename" | "dirname" | "ip_normalise"
        | "dash_to_null" | "hex_to_number" | "commands" => (1, 1),
        "round" | "log" | "ltrim" | "rtrim" | "trim" | "tonumber" | "tostring" => (1, 2),
        "pow" | "like" | "match" | "cidrmatch" | "mvfind" | "mvjoin" | "nullif"
        | "relative_time" | "split" | "strftime" | "strptime" => (2, 2),
        "mvindex" | "substr" | "mvzip" | "mvrange" => (2, 3),
        "replace" => (3, 3),
        "max" | "min" | "mvappend" | "printf" => (1, usize::MAX),
        "random" => {
            return Err(CallError::Arguments(
                "`random` is not run: a search gives the same results each time. Use a field that differs between rows"
                    .to_owned(),
            ));
        }
        _ => json::ARITIES
            .iter()
            .chain(numbers::ARITIES)
            .find(|(own, _)| *own == name)
            .map(|(_, counts)| *counts)
            .ok_or(CallError::Unknown)?,
    };
    if args.len() < counts.0 || args.len() > counts.1 {
        let wanted = match counts {
            (0, 0) => "no argument".to_owned(),
            (1, 1) => "one argument".to_owned(),
            (low, high) if low == high => format!("{low} arguments"),
            (low, usize::MAX) => format!("at least {low} argument"),
            (low, high) => format!("{low} to {high} arguments"),
        };
        return Err(CallError::Arguments(format!(
            "`{name}` takes {wanted}, not {}",
            args.len()
        )));
    }
    if matches!(name, "now" | "time") {
        return Ok(Typed {
            expr: datafusion::logical_expr::lit(context.now),
            data_type: DataType::Float64,
        });
    }
    if name == "pi" {
        return Ok(Typed {
            expr: datafusion::logical_expr::lit(std::f64::consts::PI),
            data_type: DataType::Float64,
        });
    }
    if args.is_empty() && matches!(name, "json_array" | "json_object") {
        return Ok(Typed {
            expr: datafusion::logical_expr::lit(if name == "json_array" { "[]" } else { "{}" }),
            data_type: DataType::Utf8,
        });
    }
    let function = function(name, &args, *context)?;
    let key = format!("{name} {:?}", args.iter().map(constant).collect::<Vec<_>>());
    let exprs = args.into_iter().map(|typed| typed.expr).collect();
    let body = function.body;
    Ok(call("spl_eval", key, function.output, exprs, move |args| {
        body(args)
    }))
}

#[expect(
    clippy::too_many_lines,
    reason = "one arm for each function of the language"
)]
fn function(name: &str, args: &[Typed], context: EvalContext) -> Result<Function, CallError> {
    let multivalued = args
        .first()
        .is_some_and(|typed| crate::plan::is_list(&typed.data_type));
    let now = context.now;
    Ok(match name {
        "abs" => number(|args| args.number(0).map(f64::abs)),
        "ceil" | "ceiling" => number(|args| args.number(0).map(f64::ceil)),
        "floor" => number(|args| args.number(0).map(f64::floor)),
        "exp" => number(|args| finite(args.number(0)?.exp())),
        "ln" => number(|args| finite(args.number(0)?.ln())),
        "sqrt" => number(|args| finite(args.number(0)?.sqrt())),
        "sin" => number(|args| args.number(0).map(f64::sin)),
        "cos" => number(|args| args.number(0).map(f64::cos)),
        "tan" => number(|args| args.number(0).map(f64::tan)),
        "asin" => number(|args| finite(args.number(0)?.asin())),
        "acos" => number(|args| finite(args.number(0)?.acos())),
        "atan" => number(|args| args.number(0).map(f64::atan)),
        "exact" => number(|args| args.number(0)),
        "log" => {
            let ten = args.len() == 1;
            number(move |args| {
                let base = if ten { 10.0 } else { args.number(1)? };
                finite(args.number(0)?.log(base))
            })
        }
        "pow" => number(|args| finite(args.number(0)?.powf(args.number(1)?))),
        "round" => {
            let whole = args.len() == 1;
            number(move |args| {
                let digits = if whole { 0.0 } else { args.number(1)? };
                let scale = 10_f64.powf(digits.clamp(-15.0, 15.0).trunc());
                finite((args.number(0)? * scale).round() / scale)
            })
        }
        "max" | "min" => {
            let largest = name == "max";
            let width = args.len();
            Function {
                output: if args.iter().all(|typed| is_number(&typed.data_type)) {
                    DataType::Float64
                } else {
                    DataType::Utf8
                },
                body: Arc::new(move |args| extreme(args, width, largest)),
            }
        }
        "len" => number(|args| args.text(0).map(|value| count(value.chars().count()))),
        "lower" => each(multivalued, str::to_lowercase),
        "upper" => each(multivalued, str::to_uppercase),
        "trim" | "ltrim" | "rtrim" => {
            let (left, right) = (name != "rtrim", name != "ltrim");
            let blanks = args.len() == 1;
            text(move |args| {
                let value = args.text(0)?;
                let chars = if blanks {
                    Cow::Borrowed(" \t\n\r")
                } else {
                    args.text(1)?
                };
                let mut trimmed: &str = &value;
                if left {
                    trimmed = trimmed.trim_start_matches(|char| chars.contains(char));
                }
                if right {
                    trimmed = trimmed.trim_end_matches(|char| chars.contains(char));
                }
                Some(trimmed.to_owned())
            })
        }
        "substr" => {
            let to_end = args.len() == 2;
            text(move |args| {
                let chars: Vec<char> = args.text(0)?.chars().collect();
                let start = args.number(1)?;
                let start = if start < 0.0 {
                    (count(chars.len()) + start).max(0.0)
                } else {
                    (start - 1.0).max(0.0)
                };
                let length = if to_end { f64::MAX } else { args.number(2)? };
                Some(
                    chars
                        .into_iter()
                        .skip(index(start))
                        .take(index(length))
                        .collect(),
                )
            })
        }
        "replace" => {
            let fixed = pattern(args.get(1))?;
            if multivalued {
                list(move |args| {
                    let Some(to) = args.text(2) else {
                        return Vec::new();
                    };
                    let replace = |compiled: &Compiled| {
                        args.values(0)
                            .iter()
                            .map(|value| compiled.replace_all(value, &to).into_owned())
                            .collect()
                    };
                    with_pattern(fixed.as_ref(), args, 1, replace).unwrap_or_default()
                })
            } else {
                text(move |args| {
                    let (value, to) = (args.text(0)?, args.text(2)?);
                    with_pattern(fixed.as_ref(), args, 1, |compiled| {
                        compiled.replace_all(&value, &to).into_owned()
                    })
                })
            }
        }
        "match" => {
            let fixed = pattern(args.get(1))?;
            condition(move |args| {
                let values = args.values(0);
                if values.is_empty() {
                    return None;
                }
                with_pattern(fixed.as_ref(), args, 1, |compiled| {
                    values.iter().any(|value| compiled.is_match(value))
                })
            })
        }
        "like" => {
            let fixed = args
                .get(1)
                .and_then(constant)
                .map(|text| like_pattern(&text))
                .transpose()?;
            condition(move |args| {
                let values = args.values(0);
                let compiled = match &fixed {
                    Some(fixed) => Cow::Borrowed(fixed),
                    None => Cow::Owned(like_pattern(&args.text(1)?).ok()?),
                };
                (!values.is_empty()).then(|| values.iter().any(|value| compiled.is_match(value)))
            })
        }
        "cidrmatch" => condition(|args| {
            let network: IpNet = args.text(0)?.trim().parse().ok()?;
            let values = args.values(1);
            (!values.is_empty()).then(|| {
                values.iter().any(|value| {
                    matcher::address(value).is_some_and(|address| network.contains(&address))
                })
            })
        }),
        "isbool" => condition(|_| Some(false)),
        "isint" => {
            condition(|args| Some(args.number(0).is_some_and(|number| number.fract() == 0.0)))
        }
        "isnum" => condition(|args| Some(args.number(0).is_some())),
        "isstr" => condition(|args| Some(args.text(0).is_some() && args.number(0).is_none())),
        "typeof" => {
            let boolean = args
                .first()
                .is_some_and(|typed| typed.data_type == DataType::Boolean);
            let number = args
                .first()
                .is_some_and(|typed| is_number(&typed.data_type));
            text(move |args| {
                Some(
                    match args.text(0) {
                        None => "Invalid",
                        Some(_) if boolean => "Boolean",
                        Some(_) if number || args.number(0).is_some() => "Number",
                        Some(_) => "String",
                    }
                    .to_owned(),
                )
            })
        }
        "nullif" => text(|args| {
            let value = args.text(0)?;
            (args.text(1).as_deref() != Some(&*value)).then(|| value.into_owned())
        }),
        "mvcount" => number(|args| Some(count(args.values(0).len())).filter(|count| *count > 0.0)),
        "mvappend" => {
            let width = args.len();
            list(move |args| (0..width).flat_map(|at| owned(args.values(at))).collect())
        }
        "mvdedup" => list(|args| {
            let mut seen = std::collections::HashSet::new();
            owned(args.values(0))
                .into_iter()
                .filter(|value| seen.insert(value.clone()))
                .collect()
        }),
        "mvsort" => list(|args| {
            let mut values = owned(args.values(0));
            values.sort_unstable();
            values
        }),
        "mvfind" => {
            let fixed = pattern(args.get(1))?;
            number(move |args| {
                with_pattern(fixed.as_ref(), args, 1, |compiled| {
                    args.values(0)
                        .iter()
                        .position(|value| compiled.is_match(value))
                        .map(count)
                })?
            })
        }
        "mvindex" => {
            let single = args.len() == 2;
            if single {
                text(|args| {
                    let values = args.values(0);
                    let at = place(args.number(1)?, values.len())?;
                    values.into_iter().nth(at).map(Cow::into_owned)
                })
            } else {
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
        }
        "mvjoin" => text(|args| {
            let values = args.values(0);
            let delimiter = args.text(1)?;
            (!values.is_empty()).then(|| values.join(&*delimiter))
        }),
        "mvzip" => {
            let comma = args.len() == 2;
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
        }
        "mvrange" => {
            let one = args.len() == 2;
            list(move |args| {
                let step = if one { Some(1.0) } else { args.number(2) };
                let (Some(mut at), Some(end), Some(step)) = (args.number(0), args.number(1), step)
                else {
                    return Vec::new();
                };
                let mut values = Vec::new();
                // A range is bounded: it is made by the search and not by data.
                while step > 0.0 && at < end && values.len() < 10_000 {
                    values.push(format_number(at));
                    at += step;
                }
                values
            })
        }
        "split" => list(|args| {
            let (Some(value), Some(delimiter)) = (args.text(0), args.text(1)) else {
                return Vec::new();
            };
            if delimiter.is_empty() {
                value.chars().map(String::from).collect()
            } else {
                value.split(&*delimiter).map(str::to_owned).collect()
            }
        }),
        "tonumber" => {
            let decimal = args.len() == 1;
            number(move |args| {
                if decimal {
                    return args.number(0);
                }
                let base = args.number(1)?;
                if !(2.0..=36.0).contains(&base) {
                    return None;
                }
                let value = args.text(0)?;
                let digits = value.trim();
                let digits = if base == 16.0 {
                    digits.trim_start_matches("0x").trim_start_matches("0X")
                } else {
                    digits
                };
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "2 to 36"
                )]
                i64::from_str_radix(digits, base as u32)
                    .ok()
                    .map(|number| number as f64)
            })
        }
        "hex_to_number" => number(|args| hexadecimal(&args.text(0)?)),
        "tostring" => {
            let plain = args.len() == 1;
            let boolean = args
                .first()
                .is_some_and(|typed| typed.data_type == DataType::Boolean);
            text(move |args| {
                let value = args.text(0)?;
                if boolean {
                    return Some(if value == "true" { "True" } else { "False" }.to_owned());
                }
                if plain {
                    return Some(value.into_owned());
                }
                match &*args.text(1)? {
                    "hex" => {
                        #[expect(clippy::cast_possible_truncation, reason = "cut to whole numbers")]
                        let number = args.number(0)? as i64;
                        Some(if number < 0 {
                            format!("-0x{:X}", number.unsigned_abs())
                        } else {
                            format!("0x{number:X}")
                        })
                    }
                    "commas" => Some(commas(args.number(0)?)),
                    "duration" => Some(duration(args.number(0)?)),
                    _ => Some(value.into_owned()),
                }
            })
        }
        "strftime" => text(|args| time::strftime(args.number(0)?, &args.text(1)?)),
        "strptime" => number(move |args| time::strptime(&args.text(0)?, &args.text(1)?, now)),
        "relative_time" => number(|args| time::relative_time(args.number(0)?, &args.text(1)?)),
        "urldecode" => text(|args| args.text(0).map(|value| url_decoded(&value))),
        "md5" => each(multivalued, digest::<md5::Md5>),
        "sha1" => each(multivalued, digest::<sha1::Sha1>),
        "sha256" => each(multivalued, digest::<sha2::Sha256>),
        "sha512" => each(multivalued, digest::<sha2::Sha512>),
        "printf" => {
            let width = args.len();
            text(move |args| {
                printf(
                    &args.text(0)?,
                    (1..width)
                        .map(|at| args.text(at).unwrap_or(Cow::Borrowed("")))
                        .collect(),
                )
            })
        }
        "commands" => list(|args| {
            let Some(value) = args.text(0) else {
                return Vec::new();
            };
            match crate::syntax::parse_without_macros(&value) {
                Ok(pipeline) => pipeline
                    .commands
                    .into_iter()
                    .map(|command| command.name)
                    .collect(),
                Err(_) => Vec::new(),
            }
        }),
        "basename" => each(multivalued, |path| basename(path).to_owned()),
        "dirname" => text(|args| {
            let path = args.text(0)?;
            let name = basename(&path);
            path.strip_suffix(name)
                .map(|folder| folder.trim_end_matches(['\\', '/']).to_owned())
                .filter(|folder| !folder.is_empty())
        }),
        "ip_normalise" => text(|args| args.text(0).and_then(|value| ip_normalised(&value))),
        "dash_to_null" => text(|args| {
            let value = args.text(0)?;
            (!matches!(value.trim(), "" | "-")).then(|| value.into_owned())
        }),
        _ => {
            return json::function(name, args)
                .or_else(|| numbers::function(name, args))
                .ok_or(CallError::Unknown);
        }
    })
}

pub(crate) fn is_number(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Float64 | DataType::Int64 | DataType::UInt64
    )
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative; `as` saturates"
)]
fn index(number: f64) -> usize {
    number.max(0.0) as usize
}

/// An index from the front, or from the back if it is negative.
fn place(at: f64, length: usize) -> Option<usize> {
    let at = if at < 0.0 { count(length) + at } else { at };
    (at >= 0.0 && at < count(length)).then(|| index(at))
}

/// Numbers compare as numbers, and are less than text.
fn extreme(args: &Args<'_>, width: usize, largest: bool) -> Answer {
    let key = |value: &str| (number_of(value).is_none(), number_of(value).unwrap_or(0.0));
    let values = (0..width).flat_map(|at| owned(args.values(at)));
    let compare = |a: &String, b: &String| {
        let ((a_text, a_number), (b_text, b_number)) = (key(a), key(b));
        a_text.cmp(&b_text).then_with(|| {
            if a_text {
                a.cmp(b)
            } else {
                a_number.total_cmp(&b_number)
            }
        })
    };
    let best = if largest {
        values.max_by(compare)
    } else {
        values.min_by(compare)
    };
    match best {
        None => Answer::Null,
        Some(value) => match number_of(&value) {
            Some(number) => Answer::Number(number),
            None => Answer::Text(value),
        },
    }
}

/// SQL's `%` and `_`, with regard to case.
fn like_pattern(text: &str) -> Result<Compiled, CallError> {
    let mut pattern = String::from("(?s)^");
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '%' => pattern.push_str(".*"),
            '_' => pattern.push('.'),
            '\\' if matches!(chars.peek(), Some('%' | '_')) => {
                if let Some(next) = chars.next() {
                    pattern.push(next);
                }
            }
            other => pattern.push_str(&::regex::escape(&other.to_string())),
        }
    }
    pattern.push('$');
    compile_regex(&pattern).map_err(CallError::Arguments)
}

/// `0x1f` or `1f`.
fn hexadecimal(text: &str) -> Option<f64> {
    let digits = text.trim();
    let digits = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
        .unwrap_or(digits);
    #[expect(
        clippy::cast_precision_loss,
        reason = "identifiers of processes and the like are small"
    )]
    u64::from_str_radix(digits, 16)
        .ok()
        .map(|number| number as f64)
}

fn commas(number: f64) -> String {
    let text = if number.fract() == 0.0 {
        format!("{number:.0}")
    } else {
        format!("{number:.2}")
    };
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits
        .split_once('.')
        .map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{sign}{out}.{fraction}"),
        None => format!("{sign}{out}"),
    }
}

/// `[D+]HH:MM:SS`
fn duration(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; `as` saturates"
    )]
    let total = seconds.abs() as u64;
    let (days, rest) = (total / 86_400, total % 86_400);
    let clock = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    if days > 0 {
        format!("{sign}{days}+{clock}")
    } else {
        format!("{sign}{clock}")
    }
}

fn url_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = (*byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) => {
                out.push(code);
                at += 3;
            }
            None => {
                out.push(if *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn digest<D: sha2::digest::Digest>(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in D::digest(text.as_bytes()) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// `%s %d %i %u %f %e %x %X %o %c %%` with flags, width and precision.
fn printf(format: &str, args: Vec<Cow<'_, str>>) -> Option<String> {
    let mut out = String::new();
    let mut args = args.into_iter();
    let mut chars = format.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '%' {
            out.push(char);
            continue;
        }
        let (mut left, mut zero, mut plus) = (false, false, false);
        while let Some(flag) =
            chars.next_if(|char| matches!(char, '-' | '0' | '+' | ' ' | '#' | '\''))
        {
            match flag {
                '-' => left = true,
                '0' => zero = true,
                '+' => plus = true,
                _ => {}
            }
        }
        let digits = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut number = 0_usize;
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                number = number
                    .saturating_mul(10)
                    .saturating_add(digit as usize - '0' as usize)
                    .min(1000);
            }
            number
        };
        let width = digits(&mut chars);
        let precision = chars.next_if_eq(&'.').map(|_| digits(&mut chars));
        let code = chars.next()?;
        if code == '%' {
            out.push('%');
            continue;
        }
        let value = args.next().unwrap_or(Cow::Borrowed(""));
        let as_number = number_of(&value);
        #[expect(clippy::cast_possible_truncation, reason = "cut to whole numbers")]
        let whole = as_number.map_or(0, |number| number as i64);
        let number = as_number.unwrap_or(0.0);
        let mut text = match code {
            's' => value
                .chars()
                .take(precision.unwrap_or(usize::MAX))
                .collect(),
            'c' => value.chars().take(1).collect(),
            'd' | 'i' | 'u' => whole.to_string(),
            'f' | 'F' => format!("{number:.*}", precision.unwrap_or(6)),
            'e' | 'E' => format!("{number:.*e}", precision.unwrap_or(6)),
            'g' | 'G' => format_number(number),
            'x' => format!("{whole:x}"),
            'X' => format!("{whole:X}"),
            'o' => format!("{whole:o}"),
            _ => return None,
        };
        if plus && matches!(code, 'd' | 'i' | 'f' | 'F') && !text.starts_with('-') {
            text.insert(0, '+');
        }
        let padding = width.saturating_sub(text.chars().count());
        if left {
            out.push_str(&text);
            out.extend(std::iter::repeat_n(' ', padding));
        } else if zero && !matches!(code, 's' | 'c') {
            let sign = usize::from(text.starts_with(['-', '+']));
            text.insert_str(sign, &"0".repeat(padding));
            out.push_str(&text);
        } else {
            out.extend(std::iter::repeat_n(' ', padding));
            out.push_str(&text);
        }
    }
    Some(out)
}

/// What follows the last `\` or `/` of a path.
fn basename(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

/// An address as its canonical text: without `::ffff:`, scope, brackets and port. `None` for `-`, `LOCAL` and all else
/// that is no address.
pub(crate) fn ip_normalised(text: &str) -> Option<String> {
    crabwalk_events::address::address(text).map(|address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_normalised() {
        for (text, address) in [
            ("::ffff:10.0.0.1", Some("10.0.0.1")),
            ("fe80::1%12", Some("fe80::1")),
            ("[10.0.2.16]:59407", Some("10.0.2.16")),
            ("10.0.2.16:52202", Some("10.0.2.16")),
            ("2001::1002", Some("2001::1002")),
            ("-", None),
            (" [CLIENT: 10.0.2.17]", Some("10.0.2.17")),
            ("LOCAL", None),
            ("", None),
        ] {
            assert_eq!(ip_normalised(text).as_deref(), address, "{text}");
        }
    }

    #[test]
    fn numbers_and_texts_are_formatted() {
        let args =
            |values: &[&'static str]| values.iter().map(|value| Cow::Borrowed(*value)).collect();
        assert_eq!(
            printf(
                "%-5s|%05d|%.2f|%x|%%",
                args(&["ab", "-42", "3.14159", "255"])
            )
            .as_deref(),
            Some("ab   |-0042|3.14|ff|%")
        );
        assert_eq!(commas(1_234_567.0), "1,234,567");
        assert_eq!(duration(90_061.0), "1+01:01:01");
        assert_eq!(url_decoded("a%20b+c%zz"), "a b c%zz");
        assert_eq!(hexadecimal("0x500"), Some(1280.0));
        assert_eq!(basename("C:\\a\\b.exe"), "b.exe");
    }
}
