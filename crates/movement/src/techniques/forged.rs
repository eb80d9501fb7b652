//! Forged tickets: an account whose name does not match its SID (T1550.003, T1558.001).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crabwalk_activity::{
    AccountId, AccountKind, HostId, Package, Place, SECOND, facts, for_each, is_refused, service_of,
};

use super::{Shares, Technique};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::World;

/// Forged tickets.
pub(crate) struct Forged;

impl Technique for Forged {
    fn family(&self) -> Family {
        Family::Credential
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1550.002", "T1550.003", "T1558.001"]
    }

    fn shares(&self) -> Shares {
        Shares::Serve
    }

    fn events(&self, world: &mut World<'_>, out: &mut Sink) {
        events(world, out);
    }

    fn network(&self, world: &mut World<'_>, out: &mut Sink) {
        network(world, out);
    }
}

fn events(world: &mut World<'_>, out: &mut Sink) {
    for at in 0..world.sessions.len() {
        let Some(session) = world.sessions.get(at) else {
            continue;
        };
        if session.kind != AccountKind::User || !session.is_remote() || session.logon_type != 3 {
            continue;
        }
        let Some(account) = session.account else {
            continue;
        };
        let Some(sid) = world
            .accounts
            .info(account)
            .and_then(|account| account.sids.iter().next())
        else {
            continue;
        };
        // Names in other languages or after a rename differ too, but not in the same logs and with Kerberos.
        let sams: BTreeSet<&str> = world
            .accounts
            .names_of_sid(sid)
            .into_iter()
            .flatten()
            .filter_map(|id: &AccountId| world.accounts.info(*id))
            .map(|account| account.key.rsplit('\\').next().unwrap_or(&account.key))
            .collect();
        // A domain's built-in administrator under a name that no translation of Windows uses. A name with non-ASCII
        // letters may be any translation.
        let odd = sams.len() == 1
            && sid.starts_with("S-1-5-21-")
            && sid.ends_with("-500")
            && sams.first().is_some_and(|name| {
                name.is_ascii() && !name.starts_with("admin") && *name != "rendszergazda"
            });
        // A SID with many names proves nothing: people who share logs sometimes redact all SIDs to one.
        let forged = matches!(sams.len(), 2 | 3);
        if (!forged && !odd)
            || !matches!(session.source, Place::Host(_))
            || session.package != Package::Kerberos
        {
            continue;
        }
        let mut evidence = Evidence::new(
            Kind::DestinationLogon,
            Family::Credential,
            if odd { Act::Weak } else { Act::Strong },
            session.host,
            session.time,
            session.reference,
            format!(
                "one SID under several names: {}",
                sams.into_iter().collect::<Vec<_>>().join(", ")
            ),
        )
        .technique(&["T1550.003", "T1558.001"])
        .from(session.source)
        .used(session.account)
        .weighs(Class::Identity, 0.15);
        evidence.session = world.session_key(at);
        out.push(evidence);
    }
}

/// A ticket for a service that a sensor saw.
struct Seen {
    time: i64,
    client: IpAddr,
    account: AccountId,
    server: HostId,
    service: String,
    small: bool,
    reference: u64,
}

/// Service tickets obtained with a ticket that no controller issued. Controllers write their realm in capitals into
/// what they issue; a forger's tool writes it as typed, and every ticket requested with it inherits that. If the
/// account does not exist, the controller cannot tell the server who it is.
fn network(world: &mut World<'_>, out: &mut Sink) {
    /// From the ticket to the server's lookup.
    const ASKS: i64 = 5 * SECOND;
    let catalog = world.catalog;
    let nobody = HostId(u32::MAX);
    let mut granted: BTreeSet<AccountId> = BTreeSet::new();
    let mut seen: Vec<Seen> = Vec::new();
    // Servers that looked up an account that the controller does not have.
    let mut unknown: BTreeMap<IpAddr, Vec<(i64, u64)>> = BTreeMap::new();
    for_each(catalog, facts::ZeekKerberos, |row| {
        let Some(client) = row.orig_h() else {
            return;
        };
        if row.error_msg().contains("C_PRINCIPAL_UNKNOWN") {
            let all = unknown.entry(client).or_default();
            all.push((row.time, row.reference));
        }
        let (name, realm) = row.client().split_once('/').unwrap_or_default();
        if is_refused(row.success()) || name.is_empty() || realm.is_empty() {
            return;
        }
        let Some(account) = world.accounts.get("", realm, name) else {
            return;
        };
        if row.request_type() == "AS" {
            granted.insert(account);
        } else if row.request_type() == "TGS"
            && let Some((_, server)) = service_of(row.service())
            && let Place::Host(server) = world.hosts.place(server, nobody, row.time)
        {
            seen.push(Seen {
                time: row.time,
                client,
                account,
                server,
                service: row.service().to_owned(),
                small: realm.chars().any(char::is_lowercase),
                reference: row.reference,
            });
        }
    });
    let accounts = |small: bool| -> BTreeSet<AccountId> {
        let all = seen.iter().filter(|one| one.small == small);
        all.map(|one| one.account).collect()
    };
    // If most realms are in lower case, a sensor or a library writes them so.
    if accounts(true).len() > accounts(false).len() || accounts(false).is_empty() {
        return;
    }
    for one in seen.iter().filter(|one| one.small) {
        if granted.contains(&one.account) || !world.accounts.is_user(one.account) {
            continue;
        }
        let vain = unknown.iter().find_map(|(server, all)| {
            let own = world.hosts.get(one.server)?.ips.contains(server);
            all.iter()
                .find(|(time, _)| own && (one.time..=one.time + ASKS).contains(time))
        });
        let mut what = format!(
            "ticket for {} in a lower-case realm, which no controller writes, and no ticket was issued to get it",
            one.service
        );
        if vain.is_some() {
            what.push_str("; the server then failed to look the account up");
        }
        let mut evidence = Evidence::new(
            Kind::DomainController,
            Family::Any,
            Act::None,
            one.server,
            one.time,
            one.reference,
            what,
        )
        .technique(&["T1550.003", "T1558.001"])
        .from(world.hosts.place(&one.client.to_string(), nobody, one.time))
        .used(Some(one.account))
        .weighs(Class::Identity, 0.15);
        evidence.refs.extend(vain.map(|(_, reference)| *reference));
        out.push(evidence);
    }
}
