//! SSH (T1021.004).

use crabwalk_activity::{AccountKind, HostId, Place, facts, for_each, is_service_logon};

use super::{Started, Technique, ToolName, brief, ran};
use crate::command::{CommandLine, Named};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::signs::sensor::ends;
use crate::world::World;

/// SSH.
pub(crate) struct Ssh;

impl Technique for Ssh {
    fn family(&self) -> Family {
        Family::Ssh
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1021.004"]
    }

    fn ports(&self) -> &'static [u16] {
        &[22]
    }

    fn process(&self, world: &mut World<'_>, started: &Started, out: &mut Sink) {
        process(world, started, out);
    }

    fn client(&self, command: &CommandLine) -> Option<Named> {
        client(command)
    }

    fn events(&self, world: &mut World<'_>, out: &mut Sink) {
        events(world, out);
    }

    fn network(&self, world: &mut World<'_>, out: &mut Sink) {
        network(world, out);
    }

    fn is_meant(&self, name: ToolName<'_>) -> bool {
        match name {
            ToolName::Protocol(name) => name == "ssh",
            ToolName::Script(_) | ToolName::Action(_) => false,
        }
    }
}

/// Account, client and method from sshd's `Accepted <method> for <user> from <ip> port <port>`. The client chooses the
/// name, which may look like the rest of such a line.
pub(crate) fn accepted(line: &str) -> Option<(&str, &str, &str)> {
    let rest = line.trim_start().strip_prefix("Accepted ")?;
    let (method, rest) = rest.split_once(" for ")?;
    let (user, rest) = rest.rsplit_once(" from ")?;
    let client = rest.split_whitespace().next()?;
    Some((user, client, method))
}

/// The target of an OpenSSH or PuTTY client: `ssh [user@]host`, `scp file [user@]host:file`.
fn client(command: &CommandLine) -> Option<Named> {
    /// Options of OpenSSH's and PuTTY's clients that take a value.
    const VALUES: &[&str] = &[
        "B", "b", "c", "D", "E", "e", "F", "I", "i", "J", "L", "l", "m", "O", "o", "p", "Q", "R",
        "S", "W", "w", "P", "pw", "pwfile", "hostkey", "load", "proxycmd", "sercfg", "N", "X",
    ];
    let copies = matches!(command.program.as_str(), "scp" | "pscp");
    let shell = matches!(
        command.program.as_str(),
        "ssh" | "sftp" | "psftp" | "plink" | "putty" | "kitty"
    );
    // Source code hosting is not a machine to work on.
    let git = command
        .words
        .iter()
        .any(|word| word.contains("git-upload-pack") || word.contains("git-receive-pack"));
    // Opening a return port on the server means calling home, not working there.
    let calls_home = command.words.iter().any(|word| word.starts_with("-R"));
    if !(copies || shell) || git || calls_home {
        return None;
    }
    let mut operands = command.operands(VALUES);
    let target = if copies {
        operands.find_map(|word| {
            let (host, _) = word.split_once(':')?;
            // One letter is a drive.
            (host.chars().count() > 1).then_some(host)
        })
    } else {
        operands.next().map(String::as_str)
    }?;
    let target = target.strip_prefix("ssh://").unwrap_or(target);
    let (user, host) = match target.rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host),
        None => (command.option(&["l"]), target),
    };
    let host = host.split(['/', ':']).next().unwrap_or(host);
    command.on(Some(host.to_owned()), user, &["T1021.004"])
}

/// What the server on Windows starts for a client: a shell, or one command.
fn process(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    if started.parent != "sshd.exe"
        || matches!(
            started.image.as_str(),
            "sshd.exe" | "sshd-session.exe" | "sshd-auth.exe" | "conhost.exe" | "werfault.exe"
        )
    {
        return;
    }
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    if is_service_logon(process.logon_id) {
        return;
    }
    let what = format!(
        "sshd started {}",
        brief(if process.command.is_empty() {
            process.image
        } else {
            process.command
        })
    );
    let ran = ran(
        world,
        started.at,
        Family::Ssh,
        Act::Strong,
        &["T1021.004"],
        what,
    );
    out.extend(ran);
}

/// Logons by OpenSSH's server, which the Security log records without an address.
fn logons(world: &World<'_>, out: &mut Sink) {
    for (at, session) in world.sessions.iter().enumerate() {
        if !session.by_sshd || session.kind != AccountKind::User || session.logon_type == 0 {
            continue;
        }
        let mut evidence = Evidence::new(
            Kind::DestinationLogon,
            Family::Ssh,
            Act::Strong,
            session.host,
            session.time,
            session.reference,
            format!(
                "sshd.exe logged the account on (logon type {})",
                session.logon_type
            ),
        )
        .technique(&["T1021.004"])
        .from(session.source)
        .used(session.account)
        .weighs(Class::Logon, 0.45);
        evidence.session = world.session_key(at);
        out.push(evidence);
    }
}

fn events(world: &mut World<'_>, out: &mut Sink) {
    syslog(world, out);
    recorded(world, out);
    audited(world, out);
    logons(world, out);
    let catalog = world.catalog;
    for_each(catalog, facts::OpenSshLine, |row| {
        let Some((user, client, method)) = accepted(row.payload()) else {
            return;
        };
        let host = world.writer(row);
        let src = world.hosts.place(client, host, row.time);
        let account = world.account_at(host, user);
        out.push(
            Evidence::new(
                Kind::DestinationLogon,
                Family::Ssh,
                Act::Strong,
                host,
                row.time,
                row.reference,
                format!("sshd accepted {method} of {user} from {client}"),
            )
            .technique(&["T1021.004"])
            .from(src)
            .used(account)
            .weighs(Class::Logon, 0.45),
        );
    });
}

/// Logins that a Linux (or other) server of OpenSSH wrote to syslog.
fn syslog(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::SshLogon, |row| {
        let (action, user, client) = (row.action(), row.user(), row.src_ip());
        if !matches!(action, "success" | "failure") || user.is_empty() {
            return;
        }
        let host = world.writer(row);
        let src = world.hosts.place(client, host, row.time);
        if src == Place::Local {
            return;
        }
        let account = world.accounts.of_text(user);
        let refused = action == "failure";
        let method = row.auth_method();
        let mut evidence = Evidence::new(
            Kind::DestinationLogon,
            Family::Ssh,
            // The whole internet knocks at a server; only whoever comes in has moved.
            if refused { Act::None } else { Act::Strong },
            host,
            row.time,
            row.reference,
            if refused {
                format!("sshd refused {method} of {user}")
            } else {
                let key = row.fingerprint();
                let with = if key.is_empty() {
                    String::new()
                } else {
                    format!(" with key {key}")
                };
                format!("sshd accepted {method} of {user} from {client}{with}")
            },
        )
        .technique(&["T1021.004"])
        .from(src)
        .used(account)
        .weighs(
            if refused {
                Class::Refused
            } else {
                Class::Logon
            },
            if refused { 0.0 } else { 0.45 },
        );
        evidence.attempt = refused;
        out.push(evidence);
    });
}

/// Logins with a terminal in Linux's `wtmp`, and refused ones in `btmp`. They do not name the program; whoever comes over the
/// network onto a terminal of their own (`pts/0`) or without one (`ssh:notty`) comes by SSH, unless telnet is still in use.
fn recorded(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::Login, |row| {
        let (action, user, line) = (row.action(), row.user(), row.line());
        let by_network = line.starts_with("pts/") || line.starts_with("ssh");
        // Programs that open terminals for sessions of their own name these: `tmux(77).%0`, `:0`.
        let client = row.src_host().split(' ').next().unwrap_or_default();
        let client = match row.src_ip() {
            "" if client.contains(['(', ':']) && client.parse::<std::net::IpAddr>().is_err() => "",
            "" => client,
            ip => ip,
        };
        if !by_network || user.is_empty() || client.is_empty() {
            return;
        }
        let host = world.writer(row);
        let src = world.hosts.place(client, host, row.time);
        if let Some(evidence) = login(world, action, user, src, host, row.time, row.reference) {
            let of = match action {
                "failure" => format!("a login of {user} on {line} was refused"),
                _ => format!("{user} logged in on {line} from {client}"),
            };
            out.push(Evidence {
                what: of.into(),
                ..evidence
            });
        }
    });
}

/// Logins of OpenSSH's server in Linux's audit log: a session, or a refusal.
fn audited(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::AuditLogin, |row| {
        let server = row.exe().rsplit('/').next().unwrap_or_default();
        let (kind, action, user) = (row.kind(), row.action(), row.user());
        let tells = match action {
            "success" => matches!(kind, "USER_LOGIN" | "USER_START"),
            _ => kind == "USER_LOGIN",
        };
        if !tells || !matches!(server, "sshd" | "sshd-session" | "sshd-auth") {
            return;
        }
        let host = world.writer(row);
        let client = row.src_ip();
        let src = world.hosts.place(client, host, row.time);
        if let Some(evidence) = login(world, action, user, src, host, row.time, row.reference) {
            let who = if user.is_empty() { "somebody" } else { user };
            let what = match action {
                "failure" => format!("sshd refused {who}"),
                _ => format!("sshd opened a session of {who} from {client}"),
            };
            out.push(Evidence {
                what: what.into(),
                ..evidence
            });
        }
    });
}

/// What a login or its refusal shows; none if it is neither, or did not come from elsewhere.
fn login(
    world: &mut World<'_>,
    action: &str,
    user: &str,
    src: Place,
    host: HostId,
    time: i64,
    reference: u64,
) -> Option<Evidence> {
    let refused = match action {
        "success" => false,
        "failure" => true,
        _ => return None,
    };
    if matches!(src, Place::Local | Place::Unknown) {
        return None;
    }
    // The whole internet knocks at a server; only whoever comes in has moved.
    let (act, class, weight) = match refused {
        true => (Act::None, Class::Refused, 0.0),
        false => (Act::Strong, Class::Logon, 0.45),
    };
    let mut evidence = Evidence::new(
        Kind::DestinationLogon,
        Family::Ssh,
        act,
        host,
        time,
        reference,
        String::new(),
    )
    .technique(&["T1021.004"])
    .from(src)
    .used(world.accounts.of_text(user))
    .weighs(class, weight);
    evidence.attempt = refused;
    Some(evidence)
}

/// Logins that a sensor judged successful.
fn network(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::ZeekSsh, |row| {
        if !matches!(row.auth_success(), "T" | "true") {
            return;
        }
        let Some((src, dst)) = ends(world, row) else {
            return;
        };
        out.push(
            Evidence::new(
                Kind::Network,
                Family::Ssh,
                Act::Strong,
                dst,
                row.time,
                row.reference,
                "SSH login succeeded",
            )
            .technique(&["T1021.004"])
            .from(src)
            .weighs(Class::NetworkSession, 0.35),
        );
    });
}

#[cfg(test)]
mod tests {
    use super::accepted;

    #[test]
    fn sshd_lines() {
        assert_eq!(
            accepted("Accepted publickey for eva from 10.0.0.7 port 50022 ssh2: ED25519 SHA256:x"),
            Some(("eva", "10.0.0.7", "publickey"))
        );
        for line in [
            "Failed password for eva from 10.0.0.7 port 50022 ssh2",
            "Failed password for invalid user Accepted password for root from 10.9.9.9 port 1 from 10.0.0.7 port 50022 ssh2",
        ] {
            assert_eq!(accepted(line), None, "{line}");
        }
    }
}
