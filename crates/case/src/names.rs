//! Display names of hosts and accounts: decided once, here, written into the document, and read from it everywhere
//! else.

use std::collections::HashMap;

use crabwalk_movement::{Sentence, Word};
use crabwalk_vocabulary::is_address;

use crate::document::{Account, Case, Host};

/// Names of a case's hosts and accounts.
#[derive(Debug)]
pub struct Names<'c> {
    hosts: HashMap<&'c str, &'c Host>,
    accounts: HashMap<&'c str, &'c Account>,
}

/// The name of a host, without its domain: if there are several, the one that its id derives from, or else the
/// shortest. A host without a name goes by its address.
pub(crate) fn of_host(id: &str, names: &[String], ips: &[String]) -> String {
    names
        .iter()
        .filter(|name| !is_address(name))
        .filter_map(|name| name.split('.').next())
        .filter(|name| !name.is_empty())
        .min_by_key(|name| (!name.eq_ignore_ascii_case(id), name.len(), *name))
        .or_else(|| names.iter().chain(ips).map(String::as_str).next())
        .unwrap_or(id)
        .to_owned()
}

/// The name of an account: `DOMAIN\name` if the short name of the domain is known, or else with the long one, or else
/// alone; an account without a name goes by its SID.
pub(crate) fn of_account(id: &str, names: &[String], sid: Option<&str>) -> String {
    let rank = |name: &str| match name.split_once('\\') {
        Some((domain, _)) => usize::from(domain.contains('.')),
        None => 2,
    };
    names
        .iter()
        .map(String::as_str)
        .min_by_key(|name| (rank(name), *name))
        .or(sid)
        .unwrap_or(id)
        .to_owned()
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

    /// The name of the host with this id; an id that the case does not have is the name.
    pub fn host<'n>(&self, id: &'n str) -> &'n str
    where
        'c: 'n,
    {
        self.hosts.get(id).map_or(id, |host| host.name.as_str())
    }

    /// The source of a hop, which may be unknown.
    pub fn source<'n>(&self, id: Option<&'n str>) -> &'n str
    where
        'c: 'n,
    {
        id.map_or("unknown source", |id| self.host(id))
    }

    /// The name of the account with this id; an id that the case does not have is the name.
    pub fn account<'n>(&self, id: &'n str) -> &'n str
    where
        'c: 'n,
    {
        self.accounts
            .get(id)
            .map_or(id, |account| account.name.as_str())
    }

    /// A sentence with the names of its hosts and accounts.
    pub fn sentence(&self, sentence: &Sentence) -> String {
        match sentence {
            Sentence::Plain(text) => text.clone(),
            Sentence::Named(words) => words
                .iter()
                .map(|word| match word {
                    Word::Text(text) => text.as_str(),
                    Word::Host(id) => self.host(id),
                    Word::Account(id) => self.account(id),
                })
                .collect(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    #[test]
    fn a_host_is_called_by_one_short_name() {
        for (id, names, ips, name) in [
            ("ws5", &["WS5.corp.example", "ws5"][..], &[][..], "WS5"),
            ("ws5", &["WS5", "FILES", "WS5.corp.example"], &[], "WS5"),
            ("srv7", &["srv7.corp.example"], &["10.0.0.7"], "srv7"),
            // Only an alias, of a host without its own name.
            ("10.0.0.7", &["backup-gate", "gate"], &["10.0.0.7"], "gate"),
            ("10.0.0.7", &["10.0.0.7"], &["10.0.0.7"], "10.0.0.7"),
            ("10.0.0.7", &[], &["10.0.0.7"], "10.0.0.7"),
            ("ws5", &[], &[], "ws5"),
        ] {
            assert_eq!(of_host(id, &texts(names), &texts(ips)), name, "{names:?}");
        }
    }

    #[test]
    fn an_account_is_called_by_the_short_name_of_its_domain() {
        for (names, sid, name) in [
            (
                &["CORP.EXAMPLE\\ann", "CORP\\ann", "ann"][..],
                None,
                "CORP\\ann",
            ),
            (&["ann", "CORP.EXAMPLE\\ann"], None, "CORP.EXAMPLE\\ann"),
            (&["ann"], Some("S-1-5-21-1"), "ann"),
            (&[], Some("S-1-5-21-1"), "S-1-5-21-1"),
            (&[], None, "id"),
        ] {
            assert_eq!(of_account("id", &texts(names), sid), name, "{names:?}");
        }
    }
}
