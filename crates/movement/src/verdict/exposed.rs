//! Whose credentials the intruder could take from the hosts.
//!
//! Whoever has an administrator's rights on a host can read the credentials that Windows keeps in memory there: those of
//! every session that was opened with a password or a ticket to pass on. A network logon leaves none (Microsoft,
//! "Administrative tools and logon types").

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::{AccountId, HostId, OPEN, SECOND};
use hashbrown::HashMap;

use super::Verdict;
use super::scope::{Scope, Taken};
use crate::assemble::Draft;
use crate::world::World;
use crate::{AccountRole, Hop};

/// Logon types that leave credentials in memory.
const KEEPS: [u8; 9] = [2, 4, 7, 8, 9, 10, 11, 12, 13];
/// A session without a logged end may have ended unseen: it counts for this long, µs.
const LONGEST: i64 = 24 * 3600 * SECOND;
/// The intruder is taken to have left this long after the last hop, µs.
const GONE: i64 = 24 * 3600 * SECOND;

/// A session whose credentials were within the intruder's reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// Id of the host.
    pub host: String,
    /// Windows' logon type number of the account's first such session there.
    pub logon_type: u8,
    /// Since when, in microseconds since 1970-01-01 UTC.
    pub first: i64,
    /// When the last such session ended, if any end was logged.
    pub last: Option<i64>,
    /// Ids of the intruder's accounts there.
    pub to: Vec<String>,
}

/// The hops as drafts and as they are reported, in the same order.
pub(crate) struct Seen<'s, 'a> {
    pub world: &'s World<'a>,
    pub drafts: &'s [Draft],
    pub hops: &'s [Hop],
    pub canonical: &'s [AccountId],
}

impl Seen<'_, '_> {
    /// Adds the accounts that were exposed on the hosts of a scope, and returns them.
    pub fn add(
        &self,
        verdict: &Verdict,
        scope: &mut Scope,
        role: impl Fn(AccountId) -> AccountRole,
    ) -> BTreeSet<AccountId> {
        let mut all = BTreeSet::new();
        let is_intruders = |hop: &Hop| verdict.hops.contains_key(&hop.id);
        let of_hops: BTreeSet<usize> = self
            .drafts
            .iter()
            .zip(self.hops)
            .filter(|(_, hop)| is_intruders(hop))
            .flat_map(|(draft, _)| &draft.sessions)
            .filter_map(|key| self.world.session_at(key))
            .collect();
        let mut reached: HashMap<HostId, Vec<(&Draft, &Hop)>> = HashMap::new();
        for (draft, hop) in self.drafts.iter().zip(self.hops) {
            if is_intruders(hop) && hop.standing().happened() && self.had_rights(draft, &role) {
                reached.entry(draft.dst).or_default().push((draft, hop));
            }
        }
        let by_key: HashMap<&str, HostId> = reached
            .keys()
            .map(|host| (self.world.hosts.key(*host), *host))
            .collect();
        let Scope {
            hosts, accounts, ..
        } = scope;
        for touched in hosts.iter() {
            let Some((host, hops)) = by_key
                .get(touched.host.as_str())
                .and_then(|host| Some((*host, reached.get(host)?)))
            else {
                continue;
            };
            let Some(since) = hops.iter().map(|(draft, _)| draft.first).min() else {
                continue;
            };
            let own: BTreeSet<&str> = hops
                .iter()
                .flat_map(|(_, hop)| [&hop.used, &hop.actor])
                .flatten()
                .map(String::as_str)
                .collect();
            for (account, mut exposed) in self.on(host, since, touched.span.1 + GONE, &of_hops) {
                let Some(key) = self.world.accounts.info(account).map(|one| &one.key) else {
                    continue;
                };
                if own.contains(key.as_str()) || !role(account).has_password() {
                    continue;
                }
                all.insert(account);
                exposed.to = own.iter().map(|id| (*id).to_owned()).collect();
                match accounts.iter_mut().find(|one| one.account == *key) {
                    Some(one) => one.exposed.push(exposed),
                    None => accounts.push(Taken {
                        account: key.clone(),
                        uses: Vec::new(),
                        exposed: vec![exposed],
                    }),
                }
            }
        }
        all
    }

    /// Whether a hop gave an administrator's rights: it ran something as the system, or its session was privileged.
    fn had_rights(&self, draft: &Draft, role: impl Fn(AccountId) -> AccountRole) -> bool {
        draft
            .effective
            .is_some_and(|id| role(self.standing(id)) == AccountRole::System)
            || draft
                .sessions
                .iter()
                .filter_map(|key| self.world.session_of(key))
                .any(|session| session.elevated)
    }

    fn standing(&self, id: AccountId) -> AccountId {
        self.canonical.get(id.place()).copied().unwrap_or(id)
    }

    /// Sessions on a host that were open within a span of time and kept credentials, by account; not the intruder's own
    /// (`of_hops`).
    fn on(
        &self,
        host: HostId,
        since: i64,
        until: i64,
        of_hops: &BTreeSet<usize>,
    ) -> BTreeMap<AccountId, Exposed> {
        let mut all: BTreeMap<AccountId, Exposed> = BTreeMap::new();
        for (at, session) in self.world.sessions_of(host) {
            if session.time > until {
                break;
            }
            let ended = (session.end != OPEN).then_some(session.end);
            let Some(account) = session.account.map(|id| self.standing(id)) else {
                continue;
            };
            if !KEEPS.contains(&session.logon_type)
                || session.restricted
                || ended.unwrap_or(session.time + LONGEST) < since
                || of_hops.contains(&at)
            {
                continue;
            }
            let exposed = all.entry(account).or_insert_with(|| Exposed {
                host: self.world.hosts.key(host).to_owned(),
                logon_type: session.logon_type,
                first: session.time.max(since),
                last: None,
                to: Vec::new(),
            });
            exposed.last = exposed.last.max(ended);
        }
        all
    }
}
