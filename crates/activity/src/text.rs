//! Values as events write them.

/// A second in microseconds.
pub const SECOND: i64 = 1_000_000;

/// A number, decimal or hexadecimal with `0x`; `None` for all else.
pub fn parsed_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// As [`parsed_number`], with 0, which Windows writes for "none", where there is no number.
pub fn number(text: &str) -> u64 {
    parsed_number(text).unwrap_or(0)
}

/// File name of a path with either separator.
pub fn base_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}
