//! Commands of which everything stands in one file: what it is called, its syntax, options and documentation, what it reads
//! and makes, and how it is planned. [`ALL`] lists them; the parser, the printer, the demand on the readers, the planner and
//! the user's reference go by that list.
//!
//! A new command is a file with a [`Whole`] and a line in the list.

mod cluster;
mod fieldsummary;
mod gentimes;
mod makecontinuous;
mod set;
mod timewrap;
mod tojson;
mod transpose;
mod uniq;
mod untable;

use crate::syntax::usage::Whole;

/// The commands.
pub(crate) static ALL: &[&Whole] = &[
    &cluster::COMMAND,
    &fieldsummary::COMMAND,
    &gentimes::COMMAND,
    &makecontinuous::COMMAND,
    &set::COMMAND,
    &timewrap::COMMAND,
    &tojson::COMMAND,
    &transpose::COMMAND,
    &uniq::COMMAND,
    &untable::COMMAND,
];
