//! Remote services: PsExec and its kin, `sc \\host`, Impacket psexec and smbexec, Cobalt Strike, Metasploit
//! (T1569.002, T1543.003).

use super::{Call, Shares, Started, Technique, brief, ran};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::signs::client::{CommandLine, Named};
use crate::world::World;
use crabwalk_activity::channel::*;
use crabwalk_activity::{AccountKind, base_name, for_each, kind_of, number};

/// Remote services.
pub(crate) struct Service;

impl Technique for Service {
    fn family(&self) -> Family {
        Family::Service
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

    fn call(&self, interface: &str, function: &str) -> Option<Call> {
        if interface != "svcctl" {
            return None;
        }
        let changes = ["createservice", "startservice", "changeserviceconfig"];
        if changes.iter().any(|change| function.contains(change)) {
            Call::moves(TECHNIQUES)
        } else {
            Call::supports(&["T1569.002"])
        }
    }

    fn client(&self, command: &CommandLine) -> Option<Named> {
        if command.is_psexec() {
            return command.on(command.unc(), command.option(&["u"]), TECHNIQUES);
        }
        (command.program == "sc")
            .then(|| command.on(command.unc(), None, &["T1569.002", "T1543.003"]))?
    }

    fn cmdlets(&self) -> (&'static [&'static str], &'static [&'static str]) {
        (
            &["invoke-psexec", "new-service", "invoke-smbexec"],
            TECHNIQUES,
        )
    }
}

const TECHNIQUES: &[&str] = &["T1569.002", "T1021.002"];

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

fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, SYSTEM, 7045, |row| {
        let (sid, path, name) = (
            row.get("UserID"),
            row.get("ImagePath"),
            row.get("ServiceName"),
        );
        let kernel = row.get("ServiceType").to_lowercase();
        let known = is_remote_tool(name, path);
        // Windows and its updates install services as the system, people install as themselves.
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
        let effective = world.accounts.of_text(row.get("AccountName"));
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
        out.push(evidence);
    });
    for_each(catalog, SECURITY, 4697, |row| {
        let (path, name, sid) = (
            row.get("ServiceFileName"),
            row.get("ServiceName"),
            row.get("SubjectUserSid"),
        );
        let known = is_remote_tool(name, path);
        if kind_of(row.get("SubjectUserName"), sid) != AccountKind::User && !known {
            return;
        }
        let host = world.writer(row);
        let user = world
            .accounts
            .get(
                sid,
                row.get("SubjectDomainName"),
                row.get("SubjectUserName"),
            )
            .filter(|id| world.accounts.is_user(*id));
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
        .weighs(Class::Service, 0.15)
        .in_session(world, number(row.get("SubjectLogonId")));
        if evidence.session.is_none() && !known {
            evidence.act = Act::Weak;
        }
        out.push(evidence);
    });
    // Sysmon sees the service control manager write the new service's command.
    for_each(catalog, SYSMON, 13, |row| {
        let target = row.get("TargetObject");
        let lower = target.to_lowercase();
        if !lower.ends_with("\\imagepath")
            || !lower.contains("\\services\\")
            || !base_name(row.get("Image")).eq_ignore_ascii_case("services.exe")
        {
            return;
        }
        let name = target.rsplit('\\').nth(1).unwrap_or_default();
        if !is_remote_tool(name, row.get("Details")) {
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
                    brief(row.get("Details"))
                ),
            )
            .technique(TECHNIQUES)
            .weighs(Class::Service, 0.2),
        );
    });
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
        .any(|command| command.contains("\\\\127.0.0.1\\") && command.contains("\\__output"));
    // A service that passes itself the system's token through a pipe.
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
