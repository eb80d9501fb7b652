//! The origin of a hop's credentials: sessions opened with other credentials (pass the hash), tickets requested with a
//! hash or used elsewhere (overpass the hash, pass the ticket), service tickets that can be cracked (Kerberoasting),
//! directory replication. Also domain controllers' validations that belong to a hop by account and time alone.
//!
//! Such events happen minutes to days before the hop and do not name its destination, so they join finished hops.

use std::collections::{BTreeMap, BTreeSet};

use crabwalk_activity::{
    AccountId, AccountKind, HostId, Package, Place, Row, SECOND, base_name, facts, for_each,
    is_certificate, is_service_logon, kind_of,
};
use hashbrown::HashMap;

use crate::assemble::Draft;
use crate::evidence::{Act, Class, Evidence, Family, Kind};
use crate::history::{Days, HABIT, day};
use crate::signs::controllers;
use crate::words::Sentence;
use crate::world::World;

const HOUR: i64 = 3600 * SECOND;
/// An account that requests a service's tickets more often than this uses the service.
const RARELY: usize = 3;
/// Default lifetime of a ticket (Microsoft, "Maximum lifetime for user ticket").
const TICKET: i64 = 10 * HOUR;
/// How long a cracked password or a copied hash may be of use.
const KEPT: i64 = 30 * 24 * HOUR;
/// RC4 with HMAC (RFC 4757), as events render it.
const RC4: &str = "0x17";
/// Ciphers of AES (RFC 3962).
const AES: [&str; 2] = ["0x11", "0x12"];

/// A domain controller's ticket or validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Given {
    time: i64,
    client: Option<HostId>,
    rc4: bool,
    /// Requested with a certificate or a public key instead of a password.
    by_certificate: bool,
    /// The machine whose service it is for; `None` for other accounts' services, and for ticket-granting tickets.
    server: Option<HostId>,
    reference: u64,
}

/// A crackable ticket for a service account's service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Roast {
    time: i64,
    by: Option<AccountId>,
    client: Option<HostId>,
    reference: u64,
}

/// A change in the directory that lets somebody impersonate another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Prepared {
    time: i64,
    /// Whether the right to act for others was granted; otherwise a key was added.
    delegation: bool,
    /// Name of the object, in lower case.
    object: String,
    by: Option<AccountId>,
    reference: u64,
}

/// An NTLM validation: time, writer, claimed workstation, reference.
type Validated<'a> = (i64, HostId, &'a str, u64);

#[derive(Default)]
struct Origins<'a> {
    /// Ticket-granting tickets, issued (4768) and renewed (4770), by account.
    granting: HashMap<AccountId, Vec<Given>>,
    /// Tickets for machines' services (4769), by account.
    service: HashMap<AccountId, Vec<Given>>,
    /// Tickets for other accounts' services, by account.
    others: HashMap<AccountId, Vec<Given>>,
    /// Domains of accounts that got ticket-granting tickets: those whose controllers' logs were read.
    domains: BTreeSet<String>,
    /// Keys added to accounts or machines, and rights to act for others at machines (5136).
    prepared: Vec<Prepared>,
    /// NTLM validations (4776), by account.
    validated: HashMap<AccountId, Vec<Validated<'a>>>,
    /// Those by controllers for clients without a name, in order of time; and the days of each account's.
    nameless: Vec<(i64, AccountId)>,
    nameless_days: HashMap<AccountId, Days>,
    /// By name of the service account, in lower case.
    roasts: BTreeMap<String, Vec<Roast>>,
    /// Spans of the domain controllers' Security logs.
    controllers: Vec<(i64, i64)>,
    /// A host without logs answers Kerberos, too: it may have issued what these logs lack.
    partly: bool,
    /// Whether accounts in this data get AES tickets, which makes RC4 unusual.
    aes: bool,
    /// Connections to a KDC by programs other than the system's own, by host.
    clients: HashMap<HostId, Vec<usize>>,
}

fn is_success(status: &str) -> bool {
    matches!(status, "0x0" | "0" | "")
}

impl<'a> Origins<'a> {
    fn read(world: &mut World<'a>, standing: &dyn Fn(AccountId) -> AccountId) -> Self {
        let mut all = Self::default();
        all.read_tickets(world, standing);
        all.read_validations(world, standing);
        all.read_changes(world, standing);
        all.sort();
        all.read_spans(world);
        all.read_requesters(world);
        all
    }

    /// Ticket-granting tickets and service tickets of users, as the domain controllers issued them.
    fn read_tickets(&mut self, world: &mut World<'a>, standing: &dyn Fn(AccountId) -> AccountId) {
        let catalog = world.catalog;
        let nobody = HostId(u32::MAX);
        for_each(catalog, facts::Ticket, |row| {
            let name = row.target_user_name();
            let sam = name.split('@').next().unwrap_or(name);
            if !is_success(row.status()) || kind_of(sam, "") != AccountKind::User {
                return;
            }
            let cipher = row.ticket_encryption_type();
            self.aes |= AES.contains(&cipher);
            let writer = world.hosts.writer(row.host);
            let client = match world.hosts.place(row.ip_address(), nobody, row.time) {
                Place::Host(host) => Some(host),
                Place::Local => Some(writer),
                Place::Unknown => None,
            };
            let Some(account) =
                world
                    .accounts
                    .get(row.target_sid(), row.target_domain_name(), name)
            else {
                return;
            };
            let account = standing(account);
            let given = Given {
                time: row.time,
                client,
                rc4: cipher == RC4,
                by_certificate: row.event_id == 4768 && is_certificate(row.pre_auth_type()),
                server: None,
                reference: row.reference,
            };
            if row.event_id == 4769 {
                self.add_service(world, row, account, given);
            } else {
                self.add_granting(world, account, given);
            }
        });
    }

    fn add_granting(&mut self, world: &World<'_>, account: AccountId, given: Given) {
        let domain = world.accounts.info(account);
        let domain = domain.and_then(|own| own.key.split_once('\\'));
        if let Some((domain, _)) = domain {
            self.domains.insert(domain.to_owned());
        }
        self.granting.entry(account).or_default().push(given);
    }

    fn add_service(
        &mut self,
        world: &mut World<'a>,
        row: &Row<'a, '_, facts::Ticket>,
        account: AccountId,
        mut given: Given,
    ) {
        let writer = world.hosts.writer(row.host);
        // With delegation, the acting account gets others' tickets without their ticket-granting tickets.
        if row.transmitted_services().is_some() {
            return;
        }
        let service = row.service_name();
        if service.ends_with('$') {
            given.server = match world.hosts.place(service, writer, row.time) {
                Place::Host(host) => Some(host),
                Place::Local => Some(writer),
                Place::Unknown => None,
            };
            self.service.entry(account).or_default().push(given);
            return;
        }
        if !service.to_lowercase().starts_with("krbtgt") {
            self.others.entry(account).or_default().push(given);
        }
        if given.rc4 && !service.eq_ignore_ascii_case("krbtgt") {
            let service = service.split('@').next().unwrap_or(service);
            self.roasts
                .entry(service.to_lowercase())
                .or_default()
                .push(Roast {
                    time: row.time,
                    by: Some(account),
                    client: given.client,
                    reference: row.reference,
                });
        }
    }

    /// NTLM logons that domain controllers validated.
    fn read_validations(
        &mut self,
        world: &mut World<'a>,
        standing: &dyn Fn(AccountId) -> AccountId,
    ) {
        let catalog = world.catalog;
        for_each(catalog, facts::NtlmValidation, |row| {
            let name = row.target_user_name();
            if is_success(row.status()) && kind_of(name, "") == AccountKind::User {
                let writer = world.hosts.writer(row.host);
                let Some(account) = world.account_at(writer, name) else {
                    return;
                };
                let account = standing(account);
                let one = (row.time, writer, row.workstation(), row.reference);
                if is_nameless(one.2) && by_controller(world, &one) {
                    self.nameless.push((row.time, account));
                    let days = self.nameless_days.entry(account).or_default();
                    days.add(day(row.time));
                }
                self.validated.entry(account).or_default().push(one);
            }
        });
    }

    /// Changes in the directory that let somebody impersonate another.
    fn read_changes(&mut self, world: &mut World<'a>, standing: &dyn Fn(AccountId) -> AccountId) {
        let catalog = world.catalog;
        for_each(catalog, facts::DirectoryChange, |row| {
            let attribute = row.attribute().to_lowercase();
            let delegation = match attribute.as_str() {
                "msds-keycredentiallink" => false,
                "msds-allowedtoactonbehalfofotheridentity" => true,
                _ => return,
            };
            // %%14674 is an added value (Microsoft, event 5136).
            if !matches!(row.operation_type(), "%%14674" | "Value Added") {
                return;
            }
            let name = row.object_dn().split(',').next().unwrap_or_default();
            let name = name.split_once('=').map_or(name, |(_, name)| name);
            let by = world.accounts.get(
                row.subject_user_sid(),
                row.subject_domain_name(),
                row.subject_user_name(),
            );
            self.prepared.push(Prepared {
                time: row.time,
                delegation,
                object: name.to_lowercase(),
                by: by.map(standing),
                reference: row.reference,
            });
        });
    }

    /// By time; of crackable tickets, only those of accounts that rarely ask for the service.
    fn sort(&mut self) {
        self.nameless.sort_unstable();
        self.prepared.sort_by_key(|one| (one.time, one.reference));
        let lists = self.granting.values_mut().chain(self.service.values_mut());
        for given in lists.chain(self.others.values_mut()) {
            given.sort_unstable();
        }
        for given in self.validated.values_mut() {
            given.sort_unstable();
        }
        for roasts in self.roasts.values_mut() {
            let mut asked: HashMap<Option<AccountId>, usize> = HashMap::new();
            for one in roasts.iter() {
                *asked.entry(one.by).or_default() += 1;
            }
            roasts.retain(|one| asked.get(&one.by).is_some_and(|count| *count <= RARELY));
            roasts.sort_unstable();
        }
    }

    /// Spans of the domain controllers' logs.
    fn read_spans(&mut self, world: &World<'_>) {
        let catalog = world.catalog;
        for covered in catalog.catalog.coverage() {
            if covered.channel.eq_ignore_ascii_case("security")
                && let Some(host) = world.hosts.known(&covered.host)
                && world
                    .hosts
                    .get(host)
                    .is_some_and(|host| host.domain_controller)
            {
                self.controllers.push((
                    catalog.common(&covered.host, covered.first),
                    catalog.common(&covered.host, covered.last),
                ));
            }
        }
    }

    /// Who answers Kerberos, and which programs ask.
    fn read_requesters(&mut self, world: &mut World<'_>) {
        let answers = controllers(world);
        self.partly = answers
            .into_iter()
            .chain(world.connections.iter().filter_map(|one| match one.dst {
                Place::Host(host) if one.dst_port == 88 => Some(host),
                _ => None,
            }))
            .any(|host| !world.hosts.get(host).is_some_and(|host| host.logged));
        for (at, one) in world.connections.iter().enumerate() {
            let image = base_name(one.image).to_lowercase();
            if one.dst_port == 88
                && !one.inbound
                && one.src != one.dst
                && let Some(host) = one.observer
                // Windows requests tickets in lsass; an unnamed program proves nothing.
                && !matches!(image.as_str(), "" | "-" | "lsass.exe" | "system" | "<unknown process>")
            {
                self.clients.entry(host).or_default().push(at);
            }
        }
    }

    /// Whether the logs of all known controllers reach back a ticket's lifetime before a time, without a gap at their
    /// ends.
    fn covered(&self, time: i64) -> bool {
        !self.controllers.is_empty()
            && !self.partly
            && self
                .controllers
                .iter()
                .all(|(first, last)| *first <= time - TICKET && *last >= time)
    }
}

impl Origins<'_> {
    /// Whether the account is in a domain whose controllers' logs were read.
    fn is_of_read_domain(&self, world: &World<'_>, account: AccountId) -> bool {
        let key = world.accounts.info(account).map(|one| one.key.as_str());
        key.and_then(|key| key.split_once('\\'))
            .is_some_and(|(domain, _)| self.domains.contains(domain))
    }
}

/// An observation about a finished hop.
fn about(
    hop: &Draft,
    kind: Kind,
    time: i64,
    reference: u64,
    what: impl Into<Sentence>,
) -> Evidence {
    let mut evidence = Evidence::new(kind, Family::Any, Act::None, hop.dst, time, reference, what);
    evidence.used = hop.used;
    evidence
}

/// For people: `3 minutes`, `2 hours`, `5 days`.
fn span(microseconds: i64) -> String {
    let seconds = microseconds.abs() / SECOND;
    let (count, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7199 => (seconds / 60, "minute"),
        7200..=172_799 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Adds the origin of their credentials to finished hops.
pub(crate) fn credentials(world: &mut World<'_>, hops: &mut [Draft], canonical: &[AccountId]) {
    let standing = |id: AccountId| canonical.get(id.place()).copied().unwrap_or(id);
    let origins = Origins::read(world, &standing);
    // Sessions opened with other credentials, by host.
    let mut switched: HashMap<HostId, Vec<usize>> = HashMap::new();
    for (at, session) in world.sessions.iter().enumerate() {
        if session.logon_type == 9 && session.by_seclogo {
            switched.entry(session.host).or_default().push(at);
        }
    }
    // Directory replications: time, who, from where, reference.
    let replications: Vec<(i64, Option<AccountId>, Option<HostId>, u64)> = hops
        .iter()
        .filter(|hop| hop.family == Family::DirectoryReplication && !hop.attempt)
        .filter_map(|hop| {
            let first = hop.evidence.iter().find(|one| one.act == Act::Strong)?;
            Some((hop.first, hop.used, hop.src, *first.refs.first()?))
        })
        .collect();
    for hop in hops {
        if hop.used.is_none() {
            hop.used = nameless(world, &origins, hop, &standing);
            hop.given = hop.used.is_some();
            hop.used = hop
                .used
                .or_else(|| presumed(world, &origins, hop, &standing));
        }
        let mut found = Vec::new();
        validations(world, &origins, hop, &mut found);
        if let Some(used) = hop.used
            && world.accounts.is_user(used)
            && !hop.attempt
        {
            delegated(world, &origins, hop, &mut found);
            silver(world, &origins, hop, used, &standing, &mut found);
            relayed(world, hop, &mut found);
            if let Some(src) = hop.src {
                certificate(&origins, world, hop, src, used, &mut found);
                other_credentials(world, &switched, hop, src, used, &standing, &mut found);
                tickets(world, &origins, hop, src, used, &mut found);
            }
            roasted(world, &origins, hop, used, &mut found);
            // Of many replications, the last one before.
            if let Some((time, by, _, reference)) = replications
                .iter()
                .rev()
                .find(|(time, by, from, _)| {
                    *time < hop.first
                        && hop.first - time <= KEPT
                        && *by != hop.used
                        && (*from == hop.src || *by == hop.actor)
                        && hop.family != Family::DirectoryReplication
                })
                .copied()
            {
                let who = by
                    .and_then(|id| world.accounts.info(id))
                    .map_or("somebody", |account| account.key.as_str());
                found.push(
                    about(
                        hop,
                        Kind::DomainController,
                        time,
                        reference,
                        format!(
                            "{who} had replicated the directory's secrets {} before",
                            span(hop.first - time)
                        ),
                    )
                    .weighs(Class::Replicated, 0.0),
                );
            }
        }
        for one in found {
            hop.take(one);
        }
    }
}

/// The account of a hop that nobody logged at the destination: the one that the source's session was given for the network
/// (logon type 9), or the only one that a controller validated for the source just then, or else the acting account,
/// because no other was given.
fn presumed(
    world: &World<'_>,
    origins: &Origins<'_>,
    hop: &Draft,
    standing: &dyn Fn(AccountId) -> AccountId,
) -> Option<AccountId> {
    let acting = hop.actor.filter(|id| world.accounts.is_user(*id));
    let Some(src) = hop.src else { return acting };
    let given = own_logons(world, hop)
        .into_iter()
        .filter_map(|logon| world.sessions.get(world.session(src, logon, hop.first)?))
        .find(|session| session.logon_type == 9);
    if let Some(session) = given {
        return session.outbound.map(standing);
    }
    let times = meant(world, hop);
    if times.is_empty() {
        return acting;
    }
    let validated = |given: &Vec<Validated<'_>>| {
        times.iter().any(|time| {
            let start = given.partition_point(|one| one.0 < time - AT_ONCE);
            let near = given.get(start..).unwrap_or_default().iter();
            near.take_while(|one| one.0 <= time + STARTS)
                .any(|one| by_controller(world, one) && world.hosts.is_account_of(one.2, src))
        })
    };
    let mut accounts = origins
        .validated
        .iter()
        .filter(|(_, given)| validated(given))
        .map(|(id, _)| *id);
    match (accounts.next(), accounts.next()) {
        (Some(only), None) => Some(only),
        _ => acting,
    }
}

/// The account that a controller validated for a client without a name just before the act at a destination that does not
/// log logons. Windows' own clients send their name; tools that speak NTLM themselves send none. `None` unless there is
/// only one such account, and neither a logon elsewhere nor its other days explain it.
fn nameless(
    world: &World<'_>,
    origins: &Origins<'_>,
    hop: &Draft,
    standing: &dyn Fn(AccountId) -> AccountId,
) -> Option<AccountId> {
    let acts = acted(world, hop);
    if acts.is_empty() {
        return None;
    }
    let logged_elsewhere = |id: AccountId, time: i64| {
        let all = world.sessions.as_slice();
        let start = all.partition_point(|one| one.time < time - AT_ONCE);
        let near = all.get(start..).unwrap_or_default().iter();
        near.take_while(|one| one.time <= time + AT_ONCE)
            .any(|one| {
                one.host != hop.dst
                    && one.package == Package::Ntlm
                    && one.account.map(standing) == Some(id)
            })
    };
    let near = acts.iter().flat_map(|act| {
        let (from, to) = (act - AT_ONCE, act + JUST_AFTER);
        let start = origins.nameless.partition_point(|one| one.0 < from);
        let after = origins.nameless.get(start..).unwrap_or_default().iter();
        after.take_while(move |one| one.0 <= to)
    });
    let today = day(hop.first);
    let every_day = |id| {
        let days = origins.nameless_days.get(&id);
        days.is_some_and(|days| days.others(today) >= HABIT)
    };
    let fit: BTreeSet<AccountId> = near
        .filter(|(time, id)| !every_day(*id) && !logged_elsewhere(*id, *time))
        .map(|(_, id)| *id)
        .collect();
    fit.first().copied().filter(|_| fit.len() == 1)
}

fn is_nameless(workstation: &str) -> bool {
    matches!(workstation, "" | "-")
}

/// When something was certainly done at a destination that does not log logons.
fn acted(world: &World<'_>, hop: &Draft) -> Vec<i64> {
    if hop.attempt || world.history.logs_logons(hop.dst, hop.first) {
        return Vec::new();
    }
    let own = hop.evidence.iter();
    own.filter(|one| one.kind == Kind::DestinationExecution && one.act == Act::Strong)
        .map(|one| one.time)
        .take(8)
        .collect()
}

fn by_controller(world: &World<'_>, one: &Validated<'_>) -> bool {
    let writer = world.hosts.get(one.1);
    writer.is_some_and(|host| host.domain_controller)
}

/// LogonIds of the programs that performed a hop on its source.
fn own_logons(world: &World<'_>, hop: &Draft) -> BTreeSet<u64> {
    let programs = hop.source_processes.iter();
    let of_programs = programs.filter_map(|key| Some(world.process_of(key)?.logon_id));
    let all = hop.source_logons.iter().copied().chain(of_programs);
    all.filter(|id| !is_service_logon(*id)).collect()
}

/// When the source says that it goes to a destination that does not log logons. A connection is not enough: it says neither
/// host nor account, and a scanner makes one a second.
fn meant(world: &World<'_>, hop: &Draft) -> Vec<i64> {
    if world.history.logs_logons(hop.dst, hop.first) {
        return Vec::new();
    }
    let own = hop.evidence.iter();
    own.filter(|one| matches!(one.class, Class::ExplicitCredentials | Class::Client))
        .map(|one| one.time)
        .take(8)
        .collect()
}

/// A validation belongs to a logon within this time, µs.
const AT_ONCE: i64 = 2 * SECOND;
/// A client logs on before it acts; clocks and logs may be off by this, µs.
const JUST_AFTER: i64 = SECOND / 2;
/// A client takes this long to start and connect, µs.
const STARTS: i64 = 5 * SECOND;

/// NTLM validations of the account at exactly that time (techniques §1.8): by a domain controller, or by the
/// destination for its own accounts. They name no destination.
fn validations(world: &World<'_>, origins: &Origins<'_>, hop: &Draft, found: &mut Vec<Evidence>) {
    let Some(given) = hop.used.and_then(|used| origins.validated.get(&used)) else {
        return;
    };
    let logged: Vec<i64> = hop
        .sessions
        .iter()
        .filter_map(|key| world.session_of(key))
        .filter(|session| session.package == Package::Ntlm)
        .map(|session| session.time)
        .take(8)
        .collect();
    // Where the destination does not log logons, the client calls itself by the source's name.
    let meant = meant(world, hop);
    let acts = acted(world, hop);
    // Clients that speak NTLM themselves leave the name out.
    let claims = |workstation: &str| {
        is_nameless(workstation)
            || hop
                .src
                .is_some_and(|src| world.hosts.is_account_of(workstation, src))
    };
    let times = logged.iter().map(|time| (*time, false));
    let times = times
        .map(|(time, by_name)| (time, by_name, AT_ONCE))
        .chain(meant.iter().map(|time| (*time, true, STARTS)))
        .chain(acts.iter().map(|time| (*time, true, JUST_AFTER)));
    for (time, by_name, after) in times {
        let start = given.partition_point(|one| one.0 < time - AT_ONCE);
        let near = given
            .get(start..)
            .unwrap_or_default()
            .iter()
            .take_while(|one| one.0 <= time + after)
            .filter(|one| !by_name || claims(one.2))
            .find(|one| one.1 == hop.dst || by_controller(world, one));
        if let Some((time, writer, workstation, reference)) = near {
            found.push(
                about(
                    hop,
                    Kind::DomainController,
                    *time,
                    *reference,
                    Sentence::default().host(world, *writer).text(
                        if workstation.is_empty() || *workstation == "-" {
                            " validated the password hash".to_owned()
                        } else {
                            format!(
                                " validated the password hash for a client calling itself {workstation}"
                            )
                        },
                    ),
                )
                .weighs(Class::Validated, 0.1),
            );
            return;
        }
    }
}

/// Sessions of logon type 9 on the source, whose programs act elsewhere with other credentials: what mimikatz leaves
/// when it passes a hash, and `runas /netonly` with a password.
fn other_credentials(
    world: &World<'_>,
    switched: &HashMap<HostId, Vec<usize>>,
    hop: &Draft,
    src: HostId,
    used: AccountId,
    standing: &dyn Fn(AccountId) -> AccountId,
    found: &mut Vec<Evidence>,
) {
    let logons = own_logons(world, hop);
    let best = switched
        .get(&src)
        .into_iter()
        .flatten()
        .filter_map(|at| world.sessions.get(*at))
        .filter(|one| {
            one.time <= hop.last + SECOND
                && hop.first - one.time <= 24 * HOUR
                && one.end.saturating_add(SECOND) >= hop.first
        })
        .filter(|one| logons.contains(&one.logon_id) || one.outbound.map(standing) == Some(used))
        .max_by_key(|one| (logons.contains(&one.logon_id), one.time, one.logon_id));
    let Some(session) = best else { return };
    let exact = logons.contains(&session.logon_id);
    let by_password = world
        .processes_between(src, session.time - 10 * SECOND, session.time + SECOND)
        .any(|(_, one)| {
            base_name(one.image).eq_ignore_ascii_case("runas.exe")
                && one.command.to_lowercase().contains("netonly")
        });
    let mut evidence = about(
        hop,
        Kind::Source,
        session.time,
        session.reference,
        if by_password {
            "the session had been given other credentials by runas /netonly (logon type 9)".to_owned()
        } else {
            "the session had been given other credentials (logon type 9 by seclogo), as passing a hash does"
                .to_owned()
        },
    )
    .actor(session.account.map(standing))
    .weighs(Class::OtherCredentials, if exact { 0.15 } else { 0.1 });
    if !by_password {
        evidence.techniques.push("T1550.002");
    }
    evidence.source_logon = Some(session.logon_id);
    found.push(evidence);
}

/// The account's Kerberos tickets at the source that were not obtained in the usual way.
fn tickets(
    world: &World<'_>,
    origins: &Origins<'_>,
    hop: &Draft,
    src: HostId,
    used: AccountId,
    found: &mut Vec<Evidence>,
) {
    let before = |one: &&Given| one.time <= hop.last + 2 * SECOND && one.time >= hop.first - TICKET;
    let granting = origins.granting.get(&used).map_or(&[][..], Vec::as_slice);
    let here = granting
        .iter()
        .filter(before)
        .filter(|one| one.client == Some(src))
        .max();
    // An NTLM hash is an RC4 key: requesting RC4 where others use AES means requesting with a hash. Old accounts and
    // hosts have no other keys, and show it every day.
    let today = day(hop.first);
    let other_days: BTreeSet<i64> = granting
        .iter()
        .filter(|one| one.rc4 && one.client == Some(src))
        .map(|one| day(one.time))
        .filter(|day| *day != today)
        .collect();
    if let Some(one) = here.filter(|one| one.rc4 && origins.aes && other_days.len() < HABIT) {
        let mut evidence = about(
            hop,
            Kind::DomainController,
            one.time,
            one.reference,
            format!(
                "the source had requested an RC4 ticket {} before, while others get AES: overpass the hash",
                span(hop.first - one.time)
            ),
        )
        .weighs(Class::TicketOrigin, 0.1);
        evidence.techniques.push("T1550.002");
        found.push(evidence);
    }
    // Used here, granted elsewhere, and nothing granted here during its whole lifetime.
    let service = origins.service.get(&used).map_or(&[][..], Vec::as_slice);
    let asked = service
        .iter()
        .filter(before)
        .filter(|one| one.client == Some(src))
        .max();
    let elsewhere = granting
        .iter()
        .filter(before)
        .filter(|one| one.client.is_some_and(|client| client != src))
        .max();
    // An account that also requests from here on other days, or was granted a ticket here at any other time, belongs
    // here: its ticket was granted, and renewed, without a record.
    let unlogged = service
        .iter()
        .any(|one| one.client == Some(src) && day(one.time) != today)
        || granting.iter().any(|one| one.client == Some(src));
    if let (None, Some(asked), None) = (here, asked, elsewhere)
        && !unlogged
        && origins.covered(asked.time)
        && origins.is_of_read_domain(world, used)
    {
        let mut evidence = about(
            hop,
            Kind::DomainController,
            asked.time,
            asked.reference,
            "the ticket used here was granted to nobody: forged".to_owned(),
        )
        .weighs(Class::TicketOrigin, 0.1);
        evidence.techniques.extend(["T1550.003", "T1558.001"]);
        found.push(evidence);
    }
    if let (None, Some(asked), Some(elsewhere)) = (here, asked, elsewhere)
        && origins.covered(asked.time)
    {
        let mut evidence = about(
            hop,
            Kind::DomainController,
            asked.time,
            asked.reference,
            elsewhere
                .client
                .map_or_else(
                    || Sentence::from("the ticket used here was granted to another host"),
                    |id| Sentence::from("the ticket used here was granted to ").host(world, id),
                )
                .text(": pass the ticket"),
        )
        .weighs(Class::TicketOrigin, 0.1);
        evidence.refs.push(elsewhere.reference);
        evidence.techniques.push("T1550.003");
        found.push(evidence);
    }
    let client = origins
        .clients
        .get(&src)
        .into_iter()
        .flatten()
        .filter_map(|at| world.connections.get(*at))
        .filter(|one| one.time <= hop.last && one.time >= hop.first - TICKET)
        // Of all programs that did, the one whose ticket it would be: its user's or the hop's own.
        .filter(|one| {
            one.user.is_none()
                || hop.actor.is_none()
                || one.user == hop.actor
                || one.user == hop.used
        })
        .max_by_key(|one| (one.time, one.src_port));
    if let Some(one) = client {
        let mut evidence = about(
            hop,
            Kind::Source,
            one.time,
            one.reference,
            format!(
                "{}, not lsass.exe, had requested tickets from a domain controller",
                base_name(one.image)
            ),
        )
        .weighs(Class::TicketClient, 0.1);
        evidence.techniques.push("T1550.003");
        found.push(evidence);
    }
}

/// A ticket requested with a certificate or key, by an account that otherwise has a password, and the key that was
/// added to it before.
fn certificate(
    origins: &Origins<'_>,
    world: &World<'_>,
    hop: &Draft,
    src: HostId,
    used: AccountId,
    found: &mut Vec<Evidence>,
) {
    let granting = origins.granting.get(&used).map_or(&[][..], Vec::as_slice);
    let by_password = granting.iter().any(|one| !one.by_certificate);
    let Some(one) = granting
        .iter()
        .filter(|one| one.by_certificate && one.client == Some(src))
        .rfind(|one| one.time <= hop.last + 2 * SECOND && one.time >= hop.first - TICKET)
    else {
        return;
    };
    let days: BTreeSet<i64> = granting
        .iter()
        .filter(|one| one.by_certificate)
        .map(|one| day(one.time))
        .collect();
    let key = world.accounts.info(used).map_or("", |one| one.key.as_str());
    let sam = key.rsplit('\\').next().unwrap_or(key);
    // User objects may appear under their full names: then the key is the one added just before.
    let added = origins.prepared.iter().rfind(|key| {
        !key.delegation
            && key.time <= one.time
            && (key.object == sam && one.time - key.time <= KEPT || one.time - key.time <= HOUR)
            && key.by != Some(used)
    });
    if (!by_password || days.len() > HABIT) && added.is_none() {
        return;
    }
    let mut evidence = about(
        hop,
        Kind::DomainController,
        one.time,
        one.reference,
        format!(
            "the source had requested a ticket with a certificate {} before{}",
            span(hop.first - one.time),
            if by_password {
                ", while the account has a password"
            } else {
                ""
            }
        ),
    )
    .weighs(Class::TicketOrigin, 0.1);
    evidence.techniques.push("T1649");
    if let Some(key) = added {
        evidence.what.then(
            Sentence::from(", after ")
                .account(world, key.by, "somebody")
                .text(" had added a key to it"),
        );
        evidence.refs.push(key.reference);
        evidence.techniques.push("T1556");
    }
    found.push(evidence);
}

/// Somebody acted for the account by delegation. Services do so every day; an account that does it on few days may have
/// granted itself the right.
fn delegated(world: &World<'_>, origins: &Origins<'_>, hop: &Draft, found: &mut Vec<Evidence>) {
    let sessions = hop.sessions.iter().filter_map(|key| world.session_of(key));
    let Some(session) = sessions.clone().find(|one| one.delegated) else {
        return;
    };
    let days: BTreeSet<i64> = world
        .sessions_of(hop.dst)
        .filter(|(_, one)| one.delegated && one.source == session.source)
        .map(|(_, one)| day(one.time))
        .collect();
    let given = origins.prepared.iter().rfind(|right| {
        right.delegation
            && right.time <= session.time
            && session.time - right.time <= KEPT
            && world.hosts.is_account_of(&right.object, hop.dst)
    });
    let mut evidence = about(
        hop,
        Kind::DestinationLogon,
        session.time,
        session.reference,
        "somebody acted for the account through delegation".to_owned(),
    )
    .weighs(Class::TicketOrigin, 0.1);
    if let Some(right) = given {
        evidence.what.then(
            Sentence::from(", a right that ")
                .account(world, right.by, "somebody")
                .text(format!(
                    " had given {} before",
                    span(session.time - right.time)
                )),
        );
        evidence.refs.push(right.reference);
    }
    if given.is_some() || days.len() <= HABIT {
        evidence.techniques.push("T1550.003");
    }
    found.push(evidence);
}

/// A Kerberos logon for which no controller issued the account a ticket, although they issued tickets to others.
fn silver(
    world: &World<'_>,
    origins: &Origins<'_>,
    hop: &Draft,
    used: AccountId,
    standing: &dyn Fn(AccountId) -> AccountId,
    found: &mut Vec<Evidence>,
) {
    let session = hop
        .sessions
        .iter()
        .filter_map(|key| world.session_of(key))
        .find(|one| {
            one.logon_type == 3
                && one.package == Package::Kerberos
                && one.from().is_some()
                && !one.delegated
                && one.account.map(standing) == Some(used)
        });
    let Some(session) = session else { return };
    // Within a ticket's lifetime before the logon.
    let given = |all: &HashMap<AccountId, Vec<Given>>| -> Vec<Given> {
        let all = all.get(&used).map_or(&[][..], Vec::as_slice);
        let start = all.partition_point(|one| one.time < session.time - TICKET);
        let end = all.partition_point(|one| one.time <= session.time + 2 * SECOND);
        all.get(start..end).unwrap_or_default().to_vec()
    };
    // A cluster, or another name of the machine, has its own account, which writes no log.
    let explains = |one: &Given| {
        one.server.is_none_or(|server| {
            server == hop.dst || !world.hosts.get(server).is_some_and(|host| host.logged)
        })
    };
    // An account that also comes this way on other days has tickets that are not logged.
    let today = day(session.time);
    let every_day = || {
        world.sessions_of(hop.dst).any(|(_, one)| {
            one.package == Package::Kerberos
                && one.source == session.source
                && one.account.map(standing) == Some(used)
                && day(one.time) != today
        })
    };
    let explained =
        given(&origins.service).iter().any(explains) || !given(&origins.others).is_empty();
    if explained
        || origins.service.is_empty()
        || !origins.covered(session.time)
        || !origins.is_of_read_domain(world, used)
        || every_day()
    {
        return;
    }
    let mut evidence = about(
        hop,
        Kind::DestinationLogon,
        session.time,
        session.reference,
        Sentence::from("no controller had issued the account a ticket for ")
            .host(world, hop.dst)
            .text(": forged with the machine's key"),
    )
    .weighs(Class::TicketOrigin, 0.1);
    evidence.techniques.push("T1558.002");
    found.push(evidence);
}

/// An NTLM logon whose client names one known machine but comes from another: a relay passes the victim's words on.
/// Tools lie, too, so this is reported only if something was done.
fn relayed(world: &World<'_>, hop: &Draft, found: &mut Vec<Evidence>) {
    if hop.act < Act::Strong {
        return;
    }
    let mut sessions = hop.sessions.iter().filter_map(|key| world.session_of(key));
    let Some((session, claimed)) = sessions.find_map(|one| {
        let claimed = one.claimed?;
        let src = one.from()?;
        let known = |host: HostId| {
            world.hosts.has_address(host) && world.hosts.get(host).is_some_and(|one| one.logged)
        };
        (one.package == Package::Ntlm && claimed != src && known(claimed) && known(src))
            .then_some((one, claimed))
    }) else {
        return;
    };
    let mut evidence = about(
        hop,
        Kind::DestinationLogon,
        session.time,
        session.reference,
        Sentence::from("the client calls itself ")
            .host(world, claimed)
            .text(", which is elsewhere: relayed or spoofed"),
    )
    .weighs(Class::Identity, 0.1);
    evidence.techniques.push("T1557.001");
    found.push(evidence);
}

/// RC4 service tickets for the account used now, requested by another: its password may have been cracked.
fn roasted(
    world: &World<'_>,
    origins: &Origins<'_>,
    hop: &Draft,
    used: AccountId,
    found: &mut Vec<Evidence>,
) {
    let Some(key) = world.accounts.info(used).map(|account| &account.key) else {
        return;
    };
    let sam = key.rsplit('\\').next().unwrap_or(key);
    let Some(roast) = origins.roasts.get(sam).and_then(|all| {
        all.iter().rev().find(|one| {
            one.time < hop.first && hop.first - one.time <= KEPT && one.by != Some(used)
        })
    }) else {
        return;
    };
    let mut what = Sentence::default()
        .account(world, roast.by, "somebody")
        .text(format!(" had requested an RC4 ticket for {sam}"));
    if let Some(client) = roast.client {
        what = what.text(" from ").host(world, client);
    }
    let mut evidence = about(
        hop,
        Kind::DomainController,
        roast.time,
        roast.reference,
        what.text(format!(
            " {} before: its password can be cracked offline",
            span(hop.first - roast.time)
        )),
    )
    .weighs(Class::Roast, 0.05);
    evidence.techniques.push("T1558.003");
    found.push(evidence);
}
