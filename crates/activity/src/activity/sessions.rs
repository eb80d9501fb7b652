//! The sessions that hosts logged.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::Activity;
use crate::facts;
use crate::grouped::Grouped;
use crate::identity::{AccountId, AccountKind, HostId, Place, address, kind_of};
use crate::row::{count, for_each};
use crate::sessions::{OPEN, Package, Session, SessionKey, is_service_logon};
use crate::text::{SECOND, base_name, given};

/// The session with a LogonId on a host at a time, by the common clock.
pub(super) fn find_session(
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
    // A logon may be logged slightly after the first actions in it.
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

/// Whether a host restarted within a span of time.
fn restarted(boots: &HashMap<HostId, Vec<i64>>, host: HostId, from: i64, to: i64) -> bool {
    let boots = boots.get(&host).map_or(&[][..], Vec::as_slice);
    boots
        .get(boots.partition_point(|boot| *boot <= from))
        .is_some_and(|boot| *boot <= to)
}

impl<'a> Activity<'a> {
    pub(super) fn read_boots(&mut self) {
        let (catalog, hosts, boots) = (self.catalog, &mut self.hosts, &mut self.boots);
        for_each(catalog, facts::Boot, |row| {
            boots
                .entry(hosts.writer(row.host))
                .or_default()
                .push(row.time);
        });
        for times in boots.values_mut() {
            times.sort_unstable();
        }
    }

    /// Sessions in which another machine's account installed a service, registered a task, or wrote to an
    /// administrative share.
    fn acting_machines(&mut self) -> HashSet<(HostId, u64)> {
        let (catalog, hosts) = (self.catalog, &mut self.hosts);
        let mut acting = HashSet::new();
        let mut acts = |writer: &str, name: &str, id: u64| {
            let host = hosts.writer(writer);
            if name.ends_with('$') && !is_service_logon(id) && !hosts.is_account_of(name, host) {
                acting.insert((host, id));
            }
        };
        for_each(catalog, facts::ServiceAudit, |row| {
            acts(row.host, row.subject_user_name(), row.subject_logon_id());
        });
        for_each(catalog, facts::TaskAudit, |row| {
            if row.event_id != 4699 {
                acts(row.host, row.subject_user_name(), row.subject_logon_id());
            }
        });
        for_each(catalog, facts::ShareFile, |row| {
            // Write and append (Microsoft, event 5145); the names of Windows' own shares end with `$`, and so does that
            // of pipes.
            if row.subject_user_name().ends_with('$')
                && row.access_mask() & 0x6 != 0
                && row.share_name().ends_with('$')
                && !row.share_name().to_uppercase().ends_with("IPC$")
            {
                acts(row.host, row.subject_user_name(), row.subject_logon_id());
            }
        });
        acting
    }

    pub(super) fn read_sessions(&mut self) {
        let catalog = self.catalog;
        let acting = self.acting_machines();
        let (hosts, accounts, sessions) = (&mut self.hosts, &mut self.accounts, &mut self.sessions);
        // Reserve at once: a list that grows by doubling needs three times its size.
        sessions.reserve_exact(count(catalog, facts::Logon));
        for_each(catalog, facts::Logon, |row| {
            let logon_type = row.logon_type().unwrap_or(0);
            let logon_process = row.logon_process_name();
            let (sid, name) = (row.target_user_sid(), row.target_user_name());
            let account = accounts.get(sid, row.target_domain_name(), name);
            // Authz checks the rights of an account; nobody logs on.
            if logon_type == 0 || logon_process.eq_ignore_ascii_case("Authz") {
                return;
            }
            let kind = kind_of(name, sid);
            let quiet = matches!(kind, AccountKind::Machine | AccountKind::System)
                && (logon_type == 5
                    || logon_type == 3 && row.authentication_package_name() == "Kerberos");
            if quiet && (logon_type == 5 || kind == AccountKind::System) {
                return;
            }
            let host = hosts.writer(row.host);
            let workstation = row.workstation_name();
            let ip = address(row.ip_address());
            let mut source = hosts.place(row.ip_address(), host, row.time);
            let claimed = given(workstation)
                .filter(|name| address(name).is_none())
                .and_then(|name| hosts.find(name, host));
            if let (Some(ip), Some(claimed)) = (ip, claimed)
                && hosts.is_behind(claimed, ip, row.time)
            {
                source = Place::Host(claimed);
            }
            // Most logons are machines' logons with tickets. Nobody moves with them, unless somebody else has the
            // machine's key, or the session did something that machines do not do.
            if quiet
                && !matches!(source, Place::Host(src) if hosts.is_elsewhere(name, host, src))
                && !acting.contains(&(host, row.target_logon_id()))
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
                logon_id: row.target_logon_id(),
                linked: row.target_linked_logon_id(),
                time: row.time,
                end: OPEN,
                logon_type,
                account,
                kind,
                source,
                ip,
                port: row.ip_port(),
                package: Package::of(row.authentication_package_name()),
                by_seclogo: logon_process.eq_ignore_ascii_case("seclogo"),
                outbound: if logon_type == 9 {
                    accounts.get(
                        "",
                        row.target_outbound_domain_name(),
                        row.target_outbound_user_name(),
                    )
                } else {
                    None
                },
                elevated: false,
                // %%1842 is yes (Microsoft, event 4624).
                restricted: matches!(row.restricted_admin_mode(), "%%1842" | "Yes"),
                claimed,
                delegated: row.transmitted_services().is_some(),
                by_sshd: base_name(row.process_name()).eq_ignore_ascii_case("sshd.exe"),
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
        for_each(catalog, facts::Logoff, |row| {
            let host = hosts.writer(row.host);
            let logon = row.target_logon_id();
            if let Some(session) =
                find_session(sessions_by_id, sessions, boots, host, logon, row.time)
                    .and_then(|at| sessions.get_mut(at))
            {
                session.end = session.end.min(row.time);
            }
        });
        for_each(catalog, facts::SpecialPrivileges, |row| {
            accounts.get(
                row.subject_user_sid(),
                row.subject_domain_name(),
                row.subject_user_name(),
            );
            let host = hosts.writer(row.host);
            let logon = row.subject_logon_id();
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
        // More sessions than 32 bits can count do not fit into memory.
        let count = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        let sessions = &self.sessions;
        let of = |at: &u32| sessions.get(*at as usize);
        self.sessions_by_id = (0..count)
            .filter(|at| of(at).is_some_and(|one| !is_service_logon(one.logon_id)))
            .collect();
        self.sessions_by_id
            .sort_unstable_by_key(|at| (of(at).map(|one| (one.host, one.logon_id)), *at));
        let hosts = sessions.iter().map(|one| one.host);
        self.sessions_of_host = Grouped::new(hosts.zip(0..));
    }

    /// Indexes of a host's sessions, by time.
    fn places_of(&self, host: HostId) -> &[u32] {
        self.sessions_of_host.get(&host)
    }

    /// Sessions of which only processes are left, because the Security log was not kept, was cleared, or does not reach
    /// back far enough: Sysmon records their account and when they began (techniques §1.4 of its LogonGuid).
    pub(super) fn add_unlogged_sessions(&mut self) {
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

    /// Accounts used by programs rather than people: services log on with type 5.
    pub fn service_accounts(&self, canonical: &[AccountId]) -> HashSet<AccountId> {
        self.sessions
            .iter()
            .filter(|session| session.logon_type == 5 && session.kind == AccountKind::User)
            .filter_map(|session| session.account)
            .map(|id| canonical.get(id.place()).copied().unwrap_or(id))
            .collect()
    }

    /// The session of a LogonId on a host at a time.
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

    /// Where a session lies in [`sessions`](Self::sessions).
    pub fn session_at(&self, key: &SessionKey) -> Option<usize> {
        let order = |one: &Session| (one.time, one.host, one.logon_id);
        let own = (key.time, key.host, key.logon_id);
        let start = self.sessions.partition_point(|one| order(one) < own);
        let same = self.sessions.get(start..)?.iter();
        let mut same = same.take_while(|one| order(one) == own);
        same.position(|one| one.reference == key.reference)
            .map(|place| start + place)
    }

    /// The session with a key.
    pub fn session_of(&self, key: &SessionKey) -> Option<&Session> {
        self.sessions.get(self.session_at(key)?)
    }

    /// The key of a session at a place in [`sessions`](Self::sessions).
    pub fn session_key(&self, at: impl Into<Option<usize>>) -> Option<SessionKey> {
        self.sessions.get(at.into()?).map(Session::key)
    }

    /// Sessions of a host, by time.
    pub fn sessions_of(&self, host: HostId) -> impl DoubleEndedIterator<Item = (usize, &Session)> {
        self.places_of(host).iter().filter_map(|at| {
            let at = *at as usize;
            self.sessions.get(at).map(|session| (at, session))
        })
    }

    /// Sessions of a host that began within a span of time.
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

    /// The most recent remote session of an account on a host that is open at a time.
    pub fn open_remote_session(
        &self,
        host: HostId,
        account: AccountId,
        canonical: impl Fn(AccountId) -> AccountId,
        time: i64,
    ) -> Option<usize> {
        let (from, to) = (time - 24 * 3600 * SECOND, time + 2 * SECOND);
        let all = self.places_of(host);
        let end = all.partition_point(|at| {
            self.sessions
                .get(*at as usize)
                .is_some_and(|one| one.time <= to)
        });
        all.get(..end)
            .unwrap_or_default()
            .iter()
            .rev()
            .filter_map(|at| Some((*at as usize, self.sessions.get(*at as usize)?)))
            .take_while(|(_, one)| one.time >= from)
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
