//! Choices, comparisons and type tests (Splunk, Search Reference, "Comparison and Conditional functions",
//! "Informational functions").

use datafusion::arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;
use ipnet::IpNet;

use super::CallError;
use super::regex::{Compiled, compile_regex};
use super::{
    Function, MANY, condition, constant_value, matcher, pattern, rows, text, whole, with_pattern,
};
use std::borrow::Cow;

pub(super) const FUNCTIONS: &[Function] = &[
    whole(
        "if",
        (3, 3),
        "if(<condition>, <then>, <else>)",
        "The second value if the condition is true, otherwise the third.",
        "if(LogonType=10, \"remote\", \"other\")",
        |call| call.choose(),
    ),
    whole(
        "case",
        (2, MANY),
        "case(<condition>, <value>, ...)",
        "The value after the first true condition, or NULL if none is true.",
        "case(LogonType=3, \"network\", true(), \"other\")",
        |call| call.first_case(true),
    ),
    whole(
        "validate",
        (2, MANY),
        "validate(<condition>, <value>, ...)",
        "The value after the first false condition, or NULL if all are true.",
        "validate(isint(port), \"the port is not a number\")",
        |call| call.first_case(false),
    ),
    whole(
        "coalesce",
        (1, MANY),
        "coalesce(<value>...)",
        "The first value that is not NULL.",
        "coalesce(src_ip, src_host)",
        |call| call.coalesce(),
    ),
    whole(
        "in",
        (2, MANY),
        "in(<value>, <value>...)",
        "Whether the first value equals one of the others.",
        "in(LogonType, 3, 10)",
        |call| call.among(),
    ),
    rows(
        "nullif",
        (2, 2),
        "nullif(<value>, <value>)",
        "The first value, or NULL if it equals the second.",
        "nullif(user, \"-\")",
        |_| {
            text(|args| {
                let value = args.text(0)?;
                (args.text(1).as_deref() != Some(&*value)).then(|| value.into_owned())
            })
        },
    ),
    rows(
        "match",
        (2, 2),
        "match(<text>, <regex>)",
        "Whether the regular expression matches anywhere in the text, or in any of multiple values.",
        "match(CommandLine, \"(?i)-enc\\w*\")",
        |call| {
            let fixed = pattern(call, 1)?;
            condition(move |args| {
                let values = args.values(0);
                if values.is_empty() {
                    return None;
                }
                with_pattern(fixed.as_ref(), args, 1, |compiled| {
                    values.iter().any(|value| compiled.is_match(value))
                })
            })
        },
    ),
    rows(
        "like",
        (2, 2),
        "like(<text>, <pattern>)",
        "Whether the text matches a pattern, case-sensitively; `%` matches any text and `_` one character.",
        "like(Image, \"%\\\\psexec.exe\")",
        |call| {
            let fixed = call
                .literal(1)
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
        },
    ),
    rows(
        "cidrmatch",
        (2, 2),
        "cidrmatch(<network>, <address>)",
        "Whether an address is in a network such as `10.0.0.0/8` or `fe80::/10`.",
        "cidrmatch(\"10.0.0.0/8\", src_ip)",
        |call| {
            if let Some(text) = call.literal(0)
                && network(&text).is_none()
            {
                return Err(CallError::Arguments(format!(
                    "`{text}` is not a network: write it as `10.0.0.0/8`"
                )));
            }
            condition(|args| {
                let network = network(&args.text(0)?)?;
                let values = args.values(1);
                (!values.is_empty()).then(|| {
                    values.iter().any(|value| {
                        matcher::address(value).is_some_and(|address| network.contains(&address))
                    })
                })
            })
        },
    ),
    whole(
        super::SEARCH_MATCH,
        (1, 1),
        "searchmatch(\"<search clause>\")",
        "Whether the event matches a search clause.",
        "searchmatch(\"EventCode=4624 LogonType=3\")",
        |call| call.search_match(),
    ),
    whole(
        "isnull",
        (1, 1),
        "isnull(<value>)",
        "Whether the value is NULL, as when the event does not have the field.",
        "isnull(src_ip)",
        |call| call.is_null(true),
    ),
    whole(
        "isnotnull",
        (1, 1),
        "isnotnull(<value>)",
        "Whether the value is not NULL.",
        "isnotnull(src_ip)",
        |call| call.is_null(false),
    ),
    whole(
        "isbool",
        (1, 1),
        "isbool(<value>)",
        "Whether the value is a Boolean.",
        "isbool(a=b)",
        |call| call.is_bool(),
    ),
    rows(
        "isint",
        (1, 1),
        "isint(<value>)",
        "Whether the value is a whole number.",
        "isint(port)",
        |_| condition(|args| Some(args.number(0).is_some_and(|number| number.fract() == 0.0))),
    ),
    rows(
        "isnum",
        (1, 1),
        "isnum(<value>)",
        "Whether the value is a number.",
        "isnum(port)",
        |_| condition(|args| Some(args.number(0).is_some())),
    ),
    rows(
        "isstr",
        (1, 1),
        "isstr(<value>)",
        "Whether the value is text that is not a number.",
        "isstr(port)",
        |_| condition(|args| Some(args.text(0).is_some() && args.number(0).is_none())),
    ),
    rows(
        "typeof",
        (1, 1),
        "typeof(<value>)",
        "`Number`, `String`, `Boolean`, or `Invalid` for NULL.",
        "typeof(port)",
        |call| {
            let (boolean, number) = (call.is_bool(0), call.is_number(0));
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
        },
    ),
    whole("null", (0, 0), "null()", "NULL.", "null()", |_| {
        Ok(crate::column::Typed {
            expr: datafusion::logical_expr::lit(ScalarValue::Null),
            data_type: DataType::Null,
        })
    }),
    whole("true", (0, 0), "true()", "True.", "true()", |_| {
        constant_value(ScalarValue::Boolean(Some(true)))
    }),
    whole("false", (0, 0), "false()", "False.", "false()", |_| {
        constant_value(ScalarValue::Boolean(Some(false)))
    }),
];

/// A network; an address is one of itself alone.
fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| matcher::address(text).map(IpNet::from))
}

/// SQL's `%` and `_`, case-sensitively.
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
