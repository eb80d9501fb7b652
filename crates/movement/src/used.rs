//! What a program did in a session, from events of the Security log on objects and privileges.

use crabwalk_activity::{Row, base_name, facts};

use crate::evidence::Act;

/// Access rights that change a registry key: set a value, create a key or link, delete, change rights or owner.
const CHANGES_KEY: u64 = 0x2 | 0x4 | 0x20 | 0x1_0000 | 0x4_0000 | 0x8_0000;
/// What is done to an object, in lower case.
pub(crate) struct Use {
    /// The event's id.
    pub id: u32,
    /// The program that did it, without its folder; empty for the kernel, which serves shares.
    pub program: String,
    /// The part of Windows to which the object belongs (`ObjectServer`).
    pub server: String,
    /// The object's type; `key` for a registry value.
    pub kind: String,
    /// Its name; empty in 4673.
    pub object: String,
    /// The access rights that were used or asked for; 0 where the event has none.
    pub mask: u64,
    /// The privileges that were used; empty where the event has none.
    pub privileges: String,
    /// Whether the object is in the client's own hive.
    pub own_hive: bool,
}

impl Use {
    pub fn of(row: &Row<'_, '_, facts::ObjectUse>) -> Self {
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
    pub fn registry(&self) -> Option<Act> {
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
}
