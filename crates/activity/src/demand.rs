//! Which event types and columns movement reads.

use std::sync::LazyLock;

use crabwalk_sources::collect::Demand;

use crate::channel::*;
use crate::declared::{Declared, Wanted, subject};

/// Every event type that movement reads, with its columns.
const WANTED: &[Wanted] = &[
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
            "TransmittedServices",
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
            "IpAddress"
        ),
    ),
    (
        SECURITY,
        4656,
        subject!(
            "ObjectServer",
            "ObjectType",
            "ObjectName",
            "AccessMask",
            "ProcessId",
            "ProcessName",
            "Keywords"
        ),
    ),
    (
        SECURITY,
        4657,
        subject!("ObjectName", "ObjectValueName", "ProcessId", "ProcessName"),
    ),
    (SECURITY, 4662, subject!("Properties")),
    (
        SECURITY,
        4663,
        subject!(
            "ObjectServer",
            "ObjectType",
            "ObjectName",
            "AccessMask",
            "ProcessId",
            "ProcessName",
            "Keywords"
        ),
    ),
    (
        SECURITY,
        4670,
        subject!("ObjectType", "ObjectName", "ProcessId", "ProcessName"),
    ),
    (SECURITY, 4672, subject!()),
    (
        SECURITY,
        4673,
        subject!("PrivilegeList", "ProcessId", "ProcessName", "Keywords"),
    ),
    (
        SECURITY,
        4674,
        subject!(
            "ObjectServer",
            "ObjectType",
            "ObjectName",
            "PrivilegeList",
            "ProcessId",
            "ProcessName",
            "Keywords"
        ),
    ),
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
    (SECURITY, 4689, &["ProcessId", "ProcessName"]),
    (
        SECURITY,
        4741,
        &["SubjectUserSid", "SubjectUserName", "TargetUserName"],
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
            "TransmittedServices",
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
            "SessionName",
            "ClientName",
            "ClientAddress",
        ],
    ),
    (
        SECURITY,
        4825,
        &["AccountName", "AccountDomain", "ClientAddress"],
    ),
    (
        SECURITY,
        5136,
        subject!(
            "ObjectDN",
            "ObjectClass",
            "AttributeLDAPDisplayName",
            "OperationType"
        ),
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
        ],
    ),
    (SYSTEM, 12, &[]),
    (SYSTEM, 6005, &[]),
    (SYSTEM, 6009, &[]),
    (SYSTEM, 7000, &["param1"]),
    (SYSTEM, 7009, &["param2"]),
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
    (SYSTEM, 5805, &["Data"]),
    (SYSTEM, 5723, &["Data"]),
    (
        SYSTEM,
        10016,
        &["param4", "param6", "param7", "param8", "param9"],
    ),
    (APPLICATION, 15281, &["Data", "Provider", "UserID"]),
    (APPLICATION, 15457, &["Data", "Provider"]),
    (APPLICATION, 18453, &["Data", "Provider"]),
    (APPLICATION, 18454, &["Data", "Provider"]),
    (
        SYSMON,
        1,
        &[
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
        12,
        &["ProcessGuid", "Image", "EventType", "TargetObject", "User"],
    ),
    (
        SYSMON,
        13,
        &["ProcessGuid", "Image", "TargetObject", "Details", "User"],
    ),
    (SYSMON, 5, &["ProcessGuid"]),
    (SYSMON, 17, &["ProcessGuid", "Image", "PipeName"]),
    (SYSMON, 18, &["ProcessGuid", "Image", "PipeName"]),
    (SYSMON, 20, &["User", "Operation", "Name"]),
    (TASKS, 100, &["TaskName"]),
    (SYSMON, 22, &["QueryName", "QueryResults"]),
    (TASKS, 106, &["TaskName", "UserContext"]),
    (TASKS, 110, &["TaskName"]),
    (TASKS, 129, &["TaskName"]),
    (TASKS, 140, &["TaskName", "UserName"]),
    (TASKS, 141, &["TaskName"]),
    (TASKS, 200, &["TaskName"]),
    (TASKS, 201, &["TaskName"]),
    (PRINT_OPERATIONAL, 316, &["UserID"]),
    (PRINT_ADMIN, 808, &["UserID"]),
    (WMI, 5861, &["CONSUMER", "PossibleCause"]),
    (WMI, 5858, &["ClientMachine", "User", "Operation"]),
    (WINRM, 6, &["connection", "UserID"]),
    (WINRM, 91, &["resourceUri", "EventPayload", "UserID"]),
    (WINRM, 169, &["username", "authenticationMechanism"]),
    (POWERSHELL_ENGINE, 400, &["Data"]),
    (POWERSHELL_ENGINE, 800, &["Data"]),
    (POWERSHELL, 4103, &["Payload", "ContextInfo", "UserID"]),
    (POWERSHELL, 4104, &["ScriptBlockText", "UserID"]),
    (RCM, 1149, &["Param1", "Param2", "Param3"]),
    (RCM, 20503, &["Param1", "Param2", "Param3"]),
    (RCM, 20506, &["Param1", "Param2", "Param3"]),
    (LSM, 21, &["User", "Address"]),
    (LSM, 25, &["User", "Address"]),
    (RDP_CORE, 104, &[]),
    (RDP_CORE, 131, &["ClientIP"]),
    (RDP_CORE, 168, &[]),
    (RDP_CLIENT, 1024, &["Value", "UserID"]),
    (RDP_CLIENT, 1029, &["TraceMessage", "Value", "UserID"]),
    (RDP_CLIENT, 1102, &["Value", "UserID"]),
    (RDP_GATEWAY, 302, &["Username", "IpAddress", "Resource"]),
    (
        NTLM,
        8004,
        &["SChannelName", "UserName", "DomainName", "WorkstationName"],
    ),
    (OPENSSH, 4, &["payload"]),
    (SUDO, 0, &["src_user", "user", "command"]),
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
            "service",
        ],
    ),
    ("zeek:dhcp", 0, &["assigned_addr", "host_name"]),
    ("zeek:dns", 0, &["query", "qtype_name", "answers"]),
    (
        "zeek:dce_rpc",
        0,
        &[
            "uid",
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "endpoint",
            "operation",
        ],
    ),
    (
        "zeek:smb_mapping",
        0,
        &[
            "uid",
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "path",
        ],
    ),
    (
        "zeek:smb_files",
        0,
        &[
            "uid",
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "action",
            "path",
            "name",
        ],
    ),
    (
        "zeek:ntlm",
        0,
        &[
            "uid",
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "username",
            "domainname",
            "server_nb_computer_name",
            "success",
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
            "error_msg",
        ],
    ),
    (
        "zeek:rfb",
        0,
        &["id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "auth"],
    ),
    (
        "zeek:rdp",
        0,
        &[
            "uid",
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "cookie",
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
        ],
    ),
    (
        "zeek:http",
        0,
        &[
            "uid",
            "id.orig_h",
            "id.orig_p",
            "id.resp_h",
            "id.resp_p",
            "method",
            "uri",
        ],
    ),
];

/// What movement reads.
pub static DECLARED: LazyLock<Declared> = LazyLock::new(|| Declared::of(WANTED.iter().copied()));

/// What the readers must decode for [`Activity`](crate::Activity) and for techniques that read events themselves.
pub fn demand() -> &'static dyn Demand {
    &*DECLARED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declared::tests::assert_read;

    #[test]
    fn columns_are_declared_if_and_only_if_they_are_read() {
        assert_read(&DECLARED, &["src", "../movement/src"]);
    }
}
