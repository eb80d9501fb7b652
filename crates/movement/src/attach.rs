//! Which findings are about which hop.
//!
//! Hosts and times alone join nothing: within two minutes of a movement a busy server gives rise to findings about
//! everybody. A finding is about a hop if it rests on the same event as a witness of it, on an event of its session or
//! of the programs that did it or came of it, or if it names an account of the hop and both ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crabwalk_activity::{HostId, SECOND, is_service_logon};
use crabwalk_events::EventRef;

use crate::assemble::{Draft, Witness};
use crate::world::World;

/// How far from a hop a finding may be that is joined by names alone: searches count in spans of minutes.
const NEAR: i64 = 120 * SECOND;
/// Programs of one hop that are looked at.
const MOST_PROCESSES: usize = 512;

/// A finding, as far as movement asks for it.
#[derive(Debug, Clone, Default)]
pub struct Found<'f> {
    /// What found it; findings of one detection share it.
    pub rule: &'f str,
    /// Whether its detection claims an attack (a TTP finding that nobody silenced); others collect what may be one.
    pub claims: bool,
    /// The events that it rests on.
    pub events: &'f [EventRef],
    /// Accounts that it names, as the events give them.
    pub accounts: Vec<&'f str>,
    /// Hosts and addresses that it names.
    pub hosts: Vec<&'f str>,
}

/// An account without its domain, in lower case: what a name from a finding can be compared by.
fn plain(name: &str) -> String {
    let name = name.rsplit('\\').next().unwrap_or(name);
    name.split('@').next().unwrap_or(name).to_lowercase()
}

/// Findings of each hop, by their place.
pub(crate) fn attach(
    world: &World<'_>,
    drafts: &[Draft],
    witnesses: &[Vec<Witness>],
    findings: &[Found<'_>],
) -> Vec<Vec<usize>> {
    if findings.is_empty() {
        return vec![Vec::new(); drafts.len()];
    }
    let mut by_event: HashMap<(u32, u64), Vec<usize>> = HashMap::new();
    let mut by_account: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate() {
        for event in finding.events {
            by_event
                .entry((event.source, event.record))
                .or_default()
                .push(at);
        }
        let accounts: BTreeSet<String> = finding.accounts.iter().map(|name| plain(name)).collect();
        for account in accounts {
            by_account.entry(account).or_default().push(at);
        }
    }
    let spans: Vec<Option<(i64, i64)>> = findings.iter().map(|one| span(world, one)).collect();
    drafts
        .iter()
        .zip(witnesses)
        .map(|(draft, witnesses)| {
            let mut found = BTreeSet::new();
            let mut take = |reference: u64| {
                if let Some(event) = world.catalog.resolve(reference) {
                    found.extend(
                        by_event
                            .get(&(event.source, event.record))
                            .into_iter()
                            .flatten(),
                    );
                }
            };
            for reference in witnesses.iter().flat_map(|one| &one.events) {
                take(*reference);
            }
            for reference in own_events(world, draft) {
                take(reference);
            }
            for account in names(world, draft) {
                for at in by_account.get(&account).into_iter().flatten() {
                    let (Some(finding), Some(Some((first, last)))) =
                        (findings.get(*at), spans.get(*at))
                    else {
                        continue;
                    };
                    let near = *first <= draft.last + NEAR && *last >= draft.first - NEAR;
                    if near && both_ends(world, draft, finding) {
                        found.insert(*at);
                    }
                }
            }
            found.into_iter().collect()
        })
        .collect()
}

/// First and last time of a finding's events, by the common clock.
fn span(world: &World<'_>, finding: &Found<'_>) -> Option<(i64, i64)> {
    let times = || {
        finding
            .events
            .iter()
            .map(|event| world.catalog.common(&event.host, event.time))
    };
    Some((times().min()?, times().max()?))
}

/// Names of the accounts of a hop, as [`plain`] has them.
fn names(world: &World<'_>, draft: &Draft) -> BTreeSet<String> {
    [draft.actor, draft.used, draft.effective]
        .into_iter()
        .flatten()
        .filter(|id| world.accounts.is_user(*id))
        .filter_map(|id| world.accounts.info(id))
        .flat_map(|account| account.names.iter().chain([&account.key]))
        .map(|name| plain(name))
        .collect()
}

/// References of the events of a hop's sessions, and of the programs that did it or came of it.
fn own_events(world: &World<'_>, draft: &Draft) -> Vec<u64> {
    let mut all: Vec<u64> = draft
        .sessions
        .iter()
        .filter_map(|at| world.sessions.get(*at))
        .map(|session| session.reference)
        .collect();
    let mut programs: BTreeSet<usize> = draft.processes.clone();
    for start in &draft.processes {
        programs.extend(
            world
                .descendants(*start, MOST_PROCESSES)
                .into_iter()
                .map(|(at, _)| at),
        );
    }
    let logons: BTreeSet<u64> = draft
        .sessions
        .iter()
        .filter_map(|at| world.sessions.get(*at))
        .map(|session| session.logon_id)
        .filter(|id| *id != 0 && !is_service_logon(*id))
        .collect();
    if !logons.is_empty() {
        programs.extend(
            world
                .processes_between(draft.dst, draft.first - NEAR, draft.last + NEAR)
                .filter(|(_, process)| logons.contains(&process.logon_id))
                .map(|(at, _)| at)
                .take(MOST_PROCESSES),
        );
    }
    for start in &draft.source_processes {
        let mut at = Some(*start);
        // Trees are not deep; a damaged log must not send us in circles.
        for _ in 0..16 {
            let Some(own) = at.filter(|own| programs.insert(*own)) else {
                break;
            };
            at = world.parent(own);
        }
    }
    all.extend(
        programs
            .into_iter()
            .filter_map(|at| world.processes.get(at))
            .map(|process| process.reference),
    );
    all
}

/// Whether a finding is about both ends of a hop: written at one, and naming the other. Where the source is unknown, the
/// destination is enough.
fn both_ends(world: &World<'_>, draft: &Draft, finding: &Found<'_>) -> bool {
    let is = |host: HostId, name: &str| {
        world.hosts.get(host).is_some_and(|known| {
            let short = name.split('.').next().unwrap_or(name);
            known.key.eq_ignore_ascii_case(name)
                || known.key.eq_ignore_ascii_case(short)
                || known.names.iter().any(|own| own.eq_ignore_ascii_case(name))
                || name
                    .parse()
                    .is_ok_and(|ip: std::net::IpAddr| known.ips.contains(&ip))
        })
    };
    let about = |host: HostId| {
        finding.events.iter().any(|event| is(host, &event.host))
            || finding.hosts.iter().any(|name| is(host, name))
    };
    about(draft.dst) && draft.src.is_none_or(about)
}
