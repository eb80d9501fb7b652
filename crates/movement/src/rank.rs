//! How little the daily work of a network explains a movement.
//!
//! What is measured is not how bad an act looks but how often these very logs show such a thing: this account on this
//! host, from that host, in this way, with this finding. For each such *term* of a hop the other days give a tail
//! probability: on how many of its days did the account do something at least as new? Where it has too few days of its
//! own, the days of accounts with the same role stand in (two days' worth of them, so that thirty days of its own
//! outweigh them and no day at all leaves them alone). A host explains its movements, too: on a jump host accounts change
//! every day, from a deployment server something new goes to some host every week; of the account's and the source
//! host's own days those count that explain more. The day of the hop itself never counts: an intruder must not
//! make himself usual by working hard.
//!
//! The terms of one hop go together (a new host is mostly also reached from a new source), so the sum of their
//! logarithms would count one surprise several times; each counts half. Along a path the most surprising hop counts
//! whole, the next ones less and less, and what only possibly follows counts by its certainty. Hops beside the chain add
//! nothing: twenty hosts reached in one rollout are one act, which the fan-out term weighs against the account's own
//! other days.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crabwalk_activity::{AccountId, AccountKind, HostId};
use crabwalk_vocabulary::is_asserted;

use crate::assemble::{Draft, techniques};
use crate::attach::Found;
use crate::history::{Days, day};
use crate::techniques::Family;
use crate::world::World;

/// Fewer other days than these are no daily work to compare with.
const LEAST_DAYS: usize = 4;
/// Days' worth of the pool that stand beside an account's own.
const POOLED: f64 = 2.0;
/// Seen on so many other days, a thing is no longer new.
const KNOWN: usize = 3;
/// Hosts that an automaton reaches on most of its days.
const MANY_HOSTS: usize = 10;
/// What a term counts of its logarithm, since the terms of one hop depend on each other.
const SHARE: f64 = 0.5;
/// What each further hop of a chain counts of the one before.
const FURTHER: f64 = 0.7;
/// Terms of a path that are told.
const MOST_TERMS: usize = 6;
/// A term at which daily work does this often is not told.
const TOLD: f64 = 0.2;

/// Kinds of novelty that are weighed for each hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Novelty {
    /// The account at the destination.
    Destination,
    /// The account from the source.
    Source,
    /// Anybody from the source to the destination.
    Edge,
    /// The account moving in this way.
    Way,
    /// One person's account going on with another.
    Switch,
}

impl Novelty {
    const ALL: [Self; 5] = [
        Self::Destination,
        Self::Source,
        Self::Edge,
        Self::Way,
        Self::Switch,
    ];

    fn place(self) -> usize {
        self as usize
    }
}

/// What an account is for, as its other days show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Role {
    /// Moves on no more than one other day.
    Person,
    /// Moves on several other days.
    Operator,
    /// Reaches many hosts on most days.
    Automaton,
}

impl Role {
    fn words(self) -> &'static str {
        match self {
            Self::Person => "accounts that seldom move",
            Self::Operator => "accounts of operators",
            Self::Automaton => "automated accounts",
        }
    }
}

/// One reason why a path is, or is not, daily work.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// What is weighed, in words with figures.
    pub what: String,
    /// How often daily work does such a thing, 0 to 1.
    pub probability: f64,
}

/// How surprising a hop is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surprise {
    /// Sum of the terms' logarithms to base 10, weighed.
    pub score: f64,
    pub terms: Vec<Term>,
}

/// Account-days, and on how many of them something as new as this was done.
#[derive(Debug, Clone, Copy, Default)]
struct Pool {
    days: usize,
    /// By [`Novelty::place`], and by the number of other days on which it was done too.
    new: [[usize; KNOWN]; 5],
}

impl Pool {
    fn without(&self, other: Option<&Self>) -> Self {
        let Some(other) = other else { return *self };
        let mut own = *self;
        own.days -= other.days;
        for (mine, theirs) in own.new.iter_mut().zip(&other.new) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine -= theirs;
            }
        }
        own
    }

    fn add(&mut self, levels: Option<&[usize; 5]>) {
        self.days += 1;
        for (new, level) in self.new.iter_mut().zip(levels.into_iter().flatten()) {
            // A thing that was done on no other day is also as new as one that was done on one.
            for count in new.iter_mut().skip(*level) {
                *count += 1;
            }
        }
    }
}

/// On which days something was done, by whom; for findings and techniques.
#[derive(Debug, Default)]
struct Habit {
    by: HashMap<AccountId, Days>,
    /// Account-days of each day.
    on: HashMap<i64, usize>,
    all: usize,
}

impl Habit {
    fn add(&mut self, account: AccountId, day: i64) {
        if self.by.entry(account).or_default().add(day) {
            *self.on.entry(day).or_default() += 1;
            self.all += 1;
        }
    }
}

/// What the network does on its days.
pub(crate) struct Baseline {
    /// Days with logons.
    days: BTreeSet<i64>,
    at: HashMap<(HostId, AccountId), Days>,
    from: HashMap<(HostId, AccountId), Days>,
    edges: HashMap<(HostId, HostId), Days>,
    ways: HashMap<(AccountId, Family), Days>,
    switches: HashMap<(AccountId, AccountId), Days>,
    active: HashMap<AccountId, Days>,
    /// Days on which somebody worked on a host.
    worked: HashMap<HostId, Days>,
    /// Host-days on which somebody moved from a host, and how new the newest of it was.
    left: HashMap<HostId, BTreeMap<i64, [usize; 5]>>,
    /// Account-days on which an account moved, and how new the newest of it was.
    moved: HashMap<AccountId, BTreeMap<i64, [usize; 5]>>,
    /// Hosts that an account reached on a day.
    fans: HashMap<AccountId, BTreeMap<i64, usize>>,
    pools: HashMap<Role, Pool>,
    pools_on: HashMap<(i64, Role), Pool>,
    /// Fans of the account-days of a role, sorted.
    fans_of: HashMap<Role, Vec<(usize, i64)>>,
    techniques: HashMap<&'static str, Habit>,
    rules: HashMap<usize, Habit>,
    /// Host-days on which a rule found something, by day and in all.
    rule_hosts: HashMap<usize, (HashMap<i64, usize>, usize)>,
    account_days: usize,
    account_days_on: HashMap<i64, usize>,
    host_days: usize,
}

/// Names of rules as numbers.
fn rules<'f>(findings: &[Found<'f>]) -> Vec<usize> {
    let mut known: HashMap<&'f str, usize> = HashMap::new();
    findings
        .iter()
        .map(|one| {
            let next = known.len();
            *known.entry(one.rule).or_insert(next)
        })
        .collect()
}

impl Baseline {
    /// Learns from logons, tickets, hops and findings. `None` where there are too few days to learn from.
    pub fn new(
        world: &World<'_>,
        hops: &[Draft],
        findings: &[Found<'_>],
        about: &[Vec<usize>],
        canonical: &[AccountId],
    ) -> Option<Self> {
        let mut days = BTreeSet::new();
        let mut at: HashMap<(HostId, AccountId), Days> = HashMap::new();
        let mut edges: HashMap<(HostId, HostId), Days> = HashMap::new();
        let mut reached: HashMap<(AccountId, i64), BTreeSet<HostId>> = HashMap::new();
        let mut hosts = BTreeSet::new();
        let mut worked: HashMap<HostId, Days> = HashMap::new();
        let mut from = world.history.from().clone();
        let mut active = world.history.accounts().clone();
        for session in &world.sessions {
            let Some(account) = session
                .account
                .filter(|_| session.kind == AccountKind::User)
            else {
                continue;
            };
            let account = canonical.get(account.place()).copied().unwrap_or(account);
            let today = day(session.time);
            days.insert(today);
            hosts.insert(session.host);
            worked.entry(session.host).or_default().add(today);
            if let Some(src) = session.from() {
                worked.entry(src).or_default().add(today);
            }
            active.entry(account).or_default().add(today);
            if session.is_remote() {
                at.entry((session.host, account)).or_default().add(today);
                reached
                    .entry((account, today))
                    .or_default()
                    .insert(session.host);
                if let Some(src) = session.from() {
                    from.entry((src, account)).or_default().add(today);
                    edges.entry((src, session.host)).or_default().add(today);
                }
            } else if matches!(session.logon_type, 2 | 7 | 10 | 11) {
                at.entry((session.host, account)).or_default().add(today);
            }
        }
        let mut ways: HashMap<(AccountId, Family), Days> = HashMap::new();
        let mut switches: HashMap<(AccountId, AccountId), Days> = HashMap::new();
        let moving = |hop: &Draft| is_asserted(hop.confidence) && !hop.attempt;
        for hop in hops.iter().filter(|hop| moving(hop)) {
            let today = day(hop.first);
            days.insert(today);
            hosts.insert(hop.dst);
            let Some(used) = hop.used else { continue };
            active.entry(used).or_default().add(today);
            at.entry((hop.dst, used)).or_default().add(today);
            ways.entry((used, hop.family)).or_default().add(today);
            reached.entry((used, today)).or_default().insert(hop.dst);
            if let Some(src) = hop.src {
                from.entry((src, used)).or_default().add(today);
                edges.entry((src, hop.dst)).or_default().add(today);
            }
            if let Some(actor) = switched(world, hop) {
                switches.entry((actor, used)).or_default().add(today);
            }
        }
        let (first, last) = (*days.first()?, *days.last()?);
        // Extracts of days far apart are no daily work.
        let span = usize::try_from(last - first).unwrap_or(usize::MAX);
        if days.len() <= LEAST_DAYS || span >= days.len().saturating_mul(2) {
            return None;
        }
        let mut own = Self {
            host_days: hosts.len() * days.len(),
            days,
            at,
            from,
            edges,
            ways,
            switches,
            active,
            worked,
            left: HashMap::new(),
            moved: HashMap::new(),
            fans: HashMap::new(),
            pools: HashMap::new(),
            pools_on: HashMap::new(),
            fans_of: HashMap::new(),
            techniques: HashMap::new(),
            rules: HashMap::new(),
            rule_hosts: HashMap::new(),
            account_days: 0,
            account_days_on: HashMap::new(),
        };
        for hop in hops.iter().filter(|hop| moving(hop)) {
            let Some(used) = hop.used else { continue };
            let levels = own.levels(world, hop);
            let today = day(hop.first);
            let account = own.moved.entry(used).or_default().entry(today);
            let host = hop
                .src
                .map(|src| own.left.entry(src).or_default().entry(today));
            for entry in [Some(account), host].into_iter().flatten() {
                let least = entry.or_insert([KNOWN; 5]);
                for (old, new) in least.iter_mut().zip(levels) {
                    *old = (*old).min(new);
                }
            }
        }
        for ((account, today), hosts) in reached {
            own.fans
                .entry(account)
                .or_default()
                .insert(today, hosts.len());
        }
        own.learn_findings(world, hops, findings, about);
        own.learn_roles();
        Some(own)
    }

    fn learn_findings(
        &mut self,
        world: &World<'_>,
        hops: &[Draft],
        findings: &[Found<'_>],
        about: &[Vec<usize>],
    ) {
        let rules = rules(findings);
        for (hop, about) in hops.iter().zip(about) {
            let (Some(used), true) = (hop.used, is_asserted(hop.confidence)) else {
                continue;
            };
            let today = day(hop.first);
            for id in techniques(hop) {
                self.techniques.entry(id).or_default().add(used, today);
            }
            for rule in about.iter().filter_map(|at| rules.get(*at)) {
                self.rules.entry(*rule).or_default().add(used, today);
            }
        }
        let mut seen: BTreeSet<(usize, i64, &str)> = BTreeSet::new();
        for (finding, rule) in findings.iter().zip(&rules) {
            for event in finding.events {
                let today = day(world.catalog.common(&event.host, event.time));
                if seen.insert((*rule, today, &event.host)) {
                    let own = self.rule_hosts.entry(*rule).or_default();
                    *own.0.entry(today).or_default() += 1;
                    own.1 += 1;
                }
            }
        }
    }

    fn learn_roles(&mut self) {
        for (account, active) in &self.active {
            for today in active.all() {
                let role = self.role(*account, today);
                let levels = self.moved.get(account).and_then(|days| days.get(&today));
                self.pools.entry(role).or_default().add(levels);
                self.pools_on.entry((today, role)).or_default().add(levels);
                self.account_days += 1;
                *self.account_days_on.entry(today).or_default() += 1;
                let fan = self.fan(*account, today);
                self.fans_of.entry(role).or_default().push((fan, today));
            }
        }
        for fans in self.fans_of.values_mut() {
            fans.sort_unstable();
        }
    }

    fn fan(&self, account: AccountId, today: i64) -> usize {
        self.fans
            .get(&account)
            .and_then(|days| days.get(&today))
            .copied()
            .unwrap_or(0)
    }

    /// By the days other than today.
    fn role(&self, account: AccountId, today: i64) -> Role {
        let active = self
            .active
            .get(&account)
            .map_or(0, |days| days.others(today));
        let wide = self.fans.get(&account).map_or(0, |days| {
            days.iter()
                .filter(|(at, hosts)| **at != today && **hosts >= MANY_HOSTS)
                .count()
        });
        let moved = self
            .moved
            .get(&account)
            .map_or(0, |days| days.keys().filter(|at| **at != today).count());
        if wide > 1 && wide * 2 > active {
            Role::Automaton
        } else if moved > 1 {
            Role::Operator
        } else {
            Role::Person
        }
    }

    /// On how many other days the same was done, at most [`KNOWN`], by [`Novelty::place`].
    fn levels(&self, world: &World<'_>, hop: &Draft) -> [usize; 5] {
        let today = day(hop.first);
        let others = |days: Option<&Days>| days.map_or(0, |days| days.others(today)).min(KNOWN);
        let mut levels = [KNOWN; 5];
        let Some(used) = hop.used else { return levels };
        levels[Novelty::Destination.place()] = others(self.at.get(&(hop.dst, used)));
        levels[Novelty::Way.place()] = others(self.ways.get(&(used, hop.family)));
        if let Some(src) = hop.src {
            levels[Novelty::Source.place()] = others(self.from.get(&(src, used)));
            levels[Novelty::Edge.place()] = others(self.edges.get(&(src, hop.dst)));
        }
        if let Some(actor) = switched(world, hop) {
            levels[Novelty::Switch.place()] = others(self.switches.get(&(actor, used)));
        }
        levels
    }

    /// Weighs a hop.
    pub fn surprise(
        &self,
        world: &World<'_>,
        hop: &Draft,
        findings: &[Found<'_>],
        rules: &[usize],
        about: &[usize],
    ) -> Surprise {
        let Some(used) = hop.used else {
            return Surprise::default();
        };
        let today = day(hop.first);
        let role = self.role(used, today);
        let name = |id: AccountId| world.accounts.info(id).map_or("?", |one| one.key.as_str());
        let host = |id: HostId| world.hosts.key(id);
        let mut terms: Vec<Term> = Vec::new();
        let levels = self.levels(world, hop);
        let active = self.active.get(&used).map_or(0, |days| days.others(today));
        let pool = self
            .pools
            .get(&role)
            .copied()
            .unwrap_or_default()
            .without(self.pools_on.get(&(today, role)));
        let src = hop.src.map_or("an unknown host", host);
        let worked = hop
            .src
            .and_then(|src| self.worked.get(&src))
            .map_or(0, |days| days.others(today));
        for kind in Novelty::ALL {
            let level = levels[kind.place()];
            if level >= KNOWN {
                continue;
            }
            let as_new = |days: Option<&BTreeMap<i64, [usize; 5]>>| {
                days.map_or(0, |days| {
                    days.iter()
                        .filter(|(at, levels)| **at != today && levels[kind.place()] <= level)
                        .count()
                })
            };
            let own = as_new(self.moved.get(&used));
            let left = hop.src.map_or(0, |src| as_new(self.left.get(&src)));
            let others = pool.new[kind.place()][level];
            let rate = ratio(others as f64 + 0.5, pool.days as f64 + 1.0);
            let by_account = ratio(own as f64 + POOLED * rate, active as f64 + POOLED);
            let by_host = ratio(left as f64 + POOLED * rate, worked as f64 + POOLED);
            let probability = by_account.max(by_host);
            let seen = match level {
                0 => "on no other day".to_owned(),
                1 => "on one other day".to_owned(),
                days => format!("on {days} other days"),
            };
            let such = match kind {
                Novelty::Destination => format!(
                    "{} is on {} {seen}; it goes to hosts that are as new to it",
                    name(used),
                    host(hop.dst)
                ),
                Novelty::Source => format!(
                    "{} comes from {src} {seen}; it comes from hosts that are as new to it",
                    name(used)
                ),
                Novelty::Edge => format!(
                    "anybody goes from {src} to {} {seen}; {} takes such ways",
                    host(hop.dst),
                    name(used)
                ),
                Novelty::Way => format!(
                    "{} moves by {} {seen}; it takes up ways as new to it",
                    name(used),
                    techniques(hop).first().copied().unwrap_or("an unknown way")
                ),
                Novelty::Switch => format!(
                    "{} goes on as {} {seen}; others go on as it",
                    hop.actor.map_or("?", name),
                    name(used)
                ),
            };
            let what = if by_host > by_account {
                format!(
                    "{such} on {own} of its {active} other days, others from {src} on {left} of {worked}"
                )
            } else if active >= LEAST_DAYS {
                format!("{such} on {own} of its {active} other days")
            } else {
                format!(
                    "{such} on {own} of its {active} other days, {} on {others} of {}",
                    role.words(),
                    pool.days
                )
            };
            terms.push(Term { what, probability });
        }
        let fan = self.fan(used, today);
        if fan > 1 {
            let own = self.fans.get(&used).map_or(0, |days| {
                days.iter()
                    .filter(|(at, hosts)| **at != today && **hosts >= fan)
                    .count()
            });
            let (others, of) = self.fans_of.get(&role).map_or((0, 0), |fans| {
                let wide = fans.partition_point(|(hosts, _)| *hosts < fan);
                let is_other = |one: &&(usize, i64)| one.1 != today;
                (
                    fans.get(wide..)
                        .unwrap_or_default()
                        .iter()
                        .filter(is_other)
                        .count(),
                    fans.iter().filter(is_other).count(),
                )
            });
            let rate = ratio(others as f64 + 0.5, of as f64 + 1.0);
            terms.push(Term {
                what: format!(
                    "{} reaches {fan} hosts that day; as many on {own} of its {active} other days",
                    name(used)
                ),
                probability: ratio(own as f64 + POOLED * rate, active as f64 + POOLED),
            });
        }
        let account_days =
            self.account_days - self.account_days_on.get(&today).copied().unwrap_or(0);
        let rarity = |habit: Option<&Habit>| {
            let own = habit
                .and_then(|habit| habit.by.get(&used))
                .map_or(0, |days| days.others(today));
            let all = habit.map_or(0, |habit| {
                habit.all - habit.on.get(&today).copied().unwrap_or(0)
            });
            let rate = ratio(all as f64 + 0.5, account_days as f64 + 1.0);
            (own, all, rate)
        };
        let mut rarest: Option<Term> = None;
        for id in techniques(hop) {
            let (own, all, rate) = rarity(self.techniques.get(id));
            let probability = ratio(own as f64 + POOLED * rate, active as f64 + POOLED);
            if rarest
                .as_ref()
                .is_none_or(|old| probability < old.probability)
            {
                rarest = Some(Term {
                    what: format!(
                        "{id} by {} on {own} of its {active} other days, by anybody on {all} of {account_days} days of accounts",
                        name(used)
                    ),
                    probability,
                });
            }
        }
        terms.extend(rarest);
        let mut found: Vec<Term> = Vec::new();
        let mut seen = BTreeSet::new();
        for at in about {
            let (Some(finding), Some(rule)) = (findings.get(*at), rules.get(*at)) else {
                continue;
            };
            if !finding.claims || !seen.insert(*rule) {
                continue;
            }
            let (own, all, rate) = rarity(self.rules.get(rule));
            let hosts = self
                .rule_hosts
                .get(rule)
                .map_or(0, |(on, all)| all - on.get(&today).copied().unwrap_or(0));
            // As often as it is raised about anything, on any host.
            let rate = rate.max(ratio(hosts as f64 + 0.5, self.host_days as f64 + 1.0));
            found.push(Term {
                what: format!(
                    "{} is found about {} on {own} of its {active} other days, in these logs on {} of {} days of hosts",
                    finding.rule,
                    name(used),
                    hosts.max(all),
                    self.host_days
                ),
                probability: ratio(own as f64 + POOLED * rate, active as f64 + POOLED),
            });
        }
        found.sort_by(|a, b| a.probability.total_cmp(&b.probability));
        found.truncate(2);
        terms.extend(found);
        terms.sort_by(|a, b| {
            a.probability
                .total_cmp(&b.probability)
                .then_with(|| a.what.cmp(&b.what))
        });
        let score = terms
            .iter()
            .map(|term| -SHARE * term.probability.log10())
            .sum();
        Surprise { score, terms }
    }

    /// Days that have logons.
    pub fn days(&self) -> usize {
        self.days.len()
    }
}

/// Who acted, where he went on with another account than his own.
fn switched(world: &World<'_>, hop: &Draft) -> Option<AccountId> {
    hop.actor
        .filter(|actor| Some(*actor) != hop.used && world.accounts.is_user(*actor))
}

/// Never 0 and never above 1.
fn ratio(part: f64, of: f64) -> f64 {
    if of <= 0.0 {
        return 1.0;
    }
    (part / of).clamp(1e-6, 1.0)
}

/// How surprising the hops are, by their place; `usual` ones are not.
pub(crate) fn surprises(
    baseline: &Baseline,
    world: &World<'_>,
    hops: &[Draft],
    findings: &[Found<'_>],
    about: &[Vec<usize>],
    usual: &[bool],
) -> Vec<Surprise> {
    let rules = rules(findings);
    hops.iter()
        .enumerate()
        .map(|(at, hop)| {
            let told = is_asserted(hop.confidence)
                && !hop.attempt
                && !usual.get(at).copied().unwrap_or(false);
            if told {
                let about = about.get(at).map_or(&[][..], Vec::as_slice);
                baseline.surprise(world, hop, findings, &rules, about)
            } else {
                Surprise::default()
            }
        })
        .collect()
}

/// The score of a path, and its terms: of all chains of its hops the most surprising.
pub(crate) fn of_path(
    members: &[usize],
    links: &[crate::path::Link],
    surprises: &[Surprise],
) -> (f64, Vec<Term>) {
    let into: BTreeMap<usize, (usize, f64)> = links
        .iter()
        .map(|link| (link.to, (link.from, link.certainty)))
        .collect();
    let mut best: (f64, Vec<usize>) = (0.0, Vec::new());
    for end in members {
        let mut chain = Vec::new();
        let mut scores: Vec<f64> = Vec::new();
        let mut at = *end;
        let mut certainty = 1.0;
        // A chain is not long; links in a circle must not hold us.
        for _ in 0..64 {
            chain.push(at);
            scores.push(certainty * surprises.get(at).map_or(0.0, |one| one.score));
            let Some((from, sure)) = into.get(&at) else {
                break;
            };
            if chain.contains(from) {
                break;
            }
            certainty *= sure;
            at = *from;
        }
        scores.sort_by(|a, b| b.total_cmp(a));
        let mut weight = 1.0;
        let mut score = 0.0;
        for one in scores {
            score += weight * one;
            weight *= FURTHER;
        }
        if score > best.0 || best.1.is_empty() {
            best = (score, chain);
        }
    }
    let mut terms: Vec<Term> = Vec::new();
    for term in best
        .1
        .iter()
        .filter_map(|at| surprises.get(*at))
        .flat_map(|one| &one.terms)
    {
        if term.probability <= TOLD && !terms.contains(term) {
            terms.push(term.clone());
        }
    }
    terms.sort_by(|a, b| {
        a.probability
            .total_cmp(&b.probability)
            .then_with(|| a.what.cmp(&b.what))
    });
    terms.truncate(MOST_TERMS);
    (best.0, terms)
}
