//! What each way of moving leaves behind, one file each. A technique reads event types and states what it sees; it
//! knows nothing of how hops are put together.

pub(crate) mod credential;
pub(crate) mod dcom;
pub(crate) mod dropped;
pub(crate) mod exploit;
pub(crate) mod mssql;
pub(crate) mod network;
pub(crate) mod rdp;
pub(crate) mod refused;
pub(crate) mod registry;
pub(crate) mod relay;
pub(crate) mod service;
pub(crate) mod smb;
pub(crate) mod source;
pub(crate) mod ssh;
pub(crate) mod task;
pub(crate) mod winrm;
pub(crate) mod wmi;

use crabwalk_activity::{base_name, is_service_logon};

use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::World;

/// A process's names in lower case.
pub(crate) struct Started {
    pub at: usize,
    pub image: String,
    pub parent: String,
    pub command: String,
}

/// Everything that the logs say for movements.
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
        service::process(world, &started, &mut out);
        wmi::process(world, &started, &mut out);
        dcom::process(world, &started, &mut out);
        winrm::process(world, &started, &mut out);
        rdp::process(world, &started, &mut out);
        mssql::process(world, &started, &mut out);
        relay::process(world, &started, &mut out);
        source::process(world, &started, &mut out);
    }
    service::events(world, &mut out);
    smb::events(world, &mut out);
    dropped::events(world, &mut out);
    task::events(world, &mut out);
    wmi::events(world, &mut out);
    dcom::events(world, &mut out);
    winrm::events(world, &mut out);
    rdp::events(world, &mut out);
    mssql::events(world, &mut out);
    ssh::events(world, &mut out);
    registry::events(world, &mut out);
    refused::events(world, &mut out);
    relay::events(world, &mut out);
    exploit::events(world, &mut out);
    credential::events(world, &mut out);
    source::events(world, &mut out);
    network::events(world, &mut out);
    out
}

/// What a process on the destination says.
pub(crate) fn ran(
    world: &World<'_>,
    at: usize,
    family: Family,
    act: Act,
    techniques: &[&'static str],
    what: String,
) -> Option<Evidence> {
    let process = world.processes.get(at)?;
    let mut evidence = Evidence::new(
        Kind::DestinationExecution,
        family,
        act,
        process.host,
        process.time,
        process.reference,
        what,
    )
    .technique(techniques)
    .effective(process.user.filter(|_| process.own_session))
    .in_session(world, process.logon_id);
    evidence.weight = 0.15;
    evidence.class = Class::Execution;
    evidence.process = Some(at);
    // The session is not in the logs, but Sysmon says when it began.
    if evidence.session.is_none() && !is_service_logon(process.logon_id) {
        evidence.used = process.user;
        evidence.connected = process.logon_time;
    }
    Some(evidence)
}

/// A command line, cut to what can be read.
pub(crate) fn brief(text: &str) -> String {
    const MOST: usize = 160;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(MOST).collect();
    cut.push('…');
    cut
}
