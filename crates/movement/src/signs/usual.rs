//! How often something may be seen before it loses its meaning.

use std::collections::BTreeMap;

use crabwalk_activity::SECOND;

use crate::history::{HABIT, day};

/// A sign seen more often than this in one day is reported once.
const USUAL: usize = 64;
/// An edge of multi-purpose ports in use over a longer time than this is how these hosts usually work; microseconds.
const USUAL_SPAN: i64 = 3600 * SECOND;
/// Sightings no further apart than this belong to one movement; microseconds.
const TOGETHER: i64 = 300 * SECOND;

/// Whether connections at these times, in order, show how hosts usually work.
pub(crate) fn is_usual(times: &[i64]) -> bool {
    times.len() > USUAL
        || matches!((times.first(), times.last()), (Some(first), Some(last)) if last - first > USUAL_SPAN)
}

/// The possible number of movements behind sightings at these times, in order.
pub(crate) fn movements(times: &[i64]) -> usize {
    let breaks = times.windows(2);
    let apart = |pair: &&[i64]| matches!(pair, [a, b] if b - a > TOGETHER);
    usize::from(!times.is_empty()) + breaks.filter(apart).count()
}

/// The indexes of those of repeated sightings, given by time in order, to report, and how many movements are not
/// reported: those done on as many other days as make a habit, and all but the first of those done all day.
pub(crate) fn told(times: &[i64]) -> (Vec<usize>, usize) {
    let mut days: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (at, time) in times.iter().enumerate() {
        days.entry(day(*time)).or_default().push(at);
    }
    if days.len() > HABIT {
        return (Vec::new(), movements(times));
    }
    let (mut kept, mut left_out) = (Vec::new(), 0);
    for places in days.into_values() {
        if places.len() <= USUAL {
            kept.extend(places);
        } else {
            let rest = places.get(1..).unwrap_or_default();
            let rest: Vec<i64> = rest
                .iter()
                .filter_map(|at| times.get(*at).copied())
                .collect();
            left_out += movements(&rest);
            kept.extend(places.first());
        }
    }
    (kept, left_out)
}
