//! What people know about their environment: assets and identities, and exceptions, which hide findings until a day.
//! Hunts and detections use them from their next run on.
//!
//! Assets and identities that files of the configuration name come first: of two rows with the same name, theirs counts.

pub mod pages;
mod table;

use std::collections::BTreeMap;
use std::path::Path;

use crabwalk_detect::{Content, Exception as Silencing};
use serde::{Deserialize, Serialize};

use crate::listed::{ListError, Listed};
pub use table::{Kind, Problem, Table};

/// Maximum number of exceptions.
const MOST: usize = 2_000;
/// The longest time for which an exception may be made: a year, and a day for those who count from tomorrow.
const LONGEST: i64 = 367 * DAY;
const DAY: i64 = 24 * 60 * 60 * 1_000_000;
/// How long hunts report that an exception has ended.
const REPORTED: i64 = 7 * DAY;
/// Longest text of an exception, in characters, and most of its fields and patterns.
const MOST_TEXT: usize = 1_000;
const MOST_FIELDS: usize = 50;

/// Why something was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Places where it is wrong.
    #[error("{}", summary(.0))]
    Wrong(Vec<Problem>),
    /// Somebody else has changed it meanwhile.
    #[error("{0} has changed it meanwhile; load it again")]
    Changed(String),
    /// There is none of this name.
    #[error("there is no such exception")]
    Unknown,
    /// There are too many.
    #[error("there are {MOST} exceptions; remove old ones")]
    Full,
    /// The file.
    #[error(transparent)]
    File(#[from] ListError),
    /// The system provides no random bytes.
    #[error(transparent)]
    Random(#[from] crate::secret::NoRandom),
}

fn summary(problems: &[Problem]) -> String {
    match problems {
        [] => "it is wrong".to_owned(),
        [one] => one.message.clone(),
        [one, rest @ ..] => format!(
            "{}, and {}",
            one.message,
            crabwalk_vocabulary::text::count(rest.len(), "more problem")
        ),
    }
}

/// Findings that somebody does not want to see until a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// Never changes.
    pub id: String,
    /// Name or id of the detections, `*` for any text; empty: all.
    #[serde(default)]
    pub detection: String,
    /// Field of a finding → patterns, one of which every value must match.
    #[serde(default)]
    pub fields: BTreeMap<String, Vec<String>>,
    /// Why the findings are expected.
    pub reason: String,
    /// Who decided it.
    pub by: String,
    /// A date, the end of which counts, or a time; UTC.
    pub until: String,
    /// When it was decided, in microseconds since 1970-01-01 UTC.
    pub at: i64,
    /// Rises with each change.
    pub version: u64,
}

/// What somebody says about an exception.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// The version that they saw; none for a new one.
    #[serde(default)]
    pub version: Option<u64>,
    /// Name or id of the detections, `*` for any text.
    #[serde(default)]
    pub detection: String,
    /// Field of a finding → patterns.
    #[serde(default)]
    pub fields: BTreeMap<String, Vec<String>>,
    /// Why the findings are expected.
    pub reason: String,
    /// Until when.
    pub until: String,
}

impl Exception {
    /// When it ends, in microseconds since 1970-01-01 UTC.
    pub fn ends(&self) -> Option<i64> {
        Silencing::end_of(&self.until)
    }

    /// What it covers, in a few words.
    fn about(&self) -> String {
        let mut parts = Vec::new();
        if !self.detection.is_empty() {
            parts.push(self.detection.clone());
        }
        for (name, patterns) in &self.fields {
            parts.push(format!("{name}={}", patterns.join("|")));
        }
        format!(
            "{} until {}: {} ({})",
            parts.join(", "),
            self.until,
            self.reason,
            self.id
        )
    }
}

impl Decided {
    fn problems(&self, now: i64) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |place: &str, message: &str| {
            problems.push(Problem {
                row: 0,
                column: place.to_owned(),
                message: message.to_owned(),
            });
        };
        let is_any = |pattern: &str| !pattern.is_empty() && pattern.chars().all(|c| c == '*');
        let texts = (self.fields.iter()).flat_map(|(name, all)| all.iter().chain([name]));
        let mut texts = texts.chain([&self.detection, &self.reason, &self.until]);
        if texts.any(|text| text.chars().count() > MOST_TEXT || text.chars().any(char::is_control))
        {
            wrong("reason", "a text is too long, or has control characters");
        }
        let patterns: usize = self.fields.values().map(Vec::len).sum();
        if self.fields.len() > MOST_FIELDS || patterns > MOST_FIELDS * 4 {
            wrong("fields", "there are too many fields or patterns");
        }
        for (name, patterns) in &self.fields {
            if name.trim().is_empty()
                || patterns.is_empty()
                || patterns.iter().any(|one| one.trim().is_empty())
            {
                wrong("fields", "each field needs a name and at least one pattern");
            }
        }
        let is_narrow =
            (self.fields.values()).any(|all| !all.is_empty() && !all.iter().any(|one| is_any(one)));
        let names_some = !self.detection.trim().is_empty() && !is_any(self.detection.trim());
        if !is_narrow && !names_some {
            wrong(
                "detection",
                "it would hide everything: name a detection, or values of a field",
            );
        }
        if self.reason.trim().is_empty() {
            wrong("reason", "say why these findings are expected");
        }
        match Silencing::end_of(&self.until) {
            None => wrong(
                "until",
                "write a date, such as 2027-03-31, or a time, such as 2027-03-31T12:00:00Z",
            ),
            Some(end) if end <= now => wrong("until", "this time is over"),
            Some(end) if end - now > LONGEST => wrong(
                "until",
                "at most a year from now: then somebody looks again",
            ),
            Some(_) => {}
        }
        problems
    }
}

/// What people know about their environment.
pub struct Environment {
    assets: Listed<Table>,
    identities: Listed<Table>,
    exceptions: Listed<Exception>,
}

impl Environment {
    /// What is known in a data folder.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(data: &Path) -> Result<Self, ListError> {
        Ok(Self {
            assets: Listed::open(&data.join("assets.json"))?,
            identities: Listed::open(&data.join("identities.json"))?,
            exceptions: Listed::open(&data.join("exceptions.json"))?,
        })
    }

    fn list(&self, kind: Kind) -> &Listed<Table> {
        match kind {
            Kind::Assets => &self.assets,
            Kind::Identities => &self.identities,
        }
    }

    /// Assets or identities.
    pub fn table(&self, kind: Kind) -> Table {
        let all = self.list(kind).all();
        all.first().cloned().unwrap_or_else(|| Table::empty(kind))
    }

    /// Replaces assets or identities, and returns what changed, in words. `seen` is the version that the author saw.
    ///
    /// # Errors
    /// If they are wrong, somebody else has changed them, or they cannot be written.
    pub fn set_table(
        &self,
        kind: Kind,
        seen: Option<u64>,
        mut table: Table,
        by: &str,
    ) -> Result<(Table, String), ChangeError> {
        table.tidy();
        let problems = table.problems(kind);
        if !problems.is_empty() {
            return Err(ChangeError::Wrong(problems));
        }
        self.list(kind).change(|all| {
            let before = all.first().cloned().unwrap_or_else(|| Table::empty(kind));
            if seen.is_some_and(|seen| seen != before.version) {
                return Err(ChangeError::Changed(before.by));
            }
            table.version = before.version + 1;
            table.by = by.to_owned();
            table.at = now();
            let what = table.changes(kind, &before);
            *all = vec![table.clone()];
            Ok((table, what))
        })
    }

    /// Exceptions, newest first.
    pub fn exceptions(&self) -> Vec<Exception> {
        let mut all = self.exceptions.all().as_ref().clone();
        all.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.id.cmp(&b.id)));
        all
    }

    /// Makes an exception, or changes one, and returns it with what was done, in words.
    ///
    /// # Errors
    /// If it is wrong, there is none, somebody else has changed it, or it cannot be written.
    pub fn set_exception(
        &self,
        id: Option<&str>,
        decided: Decided,
        by: &str,
    ) -> Result<(Exception, String), ChangeError> {
        let now = now();
        let problems = decided.problems(now);
        if !problems.is_empty() {
            return Err(ChangeError::Wrong(problems));
        }
        let fresh: String = crate::secret::hex(&crate::secret::random::<6>()?);
        self.exceptions.change(|all| {
            let at = match id {
                Some(id) => all.iter().position(|one| one.id == id),
                None if all.len() >= MOST => return Err(ChangeError::Full),
                None => {
                    all.push(Exception {
                        id: fresh,
                        ..Exception::default()
                    });
                    Some(all.len() - 1)
                }
            };
            let one = at.and_then(|at| all.get_mut(at));
            let one = one.ok_or(ChangeError::Unknown)?;
            if decided.version.is_some_and(|seen| seen != one.version) {
                return Err(ChangeError::Changed(one.by.clone()));
            }
            one.detection = decided.detection.trim().to_owned();
            one.fields = (decided.fields.into_iter())
                .map(|(name, all)| {
                    let all = all.iter().map(|one| one.trim().to_owned());
                    (name.trim().to_owned(), all.collect())
                })
                .collect();
            decided.reason.trim().clone_into(&mut one.reason);
            decided.until.trim().clone_into(&mut one.until);
            by.clone_into(&mut one.by);
            one.at = now;
            one.version += 1;
            let about = one.about();
            Ok((one.clone(), about))
        })
    }

    /// Removes an exception: what it hides is seen again. Returns what it was, in words.
    ///
    /// # Errors
    /// If there is none, or it cannot be written.
    pub fn remove_exception(&self, id: &str) -> Result<String, ChangeError> {
        self.exceptions.change(|all| {
            let at = all.iter().position(|one| one.id == id);
            let one = all.remove(at.ok_or(ChangeError::Unknown)?);
            Ok(one.about())
        })
    }

    /// Adds assets and identities to content.
    ///
    /// # Errors
    /// What is wrong with them, if somebody else wrote the files.
    pub fn add_to(&self, content: &mut Content) -> Result<(), String> {
        for (kind, list) in [
            (Kind::Assets, &self.assets),
            (Kind::Identities, &self.identities),
        ] {
            let Some(table) = list.all().first().cloned() else {
                continue;
            };
            if table.rows.is_empty() {
                continue;
            }
            let csv = table.csv(false);
            let added = match kind {
                Kind::Assets => content.add_assets(csv.as_bytes()),
                Kind::Identities => content.add_identities(csv.as_bytes()),
            };
            added.map_err(|error| format!("{}.json: {error}", kind.name()))?;
        }
        Ok(())
    }

    /// The exceptions for a run: those that have not ended, and, to be reported, those that ended within the last week.
    pub fn silencing(&self) -> Vec<Silencing> {
        let now = now();
        (self.exceptions.all().iter())
            .filter_map(|one| {
                let ends = one.ends().filter(|ends| now - ends < REPORTED)?;
                Some(Silencing {
                    detection: Some(one.detection.clone()).filter(|name| !name.is_empty()),
                    fields: one.fields.clone(),
                    reason: one.reason.clone(),
                    by: one.by.clone(),
                    until: one.until.clone(),
                    ends,
                    file: Some(place(&one.id)),
                    line: None,
                })
            })
            .collect()
    }

    /// What tells whether anything has changed.
    pub fn state(&self) -> u64 {
        let tables = [Kind::Assets, Kind::Identities].map(|kind| self.table(kind).version);
        let now = now();
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        for version in tables {
            hash.update(&version.to_le_bytes());
        }
        for one in self.exceptions.all().iter() {
            hash.update(one.id.as_bytes());
            hash.update(&one.version.to_le_bytes());
            // One that ends changes what is seen, too.
            hash.update(&[u8::from(one.ends().is_none_or(|ends| ends < now))]);
        }
        hash.digest()
    }
}

/// How a case names an exception.
pub fn place(id: &str) -> String {
    format!("exception {id}")
}

fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
