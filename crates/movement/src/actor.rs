//! Who acted at the source of a hop if no event says so.
//!
//! A program, a script or explicit credentials at the source name the actor; where the source logged none of these, four
//! things are asked in turn, and the first that leaves one account decides:
//!
//! 1. The account itself: whoever has a desktop or a program on the source acts there for himself.
//! 2. What came there: the account as which the one other hop goes on that reached the source within [`REMEMBERED`] before.
//!    Daily work does not count: a backup comes to every host, and nobody goes on from it. Where the other days do not
//!    explain the hop, what they do not explain either comes first, and is remembered longer ([`DESKTOP`]).
//! 3. Who is there: the only person with a desktop or a program on the source about then.
//! 4. Nobody is seen there: the account acts for itself, as it does in nearly all logons of any network. Where others are
//!    seen on the source and the account is not, somebody else may hold its credentials, and the actor stays unknown.
//!
//! This is a conclusion, not a witness: it affects neither confidence nor links, rank or verdict, and the case marks
//! it.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::{AccountId, AccountKind, HostId, ProcessKey, SECOND, base_name};
use hashbrown::HashSet;

use crate::World;
use crate::assemble::Draft;
use crate::command::CommandLine;
use crate::evidence::Family;
use crate::techniques::service::impersonates;

/// How long somebody who came to a host is presumed to be the one who continues from there, µs.
const REMEMBERED: i64 = 2 * 3600 * SECOND;
/// Programs count if they started at most this long before, µs.
const RECENT: i64 = 600 * SECOND;
/// A desktop counts if it was opened at most this long before and not closed, and an intruder waits as long, µs: longer than
/// a working day.
const DESKTOP: i64 = 14 * 3600 * SECOND;
/// Tolerance for clocks and logs of two hosts, µs.
const SLACK: i64 = 5 * SECOND;

/// The presumed actor of a hop, and the reason.
pub(crate) struct Inferred {
    pub account: AccountId,
    pub why: String,
}

/// What is asked of an account and of a hop by its place.
pub(crate) struct Known<'a> {
    /// Hops of daily work.
    pub usual: &'a [bool],
    /// Hops that the other days do not explain.
    pub odd: &'a BTreeSet<usize>,
    /// The one that represents each account.
    pub canonical: &'a [AccountId],
    /// Accounts of programs.
    pub services: &'a HashSet<AccountId>,
    /// Windows itself.
    pub system: Option<AccountId>,
}

/// The presumed actor of each hop without one.
pub(crate) fn infer(
    world: &World<'_>,
    drafts: &[Draft],
    known: &Known<'_>,
) -> Vec<Option<Inferred>> {
    let standing = |id: AccountId| known.canonical.get(id.place()).copied().unwrap_or(id);
    let came = Came::of(world, drafts, known.system, |at| {
        known.usual.get(at) == Some(&false)
    });
    let odd = Came::of(world, drafts, known.system, |at| known.odd.contains(&at));
    drafts
        .iter()
        .enumerate()
        .map(|(at, hop)| {
            let (Some(src), None) = (hop.src, hop.actor) else {
                return None;
            };
            let present = present(world, src, hop.first, &standing);
            if let Some(used) = hop.used.filter(|used| present.contains(used)) {
                return Some(Inferred {
                    account: used,
                    why: "the account was active on the source around that time".to_owned(),
                });
            }
            let strangers = match known.odd.contains(&at) {
                true => odd.to(src, hop.first - DESKTOP, hop.first),
                false => BTreeSet::new(),
            };
            if let (1, Some(account)) = (strangers.len(), strangers.first()) {
                return Some(Inferred {
                    account: *account,
                    why: "the hop to the source that the other days do not explain goes on with it"
                        .to_owned(),
                });
            }
            let comers = came.to(src, hop.first - REMEMBERED, hop.first);
            if let (1, Some(account)) = (comers.len(), comers.first()) {
                return Some(Inferred {
                    account: *account,
                    why: "nobody else had logged on to the source in the two hours before"
                        .to_owned(),
                });
            }
            let nobody = present.is_empty() && comers.is_empty();
            let people: Vec<AccountId> = present
                .into_iter()
                .filter(|account| !known.services.contains(account))
                .collect();
            match (people.as_slice(), hop.used) {
                // A service account acts independently of whoever sits there.
                ([one], used) if !used.is_some_and(|id| known.services.contains(&id)) => {
                    Some(Inferred {
                        account: *one,
                        why: "the only person on the source around that time".to_owned(),
                    })
                }
                (_, Some(used)) if nobody => Some(Inferred {
                    account: used,
                    why: "nobody else is seen on the source about then".to_owned(),
                }),
                _ => None,
            }
        })
        .collect()
}

/// Hops by destination, in chronological order: when each arrived, and as whom it goes on.
struct Came(BTreeMap<HostId, Vec<(i64, AccountId)>>);

impl Came {
    /// The hops at these places that were not refused.
    fn of(
        world: &World<'_>,
        hops: &[Draft],
        system: Option<AccountId>,
        counts: impl Fn(usize) -> bool,
    ) -> Self {
        let mut all: BTreeMap<HostId, Vec<(i64, AccountId)>> = BTreeMap::new();
        for (at, hop) in hops.iter().enumerate() {
            if !hop.attempt
                && counts(at)
                && let Some(account) = goes_on_as(world, hop, system)
            {
                all.entry(hop.dst).or_default().push((hop.first, account));
            }
        }
        for arrivals in all.values_mut() {
            arrivals.sort_unstable();
        }
        Self(all)
    }

    /// As whom those go on that reached a host from a time on, before another.
    fn to(&self, host: HostId, from: i64, before: i64) -> BTreeSet<AccountId> {
        let all = self.0.get(&host).map_or(&[][..], Vec::as_slice);
        let from = all.partition_point(|(time, _)| *time < from);
        let to = all.partition_point(|(time, _)| *time < before);
        let some = all.get(from..to).unwrap_or_default();
        some.iter().map(|(_, account)| *account).collect()
    }
}

/// As whom a hop goes on at its destination. Whoever creates a service and names no account gets the system's
/// (`CreateService`, `lpServiceStartName`), except through PsExec, whose service runs the command as its client.
fn goes_on_as(world: &World<'_>, hop: &Draft, system: Option<AccountId>) -> Option<AccountId> {
    let is_client = |key: &ProcessKey| {
        world.process_of(key).is_some_and(|one| {
            CommandLine::new(base_name(one.image), one.original_name, "").is_psexec()
        })
    };
    let installs = || {
        hop.family == Family::Service
            && !hop.programs.iter().any(|path| impersonates("", path))
            && !hop.source_processes.iter().any(is_client)
    };
    hop.effective
        .or_else(|| system.filter(|_| installs()))
        .or(hop.used)
}

/// User accounts that have a desktop on a host, or started a program there.
fn present(
    world: &World<'_>,
    host: HostId,
    time: i64,
    standing: &dyn Fn(AccountId) -> AccountId,
) -> BTreeSet<AccountId> {
    let mut all: BTreeSet<AccountId> = world
        .processes_between(host, time - RECENT, time + SLACK)
        .filter_map(|(_, process)| process.user)
        .map(standing)
        .filter(|account| world.accounts.is_user(*account))
        .collect();
    all.extend(
        world
            .sessions_between(host, time - DESKTOP, time + SLACK)
            .filter(|(_, session)| {
                matches!(session.logon_type, 2 | 7 | 10 | 11)
                    && session.kind == AccountKind::User
                    && session.end >= time
            })
            .filter_map(|(_, session)| session.account)
            .map(standing),
    );
    all
}
