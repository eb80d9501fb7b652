//! Whether a reported hop is a hop that happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crabwalk_case::{Case, HopInfo};
use crabwalk_movement::{Hop, Movement, is_way, same_way};
use crabwalk_vocabulary::account::plain;
use crabwalk_vocabulary::{address, host_key};

/// A hop of the truth. Empty parts are unknown and match anything; without a destination it is not a hop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stated<'a> {
    /// The source's [`places`].
    pub src: BTreeSet<String>,
    /// The destination's [`places`].
    pub dst: BTreeSet<String>,
    /// Account that logged on to the destination; its domain is ignored.
    pub account: &'a str,
    /// ATT&CK technique. One that is not a way of moving does not constrain the way.
    pub technique: &'a str,
    /// When, in microseconds since 1970-01-01 UTC; one of several times has to match.
    pub times: Vec<i64>,
    /// Allowed difference in time, in microseconds.
    pub tolerance: i64,
}

/// A reported hop, under all names.
#[derive(Debug, Clone)]
pub struct Told<'a, H> {
    /// The hop itself.
    pub hop: &'a H,
    /// The source; empty if unknown.
    pub src: BTreeSet<String>,
    /// The destination.
    pub dst: BTreeSet<String>,
    /// All accounts of the hop.
    pub accounts: BTreeSet<String>,
    /// The account that acted on the source.
    pub actor: BTreeSet<String>,
    /// ATT&CK techniques.
    pub techniques: &'a [String],
    /// First and last time, in microseconds since 1970-01-01 UTC; none if it has no time.
    pub span: Option<(i64, i64)>,
}

/// The differences between a hop of the truth and a reported one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wrong {
    /// It goes to another host.
    Destination,
    /// It comes from another host.
    Source,
    /// It has another account.
    Account,
    /// It goes another way.
    Technique,
    /// It is at another time.
    Time,
}

impl Wrong {
    /// Its name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Destination => "destination",
            Self::Source => "source",
            Self::Account => "account",
            Self::Technique => "technique",
            Self::Time => "time",
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Name of an account without its domain, in lower case.
pub fn account_key(account: &str) -> String {
    plain(account).to_lowercase()
}

/// Names and addresses of a host, each in one form: short names in lower case, IPv4 addresses as they are.
pub fn places<'n>(names: impl IntoIterator<Item = &'n str>) -> BTreeSet<String> {
    names.into_iter().map(place).collect()
}

fn place(name: &str) -> String {
    let key = host_key(name);
    address(&key).map_or(key, |ip| ip.to_string())
}

impl<H> Told<'_, H> {
    /// Whether it happened at a time, or within a tolerance of it (both in microseconds).
    pub fn within(&self, time: i64, tolerance: i64) -> bool {
        self.span.is_some_and(|(first, last)| {
            (first.saturating_sub(tolerance)..=last.saturating_add(tolerance)).contains(&time)
        })
    }

    /// Whether it goes from one host to the other.
    pub fn has_ends(&self, stated: &Stated<'_>) -> bool {
        has_source(stated, self) && is_host(&stated.dst, &self.dst)
    }
}

/// Whether they share a name or address. NetBIOS names are cut after 15 characters.
fn is_host(stated: &BTreeSet<String>, told: &BTreeSet<String>) -> bool {
    const NETBIOS: usize = 15;
    let cut = |name: &str| name.chars().take(NETBIOS).collect::<String>();
    let is_cut = |name: &&String| name.chars().count() >= NETBIOS && address(name).is_none();
    !stated.is_disjoint(told)
        || stated
            .iter()
            .filter(is_cut)
            .any(|name| told.iter().any(|own| cut(own) == cut(name)))
}

fn has_source<H>(stated: &Stated<'_>, told: &Told<'_, H>) -> bool {
    if stated.src.is_empty() {
        // Unknown: anything but the destination itself.
        told.src.is_disjoint(&told.dst)
    } else {
        is_host(&stated.src, &told.src)
    }
}

/// The differences between a hop of the truth and a reported one; empty if they are the same.
pub fn wrong<H>(stated: &Stated<'_>, told: &Told<'_, H>) -> Vec<Wrong> {
    let account = stated.account.is_empty() || told.accounts.contains(&account_key(stated.account));
    let is_its_way = |own: &String| same_way(own, stated.technique);
    let technique = !is_way(stated.technique) || told.techniques.iter().any(is_its_way);
    let is_its_time = |time: &i64| told.within(*time, stated.tolerance);
    let time = stated.times.is_empty() || stated.times.iter().any(is_its_time);
    [
        (Wrong::Destination, is_host(&stated.dst, &told.dst)),
        (Wrong::Source, has_source(stated, told)),
        (Wrong::Account, account),
        (Wrong::Technique, technique),
        (Wrong::Time, time),
    ]
    .into_iter()
    .filter_map(|(wrong, right)| (!right).then_some(wrong))
    .collect()
}

/// Names of hosts and accounts by their ids.
#[derive(Default)]
struct Names<'a> {
    hosts: BTreeMap<&'a str, BTreeSet<String>>,
    accounts: BTreeMap<&'a str, BTreeSet<String>>,
}

impl Names<'_> {
    fn host(&self, id: &str) -> BTreeSet<String> {
        let known = self.hosts.get(id).cloned();
        known.unwrap_or_else(|| BTreeSet::from([place(id)]))
    }

    fn account(&self, id: &str) -> BTreeSet<String> {
        let known = self.accounts.get(id).cloned();
        known.unwrap_or_else(|| BTreeSet::from([account_key(id)]))
    }

    fn accounts_of(&self, ids: [&Option<String>; 3]) -> BTreeSet<String> {
        let ids = ids.into_iter().flatten();
        ids.flat_map(|id| self.account(id)).collect()
    }

    /// A hop under its names; `accounts` are those of the logon, the actor, and the payload.
    fn told<'h, H>(
        &self,
        hop: &'h H,
        (src, dst): (&Option<String>, &str),
        accounts: [&Option<String>; 3],
        techniques: &'h [String],
        span: Option<(i64, i64)>,
    ) -> Told<'h, H> {
        let src = src.as_deref().map(|id| self.host(id));
        let actor = accounts[1].as_deref().map(|id| self.account(id));
        Told {
            src: src.unwrap_or_default(),
            dst: self.host(dst),
            accounts: self.accounts_of(accounts),
            actor: actor.unwrap_or_default(),
            techniques,
            span,
            hop,
        }
    }
}

/// The hops of a case. A machine that has a name is identified only by it: within days of logs, its address may also be
/// another's.
pub fn told_of_case(case: &Case) -> Vec<Told<'_, HopInfo>> {
    let mut known = Names::default();
    for host in &case.hosts {
        let names = std::iter::once(&host.id).chain(&host.names);
        let mut names = places(names.map(String::as_str));
        if names.iter().all(|name| address(name).is_some()) {
            names.extend(places(host.ips.iter().map(String::as_str)));
        }
        known.hosts.insert(&host.id, names);
    }
    for account in &case.accounts {
        let names = std::iter::once(&account.id).chain(&account.names);
        let names = names.map(|name| account_key(name)).collect();
        known.accounts.insert(&account.id, names);
    }
    let hops = case.hops.iter().map(|hop| {
        let first = micros(hop.first.as_deref());
        known.told(
            hop,
            (&hop.src, &hop.dst),
            [&hop.used, &hop.actor, &hop.effective],
            &hop.techniques,
            first.map(|first| (first, micros(hop.last.as_deref()).unwrap_or(first))),
        )
    });
    hops.collect()
}

/// The hops of a movement, under names and addresses: a recorded attack is over before these change hands.
pub fn told_of_movement(movement: &Movement) -> Vec<Told<'_, Hop>> {
    let mut known = Names::default();
    for host in &movement.hosts {
        let names = host.names.iter().chain(&host.ips).chain([&host.id]);
        let names = places(names.map(String::as_str));
        known.hosts.insert(&host.id, names);
    }
    for account in &movement.accounts {
        let names = account.names.iter().chain([&account.id]);
        let names = names.map(|name| account_key(name)).collect();
        known.accounts.insert(&account.id, names);
    }
    let hops = movement.hops.iter().map(|hop| {
        known.told(
            hop,
            (&hop.src, &hop.dst),
            [&hop.used, &hop.actor, &hop.effective],
            &hop.techniques,
            Some((hop.first, hop.last)),
        )
    });
    hops.collect()
}

/// A time of RFC 3339, microseconds since 1970-01-01 UTC.
pub(crate) fn micros(time: Option<&str>) -> Option<i64> {
    crabwalk_vocabulary::time::parse(time?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let techniques = ["T1569.002".to_owned()];
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let told = Told {
            hop: &(),
            src: set(&["ws1", "10.0.0.1"]),
            dst: set(&["accounting-serv"]),
            accounts: set(&["ann"]),
            actor: BTreeSet::new(),
            techniques: &techniques,
            span: Some((100, 200)),
        };
        let right = Stated {
            src: places(["::ffff:10.0.0.1"]),
            dst: places(["ACCOUNTING-SERVER.pier.example"]),
            account: "PIER\\Ann",
            technique: "T1021.002",
            times: vec![1, 250],
            tolerance: 50,
        };
        assert_eq!(wrong(&right, &told), []);
        let anything = Stated {
            dst: right.dst.clone(),
            technique: "T1018",
            ..Stated::default()
        };
        assert_eq!(wrong(&anything, &told), []);
        assert_eq!(wrong(&Stated::default(), &told), [Wrong::Destination]);
        let other = Stated {
            src: places(["WS2"]),
            dst: places(["accounting"]),
            account: "bob",
            technique: "T1021.001",
            times: vec![251],
            ..right
        };
        let all = [
            Wrong::Destination,
            Wrong::Source,
            Wrong::Account,
            Wrong::Technique,
            Wrong::Time,
        ];
        assert_eq!(wrong(&other, &told), all);
    }
}
