//! Content (stories, detections, macros, lookups, field mappings, data models), running it over events, findings and risk.
//!
//! The way through this room: [`Content`] loads what is known, [`Hunt`] parses the detections' searches and says which
//! columns of which events they need, and runs them over what was read. The result is an [`Outcome`]: findings, and
//! [`gaps`](gap::Gap) that say which detections could not see which hosts, and why.

pub mod attack;
pub mod baseline;
pub mod cases;
pub mod check;
pub mod content;
pub mod detection;
pub mod finding;
pub mod gap;
pub mod hunt;
mod lint;
mod message;
pub mod query;
pub mod risk;
pub mod sigma;
pub mod store;
mod workers;

pub use check::{CheckResult, Checked};
pub use content::{Content, ContentProblem, Origin};
pub use detection::{Baseline, Detection, DetectionType, RiskObjectKind, Status, Story};
pub use finding::{Finding, RiskObject, Suppressed, ThreatObject};
pub use gap::Gap;
pub use hunt::{Hunt, HuntOptions, Outcome};
pub use query::Query;
pub use risk::Exception;
pub use sigma::SigmaRules;
