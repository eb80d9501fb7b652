//! Sessions: a logon on a host, identified by host, boot and LogonId.

use std::net::IpAddr;

use crate::identity::{AccountId, AccountKind, HostId, Place};
use crate::text::SECOND;

/// The authentication method of a logon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Package {
    /// Challenge and response, without a domain controller.
    Ntlm,
    /// A ticket.
    Kerberos,
    /// Kerberos or NTLM: the log does not say which.
    Negotiate,
    /// Such as Schannel or another vendor's package.
    Other,
    /// The event does not say.
    Unknown,
}

impl Package {
    pub(crate) fn of(text: &str) -> Self {
        for (name, package) in [
            ("NTLM", Self::Ntlm),
            ("Kerberos", Self::Kerberos),
            ("Negotiate", Self::Negotiate),
            ("", Self::Unknown),
            ("-", Self::Unknown),
        ] {
            if text.eq_ignore_ascii_case(name) {
                return package;
            }
        }
        Self::Other
    }

    /// Its name in events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ntlm => "NTLM",
            Self::Kerberos => "Kerberos",
            Self::Negotiate => "Negotiate",
            Self::Other => "another package",
            Self::Unknown => "?",
        }
    }
}

/// The end of a session without a logged logoff.
pub const OPEN: i64 = i64::MAX;

/// Which session: one that can be written down, stored, and found again beside sessions of other days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// When it began: Windows gives its number again after a restart.
    pub time: i64,
    /// Where it was opened.
    pub host: HostId,
    /// Its number there.
    pub logon_id: u64,
    /// The event that shows it: some logs give several sessions no number.
    pub reference: u64,
}

/// One logon on one host. There may be millions, so it holds no text.
#[derive(Debug, Clone)]
pub struct Session {
    /// Where it was opened.
    pub host: HostId,
    /// Its number, unique on its host between two boots.
    pub logon_id: u64,
    /// LogonId of the other half of a split token; 0 if there is none.
    pub linked: u64,
    /// When it began, in microseconds since 1970-01-01 UTC, by the common clock.
    pub time: i64,
    /// When the logoff was logged; [`OPEN`] if it was not.
    pub end: i64,
    /// 0 if the logon itself was not logged, only what ran in it.
    pub logon_type: u8,
    /// Who logged on.
    pub account: Option<AccountId>,
    /// Of that account.
    pub kind: AccountKind,
    /// Where it was opened from, by address.
    pub source: Place,
    /// The address in the event.
    pub ip: Option<IpAddr>,
    /// The client's port; 0 if the event does not say.
    pub port: u16,
    /// How it was authenticated.
    pub package: Package,
    /// Opened with other credentials for the network (logon process `seclogo`).
    pub by_seclogo: bool,
    /// Account that the session uses on other machines (logon type 9).
    pub outbound: Option<AccountId>,
    /// Whether it received special privileges (Security 4672).
    pub elevated: bool,
    /// Remote desktop that sends neither a password nor a ticket to the host.
    pub restricted: bool,
    /// The machine name that the client claimed (`WorkstationName`), if the logs know that machine.
    pub claimed: Option<HostId>,
    /// Somebody acted for the account through delegation (`TransmittedServices`).
    pub delegated: bool,
    /// Whether OpenSSH's server logged the account on.
    pub by_sshd: bool,
    /// Identifies the event ([`crabwalk_events::Catalog::resolve`]).
    pub reference: u64,
}

impl Session {
    /// Which session it is.
    pub fn key(&self) -> SessionKey {
        SessionKey {
            time: self.time,
            host: self.host,
            logon_id: self.logon_id,
            reference: self.reference,
        }
    }

    /// Whether somebody on another machine opened it.
    pub fn is_remote(&self) -> bool {
        match self.source {
            Place::Local => false,
            Place::Host(_) => matches!(self.logon_type, 3 | 7 | 8 | 10 | 12 | 13),
            Place::Unknown => matches!(self.logon_type, 3 | 8 | 10 | 12),
        }
    }

    /// Where it was opened, if on another machine.
    pub fn from(&self) -> Option<HostId> {
        match self.source {
            Place::Host(host) => Some(host),
            _ => None,
        }
    }
}

pub use crabwalk_vocabulary::account::is_service_logon;

/// When a session began, from a Sysmon LogonGuid: the second group holds the low half of a Unix time, the third the
/// high half.
pub fn logon_time(guid: &str) -> Option<i64> {
    let mut groups = guid.trim_matches(['{', '}']).split('-');
    let (low, high) = (groups.nth(1)?, groups.next()?);
    let half = |text| u16::from_str_radix(text, 16).ok().map(i64::from);
    let seconds = (half(high)? << 16) | half(low)?;
    // Zero is not a time, and nothing was logged before Sysmon existed.
    (seconds > 1_300_000_000).then_some(seconds * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::number;

    #[test]
    fn sysmon_guids_hold_the_logon_time() {
        for (guid, expected) in [
            ("{11111111-2826-5f2c-341f-120100000000}", Some(0x5f2c_2826)),
            ("{11111111-0000-0000-0000-000000000000}", None),
            // A group that is too long is not half of a time.
            ("{11111111-0000-7fffffffffff-341f-120100000000}", None),
            ("", None),
        ] {
            assert_eq!(
                logon_time(guid),
                expected.map(|seconds: i64| seconds * SECOND),
                "{guid}"
            );
        }
        assert_eq!(number("0x2990d17"), 0x299_0d17);
        assert_eq!(number("1280"), 1280);
    }
}
