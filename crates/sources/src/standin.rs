//! Stand-in until the readers are there: flat JSON lines.

use std::path::PathBuf;

use crate::collect::{Begun, Collected, Collector, Demand, Head};
use crate::report::{Problem, SourceKind, SourceReport};

/// Input.
#[derive(Debug, Clone)]
pub enum Input {
    /// Path.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}
/// Limits.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Threads.
    pub threads: usize,
}
/// Progress.
pub trait Progress: Send + Sync {
    /// Total.
    fn total(&self, bytes: u64);
    /// Advance.
    fn advance(&self, bytes: u64, path: &str);
}
/// Read.
pub struct Read {
    /// Sources.
    pub sources: Vec<SourceReport>,
    /// Events.
    pub collected: Collected,
}

/// Reads.
pub fn read(inputs: &[Input], demand: &dyn Demand, _: &Limits, _: &dyn Progress) -> Read {
    let mut collector = Collector::new(demand);
    let mut sources = Vec::new();
    for (id, input) in (0_u32..).zip(inputs) {
        let (path, text) = match input {
            Input::Path(path) => (path.display().to_string(), std::fs::read_to_string(path)),
            Input::Stdin => ("-".to_owned(), std::io::read_to_string(std::io::stdin())),
        };
        let mut report = SourceReport::new(id, path, SourceKind::Json);
        let problem = |record, message| Problem {
            offset: None,
            record,
            message,
            loss: true,
        };
        match text {
            Err(error) => report.problem(problem(None, error.to_string())),
            Ok(text) => {
                report.bytes = text.len() as u64;
                for (line, row) in (1_u64..).zip(text.lines()) {
                    let Ok(serde_json::Value::Object(row)) = serde_json::from_str(row) else {
                        report.skipped += 1;
                        report.problem(problem(Some(line), "no JSON".to_owned()));
                        continue;
                    };
                    report.records += 1;
                    let text =
                        |name: &str| row.get(name).and_then(|v| v.as_str()).unwrap_or_default();
                    let event_id = row.get("EventID").and_then(|v| v.as_u64()).unwrap_or(0);
                    let time: jiff::Timestamp = text("@timestamp").parse().unwrap_or_default();
                    let table = collector.table(text("Channel"), event_id as u32);
                    let number = row.get("RecordNumber").and_then(|v| v.as_u64());
                    let head = Head {
                        time: time.as_microsecond(),
                        host: text("Hostname"),
                        source: id,
                        record: number.unwrap_or(line),
                        numbered: number.is_some(),
                    };
                    if collector.begin(table, &head) != Begun::Row {
                        continue;
                    }
                    for (name, value) in &row {
                        if let Some(column) = collector.column(table, name) {
                            match value {
                                serde_json::Value::Array(all) => all
                                    .iter()
                                    .filter_map(|v| v.as_str())
                                    .for_each(|v| collector.push(table, column, v)),
                                serde_json::Value::String(v) => collector.push(table, column, v),
                                v => collector.push(table, column, &v.to_string()),
                            }
                        }
                    }
                }
            }
        }
        sources.push(report);
    }
    Read {
        sources,
        collected: Collector::merge(vec![collector]).unwrap_or_default(),
    }
}
