//! Content (stories, detections, macros, lookups, field mappings, data models), running it over events, findings and risk.
//!
//! The way through this room: [`Content`] loads what is known, [`Detections`] parses their searches and says which
//! columns of which events they need, and runs them over a catalog. The result is an [`Outcome`]: findings, and
//! [`gaps`](gap::Gap) that say which detections could not see which hosts, and why.

pub mod attack;
pub mod baseline;
pub mod cases;
pub mod check;
pub mod content;
pub mod detection;
mod error;
pub mod finding;
pub mod gap;
mod lint;
pub mod logging;
mod message;
mod origin;
pub mod query;
pub mod risk;
pub mod run;
pub mod sigma;
pub mod store;
mod throttling;
mod workers;

pub use check::{CheckResult, Checked};
pub use content::Content;
pub use detection::{Baseline, Detection, DetectionType, RiskObjectKind, Status, Story};
pub use error::RunError;
pub use finding::{Finding, RiskObject, Suppressed, ThreatObject};
pub use gap::Gap;
pub use origin::{ContentProblem, Origin};

pub use crabwalk_spl::DEFAULT_MEMORY;
pub use query::Query;
pub use risk::Exception;
pub use run::{Detections, Outcome, RunOptions};
pub use sigma::SigmaRules;
