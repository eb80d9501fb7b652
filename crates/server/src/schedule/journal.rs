//! What scheduled detections did: one file, `findings.jsonl`, appended to and synced.
//!
//! A run is one line: its findings *and* how far its detections have come. Either both are on disk or neither is, so after
//! a crash a run that left no line is made again, and one that did is not.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::appended::Appended;

/// Maximum number of findings to remember.
const MOST_FINDINGS: usize = 10_000;
/// Size in bytes at which the file is rewritten with what is still remembered.
const MOST_BYTES: u64 = 64 << 20;
/// Maximum number of runs of a detection to remember.
const MOST_RUNS: usize = 10;

/// A finding of a scheduled detection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Derived from its content: the same finding of another run has the same.
    pub id: String,
    /// The detection's id.
    pub detection: String,
    /// The detection's name.
    pub name: String,
    /// The detection's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// How bad it is.
    pub severity: String,
    /// One sentence.
    pub message: String,
    /// When it was found, in microseconds since 1970-01-01 UTC, like the other times.
    pub found: i64,
    /// Its first event.
    pub first: Option<i64>,
    /// Its last event.
    pub last: Option<i64>,
    /// Accounts and machines that carry its risk: kind, name, score.
    pub risk_objects: Vec<(String, String, u32)>,
    /// Machines concerned.
    pub hosts: Vec<String>,
    /// The row, by field.
    pub fields: serde_json::Map<String, Value>,
    /// Where its first events lie: time, host, channel, event id, record number.
    pub events: Vec<(i64, String, String, u32, u64)>,
    /// Number of all its events.
    pub event_count: u64,
}

/// A run of one or several detections.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it ended.
    pub at: i64,
    /// Its duration in seconds.
    pub seconds: f64,
    /// Its detections, by id.
    pub detections: BTreeMap<String, Ran>,
    /// The number of the store's file that follows those it read, if it was for new events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrived: Option<u64>,
    /// New findings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Recorded>,
    /// Until when findings like these are throttled, by detection and the values they agree in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet: Vec<(String, i64)>,
}

/// What a run did with a detection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ran {
    /// The tick; none if it ran for new events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick: Option<i64>,
    /// Ticks that are given up on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
    /// Findings that were throttled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub throttled: u64,
    /// Findings that exceptions hid.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hidden: u64,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// It is new, and its first tick is the first after this run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub begins: bool,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

/// How far a detection has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Ticks up to this one are done.
    pub tick: Option<i64>,
    /// When it last ran.
    pub last: Option<i64>,
    /// How long the last run took, in seconds; runs of several detections count for each.
    pub seconds: f64,
    /// Number of runs.
    pub runs: u64,
    /// Number of findings.
    pub findings: u64,
    /// When the last of them was found.
    pub last_finding: Option<i64>,
    /// Number of findings that were throttled.
    pub throttled: u64,
    /// Number of findings that exceptions hid.
    #[serde(default)]
    pub hidden: u64,
    /// Number of ticks that were given up on.
    pub missed: u64,
    /// Why the last run failed, if it did.
    pub error: Option<String>,
    /// The last runs, oldest first. Of runs for new events, those that found something or failed.
    #[serde(default)]
    pub recent: VecDeque<Past>,
}

/// A run of a detection that is over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// When it ended.
    pub at: i64,
    /// Its duration in seconds, with the other detections of the run.
    pub seconds: f64,
    /// Number of new findings.
    pub findings: u64,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

/// What follows from all runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// By detection.
    pub detections: BTreeMap<String, Progress>,
    /// The number of the store's first file that is still to be read.
    pub arrived: Option<u64>,
    /// Until when findings are throttled.
    pub quiet: HashMap<String, i64>,
    /// The latest findings, in the order in which they were found.
    pub findings: VecDeque<Recorded>,
    /// Number of runs.
    pub runs: u64,
    /// Their ids.
    #[serde(skip)]
    ids: HashSet<String>,
}

impl State {
    /// Whether a finding is known.
    pub fn knows(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    fn apply(&mut self, run: Run) {
        self.runs += 1;
        self.arrived = run.arrived.or(self.arrived);
        for (id, ran) in run.detections {
            let one = self.detections.entry(id.clone()).or_default();
            if ran.begins {
                one.tick = one.tick.max(Some(run.at));
                continue;
            }
            one.tick = one.tick.max(ran.tick);
            one.last = Some(run.at);
            one.seconds = run.seconds;
            one.runs += 1;
            one.throttled += ran.throttled;
            one.hidden += ran.hidden;
            one.missed += ran.missed;
            one.error.clone_from(&ran.error);
            let found = run.findings.iter().filter(|found| found.detection == id);
            one.recent.push_back(Past {
                at: run.at,
                seconds: run.seconds,
                findings: found.count() as u64,
                error: ran.error,
            });
            if one.recent.len() > MOST_RUNS {
                one.recent.pop_front();
            }
        }
        for finding in run.findings {
            if !self.ids.insert(finding.id.clone()) {
                continue;
            }
            let one = self
                .detections
                .entry(finding.detection.clone())
                .or_default();
            one.findings += 1;
            one.last_finding = Some(finding.found);
            self.findings.push_back(finding);
            if self.findings.len() > MOST_FINDINGS
                && let Some(oldest) = self.findings.pop_front()
            {
                self.ids.remove(&oldest.id);
            }
        }
        self.quiet.extend(run.quiet);
        if self.quiet.len() > MOST_FINDINGS {
            self.quiet.retain(|_, until| *until > run.at);
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Run(Run),
    State(Box<State>),
}

/// The file and what it says.
pub struct Journal {
    file: Appended,
    /// What follows from the file.
    pub state: State,
}

impl Journal {
    /// Reads the journal of a data folder; a new one is empty. A last line that a crash cut off is dropped.
    ///
    /// # Errors
    /// If it cannot be read, or a line before the last one is damaged.
    pub fn open(data: &Path) -> io::Result<Self> {
        let mut state = State::default();
        let file = Appended::open(&data.join("findings.jsonl"), |line| match line {
            Line::Run(run) => state.apply(run),
            Line::State(whole) => {
                state = *whole;
                state.ids = state.findings.iter().map(|one| one.id.clone()).collect();
            }
        })?;
        Ok(Self { file, state })
    }

    /// Records a run. It is on disk when this returns.
    ///
    /// # Errors
    /// If it cannot be written. Then it counts as not made.
    pub fn append(&mut self, run: Run) -> io::Result<()> {
        self.file.append(&Line::Run(run.clone()))?;
        self.state.apply(run);
        if self.file.bytes() > MOST_BYTES {
            self.shorten();
        }
        Ok(())
    }

    /// Rewrites the file with what is still remembered.
    fn shorten(&mut self) {
        self.file
            .replace(&Line::State(Box::new(self.state.clone())));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

    use std::fs;

    use super::*;

    fn finding(id: &str, found: i64) -> Recorded {
        Recorded {
            id: id.to_owned(),
            detection: "d".to_owned(),
            name: "D".to_owned(),
            kind: "TTP".to_owned(),
            severity: "high".to_owned(),
            message: "it happened".to_owned(),
            found,
            first: None,
            last: None,
            risk_objects: Vec::new(),
            hosts: Vec::new(),
            fields: serde_json::Map::new(),
            events: Vec::new(),
            event_count: 1,
        }
    }

    fn run(at: i64, ids: &[&str]) -> Run {
        let ran = Ran {
            tick: Some(at),
            ..Ran::default()
        };
        Run {
            at,
            detections: BTreeMap::from([("d".to_owned(), ran)]),
            findings: ids.iter().map(|id| finding(id, at)).collect(),
            quiet: vec![("d x".to_owned(), at + 10)],
            ..Run::default()
        }
    }

    #[test]
    fn a_line_that_a_crash_cut_off_counts_as_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("findings.jsonl");
        let mut journal = Journal::open(folder.path()).unwrap();
        journal.append(run(10, &["a"])).unwrap();
        let before = journal.state.clone();
        let first = fs::read(&path).unwrap().len();
        journal.append(run(20, &["a", "b"])).unwrap();
        let after = journal.state.clone();
        let whole = fs::read(&path).unwrap();
        assert_eq!(Journal::open(folder.path()).unwrap().state, after);
        assert_eq!(after.detections["d"].findings, 2);
        for cut in first..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let mut journal = Journal::open(folder.path()).unwrap();
            assert_eq!(journal.state, before, "{cut}");
            // The run that was lost is made again.
            journal.append(run(20, &["a", "b"])).unwrap();
            assert_eq!(Journal::open(folder.path()).unwrap().state, after, "{cut}");
        }
    }

    #[test]
    fn a_shortened_file_says_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        for at in 0..20 {
            journal.append(run(at, &[&format!("f{at}")])).unwrap();
        }
        journal.shorten();
        journal.append(run(30, &["f3", "last"])).unwrap();
        let again = Journal::open(folder.path()).unwrap();
        assert_eq!(again.state, journal.state);
        assert!(again.state.knows("f3") && again.state.knows("last"));
        assert_eq!(again.state.findings.len(), 21);
    }
}
