//! Ends of the connections that hosts log: which of the two is the client, which the server.
//!
//! Sysmon 3 and Security 5156 name a source and a destination. Of a connection that the host opened, the source is the
//! host's own end. Of one that it accepted, some releases of Windows write the local side first and some the remote one,
//! so that the names of the fields say nothing: addresses and ports do.

use std::net::IpAddr;

use crate::demand::channel::{SECURITY, SYSMON};

/// An address with a port.
pub type End = (IpAddr, u16);

/// A kind of record in which a host tells of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLog {
    /// Its channel, lower case.
    pub channel: &'static str,
    /// Its event id.
    pub id: u32,
    /// Field with the address that is called the source.
    pub source: &'static str,
    /// Field with that end's port.
    pub source_port: &'static str,
    /// Field with the address that is called the destination.
    pub destination: &'static str,
    /// Field with that end's port.
    pub destination_port: &'static str,
    /// Field with the program's path.
    pub image: &'static str,
}

/// Every kind of record in which hosts tell of connections.
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

/// Ports on which servers listen, as far as movement and its surroundings need.
pub(crate) fn is_service_port(port: u16) -> bool {
    port < 1024 || matches!(port, 1433 | 3306 | 3389 | 5357 | 5985 | 5986 | 8080 | 47001)
}

/// Whether, of a connection that a host accepted, the end called the source is the server's, which is the host's own.
/// `own` says whether an address is known to be the host's.
pub fn source_serves(own: impl Fn(IpAddr) -> bool, source: End, destination: End) -> bool {
    match (own(source.0), own(destination.0)) {
        (true, false) => true,
        (false, true) => false,
        _ => match (is_service_port(source.1), is_service_port(destination.1)) {
            (true, false) => true,
            (false, true) => false,
            // Of two dynamic ports the server's is the older, lower one.
            _ => source.1 < destination.1,
        },
    }
}
