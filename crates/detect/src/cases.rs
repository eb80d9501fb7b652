//! Tests of detections: made-up events on which a detection must or must not fire, and the recorded attacks listed in
//! content.
//!
//! A file of cases (`*.yml` with the key `detection` and one of `fires` and `quiet`) looks like this:
//!
//! ```yaml
//! detection: Service installed from a share
//! event: {event: System/7045, host: QUAY-SRV02.pier.example}   # what all events below have unless they say otherwise
//! fires:
//!   - case: a program on another machine's share
//!     events:
//!       - {ServiceName: sync, ImagePath: '\\10.4.0.9\c$\sync.exe'}
//!     rows: 1                                    # findings expected; one or more where it is left out
//!     has: {dest: QUAY-SRV02.pier.example}       # values that one finding has, besides
//! quiet:
//!   - case: a program of this machine
//!     events:
//!       - {ServiceName: sync, ImagePath: 'C:\Program Files\Sync\sync.exe'}
//! ```
//!
//! `event` is the event type, as in field mappings; `host` the machine that wrote the event. `time` is in seconds after
//! the first event (by default one second after the preceding event), or a date and time. `repeat: 40` creates 40
//! events, one second apart or as set by `every`; `{n}` in their values is 1, 2, … 40. A list gives a field several
//! values. `assets` and `identities` of a case are CSV text in the usual format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crabwalk_events::{Catalog, MemoryCatalog};
use crabwalk_sources::collect::{Begun, Collected, Collector, Everything, Head};
use crabwalk_sources::{Input, Limits};
use crabwalk_spl::{Driver, Engine, EngineOptions, Knowledge, Readers, Search};
use serde::Deserialize;

use crate::content::{Content, ContentProblem, parse_yaml};
use crate::detection::{Detection, DetectionType};
use crate::files::{is_yaml_name, walk};
use crate::finding::{self, Finding};
use crate::run::{Detections, RunOptions, sees_events};
use crate::workers::spread;

/// Time of the first event of a case: 2026-03-02T09:00:00Z, microseconds since 1970-01-01 UTC.
const START: i64 = 1_772_442_000_000_000;
/// The result of `now()` in cases, in seconds since 1970-01-01 UTC: a week later.
const NOW: f64 = 1_773_046_800.0;
/// Maximum number of events per case.
const MOST_EVENTS: usize = 100_000;

/// A file of cases.
#[derive(Debug, Clone)]
pub struct CaseFile {
    /// Where it was loaded from.
    pub path: String,
    /// Name or id of the detection.
    pub detection: String,
    /// Defaults for all events.
    defaults: Fields,
    /// It must fire on these.
    pub fires: Vec<Case>,
    /// It must not fire on these.
    pub quiet: Vec<Case>,
}

type Fields = BTreeMap<String, Value>;

/// A value as written in YAML.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Value {
    Bool(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    List(Vec<Value>),
    Nothing(()),
}

impl Value {
    fn texts(&self) -> Vec<String> {
        match self {
            Self::Bool(value) => vec![value.to_string()],
            Self::Whole(value) => vec![value.to_string()],
            Self::Number(value) => vec![value.to_string()],
            Self::Text(text) => vec![text.clone()],
            Self::List(all) => all.iter().flat_map(Self::texts).collect(),
            Self::Nothing(()) => Vec::new(),
        }
    }

    fn text(&self) -> Option<String> {
        self.texts().into_iter().next()
    }
}

/// Events, and whether the detection must fire on them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it is.
    #[serde(rename = "case")]
    pub name: String,
    events: Vec<Fields>,
    #[serde(default)]
    rows: Option<usize>,
    #[serde(default)]
    has: Fields,
    #[serde(default)]
    assets: Option<String>,
    #[serde(default)]
    identities: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    detection: String,
    #[serde(default)]
    event: Fields,
    #[serde(default)]
    fires: Vec<Case>,
    #[serde(default)]
    quiet: Vec<Case>,
}

/// Loads the case files in directories, and single ones. Other files are skipped.
pub fn load(paths: &[PathBuf]) -> (Vec<CaseFile>, Vec<ContentProblem>) {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        // Folders of tests too.
        for file in walk(path, &[], is_yaml_name, &mut problems) {
            let path = file.path;
            let Ok(text) = String::from_utf8(file.text) else {
                continue; // told when content is loaded
            };
            if !is_case_file(&text) {
                continue;
            }
            match parse_yaml::<RawFile>(&path, &text) {
                Ok(raw) => files.push(CaseFile {
                    path,
                    detection: raw.detection.trim().to_owned(),
                    defaults: raw.event,
                    fires: raw.fires,
                    quiet: raw.quiet,
                }),
                Err(problem) => problems.push(problem),
            }
        }
    }
    (files, problems)
}

/// Whether a text has the keys of a case file.
pub(crate) fn is_case_file(text: &str) -> bool {
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    has("detection:") && (has("fires:") || has("quiet:"))
}

/// Turns the events of a case into tables, as readers do.
fn collect(defaults: &Fields, events: &[Fields]) -> Result<Collected, String> {
    let mut collector = Collector::new(&Everything);
    let mut time = START - 1_000_000;
    let mut record = 0_u64;
    for (at, own) in events.iter().enumerate() {
        let wrong = |what: String| format!("event {}: {what}", at + 1);
        let field = |name: &str| own.get(name).or_else(|| defaults.get(name));
        let text = |name: &str| field(name).and_then(Value::text);
        let kind = text("event").ok_or_else(|| {
            wrong("`event` is missing, such as `event: Security/4624`".to_owned())
        })?;
        let (channel, id) = kind
            .rsplit_once('/')
            .and_then(|(channel, id)| Some((channel, id.parse::<u32>().ok()?)))
            .ok_or_else(|| {
                wrong(format!(
                    "`{kind}` is not an event type: write `channel/event id`"
                ))
            })?;
        let host = text("host").unwrap_or_default();
        let seconds = |name: &str| -> Result<Option<i64>, String> {
            text(name)
                .map(|text| {
                    span(&text).ok_or_else(|| wrong(format!("`{name}: {text}` is not a time")))
                })
                .transpose()
        };
        let every = seconds("every")?.unwrap_or(1_000_000);
        time = match text("time") {
            Some(text) => match span(&text) {
                Some(after) => START + after,
                None => text
                    .parse::<jiff::Timestamp>()
                    .map_err(|_| wrong(format!("`time: {text}` is not a time")))?
                    .as_microsecond(),
            },
            None => time + 1_000_000,
        };
        let repeat = match text("repeat") {
            Some(text) => text
                .parse::<usize>()
                .ok()
                .filter(|count| *count <= MOST_EVENTS)
                .ok_or_else(|| {
                    wrong(format!(
                        "`repeat: {text}` is not a number up to {MOST_EVENTS}"
                    ))
                })?,
            None => 1,
        };
        let table = collector.table(channel, id);
        for n in 1..=repeat {
            if n > 1 {
                time += every;
            }
            record += 1;
            let number = n.to_string();
            let host = host.replace("{n}", &number);
            let head = Head {
                time,
                host: &host,
                source: 0,
                record,
                numbered: false,
            };
            if collector.begin(table, &head) != Begun::Row {
                continue;
            }
            let names: std::collections::BTreeSet<&String> =
                own.keys().chain(defaults.keys()).collect();
            for name in names {
                if matches!(
                    name.as_str(),
                    "event" | "host" | "time" | "repeat" | "every"
                ) {
                    continue;
                }
                let values = field(name).map(Value::texts).unwrap_or_default();
                if let Some(column) = collector.column(table, name) {
                    for value in values {
                        collector.push(table, column, &value.replace("{n}", &number));
                    }
                }
            }
        }
    }
    Collector::merge(vec![collector]).map_err(|error| error.to_string())
}

/// Microseconds from `90`, `90s`, `5m`, `2h`, `1d`, with or without a leading `+`.
fn span(text: &str) -> Option<i64> {
    let text = text.trim().trim_start_matches('+');
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return None,
    };
    let number: f64 = digits.trim().parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a span of years fits; more saturates"
    )]
    let micros = (number * unit * 1e6).round() as i64;
    (0..=315_360_000_000_000)
        .contains(&micros)
        .then_some(micros)
}

/// What kind of test it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TestKind {
    /// Made-up events on which the detection must fire.
    Fires,
    /// Made-up events on which it must not fire.
    Quiet,
    /// A recorded attack on which it must fire.
    AttackData,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As expected, with this many findings.
    Passed(usize),
    /// Not as expected, with the reasons.
    Failed(Vec<String>),
    /// Not run: why.
    Skipped(String),
}

/// One test and how it ended.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// Name of the detection.
    pub detection: String,
    /// File of the test.
    pub path: String,
    /// Name of the test.
    pub test: String,
    /// The expectation: that it fires, or stays quiet.
    pub kind: TestKind,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took.
    pub seconds: f64,
}

/// Local copies of recorded attacks, for content that names them by URL.
#[derive(Debug, Clone, Default)]
pub struct DataMap {
    /// URL or URL prefix, and its local path; longest first.
    entries: Vec<(String, PathBuf)>,
}

impl DataMap {
    /// Reads a YAML map of `URL or prefix: local path`. Relative paths start at `directory`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str, directory: &Path) -> Result<Self, String> {
        let raw: BTreeMap<String, String> =
            serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        let mut entries: Vec<(String, PathBuf)> = raw
            .into_iter()
            .map(|(url, path)| (url, directory.join(path)))
            .collect();
        entries.sort_by_key(|(url, _)| std::cmp::Reverse(url.len()));
        Ok(Self { entries })
    }

    /// The local copy of data named in content, if there is one. `beside` are the directories for relative paths.
    fn find(&self, data: &str, beside: &[PathBuf]) -> Result<PathBuf, String> {
        // Content may come from others: it may only name data below the user's directories.
        let inside = |rest: &str| !rest.split(['/', '\\']).any(|part| part == "..");
        for (url, path) in &self.entries {
            let Some(rest) = data.strip_prefix(url.as_str()) else {
                continue;
            };
            if !inside(rest) {
                return Err(format!("`{data}` points outside {}", path.display()));
            }
            let whole = rest.trim_start_matches(['/', '\\']);
            let path = if whole.is_empty() {
                path.clone()
            } else {
                path.join(whole)
            };
            if path.exists() {
                return Ok(path);
            }
        }
        if data.contains("://") {
            return Err(format!("no local copy of {data}: name one with --data-map"));
        }
        let relative = Path::new(data).is_relative() && inside(data);
        beside
            .iter()
            .filter(|_| relative)
            .map(|directory| directory.join(data))
            .find(|path| path.exists())
            .ok_or_else(|| format!("{data} does not exist"))
    }
}

/// What is to be tested.
enum Job<'a> {
    Case(&'a CaseFile, &'a Case, TestKind),
    Recorded(&'a crate::detection::RecordedAttack),
    Broken(String, TestKind),
}

struct Task<'a> {
    detection: Option<Arc<Detection>>,
    name: String,
    path: String,
    test: String,
    job: Job<'a>,
}

/// Runs the tests of detections.
pub struct Runner<'a> {
    content: &'a Content,
    knowledge: Arc<Knowledge>,
    readers: Readers,
    data: DataMap,
    threads: usize,
    engine: fn(Engine) -> Engine,
}

impl<'a> Runner<'a> {
    /// Over loaded content.
    pub fn new(content: &'a Content, data: DataMap, threads: usize) -> Self {
        let knowledge = Arc::new(content.knowledge.clone());
        Self {
            content,
            readers: Readers::new(&knowledge),
            knowledge,
            data,
            threads: threads.max(1),
            engine: std::convert::identity,
        }
    }

    /// Runs with a modified engine ([`RunOptions::engine`]).
    #[must_use]
    pub fn with_engine(mut self, engine: fn(Engine) -> Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Runs all tests of the detections for which `wanted` returns true: the cases in the files, and the recorded
    /// attacks listed by the detections. In order of the detections' names.
    pub fn run(&self, files: &[CaseFile], wanted: &dyn Fn(&Detection) -> bool) -> Vec<TestResult> {
        let mut tasks = Vec::new();
        for file in files {
            let detection = self
                .content
                .detections
                .iter()
                .find(|one| one.name == file.detection || one.id == file.detection);
            let Some(detection) = detection else {
                tasks.push(Task {
                    detection: None,
                    name: file.detection.clone(),
                    path: file.path.clone(),
                    test: "the detection is there".to_owned(),
                    job: Job::Broken(
                        format!("no detection is named `{}`", file.detection),
                        TestKind::Fires,
                    ),
                });
                continue;
            };
            if !wanted(detection) {
                continue;
            }
            let fires = file.fires.iter().map(|case| (case, TestKind::Fires));
            let quiet = file.quiet.iter().map(|case| (case, TestKind::Quiet));
            for (case, kind) in fires.chain(quiet) {
                tasks.push(Task {
                    detection: Some(Arc::clone(detection)),
                    name: detection.name.clone(),
                    path: file.path.clone(),
                    test: case.name.clone(),
                    job: Job::Case(file, case, kind),
                });
            }
        }
        for detection in self.content.detections.iter().filter(|one| wanted(one)) {
            for attack in &detection.recorded_attacks {
                tasks.push(Task {
                    detection: Some(Arc::clone(detection)),
                    name: detection.name.clone(),
                    path: detection.origin.path.clone(),
                    test: attack.name.clone(),
                    job: Job::Recorded(attack),
                });
            }
        }
        tasks.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
        self.run_tasks(&tasks)
    }

    fn run_tasks(&self, tasks: &[Task<'_>]) -> Vec<TestResult> {
        let run = |task: &Task<'_>| {
            let started = Instant::now();
            let verdict = self.run_task(task);
            (verdict, started.elapsed().as_secs_f64())
        };
        let failed = |why: String| (Verdict::Failed(vec![why]), 0.0);
        let done = match spread(self.threads, tasks.iter(), &run) {
            Ok(done) => done
                .into_iter()
                .map(|one| one.unwrap_or_else(|error| failed(error.to_string())))
                .collect(),
            Err(error) => vec![failed(format!("no thread could be started: {error}")); tasks.len()],
        };
        tasks
            .iter()
            .zip(done)
            .map(|(task, (verdict, seconds))| TestResult {
                detection: task.name.clone(),
                path: task.path.clone(),
                test: task.test.clone(),
                kind: match &task.job {
                    Job::Case(_, _, kind) | Job::Broken(_, kind) => *kind,
                    Job::Recorded(_) => TestKind::AttackData,
                },
                verdict,
                seconds,
            })
            .collect()
    }

    fn run_task(&self, task: &Task<'_>) -> Verdict {
        let failed = |why: String| Verdict::Failed(vec![why]);
        let Some(detection) = &task.detection else {
            return match &task.job {
                Job::Broken(why, _) => failed(why.clone()),
                _ => failed("no detections".to_owned()),
            };
        };
        match &task.job {
            Job::Broken(why, _) => failed(why.clone()),
            Job::Case(file, case, kind) => match self.run_case(detection, file, case) {
                Ok(findings) => judge(detection, case, *kind, &findings),
                Err(why) => failed(why),
            },
            Job::Recorded(attack) => {
                if let Some(why) = &attack.manual {
                    return Verdict::Skipped(format!("must be tested by hand: {why}"));
                }
                if attack.data.is_empty() {
                    return Verdict::Skipped("lists no data".to_owned());
                }
                let mut beside: Vec<PathBuf> = Vec::new();
                let mut directory = Path::new(&detection.origin.path).parent();
                while let Some(one) = directory.filter(|_| beside.len() < 4) {
                    beside.push(one.to_owned());
                    directory = one.parent();
                }
                let mut inputs = Vec::new();
                for data in &attack.data {
                    match self.data.find(data, &beside) {
                        Ok(path) => inputs.push(Input::Path(path)),
                        Err(why) => return Verdict::Skipped(why),
                    }
                }
                match self.run_recorded(detection, &inputs) {
                    Ok(findings) => judge_recorded(detection, &findings),
                    Err(why) => failed(why),
                }
            }
        }
    }

    fn run_case(
        &self,
        detection: &Arc<Detection>,
        file: &CaseFile,
        case: &Case,
    ) -> Result<Vec<Finding>, String> {
        let collected = collect(&file.defaults, &case.events)?;
        if case.assets.is_none() && case.identities.is_none() {
            return self.findings(detection, &self.knowledge, collected);
        }
        let mut knowledge = self.knowledge.as_ref().clone();
        if let Some(csv) = &case.assets {
            knowledge.assets.add_assets(csv.as_bytes())?;
        }
        if let Some(csv) = &case.identities {
            knowledge.assets.add_identities(csv.as_bytes())?;
        }
        self.findings(detection, &Arc::new(knowledge), collected)
    }

    fn run_recorded(
        &self,
        detection: &Arc<Detection>,
        inputs: &[Input],
    ) -> Result<Vec<Finding>, String> {
        let limits = Limits {
            threads: 1,
            ..Limits::default()
        };
        let quiet = crabwalk_sources::Quiet;
        let read = if detection.kind == DetectionType::Correlation {
            crabwalk_sources::read(inputs, &Everything, &limits, &quiet)
        } else {
            let search = Search::parse(&detection.name, &detection.search, &self.knowledge)
                .map_err(|error| error.to_string())?;
            let demand = crabwalk_spl::demand(std::slice::from_ref(&search), &self.knowledge);
            crabwalk_sources::read(inputs, demand.as_ref(), &limits, &quiet)
        };
        self.findings(detection, &self.knowledge, read.collected)
    }

    /// A detection's findings over events.
    fn findings(
        &self,
        detection: &Arc<Detection>,
        knowledge: &Arc<Knowledge>,
        collected: Collected,
    ) -> Result<Vec<Finding>, String> {
        let catalog = MemoryCatalog::new(collected).map_err(|error| error.to_string())?;
        let catalog: Arc<dyn Catalog> = Arc::new(catalog);
        if detection.kind == DetectionType::Correlation {
            // A correlation draws its conclusions from all other detections' findings.
            let content = Content {
                detections: self.content.detections.clone(),
                knowledge: knowledge.as_ref().clone(),
                risk_factors: self.content.risk_factors.clone(),
                attack: self.content.attack.clone(),
                ..Content::default()
            };
            let options = RunOptions {
                now: NOW,
                engine: self.engine,
                ..RunOptions::default()
            };
            let outcome = Detections::new(content, options)
                .and_then(|detections| detections.run(&catalog))
                .map_err(|error| error.to_string())?;
            return Ok(outcome
                .findings
                .into_iter()
                .filter(|one| one.detection.id == detection.id)
                .collect());
        }
        let search = Search::parse(&detection.name, &detection.search, knowledge)
            .map_err(|error| error.to_string())?;
        if !sees_events(&self.readers, &search, catalog.as_ref()) {
            return Ok(Vec::new());
        }
        let engine = Engine::new(
            Arc::clone(&catalog),
            Arc::clone(knowledge),
            EngineOptions {
                now: NOW,
                threads: 1,
                memory: crabwalk_spl::DEFAULT_MEMORY,
            },
        );
        let engine = (self.engine)(engine);
        let driver = Driver::new().map_err(|error| error.to_string())?;
        let results = driver
            .run(engine.run(&search))
            .map_err(|error| error.to_string())?;
        Ok(finding::findings(detection, &results, catalog.as_ref()))
    }
}

/// A short summary of a finding's fields.
fn shown(finding: &Finding) -> String {
    let fields: Vec<String> = finding
        .fields
        .iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(name, values)| format!("{name}={}", values.join(",")))
        .collect();
    fields.join(" ")
}

fn judge(detection: &Detection, case: &Case, kind: TestKind, findings: &[Finding]) -> Verdict {
    const MOST: usize = 5;
    let mut wrong = Vec::new();
    if kind == TestKind::Quiet {
        wrong.extend(
            findings
                .iter()
                .take(MOST)
                .map(|one| format!("it fires although it must stay quiet: {}", shown(one))),
        );
    } else {
        if findings.is_empty() {
            wrong.push("it does not fire".to_owned());
        }
        if let Some(rows) = case.rows
            && rows != findings.len()
        {
            wrong.push(format!(
                "{rows} findings expected, {} found",
                findings.len()
            ));
        }
        let wanted: Vec<(&String, Vec<String>)> = case
            .has
            .iter()
            .map(|(name, value)| (name, value.texts()))
            .collect();
        let fits = |one: &Finding| {
            wanted.iter().all(|(name, values)| match name.as_str() {
                "message" => values.iter().all(|value| one.message == *value),
                _ => one.values(name) == values.as_slice(),
            })
        };
        if !findings.is_empty() && !findings.iter().any(fits) {
            let wanted: Vec<String> = wanted
                .iter()
                .map(|(name, values)| format!("{name}={}", values.join(",")))
                .collect();
            wrong.push(format!("no finding has {}", wanted.join(" ")));
        }
        wrong.extend(objects_missing(detection, findings));
        if !wrong.is_empty() {
            wrong.extend(
                findings
                    .iter()
                    .take(MOST)
                    .map(|one| format!("found: {} | {}", shown(one), one.message)),
            );
        }
    }
    if wrong.is_empty() {
        Verdict::Passed(findings.len())
    } else {
        Verdict::Failed(wrong)
    }
}

/// contentctl's criterion: at least one row; in each row every risk object has a value other than the text `null`; each
/// threat object has one in some row.
fn judge_recorded(detection: &Detection, findings: &[Finding]) -> Verdict {
    if findings.is_empty() {
        return Verdict::Failed(vec!["it does not fire".to_owned()]);
    }
    let wrong = objects_missing(detection, findings);
    if wrong.is_empty() {
        Verdict::Passed(findings.len())
    } else {
        Verdict::Failed(wrong)
    }
}

fn objects_missing(detection: &Detection, findings: &[Finding]) -> Vec<String> {
    let has = |one: &Finding, field: &str| {
        one.values(field)
            .iter()
            .any(|value| !value.is_empty() && value != "null")
    };
    let mut wrong = Vec::new();
    for object in &detection.risk_fields {
        let without = findings
            .iter()
            .filter(|one| !has(one, &object.field))
            .count();
        if without > 0 {
            wrong.push(format!(
                "{without} of {} rows have no `{}`, a risk object",
                findings.len(),
                object.field
            ));
        }
    }
    for object in &detection.threat_fields {
        if !findings.is_empty() && !findings.iter().any(|one| has(one, &object.field)) {
            wrong.push(format!("no row has `{}`, a threat object", object.field));
        }
    }
    wrong
}
