//! Record counts over the public corpus, where it is at hand: never fewer than a reference reader counts.
#![allow(clippy::expect_used)]

use crabwalk_sources::collect::Everything;
use crabwalk_sources::{Input, Limits, Quiet, read};
use crabwalk_testing::corpus;

#[test]
fn reads_no_fewer_records_than_a_reference_reader() {
    let Some(corpus) = corpus("truth.jsonl") else {
        return;
    };
    let truth = std::fs::read_to_string(corpus.join("truth.jsonl")).expect("truth");
    let kinds: Vec<String> = std::env::var("CRABWALK_CORPUS_KINDS")
        .unwrap_or_else(|_| "events,json-twin,zeek".to_owned())
        .split(',')
        .map(str::to_owned)
        .collect();
    let mut files = Vec::new();
    for line in truth.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).expect("a line of the truth");
        let kind = entry["kind"].as_str().unwrap_or_default();
        if kinds.iter().any(|wanted| wanted == kind) {
            let path = corpus.join(entry["path"].as_str().expect("a path"));
            files.push((
                path,
                entry["records"].as_u64().unwrap_or(0),
                kind.to_owned(),
            ));
        }
    }
    assert!(!files.is_empty());
    let inputs: Vec<Input> = files
        .iter()
        .map(|(path, _, _)| Input::Path(path.clone()))
        .collect();
    let all = read(&inputs, &Everything, &Limits::default(), &Quiet);
    let mut wrong = Vec::new();
    for (path, expected, kind) in &files {
        let name = path.display().to_string();
        let inside = format!("{name}!/");
        let ours: Vec<_> = all
            .sources
            .iter()
            .filter(|source| source.path == name || source.path.starts_with(&inside))
            .collect();
        let records: u64 = ours.iter().map(|source| source.records).sum();
        let expected = if kind == "json-twin" {
            (*expected).max(1)
        } else {
            *expected
        };
        let evtx_inside = ours
            .iter()
            .any(|source| source.kind == crabwalk_sources::report::SourceKind::Evtx);
        if records < expected && !evtx_inside {
            wrong.push(format!(
                "{name}: {records} of {expected}; {:?}",
                ours.iter().flat_map(|source| &source.problems).next()
            ));
        }
        if let Some(lossy) = ours.iter().find(|source| source.is_lossy() && !evtx_inside) {
            wrong.push(format!(
                "{}: {:?}",
                lossy.path,
                lossy.problems.iter().find(|problem| problem.loss)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} files:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
