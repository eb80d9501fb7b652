//! Founding an enterprise: its sites, hosts, accounts and logs, from the options and the seed.

use std::collections::{BTreeMap, BTreeSet};

use crate::LabError;
use crate::clock::micros;
use crate::sim::{Channel, MINUTE, Random, SECOND, Sim};

use super::EnterpriseOptions;
use super::crew::{self, Crew};
use super::daily::turnover;
use super::plan::{CHANNELS, Company, MOST_SKEW, Role};
use super::profile::Work;
use super::telemetry;

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

/// Creates sites, hosts and accounts, and decides which logs exist.
pub(crate) fn populate(options: &EnterpriseOptions) -> Result<Company, LabError> {
    let random = Random(options.seed ^ 0x656e_7465_7270);
    let first_day = micros(options.start)?;
    let mut world = Company {
        sim: Sim::new(random, &options.profile.dns, &options.profile.netbios),
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
        // The controllers come first, one per site.
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
        // The logs of the last site's controller are missing.
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

fn accounts(world: &mut Company, sites: usize) {
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
