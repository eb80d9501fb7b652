//! Risk: what findings add to accounts and machines, what adjusts it, what silences it, and the events made from it so
//! that searches can aggregate it.
//!
//! Once all detections except the correlations have run: exceptions, throttling and habits silence findings, risk
//! factors turn scores into calculated scores, each risk object of each remaining finding becomes a risk event
//! (`stash:risk`), and each notable its own event (`stash:notable`). Correlations run over these. Finally all findings
//! are compared with the other days, and daily work is no longer notable.

mod events;
mod exception;
mod factor;
mod habit;

pub use crate::attack::Attack;
pub(crate) use events::{EVENTS, catalog, follow};
pub use events::{RiskEvent, events};
pub use exception::{Exception, parse as parse_exceptions};
pub use factor::RiskFactors;
pub(crate) use habit::{fold, fold_days, silence as silence_habits, weigh};

use std::collections::HashMap;

use crate::finding::{Finding, Suppressed, SuppressedBy};
use crate::origin::ContentProblem;
pub use crate::throttling::Throttling;

/// The key of similar findings: the detection's id, and the values of its fields.
type Alike = (String, Vec<Vec<String>>);

/// Silences findings: by exceptions first, then by throttling. Findings must be in chronological order. `now` is in
/// seconds since 1970-01-01 UTC.
pub(crate) fn silence(
    findings: &mut [Finding],
    exceptions: &[Exception],
    now: f64,
) -> Vec<ContentProblem> {
    let problems = exception::apply(findings, exceptions, now);
    let mut last: HashMap<Alike, (i64, String)> = HashMap::new();
    for finding in findings.iter_mut() {
        let Some(throttling) = finding.detection.throttling.clone() else {
            continue;
        };
        let Some(first) = finding.first else {
            continue;
        };
        if finding.suppressed.is_some() {
            continue;
        }
        let key = (
            finding.detection.id.clone(),
            finding.agreement(&throttling.fields),
        );
        match last.get(&key) {
            Some((since, id)) if first - since < throttling.period => {
                finding.suppressed = Some(Suppressed {
                    by: SuppressedBy::Throttling,
                    reason: format!("similar to {id} and soon after it"),
                    until: None,
                    exception: None,
                });
            }
            _ => {
                last.insert(key, (first, finding.id.clone()));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests;
