//! Exceptions: findings that somebody has reviewed and does not want to see again until a given day.
//!
//! ```yaml
//! exceptions:
//!   - detection: Detect PsExec*        # name or id, any case, `*` for any text; left out: every detection
//!     fields: {user: [svc_deploy], dest: [SRV*]}
//!     reason: software is installed with PsExec
//!     by: Ann
//!     until: 2027-03-31
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::finding::{Finding, Suppressed, SuppressedBy};
use crate::origin::ContentProblem;
use crabwalk_vocabulary::wildcard;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDocument {
    exceptions: Vec<serde_saphyr::Spanned<RawException>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawException {
    #[serde(default)]
    detection: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, Values>,
    reason: String,
    by: String,
    until: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    Many(Vec<String>),
    One(String),
}

/// Findings to hide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Name or id of the detections, `*` for any text; `None` for all.
    pub detection: Option<String>,
    /// Field of a finding → patterns, one of which every value of the field must match. `host` also matches the
    /// machines concerned.
    pub fields: BTreeMap<String, Vec<String>>,
    /// Why the findings are expected, for reviewers of the exception.
    pub reason: String,
    /// Who decided it.
    pub by: String,
    /// Until when, as written in the file.
    pub until: String,
    /// The same in microseconds since 1970-01-01 UTC; for a date, the end of that day.
    pub ends: i64,
    /// Its file, as named by the caller.
    pub file: Option<String>,
    /// Its line in the file, from 1.
    pub line: Option<u64>,
}

/// Parses a file of exceptions.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Exception>, String> {
    let raw: RawDocument = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    raw.exceptions
        .into_iter()
        .enumerate()
        .map(|(at, one)| {
            let line = one.referenced.line();
            let one = one.value;
            let wrong = |what: &str| format!("exception {}: {what}", at + 1);
            if one.detection.is_none() && one.fields.is_empty() {
                return Err(wrong(
                    "it would silence everything; name a `detection` or `fields`",
                ));
            }
            if one.reason.trim().is_empty() || one.by.trim().is_empty() {
                return Err(wrong("`reason` and `by` must not be empty"));
            }
            let ends = Exception::end_of(&one.until).ok_or_else(|| {
                wrong(&format!(
                    "`until: {}` is neither a date (2027-03-31) nor a time (2027-03-31T12:00:00Z)",
                    one.until
                ))
            })?;
            let fields = one
                .fields
                .into_iter()
                .map(|(name, values)| {
                    let values = match values {
                        Values::Many(values) => values,
                        Values::One(value) => vec![value],
                    };
                    (name, values)
                })
                .collect();
            Ok(Exception {
                detection: one.detection,
                fields,
                reason: one.reason,
                by: one.by,
                until: one.until,
                ends,
                file: None,
                line: (line > 0).then_some(line),
            })
        })
        .collect()
}

impl Exception {
    /// The time that an `until` names, in microseconds since 1970-01-01 UTC: for a date the end of that day.
    pub fn end_of(until: &str) -> Option<i64> {
        let until = until.trim();
        if let Ok(date) = until.parse::<jiff::civil::Date>()
            && until.len() == 10
        {
            let next = date
                .tomorrow()
                .ok()?
                .to_datetime(jiff::civil::Time::midnight());
            let time = jiff::tz::TimeZone::UTC.to_timestamp(next).ok()?;
            return Some(time.as_microsecond() - 1);
        }
        crate::finding::parse_time(until)
    }

    /// Its position: `file:line`, as far as known.
    pub fn place(&self) -> String {
        let file = self.file.as_deref().unwrap_or("exceptions");
        match self.line {
            Some(line) => format!("{file}:{line}"),
            None => file.to_owned(),
        }
    }

    /// Whether it covers a finding.
    pub fn covers(&self, finding: &Finding) -> bool {
        let detection = &finding.detection;
        if let Some(pattern) = &self.detection
            && !wildcard::matches(pattern, &detection.name)
            && !wildcard::matches(pattern, &detection.id)
        {
            return false;
        }
        self.fields.iter().all(|(name, patterns)| {
            let mut values = finding.values(name).to_vec();
            if values.is_empty() && name == "host" {
                values = finding.hosts();
            }
            !values.is_empty()
                && values.iter().all(|value| {
                    patterns
                        .iter()
                        .any(|pattern| wildcard::matches(pattern, value))
                })
        })
    }
}

/// Marks the findings that exceptions cover. Reports exceptions that have ended, and those that cover nothing.
pub(super) fn apply(
    findings: &mut [Finding],
    exceptions: &[Exception],
    now: f64,
) -> Vec<ContentProblem> {
    let mut problems = Vec::new();
    for one in exceptions {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds until the year 2255 fit the 53 bits exactly"
        )]
        let ended = one.ends as f64 / 1e6 < now;
        if ended {
            problems.push(ContentProblem {
                path: "exceptions".to_owned(),
                line: None,
                column: None,
                message: format!(
                    "the exception for {} (`{}`) ended on {}",
                    one.by, one.reason, one.until
                ),
                fatal: false,
                detection: None,
            });
            continue;
        }
        for finding in findings
            .iter_mut()
            .filter(|finding| finding.suppressed.is_none())
        {
            if one.covers(finding) {
                finding.suppressed = Some(Suppressed {
                    by: SuppressedBy::Author(one.by.clone()),
                    reason: one.reason.clone(),
                    until: Some(one.until.clone()),
                    exception: Some(one.place()),
                });
            }
        }
    }
    problems
}
