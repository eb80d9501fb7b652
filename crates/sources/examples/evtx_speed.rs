//! Compares the time to read event logs: records of the `evtx` crate without rendering, and Crabwalk's reader with
//! nothing and with everything demanded. Takes paths of files; single thread, files in memory, best of five.
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crabwalk_sources::collect::{Collector, Columns, Demand, Everything};
use crabwalk_sources::evtx::EvtxReader;
use crabwalk_sources::report::{SourceKind, SourceReport};

struct Nothing;

impl Demand for Nothing {
    fn columns(&self, _: &str, _: u32) -> Columns {
        Columns::None
    }
}

/// Four fields of the logons.
struct Few;

impl Demand for Few {
    fn columns(&self, _: &str, event_id: u32) -> Columns {
        match event_id {
            1 | 4624 | 4688 | 7045 => {
                let names = ["TargetUserName", "LogonType", "IpAddress", "CommandLine"];
                Columns::Named(Arc::new(
                    names.iter().map(|name| (*name).to_owned()).collect(),
                ))
            }
            _ => Columns::None,
        }
    }
}

fn best(mut work: impl FnMut() -> u64) -> (Duration, u64) {
    let mut shortest = Duration::MAX;
    let mut count = 0;
    for _ in 0..5 {
        let start = Instant::now();
        count = work();
        shortest = shortest.min(start.elapsed());
    }
    (shortest, count)
}

fn ours(files: &[Vec<u8>], demand: &dyn Demand, merge: bool) -> u64 {
    let mut collector = Collector::new(demand);
    let mut reader = EvtxReader::new();
    let mut records = 0;
    for (id, file) in (0..).zip(files) {
        let mut report = SourceReport::new(id, String::new(), SourceKind::Evtx);
        if reader
            .read(file.as_slice(), id, &mut collector, &mut report)
            .is_ok()
        {
            records += report.records;
        }
    }
    if merge && Collector::merge(vec![collector]).is_err() {
        return 0;
    }
    records
}

fn main() -> std::io::Result<()> {
    let files = std::env::args()
        .skip(1)
        .map(std::fs::read)
        .collect::<Result<Vec<_>, _>>()?;
    let bytes: usize = files.iter().map(Vec::len).sum();
    println!("{} files, {} MB", files.len(), bytes / 1_000_000);
    let settings = Arc::new(evtx::ParserSettings::new().num_threads(1));
    let bare = || {
        let mut records = 0;
        for file in &files {
            let Ok(parser) =
                evtx::EvtxParser::from_read_seek(std::io::Cursor::new(file.as_slice()))
            else {
                continue;
            };
            let mut parser = parser.with_configuration(evtx::ParserSettings::new().num_threads(1));
            for chunk in parser.chunks() {
                let Ok(mut chunk) = chunk else { continue };
                let Ok(mut chunk) = chunk.parse(Arc::clone(&settings)) else {
                    continue;
                };
                records += chunk.iter().filter(Result::is_ok).count() as u64;
            }
        }
        records
    };
    let show = |what: &str, (time, records): (Duration, u64)| {
        let seconds = time.as_secs_f64();
        println!(
            "{what:<28} {seconds:8.3} s  {records:8} records  {:8.0} records/s",
            records as f64 / seconds
        );
    };
    show("evtx crate, not rendered", best(bare));
    show("nothing demanded", best(|| ours(&files, &Nothing, true)));
    show("few columns demanded", best(|| ours(&files, &Few, true)));
    show(
        "everything, not finished",
        best(|| ours(&files, &Everything, false)),
    );
    show(
        "everything, Arrow batches",
        best(|| ours(&files, &Everything, true)),
    );
    Ok(())
}
