//! Functions over JSON texts (Splunk, Search Reference, "JSON functions"). A JSON value is kept as its text.

use serde_json::{Map, Value};

use super::{Function, condition, is_number, list, text};
use crate::expr::Typed;
use crate::ops::Args;
use crate::ops::documents;

/// Names with the fewest and most arguments.
pub(super) const ARITIES: &[(&str, (usize, usize))] = &[
    ("json", (1, 1)),
    ("json_append", (3, usize::MAX)),
    ("json_array", (0, usize::MAX)),
    ("json_array_to_mv", (1, 2)),
    ("json_delete", (2, usize::MAX)),
    ("json_entries", (1, 1)),
    ("json_extend", (3, usize::MAX)),
    ("json_extract", (1, usize::MAX)),
    ("json_extract_exact", (1, usize::MAX)),
    ("json_has_key_exact", (2, 2)),
    ("json_keys", (1, 1)),
    ("json_object", (0, usize::MAX)),
    ("json_set", (3, usize::MAX)),
    ("json_set_exact", (3, usize::MAX)),
    ("json_valid", (1, 1)),
    ("mv_to_json_array", (1, 2)),
    ("spath", (2, 2)),
];

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step<'p> {
    Key(&'p str),
    /// `{n}`, from 0.
    Item(usize),
    /// `{}`: every item.
    Items,
}

/// `a.b{0}.c{}` in steps, `None` where it is no path.
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

/// The value at a path; `{}` on the way makes an array of what is behind it.
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

/// The value at a path, to change it; members that are not there are made if `make`.
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

/// A text stays as it is; everything else is JSON.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A field's value as a member of JSON: numbers where the field is one, arrays and objects where it holds such a text.
fn member(text: &str, number: bool) -> Value {
    let structured = matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'['));
    if (number || structured)
        && let Ok(value) = serde_json::from_str(text)
    {
        return value;
    }
    Value::String(text.to_owned())
}

fn argument(args: &Args<'_>, at: usize, numbers: &[bool]) -> Value {
    let number = numbers.get(at).copied().unwrap_or(false);
    let values = args.values(at);
    match values.as_slice() {
        [] => Value::Null,
        [one] => member(one, number),
        several => Value::Array(several.iter().map(|one| member(one, number)).collect()),
    }
}

/// A text as the JSON value that it looks like, for `infer_types`.
fn inferred(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Whether the second argument is there and says yes.
fn is_true(args: &Args<'_>) -> bool {
    args.text(1)
        .is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "true" | "t" | "1"))
}

/// Changes the value at each path by what stands behind it.
fn changed(
    args: &Args<'_>,
    width: usize,
    numbers: &[bool],
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
            change(found, argument(args, pair + 1, numbers));
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

/// The function of a name, if it is one of these.
pub(super) fn function(name: &str, args: &[Typed]) -> Option<Function> {
    let width = args.len();
    let numbers: Vec<bool> = args
        .iter()
        .map(|typed| is_number(&typed.data_type))
        .collect();
    Some(match name {
        "json" => text(|args| parsed(args, 0).map(|value| value.to_string())),
        "json_valid" => condition(|args| args.text(0).map(|_| parsed(args, 0).is_some())),
        "json_extract" => text(move |args| extract(args, width, false)),
        "json_extract_exact" => text(move |args| extract(args, width, true)),
        "json_keys" => text(|args| {
            let whole = parsed(args, 0)?;
            let keys = whole.as_object()?.keys().cloned().map(Value::String);
            Some(Value::Array(keys.collect()).to_string())
        }),
        "json_entries" => text(|args| {
            let entries = parsed(args, 0)?
                .as_object()?
                .iter()
                .map(|(key, value)| serde_json::json!({"key": key, "value": value}))
                .collect();
            Some(Value::Array(entries).to_string())
        }),
        "json_has_key_exact" => {
            condition(|args| Some(parsed(args, 0)?.as_object()?.contains_key(&*args.text(1)?)))
        }
        "json_object" => text(move |args| {
            let mut members = Map::new();
            for pair in (0..width).step_by(2) {
                members.insert(
                    args.text(pair)?.into_owned(),
                    argument(args, pair + 1, &numbers),
                );
            }
            Some(Value::Object(members).to_string())
        }),
        "json_array" => text(move |args| {
            let items = (0..width).map(|at| argument(args, at, &numbers)).collect();
            Some(Value::Array(items).to_string())
        }),
        "json_array_to_mv" => list(|args| {
            let quoted = is_true(args);
            match parsed(args, 0) {
                Some(Value::Array(items)) if quoted => items.iter().map(Value::to_string).collect(),
                Some(Value::Array(items)) => items.iter().filter_map(shown).collect(),
                _ => Vec::new(),
            }
        }),
        "mv_to_json_array" => text(|args| {
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
        }),
        "json_set" | "json_set_exact" => {
            let exact = name == "json_set_exact";
            text(move |args| {
                changed(args, width, &numbers, exact, true, |place, value| {
                    *place = value
                })
            })
        }
        "json_append" => text(move |args| {
            changed(args, width, &numbers, false, false, |place, value| {
                if let Value::Array(items) = place {
                    items.push(value);
                }
            })
        }),
        "json_extend" => text(move |args| {
            changed(args, width, &numbers, false, false, |place, value| {
                if let Value::Array(items) = place {
                    match value {
                        Value::Array(more) => items.extend(more),
                        one => items.push(one),
                    }
                }
            })
        }),
        "json_delete" => text(move |args| {
            let mut whole = parsed(args, 0)?;
            for at in 1..width {
                let path = args.text(at)?;
                delete(&mut whole, &steps(&path)?);
            }
            Some(whole.to_string())
        }),
        // Of XML it is not known to be used.
        "spath" => list(|args| match (args.text(0), args.text(1)) {
            (Some(document), Some(path)) => {
                documents::pick(&document, &documents::Format::Json, &path)
            }
            _ => Vec::new(),
        }),
        _ => return None,
    })
}
