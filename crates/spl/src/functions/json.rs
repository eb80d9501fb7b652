//! Functions over JSON texts (Splunk, Search Reference, "JSON functions"). A JSON value is stored as its text.

use serde_json::{Map, Value};

use super::{CallError, Function, MANY, condition, list, rows, text};
use crate::ops::documents;
use crate::ops::{Args, Call};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step<'p> {
    Key(&'p str),
    /// `{n}`, from 0.
    Item(usize),
    /// `{}`: every item.
    Items,
}

/// `a.b{0}.c{}` in steps, `None` if it is not a path.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut all = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('{') {
            let (number, after) = inner.split_once('}')?;
            all.push(if number.trim().is_empty() {
                Step::Items
            } else {
                Step::Item(number.trim().parse().ok()?)
            });
            rest = after.strip_prefix('.').unwrap_or(after);
        } else {
            let end = rest.find(['.', '{']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            if key.is_empty() {
                return None;
            }
            all.push(Step::Key(key));
            rest = after.strip_prefix('.').unwrap_or(after);
        }
    }
    Some(all)
}

/// The value at a path; `{}` within it collects the rest into an array.
fn at(value: &Value, path: &[Step<'_>]) -> Option<Value> {
    let Some((step, rest)) = path.split_first() else {
        return Some(value.clone());
    };
    match step {
        Step::Key(key) => at(value.as_object()?.get(*key)?, rest),
        Step::Item(place) => at(value.as_array()?.get(*place)?, rest),
        Step::Items => Some(Value::Array(
            value
                .as_array()?
                .iter()
                .filter_map(|item| at(item, rest))
                .collect(),
        )),
    }
}

/// The value at a path, for modification; missing members are created if `make`.
fn place<'v>(value: &'v mut Value, path: &[Step<'_>], make: bool) -> Option<&'v mut Value> {
    let Some((step, rest)) = path.split_first() else {
        return Some(value);
    };
    let next = match step {
        Step::Key(key) => {
            if make && value.is_null() {
                *value = Value::Object(Map::new());
            }
            let members = value.as_object_mut()?;
            if make {
                members.entry((*key).to_owned()).or_insert(Value::Null)
            } else {
                members.get_mut(*key)?
            }
        }
        Step::Item(at) => value.as_array_mut()?.get_mut(*at)?,
        // Which of them is not said.
        Step::Items => return None,
    };
    place(next, rest, make)
}

fn parsed(args: &Args<'_>, argument: usize) -> Option<Value> {
    serde_json::from_str(&args.text(argument)?).ok()
}

/// A text stays unchanged; everything else is JSON.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A field's value as a JSON member: numbers if the field is one, arrays and objects if it contains such text.
fn member(text: &str, number: bool) -> Value {
    let structured = matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'['));
    if (number || structured)
        && let Ok(value) = serde_json::from_str(text)
    {
        return value;
    }
    Value::String(text.to_owned())
}

/// What an argument is besides text.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Number,
    Boolean,
}

fn argument(args: &Args<'_>, at: usize, kinds: &[Kind]) -> Value {
    let kind = kinds.get(at).copied().unwrap_or(Kind::Text);
    let values = args.values(at);
    match values.as_slice() {
        [] => Value::Null,
        [one] if kind == Kind::Boolean => Value::Bool(one == "true"),
        [one] => member(one, kind == Kind::Number),
        several => {
            let items = several.iter().map(|one| member(one, kind == Kind::Number));
            Value::Array(items.collect())
        }
    }
}

/// A text as the JSON value that it looks like, for `infer_types`.
fn inferred(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Whether the second argument is present and true.
fn is_true(args: &Args<'_>) -> bool {
    args.text(1)
        .is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "true" | "t" | "1"))
}

/// Changes the value at each path using the argument after it.
fn changed(
    args: &Args<'_>,
    width: usize,
    kinds: &[Kind],
    exact: bool,
    make: bool,
    change: impl Fn(&mut Value, Value),
) -> Option<String> {
    let mut whole = parsed(args, 0)?;
    for pair in (1..width).step_by(2) {
        let path = args.text(pair)?;
        let steps = if exact {
            vec![Step::Key(&path)]
        } else {
            steps(&path)?
        };
        if let Some(found) = place(&mut whole, &steps, make) {
            change(found, argument(args, pair + 1, kinds));
        }
    }
    Some(whole.to_string())
}

fn delete(value: &mut Value, path: &[Step<'_>]) {
    let Some((last, before)) = path.split_last() else {
        return;
    };
    match (place(value, before, false), last) {
        (Some(Value::Object(members)), Step::Key(key)) => {
            members.shift_remove(*key);
        }
        (Some(Value::Array(items)), Step::Item(at)) if *at < items.len() => {
            items.remove(*at);
        }
        _ => {}
    }
}

fn extract(args: &Args<'_>, width: usize, exact: bool) -> Option<String> {
    let whole = parsed(args, 0)?;
    let one = |argument: usize| -> Option<Value> {
        let path = args.text(argument)?;
        if exact {
            whole.as_object()?.get(&*path).cloned()
        } else {
            at(&whole, &steps(&path)?)
        }
    };
    match width {
        1 => shown(&whole),
        2 => shown(&one(1)?),
        _ => Some(
            Value::Array(
                (1..width)
                    .map(|argument| one(argument).unwrap_or(Value::Null))
                    .collect(),
            )
            .to_string(),
        ),
    }
}

fn kinds(call: &Call<'_>) -> Vec<Kind> {
    let kind = |at| match at {
        at if call.is_number(at) => Kind::Number,
        at if call.is_bool(at) => Kind::Boolean,
        _ => Kind::Text,
    };
    (0..call.width()).map(kind).collect()
}

/// Checks that the arguments from one on come in pairs.
fn in_pairs(call: &Call<'_>, from: usize, what: &str) -> Result<(), CallError> {
    if (call.width() - from).is_multiple_of(2) {
        return Ok(());
    }
    Err(CallError::Arguments(format!(
        "the last {what} has no value: they come in pairs"
    )))
}

pub(super) const FUNCTIONS: &[Function] = &[
    rows(
        "json",
        (1, 1),
        "json(<text>)",
        "The text, normalised, if it is JSON, otherwise NULL.",
        "json(\"{\\\"a\\\": 1}\")",
        |_| text(|args| parsed(args, 0).map(|value| value.to_string())),
    ),
    rows(
        "json_valid",
        (1, 1),
        "json_valid(<text>)",
        "Whether the text is JSON.",
        "json_valid(payload)",
        |_| condition(|args| args.text(0).map(|_| parsed(args, 0).is_some())),
    ),
    rows(
        "json_extract",
        (1, MANY),
        "json_extract(<json>, <path>...)",
        "The value at a path such as `a.b{0}.c`. Several paths give a JSON array of the values; without a path, \
         the whole document.",
        "json_extract(payload, \"user.name\")",
        |call| {
            let width = call.width();
            text(move |args| extract(args, width, false))
        },
    ),
    rows(
        "json_extract_exact",
        (1, MANY),
        "json_extract_exact(<json>, <key>...)",
        "Like `json_extract`, but each name is one key, even with dots and braces.",
        "json_extract_exact(payload, \"user.name\")",
        |call| {
            let width = call.width();
            text(move |args| extract(args, width, true))
        },
    ),
    rows(
        "json_keys",
        (1, 1),
        "json_keys(<json>)",
        "The keys of an object, as a JSON array.",
        "json_keys(payload)",
        |_| {
            text(|args| {
                let whole = parsed(args, 0)?;
                let keys = whole.as_object()?.keys().cloned().map(Value::String);
                Some(Value::Array(keys.collect()).to_string())
            })
        },
    ),
    rows(
        "json_entries",
        (1, 1),
        "json_entries(<json>)",
        "An array of objects with the `key` and `value` of each member of an object.",
        "json_entries(payload)",
        |_| {
            text(|args| {
                let entries = parsed(args, 0)?
                    .as_object()?
                    .iter()
                    .map(|(key, value)| serde_json::json!({"key": key, "value": value}))
                    .collect();
                Some(Value::Array(entries).to_string())
            })
        },
    ),
    rows(
        "json_has_key_exact",
        (2, 2),
        "json_has_key_exact(<json>, <key>)",
        "Whether an object has the key.",
        "json_has_key_exact(payload, \"user\")",
        |_| condition(|args| Some(parsed(args, 0)?.as_object()?.contains_key(&*args.text(1)?))),
    ),
    rows(
        "json_object",
        (0, MANY),
        "json_object(<key>, <value>, ...)",
        "An object with these members.",
        "json_object(\"user\", user, \"count\", 3)",
        |call| {
            in_pairs(call, 0, "key")?;
            let (width, kinds) = (call.width(), kinds(call));
            text(move |args| {
                let mut members = Map::new();
                for pair in (0..width).step_by(2) {
                    members.insert(
                        args.text(pair)?.into_owned(),
                        argument(args, pair + 1, &kinds),
                    );
                }
                Some(Value::Object(members).to_string())
            })
        },
    ),
    rows(
        "json_array",
        (0, MANY),
        "json_array(<value>...)",
        "An array of these values.",
        "json_array(src, dest)",
        |call| {
            let (width, kinds) = (call.width(), kinds(call));
            text(move |args| {
                let items = (0..width).map(|at| argument(args, at, &kinds)).collect();
                Some(Value::Array(items).to_string())
            })
        },
    ),
    rows(
        "json_array_to_mv",
        (1, 2),
        "json_array_to_mv(<json>, [<quoted>])",
        "The items of an array as values; with `true`, as JSON, in which texts keep their quotes.",
        "json_array_to_mv(payload)",
        |_| {
            list(|args| {
                let quoted = is_true(args);
                match parsed(args, 0) {
                    Some(Value::Array(items)) if quoted => {
                        items.iter().map(Value::to_string).collect()
                    }
                    Some(Value::Array(items)) => items.iter().filter_map(shown).collect(),
                    _ => Vec::new(),
                }
            })
        },
    ),
    rows(
        "mv_to_json_array",
        (1, 2),
        "mv_to_json_array(<field>, [<infer types>])",
        "The values of a field as an array; with `true`, numbers, Booleans and JSON are not written as text.",
        "mv_to_json_array(user, true())",
        |_| {
            text(|args| {
                let infer = is_true(args);
                let values = args.values(0);
                let items = values
                    .iter()
                    .map(|value| {
                        if infer {
                            inferred(value)
                        } else {
                            Value::String(value.to_string())
                        }
                    })
                    .collect();
                (!values.is_empty()).then(|| Value::Array(items).to_string())
            })
        },
    ),
    rows(
        "json_set",
        (3, MANY),
        "json_set(<json>, <path>, <value>, ...)",
        "The JSON with each path set to its value.",
        "json_set(payload, \"user.name\", \"ann\")",
        |call| set(call, false),
    ),
    rows(
        "json_set_exact",
        (3, MANY),
        "json_set_exact(<json>, <key>, <value>, ...)",
        "Like `json_set`, but each name is one key.",
        "json_set_exact(payload, \"user.name\", \"ann\")",
        |call| set(call, true),
    ),
    rows(
        "json_append",
        (3, MANY),
        "json_append(<json>, <path>, <value>, ...)",
        "The JSON with the value appended to the array at each path, as one item.",
        "json_append(payload, \"users\", \"ann\")",
        |call| {
            in_pairs(call, 1, "path")?;
            let (width, kinds) = (call.width(), kinds(call));
            text(move |args| {
                changed(args, width, &kinds, false, false, |place, value| {
                    if let Value::Array(items) = place {
                        items.push(value);
                    }
                })
            })
        },
    ),
    rows(
        "json_extend",
        (3, MANY),
        "json_extend(<json>, <path>, <value>, ...)",
        "The JSON with the value's items appended to the array at each path.",
        "json_extend(payload, \"users\", json_array(\"ann\", \"bob\"))",
        |call| {
            in_pairs(call, 1, "path")?;
            let (width, kinds) = (call.width(), kinds(call));
            text(move |args| {
                changed(args, width, &kinds, false, false, |place, value| {
                    if let Value::Array(items) = place {
                        match value {
                            Value::Array(more) => items.extend(more),
                            one => items.push(one),
                        }
                    }
                })
            })
        },
    ),
    rows(
        "json_delete",
        (2, MANY),
        "json_delete(<json>, <path>...)",
        "The JSON without the values at these paths.",
        "json_delete(payload, \"user.name\")",
        |call| {
            let width = call.width();
            text(move |args| {
                let mut whole = parsed(args, 0)?;
                for at in 1..width {
                    let path = args.text(at)?;
                    delete(&mut whole, &steps(&path)?);
                }
                Some(whole.to_string())
            })
        },
    ),
    rows(
        "spath",
        (2, 2),
        "spath(<document>, <path>)",
        "The values at a path of a JSON or XML document, such as `Event.EventData.Data{@Name}`.",
        "spath(_raw, \"Event.System.EventID\")",
        |_| {
            list(|args| match (args.text(0), args.text(1)) {
                (Some(document), Some(path)) => {
                    documents::pick(&document, &documents::Format::Json, &path)
                }
                _ => Vec::new(),
            })
        },
    ),
];

fn set(call: &Call<'_>, exact: bool) -> super::Made {
    in_pairs(call, 1, "path")?;
    let (width, kinds) = (call.width(), kinds(call));
    text(move |args| {
        changed(args, width, &kinds, exact, true, |place, value| {
            *place = value;
        })
    })
}
