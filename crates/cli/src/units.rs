//! Times, sizes and numbers on the command line.

/// Splits a number from its unit.
fn split(text: &str) -> (&str, String) {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim().to_ascii_uppercase())
}

/// Reads a time: microseconds since 1970-01-01 UTC.
pub fn parse_time(text: &str) -> Result<i64, String> {
    crabwalk_vocabulary::time::moment(text, jiff::Timestamp::now().as_microsecond())
}

/// Reads a size in bytes, such as `500MB`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor = match unit.as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1_000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "T" | "TB" => 1_000_000_000_000,
        _ => {
            return Err(format!(
                "`{text}` has no known unit: write for example 500MB or 1GB"
            ));
        }
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| format!("`{text}` is not a size: write for example 500MB or 1GB"))
}

/// Parses a count, such as `3M`.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor = match unit.as_str() {
        "" => Some(1),
        "K" => Some(1_000),
        "M" => Some(1_000_000),
        _ => None,
    };
    factor
        .and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor))
        .ok_or_else(|| format!("`{text}` is not a number: write for example 500K or 3M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, size) in [
            ("12", Some(12)),
            ("500MB", Some(500_000_000)),
            ("1 gb", Some(1_000_000_000)),
            ("1TB", Some(1_000_000_000_000)),
            ("99999999999TB", None),
            ("1XB", None),
            ("GB", None),
            ("", None),
        ] {
            assert_eq!(parse_size(text).ok(), size, "{text}");
        }
    }

    #[test]
    fn numbers_are_read() {
        for (text, number) in [
            ("12", Some(12)),
            ("3M", Some(3_000_000)),
            ("500 k", Some(500_000)),
            ("1GB", None),
            ("M", None),
            ("-1", None),
            ("99999999999999M", None),
        ] {
            assert_eq!(parse_count(text).ok(), number, "{text}");
        }
    }
}
