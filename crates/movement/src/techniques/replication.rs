//! Directory replication requested by something other than a domain controller (T1003.006).

use crabwalk_activity::{AccountKind, facts, for_each, kind_of};

use super::{Shown, Technique};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::World;

/// Directory replication.
pub(crate) struct Replication;

impl Technique for Replication {
    fn family(&self) -> Family {
        Family::DirectoryReplication
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1003.006"]
    }

    fn events(&self, world: &mut World<'_>, out: &mut Sink) {
        events(world, out);
    }

    fn call(&self, interface: &str, function: &str) -> Option<Shown> {
        (interface == "drsuapi" && function.contains("getncchanges"))
            .then(|| Shown::may_move(&["T1003.006"]))?
    }
}

/// Extended rights for directory replication: Get-Changes, Get-Changes-All, Get-Changes-In-Filtered-Set.
const REPLICATION: [&str; 3] = [
    "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2",
    "1131f6ad-9c07-11d1-f79f-00c04fc2dcd2",
    "89e95b76-444d-4c62-991a-0facbeda640c",
];

fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::DirectoryAccess, |row| {
        let properties = row.properties().to_lowercase();
        if !REPLICATION.iter().any(|guid| properties.contains(guid)) {
            return;
        }
        let host = world.writer(row);
        let (name, id) = (row.subject_user_name(), row.subject_logon_id());
        let by_machine = match kind_of(name, row.subject_user_sid()) {
            AccountKind::User => false,
            // Controllers replicate, each from its own address.
            AccountKind::Machine => {
                let session = world.session(host, id, row.time);
                let from = session.and_then(|at| world.sessions.get(at)?.from());
                if !from.is_some_and(|src| world.is_elsewhere(name, host, src)) {
                    return;
                }
                true
            }
            _ => return,
        };
        let user = world.accounts.get(
            row.subject_user_sid(),
            row.subject_domain_name(),
            row.subject_user_name(),
        );
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::DirectoryReplication,
                Act::Strong,
                host,
                row.time,
                row.reference,
                if by_machine {
                    "directory replication requested by a machine account from an address other than that machine's"
                } else {
                    "directory replication requested by a user account"
                },
            )
            .technique(&["T1003.006"])
            .used(user)
            .weighs(Class::Replication, 0.15)
            .in_session(world, id),
        );
    });
}
