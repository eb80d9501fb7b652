//! Which host had which address at what time, as far as the logs prove it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::Activity;
use super::claims::{Claim, undisputed};
use crate::connections::{End, each_end, is_service_port, oriented};
use crate::facts;
use crate::identity::{AccountKind, HostId, Hosts, Place, address, kind_of, short};
use crate::kerberos::{is_certificate, is_refused, ports_of_class, service_of};
use crate::row::{Log, for_each};
use crate::text::SECOND;

/// Whether an address is private (RFC 1918, RFC 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

impl<'a> Activity<'a> {
    pub(super) fn learn_addresses(&mut self) {
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
        // Addresses learnt so far decide what the ports could not.
        let known = seen.clone();
        each_end(
            catalog,
            hosts,
            |hosts, writer, initiated, source, destination, time| {
                // Equal ports mean datagrams between peers, or to everyone.
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
        for_each(catalog, facts::TicketRequest, |row| {
            let writer = hosts.writer(row.host);
            if let Some(host) = hosts.all.get_mut(writer.0 as usize) {
                host.domain_controller = true;
            }
        });
        for_each(catalog, facts::RoleUse, |row| {
            if row.role_guid().eq_ignore_ascii_case(facts::DIRECTORY) && !row.host.is_empty() {
                let server = hosts.writer(row.host);
                if let Some(host) = hosts.all.get_mut(server.0 as usize) {
                    host.domain_controller = true;
                }
            }
        });
        for_each(catalog, facts::ZeekNtlm, |row| {
            if let Some(ip) = row.resp_h()
                && let Place::Host(host) =
                    hosts.place(row.server_name(), HostId(u32::MAX), row.time)
            {
                hosts.holds(host, ip, row.time);
            }
        });
    }

    /// Machines' Kerberos logons and tickets show who is at an address, as long as only the machine has its key. Anyone
    /// else with the key (after coercion and a certificate, through shadow credentials, a dumped hash, or as the
    /// creator of the computer account) uses it from their own address. So these facts are the weakest, and give way to
    /// any contrary evidence.
    pub(super) fn learn_machine_addresses(&mut self) {
        let (catalog, hosts) = (self.catalog, &mut self.hosts);
        let sam = |name: &'a str| name.split(['@', '/']).next().unwrap_or(name);
        // Computers that somebody other than Windows added in these logs.
        let mut added: BTreeSet<String> = BTreeSet::new();
        for_each(catalog, facts::ComputerCreation, |row| {
            let by = kind_of(row.subject_user_name(), row.subject_user_sid());
            let name = short(row.target_user_name());
            if by == AccountKind::User && !hosts.is_name(&name) {
                added.insert(name);
            }
        });
        let mut claims: Vec<Claim> = Vec::new();
        let mut claim =
            |hosts: &mut Hosts, name: &str, ip: Option<IpAddr>, writer: HostId, time: i64| {
                if !name.ends_with('$') || name.len() < 2 || added.contains(&short(name)) {
                    return None;
                }
                let ip = ip.filter(|ip| !ip.is_loopback() && !ip.is_unspecified())?;
                let host = match hosts.place(name, writer, time) {
                    Place::Host(host) => host,
                    Place::Local => writer,
                    Place::Unknown => return None,
                };
                claims.push(Claim { ip, host, time });
                Some((host, ip))
            };
        // By certificate or otherwise; whether the machine itself presented the ticket.
        let mut by_certificate: BTreeMap<(HostId, IpAddr), bool> = BTreeMap::new();
        let mut otherwise: BTreeSet<(HostId, IpAddr)> = BTreeSet::new();
        for_each(catalog, facts::TicketGranting, |row| {
            let writer = hosts.writer(row.host);
            let name = sam(row.target_user_name());
            if let Some(seen) = claim(hosts, name, address(row.ip_address()), writer, row.time) {
                if is_certificate(row.pre_auth_type()) {
                    by_certificate.insert(seen, seen.0 == writer);
                } else {
                    otherwise.insert(seen);
                }
            }
        });
        for_each(catalog, facts::ServiceTicket, |row| {
            let name = sam(row.target_user_name());
            // A service that requests a ticket for itself, or forwards one, acts for others; so does anyone with its
            // key.
            let acts_for_others = short(name) == short(sam(row.service_name()))
                || row.transmitted_services().is_some();
            if !acts_for_others {
                let writer = hosts.writer(row.host);
                claim(hosts, name, address(row.ip_address()), writer, row.time);
            }
        });
        for_each(catalog, facts::Logon, |row| {
            if row.authentication_package_name() == "Kerberos"
                && row.logon_type() == Some(3)
                && row.transmitted_services().is_none()
            {
                let writer = hosts.writer(row.host);
                let name = sam(row.target_user_name());
                claim(hosts, name, address(row.ip_address()), writer, row.time);
            }
        });
        for_each(catalog, facts::ZeekKerberos, |row| {
            let name = sam(row.client());
            let itself = row.request_type() == "TGS"
                && service_of(row.service())
                    .is_some_and(|(_, service)| short(service) == short(name));
            if !is_refused(row.success()) && !itself {
                let nobody = HostId(u32::MAX);
                claim(hosts, name, row.orig_h(), nobody, row.time);
            }
        });
        let machines: BTreeSet<HostId> = otherwise.iter().map(|(host, _)| *host).collect();
        claims.retain(|one| {
            let seen = (one.host, one.ip);
            by_certificate.get(&seen).is_none_or(|own| {
                otherwise.contains(&seen) || (!own && !machines.contains(&one.host))
            })
        });
        for one in undisputed(hosts, claims) {
            hosts.holds(one.host, one.ip, one.time);
        }
    }

    /// The server of a connection is whoever logged the client's exact address and port, wherever the connection itself
    /// was seen.
    pub(super) fn learn_served_addresses(&mut self) {
        /// The largest difference assumed between the clocks of two hosts.
        const APART: i64 = 600 * SECOND;
        let (catalog, hosts) = (self.catalog, &mut self.hosts);
        let mut seen: HashMap<End, Vec<(i64, IpAddr)>> = HashMap::new();
        for_each(catalog, facts::ZeekConnection, |row| {
            if let (Some(src), Some(dst)) = (row.orig_h(), row.resp_h())
                && !hosts.is_held(dst, row.time)
            {
                let port = row.orig_p();
                seen.entry((src, port)).or_default().push((row.time, dst));
            }
        });
        each_end(
            catalog,
            hosts,
            |hosts, _, initiated, source, destination, time| {
                if initiated && !destination.0.is_loopback() && !hosts.is_held(destination.0, time)
                {
                    seen.entry(source).or_default().push((time, destination.0));
                }
            },
        );
        seen.remove(&(IpAddr::from([0, 0, 0, 0]), 0));
        if seen.is_empty() {
            return;
        }
        let mut found: BTreeMap<IpAddr, BTreeMap<HostId, (i64, i64)>> = BTreeMap::new();
        let mut served = |hosts: &mut Hosts, writer: &str, time: i64, ip: &str, port: u16| {
            let ip = address(ip).filter(|_| port != 0);
            let Some(all) = ip.and_then(|ip| seen.get(&(ip, port))) else {
                return;
            };
            let near: BTreeSet<IpAddr> = all
                .iter()
                .filter(|(own, _)| (own - time).abs() <= APART)
                .map(|(_, ip)| *ip)
                .collect();
            if let (1, Some(dst)) = (near.len(), near.first()) {
                let host = hosts.writer(writer);
                let span = found
                    .entry(*dst)
                    .or_default()
                    .entry(host)
                    .or_insert((time, time));
                *span = (span.0.min(time), span.1.max(time));
            }
        };
        for_each(catalog, facts::Logon, |row| {
            if matches!(row.logon_type(), Some(3 | 8 | 10)) {
                served(hosts, row.host, row.time, row.ip_address(), row.ip_port());
            }
        });
        for_each(catalog, facts::SshLogon, |row| {
            served(hosts, row.host, row.time, row.src_ip(), row.src_port());
        });
        for (ip, claims) in found {
            for (host, (first, last)) in claims {
                hosts.holds(host, ip, first);
                hosts.holds(host, ip, last);
            }
        }
    }

    /// Joins names and addresses that two logs give for one act: a request on one host, and its result on another.
    /// Applies only to addresses that no machine's own log mentions.
    pub(super) fn learn_joined_addresses(&mut self) {
        let (catalog, hosts) = (self.catalog, &mut self.hosts);
        let nobody = HostId(u32::MAX);
        let sam = |name: &str| {
            let name = name.rsplit('\\').next().unwrap_or(name);
            name.split('@').next().unwrap_or(name).to_lowercase()
        };
        let mut facts = Facts::default();
        let mut state = |ip: IpAddr, host: HostId, time: i64| facts.add(ip, host, time);
        // Explicit credentials for a host (4648), and the only logon with them there within the next seconds.
        let mut asked: BTreeMap<(HostId, String), Vec<(i64, HostId)>> = BTreeMap::new();
        for_each(catalog, facts::ExplicitCredentials, |row| {
            let src = hosts.writer(row.host);
            if let Place::Host(dst) = hosts.place(row.target_server_name(), src, row.time)
                && kind_of(row.target_user_name(), "") == AccountKind::User
            {
                asked
                    .entry((dst, sam(row.target_user_name())))
                    .or_default()
                    .push((row.time, src));
            }
        });
        if !asked.is_empty() {
            let mut came: BTreeMap<(HostId, String), Vec<(i64, IpAddr)>> = BTreeMap::new();
            for_each(catalog, facts::Logon, |row| {
                let host = hosts.writer(row.host);
                if let Some(ip) = address(row.ip_address())
                    && !ip.is_loopback()
                    && !ip.is_unspecified()
                    && matches!(row.logon_type(), Some(3 | 8 | 10))
                {
                    let key = (host, sam(row.target_user_name()));
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
        // The remote desktop client logs the name it was given (1024), then the address it resolved (1102).
        let mut named: Vec<(HostId, i64, Option<HostId>, Option<IpAddr>)> = Vec::new();
        for_each(catalog, facts::DesktopClient, |row| {
            let writer = hosts.writer(row.host);
            let value = row.value();
            match (row.event_id, address(value)) {
                (1102, Some(ip)) => named.push((writer, row.time, None, Some(ip))),
                (1024, None) => {
                    if let Place::Host(host) = hosts.place(value, writer, row.time) {
                        named.push((writer, row.time, Some(host), None));
                    }
                }
                _ => {}
            }
        });
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
        for_each(catalog, facts::SysmonConnection, |row| {
            for (name, ip) in [
                (row.source_hostname(), row.source_ip()),
                (row.destination_hostname(), row.destination_ip()),
            ] {
                if let Some(ip) = address(ip)
                    && is_private(ip)
                    && address(name).is_none()
                    && let Place::Host(host) = hosts.place(name, nobody, row.time)
                {
                    state(ip, host, row.time);
                }
            }
        });
        facts.teach(hosts);
    }

    /// Names that clients look up, and the addresses they contact afterwards. A lookup is not proof: it counts only for
    /// addresses about which nothing else is known, and only if all lookups agree.
    pub(super) fn learn_asked_addresses(&mut self) {
        let (log, hosts) = (self.catalog, &mut self.hosts);
        let asked = Asked::read(log);
        let mut named = Facts::default();
        asked.shares(log, hosts, &mut named);
        asked.contacted(log, hosts, &mut named);
        named.teach(hosts);
        hosts.settle();
        let mut resolved = Facts::default();
        asked.resolved(hosts, &mut resolved);
        leased(log, hosts, &mut resolved);
        resolved.teach(hosts);
    }
}

/// What sensors and controllers name is never the machine that wrote of it.
const NOBODY: HostId = HostId(u32::MAX);

/// A service ticket, by which a client announces whom it is about to contact.
struct Ticket<'a> {
    time: i64,
    client: IpAddr,
    class: &'a str,
    name: &'a str,
}

/// What clients asked for by name.
#[derive(Default)]
struct Asked<'a> {
    /// Domains are not machines, although DNS has addresses for them.
    domains: BTreeSet<String>,
    tickets: Vec<Ticket<'a>>,
    /// First and last answer by day, address and name: the same lookup happens all day.
    answers: BTreeMap<(i64, IpAddr, &'a str), (i64, i64)>,
    /// Names that were looked up.
    queries: HashSet<&'a str>,
}

impl<'a> Asked<'a> {
    fn read(log: Log<'a>) -> Self {
        let mut all = Self::default();
        for covered in log.catalog.coverage() {
            all.add_domains(&covered.host);
        }
        all.read_tickets(log);
        all.read_answers(log);
        all
    }

    /// The domains that a name is in.
    fn add_domains(&mut self, name: &str) {
        let mut rest = name.trim_end_matches('.').to_lowercase();
        while let Some((_, domain)) = rest.split_once('.') {
            let domain = domain.to_owned();
            if !self.domains.insert(domain.clone()) {
                break;
            }
            rest = domain;
        }
    }

    fn is_machine(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_lowercase();
        !name.is_empty() && !self.domains.contains(&name) && address(&name).is_none()
    }

    fn read_tickets(&mut self, log: Log<'a>) {
        for_each(log, facts::ZeekKerberos, |row| {
            let realm = row.client().split_once('/').map_or("", |(_, realm)| realm);
            self.add_domains(&format!("x.{realm}"));
            if let Some((class, name)) = service_of(row.service())
                && row.request_type() == "TGS"
                && !is_refused(row.success())
                && let Some(client) = row.orig_h()
            {
                self.add_domains(name);
                self.tickets.push(Ticket {
                    time: row.time,
                    client,
                    class,
                    name,
                });
            }
        });
    }

    /// Answers of DNS, as sensors and the clients themselves saw them.
    fn read_answers(&mut self, log: Log<'a>) {
        for_each(log, facts::ZeekDns, |row| {
            self.add_query(row.query());
            let texts = (0..MOST_ANSWERS).map(|at| row.answers(at));
            let texts: Vec<&str> = texts
                .take_while(|text| !text.is_empty())
                .flat_map(|text| text.split(','))
                .collect();
            if matches!(row.qtype_name(), "A" | "AAAA") {
                self.add_answer(row.time, answered(row.query(), &texts));
            }
        });
        for_each(log, facts::DnsQuery, |row| {
            self.add_query(row.query_name());
            // `type:  5 alias.example;::ffff:10.0.0.1;`: type 5 is the target of an alias.
            let texts: Vec<&str> = row
                .query_results()
                .split(';')
                .map(str::trim)
                .map(|text| match text.strip_prefix("type:") {
                    Some(rest) => rest.trim_start().trim_start_matches(char::is_numeric),
                    None => text,
                })
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .collect();
            self.add_answer(row.time, answered(row.query_name(), &texts));
        });
    }

    fn add_query(&mut self, name: &'a str) {
        if self.queries.insert(name) {
            self.add_domains(name);
        }
    }

    fn add_answer(&mut self, time: i64, answer: Option<(&'a str, IpAddr)>) {
        if let Some((name, ip)) = answer.filter(|(_, ip)| is_private(*ip)) {
            let day = time.div_euclid(24 * 3600 * SECOND);
            let span = self.answers.entry((day, ip, name)).or_insert((time, time));
            *span = (span.0.min(time), span.1.max(time));
        }
    }

    /// A share by the client's name for its server, if anything else knows a machine of that name.
    fn shares(&self, log: Log<'a>, hosts: &mut Hosts, named: &mut Facts) {
        let asked: BTreeSet<String> = self
            .tickets
            .iter()
            .map(|ticket| short(ticket.name))
            .chain(self.answers.keys().map(|(.., name)| short(name)))
            .collect();
        for_each(log, facts::ZeekShare, |row| {
            let path = row.path().trim_start_matches('\\');
            let name = path.split('\\').next().unwrap_or(path);
            if let Some(ip) = row.resp_h()
                && self.is_machine(name)
                && (asked.contains(&short(name)) || hosts.find(name, NOBODY).is_some())
                && let Place::Host(host) = hosts.place(name, NOBODY, row.time)
            {
                named.add(ip, host, row.time);
            }
        });
    }

    /// Where clients went right after they got a ticket, if it was one machine.
    fn contacted(&self, log: Log<'a>, hosts: &mut Hosts, named: &mut Facts) {
        /// Measured from the ticket to the connection.
        const SOON: i64 = 2 * SECOND;
        if self.tickets.is_empty() {
            return;
        }
        let mut went: HashMap<IpAddr, Vec<(i64, u16, IpAddr)>> = HashMap::new();
        for_each(log, facts::ZeekConnection, |row| {
            if let (Some(src), Some(dst)) = (row.orig_h(), row.resp_h()) {
                let port = row.resp_p();
                went.entry(src).or_default().push((row.time, port, dst));
            }
        });
        for all in went.values_mut() {
            all.sort_unstable();
        }
        for ticket in &self.tickets {
            let name = ticket.name;
            let Some(all) = went.get(&ticket.client).filter(|_| self.is_machine(name)) else {
                continue;
            };
            let ports = ports_of_class(ticket.class);
            let start = all.partition_point(|(own, ..)| *own < ticket.time);
            let ends: BTreeSet<IpAddr> = all
                .get(start..)
                .unwrap_or_default()
                .iter()
                .take_while(|(own, ..)| *own <= ticket.time + SOON)
                .filter(|(_, port, _)| ports.contains(port))
                .map(|(.., dst)| *dst)
                .collect();
            if let (1, Some(ip)) = (ends.len(), ends.first())
                && let Place::Host(host) = hosts.place(name, NOBODY, ticket.time)
            {
                named.add(*ip, host, ticket.time);
            }
        }
    }

    fn resolved(&self, hosts: &mut Hosts, resolved: &mut Facts) {
        for ((_, ip, name), (first, last)) in &self.answers {
            if self.is_machine(name)
                && let Place::Host(host) = hosts.place(name, NOBODY, *first)
            {
                resolved.add(*ip, host, *first);
                resolved.add(*ip, host, *last);
            }
        }
    }
}

/// Addresses that DHCP gave to machines which told their names.
fn leased(log: Log<'_>, hosts: &mut Hosts, resolved: &mut Facts) {
    for_each(log, facts::ZeekDhcp, |row| {
        if let Some(ip) = address(row.assigned_addr())
            && let Place::Host(host) = hosts.place(row.host_name(), NOBODY, row.time)
        {
            resolved.add(ip, host, row.time);
        }
    });
}

/// Maximum number of answers read for one lookup.
const MOST_ANSWERS: usize = 16;

/// The name and the address of an answer with one address: the last name in a chain of aliases is the machine's.
fn answered<'t>(query: &'t str, texts: &[&'t str]) -> Option<(&'t str, IpAddr)> {
    let mut ips = texts.iter().filter_map(|text| address(text));
    let ip = ips.next()?;
    if ips.any(|other| other != ip) {
        return None;
    }
    let last = texts.iter().rev().find(|text| address(text).is_none());
    Some((last.copied().unwrap_or(query), ip))
}

/// The names claimed for an address, by day.
#[derive(Debug, Default)]
struct Facts(BTreeMap<IpAddr, BTreeMap<i64, Spans>>);

/// First and last time of the claims about each host.
type Spans = BTreeMap<HostId, (i64, i64)>;

impl Facts {
    fn add(&mut self, ip: IpAddr, host: HostId, time: i64) {
        let day = time.div_euclid(24 * 3600 * SECOND);
        let all = self.0.entry(ip).or_default().entry(day).or_default();
        let span = all.entry(host).or_insert((time, time));
        *span = (span.0.min(time), span.1.max(time));
    }

    /// Learns from claims about addresses that nobody certainly had at the time. Two machines at one address at about
    /// the same time contradict each other, and then nobody has it.
    fn teach(self, hosts: &mut Hosts) {
        let mut sure = Vec::new();
        for (ip, days) in self.0 {
            for (day, claims) in &days {
                let near: BTreeSet<HostId> = days
                    .range(day - 1..=day + 1)
                    .flat_map(|(_, claims)| claims.keys().copied())
                    .collect();
                if near.len() == 1 {
                    for (host, (first, last)) in claims {
                        sure.push((*host, ip, *first));
                        sure.push((*host, ip, *last));
                    }
                }
            }
        }
        sure.retain(|(_, ip, time)| !hosts.is_held(*ip, *time) && !hosts.is_shared(*ip, *time));
        for (host, ip, time) in sure {
            hosts.holds(host, ip, time);
        }
    }
}
