//! Fields of a row as a JSON object.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Answer, Entry, Prepared, call, fixed};
use crate::column::Typed;
use crate::value::number_of;

pub(super) const FUNCTIONS: &[Entry] = &[Entry {
    name: "spl_json_object",
    prepare: |call| {
        let (members, fill): (Vec<(String, JsonType)>, bool) = call.fixed(0)?;
        Ok(Prepared::rows(DataType::Utf8, move |args| {
            // Members are in the order of the fields.
            let mut object = Vec::new();
            for (at, (name, kind)) in members.iter().enumerate() {
                let values: Vec<Value> = args
                    .values(at + 1)
                    .iter()
                    .filter_map(|text| kind.value(text).or(fill.then_some(Value::Null)))
                    .collect();
                let value = match values.as_slice() {
                    [] => continue,
                    [one] => one.to_string(),
                    _ => Value::Array(values).to_string(),
                };
                object.push(format!("{}:{value}", Value::from(name.as_str())));
            }
            Answer::text(Some(format!("{{{}}}", object.join(","))))
        }))
    },
}];

/// How a value is written in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum JsonType {
    /// As whichever it looks like.
    Auto,
    /// `true` and `false`.
    Bool,
    /// Already a JSON document.
    Json,
    /// A number if it is one, otherwise text.
    None,
    /// A number.
    Num,
    /// Text.
    Str,
}

impl JsonType {
    /// The type of a name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.to_lowercase().as_str() {
            "auto" => Self::Auto,
            "bool" => Self::Bool,
            "json" => Self::Json,
            "none" => Self::None,
            "num" => Self::Num,
            "str" => Self::Str,
            _ => return None,
        })
    }

    /// A text as a value; `None` if it does not match the type.
    fn value(self, text: &str) -> Option<Value> {
        let number = || {
            let text = text.trim();
            number_of(text).and_then(|number| {
                // Digits beyond those of a floating-point number are kept.
                text.parse::<i64>().map_or_else(
                    |_| serde_json::Number::from_f64(number).map(Value::Number),
                    |whole| Some(Value::from(whole)),
                )
            })
        };
        let boolean = || match text.trim().to_lowercase().as_str() {
            "true" | "t" => Some(Value::Bool(true)),
            "false" | "f" => Some(Value::Bool(false)),
            _ => None,
        };
        let string = || Some(Value::from(text));
        let document = || serde_json::from_str::<Value>(text).ok();
        match self {
            Self::Str => string(),
            Self::Num => number(),
            Self::Json => document(),
            // A number is true unless it is 0.
            Self::Bool => {
                boolean().or_else(|| number_of(text).map(|number| Value::Bool(number != 0.0)))
            }
            Self::None => number().or_else(string),
            Self::Auto => match text.trim().to_lowercase().as_str() {
                "true" | "false" => boolean(),
                _ => number()
                    .or_else(|| document().filter(|value| value.is_object() || value.is_array()))
                    .or_else(string),
            },
        }
    }
}

/// Fields as an object; with `fill`, values that do not match their type become `null`.
pub(crate) fn object(members: Vec<(String, JsonType, Typed)>, fill: bool) -> Expr {
    let kinds: Vec<(&str, JsonType)> = members
        .iter()
        .map(|(name, kind, _)| (name.as_str(), *kind))
        .collect();
    let mut args = vec![fixed(&(kinds, fill))];
    args.extend(members.into_iter().map(|(_, _, value)| value.expr));
    call("spl_json_object", DataType::Utf8, args).expr
}
