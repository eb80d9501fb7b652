//! Agentless monitoring: one account queries 20 to 40 hosts over WMI every ten minutes, day and night.
//!
//! For each round and host Windows writes one logon of type 3 (4624, 4672, 4634), the connections to port 135 on both
//! ends, and with NTLM a 4776 on the domain controller; a Kerberos ticket lasts ten hours. No process starts, because
//! the provider host is already running. Networks that monitor by address use only NTLM, those that monitor by name use
//! Kerberos; here the enterprise does one of the two, depending on its seed. So it is a fan-out, every ten minutes, and
//! means nothing.

use crate::sim::{MINUTE, Package};

use super::super::background::{Day, agent};
use super::super::plan::{Company, Role};
use crate::acts::Approach;

const IMAGE: &str = "C:\\Program Files\\Quayside\\Npm\\collector.exe";

pub(super) fn day(world: &mut Company, day: Day) {
    let (Some(account), Some(src)) = (
        world.crew.poller,
        world.of(Role::Monitoring).first().copied(),
    ) else {
        return;
    };
    let mut targets = world.servers();
    targets.retain(|host| *host != src);
    targets.truncate(40);
    let most = targets.len().max(1);
    // With few servers, important workstations are monitored, too.
    targets.extend(world.workstations().take(20_usize.saturating_sub(most)));
    let who = world.sim.accounts[account].clone();
    let package = if who.sid.bytes().map(u64::from).sum::<u64>() % 2 == 0 {
        Package::Ntlm
    } else {
        Package::Kerberos
    };
    let (session, process) = agent(world, src, account, day.midnight, 23, IMAGE);
    let every = i64::from(world.profile.poll) * MINUTE;
    let mut round = day.midnight + 2 * MINUTE;
    let mut number = 0;
    while round < day.midnight + 23 * 60 * MINUTE {
        for dst in targets.iter().copied() {
            // Some did not answer the round's first query and are left out.
            if world.chance(1, 12) {
                continue;
            }
            let time = round + world.sim.random.span(every.min(2 * MINUTE));
            world.sim.probe(&Approach {
                time,
                client: &process,
                actor: &session,
                dst,
                account: &who,
                package,
                ticket: number % 60 == 0,
                explicit: false,
                foreign: false,
            });
            world.note(src, dst, &who.name, "monitoring round");
        }
        number += 1;
        round += every;
    }
}
