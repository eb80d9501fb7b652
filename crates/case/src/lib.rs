//! The case document: everything that one hunt concluded, and its exports.
//!
//! # Nothing is decided here
//!
//! Everything shown in the terminal, the report and the exports is written from one document, and the document from the
//! types of a [`Conclusion`](crabwalk_hunt::Conclusion). Earlier crates have already decided which movements are
//! proven, where the intruder came in and what to isolate; a host or an account has one name ([`Names`]) everywhere.
//! The front end's types are generated from the document's.
//!
//! Logs contain text written by attackers, so every output is guarded: control characters on the terminal, markup in
//! the report, and formulas in spreadsheets.
//!
//! ```
//! use crabwalk_case::defuse;
//!
//! assert_eq!(defuse("=HYPERLINK(\"http://example.com\")"), "'=HYPERLINK(\"http://example.com\")");
//! assert_eq!(defuse("-12.5"), "-12.5");
//! ```

mod attention;
mod build;
mod csv;
mod document;
pub mod dossier;
mod event_names;
mod export;
mod json;
mod names;
mod narrow;
mod report;
mod risk_events;
mod sentences;
mod tables;
mod timeline;
#[cfg(test)]
mod typescript;
mod way;
mod write;

pub use build::{Input, Tool};
pub use crabwalk_detect::{DetectionType, RiskObjectKind};
pub use crabwalk_movement::{Certainty, Kind, LinkKind, Standing, SwitchedAt};
pub use crabwalk_vocabulary::{AccountRole, Severity};
pub use csv::{defuse, findings_csv, timeline_csv};
pub use document::*;
pub use export::{
    dot, graphml, iris_alerts, iris_timeline, markdown, navigator, ocsf, opengraph, stix,
    timesketch,
};
pub use json::{ReadError, from_json, to_json, to_json_line};
pub use names::Names;
pub use report::{FrontEnd, RawRecord, Report, WITHOUT_FRONT_END, front_end, raw_records};
pub use tables::{List, table};
pub use way::way;
pub use write::{WriteError, write_file, write_to, write_with_records, write_with_report};
