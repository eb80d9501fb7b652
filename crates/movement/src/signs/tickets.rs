//! Tickets and validations: what a sensor saw of Kerberos and NTLM, and what domain controllers issued (4769).

use crabwalk_activity::{AccountId, HostId, Place, address, for_each};
use std::collections::BTreeSet;

use super::sensor::ends;
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::{Ticket, World};
use crabwalk_activity::channel::*;

/// Hosts that a sensor saw answer Kerberos.
pub(crate) fn controllers(world: &mut World<'_>) -> BTreeSet<HostId> {
    let catalog = world.catalog;
    let mut found = BTreeSet::new();
    for_each(catalog, "zeek:kerberos", 0, |row| {
        if let (Some(_), Some(controller)) =
            (address(row.get("id.orig_h")), address(row.get("id.resp_h")))
        {
            found.insert(world.hosts.at(controller, row.time));
        }
    });
    found
}

/// What a sensor saw.
pub(crate) fn network(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, "zeek:ntlm", 0, |row| {
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        let user = world
            .accounts
            .get("", row.get("domainname"), row.get("username"))
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
                    format!("NTLM authentication of {}", row.get("username")),
                )
                .from(src)
                .used(user)
                .weighs(Class::NetworkLogon, 0.1),
            );
        }
    });
    let nobody = HostId(u32::MAX);
    for_each(catalog, "zeek:kerberos", 0, |row| {
        if row.get("request_type") != "TGS" || row.get("success") == "F" {
            return;
        }
        let service = row.get("service");
        let mut parts = service.split('/');
        let (class, name) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        if matches!(
            class.to_lowercase().as_str(),
            "krbtgt" | "ldap" | "gc" | "dns"
        ) {
            return;
        }
        let server = if name.is_empty() { class } else { name };
        let client = row.get("client").split('/').next().unwrap_or_default();
        let realm = row.get("client").split('/').nth(1).unwrap_or_default();
        let user = world
            .accounts
            .get("", realm, client)
            .filter(|id| world.accounts.is_user(*id));
        let Some(src) = address(row.get("id.orig_h")) else {
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
    for_each(catalog, "zeek:kerberos", 0, |row| {
        let (Some(client), Some(_)) =
            (address(row.get("id.orig_h")), address(row.get("id.resp_h")))
        else {
            return;
        };
        let mut parts = row.get("client").split('/');
        let (name, realm) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        if name.is_empty() || row.get("success") == "F" {
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

/// What domain controllers issued.
pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    let nobody = HostId(u32::MAX);
    let canonical = world.accounts.canonical();
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    for_each(catalog, SECURITY, 4769, |row| {
        let service = row.get("ServiceName");
        let client = row.get("TargetUserName");
        if !service.ends_with('$')
            || service.to_lowercase().starts_with("krbtgt")
            || client
                .split('@')
                .next()
                .is_some_and(|sam| sam.ends_with('$'))
        {
            return;
        }
        if !matches!(row.get("Status"), "0x0" | "0" | "") {
            return;
        }
        let writer = world.writer(row);
        let src = world.hosts.place(row.get("IpAddress"), nobody, row.time);
        let src = if src == Place::Local {
            Place::Host(writer)
        } else {
            src
        };
        let Place::Host(dst) = world.hosts.place(service, nobody, row.time) else {
            return;
        };
        if src == Place::Host(dst) {
            return;
        }
        let user = world.accounts.get("", row.get("TargetDomainName"), client);
        let Some(used) = user.filter(|id| world.accounts.is_user(*id)) else {
            return;
        };
        // Where the account never is, a ticket for another machine may be all that is seen of a movement.
        if matches!(src, Place::Host(src) if world.history.is_new_from(src, standing(used), row.time))
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
