//! How far clocks differ, from connections that both ends (or an end and a network sensor) logged.
//!
//! Only exact matches of the client's address and port count: the connection as either host or a sensor saw it, the
//! network logon over it, and the tickets that a domain controller issued over it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hashbrown::HashMap;

use crate::activity::{Activity, Ends};
use crate::facts;
use crate::identity::{HostId, Place, address};
pub use crate::row::Clocks;
use crate::row::for_each;
use crate::text::SECOND;

/// The difference between the clocks of two hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skew {
    /// Id of the host that opened the connections; `network` for a sensor.
    pub src: String,
    /// Id of the host that accepted them.
    pub dst: String,
    /// Median of the destination's time minus the source's, in microseconds, as logged.
    pub median: i64,
    /// Number of connections that both logged.
    pub connections: usize,
}

/// A larger difference means another connection with the same ports: no clock is further off than a wrong time zone.
const MOST: i64 = 26 * 3600 * SECOND;
/// Beyond this, more connections must agree, because ports are reused.
const PLAIN: i64 = 600 * SECOND;
/// Smaller differences are logging delays.
const LEAST: i64 = 5 * SECOND;
/// If a clock is the reason, half of a pair's differences are this close to their median.
const SPREAD: i64 = 5 * SECOND;
/// Maximum sightings of one client port to compare.
const COMPARED: usize = 64;

/// The network sensor, as one of the hosts.
const SENSOR: HostId = HostId(u32::MAX);

/// One end's view of a connection from a client's address and port to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sighting {
    time: i64,
    observer: HostId,
    /// 0 for the client, 1 for a sensor, 2 for the server.
    end: u8,
}

type Key = (IpAddr, u16, HostId);

fn sightings(activity: &Activity<'_>) -> HashMap<Key, Vec<Sighting>> {
    let mut all: HashMap<Key, Vec<Sighting>> = HashMap::new();
    for one in &activity.connections {
        let (Place::Host(dst), true) = (one.dst, one.src != one.dst && one.src_port != 0) else {
            continue;
        };
        let (observer, end) = match one.observer {
            None => (SENSOR, 1),
            Some(observer) => (observer, if one.inbound { 2 } else { 0 }),
        };
        all.entry((one.src_ip, one.src_port, dst))
            .or_default()
            .push(Sighting {
                time: one.time,
                observer,
                end,
            });
    }
    if all.is_empty() {
        return all;
    }
    // The server's log of a connection counts only if somebody else saw it too.
    let mut served = |ip: Option<IpAddr>, port: u16, host: HostId, time: i64| {
        if let Some(ip) = ip.filter(|ip| !ip.is_loopback())
            && port != 0
            && let Some(seen) = all.get_mut(&(ip, port, host))
        {
            seen.push(Sighting {
                time,
                observer: host,
                end: 2,
            });
        }
    };
    for_each(activity.catalog, facts::Logon, |row| {
        if let Some(host) = activity.hosts.known(row.host) {
            served(address(row.ip_address()), row.ip_port(), host, row.time);
        }
    });
    for_each(activity.catalog, facts::TicketRequest, |row| {
        if let Some(host) = activity.hosts.known(row.host) {
            let port = row.ip_port();
            served(address(row.ip_address()), port, host, row.time);
        }
    });
    all
}

/// The median, and whether half of the values are close to it.
fn middle(values: &mut [i64]) -> Option<(i64, bool)> {
    values.sort_unstable();
    let median = values.get(values.len() / 2).copied()?;
    let mut away: Vec<i64> = values.iter().map(|value| (value - median).abs()).collect();
    away.sort_unstable();
    let close = away.get(away.len() / 2).is_some_and(|away| *away <= SPREAD);
    Some((median, close))
}

/// Pairs of clocks that differ, and how far each host's clock is ahead of the common one, which is that of the domain
/// controllers or, failing that, of most hosts.
pub fn estimate(ends: &Ends<'_>) -> (Vec<Skew>, Clocks) {
    let activity = &ends.0;
    let mut differences: BTreeMap<(HostId, HostId), Vec<i64>> = BTreeMap::new();
    for mut seen in sightings(activity).into_values() {
        seen.sort_unstable();
        seen.dedup();
        for (at, one) in seen.iter().enumerate() {
            // Take the closest sighting at the other end, because ports are reused.
            let other = seen
                .iter()
                .enumerate()
                .skip(at.saturating_sub(COMPARED))
                .take(2 * COMPARED)
                .filter(|(_, other)| other.end > one.end && other.observer != one.observer)
                .map(|(_, other)| other)
                .min_by_key(|other| ((other.time - one.time).abs(), other.observer));
            if let Some(other) = other
                && (other.time - one.time).abs() <= MOST
            {
                differences
                    .entry((one.observer, other.observer))
                    .or_default()
                    .push(other.time - one.time);
            }
        }
    }
    let name = |id: HostId| {
        if id == SENSOR {
            "network"
        } else {
            activity.hosts.key(id)
        }
    };
    let mut skews = Vec::new();
    // Every measured pair ties two clocks, equal or not.
    let mut ties: BTreeMap<HostId, Vec<(usize, HostId, i64)>> = BTreeMap::new();
    for ((src, dst), mut values) in differences {
        let Some((median, close)) = middle(&mut values) else {
            continue;
        };
        let enough = if median.abs() > PLAIN { 3 } else { 2 };
        if values.len() < enough || !close {
            continue;
        }
        ties.entry(src)
            .or_default()
            .push((values.len(), dst, median));
        ties.entry(dst)
            .or_default()
            .push((values.len(), src, -median));
        if median.abs() > LEAST {
            skews.push(Skew {
                src: name(src).to_owned(),
                dst: name(dst).to_owned(),
                median,
                connections: values.len(),
            });
        }
    }
    skews.sort_by(|a, b| (&a.src, &a.dst).cmp(&(&b.src, &b.dst)));
    if skews.is_empty() {
        return (skews, Clocks::new());
    }
    (skews, clocks(activity, &ties))
}

/// Measures each group of tied clocks against its common one.
fn clocks(activity: &Activity<'_>, ties: &BTreeMap<HostId, Vec<(usize, HostId, i64)>>) -> Clocks {
    let mut clocks = Clocks::new();
    let mut done: BTreeSet<HostId> = BTreeSet::new();
    for start in ties.keys() {
        if !done.insert(*start) {
            continue;
        }
        // Walk from host to host over the tie with most connections.
        let mut ahead: BTreeMap<HostId, i64> = BTreeMap::from([(*start, 0)]);
        let mut edge: BTreeSet<(usize, HostId, HostId, i64)> = BTreeSet::new();
        let widen = |from: HostId, edge: &mut BTreeSet<(usize, HostId, HostId, i64)>| {
            for (count, to, difference) in ties.get(&from).into_iter().flatten() {
                edge.insert((*count, from, *to, *difference));
            }
        };
        widen(*start, &mut edge);
        while let Some((_, from, to, difference)) = edge.pop_last() {
            let Some(base) = ahead.get(&from).copied() else {
                continue;
            };
            if ahead.contains_key(&to) {
                continue;
            }
            ahead.insert(to, base + difference);
            done.insert(to);
            widen(to, &mut edge);
        }
        let controller = |id: &HostId| {
            activity
                .hosts
                .get(*id)
                .is_some_and(|host| host.domain_controller)
        };
        let mut common: Vec<i64> = ahead
            .iter()
            .filter(|(id, _)| controller(id))
            .map(|(_, ahead)| *ahead)
            .collect();
        if common.is_empty() {
            common = ahead.values().copied().collect();
        }
        common.sort_unstable();
        // Of an even number of clocks take the lower middle: of two, nobody can say which one is wrong.
        let common = common
            .get(common.len().saturating_sub(1) / 2)
            .copied()
            .unwrap_or(0);
        for (id, own) in ahead {
            let off = own - common;
            if off.abs() > LEAST {
                for text in activity.hosts.writers_of(id) {
                    clocks.insert(text, off);
                }
            }
        }
    }
    clocks
}
