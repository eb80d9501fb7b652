//! How much senders may ask of the server.

use std::time::Duration;

/// Limits of what comes over the network. The defaults suit a machine with a few gigabytes of memory.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one request's body, before and after it is inflated.
    pub body: usize,
    /// Most bytes that one compressed byte may become, beyond the first mebibyte.
    pub ratio: usize,
    /// Bytes that all requests together may hold in memory until they are written. Beyond them senders are told to wait.
    pub waiting: usize,
    /// Connections at the same time.
    pub connections: usize,
    /// How long a peer may take for a request's head, and between two parts of its body.
    pub patience: Duration,
    /// How long a whole request may take to arrive.
    pub request: Duration,
    /// How long a stop waits for what is under way.
    pub drain: Duration,
    /// Within this time a request that is sent again is not taken again.
    pub repeats: Duration,
    /// Bytes of one message of syslog or one line of JSON.
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
