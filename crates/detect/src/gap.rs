//! Gaps: which detections were blind on which hosts, because their events were not collected or never written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crabwalk_events::catalog::ALWAYS;
use crabwalk_events::{Catalog, CatalogError, EventType};
use crabwalk_sources::collect::{Coverage, HOST};
use crabwalk_sources::pack::Texts;
use crabwalk_spl::{Knowledge, Readers, Search};
pub use crabwalk_vocabulary::host_key;
use crabwalk_vocabulary::text::list;
use crabwalk_vocabulary::{Family, Origin};

use crate::detection::Detection;
use crate::logging::{Logging, Writers};

/// Detections that were blind on some hosts, or everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The affected hosts. Empty if it applies everywhere.
    pub hosts: Vec<String>,
    /// Number of hosts that wrote any Windows log.
    pub of_hosts: usize,
    /// What is missing, such as `Security log` or `process creation events (Sysmon/1, Security/4688)`.
    pub missing: String,
    /// Names of the detections that are blind there.
    pub detections: Vec<String>,
    /// How to close the gap.
    pub advice: Vec<String>,
}

/// Maximum hosts to name in a sentence; more are counted.
const MOST_NAMES: usize = 4;
/// Maximum detections to name in a sentence; their names are long.
const MOST_DETECTIONS: usize = 3;

impl Gap {
    /// The statement, for people: what is missing, where, and what could not be detected because of it.
    pub fn text(&self) -> String {
        let blind = list(&self.detections, "and", MOST_DETECTIONS);
        if self.hosts.is_empty() {
            format!(
                "no {} at all, so {blind} could not be detected",
                self.missing
            )
        } else {
            let hosts = if self.hosts.len() == self.of_hosts && self.of_hosts > MOST_NAMES {
                format!("all {} hosts", self.of_hosts)
            } else {
                list(&self.hosts, "and", MOST_NAMES)
            };
            format!(
                "{hosts}: no {}, so {blind} could not be detected there",
                self.missing
            )
        }
    }
}

/// Hosts that wrote events of each type, as the events name them.
pub(crate) fn hosts_by_type(
    catalog: &dyn Catalog,
) -> Result<BTreeMap<EventType, BTreeSet<String>>, CatalogError> {
    let mut all = BTreeMap::new();
    for table in catalog.tables() {
        // An event outside of the requested time range proves its audit policy as well.
        let mut hosts: BTreeSet<String> = table.hosts_outside.clone();
        for events in catalog.scan(&table.event_type, &[HOST], &ALWAYS) {
            let events = events?;
            let Some(column) = events.column(HOST).and_then(|column| Texts::new(column)) else {
                continue;
            };
            let mut last = None;
            for host in (0..events.rows()).filter_map(|row| column.get(row)) {
                if last != Some(host) {
                    if !hosts.contains(host) {
                        hosts.insert(host.to_owned());
                    }
                    last = Some(host);
                }
            }
        }
        if !hosts.is_empty() {
            all.insert(table.event_type.clone(), hosts);
        }
    }
    Ok(all)
}

/// A channel's common name.
fn short_channel(channel: &str) -> &str {
    let lower = channel.to_lowercase();
    if lower.contains("sysmon") {
        return "Sysmon";
    }
    match lower.as_str() {
        "security" => "Security",
        "system" => "System",
        "application" => "Application",
        "zeek:conn" => "Zeek conn",
        _ => channel,
    }
}

fn short_type(event_type: &EventType) -> String {
    if event_type.is_windows() {
        format!(
            "{}/{}",
            short_channel(&event_type.channel),
            event_type.event_id
        )
    } else {
        short_channel(&event_type.channel).to_owned()
    }
}

/// Text for `types`: what they show, and which they are.
fn describe(logging: &Logging, types: &BTreeSet<EventType>) -> String {
    let mut what: Vec<&str> = Vec::new();
    for event_type in types {
        if let Some(known) = logging.of(event_type)
            && !what.contains(&known.tells.as_str())
        {
            what.push(&known.tells);
        }
    }
    let names: Vec<String> = types.iter().map(short_type).collect();
    let names = list(&names, "or", MOST_NAMES);
    // For many types, naming them says more than what some of them show.
    if what.is_empty() || types.len() > MOST_NAMES {
        format!("events of {names}")
    } else {
        format!("events of {} ({names})", what.join(" or "))
    }
}

/// Which detections are blind on which hosts.
#[derive(Default)]
struct Blind {
    advice: Vec<String>,
    hosts: BTreeSet<String>,
    detections: BTreeSet<String>,
}

impl Blind {
    fn advise(&mut self, logging: &Logging, types: &BTreeSet<EventType>) {
        for known in types.iter().filter_map(|one| logging.of(one)) {
            if !self.advice.contains(&known.advice) {
                self.advice.push(known.advice.clone());
            }
        }
    }
}

/// All gaps of a run.
pub(crate) fn gaps(
    detections: &[Arc<Detection>],
    searches: &[Search],
    knowledge: &Arc<Knowledge>,
    logging: &Logging,
    coverage: &[Coverage],
    hosts_by_type: &BTreeMap<EventType, BTreeSet<String>>,
) -> Vec<Gap> {
    let needs = needs(searches, knowledge, logging, hosts_by_type);
    let blind: Vec<(&str, &BTreeSet<EventType>)> = detections
        .iter()
        .map(|detection| detection.name.as_str())
        .zip(&needs)
        .filter(|(_, needed)| !needed.is_empty())
        .collect();
    statements(&blind, logging, coverage, hosts_by_type)
}

/// The event types that each search reads, of those that content knows.
///
/// Testing a search against an event type costs planning, so most are tested only against described types and types
/// that were read; searches that need none of these, against all that content knows.
fn needs(
    searches: &[Search],
    knowledge: &Arc<Knowledge>,
    logging: &Logging,
    hosts_by_type: &BTreeMap<EventType, BTreeSet<String>>,
) -> Vec<BTreeSet<EventType>> {
    let read = hosts_by_type
        .keys()
        .filter(|read| logging.of(read).is_none())
        .cloned();
    let likely: BTreeSet<EventType> = logging.types().chain(read).collect();
    let mut known = None;
    let readers = Readers::new(knowledge);
    searches
        .iter()
        .map(|search| {
            let reader = readers.of(search);
            // Only correlations see the results of findings; the underlying detections have their own gaps.
            let needed = |candidates: &BTreeSet<EventType>| -> BTreeSet<EventType> {
                candidates
                    .iter()
                    .filter(|one| !matches!(one.family(), Family::Stash(_)) && reader.reads(one))
                    .cloned()
                    .collect()
            };
            let found = needed(&likely);
            if found.is_empty() {
                needed(known.get_or_insert_with(|| knowledge.mappings.known_types()))
            } else {
                found
            }
        })
        .collect()
}

fn statements(
    detections: &[(&str, &BTreeSet<EventType>)],
    logging: &Logging,
    coverage: &[Coverage],
    hosts_by_type: &BTreeMap<EventType, BTreeSet<String>>,
) -> Vec<Gap> {
    let logs = Logs::new(coverage, hosts_by_type);
    let mut found = Found::default();
    for (name, needed) in detections {
        found.add(name, needed, &logs, logging);
    }
    found.gaps(logging, logs.channels.len())
}

/// Channels have their names in any case.
fn lower(event_type: &EventType) -> EventType {
    EventType {
        channel: event_type.channel.to_lowercase(),
        event_id: event_type.event_id,
    }
}

/// The logs of each machine, under one name per machine.
struct Logs<'a> {
    /// Who writes events of a type.
    writers: BTreeMap<EventType, BTreeSet<String>>,
    /// The channels that a machine writes.
    channels: BTreeMap<String, BTreeSet<String>>,
    /// How the logs write its name.
    shown: BTreeMap<String, &'a str>,
}

impl<'a> Logs<'a> {
    fn new(
        coverage: &'a [Coverage],
        hosts_by_type: &BTreeMap<EventType, BTreeSet<String>>,
    ) -> Self {
        let mut writers: BTreeMap<EventType, BTreeSet<String>> = BTreeMap::new();
        for (event_type, hosts) in hosts_by_type {
            writers
                .entry(lower(event_type))
                .or_default()
                .extend(hosts.iter().map(|host| host_key(host)));
        }
        let mut channels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut shown: BTreeMap<String, &str> = BTreeMap::new();
        for covered in coverage {
            let windows = matches!(
                Origin::of(&covered.channel),
                Origin::Windows | Origin::Unknown
            ) && !covered.host.is_empty();
            if !windows || covered.records == 0 {
                continue;
            }
            let key = host_key(&covered.host);
            channels
                .entry(key.clone())
                .or_default()
                .insert(covered.channel.to_lowercase());
            shown.entry(key).or_insert(&covered.host);
        }
        Self {
            writers,
            channels,
            shown,
        }
    }

    fn has(&self, event_type: &EventType) -> bool {
        self.writers
            .get(&lower(event_type))
            .is_some_and(|hosts| !hosts.is_empty())
    }

    /// Machines that write events of none of these types, with their channels.
    fn without<'s>(
        &'s self,
        types: &BTreeSet<EventType>,
    ) -> impl Iterator<Item = (&'s String, &'s BTreeSet<String>)> {
        let writers: Vec<&BTreeSet<String>> = types
            .iter()
            .filter_map(|one| self.writers.get(&lower(one)))
            .collect();
        self.channels
            .iter()
            .filter(move |(host, _)| !writers.iter().any(|hosts| hosts.contains(*host)))
    }
}

/// What cannot be seen, and where.
#[derive(Default)]
struct Found {
    everywhere: BTreeMap<String, Blind>,
    /// By what is missing, and the host.
    by_host: BTreeMap<(String, String), Blind>,
    /// Types whose absence means little, and the detections that need them: one statement covers all of them.
    special: (BTreeSet<EventType>, BTreeSet<String>),
}

impl Found {
    fn add(
        &mut self,
        name: &str,
        needed: &BTreeSet<EventType>,
        logs: &Logs<'_>,
        logging: &Logging,
    ) {
        let writer = |one: &EventType| {
            logging
                .of(one)
                .map_or(Writers::Some, |known| known.written_by)
        };
        if !needed.iter().any(|one| logs.has(one)) {
            let telling: BTreeSet<EventType> = needed
                .iter()
                .filter(|one| writer(one) != Writers::Some)
                .cloned()
                .collect();
            if telling.is_empty() {
                self.special.0.extend(needed.iter().cloned());
                self.special.1.insert(name.to_owned());
                return;
            }
            let missing = describe(logging, &telling);
            let entry = self.everywhere.entry(missing).or_default();
            entry.advise(logging, &telling);
            entry.detections.insert(name.to_owned());
            return;
        }
        let in_network = needed
            .iter()
            .any(|one| writer(one) == Writers::Sensors && logs.has(one));
        let local: BTreeSet<EventType> = needed
            .iter()
            .filter(|one| writer(one) == Writers::Hosts)
            .cloned()
            .collect();
        if local.is_empty() || in_network {
            return;
        }
        for (host, own) in logs.without(needed) {
            let missing = lacking(&local, own, logging);
            let entry = self.by_host.entry((missing, host.clone())).or_default();
            let shown = logs.shown.get(host).copied().unwrap_or(host);
            entry.advise(logging, &local);
            entry.hosts.insert(shown.to_owned());
            entry.detections.insert(name.to_owned());
        }
    }

    fn gaps(self, logging: &Logging, of_hosts: usize) -> Vec<Gap> {
        let mut everywhere = self.everywhere;
        let (types, detections) = self.special;
        if !detections.is_empty() {
            let entry = everywhere.entry(describe(logging, &types)).or_default();
            entry.advise(logging, &types);
            entry.detections.extend(detections);
        }
        // Hosts that lack the same and hide the same share a statement, so many hosts need only one line.
        let mut merged: BTreeMap<(String, BTreeSet<String>), Blind> = BTreeMap::new();
        for ((missing, _), blind) in self.by_host {
            let entry = merged.entry((missing, blind.detections)).or_default();
            entry.advice = blind.advice;
            entry.hosts.extend(blind.hosts);
        }
        let by_host = merged.into_iter().map(|((missing, detections), blind)| {
            (
                missing,
                Blind {
                    detections,
                    ..blind
                },
            )
        });
        everywhere
            .into_iter()
            .chain(by_host)
            .map(|(missing, blind)| Gap {
                hosts: blind.hosts.into_iter().collect(),
                of_hosts,
                missing,
                detections: blind.detections.into_iter().collect(),
                advice: blind.advice,
            })
            .collect()
    }
}

/// What of these types a machine with certain channels lacks. A missing log explains more than an event missing from it.
fn lacking(types: &BTreeSet<EventType>, channels: &BTreeSet<String>, logging: &Logging) -> String {
    let (silent, absent): (BTreeSet<EventType>, BTreeSet<EventType>) = types
        .iter()
        .cloned()
        .partition(|one| channels.contains(&one.channel.to_lowercase()));
    let absent: BTreeSet<&str> = absent
        .iter()
        .map(|one| short_channel(&one.channel))
        .collect();
    let mut missing: Vec<String> = absent
        .iter()
        .map(|channel| format!("{channel} log"))
        .collect();
    if !silent.is_empty() {
        missing.push(describe(logging, &silent));
    }
    missing.join(" and no ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSMON: &str = "Microsoft-Windows-Sysmon/Operational";

    fn kind(channel: &str, event_id: u32) -> EventType {
        EventType {
            channel: channel.to_owned(),
            event_id,
        }
    }

    fn covered(host: &str, channel: &str) -> Coverage {
        Coverage {
            host: host.to_owned(),
            channel: channel.to_owned(),
            first: 0,
            last: 1,
            records: 5,
            cleared: Vec::new(),
        }
    }

    fn texts(coverage: &[Coverage], seen: &[(EventType, &[&str])]) -> Vec<String> {
        let processes = BTreeSet::from([kind(SYSMON, 1), kind("Security", 4688)]);
        let logons = BTreeSet::from([kind("Security", 4624)]);
        let tickets = BTreeSet::from([kind("Security", 4769)]);
        let traffic = BTreeSet::from([
            kind(SYSMON, 3),
            kind("Security", 5156),
            kind("zeek:conn", 0),
        ]);
        let detections = [
            ("PsExec", &processes),
            ("Schtasks", &processes),
            ("Pass the hash", &logons),
            ("Kerberoasting", &tickets),
            ("RDP traffic", &traffic),
        ];
        let hosts = seen
            .iter()
            .map(|(kind, hosts)| {
                (
                    kind.clone(),
                    hosts.iter().map(|host| (*host).to_owned()).collect(),
                )
            })
            .collect();
        let mut logging = Logging::default();
        let shipped = include_str!("../../../content/windows/logging.yml");
        assert_eq!(logging.add_yaml(shipped), Ok(()));
        statements(&detections, &logging, coverage, &hosts)
            .iter()
            .map(Gap::text)
            .collect()
    }

    #[test]
    fn what_was_not_there_is_said() {
        let all = texts(
            &[
                covered("DC1", "Security"),
                covered("WS1", "Security"),
                covered("WS2", SYSMON),
                covered("ws2.example.org", SYSMON),
                covered("sensor", "zeek:conn"),
            ],
            &[
                (kind("Security", 4624), &["DC1", "WS1"]),
                (kind("Security", 4688), &["WS1"]),
                (kind(SYSMON, 1), &["WS2.example.org"]),
                (kind("zeek:conn", 0), &["sensor"]),
            ],
        );
        assert_eq!(
            all,
            [
                "no events of Kerberos service tickets (Security/4769) at all, so Kerberoasting could not be detected",
                "WS2: no Security log, so Pass the hash could not be detected there",
                "DC1: no Sysmon log and no events of process creation (Security/4688), so PsExec and Schtasks could not be detected there",
            ]
        );
    }

    #[test]
    fn many_hosts_make_one_line() {
        let mut coverage = vec![covered("DC1", "Security")];
        coverage.extend((0..50).map(|index| covered(&format!("WS{index:02}"), "System")));
        let all = texts(&coverage, &[(kind("Security", 4624), &["DC1"])]);
        assert!(all.contains(
            &"WS00, WS01, WS02 and 47 more: no Security log, so Pass the hash could not be detected there".to_owned()
        ));
        assert_eq!(all.len(), 4, "{all:#?}");
    }
}
