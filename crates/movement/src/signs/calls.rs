//! Remote procedure calls that a sensor saw (Zeek `dce_rpc.log`). The techniques say which call belongs to which way.

use super::sensor::ends;
use crate::evidence::{Class, Evidence, Kind, Sink};
use crate::world::World;
use crabwalk_activity::facts;
use crabwalk_activity::for_each;

pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::ZeekRpc, |row| {
        let (endpoint, operation) = (row.endpoint(), row.operation());
        let (interface, function) = (endpoint.to_lowercase(), operation.to_lowercase());
        let Some((way, call)) = crate::techniques::ALL
            .iter()
            .find_map(|way| Some((way, way.call(&interface, &function)?)))
        else {
            return;
        };
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        out.push(
            Evidence::new(
                Kind::Network,
                way.family(),
                call.act,
                dst,
                row.time,
                row.reference,
                format!("called {endpoint} {operation}"),
            )
            .technique(call.techniques)
            .from(src)
            .used(world.user_of(row.uid()))
            .weighs(Class::NetworkCall, 0.35),
        );
    });
}
