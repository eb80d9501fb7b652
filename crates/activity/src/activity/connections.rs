//! The connections that hosts and sensors saw.

use crate::facts;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Activity;
use crate::connections::{Connection, each_connection, oriented};
use crate::grouped::Grouped;
use crate::identity::{HostId, Hosts, Place};
use crate::row::{count, for_each};

impl<'a> Activity<'a> {
    pub(super) fn read_connections(&mut self) {
        let catalog = self.catalog;
        let (hosts, accounts, connections) =
            (&mut self.hosts, &mut self.accounts, &mut self.connections);
        // Reserve at once: a list that grows by doubling needs three times its size.
        let most = count(catalog, facts::SysmonConnection)
            + count(catalog, facts::FilterConnection)
            + count(catalog, facts::ZeekConnection);
        connections.reserve_exact(most);
        let own = &self.own_addresses;
        each_connection(catalog, |one| {
            let writer = hosts.writer(one.host);
            let initiated = one.reported.initiated;
            let (server, client) = if initiated {
                (one.destination, one.source)
            } else {
                oriented(own, writer, one.source, one.destination)
            };
            connections.push(Connection {
                time: one.time,
                src: Place::Unknown,
                src_ip: client.0,
                src_port: client.1,
                dst: Place::Unknown,
                dst_ip: server.0,
                dst_port: server.1,
                observer: Some(writer),
                inbound: !initiated,
                image: one.reported.image,
                user: accounts.of_text(one.reported.user),
                process_guid: one.reported.process_guid,
                reference: one.reference,
            });
        });
        for_each(catalog, facts::ZeekConnection, |row| {
            let (Some(src_ip), Some(dst_ip)) = (row.orig_h(), row.resp_h()) else {
                return;
            };
            connections.push(Connection {
                time: row.time,
                src: Place::Unknown,
                src_ip,
                src_port: row.orig_p(),
                dst: Place::Unknown,
                dst_ip,
                dst_port: row.resp_p(),
                observer: None,
                inbound: false,
                image: "",
                user: None,
                process_guid: "",
                reference: row.reference,
            });
        });
        let nobody = HostId(u32::MAX);
        connections.retain(|one| !one.dst_ip.is_multicast() && !one.src_ip.is_multicast());
        for one in connections.iter_mut() {
            let own = one.observer.unwrap_or(nobody);
            let side = |hosts: &mut Hosts, ip: IpAddr, observed: bool| match one.observer {
                Some(observer) if observed => Place::Host(observer),
                _ if ip.is_loopback() => Place::Host(own),
                _ if ip.is_unspecified() => Place::Unknown,
                _ => Place::Host(hosts.at(ip, one.time)),
            };
            one.src = side(hosts, one.src_ip, !one.inbound && one.observer.is_some());
            one.dst = side(hosts, one.dst_ip, one.inbound);
        }
        connections.sort_by(|a, b| {
            (
                a.time, a.src_ip, a.src_port, a.dst_ip, a.dst_port, a.observer, a.inbound,
            )
                .cmp(&(
                    b.time, b.src_ip, b.src_port, b.dst_ip, b.dst_port, b.observer, b.inbound,
                ))
        });
        let all = || connections.iter().zip(0..);
        self.by_client = Grouped::new(all().map(|(one, at)| ((one.src_ip, one.src_port), at)));
        self.by_process = Grouped::new(all().filter_map(|(one, at)| {
            let desktop = one.dst_port == 3389 && !one.process_guid.is_empty();
            desktop.then_some((one.process_guid, at))
        }));
        self.inbound = Grouped::new(all().filter_map(|(one, at)| match one.dst {
            Place::Host(host) if one.src != one.dst => Some((host, at)),
            _ => None,
        }));
    }

    /// What the ends and the network recorded about a connection from an address and port around a time.
    pub fn connections_from(
        &self,
        ip: IpAddr,
        port: u16,
        time: i64,
        span: i64,
    ) -> impl Iterator<Item = (usize, &Connection<'a>)> {
        self.by_client
            .get(&(ip, port))
            .iter()
            .filter_map(|at| Some((*at as usize, self.connections.get(*at as usize)?)))
            .filter(move |(_, one)| port != 0 && (one.time - time).abs() <= span)
    }

    /// Connections to remote desktops that a process opened, by its Sysmon ProcessGuid.
    pub fn outbound_of(&self, guid: &str) -> impl Iterator<Item = &Connection<'a>> {
        self.by_process
            .get(guid)
            .iter()
            .filter_map(|at| self.connections.get(*at as usize))
            .filter(|one| !one.inbound)
    }

    /// Connections that other machines made to a host within a span of time.
    pub fn inbound_between(
        &self,
        host: HostId,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = (usize, &Connection<'a>)> {
        let all = self.inbound.get(&host);
        let of = |at: &u32| self.connections.get(*at as usize);
        let start = all.partition_point(|at| of(at).is_some_and(|one| one.time < from));
        all.get(start..)
            .unwrap_or_default()
            .iter()
            .filter_map(move |at| Some((*at as usize, of(at)?)))
            .take_while(move |(_, one)| one.time <= to)
    }

    /// Machines that connected to one of these ports of a host within a span of time.
    pub fn clients_between(
        &self,
        host: HostId,
        ports: &[u16],
        from: i64,
        to: i64,
    ) -> BTreeMap<HostId, usize> {
        let mut clients = BTreeMap::new();
        for (at, one) in self.inbound_between(host, from, to) {
            if ports.contains(&one.dst_port)
                && let Place::Host(src) = one.src
                && src != host
            {
                clients.entry(src).or_insert(at);
            }
        }
        clients
    }
}
