//! `trendline`: simple moving averages.

use std::fmt::Write as _;

use crate::syntax::Diagnostic;
use crate::syntax::print::quoted;
use crate::syntax::usage::{Cursor, Usage, Whole};

pub(super) static COMMAND: Whole = Whole::standing_for_others(
    Usage {
        name: "trendline",
        also: &[],
        syntax: "trendline sma<number>(<field>) [as <name>] …",
        meaning: "Simple moving averages.",
        options: &[],
    },
    text,
);

fn text(cursor: &mut dyn Cursor, _: &Usage) -> Result<String, Diagnostic> {
    let mut text = String::new();
    while !cursor.ended() {
        let start = cursor.place();
        let word = cursor.word().to_ascii_lowercase();
        let period = word
            .strip_prefix("sma")
            .and_then(|period| period.parse::<u64>().ok())
            .filter(|period| (2..=10_000).contains(period));
        let Some(period) = period.filter(|_| cursor.peek() == Some(b'(')) else {
            let end = cursor.place().max(start + 1);
            return Err(cursor
                .error(
                    "a simple moving average is written `sma5(field)`",
                    start,
                    end,
                )
                .with_help(
                    "only `sma` is supported; `streamstats window=5` has other statistics",
                ));
        };
        cursor.eat(b'(');
        let field = cursor.single_name("a field")?;
        if !cursor.eat(b')') {
            return Err(cursor.expected("`)`"));
        }
        let name = cursor
            .new_name()?
            .map_or_else(|| format!("sma{period}({})", field.text), |new| new.text);
        let _ = write!(
            text,
            "{}streamstats window={period} avg({}) as \"trend:mean\" count as \"trend:rows\" \
             | eval {}=if('trend:rows'={period}, 'trend:mean', null()) | fields - \"trend:mean\" \"trend:rows\"",
            if text.is_empty() { "" } else { " | " },
            quoted(&field.text),
            quoted(&name)
        );
    }
    if text.is_empty() {
        return Err(cursor.expected("a trend such as `sma5(field)`"));
    }
    Ok(text)
}
