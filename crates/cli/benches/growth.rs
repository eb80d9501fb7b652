//! How time and memory of `crabwalk hunt` grow with the number of logon events.
//!
//! `cargo bench -p crabwalk --bench growth -- 1M 3M 10M` makes a world of each number in a temporary directory and hunts
//! it. A directory is hunted as it is: `… -- world-1M world-10M`. `CRABWALK` names another program to measure.
//! Give them in rising order: the peak is that of the largest so far.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a program for people who measure"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crabwalk_testing::program;
use nix::sys::resource::{UsageWho, getrusage};

/// Runs of each world; the best counts.
const RUNS: usize = 2;

fn main() {
    let worlds: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    if worlds.is_empty() {
        println!("say how many logon events: 1M 3M 10M, or name directories with logs");
        return;
    }
    println!(
        "{:>12} {:>9} {:>8} {:>8} {:>8} {:>14} {:>14}",
        "records", "MB", "wall s", "CPU s", "peak MB", "records/CPU s", "bytes/record"
    );
    for world in &worlds {
        let made = tempfile::tempdir().expect("a temporary directory");
        let directory = if Path::new(world).is_dir() {
            PathBuf::from(world)
        } else {
            let status = program(".")
                .args(["lab", "build"])
                .arg(made.path().join("world"))
                .args(["--logons", world])
                .stdout(Stdio::null())
                .status()
                .expect("the binary runs");
            assert!(status.success(), "crabwalk lab build --logons {world}");
            made.path().join("world")
        };
        let (mut wall, mut cpu) = (f64::MAX, f64::MAX);
        let mut answer = Vec::new();
        for _ in 0..RUNS {
            let (began, before) = (Instant::now(), used());
            answer = hunt(&directory);
            wall = wall.min(began.elapsed().as_secs_f64());
            cpu = cpu.min(used() - before);
        }
        let case: serde_json::Value = serde_json::from_slice(&answer).expect("a case");
        let number = |name: &str| case["stats"][name].as_f64().unwrap_or(0.0);
        let (records, bytes) = (number("events"), number("bytes"));
        let peak = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| usage.max_rss());
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let peak = peak as f64 * 1024.0;
        println!(
            "{records:>12} {:>9.0} {wall:>8.2} {cpu:>8.2} {:>8.0} {:>14.0} {:>14.0}",
            bytes / 1e6,
            peak / 1e6,
            records / cpu,
            peak / records.max(1.0)
        );
    }
}

fn hunt(directory: &Path) -> Vec<u8> {
    let mut program = std::env::var_os("CRABWALK").map_or_else(|| program("."), Command::new);
    let output = program
        .args(["hunt", "--format", "json"])
        .arg(directory)
        .stderr(Stdio::null())
        .output()
        .expect("the binary runs");
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "crabwalk hunt: {}",
        output.status
    );
    output.stdout
}

/// User and system time of all programs that were run, seconds.
fn used() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage");
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| {
            #[expect(clippy::cast_precision_loss, reason = "figures for people")]
            let seconds = time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
            seconds
        })
        .sum()
}
