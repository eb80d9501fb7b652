//! Numbers as Windows writes them.

/// A number, decimal or hexadecimal with `0x`: process and logon ids come in both forms.
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bases() {
        for (text, value) in [
            ("0x2990d17", Some(0x299_0d17)),
            ("0X3E7", Some(0x3e7)),
            ("1280", Some(1280)),
            ("-", None),
            ("", None),
        ] {
            assert_eq!(number(text), value, "{text}");
        }
    }
}
