//! Continuous hunting: whenever there are new events, the last days are hunted again, and the results are published:
//! the case for readers, and an alert for each path that appears or grows.
//!
//! A hunt numbers its paths by rank, and the next hunt numbers them differently. Here a path has a lasting name: a path
//! that shares a movement with one reported before is that path, grown.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crabwalk_case::dossier::Asked;
use crabwalk_case::{Account, Case, HopInfo, Host, Input, PathInfo, Report, Tool};
use crabwalk_detect::{Content, RunOptions};
use crabwalk_events::Catalog;
use crabwalk_hunt::{Hunt, HuntOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::alert::{Alert, Alerts};
use crate::keep::Kept;
use crate::listed::{ListError, Listed};
use crate::schedule::Decisions;

/// Loads content; called for each hunt.
pub type Knows = Arc<dyn Fn() -> Result<Content, String> + Send + Sync>;

/// How hunting goes on.
#[derive(Clone)]
pub struct Hunting {
    /// How long to wait between hunts.
    pub every: Duration,
    /// How far back each hunt looks.
    pub back: Duration,
}

/// The conclusion of the last hunt, for readers.
pub struct LastHunt {
    /// Rises with each.
    pub number: u64,
    /// When it finished, RFC 3339.
    pub created: String,
    /// How long it took.
    pub seconds: f64,
    /// Paths that are told.
    pub told: usize,
    /// Findings that are not silenced.
    pub findings: usize,
    /// The case in parts as the front end reads them, gzipped JSON.
    pub parts: Vec<(String, Vec<u8>)>,
    /// The paths that are told.
    pub paths: Vec<ToldPath>,
    /// Findings that each exception hid, by its name in the case.
    pub silenced: BTreeMap<String, usize>,
}

/// A path that is told, for the inbox.
pub struct ToldPath {
    /// Its lasting name.
    pub id: String,
    /// Its route: `A → B → C`.
    pub way: String,
    /// What makes its score.
    pub why: Vec<String>,
    /// Higher scores deserve attention first.
    pub score: f64,
    /// ATT&CK techniques of its hops.
    pub techniques: Vec<String>,
    /// Names of the hosts that it touches.
    pub hosts: Vec<String>,
    /// Names of the accounts that it uses.
    pub accounts: Vec<String>,
    /// Its first act, in microseconds since 1970-01-01 UTC.
    pub first: Option<i64>,
    /// Its last act.
    pub last: Option<i64>,
    /// Number of its hops.
    pub hops: usize,
}

impl ToldPath {
    fn of(path: &PathInfo, case: &Case) -> Self {
        let hops: Vec<&HopInfo> = (case.hops.iter())
            .filter(|hop| path.hops.contains(&hop.id))
            .collect();
        let hosts = hops
            .iter()
            .flat_map(|hop| [hop.src.as_ref(), Some(&hop.dst)]);
        let hosts: BTreeSet<&String> = hosts.flatten().collect();
        let accounts: BTreeSet<&String> =
            hops.iter().filter_map(|hop| hop.account.as_ref()).collect();
        let techniques: BTreeSet<&String> = hops.iter().flat_map(|hop| &hop.techniques).collect();
        Self {
            id: path.id.clone(),
            way: path.way.clone(),
            why: path.why.clone(),
            score: path.score,
            techniques: techniques.into_iter().cloned().collect(),
            hosts: (hosts.into_iter())
                .map(|id| name_of_host(&case.hosts, id))
                .collect(),
            accounts: (accounts.into_iter())
                .map(|id| name_of_account(&case.accounts, id))
                .collect(),
            first: hops
                .iter()
                .filter_map(|hop| micros(hop.first.as_ref()))
                .min(),
            last: hops
                .iter()
                .filter_map(|hop| micros(hop.last.as_ref()))
                .max(),
            hops: hops.len(),
        }
    }
}

fn name_of_host(hosts: &[Host], id: &str) -> String {
    let known = hosts.iter().find(|host| host.id == id);
    known.map_or_else(|| id.to_owned(), |host| host.name.clone())
}

fn name_of_account(accounts: &[Account], id: &str) -> String {
    let known = accounts.iter().find(|account| account.id == id);
    known.map_or_else(|| id.to_owned(), |account| account.name.clone())
}

/// Movements of an alert at most: a path may have thousands.
const MOST_MOVEMENTS: usize = 200;

/// A path's movements, for those who read its alert and nothing else.
fn movements(hops: &[&HopInfo], hosts: &[Host], accounts: &[Account]) -> Vec<Value> {
    let mut hops = hops.to_vec();
    hops.sort_by_key(|hop| micros(hop.first.as_ref()));
    hops.iter()
        .take(MOST_MOVEMENTS)
        .map(|hop| {
            json!({
                "from": hop.src.as_deref().map(|id| name_of_host(hosts, id)),
                "to": name_of_host(hosts, &hop.dst),
                "account": hop.account.as_deref().map(|id| name_of_account(accounts, id)),
                "first": hop.first,
                "techniques": hop.techniques,
                "standing": hop.standing,
            })
        })
        .collect()
}

fn micros(time: Option<&String>) -> Option<i64> {
    let time = time?.parse::<jiff::Timestamp>().ok()?;
    Some(time.as_microsecond())
}

/// A path that was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Told {
    id: String,
    hops: Vec<Key>,
}

/// What identifies a movement across hunts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Key {
    src: String,
    dst: String,
    used: String,
    /// Microseconds since 1970-01-01 UTC.
    first: i64,
}

/// Later evidence may date a movement slightly earlier.
const SAME_MICROS: i64 = 10 * 60 * 1_000_000;
/// Maximum number of paths to remember.
const MOST_TOLD: usize = 5_000;

impl Key {
    fn of(hop: &HopInfo) -> Self {
        Self {
            src: hop.src.clone().unwrap_or_default(),
            dst: hop.dst.clone(),
            used: hop.used.clone().unwrap_or_default(),
            first: micros(hop.first.as_ref()).unwrap_or(0),
        }
    }

    fn is(&self, other: &Self) -> bool {
        self.src == other.src
            && self.dst == other.dst
            && self.used == other.used
            && self.first.abs_diff(other.first) <= SAME_MICROS.unsigned_abs()
    }
}

struct Shared {
    last: Mutex<Option<Arc<LastHunt>>>,
    stop: AtomicBool,
    wake: (Mutex<bool>, Condvar),
    trouble: Mutex<Option<String>>,
}

/// Hunts until it is stopped.
pub struct Watch {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Starts to hunt.
    ///
    /// # Errors
    /// If the system cannot start a thread, or the reported paths cannot be read.
    pub fn start(
        hunting: Hunting,
        content: Knows,
        threads: usize,
        decisions: Decisions,
        data: &Path,
        kept: Arc<Kept>,
        alerts: Arc<Alerts>,
    ) -> Result<Self, ListError> {
        let shared = Arc::new(Shared {
            last: Mutex::default(),
            stop: AtomicBool::new(false),
            wake: (Mutex::new(false), Condvar::new()),
            trouble: Mutex::default(),
        });
        let mut hunter = Hunter {
            told: Listed::open(&data.join("paths.json"))?,
            out: data.join("case"),
            hunting,
            content,
            threads,
            decisions,
            kept,
            alerts,
            shared: Arc::clone(&shared),
            version: None,
            number: 0,
        };
        let thread = std::thread::Builder::new()
            .name("hunt".to_owned())
            .stack_size(16 << 20)
            .spawn(move || hunter.run())
            .map_err(|source| ListError {
                path: data.to_owned(),
                source,
            })?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The conclusion of the last hunt.
    pub fn last(&self) -> Option<Arc<LastHunt>> {
        lock(&self.shared.last).clone()
    }

    /// Why the last hunt failed, if it did.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.shared.trouble).clone()
    }

    /// Hunts as soon as possible.
    pub fn now(&self) {
        *lock(&self.shared.wake.0) = true;
        self.shared.wake.1.notify_all();
    }

    /// Stops, after finishing the current hunt.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.now();
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that hunts ended early");
        }
    }
}

struct Hunter {
    told: Listed<Told>,
    out: PathBuf,
    hunting: Hunting,
    content: Knows,
    threads: usize,
    decisions: Decisions,
    kept: Arc<Kept>,
    alerts: Arc<Alerts>,
    shared: Arc<Shared>,
    /// The version of the store that was hunted last, and the state of the environment.
    version: Option<(u64, u64)>,
    number: u64,
}

impl Hunter {
    fn run(&mut self) {
        while !self.shared.stop.load(Ordering::Acquire) {
            let began = Instant::now();
            // A bug in a hunt must not end the server; report it.
            let hunted = catch_unwind(AssertUnwindSafe(|| self.hunt())).unwrap_or_else(|_| {
                Err("an error in Crabwalk ended a hunt; please report it".to_owned())
            });
            if let Err(error) = &hunted {
                tracing::error!(
                    error,
                    "a hunt failed; the next one starts when new events arrive"
                );
            }
            *lock(&self.shared.trouble) = hunted.err();
            // A long hunt must not take over the machine.
            let pause = self.hunting.every.max(began.elapsed());
            let (asked, wake) = &self.shared.wake;
            let guard = lock(asked);
            let waited = wake.wait_timeout_while(guard, pause, |asked| !*asked);
            let (mut guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
            *guard = false;
        }
    }

    /// Hunts, if there are new events.
    fn hunt(&mut self) -> Result<(), String> {
        let began = Instant::now();
        let now = jiff::Timestamp::now().as_microsecond();
        let back = i64::try_from(self.hunting.back.as_micros()).unwrap_or(i64::MAX);
        let since = now.saturating_sub(back);
        self.kept.flush();
        let store = self.kept.store();
        let snapshot = store
            .snapshot_within(&(since..=i64::MAX))
            .map_err(|error| error.to_string())?;
        let environment = &self.decisions.environment;
        let version = (snapshot.version(), environment.state());
        if self.version == Some(version) || store.size().events == 0 {
            return Ok(());
        }
        let sources = snapshot.sources().to_vec();
        let catalog: Arc<dyn Catalog> = Arc::new(snapshot);
        let options = HuntOptions {
            detections: RunOptions {
                threads: self.threads,
                now: now as f64 / 1e6,
                exceptions: environment.silencing(),
                ..RunOptions::default()
            },
            since: Some(since),
            ..HuntOptions::default()
        };
        let mut content = (self.content)()?;
        self.decisions.settings.apply(&mut content);
        let hunt = Hunt::prepare(content, options).map_err(|error| error.to_string())?;
        let conclusion = hunt.run(&catalog, &()).map_err(|error| error.to_string())?;
        let input = Input {
            tool: Tool {
                name: "crabwalk",
                version: env!("CARGO_PKG_VERSION"),
            },
            created: now,
            seconds: began.elapsed().as_secs_f64(),
            sources: &sources,
            conclusion: &conclusion,
            catalog: catalog.as_ref(),
        };
        let mut case = Case::new(&input, &Asked::default()).map_err(|error| error.to_string())?;
        self.name_paths(&mut case)
            .map_err(|error| error.to_string())?;
        let mut report = Report::new(&mut case).map_err(|error| error.to_string())?;
        report
            .read_records(&case, &[], self.threads, Some(catalog.as_ref()))
            .map_err(|error| error.to_string())?;
        let parts = report.parts().map_err(|error| error.to_string())?;
        crabwalk_case::write_to(&case, None, &self.out).map_err(|error| error.to_string())?;
        self.version = Some(version);
        self.number += 1;
        let concluded = LastHunt {
            number: self.number,
            created: case.created.clone(),
            seconds: began.elapsed().as_secs_f64(),
            told: case.paths.iter().filter(|path| path.told).count(),
            findings: case
                .findings
                .iter()
                .filter(|one| one.suppressed.is_none())
                .count(),
            parts,
            paths: (case.paths.iter().filter(|path| path.told))
                .map(|path| ToldPath::of(path, &case))
                .collect(),
            silenced: (case.silenced.iter())
                .map(|one| (one.exception.clone(), one.findings.len()))
                .collect(),
        };
        tracing::info!(
            seconds = concluded.seconds,
            paths = concluded.told,
            findings = concluded.findings,
            "hunted"
        );
        *lock(&self.shared.last) = Some(Arc::new(concluded));
        Ok(())
    }

    /// Gives the paths lasting names, and posts alerts about them. Alerts are recorded first: if a crash keeps the
    /// paths from being recorded as reported, the alerts are created again with the same ids, and posted once.
    fn name_paths(&self, case: &mut Case) -> Result<(), ListError> {
        let known = self.told.all();
        let mut alerts = Vec::new();
        let mut changed = false;
        let mut now: Vec<Told> = Vec::new();
        for path in case.paths.iter_mut().filter(|path| path.told) {
            let hops: Vec<&HopInfo> = case
                .hops
                .iter()
                .filter(|hop| path.hops.contains(&hop.id))
                .collect();
            let keys: Vec<Key> = hops.iter().map(|hop| Key::of(hop)).collect();
            let shared = |told: &Told| {
                let has = |key: &Key| told.hops.iter().any(|own| own.is(key));
                keys.iter().filter(|key| has(key)).count()
            };
            let before = known
                .iter()
                .filter(|told| !now.iter().any(|one| one.id == told.id))
                .map(|told| (shared(told), told))
                .filter(|(count, _)| *count > 0)
                .max_by_key(|(count, _)| *count)
                .map(|(_, told)| told);
            let id = match before {
                Some(told) => told.id.clone(),
                None => name(&keys),
            };
            let grown = before.is_none_or(|told| keys.len() > shared(told));
            changed |= grown;
            let last = hops
                .iter()
                .filter_map(|hop| micros(hop.last.as_ref()))
                .max();
            if grown && self.alerts.is_recent(last, None) {
                let kind = if before.is_some() {
                    "path.grown"
                } else {
                    "path.new"
                };
                alerts.push(Alert {
                    id: format!("{id}-{}", name(&keys)),
                    kind: kind.to_owned(),
                    title: format!("Lateral movement: {}", path.way),
                    detail: json!({
                        "path": id,
                        "way": path.way,
                        "score": path.score,
                        "why": path.why,
                        "techniques": hops.iter().flat_map(|hop| &hop.techniques).collect::<BTreeSet<_>>(),
                        "first": hops.iter().filter_map(|hop| hop.first.as_ref()).min(),
                        "last": hops.iter().filter_map(|hop| hop.last.as_ref()).max(),
                        "movements": movements(&hops, &case.hosts, &case.accounts),
                    }),
                    time: case.created.clone(),
                });
            }
            path.id.clone_from(&id);
            now.push(Told { id, hops: keys });
        }
        if !changed {
            return Ok(());
        }
        self.alerts.post(alerts)?;
        self.told.change(|all| {
            for told in now {
                match all.iter_mut().find(|one| one.id == told.id) {
                    Some(one) => one.hops = told.hops,
                    None => all.push(told),
                }
            }
            let over = all.len().saturating_sub(MOST_TOLD);
            all.drain(..over);
            Ok::<_, ListError>(())
        })
    }
}

/// A name for movements: equal ones get the same name.
fn name(keys: &[Key]) -> String {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    for key in keys {
        for text in [&key.src, &key.dst, &key.used] {
            hash.update(text.as_bytes());
            hash.update(&[0]);
        }
        hash.update(&key.first.to_le_bytes());
    }
    format!("{:016x}", hash.digest())
}
