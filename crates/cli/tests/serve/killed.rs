//! The server killed at random moments, while senders send and send again.

use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crabwalk_testing::program;
use serde_json::json;

use crate::served::{Served, ask, folder};

/// Moments that differ from run to run.
struct Random(u64);

impl Random {
    /// Below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Events in a request of a sender.
const EVENTS: u32 = 5;
/// Senders, of which every other one speaks Elasticsearch's protocol.
const SENDERS: u32 = 4;
/// Numbers of events that each sender has for itself.
const OWN: u32 = 10_000_000;

/// The body of a sender's request.
fn body(first: u32, is_bulk: bool) -> String {
    let events = (first..first + EVENTS).map(|number| {
        let time = 1_790_000_000 + u64::from(number) / 1_000;
        match is_bulk {
            true => format!(
                "{{\"create\":{{\"_index\":\"load\",\"_id\":\"{number}\"}}}}\n{}\n",
                json!({"@timestamp": time * 1_000, "message": format!("n={number} of many")})
            ),
            false => json!({"time": time, "event": format!("n={number} of many")}).to_string(),
        }
    });
    events.collect()
}

/// `CRABWALK_CRASHES` sets how often; `CRABWALK_SEED` repeats the moments of another run.
#[test]
fn what_was_acknowledged_survives_being_killed_and_is_there_once() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let crashes: u64 = number("CRABWALK_CRASHES").unwrap_or(4);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("CRABWALK_SEED").unwrap_or(now.subsec_nanos().into());
    println!("CRABWALK_SEED={seed}");
    let mut random = Random(seed | 1);

    let folder = folder();
    // Commits come often, so that a moment is likely to be in one.
    let arguments = ["--every", "1s", "--no-schedules"];
    let mut served = Served::start(folder.path(), &arguments);
    served.first_account();
    let hec = format!("Splunk {}", served.token);
    let bulk = STANDARD.encode(format!("elastic:{}", served.token));
    let bulk = format!("Basic {bulk}");
    let address = Mutex::new(served.address.clone());
    let stop = AtomicBool::new(false);
    let acknowledged: Vec<AtomicU32> = (0..SENDERS).map(|_| AtomicU32::new(0)).collect();
    let mut again = 0;
    std::thread::scope(|scope| {
        // However it ends, the senders do.
        let ended = Ended(&stop);
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (address, stop, acknowledged) = (&address, &stop, &acknowledged);
                let is_bulk = sender % 2 == 1;
                let (path, token) = match is_bulk {
                    true => ("/_bulk", &bulk),
                    false => ("/services/collector", &hec),
                };
                scope.spawn(move || {
                    let mut again = 0_u64;
                    for first in (sender * OWN..).step_by(EVENTS as usize) {
                        let body = body(first, is_bulk);
                        let mut tries = 0;
                        loop {
                            let to = address.lock().unwrap().clone();
                            let headers = [("Authorization", token.as_str())];
                            let answer = ask(&to, "POST", path, &headers, body.as_bytes());
                            if answer.is_ok_and(|answer| answer.status == 200) {
                                break;
                            }
                            // Nothing may be left out: it is there when somebody listens again.
                            tries += 1;
                            std::thread::sleep(Duration::from_millis(20));
                            if tries > 6_000 {
                                return again;
                            }
                        }
                        again += u64::from(tries > 0);
                        let count = &acknowledged[sender as usize];
                        count.fetch_add(EVENTS, Ordering::Relaxed);
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    again
                })
            })
            .collect();
        for round in 0..crashes {
            let before: u32 = acknowledged
                .iter()
                .map(|one| one.load(Ordering::Relaxed))
                .sum();
            std::thread::sleep(Duration::from_millis(random.below(1_500)));
            served.signal("-KILL");
            served.ended();
            // Some are killed again before they listen.
            while random.below(3) == 0 {
                let mut child = program(folder.path())
                    .args(["serve", "--data", "data", "--listen", "127.0.0.1:0"])
                    .args(arguments)
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                std::thread::sleep(Duration::from_millis(random.below(600)));
                child.kill().unwrap();
                child.wait().unwrap();
            }
            served = Served::start(folder.path(), &arguments);
            served.address.clone_into(&mut address.lock().unwrap());
            // Senders go on; else the moments mean nothing.
            let until = Instant::now() + Duration::from_secs(60);
            while acknowledged
                .iter()
                .map(|one| one.load(Ordering::Relaxed))
                .sum::<u32>()
                == before
            {
                assert!(
                    Instant::now() < until,
                    "nothing is acknowledged in round {round}"
                );
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        drop(ended);
        again = senders.into_iter().map(|one| one.join().unwrap()).sum();
    });
    let all: u32 = acknowledged
        .iter()
        .map(|one| one.load(Ordering::Relaxed))
        .sum();
    println!("{crashes} crashes, {all} events acknowledged, {again} requests sent again");
    let rows = served.search("search message=\"n=*\" | stats count dc(message)");
    let all = all.to_string();
    assert_eq!(rows, [[json!(all), json!(all)]]);
    // Not only the number: the last of each sender is there.
    for (sender, count) in (0..SENDERS).zip(&acknowledged) {
        let last = sender * OWN + count.load(Ordering::Relaxed) - 1;
        let search = format!("search message=\"n={last} of many\" | stats count");
        assert_eq!(served.search(&search), [[json!("1")]], "{last}");
    }
    drop(served);
    let store = crabwalk_store::Store::open(folder.path().join("data/store")).unwrap();
    let lost: Vec<_> = store
        .check()
        .unwrap()
        .into_iter()
        .filter(|flaw| flaw.loss)
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// Ends the senders when it goes.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
