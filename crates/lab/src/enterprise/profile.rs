//! How hard an enterprise is: which of its activity looks like an intruder's although it is not, and what is logged.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::LabError;
use crate::sim::{Domain, check, check_names};

/// A kind of work that resembles movement. Each has a file in `daily`, which explains what it writes and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// One account queries many servers every few minutes.
    Polling,
    /// A scanner tries names and passwords on every host, and logs on with its own account.
    Scanning,
    /// The backup installs a helper on every server each night.
    Backup,
    /// Administrators who log on at their desk as one account and work as another.
    SecondAccounts,
    /// Accounts checked out on demand, through a gateway or at the desk.
    CheckOut,
    /// The help desk visits a different workstation each time.
    HelpDesk,
    /// The same act on many hosts within minutes, only on some days.
    Rollouts,
    /// One non-Windows machine configures the servers over WS-Management.
    Automation,
    /// A third of the staff works on terminal servers.
    Terminals,
    /// Newly created accounts, and disabled accounts that are still used.
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
                    "`{text}` is not a kind of work; the kinds are {}",
                    Self::ALL.map(Self::name).join(", ")
                ),
            })
    }
}

/// Which logs of an enterprise were collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Telemetry {
    /// Two thirds of the hosts have Sysmon, and a fifth of the hosts lack some or all logs.
    #[default]
    Usual,
    /// Sysmon and process creation on every host, and all of its logs.
    Full,
    /// Half of the hosts have Sysmon; there are hosts with Security only, with Sysmon only, and with nothing.
    Mixed,
    /// Only Security's logons, tickets and explicit credentials.
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
                    reason: format!("`{text}` is unknown; choose usual, full, mixed or login-only"),
                });
            }
        })
    }
}

/// The share of hosts with changing addresses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Network {
    /// The share of workstations that get another's address by DHCP each day; 0 leaves the usual twelfth, which gets
    /// any free address.
    pub leases: f64,
    /// The share of workstations that connect by VPN.
    pub vpn: f64,
    /// The share of workstations in a branch behind one address.
    pub nat: f64,
}

impl Network {
    /// Every host keeps its address, except for the usual leases.
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

/// The properties of an enterprise beyond its size. [`Profile::default`] is the usual one, with one account per person
/// and agents that keep to themselves; [`Profile::hard`] has what large networks have.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// DNS name of the domain.
    pub dns: String,
    /// NetBIOS name of the domain; it need not be the first label of the DNS name.
    pub netbios: String,
    /// The share of NTLM among people's and tools' logons that could use Kerberos, 0 to 1. `None` leaves it to the
    /// usual twelfth of administrators' work.
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
    /// An enterprise with every kind of work that resembles movement, a quarter of NTLM, and a NetBIOS name that does
    /// not follow from its DNS name.
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
