//! Which hop each one follows on its path, and where the account changes on the way.

use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};

use crate::{Hop, Path};

/// Where an account gives way to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SwitchedAt {
    /// Who acts on the source uses another account.
    Source,
    /// The payload runs as another account than the one that logged on.
    Destination,
    /// The hop before used another account.
    SinceLastHop,
}

impl SwitchedAt {
    /// All of them, in the order of a hop.
    pub const ALL: [Self; 3] = [Self::Source, Self::Destination, Self::SinceLastHop];
}

/// A change of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// Id of the account until then.
    pub from: String,
    /// Id of the account from then on.
    pub to: String,
    /// Where it changes.
    pub at: SwitchedAt,
}

/// Tells each hop of a path which one it follows, and where its account changes. If a hop is on several paths, the first
/// of them counts.
pub(crate) fn follow(hops: &mut [Hop], paths: &[Path]) {
    let before = before(hops, paths);
    let switches: Vec<Vec<Switch>> = hops
        .iter()
        .zip(&before)
        .map(|(hop, before)| switches(hop, before.and_then(|at| hops.get(at))))
        .collect();
    let ids: Vec<Option<String>> = before
        .iter()
        .map(|at| at.and_then(|at| hops.get(at)).map(|hop| hop.id.clone()))
        .collect();
    for ((hop, follows), switches) in hops.iter_mut().zip(ids).zip(switches) {
        hop.follows = follows;
        hop.switches = switches;
    }
}

/// The index of the hop that each one follows: the most certain of those linked to it, or else the last one before that
/// reached its source.
fn before(hops: &[Hop], paths: &[Path]) -> Vec<Option<usize>> {
    let places: HashMap<&str, usize> = hops
        .iter()
        .enumerate()
        .map(|(at, hop)| (hop.id.as_str(), at))
        .collect();
    let mut before = vec![None; hops.len()];
    let mut told = HashSet::new();
    for path in paths {
        let mut linked: HashMap<usize, (f64, usize)> = HashMap::new();
        for link in &path.links {
            if let (Some(from), Some(to)) =
                (places.get(link.from.as_str()), places.get(link.to.as_str()))
            {
                let own = linked.entry(*to).or_insert((link.certainty, *from));
                if link.certainty >= own.0 {
                    *own = (link.certainty, *from);
                }
            }
        }
        let mut reached: HashMap<&str, usize> = HashMap::new();
        for at in path.hops.iter().filter_map(|id| places.get(id.as_str())) {
            let Some(hop) = hops.get(*at) else {
                continue;
            };
            if told.insert(*at)
                && let Some(own) = before.get_mut(*at)
            {
                *own = linked.get(at).map(|(_, from)| *from).or_else(|| {
                    let src = hop.src.as_deref()?;
                    reached.get(src).copied()
                });
            }
            if !hop.attempted {
                reached.insert(&hop.dst, *at);
            }
        }
    }
    before
}

fn switches(hop: &Hop, before: Option<&Hop>) -> Vec<Switch> {
    let mut found: Vec<Switch> = Vec::new();
    let mut add = |from: Option<&str>, to: Option<&str>, at: SwitchedAt| {
        if let (Some(from), Some(to)) = (from, to)
            && from != to
            && (at != SwitchedAt::SinceLastHop || found.iter().all(|one| one.to != to))
        {
            found.push(Switch {
                from: from.to_owned(),
                to: to.to_owned(),
                at,
            });
        }
    };
    let (actor, used) = (hop.actor.as_deref(), hop.used.as_deref());
    add(actor, used, SwitchedAt::Source);
    add(used, hop.effective.as_deref(), SwitchedAt::Destination);
    add(
        before.and_then(Hop::account),
        used.or(actor),
        SwitchedAt::SinceLastHop,
    );
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Link, LinkKind};

    fn hop(id: &str, src: Option<&str>, dst: &str, accounts: [&str; 3]) -> Hop {
        let account = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let [actor, used, effective] = accounts.map(account);
        Hop {
            id: id.to_owned(),
            src: src.map(str::to_owned),
            dst: dst.to_owned(),
            actor,
            used,
            effective,
            ..Hop::default()
        }
    }

    fn path(hops: &[&str], links: &[(&str, &str, f64)]) -> Path {
        Path {
            id: "path-1".to_owned(),
            score: 1.0,
            why: Vec::new(),
            hops: hops.iter().map(|id| (*id).to_owned()).collect(),
            links: links
                .iter()
                .map(|(from, to, certainty)| Link {
                    from: (*from).to_owned(),
                    to: (*to).to_owned(),
                    kind: LinkKind::TimePossible,
                    certainty: *certainty,
                })
                .collect(),
            rank: Vec::new(),
        }
    }

    #[test]
    fn a_hop_follows_what_is_linked_to_it_or_what_reached_its_source() {
        let mut refused = hop("4", Some("a"), "c", [""; 3]);
        refused.attempted = true;
        let mut hops = [
            hop("1", None, "a", [""; 3]),
            hop("2", Some("a"), "b", [""; 3]),
            hop("3", Some("b"), "c", [""; 3]),
            refused,
            hop("5", Some("c"), "d", [""; 3]),
            hop("6", Some("a"), "e", [""; 3]),
        ];
        let paths = [
            path(
                &["1", "2", "3", "4", "5"],
                &[("1", "3", 0.9), ("2", "3", 0.5), ("9", "2", 1.0)],
            ),
            path(&["5", "6"], &[("6", "5", 1.0)]),
        ];
        follow(&mut hops, &paths);
        let follows: Vec<_> = hops.iter().map(|hop| hop.follows.as_deref()).collect();
        assert_eq!(
            follows,
            // The fourth was refused, so the fifth left from where the third had come.
            [None, Some("1"), Some("1"), Some("1"), Some("3"), None]
        );
    }

    #[test]
    fn accounts_change_at_the_source_at_the_destination_or_in_between() {
        let mut hops = [
            hop("1", Some("a"), "b", ["x", "y", "z"]),
            hop("2", Some("b"), "c", ["w", "w", ""]),
            hop("3", Some("b"), "d", ["", "y", ""]),
            hop("4", Some("b"), "e", ["v", "w", ""]),
        ];
        let ids = ["1", "2", "3", "4"];
        follow(&mut hops, &[path(&ids, &[])]);
        let told: Vec<Vec<(&str, &str, SwitchedAt)>> = hops
            .iter()
            .map(|hop| {
                let all = hop.switches.iter();
                all.map(|one| (one.from.as_str(), one.to.as_str(), one.at))
                    .collect()
            })
            .collect();
        assert_eq!(
            told,
            [
                vec![
                    ("x", "y", SwitchedAt::Source),
                    ("y", "z", SwitchedAt::Destination)
                ],
                vec![("y", "w", SwitchedAt::SinceLastHop)],
                vec![],
                // It is told once, where it happens.
                vec![("v", "w", SwitchedAt::Source)],
            ]
        );
    }
}
