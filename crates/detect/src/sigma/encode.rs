//! Values that rules give in plain text but logs contain encoded: `wide`, `utf16`, `utf16be`, `base64`, `base64offset`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsigma_parser::{DetectionItem, FieldSpec, Modifier, SigmaString, SigmaValue};

use super::rewrite::{dashes, raw, text_of};

/// The remaining modifiers, and for each value the texts that may represent it.
type Encoded = (Vec<Modifier>, Vec<Vec<SigmaValue>>);

/// The values of an item as they appear in logs: for each value its variants, and how to compare the field with them.
/// `None` if no modifier of the item encodes anything, or if the library should report an invalid combination.
///
/// Modifiers apply in the order they are written.
///
/// # Errors
/// Why a value has no encoded form.
pub(super) fn encoded(one: &DetectionItem) -> Result<Option<Encoded>, String> {
    let (mut wide, mut base64) = (0, 0);
    for modifier in &one.field.modifiers {
        match modifier {
            Modifier::Wide | Modifier::Utf16 | Modifier::Utf16be => wide += 1,
            Modifier::Base64 | Modifier::Base64Offset => base64 += 1,
            Modifier::WindAsh
            | Modifier::All
            | Modifier::Cased
            | Modifier::Contains
            | Modifier::StartsWith
            | Modifier::EndsWith => {}
            _ => return Ok(None),
        }
    }
    if wide + base64 == 0 || wide > 1 || base64 > 1 {
        return Ok(None);
    }
    let mut compared: Vec<Modifier> = one
        .field
        .modifiers
        .iter()
        .copied()
        .filter(|modifier| {
            matches!(
                modifier,
                Modifier::Cased | Modifier::Contains | Modifier::StartsWith | Modifier::EndsWith
            )
        })
        .collect();
    // The value may begin at any byte: it is always part of the text, and so is a keyword.
    let whole = compared.iter().all(|one| *one == Modifier::Cased);
    if whole && (one.field.has_modifier(Modifier::Base64Offset) || one.field.name.is_none()) {
        compared.push(Modifier::Contains);
    }
    let values = one
        .values
        .iter()
        .map(|value| variants(&one.field, value))
        .collect::<Result<_, _>>()?;
    Ok(Some((compared, values)))
}

fn variants(field: &FieldSpec, value: &SigmaValue) -> Result<Vec<SigmaValue>, String> {
    let text = match value {
        SigmaValue::Null => return Ok(vec![SigmaValue::Null]),
        SigmaValue::String(text) if text.contains_wildcards() => {
            return Err(format!(
                "`{}` has wildcards, which cannot be encoded: escape them with a backslash, or split the value",
                original(text)
            ));
        }
        value => text_of(value).unwrap_or_else(|| value.to_string()),
    };
    let mut all = vec![text.clone().into_bytes()];
    for modifier in &field.modifiers {
        all = match modifier {
            Modifier::Wide => utf16(&all, u16::to_le_bytes, false)?,
            Modifier::Utf16 => utf16(&all, u16::to_le_bytes, true)?,
            Modifier::Utf16be => utf16(&all, u16::to_be_bytes, false)?,
            Modifier::Base64 => all
                .iter()
                .map(|bytes| STANDARD.encode(bytes).into_bytes())
                .collect(),
            Modifier::Base64Offset => all.iter().flat_map(|bytes| offsets(bytes)).collect(),
            Modifier::WindAsh => {
                let mut more = Vec::new();
                for bytes in &all {
                    let variants = dashes(&readable(bytes)?)
                        .ok_or_else(|| format!("`{text}` has too many dashes for `windash`"))?;
                    more.extend(variants.into_iter().map(String::into_bytes));
                }
                more
            }
            _ => all,
        };
    }
    let mut values = Vec::with_capacity(all.len());
    for bytes in &all {
        let value = readable(bytes).map_err(|_| {
            format!(
                "`{text}` is not text in this encoding: put `base64` or `base64offset` after it"
            )
        })?;
        if !value.is_empty() {
            values.push(raw(&value));
        }
    }
    if values.is_empty() {
        return Err(format!("`{text}` is too short for `base64offset`"));
    }
    Ok(values)
}

fn original(text: &SigmaString) -> &str {
    &text.original
}

fn readable(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "not text".to_owned())
}

fn utf16(all: &[Vec<u8>], order: fn(u16) -> [u8; 2], mark: bool) -> Result<Vec<Vec<u8>>, String> {
    all.iter()
        .map(|bytes| {
            let text = readable(bytes)?;
            let mark = mark.then_some('\u{feff}');
            let mut units = [0; 2];
            let mut out = Vec::with_capacity(text.len() * 2 + 2);
            for letter in mark.into_iter().chain(text.chars()) {
                for unit in letter.encode_utf16(&mut units) {
                    out.extend(order(*unit));
                }
            }
            Ok(out)
        })
        .collect()
}

/// The part of the Base64 of bytes that does not depend on the surrounding bytes, for each of the three positions in a
/// group of three bytes at which they may begin.
fn offsets(bytes: &[u8]) -> Vec<Vec<u8>> {
    /// Number of letters at the beginning that depend on preceding bytes, by their count.
    const BEFORE: [usize; 3] = [0, 2, 3];
    BEFORE
        .into_iter()
        .enumerate()
        .filter_map(|(offset, before)| {
            let mut padded = vec![0; offset];
            padded.extend_from_slice(bytes);
            let whole = STANDARD.encode(&padded);
            // Letters at the end, with padding, that depend on following bytes, by the length of the last group.
            let behind = match padded.len() % 3 {
                0 => 0,
                1 => 3,
                _ => 2,
            };
            let fixed = whole.get(before..whole.len().checked_sub(behind)?)?;
            (!fixed.is_empty()).then(|| fixed.as_bytes().to_vec())
        })
        .collect()
}
