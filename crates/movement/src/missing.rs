//! The missing witnesses of a hop, and the reasons.

use crabwalk_activity::HostId;
use crabwalk_activity::channel::{is_of_a_host, is_syslog};
use hashbrown::HashMap;

use crate::assemble::{Draft, Witness};
use crate::evidence::Kind;
use crate::words::Sentence;
use crate::world::World;

/// A witness that a hop lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The witness that is missing.
    pub kind: Kind,
    /// Why, for people.
    pub why: Sentence,
}

/// What the logs cover.
pub(crate) struct Explain {
    /// Channel in lower case, and the span of each log of each host.
    logs: HashMap<HostId, Vec<(String, i64, i64)>>,
    controllers: Vec<(i64, i64)>,
    network: Vec<(i64, i64)>,
}

impl Explain {
    pub fn new(world: &mut World<'_>) -> Self {
        let mut all = Self {
            logs: HashMap::new(),
            controllers: Vec::new(),
            network: Vec::new(),
        };
        for covered in world.catalog.catalog.coverage() {
            let channel = covered.channel.to_lowercase();
            let first = world.catalog.common(&covered.host, covered.first);
            let last = world.catalog.common(&covered.host, covered.last);
            if channel.starts_with("zeek:") {
                all.network.push((first, last));
                continue;
            }
            if !is_of_a_host(&channel) || covered.host.is_empty() {
                continue;
            }
            let host = world.hosts.writer(&covered.host);
            if channel == "security"
                && world
                    .hosts
                    .get(host)
                    .is_some_and(|host| host.domain_controller)
            {
                all.controllers.push((first, last));
            }
            all.logs
                .entry(host)
                .or_default()
                .push((channel, first, last));
        }
        all
    }

    fn log(&self, world: &World<'_>, host: HostId, channels: &[&str], time: i64) -> Sentence {
        let about =
            |before: &str, after: &str| Sentence::from(before).host(world, host).text(after);
        let logs = self.logs.get(&host);
        let Some(logs) = logs.filter(|logs| !logs.is_empty()) else {
            return about("no log of ", " was read");
        };
        let fitting: Vec<&(String, i64, i64)> = logs
            .iter()
            .filter(|(channel, ..)| channels.contains(&channel.as_str()))
            .collect();
        if fitting.is_empty() && logs.iter().all(|(channel, ..)| is_syslog(channel)) {
            return about("only syslog of ", " was read, which does not record this");
        }
        if fitting.is_empty() {
            let log = if channels.first() == Some(&"security") {
                "the Security log of "
            } else {
                "the Sysmon log of "
            };
            return about(log, " was not read");
        }
        // The first and last records only bound the contents of the log.
        if !fitting
            .iter()
            .any(|(_, first, last)| (*first..=*last).contains(&time))
        {
            return about("the logs of ", " do not reach that time");
        }
        about(
            "the logs of ",
            " hold no such event; either it is not audited or it was removed",
        )
    }

    pub fn missing(&self, world: &World<'_>, hop: &Draft, witnesses: &[Witness]) -> Vec<Missing> {
        const SYSMON: &str = "microsoft-windows-sysmon/operational";
        Kind::ALL
            .into_iter()
            .filter(|kind| !witnesses.iter().any(|one| one.kind == *kind))
            .map(|kind| {
                let within = |spans: &[(i64, i64)]| spans.iter().any(|(first, last)| (*first..=*last).contains(&hop.first));
                let why = match kind {
                    Kind::Source => match hop.src {
                        None => "nothing names the source".into(),
                        Some(src) => self.log(world, src, &["security", SYSMON], hop.first),
                    },
                    Kind::DestinationLogon => self.log(world, hop.dst, &["security", "syslog:sshd", "linux:audit", "linux:wtmp"], hop.first),
                    Kind::DestinationExecution if hop.attempt => "it was refused".into(),
                    Kind::DestinationExecution => self.log(world, hop.dst, &[SYSMON, "security"], hop.first),
                    Kind::DomainController if self.controllers.is_empty() => "no log of a domain controller was read".into(),
                    Kind::DomainController if within(&self.controllers) => "the domain controllers' logs hold no matching ticket: one was cached, or the account is local".into(),
                    Kind::DomainController => "the domain controllers' logs do not reach that time".into(),
                    Kind::Network if self.network.is_empty() => "no log of a network sensor was read".into(),
                    Kind::Network if within(&self.network) => "the network sensor logged no such connection".into(),
                    Kind::Network => "the network sensor's logs do not reach that time".into(),
                };
                Missing { kind, why }
            })
            .collect()
    }
}
