//! Searches that workers share: real processes on this machine, some of which are killed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]
// Signals are those of Unix; the program itself runs elsewhere too.
#![cfg(unix)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crabwalk_testing::{ObjectStorage, Ran, crabwalk, program, tool};
use served::Served;
use tempfile::TempDir;

#[path = "serve/served.rs"]
#[expect(dead_code, reason = "most of it serves tests of the server alone")]
mod served;

/// A small company with an intrusion in a store, each host in files of its own.
fn world() -> &'static Path {
    static WORLD: OnceLock<TempDir> = OnceLock::new();
    let folder = WORLD.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        crabwalk(folder.path(), &["lab", "build", "logs", "--days", "2"]).said(0);
        let hosts = fs::read_dir(folder.path().join("logs")).unwrap();
        let mut hosts: Vec<PathBuf> = hosts.map(|entry| entry.unwrap().path()).collect();
        hosts.retain(|path| path.is_dir());
        hosts.sort();
        assert!(hosts.len() > 3);
        for host in hosts {
            let host = host.to_str().unwrap();
            crabwalk(folder.path(), &["ingest", host, "--store", "store"]).said(0);
        }
        folder
    });
    folder.path()
}

/// A worker, which is killed when the test ends.
struct Worker {
    child: Child,
    address: String,
    /// Lines of its log.
    log: Receiver<String>,
}

impl Worker {
    fn start(folder: &Path, more: &[&str]) -> Self {
        Self::start_at(folder, &[&["--listen", "127.0.0.1:0"], more].concat())
    }

    /// Starts a worker that listens where `more` says.
    fn start_at(folder: &Path, more: &[&str]) -> Self {
        Self::start_over(folder, "store", more, &[])
    }

    /// Starts a worker over a store, with variables in its environment.
    fn start_over(
        folder: &Path,
        store: &str,
        more: &[&str],
        environment: &[(String, String)],
    ) -> Self {
        let arguments = [&["worker", "--store", store, "-v"], more].concat();
        let mut child = program(folder)
            .args(arguments)
            .envs(environment.iter().cloned())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, log) = channel();
        std::thread::spawn(move || {
            for line in errors.map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let line = out.next().expect("the worker listens").unwrap();
        let address = line.strip_prefix("listening on ").expect("an address");
        Self {
            address: address.to_owned(),
            child,
            log,
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(done.success());
    }

    /// Waits until it runs a piece of a search.
    fn wait_for_work(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(left).expect("a piece of a search");
            if line.contains("runs a piece of a search") {
                return;
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn workers(count: usize) -> Vec<Worker> {
    (0..count).map(|_| Worker::start(world(), &[])).collect()
}

fn addresses(workers: &[Worker]) -> String {
    let all: Vec<&str> = workers
        .iter()
        .map(|worker| worker.address.as_str())
        .collect();
    all.join(",")
}

/// The arguments of a search that workers share however small it is.
fn sharing<'a>(search: &'a str, addresses: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["search", search, "store", "--format", "jsonl"];
    arguments.extend(["--cluster", addresses, "--cluster-from", "1"]);
    arguments.extend(more);
    arguments
}

fn shared(search: &str, addresses: &str, more: &[&str]) -> Ran {
    crabwalk(world(), &sharing(search, addresses, more))
}

fn here(search: &str) -> String {
    let arguments = ["search", search, "store", "--format", "jsonl"];
    crabwalk(world(), &arguments).said(0)
}

const SEARCHES: [&str; 9] = [
    "EventCode=4624 | stats count dc(TargetUserName) as users values(LogonType) as types by host",
    "| tstats count by host",
    "EventCode=4688 OR EventCode=1 | rex field=CommandLine \"(?<first>\\S+)\" | stats count by first",
    "EventCode=4624 | dedup host TargetUserName | table _time host TargetUserName",
    "EventCode=4624 | head 7 | table _time host TargetUserName LogonType",
    "EventCode=4624 [search EventCode=4672 | head 3 | fields host] | stats count by host",
    "EventCode=4624 | join type=left host [search EventCode=4688 | stats count as started by host] | stats max(started) as started by host",
    "EventCode=4624 | timechart span=1h count by LogonType",
    "EventCode=4624 | sort host, -_time | streamstats count as n by host | where n=2 | table host n TargetUserName",
];

#[test]
fn workers_give_the_rows_of_one_machine() {
    let workers = workers(3);
    for search in SEARCHES {
        let expected = here(search);
        assert!(!expected.is_empty(), "{search}");
        for count in 1..=3 {
            let ran = shared(search, &addresses(&workers[..count]), &[]);
            assert_eq!(ran.said(0), expected, "{search} on {count}");
            let said = match count {
                1 => "cluster: ".to_owned(),
                count => format!("cluster: {count} workers, "),
            };
            assert!(ran.err.contains(&said), "{search}: {}", ran.err);
        }
    }
}

/// Nothing is on a disk that machines share, and a server asks.
#[test]
fn a_server_shares_searches_over_object_storage() {
    let Some(storage) = ObjectStorage::start() else {
        return;
    };
    let (store, settings) = ("s3://logs/soc", ObjectStorage::settings(storage.port()));
    let mut hosts: Vec<PathBuf> = fs::read_dir(world().join("logs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    hosts.sort();
    for host in hosts {
        let mut command = program(world());
        command.envs(settings.iter().cloned());
        command.args(["ingest", host.to_str().unwrap(), "--store", store]);
        Ran::from(command.output().unwrap()).said(0);
    }
    let listen = ["--listen", "127.0.0.1:0"];
    let start = || Worker::start_over(world(), store, &listen, &settings);
    let workers = [start(), start()];
    let folder = served::folder();
    let addresses = addresses(&workers);
    let mut arguments = vec!["serve", "--data", "data", "--store", store];
    arguments.extend(listen);
    arguments.extend(["--no-hunt", "--no-schedules"]);
    arguments.extend(["--cluster", &addresses, "--cluster-from", "1"]);
    let environment: Vec<_> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.into()))
        .collect();
    let served = Served::start_with(folder.path(), &arguments, &environment);
    served.first_account();
    let search = "EventCode=4624 | stats count by host | sort host";
    let rows: Vec<Vec<String>> = served
        .search(search)
        .into_iter()
        .map(|row| {
            row.iter()
                .map(|cell| cell.as_str().unwrap().to_owned())
                .collect()
        })
        .collect();
    let expected = here(search);
    let expected: Vec<Vec<String>> = expected
        .lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            ["host", "count"]
                .map(|name| row[name].as_str().unwrap().to_owned())
                .to_vec()
        })
        .collect();
    assert_eq!(rows, expected);
    for worker in &workers {
        worker.wait_for_work();
    }
}

#[test]
fn a_small_search_is_not_shared() {
    let workers = workers(1);
    let arguments = ["search", SEARCHES[1], "store", "--format", "jsonl"];
    let more = ["--cluster", &workers[0].address];
    let ran = crabwalk(world(), &[&arguments[..], &more[..]].concat());
    assert_eq!(ran.said(0), here(SEARCHES[1]));
    assert!(
        ran.err.contains("cluster: not shared: it reads "),
        "{}",
        ran.err
    );
}

#[test]
fn the_deepest_search_is_shared() {
    let workers = workers(2);
    for depth in [46, 120] {
        let mut search = "EventCode=4624".to_owned();
        let (open, close) = (
            "replace(".repeat(depth),
            ",\"a(.)\",\"\\1a\")".repeat(depth),
        );
        let _ = write!(
            search,
            " | eval x={open}TargetUserName{close} | stats count by x"
        );
        let ran = shared(&search, &addresses(&workers), &[]);
        assert_eq!(ran.said(0), here(&search));
        assert!(ran.err.contains("2 workers"), "{}", ran.err);
    }
}

#[test]
fn the_others_run_what_a_killed_worker_would_have() {
    let mut workers = workers(3);
    let expected = here(SEARCHES[0]);
    let all = addresses(&workers);
    let gone = workers.remove(1);
    let address = gone.address.clone();
    drop(gone);
    let ran = shared(SEARCHES[0], &all, &[]);
    assert_eq!(ran.said(0), expected);
    let warning = format!("no answer from {address}");
    assert!(ran.err.contains(&warning), "{}", ran.err);
    assert!(ran.err.contains("2 workers"), "{}", ran.err);
    workers.clear();
    let ran = shared(SEARCHES[0], &all, &[]);
    assert!(ran.said(1).is_empty());
    assert!(ran.err.contains("no worker answers"), "{}", ran.err);
    assert!(ran.err.contains(&address), "{}", ran.err);
}

#[test]
fn a_search_runs_again_if_a_worker_is_killed_meanwhile() {
    let workers = workers(3);
    // Enough work that the kill comes before its end.
    let slow = format!(
        "EventCode=* | eval x=_raw {} | stats count by host",
        "| eval x=replace(x,\"(.)(a)\",\"\\2\\1\") ".repeat(30)
    );
    let expected = here(&slow);
    let all = addresses(&workers);
    let ran = std::thread::scope(|threads| {
        let ran = threads.spawn(|| shared(&slow, &all, &[]));
        workers[1].wait_for_work();
        workers[1].signal("-KILL");
        ran.join().unwrap()
    });
    assert_eq!(ran.said(0), expected);
    let warning = format!("{} stopped; the search ran again", workers[1].address);
    assert!(ran.err.contains(&warning), "{}", ran.err);
    // If all are killed, nobody is left.
    let left = [&workers[0], &workers[2]];
    let all = format!("{},{}", left[0].address, left[1].address);
    let ran = std::thread::scope(|threads| {
        let ran = threads.spawn(|| shared(&slow, &all, &[]));
        left[0].wait_for_work();
        left.iter().for_each(|worker| worker.signal("-KILL"));
        ran.join().unwrap()
    });
    assert!(ran.said(1).is_empty());
    assert!(ran.err.contains("no worker answers"), "{}", ran.err);
}

#[test]
fn every_search_ends() {
    let workers = workers(2);
    workers[0].signal("-STOP");
    let ran = shared(
        SEARCHES[0],
        &addresses(&workers),
        &["--cluster-timeout", "1"],
    );
    assert!(ran.said(1).is_empty());
    let why = "the search did not end within 1 s";
    assert!(ran.err.contains(why), "{}", ran.err);
    // A worker that is silent for long does not take part.
    let ran = shared(SEARCHES[0], &addresses(&workers), &[]);
    assert_eq!(ran.said(0), here(SEARCHES[0]));
    assert!(ran.err.contains("silent for 5 s"), "{}", ran.err);
}

#[test]
fn a_worker_over_another_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let logs = world().join("logs");
    let logs = logs.to_str().unwrap();
    crabwalk(folder.path(), &["ingest", logs, "--store", "store"]);
    let other = Worker::start(folder.path(), &[]);
    let own = Worker::start(world(), &[]);
    let all = format!("{},{}", own.address, other.address);
    let ran = shared(SEARCHES[0], &all, &[]);
    assert!(ran.said(1).is_empty());
    let why = format!("the worker {} has the store ", other.address);
    assert!(ran.err.contains(&why), "{}", ran.err);
}

#[test]
fn a_worker_that_lacks_a_lookup_fails_the_search() {
    let folder = tempfile::tempdir().unwrap();
    let lookups = |name: &str, csv: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("teams.csv"), csv).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ours = lookups("ours", "LogonType,team\n3,red\n");
    let same = lookups("same", "LogonType,team\n3,red\n");
    let other = lookups("other", "LogonType,team\n3,blue\n");
    let search = "EventCode=4624 | lookup teams LogonType OUTPUT team | stats count by team host";
    let first = Worker::start(world(), &["--lookups", &same]);
    for (second, why) in [
        (vec!["--lookups", &same], None),
        (vec![], Some("the lookup `teams` is not on this machine")),
        (
            vec!["--lookups", &other],
            Some("the lookup `teams` on this machine has other rows"),
        ),
    ] {
        let second = Worker::start(world(), &second);
        let all = format!("{},{}", first.address, second.address);
        let ran = shared(search, &all, &["--lookups", &ours]);
        match why {
            None => assert!(ran.said(0).contains("red")),
            Some(why) => {
                assert!(ran.said(1).is_empty());
                assert!(ran.err.contains(why), "{}", ran.err);
            }
        }
    }
}

#[test]
fn a_worker_with_a_token_serves_those_who_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let token = file("token", "a-long-enough-token\n");
    let wrong = file("wrong", "another-long-token\n");
    let short = file("short", "short\n");
    let workers = [(); 2].map(|()| Worker::start(world(), &["--cluster-token", &token]));
    let all = addresses(&workers);
    let ran = shared(SEARCHES[0], &all, &["--cluster-token", &token]);
    assert_eq!(ran.said(0), here(SEARCHES[0]));
    assert!(ran.err.contains("2 workers"), "{}", ran.err);
    for more in [&[][..], &["--cluster-token", &wrong]] {
        let ran = shared(SEARCHES[0], &all, more);
        assert!(ran.said(1).is_empty());
        assert!(ran.err.contains("refuses the token"), "{}", ran.err);
    }
    let ran = shared(SEARCHES[0], &all, &["--cluster-token", &short]);
    assert!(ran.said(1).is_empty());
    assert!(ran.err.contains("at least 16 characters"), "{}", ran.err);
}

#[test]
fn other_machines_need_a_token_and_tls() {
    let ran = shared(SEARCHES[0], "10.255.255.1:8090", &[]);
    assert!(ran.said(1).is_empty());
    assert!(ran.err.contains("it needs a token and TLS"), "{}", ran.err);
    let ran = crabwalk(
        world(),
        &["worker", "--store", "store", "--listen", "0.0.0.0:0"],
    );
    assert!(ran.said(1).is_empty());
    assert!(ran.err.contains("it needs a token and TLS"), "{}", ran.err);
}

#[test]
fn connections_are_encrypted() {
    let Some(openssl) = tool("openssl") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let certificate = |name: &str| {
        let path = |end: &str| folder.path().join(format!("{name}.{end}"));
        let (key, pem) = (path("key"), path("pem"));
        let made = Command::new(&openssl)
            .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-subj", &format!("/CN={name}")])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&pem)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        [pem, key].map(|path| path.to_str().unwrap().to_owned())
    };
    let [ours, ours_key] = certificate("ours");
    let [other, _] = certificate("other");
    let token = folder.path().join("token");
    fs::write(&token, "a-long-enough-token").unwrap();
    let token = token.to_str().unwrap();
    let trusted = ["--cluster-token", token, "--cluster-ca", &ours];
    let with_key = ["--tls-cert", &ours, "--tls-key", &ours_key];
    // Any address may be listened on now.
    let mut workers = [(); 2].map(|()| {
        let more = [&trusted[..], &with_key[..], &["--listen", "0.0.0.0:0"]].concat();
        Worker::start_at(world(), &more)
    });
    for worker in &mut workers {
        worker.address = worker.address.replace("0.0.0.0", "127.0.0.1");
    }
    let all = addresses(&workers);
    for search in SEARCHES {
        let ran = shared(search, &all, &trusted);
        assert_eq!(ran.said(0), here(search), "{search}");
        assert!(ran.err.contains("2 workers"), "{}", ran.err);
    }
    for more in [
        &["--cluster-token", token][..],
        &["--cluster-token", token, "--cluster-ca", &other],
    ] {
        let ran = shared(SEARCHES[0], &all, more);
        assert!(ran.said(1).is_empty());
        assert!(ran.err.contains("no worker answers"), "{}", ran.err);
    }
}
