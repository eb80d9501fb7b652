//! Which event types and columns movement reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use crabwalk_sources::collect::{Columns, Demand};

/// Channels, lower case.
pub(crate) mod channel {
    pub const SECURITY: &str = "security";
    pub const SYSTEM: &str = "system";
    pub const APPLICATION: &str = "application";
    pub const SYSMON: &str = "microsoft-windows-sysmon/operational";
    pub const TASKS: &str = "microsoft-windows-taskscheduler/operational";
    pub const WMI: &str = "microsoft-windows-wmi-activity/operational";
    pub const WINRM: &str = "microsoft-windows-winrm/operational";
    pub const POWERSHELL: &str = "microsoft-windows-powershell/operational";
    pub const RCM: &str = "microsoft-windows-terminalservices-remoteconnectionmanager/operational";
    pub const LSM: &str = "microsoft-windows-terminalservices-localsessionmanager/operational";
    pub const RDP_CORE: &str = "microsoft-windows-remotedesktopservices-rdpcorets/operational";
    pub const RDP_CLIENT: &str = "microsoft-windows-terminalservices-rdpclient/operational";
    pub const RDP_GATEWAY: &str = "microsoft-windows-terminalservices-gateway/operational";
    pub const OPENSSH: &str = "openssh/operational";
    /// Lines of OpenSSH's server in syslog or journald.
    pub const SSHD: &str = "syslog:sshd";
}
use channel::*;

/// Whether a machine that runs what it logs writes this log under its own name: a channel of Windows, or syslog. What
/// network sensors write (`zeek:conn`) is about others.
pub fn is_of_a_host(channel: &str) -> bool {
    let prefix = channel.split_once(':').map(|(prefix, _)| prefix);
    prefix.is_none_or(|prefix| prefix.eq_ignore_ascii_case("syslog"))
}

/// Whether a log is of a machine that runs no Windows: syslog.
pub fn is_syslog(channel: &str) -> bool {
    channel.contains(':') && is_of_a_host(channel)
}

type Wanted = (&'static str, u32, &'static [&'static str]);

/// Who did it, in the Security log.
macro_rules! subject {
    ($($more:literal),*) => {
        &["SubjectUserSid", "SubjectUserName", "SubjectDomainName", "SubjectLogonId" $(, $more)*]
    };
}

/// Every event type that movement reads, with its columns.
pub(crate) const WANTED: &[Wanted] = &[
    (SECURITY, 4608, &[]),
    (
        SECURITY,
        4624,
        &[
            "TargetUserSid",
            "TargetUserName",
            "TargetDomainName",
            "TargetLogonId",
            "LogonType",
            "LogonProcessName",
            "AuthenticationPackageName",
            "WorkstationName",
            "LogonGuid",
            "IpAddress",
            "IpPort",
            "ProcessName",
            "SubjectUserSid",
            "SubjectUserName",
            "SubjectDomainName",
            "TargetLinkedLogonId",
            "RestrictedAdminMode",
            "TargetOutboundUserName",
            "TargetOutboundDomainName",
        ],
    ),
    (
        SECURITY,
        4625,
        &[
            "TargetUserSid",
            "TargetUserName",
            "TargetDomainName",
            "LogonType",
            "IpAddress",
            "Status",
            "SubStatus",
        ],
    ),
    (SECURITY, 4634, &["TargetLogonId"]),
    (SECURITY, 4647, &["TargetLogonId"]),
    (
        SECURITY,
        4648,
        subject!(
            "TargetUserName",
            "TargetDomainName",
            "TargetServerName",
            "TargetInfo",
            "ProcessName",
            "ProcessId",
            "IpAddress",
            "TargetLogonGuid"
        ),
    ),
    (
        SECURITY,
        4662,
        subject!("Properties", "ObjectServer", "AccessMask"),
    ),
    (SECURITY, 4672, subject!()),
    (
        SECURITY,
        4688,
        subject!(
            "NewProcessId",
            "NewProcessName",
            "ProcessId",
            "ParentProcessName",
            "CommandLine",
            "TargetLogonId",
            "TargetUserName",
            "TargetDomainName",
            "TargetUserSid"
        ),
    ),
    (SECURITY, 4697, subject!("ServiceName", "ServiceFileName")),
    (
        SECURITY,
        4698,
        subject!(
            "TaskName",
            "TaskContent",
            "RpcCallClientLocality",
            "ClientProcessId"
        ),
    ),
    (
        SECURITY,
        4702,
        subject!(
            "TaskName",
            "TaskContentNew",
            "RpcCallClientLocality",
            "ClientProcessId"
        ),
    ),
    (
        SECURITY,
        4742,
        subject!("TargetUserName", "PasswordLastSet"),
    ),
    (
        SECURITY,
        4768,
        &[
            "TargetUserName",
            "TargetDomainName",
            "TargetSid",
            "IpAddress",
            "IpPort",
            "Status",
            "TicketEncryptionType",
            "PreAuthType",
        ],
    ),
    (
        SECURITY,
        4769,
        &[
            "TargetUserName",
            "TargetDomainName",
            "ServiceName",
            "IpAddress",
            "IpPort",
            "Status",
            "TicketEncryptionType",
            "TicketOptions",
        ],
    ),
    (
        SECURITY,
        4770,
        &[
            "TargetUserName",
            "TargetDomainName",
            "ServiceName",
            "IpAddress",
            "TicketEncryptionType",
        ],
    ),
    (SECURITY, 4776, &["TargetUserName", "Workstation", "Status"]),
    (
        SECURITY,
        4778,
        &[
            "AccountName",
            "AccountDomain",
            "LogonID",
            "SessionName",
            "ClientName",
            "ClientAddress",
        ],
    ),
    (
        SECURITY,
        4779,
        &[
            "AccountName",
            "AccountDomain",
            "LogonID",
            "SessionName",
            "ClientName",
            "ClientAddress",
        ],
    ),
    (
        SECURITY,
        4825,
        &["AccountName", "AccountDomain", "LogonID", "ClientAddress"],
    ),
    (
        SECURITY,
        5140,
        subject!("IpAddress", "IpPort", "ShareName", "Keywords"),
    ),
    (
        SECURITY,
        5145,
        subject!(
            "IpAddress",
            "IpPort",
            "ShareName",
            "ShareLocalPath",
            "RelativeTargetName",
            "AccessMask",
            "Keywords"
        ),
    ),
    (
        SECURITY,
        5156,
        &[
            "Direction",
            "SourceAddress",
            "SourcePort",
            "DestAddress",
            "DestPort",
            "Application",
            "ProcessID",
            "Protocol",
        ],
    ),
    (SYSTEM, 12, &[]),
    (SYSTEM, 6005, &[]),
    (SYSTEM, 6009, &[]),
    (
        SYSTEM,
        7045,
        &[
            "ServiceName",
            "ImagePath",
            "ServiceType",
            "AccountName",
            "UserID",
        ],
    ),
    (SYSTEM, 5805, &["param1", "param2", "Data"]),
    (SYSTEM, 5723, &["param1", "param2", "Data"]),
    (
        SYSTEM,
        10016,
        &["param2", "param4", "param6", "param7", "param8", "param9"],
    ),
    (APPLICATION, 15281, &["Data", "Provider", "UserID"]),
    (APPLICATION, 15457, &["Data", "Provider"]),
    (APPLICATION, 18453, &["Data", "Provider"]),
    (APPLICATION, 18454, &["Data", "Provider"]),
    (
        SYSMON,
        1,
        &[
            "UtcTime",
            "ProcessGuid",
            "ProcessId",
            "Image",
            "CommandLine",
            "User",
            "LogonGuid",
            "LogonId",
            "TerminalSessionId",
            "ParentProcessGuid",
            "ParentProcessId",
            "ParentImage",
            "ParentCommandLine",
            "OriginalFileName",
        ],
    ),
    (
        SYSMON,
        3,
        &[
            "ProcessGuid",
            "ProcessId",
            "Image",
            "User",
            "Protocol",
            "Initiated",
            "SourceIp",
            "SourceHostname",
            "SourcePort",
            "DestinationIp",
            "DestinationHostname",
            "DestinationPort",
        ],
    ),
    (SYSMON, 7, &["ProcessGuid", "Image", "ImageLoaded", "User"]),
    (
        SYSMON,
        11,
        &["ProcessGuid", "Image", "TargetFilename", "User"],
    ),
    (
        SYSMON,
        13,
        &["ProcessGuid", "Image", "TargetObject", "Details", "User"],
    ),
    (SYSMON, 17, &["ProcessGuid", "Image", "PipeName", "User"]),
    (SYSMON, 18, &["ProcessGuid", "Image", "PipeName", "User"]),
    (
        SYSMON,
        20,
        &["User", "Operation", "Name", "Type", "Destination"],
    ),
    (TASKS, 106, &["TaskName", "UserContext"]),
    (TASKS, 140, &["TaskName", "UserName"]),
    (
        WMI,
        5858,
        &["ClientMachine", "User", "Operation", "ResultCode"],
    ),
    (WINRM, 6, &["connection", "UserID"]),
    (WINRM, 91, &["resourceUri", "EventPayload", "UserID"]),
    (WINRM, 169, &["username", "authenticationMechanism"]),
    (POWERSHELL, 4103, &["Payload", "ContextInfo", "UserID"]),
    (POWERSHELL, 4104, &["ScriptBlockText", "UserID"]),
    (RCM, 1149, &["Param1", "Param2", "Param3"]),
    (LSM, 21, &["User", "SessionID", "Address"]),
    (LSM, 25, &["User", "SessionID", "Address"]),
    (RDP_CORE, 104, &[]),
    (RDP_CORE, 131, &["ConnType", "ClientIP"]),
    (RDP_CORE, 168, &[]),
    (RDP_CLIENT, 1024, &["Value", "UserID"]),
    (RDP_CLIENT, 1029, &["TraceMessage", "Value", "UserID"]),
    (RDP_CLIENT, 1102, &["Value", "UserID"]),
    (RDP_GATEWAY, 302, &["Username", "IpAddress", "Resource"]),
    (OPENSSH, 4, &["process", "payload"]),
    (
        SSHD,
        0,
        &[
            "action",
            "auth_method",
            "user",
            "src_ip",
            "src_port",
            "fingerprint",
        ],
    ),
    (
        "zeek:conn",
        0,
        &[
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "proto",
            "service",
            "conn_state",
            "uid",
        ],
    ),
    (
        "zeek:dce_rpc",
        0,
        &[
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "named_pipe",
            "endpoint",
            "operation",
            "uid",
        ],
    ),
    (
        "zeek:smb_mapping",
        0,
        &[
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "path",
            "share_type",
            "uid",
        ],
    ),
    (
        "zeek:smb_files",
        0,
        &[
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "action",
            "path",
            "name",
            "uid",
        ],
    ),
    (
        "zeek:ntlm",
        0,
        &[
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "username",
            "domainname",
            "server_nb_computer_name",
            "success",
            "uid",
        ],
    ),
    (
        "zeek:kerberos",
        0,
        &[
            "id.orig_h",
            "id.resp_h",
            "request_type",
            "client",
            "service",
            "success",
            "uid",
        ],
    ),
    (
        "zeek:rdp",
        0,
        &[
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "cookie",
            "result",
            "uid",
        ],
    ),
    (
        "zeek:ssh",
        0,
        &[
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "auth_success",
            "client",
            "uid",
        ],
    ),
    (
        "zeek:http",
        0,
        &[
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "method",
            "uri",
            "user_agent",
            "uid",
        ],
    ),
];

/// The columns that movement reads of an event type.
pub(crate) fn wanted(channel: &str, event_id: u32) -> Option<&'static [&'static str]> {
    WANTED
        .iter()
        .find(|(own, id, _)| *id == event_id && own.eq_ignore_ascii_case(channel))
        .map(|(.., columns)| *columns)
}

struct MovementDemand;

impl Demand for MovementDemand {
    fn columns(&self, channel: &str, event_id: u32) -> Columns {
        wanted(channel, event_id).map_or(Columns::None, |columns| {
            Columns::Named(Arc::new(
                columns.iter().map(|name| (*name).to_owned()).collect(),
            ))
        })
    }
}

/// What the readers must decode for [`analyse`](crate::analyse).
pub fn demand() -> &'static dyn Demand {
    &MovementDemand
}

/// Two demands at once: the union of their columns.
pub struct Both<'d>(pub &'d dyn Demand, pub &'d dyn Demand);

impl Demand for Both<'_> {
    fn columns(&self, channel: &str, event_id: u32) -> Columns {
        match (
            self.0.columns(channel, event_id),
            self.1.columns(channel, event_id),
        ) {
            (Columns::All, _) | (_, Columns::All) => Columns::All,
            (Columns::None, one) | (one, Columns::None) => one,
            (Columns::Named(a), Columns::Named(b)) => {
                Columns::Named(Arc::new(a.union(&b).cloned().collect::<BTreeSet<_>>()))
            }
        }
    }
}
