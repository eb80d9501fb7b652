//! Remote registry (T1112). Opening the pipe is seen with all other pipes; here is what was written through it.

use super::{Call, Technique};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::signs::client::{CommandLine, Named};
use crate::world::World;
use crabwalk_activity::channel::*;
use crabwalk_activity::for_each;

/// Remote registry.
pub(crate) struct Registry;

impl Technique for Registry {
    fn family(&self) -> Family {
        Family::Registry
    }

    fn ports(&self) -> &'static [u16] {
        &[445, 135, 139]
    }

    fn events(&self, world: &mut World<'_>, out: &mut Sink) {
        events(world, out);
    }

    fn call(&self, interface: &str, function: &str) -> Option<Call> {
        let writes = ["setvalue", "savekey", "createkey"];
        (interface == "winreg" && writes.iter().any(|act| function.contains(act)))
            .then(|| Call::moves(&["T1112"]))?
    }

    fn client(&self, command: &CommandLine) -> Option<Named> {
        (command.program == "reg").then(|| command.on(command.unc(), None, &["T1112"]))?
    }
}

fn events(world: &mut World<'_>, out: &mut Sink) {
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
