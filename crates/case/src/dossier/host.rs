//! What happened on hosts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crabwalk_activity::channel::SECURITY;
use crabwalk_activity::facts::{self, Fact};
use crabwalk_activity::tasks::actions;
use crabwalk_activity::{Relations, Reported, Row, given, number, qualified, source_serves};
use crabwalk_vocabulary::account::is_windows_own;
use crabwalk_vocabulary::host_key;
use crabwalk_vocabulary::number::number as parsed_number;

use super::document::*;
use super::index::{Index, address, events};
use super::program::{Rarity, base, odd_parent, renamed, user_writable};
use super::tables::Tables;
use crate::build::time;
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
        let value = ServiceEntry {
            name: row.service_name().to_owned(),
            image: row.image_path().to_owned(),
            account: given(row.account_name()).map(str::to_owned),
            by: given(row.user_id())
                .map(|sid| index.account(sid).unwrap_or_else(|| sid.to_owned())),
            ..ServiceEntry::default()
        };
        own.services.push(Draft::new(row, value));
    });
    reading.each(facts::ServiceAudit, |own, row| own.service(row, index));
    reading.each(facts::TaskAudit, |own, row| {
        let actions = actions(row.task_content());
        let actions: Vec<String> = actions.iter().map(ToString::to_string).collect();
        let value = TaskEntry {
            what: done_to_task(row.event_id).to_owned(),
            name: row.task_name().to_owned(),
            command: (!actions.is_empty()).then(|| actions.join("; ")),
            by: qualified(row.subject_domain_name(), row.subject_user_name())
                .map(|name| index.account(&name).unwrap_or(name)),
            ..TaskEntry::default()
        };
        own.task(row, row.subject_logon_id(), value);
    });
    reading.each(facts::TaskChange, |own, row| {
        let value = TaskEntry {
            what: done_to_task(row.event_id).to_owned(),
            name: row.task_name().to_owned(),
            by: given(row.by()).map(|name| index.account(name).unwrap_or_else(|| name.to_owned())),
            ..TaskEntry::default()
        };
        own.task(row, 0, value);
    });
    reading.each(facts::WmiFilter, |own, row| {
        let (name, by) = (row.name(), row.user());
        own.wmi(row, "filter", name, row.operation(), row.query(), by);
    });
    reading.each(facts::WmiConsumer, |own, row| {
        let (name, by) = (row.name(), given(row.user()));
        own.wmi(
            row,
            "consumer",
            name,
            row.operation(),
            row.destination(),
            by,
        );
    });
    reading.each(facts::WmiBinding, |own, row| {
        let (name, by) = (row.consumer(), row.user());
        own.wmi(row, "binding", name, row.operation(), row.filter(), by);
    });
    reading.each(facts::WmiSubscription, |own, row| {
        // Forwarders that drop an event's UserData keep its content in the message.
        let part = |value: Option<&str>, from: &str, to: &str| {
            let said = || {
                let (_, rest) = row.message().split_once(from)?;
                Some(rest.split_once(to).map_or(rest, |(value, _)| value))
            };
            value.or_else(said).unwrap_or_default().to_owned()
        };
        let value = WmiEntry {
            name: part(given(row.consumer()), "; Consumer = ", "; PossibleCause"),
            what: format!(
                "binding created: {}: {}",
                part(row.filter(), "Eventfilter = ", " (refer"),
                part(given(row.possible_cause()), "; PossibleCause = ", "\u{0}")
            ),
            ..WmiEntry::default()
        };
        own.wmi.push(Draft::new(row, value));
    });
    reading.each(facts::RegistryValue, |own, row| {
        let key = row.target_object();
        if starts_something(key) {
            let value = RunKey {
                key: key.to_owned(),
                value: row.details().to_owned(),
                by: given(row.user()).or(given(row.image())).map(str::to_owned),
                ..RunKey::default()
            };
            own.run_keys.push(Draft::new(row, value));
        }
    });
    reading.each(facts::RegistryRename, |own, row| {
        let key = row.new_name();
        if starts_something(key) {
            let value = RunKey {
                key: key.to_owned(),
                value: format!("renamed from {}", row.target_object()),
                by: given(row.user()).or(given(row.image())).map(str::to_owned),
                ..RunKey::default()
            };
            own.run_keys.push(Draft::new(row, value));
        }
    });
    reading.each(facts::RegistryValueChange, |own, row| {
        let key = format!("{}\\{}", row.object_name(), row.object_value_name());
        if starts_something(&key) {
            let value = RunKey {
                key,
                value: row.new_value().to_owned(),
                by: qualified(row.subject_domain_name(), row.subject_user_name()),
                ..RunKey::default()
            };
            let session = row.subject_logon_id();
            let draft = Draft::new(row, value).in_session(session, row, own.relations);
            own.run_keys.push(draft);
        }
    });
    reading.each(facts::FileCreation, |own, row| own.file(row));
    reading.each(facts::ShareFile, |own, row| own.remote_file(row, index));
    reading.each(facts::SysmonConnection, |own, row| {
        own.connection(row, row.into(), index);
    });
    reading.each(facts::FilterConnection, |own, row| {
        own.connection(row, row.into(), index);
    });
    reading.each(facts::AccountChange, |own, row| {
        let value = change(row);
        let session = row.subject_logon_id();
        let draft = Draft::new(row, value).in_session(session, row, own.relations);
        own.changes.push(draft);
    });
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

/// Whether Windows automatically starts the program in a registry value.
fn starts_something(key: &str) -> bool {
    const PARTS: [&str; 20] = [
        "\\currentversion\\run\\",
        "\\currentversion\\runonce\\",
        "\\currentversion\\runonceex\\",
        "\\currentversion\\policies\\explorer\\run\\",
        "\\winlogon\\shell",
        "\\winlogon\\userinit",
        "\\windows\\appinit_dlls",
        "\\silentprocessexit\\",
        "\\command processor\\autorun",
        "\\winlogon\\notify\\",
        "\\windows\\load",
        "\\windows\\run",
        "\\environment\\userinitmprlogonscript",
        "\\session manager\\bootexecute",
        "\\session manager\\appcertdlls\\",
        "\\control\\lsa\\security packages",
        "\\control\\lsa\\authentication packages",
        "\\control\\lsa\\notification packages",
        "\\control\\print\\monitors\\",
        "\\parameters\\servicedll",
    ];
    let key = key.to_lowercase();
    PARTS.iter().any(|part| {
        // A value's name ends here, a key's continues.
        if part.ends_with('\\') {
            key.contains(part)
        } else {
            key.ends_with(part)
        }
    }) || (key.contains("\\active setup\\installed components\\") && key.ends_with("\\stubpath"))
        || (key.contains("\\image file execution options\\") && key.ends_with("\\debugger"))
}

/// A text without the quoting that Sysmon applies to WMI texts (`"a\\b \"c\""`).
fn unquoted(text: &str) -> String {
    let Some(inside) = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(inside.len());
    let mut letters = inside.chars();
    while let Some(c) = letters.next() {
        match c {
            '\\' => out.push(letters.next().unwrap_or('\\')),
            c => out.push(c),
        }
    }
    out
}

/// Whether a file is a program, script, library or archive, by its name.
fn runs(path: &str) -> bool {
    const ENDS: [&str; 24] = [
        "exe", "dll", "sys", "ps1", "psm1", "bat", "cmd", "vbs", "vbe", "js", "jse", "wsf", "hta",
        "msi", "scr", "com", "cpl", "lnk", "jar", "zip", "7z", "rar", "iso", "dmp",
    ];
    let name = base(path);
    name.rsplit_once('.')
        .is_some_and(|(_, end)| ENDS.contains(&end))
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
                .filter_map(|hop| micros(hop.first.as_deref()?))
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

    fn logon(&mut self, row: &Row<'_, '_, facts::Logon>, index: &Index) {
        let logon_type = row.logon_type().map(u32::from);
        let Some(name) = qualified(row.target_domain_name(), row.target_user_name()) else {
            return;
        };
        if matches!(logon_type, Some(0 | 5)) || is_windows_own(&name, row.target_user_sid()) {
            return;
        }
        let address = address(row.ip_address()).map(|ip| ip.to_string());
        let value = Authentication {
            direction: "in".to_owned(),
            account: index
                .account(row.target_user_sid())
                .or_else(|| index.account(&name)),
            name: Some(name),
            logon_type,
            peer: Peer {
                host: address.as_deref().and_then(|ip| index.host(ip)),
                address,
                name: given(row.workstation_name()).map(str::to_owned),
            },
            result: "success".to_owned(),
            session: shown(row.target_logon_id()),
            ..Authentication::default()
        };
        let mut draft = Draft::new(row, value);
        draft.session = row.target_logon_id();
        if let Some(span) = self.relations.opened(row.reference) {
            draft.opened_by = Some(row.reference);
            draft.value.privileged = span.elevated;
            if let Some(lasted) = span.lasted {
                draft.value.ended = time(row.time + lasted);
                #[expect(clippy::cast_precision_loss, reason = "microseconds of a session")]
                let seconds = lasted as f64 / 1e6;
                draft.value.seconds = Some(seconds);
            }
        }
        self.authentication.push(draft);
    }

    fn refused(&mut self, row: &Row<'_, '_, facts::LogonFailure>, index: &Index) {
        let Some(name) = qualified(row.target_domain_name(), row.target_user_name()) else {
            return;
        };
        let address = address(row.ip_address()).map(|ip| ip.to_string());
        let status = given(row.sub_status())
            .filter(|status| parsed_number(status) != Some(0))
            .or(given(row.status()));
        let value = Authentication {
            direction: "in".to_owned(),
            account: index.account(&name),
            name: Some(name),
            logon_type: row.logon_type().map(u32::from),
            peer: Peer {
                host: address.as_deref().and_then(|ip| index.host(ip)),
                address,
                name: given(row.workstation_name()).map(str::to_owned),
            },
            result: "failure".to_owned(),
            status: status.map(str::to_owned),
            ..Authentication::default()
        };
        self.authentication.push(Draft::new(row, value));
    }

    fn explicit(&mut self, row: &Row<'_, '_, facts::ExplicitCredentials>, index: &Index) {
        let target = row.target_server_name();
        let name = qualified(row.target_domain_name(), row.target_user_name());
        if target.is_empty() || target.eq_ignore_ascii_case("localhost") {
            return;
        }
        let by = qualified(row.subject_domain_name(), row.subject_user_name());
        let mut did = Vec::new();
        if let Some(by) = by {
            let with = given(row.process_name()).map(base);
            did.push(match with {
                Some(with) => format!("credentials given by {by} to {with}"),
                None => format!("credentials given by {by}"),
            });
        }
        let value = Authentication {
            direction: "out".to_owned(),
            account: name.as_deref().and_then(|name| index.account(name)),
            name,
            peer: Peer {
                host: index.host(target),
                address: address(target).map(|ip| ip.to_string()),
                name: Some(target.to_owned()),
            },
            result: "success".to_owned(),
            did,
            ..Authentication::default()
        };
        self.authentication.push(Draft::new(row, value));
    }

    fn sysmon_process(&mut self, row: &Row<'_, '_, facts::SysmonProcess>) {
        let pid = row.process_id();
        let mut hashes = BTreeMap::new();
        for part in row.hashes().split(',') {
            if let Some((name, value)) = part.split_once('=') {
                hashes.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
        let found = Found {
            parent_image: row.parent_image().to_owned(),
            process: Process {
                image: row.image().to_owned(),
                command_line: given(row.command_line()).map(str::to_owned),
                account: given(row.user()).map(str::to_owned),
                pid: u32::try_from(pid).unwrap_or(0),
                original_name: given(row.original_file_name()).map(str::to_owned),
                hashes,
                ..Process::default()
            },
            ..Found::default()
        };
        let session = row.logon_id();
        let draft = Draft::new(row, found).in_session(session, row, self.relations);
        if let Some(at) = self.add(pid, draft) {
            self.by_guid.insert(row.process_guid().to_owned(), at);
        }
    }

    fn security_process(&mut self, row: &Row<'_, '_, facts::ProcessCreation>) {
        let pid = row.new_process_id();
        let image = row.new_process_name();
        // Sysmon told of it already.
        let known = self.by_pid.get(&pid).and_then(|all| {
            all.iter().copied().find(|at| {
                self.processes.get(*at).is_some_and(|one| {
                    (one.at - row.time).abs() <= SAME
                        && base(&one.value.process.image) == base(image)
                        && one.references.len() == 1
                })
            })
        });
        if let Some(one) = known.and_then(|at| self.processes.get_mut(at)) {
            one.references.push(row.reference);
            return;
        }
        let other = Some(number(row.target_logon_id()))
            .filter(|id| *id != 0)
            .filter(|_| given(row.target_user_name()).is_some());
        let (session, account) = match other {
            Some(id) => (
                id,
                qualified(row.target_domain_name(), row.target_user_name()),
            ),
            None => (
                row.subject_logon_id(),
                qualified(row.subject_domain_name(), row.subject_user_name()),
            ),
        };
        let account = if session == 0x3e7 {
            Some("NT AUTHORITY\\SYSTEM".to_owned())
        } else {
            account
        };
        let found = Found {
            parent_image: row.parent_process_name().to_owned(),
            process: Process {
                image: image.to_owned(),
                command_line: given(row.command_line()).map(str::to_owned),
                account,
                pid: u32::try_from(pid).unwrap_or(0),
                ..Process::default()
            },
            ..Found::default()
        };
        let draft = Draft::new(row, found).in_session(session, row, self.relations);
        self.add(pid, draft);
    }

    /// Adds a process, unless there are too many.
    fn add(&mut self, pid: u64, draft: Draft<Found>) -> Option<usize> {
        let at = self.processes.len();
        if at >= MOST_PROCESSES {
            *self.dropped.entry("processes").or_default() += 1;
            return None;
        }
        self.processes.push(draft);
        self.by_pid.entry(pid).or_default().push(at);
        Some(at)
    }

    fn signature(&mut self, row: &Row<'_, '_, facts::ImageLoad>) {
        if !row.image_loaded().eq_ignore_ascii_case(row.image()) {
            return;
        }
        let Some(one) = self
            .by_guid
            .get(row.process_guid())
            .and_then(|at| self.processes.get_mut(*at))
        else {
            return;
        };
        if row.signed().eq_ignore_ascii_case("false") {
            // Sysmon reports this also for files that were gone before it could check.
            one.value.unsigned = Some(row.signature_status().eq_ignore_ascii_case("unavailable"));
        } else if let Some(who) = row.signature() {
            let status = given(row.signature_status())
                .filter(|status| !status.eq_ignore_ascii_case("valid"));
            one.value.process.signature = Some(match status {
                Some(status) => format!("{who} ({status})"),
                None => who.to_owned(),
            });
        }
    }

    fn service(&mut self, row: &Row<'_, '_, facts::ServiceAudit>, index: &Index) {
        let (name, image) = (row.service_name(), row.service_file_name());
        let by = qualified(row.subject_domain_name(), row.subject_user_name())
            .map(|name| index.account(&name).unwrap_or(name));
        let session = row.subject_logon_id();
        let span = self.relations.session(row.host, session, row.time);
        let opened_by = span.map(|span| span.reference);
        // System 7045 has the display name, Security 4697 the key's name.
        if let Some(one) = self.services.iter_mut().rev().take(LOOK_BACK).find(|one| {
            (one.at - row.time).abs() <= SAME
                && (one.value.name == name || one.value.image == image)
                && one.references.len() == 1
        }) {
            one.references.push(row.reference);
            one.session = session;
            one.opened_by = opened_by;
            one.value.by = by.or_else(|| one.value.by.take());
            return;
        }
        let value = ServiceEntry {
            name: name.to_owned(),
            image: image.to_owned(),
            account: row.service_account().map(str::to_owned),
            by,
            ..ServiceEntry::default()
        };
        let mut draft = Draft::new(row, value);
        (draft.session, draft.opened_by) = (session, opened_by);
        self.services.push(draft);
    }

    /// Adds what was done to a task; both logs tell of it.
    fn task<F>(&mut self, row: &Row<'_, '_, F>, session: u64, value: TaskEntry) {
        if let Some(one) = self.tasks.iter_mut().rev().take(LOOK_BACK).find(|one| {
            (one.at - row.time).abs() <= SAME
                && one.value.what == value.what
                && one.value.name.eq_ignore_ascii_case(&value.name)
        }) {
            one.references.push(row.reference);
            one.value.command = one.value.command.take().or(value.command);
            if one.session == 0 {
                let span = self.relations.session(row.host, session, row.time);
                one.session = session;
                one.opened_by = span.map(|span| span.reference);
            }
            return;
        }
        let draft = Draft::new(row, value).in_session(session, row, self.relations);
        self.tasks.push(draft);
    }

    fn wmi<F>(
        &mut self,
        row: &Row<'_, '_, F>,
        kind: &str,
        name: &str,
        operation: &str,
        what: &str,
        by: Option<&str>,
    ) {
        let operation = operation.to_lowercase();
        let value = WmiEntry {
            name: unquoted(name),
            what: format!("{kind} {operation}: {}", unquoted(what)),
            by: by.map(str::to_owned),
            ..WmiEntry::default()
        };
        self.wmi.push(Draft::new(row, value));
    }

    fn file(&mut self, row: &Row<'_, '_, facts::FileCreation>) {
        let path = row.target_filename();
        let image = row.image();
        // The kernel writes files that arrive over the network.
        if !runs(path) && !image.eq_ignore_ascii_case("system") {
            return;
        }
        let value = FileEntry {
            path: path.to_owned(),
            by: given(row.user()).or(given(row.image())).map(str::to_owned),
            ..FileEntry::default()
        };
        self.files.push(Draft::new(row, value));
    }

    fn remote_file(&mut self, row: &Row<'_, '_, facts::ShareFile>, index: &Index) {
        /// Rights to write or append data.
        const WRITE: u64 = 0x2 | 0x4;
        let share = row.share_name();
        let mask = row.access_mask();
        let own = base(share);
        if mask & WRITE == 0 || ["ipc$", "sysvol", "netlogon"].contains(&own.as_str()) {
            return;
        }
        let path = row.relative_target_name();
        if path.is_empty() || path == "\\" {
            return;
        }
        let ip = address(row.ip_address()).map(|ip| ip.to_string());
        let from = ip
            .as_deref()
            .and_then(|ip| index.host(ip))
            .or_else(|| ip.clone());
        let session = row.subject_logon_id();
        let value = FileEntry {
            path: path.to_owned(),
            share: Some(share.to_owned()),
            by: qualified(row.subject_domain_name(), row.subject_user_name()),
            from,
            ..FileEntry::default()
        };
        // One copy opens the file several times.
        if self.files.iter().rev().take(20).any(|one| {
            one.session == session
                && one.value.path == value.path
                && (one.at - row.time).abs() <= SAME
        }) {
            return;
        }
        let draft = Draft::new(row, value).in_session(session, row, self.relations);
        self.files.push(draft);
    }

    fn connection<F>(&mut self, row: &Row<'_, '_, F>, reported: Reported<'_>, index: &Index) {
        let text = |(ip, port): (&str, &str)| format!("{ip}:{port}");
        let (source, destination) = (text(reported.source), text(reported.destination));
        let outbound = reported.initiated;
        let local_first = outbound
            || reported.ends().is_some_and(|(source, destination)| {
                source_serves(|ip| index.holds(&self.id, ip), source, destination)
            });
        let (local, remote) = if local_first {
            (source, destination)
        } else {
            (destination, source)
        };
        let direction = if outbound { "out" } else { "in" };
        let server = if outbound { &remote } else { &local };
        let port = server
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        let value = Connection {
            direction: direction.to_owned(),
            local,
            remote,
            port,
            image: given(reported.image).map(str::to_owned),
            account: given(reported.user).map(str::to_owned),
            ..Connection::default()
        };
        // The filtering platform and Sysmon record the same connection.
        if let Some(one) = self
            .connections
            .iter_mut()
            .rev()
            .take(LOOK_BACK)
            .find(|one| {
                one.value.local == value.local
                    && one.value.remote == value.remote
                    && (one.at - row.time).abs() <= SAME
            })
        {
            one.references.push(row.reference);
            return;
        }
        self.connections.push(Draft::new(row, value));
    }

    fn finish(
        mut self,
        tables: &Tables<'_>,
        case: &Case,
        index: &Index,
        rarity: &Rarity,
    ) -> HostDossier {
        let catalog = tables.catalog();
        self.sessions(tables, case, index);
        self.trees(case, tables, index, rarity);
        // Events or sessions have the rest.
        let hop = |references: &[u64], opened_by: Option<u64>| {
            index
                .hop(catalog, references)
                .or_else(|| index.hop(catalog, &[opened_by?]))
        };
        macro_rules! attach {
            ($($list:ident),*) => {
                $(for one in &mut self.$list {
                    one.hop = hop(&one.references, one.opened_by);
                })*
            };
        }
        attach!(services, tasks, wmi, run_keys, files, connections, changes);
        self.deeds();
        let moments = self.moments;
        let mut left_out: BTreeMap<String, u64> = self
            .dropped
            .into_iter()
            .map(|(name, number)| (name.to_owned(), number))
            .collect();
        let mut ship = Ship {
            case,
            catalog,
            moments: &moments,
            left_out: &mut left_out,
        };
        let processes = ship.processes(self.processes);
        HostDossier {
            host: self.id,
            window: Window {
                first: time(self.window.0),
                last: time(self.window.1),
            },
            authentication: ship.list("authentication", self.authentication),
            processes,
            services: ship.list("services", self.services),
            tasks: ship.list("tasks", self.tasks),
            wmi_subscriptions: ship.list("wmi_subscriptions", self.wmi),
            run_keys: ship.list("run_keys", self.run_keys),
            files: ship.list("files", self.files),
            connections: ship.list("connections", self.connections),
            account_changes: ship.list("account_changes", self.changes),
            left_out,
        }
    }

    /// Sets the hops of logons.
    fn sessions(&mut self, tables: &Tables<'_>, case: &Case, index: &Index) {
        let catalog = tables.catalog();
        for one in &mut self.authentication {
            one.hop = index.hop(catalog, &one.references);
            if let Some(hop) = one.hop.and_then(|at| case.hops.get(at)) {
                let other = if one.value.direction == "in" {
                    hop.src.clone()
                } else {
                    Some(hop.dst.clone())
                };
                if other.as_deref() != Some(&self.id) && other.is_some() {
                    one.value.peer.host = other;
                }
            }
        }
    }

    /// Sets parents, hops, marks and rarity of processes.
    fn trees(&mut self, case: &Case, tables: &Tables<'_>, index: &Index, rarity: &Rarity) {
        let catalog = tables.catalog();
        let by_reference: HashMap<u64, usize> = (self.processes.iter().enumerate())
            .flat_map(|(at, one)| one.references.iter().map(move |start| (*start, at)))
            .collect();
        let mut order: Vec<usize> = (0..self.processes.len()).collect();
        order.sort_by_key(|at| self.processes.get(*at).map(|one| one.at));
        let parents: Vec<Option<usize>> = (self.processes.iter().enumerate())
            .map(|(at, one)| {
                let mut starts = one.references.iter();
                starts
                    .find_map(|start| by_reference.get(&self.relations.parent(*start)?))
                    .copied()
                    .filter(|parent| *parent != at)
            })
            .collect();
        for at in &order {
            let Some((one, parent)) = self.processes.get(*at).zip(parents.get(*at)) else {
                continue;
            };
            let own = index
                .hop(catalog, &one.references)
                .filter(|hop| case.hops.get(*hop).is_some_and(|hop| hop.dst == self.id));
            let session = one.opened_by.and_then(|logon| index.hop(catalog, &[logon]));
            let parent = parent.and_then(|parent| self.processes.get(parent)?.hop);
            let hop = own.or(parent).or(session);
            if let Some(one) = self.processes.get_mut(*at) {
                one.hop = hop;
            }
        }
        let id = self.id.clone();
        for (at, parent) in parents.iter().enumerate() {
            let parent_image = parent
                .and_then(|parent| self.processes.get(parent))
                .map(|one| one.value.process.image.clone());
            let Some(one) = self.processes.get_mut(at) else {
                continue;
            };
            let began = one.at;
            let found = &mut one.value;
            let parent_image = parent_image.unwrap_or_else(|| found.parent_image.clone());
            let process = &mut found.process;
            process.id = at as u64;
            process.parent = parent.map(|parent| parent as u64);
            process.session = shown(one.session);
            let mut starts = one.references.iter();
            let ran = starts.find_map(|start| self.relations.ran(*start));
            process.ended = ran.and_then(|ran| time(began + ran));
            let (seen, others) = rarity.seen(&process.image, &id, began);
            process.seen = seen.to_owned();
            match (seen, others) {
                ("first-anywhere", _) => process
                    .reasons
                    .push("no log shows this program on any host before".to_owned()),
                ("first-here", others) => process.reasons.push(format!(
                    "first seen on this host; {others} other host(s) run it"
                )),
                _ => {}
            }
            if user_writable(&process.image) {
                process.marks.push("user-writable".to_owned());
                process
                    .reasons
                    .push("is in a folder that users can write to".to_owned());
            }
            if let Some(original) = &process.original_name
                && renamed(&process.image, original)
            {
                process.marks.push("renamed".to_owned());
                process.reasons.push(format!("was built as {original}"));
            }
            if let Some(why) = odd_parent(&parent_image, &process.image) {
                process.marks.push("odd-parent".to_owned());
                process.reasons.push(why);
            }
            if let Some(gone) = found.unsigned {
                process.marks.push("unsigned".to_owned());
                process.reasons.push(
                    if gone {
                        "has no verifiable signature"
                    } else {
                        "is not signed"
                    }
                    .to_owned(),
                );
            }
        }
    }

    /// Summarises what each session did.
    fn deeds(&mut self) {
        const MOST_NAMES: usize = 5;
        // By the event that shows the session.
        let mut did: HashMap<u64, Vec<(i64, String)>> = HashMap::new();
        let mut started: HashMap<u64, Vec<(i64, String)>> = HashMap::new();
        for one in &self.processes {
            if let Some(logon) = one.opened_by {
                let name = base(&one.value.process.image);
                started.entry(logon).or_default().push((one.at, name));
            }
        }
        let mut note = |logon: Option<u64>, at: i64, text: String| {
            if let Some(logon) = logon {
                did.entry(logon).or_default().push((at, text));
            }
        };
        for one in &self.services {
            let text = format!("installed service {}", one.value.name);
            note(one.opened_by, one.at, text);
        }
        for one in &self.tasks {
            let text = format!("{} task {}", one.value.what, one.value.name);
            note(one.opened_by, one.at, text);
        }
        for one in &self.files {
            let share = one.value.share.as_deref().unwrap_or_default();
            let text = format!("wrote {} on {share}", one.value.path);
            note(one.opened_by, one.at, text);
        }
        for one in &self.changes {
            let account = one.value.account.as_deref().unwrap_or("?");
            let text = format!("{} ({account})", one.value.what);
            note(one.opened_by, one.at, text);
        }
        for one in &mut self.authentication {
            let Some(logon) = one.opened_by else {
                continue;
            };
            let began = one.at - SECOND;
            if let Some(list) = started.get(&logon) {
                let own: Vec<&String> = list
                    .iter()
                    .filter(|(at, _)| *at >= began)
                    .map(|(_, name)| name)
                    .collect();
                let names: Vec<&str> = own
                    .iter()
                    .take(MOST_NAMES)
                    .map(|name| name.as_str())
                    .collect();
                let more = own.len().saturating_sub(MOST_NAMES);
                if !names.is_empty() {
                    let rest = if more > 0 {
                        format!(" and {more} more")
                    } else {
                        String::new()
                    };
                    one.value
                        .did
                        .push(format!("started {}{rest}", names.join(", ")));
                }
            }
            if let Some(list) = did.get(&logon) {
                let own: Vec<&(i64, String)> = list.iter().filter(|(at, _)| *at >= began).collect();
                one.value
                    .did
                    .extend(own.iter().take(MOST_NAMES).map(|(_, text)| text.clone()));
                if own.len() > MOST_NAMES {
                    one.value
                        .did
                        .push(format!("and {} more", own.len() - MOST_NAMES));
                }
            }
        }
    }
}

/// A time of the case, in microseconds since 1970-01-01 UTC.
pub(super) fn micros(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>()
        .ok()
        .map(jiff::Timestamp::as_microsecond)
}

/// Turns drafts into entries.
struct Ship<'a> {
    case: &'a Case,
    catalog: &'a dyn crabwalk_events::Catalog,
    moments: &'a BTreeSet<i64>,
    left_out: &'a mut BTreeMap<String, u64>,
}

impl Ship<'_> {
    /// The entries to keep, in chronological order.
    fn keep<T>(&mut self, name: &str, mut drafts: Vec<Draft<T>>) -> Vec<Draft<T>> {
        if drafts.len() > MOST {
            drafts.sort_by_cached_key(|one| (one.hop.is_none(), far(self.moments, one.at), one.at));
            *self.left_out.entry(name.to_owned()).or_default() += (drafts.len() - MOST) as u64;
            drafts.truncate(MOST);
        }
        drafts.sort_by_key(|one| one.at);
        drafts
    }

    fn hop(&self, at: Option<usize>) -> Option<String> {
        at.and_then(|at| self.case.hops.get(at))
            .map(|hop| hop.id.clone())
    }

    fn list<T: Entry>(&mut self, name: &str, drafts: Vec<Draft<T>>) -> Vec<T> {
        self.keep(name, drafts)
            .into_iter()
            .map(|mut draft| {
                let events = events(self.catalog, &draft.references);
                let hop = self.hop(draft.hop);
                draft.value.put(time(draft.at), hop, events);
                draft.value
            })
            .collect()
    }

    /// Numbers processes in chronological order; a parent that was left out becomes none.
    fn processes(&mut self, drafts: Vec<Draft<Found>>) -> Vec<Process> {
        let kept = self.keep("processes", drafts);
        let numbers: HashMap<u64, u64> = kept
            .iter()
            .enumerate()
            .map(|(number, one)| (one.value.process.id, number as u64 + 1))
            .collect();
        kept.into_iter()
            .map(|mut draft| {
                let events = events(self.catalog, &draft.references);
                let hop = self.hop(draft.hop);
                let mut process = std::mem::take(&mut draft.value.process);
                process.parent = process
                    .parent
                    .and_then(|parent| numbers.get(&parent).copied());
                process.id = numbers.get(&process.id).copied().unwrap_or(0);
                process.put(time(draft.at), hop, events);
                process
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_wmi() {
        for (text, plain) in [
            ("\"Bot\"", "Bot"),
            ("\"c:\\\\a.exe\"", "c:\\a.exe"),
            ("\"X.Name=\\\"b\\\"\"", "X.Name=\"b\""),
            ("no quotes", "no quotes"),
            ("\"", "\""),
            ("\"cut\\\"", "cut\\"),
            ("", ""),
        ] {
            assert_eq!(unquoted(text), plain, "{text}");
        }
    }

    #[test]
    fn values_that_start_something() {
        for (key, expected) in [
            (
                "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run\\x",
                true,
            ),
            (
                "HKU\\S-1-5-21-1\\Software\\Microsoft\\Windows\\CurrentVersion\\RunOnce\\x",
                true,
            ),
            (
                "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Image File Execution Options\\sethc.exe\\Debugger",
                true,
            ),
            (
                "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon\\Shell",
                true,
            ),
            ("HKU\\S-1-5-21-1\\Environment\\UserInitMprLogonScript", true),
            (
                "HKLM\\System\\CurrentControlSet\\Services\\x\\Parameters\\ServiceDll",
                true,
            ),
            (
                "HKLM\\SOFTWARE\\Microsoft\\Active Setup\\Installed Components\\{1}\\StubPath",
                true,
            ),
            (
                "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon\\ShellAppRuntime",
                false,
            ),
            ("HKLM\\SOFTWARE\\Quayside\\Running\\x", false),
            (
                "HKLM\\System\\CurrentControlSet\\Services\\x\\ImagePath",
                false,
            ),
        ] {
            assert_eq!(starts_something(key), expected, "{key}");
        }
    }
}
