//! A batch: the events of one request as stored in the write-ahead log.
//!
//! A request is parsed once, when it is checked; the log stores each event's text and its envelope. A batch records its
//! request ([`Batch::key`]), so that a request repeated after a crash is recognised.

/// The sender of a batch: how, with which token, from where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sender {
    /// The input: `hec`, `elastic`, `syslog`, `json`, `folder`.
    pub way: String,
    /// Name of the token; empty without one.
    pub token: String,
    /// Address of the peer, without its port.
    pub peer: String,
}

impl Sender {
    /// The name of its events' source: `hec:laptops@192.0.2.7`.
    pub fn name(&self) -> String {
        match self.token.as_str() {
            "" => format!("{}:{}", self.way, self.peer),
            token => format!("{}:{token}@{}", self.way, self.peer),
        }
    }
}

/// One event and its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Event time according to the envelope, in microseconds since 1970-01-01 UTC.
    pub time: Option<i64>,
    /// Labels of the envelope; empty if it has none.
    pub host: String,
    /// Likewise.
    pub source: String,
    /// Likewise.
    pub sourcetype: String,
    /// Likewise.
    pub index: String,
    /// Further fields.
    pub fields: Vec<(String, String)>,
    /// The event.
    pub text: String,
}

/// The events of one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// When it was received, in microseconds since 1970-01-01 UTC.
    pub received: i64,
    /// Who sent it.
    pub sender: Sender,
    /// A hash of the whole request; 0 if an equal request must count as another one.
    pub key: u128,
    /// The events.
    pub events: Vec<Event>,
}

const VERSION: u8 = 1;

/// The bytes are not a batch. A log with correct checksums contains none, unless a newer version wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log holds a batch that this version cannot read")]
pub struct NoBatch;

fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], NoBatch> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(NoBatch)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, NoBatch> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take(1)? else {
                return Err(NoBatch);
            };
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(NoBatch)
    }

    fn text(&mut self) -> Result<String, NoBatch> {
        let length = usize::try_from(self.number()?).map_err(|_| NoBatch)?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| NoBatch)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], NoBatch> {
        self.take(N)?.try_into().map_err(|_| NoBatch)
    }
}

impl Batch {
    /// The batch as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let size: usize = self.events.iter().map(|event| event.text.len() + 64).sum();
        let mut out = Vec::with_capacity(size + 64);
        out.push(VERSION);
        out.extend_from_slice(&self.received.to_le_bytes());
        out.extend_from_slice(&self.key.to_le_bytes());
        for text in [&self.sender.way, &self.sender.token, &self.sender.peer] {
            put_text(&mut out, text);
        }
        put_number(&mut out, self.events.len() as u64);
        for event in &self.events {
            out.push(u8::from(event.time.is_some()));
            if let Some(time) = event.time {
                out.extend_from_slice(&time.to_le_bytes());
            }
            for text in [&event.host, &event.source, &event.sourcetype, &event.index] {
                put_text(&mut out, text);
            }
            put_number(&mut out, event.fields.len() as u64);
            for (name, value) in &event.fields {
                put_text(&mut out, name);
                put_text(&mut out, value);
            }
            put_text(&mut out, &event.text);
        }
        out
    }

    /// Reads a batch.
    ///
    /// # Errors
    /// If the bytes are not a batch.
    pub fn decode(bytes: &[u8]) -> Result<Self, NoBatch> {
        let mut bytes = Bytes(bytes);
        if bytes.take(1)? != [VERSION] {
            return Err(NoBatch);
        }
        let received = i64::from_le_bytes(bytes.array()?);
        let key = u128::from_le_bytes(bytes.array()?);
        let sender = Sender {
            way: bytes.text()?,
            token: bytes.text()?,
            peer: bytes.text()?,
        };
        let count = bytes.number()?;
        let mut events = Vec::new();
        for _ in 0..count {
            let time = match bytes.take(1)? {
                [0] => None,
                _ => Some(i64::from_le_bytes(bytes.array()?)),
            };
            let (host, source) = (bytes.text()?, bytes.text()?);
            let (sourcetype, index) = (bytes.text()?, bytes.text()?);
            let mut fields = Vec::new();
            for _ in 0..bytes.number()? {
                fields.push((bytes.text()?, bytes.text()?));
            }
            events.push(Event {
                time,
                host,
                source,
                sourcetype,
                index,
                fields,
                text: bytes.text()?,
            });
        }
        Ok(Self {
            received,
            sender,
            key,
            events,
        })
    }

    /// Whether each event has its time, which distinguishes an event sent again from one that happened again.
    pub fn is_dated(&self) -> bool {
        self.events
            .iter()
            .all(|event| event.time.is_some() || has_clock(&event.text))
    }
}

/// Whether a text has a time of day (`12:34:56`) in its first kilobytes.
fn has_clock(text: &str) -> bool {
    let bytes = text.as_bytes();
    let bytes = bytes.get(..4096).unwrap_or(bytes);
    bytes.windows(8).any(|part| {
        part.iter().enumerate().all(|(at, byte)| match at {
            2 | 5 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_read_as_it_was_written() {
        let batch = Batch {
            received: -5,
            sender: Sender {
                way: "hec".to_owned(),
                token: "laptops".to_owned(),
                peer: "192.0.2.7".to_owned(),
            },
            key: u128::MAX - 3,
            events: vec![
                Event {
                    time: Some(i64::MAX),
                    host: "ws1".to_owned(),
                    fields: vec![("team".to_owned(), "grün".to_owned())],
                    text: "x".repeat(300),
                    ..Event::default()
                },
                Event::default(),
            ],
        };
        let bytes = batch.encode();
        assert_eq!(Batch::decode(&bytes), Ok(batch));
        // A batch cut anywhere is invalid, and nothing panics.
        for end in 0..bytes.len() {
            assert_eq!(Batch::decode(&bytes[..end]), Err(NoBatch));
        }
    }

    #[test]
    fn clocks() {
        for (text, has) in [
            ("Nov 29 01:02:03 ws1 x: y", true),
            ("12:34", false),
            ("a1:22:33", false),
            ("{\"t\":\"2026-01-01T10:00:00Z\"}", true),
        ] {
            assert_eq!(has_clock(text), has, "{text}");
        }
    }
}
