//! Texts (Splunk, Search Reference, "Text functions", "Cryptographic functions").

use std::borrow::Cow;

use super::regex::Compiled;
use super::{Function, Made, count, each, index, list, number, pattern, rows, text, with_pattern};
use crate::ops::Call;

pub(super) const FUNCTIONS: &[Function] = &[
    rows(
        "len",
        (1, 1),
        "len(<text>)",
        "Number of characters.",
        "len(CommandLine)",
        |_| number(|args| args.text(0).map(|value| count(value.chars().count()))),
    ),
    rows(
        "lower",
        (1, 1),
        "lower(<text>)",
        "The text in lower case.",
        "lower(user)",
        |call| each(call, str::to_lowercase),
    ),
    rows(
        "upper",
        (1, 1),
        "upper(<text>)",
        "The text in upper case.",
        "upper(host)",
        |call| each(call, str::to_uppercase),
    ),
    rows(
        "trim",
        (1, 2),
        "trim(<text>, [<characters>])",
        "The text without these characters at both ends; default spaces, tabs and line breaks.",
        "trim(user, \"$\")",
        |call| trimmed(call, true, true),
    ),
    rows(
        "ltrim",
        (1, 2),
        "ltrim(<text>, [<characters>])",
        "Like `trim`, at the left end.",
        "ltrim(path, \"/\")",
        |call| trimmed(call, true, false),
    ),
    rows(
        "rtrim",
        (1, 2),
        "rtrim(<text>, [<characters>])",
        "Like `trim`, at the right end.",
        "rtrim(user, \"$\")",
        |call| trimmed(call, false, true),
    ),
    rows(
        "substr",
        (2, 3),
        "substr(<text>, <start>, [<length>])",
        "A part of the text. The first character is number 1; a negative start counts from the end.",
        "substr(user, 1, 3)",
        |call| {
            let to_end = call.width() == 2;
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
        },
    ),
    rows(
        "replace",
        (3, 3),
        "replace(<text>, <regex>, <replacement>)",
        "The text with each match replaced. In the replacement `\\1` is the first group; `$` is literal.",
        "replace(date, \"^(\\d+)/(\\d+)/\", \"\\2/\\1/\")",
        replace,
    ),
    rows(
        "extract",
        (2, 2),
        "extract(<text>, <regex>)",
        "What the first group of the first match holds; NULL without a match. Not in Splunk.",
        "extract(Message, \"HostName=(\\S+)\")",
        extract,
    ),
    rows(
        "urldecode",
        (1, 1),
        "urldecode(<text>)",
        "The text with `%20` and similar sequences decoded, and `+` as a space.",
        "urldecode(uri_query)",
        |_| text(|args| args.text(0).map(|value| url_decoded(&value))),
    ),
    rows(
        "basename",
        (1, 1),
        "basename(<path>)",
        "The part of a path after the last `\\` or `/`. Not in Splunk.",
        "basename(Image)",
        |call| each(call, |path| basename(path).to_owned()),
    ),
    rows(
        "dirname",
        (1, 1),
        "dirname(<path>)",
        "The part of a path before the last `\\` or `/`. Not in Splunk.",
        "dirname(Image)",
        |_| {
            text(|args| {
                let path = args.text(0)?;
                let name = basename(&path);
                path.strip_suffix(name)
                    .map(|folder| folder.trim_end_matches(['\\', '/']).to_owned())
                    .filter(|folder| !folder.is_empty())
            })
        },
    ),
    rows(
        "commands",
        (1, 1),
        "commands(<search>)",
        "The names of a search's commands, as values.",
        "commands(\"search foo | stats count\")",
        |_| {
            list(|args| {
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
            })
        },
    ),
    rows(
        "md5",
        (1, 1),
        "md5(<text>)",
        "The MD5 hash of the text, in hexadecimal.",
        "md5(CommandLine)",
        |call| each(call, |text| digest::<md5::Md5>(text.as_bytes())),
    ),
    rows(
        "sha1",
        (1, 1),
        "sha1(<text>)",
        "The SHA-1 hash of the text, in hexadecimal.",
        "sha1(CommandLine)",
        |call| each(call, |text| digest::<sha1::Sha1>(text.as_bytes())),
    ),
    rows(
        "sha256",
        (1, 1),
        "sha256(<text>)",
        "The SHA-256 hash of the text, in hexadecimal.",
        "sha256(CommandLine)",
        |call| each(call, |text| digest::<sha2::Sha256>(text.as_bytes())),
    ),
    rows(
        "sha512",
        (1, 1),
        "sha512(<text>)",
        "The SHA-512 hash of the text, in hexadecimal.",
        "sha512(CommandLine)",
        |call| each(call, |text| digest::<sha2::Sha512>(text.as_bytes())),
    ),
];

fn trimmed(call: &Call<'_>, left: bool, right: bool) -> Made {
    let blanks = call.width() == 1;
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

fn extract(call: &Call<'_>) -> Made {
    let fixed = pattern(call, 1)?;
    text(move |args| {
        let value = args.text(0)?;
        let first = |compiled: &Compiled| compiled.first_group(&value).map(str::to_owned);
        with_pattern(fixed.as_ref(), args, 1, first).flatten()
    })
}

fn replace(call: &Call<'_>) -> Made {
    let fixed = pattern(call, 1)?;
    if call.is_list(0) {
        return list(move |args| {
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
        });
    }
    text(move |args| {
        let (value, to) = (args.text(0)?, args.text(2)?);
        with_pattern(fixed.as_ref(), args, 1, |compiled| {
            compiled.replace_all(&value, &to).into_owned()
        })
    })
}

pub(crate) fn url_decoded(text: &str) -> String {
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

/// A hash in hexadecimal digits.
pub(crate) fn digest<D: sha2::digest::Digest>(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in D::digest(bytes) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// The part of a path after the last `\` or `/`.
fn basename(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_decoded_and_cut() {
        assert_eq!(url_decoded("a%20b+c%zz"), "a b c%zz");
        assert_eq!(basename("C:\\a\\b.exe"), "b.exe");
    }
}
