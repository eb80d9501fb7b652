//! Who acted at the source of a hop if no event says so.
//!
//! A program, a script or explicit credentials at the source name the actor; where the source logged none of these, four
//! things are asked in turn, and the first that leaves one account decides:
//!
//! 1. The account itself: whoever has a desktop or a program on the source acts there for himself.
//! 2. What came there: the account with which the one other hop reached the source within [`REMEMBERED`] before. Daily work
//!    does not count: a backup comes to every host, and nobody goes on from it.
//! 3. Who is there: the only person with a desktop or a program on the source about then.
//! 4. Nobody is seen there: the account acts for itself, as it does in nearly all logons of any network. Where others are
//!    seen on the source and the account is not, somebody else may hold its credentials, and the actor stays unknown.
//!
//! This is a conclusion, not a witness: it affects neither confidence nor links, rank or verdict, and the case marks
//! it.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::{AccountId, AccountKind, HostId, SECOND};

use crate::World;
use crate::assemble::Draft;

/// How long somebody who came to a host is presumed to be the one who continues from there, µs.
const REMEMBERED: i64 = 2 * 3600 * SECOND;
/// Programs count if they started at most this long before, µs.
const RECENT: i64 = 600 * SECOND;
/// A desktop counts if it was opened at most this long before and not closed, µs: longer than a working day.
const DESKTOP: i64 = 14 * 3600 * SECOND;
/// Tolerance for clocks and logs of two hosts, µs.
const SLACK: i64 = 5 * SECOND;

/// The presumed actor of a hop, and the reason.
pub(crate) struct Inferred {
    pub account: AccountId,
    pub why: String,
}

/// The presumed actor of each hop without one. `usual` marks hops of daily work, `services` tells whether an account is
/// a service's.
pub(crate) fn infer(
    world: &World<'_>,
    drafts: &[Draft],
    usual: &[bool],
    canonical: &[AccountId],
    services: &dyn Fn(AccountId) -> bool,
) -> Vec<Option<Inferred>> {
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    // By destination, in chronological order: when each hop arrived, and as whom it continues.
    let mut came: BTreeMap<HostId, Vec<(i64, AccountId)>> = BTreeMap::new();
    for (hop, usual) in drafts.iter().zip(usual) {
        if !hop.attempt
            && !usual
            && let Some(account) = hop.effective.or(hop.used)
        {
            came.entry(hop.dst).or_default().push((hop.first, account));
        }
    }
    for all in came.values_mut() {
        all.sort_unstable();
    }
    drafts
        .iter()
        .map(|hop| {
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
            let comers: BTreeSet<AccountId> = came
                .get(&src)
                .into_iter()
                .flat_map(|all| {
                    let from = all.partition_point(|(time, _)| *time < hop.first - REMEMBERED);
                    let to = all.partition_point(|(time, _)| *time < hop.first);
                    all.get(from..to).unwrap_or_default()
                })
                .map(|(_, account)| *account)
                .collect();
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
                .filter(|account| !services(*account))
                .collect();
            match (people.as_slice(), hop.used) {
                // A service account acts independently of whoever sits there.
                ([one], used) if !used.is_some_and(services) => Some(Inferred {
                    account: *one,
                    why: "the only person on the source around that time".to_owned(),
                }),
                (_, Some(used)) if nobody => Some(Inferred {
                    account: used,
                    why: "nobody else is seen on the source about then".to_owned(),
                }),
                _ => None,
            }
        })
        .collect()
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
