//! The program that acted in a session from elsewhere: Security log events on objects and privileges name the session
//! and the program that served it. A service that impersonates its client appears with the client's LogonId, so the
//! program reveals the way.

use crabwalk_activity::facts;
use std::collections::BTreeMap;

use crabwalk_activity::{AccountKind, Row, base_name, for_each};

use super::dropped::is_runnable;
use super::policy::is_policy_path;
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::pipes::was_refused;
use crate::techniques::brief;
use crate::techniques::smb::WRITES;
use crate::world::World;

/// Access rights that change a registry key: set a value, create a key or link, delete, change rights or owner.
const CHANGES_KEY: u64 = 0x2 | 0x4 | 0x20 | 0x1_0000 | 0x4_0000 | 0x8_0000;
/// Access rights that change a service: its configuration, its removal, its rights or owner.
const CHANGES_SERVICE: u64 = 0x2 | 0x1_0000 | 0x4_0000 | 0x8_0000;
/// The right to start a service.
const STARTS_SERVICE: u64 = 0x10;

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

/// Evidence of the way from a row.
struct Told {
    family: Family,
    act: Act,
    techniques: &'static [&'static str],
}

fn told(family: Family, act: Act, techniques: &'static [&'static str]) -> Option<Told> {
    Some(Told {
        family,
        act,
        techniques,
    })
}

/// What is done to an object, in lower case.
struct Use {
    id: u32,
    program: String,
    server: String,
    kind: String,
    object: String,
    mask: u64,
    privileges: String,
    /// Whether the object is in the client's own hive.
    own_hive: bool,
}

impl Use {
    fn of(row: &Row<'_, '_, facts::ObjectUse>) -> Self {
        let id = row.event_id;
        let program = match base_name(row.process_name()).to_lowercase().as_str() {
            // The kernel is not a program; it serves shares.
            "" | "-" | "system" => String::new(),
            program => program.to_owned(),
        };
        let object = if id == 4673 {
            String::new()
        } else {
            row.object_name().to_lowercase()
        };
        let sid = row.subject_user_sid().to_lowercase();
        let is_own = |hive: &str| {
            // `…_Classes` is the other half of a hive; a longer number is another's.
            !sid.is_empty()
                && hive
                    .strip_prefix(sid.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['\\', '_']))
        };
        Self {
            id,
            program,
            own_hive: object
                .strip_prefix("\\registry\\user\\")
                .is_some_and(is_own),
            server: if matches!(id, 4656 | 4663 | 4674) {
                row.object_server().to_lowercase()
            } else {
                String::new()
            },
            // 4657 is only about registry values.
            kind: match id {
                4657 => "key".to_owned(),
                4673 => String::new(),
                _ => row.object_type().to_lowercase(),
            },
            object,
            mask: if matches!(id, 4656 | 4663) {
                row.access_mask()
            } else {
                0
            },
            privileges: if matches!(id, 4673 | 4674) {
                row.privilege_list().to_lowercase()
            } else {
                String::new()
            },
        }
    }

    /// How certain it is that the registry was changed. Clients that only read also request a handle that would allow
    /// it (4656), and the privilege to read everything.
    fn registry(&self) -> Option<Act> {
        if self.kind != "key" {
            return None;
        }
        match self.id {
            4657 | 4670 => Some(Act::Strong),
            4663 if self.mask & CHANGES_KEY != 0 => Some(Act::Strong),
            4656 if self.mask & CHANGES_KEY != 0 => Some(Act::Weak),
            4674 if self.privileges.contains("sebackupprivilege") => Some(Act::Weak),
            4674 => Some(Act::Strong),
            _ => None,
        }
    }

    fn wmi(&self) -> Option<Told> {
        if let Some(act) = self.registry() {
            return told(Family::Wmi, act, &["T1047", "T1112"]);
        }
        let changes = match self.id {
            4663 => self.mask & WRITES != 0,
            4670 => true,
            4673 | 4674 => CHANGING.iter().any(|name| self.privileges.contains(name)),
            _ => false,
        };
        if changes {
            told(Family::Wmi, Act::Strong, &["T1047"])
        } else if self.id == 4674 {
            // Some object was opened with a privilege, perhaps to read.
            told(Family::Wmi, Act::Weak, &["T1047"])
        } else {
            None
        }
    }

    fn service_host(&self) -> Option<Told> {
        // A new session loads its account's own hive.
        if self.own_hive {
            return None;
        }
        let task = self.object.contains("\\schedule\\taskcache\\")
            || self.object.contains("\\windows\\system32\\tasks\\");
        let file = matches!(self.id, 4663) && self.kind == "file" && self.mask & WRITES != 0;
        match self.registry() {
            Some(act) if task => told(Family::Task, act, &["T1053.005"]),
            Some(act) => told(Family::Registry, act, &["T1112"]),
            None if task && file => told(Family::Task, Act::Strong, &["T1053.005"]),
            None => None,
        }
    }

    /// The service control manager checks the client's rights, whether the client came through the pipe or over TCP.
    fn service_manager(&self) -> Option<Told> {
        const TECHNIQUES: &[&str] = &["T1569.002"];
        if self.server != "sc manager" {
            return None;
        }
        let service = self.kind == "service object";
        match self.id {
            // The privilege is used if more than reading was requested.
            4674 if service => told(Family::Service, Act::Strong, TECHNIQUES),
            4656 | 4663 if service && self.mask & (CHANGES_SERVICE | STARTS_SERVICE) != 0 => {
                told(Family::Service, Act::Strong, TECHNIQUES)
            }
            4674 => told(Family::Service, Act::Weak, TECHNIQUES),
            _ => None,
        }
    }

    /// A file that the server of shares wrote: something executable, in the folders of Windows and its programs.
    fn file(&self) -> Option<Told> {
        if self.kind != "file" || self.id != 4663 || self.mask & WRITES == 0 {
            return None;
        }
        if is_policy_path(&self.object) {
            return told(Family::Smb, Act::Weak, &["T1484.001"]);
        }
        let path = within_drive(&self.object)?;
        let system = ["windows\\", "programdata\\", "program files", "users\\"]
            .iter()
            .any(|folder| path.starts_with(folder))
            || !path.contains('\\');
        if system && is_runnable(path) {
            told(Family::Smb, Act::Strong, &["T1021.002", "T1570"])
        } else if path.starts_with("windows\\") {
            // Only administrators can write there, and only over an administrative share.
            told(Family::Smb, Act::Weak, &["T1021.002"])
        } else {
            None
        }
    }

    fn tells(&self) -> Option<Told> {
        match self.program.as_str() {
            "wmiprvse.exe" => self.wmi(),
            "svchost.exe" => self.service_host(),
            "services.exe" => self.service_manager(),
            "wsmprovhost.exe" | "winrshost.exe" => told(Family::WinRm, Act::Strong, &["T1021.006"]),
            "mmc.exe" | "dllhost.exe" => told(Family::Dcom, Act::Strong, &["T1021.003"]),
            "" => self.file(),
            _ => None,
        }
    }
}

/// A path without its drive, which the kernel may also name as a device.
fn within_drive(path: &str) -> Option<&str> {
    match path.strip_prefix("\\device\\") {
        Some(rest) => rest.split_once('\\').map(|(_, path)| path),
        None => path.get(1..)?.strip_prefix(":\\"),
    }
}

pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    // One witness per session, way and certainty, the first: a program changes hundreds of rights in a row.
    let mut seen: BTreeMap<(usize, Family, Act), Evidence> = BTreeMap::new();
    for_each(catalog, facts::ObjectUse, |row| {
        let id = row.event_id;
        let host = world.writer(row);
        let logon = row.subject_logon_id();
        let Some(at) = world.session(host, logon, row.time) else {
            return;
        };
        let from_elsewhere = world.sessions.get(at).is_some_and(|session| {
            session.is_remote()
                && matches!(session.logon_type, 3 | 8)
                && session.kind == AccountKind::User
        });
        if !from_elsewhere || (!matches!(id, 4657 | 4670) && was_refused(row.keywords())) {
            return;
        }
        let used = Use::of(row);
        let Some(told) = used.tells() else { return };
        let key = (at, told.family, told.act);
        if seen.get(&key).is_some_and(|one| one.time < row.time) {
            return;
        }
        let program = if used.program.is_empty() {
            "the server of shares".to_owned()
        } else {
            base_name(row.process_name()).to_owned()
        };
        let what = match (id, used.object.as_str()) {
            (4657, object) => format!(
                "{program} set {} of {} for the client",
                row.object_value_name(),
                brief(object)
            ),
            (4673, _) | (_, "" | "-") => {
                format!("{program} used a privilege for the client")
            }
            (4663, object) if used.program.is_empty() => {
                format!("{program} wrote {} for the client", brief(object))
            }
            (4656, object) => {
                format!("{program} opened {} for the client", brief(object))
            }
            (_, object) => format!("{program} changed {} for the client", brief(object)),
        };
        let evidence = Evidence::new(
            Kind::DestinationExecution,
            told.family,
            told.act,
            host,
            row.time,
            row.reference,
            what,
        )
        .technique(told.techniques)
        .weighs(Class::Served, 0.15)
        .in_session(world, logon);
        let first = seen.get(&key);
        if first.is_none_or(|one| (evidence.time, &evidence.what) < (one.time, &one.what)) {
            seen.insert(key, evidence);
        }
    });
    out.extend(seen.into_values());
}
