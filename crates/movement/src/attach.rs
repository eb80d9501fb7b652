//! Which findings belong to which hop.
//!
//! Hosts and times alone are not enough: within two minutes of a movement a busy server produces findings about
//! everybody. A finding belongs to a hop if it rests on the same event as one of its witnesses, on an event of its
//! session or of the programs that performed or resulted from it, or if it names an account of the hop and both ends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crabwalk_activity::{HostId, SECOND, is_service_logon};
use crabwalk_events::EventRef;
use crabwalk_vocabulary::account::plain;
use crabwalk_vocabulary::{address, host_key};
use hashbrown::{HashMap, HashSet};

use crate::assemble::{Draft, Witness};
use crate::world::World;

/// Maximum distance from a hop for a finding joined by names only: searches count in spans of minutes.
const NEAR: i64 = 120 * SECOND;
/// Maximum programs per hop to look at.
const MOST_PROCESSES: usize = 512;

/// A finding, as movement needs it.
#[derive(Debug, Clone, Default)]
pub struct Found<'f> {
    /// The detection; findings of one detection share it.
    pub rule: &'f str,
    /// Whether its detection claims an attack (a TTP finding that nobody silenced); others collect candidates.
    pub claims: bool,
    /// The events that it rests on.
    pub events: &'f [EventRef],
    /// Accounts that it names, as written in events.
    pub accounts: Vec<&'f str>,
    /// Hosts and addresses that it names.
    pub hosts: Vec<&'f str>,
}

/// The origin of a finding, and whom it names, for comparison with hops.
struct Named {
    /// First and last time of its events, by the common clock; `None` without events.
    span: Option<(i64, i64)>,
    /// Hosts in lower case, both as written and without their domain.
    hosts: HashSet<String>,
    ips: HashSet<IpAddr>,
}

impl Named {
    fn new(world: &World<'_>, finding: &Found<'_>) -> Self {
        let times = || {
            finding
                .events
                .iter()
                .map(|event| world.catalog.common(&event.host, event.time))
        };
        let mut own = Self {
            span: times().min().zip(times().max()),
            hosts: HashSet::new(),
            ips: HashSet::new(),
        };
        let written = finding.events.iter().map(|event| event.host.as_str());
        for name in finding.hosts.iter().copied().chain(written) {
            match address(name) {
                Some(ip) => {
                    own.ips.insert(ip);
                }
                None => {
                    own.hosts.insert(host_key(name));
                    own.hosts.insert(name.to_lowercase());
                }
            }
        }
        own
    }

    /// Whether it involves both ends of a hop. If the source is unknown, the destination is enough.
    fn is_about(&self, world: &World<'_>, hop: &Draft) -> bool {
        let has = |host: HostId| {
            world.hosts.get(host).is_some_and(|known| {
                self.hosts.contains(&known.key)
                    || known
                        .names
                        .iter()
                        .any(|name| self.hosts.contains(&name.to_lowercase()))
                    || known.ips.iter().any(|ip| self.ips.contains(ip))
            })
        };
        has(hop.dst) && hop.src.is_none_or(has)
    }
}

/// Indexes of the findings of each hop.
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
        let accounts: BTreeSet<String> = finding
            .accounts
            .iter()
            .map(|name| plain(name).to_lowercase())
            .collect();
        for account in accounts {
            by_account.entry(account).or_default().push(at);
        }
    }
    let named: Vec<Named> = findings.iter().map(|one| Named::new(world, one)).collect();
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
                    let near = |(first, last): (i64, i64)| {
                        first <= draft.last + NEAR && last >= draft.first - NEAR
                    };
                    if named
                        .get(*at)
                        .is_some_and(|one| one.span.is_some_and(near) && one.is_about(world, draft))
                    {
                        found.insert(*at);
                    }
                }
            }
            found.into_iter().collect()
        })
        .collect()
}

/// Names of the people of a hop, without domain and in lower case.
fn names(world: &World<'_>, draft: &Draft) -> BTreeSet<String> {
    [draft.actor, draft.used, draft.effective]
        .into_iter()
        .flatten()
        .filter(|id| world.accounts.is_user(*id))
        .filter_map(|id| world.accounts.info(id))
        .flat_map(|account| account.names.iter().chain([&account.key]))
        .map(|name| plain(name).to_lowercase())
        .collect()
}

/// References of the events of a hop's sessions, and of the programs that performed or resulted from it.
fn own_events(world: &World<'_>, draft: &Draft) -> Vec<u64> {
    let mut all: Vec<u64> = draft
        .sessions
        .iter()
        .filter_map(|key| world.session_of(key))
        .map(|session| session.reference)
        .collect();
    let own = draft.processes_in(world);
    let mut programs: BTreeSet<usize> = own.iter().copied().collect();
    for start in own {
        programs.extend(
            world
                .descendants(start, MOST_PROCESSES)
                .into_iter()
                .map(|(at, _)| at),
        );
    }
    let logons: BTreeSet<u64> = draft
        .sessions
        .iter()
        .filter_map(|key| world.session_of(key))
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
    for start in draft.source_processes_in(world) {
        let mut at = Some(start);
        // Trees are shallow; a damaged log must not cause an endless loop.
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
