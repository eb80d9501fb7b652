//! Oddities of a program: its location, its name, its parent, and its rarity. What Windows itself does is content,
//! `content/windows/programs.tsv`.

use std::collections::HashMap;
use std::sync::LazyLock;

use crabwalk_vocabulary::text::base_name;

use super::document::Rareness;
use super::tables::Run;

/// A program is common if at least this many other hosts run it.
const COMMON_HOSTS: usize = 3;

/// The table, without comments.
static TABLE: LazyLock<Vec<Vec<&'static str>>> = LazyLock::new(|| {
    include_str!("../../../../content/windows/programs.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').collect())
        .collect()
});

/// What follows a kind in the lines of it.
fn lines(kind: &str) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    TABLE.iter().filter_map(move |line| match line.as_slice() {
        [own, name, more @ ..] if *own == kind => Some((*name, more)),
        _ => None,
    })
}

/// The last part of a Windows path, in lower case.
pub(super) fn base(path: &str) -> String {
    base_name(path).to_lowercase()
}

fn stem(name: &str) -> &str {
    let name = name.strip_suffix(".mui").unwrap_or(name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Whether users without special rights can usually write to the folder of a path.
pub(super) fn user_writable(path: &str) -> bool {
    let path = path.to_lowercase();
    path.starts_with("\\\\") || lines("writable").any(|(folder, _)| path.contains(folder))
}

/// Whether a file is a program, script, library or archive, by its name.
pub(super) fn runs(path: &str) -> bool {
    let name = base(path);
    name.rsplit_once('.')
        .is_some_and(|(_, end)| lines("runs").any(|(own, _)| own == end))
}

/// Whether Windows automatically starts the program in a registry value.
pub(super) fn starts_something(key: &str) -> bool {
    let key = key.to_lowercase();
    // A value's name ends here, a key's continues.
    let fits = |part: &str| {
        if part.ends_with('\\') {
            key.contains(part)
        } else {
            key.ends_with(part)
        }
    };
    lines("autostart").any(|(part, more)| fits(part) && more.iter().all(|more| fits(more)))
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
    let (parent, image) = (base(parent), base(image));
    if parent.is_empty() {
        return None;
    }
    let is_shell = lines("shell").any(|(name, _)| name == image);
    let mut servers = lines("server").filter(|(name, _)| is_shell && *name == parent);
    if let Some((_, [what, ..])) = servers.next() {
        return Some(format!("{image} was started by {what} ({parent})"));
    }
    let (_, usual) = lines("parent").find(|(name, _)| *name == image)?;
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
    pub fn seen(&self, image: &str, host: &str, at: i64) -> (Rareness, usize) {
        /// Two logs record the same start at times that differ by less than this.
        const SAME: i64 = 2_000_000;
        let runs = self.runs.get(&key(image)).map_or(&[][..], Vec::as_slice);
        let here = runs
            .iter()
            .any(|(own, first)| own == host && *first < at - SAME);
        let others = runs.iter().filter(|(own, _)| own != host);
        let number = others.clone().count();
        if here {
            return (Rareness::HereBefore, number);
        }
        if number >= COMMON_HOSTS.max(self.hosts / 10) {
            return (Rareness::Common, number);
        }
        if others.clone().any(|(_, first)| *first < at) {
            return (Rareness::FirstHere, number);
        }
        (Rareness::FirstAnywhere, number)
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
        assert_eq!(
            seen("C:\\Users\\ann\\x.exe", "a", 10),
            Rareness::FirstAnywhere
        );
        assert_eq!(seen("C:\\Users\\ann\\x.exe", "a", 30), Rareness::HereBefore);
        assert_eq!(seen("C:\\Users\\bob\\x.exe", "b", 50), Rareness::FirstHere);
        assert_eq!(seen("C:\\y.exe", "d", 90), Rareness::Common);
        assert_eq!(seen("C:\\unknown.exe", "a", 90), Rareness::FirstAnywhere);
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
