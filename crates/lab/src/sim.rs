//! The simulated machines, and the events that single acts cause on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::LabError;
use crate::evtx_writer::{Body, Event, Value, guid};
use crate::truth::{DailyAccess, PlantedRecord};

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const SYSTEM_SID: &str = "S-1-5-18";

/// The names of the only domain. NetBIOS and DNS names need not be related.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Domain {
    pub(crate) netbios: String,
    pub(crate) dns: String,
    /// The Kerberos realm: the DNS name in capitals.
    pub(crate) realm: String,
}

impl Domain {
    pub(crate) fn new(dns: &str, netbios: &str) -> Self {
        Self {
            netbios: netbios.to_owned(),
            dns: dns.to_owned(),
            realm: dns.to_uppercase(),
        }
    }

    /// The company's name for its own folders, such as that of its scheduled tasks.
    pub(crate) fn folder(&self) -> String {
        let mut name = self.netbios.to_lowercase();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        name
    }
}

/// Whether a name is valid for a domain.
pub(crate) fn check_names(dns: &str, netbios: &str) -> Result<(), LabError> {
    let label = |text: &str| {
        !text.is_empty()
            && text.len() <= 63
            && text
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    };
    check(
        dns.contains('.') && dns.split('.').all(label),
        "domain",
        "the DNS name is labels of letters, digits and hyphens with dots between them, such as `ad.example.net`",
    )?;
    check(
        label(netbios) && netbios.len() <= 15,
        "netbios",
        "a NetBIOS name is 1 to 15 letters, digits and hyphens",
    )
}

impl Default for Domain {
    fn default() -> Self {
        Self::new("harbor.example", "HARBOR")
    }
}

/// SplitMix64: small, fast, and the same on every platform.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// A duration from zero up to `limit` µs.
    pub(crate) fn span(&mut self, limit: i64) -> i64 {
        i64::try_from(self.below(u64::try_from(limit).unwrap_or(1))).unwrap_or(0)
    }

    pub(crate) fn guid(&mut self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&self.next().to_le_bytes());
        out[8..].copy_from_slice(&self.next().to_le_bytes());
        out
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        &from[index]
    }
}

/// The channels the world has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Channel {
    Security,
    System,
    Sysmon,
    Sessions,
    Connections,
    RdpClient,
    Tasks,
    WinRm,
    RdpCore,
    OpenSsh,
}

impl Channel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Security => "Security",
            Self::System => "System",
            Self::Sysmon => "Microsoft-Windows-Sysmon/Operational",
            Self::Sessions => "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
            Self::Connections => {
                "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational"
            }
            Self::RdpClient => "Microsoft-Windows-TerminalServices-RDPClient/Operational",
            Self::Tasks => "Microsoft-Windows-TaskScheduler/Operational",
            Self::WinRm => "Microsoft-Windows-WinRM/Operational",
            Self::RdpCore => "Microsoft-Windows-RemoteDesktopServices-RdpCoreTS/Operational",
            Self::OpenSsh => "OpenSSH/Operational",
        }
    }

    fn provider(self) -> (&'static str, &'static str) {
        match self {
            Self::Security => (
                "Microsoft-Windows-Security-Auditing",
                "54849625-5478-4994-a5ba-3e3b0328c30d",
            ),
            Self::System => (
                "Service Control Manager",
                "555908d1-a6d7-4695-8e1e-26931d2012f4",
            ),
            Self::Sysmon => (
                "Microsoft-Windows-Sysmon",
                "5770385f-c22a-43e0-bf4c-06f5698ffbd9",
            ),
            Self::Sessions => (
                "Microsoft-Windows-TerminalServices-LocalSessionManager",
                "5d896912-022d-40aa-a3a8-4fa5515c76d7",
            ),
            Self::Connections => (
                "Microsoft-Windows-TerminalServices-RemoteConnectionManager",
                "c76baa63-ae81-421c-b425-340b4b24157f",
            ),
            Self::RdpClient => (
                "Microsoft-Windows-TerminalServices-ClientActiveXCore",
                "28aa95bb-d444-4719-a36f-40462168127e",
            ),
            Self::Tasks => (
                "Microsoft-Windows-TaskScheduler",
                "de7b24ea-73c8-4a09-985d-5bdadcfa9017",
            ),
            Self::WinRm => (
                "Microsoft-Windows-WinRM",
                "a7975c8f-ac13-49f1-87da-5a984a4ab417",
            ),
            Self::RdpCore => (
                "Microsoft-Windows-RemoteDesktopServices-RdpCoreTS",
                "1139c61b-b549-4251-8ed3-27250a1edec8",
            ),
            Self::OpenSsh => ("OpenSSH", "c4b57d35-0636-4bc3-a262-370f249f9802"),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) first: String,
    pub(crate) last: String,
    pub(crate) sid: String,
    pub(crate) admin: bool,
    pub(crate) category: &'static str,
}

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) domain: Arc<Domain>,
    pub(crate) ip: String,
    /// From when on it has another address today.
    pub(crate) moved: Option<(i64, String)>,
    /// The address that others see instead.
    pub(crate) behind: Option<String>,
    pub(crate) mac: String,
    pub(crate) role: &'static str,
    pub(crate) category: &'static str,
    pub(crate) sysmon: bool,
    /// Whether Security writes 4688 and 4689.
    pub(crate) process_audit: bool,
    pub(crate) sid: String,
    /// Its domain controller.
    pub(crate) controller: usize,
    /// How far its clock is ahead, µs.
    pub(crate) skew: i64,
    pub(crate) machine: u32,
    pub(crate) boot: i64,
    system_logon: [u8; 16],
    pub(crate) system: Process,
    pub(crate) services: Process,
    pub(crate) lsass: Process,
    pub(crate) svchost: Process,
    pub(crate) schedule: Process,
    luids: BTreeSet<u64>,
    ports: BTreeSet<u16>,
    pids: BTreeSet<u32>,
    pub(crate) windows_session: u32,
}

impl Host {
    pub(crate) fn fqdn(&self) -> String {
        format!("{}.{}", self.name, self.domain.dns)
    }

    /// Its address in its own logs.
    pub(crate) fn own_ip(&self, time: i64) -> String {
        match &self.moved {
            Some((from, ip)) if time >= *from => ip.clone(),
            _ => self.ip.clone(),
        }
    }

    /// Its address as seen by others.
    pub(crate) fn seen_ip(&self, time: i64) -> String {
        self.behind.clone().unwrap_or_else(|| self.own_ip(time))
    }

    /// A name server's answer for it: none if its address changes hands.
    fn seen_name(&self) -> String {
        if self.behind.is_some() || self.moved.is_some() {
            "-".into()
        } else {
            self.fqdn()
        }
    }

    fn system_session(&self) -> Session {
        Session {
            host: 0,
            luid: 0x3e7,
            name: format!("{}$", self.name),
            domain: self.domain.netbios.clone(),
            sid: SYSTEM_SID.into(),
            shown: "NT AUTHORITY\\SYSTEM".into(),
            sysmon: self.system_logon,
            terminal: 0,
            elevated: true,
            kind: 0,
        }
    }
}

/// A running process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Process {
    pub(crate) host: usize,
    pub(crate) pid: u32,
    pub(crate) guid: [u8; 16],
    pub(crate) image: String,
    pub(crate) command: String,
    pub(crate) user: String,
}

/// A logon session on a host.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) host: usize,
    pub(crate) luid: u64,
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) sid: String,
    /// `DOMAIN\name`.
    pub(crate) shown: String,
    /// Sysmon's `LogonGuid`.
    pub(crate) sysmon: [u8; 16],
    pub(crate) terminal: u32,
    pub(crate) elevated: bool,
    pub(crate) kind: u32,
}

#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) host: usize,
    pub(crate) channel: Channel,
    pub(crate) event: Event,
    pub(crate) marks: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Conn {
    pub(crate) time: i64,
    pub(crate) uid: String,
    pub(crate) src: String,
    pub(crate) src_port: u16,
    pub(crate) dst: String,
    pub(crate) dst_port: u16,
    pub(crate) service: &'static str,
    pub(crate) duration: i64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

/// How a remote logon is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package {
    Kerberos,
    Ntlm,
}

/// One network connection with a logon over it.
pub(crate) struct Remote<'a> {
    pub(crate) src: usize,
    pub(crate) dst: usize,
    pub(crate) account: &'a Account,
    pub(crate) time: i64,
    pub(crate) port: u16,
    pub(crate) service: &'static str,
    pub(crate) package: Package,
    /// The process that connects on the source.
    pub(crate) client: &'a Process,
    /// Whether the DC issues a new ticket for it.
    pub(crate) ticket: bool,
    pub(crate) duration: i64,
}

#[derive(Debug)]
pub(crate) struct Sim {
    pub(crate) random: Random,
    pub(crate) hosts: Vec<Host>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) domain: Arc<Domain>,
    pub(crate) domain_sid: String,
    pub(crate) pending: Vec<Pending>,
    pub(crate) conns: Vec<Conn>,
    /// PlantedRecord of each mark, completed when the records get their ids.
    pub(crate) marks: Vec<Vec<PlantedRecord>>,
    /// Remote access of daily work: how often, by source, destination, account and kind.
    daily: BTreeMap<(usize, usize, String), BTreeMap<&'static str, u64>>,
}

pub(crate) fn s(text: impl Into<String>) -> Value {
    Value::Str(text.into())
}
pub(crate) fn sid(text: &str) -> Value {
    Value::Sid(text.to_owned())
}
pub(crate) fn luid(value: u64) -> Value {
    Value::Hex64(value)
}

/// Text of a GUID in braces, upper case as Windows shows it.
pub(crate) fn guid_text(bytes: &[u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *bytes;
    let tail: String = rest
        .iter()
        .skip(2)
        .map(|byte| format!("{byte:02X}"))
        .collect();
    format!(
        "{{{:08X}-{:04X}-{:04X}-{:02X}{:02X}-{tail}}}",
        u32::from_le_bytes([a, b, c, d]),
        u16::from_le_bytes([e, f]),
        u16::from_le_bytes([g, h]),
        rest[0],
        rest[1]
    )
}

/// Time in the form of Sysmon's `UtcTime`: `2026-03-03 08:15:00.123`.
pub(crate) fn utc(time: i64) -> String {
    jiff::Timestamp::from_microsecond(time)
        .map(|t| t.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string())
        .unwrap_or_default()
}

/// Sysmon's GUID: machine, Unix seconds, and eight bytes of its own, all little-endian.
pub(crate) fn sysmon_guid(machine: u32, time: i64, last: u64) -> [u8; 16] {
    let mut out = [0; 16];
    out[..4].copy_from_slice(&machine.to_le_bytes());
    let seconds = u32::try_from(time.div_euclid(SECOND)).unwrap_or(0);
    out[4..8].copy_from_slice(&seconds.to_le_bytes());
    out[8..].copy_from_slice(&last.to_le_bytes());
    out
}

impl Sim {
    /// A company without people yet, whose domain has these names. Its identifier is drawn.
    pub(crate) fn new(mut random: Random, dns: &str, netbios: &str) -> Self {
        let mut part = || 1_000_000_000 + random.below(3_000_000_000);
        let domain_sid = format!("S-1-5-21-{}-{}-{}", part(), part(), part());
        Self {
            random,
            hosts: Vec::new(),
            accounts: Vec::new(),
            domain: Arc::new(Domain::new(dns, netbios)),
            domain_sid,
            pending: Vec::new(),
            conns: Vec::new(),
            marks: Vec::new(),
            daily: BTreeMap::new(),
        }
    }

    /// Records remote access that is daily work.
    pub(crate) fn note(&mut self, src: usize, dst: usize, account: &str, kind: &'static str) {
        let between = self.daily.entry((src, dst, account.to_owned()));
        *between.or_default().entry(kind).or_default() += 1;
    }

    /// All remote access of daily work.
    pub(crate) fn daily_access(&self) -> Vec<DailyAccess> {
        let name = |host: &usize| self.hosts[*host].name.clone();
        self.daily
            .iter()
            .map(|((src, dst, account), kinds)| DailyAccess {
                src: name(src),
                dst: name(dst),
                account: account.clone(),
                kinds: kinds
                    .iter()
                    .map(|(kind, count)| ((*kind).to_owned(), *count))
                    .collect(),
            })
            .collect()
    }

    pub(crate) fn add_host(
        &mut self,
        name: String,
        address: (u8, u8),
        role: &'static str,
        category: &'static str,
        boot: i64,
        sources: (bool, bool),
    ) {
        let index = self.hosts.len();
        let machine = (self.random.next() & 0xffff_ffff) as u32;
        let process = |pid: u32, image: &str, command: &str, offset: i64| Process {
            host: index,
            pid,
            guid: sysmon_guid(machine, boot + offset * SECOND, u64::from(pid) << 16 | 0x2),
            image: image.to_owned(),
            command: command.to_owned(),
            user: "NT AUTHORITY\\SYSTEM".into(),
        };
        let base = 500 + 4 * (self.random.below(60) as u32);
        let system32 = "C:\\Windows\\System32\\";
        self.hosts.push(Host {
            ip: format!("10.40.{}.{}", address.0, address.1),
            mac: format!(
                "02:4a:10:{:02x}:{:02x}:{:02x}",
                address.0,
                address.1,
                machine & 0xff
            ),
            role,
            category,
            sysmon: sources.0,
            process_audit: sources.1,
            sid: format!("{}-{}", self.domain_sid, 1000 + index),
            controller: 0,
            skew: 0,
            machine,
            boot,
            system_logon: sysmon_guid(machine, boot, 0x3e7),
            system: process(4, "System", "", 0),
            services: process(
                base,
                &format!("{system32}services.exe"),
                "C:\\Windows\\system32\\services.exe",
                4,
            ),
            lsass: process(
                base + 16,
                &format!("{system32}lsass.exe"),
                "C:\\Windows\\system32\\lsass.exe",
                4,
            ),
            svchost: process(
                base + 140,
                &format!("{system32}svchost.exe"),
                "C:\\Windows\\system32\\svchost.exe -k termsvcs -s TermService",
                6,
            ),
            schedule: process(
                base + 164,
                &format!("{system32}svchost.exe"),
                "C:\\Windows\\system32\\svchost.exe -k netsvcs -p -s Schedule",
                7,
            ),
            luids: BTreeSet::new(),
            ports: BTreeSet::new(),
            pids: BTreeSet::new(),
            windows_session: 1,
            moved: None,
            behind: None,
            domain: Arc::clone(&self.domain),
            name,
        });
    }

    pub(crate) fn system_session(&self, host: usize) -> Session {
        Session {
            host,
            ..self.hosts[host].system_session()
        }
    }

    /// A time as shown by the host's clock.
    pub(crate) fn clock(&self, host: usize, time: i64) -> i64 {
        time + self.hosts[host].skew
    }

    pub(crate) fn machine_account(&self, host: usize) -> Account {
        Account {
            name: format!("{}$", self.hosts[host].name),
            first: String::new(),
            last: String::new(),
            sid: self.hosts[host].sid.clone(),
            admin: false,
            category: "machine",
        }
    }

    /// Sysmon's GUID of a process started before the logs begin.
    pub(crate) fn process_guid(&self, host: usize, time: i64, pid: u32) -> [u8; 16] {
        let time = self.clock(host, time);
        sysmon_guid(self.hosts[host].machine, time, u64::from(pid) << 20)
    }

    /// Ports and process ids may be reused on a new day.
    pub(crate) fn new_day(&mut self) {
        for host in &mut self.hosts {
            host.ports.clear();
            host.pids.clear();
            host.luids.clear();
        }
    }

    /// Logon ids grow with time since boot, as on Windows.
    fn new_luid(&mut self, host: usize, time: i64) -> u64 {
        let low = self.random.below(40);
        let host = &mut self.hosts[host];
        let seconds = u64::try_from((time - host.boot) / SECOND).unwrap_or(0);
        let mut id = 0x2_0000 + seconds * 61 + low;
        while !host.luids.insert(id) {
            id += 1;
        }
        id
    }

    pub(crate) fn new_port(&mut self, host: usize, time: i64) -> u16 {
        let host = &mut self.hosts[host];
        let mut port = 49_700 + u16::try_from((time / SECOND * 7).rem_euclid(15_000)).unwrap_or(0);
        while !host.ports.insert(port) {
            port = if port == u16::MAX { 49_152 } else { port + 1 };
            if host.ports.len() > 16_000 {
                host.ports.clear();
            }
        }
        port
    }

    pub(crate) fn new_pid(&mut self, host: usize) -> u32 {
        loop {
            let pid = 1_200 + 4 * (self.random.below(3_500) as u32);
            let host = &mut self.hosts[host];
            if host.pids.len() > 3_000 {
                host.pids.clear();
            }
            if host.pids.insert(pid) {
                return pid;
            }
        }
    }

    pub(crate) fn mark(&mut self, range: std::ops::Range<usize>, mark: usize) {
        for pending in &mut self.pending[range] {
            if !pending.marks.contains(&mark) {
                pending.marks.push(mark);
            }
        }
    }

    pub(crate) fn push(
        &mut self,
        host: usize,
        channel: Channel,
        time: i64,
        head: (u16, u8, u16),
        body: Body,
    ) -> usize {
        let (provider, provider_guid) = channel.provider();
        let thread = 4 * (20 + self.random.below(2_000) as u32);
        let machine = &self.hosts[host];
        let (event_id, version, task) = head;
        let system = Some(SYSTEM_SID.to_owned());
        let (level, opcode, keywords, process, user) = match channel {
            Channel::Security => (0, 0, 0x8020_0000_0000_0000, machine.lsass.pid, None),
            Channel::System => (4, 0, 0x8080_0000_0000_0000, machine.services.pid, None),
            Channel::Sysmon => (
                4,
                0,
                0x8000_0000_0000_0000,
                2_000 + machine.machine % 200 * 4,
                system,
            ),
            Channel::Sessions | Channel::Connections => {
                (4, 0, 0x1000_0000_0000_0000, machine.svchost.pid, system)
            }
            Channel::Tasks => (4, 0, 0x8000_0000_0000_0000, machine.schedule.pid, system),
            Channel::RdpClient | Channel::WinRm | Channel::RdpCore | Channel::OpenSsh => {
                (4, 0, 0x4000_0000_0000_0000, machine.svchost.pid, system)
            }
        };
        let event = Event {
            provider: if channel == Channel::System {
                "Service Control Manager".into()
            } else {
                provider.into()
            },
            provider_guid: guid(provider_guid).unwrap_or_default(),
            event_source: (channel == Channel::System).then(|| "Service Control Manager".into()),
            event_id,
            qualifiers: (channel == Channel::System).then_some(16_384),
            version,
            level,
            task,
            opcode,
            keywords,
            time: time + machine.skew,
            record_id: 0,
            activity_id: None,
            process_id: process,
            thread_id: thread,
            channel: channel.name().into(),
            computer: machine.fqdn(),
            user_sid: user,
            body,
        };
        self.pending.push(Pending {
            host,
            channel,
            event,
            marks: Vec::new(),
        });
        self.pending.len() - 1
    }

    pub(crate) fn log(
        &mut self,
        host: usize,
        channel: Channel,
        time: i64,
        head: (u16, u8, u16),
        data: Vec<(&str, Value)>,
    ) -> usize {
        let fields = data
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        self.push(host, channel, time, head, Body::EventData(fields))
    }

    pub(crate) fn user_data(
        &mut self,
        host: usize,
        channel: Channel,
        time: i64,
        event_id: u16,
        data: Vec<(&str, Value)>,
    ) -> usize {
        let fields = data
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let body = Body::UserData {
            element: "EventXML".into(),
            namespace: "Event_NS".into(),
            fields,
        };
        self.push(host, channel, time, (event_id, 0, 0), body)
    }

    pub(crate) fn failure(&mut self, index: usize) {
        self.pending[index].event.keywords = 0x8010_0000_0000_0000;
    }

    pub(crate) fn sysmon(
        &mut self,
        host: usize,
        time: i64,
        id: u16,
        version: u8,
        data: Vec<(&str, Value)>,
    ) -> Option<usize> {
        if !self.hosts[host].sysmon {
            return None;
        }
        let mut fields = vec![
            ("RuleName", s("-")),
            ("UtcTime", s(utc(self.clock(host, time)))),
        ];
        fields.extend(data);
        Some(self.log(host, Channel::Sysmon, time, (id, version, id), fields))
    }

    /// Starts a process: Sysmon 1 and, if audited, Security 4688.
    pub(crate) fn spawn(
        &mut self,
        time: i64,
        parent: &Process,
        session: &Session,
        image: &str,
        original: &str,
        command: &str,
    ) -> Process {
        let host = parent.host;
        let pid = self.new_pid(host);
        let guid = sysmon_guid(
            self.hosts[host].machine,
            self.clock(host, time),
            u64::from(pid) << 20 | self.random.below(0xffff),
        );
        let process = Process {
            host,
            pid,
            guid,
            image: image.into(),
            command: command.into(),
            user: session.shown.clone(),
        };
        let file = image.rsplit('\\').next().unwrap_or(image);
        let hash: String = {
            // The same image has the same hash on every host.
            let mut seed = Random(original.bytes().fold(7, |hash: u64, byte| {
                hash * 131 % 0xffff_ffff_ffff + u64::from(byte)
            }));
            (0..4).map(|_| format!("{:016X}", seed.next())).collect()
        };
        let company = match original {
            "psexec.c" | "psexesvc.exe" => "Sysinternals - www.sysinternals.com",
            "-" => "-",
            _ => "Microsoft Corporation",
        };
        let product = match original {
            "psexec.c" | "psexesvc.exe" => "Sysinternals PsExec",
            "-" => "-",
            _ => "Microsoft® Windows® Operating System",
        };
        let level = if session.luid == 0x3e7 {
            "System"
        } else if session.elevated {
            "High"
        } else {
            "Medium"
        };
        self.sysmon(
            host,
            time,
            1,
            5,
            vec![
                ("ProcessGuid", Value::Guid(guid)),
                ("ProcessId", Value::U32(pid)),
                ("Image", s(image)),
                (
                    "FileVersion",
                    s(if original == "-" { "-" } else { "10.0.17763.1" }),
                ),
                ("Description", s(if original == "-" { "-" } else { file })),
                ("Product", s(product)),
                ("Company", s(company)),
                ("OriginalFileName", s(original)),
                ("CommandLine", s(command)),
                ("CurrentDirectory", s("C:\\Windows\\system32\\")),
                ("User", s(session.shown.clone())),
                ("LogonGuid", Value::Guid(session.sysmon)),
                ("LogonId", luid(session.luid)),
                ("TerminalSessionId", Value::U32(session.terminal)),
                ("IntegrityLevel", s(level)),
                ("Hashes", s(format!("SHA256={hash}"))),
                ("ParentProcessGuid", Value::Guid(parent.guid)),
                ("ParentProcessId", Value::U32(parent.pid)),
                ("ParentImage", s(parent.image.clone())),
                ("ParentCommandLine", s(parent.command.clone())),
                ("ParentUser", s(parent.user.clone())),
            ],
        );
        if self.hosts[host].process_audit {
            let label = match level {
                "System" => "S-1-16-16384",
                "High" => "S-1-16-12288",
                _ => "S-1-16-8192",
            };
            let elevation = if session.luid == 0x3e7 {
                "%%1936"
            } else if session.elevated {
                "%%1937"
            } else {
                "%%1938"
            };
            let index = self.log(
                host,
                Channel::Security,
                time,
                (4688, 2, 13_312),
                vec![
                    ("SubjectUserSid", sid(&session.sid)),
                    ("SubjectUserName", s(session.name.clone())),
                    ("SubjectDomainName", s(session.domain.clone())),
                    ("SubjectLogonId", luid(session.luid)),
                    ("NewProcessId", Value::Hex64(u64::from(pid))),
                    ("NewProcessName", s(image)),
                    ("TokenElevationType", s(elevation)),
                    ("ProcessId", Value::Hex64(u64::from(parent.pid))),
                    ("CommandLine", s(command)),
                    ("TargetUserSid", sid("S-1-0-0")),
                    ("TargetUserName", s("-")),
                    ("TargetDomainName", s("-")),
                    ("TargetLogonId", luid(0)),
                    ("ParentProcessName", s(parent.image.clone())),
                    ("MandatoryLabel", sid(label)),
                ],
            );
            self.pending[index].event.process_id = 4;
        }
        process
    }

    /// Ends a process: Sysmon 5 and, if audited, Security 4689.
    pub(crate) fn exit(&mut self, time: i64, process: &Process, session: &Session) {
        self.sysmon(
            process.host,
            time,
            5,
            3,
            vec![
                ("ProcessGuid", Value::Guid(process.guid)),
                ("ProcessId", Value::U32(process.pid)),
                ("Image", s(process.image.clone())),
                ("User", s(process.user.clone())),
            ],
        );
        if self.hosts[process.host].process_audit {
            self.log(
                process.host,
                Channel::Security,
                time,
                (4689, 0, 13_313),
                vec![
                    ("SubjectUserSid", sid(&session.sid)),
                    ("SubjectUserName", s(session.name.clone())),
                    ("SubjectDomainName", s(session.domain.clone())),
                    ("SubjectLogonId", luid(session.luid)),
                    ("Status", Value::Hex32(0)),
                    ("ProcessId", Value::Hex64(u64::from(process.pid))),
                    ("ProcessName", s(process.image.clone())),
                ],
            );
        }
    }

    pub(crate) fn file(&mut self, time: i64, process: &Process, path: &str) {
        self.sysmon(
            process.host,
            time,
            11,
            2,
            vec![
                ("ProcessGuid", Value::Guid(process.guid)),
                ("ProcessId", Value::U32(process.pid)),
                ("Image", s(process.image.clone())),
                ("TargetFilename", s(path)),
                ("CreationUtcTime", s(utc(self.clock(process.host, time)))),
                ("User", s(process.user.clone())),
            ],
        );
    }

    pub(crate) fn registry(&mut self, time: i64, process: &Process, path: &str, details: &str) {
        let fields = vec![
            ("RuleName", s("-")),
            ("EventType", s("SetValue")),
            ("UtcTime", s(utc(self.clock(process.host, time)))),
            ("ProcessGuid", Value::Guid(process.guid)),
            ("ProcessId", Value::U32(process.pid)),
            ("Image", s(process.image.clone())),
            ("TargetObject", s(path)),
            ("Details", s(details)),
            ("User", s(process.user.clone())),
        ];
        if self.hosts[process.host].sysmon {
            self.log(process.host, Channel::Sysmon, time, (13, 2, 13), fields);
        }
    }

    pub(crate) fn pipe(&mut self, time: i64, process: &Process, name: &str, connect: bool) {
        let id = if connect { 18 } else { 17 };
        let fields = vec![
            ("RuleName", s("-")),
            (
                "EventType",
                s(if connect { "ConnectPipe" } else { "CreatePipe" }),
            ),
            ("UtcTime", s(utc(self.clock(process.host, time)))),
            ("ProcessGuid", Value::Guid(process.guid)),
            ("ProcessId", Value::U32(process.pid)),
            ("PipeName", s(name)),
            ("Image", s(process.image.clone())),
            ("User", s(process.user.clone())),
        ];
        if self.hosts[process.host].sysmon {
            self.log(process.host, Channel::Sysmon, time, (id, 1, id), fields);
        }
    }

    /// A connection as Zeek and both ends' Sysmon see it. Returns the indexes of the Sysmon events.
    pub(crate) fn connect(
        &mut self,
        time: i64,
        client: &Process,
        server: &Process,
        ports: (u16, u16),
        service: &'static str,
        duration: i64,
    ) -> std::ops::Range<usize> {
        let from = self.pending.len();
        let (src, dst) = (client.host, server.host);
        for (process, initiated) in [(client, true), (server, false)] {
            let name = match ports.1 {
                445 => "microsoft-ds",
                3389 => "ms-wbt-server",
                135 => "epmap",
                _ => "-",
            };
            let (a, b) = (&self.hosts[src], &self.hosts[dst]);
            let fields = vec![
                ("ProcessGuid", Value::Guid(process.guid)),
                ("ProcessId", Value::U32(process.pid)),
                ("Image", s(process.image.clone())),
                ("User", s(process.user.clone())),
                ("Protocol", s("tcp")),
                ("Initiated", Value::Bool(initiated)),
                ("SourceIsIpv6", Value::Bool(false)),
                (
                    "SourceIp",
                    s(if initiated {
                        a.own_ip(time)
                    } else {
                        a.seen_ip(time)
                    }),
                ),
                (
                    "SourceHostname",
                    s(if initiated { a.fqdn() } else { a.seen_name() }),
                ),
                ("SourcePort", Value::U16(ports.0)),
                ("SourcePortName", s("-")),
                ("DestinationIsIpv6", Value::Bool(false)),
                ("DestinationIp", s(b.own_ip(time))),
                ("DestinationHostname", s(b.fqdn())),
                ("DestinationPort", Value::U16(ports.1)),
                ("DestinationPortName", s(name)),
            ];
            self.sysmon(process.host, time + 900_000, 3, 5, fields);
        }
        let (a, b) = (self.hosts[src].seen_ip(time), self.hosts[dst].own_ip(time));
        self.conn(time, (a, ports.0), (b, ports.1), service, duration);
        from..self.pending.len()
    }

    fn conn(
        &mut self,
        time: i64,
        src: (String, u16),
        dst: (String, u16),
        service: &'static str,
        duration: i64,
    ) {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let uid: String = std::iter::once('C')
            .chain((0..17).map(|_| char::from(*self.random.pick(letters))))
            .collect();
        let sent = 900 + self.random.below(40_000);
        let received = 700 + self.random.below(90_000);
        self.conns.push(Conn {
            time,
            uid,
            src: src.0,
            src_port: src.1,
            dst: dst.0,
            dst_port: dst.1,
            service,
            duration,
            sent,
            received,
        });
    }

    /// A connection to a web server outside.
    pub(crate) fn web(&mut self, time: i64, process: &Process) {
        let port = self.new_port(process.host, time);
        let last = 10 + self.random.below(200);
        let outside = format!("198.51.100.{last}");
        let host = &self.hosts[process.host];
        let (ip, fqdn) = (host.own_ip(time), host.fqdn());
        self.sysmon(
            process.host,
            time + 400_000,
            3,
            5,
            vec![
                ("ProcessGuid", Value::Guid(process.guid)),
                ("ProcessId", Value::U32(process.pid)),
                ("Image", s(process.image.clone())),
                ("User", s(process.user.clone())),
                ("Protocol", s("tcp")),
                ("Initiated", Value::Bool(true)),
                ("SourceIsIpv6", Value::Bool(false)),
                ("SourceIp", s(ip.clone())),
                ("SourceHostname", s(fqdn)),
                ("SourcePort", Value::U16(port)),
                ("SourcePortName", s("-")),
                ("DestinationIsIpv6", Value::Bool(false)),
                ("DestinationIp", s(outside.clone())),
                ("DestinationHostname", s("-")),
                ("DestinationPort", Value::U16(443)),
                ("DestinationPortName", s("https")),
            ],
        );
        let duration = self.random.span(30 * SECOND);
        self.conn(time, (ip, port), (outside, 443), "ssl", duration);
    }

    /// A ticket-granting ticket for an account: 4768 on the DC.
    pub(crate) fn tgt(&mut self, time: i64, src: usize, account: &Account) {
        let port = self.new_port(src, time);
        let controller = self.hosts[src].controller;
        let (client, server) = (
            self.hosts[src].lsass.clone(),
            self.hosts[controller].lsass.clone(),
        );
        if src != controller {
            self.connect(time, &client, &server, (port, 88), "krb_tcp", 20_000);
        }
        let krbtgt = format!("{}-502", self.domain_sid);
        let ip = self.hosts[src].seen_ip(time);
        self.log(
            controller,
            Channel::Security,
            time + 5_000,
            (4768, 0, 14_339),
            vec![
                ("TargetUserName", s(account.name.clone())),
                ("TargetDomainName", s(self.domain.realm.clone())),
                ("TargetSid", sid(&account.sid)),
                ("ServiceName", s("krbtgt")),
                ("ServiceSid", Value::Sid(krbtgt)),
                ("TicketOptions", Value::Hex32(0x4081_0010)),
                ("Status", Value::Hex32(0)),
                ("TicketEncryptionType", Value::Hex32(0x12)),
                ("PreAuthType", s("2")),
                ("IpAddress", s(format!("::ffff:{ip}"))),
                ("IpPort", s(port.to_string())),
                ("CertIssuerName", s("")),
                ("CertSerialNumber", s("")),
                ("CertThumbprint", s("")),
            ],
        );
    }

    /// A service ticket: 4769 on the DC. Returns its index.
    pub(crate) fn ticket(
        &mut self,
        time: i64,
        client: &Process,
        account: &Account,
        service: (&str, &str),
        encryption: u32,
    ) -> usize {
        let src = client.host;
        let port = self.new_port(src, time);
        let controller = self.hosts[src].controller;
        let server = self.hosts[controller].lsass.clone();
        if src != controller {
            self.connect(time, client, &server, (port, 88), "krb_tcp", 20_000);
        }
        let ip = self.hosts[src].seen_ip(time);
        let logon = self.random.guid();
        self.log(
            controller,
            Channel::Security,
            time + 5_000,
            (4769, 0, 14_337),
            vec![
                (
                    "TargetUserName",
                    s(format!("{}@{}", account.name, self.domain.realm)),
                ),
                ("TargetDomainName", s(self.domain.realm.clone())),
                ("ServiceName", s(service.0)),
                ("ServiceSid", sid(service.1)),
                ("TicketOptions", Value::Hex32(0x4081_0000)),
                ("TicketEncryptionType", Value::Hex32(encryption)),
                ("IpAddress", s(format!("::ffff:{ip}"))),
                ("IpPort", s(port.to_string())),
                ("Status", Value::Hex32(0)),
                ("LogonGuid", Value::Guid(logon)),
                ("TransmittedServices", s("-")),
            ],
        )
    }

    /// A new session: 4624 and, for administrators, 4672. Returns the session and the index of the 4624.
    pub(crate) fn logon(
        &mut self,
        time: i64,
        host: usize,
        account: &Account,
        how: &Logon<'_>,
    ) -> (Session, usize) {
        let luid_value = self.new_luid(host, time);
        let machine = &self.hosts[host];
        let network = how.kind == 3;
        let process = match how.kind {
            3 => None,
            5 => Some(machine.services.clone()),
            9 => Some(machine.schedule.clone()),
            _ => Some(machine.svchost.clone()),
        };
        let subject = match (&how.subject, network) {
            (Some(session), _) => (*session).clone(),
            (None, true) => Session {
                sid: "S-1-0-0".into(),
                name: "-".into(),
                domain: "-".into(),
                luid: 0,
                ..machine.system_session()
            },
            (None, false) => machine.system_session(),
        };
        let system = account.sid == SYSTEM_SID;
        let netbios = self.domain.netbios.clone();
        let domain = if system { "NT AUTHORITY" } else { &netbios };
        let (identity, value) = if system {
            (0x3e7, machine.system_logon)
        } else {
            (
                luid_value,
                sysmon_guid(machine.machine, time + machine.skew, luid_value),
            )
        };
        let kerberos = how.package == "Kerberos";
        let logon_guid = if kerberos {
            self.random.guid()
        } else {
            [0; 16]
        };
        let ntlm = how.package == "NTLM";
        let terminal = if matches!(how.kind, 2 | 7 | 10 | 11) {
            self.hosts[host].windows_session
        } else {
            0
        };
        let elevated = account.admin || how.kind == 5;
        let index = self.log(
            host,
            Channel::Security,
            time,
            (4624, 2, 12_544),
            vec![
                ("SubjectUserSid", sid(&subject.sid)),
                ("SubjectUserName", s(subject.name)),
                ("SubjectDomainName", s(subject.domain)),
                ("SubjectLogonId", luid(subject.luid)),
                ("TargetUserSid", sid(&account.sid)),
                ("TargetUserName", s(account.name.clone())),
                ("TargetDomainName", s(domain)),
                ("TargetLogonId", luid(identity)),
                ("LogonType", Value::U32(how.kind)),
                ("LogonProcessName", s(how.process)),
                ("AuthenticationPackageName", s(how.package)),
                ("WorkstationName", s(how.workstation.clone())),
                ("LogonGuid", Value::Guid(logon_guid)),
                ("TransmittedServices", s("-")),
                ("LmPackageName", s(if ntlm { "NTLM V2" } else { "-" })),
                ("KeyLength", Value::U32(if ntlm { 128 } else { 0 })),
                (
                    "ProcessId",
                    Value::Hex64(process.as_ref().map_or(0, |p| u64::from(p.pid))),
                ),
                (
                    "ProcessName",
                    s(process.as_ref().map_or("-", |p| p.image.as_str())),
                ),
                ("IpAddress", s(how.ip.clone())),
                ("IpPort", s(how.port.clone())),
                ("ImpersonationLevel", s("%%1833")),
                ("RestrictedAdminMode", s("-")),
                ("TargetOutboundUserName", s(how.outbound)),
                (
                    "TargetOutboundDomainName",
                    s(if how.outbound == "-" { "-" } else { &netbios }),
                ),
                ("VirtualAccount", s("%%1843")),
                ("TargetLinkedLogonId", luid(0)),
                (
                    "ElevatedToken",
                    s(if elevated { "%%1842" } else { "%%1843" }),
                ),
            ],
        );
        let session = Session {
            host,
            luid: identity,
            name: account.name.clone(),
            domain: domain.into(),
            sid: account.sid.clone(),
            shown: format!("{domain}\\{}", account.name),
            sysmon: value,
            terminal,
            elevated,
            kind: how.kind,
        };
        if elevated {
            self.log(
                host,
                Channel::Security,
                time + 300,
                (4672, 0, 12_548),
                vec![
                    ("SubjectUserSid", sid(&session.sid)),
                    ("SubjectUserName", s(session.name.clone())),
                    ("SubjectDomainName", s(domain)),
                    ("SubjectLogonId", luid(session.luid)),
                    (
                        "PrivilegeList",
                        s("SeSecurityPrivilege\n\t\t\tSeBackupPrivilege\n\t\t\tSeRestorePrivilege\n\t\t\tSeDebugPrivilege\n\t\t\tSeImpersonatePrivilege"),
                    ),
                ],
            );
        }
        (session, index)
    }

    /// End of a session: 4634, preceded by 4647 if a user logged off.
    pub(crate) fn logoff(&mut self, time: i64, session: &Session) {
        let base = |session: &Session| {
            vec![
                ("TargetUserSid", sid(&session.sid)),
                ("TargetUserName", s(session.name.clone())),
                ("TargetDomainName", s(session.domain.clone())),
                ("TargetLogonId", luid(session.luid)),
            ]
        };
        if matches!(session.kind, 2 | 10) {
            self.log(
                session.host,
                Channel::Security,
                time,
                (4647, 0, 12_545),
                base(session),
            );
        }
        let mut fields = base(session);
        fields.push(("LogonType", Value::U32(session.kind)));
        self.log(
            session.host,
            Channel::Security,
            time + 40_000,
            (4634, 0, 12_545),
            fields,
        );
    }

    /// A domain controller validates NTLM credentials for a host (4776). `workstation` is what the client calls itself.
    pub(crate) fn validation(
        &mut self,
        time: i64,
        host: usize,
        account: &Account,
        workstation: String,
    ) {
        let controller = self.hosts[host].controller;
        self.log(
            controller,
            Channel::Security,
            time,
            (4776, 0, 14_336),
            vec![
                ("PackageName", s("MICROSOFT_AUTHENTICATION_PACKAGE_V1_0")),
                ("TargetUserName", s(account.name.clone())),
                ("Workstation", s(workstation)),
                ("Status", Value::Hex32(0)),
            ],
        );
    }

    /// A connection with a network logon over it, as seen by source, network, DC and destination. Returns the session,
    /// the client's port and the index of the 4624.
    pub(crate) fn network_logon(&mut self, remote: &Remote<'_>) -> (Session, u16, usize) {
        let Remote {
            src,
            dst,
            account,
            time,
            ..
        } = *remote;
        let target = self.machine_account(dst);
        match remote.package {
            Package::Kerberos if remote.ticket => {
                let lsass = self.hosts[src].lsass.clone();
                self.ticket(
                    time - 60_000,
                    &lsass,
                    account,
                    (&target.name, &target.sid),
                    0x12,
                );
            }
            Package::Ntlm => {
                let workstation = self.hosts[src].name.clone();
                self.validation(time + 15_000, dst, account, workstation);
            }
            Package::Kerberos => {}
        }
        let port = self.new_port(src, time);
        let server = match remote.port {
            3389 => self.hosts[dst].svchost.clone(),
            389 => self.hosts[dst].lsass.clone(),
            49_670 => self.hosts[dst].schedule.clone(),
            _ => self.hosts[dst].system.clone(),
        };
        self.connect(
            time,
            remote.client,
            &server,
            (port, remote.port),
            remote.service,
            remote.duration,
        );
        let winrm = remote.port == 5985;
        let (process, package) = match remote.package {
            Package::Kerberos => ("Kerberos", "Kerberos"),
            Package::Ntlm => ("NtLmSsp ", "NTLM"),
        };
        let how = Logon {
            kind: 3,
            process,
            package,
            workstation: if remote.package == Package::Ntlm {
                self.hosts[src].name.clone()
            } else {
                "-".into()
            },
            ip: if winrm {
                "-".into()
            } else {
                self.hosts[src].ip.clone()
            },
            port: if winrm { "-".into() } else { port.to_string() },
            outbound: "-",
            subject: None,
        };
        let (session, index) = self.logon(time + 30_000, dst, account, &how);
        (session, port, index)
    }

    /// Access to a share (5140) and to paths in it (5145), over the connection of a network logon.
    pub(crate) fn share(
        &mut self,
        time: i64,
        src: usize,
        port: u16,
        session: &Session,
        share: Share<'_>,
    ) {
        let ip = self.hosts[src].seen_ip(time);
        let head = |file: bool| {
            vec![
                ("SubjectUserSid", sid(&session.sid)),
                ("SubjectUserName", s(session.name.clone())),
                ("SubjectDomainName", s(session.domain.clone())),
                ("SubjectLogonId", luid(session.luid)),
                ("ObjectType", s("File")),
                ("IpAddress", s(ip.clone())),
                ("IpPort", s(port.to_string())),
                ("ShareName", s(format!("\\\\*\\{}", share.name))),
                ("ShareLocalPath", s(share.local)),
                ("_", Value::Bool(file)),
            ]
        };
        let mut first = head(false);
        first.pop();
        first.push(("AccessMask", Value::Hex32(1)));
        first.push(("AccessList", s("%%4416\n\t\t\t\t")));
        self.log(
            session.host,
            Channel::Security,
            time,
            (5140, 1, 12_808),
            first,
        );
        for (number, (path, mask)) in share.paths.iter().enumerate() {
            let mut fields = head(true);
            fields.pop();
            fields.push(("RelativeTargetName", s(*path)));
            fields.push(("AccessMask", Value::Hex32(*mask)));
            let list = if mask & 2 == 0 {
                "%%1541\n\t\t\t\t%%4416\n\t\t\t\t%%4423\n\t\t\t\t"
            } else {
                "%%4417\n\t\t\t\t"
            };
            fields.push(("AccessList", s(list)));
            fields.push(("AccessReason", s("-")));
            let later = i64::try_from(number).unwrap_or(0) * 35_000 + 12_000;
            self.log(
                session.host,
                Channel::Security,
                time + later,
                (5145, 0, 12_811),
                fields,
            );
        }
    }

    /// A service is installed: System 7045, Security 4697, Sysmon 13.
    pub(crate) fn install_service(
        &mut self,
        time: i64,
        session: &Session,
        name: &str,
        path: &str,
        start: &str,
    ) {
        let host = session.host;
        let services = self.hosts[host].services.clone();
        let key = format!("HKLM\\System\\CurrentControlSet\\Services\\{name}\\ImagePath");
        self.registry(time, &services, &key, path);
        let index = self.log(
            host,
            Channel::System,
            time + 9_000,
            (7045, 0, 0),
            vec![
                ("ServiceName", s(name)),
                ("ImagePath", s(path)),
                ("ServiceType", s("user mode service")),
                ("StartType", s(start)),
                ("AccountName", s("LocalSystem")),
            ],
        );
        self.pending[index].event.user_sid = Some(session.sid.clone());
        self.log(
            host,
            Channel::Security,
            time + 9_500,
            (4697, 0, 12_289),
            vec![
                ("SubjectUserSid", sid(&session.sid)),
                ("SubjectUserName", s(session.name.clone())),
                ("SubjectDomainName", s(session.domain.clone())),
                ("SubjectLogonId", luid(session.luid)),
                ("ServiceName", s(name)),
                ("ServiceFileName", s(path)),
                ("ServiceType", Value::Hex32(0x10)),
                (
                    "ServiceStartType",
                    Value::U32(if start == "auto start" { 2 } else { 3 }),
                ),
                ("ServiceAccount", s("LocalSystem")),
            ],
        );
    }

    pub(crate) fn service_state(&mut self, time: i64, host: usize, name: &str, state: &str) {
        let data = vec![("param1", s(name)), ("param2", s(state))];
        self.log(host, Channel::System, time, (7036, 0, 0), data);
    }

    pub(crate) fn lsm(&mut self, time: i64, session: &Session, id: u16, address: &str) {
        let mut data = vec![
            ("User", s(session.shown.clone())),
            ("SessionID", Value::U32(session.terminal)),
        ];
        if id != 23 {
            data.push(("Address", s(address)));
        }
        self.user_data(session.host, Channel::Sessions, time, id, data);
    }

    /// A failed interactive logon: 4625 on the host and 4771 on the DC.
    pub(crate) fn mistyped(&mut self, time: i64, host: usize, account: &Account) {
        let machine = &self.hosts[host];
        let (name, ip, pid) = (
            machine.name.clone(),
            machine.ip.clone(),
            machine.svchost.pid,
        );
        let index = self.log(
            host,
            Channel::Security,
            time,
            (4625, 0, 12_544),
            vec![
                ("SubjectUserSid", sid(SYSTEM_SID)),
                ("SubjectUserName", s(format!("{name}$"))),
                ("SubjectDomainName", s(self.domain.netbios.clone())),
                ("SubjectLogonId", luid(0x3e7)),
                ("TargetUserSid", sid("S-1-0-0")),
                ("TargetUserName", s(account.name.clone())),
                ("TargetDomainName", s(self.domain.netbios.clone())),
                ("Status", Value::Hex32(0xc000_006d)),
                ("FailureReason", s("%%2313")),
                ("SubStatus", Value::Hex32(0xc000_006a)),
                ("LogonType", Value::U32(2)),
                ("LogonProcessName", s("User32 ")),
                ("AuthenticationPackageName", s("Negotiate")),
                ("WorkstationName", s(name)),
                ("TransmittedServices", s("-")),
                ("LmPackageName", s("-")),
                ("KeyLength", Value::U32(0)),
                ("ProcessId", Value::Hex64(u64::from(pid))),
                ("ProcessName", s("C:\\Windows\\System32\\svchost.exe")),
                ("IpAddress", s("127.0.0.1")),
                ("IpPort", s("0")),
            ],
        );
        self.failure(index);
        let port = self.new_port(host, time);
        let controller = self.hosts[host].controller;
        let index = self.log(
            controller,
            Channel::Security,
            time - 10_000,
            (4771, 0, 14_339),
            vec![
                ("TargetUserName", s(account.name.clone())),
                ("TargetSid", sid(&account.sid)),
                ("ServiceName", s(format!("krbtgt/{}", self.domain.netbios))),
                ("TicketOptions", Value::Hex32(0x4081_0010)),
                ("Status", Value::Hex32(0x18)),
                ("PreAuthType", s("2")),
                ("IpAddress", s(format!("::ffff:{ip}"))),
                ("IpPort", s(port.to_string())),
                ("CertIssuerName", s("")),
                ("CertSerialNumber", s("")),
                ("CertThumbprint", s("")),
            ],
        );
        self.failure(index);
    }
}

/// How a logon is made, as shown in 4624.
pub(crate) struct Logon<'a> {
    pub(crate) kind: u32,
    pub(crate) process: &'a str,
    pub(crate) package: &'a str,
    pub(crate) workstation: String,
    pub(crate) ip: String,
    pub(crate) port: String,
    pub(crate) outbound: &'a str,
    pub(crate) subject: Option<&'a Session>,
}

/// The access mask of a file opened for reading (`FILE_GENERIC_READ` in winnt.h).
pub(crate) const FILE_GENERIC_READ: u32 = 0x0012_0089;

/// A share, and the paths in it with their access masks.
#[derive(Clone, Copy)]
pub(crate) struct Share<'a> {
    pub(crate) name: &'a str,
    pub(crate) local: &'a str,
    pub(crate) paths: &'a [(&'a str, u32)],
}

/// Refuses invalid options.
pub(crate) fn check(condition: bool, option: &'static str, reason: &str) -> Result<(), LabError> {
    if condition {
        Ok(())
    } else {
        Err(LabError::Options {
            option,
            reason: reason.to_owned(),
        })
    }
}

/// A local logon: of a service (5), or of somebody at the desk.
pub(crate) fn local(host: &str, kind: u32) -> Logon<'static> {
    let (process, package) = if kind == 5 {
        ("Advapi  ", "Negotiate")
    } else {
        ("User32 ", "Negotiate")
    };
    Logon {
        kind,
        process,
        package,
        workstation: if kind == 5 {
            "-".into()
        } else {
            host.to_owned()
        },
        ip: if kind == 5 {
            "-".into()
        } else {
            "127.0.0.1".into()
        },
        port: if kind == 5 { "-".into() } else { "0".into() },
        outbound: "-",
        subject: None,
    }
}
