//! Text of typed BinXML values, as Windows renders them (MS-EVEN6 2.2.12 to 2.2.18).

use std::fmt::Write;

/// Value type codes of BinXML.
pub(super) mod code {
    pub const NULL: u8 = 0x00;
    pub const STRING: u8 = 0x01;
    pub const ANSI: u8 = 0x02;
    pub const FILETIME: u8 = 0x11;
    pub const SID: u8 = 0x13;
    pub const BINXML: u8 = 0x21;
    pub const ARRAY: u8 = 0x80;
}

/// 100 ns ticks from 1601-01-01 to 1970-01-01.
const EPOCH_TICKS: u64 = 116_444_736_000_000_000;
/// First tick of the year 10000.
const TICKS_END: u64 = 2_650_467_744_000_000_000;

/// Microseconds since 1970-01-01 UTC of a FILETIME, or `None` if it is zero or after the year 9999.
pub(super) fn filetime_micros(ticks: u64) -> Option<i64> {
    (ticks != 0 && ticks < TICKS_END).then(|| clamped_micros(ticks))
}

/// Like [`filetime_micros`], with out-of-range values moved to the nearest representable time.
pub(super) fn clamped_micros(ticks: u64) -> i64 {
    let micros = i64::try_from(ticks.min(TICKS_END - 1) / 10).unwrap_or(i64::MAX);
    micros - i64::try_from(EPOCH_TICKS / 10).unwrap_or(0)
}

/// Appends UTF-16LE text, up to its trailing NULs. Invalid units, and NULs inside, become U+FFFD.
pub(super) fn utf16(mut bytes: &[u8], out: &mut String) {
    while let [rest @ .., 0, 0] = bytes
        && rest.len() % 2 == 0
    {
        bytes = rest;
    }
    out.reserve(bytes.len() / 2);
    // ASCII, eight units at a time.
    let mut block = [0_u8; 8];
    while let Some((units, rest)) = bytes.split_first_chunk::<16>() {
        let mut high = 0_u8;
        let mut zero = false;
        for (byte, [low, upper]) in block.iter_mut().zip(units.as_chunks::<2>().0) {
            *byte = *low;
            high |= upper | (low & 0x80);
            zero |= *low == 0;
        }
        if high != 0 || zero {
            break;
        }
        match std::str::from_utf8(&block) {
            Ok(text) => out.push_str(text),
            Err(_) => break,
        }
        bytes = rest;
    }
    let units = bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|unit| u16::from_le_bytes(*unit));
    for unit in char::decode_utf16(units) {
        match unit {
            Ok('\0') | Err(_) => out.push(char::REPLACEMENT_CHARACTER),
            Ok(char) => out.push(char),
        }
    }
}

fn little(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .take(8)
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn signed(bytes: &[u8]) -> i64 {
    let bits = 8 * u32::try_from(bytes.len().clamp(1, 8)).unwrap_or(8);
    (little(bytes) << (64 - bits)).cast_signed() >> (64 - bits)
}

fn decimal(value: u64, out: &mut String) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    for digit in digits.iter_mut().rev() {
        at -= 1;
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let digits = digits.get(at..).unwrap_or_default();
    out.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

/// The hexadecimal digit of a number below 16; `ten` is that of ten.
fn digit(number: u8, ten: u8) -> char {
    char::from(match number {
        0..10 => b'0' + number,
        _ => ten + (number - 10),
    })
}

fn hex(bytes: &[u8], out: &mut String) {
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(digit(byte >> 4, b'A'));
        out.push(digit(byte & 15, b'A'));
    }
}

fn padded<const WIDTH: usize>(value: u64, out: &mut String) {
    let mut digits = [b'0'; WIDTH];
    let mut rest = value;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.push_str(std::str::from_utf8(&digits).unwrap_or_default());
}

/// Appends a date and time of day with seven decimals.
fn time_text(date: (u64, u64, u64), ticks_of_day: u64, out: &mut String) {
    padded::<4>(date.0, out);
    out.push('-');
    padded::<2>(date.1, out);
    out.push('-');
    padded::<2>(date.2, out);
    out.push('T');
    padded::<2>(ticks_of_day / 36_000_000_000, out);
    out.push(':');
    padded::<2>(ticks_of_day / 600_000_000 % 60, out);
    out.push(':');
    padded::<2>(ticks_of_day / 10_000_000 % 60, out);
    out.push('.');
    padded::<7>(ticks_of_day % 10_000_000, out);
    out.push('Z');
}

/// Year, month, day of a day count since 1601-01-01 (proleptic Gregorian).
fn date_of(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day ends the year.
    let days = days + 584_694;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

fn filetime(ticks: u64, out: &mut String) {
    if ticks >= TICKS_END {
        decimal(ticks, out);
        return;
    }
    const DAY: u64 = 864_000_000_000;
    time_text(date_of(ticks / DAY), ticks % DAY, out);
}

fn systemtime(bytes: &[u8], out: &mut String) {
    let part = |at: usize| bytes.get(at * 2..at * 2 + 2).map_or(0, little);
    let ticks =
        part(4) * 36_000_000_000 + part(5) * 600_000_000 + part(6) * 10_000_000 + part(7) * 10_000;
    time_text((part(0), part(1), part(3)), ticks, out);
}

fn guid(bytes: &[u8], out: &mut String) {
    // A number of four bytes and two of two, little-endian, and eight single bytes.
    let Some([a, b, c, d, e, f, g, h, single @ ..]) = bytes.first_chunk::<16>() else {
        return hex(bytes, out);
    };
    let numbers = [d, c, b, a, f, e, h, g];
    out.push('{');
    for (at, byte) in numbers.into_iter().chain(single).enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push(digit(byte >> 4, b'a'));
        out.push(digit(byte & 15, b'a'));
    }
    out.push('}');
}

fn sid(bytes: &[u8], out: &mut String) {
    let Some((head, subs)) = bytes.split_first_chunk::<8>() else {
        return hex(bytes, out);
    };
    out.push_str("S-");
    decimal(u64::from(head[0]), out);
    out.push('-');
    decimal(
        head[2..]
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
        out,
    );
    for sub in subs.as_chunks::<4>().0.iter().take(usize::from(head[1])) {
        out.push('-');
        decimal(little(sub), out);
    }
}

/// Appends the text of a single value. Unknown types and wrong sizes are written as hex, never lost.
pub(super) fn render(kind: u8, bytes: &[u8], out: &mut String) {
    // Writing to a String cannot fail.
    match kind {
        code::NULL | code::BINXML => {}
        code::STRING => utf16(bytes, out),
        code::ANSI => {
            let mut text = bytes;
            while let [rest @ .., 0] = text {
                text = rest;
            }
            let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(text);
            out.push_str(&text);
        }
        _ if bytes.is_empty() => {}
        0x03 | 0x05 | 0x07 | 0x09 => {
            let value = signed(bytes);
            if value < 0 {
                out.push('-');
            }
            decimal(value.unsigned_abs(), out);
        }
        0x04 | 0x06 | 0x08 | 0x0a => decimal(little(bytes), out),
        0x0b => match bytes.first_chunk() {
            Some(bits) => {
                let _ = write!(out, "{:?}", f32::from_le_bytes(*bits));
            }
            None => hex(bytes, out),
        },
        0x0c => match bytes.first_chunk() {
            Some(bits) => {
                let _ = write!(out, "{:?}", f64::from_le_bytes(*bits));
            }
            None => hex(bytes, out),
        },
        0x0d => match little(bytes) {
            0 => out.push_str("false"),
            _ => out.push_str("true"),
        },
        0x0f => guid(bytes, out),
        0x10 | 0x14 | 0x15 => {
            let _ = write!(out, "0x{:x}", little(bytes));
        }
        code::FILETIME if bytes.len() >= 8 => filetime(little(bytes), out),
        0x12 if bytes.len() >= 16 => systemtime(bytes, out),
        code::SID => sid(bytes, out),
        _ => hex(bytes, out),
    }
}

/// Calls `each` with the type and bytes of every item of an array value.
pub(super) fn items<'a>(kind: u8, bytes: &'a [u8], mut each: impl FnMut(u8, &'a [u8])) {
    let item = kind & !code::ARRAY;
    let width = match item {
        code::STRING => {
            let units = bytes.as_chunks::<2>().0;
            for text in units.split_inclusive(|unit| *unit == [0, 0]) {
                let text = text.strip_suffix(&[[0, 0]]).unwrap_or(text);
                each(item, text.as_flattened());
            }
            return;
        }
        code::ANSI => {
            for text in bytes.split_inclusive(|byte| *byte == 0) {
                each(item, text.strip_suffix(&[0]).unwrap_or(text));
            }
            return;
        }
        code::SID => {
            let mut rest = bytes;
            while let Some([_, parts, ..]) = rest.first_chunk::<8>() {
                let length = 8 + 4 * usize::from(*parts);
                let (sid, more) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                each(item, sid);
                rest = more;
            }
            return;
        }
        0x03 | 0x04 => 1,
        0x05 | 0x06 => 2,
        0x07 | 0x08 | 0x0b | 0x0d | 0x14 => 4,
        0x09 | 0x0a | 0x0c | 0x11 | 0x15 => 8,
        0x0f | 0x12 => 16,
        _ => return each(0x0e, bytes),
    };
    for value in bytes.chunks(width) {
        each(item, value);
    }
}

/// The number in a typed or text value.
pub(super) fn number(kind: u8, bytes: &[u8]) -> Option<u64> {
    match kind {
        code::STRING => {
            let mut text = String::new();
            utf16(bytes, &mut text);
            text.trim().parse().ok()
        }
        0x03..=0x0a | 0x14 | 0x15 if matches!(bytes.len(), 1 | 2 | 4 | 8) => Some(little(bytes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: u8, bytes: &[u8]) -> String {
        let mut out = String::new();
        render(kind, bytes, &mut out);
        out
    }

    #[test]
    fn values_read_as_windows_writes_them() {
        let wide = |text: &str| {
            text.encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<u8>>()
        };
        let cases: &[(u8, Vec<u8>, &str)] = &[
            (
                0x01,
                wide("plain and long enough\0\0"),
                "plain and long enough",
            ),
            (0x01, wide("Grüße 😀 at the end"), "Grüße 😀 at the end"),
            (
                0x01,
                wide("inner\0NUL of a text"),
                "inner\u{fffd}NUL of a text",
            ),
            (0x01, vec![0x00, 0xd8, b'x', 0], "\u{fffd}x"),
            (0x02, b"caf\xe9\0\0".to_vec(), "café"),
            (0x03, vec![0xff], "-1"),
            (0x07, (-17_i32).to_le_bytes().to_vec(), "-17"),
            (
                0x09,
                i64::MIN.to_le_bytes().to_vec(),
                "-9223372036854775808",
            ),
            (
                0x0a,
                u64::MAX.to_le_bytes().to_vec(),
                "18446744073709551615",
            ),
            (0x0d, vec![1, 0, 0, 0], "true"),
            (0x0d, vec![0, 0, 0, 0], "false"),
            (0x0e, vec![0x0a, 0xff], "0AFF"),
            (0x14, vec![0x17, 0, 0, 0], "0x17"),
            (
                0x11,
                0_u64.to_le_bytes().to_vec(),
                "1601-01-01T00:00:00.0000000Z",
            ),
            (
                0x11,
                (EPOCH_TICKS + 951_782_400 * 10_000_000 + 1)
                    .to_le_bytes()
                    .to_vec(),
                "2000-02-29T00:00:00.0000001Z",
            ),
            (
                0x11,
                (TICKS_END - 1).to_le_bytes().to_vec(),
                "9999-12-31T23:59:59.9999999Z",
            ),
            (
                0x13,
                vec![1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0],
                "S-1-5-32-544",
            ),
            (
                0x0f,
                (0..16).collect(),
                "{03020100-0504-0706-0809-0a0b0c0d0e0f}",
            ),
            (0x77, vec![1], "01"),
        ];
        for (kind, bytes, expected) in cases {
            assert_eq!(&text(*kind, bytes), expected, "type {kind:#x} of {bytes:?}");
        }
    }

    #[test]
    fn dates_agree_with_jiff() {
        for day in (0..3_067_000_u64).step_by(37) {
            let (year, month, date) = date_of(day);
            let expected = jiff::civil::date(1601, 1, 1)
                .checked_add(jiff::Span::new().days(i64::try_from(day).unwrap_or(0)));
            let Ok(expected) = expected else { continue };
            assert_eq!(
                (i64::try_from(year).unwrap_or(0), month, date),
                (
                    i64::from(expected.year()),
                    expected.month() as u64,
                    expected.day() as u64
                ),
                "day {day}"
            );
        }
    }
}
