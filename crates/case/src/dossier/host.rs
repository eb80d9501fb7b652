//! What happened on hosts: [`record`] has what each kind of record adds, [`finish`] what is made of all.

mod finish;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crabwalk_activity::channel::SECURITY;
use crabwalk_activity::facts::{self, Fact};
use crabwalk_activity::{Relations, Row, qualified};
use crabwalk_vocabulary::host_key;

use super::document::*;
use super::index::Index;
use super::program::Rarity;
use super::tables::Tables;
use crate::document::{Case, Reference};
use crate::event_names::event_name;

const SECOND: i64 = 1_000_000;
/// Two logs record the same act at times that differ by less than this.
const SAME: i64 = 5 * SECOND;
/// Maximum entries per list; with more, those closest to movements are kept.
const MOST: usize = 2_000;
/// Maximum entries per list while events are being read.
const MOST_HELD: usize = 40_000;
/// Maximum processes per host.
const MOST_PROCESSES: usize = 200_000;
/// How far back to look for an entry that another log also records.
const LOOK_BACK: usize = 200;

/// An entry before its events are resolved.
struct Draft<T> {
    at: i64,
    references: Vec<u64>,
    hop: Option<usize>,
    /// LogonId of the session that did it; 0 for none.
    session: u64,
    /// Reference of the event that shows that session.
    opened_by: Option<u64>,
    value: T,
}

impl<T> Draft<T> {
    fn new<F>(row: &Row<'_, '_, F>, value: T) -> Self {
        Self {
            at: row.time,
            references: vec![row.reference],
            hop: None,
            session: 0,
            opened_by: None,
            value,
        }
    }

    /// In the session with a LogonId, according to a row.
    fn in_session<F>(mut self, id: u64, row: &Row<'_, '_, F>, relations: &Relations) -> Self {
        self.session = id;
        let span = relations.session(row.host, id, row.time);
        self.opened_by = span.map(|span| span.reference);
        self
    }
}

/// What every entry has.
trait Entry {
    fn put(&mut self, at: Option<String>, hop: Option<String>, events: Vec<Reference>);
}

macro_rules! entries {
    ($($kind:ty),*) => {
        $(impl Entry for $kind {
            fn put(&mut self, at: Option<String>, hop: Option<String>, events: Vec<Reference>) {
                self.time = at;
                self.hop = hop;
                self.events = events;
            }
        })*
    };
}
entries!(
    Authentication,
    Process,
    ServiceEntry,
    TaskEntry,
    WmiEntry,
    RunKey,
    FileEntry,
    Connection,
    AccountChange
);

#[derive(Default)]
struct Found {
    parent_image: String,
    /// No signature was found, and whether the file may have been gone before the check.
    unsigned: Option<bool>,
    process: Process,
}

/// The data collected about one host.
struct Gathered<'r> {
    id: String,
    relations: &'r Relations,
    window: (i64, i64),
    authentication: Vec<Draft<Authentication>>,
    processes: Vec<Draft<Found>>,
    by_guid: HashMap<String, usize>,
    by_pid: HashMap<u64, Vec<usize>>,
    services: Vec<Draft<ServiceEntry>>,
    tasks: Vec<Draft<TaskEntry>>,
    wmi: Vec<Draft<WmiEntry>>,
    run_keys: Vec<Draft<RunKey>>,
    files: Vec<Draft<FileEntry>>,
    connections: Vec<Draft<Connection>>,
    changes: Vec<Draft<AccountChange>>,
    /// Times of the hops that touch the host.
    moments: BTreeSet<i64>,
    /// Number of entries dropped while events were being read.
    dropped: BTreeMap<&'static str, u64>,
}

/// The distance from a time to the closest movement.
fn far(moments: &BTreeSet<i64>, at: i64) -> i64 {
    let before = moments.range(..=at).next_back().map(|near| at - near);
    let after = moments.range(at..).next().map(|near| near - at);
    before.into_iter().chain(after).min().unwrap_or(i64::MAX)
}

/// Drops entries of a list that has grown too long: those furthest from any movement.
fn bound<T>(
    list: &mut Vec<Draft<T>>,
    name: &'static str,
    moments: &BTreeSet<i64>,
    dropped: &mut BTreeMap<&'static str, u64>,
) {
    if list.len() < 2 * MOST_HELD {
        return;
    }
    list.sort_by_cached_key(|one| (far(moments, one.at), one.at));
    *dropped.entry(name).or_default() += (list.len() - MOST_HELD) as u64;
    list.truncate(MOST_HELD);
}

/// Hands each record to the host that wrote it.
struct Reading<'t, 'c, 'r> {
    tables: &'t Tables<'c>,
    /// Indexes into `all`, by the names under which hosts write.
    places: HashMap<String, usize>,
    all: Vec<Gathered<'r>>,
}

impl<'t, 'r> Reading<'t, '_, 'r> {
    /// Calls `take` for each event of a fact within its host's time span.
    fn each<F: Fact>(&mut self, fact: F, take: impl Fn(&mut Gathered<'r>, &Row<'t, '_, F>)) {
        let (places, all) = (&self.places, &mut self.all);
        self.tables.each(fact, |row| {
            if let Some(own) = places.get(row.host).and_then(|at| all.get_mut(*at))
                && (own.window.0..=own.window.1).contains(&row.time)
            {
                take(own, row);
                own.bound();
            }
        });
    }
}

/// Builds dossiers of hosts, given their ids and time spans.
pub(super) fn dossiers(
    tables: &Tables<'_>,
    relations: &Relations,
    case: &Case,
    index: &Index,
    wanted: &[(String, (i64, i64))],
) -> Vec<HostDossier> {
    let all: Vec<Gathered<'_>> = wanted
        .iter()
        .map(|(id, window)| Gathered::new(id, *window, case, relations))
        .collect();
    if all.is_empty() {
        return Vec::new();
    }
    let mut places: HashMap<String, usize> = HashMap::new();
    for (at, (id, _)) in wanted.iter().enumerate() {
        for name in index.writers.get(id).into_iter().flatten() {
            places.insert(name.clone(), at);
        }
    }
    let mut reading = Reading {
        tables,
        places,
        all,
    };
    reading.each(facts::Logon, |own, row| own.logon(row, index));
    reading.each(facts::LogonFailure, |own, row| own.refused(row, index));
    reading.each(facts::ExplicitCredentials, |own, row| {
        own.explicit(row, index)
    });
    reading.each(facts::SysmonProcess, |own, row| own.sysmon_process(row));
    reading.each(facts::ProcessCreation, |own, row| own.security_process(row));
    reading.each(facts::ImageLoad, |own, row| own.signature(row));
    reading.each(facts::ServiceInstallation, |own, row| {
        own.installed(row, index)
    });
    reading.each(facts::ServiceAudit, |own, row| own.service(row, index));
    reading.each(facts::TaskAudit, |own, row| own.audited_task(row, index));
    reading.each(facts::TaskChange, |own, row| own.changed_task(row, index));
    reading.each(facts::WmiFilter, |own, row| own.wmi_filter(row));
    reading.each(facts::WmiConsumer, |own, row| own.wmi_consumer(row));
    reading.each(facts::WmiBinding, |own, row| own.wmi_binding(row));
    reading.each(facts::WmiSubscription, |own, row| own.wmi_subscription(row));
    reading.each(facts::RegistryValue, |own, row| own.run_key(row));
    reading.each(facts::RegistryRename, |own, row| own.renamed_run_key(row));
    reading.each(facts::RegistryValueChange, |own, row| {
        own.audited_run_key(row)
    });
    reading.each(facts::FileCreation, |own, row| own.file(row));
    reading.each(facts::ShareFile, |own, row| own.remote_file(row, index));
    reading.each(facts::SysmonConnection, |own, row| {
        own.connection(row, row.into(), index);
    });
    reading.each(facts::FilterConnection, |own, row| {
        own.connection(row, row.into(), index);
    });
    reading.each(facts::AccountChange, |own, row| own.changed_account(row));
    let all = reading.all;
    let rarity = Rarity::new(tables.runs(), |name| {
        index.host(name).unwrap_or_else(|| host_key(name))
    });
    all.into_iter()
        .map(|own| own.finish(tables, case, index, &rarity))
        .collect()
}

/// A change of an account, from its event.
pub(super) fn change(row: &Row<'_, '_, facts::AccountChange>) -> AccountChange {
    let what = event_name(SECURITY, row.event_id);
    let member = row.member_name().or(row.member_sid());
    let target = qualified(row.target_domain_name(), row.target_user_name())
        .or_else(|| row.target_sid().map(str::to_owned));
    let what = match (&target, member) {
        (Some(group), Some(_)) => format!("{what}: {group}"),
        _ => what,
    };
    AccountChange {
        what,
        account: member.map(str::to_owned).or(target),
        by: qualified(row.subject_domain_name(), row.subject_user_name()),
        ..AccountChange::default()
    }
}

/// What was done to a task, by the id of its record in the Security log or the scheduler's.
fn done_to_task(event_id: u32) -> &'static str {
    match event_id {
        4698 | 106 => "registered",
        4699 | 141 => "deleted",
        _ => "changed",
    }
}

fn shown(logon: u64) -> Option<String> {
    (logon != 0).then(|| format!("{logon:#x}"))
}

impl<'r> Gathered<'r> {
    fn new(id: &str, window: (i64, i64), case: &Case, relations: &'r Relations) -> Self {
        Self {
            id: id.to_owned(),
            relations,
            window,
            authentication: Vec::new(),
            processes: Vec::new(),
            by_guid: HashMap::new(),
            by_pid: HashMap::new(),
            services: Vec::new(),
            tasks: Vec::new(),
            wmi: Vec::new(),
            run_keys: Vec::new(),
            files: Vec::new(),
            connections: Vec::new(),
            changes: Vec::new(),
            moments: case
                .hops
                .iter()
                .filter(|hop| hop.dst == id || hop.src.as_deref() == Some(id))
                .filter_map(|hop| crabwalk_vocabulary::time::parse(hop.first.as_deref()?))
                .collect(),
            dropped: BTreeMap::new(),
        }
    }

    /// Keeps the lists at a length that fits into memory.
    fn bound(&mut self) {
        let (moments, dropped) = (&self.moments, &mut self.dropped);
        bound(&mut self.authentication, "authentication", moments, dropped);
        bound(&mut self.services, "services", moments, dropped);
        bound(&mut self.tasks, "tasks", moments, dropped);
        bound(&mut self.wmi, "wmi_subscriptions", moments, dropped);
        bound(&mut self.run_keys, "run_keys", moments, dropped);
        bound(&mut self.files, "files", moments, dropped);
        bound(&mut self.connections, "connections", moments, dropped);
        bound(&mut self.changes, "account_changes", moments, dropped);
    }
}
