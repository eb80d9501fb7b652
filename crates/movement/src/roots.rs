//! Where something out of the ordinary began, if only daily work leads there.
//!
//! An intruder begins where the victim works, and does with the victim's account what the victim does every day. So the
//! first movement is often routine, and no session shows that the second followed from it, because the second uses
//! another account. Without it a path begins in the middle.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::{AccountId, HostId, SECOND};
use crabwalk_vocabulary::is_asserted;

use crate::assemble::Draft;
use crate::link::{DAY, Link, LinkKind};
use crate::world::World;

/// Adds links from routine hops to odd ones. If nothing better than time leads to an odd hop and nobody is known to have
/// acted, it was one of those who had a session on its source, likely one who came just before; of several, the last to
/// come.
pub(crate) fn add(
    world: &World<'_>,
    hops: &[Draft],
    usual: &[bool],
    odd: &BTreeSet<usize>,
    links: &mut Vec<Link>,
) {
    /// Of more people nobody can say who it was.
    const MOST: usize = 3;
    /// Who came longer ago is less likely to go on now.
    const JUST: i64 = 1800 * SECOND;
    let is_usual = |at: usize| usual.get(at).copied().unwrap_or(false);
    let mut into: BTreeMap<HostId, Vec<usize>> = BTreeMap::new();
    for (at, hop) in hops.iter().enumerate() {
        if is_usual(at) && is_asserted(hop.confidence) && !hop.attempt {
            into.entry(hop.dst).or_default().push(at);
        }
    }
    // A link by time from another account, which has left since, says less than a session that is there.
    let is_weak = |link: &Link| {
        let (from, to) = (hops.get(link.from), hops.get(link.to));
        link.kind == LinkKind::TimePossible
            && from.zip(to).is_some_and(|(from, to)| {
                ![to.used, to.actor].contains(&from.used) && !sits_there(world, from, to.first)
            })
    };
    let linked: BTreeSet<usize> = links
        .iter()
        .filter(|link| !is_weak(link))
        .map(|link| link.to)
        .collect();
    let mut found: BTreeMap<usize, Link> = BTreeMap::new();
    for to in odd.difference(&linked).copied() {
        let Some((hop, src)) = hops.get(to).and_then(|hop| Some((hop, hop.src?))) else {
            continue;
        };
        let known = hop.actor.is_some_and(|id| world.accounts.is_user(id));
        if known && hop.actor != hop.used {
            continue;
        }
        // The last arrival of each account, and when.
        let mut last: BTreeMap<AccountId, (i64, usize)> = BTreeMap::new();
        let before = into.get(&src).map_or(&[][..], Vec::as_slice);
        let earliest = hop.first - DAY / 2;
        let start =
            before.partition_point(|at| hops.get(*at).is_some_and(|one| one.first < earliest));
        for at in before.get(start..).unwrap_or_default().iter().copied() {
            if let Some(one) = hops.get(at)
                && one.first <= hop.first
                && let Some(used) = one.used
                && sits_there(world, one, hop.first)
            {
                last.insert(used, (one.first, at));
            }
        }
        let mut came: Vec<(i64, usize)> = last.into_values().collect();
        if came.iter().any(|(time, _)| hop.first - time <= JUST) {
            came.retain(|(time, _)| hop.first - time <= JUST);
        }
        let Some((people @ 1..=MOST, (_, from))) = Some(came.len()).zip(came.into_iter().max())
        else {
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "at most three")]
        let certainty = 0.5 / people as f64;
        let link = Link {
            from,
            to,
            kind: LinkKind::TimePossible,
            certainty: (certainty * 100.0_f64).round() / 100.0,
        };
        found.insert(to, link);
    }
    links.retain(|link| !found.contains_key(&link.to));
    links.extend(found.into_values());
    links.sort_by_key(|link| link.to);
}

/// Whether a hop opened a session with a desktop or a shell that was still open.
fn sits_there(world: &World<'_>, hop: &Draft, time: i64) -> bool {
    hop.sessions
        .iter()
        .filter_map(|key| world.session_of(key))
        .any(|session| session.logon_type == 10 && session.time <= time && time <= session.end)
}

#[cfg(test)]
mod tests {
    use crabwalk_activity::clocks::Clocks;
    use crabwalk_activity::{Ends, Log, Place, Tables};
    use crabwalk_testing::scene;

    use super::*;
    use crate::evidence::{Act, Evidence, Family, Kind};

    const MINUTE: i64 = 60 * SECOND;

    /// Where the odd hop, from SRV7 with another account than those of the sessions, is found to have begun: the place of
    /// the session's line, and the certainty in hundredths.
    fn root(lines: &[&str], minute: i64, actor: &str) -> Option<(usize, i64)> {
        let catalog = scene::parse(lines.iter().copied()).catalog();
        let tables = Tables::read(&catalog).unwrap_or_else(|error| panic!("{error}"));
        let clocks = Clocks::new();
        let mut world = World::new(Ends::read(Log::new(&tables, &clocks)).complete());
        let begun = world.sessions.first().map_or(0, |one| one.time);
        let mut hops: Vec<Draft> = Vec::new();
        for session in world.sessions.clone() {
            let (kind, act) = (Kind::DestinationLogon, Act::Strong);
            let mut evidence = Evidence::new(
                kind,
                Family::Rdp,
                act,
                session.host,
                session.time,
                0,
                "came",
            );
            evidence = evidence.from(session.source).used(session.account);
            evidence.session = Some(session.key());
            hops.push(Draft::new(evidence));
        }
        let src = world.hosts.writer("SRV7.corp.example");
        let dst = world.hosts.writer("SRV9.corp.example");
        let used = world.accounts.get("", "CORP", "bert");
        let actor = world.accounts.get("", "CORP", actor);
        let (kind, act) = (Kind::DestinationExecution, Act::Strong);
        let time = begun + minute * MINUTE;
        let evidence = Evidence::new(kind, Family::Service, act, dst, time, 0, "ran");
        let evidence = evidence.from(Place::Host(src)).used(used).actor(actor);
        let odd = hops.len();
        hops.push(Draft::new(evidence));
        for hop in &mut hops {
            hop.confidence = 0.9;
        }
        let mut usual = vec![true; hops.len()];
        usual[odd] = false;
        let mut links = Vec::new();
        add(&world, &hops, &usual, &BTreeSet::from([odd]), &mut links);
        assert!(links.iter().all(|link| link.to == odd));
        #[expect(clippy::cast_possible_truncation, reason = "a percentage")]
        let found = links
            .first()
            .map(|link| (link.from, (link.certainty * 100.0).round() as i64));
        found
    }

    #[test]
    fn the_one_who_sat_there_may_have_begun_it() {
        let anna = "0 SRV7 logon anna 10 Negotiate 0x100 10.1.0.5:50000";
        assert_eq!(root(&[anna], 10, ""), Some((0, 50)));
        // Who is known to have acted is not somebody else.
        assert_eq!(root(&[anna], 10, "cora"), None);
        // A network session is over at once, and a closed one is closed.
        let network = anna.replace(" 10 Negotiate", " 3 Negotiate");
        assert_eq!(root(&[&network], 10, ""), None);
        let left = "5m SRV7 Security/4634 TargetLogonId=0x100";
        assert_eq!(root(&[anna, left], 10, ""), None);
        assert_eq!(root(&[anna, left], 4, ""), Some((0, 50)));
    }

    #[test]
    fn of_several_the_last_to_come_less_certainly() {
        let anna = "0 SRV7 logon anna 10 Negotiate 0x100 10.1.0.5:50000";
        let cora = "20m SRV7 logon cora 10 Negotiate 0x101 10.1.0.8:50000";
        assert_eq!(root(&[anna, cora], 25, ""), Some((1, 25)));
        // Who came long before hardly goes on now.
        assert_eq!(root(&[anna, cora], 45, ""), Some((1, 50)));
        let others = [
            "21m SRV7 logon dora 10 Negotiate 0x102 10.1.0.6:50000",
            "22m SRV7 logon emil 10 Negotiate 0x103 10.1.0.7:50000",
        ];
        assert_eq!(root(&[anna, cora, others[0], others[1]], 25, ""), None);
    }
}
