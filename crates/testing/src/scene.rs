//! The events of scenes: who moves where, when, and what each machine writes about it.
//!
//! ```text
//! 0     WS6  logon     anna 3 Kerberos 0x500 10.1.0.5:50100
//! 0.060 WS6  Security/4697 by=anna:0x500 ServiceName=Updater ServiceFileName=C:\u.exe
//! ```
//!
//! Each line has a time (`1d2h3m4.5s`, or seconds, after [`AT`]), the host (of the domain `corp.example`; `-` for a network
//! sensor) and one of
//!
//! - `logon ACCOUNT TYPE PACKAGE LOGONID IP:PORT`: Security 4624
//! - `connects IMAGE ACCOUNT IP:PORT>IP:PORT`, `accepts …`: Sysmon 3 of the one end or the other
//! - `process GUID<PARENTGUID PARENT>IMAGE ACCOUNT:LOGONID COMMANDLINE`: Sysmon 1
//! - `CHANNEL/ID`, or the kind of another log (`zeek:conn`)
//!
//! and then fields, `name=value`; `'…'` and `"…"` keep words together, each kind of quotes may contain the other.
//! `by=ACCOUNT:LOGONID` stands for the four fields of the subject, `from=IP:PORT` for `IpAddress` and `IpPort`, a value
//! `@ACCOUNT` for its SID. Accounts belong to the domain CORP by default.

use std::str::FromStr;

use crate::{Event, Events};

/// When scenes begin: 2025-06-15T00:00:00Z, in microseconds since 1970-01-01 UTC.
pub const AT: i64 = 1_749_945_600_000_000;

/// Channels by their short names.
const CHANNELS: [(&str, &str); 14] = [
    ("Sysmon", "Microsoft-Windows-Sysmon/Operational"),
    ("Tasks", "Microsoft-Windows-TaskScheduler/Operational"),
    ("WMI", "Microsoft-Windows-WMI-Activity/Operational"),
    ("WinRM", "Microsoft-Windows-WinRM/Operational"),
    ("PowerShell", "Microsoft-Windows-PowerShell/Operational"),
    (
        "RCM",
        "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational",
    ),
    (
        "LSM",
        "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
    ),
    (
        "RdpCore",
        "Microsoft-Windows-RemoteDesktopServices-RdpCoreTS/Operational",
    ),
    (
        "RdpClient",
        "Microsoft-Windows-TerminalServices-RDPClient/Operational",
    ),
    (
        "RdpGateway",
        "Microsoft-Windows-TerminalServices-Gateway/Operational",
    ),
    ("OpenSSH", "OpenSSH/Operational"),
    ("WinPS", "Windows PowerShell"),
    ("Print", "Microsoft-Windows-PrintService/Admin"),
    ("NTLM", "Microsoft-Windows-NTLM/Operational"),
];

/// Words of a line; `'…'` and `"…"` keep words together, each kind of quotes may contain the other.
pub fn words(line: &str) -> Vec<String> {
    let (mut all, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => all.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    all
}

/// `1d2h3m4.5s`, or seconds, in microseconds.
fn micros(text: &str) -> i64 {
    let (mut sum, mut number) = (0.0, String::new());
    for c in text.chars() {
        let unit = match c {
            'd' => 86_400.0,
            'h' => 3600.0,
            'm' => 60.0,
            's' => 1.0,
            _ => {
                number.push(c);
                continue;
            }
        };
        sum += unit * parsed::<f64>(&std::mem::take(&mut number));
    }
    if !number.is_empty() {
        sum += parsed::<f64>(&number);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a few days")]
    let whole = (sum * 1e6).round() as i64;
    whole
}

fn parsed<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

/// SID, domain and name from `name`, `DOMAIN\name` or `SYSTEM`. One name has one SID, whatever its domain.
fn account(text: &str) -> (String, String, String) {
    if text == "SYSTEM" {
        return ("S-1-5-18".into(), "NT AUTHORITY".into(), text.into());
    }
    let (domain, name) = text.split_once('\\').unwrap_or(("CORP", text));
    let number = match name {
        "Administrator" => 500,
        _ => {
            name.bytes()
                .fold(0_u32, |sum, byte| (sum * 31 + u32::from(byte)) % 90_000)
                + 1000
        }
    };
    (
        format!("S-1-5-21-1-2-3-{number}"),
        domain.into(),
        name.into(),
    )
}

/// `DOMAIN\name`, as Sysmon writes it.
fn user(text: &str) -> String {
    let (_, domain, name) = account(text);
    format!("{domain}\\{name}")
}

/// Path of a Windows program that is named without one.
fn image(text: &str) -> String {
    if text.contains('\\') || !text.contains('.') || text.starts_with('<') {
        text.to_owned()
    } else if text == "explorer.exe" {
        r"C:\Windows\explorer.exe".to_owned()
    } else {
        format!(r"C:\Windows\System32\{text}")
    }
}

fn end(text: &str) -> (&str, &str) {
    // A bare IPv6 address has no port.
    match text.rsplit_once(':') {
        Some((ip, port)) if ip.starts_with("::ffff:") || !ip.contains(':') => (ip, port),
        _ => (text, "0"),
    }
}

/// Fields of an event, to which words are added.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.0.iter_mut().find(|(own, _)| own == name) {
            // The only field with several values.
            Some((_, old)) if name != "Data" => *old = value,
            _ => self.0.push((name.to_owned(), value)),
        }
    }

    fn set_all<const N: usize>(&mut self, fields: [(&str, String); N]) {
        for (name, value) in fields {
            self.set(name, value);
        }
    }

    fn set_account(&mut self, prefix: &str, text: &str) {
        let (sid, domain, name) = account(text);
        self.set_all([
            (&format!("{prefix}UserSid"), sid),
            (&format!("{prefix}DomainName"), domain),
            (&format!("{prefix}UserName"), name),
        ]);
    }

    /// A shorthand for several fields, or `name=value`.
    fn option(&mut self, word: &str) {
        let (name, value) = word
            .split_once('=')
            .unwrap_or_else(|| panic!("no field: {word}"));
        match name {
            "by" => {
                let (who, logon) = value.split_once(':').unwrap_or((value, "0x3e7"));
                self.set_account("Subject", who);
                self.set("SubjectLogonId", logon);
            }
            "from" => {
                let (ip, port) = end(value);
                self.set_all([("IpAddress", ip.into()), ("IpPort", port.into())]);
            }
            _ => match value.strip_prefix('@') {
                Some(who) => self.set(name, account(who).0),
                None => self.set(name, value),
            },
        }
    }
}

/// Parses lines as described at the top of this module.
///
/// # Panics
/// If a line cannot be read.
pub fn parse<'t>(lines: impl IntoIterator<Item = &'t str>) -> Events {
    lines.into_iter().map(event).collect()
}

fn event(line: &str) -> Event {
    let words = words(line);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [at, host, verb, rest @ ..] = words.as_slice() else {
        panic!("too few words: {line}");
    };
    let mut fields = Fields(Vec::new());
    let (event_type, taken) = match (*verb, rest) {
        ("logon", [who, kind, package, id, from, ..]) => {
            fields.set_account("Target", who);
            fields.set_all([
                ("TargetLogonId", (*id).into()),
                ("LogonType", (*kind).into()),
                ("AuthenticationPackageName", (*package).into()),
                ("LogonProcessName", (*package).into()),
                ("WorkstationName", "-".into()),
            ]);
            fields.option(&format!("from={from}"));
            ("Security/4624", 5)
        }
        ("connects" | "accepts", [program, who, ends, ..]) => {
            let (source, destination) = ends
                .split_once('>')
                .unwrap_or_else(|| panic!("no ends: {line}"));
            let (source, destination) = (end(source), end(destination));
            fields.set_all([
                ("Image", image(program)),
                ("User", user(who)),
                ("Initiated", (*verb == "connects").to_string()),
                ("SourceIp", source.0.into()),
                ("SourcePort", source.1.into()),
                ("DestinationIp", destination.0.into()),
                ("DestinationPort", destination.1.into()),
            ]);
            ("Sysmon/3", 3)
        }
        ("process", [guids, programs, who, command, ..]) => {
            let (own, parent) = guids.split_once('<').unwrap_or((guids, ""));
            let (parent_image, own_image) = programs.split_once('>').unwrap_or(("", programs));
            let (who, logon) = who.split_once(':').unwrap_or((who, "0x3e7"));
            fields.set_all([
                ("ProcessGuid", format!("{{{own}}}")),
                ("ParentProcessGuid", format!("{{{parent}}}")),
                ("ParentImage", image(parent_image)),
                ("Image", image(own_image)),
                ("CommandLine", (*command).into()),
                ("User", user(who)),
                ("LogonId", logon.into()),
            ]);
            ("Sysmon/1", 4)
        }
        _ => (*verb, 0),
    };
    for word in rest.iter().skip(taken) {
        fields.option(word);
    }
    let host = match *host {
        "-" => String::new(),
        host => format!("{host}.corp.example"),
    };
    let mut event = Event::new(event_type).host(&host).at(AT + micros(at));
    if let Some((_, full)) = CHANNELS.iter().find(|(short, _)| *short == event.channel) {
        (*full).clone_into(&mut event.channel);
    }
    event.fields = fields.0;
    event
}
