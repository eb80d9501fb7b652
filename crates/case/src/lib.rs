//! The case document: everything that one hunt concluded, and its exports.

mod build;
mod concluded;
mod csv;
mod document;
pub mod dossier;
mod event_names;
mod export;
mod json;
mod names;
mod narrow;
mod report;
mod sentences;
#[cfg(test)]
mod typescript;
mod way;
mod write;

pub use build::{Input, Tool};
pub use crabwalk_movement::Standing;
pub use csv::{defuse, findings_csv, timeline_csv};
pub use document::*;
pub use export::{dot, graphml, markdown, navigator, stix, timesketch};
pub use json::{to_json, to_json_line};
pub use names::Names;
pub use report::{FrontEnd, Report, WITHOUT_FRONT_END, front_end};
pub use way::way;
pub use write::{WriteError, write_file, write_to};
