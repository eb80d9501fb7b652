//! How much senders may demand of the server.

use std::time::Duration;

/// Limits for data from the network. The defaults suit a machine with a few gigabytes of memory.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request body, before and after decompression.
    pub body: usize,
    /// Maximum bytes that one compressed byte may become, beyond the first mebibyte.
    pub ratio: usize,
    /// Bytes that all requests together may hold in memory until they are written. Beyond this senders are told to
    /// wait.
    pub waiting: usize,
    /// Connections at the same time.
    pub connections: usize,
    /// Timeout for a request's head, and between two parts of its body.
    pub patience: Duration,
    /// Timeout for a whole request.
    pub request: Duration,
    /// How long a stop waits for requests in progress.
    pub drain: Duration,
    /// How long a repeated request is recognised and not taken again.
    pub repeats: Duration,
    /// Bytes of one syslog message or one line of JSON.
    pub message: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 100 << 20,
            ratio: 200,
            waiting: 256 << 20,
            connections: 4096,
            patience: Duration::from_secs(20),
            request: Duration::from_secs(300),
            drain: Duration::from_secs(10),
            repeats: Duration::from_secs(600),
            message: 1 << 20,
        }
    }
}
