//! Observations that are not tied to one way of moving: the client's side, tickets, logons, connections, refusals, and
//! files that were left and used. Where the way matters, they ask the techniques.

mod calls;
pub(crate) mod client;
mod connections;
mod dropped;
mod logons;
mod policy;
mod programs;
mod refused;
mod relayed;
mod roles;
pub(crate) mod sensor;
mod served;
mod tickets;
pub(crate) mod usual;

pub(crate) use tickets::controllers;

use crate::evidence::Sink;
use crate::techniques::Started;
use crate::world::World;

/// Evidence from a process start, whatever the way.
pub(crate) fn process(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    client::process(world, started, out);
    programs::process(world, started, out);
}

/// Evidence from hosts' logs and sensors, whatever the way.
pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    dropped::events(world, out);
    policy::events(world, out);
    served::events(world, out);
    refused::events(world, out);
    client::events(world, out);
    calls::events(world, out);
    tickets::network(world, out);
    tickets::events(world, out);
    tickets::validations(world, out);
    connections::events(world, out);
    logons::events(world, out);
    relayed::events(world, out);
    roles::events(world, out);
}
