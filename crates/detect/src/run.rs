//! Running detections over events.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crabwalk_events::Catalog;
use crabwalk_sources::collect::{All, Columns, Coverage, Demand};
use crabwalk_spl::{
    DEFAULT_MEMORY, Diagnostic, Driver, Engine, EngineOptions, Knowledge, Place, Readers, Results,
    Running, Search, SearchError, Stop,
};
use crabwalk_vocabulary::suggest::most_alike;
use crabwalk_vocabulary::wildcard;

use crate::content::Content;
use crate::detection::{Detection, DetectionType};
use crate::error::RunError;
use crate::finding::{self, Finding};
use crate::gap::{self, Gap};
use crate::logging::Logging;
use crate::lookups::Lookups;
use crate::origin::{ContentOrigin, ContentProblem};
use crate::risk::{self, Attack, Exception, RiskFactors};
use crate::sigma::SigmaRules;
use crate::workers::{Panicked, spread_with};

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Threads, at least 1.
    pub threads: usize,
    /// Memory limit in bytes for grouping, sorting and joining in searches; see [`EngineOptions::memory`].
    pub memory: usize,
    /// The value of `now()`, in seconds since 1970-01-01 UTC.
    pub now: f64,
    /// Run only detections with these names or ids (any case; `*` for any text). Empty: all that are enabled.
    pub detections: Vec<String>,
    /// Run only detections of stories with these names, likewise. Empty: all stories.
    pub stories: Vec<String>,
    /// Findings to hide.
    pub exceptions: Vec<Exception>,
    /// Stops the run from outside, which then fails with [`RunError::Stopped`].
    pub stop: Stop,
    /// Modifies each engine before it runs searches, for instance into one whose plans run elsewhere.
    pub engine: fn(Engine) -> Engine,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            threads: 1,
            memory: DEFAULT_MEMORY,
            now: 0.0,
            detections: Vec::new(),
            stories: Vec::new(),
            exceptions: Vec::new(),
            stop: Stop::default(),
            engine: std::convert::identity,
        }
    }
}

impl RunOptions {
    /// The default at a time, in microseconds since 1970-01-01 UTC.
    pub fn at(now: i64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds until the year 2255 fit the 53 bits exactly"
        )]
        let now = now as f64 / 1e6;
        Self {
            now,
            ..Self::default()
        }
    }
}

/// Notables per day for a network of so many machines, if its other days show what is usual: as many as one person
/// reads.
fn most_notables(hosts: usize) -> usize {
    (hosts / 100).max(3)
}

/// Number of machines that wrote logs.
fn hosts_of(outcome: &Outcome) -> usize {
    let hosts: BTreeSet<&str> = outcome
        .coverage
        .iter()
        .map(|one| one.host.as_str())
        .collect();
    hosts.len()
}

/// Detections, ready to run.
pub struct Detections {
    knowledge: Arc<Knowledge>,
    searches: Vec<Search>,
    /// The detection of each search.
    detections: Vec<Arc<Detection>>,
    sigma: SigmaRules,
    risk_factors: RiskFactors,
    attack: Attack,
    logging: Logging,
    problems: Vec<ContentProblem>,
    options: RunOptions,
    demand: All<Box<dyn Demand>>,
}

/// The results of detections.
#[derive(Default)]
pub struct Outcome {
    /// Findings by time.
    pub findings: Vec<Finding>,
    /// What could not be seen, and why.
    pub gaps: Vec<Gap>,
    /// Errors in content.
    pub problems: Vec<ContentProblem>,
    /// What each log of each host covers.
    pub coverage: Vec<Coverage>,
    /// Machines that wrote events of each type that detections read; types as `channel/id`.
    pub hosts_by_type: BTreeMap<String, Vec<String>>,
    /// Number of detections that ran.
    pub detections: usize,
    /// Distinct events read.
    pub events: u64,
    /// Copies of events that were dropped.
    pub duplicates: u64,
    /// The knowledge used, including assets and identities.
    pub knowledge: Arc<Knowledge>,
    /// Lookups written by detections.
    pub lookups: Lookups,
}

impl Outcome {
    /// Merges similar findings across days, except notable ones and those in `apart`, by place. Logs of a few days, or of
    /// days far apart, keep all. Returns for each finding where it is now.
    pub fn fold_days(&mut self, apart: &BTreeSet<usize>) -> Vec<usize> {
        risk::fold_days(&mut self.findings, apart)
    }
}

impl Detections {
    /// Selects the detections and parses their searches. A search that cannot be parsed becomes a content problem.
    ///
    /// # Errors
    /// If a requested detection does not exist, or there is none at all.
    pub fn new(content: Content, options: RunOptions) -> Result<Self, RunError> {
        let Content {
            detections,
            knowledge,
            mut problems,
            mut sigma,
            risk_factors,
            attack,
            logging,
            ..
        } = content;
        let all: Vec<Arc<Detection>> = detections
            .iter()
            .chain(sigma.detections())
            .cloned()
            .collect();
        let mut chosen = choose(&all, &options.detections)?;
        for story in &options.stories {
            let belongs =
                |one: &&Arc<Detection>| one.stories.iter().any(|own| wildcard::matches(story, own));
            if !all.iter().any(|one| belongs(&one)) {
                let names = all.iter().flat_map(|one| &one.stories).map(String::as_str);
                return Err(RunError::NoSuchStory {
                    name: story.clone(),
                    similar: most_alike(story, names),
                });
            }
        }
        if !options.stories.is_empty() {
            chosen.retain(|one| {
                let meant = |own: &String| {
                    options
                        .stories
                        .iter()
                        .any(|story| wildcard::matches(story, own))
                };
                one.stories.iter().any(meant)
            });
        }
        if chosen.is_empty() && problems.is_empty() {
            return Err(RunError::NoDetections);
        }
        sigma.retain(|one| chosen.iter().any(|other| Arc::ptr_eq(one, other)));
        let sigma_rules: HashSet<*const Detection> = sigma.detections().map(Arc::as_ptr).collect();
        chosen.retain(|one| !sigma_rules.contains(&Arc::as_ptr(one)));
        let knowledge = Arc::new(knowledge);
        let mut searches = Vec::new();
        let mut runnable = Vec::new();
        for detection in chosen {
            match Search::parse(&detection.name, &detection.search, &knowledge) {
                Ok(search) => {
                    searches.push(search);
                    runnable.push(detection);
                }
                Err(error) => {
                    let problem = search_problem(&detection.origin, &detection.search, &error);
                    problems.push(problem.of(&detection.id));
                }
            }
        }
        let demand = All::of([crabwalk_spl::demand(&searches, &knowledge), sigma.demand()]);
        Ok(Self {
            knowledge,
            searches,
            detections: runnable,
            sigma,
            risk_factors,
            attack,
            logging,
            problems,
            options,
            demand,
        })
    }

    /// What the readers must decode.
    pub fn demand(&self) -> &dyn Demand {
        &self.demand
    }

    /// The detections that will run.
    pub fn detections(&self) -> &[Arc<Detection>] {
        &self.detections
    }

    /// Errors in content so far.
    pub fn problems(&self) -> &[ContentProblem] {
        &self.problems
    }

    /// Runs the detections over events.
    ///
    /// # Errors
    /// If no engine can be set up. A failing detection becomes a content problem; the others run.
    pub fn run(&self, catalog: &Arc<dyn Catalog>) -> Result<Outcome, RunError> {
        let hosts_by_type = gap::hosts_by_type(catalog.as_ref())?;
        let mut outcome = self.all(catalog, self.options.now, None)?;
        let hosts = hosts_of(&outcome);
        risk::weigh(&mut outcome.findings, most_notables(hosts), Some(hosts));
        risk::fold(&mut outcome.findings);
        outcome.gaps = gap::gaps(
            &self.detections,
            &self.searches,
            &self.knowledge,
            &self.logging,
            &outcome.coverage,
            &hosts_by_type,
        );
        outcome.hosts_by_type = hosts_by_type
            .into_iter()
            .map(|(event_type, hosts)| (event_type.to_string(), hosts.into_iter().collect()))
            .collect();
        Ok(outcome)
    }

    /// Like [`run`](Self::run), but looks only for findings, not for what could not be seen. `now` is the value of
    /// `now()`, in seconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// If no engine can be set up.
    pub fn find(&self, catalog: &Arc<dyn Catalog>, now: f64) -> Result<Outcome, RunError> {
        self.find_at(catalog, now, None)
    }

    /// Like [`find`](Self::find), with plans that run elsewhere, if there is such a place.
    ///
    /// # Errors
    /// Like [`find`](Self::find).
    pub fn find_at(
        &self,
        catalog: &Arc<dyn Catalog>,
        now: f64,
        place: Option<Arc<dyn Place>>,
    ) -> Result<Outcome, RunError> {
        let mut outcome = self.all(catalog, now, place)?;
        let most = most_notables(hosts_of(&outcome));
        // A window of a schedule shows too little of what else there is.
        risk::weigh(&mut outcome.findings, most, None);
        risk::fold(&mut outcome.findings);
        Ok(outcome)
    }

    /// All findings, not yet compared with each other.
    fn all(
        &self,
        catalog: &Arc<dyn Catalog>,
        now: f64,
        place: Option<Arc<dyn Place>>,
    ) -> Result<Outcome, RunError> {
        let threads = workers(catalog.as_ref(), self.options.threads);
        let engine = Engine::new(
            Arc::clone(catalog),
            Arc::clone(&self.knowledge),
            EngineOptions {
                now,
                threads: 1,
                memory: self.options.memory,
            },
        );
        let engine = match place {
            Some(place) => engine.running_at(place),
            None => engine,
        };
        let engine = (self.options.engine)(engine);
        let (late, early): (Vec<Searched<'_>>, Vec<Searched<'_>>) = self
            .detections
            .iter()
            .zip(&self.searches)
            .partition(|one| self.reads_risk(*one));
        // Planning costs more than most searches do; in a small input most detections see nothing.
        let readers = Readers::new(&self.knowledge);
        let stop = &self.options.stop;
        let run = |engine: &Engine, catalog: &dyn Catalog, which: &[Searched<'_>], threads| {
            let make = |detection: &Arc<Detection>, results: Results| {
                let found = finding::findings(detection, &results, catalog);
                let all = results.len();
                (found, results.warnings, all)
            };
            let searches = which.iter().copied();
            run_all(engine, Engine::find, searches, threads, stop, &make)
        };
        // Searches that write lookups run separately, after the others: whether they see the lookups must not depend on
        // threads.
        let (writing, reading): (Vec<Searched<'_>>, Vec<Searched<'_>>) = early
            .into_iter()
            .filter(|(_, search)| sees_events(&readers, search, catalog.as_ref()))
            .partition(|(_, search)| search.writes_lookups());
        let mut done: Vec<_> = Vec::new();
        for (which, threads) in [(&reading, threads), (&writing, 1)] {
            let results = run(&engine, catalog.as_ref(), which, threads)?;
            done.extend(which.iter().copied().zip(results));
        }
        let mut outcome = Outcome {
            problems: self.problems.clone(),
            coverage: catalog.coverage().to_vec(),
            detections: self.searches.len() + self.sigma.detections().count(),
            events: catalog
                .coverage()
                .iter()
                .map(|covered| covered.records)
                .sum(),
            duplicates: catalog.duplicates(),
            knowledge: Arc::clone(&self.knowledge),
            ..Outcome::default()
        };
        outcome.lookups = engine.stored_lookups();
        for (searched, result) in done {
            let found = absorb(searched, result, &mut outcome.problems);
            outcome.findings.extend(found);
        }
        let (found, problems) = self.sigma.run(catalog.as_ref(), threads)?;
        if stop.is_stopped() {
            return Err(RunError::Stopped);
        }
        outcome.findings.extend(found);
        outcome.problems.extend(problems);
        finding::put_in_order(&mut outcome.findings);
        outcome.problems.extend(risk::silence(
            &mut outcome.findings,
            &self.options.exceptions,
            now,
        ));
        // Except for correlations, which aggregate what is left.
        risk::silence_habits(&mut outcome.findings);
        for object in outcome
            .findings
            .iter_mut()
            .flat_map(|finding| &mut finding.risk_objects)
        {
            object.calculated = self.risk_factors.calculate(
                object.kind,
                &object.value,
                object.score,
                &self.knowledge.assets,
            );
        }
        if !late.is_empty() && outcome.findings.iter().any(|one| one.suppressed.is_none()) {
            let catalog: Arc<dyn Catalog> =
                Arc::new(risk::catalog(&outcome.findings, &self.attack)?);
            let engine = Engine::new(
                Arc::clone(&catalog),
                Arc::clone(&self.knowledge),
                EngineOptions {
                    now,
                    threads: 1,
                    memory: self.options.memory,
                },
            );
            let engine = (self.options.engine)(engine);
            let threads = workers(catalog.as_ref(), self.options.threads);
            let done = run(&engine, catalog.as_ref(), &late, threads)?;
            let mut concluded = Vec::new();
            for (searched, result) in late.into_iter().zip(done) {
                concluded.extend(absorb(searched, result, &mut outcome.problems));
            }
            for finding in &mut concluded {
                risk::follow(finding, &outcome.findings);
            }
            finding::put_in_order(&mut concluded);
            // Expired exceptions were reported already.
            risk::silence(&mut concluded, &self.options.exceptions, now);
            outcome.findings.extend(concluded);
            finding::put_in_order(&mut outcome.findings);
        }
        Ok(outcome)
    }

    /// Whether a detection aggregates other findings, and so runs after them.
    fn reads_risk(&self, (detection, search): Searched<'_>) -> bool {
        if detection.kind != DetectionType::Correlation {
            return false;
        }
        let demand = crabwalk_spl::demand(std::slice::from_ref(search), &self.knowledge);
        risk::EVENTS
            .iter()
            .any(|channel| demand.columns(channel, 0) != Columns::None)
    }
}

/// A detection with its parsed search.
type Searched<'d> = (&'d Arc<Detection>, &'d Search);

/// The findings of a search; errors become problems.
fn absorb(
    (detection, search): Searched<'_>,
    result: Result<(Vec<Finding>, Vec<Diagnostic>, usize), Failure>,
    problems: &mut Vec<ContentProblem>,
) -> Vec<Finding> {
    let mut push = |problem: ContentProblem| problems.push(problem.of(&detection.id));
    match result {
        Ok((found, warnings, all)) => {
            if all > found.len() {
                push(ContentProblem {
                    path: detection.origin.path.clone(),
                    line: detection.origin.search_line,
                    column: None,
                    message: format!(
                        "{}: it matched {all} times, and the first {} are kept: narrow it with its filter macro",
                        detection.name,
                        found.len()
                    ),
                    fatal: false,
                    detection: None,
                });
            }
            for warning in warnings {
                push(search_warning(
                    &detection.name,
                    &detection.origin,
                    search.text(),
                    &warning,
                ));
            }
            return found;
        }
        Err(Failure::Search(error)) => {
            push(search_problem(&detection.origin, search.text(), &error));
        }
        Err(Failure::Panicked(panicked)) => push(ContentProblem {
            path: detection.origin.path.clone(),
            line: detection.origin.search_line,
            column: None,
            message: format!("{}: {panicked}", detection.name),
            fatal: true,
            detection: None,
        }),
    }
    Vec::new()
}

/// Whether a search can return rows: it reads events of a type that exists, or needs none.
pub(crate) fn sees_events(readers: &Readers, search: &Search, catalog: &dyn Catalog) -> bool {
    let reader = readers.of(search);
    !reader.needs_events()
        || catalog
            .tables()
            .iter()
            .any(|table| reader.reads(&table.event_type))
}

/// The detections selected by the filters; without filters, all that are enabled.
fn choose(all: &[Arc<Detection>], filters: &[String]) -> Result<Vec<Arc<Detection>>, RunError> {
    if filters.is_empty() {
        return Ok(all.iter().filter(|one| one.is_enabled()).cloned().collect());
    }
    let mut chosen: Vec<Arc<Detection>> = Vec::new();
    for filter in filters {
        let before = chosen.len();
        let mut already = false;
        for one in all {
            if wildcard::matches(filter, &one.name) || wildcard::matches(filter, &one.id) {
                if chosen.iter().any(|other| Arc::ptr_eq(other, one)) {
                    already = true;
                } else {
                    chosen.push(Arc::clone(one));
                }
            }
        }
        if chosen.len() == before && !already {
            return Err(RunError::NoSuchDetection {
                name: filter.clone(),
                similar: most_alike(filter, all.iter().map(|one| one.name.as_str())),
            });
        }
    }
    Ok(chosen)
}

/// A search's error as a problem of its file.
pub(crate) fn search_problem(
    origin: &ContentOrigin,
    text: &str,
    error: &SearchError,
) -> ContentProblem {
    let at = error.diagnostics().first().map(|one| one.span.start);
    let place = at.and_then(|at| origin.place(text, at as usize));
    ContentProblem {
        path: origin.path.clone(),
        line: place.map(|(line, _)| line).or(origin.search_line),
        column: place.map(|(_, column)| column),
        message: error.to_string(),
        fatal: true,
        detection: None,
    }
}

/// A search's warning as a problem of its file.
pub(crate) fn search_warning(
    name: &str,
    origin: &ContentOrigin,
    text: &str,
    warning: &Diagnostic,
) -> ContentProblem {
    let place = origin.place(text, warning.span.start as usize);
    ContentProblem {
        path: origin.path.clone(),
        line: place.map(|(line, _)| line).or(origin.search_line),
        column: place.map(|(_, column)| column),
        message: match &warning.help {
            Some(help) => format!("{name}: {}; {help}", warning.message),
            None => format!("{name}: {}", warning.message),
        },
        fatal: false,
        detection: None,
    }
}

/// One thread per few thousand events: starting more costs more than it gains.
fn workers(catalog: &dyn Catalog, threads: usize) -> usize {
    let rows: usize = catalog.tables().iter().map(|table| table.rows).sum();
    threads.clamp(1, 64).min(1 + rows / 5_000)
}

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Search(#[from] SearchError),
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// How an engine runs a search: [`Engine::run`] or [`Engine::find`].
pub(crate) type Run = for<'a> fn(&'a Engine, &'a Search) -> Running<'a>;

/// Runs searches on several threads; returns what `make` makes of their results and of the item beside each search, in the
/// order of the searches.
///
/// # Errors
/// If no thread can be started, or it was stopped.
pub(crate) fn run_all<'s, I, T: Send>(
    engine: &Engine,
    run: Run,
    searches: impl Iterator<Item = (I, &'s Search)> + Send,
    threads: usize,
    stop: &Stop,
    make: &(dyn Fn(I, Results) -> T + Sync),
) -> Result<Vec<Result<T, Failure>>, RunError> {
    let done = spread_with(
        threads,
        searches,
        &Driver::new,
        &|driver, (beside, search)| {
            if stop.is_stopped() {
                return Ok(None);
            }
            let results = driver.run_unless(run(engine, search), stop)?;
            Ok(results.map(|results| make(beside, results)))
        },
    )?;
    let done = done.into_iter().map(|done| match done {
        Ok(Ok(Some(made))) => Ok(Ok(made)),
        Ok(Ok(None)) => Err(RunError::Stopped),
        Ok(Err(error)) => Ok(Err(Failure::Search(error))),
        Err(panicked) => Ok(Err(Failure::Panicked(panicked))),
    });
    done.collect()
}
