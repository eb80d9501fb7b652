//! Conversion between numbers and text (Splunk, Search Reference, "Conversion functions").

use std::borrow::Cow;

use super::{CallError, Function, MANY, Made, number, rows, text};
use crate::ops::Call;
use crate::value::{format_number, number_of};

/// The formats of `tostring` for a number.
const FORMATS: [&str; 4] = ["binary", "commas", "duration", "hex"];

pub(super) const FUNCTIONS: &[Function] = &[
    rows(
        "tonumber",
        (1, 2),
        "tonumber(<text>, [<base>])",
        "The text as a number in base 2 to 36, or NULL if it is not one. In base 16 the text may begin with `0x`.",
        "tonumber(\"0x3e7\", 16)",
        to_number,
    ),
    rows(
        "hex_to_number",
        (1, 1),
        "hex_to_number(<text>)",
        "A hexadecimal number, with or without `0x`. Not in Splunk.",
        "hex_to_number(LogonId)",
        |_| number(|args| hexadecimal(&args.text(0)?)),
    ),
    rows(
        "tostring",
        (1, 2),
        "tostring(<value>, [\"binary\" | \"commas\" | \"duration\" | \"hex\"])",
        "The value as text: a Boolean as `True` or `False`; a number in binary, with commas and at most two \
         decimals, as a duration `[D+]HH:MM:SS` in seconds, or in hexadecimal with `0x`.",
        "tostring(bytes, \"commas\")",
        to_string,
    ),
    rows(
        "printf",
        (1, MANY),
        "printf(<format>, <value>...)",
        "The values in a C-style format: `%s %c %d %i %u %f %e %g %x %X %o %%` with flags, width and precision.",
        "printf(\"%-10s|%5.1f\", host, score)",
        |call| {
            let width = call.width();
            text(move |args| {
                printf(
                    &args.text(0)?,
                    (1..width)
                        .map(|at| args.text(at).unwrap_or(Cow::Borrowed("")))
                        .collect(),
                )
            })
        },
    ),
    rows(
        "dash_to_null",
        (1, 1),
        "dash_to_null(<text>)",
        "The text, or NULL if it is empty or `-`, which Windows writes for unknown values. Not in Splunk.",
        "dash_to_null(IpAddress)",
        |_| {
            text(|args| {
                let value = args.text(0)?;
                (!matches!(value.trim(), "" | "-")).then(|| value.into_owned())
            })
        },
    ),
    rows(
        "ip_normalise",
        (1, 1),
        "ip_normalise(<text>)",
        "The canonical form of an address, without `::ffff:`, scope, brackets and port, or NULL if the text is \
         not an address. Not in Splunk.",
        "ip_normalise(IpAddress)",
        |_| text(|args| args.text(0).and_then(|value| super::ip_normalised(&value))),
    ),
];

fn to_number(call: &Call<'_>) -> Made {
    if call.width() == 1 {
        return number(|args| args.number(0));
    }
    if let Some(base) = call.literal(1)
        && !number_of(&base).is_some_and(is_base)
    {
        return Err(CallError::Arguments(format!(
            "`{base}` is not a base of `tonumber`: it is a whole number from 2 to 36"
        )));
    }
    number(|args| {
        let base = args.number(1).filter(|base| is_base(*base))?;
        let value = args.text(0)?;
        let text = value.trim();
        let (sign, digits) = text
            .strip_prefix('-')
            .map_or((1.0, text), |digits| (-1.0, digits));
        let digits = if base == 16.0 {
            digits
                .strip_prefix("0x")
                .or_else(|| digits.strip_prefix("0X"))
                .unwrap_or(digits)
        } else {
            digits
        };
        if digits.starts_with(['+', '-']) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "2 to 36; numbers are doubles"
        )]
        u64::from_str_radix(digits, base as u32)
            .ok()
            .map(|number| sign * number as f64)
    })
}

fn is_base(base: f64) -> bool {
    (2.0..=36.0).contains(&base) && base.fract() == 0.0
}

fn to_string(call: &Call<'_>) -> Made {
    if call.is_bool(0) {
        return text(|args| {
            let value = args.text(0)?;
            Some(if value == "true" { "True" } else { "False" }.to_owned())
        });
    }
    if call.width() == 1 {
        return text(|args| args.text(0).map(Cow::into_owned));
    }
    if let Some(format) = call.literal(1)
        && !FORMATS.contains(&format.as_str())
    {
        return Err(CallError::Arguments(format!(
            "`{format}` is not a format of `tostring`: they are {}",
            FORMATS.join(", ")
        )));
    }
    text(|args| {
        let value = args.text(0)?;
        let Some(number) = number_of(&value) else {
            return Some(value.into_owned());
        };
        #[expect(clippy::cast_possible_truncation, reason = "cut to whole numbers")]
        let whole = number as i64;
        let sign = if whole < 0 { "-" } else { "" };
        match &*args.text(1)? {
            "hex" => Some(format!("{sign}0x{:X}", whole.unsigned_abs())),
            "binary" => Some(format!("{sign}{:b}", whole.unsigned_abs())),
            "commas" => Some(commas(number)),
            "duration" => Some(duration(number)),
            _ => None,
        }
    })
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(hexadecimal("0x500"), Some(1280.0));
    }
}
