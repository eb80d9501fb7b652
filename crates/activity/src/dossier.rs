//! The event types and columns that dossiers read: more than [`crate::demand`], from the same logs.

use std::sync::LazyLock;

use crabwalk_sources::collect::Demand;

use crate::channel::{SECURITY, SYSMON, SYSTEM, TASKS, WMI};
use crate::declared::{Declared, Wanted, subject};

/// A changed account, and who changed it.
const CHANGED: &[&str] = subject!(
    "TargetUserName",
    "TargetDomainName",
    "TargetSid",
    "MemberName",
    "MemberSid"
);

/// Security log events about changed accounts and groups.
pub const CHANGES: &[u32] = &[
    4720, 4722, 4723, 4724, 4725, 4726, 4728, 4729, 4732, 4733, 4738, 4740, 4756, 4767, 4781,
];

/// Every event type that dossiers read, with its columns.
const WANTED: &[Wanted] = &[
    (
        SECURITY,
        4624,
        &[
            "TargetUserSid",
            "TargetUserName",
            "TargetDomainName",
            "TargetLogonId",
            "LogonType",
            "WorkstationName",
            "IpAddress",
        ],
    ),
    (
        SECURITY,
        4625,
        &[
            "TargetUserName",
            "TargetDomainName",
            "LogonType",
            "WorkstationName",
            "IpAddress",
            "Status",
            "SubStatus",
        ],
    ),
    (
        SECURITY,
        4648,
        subject!(
            "TargetUserName",
            "TargetDomainName",
            "TargetServerName",
            "ProcessName"
        ),
    ),
    (
        SECURITY,
        4657,
        subject!("ObjectName", "ObjectValueName", "NewValue"),
    ),
    (
        SECURITY,
        4688,
        subject!(
            "NewProcessId",
            "NewProcessName",
            "ParentProcessName",
            "CommandLine",
            "TargetLogonId",
            "TargetUserName",
            "TargetDomainName"
        ),
    ),
    (
        SECURITY,
        4697,
        subject!("ServiceName", "ServiceFileName", "ServiceAccount"),
    ),
    (SECURITY, 4698, subject!("TaskName", "TaskContent")),
    (SECURITY, 4699, subject!("TaskName", "TaskContent")),
    (SECURITY, 4702, subject!("TaskName", "TaskContentNew")),
    (
        SECURITY,
        5145,
        subject!("IpAddress", "ShareName", "RelativeTargetName", "AccessMask"),
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
    (
        SYSTEM,
        7045,
        &["ServiceName", "ImagePath", "AccountName", "UserID"],
    ),
    (TASKS, 106, &["TaskName", "UserContext"]),
    (TASKS, 140, &["TaskName", "UserName"]),
    (TASKS, 141, &["TaskName", "UserName"]),
    (WMI, 5861, &["ESS", "CONSUMER", "PossibleCause", "Message"]),
    (
        SYSMON,
        1,
        &[
            "ProcessGuid",
            "ProcessId",
            "Image",
            "CommandLine",
            "User",
            "LogonId",
            "ParentImage",
            "OriginalFileName",
            "Hashes",
        ],
    ),
    (
        SYSMON,
        3,
        &[
            "Image",
            "User",
            "Initiated",
            "SourceIp",
            "SourcePort",
            "DestinationIp",
            "DestinationPort",
        ],
    ),
    (
        SYSMON,
        7,
        &[
            "ProcessGuid",
            "Image",
            "ImageLoaded",
            "Signed",
            "Signature",
            "SignatureStatus",
        ],
    ),
    (SYSMON, 11, &["Image", "TargetFilename", "User"]),
    (SYSMON, 13, &["Image", "TargetObject", "Details", "User"]),
    (SYSMON, 14, &["Image", "TargetObject", "NewName", "User"]),
    (SYSMON, 19, &["User", "Operation", "Name", "Query"]),
    (SYSMON, 20, &["User", "Operation", "Name", "Destination"]),
    (SYSMON, 21, &["User", "Operation", "Consumer", "Filter"]),
];

/// What dossiers read.
pub static DECLARED: LazyLock<Declared> = LazyLock::new(|| {
    let changes = CHANGES.iter().map(|id| (SECURITY, *id, CHANGED));
    Declared::of(WANTED.iter().copied().chain(changes))
});

/// What the readers must decode for dossiers.
pub fn demand() -> &'static dyn Demand {
    &*DECLARED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declared::tests::assert_read;

    #[test]
    fn columns_are_declared_if_and_only_if_they_are_read() {
        assert_read(&DECLARED, &["src", "../case/src/dossier"]);
    }
}
