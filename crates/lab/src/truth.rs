//! What really happened in a generated world, as written to `truth.json`.
//!
//! There is one schema for all worlds, so one scorer can judge results in any of them. Parts that a world does not have
//! are empty.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::LabError;
use crate::attack::Attack;

/// The schema of this version. The number increases when a field changes its meaning or is removed.
pub const SCHEMA: &str = "crabwalk.truth/1";

/// What kind of world it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorldKind {
    /// A company of a few machines with one intrusion, and planted acts for detections.
    #[default]
    Small,
    /// A company of any size, with any number of intrusions in its daily work.
    Enterprise,
}

/// A record that proves something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantedRecord {
    /// Host name; its directory has the log.
    pub host: String,
    /// Channel.
    pub channel: String,
    /// Event id.
    pub event_id: u16,
    /// Record id in the log.
    pub record_id: u64,
    /// Time of the event, RFC 3339, UTC.
    pub time: String,
}

/// An act that one detection must find.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planted {
    /// Time of the first record, RFC 3339, UTC.
    pub start: String,
    /// Time of the last record.
    pub end: String,
    /// The records on which the detection rests.
    pub evidence: Vec<PlantedRecord>,
    /// The connections in Zeek's log on which it rests.
    pub zeek_uids: Vec<String>,
    /// Values that its result must show.
    pub fields: BTreeMap<String, String>,
}

/// A movement of an intruder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantedHop {
    /// Source host.
    pub src: String,
    /// Destination host.
    pub dst: String,
    /// Account that logged on to the destination.
    pub account: String,
    /// Account of the session on the source from which the intruder moved; `SYSTEM` for the system's.
    #[serde(default)]
    pub actor: String,
    /// Account that runs the payload; empty if that was not requested.
    #[serde(default)]
    pub effective: String,
    /// How, in words, such as `PsExec, renamed`.
    pub method: String,
    /// How the intruder got to use the account, in words; empty if the world has only one way.
    #[serde(default)]
    pub credentials: String,
    /// ATT&CK technique.
    pub technique: String,
    /// When, RFC 3339, UTC, by a correct clock.
    pub time: String,
    /// Maximum clock error of the two hosts, in seconds.
    #[serde(default)]
    pub skew: u64,
    /// Records of it in the collected logs, by `host channel event-id`.
    pub records: BTreeMap<String, u64>,
    /// The records themselves, in chronological order; empty in enterprises, where they would fill the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<PlantedRecord>,
    /// Connections in Zeek's log that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zeek_uids: Vec<String>,
}

/// Number of records of each kind, by `host channel event-id`.
pub(crate) fn counts(evidence: &[PlantedRecord]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for one in evidence {
        let key = format!("{} {} {}", one.host, one.channel, one.event_id);
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// One intrusion: hops that follow from each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intrusion {
    /// Name in this world.
    pub id: String,
    /// The intruder's goal and stealth, if they were requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<Attack>,
    /// The host where it began.
    pub entry: String,
    /// The hops, in chronological order.
    pub hops: Vec<PlantedHop>,
    /// The host whose Security log the intruder cleared, if any.
    pub cleared: Option<String>,
    /// The service accounts whose tickets were requested for cracking.
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

/// A host of the world.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthHost {
    /// NetBIOS name.
    pub name: String,
    /// Fully qualified name, the `Computer` of its events.
    pub fqdn: String,
    /// Addresses, in the order in which the host had them.
    pub ips: Vec<String>,
    /// What it is for.
    pub role: String,
    /// Category in `assets.csv`; empty if there is no such file.
    #[serde(default)]
    pub category: String,
    /// Whether Sysmon runs on it.
    pub sysmon: bool,
    /// Whether Security writes 4688 and 4689 on it.
    pub process_auditing: bool,
    /// Channels that nobody collected, or `*` for all.
    #[serde(default)]
    pub not_collected: Vec<String>,
    /// How far its clock is ahead, in seconds; negative if it is behind.
    #[serde(default)]
    pub skew: i64,
}

/// An account of the domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthAccount {
    /// Name without the domain.
    pub name: String,
    /// SID.
    pub sid: String,
    /// Category in `identities.csv`.
    pub category: String,
    /// Whether it administers the hosts.
    pub administrator: bool,
}

/// The contents of a world; also written as `truth.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// [`SCHEMA`]; empty in enterprises generated before there were versions.
    #[serde(default)]
    pub schema: String,
    /// What kind of world it is.
    pub kind: WorldKind,
    /// The seed.
    pub seed: u64,
    /// DNS name of the domain.
    pub domain: String,
    /// NetBIOS name of the domain.
    pub netbios: String,
    /// First day.
    pub start: String,
    /// Days of the logs; in a small world without weekends.
    pub days: u64,
    /// Records in all logs.
    pub events: u64,
    /// Of these, logons from other hosts: 4624 of type 3, 8 or 10.
    #[serde(default)]
    pub logons: u64,
    /// Size of all EVTX files in bytes.
    pub evtx_bytes: u64,
    /// The hosts.
    pub hosts: Vec<TruthHost>,
    /// The accounts of people and services; enterprises do not list them.
    #[serde(default)]
    pub accounts: Vec<TruthAccount>,
    /// The intrusions.
    pub intrusions: Vec<Intrusion>,
    /// Who else goes from where to where; not listed in small worlds generated by older versions.
    #[serde(default)]
    pub daily: Vec<DailyAccess>,
    /// For each detection, the acts that it must find, if any were planted for it; it must find nothing else.
    #[serde(default)]
    pub detections: BTreeMap<String, Vec<Planted>>,
}

impl Truth {
    /// All movements of intruders.
    pub fn hops(&self) -> impl Iterator<Item = &PlantedHop> {
        self.intrusions.iter().flat_map(|one| &one.hops)
    }

    /// Writes `truth.json`.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), LabError> {
        let path = directory.join("truth.json");
        let text = match self.kind {
            WorldKind::Small => serde_json::to_string_pretty(self),
            // Most of it would be white space.
            WorldKind::Enterprise => serde_json::to_string(self),
        };
        let text =
            text.map_err(|error| LabError::io("write", &path, std::io::Error::other(error)))?;
        fs::write(&path, text + "\n").map_err(|error| LabError::io("write", &path, error))
    }
}
