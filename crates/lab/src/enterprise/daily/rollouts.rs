//! Rollouts: the same act on twenty or more hosts within minutes, only on some days.
//!
//! - A push of a management client: `ccmsetup.exe` into `ADMIN$`, installed as a service, started as SYSTEM (7045, 4697,
//!   5145), from the management server with an account of its own.
//! - An administrator who runs PsExec over a list from his desk, with his other account.
//! - A script over remoting from the same desk.
//!
//! Each act alone looks like an intruder's; twenty alike, from a usual source, are what distinguishes them.

use crate::sim::{MINUTE, SECOND};

use super::super::background::{Chore, Day, HOUR, Seats, agent, within, work};
use super::super::crew::Duty;
use super::super::plan::{Company, Role};
use crate::acts::{Approach, Program, Service};

const IMAGE: &str = "C:\\Program Files\\Quayside\\Management\\smsexec.exe";
const SETUP: &str = "C:\\Windows\\ccmsetup\\ccmsetup.exe";

pub(super) fn day(world: &mut Company, day: Day, seats: &Seats) {
    if !day.working {
        return;
    }
    match day.number % 7 {
        1 | 4 => push(world, day),
        2 => by_hand(world, day, seats, Chore::PsExec),
        3 => by_hand(world, day, seats, Chore::Remoting),
        _ => {}
    }
}

/// Some of the workstations, at least twenty if there are that many.
fn wave(world: &mut Company) -> Vec<usize> {
    let mut all: Vec<usize> = world.workstations().collect();
    let wanted = (all.len() / 4).max(20).min(all.len());
    while all.len() > wanted {
        let at = usize::try_from(world.sim.random.below(all.len() as u64)).unwrap_or(0);
        all.swap_remove(at);
    }
    all
}

fn push(world: &mut Company, day: Day) {
    let (Some(account), Some(src)) = (
        world.crew.pusher,
        world.of(Role::Deployment).first().copied(),
    ) else {
        return;
    };
    let who = world.sim.accounts[account].clone();
    let start = within(world, day, 10 * HOUR, 14 * HOUR);
    let (session, process) = agent(world, src, account, start, 2, IMAGE);
    let mut time = start + MINUTE;
    for dst in wave(world) {
        time += 3 * SECOND + world.sim.random.span(15 * SECOND);
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
        let command = format!("{SETUP} /runservice /config:MobileClient.tcf");
        let service = Service {
            name: "ccmsetup",
            path: &command,
            program: Program {
                image: SETUP,
                original: "ccmsetup.exe",
                command: &command,
            },
            file: Some("ccmsetup\\ccmsetup.exe"),
            pipes: None,
            over_tcp: true,
            payload: Some(Program {
                image: "C:\\Windows\\System32\\msiexec.exe",
                original: "msiexec.exe",
                command: "msiexec.exe /i client.msi /qn",
            }),
        };
        world
            .sim
            .remote_service(&approach, &service, time + 6 * MINUTE);
        world.note(src, dst, &who.name, "rollout");
    }
}

fn by_hand(world: &mut Company, day: Day, seats: &Seats, kind: Chore) {
    let member = world
        .crew
        .staff
        .iter()
        .find(|member| member.duty == Duty::Workstations && seats.contains_key(&member.desk))
        .cloned();
    let Some((member, seat)) =
        member.and_then(|member| seats.get(&member.desk).map(|seat| (member, seat)))
    else {
        return;
    };
    let mut time = within(world, day, 10 * HOUR, 14 * HOUR);
    for dst in wave(world) {
        time += 4 * SECOND + world.sim.random.span(12 * SECOND);
        work(world, kind, time, seat, dst, member.other, true);
    }
}
