//! Goes through the logs once, and collects evidence from every technique and every sign.

use crabwalk_activity::base_name;

use crate::evidence::Sink;
use crate::signs;
use crate::techniques::{ALL, Started};
use crate::world::World;

/// All evidence of movements in the logs.
pub(crate) fn collect(world: &mut World<'_>) -> Sink {
    let mut out = Sink::new();
    for at in 0..world.processes.len() {
        let Some(process) = world.processes.get(at) else {
            continue;
        };
        let started = Started {
            at,
            image: base_name(process.image).to_lowercase(),
            parent: base_name(process.parent_image).to_lowercase(),
            command: process.command.to_lowercase(),
        };
        for way in ALL {
            way.process(world, &started, &mut out);
        }
        signs::process(world, &started, &mut out);
    }
    for way in ALL {
        way.events(world, &mut out);
    }
    for way in ALL {
        way.network(world, &mut out);
    }
    signs::events(world, &mut out);
    out
}
