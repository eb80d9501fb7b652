//! Sigma rules: loading them, determining their demand, running them over events.
//!
//! Rules are grouped by log source. Content defines the event types of a log source ([`LogSources`]); a group's rules
//! are compiled together, with a shared index, once there are events for them. So the cost of a run depends on its
//! event types, and not on the number of rules times the number of events.
//!
//! A rule's results have the form of an SPL detection's findings:
//!
//! | level of the rule | type | risk score |
//! | --- | --- | --- |
//! | critical | TTP | 90 |
//! | high | TTP | 70 |
//! | medium | Anomaly | 50 |
//! | low, or none given | Anomaly | 30 |
//! | informational | Hunting | 10 (adds no risk) |
//!
//! Matches of a rule that agree in machine, account and all fields that the rule names are one finding.

mod correlation;
mod encode;
mod engine;
mod finding;
mod group;
mod load;
mod logsource;
mod matches;
mod metadata;
mod question;
mod rewrite;
mod row;
mod rules;
mod run;

pub use engine::{Correlated, Correlator, Matcher as RuleMatcher};
pub use logsource::{FieldRule, LogSourceKey, LogSources, Piece, View};
pub use row::{Fields, Value};
pub use rules::SigmaRules;

#[cfg(test)]
mod tests;
