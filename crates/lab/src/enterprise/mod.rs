//! A simulated enterprise: hundreds of hosts at several sites over weeks, with the daily work that looks like
//! movement, and with any number of intrusions in it.
//!
//! [`build`] makes it deterministically from a seed as EVTX files, and [`Truth`] says what the intruders did, and who
//! else went from host to host, so that a hunt can be measured. Shapes of events are those that Windows writes; they are
//! not made for whoever reads them.

pub(crate) mod acts;
mod background;
mod crew;
mod daily;
mod founding;
mod hopper;
mod intrusion;
mod logons;
mod network;
mod plan;
mod profile;
mod telemetry;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

use crate::LabError;
use crate::sim::{Channel, check};
use crate::world::{Output, micros, rfc3339, tomorrow};

pub use hopper::{Attack, Goal, Stealth};
pub use logons::{LogonOptions, LogonWorld, build_logons};
pub use profile::{Network, Profile, Telemetry, Work};

/// What enterprise to make.
#[derive(Debug, Clone)]
pub struct EnterpriseOptions {
    /// Seed: the same seed and options give the same files, byte for byte.
    pub seed: u64,
    /// First day (UTC).
    pub start: Date,
    /// Days, weekends included; at least two.
    pub days: usize,
    /// Hosts, from 12 to 5000.
    pub hosts: usize,
    /// Intrusions, at most one for each three workstations.
    pub intrusions: usize,
    /// How much goes on besides the intrusions, 1 being usual; from 0 to 20.
    pub volume: f64,
    /// What it is like beyond its size.
    pub profile: Profile,
    /// Attacks by goal and stealth instead of the usual intrusions, in turn.
    pub attacks: Vec<Attack>,
}

impl Default for EnterpriseOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            start: Date::constant(2026, 2, 2),
            days: 30,
            hosts: 500,
            intrusions: 10,
            volume: 1.0,
            profile: Profile::default(),
            attacks: Vec::new(),
        }
    }
}

/// A movement of an intruder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantedHop {
    /// Source host.
    pub src: String,
    /// Destination host.
    pub dst: String,
    /// Account that logged on to the destination, without its domain.
    pub account: String,
    /// Account of the session on the source from which the intruder went, without its domain; `SYSTEM` for the system's.
    #[serde(default)]
    pub actor: String,
    /// How, in words, such as `PsExec, renamed`.
    pub method: String,
    /// How the intruder came to use the account, in words.
    pub credentials: String,
    /// ATT&CK technique.
    pub technique: String,
    /// When, RFC 3339, UTC, by a clock that is right.
    pub time: String,
    /// How far the clocks of the two hosts are off at most, seconds.
    pub skew: u64,
    /// Records of it in the logs that were collected, by `host channel event-id`.
    pub records: BTreeMap<String, u64>,
}

/// One intrusion: hops that follow from each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intrusion {
    /// Name in this world.
    pub id: String,
    /// What the intruder wanted and how stealthy he was, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<Attack>,
    /// The host where it began.
    pub entry: String,
    /// The hops, in the order of time.
    pub hops: Vec<PlantedHop>,
    /// The host whose Security log the intruder cleared, where that is so.
    pub cleared: Option<String>,
    /// The service accounts whose tickets were asked for to be cracked.
    pub roasted: Vec<String>,
}

/// Remote access that belongs to daily work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DailyAccess {
    /// Source host.
    pub src: String,
    /// Destination host.
    pub dst: String,
    /// Account.
    pub account: String,
    /// What it was and how often, such as `remote desktop`.
    pub kinds: BTreeMap<String, u64>,
}

/// A host of the enterprise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnterpriseHost {
    /// NetBIOS name.
    pub name: String,
    /// Fully qualified name.
    pub fqdn: String,
    /// Addresses, in the order in which it had them.
    pub ips: Vec<String>,
    /// What it is for.
    pub role: String,
    /// Whether Sysmon runs on it.
    pub sysmon: bool,
    /// Whether Security has process creation.
    pub process_auditing: bool,
    /// Channels that nobody collected, or `*` for all.
    pub not_collected: Vec<String>,
    /// How far its clock is ahead, seconds; negative where it is behind.
    pub skew: i64,
}

/// What is in an enterprise; also written as `truth.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// `enterprise`.
    pub kind: String,
    /// The seed.
    pub seed: u64,
    /// DNS name of the domain.
    pub domain: String,
    /// NetBIOS name of the domain.
    pub netbios: String,
    /// First day.
    pub start: String,
    /// Days.
    pub days: u64,
    /// Records in all logs.
    pub events: u64,
    /// Of these the logons from other hosts: 4624 of type 3, 8 or 10.
    #[serde(default)]
    pub logons: u64,
    /// Size of all EVTX files in bytes.
    pub evtx_bytes: u64,
    /// The hosts.
    pub hosts: Vec<EnterpriseHost>,
    /// The intrusions.
    pub intrusions: Vec<Intrusion>,
    /// Who else goes from where to where.
    pub daily: Vec<DailyAccess>,
}

/// Makes an enterprise in `directory`: a directory of EVTX files for each host, and `truth.json`.
///
/// # Errors
/// When the options describe no enterprise or a file cannot be written.
pub fn build(options: &EnterpriseOptions, directory: &Path) -> Result<Truth, LabError> {
    check(options.days >= 2, "days", "at least two are needed")?;
    check(options.days <= 400, "days", "at most 400 are possible")?;
    check(
        (12..=5_000).contains(&options.hosts),
        "hosts",
        "from 12 to 5000 are possible",
    )?;
    check(
        (0.0..=20.0).contains(&options.volume),
        "volume",
        "from 0 to 20 is possible",
    )?;
    options.profile.check()?;
    fs::create_dir_all(directory).map_err(|error| LabError::io("create", directory, error))?;
    let mut world = founding::populate(options)?;
    let workstations = world.workstations().count();
    check(
        options.intrusions * 3 <= workstations,
        "intrusions",
        "there are too few workstations for so many; give more hosts or fewer intrusions",
    )?;
    let mut intrusions = intrusion::plan(&mut world, options)?;
    let mut output = Output::new(directory)?;
    output.left_out = world.left_out.clone();
    if options.profile.telemetry == Telemetry::LoginOnly {
        output.only = Some(&telemetry::LOGONS);
    }
    for one in &intrusions {
        if let Some((host, at)) = one.clears {
            // What the log shows follows the host's own clock.
            let at = at + world.sim.hosts[host].skew;
            output.cleared.insert((host, Channel::Security), at);
        }
    }
    let mut addresses: Vec<BTreeSet<(usize, String)>> =
        vec![BTreeSet::new(); world.sim.hosts.len()];
    let mut date = options.start;
    for number in 0..options.days {
        let midnight = micros(date)?;
        let next = tomorrow(date)?;
        world.today = number;
        world.new_addresses(number);
        network::day(&mut world, midnight, number);
        for (host, seen) in world.sim.hosts.iter().zip(&mut addresses) {
            let moved = host.moved.as_ref().map(|(_, ip)| ip);
            for own in std::iter::once(&host.ip).chain(moved).chain(&host.behind) {
                if !seen.iter().any(|(_, ip)| ip == own) {
                    seen.insert((number, own.clone()));
                }
            }
        }
        let working = !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        let day = background::Day {
            midnight,
            number,
            working,
        };
        let seats = background::day(&mut world, day);
        daily::day(&mut world, day, &seats);
        intrusion::day(&mut world, &mut intrusions, &seats, micros(next)?);
        world.sim.conns.clear();
        // Clocks that are ahead write into tomorrow.
        output.flush(&mut world.sim, micros(next)? - plan::MOST_SKEW)?;
        date = next;
    }
    output.flush(&mut world.sim, i64::MAX)?;
    let (events, logons) = (output.events(), output.logons());
    let evtx_bytes = output.bytes();
    output.finish()?;
    let name = |host: usize| world.sim.hosts[host].name.clone();
    let truth = Truth {
        kind: "enterprise".into(),
        seed: options.seed,
        domain: world.sim.domain.dns.clone(),
        netbios: world.sim.domain.netbios.clone(),
        start: options.start.to_string(),
        days: options.days as u64,
        events,
        logons,
        evtx_bytes,
        hosts: world
            .sim
            .hosts
            .iter()
            .zip(addresses)
            .enumerate()
            .map(|(index, (host, ips))| EnterpriseHost {
                name: host.name.clone(),
                fqdn: host.fqdn(),
                ips: ips.into_iter().map(|(_, ip)| ip).collect(),
                role: host.role.into(),
                sysmon: host.sysmon,
                process_auditing: host.process_audit,
                not_collected: world.not_collected(index),
                skew: host.skew / crate::sim::SECOND,
            })
            .collect(),
        intrusions: intrusions
            .into_iter()
            // An attack that found no way to its goal did not take place.
            .filter(|one| one.attack.is_none() || !one.done.is_empty())
            .map(|one| {
                let cleared = one.clears.map(|(host, _)| name(host));
                let hops = one
                    .done
                    .into_iter()
                    .map(|done| {
                        let mut records: BTreeMap<String, u64> = BTreeMap::new();
                        for evidence in &world.sim.marks[done.mark] {
                            let key = format!(
                                "{} {} {}",
                                evidence.host, evidence.channel, evidence.event_id
                            );
                            *records.entry(key).or_default() += 1;
                        }
                        let skew = [done.src, done.dst]
                            .into_iter()
                            .map(|host| world.sim.hosts[host].skew.unsigned_abs())
                            .max()
                            .unwrap_or(0);
                        PlantedHop {
                            src: name(done.src),
                            dst: name(done.dst),
                            account: done.account,
                            actor: done.actor,
                            method: done.method.into(),
                            credentials: done.credentials.into(),
                            technique: done.technique.into(),
                            time: rfc3339(done.time),
                            skew: skew.div_ceil(1_000_000),
                            records,
                        }
                    })
                    .collect();
                Intrusion {
                    id: format!("intrusion-{}", one.number + 1),
                    attack: one.attack,
                    entry: name(one.entry),
                    hops,
                    cleared,
                    roasted: one.roasted,
                }
            })
            .collect(),
        daily: world
            .daily
            .iter()
            .map(|((src, dst, account), kinds)| DailyAccess {
                src: name(*src),
                dst: name(*dst),
                account: account.clone(),
                kinds: kinds
                    .iter()
                    .map(|(kind, count)| ((*kind).to_owned(), *count))
                    .collect(),
            })
            .collect(),
    };
    let path = directory.join("truth.json");
    let text = serde_json::to_string(&truth)
        .map_err(|error| LabError::io("write", &path, std::io::Error::other(error)))?;
    fs::write(&path, text + "\n").map_err(|error| LabError::io("write", &path, error))?;
    Ok(truth)
}
