//! The machine whose file this is, by its path in a triage collection, for files that name no machine: `wtmp`, text logs, task
//! files.
//!
//! Collectors keep the path on the machine below a folder or archive that is named after it: KAPE as `HOST/C/Windows/…`,
//! Velociraptor as `Collection-HOST-TIME.zip!/uploads/auto/C%3A/Windows/…`, UAC as `uac-HOST-linux-TIME.tar.gz!/[root]/var/log/…`.

/// Folders of collectors between a machine's name and its file system, and folders for evidence of any machine.
const NO_HOSTS: [&str; 36] = [
    "uploads",
    "auto",
    "ntfs",
    "ntfs_vss",
    "lazy_ntfs",
    "mft",
    "file",
    "files",
    "root",
    "[root]",
    "rootfs",
    "fs",
    "results",
    "evidence",
    "case",
    "cases",
    "collection",
    "collections",
    "triage",
    "kape",
    "tdest",
    "output",
    "out",
    "export",
    "exports",
    "image",
    "images",
    "mnt",
    "mount",
    "media",
    "tmp",
    "data",
    "logs",
    "disk",
    "home",
    "artifacts",
];

/// Folders at the top of a drive of Windows. A folder of one letter is a drive only above one of them: anybody may have such
/// folders.
const ON_DRIVES: [&str; 7] = [
    "windows",
    "users",
    "programdata",
    "program files",
    "program files (x86)",
    "documents and settings",
    "inetpub",
];

/// Bytes written as `%3A`, as they are.
fn decoded(name: &str) -> String {
    if !name.contains('%') {
        return name.to_owned();
    }
    let bytes = name.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = name
            .get(at + 1..at + 3)
            .filter(|code| *byte == b'%' && code.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        out.push(code.unwrap_or(*byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a folder stands for a drive: `C:`, `\\.\C:`, or `C` above one of Windows' folders.
fn is_drive(name: &str, below: &str) -> bool {
    let name = name.rsplit('\\').next().unwrap_or(name);
    let is_letter =
        |text: &str| text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    match name.strip_suffix(':') {
        Some(letter) => is_letter(letter),
        None => is_letter(name) && ON_DRIVES.contains(&below.to_ascii_lowercase().as_str()),
    }
}

fn is_host(name: &str) -> bool {
    let labels = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253
        && name.split('.').all(labels)
        && name.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !NO_HOSTS.contains(&name.to_ascii_lowercase().as_str())
}

/// Without the time at its end that collectors add: `-2024-03-04T10_00_00Z`, `-20240304100000`.
fn without_time(name: &str) -> Option<&str> {
    let is_time = |text: &str| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let rest = text.bytes().filter(|byte| !byte.is_ascii_digit());
        (12..=20).contains(&digits)
            && rest
                .into_iter()
                .all(|byte| matches!(byte, b'-' | b'_' | b'.' | b'T' | b'Z' | b':' | b'+'))
    };
    // The name itself may end in numbers: the last part that is long enough is the time.
    name.char_indices()
        .rev()
        .filter(|(_, letter)| *letter == '-')
        .find(|(at, _)| name.get(at + 1..).is_some_and(is_time))
        .and_then(|(at, _)| name.get(..at))
}

/// The machine in the name that a collector gives to what it collects.
fn of_collection(name: &str) -> Option<&str> {
    let name = [".zip", ".tar.gz", ".tgz", ".tar"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    let host = match name.strip_prefix("Collection-") {
        Some(rest) => without_time(rest)?,
        None => {
            let rest = without_time(name.strip_prefix("uac-")?)?;
            rest.rsplit_once('-')?.0
        }
    };
    Some(host).filter(|host| is_host(host))
}

/// The machine whose file has this path, if the path tells.
pub(crate) fn host_of(path: &str) -> Option<String> {
    // An archive is a folder; whether a name belongs to one is told by the mark behind it.
    let parts: Vec<(String, bool)> = path
        .split('/')
        .flat_map(|part| match part.strip_suffix('!') {
            Some(archive) => vec![(archive, true)],
            // Backslashes separate folders on Windows, but belong to a name such as `\\.\C:`, which is encoded.
            None => part.split('\\').map(|part| (part, false)).collect(),
        })
        .filter(|(part, _)| !part.is_empty() && *part != ".")
        .map(|(part, archive)| (decoded(part), archive))
        .collect();
    let name = |at: usize| parts.get(at).map(|(name, _)| name.as_str());
    let begins = (0..parts.len().saturating_sub(1)).rev().find(|at| {
        let (Some(own), Some(below)) = (name(*at), name(at + 1)) else {
            return false;
        };
        is_drive(own, below) || (own == "var" && below == "log")
    })?;
    for (part, archive) in parts.get(..begins)?.iter().rev() {
        if let Some(host) = of_collection(part) {
            return Some(host.to_owned());
        }
        if NO_HOSTS.contains(&part.to_ascii_lowercase().as_str()) {
            continue;
        }
        // The name of an archive may be anything; so may that of a folder further up.
        return (!archive && is_host(part)).then(|| part.clone());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_in_paths() {
        for (path, host) in [
            (
                "/ev/Collection-WS6-2024-03-04T10_00_00Z.zip!/uploads/auto/C%3A/Windows/System32/Tasks/Updater",
                Some("WS6"),
            ),
            (
                "Collection-ws6.corp.example-2024-03-04T10_00_00Z.zip!/uploads/ntfs/%5C%5C.%5CC%3A/Windows/x",
                Some("ws6.corp.example"),
            ),
            (
                "Collection-HV-2019-2024-03-04T10_00_00Z/uploads/auto/C%3A/x",
                Some("HV-2019"),
            ),
            (
                "Collection-srv7-2024-03-04T10_00_00Z.zip!/uploads/auto/var/log/wtmp",
                Some("srv7"),
            ),
            (
                "uac-srv-7-linux-20240304100000.tar.gz!/[root]/var/log/auth.log",
                Some("srv-7"),
            ),
            ("kape/WS6/C/Windows/System32/Tasks/Updater", Some("WS6")),
            (
                "all.zip!/WS6/C/ProgramData/AnyDesk/ad_svc.trace",
                Some("WS6"),
            ),
            ("C:\\cases\\WS6\\C\\Windows\\x.log", Some("WS6")),
            ("ev/srv7/var/log/secure", Some("srv7")),
            // No machine: of this one, in archives of any name, in folders for evidence.
            ("/var/log/wtmp", None),
            ("all.zip!/C/Windows/x", None),
            ("H.1234.zip!/uploads/auto/C%3A/x", None),
            ("evidence/C/Windows/x", None),
            ("WS6/auth.log", None),
            ("2024/C/Windows/x", None),
            ("/home/ann/c/auth.log", None),
            ("ann/c/project/auth.log", None),
            ("C", None),
            ("", None),
            ("a%/%zz/C/x", None),
        ] {
            assert_eq!(host_of(path).as_deref(), host, "{path}");
        }
    }
}
