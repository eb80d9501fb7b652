//! Configuration management from one non-Windows machine: twice a day over WS-Management to most servers.
//!
//! Nobody has logs of the source, and http.sys hides its address in the 4624 (type 3, mostly NTLM). The server only
//! records a shell (WinRM 91), `wsmprovhost.exe` as the automation's account and, if a module starts a program, its
//! encoded command line. The controller records a 4776 without workstation, or tickets for an address that no host's
//! log names.

use crate::sim::{MINUTE, Package, SECOND};

use super::super::background::{Day, HOUR, POWERSHELL};
use super::super::plan::{Company, Role};
use crate::acts::{Approach, Program};

pub(super) fn day(world: &mut Company, day: Day) {
    let (Some(account), Some(src)) = (
        world.crew.automation,
        world.of(Role::Automation).first().copied(),
    ) else {
        return;
    };
    let who = world.sim.accounts[account].clone();
    let targets: Vec<usize> = world
        .servers()
        .into_iter()
        .filter(|host| world.roles[*host] != Role::Controller && host % 5 != 2)
        .collect();
    let client = world.sim.hosts[src].system.clone();
    let session = world.sim.system_session(src);
    for hour in [5, 13] {
        let mut time = day.midnight + hour * HOUR + world.sim.random.span(20 * MINUTE);
        for dst in targets.iter().copied() {
            time += 2 * SECOND + world.sim.random.span(10 * SECOND);
            let ntlm = world.chance(3, 4);
            let approach = Approach {
                time,
                client: &client,
                actor: &session,
                dst,
                account: &who,
                package: if ntlm {
                    Package::Ntlm
                } else {
                    Package::Kerberos
                },
                ticket: true,
                explicit: false,
                foreign: true,
            };
            let module = Program {
                image: POWERSHELL,
                original: "PowerShell.EXE",
                command: "powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Unrestricted -EncodedCommand JgBjAGgAYwBwAC4AYwBvAG0A",
            };
            let program = world.chance(1, 3).then_some(module);
            let life = 20 * SECOND + world.sim.random.span(3 * MINUTE);
            world.sim.remoting(&approach, program, time + life);
            world.note(src, dst, &who.name, "configuration management");
        }
    }
}
