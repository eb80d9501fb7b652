//! Which hops are one incident.
//!
//! An intruder returns to the host from which they work, and goes on from there to another one. Nothing links the second
//! way to the first, but both begin at the same host, with the same person: who used an account there, or acted as it,
//! within the same day did both. So what is ranked and reported is the incident, not each of its branches.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::{AccountId, SECOND};
use crabwalk_vocabulary::is_asserted;
use petgraph::unionfind::UnionFind;

use crate::assemble::Draft;
use crate::link::{DAY, Link};
use crate::rank::Surprise;
use crate::world::World;

/// Hops from one host with different accounts this close together are one beginning.
const SOON: i64 = 1800 * SECOND;

/// Hops out of the ordinary with one account this close together are one way, though it breaks off where a host has no
/// logs. The hop between takes no longer.
const NEXT: i64 = 2 * 3600 * SECOND;

/// The least surprise of a hop out of the ordinary: half of what a path needs to be reported.
const ODD: f64 = crate::verdict::LEAST / 2.0;

/// The latest hop of each kind, and when it ended.
struct Latest<K>(BTreeMap<K, (usize, i64)>);

impl<K: Ord> Latest<K> {
    fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Takes the next hop of a kind, and returns the one before if it ended within so many microseconds.
    fn take(&mut self, kind: K, at: usize, hop: &Draft, within: i64) -> Option<usize> {
        let before = self.0.get(&kind).copied();
        let end = before.map_or(hop.last, |(_, end)| end.max(hop.last));
        self.0.insert(kind, (at, end));
        let (other, end) = before?;
        (hop.first - end <= within).then_some(other)
    }
}

/// The hops that the other days do not explain.
pub(crate) fn odd(hops: usize, usual: &[bool], surprises: Option<&[Surprise]>) -> BTreeSet<usize> {
    let is_usual = |at: usize| usual.get(at).copied().unwrap_or(false);
    let surprise = |at: usize| surprises.and_then(|all| all.get(at)).map(|one| one.score);
    (0..hops)
        .filter(|at| !is_usual(*at) && surprise(*at).is_some_and(|score| score >= ODD))
        .collect()
}

/// For each hop, in chronological order, a number that the hops of its incident share.
///
/// Hops are one incident if a link joins them, and if they begin at one host, that is, nothing is known to lead to them:
/// with the same account within a day, or soon after with another one. Routine hops begin nothing, and merely possible ones
/// only among themselves, or they would attach themselves to certain ones.
///
/// Hops that the other days do not explain are also one incident, whatever led to them, if they leave the same host within
/// a day of one another and share an account (the one that was used or the one that acted), or if one account goes on from
/// another host. Daily work must not be joined in this way: an administrator's account is on so many hosts that it would
/// become one incident of all days, and the intruder's part could not be found in it.
pub(crate) fn groups(
    world: &World<'_>,
    hops: &[Draft],
    links: &[Link],
    usual: &[bool],
    surprises: Option<&[Surprise]>,
) -> Vec<usize> {
    let is_usual = |at: usize| usual.get(at).copied().unwrap_or(false);
    let mut odd = odd(hops.len(), usual, surprises);
    let mut incidents = UnionFind::new(hops.len());
    let mut linked: BTreeSet<usize> = BTreeSet::new();
    let mut roots: Vec<usize> = Vec::new();
    for link in links {
        incidents.union(link.from, link.to);
        linked.insert(link.to);
        if odd.contains(&link.to) {
            roots.push(link.from);
        }
    }
    // A routine hop is part of it if something out of the ordinary follows from it.
    odd.extend(roots);
    let (mut begun, mut begun_here) = (Latest::new(), Latest::new());
    let (mut here, mut anywhere) = (Latest::new(), Latest::new());
    for (at, hop) in hops.iter().enumerate() {
        let Some(src) = hop.src else { continue };
        let sure = is_asserted(hop.confidence);
        let mut before = Vec::new();
        if !linked.contains(&at) && !is_usual(at) {
            let by_account = begun.take((src, hop.used, sure), at, hop, DAY);
            let soon = sure.then(|| begun_here.take(src, at, hop, SOON)).flatten();
            before.push(by_account.or(soon));
        }
        if sure && odd.contains(&at) {
            let actor = hop.actor.filter(|id| world.accounts.is_user(*id));
            let accounts: BTreeSet<AccountId> = hop.used.into_iter().chain(actor).collect();
            for account in accounts {
                before.push(here.take((src, account), at, hop, DAY));
            }
            if let Some(used) = hop.used {
                before.push(anywhere.take(used, at, hop, NEXT));
            }
        }
        for other in before.into_iter().flatten() {
            incidents.union(other, at);
        }
    }
    incidents.into_labeling()
}

#[cfg(test)]
mod tests {
    use crabwalk_activity::clocks::Clocks;
    use crabwalk_activity::{Ends, Log, Place, Tables};
    use crabwalk_testing::Events;

    use super::*;
    use crate::evidence::{Act, Evidence, Family, Kind};
    use crate::link::LinkKind;

    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;

    /// A certain hop: source, account used, account that acted, time, and whether the other days explain it.
    struct Made(&'static str, &'static str, &'static str, i64, bool);

    /// Which hops are one incident, by place, the earliest of each first.
    fn incidents(made: &[Made], links: &[(usize, usize)]) -> Vec<Vec<usize>> {
        let catalog = Events::from(Vec::new()).catalog();
        let tables = Tables::read(&catalog).unwrap_or_else(|error| panic!("{error}"));
        let clocks = Clocks::new();
        let mut world = World::new(Ends::read(Log::new(&tables, &clocks)).complete());
        let mut hops = Vec::new();
        let mut surprises = Vec::new();
        for (at, Made(src, used, actor, time, explained)) in made.iter().enumerate() {
            let src = world.hosts.writer(src);
            let dst = world.hosts.writer(&format!("target{at}"));
            let used = world.accounts.get("", "CORP", used);
            let actor = world.accounts.get("", "CORP", actor);
            let (kind, act) = (Kind::DestinationExecution, Act::Strong);
            let mut evidence = Evidence::new(kind, Family::Service, act, dst, *time, 0, "ran");
            evidence = evidence.from(Place::Host(src)).used(used).actor(actor);
            let mut hop = Draft::new(evidence);
            hop.confidence = 0.9;
            hops.push(hop);
            surprises.push(Surprise {
                score: if *explained { 0.0 } else { ODD },
                terms: Vec::new(),
            });
        }
        let links: Vec<Link> = (links.iter())
            .map(|(from, to)| Link {
                from: *from,
                to: *to,
                kind: LinkKind::SessionCausal,
                certainty: 0.85,
            })
            .collect();
        let usual = vec![false; hops.len()];
        let groups = groups(&world, &hops, &links, &usual, Some(&surprises));
        let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, group) in groups.into_iter().enumerate() {
            sets.entry(group).or_default().push(at);
        }
        let mut sets: Vec<Vec<usize>> = sets.into_values().collect();
        sets.sort();
        sets
    }

    #[test]
    fn branches_from_one_host_by_one_account_are_one() {
        let branches = |explained| {
            [
                Made("desk", "anna", "", 0, false),
                Made("ws6", "bert", "", HOUR, explained),
                Made("ws6", "bert", "", 4 * HOUR, explained),
            ]
        };
        // Something led to the second hop, and nothing to the third.
        assert_eq!(incidents(&branches(false), &[(0, 1)]), [vec![0, 1, 2]]);
        // What an account does on other days as well is no part of it.
        assert_eq!(incidents(&branches(true), &[(0, 1)]), [vec![0, 1], vec![2]]);
        let [entry, first, _] = branches(false);
        let other = Made("ws6", "carl", "", 4 * HOUR, false);
        assert_eq!(
            incidents(&[entry, first, other], &[(0, 1)]),
            [vec![0, 1], vec![2]]
        );
    }

    #[test]
    fn what_one_person_does_with_two_accounts_is_one() {
        let with = |second| {
            [
                Made("ws6", "bert", "anna", 0, false),
                Made("ws6", "carl", second, 2 * HOUR, false),
            ]
        };
        assert_eq!(incidents(&with("anna"), &[]), [vec![0, 1]]);
        assert_eq!(incidents(&with("dora"), &[]), [vec![0], vec![1]]);
        // Windows itself is nobody.
        let by_system = [
            Made("ws6", "bert", "SYSTEM", 0, false),
            Made("ws6", "carl", "SYSTEM", 2 * HOUR, false),
        ];
        assert_eq!(incidents(&by_system, &[]), [vec![0], vec![1]]);
    }

    #[test]
    fn an_account_that_goes_on_elsewhere_is_one_if_it_is_soon_and_odd() {
        let after = |time, explained| {
            [
                Made("desk", "bert", "", 0, explained),
                Made("ws9", "bert", "", time, explained),
            ]
        };
        assert_eq!(incidents(&after(40 * MINUTE, false), &[]), [vec![0, 1]]);
        assert_eq!(incidents(&after(3 * HOUR, false), &[]), [vec![0], vec![1]]);
        assert_eq!(
            incidents(&after(40 * MINUTE, true), &[]),
            [vec![0], vec![1]]
        );
    }

    #[test]
    fn what_leads_to_something_odd_belongs_to_it() {
        // The desk's own daily logon, from which the intruder went on, and came back to the desk.
        let made = [
            Made("desk", "anna", "anna", 0, true),
            Made("ws6", "bert", "anna", HOUR, false),
            Made("desk", "carl", "anna", 3 * HOUR, false),
        ];
        assert_eq!(incidents(&made, &[(0, 1)]), [vec![0, 1, 2]]);
        assert_eq!(incidents(&made, &[]), [vec![0], vec![1], vec![2]]);
    }
}
