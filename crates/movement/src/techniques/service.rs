//! Remote services: PsExec and the like, `sc \\host`, Impacket psexec and smbexec, Cobalt Strike, Metasploit
//! (T1569.002, T1543.003).

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::{
    AccountId, AccountKind, HostId, Place, Row, SECOND, SessionKey, base_name, facts, for_each,
    kind_of,
};
use hashbrown::HashMap;

use super::{Shares, Shown, Started, Technique, ToolName, brief, ran, writes_to_own_share};
use crate::command::{CommandLine, Named, SYSTEM};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::programs::program;
use crate::used::Use;
use crate::world::World;

/// Remote services.
pub(crate) struct Service;

impl Technique for Service {
    fn family(&self) -> Family {
        Family::Service
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1569.002", "T1543.003"]
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
    }

    fn call(&self, interface: &str, function: &str) -> Option<Shown> {
        if interface != "svcctl" {
            return None;
        }
        let changes = ["createservice", "startservice", "changeserviceconfig"];
        if changes.iter().any(|change| function.contains(change)) {
            Shown::moves(TECHNIQUES)
        } else {
            Shown::supports(&["T1569.002"])
        }
    }

    fn client(&self, command: &CommandLine) -> Option<Named> {
        if command.is_psexec() {
            let mut named = command.on(command.unc(), command.option(&["u"]), TECHNIQUES)?;
            named.runs_as = as_system(command).then(|| SYSTEM.to_owned());
            return Some(named);
        }
        if command.program != "sc" {
            return None;
        }
        // Listing services executes nothing.
        let asks = [
            "query",
            "queryex",
            "qc",
            "qdescription",
            "qfailure",
            "sdshow",
            "enumdepend",
            "getdisplayname",
            "getkeyname",
        ];
        let asks = asks.iter().any(|verb| command.says(verb));
        let techniques: &[&str] = if asks {
            &["T1007"]
        } else {
            &["T1569.002", "T1543.003"]
        };
        command.on(command.unc(), None, techniques)
    }

    fn cmdlets(&self) -> (&'static [&'static str], &'static [&'static str]) {
        (
            &["invoke-psexec", "new-service", "invoke-smbexec"],
            TECHNIQUES,
        )
    }

    fn served(&self, used: &Use) -> Option<Shown> {
        (used.program == "services.exe").then(|| controlled(used))?
    }

    fn is_meant(&self, name: ToolName<'_>) -> bool {
        match name {
            ToolName::Protocol(_) => false,
            ToolName::Script(name) => matches!(name, "psexec" | "smbexec" | "services"),
            ToolName::Action(name) => {
                let words = ["service", "svc", "psexec", "scm"];
                words.iter().any(|word| name.contains(word))
            }
        }
    }

    fn plain(&self) -> &'static [&'static str] {
        TECHNIQUES
    }
}

/// Access rights that change a service: its configuration, its removal, its rights or owner.
const CHANGES_SERVICE: u64 = 0x2 | 0x1_0000 | 0x4_0000 | 0x8_0000;
/// The right to start a service.
const STARTS_SERVICE: u64 = 0x10;

/// The service control manager checks the client's rights, whether the client came through the pipe or over TCP.
fn controlled(used: &Use) -> Option<Shown> {
    const TECHNIQUES: &[&str] = &["T1569.002"];
    if used.server != "sc manager" {
        return None;
    }
    let service = used.kind == "service object";
    match used.id {
        // The privilege is used if more than reading was requested.
        4674 if service => Shown::moves(TECHNIQUES),
        4656 | 4663 if service && used.mask & (CHANGES_SERVICE | STARTS_SERVICE) != 0 => {
            Shown::moves(TECHNIQUES)
        }
        4674 => Shown::may_move(TECHNIQUES),
        _ => None,
    }
}

const TECHNIQUES: &[&str] = &["T1569.002", "T1021.002"];
/// LogonId of the system.
const SYSTEM_LOGON: u64 = 0x3e7;

/// Whether a service's command is one that remote execution tools install: a shell, a script host, or a program on an
/// administrative share of the machine itself.
pub(crate) fn is_remote_tool(name: &str, image_path: &str) -> bool {
    let (name, path) = (name.to_lowercase(), image_path.to_lowercase());
    let program = path.trim_start_matches('"');
    name.starts_with("psexesvc")
        || name.starts_with("paexec")
        || name.starts_with("csexec")
        || name.starts_with("remcomsvc")
        || name == "btobto"
        || path.contains("psexesvc")
        || path.contains("remcomsvc")
        || program.starts_with("%comspec%")
        || path.contains("\\admin$\\")
        || path.contains("\\\\127.0.0.1\\")
        || base_name(program.split(' ').next().unwrap_or(program)).starts_with("powershell")
        || base_name(program.split(' ').next().unwrap_or(program)).trim_end_matches(".exe") == "cmd"
}

/// From a client's request to the service control manager until it starts something; Sysmon logs connections late.
const ASKED: (i64, i64) = (10 * SECOND, 3 * SECOND);

/// A client of the service control manager.
struct Caller {
    src: Place,
    session: Option<SessionKey>,
    used: Option<AccountId>,
    reference: u64,
}

impl Caller {
    fn joins(self, world: &World<'_>, evidence: &mut Evidence) {
        evidence.refs.push(self.reference);
        evidence.src = self.src;
        evidence.used = self.used;
        evidence.session = self.session;
        if let Some(session) = self.session.and_then(|key| world.session_of(&key)) {
            evidence.take_session(session);
        }
    }
}

/// Whether a service's command is a driver.
fn is_kernel(command: &str) -> bool {
    command.trim().to_lowercase().ends_with(".sys")
}

/// The client that had just called the service control manager, through its pipe or at its own port. None if there were
/// several.
fn caller(world: &World<'_>, host: HostId, time: i64) -> Option<Caller> {
    let (from, to) = (time - ASKED.0, time + ASKED.1);
    let mut callers: Vec<Caller> = world
        .opened_between(host, "svcctl", from, time + SECOND)
        .map(|one| Caller {
            src: one.src,
            session: world.session_key(world.session(host, one.logon_id, one.time)),
            used: one.used,
            reference: one.reference,
        })
        .collect();
    for (_, one) in world.inbound_between(host, from, to) {
        if !one.inbound || !base_name(one.image).eq_ignore_ascii_case("services.exe") {
            continue;
        }
        // The logon of that connection names the account.
        let session = world
            .sessions_between(host, one.time - ASKED.0, one.time + ASKED.0)
            .find(|(_, session)| {
                session.port != 0 && session.port == one.src_port && session.ip == Some(one.src_ip)
            });
        // Machines call each other, too; their logons with tickets are not sessions here.
        let logged = || {
            world
                .sessions_of(host)
                .any(|(_, session)| session.logon_type != 0)
        };
        match session {
            Some((_, session)) if session.kind != AccountKind::User => continue,
            None if logged() => continue,
            _ => {}
        }
        callers.push(Caller {
            src: one.src,
            session: session.map(|(_, session)| session.key()),
            used: session.and_then(|(_, session)| session.account),
            reference: one.reference,
        });
    }
    let sources: BTreeSet<HostId> = callers
        .iter()
        .filter_map(|one| match one.src {
            Place::Host(src) => Some(src),
            _ => None,
        })
        .collect();
    if sources.len() > 1 {
        return None;
    }
    callers
        .into_iter()
        .max_by_key(|one| (matches!(one.src, Place::Host(_)), one.session.is_some()))
}

/// How certain it is that a program started by the service control manager is not part of the machine: not one in
/// Windows' own folders, perhaps one in the folders of installed programs.
fn is_foreign(image: &str) -> Option<Act> {
    let image = image.to_lowercase();
    let windows = [
        "system32\\",
        "syswow64\\",
        "\\windows\\servicing\\",
        "\\windows\\winsxs\\",
        "\\windows\\microsoft.net\\",
        "\\programdata\\microsoft\\windows defender\\",
        "\\program files\\windows defender",
    ];
    if windows.iter().any(|folder| image.contains(folder)) {
        None
    } else if image.contains("\\program files") {
        Some(Act::Weak)
    } else {
        Some(Act::Strong)
    }
}

/// Programs that the service control manager starts just after a client called it, and on no other day: the client
/// started a service, whatever its name and whenever it was installed.
fn started_for_clients(world: &mut World<'_>, out: &mut Sink) {
    let mut days: HashMap<(HostId, String), BTreeSet<i64>> = HashMap::new();
    let mut all = Vec::new();
    for (at, one) in world.processes.iter().enumerate() {
        if base_name(one.parent_image).eq_ignore_ascii_case("services.exe")
            && let Some(act) = is_foreign(one.image)
        {
            let image = one.image.to_lowercase();
            days.entry((one.host, image.clone()))
                .or_default()
                .insert(crate::history::day(one.time));
            all.push((at, act, image));
        }
    }
    for (at, act, image) in all {
        let Some(process) = world.processes.get(at) else {
            continue;
        };
        if days
            .get(&(process.host, image))
            .is_some_and(|days| days.len() > 1)
        {
            let called = caller(world, process.host, process.time).is_some();
            world.left_out += usize::from(called);
            continue;
        }
        let Some(called) = caller(world, process.host, process.time) else {
            continue;
        };
        let what = format!(
            "services.exe started {} for a client",
            brief(if process.command.is_empty() {
                process.image
            } else {
                process.command
            })
        );
        let Some(mut evidence) = ran(world, at, Family::Service, act, TECHNIQUES, what) else {
            continue;
        };
        evidence.class = Class::ServiceProcess;
        evidence.weight = 0.2;
        called.joins(world, &mut evidence);
        out.push(evidence);
    }
}

/// Name of the program in a service's command, in lower case, without folder and extension.
fn program_of(command: &str) -> String {
    let lower = command.trim().to_lowercase();
    // Folder names contain spaces, with or without quotes around the path.
    let path = match (lower.strip_prefix('"'), lower.split_once(".exe")) {
        (Some(rest), _) => rest.split('"').next().unwrap_or(rest),
        (None, Some((path, _))) => path,
        (None, None) => lower.split(' ').next().unwrap_or(&lower),
    };
    base_name(path).trim_end_matches(".exe").to_owned()
}

/// When a service's command was written, the command, and the event.
type Command<'a> = (i64, &'a str, u64);

/// Services whose command is changed and immediately changed again: nobody configures services this way, but borrowing
/// one does it.
fn borrowed(world: &mut World<'_>, out: &mut Sink) {
    const BORROWED: i64 = 60 * SECOND;
    let catalog = world.catalog;
    let mut commands: BTreeMap<(HostId, String), Vec<Command<'_>>> = BTreeMap::new();
    for_each(catalog, facts::RegistryValue, |row| {
        let target = row.target_object().to_lowercase();
        if target.ends_with("\\imagepath")
            && target.contains("\\services\\")
            && base_name(row.image()).eq_ignore_ascii_case("services.exe")
        {
            let service = target.rsplit('\\').nth(1).unwrap_or_default().to_owned();
            commands
                .entry((world.writer(row), service))
                .or_default()
                .push((row.time, row.details(), row.reference));
        }
    });
    for ((host, service), mut written) in commands {
        written.sort_unstable();
        for (time, command, reference) in &written {
            // Known tools are recognised by the commands themselves.
            if is_foreign(command) != Some(Act::Strong)
                || is_kernel(command)
                || is_remote_tool(&service, command)
            {
                continue;
            }
            let Some(called) = caller(world, host, *time) else {
                continue;
            };
            let mut evidence = Evidence::new(
                Kind::DestinationExecution,
                Family::Service,
                Act::Strong,
                host,
                *time,
                *reference,
                format!("service {service} was set to run {}", brief(command)),
            )
            .technique(TECHNIQUES)
            .technique(&["T1543.003"])
            .weighs(Class::Service, 0.2);
            called.joins(world, &mut evidence);
            out.push(evidence);
        }
        for pair in written.windows(2) {
            let [(changed, command, first), (restored, other, second)] = pair else {
                continue;
            };
            let program = program_of(command);
            // An update may write its own command again.
            if restored - changed > BORROWED || program == program_of(other) {
                continue;
            }
            let started = world
                .processes_between(host, *changed, restored + SECOND)
                .find(|(_, one)| {
                    base_name(one.parent_image).eq_ignore_ascii_case("services.exe")
                        && program_of(base_name(one.image)) == program
                })
                .map(|(at, _)| at);
            let mut evidence = Evidence::new(
                Kind::DestinationExecution,
                Family::Service,
                Act::Strong,
                host,
                *changed,
                *first,
                format!(
                    "the command of service {service} was changed to {} and, {} s later, to {}",
                    brief(command),
                    (restored - changed) / SECOND,
                    brief(other)
                ),
            )
            .technique(TECHNIQUES)
            .technique(&["T1543.003"])
            .weighs(Class::Service, 0.25);
            evidence.refs.push(*second);
            evidence.process = world.process_key(started);
            if let Some(user) = started.and_then(|at| world.processes.get(at)?.user) {
                evidence.effective = Some(user);
            }
            if let Some(called) = caller(world, host, *changed) {
                called.joins(world, &mut evidence);
            }
            out.push(evidence);
        }
    }
}

/// The client named by PsExec's key file: `<Windows>\PSEXEC-<client>-<8 hexadecimal digits>.key`.
fn key_file(path: &str) -> Option<String> {
    let lower = path.to_lowercase();
    let (folder, file) = lower.rsplit_once('\\')?;
    let (client, digits) = file
        .strip_prefix("psexec-")?
        .strip_suffix(".key")?
        .rsplit_once('-')?;
    let is_number = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let at_root = folder
        .split_once(':')
        .is_some_and(|(_, rest)| rest == "\\windows" || rest == "\\winnt");
    (is_number && at_root && !client.is_empty()).then(|| client.to_owned())
}

fn silent<'a, F>(world: &mut World<'a>, row: &Row<'a, '_, F>, service: &str) -> Evidence {
    Evidence::new(
        Kind::DestinationExecution,
        Family::Service,
        Act::None,
        world.writer(row),
        row.time,
        row.reference,
        format!("service {service} did not respond as a service does"),
    )
    .weighs(Class::ServiceProcess, 0.1)
}

/// Whether PsExec is told to run the command as the system (`-s`): its own options come before the command.
fn as_system(command: &CommandLine) -> bool {
    // Of PsExec, and from `to` on of PAExec alone.
    const WITH_VALUE: [&str; 13] = [
        "u", "p", "n", "r", "w", "a", "g", "to", "lo", "rlo", "p@", "csrc", "clist",
    ];
    let mut words = command.words.iter().skip(1).peekable();
    while let Some(word) = words.next() {
        // The machines, or a file with their names.
        if word.starts_with("\\\\") || word.starts_with('@') {
            continue;
        }
        let Some(option) = word.strip_prefix(['-', '/']) else {
            return false;
        };
        let option = option.to_lowercase();
        if option == "s" {
            return true;
        }
        // `-i` may be followed by the number of a session.
        let is_number = |next: &&String| next.bytes().all(|b| b.is_ascii_digit());
        if WITH_VALUE.contains(&option.as_str())
            || option == "i" && words.peek().is_some_and(is_number)
        {
            words.next();
        }
    }
    false
}

/// PsExec and its likes, whose service runs the command as its client by default.
pub(crate) fn impersonates(name: &str, image_path: &str) -> bool {
    let (name, path) = (name.to_lowercase(), image_path.to_lowercase());
    ["psexesvc", "paexec", "csexec"]
        .iter()
        .any(|tool| name.starts_with(tool) || path.contains(tool))
}

/// As whom a service's program acts: the account that it was installed for. PsExec's service runs its command as the client,
/// unless `-s` is given, which the service does not show.
fn runs_as(world: &mut World<'_>, name: &str, path: &str, account: &str) -> Option<AccountId> {
    (!impersonates(name, path)).then(|| world.accounts.of_text(account))?
}

/// Services installed, according to the service control manager.
fn installed(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::ServiceInstallation, |row| {
        let (sid, path, name) = (row.user_id(), row.image_path(), row.service_name());
        let kernel = row.service_type().to_lowercase();
        let known = is_remote_tool(name, path);
        // Windows and its updates install services as the system, people as themselves.
        if kernel.contains("kernel")
            || kernel.contains("driver")
            || (kind_of("", sid) != AccountKind::User && !known)
            || (!sid.starts_with("S-1-5-21-") && !known)
        {
            return;
        }
        let host = world.writer(row);
        let user = world
            .accounts
            .of_text(sid)
            .filter(|_| sid.starts_with("S-1-5-21-"));
        let effective = runs_as(world, name, path, row.account_name());
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Service,
            if known { Act::Strong } else { Act::Weak },
            host,
            row.time,
            row.reference,
            format!("service {name} installed: {}", brief(path)),
        )
        .technique(TECHNIQUES)
        .technique(&["T1543.003"])
        .used(user)
        .effective(effective)
        .weighs(Class::Service, if known { 0.25 } else { 0.15 });
        evidence.connected = Some(row.time);
        evidence.program = program(path);
        out.push(evidence);
    });
}

/// Services installed, according to the audit, which names the session.
fn audited(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::ServiceAudit, |row| {
        let (path, name, sid) = (
            row.service_file_name(),
            row.service_name(),
            row.subject_user_sid(),
        );
        let known = is_remote_tool(name, path);
        let host = world.writer(row);
        let subject = row.subject_user_name();
        let kind = kind_of(subject, sid);
        // Windows installs services with the machine's own account; another machine's account came from elsewhere.
        let another = kind == AccountKind::Machine && !world.hosts.is_account_of(subject, host);
        if kind != AccountKind::User && !another && !known {
            return;
        }
        let user = world
            .accounts
            .get(sid, row.subject_domain_name(), row.subject_user_name())
            .filter(|id| another || world.accounts.is_user(*id));
        let effective = runs_as(world, name, path, row.service_account().unwrap_or_default());
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Service,
            Act::Strong,
            host,
            row.time,
            row.reference,
            format!("service {name} installed: {}", brief(path)),
        )
        .technique(TECHNIQUES)
        .technique(&["T1543.003"])
        .used(user)
        .effective(effective)
        .weighs(Class::Service, 0.15)
        .in_session(world, row.subject_logon_id());
        if evidence.session.is_none() && !known {
            evidence.act = Act::Weak;
        }
        evidence.program = program(path);
        if another && evidence.session.is_none() {
            return;
        }
        out.push(evidence);
    });
}

/// Programs that are not services, and so do not respond to the service control manager.
fn unresponsive(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::ServiceFailure, |row| {
        out.push(silent(world, row, row.service_name()));
    });
    for_each(catalog, facts::ServiceTimeout, |row| {
        out.push(silent(world, row, row.service_name()));
    });
}

/// From 2.30 on, PsExec leaves its connection's key under the client's name: a claim, like the names of its pipes.
fn key_files(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::FileCreation, |row| {
        let Some(client) = key_file(row.target_filename()) else {
            return;
        };
        let host = world.writer(row);
        let src = world.hosts.place(&client, host, row.time);
        if let Place::Host(_) = src {
            out.push(
                Evidence::new(
                    Kind::DestinationExecution,
                    Family::Service,
                    Act::Strong,
                    host,
                    row.time,
                    row.reference,
                    format!("PsExec from {client} left its key file"),
                )
                .technique(TECHNIQUES)
                .from(src)
                .weighs(Class::Pipe, 0.15),
            );
        }
    });
}

/// Sysmon sees the service control manager write the new service's command.
fn registered(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::RegistryValue, |row| {
        let target = row.target_object();
        let lower = target.to_lowercase();
        if !lower.ends_with("\\imagepath")
            || !lower.contains("\\services\\")
            || !base_name(row.image()).eq_ignore_ascii_case("services.exe")
        {
            return;
        }
        let name = target.rsplit('\\').nth(1).unwrap_or_default();
        if !is_remote_tool(name, row.details()) {
            return;
        }
        let host = world.writer(row);
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::Service,
                Act::Strong,
                host,
                row.time,
                row.reference,
                format!(
                    "service {name} written to the registry: {}",
                    brief(row.details())
                ),
            )
            .technique(TECHNIQUES)
            .weighs(Class::Service, 0.2),
        );
    });
}

fn events(world: &mut World<'_>, out: &mut Sink) {
    started_for_clients(world, out);
    borrowed(world, out);
    installed(world, out);
    audited(world, out);
    unresponsive(world, out);
    key_files(world, out);
    registered(world, out);
}

/// Children of services.exe that look like what remote execution tools start.
fn process(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    let parent_command = process.parent_command.to_lowercase();
    // smbexec has each command write its output to a share of the machine itself.
    let output = [&started.command, &parent_command]
        .iter()
        .any(|command| command.contains("\\\\127.0.0.1\\") && command.contains("\\__output"))
        // Before Windows 10 the parent is not named; the system itself has no use for such a command.
        || started.parent.is_empty()
            && process.creator_logon == SYSTEM_LOGON
            && writes_to_own_share(&started.command);
    // A service that passes the system's token to itself through a pipe.
    let echo = started.image == "cmd.exe"
        && started.command.contains("echo ")
        && started.command.contains("\\\\.\\pipe\\");
    if output || echo {
        let what = format!("a service's shell ran {}", brief(process.command));
        let act = if output { Act::Strong } else { Act::Weak };
        if let Some(mut evidence) = ran(world, started.at, Family::Service, act, TECHNIQUES, what) {
            evidence.class = Class::ServiceProcess;
            out.push(evidence);
        }
        return;
    }
    if started.parent != "services.exe" {
        return;
    }
    let image = started.image.as_str();
    let shell = matches!(
        image,
        "cmd.exe" | "powershell.exe" | "pwsh.exe" | "rundll32.exe" | "mshta.exe" | "regsvr32.exe"
    );
    // A tool that copies its service to the root of Windows gives it a random name.
    let known = image.starts_with("psexesvc")
        || image.starts_with("paexec")
        || image.starts_with("remcomsvc")
        || image.starts_with("csexec");
    if !shell && !known {
        return;
    }
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    if image == "rundll32.exe" && !started.command.contains("admin$") {
        return;
    }
    let what = format!(
        "services.exe started {}",
        brief(if process.command.is_empty() {
            process.image
        } else {
            process.command
        })
    );
    if let Some(mut evidence) = ran(
        world,
        started.at,
        Family::Service,
        Act::Strong,
        TECHNIQUES,
        what,
    ) {
        evidence.class = Class::ServiceProcess;
        out.push(evidence);
    }
}
