//! Where the logs of the hosts in scope are too sparse to judge, and which logs would help.

use crabwalk_activity::SECOND;
use crabwalk_activity::channel::{SECURITY, SSHD, SYSMON, SYSTEM, is_of_a_host, is_syslog};
use crabwalk_sources::collect::Coverage;
use hashbrown::HashMap;

use super::scope::Touched;
use crate::world::World;

/// Process starts count if they lie at most this long before the intruder's first sign on the host, µs.
const BEFORE: i64 = 2 * 3600 * SECOND;
/// And at most this long after the last one, µs.
const AFTER: i64 = 24 * 3600 * SECOND;

/// What a host's logs lack. Times are microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// None of its logs was read.
    AnyLog,
    /// The log of its logons was not read.
    Logons,
    /// The log of its logons was cleared then.
    Cleared(i64),
    /// The log of its logons begins then, when the intruder had already been there.
    BeginsLate(i64),
}

/// A host whose logs are too sparse to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blind {
    /// Its id.
    pub host: String,
    /// Whether it is a machine without Windows, whose logons are in sshd's log and not in Security.
    pub by_syslog: bool,
    /// What its logs lack.
    pub lacks: Vec<Lack>,
}

/// What a log that should be collected would show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Showing {
    /// Security: logons, and the services and tasks that came with them.
    Logons,
    /// Sysmon: process starts.
    Processes {
        /// Whether some log of the host was read, so that it may have no Sysmon.
        other_logs: bool,
    },
    /// System: installed services.
    Services,
}

/// A log to collect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Id of the host.
    pub host: String,
    /// What its log would show.
    pub showing: Showing,
}

/// The blind hosts of a scope, and the logs to collect, in the order of the hosts.
pub(crate) fn blind(world: &World<'_>, hosts: &[Touched]) -> (Vec<Blind>, Vec<Request>) {
    let mut logs: HashMap<&str, Vec<&Coverage>> = HashMap::new();
    for covered in world.catalog.catalog.coverage() {
        if is_of_a_host(&covered.channel)
            && let Some(host) = world.hosts.known(&covered.host)
        {
            logs.entry(world.hosts.key(host)).or_default().push(covered);
        }
    }
    let (mut blind, mut requests) = (Vec::new(), Vec::new());
    for touched in hosts {
        let own = logs
            .get(touched.host.as_str())
            .map_or(&[][..], Vec::as_slice);
        let of = |channel: &'static str| {
            own.iter()
                .filter(move |one| one.channel.eq_ignore_ascii_case(channel))
        };
        // A machine that writes only syslog has no Windows logs to miss.
        let by_syslog = !own.is_empty() && own.iter().all(|one| is_syslog(&one.channel));
        let logons = if by_syslog { SSHD } else { SECURITY };
        let mut lacks = Vec::new();
        if own.is_empty() {
            lacks.push(Lack::AnyLog);
        } else if of(logons).next().is_none() {
            lacks.push(Lack::Logons);
        }
        for one in of(logons) {
            lacks.extend(one.cleared.iter().copied().map(Lack::Cleared));
            if world.catalog.common(&one.host, one.first) > touched.span.0 {
                lacks.push(Lack::BeginsLate(one.first));
            }
        }
        if !lacks.is_empty() {
            blind.push(Blind {
                host: touched.host.clone(),
                by_syslog,
                lacks,
            });
        }
        if by_syslog {
            continue;
        }
        let mut request = |showing| {
            requests.push(Request {
                host: touched.host.clone(),
                showing,
            });
        };
        if of(SECURITY).next().is_none() {
            request(Showing::Logons);
        }
        if of(SYSMON).next().is_none() && !has_processes(world, own, touched) {
            request(Showing::Processes {
                other_logs: !own.is_empty(),
            });
        }
        if !own.is_empty() && of(SYSTEM).next().is_none() {
            request(Showing::Services);
        }
    }
    (blind, requests)
}

/// Whether a host logged process starts while the intruder was there.
fn has_processes(world: &World<'_>, logs: &[&Coverage], touched: &Touched) -> bool {
    let (first, last) = touched.span;
    logs.iter()
        .filter_map(|one| world.hosts.known(&one.host))
        .any(|host| {
            world
                .processes_between(host, first - BEFORE, last + AFTER)
                .next()
                .is_some()
        })
}
