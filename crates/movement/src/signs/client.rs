//! Evidence on the source host: client programs' command lines, explicit credentials (4648), remoting cmdlets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crabwalk_activity::{
    AccountId, AccountKind, HostId, Place, Row, base_name, facts, for_each, kind_of,
};

use crate::command::{CommandLine, Named, clean, hosts, named_value, parameter, value, words};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::programs::program;
use crate::techniques::{ALL, Started, ToolName, brief};
use crate::world::World;

/// A remote target that a command line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub family: Family,
    pub techniques: &'static [&'static str],
    pub host: String,
    /// Account given with the command.
    pub user: Option<String>,
    /// As whom the payload is to run there.
    pub runs_as: Option<String>,
}

/// Parameters that name other machines, with the way if they reveal it.
const PARAMETERS: &[(&str, Option<Family>)] = &[
    ("-computername", None),
    ("-cn ", None),
    ("-cimsession", Some(Family::Wmi)),
    ("-hostname", Some(Family::Ssh)),
    // A guest of this machine, over the hypervisor's own channel (PowerShell Direct); to ATT&CK it is remoting.
    ("-vmname", Some(Family::Guest)),
];

/// A way of moving, and the ATT&CK ids for its use.
type Aim = (Family, &'static [&'static str]);

fn plainly(family: Family) -> Aim {
    (family, family.plain())
}

/// The targets of a PowerShell text. Of several cmdlets the first decides: what follows is its script block.
pub(crate) fn in_script(text: &str) -> Vec<Target> {
    // Offsets hold in the original text: names are ASCII, while other letters may change their length.
    let lower = text.to_ascii_lowercase();
    if let Some(at) = lower
        .find("gettypefromprogid(")
        .or_else(|| lower.find("gettypefromclsid("))
    {
        let inside = text.get(at..).and_then(|text| text.split(')').next());
        let host = inside.and_then(|inside| inside.rsplit_once(','));
        return host
            .map(|(_, host)| Target {
                family: Family::Dcom,
                techniques: Family::Dcom.plain(),
                host: clean(host),
                user: None,
                runs_as: None,
            })
            .into_iter()
            .collect();
    }
    let targets = |(family, techniques): Aim, list: &str, user: Option<String>| -> Vec<Target> {
        hosts(list)
            .into_iter()
            .map(|host| Target {
                family,
                techniques,
                host,
                user: user.clone(),
                runs_as: None,
            })
            .collect()
    };
    let cmdlet = ALL
        .iter()
        .filter_map(|way| {
            let (cmdlets, techniques) = way.cmdlets();
            let (at, length) = cmdlets
                .iter()
                .filter_map(|name| Some((lower.find(name)?, name.len())))
                .min()?;
            Some((at, length, (way.family(), techniques)))
        })
        .min_by_key(|(at, _, (family, _))| (*at, *family));
    if let Some((at, length, aim)) = cmdlet {
        let own = text.get(at..).unwrap_or_default();
        for (name, says) in PARAMETERS {
            let Some(value) = parameter(own, name) else {
                continue;
            };
            // PowerShell over SSH takes the account with the host.
            let (user, list) = match value.split_once('@') {
                Some((user, host)) if *name == "-hostname" => (Some(user.to_owned()), host),
                _ => (None, value.as_str()),
            };
            let aim = match says {
                Some(Family::Guest) => (Family::Guest, Family::WinRm.plain()),
                Some(family) => plainly(*family),
                None => aim,
            };
            return targets(aim, list, user);
        }
        // The host may come first, without the parameter's name.
        let session = [
            "enter-pssession",
            "new-pssession",
            "invoke-command",
            "icm ",
            "new-cimsession",
        ];
        let rest = own.get(length..).unwrap_or_default();
        let first = rest.trim_start().chars().next();
        if session
            .iter()
            .any(|name| lower.get(at..).is_some_and(|own| own.starts_with(name)))
            && (rest.starts_with(char::is_whitespace)
                || lower.get(at..).is_some_and(|own| own.starts_with("icm ")))
            && first.is_some_and(|c| c.is_alphanumeric() || matches!(c, '"' | '\''))
        {
            return targets(aim, &value(rest.trim_start()), None);
        }
    }
    if let Some(value) = lower
        .contains("invoke-vmscript")
        .then(|| parameter(text, "-vm"))
        .flatten()
    {
        return targets((Family::Any, Family::Guest.plain()), &value, None);
    }
    let copies = [
        "copy-item",
        "move-item",
        "copy ",
        "cp ",
        "cpi ",
        "xcopy",
        "robocopy",
    ];
    if copies.iter().any(|name| lower.contains(name)) {
        let words: Vec<String> = words(text)
            .iter()
            .map(|word| word.trim_matches(['\'', ',', ';', ')', '(']).to_owned())
            .collect();
        if let Some(host) = crate::pipes::admin_path(&words) {
            return targets(plainly(Family::Smb), &host, None);
        }
    }
    Vec::new()
}

/// The script that PowerShell received in Base64 of UTF-16 (`-EncodedCommand`, or any abbreviation of it).
fn encoded(words: &[String]) -> Option<String> {
    let at = words.iter().position(|word| {
        let lower = word.to_ascii_lowercase();
        lower.strip_prefix(['-', '/']).is_some_and(|name| {
            name == "ec" || !name.is_empty() && "encodedcommand".starts_with(name)
        })
    })?;
    let bytes = BASE64.decode(words.get(at + 1)?).ok()?;
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)))
        .collect();
    Some(String::from_utf16_lossy(&units))
}

/// The targets of a client program's command line.
pub(crate) fn in_command(image: &str, original: &str, command: &str) -> Vec<Target> {
    if command.is_empty() {
        return Vec::new();
    }
    let line = CommandLine::new(image, original, command);
    if matches!(line.program.as_str(), "powershell" | "pwsh") {
        return match encoded(&line.words) {
            Some(script) => in_script(&script),
            None => in_script(command),
        };
    }
    let own = ALL.iter().find_map(|way| {
        let named = way.client(&line)?;
        Some((named.family.unwrap_or(way.family()), named))
    });
    own.or_else(|| {
        let named = tool(&line)?;
        Some((named.family.unwrap_or(Family::Any), named))
    })
    .into_iter()
    .flat_map(|(family, named)| {
        named.hosts.into_iter().map(move |host| Target {
            family,
            techniques: named.techniques,
            host,
            user: named.user.clone(),
            runs_as: named.runs_as.clone(),
        })
    })
    .collect()
}

/// The targets of a client program whose options select among several ways: NetExec, Impacket's scripts, evil-winrm,
/// and programs that take `computername=`. The techniques handle Windows' own clients.
fn tool(line: &CommandLine) -> Option<Named> {
    netexec(line)
        .or_else(|| impacket(line))
        .or_else(|| evil_winrm(line))
        .or_else(|| by_computer_name(line))
}

/// The name of the program, or of the script that an interpreter runs, without its extension; and the script's index.
fn script_of(line: &CommandLine) -> (String, usize) {
    let interpreter = ["python", "py", "pypy", "ruby"]
        .iter()
        .any(|name| line.program.starts_with(name))
        && !line.program.ends_with(".py");
    let stem = |word: &str| {
        let file = word
            .rsplit(['\\', '/'])
            .next()
            .unwrap_or(word)
            .to_lowercase();
        let file = file.strip_prefix("impacket-").unwrap_or(&file);
        let file = file.strip_suffix(".py").unwrap_or(file);
        file.strip_suffix(".rb").unwrap_or(file).to_owned()
    };
    if interpreter {
        let script = line.words.iter().enumerate().skip(1);
        let script = script.into_iter().find(|(_, word)| !word.starts_with('-'));
        script.map_or_else(Default::default, |(at, word)| (stem(word), at))
    } else {
        (stem(&line.program), 0)
    }
}

/// The account in an option; none for a file of names to try. A domain typed beside it is ignored: the logs know which
/// domain has such an account.
fn user(line: &CommandLine, names: &[&str]) -> Option<String> {
    line.option(names)
        .filter(|user| !user.ends_with(".txt") && !user.starts_with('-'))
}

/// The hosts, with the way that the tool was told to take.
fn going(
    line: &CommandLine,
    way: Family,
    host: Option<String>,
    user: Option<String>,
) -> Option<Named> {
    let mut named = line.on(host, user, way.plain())?;
    named.family = Some(way);
    Some(named)
}

/// `nxc PROTOCOL TARGET… -u user`.
fn netexec(line: &CommandLine) -> Option<Named> {
    let (name, at) = script_of(line);
    if !matches!(name.as_str(), "nxc" | "netexec" | "crackmapexec" | "cme") {
        return None;
    }
    let mut rest = line.words.iter().skip(at + 1);
    let protocol = rest.find(|word| !word.starts_with('-'))?.to_lowercase();
    let way = ToolName::Protocol(&protocol).family()?;
    let targets: Vec<&str> = rest
        .take_while(|word| !word.starts_with('-'))
        .map(String::as_str)
        .collect();
    let user = user(line, &["u", "username"]);
    going(line, way, Some(targets.join(",")), user)
}

/// `wmiexec.py [[domain/]user[:password]@]target`.
fn impacket(line: &CommandLine) -> Option<Named> {
    let (name, at) = script_of(line);
    let way = ToolName::Script(&name).family()?;
    // A password may contain anything, a host no at sign.
    let mut words = line.words.iter().skip(at + 1);
    let (identity, host) = words
        .find(|word| word.contains('@') && !word.starts_with(['-', '/']))?
        .rsplit_once('@')?;
    let (domain, user) = identity.split_once('/').unwrap_or(("", identity));
    let user = user.split(':').next().unwrap_or(user);
    let user = match (domain, user) {
        (_, "") => None,
        ("", user) => Some(user.to_owned()),
        (domain, user) => Some(format!("{domain}\\{user}")),
    };
    going(line, way, Some(host.to_owned()), user)
}

/// `evil-winrm -i host -u user`.
fn evil_winrm(line: &CommandLine) -> Option<Named> {
    let (name, _) = script_of(line);
    if !name.starts_with("evil-winrm") && !name.starts_with("evil_winrm") {
        return None;
    }
    let user = user(line, &["u", "user"]);
    going(line, Family::WinRm, line.option(&["i", "ip"]), user)
}

/// `program action=… computername=host username=user`.
fn by_computer_name(line: &CommandLine) -> Option<Named> {
    let text = line.words.join(" ");
    let value = |name: &str| {
        let lower = format!("{name}=");
        line.words.iter().find_map(|word| {
            let word = word.trim_start_matches(['/', '-']);
            let own = word.get(..lower.len())?;
            own.eq_ignore_ascii_case(&lower)
                .then(|| word.get(lower.len()..).unwrap_or_default().to_owned())
        })
    };
    let host = value("computername").or_else(|| value("target"));
    let host = host.filter(|host| !host.is_empty())?;
    // Many programs have such an option; one of these ways, or a typical tool name, shows movement.
    let action = value("action")
        .or_else(|| value("m"))
        .or_else(|| value("method"));
    let action = action.unwrap_or_default().to_lowercase();
    let sharp = line.program.starts_with("sharp");
    if action.is_empty() && !sharp {
        return None;
    }
    let own = ToolName::Action(&line.program);
    let way = ToolName::Action(&action)
        .family()
        .or_else(|| own.family().filter(|_| sharp))
        .or(sharp.then_some(Family::Any))?;
    let user = named_value(&text, "username");
    let user = match (value("domain"), user) {
        (Some(domain), Some(user)) if !user.contains('\\') => Some(format!("{domain}\\{user}")),
        (_, user) => user,
    };
    going(line, way, Some(host), user)
}

pub(crate) fn process(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    // Watching a session opens none of one's own.
    if crate::techniques::rdp::is_shadow(started) {
        return;
    }
    let targets = in_command(
        base_name(process.image),
        process.original_name,
        process.command,
    );
    let (host, time, user, reference, logon, command) = (
        process.host,
        process.time,
        process.user,
        process.reference,
        process.logon_id,
        process.command,
    );
    for target in targets {
        let Place::Host(dst) = world.hosts.place(&target.host, host, time) else {
            continue;
        };
        let used = target
            .user
            .as_deref()
            .and_then(|name| world.claimed_at(dst, name));
        let runs_as = target
            .runs_as
            .as_deref()
            .and_then(|name| match kind_of(name, "") {
                AccountKind::User => world.claimed_at(dst, name),
                _ => world.accounts.of_text(name),
            });
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
        .effective(runs_as)
        .weighs(Class::Client, 0.15);
        evidence.source_process = world.process_key(started.at);
        evidence.source_logon = Some(logon);
        out.push(evidence);
    }
}

/// The way shown by the program or the service class of explicit credentials. The program is more reliable.
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
    for_each(catalog, facts::ExplicitCredentials, |row| {
        let host = world.writer(row);
        let server = row.target_server_name();
        let Place::Host(dst) = world.hosts.place(server, host, row.time) else {
            return;
        };
        let target = row.target_user_name();
        if kind_of(target, "") != AccountKind::User {
            return;
        }
        let info = row.target_info();
        let lower = info.to_lowercase();
        if lower.starts_with("ldap/") || lower.starts_with("gc/") || lower.starts_with("krbtgt") {
            return;
        }
        let class = class_of(info, row.process_name());
        let (family, techniques) = class.unwrap_or((Family::Any, &[]));
        let used = world.accounts.get("", row.target_domain_name(), target);
        let actor = world.accounts.get(
            row.subject_user_sid(),
            row.subject_domain_name(),
            row.subject_user_name(),
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
                base_name(row.process_name()),
                if info.is_empty() { server } else { info }
            ),
        )
        .technique(techniques)
        .from(Place::Host(host))
        .actor(actor)
        .used(used)
        .weighs(Class::ExplicitCredentials, 0.1);
        evidence.source_logon = Some(row.subject_logon_id());
        evidence.source_program = program(row.process_name());
        evidence.source_process =
            world.process_key(world.process_of_pid(host, row.process_id(), row.time));
        out.push(evidence);
    });
    for_each(catalog, facts::PowerShellCommand, |row| {
        said(world, row, row.payload(), row.user_id(), out);
    });
    for_each(catalog, facts::PowerShellScript, |row| {
        said(world, row, row.script_block_text(), row.user_id(), out);
    });
    // The classic log has the command line of PowerShell's host program among its details.
    for_each(catalog, facts::PowerShellHost, |row| {
        let all = (0..8).map(|at| row.data(at));
        let Some(command) = all.filter_map(host_application).next() else {
            return;
        };
        let host = world.writer(row);
        for target in in_command("powershell.exe", "", command) {
            script(world, row, host, &target, None, command, out);
        }
    });
}

/// The command line in the details of an event of the classic PowerShell log.
fn host_application(details: &str) -> Option<&str> {
    let (before, rest) = details.split_once("HostApplication=")?;
    // Another machine's command, served here.
    if before.contains("HostName=ServerRemoteHost") {
        return None;
    }
    let end = rest
        .find(['\n', '\r'])
        .or_else(|| rest.find("EngineVersion="));
    Some(rest.get(..end.unwrap_or(rest.len()))?.trim())
}

/// Records the machines that a command or script of PowerShell names.
fn said<'a, F>(
    world: &mut World<'a>,
    row: &Row<'a, '_, F>,
    text: &str,
    user_id: &str,
    out: &mut Sink,
) {
    // A script that defines functions names no target.
    if text.len() > 4096 {
        return;
    }
    let host = world.writer(row);
    let actor = world.accounts.of_text(user_id);
    for target in in_script(text) {
        script(world, row, host, &target, actor, text, out);
    }
}

/// Records that a script names a machine.
fn script<F>(
    world: &mut World<'_>,
    row: &Row<'_, '_, F>,
    host: HostId,
    target: &Target,
    actor: Option<AccountId>,
    text: &str,
    out: &mut Sink,
) {
    let Place::Host(dst) = world.hosts.place(&target.host, host, row.time) else {
        return;
    };
    let used = target
        .user
        .as_deref()
        .and_then(|name| world.claimed_at(dst, name));
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
        .used(used)
        .weighs(Class::Client, 0.15),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::option;

    #[test]
    fn letters_that_grow_in_lower_case_shift_nothing() {
        // U+0130 has two bytes, but three in lower case.
        let words = words("schtasks /create /s:\u{130}\u{130}\u{130}\u{130}\u{130}\u{130}");
        assert_eq!(
            option(&words, &["s"]).as_deref(),
            Some("\u{130}\u{130}\u{130}\u{130}\u{130}\u{130}")
        );
        assert_eq!(
            named_value("tool /host:\u{130}ws2", "host").as_deref(),
            Some("\u{130}ws2")
        );
        let script = format!(
            "$a='{}'; Enter-PSSession -ComputerName ws2",
            "\u{130}".repeat(40)
        );
        assert_eq!(parameter(&script, "-computername").as_deref(), Some("ws2"));
    }

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
            let found = in_command(image, "", command)
                .into_iter()
                .next()
                .map(|target| (target.family, target.host));
            assert_eq!(
                found,
                expected.map(|(family, host)| (family, host.to_owned())),
                "{command}"
            );
        }
    }
}
