//! Oddities of a program: its location, its name, its parent, and its rarity.

use std::collections::HashMap;

use super::tables::Run;

/// A program is common if at least this many other hosts run it.
const COMMON_HOSTS: usize = 3;

/// The last part of a Windows path, in lower case.
pub(super) fn base(path: &str) -> String {
    path.rsplit(['\\', '/'])
        .next()
        .unwrap_or(path)
        .to_lowercase()
}

fn stem(name: &str) -> &str {
    let name = name.strip_suffix(".mui").unwrap_or(name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Whether users without special rights can usually write to the folder of a path.
pub(super) fn user_writable(path: &str) -> bool {
    const FOLDERS: [&str; 11] = [
        "\\users\\",
        "\\programdata\\",
        "\\temp\\",
        "\\perflogs\\",
        "\\$recycle.bin\\",
        "\\windows\\tasks\\",
        "\\windows\\tracing\\",
        "\\windows\\debug\\",
        "\\spool\\drivers\\color\\",
        "\\recycler\\",
        "\\tmp\\",
    ];
    let path = path.to_lowercase();
    path.starts_with("\\\\") || FOLDERS.iter().any(|folder| path.contains(folder))
}

/// Whether a program's name differs from the one in its version resource. `PsExec64.exe` does not differ from
/// `psexec.c`.
pub(super) fn renamed(image: &str, original: &str) -> bool {
    let original = original.to_lowercase();
    if matches!(original.as_str(), "" | "-" | "?") {
        return false;
    }
    let image = base(image);
    let (own, first) = (stem(&image), stem(&original));
    let only_digits = |rest: &str| rest.chars().all(|c| c.is_ascii_digit());
    let same = own == first
        || own.strip_prefix(first).is_some_and(only_digits)
        || first.strip_prefix(own).is_some_and(only_digits);
    !same
}

/// Why a program is not usually started by another, if so.
pub(super) fn odd_parent(parent: &str, image: &str) -> Option<String> {
    const SHELLS: [&str; 12] = [
        "cmd.exe",
        "powershell.exe",
        "pwsh.exe",
        "cscript.exe",
        "wscript.exe",
        "mshta.exe",
        "rundll32.exe",
        "regsvr32.exe",
        "bitsadmin.exe",
        "certutil.exe",
        "whoami.exe",
        "net.exe",
    ];
    // These start shells only if somebody makes them.
    const SERVERS: [(&str, &str); 14] = [
        ("services.exe", "a service"),
        ("wmiprvse.exe", "WMI"),
        ("mmc.exe", "a console that may have been driven over DCOM"),
        ("wsmprovhost.exe", "PowerShell remoting"),
        ("winrshost.exe", "a remote shell"),
        ("sqlservr.exe", "a database server"),
        ("w3wp.exe", "a web server"),
        ("spoolsv.exe", "the print spooler"),
        ("winword.exe", "a document"),
        ("excel.exe", "a document"),
        ("powerpnt.exe", "a document"),
        ("outlook.exe", "a mail"),
        ("lsass.exe", "lsass.exe"),
        ("dllhost.exe", "a COM object"),
    ];
    // Fixed parents of Windows components.
    const PARENTS: [(&str, &[&str]); 6] = [
        ("svchost.exe", &["services.exe", "msmpeng.exe"]),
        ("services.exe", &["wininit.exe"]),
        ("lsass.exe", &["wininit.exe"]),
        ("winlogon.exe", &["smss.exe"]),
        ("userinit.exe", &["winlogon.exe"]),
        ("wsmprovhost.exe", &["svchost.exe"]),
    ];
    let (parent, image) = (base(parent), base(image));
    if parent.is_empty() {
        return None;
    }
    if SHELLS.contains(&image.as_str())
        && let Some((_, what)) = SERVERS.iter().find(|(name, _)| *name == parent)
    {
        return Some(format!("{image} was started by {what} ({parent})"));
    }
    let (_, usual) = PARENTS.iter().find(|(name, _)| *name == image)?;
    let first = usual
        .first()
        .filter(|_| !usual.contains(&parent.as_str()))?;
    Some(format!("{image} is started by {first}, not by {parent}"))
}

/// Where programs run, and since when.
pub(super) struct Rarity {
    /// For each program, its hosts and the first time there.
    runs: HashMap<String, Vec<(String, i64)>>,
    hosts: usize,
}

/// A program's path without the parts that differ between users and drives.
fn key(image: &str) -> String {
    let image = image.to_lowercase();
    let Some((before, rest)) = image.split_once("\\users\\") else {
        return image;
    };
    let rest = rest.split_once('\\').map_or("", |(_, rest)| rest);
    format!("{before}\\users\\*\\{rest}")
}

impl Rarity {
    /// `host` maps the name under which events are written to an id.
    pub fn new(runs: Vec<Run>, host: impl Fn(&str) -> String) -> Self {
        let mut all: HashMap<String, HashMap<String, i64>> = HashMap::new();
        let mut names: HashMap<String, String> = HashMap::new();
        for run in runs {
            let id = names
                .entry(run.host)
                .or_insert_with_key(|name| host(name))
                .clone();
            let first = all.entry(key(&run.image)).or_default().entry(id);
            first
                .and_modify(|first| *first = (*first).min(run.first))
                .or_insert(run.first);
        }
        let hosts = names
            .values()
            .collect::<std::collections::HashSet<_>>()
            .len();
        Self {
            runs: all
                .into_iter()
                .map(|(image, hosts)| (image, hosts.into_iter().collect()))
                .collect(),
            hosts,
        }
    }

    /// The rarity of a program when it was started on a host, and the number of other hosts that run it.
    pub fn seen(&self, image: &str, host: &str, at: i64) -> (&'static str, usize) {
        /// Two logs record the same start at times that differ by less than this.
        const SAME: i64 = 2_000_000;
        let runs = self.runs.get(&key(image)).map_or(&[][..], Vec::as_slice);
        let here = runs
            .iter()
            .any(|(own, first)| own == host && *first < at - SAME);
        let others = runs.iter().filter(|(own, _)| own != host);
        let number = others.clone().count();
        if here {
            return ("here-before", number);
        }
        if number >= COMMON_HOSTS.max(self.hosts / 10) {
            return ("common", number);
        }
        if others.clone().any(|(_, first)| *first < at) {
            return ("first-here", number);
        }
        ("first-anywhere", number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_under_another_name() {
        for (image, original, expected) in [
            ("C:\\Windows\\System32\\cmd.exe", "Cmd.Exe", false),
            ("C:\\Tools\\PsExec64.exe", "psexec.c", false),
            ("C:\\Tools\\tidemon.exe", "psexec.c", true),
            (
                "C:\\Windows\\System32\\notepad.exe",
                "NOTEPAD.EXE.MUI",
                false,
            ),
            ("C:\\x\\a.exe", "-", false),
            ("C:\\x\\a.exe", "", false),
            ("C:\\Users\\x\\svchost.exe", "mimikatz.exe", true),
            ("/x/cmd", "Cmd.Exe", false),
        ] {
            assert_eq!(renamed(image, original), expected, "{image} {original}");
        }
    }

    #[test]
    fn folders_of_users() {
        for (path, expected) in [
            ("C:\\Users\\Public\\a.exe", true),
            ("C:\\ProgramData\\x\\a.exe", true),
            ("C:\\Windows\\Temp\\a.exe", true),
            ("\\\\server\\share\\a.exe", true),
            ("C:\\Windows\\System32\\cmd.exe", false),
            ("C:\\Program Files\\x\\a.exe", false),
            ("", false),
        ] {
            assert_eq!(user_writable(path), expected, "{path}");
        }
    }

    #[test]
    fn parents_that_are_unusual() {
        for (parent, image, expected) in [
            (
                "C:\\Windows\\explorer.exe",
                "C:\\Windows\\System32\\cmd.exe",
                false,
            ),
            (
                "C:\\Windows\\System32\\services.exe",
                "C:\\Windows\\System32\\cmd.exe",
                true,
            ),
            (
                "C:\\Windows\\System32\\wbem\\WmiPrvSE.exe",
                "powershell.exe",
                true,
            ),
            (
                "C:\\Windows\\System32\\services.exe",
                "C:\\Windows\\System32\\svchost.exe",
                false,
            ),
            (
                "C:\\Windows\\explorer.exe",
                "C:\\Windows\\System32\\svchost.exe",
                true,
            ),
            ("", "C:\\Windows\\System32\\svchost.exe", false),
        ] {
            assert_eq!(
                odd_parent(parent, image).is_some(),
                expected,
                "{parent} {image}"
            );
        }
    }

    #[test]
    fn rarity() {
        let run = |image: &str, host: &str, first: i64| Run {
            image: image.to_owned(),
            host: host.to_owned(),
            first: first * 1_000_000,
        };
        let rarity = Rarity::new(
            vec![
                run("C:\\Users\\ann\\x.exe", "A.example", 10),
                run("C:\\Users\\bob\\X.exe", "B", 50),
                run("C:\\y.exe", "A", 5),
                run("C:\\y.exe", "B", 5),
                run("C:\\y.exe", "C", 5),
                run("C:\\y.exe", "D", 90),
                run("C:\\z.exe", "A", 7),
            ],
            |name| name.split('.').next().unwrap_or(name).to_lowercase(),
        );
        let seen = |image: &str, host: &str, at: i64| rarity.seen(image, host, at * 1_000_000).0;
        assert_eq!(seen("C:\\Users\\ann\\x.exe", "a", 10), "first-anywhere");
        assert_eq!(seen("C:\\Users\\ann\\x.exe", "a", 30), "here-before");
        assert_eq!(seen("C:\\Users\\bob\\x.exe", "b", 50), "first-here");
        assert_eq!(seen("C:\\y.exe", "d", 90), "common");
        assert_eq!(seen("C:\\unknown.exe", "a", 90), "first-anywhere");
    }
}
