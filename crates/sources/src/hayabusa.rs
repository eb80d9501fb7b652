//! Timelines of Hayabusa: the events that its rules found, with short names for logs and fields.
//!
//! A row names its log by an abbreviation (`Sec`) and holds what its rule tells of the event, `TgtUser: ann ¦ SrcIP: 10.0.0.7`
//! in tables and objects in JSON. What short names stand for depends on the event. A rule tells some fields only, so that a
//! record holds less than the event did; those that it tells have the names that Windows gives them.

use crate::record::Record;

/// Abbreviations of logs.
const LOGS: [(&str, &str); 26] = [
    ("App", "Application"),
    ("BitsCli", "Microsoft-Windows-Bits-Client/Operational"),
    ("CodeInteg", "Microsoft-Windows-CodeIntegrity/Operational"),
    ("DHCP-Svr", "Microsoft-Windows-DHCP-Server/Operational"),
    ("DNS-Svr", "DNS Server"),
    ("Defender", "Microsoft-Windows-Windows Defender/Operational"),
    (
        "DvrFmwk",
        "Microsoft-Windows-DriverFrameworks-UserMode/Operational",
    ),
    ("Exchange", "MSExchange Management"),
    (
        "Firewall",
        "Microsoft-Windows-Windows Firewall With Advanced Security/Firewall",
    ),
    ("NTLM", "Microsoft-Windows-NTLM/Operational"),
    ("OpenSSH", "OpenSSH/Operational"),
    ("PrintAdm", "Microsoft-Windows-PrintService/Admin"),
    ("PrintOp", "Microsoft-Windows-PrintService/Operational"),
    ("PwSh", "Microsoft-Windows-PowerShell/Operational"),
    ("PwShClassic", "Windows PowerShell"),
    ("PwShCore", "PowerShellCore/Operational"),
    (
        "RDP-Cli",
        "Microsoft-Windows-TerminalServices-RDPClient/Operational",
    ),
    (
        "RDP-CoreTS",
        "Microsoft-Windows-RemoteDesktopServices-RdpCoreTS/Operational",
    ),
    (
        "RDS-LSM",
        "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
    ),
    (
        "RDS-RCM",
        "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational",
    ),
    ("Sec", "Security"),
    ("SmbCliSec", "Microsoft-Windows-SmbClient/Security"),
    ("Sys", "System"),
    ("Sysmon", "Microsoft-Windows-Sysmon/Operational"),
    ("TaskSch", "Microsoft-Windows-TaskScheduler/Operational"),
    ("WMI", "Microsoft-Windows-WMI-Activity/Operational"),
];

/// What short names stand for: abbreviation of the log, event ids (none: all of the log), short and full names.
const FIELDS: [(&str, &[u32], &str); 20] = [
    (
        "Sec",
        &[4624, 4625],
        "Type=LogonType TgtUser=TargetUserName TgtDom=TargetDomainName SrcComp=WorkstationName SrcIP=IpAddress LID=TargetLogonId \
         AuthPkg=AuthenticationPackageName Proc=ProcessName SrcUser=SubjectUserName",
    ),
    (
        "Sec",
        &[4648],
        "TgtUser=TargetUserName SrcUser=SubjectUserName SrcIP=IpAddress Proc=ProcessName TgtSvr=TargetInfo LID=SubjectLogonId",
    ),
    ("Sec", &[4672], "TgtUser=SubjectUserName LID=SubjectLogonId"),
    (
        "Sec",
        &[4634, 4647],
        "User=TargetUserName TgtUser=TargetUserName LID=TargetLogonId Type=LogonType",
    ),
    (
        "Sec",
        &[4688],
        "Cmdline=CommandLine CmdLine=CommandLine Proc=NewProcessName Path=NewProcessName PID=NewProcessId User=SubjectUserName LID=SubjectLogonId",
    ),
    (
        "Sec",
        &[4697],
        "Svc=ServiceName Path=ServiceFileName User=SubjectUserName SvcAcct=ServiceAccount SvcType=ServiceType SvcStartType=ServiceStartType \
         LID=SubjectLogonId",
    ),
    (
        "Sec",
        &[4698, 4699, 4700, 4701, 4702],
        "Name=TaskName Content=TaskContent User=SubjectUserName LID=SubjectLogonId",
    ),
    (
        "Sec",
        &[4728, 4732, 4756],
        "SrcSID=MemberSid TgtGrp=TargetUserName LID=SubjectLogonId",
    ),
    (
        "Sec",
        &[4768, 4769, 4770, 4771],
        "TgtUser=TargetUserName Svc=ServiceName SrcIP=IpAddress",
    ),
    ("Sec", &[4776], "TgtUser=TargetUserName SrcComp=Workstation"),
    (
        "Sec",
        &[4778, 4779],
        "TgtUser=AccountName SrcUser=AccountName Domain=AccountDomain SrcIP=ClientAddress SrcComp=ClientName LID=LogonID",
    ),
    (
        "Sec",
        &[5140, 5145],
        "SrcUser=SubjectUserName SharePath=ShareLocalPath Path=RelativeTargetName SrcIP=IpAddress LID=SubjectLogonId",
    ),
    (
        "Sec",
        &[5156, 5157],
        "Proc=Application SrcIP=SourceAddress SrcPort=SourcePort TgtIP=DestAddress TgtPort=DestPort PID=ProcessID",
    ),
    (
        "Sec",
        &[],
        "User=SubjectUserName SID=SubjectUserSid TgtUser=TargetUserName TgtSID=TargetSid LID=SubjectLogonId Proc=ProcessName PID=ProcessId \
         ObjSvr=ObjectServer ObjName=ObjectName ObjType=ObjectType HID=HandleId",
    ),
    (
        "Sys",
        &[7045],
        "Svc=ServiceName Path=ImagePath Acct=AccountName",
    ),
    (
        "Sysmon",
        &[3],
        "Proto=Protocol SrcIP=SourceIp SrcPort=SourcePort SrcHost=SourceHostname TgtIP=DestinationIp TgtPort=DestinationPort \
         TgtHost=DestinationHostname Proc=Image PID=ProcessId PGUID=ProcessGuid",
    ),
    (
        "Sysmon",
        &[7],
        "Image=ImageLoaded Proc=Image Sig=SignatureStatus PID=ProcessId PGUID=ProcessGuid Hash=Hashes OrigFilename=OriginalFileName",
    ),
    (
        "Sysmon",
        &[8, 10],
        "SrcProc=SourceImage TgtProc=TargetImage SrcUser=SourceUser TgtUser=TargetUser Access=GrantedAccess SrcPID=SourceProcessId \
         SrcPGUID=SourceProcessGuid TgtPID=TargetProcessId TgtPGUID=TargetProcessGuid",
    ),
    (
        "Sysmon",
        &[],
        "Cmdline=CommandLine Cmd=CommandLine Proc=Image ParentCmdline=ParentCommandLine ParentCmd=ParentCommandLine LID=LogonId LGUID=LogonGuid \
         PID=ProcessId PGUID=ProcessGuid ParentPID=ParentProcessId ParentPGUID=ParentProcessGuid Path=TargetFilename TgtObj=TargetObject \
         RegKey=TargetObject Pipe=PipeName Query=QueryName Result=QueryResults Op=Operation Tgt=Destination",
    ),
    ("PwSh", &[], "ScriptBlock=ScriptBlockText"),
];

/// Where a row holds the event's fields.
const DETAILS: [&str; 3] = ["Details", "ExtraFieldInfo", "AllFieldInfo"];

/// Whether a record with these keys is a row of such a timeline.
pub(crate) fn is_row(mut keys: impl Iterator<Item = impl AsRef<str>>) -> bool {
    keys.any(|key| {
        let key = key.as_ref();
        DETAILS.iter().any(|details| {
            key.strip_prefix(details)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    })
}

/// The abbreviation of a log and its name, whichever of them this is.
fn log_of(channel: &str) -> (&str, &str) {
    LOGS.iter()
        .find(|(short, full)| channel == *short || channel.eq_ignore_ascii_case(full))
        .map_or((channel, channel), |(short, full)| (*short, *full))
}

/// The name that Windows has for a field of an event.
fn field_of<'n>(log: &str, id: u32, name: &'n str) -> &'n str {
    FIELDS
        .iter()
        .filter(|(own, ids, _)| *own == log && (ids.is_empty() || ids.contains(&id)))
        .find_map(|(_, _, names)| {
            names
                .split_ascii_whitespace()
                .filter_map(|pair| pair.split_once('='))
                .find(|(short, _)| *short == name)
                .map(|(_, full)| full)
        })
        .unwrap_or(name)
}

/// Gives the record its log's full name and takes its fields from where the row holds them; `leaves` are the row's keys and
/// values. The rule's own data goes to the envelope, except its severity, which is not the event's.
pub(crate) fn fill<'f>(record: &mut Record, leaves: impl Iterator<Item = (&'f str, &'f str)>) {
    let channel = std::mem::take(&mut record.channel);
    let (short, full) = log_of(&channel);
    record.channel = full.to_owned();
    record.quoted = true;
    let id = record.event_id;
    for (key, value) in leaves {
        let (column, name) = key.split_once('.').unwrap_or((key, ""));
        if !DETAILS.contains(&column) {
            if column.starts_with("Rule") || column.starts_with("Mitre") {
                record.envelope(column, value);
            }
            continue;
        }
        if !name.is_empty() {
            put(record, field_of(short, id, name), value);
            continue;
        }
        for part in value.split(" ¦ ") {
            if let Some((name, value)) = part.split_once(": ") {
                put(record, field_of(short, id, name.trim()), value);
            }
        }
    }
}

fn put(record: &mut Record, name: &str, value: &str) {
    // `3 - NETWORK` is how people read it.
    let value = match value.split_once(" - ") {
        Some((number, _)) if name == "LogonType" => number,
        _ => value,
    };
    if !matches!(value, "" | "n/a") && !record.has(name) {
        record.data(name, value);
    }
}
