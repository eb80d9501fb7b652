//! How far reading goes, and who is told of its progress.

/// How far reading goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Threads that read; at least 1.
    pub threads: usize,
    /// How deep archives may stand in archives.
    pub archive_depth: u32,
    /// Most bytes that one file may unpack to, all levels together.
    pub archive_bytes: u64,
    /// Most bytes that an archive or member may unpack to for each byte of it, beyond [`archive_free_bytes`](Self::archive_free_bytes).
    pub archive_ratio: u64,
    /// Bytes that an archive or member may unpack to whatever its ratio.
    pub archive_free_bytes: u64,
    /// Most members that one file may hold, all levels together.
    pub archive_members: u64,
    /// Most bytes of one event of XML or classic text.
    pub event_bytes: usize,
    /// Most bytes of one JSON record or line.
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

/// Told now and then how far reading is. Called from several threads.
pub trait Progress: Send + Sync {
    /// How many bytes (on disk) there are to read. Called once, before anything is read.
    fn total(&self, bytes: u64);
    /// So many more bytes (on disk) were read, of this source.
    fn advance(&self, bytes: u64, path: &str);
}

/// Progress that nobody looks at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn total(&self, _: u64) {}
    fn advance(&self, _: u64, _: &str) {}
}
