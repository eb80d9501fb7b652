//! Sort keys for values.

use std::net::IpAddr;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;

use super::{Answer, Entry, Prepared, call};
use crate::column::Typed;
use crate::value::number_of;

pub(super) const FUNCTIONS: &[Entry] = &[
    Entry {
        name: "spl_sort_key",
        prepare: |_| {
            Ok(Prepared::rows(DataType::Utf8, |args| {
                Answer::text(args.text(0).map(|text| key(&text)))
            }))
        },
    },
    Entry {
        name: "spl_address_key",
        prepare: |_| {
            Ok(Prepared::rows(DataType::Utf8, |args| {
                Answer::text(
                    args.text(0)
                        .map(|text| address_bits(&text).unwrap_or_else(|| format!("2{text}"))),
                )
            }))
        },
    },
];

/// A text that sorts as a value does: numbers and texts that begin with one by that number, then IP addresses, then other
/// texts. (Splunk's `sort`: a text whose first character is a digit goes by its number, any other is lexicographic.)
fn key(text: &str) -> String {
    if let Some(number) = number_of(text) {
        return format!("0{:016x}", ordered_bits(number));
    }
    if let Some(address) = address_bits(text) {
        return format!("1{address}");
    }
    match leading_number(text) {
        Some((number, rest)) => format!("0{:016x}{rest}", ordered_bits(number)),
        None => format!("2{text}"),
    }
}

/// The number without a sign at the start of a text, and what is behind it.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let behind = text.get(whole..)?;
    let decimals = behind.strip_prefix('.').map_or(0, digits);
    let length = whole + if decimals > 0 { decimals + 1 } else { 0 };
    let (number, rest) = text.split_at_checked(length).filter(|_| whole > 0)?;
    Some((number_of(number)?, rest))
}

/// Sorts numbers, then IP addresses, then text, each in its own order.
pub(crate) fn sort_key(value: Typed) -> Expr {
    call("spl_sort_key", DataType::Utf8, vec![value.expr]).expr
}

/// An IP address as text that sorts as addresses do.
fn address_bits(text: &str) -> Option<String> {
    Some(match text.trim().parse::<IpAddr>().ok()? {
        IpAddr::V4(address) => format!("0{:032x}", u32::from(address)),
        IpAddr::V6(address) => format!("1{:032x}", u128::from(address)),
    })
}

/// Sorts IP addresses by value, before other text.
pub(crate) fn address_key(value: Typed) -> Expr {
    call("spl_address_key", DataType::Utf8, vec![value.expr]).expr
}

/// Bits that compare as the numbers do.
fn ordered_bits(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits >> 63 == 0 {
        bits | (1 << 63)
    } else {
        !bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_compare_as_values() {
        let values = [
            "-3",
            "0x17",
            "2",
            "2.5 MB",
            "9",
            "9a",
            "9b",
            "10",
            "10 MB",
            "2024-03-04",
            "9.9.9.9",
            "10.0.0.9",
            "10.0.0.10",
            "fe80::1",
            "-x",
            "Host10",
            "Host9",
            "host",
        ];
        for pair in values.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn bits_compare_as_numbers() {
        let numbers = [f64::MIN, -10.5, -1.0, 0.0, 0.25, 2.0, 10.0, f64::MAX];
        assert!(
            numbers
                .windows(2)
                .all(|pair| ordered_bits(pair[0]) < ordered_bits(pair[1]))
        );
    }
}
