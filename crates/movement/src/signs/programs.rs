//! Programs in sessions that came over the network. Nobody sits at such a session: Windows starts a program there only
//! for the client, whatever service is involved.

use crabwalk_activity::{AccountKind, Process, SECOND, base_name, is_service_logon};

use crate::evidence::{Act, Family, Sink};
use crate::techniques::{Started, brief, ran};
use crate::world::World;

/// Whether a way of moving itself reports the start of this program.
fn is_told(parent: &str) -> bool {
    matches!(
        parent,
        "wmiprvse.exe"
            | "scrcons.exe"
            | "wsmprovhost.exe"
            | "winrshost.exe"
            | "sshd.exe"
            | "sshd-session.exe"
    )
}

pub(crate) fn process(world: &World<'_>, started: &Started, out: &mut Sink) {
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    if !process.own_session
        || is_service_logon(process.logon_id)
        || is_told(&started.parent)
        || is_told(&started.image)
        || matches!(started.image.as_str(), "conhost.exe" | "werfault.exe")
        // Programs start others in their own session.
        || process.creator_logon == process.logon_id
        || world
            .parent(started.at)
            .and_then(|at| world.processes.get(at))
            .is_some_and(|parent| parent.logon_id == process.logon_id || is_told_image(parent.image))
    {
        return;
    }
    let object = matches!(started.parent.as_str(), "svchost.exe" | "msiexec.exe")
        || started.command.contains("-embedding")
        || started.command.contains("/processid:");
    let over_network = world
        .session(process.host, process.logon_id, process.time)
        .and_then(|at| world.sessions.get(at))
        .is_some_and(|session| match session.logon_type {
            3 => session.is_remote() && session.kind == AccountKind::User,
            0 => object && is_called(world, process, session.time),
            _ => false,
        });
    if !over_network {
        return;
    }
    let family = if object { Family::Dcom } else { Family::Any };
    let what = format!(
        "{} ran in the client's session",
        brief(if process.command.is_empty() {
            process.image
        } else {
            process.command
        })
    );
    out.extend(ran(
        world,
        started.at,
        family,
        Act::Strong,
        family.plain(),
        what,
    ));
}

/// Whether a program without a desktop, in a session whose logon was not logged but which was opened for it, started
/// when the only client asked the endpoint mapper for objects.
fn is_called(world: &World<'_>, process: &Process<'_>, begun: i64) -> bool {
    /// LogonGuids have whole seconds.
    const BEGUN: i64 = 10 * SECOND;
    /// Sysmon logs connections late.
    const LATE: i64 = 3 * SECOND;
    process.desktop == Some(0)
        && process.time - begun <= BEGUN
        && world
            .clients_between(
                process.host,
                &[135],
                process.time - BEGUN,
                process.time + LATE,
            )
            .len()
            == 1
}

fn is_told_image(image: &str) -> bool {
    is_told(&base_name(image).to_lowercase())
}
