//! `cyberchef`: decodes a field by a recipe, as the app `CyberChef for Splunk` does.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::expr::Fields;
use crate::ops::recipes;
use crate::plan::{Passing, Planner, Result, Rows, at, diagnostic};
use crate::syntax::ast::{Arguments, Name, Span};
use crate::syntax::print::quoted;
use crate::syntax::usage::{
    Cursor, Form, Reading, Usage, Whole, field, no_effect, obeyed, refused,
};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "cyberchef",
        also: &[],
        syntax: "cyberchef infield=<field> [outfield=<field>] operation=<name> or jsonrecipe=<recipe>",
        meaning: "Puts a field through operations of CyberChef: From Base64, To Base64, From Hex, To Hex, URL \
                  Decode, From Punycode, Decode text, Remove null bytes, Reverse, ROT13, MD5, SHA1, SHA2, \
                  Gunzip, Zlib Inflate, Raw Inflate. Other operations are errors. A value that an operation \
                  cannot read gives none. A command of the app `CyberChef for Splunk`.",
        options: &[
            field("infield", "Field to read."),
            field("outfield", "Field to make; by default `infield`."),
            obeyed(
                "operation",
                "One operation with its default arguments; in any case, with blanks or without.",
            ),
            obeyed(
                "jsonrecipe",
                "A recipe as CyberChef saves it as compact JSON, in quotes; the last option, because the quotes \
                 in it are not escaped.",
            ),
            obeyed("encodedrecipe", "The same, encoded with Base64."),
            refused(
                "savedrecipe",
                "it names a file of the app; write the recipe with `jsonrecipe`",
            ),
            refused(
                "recipe",
                "it names a file of the app; write the recipe with `jsonrecipe`",
            ),
            no_effect("debug", "it writes a log of the app"),
        ],
    },
    form: Form::Own { parse, print },
    reads: |arguments| {
        let option = |name: &str| arguments.option(name).map(str::to_owned);
        Reading {
            fields: option("infield").into_iter().collect(),
            makes: option("outfield").into_iter().collect(),
            ..Reading::default()
        }
    },
    plan: &(plan as Passing),
};

/// What is read of a recipe, whichever way it is written.
const RECIPE: &str = "jsonrecipe";

fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    while let Some(option) = cursor.option_name() {
        let start = cursor.place();
        if option.text == RECIPE {
            let written = cursor.rest();
            let recipe = unquoted(&written).replace("\\|", "|");
            check(&recipe, cursor.span(start, cursor.place()))?;
            arguments.options.push((option, recipe));
            break;
        }
        let Some(value) = cursor.option(usage, &option)? else {
            continue;
        };
        let recipe = match option.text.as_str() {
            "operation" => serde_json::json!([{"op": unquoted(&value.text)}]).to_string(),
            "encodedrecipe" => {
                let bytes = STANDARD.decode(unquoted(&value.text)).ok();
                bytes
                    .and_then(|bytes| String::from_utf8(bytes).ok())
                    .ok_or_else(|| {
                        diagnostic(value.span, "the recipe is not encoded with Base64")
                    })?
            }
            _ => {
                let name = unquoted(&value.text).to_owned();
                arguments.options.push((option, name));
                continue;
            }
        };
        check(&recipe, value.span)?;
        let name = Name {
            text: RECIPE.to_owned(),
            span: option.span,
        };
        arguments.options.push((name, recipe));
    }
    if !cursor.ended() {
        return Err(cursor.expected("an option"));
    }
    for (needed, what) in [
        ("infield", "`infield=`"),
        (RECIPE, "`operation=` or `jsonrecipe=`"),
    ] {
        if arguments.option(needed).is_none() {
            return Err(cursor.expected(what));
        }
    }
    Ok(arguments)
}

fn check(recipe: &str, span: Span) -> Result<()> {
    recipes::check(recipe).map_err(|error| diagnostic(span, error))
}

/// A value without the quotes around it. The app takes single ones, too.
fn unquoted(value: &str) -> &str {
    let value = value.trim();
    ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value)
}

fn print(arguments: &Arguments, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for name in ["infield", "outfield"] {
        if let Some(field) = arguments.option(name) {
            write!(f, " {name}={}", quoted(field))?;
        }
    }
    match arguments.option(RECIPE) {
        Some(recipe) => write!(f, " encodedrecipe=\"{}\"", STANDARD.encode(recipe)),
        None => Ok(()),
    }
}

fn plan(_: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let (Some(input), Some(recipe)) = (arguments.option("infield"), arguments.option(RECIPE))
    else {
        return Ok(rows);
    };
    let Some(value) = rows.field(input) else {
        return Ok(rows);
    };
    let output = arguments.option("outfield").unwrap_or(input).to_owned();
    at(
        span,
        rows.set(vec![(output, recipes::recipe(value, recipe))]),
    )
}
