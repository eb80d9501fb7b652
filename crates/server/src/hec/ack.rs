//! Indexer acknowledgement: `ackId` in a response, and later its status.
//!
//! Events are on disk before the response, so the first query already gets a yes. Splunk reports each yes once and
//! forgets it, and so do we. The ids are lost when the server stops; a sender that gets a no repeats its request, and
//! that request is recognised ([`crate::intake`]).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A channel is forgotten after this long without a request.
const IDLE: Duration = Duration::from_secs(600);
/// Maximum number of channels, and of pending ids per channel, to remember.
const MOST_CHANNELS: usize = 100_000;
const MOST_UNREAD: usize = 100_000;

#[derive(Debug)]
struct Channel {
    next: u64,
    unread: BTreeSet<u64>,
    used: Instant,
}

/// The channels of all tokens.
#[derive(Debug, Default)]
pub struct Acks {
    channels: Mutex<HashMap<(String, String), Channel>>,
}

/// Whether a text is a UUID, ignoring case.
pub fn is_channel(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

impl Acks {
    /// An id for a request that was written.
    pub fn give(&self, token: &str, channel: &str) -> u64 {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if channels.len() >= MOST_CHANNELS {
            channels.retain(|_, channel| channel.used.elapsed() < IDLE);
            if channels.len() >= MOST_CHANNELS
                && let Some(oldest) = channels
                    .iter()
                    .min_by_key(|(_, channel)| channel.used)
                    .map(|(key, _)| key.clone())
            {
                channels.remove(&oldest);
            }
        }
        let key = (token.to_owned(), channel.to_ascii_lowercase());
        let channel = channels.entry(key).or_insert_with(|| Channel {
            next: 0,
            unread: BTreeSet::new(),
            used: Instant::now(),
        });
        channel.used = Instant::now();
        let id = channel.next;
        channel.next += 1;
        channel.unread.insert(id);
        if channel.unread.len() > MOST_UNREAD {
            channel.unread.pop_first();
        }
        id
    }

    /// Which of these ids are acknowledged; each is reported once.
    pub fn ask(&self, token: &str, channel: &str, ids: &[u64]) -> Vec<(u64, bool)> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (token.to_owned(), channel.to_ascii_lowercase());
        let mut known = channels.get_mut(&key);
        if let Some(channel) = &mut known {
            channel.used = Instant::now();
        }
        ids.iter()
            .map(|id| {
                let holds = known
                    .as_mut()
                    .is_some_and(|channel| channel.unread.remove(id));
                (*id, holds)
            })
            .collect()
    }

    /// Forgets unused channels.
    pub fn tidy(&self) {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|_, channel| channel.used.elapsed() < IDLE);
    }
}
