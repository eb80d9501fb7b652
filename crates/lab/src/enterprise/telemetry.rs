//! Which logs there are.

use crate::sim::{Channel, Random};

use super::plan::{CHANNELS, Company, Role};
use super::profile::Telemetry;

/// Logon events: what a logons-only collection has.
pub(crate) const LOGONS: [u16; 14] = [
    4624, 4625, 4634, 4647, 4648, 4672, 4768, 4769, 4770, 4771, 4776, 4778, 4779, 1102,
];

/// Decides which host has which logs. Non-Windows hosts have none in any case.
pub(crate) fn choose(world: &mut Company, telemetry: Telemetry, seed: u64) {
    if telemetry == Telemetry::Usual {
        return;
    }
    let mut random = Random(seed ^ 0x7465_6c65);
    world.left_out.clear();
    for host in 0..world.roles.len() {
        let role = world.roles[host];
        let (sysmon, audit, left_out): (bool, bool, &[Channel]) = match telemetry {
            Telemetry::Usual | Telemetry::Full => (true, true, &[]),
            Telemetry::LoginOnly => (false, false, &CHANNELS[1..]),
            Telemetry::Mixed => match random.below(12) {
                // Controllers have at least Security.
                0 if role != Role::Controller => (false, false, &CHANNELS),
                1 | 2 if role != Role::Controller => (
                    true,
                    false,
                    &[
                        Channel::Security,
                        Channel::System,
                        Channel::Sessions,
                        Channel::Connections,
                        Channel::RdpClient,
                        Channel::Tasks,
                        Channel::WinRm,
                        Channel::RdpCore,
                        Channel::OpenSsh,
                    ],
                ),
                0..5 => (false, false, &CHANNELS[1..]),
                5..8 => (false, random.below(2) == 0, &CHANNELS[2..]),
                _ => (true, random.below(3) == 0, &[]),
            },
        };
        world.sim.hosts[host].sysmon = sysmon;
        world.sim.hosts[host].process_audit = audit;
        world
            .left_out
            .extend(left_out.iter().map(|channel| (host, *channel)));
    }
}
