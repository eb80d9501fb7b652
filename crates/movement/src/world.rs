//! What the logs say of sessions, connections and processes, before any question of movement.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use crate::connections::{CONNECTION_LOGS, ConnectionLog, End, is_service_port, source_serves};
use crate::demand::channel::*;
use crate::demand::is_of_a_host;
use crate::history::History;
use crate::identity::{AccountId, AccountKind, Accounts, HostId, Hosts, Place, address, kind_of};
use crate::row::{Log, Row, count, for_each};

/// A second in microseconds.
pub(crate) const SECOND: i64 = 1_000_000;

/// How a logon was authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Package {
    Ntlm,
    Kerberos,
    Negotiate,
    Other,
    Unknown,
}

impl Package {
    fn of(text: &str) -> Self {
        for (name, package) in [
            ("NTLM", Self::Ntlm),
            ("Kerberos", Self::Kerberos),
            ("Negotiate", Self::Negotiate),
            ("", Self::Unknown),
            ("-", Self::Unknown),
        ] {
            if text.eq_ignore_ascii_case(name) {
                return package;
            }
        }
        Self::Other
    }

    /// Its name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ntlm => "NTLM",
            Self::Kerberos => "Kerberos",
            Self::Negotiate => "Negotiate",
            Self::Other => "another package",
            Self::Unknown => "?",
        }
    }
}

/// A ticket for a host that a domain controller gave to a user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    pub time: i64,
    pub src: Place,
    pub used: Option<AccountId>,
    pub reference: u64,
}

/// The end of a session whose logoff was not logged.
pub(crate) const OPEN: i64 = i64::MAX;

/// One logon on one host. There may be millions: it holds no text.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub host: HostId,
    pub logon_id: u64,
    /// LogonId of the other half of a split token, 0 where there is none.
    pub linked: u64,
    pub time: i64,
    /// When the logoff was logged; [`OPEN`] where none was.
    pub end: i64,
    /// 0 where the logon itself was not logged, only what ran in it.
    pub logon_type: u8,
    pub account: Option<AccountId>,
    pub kind: AccountKind,
    pub source: Place,
    /// The address in the event.
    pub ip: Option<IpAddr>,
    pub port: u16,
    pub package: Package,
    /// Opened with other credentials for the network (logon process `seclogo`).
    pub by_seclogo: bool,
    /// Account that the session uses towards others (logon type 9).
    pub outbound: Option<AccountId>,
    pub elevated: bool,
    /// Remote desktop without sending a password or ticket to the host.
    pub restricted: bool,
    pub reference: u64,
}

impl Session {
    /// Whether somebody on another machine opened it.
    pub fn is_remote(&self) -> bool {
        match self.source {
            Place::Local => false,
            Place::Host(_) => matches!(self.logon_type, 3 | 7 | 8 | 10 | 12 | 13),
            Place::Unknown => matches!(self.logon_type, 3 | 8 | 10 | 12),
        }
    }

    /// Where it was opened, if that is another machine.
    pub fn from(&self) -> Option<HostId> {
        match self.source {
            Place::Host(host) => Some(host),
            _ => None,
        }
    }
}

/// One end's view of a network connection.
#[derive(Debug, Clone)]
pub(crate) struct Connection<'a> {
    pub time: i64,
    pub src: Place,
    pub src_ip: IpAddr,
    pub src_port: u16,
    pub dst: Place,
    pub dst_ip: IpAddr,
    pub dst_port: u16,
    /// The machine that saw it; `None` for a network sensor.
    pub observer: Option<HostId>,
    /// Whether the observer is the destination.
    pub inbound: bool,
    pub image: &'a str,
    pub user: Option<AccountId>,
    pub process_guid: &'a str,
    pub reference: u64,
}

/// A process that was started.
#[derive(Debug, Clone)]
pub(crate) struct Process<'a> {
    pub host: HostId,
    pub time: i64,
    pub guid: &'a str,
    pub pid: u64,
    pub parent_guid: &'a str,
    pub parent_pid: u64,
    pub image: &'a str,
    pub command: &'a str,
    pub parent_image: &'a str,
    pub parent_command: &'a str,
    pub original_name: &'a str,
    pub user: Option<AccountId>,
    pub logon_id: u64,
    /// LogonId of the session of its creator, where the log tells it apart.
    pub creator_logon: u64,
    /// Whether `logon_id` is surely its own session: older Windows names only the creator's.
    pub own_session: bool,
    /// Whether it ran in session 0, where nobody sits at a desktop.
    pub no_desktop: bool,
    /// When its session began, from Sysmon's LogonGuid.
    pub logon_time: Option<i64>,
    pub sysmon: bool,
    pub reference: u64,
}

/// Everything that techniques and the assembly ask.
pub(crate) struct World<'a> {
    pub catalog: Log<'a>,
    pub hosts: Hosts,
    pub accounts: Accounts,
    pub sessions: Vec<Session>,
    /// Tickets for each host, by time.
    pub tickets: HashMap<HostId, Vec<Ticket>>,
    /// Places in `sessions`, by host, LogonId and time.
    sessions_by_id: Vec<u32>,
    /// Places in `sessions`, by host and time; where each host's begin.
    sessions_by_host: Vec<u32>,
    sessions_of_host: HashMap<HostId, std::ops::Range<usize>>,
    pub connections: Vec<Connection<'a>>,
    by_client: HashMap<(IpAddr, u16), Vec<usize>>,
    inbound: HashMap<HostId, Vec<usize>>,
    /// Connections of each process of the remote desktop client.
    by_process: HashMap<&'a str, Vec<usize>>,
    pub processes: Vec<Process<'a>>,
    by_guid: HashMap<&'a str, usize>,
    by_pid: HashMap<(HostId, u64), Vec<usize>>,
    /// What each process started.
    children: HashMap<usize, Vec<usize>>,
    /// Processes of each host by time.
    processes_of_host: HashMap<HostId, Vec<usize>>,
    boots: HashMap<HostId, Vec<i64>>,
    pub history: History,
    /// Addresses that hosts' own connection logs show to be theirs.
    own_addresses: HashSet<(HostId, IpAddr)>,
}

/// Calls `each` for each connection that hosts logged, with its writer, whether the writer opened it, and the ends that
/// the log calls source and destination.
fn each_connection<'a>(
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

/// Calls `each` with writer, whether it opened the connection, both ends and the time of each connection that hosts
/// logged.
fn each_end(
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
fn oriented(
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

/// Decimal or `0x…`.
pub(crate) fn number(text: &str) -> u64 {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap_or(0),
        None => text.parse().unwrap_or(0),
    }
}

/// File name of a path with either separator.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

/// Whether an address is of a network of one's own (RFC 1918, RFC 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

/// LogonIds of the system's own accounts, through which nothing may be joined.
pub(crate) fn is_service_logon(id: u64) -> bool {
    matches!(id, 0 | 0x3e4 | 0x3e5 | 0x3e6 | 0x3e7)
}

/// When a session began, from a Sysmon LogonGuid: the second group holds the low, the third the high half of a Unix time.
pub(crate) fn logon_time(guid: &str) -> Option<i64> {
    let mut groups = guid.trim_matches(['{', '}']).split('-');
    let (low, high) = (groups.nth(1)?, groups.next()?);
    let seconds =
        (i64::from_str_radix(high, 16).ok()? << 16) | i64::from_str_radix(low, 16).ok()?;
    // A zero is no time, and nothing was logged before Sysmon existed.
    (seconds > 1_300_000_000).then_some(seconds * SECOND)
}

impl<'a> World<'a> {
    /// Reads what the logs hold.
    pub fn new(catalog: Log<'a>) -> Self {
        let mut world = Self {
            catalog,
            hosts: Hosts::default(),
            accounts: Accounts::default(),
            sessions: Vec::new(),
            tickets: HashMap::new(),
            sessions_by_id: Vec::new(),
            sessions_by_host: Vec::new(),
            sessions_of_host: HashMap::new(),
            connections: Vec::new(),
            by_client: HashMap::new(),
            inbound: HashMap::new(),
            by_process: HashMap::new(),
            processes: Vec::new(),
            by_guid: HashMap::new(),
            by_pid: HashMap::new(),
            children: HashMap::new(),
            processes_of_host: HashMap::new(),
            boots: HashMap::new(),
            history: History::default(),
            own_addresses: HashSet::new(),
        };
        for covered in catalog.catalog.coverage() {
            if is_of_a_host(&covered.channel) && !covered.host.is_empty() {
                world.hosts.writer(&covered.host);
            }
        }
        // Each way of learning asks what the surer ones before it found.
        world.learn_addresses();
        world.hosts.settle();
        world.learn_served_addresses();
        world.hosts.settle();
        world.learn_joined_addresses();
        world.hosts.settle();
        world.read_boots();
        world.read_accounts();
        world.read_sessions();
        world.read_connections();
        world.read_processes();
        world.add_unlogged_sessions();
        world.history = History::new(&mut world);
        world
    }

    /// Meets accounts that only domain controllers name, before any account is taken for another.
    fn read_accounts(&mut self) {
        for id in [4768_u32, 4769] {
            for_each(self.catalog, SECURITY, id, |row| {
                self.accounts.get(
                    row.get("TargetSid"),
                    row.get("TargetDomainName"),
                    row.get("TargetUserName"),
                );
            });
        }
        for_each(self.catalog, SECURITY, 4776, |row| {
            self.accounts.of_text(row.get("TargetUserName"));
        });
    }

    /// The host that wrote an event.
    pub fn writer(&mut self, row: &Row<'a, '_>) -> HostId {
        self.hosts.writer(row.host)
    }

    fn learn_addresses(&mut self) {
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
    fn learn_served_addresses(&mut self) {
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
    fn learn_joined_addresses(&mut self) {
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

    fn read_boots(&mut self) {
        let (catalog, hosts, boots) = (self.catalog, &mut self.hosts, &mut self.boots);
        for (channel, id) in [
            (SYSTEM, 12),
            (SYSTEM, 6005),
            (SYSTEM, 6009),
            (SECURITY, 4608),
        ] {
            for_each(catalog, channel, id, |row| {
                boots
                    .entry(hosts.writer(row.host))
                    .or_default()
                    .push(row.time);
            });
        }
        for times in boots.values_mut() {
            times.sort_unstable();
        }
    }

    fn read_sessions(&mut self) {
        let catalog = self.catalog;
        let (hosts, accounts, sessions) = (&mut self.hosts, &mut self.accounts, &mut self.sessions);
        // Room at once: a list that grows by doubling needs three times its size.
        sessions.reserve_exact(count(catalog, SECURITY, 4624));
        for_each(catalog, SECURITY, 4624, |row| {
            let logon_type: u8 = row.get("LogonType").parse().unwrap_or(0);
            let logon_process = row.get("LogonProcessName");
            let (sid, name) = (row.get("TargetUserSid"), row.get("TargetUserName"));
            let account = accounts.get(sid, row.get("TargetDomainName"), name);
            // Authz asks what an account may do; nobody logs on.
            if logon_type == 0 || logon_process.eq_ignore_ascii_case("Authz") {
                return;
            }
            // Most logons of all are those of machines and services with tickets: nobody moves by them.
            let kind = kind_of(name, sid);
            if matches!(kind, AccountKind::Machine | AccountKind::System)
                && (logon_type == 5
                    || logon_type == 3 && row.get("AuthenticationPackageName") == "Kerberos")
            {
                return;
            }
            let host = hosts.writer(row.host);
            let workstation = row.get("WorkstationName");
            let ip = address(row.get("IpAddress"));
            let mut source = hosts.place(row.get("IpAddress"), host, row.time);
            if let (Place::Host(_), Some(IpAddr::V6(v6))) = (source, ip)
                && v6.is_unicast_link_local()
                && hosts.place(workstation, host, row.time) == Place::Local
            {
                source = Place::Local;
            }
            if source == Place::Unknown
                && logon_type == 3
                && !workstation.is_empty()
                && hosts.place(workstation, host, row.time) == Place::Local
            {
                source = Place::Local;
            }
            sessions.push(Session {
                host,
                logon_id: number(row.get("TargetLogonId")),
                linked: number(row.get("TargetLinkedLogonId")),
                time: row.time,
                end: OPEN,
                logon_type,
                account,
                kind,
                source,
                ip,
                port: row.get("IpPort").parse().unwrap_or(0),
                package: Package::of(row.get("AuthenticationPackageName")),
                by_seclogo: logon_process.eq_ignore_ascii_case("seclogo"),
                outbound: if logon_type == 9 {
                    accounts.get(
                        "",
                        row.get("TargetOutboundDomainName"),
                        row.get("TargetOutboundUserName"),
                    )
                } else {
                    None
                },
                elevated: false,
                // %%1842 is yes (Microsoft, event 4624).
                restricted: matches!(row.get("RestrictedAdminMode"), "%%1842" | "Yes"),
                reference: row.reference,
            });
        });
        self.index_sessions();
        let Self {
            hosts,
            accounts,
            sessions,
            sessions_by_id,
            boots,
            ..
        } = self;
        for id in [4634, 4647] {
            for_each(catalog, SECURITY, id, |row| {
                let host = hosts.writer(row.host);
                let logon = number(row.get("TargetLogonId"));
                if let Some(session) =
                    find_session(sessions_by_id, sessions, boots, host, logon, row.time)
                        .and_then(|at| sessions.get_mut(at))
                {
                    session.end = session.end.min(row.time);
                }
            });
        }
        for_each(catalog, SECURITY, 4672, |row| {
            accounts.get(
                row.get("SubjectUserSid"),
                row.get("SubjectDomainName"),
                row.get("SubjectUserName"),
            );
            let host = hosts.writer(row.host);
            let logon = number(row.get("SubjectLogonId"));
            if let Some(session) =
                find_session(sessions_by_id, sessions, boots, host, logon, row.time)
                    .and_then(|at| sessions.get_mut(at))
            {
                session.elevated = true;
            }
        });
    }

    fn index_sessions(&mut self) {
        self.sessions.sort_unstable_by_key(|one| {
            (
                one.time,
                one.host,
                one.logon_id,
                one.logon_type,
                one.port,
                one.account,
                one.package,
            )
        });
        // More sessions than numbers of 32 bits do not fit any memory.
        let count = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        let sessions = &self.sessions;
        let of = |at: &u32| sessions.get(*at as usize);
        self.sessions_by_id = (0..count)
            .filter(|at| of(at).is_some_and(|one| !is_service_logon(one.logon_id)))
            .collect();
        self.sessions_by_id
            .sort_unstable_by_key(|at| (of(at).map(|one| (one.host, one.logon_id)), *at));
        self.sessions_by_host = (0..count).collect();
        self.sessions_by_host
            .sort_unstable_by_key(|at| (of(at).map(|one| one.host), *at));
        self.sessions_of_host.clear();
        for (place, at) in self.sessions_by_host.iter().enumerate() {
            if let Some(one) = of(at) {
                self.sessions_of_host
                    .entry(one.host)
                    .or_insert(place..place)
                    .end = place + 1;
            }
        }
    }

    /// Places of a host's sessions, by time.
    fn places_of(&self, host: HostId) -> &[u32] {
        self.sessions_of_host
            .get(&host)
            .and_then(|range| self.sessions_by_host.get(range.clone()))
            .unwrap_or_default()
    }

    /// Sessions of which only processes are left, because the Security log was not kept, cleared, or does not reach
    /// back so far: Sysmon says whose they are and when they began (techniques §1.4 of its LogonGuid).
    fn add_unlogged_sessions(&mut self) {
        let mut found: BTreeMap<(HostId, u64, i64), Session> = BTreeMap::new();
        for process in &self.processes {
            let Some(begun) = process.logon_time else {
                continue;
            };
            let kind = process
                .user
                .map_or(AccountKind::System, |id| self.accounts.kind(id));
            if is_service_logon(process.logon_id)
                || kind != AccountKind::User
                || self
                    .session(process.host, process.logon_id, process.time)
                    .is_some()
            {
                continue;
            }
            found
                .entry((process.host, process.logon_id, begun))
                .or_insert(Session {
                    host: process.host,
                    logon_id: process.logon_id,
                    linked: 0,
                    time: begun,
                    end: OPEN,
                    logon_type: 0,
                    account: process.user,
                    kind,
                    source: Place::Unknown,
                    ip: None,
                    port: 0,
                    package: Package::Unknown,
                    by_seclogo: false,
                    outbound: None,
                    elevated: false,
                    restricted: false,
                    reference: process.reference,
                });
        }
        if !found.is_empty() {
            self.sessions.extend(found.into_values());
            self.index_sessions();
        }
    }

    fn read_connections(&mut self) {
        let catalog = self.catalog;
        let (hosts, accounts, connections) =
            (&mut self.hosts, &mut self.accounts, &mut self.connections);
        let own = &self.own_addresses;
        each_connection(catalog, |log, row, initiated, source, destination| {
            let writer = hosts.writer(row.host);
            let (server, client) = if initiated {
                (destination, source)
            } else {
                oriented(own, writer, source, destination)
            };
            connections.push(Connection {
                time: row.time,
                src: Place::Unknown,
                src_ip: client.0,
                src_port: client.1,
                dst: Place::Unknown,
                dst_ip: server.0,
                dst_port: server.1,
                observer: Some(writer),
                inbound: !initiated,
                image: row.get(log.image),
                user: accounts.of_text(row.get("User")),
                process_guid: row.get("ProcessGuid"),
                reference: row.reference,
            });
        });
        for_each(catalog, "zeek:conn", 0, |row| {
            let (Some(src_ip), Some(dst_ip)) =
                (address(row.get("id.orig_h")), address(row.get("id.resp_h")))
            else {
                return;
            };
            connections.push(Connection {
                time: row.time,
                src: Place::Unknown,
                src_ip,
                src_port: row.get("id.orig_p").parse().unwrap_or(0),
                dst: Place::Unknown,
                dst_ip,
                dst_port: row.get("id.resp_p").parse().unwrap_or(0),
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
        for (at, one) in connections.iter().enumerate() {
            self.by_client
                .entry((one.src_ip, one.src_port))
                .or_default()
                .push(at);
            if one.dst_port == 3389 && !one.process_guid.is_empty() {
                self.by_process
                    .entry(one.process_guid)
                    .or_default()
                    .push(at);
            }
            if let Place::Host(host) = one.dst
                && one.src != one.dst
            {
                self.inbound.entry(host).or_default().push(at);
            }
        }
    }

    fn read_processes(&mut self) {
        let catalog = self.catalog;
        let (hosts, accounts, processes) =
            (&mut self.hosts, &mut self.accounts, &mut self.processes);
        for_each(catalog, SYSMON, 1, |row| {
            processes.push(Process {
                host: hosts.writer(row.host),
                time: row.time,
                guid: row.get("ProcessGuid"),
                pid: number(row.get("ProcessId")),
                parent_guid: row.get("ParentProcessGuid"),
                parent_pid: number(row.get("ParentProcessId")),
                image: row.get("Image"),
                command: row.get("CommandLine"),
                parent_image: row.get("ParentImage"),
                parent_command: row.get("ParentCommandLine"),
                original_name: row.get("OriginalFileName"),
                user: accounts.of_text(row.get("User")),
                logon_id: number(row.get("LogonId")),
                logon_time: logon_time(row.get("LogonGuid"))
                    .map(|time| catalog.common(row.host, time)),
                creator_logon: 0,
                own_session: true,
                no_desktop: row.get("TerminalSessionId") == "0",
                sysmon: true,
                reference: row.reference,
            });
        });
        for_each(catalog, SECURITY, 4688, |row| {
            let target = number(row.get("TargetLogonId"));
            let subject = number(row.get("SubjectLogonId"));
            let user = if target != 0 {
                accounts.get(
                    row.get("TargetUserSid"),
                    row.get("TargetDomainName"),
                    row.get("TargetUserName"),
                )
            } else {
                accounts.get(
                    row.get("SubjectUserSid"),
                    row.get("SubjectDomainName"),
                    row.get("SubjectUserName"),
                )
            };
            processes.push(Process {
                host: hosts.writer(row.host),
                time: row.time,
                guid: "",
                pid: number(row.get("NewProcessId")),
                parent_guid: "",
                parent_pid: number(row.get("ProcessId")),
                image: row.get("NewProcessName"),
                command: row.get("CommandLine"),
                parent_image: row.get("ParentProcessName"),
                parent_command: "",
                original_name: "",
                user,
                logon_id: if target != 0 { target } else { subject },
                logon_time: None,
                creator_logon: subject,
                own_session: !row.get("TargetLogonId").is_empty() || !is_service_logon(subject),
                no_desktop: false,
                sysmon: false,
                reference: row.reference,
            });
        });
        processes.sort_by(|a, b| {
            (a.time, a.host, a.pid, a.sysmon, a.image)
                .cmp(&(b.time, b.host, b.pid, b.sysmon, b.image))
        });
        for (at, one) in processes.iter().enumerate() {
            if !one.guid.is_empty() {
                self.by_guid.entry(one.guid).or_insert(at);
            }
            self.by_pid.entry((one.host, one.pid)).or_default().push(at);
            self.processes_of_host.entry(one.host).or_default().push(at);
        }
        for at in 0..self.processes.len() {
            if let Some(parent) = self.parent(at) {
                self.children.entry(parent).or_default().push(at);
            }
        }
        // Older Windows does not name the parent: its last start under that number does.
        for at in 0..self.processes.len() {
            let Some(one) = self.processes.get(at) else {
                continue;
            };
            if one.parent_image.is_empty()
                && let Some(parent) = self.parent(at)
                && let Some(image) = self.processes.get(parent).map(|parent| parent.image)
                && let Some(one) = self.processes.get_mut(at)
            {
                one.parent_image = image;
            }
        }
    }

    /// The process that started a process, where its start was logged.
    pub fn parent(&self, at: usize) -> Option<usize> {
        let one = self.processes.get(at)?;
        if !one.parent_guid.is_empty()
            && let Some(parent) = self.by_guid.get(one.parent_guid)
        {
            return Some(*parent).filter(|parent| *parent != at);
        }
        let same = self.by_pid.get(&(one.host, one.parent_pid))?;
        same.iter()
            .rev()
            .find(|parent| {
                **parent != at
                    && self.processes.get(**parent).is_some_and(|parent| {
                        parent.time <= one.time && parent.sysmon == one.sysmon
                    })
            })
            .copied()
    }

    /// Processes that were started on a host in a span of time.
    pub fn processes_between(
        &self,
        host: HostId,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = (usize, &Process<'a>)> {
        let all = self
            .processes_of_host
            .get(&host)
            .map_or(&[][..], Vec::as_slice);
        let start =
            all.partition_point(|at| self.processes.get(*at).is_some_and(|one| one.time < from));
        all.get(start..)
            .unwrap_or_default()
            .iter()
            .filter_map(|at| self.processes.get(*at).map(|one| (*at, one)))
            .take_while(move |(_, one)| one.time <= to)
    }

    /// What a process started, and what that started, with the steps from it; at most `most` of them.
    pub fn descendants(&self, start: usize, most: usize) -> Vec<(usize, usize)> {
        let mut all: Vec<(usize, usize)> = Vec::new();
        let mut seen: HashSet<usize> = HashSet::from([start]);
        // The list is its own queue: nearer ones first.
        let mut next = Some((start, 0));
        let mut done = 0;
        while let Some((at, depth)) = next {
            for child in self.children.get(&at).into_iter().flatten() {
                if all.len() < most && seen.insert(*child) {
                    all.push((*child, depth + 1));
                }
            }
            next = all.get(done).copied();
            done += 1;
        }
        all
    }

    /// Accounts with which programs, not people, log on: services do by logon type 5.
    pub fn service_accounts(&self, canonical: &[AccountId]) -> HashSet<AccountId> {
        self.sessions
            .iter()
            .filter(|session| session.logon_type == 5 && session.kind == AccountKind::User)
            .filter_map(|session| session.account)
            .map(|id| canonical.get(id.place()).copied().unwrap_or(id))
            .collect()
    }

    /// Whether the account `domain\\name` is of one machine only: its domain is the machine's name.
    pub fn is_local(&self, key: &str) -> bool {
        key.split_once('\\')
            .is_some_and(|(domain, _)| self.hosts.is_name(domain))
    }

    /// The process with this Sysmon ProcessGuid.
    pub fn process_of_guid(&self, guid: &str) -> Option<usize> {
        if guid.is_empty() {
            None
        } else {
            self.by_guid.get(guid).copied()
        }
    }

    /// The process that had this number at a time.
    pub fn process_of_pid(&self, host: HostId, pid: u64, time: i64) -> Option<usize> {
        let same = self.by_pid.get(&(host, pid))?;
        same.iter()
            .rev()
            .find(|at| {
                self.processes
                    .get(**at)
                    .is_some_and(|one| one.time <= time + SECOND)
            })
            .copied()
    }

    /// The session that a LogonId means on a host at a time.
    pub fn session(&self, host: HostId, logon_id: u64, time: i64) -> Option<usize> {
        find_session(
            &self.sessions_by_id,
            &self.sessions,
            &self.boots,
            host,
            logon_id,
            time,
        )
    }

    /// Sessions of a host, by time.
    pub fn sessions_of(&self, host: HostId) -> impl DoubleEndedIterator<Item = (usize, &Session)> {
        self.places_of(host).iter().filter_map(|at| {
            let at = *at as usize;
            self.sessions.get(at).map(|session| (at, session))
        })
    }

    /// Sessions of a host that began in a span of time.
    pub fn sessions_between(
        &self,
        host: HostId,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = (usize, &Session)> {
        let all = self.places_of(host);
        let start = all.partition_point(|at| {
            self.sessions
                .get(*at as usize)
                .is_some_and(|one| one.time < from)
        });
        all.get(start..)
            .unwrap_or_default()
            .iter()
            .filter_map(|at| {
                let at = *at as usize;
                self.sessions.get(at).map(|session| (at, session))
            })
            .take_while(move |(_, session)| session.time <= to)
    }

    /// The open remote session of an account on a host that began last before a time.
    pub fn open_remote_session(
        &self,
        host: HostId,
        account: AccountId,
        canonical: impl Fn(AccountId) -> AccountId,
        time: i64,
    ) -> Option<usize> {
        self.sessions_of(host)
            .rev()
            .filter(|(_, one)| {
                one.time <= time + 2 * SECOND && one.time >= time - 24 * 3600 * SECOND
            })
            .take(4096)
            .find(|(_, one)| {
                one.is_remote()
                    && one.account.is_some_and(|own| canonical(own) == account)
                    && one.end.saturating_add(2 * SECOND) >= time
                    && !restarted(&self.boots, host, one.time, time)
            })
            .map(|(at, _)| at)
    }

    /// What the ends and the network saw of a connection from an address and port around a time.
    pub fn connections_from(
        &self,
        ip: IpAddr,
        port: u16,
        time: i64,
        span: i64,
    ) -> impl Iterator<Item = (usize, &Connection<'a>)> {
        self.by_client
            .get(&(ip, port))
            .into_iter()
            .flatten()
            .filter_map(|at| self.connections.get(*at).map(|one| (*at, one)))
            .filter(move |(_, one)| port != 0 && (one.time - time).abs() <= span)
    }

    /// Connections to remote desktops that a process opened, by its Sysmon ProcessGuid.
    pub fn outbound_of(&self, guid: &str) -> impl Iterator<Item = &Connection<'a>> {
        self.by_process
            .get(guid)
            .into_iter()
            .flatten()
            .filter_map(|at| self.connections.get(*at))
            .filter(|one| !one.inbound)
    }

    /// Connections that came to a host from others in a span of time.
    pub fn inbound_between(
        &self,
        host: HostId,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = (usize, &Connection<'a>)> {
        let all = self.inbound.get(&host).map_or(&[][..], Vec::as_slice);
        let start =
            all.partition_point(|at| self.connections.get(*at).is_some_and(|one| one.time < from));
        all.get(start..)
            .unwrap_or_default()
            .iter()
            .filter_map(|at| self.connections.get(*at).map(|one| (*at, one)))
            .take_while(move |(_, one)| one.time <= to)
    }

    /// Machines from which connections came to some port of a host in a span of time.
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

fn find_session(
    by_id: &[u32],
    sessions: &[Session],
    boots: &HashMap<HostId, Vec<i64>>,
    host: HostId,
    logon_id: u64,
    time: i64,
) -> Option<usize> {
    if is_service_logon(logon_id) {
        return None;
    }
    // A logon may be logged a little after what is done in it.
    let wanted = (host, logon_id, time + 5 * SECOND);
    let end = by_id.partition_point(|at| {
        sessions
            .get(*at as usize)
            .is_some_and(|one| (one.host, one.logon_id, one.time) <= wanted)
    });
    let at = *by_id.get(end.checked_sub(1)?)? as usize;
    let found = sessions.get(at)?;
    if (found.host, found.logon_id) != (host, logon_id) {
        return None;
    }
    let begun = sessions.get(at)?.time;
    (!restarted(boots, host, begun, time)).then_some(at)
}

/// Whether a host was started anew in a span of time.
fn restarted(boots: &HashMap<HostId, Vec<i64>>, host: HostId, from: i64, to: i64) -> bool {
    let boots = boots.get(&host).map_or(&[][..], Vec::as_slice);
    boots
        .get(boots.partition_point(|boot| *boot <= from))
        .is_some_and(|boot| *boot <= to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysmon_guids_hold_the_logon_time() {
        for (guid, expected) in [
            ("{11111111-2826-5f2c-341f-120100000000}", Some(0x5f2c_2826)),
            ("{11111111-0000-0000-0000-000000000000}", None),
            ("", None),
        ] {
            assert_eq!(
                logon_time(guid),
                expected.map(|seconds: i64| seconds * SECOND),
                "{guid}"
            );
        }
        assert_eq!(number("0x2990d17"), 0x299_0d17);
        assert_eq!(number("1280"), 1280);
    }
}
