//! A small company with its working days and one intrusion.

mod intrusion;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use jiff::civil::{Date, Weekday};

use crate::acts::{Approach, Program};
use crate::clock::{micros, tomorrow};
use crate::evtx_writer::Value;
use crate::output::Output;
use crate::sim::{
    Account, Channel, FILE_GENERIC_READ, MINUTE, Package, Process, Random, Remote, SECOND, Session,
    Share, Sim, check, check_names, local, s,
};
use crate::truth::{SCHEMA, Truth, TruthAccount, TruthHost};
use crate::{LabError, Options};

pub use intrusion::DETECTIONS;

const HOUR: i64 = 60 * MINUTE;
const PEOPLE: [(&str, &str); 12] = [
    ("Ines", "Vollmer"),
    ("Tomas", "Arden"),
    ("Priya", "Castell"),
    ("Jonas", "Wicke"),
    ("Marta", "Lindqvist"),
    ("Samuel", "Orji"),
    ("Helen", "Brandt"),
    ("Luca", "Ferran"),
    ("Noor", "Haddad"),
    ("Peter", "Sandoval"),
    ("Anja", "Kowal"),
    ("Edwin", "Marsh"),
];
const PROGRAMS: [(&str, &str, &str); 6] = [
    (
        "C:\\Program Files\\Quayside\\Mail\\qmail.exe",
        "qmail.exe",
        "",
    ),
    (
        "C:\\Program Files\\Quayside\\Browser\\browse.exe",
        "browse.exe",
        " --type=renderer",
    ),
    (
        "C:\\Program Files\\Quayside\\Office\\writer.exe",
        "writer.exe",
        " /n",
    ),
    (
        "C:\\Program Files\\Quayside\\Office\\sheets.exe",
        "sheets.exe",
        "",
    ),
    ("C:\\Windows\\System32\\notepad.exe", "NOTEPAD.EXE", ""),
    ("C:\\Windows\\System32\\calc.exe", "CALC.EXE", ""),
];

const CHORES: [(&str, &str); 3] = [
    (
        "C:\\Windows\\System32\\backgroundTaskHost.exe",
        "backgroundTaskHost.exe",
    ),
    ("C:\\Windows\\System32\\wbem\\WmiPrvSE.exe", "Wmiprvse.exe"),
    ("C:\\Windows\\System32\\dllhost.exe", "dllhost.exe"),
];

pub(crate) const DC: usize = 0;
pub(crate) const FILES: usize = 1;
pub(crate) const SQL: usize = 2;
pub(crate) const BACKUP: usize = 3;

/// Where things are in the world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) first_workstation: usize,
    pub(crate) workstations: usize,
    /// Accounts after the users of the workstations.
    pub(crate) admin: usize,
    pub(crate) sql_service: usize,
    pub(crate) backup_service: usize,
}

impl Plan {
    pub(crate) fn admin_workstation(&self) -> usize {
        self.first_workstation + self.workstations - 1
    }
}

pub(crate) fn populate(options: &Options, workstations: usize) -> Result<(Sim, Plan), LabError> {
    let boot = micros(options.start)? - 11 * 24 * HOUR;
    let random = Random(options.seed ^ 0x6c61_6221);
    let mut sim = Sim::new(random, &options.dns, &options.netbios);
    let names = ["TIDE-DC01", "TIDE-FS01", "TIDE-SQL01", "TIDE-BK01"];
    let roles = [
        "domain controller",
        "file server",
        "database server",
        "backup server",
    ];
    for index in 0..=options.servers {
        let number = u8::try_from(index).unwrap_or(0);
        let name = names.get(index).map_or_else(
            || format!("TIDE-APP{:02}", index - 3),
            |name| (*name).to_owned(),
        );
        let role = roles.get(index).copied().unwrap_or("application server");
        // The file server has no Sysmon: only Security 4688 sees its processes. The DC has both.
        let sources = (index != FILES, index == DC || index == FILES);
        sim.add_host(
            name,
            (0, 10 + number),
            role,
            "common_rdp_destination",
            boot,
            sources,
        );
    }
    let first_workstation = sim.hosts.len();
    for index in 0..workstations {
        let admin = index + 1 == workstations;
        let category = if admin {
            "common_rdp_source"
        } else {
            "workstation"
        };
        let role = if admin {
            "admin workstation"
        } else {
            "workstation"
        };
        let (net, last) = (1 + index / 200, 20 + index % 200);
        let address = (
            u8::try_from(net).unwrap_or(255),
            u8::try_from(last).unwrap_or(0),
        );
        sim.add_host(
            format!("PIER-WS{:02}", index + 1),
            address,
            role,
            category,
            boot,
            (!admin, admin),
        );
    }
    let mut add = |name: String, first: &str, last: &str, admin: bool, category: &'static str| {
        let sid = format!("{}-{}", sim.domain_sid, 2_101 + sim.accounts.len());
        sim.accounts.push(Account {
            name,
            first: first.into(),
            last: last.into(),
            sid,
            admin,
            category,
        });
        sim.accounts.len() - 1
    };
    for index in 0..workstations - 1 {
        let (first, last) = PEOPLE[index % PEOPLE.len()];
        let round = index / PEOPLE.len();
        let number = if round == 0 {
            String::new()
        } else {
            (round + 1).to_string()
        };
        let name =
            format!("{}.{}{number}", first.chars().next().unwrap_or('x'), last).to_lowercase();
        add(name, first, last, false, "normal");
    }
    let admin = add("adm.reiter".into(), "Klara", "Reiter", true, "privileged");
    let sql_service = add("svc_sql".into(), "", "", false, "service");
    let backup_service = add("svc_backup".into(), "", "", true, "service");
    Ok((
        sim,
        Plan {
            first_workstation,
            workstations,
            admin,
            sql_service,
            backup_service,
        },
    ))
}

/// The parts of a user's day on a workstation that other acts build on.
pub(crate) struct Seat {
    pub(crate) session: Session,
    pub(crate) explorer: Process,
}

/// One working day of everyone. `midnight` in µs UTC. Returns the sessions at the workstations.
pub(crate) fn working_day(sim: &mut Sim, plan: Plan, midnight: i64, number: usize) -> Vec<Seat> {
    sim.new_day();
    for host in 0..sim.hosts.len() {
        machine_day(sim, host, midnight, number);
    }
    let seats: Vec<Seat> = (0..plan.workstations)
        .map(|index| user_day(sim, plan, index, midnight))
        .collect();
    admin_day(sim, plan, midnight, &seats);
    backup_night(sim, plan, midnight);
    seats
}

/// A machine's own activity: tickets and policy from the DC, services, tasks.
fn machine_day(sim: &mut Sim, host: usize, midnight: i64, number: usize) {
    let account = sim.machine_account(host);
    let lsass = sim.hosts[host].lsass.clone();
    let system_account = Account {
        name: "SYSTEM".into(),
        first: String::new(),
        last: String::new(),
        sid: "S-1-5-18".into(),
        admin: true,
        category: "system",
    };
    for hour in 0..24 {
        let time = midnight + hour * HOUR + sim.random.span(50 * MINUTE);
        let name = sim.hosts[host].name.clone();
        let (_, _) = sim.logon(time, host, &system_account, &local(&name, 5));
        let service = *sim.random.pick(&[
            "Windows Update",
            "Background Intelligent Transfer Service",
            "WMI Performance Adapter",
        ]);
        sim.service_state(time + SECOND, host, service, "running");
        sim.service_state(time + 4 * MINUTE, host, service, "stopped");
        let system = sim.system_session(host);
        let parent = sim.hosts[host].svchost.clone();
        for chore in 0..6 {
            let at = midnight + hour * HOUR + chore * 10 * MINUTE + sim.random.span(9 * MINUTE);
            let (image, original) = *sim.random.pick(&CHORES);
            let process = sim.spawn(
                at,
                &parent,
                &system,
                image,
                original,
                &format!("{image} -Embedding"),
            );
            let file = format!(
                "C:\\Windows\\Temp\\qs{:06x}.log",
                sim.random.below(0xff_ffff)
            );
            sim.file(at + SECOND, &process, &file);
            sim.registry(
                at + SECOND,
                &process,
                "HKLM\\SOFTWARE\\Quayside\\Agent\\LastRun",
                &file,
            );
            let life = 10 * SECOND + sim.random.span(90 * SECOND);
            sim.exit(at + life, &process, &system);
        }
        if hour % 6 == 0 {
            let data = vec![
                ("param1", s("Background Intelligent Transfer Service")),
                ("param2", s("demand start")),
                ("param3", s("auto start")),
                ("param4", s("BITS")),
            ];
            sim.log(host, Channel::System, time + 2 * SECOND, (7040, 0, 0), data);
        }
        if hour % 2 == 1 && host != DC {
            if hour % 8 == 1 {
                sim.tgt(time + 10 * SECOND, host, &account);
            }
            let (session, port, _) = sim.network_logon(&Remote {
                src: host,
                dst: DC,
                account: &account,
                time: time + 11 * SECOND,
                port: 445,
                service: "smb",
                package: Package::Kerberos,
                client: &lsass,
                ticket: hour % 8 == 1,
                duration: 9 * SECOND,
            });
            let policy = format!("{}\\Policies\\gpt.ini", sim.domain.dns);
            let paths = [(policy.as_str(), FILE_GENERIC_READ)];
            let share = Share {
                name: "SYSVOL",
                local: "\\??\\C:\\Windows\\SYSVOL\\sysvol",
                paths: &paths,
            };
            sim.share(time + 12 * SECOND, host, port, &session, share);
            sim.note(host, DC, &account.name, "policy");
            sim.logoff(time + 20 * SECOND, &session);
        }
        if hour % 4 == 2 {
            let image = "C:\\Windows\\System32\\taskhostw.exe";
            let task = format!("\\{}\\Inventory", sim.domain.folder());
            let at = time + 6 * MINUTE;
            let program = Program {
                image,
                original: "taskhostw.exe",
                command: "taskhostw.exe Inventory",
            };
            sim.run_task(at, host, &task, program, at + 9 * SECOND);
        }
    }
    if number == host % 3 {
        // A software update installs its service, once per host.
        let session = sim.system_session(host);
        let path = "\"C:\\Program Files\\Quayside\\Update\\qsupdate.exe\" /svc";
        let time = midnight + 5 * HOUR + sim.random.span(HOUR);
        sim.install_service(time, &session, "QuaysideUpdate", path, "auto start");
        sim.service_state(time + 2 * SECOND, host, "Quayside Update", "running");
    }
}

fn user_day(sim: &mut Sim, plan: Plan, index: usize, midnight: i64) -> Seat {
    let host = plan.first_workstation + index;
    let account = sim.accounts[index].clone();
    let account = if host == plan.admin_workstation() {
        sim.accounts[plan.admin].clone()
    } else {
        account
    };
    let name = sim.hosts[host].name.clone();
    let start = midnight + 7 * HOUR + 30 * MINUTE + sim.random.span(55 * MINUTE);
    let end = midnight + 16 * HOUR + 30 * MINUTE + sim.random.span(70 * MINUTE);
    if sim.random.below(3) == 0 {
        sim.mistyped(start - 9 * SECOND, host, &account);
    }
    sim.tgt(start - SECOND, host, &account);
    let (session, _) = sim.logon(start, host, &account, &local(&name, 2));
    sim.lsm(start + SECOND, &session, 21, "LOCAL");
    sim.lsm(start + 2 * SECOND, &session, 22, "LOCAL");
    let services = sim.hosts[host].services.clone();
    let path = "C:\\Windows\\System32\\userinit.exe";
    let winlogon = Process {
        image: "C:\\Windows\\System32\\winlogon.exe".into(),
        command: "winlogon.exe".into(),
        pid: services.pid + 60,
        guid: sim.process_guid(host, start - 30 * SECOND, services.pid + 60),
        ..services
    };
    let init = sim.spawn(
        start + SECOND,
        &winlogon,
        &session,
        path,
        "USERINIT.EXE",
        path,
    );
    sim.exit(start + 25 * SECOND, &init, &session);
    let path = "C:\\Windows\\explorer.exe";
    let explorer = sim.spawn(
        start + 2 * SECOND,
        &init,
        &session,
        path,
        "EXPLORER.EXE",
        path,
    );
    // Programs, the web, and what they write.
    let mut time = start + 3 * MINUTE;
    while time < end - 20 * MINUTE {
        let (image, original, rest) = *sim.random.pick(&PROGRAMS);
        let process = sim.spawn(
            time,
            &explorer,
            &session,
            image,
            original,
            &format!("\"{image}\"{rest}"),
        );
        for _ in 0..sim.random.below(5) {
            let later = time + sim.random.span(4 * MINUTE);
            sim.web(later, &process);
        }
        let file = format!(
            "C:\\Users\\{}\\AppData\\Local\\Temp\\q{:05x}.tmp",
            account.name,
            sim.random.below(0xf_ffff)
        );
        sim.file(time + 2 * SECOND, &process, &file);
        let key = format!("HKU\\{}\\Software\\Quayside\\Recent\\Last", account.sid);
        sim.registry(time + 5 * SECOND, &process, &key, &file);
        let life = 5 * MINUTE + sim.random.span(10 * MINUTE);
        sim.exit(time + life, &process, &session);
        time += 4 * MINUTE + sim.random.span(14 * MINUTE);
    }
    // Files on the file server.
    let mut time = start + 6 * MINUTE;
    let mut first = true;
    let system = sim.hosts[host].system.clone();
    while time < end - 20 * MINUTE {
        let (network, port, _) = sim.network_logon(&Remote {
            src: host,
            dst: FILES,
            account: &account,
            time,
            port: 445,
            service: "smb",
            package: Package::Kerberos,
            client: &system,
            ticket: first,
            duration: 6 * MINUTE,
        });
        first = false;
        let names: Vec<String> = (0..2 + sim.random.below(5))
            .map(|_| format!("Projects\\plan-{:03}.qsx", sim.random.below(400)))
            .collect();
        let paths: Vec<(&str, u32)> = names
            .iter()
            .map(|name| (name.as_str(), FILE_GENERIC_READ))
            .collect();
        let share = Share {
            name: "Projects",
            local: "\\??\\D:\\Shares\\Projects",
            paths: &paths,
        };
        sim.share(time + SECOND, host, port, &network, share);
        sim.note(host, FILES, &account.name, "files");
        sim.logoff(time + 6 * MINUTE, &network);
        time += 25 * MINUTE + sim.random.span(30 * MINUTE);
    }
    // The application on the database server: its service account's SPN, AES.
    let service = sim.accounts[plan.sql_service].clone();
    let time = start + 20 * MINUTE;
    let lsass = sim.hosts[host].lsass.clone();
    sim.ticket(
        time - SECOND,
        &lsass,
        &account,
        (&service.name, &service.sid),
        0x12,
    );
    let (application, _, _) = sim.network_logon(&Remote {
        src: host,
        dst: SQL,
        account: &account,
        time,
        port: 1433,
        service: "-",
        package: Package::Kerberos,
        client: &explorer,
        ticket: false,
        duration: 3 * HOUR,
    });
    sim.logoff(time + 3 * HOUR, &application);
    sim.note(host, SQL, &account.name, "database");
    // Lunch: locked and unlocked.
    let lock = midnight + 11 * HOUR + 40 * MINUTE + sim.random.span(30 * MINUTE);
    for (id, at) in [(4800, lock), (4801, lock + 35 * MINUTE)] {
        let data = vec![
            ("TargetUserSid", Value::Sid(session.sid.clone())),
            ("TargetUserName", s(session.name.clone())),
            ("TargetDomainName", s(sim.domain.netbios.clone())),
            ("TargetLogonId", Value::Hex64(session.luid)),
            ("SessionId", Value::U32(session.terminal)),
        ];
        sim.log(host, Channel::Security, at, (id, 0, 12_551), data);
    }
    let (unlock, _) = sim.logon(
        lock + 35 * MINUTE - SECOND,
        host,
        &account,
        &local(&name, 7),
    );
    sim.logoff(lock + 35 * MINUTE, &unlock);
    sim.exit(end - SECOND, &explorer, &session);
    sim.lsm(end, &session, 23, "LOCAL");
    sim.logoff(end, &session);
    Seat { session, explorer }
}

/// The administrator's work: remote desktop to the servers, and a look at their tasks.
fn admin_day(sim: &mut Sim, plan: Plan, midnight: i64, seats: &[Seat]) {
    let Some(seat) = seats.last() else { return };
    let account = sim.accounts[plan.admin].clone();
    for (number, dst) in [FILES, SQL, BACKUP].into_iter().enumerate() {
        let number = i64::try_from(number).unwrap_or(0);
        let time = midnight + 9 * HOUR + number * 50 * MINUTE + sim.random.span(15 * MINUTE);
        let (desktop, _) = sim.mstsc(
            time,
            (&seat.explorer, &seat.session),
            dst,
            &account,
            25 * MINUTE,
        );
        sim.note(seat.session.host, dst, &account.name, "remote desktop");
        let image = "C:\\Windows\\System32\\cmd.exe";
        let at = time + 3 * MINUTE;
        let shell = sim.spawn(
            at,
            &desktop.explorer,
            &desktop.session,
            image,
            "Cmd.Exe",
            "\"C:\\Windows\\System32\\cmd.exe\"",
        );
        let image = "C:\\Windows\\System32\\schtasks.exe";
        let command = format!(
            "schtasks.exe /query /tn \\{}\\Inventory",
            sim.domain.folder()
        );
        let tasks = sim.spawn(
            at + 20 * SECOND,
            &shell,
            &desktop.session,
            image,
            "schtasks.exe",
            &command,
        );
        sim.exit(at + 21 * SECOND, &tasks, &desktop.session);
        sim.exit(at + 5 * MINUTE, &shell, &desktop.session);
    }
}

/// The backup account copies files over SMB and opens a WinRM shell on each server.
fn backup_night(sim: &mut Sim, plan: Plan, midnight: i64) {
    let account = sim.accounts[plan.backup_service].clone();
    let start = midnight + 21 * HOUR;
    sim.tgt(start, BACKUP, &account);
    let name = sim.hosts[BACKUP].name.clone();
    let (session, _) = sim.logon(start + SECOND, BACKUP, &account, &local(&name, 5));
    let services = sim.hosts[BACKUP].services.clone();
    let image = "C:\\Program Files\\Quayside\\Backup\\qsbackup.exe";
    let agent = sim.spawn(
        start + 2 * SECOND,
        &services,
        &session,
        image,
        "qsbackup.exe",
        &format!("\"{image}\" /night"),
    );
    let system = sim.hosts[BACKUP].system.clone();
    for dst in [FILES, SQL] {
        let time = start + MINUTE;
        let approach = Approach {
            time,
            client: &agent,
            actor: &session,
            dst,
            account: &account,
            package: Package::Kerberos,
            ticket: true,
            explicit: false,
            foreign: false,
        };
        sim.remoting(&approach, None, time + 15 * SECOND);
        sim.note(BACKUP, dst, &account.name, "remoting");
        for step in 0..20 {
            let time = start + 3 * MINUTE + step * 4 * MINUTE + sim.random.span(MINUTE);
            let (network, port, _) = sim.network_logon(&Remote {
                src: BACKUP,
                dst,
                account: &account,
                time,
                port: 445,
                service: "smb",
                package: Package::Kerberos,
                client: &system,
                ticket: step == 0,
                duration: 2 * MINUTE,
            });
            let names: Vec<String> = (0..6)
                .map(|n| format!("set{step:02}\\block{n}.dat"))
                .collect();
            let paths: Vec<(&str, u32)> = names
                .iter()
                .map(|name| (name.as_str(), FILE_GENERIC_READ))
                .collect();
            let share = Share {
                name: "Backup",
                local: "\\??\\D:\\Backup",
                paths: &paths,
            };
            sim.share(time + SECOND, BACKUP, port, &network, share);
            sim.note(BACKUP, dst, &account.name, "files");
            sim.logoff(time + 2 * MINUTE, &network);
        }
    }
    sim.exit(start + 100 * MINUTE, &agent, &session);
    sim.logoff(start + 100 * MINUTE, &session);
}

/// The next working day on or after `date`.
pub(crate) fn working(mut date: Date) -> Result<Date, LabError> {
    while matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
        date = tomorrow(date)?;
    }
    Ok(date)
}

pub(crate) fn lookups(sim: &Sim, plan: Plan, directory: &Path) -> Result<(), LabError> {
    let mut assets = String::from(
        "ip,mac,nt_host,dns,owner,priority,lat,long,city,country,bunit,category,pci_domain,is_expected,should_timesync,should_update,requires_av\n",
    );
    for (index, host) in sim.hosts.iter().enumerate() {
        let owner = owner(sim, plan, index).map_or("it", |account| account.name.as_str());
        let priority = if index == DC {
            "critical"
        } else if index < plan.first_workstation {
            "high"
        } else {
            "medium"
        };
        let unit = if index < plan.first_workstation {
            "it"
        } else {
            "operations"
        };
        let _ = writeln!(
            assets,
            "{},{},{},{},{owner},{priority},,,Kelp Bay,,{unit},{},,true,true,true,true",
            host.ip,
            host.mac,
            host.name,
            host.fqdn(),
            host.category
        );
    }
    let mut identities = String::from(
        "identity,prefix,nick,first,last,suffix,email,phone,managedBy,priority,bunit,category,watchlist,startDate,endDate,work_city,work_country,work_lat,work_long\n",
    );
    let (netbios, dns) = (&sim.domain.netbios, &sim.domain.dns);
    for account in &sim.accounts {
        let name = &account.name;
        let (priority, unit) = if account.admin {
            ("high", "it")
        } else {
            ("medium", "operations")
        };
        let email = if account.last.is_empty() {
            String::new()
        } else {
            format!("{name}@{dns}")
        };
        let _ = writeln!(
            identities,
            "{name}|{netbios}\\{name}|{name}@{dns},,,{},{},,{email},,,{priority},{unit},{},,,,Kelp Bay,,,",
            account.first, account.last, account.category
        );
    }
    for (name, text) in [("assets.csv", assets), ("identities.csv", identities)] {
        let path = directory.join(name);
        fs::write(&path, text).map_err(|error| LabError::io("write", &path, error))?;
    }
    Ok(())
}

fn owner(sim: &Sim, plan: Plan, host: usize) -> Option<&Account> {
    if host == plan.admin_workstation() {
        return sim.accounts.get(plan.admin);
    }
    sim.accounts.get(host.checked_sub(plan.first_workstation)?)
}

/// Generates the world; see [`crate::build`].
pub(crate) fn build(options: &Options, directory: &Path) -> Result<Truth, LabError> {
    check(
        options.days >= 1,
        "days",
        "at least one day is needed; give 1 or more",
    )?;
    check(
        options.workstations >= 3,
        "workstations",
        "at least three are needed (two that are attacked, one of the administrator)",
    )?;
    check(
        options.workstations <= 5_000,
        "workstations",
        "at most 5000 are possible",
    )?;
    check(
        (3..=40).contains(&options.servers),
        "servers",
        "from 3 to 40 are possible",
    )?;
    check_names(&options.dns, &options.netbios)?;
    fs::create_dir_all(directory).map_err(|error| LabError::io("create", directory, error))?;
    let target = options.target_bytes.unwrap_or(0);
    // Larger worlds have more workstations, so that they do not last for years.
    let workstations = options
        .workstations
        .max(usize::try_from(target / 16_000_000).unwrap_or(0).min(60));
    let (mut sim, plan) = populate(options, workstations)?;
    let mut truth = Truth {
        schema: SCHEMA.into(),
        seed: options.seed,
        ..Truth::default()
    };
    let mut output = Output::new(directory)?;
    let mut date = working(options.start)?;
    truth.start = date.to_string();
    let mut number = 0;
    let attacked = usize::from(options.days > 1);
    let mut acts = Vec::new();
    while number < options.days || output.bytes() < target {
        let midnight = micros(date)?;
        let seats = working_day(&mut sim, plan, midnight, number);
        if options.intrusion && number == attacked {
            acts = intrusion::run(&mut sim, plan, midnight, &seats);
        }
        let next = working(tomorrow(date)?)?;
        output.flush(&mut sim, micros(next)?)?;
        output.zeek(&mut sim, date)?;
        truth.days += 1;
        date = next;
        number += 1;
    }
    output.flush(&mut sim, i64::MAX)?;
    (truth.events, truth.logons) = (output.events(), output.logons());
    truth.evtx_bytes = output.bytes();
    output.finish()?;
    lookups(&sim, plan, directory)?;
    truth.domain.clone_from(&sim.domain.dns);
    truth.netbios.clone_from(&sim.domain.netbios);
    truth.hosts = sim
        .hosts
        .iter()
        .map(|host| TruthHost {
            name: host.name.clone(),
            fqdn: host.fqdn(),
            ips: vec![host.ip.clone()],
            role: host.role.into(),
            category: host.category.into(),
            sysmon: host.sysmon,
            process_auditing: host.process_audit,
            ..TruthHost::default()
        })
        .collect();
    truth.accounts = sim
        .accounts
        .iter()
        .map(|account| TruthAccount {
            name: account.name.clone(),
            sid: account.sid.clone(),
            category: account.category.into(),
            administrator: account.admin,
        })
        .collect();
    truth.daily = sim.daily_access();
    intrusion::tell(acts, &mut sim, &mut truth);
    truth.write(directory)?;
    Ok(truth)
}
