//! Readers: EVTX, event XML, JSON, Zeek, classic text; archives. One bad record never loses a file.

pub mod collect;
pub mod evtx;
pub mod pack;
pub mod report;

mod archive;
mod classic;
mod json;
mod read;
mod recognise;
mod record;
mod syslog;
mod text;
mod time;
mod xml;
mod zeek;

pub use read::{Input, Limits, Progress, Quiet, Read, read};
