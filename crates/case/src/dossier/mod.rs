//! Dossiers: what happened on a host or with an account, what is affected, and what to do.
//!
//! [`crabwalk_activity::demand`] lists what must be decoded for them; [`Case::new`] reads it, but
//! only for the hosts and accounts on the paths of a case, and for requested ones.

mod account;
mod document;
mod host;
mod index;
mod program;
mod scope;
mod tables;

use crabwalk_activity::Relations;
use crabwalk_events::{Catalog, CatalogError};
use crabwalk_vocabulary::account::kind_of;
use crabwalk_vocabulary::time::{self, HOUR};

pub use document::*;

use crate::document::{Account, Case, Host};
use crate::names;
use index::Index;
use tables::Tables;

/// Number of dossiers of hosts and of accounts that are made by default.
const MOST_DOSSIERS: usize = 40;
/// The time around its hops that a host's dossier covers.
const BEFORE: i64 = 2 * HOUR;
const AFTER: i64 = 24 * HOUR;

/// Additionally requested dossiers.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Names or addresses of hosts: their dossiers cover the whole time.
    pub hosts: Vec<String>,
    /// Names or SIDs of accounts.
    pub accounts: Vec<String>,
}

fn exposed(one: &crabwalk_movement::Exposed) -> Exposed {
    Exposed {
        host: one.host.clone(),
        first: time::text(one.first),
        last: one.last.and_then(time::text),
        how: scope::exposure(one),
        to: one.to.clone(),
    }
}

impl Case {
    /// Adds the scope, dossiers, silenced findings, and a summary. The catalog and relations are those that the
    /// movements of this case were found with.
    ///
    /// # Errors
    /// If events cannot be read.
    pub(crate) fn add_dossiers(
        &mut self,
        catalog: &dyn Catalog,
        relations: &Relations,
        asked: &Asked,
    ) -> Result<(), CatalogError> {
        let tables = Tables::read(catalog)?;
        for name in &asked.accounts {
            self.know_account(name);
        }
        let index = Index::new(self);
        let asked_hosts: Vec<String> = asked
            .hosts
            .iter()
            .filter_map(|name| index.host(name))
            .collect();
        let asked_accounts: Vec<String> = asked
            .accounts
            .iter()
            .filter_map(|name| index.account(name))
            .collect();
        let mut scope = scope::touched(self);
        let begin = self.verdict.scope.entry.as_ref().map(|entry| entry.time);

        let wanted = self.windows(&index, &asked_hosts);
        let hosts = host::dossiers(&tables, relations, self, &index, &wanted);
        scope.entry = scope::entry(self, &hosts);

        let mut accounts: Vec<String> = scope
            .accounts
            .iter()
            .map(|one| one.account.clone())
            .take(MOST_DOSSIERS)
            .collect();
        for id in asked_accounts {
            if !accounts.contains(&id) {
                accounts.push(id);
            }
        }
        let mut accounts = account::dossiers(&tables, self, &index, &accounts, begin);
        for dossier in &mut accounts {
            let taken = &self.verdict.scope.accounts;
            if let Some(taken) = taken.iter().find(|one| one.account == dossier.account) {
                dossier.reset = true;
                dossier.exposed = taken.exposed.iter().map(exposed).collect();
            }
        }
        self.dossiers = Dossiers { hosts, accounts };
        self.scope = scope;
        self.silenced = self.silenced_findings();
        self.summary = scope::sentences(self);
        Ok(())
    }

    /// Adds an account that events name but that took part in no movement.
    fn know_account(&mut self, name: &str) {
        let name = name.trim();
        if name.is_empty() || Index::new(self).account(name).is_some() {
            return;
        }
        let sid = name
            .to_uppercase()
            .starts_with("S-1-")
            .then(|| name.to_uppercase());
        let id = name.to_lowercase();
        let names = match (&sid, name.split_once('\\')) {
            (Some(_), _) => Vec::new(),
            // The short name of a domain is written in capitals.
            (None, Some((domain, user))) if !domain.contains('.') => {
                vec![format!("{}\\{user}", domain.to_uppercase())]
            }
            _ => vec![name.to_owned()],
        };
        let kind = kind_of(name, sid.as_deref().unwrap_or_default()).into();
        self.accounts.push(Account {
            name: names::of_account(&id, &names, sid.as_deref()),
            id,
            names,
            sid,
            kind,
            risk: 0,
        });
        self.accounts.sort_by(|a, b| a.id.cmp(&b.id));
    }

    /// The hosts to look at, and the time spans.
    fn windows(&self, index: &Index, asked: &[String]) -> Vec<(String, (i64, i64))> {
        let mut all: Vec<(String, (i64, i64))> = self
            .verdict
            .scope
            .hosts
            .iter()
            .filter(|one| index.writers.contains_key(&one.host))
            .map(|one| (one.host.clone(), (one.span.0 - BEFORE, one.span.1 + AFTER)))
            .take(MOST_DOSSIERS)
            .collect();
        for id in asked {
            match all.iter_mut().find(|(own, _)| own == id) {
                Some((_, span)) => *span = (i64::MIN, i64::MAX),
                None => all.push((id.clone(), (i64::MIN, i64::MAX))),
            }
        }
        for (id, span) in &mut all {
            let names = index.writers.get(id);
            let own = self
                .coverage
                .iter()
                .filter(|own| names.is_some_and(|names| names.contains(&own.host)));
            let first = own
                .clone()
                .filter_map(|own| time::parse(own.first.as_deref()?))
                .min();
            let last = own
                .filter_map(|own| time::parse(own.last.as_deref()?))
                .max();
            if let (Some(first), Some(last)) = (first, last) {
                *span = (span.0.max(first), span.1.min(last));
            }
        }
        all
    }

    fn silenced_findings(&self) -> Vec<Silenced> {
        let mut all: Vec<Silenced> = Vec::new();
        for finding in &self.findings {
            let Some(by) = &finding.suppressed else {
                continue;
            };
            let exception = by.exception.clone().unwrap_or_else(|| by.by.clone());
            let who = by.exception.is_some().then(|| by.by.clone());
            let why = Some(by.reason.clone());
            match all.iter_mut().find(|one| {
                one.exception == exception
                    && one.who == who
                    && one.why == why
                    && one.until == by.until
            }) {
                Some(one) => one.findings.push(finding.id.clone()),
                None => all.push(Silenced {
                    exception,
                    who,
                    why,
                    until: by.until.clone(),
                    findings: vec![finding.id.clone()],
                }),
            }
        }
        all
    }

    /// The host that a name or address means.
    pub fn find_host(&self, name: &str) -> Option<&Host> {
        let id = Index::new(self).host(name)?;
        self.hosts.iter().find(|host| host.id == id)
    }

    /// The account that a name or SID means.
    pub fn find_account(&self, name: &str) -> Option<&Account> {
        let id = Index::new(self).account(name)?;
        self.accounts.iter().find(|account| account.id == id)
    }
}
