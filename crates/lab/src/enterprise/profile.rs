//! How hard an enterprise is: what goes on in it that looks like an intruder and is none, and what of it is logged.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::LabError;
use crate::sim::{Domain, check, check_names};

/// A kind of work that resembles movement. Each is one file in `daily`, which says what it writes and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// One account asks many servers how they are, every few minutes.
    Polling,
    /// A scanner tries names and passwords on every host, and logs on with its own.
    Scanning,
    /// The backup puts a helper on every server each night.
    Backup,
    /// Administrators who sit at their desk as one account and work as another.
    SecondAccounts,
    /// Accounts that whoever needs them checks out, through a gateway or from the desk.
    CheckOut,
    /// The help desk comes to another workstation each time.
    HelpDesk,
    /// The same act on many hosts within minutes, on some days only.
    Rollouts,
    /// One machine without Windows configures the servers over WS-Management.
    Automation,
    /// A third of the people work on terminal servers.
    Terminals,
    /// Accounts that are made, and accounts that are disabled and still used.
    Turnover,
}

impl Work {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Polling,
        Self::Scanning,
        Self::Backup,
        Self::SecondAccounts,
        Self::CheckOut,
        Self::HelpDesk,
        Self::Rollouts,
        Self::Automation,
        Self::Terminals,
        Self::Turnover,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::Scanning => "scanning",
            Self::Backup => "backup",
            Self::SecondAccounts => "second-accounts",
            Self::CheckOut => "check-out",
            Self::HelpDesk => "help-desk",
            Self::Rollouts => "rollouts",
            Self::Automation => "automation",
            Self::Terminals => "terminals",
            Self::Turnover => "turnover",
        }
    }
}

impl FromStr for Work {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Self, LabError> {
        Self::ALL
            .into_iter()
            .find(|work| work.name() == text)
            .ok_or_else(|| LabError::Options {
                option: "work",
                reason: format!(
                    "`{text}` is not a kind of work; there are {}",
                    Self::ALL.map(Self::name).join(", ")
                ),
            })
    }
}

/// Which logs of an enterprise were collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Telemetry {
    /// Two hosts of three have Sysmon, and of one host in five some or all logs are missing.
    #[default]
    Usual,
    /// Sysmon and process creation on every host, and every log of it.
    Full,
    /// Of each two hosts one has Sysmon; there are hosts with Security alone, with Sysmon alone, and with nothing.
    Mixed,
    /// The logons, tickets and explicit credentials of Security, and nothing else.
    LoginOnly,
}

impl FromStr for Telemetry {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Self, LabError> {
        Ok(match text {
            "usual" => Self::Usual,
            "full" => Self::Full,
            "mixed" => Self::Mixed,
            "login-only" => Self::LoginOnly,
            _ => {
                return Err(LabError::Options {
                    option: "telemetry",
                    reason: format!(
                        "`{text}` is unknown; there are usual, full, mixed and login-only"
                    ),
                });
            }
        })
    }
}

/// The share of hosts whose addresses move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Network {
    /// Of the workstations, those that get the address of another by DHCP each day; 0 leaves the usual twelfth, which gets
    /// any that is free.
    pub leases: f64,
    /// Of the workstations, those that come by VPN.
    pub vpn: f64,
    /// Of the workstations, those in a branch behind one address.
    pub nat: f64,
}

impl Network {
    /// Every host keeps its address, but for the usual leases.
    pub const PLAIN: Self = Self {
        leases: 0.0,
        vpn: 0.0,
        nat: 0.0,
    };
    /// As in large networks.
    pub const HARD: Self = Self {
        leases: 0.2,
        vpn: 0.15,
        nat: 0.06,
    };

    pub(crate) fn is_possible(&self) -> bool {
        [self.leases, self.vpn, self.nat]
            .iter()
            .all(|share| (0.0..=1.0).contains(share))
            && self.vpn + self.nat <= 1.0
    }
}

/// What an enterprise is like beyond its size. [`Profile::default`] is the usual one, which has one account for each
/// person and agents that keep to themselves; [`Profile::hard`] has what large networks have.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// DNS name of the domain.
    pub dns: String,
    /// NetBIOS name of the domain; it need not be the first label of the DNS name.
    pub netbios: String,
    /// Of the logons of people and tools that could be by Kerberos, the share that is by NTLM, 0 to 1. `None` leaves it to
    /// the usual twelfth of administrators' work.
    pub ntlm: Option<f64>,
    /// The kinds of work that resemble movement.
    pub work: BTreeSet<Work>,
    /// Minutes between two rounds of [`Work::Polling`], from 1 to 1440.
    pub poll: u32,
    /// Which logs were collected.
    pub telemetry: Telemetry,
    /// Whose addresses move.
    pub network: Network,
}

impl Default for Profile {
    fn default() -> Self {
        let domain = Domain::default();
        Self {
            dns: domain.dns,
            netbios: domain.netbios,
            ntlm: None,
            work: BTreeSet::new(),
            poll: 10,
            telemetry: Telemetry::Usual,
            network: Network::PLAIN,
        }
    }
}

impl Profile {
    /// An enterprise with every kind of work that resembles movement, a quarter of NTLM, and a NetBIOS name that its DNS
    /// name does not tell.
    pub fn hard() -> Self {
        Self {
            dns: "ad.brightwater.example".into(),
            netbios: "BWGROUP".into(),
            ntlm: Some(0.25),
            work: Work::ALL.into(),
            poll: 10,
            telemetry: Telemetry::Usual,
            network: Network::HARD,
        }
    }

    pub(crate) fn check(&self) -> Result<(), LabError> {
        check_names(&self.dns, &self.netbios)?;
        check(
            self.ntlm.is_none_or(|share| (0.0..=1.0).contains(&share)),
            "ntlm",
            "a share is from 0 to 1",
        )?;
        check(
            self.network.is_possible(),
            "leases, vpn or nat",
            "shares are from 0 to 1, and those of VPN and NAT at most 1 together",
        )?;
        check(
            (1..=1_440).contains(&self.poll),
            "poll",
            "from 1 to 1440 minutes are possible",
        )
    }

    pub(crate) fn has(&self, work: Work) -> bool {
        self.work.contains(&work)
    }
}
