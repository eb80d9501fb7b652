//! The ends of logged connections: which is the client, and which the server.
//!
//! Sysmon 3 and Security 5156 name a source and a destination. For a connection that the host opened, the source is the
//! host's own end. For one that it accepted, some releases of Windows write the local side first and some the remote
//! one, so the field names prove nothing; addresses and ports do.

use std::net::IpAddr;

use hashbrown::HashSet;

use crate::facts::{FilterConnection, SysmonConnection};
use crate::identity::{AccountId, HostId, Hosts, Place, address};
use crate::row::{Log, Row, for_each};

/// An address with a port.
pub type End = (IpAddr, u16);

/// A connection as the record of a host has it, before it is clear which end is the server's.
#[derive(Debug, Clone, Copy)]
pub struct Reported<'a> {
    /// Whether the host that wrote the record opened the connection.
    pub initiated: bool,
    /// Address and port of the end called the source, as written.
    pub source: (&'a str, &'a str),
    /// Address and port of the end called the destination, as written.
    pub destination: (&'a str, &'a str),
    /// Path of the host's program.
    pub image: &'a str,
    /// Account of that program; empty in Security 5156, which does not say.
    pub user: &'a str,
    /// Sysmon's ProcessGuid of that program, or empty.
    pub process_guid: &'a str,
}

impl Reported<'_> {
    /// Source and destination; none if an address is not one.
    pub fn ends(&self) -> Option<(End, End)> {
        let end = |(ip, port): (&str, &str)| Some((address(ip)?, port.parse().unwrap_or_default()));
        end(self.source).zip(end(self.destination))
    }
}

impl<'a> From<&Row<'a, '_, SysmonConnection>> for Reported<'a> {
    fn from(row: &Row<'a, '_, SysmonConnection>) -> Self {
        Self {
            initiated: row.initiated().eq_ignore_ascii_case("true"),
            source: (row.source_ip(), row.source_port()),
            destination: (row.destination_ip(), row.destination_port()),
            image: row.image(),
            user: row.user(),
            process_guid: row.process_guid(),
        }
    }
}

impl<'a> From<&Row<'a, '_, FilterConnection>> for Reported<'a> {
    fn from(row: &Row<'a, '_, FilterConnection>) -> Self {
        Self {
            // %%14592 is inbound, %%14593 outbound (Microsoft, event 5156).
            initiated: !matches!(row.direction(), "%%14592" | "Inbound"),
            source: (row.source_address(), row.source_port()),
            destination: (row.dest_address(), row.dest_port()),
            image: row.application(),
            user: "",
            process_guid: "",
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

/// A connection that a host logged.
pub(crate) struct Logged<'a> {
    /// Microseconds since 1970-01-01 UTC, by the common clock.
    pub time: i64,
    pub reference: u64,
    /// The machine that wrote it, as the event names it.
    pub host: &'a str,
    pub source: End,
    pub destination: End,
    pub reported: Reported<'a>,
}

/// Calls `each` for each logged connection.
pub(crate) fn each_connection<'a>(catalog: Log<'a>, mut each: impl FnMut(&Logged<'a>)) {
    let mut tell = |time: i64, reference: u64, host: &'a str, reported: Reported<'a>| {
        if let Some((source, destination)) = reported.ends()
            && !source.0.is_multicast()
            && !destination.0.is_multicast()
        {
            each(&Logged {
                time,
                reference,
                host,
                source,
                destination,
                reported,
            });
        }
    };
    for_each(catalog, SysmonConnection, |row| {
        tell(row.time, row.reference, row.host, row.into());
    });
    for_each(catalog, FilterConnection, |row| {
        tell(row.time, row.reference, row.host, row.into());
    });
}

/// Calls `each` with the writer, whether it opened the connection, both ends and the time of each logged connection.
pub(crate) fn each_end(
    catalog: Log<'_>,
    hosts: &mut Hosts,
    mut each: impl FnMut(&mut Hosts, HostId, bool, End, End, i64),
) {
    each_connection(catalog, |one| {
        let writer = hosts.writer(one.host);
        let initiated = one.reported.initiated;
        each(
            hosts,
            writer,
            initiated,
            one.source,
            one.destination,
            one.time,
        );
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
