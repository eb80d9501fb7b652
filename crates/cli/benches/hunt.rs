//! CPU time and memory of `crabwalk hunt`, beside bare iteration over the records with the `evtx` crate.
//!
//! `cargo bench -p crabwalk --bench hunt -- [PATH…]`; without a path, the corpus named by `CRABWALK_CORPUS`.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program for people who measure"
)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use crabwalk_testing::{corpus, program};
use nix::sys::resource::{Usage, UsageWho, getrusage};

/// Runs of each side; the best counts.
const RUNS: usize = 5;

fn main() {
    let mut roots: Vec<PathBuf> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .map(PathBuf::from)
        .collect();
    if roots.is_empty() {
        roots.extend(corpus(".").map(|corpus| {
            let files = corpus.join("files");
            if files.is_dir() { files } else { corpus }
        }));
    }
    let mut files = Vec::new();
    roots.iter().for_each(|root| evtx_files(root, &mut files));
    files.sort();
    if files.is_empty() {
        println!("no .evtx files under {roots:?}: give a folder, or set CRABWALK_CORPUS");
        return;
    }
    let bytes: u64 = files
        .iter()
        .filter_map(|file| file.metadata().ok())
        .map(|data| data.len())
        .sum();
    println!("{} files, {:.1} MB", files.len(), megabytes(bytes));

    let mut records = 0;
    let mut iteration = f64::MAX;
    for _ in 0..RUNS {
        let before = cpu(UsageWho::RUSAGE_SELF);
        records = files.iter().map(|file| iterate(file)).sum();
        iteration = iteration.min(cpu(UsageWho::RUSAGE_SELF) - before);
    }
    println!("evtx crate, records iterated, not rendered: {records} records, {iteration:.3} CPU s");

    let mut hunt = f64::MAX;
    let mut wall = f64::MAX;
    for _ in 0..RUNS {
        let before = cpu(UsageWho::RUSAGE_CHILDREN);
        let began = Instant::now();
        run(&files);
        wall = wall.min(began.elapsed().as_secs_f64());
        hunt = hunt.min(cpu(UsageWho::RUSAGE_CHILDREN) - before);
    }
    let peak = usage(UsageWho::RUSAGE_CHILDREN).max_rss();
    println!(
        "crabwalk hunt: {hunt:.3} CPU s, {wall:.3} s, {:.0} events/CPU s, {:.1} MB/CPU s, peak {} MB",
        count(records) / hunt,
        megabytes(bytes) / hunt,
        peak / 1024,
    );
    println!("hunt / iteration: {:.2}", hunt / iteration);

    let smallest = files
        .iter()
        .min_by_key(|file| file.metadata().map_or(u64::MAX, |data| data.len()));
    if let Some(file) = smallest {
        let mut wall = f64::MAX;
        for _ in 0..RUNS {
            let began = Instant::now();
            run(std::slice::from_ref(file));
            wall = wall.min(began.elapsed().as_secs_f64());
        }
        println!("one small file: {wall:.3} s");
    }
}

fn run(files: &[PathBuf]) {
    let status = program(".")
        .args(["hunt", "--format", "json"])
        .args(files)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the binary runs");
    assert!(
        matches!(status.code(), Some(0 | 3)),
        "crabwalk hunt: {status}"
    );
}

/// Number of records; each is parsed and validated, none is rendered.
fn iterate(file: &Path) -> usize {
    let Ok(mut parser) = evtx::EvtxParser::from_path(file) else {
        return 0;
    };
    let settings = std::sync::Arc::new(evtx::ParserSettings::default());
    let mut records = 0;
    for chunk in parser.chunks().flatten() {
        let mut chunk = chunk;
        if let Ok(mut chunk) = chunk.parse(std::sync::Arc::clone(&settings)) {
            records += chunk.iter().filter(Result::is_ok).count();
        }
    }
    records
}

fn evtx_files(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_file() {
        if path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("evtx"))
        {
            files.push(path.to_owned());
        }
        return;
    }
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        evtx_files(&entry.path(), files);
    }
}

fn usage(who: UsageWho) -> Usage {
    getrusage(who).expect("getrusage")
}

/// User and system time in seconds.
fn cpu(who: UsageWho) -> f64 {
    let usage = usage(who);
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| count(time.tv_sec()) + count(time.tv_usec()) / 1e6)
        .sum()
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn count<N: TryInto<i64>>(number: N) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let number = number.try_into().unwrap_or(i64::MAX) as f64;
    number
}
