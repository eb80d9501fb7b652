//! Content (stories, detections, macros, lookups, field mappings, data models), running it over events, findings and risk.
//!
//! # What could not be seen is a result
//!
//! No finding means nothing where the logs could not show one. The demand of each detection says which event types it
//! reads, coverage says which hosts have them, and the difference is a [`gap`](gap::Gap): this detection could not see that
//! host, and that is what to switch on. Findings are weighed against what is usual in these logs.
//!
//! [`Content`] loads what is known, [`Detections`] parses the searches, says what they need, and runs them over a catalog.
//! The result is an [`Outcome`]: findings and gaps. A detection that is broken is reported, and the others go on.
//!
//! ```
//! use crabwalk_detect::Content;
//!
//! let content = Content::load(true, &[]);
//! assert!(content.problems.is_empty());
//! let renamed = content.detections.iter().find(|one| one.name == "Detect Renamed PSExec");
//! assert!(renamed.is_some());
//! ```

pub mod attack;
pub mod baseline;
pub mod cases;
pub mod check;
pub mod content;
pub mod detection;
mod error;
mod files;
pub mod finding;
pub mod gap;
mod lint;
pub mod logging;
pub mod lookups;
mod message;
mod origin;
pub mod query;
pub mod risk;
pub mod run;
pub mod sigma;

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
