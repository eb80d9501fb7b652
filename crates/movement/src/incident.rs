//! Which hops are one incident.
//!
//! An intruder returns to the host from which they work, and goes on from there to another one. Nothing links the second
//! way to the first, but both begin at the same host, with the same person: who used an account there, or acted as it,
//! within the same day did both. So what is ranked and reported is the incident, not each of its branches.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::{AccountId, HostId, SECOND};
use crabwalk_vocabulary::is_asserted;

use crate::assemble::Draft;
use crate::path::{DAY, Link};
use crate::world::World;

/// Hops from one host with different accounts this close together are one beginning.
const SOON: i64 = 1800 * SECOND;

/// Hops with one account this close together are one way, though it breaks off where a host has no logs. The hop between
/// takes no longer.
const NEXT: i64 = 2 * 3600 * SECOND;

/// Sets of hops: each hop's parent, or itself.
struct Sets(Vec<usize>);

impl Sets {
    fn root(&mut self, at: usize) -> usize {
        let mut root = at;
        while let Some(up) = self.0.get(root).copied().filter(|up| *up != root) {
            root = up;
        }
        let mut at = at;
        while let Some(up) = self.0.get_mut(at).filter(|up| **up != root) {
            at = std::mem::replace(up, root);
        }
        root
    }

    /// Makes one set of two, called by the earlier of their hops.
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(up) = self.0.get_mut(a.max(b)) {
            *up = a.min(b);
        }
    }
}

/// For each hop, in chronological order, the earliest hop of its incident. Hops are one incident if a link joins them, or
/// if they leave the same host within a day of one another and share an account: the one that was used or the one that
/// acted. What begins soon after with another account belongs to it as well, and so does what the same account does next
/// from another host.
///
/// Routine hops take part only where something else follows from them, and merely possible ones only among themselves, or
/// they would attach themselves to certain ones.
pub(crate) fn groups(
    world: &World<'_>,
    hops: &[Draft],
    links: &[Link],
    usual: &[bool],
) -> Vec<usize> {
    let is_usual = |at: usize| usual.get(at).copied().unwrap_or(false);
    let mut sets = Sets((0..hops.len()).collect());
    for link in links {
        sets.join(link.from, link.to);
    }
    let linked: BTreeSet<usize> = links.iter().map(|link| link.to).collect();
    let roots: BTreeSet<usize> = (links.iter().filter(|link| !is_usual(link.to)))
        .map(|link| link.from)
        .collect();
    let mut by_account: BTreeMap<(HostId, Option<AccountId>, bool), (usize, i64)> = BTreeMap::new();
    let mut by_host: BTreeMap<HostId, (usize, i64)> = BTreeMap::new();
    let mut anywhere: BTreeMap<AccountId, (usize, i64)> = BTreeMap::new();
    for (at, hop) in hops.iter().enumerate() {
        let Some(src) = hop.src else { continue };
        if is_usual(at) && !roots.contains(&at) {
            continue;
        }
        let sure = is_asserted(hop.confidence);
        let actor = hop.actor.filter(|id| world.accounts.is_user(*id));
        let accounts: BTreeSet<Option<AccountId>> = match actor {
            Some(actor) => [hop.used, Some(actor)].into(),
            None => [hop.used].into(),
        };
        for account in accounts {
            let last = by_account.insert((src, account, sure), (at, hop.last));
            if let Some((other, last)) = last
                && hop.first - last <= DAY
            {
                sets.join(other, at);
            }
        }
        if let Some(used) = hop.used.filter(|_| sure && !is_usual(at)) {
            let last = anywhere.insert(used, (at, hop.last));
            if let Some((other, last)) = last
                && hop.first - last <= NEXT
            {
                sets.join(other, at);
            }
        }
        if sure && !linked.contains(&at) && !is_usual(at) {
            let last = by_host.insert(src, (at, hop.last));
            if let Some((other, last)) = last
                && hop.first - last <= SOON
            {
                sets.join(other, at);
            }
        }
    }
    (0..hops.len()).map(|at| sets.root(at)).collect()
}
