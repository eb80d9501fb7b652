//! The ids of the hosts and accounts that events name.

use crabwalk_vocabulary::account::plain;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use crabwalk_activity::channel::is_of_a_host;
use crabwalk_events::Catalog;
use crabwalk_vocabulary::host_key;

use crate::document::{Case, Reference};

/// Names, addresses and references of a case.
pub(super) struct Index {
    /// Names, SIDs and ids in lower case → id; plain names shared by two accounts are not included.
    accounts: HashMap<String, String>,
    hosts: HashMap<String, String>,
    /// Addresses that one host had; those that several had at different times are not included.
    ips: HashMap<IpAddr, Option<String>>,
    /// All addresses that each host had.
    held: HashMap<String, HashSet<IpAddr>>,
    /// Source and record of the events of each hop → its index in the case.
    hop_of: HashMap<(u32, u64), usize>,
    /// Ids of hosts → names under which they wrote events.
    pub writers: BTreeMap<String, Vec<String>>,
}

pub(super) fn address(text: &str) -> Option<IpAddr> {
    let ip: IpAddr = text.parse().ok()?;
    let ip = match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    };
    (!ip.is_unspecified() && !ip.is_loopback()).then_some(ip)
}

impl Index {
    pub fn new(case: &Case) -> Self {
        let mut accounts: HashMap<String, String> = HashMap::new();
        let mut short: HashMap<String, Option<String>> = HashMap::new();
        // A name without a domain means the account that has it with a domain, if only one does.
        let with_domain: HashSet<String> = case
            .accounts
            .iter()
            .filter(|account| account.id.contains('\\') || account.sid.is_some())
            .flat_map(|account| account.names.iter().chain([&account.id]))
            .map(|name| plain(name).to_lowercase())
            .collect();
        let bare = |account: &&crate::document::Account| {
            account.sid.is_none() && !account.id.contains('\\') && with_domain.contains(&account.id)
        };
        for account in case.accounts.iter().filter(|account| !bare(account)) {
            let names = std::iter::once(&account.id)
                .chain(&account.names)
                .chain(&account.sid);
            for name in names {
                let name = name.to_lowercase();
                let own = plain(&name).to_owned();
                short
                    .entry(own)
                    .and_modify(|id| {
                        if id.as_deref() != Some(&account.id) {
                            *id = None;
                        }
                    })
                    .or_insert_with(|| Some(account.id.clone()));
                accounts.insert(name, account.id.clone());
            }
        }
        for (name, id) in short {
            if let Some(id) = id {
                accounts.entry(name).or_insert(id);
            }
        }
        for account in &case.accounts {
            // If several have it with a domain, it means none of them.
            accounts
                .entry(account.id.to_lowercase())
                .or_insert_with(|| account.id.clone());
        }
        let mut hosts = HashMap::new();
        let mut ips: HashMap<IpAddr, Option<String>> = HashMap::new();
        let mut held: HashMap<String, HashSet<IpAddr>> = HashMap::new();
        for host in &case.hosts {
            hosts.insert(host.id.to_lowercase(), host.id.clone());
            for name in &host.names {
                hosts
                    .entry(host_key(name))
                    .or_insert_with(|| host.id.clone());
            }
            for ip in host.ips.iter().filter_map(|ip| address(ip)) {
                held.entry(host.id.clone()).or_default().insert(ip);
                ips.entry(ip)
                    .and_modify(|id| *id = None)
                    .or_insert_with(|| Some(host.id.clone()));
            }
        }
        let mut hop_of = HashMap::new();
        for (at, hop) in case.hops.iter().enumerate() {
            for event in hop.witnesses.iter().flat_map(|one| &one.events) {
                hop_of.entry((event.source, event.record)).or_insert(at);
            }
        }
        let mut index = Self {
            accounts,
            hosts,
            ips,
            held,
            hop_of,
            writers: BTreeMap::new(),
        };
        for covered in &case.coverage {
            if !is_of_a_host(&covered.channel) {
                continue;
            }
            if let Some(id) = index.host(&covered.host) {
                let names = index.writers.entry(id).or_default();
                if !names.contains(&covered.host) {
                    names.push(covered.host.clone());
                }
            }
        }
        index
    }

    /// Id of the account with this name or SID.
    pub fn account(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        self.accounts
            .get(&name)
            .or_else(|| {
                // A domain has a short and a long name.
                let own = plain(&name);
                (own != name).then(|| self.accounts.get(own)).flatten()
            })
            .cloned()
    }

    /// Id of the host with this name or address.
    pub fn host(&self, name: &str) -> Option<String> {
        if let Some(ip) = address(name) {
            return self.ips.get(&ip).cloned().flatten();
        }
        self.hosts.get(&host_key(name)).cloned()
    }

    /// Whether an address is a host's.
    pub fn holds(&self, host: &str, ip: IpAddr) -> bool {
        self.held
            .get(host)
            .is_some_and(|addresses| addresses.contains(&ip))
    }

    /// The hop that an event belongs to.
    pub fn hop(&self, catalog: &dyn Catalog, references: &[u64]) -> Option<usize> {
        references.iter().find_map(|reference| {
            let event = catalog.resolve(*reference)?;
            self.hop_of.get(&(event.source, event.record)).copied()
        })
    }
}

/// The events behind references.
pub(super) fn events(catalog: &dyn Catalog, references: &[u64]) -> Vec<Reference> {
    references
        .iter()
        .filter_map(|reference| catalog.resolve(*reference))
        .map(|event| crate::build::reference(&event))
        .collect()
}
