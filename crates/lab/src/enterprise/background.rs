//! Daily work: what machines, people, administrators and service accounts do every day.

use std::collections::BTreeMap;

use crate::sim::local;
use crate::sim::{
    Account, Channel, FILE_GENERIC_READ, MINUTE, Package, Process, SECOND, Session, Share, s,
};

use super::plan::{Company, Role};
use crate::acts::{Approach, Desktop, Part, Program, Service};

pub(crate) const HOUR: i64 = 60 * MINUTE;

pub(crate) const CMD: &str = "C:\\Windows\\System32\\cmd.exe";
pub(crate) const POWERSHELL: &str =
    "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe";

const PROGRAMS: [(&str, &str); 6] = [
    ("C:\\Program Files\\Quayside\\Mail\\qmail.exe", "qmail.exe"),
    (
        "C:\\Program Files\\Quayside\\Browser\\browse.exe",
        "browse.exe",
    ),
    (
        "C:\\Program Files\\Quayside\\Office\\writer.exe",
        "writer.exe",
    ),
    (
        "C:\\Program Files\\Quayside\\Office\\sheets.exe",
        "sheets.exe",
    ),
    ("C:\\Windows\\System32\\notepad.exe", "NOTEPAD.EXE"),
    ("C:\\Windows\\System32\\calc.exe", "CALC.EXE"),
];

const CHORES: [(&str, &str); 4] = [
    (
        "C:\\Windows\\System32\\backgroundTaskHost.exe",
        "backgroundTaskHost.exe",
    ),
    (
        "C:\\Windows\\System32\\SearchProtocolHost.exe",
        "SearchProtocolHost.exe",
    ),
    ("C:\\Windows\\System32\\dllhost.exe", "dllhost.exe"),
    ("C:\\Windows\\System32\\conhost.exe", "CONHOST.EXE"),
];

/// A day to simulate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Day {
    pub(crate) midnight: i64,
    pub(crate) number: usize,
    pub(crate) working: bool,
}

/// Who sits where today.
pub(crate) type Seats = BTreeMap<usize, Desktop>;

/// Simulates a day of everything except the intrusions.
pub(crate) fn day(world: &mut Company, day: Day) -> Seats {
    for host in world.windows() {
        machine(world, host, day);
    }
    controllers(world, day);
    let mut seats = Seats::new();
    if day.working {
        for host in world.owners.keys().copied().collect::<Vec<_>>() {
            let station = world.roles[host] == Role::AdminStation;
            let must = station || world.present.contains(&(day.number, host));
            let here = world
                .employed
                .get(&host)
                .is_none_or(|(first, last)| (*first..=*last).contains(&day.number));
            if must || (here && world.chance(9, 10)) {
                let seat = person(world, host, day);
                seats.insert(host, seat);
            }
        }
        administrators(world, day, &seats);
        help_desk(world, day, &seats);
        terminal_users(world, day, &seats);
    }
    backup(world, day);
    deployment(world, day);
    scanner(world, day);
    monitoring(world, day);
    synchronisation(world, day);
    stale_password(world, day);
    seats
}

pub(crate) fn within(world: &mut Company, day: Day, from: i64, to: i64) -> i64 {
    day.midnight + from + world.sim.random.span(to - from)
}

/// A machine's own activity: policy from its domain controller, services, chores.
fn machine(world: &mut Company, host: usize, day: Day) {
    let account = world.sim.machine_account(host);
    let controller = world.sim.hosts[host].controller;
    if world.roles[host] != Role::Controller {
        let start = within(world, day, 0, 2 * HOUR);
        world.sim.tgt(start, host, &account);
        let system = world.sim.hosts[host].system.clone();
        let session = world.sim.system_session(host);
        let times = world.some(4.0).max(1);
        for number in 0..times {
            let time = within(world, day, 2 * HOUR, 24 * HOUR);
            let entered = world.sim.smb(&Approach {
                time,
                client: &system,
                actor: &session,
                dst: controller,
                account: &account,
                package: Package::Kerberos,
                ticket: number == 0,
                explicit: false,
                foreign: false,
            });
            let policy = format!(
                "{}\\Policies\\{{31B2F340-016D-11D2-945F-00C04FB984F9}}\\gpt.ini",
                world.sim.domain.dns
            );
            let paths = [(policy.as_str(), FILE_GENERIC_READ)];
            let share = Share {
                name: "SYSVOL",
                local: "\\??\\C:\\Windows\\SYSVOL\\sysvol",
                paths: &paths,
            };
            world
                .sim
                .share(time + SECOND, host, entered.port, &entered.session, share);
            world.sim.logoff(time + 20 * SECOND, &entered.session);
        }
    }
    let session = world.sim.system_session(host);
    for _ in 0..world.some(3.0) {
        let time = within(world, day, 0, 24 * HOUR);
        let system = Account {
            name: "SYSTEM".into(),
            first: String::new(),
            last: String::new(),
            sid: crate::sim::SYSTEM_SID.into(),
            admin: true,
            category: "system",
        };
        let name = world.sim.hosts[host].name.clone();
        world.sim.logon(time, host, &system, &local(&name, 5));
        world
            .sim
            .service_state(time + SECOND, host, "Windows Update", "running");
        world
            .sim
            .service_state(time + 5 * MINUTE, host, "Windows Update", "stopped");
    }
    for _ in 0..world.some(10.0) {
        let time = within(world, day, 0, 24 * HOUR);
        let (image, original) = *world.sim.random.pick(&CHORES);
        let parent = world.sim.part(host, Part::DcomLaunch);
        let command = format!("{image} -Embedding");
        let process = world
            .sim
            .spawn(time, &parent, &session, image, original, &command);
        let life = 5 * SECOND + world.sim.random.span(90 * SECOND);
        world.sim.exit(time + life, &process, &session);
    }
    if world.chance(1, 3) {
        let time = within(world, day, 0, 24 * HOUR);
        let image = "C:\\Windows\\System32\\taskhostw.exe";
        let program = Program {
            image,
            original: "taskhostw.exe",
            command: "taskhostw.exe",
        };
        let task = "\\Microsoft\\Windows\\Maintenance\\Scan";
        world
            .sim
            .run_task(time, host, task, program, time + 9 * SECOND);
    }
}

/// Domain controllers replicate from each other with their machine accounts.
fn controllers(world: &mut Company, day: Day) {
    let all = world.of(Role::Controller);
    for src in all.iter().copied() {
        for dst in all.iter().copied().filter(|dst| *dst != src) {
            let account = world.sim.machine_account(src);
            let client = world.sim.hosts[src].lsass.clone();
            let session = world.sim.system_session(src);
            for _ in 0..world.some(1.0) {
                let time = within(world, day, 0, 23 * HOUR);
                world.sim.replicate(&Approach {
                    time,
                    client: &client,
                    actor: &session,
                    dst,
                    account: &account,
                    package: Package::Kerberos,
                    ticket: true,
                    explicit: false,
                    foreign: false,
                });
                world.note(src, dst, &account.name, "replication");
            }
        }
    }
}

/// A day at a workstation.
fn person(world: &mut Company, host: usize, day: Day) -> Desktop {
    let owner = world.owners[&host];
    let account = world.sim.accounts[owner].clone();
    let start = within(world, day, 6 * HOUR + 30 * MINUTE, 9 * HOUR);
    let end = within(world, day, 16 * HOUR, 18 * HOUR);
    if world.chance(1, 6) {
        world.sim.mistyped(start - 12 * SECOND, host, &account);
    }
    let seat = world.sim.sit_down(start, host, &account);
    for _ in 0..world.some(9.0) {
        let time = start + 5 * MINUTE + world.sim.random.span(end - start - 30 * MINUTE);
        let (image, original) = *world.sim.random.pick(&PROGRAMS);
        let process = world.sim.spawn(
            time,
            &seat.explorer,
            &seat.session,
            image,
            original,
            &format!("\"{image}\""),
        );
        if world.chance(1, 2) {
            world.sim.web(time + 20 * SECOND, &process);
        }
        let life = MINUTE + world.sim.random.span(15 * MINUTE);
        world.sim.exit(time + life, &process, &seat.session);
    }
    // Files: mostly on the site's server.
    let site = world.sites[host];
    let servers = world.of(Role::Files);
    for _ in 0..world.some(5.0) {
        let time = start + 5 * MINUTE + world.sim.random.span(end - start - 40 * MINUTE);
        let own = world.at(Role::Files, site).unwrap_or(0);
        let dst = if world.chance(1, 10) {
            *world.sim.random.pick(&servers)
        } else {
            own
        };
        let name = format!("Projects\\plan-{:03}.qsx", world.sim.random.below(400));
        visit_share(
            world,
            time,
            (host, &seat),
            dst,
            owner,
            &[(&name, FILE_GENERIC_READ)],
        );
    }
    // The application on the database server.
    if world.chance(1, 3)
        && let Some(dst) = world.at(Role::Database, site)
    {
        let time = start + 20 * MINUTE + world.sim.random.span(3 * HOUR);
        let service = world.services.get(site).copied().unwrap_or(owner);
        let service = world.sim.accounts[service].clone();
        let lsass = world.sim.hosts[host].lsass.clone();
        world.sim.ticket(
            time - SECOND,
            &lsass,
            &account,
            (&service.name, &service.sid),
            0x12,
        );
        world.note(host, dst, &account.name, "database");
    }
    // Locked and unlocked.
    if world.chance(2, 3) {
        let at = within(world, day, 11 * HOUR, 14 * HOUR);
        let name = world.sim.hosts[host].name.clone();
        let (unlock, _) = world.sim.logon(at, host, &account, &local(&name, 7));
        world.sim.logoff(at + SECOND, &unlock);
    }
    world.sim.leave(end, &seat);
    seat
}

/// Somebody opens files on a share.
fn visit_share(
    world: &mut Company,
    time: i64,
    from: (usize, &Desktop),
    dst: usize,
    account: usize,
    paths: &[(&str, u32)],
) {
    let (src, seat) = from;
    let ticket = world.needs_ticket(src, dst, account);
    let package = world.package();
    let who = world.sim.accounts[account].clone();
    let entered = world.sim.smb(&Approach {
        time,
        client: &seat.explorer,
        actor: &seat.session,
        dst,
        account: &who,
        package,
        ticket,
        explicit: false,
        foreign: false,
    });
    let share = Share {
        name: "Projects",
        local: "\\??\\D:\\Shares\\Projects",
        paths,
    };
    world
        .sim
        .share(time + SECOND, src, entered.port, &entered.session, share);
    world.sim.logoff(time + 6 * MINUTE, &entered.session);
    world.note(src, dst, &who.name, "file share");
}

/// The ways in which administrators work on other hosts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Chore {
    Desktop,
    PsExec,
    Wmi,
    Remoting,
    Task,
    Install,
    Copy,
}

impl Chore {
    fn name(self) -> &'static str {
        match self {
            Self::Desktop => "remote desktop",
            Self::PsExec => "PsExec",
            Self::Wmi => "WMI",
            Self::Remoting => "PowerShell remoting",
            Self::Task => "scheduled task",
            Self::Install => "service",
            Self::Copy => "admin share",
        }
    }
}

/// One piece of an administrator's work on another host.
pub(crate) fn work(
    world: &mut Company,
    kind: Chore,
    time: i64,
    seat: &Desktop,
    dst: usize,
    account: usize,
    explicit: bool,
) {
    let src = seat.session.host;
    if src == dst {
        return;
    }
    let who = world.sim.accounts[account].clone();
    let ticket = explicit || world.needs_ticket(src, dst, account);
    let server = world.sim.hosts[dst].name.clone();
    let folder = world.sim.domain.folder();
    let package = world.tool_package();
    let given = if explicit {
        format!(" -u {}\\{}", world.sim.domain.netbios, who.name)
    } else {
        String::new()
    };
    let (image, original, command) = match kind {
        Chore::Desktop => (
            "C:\\Windows\\System32\\mstsc.exe",
            "mstsc.exe",
            format!("\"C:\\Windows\\System32\\mstsc.exe\" /v:{server}"),
        ),
        Chore::PsExec => (
            "C:\\Tools\\Sysinternals\\PsExec.exe",
            "psexec.c",
            format!("PsExec.exe \\\\{server}{given} -accepteula ipconfig /all"),
        ),
        Chore::Wmi => (
            "C:\\Windows\\System32\\wbem\\WMIC.exe",
            "wmic.exe",
            format!("wmic /node:{server} process call create \"gpupdate /force\""),
        ),
        Chore::Remoting => (POWERSHELL, "PowerShell.EXE", "powershell.exe".to_owned()),
        Chore::Task => (
            "C:\\Windows\\System32\\schtasks.exe",
            "schtasks.exe",
            format!(
                "schtasks /create /s {server} /tn {folder}\\Restart /tr \"net stop spooler\" /sc once /st 22:00 /ru SYSTEM"
            ),
        ),
        Chore::Install => (
            "C:\\Windows\\System32\\sc.exe",
            "sc.exe",
            format!(
                "sc \\\\{server} create QuaysideAgent binPath= \"C:\\Program Files\\Quayside\\Agent\\qsagent.exe\""
            ),
        ),
        Chore::Copy => (
            CMD,
            "Cmd.Exe",
            format!("cmd.exe /c copy C:\\Tools\\patch.msi \\\\{server}\\C$\\Temp\\patch.msi"),
        ),
    };
    let client = world.sim.spawn(
        time - 25 * SECOND,
        &seat.explorer,
        &seat.session,
        image,
        original,
        &command,
    );
    let approach = Approach {
        time,
        client: &client,
        actor: &seat.session,
        dst,
        account: &who,
        package,
        ticket,
        explicit,
        foreign: false,
    };
    let mut over = time + 40 * SECOND;
    let run = |image, original, command| Program {
        image,
        original,
        command,
    };
    match kind {
        Chore::Desktop => {
            over = time + 10 * MINUTE + world.sim.random.span(50 * MINUTE);
            let desktop = world.sim.desktop(&approach, over);
            for _ in 0..1 + world.sim.random.below(3) {
                let at = time + MINUTE + world.sim.random.span(7 * MINUTE);
                let (image, original) = *world.sim.random.pick(&[
                    ("C:\\Windows\\System32\\mmc.exe", "mmc.exe"),
                    (CMD, "Cmd.Exe"),
                    (POWERSHELL, "PowerShell.EXE"),
                    ("C:\\Windows\\System32\\Taskmgr.exe", "Taskmgr.exe"),
                ]);
                let process = world.sim.spawn(
                    at,
                    &desktop.explorer,
                    &desktop.session,
                    image,
                    original,
                    &format!("\"{image}\""),
                );
                world.sim.exit(at + 2 * MINUTE, &process, &desktop.session);
            }
            if world.chance(1, 5) {
                let back = Approach {
                    time: time + 9 * MINUTE,
                    ticket: false,
                    ..approach
                };
                world.sim.reconnect(&back, &desktop);
            }
        }
        Chore::PsExec => {
            let over_tcp = world.sim.random.below(2) == 0;
            let payload = run(
                "C:\\Windows\\System32\\ipconfig.exe",
                "ipconfig.exe",
                "\"ipconfig\" /all",
            );
            let until = time + 20 * SECOND;
            world
                .sim
                .psexec(&approach, "PSEXESVC", payload, over_tcp, until);
        }
        Chore::Wmi => {
            let program = run(
                "C:\\Windows\\System32\\gpupdate.exe",
                "GPUpdate.exe",
                "gpupdate /force",
            );
            world.sim.wmi(&approach, program, time + 15 * SECOND);
        }
        Chore::Remoting => {
            over = time + 5 * MINUTE + world.sim.random.span(20 * MINUTE);
            world.sim.remoting(&approach, None, over);
        }
        Chore::Task => {
            let program = run(
                "C:\\Windows\\System32\\net.exe",
                "net.exe",
                "net stop spooler",
            );
            let task = format!("\\{folder}\\Restart");
            world
                .sim
                .remote_task(&approach, &task, program, time + 20 * SECOND);
        }
        Chore::Install => {
            let path = "C:\\Program Files\\Quayside\\Agent\\qsagent.exe";
            let service = Service {
                name: "QuaysideAgent",
                path,
                program: run(path, "qsagent.exe", path),
                file: None,
                pipes: None,
                over_tcp: true,
                payload: None,
            };
            world
                .sim
                .remote_service(&approach, &service, time + 8 * HOUR);
        }
        Chore::Copy => {
            world.sim.copy_to(&approach, "Temp\\patch.msi", over);
        }
    }
    world.sim.exit(over + SECOND, &client, &seat.session);
    world.note(src, dst, &who.name, kind.name());
}

/// Each site's administrator works on its servers, and a domain administrator on the controllers.
fn administrators(world: &mut Company, day: Day, seats: &Seats) {
    for site in 0..world.administrators.len() {
        let account = world.administrators[site];
        let Some(seat) = world
            .at(Role::AdminStation, site)
            .and_then(|host| seats.get(&host))
        else {
            continue;
        };
        let targets: Vec<usize> = world
            .servers()
            .into_iter()
            .filter(|host| world.sites[*host] == site && world.roles[*host] != Role::Controller)
            .collect();
        for (kind, usual) in [
            (Chore::Desktop, 2.0),
            (Chore::Remoting, 0.8),
            (Chore::Copy, 0.4),
            (Chore::PsExec, 0.25),
            (Chore::Wmi, 0.25),
            (Chore::Install, 0.06),
            (Chore::Task, 0.1),
        ] {
            for _ in 0..world.some(usual) {
                let dst = *world.sim.random.pick(&targets);
                let time = within(world, day, 9 * HOUR + 10 * MINUTE, 15 * HOUR);
                work(world, kind, time, seat, dst, account, false);
            }
        }
        if world.chance(1, 2) {
            let one = *world.sim.random.pick(&world.domain_administrators.clone());
            let time = within(world, day, 10 * HOUR, 14 * HOUR);
            work(world, Chore::Desktop, time, seat, site, one, true);
        }
    }
}

/// The help desk uses the first workstation of a site, and its own account for other people's workstations.
fn help_desk(world: &mut Company, day: Day, seats: &Seats) {
    for site in 0..world.help_desk.len() {
        let account = world.help_desk[site];
        let targets: Vec<usize> = world
            .workstations()
            .filter(|host| world.sites[*host] == site)
            .collect();
        let Some(seat) = targets.first().and_then(|host| seats.get(host)) else {
            continue;
        };
        for (kind, usual) in [
            (Chore::Desktop, 1.2),
            (Chore::Copy, 0.5),
            (Chore::Remoting, 0.4),
            (Chore::PsExec, 0.2),
            (Chore::Wmi, 0.2),
        ] {
            for _ in 0..world.some(usual) {
                let dst = *world.sim.random.pick(&targets);
                let time = within(world, day, 9 * HOUR + 10 * MINUTE, 15 * HOUR);
                work(world, kind, time, seat, dst, account, true);
            }
        }
    }
}

/// Some people work on a terminal server, and return to their sessions.
fn terminal_users(world: &mut Company, day: Day, seats: &Seats) {
    let Some(dst) = world.of(Role::Terminal).first().copied() else {
        return;
    };
    for (host, seat) in seats {
        if world.roles[*host] != Role::Workstation || host % 10 != 3 {
            continue;
        }
        let account = world.owners[host];
        let who = world.sim.accounts[account].clone();
        let time = within(world, day, 9 * HOUR + 5 * MINUTE, 11 * HOUR);
        let image = "C:\\Windows\\System32\\mstsc.exe";
        let client = world.sim.spawn(
            time - 20 * SECOND,
            &seat.explorer,
            &seat.session,
            image,
            "mstsc.exe",
            "\"C:\\Windows\\System32\\mstsc.exe\"",
        );
        let ticket = world.needs_ticket(*host, dst, account);
        let approach = Approach {
            time,
            client: &client,
            actor: &seat.session,
            dst,
            account: &who,
            package: Package::Kerberos,
            ticket,
            explicit: false,
            foreign: false,
        };
        let end = within(world, day, 13 * HOUR, 15 * HOUR + 50 * MINUTE);
        let desktop = world.sim.desktop(&approach, end);
        if world.chance(1, 3) {
            let back = Approach {
                time: within(world, day, 11 * HOUR + 10 * MINUTE, 12 * HOUR + 50 * MINUTE),
                ticket: false,
                ..approach
            };
            world.sim.reconnect(&back, &desktop);
        }
        world.sim.exit(end + SECOND, &client, &seat.session);
        world.note(*host, dst, &who.name, "remote desktop");
    }
}

/// The session and process of an agent that works under a service account for some hours.
pub(crate) fn agent(
    world: &mut Company,
    host: usize,
    account: usize,
    time: i64,
    hours: i64,
    image: &str,
) -> (Session, Process) {
    let who = world.sim.accounts[account].clone();
    world.sim.tgt(time - SECOND, host, &who);
    let name = world.sim.hosts[host].name.clone();
    let (session, _) = world.sim.logon(time, host, &who, &local(&name, 5));
    let services = world.sim.hosts[host].services.clone();
    let file = image.rsplit('\\').next().unwrap_or(image);
    let process = world.sim.spawn_as(
        time + SECOND,
        &services,
        &session,
        Program {
            image,
            original: file,
            command: image,
        },
    );
    world.sim.exit(time + hours * HOUR, &process, &session);
    world.sim.logoff(time + hours * HOUR + SECOND, &session);
    (session, process)
}

fn backup(world: &mut Company, day: Day) {
    let Some(src) = world.of(Role::Backup).first().copied() else {
        return;
    };
    let start = day.midnight + 20 * HOUR;
    let account = world.backup;
    let image = "C:\\Program Files\\Quayside\\Backup\\qsbackup.exe";
    let (session, process) = agent(world, src, account, start, 3, image);
    let who = world.sim.accounts[account].clone();
    let mut targets = world.of(Role::Files);
    targets.extend(world.of(Role::Database));
    targets.extend(world.of(Role::Application).into_iter().take(20));
    for dst in targets {
        for number in 0..world.some(2.0).max(1) {
            let time = start + MINUTE + world.sim.random.span(150 * MINUTE);
            let approach = Approach {
                time,
                client: &process,
                actor: &session,
                dst,
                account: &who,
                package: Package::Kerberos,
                ticket: number == 0,
                explicit: false,
                foreign: false,
            };
            let entered = world.sim.smb(&approach);
            let name = format!("set{:02}\\block.dat", number);
            let paths = [(name.as_str(), FILE_GENERIC_READ)];
            let share = Share {
                name: "D$",
                local: "\\??\\D:\\",
                paths: &paths,
            };
            world
                .sim
                .share(time + SECOND, src, entered.port, &entered.session, share);
            world.sim.logoff(time + 3 * MINUTE, &entered.session);
            world.note(src, dst, &who.name, "backup");
        }
    }
}

/// Software is deployed to some hosts every day, and to all workstations every other week.
fn deployment(world: &mut Company, day: Day) {
    let Some(src) = world.of(Role::Deployment).first().copied() else {
        return;
    };
    if !day.working {
        return;
    }
    let account = world.deployment;
    let start = day.midnight + 11 * HOUR;
    let image = "C:\\Program Files\\Quayside\\Deploy\\qsdeploy.exe";
    let (session, process) = agent(world, src, account, start, 5, image);
    let who = world.sim.accounts[account].clone();
    let wave = day.number % 14 == 8;
    for dst in world.workstations().collect::<Vec<_>>() {
        if !wave && !world.chance(1, 40) {
            continue;
        }
        let time = start + MINUTE + world.sim.random.span(4 * HOUR);
        let approach = Approach {
            time,
            client: &process,
            actor: &session,
            dst,
            account: &who,
            package: Package::Kerberos,
            ticket: true,
            explicit: false,
            foreign: false,
        };
        let path = "C:\\Windows\\QuaysideRunner\\qsrunner.exe";
        let service = Service {
            name: "QuaysideRunner-1",
            path,
            program: Program {
                image: path,
                original: "qsrunner.exe",
                command: path,
            },
            file: Some("QuaysideRunner\\qsrunner.exe"),
            pipes: None,
            over_tcp: true,
            payload: Some(Program {
                image: "C:\\Windows\\System32\\msiexec.exe",
                original: "msiexec.exe",
                command: "msiexec.exe /i C:\\Windows\\QuaysideRunner\\package.msi /qn",
            }),
        };
        let until = time + 2 * MINUTE;
        world.sim.remote_service(&approach, &service, until);
        world.note(src, dst, &who.name, "software deployment");
    }
}

/// The vulnerability scanner visits each host once a week, guesses passwords, then logs on with its own account.
fn scanner(world: &mut Company, day: Day) {
    let Some(src) = world.of(Role::Scanner).first().copied() else {
        return;
    };
    let account = world.scanner;
    let start = day.midnight + 18 * HOUR;
    let image = "C:\\Program Files\\Quayside\\Scan\\qsscan.exe";
    let (session, process) = agent(world, src, account, start, 5, image);
    let who = world.sim.accounts[account].clone();
    for dst in world.windows() {
        if dst % 7 != day.number % 7 || dst == src {
            continue;
        }
        let time = start + MINUTE + world.sim.random.span(4 * HOUR);
        for name in ["admin", "guest", "Administrator"] {
            world
                .sim
                .refused(time - 20 * SECOND, src, dst, name, 0xc000_0064);
        }
        let approach = Approach {
            time,
            client: &process,
            actor: &session,
            dst,
            account: &who,
            package: Package::Ntlm,
            ticket: false,
            explicit: false,
            foreign: true,
        };
        let entered = world.sim.smb(&approach);
        let paths = [("winreg", 0x12_019f), ("svcctl", 0x12_019f)];
        let share = Share {
            name: "IPC$",
            local: "",
            paths: &paths,
        };
        world
            .sim
            .share(time + SECOND, src, entered.port, &entered.session, share);
        world
            .sim
            .service_state(time + 2 * SECOND, dst, "Remote Registry", "running");
        world.sim.logoff(time + 90 * SECOND, &entered.session);
        world.sim.wmi_query(&Approach {
            time: time + 10 * SECOND,
            ..approach
        });
        world.note(src, dst, &who.name, "vulnerability scan");
    }
}

fn monitoring(world: &mut Company, day: Day) {
    let Some(src) = world.of(Role::Monitoring).first().copied() else {
        return;
    };
    let account = world.monitoring;
    let image = "C:\\Program Files\\Quayside\\Monitor\\qsmonitor.exe";
    let (session, process) = agent(world, src, account, day.midnight, 23, image);
    let who = world.sim.accounts[account].clone();
    for dst in world.servers() {
        if dst == src {
            continue;
        }
        for number in 0..world.some(3.0) {
            let time = within(world, day, MINUTE, 22 * HOUR);
            world.sim.wmi_query(&Approach {
                time,
                client: &process,
                actor: &session,
                dst,
                account: &who,
                package: Package::Kerberos,
                ticket: number == 0,
                explicit: false,
                foreign: false,
            });
            world.note(src, dst, &who.name, "monitoring");
        }
    }
}

/// The server that copies accounts to a cloud directory replicates secrets like an intruder, but with permission.
fn synchronisation(world: &mut Company, day: Day) {
    let Some(src) = world.of(Role::Sync).first().copied() else {
        return;
    };
    let account = world.sync;
    let image = "C:\\Program Files\\Quayside\\Sync\\qssync.exe";
    let (session, process) = agent(world, src, account, day.midnight + HOUR, 22, image);
    let who = world.sim.accounts[account].clone();
    for _ in 0..world.some(2.0) {
        let time = within(world, day, 2 * HOUR, 22 * HOUR);
        world.sim.replicate(&Approach {
            time,
            client: &process,
            actor: &session,
            dst: 0,
            account: &who,
            package: Package::Kerberos,
            ticket: true,
            explicit: false,
            foreign: false,
        });
        world.note(src, 0, &who.name, "directory synchronisation");
    }
}

/// A service somewhere still uses the previous password.
fn stale_password(world: &mut Company, day: Day) {
    let (Some(src), Some(dst)) = (
        world.of(Role::Application).last().copied(),
        world.of(Role::Files).first().copied(),
    ) else {
        return;
    };
    for hour in 0..24 {
        let time = day.midnight + hour * HOUR + 13 * MINUTE;
        world.sim.refused(time, src, dst, "svc_legacy", 0xc000_006a);
        if hour == 3 {
            let data = vec![("param1", s("Quayside Legacy")), ("param2", s("stopped"))];
            world
                .sim
                .log(src, Channel::System, time, (7036, 0, 0), data);
        }
    }
}
