//! Everything the logs show, joined together.
//!
//! The kinds of things are defined in the crate's `sessions`, `connections` and `processes`; the modules of the same
//! names here read them from the logs and answer questions about them.

mod addresses;
mod claims;
mod connections;
mod processes;
mod relations;
mod sessions;

use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use crate::channel::is_of_a_host;
use crate::connections::Connection;
use crate::facts;
use crate::grouped::Grouped;
use crate::identity::{AccountId, Accounts, HostId, Hosts};
use crate::kerberos::service_of;
use crate::processes::Process;
use crate::row::{Log, Row, for_each};
use crate::sessions::Session;
pub use relations::{Relations, Span};

/// Everything that one run's logs show, joined together: hosts, accounts, sessions, connections and processes.
pub struct Activity<'a> {
    /// The events that all of this comes from.
    pub catalog: Log<'a>,
    /// Machines with all their names.
    pub hosts: Hosts,
    /// Accounts with all their names.
    pub accounts: Accounts,
    /// All sessions, earliest first.
    pub sessions: Vec<Session>,
    /// Indexes into `sessions`, by host, LogonId and time.
    sessions_by_id: Vec<u32>,
    sessions_of_host: Grouped<HostId>,
    /// All connections, earliest first.
    pub connections: Vec<Connection<'a>>,
    by_client: Grouped<(IpAddr, u16)>,
    inbound: Grouped<HostId>,
    /// Connections of each process of the remote desktop client.
    by_process: Grouped<&'a str>,
    /// All processes, by start time.
    pub processes: Vec<Process<'a>>,
    by_guid: HashMap<&'a str, usize>,
    by_pid: Grouped<(HostId, u64)>,
    /// The children of each process.
    children: Grouped<usize>,
    /// Processes of each host by time.
    processes_of_host: Grouped<HostId>,
    boots: HashMap<HostId, Vec<i64>>,
    /// Addresses that hosts' own connection logs prove to be theirs.
    own_addresses: HashSet<(HostId, IpAddr)>,
}

/// Half of an [`Activity`]: machines with their addresses, and connections. That is enough to compare clocks, which
/// decides how all times are read.
pub struct Ends<'a>(pub(crate) Activity<'a>);

impl<'a> Ends<'a> {
    /// Reads the logs.
    pub fn read(catalog: Log<'a>) -> Self {
        let mut all = Activity {
            catalog,
            hosts: Hosts::default(),
            accounts: Accounts::default(),
            sessions: Vec::new(),
            sessions_by_id: Vec::new(),
            sessions_of_host: Grouped::default(),
            connections: Vec::new(),
            by_client: Grouped::default(),
            inbound: Grouped::default(),
            by_process: Grouped::default(),
            processes: Vec::new(),
            by_guid: HashMap::new(),
            by_pid: Grouped::default(),
            children: Grouped::default(),
            processes_of_host: Grouped::default(),
            boots: HashMap::new(),
            own_addresses: HashSet::new(),
        };
        let writers = || {
            let covered = catalog.catalog.coverage().iter();
            covered
                .filter(|one| is_of_a_host(&one.channel) && !one.host.is_empty())
                .map(|one| one.host.as_str())
        };
        all.hosts.meet_writers(writers());
        all.meet_names();
        for name in writers() {
            all.hosts.writer(name);
        }
        // Each way of learning relies on the results of the more certain ones before it.
        all.learn_addresses();
        all.hosts.settle();
        all.learn_machine_addresses();
        all.hosts.settle();
        all.learn_served_addresses();
        all.hosts.settle();
        all.learn_joined_addresses();
        all.hosts.settle();
        all.learn_asked_addresses();
        all.hosts.settle();
        all.accounts.machines(all.hosts.short_names());
        all.learn_domains();
        all.read_boots();
        all.read_accounts();
        all.read_connections();
        Self(all)
    }

    /// Reads the rest.
    pub fn complete(self) -> Activity<'a> {
        let mut all = self.0;
        all.read_sessions();
        all.read_processes();
        all.add_unlogged_sessions();
        all
    }
}

impl<'a> Activity<'a> {
    /// Interns accounts that only domain controllers name, before any account is taken for another.
    fn read_accounts(&mut self) {
        for_each(self.catalog, facts::TicketRequest, |row| {
            self.accounts.get(
                row.target_sid(),
                row.target_domain_name(),
                row.target_user_name(),
            );
        });
        for_each(self.catalog, facts::NtlmValidation, |row| {
            self.accounts.of_text(row.target_user_name());
        });
    }

    /// Interns names that may be longer than NetBIOS allows, as people, DNS and Kerberos write them.
    fn meet_names(&mut self) {
        let (catalog, hosts) = (self.catalog, &mut self.hosts);
        for_each(catalog, facts::ExplicitCredentials, |row| {
            hosts.meet(row.target_server_name());
        });
        for_each(catalog, facts::SysmonConnection, |row| {
            hosts.meet(row.source_hostname());
            hosts.meet(row.destination_hostname());
        });
        for_each(catalog, facts::DnsQuery, |row| hosts.meet(row.query_name()));
        for_each(catalog, facts::WinRmSession, |row| {
            let connection = row.connection();
            hosts.meet(connection.split(['/', ':']).next().unwrap_or(connection));
        });
        for_each(catalog, facts::DesktopClient, |row| hosts.meet(row.value()));
        for_each(catalog, facts::GatewayConnection, |row| {
            hosts.meet(row.resource())
        });
        for_each(catalog, facts::WmiFailure, |row| {
            hosts.meet(row.client_machine())
        });
        for_each(catalog, facts::ZeekKerberos, |row| {
            if let Some((_, name)) = service_of(row.service()) {
                hosts.meet(name);
            }
        });
        for_each(catalog, facts::ZeekDns, |row| hosts.meet(row.query()));
        for_each(catalog, facts::ZeekShare, |row| {
            let path = row.path().trim_start_matches('\\');
            hosts.meet(path.split('\\').next().unwrap_or(path));
        });
    }

    /// Learns the NetBIOS name of each DNS domain. Its members write both: the DNS name in their own names, the NetBIOS
    /// name in their accounts'.
    fn learn_domains(&mut self) {
        let (catalog, hosts, accounts) = (self.catalog, &self.hosts, &mut self.accounts);
        let mut met: HashSet<(&str, &str)> = HashSet::new();
        for_each(catalog, facts::OwnAccount, |row| {
            let (name, domain) = (row.subject_user_name(), row.subject_domain_name());
            if let Some((_, dotted)) = row.host.split_once('.')
                && name.ends_with('$')
                && !met.contains(&(row.host, domain))
                && hosts
                    .known(row.host)
                    .is_some_and(|host| hosts.is_account_of(name, host))
            {
                accounts.member(domain, dotted.trim_end_matches('.'));
                met.insert((row.host, domain));
            }
        });
    }

    /// The account of a name given at, or for, a machine without a domain: the machine's own account, if it is known to
    /// have one of that name.
    pub fn account_at(&mut self, host: HostId, name: &str) -> Option<AccountId> {
        let known = self.account_of(host, name);
        known.or_else(|| self.accounts.of_text(name))
    }

    fn account_of(&self, host: HostId, name: &str) -> Option<AccountId> {
        let key = self.hosts.key(host);
        let machine = key.split('.').next().unwrap_or(key);
        self.accounts.of_machine(machine, name)
    }

    /// The account of a name that somebody typed for a machine: the machine's own account, if it is known to have one
    /// of that name.
    pub fn claimed_at(&mut self, host: HostId, name: &str) -> Option<AccountId> {
        let known = self.account_of(host, name);
        known.or_else(|| self.accounts.claimed(name))
    }

    /// Whether a machine account, `HOST$`, came from `src`, which is known not to be that machine.
    pub fn is_elsewhere(&self, name: &str, host: HostId, src: HostId) -> bool {
        self.hosts.is_elsewhere(name, host, src)
    }

    /// The host that wrote an event.
    pub fn writer<F>(&mut self, row: &Row<'a, '_, F>) -> HostId {
        self.hosts.writer(row.host)
    }

    /// Whether the account `domain\\name` is local to one machine: its domain is the machine's name.
    pub fn is_local(&self, key: &str) -> bool {
        key.split_once('\\')
            .is_some_and(|(domain, _)| self.hosts.is_name(domain))
    }
}
