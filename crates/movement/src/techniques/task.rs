//! Remote scheduled tasks (T1053.005).

use crabwalk_activity::tasks::{actions, principal};
use crabwalk_activity::{
    AccountId, AccountKind, HostId, Place, SECOND, base_name, facts, for_each, kind_of,
};
use hashbrown::HashMap;

use super::{Shares, Shown, Started, Technique, ToolName, brief, leaves_output, ran};
use crate::command::{CommandLine, Named, SYSTEM};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::files::WRITES;
use crate::programs::program;
use crate::used::Use;
use crate::world::World;

/// Scheduled tasks.
pub(crate) struct Task;

impl Technique for Task {
    fn family(&self) -> Family {
        Family::Task
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1053.005", "T1053.002"]
    }

    fn ports(&self) -> &'static [u16] {
        &[445, 135, 139]
    }

    fn shares(&self) -> Shares {
        Shares::Serve
    }

    fn process(&self, world: &mut World<'_>, started: &Started, out: &mut Sink) {
        process(world, started, out);
    }

    fn events(&self, world: &mut World<'_>, out: &mut Sink) {
        events(world, out);
        passing(world, out);
        written(world, out);
        filed(world, out);
    }

    fn call(&self, interface: &str, function: &str) -> Option<Shown> {
        let schedules = ["register", "jobadd", "schrpcrun"];
        (matches!(interface, "itaskschedulerservice" | "atsvc")
            && schedules.iter().any(|act| function.contains(act)))
        .then(|| Shown::moves(&["T1053.005"]))?
    }

    fn client(&self, command: &CommandLine) -> Option<Named> {
        match command.program.as_str() {
            "schtasks" => {
                let (host, user) = (command.option(&["s"]), command.option(&["u"]));
                if command.says("/query") || command.says("-query") {
                    return command.on(host, user, &["T1018"]);
                }
                let mut named = command.on(host, user, &["T1053.005"])?;
                // An empty name stands for the system, too.
                named.runs_as = command.option(&["ru"]).map(|name| {
                    let system = name.is_empty() || name.starts_with(['/', '-']);
                    if system { SYSTEM.to_owned() } else { name }
                });
                Some(named)
            }
            "at" => {
                let mut named = command.on(command.unc(), None, &["T1053.002"])?;
                named.runs_as = Some(SYSTEM.to_owned());
                Some(named)
            }
            _ => None,
        }
    }

    fn credentials(&self, program: &str, _class: &str) -> Option<&'static [&'static str]> {
        (program == "schtasks.exe").then_some(&["T1053.005"])
    }

    fn served(&self, used: &Use) -> Option<Shown> {
        (used.program == "svchost.exe" && !used.own_hive).then(|| stored(used))?
    }

    fn is_meant(&self, name: ToolName<'_>) -> bool {
        match name {
            ToolName::Protocol(_) => false,
            ToolName::Script(name) => name == "atexec",
            ToolName::Action(name) => name.contains("task"),
        }
    }
}

/// What the scheduler stored for its client: a task's file, or its key.
fn stored(used: &Use) -> Option<Shown> {
    let task = used.object.contains("\\schedule\\taskcache\\")
        || used.object.contains("\\windows\\system32\\tasks\\");
    let file = used.id == 4663 && used.kind == "file" && used.mask & WRITES != 0;
    let act = used.registry().or(file.then_some(Act::Strong));
    Shown::as_act(act.filter(|_| task)?, &["T1053.005"])
}

/// What the scheduler starts for tools that collect the output of their commands.
fn process(world: &World<'_>, started: &Started, out: &mut Sink) {
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    let host_command = process.parent_command.to_lowercase();
    let scheduler = match started.parent.as_str() {
        "taskeng.exe" => true,
        // Before Windows 10 1703 one host ran many services; the Security log does not record a parent's command.
        "svchost.exe" => host_command.contains("schedule") || !host_command.contains(" -s "),
        _ => false,
    };
    if !scheduler || !leaves_output(&started.command) {
        return;
    }
    let what = format!("the task scheduler started {}", brief(process.command));
    if let Some(mut evidence) = ran(
        world,
        started.at,
        Family::Task,
        Act::Strong,
        &["T1053.005"],
        what,
    ) {
        evidence.weight = 0.25;
        out.push(evidence);
    }
}

/// The scheduler's pipe was opened for a client, and just afterwards the service writes a task's file: the client
/// registered one.
fn written(world: &mut World<'_>, out: &mut Sink) {
    const REGISTERS: i64 = 5 * SECOND;
    let catalog = world.catalog;
    for_each(catalog, facts::FileCreation, |row| {
        let path = row.target_filename().to_lowercase();
        let Some((_, task)) = path.split_once("\\windows\\system32\\tasks\\") else {
            return;
        };
        // Windows keeps its own tasks in a separate folder, and changes them all day.
        if task.starts_with("microsoft\\")
            || !base_name(row.image()).eq_ignore_ascii_case("svchost.exe")
        {
            return;
        }
        let host = world.writer(row);
        if world
            .opened_between(host, "atsvc", row.time - REGISTERS, row.time + SECOND)
            .next()
            .is_none()
        {
            return;
        }
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::Task,
                Act::Weak,
                host,
                row.time,
                row.reference,
                format!("task {} was written for a client", brief(task)),
            )
            .technique(&["T1053.005"])
            .weighs(Class::Task, 0.2),
        );
    });
}

/// A task's file whose author had just come from another machine when it was registered. Files have no zone; only one whose
/// clock shows UTC, or that names its offset, agrees with a session.
fn filed(world: &mut World<'_>, out: &mut Sink) {
    /// From the client's logon to the registration.
    const REGISTERS: i64 = 10 * SECOND;
    let catalog = world.catalog;
    for_each(catalog, facts::TaskFile, |row| {
        let (author, task) = (row.author(), row.task_name());
        let name = author.rsplit('\\').next().unwrap_or_default();
        // Windows' own tasks name a component, `$(@%SystemRoot%\…)`, or Microsoft.
        if row.dated_by() != "task"
            || task.to_lowercase().starts_with("\\microsoft\\")
            || kind_of(name, "") != AccountKind::User
        {
            return;
        }
        let host = world.writer(row);
        let Some(user) = world.accounts.of_text(author) else {
            return;
        };
        let from = row.time - REGISTERS;
        let came = world
            .sessions_between(host, from, row.time + SECOND)
            .find(|(_, session)| {
                session.logon_type == 3 && session.account == Some(user) && session.from().is_some()
            })
            .map(|(at, _)| at);
        let effective = world.accounts.of_text(row.user_id());
        let Some(session) = came.and_then(|at| world.sessions.get(at)) else {
            return;
        };
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Task,
            Act::Weak,
            host,
            row.time,
            row.reference,
            format!("task {} was filed: {}", brief(task), brief(row.command())),
        )
        .technique(&["T1053.005"])
        .effective(effective)
        .weighs(Class::Task, 0.2);
        evidence.session = Some(session.key());
        evidence.take_session(session);
        evidence.program = program(row.command());
        out.push(evidence);
    });
}

/// The fate of a task: when it ran, and when it was deleted by which event.
#[derive(Default)]
struct Course {
    runs: Vec<i64>,
    deletions: Vec<(i64, u64)>,
}

/// Tasks that a person registers, that run, and that are deleted within seconds, in the scheduler's own log.
fn passing(world: &mut World<'_>, out: &mut Sink) {
    const PASSES: i64 = 30 * SECOND;
    let catalog = world.catalog;
    let mut times: HashMap<(HostId, String), Course> = HashMap::new();
    for_each(catalog, facts::TaskRun, |row| {
        let task = (world.writer(row), row.task_name().to_lowercase());
        times.entry(task).or_default().runs.push(row.time);
    });
    for_each(catalog, facts::TaskDeletion, |row| {
        let task = (world.writer(row), row.task_name().to_lowercase());
        times
            .entry(task)
            .or_default()
            .deletions
            .push((row.time, row.reference));
    });
    for_each(catalog, facts::TaskRegistration, |row| {
        let host = world.writer(row);
        let name = row.user_context();
        if name.is_empty() || kind_of(name, name) != AccountKind::User {
            return;
        }
        let Some(course) = times.get(&(host, row.task_name().to_lowercase())) else {
            return;
        };
        let after = |time: i64| (-SECOND..=PASSES).contains(&(time - row.time));
        let (true, Some((_, deleted))) = (
            course.runs.iter().any(|time| after(*time)),
            course.deletions.iter().find(|(time, _)| after(*time)),
        ) else {
            return;
        };
        let account = world.accounts.of_text(name);
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Task,
            Act::Weak,
            host,
            row.time,
            row.reference,
            format!(
                "task {} was registered, run and deleted within seconds",
                row.task_name()
            ),
        )
        .technique(&["T1053.005"])
        .used(account)
        .weighs(Class::Task, 0.2);
        evidence.refs.push(*deleted);
        out.push(evidence);
    });
}

/// The only client that asked a host for the scheduler's endpoint, or opened its pipe, just before a time.
fn caller(world: &World<'_>, host: HostId, time: i64) -> Option<(HostId, usize)> {
    const BEFORE: i64 = 5 * SECOND;
    // Sysmon logs a connection up to some seconds after its effect.
    const AFTER: i64 = 3 * SECOND;
    let clients = world.clients_between(host, Family::Task.ports(), time - BEFORE, time + AFTER);
    match clients.len() {
        1 => clients.into_iter().next(),
        _ => None,
    }
}

/// Whether an account ran no program at a host before a time, although the host logs programs: what it did there, it did
/// from another machine. Who sits at the host, or has a service there, has programs.
fn runs_nothing(
    world: &World<'_>,
    host: HostId,
    time: i64,
    is_own: impl Fn(AccountId) -> bool,
) -> bool {
    /// Programs that act run that long at most: a working day.
    const BEFORE: i64 = 12 * 3600 * SECOND;
    /// A host that logs programs starts one in this time.
    const SOON: i64 = 3600 * SECOND;
    let mut is_logged = false;
    for (_, process) in world.processes_between(host, time - BEFORE, time + SECOND) {
        if process.user.is_some_and(&is_own) {
            return false;
        }
        is_logged |= process.user.is_some() && process.time >= time - SOON;
    }
    is_logged
}

/// A program that loaded the task scheduler's client asks for its endpoint within this time.
const ASKS: i64 = 300 * SECOND;

/// Programs other than schtasks that loaded the client's library and then contacted another machine's endpoint mapper.
fn clients(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    let mut loaded: HashMap<&str, (i64, u64)> = HashMap::new();
    for_each(catalog, facts::ImageLoad, |row| {
        let image = base_name(row.image()).to_lowercase();
        if base_name(row.image_loaded()).eq_ignore_ascii_case("taskschd.dll")
            && !matches!(
                image.as_str(),
                "svchost.exe" | "taskhostw.exe" | "explorer.exe"
            )
        {
            let first = loaded
                .entry(row.process_guid())
                .or_insert((row.time, row.reference));
            *first = (*first).min((row.time, row.reference));
        }
    });
    for at in 0..world.connections.len() {
        let Some(one) = world.connections.get(at) else {
            continue;
        };
        let (Some((time, reference)), Place::Host(src), Place::Host(dst)) =
            (loaded.get(one.process_guid), one.src, one.dst)
        else {
            continue;
        };
        if one.inbound || one.dst_port != 135 || src == dst || (one.time - time).abs() > ASKS {
            continue;
        }
        let mut evidence = Evidence::new(
            Kind::Source,
            Family::Task,
            Act::Weak,
            dst,
            one.time,
            one.reference,
            format!(
                "{} loaded the task scheduler's client and asked for its endpoint",
                base_name(one.image)
            ),
        )
        .technique(&["T1053.005"])
        .from(one.src)
        .actor(one.user.filter(|id| world.accounts.is_user(*id)))
        .weighs(Class::Client, 0.15);
        evidence.refs.push(*reference);
        evidence.source_process = world.process_key(world.process_of_guid(one.process_guid));
        out.push(evidence);
    }
}

fn events(world: &mut World<'_>, out: &mut Sink) {
    clients(world, out);
    let catalog = world.catalog;
    for_each(catalog, facts::TaskAudit, |row| {
        let verb = match row.event_id {
            4698 => "registered",
            4702 => "changed",
            _ => return,
        };
        let (sid, name) = (row.subject_user_sid(), row.subject_user_name());
        let host = world.writer(row);
        let kind = kind_of(name, sid);
        // Windows registers tasks with the machine's own account; another machine's account came from elsewhere.
        let another = kind == AccountKind::Machine && !world.hosts.is_account_of(name, host);
        if kind != AccountKind::User && !another {
            return;
        }
        let locality = row.rpc_call_client_locality();
        let remote = locality == "0" && row.client_process_id() == 0;
        if !locality.is_empty() && !remote && row.client_process_id() != 0 {
            return;
        }
        let user = world.accounts.get(sid, row.subject_domain_name(), name);
        let text = row.task_content();
        let effective = principal(text).and_then(|name| world.accounts.of_text(&name));
        // atexec writes its output to a temporary file named after the task.
        let actions: Vec<String> = actions(text).iter().map(ToString::to_string).collect();
        let tool = leaves_output(&actions.join("\n").to_lowercase());
        let first = actions.first().map_or("", String::as_str);
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Task,
            Act::Strong,
            host,
            row.time,
            row.reference,
            format!("task {} {verb}: {}", row.task_name(), brief(first)),
        )
        .technique(&["T1053.005"])
        .used(user)
        .effective(effective)
        .weighs(Class::Task, if remote || tool { 0.3 } else { 0.15 })
        .in_session(world, row.subject_logon_id());
        evidence.program = program(first);
        let session_is_remote = evidence
            .session
            .and_then(|key| world.session_of(&key))
            .is_some_and(|session| session.is_remote());
        if !remote && !tool && !session_is_remote {
            evidence.act = Act::Weak;
        }
        if remote && evidence.src == Place::Local {
            evidence.src = Place::Unknown;
        }
        if another && !session_is_remote {
            return;
        }
        out.push(evidence);
    });
    let canonical = world.accounts.canonical();
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    for_each(catalog, facts::TaskChange, |row| {
        let host = world.writer(row);
        let name = row.by();
        if row.event_id == 141 || name.is_empty() || kind_of(name, name) != AccountKind::User {
            return;
        }
        let account = world.accounts.of_text(name);
        let client = account.filter(|_| row.event_id == 106).and_then(|id| {
            let client = caller(world, host, row.time)?;
            let is_own = |other: AccountId| standing(other) == standing(id);
            runs_nothing(world, host, row.time, is_own).then_some(client)
        });
        let (act, what) = match client {
            Some(_) => (Act::Strong, " for a client: its account ran nothing here"),
            None => (Act::None, ""),
        };
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Task,
            act,
            host,
            row.time,
            row.reference,
            format!("task {} registered{what}", row.task_name()),
        )
        .technique(&["T1053.005"])
        .used(account)
        .weighs(Class::Task, 0.15);
        if let Some((src, connection)) = client {
            evidence.src = Place::Host(src);
            let connection = world.connections.get(connection);
            evidence.refs.extend(connection.map(|one| one.reference));
        }
        out.push(evidence);
    });
}
