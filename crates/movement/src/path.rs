//! Linking hops, and chaining them into paths.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_events::assets::Assets;
use hashbrown::HashMap;

use crabwalk_activity::{AccountId, HostId, SECOND};

use crate::assemble::Draft;
use crate::evidence::Act;
use crate::incident;
use crate::link::{DAY, Link, LinkKind};
use crate::rank::{self, Surprise, Term};
use crate::world::World;
use crabwalk_vocabulary::{Standing, is_asserted};

/// Confidence given to a possible hop that explains another.
const EXPLAINING: f64 = 0.35;

/// Whether a hop is daily work: its account does it on other days too. Evidence of stolen credentials excludes that.
pub(crate) fn is_usual(world: &World<'_>, hop: &Draft) -> bool {
    hop.moved().is_some_and(|one| world.history.is_habit(one))
        && !crate::assemble::techniques(hop)
            .iter()
            .any(|id| id.starts_with("T1550") || id.starts_with("T1563"))
}

/// The best link into each hop. A possible hop without which another would begin at a host that nobody came to is more
/// likely than it is by itself, and its confidence is raised.
pub(crate) fn links(world: &World<'_>, hops: &mut [Draft], usual: &[bool]) -> Vec<Link> {
    let mut links = sure_links(world, hops, usual);
    let explained = explaining(hops, usual, &links);
    if explained.is_empty() {
        return links;
    }
    for at in explained {
        if let Some(hop) = hops.get_mut(at) {
            hop.confidence = EXPLAINING;
        }
    }
    links = sure_links(world, hops, usual);
    links
}

/// Possible, non-routine hops that lead from a reached host to one from which a hop begins unexplained.
fn explaining(hops: &[Draft], usual: &[bool], links: &[Link]) -> Vec<usize> {
    /// From the possible hop to the one that it explains.
    const SOON: i64 = 2 * 3600 * SECOND;
    let is_usual = |at: usize| usual.get(at).copied().unwrap_or(false);
    let linked: BTreeSet<usize> = links.iter().map(|link| link.to).collect();
    let mut reached: BTreeMap<HostId, Vec<usize>> = BTreeMap::new();
    let mut begins: BTreeMap<HostId, Vec<usize>> = BTreeMap::new();
    for (at, hop) in hops.iter().enumerate() {
        if Standing::of(hop.confidence, hop.attempt, is_usual(at)) != Standing::Proven {
            continue;
        }
        reached.entry(hop.dst).or_default().push(at);
        if let Some(src) = hop.src
            && !linked.contains(&at)
        {
            begins.entry(src).or_default().push(at);
        }
    }
    hops.iter()
        .enumerate()
        .filter(|(at, hop)| {
            Standing::of(hop.confidence, hop.attempt, false) == Standing::Possible
                && hop.confidence >= 0.15
                && !is_usual(*at)
        })
        .filter(|(_, hop)| {
            let Some(src) = hop.src else { return false };
            let before = reached.get(&src).into_iter().flatten().any(|at| {
                hops.get(*at)
                    .is_some_and(|one| one.first <= hop.first && hop.first - one.first <= DAY)
            });
            let after = begins.get(&hop.dst).into_iter().flatten().any(|at| {
                hops.get(*at)
                    .is_some_and(|one| one.first >= hop.first && one.first - hop.first <= SOON)
            });
            before && after
        })
        .map(|(at, _)| at)
        .collect()
}

fn sure_links(world: &World<'_>, hops: &[Draft], usual: &[bool]) -> Vec<Link> {
    let is_usual = |at: usize| usual.get(at).copied().unwrap_or(false);
    let mut into: BTreeMap<HostId, Vec<usize>> = BTreeMap::new();
    for (at, hop) in hops.iter().enumerate() {
        into.entry(hop.dst).or_default().push(at);
    }
    let mut links = Vec::new();
    for (to, hop) in hops.iter().enumerate() {
        let Some(src) = hop.src else { continue };
        let Some(before) = into.get(&src) else {
            continue;
        };
        let end =
            before.partition_point(|at| hops.get(*at).is_some_and(|one| one.first <= hop.last));
        let candidates: Vec<usize> = before
            .get(..end)
            .unwrap_or_default()
            .iter()
            .rev()
            .take(64)
            .copied()
            .filter(|at| {
                *at != to
                    && hops.get(*at).is_some_and(|one| {
                        hop.first - one.first <= DAY
                            && one.first <= hop.last
                            && !one.attempt
                            && (one.first, *at) < (hop.last, to)
                    })
            })
            .collect();
        if candidates.is_empty() {
            continue;
        }
        let ancestors = ancestors(world, hop);
        let own = hop.used.filter(|_| !hop.given);
        let fits = |one: &Draft| one.used.is_some() && [own, hop.actor].contains(&one.used);
        // Daily work with other accounts does not compete.
        let rivals = candidates
            .iter()
            .filter(|at| !is_usual(**at) || hops.get(**at).is_some_and(fits))
            .count()
            .max(1);
        let mut best: Option<Link> = None;
        for from in &candidates {
            let Some(one) = hops.get(*from) else { continue };
            let by_process = one
                .processes_in(world)
                .iter()
                .any(|process| ancestors.contains(process));
            let logons: BTreeSet<u64> = one
                .sessions
                .iter()
                .filter_map(|key| world.session_of(key))
                .flat_map(|session| [session.logon_id, session.linked])
                .filter(|id| !crabwalk_activity::is_service_logon(*id))
                .collect();
            let by_session = hop
                .source_logons
                .iter()
                .chain(&source_process_logons(world, hop))
                .any(|id| logons.contains(id));
            let (kind, certainty) = if by_process {
                (LinkKind::ProcessCausal, 0.95)
            } else if by_session || crate::causes::by_sudo(world, one, hop) {
                (LinkKind::SessionCausal, 0.85)
            } else if crate::causes::went_on(world, one, hop) {
                (LinkKind::ProcessCausal, 0.9)
            } else {
                #[expect(clippy::cast_precision_loss, reason = "at most 64")]
                let share = 1.0 / rivals as f64;
                // Another account continued: less likely the same person.
                let share = if fits(one) { share } else { share * 0.5 };
                (LinkKind::TimePossible, share)
            };
            // Time alone does not join merely possible hops; it joins daily work only if the arriving account continued
            // while it was there, because an intruder begins where the victim works.
            let root = !is_usual(*from) || (fits(one) && was_there(world, one, hop.first));
            if kind == LinkKind::TimePossible
                && (!is_asserted(hop.confidence)
                    || !is_asserted(one.confidence)
                    || is_usual(to)
                    || !root)
            {
                continue;
            }
            let link = Link {
                from: *from,
                to,
                kind,
                certainty: (certainty * 100.0_f64).round() / 100.0,
            };
            if best
                .as_ref()
                .is_none_or(|old| (link.kind, link.certainty) > (old.kind, old.certainty))
            {
                best = Some(link);
            }
        }
        links.extend(best);
    }
    links
}

/// Whether a session of a hop was still open, by its logoff; without one, within half a day.
fn was_there(world: &World<'_>, hop: &Draft, time: i64) -> bool {
    hop.sessions
        .iter()
        .filter_map(|key| world.session_of(key))
        .any(|session| {
            // A network session ends with its request, and does not show who is present.
            let end = if session.end == crabwalk_activity::OPEN || session.logon_type == 3 {
                session.time + DAY / 2
            } else {
                session.end
            };
            session.time <= time && time <= end
        })
}

fn source_process_logons(world: &World<'_>, hop: &Draft) -> BTreeSet<u64> {
    hop.source_processes
        .iter()
        .filter_map(|key| world.process_of(key).map(|one| one.logon_id))
        .filter(|id| !crabwalk_activity::is_service_logon(*id))
        .collect()
}

/// The programs that performed a hop on its source, and their parents.
fn ancestors(world: &World<'_>, hop: &Draft) -> BTreeSet<usize> {
    let mut all = BTreeSet::new();
    for start in hop.source_processes_in(world) {
        let mut at = start;
        // Trees are shallow; a damaged log must not cause an endless loop.
        for _ in 0..64 {
            if !all.insert(at) {
                break;
            }
            match world.parent(at) {
                Some(parent) => at = parent,
                None => break,
            }
        }
    }
    all
}

/// What the organisation says about its hosts and accounts.
pub(crate) struct Worth {
    /// Points of the hosts that matter most, and the reasons.
    hosts: HashMap<HostId, (f64, String)>,
    /// The same of accounts.
    accounts: HashMap<AccountId, (f64, String)>,
}

impl Worth {
    pub fn new(world: &World<'_>, assets: &Assets) -> Self {
        let points = |row: &BTreeMap<String, Vec<String>>| {
            let words = |column: &str| -> Vec<String> {
                row.get(column)
                    .into_iter()
                    .flatten()
                    .map(|value| value.to_lowercase())
                    .collect()
            };
            // Priorities of Splunk ES.
            let mut best: Option<(f64, String)> = None;
            for value in words("priority") {
                let points = match value.as_str() {
                    "critical" => 20.0,
                    "high" => 10.0,
                    _ => continue,
                };
                if best.as_ref().is_none_or(|(own, _)| *own < points) {
                    best = Some((points, format!("of {value} priority")));
                }
            }
            for value in words("category") {
                let crown = [
                    "crown",
                    "domain_controller",
                    "domain controller",
                    "privileged",
                    "pci",
                    "certificate",
                ]
                .iter()
                .any(|word| value.contains(word));
                if crown && best.as_ref().is_none_or(|(own, _)| *own < 15.0) {
                    best = Some((15.0, format!("in category {value}")));
                }
            }
            best
        };
        let mut hosts = HashMap::new();
        if !assets.assets.is_empty() {
            for (at, host) in world.hosts.all.iter().enumerate() {
                let row = host
                    .names
                    .iter()
                    .map(String::as_str)
                    .chain([host.key.as_str()])
                    .find_map(|name| assets.assets.find(name))
                    .or_else(|| {
                        host.ips
                            .iter()
                            .find_map(|ip| assets.assets.find(&ip.to_string()))
                    });
                if let (Some(points), Ok(at)) = (row.and_then(points), u32::try_from(at)) {
                    hosts.insert(HostId(at), points);
                }
            }
        }
        let mut accounts = HashMap::new();
        if !assets.identities.is_empty() {
            for (at, account) in world.accounts.all.iter().enumerate() {
                let row = account
                    .names
                    .iter()
                    .flat_map(|name| [name.as_str(), name.rsplit('\\').next().unwrap_or(name)])
                    .find_map(|name| assets.identities.find(name));
                if let Some(points) = row.and_then(points) {
                    accounts.insert(AccountId::at(at), points);
                }
            }
        }
        Self { hosts, accounts }
    }
}

/// Hops that belong together.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub hops: Vec<usize>,
    pub links: Vec<Link>,
    pub score: f64,
    pub why: Vec<String>,
    pub rank: Vec<Term>,
}

/// Chains hops into paths, one for each incident ([`incident::groups`]).
pub(crate) fn routes(
    world: &World<'_>,
    hops: &[Draft],
    links: &[Link],
    findings: &[Vec<usize>],
    usual: &[bool],
    worth: &Worth,
    surprises: Option<&[Surprise]>,
) -> Vec<Route> {
    let is_usual = |at: usize| usual.get(at).copied().unwrap_or(false);
    let link_into: BTreeMap<usize, &Link> = links.iter().map(|link| (link.to, link)).collect();
    let group = incident::groups(world, hops, links, usual, surprises);
    let mut edges: BTreeMap<(Option<HostId>, HostId), usize> = BTreeMap::new();
    for hop in hops {
        *edges.entry((hop.src, hop.dst)).or_default() += 1;
    }
    let scale = Scale {
        world,
        hops,
        findings,
        edges: &edges,
        usual,
        worth,
    };
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, root) in group.iter().enumerate() {
        members.entry(*root).or_default().push(at);
    }
    let mut all: Vec<Route> = members
        .into_values()
        // A path whose parts all recur every other day is work.
        .filter(|members| !members.iter().all(|at| is_usual(*at)))
        .map(|members| {
            let own: Vec<Link> = members
                .iter()
                .filter_map(|at| link_into.get(at))
                .map(|link| (*link).clone())
                .collect();
            let (evidence, why) = scale.score(&members, &own);
            let (score, rank) = surprises.map_or((evidence, Vec::new()), |surprises| {
                rank::of_path(&members, &own, surprises)
            });
            Route {
                hops: members,
                links: own,
                score: (score * 10.0).round() / 10.0,
                why,
                rank,
            }
        })
        .collect();
    all.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.hops.cmp(&b.hops))
    });
    all
}

/// The input for scoring paths.
struct Scale<'s, 'w> {
    world: &'s World<'w>,
    hops: &'s [Draft],
    /// Findings about each hop.
    findings: &'s [Vec<usize>],
    /// How often each edge is used.
    edges: &'s BTreeMap<(Option<HostId>, HostId), usize>,
    usual: &'s [bool],
    worth: &'s Worth,
}

/// Points of a path, and why; without points, only worth saying.
type Points = Option<(f64, String)>;

impl Scale<'_, '_> {
    /// The score of a path: 40 for each step of its longest certain chain, weighted by confidence and the certainty of
    /// links; 10 for a change of credentials, 10 for each technique after the first up to three, 5 for each finding up
    /// to four, 15 if it reaches a domain controller, up to 20 for the most valuable host or account in assets and
    /// identities, 5 if one of its edges is used only once, 10 if an account comes from a host that it uses on no other
    /// day of the logs. A hop that its account also makes on three other days counts a third, and adds nothing else.
    fn score(&self, members: &[usize], links: &[Link]) -> (f64, Vec<String>) {
        let (mut score, longest) = self.chain(members, links);
        let unusual: Vec<&Draft> = members
            .iter()
            .filter(|at| !self.is_usual(**at))
            .filter_map(|at| self.hops.get(*at))
            .collect();
        let sure: Vec<&Draft> = unusual
            .iter()
            .copied()
            .filter(|hop| is_asserted(hop.confidence))
            .collect();
        let targets: BTreeSet<HostId> = unusual.iter().map(|hop| hop.dst).collect();
        let accounts: BTreeSet<AccountId> = sure.iter().filter_map(|hop| hop.used).collect();
        let terms = [
            (longest > 1).then(|| (0.0, format!("{longest} hops in a row"))),
            reach_beyond(longest, targets.len()),
            self.changes_credentials(&sure, &accounts),
            techniques(&sure),
            self.findings_about(members),
            self.reaches_controller(&targets),
            self.most_valued(&targets, &accounts),
            self.comes_from_new_host(&sure),
            self.routine(members),
            self.unique_edge(&sure),
        ];
        let mut why = Vec::new();
        for (points, because) in terms.into_iter().flatten() {
            score += points;
            why.push(because);
        }
        if why.is_empty() {
            why.push("one hop".to_owned());
        }
        ((score * 10.0).round() / 10.0, why)
    }

    fn is_usual(&self, at: usize) -> bool {
        self.usual.get(at).copied().unwrap_or(false)
    }

    /// The points of the most certain chain, and the number of hops of the longest.
    fn chain(&self, members: &[usize], links: &[Link]) -> (f64, usize) {
        /// The weight of a routine hop.
        const USUAL_SHARE: f64 = 0.3;
        let into: BTreeMap<usize, &Link> = links.iter().map(|link| (link.to, link)).collect();
        let mut reach: BTreeMap<usize, f64> = BTreeMap::new();
        let mut depth: BTreeMap<usize, usize> = BTreeMap::new();
        for at in members {
            let Some(hop) = self.hops.get(*at) else {
                continue;
            };
            let before = into.get(at).copied();
            let mut weight = if hop.act == Act::Strong {
                hop.confidence
            } else {
                hop.confidence * 0.5
            };
            if self.is_usual(*at) {
                weight *= USUAL_SHARE;
            }
            let sum = before.map_or(0.0, |link| {
                reach.get(&link.from).copied().unwrap_or(0.0) * link.certainty
            }) + 40.0 * weight;
            reach.insert(*at, sum);
            let steps = before.map_or(0, |link| depth.get(&link.from).copied().unwrap_or(0)) + 1;
            depth.insert(*at, steps);
        }
        (
            reach.values().copied().fold(0.0, f64::max),
            depth.values().copied().max().unwrap_or(1),
        )
    }

    fn changes_credentials(&self, sure: &[&Draft], accounts: &BTreeSet<AccountId>) -> Points {
        let switches = |hop: &&Draft| {
            hop.actor
                .zip(hop.used)
                .is_some_and(|(actor, used)| actor != used && self.world.accounts.is_user(actor))
        };
        (accounts.len() > 1 || sure.iter().any(switches))
            .then(|| (10.0, "credentials change on the way".to_owned()))
    }

    fn findings_about(&self, members: &[usize]) -> Points {
        let found = members
            .iter()
            .filter_map(|at| self.findings.get(*at))
            .flatten()
            .collect::<BTreeSet<_>>()
            .len();
        let verb = if found == 1 {
            "finding is"
        } else {
            "findings are"
        };
        (found > 0).then(|| (5.0 * up_to(4, found), format!("{found} {verb} about it")))
    }

    fn reaches_controller(&self, targets: &BTreeSet<HostId>) -> Points {
        let is_controller = |host: &HostId| {
            let host = self.world.hosts.get(*host);
            host.is_some_and(|host| host.domain_controller)
        };
        targets
            .iter()
            .any(is_controller)
            .then(|| (15.0, "it reaches a domain controller".to_owned()))
    }

    /// The host or account that is worth most.
    fn most_valued(&self, targets: &BTreeSet<HostId>, accounts: &BTreeSet<AccountId>) -> Points {
        let Self { world, worth, .. } = self;
        let ((points, because), name) = targets
            .iter()
            .filter_map(|host| Some((worth.hosts.get(host)?, world.hosts.key(*host))))
            .chain(accounts.iter().filter_map(|id| {
                Some((
                    worth.accounts.get(id)?,
                    world.accounts.info(*id)?.key.as_str(),
                ))
            }))
            .max_by(|((a, _), a_name), ((b, _), b_name)| {
                a.total_cmp(b).then_with(|| b_name.cmp(a_name))
            })?;
        Some((*points, format!("{name} is {because}")))
    }

    fn comes_from_new_host(&self, sure: &[&Draft]) -> Points {
        let history = &self.world.history;
        let is_new = |hop: &&Draft| {
            hop.src
                .zip(hop.used)
                .is_some_and(|(src, used)| history.is_new_from(src, used, hop.first))
        };
        sure.iter().any(is_new).then(|| {
            (
                10.0,
                "an account comes from a host that it used on no other day".to_owned(),
            )
        })
    }

    fn routine(&self, members: &[usize]) -> Points {
        let habits = members.iter().filter(|at| self.is_usual(**at)).count();
        (habits > 0).then(|| {
            (
                0.0,
                format!("{habits} of its movements are routine on other days"),
            )
        })
    }

    fn unique_edge(&self, sure: &[&Draft]) -> Points {
        sure.iter()
            .any(|hop| self.edges.get(&(hop.src, hop.dst)) == Some(&1))
            .then(|| {
                (
                    5.0,
                    "no other movement in these logs connects these two hosts".to_owned(),
                )
            })
    }
}

/// A count that says no more beyond a limit.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn up_to(most: usize, count: usize) -> f64 {
    count.min(most) as f64
}

/// Hosts beside the longest chain.
fn reach_beyond(longest: usize, reached: usize) -> Points {
    (reached > longest).then(|| {
        (
            2.0 * up_to(10, reached - 1),
            format!("{reached} hosts reached"),
        )
    })
}

fn techniques(sure: &[&Draft]) -> Points {
    let main: BTreeSet<&str> = sure
        .iter()
        .filter_map(|hop| crate::assemble::techniques(hop).first().copied())
        .collect();
    (main.len() > 1).then(|| {
        (
            10.0 * up_to(3, main.len() - 1),
            format!(
                "{} techniques: {}",
                main.len(),
                main.iter().copied().collect::<Vec<_>>().join(", ")
            ),
        )
    })
}
