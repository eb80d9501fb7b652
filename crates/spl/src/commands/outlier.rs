//! `outlier`: clips numbers far outside the middle half, or drops their rows.

use std::fmt::Write as _;

use crate::syntax::Diagnostic;
use crate::syntax::print::quoted;
use crate::syntax::usage::{Cursor, Usage, Whole, field_in_expression, flag, is_on, obeyed, only};

pub(super) static COMMAND: Whole = Whole::standing_for_others(
    Usage {
        name: "outlier",
        also: &[],
        syntax: "outlier [<options>] [<fields>]",
        meaning: "Clips numbers far outside the middle half of a field's numbers, or drops their rows; by default \
                  in all fields.",
        options: &[
            obeyed(
                "action",
                "`remove` (`rm`) drops rows, `transform` (`tf`, default) clips numbers to the limit.",
            ),
            obeyed(
                "param",
                "How many interquartile ranges a number may lie beyond the quartiles; default 2.5.",
            ),
            flag("uselower", "Also treats numbers far below as outliers."),
            flag("mark", "Prefixes clipped numbers with `000`."),
            only("type", "iqr", "there is only one type of outliers"),
        ],
    },
    text,
);

fn text(cursor: &mut dyn Cursor, usage: &Usage) -> Result<String, Diagnostic> {
    let (mut remove, mut mark, mut lower, mut param) = (false, false, false, 2.5);
    while let Some(option) = cursor.option_name() {
        let Some(value) = cursor.option(usage, &option)? else {
            continue;
        };
        match option.text.as_str() {
            "mark" => mark = is_on(&value.text),
            "uselower" => lower = is_on(&value.text),
            "param" => {
                let number = value.text.parse().ok();
                param = number
                    .filter(|number: &f64| number.is_finite() && *number >= 0.0)
                    .ok_or_else(|| Diagnostic::new("`param` is a number from 0", value.span))?;
            }
            _ => {
                remove = match value.text.to_ascii_lowercase().as_str() {
                    "rm" | "remove" => true,
                    "tf" | "transform" => false,
                    _ => {
                        return Err(Diagnostic::new(
                            "`action` is remove or transform",
                            value.span,
                        ));
                    }
                };
            }
        }
    }
    let fields = cursor.names("a field")?;
    // The treatment of a field whose name is `value` in an expression and `target` before one.
    let treat = |value: &str, target: &str, low: &str, high: &str| {
        let (up, down) = (
            format!("({high}+{param}*({high}-{low}))"),
            format!("({low}-{param}*({high}-{low}))"),
        );
        let above = format!("tonumber({value})>{up}");
        let below = format!("tonumber({value})<{down}");
        if remove {
            let either = if lower {
                format!("({above} OR {below})")
            } else {
                above
            };
            return format!("eval \"outlier:is\"=if({either}, 1, 'outlier:is')");
        }
        let cut = |end: &str| {
            if mark {
                format!("\"000\".{end}")
            } else {
                end.to_owned()
            }
        };
        let below = if lower {
            format!("{below}, {}, ", cut(&down))
        } else {
            String::new()
        };
        format!(
            "eval {target}=case({above}, {}, {below}true(), {value})",
            cut(&up)
        )
    };
    let mut quartiles = Vec::new();
    let mut steps = Vec::new();
    if fields.is_empty() {
        quartiles.push("perc25(*) as \"outlier:low:*\" perc75(*) as \"outlier:high:*\"".to_owned());
        let step = treat(
            "'<<MATCHSTR>>'",
            "\"<<MATCHSTR>>\"",
            "'outlier:low:<<MATCHSTR>>'",
            "'outlier:high:<<MATCHSTR>>'",
        );
        steps.push(format!("foreach \"outlier:low:*\" [{step}]"));
    }
    for field in &fields {
        let low = format!("outlier:low:{}", field.text);
        let high = format!("outlier:high:{}", field.text);
        let name = quoted(&field.text);
        quartiles.push(format!(
            "perc25({name}) as {} perc75({name}) as {}",
            quoted(&low),
            quoted(&high)
        ));
        let value = field_in_expression(field)?;
        steps.push(treat(
            &value,
            &name,
            &format!("'{low}'"),
            &format!("'{high}'"),
        ));
    }
    let mut text = format!("eventstats {}", quartiles.join(" "));
    if remove {
        text.push_str(" | eval \"outlier:is\"=0");
    }
    for step in &steps {
        let _ = write!(text, " | {step}");
    }
    if remove {
        text.push_str(" | where 'outlier:is'=0");
    }
    text.push_str(" | fields - \"outlier:*\"");
    Ok(text)
}
