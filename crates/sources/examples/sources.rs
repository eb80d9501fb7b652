//! Reads what is named and lists sources, event types and their first rows: to look at what a log holds.

use std::path::PathBuf;

use arrow_array::Array;
use crabwalk_sources::collect::Everything;
use crabwalk_sources::{Input, Limits, Quiet, read};

fn main() {
    let inputs: Vec<Input> = std::env::args_os()
        .skip(1)
        .map(|arg| {
            if arg == "-" {
                Input::Stdin
            } else {
                Input::Path(PathBuf::from(arg))
            }
        })
        .collect();
    let started = std::time::Instant::now();
    let all = read(&inputs, &Everything, &Limits::default(), &Quiet);
    println!("{:?}", started.elapsed());
    for source in &all.sources {
        println!(
            "{} {} {} bytes={} records={} skipped={}",
            source.id, source.kind, source.path, source.bytes, source.records, source.skipped
        );
        for problem in &source.problems {
            println!("    {problem:?}");
        }
    }
    for table in &all.collected.tables {
        let rows: usize = table
            .batches
            .iter()
            .map(arrow_array::RecordBatch::num_rows)
            .sum();
        println!("{} {}: {rows}", table.channel, table.event_id);
        let Some(batch) = table.batches.first() else {
            continue;
        };
        for (field, column) in table.schema.fields().iter().zip(batch.columns()) {
            let value = column.slice(0, 1);
            if value.is_valid(0) {
                let text = format!("{value:?}")
                    .replace('\n', "")
                    .chars()
                    .take(160)
                    .collect::<String>();
                println!("    {} = {text}", field.name());
            }
        }
    }
    println!("duplicates {}", all.collected.duplicates);
}
