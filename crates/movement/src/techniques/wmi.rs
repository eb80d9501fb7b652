//! Windows Management Instrumentation (T1047, T1546.003).

use crabwalk_activity::{
    AccountId, AccountKind, Place, SECOND, base_name, facts, for_each, is_service_logon,
};
use hashbrown::HashMap;

use super::{Shares, Shown, Started, Technique, ToolName, brief, ran};
use crate::command::{CommandLine, Named};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::files::WRITES;
use crate::used::Use;
use crate::world::World;

/// Windows Management Instrumentation.
pub(crate) struct Wmi;

impl Technique for Wmi {
    fn family(&self) -> Family {
        Family::Wmi
    }

    fn techniques(&self) -> &'static [&'static str] {
        // WMI is called through DCOM.
        &["T1047", "T1546.003", "T1021.003"]
    }

    fn ports(&self) -> &'static [u16] {
        &[135, 445]
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
        if !matches!(interface, "iwbemservices" | "iwbemlevel1login") {
            return None;
        }
        let acts = ["exec", "putinstance", "putclass"];
        if interface == "iwbemservices" && acts.iter().any(|act| function.contains(act)) {
            Shown::moves(&["T1047"])
        } else {
            Shown::supports(&["T1047"])
        }
    }

    fn client(&self, command: &CommandLine) -> Option<Named> {
        let asks = command.says("get") || command.says("list");
        let acts = ["call", "create", "delete", "set"];
        let acts = acts.iter().any(|verb| command.says(verb));
        (command.program == "wmic").then(|| {
            command.on(
                command.option(&["node"]),
                command.option(&["user"]),
                if asks && !acts {
                    &["T1018"]
                } else {
                    &["T1047"]
                },
            )
        })?
    }

    fn cmdlets(&self) -> (&'static [&'static str], &'static [&'static str]) {
        (
            &[
                "invoke-wmi",
                "win32_process",
                "invoke-cimmethod",
                "set-wmiinstance",
                "new-cimsession",
            ],
            &["T1047"],
        )
    }

    fn credentials(&self, program: &str, class: &str) -> Option<&'static [&'static str]> {
        (program == "wmic.exe" || class == "rpcss").then_some(&["T1047"])
    }

    fn served(&self, used: &Use) -> Option<Shown> {
        (used.program == "wmiprvse.exe").then(|| provided(used))?
    }

    fn is_meant(&self, name: ToolName<'_>) -> bool {
        match name {
            ToolName::Protocol(name) => name == "wmi",
            ToolName::Script(name) => {
                matches!(name, "wmiexec" | "wmiexec-pro" | "wmipersist" | "wmiquery")
            }
            // `create` and `exec` are methods of its classes.
            ToolName::Action(name) => name.contains("wmi") || matches!(name, "create" | "exec"),
        }
    }
}

/// Privileges used to change something or to start a program as somebody, not to read.
const CHANGING: &[&str] = &[
    "setakeownershipprivilege",
    "serestoreprivilege",
    "seassignprimarytokenprivilege",
    "seincreasequotaprivilege",
    "seloaddriverprivilege",
    "seshutdownprivilege",
    "seremoteshutdownprivilege",
];

/// What a provider of WMI did for its client.
fn provided(used: &Use) -> Option<Shown> {
    if let Some(act) = used.registry() {
        return Shown::as_act(act, &["T1047", "T1112"]);
    }
    let changes = match used.id {
        4663 => used.mask & WRITES != 0,
        4670 => true,
        4673 | 4674 => CHANGING.iter().any(|name| used.privileges.contains(name)),
        _ => false,
    };
    if changes {
        Shown::moves(&["T1047"])
    } else if used.id == 4674 {
        // Some object was opened with a privilege, perhaps to read.
        Shown::may_move(&["T1047"])
    } else {
        None
    }
}

/// A session that began no longer before this was opened for what runs in it; LogonGuids have whole seconds.
const BEGUN: i64 = 10 * SECOND;
/// An account that logged on no longer before this is still doing what it came for.
const CAME: i64 = 60 * SECOND;
/// LogonId of the system, under which services start programs.
const SYSTEM_LOGON: u64 = 0x3e7;

/// A subscription is created within this time of its creator's logon.
const SUBSCRIBES: i64 = 60 * SECOND;
/// LogonId of NETWORK SERVICE.
const NETWORK_SERVICE: u64 = 0x3e4;

/// Children of the WMI provider host run in the caller's session.
fn process(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    // The provider host runs as NETWORK SERVICE and starts programs in its remote caller's session.
    let unnamed = started.parent.is_empty()
        && process.creator_logon == NETWORK_SERVICE
        && world
            .session(process.host, process.logon_id, process.time)
            .and_then(|at| world.sessions.get(at))
            .is_some_and(|session| session.is_remote());
    // The parent is not always recorded; the command's purpose reveals it.
    let own_share = super::writes_to_own_share(&started.command);
    let collected = own_share || super::leaves_output(&started.command);
    if started.parent != "wmiprvse.exe"
        && started.parent != "scrcons.exe"
        && !unnamed
        && !(started.parent.is_empty() && own_share && process.creator_logon != SYSTEM_LOGON)
    {
        return;
    }

    let own = started.image == "wmiprvse.exe" || started.image == "werfault.exe";
    if own {
        return;
    }
    let loopback = collected
        || started.command.contains("\\\\127.0.0.1\\admin$\\__")
        || started.command.contains("\\\\127.0.0.1\\c$\\__");
    let what = format!(
        "WMI started {}",
        brief(if process.command.is_empty() {
            process.image
        } else {
            process.command
        })
    );
    let (host, time, own_session) = (process.host, process.time, process.own_session);
    let system = is_service_logon(process.logon_id) && own_session;
    let Some(mut evidence) = ran(
        world,
        started.at,
        Family::Wmi,
        Act::Strong,
        &["T1047"],
        what,
    ) else {
        return;
    };
    if started.parent == "scrcons.exe" {
        evidence.techniques.push("T1546.003");
    }
    // Only the creator's session is known, and a single client came just before.
    if !own_session
        && evidence.session.is_none()
        && let Some(at) = super::only_client(world, host, time)
        && let Some(session) = world.sessions.get(at)
    {
        evidence.session = world.session_key(at);
        evidence.take_session(session);
    }
    let remote = evidence
        .session
        .and_then(|key| world.session_of(&key))
        // A session that began for exactly this program is a client's, even if its logon was not logged.
        .is_some_and(|session| {
            session.is_remote() || session.logon_type == 0 && time - session.time <= BEGUN
        });
    if system && !loopback {
        // Management agents and local subscriptions run as the system.
        evidence.act = Act::None;
    } else if !remote && !loopback {
        evidence.act = Act::Weak;
    }
    if loopback {
        evidence.weight = 0.2;
    }
    out.push(evidence);
}

/// The registry provider writes for a caller: a value or key that the provider host sets outside of WMI's own keys,
/// just after the only client of the endpoint mapper came.
fn registry(world: &mut World<'_>, out: &mut Sink) {
    /// From the client's connection to the write for it; Sysmon logs connections late.
    const CALLED: (i64, i64) = (15 * SECOND, 3 * SECOND);
    let catalog = world.catalog;
    // What each provider host loaded, if logged.
    let mut loads: HashMap<&str, bool> = HashMap::new();
    for_each(catalog, facts::ImageLoad, |row| {
        if base_name(row.image()).eq_ignore_ascii_case("wmiprvse.exe") {
            *loads.entry(row.process_guid()).or_default() |=
                base_name(row.image_loaded()).eq_ignore_ascii_case("stdprov.dll");
        }
    });
    for_each(catalog, facts::RegistryEvent, |row| {
        let target = row.target_object();
        if !base_name(row.image()).eq_ignore_ascii_case("wmiprvse.exe")
            || target.to_lowercase().contains("\\microsoft\\wbem")
            || loads.get(row.process_guid()) == Some(&false)
        {
            return;
        }
        let host = world.writer(row);
        let clients = world.clients_between(host, &[135], row.time - CALLED.0, row.time + CALLED.1);
        let client = match (clients.len(), clients.into_iter().next()) {
            (1, Some((src, connection))) => world
                .connections
                .get(connection)
                .map(|one| (Place::Host(src), one.reference, None)),
            (0, _) => super::only_client(world, host, row.time).and_then(|at| {
                let session = world.sessions.get(at)?;
                Some((session.source, session.reference, Some(at)))
            }),
            _ => None,
        };
        let Some((src, reference, session)) = client else {
            return;
        };
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Wmi,
            Act::Strong,
            host,
            row.time,
            row.reference,
            format!("WMI wrote {} for a client", brief(target)),
        )
        .technique(&["T1047", "T1112"])
        .technique(super::registry::purpose(target))
        .from(src)
        .weighs(Class::Registry, 0.25);
        evidence.refs.push(reference);
        evidence.session = world.session_key(session);
        if let Some(session) = session.and_then(|at| world.sessions.get(at)) {
            evidence.take_session(session);
        }
        out.push(evidence);
    });
}

fn events(world: &mut World<'_>, out: &mut Sink) {
    registry(world, out);
    let catalog = world.catalog;
    for_each(catalog, facts::WmiFailure, |row| {
        let host = world.writer(row);
        let src = world.hosts.place(row.client_machine(), host, row.time);
        if !matches!(src, Place::Host(_)) {
            return;
        }
        let user = world.accounts.of_text(row.user());
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::Wmi,
                Act::Weak,
                host,
                row.time,
                row.reference,
                format!(
                    "WMI operation from {}: {}",
                    row.client_machine(),
                    brief(row.operation())
                ),
            )
            .technique(&["T1047"])
            .from(src)
            .used(user)
            .weighs(Class::WmiOperation, 0.1),
        );
    });
    // The service's own log of a subscription that runs programs. It does not name the creator: only somebody who has
    // just come from elsewhere makes it a movement.
    for_each(catalog, facts::WmiSubscription, |row| {
        let text = format!("{} {}", row.consumer(), row.possible_cause()).to_lowercase();
        if !text.contains("commandlineeventconsumer") && !text.contains("activescripteventconsumer")
        {
            return;
        }
        let host = world.writer(row);
        let came = world
            .sessions_between(host, row.time - SUBSCRIBES, row.time + SECOND)
            .any(|(_, one)| one.is_remote() && one.kind == AccountKind::User && one.elevated);
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::Wmi,
                if came { Act::Weak } else { Act::None },
                host,
                row.time,
                row.reference,
                format!("WMI subscription created: {}", brief(row.consumer())),
            )
            .technique(&["T1047", "T1546.003"])
            .weighs(Class::WmiSubscription, 0.15),
        );
    });
    let canonical = world.accounts.canonical();
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    for_each(catalog, facts::WmiConsumer, |row| {
        let host = world.writer(row);
        let user = world.accounts.of_text(row.user());
        // Whoever has just come over the network, and is here in no other way, created it from there.
        let (mut from_elsewhere, mut here) = (false, false);
        for (_, session) in world.sessions_between(host, row.time - CAME, row.time + SECOND) {
            if user.is_some() && session.account.map(standing) == user.map(standing) {
                from_elsewhere |= session.logon_type == 3 && session.from().is_some();
                here |= session.logon_type != 0 && !session.is_remote();
            }
        }
        let created = row.operation().eq_ignore_ascii_case("created");
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::Wmi,
                if created && from_elsewhere && !here {
                    Act::Strong
                } else {
                    Act::Weak
                },
                host,
                row.time,
                row.reference,
                format!(
                    "WMI event consumer {} {}",
                    row.name(),
                    row.operation().to_lowercase()
                ),
            )
            .technique(&["T1047", "T1546.003"])
            .used(user)
            .weighs(Class::WmiSubscription, 0.15),
        );
    });
}
