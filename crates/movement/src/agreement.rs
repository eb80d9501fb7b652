//! How certain it is that a movement happened: what the witnesses weigh together, and what they agree on.
//!
//! Weights of single observations (techniques §1.9) say how often such a record means a movement. They cannot say what
//! several systems prove together: a command at the source, a controller's ticket and a logon at the destination are
//! each ordinary, but if they name the same two hosts and the same account within seconds, somebody moved. So agreement
//! sets a minimum that does not depend on how loud each witness is. A host that logs logons and has none contradicts the
//! others; a host without such a log cannot.

use std::collections::BTreeMap;

use crabwalk_activity::{AccountId, HostId, Place, SECOND};

use crate::assemble::Draft;
use crate::evidence::{Act, Class, Evidence, Family, Kind};
use crate::world::World;

/// Source, controller and destination report the same movement.
const ALL_SIDES: f64 = 0.9;
/// Source and destination do.
const BOTH_ENDS: f64 = 0.65;
/// Source and controller do, or the destination only knows the day; and its logs cannot say more.
const UNSEEN: f64 = 0.5;
/// An unambiguous act, and another kind of witness that names the source or, with a logon from there, the account.
const NAMED: f64 = 0.5;
/// A sensor and a controller saw the way to a host without logs.
const ON_THE_WAY: f64 = 0.35;
/// Witnesses of an act that no weight makes certain are less than that.
const DOUBTFUL: f64 = 0.29;

/// 0 to 1; each class of observation adds once.
pub(crate) fn confidence(world: &World<'_>, hop: &Draft) -> f64 {
    let mut classes: BTreeMap<Class, f64> = BTreeMap::new();
    for one in &hop.evidence {
        let weight = classes.entry(one.class).or_default();
        *weight = weight.max(one.weight);
    }
    let mut sum: f64 = classes.values().sum();
    if hop.act < Act::Strong {
        sum = sum.min(DOUBTFUL);
    }
    if !hop.attempt {
        sum = sum.max(agreed(world, hop));
    }
    if hop.src.is_none() && !hop.tunnel {
        let joined = hop
            .evidence
            .iter()
            .filter(|one| one.act == Act::Strong)
            .filter_map(|one| world.session_of(&one.session?))
            .any(|session| session.logon_type != 0);
        sum = sum.min(if joined { 0.4 } else { DOUBTFUL });
    }
    (sum.clamp(0.05, 0.99) * 100.0).round() / 100.0
}

/// The minimum that witnesses prove by agreeing; 0 if they do not.
fn agreed(world: &World<'_>, hop: &Draft) -> f64 {
    let Some(src) = hop.src else { return 0.0 };
    let beside = if hop.act == Act::Strong && is_named_beside_an_act(hop, src) {
        NAMED
    } else {
        0.0
    };
    let Some(used) = hop.used else { return beside };
    let sides = Sides::of(hop, src, used);
    let logs_logons = world.history.logs_logons(hop.dst, hop.first);
    let proven = match (sides.meant, sides.controlled, sides.arrived) {
        (true, true, true) => ALL_SIDES,
        (true, false, true) => BOTH_ENDS,
        (true, true, false) if !logs_logons => UNSEEN,
        (true, _, false) if sides.served && !logs_logons => UNSEEN,
        (false, true, true) if hop.act == Act::Strong => NAMED,
        (false, true, _) if sides.on_the_way && (sides.served || is_dark(world, hop.dst)) => {
            ON_THE_WAY
        }
        _ => 0.0,
    };
    beside.max(proven)
}

/// Whether an observation at the source names the destination. Windows itself connects for everybody; any other program
/// does it on its own account.
fn is_meant(one: &Evidence) -> bool {
    match one.class {
        Class::Client | Class::ClientUser | Class::ExplicitCredentials => true,
        Class::Tuple | Class::Connection => {
            one.kind == Kind::Source && one.source_program.is_some()
        }
        _ => false,
    }
}

/// Which sides name the hop's source, destination and account.
struct Sides {
    /// The source: a program or its logon names the destination, or a program that is not Windows' own connects to it.
    meant: bool,
    /// A domain controller: it issued the ticket, or validated the password hash.
    controlled: bool,
    /// The destination: a logon.
    arrived: bool,
    /// The destination: a role of it was used on that day, which is not usual.
    served: bool,
    /// The network: a connection.
    on_the_way: bool,
}

impl Sides {
    fn of(hop: &Draft, src: HostId, used: AccountId) -> Self {
        let from = |one: &Evidence| one.src == Place::Host(src);
        let by = |one: &Evidence| one.used == Some(used);
        let any = |told: &dyn Fn(&Evidence) -> bool| hop.evidence.iter().any(told);
        Self {
            meant: any(&is_meant),
            controlled: any(&|one| match one.class {
                Class::Ticket => from(one) && by(one),
                Class::Validated => by(one),
                _ => false,
            }),
            // WS-Management hides the client's address.
            arrived: any(&|one| {
                one.class == Class::Logon
                    && by(one)
                    && (from(one) || hop.family == Family::WinRm && one.src == Place::Unknown)
            }),
            served: any(&|one| one.class == Class::Role && by(one) && from(one)),
            on_the_way: any(&|one| one.kind == Kind::Network && from(one)),
        }
    }
}

/// Whether no log of a host was read.
fn is_dark(world: &World<'_>, host: HostId) -> bool {
    world.hosts.get(host).is_some_and(|host| !host.logged)
}

/// Whether, within seconds of a certain act, another kind of witness names the source.
fn is_named_beside_an_act(hop: &Draft, src: HostId) -> bool {
    const BESIDE: i64 = 5 * SECOND;
    hop.evidence
        .iter()
        .filter(|one| one.act == Act::Strong)
        .any(|act| {
            hop.evidence.iter().any(|one| {
                one.kind != act.kind
                    && one.src == Place::Host(src)
                    && (one.time - act.time).abs() <= BESIDE
            })
        })
}
