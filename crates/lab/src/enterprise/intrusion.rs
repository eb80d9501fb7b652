//! The intruders: where they come in, which route they take, and with whose credentials.

use jiff::civil::Weekday;

use crate::LabError;
use crate::attack::Attack;
use crate::clock::{micros, tomorrow};
use crate::sim::{Account, MINUTE, Package, Process, Random, SECOND, Session};

use super::EnterpriseOptions;
use super::background::{CMD, HOUR, POWERSHELL, Seats};
use super::plan::{Company, Role};
use crate::acts::{Approach, Program, Running, Service};

/// A way to another host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    PsExec,
    RenamedPsExec,
    /// A tool that implements the protocols itself installs a service with a random name.
    ForeignService,
    /// A service whose program is a command line.
    CommandService,
    Wmi,
    ForeignWmi,
    DcomConsole,
    DcomShell,
    Remoting,
    Desktop,
    Task,
    /// A program is copied to the system drive and started with WMI.
    CopyWmi,
    /// A program is copied to the system drive and started as a service.
    CopyService,
    Ssh,
    Replication,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::PsExec => "PsExec",
            Self::RenamedPsExec => "PsExec, renamed",
            Self::ForeignService => "service by a foreign tool",
            Self::CommandService => "service that is a command line",
            Self::Wmi => "WMI",
            Self::ForeignWmi => "WMI by a foreign tool",
            Self::DcomConsole => "DCOM, MMC",
            Self::DcomShell => "DCOM, shell of another user",
            Self::Remoting => "PowerShell remoting",
            Self::Desktop => "remote desktop",
            Self::Task => "scheduled task",
            Self::CopyWmi => "copy, then WMI",
            Self::CopyService => "copy, then service",
            Self::Ssh => "SSH",
            Self::Replication => "directory replication",
        }
    }

    fn technique(self) -> &'static str {
        match self {
            Self::PsExec
            | Self::RenamedPsExec
            | Self::ForeignService
            | Self::CommandService
            | Self::CopyService => "T1569.002",
            Self::Wmi | Self::ForeignWmi | Self::CopyWmi => "T1047",
            Self::DcomConsole | Self::DcomShell => "T1021.003",
            Self::Remoting => "T1021.006",
            Self::Desktop => "T1021.001",
            Self::Task => "T1053.005",
            Self::Ssh => "T1021.004",
            Self::Replication => "T1003.006",
        }
    }

    /// Whether Windows on the source has no part in the logon.
    fn foreign(self) -> bool {
        matches!(
            self,
            Self::ForeignService | Self::CommandService | Self::ForeignWmi
        )
    }
}

/// How an account is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credentials {
    Own,
    Password,
    PassTheHash,
    HashInTool,
    OverpassTheHash,
    PassTheTicket,
}

impl Credentials {
    fn name(self) -> &'static str {
        match self {
            Self::Own => "those of the session",
            Self::Password => "name and password given to the tool",
            Self::PassTheHash => "pass the hash, new credentials",
            Self::HashInTool => "pass the hash, in the tool",
            Self::OverpassTheHash => "overpass the hash",
            Self::PassTheTicket => "pass the ticket",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) time: i64,
    pub(super) dst: usize,
    pub(super) account: usize,
    pub(super) method: Method,
    /// Drawn beforehand; decides the credentials.
    pub(super) draw: u64,
    /// Whether the intruder moves from the entry point instead of the current host.
    pub(super) from_entry: bool,
}

/// A hop that was made.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) src: usize,
    pub(crate) dst: usize,
    pub(crate) account: String,
    pub(crate) actor: String,
    pub(crate) method: &'static str,
    pub(crate) credentials: &'static str,
    pub(crate) technique: &'static str,
    pub(crate) time: i64,
    pub(crate) mark: usize,
}

#[derive(Debug, Clone)]
struct Foothold {
    process: Process,
    session: Session,
    /// Whether the session can act for its account on other hosts.
    speaks: bool,
    account: Option<usize>,
}

/// An intrusion, planned and partly carried out.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) number: usize,
    /// By goal and stealth: then the route is found when it begins.
    pub(crate) attack: Option<Attack>,
    pub(crate) entry: usize,
    pub(crate) clears: Option<(usize, i64)>,
    pub(crate) roasted: Vec<String>,
    pub(crate) done: Vec<Done>,
    start: i64,
    end: i64,
    roasts: bool,
    steps: Vec<Step>,
    next: usize,
    foothold: Option<Foothold>,
    first: Option<Foothold>,
    /// Whether a route was searched for, found or not.
    sought: bool,
    cleared: bool,
}

/// Plans all intrusions before the first day.
pub(crate) fn plan(
    world: &mut Company,
    options: &EnterpriseOptions,
) -> Result<Vec<Plan>, LabError> {
    let mut random = Random(options.seed ^ 0x696e_7472_7564);
    let mut mornings = Vec::new();
    let mut date = options.start;
    for number in 0..options.days {
        let working = !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        // Nothing happens on the first day, so that there is a clean day; everything ends before the last is over.
        if working && number > 0 {
            mornings.push((number, micros(date)?));
        }
        date = tomorrow(date)?;
    }
    let last = micros(date)?;
    if !options.attacks.is_empty() {
        return Ok(by_protocol(options, &mut random, &mornings));
    }
    let mut entries: Vec<usize> = world.workstations().collect();
    let mut plans = Vec::new();
    for number in 0..options.intrusions {
        let Some((day, morning)) = mornings
            .get(usize::try_from(random.below(mornings.len() as u64)).unwrap_or(0))
            .copied()
        else {
            break;
        };
        let at = usize::try_from(random.below(entries.len() as u64)).unwrap_or(0);
        let entry = entries.swap_remove(at);
        world.present.insert((day, entry));
        let start = morning + 9 * HOUR + 30 * MINUTE + random.span(90 * MINUTE);
        let length = 2 + random.below(5);
        let steps = route(world, &mut random, entry, start, length, last - 2 * HOUR);
        let end =
            steps.last().map_or(start, |step| step.time) + 40 * MINUTE + random.span(50 * MINUTE);
        let clears = (random.below(6) == 0).then(|| {
            let step = &steps[usize::try_from(random.below(steps.len() as u64)).unwrap_or(0)];
            (step.dst, end - 5 * MINUTE)
        });
        let clears = clears.filter(|(host, _)| {
            world.roles[*host] != Role::Controller
                && !plans
                    .iter()
                    .any(|other: &Plan| other.clears.is_some_and(|(own, _)| own == *host))
        });
        plans.push(Plan {
            number,
            attack: None,
            entry,
            clears,
            roasted: Vec::new(),
            done: Vec::new(),
            start,
            end,
            roasts: random.below(3) == 0,
            steps,
            next: 0,
            foothold: None,
            first: None,
            sought: false,
            cleared: false,
        });
    }
    Ok(plans)
}

/// Attacks by goal and stealth, in rotation, on days preceded by half of all days.
fn by_protocol(
    options: &EnterpriseOptions,
    random: &mut Random,
    mornings: &[(usize, i64)],
) -> Vec<Plan> {
    let late: Vec<i64> = mornings
        .iter()
        .filter(|(day, _)| day * 2 >= options.days)
        .map(|(_, morning)| *morning)
        .collect();
    let mornings: Vec<i64> = if late.is_empty() {
        mornings.iter().map(|(_, morning)| *morning).collect()
    } else {
        late
    };
    if mornings.is_empty() {
        return Vec::new();
    }
    options
        .attacks
        .iter()
        .cycle()
        .take(options.intrusions)
        .enumerate()
        .map(|(number, attack)| {
            let start = *random.pick(&mornings) + 9 * HOUR + 30 * MINUTE + random.span(90 * MINUTE);
            Plan {
                number,
                attack: Some(*attack),
                entry: 0,
                clears: None,
                roasted: Vec::new(),
                done: Vec::new(),
                start,
                end: start + 5 * HOUR,
                roasts: false,
                steps: Vec::new(),
                next: 0,
                foothold: None,
                first: None,
                sought: false,
                cleared: false,
            }
        })
        .collect()
}

/// Finds the route of an attack by goal and stealth, from a desk that no other attack began at.
fn find_way(world: &Company, plan: &mut Plan, attack: Attack, seats: &Seats, taken: &[usize]) {
    let mut random = Random(world.seed ^ 0x686f_7070_6572 ^ (plan.number as u64 * 7_919));
    let desks: Vec<usize> = seats
        .keys()
        .copied()
        .filter(|host| world.roles[*host] == Role::Workstation && !taken.contains(host))
        .collect();
    let latest = plan.start + 4 * HOUR + 30 * MINUTE;
    if let Some((entry, steps)) =
        super::hopper::route(world, &mut random, attack, &desks, (plan.start, latest))
    {
        plan.entry = entry;
        plan.end = steps.last().map_or(plan.start, |step| step.time) + 40 * MINUTE;
        plan.steps = steps;
    }
}

/// From a workstation over others and servers to the intruder's target.
fn route(
    world: &Company,
    random: &mut Random,
    entry: usize,
    start: i64,
    length: u64,
    latest: i64,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut visited = vec![entry];
    let mut time = start;
    let mut site = world.sites[entry];
    for number in 0..length {
        let last = number + 1 == length;
        let gap = if number > 0 && random.below(9) == 0 {
            // The intruder sleeps.
            11 * HOUR + random.span(4 * HOUR)
        } else {
            6 * MINUTE + random.span(44 * MINUTE)
        };
        if time + gap > latest {
            break;
        }
        time += gap;
        let workstation = !last && (number == 0 || random.below(4) == 0);
        let controller = last && random.below(5) < 2;
        if !workstation && random.below(3) == 0 {
            let sites = world.sites.iter().max().map_or(1, |most| most + 1);
            site = usize::try_from(random.below(sites as u64)).unwrap_or(0);
        }
        let choice: Vec<usize> = world
            .windows()
            .into_iter()
            .filter(|host| !visited.contains(host) && world.sites[*host] == site)
            .filter(|host| {
                let role = world.roles[*host];
                if controller {
                    role == Role::Controller
                } else if workstation {
                    role == Role::Workstation
                } else {
                    role.is_server() && role != Role::Controller
                }
            })
            .collect();
        if choice.is_empty() {
            continue;
        }
        let dst = *random.pick(&choice);
        let (account, method) = if controller {
            let account = *random.pick(&world.domain_administrators);
            let method = *random.pick(&[
                Method::Replication,
                Method::Replication,
                Method::Wmi,
                Method::ForeignService,
                Method::Desktop,
            ]);
            (account, method)
        } else if workstation {
            let method = *random.pick(&[
                Method::PsExec,
                Method::RenamedPsExec,
                Method::ForeignService,
                Method::CommandService,
                Method::Wmi,
                Method::ForeignWmi,
                Method::DcomConsole,
                Method::DcomShell,
                Method::Remoting,
                Method::Desktop,
                Method::Task,
                Method::CopyWmi,
                Method::CopyService,
            ]);
            (world.help_desk[site], method)
        } else {
            let method = if world.ssh.contains(&dst) && random.below(2) == 0 {
                Method::Ssh
            } else {
                *random.pick(&[
                    Method::PsExec,
                    Method::RenamedPsExec,
                    Method::ForeignService,
                    Method::CommandService,
                    Method::Wmi,
                    Method::ForeignWmi,
                    Method::DcomConsole,
                    Method::Remoting,
                    Method::Desktop,
                    Method::Task,
                    Method::CopyWmi,
                    Method::CopyService,
                ])
            };
            let account = match world.roles[dst] {
                Role::Database if random.below(2) == 0 => world.services[site],
                _ if random.below(6) == 0 => *random.pick(&world.domain_administrators),
                _ => world.administrators[site],
            };
            (account, method)
        };
        visited.push(dst);
        steps.push(Step {
            time,
            dst,
            account,
            method,
            draw: random.next(),
            from_entry: false,
        });
    }
    steps
}

/// Carries out the intruders' acts before `until`.
pub(crate) fn day(world: &mut Company, plans: &mut [Plan], seats: &Seats, until: i64) {
    let mut taken: Vec<usize> = plans
        .iter()
        .filter(|plan| plan.attack.is_none() || plan.foothold.is_some())
        .map(|plan| plan.entry)
        .collect();
    for plan in plans {
        if plan.foothold.is_none() && plan.start < until {
            match plan.attack {
                None => begin(world, plan, seats),
                Some(_) if plan.sought => {}
                Some(attack) => {
                    plan.sought = true;
                    find_way(world, plan, attack, seats, &taken);
                    if !plan.steps.is_empty() {
                        taken.push(plan.entry);
                        begin(world, plan, seats);
                    }
                }
            }
        }
        while let Some(step) = plan.steps.get(plan.next).cloned() {
            if step.time >= until {
                break;
            }
            plan.next += 1;
            hop(world, plan, &step, seats);
        }
        if let Some((host, at)) = plan.clears
            && !plan.cleared
            && at < until
        {
            plan.cleared = true;
            let session = world.sim.system_session(host);
            world.sim.clear_security(at + SECOND, &session);
        }
    }
}

/// A document that starts a shell, and perhaps requests for tickets to crack.
fn begin(world: &mut Company, plan: &mut Plan, seats: &Seats) {
    let Some(seat) = seats.get(&plan.entry) else {
        return;
    };
    let owner = world.owners[&plan.entry];
    let name = world.sim.accounts[owner].name.clone();
    let writer = "C:\\Program Files\\Quayside\\Office\\writer.exe";
    let line = format!(
        "\"{writer}\" \"C:\\Users\\{name}\\Downloads\\invoice-{:03}.qsx\"",
        plan.number
    );
    let document = world.sim.spawn(
        plan.start,
        &seat.explorer,
        &seat.session,
        writer,
        "writer.exe",
        &line,
    );
    let shell = world.sim.spawn(
        plan.start + 20 * SECOND,
        &document,
        &seat.session,
        POWERSHELL,
        "PowerShell.EXE",
        "powershell.exe -nop -w hidden",
    );
    if plan.roasts {
        let who = world.sim.accounts[owner].clone();
        for (number, service) in world.services.clone().into_iter().enumerate() {
            let service = world.sim.accounts[service].clone();
            let at = plan.start + 3 * MINUTE + i64::try_from(number).unwrap_or(0) * 400_000;
            world
                .sim
                .ticket(at, &shell, &who, (&service.name, &service.sid), 0x17);
            plan.roasted.push(service.name);
        }
    }
    world.sim.exit(plan.end, &shell, &seat.session);
    plan.foothold = Some(Foothold {
        process: shell,
        session: seat.session.clone(),
        speaks: true,
        account: Some(owner),
    });
    plan.first.clone_from(&plan.foothold);
}

/// The same for the same intruder: tools keep their names.
fn tool(plan: &Plan) -> (String, String) {
    let mut random = Random(plan.number as u64 * 977 + 5);
    let letters = b"bcdfghklmnprstvw";
    let stem: String = (0..6).map(|_| char::from(*random.pick(letters))).collect();
    let folder = *random.pick(&[
        "C:\\ProgramData",
        "C:\\Users\\Public",
        "C:\\Windows\\Temp",
        "C:\\PerfLogs",
    ]);
    (format!("{folder}\\{stem}.exe"), stem)
}

fn credentials(step: &Step, foothold: &Foothold) -> Credentials {
    if foothold.speaks && foothold.account == Some(step.account) {
        return Credentials::Own;
    }
    let system = foothold.session.luid == 0x3e7;
    match step.method {
        Method::Ssh | Method::Desktop => Credentials::Password,
        method if method.foreign() => {
            if step.draw.is_multiple_of(3) {
                Credentials::Password
            } else {
                Credentials::HashInTool
            }
        }
        _ => match step.draw % 5 {
            0 | 1 => Credentials::Password,
            2 if !system => Credentials::PassTheHash,
            2 | 3 => Credentials::OverpassTheHash,
            _ => Credentials::PassTheTicket,
        },
    }
}

fn hop(world: &mut Company, plan: &mut Plan, step: &Step, seats: &Seats) {
    let from = if step.from_entry {
        &plan.first
    } else {
        &plan.foothold
    };
    let Some(foothold) = from.clone() else {
        return;
    };
    let src = foothold.session.host;
    let (dst, time) = (step.dst, step.time);
    let who = world.sim.accounts[step.account].clone();
    let (tool_image, stem) = tool(plan);
    let used = credentials(step, &foothold);
    let from = world.sim.pending.len();
    let mut session = foothold.session.clone();
    let mut parent = foothold.process.clone();
    match used {
        Credentials::PassTheHash => {
            let own = foothold
                .account
                .map_or_else(|| who.clone(), |own| world.sim.accounts[own].clone());
            let minter = world.sim.spawn(
                time - 70 * SECOND,
                &parent,
                &session,
                &tool_image,
                "-",
                &format!("{stem}.exe -p {}", who.name),
            );
            (session, _) = world
                .sim
                .new_credentials(time - 69 * SECOND, &session, &own, &who);
            parent = world.sim.spawn(
                time - 68 * SECOND,
                &minter,
                &session,
                CMD,
                "Cmd.Exe",
                "cmd.exe",
            );
            world
                .sim
                .exit(time - 60 * SECOND, &minter, &foothold.session);
            world.sim.exit(plan.end, &parent, &session);
            world.sim.logoff(plan.end + SECOND, &session);
        }
        Credentials::OverpassTheHash => {
            let minter = world.sim.spawn(
                time - 70 * SECOND,
                &parent,
                &session,
                &tool_image,
                "-",
                &format!("{stem}.exe -a {} -i", who.name),
            );
            world.sim.forged_request(time - 68 * SECOND, &minter, &who);
            world.sim.exit(time - 60 * SECOND, &minter, &session);
        }
        _ => {}
    }
    let package = match used {
        Credentials::PassTheHash | Credentials::HashInTool => Package::Ntlm,
        Credentials::Password if step.method.foreign() || step.draw & 64 != 0 => Package::Ntlm,
        _ => Package::Kerberos,
    };
    let go = Go {
        plan,
        step,
        who: &who,
        session: &session,
        parent: &parent,
        used,
        package,
        tool: (&tool_image, &stem),
    };
    let (running, speaks) = perform(world, &go, seats);
    let mark = world.sim.marks.len();
    world.sim.marks.push(Vec::new());
    let to = world.sim.pending.len();
    world.sim.mark(from..to, mark);
    plan.done.push(Done {
        src,
        dst,
        account: who.name.clone(),
        actor: if foothold.session.luid == 0x3e7 {
            "SYSTEM".into()
        } else {
            foothold.session.name.clone()
        },
        method: step.method.name(),
        credentials: used.name(),
        technique: step.method.technique(),
        time,
        mark,
    });
    let account = world
        .sim
        .accounts
        .iter()
        .position(|account| account.sid == running.session.sid);
    plan.foothold = Some(Foothold {
        process: running.process,
        session: running.session,
        speaks,
        account,
    });
}

struct Go<'a> {
    plan: &'a Plan,
    step: &'a Step,
    who: &'a Account,
    session: &'a Session,
    parent: &'a Process,
    used: Credentials,
    package: Package,
    tool: (&'a str, &'a str),
}

/// The program that the intruder starts on the source: its image, original name and command line.
fn client(world: &Company, go: &Go<'_>, random_name: &str) -> (String, &'static str, String) {
    let (step, who) = (go.step, go.who);
    let server = &world.sim.hosts[step.dst].name;
    let (tool_image, stem) = go.tool;
    let given = if go.used == Credentials::Password {
        format!(" -u {}\\{} -p *", world.sim.domain.netbios, who.name)
    } else {
        String::new()
    };
    match step.method {
        Method::PsExec => (
            format!("{}\\PsExec64.exe", folder(tool_image)),
            "psexec.c",
            format!("PsExec64.exe -accepteula \\\\{server}{given} -s cmd.exe"),
        ),
        Method::RenamedPsExec => (
            tool_image.to_owned(),
            "psexec.c",
            format!("{stem}.exe -accepteula \\\\{server}{given} -s -r {stem} cmd.exe"),
        ),
        Method::ForeignService | Method::CommandService | Method::ForeignWmi => (
            tool_image.to_owned(),
            "-",
            format!("{stem}.exe {}@{server}", who.name),
        ),
        Method::Wmi | Method::CopyWmi => (
            "C:\\Windows\\System32\\wbem\\WMIC.exe".to_owned(),
            "wmic.exe",
            format!("wmic /node:\"{server}\" process call create \"cmd.exe /c start /b {stem}\""),
        ),
        Method::DcomConsole | Method::DcomShell | Method::Remoting => (
            POWERSHELL.to_owned(),
            "PowerShell.EXE",
            "powershell.exe -nop".to_owned(),
        ),
        Method::Desktop => (
            "C:\\Windows\\System32\\mstsc.exe".to_owned(),
            "mstsc.exe",
            format!("mstsc.exe /v:{server}"),
        ),
        Method::Task => (
            "C:\\Windows\\System32\\schtasks.exe".to_owned(),
            "schtasks.exe",
            format!(
                "schtasks /create /s {server} /ru SYSTEM /tn {random_name} /tr {tool_image} /sc once /st 23:59"
            ),
        ),
        Method::CopyService => (
            "C:\\Windows\\System32\\sc.exe".to_owned(),
            "sc.exe",
            format!("sc \\\\{server} create {stem} binPath= {tool_image}"),
        ),
        Method::Ssh => (
            "C:\\Windows\\System32\\OpenSSH\\ssh.exe".to_owned(),
            "-",
            format!("ssh.exe {}@{server}", who.name),
        ),
        Method::Replication => (
            tool_image.to_owned(),
            "-",
            format!("{stem}.exe sync /user:krbtgt"),
        ),
    }
}

/// A move under way.
struct Moving<'a> {
    go: &'a Go<'a>,
    approach: Approach<'a>,
    /// When what was started on the destination ends.
    end: i64,
    /// For what tools name at random.
    random_name: String,
}

const SHELL: Program<'_> = Program {
    image: CMD,
    original: "Cmd.Exe",
    command: "cmd.exe",
};
const POWER: Program<'_> = Program {
    image: POWERSHELL,
    original: "PowerShell.EXE",
    command: "powershell.exe -nop -w hidden -enc SQBFAFgA",
};

/// Makes the move. Returns what runs on the destination, and whether it can act for the account elsewhere.
fn perform(world: &mut Company, go: &Go<'_>, seats: &Seats) -> (Running, bool) {
    let (step, session) = (go.step, go.session);
    let (time, method) = (step.time, step.method);
    let end = go.plan.end.max(time + 2 * MINUTE);
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let random_name: String = (0..8)
        .map(|_| char::from(*world.sim.random.pick(letters)))
        .collect();
    let (image, original, command) = client(world, go, &random_name);
    let client = world.sim.spawn(
        time - 2 * SECOND,
        go.parent,
        session,
        &image,
        original,
        &command,
    );
    let moving = Moving {
        go,
        approach: Approach {
            time,
            client: &client,
            actor: session,
            dst: step.dst,
            account: go.who,
            package: go.package,
            ticket: true,
            explicit: go.used == Credentials::Password,
            foreign: method.foreign(),
        },
        end,
        random_name,
    };
    // Some clients stay as long as what they started.
    let stays = matches!(
        method,
        Method::PsExec
            | Method::RenamedPsExec
            | Method::ForeignService
            | Method::CommandService
            | Method::Remoting
            | Method::Desktop
            | Method::Ssh
    );
    let result = match method {
        Method::PsExec
        | Method::RenamedPsExec
        | Method::ForeignService
        | Method::CommandService
        | Method::CopyService => (by_service(world, &moving), false),
        _ => by_session(world, &moving, seats),
    };
    let over = if stays { end } else { time + 20 * SECOND };
    world.sim.exit(over + 2 * SECOND, &client, session);
    result
}

/// A copy of the approach after a program was copied, without another ticket.
fn after_copy<'a>(world: &mut Company, moving: &Moving<'a>, explicit: bool) -> Approach<'a> {
    let (approach, (tool_image, _)) = (&moving.approach, moving.go.tool);
    let path = tool_image.strip_prefix("C:\\").unwrap_or(tool_image);
    let time = approach.time;
    world.sim.copy_to(approach, path, time + 30 * SECOND);
    Approach {
        time: time + 9 * SECOND,
        ticket: false,
        explicit,
        ..*approach
    }
}

/// The ways that create a service.
fn by_service(world: &mut Company, moving: &Moving<'_>) -> Running {
    let Moving {
        go,
        approach,
        end,
        random_name,
    } = moving;
    let (tool_image, stem) = go.tool;
    let own = Program {
        image: tool_image,
        original: "-",
        command: tool_image,
    };
    match go.step.method {
        Method::ForeignService => {
            let file = format!("{random_name}.exe");
            let full = format!("C:\\Windows\\{file}");
            let service = Service {
                name: &random_name[..4],
                path: &format!("%systemroot%\\{file}"),
                program: Program {
                    image: &full,
                    original: "-",
                    command: &full,
                },
                file: Some(&file),
                pipes: None,
                over_tcp: false,
                payload: Some(SHELL),
            };
            world.sim.remote_service(approach, &service, *end)
        }
        Method::CommandService => {
            let line = format!(
                "%COMSPEC% /Q /c echo start /b {tool_image} ^> \\\\127.0.0.1\\C$\\__out 2^>^&1 > %TEMP%\\x.bat & %COMSPEC% /Q /c %TEMP%\\x.bat"
            );
            let run = line.replace("%COMSPEC%", "C:\\Windows\\system32\\cmd.exe");
            let service = Service {
                name: random_name,
                path: &line,
                program: Program {
                    image: CMD,
                    original: "Cmd.Exe",
                    command: &run,
                },
                file: None,
                pipes: None,
                over_tcp: false,
                payload: Some(own),
            };
            world.sim.remote_service(approach, &service, *end)
        }
        Method::CopyService => {
            let later = after_copy(world, moving, false);
            let service = Service {
                name: stem,
                path: tool_image,
                program: own,
                file: None,
                pipes: None,
                over_tcp: true,
                payload: None,
            };
            world.sim.remote_service(&later, &service, *end)
        }
        method => {
            let name = if method == Method::PsExec {
                "PSEXESVC"
            } else {
                stem
            };
            let over_tcp = go.step.draw & 256 != 0;
            world.sim.psexec(approach, name, SHELL, over_tcp, *end)
        }
    }
}

/// The ways that open a session or call an object of the destination.
fn by_session(world: &mut Company, moving: &Moving<'_>, seats: &Seats) -> (Running, bool) {
    let Moving {
        go, approach, end, ..
    } = moving;
    let (time, end) = (approach.time, *end);
    let (tool_image, _) = go.tool;
    let own = Program {
        image: tool_image,
        original: "-",
        command: tool_image,
    };
    match go.step.method {
        Method::Wmi => (world.sim.wmi(approach, POWER, end), false),
        Method::ForeignWmi => {
            let at = time / SECOND;
            let command = format!("cmd.exe /Q /c cd \\ 1> \\\\127.0.0.1\\ADMIN$\\__{at}.42 2>&1");
            let program = Program {
                command: &command,
                ..SHELL
            };
            (world.sim.wmi(approach, program, end), false)
        }
        Method::CopyWmi => {
            let later = after_copy(world, moving, approach.explicit);
            (world.sim.wmi(&later, own, end), false)
        }
        Method::DcomShell => {
            let seat = seats
                .get(&approach.dst)
                .filter(|_| time < go.plan.start + 5 * HOUR)
                .map(|seat| (seat.explorer.clone(), seat.session.clone()));
            match seat {
                Some((explorer, victim)) => {
                    let seat = (&explorer, &victim);
                    (world.sim.dcom_shell(approach, seat, POWER, end), true)
                }
                None => (world.sim.dcom_console(approach, POWER, end), false),
            }
        }
        Method::DcomConsole => (world.sim.dcom_console(approach, POWER, end), false),
        Method::Remoting => (world.sim.remoting(approach, Some(SHELL), end), false),
        Method::Desktop => {
            let desktop = world.sim.desktop(approach, end);
            let session = desktop.session;
            let line = "\"C:\\Windows\\system32\\cmd.exe\"";
            let at = time + 40 * SECOND;
            let parent = &desktop.explorer;
            let process = world.sim.spawn(at, parent, &session, CMD, "Cmd.Exe", line);
            world.sim.exit(end - SECOND, &process, &session);
            (Running { process, session }, true)
        }
        Method::Task => {
            let task = format!("\\{}", moving.random_name);
            (world.sim.remote_task(approach, &task, own, end), false)
        }
        Method::Ssh => (world.sim.ssh(approach, SHELL, end), true),
        _ => {
            world.sim.replicate(approach);
            // Nothing runs on the controller: the intruder stays where he is.
            let (process, session) = (go.parent.clone(), go.session.clone());
            (Running { process, session }, false)
        }
    }
}

/// The folder of a Windows path.
fn folder(path: &str) -> &str {
    path.rsplit_once('\\')
        .map_or("C:\\Windows\\Temp", |(folder, _)| folder)
}
