//! Terminal servers: a third of the people have a session there each day, return to it, and open shares from it.
//!
//! So many accounts use one host, and a share opened from there (4624 on the file server) has a source that a dozen
//! people share: an address cannot reveal whose session it was.

use crate::sim::{FILE_GENERIC_READ, MINUTE, SECOND, Share};

use super::super::background::{Day, HOUR, Seats, within};
use super::super::plan::{Company, Role};
use super::second_accounts::desktop;
use crate::acts::Approach;

pub(super) fn day(world: &mut Company, day: Day, seats: &Seats) {
    let farm = world.of(Role::Terminal);
    let files = world.of(Role::Files);
    if farm.is_empty() || files.is_empty() {
        return;
    }
    for (host, seat) in seats {
        if world.roles[*host] != Role::Workstation || host % 3 != 1 {
            continue;
        }
        let Some(own) = world.owners.get(host).copied() else {
            continue;
        };
        // A broker chooses the server, mostly yesterday's.
        let mut dst = farm[host % farm.len()];
        if world.chance(1, 6) {
            dst = *world.sim.random.pick(&farm);
        }
        let time = within(world, day, 9 * HOUR + 5 * MINUTE, 11 * HOUR);
        let end = within(world, day, 13 * HOUR, 15 * HOUR + 50 * MINUTE);
        let Some(session) = desktop(world, seat, dst, own, (time, end), false) else {
            continue;
        };
        let who = world.sim.accounts[own].clone();
        for _ in 0..world.some(1.5) {
            let at = time + 5 * MINUTE + world.sim.random.span(90 * MINUTE);
            let server = *world.sim.random.pick(&files);
            let package = world.package();
            let entered = world.sim.smb(&Approach {
                time: at,
                client: &session.explorer,
                actor: &session.session,
                dst: server,
                account: &who,
                package,
                ticket: true,
                explicit: false,
                foreign: false,
            });
            let share = Share {
                name: "Projects",
                local: "\\??\\D:\\Shares\\Projects",
                paths: &[("Projects\\board.qsx", FILE_GENERIC_READ)],
            };
            world
                .sim
                .share(at + SECOND, dst, entered.port, &entered.session, share);
            world.sim.logoff(at + 5 * MINUTE, &entered.session);
            world.note(dst, server, &who.name, "file share");
        }
    }
}
