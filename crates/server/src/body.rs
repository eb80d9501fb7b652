//! Request bodies: read with a timeout, decompressed with limits.

use std::io::Read;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use crate::intake::{Intake, Refused, Room};
use crate::limits::Limits;

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is, or decompresses to, more than allowed.
    #[error(
        "the body is larger than {0} bytes, or decompresses to far more than its size explains"
    )]
    TooLarge(usize),
    /// Its compression is unknown.
    #[error("unknown content encoding {0}; use gzip, deflate or zstd")]
    Encoding(String),
    /// It is invalid, or the connection broke.
    #[error("the body cannot be read: {0}")]
    Broken(String),
    /// The peer is too slow.
    #[error("the body did not arrive in time")]
    Slow,
    /// There is no room.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// A body, with the memory it has reserved.
pub struct Whole {
    /// As it came.
    bytes: Bytes,
    encoding: Encoding,
    /// The room.
    pub room: Room,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    Gzip,
    Deflate,
    Zstd,
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, BodyError> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(Encoding::Plain);
    };
    let value = value.to_str().unwrap_or("?").trim().to_ascii_lowercase();
    match value.as_str() {
        "" | "identity" => Ok(Encoding::Plain),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        "deflate" => Ok(Encoding::Deflate),
        "zstd" => Ok(Encoding::Zstd),
        _ => Err(BodyError::Encoding(value.chars().take(40).collect())),
    }
}

/// Reads an unwanted body to its end, within limits: a peer that is still sending when its connection closes would not
/// see the error.
pub async fn discard(mut body: Body, limits: &Limits) {
    let end = Instant::now() + limits.patience;
    let mut left = limits.body;
    while let Ok(Some(Ok(frame))) = timeout_at(end, body.frame()).await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// Reads a body. If its length is known, memory is reserved before anything is read.
///
/// # Errors
/// Why it is not taken.
pub async fn read(
    headers: &HeaderMap,
    mut body: Body,
    intake: &Intake,
    limits: &Limits,
) -> Result<Whole, BodyError> {
    let read = read_within(headers, &mut body, intake, limits).await;
    if matches!(
        read,
        Err(BodyError::Refused(_) | BodyError::TooLarge(_) | BodyError::Encoding(_))
    ) {
        discard(body, limits).await;
    }
    read
}

async fn read_within(
    headers: &HeaderMap,
    body: &mut Body,
    intake: &Intake,
    limits: &Limits,
) -> Result<Whole, BodyError> {
    let encoding = encoding(headers)?;
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limits.body) {
        return Err(BodyError::TooLarge(limits.body));
    }
    let mut room = intake.admit(length.unwrap_or(0))?;
    let mut free = length.unwrap_or(0);
    let mut bytes = BytesMut::with_capacity(free.min(1 << 20));
    let end = Instant::now() + limits.request;
    loop {
        let frame = timeout(limits.patience, timeout_at(end, body.frame()));
        let frame = match frame.await {
            Ok(Ok(frame)) => frame,
            _ => return Err(BodyError::Slow),
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > limits.body {
            return Err(BodyError::TooLarge(limits.body));
        }
        let more = data.len().saturating_sub(free);
        free = free.saturating_sub(data.len());
        if more > 0 {
            room.grow(more, intake.most())?;
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Whole {
        bytes: bytes.freeze(),
        encoding,
        room,
    })
}

impl Whole {
    /// The decompressed body. This may take a while, so do not call it on a thread that serves others.
    ///
    /// # Errors
    /// If it is damaged, or becomes too large.
    pub fn inflate(&mut self, intake: &Intake, limits: &Limits) -> Result<Vec<u8>, BodyError> {
        let packed = std::mem::take(&mut self.bytes);
        let most = limits
            .body
            .min((1 << 20) + packed.len().saturating_mul(limits.ratio));
        let reader: Box<dyn Read + '_> = match self.encoding {
            Encoding::Plain => return Ok(packed.to_vec()),
            Encoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed.as_ref())),
            // Some senders write the bare stream, although the name means the one with a header.
            Encoding::Deflate if is_zlib(&packed) => {
                Box::new(flate2::read::ZlibDecoder::new(packed.as_ref()))
            }
            Encoding::Deflate => Box::new(flate2::read::DeflateDecoder::new(packed.as_ref())),
            Encoding::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(packed.as_ref());
                let mut decoder = decoder.map_err(|error| BodyError::Broken(error.to_string()))?;
                // 8 MiB, the window that RFC 9659 allows senders.
                decoder
                    .window_log_max(23)
                    .map_err(|error| BodyError::Broken(error.to_string()))?;
                Box::new(decoder)
            }
        };
        let mut reader = reader.take(most as u64 + 1);
        let mut out = Vec::new();
        let mut part = vec![0; 64 << 10];
        loop {
            match reader.read(&mut part) {
                Ok(0) => return Ok(out),
                Ok(count) => {
                    if out.len() + count > most {
                        return Err(BodyError::TooLarge(most));
                    }
                    self.room.grow(count, intake.most())?;
                    out.extend_from_slice(part.get(..count).unwrap_or_default());
                }
                Err(error) => return Err(BodyError::Broken(error.to_string())),
            }
        }
    }
}

/// Whether this is a zlib header (RFC 1950: deflate, and a multiple of 31).
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [cmf, flg, ..] if cmf & 0x0f == 8 && (u16::from(*cmf) << 8 | u16::from(*flg)) % 31 == 0)
}
