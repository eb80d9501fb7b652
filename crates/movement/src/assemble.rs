//! Assembling observations into hops. Nothing here depends on a technique.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::{
    AccountId, AccountKind, HostId, Package, Place, ProcessKey, SECOND, Session, SessionKey,
    address, base_name,
};
use hashbrown::HashMap;

use crate::agreement;
use crate::evidence::{Act, Class, Evidence, Family, Kind};
use crate::history::{Moved, day};
use crate::programs::program;
use crate::roles;
use crate::words::Sentence;
use crate::world::World;

/// Maximum distance between observations of one act.
const GAP: i64 = 300 * SECOND;
/// The same without a common source, when only time joins them.
const LOOSE_GAP: i64 = 60 * SECOND;
/// How long before an execution its client connects, if only time shows it.
const CONNECT: i64 = 60 * SECOND;
/// Maximum events per witness.
const MOST_EVENTS: usize = 32;
/// Maximum witnesses per kind.
const MOST_WITNESSES: usize = 12;

/// A movement under construction.
#[derive(Debug)]
pub(crate) struct Draft {
    pub family: Family,
    pub src: Option<HostId>,
    pub dst: HostId,
    pub used: Option<AccountId>,
    /// Whether `used` was given to a tool that speaks NTLM itself: then it does not tell who acted on the source.
    pub given: bool,
    pub actor: Option<AccountId>,
    pub effective: Option<AccountId>,
    /// Whether a program is known to have run as `effective`.
    ran: bool,
    pub first: i64,
    pub last: i64,
    pub act: Act,
    pub attempt: bool,
    pub tunnel: bool,
    pub evidence: Vec<Evidence>,
    pub sessions: BTreeSet<SessionKey>,
    pub processes: BTreeSet<ProcessKey>,
    pub source_processes: BTreeSet<ProcessKey>,
    /// Paths of the programs that arrived at the destination.
    pub programs: BTreeSet<String>,
    /// Paths of the programs that acted on the source.
    pub source_programs: BTreeSet<String>,
    pub source_logons: BTreeSet<u64>,
    pub confidence: f64,
}

impl Draft {
    /// The input for learning habits.
    pub fn moved(&self) -> Option<Moved> {
        Some(Moved {
            src: self.src?,
            dst: self.dst,
            used: self.used?,
            family: self.family,
            time: self.first,
        })
    }

    pub fn new(evidence: Evidence) -> Self {
        let mut draft = Self {
            family: evidence.family,
            src: None,
            dst: evidence.dst,
            used: None,
            given: false,
            actor: None,
            effective: None,
            ran: false,
            first: evidence.time,
            last: evidence.time,
            act: Act::None,
            attempt: true,
            tunnel: false,
            evidence: Vec::new(),
            sessions: BTreeSet::new(),
            processes: BTreeSet::new(),
            source_processes: BTreeSet::new(),
            programs: BTreeSet::new(),
            source_programs: BTreeSet::new(),
            source_logons: BTreeSet::new(),
            confidence: 0.0,
        };
        draft.take(evidence);
        draft
    }

    pub fn take(&mut self, evidence: Evidence) {
        if evidence.act != Act::None {
            self.first = self.first.min(evidence.time);
            self.last = self.last.max(evidence.time);
            self.attempt &= evidence.attempt;
        }
        self.act = self.act.max(evidence.act);
        self.tunnel |= evidence.tunnel;
        if let Place::Host(src) = evidence.src
            && self.src.is_none()
            && src != self.dst
        {
            self.src = Some(src);
        }
        self.used = self.used.or(evidence.used);
        self.actor = self.actor.or(evidence.actor);
        // A program that ran says more than what was set up for it.
        let ran = evidence.effective.is_some() && evidence.process.is_some();
        if self.effective.is_none() || ran && !self.ran {
            self.effective = evidence.effective;
        }
        self.ran |= ran;
        self.sessions.extend(evidence.session);
        self.processes.extend(evidence.process);
        self.source_processes.extend(evidence.source_process);
        self.programs.extend(evidence.program.clone());
        self.source_programs.extend(evidence.source_program.clone());
        self.source_logons.extend(evidence.source_logon);
        self.evidence.push(evidence);
    }

    /// Where the processes lie that ran for it on the destination.
    pub fn processes_in(&self, world: &World<'_>) -> Vec<usize> {
        let all = self.processes.iter();
        all.filter_map(|key| world.process_at(key)).collect()
    }

    /// Where the processes lie that performed it on the source.
    pub fn source_processes_in(&self, world: &World<'_>) -> Vec<usize> {
        let all = self.source_processes.iter();
        all.filter_map(|key| world.process_at(key)).collect()
    }

    /// Microseconds between the draft and a time.
    fn distance(&self, time: i64) -> i64 {
        if time < self.first {
            self.first - time
        } else {
            (time - self.last).max(0)
        }
    }

    fn agrees(&self, evidence: &Evidence) -> bool {
        let source = match (self.src, evidence.src) {
            (Some(own), Place::Host(other)) => own == other,
            _ => true,
        };
        let account = match (self.used, evidence.used) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        source && account
    }

    /// How well an observation matches: smaller is better, `None` is no match.
    fn fit(&self, evidence: &Evidence, families: bool) -> Option<i64> {
        if !families && self.family != evidence.family
            || families && !self.family.serves(evidence.family)
        {
            return None;
        }
        if !self.agrees(evidence) {
            return None;
        }
        let distance = self.distance(evidence.time);
        let same_session = evidence
            .session
            .is_some_and(|session| self.sessions.contains(&session));
        let same_source =
            matches!((self.src, evidence.src), (Some(own), Place::Host(other)) if own == other);
        let most = if same_session {
            2 * GAP
        } else if same_source || (self.src.is_none() && evidence.src == Place::Unknown) {
            GAP
        } else {
            LOOSE_GAP
        };
        (distance <= most).then_some(distance)
    }
}

/// Replaces accounts by the ones that represent them, and finds sources that the observations do not name.
fn prepare(world: &World<'_>, all: Vec<Evidence>, canonical: &[AccountId]) -> Vec<Evidence> {
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    let mut kept = Vec::with_capacity(all.len());
    for mut one in all {
        one.used = one.used.map(standing);
        one.actor = one.actor.map(standing);
        one.effective = one.effective.map(standing);
        if let Some(used) = one.used {
            match world.accounts.kind(used) {
                AccountKind::User => {}
                AccountKind::Anonymous if one.family == Family::Exploit => {}
                AccountKind::Machine if is_of_another(world, &one, used) => {}
                // A machine's or the system's logon is how Windows works. It may be how an act was done, but not who
                // did it.
                _ if one.kind == Kind::DestinationExecution && one.session.is_none() => {
                    one.used = None
                }
                _ => continue,
            }
        }
        if one.src == Place::Local || one.src == Place::Host(one.dst) {
            continue;
        }
        if one.src == Place::Unknown && one.kind != Kind::Source && !one.tunnel {
            find_source(world, &mut one, &standing);
            if one.src == Place::Local || one.src == Place::Host(one.dst) {
                continue;
            }
        }
        kept.push(one);
    }
    kept.sort_by(|a, b| {
        order(a)
            .cmp(&order(b))
            .then_with(|| a.what.cmp(&b.what))
            .then_with(|| a.refs.cmp(&b.refs))
    });
    kept
}

/// Whether an act of a machine account is not Windows' own: it did something at another machine, or came from an
/// address other than its own.
fn is_of_another(world: &World<'_>, one: &Evidence, used: AccountId) -> bool {
    let Some(account) = world.accounts.info(used) else {
        return false;
    };
    let name = account.key.rsplit('\\').next().unwrap_or(&account.key);
    match one.src {
        Place::Host(src) if src != one.dst => {
            world.is_elsewhere(name, one.dst, src)
                || !world.hosts.is_account_of(name, one.dst)
                    && (one.act == Act::None
                        || one.act == Act::Strong && one.kind == Kind::DestinationExecution)
        }
        _ => false,
    }
}

type Order = (i64, HostId, Family, Kind, Class, Option<AccountId>);

fn order(one: &Evidence) -> Order {
    (one.time, one.dst, one.family, one.kind, one.class, one.used)
}

fn find_source(world: &World<'_>, one: &mut Evidence, standing: &dyn Fn(AccountId) -> AccountId) {
    // An event without a LogonId names the caller; the session is the one the caller has open.
    let unlogged = one
        .session
        .and_then(|key| world.session_of(&key))
        .is_none_or(|session| session.logon_type == 0);
    if unlogged
        && let Some(used) = one.used
        && let Some(at) = world.open_remote_session(one.dst, used, standing, one.time)
        && let Some(session) = world.sessions.get(at)
    {
        one.session = Some(session.key());
        one.src = session.source;
    }
    if one.src != Place::Unknown {
        return;
    }
    if let Some(session) = one.session.and_then(|key| world.session_of(&key))
        && find_client(world, one, session, standing)
    {
        return;
    }
    if one.session.is_none() && one.used.is_none() && one.act != Act::None {
        // Nobody is named: take the only one who logged on from elsewhere just before.
        let mut candidates: BTreeMap<(HostId, Option<AccountId>), usize> = BTreeMap::new();
        for (at, session) in
            world.sessions_between(one.dst, one.time - CONNECT, one.time + 2 * SECOND)
        {
            if let (Place::Host(src), AccountKind::User, true) =
                (session.source, session.kind, session.is_remote())
            {
                candidates.insert((src, session.account.map(standing)), at);
            }
        }
        let sources: BTreeSet<HostId> = candidates.keys().map(|(src, _)| *src).collect();
        // Of several accounts from there, the one that logged on last.
        let last = candidates
            .into_iter()
            .filter(|(_, at)| {
                world
                    .sessions
                    .get(*at)
                    .is_some_and(|session| session.time <= one.time)
            })
            .max_by_key(|(_, at)| *at);
        if sources.len() == 1
            && let Some(((src, account), at)) = last
        {
            one.src = Place::Host(src);
            one.used = account;
            one.session = world.session_key(at);
            return;
        }
    }
    let ports = one.family.ports();
    let begun = one
        .session
        .and_then(|key| world.session_of(&key))
        .map(|session| session.time)
        .or(one.connected)
        .unwrap_or(one.time);
    // Sysmon logs a connection up to some seconds after its effect.
    for (before, after) in [(5 * SECOND, 3 * SECOND), (CONNECT, 3 * SECOND)] {
        let clients = world.clients_between(one.dst, ports, begun - before, begun + after);
        if clients.len() == 1 {
            if let Some((src, connection)) = clients.into_iter().next() {
                one.src = Place::Host(src);
                if let Some(connection) = world.connections.get(connection) {
                    one.refs.push(connection.reference);
                }
            }
            return;
        }
        if clients.len() > 1 {
            return;
        }
    }
}

/// Ports of WS-Management.
const MANAGEMENT: &[u16] = &[5985, 5986];

/// The client of a network logon without an address, such as one through WS-Management: the only client that connected
/// to its ports, or for which a controller issued the account's ticket for the host; at that moment, or else at any
/// time while a ticket lasts. With two candidates nobody can say.
fn find_client(
    world: &World<'_>,
    one: &mut Evidence,
    session: &Session,
    standing: &dyn Fn(AccountId) -> AccountId,
) -> bool {
    /// Default lifetime of a ticket.
    const TICKET: i64 = 10 * 3600 * SECOND;
    if session.logon_type != 3 || session.ip.is_some() || session.source != Place::Unknown {
        return false;
    }
    let begun = session.time;
    // What a remote shell runs may query its own machine's WMI: that is the shell's act, and no other.
    let in_shell = one.family != Family::WinRm
        && world
            .processes_between(one.dst, begun - 5 * SECOND, one.time)
            .any(|(_, process)| {
                process.logon_id == session.logon_id
                    && ["wsmprovhost.exe", "winrshost.exe"]
                        .contains(&base_name(process.image).to_lowercase().as_str())
            });
    if in_shell {
        return false;
    }
    let clients = world.clients_between(one.dst, MANAGEMENT, begun - 2 * SECOND, begun + SECOND);
    if clients.len() == 1
        && let Some((src, connection)) = clients.first_key_value()
    {
        one.src = Place::Host(*src);
        if let Some(connection) = world.connections.get(*connection) {
            one.refs.push(connection.reference);
        }
        if one.kind == Kind::DestinationExecution {
            for id in Family::WinRm.plain() {
                if !one.techniques.contains(id) {
                    one.techniques.push(id);
                }
            }
        }
        return true;
    }
    if !clients.is_empty() || session.package == Package::Ntlm {
        return false;
    }
    let Some(account) = session.account.map(standing) else {
        return false;
    };
    let given = world.tickets.get(&one.dst).map_or(&[][..], Vec::as_slice);
    for before in [2 * SECOND, TICKET] {
        let start = given.partition_point(|one| one.time < begun - before);
        let from: BTreeMap<HostId, u64> = given
            .get(start..)
            .unwrap_or_default()
            .iter()
            .take_while(|one| one.time <= begun + SECOND)
            .filter(|one| one.used.map(standing) == Some(account))
            .filter_map(|one| match one.src {
                Place::Host(src) => Some((src, one.reference)),
                _ => None,
            })
            .collect();
        if from.len() > 1 {
            return false;
        }
        if let Some((src, reference)) = from.first_key_value() {
            one.src = Place::Host(*src);
            one.refs.push(*reference);
            return true;
        }
    }
    false
}

/// Assembles observations.
pub(crate) fn drafts(world: &World<'_>, all: Vec<Evidence>, canonical: &[AccountId]) -> Vec<Draft> {
    let prepared = prepare(world, all, canonical);
    let mut by_dst: BTreeMap<HostId, Vec<Evidence>> = BTreeMap::new();
    let mut sightings: HashMap<HostId, Vec<Evidence>> = HashMap::new();
    for one in prepared {
        if one.class == Class::Sighting {
            sightings.entry(one.dst).or_default().push(one);
            continue;
        }
        by_dst.entry(one.dst).or_default().push(one);
    }
    let mut finished = Vec::new();
    for (_, observations) in by_dst {
        let mut hops: Vec<Draft> = Vec::new();
        let mut supports = Vec::new();
        let mut acts = Vec::new();
        for one in observations {
            if one.act == Act::None {
                supports.push(one)
            } else {
                acts.push(one)
            }
        }
        // Observations with a source and certainty decide first, then the rest joins.
        acts.sort_by_key(|one| {
            (
                one.family.rank(),
                !matches!(one.src, Place::Host(_)),
                one.act != Act::Strong,
                one.time,
            )
        });
        // Hops by family, so that a busy server costs no more than its own families.
        let mut recent: HashMap<Family, Vec<usize>> = HashMap::new();
        for one in acts {
            let serving = one.family.rank() > 0;
            let best = |families: bool, recent: &HashMap<Family, Vec<usize>>, hops: &[Draft]| {
                let lists: Vec<&Vec<usize>> = if families {
                    recent.values().collect()
                } else {
                    recent.get(&one.family).into_iter().collect()
                };
                lists
                    .into_iter()
                    .flat_map(|list| list.iter().rev().take(256))
                    .filter_map(|at| Some((hops.get(*at)?.fit(&one, families)?, *at)))
                    .min()
            };
            let found = best(false, &recent, &hops).or_else(|| {
                if serving {
                    best(true, &recent, &hops)
                } else {
                    None
                }
            });
            match found {
                Some((_, at)) => {
                    if let Some(hop) = hops.get_mut(at) {
                        hop.take(one);
                    }
                }
                None => {
                    recent.entry(one.family).or_default().push(hops.len());
                    hops.push(Draft::new(one));
                }
            }
        }
        hops.sort_by_key(|hop| (hop.first, hop.family));
        support(&mut hops, supports);
        tickets(world, &mut hops, canonical);
        roles(world, &mut hops, canonical);
        for hop in &mut hops {
            witness_connections(world, hop, canonical);
        }
        finished.extend(same_act(name_addresses(world, hops)));
    }
    for hop in &mut finished {
        name_account(hop, &sightings);
        name_actor(world, hop, canonical);
    }
    finished.sort_by(|a, b| {
        let key = |hop: &Draft| (hop.first, hop.last, hop.dst, hop.src, hop.family, hop.used);
        key(a).cmp(&key(b))
    });
    finished
}

/// Sets each hop's confidence once all its evidence is known.
pub(crate) fn weigh(world: &World<'_>, hops: &mut [Draft]) {
    for hop in hops {
        hop.confidence = agreement::confidence(world, hop);
    }
}

/// Adds supporting evidence to hops.
fn support(hops: &mut [Draft], supports: Vec<Evidence>) {
    for one in supports {
        let from = hops.partition_point(|hop| hop.first < one.time - 24 * 3600 * SECOND);
        let to = hops.partition_point(|hop| hop.first <= one.time + LOOSE_GAP);
        for hop in hops.get_mut(from..to).unwrap_or_default() {
            if hop.family.serves(one.family)
                && hop.agrees(&one)
                && hop.distance(one.time) <= LOOSE_GAP
            {
                let strict =
                    hop.src.is_some() || one.src == Place::Unknown || one.family == hop.family;
                if strict {
                    hop.take(one.clone());
                }
            }
        }
    }
}

/// Adds to the hops to a host the tickets for it that a domain controller issued at about that time.
fn tickets(world: &World<'_>, hops: &mut [Draft], canonical: &[AccountId]) {
    /// More of them add no information.
    const MOST: usize = 8;
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    for hop in hops {
        let Some(given) = world.tickets.get(&hop.dst) else {
            continue;
        };
        let start = given.partition_point(|one| one.time < hop.first - LOOSE_GAP);
        let found: Vec<Evidence> = given
            .get(start..)
            .unwrap_or_default()
            .iter()
            .take_while(|one| one.time <= hop.last + LOOSE_GAP)
            .filter_map(|one| {
                let used = one.used.map(standing);
                let mut evidence = Evidence::new(
                    Kind::DomainController,
                    Family::Any,
                    Act::None,
                    hop.dst,
                    one.time,
                    one.reference,
                    Sentence::from("ticket for ")
                        .host(world, hop.dst)
                        .text(" issued to ")
                        .account(world, used, "?"),
                )
                .from(one.src)
                .weighs(Class::Ticket, 0.1);
                evidence.used = used;
                // A hop without a known source does not match just any ticket.
                let known = hop.src.is_some() || one.src == Place::Unknown;
                (known && hop.agrees(&evidence)).then_some(evidence)
            })
            .take(MOST)
            .collect();
        for one in found {
            hop.take(one);
        }
    }
}

/// Adds to hops that the role of the destination that serves them was used on that day by their account from their
/// source, unless it is all the time.
fn roles(world: &World<'_>, hops: &mut [Draft], canonical: &[AccountId]) {
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    for hop in hops {
        // Who acted uses the server under his own name, unless something says otherwise.
        let (Some(src), Some(used)) = (hop.src, hop.used.or(hop.actor)) else {
            continue;
        };
        let uses = world.roles.between(src, hop.dst);
        let own = || {
            uses.iter()
                .filter(|one| standing(one.used) == used && hop.family.serves(one.family))
        };
        let today = own().find(|one| !one.exact && day(one.time) == day(hop.first));
        let Some(one) = today.filter(|_| !roles::is_often(&roles::days(own()), hop.first)) else {
            continue;
        };
        let mut evidence = Evidence::new(
            Kind::DestinationLogon,
            one.family,
            Act::None,
            hop.dst,
            // The day has no hour.
            hop.first,
            one.reference,
            Sentence::from(format!("the role {} was used on that day by ", one.role()).as_str())
                .account(world, Some(used), "?")
                .text(" from ")
                .host(world, src),
        )
        .from(Place::Host(src))
        .weighs(Class::Role, 0.1);
        evidence.used = Some(used);
        hop.take(evidence);
    }
}

/// Joins what a client meant to do with what came from an address that is nobody's, such as that of a router which
/// translates addresses: the same account did the same, within a minute, and the client's act arrived from nowhere else.
/// With two that fit, nobody can say.
fn name_addresses(world: &World<'_>, all: Vec<Draft>) -> Vec<Draft> {
    let is_address = |src: Option<HostId>| {
        src.and_then(|src| world.hosts.get(src))
            .is_some_and(|host| !host.logged && host.names.is_empty())
    };
    let (mut came, mut named): (Vec<Draft>, Vec<Draft>) =
        all.into_iter().partition(|hop| is_address(hop.src));
    let arrived = |hop: &Draft| {
        hop.evidence.iter().any(|one| {
            matches!(
                one.kind,
                Kind::DestinationLogon | Kind::DestinationExecution
            )
        })
    };
    // One of the hosts behind the address: its name comes from itself or from the client's claim.
    let is_behind = |meant: &Draft, came: &Draft| {
        let ip = came.src.and_then(|src| address(world.hosts.key(src)));
        meant
            .src
            .zip(ip)
            .is_some_and(|(src, ip)| world.hosts.is_behind(src, ip, came.first))
    };
    let fits = |meant: &Draft, came: &Draft| {
        meant.src.is_some()
            && meant.used.is_none_or(|used| came.used == Some(used))
            && (came.family == meant.family || [came.family, meant.family].contains(&Family::Any))
            && (is_behind(meant, came)
                || !arrived(meant) && meant.evidence.iter().any(|one| one.kind == Kind::Source))
            && (meant.first - GAP..=meant.last + LOOSE_GAP).contains(&came.first)
            && came.distance(meant.first).min(came.distance(meant.last)) <= LOOSE_GAP
    };
    // Both are in the order of their beginnings; what came began about when it was meant.
    let only_one = |meant: &Draft| {
        let start = came.partition_point(|one| one.first < meant.first - GAP);
        let near = came.iter().enumerate().skip(start);
        let near = near.take_while(|(_, one)| one.first <= meant.last + LOOSE_GAP);
        let mut fitting = near.filter(|(_, came)| fits(meant, came));
        let (place, _) = fitting.next()?;
        fitting.next().is_none().then_some(place)
    };
    let is_only_one = |place: usize| {
        let came = came.get(place);
        let fitting = named
            .iter()
            .filter(|meant| came.is_some_and(|came| fits(meant, came)));
        fitting.take(2).count() == 1
    };
    let pairs: Vec<(usize, usize)> = named
        .iter()
        .enumerate()
        .filter_map(|(at, meant)| Some((at, only_one(meant)?)))
        .filter(|(_, place)| is_only_one(*place))
        .collect();
    let mut joined: BTreeSet<usize> = BTreeSet::new();
    for (at, place) in &pairs {
        let (Some(meant), Some(came)) = (named.get_mut(*at), came.get_mut(*place)) else {
            continue;
        };
        let (src, address) = (meant.src, came.src);
        for mut one in std::mem::take(&mut came.evidence) {
            if let (Place::Host(from), Some(src)) = (one.src, src)
                && Some(from) == address
            {
                one.src = Place::Host(src);
            }
            meant.take(one);
        }
        joined.insert(*place);
    }
    let came = came.into_iter().enumerate();
    named.extend(
        came.filter(|(place, _)| !joined.contains(place))
            .map(|(_, hop)| hop),
    );
    named.sort_by_key(|hop| (hop.first, hop.family));
    named
}

/// Merges hops to one host if one lacks the source or account that the other has.
fn same_act(all: Vec<Draft>) -> Vec<Draft> {
    let mut kept: Vec<Draft> = Vec::with_capacity(all.len());
    let (known, unknown): (Vec<Draft>, Vec<Draft>) =
        all.into_iter().partition(|hop| hop.src.is_some());
    kept.extend(known);
    for hop in unknown {
        // What a client runs in its session uses services of the machine itself, which then serve that session, too.
        let served = hop
            .evidence
            .iter()
            .all(|one| one.act == Act::None || one.class == Class::Served);
        let same_session = |other: &Draft| served && !other.sessions.is_disjoint(&hop.sessions);
        let twin = kept
            .iter_mut()
            .filter(|other| other.family.serves(hop.family) || same_session(other))
            .filter(|other| other.used.is_none() || hop.used.is_none() || other.used == hop.used)
            .find(|other| other.distance(hop.first).min(other.distance(hop.last)) <= LOOSE_GAP);
        match twin {
            Some(other) => {
                let way = other.family;
                for mut one in hop.evidence {
                    if !way.serves(one.family) {
                        one.act = Act::None;
                        one.techniques.clear();
                    }
                    other.take(one);
                }
            }
            None => kept.push(hop),
        }
    }
    kept
}

/// If nothing says who moved, but only one account was seen at either end within the hour.
fn name_account(hop: &mut Draft, sightings: &HashMap<HostId, Vec<Evidence>>) {
    const HOUR: i64 = 3600 * SECOND;
    if hop.used.is_some() || !hop.evidence.iter().all(|one| one.kind == Kind::Network) {
        return;
    }
    let near: Vec<&Evidence> = [Some(hop.dst), hop.src]
        .into_iter()
        .flatten()
        .filter_map(|host| sightings.get(&host))
        .flatten()
        .filter(|one| hop.distance(one.time) <= HOUR)
        .collect();
    let accounts: BTreeSet<AccountId> = near.iter().filter_map(|one| one.used).collect();
    if accounts.len() == 1
        && let Some(one) = near
            .iter()
            .min_by_key(|one| (hop.distance(one.time), one.time))
    {
        hop.take((*one).clone());
    }
}

/// If nothing says who acted: the only person who ran anything on the source around that time.
fn name_actor(world: &World<'_>, hop: &mut Draft, canonical: &[AccountId]) {
    const BEFORE: i64 = 600 * SECOND;
    const AFTER: i64 = 60 * SECOND;
    let (Some(src), None, None) = (hop.src, hop.used, hop.actor) else {
        return;
    };
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    let mut people: BTreeMap<AccountId, usize> = BTreeMap::new();
    for (at, process) in world.processes_between(src, hop.first - BEFORE, hop.last + AFTER) {
        if let Some(user) = process
            .user
            .map(standing)
            .filter(|id| world.accounts.is_user(*id))
        {
            people.insert(user, at);
        }
    }
    if let (1, Some((user, at))) = (people.len(), people.into_iter().next())
        && let Some(process) = world.processes.get(at)
    {
        let what = "the only person who ran anything on the source around that time".to_owned();
        let mut evidence = Evidence::new(
            Kind::Source,
            hop.family,
            Act::None,
            hop.dst,
            process.time,
            process.reference,
            what,
        )
        .actor(Some(user))
        .weighs(Class::Sighting, 0.05);
        evidence.src = Place::Host(src);
        hop.take(evidence);
    }
}

/// Finds the logon, the connection at both ends, and the program at the source.
fn witness_connections(world: &World<'_>, hop: &mut Draft, canonical: &[AccountId]) {
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    // Logons of the same client and account at about that time.
    if let Some(src) = hop.src {
        let found: Vec<SessionKey> = world
            .sessions_between(hop.dst, hop.first - 30 * SECOND, hop.last + 5 * SECOND)
            .filter(|(_, session)| {
                session.is_remote()
                    && (session.kind == AccountKind::User
                        || hop.used.is_some() && session.account.map(standing) == hop.used)
                    && session.from().is_none_or(|from| from == src)
                    && (session.from().is_some() || hop.family == Family::WinRm)
                    && match (hop.used, session.account.map(standing)) {
                        (Some(own), Some(other)) => own == other,
                        _ => true,
                    }
            })
            .map(|(_, session)| session.key())
            .take(16)
            .collect();
        hop.sessions.extend(found);
    }
    let sessions: Vec<SessionKey> = hop.sessions.iter().copied().take(32).collect();
    let mut added = Vec::new();
    for key in sessions {
        let Some(session) = world.session_of(&key) else {
            continue;
        };
        if hop.used.is_none() {
            hop.used = session.account.map(standing);
        }
        let mut what = format!(
            "logon type {} by {}",
            session.logon_type,
            session.package.name()
        );
        if session.elevated {
            what.push_str(" with administrative rights");
        }
        let mut logon = Evidence::new(
            Kind::DestinationLogon,
            hop.family,
            Act::None,
            hop.dst,
            session.time,
            session.reference,
            what,
        )
        .from(session.source)
        .weighs(
            Class::Logon,
            if session.from().is_some() { 0.35 } else { 0.2 },
        );
        logon.used = session.account.map(standing);
        added.push(logon);
        let Some(ip) = session.ip else { continue };
        for (_, one) in world.connections_from(ip, session.port, session.time, 120 * SECOND) {
            if one.dst != Place::Host(hop.dst) || one.src == one.dst {
                continue;
            }
            added.push(connection_witness(world, hop, one, true));
        }
    }
    // Without a port, only time and the service's port join: at most one connection per end counts.
    if let Some(src) = hop.src
        && !added.iter().any(|one| one.class == Class::Tuple)
    {
        let near: Vec<usize> = world
            .inbound_between(hop.dst, hop.first - 30 * SECOND, hop.first + 5 * SECOND)
            .filter(|(_, one)| {
                one.src == Place::Host(src) && hop.family.ports().contains(&one.dst_port)
            })
            .map(|(at, _)| at)
            .take(4)
            .collect();
        for at in near {
            if let Some(one) = world.connections.get(at) {
                added.push(connection_witness(world, hop, one, false));
            }
        }
    }
    for one in added {
        hop.take(one);
    }
}

fn connection_witness(
    world: &World<'_>,
    hop: &Draft,
    one: &crabwalk_activity::Connection<'_>,
    exact: bool,
) -> Evidence {
    let image = base_name(one.image);
    let outbound = one.observer.is_some() && !one.inbound;
    let what = match (one.observer, one.inbound) {
        (None, _) => format!("connection to port {}", one.dst_port),
        (_, true) => format!("{image} accepted the connection on port {}", one.dst_port),
        (_, false) => format!("{image} connected to port {}", one.dst_port),
    };
    let (class, weight) = match (exact, outbound) {
        (true, true) => (Class::Tuple, 0.45),
        (true, false) => (Class::Connection, 0.15),
        _ => (Class::Connection, 0.1),
    };
    let mut evidence = Evidence::new(
        if outbound {
            Kind::Source
        } else {
            Kind::Network
        },
        hop.family,
        Act::None,
        hop.dst,
        one.time,
        one.reference,
        what,
    )
    .from(one.src)
    .weighs(class, weight);
    if outbound {
        // Windows' own processes connect on behalf of others; any other program running as SYSTEM acts as SYSTEM.
        let serves = matches!(
            image.to_ascii_lowercase().as_str(),
            "" | "system" | "svchost.exe" | "lsass.exe" | "services.exe" | "wmiprvse.exe"
        );
        evidence.actor = one.user.filter(|id| world.accounts.is_user(*id) || !serves);
        evidence.source_process = world.process_key(world.process_of_guid(one.process_guid));
        evidence.source_program = program(one.image);
    }
    evidence
}

/// What was seen, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Witness {
    /// From where.
    pub kind: Kind,
    /// What was seen.
    pub what: Sentence,
    /// Microseconds since 1970-01-01 UTC.
    pub time: i64,
    /// References of the events ([`crabwalk_events::Catalog::resolve`]).
    pub events: Vec<u64>,
}

/// The witnesses of a hop, by kind and time, without repetitions.
pub(crate) fn witnesses(hop: &Draft) -> Vec<Witness> {
    let mut all: BTreeMap<(Kind, &Sentence), Witness> = BTreeMap::new();
    let mut evidence: Vec<&Evidence> = hop.evidence.iter().collect();
    evidence.sort_by(|a, b| {
        (a.time, a.kind, &a.what, &a.refs).cmp(&(b.time, b.kind, &b.what, &b.refs))
    });
    for one in evidence {
        let witness = all.entry((one.kind, &one.what)).or_insert_with(|| Witness {
            kind: one.kind,
            what: one.what.clone(),
            time: one.time,
            events: Vec::new(),
        });
        for reference in &one.refs {
            if witness.events.len() < MOST_EVENTS && !witness.events.contains(reference) {
                witness.events.push(*reference);
            }
        }
    }
    let mut all: Vec<Witness> = all.into_values().collect();
    all.sort_by(|a, b| (a.kind, a.time, &a.what).cmp(&(b.kind, b.time, &b.what)));
    let mut counts: HashMap<Kind, usize> = HashMap::new();
    all.retain(|one| {
        let count = counts.entry(one.kind).or_default();
        *count += 1;
        *count <= MOST_WITNESSES
    });
    all
}

/// Techniques of a hop, those of the most certain acts first.
pub(crate) fn techniques(hop: &Draft) -> Vec<&'static str> {
    let mut evidence: Vec<&Evidence> = hop
        .evidence
        .iter()
        .filter(|one| !one.techniques.is_empty())
        .collect();
    evidence.sort_by(|a, b| {
        (b.act, a.family.rank(), a.time, &a.techniques).cmp(&(
            a.act,
            b.family.rank(),
            b.time,
            &b.techniques,
        ))
    });
    // Evidence that does not reveal the way names the likeliest, unless something else names the actual one.
    let told = evidence
        .iter()
        .any(|one| one.family != Family::Any && one.act != Act::None);
    let mut all: Vec<&'static str> = Vec::new();
    for one in evidence {
        if told && one.family == Family::Any && one.act != Act::None {
            continue;
        }
        for id in &one.techniques {
            if !all.contains(id) {
                all.push(id);
            }
        }
    }
    all
}
