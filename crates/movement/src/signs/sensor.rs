//! What all logs of a network sensor (Zeek) share.

use crate::world::World;
use crabwalk_activity::facts::BetweenEnds;
use crabwalk_activity::{HostId, Place, Row};

/// Both ends of a row of a Zeek log.
pub(crate) fn ends<F: BetweenEnds>(
    world: &mut World<'_>,
    row: &Row<'_, '_, F>,
) -> Option<(Place, HostId)> {
    let nobody = HostId(u32::MAX);
    let (src, dst) = (row.orig_h()?, row.resp_h()?);
    if src == dst || src.is_multicast() || dst.is_multicast() {
        return None;
    }
    let src = world.hosts.place(&src.to_string(), nobody, row.time);
    match world.hosts.place(&dst.to_string(), nobody, row.time) {
        Place::Host(dst) if src != Place::Host(dst) => Some((src, dst)),
        _ => None,
    }
}
