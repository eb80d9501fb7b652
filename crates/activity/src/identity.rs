//! Which names and addresses belong to the same host, and which names and SIDs to the same account.
//!
//! Facts come from logs that the machine itself wrote (its own addresses in Sysmon 3 and 5156) or that the domain
//! proved (a machine account's Kerberos ticket). What a client claims about itself never joins identities.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;

pub use crabwalk_vocabulary::account::{AccountKind, kind_of};
use crabwalk_vocabulary::account::{of_services, well_known};
pub use crabwalk_vocabulary::address;
use crabwalk_vocabulary::time::day;
use hashbrown::HashMap;

/// A host, by its place in [`Hosts::all`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

/// An account, by its place in [`Accounts`].
///
/// It stores the index plus one, so that an optional account takes no extra space; each session has two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(NonZeroU32);

impl AccountId {
    /// The account at an index.
    pub fn at(place: usize) -> Self {
        let next = u32::try_from(place).map_or(u32::MAX, |place| place.saturating_add(1));
        Self(NonZeroU32::new(next).unwrap_or(NonZeroU32::MIN))
    }

    /// Its index in [`Accounts::all`].
    pub fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The meaning of an event's host field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Nothing: empty, `-`, `NULL`.
    Unknown,
    /// The machine that wrote the event.
    Local,
    /// A machine.
    Host(HostId),
}

/// A machine.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// Short name in lower case, or an address.
    pub key: String,
    /// As events write them.
    pub names: BTreeSet<String>,
    /// All addresses it had, at any time.
    pub ips: BTreeSet<IpAddr>,
    /// Whether any events that it wrote were read.
    pub logged: bool,
    /// Whether it issued Kerberos tickets.
    pub domain_controller: bool,
    /// DNS domain of the name under which it wrote events, in lower case; empty if that name has none.
    domain: String,
}

/// When an address belonged to a host, in microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy)]
struct Held {
    host: HostId,
    /// When it was seen there, first and last.
    first: i64,
    last: i64,
    /// Not before this: until then the host was seen at another address.
    since: i64,
    /// Not after this: from then on the host is seen at another address.
    until: i64,
}

/// A short name shared by machines of several domains.
#[derive(Debug, Clone)]
struct Namesake {
    /// Its DNS domain, in lower case.
    domain: String,
    /// The short name, and the part of the domain that distinguishes it from the others.
    key: String,
}

/// Maximum length of a computer's NetBIOS name.
const NETBIOS: usize = 15;
/// With this many runs of one address, a host is taken to have several addresses rather than a changing one; within a day,
/// if others have the address at other times: clients of a VPN get another one of its pool each time they connect, and the
/// same ones again on other days.
const SEVERAL: usize = 3;
/// An hour in microseconds.
const HOUR: i64 = 3_600_000_000;

/// Machines, and who had which address at what time.
#[derive(Debug, Default)]
pub struct Hosts {
    /// By [`HostId`].
    pub all: Vec<Host>,
    by_key: HashMap<String, HostId>,
    by_text: HashMap<String, HostId>,
    /// Names under which hosts wrote events.
    writers: HashMap<String, HostId>,
    /// Short names under which machines of several domains wrote events.
    namesakes: HashMap<String, Vec<Namesake>>,
    /// Full short names from anywhere, by their NetBIOS truncation.
    uncut: HashMap<String, BTreeSet<String>>,
    /// First and last sighting of a host at an address in each hour.
    sightings: HashMap<(HostId, IpAddr), BTreeMap<i64, (i64, i64)>>,
    /// The conclusions from the sightings; see [`Hosts::settle`].
    held: HashMap<IpAddr, Vec<Held>>,
    /// Addresses that several hosts have at once, by day, and these hosts.
    shared: BTreeMap<(IpAddr, i64), BTreeSet<HostId>>,
}

/// Whether two addresses may be in one network, within which a host with one address changes to another.
fn same_network(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            a.octets().first_chunk::<2>() == b.octets().first_chunk::<2>()
        }
        // Hosts have many IPv6 addresses at once.
        _ => false,
    }
}

/// First and last time of a host at an address.
pub(crate) type Seen = (i64, i64, IpAddr);

/// A host's sightings in a row at one address each: the address, first and last time.
pub(crate) fn runs(mut seen: Vec<Seen>) -> Vec<(IpAddr, i64, i64)> {
    seen.sort_unstable();
    let mut runs: Vec<(IpAddr, i64, i64)> = Vec::new();
    for (first, last, ip) in seen {
        match runs.last_mut() {
            Some(run) if run.0 == ip => run.2 = run.2.max(last),
            _ => runs.push((ip, first, last)),
        }
    }
    runs
}

/// Whether a host keeps coming back to an address within a day, by the starts of its runs there.
fn alternates(starts: &[i64]) -> bool {
    starts
        .windows(SEVERAL)
        .any(|some| matches!((some.first(), some.last()), (Some(a), Some(b)) if b - a <= 24 * HOUR))
}

fn is_nothing(text: &str) -> bool {
    matches!(
        text,
        "" | "-" | "null" | "unknown" | "0.0.0.0" | "::" | "(null)" | "n/a"
    )
}

fn is_local_word(text: &str) -> bool {
    matches!(text, "localhost" | "local" | "." | "localhost (using lrpc)")
        || text.starts_with("localhost.")
}

/// Short name in lower case without a leading `\\` and without the domain.
pub fn short(name: &str) -> String {
    let name = name
        .trim()
        .trim_start_matches('\\')
        .trim_end_matches('.')
        .trim_end_matches('$');
    name.split('.').next().unwrap_or(name).to_lowercase()
}

/// DNS domain of a computer's name, in lower case; empty if it has none.
fn domain_of(name: &str) -> String {
    let name = name.trim().trim_start_matches('\\').trim_end_matches('.');
    name.split_once('.')
        .map_or_else(String::new, |(_, domain)| domain.to_lowercase())
}

/// Whether one domain is the other, or its first labels.
fn begins(domain: &str, with: &str) -> bool {
    domain
        .strip_prefix(with)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Hosts {
    /// Registers a name before any host is created from one, so that the meaning of truncated and shared names does not
    /// depend on order.
    pub(crate) fn meet(&mut self, name: &str) {
        if address(name).is_some() {
            return;
        }
        let full = short(name);
        // DNS does not truncate names: one of exactly that length followed by a domain is complete.
        let length = full.chars().count();
        if length > NETBIOS || (length == NETBIOS && !domain_of(name).is_empty()) {
            let cut = full.chars().take(NETBIOS).collect();
            self.uncut.entry(cut).or_default().insert(full);
        }
    }

    /// Registers all names under which machines wrote events.
    pub(crate) fn meet_writers<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        let mut domains: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for name in names.filter(|name| address(name).is_none()) {
            self.meet(name);
            let domain = domain_of(name);
            if !domain.is_empty() {
                domains.entry(short(name)).or_default().insert(domain);
            }
        }
        for (name, domains) in domains.into_iter().filter(|(_, all)| all.len() > 1) {
            let labels = |domain: &str, count: usize| {
                let labels: Vec<&str> = domain.split('.').take(count).collect();
                labels.join(".")
            };
            let most = domains.iter().map(|one| one.split('.').count()).max();
            let enough = (1..=most.unwrap_or(1)).find(|count| {
                let told: BTreeSet<String> =
                    domains.iter().map(|one| labels(one, *count)).collect();
                told.len() == domains.len()
            });
            let all = domains
                .iter()
                .map(|domain| Namesake {
                    domain: domain.clone(),
                    key: format!("{name}.{}", labels(domain, enough.unwrap_or(usize::MAX))),
                })
                .collect();
            self.namesakes.insert(name, all);
        }
    }

    /// The key of a name with namesakes: by its own domain, or else by the domain of the machine that mentions it.
    fn key_among(&self, namesakes: &[Namesake], name: &str, writer: HostId) -> Option<String> {
        let mut domain = domain_of(name);
        if domain.is_empty() {
            domain = self.get(writer)?.domain.clone();
        }
        if domain.is_empty() {
            return None;
        }
        let mut fitting = namesakes.iter().filter(|one| begins(&one.domain, &domain));
        let found = fitting.next()?;
        fitting.next().is_none().then(|| found.key.clone())
    }

    fn intern(&mut self, key: &str) -> HostId {
        if let Some(id) = self.by_key.get(key) {
            return *id;
        }
        let id = HostId(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.push(Host {
            key: key.to_owned(),
            ..Host::default()
        });
        self.by_key.insert(key.to_owned(), id);
        id
    }

    /// The host of this name, from the point of view of `writer`.
    fn named(&mut self, name: &str, writer: HostId) -> HostId {
        if let Some(id) = self.by_text.get(name) {
            return *id;
        }
        let mut key = short(name);
        let mut lasting = true;
        if let Some(namesakes) = self.namesakes.get(&key) {
            // Without a domain it means a different machine in each domain.
            lasting = !domain_of(name).is_empty();
            if let Some(own) = self.key_among(namesakes, name, writer) {
                key = own;
            }
        } else if key.chars().count() == NETBIOS
            && let Some(full) = self.uncut.get(&key)
            && full.len() == 1
            && let Some(full) = full.first()
        {
            key.clone_from(full);
        }
        let id = self.intern(&key);
        let clean = name
            .trim()
            .trim_start_matches('\\')
            .trim_end_matches('$')
            .to_owned();
        if let Some(host) = self.all.get_mut(id.0 as usize) {
            host.names.insert(clean);
        }
        if lasting {
            self.by_text.insert(name.to_owned(), id);
        }
        id
    }

    /// The host that wrote events under this name.
    pub fn writer(&mut self, name: &str) -> HostId {
        if let Some(id) = self.writers.get(name) {
            return *id;
        }
        let id = match address(name) {
            Some(ip) => self.at(ip, 0),
            None => self.named(name, HostId(u32::MAX)),
        };
        self.writers.insert(name.to_owned(), id);
        if let Some(host) = self.all.get_mut(id.0 as usize) {
            host.logged = true;
            if address(name).is_none() {
                // For one that changed its domain, the greater key, whichever came first.
                host.domain = std::mem::take(&mut host.domain).max(domain_of(name));
            }
        }
        id
    }

    /// The host that wrote events under this name, if any did.
    pub fn known(&self, name: &str) -> Option<HostId> {
        self.writers.get(name).copied()
    }

    /// Whether a machine that wrote events has this short name, in lower case.
    pub fn is_name(&self, short: &str) -> bool {
        self.namesakes.contains_key(short)
            || self
                .by_key
                .get(short)
                .and_then(|id| self.get(*id))
                .is_some_and(|host| host.logged)
    }

    /// Short names of all machines, in lower case.
    pub(crate) fn short_names(&self) -> impl Iterator<Item = &str> {
        self.all
            .iter()
            .filter(|host| address(&host.key).is_none())
            .filter_map(|host| host.key.split('.').next())
    }

    /// The host that already has this name, from the point of view of `writer`. An unknown name creates none.
    pub fn find(&self, name: &str, writer: HostId) -> Option<HostId> {
        let short = short(name);
        let own = self
            .namesakes
            .get(&short)
            .and_then(|all| self.key_among(all, name, writer));
        let key = own.as_deref().unwrap_or(&short);
        let key = match self.uncut.get(key) {
            Some(full) if full.len() == 1 && key.chars().count() == NETBIOS => {
                full.first().map_or(key, String::as_str)
            }
            _ => key,
        };
        self.by_key.get(key).copied()
    }

    /// Whether a machine account, `HOST$`, that came to `host` came from `src`, which is known not to be that machine.
    pub(crate) fn is_elsewhere(&self, name: &str, host: HostId, src: HostId) -> bool {
        if self.is_account_of(name, src) {
            return false;
        }
        // Its own log would have recognised its own addresses.
        let Some(ip) = address(self.key(src)) else {
            return true;
        };
        // A machine has addresses of both IP versions; those of the other version may be unknown.
        let known = |machine: &Host| machine.ips.iter().any(|own| own.is_ipv4() == ip.is_ipv4());
        self.is_account_of(name, host)
            || self
                .find(name, host)
                .and_then(|machine| self.get(machine))
                .is_some_and(known)
    }

    /// Whether an account's name, `HOST$`, is that of a machine.
    pub fn is_account_of(&self, name: &str, host: HostId) -> bool {
        let key = self.key(host);
        let own = if self.namesakes.is_empty() || address(key).is_some() {
            key
        } else {
            key.split('.').next().unwrap_or(key)
        };
        let name = short(name);
        // Machine accounts carry NetBIOS names.
        name == own
            || (name.chars().count() == NETBIOS
                && own.starts_with(&name)
                && self.uncut.get(&name).is_some_and(|full| full.len() == 1))
    }

    /// The names under which a host wrote events.
    pub fn writers_of(&self, id: HostId) -> Vec<String> {
        self.writers
            .iter()
            .filter(|(_, own)| **own == id)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Whether any host was seen at this address within a day of a time; within an hour, if the address changes hands.
    pub fn is_held(&self, ip: IpAddr, time: i64) -> bool {
        let held = self.held.get(&ip).map_or(&[][..], Vec::as_slice);
        let changes = held
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.host != b.host));
        let around = if changes { HOUR } else { 24 * HOUR };
        held.iter()
            .any(|one| (one.first - around..=one.last + around).contains(&time))
    }

    /// Registers addresses that several hosts have at once, by day, and these hosts.
    pub(crate) fn share(&mut self, addresses: BTreeMap<(IpAddr, i64), BTreeSet<HostId>>) {
        self.shared = addresses;
    }

    /// Whether several hosts had an address on the day of a time, such as a branch behind one address.
    pub(crate) fn is_shared(&self, ip: IpAddr, time: i64) -> bool {
        self.shared.contains_key(&(ip, day(time)))
    }

    /// Whether a host is one of several that had an address on the day of a time. What a client calls itself proves
    /// nothing, but decides among them.
    pub fn is_behind(&self, host: HostId, ip: IpAddr, time: i64) -> bool {
        let sharing = self.shared.get(&(ip, day(time)));
        sharing.is_some_and(|hosts| hosts.contains(&host))
    }

    /// Whether a host is known to have had any address.
    pub fn has_address(&self, host: HostId) -> bool {
        self.get(host).is_some_and(|host| !host.ips.is_empty())
    }

    /// When each host was seen at each address: first and last in each hour.
    pub(crate) fn sightings(&self) -> impl Iterator<Item = (HostId, IpAddr, i64, i64)> {
        self.sightings.iter().flat_map(|((host, ip), seen)| {
            seen.values()
                .map(|(first, last)| (*host, *ip, *first, *last))
        })
    }

    /// Records that a host had an address at a time.
    pub fn holds(&mut self, host: HostId, ip: IpAddr, time: i64) {
        if ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() {
            return;
        }
        let seen = self
            .sightings
            .entry((host, ip))
            .or_default()
            .entry(time.div_euclid(HOUR))
            .or_insert((time, time));
        *seen = (seen.0.min(time), seen.1.max(time));
        if let Some(host) = self.all.get_mut(host.0 as usize) {
            host.ips.insert(ip);
        }
    }

    /// Concludes from all sightings which host had which address at what time. A host seen at another address of the
    /// same network has left the previous one, unless it alternates between them.
    pub fn settle(&mut self) {
        let mut hosts: BTreeMap<HostId, Vec<Seen>> = BTreeMap::new();
        let mut one_of: HashMap<IpAddr, HostId> = HashMap::new();
        let mut pooled: BTreeSet<IpAddr> = BTreeSet::new();
        for ((host, ip), seen) in &self.sightings {
            if one_of.insert(*ip, *host).is_some() {
                pooled.insert(*ip);
            }
            hosts
                .entry(*host)
                .or_default()
                .extend(seen.values().map(|(first, last)| (*first, *last, *ip)));
        }
        self.held.clear();
        for (host, seen) in hosts {
            let runs = runs(seen);
            let mut starts: HashMap<IpAddr, Vec<i64>> = HashMap::new();
            for (ip, first, _) in &runs {
                starts.entry(*ip).or_default().push(*first);
            }
            let several: BTreeSet<IpAddr> = starts
                .into_iter()
                .filter(|(ip, starts)| {
                    starts.len() >= SEVERAL && (!pooled.contains(ip) || alternates(starts))
                })
                .map(|(ip, _)| ip)
                .collect();
            let stays = |ip: &IpAddr| several.contains(ip);
            let moved = |from: &IpAddr, to: &IpAddr| {
                from != to && !stays(from) && !stays(to) && same_network(*from, *to)
            };
            for (at, (ip, first, last)) in runs.iter().enumerate() {
                // A permanent address never moves. Decide this without scanning all runs for it, which alternate if a
                // host has several addresses.
                let (before, after) = if stays(ip) {
                    (&[][..], &[][..])
                } else {
                    (
                        runs.get(..at).unwrap_or_default(),
                        runs.get(at + 1..).unwrap_or_default(),
                    )
                };
                let since = before
                    .iter()
                    .rev()
                    .find(|(other, ..)| moved(other, ip))
                    .map_or(i64::MIN, |(_, _, last)| *last);
                let until = after
                    .iter()
                    .find(|(other, ..)| moved(ip, other))
                    .map_or(i64::MAX, |(_, first, _)| *first);
                self.held.entry(*ip).or_default().push(Held {
                    host,
                    first: *first,
                    last: *last,
                    since,
                    until,
                });
            }
        }
    }

    /// The host that had an address at a time; if no event says, a host that only has this address.
    pub fn at(&mut self, ip: IpAddr, time: i64) -> HostId {
        let distance = |one: &Held| {
            if time < one.first {
                one.first - time
            } else {
                (time - one.last).max(0)
            }
        };
        if let Some(one) = self.held.get(&ip).and_then(|held| {
            held.iter()
                // A sighting excludes everything else; two hosts may clash there for a moment.
                .filter(|one| {
                    (one.first..=one.last).contains(&time) || (one.since < time && time < one.until)
                })
                .min_by_key(|one| {
                    (
                        distance(one),
                        self.all.get(one.host.0 as usize).map(|host| &host.key),
                    )
                })
        }) {
            return one.host;
        }
        let id = self.intern(&ip.to_string());
        if let Some(host) = self.all.get_mut(id.0 as usize) {
            host.ips.insert(ip);
        }
        id
    }

    /// The meaning of a host field in an event that `writer` wrote.
    pub fn place(&mut self, text: &str, writer: HostId, time: i64) -> Place {
        let text = text.trim().trim_start_matches('\\');
        let lower = text.to_lowercase();
        if is_nothing(&lower) {
            return Place::Unknown;
        }
        if is_local_word(&lower) {
            return Place::Local;
        }
        let host = match address(text) {
            Some(ip) if ip.is_loopback() => return Place::Local,
            Some(ip) if ip.is_unspecified() || ip.is_multicast() => return Place::Unknown,
            Some(ip) => self.at(ip, time),
            None => {
                // A name with characters that no host name allows is not a name.
                let valid = lower
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '$'));
                if !valid {
                    return Place::Unknown;
                }
                self.named(text, writer)
            }
        };
        if host == writer {
            Place::Local
        } else {
            Place::Host(host)
        }
    }

    /// The machine with an id from these hosts.
    pub fn get(&self, id: HostId) -> Option<&Host> {
        self.all.get(id.0 as usize)
    }

    /// [`Host::key`]; empty for an id from other hosts.
    pub fn key(&self, id: HostId) -> &str {
        self.get(id).map_or("", |host| host.key.as_str())
    }
}

/// What is known about an account.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// `domain\name` in lower case with the domain's NetBIOS-like label, `name` alone, or a SID.
    pub key: String,
    /// As events write them.
    pub names: BTreeSet<String>,
    /// More than one only if names were joined.
    pub sids: BTreeSet<String>,
    /// Whether a log names it, as opposed to something somebody typed.
    attested: bool,
}

/// Accounts, and which of their names belong together.
#[derive(Debug, Default)]
pub struct Accounts {
    /// By [`AccountId::place`].
    pub all: Vec<Account>,
    by_key: HashMap<String, AccountId>,
    /// By SID, domain and name as events write them, separated by null characters.
    by_text: HashMap<String, Option<AccountId>>,
    /// Buffer for building such a key.
    scratch: String,
    names_of_sid: BTreeMap<String, BTreeSet<AccountId>>,
    /// The names that events use for each domain.
    domains: Domains,
}

/// What is known about domain names. Windows refers to one domain sometimes by its NetBIOS name and sometimes by its
/// DNS name, and the former need not be part of the latter.
#[derive(Debug, Default)]
struct Domains {
    /// Names that appear with a domain's SIDs, by the SIDs' common prefix: NetBIOS names, then DNS names, in lower
    /// case.
    of_sids: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>,
    /// NetBIOS names of the domains whose members are in a DNS domain, by that DNS domain.
    of_members: BTreeMap<String, BTreeSet<String>>,
    /// Short names of machines, lower case: domains of local accounts.
    machines: BTreeSet<String>,
}

impl Domains {
    /// For each domain that has only one NetBIOS name and calls itself by both names: the NetBIOS name, by the first
    /// label of the DNS name.
    fn aliases(&self) -> HashMap<&str, &str> {
        let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for (flat, dotted) in self.of_sids.values() {
            let flat: Vec<&String> = flat
                .iter()
                .filter(|flat| !self.machines.contains(*flat))
                .collect();
            if let [flat] = flat.as_slice() {
                pairs.extend(dotted.iter().map(|dotted| (dotted.as_str(), flat.as_str())));
            }
        }
        for (dotted, flat) in &self.of_members {
            if let (1, Some(flat)) = (flat.len(), flat.first()) {
                pairs.push((dotted, flat));
            }
        }
        for (dotted, flat) in pairs {
            let first = dotted.split('.').next().unwrap_or(dotted);
            all.entry(first).or_default().insert(flat);
        }
        // A name that is itself a domain's NetBIOS name means that domain.
        let flats: BTreeSet<&str> = self
            .of_sids
            .values()
            .flat_map(|(flat, _)| flat)
            .map(String::as_str)
            .collect();
        all.into_iter()
            .filter_map(|(label, flat)| {
                let only = flat.first().copied().filter(|_| flat.len() == 1)?;
                (only != label && !flats.contains(label)).then_some((label, only))
            })
            .collect()
    }
}

impl Accounts {
    /// The account that an event names. Parts may be empty.
    pub fn get(&mut self, sid: &str, domain: &str, name: &str) -> Option<AccountId> {
        self.scratch.clear();
        for (at, part) in [sid, domain, name].into_iter().enumerate() {
            if at > 0 {
                self.scratch.push('\0');
            }
            self.scratch.push_str(part);
        }
        if let Some(known) = self.by_text.get(&self.scratch) {
            return *known;
        }
        let id = self.find(sid, domain, name, true);
        self.by_text.insert(self.scratch.clone(), id);
        id
    }

    /// The account of a name that somebody typed, as in a command line. This is a claim, and adds no domain to names
    /// that logs give without one.
    pub fn claimed(&mut self, text: &str) -> Option<AccountId> {
        let text = text.trim();
        match text.rsplit_once(['\\', '/']) {
            Some((domain, name)) => self.find("", domain, name, false),
            None => self.find("", "", text, false),
        }
    }

    /// The account of `DOMAIN\name`, `name@REALM`, `name` or a SID. OpenSSH doubles the backslash.
    pub fn of_text(&mut self, text: &str) -> Option<AccountId> {
        let text = text.trim();
        if text.starts_with("S-1-") {
            return self.get(text, "", "");
        }
        match text.rsplit_once('\\') {
            Some((domain, name)) => self.get("", domain.trim_end_matches('\\'), name),
            None => match text.split_once('@') {
                Some((name, realm)) => self.get("", realm, name),
                None => self.get("", "", text),
            },
        }
    }

    fn find(&mut self, sid: &str, domain: &str, name: &str, attested: bool) -> Option<AccountId> {
        let sid = if sid.starts_with("S-1-") && sid != "S-1-0-0" {
            sid
        } else {
            ""
        };
        let (mut name, mut domain) = (name.trim(), domain.trim());
        if let Some((front, realm)) = name.split_once('@') {
            name = front;
            if domain.is_empty() || domain == "-" {
                domain = realm;
            }
        }
        if let Some((front, back)) = name.rsplit_once('\\') {
            domain = front.trim_end_matches('\\');
            name = back;
        }
        if matches!(name, "-" | "null" | "NULL" | "(null)") {
            name = "";
        }
        if matches!(domain, "-" | "." | "null" | "NULL" | "(null)") {
            domain = "";
        }
        if name.is_empty() && sid.is_empty() {
            return None;
        }
        // Only where no SID or domain says whose it is: anybody can give an account of a domain such a name.
        if sid.is_empty()
            && (domain.is_empty() || domain.eq_ignore_ascii_case("NT AUTHORITY"))
            && let Some(own) = of_services(name)
        {
            (domain, name) = own;
        }
        if name.is_empty()
            && let Some(known) = well_known(sid)
        {
            (domain, name) = known.split_once('\\').unwrap_or(("", known));
        }
        if let Some((prefix, _)) = sid
            .rsplit_once('-')
            .filter(|_| sid.starts_with("S-1-5-21-"))
            && !name.is_empty()
            && !domain.is_empty()
        {
            let (flat, dotted) = self.domains.of_sids.entry(prefix.to_owned()).or_default();
            let names = if domain.contains('.') { dotted } else { flat };
            names.insert(domain.trim_end_matches('.').to_lowercase());
        }
        let label = domain.split('.').next().unwrap_or(domain).to_lowercase();
        let key = if name.is_empty() {
            sid.to_lowercase()
        } else if label.is_empty() {
            name.to_lowercase()
        } else {
            format!("{label}\\{}", name.to_lowercase())
        };
        let id = match self.by_key.get(&key) {
            Some(id) => *id,
            None => {
                let id = AccountId::at(self.all.len());
                self.all.push(Account {
                    key: key.clone(),
                    ..Account::default()
                });
                self.by_key.insert(key, id);
                id
            }
        };
        if let Some(account) = self.all.get_mut(id.place()) {
            account.attested |= attested;
            if !name.is_empty() {
                account.names.insert(if domain.is_empty() {
                    name.to_owned()
                } else {
                    format!("{domain}\\{name}")
                });
            }
            if !sid.is_empty() {
                account.sids.insert(sid.to_owned());
                if !name.is_empty() {
                    self.names_of_sid
                        .entry(sid.to_owned())
                        .or_default()
                        .insert(id);
                }
            }
        }
        Some(id)
    }

    /// The account with an id from these accounts.
    pub fn info(&self, id: AccountId) -> Option<&Account> {
        self.all.get(id.place())
    }

    /// By its names and SIDs.
    pub fn kind(&self, id: AccountId) -> AccountKind {
        self.info(id).map_or(AccountKind::User, |account| {
            kind_of(
                account
                    .names
                    .iter()
                    .next()
                    .map_or(account.key.as_str(), String::as_str),
                account.sids.iter().next().map_or("", String::as_str),
            )
        })
    }

    /// Whether the account belongs to a person or a program, as opposed to a machine or the system.
    pub fn is_user(&self, id: AccountId) -> bool {
        self.kind(id) == AccountKind::User
    }

    /// Names with which a SID was seen.
    pub fn names_of_sid(&self, sid: &str) -> Option<&BTreeSet<AccountId>> {
        self.names_of_sid.get(sid)
    }

    /// Records that a machine in the DNS domain `dotted` calls its domain `flat`.
    pub(crate) fn member(&mut self, flat: &str, dotted: &str) {
        let (flat, dotted) = (flat.to_lowercase(), dotted.to_lowercase());
        if !flat.is_empty() && !flat.contains('.') && !dotted.is_empty() {
            let all = self.domains.of_members.entry(dotted).or_default();
            all.insert(flat);
        }
    }

    /// Records the short names of machines, in lower case: their local accounts belong to no domain.
    pub(crate) fn machines<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        for name in names {
            self.domains.machines.insert(name.to_owned());
            let cut = name.chars().take(NETBIOS).collect();
            self.domains.machines.insert(cut);
        }
    }

    /// Whether an account, by its key, is local to a machine.
    fn is_of_machine(&self, key: &str) -> bool {
        key.split_once('\\')
            .is_some_and(|(domain, _)| self.domains.machines.contains(domain))
    }

    /// The account of this name that the machine with this short name is known to have. None for a name with a domain.
    pub(crate) fn of_machine(&self, machine: &str, name: &str) -> Option<AccountId> {
        if name.contains(['\\', '@', '/']) || name.starts_with("S-1-") {
            return None;
        }
        let cut: String = machine.chars().take(NETBIOS).collect();
        [machine, cut.as_str()].into_iter().find_map(|machine| {
            let key = format!("{machine}\\{}", name.trim().to_lowercase());
            self.by_key.get(&key).copied()
        })
    }

    /// The only domain account that logs name and whose name starts this way, ignoring case: for truncated names.
    pub fn beginning(&self, text: &str) -> Option<AccountId> {
        let text = text.trim().to_lowercase();
        let mut fitting = self.all.iter().enumerate().filter(|(_, account)| {
            account.attested
                && account.key.split_once('\\').is_some_and(|(_, sam)| {
                    let whole = text.contains('\\');
                    if whole { &account.key } else { sam }.starts_with(&text)
                })
        });
        let (at, _) = fitting.next()?;
        fitting.next().is_none().then(|| AccountId::at(at))
    }

    /// For every account, the one that represents it: a bare SID becomes the account it was seen with, a name with a
    /// DNS domain becomes the one with the NetBIOS domain, and a name without a domain becomes the only account of that
    /// name in a domain.
    pub fn canonical(&self) -> Vec<AccountId> {
        let aliases = self.domains.aliases();
        let own = |at: usize| AccountId::at(at);
        // If an account is known under both names of its domain.
        let mut joined: Vec<AccountId> = (0..self.all.len()).map(own).collect();
        let mut by_sid: HashMap<(&str, &str), BTreeSet<AccountId>> = HashMap::new();
        for (at, account) in self.all.iter().enumerate() {
            let Some((label, sam)) = account.key.split_once('\\') else {
                continue;
            };
            let other = aliases
                .get(label)
                .and_then(|flat| self.by_key.get(&format!("{flat}\\{sam}")));
            if let (Some(other), Some(joined)) = (other, joined.get_mut(at)) {
                *joined = *other;
            }
            if let Some(sid) = account.sids.iter().find(|sid| sid.starts_with("S-1-5-21-"))
                && account.sids.len() == 1
                && !self.is_of_machine(&account.key)
            {
                by_sid.entry((sid, sam)).or_default().insert(own(at));
            }
        }
        // The same SID and name, once with a presumed NetBIOS domain and once with a presumed DNS domain.
        for same in by_sid.into_values().filter(|same| same.len() > 1) {
            let (dotted, flat): (Vec<AccountId>, Vec<AccountId>) =
                same.into_iter().partition(|id| self.is_dotted(*id));
            if let [stands] = flat.as_slice() {
                for id in dotted {
                    if let Some(joined) = joined.get_mut(id.place()) {
                        *joined = *stands;
                    }
                }
            }
        }
        let mut by_sam: HashMap<&str, BTreeSet<AccountId>> = HashMap::new();
        for (at, account) in self.all.iter().enumerate() {
            // A machine's local account represents no name that others give, and neither does a mere claim.
            if let Some((_, sam)) = account.key.rsplit_once('\\')
                && account.attested
                && !self.is_of_machine(&account.key)
                && let Some(joined) = joined.get(at)
            {
                by_sam.entry(sam).or_default().insert(*joined);
            }
        }
        let only = |same: Option<&BTreeSet<AccountId>>| {
            same.filter(|same| same.len() == 1)
                .and_then(|same| same.first().copied())
        };
        (0..self.all.len())
            .map(|at| {
                let found = joined.get(at).copied().unwrap_or_else(|| own(at));
                let Some(account) = self.all.get(at) else {
                    return found;
                };
                if account.names.is_empty() {
                    let same: BTreeSet<AccountId> = account
                        .sids
                        .iter()
                        .find_map(|sid| self.names_of_sid.get(sid))
                        .into_iter()
                        .flatten()
                        .filter_map(|id| joined.get(id.place()).copied())
                        .collect();
                    only(Some(&same)).unwrap_or(found)
                } else if !account.key.contains('\\') {
                    only(by_sam.get(account.key.as_str())).unwrap_or(found)
                } else {
                    found
                }
            })
            .collect()
    }

    /// Whether all events give the account's domain as a DNS name.
    fn is_dotted(&self, id: AccountId) -> bool {
        self.info(id).is_some_and(|account| {
            account.names.iter().all(|name| {
                name.split_once('\\')
                    .is_some_and(|(domain, _)| domain.contains('.'))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_all_their_forms() {
        for (text, expected) in [
            ("::ffff:10.0.0.5", Some("10.0.0.5")),
            ("fe80::1%12", Some("fe80::1")),
            ("[10.0.2.16]:59407", Some("10.0.2.16")),
            ("10.0.2.16:52202", Some("10.0.2.16")),
            (" [CLIENT: 10.0.2.17]", Some("10.0.2.17")),
            ("2001::1002", Some("2001::1002")),
            ("WS1", None),
            ("-", None),
        ] {
            assert_eq!(
                address(text).map(|ip| ip.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn places() {
        let mut hosts = Hosts::default();
        let own = hosts.writer("WS1.corp.example");
        let ip: IpAddr = IpAddr::from([10, 0, 0, 1]);
        hosts.holds(own, ip, 5);
        hosts.settle();
        for (text, local) in [
            ("10.0.0.1", true),
            ("::1", true),
            ("ws1", true),
            ("LOCAL", true),
            ("2001::1002", false),
            ("::ffff:10.0.0.1", true),
        ] {
            assert_eq!(hosts.place(text, own, 7) == Place::Local, local, "{text}");
        }
        for text in ["", "-", "NULL", "0.0.0.0", "no name"] {
            assert_eq!(hosts.place(text, own, 7), Place::Unknown, "{text}");
        }
    }

    #[test]
    fn names_mean_the_same_in_any_order() {
        let names = [
            ("LONGNAME-OF-NODE1", "longname-of-node1"),
            ("LONGNAME-OF-NOD", "longname-of-node1"),
            ("SECOND-OF-LONGER1", "second-of-longer1"),
            ("SECOND-OF-LONGER2", "second-of-longer2"),
            // Two fit: it may be either.
            ("SECOND-OF-LONGE", "second-of-longe"), // spelling:ignore
            ("FILE1.north.example", "file1.north"),
            ("FILE1.south.example", "file1.south"),
            ("file1.SOUTH.example.", "file1.south"),
            // The southern machine that writes this means its neighbour.
            ("FILE1", "file1.south"),
        ];
        for start in 0..names.len() {
            for backwards in [false, true] {
                let mut order = names.to_vec();
                order.rotate_left(start);
                if backwards {
                    order.reverse();
                }
                let mut hosts = Hosts::default();
                let writers = [
                    "DESK1.south.example",
                    "FILE1.north.example",
                    "FILE1.south.example",
                ];
                hosts.meet_writers(writers.into_iter());
                for (name, _) in &order {
                    hosts.meet(name);
                }
                let writer = hosts.writer("DESK1.south.example");
                for (name, key) in order {
                    match hosts.place(name, writer, 0) {
                        Place::Host(host) => assert_eq!(hosts.key(host), key, "{name}"),
                        other => panic!("{name}: {other:?}"),
                    }
                }
            }
        }
    }

    #[test]
    fn one_domain_has_two_names() {
        let mut accounts = Accounts::default();
        accounts.machines(["ws1"].into_iter());
        // Learnt from one account, applied to all.
        accounts.get("S-1-5-21-7-8-9-1104", "EXMPL", "jana");
        accounts.get("S-1-5-21-7-8-9-1104", "AD.EXAMPLE.NET", "jana");
        accounts.get("S-1-5-21-7-8-9-1105", "WS1", "karl");
        let (flat, dotted) = (
            accounts.get("", "EXMPL", "karl"),
            accounts.of_text("karl@ad.example.net"),
        );
        let local = accounts.get("", "WS1", "karl");
        let plain = accounts.of_text("karl");
        // Typed text adds its domain to no name.
        let (typed, bare) = (accounts.claimed(r"OTHER\cora"), accounts.of_text("cora"));
        let canonical = accounts.canonical();
        let standing = |id: Option<AccountId>| id.and_then(|id| canonical.get(id.place()).copied());
        assert_eq!(standing(dotted), flat);
        assert_eq!(standing(plain), flat);
        assert_eq!(standing(local), local);
        assert_ne!(standing(bare), standing(typed));
    }

    #[test]
    fn the_service_manager_has_its_own_names() {
        let mut accounts = Accounts::default();
        let system = accounts.get("", "NT AUTHORITY", "SYSTEM");
        assert_eq!(accounts.of_text("LocalSystem"), system);
        let local = accounts.get("", "NT AUTHORITY", "LOCAL SERVICE");
        assert_eq!(accounts.of_text(r"NT AUTHORITY\LocalService"), local);
        assert_ne!(local, system);
        // A name that an intruder may choose.
        for own in [r"CORP\LocalSystem", "LocalSystem@CORP.EXAMPLE"] {
            assert_ne!(accounts.of_text(own), system, "{own}");
        }
        let made = accounts.get("S-1-5-21-1-2-3-1105", "", "LocalSystem");
        assert_ne!(made, system);
    }

    #[test]
    fn addresses_change() {
        let mut hosts = Hosts::default();
        let (moving, other, fixed) = (
            hosts.writer("WS1"),
            hosts.writer("WS2"),
            hosts.writer("SRV1"),
        );
        let ip = |last| IpAddr::from([10, 0, 0, last]);
        let day = 24 * HOUR;
        for (host, address, days) in [
            (moving, 1, 1..4),
            (moving, 2, 6..9),
            (other, 1, 12..13),
            (fixed, 7, 5..6),
            // Two cards.
            (fixed, 8, 6..7),
            (fixed, 7, 7..8),
            (fixed, 8, 8..9),
            (fixed, 7, 9..10),
            (fixed, 8, 10..11),
        ] {
            for at in days {
                hosts.holds(host, ip(address), at * day);
            }
        }
        hosts.settle();
        for (address, at, expected) in [
            (1, 0, Some(moving)),
            (1, 2, Some(moving)),
            (1, 12, Some(other)),
            (1, 40, Some(other)),
            (2, 5, Some(moving)),
            (2, 30, Some(moving)),
            (7, 30, Some(fixed)),
            (8, 0, Some(fixed)),
            (9, 1, None),
        ] {
            let found = Some(hosts.at(ip(address), at * day))
                .filter(|id| [moving, other, fixed].contains(id));
            assert_eq!(found, expected, "10.0.0.{address} on day {at}");
        }
        // The first has left it, and the second has not taken it yet.
        hosts.sightings.remove(&(other, ip(1)));
        hosts.settle();
        let nobody = hosts.at(ip(1), 12 * day);
        assert_eq!(hosts.key(nobody), "10.0.0.1");
    }

    #[test]
    fn accounts_are_one_under_all_names() {
        let mut accounts = Accounts::default();
        let full = accounts.get("S-1-5-21-1-2-3-1104", "CORP", "anna");
        assert_eq!(full, accounts.get("", "CORP.EXAMPLE", "Anna"));
        assert_eq!(full, accounts.of_text("anna@corp.example"));
        let (sid, plain) = (
            accounts.of_text("S-1-5-21-1-2-3-1104"),
            accounts.of_text("ANNA"),
        );
        let canonical = accounts.canonical();
        for id in [full, sid, plain].into_iter().flatten() {
            assert_eq!(canonical.get(id.place()).copied(), full);
        }
    }
}
