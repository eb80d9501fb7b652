//! A simulated enterprise: hundreds of hosts at several sites over weeks, with daily work that looks like movement, and
//! with any number of intrusions.
//!
//! It is generated deterministically from a seed as EVTX files, and [`Truth`] records what the intruders did, and who
//! else went from host to host, so that a hunt can be measured. Events have the form that Windows gives them; they are
//! not tailored to any reader.

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

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jiff::civil::{Date, Weekday};

use crate::LabError;
use crate::clock::{micros, rfc3339, tomorrow};
use crate::output::Output;
use crate::sim::{Channel, check};
use crate::truth::{Intrusion, PlantedHop, SCHEMA, Truth, TruthHost, WorldKind, counts};

pub use crate::attack::{Attack, Goal, Stealth};
pub use logons::{LogonOptions, LogonWorld, build_logons};
pub use profile::{Network, Profile, Telemetry, Work};

/// The enterprise to generate.
#[derive(Debug, Clone)]
pub struct EnterpriseOptions {
    /// Seed: the same seed and options give the same files, byte for byte.
    pub seed: u64,
    /// First day (UTC).
    pub start: Date,
    /// Days, including weekends; at least two.
    pub days: usize,
    /// Hosts, from 12 to 5000.
    pub hosts: usize,
    /// Intrusions, at most one per three workstations.
    pub intrusions: usize,
    /// Amount of activity besides the intrusions, 1 being usual; from 0 to 20.
    pub volume: f64,
    /// Its properties beyond its size.
    pub profile: Profile,
    /// Attacks by goal and stealth instead of the usual intrusions, in rotation.
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

/// Generates the enterprise; see [`crate::build`].
pub(crate) fn build(options: &EnterpriseOptions, directory: &Path) -> Result<Truth, LabError> {
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
            // The log follows the host's own clock.
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
        schema: SCHEMA.into(),
        kind: WorldKind::Enterprise,
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
            .map(|(index, (host, ips))| TruthHost {
                name: host.name.clone(),
                fqdn: host.fqdn(),
                ips: ips.into_iter().map(|(_, ip)| ip).collect(),
                role: host.role.into(),
                sysmon: host.sysmon,
                process_auditing: host.process_audit,
                not_collected: world.not_collected(index),
                skew: host.skew / crate::sim::SECOND,
                ..TruthHost::default()
            })
            .collect(),
        intrusions: intrusions
            .into_iter()
            // An attack without a route to its goal did not take place.
            .filter(|one| one.attack.is_none() || !one.done.is_empty())
            .map(|one| {
                let cleared = one.clears.map(|(host, _)| name(host));
                let hops = one
                    .done
                    .into_iter()
                    .map(|done| {
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
                            records: counts(&world.sim.marks[done.mark]),
                            ..PlantedHop::default()
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
        daily: world.sim.daily_access(),
        ..Truth::default()
    };
    truth.write(directory)?;
    Ok(truth)
}
