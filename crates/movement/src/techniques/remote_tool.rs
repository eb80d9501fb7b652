//! Programs for remote administration (T1219): AnyDesk, TeamViewer, ScreenConnect. Mostly they connect through a server of their
//! maker, so that the network's logs show no peer; their own files know it by a number, TeamViewer also by its name.

use crabwalk_activity::{HostId, Place, facts, for_each};
use hashbrown::HashMap;

use super::{Started, Technique, brief, ran};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::World;

/// Programs for remote administration.
pub(crate) struct RemoteTool;

const TECHNIQUES: &[&str] = &["T1219"];

impl Technique for RemoteTool {
    fn family(&self) -> Family {
        Family::RemoteTool
    }

    fn techniques(&self) -> &'static [&'static str] {
        TECHNIQUES
    }

    /// Of AnyDesk and TeamViewer, where they reach each other without their makers' servers.
    fn ports(&self) -> &'static [u16] {
        &[7070, 5938]
    }

    fn process(&self, world: &mut World<'_>, started: &Started, out: &mut Sink) {
        process(world, started, out);
    }

    fn events(&self, world: &mut World<'_>, out: &mut Sink) {
        anydesk(world, out);
        teamviewer(world, out);
        screen_connect(world, out);
    }
}

/// Commands that ScreenConnect's client runs for somebody at its console: from a file that it writes for them. Its own parts
/// are no commands.
fn process(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    let runs = started.parent == "screenconnect.clientservice.exe"
        && matches!(
            started.image.as_str(),
            "cmd.exe" | "powershell.exe" | "pwsh.exe"
        );
    let Some(process) = world.processes.get(started.at).filter(|_| runs) else {
        return;
    };
    let command = if process.command.is_empty() {
        process.image
    } else {
        process.command
    };
    let what = format!("ScreenConnect started {}", brief(command));
    let ran = ran(
        world,
        started.at,
        Family::RemoteTool,
        Act::Strong,
        TECHNIQUES,
        what,
    );
    if let Some(mut evidence) = ran {
        // The service is of this machine; who gave the command is not.
        evidence.src = Place::Unknown;
        evidence.session = None;
        evidence.connected = None;
        evidence.used = None;
        out.push(evidence);
    }
}

/// Somebody who was let in, or refused.
fn incoming(
    host: HostId,
    time: i64,
    reference: u64,
    src: Place,
    refused: bool,
    what: String,
) -> Evidence {
    let (act, class, weight) = match refused {
        true => (Act::None, Class::Refused, 0.0),
        false => (Act::Strong, Class::Logon, 0.45),
    };
    let mut evidence = Evidence::new(
        Kind::DestinationLogon,
        Family::RemoteTool,
        act,
        host,
        time,
        reference,
        what,
    )
    .technique(TECHNIQUES)
    .from(src)
    .weighs(class, weight);
    evidence.attempt = refused;
    evidence
}

/// A peer as its number, and its name if it has one.
fn peer(id: &str, name: &str) -> String {
    match (id, name) {
        ("", "") => "a peer without a number".to_owned(),
        ("", name) => brief(name),
        (id, "") => id.to_owned(),
        (id, name) => format!("{} ({id})", brief(name)),
    }
}

fn anydesk(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::AnyDeskLine, |row| {
        if row.direction() != "incoming" {
            return;
        }
        let host = world.writer(row);
        let who = peer(row.peer_id(), row.peer_name());
        let how = row.auth_method();
        match row.action() {
            // The address of the peer. That it was let in, another line tells.
            "connected" => {
                let src = world.hosts.place(row.src_ip(), host, row.time);
                let what = format!("AnyDesk was reached by {who} from {}", row.src_ip());
                let mut evidence = incoming(host, row.time, row.reference, src, false, what);
                evidence.act = Act::None;
                out.push(evidence);
            }
            "success" => {
                let what = format!("AnyDesk let in {who} ({how})");
                out.push(incoming(
                    host,
                    row.time,
                    row.reference,
                    Place::Unknown,
                    false,
                    what,
                ));
            }
            "failure" => {
                let what = format!("AnyDesk refused {who}");
                out.push(incoming(
                    host,
                    row.time,
                    row.reference,
                    Place::Unknown,
                    true,
                    what,
                ));
            }
            _ => {}
        }
    });
}

fn teamviewer(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    // The machines' own numbers.
    let mut own: HashMap<&str, Option<HostId>> = HashMap::new();
    for_each(catalog, facts::TeamViewerLine, |row| {
        if !row.own_id().is_empty() {
            let host = world.writer(row);
            own.entry(row.own_id())
                .and_modify(|known| *known = known.filter(|known| *known == host))
                .or_insert(Some(host));
        }
    });
    let of = |id: &str| own.get(id).copied().flatten();
    for_each(catalog, facts::TeamViewerLine, |row| {
        let host = world.writer(row);
        let (id, name) = (row.peer_id(), row.peer_name());
        match row.direction() {
            "incoming" => {
                // A name is the user's choice, but by default the machine's.
                let named = world.hosts.is_name(&name.to_lowercase());
                let src = match of(id) {
                    Some(host) => Place::Host(host),
                    None if named => world.hosts.place(name, host, row.time),
                    None => Place::Unknown,
                };
                let src = if src == Place::Host(host) {
                    Place::Local
                } else {
                    src
                };
                let what = format!("TeamViewer let in {}", peer(id, name));
                let effective = world.accounts.of_text(row.user());
                let evidence = incoming(host, row.time, row.reference, src, false, what);
                out.push(evidence.effective(effective));
            }
            "outgoing" => {
                let Some(dst) = of(id).filter(|dst| *dst != host) else {
                    return;
                };
                let actor = world.accounts.of_text(row.user());
                out.push(
                    Evidence::new(
                        Kind::Source,
                        Family::RemoteTool,
                        Act::Strong,
                        dst,
                        row.time,
                        row.reference,
                        format!("TeamViewer connected to {id}"),
                    )
                    .technique(TECHNIQUES)
                    .from(Place::Host(host))
                    .actor(actor)
                    .weighs(Class::Client, 0.35),
                );
            }
            _ => {}
        }
    });
}

/// ScreenConnect's client writes to the Application log who came, and that commands were run.
fn screen_connect(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::ScreenConnect, |row| {
        if !row.provider().to_lowercase().starts_with("screenconnect") {
            return;
        }
        let text = row.data(0).lines().next().unwrap_or_default().trim();
        let host = world.writer(row);
        if let Some(who) = text.strip_suffix(" Connected") {
            let what = format!("ScreenConnect let in {}", brief(who));
            out.push(incoming(
                host,
                row.time,
                row.reference,
                Place::Unknown,
                false,
                what,
            ));
        } else if text.starts_with("Executed command") || text.starts_with("Transferred files") {
            let mut evidence = Evidence::new(
                Kind::DestinationExecution,
                Family::RemoteTool,
                Act::Strong,
                host,
                row.time,
                row.reference,
                format!("ScreenConnect wrote: {}", brief(text)),
            )
            .technique(TECHNIQUES)
            .weighs(Class::Execution, 0.15);
            evidence.src = Place::Unknown;
            out.push(evidence);
        }
    });
}
