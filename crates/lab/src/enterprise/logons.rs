//! Worlds of logon events only, in any number: for measuring how a hunt scales.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::LabError;
use crate::clock::{micros, tomorrow};
use crate::output::Output;
use crate::sim::{Channel, MINUTE, Package, SECOND, check};

use super::EnterpriseOptions;
use super::{founding, plan};
use crate::acts::Approach;

/// The number of logon events to generate.
#[derive(Debug, Clone)]
pub struct LogonOptions {
    /// Seed: the same seed and options give the same files.
    pub seed: u64,
    /// Minimum number of events.
    pub events: u64,
    /// Hosts.
    pub hosts: usize,
    /// Days over which they are spread.
    pub days: usize,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogonWorld {
    /// `logons`.
    pub kind: String,
    /// Records in all logs.
    pub events: u64,
    /// Hosts with a log.
    pub hosts: u64,
    /// Size of all EVTX files in bytes.
    pub evtx_bytes: u64,
}

/// Generates the Security logs of an enterprise in which accounts log on to hosts over the network, and nothing else
/// happens: 4624, 4634, 4648, 4672, 4768, 4769 and 4776.
///
/// # Errors
/// If the options describe no world or a file cannot be written.
pub fn build_logons(options: &LogonOptions, directory: &Path) -> Result<LogonWorld, LabError> {
    check(options.days >= 1, "days", "at least one is needed")?;
    check(
        (12..=5_000).contains(&options.hosts),
        "hosts",
        "from 12 to 5000 are possible",
    )?;
    check(
        (1..=1_000_000_000).contains(&options.events),
        "logons",
        "from 1 to 1000000000 are possible",
    )?;
    fs::create_dir_all(directory).map_err(|error| LabError::io("create", directory, error))?;
    let usual = EnterpriseOptions::default();
    let mut world = founding::populate(&EnterpriseOptions {
        seed: options.seed,
        hosts: options.hosts,
        ..usual
    })?;
    for host in &mut world.sim.hosts {
        host.sysmon = false;
        host.process_audit = false;
    }
    let mut output = Output::new(directory)?;
    output.left_out = (0..world.sim.hosts.len())
        .flat_map(|host| plan::CHANNELS.map(|channel| (host, channel)))
        .filter(|(_, channel)| *channel != Channel::Security)
        .collect();
    let servers = world.servers();
    let clients: Vec<usize> = world.owners.keys().copied().collect();
    let mut date = EnterpriseOptions::default().start;
    for number in 0..options.days {
        world.new_addresses(number);
        let midnight = micros(date)?;
        date = tomorrow(date)?;
        let target = options
            .events
            .saturating_mul(number as u64 + 1)
            .div_ceil(options.days as u64);
        // Parts of a day, so that memory does not grow with the number of events.
        loop {
            let made = output.events() + world.sim.pending.len() as u64;
            if made >= target {
                break;
            }
            let acts = (target - made).div_ceil(4).clamp(1, 25_000);
            for _ in 0..acts {
                let src = *world.sim.random.pick(&clients);
                let dst = *world.sim.random.pick(&servers);
                let owner = world.owners[&src];
                let who = world.sim.accounts[owner].clone();
                let ntlm = world.chance(1, 6);
                let system = world.sim.hosts[src].system.clone();
                let session = world.sim.system_session(src);
                let approach = Approach {
                    time: midnight + world.sim.random.span(1_430 * MINUTE),
                    client: &system,
                    actor: &session,
                    dst,
                    account: &who,
                    package: if ntlm {
                        Package::Ntlm
                    } else {
                        Package::Kerberos
                    },
                    ticket: world.chance(1, 2),
                    explicit: world.chance(1, 20),
                    foreign: false,
                };
                let entered = world.sim.smb(&approach);
                let life = SECOND + world.sim.random.span(8 * MINUTE);
                world.sim.logoff(approach.time + life, &entered.session);
            }
            world.sim.conns.clear();
            if world.sim.pending.len() > 400_000 {
                // From here on written in the order of creation: the day is too large to be sorted as one.
                output.flush(&mut world.sim, i64::MAX)?;
            }
        }
        output.flush(&mut world.sim, i64::MAX)?;
    }
    let made = LogonWorld {
        kind: "logons".into(),
        events: output.events(),
        hosts: world.sim.hosts.len() as u64,
        evtx_bytes: output.bytes(),
    };
    output.finish()?;
    let path = directory.join("truth.json");
    let text = serde_json::to_string_pretty(&made)
        .map_err(|error| LabError::io("write", &path, std::io::Error::other(error)))?;
    fs::write(&path, text + "\n").map_err(|error| LabError::io("write", &path, error))?;
    Ok(made)
}
