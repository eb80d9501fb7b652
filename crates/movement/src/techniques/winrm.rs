//! Windows Remote Management: PowerShell remoting and winrs (T1021.006).

use std::collections::BTreeMap;

use crabwalk_activity::{AccountKind, HostId, Place, SECOND, base_name, facts, for_each, kind_of};

use super::{Shown, Started, Technique, ToolName, brief, ran};
use crate::command::{CommandLine, Named};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::programs::program;
use crate::signs::sensor::ends;
use crate::signs::usual::told;
use crate::used::Use;
use crate::world::World;

/// Windows Remote Management.
pub(crate) struct WinRm;

impl Technique for WinRm {
    fn family(&self) -> Family {
        Family::WinRm
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1021.006", "T1059.001"]
    }

    fn ports(&self) -> &'static [u16] {
        &[5985, 5986]
    }

    fn alone_on_its_ports(&self) -> Option<&'static [&'static str]> {
        Some(TECHNIQUES)
    }

    fn process(&self, world: &mut World<'_>, started: &Started, out: &mut Sink) {
        process(world, started, out);
    }

    fn events(&self, world: &mut World<'_>, out: &mut Sink) {
        events(world, out);
    }

    fn network(&self, world: &mut World<'_>, out: &mut Sink) {
        network(world, out);
    }

    fn client(&self, command: &CommandLine) -> Option<Named> {
        (command.program == "winrs").then(|| {
            command.on(
                command.option(&["r", "remote"]),
                command.option(&["u", "username"]),
                TECHNIQUES,
            )
        })?
    }

    fn cmdlets(&self) -> (&'static [&'static str], &'static [&'static str]) {
        (
            &["invoke-command", "enter-pssession", "new-pssession", "icm "],
            TECHNIQUES,
        )
    }

    fn credentials(&self, program: &str, class: &str) -> Option<&'static [&'static str]> {
        (program == "winrs.exe" || matches!(class, "http" | "wsman")).then_some(TECHNIQUES)
    }

    fn served(&self, used: &Use) -> Option<Shown> {
        matches!(used.program.as_str(), "wsmprovhost.exe" | "winrshost.exe")
            .then(|| Shown::moves(self.plain()))?
    }

    fn is_meant(&self, name: ToolName<'_>) -> bool {
        match name {
            ToolName::Protocol(name) => name == "winrm",
            ToolName::Script(_) => false,
            ToolName::Action(name) => name.contains("winrm") || name.contains("wsman"),
        }
    }
}

const TECHNIQUES: &[&str] = &["T1021.006"];

fn process(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    let host_process = matches!(started.image.as_str(), "wsmprovhost.exe" | "winrshost.exe");
    let child = matches!(started.parent.as_str(), "wsmprovhost.exe" | "winrshost.exe");
    if !host_process && !child {
        return;
    }
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    let what = format!(
        "WinRM started {}",
        brief(if process.command.is_empty() {
            process.image
        } else {
            process.command
        })
    );
    if let Some(mut evidence) = ran(
        world,
        started.at,
        Family::WinRm,
        Act::Strong,
        TECHNIQUES,
        what,
    ) {
        if evidence.used.is_none() {
            evidence.used = process.user;
        }
        out.push(evidence);
    }
}

fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    connections(world, out);
    for_each(catalog, facts::WinRmShell, |row| {
        let uri = row.resource_uri();
        // Event forwarding uses subscriptions, not shells. The payload is UTF-16 in hex.
        if uri.contains("EventCollector")
            || uri.contains("Subscription")
            || row.event_payload().contains("4500760065006E007400")
        {
            return;
        }
        let host = world.writer(row);
        let sid = row.user_id();
        if kind_of("", sid) != AccountKind::User {
            return;
        }
        let user = world.accounts.of_text(sid);
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::WinRm,
                Act::Strong,
                host,
                row.time,
                row.reference,
                format!("WSMan shell created {uri}").trim().to_owned(),
            )
            .technique(TECHNIQUES)
            .used(user)
            .weighs(Class::Shell, 0.15),
        );
    });
    remoting(world, out);
    for_each(catalog, facts::WinRmLogon, |row| {
        let name = row.user_name();
        if kind_of(name, "") != AccountKind::User {
            return;
        }
        let host = world.writer(row);
        let user = world.accounts.of_text(name);
        out.push(
            Evidence::new(
                Kind::DestinationLogon,
                Family::WinRm,
                Act::Weak,
                host,
                row.time,
                row.reference,
                format!(
                    "WinRM authenticated {name} by {}",
                    row.authentication_mechanism()
                ),
            )
            .technique(TECHNIQUES)
            .used(user)
            .weighs(Class::WinrmLogon, 0.15),
        );
    });
    for_each(catalog, facts::WinRmSession, |row| {
        let host = world.writer(row);
        let connection = row.connection();
        let target = connection.split('/').next().unwrap_or(connection);
        let target = target.split(':').next().unwrap_or(target);
        let Place::Host(dst) = world.hosts.place(target, host, row.time) else {
            return;
        };
        let actor = world.accounts.of_text(row.user_id());
        out.push(
            Evidence::new(
                Kind::Source,
                Family::WinRm,
                Act::Weak,
                dst,
                row.time,
                row.reference,
                format!("WSMan session to {target} created"),
            )
            .technique(TECHNIQUES)
            .from(Place::Host(host))
            .actor(actor)
            .weighs(Class::Client, 0.1),
        );
    });
}

/// PowerShell's own logs name the host of remote sessions. Jobs have a host of the same name, which runs in PowerShell.
fn remoting(world: &mut World<'_>, out: &mut Sink) {
    /// Pipelines of one session follow each other; one of them is enough.
    const SESSION: i64 = 300 * SECOND;
    let catalog = world.catalog;
    for_each(catalog, facts::PowerShellStart, |row| {
        let engine = (0..4)
            .map(|n| row.data(n))
            .find(|text| text.contains("HostApplication="))
            .unwrap_or_default()
            .to_lowercase();
        if !engine.contains("hostname=serverremotehost") || !engine.contains("wsmprovhost.exe") {
            return;
        }
        let host = world.writer(row);
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::WinRm,
                Act::Strong,
                host,
                row.time,
                row.reference,
                "PowerShell began in the host of remote sessions",
            )
            .technique(TECHNIQUES)
            .weighs(Class::Shell, 0.15),
        );
    });
    let mut last: BTreeMap<(HostId, String), i64> = BTreeMap::new();
    for_each(catalog, facts::PowerShellCommand, |row| {
        let sid = row.user_id();
        if !row
            .context_info()
            .to_lowercase()
            .contains("wsmprovhost.exe")
            || kind_of("", sid) != AccountKind::User
        {
            return;
        }
        let host = world.writer(row);
        let before = last.insert((host, sid.to_owned()), row.time);
        if before.is_some_and(|before| (row.time - before).abs() < SESSION) {
            return;
        }
        let user = world.accounts.of_text(sid);
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::WinRm,
                Act::Strong,
                host,
                row.time,
                row.reference,
                "PowerShell ran commands in the host of remote sessions",
            )
            .technique(TECHNIQUES)
            .used(user)
            .weighs(Class::Shell, 0.15),
        );
    });
}

/// Programs that contacted WS-Management, according to either host. Windows' event forwarding uses it, in a service
/// host.
fn connections(world: &mut World<'_>, out: &mut Sink) {
    let mut edges: BTreeMap<(HostId, HostId, &str), Vec<usize>> = BTreeMap::new();
    for (at, one) in world.connections.iter().enumerate() {
        let image = base_name(one.image);
        let (Some(_), Place::Host(src), Place::Host(dst)) = (one.observer, one.src, one.dst) else {
            continue;
        };
        if WinRm.ports().contains(&one.dst_port)
            && src != dst
            && !one.inbound
            && !image.eq_ignore_ascii_case("svchost.exe")
            && !image.is_empty()
        {
            edges.entry((src, dst, one.image)).or_default().push(at);
        }
    }
    let mut left_out = 0;
    for ((_, dst, _), seen) in edges {
        let times: Vec<i64> = seen
            .iter()
            .filter_map(|at| Some(world.connections.get(*at)?.time))
            .collect();
        let (kept, rest) = told(&times);
        left_out += rest;
        for one in kept
            .into_iter()
            .filter_map(|at| world.connections.get(*seen.get(at)?))
        {
            let mut evidence = Evidence::new(
                Kind::Source,
                Family::WinRm,
                Act::Weak,
                dst,
                one.time,
                one.reference,
                format!(
                    "{} connected to port {}",
                    base_name(one.image),
                    one.dst_port
                ),
            )
            .technique(TECHNIQUES)
            .from(one.src)
            .actor(one.user.filter(|id| world.accounts.is_user(*id)))
            .weighs(Class::Connection, 0.15);
            evidence.source_process = world.process_key(world.process_of_guid(one.process_guid));
            evidence.source_program = program(one.image);
            out.push(evidence);
        }
    }
    world.left_out += left_out;
}

/// Requests to WS-Management that a sensor saw.
fn network(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::ZeekHttp, |row| {
        let uri = row.uri().to_lowercase();
        if !uri.starts_with("/wsman") || uri.contains("subscriptionmanager") {
            return;
        }
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        out.push(
            Evidence::new(
                Kind::Network,
                Family::WinRm,
                Act::Strong,
                dst,
                row.time,
                row.reference,
                format!("{} {}", row.method(), row.uri()),
            )
            .technique(&["T1021.006"])
            .from(src)
            .used(world.user_of(row.uid()))
            .weighs(Class::NetworkSession, 0.35),
        );
    });
}
