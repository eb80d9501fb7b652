//! Files that a client wrote over a share (or a remote desktop's drive) and their later use: programs that were then
//! run (T1570), libraries that another program then loaded (T1574.001), programs in startup folders (T1547.001), and
//! policies that a domain controller then distributes to everybody (T1484.001).

use crabwalk_activity::{
    AccountId, AccountKind, HostId, Place, SECOND, base_name, facts, for_each, kind_of,
};
use hashbrown::{HashMap, HashSet};

use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::files::{WRITES, is_policy, is_runnable};
use crate::techniques::{as_whom, brief};
use crate::world::World;

/// How long after writing a file its use still counts as the writer's.
const USED_WITHIN: i64 = 30 * 24 * 3600 * SECOND;
/// Maximum written files per host to follow.
const MOST: usize = 10_000;
/// Maximum uses per file to report.
const MOST_USES: usize = 8;

/// How a file came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Through {
    Share,
    /// The server of a remote desktop wrote to its client's drive.
    Desktop,
}

impl Through {
    fn name(self) -> &'static str {
        match self {
            Self::Share => "a share",
            Self::Desktop => "the remote desktop client's drive",
        }
    }

    fn family(self) -> Family {
        match self {
            Self::Share => Family::Smb,
            Self::Desktop => Family::Rdp,
        }
    }

    fn techniques(self) -> &'static [&'static str] {
        match self {
            Self::Share => Family::Smb.plain(),
            // The client's drive is a share of the session.
            Self::Desktop => &["T1570", "T1021.001"],
        }
    }
}

/// One file that arrived from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Written {
    time: i64,
    /// Lower case.
    path: String,
    reference: u64,
    from: Option<HostId>,
    by: Option<AccountId>,
    logon_id: u64,
    through: Through,
    uses: usize,
}

/// The local path, in lower case, of a file that 5145 names by its share.
fn local_path(share: &str, local: &str, relative: &str) -> Option<String> {
    let relative = relative.trim_start_matches('\\');
    let local = local.trim_start_matches("\\??\\").trim_end_matches('\\');
    let base = if local.len() >= 2 {
        local.to_owned()
    } else {
        let name = share
            .trim_end_matches('\\')
            .rsplit('\\')
            .next()?
            .to_uppercase();
        match name.strip_suffix('$') {
            Some(drive) if drive.len() == 1 => format!("{drive}:"),
            // Windows' folder is nearly always there.
            Some("ADMIN") => "c:\\windows".to_owned(),
            _ => return None,
        }
    };
    Some(format!("{base}\\{relative}").to_lowercase())
}

fn is_startup(path: &str) -> bool {
    path.contains("\\start menu\\programs\\startup\\")
}

/// Files that arrived, by the host on which they were written.
#[derive(Default)]
struct Arrived(HashMap<HostId, Vec<Written>>);

impl Arrived {
    fn add(&mut self, host: HostId, file: Written) {
        let written = self.0.entry(host).or_default();
        if written.len() < MOST {
            written.push(file);
        }
    }

    /// The writes of each file, by time. The share's event and the file's are the same write: the one that names the
    /// client represents both.
    fn by_path(self) -> Files {
        let mut by_path = Files::new();
        for (host, written) in self.0 {
            for one in written {
                by_path
                    .entry((host, one.path.clone()))
                    .or_default()
                    .push(one);
            }
        }
        for written in by_path.values_mut() {
            written
                .sort_unstable_by_key(|one| (one.time, one.from.is_none(), one.by, one.logon_id));
            let named: Vec<i64> = written
                .iter()
                .filter(|one| one.from.is_some() || one.by.is_some())
                .map(|one| one.time)
                .collect();
            written.retain(|one| {
                one.from.is_some()
                    || one.by.is_some()
                    || !named
                        .iter()
                        .any(|time| (time - one.time).abs() <= 10 * SECOND)
            });
        }
        by_path
    }
}

/// Files that the share's event names with the client. What changes a policy needs no later use to matter.
fn over_shares(world: &mut World<'_>, arrived: &mut Arrived, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::ShareFile, |row| {
        let (share, relative) = (row.share_name(), row.relative_target_name());
        if row.access_mask() & WRITES == 0 {
            return;
        }
        let (sid, name) = (row.subject_user_sid(), row.subject_user_name());
        if kind_of(name, sid) != AccountKind::User {
            return;
        }
        let host = world.writer(row);
        let src = world.hosts.place(row.ip_address(), host, row.time);
        if src == Place::Local {
            return;
        }
        let by = world.accounts.get(sid, row.subject_domain_name(), name);
        if is_policy(share, relative) {
            let logon = row.subject_logon_id();
            out.push(
                Evidence::new(
                    Kind::DestinationExecution,
                    Family::Smb,
                    Act::Weak,
                    host,
                    row.time,
                    row.reference,
                    format!("changed the group policy file {}", brief(relative)),
                )
                .technique(&["T1484.001"])
                .from(src)
                .used(by)
                .weighs(Class::File, 0.15)
                .in_session(world, logon),
            );
            return;
        }
        let Some(path) = local_path(share, row.share_local_path(), relative) else {
            return;
        };
        if !is_runnable(&path) {
            return;
        }
        arrived.add(
            host,
            Written {
                time: row.time,
                path,
                reference: row.reference,
                from: match src {
                    Place::Host(host) => Some(host),
                    _ => None,
                },
                by,
                logon_id: row.subject_logon_id(),
                through: Through::Share,
                uses: 0,
            },
        );
    });
}

/// Files that the kernel wrote in the session of a client, according to the audit of objects.
fn in_sessions(world: &mut World<'_>, arrived: &mut Arrived) {
    let catalog = world.catalog;
    for_each(catalog, facts::ObjectAccess, |row| {
        let path = row.object_name().to_lowercase();
        if !matches!(row.process_name(), "" | "-" | "System")
            || !row.object_type().eq_ignore_ascii_case("File")
            || row.access_mask() & WRITES == 0
            || !is_runnable(&path)
            || kind_of(row.subject_user_name(), row.subject_user_sid()) != AccountKind::User
        {
            return;
        }
        let host = world.writer(row);
        let logon_id = row.subject_logon_id();
        let Some(session) = world
            .session(host, logon_id, row.time)
            .and_then(|at| world.sessions.get(at))
            .filter(|session| session.is_remote() && session.logon_type == 3)
        else {
            return;
        };
        arrived.add(
            host,
            Written {
                time: row.time,
                path,
                reference: row.reference,
                from: session.from(),
                by: session.account,
                logon_id,
                through: Through::Share,
                uses: 0,
            },
        );
    });
}

/// Files that Sysmon saw the kernel or a remote desktop client write.
fn by_servers(world: &mut World<'_>, arrived: &mut Arrived, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::FileCreation, |row| {
        let image = base_name(row.image()).to_lowercase();
        // The kernel serves shares; the remote desktop client writes for the server it is connected to.
        let through = match image.as_str() {
            "system" => Through::Share,
            "mstsc.exe" => Through::Desktop,
            _ => return,
        };
        let path = row.target_filename().to_lowercase();
        if !is_runnable(&path) {
            return;
        }
        let host = world.writer(row);
        let mut from = None;
        if image == "mstsc.exe" {
            // The single client connected to a remote desktop.
            from = world
                .outbound_of(row.process_guid())
                .filter(|one| one.dst_port == 3389 && one.time <= row.time)
                .filter_map(|one| match one.dst {
                    Place::Host(server) if server != host => Some((one.time, server)),
                    _ => None,
                })
                .max()
                .map(|(_, server)| server);
            out.push(
                Evidence::new(
                    Kind::DestinationExecution,
                    Family::Rdp,
                    Act::Weak,
                    host,
                    row.time,
                    row.reference,
                    format!("the remote desktop's server wrote {}", brief(&path)),
                )
                .technique(if is_startup(&path) {
                    &["T1570", "T1547.001", "T1021.001"]
                } else {
                    &["T1570", "T1021.001"]
                })
                .from(from.map_or(Place::Unknown, Place::Host))
                .weighs(Class::File, 0.15),
            );
        }
        arrived.add(
            host,
            Written {
                time: row.time,
                path,
                reference: row.reference,
                from,
                by: None,
                logon_id: 0,
                through,
                uses: 0,
            },
        );
    });
}

pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let mut arrived = Arrived::default();
    over_shares(world, &mut arrived, out);
    in_sessions(world, &mut arrived);
    by_servers(world, &mut arrived, out);
    if arrived.0.is_empty() {
        return;
    }
    let mut by_path = arrived.by_path();
    startup(world, &by_path, out);
    executed(world, &mut by_path, out);
    loaded(world, &mut by_path, out);
}

type Files = HashMap<(HostId, String), Vec<Written>>;

/// The write that precedes a use of a file.
fn last_before(files: &mut Files, host: HostId, path: &str, time: i64) -> Option<Written> {
    let written = files.get_mut(&(host, path.to_owned()))?;
    let one = written
        .iter_mut()
        .rev()
        .find(|one| one.time <= time + SECOND && time - one.time <= USED_WITHIN)?;
    one.uses += 1;
    (one.uses <= MOST_USES).then(|| one.clone())
}

/// Evidence from a file's use about its writer, at the time of writing.
fn used(
    world: &World<'_>,
    host: HostId,
    written: &Written,
    reference: u64,
    what: String,
) -> Evidence {
    let mut evidence = Evidence::new(
        Kind::DestinationExecution,
        written.through.family(),
        Act::Strong,
        host,
        written.time,
        written.reference,
        what,
    )
    .technique(written.through.techniques())
    .from(written.from.map_or(Place::Unknown, Place::Host))
    .used(written.by)
    .weighs(Class::UsedFile, 0.2);
    if written.logon_id != 0 {
        evidence = evidence.in_session(world, written.logon_id);
    }
    evidence.refs.push(reference);
    evidence
}

fn later(microseconds: i64) -> String {
    let seconds = microseconds.max(0) / SECOND;
    match seconds {
        0..=119 => format!("{seconds} s later"),
        120..=7199 => format!("{} min later", seconds / 60),
        7200..=172_799 => format!("{} h later", seconds / 3600),
        _ => format!("{} days later", seconds / 86_400),
    }
}

/// Programs and scripts that run from written files.
fn executed(world: &World<'_>, files: &mut Files, out: &mut Sink) {
    let hosts: HashSet<HostId> = files.keys().map(|(host, _)| *host).collect();
    for at in 0..world.processes.len() {
        let Some(process) = world.processes.get(at) else {
            continue;
        };
        if !hosts.contains(&process.host) {
            continue;
        }
        let image = process.image.to_lowercase();
        let mut found = last_before(files, process.host, &image, process.time);
        if found.is_none() {
            // A script, or a library that rundll32 runs, is in the command line.
            let command = process.command.to_lowercase();
            found = crate::command::words(&command)
                .iter()
                .flat_map(|word| word.split(','))
                .map(|word| word.trim_matches(['\'', '"', ';', '&', '(', ')']))
                .filter(|word| word.get(1..3) == Some(":\\") && is_runnable(word))
                .find_map(|word| last_before(files, process.host, word, process.time));
        }
        let Some(written) = found else { continue };
        let what = format!(
            "{} came through {} and was run {}",
            brief(if process.command.is_empty() {
                process.image
            } else {
                process.command
            }),
            written.through.name(),
            later(process.time - written.time)
        );
        let mut evidence = used(world, process.host, &written, process.reference, what)
            .technique(&["T1570"])
            .effective(as_whom(world, at));
        evidence.process = world.process_key(at);
        out.push(evidence);
    }
}

/// Libraries that a program loads from written files.
fn loaded(world: &mut World<'_>, files: &mut Files, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::ImageLoad, |row| {
        let path = row.image_loaded().to_lowercase();
        // A program is an image that it loads itself.
        if path.ends_with(".exe") {
            return;
        }
        let host = world.writer(row);
        let Some(written) = last_before(files, host, &path, row.time) else {
            return;
        };
        let what = format!(
            "{} loaded {}, which had come through {}, {}",
            base_name(row.image()),
            brief(row.image_loaded()),
            written.through.name(),
            later(row.time - written.time)
        );
        let user = world.accounts.of_text(row.user());
        let mut evidence = used(world, host, &written, row.reference, what)
            .technique(&["T1574.001"])
            .effective(user);
        evidence.process = world.process_key(world.process_of_guid(row.process_guid()));
        out.push(evidence);
    });
}

/// Programs in a startup folder wait for the next logon.
fn startup(world: &World<'_>, files: &Files, out: &mut Sink) {
    for ((host, path), written) in files {
        let Some(first) = written.first().filter(|_| is_startup(path)) else {
            continue;
        };
        let mut evidence = used(
            world,
            *host,
            first,
            first.reference,
            format!("{} was put into a startup folder", brief(path)),
        )
        .technique(&["T1547.001"]);
        evidence.refs.dedup();
        out.push(evidence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_paths_of_shares() {
        for (share, local, relative, expected) in [
            (r"\\*\C$", r"\??\C:\", r"Temp\a.exe", Some(r"c:\temp\a.exe")),
            (
                r"\\*\ADMIN$",
                r"\??\C:\Windows",
                r"\a.exe",
                Some(r"c:\windows\a.exe"),
            ),
            (r"\\*\D$", "", "a.dll", Some(r"d:\a.dll")),
            (
                r"\\*\tools",
                r"\??\E:\Shares\tools",
                "x.ps1",
                Some(r"e:\shares\tools\x.ps1"),
            ),
            (r"\\*\tools", "", "x.ps1", None),
        ] {
            assert_eq!(
                local_path(share, local, relative).as_deref(),
                expected,
                "{share}"
            );
        }
    }
}
