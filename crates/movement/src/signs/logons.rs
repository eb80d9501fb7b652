//! Logons from elsewhere that do not reveal the way.

use std::collections::BTreeMap;

use crabwalk_activity::{AccountId, AccountKind, HostId, Package, Place};

use super::usual::told;
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::World;

/// Network logons that do not reveal the way: NTLM logons of accounts that do not habitually come from there, and
/// administrators' logons from hosts they never use.
pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let canonical = world.accounts.canonical();
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    let mut logons: BTreeMap<(HostId, HostId, AccountId), Vec<usize>> = BTreeMap::new();
    let is_new = |world: &World<'_>, at: usize| {
        world.sessions.get(at).is_some_and(|one| {
            let (Place::Host(src), Some(account)) = (one.source, one.account) else {
                return false;
            };
            one.elevated
                && world.history.is_long_at(one.host)
                && world
                    .history
                    .is_only_then_from(src, standing(account), one.time)
        })
    };
    for (at, session) in world.sessions.iter().enumerate() {
        if session.logon_type != 3 || session.kind != AccountKind::User {
            continue;
        }
        let by_ntlm = session.package == Package::Ntlm;
        let host = world.hosts.get(session.host);
        // Whoever sits down anywhere reads the policy from a domain controller, by Kerberos, and its LDAP serves everybody.
        let shows = match host.is_some_and(|host| host.domain_controller) {
            true => by_ntlm && is_new(world, at),
            false => by_ntlm || is_new(world, at),
        };
        if shows && let (Place::Host(src), Some(account)) = (session.source, session.account) {
            logons
                .entry((src, session.host, account))
                .or_default()
                .push(at);
        }
    }
    for ((src, dst, account), sessions) in logons {
        let times: Vec<i64> = sessions
            .iter()
            .filter_map(|at| Some(world.sessions.get(*at)?.time))
            .collect();
        let (kept, left_out) = told(&times);
        world.left_out += left_out;
        for at in kept.into_iter().filter_map(|at| sessions.get(at).copied()) {
            let Some(session) = world.sessions.get(at) else {
                continue;
            };
            let new = is_new(world, at);
            let mut evidence = Evidence::new(
                Kind::DestinationLogon,
                Family::Any,
                if new { Act::Strong } else { Act::Weak },
                dst,
                session.time,
                session.reference,
                if new {
                    "network logon with administrative rights, from a host that the account used on no other day"
                } else {
                    "network logon by NTLM"
                },
            )
            .technique(Family::Smb.plain())
            .from(Place::Host(src))
            .used(Some(account))
            .weighs(Class::Logon, 0.2);
            evidence.session = world.session_key(at);
            out.push(evidence);
        }
    }
}
