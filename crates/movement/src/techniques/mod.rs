//! The ways of moving, each complete in one file: its traces in the logs of Windows, what a sensor sees of it, the
//! clients whose command lines name it, and the ports it listens on.
//!
//! A technique reports what it sees as [`Evidence`]; it knows nothing of how hops are assembled. A new one is a file
//! with a type that implements [`Technique`], and a line in the list of `family.rs`.

pub(crate) mod dcom;
mod exploit;
mod forged;
mod guest;
mod mssql;
mod printer;
pub(crate) mod rdp;
mod registry;
mod relay;
mod remote_tool;
mod replication;
pub(crate) mod service;
pub(crate) mod smb;
pub(crate) mod ssh;
mod task;
mod vnc;
mod winrm;
mod wmi;

use std::collections::BTreeSet;

use crabwalk_activity::{AccountId, AccountKind, HostId, SECOND, base_name, is_service_logon};

use crate::command::{CommandLine, Named};
use crate::evidence::{Act, Class, Evidence, Kind, Sink};
use crate::family::{Family, every_way};
use crate::used::Use;
use crate::world::World;

macro_rules! techniques {
    ($($family:ident => $technique:path,)*) => {
        /// All ways of moving.
        pub(crate) static ALL: &[&dyn Technique] = &[$(&$technique,)*];

        impl Family {
            fn technique(self) -> Option<&'static dyn Technique> {
                match self {
                    $(Self::$family => Some(&$technique),)*
                    Self::Any => None,
                }
            }
        }
    };
}

every_way!(techniques);

impl Family {
    /// Ports on which the destination listens for it.
    pub fn ports(self) -> &'static [u16] {
        self.technique().map_or(&[], |way| way.ports())
    }

    /// The ATT&CK ids of a movement of this way of which no more is known.
    pub fn plain(self) -> &'static [&'static str] {
        self.technique().map_or(&["T1021"], |way| way.plain())
    }

    /// The order in which hops are started from evidence: what is executed before what serves it.
    pub fn rank(self) -> u8 {
        self.technique().map_or(3, |way| match way.shares() {
            Shares::ArePipes => 1,
            Shares::AreFiles => 2,
            Shares::Serve | Shares::Unused => 0,
        })
    }

    /// Whether observations of both families may belong to one act: files and pipes serve what is then executed.
    pub fn serves(self, other: Self) -> bool {
        if self == other || self == Self::Any || other == Self::Any {
            return true;
        }
        let shares = |family: Self| {
            family
                .technique()
                .map_or(Shares::Unused, |way| way.shares())
        };
        let (own, others) = (shares(self), shares(other));
        own != Shares::Unused
            && others != Shares::Unused
            && (own != Shares::Serve || others != Shares::Serve)
    }
}

/// The ways of moving that an ATT&CK id can mean.
fn ways(technique: &str) -> impl Iterator<Item = Family> {
    let ways = ALL
        .iter()
        .filter(move |way| way.techniques().contains(&technique));
    ways.map(|way| way.family())
}

/// Whether an ATT&CK technique describes a way of moving. `T1550.002`, for instance, does; `T1018` does not.
pub fn is_way(technique: &str) -> bool {
    ways(technique).next().is_some()
}

/// Whether two ATT&CK techniques can describe one movement: they belong to one way, or files and pipes serve what is
/// then executed.
pub fn same_way(a: &str, b: &str) -> bool {
    a == b || ways(a).any(|own| ways(b).any(|other| own.serves(other)))
}

/// The relation of a way of moving to files and pipes on shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shares {
    /// Nothing.
    Unused,
    /// They serve it: a program is copied, a service's pipe opened.
    Serve,
    /// It is opening a pipe.
    ArePipes,
    /// It consists of reading and writing files.
    AreFiles,
}

/// What a remote procedure call, or the act of a serving program, shows of a technique.
pub(crate) struct Shown {
    pub act: Act,
    pub techniques: &'static [&'static str],
}

impl Shown {
    /// What only prepares, or that ordinary programs make.
    pub fn supports(techniques: &'static [&'static str]) -> Option<Self> {
        Some(Self {
            act: Act::None,
            techniques,
        })
    }

    /// What administration does as well.
    pub fn may_move(techniques: &'static [&'static str]) -> Option<Self> {
        Some(Self {
            act: Act::Weak,
            techniques,
        })
    }

    /// What is as certain as its act.
    pub fn as_act(act: Act, techniques: &'static [&'static str]) -> Option<Self> {
        Some(Self { act, techniques })
    }

    /// What executes or changes something there.
    pub fn moves(techniques: &'static [&'static str]) -> Option<Self> {
        Some(Self {
            act: Act::Strong,
            techniques,
        })
    }
}

/// How a tool for several ways names the one it is to take, in lower case.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ToolName<'a> {
    /// A protocol of NetExec.
    Protocol(&'a str),
    /// A script of Impacket.
    Script(&'a str),
    /// An action, or the name of a tool that has but one.
    Action(&'a str),
}

impl ToolName<'_> {
    /// The way it means.
    pub fn family(self) -> Option<Family> {
        let mut ways = ALL.iter();
        ways.find(|way| way.is_meant(self)).map(|way| way.family())
    }
}

/// One way of moving. It need not implement methods for traces that it does not leave.
pub(crate) trait Technique: Sync {
    /// The family of its evidence.
    fn family(&self) -> Family;

    /// The ATT&CK ids that may be used for a movement of this way.
    fn techniques(&self) -> &'static [&'static str];

    /// The ATT&CK ids of a movement of this way of which no more is known.
    fn plain(&self) -> &'static [&'static str] {
        self.techniques().get(..1).unwrap_or_default()
    }

    /// Ports on which the destination listens for it.
    fn ports(&self) -> &'static [u16] {
        &[]
    }

    /// The ATT&CK ids of a bare connection to its ports, if nothing else listens there.
    fn alone_on_its_ports(&self) -> Option<&'static [&'static str]> {
        None
    }

    /// Its relation to shares.
    fn shares(&self) -> Shares {
        Shares::Unused
    }

    /// Evidence from a process start, on the destination or the source.
    fn process(&self, _world: &mut World<'_>, _started: &Started, _out: &mut Sink) {}

    /// Evidence from other host events.
    fn events(&self, _world: &mut World<'_>, _out: &mut Sink) {}

    /// Evidence from sensor logs that only this technique reads.
    fn network(&self, _world: &mut World<'_>, _out: &mut Sink) {}

    /// Whether a remote procedure call, in lower case, belongs to it.
    fn call(&self, _interface: &str, _function: &str) -> Option<Shown> {
        None
    }

    /// Whether an act in a session from elsewhere was done by a program that serves it.
    fn served(&self, _used: &Use) -> Option<Shown> {
        None
    }

    /// Whether a tool for several ways means it by a name.
    fn is_meant(&self, _name: ToolName<'_>) -> bool {
        false
    }

    /// The host that a client program's command line targets.
    fn client(&self, _command: &CommandLine) -> Option<Named> {
        None
    }

    /// PowerShell keywords, in lower case, that use it on the machine that `-ComputerName` names, with the ATT&CK ids.
    fn cmdlets(&self) -> (&'static [&'static str], &'static [&'static str]) {
        (&[], &[])
    }

    /// The ATT&CK ids of explicit credentials (4648) given to this program, or for a service of this class; in lower
    /// case. The class is empty if the event names none.
    fn credentials(&self, _program: &str, _class: &str) -> Option<&'static [&'static str]> {
        None
    }
}

/// A process's names in lower case.
pub(crate) struct Started {
    pub at: usize,
    pub image: String,
    pub parent: String,
    pub command: String,
}

/// As whom a process acts for a client. PsExec's service does nothing as itself: what it starts tells.
pub(crate) fn as_whom(world: &World<'_>, at: usize) -> Option<AccountId> {
    // A helper or two of the console may come before the command.
    const FEW: usize = 8;
    let user = |at: usize| {
        let process = world.processes.get(at).filter(|one| one.own_session)?;
        Some((process.user?, process.image))
    };
    let (itself, image) = user(at)?;
    if !service::impersonates("", image) {
        return Some(itself);
    }
    world
        .descendants(at, FEW)
        .into_iter()
        .filter_map(|(child, _)| user(child))
        .find(|(_, image)| !base_name(image).eq_ignore_ascii_case("conhost.exe"))
        .map(|(client, _)| client)
}

/// Evidence from a process on the destination.
pub(crate) fn ran(
    world: &World<'_>,
    at: usize,
    family: Family,
    act: Act,
    techniques: &[&'static str],
    what: String,
) -> Option<Evidence> {
    let process = world.processes.get(at)?;
    let mut evidence = Evidence::new(
        Kind::DestinationExecution,
        family,
        act,
        process.host,
        process.time,
        process.reference,
        what,
    )
    .technique(techniques)
    .effective(as_whom(world, at))
    .in_session(world, process.logon_id);
    evidence.weight = 0.15;
    evidence.class = Class::Execution;
    evidence.process = world.process_key(at);
    // The session is not in the logs, but Sysmon records when it began.
    if evidence.session.is_none() && !is_service_logon(process.logon_id) {
        evidence.used = process.user;
        evidence.connected = process.logon_time;
    }
    Some(evidence)
}

/// Whether a command line, in lower case, sends all its output to a share of the machine itself, as tools do whose
/// client reads it there.
pub(crate) fn writes_to_own_share(command: &str) -> bool {
    // Commands for another shell have its special characters escaped.
    let command = command.replace('^', "");
    command.contains("2>&1")
        && command.split('>').skip(1).any(|target| {
            let target = target.trim_start().trim_start_matches('"');
            ["\\\\127.0.0.1\\", "\\\\localhost\\"]
                .iter()
                .any(|own| target.starts_with(own))
        })
}

/// Whether all output of a command, in lower case, goes to a file in Windows' temporary folder that only the collecting
/// tool will look for: one without an extension, or `.tmp`.
pub(crate) fn leaves_output(command: &str) -> bool {
    let command = command.replace('^', "");
    command.contains("2>&1")
        && command.split('>').skip(1).any(|target| {
            let target = target.trim_start().trim_start_matches('"');
            let target = match target.get(1..2) {
                Some(":") => target.get(2..).unwrap_or_default(),
                _ => target,
            };
            let folders = [
                "\\windows\\temp\\",
                "%windir%\\temp\\",
                "%systemroot%\\temp\\",
            ];
            let Some(rest) = folders
                .iter()
                .find_map(|folder| target.strip_prefix(folder))
            else {
                return false;
            };
            let name = rest.split([' ', '"', '&', '<']).next().unwrap_or_default();
            !name.is_empty()
                && !name.contains('\\')
                && (!name.contains('.') || name.ends_with(".tmp"))
        })
}

/// The session of the only client that logged on from elsewhere in the seconds before a time: its act, if nothing names
/// the caller.
pub(crate) fn only_client(world: &World<'_>, host: HostId, time: i64) -> Option<usize> {
    /// The act follows the client's request within this time.
    const JUST: i64 = 5 * SECOND;
    let mut clients = BTreeSet::new();
    let mut last = None;
    for (at, session) in world.sessions_between(host, time - JUST, time) {
        if session.logon_type == 3
            && session.kind == AccountKind::User
            && let Some(src) = session.from()
        {
            clients.insert((src, session.account));
            last = Some(at);
        }
    }
    last.filter(|_| clients.len() == 1)
}

/// A command line, cut to a readable length.
pub(crate) fn brief(text: &str) -> String {
    const MOST: usize = 160;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(MOST).collect();
    cut.push('…');
    cut
}
