//! VNC (T1021.005), as a sensor sees it.

use crabwalk_activity::{facts, for_each};

use super::{Technique, ToolName};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::signs::sensor::ends;
use crate::world::World;

/// VNC.
pub(crate) struct Vnc;

impl Technique for Vnc {
    fn family(&self) -> Family {
        Family::Vnc
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1021.005"]
    }

    fn ports(&self) -> &'static [u16] {
        &[5900, 5901, 5902, 5903]
    }

    fn network(&self, world: &mut World<'_>, out: &mut Sink) {
        network(world, out);
    }

    fn is_meant(&self, name: ToolName<'_>) -> bool {
        match name {
            ToolName::Protocol(name) => name == "vnc",
            ToolName::Script(_) | ToolName::Action(_) => false,
        }
    }
}

/// Desktops that admitted the client.
fn network(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::ZeekRfb, |row| {
        if !matches!(row.auth(), "T" | "true") {
            return;
        }
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        out.push(
            Evidence::new(
                Kind::Network,
                Family::Vnc,
                Act::Strong,
                dst,
                row.time,
                row.reference,
                "VNC let the client in",
            )
            .technique(&["T1021.005"])
            .from(src)
            .weighs(Class::NetworkSession, 0.35),
        );
    });
}
