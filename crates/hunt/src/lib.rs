//! One hunt, from preparation to conclusion: prepare, demand, run.
//!
//! # Ask first, read second
//!
//! Before it sees an event, a hunt knows which event types and columns its detections, movements and dossiers can use.
//! That answer, [`Hunt::demand`], saves more than any later step: most of what a Windows machine logs is never decoded.
//! So a hunt is a value with two halves. [`Hunt::prepare`] selects and parses; nothing has been read yet, and a
//! misspelled detection is refused immediately. [`Hunt::run`] draws conclusions from any catalog that holds what was
//! requested.
//!
//! Between the halves the caller is in charge, and that is the point: a command line reads files, a server queries its
//! store, a laboratory reads a world that it has just generated. None of them needs to know how the hunt proceeds, and
//! the hunt neither opens files nor prints. It reports its steps to a [`Progress`], and returns a [`Conclusion`] of
//! types, from which a case is written.
//!
//! ```
//! use std::sync::Arc;
//!
//! use crabwalk_detect::Content;
//! use crabwalk_events::{Catalog, MemoryCatalog};
//! use crabwalk_hunt::{Hunt, HuntOptions};
//! use crabwalk_sources::collect::{Begun, Collector, Columns, Demand, Head};
//!
//! let hunt = Hunt::prepare(Content::load(true, &[]), HuntOptions::default())?;
//!
//! // Half one: what is worth reading, and that nothing uses this event of the print spooler.
//! let collected = {
//!     let demand = hunt.demand();
//!     assert_ne!(demand.columns("Security", 4624), Columns::None);
//!     assert_eq!(demand.columns("Microsoft-Windows-PrintService/Admin", 9999), Columns::None);
//!
//!     // Whoever calls reads it: from files, from a network, from a store.
//!     let mut collector = Collector::new(&demand);
//!     let table = collector.table("System", 7045);
//!     let head = Head { time: 1_767_607_200_000_000, host: "SRV1", source: 0, record: 1, numbered: true };
//!     assert_eq!(collector.begin(table, &head), Begun::Row);
//!     for (field, value) in [("ServiceName", "PSEXESVC"), ("ImagePath", r"%SystemRoot%\PSEXESVC.exe")] {
//!         if let Some(column) = collector.column(table, field) {
//!             collector.push(table, column, value);
//!         }
//!     }
//!     Collector::merge(vec![collector])?
//! };
//! let catalog: Arc<dyn Catalog> = Arc::new(MemoryCatalog::new(collected)?);
//!
//! // Half two: what follows from it.
//! let conclusion = hunt.run(&catalog, &())?;
//! assert!(conclusion.movement.hops.iter().any(|hop| hop.dst == "srv1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeSet;
use std::panic;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;

use crabwalk_activity::Relations;
use crabwalk_detect::{
    Content, DetectionType, Detections, Finding, Outcome, RiskObjectKind, RunError, RunOptions,
    Stop,
};
use crabwalk_events::Catalog;
use crabwalk_movement::{Budget, Detected, Found, Movement, analyse_beside};
use crabwalk_sources::collect::{All, Demand, Within};

/// What to hunt for, and in which time range.
#[derive(Debug, Clone, Default)]
pub struct HuntOptions {
    /// Which detections run, and how.
    pub detections: RunOptions,
    /// Ignore events before this, in microseconds since 1970-01-01 UTC.
    pub since: Option<i64>,
    /// Ignore events after this, in microseconds since 1970-01-01 UTC.
    pub until: Option<i64>,
    /// How many paths may be reported.
    pub budget: Budget,
}

/// What a hunt is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Running detections over the events.
    Detections,
    /// Assembling movements from what the machines logged.
    Movements,
}

/// What movements take of memory for each event, in bytes, roughly (BENCHMARKS, "Growth").
const BYTES: usize = 200;

/// Receives a hunt's progress.
pub trait Progress {
    /// Called when a step begins.
    fn step(&self, step: Step);
}

/// Tells nobody.
impl Progress for () {
    fn step(&self, _: Step) {}
}

/// The conclusion of a hunt.
#[derive(Default)]
pub struct Conclusion {
    /// What detections found, what they could not see, and what the logs cover.
    pub outcome: Outcome,
    /// Who moved where. The findings of a hop are indexes into [`Outcome::findings`].
    pub movement: Movement,
    /// How the events hang together, for dossiers.
    pub relations: Relations,
}

/// A hunt, ready to run.
pub struct Hunt {
    detections: Detections,
    since: Option<i64>,
    until: Option<i64>,
    budget: Budget,
    threads: usize,
    memory: usize,
    stop: Stop,
}

impl Hunt {
    /// Selects the detections and parses their searches. An error in one of them becomes a problem in the [`Outcome`];
    /// the others run.
    ///
    /// # Errors
    /// If a requested detection or story does not exist, or there is no detection at all.
    pub fn prepare(content: Content, options: HuntOptions) -> Result<Self, RunError> {
        let HuntOptions {
            detections,
            since,
            until,
            budget,
        } = options;
        Ok(Self {
            stop: detections.stop.clone(),
            threads: detections.threads,
            memory: detections.memory,
            detections: Detections::new(content, detections)?,
            since,
            until,
            budget,
        })
    }

    /// What must be read: everything that detections, movements and dossiers use, within the requested time range.
    pub fn demand(&self) -> impl Demand {
        let all = All::of([self.detections.demand(), crabwalk_activity::demand()]);
        Within::new(Box::new(all), self.since, self.until)
    }

    /// Runs the detections over events, and finds the movements in them. The catalog must hold what
    /// [`demand`](Self::demand) names; whatever it lacks counts as not logged.
    ///
    /// # Errors
    /// If the engine cannot be set up, events cannot be read, the system cannot start a thread, or it was stopped.
    pub fn run(
        self,
        catalog: &Arc<dyn Catalog>,
        progress: &dyn Progress,
    ) -> Result<Conclusion, RunError> {
        let go_on = || match self.stop.is_stopped() {
            true => Err(RunError::Stopped),
            false => Ok(()),
        };
        go_on()?;
        let covered = catalog.coverage().iter();
        let events: u64 = covered.map(|covered| covered.records).sum();
        let takes = BYTES.saturating_mul(usize::try_from(events).unwrap_or(usize::MAX));
        let (mut outcome, (mut movement, relations)) = if self.threads > 1 && takes <= self.memory {
            self.beside(catalog, progress)?
        } else {
            progress.step(Step::Detections);
            let outcome = self.detections.run(catalog)?;
            go_on()?;
            progress.step(Step::Movements);
            let found = analyse_beside(catalog.as_ref(), || Some(detected(&outcome)), self.budget)?;
            (outcome, found.unwrap_or_default())
        };
        go_on()?;
        // A finding on a reported path deserves attention, no matter how often similar ones occur.
        let reported: BTreeSet<usize> = movement
            .hops
            .iter()
            .filter(|hop| movement.verdict.hops.contains_key(&hop.id))
            .flat_map(|hop| hop.findings.iter().copied())
            .collect();
        for place in &reported {
            if let Some(finding) = outcome.findings.get_mut(*place) {
                finding.everyday = None;
            }
        }
        // Only now: hops are weighed against the findings of each day.
        let places = outcome.fold_days(&reported);
        for hop in &mut movement.hops {
            let moved = hop.findings.iter().filter_map(|old| places.get(*old));
            let moved: BTreeSet<usize> = moved.copied().collect();
            hop.findings = moved.into_iter().collect();
        }
        Ok(Conclusion {
            outcome,
            movement,
            relations,
        })
    }

    /// Runs the detections, and meanwhile assembles movements on a thread of its own: neither needs the other until
    /// findings are given to hops, and assembling is the work of one thread. It is done as long as movements take no more
    /// memory than searches may: together they take the sum.
    fn beside(
        &self,
        catalog: &Arc<dyn Catalog>,
        progress: &dyn Progress,
    ) -> Result<(Outcome, (Movement, Relations)), RunError> {
        let done: OnceLock<Outcome> = OnceLock::new();
        let found = thread::scope(|scope| {
            let (tell, told) = mpsc::channel::<()>();
            let (done, catalog_read, budget) = (&done, catalog.as_ref(), self.budget);
            let wait = move || {
                // Nothing comes if the detections failed.
                told.recv().ok()?;
                done.get().map(detected)
            };
            let movements = thread::Builder::new()
                .name("movements".to_owned())
                .spawn_scoped(scope, move || analyse_beside(catalog_read, wait, budget))?;
            progress.step(Step::Detections);
            let ran = self.detections.run(catalog);
            progress.step(Step::Movements);
            let ran = match ran {
                Ok(_) if self.stop.is_stopped() => Err(RunError::Stopped),
                Ok(outcome) => {
                    // Each fails only if it was done before, or if the other thread has failed, which `join` reports.
                    let _ = done.set(outcome);
                    let _ = tell.send(());
                    Ok(())
                }
                Err(error) => Err(error),
            };
            drop(tell);
            let found = movements
                .join()
                .unwrap_or_else(|panic| panic::resume_unwind(panic))?;
            ran?;
            found.ok_or(RunError::Stopped)
        })?;
        let outcome = done.into_inner().ok_or(RunError::Stopped)?;
        Ok((outcome, found))
    }
}

/// What movement needs to know about what was detected.
fn detected(outcome: &Outcome) -> Detected<'_> {
    Detected {
        findings: outcome.findings.iter().map(found).collect(),
        assets: &outcome.knowledge.assets,
    }
}

/// What movement needs to know about a finding.
fn found(finding: &Finding) -> Found<'_> {
    /// CIM and Windows fields for the account, and for source and destination.
    const ACCOUNTS: [&str; 4] = ["user", "src_user", "TargetUserName", "SubjectUserName"];
    const HOSTS: [&str; 7] = [
        "dest",
        "src",
        "dest_host",
        "src_host",
        "dest_ip",
        "src_ip",
        "host",
    ];
    let values = |names: &[&str]| -> Vec<&str> {
        names
            .iter()
            .flat_map(|name| finding.values(name))
            .map(String::as_str)
            .filter(|name| !name.is_empty())
            .collect()
    };
    let objects = |wanted: RiskObjectKind| {
        finding
            .risk_objects
            .iter()
            .filter(move |object| object.kind == wanted)
            .map(|object| object.value.as_str())
    };
    let mut accounts = values(&ACCOUNTS);
    accounts.extend(objects(RiskObjectKind::User));
    let mut hosts = values(&HOSTS);
    hosts.extend(objects(RiskObjectKind::System));
    Found {
        rule: &finding.detection.name,
        claims: finding.suppressed.is_none() && finding.detection.kind == DetectionType::Ttp,
        events: &finding.events,
        accounts,
        hosts,
    }
}
