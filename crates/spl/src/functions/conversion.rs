//! Conversion between numbers and text (Splunk, Search Reference, "Conversion functions").

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

use super::{CallError, Function, MANY, Made, index, number, rows, text};
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
            if let Some(unknown) = call
                .literal(0)
                .and_then(|format| unknown_directive(&format))
            {
                return Err(CallError::Arguments(format!(
                    "`{unknown}` is not a conversion of `printf`: they are %s %c %d %i %u %f %e %g %x %X %o %%"
                )));
            }
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
    let whole = grouped(whole);
    match fraction {
        Some(fraction) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{whole}"),
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
/// The conversions of [`printf`].
const CONVERSIONS: &str = "scdiufFeEgGxXo%";

/// A directive of a format such as `%-10.3f`.
#[derive(Default)]
struct Directive {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    commas: bool,
    marked: bool,
    width: usize,
    precision: Option<usize>,
}

impl Directive {
    /// Reads one behind its `%`, and its conversion. `*` takes a number from the arguments.
    fn read(
        chars: &mut Peekable<Chars<'_>>,
        next: &mut dyn FnMut() -> usize,
    ) -> Option<(Self, char)> {
        let mut directive = Self::default();
        while let Some(flag) = chars.next_if(|char| "-0+ #'".contains(*char)) {
            match flag {
                '-' => directive.left = true,
                '0' => directive.zero = true,
                '+' => directive.plus = true,
                ' ' => directive.space = true,
                '\'' => directive.commas = true,
                _ => directive.marked = true,
            }
        }
        let mut number = |chars: &mut Peekable<Chars<'_>>| {
            if chars.next_if_eq(&'*').is_some() {
                return next().min(1000);
            }
            let mut number = 0_usize;
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                number = number
                    .saturating_mul(10)
                    .saturating_add(digit as usize - '0' as usize)
                    .min(1000);
            }
            number
        };
        directive.width = number(chars);
        directive.precision = chars.next_if_eq(&'.').map(|_| number(chars));
        Some((directive, chars.next()?))
    }

    /// A value as the conversion writes it, at its width.
    fn write(&self, code: char, value: &str) -> Option<String> {
        let number = number_of(value).unwrap_or(0.0);
        #[expect(clippy::cast_possible_truncation, reason = "cut to whole numbers")]
        let whole = number as i64;
        let digits = |text: String| match self.precision {
            Some(least) => format!("{text:0>least$}"),
            None => text,
        };
        let marked = |mark: &str, text: String| {
            if self.marked && whole != 0 {
                format!("{mark}{text}")
            } else {
                text
            }
        };
        let size = number.abs();
        let (signed, text) = match code {
            's' => {
                let most = self.precision.unwrap_or(usize::MAX);
                (false, value.chars().take(most).collect())
            }
            'c' => (false, value.chars().take(1).collect()),
            'd' | 'i' => (true, digits(whole.unsigned_abs().to_string())),
            'u' => (false, digits(whole.to_string())),
            'f' | 'F' => (true, format!("{size:.*}", self.precision.unwrap_or(6))),
            'e' => (true, exponential(size, self.precision.unwrap_or(6))),
            'E' => {
                let text = exponential(size, self.precision.unwrap_or(6));
                (true, text.to_uppercase())
            }
            'g' | 'G' => (true, format_number(size)),
            'x' => (false, marked("0x", digits(format!("{whole:x}")))),
            'X' => (false, marked("0X", digits(format!("{whole:X}")))),
            'o' => (false, marked("0", digits(format!("{whole:o}")))),
            _ => return None,
        };
        let text = match text.split_once('.') {
            _ if !self.commas || !matches!(code, 'd' | 'i' | 'u' | 'f' | 'F') => text,
            Some((whole, part)) => format!("{}.{part}", grouped(whole)),
            None => grouped(&text),
        };
        let negative = match code {
            'd' | 'i' => whole < 0,
            _ => number < 0.0,
        };
        let sign = match signed {
            true if negative => "-",
            true if self.plus => "+",
            true if self.space => " ",
            _ => "",
        };
        let padding = self.width.saturating_sub(sign.len() + text.chars().count());
        Some(if self.left {
            format!("{sign}{text}{}", " ".repeat(padding))
        } else if self.zero && !matches!(code, 's' | 'c') {
            format!("{sign}{}{text}", "0".repeat(padding))
        } else {
            format!("{}{sign}{text}", " ".repeat(padding))
        })
    }
}

/// A number that is not negative as C writes it with `%e`: at least two digits of exponent, with its sign.
fn exponential(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    match text.split_once('e') {
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{digits}e-{exponent:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
        None => text,
    }
}

/// Digits with a comma before every three from the right.
fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The first directive of a format that [`printf`] does not write.
fn unknown_directive(format: &str) -> Option<String> {
    let mut rest = format;
    while let Some((_, behind)) = rest.split_once('%') {
        let mut chars = behind.chars().peekable();
        let code = Directive::read(&mut chars, &mut || 0).map(|(_, code)| code);
        let left: String = chars.collect();
        if !code.is_some_and(|code| CONVERSIONS.contains(code)) {
            let length = behind.len() - left.len();
            return Some(format!("%{}", behind.get(..length).unwrap_or_default()));
        }
        rest = behind.get(behind.len() - left.len()..).unwrap_or_default();
    }
    None
}

fn printf(format: &str, args: Vec<Cow<'_, str>>) -> Option<String> {
    let mut out = String::new();
    let mut args = args.into_iter();
    let mut chars = format.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '%' {
            out.push(char);
            continue;
        }
        let mut width = || {
            let number = args.next().and_then(|text| number_of(&text));
            index(number.unwrap_or(0.0))
        };
        let (directive, code) = Directive::read(&mut chars, &mut width)?;
        if code == '%' {
            out.push('%');
            continue;
        }
        let value = args.next().unwrap_or(Cow::Borrowed(""));
        out.push_str(&directive.write(code, &value)?);
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
        for (format, value, text) in [
            ("%e|", "12345.678", "1.234568e+04|"),
            ("%.1E", "-0.00012", "-1.2E-04"),
            ("%'d", "1234567", "1,234,567"),
            ("%'.1f", "-1234.56", "-1,234.6"),
            ("%+d", "5", "+5"),
            ("% d", "5", " 5"),
            ("%#x", "255", "0xff"),
            ("%#o", "8", "010"),
            ("%.5d", "42", "00042"),
            ("%7.3d|", "-42", "   -042|"),
            ("%.2s", "abc", "ab"),
        ] {
            let written = printf(format, args(&[value]));
            assert_eq!(written.as_deref(), Some(text), "{format}");
        }
        let starred = printf("%*d|%-*s|", args(&["5", "42", "4", "ab"]));
        assert_eq!(starred.as_deref(), Some("   42|ab  |"));
        assert_eq!(unknown_directive("%5.2f of 100%% %-3s"), None);
        assert_eq!(unknown_directive("%d %-5q").as_deref(), Some("%-5q"));
        assert_eq!(unknown_directive("50%").as_deref(), Some("%"));
        assert_eq!(commas(1_234_567.0), "1,234,567");
        assert_eq!(duration(90_061.0), "1+01:01:01");
        assert_eq!(hexadecimal("0x500"), Some(1280.0));
    }
}
