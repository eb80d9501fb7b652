//! The shape of `case.json`, schema `crabwalk.case/1`.
//!
//! Times are RFC 3339 in UTC. Arrays may be empty; keys are always there.

use std::collections::BTreeMap;

use crabwalk_movement::{Standing, Verdict};
use serde::{Deserialize, Serialize};

use crate::dossier::{Dossiers, Scope, Silenced};

/// Name of the schema.
pub const SCHEMA: &str = "crabwalk.case/1";

/// Everything that one hunt concluded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Case {
    /// [`SCHEMA`].
    pub schema: String,
    /// When the hunt was done.
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
    /// Result rows of detections, by time.
    pub findings: Vec<FindingInfo>,
    /// Movements from host to host.
    pub hops: Vec<HopInfo>,
    /// Movements joined to ways.
    pub paths: Vec<PathInfo>,
    /// Clocks that differ.
    pub skew: Vec<SkewInfo>,
    /// What is wrong with the content that was used.
    pub content_problems: Vec<ContentProblemInfo>,
    /// Numbers about the run.
    pub stats: Stats,
    /// The case in a few sentences.
    #[serde(default)]
    pub summary: Vec<String>,
    /// What is concerned, and what is to be done.
    #[serde(default)]
    pub scope: Scope,
    /// Findings that exceptions silence.
    #[serde(default)]
    pub silenced: Vec<Silenced>,
    /// What happened on hosts and with accounts.
    #[serde(default)]
    pub dossiers: Dossiers,
    /// What is concluded, for what is made of the case in the same run; the document says it in its paths and its scope.
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
    /// Path as given or found; members of archives as `archive.zip!/member`.
    pub path: String,
    /// What it is: `evtx`, `xml`, `json`, `csv`, `zeek`, `windows-text`, `syslog`, `archive`, `unknown`.
    pub kind: String,
    /// Unpacked size in bytes, as far as it was read.
    pub bytes: u64,
    /// Records read, copies included.
    pub records: u64,
    /// Records known to be there that could not be read.
    pub skipped: u64,
    /// The first problems.
    pub problems: Vec<SourceProblem>,
    /// Problems beyond those listed.
    pub more_problems: u64,
}

/// Something in a source that could not be read, or not be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SourceProblem {
    /// Byte offset in the unpacked source, where known.
    pub offset: Option<u64>,
    /// Record number or line, where known.
    pub record: Option<u64>,
    /// What is wrong.
    pub message: String,
    /// Whether data was lost by it; otherwise it is a warning.
    pub loss: bool,
}

/// How much a log of a host covers.
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

/// Detections that could not see some hosts, or anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct GapInfo {
    /// The statement, for people.
    pub message: String,
    /// What is missing.
    pub missing: String,
    /// The hosts that cannot be seen; empty if it is so everywhere.
    pub hosts: Vec<String>,
    /// The detections that are blind there.
    pub detections: Vec<String>,
    /// How to have what is missing.
    pub advice: Vec<String>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Host {
    /// Identifier in this case.
    pub id: String,
    /// What it is called where people read of it.
    pub name: String,
    /// Names by which events and assets call it.
    pub names: Vec<String>,
    /// Addresses.
    pub ips: Vec<String>,
    /// Categories from the assets.
    pub category: Vec<String>,
    /// Priority from the assets.
    pub priority: Option<String>,
    /// `domain-controller`, where its events show it.
    pub role: Option<String>,
    /// Risk that findings add to it.
    pub risk: u64,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Account {
    /// Identifier in this case.
    pub id: String,
    /// What it is called where people read of it: `DOMAIN\name` where the short name of the domain is known.
    pub name: String,
    /// Names by which events call it.
    pub names: Vec<String>,
    /// Security identifier.
    pub sid: Option<String>,
    /// `user`, `machine` or `system`.
    pub kind: String,
    /// Risk that findings add to it.
    pub risk: u64,
}

fn once() -> u64 {
    1
}

/// One result row of one detection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FindingInfo {
    /// Identifier, stable over runs.
    pub id: String,
    /// Name of the detection.
    pub detection: String,
    /// Id of the detection.
    pub detection_id: String,
    /// `TTP`, `Anomaly`, `Hunting` or `Correlation`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `informational`, `low`, `medium`, `high` or `critical`.
    pub severity: String,
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
    /// Whether somebody should look at it for its own sake.
    pub notable: bool,
    /// Why nobody needs to, where the logs' other days show such things, too; else null. What belongs to a told path is
    /// notable in any case.
    #[serde(default)]
    pub everyday: Option<String>,
    /// Why it is not shown and adds no risk, where that is so; else null.
    #[serde(default)]
    pub suppressed: Option<SuppressedInfo>,
    /// What carries risk.
    pub risk_objects: Vec<RiskObjectInfo>,
    /// What threatens.
    pub threat_objects: Vec<ThreatObjectInfo>,
    /// Machines that it is about, as ids of `hosts`.
    pub hosts: Vec<String>,
    /// Columns of the row: a text, a list of texts, or null.
    #[cfg_attr(test, ts(type = "Record<string, string | string[] | null>"))]
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// The events that it comes from, by time; of very many, the earliest and the latest.
    pub events: Vec<Reference>,
    /// Number of all events that it comes from.
    pub event_count: u64,
    /// How many alike findings it stands for: where the logs show daily work, one is told for each day.
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
    /// Whether the logs' other days show such things, too: by habit, or every day.
    pub fn is_daily_work(&self) -> bool {
        let by_habit = |one: &SuppressedInfo| one.by == crabwalk_detect::risk::HABITUAL;
        self.everyday.is_some() || self.suppressed.as_ref().is_some_and(by_habit)
    }
}

/// Why a finding is not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SuppressedInfo {
    /// Who decided it; `throttling` where it is alike to another.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Option<String>,
    /// File and line of the exception; null for throttling.
    #[serde(default)]
    pub exception: Option<String>,
}

/// Something that carries risk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RiskObjectInfo {
    /// `user`, `system` or `other`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name.
    pub value: String,
    /// Risk that the finding adds to it by the detection's measure.
    pub score: u32,
    /// The same with what assets and identities say taken into account.
    #[serde(default)]
    pub calculated_score: u32,
}

/// Something that threatens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ThreatObjectInfo {
    /// What it is, such as `process_name`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name.
    pub value: String,
}

/// Leads to one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Event id, 0 where there is none.
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
    /// Id of the source host, or null where nothing names it.
    pub src: Option<String>,
    /// Id of the destination host.
    pub dst: String,
    /// Id of the account that acted on the source.
    pub actor: Option<String>,
    /// Why the actor is taken to be that account, where no event at the source names it; else null.
    #[serde(default)]
    pub actor_inferred: Option<String>,
    /// Id of the account that logged on to the destination.
    pub used: Option<String>,
    /// Id of the account as which the payload ran.
    pub effective: Option<String>,
    /// ATT&CK technique ids, the surest first.
    pub techniques: Vec<String>,
    /// Time of its first act.
    pub first: Option<String>,
    /// Time of its last act.
    pub last: Option<String>,
    /// 0 to 1.
    pub confidence: f64,
    /// Whether it was tried and refused.
    pub attempted: bool,
    /// Whether its account does so on other days too: daily work, as far as the logs can tell.
    #[serde(default)]
    pub usual: bool,
    /// What it is taken for, by `confidence`, `attempted` and `usual`.
    #[cfg_attr(test, ts(type = "Standing"))]
    pub standing: Standing,
    /// What was seen.
    pub witnesses: Vec<WitnessInfo>,
    /// What was not seen.
    pub missing: Vec<MissingInfo>,
    /// What it ran on the destination, and what came of that.
    #[serde(default)]
    pub processes: Vec<RanInfo>,
    /// Ids of findings about it.
    pub findings: Vec<String>,
}

/// A program that ran because of a movement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RanInfo {
    /// When it was started.
    pub time: Option<String>,
    /// Path of the program.
    pub image: String,
    /// Its command line, empty where it was not logged.
    pub command_line: String,
    /// Id of the account as which it ran.
    pub account: Option<String>,
    /// Steps below the program that the movement itself started, which is 0.
    pub depth: u64,
    /// The event.
    pub events: Vec<Reference>,
}

/// One thing that was seen of a movement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct WitnessInfo {
    /// `source`, `destination-logon`, `destination-execution`, `domain-controller` or `network`.
    pub kind: String,
    /// What was seen.
    pub what: String,
    /// When.
    pub time: Option<String>,
    /// The events.
    pub events: Vec<Reference>,
}

/// A kind of witness that a movement does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MissingInfo {
    /// As in [`WitnessInfo`].
    pub kind: String,
    /// Why, for people.
    pub why: String,
}

/// Movements that follow from each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PathInfo {
    /// Identifier in this case.
    pub id: String,
    /// The higher, the sooner somebody should look.
    pub score: f64,
    /// What makes the score.
    pub why: Vec<String>,
    /// Ids of hops, by time.
    pub hops: Vec<String>,
    /// What joins them.
    pub links: Vec<LinkInfo>,
    /// Whether the verdict tells it.
    #[serde(default)]
    pub told: bool,
    /// How often daily work does what it shows, the rarest first; empty where there are too few days to compare with.
    #[serde(default)]
    pub rank: Vec<TermInfo>,
    /// Which way it leads, over the hops that happened if any did: `A → B → C`, `from A to 3 hosts: B, C and D`.
    #[serde(default)]
    pub way: String,
}

/// One reason why a path is, or is not, daily work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TermInfo {
    /// What is weighed, in words with figures.
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
    /// `process-causal`, `session-causal` or `time-possible`.
    pub kind: String,
    /// 0 to 1.
    pub certainty: f64,
}

/// How far the clocks of two hosts differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SkewInfo {
    /// Id of the host that opened connections.
    pub src: String,
    /// Id of the host that accepted them.
    pub dst: String,
    /// Median of the destination's time less the source's.
    pub seconds: f64,
    /// Connections that both logged.
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
    /// Sources of which part could not be read.
    pub sources_damaged: u64,
    /// Records that could not be read.
    pub skipped: u64,
    /// Copies of events that were left out.
    pub duplicates: u64,
    /// Detections that ran.
    pub detections: u64,
    /// Findings in all.
    pub findings: u64,
    /// Findings that somebody should look at.
    pub notables: u64,
    /// Findings that are not shown because of an exception or of throttling. They are in no other number.
    #[serde(default)]
    pub suppressed: u64,
    /// Possible movements that are left out as daily work of their accounts.
    #[serde(default)]
    pub usual_movements_left_out: u64,
    /// Findings by severity.
    pub findings_by_severity: BTreeMap<String, u64>,
    /// Findings by detection.
    pub findings_by_detection: BTreeMap<String, u64>,
    /// Who carries how much risk, the most first.
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
    /// `user`, `system` or `other`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name.
    pub value: String,
    /// Sum of what findings add.
    pub score: u64,
    /// Number of findings that add.
    pub findings: u64,
    /// Number of different detections that add.
    pub detections: u64,
}
