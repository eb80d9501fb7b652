//! The shape of `case.json`, schema `crabwalk.case/1`.
//!
//! Times are RFC 3339 in UTC. Arrays may be empty; keys are always present.

use std::collections::BTreeMap;

use crabwalk_detect::{DetectionType, RiskObjectKind, SuppressedBy};
use crabwalk_movement::{AccountRole, Kind, LinkKind, Standing, SwitchedAt, Verdict};
use crabwalk_vocabulary::Severity;
use serde::{Deserialize, Serialize};

use crate::dossier::{Dossiers, Scope, Silenced};

/// Name of the schema.
pub const SCHEMA: &str = "crabwalk.case/1";

/// Everything that one hunt concluded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Case {
    /// `crabwalk.case/1`.
    pub schema: String,
    /// When the hunt finished.
    pub created: String,
    /// What did it.
    pub tool: ToolInfo,
    /// What was read.
    pub sources: Vec<Source>,
    /// What each log of each host covers.
    pub coverage: Vec<Covered>,
    /// What could not be seen, and why.
    pub gaps: Vec<GapInfo>,
    /// Machines.
    pub hosts: Vec<Host>,
    /// Accounts.
    pub accounts: Vec<Account>,
    /// Result rows of detections, in chronological order.
    pub findings: Vec<FindingInfo>,
    /// Movements from host to host.
    pub hops: Vec<HopInfo>,
    /// Movements chained into paths.
    pub paths: Vec<PathInfo>,
    /// Clocks that differ.
    pub skew: Vec<SkewInfo>,
    /// Errors in the content of the hunt.
    pub content_problems: Vec<ContentProblemInfo>,
    /// Numbers about the run.
    pub stats: Stats,
    /// The case in a few sentences.
    #[serde(default)]
    pub summary: Vec<String>,
    /// What is affected, and what to do about it.
    #[serde(default)]
    pub scope: Scope,
    /// Exceptions that silenced findings.
    #[serde(default)]
    pub silenced: Vec<Silenced>,
    /// What happened on hosts and with accounts.
    #[serde(default)]
    pub dossiers: Dossiers,
    /// The conclusion itself, for exports in the same run; the document has it in its paths and its scope.
    #[serde(skip)]
    pub verdict: Verdict,
}

impl Case {
    /// The source with this id.
    pub fn source(&self, id: u32) -> Option<&Source> {
        let likely = usize::try_from(id)
            .ok()
            .and_then(|index| self.sources.get(index));
        likely
            .filter(|source| source.id == id)
            .or_else(|| self.sources.iter().find(|source| source.id == id))
    }

    /// Whether the logs have other days, or enough accounts, to compare with. Also of a case that was read back.
    pub fn is_compared(&self) -> bool {
        self.verdict.is_compared() || self.paths.iter().any(|path| !path.rank.is_empty())
    }

    /// Whether a hop is of what a path is reported for. The rest of a reported path is what its accounts do on other days
    /// as well.
    pub fn is_reported(&self, path: &PathInfo, hop: &HopInfo) -> bool {
        !path.told || self.verdict.hops.contains_key(&hop.id)
    }

    /// The events that anything in the case refers to, some several times.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        let hops = self.hops.iter().flat_map(|hop| {
            let seen = hop.witnesses.iter().map(|witness| &witness.events);
            seen.chain(hop.processes.iter().map(|ran| &ran.events))
        });
        let findings = self.findings.iter().map(|finding| &finding.events);
        hops.chain(findings)
            .flatten()
            .chain(self.dossiers.references())
    }
}

/// The program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ToolInfo {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

/// A file, archive member or standard input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Source {
    /// Number that references use.
    pub id: u32,
    /// Path as given or found; archive members as `archive.zip!/member`.
    pub path: String,
    /// Format: `evtx`, `xml`, `json`, `csv`, `zeek`, `windows-text`, `syslog`, `program`, `archive`, `unknown`.
    pub kind: String,
    /// Unpacked size in bytes, as far as it was read.
    pub bytes: u64,
    /// Records read, including copies.
    pub records: u64,
    /// Records known to exist that could not be read.
    pub skipped: u64,
    /// The first problems.
    pub problems: Vec<SourceProblem>,
    /// Number of problems beyond those listed.
    pub more_problems: u64,
}

impl Source {
    /// Whether part of the source could not be read.
    pub fn is_lossy(&self) -> bool {
        self.skipped > 0 || self.more_problems > 0 || self.problems.iter().any(|one| one.loss)
    }
}

/// Something in a source that could not be read or trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SourceProblem {
    /// Byte offset in the unpacked source, if known.
    pub offset: Option<u64>,
    /// Record or line number, if known.
    pub record: Option<u64>,
    /// What is wrong.
    pub message: String,
    /// Whether it lost data; otherwise it is a warning.
    pub loss: bool,
}

/// The coverage of a log of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Covered {
    /// The machine, as its events name it.
    pub host: String,
    /// The log.
    pub channel: String,
    /// Time of the first event.
    pub first: Option<String>,
    /// Time of the last event.
    pub last: Option<String>,
    /// Number of distinct events.
    pub records: u64,
    /// When it was cleared.
    pub cleared: Vec<String>,
}

/// Detections that were blind on some hosts or everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct GapInfo {
    /// The statement, for people.
    pub message: String,
    /// What is missing.
    pub missing: String,
    /// The affected hosts; empty if it applies everywhere.
    pub hosts: Vec<String>,
    /// The detections that are blind there.
    pub detections: Vec<String>,
    /// How to close the gap.
    pub advice: Vec<String>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Host {
    /// Identifier in this case.
    pub id: String,
    /// Its name for display.
    pub name: String,
    /// Its names in events and assets.
    pub names: Vec<String>,
    /// Addresses.
    pub ips: Vec<String>,
    /// Categories from the assets.
    pub category: Vec<String>,
    /// Priority from the assets.
    pub priority: Option<String>,
    /// `domain-controller`, if its events show it.
    pub role: Option<String>,
    /// Risk from findings.
    pub risk: u64,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Account {
    /// Identifier in this case.
    pub id: String,
    /// Its name for display: `DOMAIN\name` if the short name of the domain is known.
    pub name: String,
    /// Its names in events.
    pub names: Vec<String>,
    /// Security identifier.
    pub sid: Option<String>,
    /// The part that it plays: a person's, of one host only, a service's, a machine's, or Windows' own.
    #[cfg_attr(test, ts(type = "AccountRole"))]
    pub kind: AccountRole,
    /// Risk from findings.
    pub risk: u64,
}

fn once() -> u64 {
    1
}

/// One result row of one detection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FindingInfo {
    /// Identifier, stable across runs.
    pub id: String,
    /// Name of the detection.
    pub detection: String,
    /// Id of the detection.
    pub detection_id: String,
    /// What its detection asks for: attention, or only risk.
    #[serde(rename = "type")]
    #[cfg_attr(test, ts(type = "DetectionType"))]
    pub kind: DetectionType,
    /// How bad it is.
    #[cfg_attr(test, ts(type = "Severity"))]
    pub severity: Severity,
    /// 0 to 100.
    pub risk_score: u32,
    /// ATT&CK technique ids.
    pub techniques: Vec<String>,
    /// Names of stories.
    pub story: Vec<String>,
    /// Time of the first event.
    pub first: Option<String>,
    /// Time of the last event.
    pub last: Option<String>,
    /// What was found, for people.
    pub message: String,
    /// Whether it deserves attention by itself.
    pub notable: bool,
    /// Why it does not, if the logs' other days show the same; otherwise null. Findings on reported paths are always
    /// notable.
    #[serde(default)]
    pub everyday: Option<String>,
    /// Why it is not shown and adds no risk, if so; otherwise null.
    #[serde(default)]
    pub suppressed: Option<SuppressedInfo>,
    /// What carries risk.
    pub risk_objects: Vec<RiskObjectInfo>,
    /// What threatens.
    pub threat_objects: Vec<ThreatObjectInfo>,
    /// The machines concerned, as ids of `hosts`.
    pub hosts: Vec<String>,
    /// Columns of the row: a text, a list of texts, or null. Of findings that are neither notable nor on a reported path,
    /// where other days show what daily work is, the first values, and how many more there are.
    #[cfg_attr(test, ts(type = "Record<string, string | string[] | null>"))]
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// Its events, in chronological order; the earliest and the latest if there are many, or of such findings.
    pub events: Vec<Reference>,
    /// Number of all its events.
    pub event_count: u64,
    /// Number of similar findings it represents: where the logs show daily work, one per day is reported.
    #[serde(default = "once")]
    pub count: u64,
    /// What the detection looks for.
    pub description: String,
    /// What else may look like it.
    pub known_false_positives: String,
    /// Links to read.
    pub references: Vec<String>,
}

impl FindingInfo {
    /// Whether the logs' other days show the same, as a habit or every day.
    pub fn is_daily_work(&self) -> bool {
        // The author of an exception may be called anything.
        let habit = SuppressedBy::Habit.to_string();
        let by_habit = |one: &SuppressedInfo| one.exception.is_none() && one.by == habit;
        self.everyday.is_some() || self.suppressed.as_ref().is_some_and(by_habit)
    }
}

/// Why a finding is not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SuppressedInfo {
    /// Who decided it; without an exception, `throttling` if the finding repeats another, or `habit` if it is raised about
    /// the same on other days.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Option<String>,
    /// File and line of the exception; null if it was none.
    #[serde(default)]
    pub exception: Option<String>,
}

/// Something that carries risk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RiskObjectInfo {
    /// What it is.
    #[serde(rename = "type")]
    #[cfg_attr(test, ts(type = "RiskObjectKind"))]
    pub kind: RiskObjectKind,
    /// Name.
    pub value: String,
    /// Risk that the finding adds to it, as defined by the detection.
    pub score: u32,
    /// The same, adjusted by assets and identities.
    #[serde(default)]
    pub calculated_score: u32,
}

/// A threat object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ThreatObjectInfo {
    /// Its type, such as `process_name`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name.
    pub value: String,
}

/// Leads to one event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "number"))]
pub struct Reference {
    /// Id of the source.
    pub source: u32,
    /// Record number in the source.
    pub record: u64,
    /// Time of the event.
    pub time: Option<String>,
    /// The log.
    pub channel: String,
    /// Event id, or 0.
    pub event_id: u32,
    /// The machine, as the event names it.
    pub host: String,
}

/// A movement from host to host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct HopInfo {
    /// Identifier in this case.
    pub id: String,
    /// Id of the source host; null if unknown.
    pub src: Option<String>,
    /// Id of the destination host.
    pub dst: String,
    /// Id of the account that acted on the source.
    pub actor: Option<String>,
    /// Why the actor is taken to be that account, if no event on the source names it; otherwise null.
    #[serde(default)]
    pub actor_inferred: Option<String>,
    /// Id of the account that logged on to the destination.
    pub used: Option<String>,
    /// Id of the account that ran the payload.
    pub effective: Option<String>,
    /// ATT&CK technique ids, most certain first.
    pub techniques: Vec<String>,
    /// Time of its first act.
    pub first: Option<String>,
    /// Time of its last act.
    pub last: Option<String>,
    /// 0 to 1.
    pub confidence: f64,
    /// Whether it was attempted and refused.
    pub attempted: bool,
    /// Whether its account does the same on other days: daily work, as far as the logs show.
    #[serde(default)]
    pub usual: bool,
    /// Its classification, from `confidence`, `attempted` and `usual`.
    #[cfg_attr(test, ts(type = "Standing"))]
    pub standing: Standing,
    /// Whether somebody did move, according to these logs.
    pub happened: bool,
    /// Id of the account by which it is known: the one that logged on, or else the payload's, or else the actor.
    pub account: Option<String>,
    /// Id of the hop that it follows on its path.
    pub follows: Option<String>,
    /// Where its account changes.
    pub switches: Vec<SwitchInfo>,
    /// What was seen.
    pub witnesses: Vec<WitnessInfo>,
    /// What was not seen.
    pub missing: Vec<MissingInfo>,
    /// What it ran on the destination, and what resulted from that; only the former for a routine movement that is on no
    /// path.
    #[serde(default)]
    pub processes: Vec<RanInfo>,
    /// Ids of the findings about it.
    pub findings: Vec<String>,
}

/// A change of a movement's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SwitchInfo {
    /// Id of the account until then.
    pub from: String,
    /// Id of the account from then on.
    pub to: String,
    /// On the source, on the destination, or since the movement that it follows.
    #[serde(rename = "where")]
    #[cfg_attr(test, ts(type = "SwitchedAt"))]
    pub at: SwitchedAt,
}

/// A program that ran because of a movement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RanInfo {
    /// When it was started.
    pub time: Option<String>,
    /// Path of the program.
    pub image: String,
    /// Its command line; empty if it was not logged.
    pub command_line: String,
    /// Id of the account that ran it.
    pub account: Option<String>,
    /// Distance from the program that the movement itself started, which has 0.
    pub depth: u64,
    /// The event.
    pub events: Vec<Reference>,
}

/// One piece of evidence of a movement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct WitnessInfo {
    /// From where it was seen.
    #[cfg_attr(test, ts(type = "Kind"))]
    pub kind: Kind,
    /// What was seen.
    pub what: String,
    /// When.
    pub time: Option<String>,
    /// The events; of a routine movement that is on no reported path, in logs of
    /// enough days to compare, the first of each kind of witness.
    pub events: Vec<Reference>,
    /// Number of further events that are not listed, if any; of a routine movement, of all witnesses of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub more: Option<u64>,
}

/// A kind of witness that a movement lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MissingInfo {
    /// The kind that is missing.
    #[cfg_attr(test, ts(type = "Kind"))]
    pub kind: Kind,
    /// Why, for people.
    pub why: String,
}

/// Movements that follow from each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PathInfo {
    /// Identifier in this case.
    pub id: String,
    /// Higher scores deserve attention first.
    pub score: f64,
    /// What makes the score.
    pub why: Vec<String>,
    /// Ids of hops, by time.
    pub hops: Vec<String>,
    /// What joins them.
    pub links: Vec<LinkInfo>,
    /// Whether the verdict reports it.
    #[serde(default)]
    pub told: bool,
    /// How often daily work does the same, rarest first; empty if there are too few days to compare.
    #[serde(default)]
    pub rank: Vec<TermInfo>,
    /// Its route, over the hops that happened if any did: `A → B → C`, `from A to 3 hosts: B, C and D`.
    #[serde(default)]
    pub way: String,
}

/// One reason why a path is, or is not, daily work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TermInfo {
    /// The comparison, in words with figures.
    pub what: String,
    /// How often daily work does such a thing, 0 to 1.
    pub probability: f64,
}

/// Why one hop follows from another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LinkInfo {
    /// Id of the first hop.
    pub from: String,
    /// Id of the second hop.
    pub to: String,
    /// What joins them.
    #[cfg_attr(test, ts(type = "LinkKind"))]
    pub kind: LinkKind,
    /// 0 to 1.
    pub certainty: f64,
}

/// The difference between the clocks of two hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SkewInfo {
    /// Id of the host that opened the connections.
    pub src: String,
    /// Id of the host that accepted them.
    pub dst: String,
    /// Median of the destination's time minus the source's.
    pub seconds: f64,
    /// Number of connections that both logged.
    pub connections: u64,
}

/// Content that could not be used, or looks wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ContentProblemInfo {
    /// Path of the file.
    pub path: String,
    /// Line.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// Whether something was left out because of it.
    pub fatal: bool,
}

/// Numbers about the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Stats {
    /// Distinct events read.
    pub events: u64,
    /// Bytes read, unpacked.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// Sources read.
    pub sources: u64,
    /// Number of sources that could not be read completely.
    pub sources_damaged: u64,
    /// Records that could not be read.
    pub skipped: u64,
    /// Copies of events that were dropped.
    pub duplicates: u64,
    /// Detections that ran.
    pub detections: u64,
    /// Findings in all.
    pub findings: u64,
    /// Number of notable findings.
    pub notables: u64,
    /// Findings hidden by an exception or by throttling. They are in no other number.
    #[serde(default)]
    pub suppressed: u64,
    /// Possible movements dropped as daily work of their accounts.
    #[serde(default)]
    pub usual_movements_left_out: u64,
    /// Findings by severity.
    pub findings_by_severity: BTreeMap<String, u64>,
    /// Findings by detection.
    pub findings_by_detection: BTreeMap<String, u64>,
    /// Risk by object, highest first.
    pub risk: Vec<RiskInfo>,
    /// Time of the first event.
    pub first: Option<String>,
    /// Time of the last event.
    pub last: Option<String>,
}

/// Risk of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RiskInfo {
    /// What it is.
    #[serde(rename = "type")]
    #[cfg_attr(test, ts(type = "RiskObjectKind"))]
    pub kind: RiskObjectKind,
    /// Name.
    pub value: String,
    /// Sum of the risk from findings.
    pub score: u64,
    /// Number of findings that contribute.
    pub findings: u64,
    /// Number of different detections that contribute.
    pub detections: u64,
}
