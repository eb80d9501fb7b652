//! What was read, and what could not be.

use std::fmt;
use std::path::{Path, PathBuf};

/// The kind of a source, recognised by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// Windows event log file, MS-EVEN6 BinXML in 64 KiB chunks.
    Evtx,
    /// Event XML, as wevtutil and Event Viewer write it.
    Xml,
    /// JSON: lines or an array, in one of the known shapes.
    Json,
    /// A table of events, as EvtxECmd, `Export-Csv` and others write it.
    Csv,
    /// Zeek log, tab-separated or JSON.
    Zeek,
    /// Classic text of Splunk's `WinEventLog` input.
    WindowsText,
    /// Logs of Unix: lines of syslog, such as Linux's `auth.log`, exports of journald, records of auditd and `wtmp`.
    Syslog,
    /// A file that a program or service keeps about what it does, such as the trace of AnyDesk or the database of User Access Logging.
    Program,
    /// A zip, tar or gzip file; its contents are separate sources.
    Archive,
    /// Not readable by Crabwalk.
    Unknown,
}

impl SourceKind {
    /// The name used in `case.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Evtx => "evtx",
            Self::Xml => "xml",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Zeek => "zeek",
            Self::WindowsText => "windows-text",
            Self::Syslog => "syslog",
            Self::Program => "program",
            Self::Archive => "archive",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something in a source that could not be read or trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Byte offset in the (unpacked) source, if known.
    pub offset: Option<u64>,
    /// Record or line number, if known.
    pub record: Option<u64>,
    /// The problem, and how it was handled.
    pub message: String,
    /// Whether it lost data. A warning (such as a wrong checksum although all records read well) is not a loss.
    pub loss: bool,
}

/// The result of reading one file, archive member or standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReport {
    /// Index used by [`crate::collect::SOURCE`].
    pub id: u32,
    /// Path as given or found; members of archives as `archive.zip!/member`.
    pub path: String,
    /// The kind of the file, recognised from its content.
    pub kind: SourceKind,
    /// Unpacked size in bytes, as far as it was read.
    pub bytes: u64,
    /// Records read, including copies of records in other files.
    pub records: u64,
    /// Records known to exist that could not be read.
    pub skipped: u64,
    /// The first problems, at most [`SourceReport::MOST_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// Number of problems beyond those listed.
    pub more_problems: u64,
}

impl SourceReport {
    /// Maximum number of problems listed per source; more are only counted.
    pub const MOST_PROBLEMS: usize = 100;

    /// A report of a source of which nothing has been read yet.
    pub fn new(id: u32, path: String, kind: SourceKind) -> Self {
        Self {
            id,
            path,
            kind,
            bytes: 0,
            records: 0,
            skipped: 0,
            problems: Vec::new(),
            more_problems: 0,
        }
    }

    /// Notes a problem.
    pub fn problem(&mut self, problem: Problem) {
        if self.problems.len() < Self::MOST_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.more_problems += 1;
        }
    }

    /// Whether part of the source could not be read.
    pub fn is_lossy(&self) -> bool {
        self.skipped > 0
            || self.more_problems > 0
            || self.problems.iter().any(|problem| problem.loss)
    }
}

/// Whether there was nothing to read. An existing file without readable content is a result: its report says what is
/// wrong with it.
pub fn nothing_was_read(sources: &[SourceReport]) -> bool {
    sources.iter().all(|source| {
        source.is_lossy() && source.records == 0 && !Path::new(&source.path).is_file()
    })
}

/// Why nothing was read of these paths, for people.
pub fn why_nothing(sources: &[SourceReport], paths: &[PathBuf]) -> String {
    const MOST: usize = 5;
    let mut reasons: Vec<String> = sources
        .iter()
        .take(MOST)
        .map(|source| {
            let why = source
                .problems
                .first()
                .map_or("nothing in it was readable", |problem| {
                    problem.message.as_str()
                });
            format!("{}: {why}", source.path)
        })
        .collect();
    match (reasons.len(), paths) {
        (0, [one]) => format!("{}: contains no files", one.display()),
        (0, _) => "no files in any of the paths".to_owned(),
        (1, _) => reasons.remove(0),
        _ => {
            let more = sources.len() - reasons.len();
            if more > 0 {
                reasons.push(format!("and {more} more"));
            }
            format!("nothing could be read:\n  {}", reasons.join("\n  "))
        }
    }
}
