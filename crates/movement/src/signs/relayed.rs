//! Machine accounts that come from an address other than the machine's: relayed (T1557.001), or with a stolen key.

use std::collections::BTreeMap;

use crabwalk_activity::{AccountId, AccountKind, HostId, Package, Place, SECOND, facts, for_each};
use hashbrown::HashMap;

use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::pipes::is_pipe_share;
use crate::world::World;

/// A coerced machine authenticates within this time.
const COERCED: i64 = 120 * SECOND;

/// Pipes through which a machine can be coerced into authenticating elsewhere (the protocols of MS-EFSR, MS-RPRN,
/// MS-DFSNM, MS-FSRVP and MS-EVEN). Ordinary programs open them, too.
fn coerces(pipe: &str) -> bool {
    let pipe = pipe.trim_start_matches('\\').to_lowercase();
    [
        "efsrpc",
        "lsarpc",
        "lsass",
        "spoolss",
        "netdfs",
        "fssagentrpc",
        "eventlog",
    ]
    .contains(&pipe.as_str())
}

/// Calls that coerce a machine into authenticating elsewhere.
fn is_coercion(function: &str) -> bool {
    let function = function.to_lowercase();
    function.starts_with("efsrpc")
        || function.starts_with("rpcremotefindfirstprinterchange")
        || function.starts_with("netrdfsremovestdroot")
        || function.starts_with("netrdfsaddstdroot")
        || function.starts_with("ispathsupported")
        || function.starts_with("ispathshadowcopied")
        || function.starts_with("elfropenbel")
}

pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let foreign: Vec<usize> = world
        .sessions
        .iter()
        .enumerate()
        .filter(|(_, one)| one.kind == AccountKind::Machine && one.logon_type == 3)
        .filter(|(_, one)| {
            let name = one.account.and_then(|id| world.accounts.info(id));
            // A machine's account at the machine itself is a different matter: its own token, in somebody else's hands.
            matches!((one.source, name), (Place::Host(src), Some(account))
                if !world.hosts.is_account_of(sam(&account.key), one.host)
                    && world.is_elsewhere(sam(&account.key), one.host, src))
        })
        .map(|(at, _)| at)
        .collect();
    if foreign.is_empty() {
        return;
    }
    // Who opened a coercion pipe: by the coerced machine and the caller.
    let mut asked: HashMap<(HostId, HostId), Vec<(i64, u64)>> = HashMap::new();
    let catalog = world.catalog;
    for_each(catalog, facts::ShareFile, |row| {
        if is_pipe_share(row.share_name()) && coerces(row.relative_target_name()) {
            let host = world.writer(row);
            if let Place::Host(src) = world.hosts.place(row.ip_address(), host, row.time) {
                let all = asked.entry((host, src)).or_default();
                all.push((row.time, row.reference));
            }
        }
    });
    for_each(catalog, facts::ZeekRpc, |row| {
        if is_coercion(row.operation())
            && let Some((Place::Host(src), dst)) = super::sensor::ends(world, row)
        {
            let all = asked.entry((dst, src)).or_default();
            all.push((row.time, row.reference));
        }
    });
    let mut edges: BTreeMap<(HostId, HostId, Option<AccountId>), Vec<usize>> = BTreeMap::new();
    for at in foreign {
        if let Some(one) = world.sessions.get(at)
            && let Some(src) = one.from()
        {
            let key = (one.host, src, one.account);
            edges.entry(key).or_default().push(at);
        }
    }
    for ((host, src, account), sessions) in edges {
        let Some(key) = account.and_then(|id| world.accounts.info(id)) else {
            continue;
        };
        let name = sam(&key.key).to_owned();
        let machine = match world.hosts.place(&name, host, 0) {
            Place::Host(machine) => Some(machine),
            Place::Local => Some(host),
            Place::Unknown => None,
        };
        let times: Vec<i64> = sessions
            .iter()
            .filter_map(|at| Some(world.sessions.get(*at)?.time))
            .collect();
        let (kept, left_out) = super::usual::told(&times);
        world.left_out += left_out;
        for at in kept.into_iter().filter_map(|at| sessions.get(at).copied()) {
            let Some(one) = world.sessions.get(at) else {
                continue;
            };
            let coercion = machine
                .and_then(|machine| asked.get(&(machine, src)))
                .into_iter()
                .flatten()
                .filter(|(time, _)| *time <= one.time + SECOND && one.time - time <= COERCED)
                .max();
            let ntlm = one.package == Package::Ntlm;
            let mut evidence = Evidence::new(
                Kind::DestinationLogon,
                Family::Credential,
                match (ntlm, coercion) {
                    (_, Some(_)) => Act::Strong,
                    (true, None) => Act::Weak,
                    (false, None) => Act::None,
                },
                host,
                one.time,
                one.reference,
                match (ntlm, coercion) {
                    (_, Some(_)) => format!("{name} came from an address other than that machine's, and had been coerced to log on there: relayed"),
                    (true, None) => format!("{name} came over NTLM from an address other than that machine's, as in a relay"),
                    (false, None) => format!("{name} came over Kerberos from an address other than that machine's: relayed, or its key was stolen"),
                },
            )
            .from(Place::Host(src))
            .used(account)
            .weighs(Class::Identity, if coercion.is_some() { 0.3 } else { 0.15 });
            if ntlm || coercion.is_some() {
                evidence.techniques.push("T1557.001");
            }
            evidence
                .refs
                .extend(coercion.map(|(_, reference)| *reference));
            evidence.session = world.session_key(at);
            out.push(evidence);
        }
    }
}

/// The name without its domain.
fn sam(key: &str) -> &str {
    key.rsplit('\\').next().unwrap_or(key)
}
