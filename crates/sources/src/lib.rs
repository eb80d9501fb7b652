//! Readers: EVTX, event XML, JSON, CSV, Zeek, classic text; archives. One bad record never loses a file.

pub mod collect;
pub mod delivery;
pub mod evtx;
pub mod pack;
pub mod report;

mod archive;
mod classic;
mod csv;
mod json;
mod limits;
mod message;
mod piece;
mod read;
mod recognise;
mod record;
mod syslog;
mod text;
mod time;
mod xml;
mod zeek;

/// The time that a text names, in any form in which logs write one: microseconds since 1970-01-01 UTC. A text without a zone is
/// taken for UTC. `None` for what is not a time.
pub fn time_of(text: &str) -> Option<i64> {
    time::parse(text.trim()).map(|written| written.micros)
}

pub use limits::{Limits, Progress, Quiet};
pub use read::{Batch, InBatch, Input, Read, read, read_in_batches};
