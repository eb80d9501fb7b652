//! A vulnerability scanner that sweeps every host each night, and twice a week scans with its own account.
//!
//! The sweep tries nonexistent names and default passwords (4625 with `0xc0000064` and `0xc000006a` on each host). The
//! authenticated scan logs on with NTLM (4624, 4776), because the scanner has addresses and no names, opens `winreg`
//! and `svcctl` over `IPC$` (5145), and has Remote Registry started (7036). In the logs this is password spraying, and
//! a fan-out to everything by one account.

use crate::sim::{MINUTE, Package, SECOND, Share};

use super::super::background::{Day, HOUR, agent};
use super::super::plan::{Company, Role};
use crate::acts::Approach;

const IMAGE: &str = "C:\\Program Files\\Quayside\\Scan\\qssweep.exe";
const GUESSES: [(&str, u32); 4] = [
    ("root", 0xc000_0064),
    ("admin", 0xc000_0064),
    ("Administrator", 0xc000_006a),
    ("svc_sql", 0xc000_0064),
];

pub(super) fn day(world: &mut Company, day: Day) {
    let Some(src) = world.of(Role::Scanner).first().copied() else {
        return;
    };
    let account = world.scanner;
    let who = world.sim.accounts[account].clone();
    let start = day.midnight + 20 * HOUR;
    let (session, process) = agent(world, src, account, start, 3, IMAGE);
    let whole = day.number % 7 == 1 || day.number % 7 == 4;
    for dst in world.windows() {
        if dst == src {
            continue;
        }
        // It goes by address, one host after the other.
        let at = i64::try_from(dst).unwrap_or(0) * (100 * MINUTE)
            / i64::try_from(world.roles.len()).unwrap_or(1);
        let time = start + 2 * MINUTE + at + world.sim.random.span(20 * SECOND);
        for (number, (name, sub)) in GUESSES.into_iter().enumerate() {
            let later = i64::try_from(number).unwrap_or(0) * SECOND;
            world.sim.refused(time + later, src, dst, name, sub);
        }
        if !whole {
            continue;
        }
        let entered = world.sim.smb(&Approach {
            time: time + 10 * SECOND,
            client: &process,
            actor: &session,
            dst,
            account: &who,
            package: Package::Ntlm,
            ticket: false,
            explicit: false,
            foreign: true,
        });
        let share = Share {
            name: "IPC$",
            local: "",
            paths: &[("winreg", 0x12_019f), ("svcctl", 0x12_019f)],
        };
        world.sim.share(
            time + 11 * SECOND,
            src,
            entered.port,
            &entered.session,
            share,
        );
        world
            .sim
            .service_state(time + 12 * SECOND, dst, "Remote Registry", "running");
        world.sim.logoff(time + 60 * SECOND, &entered.session);
        world.note(src, dst, &who.name, "vulnerability scan");
    }
}
