//! The ends of logged connections: which is the client, and which the server.
//!
//! Sysmon 3 and Security 5156 name a source and a destination. For a connection that the host opened, the source is the
//! host's own end. For one that it accepted, some releases of Windows write the local side first and some the remote
//! one, so the field names prove nothing; addresses and ports do.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::channel::{SECURITY, SYSMON};
use crate::identity::{AccountId, HostId, Hosts, Place, address};
use crate::row::{Log, Row, for_each};

/// An address with a port.
pub type End = (IpAddr, u16);

/// A kind of record in which a host reports a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLog {
    /// Its channel, lower case.
    pub channel: &'static str,
    /// Its event id.
    pub id: u32,
    /// Field with the address called the source.
    pub source: &'static str,
    /// Field with the source's port.
    pub source_port: &'static str,
    /// Field with the address called the destination.
    pub destination: &'static str,
    /// Field with the destination's port.
    pub destination_port: &'static str,
    /// Field with the program's path.
    pub image: &'static str,
}

/// Every kind of record in which hosts report connections.
pub const CONNECTION_LOGS: [ConnectionLog; 2] = [
    ConnectionLog {
        channel: SYSMON,
        id: 3,
        source: "SourceIp",
        source_port: "SourcePort",
        destination: "DestinationIp",
        destination_port: "DestinationPort",
        image: "Image",
    },
    ConnectionLog {
        channel: SECURITY,
        id: 5156,
        source: "SourceAddress",
        source_port: "SourcePort",
        destination: "DestAddress",
        destination_port: "DestPort",
        image: "Application",
    },
];

impl ConnectionLog {
    /// Whether the host that wrote the record opened the connection.
    pub fn initiated<'r>(&self, get: impl Fn(&'static str) -> &'r str) -> bool {
        if self.channel == SYSMON {
            get("Initiated").eq_ignore_ascii_case("true")
        } else {
            // %%14592 is inbound, %%14593 outbound (Microsoft, event 5156).
            !matches!(get("Direction"), "%%14592" | "Inbound")
        }
    }
}

/// Ports on which servers listen, as far as movement needs to know them.
pub(crate) fn is_service_port(port: u16) -> bool {
    port < 1024 || matches!(port, 1433 | 3306 | 3389 | 5357 | 5985 | 5986 | 8080 | 47001)
}

/// Whether, for a connection that a host accepted, the end called the source is the server's, which is the host's own.
/// `own` tells whether an address is known to be the host's.
pub fn source_serves(own: impl Fn(IpAddr) -> bool, source: End, destination: End) -> bool {
    // A multicast group is never a host's end.
    match (source.0.is_multicast(), destination.0.is_multicast()) {
        (true, false) => return false,
        (false, true) => return true,
        _ => {}
    }
    match (own(source.0), own(destination.0)) {
        (true, false) => true,
        (false, true) => false,
        _ => match (is_service_port(source.1), is_service_port(destination.1)) {
            (true, false) => true,
            (false, true) => false,
            // Of two dynamic ports, the server's is the older, lower one.
            _ => source.1 < destination.1,
        },
    }
}

/// One end's view of a network connection.
#[derive(Debug, Clone)]
pub struct Connection<'a> {
    /// Microseconds since 1970-01-01 UTC, by the common clock.
    pub time: i64,
    /// The end that opened the connection.
    pub src: Place,
    /// The client's address, as seen by the observer.
    pub src_ip: IpAddr,
    /// 0 if the log does not say.
    pub src_port: u16,
    /// The end that accepted it.
    pub dst: Place,
    /// The server's address, as seen by the observer.
    pub dst_ip: IpAddr,
    /// 0 if the log does not say.
    pub dst_port: u16,
    /// The machine that saw it; `None` for a network sensor.
    pub observer: Option<HostId>,
    /// Whether the observer is the destination.
    pub inbound: bool,
    /// Path of the observer's program; empty for a sensor.
    pub image: &'a str,
    /// Account of the observer's program; only Sysmon records it.
    pub user: Option<AccountId>,
    /// Sysmon's ProcessGuid of that program, or empty.
    pub process_guid: &'a str,
    /// Identifies the event ([`crabwalk_events::Catalog::resolve`]).
    pub reference: u64,
}

/// Calls `each` for each logged connection, with the host that logged it, whether that host opened it, and the ends
/// that the log calls source and destination.
pub(crate) fn each_connection<'a>(
    catalog: Log<'a>,
    mut each: impl FnMut(&ConnectionLog, &Row<'a, '_>, bool, End, End),
) {
    for log in &CONNECTION_LOGS {
        for_each(catalog, log.channel, log.id, |row| {
            let port = |name: &str| row.get(name).parse().unwrap_or(0);
            let (Some(source), Some(destination)) = (
                address(row.get(log.source)),
                address(row.get(log.destination)),
            ) else {
                return;
            };
            if !source.is_multicast() && !destination.is_multicast() {
                let initiated = log.initiated(|name| row.get(name));
                let source = (source, port(log.source_port));
                let destination = (destination, port(log.destination_port));
                each(log, row, initiated, source, destination);
            }
        });
    }
}

/// Calls `each` with the writer, whether it opened the connection, both ends and the time of each logged connection.
pub(crate) fn each_end(
    catalog: Log<'_>,
    hosts: &mut Hosts,
    mut each: impl FnMut(&mut Hosts, HostId, bool, End, End, i64),
) {
    each_connection(catalog, |_, row, initiated, source, destination| {
        let writer = hosts.writer(row.host);
        each(hosts, writer, initiated, source, destination, row.time);
    });
}

/// The server's and the client's end of a connection that a host accepted.
pub(crate) fn oriented(
    own: &HashSet<(HostId, IpAddr)>,
    writer: HostId,
    source: End,
    destination: End,
) -> (End, End) {
    if source_serves(|ip| own.contains(&(writer, ip)), source, destination) {
        (source, destination)
    } else {
        (destination, source)
    }
}
