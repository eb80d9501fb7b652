//! Administrators with two accounts: they log on at the desk as one and work as the other.
//!
//! - `runas` leaves a 4648 of the everyday account for the other one, to `localhost`, by the secondary logon service, and a
//!   4624 of type 2 by `seclogo` on the desk; what they start there reaches other hosts as the other account.
//! - `runas /netonly` leaves a 4624 of type 9 by `seclogo`: what passing the hash leaves, too.
//! - Credentials typed into a tool leave a 4648 for each target.
//! - A jump host: remote desktop there as the other account (4648, 4624 of type 10), then on to two or three servers. Its
//!   path of two hops with a change of account is what an intruder's looks like.
//!
//! Half of the other accounts are named after a rule, half are not: their names do not reveal the owner.

use crate::sim::{Account, Logon, MINUTE, SECOND, Session};

use super::super::background::{Chore, Day, HOUR, POWERSHELL, Seats, within, work};
use super::super::crew::{Duty, Member, Switch};
use super::super::plan::{Company, Role};
use crate::acts::{Approach, Desktop, Program};

pub(super) fn day(world: &mut Company, day: Day, seats: &Seats) {
    for member in world.crew.staff.clone() {
        let Some(seat) = seats.get(&member.desk) else {
            continue;
        };
        if member.duty == Duty::Workstations {
            // The help desk is a separate kind.
            continue;
        }
        let targets = targets(world, &member);
        if targets.is_empty() {
            continue;
        }
        match member.switch {
            Switch::Jump => jump(world, day, seat, &member, &targets),
            Switch::RunAs | Switch::NetOnly => {
                let time = within(world, day, 9 * HOUR + 5 * MINUTE, 10 * HOUR);
                let shell = shell(world, time, seat, &member);
                for (kind, dst) in chores(world, &targets) {
                    let at = within(world, day, 10 * HOUR + 5 * MINUTE, 15 * HOUR);
                    work(world, kind, at, &shell, dst, member.other, false);
                }
            }
            Switch::Prompt => {
                for (kind, dst) in chores(world, &targets) {
                    let at = within(world, day, 9 * HOUR + 10 * MINUTE, 15 * HOUR);
                    work(world, kind, at, seat, dst, member.other, true);
                }
            }
        }
    }
}

/// Where somebody has work today: mostly on their own servers, now and then on somebody else's.
fn targets(world: &mut Company, member: &Member) -> Vec<usize> {
    if member.duty == Duty::Directory {
        return world.of(Role::Controller);
    }
    let all = world.member_servers();
    if member.servers.is_empty() || world.chance(1, 8) {
        all
    } else {
        member.servers.clone()
    }
}

/// The day's work.
fn chores(world: &mut Company, targets: &[usize]) -> Vec<(Chore, usize)> {
    let mut out = Vec::new();
    for (kind, usual) in [
        (Chore::Desktop, 1.2),
        (Chore::Remoting, 0.9),
        (Chore::Copy, 0.4),
        (Chore::Wmi, 0.2),
        (Chore::PsExec, 0.2),
        (Chore::Task, 0.05),
        (Chore::Install, 0.05),
    ] {
        for _ in 0..world.some(usual) {
            out.push((kind, *world.sim.random.pick(targets)));
        }
    }
    out
}

/// To the jump host as the other account, and onward from there.
fn jump(world: &mut Company, day: Day, seat: &Desktop, member: &Member, targets: &[usize]) {
    let all = world.crew.jump_hosts.clone();
    if all.is_empty() || (member.duty == Duty::Directory && world.chance(1, 2)) {
        return;
    }
    let jump = *world.sim.random.pick(&all);
    let time = within(world, day, 9 * HOUR + 10 * MINUTE, 13 * HOUR);
    let Some(desktop) = desktop(
        world,
        seat,
        jump,
        member.other,
        (time, time + 150 * MINUTE),
        true,
    ) else {
        return;
    };
    for (kind, dst) in chores(world, targets) {
        let at = time + 3 * MINUTE + world.sim.random.span(75 * MINUTE);
        work(world, kind, at, &desktop, dst, member.other, false);
    }
}

/// A remote desktop session for others to work in; none if the account already has one there.
pub(super) fn desktop(
    world: &mut Company,
    seat: &Desktop,
    dst: usize,
    account: usize,
    (time, until): (i64, i64),
    explicit: bool,
) -> Option<Desktop> {
    let src = seat.session.host;
    if src == dst {
        return None;
    }
    let server = world.sim.hosts[dst].name.clone();
    let image = "C:\\Windows\\System32\\mstsc.exe";
    let client = world.sim.spawn(
        time - 20 * SECOND,
        &seat.explorer,
        &seat.session,
        image,
        "mstsc.exe",
        &format!("\"{image}\" /v:{server}"),
    );
    let ticket = explicit || world.needs_ticket(src, dst, account);
    let package = world.tool_package();
    let who = world.sim.accounts[account].clone();
    let desktop = world.sim.desktop(
        &Approach {
            time,
            client: &client,
            actor: &seat.session,
            dst,
            account: &who,
            package,
            ticket,
            explicit,
            foreign: false,
        },
        until,
    );
    world.sim.exit(until + SECOND, &client, &seat.session);
    world.note(src, dst, &who.name, "remote desktop");
    Some(desktop)
}

/// A shell as the other account at the desk; it stays until the person leaves.
fn shell(world: &mut Company, time: i64, seat: &Desktop, member: &Member) -> Desktop {
    let host = seat.session.host;
    let who = world.sim.accounts[member.other].clone();
    let own = world
        .owners
        .get(&host)
        .map_or_else(|| who.clone(), |own| world.sim.accounts[*own].clone());
    let net_only = member.switch == Switch::NetOnly;
    let command = format!(
        "runas.exe {}/user:{}\\{} powershell.exe",
        if net_only { "/netonly " } else { "" },
        world.sim.domain.netbios,
        who.name
    );
    let runas = world.sim.spawn(
        time - 5 * SECOND,
        &seat.explorer,
        &seat.session,
        "C:\\Windows\\System32\\runas.exe",
        "RUNAS.EXE",
        &command,
    );
    let session = if net_only {
        world.sim.new_credentials(time, &seat.session, &own, &who).0
    } else {
        secondary(world, time, &seat.session, &who)
    };
    let process = world.sim.spawn_as(
        time + 200_000,
        &runas,
        &session,
        Program {
            image: POWERSHELL,
            original: "PowerShell.EXE",
            command: "powershell.exe",
        },
    );
    world.sim.exit(time + SECOND, &runas, &seat.session);
    let end = time + 7 * HOUR + 30 * MINUTE;
    world.sim.exit(end, &process, &session);
    world.sim.logoff(end + SECOND, &session);
    Desktop {
        session,
        explorer: process,
    }
}

/// The secondary logon service logs another account on at the desk: 4648 by its `svchost`, 4768, 4624 of type 2.
fn secondary(world: &mut Company, time: i64, seat: &Session, who: &Account) -> Session {
    let host = seat.host;
    world.sim.tgt(time - SECOND, host, who);
    let service = world.sim.hosts[host].schedule.clone();
    world.sim.explicit(
        time - 100_000,
        seat,
        (&service.image, service.pid),
        who,
        ("localhost", "localhost".to_owned()),
        [0; 16],
    );
    let how = Logon {
        kind: 2,
        process: "seclogo",
        package: "Negotiate",
        workstation: world.sim.hosts[host].name.clone(),
        ip: "::1".into(),
        port: "0".into(),
        outbound: "-",
        subject: Some(seat),
    };
    let (mut session, _) = world.sim.logon(time, host, who, &how);
    session.terminal = seat.terminal;
    session
}
