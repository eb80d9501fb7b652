//! How poorly the daily work of a network explains a movement.
//!
//! This measures not how bad an act looks but how often these same logs show such a thing: this account on this host,
//! from that host, in this way, with this finding. For each such *term* of a hop the other days give a tail
//! probability: on how many of its days did the account do something at least as new? If it has too few days of its
//! own, the days of accounts with the same role stand in (worth two days, so that thirty days of its own outweigh them
//! and they decide alone if it has none). A host explains its movements, too: on a jump host accounts change every day,
//! and from a deployment server something new goes to some host every week. Of the account's and the source host's own
//! days, those that explain more count. The day of the hop itself never counts: an intruder must not become usual by
//! working hard.
//!
//! Logs of a few days cannot show what is daily. Then a hop is compared with what the *other accounts* do in these logs, if
//! there are many: nearly all of their ways are as new, which says nothing, but a detection that fires on one account out of
//! two hundred, or one person who goes on as another, says as much as on a day out of thirty. The account's own acts, and
//! the hosts that it reaches, never count for it.
//!
//! The terms of one hop are correlated (a new host is mostly also reached from a new source), so the sum of their
//! logarithms would count one surprise several times; each counts half. Along a path the most surprising hop counts in
//! full, the next ones progressively less, and a hop that only possibly follows counts by its certainty. Hops beside
//! the chain add nothing: twenty hosts reached in one rollout are one act, which the fan-out term compares with the
//! account's own other days.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::{AccountId, AccountKind, HostId};
use crabwalk_vocabulary::is_asserted;
use hashbrown::HashMap;

use crate::assemble::{Draft, techniques};
use crate::attach::Found;
use crate::family::Family;
use crate::history::{Days, day, is_daily};
use crate::verdict::Compared;
use crate::words::{Sentence, Word};
use crate::world::World;

/// Fewer other days than this are no basis for comparison.
const LEAST_DAYS: usize = 4;
/// With too few days, accounts are compared with one another if there are this many; with fewer, one that is alone in what
/// it does is nothing special.
const LEAST_PEERS: usize = 25;
/// Weight of the pool in days, beside an account's own.
const POOLED: f64 = 2.0;
/// Seen on this many other days, a thing is no longer new.
const KNOWN: usize = 3;
/// Number of hosts that an automaton reaches on most of its days.
const MANY_HOSTS: usize = 10;
/// Weight of a term's logarithm, because the terms of one hop are correlated.
const SHARE: f64 = 0.5;
/// Weight of each further hop of a chain, relative to the one before.
const FURTHER: f64 = 0.7;
/// Number of findings about one hop that count.
const MOST_FINDINGS: usize = 2;
/// Number of a path's terms to report.
const MOST_TERMS: usize = 6;
/// A term that daily work reaches this often is not reported.
const TOLD: f64 = 0.2;

/// Kinds of novelty that are scored for each hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Novelty {
    /// The account at the destination.
    Destination,
    /// The account from the source.
    Source,
    /// Anybody moving from the source to the destination.
    Edge,
    /// The account moving in this way.
    Way,
    /// One person's account continuing as another.
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
}

/// The role of an account, as its other days show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Role {
    /// Moves on at most one other day.
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
    /// The comparison, in words with figures.
    pub what: Sentence,
    /// How often daily work does such a thing, 0 to 1.
    pub probability: f64,
}

/// How surprising a hop is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surprise {
    /// Weighted sum of the terms' logarithms to base 10.
    pub score: f64,
    pub terms: Vec<Term>,
}

/// Whose habits a hop is compared with: the account's or, if no log names one, those of its source host (or of the
/// destination, if the source is unknown too).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    Account(AccountId),
    Host(HostId),
}

impl Subject {
    fn of(world: &World<'_>, hop: &Draft) -> Self {
        let ran_as = hop.effective.filter(|id| world.accounts.is_user(*id));
        hop.used
            .or(ran_as)
            .or(hop.actor)
            .map_or(Self::Host(hop.src.unwrap_or(hop.dst)), Self::Account)
    }

    fn word(self, world: &World<'_>) -> Word {
        match self {
            Self::Account(id) => Word::account(world, id),
            Self::Host(id) => Word::host(world, id),
        }
    }
}

/// Account-days, and the number of them with something as new as this.
#[derive(Debug, Clone, Copy, Default)]
struct Pool {
    days: usize,
    /// In the order of [`Novelty::ALL`], and by the number of other days with the same.
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
            // Something done on no other day is also as new as something done on one.
            for count in new.iter_mut().skip(*level) {
                *count += 1;
            }
        }
    }
}

/// On which days something was done, and by whom; for findings and techniques.
#[derive(Debug, Default)]
struct Habit {
    by: HashMap<Subject, Days>,
    /// Subject-days, by day.
    on: HashMap<i64, usize>,
    all: usize,
}

impl Habit {
    fn add(&mut self, subject: Subject, day: i64) {
        if self.by.entry(subject).or_default().add(day) {
            *self.on.entry(day).or_default() += 1;
            self.all += 1;
        }
    }
}

/// Hosts with logons or movement, and those that each account reached on each day.
#[derive(Default)]
struct Reached {
    hosts: BTreeSet<HostId>,
    by_day: HashMap<(AccountId, i64), BTreeSet<HostId>>,
}

impl Reached {
    fn add(&mut self, account: AccountId, day: i64, host: HostId) {
        self.by_day.entry((account, day)).or_default().insert(host);
    }
}

/// What the network does on its days.
#[derive(Default)]
pub(crate) struct Baseline {
    /// Days with logons.
    days: BTreeSet<i64>,
    /// Whether there are too few of them, so that an account is compared with the others on all days.
    by_peers: bool,
    at: HashMap<(HostId, AccountId), Days>,
    from: HashMap<(HostId, AccountId), Days>,
    edges: HashMap<(HostId, HostId), Days>,
    ways: HashMap<(AccountId, Family), Days>,
    switches: HashMap<(AccountId, AccountId), Days>,
    active: HashMap<AccountId, Days>,
    /// Days on which somebody worked on a host.
    worked: HashMap<HostId, Days>,
    /// Host-days with movement from the host, and how new the newest of it was.
    left: HashMap<HostId, BTreeMap<i64, [usize; 5]>>,
    /// Account-days with movement, and how new the newest of it was.
    moved: HashMap<AccountId, BTreeMap<i64, [usize; 5]>>,
    /// Number of hosts that an account reached on a day.
    fans: HashMap<AccountId, BTreeMap<i64, usize>>,
    pools: HashMap<Role, Pool>,
    pools_on: HashMap<(i64, Role), Pool>,
    /// The part of each account in the pool of its role.
    pools_by: HashMap<(AccountId, Role), Pool>,
    /// Fan-outs of a role's account-days, sorted.
    fans_of: HashMap<Role, Vec<(usize, i64, AccountId)>>,
    techniques: HashMap<&'static str, Habit>,
    rules: HashMap<usize, Habit>,
    /// Host-days on which a rule fired.
    rule_hosts: HashMap<usize, BTreeSet<(i64, Option<HostId>)>>,
    /// Hosts that an account reached, on any day.
    reached: HashMap<AccountId, BTreeSet<HostId>>,
    host_days: usize,
}

/// Rule names as numbers.
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
    /// Learns from logons, tickets, hops and findings. `None` if there are too few days to learn from.
    pub fn new(
        world: &World<'_>,
        hops: &[Draft],
        findings: &[Found<'_>],
        about: &[Vec<usize>],
        canonical: &[AccountId],
    ) -> Option<Self> {
        let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
        let moves: Vec<&Draft> = hops
            .iter()
            .filter(|hop| is_asserted(hop.confidence) && !hop.attempt)
            .collect();
        let mut own = Self::default();
        let mut reached = Reached::default();
        own.learn_history(world, &standing);
        own.learn_sessions(world, &standing, &mut reached);
        own.learn_moves(world, &moves, &mut reached);
        own.by_peers = !is_daily(own.days.iter().copied(), LEAST_DAYS + 1);
        if own.by_peers && own.active.len() < LEAST_PEERS {
            return None;
        }
        own.host_days = reached.hosts.len() * own.days.len();
        own.learn_novelty(world, &moves);
        for ((account, today), hosts) in reached.by_day {
            own.fans
                .entry(account)
                .or_default()
                .insert(today, hosts.len());
            own.reached.entry(account).or_default().extend(hosts);
        }
        own.learn_findings(world, hops, findings, about);
        own.learn_roles();
        Some(own)
    }

    /// The days of accounts, and the hosts that they come from, from logons and tickets.
    fn learn_history(&mut self, world: &World<'_>, standing: &dyn Fn(AccountId) -> AccountId) {
        for ((src, account), days) in world.history.from() {
            let own = self.from.entry((*src, standing(*account))).or_default();
            own.extend(days);
        }
        for (account, days) in world.history.accounts() {
            self.active
                .entry(standing(*account))
                .or_default()
                .extend(days);
        }
    }

    /// Where people work, and where they log on from elsewhere.
    fn learn_sessions(
        &mut self,
        world: &World<'_>,
        standing: &dyn Fn(AccountId) -> AccountId,
        reached: &mut Reached,
    ) {
        for session in &world.sessions {
            let Some(account) = session
                .account
                .filter(|_| session.kind == AccountKind::User)
            else {
                continue;
            };
            let account = standing(account);
            let today = day(session.time);
            let host = session.host;
            self.days.insert(today);
            reached.hosts.insert(host);
            for end in [Some(host), session.from()].into_iter().flatten() {
                self.worked.entry(end).or_default().add(today);
            }
            let remote = session.is_remote();
            if remote || matches!(session.logon_type, 2 | 7 | 10 | 11) {
                self.at.entry((host, account)).or_default().add(today);
            }
            if remote {
                reached.add(account, today, host);
                if let Some(src) = session.from() {
                    self.edges.entry((src, host)).or_default().add(today);
                }
            }
        }
    }

    /// Who moved from where to where, how, and as whom.
    fn learn_moves(&mut self, world: &World<'_>, moves: &[&Draft], reached: &mut Reached) {
        for hop in moves {
            let today = day(hop.first);
            self.days.insert(today);
            reached.hosts.insert(hop.dst);
            for end in [Some(hop.dst), hop.src].into_iter().flatten() {
                self.worked.entry(end).or_default().add(today);
            }
            if let Some(src) = hop.src {
                self.edges.entry((src, hop.dst)).or_default().add(today);
            }
            let Subject::Account(account) = Subject::of(world, hop) else {
                continue;
            };
            self.active.entry(account).or_default().add(today);
            self.at.entry((hop.dst, account)).or_default().add(today);
            self.ways
                .entry((account, hop.family))
                .or_default()
                .add(today);
            reached.add(account, today, hop.dst);
            if let Some(src) = hop.src {
                self.from.entry((src, account)).or_default().add(today);
            }
            if let Some((actor, used)) = switched(world, hop) {
                self.switches.entry((actor, used)).or_default().add(today);
            }
        }
    }

    /// How new the newest movement of each account and each host was on each day, measured on what all days show.
    fn learn_novelty(&mut self, world: &World<'_>, moves: &[&Draft]) {
        for hop in moves {
            let levels = self.levels(world, hop);
            let today = day(hop.first);
            let account = match Subject::of(world, hop) {
                Subject::Account(account) => {
                    Some(self.moved.entry(account).or_default().entry(today))
                }
                Subject::Host(_) => None,
            };
            let host = hop
                .src
                .map(|src| self.left.entry(src).or_default().entry(today));
            for entry in [account, host].into_iter().flatten() {
                let least = entry.or_insert([KNOWN; 5]);
                for (old, new) in least.iter_mut().zip(levels) {
                    *old = (*old).min(new);
                }
            }
        }
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
            if !is_asserted(hop.confidence) {
                continue;
            }
            let (subject, today) = (Subject::of(world, hop), day(hop.first));
            for id in techniques(hop) {
                self.techniques.entry(id).or_default().add(subject, today);
            }
            for rule in about.iter().filter_map(|at| rules.get(*at)) {
                self.rules.entry(*rule).or_default().add(subject, today);
            }
        }
        let mut seen: BTreeSet<(usize, i64, &str)> = BTreeSet::new();
        for (finding, rule) in findings.iter().zip(&rules) {
            for event in finding.events {
                let today = day(world.catalog.common(&event.host, event.time));
                if seen.insert((*rule, today, &event.host)) {
                    let host = world.hosts.known(&event.host);
                    self.rule_hosts
                        .entry(*rule)
                        .or_default()
                        .insert((today, host));
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
                let own = self.pools_by.entry((*account, role)).or_default();
                own.add(levels);
                let fan = self.fan(*account, today);
                self.fans_of
                    .entry(role)
                    .or_default()
                    .push((fan, today, *account));
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

    /// By the number of days other than today.
    fn role(&self, account: AccountId, today: i64) -> Role {
        if self.by_peers {
            return Role::Person;
        }
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

    /// On how many other days the same was done, at most [`KNOWN`], in the order of [`Novelty::ALL`].
    fn levels(&self, world: &World<'_>, hop: &Draft) -> [usize; 5] {
        let today = day(hop.first);
        let src = hop.src;
        let account = match Subject::of(world, hop) {
            Subject::Account(account) => Some(account),
            Subject::Host(_) => None,
        };
        Novelty::ALL.map(|kind| {
            let days: Option<Option<&Days>> = match kind {
                Novelty::Destination => account.map(|account| self.at.get(&(hop.dst, account))),
                Novelty::Source => src.zip(account).map(|pair| self.from.get(&pair)),
                Novelty::Edge => src.map(|src| self.edges.get(&(src, hop.dst))),
                Novelty::Way => account.map(|account| self.ways.get(&(account, hop.family))),
                Novelty::Switch => account
                    .and_then(|_| switched(world, hop))
                    .map(|pair| self.switches.get(&pair)),
            };
            // What a hop lacks cannot be new.
            days.map_or(KNOWN, |days| {
                days.map_or(0, |days| days.others(today)).min(KNOWN)
            })
        })
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
        let mut terms = self.news(world, hop);
        terms.extend(self.fan_out(world, hop));
        terms.extend(self.rarest_technique(world, hop));
        terms.extend(self.rarest_findings(world, hop, findings, rules, about));
        terms.sort_by(rarer);
        let score = terms
            .iter()
            .map(|term| -SHARE * term.probability.log10())
            .sum();
        Surprise { score, terms }
    }

    /// Days other than a hop's on which its subject was seen.
    fn active(&self, world: &World<'_>, hop: &Draft) -> usize {
        let days = match Subject::of(world, hop) {
            Subject::Account(account) => self.active.get(&account),
            Subject::Host(host) => self.worked.get(&host),
        };
        days.map_or(0, |days| days.others(day(hop.first)))
    }

    /// The account-days of a role that a subject is compared with: other days, or those of others.
    fn pool(&self, role: Role, subject: Subject, today: i64) -> Pool {
        let own = match subject {
            _ if !self.by_peers => self.pools_on.get(&(today, role)),
            Subject::Account(account) => self.pools_by.get(&(account, role)),
            Subject::Host(_) => None,
        };
        self.pools
            .get(&role)
            .copied()
            .unwrap_or_default()
            .without(own)
    }

    /// The novel parts of a hop, and how often its account, its source host or accounts of the same role do something
    /// as new.
    fn news(&self, world: &World<'_>, hop: &Draft) -> Vec<Term> {
        let today = day(hop.first);
        let subject = Subject::of(world, hop);
        let (moved, role) = match subject {
            Subject::Account(account) => (self.moved.get(&account), self.role(account, today)),
            Subject::Host(_) => (None, Role::Person),
        };
        let left = hop.src.and_then(|src| self.left.get(&src));
        let worked = hop
            .src
            .and_then(|src| self.worked.get(&src))
            .map_or(0, |days| days.others(today));
        let active = self.active(world, hop);
        let pool = self.pool(role, subject, today);
        let src = || {
            hop.src.map_or_else(
                || Word::text("an unknown host"),
                |src| Word::host(world, src),
            )
        };
        let dst = || Word::host(world, hop.dst);
        let who = || subject.word(world);
        let mut terms = Vec::new();
        let levels = Novelty::ALL.into_iter().zip(self.levels(world, hop));
        for (place, ((kind, level), new)) in levels.zip(pool.new).enumerate() {
            // From `KNOWN` on nothing is new.
            let Some(others) = new.get(level) else {
                continue;
            };
            let is_as_new = |own: Option<&usize>| own.is_some_and(|own| *own <= level);
            let as_new = |days: Option<&BTreeMap<i64, [usize; 5]>>| {
                days.map_or(0, |days| {
                    days.iter()
                        .filter(|(at, levels)| **at != today && is_as_new(levels.get(place)))
                        .count()
                })
            };
            let (own, from) = (as_new(moved), as_new(left));
            let rate = rate(*others, pool.days);
            let by_host = tail(from, worked, rate);
            let by_account = match subject {
                Subject::Account(_) => tail(own, active, rate),
                Subject::Host(_) => by_host,
            };
            let seen = match level {
                0 => "on no other day".to_owned(),
                1 => "on one other day".to_owned(),
                days => format!("on {days} other days"),
            };
            let t = |text: &str| Word::text(text);
            let mut what = match kind {
                Novelty::Destination => vec![
                    who(),
                    t(" is on "),
                    dst(),
                    Word::Text(format!(" {seen}; it goes to hosts as new to it")),
                ],
                Novelty::Source => vec![
                    who(),
                    t(" comes from "),
                    src(),
                    Word::Text(format!(" {seen}; it comes from hosts as new to it")),
                ],
                Novelty::Edge => vec![
                    t("the route from "),
                    src(),
                    t(" to "),
                    dst(),
                    Word::Text(format!(" is used {seen}; ")),
                    who(),
                    t(" takes routes as new"),
                ],
                Novelty::Way => vec![
                    who(),
                    Word::Text(format!(
                        " moves by {} {seen}; it uses techniques as new to it",
                        techniques(hop).first().copied().unwrap_or("an unknown way")
                    )),
                ],
                Novelty::Switch => vec![
                    hop.actor
                        .map_or_else(|| t("?"), |actor| Word::account(world, actor)),
                    t(" continues as "),
                    who(),
                    Word::Text(format!(" {seen}; others continue as it")),
                ],
            };
            match subject {
                _ if self.by_peers => what.push(Word::Text(format!(
                    ", as other accounts do on {others} of {} account-days",
                    pool.days
                ))),
                Subject::Host(_) => {
                    what.push(Word::Text(format!(" on {from} of its {worked} other days")));
                }
                Subject::Account(_) if by_host > by_account => what.extend([
                    Word::Text(format!(
                        " on {own} of its {active} other days, others from "
                    )),
                    src(),
                    Word::Text(format!(" on {from} of {worked}")),
                ]),
                Subject::Account(_) if active >= LEAST_DAYS => {
                    what.push(Word::Text(format!(" on {own} of its {active} other days")));
                }
                Subject::Account(_) => what.push(Word::Text(format!(
                    " on {own} of its {active} other days, {} on {others} of {}",
                    role.words(),
                    pool.days
                ))),
            }
            terms.push(Term {
                what: Sentence::Named(what),
                probability: by_account.max(by_host),
            });
        }
        terms
    }

    /// How many hosts the account reaches that day, compared with its own other days and those of its role.
    fn fan_out(&self, world: &World<'_>, hop: &Draft) -> Option<Term> {
        let Subject::Account(account) = Subject::of(world, hop) else {
            return None;
        };
        let today = day(hop.first);
        let fan = self.fan(account, today);
        if fan < 2 {
            return None;
        }
        let own = self.fans.get(&account).map_or(0, |days| {
            days.iter()
                .filter(|(at, hosts)| **at != today && **hosts >= fan)
                .count()
        });
        let role = self.role(account, today);
        let others = self.fans_of.get(&role).map_or(0, |fans| {
            let wide = fans.partition_point(|(hosts, ..)| *hosts < fan);
            fans.get(wide..)
                .unwrap_or_default()
                .iter()
                .filter(|(_, at, by)| match self.by_peers {
                    true => *by != account,
                    false => *at != today,
                })
                .count()
        });
        let active = self.active(world, hop);
        let pool = self.pool(role, Subject::Account(account), today);
        Some(Term {
            what: Sentence::Named(vec![
                Word::account(world, account),
                Word::Text(match self.by_peers {
                    true => format!(
                        " reaches {fan} hosts that day; others as many on {others} of {} account-days",
                        pool.days
                    ),
                    false => format!(
                        " reaches {fan} hosts that day; as many on {own} of its {active} other days"
                    ),
                }),
            ]),
            probability: tail(
                own,
                active,
                rate(
                    others,
                    self.pool(role, Subject::Account(account), today).days,
                ),
            ),
        })
    }

    /// On how many other days a thing is seen for the hop's subject, and on how many subject-days for anybody.
    fn seen(&self, world: &World<'_>, hop: &Draft, habit: Option<&Habit>) -> (usize, usize) {
        let today = day(hop.first);
        habit.map_or((0, 0), |habit| {
            let own = habit.by.get(&Subject::of(world, hop));
            let apart = match self.by_peers {
                true => own.map_or(0, |days| days.all().count()),
                false => habit.on.get(&today).copied().unwrap_or(0),
            };
            let own = own.map_or(0, |days| days.others(today));
            (own, habit.all - apart)
        })
    }

    /// The account-days that a hop is compared with.
    fn account_days(&self, world: &World<'_>, hop: &Draft) -> usize {
        let (subject, today) = (Subject::of(world, hop), day(hop.first));
        self.pools
            .keys()
            .map(|role| self.pool(*role, subject, today).days)
            .sum()
    }

    /// The host-days on which a rule fires that a hop is compared with: on other days, or on hosts that its account does
    /// not reach.
    fn host_days_of(&self, world: &World<'_>, hop: &Draft, rule: usize) -> usize {
        let today = day(hop.first);
        let own = match Subject::of(world, hop) {
            Subject::Account(account) => self.reached.get(&account),
            Subject::Host(_) => None,
        };
        let is_own = |host: &HostId| {
            Some(*host) == hop.src || *host == hop.dst || own.is_some_and(|all| all.contains(host))
        };
        let of = self.rule_hosts.get(&rule).into_iter().flatten();
        of.filter(|(at, host)| match self.by_peers {
            true => !host.as_ref().is_some_and(is_own),
            false => *at != today,
        })
        .count()
    }

    fn rarest_technique(&self, world: &World<'_>, hop: &Draft) -> Option<Term> {
        let (active, of) = (self.active(world, hop), self.account_days(world, hop));
        techniques(hop)
            .into_iter()
            .map(|id| {
                let (own, all) = self.seen(world, hop, self.techniques.get(id));
                Term {
                    what: Sentence::Named(vec![
                        Word::Text(format!("{id} by ")),
                        Subject::of(world, hop).word(world),
                        Word::Text(match self.by_peers {
                            true => format!(", by others on {all} of {of} account-days"),
                            false => format!(
                                " on {own} of its {active} other days, by anybody on {all} of {of} account-days"
                            ),
                        }),
                    ]),
                    probability: tail(own, active, rate(all, of)),
                }
            })
            .min_by(rarer)
    }

    /// The [`MOST_FINDINGS`] rarest of the findings about a hop that claim an attack.
    fn rarest_findings(
        &self,
        world: &World<'_>,
        hop: &Draft,
        findings: &[Found<'_>],
        rules: &[usize],
        about: &[usize],
    ) -> Vec<Term> {
        let (active, of) = (self.active(world, hop), self.account_days(world, hop));
        let mut seen = BTreeSet::new();
        let mut terms: Vec<Term> = about
            .iter()
            .filter_map(|at| Some((findings.get(*at)?, rules.get(*at)?)))
            .filter(|(finding, rule)| finding.claims && seen.insert(**rule))
            .map(|(finding, rule)| {
                let (own, all) = self.seen(world, hop, self.rules.get(rule));
                let hosts = self.host_days_of(world, hop, *rule);
                // As often as it fires on anything, on any host.
                let rate = rate(all, of).max(rate(hosts, self.host_days));
                Term {
                    what: Sentence::Named(vec![
                        Word::Text(format!("{} fires on ", finding.rule)),
                        Subject::of(world, hop).word(world),
                        Word::Text(match self.by_peers {
                            true => format!(
                                ", on others on {all} of {of} account-days, on hosts of others on {hosts} of {} host-days",
                                self.host_days
                            ),
                            false => format!(
                                " on {own} of its {active} other days, in these logs on {hosts} of {} host-days",
                                self.host_days
                            ),
                        }),
                    ]),
                    probability: tail(own, active, rate),
                }
            })
            .collect();
        terms.sort_by(rarer);
        terms.truncate(MOST_FINDINGS);
        terms
    }

    /// What hops are compared with.
    pub fn compared(&self) -> Compared {
        match self.by_peers {
            true => Compared::Accounts(self.active.len()),
            false => Compared::Days(self.days.len()),
        }
    }
}

/// The actor and the account used, if the latter is not the actor's own.
fn switched(world: &World<'_>, hop: &Draft) -> Option<(AccountId, AccountId)> {
    hop.actor
        .zip(hop.used)
        .filter(|(actor, used)| actor != used && world.accounts.is_user(*actor))
}

fn rarer(a: &Term, b: &Term) -> Ordering {
    a.probability
        .total_cmp(&b.probability)
        .then_with(|| a.what.cmp(&b.what))
}

/// The frequency of something that was seen this many times; never 0, because what was not seen may still happen.
fn rate(seen: usize, of: usize) -> f64 {
    ratio(seen as f64 + 0.5, of as f64 + 1.0)
}

/// The share of days with a thing: this many own days, and [`POOLED`] days at the overall rate.
fn tail(own: usize, days: usize, rate: f64) -> f64 {
    ratio(own as f64 + POOLED * rate, days as f64 + POOLED)
}

/// Never 0 and never above 1.
fn ratio(part: f64, of: f64) -> f64 {
    (part / of).clamp(1e-6, 1.0)
}

/// How surprising the hops are, by index; `usual` ones are not.
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

/// The score of a path, and its terms: those of its most surprising chain of hops.
pub(crate) fn of_path(
    members: &[usize],
    links: &[crate::link::Link],
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
        // Chains are short; circular links must not cause an endless loop.
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
    terms.sort_by(rarer);
    terms.truncate(MOST_TERMS);
    (best.0, terms)
}
