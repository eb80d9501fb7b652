//! Remote registry (T1112). Opening the pipe is covered with all other pipes; this is about what was written through
//! it.

use crabwalk_activity::{Row, SECOND, base_name, facts, for_each};

use super::{Shown, Technique, ToolName, brief};
use crate::command::{CommandLine, Named};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::used::Use;
use crate::world::World;

/// Remote registry.
pub(crate) struct Registry;

impl Technique for Registry {
    fn family(&self) -> Family {
        Family::Registry
    }

    fn techniques(&self) -> &'static [&'static str] {
        // The registry is served through a pipe.
        &["T1112", "T1021.002"]
    }

    fn ports(&self) -> &'static [u16] {
        &[445, 135, 139]
    }

    fn events(&self, world: &mut World<'_>, out: &mut Sink) {
        events(world, out);
        written(world, out);
    }

    fn call(&self, interface: &str, function: &str) -> Option<Shown> {
        let writes = ["setvalue", "savekey", "createkey"];
        (interface == "winreg" && writes.iter().any(|act| function.contains(act)))
            .then(|| Shown::moves(&["T1112"]))?
    }

    fn client(&self, command: &CommandLine) -> Option<Named> {
        let asks = command.says("query") || command.says("compare") || command.says("export");
        let techniques: &[&str] = if asks { &["T1012"] } else { &["T1112"] };
        (command.program == "reg").then(|| command.on(command.unc(), None, techniques))?
    }

    fn served(&self, used: &Use) -> Option<Shown> {
        // A new session loads its account's own hive.
        let for_client = used.program == "svchost.exe" && !used.own_hive;
        let act = used.registry().filter(|_| for_client)?;
        Shown::as_act(act, self.plain())
    }

    fn is_meant(&self, name: ToolName<'_>) -> bool {
        match name {
            ToolName::Script(name) => name == "reg",
            ToolName::Protocol(_) | ToolName::Action(_) => false,
        }
    }
}

/// The ATT&CK ids of registry values that make Windows run something later.
pub(crate) fn purpose(target: &str) -> &'static [&'static str] {
    let target = target.to_lowercase();
    if target.contains("\\currentversion\\run\\")
        || target.contains("\\currentversion\\runonce\\")
        || target.contains("\\policies\\explorer\\run\\")
    {
        &["T1547.001"]
    } else if target.contains("\\services\\") {
        &["T1543.003"]
    } else if target.contains("\\treatas") || target.contains("\\inprocserver32") {
        &["T1546.015"]
    } else {
        &[]
    }
}

/// Keys in which Windows' service hosts keep their own state.
fn is_state(target: &str) -> bool {
    [
        "\\services\\bam\\",
        "\\services\\dam\\",
        "\\services\\tcpip",
        "\\services\\w32time\\",
        "\\services\\dhcp\\",
        "\\services\\dnscache\\",
        "\\services\\sharedaccess\\",
        "\\services\\lanmanserver\\shares\\",
        "\\services\\rdyboost\\",
        "\\services\\nlasvc\\",
        "\\schedule\\taskcache\\",
    ]
    .iter()
    .any(|key| target.contains(key))
}

/// The kind of program that wrote a registry value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// The host of the service that writes for clients, and for nobody else.
    RemoteRegistry,
    /// A service host whose services are unknown.
    Unknown,
    /// Another program or service.
    Another,
}

fn writer(world: &World<'_>, row: &Row<'_, '_, facts::RegistryEvent>) -> Writer {
    if !base_name(row.image()).eq_ignore_ascii_case("svchost.exe") {
        return Writer::Another;
    }
    let Some(process) = world
        .process_of_guid(row.process_guid())
        .and_then(|at| world.processes.get(at))
    else {
        return Writer::Unknown;
    };
    let command = process.command.to_lowercase();
    // Before Windows 10 the service has its own group (`-k regsvc`), or shares that of the local service.
    if command.contains("-s remoteregistry") || command.contains("-k regsvc") {
        Writer::RemoteRegistry
    } else if command.contains("-k localservice") && !command.contains(" -s ") {
        Writer::Unknown
    } else {
        Writer::Another
    }
}

/// The values that the service wrote for a client. The hive shows whose settings they are, not who came.
fn written(world: &mut World<'_>, out: &mut Sink) {
    /// From opening the pipe to the write through it, for a writer that may be another service.
    const THROUGH: i64 = 10 * SECOND;
    let catalog = world.catalog;
    for_each(catalog, facts::RegistryEvent, |row| {
        let id = row.event_id;
        let target = row.target_object();
        let host = match writer(world, row) {
            Writer::Another => return,
            Writer::RemoteRegistry => world.writer(row),
            Writer::Unknown => {
                let host = world.writer(row);
                let just = world
                    .opened_between(host, "winreg", row.time - THROUGH, row.time + SECOND)
                    .next()
                    .is_some();
                if !just || is_state(&target.to_lowercase()) {
                    return;
                }
                host
            }
        };
        let verb = match (id, row.event_type()) {
            (12, "DeleteKey" | "DeleteValue") => "deleted",
            (12, _) => "created",
            _ => "wrote",
        };
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::Registry,
                Act::Strong,
                host,
                row.time,
                row.reference,
                format!("the remote registry {verb} {}", brief(target)),
            )
            .technique(&["T1112"])
            .technique(purpose(target))
            .weighs(Class::Registry, 0.25),
        );
    });
}

fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::RegistryValue, |row| {
        let target = row.target_object().to_lowercase();
        let opens = target.ends_with("\\terminal server\\fdenytsconnections")
            || target.contains("\\lanmanserver\\parameters\\nullsessionpipes");
        if !opens {
            return;
        }
        let host = world.writer(row);
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::Registry,
                Act::None,
                host,
                row.time,
                row.reference,
                format!("registry value {} set", row.target_object()),
            )
            .technique(&["T1112"])
            .weighs(Class::Registry, 0.1),
        );
    });
}
