//! What the source host shows: client programs' command lines, explicit credentials (4648), remoting cmdlets.

use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::techniques::{ALL, Started, brief};
use crate::world::World;
use crabwalk_activity::channel::*;
use crabwalk_activity::{AccountKind, Place, base_name, for_each, kind_of, number};

/// A remote target that a command line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub family: Family,
    pub techniques: &'static [&'static str],
    pub host: String,
    /// Account given with the command.
    pub user: Option<String>,
}

/// What a technique reads in a command line: whither, as whom, and the ATT&CK ids of it.
pub(crate) struct Named {
    host: String,
    user: Option<String>,
    techniques: &'static [&'static str],
}

/// The command line of a client program.
pub(crate) struct CommandLine {
    /// The program's name in lower case, without `.exe`.
    pub program: String,
    /// The name it was built with, in lower case.
    original: String,
    pub words: Vec<String>,
}

impl CommandLine {
    fn new(image: &str, original: &str, command: &str) -> Self {
        Self {
            program: image.to_lowercase().trim_end_matches(".exe").to_owned(),
            original: original.to_lowercase(),
            words: words(command),
        }
    }

    /// PsExec or PAExec, renamed ones too; not their services.
    pub fn is_psexec(&self) -> bool {
        self.original == "psexec.c"
            || self.original == "psexec.exe"
            || self.program.starts_with("psexec") && self.program != "psexesvc"
            || self.program.starts_with("paexec") && self.original != "psexesvc.exe"
    }

    /// The value of an option: `/node:x`, `-r:x`, `/s x`.
    pub fn option(&self, names: &[&str]) -> Option<String> {
        option(&self.words, names)
    }

    /// The first word that begins with two backslashes, after the program.
    pub fn unc(&self) -> Option<String> {
        self.words
            .iter()
            .skip(1)
            .find(|word| word.starts_with("\\\\"))
            .cloned()
    }

    /// What it names, if it names a host.
    pub fn on(
        &self,
        host: Option<String>,
        user: Option<String>,
        techniques: &'static [&'static str],
    ) -> Option<Named> {
        let host = clean(&host?);
        (!host.is_empty()).then_some(Named {
            host,
            user,
            techniques,
        })
    }
}

/// Words of a command line; quotes hold words together.
pub(crate) fn words(command: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in command.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    all.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        all.push(word);
    }
    all
}

/// The value of an option: `/node:x`, `-r:x`, `/s x`.
fn option(words: &[String], names: &[&str]) -> Option<String> {
    for (at, word) in words.iter().enumerate() {
        let lower = word.to_lowercase();
        let bare = lower.trim_start_matches(['/', '-']);
        if bare.len() == lower.len() {
            continue;
        }
        for name in names {
            if bare == *name {
                return words.get(at + 1).cloned();
            }
            if let Some(rest) = bare.strip_prefix(name)
                && rest.starts_with([':', '='])
            {
                let value = word.get(word.len() - rest.len() + 1..).unwrap_or_default();
                return if value.is_empty() {
                    words.get(at + 1).cloned()
                } else {
                    Some(value.to_owned())
                };
            }
        }
    }
    None
}

fn clean(host: &str) -> String {
    host.trim_matches(|c: char| matches!(c, '"' | '\'' | ',' | ';' | ')' | '('))
        .trim_start_matches('\\')
        .split('\\')
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The value after a PowerShell parameter.
fn parameter(text: &str, name: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let at = lower.find(name)? + name.len();
    let rest = text.get(at..)?.trim_start_matches([' ', ':', '=', '\t']);
    let value: String = rest
        .chars()
        .skip_while(|c| matches!(c, '"' | '\'' | '@' | '('))
        .take_while(|c| !c.is_whitespace() && !matches!(c, '"' | '\'' | ';' | ')' | ',' | '}'))
        .collect();
    (!value.is_empty() && !value.starts_with('$') && !value.starts_with('-')).then_some(value)
}

/// The value of `name=value`, `name:value` or `-name value` in a command line.
pub(crate) fn named_value(command: &str, name: &str) -> Option<String> {
    words(command)
        .iter()
        .find_map(|word| {
            let lower = word.to_lowercase();
            let rest = lower.trim_start_matches(['/', '-']).strip_prefix(name)?;
            rest.starts_with(['=', ':']).then_some(())?;
            word.get(word.len() - rest.len() + 1..).map(str::to_owned)
        })
        .filter(|value| !value.is_empty())
        .or_else(|| parameter(command, &format!("-{name}")))
}

/// What a PowerShell text moves to. Of several cmdlets the first is asked: what follows is its script block.
pub(crate) fn in_script(text: &str) -> Option<Target> {
    let lower = text.to_lowercase();
    if let Some(at) = lower
        .find("gettypefromprogid(")
        .or_else(|| lower.find("gettypefromclsid("))
    {
        let inside = text.get(at..)?.split(')').next()?;
        let host = inside.rsplit_once(',')?.1;
        return Some(Target {
            family: Family::Dcom,
            techniques: &["T1021.003"],
            host: clean(host.trim()),
            user: None,
        });
    }
    if !lower.contains("-computername") && !lower.contains("-cn ") {
        return None;
    }
    let host = parameter(text, "-computername").or_else(|| parameter(text, "-cn"))?;
    let (_, family, techniques) = ALL
        .iter()
        .filter_map(|way| {
            let (cmdlets, techniques) = way.cmdlets();
            let first = cmdlets.iter().filter_map(|name| lower.find(name)).min()?;
            Some((first, way.family(), techniques))
        })
        .min_by_key(|(first, family, _)| (*first, *family))?;
    Some(Target {
        family,
        techniques,
        host: clean(&host),
        user: None,
    })
}

/// What a client program's command line moves to.
pub(crate) fn in_command(image: &str, original: &str, command: &str) -> Option<Target> {
    if command.is_empty() {
        return None;
    }
    let line = CommandLine::new(image, original, command);
    if matches!(line.program.as_str(), "powershell" | "pwsh") {
        return in_script(command);
    }
    ALL.iter().find_map(|way| {
        let named = way.client(&line)?;
        Some(Target {
            family: way.family(),
            techniques: named.techniques,
            host: named.host,
            user: named.user,
        })
    })
}

pub(crate) fn process(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    // Who watches a session opens none of his own.
    if crate::techniques::rdp::is_shadow(started) {
        return;
    }
    let Some(target) = in_command(
        base_name(process.image),
        process.original_name,
        process.command,
    ) else {
        return;
    };
    let (host, time, user, reference, logon, command) = (
        process.host,
        process.time,
        process.user,
        process.reference,
        process.logon_id,
        process.command,
    );
    let Place::Host(dst) = world.hosts.place(&target.host, host, time) else {
        return;
    };
    let used = target
        .user
        .as_deref()
        .and_then(|name| world.accounts.of_text(name));
    let mut evidence = Evidence::new(
        Kind::Source,
        target.family,
        Act::Weak,
        dst,
        time,
        reference,
        brief(command),
    )
    .technique(target.techniques)
    .from(Place::Host(host))
    .actor(user)
    .used(used)
    .weighs(Class::Client, 0.15);
    evidence.source_process = Some(started.at);
    evidence.source_logon = Some(logon);
    out.push(evidence);
}

/// What the program or the service class of explicit credentials says of the way. The program knows better.
fn class_of(info: &str, process: &str) -> Option<(Family, &'static [&'static str])> {
    let program = base_name(process).to_lowercase();
    let class = match info.to_lowercase().split_once('/') {
        Some((class, _)) => class.to_owned(),
        None if matches!(info.to_lowercase().as_str(), "http" | "wsman") => String::new(),
        None => info.to_lowercase(),
    };
    let ask = |program: &str, class: &str| {
        ALL.iter()
            .find_map(|way| Some((way.family(), way.credentials(program, class)?)))
    };
    ask(&program, "").or_else(|| ask("", &class))
}

pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, SECURITY, 4648, |row| {
        let host = world.writer(row);
        let server = row.get("TargetServerName");
        let Place::Host(dst) = world.hosts.place(server, host, row.time) else {
            return;
        };
        let target = row.get("TargetUserName");
        if kind_of(target, "") != AccountKind::User {
            return;
        }
        let info = row.get("TargetInfo");
        let lower = info.to_lowercase();
        if lower.starts_with("ldap/") || lower.starts_with("gc/") || lower.starts_with("krbtgt") {
            return;
        }
        let class = class_of(info, row.get("ProcessName"));
        let (family, techniques) = class.unwrap_or((Family::Any, &[]));
        let used = world.accounts.get("", row.get("TargetDomainName"), target);
        let actor = world.accounts.get(
            row.get("SubjectUserSid"),
            row.get("SubjectDomainName"),
            row.get("SubjectUserName"),
        );
        let mut evidence = Evidence::new(
            Kind::Source,
            family,
            if class.is_some() {
                Act::Weak
            } else {
                Act::None
            },
            dst,
            row.time,
            row.reference,
            format!(
                "{} used explicit credentials of {target} for {}",
                base_name(row.get("ProcessName")),
                if info.is_empty() { server } else { info }
            ),
        )
        .technique(techniques)
        .from(Place::Host(host))
        .actor(actor)
        .used(used)
        .weighs(Class::ExplicitCredentials, 0.1);
        evidence.source_logon = Some(number(row.get("SubjectLogonId")));
        evidence.source_process =
            world.process_of_pid(host, number(row.get("ProcessId")), row.time);
        out.push(evidence);
    });
    for (id, field) in [(4103_u32, "Payload"), (4104, "ScriptBlockText")] {
        for_each(catalog, POWERSHELL, id, |row| {
            let text = row.get(field);
            // A script that defines functions names no target.
            if text.len() > 4096 {
                return;
            }
            let Some(target) = in_script(text) else {
                return;
            };
            let host = world.writer(row);
            let Place::Host(dst) = world.hosts.place(&target.host, host, row.time) else {
                return;
            };
            let actor = world.accounts.of_text(row.get("UserID"));
            out.push(
                Evidence::new(
                    Kind::Source,
                    target.family,
                    Act::Weak,
                    dst,
                    row.time,
                    row.reference,
                    format!("PowerShell: {}", brief(text)),
                )
                .technique(target.techniques)
                .from(Place::Host(host))
                .actor(actor)
                .weighs(Class::Client, 0.15),
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_name_their_targets() {
        for (image, command, expected) in [
            (
                "wmic.exe",
                r#"wmic /node:"ws2" process call create calc"#,
                Some((Family::Wmi, "ws2")),
            ),
            (
                "schtasks.exe",
                "schtasks /create /sc once /tn x /tr calc /S ws2",
                Some((Family::Task, "ws2")),
            ),
            (
                "schtasks.exe",
                "schtasks /create /sc once /tn x /tr calc",
                None,
            ),
            (
                "sc.exe",
                r"sc \\ws2 create x binPath= calc",
                Some((Family::Service, "ws2")),
            ),
            ("sc.exe", "sc query x", None),
            (
                "psexec64.exe",
                r"psexec64 -accepteula \\ws2 -s cmd",
                Some((Family::Service, "ws2")),
            ),
            (
                "winrs.exe",
                "winrs -r:ws2 whoami",
                Some((Family::WinRm, "ws2")),
            ),
            ("mstsc.exe", "mstsc /v:ws2:3389", Some((Family::Rdp, "ws2"))),
            (
                "cmd.exe",
                r"cmd /c copy x.exe \\ws2\C$\Temp\x.exe",
                Some((Family::Smb, "ws2")),
            ),
            ("cmd.exe", r"cmd /c copy x.exe \\ws2\public\x.exe", None),
            (
                "powershell.exe",
                "powershell Invoke-Command -ComputerName ws2 -ScriptBlock {hostname}",
                Some((Family::WinRm, "ws2")),
            ),
            ("notepad.exe", r"notepad \\ws2\C$\x", None),
        ] {
            let found = in_command(image, "", command).map(|target| (target.family, target.host));
            assert_eq!(
                found,
                expected.map(|(family, host)| (family, host.to_owned())),
                "{command}"
            );
        }
    }
}
