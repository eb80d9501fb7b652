//! Which names and addresses mean the same host, and which names and SIDs the same account.
//!
//! Facts come from logs that the machine itself wrote (its own addresses in Sysmon 3 and 5156) or that the domain
//! proved (a machine account's Kerberos ticket). What a client claims of itself never joins identities.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU32;

use crabwalk_vocabulary::account::well_known;
pub use crabwalk_vocabulary::account::{AccountKind, kind_of};
pub use crabwalk_vocabulary::address;

/// A host, by its place in [`Hosts::all`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

/// An account, by its place in [`Accounts`].
///
/// It holds the place and one, so that a perhaps missing account, of which sessions have two each, takes no more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(NonZeroU32);

impl AccountId {
    /// The account at a place.
    pub fn at(place: usize) -> Self {
        let next = u32::try_from(place).map_or(u32::MAX, |place| place.saturating_add(1));
        Self(NonZeroU32::new(next).unwrap_or(NonZeroU32::MIN))
    }

    /// Its place in [`Accounts::all`].
    pub fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// What a host field of an event means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// All that it had, at any time.
    pub ips: BTreeSet<IpAddr>,
    /// Whether it wrote events that were read.
    pub logged: bool,
    /// It issued Kerberos tickets.
    pub domain_controller: bool,
}

/// When an address belonged to a host: microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy)]
struct Held {
    host: HostId,
    /// Seen from here to there.
    first: i64,
    last: i64,
    /// Not before: until then it was seen at another address.
    since: i64,
    /// Not after: from then on it is seen at another address.
    until: i64,
}

/// Runs of one address of a host from which on it has several addresses, rather than one that changes.
const SEVERAL: usize = 3;
/// An hour in microseconds.
const HOUR: i64 = 3_600_000_000;

/// Machines, and who had which address when.
#[derive(Debug, Default)]
pub struct Hosts {
    /// By [`HostId`].
    pub all: Vec<Host>,
    by_key: HashMap<String, HostId>,
    by_text: HashMap<String, HostId>,
    /// Names under which hosts wrote events.
    writers: HashMap<String, HostId>,
    /// First and last sighting of a host at an address in each hour.
    sightings: HashMap<(HostId, IpAddr), BTreeMap<i64, (i64, i64)>>,
    /// What follows from the sightings: see [`Hosts::settle`].
    held: HashMap<IpAddr, Vec<Held>>,
}

/// Whether two addresses may be of one network, of which a host with one address changes to another.
fn same_network(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            a.octets().first_chunk::<2>() == b.octets().first_chunk::<2>()
        }
        // Hosts have many addresses of version 6 at once.
        _ => false,
    }
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

impl Hosts {
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

    /// The host of this name.
    fn named(&mut self, name: &str) -> HostId {
        if let Some(id) = self.by_text.get(name) {
            return *id;
        }
        let key = short(name);
        // NetBIOS cuts names to 15 characters.
        let id = match self.by_key.get(&key) {
            Some(id) => *id,
            None => {
                let cut = |text: &str| text.chars().take(15).collect::<String>();
                let same = self.all.iter().position(|host| {
                    (key.chars().count() == 15 && cut(&host.key) == key)
                        || (host.key.chars().count() == 15 && cut(&key) == host.key)
                });
                match same.and_then(|at| u32::try_from(at).ok()) {
                    Some(at) => HostId(at),
                    None => self.intern(&key),
                }
            }
        };
        let clean = name
            .trim()
            .trim_start_matches('\\')
            .trim_end_matches('$')
            .to_owned();
        if let Some(host) = self.all.get_mut(id.0 as usize) {
            host.names.insert(clean);
        }
        self.by_text.insert(name.to_owned(), id);
        id
    }

    /// The host that wrote events under this name.
    pub fn writer(&mut self, name: &str) -> HostId {
        if let Some(id) = self.writers.get(name) {
            return *id;
        }
        let id = match address(name) {
            Some(ip) => self.at(ip, 0),
            None => self.named(name),
        };
        self.writers.insert(name.to_owned(), id);
        if let Some(host) = self.all.get_mut(id.0 as usize) {
            host.logged = true;
        }
        id
    }

    /// The host that wrote events under this name, if any did.
    pub fn known(&self, name: &str) -> Option<HostId> {
        self.writers.get(name).copied()
    }

    /// Whether a machine that wrote events has this short name, in lower case.
    pub fn is_name(&self, short: &str) -> bool {
        self.by_key
            .get(short)
            .and_then(|id| self.get(*id))
            .is_some_and(|host| host.logged)
    }

    /// The names under which a host wrote events.
    pub fn writers_of(&self, id: HostId) -> Vec<String> {
        self.writers
            .iter()
            .filter(|(_, own)| **own == id)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Whether some host is known to have had this address.
    pub fn is_held(&self, ip: IpAddr) -> bool {
        self.held.contains_key(&ip)
    }

    /// States that a host had an address at a time.
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

    /// Concludes from all sightings when which host had which address. A host that is seen at another address of the same
    /// network has left the one before, unless it goes to and fro between them.
    pub fn settle(&mut self) {
        let mut hosts: BTreeMap<HostId, Vec<(i64, i64, IpAddr)>> = BTreeMap::new();
        for ((host, ip), seen) in &self.sightings {
            hosts
                .entry(*host)
                .or_default()
                .extend(seen.values().map(|(first, last)| (*first, *last, *ip)));
        }
        self.held.clear();
        for (host, mut seen) in hosts {
            seen.sort_unstable();
            let mut runs: Vec<(IpAddr, i64, i64)> = Vec::new();
            for (first, last, ip) in seen {
                match runs.last_mut() {
                    Some(run) if run.0 == ip => run.2 = run.2.max(last),
                    _ => runs.push((ip, first, last)),
                }
            }
            let mut counts: HashMap<IpAddr, usize> = HashMap::new();
            for (ip, ..) in &runs {
                *counts.entry(*ip).or_default() += 1;
            }
            let stays = |ip: &IpAddr| counts.get(ip).is_some_and(|count| *count >= SEVERAL);
            let moved = |from: &IpAddr, to: &IpAddr| {
                from != to && !stays(from) && !stays(to) && same_network(*from, *to)
            };
            for (at, (ip, first, last)) in runs.iter().enumerate() {
                let since = runs
                    .get(..at)
                    .unwrap_or_default()
                    .iter()
                    .rev()
                    .find(|(other, ..)| moved(other, ip))
                    .map_or(i64::MIN, |(_, _, last)| *last);
                let until = runs
                    .get(at + 1..)
                    .unwrap_or_default()
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

    /// The host that had an address at a time; one that only has this address where no event says.
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
                // Within what was seen nothing else can be; two hosts may clash there for a moment.
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

    /// What a host field means in an event that `writer` wrote.
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
                // A name with characters that no host name has is no name.
                let valid = lower
                    .chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '$'));
                if !valid {
                    return Place::Unknown;
                }
                self.named(text)
            }
        };
        if host == writer {
            Place::Local
        } else {
            Place::Host(host)
        }
    }

    /// The machine of an id that these hosts gave.
    pub fn get(&self, id: HostId) -> Option<&Host> {
        self.all.get(id.0 as usize)
    }

    /// [`Host::key`]; empty for an id that is not of these hosts.
    pub fn key(&self, id: HostId) -> &str {
        self.get(id).map_or("", |host| host.key.as_str())
    }
}

/// What is known of an account.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// `domain\name` in lower case with the domain's NetBIOS-like label, `name` alone, or a SID.
    pub key: String,
    /// As events write them.
    pub names: BTreeSet<String>,
    /// More than one only where names were joined.
    pub sids: BTreeSet<String>,
}

/// Accounts, and which of their names mean the same one.
#[derive(Debug, Default)]
pub struct Accounts {
    /// By [`AccountId::place`].
    pub all: Vec<Account>,
    by_key: HashMap<String, AccountId>,
    /// By SID, domain and name as events give them, with a null character between them.
    by_text: HashMap<String, Option<AccountId>>,
    /// Where such a key is put together.
    scratch: String,
    names_of_sid: BTreeMap<String, BTreeSet<AccountId>>,
}

impl Accounts {
    /// The account that an event names. Empty parts may be missing.
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
        let id = self.find(sid, domain, name);
        self.by_text.insert(self.scratch.clone(), id);
        id
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

    fn find(&mut self, sid: &str, domain: &str, name: &str) -> Option<AccountId> {
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
            if !name.is_empty() {
                account.names.insert(if domain.is_empty() {
                    name.to_owned()
                } else {
                    format!("{domain}\\{name}")
                });
            }
            if name.is_empty()
                && let Some(known) = well_known(sid)
            {
                account.names.insert(known.to_owned());
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

    /// The account of an id that these accounts gave.
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

    /// Whether the account is a person's or a program's, neither a machine's nor the system's.
    pub fn is_user(&self, id: AccountId) -> bool {
        self.kind(id) == AccountKind::User
    }

    /// Names under which a SID was seen.
    pub fn names_of_sid(&self, sid: &str) -> Option<&BTreeSet<AccountId>> {
        self.names_of_sid.get(sid)
    }

    /// For every account, the one that stands for it: a SID alone is the account it was seen with, a name without a
    /// domain is the only account of that name.
    pub fn canonical(&self) -> Vec<AccountId> {
        let mut by_sam: HashMap<&str, BTreeSet<AccountId>> = HashMap::new();
        for (at, account) in self.all.iter().enumerate() {
            if let Some((_, sam)) = account.key.rsplit_once('\\') {
                let id = AccountId::at(at);
                by_sam.entry(sam).or_default().insert(id);
            }
        }
        (0..self.all.len())
            .map(|at| {
                let own = AccountId::at(at);
                let Some(account) = self.all.get(at) else {
                    return own;
                };
                let mut found = own;
                if account.names.is_empty() {
                    let same = account
                        .sids
                        .iter()
                        .find_map(|sid| self.names_of_sid.get(sid));
                    if let Some(same) = same.filter(|same| same.len() == 1) {
                        found = same.iter().next().copied().unwrap_or(own);
                    }
                } else if !account.key.contains('\\')
                    && let Some(same) = by_sam
                        .get(account.key.as_str())
                        .filter(|same| same.len() == 1)
                {
                    found = same.iter().next().copied().unwrap_or(own);
                }
                found
            })
            .collect()
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
        // Left by the one, not yet taken by the other.
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
