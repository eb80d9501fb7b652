//! Attacks by goal and stealth, as varied in the evaluation of Hopper (Ho et al., USENIX Security 2021).
//!
//! The intruder begins at the desk of somebody at work, knows the credentials used on a host in the week before his
//! arrival, goes to hosts that their accounts went to before, and continues from where he is or from the first desk.
//! Goal and stealth vary. So the route is found when the attack begins, from what happened until the day before.
//!
//! Hopper's attackers only log on. Here somebody must be able to act after logging on: accounts that administer a host
//! use any way, others only remote desktop, and only to terminal servers and gateways.

use std::collections::{BTreeMap, BTreeSet};

use crate::attack::{Attack, Goal};
use crate::sim::{MINUTE, Random};

use super::intrusion::{Method, Step};
use super::plan::{Company, Role};

/// Hops at most.
const MOST_HOPS: usize = 10;
/// Days for which credentials stay on a host.
const EXPOSED: usize = 7;

/// What happened so far, as an intruder finds it on the hosts.
struct History {
    /// Hosts that an account went to before.
    access: BTreeMap<usize, BTreeSet<usize>>,
    /// Accounts whose credentials are on a host.
    exposed: BTreeMap<usize, BTreeSet<usize>>,
    /// Accounts that were active on a host today or yesterday.
    active: BTreeMap<usize, BTreeSet<usize>>,
    /// Edges that somebody used before today.
    edges: BTreeSet<(usize, usize)>,
    triples: BTreeSet<(usize, usize, usize)>,
}

impl History {
    fn new(world: &Company) -> Self {
        let people: BTreeSet<usize> = world
            .owners
            .values()
            .chain(&world.help_desk)
            .chain(&world.administrators)
            .chain(&world.domain_administrators)
            .chain(world.crew.staff.iter().map(|member| &member.other))
            .chain(&world.crew.pool)
            .copied()
            .collect();
        let by_name: BTreeMap<&str, usize> = people
            .into_iter()
            .map(|account| (world.sim.accounts[account].name.as_str(), account))
            .collect();
        let mut history = Self {
            access: BTreeMap::new(),
            exposed: BTreeMap::new(),
            active: BTreeMap::new(),
            edges: BTreeSet::new(),
            triples: BTreeSet::new(),
        };
        for ((src, dst, name), (first, last)) in &world.seen {
            let Some(account) = by_name.get(name.as_str()).copied() else {
                continue;
            };
            if *first < world.today {
                history.access.entry(account).or_default().insert(*dst);
                history.edges.insert((*src, *dst));
                history.triples.insert((*src, *dst, account));
            }
            for host in [*src, *dst] {
                if *last + EXPOSED >= world.today {
                    history.exposed.entry(host).or_default().insert(account);
                }
                if *last + 1 >= world.today {
                    history.active.entry(host).or_default().insert(account);
                }
            }
        }
        for (host, owner) in &world.owners {
            history.exposed.entry(*host).or_default().insert(*owner);
            history.active.entry(*host).or_default().insert(*owner);
        }
        history
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    src: usize,
    dst: usize,
    account: usize,
}

/// A desk to begin at, among those of people at work, and the route from there; none if no desk leads to the goal.
pub(super) fn route(
    world: &Company,
    random: &mut Random,
    attack: Attack,
    desks: &[usize],
    (start, latest): (i64, i64),
) -> Option<(usize, Vec<Step>)> {
    let history = History::new(world);
    let mut desks = desks.to_vec();
    while !desks.is_empty() {
        let at = usize::try_from(random.below(desks.len() as u64)).unwrap_or(0);
        let entry = desks.swap_remove(at);
        if let Some(hops) = walk(world, &history, random, attack, entry) {
            let steps = steps(world, random, entry, &hops, (start, latest));
            if steps.len() == hops.len() {
                return Some((entry, steps));
            }
        }
    }
    None
}

fn is_target(role: Role) -> bool {
    matches!(role, Role::Controller | Role::Database | Role::Backup)
}

/// Whether an account can act on a host.
fn can_act(world: &Company, dst: usize, account: usize) -> bool {
    world.sim.accounts[account].admin || matches!(world.roles[dst], Role::Terminal | Role::Gateway)
}

fn walk(
    world: &Company,
    history: &History,
    random: &mut Random,
    attack: Attack,
    entry: usize,
) -> Option<Vec<Candidate>> {
    let victim = world.owners.get(&entry).copied()?;
    let mut stolen: BTreeSet<usize> = history.exposed.get(&entry).cloned().unwrap_or_default();
    let mut visited = BTreeSet::from([entry]);
    let (mut here, mut user) = (entry, victim);
    let mut hops: Vec<Candidate> = Vec::new();
    let reaches_target = |account: &usize| {
        history
            .access
            .get(account)
            .is_some_and(|hosts| hosts.iter().any(|host| is_target(world.roles[*host])))
    };
    while hops.len() < MOST_HOPS {
        let mut next: Vec<Candidate> = Vec::new();
        for src in BTreeSet::from([here, entry]) {
            let active = history.active.get(&src);
            for account in stolen.iter().copied() {
                let usable = account == user
                    || !attack.stealth.credentials()
                    || active.is_some_and(|active| active.contains(&account));
                if !usable {
                    continue;
                }
                let known = history.access.get(&account).into_iter().flatten();
                next.extend(
                    known
                        .copied()
                        .filter(|dst| !visited.contains(dst) && can_act(world, *dst, account))
                        .filter(|dst| {
                            !attack.stealth.edges() || history.edges.contains(&(src, *dst))
                        })
                        .map(|dst| Candidate { src, dst, account }),
                );
            }
        }
        if attack.stealth.edges() {
            prefer(&mut next, |one| {
                history.triples.contains(&(one.src, one.dst, one.account))
            });
        }
        match attack.goal {
            Goal::Exploration => {}
            Goal::Spread => prefer(&mut next, |one| one.account == user),
            Goal::Targeted => {
                let at_target = |one: &Candidate| is_target(world.roles[one.dst]);
                if next.iter().any(at_target) && !hops.is_empty() {
                    next.retain(at_target);
                } else {
                    next.retain(|one| !at_target(one));
                    prefer(&mut next, |one| {
                        history
                            .exposed
                            .get(&one.dst)
                            .is_some_and(|accounts| accounts.iter().any(reaches_target))
                    });
                }
            }
        }
        // He moves on rather than back.
        if hops.len() % 3 != 2 {
            prefer(&mut next, |one| one.src == here);
        }
        if next.is_empty() {
            break;
        }
        let hop = *random.pick(&next);
        hops.push(hop);
        visited.insert(hop.dst);
        (here, user) = (hop.dst, hop.account);
        stolen.extend(history.exposed.get(&hop.dst).into_iter().flatten());
        let over = match attack.goal {
            Goal::Exploration => hops.len() > 1 && user != victim,
            Goal::Spread => false,
            Goal::Targeted => is_target(world.roles[hop.dst]),
        };
        if over {
            return Some(hops);
        }
    }
    (attack.goal == Goal::Spread && hops.len() >= 3).then_some(hops)
}

/// Keeps only those that satisfy a condition, if there are any.
fn prefer(all: &mut Vec<Candidate>, so: impl Fn(&Candidate) -> bool) {
    if all.iter().any(&so) {
        all.retain(so);
    }
}

/// When and by which way he moves.
fn steps(
    world: &Company,
    random: &mut Random,
    entry: usize,
    hops: &[Candidate],
    (start, latest): (i64, i64),
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut time = start;
    let mut here = entry;
    for (number, hop) in hops.iter().enumerate() {
        time += 4 * MINUTE + random.span(22 * MINUTE);
        if time > latest {
            break;
        }
        let last = number + 1 == hops.len();
        let method = way(world, random, hop, last);
        steps.push(Step {
            time,
            dst: hop.dst,
            account: hop.account,
            method,
            draw: random.next(),
            from_entry: hop.src == entry && here != entry,
        });
        here = hop.dst;
    }
    steps
}

fn way(world: &Company, random: &mut Random, hop: &Candidate, last: bool) -> Method {
    if !world.sim.accounts[hop.account].admin {
        return Method::Desktop;
    }
    match world.roles[hop.dst] {
        Role::Controller if last && random.below(3) == 0 => Method::Replication,
        Role::Jump | Role::Gateway | Role::Terminal => Method::Desktop,
        _ if world.ssh.contains(&hop.dst) && random.below(3) == 0 => Method::Ssh,
        _ => *random.pick(&[
            Method::PsExec,
            Method::RenamedPsExec,
            Method::ForeignService,
            Method::CommandService,
            Method::Wmi,
            Method::ForeignWmi,
            Method::DcomConsole,
            Method::Remoting,
            Method::Desktop,
            Method::Task,
            Method::CopyWmi,
            Method::CopyService,
        ]),
    }
}
