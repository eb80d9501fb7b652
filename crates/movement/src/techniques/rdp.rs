//! Remote desktop: logons, reconnects, tunnels, gateways, session hijacking (T1021.001, T1563.002, T1572).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crabwalk_activity::{
    AccountId, AccountKind, HostId, Place, SECOND, address, base_name, facts, for_each, given,
};
use hashbrown::HashMap;
use sha2::{Digest as _, Sha256};

use super::{Started, Technique, ToolName, brief};
use crate::command::{CommandLine, Named};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::signs::sensor::ends;
use crate::world::World;

/// Remote desktop.
pub(crate) struct Rdp;

impl Technique for Rdp {
    fn family(&self) -> Family {
        Family::Rdp
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1021.001", "T1563.002", "T1572"]
    }

    fn ports(&self) -> &'static [u16] {
        &[3389]
    }

    fn alone_on_its_ports(&self) -> Option<&'static [&'static str]> {
        Some(&["T1021.001"])
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
        if command.program != "mstsc" {
            return None;
        }
        let host = command.option(&["v"])?;
        let host = host.split(':').next().unwrap_or(&host).to_owned();
        command.on(Some(host), None, &["T1021.001"])
    }

    fn credentials(&self, program: &str, class: &str) -> Option<&'static [&'static str]> {
        (program == "mstsc.exe" || class == "termsrv").then_some(&["T1021.001"])
    }

    fn is_meant(&self, name: ToolName<'_>) -> bool {
        match name {
            ToolName::Protocol(name) => name == "rdp",
            ToolName::Script(name) => name == "rdp_check",
            ToolName::Action(name) => name.contains("rdp"),
        }
    }
}

const TECHNIQUES: &[&str] = &["T1021.001"];

/// Whether the client watches or controls another's session.
pub(crate) fn is_shadow(started: &Started) -> bool {
    started.image == "mstsc.exe" && started.command.contains("/shadow")
}

fn process(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    if let Some(process) = world.processes.get(started.at)
        && process.image.to_lowercase().starts_with("\\\\tsclient\\")
    {
        let what = format!(
            "ran from the remote desktop client's drive: {}",
            brief(process.image)
        );
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Rdp,
            Act::Strong,
            process.host,
            process.time,
            process.reference,
            what,
        )
        .technique(TECHNIQUES)
        .used(process.user)
        .effective(process.user)
        .weighs(Class::Execution, 0.2);
        evidence.process = world.process_key(started.at);
        out.push(evidence);
        return;
    }
    if is_shadow(started) {
        shadow(world, started, out);
        return;
    }
    if started.image != "tscon.exe" || !started.command.contains("/dest:") {
        return;
    }
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    // The system can take over a session without a password; the user at the other end gets it.
    let mut evidence = Evidence::new(
        Kind::DestinationExecution,
        Family::Rdp,
        Act::None,
        process.host,
        process.time,
        process.reference,
        brief(process.command),
    )
    .technique(&["T1563.002"])
    .weighs(Class::Takeover, 0.15);
    evidence.process = world.process_key(started.at);
    out.push(evidence);
}

/// Watching or controlling another's session on another host.
fn shadow(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    let (host, time, reference, user, logon, command) = (
        process.host,
        process.time,
        process.reference,
        process.user,
        process.logon_id,
        process.command,
    );
    let targets = crate::signs::client::in_command("mstsc.exe", "", command);
    let Some(target) = targets.first() else {
        return;
    };
    let Place::Host(dst) = world.hosts.place(&target.host, host, time) else {
        return;
    };
    let mut evidence = Evidence::new(
        Kind::Source,
        Family::Rdp,
        Act::Weak,
        dst,
        time,
        reference,
        format!("asked to shadow a session: {}", brief(command)),
    )
    .technique(&["T1563.002", "T1021.001"])
    .from(Place::Host(host))
    .actor(user)
    .weighs(Class::Shadow, 0.15);
    evidence.source_process = world.process_key(started.at);
    evidence.source_logon = Some(logon);
    out.push(evidence);
}

/// The machine to which the program at the near end of a tunnel is connected.
fn tunnel_end(world: &World<'_>, evidence: &mut Evidence) {
    let near = |time: i64| (time - evidence.time).abs() <= 120 * SECOND;
    let (mut client, mut far) = (None, Vec::new());
    for one in &world.connections {
        if one.observer != Some(evidence.dst) || one.inbound {
            continue;
        }
        if one.dst_port == 3389 && one.dst == Place::Host(evidence.dst) && near(one.time) {
            client = Some(one);
        } else if matches!(one.dst, Place::Host(host) if host != evidence.dst) {
            far.push(one);
        }
    }
    let Some(client) = client else { return };
    let ends: Vec<_> = far
        .into_iter()
        .filter(|one| {
            if client.process_guid.is_empty() {
                one.image == client.image
            } else {
                one.process_guid == client.process_guid
            }
        })
        .collect();
    // The one it is connected to by then, or else the first it connects to afterwards.
    let end = ends
        .iter()
        .rev()
        .find(|one| one.time <= client.time)
        .or(ends.first());
    if let Some(end) = end {
        evidence.refs.extend([client.reference, end.reference]);
        evidence
            .what
            .then(format!(" through {}", base_name(client.image)));
        evidence.src = end.dst;
    }
}

/// Programs that connect to the remote desktop of their own machine while they are connected to another.
fn tunnels(world: &World<'_>, out: &mut Sink) {
    for one in &world.connections {
        let Some(host) = one.observer else { continue };
        if one.inbound || one.dst_port != 3389 || one.dst != Place::Host(host) {
            continue;
        }
        let mut evidence = Evidence::new(
            Kind::Network,
            Family::Rdp,
            Act::Strong,
            host,
            one.time,
            one.reference,
            "a client of the machine's own remote desktop",
        )
        .technique(&["T1021.001", "T1572"])
        .weighs(Class::Relay, 0.35);
        evidence.tunnel = true;
        tunnel_end(world, &mut evidence);
        if matches!(evidence.src, Place::Host(src) if src != host) {
            out.push(evidence);
        }
    }
}

/// The only client whose connection to the remote desktop had just been accepted.
fn only_client(world: &World<'_>, host: HostId, time: i64, before: i64) -> Option<Place> {
    /// Sysmon logs connections late.
    const LATE: i64 = 3 * SECOND;
    let clients = world.clients_between(host, &[3389], time - before, time + LATE);
    match (clients.len(), clients.into_iter().next()) {
        (1, Some((src, _))) => Some(Place::Host(src)),
        _ => None,
    }
}

/// Whether the session's logon is known and was made here.
fn is_local_session(world: &World<'_>, host: HostId, logon_id: u64, time: i64) -> bool {
    world
        .session(host, logon_id, time)
        .and_then(|at| world.sessions.get(at))
        .is_some_and(|session| session.logon_type != 0 && !session.is_remote())
}

/// Desktops that begin just after the only client connected, and so belong to it. The first desktop is the console; the
/// clipboard's program runs only in clients' desktops.
fn desktops(world: &World<'_>, out: &mut Sink) {
    const BEGINS: i64 = 30 * SECOND;
    for process in &world.processes {
        let (image, parent) = (base_name(process.image), base_name(process.parent_image));
        let new = process.desktop.is_some_and(|number| number > 1);
        let begins = image.eq_ignore_ascii_case("rdpclip.exe")
            || new
                && (image.eq_ignore_ascii_case("userinit.exe")
                    && parent.eq_ignore_ascii_case("winlogon.exe")
                    || image.eq_ignore_ascii_case("explorer.exe")
                        && parent.eq_ignore_ascii_case("userinit.exe"));
        let Some(user) = process.user.filter(|id| world.accounts.is_user(*id)) else {
            continue;
        };
        if !begins || is_local_session(world, process.host, process.logon_id, process.time) {
            continue;
        }
        let Some(src) = only_client(world, process.host, process.time, BEGINS) else {
            continue;
        };
        let mut evidence = Evidence::new(
            Kind::DestinationLogon,
            Family::Rdp,
            Act::Strong,
            process.host,
            process.time,
            process.reference,
            "a desktop began just after the client connected",
        )
        .technique(TECHNIQUES)
        .from(src)
        .used(Some(user))
        .weighs(Class::RdpSession, 0.3);
        evidence.session =
            world.session_key(world.session(process.host, process.logon_id, process.time));
        out.push(evidence);
    }
}

/// The Run dialog is used within seconds of the connection: a client without a person types like that.
fn typed(world: &mut World<'_>, out: &mut Sink) {
    const TYPES: i64 = 10 * SECOND;
    let catalog = world.catalog;
    for_each(catalog, facts::RegistryValue, |row| {
        let target = row.target_object().to_lowercase();
        if !base_name(row.image()).eq_ignore_ascii_case("explorer.exe")
            || !target.contains("\\explorer\\runmru\\")
            || target.ends_with("\\mrulist")
        {
            return;
        }
        let host = world.writer(row);
        let Some(src) = only_client(world, host, row.time, TYPES) else {
            return;
        };
        let started = world
            .processes_between(host, row.time - SECOND, row.time + 3 * SECOND)
            .find(|(_, one)| base_name(one.parent_image).eq_ignore_ascii_case("explorer.exe"))
            .map(|(at, one)| (at, one.user, one.logon_id));
        if let Some((_, _, logon)) = started
            && is_local_session(world, host, logon, row.time)
        {
            return;
        }
        let shell = world
            .process_of_guid(row.process_guid())
            .and_then(|at| world.processes.get(at)?.user);
        let user = world
            .accounts
            .of_text(row.user())
            .or(shell)
            .or(started.and_then(|(_, user, _)| user))
            .filter(|id| world.accounts.is_user(*id));
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Rdp,
            Act::Strong,
            host,
            row.time,
            row.reference,
            format!(
                "a command was typed as soon as the client had connected: {}",
                brief(row.details())
            ),
        )
        .technique(TECHNIQUES)
        .from(src)
        .used(user)
        .effective(user)
        .weighs(Class::Execution, 0.25);
        evidence.process = started.and_then(|(at, ..)| world.process_key(at));
        out.push(evidence);
    });
}

/// Sessions that somebody on another machine watched or controlled, according to the destination's log: who, from
/// where, whose.
fn shadowed(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::DesktopShadow, |row| {
        let verb = if row.event_id == 20503 {
            "watched"
        } else {
            "steered"
        };
        let host = world.writer(row);
        let src = world.hosts.place(row.client(), host, row.time);
        if src == Place::Local {
            return;
        }
        let used = world.accounts.of_text(row.by());
        let effective = world.accounts.of_text(row.of());
        out.push(
            Evidence::new(
                Kind::DestinationLogon,
                Family::Rdp,
                Act::Strong,
                host,
                row.time,
                row.reference,
                format!("{} {verb} the session of {}", row.by(), row.of()),
            )
            .technique(&["T1563.002", "T1021.001"])
            .from(src)
            .used(used)
            .effective(effective)
            .weighs(Class::Shadow, 0.4),
        );
    });
}

/// A remote desktop logon in any log of the destination.
fn logon(world: &mut World<'_>, out: &mut Sink, seen: Evidence, client: &str) {
    let mut evidence = seen;
    let ip = address(client);
    evidence.src = world.hosts.place(client, evidence.dst, evidence.time);
    if evidence.src == Place::Local {
        if !ip.is_some_and(|ip| ip.is_loopback()) {
            return;
        }
        // The client ends in a forwarded port of this machine.
        evidence.src = Place::Unknown;
        evidence.tunnel = true;
        tunnel_end(world, &mut evidence);
        evidence.techniques.push("T1572");
    }
    out.push(evidence);
}

/// The client logs the hash of the name it was given (1029), after the host it connects to (1024, 1102): finds the
/// known account with that hash.
fn client_users(world: &mut World<'_>, out: &mut Sink) {
    /// From the target to the name.
    const SOON: i64 = 60 * SECOND;
    let catalog = world.catalog;
    let mut targets: BTreeMap<HostId, Vec<(i64, HostId)>> = BTreeMap::new();
    settings(world, out);
    for_each(catalog, facts::DesktopClient, |row| {
        let host = world.writer(row);
        if let Place::Host(dst) = world.hosts.place(row.value(), host, row.time) {
            targets.entry(host).or_default().push((row.time, dst));
        }
    });
    if targets.is_empty() {
        return;
    }
    for times in targets.values_mut() {
        times.sort_unstable();
    }
    let mut names: Option<HashMap<String, AccountId>> = None;
    for_each(catalog, facts::DesktopClientUser, |row| {
        let text = row.hash();
        let host = world.writer(row);
        let Some((_, dst)) = targets.get(&host).and_then(|times| {
            times
                .iter()
                .rev()
                .find(|(time, _)| *time <= row.time + SECOND && row.time - time <= SOON)
        }) else {
            return;
        };
        let names = names.get_or_insert_with(|| hashed_names(world));
        // Base64 has no hyphen; the client writes the hashes of name and domain with hyphens in between.
        let used = text
            .split(['-', ' '])
            .find_map(|hash| names.get(hash))
            .copied();
        if used.is_none() {
            return;
        }
        let actor = world.accounts.of_text(row.user_id());
        out.push(
            Evidence::new(
                Kind::Source,
                Family::Rdp,
                Act::Weak,
                *dst,
                row.time,
                row.reference,
                "the remote desktop client was given the account's name (its hash matches)",
            )
            .technique(TECHNIQUES)
            .from(Place::Host(host))
            .actor(actor)
            .used(used)
            .weighs(Class::ClientUser, 0.1),
        );
    });
}

/// The client stores the last name it was given for each server, in the user's part of the registry.
fn remembered(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::RegistryValue, |row| {
        let target = row.target_object();
        let lower = target.to_lowercase();
        if !lower.ends_with("\\usernamehint")
            || !lower.contains("\\terminal server client\\servers\\")
        {
            return;
        }
        let host = world.writer(row);
        let server = target.rsplit('\\').nth(1).unwrap_or_default();
        let Place::Host(dst) = world.hosts.place(server, host, row.time) else {
            return;
        };
        let actor = world.accounts.of_text(row.user());
        let used = world.claimed_at(dst, row.details());
        let mut evidence = Evidence::new(
            Kind::Source,
            Family::Rdp,
            Act::Weak,
            dst,
            row.time,
            row.reference,
            format!("the remote desktop client remembers the account for {server}"),
        )
        .technique(TECHNIQUES)
        .from(Place::Host(host))
        .actor(actor)
        .used(used)
        .weighs(Class::ClientUser, 0.2);
        evidence.source_process = world.process_key(world.process_of_guid(row.process_guid()));
        out.push(evidence);
    });
}

/// Base64 of the SHA-256 of all accounts' names, in UTF-16, as they may have been typed.
fn hashed_names(world: &World<'_>) -> HashMap<String, AccountId> {
    let mut all = HashMap::new();
    for (at, account) in world.accounts.all.iter().enumerate() {
        let id = AccountId::at(at);
        if !world.accounts.is_user(id) {
            continue;
        }
        for name in &account.names {
            let sam = name.rsplit('\\').next().unwrap_or(name);
            for typed in [name.as_str(), sam] {
                for typed in [typed.to_owned(), typed.to_lowercase(), typed.to_uppercase()] {
                    let bytes: Vec<u8> = typed.encode_utf16().flat_map(u16::to_le_bytes).collect();
                    let hash = BASE64.encode(Sha256::digest(&bytes));
                    all.entry(hash).or_insert(id);
                }
            }
        }
    }
    all
}

/// The client's settings follow its connection within this time.
const SETTLES: i64 = 60 * SECOND;

/// The client sent its time zone (104) or, just after it connected, its resolution (168): the connection has become a
/// session. A failed password gets no further than the connection (131).
fn settings(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    let mut connected: BTreeSet<(HostId, i64)> = BTreeSet::new();
    for_each(catalog, facts::DesktopConnection, |row| {
        connected.insert((world.writer(row), row.time));
    });
    let mut told: BTreeMap<(HostId, i64), u64> = BTreeMap::new();
    for_each(catalog, facts::DesktopNegotiation, |row| {
        let id = row.event_id;
        let host = world.writer(row);
        let new = id == 104
            || connected
                .range((host, row.time - SETTLES)..=(host, row.time))
                .next()
                .is_some();
        if new {
            let first = told.entry((host, row.time)).or_insert(row.reference);
            *first = (*first).min(row.reference);
        }
    });
    let mut last: Option<(HostId, i64)> = None;
    for ((host, time), reference) in told {
        let same = last.is_some_and(|(other, first)| other == host && time - first < SETTLES);
        if same {
            continue;
        }
        last = Some((host, time));
        out.push(
            Evidence::new(
                Kind::DestinationLogon,
                Family::Rdp,
                Act::Weak,
                host,
                time,
                reference,
                "a remote desktop client sent its settings",
            )
            .technique(TECHNIQUES)
            .weighs(Class::Settings, 0.15),
        );
    }
}

/// Shows whether a remote desktop became a session: the session manager's log, and the Security log.
struct Desktops {
    /// Sessions that began or were resumed, by host and time.
    began: BTreeMap<HostId, Vec<i64>>,
    /// All session records of either log, by host and time.
    heard: BTreeMap<HostId, Vec<i64>>,
}

impl Desktops {
    fn read(world: &mut World<'_>) -> Self {
        let catalog = world.catalog;
        let mut began: BTreeMap<HostId, Vec<i64>> = BTreeMap::new();
        let mut heard: BTreeMap<HostId, Vec<i64>> = BTreeMap::new();
        for_each(catalog, facts::DesktopSession, |row| {
            let host = world.writer(row);
            heard.entry(host).or_default().push(row.time);
            if !row.address().eq_ignore_ascii_case("LOCAL") {
                began.entry(host).or_default().push(row.time);
            }
        });
        for one in world.sessions.iter().filter(|one| one.logon_type != 0) {
            heard.entry(one.host).or_default().push(one.time);
            // The network logon comes first, when the client authenticates before it sees the desktop.
            if matches!(one.logon_type, 3 | 7 | 10 | 12) && one.kind == AccountKind::User {
                began.entry(one.host).or_default().push(one.time);
            }
        }
        for_each(catalog, facts::DesktopArrival, |row| {
            let host = world.writer(row);
            began.entry(host).or_default().push(row.time);
        });
        for times in began.values_mut().chain(heard.values_mut()) {
            times.sort_unstable();
        }
        Self { began, heard }
    }

    /// Whether the logs, which have sessions of the same day before and after, have none around a time.
    fn is_silent(&self, host: HostId, time: i64) -> bool {
        const BEFORE: i64 = 30 * SECOND;
        const AFTER: i64 = 120 * SECOND;
        const DAY: i64 = 12 * 3600 * SECOND;
        let list = |all: &BTreeMap<HostId, Vec<i64>>, from: i64, to: i64| {
            let times = all.get(&host).map_or(&[][..], Vec::as_slice);
            let next = times.get(times.partition_point(|own| *own < from));
            next.is_some_and(|next| *next <= to)
        };
        list(&self.heard, time - DAY, time - BEFORE)
            && list(&self.heard, time + AFTER, time + DAY)
            && !list(&self.began, time - BEFORE, time + AFTER)
    }
}

/// Logons to a desktop, first or again, that the Security log of the destination names with their client.
fn logged_on(world: &mut World<'_>, out: &mut Sink) {
    for at in 0..world.sessions.len() {
        let Some(session) = world.sessions.get(at) else {
            continue;
        };
        let interactive = session.logon_type == 10
            || (session.logon_type == 7 && matches!(session.source, Place::Host(_)));
        if !interactive || session.kind != AccountKind::User {
            continue;
        }
        let what = match (session.logon_type, session.restricted) {
            (7, _) => "remote desktop reconnect (logon type 7)",
            // No password is sent, so a hash or ticket is enough.
            (_, true) => "remote desktop logon in restricted admin mode (logon type 10)",
            _ => "remote desktop logon (logon type 10)",
        };
        let mut evidence = Evidence::new(
            Kind::DestinationLogon,
            Family::Rdp,
            Act::Strong,
            session.host,
            session.time,
            session.reference,
            what,
        )
        .technique(TECHNIQUES)
        .used(session.account)
        .weighs(Class::Logon, 0.45);
        if session.restricted {
            evidence.techniques.push("T1550.002");
        }
        evidence.session = world.session_key(at);
        let client = session.ip.map(|ip| ip.to_string()).unwrap_or_default();
        logon(world, out, evidence, &client);
    }
}

/// Who proved to be whom before the desktop began, according to the listener of connections.
fn authenticated(world: &mut World<'_>, desktops: &Desktops, out: &mut Sink) {
    let catalog = world.catalog;
    // Names with their domains first, so that the meaning of one without a domain does not depend on order.
    for_each(catalog, facts::DesktopAuthentication, |row| {
        if let Some(domain) = given(row.domain()) {
            world.accounts.get("", domain, row.user());
        }
    });
    for_each(catalog, facts::DesktopAuthentication, |row| {
        let host = world.writer(row);
        let (name, domain) = (row.user(), row.domain());
        let user = if domain.is_empty() {
            world.account_at(host, name)
        } else {
            world.accounts.get("", domain, name)
        };
        let mut evidence = Evidence::new(
            Kind::DestinationLogon,
            Family::Rdp,
            Act::Strong,
            host,
            row.time,
            row.reference,
            "remote desktop authenticated",
        )
        .technique(TECHNIQUES)
        .used(user)
        .weighs(Class::RdpAuthentication, 0.4);
        // Older servers write it before they ask for a password.
        if desktops.is_silent(host, row.time) {
            evidence.act = Act::Weak;
            evidence.attempt = true;
            evidence.what.then(", and no session followed");
        }
        logon(world, out, evidence, row.client());
    });
}

/// Desktops that began or were resumed, according to the session manager.
fn began(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::DesktopSession, |row| {
        let id = row.event_id;
        let client = row.address();
        if client.is_empty() || client.eq_ignore_ascii_case("LOCAL") {
            return;
        }
        let host = world.writer(row);
        let user = world.accounts.of_text(row.user());
        let what = if id == 21 {
            "remote desktop session began"
        } else {
            "remote desktop session resumed"
        };
        let evidence = Evidence::new(
            Kind::DestinationLogon,
            Family::Rdp,
            Act::Strong,
            host,
            row.time,
            row.reference,
            what,
        )
        .technique(TECHNIQUES)
        .used(user)
        .weighs(Class::RdpSession, 0.4);
        logon(world, out, evidence, client);
    });
}

/// A session that a client was connected to, or that it left.
struct Reconnect<'a> {
    time: i64,
    host: HostId,
    /// Name of the connection.
    session: &'a str,
    user: Option<AccountId>,
    /// Address of the client.
    client: &'a str,
    /// Name of the client.
    name: &'a str,
    reference: u64,
    arrives: bool,
}

impl Reconnect<'_> {
    /// Whether the client left this session for another account's: at once, under the same connection name, and without
    /// a new logon. It took the other one over.
    fn is_left_for(&self, connects: &Self) -> bool {
        !self.arrives
            && self.host == connects.host
            && self.session == connects.session
            && self.user != connects.user
            && self.client == connects.client
            && connects.time - self.time <= 2 * SECOND
    }
}

/// All connections to sessions and all leaves, by time.
fn reconnects<'a>(world: &mut World<'a>) -> Vec<Reconnect<'a>> {
    let mut all: Vec<Reconnect<'a>> = Vec::new();
    for_each(world.catalog, facts::DesktopReconnection, |row| {
        let host = world.writer(row);
        let user = world
            .accounts
            .get("", row.account_domain(), row.account_name());
        all.push(Reconnect {
            time: row.time,
            host,
            session: row.session_name(),
            user,
            client: row.client_address(),
            name: row.client_name(),
            reference: row.reference,
            arrives: row.event_id == 4778,
        });
    });
    all.sort_by_key(|one| (one.time, one.host, one.session, one.arrives));
    all
}

/// Sessions that a client was connected to; among them those that it took over from another account.
fn connected(world: &mut World<'_>, out: &mut Sink) {
    /// Most events to look back at for the one that left the session.
    const BACK: usize = 16;
    let reconnects = reconnects(world);
    for (at, one) in reconnects.iter().enumerate() {
        if !one.arrives || !one.session.to_lowercase().starts_with("rdp") {
            continue;
        }
        let taken = reconnects
            .get(at.saturating_sub(BACK)..at)
            .unwrap_or_default()
            .iter()
            .rev()
            .find(|before| before.is_left_for(one));
        let Reconnect {
            session,
            client,
            name,
            ..
        } = one;
        let mut evidence = Evidence::new(
            Kind::DestinationLogon,
            Family::Rdp,
            Act::Strong,
            one.host,
            one.time,
            one.reference,
            format!("{session} connected from {client} ({name})"),
        )
        .technique(if taken.is_some() {
            &["T1563.002"]
        } else {
            TECHNIQUES
        })
        .used(one.user)
        .weighs(Class::RdpConnect, 0.4);
        if let Some(before) = taken {
            evidence.actor = before.user;
            evidence.effective = one.user;
            evidence.refs.push(before.reference);
            evidence.what =
                format!("session of another account taken over from {client} ({name})").into();
        }
        let client = if address(client).is_some() {
            client
        } else {
            name
        };
        logon(world, out, evidence, client);
    }
}

/// Accounts that may not use remote desktop here.
fn refused(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::DesktopDenial, |row| {
        let host = world.writer(row);
        let user = world
            .accounts
            .get("", row.account_domain(), row.account_name());
        let mut evidence = Evidence::new(
            Kind::DestinationLogon,
            Family::Rdp,
            Act::Strong,
            host,
            row.time,
            row.reference,
            "remote desktop access refused",
        )
        .technique(TECHNIQUES)
        .used(user)
        .weighs(Class::Refused, 0.4);
        evidence.attempt = true;
        logon(world, out, evidence, row.client_address());
    });
}

/// Clients that a gateway connected to a destination.
fn through_gateways(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::GatewayConnection, |row| {
        let host = world.writer(row);
        let src = world.hosts.place(row.ip_address(), host, row.time);
        let dst = match world.hosts.place(row.resource(), host, row.time) {
            Place::Host(dst) => dst,
            Place::Local => host,
            Place::Unknown => return,
        };
        let user = world.accounts.of_text(row.user_name());
        out.push(
            Evidence::new(
                Kind::Network,
                Family::Rdp,
                Act::Strong,
                dst,
                row.time,
                row.reference,
                "remote desktop gateway connected the client",
            )
            .technique(TECHNIQUES)
            .from(src)
            .used(user)
            .weighs(Class::Gateway, 0.45),
        );
    });
}

/// Clients whose connection was accepted, before anybody logged on.
fn accepted(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::DesktopConnection, |row| {
        let host = world.writer(row);
        let src = world.hosts.place(row.client_ip(), host, row.time);
        if matches!(src, Place::Host(_)) {
            out.push(
                Evidence::new(
                    Kind::Network,
                    Family::Rdp,
                    Act::None,
                    host,
                    row.time,
                    row.reference,
                    format!("remote desktop connection from {}", row.client_ip()),
                )
                .technique(TECHNIQUES)
                .from(src)
                .weighs(Class::Connection, 0.1),
            );
        }
    });
}

/// Destinations that the client's own log names.
fn targets_of_clients(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::DesktopClient, |row| {
        let host = world.writer(row);
        let Place::Host(dst) = world.hosts.place(row.value(), host, row.time) else {
            return;
        };
        let actor = world.accounts.of_text(row.user_id());
        out.push(
            Evidence::new(
                Kind::Source,
                Family::Rdp,
                Act::Weak,
                dst,
                row.time,
                row.reference,
                format!("remote desktop client connected to {}", row.value()),
            )
            .technique(TECHNIQUES)
            .from(Place::Host(host))
            .actor(actor)
            .weighs(Class::Client, 0.2),
        );
    });
}

/// Connections to the remote desktop port that an end logged.
fn connections(world: &mut World<'_>, out: &mut Sink) {
    for at in 0..world.connections.len() {
        let Some(one) = world.connections.get(at) else {
            continue;
        };
        if one.dst_port != 3389 || one.observer.is_none() {
            continue;
        }
        let (Place::Host(src), Place::Host(dst)) = (one.src, one.dst) else {
            continue;
        };
        if src == dst {
            continue;
        }
        let image = base_name(one.image);
        let mut evidence = Evidence::new(
            if one.inbound {
                Kind::Network
            } else {
                Kind::Source
            },
            Family::Rdp,
            Act::Weak,
            dst,
            one.time,
            one.reference,
            format!(
                "{image} {} port 3389",
                if one.inbound {
                    "accepted a connection to"
                } else {
                    "connected to"
                }
            ),
        )
        .technique(TECHNIQUES)
        .from(one.src)
        .weighs(Class::Connection, 0.1);
        if !one.inbound {
            evidence.actor = one.user.filter(|id| world.accounts.is_user(*id));
            evidence.source_process = world.process_key(world.process_of_guid(one.process_guid));
            evidence.source_program = crate::programs::program(one.image);
        }
        out.push(evidence);
    }
}

/// The client's library in a program that is not the client: a remote desktop without a person.
fn libraries(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::ImageLoad, |row| {
        if !base_name(row.image_loaded()).eq_ignore_ascii_case("mstscax.dll")
            || base_name(row.image()).eq_ignore_ascii_case("mstsc.exe")
        {
            return;
        }
        let Some(at) = world.process_of_guid(row.process_guid()) else {
            return;
        };
        let Some(process) = world.processes.get(at) else {
            return;
        };
        let (host, command, actor, logon) = (
            process.host,
            process.command,
            process.user,
            process.logon_id,
        );
        let Some(target) = crate::command::named_value(command, "computername") else {
            return;
        };
        let Place::Host(dst) = world.hosts.place(&target, host, row.time) else {
            return;
        };
        let used = crate::command::named_value(command, "username")
            .and_then(|name| world.claimed_at(dst, &name));
        let mut evidence = Evidence::new(
            Kind::Source,
            Family::Rdp,
            Act::Weak,
            dst,
            row.time,
            row.reference,
            format!(
                "remote desktop client library in {}",
                base_name(row.image())
            ),
        )
        .technique(TECHNIQUES)
        .from(Place::Host(host))
        .actor(actor)
        .used(used)
        .weighs(Class::Client, 0.15);
        evidence.source_process = world.process_key(at);
        evidence.source_logon = Some(logon);
        out.push(evidence);
    });
}

fn events(world: &mut World<'_>, out: &mut Sink) {
    logged_on(world, out);
    let sessions = Desktops::read(world);
    authenticated(world, &sessions, out);
    began(world, out);
    connected(world, out);
    refused(world, out);
    through_gateways(world, out);
    accepted(world, out);
    targets_of_clients(world, out);
    client_users(world, out);
    tunnels(world, out);
    desktops(world, out);
    typed(world, out);
    shadowed(world, out);
    remembered(world, out);
    connections(world, out);
    libraries(world, out);
}

/// Remote desktop connections that a sensor saw.
fn network(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    let mut cut: HashMap<&str, Option<AccountId>> = HashMap::new();
    for_each(catalog, facts::ZeekRdp, |row| {
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        // The client cuts the name in its cookie to nine characters, and may prepend the domain.
        let cookie = row.cookie();
        let user = world.user_of(row.uid()).or_else(|| {
            if cookie.chars().count() < 9 {
                world.accounts.claimed(cookie)
            } else {
                *cut.entry(cookie)
                    .or_insert_with(|| world.accounts.beginning(cookie))
            }
        });
        out.push(
            Evidence::new(
                Kind::Network,
                Family::Rdp,
                Act::Strong,
                dst,
                row.time,
                row.reference,
                "remote desktop connection",
            )
            .technique(&["T1021.001"])
            .from(src)
            .used(user)
            .weighs(Class::NetworkSession, 0.35),
        );
    });
}
