//! Commands of which everything stands in one file: what it is called, its syntax, options and documentation, what it reads
//! and makes, and how it is planned. [`ALL`] lists them; the parser, the printer, the demand on the readers, the planner and
//! the user's reference go by that list.
//!
//! A new command is a file with a [`Whole`] and a line in the list.

mod addtotals;
mod autoregress;
mod cluster;
mod dedup;
mod delta;
mod extract;
mod fields;
mod fieldsummary;
mod fillnull;
mod format;
mod fromjson;
mod gentimes;
mod head;
mod iplocation;
mod makecontinuous;
mod makemv;
mod makeresults;
mod multikv;
mod mvcombine;
mod mvexpand;
mod nomv;
mod rare;
mod rename;
mod replace;
mod reverse;
mod set;
mod sort;
mod spath;
mod table;
mod tail;
mod timewrap;
mod tojson;
mod top;
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
    &dedup::COMMAND,
    &delta::COMMAND,
    &extract::COMMAND,
    &fields::COMMAND,
    &fieldsummary::COMMAND,
    &fillnull::COMMAND,
    &format::COMMAND,
    &fromjson::COMMAND,
    &gentimes::COMMAND,
    &head::COMMAND,
    &iplocation::COMMAND,
    &makecontinuous::COMMAND,
    &makemv::COMMAND,
    &makeresults::COMMAND,
    &multikv::COMMAND,
    &mvcombine::COMMAND,
    &mvexpand::COMMAND,
    &nomv::COMMAND,
    &rare::COMMAND,
    &rename::COMMAND,
    &replace::COMMAND,
    &reverse::COMMAND,
    &set::COMMAND,
    &sort::COMMAND,
    &spath::COMMAND,
    &table::COMMAND,
    &tail::COMMAND,
    &timewrap::COMMAND,
    &tojson::COMMAND,
    &top::COMMAND,
    &transpose::COMMAND,
    &uniq::COMMAND,
    &untable::COMMAND,
    &xmlkv::COMMAND,
    &xyseries::COMMAND,
];
