//! Where the credentials of a hop come from: sessions opened with other credentials (pass the hash), tickets asked for by
//! hash or used elsewhere (overpass the hash, pass the ticket), service tickets that can be cracked (Kerberoasting),
//! directory replication. And which validations of a domain controller belong to a hop by account and time alone.
//!
//! Such events lie minutes to days before the hop and do not name its destination, so they join finished hops.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crabwalk_activity::channel::SECURITY;
use crabwalk_activity::{
    AccountId, AccountKind, HostId, Package, Place, SECOND, base_name, for_each, is_service_logon,
    kind_of,
};

use crate::assemble::Draft;
use crate::evidence::{Act, Class, Evidence, Family, Kind};
use crate::history::{HABIT, day};
use crate::world::World;

const HOUR: i64 = 3600 * SECOND;
/// Who asks for a service's tickets more often uses the service.
const RARELY: usize = 3;
/// How long a ticket is good for by default (Microsoft, "Maximum lifetime for user ticket").
const TICKET: i64 = 10 * HOUR;
/// How long a password that was cracked or a hash that was copied may be of use.
const KEPT: i64 = 30 * 24 * HOUR;
/// RC4 with HMAC (RFC 4757), as events render it.
const RC4: &str = "0x17";
/// Ciphers of AES (RFC 3962).
const AES: [&str; 2] = ["0x11", "0x12"];

/// A ticket or validation of a domain controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Given {
    time: i64,
    client: Option<HostId>,
    rc4: bool,
    reference: u64,
}

/// A ticket for a service account's service that can be cracked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Roast {
    time: i64,
    by: Option<AccountId>,
    client: Option<HostId>,
    reference: u64,
}

#[derive(Default)]
struct Origins<'a> {
    /// Tickets to get tickets, given (4768) and renewed (4770), by account.
    granting: HashMap<AccountId, Vec<Given>>,
    /// Tickets for services (4769), by account.
    service: HashMap<AccountId, Vec<Given>>,
    /// NTLM validations (4776): time, writer, claimed workstation, reference.
    validated: HashMap<AccountId, Vec<(i64, HostId, &'a str, u64)>>,
    /// By name of the service account in lower case.
    roasts: BTreeMap<String, Vec<Roast>>,
    /// Spans of the domain controllers' Security logs.
    controllers: Vec<(i64, i64)>,
    /// Whether accounts of this data get tickets with AES, so that RC4 is unusual.
    aes: bool,
    /// Connections to a KDC by programs other than the system's own, by host.
    clients: HashMap<HostId, Vec<usize>>,
}

fn is_success(status: &str) -> bool {
    matches!(status, "0x0" | "0" | "")
}

impl<'a> Origins<'a> {
    fn read(world: &mut World<'a>, standing: &dyn Fn(AccountId) -> AccountId) -> Self {
        let catalog = world.catalog;
        let mut all = Self::default();
        let nobody = HostId(u32::MAX);
        for (id, is_service) in [(4768_u32, false), (4769, true), (4770, false)] {
            for_each(catalog, SECURITY, id, |row| {
                let name = row.get("TargetUserName");
                let sam = name.split('@').next().unwrap_or(name);
                if !is_success(row.get("Status")) || kind_of(sam, "") != AccountKind::User {
                    return;
                }
                let cipher = row.get("TicketEncryptionType");
                all.aes |= AES.contains(&cipher);
                let writer = world.hosts.writer(row.host);
                let client = match world.hosts.place(row.get("IpAddress"), nobody, row.time) {
                    Place::Host(host) => Some(host),
                    Place::Local => Some(writer),
                    Place::Unknown => None,
                };
                let Some(account) =
                    world
                        .accounts
                        .get(row.get("TargetSid"), row.get("TargetDomainName"), name)
                else {
                    return;
                };
                let account = standing(account);
                let given = Given {
                    time: row.time,
                    client,
                    rc4: cipher == RC4,
                    reference: row.reference,
                };
                if !is_service {
                    all.granting.entry(account).or_default().push(given);
                    return;
                }
                let service = row.get("ServiceName");
                if service.ends_with('$') {
                    all.service.entry(account).or_default().push(given);
                } else if given.rc4 && !service.eq_ignore_ascii_case("krbtgt") {
                    let service = service.split('@').next().unwrap_or(service);
                    all.roasts
                        .entry(service.to_lowercase())
                        .or_default()
                        .push(Roast {
                            time: row.time,
                            by: Some(account),
                            client,
                            reference: row.reference,
                        });
                }
            });
        }
        for_each(catalog, SECURITY, 4776, |row| {
            let name = row.get("TargetUserName");
            if is_success(row.get("Status"))
                && kind_of(name, "") == AccountKind::User
                && let Some(account) = world.accounts.of_text(name)
            {
                let writer = world.hosts.writer(row.host);
                all.validated.entry(standing(account)).or_default().push((
                    row.time,
                    writer,
                    row.get("Workstation"),
                    row.reference,
                ));
            }
        });
        for given in all.granting.values_mut().chain(all.service.values_mut()) {
            given.sort_unstable();
        }
        for given in all.validated.values_mut() {
            given.sort_unstable();
        }
        for roasts in all.roasts.values_mut() {
            roasts.sort_unstable();
        }
        for covered in catalog.catalog.coverage() {
            if covered.channel.eq_ignore_ascii_case("security")
                && let Some(host) = world.hosts.known(&covered.host)
                && world
                    .hosts
                    .get(host)
                    .is_some_and(|host| host.domain_controller)
            {
                all.controllers.push((
                    catalog.common(&covered.host, covered.first),
                    catalog.common(&covered.host, covered.last),
                ));
            }
        }
        for (at, one) in world.connections.iter().enumerate() {
            let image = base_name(one.image).to_lowercase();
            if one.dst_port == 88
                && !one.inbound
                && one.src != one.dst
                && let Some(host) = one.observer
                // Windows asks for tickets in lsass; an unnamed program says nothing.
                && !matches!(image.as_str(), "" | "-" | "lsass.exe" | "system" | "<unknown process>")
            {
                all.clients.entry(host).or_default().push(at);
            }
        }
        all
    }

    /// Whether the controllers' logs reach back the life of a ticket before a time, without a gap at their ends.
    fn covered(&self, time: i64) -> bool {
        !self.controllers.is_empty()
            && self
                .controllers
                .iter()
                .all(|(first, last)| *first <= time - TICKET && *last >= time)
    }
}

/// An observation about a finished hop.
fn about(hop: &Draft, kind: Kind, time: i64, reference: u64, what: String) -> Evidence {
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

/// Adds to finished hops where their credentials come from.
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
    // Replications of the directory: time, who, from where, reference.
    let replications: Vec<(i64, Option<AccountId>, Option<HostId>, u64)> = hops
        .iter()
        .filter(|hop| hop.family == Family::DirectoryReplication && !hop.attempt)
        .filter_map(|hop| {
            let first = hop.evidence.iter().find(|one| one.act == Act::Strong)?;
            Some((hop.first, hop.used, hop.src, *first.refs.first()?))
        })
        .collect();
    for hop in hops {
        let mut found = Vec::new();
        validations(world, &origins, hop, &mut found);
        if let Some(used) = hop.used
            && world.accounts.is_user(used)
            && !hop.attempt
        {
            if let Some(src) = hop.src {
                other_credentials(world, &switched, hop, src, used, &standing, &mut found);
                tickets(world, &origins, hop, src, used, &mut found);
            }
            roasted(world, &origins, hop, used, &mut found);
            // Of many replications the last one before.
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

/// NTLM validations of the account at the very time (techniques §1.8): by a domain controller, or by the destination for
/// its own accounts. They name no destination.
fn validations(world: &World<'_>, origins: &Origins<'_>, hop: &Draft, found: &mut Vec<Evidence>) {
    const AT_ONCE: i64 = 2 * SECOND;
    let Some(given) = hop.used.and_then(|used| origins.validated.get(&used)) else {
        return;
    };
    let times: Vec<i64> = hop
        .sessions
        .iter()
        .filter_map(|at| world.sessions.get(*at))
        .filter(|session| session.package == Package::Ntlm)
        .map(|session| session.time)
        .take(8)
        .collect();
    for time in times {
        let start = given.partition_point(|one| one.0 < time - AT_ONCE);
        let near = given
            .get(start..)
            .unwrap_or_default()
            .iter()
            .take_while(|one| one.0 <= time + AT_ONCE)
            .find(|one| {
                one.1 == hop.dst
                    || world
                        .hosts
                        .get(one.1)
                        .is_some_and(|host| host.domain_controller)
            });
        if let Some((time, writer, workstation, reference)) = near {
            let by = world.hosts.key(*writer);
            found.push(
                about(
                    hop,
                    Kind::DomainController,
                    *time,
                    *reference,
                    if workstation.is_empty() || *workstation == "-" {
                        format!("{by} validated the password hash")
                    } else {
                        format!("{by} validated the password hash for a client that calls itself {workstation}")
                    },
                )
                .weighs(Class::Ticket, 0.1),
            );
            return;
        }
    }
}

/// Sessions of logon type 9 on the source, in which programs act with other credentials towards others: what mimikatz
/// leaves when it passes a hash, and `runas /netonly` with a password.
fn other_credentials(
    world: &World<'_>,
    switched: &HashMap<HostId, Vec<usize>>,
    hop: &Draft,
    src: HostId,
    used: AccountId,
    standing: &dyn Fn(AccountId) -> AccountId,
    found: &mut Vec<Evidence>,
) {
    let logons: BTreeSet<u64> = hop
        .source_logons
        .iter()
        .copied()
        .chain(
            hop.source_processes
                .iter()
                .filter_map(|at| world.processes.get(*at))
                .map(|one| one.logon_id),
        )
        .filter(|id| !is_service_logon(*id))
        .collect();
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

/// Kerberos tickets of the account at the source that were not come by in the usual way.
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
    // A hash of NTLM is a key of RC4: who asks by it where others have AES asks by hash.
    // Accounts and hosts of old have no other keys, and show it every day.
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
                "the source had asked for a ticket with RC4 {} before, while others have AES: overpass the hash",
                span(hop.first - one.time)
            ),
        )
        .weighs(Class::TicketOrigin, 0.1);
        evidence.techniques.push("T1550.002");
        found.push(evidence);
    }
    // Used here, granted elsewhere, and nothing granted here during its whole life.
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
    if let (None, Some(asked), Some(elsewhere)) = (here, asked, elsewhere)
        && origins.covered(asked.time)
    {
        let mut evidence = about(
            hop,
            Kind::DomainController,
            asked.time,
            asked.reference,
            format!(
                "the ticket used here had been granted to {}: pass the ticket",
                elsewhere
                    .client
                    .map_or("another host", |id| world.hosts.key(id))
            ),
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
                "{}, not lsass.exe, had asked a domain controller for tickets",
                base_name(one.image)
            ),
        )
        .weighs(Class::TicketClient, 0.1);
        evidence.techniques.push("T1550.003");
        found.push(evidence);
    }
}

/// Service tickets with RC4 for the account that is used now, asked for by another: its password may have been cracked.
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
            one.time < hop.first
                && hop.first - one.time <= KEPT
                && one.by != Some(used)
                && all.iter().filter(|other| other.by == one.by).count() <= RARELY
        })
    }) else {
        return;
    };
    let name = |id: Option<AccountId>| {
        id.and_then(|id| world.accounts.info(id))
            .map_or("somebody", |account| account.key.as_str())
    };
    let mut evidence = about(
        hop,
        Kind::DomainController,
        roast.time,
        roast.reference,
        format!(
            "{} had asked for a ticket of {sam} with RC4{} {} before: its password can be cracked offline",
            name(roast.by),
            roast
                .client
                .map_or_else(String::new, |id| format!(" from {}", world.hosts.key(id))),
            span(hop.first - roast.time)
        ),
    )
    .weighs(Class::Roast, 0.05);
    evidence.techniques.push("T1558.003");
    found.push(evidence);
}
