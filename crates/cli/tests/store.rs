//! Logs in a store: hunts find the same as in the files, and every event is stored once.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it cannot use")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crabwalk_store::Store;
use crabwalk_testing::{ObjectStorage, Ran, crabwalk, crabwalk_reading, program};
use serde_json::Value;
use tempfile::TempDir;

/// A small company with an intrusion, for all tests of this file.
fn world() -> &'static Path {
    static WORLD: OnceLock<TempDir> = OnceLock::new();
    let folder = WORLD.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let arguments = ["lab", "build", logs.to_str().unwrap(), "--days", "2"];
        crabwalk(folder.path(), &arguments).said(0);
        crabwalk(folder.path(), &["ingest", "logs", "--store", "store"]).said(0);
        folder
    });
    folder.path()
}

/// The output of a command, without times and durations.
fn answer(folder: &Path, arguments: &[&str]) -> Value {
    plain(&crabwalk(folder, arguments).said(0))
}

fn plain(out: &str) -> Value {
    let mut answer: Value = serde_json::from_str(out).unwrap();
    if let Some(case) = answer.as_object_mut() {
        case.remove("created");
        if let Some(stats) = case.get_mut("stats").and_then(Value::as_object_mut) {
            stats.remove("seconds");
        }
    }
    answer
}

#[test]
fn a_store_gives_the_case_that_the_files_give() {
    let hunt = |logs: &str| answer(world(), &["hunt", logs, "--format", "json"]);
    let (files, store) = (hunt("logs"), hunt("store"));
    assert!(!files.get("paths").unwrap().as_array().unwrap().is_empty());
    for (key, value) in files.as_object().unwrap() {
        assert!(store.get(key) == Some(value), "{key} differs");
    }
}

#[test]
fn a_store_in_a_bucket_gives_the_case_that_the_files_give() {
    let Some(server) = ObjectStorage::start() else {
        return;
    };
    let store = "s3://logs/soc/2026";
    let run = |arguments: &[&str]| -> Ran {
        let mut command = program(world());
        command.args(arguments);
        command.envs(ObjectStorage::settings(server.port()));
        command.output().unwrap().into()
    };
    let hunt = |logs: &str| plain(&run(&["hunt", logs, "--format", "json"]).said(0));
    let failed = |arguments: &[&str], why: &str| {
        let said = run(arguments);
        assert_eq!(said.status, 1, "{said:?}");
        assert!(said.err.contains(why), "{said:?}");
    };
    failed(&["hunt", store], "is not a store");
    run(&["ingest", "logs", "--store", store]).said(0);
    let (files, bucket) = (hunt("logs"), hunt(store));
    for (key, value) in files.as_object().unwrap() {
        assert!(bucket.get(key) == Some(value), "{key} differs");
    }
    // Everything else that takes a store.
    let search = ["search", "EventCode=4624 | stats count by host"];
    let rows = |logs| run(&[search[0], search[1], logs, "--format", "json"]).said(0);
    assert_eq!(rows(store), rows("logs"));
    let files = run(&["store", "files", store]).said(0);
    assert!(!files.is_empty() && files.lines().all(|line| line.starts_with(store)));
    run(&["store", "compact", store]).said(0);
    assert!(run(&["store", "check", store]).said(0).contains("intact"));
    // What cannot work says why.
    failed(
        &["hunt", store, "logs"],
        "cannot be combined with other logs",
    );
    failed(&["hunt", "s3://"], "s3://BUCKET/PREFIX");
}

#[test]
fn a_span_of_time_of_a_store_is_that_of_the_files() {
    let hunt = |logs: &str| {
        let span = [
            "--since",
            "2026-03-03T12:00:00Z",
            "--until",
            "2026-03-04T12:00:00Z",
        ];
        answer(
            world(),
            &[&["hunt", logs, "--format", "json"], &span[..]].concat(),
        )
    };
    let (files, store) = (hunt("logs"), hunt("store"));
    for key in ["findings", "hops", "paths", "coverage", "gaps"] {
        assert!(store.get(key) == files.get(key), "{key} differs");
    }
}

#[test]
fn searches_and_dossiers_take_a_store() {
    let search = |logs: &str| {
        let search =
            "EventCode=4624 | stats count by host, TargetUserName | sort host, TargetUserName";
        answer(world(), &["search", search, logs, "--format", "json"])
    };
    assert_eq!(search("logs"), search("store"));
    let dossier = |logs: &str| answer(world(), &["dossier", "TIDE-FS01", logs, "--format", "json"]);
    assert_eq!(dossier("logs"), dossier("store"));
    let refused = crabwalk(world(), &["search", "EventCode=1", "store", "logs"]);
    assert_eq!(refused.status, 1);
    assert!(
        refused
            .err
            .contains("is a store and cannot be combined with other logs"),
        "{}",
        refused.err
    );
}

/// Hunts find the same in whatever order files enter the store, and if some enter twice. `CRABWALK_SPLITS` sets how many
/// orders are tried.
#[test]
fn the_order_of_ingests_does_not_matter() {
    let splits = std::env::var("CRABWALK_SPLITS").map_or(1, |text| text.parse().unwrap());
    let found = |case: &Value| {
        // Sources are numbered as they arrive.
        let paths: Vec<(u64, String)> = case["sources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|source| {
                let path = source["path"].as_str().unwrap().to_owned();
                (source["id"].as_u64().unwrap(), path)
            })
            .collect();
        let mut found = Value::Array(
            ["findings", "hops", "paths", "hosts", "accounts", "coverage"]
                .iter()
                .map(|key| case[*key].clone())
                .collect(),
        );
        name_sources(&mut found, &paths);
        found
    };
    let whole = found(&answer(world(), &["hunt", "store", "--format", "json"]));
    let mut files: Vec<PathBuf> = Vec::new();
    walk(&world().join("logs"), &mut files);
    for seed in 1..=splits {
        let mut random = Random(seed);
        let mut order = files.clone();
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at + 1));
        }
        let store = format!("split-{seed}");
        let mut at = 0;
        while at < order.len() {
            let count = 1 + random.below(order.len() / 2);
            let mut arguments = vec![
                "ingest".to_owned(),
                "-q".to_owned(),
                "--store".to_owned(),
                store.clone(),
            ];
            let some = order.iter().skip(at).take(count);
            // Some that are in the store already.
            let again = (0..random.below(3)).map(|_| &order[random.below(at + 1)]);
            arguments.extend(some.chain(again).map(|path| {
                path.strip_prefix(world())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            }));
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            crabwalk(world(), &arguments);
            at += count;
        }
        crabwalk(world(), &["store", "compact", &store, "--now"]).said(0);
        crabwalk(world(), &["store", "check", &store]).said(0);
        let split = found(&crabwalk_case(&store));
        assert!(split == whole, "seed {seed}");
    }
}

fn crabwalk_case(store: &str) -> Value {
    let ran = crabwalk(world(), &["hunt", store, "--format", "json"]);
    serde_json::from_str(&ran.out).unwrap()
}

/// Replaces the numbers of sources by their paths.
fn name_sources(value: &mut Value, paths: &[(u64, String)]) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match (key.as_str(), value.as_u64()) {
                    ("source", Some(id)) => {
                        let path = paths.iter().find(|(own, _)| *own == id);
                        *value = Value::from(path.map(|(_, path)| path.as_str()));
                    }
                    _ => name_sources(value, paths),
                }
            }
        }
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| name_sources(value, paths)),
        _ => {}
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// Random numbers, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

fn logon(number: u64) -> String {
    format!(
        "{{\"@timestamp\":\"2024-03-{:02}T08:00:00Z\",\"Hostname\":\"WS1\",\"Channel\":\"Security\",\"EventID\":4624,\"RecordNumber\":{},\"LogonType\":\"3\",\"TargetUserName\":\"ann\",\"Filler\":\"{}\"}}\n",
        1 + number % 5,
        // Windows counts from 1.
        number + 1,
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    )
}

fn logons(numbers: std::ops::Range<u64>) -> String {
    numbers.map(logon).collect()
}

fn counts(folder: &Path, store: &str) -> Vec<String> {
    let out = crabwalk(
        folder,
        &[
            "search",
            "EventCode=* | stats count by Channel",
            store,
            "--format",
            "csv",
            "-q",
        ],
    );
    assert!([0, 3].contains(&out.status), "{}", out.err);
    out.out.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn the_same_folder_again_takes_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir_all(at.join("logs/copies")).unwrap();
    fs::write(at.join("logs/a.json"), logons(0..10)).unwrap();
    // The store is inside the folder that is read: its own files are not logs.
    let ingest = |status| crabwalk(at, &["ingest", ".", "--store", "logs/store"]).said(status);
    let out = ingest(0);
    assert!(out.contains("10 events from 1 file"), "{out}");
    let out = ingest(0);
    assert!(out.contains("0 events from 0 files"), "{out}");
    assert!(out.contains("1 file already in the store"), "{out}");
    // The same content under another name, and a file that has grown.
    fs::copy(at.join("logs/a.json"), at.join("logs/copies/b.json")).unwrap();
    fs::write(at.join("logs/a.json"), logons(0..12)).unwrap();
    let out = ingest(0);
    assert!(out.contains("2 events from 1 file"), "{out}");
    assert!(out.contains("10 copies of events"), "{out}");
    assert_eq!(counts(at, "logs/store"), ["Security,12"]);
    // An unreadable file is reported and costs nothing else.
    fs::write(
        at.join("logs/c.json"),
        format!("{}{{\"broken\n", logons(12..14)),
    )
    .unwrap();
    let out = ingest(3);
    assert!(out.contains("2 events from 1 file"), "{out}");
    assert!(out.contains("part of 1 source"), "{out}");
    // A missing path is reported and leaves the store unchanged.
    let before = counts(at, "logs/store");
    let ran = crabwalk(
        at,
        &["ingest", "logs/a.json", "gone", "--store", "logs/store"],
    );
    assert_eq!(ran.status, 3, "{}", ran.err);
    assert!(ran.err.contains("there is no such file"), "{}", ran.err);
    assert_eq!(counts(at, "logs/store"), before);
    let case = crabwalk(at, &["hunt", "logs/store", "--format", "json"]);
    assert!(!case.out.contains("gone"), "{}", case.out);
    // A pipe has no path.
    let piped = ["ingest", "-", "--store", "logs/store"];
    let out = crabwalk_reading(at, &piped, logons(10..20).as_bytes()).said(0);
    assert!(out.contains("6 events from 1 file"), "{out}");
    assert_eq!(counts(at, "logs/store"), ["Security,20"]);
}

#[test]
fn a_store_is_tidied_checked_and_forgets() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for part in 0..4_u64 {
        fs::write(
            at.join(format!("{part}.json")),
            logons(part * 10..part * 10 + 10),
        )
        .unwrap();
        let path = format!("{part}.json");
        crabwalk(at, &["ingest", &path, "--store", "store", "-q"]).said(0);
    }
    let files = |arguments: &[&str]| -> Vec<String> {
        let all = [&["store", "files", "store"], arguments].concat();
        crabwalk(at, &all)
            .said(0)
            .lines()
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(files(&[]).len(), 4);
    assert_eq!(files(&["--type", "security/4624"]).len(), 4);
    assert_eq!(files(&["--type", "System"]).len(), 0);
    let out = crabwalk(at, &["store", "compact", "store"]).said(0);
    assert!(out.contains("4 files"), "{out}");
    assert_eq!(files(&[]).len(), 1);
    // A reader may still need the old ones.
    let mut all = Vec::new();
    walk(&at.join("store/events"), &mut all);
    assert_eq!(all.len(), 5);
    crabwalk(at, &["store", "compact", "store", "--now"]).said(0);
    let mut all = Vec::new();
    walk(&at.join("store/events"), &mut all);
    assert_eq!(all.len(), 1);
    assert_eq!(counts(at, "store"), ["Security,40"]);

    let out = crabwalk(at, &["store", "forget", "store", "--before", "2024-03-03"]).said(0);
    assert!(out.contains("16 events of 1 file"), "{out}");
    assert_eq!(counts(at, "store"), ["Security,24"]);
    let case = crabwalk(at, &["hunt", "store", "--format", "json"]).said(0);
    let case: Value = serde_json::from_str(&case).unwrap();
    assert_eq!(case["coverage"][0]["records"], 24);
    assert_eq!(case["coverage"][0]["first"], "2024-03-03T08:00:00Z");
    let usage = crabwalk(at, &["store", "forget", "store"]);
    assert_eq!(usage.status, 2);
    let out = crabwalk(at, &["store", "forget", "store", "--channel", "sys*"]).said(0);
    assert!(out.contains("0 events"), "{out}");

    let out = crabwalk(at, &["store", "check", "store"]).said(0);
    assert!(out.contains("every file is as it was written"), "{out}");
    let file = files(&[]).remove(0);
    let mut bytes = fs::read(at.join(&file)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(at.join(&file), &bytes).unwrap();
    let out = crabwalk(at, &["store", "check", "store"]).said(1);
    assert!(out.contains("checksum"), "{out}");
    fs::remove_file(at.join(&file)).unwrap();
    let out = crabwalk(at, &["store", "check", "store"]).said(1);
    assert!(out.contains("cannot be read"), "{out}");
    let search = crabwalk(at, &["search", "EventCode=4624 | table host", "store"]);
    assert_eq!(search.status, 1);
    assert!(search.err.contains("4624"), "{}", search.err);
}

#[test]
fn two_writers_are_one_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("a.json"), logons(0..3)).unwrap();
    let store = Store::open_or_create(at.join("store")).unwrap();
    for arguments in [
        vec!["ingest", "a.json", "--store", "store"],
        vec!["store", "compact", "store"],
    ] {
        let ran = crabwalk(at, &arguments);
        assert_eq!(ran.status, 1);
        assert!(
            ran.err.contains("another process is writing to this store"),
            "{}",
            ran.err
        );
    }
    // Reading goes on.
    crabwalk(at, &["store", "check", "store"]).said(0);
    drop(store);
    crabwalk(at, &["ingest", "a.json", "--store", "store"]).said(0);
    let refused = crabwalk(at, &["ingest", "a.json", "--store", "."]);
    assert_eq!(refused.status, 1);
    assert!(
        refused.err.contains("neither empty nor a store"),
        "{}",
        refused.err
    );
    let none = crabwalk(at, &["store", "check", "nowhere"]);
    assert!(none.err.contains("is not a store"), "{}", none.err);
}

/// Kills the program at random moments, during ingest and during compaction. `CRABWALK_CRASHES` sets how often.
#[test]
fn whatever_ends_it_what_was_committed_stays() {
    const FILES: u64 = 8;
    const ROWS: u64 = 1_500;
    let crashes: u64 = std::env::var("CRABWALK_CRASHES").map_or(20, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("logs")).unwrap();
    for file in 0..FILES {
        // A third of each file is also in the previous one.
        let first = (file * ROWS).saturating_sub(ROWS / 3);
        let mut text = logons(first..(file + 1) * ROWS);
        // Larger than one read.
        let _ = writeln!(text, "{}", " ".repeat(1 << 20));
        fs::write(at.join(format!("logs/{file}.json")), text).unwrap();
    }
    let ingest = [
        "ingest",
        "logs",
        "--store",
        "store",
        "--memory",
        "1MB",
        "--threads",
        "1",
        "-q",
    ];
    let compact = ["store", "compact", "store", "--now"];
    let began = std::time::Instant::now();
    crabwalk(at, &ingest).said(0);
    let whole = began.elapsed();
    fs::remove_dir_all(at.join("store")).unwrap();
    let mut random = Random(crashes);
    let (mut before, mut killed) = (0, 0);
    for _ in 0..crashes {
        let is_full = before == FILES * ROWS;
        let mut child = program(at)
            .args(if is_full { &compact[..] } else { &ingest[..] })
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let share = u32::try_from(random.below(1000)).unwrap();
        std::thread::sleep(whole * share / 1000 / if is_full { 8 } else { 2 });
        child.kill().unwrap();
        killed += u64::from(!child.wait().unwrap().success());
        if !at.join("store/format.json").exists() {
            continue;
        }
        let store = Store::open(at.join("store")).unwrap();
        let lost: Vec<_> = store
            .check()
            .unwrap()
            .into_iter()
            .filter(|flaw| flaw.loss)
            .collect();
        assert!(lost.is_empty(), "{lost:?}");
        let events = store.size().events;
        assert!(events >= before, "{events} of {before}");
        before = events;
        if is_full && random.below(4) == 0 {
            fs::remove_dir_all(at.join("store")).unwrap();
            before = 0;
        }
    }
    assert!(killed > 0, "too quick to be killed");
    crabwalk(at, &ingest).said(0);
    let search = "EventCode=4624 | stats count dc(RecordNumber) AS records";
    let out = crabwalk(at, &["search", search, "store", "--format", "csv", "-q"]).said(0);
    let all = FILES * ROWS;
    assert_eq!(out.lines().last(), Some(format!("{all},{all}").as_str()));
    let left = Store::open(at.join("store")).unwrap().check().unwrap();
    assert!(left.is_empty(), "{left:?}");
}

/// Other programs read the files as they are. DuckDB, Polars and pyarrow come from PyPI (`.ci/need store-readers`).
#[test]
fn other_programs_read_a_store() {
    const SCRIPT: &str = "
import sys, duckdb, polars, pyarrow.dataset
store = sys.argv[1]
every = store + '/events/**/*.parquet'
logons = store + '/events/channel=Security/event_id=4624/*.parquet'
events = f\"read_parquet('{every}', hive_partitioning=true, union_by_name=true)\"
print(duckdb.sql(f'select count(*) from {events}').fetchall()[0][0])
print(duckdb.sql(f\"select count(*) from {events} where channel = 'Security' and event_id = 4624\").fetchall()[0][0])
print(duckdb.sql(f\"select count(distinct TargetUserName) from read_parquet('{logons}', union_by_name=true)\").fetchall()[0][0])
frame = polars.scan_parquet(every, hive_partitioning=True, missing_columns='insert', extra_columns='ignore')
print(frame.select(polars.len()).collect().item())
print(frame.filter((polars.col('channel') == 'Security') & (polars.col('event_id') == 4624)).select(polars.len()).collect().item())
print(polars.scan_parquet(logons).select(polars.col('TargetUserName').drop_nulls().n_unique()).collect().item())
data = pyarrow.dataset.dataset(store + '/events', format='parquet', partitioning='hive')
print(data.count_rows())
listed = [line.strip() for line in sys.stdin]
print(duckdb.sql(f'select count(*) from read_parquet({listed}, union_by_name=true)').fetchall()[0][0])
";
    if Command::new("store-readers")
        .arg("--version")
        .output()
        .is_err()
    {
        assert!(
            std::env::var_os("CRABWALK_REQUIRE_TOOLS").is_none(),
            "store-readers is missing: .ci/need store-readers installs it"
        );
        eprintln!("skipped: store-readers (DuckDB, Polars and pyarrow) is not installed");
        return;
    }
    let count = |search: &str| {
        let arguments = ["search", search, "store", "--format", "csv", "-q"];
        let out = crabwalk(world(), &arguments).said(0);
        out.lines().last().unwrap().to_owned()
    };
    let all = Store::open(world().join("store"))
        .unwrap()
        .size()
        .events
        .to_string();
    let logons = count("Channel=Security EventCode=4624 | stats count");
    let users = count("Channel=Security EventCode=4624 | stats dc(TargetUserName)");
    let listed = crabwalk(world(), &["store", "files", "store"]).said(0);
    let mut child = Command::new("store-readers")
        .current_dir(world())
        .args(["-c", SCRIPT, "store"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), listed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = [&all, &logons, &users, &all, &logons, &users, &all, &all];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}
