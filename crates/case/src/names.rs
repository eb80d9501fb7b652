//! How hosts and accounts are called where people read of them.

use std::collections::HashMap;

use crabwalk_vocabulary::is_address;

use crate::document::{Account, Case, Host};

/// Names of the hosts and accounts of a case.
#[derive(Debug)]
pub struct Names<'c> {
    hosts: HashMap<&'c str, &'c Host>,
    accounts: HashMap<&'c str, &'c Account>,
}

impl<'c> Names<'c> {
    /// The names of a case.
    pub fn new(case: &'c Case) -> Self {
        Self {
            hosts: case
                .hosts
                .iter()
                .map(|host| (host.id.as_str(), host))
                .collect(),
            accounts: case
                .accounts
                .iter()
                .map(|account| (account.id.as_str(), account))
                .collect(),
        }
    }

    /// A host without its domain; an id that the case does not explain is the name.
    pub fn host<'n>(&self, id: &'n str) -> &'n str
    where
        'c: 'n,
    {
        let Some(host) = self.hosts.get(id) else {
            return id;
        };
        let name = host
            .names
            .iter()
            .find(|name| !is_address(name))
            .or_else(|| host.names.first())
            .or_else(|| host.ips.first())
            .map_or(id, String::as_str);
        if is_address(name) {
            name
        } else {
            name.split('.').next().unwrap_or(name)
        }
    }

    /// The source of a hop, which may be unknown.
    pub fn source<'n>(&self, id: Option<&'n str>) -> &'n str
    where
        'c: 'n,
    {
        id.map_or("unknown source", |id| self.host(id))
    }

    /// An account, as `DOMAIN\name` where the short name of the domain is known.
    pub fn account<'n>(&self, id: &'n str) -> &'n str
    where
        'c: 'n,
    {
        self.accounts.get(id).map_or(id, |account| account.name())
    }

    /// The host with this id.
    pub fn host_info(&self, id: &str) -> Option<&'c Host> {
        self.hosts.get(id).copied()
    }

    /// The account with this id.
    pub fn account_info(&self, id: &str) -> Option<&'c Account> {
        self.accounts.get(id).copied()
    }
}
