//! The case document: everything that one hunt concluded, and its exports.

mod build;
mod csv;
mod document;
pub mod dossier;
mod json;
mod write;

pub use build::{Input, Tool};
pub use csv::{defuse, findings_csv, timeline_csv};
pub use document::*;
pub use json::{to_json, to_json_line};
pub use write::{WriteError, write_to};
