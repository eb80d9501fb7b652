//! Content (stories, detections, macros, lookups, field mappings, data models), running it over events, findings and risk.
//!
//! # What could not be seen is a result
//!
//! The absence of findings means nothing if the logs could not show any. The demand of each detection lists the event
//! types it reads, coverage lists the hosts that have them, and the difference is a [`gap`](gap::Gap): this detection
//! was blind on that host, and this is what to enable. Findings are compared with what is usual in the same logs.
//!
//! [`Content`] loads content; [`Detections`] parses the searches, determines their demand, and runs them over a
//! catalog. The result is an [`Outcome`]: findings and gaps. A broken detection is reported, and the others continue.
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
mod cron;
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
pub mod schedule;
pub mod sigma;

mod throttling;
mod workers;

pub use check::{CheckResult, Checked};
pub use content::{Content, ContentPathError, ContentPaths, read_exceptions};
pub use detection::{Baseline, Detection, DetectionType, RiskObjectKind, Status, Story};
pub use error::RunError;
pub use finding::{Finding, RiskObject, Suppressed, SuppressedBy, ThreatObject};
pub use gap::Gap;
pub use origin::{ContentOrigin, ContentProblem};

pub use crabwalk_spl::functions::time::time_modifier;
pub use crabwalk_spl::{DEFAULT_MEMORY, Knowledge, Stop};
pub use query::Query;
pub use risk::Exception;
pub use run::{Detections, Outcome, RunOptions};
pub use schedule::{Schedule, Timing};
pub use sigma::SigmaRules;
