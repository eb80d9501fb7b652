//! What happened with accounts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crabwalk_activity::channel::SECURITY;
use crabwalk_activity::facts::{AccountChange, LogonAttempt};
use crabwalk_activity::{Row, qualified};
use crabwalk_vocabulary::host_key;
use crabwalk_vocabulary::time::{self, DAY};

use super::document::*;
use super::host::change;
use super::index::{Index, address, events};
use super::tables::Tables;
use crate::document::Case;
use crate::event_names::logon_type;

/// Maximum number of logons to list per account, by host and source; with more, the newest are kept.
const MOST: usize = 500;
/// Maximum number of sentences about what is new.
const MOST_NEW: usize = 20;

#[derive(Default)]
struct Group {
    types: BTreeSet<u32>,
    first: i64,
    last: i64,
    count: u64,
    failures: u64,
}

impl Group {
    fn add(&mut self, row: &Row<'_, '_, LogonAttempt>) {
        if self.count + self.failures == 0 {
            (self.first, self.last) = (row.time, row.time);
        }
        self.first = self.first.min(row.time);
        self.last = self.last.max(row.time);
        self.types.extend(row.logon_type().map(u32::from));
        if row.event_id == 4625 {
            self.failures += 1;
        } else {
            self.count += 1;
        }
    }
}

/// Host, source host, address.
type Key = (String, Option<String>, Option<String>);

/// Reads what accounts did and what was done to them.
struct Reading<'t, 'c> {
    tables: &'t Tables<'t>,
    case: &'c Case,
    index: &'c Index,
    /// Places of the accounts, by id.
    meant: HashMap<&'c str, usize>,
}

/// Builds dossiers of accounts. `begin` is when the intrusion began, in microseconds since 1970-01-01 UTC.
pub(super) fn dossiers(
    tables: &Tables<'_>,
    case: &Case,
    index: &Index,
    wanted: &[String],
    begin: Option<i64>,
) -> Vec<AccountDossier> {
    let meant: HashMap<&str, usize> = wanted
        .iter()
        .enumerate()
        .map(|(at, id)| (id.as_str(), at))
        .collect();
    if meant.is_empty() {
        return Vec::new();
    }
    let reading = Reading {
        tables,
        case,
        index,
        meant,
    };
    let groups = reading.logons(wanted.len());
    let changes = reading.changes(wanted.len());
    let since = logged_since(case, index);
    let is_new = |host: &str, first: i64| {
        begin.is_some_and(|begin| {
            first >= begin && since.get(host).is_some_and(|since| *since <= begin - DAY)
        })
    };
    wanted
        .iter()
        .zip(groups)
        .zip(changes)
        .map(|((id, groups), changes)| dossier(id, groups, changes, &is_new))
        .collect()
}

impl Reading<'_, '_> {
    /// The logons of each account.
    fn logons(&self, accounts: usize) -> Vec<BTreeMap<Key, Group>> {
        let Self { index, .. } = self;
        let mut groups: Vec<BTreeMap<Key, Group>> = Vec::new();
        groups.resize_with(accounts, BTreeMap::new);
        let catalog = self.tables.catalog();
        // Names are resolved once, not for each of their events.
        let mut known: HashMap<String, Option<usize>> = HashMap::new();
        let mut hosts: HashMap<String, String> = HashMap::new();
        self.tables.each(LogonAttempt, |row| {
            let Some(name) = qualified(row.target_domain_name(), row.target_user_name()) else {
                return;
            };
            let at = *known.entry(name).or_insert_with_key(|name| {
                index
                    .account(name)
                    .or_else(|| index.account(row.target_user_sid()))
                    .and_then(|id| self.meant.get(id.as_str()).copied())
            });
            let Some(own) = at.and_then(|at| groups.get_mut(at)) else {
                return;
            };
            let ip = address(row.ip_address()).map(|ip| ip.to_string());
            // If several hosts had an address, the movement knows whose it was at the time.
            let from = index
                .hop(catalog, &[row.reference])
                .and_then(|at| self.case.hops.get(at)?.src.clone())
                .or_else(|| ip.as_deref().and_then(|ip| index.host(ip)));
            let host = hosts
                .entry(row.host.to_owned())
                .or_insert_with_key(|name| index.host(name).unwrap_or_else(|| host_key(name)))
                .clone();
            own.entry((host, from, ip)).or_default().add(row);
        });
        groups
    }

    /// What was done to each account, with the time.
    fn changes(&self, accounts: usize) -> Vec<Vec<(i64, Change)>> {
        let mut changes: Vec<Vec<(i64, Change)>> = vec![Vec::new(); accounts];
        let catalog = self.tables.catalog();
        self.tables.each(AccountChange, |row| {
            let change = change(row);
            let names = [
                change.account.as_deref(),
                row.target_sid(),
                row.member_sid(),
            ];
            let Some(own) = names
                .into_iter()
                .flatten()
                .filter_map(|name| self.index.account(name))
                .find_map(|id| self.meant.get(id.as_str()).copied())
                .and_then(|at| changes.get_mut(at))
            else {
                return;
            };
            let entry = Change {
                time: time::text(row.time),
                what: change.what,
                by: change.by,
                events: events(catalog, &[row.reference]),
            };
            own.push((row.time, entry));
        });
        changes
    }
}

/// The start of each host's Security log.
fn logged_since(case: &Case, index: &Index) -> HashMap<String, i64> {
    let mut since: HashMap<String, i64> = HashMap::new();
    for covered in &case.coverage {
        if covered.channel.eq_ignore_ascii_case(SECURITY)
            && let Some(first) = covered.first.as_deref().and_then(time::parse)
            && let Some(id) = index.host(&covered.host)
        {
            since
                .entry(id)
                .and_modify(|own| *own = (*own).min(first))
                .or_insert(first);
        }
    }
    since
}

/// The dossier of one account. `is_new` tells whether logons to a host that began at a time began with the intrusion.
fn dossier(
    account: &str,
    groups: BTreeMap<Key, Group>,
    mut changes: Vec<(i64, Change)>,
    is_new: &dyn Fn(&str, i64) -> bool,
) -> AccountDossier {
    changes.sort_by_key(|(at, _)| *at);
    let mut logons: Vec<(i64, Logons)> = groups
        .into_iter()
        .map(|((host, from, address), group)| {
            let entry = Logons {
                new: is_new(&host, group.first),
                host,
                from,
                address,
                types: group.types.into_iter().collect(),
                first: time::text(group.first),
                last: time::text(group.last),
                count: group.count,
                failures: group.failures,
            };
            (group.first, entry)
        })
        .collect();
    logons.sort_by_key(|(first, _)| *first);
    let left_out = logons.len().saturating_sub(MOST);
    logons.drain(..left_out);
    let new = news(&logons);
    AccountDossier {
        account: account.to_owned(),
        logons: logons.into_iter().map(|(_, entry)| entry).collect(),
        new,
        changes: changes.into_iter().map(|(_, entry)| entry).collect(),
        left_out: left_out as u64,
        ..AccountDossier::default()
    }
}

fn news(logons: &[(i64, Logons)]) -> Vec<String> {
    let all: Vec<String> = logons
        .iter()
        .filter(|(_, one)| one.new)
        .map(|(_, one)| {
            let from = one
                .from
                .as_deref()
                .or(one.address.as_deref())
                .map_or_else(String::new, |from| format!(" from {from}"));
            let how: Vec<&str> = one.types.iter().map(|kind| logon_type(*kind)).collect();
            let tried = if one.count == 0 {
                "first try"
            } else {
                "first logon"
            };
            format!(
                "{tried} to {}{from}: {} ({})",
                one.host,
                one.first.as_deref().unwrap_or("?"),
                how.join(", ")
            )
        })
        .collect();
    let more = all.len().saturating_sub(MOST_NEW);
    let mut all: Vec<String> = all.into_iter().take(MOST_NEW).collect();
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all
}
