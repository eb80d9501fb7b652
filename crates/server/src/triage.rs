//! What people decided about what was found: whether somebody works on it, who, what it was, and why.
//!
//! One file, `inbox.jsonl`, appended to and synced: a decision is on disk before it is acknowledged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::appended::Appended;
use crate::listed::ListError;

/// Maximum number of things about which decisions are remembered; beyond it, those decided longest ago are forgotten.
const MOST: usize = 20_000;
/// Maximum number of decisions that are remembered of one thing.
const MOST_OF_ONE: usize = 100;
/// Size in bytes at which the file is rewritten with what is still remembered.
const MOST_BYTES: u64 = 32 << 20;

/// Whether somebody works on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nobody has looked yet.
    #[default]
    New,
    /// Somebody works on it.
    InProgress,
    /// Nothing is left to do.
    Closed,
}

/// What it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// It is not known yet.
    #[default]
    Undetermined,
    /// An intrusion, or a part of one.
    TruePositive,
    /// Suspicious, and expected: a test, an administrator.
    BenignPositive,
    /// The detection is wrong.
    FalsePositive,
    /// Something else, as the note says.
    Other,
}

/// A decision about one thing, as its history shows it. What is `None` was left as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// When, in microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// Who decided.
    pub by: String,
    /// Whether somebody works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Who does; empty: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Disposition>,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// Something that is decided about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Its id.
    pub id: String,
    /// The number of decisions that whoever decides knew of.
    #[serde(skip_serializing, default)]
    pub version: u64,
    /// Its last event when it was decided, in microseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub last: Option<i64>,
}

/// What is decided about one thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whether somebody works on it.
    pub status: Status,
    /// Who does; empty: nobody.
    pub owner: String,
    /// What it was.
    pub disposition: Disposition,
    /// Its last event at the last decision.
    pub last: Option<i64>,
    /// Number of decisions.
    pub version: u64,
    /// The decisions, oldest first.
    pub history: Vec<Decision>,
}

/// Decisions about several things at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    subjects: Vec<Subject>,
    #[serde(flatten)]
    decision: Decision,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Made(Made),
    State(BTreeMap<String, Entry>),
}

/// Why a decision is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TriageError {
    /// Somebody else has decided meanwhile.
    #[error("{by} changed this meanwhile; look at it again")]
    Meanwhile {
        /// Who.
        by: String,
        /// About what.
        id: String,
    },
    /// The file.
    #[error(transparent)]
    File(#[from] ListError),
}

struct State {
    file: Appended,
    all: BTreeMap<String, Entry>,
    /// Number of decisions since the start.
    made: u64,
}

/// All decisions.
pub struct Triage {
    state: Mutex<State>,
    path: PathBuf,
}

fn apply(all: &mut BTreeMap<String, Entry>, made: Made) {
    for subject in made.subjects {
        let one = all.entry(subject.id).or_default();
        let decision = made.decision.clone();
        one.status = decision.status.unwrap_or(one.status);
        one.disposition = decision.disposition.unwrap_or(one.disposition);
        if let Some(owner) = &decision.owner {
            one.owner.clone_from(owner);
        }
        one.last = subject.last;
        one.version += 1;
        one.history.push(decision);
        if one.history.len() > MOST_OF_ONE {
            one.history.remove(0);
        }
    }
    while all.len() > MOST {
        let decided = |entry: &Entry| entry.history.last().map(|one| one.at);
        let oldest = all.iter().min_by_key(|(_, entry)| decided(entry));
        let Some(id) = oldest.map(|(id, _)| id.clone()) else {
            return;
        };
        all.remove(&id);
    }
}

impl Triage {
    /// The decisions in a data folder.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn open(data: &Path) -> Result<Self, ListError> {
        let path = data.join("inbox.jsonl");
        let mut all = BTreeMap::new();
        let file = Appended::open(&path, |line| match line {
            Line::Made(made) => apply(&mut all, made),
            Line::State(whole) => all = whole,
        });
        let file = file.map_err(|source| ListError {
            path: path.clone(),
            source,
        })?;
        let state = Mutex::new(State { file, all, made: 0 });
        Ok(Self { state, path })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is decided about a thing; none if nothing is.
    pub fn of(&self, id: &str) -> Option<Entry> {
        self.state().all.get(id).cloned()
    }

    /// A number that changes with each decision.
    pub fn version(&self) -> u64 {
        self.state().made
    }

    /// Decides about things, all or none. It is on disk when this returns.
    ///
    /// # Errors
    /// If somebody has decided meanwhile about one of them, or the file cannot be written.
    pub fn decide(&self, subjects: Vec<Subject>, decision: Decision) -> Result<(), TriageError> {
        let mut state = self.state();
        for subject in &subjects {
            let entry = state.all.get(&subject.id);
            if entry.map_or(0, |entry| entry.version) != subject.version {
                let last = entry.and_then(|entry| entry.history.last());
                return Err(TriageError::Meanwhile {
                    by: last.map_or_else(|| "somebody".to_owned(), |one| one.by.clone()),
                    id: subject.id.clone(),
                });
            }
        }
        let made = Made { subjects, decision };
        let line = Line::Made(made.clone());
        state.file.append(&line).map_err(|source| ListError {
            path: self.path.clone(),
            source,
        })?;
        apply(&mut state.all, made);
        state.made += 1;
        if state.file.bytes() > MOST_BYTES {
            let whole = Line::State(state.all.clone());
            state.file.replace(&whole);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

    use super::*;

    fn subject(id: &str, version: u64) -> Subject {
        Subject {
            id: id.to_owned(),
            version,
            last: Some(7),
        }
    }

    fn closed(by: &str, at: i64) -> Decision {
        Decision {
            at,
            by: by.to_owned(),
            status: Some(Status::Closed),
            ..Decision::default()
        }
    }

    #[test]
    fn a_decision_that_a_crash_cut_off_was_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inbox.jsonl");
        let triage = Triage::open(folder.path()).unwrap();
        let both = vec![subject("a", 0), subject("b", 0)];
        triage.decide(both, closed("ann", 1)).unwrap();
        let first = std::fs::read(&path).unwrap().len();
        let owner = Decision {
            owner: Some("bob".to_owned()),
            note: "mine".to_owned(),
            ..closed("bob", 2)
        };
        triage.decide(vec![subject("a", 1)], owner).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let entry = Triage::open(folder.path()).unwrap().of("a").unwrap();
        assert_eq!((entry.version, entry.owner.as_str()), (2, "bob"));
        assert_eq!(entry.history.len(), 2);
        for cut in first..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let triage = Triage::open(folder.path()).unwrap();
            assert_eq!(triage.of("a").unwrap().version, 1, "{cut}");
            assert_eq!(triage.of("a"), triage.of("b"), "{cut}");
            triage
                .decide(vec![subject("a", 1)], closed("ann", 3))
                .unwrap();
            assert_eq!(triage.of("a").unwrap().version, 2, "{cut}");
        }
    }

    #[test]
    fn who_does_not_know_the_last_decision_decides_about_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let triage = Triage::open(folder.path()).unwrap();
        triage
            .decide(vec![subject("a", 0)], closed("ann", 1))
            .unwrap();
        let both = vec![subject("b", 0), subject("a", 0)];
        let refused = triage.decide(both, closed("bob", 2)).unwrap_err();
        assert!(refused.to_string().starts_with("ann changed"), "{refused}");
        assert_eq!(triage.of("b"), None);
    }

    #[test]
    fn the_oldest_decisions_are_forgotten() {
        let mut all = BTreeMap::new();
        for at in 0..=i64::try_from(MOST).unwrap() {
            let made = Made {
                subjects: vec![subject(&at.to_string(), 0)],
                decision: closed("ann", at),
            };
            apply(&mut all, made);
        }
        assert_eq!(all.len(), MOST);
        assert!(!all.contains_key("0") && all.contains_key("1"));
    }
}
