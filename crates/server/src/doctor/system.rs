//! What the machine gives the server: its folder, room, files, memory, and how the service is confined.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crabwalk_vocabulary::text::list;

use super::Check;
use crate::server::Config;

/// Free space below which the server will soon refuse events, in bytes, and the share below which to warn.
const LITTLE: u64 = 1 << 30;
const SHARE: u64 = 10;
/// Files that the server opens besides connections: the store's, the log's, lookups.
const OTHER_FILES: u64 = 1_024;

/// Permissions and owners.
#[cfg(unix)]
pub fn folder(data: &Path) -> Vec<Check> {
    use std::os::unix::fs::MetadataExt as _;

    const NAME: &str = "data";
    let mut checks = Vec::new();
    let meta = match fs::metadata(data) {
        Ok(meta) => meta,
        Err(error) => {
            let found = format!("{}: {error}", data.display());
            return vec![Check::failed(NAME, found, "run this as the server's user")];
        }
    };
    let shown = data.display();
    let owner = meta.uid();
    match meta.mode() & 0o077 {
        0 => checks.push(Check::ok(
            NAME,
            format!("{shown}, only for its owner (user {owner})"),
        )),
        open => checks.push(Check::warning(
            NAME,
            format!(
                "{shown} is open to others (mode {:o})",
                open | meta.mode() & 0o700
            ),
            format!("chmod 700 {shown}"),
        )),
    }
    let me = fs::metadata("/proc/self").map_or(owner, |own| own.uid());
    if me != owner && me != 0 {
        checks.push(Check::warning(
            NAME,
            format!(
                "it belongs to user {owner}, and this runs as user {me}: some checks see nothing"
            ),
            "run this as the server's user, or as root",
        ));
    }
    // A command that root ran by hand leaves files that the server cannot write.
    let mut others = Vec::new();
    for folder in [
        data.to_owned(),
        data.join("store"),
        data.join("log"),
        data.join("case"),
    ] {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.metadata().is_ok_and(|meta| meta.uid() != owner) {
                let path = entry.path();
                others.push(
                    path.strip_prefix(data)
                        .unwrap_or(&path)
                        .display()
                        .to_string(),
                );
            }
        }
    }
    others.sort();
    if !others.is_empty() {
        checks.push(Check::failed(
            NAME,
            format!("not the owner's: {}", list(&others, "and", 5)),
            format!("chown -R {owner}:{} {shown}", meta.gid()),
        ));
    }
    if !is_writable(data) {
        checks.push(Check::failed(
            NAME,
            format!("{shown} cannot be written"),
            "if the file system became read-only, look at the disk (`dmesg`); else run this as the server's user",
        ));
    }
    checks
}

#[cfg(not(unix))]
pub fn folder(_: &Path) -> Vec<Check> {
    Vec::new()
}

/// Whether it may be written, as far as permissions and the file system's state tell.
#[cfg(unix)]
fn is_writable(data: &Path) -> bool {
    use nix::unistd::{AccessFlags, access};
    access(data, AccessFlags::W_OK).is_ok()
}

/// Free space, and the number of files that can still be made.
#[cfg(unix)]
pub fn space(data: &Path) -> Vec<Check> {
    const NAME: &str = "disk";
    let stat = match nix::sys::statvfs::statvfs(data) {
        Ok(stat) => stat,
        Err(error) => {
            let found = format!("{}: {error}", data.display());
            return vec![Check::failed(NAME, found, "look at the disk")];
        }
    };
    let unit = stat.fragment_size();
    let (free, whole) = (stat.blocks_available() * unit, stat.blocks() * unit);
    let advice = "make room: `crabwalk store forget` removes old events; the server takes events again by itself";
    let found = format!(
        "{:.1} GB of {:.1} GB free",
        free as f64 / 1e9,
        whole as f64 / 1e9
    );
    let mut checks = vec![match free {
        _ if free < LITTLE => Check::failed(NAME, found, advice),
        _ if free < whole / SHARE => Check::warning(NAME, found, advice),
        _ => Check::ok(NAME, found),
    }];
    let (files, all) = (stat.files_available(), stat.files());
    // Some file systems do not count them.
    if all > 0 && files < all / SHARE {
        checks.push(Check::warning(
            NAME,
            format!("{files} of {all} files can still be made (inodes)"),
            "remove small files; `crabwalk store compact` merges those of the store while the server is stopped",
        ));
    }
    checks
}

#[cfg(not(unix))]
pub fn space(_: &Path) -> Vec<Check> {
    Vec::new()
}

/// The server that uses the data folder, and its process where that can be told.
pub fn running(data: &Path) -> io::Result<Option<Option<u32>>> {
    let lock = match File::open(data.join("lock")) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(fs::TryLockError::WouldBlock) => Ok(Some(holder(&lock))),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// The process that holds a lock.
#[cfg(unix)]
fn holder(lock: &File) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;

    let inode = lock.metadata().ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 4242 fe:00:1311 0 EOF`
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (kind, mode, pid, file) = (words.get(1)?, words.get(3)?, words.get(4)?, words.get(5)?);
        let is_it =
            *kind == "FLOCK" && *mode == "WRITE" && file.rsplit(':').next() == Some(inode.as_str());
        is_it.then(|| pid.parse().ok()).flatten()
    })
}

#[cfg(not(unix))]
fn holder(_: &File) -> Option<u32> {
    None
}

/// A line `name  number …` of a file below `/proc`.
fn figure(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Open files and memory, of the server if it runs, else of this process.
pub fn limits(config: &Config, pid: Option<u32>) -> Vec<Check> {
    let whose = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let mut checks = Vec::new();
    let needed = config.limits.connections as u64 + OTHER_FILES;
    if let Some(files) = figure(&format!("/proc/{whose}/limits"), "Max open files") {
        let of = if pid.is_some() {
            "the server"
        } else {
            "a server started from here"
        };
        checks.push(match files >= needed {
            true => Check::ok("open files", format!("{of} may open {files}")),
            false => Check::warning(
                "open files",
                format!("{of} may open {files}, and {} connections need {needed}", config.limits.connections),
                "raise the limit: LimitNOFILE=65536 in a systemd unit, `ulimit -n 65536` in a shell; or lower limits.connections",
            ),
        });
    }
    let total = figure("/proc/meminfo", "MemTotal:").map(|kilobytes| kilobytes * 1_024);
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max");
    let group: Option<u64> = group.ok().and_then(|text| text.trim().parse().ok());
    if let Some(memory) = total.into_iter().chain(group).min() {
        // What waits to be written, what waits for a commit, and a quarter for hunts and searches.
        let used = config.limits.waiting as u64 + (192 << 20) + memory / 4;
        let found = format!(
            "{:.1} GB here; up to about {:.1} GB may be used at peaks",
            memory as f64 / 1e9,
            used as f64 / 1e9
        );
        checks.push(match used <= memory / 4 * 3 {
            true => Check::ok("memory", found),
            false => Check::warning(
                "memory",
                found,
                "lower limits.waiting, or give the machine more memory",
            ),
        });
    }
    checks
}

/// How a server that systemd runs is confined, as the kernel sees it.
pub fn confinement(pid: Option<u32>) -> Vec<Check> {
    const NAME: &str = "service";
    let Some(pid) = pid else { return Vec::new() };
    let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let unit = (group.lines().flat_map(|line| line.rsplit('/')))
        .find(|part| part.ends_with(".service") && !part.starts_with("user@"));
    let Some(unit) = unit else {
        return Vec::new();
    };
    let status = format!("/proc/{pid}/status");
    let mut missing = Vec::new();
    if figure(&status, "Uid:") == Some(0) {
        missing.push("it runs as root (DynamicUser=)");
    }
    if figure(&status, "NoNewPrivs:") == Some(0) {
        missing.push("it may gain rights (NoNewPrivileges=)");
    }
    if figure(&status, "Seccomp:") == Some(0) {
        missing.push("it may make any system call (SystemCallFilter=)");
    }
    vec![match missing.is_empty() {
        true => Check::ok(NAME, format!("{unit} is confined")),
        false => Check::warning(
            NAME,
            format!("{unit}: {}", list(&missing, "and", 5)),
            "use the unit of the package (packaging/crabwalk.service), or take its settings over",
        ),
    }]
}
