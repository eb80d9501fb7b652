//! Which host had which address when, as far as logs prove it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use crate::activity::Activity;
use crate::channel::*;
use crate::connections::{End, each_end, is_service_port, oriented};
use crate::identity::{AccountKind, HostId, Hosts, Place, address, kind_of};
use crate::row::{Row, for_each};
use crate::text::SECOND;

/// Whether an address is of a network of one's own (RFC 1918, RFC 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

impl<'a> Activity<'a> {
    pub(crate) fn learn_addresses(&mut self) {
        let (catalog, hosts) = (self.catalog, &mut self.hosts);
        let seen = &mut self.own_addresses;
        each_end(
            catalog,
            hosts,
            |hosts, writer, initiated, source, destination, time| {
                let own = if initiated {
                    Some(source.0)
                } else {
                    match (is_service_port(source.1), is_service_port(destination.1)) {
                        (true, false) => Some(source.0),
                        (false, true) => Some(destination.0),
                        _ => None,
                    }
                };
                let own = own.or((source.0 == destination.0).then_some(source.0));
                if let Some(ip) = own
                    && !ip.is_loopback()
                {
                    seen.insert((writer, ip));
                    hosts.holds(writer, ip, time);
                }
            },
        );
        // What the ports did not say, the addresses known by now do.
        let known = seen.clone();
        each_end(
            catalog,
            hosts,
            |hosts, writer, initiated, source, destination, time| {
                // Equal ports are datagrams between equals, or to all.
                if !initiated
                    && source.1 != destination.1
                    && !known.contains(&(writer, source.0))
                    && !known.contains(&(writer, destination.0))
                {
                    let (own, _) = oriented(&known, writer, source, destination);
                    if !own.0.is_loopback() {
                        seen.insert((writer, own.0));
                        hosts.holds(writer, own.0, time);
                    }
                }
            },
        );
        // A machine account's Kerberos logon or ticket proves who is at an address.
        for (id, name, ip) in [
            (4768, "TargetUserName", "IpAddress"),
            (4769, "TargetUserName", "IpAddress"),
            (4624, "TargetUserName", "IpAddress"),
        ] {
            for_each(catalog, SECURITY, id, |row| {
                let user = row.get(name);
                let sam = user.split('@').next().unwrap_or(user);
                if !sam.ends_with('$') || sam.len() < 2 {
                    return;
                }
                if id == 4624
                    && !(row.get("AuthenticationPackageName") == "Kerberos"
                        && row.get("LogonType") == "3")
                {
                    return;
                }
                let writer = hosts.writer(row.host);
                match address(row.get(ip)) {
                    Some(ip) if !ip.is_loopback() => {
                        if let Place::Host(host) = hosts.place(sam, HostId(u32::MAX), row.time) {
                            hosts.holds(host, ip, row.time);
                        }
                    }
                    _ => {}
                }
                if id != 4624
                    && let Some(host) = hosts.all.get_mut(writer.0 as usize)
                {
                    host.domain_controller = true;
                }
            });
        }
        for id in [4768, 4769] {
            for_each(catalog, SECURITY, id, |row| {
                let writer = hosts.writer(row.host);
                if let Some(host) = hosts.all.get_mut(writer.0 as usize) {
                    host.domain_controller = true;
                }
            });
        }
        for_each(catalog, "zeek:ntlm", 0, |row| {
            if let Some(ip) = address(row.get("id.resp_h"))
                && let Place::Host(host) = hosts.place(
                    row.get("server_nb_computer_name"),
                    HostId(u32::MAX),
                    row.time,
                )
            {
                hosts.holds(host, ip, row.time);
            }
        });
        for_each(catalog, "zeek:kerberos", 0, |row| {
            let client = row.get("client");
            let sam = client.split('/').next().unwrap_or(client);
            if sam.ends_with('$')
                && row.get("success") != "F"
                && let Some(ip) = address(row.get("id.orig_h"))
                && let Place::Host(host) = hosts.place(sam, HostId(u32::MAX), row.time)
            {
                hosts.holds(host, ip, row.time);
            }
        });
    }

    /// The server of a connection is who logged the client's very address and port, wherever the connection itself was
    /// seen.
    pub(crate) fn learn_served_addresses(&mut self) {
        /// The clocks of two hosts differ no more, as far as this can tell.
        const APART: i64 = 600 * SECOND;
        let (catalog, hosts) = (self.catalog, &mut self.hosts);
        let mut seen: HashMap<End, Vec<(i64, IpAddr)>> = HashMap::new();
        for_each(catalog, "zeek:conn", 0, |row| {
            if let (Some(src), Some(dst)) =
                (address(row.get("id.orig_h")), address(row.get("id.resp_h")))
                && !hosts.is_held(dst)
            {
                let port = row.get("id.orig_p").parse().unwrap_or(0);
                seen.entry((src, port)).or_default().push((row.time, dst));
            }
        });
        each_end(
            catalog,
            hosts,
            |hosts, _, initiated, source, destination, time| {
                if initiated && !destination.0.is_loopback() && !hosts.is_held(destination.0) {
                    seen.entry(source).or_default().push((time, destination.0));
                }
            },
        );
        seen.remove(&(IpAddr::from([0, 0, 0, 0]), 0));
        if seen.is_empty() {
            return;
        }
        let mut facts: BTreeMap<IpAddr, BTreeMap<HostId, (i64, i64)>> = BTreeMap::new();
        let mut served = |hosts: &mut Hosts, row: &Row<'a, '_>, ip: &str, port: &str| {
            let (Some(ip), Ok(port)) = (address(ip), port.parse::<u16>()) else {
                return;
            };
            let Some(all) = seen.get(&(ip, port)).filter(|_| port != 0) else {
                return;
            };
            let near: BTreeSet<IpAddr> = all
                .iter()
                .filter(|(time, _)| (time - row.time).abs() <= APART)
                .map(|(_, ip)| *ip)
                .collect();
            if let (1, Some(dst)) = (near.len(), near.first()) {
                let host = hosts.writer(row.host);
                let span = facts
                    .entry(*dst)
                    .or_default()
                    .entry(host)
                    .or_insert((row.time, row.time));
                *span = (span.0.min(row.time), span.1.max(row.time));
            }
        };
        for_each(catalog, SECURITY, 4624, |row| {
            if matches!(row.get("LogonType"), "3" | "8" | "10") {
                served(hosts, row, row.get("IpAddress"), row.get("IpPort"));
            }
        });
        for_each(catalog, SSHD, 0, |row| {
            served(hosts, row, row.get("src_ip"), row.get("src_port"));
        });
        for (ip, claims) in facts {
            for (host, (first, last)) in claims {
                hosts.holds(host, ip, first);
                hosts.holds(host, ip, last);
            }
        }
    }

    /// Joins names and addresses that two logs give for one act: what somebody asked for on one host, and what came of
    /// it on the other. Only for addresses of which no machine's own log tells.
    pub(crate) fn learn_joined_addresses(&mut self) {
        let (catalog, hosts) = (self.catalog, &mut self.hosts);
        let nobody = HostId(u32::MAX);
        let sam = |name: &str| {
            let name = name.rsplit('\\').next().unwrap_or(name);
            name.split('@').next().unwrap_or(name).to_lowercase()
        };
        let mut facts: BTreeMap<IpAddr, BTreeMap<HostId, (i64, i64)>> = BTreeMap::new();
        let mut state = |ip: IpAddr, host: HostId, time: i64| {
            let span = facts
                .entry(ip)
                .or_default()
                .entry(host)
                .or_insert((time, time));
            *span = (span.0.min(time), span.1.max(time));
        };
        // Explicit credentials for a host (4648), and the only logon with them there in the next seconds.
        let mut asked: BTreeMap<(HostId, String), Vec<(i64, HostId)>> = BTreeMap::new();
        for_each(catalog, SECURITY, 4648, |row| {
            let src = hosts.writer(row.host);
            if let Place::Host(dst) = hosts.place(row.get("TargetServerName"), src, row.time)
                && kind_of(row.get("TargetUserName"), "") == AccountKind::User
            {
                asked
                    .entry((dst, sam(row.get("TargetUserName"))))
                    .or_default()
                    .push((row.time, src));
            }
        });
        if !asked.is_empty() {
            let mut came: BTreeMap<(HostId, String), Vec<(i64, IpAddr)>> = BTreeMap::new();
            for_each(catalog, SECURITY, 4624, |row| {
                let host = hosts.writer(row.host);
                if let Some(ip) = address(row.get("IpAddress"))
                    && !ip.is_loopback()
                    && !ip.is_unspecified()
                    && matches!(row.get("LogonType"), "3" | "8" | "10")
                {
                    let key = (host, sam(row.get("TargetUserName")));
                    if asked.contains_key(&key) {
                        came.entry(key).or_default().push((row.time, ip));
                    }
                }
            });
            for (key, asked) in &asked {
                let Some(came) = came.get_mut(key) else {
                    continue;
                };
                came.sort_unstable();
                for (time, src) in asked {
                    let start = came.partition_point(|(own, _)| *own < time - 2 * SECOND);
                    let ips: BTreeSet<IpAddr> = came
                        .get(start..)
                        .unwrap_or_default()
                        .iter()
                        .take_while(|(own, _)| *own <= time + 5 * SECOND)
                        .map(|(_, ip)| *ip)
                        .collect();
                    if ips.len() == 1
                        && let Some(ip) = ips.first()
                    {
                        state(*ip, *src, *time);
                    }
                }
            }
        }
        // The remote desktop client logs the name it was given (1024), then the address that it found (1102).
        let mut named: Vec<(HostId, i64, Option<HostId>, Option<IpAddr>)> = Vec::new();
        for id in [1024_u32, 1102] {
            for_each(catalog, RDP_CLIENT, id, |row| {
                let writer = hosts.writer(row.host);
                let value = row.get("Value");
                match (id, address(value)) {
                    (1102, Some(ip)) => named.push((writer, row.time, None, Some(ip))),
                    (1024, None) => {
                        if let Place::Host(host) = hosts.place(value, writer, row.time) {
                            named.push((writer, row.time, Some(host), None));
                        }
                    }
                    _ => {}
                }
            });
        }
        named.sort_unstable();
        for pair in named.windows(2) {
            if let [(writer, asked, Some(host), _), (same, found, _, Some(ip))] = pair
                && writer == same
                && found - asked <= 15 * SECOND
            {
                state(*ip, *host, *found);
            }
        }
        // Sysmon looks up the names of both ends.
        for_each(catalog, SYSMON, 3, |row| {
            for (name, ip) in [
                ("SourceHostname", "SourceIp"),
                ("DestinationHostname", "DestinationIp"),
            ] {
                let name = row.get(name);
                if let Some(ip) = address(row.get(ip))
                    && is_private(ip)
                    && address(name).is_none()
                    && let Place::Host(host) = hosts.place(name, nobody, row.time)
                {
                    state(ip, host, row.time);
                }
            }
        });
        for (ip, claims) in facts {
            // Two machines at one address contradict each other: then nobody has it.
            if claims.len() == 1
                && !hosts.is_held(ip)
                && let Some((host, (first, last))) = claims.into_iter().next()
            {
                hosts.holds(host, ip, first);
                hosts.holds(host, ip, last);
            }
        }
    }
}
