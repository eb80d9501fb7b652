//! Addresses that change hands: leases, a VPN pool, and a branch behind one address.
//!
//! A statement in a log about an address holds only for its holder at that time. A lease goes to another host on
//! another day; an address of the VPN's pool goes to another at noon, when the gateway ends long sessions; a branch
//! behind NAT has one address for everyone else, while its hosts' own logs have their private ones.

use std::collections::BTreeMap;

use crate::sim::{MINUTE, Random};

use super::plan::{Company, Role};
use super::profile::Network;

/// The location of a workstation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Office,
    Vpn,
    Branch,
}

fn place(world: &Company, host: usize) -> Place {
    let network = world.profile.network;
    let mut random = Random(world.seed ^ 0x706c_6163 ^ (host as u64) << 20);
    let drawn = thousandths(&mut random);
    if world.crew.staff.iter().any(|member| member.desk == host) && drawn > 0.5 {
        // Half of the staff is always at the office.
        Place::Office
    } else if drawn < network.vpn {
        Place::Vpn
    } else if drawn < network.vpn + network.nat {
        Place::Branch
    } else {
        Place::Office
    }
}

fn thousandths(random: &mut Random) -> f64 {
    f64::from(u32::try_from(random.below(1_000)).unwrap_or(0)) / 1000.0
}

/// Assigns the day's addresses to hosts.
pub(crate) fn day(world: &mut Company, midnight: i64, number: usize) {
    let network = world.profile.network;
    if network == Network::PLAIN {
        return;
    }
    let mut random = Random(world.seed ^ 0x6e65_7477 ^ (number as u64) << 32);
    let all: Vec<usize> = world.workstations().collect();
    let by_vpn: Vec<usize> = of(world, &all, Place::Vpn);
    let addresses: Vec<String> = (0..by_vpn.len())
        .map(|at| format!("10.40.{}.{}", 248 + at / 230, 10 + at % 230))
        .collect();
    for (host, ip) in by_vpn.iter().zip(shuffled(addresses, &mut random)) {
        world.sim.hosts[*host].ip = ip;
        world.sim.hosts[*host].moved = None;
    }
    // Those whose session ends at noon swap addresses.
    let ended: Vec<usize> = by_vpn
        .into_iter()
        .filter(|_| random.below(2) == 0)
        .collect();
    let free = ended
        .iter()
        .map(|host| world.sim.hosts[*host].ip.clone())
        .collect();
    let noon = midnight + 12 * 60 * MINUTE;
    for (host, ip) in ended.iter().zip(shuffled(free, &mut random)) {
        world.sim.hosts[*host].moved = Some((noon, ip));
    }
    for host in of(world, &all, Place::Branch) {
        world.sim.hosts[host].behind = Some("10.40.247.1".to_owned());
    }
    if number == 0 {
        return;
    }
    // Leases that ended during the night, by subnet.
    let mut subnets: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for host in of(world, &all, Place::Office) {
        if thousandths(&mut random) < network.leases
            && let Some((net, _)) = world.sim.hosts[host].ip.rsplit_once('.')
        {
            subnets.entry(net.to_owned()).or_default().push(host);
        }
    }
    for hosts in subnets.into_values() {
        let free = hosts
            .iter()
            .map(|host| world.sim.hosts[*host].ip.clone())
            .collect();
        for (host, ip) in hosts.iter().zip(shuffled(free, &mut random)) {
            world.sim.hosts[*host].ip = ip;
        }
    }
}

fn of(world: &Company, all: &[usize], wanted: Place) -> Vec<usize> {
    all.iter()
        .copied()
        .filter(|host| world.roles[*host] == Role::Workstation && place(world, *host) == wanted)
        .collect()
}

fn shuffled(mut all: Vec<String>, random: &mut Random) -> Vec<String> {
    for at in (1..all.len()).rev() {
        let other = usize::try_from(random.below(at as u64 + 1)).unwrap_or(0);
        all.swap(at, other);
    }
    all
}
