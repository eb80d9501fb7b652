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
                Answer::text(args.text(0).map(|text| match number_of(&text) {
                    Some(number) => format!("0{:016x}", ordered_bits(number)),
                    None => match address_bits(&text) {
                        Some(address) => format!("1{address}"),
                        None => format!("2{text}"),
                    },
                }))
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
    fn bits_compare_as_numbers() {
        let numbers = [f64::MIN, -10.5, -1.0, 0.0, 0.25, 2.0, 10.0, f64::MAX];
        assert!(
            numbers
                .windows(2)
                .all(|pair| ordered_bits(pair[0]) < ordered_bits(pair[1]))
        );
    }
}
