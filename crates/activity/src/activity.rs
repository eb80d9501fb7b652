//! Everything that the logs tell, joined.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::channel::{SECURITY, is_of_a_host};
use crate::connections::Connection;
use crate::identity::{Accounts, HostId, Hosts};
use crate::processes::Process;
use crate::row::{Log, Row, for_each};
use crate::sessions::Session;

/// Everything that the logs of one run tell, joined: hosts, accounts, sessions, connections and processes.
pub struct Activity<'a> {
    /// The events.
    pub catalog: Log<'a>,
    /// Machines under all their names.
    pub hosts: Hosts,
    /// Accounts under all their names.
    pub accounts: Accounts,
    /// By time.
    pub sessions: Vec<Session>,
    /// Places in `sessions`, by host, LogonId and time.
    pub(crate) sessions_by_id: Vec<u32>,
    /// Places in `sessions`, by host and time; where each host's begin.
    pub(crate) sessions_by_host: Vec<u32>,
    pub(crate) sessions_of_host: HashMap<HostId, std::ops::Range<usize>>,
    /// By time.
    pub connections: Vec<Connection<'a>>,
    pub(crate) by_client: HashMap<(IpAddr, u16), Vec<usize>>,
    pub(crate) inbound: HashMap<HostId, Vec<usize>>,
    /// Connections of each process of the remote desktop client.
    pub(crate) by_process: HashMap<&'a str, Vec<usize>>,
    /// By time.
    pub processes: Vec<Process<'a>>,
    pub(crate) by_guid: HashMap<&'a str, usize>,
    pub(crate) by_pid: HashMap<(HostId, u64), Vec<usize>>,
    /// What each process started.
    pub(crate) children: HashMap<usize, Vec<usize>>,
    /// Processes of each host by time.
    pub(crate) processes_of_host: HashMap<HostId, Vec<usize>>,
    pub(crate) boots: HashMap<HostId, Vec<i64>>,
    /// Addresses that hosts' own connection logs show to be theirs.
    pub(crate) own_addresses: HashSet<(HostId, IpAddr)>,
}

impl<'a> Activity<'a> {
    /// Reads what the logs hold.
    pub fn new(catalog: Log<'a>) -> Self {
        let mut all = Self {
            catalog,
            hosts: Hosts::default(),
            accounts: Accounts::default(),
            sessions: Vec::new(),
            sessions_by_id: Vec::new(),
            sessions_by_host: Vec::new(),
            sessions_of_host: HashMap::new(),
            connections: Vec::new(),
            by_client: HashMap::new(),
            inbound: HashMap::new(),
            by_process: HashMap::new(),
            processes: Vec::new(),
            by_guid: HashMap::new(),
            by_pid: HashMap::new(),
            children: HashMap::new(),
            processes_of_host: HashMap::new(),
            boots: HashMap::new(),
            own_addresses: HashSet::new(),
        };
        for covered in catalog.catalog.coverage() {
            if is_of_a_host(&covered.channel) && !covered.host.is_empty() {
                all.hosts.writer(&covered.host);
            }
        }
        // Each way of learning asks what the surer ones before it found.
        all.learn_addresses();
        all.hosts.settle();
        all.learn_served_addresses();
        all.hosts.settle();
        all.learn_joined_addresses();
        all.hosts.settle();
        all.read_boots();
        all.read_accounts();
        all.read_sessions();
        all.read_connections();
        all.read_processes();
        all.add_unlogged_sessions();
        all
    }

    /// Meets accounts that only domain controllers name, before any account is taken for another.
    fn read_accounts(&mut self) {
        for id in [4768_u32, 4769] {
            for_each(self.catalog, SECURITY, id, |row| {
                self.accounts.get(
                    row.get("TargetSid"),
                    row.get("TargetDomainName"),
                    row.get("TargetUserName"),
                );
            });
        }
        for_each(self.catalog, SECURITY, 4776, |row| {
            self.accounts.of_text(row.get("TargetUserName"));
        });
    }

    /// The host that wrote an event.
    pub fn writer(&mut self, row: &Row<'a, '_>) -> HostId {
        self.hosts.writer(row.host)
    }

    /// Whether the account `domain\\name` is of one machine only: its domain is the machine's name.
    pub fn is_local(&self, key: &str) -> bool {
        key.split_once('\\')
            .is_some_and(|(domain, _)| self.hosts.is_name(domain))
    }
}
