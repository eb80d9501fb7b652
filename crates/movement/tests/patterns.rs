//! The event patterns of each way of moving, made by hand, and what must come of them.

use std::collections::BTreeSet;

use crabwalk_events::Catalog;
use crabwalk_movement::{Kind, LinkKind, Movement, analyse, demand};
use crabwalk_sources::collect::{Begun, Collector, Head};
use proptest::prelude::*;

const SECOND: i64 = 1_000_000;
const AT: i64 = 1_750_000_000 * SECOND;
const SECURITY: &str = "Security";
const SYSMON: &str = "Microsoft-Windows-Sysmon/Operational";
const A: &str = "WS5.corp.example";
const B: &str = "WS6.corp.example";
const C: &str = "SRV7.corp.example";
const DC: &str = "DC1.corp.example";
const IP_A: &str = "10.1.0.5";
const IP_B: &str = "10.1.0.6";
const SID: &str = "S-1-5-21-1-2-3-1104";

#[derive(Debug, Clone)]
struct Event {
    host: &'static str,
    channel: &'static str,
    id: u32,
    /// Milliseconds after the beginning.
    at: i64,
    fields: Vec<(String, String)>,
    record: u64,
}

#[derive(Debug, Clone, Default)]
struct Logs(Vec<Event>);

impl Logs {
    fn add(
        mut self,
        host: &'static str,
        channel: &'static str,
        id: u32,
        at: i64,
        fields: &[(&str, &str)],
    ) -> Self {
        let record = self.0.len() as u64 + 1;
        self.0.push(Event {
            host,
            channel,
            id,
            at,
            fields: fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            record,
        });
        self
    }

    /// A network logon.
    #[expect(
        clippy::too_many_arguments,
        reason = "one for each field that patterns differ in"
    )]
    fn logon(
        self,
        host: &'static str,
        at: i64,
        id: &str,
        user: &str,
        kind: &str,
        package: &str,
        ip: &str,
        port: &str,
    ) -> Self {
        self.add(
            host,
            SECURITY,
            4624,
            at,
            &[
                (
                    "TargetUserSid",
                    if user == "anna" {
                        SID
                    } else {
                        "S-1-5-21-1-2-3-1105"
                    },
                ),
                ("TargetUserName", user),
                ("TargetDomainName", "CORP"),
                ("TargetLogonId", id),
                ("LogonType", kind),
                ("AuthenticationPackageName", package),
                ("LogonProcessName", package),
                ("IpAddress", ip),
                ("IpPort", port),
                ("WorkstationName", "-"),
            ],
        )
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one for each field that patterns differ in"
    )]
    fn connection(
        self,
        host: &'static str,
        at: i64,
        image: &str,
        user: &str,
        initiated: bool,
        src: (&str, &str),
        dst: (&str, &str),
    ) -> Self {
        self.add(
            host,
            SYSMON,
            3,
            at,
            &[
                ("Image", image),
                ("User", user),
                ("Initiated", if initiated { "true" } else { "false" }),
                ("ProcessGuid", "{00000000-0000-0000-0000-000000000099}"),
                ("SourceIp", src.0),
                ("SourcePort", src.1),
                ("DestinationIp", dst.0),
                ("DestinationPort", dst.1),
            ],
        )
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one for each field that patterns differ in"
    )]
    fn process(
        self,
        host: &'static str,
        at: i64,
        guid: &str,
        parent: (&str, &str),
        image: &str,
        command: &str,
        user: &str,
        logon: &str,
    ) -> Self {
        self.add(
            host,
            SYSMON,
            1,
            at,
            &[
                ("ProcessGuid", guid),
                ("ParentProcessGuid", parent.0),
                ("ParentImage", parent.1),
                ("Image", image),
                ("CommandLine", command),
                ("User", user),
                ("LogonId", logon),
            ],
        )
    }

    fn movement(&self) -> Movement {
        self.read(&[(0..self.0.len()).collect()])
    }

    /// What comes of reading these events, one list of them for each reader.
    fn read(&self, parts: &[Vec<usize>]) -> Movement {
        let mut collectors = Vec::new();
        for (source, part) in parts.iter().enumerate() {
            let mut collector = Collector::new(demand());
            for event in part.iter().filter_map(|at| self.0.get(*at)) {
                let table = collector.table(event.channel, event.id);
                let head = Head {
                    time: AT + event.at * 1000,
                    host: event.host,
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
        let catalog = Catalog::new(collected).unwrap_or_else(|error| panic!("{error}"));
        analyse(&catalog, &[], &crabwalk_events::assets::Assets::default())
    }
}

/// `src>dst account technique`, with `!` where it was refused.
fn hops(movement: &Movement) -> Vec<String> {
    movement
        .hops
        .iter()
        .map(|hop| {
            let text = |id: &Option<String>| id.clone().unwrap_or_else(|| "?".to_owned());
            format!(
                "{}>{} {} {}{}",
                text(&hop.src),
                hop.dst,
                text(&hop.used),
                hop.techniques.first().map_or("", String::as_str),
                if hop.attempted { "!" } else { "" }
            )
        })
        .collect()
}

fn subject(logon: &str) -> Vec<(&'static str, String)> {
    vec![
        ("SubjectUserSid", SID.to_owned()),
        ("SubjectUserName", "anna".to_owned()),
        ("SubjectDomainName", "CORP".to_owned()),
        ("SubjectLogonId", logon.to_owned()),
    ]
}

fn with<'a>(
    subject: &'a [(&'static str, String)],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    subject
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .chain(more.iter().copied())
        .collect()
}

fn service() -> Logs {
    let own = subject("0x500");
    Logs::default()
        .connection(
            A,
            0,
            r"C:\tool.exe",
            r"CORP\anna",
            true,
            (IP_A, "50100"),
            (IP_B, "49700"),
        )
        .connection(
            B,
            5,
            r"C:\Windows\System32\services.exe",
            r"NT AUTHORITY\SYSTEM",
            false,
            (IP_A, "50100"),
            (IP_B, "49700"),
        )
        .logon(B, 10, "0x500", "anna", "3", "Kerberos", IP_A, "50100")
        .add(
            B,
            SECURITY,
            4697,
            60,
            &with(
                &own,
                &[("ServiceName", "Updater"), ("ServiceFileName", "C:\\u.exe")],
            ),
        )
        .add(
            B,
            "System",
            7045,
            70,
            &[
                ("ServiceName", "Updater"),
                ("ImagePath", "C:\\u.exe"),
                ("UserID", SID),
                ("ServiceType", "user mode service"),
            ],
        )
}

fn copy() -> Logs {
    let own = subject("0x501");
    Logs::default()
        .logon(B, 0, "0x501", "anna", "3", "Kerberos", IP_A, "50101")
        .add(
            B,
            SECURITY,
            5145,
            90_000,
            &with(
                &own,
                &[
                    ("IpAddress", IP_A),
                    ("IpPort", "50101"),
                    ("ShareName", r"\\*\C$"),
                    ("RelativeTargetName", r"ProgramData\x.exe"),
                    ("AccessMask", "0x2"),
                ],
            ),
        )
}

fn wmi() -> Logs {
    let mut logs = Logs::default();
    for (at, id, port) in [
        (0, "0x502", "50102"),
        (10, "0x503", "50103"),
        (20, "0x504", "50103"),
        (30, "0x505", "50103"),
    ] {
        logs = logs.logon(B, at, id, "anna", "3", "Kerberos", IP_A, port);
    }
    logs.process(
        B,
        400,
        "{b-1}",
        ("{b-0}", r"C:\Windows\System32\wbem\WmiPrvSE.exe"),
        r"C:\Windows\System32\cmd.exe",
        "cmd /c whoami",
        r"CORP\anna",
        "0x504",
    )
}

fn task() -> Logs {
    let own = subject("0x506");
    Logs::default()
        .logon(B, 0, "0x506", "anna", "3", "Kerberos", IP_A, "50106")
        .add(
            B,
            SECURITY,
            4698,
            50,
            &with(
                &own,
                &[
                    ("TaskName", r"\Sync"),
                    ("TaskContent", "<Command>calc.exe</Command>"),
                    ("RpcCallClientLocality", "0"),
                    ("ClientProcessId", "0"),
                ],
            ),
        )
}

fn remoting() -> Logs {
    let own = subject("0x100");
    Logs::default()
        .add(
            A,
            SECURITY,
            4648,
            0,
            &with(
                &own,
                &[
                    ("TargetUserName", "anna"),
                    ("TargetDomainName", "CORP"),
                    ("TargetServerName", B),
                    ("TargetInfo", "HTTP/WS6.corp.example"),
                    ("ProcessName", r"C:\tool.exe"),
                    ("ProcessId", "0x10"),
                ],
            ),
        )
        .logon(B, 300, "0x507", "anna", "3", "Kerberos", "-", "-")
        .process(
            B,
            900,
            "{b-2}",
            ("{b-0}", r"C:\Windows\System32\svchost.exe"),
            r"C:\Windows\System32\wsmprovhost.exe",
            "wsmprovhost.exe -Embedding",
            r"CORP\anna",
            "0x507",
        )
}

fn shell_windows() -> Logs {
    Logs::default()
        .logon(B, 0, "0x508", "anna", "3", "Kerberos", IP_A, "50108")
        .connection(
            B,
            50,
            r"C:\Windows\explorer.exe",
            r"CORP\bert",
            false,
            (IP_A, "50108"),
            (IP_B, "49800"),
        )
}

fn excel() -> Logs {
    Logs::default()
        .logon(B, 0, "0x509", "anna", "3", "NTLM", IP_A, "50109")
        .process(
            B,
            700,
            "{b-3}",
            ("{b-0}", r"C:\Windows\System32\svchost.exe"),
            r"C:\Office\EXCEL.EXE",
            r#""C:\Office\EXCEL.EXE" /automation -Embedding"#,
            r"CORP\anna",
            "0x509",
        )
}

fn reconnect() -> Logs {
    Logs::default().logon(B, 0, "0x50a", "anna", "7", "Negotiate", "192.0.2.4", "0")
}

fn takeover() -> Logs {
    let session = |name: &'static str| {
        [
            ("AccountName", name),
            ("AccountDomain", "CORP"),
            ("SessionName", "RDP-Tcp#8"),
            ("ClientName", "JUMP01"),
            ("ClientAddress", IP_A),
        ]
    };
    Logs::default()
        .add(B, SECURITY, 4779, 0, &session("bert"))
        .add(B, SECURITY, 4778, 400, &session("anna"))
}

fn forged() -> Logs {
    Logs::default()
        .add(
            B,
            SECURITY,
            4672,
            0,
            &[
                ("SubjectUserSid", "S-1-5-21-1-2-3-500"),
                ("SubjectUserName", "Administrator"),
                ("SubjectDomainName", "CORP"),
                ("SubjectLogonId", "0x1"),
            ],
        )
        .add(
            B,
            SECURITY,
            4624,
            10,
            &[
                ("TargetUserSid", "S-1-5-21-1-2-3-500"),
                ("TargetUserName", "nobody_here"),
                ("TargetDomainName", "CORP"),
                ("TargetLogonId", "0x50b"),
                ("LogonType", "3"),
                ("AuthenticationPackageName", "Kerberos"),
                ("IpAddress", IP_A),
                ("IpPort", "50110"),
            ],
        )
}

fn replication() -> Logs {
    let own = subject("0x50c");
    Logs::default()
        .logon(DC, 0, "0x50c", "anna", "3", "Kerberos", IP_A, "50111")
        .add(
            DC,
            SECURITY,
            4662,
            20,
            &with(
                &own,
                &[
                    (
                        "Properties",
                        "%%7688 {1131f6ad-9c07-11d1-f79f-00c04fc2dcd2}",
                    ),
                    ("ObjectServer", "DS"),
                    ("AccessMask", "0x100"),
                ],
            ),
        )
}

fn refused() -> Logs {
    Logs::default().add(
        B,
        "System",
        10016,
        0,
        &[
            ("param4", "{49B2791A-B1AE-4C90-9B8E-E860BA07F889}"),
            ("param6", "WS6"),
            ("param7", "anna"),
            ("param8", SID),
            ("param9", IP_A),
        ],
    )
}

fn sql() -> Logs {
    let logs = Logs::default().add(
        C,
        "Application",
        18454,
        0,
        &[
            ("Provider", "MSSQLSERVER"),
            ("Data", "sa"),
            ("Data", " [CLIENT: 10.1.0.5]"),
        ],
    );
    logs.add(
        C,
        "Application",
        15457,
        200,
        &[
            ("Provider", "MSSQLSERVER"),
            ("Data", "xp_cmdshell"),
            ("Data", "0"),
            ("Data", "1"),
        ],
    )
}

fn renamed_psexec() -> Logs {
    let own = subject("0x50d");
    let mut logs = Logs::default().logon(B, 0, "0x50d", "anna", "3", "NTLM", IP_A, "50112");
    for (at, pipe) in [
        (100, "svcctl"),
        (2000, "helper-WS5-4711-stdin"),
        (2100, "helper-WS5-4711-stdout"),
        (2200, "helper-WS5-4711-stderr"),
    ] {
        logs = logs.add(
            B,
            SECURITY,
            5145,
            at,
            &with(
                &own,
                &[
                    ("IpAddress", IP_A),
                    ("IpPort", "50112"),
                    ("ShareName", r"\\*\IPC$"),
                    ("RelativeTargetName", pipe),
                    ("AccessMask", "0x12019f"),
                ],
            ),
        );
    }
    logs
}

fn noise() -> Logs {
    let machine = |logon: &str| {
        vec![
            ("SubjectUserSid", "S-1-5-21-1-2-3-1001".to_owned()),
            ("SubjectUserName", "WS5$".to_owned()),
            ("SubjectDomainName", "CORP".to_owned()),
            ("SubjectLogonId", logon.to_owned()),
        ]
    };
    let own = machine("0x600");
    Logs::default()
        // A machine reads policies.
        .add(
            DC,
            SECURITY,
            4624,
            0,
            &[
                ("TargetUserSid", "S-1-5-21-1-2-3-1001"),
                ("TargetUserName", "WS5$"),
                ("TargetDomainName", "CORP"),
                ("TargetLogonId", "0x600"),
                ("LogonType", "3"),
                ("AuthenticationPackageName", "Kerberos"),
                ("IpAddress", IP_A),
                ("IpPort", "51000"),
            ],
        )
        .add(
            DC,
            SECURITY,
            5140,
            10,
            &with(&own, &[("IpAddress", IP_A), ("ShareName", r"\\*\SYSVOL")]),
        )
        // Access checks, event forwarding, a service, the machine itself by its own address.
        .add(
            B,
            SECURITY,
            4624,
            20,
            &[
                ("TargetUserName", "anna"),
                ("TargetUserSid", SID),
                ("LogonType", "3"),
                ("LogonProcessName", "Authz   "),
                ("TargetLogonId", "0x601"),
                ("IpAddress", "-"),
            ],
        )
        .add(
            B,
            "Microsoft-Windows-WinRM/Operational",
            91,
            30,
            &[
                (
                    "resourceUri",
                    "http://schemas.microsoft.com/wbem/wsman/1/SubscriptionManager/WEC",
                ),
                ("UserID", SID),
            ],
        )
        .logon(B, 40, "0x602", "anna", "5", "Negotiate", "-", "-")
        .connection(
            B,
            50,
            "System",
            r"NT AUTHORITY\SYSTEM",
            true,
            ("fe80::17", "50200"),
            ("fe80::17", "445"),
        )
        .logon(B, 60, "0x603", "anna", "3", "NTLM", "fe80::17%5", "50200")
        .add(
            B,
            SECURITY,
            4697,
            70,
            &with(
                &subject("0x603"),
                &[
                    ("ServiceName", "PSEXESVC"),
                    ("ServiceFileName", r"%SystemRoot%\PSEXESVC.exe"),
                ],
            ),
        )
        // Credentials used on the machine itself, and a program run under another name without a network.
        .add(
            A,
            SECURITY,
            4648,
            80,
            &with(
                &subject("0x100"),
                &[
                    ("TargetUserName", "bert"),
                    ("TargetDomainName", "CORP"),
                    ("TargetServerName", "localhost"),
                    ("TargetInfo", "localhost"),
                ],
            ),
        )
        .add(
            A,
            SECURITY,
            4624,
            90,
            &[
                ("TargetUserName", "anna"),
                ("TargetUserSid", SID),
                ("TargetDomainName", "CORP"),
                ("TargetLogonId", "0x604"),
                ("LogonType", "9"),
                ("LogonProcessName", "seclogo"),
                ("AuthenticationPackageName", "Negotiate"),
                ("IpAddress", "::1"),
            ],
        )
        .process(
            A,
            100,
            "{a-9}",
            ("", ""),
            r"C:\Windows\System32\schtasks.exe",
            "schtasks /create /tn x /tr calc /s localhost",
            r"CORP\anna",
            "0x100",
        )
}

fn chain() -> Logs {
    let mut logs = service();
    let own = subject("0x700");
    logs = logs
        .process(
            B,
            3000,
            "{b-7}",
            ("{b-6}", r"C:\Windows\System32\services.exe"),
            r"C:\Windows\System32\cmd.exe",
            "cmd /c run",
            r"NT AUTHORITY\SYSTEM",
            "0x3e7",
        )
        .process(
            B,
            4000,
            "{b-8}",
            ("{b-7}", r"C:\Windows\System32\cmd.exe"),
            r"C:\Windows\System32\schtasks.exe",
            "schtasks /create /s SRV7 /tn Sync /tr calc.exe",
            r"NT AUTHORITY\SYSTEM",
            "0x3e7",
        )
        .logon(C, 4100, "0x700", "anna", "3", "Kerberos", IP_B, "50300")
        .add(
            C,
            SECURITY,
            4698,
            4300,
            &with(
                &own,
                &[
                    ("TaskName", r"\Sync"),
                    ("TaskContent", "<Command>calc.exe</Command>"),
                    ("RpcCallClientLocality", "0"),
                    ("ClientProcessId", "0"),
                ],
            ),
        );
    logs
}

#[test]
fn patterns_become_hops() {
    let cases: [(&str, Logs, &[&str]); 16] = [
        (
            "service over TCP",
            service(),
            &[r"ws5>ws6 corp\anna T1569.002"],
        ),
        (
            "copy to an administrative share",
            copy(),
            &[r"10.1.0.5>ws6 corp\anna T1021.002"],
        ),
        (
            "WMI with four logons",
            wmi(),
            &[r"10.1.0.5>ws6 corp\anna T1047"],
        ),
        (
            "remote task",
            task(),
            &[r"10.1.0.5>ws6 corp\anna T1053.005"],
        ),
        (
            "PowerShell remoting without an address",
            remoting(),
            &[r"ws5>ws6 corp\anna T1021.006"],
        ),
        (
            "ShellWindows",
            shell_windows(),
            &[r"10.1.0.5>ws6 corp\anna T1021.003"],
        ),
        ("Excel", excel(), &[r"10.1.0.5>ws6 corp\anna T1021.003"]),
        (
            "remote desktop reconnect",
            reconnect(),
            &[r"192.0.2.4>ws6 corp\anna T1021.001"],
        ),
        (
            "session taken over",
            takeover(),
            &[r"10.1.0.5>ws6 corp\anna T1563.002"],
        ),
        (
            "forged ticket",
            forged(),
            &[r"10.1.0.5>ws6 corp\nobody_here T1550.003"],
        ),
        (
            "replication",
            replication(),
            &[r"10.1.0.5>dc1 corp\anna T1003.006"],
        ),
        (
            "refused launch",
            refused(),
            &[r"10.1.0.5>ws6 ws6\anna T1021.003!"],
        ),
        ("SQL Server", sql(), &[r"10.1.0.5>srv7 sql:sa T1505.001"]),
        (
            "renamed PsExec",
            renamed_psexec(),
            &[r"10.1.0.5>ws6 corp\anna T1569.002"],
        ),
        ("nothing of it is movement", noise(), &[]),
        (
            "chain",
            chain(),
            &[
                r"ws5>ws6 corp\anna T1569.002",
                r"ws6>srv7 corp\anna T1053.005",
            ],
        ),
    ];
    for (name, logs, expected) in cases {
        assert_eq!(hops(&logs.movement()), expected, "{name}");
    }
}

#[test]
fn identity_changes_are_kept() {
    let hop = |logs: Logs| {
        logs.movement()
            .hops
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("no hop"))
    };
    let windows = hop(shell_windows());
    assert_eq!(
        (windows.used.as_deref(), windows.effective.as_deref()),
        (Some(r"corp\anna"), Some(r"corp\bert"))
    );
    let takeover = hop(takeover());
    assert_eq!(
        (takeover.actor.as_deref(), takeover.used.as_deref()),
        (Some(r"corp\bert"), Some(r"corp\anna"))
    );
    let service = hop(service());
    assert_eq!(service.actor.as_deref(), Some(r"corp\anna"));
}

#[test]
fn witnesses_and_what_is_missing() {
    let hop = service()
        .movement()
        .hops
        .into_iter()
        .next()
        .unwrap_or_else(|| panic!("no hop"));
    let kinds: BTreeSet<Kind> = hop.witnesses.iter().map(|one| one.kind).collect();
    assert_eq!(
        kinds,
        BTreeSet::from([
            Kind::Source,
            Kind::DestinationLogon,
            Kind::DestinationExecution,
            Kind::Network
        ])
    );
    assert!(hop.confidence > 0.9, "{}", hop.confidence);
    let missing: Vec<(Kind, &str)> = hop
        .missing
        .iter()
        .map(|one| (one.kind, one.why.as_str()))
        .collect();
    assert_eq!(
        missing,
        [(
            Kind::DomainController,
            "no log of a domain controller was read"
        )]
    );
    let one_sided = refused()
        .movement()
        .hops
        .into_iter()
        .next()
        .unwrap_or_else(|| panic!("no hop"));
    assert!(one_sided.confidence < hop.confidence);
    assert!(
        one_sided
            .missing
            .iter()
            .any(|one| one.kind == Kind::Source && one.why == "no log of 10.1.0.5 was read")
    );
}

#[test]
fn hops_chain_into_a_path() {
    let movement = chain().movement();
    let path = movement.paths.first().unwrap_or_else(|| panic!("no path"));
    assert_eq!(path.hops, ["hop-1", "hop-2"]);
    let links: Vec<(LinkKind, &str, &str)> = path
        .links
        .iter()
        .map(|link| (link.kind, link.from.as_str(), link.to.as_str()))
        .collect();
    assert_eq!(links, [(LinkKind::ProcessCausal, "hop-1", "hop-2")]);
}

/// All that does not say where events were read.
fn conclusions(mut movement: Movement) -> Movement {
    for witness in movement.hops.iter_mut().flat_map(|hop| &mut hop.witnesses) {
        // References depend on the order of reading; how many there are does not.
        witness.events.iter_mut().for_each(|event| *event = 0);
    }
    for ran in movement.hops.iter_mut().flat_map(|hop| &mut hop.processes) {
        ran.event = 0;
    }
    movement
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn order_copies_and_files_do_not_matter(
        order in Just((0..64_usize).collect::<Vec<_>>()).prop_shuffle(),
        twice in prop::collection::vec(0..64_usize, 0..8),
        cuts in prop::collection::vec(0..64_usize, 0..3),
    ) {
        let mut logs = Logs::default();
        for (offset, scene) in [chain(), renamed_psexec(), takeover(), remoting()].into_iter().enumerate() {
            for mut event in scene.0 {
                event.at += 3_600_000 * i64::try_from(offset).unwrap_or(0);
                event.record = logs.0.len() as u64 + 1;
                logs.0.push(event);
            }
        }
        let expected = conclusions(logs.movement());
        prop_assert!(expected.hops.len() >= 4);
        let read: Vec<usize> = order.into_iter().chain(twice).collect();
        let mut parts: Vec<Vec<usize>> = vec![Vec::new(); cuts.len() + 1];
        for (at, event) in read.into_iter().enumerate() {
            let part = cuts.iter().filter(|cut| **cut <= at).count();
            parts[part].push(event);
        }
        prop_assert_eq!(conclusions(logs.read(&parts)), expected);
    }
}
