//! Events in the notation of the scenes, and what is concluded from them.

use std::ops::Range;

use crabwalk_case::dossier::Asked;
use crabwalk_case::{Case, Input, Tool};
use crabwalk_detect::Outcome;
use crabwalk_events::assets::Assets;
use crabwalk_events::{Catalog, MemoryCatalog};
use crabwalk_hunt::Conclusion;
use crabwalk_movement::{Budget, Movement, analyse, demand};
use crabwalk_sources::collect::{All, Begun, Collector, Demand, Head};

/// 2025-06-15 00:00:00 UTC, microseconds since 1970-01-01.
pub const AT: i64 = 1_749_945_600_000_000;

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

#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Full name; empty for a network sensor.
    pub host: String,
    channel: String,
    id: u32,
    /// Milliseconds after the beginning.
    pub at: i64,
    pub fields: Vec<(String, String)>,
    record: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Logs(pub Vec<Event>);

/// Words of a line; `'…'` and `"…"` hold words together, each kind of quotes the other.
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

/// `1d2h3m4.5s`, or seconds, in milliseconds.
pub fn milliseconds(text: &str) -> i64 {
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
    let whole = (sum * 1000.0).round() as i64;
    whole
}

fn parsed<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

/// SID, domain and name of `name`, `DOMAIN\name` or `SYSTEM`. One name has one SID, whatever its domain.
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

/// Path of a program of Windows that is named without one.
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
    // An address of version 6 alone has no port.
    match text.rsplit_once(':') {
        Some((ip, port)) if ip.starts_with("::ffff:") || !ip.contains(':') => (ip, port),
        _ => (text, "0"),
    }
}

impl Event {
    fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.fields.iter_mut().find(|(own, _)| own == name) {
            // The only field that has several values.
            Some((_, old)) if name != "Data" => *old = value,
            _ => self.fields.push((name.to_owned(), value)),
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

    /// What stands for several fields, or `name=value`.
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

/// A LogonGuid of Sysmon whose time is later by seconds: its low half stands before its high one.
fn later(guid: &str, by: i64) -> String {
    let mut groups: Vec<String> = guid.split('-').map(str::to_owned).collect();
    if let [_, low, high, ..] = groups.as_mut_slice() {
        let time = i64::from_str_radix(&format!("{high}{low}"), 16).unwrap_or(0) + by;
        *low = format!("{:04x}", time & 0xffff);
        *high = format!("{:04x}", time >> 16);
    }
    groups.join("-")
}

impl Logs {
    /// Reads lines of the notation that `main.rs` explains.
    pub fn parse<'t>(lines: impl Iterator<Item = &'t str>) -> Self {
        let mut all = Self::default();
        for line in lines {
            let words = words(line);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let [at, host, verb, rest @ ..] = words.as_slice() else {
                panic!("too few words: {line}");
            };
            let mut event = Event {
                host: if *host == "-" {
                    String::new()
                } else {
                    format!("{host}.corp.example")
                },
                channel: String::new(),
                id: 0,
                at: milliseconds(at),
                fields: Vec::new(),
                record: all.0.len() as u64 + 1,
            };
            let (name, id, taken) = match (*verb, rest) {
                ("logon", [who, kind, package, id, from, ..]) => {
                    event.set_account("Target", who);
                    event.set_all([
                        ("TargetLogonId", (*id).into()),
                        ("LogonType", (*kind).into()),
                        ("AuthenticationPackageName", (*package).into()),
                        ("LogonProcessName", (*package).into()),
                        ("WorkstationName", "-".into()),
                    ]);
                    event.option(&format!("from={from}"));
                    ("Security", 4624, 5)
                }
                ("connects" | "accepts", [program, who, ends, ..]) => {
                    let (source, destination) = ends
                        .split_once('>')
                        .unwrap_or_else(|| panic!("no ends: {line}"));
                    let (source, destination) = (end(source), end(destination));
                    event.set_all([
                        ("Image", image(program)),
                        ("User", user(who)),
                        ("Initiated", (*verb == "connects").to_string()),
                        ("SourceIp", source.0.into()),
                        ("SourcePort", source.1.into()),
                        ("DestinationIp", destination.0.into()),
                        ("DestinationPort", destination.1.into()),
                    ]);
                    ("Sysmon", 3, 3)
                }
                ("process", [guids, programs, who, command, ..]) => {
                    let (own, parent) = guids.split_once('<').unwrap_or((guids, ""));
                    let (parent_image, own_image) =
                        programs.split_once('>').unwrap_or(("", programs));
                    let (who, logon) = who.split_once(':').unwrap_or((who, "0x3e7"));
                    event.set_all([
                        ("ProcessGuid", format!("{{{own}}}")),
                        ("ParentProcessGuid", format!("{{{parent}}}")),
                        ("ParentImage", image(parent_image)),
                        ("Image", image(own_image)),
                        ("CommandLine", (*command).into()),
                        ("User", user(who)),
                        ("LogonId", logon.into()),
                    ]);
                    ("Sysmon", 1, 4)
                }
                _ => {
                    let (name, id) = verb.split_once('/').unwrap_or((verb, "0"));
                    (name, parsed(id), 0)
                }
            };
            event.id = id;
            event.channel = CHANNELS
                .iter()
                .find(|(short, _)| *short == name)
                .map_or(name, |(_, full)| full)
                .to_owned();
            for word in rest.iter().skip(taken) {
                event.option(word);
            }
            all.0.push(event);
        }
        all
    }

    /// The same at a later time, on other hosts with other addresses: scenes that do not meet.
    pub fn elsewhere(&self, number: usize, days: i64) -> Self {
        let other = |text: &str| {
            let network = format!("10.{}.{}.", number / 200 + 1, number % 200 + 1);
            let mut text = text.replace("10.1.0.", &network);
            for name in ["WS", "SRV", "DC", "ws", "srv", "dc"] {
                for digit in '1'..='9' {
                    let own = format!("{name}{digit}");
                    text = text.replace(&own, &format!("{own}N{number}"));
                }
            }
            text
        };
        let mut events = self.0.clone();
        for event in &mut events {
            event.host = other(&event.host);
            event.at += days * 86_400_000;
            for (name, value) in &mut event.fields {
                *value = other(value);
                if name.ends_with("Guid") && name != "LogonGuid" {
                    *value = value.replace('}', &format!("-{number}}}"));
                }
            }
        }
        Self(events)
    }

    /// Adds others' events; each keeps its own record number.
    pub fn extend(&mut self, others: Self) {
        for mut event in others.0 {
            event.record = self.0.len() as u64 + 1;
            self.0.push(event);
        }
    }

    /// The same where a host's clock is ahead, by milliseconds.
    pub fn ahead(mut self, host: &str, by: i64) -> Self {
        let own = |event: &&mut Event| event.host.split('.').next() == Some(host);
        self.0.iter_mut().filter(own).for_each(|event| {
            event.at += by;
            // It holds when the session began, by the same clock.
            for (name, value) in &mut event.fields {
                if name == "LogonGuid" {
                    *value = later(value, by / 1000);
                }
            }
        });
        self
    }

    pub fn movement(&self) -> Movement {
        self.valued(&Assets::default())
    }

    /// What comes of these events where the organisation says what matters.
    pub fn valued(&self, assets: &Assets) -> Movement {
        let all: Range<usize> = 0..self.0.len();
        self.read(&[all.collect()], assets)
    }

    /// What comes of reading these events, one list of them for each reader.
    pub fn read(&self, parts: &[Vec<usize>], assets: &Assets) -> Movement {
        analyse(
            &self.catalog(parts, demand()),
            &[],
            assets,
            Budget::default(),
        )
        .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The case of these events, with dossiers of all hosts that it names.
    pub fn case(&self) -> Case {
        let all: Range<usize> = 0..self.0.len();
        let wanted = All::of([demand(), crabwalk_activity::dossier::demand()]);
        let catalog = self.catalog(&[all.collect()], &wanted);
        let movement = analyse(&catalog, &[], &Assets::default(), Budget::default())
            .unwrap_or_else(|error| panic!("{error}"));
        let outcome = Outcome {
            coverage: catalog.coverage().to_vec(),
            ..Outcome::default()
        };
        let conclusion = Conclusion { outcome, movement };
        let mut case = Case::new(&Input {
            tool: Tool {
                name: "crabwalk",
                version: "0",
            },
            created: AT,
            seconds: 0.0,
            sources: &[],
            conclusion: &conclusion,
            catalog: &catalog,
        });
        let asked = Asked {
            hosts: case.hosts.iter().map(|host| host.id.clone()).collect(),
            accounts: Vec::new(),
        };
        case.add_dossiers(&catalog, &asked)
            .unwrap_or_else(|error| panic!("{error}"));
        case
    }

    fn catalog(&self, parts: &[Vec<usize>], wanted: &dyn Demand) -> MemoryCatalog {
        let mut collectors = Vec::new();
        for (source, part) in parts.iter().enumerate() {
            let mut collector = Collector::new(wanted);
            for event in part.iter().filter_map(|at| self.0.get(*at)) {
                let table = collector.table(&event.channel, event.id);
                let head = Head {
                    time: AT + event.at * 1000,
                    host: &event.host,
                    source: u32::try_from(source).unwrap_or(0),
                    record: event.record,
                    numbered: true,
                };
                if collector.begin(table, &head) != Begun::Row {
                    continue;
                }
                for (name, value) in &event.fields {
                    if let Some(column) = collector.column(table, name) {
                        collector.push(table, column, value);
                    }
                }
            }
            collectors.push(collector);
        }
        let collected = Collector::merge(collectors).unwrap_or_else(|error| panic!("{error}"));
        MemoryCatalog::new(collected).unwrap_or_else(|error| panic!("{error}"))
    }
}
