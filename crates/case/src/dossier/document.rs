//! The parts of the case document that say what is affected and what happened there.

use std::collections::BTreeMap;

use crabwalk_movement::Certainty;
use serde::{Deserialize, Serialize};

use crate::document::Reference;

/// What an intruder touched, and what to do about it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Scope {
    /// Hosts that the intruder touched: those of the first path first, each path's most certain ones first.
    pub hosts: Vec<ScopeHost>,
    /// Ids of the hosts to isolate.
    #[serde(default)]
    pub isolate: Vec<String>,
    /// Accounts to reset.
    pub accounts: Vec<ScopeAccount>,
    /// Hosts whose logs are too sparse to judge.
    pub blind: Vec<BlindHost>,
    /// Where it began, as far as the logs show.
    pub entry: Option<Entry>,
    /// Logs to collect, and how.
    pub collect: Vec<Collect>,
}

/// A host that the intruder touched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ScopeHost {
    /// Id of the host.
    pub host: String,
    /// How certain that is.
    #[cfg_attr(test, ts(type = "Certainty"))]
    pub certainty: Certainty,
    /// 0 to 1: that of its most certain movement.
    pub confidence: f64,
    /// Why, for people.
    pub why: Vec<String>,
}

/// An account to reset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ScopeAccount {
    /// Id of the account.
    pub account: String,
    /// Why, for people.
    pub why: Vec<String>,
}

/// A host whose logs are too sparse to judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct BlindHost {
    /// Id of the host.
    pub host: String,
    /// What is missing.
    pub why: Vec<String>,
}

/// Where it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Entry {
    /// Id of the host.
    pub host: String,
    /// The latest time at which the intruder was there.
    pub time: Option<String>,
    /// What says so.
    pub how: Vec<String>,
}

/// A log to collect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Collect {
    /// Name of the machine.
    pub host: String,
    /// The log.
    pub channel: String,
    /// What it would show.
    pub why: String,
    /// How to get it; empty if the machine's name is unsafe in a command.
    pub commands: Vec<Command>,
}

/// A command for a person to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Command {
    /// `wevtutil`, `KAPE` or `Velociraptor`.
    pub tool: String,
    /// The command.
    pub command: String,
}

/// Findings that an exception silences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Silenced {
    /// File and line of the exception; `throttling` for repeated findings.
    pub exception: String,
    /// Who decided it.
    pub who: Option<String>,
    /// Why.
    pub why: Option<String>,
    /// Until when.
    pub until: Option<String>,
    /// Ids of the findings.
    pub findings: Vec<String>,
}

/// What happened on hosts and with accounts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Dossiers {
    /// Of hosts.
    pub hosts: Vec<HostDossier>,
    /// Of accounts.
    pub accounts: Vec<AccountDossier>,
}

impl Dossiers {
    /// The events that they refer to, some several times.
    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        let hosts = self.hosts.iter().flat_map(|host| {
            let logons = host.authentication.iter().map(|one| &one.events);
            logons
                .chain(host.processes.iter().map(|one| &one.events))
                .chain(host.services.iter().map(|one| &one.events))
                .chain(host.tasks.iter().map(|one| &one.events))
                .chain(host.wmi_subscriptions.iter().map(|one| &one.events))
                .chain(host.run_keys.iter().map(|one| &one.events))
                .chain(host.files.iter().map(|one| &one.events))
                .chain(host.connections.iter().map(|one| &one.events))
                .chain(host.account_changes.iter().map(|one| &one.events))
        });
        let accounts = self.accounts.iter().flat_map(|account| &account.changes);
        hosts.chain(accounts.map(|change| &change.events)).flatten()
    }
}

/// A span of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Window {
    /// Its beginning.
    pub first: Option<String>,
    /// Its end.
    pub last: Option<String>,
}

/// What happened on a host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct HostDossier {
    /// Id of the host.
    pub host: String,
    /// The time span it covers.
    pub window: Window,
    /// Logons to and from it, in chronological order.
    pub authentication: Vec<Authentication>,
    /// Processes, by time.
    pub processes: Vec<Process>,
    /// Installed services.
    pub services: Vec<ServiceEntry>,
    /// Tasks that were registered, changed or deleted.
    pub tasks: Vec<TaskEntry>,
    /// Parts of WMI subscriptions.
    pub wmi_subscriptions: Vec<WmiEntry>,
    /// Autostart registry values.
    pub run_keys: Vec<RunKey>,
    /// Programs and scripts that were written, and files written over the network.
    pub files: Vec<FileEntry>,
    /// Network connections.
    pub connections: Vec<Connection>,
    /// Changes to accounts and groups.
    pub account_changes: Vec<AccountChange>,
    /// For each list that would be too long, the number of entries left out: those furthest from any movement.
    #[serde(default)]
    pub left_out: BTreeMap<String, u64>,
}

/// The other end of a logon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Peer {
    /// Id of the host, if known.
    pub host: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// The name that it gave itself, or that others used for it.
    pub name: Option<String>,
}

/// A logon.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Authentication {
    /// When.
    pub time: Option<String>,
    /// `in` or `out`.
    pub direction: String,
    /// Id of the account, if the case knows it.
    pub account: Option<String>,
    /// `DOMAIN\user` as the event has it.
    pub name: Option<String>,
    /// Windows' number of the type of logon.
    pub logon_type: Option<u32>,
    /// The other end.
    pub peer: Peer,
    /// `success` or `failure`.
    pub result: String,
    /// Status code of a failure.
    pub status: Option<String>,
    /// LogonId of the session.
    pub session: Option<String>,
    /// When the session ended.
    pub ended: Option<String>,
    /// How long it lasted.
    pub seconds: Option<f64>,
    /// Whether it had administrator rights.
    pub privileged: bool,
    /// What was done in it.
    pub did: Vec<String>,
    /// Id of the hop that it belongs to.
    pub hop: Option<String>,
    /// The events.
    pub events: Vec<Reference>,
}

/// A process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Process {
    /// Number in this dossier.
    pub id: u64,
    /// Number of the process that started it.
    pub parent: Option<u64>,
    /// LogonId of its session.
    pub session: Option<String>,
    /// When it was started.
    pub time: Option<String>,
    /// When it ended.
    pub ended: Option<String>,
    /// Path of its program.
    pub image: String,
    /// Command line.
    pub command_line: Option<String>,
    /// `DOMAIN\user`.
    pub account: Option<String>,
    /// Windows' number of the process.
    pub pid: u32,
    /// Name that the program's version resource gives it.
    pub original_name: Option<String>,
    /// Hashes by algorithm.
    pub hashes: BTreeMap<String, String>,
    /// Who signed the program, if its load was logged.
    pub signature: Option<String>,
    /// How rare its program is.
    pub seen: Rareness,
    /// What is odd about it.
    pub marks: Vec<Mark>,
    /// Oddities, for people.
    pub reasons: Vec<String>,
    /// Whether it deserves a look: a hop started it, or it is odd in more than the place of its program.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub remarkable: bool,
    /// Id of the hop that started it or one of its ancestors.
    pub hop: Option<String>,
    /// The events.
    pub events: Vec<Reference>,
}

/// How rare a program was when it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Rareness {
    /// It had run on this host before.
    #[default]
    HereBefore,
    /// Many other hosts run it.
    Common,
    /// It ran here for the first time; other hosts had run it.
    FirstHere,
    /// No log shows it on any host before.
    FirstAnywhere,
}

/// An oddity of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Users can write to the folder of its program.
    UserWritable,
    /// The program's name is not the one it was built with.
    Renamed,
    /// Another program than usual started it.
    OddParent,
    /// Its program has no signature that could be verified.
    Unsigned,
}

impl Mark {
    /// Its name in documents and on the terminal.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserWritable => "user-writable",
            Self::Renamed => "renamed",
            Self::OddParent => "odd-parent",
            Self::Unsigned => "unsigned",
        }
    }
}

impl Process {
    /// Whether a hop started it, or it is odd in more than the place of its program: users have many programs of their
    /// own.
    pub(crate) fn is_remarkable(&self) -> bool {
        self.hop.is_some()
            || self.marks.iter().any(|mark| *mark != Mark::UserWritable)
            || (self.seen == Rareness::FirstAnywhere && !self.marks.is_empty())
    }
}

/// A service that was installed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ServiceEntry {
    /// When.
    pub time: Option<String>,
    /// Its name.
    pub name: String,
    /// What it runs.
    pub image: String,
    /// The account it runs as.
    pub account: Option<String>,
    /// Who installed it.
    pub by: Option<String>,
    /// Id of the hop that it belongs to.
    pub hop: Option<String>,
    /// The events.
    pub events: Vec<Reference>,
}

/// A task that was registered, changed or deleted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TaskEntry {
    /// When.
    pub time: Option<String>,
    /// `registered`, `changed` or `deleted`.
    #[serde(default)]
    pub what: String,
    /// Its name.
    pub name: String,
    /// What it runs.
    pub command: Option<String>,
    /// Who registered it.
    pub by: Option<String>,
    /// Id of the hop that it belongs to.
    pub hop: Option<String>,
    /// The events.
    pub events: Vec<Reference>,
}

/// A part of a WMI subscription.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct WmiEntry {
    /// When.
    pub time: Option<String>,
    /// Its name.
    pub name: String,
    /// What it does.
    pub what: String,
    /// Who made it.
    pub by: Option<String>,
    /// Id of the hop that it belongs to.
    pub hop: Option<String>,
    /// The events.
    pub events: Vec<Reference>,
}

/// An autostart registry value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RunKey {
    /// When.
    pub time: Option<String>,
    /// Key and value's name.
    pub key: String,
    /// What is started.
    pub value: String,
    /// Who wrote it.
    pub by: Option<String>,
    /// Id of the hop that it belongs to.
    pub hop: Option<String>,
    /// The events.
    pub events: Vec<Reference>,
}

/// A file that was written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FileEntry {
    /// When.
    pub time: Option<String>,
    /// Its path, relative to the share if written over one.
    pub path: String,
    /// The share.
    pub share: Option<String>,
    /// Who wrote it: an account, or else a program.
    pub by: Option<String>,
    /// Id or address of the host it came from.
    pub from: Option<String>,
    /// Id of the hop that it belongs to.
    pub hop: Option<String>,
    /// The events.
    pub events: Vec<Reference>,
}

/// A network connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Connection {
    /// When.
    pub time: Option<String>,
    /// `in` or `out`.
    pub direction: String,
    /// The host's own end, `address:port`.
    pub local: String,
    /// The other end, `address:port`.
    pub remote: String,
    /// The listening port.
    pub port: Option<u16>,
    /// The program.
    pub image: Option<String>,
    /// `DOMAIN\user`.
    pub account: Option<String>,
    /// Id of the hop that it belongs to.
    pub hop: Option<String>,
    /// The events.
    pub events: Vec<Reference>,
}

/// A change to an account or group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct AccountChange {
    /// When.
    pub time: Option<String>,
    /// What was done.
    pub what: String,
    /// The account, as the event names it.
    pub account: Option<String>,
    /// Who did it.
    pub by: Option<String>,
    /// Id of the hop that it belongs to.
    pub hop: Option<String>,
    /// The events.
    pub events: Vec<Reference>,
}

/// What happened with an account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct AccountDossier {
    /// Id of the account.
    pub account: String,
    /// Where it logged on, from where, and how.
    pub logons: Vec<Logons>,
    /// What it did for the first time since the intrusion began.
    pub new: Vec<String>,
    /// Hosts where its credentials were exposed to the intruder.
    pub exposed: Vec<Exposed>,
    /// Changes to the account.
    pub changes: Vec<Change>,
    /// Whether it needs a reset.
    pub reset: bool,
    /// Number of logons left out of a list that would be too long.
    #[serde(default)]
    pub left_out: u64,
}

/// Logons of an account to one host from one place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Logons {
    /// Id of the host.
    pub host: String,
    /// Id of the source host, if known.
    pub from: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// Windows' logon type numbers.
    pub types: Vec<u32>,
    /// The first.
    pub first: Option<String>,
    /// The last.
    pub last: Option<String>,
    /// How many succeeded.
    pub count: u64,
    /// How many failed.
    pub failures: u64,
    /// Whether there were none before the intrusion began, although the host's logs reach back at least a day before.
    pub new: bool,
}

/// The exposure of an account's credentials on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Exposed {
    /// Id of the host.
    pub host: String,
    /// Since when.
    pub first: Option<String>,
    /// Until when.
    pub last: Option<String>,
    /// By what.
    pub how: String,
    /// Ids of the intruder's accounts there.
    pub to: Vec<String>,
}

/// A change to an account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Change {
    /// When.
    pub time: Option<String>,
    /// What was done.
    pub what: String,
    /// Who did it.
    pub by: Option<String>,
    /// The events.
    pub events: Vec<Reference>,
}
