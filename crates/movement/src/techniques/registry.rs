//! Remote registry (T1112). Opening the pipe is seen with all other pipes; here is what was written through it.

use crabwalk_activity::channel::*;
use crabwalk_activity::for_each;

use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::World;

pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, SYSMON, 13, |row| {
        let target = row.get("TargetObject").to_lowercase();
        let opens = target.ends_with("\\terminal server\\fdenytsconnections")
            || target.contains("\\lanmanserver\\parameters\\nullsessionpipes");
        if !opens {
            return;
        }
        let host = world.writer(row);
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::Registry,
                Act::None,
                host,
                row.time,
                row.reference,
                format!("registry value {} set", row.get("TargetObject")),
            )
            .technique(&["T1112"])
            .weighs(Class::Registry, 0.1),
        );
    });
}
