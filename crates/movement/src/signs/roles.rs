//! Roles of a server as its clients used them (User Access Logging).

use std::collections::BTreeMap;

use crabwalk_activity::{AccountId, HostId, Place};

use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::history::day;
use crate::roles::{RoleUse, days};
use crate::words::Sentence;
use crate::world::World;

/// More new clients of one server than this are how it is used.
const MOST: usize = 16;

/// The first and the last use of a role by an account from a host have a time, and are witnesses of a logon then. A
/// first use by itself
/// hardly shows anything: everybody uses servers. It is a possible movement if the server's other logs cannot tell,
/// its record is long,
/// and the account came over SMB from a known host where it was on no other day, although it was elsewhere.
pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let canonical = world.accounts.canonical();
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    let mut found: Vec<Evidence> = Vec::new();
    let mut new: BTreeMap<HostId, Vec<usize>> = BTreeMap::new();
    for (server, client, uses) in world.roles.all() {
        for one in uses.iter().filter(|one| one.exact) {
            let is_new =
                one.family == Family::Smb && is_new(world, server, client, uses, one, &standing);
            // What is years away from all other logs is counted, not told.
            if is_new && world.history.reaches(one.time) {
                new.entry(server).or_default().push(found.len());
            } else if is_new {
                world.left_out += 1;
            }
            found.push(evidence(world, server, client, one));
        }
    }
    for places in new.into_values() {
        if places.len() > MOST {
            world.left_out += places.len();
            continue;
        }
        for at in places {
            if let Some(one) = found.get_mut(at) {
                one.act = Act::Weak;
                one.what = std::mem::take(&mut one.what)
                    .text(", from a host that the account used on no other day");
            }
        }
    }
    out.append(&mut found);
}

fn evidence(world: &World<'_>, server: HostId, client: HostId, one: &RoleUse<'_>) -> Evidence {
    let which = if one.first { "first" } else { "last" };
    Evidence::new(
        Kind::DestinationLogon,
        one.family,
        Act::None,
        server,
        one.time,
        one.reference,
        Sentence::from(format!("{which} use of the role {} by ", one.role()).as_str())
            .account(world, Some(one.used), "?")
            .text(" from ")
            .host(world, client),
    )
    .technique(one.family.plain())
    .from(Place::Host(client))
    .used(Some(one.used))
    .weighs(Class::Logon, 0.2)
}

fn is_new(
    world: &World<'_>,
    server: HostId,
    client: HostId,
    uses: &[RoleUse<'_>],
    one: &RoleUse<'_>,
    standing: &dyn Fn(AccountId) -> AccountId,
) -> bool {
    let used = standing(one.used);
    let is_controller = world
        .hosts
        .get(server)
        .is_some_and(|host| host.domain_controller);
    // An address that is nobody's may be anybody's next lease.
    let is_somebody = world
        .hosts
        .get(client)
        .is_some_and(|host| host.logged || !host.names.is_empty());
    let own = days(uses.iter().filter(|other| standing(other.used) == used));
    one.first
        && !is_controller
        && is_somebody
        && own.others(day(one.time)) == 0
        && world.roles.is_long_at(server)
        && !world.history.logs_logons(server, one.time)
        && world.history.is_only_then_from(client, used, one.time)
}
