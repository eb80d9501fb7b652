//! Hosts that forward connections: port proxies (T1090.001), SSH and other tunnels (T1572). The destination sees the
//! relay as its source, while the actor is elsewhere.

use crabwalk_activity::{HostId, Place, SECOND, base_name, facts, for_each};
use hashbrown::HashMap;

use super::{Started, Technique, brief};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::words::Sentence;
use crate::world::World;

/// Relays and tunnels.
pub(crate) struct Relay;

impl Technique for Relay {
    fn family(&self) -> Family {
        Family::Tunnel
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1572"]
    }

    fn process(&self, world: &mut World<'_>, started: &Started, out: &mut Sink) {
        process(world, started, out);
    }

    fn events(&self, world: &mut World<'_>, out: &mut Sink) {
        events(world, out);
    }
}

/// Maximum time between a client's connection to a relay and the relay's onward connection.
const PASSED_ON: i64 = 10 * SECOND;

/// Ports of services for working on another machine.
fn is_administrative(port: u16) -> bool {
    matches!(port, 22 | 135 | 139 | 445 | 1433 | 3389 | 5985 | 5986)
}

/// Programs that accept and make connections without forwarding anything.
fn is_ordinary(image: &str) -> bool {
    matches!(
        image,
        "" | "-"
            | "system"
            | "lsass.exe"
            | "<unknown process>"
            | "services.exe"
            | "dns.exe"
            | "w3wp.exe"
            | "sqlservr.exe"
    )
}

fn events(world: &mut World<'_>, out: &mut Sink) {
    // Connections that one process accepted, followed by its connection to a service for working on other machines.
    let mut accepted: HashMap<(HostId, &str), Vec<usize>> = HashMap::new();
    for (at, one) in world.connections.iter().enumerate() {
        if let (true, Some(observer), false) =
            (one.inbound, one.observer, one.process_guid.is_empty())
            && one.src != one.dst
            && matches!(one.src, Place::Host(_))
            && !is_ordinary(&base_name(one.image).to_lowercase())
        {
            accepted
                .entry((observer, one.process_guid))
                .or_default()
                .push(at);
        }
    }
    if !accepted.is_empty() {
        for one in &world.connections {
            let (false, Some(observer)) = (one.inbound, one.observer) else {
                continue;
            };
            if one.src == one.dst || !is_administrative(one.dst_port) {
                continue;
            }
            let Some(before) = accepted.get(&(observer, one.process_guid)) else {
                continue;
            };
            let image = base_name(one.image);
            // The RPC service host accepts many connections, and connects to the endpoint mapper itself.
            if image.eq_ignore_ascii_case("svchost.exe") && matches!(one.dst_port, 135 | 139 | 445)
            {
                continue;
            }
            let client = before
                .iter()
                .filter_map(|at| world.connections.get(*at))
                .filter(|client| {
                    client.time <= one.time + SECOND
                        && one.time - client.time <= PASSED_ON
                        && client.src != one.dst
                })
                .max_by_key(|client| (client.time, client.src_port));
            let (Some(client), Place::Host(far)) = (client, one.dst) else {
                continue;
            };
            let mut evidence = Evidence::new(
                Kind::DestinationExecution,
                Family::Tunnel,
                Act::Strong,
                observer,
                client.time,
                client.reference,
                Sentence::from(format!(
                    "{image} accepted the connection on port {} and went on to ",
                    client.dst_port
                ))
                .host(world, far)
                .text(format!(" port {}", one.dst_port)),
            )
            .technique(&["T1090.001", "T1572"])
            .from(client.src)
            .used(client.user.filter(|id| world.accounts.is_user(*id)))
            .weighs(Class::Relay, 0.4);
            evidence.refs.push(one.reference);
            evidence.process = world.process_key(world.process_of_guid(one.process_guid));
            out.push(evidence);
        }
    }
    // A port proxy in the registry: `…\PortProxy\v4tov4\tcp\<listen>` = `<host>/<port>`.
    let catalog = world.catalog;
    for_each(catalog, facts::RegistryValue, |row| {
        let target = row.target_object();
        if !target.to_lowercase().contains("\\portproxy\\v") {
            return;
        }
        let host = world.writer(row);
        let details = row.details();
        let (far, port) = details.split_once('/').unwrap_or((details, ""));
        let actor = world.accounts.of_text(row.user());
        proxy(
            world,
            host,
            far,
            port,
            row.time,
            row.reference,
            actor,
            None,
            out,
        );
    });
}

/// The value of `name=value` in a command line of netsh.
fn value<'t>(words: &'t [String], name: &str) -> Option<&'t str> {
    words.iter().find_map(|word| {
        let (own, value) = word.split_once('=')?;
        own.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn process(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    if started.image != "netsh.exe" || !started.command.contains("portproxy") {
        return;
    }
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    let words = crate::command::words(process.command);
    if !words
        .iter()
        .any(|word| word.eq_ignore_ascii_case("add") || word.eq_ignore_ascii_case("set"))
    {
        return;
    }
    let (host, time, reference, user) =
        (process.host, process.time, process.reference, process.user);
    let (Some(far), port) = (
        value(&words, "connectaddress").map(str::to_owned),
        value(&words, "connectport").unwrap_or_default().to_owned(),
    ) else {
        return;
    };
    proxy(
        world,
        host,
        &far,
        &port,
        time,
        reference,
        user,
        Some(started.at),
        out,
    );
}

/// Records that a host now forwards connections to another, which is about to be reached from here.
#[expect(
    clippy::too_many_arguments,
    reason = "what the two events have in common"
)]
fn proxy(
    world: &mut World<'_>,
    host: HostId,
    far: &str,
    port: &str,
    time: i64,
    reference: u64,
    actor: Option<crabwalk_activity::AccountId>,
    process: Option<usize>,
    out: &mut Sink,
) {
    let Place::Host(dst) = world.hosts.place(far, host, time) else {
        return;
    };
    let mut evidence = Evidence::new(
        Kind::Source,
        Family::Tunnel,
        Act::Weak,
        dst,
        time,
        reference,
        format!(
            "a port proxy was set up to {}",
            brief(&if port.is_empty() {
                far.to_owned()
            } else {
                format!("{far} port {port}")
            })
        ),
    )
    .technique(&["T1090.001"])
    .from(Place::Host(host))
    .actor(actor)
    .weighs(Class::Proxy, 0.2);
    evidence.source_process = world.process_key(process);
    out.push(evidence);
}
