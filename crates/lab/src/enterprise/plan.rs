//! The sites, hosts, accounts and logs of an enterprise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::LabError;
use crate::sim::{Account, Channel, Domain, MINUTE, Package, Random, SECOND, Sim};
use crate::world::micros;

use super::EnterpriseOptions;
use super::crew::{self, Crew};
use super::daily::turnover;
use super::profile::{Profile, Work};
use super::telemetry;

/// No clock is further off than this.
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

const FIRST: [&str; 32] = [
    "Ada", "Bela", "Carl", "Dina", "Emil", "Fina", "Gero", "Hana", "Ivo", "Jana", "Karl", "Lena",
    "Milo", "Nele", "Olaf", "Pia", "Quin", "Rosa", "Sven", "Tara", "Udo", "Vera", "Wim", "Xenia",
    "Yara", "Zeno", "Amir", "Bibi", "Cleo", "Dov", "Ebba", "Finn",
];
const LAST: [&str; 32] = [
    "Abel", "Bruns", "Coster", "Dahl", "Eklund", "Falk", "Grau", "Holm", "Iversen", "Jansen",
    "Kranz", "Lorenz", "Moser", "Nagel", "Ortega", "Paulsen", "Quast", "Richter", "Sommer",
    "Thoma", "Ulrich", "Vogel", "Winter", "Yilmaz", "Zander", "Arnold", "Becker", "Conrad",
    "Dietz", "Engel", "Franke", "Geiger",
];
const SITES: [&str; 4] = ["KEL", "TID", "MOR", "PIL"];

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
    /// Administrators go on from here.
    Jump,
    /// Whoever checked out an account goes on from here.
    Gateway,
    /// Configures others; it is no Windows host.
    Automation,
    /// From here administrators work.
    AdminStation,
    Workstation,
}

impl Role {
    fn name(self) -> &'static str {
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

    pub(crate) fn is_server(self) -> bool {
        !matches!(self, Self::AdminStation | Self::Workstation)
    }
}

/// The enterprise while it is simulated.
pub(crate) struct World {
    pub(crate) sim: Sim,
    /// Of each host.
    pub(crate) roles: Vec<Role>,
    /// Site of each host.
    pub(crate) sites: Vec<usize>,
    /// Whose each workstation is: index of the account.
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
    /// Accounts of services with names that tickets are asked for, by site; they administer the database servers.
    pub(crate) services: Vec<usize>,
    /// Hosts that have OpenSSH's server.
    pub(crate) ssh: BTreeSet<usize>,
    pub(crate) left_out: BTreeSet<(usize, Channel)>,
    /// Who certainly comes to work: day and host.
    pub(crate) present: BTreeSet<(usize, usize)>,
    /// Remote access of daily work.
    pub(crate) daily: BTreeMap<(usize, usize, String), BTreeMap<&'static str, u64>>,
    /// Tickets that are still in a client's cache: source, destination, account.
    pub(crate) tickets: BTreeSet<(usize, usize, usize)>,
    pub(crate) volume: f64,
    pub(crate) profile: Profile,
    pub(crate) crew: Crew,
    /// The first and the last day of those who join or leave, by workstation.
    pub(crate) employed: BTreeMap<usize, (usize, usize)>,
    pub(crate) seed: u64,
    /// Number of the day that is simulated.
    pub(crate) today: usize,
    /// Of each source, destination and account of daily work the first and the last day.
    pub(crate) seen: BTreeMap<(usize, usize, String), (usize, usize)>,
}

impl World {
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

    pub(crate) fn servers(&self) -> Vec<usize> {
        (0..self.roles.len())
            .filter(|host| self.roles[*host].is_server())
            .collect()
    }

    /// Notes remote access that is daily work.
    pub(crate) fn note(&mut self, src: usize, dst: usize, account: &str, kind: &'static str) {
        let today = self.today;
        self.seen
            .entry((src, dst, account.to_owned()))
            .or_insert((today, today))
            .1 = today;
        *self
            .daily
            .entry((src, dst, account.to_owned()))
            .or_default()
            .entry(kind)
            .or_default() += 1;
    }

    /// Whether a new ticket is needed; it is in the cache for the day then.
    pub(crate) fn needs_ticket(&mut self, src: usize, dst: usize, account: usize) -> bool {
        self.tickets.insert((src, dst, account))
    }

    /// Makes an account, for a person with first and last name; `admin` where it administers hosts.
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

    /// How a logon is authenticated where tools leave the choice to Windows: Kerberos, unless the profile has a share of
    /// NTLM (addresses for names, hosts outside the domain, old software).
    pub(crate) fn package(&mut self) -> Package {
        match self.profile.ntlm {
            Some(share) => self.drawn(share),
            None => Package::Kerberos,
        }
    }

    /// The same for the tools of administrators, who give addresses now and then in any enterprise.
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

    /// True with a chance of `part` in `whole`.
    pub(crate) fn chance(&mut self, part: u64, whole: u64) -> bool {
        self.sim.random.below(whole) < part
    }

    /// A number about `usual`, as the volume has it.
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

    /// A twelfth of the workstations get another address by DHCP; what is free may be one that another had before.
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

/// Makes sites, hosts and accounts, and decides which logs there are.
pub(crate) fn populate(options: &EnterpriseOptions) -> Result<World, LabError> {
    let mut random = Random(options.seed ^ 0x656e_7465_7270);
    let part = |random: &mut Random| 1_000_000_000 + random.below(3_000_000_000);
    let domain_sid = format!(
        "S-1-5-21-{}-{}-{}",
        part(&mut random),
        part(&mut random),
        part(&mut random)
    );
    let first_day = micros(options.start)?;
    let mut world = World {
        sim: Sim {
            random,
            hosts: Vec::new(),
            accounts: Vec::new(),
            domain: Arc::new(Domain::new(&options.profile.dns, &options.profile.netbios)),
            domain_sid,
            pending: Vec::new(),
            conns: Vec::new(),
            marks: Vec::new(),
        },
        roles: Vec::new(),
        sites: Vec::new(),
        owners: BTreeMap::new(),
        help_desk: Vec::new(),
        administrators: Vec::new(),
        domain_administrators: Vec::new(),
        backup: 0,
        deployment: 0,
        scanner: 0,
        monitoring: 0,
        sync: 0,
        services: Vec::new(),
        ssh: BTreeSet::new(),
        left_out: BTreeSet::new(),
        present: BTreeSet::new(),
        daily: BTreeMap::new(),
        tickets: BTreeSet::new(),
        volume: options.volume,
        profile: options.profile.clone(),
        crew: Crew::default(),
        employed: BTreeMap::new(),
        seed: options.seed,
        today: 0,
        seen: BTreeMap::new(),
    };
    let sites = (options.hosts / 60).clamp(1, SITES.len());
    let servers = (options.hosts / 5).max(6);
    let mut wanted: Vec<(Role, usize)> = (0..sites).map(|site| (Role::Controller, site)).collect();
    wanted.extend((0..sites).map(|site| (Role::Files, site)));
    wanted.extend((0..sites).map(|site| (Role::Database, site)));
    wanted.extend(
        [
            Role::Backup,
            Role::Deployment,
            Role::Monitoring,
            Role::Scanner,
            Role::Sync,
            Role::Terminal,
        ]
        .map(|role| (role, 0)),
    );
    // Small enterprises do without the last of them.
    wanted.truncate(servers.max(sites * 3 + 1));
    let mut more = 0;
    while wanted.len() < servers {
        wanted.push((Role::Application, more % sites));
        more += 1;
    }
    wanted.extend(
        crew::hosts(&options.profile.work, options.hosts)
            .into_iter()
            .map(|role| (role, 0)),
    );
    wanted.extend((0..sites).map(|site| (Role::AdminStation, site)));
    let mut at = 0;
    while wanted.len() < options.hosts {
        wanted.push((Role::Workstation, at % sites));
        at += 1;
    }
    let mut counts: BTreeMap<(Role, usize), usize> = BTreeMap::new();
    let mut in_subnet: BTreeMap<u8, u8> = BTreeMap::new();
    for (role, site) in wanted {
        let count = counts.entry((role, site)).or_default();
        *count += 1;
        let count = *count;
        let code = match role {
            Role::Controller => "DC",
            Role::Files => "FS",
            Role::Database => "SQL",
            Role::Application => "APP",
            Role::Terminal => "RDS",
            Role::Backup => "BKP",
            Role::Deployment => "SWD",
            Role::Monitoring => "MON",
            Role::Scanner => "SCN",
            Role::Sync => "SYN",
            Role::Jump => "JMP",
            Role::Gateway => "PAM",
            Role::Automation => "CFG",
            Role::AdminStation => "ADM",
            Role::Workstation => "WS",
        };
        let name = if role == Role::Workstation {
            format!("{}-{code}{count:04}", SITES[site])
        } else {
            format!("{}-{code}{count:02}", SITES[site])
        };
        let base = u8::try_from(site * 32).unwrap_or(0);
        let net = if role.is_server() {
            base
        } else {
            base + 1 + u8::try_from(count / 180).unwrap_or(30).min(30)
        };
        let last = in_subnet.entry(net).or_insert(20);
        *last = last.saturating_add(1);
        let last = *last;
        let (sysmon, audit) = match role {
            Role::Controller => (world.sim.random.below(2) == 0, true),
            Role::Workstation => (
                world.sim.random.below(3) != 0,
                world.sim.random.below(4) == 0,
            ),
            _ => (
                world.sim.random.below(3) != 0,
                world.sim.random.below(2) == 0,
            ),
        };
        let up = i64::try_from(world.sim.random.below(40)).unwrap_or(0) + 2;
        let boot = first_day - up * 24 * 60 * MINUTE + world.sim.random.span(600 * MINUTE);
        world
            .sim
            .add_host(name, (net, last), role.name(), "", boot, (sysmon, audit));
        let host = world.roles.len();
        world.roles.push(role);
        world.sites.push(site);
        // The controllers come first, one for each site.
        world.sim.hosts[host].controller = site;
        if role != Role::Controller && world.sim.random.below(33) == 0 {
            let off = 5 * SECOND + world.sim.random.span(MOST_SKEW - 10 * SECOND);
            let ahead = world.sim.random.below(2) == 0;
            world.sim.hosts[host].skew = if ahead { off } else { -off };
        }
        if role.is_server() && role != Role::Controller && world.sim.random.below(8) == 0 {
            world.ssh.insert(host);
        }
        let left_out: &[Channel] = match world.sim.random.below(100) {
            0..3 if role == Role::Workstation => &CHANNELS,
            3..8 if role != Role::Controller => &[Channel::Security],
            8..12 => &[Channel::System],
            12..20 => &CHANNELS[3..],
            _ => &[],
        };
        world
            .left_out
            .extend(left_out.iter().map(|channel| (host, *channel)));
    }
    if sites > 2 {
        // Nobody has the logs of the last site's controller.
        world
            .left_out
            .extend(CHANNELS.map(|channel| (sites - 1, channel)));
    }
    telemetry::choose(&mut world, options.profile.telemetry, options.seed);
    for host in world.of(Role::Automation) {
        world.sim.hosts[host].sysmon = false;
        world.sim.hosts[host].process_audit = false;
        world
            .left_out
            .extend(CHANNELS.map(|channel| (host, channel)));
    }
    accounts(&mut world, sites);
    crew::hire(&mut world);
    if options.profile.has(Work::Turnover) {
        turnover::plan(&mut world, options.days, options.seed);
    }
    Ok(world)
}

fn accounts(world: &mut World, sites: usize) {
    let hosts: Vec<usize> = world.workstations().collect();
    for (number, host) in hosts.into_iter().enumerate() {
        let first = FIRST[number % FIRST.len()];
        let last = LAST[(number / FIRST.len() + number * 7) % LAST.len()];
        let round = number / (FIRST.len() * LAST.len());
        let mut name = format!("{first}.{last}").to_lowercase();
        if world
            .sim
            .accounts
            .iter()
            .any(|account| account.name == name)
        {
            name = format!("{name}{}", round + 2 + number / FIRST.len());
        }
        let account = world.add_account(name, (first, last), false);
        world.owners.insert(host, account);
    }
    for (site, code) in SITES.iter().enumerate().take(sites) {
        let code = code.to_lowercase();
        let help = world.add_account(format!("hd.{code}"), ("Help", "Desk"), true);
        world.help_desk.push(help);
        let admin = world.add_account(format!("adm.{code}"), ("Site", "Admin"), true);
        world.administrators.push(admin);
        let service = world.add_account(format!("svc_sql_{code}"), ("", ""), true);
        world.services.push(service);
        if let Some(station) = world.at(Role::AdminStation, site) {
            world.owners.insert(station, admin);
        }
    }
    for name in ["da.lindgren", "da.okafor"] {
        let one = world.add_account(name.into(), ("Domain", "Admin"), true);
        world.domain_administrators.push(one);
    }
    world.backup = world.add_account("svc_backup".into(), ("", ""), true);
    world.deployment = world.add_account("svc_deploy".into(), ("", ""), true);
    world.scanner = world.add_account("svc_vulnscan".into(), ("", ""), true);
    world.monitoring = world.add_account("svc_monitor".into(), ("", ""), true);
    world.sync = world.add_account("MSOL_4f1d2a7c9b3e".into(), ("", ""), false);
}
