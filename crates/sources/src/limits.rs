//! Limits of reading, and progress reports.

/// How far reading goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Threads that read; at least 1.
    pub threads: usize,
    /// Maximum nesting of archives.
    pub archive_depth: u32,
    /// Maximum bytes that one file may unpack to, all levels together.
    pub archive_bytes: u64,
    /// Maximum bytes that an archive or member may unpack to per packed byte, beyond
    /// [`archive_free_bytes`](Self::archive_free_bytes).
    pub archive_ratio: u64,
    /// Bytes that an archive or member may unpack to regardless of its ratio.
    pub archive_free_bytes: u64,
    /// Maximum members per file, all levels together.
    pub archive_members: u64,
    /// Maximum bytes of one event in XML or classic text.
    pub event_bytes: usize,
    /// Maximum bytes of one JSON record or line.
    pub line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            archive_depth: 4,
            archive_bytes: 256 << 30,
            archive_ratio: 200,
            archive_free_bytes: 64 << 20,
            archive_members: 1_000_000,
            event_bytes: 16 << 20,
            line_bytes: 64 << 20,
        }
    }
}

/// Receives progress from time to time. Called from several threads.
pub trait Progress: Send + Sync {
    /// The total number of bytes (on disk) to read. Called once, before anything is read.
    fn total(&self, bytes: u64);
    /// This many more bytes (on disk) of this source were read.
    fn advance(&self, bytes: u64, path: &str);
    /// Whether to give up. Reading then ends soon; what was read is incomplete, and nobody should use it.
    fn is_stopped(&self) -> bool {
        false
    }
}

/// Progress that is not reported.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn total(&self, _: u64) {}
    fn advance(&self, _: u64, _: &str) {}
}
