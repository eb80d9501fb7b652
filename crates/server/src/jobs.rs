//! Searches as jobs: they wait for their turn, run within the limits of their user's role, can be watched and cancelled,
//! and keep their answer for a while.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crabwalk_detect::query::{Answer, Bounded, Bounds};
use crabwalk_detect::{Knowledge, Query, RunError, RunOptions, Stop, time_modifier};
use crabwalk_events::Catalog;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use crate::account::{Role, User};
use crate::keep::Kept;
use crate::watch::Knows;

/// How long the answer of a job is kept after somebody last asked for it.
const KEPT: Duration = Duration::from_secs(600);
/// Maximum number of jobs, finished or not.
const MOST: usize = 200;
/// How long searches use content before its files are read again: reading all of it takes longer than most searches.
const FRESH: Duration = Duration::from_secs(60);
/// Bytes of the answers of all jobs; beyond it, the oldest are dropped.
const MOST_BYTES: usize = 512 << 20;

/// What the searches of a role may use.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// Searches of one user that run or wait.
    pub at_once: usize,
    /// Rows of an answer.
    pub rows: usize,
    /// Bytes of an answer.
    pub bytes: usize,
    /// Memory in bytes for grouping, sorting and joining; the rest goes to temporary files.
    pub memory: usize,
    /// Duration of a run.
    pub time: Duration,
}

impl Allowed {
    /// Those of a role.
    pub fn of(role: Role) -> Self {
        match role {
            Role::Admin => Self {
                at_once: 16,
                rows: 500_000,
                bytes: 128 << 20,
                memory: 512 << 20,
                time: Duration::from_secs(3600),
            },
            Role::Viewer | Role::Analyst => Self {
                at_once: 8,
                rows: 50_000,
                bytes: 64 << 20,
                memory: 256 << 20,
                time: Duration::from_secs(600),
            },
        }
    }
}

/// A search and the range of time that it is over.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// In SPL.
    pub search: String,
    /// The start, as a time modifier; empty for all times.
    #[serde(default)]
    pub earliest: String,
    /// The end.
    #[serde(default)]
    pub latest: String,
    /// Rows to give at most, within the limit of the user's role.
    #[serde(default)]
    pub rows: Option<usize>,
    /// Seconds to run at most, within the limit of the user's role.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// The saved search that it is, if it is one.
    #[serde(skip)]
    pub saved: Option<String>,
}

/// Why there is no job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// An error in the search or its range of time.
    #[error("{0}")]
    Search(String),
    /// Content cannot be loaded.
    #[error("content cannot be loaded: {0}")]
    Content(String),
    /// Too many run or wait.
    #[error("too many searches are running or waiting; try again when one has finished")]
    Busy,
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// It has its answer.
    Done,
    /// It has none.
    Failed,
}

impl Stage {
    /// Whether nothing happens any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

#[derive(Default)]
struct Outcome {
    answer: Arc<Answer>,
    /// Whether the answer has all rows.
    whole: bool,
    bytes: usize,
    error: Option<String>,
    seconds: f64,
}

/// A search in progress, or done.
pub struct Job {
    /// Its id.
    pub id: String,
    /// Who asked.
    pub owner: String,
    /// What was asked.
    pub question: Question,
    /// The range of time, in seconds since 1970-01-01 UTC.
    pub range: (Option<f64>, Option<f64>),
    /// When it was asked, in microseconds since 1970-01-01 UTC.
    pub asked: i64,
    began: Instant,
    stage: watch::Sender<Stage>,
    outcome: Mutex<Outcome>,
    used: Mutex<Instant>,
    stop: Stop,
    /// Whether it is to end with what it has.
    finish: AtomicBool,
    number: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    /// Where it is.
    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Waits until it is over.
    pub async fn over(&self) {
        // The sender lives as long as this.
        let _ = self
            .stage
            .subscribe()
            .wait_for(|stage| stage.is_over())
            .await;
    }

    /// The answer so far, and whether it has all rows.
    pub fn answer(&self) -> (Arc<Answer>, bool) {
        let outcome = lock(&self.outcome);
        (Arc::clone(&outcome.answer), outcome.whole)
    }

    /// Why it has no answer, if it failed.
    pub fn error(&self) -> Option<String> {
        lock(&self.outcome).error.clone()
    }

    /// How long it has been running and waiting, in seconds.
    pub fn seconds(&self) -> f64 {
        match self.stage().is_over() {
            true => lock(&self.outcome).seconds,
            false => self.began.elapsed().as_secs_f64(),
        }
    }

    /// Stops the search and lets the job end with what it has.
    pub fn finish(&self) {
        self.finish.store(true, Ordering::Release);
        self.stop.stop();
    }

    /// How it is, for the API.
    pub fn described(&self) -> Value {
        let (answer, whole) = self.answer();
        let stage = self.stage();
        let time = |seconds: Option<f64>| {
            #[expect(clippy::cast_possible_truncation, reason = "casts saturate")]
            let micros = (seconds? * 1e6) as i64;
            Some(jiff::Timestamp::from_microsecond(micros).ok()?.to_string())
        };
        json!({
            "id": self.id,
            "owner": self.owner,
            "search": self.question.search,
            "earliest": time(self.range.0),
            "latest": time(self.range.1),
            "asked": jiff::Timestamp::from_microsecond(self.asked).ok().map(|time| time.to_string()),
            "state": stage.name(),
            "seconds": self.seconds(),
            "rows": (stage == Stage::Done).then_some(answer.rows.len()),
            "truncated": (stage == Stage::Done).then_some(!whole),
            "error": self.error(),
        })
    }

    fn end(&self, stage: Stage, outcome: Outcome) {
        *lock(&self.outcome) = Outcome {
            seconds: self.began.elapsed().as_secs_f64(),
            ..outcome
        };
        self.stage.send_replace(stage);
    }
}

/// All jobs.
pub struct Jobs {
    all: Mutex<BTreeMap<String, Arc<Job>>>,
    turns: Arc<Semaphore>,
    numbers: AtomicU64,
    kept: Arc<Kept>,
    content: Knows,
    /// What searches know, and since when.
    knowledge: Mutex<Option<(Instant, Arc<Knowledge>)>>,
}

impl Jobs {
    /// Jobs over the events of a store.
    pub fn new(kept: Arc<Kept>, content: Knows) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            all: Mutex::default(),
            // The rest of the machine is for senders and hunts.
            turns: Arc::new(Semaphore::new(cores.div_ceil(2).max(2))),
            numbers: AtomicU64::new(1),
            kept,
            content,
            knowledge: Mutex::default(),
        }
    }

    /// What searches know: macros, lookups, data models, names of fields.
    ///
    /// # Errors
    /// If content cannot be loaded. This may take a moment: call it where that harms nobody.
    pub fn knowledge(&self) -> Result<Arc<Knowledge>, JobError> {
        let mut known = lock(&self.knowledge);
        match &*known {
            Some((since, knowledge)) if since.elapsed() < FRESH => Ok(Arc::clone(knowledge)),
            _ => {
                let content = (self.content)().map_err(JobError::Content)?;
                let knowledge = Arc::new(content.knowledge);
                *known = Some((Instant::now(), Arc::clone(&knowledge)));
                Ok(knowledge)
            }
        }
    }

    /// Has content read again for the next search.
    pub fn forget_content(&self) {
        *lock(&self.knowledge) = None;
    }

    /// Parses a search.
    ///
    /// # Errors
    /// If there is an error in it. This may take a moment: call it where that harms nobody.
    pub fn parse(&self, search: &str) -> Result<Query, JobError> {
        Query::new(&[("search", search)], self.knowledge()?).map_err(|error| {
            JobError::Search(match error {
                RunError::Search(error) => error.render(false),
                error => error.to_string(),
            })
        })
    }

    /// Parses a search and starts it.
    ///
    /// # Errors
    /// If there is an error in it, or its user has too many. This may take a moment: call it where that harms nobody.
    pub fn start(self: &Arc<Self>, user: &User, question: Question) -> Result<Arc<Job>, JobError> {
        let asked = jiff::Timestamp::now().as_microsecond();
        let now = asked as f64 / 1e6;
        let limit = |text: &str, name: &str| {
            let wrong = |text| {
                JobError::Search(format!(
                    "`{text}` is not a time for `{name}`: write `-24h@h`, `now`, or seconds since 1970"
                ))
            };
            match text.trim() {
                "" => Ok(None),
                text => time_modifier(text, now)
                    .map(Some)
                    .ok_or_else(|| wrong(text)),
            }
        };
        let range = (
            limit(&question.earliest, "earliest")?.filter(|time| *time > 0.0),
            limit(&question.latest, "latest")?,
        );
        let query = self.parse(&question.search)?;
        let mut allowed = Allowed::of(user.role);
        if let Some(rows) = question.rows {
            allowed.rows = allowed.rows.min(rows);
        }
        if let Some(seconds) = question.seconds {
            allowed.time = allowed.time.min(Duration::from_secs(seconds));
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let job = Arc::new(Job {
            id: format!("{}.{number}", asked / 1_000_000),
            owner: user.name.clone(),
            question,
            range,
            asked,
            began: Instant::now(),
            stage: watch::Sender::new(Stage::Queued),
            outcome: Mutex::default(),
            used: Mutex::new(Instant::now()),
            stop: Stop::default(),
            finish: AtomicBool::new(false),
            number,
        });
        {
            let mut all = lock(&self.all);
            tidy(&mut all);
            let own = all.values().filter(|one| one.owner == user.name);
            let open = own.filter(|one| !one.stage().is_over()).count();
            if open >= allowed.at_once || all.len() >= MOST {
                return Err(JobError::Busy);
            }
            all.insert(job.id.clone(), Arc::clone(&job));
        }
        tokio::spawn(turn(Arc::clone(self), Arc::clone(&job), query, allowed));
        Ok(job)
    }

    /// A job that a user may see.
    pub fn get(&self, user: &User, id: &str) -> Option<Arc<Job>> {
        let all = lock(&self.all);
        let job = all.get(id).filter(|job| is_visible(job, user))?;
        *lock(&job.used) = Instant::now();
        Some(Arc::clone(job))
    }

    /// The jobs that a user may see, newest first.
    pub fn all(&self, user: &User) -> Vec<Arc<Job>> {
        let mut all = lock(&self.all);
        tidy(&mut all);
        let visible = all.values().filter(|job| is_visible(job, user)).cloned();
        let mut visible: Vec<Arc<Job>> = visible.collect();
        visible.sort_by_key(|job| std::cmp::Reverse(job.number));
        visible
    }

    /// Stops a job and forgets it. Its user may be its owner, or an administrator. Returns whether there was one.
    pub fn cancel(&self, user: &User, id: &str) -> bool {
        let mut all = lock(&self.all);
        if !all.get(id).is_some_and(|job| is_visible(job, user)) {
            return false;
        }
        if let Some(job) = all.remove(id) {
            job.stop.stop();
        }
        true
    }

    /// Cancels a job when it is dropped, unless the job is over: for searches that only their client waits for.
    pub fn while_asked(self: &Arc<Self>, job: &Arc<Job>) -> WhileAsked {
        WhileAsked {
            jobs: Arc::clone(self),
            job: Arc::clone(job),
        }
    }
}

/// Somebody waits for a job.
pub struct WhileAsked {
    jobs: Arc<Jobs>,
    job: Arc<Job>,
}

impl Drop for WhileAsked {
    fn drop(&mut self) {
        self.job.stop.stop();
        lock(&self.jobs.all).remove(&self.job.id);
    }
}

fn is_visible(job: &Job, user: &User) -> bool {
    job.owner == user.name || user.role == Role::Admin
}

/// Forgets what nobody has asked for lately, and the oldest answers if all are too many.
fn tidy(all: &mut BTreeMap<String, Arc<Job>>) {
    all.retain(|_, job| !job.stage().is_over() || lock(&job.used).elapsed() < KEPT);
    let mut over: Vec<Arc<Job>> = (all.values())
        .filter(|job| job.stage().is_over())
        .cloned()
        .collect();
    over.sort_by_key(|job| job.number);
    let mut bytes: usize = over.iter().map(|job| lock(&job.outcome).bytes).sum();
    let mut count = all.len();
    for job in over {
        if bytes <= MOST_BYTES && count < MOST {
            return;
        }
        bytes = bytes.saturating_sub(lock(&job.outcome).bytes);
        count -= 1;
        all.remove(&job.id);
    }
}

/// Waits for a job's turn, and runs it.
async fn turn(jobs: Arc<Jobs>, job: Arc<Job>, query: Query, allowed: Allowed) {
    // Nobody closes it.
    let Ok(permit) = Arc::clone(&jobs.turns).acquire_owned().await else {
        return;
    };
    job.stage.send_replace(Stage::Running);
    let stop = job.stop.clone();
    let timer = tokio::spawn(async move {
        tokio::time::sleep(allowed.time).await;
        stop.stop();
    });
    let began = Instant::now();
    let (shared, own) = (Arc::clone(&jobs), Arc::clone(&job));
    let ran = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        run(&shared.kept, &own, query, &allowed)
    });
    let ran = ran.await;
    timer.abort();
    let failed = |error: String| Outcome {
        error: Some(error),
        ..Outcome::default()
    };
    match ran {
        Ok(Ok(Bounded::Answer(answer, whole))) => {
            let values = answer.rows.iter().flatten().flatten();
            let outcome = Outcome {
                bytes: values.map(|value| value.len() + 48).sum(),
                answer: Arc::new(answer),
                whole,
                ..Outcome::default()
            };
            job.end(Stage::Done, outcome);
        }
        Ok(Ok(Bounded::Stopped)) if job.finish.load(Ordering::Acquire) => {
            job.end(Stage::Done, Outcome::default());
        }
        Ok(Ok(Bounded::Stopped)) if began.elapsed() >= allowed.time => {
            let error = format!(
                "the search was stopped after {} seconds, its limit; narrow its range of time",
                allowed.time.as_secs()
            );
            job.end(Stage::Failed, failed(error));
        }
        Ok(Ok(Bounded::Stopped)) => {
            job.end(Stage::Failed, failed("the search was cancelled".to_owned()));
        }
        Ok(Err(error)) => job.end(Stage::Failed, failed(error)),
        Err(_) => job.end(Stage::Failed, failed("the search ended early".to_owned())),
    }
}

fn run(kept: &Kept, job: &Job, query: Query, allowed: &Allowed) -> Result<Bounded, String> {
    if job.stop.is_stopped() {
        return Ok(Bounded::Stopped);
    }
    #[expect(clippy::cast_possible_truncation, reason = "casts saturate")]
    let micros = |seconds: f64| (seconds * 1e6).round() as i64;
    let now = job.asked as f64 / 1e6;
    // A range in the search itself takes precedence.
    let own = query.earliest().and_then(|text| time_modifier(text, now));
    let start = own.or(job.range.0).map_or(i64::MIN, micros);
    let end = job
        .range
        .1
        .map_or(i64::MAX, |end| micros(end).saturating_sub(1));
    kept.flush();
    let snapshot = kept.store().snapshot_within(&(start..=end));
    let snapshot = Arc::new(snapshot.map_err(|error| error.to_string())?);
    let query = match kept.elsewhere(&snapshot) {
        Some(place) => query.at(place),
        None => query,
    };
    let catalog: Arc<dyn Catalog> = snapshot;
    let options = RunOptions {
        threads: 1,
        now,
        memory: allowed.memory,
        ..RunOptions::default()
    };
    let bounds = Bounds {
        rows: allowed.rows,
        bytes: allowed.bytes,
        stop: job.stop.clone(),
    };
    query
        .run_within(&catalog, &options, &bounds)
        .map_err(|error| match error {
            RunError::Search(error) => error.render(false),
            error => error.to_string(),
        })
}
