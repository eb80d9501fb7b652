//! Which event types and columns dossiers read.

use std::sync::Arc;

use crabwalk_activity::channel::{SECURITY, SYSMON, SYSTEM, TASKS, WMI};
use crabwalk_sources::collect::{Columns, Demand};

type Wanted = (&'static str, u32, &'static [&'static str]);

/// Who did it, in the Security log.
macro_rules! subject {
    ($($more:literal),*) => {
        &["SubjectUserSid", "SubjectUserName", "SubjectDomainName", "SubjectLogonId" $(, $more)*]
    };
}

/// An account that was changed, and who changed it.
const CHANGED: &[&str] = subject!(
    "TargetUserName",
    "TargetDomainName",
    "TargetSid",
    "MemberName",
    "MemberSid"
);

/// Events of changed accounts and groups, in words.
pub(super) const CHANGES: &[(u32, &str)] = &[
    (4720, "account created"),
    (4722, "account enabled"),
    (4723, "password change tried"),
    (4724, "password reset"),
    (4725, "account disabled"),
    (4726, "account deleted"),
    (4728, "member added to a global group"),
    (4729, "member removed from a global group"),
    (4732, "member added to a local group"),
    (4733, "member removed from a local group"),
    (4738, "account changed"),
    (4740, "account locked out"),
    (4756, "member added to a universal group"),
    (4767, "account unlocked"),
    (4781, "account renamed"),
];

/// Every event type that dossiers read, with its columns.
pub(super) const WANTED: &[Wanted] = &[
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
    (SECURITY, 4634, &["TargetLogonId"]),
    (SECURITY, 4647, &["TargetLogonId"]),
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
            "TargetDomainName"
        ),
    ),
    (SECURITY, 4689, &["ProcessId", "ProcessName"]),
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
            "ParentProcessGuid",
            "ParentProcessId",
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
    (SYSMON, 5, &["ProcessGuid"]),
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

/// The columns that dossiers read of an event type.
pub(super) fn wanted(channel: &str, event_id: u32) -> Option<&'static [&'static str]> {
    let changes = || {
        (channel.eq_ignore_ascii_case(SECURITY) && CHANGES.iter().any(|(id, _)| *id == event_id))
            .then_some(CHANGED)
    };
    WANTED
        .iter()
        .find(|(own, id, _)| *id == event_id && own.eq_ignore_ascii_case(channel))
        .map(|(.., columns)| *columns)
        .or_else(changes)
}

struct DossierDemand;

impl Demand for DossierDemand {
    fn columns(&self, channel: &str, event_id: u32) -> Columns {
        wanted(channel, event_id).map_or(Columns::None, |columns| {
            Columns::Named(Arc::new(
                columns.iter().map(|name| (*name).to_owned()).collect(),
            ))
        })
    }
}

/// What the readers must decode for [`Case::add_dossiers`](crate::Case::add_dossiers).
pub fn demand() -> &'static dyn Demand {
    &DossierDemand
}
