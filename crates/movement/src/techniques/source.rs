//! What the source host shows: client programs' command lines, explicit credentials (4648), remoting cmdlets.

use crabwalk_activity::channel::*;
use crabwalk_activity::{AccountKind, Place, base_name, for_each, kind_of, number};

use super::{Started, brief};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::World;

/// A remote target that a command line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub family: Family,
    pub techniques: &'static [&'static str],
    pub host: String,
    /// Account given with the command.
    pub user: Option<String>,
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

/// What a PowerShell text moves to.
pub(crate) fn in_script(text: &str) -> Option<Target> {
    let lower = text.to_lowercase();
    let make = |family, techniques, host: String| {
        Some(Target {
            family,
            techniques,
            host: clean(&host),
            user: None,
        })
    };
    if let Some(at) = lower
        .find("gettypefromprogid(")
        .or_else(|| lower.find("gettypefromclsid("))
    {
        let inside = text.get(at..)?.split(')').next()?;
        let host = inside.rsplit_once(',')?.1;
        return make(Family::Dcom, &["T1021.003"], host.trim().to_owned());
    }
    if !lower.contains("-computername") && !lower.contains("-cn ") {
        return None;
    }
    let host = parameter(text, "-computername").or_else(|| parameter(text, "-cn"))?;
    if lower.contains("invoke-command")
        || lower.contains("enter-pssession")
        || lower.contains("new-pssession")
        || lower.contains("icm ")
    {
        make(Family::WinRm, &["T1021.006"], host)
    } else if lower.contains("invoke-wmi")
        || lower.contains("win32_process")
        || lower.contains("invoke-cimmethod")
        || lower.contains("set-wmiinstance")
    {
        make(Family::Wmi, &["T1047"], host)
    } else if lower.contains("invoke-dcom") {
        make(Family::Dcom, &["T1021.003"], host)
    } else if lower.contains("invoke-psexec")
        || lower.contains("new-service")
        || lower.contains("invoke-smbexec")
    {
        make(Family::Service, &["T1569.002", "T1021.002"], host)
    } else {
        None
    }
}

/// Whether a text names `\\host\C$`-like shares; the host if so.
fn admin_path(words: &[String]) -> Option<String> {
    words.iter().find_map(|word| {
        let rest = word.strip_prefix("\\\\")?;
        let mut parts = rest.split('\\');
        let (host, share) = (parts.next()?, parts.next()?);
        super::smb::is_admin_share(share).then(|| host.to_owned())
    })
}

/// What a client program's command line moves to.
pub(crate) fn in_command(image: &str, original: &str, command: &str) -> Option<Target> {
    let image = image.to_lowercase();
    let program = image.trim_end_matches(".exe");
    let original = original.to_lowercase();
    let psexec = original == "psexec.c"
        || original == "psexec.exe"
        || program.starts_with("psexec") && program != "psexesvc"
        || program.starts_with("paexec") && original != "psexesvc.exe";
    let known = psexec
        || matches!(
            program,
            "wmic"
                | "schtasks"
                | "at"
                | "sc"
                | "winrs"
                | "mstsc"
                | "net"
                | "net1"
                | "cmd"
                | "xcopy"
                | "robocopy"
                | "reg"
                | "powershell"
                | "pwsh"
        );
    if !known || command.is_empty() {
        return None;
    }
    let words = words(command);
    let make = |family, techniques, host: Option<String>, user: Option<String>| {
        let host = clean(&host?);
        (!host.is_empty()).then_some(Target {
            family,
            techniques,
            host,
            user,
        })
    };
    let unc = || {
        words
            .iter()
            .skip(1)
            .find(|word| word.starts_with("\\\\"))
            .cloned()
    };
    if psexec {
        return make(
            Family::Service,
            &["T1569.002", "T1021.002"],
            unc(),
            option(&words, &["u"]),
        );
    }
    match program {
        "wmic" => make(
            Family::Wmi,
            &["T1047"],
            option(&words, &["node"]),
            option(&words, &["user"]),
        ),
        "schtasks" => make(
            Family::Task,
            &["T1053.005"],
            option(&words, &["s"]),
            option(&words, &["u"]),
        ),
        "at" => make(Family::Task, &["T1053.002"], unc(), None),
        "sc" => make(Family::Service, &["T1569.002", "T1543.003"], unc(), None),
        "winrs" => make(
            Family::WinRm,
            &["T1021.006"],
            option(&words, &["r", "remote"]),
            option(&words, &["u", "username"]),
        ),
        "mstsc" => {
            let host = option(&words, &["v"])?;
            make(
                Family::Rdp,
                &["T1021.001"],
                Some(host.split(':').next().unwrap_or(&host).to_owned()),
                None,
            )
        }
        "reg" => make(Family::Registry, &["T1112"], unc(), None),
        "powershell" | "pwsh" => in_script(command),
        _ => make(
            Family::Smb,
            &["T1021.002"],
            admin_path(&words),
            option(&words, &["user"]),
        ),
    }
}

pub(crate) fn process(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    // Who watches a session opens none of his own.
    if super::rdp::is_shadow(started) {
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

/// What the service class of a name says of the way.
fn class_of(info: &str, process: &str) -> Option<(Family, &'static [&'static str])> {
    let class = info.split('/').next().unwrap_or_default().to_lowercase();
    let program = base_name(process).to_lowercase();
    match program.as_str() {
        "wmic.exe" => return Some((Family::Wmi, &["T1047"])),
        "schtasks.exe" => return Some((Family::Task, &["T1053.005"])),
        "mstsc.exe" => return Some((Family::Rdp, &["T1021.001"])),
        "winrs.exe" => return Some((Family::WinRm, &["T1021.006"])),
        _ => {}
    }
    match class.as_str() {
        "cifs" => Some((Family::Smb, &["T1021.002"])),
        "rpcss" => Some((Family::Wmi, &["T1047"])),
        "http" | "wsman" if info.contains('/') => Some((Family::WinRm, &["T1021.006"])),
        "termsrv" => Some((Family::Rdp, &["T1021.001"])),
        "mssqlsvc" => Some((Family::Mssql, &["T1505.001"])),
        _ => None,
    }
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
