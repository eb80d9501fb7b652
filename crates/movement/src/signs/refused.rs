//! Refused logons from other hosts (4625, 551 of the server of shares, 31001 of its client): attempted movement.

use std::collections::BTreeMap;

use crabwalk_activity::{AccountId, AccountKind, HostId, Place, SECOND, facts, for_each, kind_of};

use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::World;

/// One account's refusals between two hosts within this time are one attempt.
const TOGETHER: i64 = 60 * SECOND;
/// An account refused on more days than this between two hosts has an outdated password somewhere.
const USUAL_DAYS: usize = 2;

/// What is said of a status whose meaning is not known.
const UNKNOWN: &str = "refused";

/// The meaning of a status, for people (Microsoft, event 4625).
fn reason(status: &str, sub_status: &str) -> &'static str {
    let code = if matches!(sub_status, "" | "-" | "0x0" | "0x00000000") {
        status
    } else {
        sub_status
    };
    match code.to_lowercase().as_str() {
        "0xc0000064" => "no such account",
        "0xc000006a" => "wrong password",
        "0xc000006d" => "wrong name or password",
        "0xc000006e" | "0xc0000413" => "not allowed here",
        "0xc0000070" => "not allowed from there",
        "0xc000006f" => "not at this hour",
        "0xc0000071" | "0xc0000224" => "the password must be changed",
        "0xc0000072" => "the account is disabled",
        "0xc000015b" => "this kind of logon is not granted",
        "0xc0000193" => "the account has expired",
        "0xc0000234" => "the account is locked",
        "0xc00002ee" => "an error in the logon",
        _ => UNKNOWN,
    }
}

struct Refused {
    time: i64,
    reference: u64,
    logon_type: u8,
    reason: &'static str,
}

impl Refused {
    /// Shares are opened in network logons.
    fn of_a_share(time: i64, reference: u64, reason: &'static str) -> Self {
        Self {
            time,
            reference,
            logon_type: 3,
            reason,
        }
    }
}

/// Refusals by two hosts, an account, and who recorded them: the destination or, if it did not, the source.
type Refusals = BTreeMap<(HostId, HostId, Option<AccountId>, Kind), Vec<Refused>>;

/// Both logs have the same refusal within this time.
const SAME: i64 = 2 * SECOND;

/// When each refusal between two hosts was recorded so far, in order.
struct Known(BTreeMap<(HostId, HostId), Vec<i64>>);

impl Known {
    fn of(all: &Refusals) -> Self {
        let mut times: BTreeMap<(HostId, HostId), Vec<i64>> = BTreeMap::new();
        for ((src, dst, ..), refused) in all {
            let own = times.entry((*src, *dst)).or_default();
            own.extend(refused.iter().map(|one| one.time));
        }
        for own in times.values_mut() {
            own.sort_unstable();
        }
        Self(times)
    }

    fn has(&self, src: HostId, dst: HostId, time: i64) -> bool {
        let times = self.0.get(&(src, dst)).map_or(&[][..], Vec::as_slice);
        let next = times.get(times.partition_point(|own| *own < time - SAME));
        next.is_some_and(|own| own - time <= SAME)
    }
}

/// Refusals that only the server of shares recorded, which often does not know the account.
fn shares(world: &mut World<'_>, all: &mut Refusals) {
    let audited = Known::of(all);
    let catalog = world.catalog;
    for_each(catalog, facts::SmbRefusal, |row| {
        let host = world.writer(row);
        let Place::Host(src) = world.hosts.place(row.client(), host, row.time) else {
            return;
        };
        if audited.has(src, host, row.time) {
            return;
        }
        let account = world.accounts.of_text(row.user_name());
        if account.is_some_and(|id| !world.accounts.is_user(id)) {
            return;
        }
        let key = (src, host, account, Kind::DestinationLogon);
        let one = Refused::of_a_share(row.time, row.reference, reason(row.status(), ""));
        all.entry(key).or_default().push(one);
    });
}

/// Refusals that only the client recorded: the server has no logs, or was not asked (the domain controller refused). The client
/// also notes that it found nobody who could check the password; that is no refusal.
fn clients(world: &mut World<'_>, all: &mut Refusals) {
    let told = Known::of(all);
    let catalog = world.catalog;
    for_each(catalog, facts::SmbClientRefusal, |row| {
        let why = reason(row.status(), "");
        let host = world.writer(row);
        let Place::Host(dst) = world.hosts.place(row.server(), host, row.time) else {
            return;
        };
        let account = world.accounts.of_text(row.user_name());
        let nobody = account.is_some_and(|id| !world.accounts.is_user(id));
        if why == UNKNOWN || nobody || dst == host || told.has(host, dst, row.time) {
            return;
        }
        let key = (host, dst, account, Kind::Source);
        let one = Refused::of_a_share(row.time, row.reference, why);
        all.entry(key).or_default().push(one);
    });
}

pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let mut all = Refusals::new();
    let catalog = world.catalog;
    for_each(catalog, facts::LogonFailure, |row| {
        let name = row.target_user_name();
        let logon_type = row.logon_type().unwrap_or(0);
        if kind_of(name, row.target_user_sid()) != AccountKind::User
            || !matches!(logon_type, 3 | 8 | 10)
        {
            return;
        }
        let host = world.writer(row);
        let Place::Host(src) = world.hosts.place(row.ip_address(), host, row.time) else {
            return;
        };
        let account = world
            .accounts
            .get(row.target_user_sid(), row.target_domain_name(), name);
        let key = (src, host, account, Kind::DestinationLogon);
        all.entry(key).or_default().push(Refused {
            time: row.time,
            reference: row.reference,
            logon_type,
            reason: reason(row.status(), row.sub_status()),
        });
    });
    shares(world, &mut all);
    clients(world, &mut all);
    for ((src, dst, account, kind), mut refused) in all {
        refused.sort_by_key(|one| (one.time, one.reference));
        let mut days: Vec<i64> = refused
            .iter()
            .map(|one| one.time.div_euclid(86_400 * SECOND))
            .collect();
        days.dedup();
        if days.len() > USUAL_DAYS {
            continue;
        }
        let mut rest = refused.as_slice();
        while let Some(first) = rest.first() {
            let count = rest
                .iter()
                .zip(rest.iter().skip(1))
                .take_while(|(one, next)| next.time - one.time <= TOGETHER)
                .count()
                + 1;
            let (these, others) = rest.split_at(count.min(rest.len()));
            rest = others;
            let desktop = these.iter().any(|one| one.logon_type == 10);
            let times = if count == 1 {
                String::new()
            } else {
                format!(" {count} times")
            };
            let family = if desktop { Family::Rdp } else { Family::Any };
            let mut evidence = Evidence::new(
                kind,
                family,
                Act::Weak,
                dst,
                first.time,
                first.reference,
                format!(
                    "logon type {} refused{times}: {}",
                    first.logon_type, first.reason
                ),
            )
            .technique(family.plain())
            .from(Place::Host(src))
            .used(account)
            .weighs(Class::Refused, 0.2);
            evidence.refs = these.iter().map(|one| one.reference).collect();
            evidence.attempt = true;
            out.push(evidence);
        }
    }
}
