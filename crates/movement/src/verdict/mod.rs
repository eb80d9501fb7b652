//! Conclusions from the paths: which of them are reported as an intrusion, and how strongly each hop belongs to it.
//!
//! Paths are ranked by how poorly the network's own days explain them ([`crate::rank`]); those that stand out from the
//! others are reported, within a budget. If the logs have too few days to compare, and too few accounts to compare with one
//! another, evidence alone decides: a path is reported if it includes an act that a detection considers an attack, or if
//! one person's session led to another person's logon.

pub(crate) mod blind;
pub(crate) mod exposed;
pub(crate) mod follows;
pub(crate) mod scope;

use std::collections::{BTreeMap, BTreeSet};

use crate::attach::Found;
use crate::link::LinkKind;
use crate::{Hop, Path, Standing};

/// Maximum number of paths to report if nothing can be compared, none of them much weaker than the first.
const MOST_PATHS: usize = 32;
const LEAST_SHARE: f64 = 0.5;
/// What remains of a path's share if nothing on any path distinguishes an intruder from somebody at work: its hosts are
/// possible, and no account is reset because of it.
const PLAIN_SHARE: f64 = 0.5;
/// Hops of a path that are joined to its significant ones by less than this are left out.
const LEAST_JOINED: f64 = 0.2;
/// Paths with at least this share of the first one's score are as good as it; what others touch is possible at most.
const FIRM_SHARE: f64 = 0.75;
/// For a reported path, the maximum number of paths as significant to be expected by chance.
const BY_CHANCE: f64 = 0.2;
/// With fewer paths below it there is nothing to extrapolate from.
const LEAST_OTHERS: usize = 8;
/// Below this score a path is not reported, however few or similar the others are. In companies generated for this
/// purpose daily work reached 6.0; intrusions of one to six hops scored from 6.6 to 15.7, most of them above 10.
pub(crate) const LEAST: f64 = 6.5;
/// A hop is significant within its path with at least this share of the most surprising one's score.
const TELLING: f64 = 0.5;

/// How many paths may be reported: this many per day and thousand hosts, and one in any case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget(pub f64);

impl Default for Budget {
    fn default() -> Self {
        Self(1.0)
    }
}

impl Budget {
    fn paths(self, days: usize, hosts: usize) -> usize {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "numbers of hosts and days are small, and the cast saturates"
        )]
        let most = (self.0.max(0.0) * days as f64 * hosts as f64 / 1000.0).ceil() as usize;
        most.max(1)
    }
}

/// How strongly a hop belongs to the reported paths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspect {
    /// How significant the best path with the hop is compared with the first path, times how certainly the hop belongs
    /// to it, 0 to 1.
    pub share: f64,
    /// Index of that path among the reported ones.
    pub place: usize,
}

impl Suspect {
    /// Whether what it touches is affected as certainly as what the first path touches.
    pub fn is_firm(self) -> bool {
        self.share >= FIRM_SHARE
    }
}

/// What hops are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    /// So many days with logons.
    Days(usize),
    /// So many accounts, on too few days to compare.
    Accounts(usize),
}

/// What is concluded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verdict {
    /// Ids of the reported paths, most significant first.
    pub told: Vec<String>,
    /// Ids of their hops.
    pub hops: BTreeMap<String, Suspect>,
    /// Days of logons that the paths were compared with; `None` if there are too few to compare.
    pub baseline: Option<usize>,
    /// Accounts that were compared with one another, because there are too few days and many accounts.
    pub peers: Option<usize>,
    /// How many of the reported paths are expected by chance: paths as significant that daily work alone would produce.
    /// `None` if there are too few other paths for an estimate.
    pub by_chance: Option<f64>,
    /// What the intruder touched.
    pub scope: scope::Scope,
}

impl Verdict {
    /// Whether paths were compared with other days, or with what other accounts do.
    pub fn is_compared(&self) -> bool {
        self.baseline.is_some() || self.peers.is_some()
    }
}

/// The input for the verdict.
pub(crate) struct Drawn<'d> {
    /// By time.
    pub hops: &'d [Hop],
    /// Most significant first.
    pub paths: &'d [Path],
    pub findings: &'d [Found<'d>],
    /// Ids of accounts of people.
    pub people: &'d BTreeSet<String>,
    /// What hops are compared with, and how surprising each is; `None` if nothing can be compared.
    pub baseline: Option<(Compared, &'d BTreeMap<String, f64>)>,
    pub hosts: usize,
    pub budget: Budget,
}

impl Drawn<'_> {
    pub fn verdict(&self) -> Verdict {
        let by_id: BTreeMap<&str, &Hop> =
            self.hops.iter().map(|hop| (hop.id.as_str(), hop)).collect();
        match self.baseline {
            Some((with, surprises)) => self.against_others(&by_id, with, surprises),
            None => self.by_evidence(&by_id),
        }
    }

    /// Reports what stands out from the other paths.
    fn against_others(
        &self,
        by_id: &BTreeMap<&str, &Hop>,
        with: Compared,
        surprises: &BTreeMap<String, f64>,
    ) -> Verdict {
        let (days, peers) = match with {
            Compared::Days(days) => (Some(days), None),
            Compared::Accounts(accounts) => (None, Some(accounts)),
        };
        let most = self.budget.paths(days.unwrap_or(1), self.hosts);
        let candidates: Vec<&Path> = self.proven(by_id).collect();
        let scores: Vec<f64> = candidates.iter().map(|path| path.score).collect();
        let mut chance = Some(0.0);
        let mut told: Vec<(&Path, BTreeMap<&str, f64>)> = Vec::new();
        for (at, path) in candidates.iter().enumerate().take(most) {
            let below = scores.get(at + 1..).unwrap_or_default();
            let expected = expected(path.score, below);
            if expected.unwrap_or(0.0) > BY_CHANCE || path.score < LEAST {
                break;
            }
            chance = chance.zip(expected).map(|(sum, one)| sum + one);
            let own = |id: &String| surprises.get(id).copied().unwrap_or(0.0);
            let top = path.hops.iter().map(own).fold(0.0, f64::max);
            let weights = weights(path, |id| {
                own(id) >= top * TELLING
                    && by_id
                        .get(id.as_str())
                        .is_some_and(|hop| hop.standing() == Standing::Proven)
            });
            told.push((path, weights));
        }
        Verdict {
            baseline: days,
            peers,
            by_chance: chance,
            ..suspects(&told, 1.0)
        }
    }

    /// Reports what evidence alone makes significant.
    fn by_evidence(&self, by_id: &BTreeMap<&str, &Hop>) -> Verdict {
        let mut candidates: Vec<(&Path, BTreeMap<&str, f64>)> = self
            .proven(by_id)
            .map(|path| {
                let telling = |id: &String| {
                    by_id
                        .get(id.as_str())
                        .is_some_and(|hop| self.is_telling(hop))
                };
                (path, weights(path, telling))
            })
            .filter(|(_, weights)| !weights.is_empty())
            .collect();
        let mut most = 1.0;
        if candidates.is_empty() {
            most = PLAIN_SHARE;
            candidates = self
                .proven(by_id)
                .filter(|path| {
                    path.hops
                        .iter()
                        .any(|id| by_id.get(id.as_str()).is_some_and(|hop| !hop.usual))
                })
                .map(|path| {
                    let all = path.hops.iter().map(|id| (id.as_str(), 1.0)).collect();
                    (path, all)
                })
                .collect();
        }
        let best = candidates
            .iter()
            .map(|(path, _)| path.score)
            .fold(0.0, f64::max);
        candidates.retain(|(path, _)| path.score >= best * LEAST_SHARE);
        candidates.truncate(MOST_PATHS);
        suspects(&candidates, most)
    }

    /// Paths with a hop that certainly happened.
    fn proven<'s>(&'s self, by_id: &'s BTreeMap<&str, &Hop>) -> impl Iterator<Item = &'s Path> {
        self.paths.iter().filter(|path| {
            path.hops.iter().any(|id| {
                by_id
                    .get(id.as_str())
                    .is_some_and(|hop| hop.standing().happened())
            })
        })
    }

    /// Distinguishes an intruder's hop from somebody's work. Administrators log on to many hosts, too, and hunting and
    /// anomaly detections find all of it by their nature; so a hop counts by itself only if it includes an act that a
    /// detection considers an attack, or if one person's session led to another person's logon.
    fn is_telling(&self, hop: &Hop) -> bool {
        let person =
            |id: &Option<String>| id.as_ref().filter(|id| self.people.contains(*id)).cloned();
        let switched = person(&hop.actor)
            .zip(person(&hop.used))
            .is_some_and(|(actor, used)| actor != used);
        hop.standing() == Standing::Proven
            && (switched
                || hop
                    .findings
                    .iter()
                    .any(|at| self.findings.get(*at).is_some_and(|one| one.claims)))
    }
}

/// How many of the other paths are expected to score this high by chance: they are below it, and the tail of daily
/// work's scores falls off exponentially, with the mean excess of the upper half over the median. `None` if there are
/// too few.
fn expected(score: f64, below: &[f64]) -> Option<f64> {
    if below.len() < LEAST_OTHERS {
        return None;
    }
    let mut sorted = below.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.split_off(sorted.len() / 2);
    let median = upper.first().copied()?;
    #[expect(clippy::cast_precision_loss, reason = "numbers of paths are small")]
    let number = upper.len() as f64;
    let mean = upper.iter().map(|one| one - median).sum::<f64>() / number;
    Some(if mean > 0.0 {
        number * (-(score - median) / mean).exp()
    } else if score > median {
        0.0
    } else {
        number
    })
}

/// How certainly each hop of a path belongs to its significant ones: by the links between them, 1 for a process or
/// session. Empty if none is significant.
fn weights(path: &Path, telling: impl Fn(&String) -> bool) -> BTreeMap<&str, f64> {
    let mut weights: BTreeMap<&str, f64> = path
        .hops
        .iter()
        .filter(|id| telling(id))
        .map(|id| (id.as_str(), 1.0))
        .collect();
    if weights.is_empty() {
        return weights;
    }
    for _ in 0..path.hops.len() {
        let mut changed = false;
        for link in &path.links {
            let joined = if link.kind == LinkKind::TimePossible {
                link.certainty.clamp(0.0, 1.0)
            } else {
                1.0
            };
            for (from, to) in [(&link.from, &link.to), (&link.to, &link.from)] {
                let weight = weights.get(from.as_str()).copied().unwrap_or(0.0) * joined;
                let own = weights.entry(to.as_str()).or_insert(0.0);
                if weight > *own + 1e-9 {
                    *own = weight;
                    changed = true;
                }
            }
        }
        if !changed {
            break;
        }
    }
    weights
}

fn suspects(told: &[(&Path, BTreeMap<&str, f64>)], most: f64) -> Verdict {
    let best = told.iter().map(|(path, _)| path.score).fold(0.0, f64::max);
    let mut hops: BTreeMap<String, Suspect> = BTreeMap::new();
    for (place, (path, weights)) in told.iter().enumerate() {
        let share = most * if best > 0.0 { path.score / best } else { 1.0 };
        for (id, weight) in weights
            .iter()
            .filter(|(_, weight)| **weight >= LEAST_JOINED)
        {
            let own = hops
                .entry((*id).to_owned())
                .or_insert(Suspect { share: 0.0, place });
            own.share = own.share.max(share * weight);
        }
    }
    Verdict {
        told: told.iter().map(|(path, _)| path.id.clone()).collect(),
        hops,
        ..Verdict::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores of daily work that fall off exponentially, with mean one.
    fn daily(number: u32) -> Vec<f64> {
        (0..number)
            .map(|at| -((f64::from(at) + 0.5) / f64::from(number)).ln())
            .collect()
    }

    #[test]
    fn the_top_of_daily_work_does_not_stand_out_from_it() {
        let scores = daily(200);
        let top = scores.first().copied().unwrap_or(0.0);
        let below = scores.get(1..).unwrap_or_default();
        assert!(expected(top, below).is_some_and(|one| one > BY_CHANCE));
    }

    #[test]
    fn what_lies_far_above_daily_work_stands_out() {
        assert!(expected(12.0, &daily(200)).is_some_and(|one| one < 0.01));
    }

    #[test]
    fn nothing_is_estimated_from_few_paths() {
        assert_eq!(expected(LEAST, &[0.1, 0.2]), None);
        assert_eq!(expected(LEAST, &[0.5; 20]), Some(0.0));
    }

    #[test]
    fn the_budget_grows_with_hosts_and_days() {
        for (budget, days, hosts, paths) in [
            (1.0, 14, 302, 5),
            (1.0, 1, 10, 1),
            (0.0, 30, 5000, 1),
            (f64::NAN, 30, 5000, 1),
            (2.0, 10, 1000, 20),
        ] {
            assert_eq!(
                Budget(budget).paths(days, hosts),
                paths,
                "{budget} {days} {hosts}"
            );
        }
    }
}
