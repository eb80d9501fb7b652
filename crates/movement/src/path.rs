//! Linking hops, and chaining them into paths.

use std::collections::{BTreeMap, BTreeSet};

use crate::assemble::Draft;
use crate::evidence::Act;
use crate::identity::{AccountId, HostId};
use crate::world::{SECOND, World};

/// How long a hop can lead to another when nothing but time says so.
const DAY: i64 = 24 * 3600 * SECOND;

/// Hops below this are possible, not proven.
const ASSERTED: f64 = 0.3;

/// Why one hop follows from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkKind {
    /// A session that the first hop opened may still have been open.
    TimePossible,
    /// The second hop was done in a session that the first opened, or with the account that came by it.
    SessionCausal,
    /// The second hop's program descends from what the first hop ran.
    ProcessCausal,
}

impl LinkKind {
    /// Name in the case document.
    pub fn name(self) -> &'static str {
        match self {
            Self::ProcessCausal => "process-causal",
            Self::SessionCausal => "session-causal",
            Self::TimePossible => "time-possible",
        }
    }
}

/// That one hop follows from another. Hops by their place in the list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Link {
    pub from: usize,
    pub to: usize,
    pub kind: LinkKind,
    pub certainty: f64,
}

/// The best link into each hop.
pub(crate) fn links(world: &World<'_>, hops: &[Draft]) -> Vec<Link> {
    let mut into: BTreeMap<HostId, Vec<usize>> = BTreeMap::new();
    for (at, hop) in hops.iter().enumerate() {
        into.entry(hop.dst).or_default().push(at);
    }
    let mut links = Vec::new();
    for (to, hop) in hops.iter().enumerate() {
        let Some(src) = hop.src else { continue };
        let Some(before) = into.get(&src) else {
            continue;
        };
        let end =
            before.partition_point(|at| hops.get(*at).is_some_and(|one| one.first <= hop.last));
        let candidates: Vec<usize> = before
            .get(..end)
            .unwrap_or_default()
            .iter()
            .rev()
            .take(64)
            .copied()
            .filter(|at| {
                *at != to
                    && hops.get(*at).is_some_and(|one| {
                        hop.first - one.first <= DAY
                            && one.first <= hop.last
                            && !one.attempt
                            && (one.first, *at) < (hop.last, to)
                    })
            })
            .collect();
        if candidates.is_empty() {
            continue;
        }
        let ancestors = ancestors(world, hop);
        let mut best: Option<Link> = None;
        for from in &candidates {
            let Some(one) = hops.get(*from) else { continue };
            let by_process = one
                .processes
                .iter()
                .any(|process| ancestors.contains(process));
            let logons: BTreeSet<u64> = one
                .sessions
                .iter()
                .filter_map(|at| world.sessions.get(*at).map(|session| session.logon_id))
                .collect();
            let by_session = hop
                .source_logons
                .iter()
                .chain(&source_process_logons(world, hop))
                .any(|id| logons.contains(id));
            let (kind, certainty) = if by_process {
                (LinkKind::ProcessCausal, 0.95)
            } else if by_session {
                (LinkKind::SessionCausal, 0.85)
            } else {
                #[expect(clippy::cast_precision_loss, reason = "at most 64")]
                let share = 1.0 / candidates.len() as f64;
                // Another account went on: less likely the same person.
                let share = if [hop.used, hop.actor].contains(&one.used) {
                    share
                } else {
                    share * 0.5
                };
                (LinkKind::TimePossible, share)
            };
            // Time alone joins nothing that is itself only possible.
            if kind == LinkKind::TimePossible
                && (hop.confidence < ASSERTED || one.confidence < ASSERTED)
            {
                continue;
            }
            let link = Link {
                from: *from,
                to,
                kind,
                certainty: (certainty * 100.0_f64).round() / 100.0,
            };
            if best.as_ref().is_none_or(|old| link.kind > old.kind) {
                best = Some(link);
            }
        }
        links.extend(best);
    }
    links
}

fn source_process_logons(world: &World<'_>, hop: &Draft) -> BTreeSet<u64> {
    hop.source_processes
        .iter()
        .filter_map(|at| world.processes.get(*at).map(|one| one.logon_id))
        .filter(|id| !crate::world::is_service_logon(*id))
        .collect()
}

/// The programs that did a hop on its source, and their parents.
fn ancestors(world: &World<'_>, hop: &Draft) -> BTreeSet<usize> {
    let mut all = BTreeSet::new();
    for start in &hop.source_processes {
        let mut at = *start;
        // Trees are not deep; a damaged log must not send us in circles.
        for _ in 0..64 {
            if !all.insert(at) {
                break;
            }
            match world.parent(at) {
                Some(parent) => at = parent,
                None => break,
            }
        }
    }
    all
}

/// Hops that belong together.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub hops: Vec<usize>,
    pub links: Vec<Link>,
    pub score: f64,
    pub why: Vec<String>,
}

/// Chains hops into paths: each begins at a host that no hop explains.
pub(crate) fn routes(
    world: &World<'_>,
    hops: &[Draft],
    links: &[Link],
    findings: &[usize],
) -> Vec<Route> {
    let mut link_into: BTreeMap<usize, &Link> = BTreeMap::new();
    for link in links {
        link_into.insert(link.to, link);
    }
    // Hops of one beginning: the same first host and account within a day.
    let mut group: Vec<usize> = (0..hops.len()).collect();
    let mut begun: BTreeMap<(HostId, Option<AccountId>), (usize, i64)> = BTreeMap::new();
    for (at, hop) in hops.iter().enumerate() {
        if let Some(link) = link_into.get(&at) {
            group[at] = group.get(link.from).copied().unwrap_or(at);
        } else if let Some(src) = hop.src
            && hop.confidence >= ASSERTED
        {
            let entry = begun.entry((src, hop.used)).or_insert((at, hop.first));
            if hop.first - entry.1 <= DAY {
                entry.1 = hop.last;
                group[at] = group.get(entry.0).copied().unwrap_or(at);
            } else {
                *entry = (at, hop.last);
            }
        }
    }
    // A link may lead from a hop that comes later in the list.
    for at in 0..group.len() {
        let mut root = at;
        for _ in 0..group.len() {
            let next = group.get(root).copied().unwrap_or(root);
            if next == root {
                break;
            }
            root = next;
        }
        group[at] = root;
    }
    let mut edges: BTreeMap<(Option<HostId>, HostId), usize> = BTreeMap::new();
    for hop in hops {
        *edges.entry((hop.src, hop.dst)).or_default() += 1;
    }
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, root) in group.iter().enumerate() {
        members.entry(*root).or_default().push(at);
    }
    let mut all: Vec<Route> = members
        .into_values()
        .map(|members| {
            let own: Vec<Link> = links
                .iter()
                .filter(|link| members.binary_search(&link.to).is_ok())
                .cloned()
                .collect();
            let (score, why) = score(world, hops, &members, &own, findings, &edges);
            Route {
                hops: members,
                links: own,
                score,
                why,
            }
        })
        .collect();
    all.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.hops.cmp(&b.hops))
    });
    all
}

/// The score of a path: 40 for each step of its longest sure chain, weighed by confidence and the certainty of links;
/// 10 for a change of credentials, 10 for each technique after the first up to three, 5 for each finding up to four, 15
/// if it reaches a domain controller, 5 if an edge of it was used only once.
fn score(
    world: &World<'_>,
    hops: &[Draft],
    members: &[usize],
    links: &[Link],
    findings: &[usize],
    edges: &BTreeMap<(Option<HostId>, HostId), usize>,
) -> (f64, Vec<String>) {
    let mut why = Vec::new();
    let mut reach: BTreeMap<usize, f64> = BTreeMap::new();
    let mut depth: BTreeMap<usize, usize> = BTreeMap::new();
    for at in members {
        let Some(hop) = hops.get(*at) else { continue };
        let before = links.iter().find(|link| link.to == *at);
        let weight = if hop.act == Act::Strong {
            hop.confidence
        } else {
            hop.confidence * 0.5
        };
        let sum = before.map_or(0.0, |link| {
            reach.get(&link.from).copied().unwrap_or(0.0) * link.certainty
        }) + 40.0 * weight;
        reach.insert(*at, sum);
        let steps = before.map_or(0, |link| depth.get(&link.from).copied().unwrap_or(0)) + 1;
        depth.insert(*at, steps);
    }
    let mut score = reach.values().copied().fold(0.0, f64::max);
    let longest = depth.values().copied().max().unwrap_or(1);
    if longest > 1 {
        why.push(format!("{longest} hops in a row"));
    }
    let targets: BTreeSet<HostId> = members
        .iter()
        .filter_map(|at| hops.get(*at))
        .map(|hop| hop.dst)
        .collect();
    if targets.len() > longest {
        why.push(format!("{} hosts reached", targets.len()));
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        {
            score += 2.0 * (targets.len() - 1).min(10) as f64;
        }
    }
    let sure = |at: &&usize| hops.get(**at).is_some_and(|hop| hop.confidence >= 0.3);
    let accounts: BTreeSet<AccountId> = members
        .iter()
        .filter(sure)
        .filter_map(|at| hops.get(*at)?.used)
        .collect();
    let switched = members.iter().filter(sure).filter_map(|at| hops.get(*at)).any(|hop| matches!((hop.actor, hop.used), (Some(actor), Some(used)) if actor != used && world.accounts.is_user(actor)));
    if switched || accounts.len() > 1 {
        score += 10.0;
        why.push("credentials change on the way".to_owned());
    }
    let mut techniques: BTreeSet<&str> = BTreeSet::new();
    for at in members.iter().filter(sure) {
        if let Some(hop) = hops.get(*at) {
            techniques.extend(crate::assemble::techniques(hop).first());
        }
    }
    if techniques.len() > 1 {
        #[expect(clippy::cast_precision_loss, reason = "at most 3")]
        {
            score += 10.0 * (techniques.len() - 1).min(3) as f64;
        }
        why.push(format!(
            "{} techniques: {}",
            techniques.len(),
            techniques.into_iter().collect::<Vec<_>>().join(", ")
        ));
    }
    let found: usize = members.iter().filter_map(|at| findings.get(*at)).sum();
    if found > 0 {
        #[expect(clippy::cast_precision_loss, reason = "at most 4")]
        {
            score += 5.0 * found.min(4) as f64;
        }
        why.push(format!(
            "{found} {} about it",
            if found == 1 {
                "finding is"
            } else {
                "findings are"
            }
        ));
    }
    if targets.iter().any(|host| {
        world
            .hosts
            .get(*host)
            .is_some_and(|host| host.domain_controller)
    }) {
        score += 15.0;
        why.push("it reaches a domain controller".to_owned());
    }
    if members
        .iter()
        .filter(sure)
        .filter_map(|at| hops.get(*at))
        .any(|hop| edges.get(&(hop.src, hop.dst)) == Some(&1))
    {
        score += 5.0;
        why.push("it crosses an edge that nothing else in the data uses".to_owned());
    }
    if why.is_empty() {
        why.push("one hop".to_owned());
    }
    ((score * 10.0).round() / 10.0, why)
}
