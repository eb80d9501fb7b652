//! What a network sensor saw (Zeek), and what domain controllers issued.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::channel::*;
use crabwalk_activity::{
    AccountId, AccountKind, HostId, Package, Place, Row, SECOND, address, base_name, for_each,
};

use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::{Ticket, World};

/// An edge that is used more often, or over a longer time, is how these hosts usually work.
const USUAL: usize = 64;
/// See [`USUAL`]; microseconds.
const USUAL_SPAN: i64 = 3600 * SECOND;

/// Whether what was seen at these times, in order, is how hosts usually work.
fn is_usual(times: &[i64]) -> bool {
    times.len() > USUAL
        || matches!((times.first(), times.last()), (Some(first), Some(last)) if last - first > USUAL_SPAN)
}

/// What a remote procedure call does.
fn call(endpoint: &str, operation: &str) -> Option<(Family, Act, &'static [&'static str])> {
    let (endpoint, operation) = (endpoint.to_lowercase(), operation.to_lowercase());
    let found: (Family, Act, &'static [&'static str]) = match endpoint.as_str() {
        "svcctl"
            if operation.contains("createservice")
                || operation.contains("startservice")
                || operation.contains("changeserviceconfig") =>
        {
            (Family::Service, Act::Strong, &["T1569.002", "T1021.002"])
        }
        "svcctl" => (Family::Service, Act::None, &["T1569.002"]),
        "itaskschedulerservice" | "atsvc"
            if operation.contains("register")
                || operation.contains("jobadd")
                || operation.contains("schrpcrun") =>
        {
            (Family::Task, Act::Strong, &["T1053.005"])
        }
        "iwbemservices"
            if operation.contains("exec")
                || operation.contains("putinstance")
                || operation.contains("putclass") =>
        {
            (Family::Wmi, Act::Strong, &["T1047"])
        }
        "iwbemlevel1login" | "iwbemservices" => (Family::Wmi, Act::None, &["T1047"]),
        "winreg"
            if operation.contains("setvalue")
                || operation.contains("savekey")
                || operation.contains("createkey") =>
        {
            (Family::Registry, Act::Strong, &["T1112"])
        }
        "drsuapi" if operation.contains("getncchanges") => {
            (Family::DirectoryReplication, Act::Weak, &["T1003.006"])
        }
        "netlogon" if operation.contains("passwordset") => (Family::Exploit, Act::Weak, &["T1210"]),
        _ => return None,
    };
    Some(found)
}

/// Both ends of a row of a Zeek log.
fn ends(world: &mut World<'_>, row: &Row<'_, '_>) -> Option<(Place, HostId)> {
    let nobody = HostId(u32::MAX);
    let (src, dst) = (
        address(row.get("id.orig_h"))?,
        address(row.get("id.resp_h"))?,
    );
    if src == dst || src.is_multicast() || dst.is_multicast() {
        return None;
    }
    let src = world.hosts.place(&src.to_string(), nobody, row.time);
    match world.hosts.place(&dst.to_string(), nobody, row.time) {
        Place::Host(dst) if src != Place::Host(dst) => Some((src, dst)),
        _ => None,
    }
}

pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, "zeek:dce_rpc", 0, |row| {
        let (endpoint, operation) = (row.get("endpoint"), row.get("operation"));
        let Some((family, act, techniques)) = call(endpoint, operation) else {
            return;
        };
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        out.push(
            Evidence::new(
                Kind::Network,
                family,
                act,
                dst,
                row.time,
                row.reference,
                format!("called {endpoint} {operation}"),
            )
            .technique(techniques)
            .from(src)
            .weighs(Class::NetworkCall, 0.35),
        );
    });
    for_each(catalog, "zeek:smb_mapping", 0, |row| {
        if !super::smb::is_admin_share(row.get("path")) {
            return;
        }
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        out.push(
            Evidence::new(
                Kind::Network,
                Family::Smb,
                Act::Strong,
                dst,
                row.time,
                row.reference,
                format!("mapped {}", row.get("path")),
            )
            .technique(&["T1021.002"])
            .from(src)
            .weighs(Class::NetworkShare, 0.3),
        );
    });
    for_each(catalog, "zeek:smb_files", 0, |row| {
        if !super::smb::is_admin_share(row.get("path")) {
            return;
        }
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        out.push(
            Evidence::new(
                Kind::Network,
                Family::Smb,
                Act::Weak,
                dst,
                row.time,
                row.reference,
                format!(
                    "{} {} on {}",
                    row.get("action"),
                    row.get("name"),
                    row.get("path")
                ),
            )
            .technique(&["T1021.002", "T1570"])
            .from(src)
            .weighs(Class::NetworkFile, 0.1),
        );
    });
    for_each(catalog, "zeek:rdp", 0, |row| {
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        let user = world.accounts.of_text(row.get("cookie"));
        out.push(
            Evidence::new(
                Kind::Network,
                Family::Rdp,
                Act::Strong,
                dst,
                row.time,
                row.reference,
                "remote desktop connection",
            )
            .technique(&["T1021.001"])
            .from(src)
            .used(user)
            .weighs(Class::NetworkSession, 0.35),
        );
    });
    for_each(catalog, "zeek:ssh", 0, |row| {
        if !matches!(row.get("auth_success"), "T" | "true") {
            return;
        }
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        out.push(
            Evidence::new(
                Kind::Network,
                Family::Ssh,
                Act::Strong,
                dst,
                row.time,
                row.reference,
                "SSH login succeeded",
            )
            .technique(&["T1021.004"])
            .from(src)
            .weighs(Class::NetworkSession, 0.35),
        );
    });
    for_each(catalog, "zeek:http", 0, |row| {
        let uri = row.get("uri").to_lowercase();
        if !uri.starts_with("/wsman") || uri.contains("subscriptionmanager") {
            return;
        }
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        out.push(
            Evidence::new(
                Kind::Network,
                Family::WinRm,
                Act::Strong,
                dst,
                row.time,
                row.reference,
                format!("{} {}", row.get("method"), row.get("uri")),
            )
            .technique(&["T1021.006"])
            .from(src)
            .weighs(Class::NetworkSession, 0.35),
        );
    });
    for at in 0..world.connections.len() {
        let Some(one) = world.connections.get(at) else {
            continue;
        };
        if one.observer.is_some() || !matches!(one.dst_port, 5985 | 5986 | 3389) {
            continue;
        }
        let Place::Host(dst) = one.dst else { continue };
        if one.src == one.dst {
            continue;
        }
        let (family, techniques): (_, &[&'static str]) = if one.dst_port == 3389 {
            (Family::Rdp, &["T1021.001"])
        } else {
            (Family::WinRm, &["T1021.006"])
        };
        out.push(
            Evidence::new(
                Kind::Network,
                family,
                Act::Weak,
                dst,
                one.time,
                one.reference,
                format!("connection to port {}", one.dst_port),
            )
            .technique(techniques)
            .from(one.src)
            .weighs(Class::NetworkConnection, 0.25),
        );
    }
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
    let mut controllers: BTreeSet<HostId> = BTreeSet::new();
    for_each(catalog, "zeek:kerberos", 0, |row| {
        let (Some(client), Some(controller)) =
            (address(row.get("id.orig_h")), address(row.get("id.resp_h")))
        else {
            return;
        };
        controllers.insert(world.hosts.at(controller, row.time));
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
    // Where nobody looks into SMB and RPC, an unusual connection is all there is.
    let mut edges: BTreeMap<(HostId, HostId, u16), Vec<usize>> = BTreeMap::new();
    for (at, one) in world.connections.iter().enumerate() {
        let image = base_name(one.image);
        // The kernel speaks SMB for all, the service host asks the endpoint mapper for all who call objects.
        let seen = match (one.observer, one.dst_port) {
            (None, 445) => true,
            (Some(_), 445) => !one.inbound && image.eq_ignore_ascii_case("System"),
            (Some(_), 135) => !one.inbound && image.eq_ignore_ascii_case("svchost.exe"),
            _ => false,
        };
        if seen
            && let (Place::Host(src), Place::Host(dst)) = (one.src, one.dst)
            && src != dst
            && !controllers.contains(&dst)
            && !world
                .hosts
                .get(dst)
                .is_some_and(|host| host.domain_controller)
        {
            edges.entry((src, dst, one.dst_port)).or_default().push(at);
        }
    }
    for ((_, dst, port), connections) in edges {
        let times: Vec<i64> = connections
            .iter()
            .filter_map(|at| Some(world.connections.get(*at)?.time))
            .collect();
        if is_usual(&times) {
            continue;
        }
        // What is asked of the endpoint mapper may be objects, WMI, tasks or services.
        let (family, techniques): (_, &[&'static str]) = if port == 135 {
            (Family::Any, &["T1021.003"])
        } else {
            (Family::Smb, &["T1021.002"])
        };
        for at in connections {
            let Some(one) = world.connections.get(at) else {
                continue;
            };
            let mut evidence = Evidence::new(
                if one.observer.is_some() {
                    Kind::Source
                } else {
                    Kind::Network
                },
                family,
                Act::Weak,
                dst,
                one.time,
                one.reference,
                format!("connection to port {port}"),
            )
            .technique(techniques)
            .from(one.src)
            .weighs(
                if one.observer.is_some() {
                    Class::Connection
                } else {
                    Class::NetworkConnection
                },
                if one.observer.is_some() { 0.1 } else { 0.2 },
            );
            evidence.actor = one.user.filter(|id| world.accounts.is_user(*id));
            out.push(evidence);
        }
    }
    logons(world, out);
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

/// Network logons that say nothing of the way: by NTLM of accounts that hardly ever come from there, and of administrators
/// from where they never are.
fn logons(world: &World<'_>, out: &mut Sink) {
    let canonical = world.accounts.canonical();
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    let mut logons: BTreeMap<(HostId, HostId, AccountId), Vec<usize>> = BTreeMap::new();
    for (at, session) in world.sessions.iter().enumerate() {
        if session.logon_type == 3
            && session.kind == AccountKind::User
            && let (Place::Host(src), Some(account)) = (session.source, session.account)
            && !world
                .hosts
                .get(session.host)
                .is_some_and(|host| host.domain_controller)
            // Where the logs are long, who comes by NTLM every week is no news.
            && (session.package == Package::Ntlm && !world.history.is_long()
                || (session.package == Package::Ntlm || session.elevated)
                    && world
                        .history
                        .is_new_from(src, standing(account), session.time))
        {
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
        if is_usual(&times) {
            continue;
        }
        for at in sessions {
            let Some(session) = world.sessions.get(at) else {
                continue;
            };
            let new = session.elevated
                && world
                    .history
                    .is_new_from(src, standing(account), session.time);
            let mut evidence = Evidence::new(
                Kind::DestinationLogon,
                Family::Any,
                if new { Act::Strong } else { Act::Weak },
                dst,
                session.time,
                session.reference,
                if new {
                    "network logon with administrative rights, from where the account never was on another day"
                } else {
                    "network logon by NTLM"
                },
            )
            .technique(&["T1021.002"])
            .from(Place::Host(src))
            .used(Some(account))
            .weighs(Class::Logon, 0.2);
            evidence.session = Some(at);
            out.push(evidence);
        }
    }
}
