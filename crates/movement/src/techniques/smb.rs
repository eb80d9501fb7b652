//! Files over administrative shares, and pipes (T1021.002, T1570, T1574).

use std::collections::BTreeMap;

use crabwalk_activity::{
    AccountId, AccountKind, HostId, Place, SECOND, base_name, facts, for_each, kind_of,
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

fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    let mut collected = Collected::new();
    for_each(catalog, facts::ShareAccess, |row| {
        let id = row.event_id;
        let share = row.share_name();
        let target = row.relative_target_name();
        let (admin, pipes) = (is_admin_share(share), is_pipe_share(share));
        let relevant = admin || (pipes && id == 5145);
        if !relevant {
            return;
        }
        let (sid, name) = (row.subject_user_sid(), row.subject_user_name());
        let kind = kind_of(name, sid);
        let host = world.writer(row);
        // The machine's own account at another address: somebody there acts with this machine's system token.
        let own = (sid == "S-1-5-18" || world.hosts.is_account_of(name, host))
            && (admin || target.eq_ignore_ascii_case("svcctl"));
        let mask = if id == 5145 { row.access_mask() } else { 0 };
        let mut src = world.hosts.place(row.ip_address(), host, row.time);
        // Another machine's account moves if it writes, or comes from an address other than that machine's.
        let another = kind == AccountKind::Machine
            && (admin && mask & WRITES != 0
                || matches!(src, Place::Host(src) if world.is_elsewhere(name, host, src)));
        if matches!(kind, AccountKind::Machine | AccountKind::System) && !own && !another {
            return;
        }
        if own {
            if matches!(src, Place::Host(_)) {
                out.push(
                    Evidence::new(
                        Kind::DestinationExecution,
                        Family::Exploit,
                        Act::Strong,
                        host,
                        row.time,
                        row.reference,
                        format!(
                            "the machine's own account came from {} to {share} {target}",
                            row.ip_address()
                        ),
                    )
                    .technique(&["T1210", "T1021.002"])
                    .from(src)
                    .weighs(Class::OwnAccount, 0.3),
                );
            }
            return;
        }
        let attempt = was_refused(row.keywords());
        let logon = row.subject_logon_id();
        let mut looped = false;
        if src == Place::Local {
            // Files that a client's command writes to a share of the machine itself are in the client's session.
            let client = world
                .session(host, logon, row.time)
                .and_then(|at| world.sessions.get(at))
                .filter(|session| session.is_remote() && session.logon_type == 3);
            match client {
                Some(session) if admin && mask & WRITES != 0 => {
                    src = session.source;
                    looped = true;
                }
                _ => return,
            }
        }
        let user = world.accounts.get(sid, row.subject_domain_name(), name);
        if !attempt && !looped && admin && is_output_place(share, target) {
            collected
                .entry((host, logon, share_path(share, target)))
                .or_default()
                .push(Touched {
                    time: row.time,
                    mask,
                    src,
                    user,
                    reference: row.reference,
                });
        }
        let (family, act, techniques, class, weight, claims): (_, _, &[&'static str], _, _, _) =
            if pipes {
                let Some(mut pipe) = pipe(target) else { return };
                if kind == AccountKind::Anonymous && pipe.act != Act::Strong {
                    return;
                }
                // Machines open each other's pipes all day: it shows how a machine's key is used, not that it is
                // stolen.
                if another && pipe.act == Act::Weak {
                    pipe.act = Act::None;
                }
                (
                    pipe.family,
                    pipe.act,
                    pipe.techniques,
                    Class::Pipe,
                    0.15,
                    pipe.claims,
                )
            } else if kind == AccountKind::Anonymous {
                return;
            } else if let Some((family, techniques)) =
                output_of(target).filter(|_| mask & (WRITES | READS | DELETES) != 0)
            {
                (family, Act::Strong, techniques, Class::File, 0.15, None)
            } else if looped {
                (
                    Family::Smb,
                    Act::Strong,
                    &["T1021.002"],
                    Class::File,
                    0.15,
                    None,
                )
            } else if mask & WRITES != 0 && base_name(target).contains('.') {
                (
                    Family::Smb,
                    Act::Strong,
                    &["T1021.002", "T1570"],
                    Class::File,
                    0.15,
                    None,
                )
            } else {
                (
                    Family::Smb,
                    Act::Weak,
                    &["T1021.002"],
                    Class::Share,
                    0.05,
                    None,
                )
            };
        let what = match (attempt, pipes, id) {
            (true, ..) => format!("was refused {share}"),
            (_, true, _) => format!("opened pipe {target}"),
            (_, _, 5140) => format!("opened share {share}"),
            _ if looped => {
                format!("a program of the client wrote {target} on its own machine's {share}")
            }
            _ if act == Act::Strong && mask & WRITES != 0 => {
                format!("wrote {target} on {share}")
            }
            _ if act == Act::Strong => format!("collected {target} on {share}"),
            _ => format!("accessed {target} on {share}"),
        };
        let execution = act == Act::Strong;
        let mut evidence = Evidence::new(
            if execution {
                Kind::DestinationExecution
            } else {
                Kind::DestinationLogon
            },
            family,
            if attempt { Act::Weak } else { act },
            host,
            row.time,
            row.reference,
            what,
        )
        .technique(techniques)
        .from(src)
        .used(user)
        .weighs(class, weight)
        .in_session(world, logon);
        evidence.attempt = attempt;
        if execution && admin {
            evidence.program = programs::program(&programs::on_share(share, target));
        }
        if src == Place::Unknown
            && let Some(claimed) = claims
        {
            evidence.src = world.hosts.place(&claimed, host, row.time);
        }
        // The event itself names the authenticated client.
        if let (Place::Host(_), false) = (src, looped) {
            let mut named = Evidence::new(
                Kind::DestinationLogon,
                family,
                Act::None,
                host,
                row.time,
                row.reference,
                format!("{name} came from {}", row.ip_address()),
            )
            .from(src)
            .used(user)
            .weighs(Class::Logon, 0.35);
            named.session = evidence.session;
            out.push(named);
        }
        out.push(evidence);
    });
    outputs(world, &collected, out);
    // A pipe of a remote execution tool that the kernel's SMB server opened for a client.
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
    // Programs that the SMB server wrote for a client.
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
