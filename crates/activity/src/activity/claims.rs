//! Which of the claims that machines' tickets make about their addresses hold.
//!
//! A machine's ticket shows where the machine is only as long as nobody else has its key. So a claim gives way to what
//! machines log about themselves, and to other claims: of two machines at one address at once, or one at two, at most one
//! is there. But leases end. A machine that had an address before and after has kept it only if it was not seen elsewhere in
//! the meantime; clients of a VPN take the addresses of its pool by turns.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crabwalk_vocabulary::time::day;
use hashbrown::HashMap;

use crate::identity::{HostId, Hosts, Seen, runs};
use crate::text::SECOND;

const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// A machine's tickets say that it is at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    pub ip: IpAddr,
    /// Microseconds since 1970-01-01 UTC.
    pub time: i64,
    pub host: HostId,
}

/// Claims that nothing contradicts. Addresses that several machines share are registered with the hosts.
pub(super) fn undisputed(hosts: &mut Hosts, claims: Vec<Claim>) -> Vec<Claim> {
    let mut claims = by_hour(claims);
    let shared = shared(&claims, hosts);
    hosts.share(shared);
    claims.retain(|one| !hosts.is_shared(one.ip, one.time));
    let places = Places::new(&claims, hosts);
    claims.retain(|one| !places.is_held_by_another(one) && !places.is_known_elsewhere(one));
    let mut disputed = contradictions(&claims, &places);
    disputed.extend(visits(&claims, &places));
    claims.retain(|one| !disputed.contains(one));
    claims
}

/// The first and last of each hour, which are enough, by address and time.
fn by_hour(claims: Vec<Claim>) -> Vec<Claim> {
    let mut hours: BTreeMap<(IpAddr, HostId, i64), (i64, i64)> = BTreeMap::new();
    for Claim { ip, time, host } in claims {
        let span = hours
            .entry((ip, host, time.div_euclid(HOUR)))
            .or_insert((time, time));
        *span = (span.0.min(time), span.1.max(time));
    }
    let ends = hours
        .into_iter()
        .flat_map(|((ip, host, _), (first, last))| {
            [first, last].map(|time| Claim { ip, time, host })
        });
    let mut claims: Vec<Claim> = ends.collect();
    claims.sort_unstable();
    claims.dedup();
    claims
}

/// Addresses by day that several machines have at once, such as a branch behind one address: three or more, by turns.
/// A lease that changes hands does not come back on the same day. Who is behind such an address logs another one, so an
/// address that a machine itself logged is that machine's, whoever's keys are used there.
fn shared(claims: &[Claim], hosts: &Hosts) -> BTreeMap<(IpAddr, i64), BTreeSet<HostId>> {
    const SEVERAL: usize = 3;
    let logged: BTreeSet<(IpAddr, i64)> = hosts
        .sightings()
        .flat_map(|(_, ip, first, last)| [(ip, day(first)), (ip, day(last))])
        .collect();
    let mut all = BTreeMap::new();
    let of = |one: &Claim| (one.ip, day(one.time));
    for same in claims.chunk_by(|a, b| of(a) == of(b)) {
        let machines: BTreeSet<HostId> = same.iter().map(|one| one.host).collect();
        let runs = same.chunk_by(|a, b| a.host == b.host).count();
        let place = same.first().map(of).filter(|place| !logged.contains(place));
        if machines.len() >= SEVERAL && runs > machines.len() {
            all.extend(place.zip(Some(machines)));
        }
    }
    all
}

/// Two machines at one address at the same time, or one between the sightings of another that did not leave.
fn contradictions(claims: &[Claim], places: &Places) -> BTreeSet<Claim> {
    /// A client that requests tickets of two machines within this time is neither of them.
    const AT_ONCE: i64 = 600 * SECOND;
    let mut disputed = BTreeSet::new();
    for same in claims.chunk_by(|a, b| a.ip == b.ip) {
        for (at, one) in same.iter().enumerate() {
            let others = |list: &mut dyn Iterator<Item = &Claim>| {
                list.take_while(|other| (other.time - one.time).abs() <= DAY)
                    .find(|other| other.host != one.host)
                    .copied()
            };
            let before = others(&mut same.get(..at).unwrap_or_default().iter().rev());
            let after = others(&mut same.get(at + 1..).unwrap_or_default().iter());
            let at_once = [before, after]
                .into_iter()
                .flatten()
                .any(|other| (other.time - one.time).abs() <= AT_ONCE);
            let between = matches!(
                (before, after),
                (Some(a), Some(b)) if a.host == b.host && !places.left(a.host, a.ip, a.time, b.time)
            );
            if at_once || between {
                disputed.insert(*one);
            }
        }
    }
    disputed
}

/// A machine that is elsewhere before and after has not moved, unless another had its place in the meantime.
fn visits(claims: &[Claim], places: &Places) -> Vec<Claim> {
    /// This many runs at an address make it one of the machine's, even if the machine was seen elsewhere in between.
    const SEVERAL: usize = 3;
    let mut machines: BTreeMap<(HostId, bool), Vec<Seen>> = BTreeMap::new();
    for one in claims {
        // A machine uses its addresses of both IP versions at the same time.
        let own = machines.entry((one.host, one.ip.is_ipv4())).or_default();
        own.push((one.time, one.time, one.ip));
    }
    let mut disputed = Vec::new();
    for ((host, v4), claimed) in machines {
        let runs = places.runs(host, v4, claimed);
        let count = |ip: IpAddr| runs.iter().filter(|run| run.0 == ip).count();
        for some in runs.windows(3) {
            let [before, (ip, first, last), after] = some else {
                continue;
            };
            if before.0 != after.0
                || count(*ip) >= SEVERAL
                || places.taken(before.0, host, before.2, after.1, claims)
            {
                continue;
            }
            let start = claims.partition_point(|one| (one.ip, one.time) < (*ip, *first));
            let during = claims.get(start..).unwrap_or_default().iter();
            disputed.extend(
                during
                    .take_while(|one| (one.ip, one.time) <= (*ip, *last))
                    .filter(|one| one.host == host),
            );
        }
    }
    disputed
}

/// Whether an address is another one of the same IP version: a machine has addresses of both versions at once.
fn is_elsewhere(other: IpAddr, ip: IpAddr) -> bool {
    other != ip && other.is_ipv4() == ip.is_ipv4()
}

/// Where machines were seen: by what they log themselves, which is certain, and by all claims.
struct Places {
    /// First and last certain sighting within each hour, by address.
    holders: HashMap<IpAddr, Vec<(i64, i64, HostId)>>,
    /// The same by machine.
    whereabouts: HashMap<HostId, Vec<Seen>>,
    /// Certain or claimed, in order.
    seen: HashMap<HostId, Vec<(i64, IpAddr)>>,
}

impl Places {
    fn new(claims: &[Claim], hosts: &Hosts) -> Self {
        let mut all = Self {
            holders: HashMap::new(),
            whereabouts: HashMap::new(),
            seen: HashMap::new(),
        };
        for one in claims {
            let own = all.seen.entry(one.host).or_default();
            own.push((one.time, one.ip));
        }
        for (host, ip, first, last) in hosts.sightings() {
            all.holders.entry(ip).or_default().push((first, last, host));
            let own = all.whereabouts.entry(host).or_default();
            own.push((first, last, ip));
            let own = all.seen.entry(host).or_default();
            own.extend([(first, ip), (last, ip)]);
        }
        for own in all.seen.values_mut() {
            own.sort_unstable();
        }
        all
    }

    fn seen(&self, host: HostId) -> &[(i64, IpAddr)] {
        self.seen.get(&host).map_or(&[], Vec::as_slice)
    }

    /// Whether another machine certainly has the claimed address at the time: it was there within the hour, or before and
    /// after, within a day each, and did not leave.
    fn is_held_by_another(&self, one: &Claim) -> bool {
        let mut around: BTreeMap<HostId, (Option<i64>, Option<i64>)> = BTreeMap::new();
        for (first, last, host) in self.holders.get(&one.ip).into_iter().flatten() {
            if *host == one.host {
                continue;
            }
            if (first - HOUR..=last + HOUR).contains(&one.time)
                && !self.gone(*host, one.ip, *first, *last, one.time)
            {
                return true;
            }
            let (before, after) = around.entry(*host).or_default();
            if *first <= one.time && one.time - last <= DAY {
                *before = (*before).max(Some((*last).min(one.time)));
            }
            if *last >= one.time && first - one.time <= DAY {
                let next = (*first).max(one.time);
                *after = Some(after.map_or(next, |own| own.min(next)));
            }
        }
        around.into_iter().any(|(host, (before, after))| {
            let span = before.zip(after);
            span.is_some_and(|(before, after)| !self.left(host, one.ip, before, after))
        })
    }

    /// Whether the machine itself logged, within a day, that it is at another address, and not that it is here: that
    /// precedes requests made in its name.
    fn is_known_elsewhere(&self, one: &Claim) -> bool {
        let (mut here, mut away) = (false, false);
        for (first, last, ip) in self.whereabouts.get(&one.host).into_iter().flatten() {
            if *first <= one.time + DAY && one.time - DAY <= *last {
                here |= *ip == one.ip;
                away |= is_elsewhere(*ip, one.ip);
            }
        }
        away && !here
    }

    /// Whether a machine that had an address before and has it again was elsewhere in the meantime: then the lease may
    /// have been another's.
    fn left(&self, host: HostId, ip: IpAddr, from: i64, to: i64) -> bool {
        let own = self.seen(host);
        let start = own.partition_point(|(time, _)| *time <= from);
        let meanwhile = own.get(start..).unwrap_or_default().iter();
        meanwhile
            .take_while(|(time, _)| *time < to)
            .any(|(_, other)| is_elsewhere(*other, ip))
    }

    /// Whether a machine seen at an address from `first` to `last` is next seen elsewhere after a later time, or was last
    /// seen elsewhere before an earlier one.
    fn gone(&self, host: HostId, ip: IpAddr, first: i64, last: i64, time: i64) -> bool {
        let own = self.seen(host);
        let other = if time > last {
            own.get(own.partition_point(|(seen, _)| *seen <= last))
        } else if time < first {
            let before = own.partition_point(|(seen, _)| *seen < first);
            before.checked_sub(1).and_then(|at| own.get(at))
        } else {
            None
        };
        other.is_some_and(|(seen, other)| {
            is_elsewhere(*other, ip) && (*seen > time) == (time > last)
        })
    }

    /// The runs of a machine at one address each, first and last time, by what it claims and by what it logged.
    fn runs(&self, host: HostId, v4: bool, mut all: Vec<Seen>) -> Vec<(IpAddr, i64, i64)> {
        let logged = self.whereabouts.get(&host).into_iter().flatten();
        all.extend(logged.filter(|(.., ip)| ip.is_ipv4() == v4));
        runs(all)
    }

    /// Whether another machine had an address within a span of time.
    fn taken(&self, ip: IpAddr, host: HostId, from: i64, to: i64, claims: &[Claim]) -> bool {
        let start = claims.partition_point(|one| (one.ip, one.time) <= (ip, from));
        let meanwhile = claims.get(start..).unwrap_or_default().iter();
        meanwhile
            .take_while(|one| (one.ip, one.time) < (ip, to))
            .any(|one| one.host != host)
            || self
                .holders
                .get(&ip)
                .into_iter()
                .flatten()
                .any(|(first, last, own)| *own != host && *first > from && *last < to)
    }
}
