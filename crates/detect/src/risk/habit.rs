//! Distinguishes findings that are daily work in the same logs from those that are not.
//!
//! A monitoring account logs on to forty hosts every ten minutes, and a detection of many logons is right each time.
//! Two rules compare its findings with the logs' own days:
//!
//! - **Habit** silences. What a detection raised about the same account or machine on three days *before* tells nothing of
//!   this day and adds no risk. Only the days before count: whatever is new is told for three days, so that nobody makes
//!   himself usual by working hard or long.
//! - **Everyday** findings stay, but nobody needs to look at them for their own sake. A finding is everyday if its detection
//!   raised the same about the same on three *other* days, before or after, or if on a third of the other days it raised
//!   something about somebody of whom it was no habit: whoever is concerned today is then one of many. Of the rest the
//!   rarest of each day are notable, as many as somebody reads.
//!
//! Logs of a few days show neither. If many machines wrote them, a finding is everyday that its detection also raised about
//! many others, and of the rest the rarest are notable: those that concern nearly nobody else.
//!
//! An account that keeps to its machines is daily work on those; one that raises the same on new machines on most of
//! its days (a help desk, a deployment) is daily work on any.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crabwalk_vocabulary::account::{AccountKind, kind_of};
use crabwalk_vocabulary::host_key;
use crabwalk_vocabulary::time::{day, is_daily};

use crate::detection::RiskObjectKind;
use crate::finding::{Finding, MOST_EVENTS, RiskObject, Suppressed, SuppressedBy};

/// After this many days, a thing is a habit.
const HABIT: usize = 3;
/// Fewer days with findings than this are no basis for comparison.
const LEAST_DAYS: usize = 5;
/// A detection that raises something new on one in this many other days is part of daily work.
const EVERYDAY: usize = 3;

/// In logs of a few days, a detection that is raised about one in this many is part of daily work.
const PEERS: usize = 20;
/// From this many machines on, findings in logs of a few days are compared with what was found about others.
const LEAST_PEERS: usize = 25;

/// A detection, whom its finding is about, and from where.
type Alike = (String, BTreeSet<String>, BTreeSet<String>, Vec<String>);

/// The rarity, severity and time of a finding, and its key for similarity: the first of a day are notable.
type Rank = (usize, Reverse<u32>, i64, Alike);

/// Whom a finding is about: its users and machines.
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

fn alike(finding: &Finding) -> Alike {
    let (users, systems) = about(finding);
    let from = finding.values("src").to_vec();
    (finding.detection.id.clone(), users, systems, from)
}

/// The days of one detection about one object.
#[derive(Default)]
struct Days {
    all: BTreeSet<i64>,
    /// By machine.
    on: BTreeMap<String, BTreeSet<i64>>,
}

/// The days with findings. Scattered days, or only a few, show no daily work.
fn working_days(findings: &[Finding]) -> Option<BTreeSet<i64>> {
    let days: BTreeSet<i64> = findings
        .iter()
        .filter_map(|finding| finding.first)
        .map(day)
        .collect();
    is_daily(days.iter().copied(), LEAST_DAYS).then_some(days)
}

/// Which findings were raised about which users and machines, by day.
struct Work {
    /// By detection and object.
    known: BTreeMap<(String, String), Days>,
    /// Days with findings.
    days: BTreeSet<i64>,
}

impl Work {
    fn of(findings: &[Finding]) -> Option<Self> {
        let days = working_days(findings)?;
        let mut known: BTreeMap<(String, String), Days> = BTreeMap::new();
        for finding in findings {
            let Some(today) = finding.first.map(day) else {
                continue;
            };
            let (users, systems) = about(finding);
            for object in if users.is_empty() { &systems } else { &users } {
                let own = known
                    .entry((finding.detection.id.clone(), object.clone()))
                    .or_default();
                own.all.insert(today);
                for system in &systems {
                    own.on.entry(system.clone()).or_default().insert(today);
                }
            }
        }
        Some(Self { known, days })
    }

    /// On how many of the relevant days the detection raised the same about the same object, if that makes it a habit;
    /// and about whom.
    fn habit(&self, finding: &Finding, counts: &dyn Fn(i64) -> bool) -> Option<(usize, String)> {
        let (users, systems) = about(finding);
        let objects = if users.is_empty() { &systems } else { &users };
        let counted = |days: &BTreeSet<i64>| days.iter().filter(|day| counts(**day)).count();
        let habit = |object: &String| {
            let own = self
                .known
                .get(&(finding.detection.id.clone(), object.clone()))?;
            let days = counted(&own.all);
            let there = |system: &String| own.on.get(system).is_some_and(|days| counted(days) > 0);
            let with_news = || {
                let firsts: BTreeSet<i64> = own
                    .on
                    .values()
                    .filter_map(BTreeSet::first)
                    .copied()
                    .collect();
                counted(&firsts)
            };
            let fits = users.is_empty() || systems.iter().all(there) || with_news() >= HABIT;
            (days >= HABIT && fits).then_some(days)
        };
        let found: Option<Vec<usize>> = objects.iter().map(habit).collect();
        let least = found?.into_iter().min()?;
        let names: Vec<&str> = objects.iter().map(String::as_str).take(3).collect();
        Some((least, names.join(", ")))
    }
}

/// Silences findings whose detection raised the same about the same object on [`HABIT`] earlier days. Logs of a few
/// days, or of days far apart, show no habits.
pub(crate) fn silence(findings: &mut [Finding]) {
    let Some(work) = Work::of(findings) else {
        return;
    };
    for finding in findings {
        let Some(today) = finding.first.map(day) else {
            continue;
        };
        if finding.suppressed.is_some() {
            continue;
        }
        let Some((days, names)) = work.habit(finding, &|other| other < today) else {
            continue;
        };
        finding.suppressed = Some(Suppressed {
            by: SuppressedBy::Habit,
            reason: format!("also found about {names} on {days} earlier days"),
            until: None,
            exception: None,
        });
    }
}

/// Marks everyday findings, and those beyond the rarest `most` of a day; similar ones count as one. In logs of a few days, or
/// of days far apart, findings are compared with those about others, if the logs are of `hosts` and these are many; without
/// them nothing is marked.
pub(crate) fn weigh(findings: &mut [Finding], most: usize, hosts: Option<usize>) {
    let rarity = match (Work::of(findings), hosts) {
        (Some(work), _) => by_days(findings, &work),
        (None, Some(hosts)) if hosts >= LEAST_PEERS => by_peers(findings, hosts),
        _ => return,
    };
    keep_rarest(findings, &rarity, most);
}

/// Marks findings that the other days explain. Returns on how many other days the detection of each notable finding raised
/// something that was not a habit.
fn by_days(findings: &mut [Finding], work: &Work) -> Vec<usize> {
    let mut news: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for finding in findings.iter_mut() {
        let Some(today) = finding.first.map(day) else {
            continue;
        };
        if !finding.is_notable() {
            continue;
        }
        match work.habit(finding, &|other| other != today) {
            Some((days, names)) => {
                finding.everyday = Some(format!("also found about {names} on {days} other days"));
            }
            None => {
                news.entry(finding.detection.id.clone())
                    .or_default()
                    .insert(today);
            }
        }
    }
    let others = work.days.len().saturating_sub(1);
    let weigh = |finding: &mut Finding| {
        let (true, Some(today)) = (finding.is_notable(), finding.first.map(day)) else {
            return 0;
        };
        let days = news
            .get(&finding.detection.id)
            .map_or(0, |days| days.iter().filter(|day| **day != today).count());
        if days > 0 && days * EVERYDAY >= others {
            finding.everyday = Some(format!(
                "also found about others on {days} of {others} other days"
            ));
        }
        days
    };
    findings.iter_mut().map(weigh).collect()
}

/// Marks findings whose detection was raised about many others in logs of this many machines. Returns about how many others
/// that of each notable finding was.
fn by_peers(findings: &mut [Finding], hosts: usize) -> Vec<usize> {
    let objects = |finding: &Finding| {
        let (users, systems) = about(finding);
        if users.is_empty() { systems } else { users }
    };
    let mut about: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for finding in findings.iter().filter(|one| one.is_notable()) {
        let own = about.entry(finding.detection.id.clone()).or_default();
        own.extend(objects(finding));
    }
    let weigh = |finding: &mut Finding| {
        if !finding.is_notable() {
            return 0;
        }
        let all = about.get(&finding.detection.id).map_or(0, BTreeSet::len);
        let others = all.saturating_sub(objects(finding).len());
        if others * PEERS >= hosts {
            finding.everyday = Some(format!("also found about {others} others in these logs"));
        }
        others
    };
    findings.iter_mut().map(weigh).collect()
}

/// Marks notable findings beyond the rarest `most` of a day.
fn keep_rarest(findings: &mut [Finding], rarity: &[usize], most: usize) {
    let mut rest: BTreeMap<i64, BTreeSet<Rank>> = BTreeMap::new();
    let mut ranked: BTreeSet<(i64, Alike)> = BTreeSet::new();
    for (finding, rarity) in findings.iter().zip(rarity) {
        let (true, Some(first)) = (finding.is_notable(), finding.first) else {
            continue;
        };
        let (today, alike) = (day(first), alike(finding));
        if ranked.insert((today, alike.clone())) {
            let bad = Reverse(finding.detection.risk_score);
            rest.entry(today)
                .or_default()
                .insert((*rarity, bad, first, alike));
        }
    }
    let read: BTreeSet<(i64, Alike)> = rest
        .into_iter()
        .flat_map(|(today, all)| {
            all.into_iter()
                .take(most)
                .map(move |(.., alike)| (today, alike))
        })
        .collect();
    for finding in findings.iter_mut() {
        let (true, Some(first)) = (finding.is_notable(), finding.first) else {
            continue;
        };
        if !read.contains(&(day(first), alike(finding))) {
            finding.everyday = Some(format!(
                "{most} other findings of the day are rarer or more severe"
            ));
        }
    }
}

/// Maximum events of habitual or everyday findings that are reported as one.
const FEW_EVENTS: usize = 10;

/// Merges similar findings of one day, keeping the id and text of the earliest. An account's daily work is merged
/// across machines. Logs of a few days, or of days far apart, keep all.
pub(crate) fn fold(findings: &mut Vec<Finding>) {
    merge(findings, false, &|finding| finding.first.map(day));
}

/// Merges similar findings across days as [`fold`] does within one, except notable ones and those in `apart`, by place.
/// Sums over the days what a finding adds to an object's risk. Returns the new index of each finding.
pub(crate) fn fold_days(findings: &mut Vec<Finding>, apart: &BTreeSet<usize>) -> Vec<usize> {
    let apart: BTreeSet<String> = apart
        .iter()
        .filter_map(|place| findings.get(*place))
        .map(|finding| finding.id.clone())
        .collect();
    merge(findings, true, &|finding| {
        (!finding.is_notable() && !apart.contains(&finding.id)).then_some(0)
    })
}

/// Merges findings that are similar and of the same `span`; those without one stay. `adds`: the risk of the same object is
/// summed, and counts once otherwise. Returns for each finding where it is now.
fn merge(
    findings: &mut Vec<Finding>,
    adds: bool,
    span: &dyn Fn(&Finding) -> Option<i64>,
) -> Vec<usize> {
    if working_days(findings).is_none() {
        return (0..findings.len()).collect();
    }
    let mut kept: BTreeMap<(Alike, i64, Option<SuppressedBy>, bool), usize> = BTreeMap::new();
    let mut places = Vec::with_capacity(findings.len());
    let mut all: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings.drain(..) {
        // Findings silenced by an exception or throttling are reported separately.
        let by = finding.suppressed.as_ref().map(|one| one.by.clone());
        let own = by.as_ref().is_some_and(|by| *by != SuppressedBy::Habit);
        let Some(span) = span(&finding).filter(|_| !own) else {
            places.push(all.len());
            all.push(finding);
            continue;
        };
        let is_daily = by.is_some() || finding.everyday.is_some();
        let mut key = alike(&finding);
        if is_daily {
            key.3.clear();
            if !key.1.is_empty() {
                key.2.clear();
            }
        }
        let key = (key, span, by, is_daily);
        let most = if is_daily { FEW_EVENTS } else { MOST_EVENTS };
        let place = *kept.entry(key).or_insert(all.len());
        places.push(place);
        let Some(known) = all.get_mut(place) else {
            all.push(finding);
            continue;
        };
        known.count += finding.count;
        known.event_count += finding.event_count;
        known.last = known.last.max(finding.last);
        for object in finding.risk_objects {
            let same =
                |own: &&mut RiskObject| (own.kind, &own.value) == (object.kind, &object.value);
            match known.risk_objects.iter_mut().find(same) {
                Some(own) if adds => {
                    own.score = own.score.saturating_add(object.score);
                    own.calculated = own.calculated.saturating_add(object.calculated);
                }
                Some(_) => {}
                None => known.risk_objects.push(object),
            }
        }
        for event in finding.events {
            if known.events.len() < most && !known.events.contains(&event) {
                known.events.push(event);
            }
        }
    }
    *findings = all;
    places
}
