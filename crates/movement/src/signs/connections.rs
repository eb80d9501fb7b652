//! Connections without known content: to ports that serve one way of moving, and unusual ones to SMB and the endpoint
//! mapper.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crabwalk_activity::{HostId, Place, address, base_name};

use super::tickets::controllers;
use super::usual::{is_usual, movements};
use crate::command::{clean, words};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::programs::program;
use crate::world::World;

pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    own_ports(world, out);
    shared_ports(world, out);
}

/// Connections seen by a sensor to ports on which only one way of moving listens. If the client had just got a ticket
/// for the host, they are more than connections: somebody has logged on.
fn own_ports(world: &World<'_>, out: &mut Sink) {
    for at in 0..world.connections.len() {
        let Some(one) = world.connections.get(at) else {
            continue;
        };
        if one.observer.is_some() {
            continue;
        }
        let Some((way, techniques)) = crate::techniques::ALL
            .iter()
            .filter(|way| way.ports().contains(&one.dst_port))
            .find_map(|way| Some((way, way.alone_on_its_ports()?)))
        else {
            continue;
        };
        let Place::Host(dst) = one.dst else { continue };
        if one.src == one.dst {
            continue;
        }
        let ticket = match one.src {
            Place::Host(src) => world.ticket_for(src, dst, one.dst_port, one.time),
            _ => None,
        };
        let mut what = format!("connection to port {}", one.dst_port);
        if let Some((_, service)) = &ticket {
            what.push_str(&format!(", with the ticket for {service} of just before"));
        }
        out.push(
            Evidence::new(
                Kind::Network,
                way.family(),
                if ticket.is_some() {
                    Act::Strong
                } else {
                    Act::Weak
                },
                dst,
                one.time,
                one.reference,
                what,
            )
            .technique(techniques)
            .from(one.src)
            .used(ticket.map(|(account, _)| account))
            .weighs(Class::NetworkConnection, 0.25),
        );
    }
}

/// Connections to multi-purpose ports, on edges that are hardly ever used: if nothing inspects SMB and RPC, an unusual
/// connection is all there is.
fn shared_ports(world: &mut World<'_>, out: &mut Sink) {
    let controllers = controllers(world);
    let mut edges: BTreeMap<(HostId, HostId, u16, bool), Vec<usize>> = BTreeMap::new();
    for (at, one) in world.connections.iter().enumerate() {
        let of_a_host = one.observer.is_some();
        if !matches!(one.dst_port, 135 | 445) || of_a_host && one.inbound {
            continue;
        }
        let image = base_name(one.image);
        // The kernel speaks SMB for everybody, and the service host contacts the endpoint mapper for all callers of
        // objects. A program that does either itself brings its own client along.
        let itself = of_a_host && program(one.image).is_some();
        let seen = itself
            || match (of_a_host, one.dst_port) {
                (true, 445) => image.eq_ignore_ascii_case("System"),
                (true, _) => image.eq_ignore_ascii_case("svchost.exe"),
                (false, port) => port == 445,
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
            let edge = (src, dst, one.dst_port, itself);
            edges.entry(edge).or_default().push(at);
        }
    }
    for ((_, dst, port, itself), connections) in edges {
        let times: Vec<i64> = connections
            .iter()
            .filter_map(|at| Some(world.connections.get(*at)?.time))
            .collect();
        if is_usual(&times) {
            world.left_out += movements(&times);
            continue;
        }
        // The endpoint mapper may have been asked for objects, WMI, tasks or services.
        let (family, techniques) = match (port, itself) {
            (135, _) => (Family::Any, Family::Dcom.plain()),
            (_, true) => (Family::Any, Family::Smb.plain()),
            (_, false) => (Family::Smb, Family::Smb.plain()),
        };
        for at in connections {
            let Some(one) = world.connections.get(at).cloned() else {
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
                if itself {
                    format!("{} connected to port {port} itself", base_name(one.image))
                } else {
                    format!("connection to port {port}")
                },
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
            evidence.source_program = program(one.image);
            let by = world.process_of_guid(one.process_guid).filter(|_| itself);
            let ip = one.dst_ip;
            if let Some(at) = by {
                evidence.source_process = world.process_key(at);
                if let Some(user) = named(world, at, dst, ip) {
                    evidence.class = Class::Client;
                    let used = user.and_then(|user| world.claimed_at(dst, &user));
                    evidence.used = used.filter(|id| world.accounts.is_user(*id));
                }
            }
            evidence.actor = one.user.filter(|id| world.accounts.is_user(*id));
            out.push(evidence);
        }
    }
}

/// The account, if any, in the command line of a program that names the destination it connects to: clients that do not
/// use Windows' own logon take it as `domain/user:password@host`. `None` if the line does not name the destination.
fn named(world: &World<'_>, process: usize, dst: HostId, ip: IpAddr) -> Option<Option<String>> {
    let process = world.processes.get(process)?;
    let mut words = words(process.command).into_iter().skip(1);
    words.find_map(|word| {
        let (user, host) = match word.rsplit_once('@') {
            Some((user, host)) => (user.split(':').next(), host),
            None => (None, word.as_str()),
        };
        let host = clean(host);
        let is_it = match address(&host) {
            Some(own) => own == ip,
            None => world.hosts.find(&host, process.host) == Some(dst),
        };
        is_it.then(|| user.map(str::to_owned))
    })
}
