//! Tickets and validations: Kerberos and NTLM as a sensor saw them, and what domain controllers issued (4769).

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::{
    AccountId, AccountKind, HostId, Package, Place, SECOND, facts, for_each, is_refused, kind_of,
    service_of,
};

use super::sensor::ends;
use super::usual::told;
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::words::Sentence;
use crate::world::{Ticket, World};

/// Hosts that a sensor saw answering Kerberos.
pub(crate) fn controllers(world: &mut World<'_>) -> BTreeSet<HostId> {
    let catalog = world.catalog;
    let mut found = BTreeSet::new();
    for_each(catalog, facts::ZeekKerberos, |row| {
        if let (Some(_), Some(controller)) = (row.orig_h(), row.resp_h()) {
            found.insert(world.hosts.at(controller, row.time));
        }
    });
    found
}

/// What a sensor saw.
pub(crate) fn network(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::ZeekNtlm, |row| {
        // A refused account has not logged on; another may have, in the next connection.
        if is_refused(row.success()) {
            return;
        }
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        let user = world
            .accounts
            .get("", row.domain_name(), row.user_name())
            .filter(|id: &AccountId| world.accounts.is_user(*id));
        if user.is_some() {
            out.push(
                Evidence::new(
                    Kind::Network,
                    Family::Any,
                    Act::None,
                    dst,
                    row.time,
                    row.reference,
                    format!("NTLM authentication of {}", row.user_name()),
                )
                .from(src)
                .used(user)
                .weighs(Class::NetworkLogon, 0.1),
            );
        }
    });
    let nobody = HostId(u32::MAX);
    for_each(catalog, facts::ZeekKerberos, |row| {
        if row.request_type() != "TGS" || is_refused(row.success()) {
            return;
        }
        let service = row.service();
        let Some((class, server)) = service_of(service) else {
            return;
        };
        if matches!(class.to_lowercase().as_str(), "ldap" | "gc" | "dns") {
            return;
        }
        let (client, realm) = row.client().split_once('/').unwrap_or((row.client(), ""));
        let user = world
            .accounts
            .get("", realm, client)
            .filter(|id| world.accounts.is_user(*id));
        let Some(src) = row.orig_h() else {
            return;
        };
        let src = world.hosts.place(&src.to_string(), nobody, row.time);
        if let Place::Host(dst) = world.hosts.place(server, nobody, row.time)
            && user.is_some()
        {
            out.push(
                Evidence::new(
                    Kind::DomainController,
                    Family::Any,
                    Act::None,
                    dst,
                    row.time,
                    row.reference,
                    format!("ticket for {service} issued to {client}"),
                )
                .from(src)
                .used(user)
                .weighs(Class::Ticket, 0.1),
            );
        }
    });
    for_each(catalog, facts::ZeekKerberos, |row| {
        let (Some(client), Some(_)) = (row.orig_h(), row.resp_h()) else {
            return;
        };
        let mut parts = row.client().split('/');
        let (name, realm) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        if name.is_empty() || is_refused(row.success()) {
            return;
        }
        let user = world
            .accounts
            .get("", realm, name)
            .filter(|id| world.accounts.is_user(*id));
        let host = world.hosts.at(client, row.time);
        if user.is_some() {
            out.push(
                Evidence::new(
                    Kind::DomainController,
                    Family::Any,
                    Act::None,
                    host,
                    row.time,
                    row.reference,
                    format!("the only account seen at either end: {name}"),
                )
                .used(user)
                .weighs(Class::Sighting, 0.05),
            );
        }
    });
}

/// Tickets issued by domain controllers.
pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    let nobody = HostId(u32::MAX);
    let canonical = world.accounts.canonical();
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    for_each(catalog, facts::ServiceTicket, |row| {
        let service = row.service_name();
        let client = row.target_user_name();
        if !service.ends_with('$')
            || service.to_lowercase().starts_with("krbtgt")
            || client
                .split('@')
                .next()
                .is_some_and(|sam| sam.ends_with('$'))
        {
            return;
        }
        if !matches!(row.status(), "0x0" | "0" | "") {
            return;
        }
        let writer = world.writer(row);
        let src = world.hosts.place(row.ip_address(), nobody, row.time);
        let src = if src == Place::Local {
            Place::Host(writer)
        } else {
            src
        };
        let dst = match world.hosts.place(service, writer, row.time) {
            Place::Host(dst) => dst,
            Place::Local => writer,
            Place::Unknown => return,
        };
        if src == Place::Host(dst) {
            return;
        }
        let user = world.accounts.get("", row.target_domain_name(), client);
        let Some(used) = user.filter(|id| world.accounts.is_user(*id)) else {
            return;
        };
        // If the account is never there, a ticket for another machine may be the only trace of a movement.
        if matches!(src, Place::Host(src) if world.history.is_long_at(writer)
            && world.history.is_only_then_from(src, standing(used), row.time))
        {
            out.push(
                Evidence::new(
                    Kind::DomainController,
                    Family::Any,
                    Act::Weak,
                    dst,
                    row.time,
                    row.reference,
                    format!(
                        "ticket for {service} issued to {client}, who is there on no other day"
                    ),
                )
                .from(src)
                .used(user)
                .weighs(Class::Ticket, 0.1),
            );
        }
        // There are as many as logons.
        world.tickets.entry(dst).or_default().push(Ticket {
            time: row.time,
            src,
            used: user,
            reference: row.reference,
        });
    });
    for given in world.tickets.values_mut() {
        given.sort_unstable_by_key(|one| (one.time, one.used));
    }
}

/// NTLM validations for which a controller names both ends (NTLM/Operational 8004): the requesting server, and the
/// workstation that the client claims to be. If the server's own log records the logon, this is not needed.
pub(crate) fn validations(world: &mut World<'_>, out: &mut Sink) {
    const AT_ONCE: i64 = 5 * SECOND;
    let catalog = world.catalog;
    let mut edges: BTreeMap<(HostId, HostId, AccountId), Vec<(i64, u64)>> = BTreeMap::new();
    for_each(catalog, facts::NtlmAudit, |row| {
        let name = row.user_name();
        if kind_of(name, "") != AccountKind::User {
            return;
        }
        let writer = world.writer(row);
        let server = world.hosts.place(row.server(), writer, row.time);
        let client = world.hosts.place(row.workstation_name(), writer, row.time);
        let (Place::Host(dst), Place::Host(src)) = (server, client) else {
            return;
        };
        if src != dst
            && let Some(user) = world.accounts.get("", row.domain_name(), name)
        {
            let all = edges.entry((src, dst, user)).or_default();
            all.push((row.time, row.reference));
        }
    });
    for ((src, dst, user), mut seen) in edges {
        seen.sort_unstable();
        let times: Vec<i64> = seen.iter().map(|(time, _)| *time).collect();
        let (kept, left_out) = told(&times);
        world.left_out += left_out;
        for (time, reference) in kept.into_iter().filter_map(|at| seen.get(at).copied()) {
            let logged = world
                .sessions_between(dst, time - AT_ONCE, time + AT_ONCE)
                .any(|(_, one)| one.package == Package::Ntlm);
            let mut evidence = Evidence::new(
                Kind::DomainController,
                Family::Any,
                if logged { Act::None } else { Act::Weak },
                dst,
                time,
                reference,
                Sentence::default()
                    .host(world, dst)
                    .text(" had a controller validate the NTLM logon of a client calling itself ")
                    .host(world, src),
            )
            .technique(Family::Any.plain())
            .used(Some(user))
            .weighs(Class::Ticket, 0.2);
            if !logged {
                evidence.src = Place::Host(src);
            }
            out.push(evidence);
        }
    }
}
