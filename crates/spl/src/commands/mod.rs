//! Commands of which everything stands in one file: what it is called, its syntax, options and documentation, what it reads
//! and makes, and how it is planned. [`ALL`] lists them; the parser, the printer, the demand on the readers, the planner and
//! the user's reference go by that list.
//!
//! A new command is a file with a [`Whole`] and a line in the list.

mod addtotals;
mod autoregress;
mod cluster;
mod delta;
mod extract;
mod fieldsummary;
mod fromjson;
mod gentimes;
mod makecontinuous;
mod makemv;
mod mvcombine;
mod mvexpand;
mod nomv;
mod reverse;
mod set;
mod spath;
mod tail;
mod timewrap;
mod tojson;
mod transpose;
mod uniq;
mod untable;
mod xmlkv;
mod xyseries;

use crate::syntax::usage::Whole;

/// The commands.
pub(crate) static ALL: &[&Whole] = &[
    &addtotals::COMMAND,
    &autoregress::COMMAND,
    &cluster::COMMAND,
    &delta::COMMAND,
    &extract::COMMAND,
    &fieldsummary::COMMAND,
    &fromjson::COMMAND,
    &gentimes::COMMAND,
    &makecontinuous::COMMAND,
    &makemv::COMMAND,
    &mvcombine::COMMAND,
    &mvexpand::COMMAND,
    &nomv::COMMAND,
    &reverse::COMMAND,
    &set::COMMAND,
    &spath::COMMAND,
    &tail::COMMAND,
    &timewrap::COMMAND,
    &tojson::COMMAND,
    &transpose::COMMAND,
    &uniq::COMMAND,
    &untable::COMMAND,
    &xmlkv::COMMAND,
    &xyseries::COMMAND,
];
