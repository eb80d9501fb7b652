//! Hosts, accounts, hops and paths as they are reported: with ids and names instead of places in lists.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::{AccountId, AccountKind, HostId};
use crabwalk_vocabulary::AccountRole;
use hashbrown::HashSet;

use crate::actor::Inferred;
use crate::assemble::{self, Draft};
use crate::path::Route;
use crate::world::World;
use crate::{AccountInfo, Hop, HostInfo, Link, MOST_PROCESSES, Path, Ran};

/// What reports call hosts and accounts.
pub(crate) struct Naming<'n, 'w> {
    pub world: &'n World<'w>,
    /// The account that each account is another name of.
    pub canonical: &'n [AccountId],
    /// Accounts that run services.
    pub services: &'n HashSet<AccountId>,
}

/// The id of a hop by its place in time.
pub(crate) fn hop_id(at: usize) -> String {
    format!("hop-{}", at + 1)
}

/// Paths, highest-ranked first.
pub(crate) fn paths(routes: Vec<Route>) -> Vec<Path> {
    routes
        .into_iter()
        .enumerate()
        .map(|(at, route)| Path {
            id: format!("path-{}", at + 1),
            score: route.score,
            why: route.why,
            hops: route.hops.into_iter().map(hop_id).collect(),
            links: route
                .links
                .into_iter()
                .map(|link| Link {
                    from: hop_id(link.from),
                    to: hop_id(link.to),
                    kind: link.kind,
                    certainty: link.certainty,
                })
                .collect(),
            rank: route.rank,
        })
        .collect()
}

/// Accounts that take part in hops.
pub(crate) fn accounts_of(drafts: &[Draft], inferred: &[Option<Inferred>]) -> BTreeSet<AccountId> {
    let named = drafts
        .iter()
        .flat_map(|draft| [draft.actor, draft.used, draft.effective])
        .flatten();
    let inferred = inferred.iter().flatten().map(|one| one.account);
    named.chain(inferred).collect()
}

impl Naming<'_, '_> {
    /// The id of an account.
    pub fn account(&self, id: AccountId) -> Option<String> {
        let account = self.world.accounts.info(id);
        account.map(|account| account.key.clone())
    }

    /// The part that an account plays.
    pub fn role(&self, id: AccountId) -> AccountRole {
        let accounts = &self.world.accounts;
        match accounts.kind(id) {
            AccountKind::User if self.services.contains(&id) => AccountRole::Service,
            AccountKind::User
                if accounts
                    .info(id)
                    .is_some_and(|one| self.world.is_local(&one.key)) =>
            {
                AccountRole::Local
            }
            kind => kind.into(),
        }
    }

    /// What a hop is by itself: without what rests on other hops, on findings and on other days.
    pub fn hop(&self, at: usize, draft: &Draft) -> Hop {
        let account = |id: Option<AccountId>| id.and_then(|id| self.account(id));
        let hosts = &self.world.hosts;
        Hop {
            id: hop_id(at),
            src: draft.src.map(|id| hosts.key(id).to_owned()),
            dst: hosts.key(draft.dst).to_owned(),
            actor: account(draft.actor),
            used: account(draft.used),
            // Nothing ran for a client that was refused.
            effective: account(draft.effective.filter(|_| !draft.attempt)),
            techniques: assemble::techniques(draft)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            first: draft.first,
            last: draft.last,
            confidence: draft.confidence,
            attempted: draft.attempt,
            processes: self.programs(draft),
            ..Hop::default()
        }
    }

    /// What a hop ran, and what that ran.
    fn programs(&self, hop: &Draft) -> Vec<Ran> {
        let world = self.world;
        // By index: in chronological order.
        let mut all: BTreeMap<usize, usize> = BTreeMap::new();
        let own = hop.processes_in(world);
        all.extend(own.iter().map(|start| (*start, 0)));
        for start in own {
            for (at, depth) in world.descendants(start, MOST_PROCESSES) {
                let known = all.entry(at).or_insert(depth);
                *known = (*known).min(depth);
            }
        }
        all.into_iter()
            .take(MOST_PROCESSES)
            .filter_map(|(at, depth)| {
                let process = world.processes.get(at)?;
                let account = process
                    .user
                    .map(|id| self.canonical.get(id.place()).copied().unwrap_or(id))
                    .and_then(|id| self.account(id));
                Some(Ran {
                    time: process.time,
                    image: process.image.to_owned(),
                    command: process.command.to_owned(),
                    account,
                    depth,
                    event: process.reference,
                })
            })
            .collect()
    }

    /// Machines that wrote events or take part in hops, by id.
    pub fn hosts(&self, drafts: &[Draft]) -> Vec<HostInfo> {
        let moved: BTreeSet<HostId> = drafts
            .iter()
            .flat_map(|draft| [Some(draft.dst), draft.src])
            .flatten()
            .collect();
        let mut hosts: Vec<HostInfo> = self
            .world
            .hosts
            .all
            .iter()
            .enumerate()
            .filter(|(at, host)| {
                host.logged || u32::try_from(*at).is_ok_and(|at| moved.contains(&HostId(at)))
            })
            .map(|(_, host)| HostInfo {
                id: host.key.clone(),
                names: host.names.iter().cloned().collect(),
                ips: host.ips.iter().map(ToString::to_string).collect(),
                domain_controller: host.domain_controller,
            })
            .collect();
        hosts.sort_by(|a, b| a.id.cmp(&b.id));
        hosts
    }

    /// Accounts with all names that mean them, by id.
    pub fn accounts(&self, wanted: &BTreeSet<AccountId>) -> Vec<AccountInfo> {
        let accounts = &self.world.accounts;
        let mut merged: BTreeMap<AccountId, AccountInfo> = BTreeMap::new();
        for (account, standing) in accounts.all.iter().zip(self.canonical) {
            if !wanted.contains(standing) {
                continue;
            }
            let Some(id) = self.account(*standing) else {
                continue;
            };
            let entry = merged.entry(*standing).or_insert_with(|| AccountInfo {
                id,
                names: Vec::new(),
                sid: None,
                role: self.role(*standing),
            });
            entry.names.extend(account.names.iter().cloned());
            if entry.sid.is_none() {
                entry.sid = account.sids.iter().next().cloned();
            }
        }
        let mut accounts: Vec<AccountInfo> = merged.into_values().collect();
        for account in &mut accounts {
            account.names.sort();
            account.names.dedup();
        }
        accounts.sort_by(|a, b| a.id.cmp(&b.id));
        accounts
    }
}
