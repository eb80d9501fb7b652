//! Commands of which everything stands in one file: what it is called, its syntax, options and documentation, what it reads
//! and makes, and how it is planned. [`ALL`] lists them; the parser, the printer, the demand on the readers, the planner and
//! the user's reference go by that list.
//!
//! A new command is a file with a [`Whole`] and a line in the list.

mod accum;
mod addcoltotals;
mod addinfo;
mod addtotals;
mod appendcols;
mod autoregress;
mod cluster;
mod datamodel;
mod dedup;
mod delta;
mod extract;
mod fieldformat;
mod fields;
mod fieldsummary;
mod filldown;
mod fillnull;
mod format;
mod fromjson;
mod gentimes;
mod head;
mod highlight;
mod iplocation;
mod makecontinuous;
mod makemv;
mod makeresults;
mod metadata;
mod multikv;
mod mvcombine;
mod mvexpand;
mod nomv;
mod outlier;
mod rangemap;
mod rare;
mod rename;
mod replace;
mod reverse;
mod set;
mod sort;
mod spath;
mod strcat;
mod table;
mod tail;
mod timewrap;
mod tojson;
mod top;
mod transpose;
mod trendline;
mod uniq;
mod untable;
mod xmlkv;
mod xyseries;

use crate::syntax::usage::Whole;

/// The commands.
pub(crate) static ALL: &[&Whole] = &[
    &accum::COMMAND,
    &addcoltotals::COMMAND,
    &addinfo::COMMAND,
    &addtotals::COMMAND,
    &appendcols::COMMAND,
    &autoregress::COMMAND,
    &cluster::COMMAND,
    &datamodel::COMMAND,
    &dedup::COMMAND,
    &delta::COMMAND,
    &extract::COMMAND,
    &fieldformat::COMMAND,
    &fields::COMMAND,
    &fieldsummary::COMMAND,
    &filldown::COMMAND,
    &fillnull::COMMAND,
    &format::COMMAND,
    &fromjson::COMMAND,
    &gentimes::COMMAND,
    &head::COMMAND,
    &highlight::COMMAND,
    &iplocation::COMMAND,
    &makecontinuous::COMMAND,
    &makemv::COMMAND,
    &makeresults::COMMAND,
    &metadata::COMMAND,
    &multikv::COMMAND,
    &mvcombine::COMMAND,
    &mvexpand::COMMAND,
    &nomv::COMMAND,
    &outlier::COMMAND,
    &rangemap::COMMAND,
    &rare::COMMAND,
    &rename::COMMAND,
    &replace::COMMAND,
    &reverse::COMMAND,
    &set::COMMAND,
    &sort::COMMAND,
    &spath::COMMAND,
    &strcat::COMMAND,
    &table::COMMAND,
    &tail::COMMAND,
    &timewrap::COMMAND,
    &tojson::COMMAND,
    &top::COMMAND,
    &transpose::COMMAND,
    &trendline::COMMAND,
    &uniq::COMMAND,
    &untable::COMMAND,
    &xmlkv::COMMAND,
    &xyseries::COMMAND,
];
