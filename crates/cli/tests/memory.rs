//! Logs that do not fit into the memory that the program may use.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it cannot use")]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crabwalk_testing::{crabwalk, program};
use serde_json::Value;
use tempfile::TempDir;

/// Logs of a small company, with a copy of one of them, and what is not a log.
fn logs() -> &'static Path {
    static LOGS: OnceLock<TempDir> = OnceLock::new();
    let folder = LOGS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let arguments = ["lab", "build", logs.to_str().unwrap(), "--days", "2"];
        crabwalk(folder.path(), &arguments).said(0);
        // A copy in another part than the original: one is read first, the other last.
        let host = fs::read_dir(&logs)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .min();
        fs::copy(
            host.unwrap().join("Security.evtx"),
            logs.join("zz-copy.evtx"),
        )
        .unwrap();
        fs::write(logs.join("notes.evtx"), "no log at all").unwrap();
        folder
    });
    folder.path()
}

/// The case of a hunt that may use so much memory, and where it may put what is more. Nothing is left there.
fn case(memory: &str, more: &[&str]) -> Value {
    let temporary = tempfile::tempdir().unwrap();
    let mut arguments = vec!["hunt", "logs", "--format", "json", "--memory", memory];
    arguments.extend(more);
    let mut command = program(logs());
    let out = command
        .args(&arguments)
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(3), "one file is no log");
    let left: Vec<_> = fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let mut case: Value = serde_json::from_slice(&out.stdout).unwrap();
    case.as_object_mut().unwrap().remove("created");
    let stats = case.get_mut("stats").and_then(Value::as_object_mut);
    stats.unwrap().remove("seconds");
    case
}

fn assert_same(one: &Value, other: &Value) {
    let (one, other) = (one.as_object().unwrap(), other.as_object().unwrap());
    assert_eq!(
        one.keys().collect::<Vec<_>>(),
        other.keys().collect::<Vec<_>>()
    );
    for (key, value) in one {
        assert!(other.get(key) == Some(value), "{key} differs");
    }
}

#[test]
fn a_case_does_not_depend_on_the_memory() {
    let (whole, parts) = (case("4GB", &[]), case("2MB", &[]));
    assert!(!whole.get("paths").unwrap().as_array().unwrap().is_empty());
    let copies = whole.pointer("/stats/duplicates").and_then(Value::as_u64);
    assert!(copies > Some(0), "{copies:?}");
    assert_same(&whole, &parts);
}

#[test]
fn a_span_of_time_does_not_depend_on_the_memory() {
    let span = [
        "--since",
        "2026-03-03T12:00:00Z",
        "--until",
        "2026-03-04T12:00:00Z",
    ];
    let (whole, parts) = (case("4GB", &span), case("2MB", &span));
    for key in ["findings", "hops", "paths", "gaps"] {
        assert!(whole.get(key) == parts.get(key), "{key} differs");
    }
}

#[test]
fn what_a_killed_hunt_left_is_removed_and_what_another_uses_is_not() {
    let temporary = tempfile::tempdir().unwrap();
    let at = |name: &str| temporary.path().join(name);
    for name in ["crabwalk-events-left", "crabwalk-events-used", "others"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("lock"), "").unwrap();
    }
    let lock = fs::File::options()
        .write(true)
        .open(at("crabwalk-events-used").join("lock"))
        .unwrap();
    lock.lock().unwrap();
    let mut command = program(logs());
    command.args([
        "search",
        "EventCode=4624 | stats count",
        "logs",
        "--memory",
        "1MB",
    ]);
    let out = command.env("TMPDIR", temporary.path()).output().unwrap();
    assert_eq!(out.status.code(), Some(3));
    assert!(!at("crabwalk-events-left").exists());
    assert!(at("crabwalk-events-used").exists());
    assert!(at("others").exists());
}

#[cfg(unix)]
#[test]
fn nothing_is_left_after_an_interrupt() {
    use std::time::{Duration, Instant};

    let temporary = tempfile::tempdir().unwrap();
    let folder = || fs::read_dir(temporary.path()).unwrap().next();
    let is_reading = || folder().is_some_and(|one| one.unwrap().path().join("lock").exists());
    let mut command = program(logs());
    command.args(["hunt", "logs", "--memory", "1MB", "--quiet"]);
    command.env("TMPDIR", temporary.path());
    let mut hunt = command.spawn().unwrap();
    let began = Instant::now();
    while !is_reading() && began.elapsed() < Duration::from_secs(60) {
        assert!(hunt.try_wait().unwrap().is_none(), "it was too fast");
    }
    let killed = std::process::Command::new("kill")
        .args(["-INT", &hunt.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert_eq!(hunt.wait().unwrap().code(), Some(130));
    assert!(folder().is_none());
}
