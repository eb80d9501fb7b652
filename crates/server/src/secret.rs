//! Secrets: generated at random, stored as hashes, compared in constant time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The system provides no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system provides no random bytes: {0}")]
pub struct NoRandom(String);

/// Random bytes.
///
/// # Errors
/// If the system has none.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| NoRandom(error.to_string()))?;
    Ok(bytes)
}

/// 256 random bits as text that needs no escaping in URLs and headers.
///
/// # Errors
/// If the system has no random bytes.
pub fn word() -> Result<String, NoRandom> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// A random UUID, the form that Splunk's senders expect of a token.
///
/// # Errors
/// If the system has no random bytes.
pub fn uuid() -> Result<String, NoRandom> {
    let mut bytes = random::<16>()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex(&bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok([
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-"))
}

/// Bytes as hexadecimal text.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            // Writing into a text cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// The stored hash of a secret. The secret is random and long, so one round is enough.
pub fn digest(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

/// Whether two digests are equal. The time taken does not reveal how similar they are.
pub fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}
