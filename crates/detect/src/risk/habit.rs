//! Silences findings that are daily work in these very logs.
//!
//! A monitoring account logs on to forty hosts every ten minutes, and a detection of many logons is right each time. What
//! it raises about the same account or machine on three days before tells nothing of this day. Only the days before
//! count: whatever is new is told for three days, so that nobody makes himself usual by working hard or long. An account that keeps to its machines is daily work on
//! those; one that raises the same on machines that are new on most of its days (a help desk, a deployment) is daily work
//! on any.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_vocabulary::account::{AccountKind, kind_of};
use crabwalk_vocabulary::host_key;
use crabwalk_vocabulary::time::{day, is_daily};

use crate::detection::RiskObjectKind;
use crate::finding::{Finding, Suppressed};

/// What silences them, by name.
const HABITUAL: &str = "habit";
/// After so many days, a thing is a habit.
const HABIT: usize = 3;
/// Fewer days with findings than these are no daily work to compare with.
const LEAST_DAYS: usize = 5;

/// Whom a finding is about: its users and its machines.
fn about(finding: &Finding) -> (BTreeSet<String>, BTreeSet<String>) {
    let of = |kind: RiskObjectKind| {
        finding
            .risk_objects
            .iter()
            .filter(move |object| object.kind == kind)
            .map(|object| object.value.as_str())
    };
    let users = of(RiskObjectKind::User)
        .filter(|name| kind_of(name, "") == AccountKind::User)
        .map(str::to_lowercase)
        .filter(|name| !matches!(name.as_str(), "" | "-" | "unknown"))
        .collect();
    (users, of(RiskObjectKind::System).map(host_key).collect())
}

/// The days of one detection about one object.
#[derive(Default)]
struct Days {
    all: BTreeSet<i64>,
    /// By machine.
    on: BTreeMap<String, BTreeSet<i64>>,
}

impl Days {
    fn before(days: &BTreeSet<i64>, today: i64) -> usize {
        days.range(..today).count()
    }

    /// Days before today on which a machine was concerned for the first time.
    fn with_news(&self, today: i64) -> usize {
        let days: BTreeSet<i64> = self
            .on
            .values()
            .filter_map(BTreeSet::first)
            .copied()
            .filter(|day| *day < today)
            .collect();
        days.len()
    }
}

/// Makes the silenced findings of one day, one detection and the same objects one, with the earliest's id and text. `most`
/// events are kept of each.
pub(crate) fn fold(findings: &mut Vec<Finding>, most: usize) {
    let mut kept: BTreeMap<(String, BTreeSet<String>, BTreeSet<String>, i64), usize> =
        BTreeMap::new();
    let mut all: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings.drain(..) {
        let by_habit = finding
            .suppressed
            .as_ref()
            .is_some_and(|one| one.by == HABITUAL);
        let Some(first) = finding.first.filter(|_| by_habit) else {
            all.push(finding);
            continue;
        };
        let (users, systems) = about(&finding);
        let key = (finding.detection.id.clone(), users, systems, day(first));
        let known = kept.get(&key).and_then(|at| all.get_mut(*at));
        match known {
            Some(known) => {
                known.count += finding.count;
                known.event_count += finding.event_count;
                known.last = known.last.max(finding.last);
                for event in finding.events {
                    if known.events.len() < most && !known.events.contains(&event) {
                        known.events.push(event);
                    }
                }
            }
            None => {
                kept.insert(key, all.len());
                all.push(finding);
            }
        }
    }
    *findings = all;
}

/// Silences the findings that their detection raised about the same on [`HABIT`] days before. Logs of a few days, or of days
/// that lie far apart, show no habits.
pub(crate) fn silence(findings: &mut [Finding]) {
    let days: BTreeSet<i64> = findings
        .iter()
        .filter_map(|finding| finding.first)
        .map(day)
        .collect();
    if !is_daily(days, LEAST_DAYS) {
        return;
    }
    let mut known: BTreeMap<(String, String), Days> = BTreeMap::new();
    for finding in findings.iter() {
        let Some(today) = finding.first.map(day) else {
            continue;
        };
        let (users, systems) = about(finding);
        let objects = if users.is_empty() { &systems } else { &users };
        for object in objects {
            let own = known
                .entry((finding.detection.id.clone(), object.clone()))
                .or_default();
            own.all.insert(today);
            for system in &systems {
                own.on.entry(system.clone()).or_default().insert(today);
            }
        }
    }
    for finding in findings {
        let Some(today) = finding.first.map(day) else {
            continue;
        };
        if finding.suppressed.is_some() {
            continue;
        }
        let (users, systems) = about(finding);
        let by_user = !users.is_empty();
        let objects = if by_user { &users } else { &systems };
        let habit = |object: &String| {
            let own = known.get(&(finding.detection.id.clone(), object.clone()))?;
            let others = Days::before(&own.all, today);
            let there = |system: &String| {
                own.on
                    .get(system)
                    .is_some_and(|days| Days::before(days, today) > 0)
            };
            let fits = !by_user || systems.iter().all(there) || own.with_news(today) >= HABIT;
            (others >= HABIT && fits).then_some(others)
        };
        let found: Option<Vec<usize>> = objects.iter().map(habit).collect();
        let Some(least) = found.and_then(|all| all.into_iter().min()) else {
            continue;
        };
        let names: Vec<&str> = objects.iter().map(String::as_str).take(3).collect();
        finding.suppressed = Some(Suppressed {
            by: HABITUAL.to_owned(),
            reason: format!(
                "found about {} on {least} days before, too",
                names.join(", ")
            ),
            until: None,
            exception: None,
        });
    }
}
