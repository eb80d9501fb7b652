//! Sessions: one logon on one host, by host, boot and LogonId.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use crate::activity::Activity;
use crate::channel::{SECURITY, SYSTEM};
use crate::identity::{AccountId, AccountKind, HostId, Place, address, kind_of};
use crate::row::{Row, count, for_each};
use crate::text::{SECOND, base_name, number};

/// How a logon was authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Package {
    /// A challenge and its answer, without a domain controller on the way.
    Ntlm,
    /// A ticket.
    Kerberos,
    /// Kerberos or NTLM: the log does not say which.
    Negotiate,
    /// Such as Schannel or a package of another vendor.
    Other,
    /// The event does not say.
    Unknown,
}

impl Package {
    fn of(text: &str) -> Self {
        for (name, package) in [
            ("NTLM", Self::Ntlm),
            ("Kerberos", Self::Kerberos),
            ("Negotiate", Self::Negotiate),
            ("", Self::Unknown),
            ("-", Self::Unknown),
        ] {
            if text.eq_ignore_ascii_case(name) {
                return package;
            }
        }
        Self::Other
    }

    /// Its name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ntlm => "NTLM",
            Self::Kerberos => "Kerberos",
            Self::Negotiate => "Negotiate",
            Self::Other => "another package",
            Self::Unknown => "?",
        }
    }
}

/// The end of a session whose logoff was not logged.
pub const OPEN: i64 = i64::MAX;

/// One logon on one host. There may be millions: it holds no text.
#[derive(Debug, Clone)]
pub struct Session {
    /// Where it was opened.
    pub host: HostId,
    /// Its number, unique on its host from one boot to the next.
    pub logon_id: u64,
    /// LogonId of the other half of a split token, 0 where there is none.
    pub linked: u64,
    /// When it began: microseconds since 1970-01-01 UTC, by the common clock.
    pub time: i64,
    /// When the logoff was logged; [`OPEN`] where none was.
    pub end: i64,
    /// 0 where the logon itself was not logged, only what ran in it.
    pub logon_type: u8,
    /// Who logged on.
    pub account: Option<AccountId>,
    /// Of that account.
    pub kind: AccountKind,
    /// Where it was opened from, by its address.
    pub source: Place,
    /// The address in the event.
    pub ip: Option<IpAddr>,
    /// The client's; 0 where the event does not say.
    pub port: u16,
    /// How it was authenticated.
    pub package: Package,
    /// Opened with other credentials for the network (logon process `seclogo`).
    pub by_seclogo: bool,
    /// Account that the session uses towards others (logon type 9).
    pub outbound: Option<AccountId>,
    /// Whether it got special privileges (Security 4672).
    pub elevated: bool,
    /// Remote desktop without sending a password or ticket to the host.
    pub restricted: bool,
    /// The machine that the client called its own (`WorkstationName`), where it is one that the logs know: a claim.
    pub claimed: Option<HostId>,
    /// Somebody acted for the account, by delegation (`TransmittedServices`).
    pub delegated: bool,
    /// OpenSSH's server logged the account on.
    pub by_sshd: bool,
    /// Leads to the event ([`crabwalk_events::Catalog::resolve`]).
    pub reference: u64,
}

impl Session {
    /// Whether somebody on another machine opened it.
    pub fn is_remote(&self) -> bool {
        match self.source {
            Place::Local => false,
            Place::Host(_) => matches!(self.logon_type, 3 | 7 | 8 | 10 | 12 | 13),
            Place::Unknown => matches!(self.logon_type, 3 | 8 | 10 | 12),
        }
    }

    /// Where it was opened, if that is another machine.
    pub fn from(&self) -> Option<HostId> {
        match self.source {
            Place::Host(host) => Some(host),
            _ => None,
        }
    }
}

pub use crabwalk_vocabulary::account::is_service_logon;

/// When a session began, from a Sysmon LogonGuid: the second group holds the low, the third the high half of a Unix time.
pub fn logon_time(guid: &str) -> Option<i64> {
    let mut groups = guid.trim_matches(['{', '}']).split('-');
    let (low, high) = (groups.nth(1)?, groups.next()?);
    let seconds =
        (i64::from_str_radix(high, 16).ok()? << 16) | i64::from_str_radix(low, 16).ok()?;
    // A zero is no time, and nothing was logged before Sysmon existed.
    (seconds > 1_300_000_000).then_some(seconds * SECOND)
}

fn find_session(
    by_id: &[u32],
    sessions: &[Session],
    boots: &HashMap<HostId, Vec<i64>>,
    host: HostId,
    logon_id: u64,
    time: i64,
) -> Option<usize> {
    if is_service_logon(logon_id) {
        return None;
    }
    // A logon may be logged a little after what is done in it.
    let wanted = (host, logon_id, time + 5 * SECOND);
    let end = by_id.partition_point(|at| {
        sessions
            .get(*at as usize)
            .is_some_and(|one| (one.host, one.logon_id, one.time) <= wanted)
    });
    let at = *by_id.get(end.checked_sub(1)?)? as usize;
    let found = sessions.get(at)?;
    if (found.host, found.logon_id) != (host, logon_id) {
        return None;
    }
    let begun = sessions.get(at)?.time;
    (!restarted(boots, host, begun, time)).then_some(at)
}

/// Whether a host was started anew in a span of time.
fn restarted(boots: &HashMap<HostId, Vec<i64>>, host: HostId, from: i64, to: i64) -> bool {
    let boots = boots.get(&host).map_or(&[][..], Vec::as_slice);
    boots
        .get(boots.partition_point(|boot| *boot <= from))
        .is_some_and(|boot| *boot <= to)
}

impl<'a> Activity<'a> {
    pub(crate) fn read_boots(&mut self) {
        let (catalog, hosts, boots) = (self.catalog, &mut self.hosts, &mut self.boots);
        for (channel, id) in [
            (SYSTEM, 12),
            (SYSTEM, 6005),
            (SYSTEM, 6009),
            (SECURITY, 4608),
        ] {
            for_each(catalog, channel, id, |row| {
                boots
                    .entry(hosts.writer(row.host))
                    .or_default()
                    .push(row.time);
            });
        }
        for times in boots.values_mut() {
            times.sort_unstable();
        }
    }

    /// Sessions in which the account of another machine installed a service, registered a task, or wrote to an
    /// administrative share.
    fn acting_machines(&mut self) -> HashSet<(HostId, u64)> {
        let (catalog, hosts) = (self.catalog, &mut self.hosts);
        let mut acting = HashSet::new();
        let mut acts = |row: &Row<'a, '_>| {
            let name = row.get("SubjectUserName");
            let host = hosts.writer(row.host);
            let id = number(row.get("SubjectLogonId"));
            if name.ends_with('$') && !is_service_logon(id) && !hosts.is_account_of(name, host) {
                acting.insert((host, id));
            }
        };
        for id in [4697_u32, 4698, 4702] {
            for_each(catalog, SECURITY, id, &mut acts);
        }
        for_each(catalog, SECURITY, 5145, |row| {
            // Write and append (Microsoft, event 5145); shares that Windows makes end with `$`, that of pipes too.
            if row.get("SubjectUserName").ends_with('$')
                && number(row.get("AccessMask")) & 0x6 != 0
                && row.get("ShareName").ends_with('$')
                && !row.get("ShareName").to_uppercase().ends_with("IPC$")
            {
                acts(row);
            }
        });
        acting
    }

    pub(crate) fn read_sessions(&mut self) {
        let catalog = self.catalog;
        let acting = self.acting_machines();
        let (hosts, accounts, sessions) = (&mut self.hosts, &mut self.accounts, &mut self.sessions);
        // Room at once: a list that grows by doubling needs three times its size.
        sessions.reserve_exact(count(catalog, SECURITY, 4624));
        for_each(catalog, SECURITY, 4624, |row| {
            let logon_type: u8 = row.get("LogonType").parse().unwrap_or(0);
            let logon_process = row.get("LogonProcessName");
            let (sid, name) = (row.get("TargetUserSid"), row.get("TargetUserName"));
            let account = accounts.get(sid, row.get("TargetDomainName"), name);
            // Authz asks what an account may do; nobody logs on.
            if logon_type == 0 || logon_process.eq_ignore_ascii_case("Authz") {
                return;
            }
            let kind = kind_of(name, sid);
            let quiet = matches!(kind, AccountKind::Machine | AccountKind::System)
                && (logon_type == 5
                    || logon_type == 3 && row.get("AuthenticationPackageName") == "Kerberos");
            if quiet && (logon_type == 5 || kind == AccountKind::System) {
                return;
            }
            let host = hosts.writer(row.host);
            let workstation = row.get("WorkstationName");
            let ip = address(row.get("IpAddress"));
            let mut source = hosts.place(row.get("IpAddress"), host, row.time);
            // Most logons of all are those of machines with tickets: nobody moves by them, unless somebody else has the
            // machine's key, or something was done in them that machines do not do.
            if quiet
                && !matches!(source, Place::Host(src) if hosts.is_elsewhere(name, host, src))
                && !acting.contains(&(host, number(row.get("TargetLogonId"))))
            {
                return;
            }
            if let (Place::Host(_), Some(IpAddr::V6(v6))) = (source, ip)
                && v6.is_unicast_link_local()
                && hosts.place(workstation, host, row.time) == Place::Local
            {
                source = Place::Local;
            }
            if source == Place::Unknown
                && logon_type == 3
                && !workstation.is_empty()
                && hosts.place(workstation, host, row.time) == Place::Local
            {
                source = Place::Local;
            }
            sessions.push(Session {
                host,
                logon_id: number(row.get("TargetLogonId")),
                linked: number(row.get("TargetLinkedLogonId")),
                time: row.time,
                end: OPEN,
                logon_type,
                account,
                kind,
                source,
                ip,
                port: row.get("IpPort").parse().unwrap_or(0),
                package: Package::of(row.get("AuthenticationPackageName")),
                by_seclogo: logon_process.eq_ignore_ascii_case("seclogo"),
                outbound: if logon_type == 9 {
                    accounts.get(
                        "",
                        row.get("TargetOutboundDomainName"),
                        row.get("TargetOutboundUserName"),
                    )
                } else {
                    None
                },
                elevated: false,
                // %%1842 is yes (Microsoft, event 4624).
                restricted: matches!(row.get("RestrictedAdminMode"), "%%1842" | "Yes"),
                claimed: row
                    .some("WorkstationName")
                    .filter(|name| address(name).is_none())
                    .and_then(|name| hosts.find(name, host)),
                delegated: row.some("TransmittedServices").is_some(),
                by_sshd: base_name(row.get("ProcessName")).eq_ignore_ascii_case("sshd.exe"),
                reference: row.reference,
            });
        });
        self.index_sessions();
        let Self {
            hosts,
            accounts,
            sessions,
            sessions_by_id,
            boots,
            ..
        } = self;
        for id in [4634, 4647] {
            for_each(catalog, SECURITY, id, |row| {
                let host = hosts.writer(row.host);
                let logon = number(row.get("TargetLogonId"));
                if let Some(session) =
                    find_session(sessions_by_id, sessions, boots, host, logon, row.time)
                        .and_then(|at| sessions.get_mut(at))
                {
                    session.end = session.end.min(row.time);
                }
            });
        }
        for_each(catalog, SECURITY, 4672, |row| {
            accounts.get(
                row.get("SubjectUserSid"),
                row.get("SubjectDomainName"),
                row.get("SubjectUserName"),
            );
            let host = hosts.writer(row.host);
            let logon = number(row.get("SubjectLogonId"));
            if let Some(session) =
                find_session(sessions_by_id, sessions, boots, host, logon, row.time)
                    .and_then(|at| sessions.get_mut(at))
            {
                session.elevated = true;
            }
        });
    }

    fn index_sessions(&mut self) {
        self.sessions.sort_unstable_by_key(|one| {
            (
                one.time,
                one.host,
                one.logon_id,
                one.logon_type,
                one.port,
                one.account,
                one.package,
            )
        });
        // More sessions than numbers of 32 bits do not fit any memory.
        let count = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        let sessions = &self.sessions;
        let of = |at: &u32| sessions.get(*at as usize);
        self.sessions_by_id = (0..count)
            .filter(|at| of(at).is_some_and(|one| !is_service_logon(one.logon_id)))
            .collect();
        self.sessions_by_id
            .sort_unstable_by_key(|at| (of(at).map(|one| (one.host, one.logon_id)), *at));
        self.sessions_by_host = (0..count).collect();
        self.sessions_by_host
            .sort_unstable_by_key(|at| (of(at).map(|one| one.host), *at));
        self.sessions_of_host.clear();
        for (place, at) in self.sessions_by_host.iter().enumerate() {
            if let Some(one) = of(at) {
                self.sessions_of_host
                    .entry(one.host)
                    .or_insert(place..place)
                    .end = place + 1;
            }
        }
    }

    /// Places of a host's sessions, by time.
    fn places_of(&self, host: HostId) -> &[u32] {
        self.sessions_of_host
            .get(&host)
            .and_then(|range| self.sessions_by_host.get(range.clone()))
            .unwrap_or_default()
    }

    /// Sessions of which only processes are left, because the Security log was not kept, cleared, or does not reach
    /// back so far: Sysmon says whose they are and when they began (techniques §1.4 of its LogonGuid).
    pub(crate) fn add_unlogged_sessions(&mut self) {
        let mut found: BTreeMap<(HostId, u64, i64), Session> = BTreeMap::new();
        for process in &self.processes {
            let Some(begun) = process.logon_time else {
                continue;
            };
            let kind = process
                .user
                .map_or(AccountKind::System, |id| self.accounts.kind(id));
            if is_service_logon(process.logon_id)
                || kind != AccountKind::User
                || self
                    .session(process.host, process.logon_id, process.time)
                    .is_some()
            {
                continue;
            }
            found
                .entry((process.host, process.logon_id, begun))
                .or_insert(Session {
                    host: process.host,
                    logon_id: process.logon_id,
                    linked: 0,
                    time: begun,
                    end: OPEN,
                    logon_type: 0,
                    account: process.user,
                    kind,
                    source: Place::Unknown,
                    ip: None,
                    port: 0,
                    package: Package::Unknown,
                    by_seclogo: false,
                    outbound: None,
                    elevated: false,
                    restricted: false,
                    claimed: None,
                    delegated: false,
                    by_sshd: false,
                    reference: process.reference,
                });
        }
        if !found.is_empty() {
            self.sessions.extend(found.into_values());
            self.index_sessions();
        }
    }

    /// Accounts with which programs, not people, log on: services do by logon type 5.
    pub fn service_accounts(&self, canonical: &[AccountId]) -> HashSet<AccountId> {
        self.sessions
            .iter()
            .filter(|session| session.logon_type == 5 && session.kind == AccountKind::User)
            .filter_map(|session| session.account)
            .map(|id| canonical.get(id.place()).copied().unwrap_or(id))
            .collect()
    }

    /// The session that a LogonId means on a host at a time.
    pub fn session(&self, host: HostId, logon_id: u64, time: i64) -> Option<usize> {
        find_session(
            &self.sessions_by_id,
            &self.sessions,
            &self.boots,
            host,
            logon_id,
            time,
        )
    }

    /// Sessions of a host, by time.
    pub fn sessions_of(&self, host: HostId) -> impl DoubleEndedIterator<Item = (usize, &Session)> {
        self.places_of(host).iter().filter_map(|at| {
            let at = *at as usize;
            self.sessions.get(at).map(|session| (at, session))
        })
    }

    /// Sessions of a host that began in a span of time.
    pub fn sessions_between(
        &self,
        host: HostId,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = (usize, &Session)> {
        let all = self.places_of(host);
        let start = all.partition_point(|at| {
            self.sessions
                .get(*at as usize)
                .is_some_and(|one| one.time < from)
        });
        all.get(start..)
            .unwrap_or_default()
            .iter()
            .filter_map(|at| {
                let at = *at as usize;
                self.sessions.get(at).map(|session| (at, session))
            })
            .take_while(move |(_, session)| session.time <= to)
    }

    /// The open remote session of an account on a host that began last before a time.
    pub fn open_remote_session(
        &self,
        host: HostId,
        account: AccountId,
        canonical: impl Fn(AccountId) -> AccountId,
        time: i64,
    ) -> Option<usize> {
        self.sessions_of(host)
            .rev()
            .filter(|(_, one)| {
                one.time <= time + 2 * SECOND && one.time >= time - 24 * 3600 * SECOND
            })
            .take(4096)
            .find(|(_, one)| {
                one.is_remote()
                    && one.account.is_some_and(|own| canonical(own) == account)
                    && one.end.saturating_add(2 * SECOND) >= time
                    && !restarted(&self.boots, host, one.time, time)
            })
            .map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysmon_guids_hold_the_logon_time() {
        for (guid, expected) in [
            ("{11111111-2826-5f2c-341f-120100000000}", Some(0x5f2c_2826)),
            ("{11111111-0000-0000-0000-000000000000}", None),
            ("", None),
        ] {
            assert_eq!(
                logon_time(guid),
                expected.map(|seconds: i64| seconds * SECOND),
                "{guid}"
            );
        }
        assert_eq!(number("0x2990d17"), 0x299_0d17);
        assert_eq!(number("1280"), 1280);
    }
}
