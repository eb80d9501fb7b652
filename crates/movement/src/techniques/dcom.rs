//! Distributed COM: MMC20.Application, ShellWindows, Excel, mshta, Internet Explorer (T1021.003).

use std::collections::BTreeSet;

use crabwalk_activity::{
    AccountId, AccountKind, HostId, Place, SECOND, base_name, facts, for_each, is_service_logon,
};
use hashbrown::HashMap;

use super::{Shares, Shown, Started, Technique, ToolName, brief, ran};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::signs::sensor::ends;
use crate::used::Use;
use crate::world::World;

/// Distributed COM.
pub(crate) struct Dcom;

impl Technique for Dcom {
    fn family(&self) -> Family {
        Family::Dcom
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1021.003"]
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

    fn network(&self, world: &mut World<'_>, out: &mut Sink) {
        network(world, out);
    }

    fn cmdlets(&self) -> (&'static [&'static str], &'static [&'static str]) {
        (&["invoke-dcom"], TECHNIQUES)
    }

    fn served(&self, used: &Use) -> Option<Shown> {
        matches!(used.program.as_str(), "mmc.exe" | "dllhost.exe")
            .then(|| Shown::moves(self.plain()))?
    }

    fn is_meant(&self, name: ToolName<'_>) -> bool {
        match name {
            ToolName::Protocol(_) => false,
            ToolName::Script(name) => name == "dcomexec",
            ToolName::Action(name) => name.contains("dcom"),
        }
    }
}

const TECHNIQUES: &[&str] = &["T1021.003"];

/// IDispatch, through which scripts call objects of any kind.
const DISPATCH: &str = "00020400-0000-0000-c000-000000000046";

/// Objects that a client created on a host, and then called: through IDispatch, as tools and scripts do, or through an
/// interface that the sensor does not know.
fn network(world: &mut World<'_>, out: &mut Sink) {
    /// From the creation of an object to its call.
    const CALLED: i64 = 60 * SECOND;
    let catalog = world.catalog;
    let mut made: HashMap<(Place, HostId), Vec<(i64, u64)>> = HashMap::new();
    let mut called = Vec::new();
    for_each(catalog, facts::ZeekRpc, |row| {
        let endpoint = row.endpoint().to_lowercase();
        let operation = row.operation().to_lowercase();
        let activates = matches!(
            endpoint.as_str(),
            "iremotescmactivator" | "isystemactivator"
        ) && operation.contains("createinstance");
        let interface = endpoint.strip_prefix("unknown-");
        let port: u16 = row.resp_p();
        let calls = port > 1023 && (interface.is_some() || endpoint == "idispatch");
        if !activates && !calls {
            return;
        }
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        if activates {
            made.entry((src, dst))
                .or_default()
                .push((row.time, row.reference));
        } else {
            let sure = interface.is_none_or(|own| own == DISPATCH);
            let used = world.user_of(row.uid());
            called.push((src, dst, row.time, row.reference, port, sure, used));
        }
    });
    for own in made.values_mut() {
        own.sort_unstable();
    }
    for (src, dst, time, reference, port, sure, used) in called {
        let activation = made.get(&(src, dst)).and_then(|own| {
            let later = own.partition_point(|(at, _)| *at <= time);
            own.get(..later)?
                .last()
                .filter(|(at, _)| time - at <= CALLED)
        });
        let Some((_, activation)) = activation else {
            continue;
        };
        let mut evidence = Evidence::new(
            Kind::Network,
            Family::Dcom,
            if sure { Act::Strong } else { Act::Weak },
            dst,
            time,
            reference,
            format!("created an object, then called it on port {port}"),
        )
        .technique(TECHNIQUES)
        .from(src)
        .used(used)
        .weighs(Class::NetworkCall, 0.35);
        evidence.refs.push(*activation);
        out.push(evidence);
    }
}

/// Programs that serve objects that run commands for the caller.
fn is_server(image: &str) -> bool {
    matches!(
        image,
        "mmc.exe"
            | "excel.exe"
            | "winword.exe"
            | "powerpnt.exe"
            | "outlook.exe"
            | "visio.exe"
            | "mshta.exe"
            | "iexplore.exe"
            | "explorer.exe"
            | "ieproxy.exe"
    )
}

/// An object of a program on somebody's desktop, such as its shell, runs the command as that user. The client is
/// somebody else: the only one who logged on from elsewhere.
fn for_another(world: &World<'_>, started: &Started, out: &mut Sink) {
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    let what = format!("the COM object started {}", brief(process.command));
    let (user, host, time, reference) =
        (process.user, process.host, process.time, process.reference);
    let mut evidence = Evidence::new(
        Kind::DestinationExecution,
        Family::Dcom,
        Act::Strong,
        host,
        time,
        reference,
        what,
    )
    .technique(TECHNIQUES)
    .effective(user)
    .weighs(Class::Execution, 0.15);
    evidence.process = world.process_key(started.at);
    out.push(evidence);
}

fn process(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    if (is_server(&started.parent) || started.parent == "dllhost.exe")
        && (super::writes_to_own_share(&started.command) || super::leaves_output(&started.command))
    {
        for_another(world, started, out);
        return;
    }
    let embedding =
        started.command.contains("-embedding") || started.command.contains("/automation");
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    let object = is_server(&started.image) && embedding && started.image != "explorer.exe";
    // What the object was told to start.
    let child =
        started.parent == "mmc.exe" && process.parent_command.to_lowercase().contains("-embedding");
    if !object && !child {
        return;
    }
    let what = format!(
        "{} {}",
        if child {
            "the COM object started"
        } else {
            "COM object server"
        },
        brief(if process.command.is_empty() {
            process.image
        } else {
            process.command
        })
    );
    let system = is_service_logon(process.logon_id);
    // COM starts a server on a local caller's desktop; a remote caller has none here.
    let no_desktop = object && started.parent == "svchost.exe" && process.desktop == Some(0);
    let Some(mut evidence) = ran(
        world,
        started.at,
        Family::Dcom,
        Act::Strong,
        TECHNIQUES,
        what,
    ) else {
        return;
    };
    let remote = evidence
        .session
        .and_then(|key| world.session_of(&key))
        .is_some_and(|session| session.is_remote());
    if system {
        evidence.act = Act::None;
    } else if !remote {
        evidence.act = if child || started.image == "mshta.exe" || no_desktop {
            Act::Weak
        } else {
            Act::None
        };
    }
    out.push(evidence);
}

/// Windows programs that answer calls of clients all day.
fn is_of_windows(image: &str) -> bool {
    matches!(
        image,
        "" | "system"
            | "<unknown process>"
            | "svchost.exe"
            | "services.exe"
            | "lsass.exe"
            | "spoolsv.exe"
            | "wininit.exe"
            | "dfsrs.exe"
            | "dfssvc.exe"
            | "dns.exe"
            | "certsrv.exe"
            | "ntfrs.exe"
            | "msdtc.exe"
            | "mqsvc.exe"
            | "clussvc.exe"
            | "vmms.exe"
            | "ismserv.exe"
            | "wmiprvse.exe"
    )
}

/// The last start of a program before a time, for connections that do not identify the process.
fn running(world: &World<'_>, host: HostId, image: &str, time: i64) -> Option<usize> {
    const RECENT: i64 = 600 * SECOND;
    world
        .processes_between(host, time - RECENT, time + SECOND)
        .filter(|(_, one)| base_name(one.image).eq_ignore_ascii_case(image))
        .last()
        .map(|(at, _)| at)
}

/// A program that accepts more clients than this is a server in its own right.
const FEW: usize = 2;

/// The clients that each program of each host accepted at its own ports.
fn listeners(world: &World<'_>) -> HashMap<(HostId, String), BTreeSet<HostId>> {
    let mut all: HashMap<(HostId, String), BTreeSet<HostId>> = HashMap::new();
    for one in &world.connections {
        if let (true, Place::Host(src), Place::Host(dst)) =
            (one.inbound && one.dst_port >= 1024, one.src, one.dst)
        {
            let image = base_name(one.image).to_lowercase();
            if src != dst && !is_of_windows(&image) {
                all.entry((dst, image)).or_default().insert(src);
            }
        }
    }
    all
}

/// How certain it is that a program that accepted a client serves objects: COM's own starter started it, it is the
/// installer, whose objects clients may call, or it works for a person. `None` for services.
fn serves_objects(
    world: &World<'_>,
    image: &str,
    process: Option<usize>,
    user: Option<AccountId>,
) -> Option<Act> {
    if matches!(image, "msiexec.exe" | "dllhost.exe") {
        return Some(Act::Strong);
    }
    let Some(process) = process.and_then(|at| world.processes.get(at)) else {
        let person = user.is_some_and(|id| world.accounts.is_user(id));
        return Some(if person { Act::Strong } else { Act::Weak });
    };
    let command = process.command.to_lowercase();
    let parent = base_name(process.parent_image).to_lowercase();
    if command.contains("-embedding")
        || command.contains("/processid:")
        || command.contains("/automation")
        || parent == "svchost.exe"
    {
        return Some(Act::Strong);
    }
    (parent != "services.exe").then_some(Act::Weak)
}

fn events(world: &mut World<'_>, out: &mut Sink) {
    let listeners = listeners(world);
    // A remote connection to an object server that otherwise listens to nobody.
    for at in 0..world.connections.len() {
        let Some(one) = world.connections.get(at) else {
            continue;
        };
        if !one.inbound || one.dst_port < 1024 || one.src_port < 1024 {
            continue;
        }
        let image = base_name(one.image).to_lowercase();
        let known = is_server(&image);
        if !known && is_of_windows(&image) {
            continue;
        }
        let (Place::Host(src), Place::Host(dst)) = (one.src, one.dst) else {
            continue;
        };
        if src == dst {
            continue;
        }
        let process = world
            .process_of_guid(one.process_guid)
            .or_else(|| running(world, dst, &image, one.time));
        // The network logon of that connection names the account.
        let session = world
            .sessions_between(dst, one.time - 120_000_000, one.time + 120_000_000)
            .find(|(_, session)| {
                session.port != 0 && session.port == one.src_port && session.ip == Some(one.src_ip)
            });
        // Other programs answer many clients; one that logs its client on by the connection's own means serves objects,
        // or calls. Services do so by themselves.
        let called = session.is_some_and(|(_, session)| {
            session.logon_type == 3 && session.kind == AccountKind::User
        });
        let act = match (known, called) {
            (true, _) => Act::Strong,
            (false, true) => match serves_objects(world, &image, process, one.user).filter(|_| {
                listeners
                    .get(&(dst, image.clone()))
                    .is_none_or(|clients| clients.len() <= FEW)
            }) {
                Some(act) => act,
                None => continue,
            },
            // The installer listens only to callers of its objects.
            (false, false) if image == "msiexec.exe" => Act::Strong,
            (false, false) => continue,
        };
        let session = session.map(|(at, _)| at);
        let image = base_name(one.image);
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Dcom,
            act,
            dst,
            one.time,
            one.reference,
            format!("{image} accepted a connection to port {}", one.dst_port),
        )
        .technique(TECHNIQUES)
        .from(one.src)
        .effective(one.user)
        .weighs(Class::ObjectConnection, 0.3);
        evidence.process = world.process_key(process);
        if let Some(session) = session {
            evidence.session = world.session_key(session);
            evidence.used = world
                .sessions
                .get(session)
                .and_then(|session| session.account);
        }
        out.push(evidence);
    }
    let catalog = world.catalog;
    for_each(catalog, facts::ComRefusal, |row| {
        let host = world.writer(row);
        let src = world.hosts.place(row.client_address(), host, row.time);
        if !matches!(src, Place::Host(_)) {
            return;
        }
        let user = world
            .accounts
            .get(row.user_sid(), row.user_name(), row.domain_name());
        let mut evidence = Evidence::new(
            Kind::DestinationLogon,
            Family::Dcom,
            Act::Strong,
            host,
            row.time,
            row.reference,
            format!("launch of COM object {} refused", row.class_id()),
        )
        .technique(TECHNIQUES)
        .from(src)
        .used(user)
        .weighs(Class::Refused, 0.35);
        evidence.attempt = true;
        out.push(evidence);
    });
}
