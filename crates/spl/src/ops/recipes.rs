//! Recipes of CyberChef: operations that a text goes through one after another, as `CyberChef for Splunk` runs them.
//!
//! The operations are those that decode what attackers encode. What each does and its default arguments are from CyberChef's
//! own descriptions (<https://github.com/gchq/CyberChef>).

use std::io::Read;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, lit};
use serde::Deserialize;
use serde_json::Value;

use super::{Answer, CallError, Entry, Prepared, call};
use crate::column::Typed;
use crate::functions::{digest, url_decoded};

/// Most bytes that decompressing a value may give.
const MOST_BYTES: u64 = 1 << 20;

pub(super) const FUNCTIONS: &[Entry] = &[Entry {
    name: "spl_recipe",
    prepare: |call| {
        let recipe = Recipe::of(&call.fixed_text(1)?).map_err(CallError::Arguments)?;
        Ok(Prepared::rows(DataType::Utf8, move |args| {
            Answer::text(args.text(0).and_then(|text| recipe.run(&text)))
        }))
    },
}];

/// What a text becomes by a recipe that has been checked; NULL if an operation cannot read it.
pub(crate) fn recipe(value: Typed, compact_json: &str) -> Expr {
    let args = vec![value.expr, lit(compact_json)];
    call("spl_recipe", DataType::Utf8, args).expr
}

/// # Errors
/// What is wrong with a recipe.
pub(crate) fn check(compact_json: &str) -> Result<(), String> {
    Recipe::of(compact_json).map(|_| ())
}

/// A step as CyberChef's "compact JSON" writes it.
#[derive(Deserialize)]
struct Written {
    op: String,
    #[serde(default)]
    args: Vec<Value>,
    #[serde(default)]
    disabled: bool,
}

type Step = Box<dyn Fn(Vec<u8>) -> Option<Vec<u8>> + Send + Sync>;

struct Recipe(Vec<Step>);

impl Recipe {
    fn of(compact_json: &str) -> Result<Self, String> {
        let steps: Vec<Written> = serde_json::from_str(compact_json)
            .map_err(|error| format!("the recipe is not CyberChef's compact JSON: {error}"))?;
        let steps = steps.iter().filter(|step| !step.disabled);
        steps.map(step).collect::<Result<_, _>>().map(Self)
    }

    fn run(&self, text: &str) -> Option<String> {
        let mut bytes = text.as_bytes().to_vec();
        for step in &self.0 {
            bytes = step(bytes)?;
        }
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn step(written: &Written) -> Result<Step, String> {
    let wanted = plain(&written.op);
    let operation = OPERATIONS
        .iter()
        .find(|operation| plain(operation.name) == wanted)
        .ok_or_else(|| {
            let names: Vec<&str> = OPERATIONS.iter().map(|operation| operation.name).collect();
            format!(
                "the operation `{}` is not supported; these are: {}",
                written.op,
                names.join(", ")
            )
        })?;
    let failed = |error: String| format!("`{}`: {error}", operation.name);
    let further = written.args.iter().enumerate().skip(operation.obeyed);
    for (at, value) in further {
        let default = at
            .checked_sub(operation.obeyed)
            .and_then(|at| operation.defaults.get(at));
        if !default.is_some_and(|default| default.is(value)) {
            return Err(failed(format!(
                "argument {}, {value}, is not supported",
                at + 1
            )));
        }
    }
    (operation.make)(&written.args).map_err(failed)
}

/// CyberChef takes an operation's name in any case, with blanks or without.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|char| !char.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect()
}

struct Operation {
    name: &'static str,
    /// How many arguments, from the first, `make` reads.
    obeyed: usize,
    /// What the others are in a recipe that leaves them alone: CyberChef saves all. Other values are errors.
    defaults: &'static [Default],
    make: fn(&[Value]) -> Result<Step, String>,
}

enum Default {
    Flag(bool),
    Number(u64),
    Text(&'static str),
}

impl Default {
    fn is(&self, value: &Value) -> bool {
        match self {
            Self::Flag(flag) => value.as_bool() == Some(*flag),
            Self::Number(number) => value.as_u64() == Some(*number),
            Self::Text(text) => value.as_str() == Some(text),
        }
    }
}

/// Of the operations that decompress: where the data begin, and how memory is taken.
const INFLATES: &[Default] = &[
    Default::Number(0),
    Default::Number(0),
    Default::Text("Adaptive"),
    Default::Flag(false),
    Default::Flag(false),
];

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "From Base64",
        obeyed: 2,
        defaults: &[Default::Flag(false)],
        make: |args| {
            let (engine, signs) = base64(args)?;
            let passes_over = args.get(1).and_then(Value::as_bool).unwrap_or(true);
            Ok(Box::new(move |mut bytes| {
                if passes_over {
                    bytes.retain(|byte| byte.is_ascii_alphanumeric() || signs.contains(byte));
                }
                engine.decode(bytes).ok()
            }))
        },
    },
    Operation {
        name: "To Base64",
        obeyed: 1,
        defaults: &[],
        make: |args| {
            let (engine, _) = base64(args)?;
            Ok(Box::new(move |bytes| {
                Some(engine.encode(bytes).into_bytes())
            }))
        },
    },
    Operation {
        name: "From Hex",
        obeyed: 1,
        defaults: &[],
        make: |args| match args.first().and_then(Value::as_str) {
            None | Some("Auto" | "None" | "Space") => Ok(Box::new(|bytes| from_hex(&bytes))),
            Some(other) => Err(format!("the delimiter `{other}` is not supported")),
        },
    },
    Operation {
        name: "To Hex",
        obeyed: 1,
        defaults: &[Default::Number(0)],
        make: |args| {
            let between = match args.first().and_then(Value::as_str) {
                None | Some("Space") => " ",
                Some("None") => "",
                Some(other) => return Err(format!("the delimiter `{other}` is not supported")),
            };
            Ok(Box::new(move |bytes| {
                let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Some(pairs.join(between).into_bytes())
            }))
        },
    },
    Operation {
        name: "URL Decode",
        obeyed: 0,
        defaults: &[Default::Flag(true)],
        make: |_| {
            Ok(Box::new(|bytes| {
                let text = String::from_utf8_lossy(&bytes);
                Some(url_decoded(&text).into_bytes())
            }))
        },
    },
    Operation {
        name: "From Punycode",
        obeyed: 1,
        defaults: &[],
        make: |args| {
            let names = args.first().and_then(Value::as_bool).unwrap_or(false);
            Ok(Box::new(move |bytes| {
                let text = String::from_utf8(bytes).ok()?;
                let decoded = if names {
                    domain_from_punycode(&text)
                } else {
                    idna::punycode::decode_to_string(text.trim())
                };
                decoded.map(String::into_bytes)
            }))
        },
    },
    Operation {
        name: "Decode text",
        obeyed: 1,
        defaults: &[],
        make: |args| match args.first().and_then(Value::as_str) {
            Some("UTF-8 (65001)") => Ok(Box::new(Some)),
            Some("UTF-16LE (1200)") => Ok(Box::new(|bytes| utf16(&bytes, u16::from_le_bytes))),
            Some("UTF-16BE (1201)") => Ok(Box::new(|bytes| utf16(&bytes, u16::from_be_bytes))),
            other => Err(format!(
                "the encoding {} is not supported; these are: UTF-8 (65001), UTF-16LE (1200), UTF-16BE (1201)",
                other.map_or("must be named".to_owned(), |other| format!("`{other}`"))
            )),
        },
    },
    Operation {
        name: "Remove null bytes",
        obeyed: 0,
        defaults: &[],
        make: |_| {
            Ok(Box::new(|mut bytes| {
                bytes.retain(|byte| *byte != 0);
                Some(bytes)
            }))
        },
    },
    Operation {
        name: "Reverse",
        obeyed: 1,
        defaults: &[],
        make: |args| match args.first().and_then(Value::as_str) {
            Some("Byte") => Ok(Box::new(|mut bytes| {
                bytes.reverse();
                Some(bytes)
            })),
            None | Some("Character") => Ok(Box::new(|bytes| {
                let text = String::from_utf8_lossy(&bytes);
                Some(text.chars().rev().collect::<String>().into_bytes())
            })),
            Some(other) => Err(format!("reversing by `{other}` is not supported")),
        },
    },
    Operation {
        name: "ROT13",
        obeyed: 0,
        defaults: &[
            Default::Flag(true),
            Default::Flag(true),
            Default::Flag(false),
            Default::Number(13),
        ],
        make: |_| {
            Ok(Box::new(|mut bytes| {
                for byte in &mut bytes {
                    *byte = match *byte {
                        b'a'..=b'm' | b'A'..=b'M' => *byte + 13,
                        b'n'..=b'z' | b'N'..=b'Z' => *byte - 13,
                        other => other,
                    };
                }
                Some(bytes)
            }))
        },
    },
    Operation {
        name: "MD5",
        obeyed: 0,
        defaults: &[],
        make: |_| {
            Ok(Box::new(|bytes| {
                Some(digest::<md5::Md5>(&bytes).into_bytes())
            }))
        },
    },
    Operation {
        name: "SHA1",
        obeyed: 0,
        defaults: &[Default::Number(80)],
        make: |_| {
            Ok(Box::new(|bytes| {
                Some(digest::<sha1::Sha1>(&bytes).into_bytes())
            }))
        },
    },
    Operation {
        name: "SHA2",
        obeyed: 1,
        defaults: &[Default::Number(64), Default::Number(160)],
        make: |args| match args.first().and_then(Value::as_str) {
            Some("256") => Ok(Box::new(|bytes| {
                Some(digest::<sha2::Sha256>(&bytes).into_bytes())
            })),
            None | Some("512") => Ok(Box::new(|bytes| {
                Some(digest::<sha2::Sha512>(&bytes).into_bytes())
            })),
            Some(other) => Err(format!("the size `{other}` is not supported")),
        },
    },
    Operation {
        name: "Gunzip",
        obeyed: 0,
        defaults: &[],
        make: |_| {
            Ok(Box::new(|bytes| {
                inflated(flate2::read::MultiGzDecoder::new(bytes.as_slice()))
            }))
        },
    },
    Operation {
        name: "Zlib Inflate",
        obeyed: 0,
        defaults: INFLATES,
        make: |_| {
            Ok(Box::new(|bytes| {
                inflated(flate2::read::ZlibDecoder::new(bytes.as_slice()))
            }))
        },
    },
    Operation {
        name: "Raw Inflate",
        obeyed: 0,
        defaults: INFLATES,
        make: |_| {
            Ok(Box::new(|bytes| {
                inflated(flate2::read::DeflateDecoder::new(bytes.as_slice()))
            }))
        },
    },
];

/// How an alphabet is read and written, and its characters besides letters and digits.
fn base64(args: &[Value]) -> Result<(GeneralPurpose, &'static [u8]), String> {
    let (alphabet, padded, signs) = match args.first().and_then(Value::as_str) {
        None | Some("A-Za-z0-9+/=") => (&alphabet::STANDARD, true, &b"+/="[..]),
        Some("A-Za-z0-9-_") => (&alphabet::URL_SAFE, false, &b"-_="[..]),
        Some(other) => return Err(format!("the alphabet `{other}` is not supported")),
    };
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(padded)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    Ok((GeneralPurpose::new(alphabet, config), signs))
}

/// Pairs of hexadecimal digits, with or without `0x`, `\x`, blanks, commas and colons.
fn from_hex(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes)
        .replace("0x", " ")
        .replace("\\x", " ");
    let digits: Vec<u32> = text.chars().filter_map(|char| char.to_digit(16)).collect();
    let other =
        |char: char| !char.is_ascii_hexdigit() && !char.is_whitespace() && !",:;".contains(char);
    if digits.is_empty() || text.chars().any(other) {
        return None;
    }
    let pairs = digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |value, digit| value * 16 + digit));
    pairs.map(|value| u8::try_from(value).ok()).collect()
}

/// A name or address whose labels may be encoded each.
fn domain_from_punycode(text: &str) -> Option<String> {
    let (user, domain) = match text.rsplit_once('@') {
        Some((user, domain)) => (Some(user), domain),
        None => (None, text),
    };
    let labels: Option<Vec<String>> = domain
        .split('.')
        .map(|label| {
            let encoded = label
                .get(..4)
                .filter(|start| start.eq_ignore_ascii_case("xn--"));
            match encoded.and_then(|_| label.get(4..)) {
                Some(encoded) => idna::punycode::decode_to_string(&encoded.to_ascii_lowercase()),
                None => Some(label.to_owned()),
            }
        })
        .collect();
    let domain = labels?.join(".");
    Some(user.map_or(domain.clone(), |user| format!("{user}@{domain}")))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Vec<u8>> {
    let units = bytes
        .chunks_exact(2)
        .filter_map(|pair| pair.try_into().ok().map(unit));
    let text: String = char::decode_utf16(units)
        .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    Some(text.into_bytes())
}

/// The decompressed bytes; nothing if they are more than a value should hold.
fn inflated(reader: impl Read) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(MOST_BYTES + 1).read_to_end(&mut out).ok()?;
    (out.len() as u64 <= MOST_BYTES).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_names_every_operation() {
        let meaning = crate::commands::ALL
            .iter()
            .find(|command| command.usage.name == "cyberchef")
            .map(|command| command.usage.meaning);
        for operation in OPERATIONS {
            assert!(
                meaning.is_some_and(|text| text.contains(operation.name)),
                "{}",
                operation.name
            );
        }
    }
}
