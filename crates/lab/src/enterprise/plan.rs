//! The sites, hosts, accounts and logs of an enterprise.

use std::collections::{BTreeMap, BTreeSet};

use crate::sim::{Account, Channel, MINUTE, Package, Sim};

use super::crew::Crew;
use super::profile::Profile;

/// Maximum clock error.
pub(crate) const MOST_SKEW: i64 = 4 * MINUTE;

/// All channels that the enterprise writes.
pub(crate) const CHANNELS: [Channel; 10] = [
    Channel::Security,
    Channel::System,
    Channel::Sysmon,
    Channel::Sessions,
    Channel::Connections,
    Channel::RdpClient,
    Channel::Tasks,
    Channel::WinRm,
    Channel::RdpCore,
    Channel::OpenSsh,
];

/// What a host is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Controller,
    Files,
    Database,
    Application,
    /// Many users work on it by remote desktop.
    Terminal,
    Backup,
    Deployment,
    Monitoring,
    Scanner,
    /// Copies accounts to a cloud directory.
    Sync,
    /// Administrators go onward from here.
    Jump,
    /// Whoever checked out an account goes onward from here.
    Gateway,
    /// Configures others; it is not a Windows host.
    Automation,
    /// Administrators work from here.
    AdminStation,
    Workstation,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Controller => "domain controller",
            Self::Files => "file server",
            Self::Database => "database server",
            Self::Application => "application server",
            Self::Terminal => "terminal server",
            Self::Backup => "backup server",
            Self::Deployment => "software deployment",
            Self::Monitoring => "monitoring",
            Self::Scanner => "vulnerability scanner",
            Self::Sync => "directory synchronisation",
            Self::Jump => "jump host",
            Self::Gateway => "privileged access gateway",
            Self::Automation => "automation server",
            Self::AdminStation => "admin workstation",
            Self::Workstation => "workstation",
        }
    }

    /// Whether it is in the servers' network.
    pub(crate) fn is_server(self) -> bool {
        !matches!(self, Self::AdminStation | Self::Workstation)
    }

    /// Whether it runs Windows: only then can daily work or an intruder do to it what the lab writes.
    pub(crate) fn is_windows(self) -> bool {
        self != Self::Automation
    }
}

/// The enterprise during simulation.
pub(crate) struct Company {
    pub(crate) sim: Sim,
    /// Of each host.
    pub(crate) roles: Vec<Role>,
    /// Site of each host.
    pub(crate) sites: Vec<usize>,
    /// The owner of each workstation: index of the account.
    pub(crate) owners: BTreeMap<usize, usize>,
    /// Administrators of workstations, by site.
    pub(crate) help_desk: Vec<usize>,
    /// Administrators of servers, by site.
    pub(crate) administrators: Vec<usize>,
    pub(crate) domain_administrators: Vec<usize>,
    pub(crate) backup: usize,
    pub(crate) deployment: usize,
    pub(crate) scanner: usize,
    pub(crate) monitoring: usize,
    pub(crate) sync: usize,
    /// Service accounts with names for which tickets are requested, by site; they administer the database servers.
    pub(crate) services: Vec<usize>,
    /// Hosts with OpenSSH's server.
    pub(crate) ssh: BTreeSet<usize>,
    pub(crate) left_out: BTreeSet<(usize, Channel)>,
    /// Who certainly comes to work: day and host.
    pub(crate) present: BTreeSet<(usize, usize)>,
    /// Tickets still in a client's cache: source, destination, account.
    pub(crate) tickets: BTreeSet<(usize, usize, usize)>,
    pub(crate) volume: f64,
    pub(crate) profile: Profile,
    pub(crate) crew: Crew,
    /// The first and last day of those who join or leave, by workstation.
    pub(crate) employed: BTreeMap<usize, (usize, usize)>,
    pub(crate) seed: u64,
    /// Number of the simulated day.
    pub(crate) today: usize,
    /// The first and last day of each source, destination and account of daily work.
    pub(crate) seen: BTreeMap<(usize, usize, String), (usize, usize)>,
}

impl Company {
    pub(crate) fn of(&self, role: Role) -> Vec<usize> {
        (0..self.roles.len())
            .filter(|host| self.roles[*host] == role)
            .collect()
    }

    pub(crate) fn at(&self, role: Role, site: usize) -> Option<usize> {
        (0..self.roles.len()).find(|host| self.roles[*host] == role && self.sites[*host] == site)
    }

    pub(crate) fn workstations(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.roles.len()).filter(|host| self.roles[*host] == Role::Workstation)
    }

    /// All hosts that run Windows.
    pub(crate) fn windows(&self) -> Vec<usize> {
        (0..self.roles.len())
            .filter(|host| self.roles[*host].is_windows())
            .collect()
    }

    /// All servers that run Windows.
    pub(crate) fn servers(&self) -> Vec<usize> {
        let mut all = self.windows();
        all.retain(|host| self.roles[*host].is_server());
        all
    }

    /// The servers that neither run the domain nor serve as a way onward.
    pub(crate) fn member_servers(&self) -> Vec<usize> {
        let mut all = self.servers();
        all.retain(|host| {
            !matches!(
                self.roles[*host],
                Role::Controller | Role::Jump | Role::Gateway
            )
        });
        all
    }

    /// Records remote access that is daily work.
    pub(crate) fn note(&mut self, src: usize, dst: usize, account: &str, kind: &'static str) {
        let today = self.today;
        self.seen
            .entry((src, dst, account.to_owned()))
            .or_insert((today, today))
            .1 = today;
        self.sim.note(src, dst, account, kind);
    }

    /// Whether a new ticket is needed; afterwards it is in the cache for the day.
    pub(crate) fn needs_ticket(&mut self, src: usize, dst: usize, account: usize) -> bool {
        self.tickets.insert((src, dst, account))
    }

    /// Creates an account, for a person with first and last name; `admin` if it administers hosts.
    pub(crate) fn add_account(&mut self, name: String, people: (&str, &str), admin: bool) -> usize {
        let sid = format!(
            "{}-{}",
            self.sim.domain_sid,
            10_001 + self.sim.accounts.len()
        );
        self.sim.accounts.push(Account {
            name,
            first: people.0.into(),
            last: people.1.into(),
            sid,
            admin,
            category: if admin { "privileged" } else { "normal" },
        });
        self.sim.accounts.len() - 1
    }

    /// The authentication of a logon if tools leave the choice to Windows: Kerberos, unless the profile has a share of
    /// NTLM (addresses for names, hosts outside the domain, old software).
    pub(crate) fn package(&mut self) -> Package {
        match self.profile.ntlm {
            Some(share) => self.drawn(share),
            None => Package::Kerberos,
        }
    }

    /// The same for administrators' tools, which are sometimes given addresses in any enterprise.
    pub(crate) fn tool_package(&mut self) -> Package {
        match self.profile.ntlm {
            Some(share) => self.drawn(share),
            None => self.drawn_of(1, 12),
        }
    }

    fn drawn(&mut self, share: f64) -> Package {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 1"
        )]
        let thousandths = (share * 1000.0) as u64;
        self.drawn_of(thousandths, 1000)
    }

    fn drawn_of(&mut self, part: u64, whole: u64) -> Package {
        if self.chance(part, whole) {
            Package::Ntlm
        } else {
            Package::Kerberos
        }
    }

    /// True with a probability of `part` in `whole`.
    pub(crate) fn chance(&mut self, part: u64, whole: u64) -> bool {
        self.sim.random.below(whole) < part
    }

    /// A number around `usual`, scaled by the volume.
    pub(crate) fn some(&mut self, usual: f64) -> u64 {
        let wanted = usual * self.volume;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small and not negative"
        )]
        let thousandths = (wanted * 1000.0) as u64;
        let spread = thousandths / 2 + self.sim.random.below(thousandths.max(1));
        spread / 1000 + u64::from(self.sim.random.below(1000) < spread % 1000)
    }

    pub(crate) fn not_collected(&self, host: usize) -> Vec<String> {
        let missing: Vec<Channel> = CHANNELS
            .into_iter()
            .filter(|channel| self.left_out.contains(&(host, *channel)))
            .collect();
        if missing.len() == CHANNELS.len() {
            return vec!["*".into()];
        }
        missing
            .into_iter()
            .map(|channel| channel.name().to_owned())
            .collect()
    }

    /// A twelfth of the workstations get another address by DHCP; a free address may be one that another had before.
    pub(crate) fn new_addresses(&mut self, day: usize) {
        self.tickets.clear();
        self.sim.new_day();
        if day == 0 {
            return;
        }
        if self.profile.network.leases > 0.0 {
            // Then they take each other's.
            return;
        }
        for host in self.workstations().collect::<Vec<_>>() {
            if !self.chance(1, 12) {
                continue;
            }
            let Some((net, _)) = self.sim.hosts[host].ip.rsplit_once('.') else {
                continue;
            };
            let net = net.to_owned();
            let taken: BTreeSet<String> =
                self.sim.hosts.iter().map(|host| host.ip.clone()).collect();
            for _ in 0..20 {
                let ip = format!("{net}.{}", 20 + self.sim.random.below(230));
                if !taken.contains(&ip) {
                    self.sim.hosts[host].ip = ip;
                    break;
                }
            }
        }
    }
}
