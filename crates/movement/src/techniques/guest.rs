//! Commands that a hypervisor runs in its guest, through the guest's own tools: `Invoke-VMScript` and the like (T1675),
//! PowerShell Direct. They do not use the guest's network, so its logs name no source.

use crabwalk_activity::is_service_logon;

use super::{Started, Technique, brief, ran};
use crate::evidence::{Act, Family, Sink};
use crate::world::World;

/// Operations in hypervisor guests.
pub(crate) struct Guest;

impl Technique for Guest {
    fn family(&self) -> Family {
        Family::Guest
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1675"]
    }

    fn process(&self, world: &mut World<'_>, started: &Started, out: &mut Sink) {
        process(world, started, out);
    }
}

/// How a program was started from outside of its machine.
fn way(started: &Started, parent_command: &str) -> Option<(&'static str, &'static [&'static str])> {
    match started.parent.as_str() {
        // The tools' desktop component (`-n vmusr`) works for the user at the desktop.
        "vmtoolsd.exe" if !parent_command.contains("vmusr") => Some(("VMware's tools", &["T1675"])),
        "vboxservice.exe" => Some(("VirtualBox's tools", &["T1021"])),
        "qemu-ga.exe" => Some(("QEMU's guest agent", &["T1021"])),
        "prl_tools_service.exe" => Some(("Parallels' tools", &["T1021"])),
        // The service behind PowerShell Direct.
        "svchost.exe" if parent_command.contains("vmicvmsession") => Some(("Hyper-V", &["T1021"])),
        _ => None,
    }
}

fn process(world: &World<'_>, started: &Started, out: &mut Sink) {
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    let Some((tools, techniques)) = way(started, &process.parent_command.to_lowercase()) else {
        return;
    };
    if matches!(started.image.as_str(), "conhost.exe" | "werfault.exe") {
        return;
    }
    // The tools' own scripts run as the system; QEMU's agent has no other account.
    let system = !process.user.is_some_and(|id| world.accounts.is_user(id))
        || is_service_logon(process.logon_id);
    let shell = matches!(
        started.image.as_str(),
        "cmd.exe" | "powershell.exe" | "pwsh.exe"
    );
    let agent = started.parent == "qemu-ga.exe" && shell;
    if system && !agent {
        return;
    }
    let what = format!(
        "the hypervisor had {tools} start {}",
        brief(if process.command.is_empty() {
            process.image
        } else {
            process.command
        })
    );
    let user = process.user.filter(|id| world.accounts.is_user(*id));
    if let Some(mut evidence) = ran(
        world,
        started.at,
        Family::Guest,
        if system { Act::Weak } else { Act::Strong },
        techniques,
        what,
    ) {
        // The session is opened on this machine for somebody who is not here.
        evidence.src = crabwalk_activity::Place::Unknown;
        evidence.session = None;
        evidence.connected = None;
        evidence.used = user;
        out.push(evidence);
    }
}
