//! How far clocks differ, from connections that both ends logged.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::identity::Place;
use crate::world::{SECOND, World};

/// How far the clocks of two hosts differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skew {
    /// Id of the host that opened connections.
    pub src: String,
    /// Id of the host that accepted them.
    pub dst: String,
    /// Median of the destination's time less the source's, microseconds.
    pub median: i64,
    /// Connections that both logged.
    pub connections: usize,
}

/// Differences beyond this are another connection with the same ports.
const MOST: i64 = 600 * SECOND;
/// Smaller differences are not worth telling.
const LEAST: i64 = 5 * SECOND;

type Tuple = (IpAddr, u16, IpAddr, u16);

pub(crate) fn estimate(world: &World<'_>) -> Vec<Skew> {
    let mut outbound: BTreeMap<Tuple, i64> = BTreeMap::new();
    for one in world
        .connections
        .iter()
        .filter(|one| one.observer.is_some() && !one.inbound)
    {
        outbound
            .entry((one.src_ip, one.src_port, one.dst_ip, one.dst_port))
            .or_insert(one.time);
    }
    let mut pairs: BTreeMap<(crate::identity::HostId, crate::identity::HostId), Vec<i64>> =
        BTreeMap::new();
    for one in world.connections.iter().filter(|one| one.inbound) {
        let (Place::Host(src), Place::Host(dst)) = (one.src, one.dst) else {
            continue;
        };
        if src != dst
            && let Some(sent) = outbound.get(&(one.src_ip, one.src_port, one.dst_ip, one.dst_port))
            && (one.time - sent).abs() <= MOST
        {
            pairs.entry((src, dst)).or_default().push(one.time - sent);
        }
    }
    pairs
        .into_iter()
        .filter_map(|((src, dst), mut differences)| {
            differences.sort_unstable();
            let median = differences.get(differences.len() / 2).copied()?;
            (median.abs() > LEAST).then(|| Skew {
                src: world.hosts.key(src).to_owned(),
                dst: world.hosts.key(dst).to_owned(),
                median,
                connections: differences.len(),
            })
        })
        .collect()
}
