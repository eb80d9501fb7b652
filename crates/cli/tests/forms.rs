//! Every detection fires on its act in every form that logs come in.

#![expect(clippy::indexing_slicing, reason = "a test may stop where it fails")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use crabwalk_lab::evtx_writer::{Body, Event as Record, EvtxWriter, Value as Binary};
use crabwalk_testing::crabwalk;
use serde_json::{Map, Value, json};

const SYSMON: &str = "Microsoft-Windows-Sysmon/Operational";
const SID: &str = "S-1-5-21-1000-2000-3000-1105";
const BOB: &str = "S-1-5-21-1000-2000-3000-1106";
/// 2024-03-04T09:00:00Z
const START: i64 = 1_709_542_800;

/// One event: its log, id, machine and data.
struct Event {
    channel: &'static str,
    id: u16,
    computer: String,
    /// Seconds since 1970.
    time: i64,
    record: u64,
    data: Vec<(&'static str, String)>,
}

impl Event {
    fn provider(&self) -> &'static str {
        match self.channel {
            "Security" => "Microsoft-Windows-Security-Auditing",
            _ => "Microsoft-Windows-Sysmon",
        }
    }

    fn iso(&self) -> String {
        // All events are of one day.
        let second = self.time - START + 9 * 3600;
        format!(
            "2024-03-04T{:02}:{:02}:{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }

    fn get(&self, name: &str) -> &str {
        self.data
            .iter()
            .find(|(own, _)| *own == name)
            .map_or("-", |(_, value)| value)
    }

    fn fields(&self) -> Map<String, Value> {
        self.data
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect()
    }
}

/// The acts, each on a machine of its own, and which detections must name that machine.
fn scene() -> (Vec<Event>, BTreeSet<(String, String)>) {
    let mut events: Vec<Event> = Vec::new();
    let mut expected = BTreeSet::new();
    let mut add =
        |channel: &'static str, id, host: &str, after: i64, data: &[(&'static str, &str)]| {
            let record = events.len() as u64 + 1;
            events.push(Event {
                channel,
                id,
                computer: format!("{host}.corp.example"),
                time: START + after,
                record,
                data: data
                    .iter()
                    .map(|(name, value)| (*name, (*value).to_owned()))
                    .collect(),
            });
        };
    let mut expect = |host: &str, detections: &[&str]| {
        for detection in detections {
            expected.insert(((*detection).to_owned(), host.to_owned()));
        }
    };
    let logon = |kind: &'static str,
                 process: &'static str,
                 package: &'static str,
                 user: &'static str,
                 from: &'static str| {
        vec![
            ("SubjectUserSid", "S-1-0-0"),
            ("SubjectUserName", "-"),
            ("SubjectDomainName", "-"),
            ("SubjectLogonId", "0x0"),
            ("TargetUserSid", if user == "bob" { BOB } else { SID }),
            ("TargetUserName", user),
            ("TargetDomainName", "CORP"),
            ("TargetLogonId", "0x4b0ad"),
            ("LogonType", kind),
            ("LogonProcessName", process),
            ("AuthenticationPackageName", package),
            ("WorkstationName", "WS-SRC"),
            ("LogonGuid", "{00000000-0000-0000-0000-000000000000}"),
            (
                "LmPackageName",
                if package == "NTLM" { "NTLM V2" } else { "-" },
            ),
            ("KeyLength", "0"),
            ("ProcessId", "0x0"),
            ("ProcessName", "-"),
            ("IpAddress", from),
            ("IpPort", "50123"),
        ]
    };
    let hashes = [
        "Detect Pass the Hash",
        "Detect Activity Related to Pass the Hash Attacks",
    ];
    add(
        "Security",
        4624,
        "PTH3",
        0,
        &logon("3", "NtLmSsp ", "NTLM", "ann", "10.0.0.7"),
    );
    expect("PTH3", &hashes);
    add(
        "Security",
        4624,
        "PTH9",
        1,
        &logon("9", "seclogo", "Negotiate", "ann", "::1"),
    );
    expect("PTH9", &hashes);
    // What must not fire.
    add(
        "Security",
        4624,
        "QUIET",
        2,
        &logon("3", "Kerberos", "Kerberos", "ann", "10.0.0.7"),
    );
    add(
        "Security",
        4624,
        "QUIET",
        3,
        &logon("2", "User32 ", "Negotiate", "ann", "127.0.0.1"),
    );
    for index in 0..60 {
        add(
            "Security",
            4624,
            "PTT",
            60 * index,
            &logon("3", "Kerberos", "Kerberos", "bob", "10.0.0.8"),
        );
    }
    add(
        "Security",
        4624,
        "PTT",
        1800,
        &logon("3", "NtLmSsp ", "NTLM", "bob", "10.0.0.9"),
    );
    expect("PTT", &hashes);
    expect(
        "PTT",
        &[
            "Potential Pass the Token or Hash Observed at the Destination Device",
            "Potential Pass the Token or Hash Observed by an Event Collecting Device",
        ],
    );
    for (host, encryption) in [("DC", "0x17"), ("QUIET", "0x12")] {
        add(
            "Security",
            4769,
            host,
            10,
            &[
                ("TargetUserName", "ann@CORP.EXAMPLE"),
                ("TargetDomainName", "CORP.EXAMPLE"),
                ("ServiceName", "svc_sql"),
                ("ServiceSid", SID),
                ("TicketOptions", "0x40810000"),
                ("TicketEncryptionType", encryption),
                ("IpAddress", "::ffff:10.0.0.7"),
                ("IpPort", "50124"),
                ("Status", "0x0"),
                ("LogonGuid", "{11111111-0000-0000-0000-000000000000}"),
                ("TransmittedServices", "-"),
            ],
        );
    }
    expect("DC", &["Kerberoasting spn request with RC4 encryption"]);
    let psexec = r"C:\Tools\PsExec.exe";
    let renamed = r"C:\Tools\tool.exe";
    let mstsc = r"C:\Windows\System32\mstsc.exe";
    let schtasks = r"C:\Windows\System32\schtasks.exe";
    for (name, detection, image, original, line) in [
        (
            "PSEXEC",
            "Detect PsExec With accepteula Flag",
            psexec,
            "psexec.c",
            r"PsExec.exe -accepteula \\SRV1 cmd",
        ),
        (
            "RENAMED",
            "Detect Renamed PSExec",
            renamed,
            "psexec.c",
            r"tool.exe -accepteula \\SRV1 -s cmd",
        ),
        (
            "MSTSC",
            "Remote Desktop Process Running On System",
            mstsc,
            "mstsc.exe",
            r#""C:\Windows\System32\mstsc.exe" /v:SRV1"#,
        ),
        (
            "TASK",
            "Schtasks scheduling job on remote system",
            schtasks,
            "schtasks.exe",
            r"schtasks.exe /create /s SRV1 /tn x /tr calc.exe /sc once /st 10:00",
        ),
        (
            "QUIET",
            "",
            schtasks,
            "schtasks.exe",
            r"schtasks.exe /create /tn x /tr calc.exe /sc once /st 10:00",
        ),
    ] {
        let (by_sysmon, by_security) = (format!("{name}1"), format!("{name}4"));
        add(
            SYSMON,
            1,
            &by_sysmon,
            20,
            &[
                ("RuleName", "-"),
                ("UtcTime", "2024-03-04 09:00:20.000"),
                ("ProcessGuid", "{5d60aaaa-1111-65e5-0100-000000000200}"),
                ("ProcessId", "4242"),
                ("Image", image),
                ("OriginalFileName", original),
                ("CommandLine", line),
                ("CurrentDirectory", r"C:\Tools\"),
                ("User", r"CORP\ann"),
                ("IntegrityLevel", "High"),
                ("Hashes", "MD5=0123456789ABCDEF0123456789ABCDEF"),
                ("ParentProcessId", "4000"),
                ("ParentImage", r"C:\Windows\explorer.exe"),
                ("ParentCommandLine", r"C:\Windows\Explorer.EXE"),
            ],
        );
        add(
            "Security",
            4688,
            &by_security,
            21,
            &[
                ("SubjectUserSid", SID),
                ("SubjectUserName", "ann"),
                ("SubjectDomainName", "CORP"),
                ("SubjectLogonId", "0x4b0ad"),
                ("NewProcessId", "0x1092"),
                ("NewProcessName", image),
                ("TokenElevationType", "%%1936"),
                ("ProcessId", "0xfa0"),
                ("CommandLine", line),
                ("TargetUserSid", "S-1-0-0"),
                ("TargetUserName", "-"),
                ("TargetDomainName", "-"),
                ("TargetLogonId", "0x0"),
                ("ParentProcessName", r"C:\Windows\explorer.exe"),
                ("MandatoryLabel", "S-1-16-12288"),
            ],
        );
        if !detection.is_empty() {
            expect(&by_sysmon, &[detection]);
            expect(&by_security, &[detection]);
        }
        if name == "RENAMED" {
            // The build's name tells PsExec under any file name.
            expect(&by_sysmon, &["Detect PsExec With accepteula Flag"]);
        }
    }
    for (host, port) in [("NET", "3389"), ("QUIET", "443")] {
        add(
            SYSMON,
            3,
            &format!("{host}3"),
            30,
            &[
                ("RuleName", "-"),
                ("UtcTime", "2024-03-04 09:00:30.000"),
                ("ProcessGuid", "{5d60aaaa-1111-65e5-0100-000000000300}"),
                ("ProcessId", "4242"),
                ("Image", mstsc),
                ("User", r"CORP\ann"),
                ("Protocol", "tcp"),
                ("Initiated", "true"),
                ("SourceIsIpv6", "false"),
                ("SourceIp", "10.0.3.1"),
                ("SourcePort", "50200"),
                ("DestinationIsIpv6", "false"),
                ("DestinationIp", "10.0.3.2"),
                ("DestinationPort", port),
            ],
        );
        add(
            "Security",
            5156,
            &format!("{host}5"),
            31,
            &[
                ("ProcessID", "4242"),
                (
                    "Application",
                    r"\device\harddiskvolume2\windows\system32\mstsc.exe",
                ),
                ("Direction", "%%14593"),
                ("SourceAddress", "10.0.5.1"),
                ("SourcePort", "50201"),
                ("DestAddress", "10.0.5.2"),
                ("DestPort", port),
                ("Protocol", "6"),
                ("FilterRTID", "70000"),
                ("LayerName", "%%14611"),
                ("LayerRTID", "48"),
            ],
        );
    }
    expect("NET3", &["Remote Desktop Network Traffic"]);
    expect("NET5", &["Remote Desktop Network Traffic"]);
    (events, expected)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn xml(event: &Event) -> String {
    let mut data = String::new();
    for (name, value) in &event.data {
        let _ = write!(data, "<Data Name='{name}'>{}</Data>", escaped(value));
    }
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='{}'/>\
         <EventID>{}</EventID><Version>2</Version><Level>0</Level><Task>1</Task><Opcode>0</Opcode>\
         <Keywords>0x8020000000000000</Keywords><TimeCreated SystemTime='{}.000000000Z'/><EventRecordID>{}</EventRecordID>\
         <Correlation/><Execution ProcessID='4' ThreadID='8'/><Channel>{}</Channel><Computer>{}</Computer><Security/>\
         </System><EventData>{data}</EventData></Event>",
        event.provider(),
        event.id,
        event.iso(),
        event.record,
        event.channel,
        event.computer
    )
}

/// How Windows renders the message of each event: sections with the labels of their fields.
fn message(event: &Event) -> String {
    type Section = (&'static str, &'static [(&'static str, &'static str)]);
    const LOGON: &[Section] = &[
        (
            "Subject",
            &[
                ("Security ID", "SubjectUserSid"),
                ("Account Name", "SubjectUserName"),
                ("Account Domain", "SubjectDomainName"),
                ("Logon ID", "SubjectLogonId"),
            ],
        ),
        ("Logon Information", &[("Logon Type", "LogonType")]),
        (
            "New Logon",
            &[
                ("Security ID", "TargetUserSid"),
                ("Account Name", "TargetUserName"),
                ("Account Domain", "TargetDomainName"),
                ("Logon ID", "TargetLogonId"),
                ("Logon GUID", "LogonGuid"),
            ],
        ),
        (
            "Process Information",
            &[("Process ID", "ProcessId"), ("Process Name", "ProcessName")],
        ),
        (
            "Network Information",
            &[
                ("Workstation Name", "WorkstationName"),
                ("Source Network Address", "IpAddress"),
                ("Source Port", "IpPort"),
            ],
        ),
        (
            "Detailed Authentication Information",
            &[
                ("Logon Process", "LogonProcessName"),
                ("Authentication Package", "AuthenticationPackageName"),
                ("Package Name (NTLM only)", "LmPackageName"),
                ("Key Length", "KeyLength"),
            ],
        ),
    ];
    const TICKET: &[Section] = &[
        (
            "Account Information",
            &[
                ("Account Name", "TargetUserName"),
                ("Account Domain", "TargetDomainName"),
                ("Logon GUID", "LogonGuid"),
            ],
        ),
        (
            "Service Information",
            &[
                ("Service Name", "ServiceName"),
                ("Service ID", "ServiceSid"),
            ],
        ),
        (
            "Network Information",
            &[("Client Address", "IpAddress"), ("Client Port", "IpPort")],
        ),
        (
            "Additional Information",
            &[
                ("Ticket Options", "TicketOptions"),
                ("Ticket Encryption Type", "TicketEncryptionType"),
                ("Failure Code", "Status"),
                ("Transited Services", "TransmittedServices"),
            ],
        ),
    ];
    const PROCESS: &[Section] = &[
        (
            "Creator Subject",
            &[
                ("Security ID", "SubjectUserSid"),
                ("Account Name", "SubjectUserName"),
                ("Account Domain", "SubjectDomainName"),
                ("Logon ID", "SubjectLogonId"),
            ],
        ),
        (
            "Target Subject",
            &[
                ("Security ID", "TargetUserSid"),
                ("Account Name", "TargetUserName"),
                ("Account Domain", "TargetDomainName"),
                ("Logon ID", "TargetLogonId"),
            ],
        ),
        (
            "Process Information",
            &[
                ("New Process ID", "NewProcessId"),
                ("New Process Name", "NewProcessName"),
                ("Token Elevation Type", "TokenElevationType"),
                ("Mandatory Label", "MandatoryLabel"),
                ("Creator Process ID", "ProcessId"),
                ("Creator Process Name", "ParentProcessName"),
                ("Process Command Line", "CommandLine"),
            ],
        ),
    ];
    const CONNECTION: &[Section] = &[
        (
            "Application Information",
            &[
                ("Process ID", "ProcessID"),
                ("Application Name", "Application"),
            ],
        ),
        (
            "Network Information",
            &[
                ("Direction", "Direction"),
                ("Source Address", "SourceAddress"),
                ("Source Port", "SourcePort"),
                ("Destination Address", "DestAddress"),
                ("Destination Port", "DestPort"),
                ("Protocol", "Protocol"),
            ],
        ),
        (
            "Filter Information",
            &[
                ("Filter Run-Time ID", "FilterRTID"),
                ("Layer Name", "LayerName"),
                ("Layer Run-Time ID", "LayerRTID"),
            ],
        ),
    ];
    let (title, sections) = match event.id {
        4624 => ("An account was successfully logged on.", LOGON),
        4769 => ("A Kerberos service ticket was requested.", TICKET),
        4688 => ("A new process has been created.", PROCESS),
        5156 => (
            "The Windows Filtering Platform has permitted a connection.",
            CONNECTION,
        ),
        1 => ("Process Create:", &[][..]),
        _ => ("Network connection detected:", &[][..]),
    };
    let mut text = format!("{title}\r\n");
    if sections.is_empty() {
        for (name, value) in &event.data {
            let _ = write!(text, "{name}: {value}\r\n");
        }
    }
    for (section, labels) in sections {
        let _ = write!(text, "\r\n{section}:\r\n");
        for (label, field) in *labels {
            let value = match event.get(field) {
                "%%14593" => "Outbound",
                "%%14611" => "Connect",
                "S-1-0-0" => "NULL SID",
                other => other,
            };
            let _ = write!(text, "\t{label}:\t\t{value}\r\n");
        }
    }
    text
}

fn classic(event: &Event) -> String {
    let time = event.iso();
    let hour: u32 = time[11..13].parse().unwrap_or_default();
    let (hour, half) = match hour {
        0 => (12, "AM"),
        1..=11 => (hour, "AM"),
        12 => (12, "PM"),
        _ => (hour - 12, "PM"),
    };
    format!(
        "03/04/2024 {hour:02}{} {half}\r\nLogName={}\r\nSourceName={}\r\nEventCode={}\r\nEventType=0\r\nType=Information\r\n\
         ComputerName={}\r\nTaskCategory=x\r\nOpCode=Info\r\nRecordNumber={}\r\nKeywords=Audit Success\r\nMessage={}",
        &time[13..],
        event.channel,
        match event.channel {
            "Security" => "Microsoft Windows security auditing.",
            _ => "Microsoft-Windows-Sysmon",
        },
        event.id,
        event.computer,
        event.record,
        message(event)
    )
}

/// The names that Splunk's add-on for Windows extracts from classic text, with repeated labels as several values.
fn add_on(event: &Event) -> Value {
    let both = |first: &str, second: &str| json!([event.get(first), event.get(second)]);
    let one = |name: &str| json!(event.get(name));
    let mut fields = match event.id {
        4624 => json!({
            "Logon_Type": one("LogonType"), "Logon_Process": event.get("LogonProcessName").trim(),
            "Authentication_Package": one("AuthenticationPackageName"), "Workstation_Name": one("WorkstationName"),
            "Source_Network_Address": one("IpAddress"), "Source_Port": one("IpPort"),
            "Package_Name__NTLM_only_": one("LmPackageName"), "Account_Name": both("SubjectUserName", "TargetUserName"),
            "Account_Domain": both("SubjectDomainName", "TargetDomainName"),
            "Security_ID": both("SubjectUserSid", "TargetUserSid"), "Logon_ID": both("SubjectLogonId", "TargetLogonId"),
            "user": one("TargetUserName"), "src": one("IpAddress"), "src_ip": one("IpAddress"),
        }),
        4769 => json!({
            "Account_Name": one("TargetUserName"), "Account_Domain": one("TargetDomainName"),
            "Service_Name": one("ServiceName"), "Service_ID": one("ServiceSid"), "Client_Address": one("IpAddress"),
            "Client_Port": one("IpPort"), "Ticket_Options": one("TicketOptions"),
            "Ticket_Encryption_Type": one("TicketEncryptionType"), "Failure_Code": one("Status"),
            "user": "ann", "src": "10.0.0.7",
        }),
        4688 => json!({
            "Account_Name": both("SubjectUserName", "TargetUserName"),
            "Account_Domain": both("SubjectDomainName", "TargetDomainName"), "New_Process_ID": one("NewProcessId"),
            "New_Process_Name": one("NewProcessName"), "Creator_Process_ID": one("ProcessId"),
            "Creator_Process_Name": one("ParentProcessName"), "Process_Command_Line": one("CommandLine"),
            "user": one("SubjectUserName"),
        }),
        5156 => json!({
            "Process_ID": one("ProcessID"), "Application_Name": one("Application"), "Direction": "Outbound",
            "Source_Address": one("SourceAddress"), "Source_Port": one("SourcePort"),
            "Destination_Address": one("DestAddress"), "Destination_Port": one("DestPort"), "Protocol": one("Protocol"),
        }),
        _ => Value::Object(event.fields()),
    };
    fields["_time"] = json!(event.time.to_string());
    fields["EventCode"] = json!(event.id.to_string());
    fields["RecordNumber"] = json!(event.record.to_string());
    fields["ComputerName"] = json!(event.computer);
    fields["host"] = json!(event.computer.split('.').next());
    fields["LogName"] = json!(event.channel);
    fields["source"] = json!(format!("WinEventLog:{}", event.channel));
    fields["sourcetype"] = json!("WinEventLog");
    fields
}

/// Records of another product with names of the Common Information Model only.
fn cim(event: &Event) -> Option<Value> {
    let base = |path: &str| path.rsplit('\\').next().unwrap_or_default().to_owned();
    let mut fields = match (event.channel, event.id) {
        (SYSMON, 1) => json!({
            "process_name": base(event.get("Image")), "process_path": event.get("Image"), "process": event.get("CommandLine"),
            "process_id": event.get("ProcessId"), "original_file_name": event.get("OriginalFileName"),
            "parent_process_name": base(event.get("ParentImage")), "parent_process": event.get("ParentCommandLine"),
            "user": "ann", "action": "allowed",
        }),
        (SYSMON, 3) => json!({
            "src": event.get("SourceIp"), "src_ip": event.get("SourceIp"), "src_port": event.get("SourcePort"),
            "dest_ip": event.get("DestinationIp"), "dest_port": event.get("DestinationPort"), "transport": "tcp",
            "action": "allowed", "dvc": event.computer,
        }),
        _ => return None,
    };
    let dest = match event.id {
        1 => event.computer.as_str(),
        _ => event.get("DestinationIp"),
    };
    fields["dest"] = json!(dest);
    fields["_time"] = json!(format!("{}.000+00:00", event.iso()));
    fields["host"] = json!(event.computer);
    fields["sourcetype"] = json!("maker:endpoint:log");
    Some(fields)
}

fn lines(events: &[Event], form: impl Fn(&Event) -> Value) -> Vec<u8> {
    let mut text = String::new();
    for event in events {
        let _ = writeln!(text, "{}", form(event));
    }
    text.into_bytes()
}

fn write_evtx(events: &[Event], path: &Path) {
    let mut writer = EvtxWriter::create(path).unwrap_or_else(|error| panic!("{error}"));
    for event in events {
        let values = event
            .data
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Binary::Str(value.clone())))
            .collect();
        writer
            .write(&Record {
                provider: event.provider().to_owned(),
                provider_guid: [7; 16],
                event_source: None,
                event_id: event.id,
                qualifiers: None,
                version: 2,
                level: 0,
                task: 1,
                opcode: 0,
                keywords: 0x8020_0000_0000_0000,
                time: event.time * 1_000_000,
                record_id: event.record,
                activity_id: None,
                process_id: 4,
                thread_id: 8,
                channel: event.channel.to_owned(),
                computer: event.computer.clone(),
                user_sid: None,
                body: Body::EventData(values),
            })
            .unwrap_or_else(|error| panic!("{error}"));
    }
    writer.finish().unwrap_or_else(|error| panic!("{error}"));
}

/// Detections that fired, each with the machine that wrote the first event of the finding.
fn hunt(path: &Path) -> BTreeSet<(String, String)> {
    let path = path.to_string_lossy();
    let out = crabwalk(".", &["hunt", &path, "--format", "jsonl"]).said(0);
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        // Correlations speak of the findings of others, here of several acts on one host.
        .filter(|finding: &Value| finding["type"] != "Correlation")
        .map(|finding| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let host = text(&finding["events"][0]["host"]);
            (
                text(&finding["detection"]),
                host.split('.').next().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

#[test]
fn every_detection_fires_on_every_form() {
    let (events, expected) = scene();
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let all_xml = || events.iter().map(xml).collect::<Vec<_>>();
    let utc = |event: &Event| format!("{}.000Z", event.iso());
    let joined_classic: String = events.iter().map(|event| classic(event) + "\r\n").collect();
    let forms: Vec<(&str, Vec<u8>)> = vec![
        ("event XML", all_xml().join("\r\n").into_bytes()),
        (
            "event XML in a root",
            format!(
                "<?xml version=\"1.0\" encoding=\"utf-8\"?><Events>{}</Events>",
                all_xml().concat()
            )
            .into_bytes(),
        ),
        (
            "evtx_dump",
            lines(&events, |event| {
                json!({"Event": {"#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"},
                    "System": {"Provider": {"#attributes": {"Name": event.provider()}}, "EventID": event.id,
                        "TimeCreated": {"#attributes": {"SystemTime": utc(event)}}, "EventRecordID": event.record,
                        "Channel": event.channel, "Computer": event.computer},
                    "EventData": event.fields()}})
            }),
        ),
        (
            "NXLog",
            lines(&events, |event| {
                let mut all = event.fields();
                all.insert("EventID".into(), json!(event.id));
                all.insert("Channel".into(), json!(event.channel));
                all.insert("Hostname".into(), json!(event.computer));
                all.insert("RecordNumber".into(), json!(event.record));
                all.insert("@timestamp".into(), json!(utc(event)));
                all.insert("SourceName".into(), json!(event.provider()));
                Value::Object(all)
            }),
        ),
        (
            "Winlogbeat 7 and 8",
            lines(&events, |event| {
                json!({"@timestamp": utc(event), "host": {"name": "beat"}, "event": {"code": event.id.to_string()},
                    "winlog": {"channel": event.channel, "event_id": event.id, "record_id": event.record,
                        "computer_name": event.computer, "provider_name": event.provider(), "event_data": event.fields()}})
            }),
        ),
        (
            "Winlogbeat 6",
            lines(&events, |event| {
                json!({"@timestamp": utc(event), "beat": {"name": "beat"}, "log_name": event.channel, "event_id": event.id,
                    "record_number": event.record.to_string(), "computer_name": event.computer,
                    "source_name": event.provider(), "event_data": event.fields()})
            }),
        ),
        (
            "Splunk export of XML",
            lines(&events, |event| {
                json!({"preview": false, "result": {"_raw": xml(event), "_time": format!("{}.000+00:00", event.iso()),
                    "host": "forwarder", "source": format!("XmlWinEventLog:{}", event.channel), "sourcetype": "XmlWinEventLog"}})
            }),
        ),
        (
            "Splunk export of text",
            lines(&events, |event| {
                json!({"preview": false, "result": {"_raw": classic(event), "_time": format!("{}.000+00:00", event.iso()),
                    "host": "forwarder", "source": format!("WinEventLog:{}", event.channel), "sourcetype": "WinEventLog"}})
            }),
        ),
        ("classic text", joined_classic.into_bytes()),
        (
            "Splunk fields",
            lines(
                &events,
                |event| json!({"preview": false, "result": add_on(event)}),
            ),
        ),
        ("JSON array", {
            let all: Vec<Value> = events
                    .iter()
                    .map(|event| {
                        json!({"winlog": {"channel": event.channel, "event_id": event.id, "record_id": event.record,
                            "computer_name": event.computer, "event_data": event.fields()}, "@timestamp": utc(event)})
                    })
                    .collect();
            Value::Array(all).to_string().into_bytes()
        }),
    ];
    let evtx = folder.path().join("all.evtx");
    write_evtx(&events, &evtx);
    let mut wrong = Vec::new();
    let mut compare =
        |form: &str, expected: &BTreeSet<(String, String)>, found: &BTreeSet<(String, String)>| {
            for (detection, host) in expected.difference(found) {
                wrong.push(format!("{form}: {detection} missed the act on {host}"));
            }
            for (detection, host) in found.difference(expected) {
                wrong.push(format!("{form}: {detection} fired on {host}"));
            }
        };
    compare("EVTX", &expected, &hunt(&evtx));
    for (form, bytes) in &forms {
        let path = folder.path().join(form.replace(' ', "_"));
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("{error}"));
        compare(form, &expected, &hunt(&path));
    }
    // Other products write CIM names; what they can give feeds the detections over data models.
    let path = folder.path().join("cim.json");
    let records: Vec<String> = events
        .iter()
        .filter_map(cim)
        .map(|record| record.to_string())
        .collect();
    std::fs::write(&path, records.join("\n")).unwrap_or_else(|error| panic!("{error}"));
    let by_sysmon: BTreeSet<(String, String)> = expected
        .iter()
        .filter(|(_, host)| host.ends_with('1') || host == "NET3")
        .cloned()
        .collect();
    assert_eq!(by_sysmon.len(), 6);
    compare("CIM records", &by_sysmon, &hunt(&path));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
