//! Detections that run by themselves: at times, over windows, or over new events as they arrive.
//!
//! A window follows from the nominal time of its run, so a late run looks at what a punctual one would have looked at; runs
//! that a stopped server missed are made up for, oldest first. Each run is recorded with its findings in one step
//! ([`journal`]), so a crash loses none and repeats none.

mod journal;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crabwalk_detect::detection::Language;
use crabwalk_detect::{
    Content, Detection, DetectionType, Detections, Finding, Outcome, RunOptions, Schedule,
    SuppressedBy, Timing,
};
use crabwalk_events::Catalog;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::alert::{Alert, Alerts};
use crate::environment::Environment;
use crate::keep::Kept;
use crate::listed::{ListError, Listed};
use crate::saved::SavedSearches;
use crate::watch::Knows;
pub use journal::Recorded;
use journal::{Journal, Progress, Ran, Run};

/// Ticks of one detection that are made up for after a stop; older ones are given up on.
const MOST_TICKS: usize = 24;
/// How often to look for new events and due ticks.
const LOOK: Duration = Duration::from_secs(1);
/// How often the content's files are checked for changes.
const RELOAD: Duration = Duration::from_secs(300);
/// Delay before a failed run is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// Findings of new events that say the same of the same are one for this long, unless the detection itself says how long:
/// what a window would bring together comes in parts.
const ALIKE_MICROS: i64 = 3600 * 1_000_000;
/// Unless somebody sets another limit, no alert is raised about events that are older than this when they are found:
/// somebody is reading old logs in.
const ALERT_MICROS: i64 = DAY_MICROS;
const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;
/// Types of detections whose findings are to be looked at one by one.
const NOTABLE: [&str; 2] = ["TTP", "Correlation"];
/// Events of a finding that are recorded.
const MOST_EVENTS: usize = 10;

/// What people decided about a detection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its id.
    id: String,
    /// Whether it runs at all, in hunts too.
    enabled: bool,
    /// Whether each of its findings is an alert.
    alert: bool,
    /// When it runs, if not as its content says: cron expression, start and end of the window.
    schedule: Option<(String, String, String)>,
}

impl Setting {
    fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            enabled: true,
            alert: false,
            schedule: None,
        }
    }
}

/// A change of what people decided.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Whether it runs at all.
    pub enabled: Option<bool>,
    /// Whether each of its findings is an alert.
    pub alert: Option<bool>,
    /// A schedule; `null` for that of the content.
    #[serde(default, deserialize_with = "present")]
    pub schedule: Option<Option<Times>>,
}

/// A schedule as people write it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// The cron expression.
    pub cron: String,
    /// Where the window starts.
    pub earliest: String,
    /// Where it ends.
    pub latest: String,
}

/// Tells `null` from nothing.
fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<Times>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Why a change is refused.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such detection.
    #[error("there is no detection {0:?}; GET /api/v1/content lists them")]
    Unknown(String),
    /// A schedule.
    #[error("{0}")]
    Schedule(String),
    /// It is switched off.
    #[error("the detection is switched off; switch it on first")]
    Off,
    /// Its run failed.
    #[error("{0}")]
    Run(String),
    /// The file.
    #[error(transparent)]
    File(#[from] ListError),
}

/// What people decided about detections, in `content.json`.
pub struct Settings(Listed<Setting>);

impl Settings {
    /// The decisions of a data folder.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn open(data: &Path) -> Result<Self, ListError> {
        Listed::open(&data.join("content.json")).map(Self)
    }

    fn of(&self, id: &str) -> Setting {
        let all = self.0.all();
        let found = all.iter().find(|one| one.id == id).cloned();
        found.unwrap_or_else(|| Setting::new(id))
    }

    /// Takes what is switched off out of content.
    pub fn apply(&self, content: &mut Content) {
        let all = self.0.all();
        let off: BTreeSet<&str> = (all.iter().filter(|one| !one.enabled))
            .map(|one| one.id.as_str())
            .collect();
        content
            .detections
            .retain(|one| !off.contains(one.id.as_str()));
        content.sigma.retain(|one| !off.contains(one.id.as_str()));
    }
}

/// Detections of a plan, prepared.
struct Ready {
    /// The number of the plan.
    plan: u64,
    /// Their ids.
    names: Vec<String>,
    detections: Arc<Detections>,
}

/// What people decided that changes what runs find.
#[derive(Clone)]
pub struct Decisions {
    /// About detections.
    pub settings: Arc<Settings>,
    /// Exceptions, and what is known of machines and accounts.
    pub environment: Arc<Environment>,
}

/// Content, and the files and folders that it is loaded from.
pub struct Library {
    /// Loads it.
    pub load: Knows,
    /// Where it lies.
    pub paths: Vec<PathBuf>,
}

/// Selections of detections that stay prepared; each holds the content that it needs.
const MOST_READY: usize = 4;

/// What tells whether files have changed: their names, sizes and times.
fn stamp(paths: &[PathBuf]) -> u64 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    let mut open: Vec<PathBuf> = paths.iter().rev().cloned().collect();
    while let Some(path) = open.pop() {
        hash.update(path.as_os_str().as_encoded_bytes());
        let Ok(meta) = std::fs::metadata(&path) else {
            hash.update(&[0]);
            continue;
        };
        if meta.is_dir() {
            // A link to a folder above it would lead round and round.
            if path.is_symlink() && !paths.contains(&path) {
                continue;
            }
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            let mut entries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            entries.sort_unstable_by(|a, b| b.cmp(a));
            open.append(&mut entries);
            continue;
        }
        let time = meta.modified().ok();
        let time = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        hash.update(&meta.len().to_le_bytes());
        hash.update(&time.map_or(0, |time| time.as_nanos()).to_le_bytes());
    }
    hash.digest()
}

/// A detection and what makes it run.
struct Planned {
    detection: Arc<Detection>,
    timing: Timing,
    setting: Setting,
}

/// All detections, as last loaded.
#[derive(Default)]
struct Plan {
    all: Vec<Planned>,
    problems: Vec<String>,
}

impl Plan {
    fn find(&self, id: &str) -> Option<&Planned> {
        self.all.iter().find(|one| one.detection.id == id)
    }

    /// Those that run by themselves, in this way.
    fn ids(&self, is_meant: impl Fn(&Timing) -> bool) -> Vec<String> {
        let all = self.all.iter();
        all.filter(|one| one.setting.enabled && is_meant(&one.timing))
            .map(|one| one.detection.id.clone())
            .collect()
    }
}

struct Shared {
    content: Library,
    threads: usize,
    kept: Arc<Kept>,
    alerts: Arc<Alerts>,
    settings: Arc<Settings>,
    environment: Arc<Environment>,
    saved: Arc<SavedSearches>,
    journal: Mutex<Journal>,
    plan: Mutex<Arc<Plan>>,
    /// Rises with each plan.
    planned: AtomicU64,
    /// The state of the content's files when they were read for the plan.
    stamp: Mutex<Option<(u64, u64)>>,
    /// Detections that ran over windows, for the windows to come; the last used comes last.
    ready: Mutex<Vec<Ready>>,
    stop: AtomicBool,
    wake: (Mutex<bool>, Condvar),
    trouble: Mutex<Option<String>>,
}

/// Detections that run by themselves, until they are stopped.
pub struct Schedules {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

fn time(micros: i64) -> Option<String> {
    let time = jiff::Timestamp::from_microsecond(micros).ok()?;
    Some(time.to_string())
}

impl Schedules {
    /// Starts to run detections.
    ///
    /// # Errors
    /// If the system cannot start a thread, or the record of earlier runs cannot be read.
    pub fn start(
        content: Library,
        threads: usize,
        data: &Path,
        kept: Arc<Kept>,
        alerts: Arc<Alerts>,
        decisions: Decisions,
        saved: Arc<SavedSearches>,
    ) -> Result<Self, ListError> {
        let failed = |source| ListError {
            path: data.join("findings.jsonl"),
            source,
        };
        let journal = Journal::open(data).map_err(failed)?;
        let shared = Arc::new(Shared {
            content,
            threads,
            kept,
            alerts,
            settings: decisions.settings,
            environment: decisions.environment,
            saved,
            journal: Mutex::new(journal),
            plan: Mutex::default(),
            planned: AtomicU64::new(0),
            stamp: Mutex::default(),
            ready: Mutex::default(),
            stop: AtomicBool::new(false),
            wake: (Mutex::new(false), Condvar::new()),
            trouble: Mutex::default(),
        });
        // What is in the store before the first start is history: hunts look at it.
        let first = lock(&shared.journal).state.arrived;
        let next = shared.kept.store().next_file();
        let seen = Arc::new(AtomicU64::new(first.unwrap_or(next)));
        shared.kept.wait_for(&seen);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .stack_size(16 << 20)
                .spawn(work)
                .map_err(failed)
        };
        let scheduler = Arc::clone(&shared);
        let arrivals = Arc::clone(&shared);
        let threads = vec![
            spawn("schedule", Box::new(move || scheduler.keep_time()))?,
            spawn("arrivals", Box::new(move || arrivals.follow(&seen)))?,
        ];
        Ok(Self {
            shared,
            threads: Mutex::new(threads),
        })
    }

    /// Stops, after finishing runs in progress.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            if thread.join().is_err() {
                tracing::error!("a thread that runs detections ended early");
            }
        }
    }

    /// Why runs cannot be made or recorded, if so.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.shared.trouble).clone()
    }

    /// Numbers of runs and of findings so far, and of detections whose last run failed.
    pub fn figures(&self) -> (u64, u64, u64) {
        let journal = lock(&self.shared.journal);
        let all = journal.state.detections.values();
        let failed = all.clone().filter(|one| one.error.is_some()).count();
        let findings = all.map(|one| one.findings).sum();
        (journal.state.runs, findings, failed as u64)
    }

    /// All detections, and how far each has come.
    pub fn detections(&self) -> Vec<Value> {
        let plan = Arc::clone(&lock(&self.shared.plan));
        let journal = lock(&self.shared.journal);
        let known = &journal.state.detections;
        let none = Progress::default();
        (plan.all.iter())
            .map(|one| described(one, known.get(&one.detection.id).unwrap_or(&none)))
            .collect()
    }

    /// All detections, and what is wrong with content.
    pub fn all(&self) -> Value {
        let problems = lock(&self.shared.plan).problems.clone();
        json!({"detections": self.detections(), "problems": problems, "trouble": self.trouble()})
    }

    /// The latest findings, newest first: of one detection if one is named, found after a time, in microseconds since
    /// 1970-01-01 UTC.
    pub fn findings(&self, detection: Option<&str>, after: Option<i64>, most: usize) -> Vec<Value> {
        let journal = lock(&self.shared.journal);
        let newest = journal.state.findings.iter().rev();
        newest
            .filter(|one| detection.is_none_or(|name| one.detection == name || one.name == name))
            .take_while(|one| after.is_none_or(|after| one.found > after))
            .take(most)
            .map(shown)
            .collect()
    }

    /// The latest findings that are to be looked at, newest first, each with the ATT&CK techniques of its detection.
    pub fn notables(&self) -> Vec<(Recorded, Vec<String>)> {
        let plan = Arc::clone(&lock(&self.shared.plan));
        let techniques: BTreeMap<&str, &Vec<String>> = (plan.all.iter())
            .map(|one| (one.detection.id.as_str(), &one.detection.techniques))
            .collect();
        let journal = lock(&self.shared.journal);
        let newest = journal.state.findings.iter().rev();
        newest
            .filter(|one| NOTABLE.contains(&one.kind.as_str()))
            .map(|one| {
                let own = techniques.get(one.detection.as_str()).copied().cloned();
                (one.clone(), own.unwrap_or_default())
            })
            .collect()
    }

    /// Number of runs so far.
    pub fn runs(&self) -> u64 {
        lock(&self.shared.journal).state.runs
    }

    /// A finding, by its id.
    pub fn finding(&self, id: &str) -> Option<Value> {
        let journal = lock(&self.shared.journal);
        let mut all = journal.state.findings.iter();
        all.find(|one| one.id == id).map(shown)
    }

    /// Runs a detection now: over the window that ends now by its schedule, or over the last day if it has none. Returns
    /// the number of new findings, and the detection as it is then.
    ///
    /// # Errors
    /// If there is no such detection, it is switched off, or it cannot run.
    pub fn run_now(&self, id: &str) -> Result<(u64, Value), ChangeError> {
        let shared = &self.shared;
        let plan = Arc::clone(&lock(&shared.plan));
        let unknown = || ChangeError::Unknown(id.chars().take(200).collect());
        let one = plan.find(id).ok_or_else(unknown)?;
        if !one.setting.enabled {
            return Err(ChangeError::Off);
        }
        let now = now();
        let (start, end) = match &one.timing {
            Timing::Scheduled { schedule, lookback } => {
                let (start, end) = schedule.window(now);
                (start.saturating_sub(*lookback), end)
            }
            Timing::Arrival | Timing::Hunts => (now - DAY_MICROS, now),
        };
        let due = Due {
            detections: BTreeMap::from([(id.to_owned(), 0)]),
        };
        let before = self.progress(id).findings;
        guarded(|| shared.run_window(None, now, start, end, &due)).map_err(ChangeError::Run)?;
        let progress = self.progress(id);
        let found = progress.findings.saturating_sub(before);
        Ok((found, described(one, &progress)))
    }

    fn progress(&self, id: &str) -> Progress {
        let journal = lock(&self.shared.journal);
        journal
            .state
            .detections
            .get(id)
            .cloned()
            .unwrap_or_default()
    }

    /// Loads content and saved searches again.
    pub fn reload(&self) {
        self.shared.load();
    }

    /// Changes what is decided about a detection, and returns it as it is then.
    ///
    /// # Errors
    /// If there is no such detection, its schedule is none, or the change cannot be written.
    pub fn change(&self, id: &str, change: &Change) -> Result<Value, ChangeError> {
        let shared = &self.shared;
        let plan = Arc::clone(&lock(&shared.plan));
        if plan.find(id).is_none() {
            return Err(ChangeError::Unknown(id.chars().take(200).collect()));
        }
        if let Some(Some(times)) = &change.schedule {
            Schedule::new(&times.cron, &times.earliest, &times.latest)
                .map_err(ChangeError::Schedule)?;
        }
        shared.settings.0.change(|all| {
            let place = all.iter().position(|one| one.id == id);
            let mut one = place.map_or_else(|| Setting::new(id), |place| all.remove(place));
            one.enabled = change.enabled.unwrap_or(one.enabled);
            one.alert = change.alert.unwrap_or(one.alert);
            if let Some(schedule) = &change.schedule {
                one.schedule = schedule
                    .clone()
                    .map(|one| (one.cron, one.earliest, one.latest));
            }
            if one != Setting::new(id) {
                all.push(one);
            }
            Ok::<_, ListError>(())
        })?;
        shared.load();
        let plan = Arc::clone(&lock(&shared.plan));
        let journal = lock(&shared.journal);
        let none = Progress::default();
        let progress = journal.state.detections.get(id).unwrap_or(&none);
        let one = plan.find(id);
        let one = one.ok_or_else(|| ChangeError::Unknown(id.to_owned()))?;
        Ok(described(one, progress))
    }
}

fn described(one: &Planned, progress: &Progress) -> Value {
    let detection = &one.detection;
    let schedule = match &one.timing {
        Timing::Scheduled { schedule, .. } => Some(schedule),
        Timing::Arrival | Timing::Hunts => None,
    };
    let next = schedule
        .filter(|_| one.setting.enabled)
        .and_then(|schedule| schedule.next(progress.tick.unwrap_or_else(now)));
    json!({
        "id": detection.id,
        "name": detection.name,
        "type": detection.kind.name(),
        "language": match detection.language {
            Language::Spl => "spl",
            Language::Sigma => "sigma",
        },
        "severity": detection.severity().to_string(),
        "stories": detection.stories,
        "techniques": detection.techniques,
        "description": detection.description,
        "search": detection.search,
        "enabled": one.setting.enabled,
        "alert": one.setting.alert,
        "runs": match &one.timing {
            Timing::Arrival => "on arrival",
            Timing::Scheduled { .. } => "on schedule",
            Timing::Hunts => "in hunts",
        },
        "schedule": schedule.map(|schedule| json!({
            "cron": schedule.cron(),
            "earliest": schedule.earliest(),
            "latest": schedule.latest(),
            "changed": one.setting.schedule.is_some(),
        })),
        "next_run": next.and_then(time),
        "last_run": progress.last.and_then(time),
        "last_tick": schedule.and(progress.tick).and_then(time),
        "last_seconds": progress.last.map(|_| progress.seconds),
        "run_count": progress.runs,
        "findings": progress.findings,
        "last_finding": progress.last_finding.and_then(time),
        "throttled": progress.throttled,
        "hidden": progress.hidden,
        "missed": progress.missed,
        "error": progress.error,
        "recent": progress.recent.iter().rev().map(|one| json!({
            "time": time(one.at), "seconds": one.seconds, "findings": one.findings, "error": one.error,
        })).collect::<Vec<_>>(),
    })
}

fn shown(one: &Recorded) -> Value {
    let events: Vec<Value> = (one.events.iter())
        .map(|(at, host, channel, id, record)| {
            json!({"time": time(*at), "host": host, "channel": channel, "event_id": id, "record": record})
        })
        .collect();
    let objects: Vec<Value> = (one.risk_objects.iter())
        .map(|(kind, value, score)| json!({"type": kind, "value": value, "score": score}))
        .collect();
    json!({
        "id": one.id,
        "detection": {"id": one.detection, "name": one.name, "type": one.kind},
        "severity": one.severity,
        "message": one.message,
        "found": time(one.found),
        "first": one.first.and_then(time),
        "last": one.last.and_then(time),
        "risk_objects": objects,
        "hosts": one.hosts,
        "fields": one.fields,
        "events": events,
        "event_count": one.event_count,
    })
}

/// Runs over the same window for the same tick.
#[derive(Default)]
struct Due {
    /// Detections, and the ticks of each that are given up on.
    detections: BTreeMap<String, u64>,
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn wake(&self) {
        *lock(&self.wake.0) = true;
        self.wake.1.notify_all();
    }

    /// Waits, unless the server is to stop.
    fn pause(&self, duration: Duration) {
        let guard = lock(&self.wake.0);
        let waits = |_: &mut bool| !self.stopped();
        drop(self.wake.1.wait_timeout_while(guard, duration, waits));
    }

    /// Reports why a run failed, once.
    fn failed(&self, error: Option<String>) {
        let mut trouble = lock(&self.trouble);
        if *trouble != error
            && let Some(error) = &error
        {
            tracing::error!(error, "detections cannot run; they will be tried again");
        }
        *trouble = error;
    }

    /// Loads content, with the saved searches that run at times.
    fn whole(&self) -> Result<Content, String> {
        let mut content = (self.content.load)()?;
        content.detections.extend(self.saved.detections());
        Ok(content)
    }

    /// Loads content, without what is switched off.
    fn enabled(&self) -> Result<Content, String> {
        let mut content = self.whole()?;
        self.settings.apply(&mut content);
        Ok(content)
    }

    /// What a plan depends on: the content's files, and the environment.
    fn state(&self) -> (u64, u64) {
        (stamp(&self.content.paths), self.environment.state())
    }

    /// Makes a new plan if files of the content have changed, or an exception has ended.
    fn look(&self) {
        let stamp = self.state();
        if *lock(&self.stamp) != Some(stamp) {
            self.load();
        }
    }

    /// Makes a new plan from content and settings. If content cannot be loaded, the previous plan stays.
    fn load(&self) {
        // Before it is read: what changes meanwhile is seen the next time.
        let stamp = self.state();
        let content = match self.whole() {
            Ok(content) => content,
            Err(error) => return self.failed(Some(error)),
        };
        let problems = content.problems.iter().map(ToString::to_string).collect();
        let timings = content.timings().into_iter();
        let all = timings.map(|(detection, timing)| {
            let setting = self.settings.of(&detection.id);
            let own = setting.schedule.as_ref();
            let own =
                own.and_then(|(cron, earliest, latest)| Schedule::new(cron, earliest, latest).ok());
            let timing = match (own, timing) {
                (None, timing) => timing,
                (Some(schedule), Timing::Scheduled { lookback, .. }) => {
                    Timing::Scheduled { schedule, lookback }
                }
                (Some(schedule), Timing::Arrival | Timing::Hunts) => Timing::Scheduled {
                    schedule,
                    lookback: 0,
                },
            };
            Planned {
                detection,
                timing,
                setting,
            }
        });
        let plan = Plan {
            all: all.collect(),
            problems,
        };
        *lock(&self.plan) = Arc::new(plan);
        *lock(&self.stamp) = Some(stamp);
        self.planned.fetch_add(1, Ordering::Release);
    }

    /// Runs what is due, until the server stops.
    fn keep_time(&self) {
        let mut loaded: Option<Instant> = None;
        while !self.stopped() {
            if loaded.is_none_or(|loaded| loaded.elapsed() > RELOAD) {
                self.look();
                loaded = Some(Instant::now());
            }
            let plan = Arc::clone(&lock(&self.plan));
            let mut wait = LOOK;
            if let Err(error) = self.begin(&plan) {
                self.failed(Some(error));
                wait = AGAIN;
            }
            for ((tick, start, end), due) in self.due(&plan) {
                if self.stopped() {
                    return;
                }
                if let Err(error) = guarded(|| self.run_window(Some(tick), tick, start, end, &due))
                {
                    self.failed(Some(error));
                    wait = AGAIN;
                    break;
                }
                self.failed(None);
            }
            self.pause(wait);
        }
    }

    /// Notes detections that are scheduled and have never been: their first tick is the next one.
    fn begin(&self, plan: &Plan) -> Result<(), String> {
        let mut journal = lock(&self.journal);
        let known = &journal.state.detections;
        let is_new = |id: &String| known.get(id).is_none_or(|one| one.tick.is_none());
        let new: BTreeMap<String, Ran> = plan
            .ids(|timing| matches!(timing, Timing::Scheduled { .. }))
            .into_iter()
            .filter(is_new)
            .map(|id| {
                let begins = Ran {
                    begins: true,
                    ..Ran::default()
                };
                (id, begins)
            })
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let run = Run {
            at: now(),
            detections: new,
            ..Run::default()
        };
        journal.append(run).map_err(|error| error.to_string())
    }

    /// What is due, by tick and window, oldest first.
    fn due(&self, plan: &Plan) -> BTreeMap<(i64, i64, i64), Due> {
        let journal = lock(&self.journal);
        let now = now();
        let mut all: BTreeMap<(i64, i64, i64), Due> = BTreeMap::new();
        for one in plan.all.iter().filter(|one| one.setting.enabled) {
            let Timing::Scheduled { schedule, lookback } = &one.timing else {
                continue;
            };
            let progress = journal.state.detections.get(&one.detection.id);
            let Some(mut last) = progress.and_then(|progress| progress.tick) else {
                continue;
            };
            let mut ticks = std::collections::VecDeque::new();
            let mut missed = 0;
            while let Some(tick) = schedule.next(last) {
                if tick > now || schedule.window(tick).1 > now {
                    break;
                }
                ticks.push_back(tick);
                if ticks.len() > MOST_TICKS {
                    ticks.pop_front();
                    missed += 1;
                }
                last = tick;
            }
            for tick in ticks {
                let (start, end) = schedule.window(tick);
                let due = all
                    .entry((tick, start.saturating_sub(*lookback), end))
                    .or_default();
                let missed = std::mem::take(&mut missed);
                due.detections.insert(one.detection.id.clone(), missed);
            }
        }
        all
    }

    /// Runs detections over a window: for a tick, or for somebody who asked. `now` is the time that searches take for the
    /// present.
    fn run_window(
        &self,
        tick: Option<i64>,
        now: i64,
        start: i64,
        end: i64,
        due: &Due,
    ) -> Result<(), String> {
        let began = Instant::now();
        let version = self.planned.load(Ordering::Acquire);
        let plan = Arc::clone(&lock(&self.plan));
        let is_correlation = |id: &String| {
            let one = plan.find(id);
            one.is_some_and(|one| one.detection.kind == DetectionType::Correlation)
        };
        let names = if due.detections.keys().any(is_correlation) {
            // It adds up what the others find in its window.
            plan.ids(|timing| *timing != Timing::Hunts)
        } else {
            due.detections.keys().cloned().collect()
        };
        let detections = self.ready(version, names)?;
        let mut run = Run {
            detections: due
                .detections
                .iter()
                .map(|(id, missed)| {
                    let ran = Ran {
                        tick,
                        missed: *missed,
                        ..Ran::default()
                    };
                    (id.clone(), ran)
                })
                .collect(),
            ..Run::default()
        };
        match detections {
            Ok(detections) => {
                self.kept.flush();
                let store = self.kept.store();
                let snapshot = store
                    .snapshot_within(&(start..=end.saturating_sub(1)))
                    .map_err(|error| error.to_string())?;
                let snapshot = Arc::new(snapshot);
                let place = self.kept.elsewhere(&snapshot);
                let catalog: Arc<dyn Catalog> = snapshot;
                let outcome = detections
                    .find_at(&catalog, now as f64 / 1e6, place)
                    .map_err(|error| error.to_string())?;
                self.note(&plan, &outcome, &mut run, 0);
            }
            // Content changed since it was planned: nothing of it is there any more.
            Err(error) => {
                for ran in run.detections.values_mut() {
                    ran.error = Some(error.to_string());
                }
            }
        }
        run.seconds = began.elapsed().as_secs_f64();
        self.record(&plan, run)
    }

    /// Detections of a plan, prepared. Loading content takes longer than running a few of them, so it is loaded once for each
    /// plan and selection.
    fn ready(
        &self,
        version: u64,
        names: Vec<String>,
    ) -> Result<Result<Arc<Detections>, crabwalk_detect::RunError>, String> {
        {
            let mut ready = lock(&self.ready);
            ready.retain(|one| one.plan == version);
            if let Some(at) = ready.iter().position(|one| one.names == names) {
                let one = ready.remove(at);
                let detections = Arc::clone(&one.detections);
                ready.push(one);
                return Ok(Ok(detections));
            }
        }
        let options = RunOptions {
            threads: self.threads,
            detections: names.clone(),
            exceptions: self.environment.silencing(),
            ..RunOptions::default()
        };
        let detections = match Detections::new(self.enabled()?, options) {
            Ok(detections) => Arc::new(detections),
            Err(error) => return Ok(Err(error)),
        };
        let mut ready = lock(&self.ready);
        if ready.len() == MOST_READY {
            ready.remove(0);
        }
        ready.push(Ready {
            plan: version,
            names,
            detections: Arc::clone(&detections),
        });
        Ok(Ok(detections))
    }

    /// Runs detections over new events as they arrive, until the server stops. `seen` is the number of the store's first
    /// file that is still to be read.
    fn follow(&self, seen: &AtomicU64) {
        let mut prepared: Option<(u64, Option<Detections>)> = None;
        while !self.stopped() {
            let version = self.planned.load(Ordering::Acquire);
            let from = seen.load(Ordering::Acquire);
            let next = self.kept.store().next_file();
            // Before the first plan nothing is known of detections.
            if version == 0 || next == from {
                self.pause(LOOK);
                continue;
            }
            let plan = Arc::clone(&lock(&self.plan));
            let result = guarded(|| {
                if prepared.as_ref().is_none_or(|(of, _)| *of != version) {
                    prepared = Some((version, self.prepare(&plan)?));
                }
                let detections = prepared
                    .as_ref()
                    .and_then(|(_, detections)| detections.as_ref());
                self.run_new(&plan, detections, from, next)
            });
            match result {
                Ok(()) => seen.store(next, Ordering::Release),
                Err(error) => {
                    self.failed(Some(error));
                    self.pause(AGAIN);
                }
            }
        }
    }

    /// The detections that run over new events; none if there are none.
    fn prepare(&self, plan: &Plan) -> Result<Option<Detections>, String> {
        let names = plan.ids(|timing| *timing == Timing::Arrival);
        if names.is_empty() {
            return Ok(None);
        }
        let options = RunOptions {
            threads: 1,
            detections: names,
            exceptions: self.environment.silencing(),
            ..RunOptions::default()
        };
        let detections = Detections::new(self.enabled()?, options);
        detections.map(Some).map_err(|error| error.to_string())
    }

    fn run_new(
        &self,
        plan: &Plan,
        detections: Option<&Detections>,
        from: u64,
        next: u64,
    ) -> Result<(), String> {
        let began = Instant::now();
        let mut run = Run {
            arrived: Some(next),
            ..Run::default()
        };
        if let Some(detections) = detections {
            let snapshot = self.kept.store().snapshot_since(from);
            let snapshot = snapshot.map_err(|error| error.to_string())?;
            let catalog: Arc<dyn Catalog> = Arc::new(snapshot);
            let outcome = detections
                .find(&catalog, now() as f64 / 1e6)
                .map_err(|error| error.to_string())?;
            self.note(plan, &outcome, &mut run, ALIKE_MICROS);
        }
        run.seconds = began.elapsed().as_secs_f64();
        self.record(plan, run)
    }

    /// Puts what detections found into a run. Findings that say the same are one within `alike` microseconds.
    fn note(&self, plan: &Plan, outcome: &Outcome, run: &mut Run, alike: i64) {
        let scheduled: Option<BTreeSet<String>> =
            (run.arrived.is_none()).then(|| run.detections.keys().cloned().collect());
        for problem in outcome.problems.iter().filter(|problem| problem.fatal) {
            let Some(id) = problem
                .detection
                .as_ref()
                .filter(|id| plan.find(id).is_some())
            else {
                continue;
            };
            match run.detections.get_mut(id) {
                Some(ran) => ran.error = Some(problem.to_string()),
                None if scheduled.is_none() => {
                    let ran = Ran {
                        error: Some(problem.to_string()),
                        ..Ran::default()
                    };
                    run.detections.insert(id.clone(), ran);
                }
                None => {}
            }
        }
        let journal = lock(&self.journal);
        let state = &journal.state;
        let mut quiet: BTreeMap<String, i64> = BTreeMap::new();
        let found = now();
        for finding in &outcome.findings {
            let id = &finding.detection.id;
            if (scheduled.as_ref()).is_some_and(|scheduled| !scheduled.contains(id)) {
                continue;
            }
            if let Some(suppressed) = &finding.suppressed {
                match suppressed.by {
                    SuppressedBy::Throttling => {
                        run.detections.entry(id.clone()).or_default().throttled += 1;
                    }
                    SuppressedBy::Author(_) => {
                        run.detections.entry(id.clone()).or_default().hidden += 1;
                    }
                    _ => {}
                }
                continue;
            }
            if state.knows(&finding.id) {
                continue;
            }
            if let Some((key, period)) = similar(finding, alike) {
                let at = finding.first.unwrap_or(found);
                let until = quiet.get(&key).or_else(|| state.quiet.get(&key));
                let is_quiet = |until: &i64| at < *until && at >= until.saturating_sub(period);
                if until.is_some_and(is_quiet) {
                    run.detections.entry(id.clone()).or_default().throttled += 1;
                    continue;
                }
                quiet.insert(key, at.saturating_add(period));
            }
            run.detections.entry(id.clone()).or_default();
            run.findings.push(recorded(finding, found));
        }
        run.quiet = quiet.into_iter().collect();
    }

    /// Posts the alerts of a run, and records it. Alerts come first: if a crash keeps the run from being recorded, it is
    /// made again, with the same ids, and they are posted once.
    fn record(&self, plan: &Plan, mut run: Run) -> Result<(), String> {
        run.at = now();
        let is_wanted = |finding: &&Recorded| {
            let setting = plan.find(&finding.detection).map(|one| &one.setting);
            setting.is_some_and(|setting| setting.alert)
                && self.alerts.is_recent(finding.last, Some(ALERT_MICROS))
        };
        let alerts = run.findings.iter().filter(is_wanted).map(|finding| Alert {
            id: finding.id.clone(),
            kind: "finding.new".to_owned(),
            title: format!("{}: {}", finding.name, finding.message),
            detail: shown(finding),
            time: time(run.at).unwrap_or_default(),
        });
        let alerts: Vec<Alert> = alerts.collect();
        self.alerts
            .post(alerts)
            .map_err(|error| error.to_string())?;
        if !run.findings.is_empty() {
            tracing::info!(
                findings = run.findings.len(),
                seconds = run.seconds,
                "detections ran"
            );
        }
        let recorded = lock(&self.journal).append(run);
        recorded.map_err(|error| format!("findings.jsonl: {error}"))
    }
}

/// Runs something. A bug in it must not end the server; it is reported.
fn guarded(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err("an error in Crabwalk ended a run of detections; please report it".to_owned())
    })
}

/// What makes a finding similar to others, and for how long, in microseconds.
fn similar(finding: &Finding, alike: i64) -> Option<(String, i64)> {
    let id = &finding.detection.id;
    if let Some(throttling) = &finding.detection.throttling {
        let key = json!([id, finding.agreement(&throttling.fields)]).to_string();
        return Some((key, throttling.period));
    }
    (alike > 0).then(|| {
        let objects: Vec<&str> = (finding.risk_objects.iter())
            .map(|object| object.value.as_str())
            .chain(
                finding
                    .threat_objects
                    .iter()
                    .map(|object| object.value.as_str()),
            )
            .collect();
        let key = json!([id, finding.message, objects, finding.hosts()]);
        (key.to_string(), alike)
    })
}

fn recorded(finding: &Finding, found: i64) -> Recorded {
    let value = |values: &Vec<String>| match values.as_slice() {
        [] => Value::Null,
        [one] => one.clone().into(),
        _ => values.clone().into(),
    };
    Recorded {
        id: finding.id.clone(),
        detection: finding.detection.id.clone(),
        name: finding.detection.name.clone(),
        kind: finding.detection.kind.name().to_owned(),
        severity: finding.severity().to_string(),
        message: finding.message.clone(),
        found,
        first: finding.first,
        last: finding.last,
        risk_objects: (finding.risk_objects.iter())
            .map(|object| {
                (
                    object.kind.name().to_owned(),
                    object.value.clone(),
                    object.calculated,
                )
            })
            .collect(),
        hosts: finding.hosts(),
        fields: (finding.fields.iter())
            .map(|(name, values)| (name.clone(), value(values)))
            .collect(),
        events: (finding.events.iter().take(MOST_EVENTS))
            .map(|event| {
                (
                    event.time,
                    event.host.clone(),
                    event.channel.clone(),
                    event.event_id,
                    event.record,
                )
            })
            .collect(),
        event_count: finding.event_count,
    }
}
