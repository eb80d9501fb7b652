//! A route in words: an arrow appears only where there is a hop.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{HopInfo, LinkInfo};
use crate::names::Names;

/// Maximum pieces of a route to name; the rest is counted.
const MOST_PIECES: usize = 4;
/// Maximum hosts of one chain or fan to name; the rest is counted.
const MOST_HOSTS: usize = 6;

/// A host on the route, and where it continued from there.
struct Stop<'c> {
    host: &'c str,
    /// Indexes of the stops after it, in the order they were reached.
    next: Vec<usize>,
}

/// The route of hops: `A → B → C` for a chain, `from A to 3 hosts: B, C and D` for a fan, both for a path that has
/// both. A host that is reached again appears again. `hops` are in chronological order; `links` say which hop follows
/// from which, and a hop without a link begins at its source.
pub fn way(names: &Names<'_>, hops: &[&HopInfo], links: &[LinkInfo]) -> String {
    let mut into: BTreeMap<&str, &str> = BTreeMap::new();
    for link in links {
        into.insert(&link.to, &link.from);
    }
    let mut stops: Vec<Stop<'_>> = Vec::new();
    let mut begins: Vec<usize> = Vec::new();
    // Where each hop arrived.
    let mut arrived: BTreeMap<&str, usize> = BTreeMap::new();
    // A link may start at a hop that is later in the list: those that wait for it come in the next round.
    let mut waiting: Vec<&HopInfo> = hops.to_vec();
    loop {
        let before = waiting.len();
        let mut still: Vec<&HopInfo> = Vec::new();
        let known: BTreeSet<&str> = waiting.iter().map(|hop| hop.id.as_str()).collect();
        for hop in waiting {
            let src = hop.src.as_deref().unwrap_or("?");
            let at = match into.get(hop.id.as_str()) {
                Some(from) => match arrived.get(from) {
                    Some(at) => Some(*at),
                    None if known.contains(from) && *from != hop.id => {
                        still.push(hop);
                        continue;
                    }
                    None => None,
                },
                None => None,
            };
            let at = at.unwrap_or_else(|| {
                begins
                    .iter()
                    .copied()
                    .find(|at| stops.get(*at).is_some_and(|stop| stop.host == src))
                    .unwrap_or_else(|| {
                        stops.push(Stop {
                            host: src,
                            next: Vec::new(),
                        });
                        begins.push(stops.len() - 1);
                        stops.len() - 1
                    })
            });
            let there = stops
                .get(at)
                .into_iter()
                .flat_map(|stop| stop.next.iter().copied())
                .find(|next| stops.get(*next).is_some_and(|stop| stop.host == hop.dst));
            let there = there.unwrap_or_else(|| {
                stops.push(Stop {
                    host: &hop.dst,
                    next: Vec::new(),
                });
                let new = stops.len() - 1;
                if let Some(stop) = stops.get_mut(at) {
                    stop.next.push(new);
                }
                new
            });
            arrived.insert(&hop.id, there);
        }
        // Circular links explain nothing: their hops begin at their sources.
        if still.len() == before {
            for hop in &still {
                into.remove(hop.id.as_str());
            }
        }
        if still.is_empty() {
            break;
        }
        waiting = still;
    }
    let name = |id: &str| {
        if id == "?" {
            "an unknown host".to_owned()
        } else {
            names.host(id).to_owned()
        }
    };
    let mut pieces: Vec<String> = Vec::new();
    // Where a chain begins: after the host it comes from, if it branches off there.
    let mut open: Vec<(Option<&str>, usize)> =
        begins.into_iter().rev().map(|at| (None, at)).collect();
    while let Some((before, start)) = open.pop() {
        let mut row: Vec<String> = before.map(&name).into_iter().collect();
        let mut at = start;
        let end = loop {
            let Some(stop) = stops.get(at) else { break at };
            row.push(name(stop.host));
            match stop.next.as_slice() {
                [only] => at = *only,
                _ => break at,
            }
        };
        if row.len() > 1 {
            let more = row.len().saturating_sub(MOST_HOSTS + 1);
            row.truncate(MOST_HOSTS + 1);
            let mut text = row.join(" → ");
            if more > 0 {
                text.push_str(&format!(" and {more} more"));
            }
            pieces.push(text);
        }
        let Some(stop) = stops.get(end).filter(|stop| stop.next.len() > 1) else {
            continue;
        };
        let is_last = |at: &usize| stops.get(*at).is_some_and(|stop| stop.next.is_empty());
        let fan: Vec<String> = stop
            .next
            .iter()
            .filter(|at| is_last(at))
            .filter_map(|at| stops.get(*at))
            .map(|stop| name(stop.host))
            .collect();
        match fan.as_slice() {
            [] => {}
            [one] => pieces.push(format!("{} → {one}", name(stop.host))),
            many => pieces.push(format!(
                "from {} to {} hosts: {}",
                name(stop.host),
                many.len(),
                crate::sentences::list(&many.iter().map(String::as_str).collect::<Vec<_>>())
            )),
        }
        open.extend(
            stop.next
                .iter()
                .rev()
                .filter(|at| !is_last(at))
                .map(|at| (Some(stop.host), *at)),
        );
    }
    let more = pieces.len().saturating_sub(MOST_PIECES);
    pieces.truncate(MOST_PIECES);
    if more > 0 {
        pieces.push(format!("{more} more routes"));
    }
    pieces.join("; ")
}
