//! What a path or an access mask says about a file.

use crabwalk_activity::base_name;

/// Access rights that change a file: write, append, and the generic ones.
pub(crate) const WRITES: u64 = 0x2 | 0x4 | 0x4000_0000 | 0x1000_0000;

/// Extensions of files that can be executed.
pub(crate) fn is_runnable(path: &str) -> bool {
    [
        ".exe", ".dll", ".bat", ".cmd", ".ps1", ".vbs", ".vbe", ".js", ".jse", ".wsf", ".hta",
        ".scr", ".com", ".msi", ".lnk", ".cpl", ".ocx", ".sys", ".xll",
    ]
    .iter()
    .any(|end| path.ends_with(end))
}

/// Whether a file on a share belongs to a policy that makes every member run something.
pub(crate) fn is_policy(share: &str, relative: &str) -> bool {
    let share = share.trim_end_matches('\\').to_lowercase();
    share.ends_with("\\sysvol") && is_policy_path(&format!("\\sysvol\\{}", relative.to_lowercase()))
}

/// The same, by its path on the controller, in lower case.
pub(crate) fn is_policy_path(path: &str) -> bool {
    path.contains("\\sysvol\\")
        && path.contains("\\policies\\")
        && ([
            "scheduledtasks.xml",
            "scripts.ini",
            "psscripts.ini",
            "groups.xml",
            "services.xml",
            "registry.pol",
            "registry.xml",
            "files.xml",
            "shortcuts.xml",
            "gpttmpl.inf",
        ]
        .contains(&base_name(path))
            || path.contains("\\scripts\\") && is_runnable(path))
}

/// A path without its drive, which the kernel may also name as a device.
pub(crate) fn within_drive(path: &str) -> Option<&str> {
    match path.strip_prefix("\\device\\") {
        Some(rest) => rest.split_once('\\').map(|(_, path)| path),
        None => path.get(1..)?.strip_prefix(":\\"),
    }
}
