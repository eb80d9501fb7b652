//! Files over administrative shares, and pipes (T1021.002, T1570, T1574).

use std::collections::BTreeMap;

use crabwalk_activity::{
    AccountId, AccountKind, HostId, Place, Row, SECOND, base_name, facts, for_each, kind_of,
};

use super::{Shares, Shown, Technique, ToolName};
use crate::command::{CommandLine, Named};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::files::{WRITES, is_policy_path, is_runnable, within_drive};
pub(crate) use crate::pipes::is_admin_share;
use crate::pipes::{admin_path, is_pipe_share, was_refused};
use crate::programs;
use crate::signs::sensor::ends;
use crate::used::Use;
use crate::world::World;

/// Named pipes of services, if nothing shows what was done through them.
pub(crate) struct Pipes;

impl Technique for Pipes {
    fn family(&self) -> Family {
        Family::Pipe
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1021.002"]
    }

    fn ports(&self) -> &'static [u16] {
        Smb.ports()
    }

    fn shares(&self) -> Shares {
        Shares::ArePipes
    }
}

/// Files on administrative shares.
pub(crate) struct Smb;

impl Technique for Smb {
    fn family(&self) -> Family {
        Family::Smb
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1021.002", "T1570", "T1574.001", "T1574.002"]
    }

    fn ports(&self) -> &'static [u16] {
        &[445, 139]
    }

    fn shares(&self) -> Shares {
        Shares::AreFiles
    }

    fn events(&self, world: &mut World<'_>, out: &mut Sink) {
        events(world, out);
    }

    fn network(&self, world: &mut World<'_>, out: &mut Sink) {
        network(world, out);
    }

    fn client(&self, command: &CommandLine) -> Option<Named> {
        matches!(
            command.program.as_str(),
            "net" | "net1" | "cmd" | "xcopy" | "robocopy"
        )
        .then(|| {
            let pipes = || {
                // Opening the share of pipes with other credentials means that they are about to be used.
                let path = command.unc()?;
                let to_pipes = is_pipe_share(&path) && command.option(&["user"]).is_some();
                (to_pipes && command.says("use")).then_some(path)
            };
            command.on(
                admin_path(&command.words).or_else(pipes),
                command.option(&["user"]),
                &["T1021.002"],
            )
        })?
    }

    fn credentials(&self, _program: &str, class: &str) -> Option<&'static [&'static str]> {
        (class == "cifs").then_some(&["T1021.002"])
    }

    fn served(&self, used: &Use) -> Option<Shown> {
        used.program.is_empty().then(|| shared(used))?
    }

    fn is_meant(&self, name: ToolName<'_>) -> bool {
        match name {
            ToolName::Protocol(name) => name == "smb",
            ToolName::Script(name) => matches!(name, "smbclient" | "secretsdump" | "smbpasswd"),
            ToolName::Action(_) => false,
        }
    }
}

/// A file that the server of shares wrote: something executable, in the folders of Windows and its programs.
fn shared(used: &Use) -> Option<Shown> {
    if used.kind != "file" || used.id != 4663 || used.mask & WRITES == 0 {
        return None;
    }
    if is_policy_path(&used.object) {
        return Shown::may_move(&["T1484.001"]);
    }
    let path = within_drive(&used.object)?;
    let system = ["windows\\", "programdata\\", "program files", "users\\"]
        .iter()
        .any(|folder| path.starts_with(folder))
        || !path.contains('\\');
    if system && is_runnable(path) {
        Shown::moves(&["T1021.002", "T1570"])
    } else if path.starts_with("windows\\") {
        // Only administrators can write there, and only over an administrative share.
        Shown::may_move(&["T1021.002"])
    } else {
        None
    }
}

/// Access right to read a file.
const READS: u64 = 0x1;
/// Access right to delete a file.
const DELETES: u64 = 0x1_0000;

/// The way behind a command whose output has this name. Impacket's tools name it after the time: wmiexec with the
/// fraction, dcomexec with the first digits; smbexec reveals itself.
fn output_of(target: &str) -> Option<(Family, &'static [&'static str])> {
    let file = base_name(target).to_lowercase();
    let name = file.strip_prefix("__")?;
    if name.starts_with("output") {
        return Some((Family::Service, &["T1569.002", "T1021.002"]));
    }
    let (whole, fraction) = name
        .split_once('.')
        .map_or((name, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
    if !digits(whole) {
        return None;
    }
    match fraction {
        Some(fraction) if digits(fraction) => Some((Family::Wmi, &["T1047", "T1021.002"])),
        None => Some((Family::Dcom, &["T1021.003", "T1021.002"])),
        Some(_) => None,
    }
}

/// Whether a file is where tools have commands leave their output: in Windows' temporary folder, or in the root of a
/// drive under a name that no ordinary file has.
fn is_output_place(share: &str, target: &str) -> bool {
    let target = target.trim_start_matches('\\').to_lowercase();
    let root = !target.is_empty() && !target.contains(['\\', '.']);
    if share
        .trim_end_matches('\\')
        .to_uppercase()
        .ends_with("\\ADMIN$")
    {
        target.starts_with("temp\\")
    } else {
        target.starts_with("windows\\temp\\") || root
    }
}

/// Share and path of a file, in lower case.
fn share_path(share: &str, target: &str) -> String {
    format!(
        "{}\\{}",
        share.trim_end_matches('\\'),
        target.trim_start_matches('\\')
    )
    .to_lowercase()
}

/// A file that a client requested.
struct Touched {
    time: i64,
    mask: u64,
    src: Place,
    user: Option<AccountId>,
    reference: u64,
}

/// By host, LogonId and path.
type Collected = BTreeMap<(HostId, u64, String), Vec<Touched>>;

/// Files that a client read and deleted at once but never wrote: something on the machine wrote them for the client.
fn outputs(world: &World<'_>, all: &Collected, out: &mut Sink) {
    const AT_ONCE: i64 = 30 * SECOND;
    for ((host, logon, path), touched) in all {
        if touched.iter().any(|one| one.mask & WRITES != 0) {
            continue;
        }
        let deletions: Vec<&Touched> = touched
            .iter()
            .filter(|one| one.mask & DELETES != 0)
            .collect();
        if deletions.is_empty() {
            continue;
        }
        let Some((read, deleted)) =
            touched
                .iter()
                .filter(|one| one.mask & READS != 0)
                .find_map(|read| {
                    let at_once = |one: &&&Touched| (0..=AT_ONCE).contains(&(one.time - read.time));
                    deletions
                        .iter()
                        .find(at_once)
                        .map(|deleted| (read, *deleted))
                })
        else {
            continue;
        };
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Smb,
            Act::Strong,
            *host,
            read.time,
            read.reference,
            format!(
                "read {path} and deleted it without having written it: the output of a command"
            ),
        )
        .technique(&["T1021.002"])
        .from(read.src)
        .used(read.user)
        .weighs(Class::File, 0.2)
        .in_session(world, *logon);
        if deleted.reference != read.reference {
            evidence.refs.push(deleted.reference);
        }
        out.push(evidence);
    }
}

/// The meaning of opening a pipe over the network.
pub(crate) struct Pipe {
    pub family: Family,
    pub act: Act,
    pub techniques: &'static [&'static str],
    /// Machine that the pipe's name claims to come from.
    pub claims: Option<String>,
}

/// Pipes of Windows itself, from which nothing follows.
const ORDINARY: &[&str] = &[
    "lsarpc",
    "samr",
    "netlogon",
    "srvsvc",
    "wkssvc",
    "spoolss",
    "eventlog",
    "ntsvcs",
    "epmapper",
    "browser",
    "efsrpc",
    "netdfs",
    "lsass",
    "protected_storage",
    "initshutdown",
    "trkwks",
    "w32time_alt",
    "router",
    "dnsserver",
    "fssagentrpc",
    "tapsrv",
    "mssqlserver",
    "sql\\query",
    "wmsgkeysvc",
    "scerpc",
    "plugplay",
    "keysvc",
    "dhcpcsvc",
    "lltdsvc",
    "dav rpc service",
    "catalogchangelistener",
];

/// The meaning of a pipe's name, for a pipe opened from another machine.
pub(crate) fn pipe(name: &str) -> Option<Pipe> {
    let lower = name.trim_start_matches('\\').to_lowercase();
    let lower = lower.as_str();
    let is = |family, act, techniques| {
        Some(Pipe {
            family,
            act,
            techniques,
            claims: None,
        })
    };
    if let Some(stem) = ["-stdin", "-stdout", "-stderr"]
        .iter()
        .find_map(|end| lower.strip_suffix(end))
    {
        // `name-CLIENT-pid`, whatever the service was renamed to.
        let claims = stem.rsplit_once('-').and_then(|(front, pid)| {
            pid.parse::<u32>().ok()?;
            front.split_once('-').map(|(_, client)| client.to_owned())
        });
        return Some(Pipe {
            family: Family::Service,
            act: Act::Strong,
            techniques: &["T1569.002", "T1021.002"],
            claims,
        });
    }
    let service: &[&str] = &["psexesvc", "remcom_", "remcom-", "paexec", "csexec"];
    if service.iter().any(|start| lower.starts_with(start)) {
        return is(Family::Service, Act::Strong, &["T1569.002", "T1021.002"]);
    }
    let command: &[&str] = &["msagent_", "msse-", "postex_", "status_", "meterpreter"];
    if command.iter().any(|start| lower.starts_with(start)) {
        return is(Family::Pipe, Act::Strong, &["T1021.002", "T1570"]);
    }
    match lower {
        "svcctl" => is(Family::Service, Act::Weak, &["T1569.002", "T1021.002"]),
        "atsvc" => is(Family::Task, Act::Weak, &["T1053.005", "T1021.002"]),
        "winreg" => is(Family::Registry, Act::Weak, &["T1112", "T1021.002"]),
        "" => None,
        _ if ORDINARY.iter().any(|own| lower.starts_with(own))
            || lower.starts_with("rpc_")
            || lower.starts_with("mojo.") =>
        {
            None
        }
        _ => is(Family::Pipe, Act::Weak, &["T1021.002"]),
    }
}

/// A client's use of an administrative share, or of a pipe.
struct Access<'r, 'a> {
    row: &'r Row<'a, 'r, facts::ShareAccess>,
    host: HostId,
    kind: AccountKind,
    /// Whether the share is an administrative one.
    admin: bool,
    /// Whether the share is the one of pipes.
    pipes: bool,
    /// The rights to the file that were asked for; 0 if the event does not say.
    mask: u64,
    src: Place,
    /// Whether the machine's own account came: with its system token, if it came from another address.
    own: bool,
    /// Whether another machine's account moves: it writes, or comes from an address other than that machine's.
    another: bool,
    /// Whether a program of the client asked for a share of the machine that it runs on.
    looped: bool,
}

/// What an access shows.
struct Meaning {
    family: Family,
    act: Act,
    techniques: &'static [&'static str],
    class: Class,
    weight: f64,
    /// Machine that the pipe's name claims to come from.
    claims: Option<String>,
}

impl<'r, 'a> Access<'r, 'a> {
    /// `None` for shares and accounts of which nothing follows.
    fn read(world: &mut World<'a>, row: &'r Row<'a, 'r, facts::ShareAccess>) -> Option<Self> {
        let with_target = row.event_id == 5145;
        let share = row.share_name();
        let (admin, pipes) = (is_admin_share(share), is_pipe_share(share));
        let relevant = admin || (pipes && with_target);
        if !relevant {
            return None;
        }
        let (sid, name) = (row.subject_user_sid(), row.subject_user_name());
        let kind = kind_of(name, sid);
        let host = world.writer(row);
        let own = (sid == "S-1-5-18" || world.hosts.is_account_of(name, host))
            && (admin || row.relative_target_name().eq_ignore_ascii_case("svcctl"));
        let mask = if with_target { row.access_mask() } else { 0 };
        let src = world.hosts.place(row.ip_address(), host, row.time);
        let another = kind == AccountKind::Machine
            && (admin && mask & WRITES != 0
                || matches!(src, Place::Host(src) if world.is_elsewhere(name, host, src)));
        if matches!(kind, AccountKind::Machine | AccountKind::System) && !own && !another {
            return None;
        }
        Some(Self {
            row,
            host,
            kind,
            admin,
            pipes,
            mask,
            src,
            own,
            another,
            looped: false,
        })
    }

    /// The machine's own account from another address: somebody there acts with this machine's system token.
    fn by_own_account(&self) -> Option<Evidence> {
        let Self { row, src, .. } = self;
        matches!(src, Place::Host(_)).then(|| {
            Evidence::new(
                Kind::DestinationExecution,
                Family::Exploit,
                Act::Strong,
                self.host,
                row.time,
                row.reference,
                format!(
                    "the machine's own account came from {} to {} {}",
                    row.ip_address(),
                    row.share_name(),
                    row.relative_target_name()
                ),
            )
            .technique(&["T1210", "T1021.002"])
            .from(*src)
            .weighs(Class::OwnAccount, 0.3)
        })
    }

    /// The client in whose session something wrote to a share of its own machine.
    fn client_behind(&self, world: &World<'_>) -> Option<Place> {
        let row = self.row;
        let session = world
            .session(self.host, row.subject_logon_id(), row.time)
            .and_then(|at| world.sessions.get(at))?;
        let remote = session.is_remote() && session.logon_type == 3;
        (remote && self.admin && self.mask & WRITES != 0).then_some(session.source)
    }

    fn was_refused(&self) -> bool {
        was_refused(self.row.keywords())
    }

    /// Whether the file may be one in which a command left its output for the client.
    fn may_be_output(&self) -> bool {
        let (share, target) = (self.row.share_name(), self.row.relative_target_name());
        !self.was_refused() && !self.looped && self.admin && is_output_place(share, target)
    }

    /// `None` if nothing follows.
    fn meaning(&self) -> Option<Meaning> {
        let target = self.row.relative_target_name();
        let anonymous = self.kind == AccountKind::Anonymous;
        if self.pipes {
            let mut pipe = pipe(target)?;
            if anonymous && pipe.act != Act::Strong {
                return None;
            }
            // Machines open each other's pipes all day: it shows how a machine's key is used, not that it is stolen.
            if self.another && pipe.act == Act::Weak {
                pipe.act = Act::None;
            }
            return Some(Meaning {
                family: pipe.family,
                act: pipe.act,
                techniques: pipe.techniques,
                class: Class::Pipe,
                weight: 0.15,
                claims: pipe.claims,
            });
        }
        if anonymous {
            return None;
        }
        let file = |family, techniques| Meaning {
            family,
            act: Act::Strong,
            techniques,
            class: Class::File,
            weight: 0.15,
            claims: None,
        };
        let touched = self.mask & (WRITES | READS | DELETES) != 0;
        let written = self.mask & WRITES != 0 && base_name(target).contains('.');
        Some(match output_of(target).filter(|_| touched) {
            Some((family, techniques)) => file(family, techniques),
            None if self.looped => file(Family::Smb, &["T1021.002"]),
            None if written => file(Family::Smb, &["T1021.002", "T1570"]),
            None => Meaning {
                family: Family::Smb,
                act: Act::Weak,
                techniques: &["T1021.002"],
                class: Class::Share,
                weight: 0.05,
                claims: None,
            },
        })
    }

    fn sentence(&self, act: Act) -> String {
        let (share, target) = (self.row.share_name(), self.row.relative_target_name());
        match (self.was_refused(), self.pipes, self.row.event_id) {
            (true, ..) => format!("was refused {share}"),
            (_, true, _) => format!("opened pipe {target}"),
            (_, _, 5140) => format!("opened share {share}"),
            _ if self.looped => {
                format!("a program of the client wrote {target} on its own machine's {share}")
            }
            _ if act == Act::Strong && self.mask & WRITES != 0 => {
                format!("wrote {target} on {share}")
            }
            _ if act == Act::Strong => format!("collected {target} on {share}"),
            _ => format!("accessed {target} on {share}"),
        }
    }

    fn evidence(
        &self,
        world: &mut World<'a>,
        user: Option<AccountId>,
        meaning: Meaning,
    ) -> Evidence {
        let row = self.row;
        let refused = self.was_refused();
        let execution = meaning.act == Act::Strong;
        let mut evidence = Evidence::new(
            if execution {
                Kind::DestinationExecution
            } else {
                Kind::DestinationLogon
            },
            meaning.family,
            if refused { Act::Weak } else { meaning.act },
            self.host,
            row.time,
            row.reference,
            self.sentence(meaning.act),
        )
        .technique(meaning.techniques)
        .from(self.src)
        .used(user)
        .weighs(meaning.class, meaning.weight)
        .in_session(world, row.subject_logon_id());
        evidence.attempt = refused;
        if execution && self.admin {
            let path = programs::on_share(row.share_name(), row.relative_target_name());
            evidence.program = programs::program(&path);
        }
        if self.src == Place::Unknown
            && let Some(claimed) = meaning.claims
        {
            evidence.src = world.hosts.place(&claimed, self.host, row.time);
        }
        evidence
    }

    /// The event itself names the authenticated client.
    fn client(&self, user: Option<AccountId>, shown: &Evidence) -> Option<Evidence> {
        if self.looped || !matches!(self.src, Place::Host(_)) {
            return None;
        }
        let row = self.row;
        let mut evidence = Evidence::new(
            Kind::DestinationLogon,
            shown.family,
            Act::None,
            self.host,
            row.time,
            row.reference,
            format!("{} came from {}", row.subject_user_name(), row.ip_address()),
        )
        .from(self.src)
        .used(user)
        .weighs(Class::Logon, 0.35);
        evidence.session = shown.session;
        Some(evidence)
    }
}

/// What clients did on administrative shares and with pipes, according to the server of shares.
fn accessed(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    let mut collected = Collected::new();
    for_each(catalog, facts::ShareAccess, |row| {
        let Some(mut access) = Access::read(world, row) else {
            return;
        };
        if access.own {
            out.extend(access.by_own_account());
            return;
        }
        if access.src == Place::Local {
            let Some(client) = access.client_behind(world) else {
                return;
            };
            access.src = client;
            access.looped = true;
        }
        let user = world.accounts.get(
            row.subject_user_sid(),
            row.subject_domain_name(),
            row.subject_user_name(),
        );
        if access.may_be_output() {
            let path = share_path(row.share_name(), row.relative_target_name());
            collected
                .entry((access.host, row.subject_logon_id(), path))
                .or_default()
                .push(Touched {
                    time: row.time,
                    mask: access.mask,
                    src: access.src,
                    user,
                    reference: row.reference,
                });
        }
        let Some(meaning) = access.meaning() else {
            return;
        };
        let evidence = access.evidence(world, user, meaning);
        out.extend(access.client(user, &evidence));
        out.push(evidence);
    });
    outputs(world, &collected, out);
}

/// Pipes of remote execution tools that the kernel's SMB server opened for a client.
fn opened_pipes(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::Pipe, |row| {
        let id = row.event_id;
        let name = row.pipe_name();
        let by_system = row.image().eq_ignore_ascii_case("System");
        let Some(pipe) = pipe(name) else { return };
        if (id == 18 && !by_system) || (pipe.act != Act::Strong && id == 17) {
            return;
        }
        // It matters that a client opened the service's pipe, but what it did through it is unknown.
        let serves = pipe.act != Act::Strong && pipe.family != Family::Pipe;
        let host = world.writer(row);
        let src = pipe.claims.as_deref().map_or(Place::Unknown, |claimed| {
            world.hosts.place(claimed, host, row.time)
        });
        if src == Place::Local {
            return;
        }
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            pipe.family,
            if serves || pipe.claims.is_none() && pipe.act == Act::Strong && id == 17 {
                Act::None
            } else {
                pipe.act
            },
            host,
            row.time,
            row.reference,
            format!(
                "{} pipe {name}",
                if id == 17 {
                    "served"
                } else {
                    "a client opened"
                }
            ),
        )
        .technique(if serves { &[] } else { pipe.techniques })
        .from(src)
        .weighs(Class::Pipe, 0.15);
        if !by_system {
            evidence.process = world.process_key(world.process_of_guid(row.process_guid()));
        }
        out.push(evidence);
    });
}

/// Programs that the SMB server wrote for a client.
fn written_programs(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::FileCreation, |row| {
        if !row.image().eq_ignore_ascii_case("System") {
            return;
        }
        let path = row.target_filename();
        let lower = path.to_lowercase();
        let ends = [
            ".exe", ".dll", ".bat", ".cmd", ".ps1", ".vbs", ".js", ".hta", ".scr", ".lnk", ".sys",
            ".msi",
        ];
        if !ends.iter().any(|end| lower.ends_with(end)) {
            return;
        }
        let host = world.writer(row);
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Smb,
            Act::Weak,
            host,
            row.time,
            row.reference,
            format!("a client wrote {path}"),
        )
        .technique(&["T1021.002", "T1570"])
        .weighs(Class::File, 0.15);
        evidence.program = programs::program(path);
        out.push(evidence);
    });
}

fn events(world: &mut World<'_>, out: &mut Sink) {
    accessed(world, out);
    opened_pipes(world, out);
    written_programs(world, out);
}

/// Administrative shares and files on them that a sensor saw.
fn network(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::ZeekShare, |row| {
        if !is_admin_share(row.path()) {
            return;
        }
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        out.push(
            Evidence::new(
                Kind::Network,
                Family::Smb,
                Act::Strong,
                dst,
                row.time,
                row.reference,
                format!("mapped {}", row.path()),
            )
            .technique(&["T1021.002"])
            .from(src)
            .used(world.user_of(row.uid()))
            .weighs(Class::NetworkShare, 0.3),
        );
    });
    for_each(catalog, facts::ZeekFile, |row| {
        if !is_admin_share(row.path()) {
            return;
        }
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        out.push(
            Evidence::new(
                Kind::Network,
                Family::Smb,
                Act::Weak,
                dst,
                row.time,
                row.reference,
                format!("{} {} on {}", row.action(), row.name(), row.path()),
            )
            .technique(&["T1021.002", "T1570"])
            .from(src)
            .used(world.user_of(row.uid()))
            .weighs(Class::NetworkFile, 0.1),
        );
    });
}
