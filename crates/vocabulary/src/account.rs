//! Accounts: what a name or SID stands for.

use serde::{Deserialize, Serialize};

/// What an account stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// A person, or a service that runs as one.
    User,
    /// A machine in a domain; its name ends with `$`.
    Machine,
    /// Windows itself, or an account that it creates for a service or a desktop.
    System,
    /// Somebody who did not identify themselves.
    Anonymous,
}

/// The part that an account plays in its network, as all its logons show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountRole {
    /// A person of a domain, or of nothing that the logs name.
    User,
    /// An account of one host only.
    Local,
    /// Programs log on with it.
    Service,
    /// A machine in a domain.
    Machine,
    /// Windows itself, or nobody.
    System,
}

impl AccountRole {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::User,
        Self::Local,
        Self::Service,
        Self::Machine,
        Self::System,
    ];

    /// Name in the case document.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Local => "local",
            Self::Service => "service",
            Self::Machine => "machine",
            Self::System => "system",
        }
    }

    /// Whether somebody set its password and has to set another when it is stolen. Machines change theirs themselves,
    /// and Windows' own accounts have none.
    pub fn has_password(self) -> bool {
        matches!(self, Self::User | Self::Local | Self::Service)
    }
}

impl From<AccountKind> for AccountRole {
    /// What the name and the SID alone tell.
    fn from(kind: AccountKind) -> Self {
        match kind {
            AccountKind::User => Self::User,
            AccountKind::Machine => Self::Machine,
            AccountKind::System | AccountKind::Anonymous => Self::System,
        }
    }
}

/// The name of a well-known SID, in English (Microsoft, "Well-known SIDs").
pub fn well_known(sid: &str) -> Option<&'static str> {
    Some(match sid {
        "S-1-5-7" => "NT AUTHORITY\\ANONYMOUS LOGON",
        "S-1-5-18" => "NT AUTHORITY\\SYSTEM",
        "S-1-5-19" => "NT AUTHORITY\\LOCAL SERVICE",
        "S-1-5-20" => "NT AUTHORITY\\NETWORK SERVICE",
        _ => return None,
    })
}

/// The name that the logs have for an account of services, by its name without a domain, which may be the service manager's
/// own (Microsoft, "Service User Accounts"): domain and name.
pub fn of_services(name: &str) -> Option<(&'static str, &'static str)> {
    let is = |own: &str| name.eq_ignore_ascii_case(own);
    let own = if is("LocalSystem") || is("SYSTEM") {
        "SYSTEM"
    } else if is("LocalService") || is("LOCAL SERVICE") {
        "LOCAL SERVICE"
    } else if is("NetworkService") || is("NETWORK SERVICE") {
        "NETWORK SERVICE"
    } else {
        return None;
    };
    Some(("NT AUTHORITY", own))
}

/// The kind of account behind a name or SID. Windows translates the names of system accounts, but not their SIDs.
pub fn kind_of(name: &str, sid: &str) -> AccountKind {
    match sid {
        "S-1-5-7" => return AccountKind::Anonymous,
        "S-1-5-18" | "S-1-5-19" | "S-1-5-20" => return AccountKind::System,
        _ => {}
    }
    if sid.starts_with("S-1-5-90-")
        || sid.starts_with("S-1-5-96-")
        || sid.starts_with("S-1-5-80-")
        || sid.starts_with("S-1-5-82-")
    {
        return AccountKind::System;
    }
    let sam = name.rsplit('\\').next().unwrap_or(name).to_uppercase();
    if sam == "ANONYMOUS LOGON" {
        AccountKind::Anonymous
    } else if sam.ends_with('$') {
        AccountKind::Machine
    } else if matches!(
        sam.as_str(),
        "SYSTEM"
            | "LOCALSYSTEM"
            | "LOCAL SERVICE"
            | "NETWORK SERVICE"
            | "SYSTEMET"
            | "SYSTÈME"
            | "LOKALER DIENST"
            | "NETZWERKDIENST"
    ) || sam.starts_with("DWM-")
        || sam.starts_with("UMFD-")
    {
        AccountKind::System
    } else {
        AccountKind::User
    }
}

/// LogonIds of the system's own accounts, which must never be used to join records.
pub fn is_service_logon(id: u64) -> bool {
    matches!(id, 0 | 0x3e4 | 0x3e5 | 0x3e6 | 0x3e7)
}

/// A name without its domain, from forms such as `DOMAIN\\name` and `name@domain`.
///
/// ```
/// use crabwalk_vocabulary::account::plain;
///
/// assert_eq!(plain("CORP\\ann"), "ann");
/// assert_eq!(plain("ann@corp.example"), "ann");
/// ```
pub fn plain(name: &str) -> &str {
    let name = name.rsplit('\\').next().unwrap_or(name);
    name.split('@').next().unwrap_or(name)
}

/// Whether an account is one of Windows' own: the system's and its services' accounts, and those that draw its
/// desktops. Windows translates their names, but not their SIDs.
pub fn is_windows_own(name: &str, sid: &str) -> bool {
    matches!(
        kind_of(name, sid),
        AccountKind::System | AccountKind::Anonymous
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (name, sid, kind) in [
            ("CORP\\ann", "S-1-5-21-1-2-3-1104", AccountKind::User),
            ("CORP\\WS1$", "", AccountKind::Machine),
            ("Système", "", AccountKind::System),
            ("whatever", "S-1-5-18", AccountKind::System),
            ("IIS APPPOOL\\site", "S-1-5-82-1", AccountKind::System),
            ("UMFD-1", "", AccountKind::System),
            ("ANONYMOUS LOGON", "", AccountKind::Anonymous),
        ] {
            assert_eq!(kind_of(name, sid), kind, "{name} {sid}");
        }
        assert!(is_service_logon(0x3e7) && !is_service_logon(0x1234));
    }
}
