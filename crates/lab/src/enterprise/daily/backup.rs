//! A backup that installs a helper on every server each night, to keep its databases still while they are copied.
//!
//! It copies the helper to `ADMIN$` (5145, Sysmon 11), installs it as a service (7045, 4697), starts it as SYSTEM,
//! reads over SMB, and stops it. These are PsExec's traces, on all servers including domain controllers, within an
//! hour.

use crate::sim::{FILE_GENERIC_READ, MINUTE, SECOND, Share};

use super::super::background::{Day, HOUR, agent};
use super::super::plan::{Company, Role};
use crate::acts::{Approach, Program, Service};

const IMAGE: &str = "C:\\Program Files\\Quayside\\Backup\\qsguest.exe";
const HELPER: &str = "C:\\Windows\\QuaysideGuestHelper.exe";

pub(super) fn day(world: &mut Company, day: Day) {
    let Some(src) = world.of(Role::Backup).first().copied() else {
        return;
    };
    let account = world.backup;
    let who = world.sim.accounts[account].clone();
    let start = day.midnight + HOUR;
    let (session, process) = agent(world, src, account, start, 3, IMAGE);
    for dst in world.servers() {
        if dst == src {
            continue;
        }
        let time = start + 3 * MINUTE + world.sim.random.span(70 * MINUTE);
        let package = world.package();
        let approach = Approach {
            time,
            client: &process,
            actor: &session,
            dst,
            account: &who,
            package,
            ticket: true,
            explicit: false,
            foreign: false,
        };
        let service = Service {
            name: "QuaysideGuestHelper",
            path: HELPER,
            program: Program {
                image: HELPER,
                original: "qsguesthelper.exe",
                command: HELPER,
            },
            file: Some("QuaysideGuestHelper.exe"),
            pipes: None,
            over_tcp: world.chance(1, 2),
            payload: Some(Program {
                image: "C:\\Windows\\System32\\vssadmin.exe",
                original: "VSSADMIN.EXE",
                command: "vssadmin list writers",
            }),
        };
        let life = 2 * MINUTE + world.sim.random.span(10 * MINUTE);
        world.sim.remote_service(&approach, &service, time + life);
        let entered = world.sim.smb(&Approach {
            time: time + 20 * SECOND,
            ticket: false,
            ..approach
        });
        let share = Share {
            name: "C$",
            local: "\\??\\C:\\",
            paths: &[("pagefile.meta", FILE_GENERIC_READ)],
        };
        world.sim.share(
            time + 21 * SECOND,
            src,
            entered.port,
            &entered.session,
            share,
        );
        world.sim.logoff(time + life, &entered.session);
        world.note(src, dst, &who.name, "backup");
    }
}
