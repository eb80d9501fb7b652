//! Values as events write them.

/// A second in microseconds.
pub const SECOND: i64 = 1_000_000;

/// Decimal or `0x…`.
pub fn number(text: &str) -> u64 {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap_or(0),
        None => text.parse().unwrap_or(0),
    }
}

/// File name of a path with either separator.
pub fn base_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}
