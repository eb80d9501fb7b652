//! Windows event log files (MS-EVEN6 BinXML).

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;

use crate::collect::Collector;
use crate::report::{Problem, SourceReport};

/// Whether a file that begins with these bytes is an event log.
pub fn is_evtx(prefix: &[u8]) -> bool {
    prefix.starts_with(b"ElfFile\0")
        || prefix
            .get(4096..4104)
            .is_some_and(|magic| magic == b"ElfChnk\0")
}

/// Number of chunks of a file of this length in bytes.
pub fn chunk_count(length: u64) -> u64 {
    length.saturating_sub(4096).div_ceil(65536)
}

/// Reads event logs.
#[derive(Debug, Default)]
pub struct EvtxReader {}

impl EvtxReader {
    /// A reader.
    pub fn new() -> Self {
        Self {}
    }

    /// Reads a whole log from a stream.
    ///
    /// # Errors
    /// Where the input cannot be read.
    pub fn read(
        &mut self,
        mut input: impl Read,
        _source: u32,
        _collector: &mut Collector<'_>,
        report: &mut SourceReport,
    ) -> io::Result<()> {
        io::copy(&mut input, &mut io::sink())?;
        report.problem(Problem {
            offset: None,
            record: None,
            message: "EVTX is read by another module".to_owned(),
            loss: true,
        });
        Ok(())
    }

    /// Reads some chunks of a log.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read_file_range(
        &mut self,
        _file: &File,
        _chunks: Range<u64>,
        _source: u32,
        _collector: &mut Collector<'_>,
        report: &mut SourceReport,
    ) -> io::Result<()> {
        report.problem(Problem {
            offset: None,
            record: None,
            message: "EVTX is read by another module".to_owned(),
            loss: true,
        });
        Ok(())
    }
}
