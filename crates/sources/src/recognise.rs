//! Recognising a source by its first bytes.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Empty,
    Evtx,
    Zip,
    Gzip,
    Tar,
    /// Journald's export format, which holds binary values.
    Journal,
    /// Logins on Linux: `wtmp`, `btmp`, `utmp`.
    Logins,
    /// A database of the Extensible Storage Engine.
    Database,
    /// Text in UTF-8 (or nearly so), or in UTF-16.
    Text(&'static Encoding),
    /// Something known that is not a log.
    Other(&'static str),
    /// Unrecognised bytes.
    Binary,
}

/// Number of bytes that recognition looks at.
pub(crate) const PREFIX: usize = 64 * 1024 + 4096 + 16;

const MAGICS: &[(&[u8], &str)] = &[
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (
        b"\xd4\xc3\xb2\xa1",
        "a packet capture (pcap); run Zeek over it and read Zeek's logs",
    ),
    (
        b"\xa1\xb2\xc3\xd4",
        "a packet capture (pcap); run Zeek over it and read Zeek's logs",
    ),
    (
        b"\x4d\x3c\xb2\xa1",
        "a packet capture (pcap); run Zeek over it and read Zeek's logs",
    ),
    (
        b"\x0a\x0d\x0d\x0a",
        "a packet capture (pcapng); run Zeek over it and read Zeek's logs",
    ),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\xfd7zXZ\0", "an xz archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive; unpack it first"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"regf", "a Windows registry hive"),
    (b"LfLe", "an old .evt log of Windows XP or 2003"),
    (b"\x30\0\0\0LfLe", "an old .evt log of Windows XP or 2003"),
    (b"\0\x05\x16\x07", "metadata of macOS (AppleDouble)"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "a Microsoft Office or installer file",
    ),
    (b"MDMP", "a memory dump"),
    (b"PAGEDU", "a memory dump"),
    (b"EMiL", "a disk image"),
    (b"EVF\x09", "a disk image"),
];

/// Recognises the format of data that begins with `prefix`: its first [`PREFIX`] bytes, or everything if it is shorter.
pub(crate) fn recognise(prefix: &[u8]) -> Format {
    if prefix.is_empty() {
        return Format::Empty;
    }
    if crate::evtx::is_evtx(prefix) {
        return Format::Evtx;
    }
    if prefix.starts_with(b"PK\x03\x04")
        || prefix.starts_with(b"PK\x05\x06")
        || prefix.starts_with(b"PK\x07\x08")
    {
        return Format::Zip;
    }
    if prefix.starts_with(b"\x1f\x8b\x08") {
        return Format::Gzip;
    }
    if prefix.get(257..262) == Some(b"ustar") || old_tar(prefix) {
        return Format::Tar;
    }
    if crate::journal::is_export(prefix) {
        return Format::Journal;
    }
    if crate::logins::is_logins(prefix) {
        return Format::Logins;
    }
    if crate::ese::is_database(prefix) {
        return Format::Database;
    }
    for (magic, name) in MAGICS {
        if prefix.starts_with(magic) {
            // Two letters prove little: text can begin with them too.
            if magic.len() == 2 && !prefix.iter().take(512).any(|byte| *byte == 0) {
                continue;
            }
            return Format::Other(name);
        }
    }
    if prefix.starts_with(b"\xff\xfe") {
        return Format::Text(UTF_16LE);
    }
    if prefix.starts_with(b"\xfe\xff") {
        return Format::Text(UTF_16BE);
    }
    // UTF-16 without a byte-order mark: logs are mostly ASCII, so every other byte is zero.
    let pairs = prefix.get(..1024).unwrap_or(prefix).as_chunks::<2>().0;
    if pairs.len() >= 2 {
        let first = pairs.iter().filter(|[first, _]| *first == 0).count();
        let second = pairs.iter().filter(|[_, second]| *second == 0).count();
        if second * 10 > pairs.len() * 7 && first * 10 < pairs.len() {
            return Format::Text(UTF_16LE);
        }
        if first * 10 > pairs.len() * 7 && second * 10 < pairs.len() {
            return Format::Text(UTF_16BE);
        }
    }
    // Text has few control characters. Tolerate a few: logs are truncated, patched and padded.
    let sample = prefix.get(..4096).unwrap_or(prefix);
    if sample.iter().all(|byte| *byte == 0) {
        return Format::Other("nothing but zero bytes");
    }
    let control = sample
        .iter()
        .filter(|byte| **byte < 0x20 && !matches!(**byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1e))
        .count();
    if control * 20 > sample.len() {
        Format::Binary
    } else {
        Format::Text(encoding_rs::UTF_8)
    }
}

/// A tar header from before 1988 has no magic, but a checksum.
fn old_tar(prefix: &[u8]) -> bool {
    let Some(header) = prefix.first_chunk::<512>() else {
        return false;
    };
    let field: String = header[148..156]
        .iter()
        .map(|byte| char::from(*byte))
        .collect();
    let Ok(sum) = u32::from_str_radix(field.trim_matches(|c: char| c == '\0' || c == ' '), 8)
    else {
        return false;
    };
    let real: u32 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum();
    sum == real && header[0] != 0
}
